"""From one global number of kept weights to one number per layer.

Every scheme is the same water-filling with other weights: layer ℓ keeps ``min(n_ℓ, c · w_ℓ)``
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
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from gslt.errors import ConfigError

Shape = Sequence[int]

#: Share of a layer of the given weight shape, up to a factor.
ALLOCATIONS: dict[str, Callable[[Shape], float]] = {
    "epl": lambda shape: 1.0,
    "erk": lambda shape: float(sum(shape)),
    "uniform": lambda shape: float(math.prod(shape)),
}


def allocate(scheme: str, total: int, shapes: Sequence[Shape]) -> list[float]:
    """Divide ``total`` kept weights over layers; real numbers that add up to ``total``.

    Half of 44 weights, a small layer among two larger ones:

    >>> allocate("epl", 22, [(2, 2), (4, 5), (4, 5)])
    [4.0, 9.0, 9.0]
    >>> allocate("uniform", 22, [(2, 2), (4, 5), (4, 5)])
    [2.0, 10.0, 10.0]

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
    kept = [0.0] * len(sizes)
    left = float(total)
    # A layer becomes full at the level n_ℓ / w_ℓ: visit the layers in that order.
    level = {i: sizes[i] / share for i, s in enumerate(shapes) if (share := ALLOCATIONS[scheme](s))}
    order = sorted(level, key=lambda i: (level[i], i))
    share_left = math.fsum(ALLOCATIONS[scheme](shapes[i]) for i in order)
    for i in order:
        share = ALLOCATIONS[scheme](shapes[i])
        kept[i] = min(float(sizes[i]), left * share / share_left) if left > 0 else 0.0
        left -= kept[i]
        share_left -= share
    return kept


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
