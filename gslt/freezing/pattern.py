"""Ratios and a seed → how many weights of each layer are frozen, and which."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gslt.errors import ConfigError
from gslt.freezing.allocation import Shape, allocate, round_to_total
from gslt.random import Stream

PRUNED, SEARCHED, LOCKED = -1, 0, 1


@dataclass(frozen=True)
class FrozenCounts:
    """Numbers of weights of one layer: ``total`` of them, ``pruned`` and ``locked`` by freezing."""

    total: int
    pruned: int
    locked: int

    @property
    def searched(self) -> int:
        """Weights left to the search."""
        return self.total - self.pruned - self.locked

    @classmethod
    def sum(cls, counts: Iterable[FrozenCounts]) -> FrozenCounts:
        """Counts of several layers together.

        >>> FrozenCounts.sum([FrozenCounts(4, 0, 1), FrozenCounts(20, 11, 5)])
        FrozenCounts(total=24, pruned=11, locked=6)
        """
        each = [(c.total, c.pruned, c.locked) for c in counts]
        return cls(*map(sum, zip(*each, strict=True))) if each else cls(0, 0, 0)


def frozen_counts(
    shapes: Sequence[Shape],
    prune_ratio: float,
    lock_ratio: float,
    scheme: str,
    taking_part: Sequence[bool] | None = None,
) -> list[FrozenCounts]:
    """Exact frozen counts of every layer.

    The scheme is applied to the pruning ratio p and to the freezing ratio F = p + l; what is frozen
    but not pruned is locked (Otsuka et al. 2024, arXiv 2402.14029, where EPL is the best scheme).
    Largest-remainder rounding meets the global counts exactly: N − round((1 − p) N) pruned and
    round(l N) locked. With a scheme that falls short (``balanced``) they are what its layers really
    have, rounded: with U_ℓ unpruned and V_ℓ searched weights round(Σ n_ℓ − U_ℓ) are pruned and
    round(Σ U_ℓ − V_ℓ) locked, so that more is pruned than p N, or where p = 0 more locked than l N.

    >>> frozen_counts([(2, 2), (4, 5)], prune_ratio=0.5, lock_ratio=0.25, scheme="epl")
    [FrozenCounts(total=4, pruned=0, locked=1), FrozenCounts(total=20, pruned=12, locked=5)]

    Where only some layers take part, everything is as if they were the whole network:

    >>> frozen_counts([(4, 5), (4, 4), (2, 2)], 0.25, 0.5, "epl", [False, True, False])[1]
    FrozenCounts(total=16, pruned=4, locked=8)

    Args:
        shapes: weight shape of each layer, ``(out, in, *kernel)``.
        prune_ratio: p, fraction of the weights in the layers that take part.
        lock_ratio: l, fraction of the weights in the layers that take part, p + l ≤ 1.
        scheme: a key of :data:`gslt.freezing.ALLOCATIONS`.
        taking_part: which layers can have frozen weights, see :func:`gslt.freezing.taking_part`.
            Default: all.

    Returns:
        The counts of each layer, in the order of ``shapes``.

    Raises:
        ConfigError: for an unknown scheme, or if something is to be frozen and no layer takes
            part.
    """
    takes_part = [True] * len(shapes) if taking_part is None else taking_part
    part = [shape for shape, takes in zip(shapes, takes_part, strict=True) if takes]
    if shapes and not part and prune_ratio + lock_ratio > 0:
        raise ConfigError(
            "no layer takes part in freezing (hidden are those between the first and the last); "
            "leave the ratios out, let place name others, or add a layer"
        )
    found = iter(_divided(part, prune_ratio, lock_ratio, scheme))
    return [
        next(found) if takes else FrozenCounts(math.prod(shape), 0, 0)
        for shape, takes in zip(shapes, takes_part, strict=True)
    ]


def _divided(
    shapes: Sequence[Shape], prune_ratio: float, lock_ratio: float, scheme: str
) -> list[FrozenCounts]:
    """Counts of layers of which these fractions are frozen together."""
    sizes = [math.prod(shape) for shape in shapes]
    shares = divided(shapes, prune_ratio, lock_ratio, scheme)
    cut = [n - unpruned for n, (unpruned, _) in zip(sizes, shares, strict=True)]
    fixed = [unpruned - searched for unpruned, searched in shares]
    pruned_total = round(math.fsum(cut))
    locked_total = min(round(math.fsum(fixed)), sum(sizes) - pruned_total)
    pruned = round_to_total(cut, pruned_total, sizes)
    locked = round_to_total(
        fixed, locked_total, [n - cut for n, cut in zip(sizes, pruned, strict=True)]
    )
    return [FrozenCounts(*counts) for counts in zip(sizes, pruned, locked, strict=True)]


def divided(
    shapes: Sequence[Shape], prune_ratio: float, lock_ratio: float, scheme: str
) -> list[tuple[float, float]]:
    """Numbers of unpruned and of searched weights that a scheme gives every layer, not rounded.

    >>> divided([(2, 2), (4, 5)], prune_ratio=0.5, lock_ratio=0.25, scheme="epl")
    [(4.0, 3.0), (8.0, 3.0)]

    Args:
        shapes: weight shape of each layer that takes part.
        prune_ratio: p, fraction of their weights.
        lock_ratio: l, fraction of their weights.
        scheme: a key of :data:`gslt.freezing.ALLOCATIONS`.
    """
    total = sum(math.prod(shape) for shape in shapes)
    unpruned = round((1.0 - prune_ratio) * total)
    searched = max(unpruned - round(lock_ratio * total), 0)
    return list(
        zip(allocate(scheme, unpruned, shapes), allocate(scheme, searched, shapes), strict=True)
    )


def freezing_pattern(counts: FrozenCounts, seed: int, layer: str) -> npt.NDArray[np.int8]:
    """The ternary freezing pattern of a layer: −1 pruned, +1 locked, 0 searched.

    Pruned and locked weights are disjoint and uniformly random: the first entries of one random
    permutation (stream role ``"pattern"``) are pruned, the next ones locked.

    >>> freezing_pattern(FrozenCounts(12, 4, 3), seed=0, layer="layers.0.nn.weight").tolist()
    [1, 0, -1, 0, 0, -1, 0, -1, 1, 0, 1, -1]

    Args:
        counts: how many weights of the layer are pruned and locked.
        seed: seed of the source network.
        layer: qualified parameter name, which names the stream.

    Returns:
        int8, flat, one entry per weight in row-major order.
    """
    pattern = np.full(counts.total, SEARCHED, dtype=np.int8)
    if counts.searched < counts.total:
        order = Stream(seed, layer, "pattern").permutation(counts.total)
        pattern[order[: counts.pruned]] = PRUNED
        pattern[order[counts.pruned : counts.pruned + counts.locked]] = LOCKED
    return pattern
