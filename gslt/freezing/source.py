"""The frozen part of a source network: from ratios and a seed to the true counts of every layer.

With exact counts (Otsuka et al. 2024, arXiv 2402.14029) a layer has as many frozen weights as the
allocation says, at random places. With *independent draws* every weight is pruned with probability
``1 − U_ℓ / n_ℓ`` and locked with ``(U_ℓ − V_ℓ) / n_ℓ``, U_ℓ and V_ℓ being the unpruned and searched
weights that the allocation gives layer ℓ: an Erdős–Rényi source, as theory has it (Gadhikar et al.
2023, arXiv 2210.02412). Its counts are random, and the seed decides them.

Either may leave a unit without any connection. The *connectivity correction* of the same paper
gives every such unit one searched weight at a random place.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gslt.freezing.allocation import Shape
from gslt.freezing.pattern import (
    LOCKED,
    PRUNED,
    SEARCHED,
    FrozenCounts,
    divided,
    freezing_pattern,
    frozen_counts,
)
from gslt.random import Stream

Pattern = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Units:
    """What the entries of a weight connect: input units with output units, in separate blocks."""

    blocks: int
    """Groups of a convolution, or matrices of a stack: no unit is in two of them."""
    outputs: int
    """Output units of a block."""
    inputs: int
    """Input units of a block."""
    taps: int = 1
    """Entries between an input and an output unit: those of a convolution's kernel."""
    inputs_first: bool = False
    """Whether the weight has its inputs before its outputs, ``(…, in, out)``."""

    @classmethod
    def of(cls, shape: Shape) -> Units:
        """Those of a linear, graph or convolution weight ``(out, in, *kernel)``.

        >>> Units.of((4, 3, 2, 2))
        Units(blocks=1, outputs=4, inputs=3, taps=4, inputs_first=False)
        """
        return cls(1, shape[0], math.prod(shape[1:2]), math.prod(shape[2:]))

    def view(self, flat: Pattern) -> Pattern:
        """A pattern ``(n,)`` as ``(blocks, outputs, inputs, taps)``, in the same memory."""
        first = (self.inputs, self.outputs) if self.inputs_first else (self.outputs, self.inputs)
        whole = flat.reshape(self.blocks, *first, self.taps)
        return whole.swapaxes(1, 2) if self.inputs_first else whole


@dataclass(frozen=True)
class FrozenPart:
    """What of one layer is frozen."""

    counts: FrozenCounts
    """The true ones."""
    pruned: float
    """How many weights were to be pruned."""
    locked: float
    """How many were to be locked."""
    added: int = 0
    """How many of the pruned ones the connectivity correction made searched ones."""
    pattern: Pattern | None = None
    """Which weights they are, int8 ``(n,)``; None where counts and seed say that, see
    :func:`gslt.freezing.freezing_pattern`."""


def frozen_parts(
    shapes: Mapping[str, Shape],
    prune_ratio: float,
    lock_ratio: float,
    scheme: str,
    taking_part: Sequence[bool] | None = None,
    *,
    seed: int = 0,
    draw: str = "exact",
    connected: bool = False,
    units: Mapping[str, Units] | None = None,
) -> list[FrozenPart]:
    """What is frozen of every layer.

    >>> shapes = {"0.weight": (8, 8), "2.weight": (8, 8)}
    >>> [part.counts.pruned for part in frozen_parts(shapes, 0.75, 0.0, "uniform")]
    [48, 48]
    >>> drawn = frozen_parts(shapes, 0.75, 0.0, "uniform", draw="bernoulli", connected=True)
    >>> [(part.counts.pruned, part.pruned, part.added) for part in drawn]
    [(41, 48.0, 0), (46, 48.0, 4)]

    Args:
        shapes: of the weights by qualified name, which names the random streams.
        prune_ratio: p, fraction of the weights in the layers that take part.
        lock_ratio: l, fraction of the weights in the layers that take part, p + l ≤ 1.
        scheme: a key of :data:`gslt.freezing.ALLOCATIONS`.
        taking_part: which layers can have frozen weights. Default: all.
        seed: of the source network.
        draw: ``"exact"`` counts, or ``"bernoulli"``: every weight by itself (stream role
            ``"bernoulli"``).
        connected: give every unit a connection, see :func:`connect`.
        units: what the weights connect, by name; default :meth:`Units.of`.

    Raises:
        ConfigError: see :func:`gslt.freezing.frozen_counts`.
    """
    takes_part = [True] * len(shapes) if taking_part is None else taking_part
    exact = frozen_counts(list(shapes.values()), prune_ratio, lock_ratio, scheme, takes_part)
    part = [shape for shape, takes in zip(shapes.values(), takes_part, strict=True) if takes]
    shares = iter(divided(part, prune_ratio, lock_ratio, scheme))
    found = []
    for (name, shape), counts, takes in zip(shapes.items(), exact, takes_part, strict=True):
        if not takes:
            found.append(FrozenPart(counts, 0.0, 0.0))
            continue
        n, (unpruned, searched) = counts.total, next(shares)
        pattern, added = None, 0
        if draw == "bernoulli":
            of = max(n, 1)
            pattern = _drawn(n, (n - unpruned) / of, (n - searched) / of, seed, name)
        if connected and prune_ratio:
            pattern = freezing_pattern(counts, seed, name) if pattern is None else pattern
            added = connect(pattern, (units or {}).get(name) or Units.of(shape), seed, name)
        if pattern is not None:
            counts = counts_of(pattern)
        found.append(FrozenPart(counts, n - unpruned, unpruned - searched, added, pattern))
    return found


def _drawn(n: int, prune: float, freeze: float, seed: int, name: str) -> Pattern:
    """Every weight by itself: pruned where uᵢ < prune, else locked where uᵢ < freeze."""
    u = Stream(seed, name, "bernoulli").uniform(n)
    pattern = np.full(n, SEARCHED, dtype=np.int8)
    pattern[u < freeze] = LOCKED
    pattern[u < prune] = PRUNED
    return pattern


def connect(pattern: Pattern, units: Units, seed: int, layer: str) -> int:
    """Give every unit that has none an unpruned entry, in place.

    First every output unit all of whose entries are pruned gets a searched one, at a uniformly
    random place among them; then every input unit that is without an entry still, likewise. What
    the outputs got is not taken away, so that afterwards both have one.

    >>> pattern = np.array([-1, -1, -1, 0], dtype=np.int8)  # the second output of the second input
    >>> connect(pattern, Units.of((2, 2)), seed=0, layer="weight"), pattern.tolist()
    (1, [0, -1, -1, 0])

    Args:
        pattern: −1 pruned, +1 locked, 0 searched, int8 ``(n,)``.
        units: what the entries connect.
        seed: of the source network.
        layer: qualified parameter name, which names the streams (roles ``"connect output"`` and
            ``"connect input"``; unit i takes number i).

    Returns:
        How many entries were added.
    """
    both = units.view(pattern)
    added = _filled(both, Stream(seed, layer, "connect output"))
    return added + _filled(both.swapaxes(1, 2), Stream(seed, layer, "connect input"))


def _filled(view: Pattern, stream: Stream) -> int:
    """Give every unit of ``(blocks, units, others, taps)`` without an entry a searched one."""
    blocks, units, others, taps = view.shape
    block, unit = np.nonzero((view == PRUNED).all(axis=(2, 3)))
    if block.size:
        u = stream.uniform(blocks * units).reshape(blocks, units)[block, unit]
        other, tap = np.divmod(np.floor(u * (others * taps)).astype(np.int64), taps)
        view[block, unit, other, tap] = SEARCHED
    return int(block.size)


def counts_of(pattern: Pattern) -> FrozenCounts:
    """Counts of a pattern ``(n,)``.

    >>> counts_of(np.array([-1, 0, 1, 1], dtype=np.int8))
    FrozenCounts(total=4, pruned=1, locked=2)
    """
    pruned, locked = (int(np.count_nonzero(pattern == value)) for value in (PRUNED, LOCKED))
    return FrozenCounts(pattern.size, pruned, locked)
