"""From one global number of kept weights to one number per layer.

Three schemes are the same water-filling with other weights: layer ℓ keeps ``min(n_ℓ, c · w_ℓ)``
weights, with the one level ``c`` at which the layers together keep the global number.

======== ==================================== ==================================================
scheme   w_ℓ                                  source
======== ==================================== ==================================================
epl      1                                    Otsuka et al. 2024, arXiv 2402.14029 (equal number
                                              per layer, the overflow divided among the rest)
erk      c_out + c_in + k_h + k_w             Evci et al. 2020, arXiv 1911.11134 (density
                                              ∝ w_ℓ / n_ℓ, full layers kept dense)
uniform  n_ℓ                                  the same ratio everywhere
======== ==================================== ==================================================

This ``erk`` divides among the other layers what a full one cannot hold, as its authors' code does,
and so keeps the global number. A variant in use elsewhere only clamps the density at 1,
``min(1, c · w_ℓ / n_ℓ)`` with the ``c`` of all layers, and falls short of it; it is not here.

Three more are no water-filling. M is the number of all weights, L that of the layers, d the kept
share of the whole network:

========= ================================== ===================================================
scheme    kept weights of layer ℓ            source
========= ================================== ===================================================
igq       n_ℓ / (1 + F n_ℓ), F such that     Vysogorets and Kempe 2023, arXiv 2107.02306 (ideal
          they add up to d M                 gas quotas: large layers are sparser, and none is
                                             full before all are)
balanced  min(n_ℓ, d M / L)                  Gadhikar et al. 2023, arXiv 2210.02412 (equal number
                                             per layer; the overflow is *not* divided: the layers
                                             fall short of d M where one is full)
pyramidal q^ℓ n_ℓ, ℓ = 1 … L, q in [0, 1]    the same (the density falls by an equal factor from
          such that they add up to d M       each layer to the next)
========= ================================== ===================================================

A layer is here a weight matrix, in the order of the network: both matrices of a GraphSAGE layer
count, and a head is the last.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

from gslt.errors import ConfigError

Shape = Sequence[int]


def allocate(scheme: str, total: int, shapes: Sequence[Shape]) -> list[float]:
    """Divide ``total`` kept weights over layers; real numbers that add up to ``total``.

    But for ``balanced``, where they may add up to less; all of the weights are all in every scheme.

    Half of 44 weights, a small layer among two larger ones:

    >>> allocate("epl", 22, [(2, 2), (4, 5), (4, 5)])
    [4.0, 9.0, 9.0]
    >>> allocate("uniform", 22, [(2, 2), (4, 5), (4, 5)])
    [2.0, 10.0, 10.0]

    With F = ¼ the larger layer keeps 12 / (1 + 12 / 4), the smaller one 4 / (1 + 4 / 4):

    >>> [round(kept, 9) for kept in allocate("igq", 5, [(3, 4), (2, 2)])]
    [3.0, 2.0]

    A third of 22 is more than the small layer has, and what is left over stays so; with q = ½ the
    densities are ½ and ¼:

    >>> allocate("balanced", 22, [(2, 2), (4, 5), (4, 5)])
    [4.0, 7.333333333333333, 7.333333333333333]
    >>> [round(kept, 9) for kept in allocate("pyramidal", 9, [(2, 2), (4, 7)])]
    [2.0, 7.0]

    Args:
        scheme: a key of :data:`ALLOCATIONS`.
        total: weights to keep in the whole network, 0 … Σ n_ℓ.
        shapes: weight shape of each layer, ``(out, in, *kernel)``.

    Returns:
        Kept weights per layer, each in 0 … n_ℓ. They grow with ``total`` in every layer.

    Raises:
        ConfigError: for an unknown scheme or a total that the layers cannot hold.
    """
    if scheme not in ALLOCATIONS:
        raise ConfigError(f"allocation must be one of {', '.join(ALLOCATIONS)}, got {scheme!r}")
    sizes = [math.prod(shape) for shape in shapes]
    if not 0 <= total <= sum(sizes):
        raise ConfigError(f"cannot keep {total} weights in layers that hold {sum(sizes)}")
    return ALLOCATIONS[scheme](total, shapes)


def _filled(share: Callable[[Shape], float], total: int, shapes: Sequence[Shape]) -> list[float]:
    """Water-filling: each layer its share of the total, up to its size."""
    sizes = [math.prod(shape) for shape in shapes]
    kept = [0.0] * len(sizes)
    left = float(total)
    # A layer becomes full at the level n_ℓ / w_ℓ: visit the layers in that order.
    shares = [share(shape) for shape in shapes]
    level = {i: sizes[i] / shares[i] for i in range(len(sizes)) if shares[i]}
    order = sorted(level, key=lambda i: (level[i], i))
    share_left = math.fsum(shares[i] for i in order)
    for i in order:
        kept[i] = min(float(sizes[i]), left * shares[i] / share_left) if left > 0 else 0.0
        left -= kept[i]
        share_left -= shares[i]
    return kept


def _quotas(total: int, shapes: Sequence[Shape]) -> list[float]:
    """Ideal gas quotas; the force by bisection, until no other number lies in between."""
    sizes = [math.prod(shape) for shape in shapes]
    if total in (0, sum(sizes)):
        return [float(size) if total else 0.0 for size in sizes]
    low, high = 0.0, len(sizes) / total
    while low < (force := (low + high) / 2) < high:
        if math.fsum(size / (1 + force * size) for size in sizes) > total:
            low = force
        else:
            high = force
    return [size / (1 + high * size) for size in sizes]


def _balanced(total: int, shapes: Sequence[Shape]) -> list[float]:
    """An equal share each, and no more than the layer has."""
    sizes = [math.prod(shape) for shape in shapes]
    # A network that keeps everything is dense, whatever the shares of its layers would be.
    whole = total == sum(sizes)
    return [float(n) if whole else min(float(n), total / len(sizes)) for n in sizes]


def _pyramid(total: int, shapes: Sequence[Shape]) -> list[float]:
    """Powers of one density; it by bisection, until no other number lies in between.

    The powers are products, each exactly rounded, so that they are the same on every machine.
    """
    sizes = [math.prod(shape) for shape in shapes]
    if total in (0, sum(sizes)):
        return [float(size) if total else 0.0 for size in sizes]
    low, high = 0.0, 1.0
    while low < (density := (low + high) / 2) < high:
        if math.fsum(_powers(density, sizes)) < total:
            low = density
        else:
            high = density
    return _powers(high, sizes)


def _powers(density: float, sizes: Sequence[int]) -> list[float]:
    kept, power = [], 1.0
    for size in sizes:
        power *= density
        kept.append(power * size)
    return kept


#: How a scheme divides a number of kept weights over layers of these weight shapes.
ALLOCATIONS: dict[str, Callable[[int, Sequence[Shape]], list[float]]] = {
    "epl": partial(_filled, lambda shape: 1.0),
    "erk": partial(_filled, lambda shape: float(sum(shape))),
    "uniform": partial(_filled, lambda shape: float(math.prod(shape))),
    "igq": _quotas,
    "balanced": _balanced,
    "pyramidal": _pyramid,
}
#: Schemes whose layers may keep fewer weights together than the global number.
FALLING_SHORT = ("balanced",)


def round_to_total(values: Sequence[float], total: int, capacity: Sequence[int]) -> list[int]:
    """Round to integers that add up to ``total``, by largest remainder.

    Ties go to the earlier layer; a layer at its capacity passes its turn on.

    >>> round_to_total([0.5, 0.5, 2.0], 3, [1, 1, 2])
    [1, 0, 2]

    Args:
        values: real numbers, each at most its capacity, that add up to about ``total``.
        total: the sum to reach.
        capacity: upper bound per entry.

    Returns:
        One integer per entry, each within 1 of its value where the capacities allow that.

    Raises:
        ConfigError: if the capacities cannot hold the total.
    """
    if total > sum(capacity):
        raise ConfigError(f"cannot place {total} weights where there is room for {sum(capacity)}")
    # The slack absorbs the last bits of sums such as 0.1 + 0.2, never a real difference.
    counts = [
        min(math.floor(value + 1e-6), room) for value, room in zip(values, capacity, strict=True)
    ]
    order = sorted(range(len(counts)), key=lambda i: (counts[i] - values[i], i))
    missing = total - sum(counts)
    while missing > 0:
        for i in order:
            if missing and counts[i] < capacity[i]:
                counts[i] += 1
                missing -= 1
    return counts
