r"""Subset sums: which of some random numbers, added up, come nearest to a target.

The locked values are always in the sum, the pruned ones never, and of the free ones those that
make :math:`|z - \sum_{i \in S} x_i|` small. With at most ``exact`` free values the answer is the
optimum, by meet in the middle (Horowitz & Sahni 1974): all sums of one half are compared with all
that the other half would have to give, and the nearest pair of two sets of numbers is adjacent
where both are sorted together. With more, the largest are taken or left greedily, and the others
exactly.

All sums are sums of integers: the n values of a row are rounded to multiples of a power of two,
about :math:`2^{-59} n \max_i |x_i|`. So ties are ties, and an answer depends neither on the order
of additions nor on what else is computed beside it. Where the rounding could hide more than a
thousandth of an error, as values differ by many powers of two, sums are those of the values as they
are, and the answer is not called the optimum.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from gslt.environment import usable_cores
from gslt.errors import ConfigError

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]
_Kind = TypeVar("_Kind", bound=np.generic)

#: Most free values that are searched exactly: 2²⁰ sums on each side, 0.1 GB for each thread.
MAX_EXACT = 40
#: Sums of magnitudes stay below half of two to this power: four times the distance of two of them
#: still fits in 64 bits.
_BITS = 60
#: Largest magnitude: a sum of many of them is finite still.
_LARGEST = 1e290
#: Share of an error that the rounding of values may hide.
_UNSURE = 1e-3
#: Numbers that are sorted at a time: they stay in the cache of a core.
_BLOCK = 1 << 16
#: Rows that a thread prepares at a time, at most.
_ROWS = 4096


@dataclass(frozen=True)
class SubsetSums:
    """The best subset that was found for every target."""

    targets: Float64
    """What the sums were to be, ``(t,)``."""
    chosen: Bool
    """What is in each sum, ``(t, n)``: every locked value, no pruned one, some of the free."""
    sums: Float64
    """Sums of what is chosen, ``(t,)``."""
    errors: Float64
    """How far each sum is from its target, ``(t,)``."""
    low: Float64
    """The smallest sum that there is, ``(t,)``: locked values and negative free ones."""
    high: Float64
    """The largest sum that there is, ``(t,)``: locked values and positive free ones."""
    optimal: Bool
    """Whether no other subset is nearer, ``(t,)``, by more than a thousandth of the error. Another
    may be where some were taken greedily, or rounding to the grid is coarser than that."""

    @property
    def reachable(self) -> Bool:
        """Whether a target lies between the smallest sum and the largest, ``(t,)``."""
        inside: Bool = (self.low <= self.targets) & (self.targets <= self.high)
        return inside

    def missed(self, epsilon: float) -> npt.NDArray[np.intp]:
        """Numbers of the targets that are farther than ``epsilon`` from their sums.

        Args:
            epsilon: the largest error allowed, above 0.

        Raises:
            ConfigError: if epsilon is not above 0.
        """
        check_epsilon(epsilon)
        return np.flatnonzero(self.errors > epsilon)

    def why_missed(self, epsilon: float) -> str:
        """A sentence on the targets that are missed, with the worst one; empty if none is.

        >>> subset_sums([0.5, 0.25], [0.75, 0.9]).why_missed(0.01)[:66]
        '1 of 2 targets are missed by more than 0.01 (out of reach: 1); the'

        Args:
            epsilon: the largest error allowed, above 0.

        Raises:
            ConfigError: if epsilon is not above 0.
        """
        missed = self.missed(epsilon)
        if not len(missed):
            return ""
        worst = int(missed[np.argmax(self.errors[missed])])
        causes = {
            "out of reach": ~self.reachable[missed],
            "outside [-1, 1], where no lemma promises anything": np.abs(self.targets[missed]) > 1,
        }
        counts = [f"{name}: {np.count_nonzero(of)}" for name, of in causes.items() if of.any()]
        aside = f" ({'; '.join(counts)})" if counts else ""
        advice = "take more free values"
        if causes["outside [-1, 1], where no lemma promises anything"].any():
            advice += ", or divide all targets by one number and multiply it back in"
        return (
            f"{len(missed)} of {len(self.targets)} targets are missed by more than {epsilon:g}"
            f"{aside}; the worst is target {worst} = {self.targets[worst]:g}, nearest sum "
            f"{self.sums[worst]:g}, where all sums lie in [{self.low[worst]:g}, "
            f"{self.high[worst]:g}]: {advice}"
        )


def subset_sums(
    values: npt.ArrayLike,
    targets: npt.ArrayLike,
    *,
    locked: npt.ArrayLike | None = None,
    pruned: npt.ArrayLike | None = None,
    exact: int = 30,
    threads: int | None = None,
) -> SubsetSums:
    """The subset of the values nearest to each target.

    Of at most ``exact`` free values the best subset is found. Of more, the largest are decided one
    by one (see :func:`_greedy`) until ``exact`` are left, which are the smallest, and these hit
    exactly what is left of the target; the error is then that of the last ones, which is far below
    what anybody asks for, and ``optimal`` is False.

    Ties: of the subsets that are equally near, the one with the smallest number Σ 2^i over the free
    i that are chosen (among those that are searched exactly); a greedy value that would serve
    neither way is left out. The answer for a target depends on its row alone: not on the other
    rows, the number of threads or the machine. A target out of reach has the nearest sum there is.

    >>> found = subset_sums([0.5, -0.3, 0.2, 0.7], [0.4, 0.9], locked=[False, True, False, False])
    >>> found.chosen.tolist()
    [[True, True, True, False], [True, True, False, True]]
    >>> found.errors.round(12).tolist(), found.low.tolist(), found.high.round(12).tolist()
    ([0.0, 0.0], [-0.3, -0.3], [1.1, 1.1])

    Args:
        values: x, ``(n,)`` for all targets, or ``(t, n)``, a row for each.
        targets: z, ``(t,)``.
        locked: which values are in every sum, ``(n,)`` or ``(t, n)``. Default: none.
        pruned: which values are in no sum, ``(n,)`` or ``(t, n)``. Default: none.
        exact: how many free values are searched exactly, 1 … 40: time and memory double with every
            second one.
        threads: that work on rows at a time. Default: ``OMP_NUM_THREADS``, else one per core that
            this process may use.

    Returns:
        Subsets, sums and errors.

    Raises:
        ConfigError: if shapes do not fit one another, a value or target is not a finite number, a
            value is both locked and pruned, or ``exact`` or ``threads`` is out of range.
    """
    if isinstance(exact, bool) or not isinstance(exact, int) or not 1 <= exact <= MAX_EXACT:
        raise ConfigError(f"exact must be an integer in 1 … {MAX_EXACT}, got {exact!r}")
    z = _numbers("targets", targets)
    if z.ndim != 1:
        raise ConfigError(f"targets must have the shape (t,), got {z.shape}")
    x = _in_rows("values", _numbers("values", values), len(z))
    masks = {"locked": locked, "pruned": pruned}
    lock, prune = (_mask(name, mask, x) for name, mask in masks.items())
    both = lock & prune
    if both.any():
        raise ConfigError(
            f"a value is locked or pruned, not both: both masks are true at {_place(both)}"
        )
    # Every thread has work where there are few rows, too.
    threads = _threads(threads)
    step = max(1, min(_ROWS, -(-len(z) // threads)))
    starts = range(0, len(z), step)

    def solve(start: int) -> SubsetSums:
        rows = slice(start, start + step)
        return _solve(x[rows], z[rows], lock[rows], prune[rows], exact)

    if threads == 1 or len(starts) < 2:
        parts = list(map(solve, starts))
    else:
        with ThreadPoolExecutor(threads) as pool:
            parts = list(pool.map(solve, starts))
    return _joined(parts, x.shape[1])


def check_epsilon(epsilon: float) -> None:
    """Refuse an error that no sum of real numbers can be promised to keep.

    Args:
        epsilon: the largest error allowed.

    Raises:
        ConfigError: if it is not a finite number above 0.
    """
    number = isinstance(epsilon, int | float | np.number) and not isinstance(epsilon, bool)
    if not number or not 0 < epsilon < np.inf:
        raise ConfigError(
            f"epsilon must be a finite number above 0, got {epsilon!r}: random sums hit a target "
            "exactly with probability 0"
        )


# Checks


def _numbers(name: str, given: npt.ArrayLike) -> Float64:
    try:
        found = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name} must be numbers, got {given!r}") from error
    wrong = ~(np.abs(found) <= _LARGEST)
    if wrong.any():
        raise ConfigError(
            f"{name} must be numbers of at most {_LARGEST:g}, got {found[wrong][0]} at "
            f"{_place(wrong)}"
        )
    return found


def _mask(name: str, given: npt.ArrayLike | None, x: Float64) -> Bool:
    if given is None:
        return np.broadcast_to(np.False_, x.shape)
    found = np.asarray(given)
    if found.dtype != np.bool_:
        raise ConfigError(f"{name} must be a mask of booleans, got {found.dtype}")
    if found.shape[-1:] != x.shape[-1:]:
        raise ConfigError(
            f"{name} has the shape {found.shape}, which does not fit {x.shape[1]} "
            "values; a mask has an entry for each"
        )
    return _in_rows(name, found, len(x))


def _in_rows(name: str, given: npt.NDArray[_Kind], t: int) -> npt.NDArray[_Kind]:
    """A row for each target."""
    if given.ndim == 1:
        return np.broadcast_to(given, (t, given.shape[0]))
    if given.ndim != 2 or len(given) != t:
        raise ConfigError(
            f"{name} must have the shape (n,) or ({t}, n), a row for each of the {t} targets, got "
            f"{given.shape}"
        )
    return given


def _place(wrong: Bool) -> str:
    """The first place of a mask, as one writes an index."""
    return str([int(at) for at in np.argwhere(wrong)[0]])


def _threads(given: int | None) -> int:
    if given is None:
        asked = os.environ.get("OMP_NUM_THREADS", "")
        if asked.isdecimal() and int(asked) > 0:
            return int(asked)
        return usable_cores()
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise ConfigError(f"threads must be an integer of at least 1, got {given!r}")
    return given


# Rows


def _solve(x: Float64, z: Float64, locked: Bool, pruned: Bool, exact: int) -> SubsetSums:
    """Subsets of some rows; the arguments are those of :func:`subset_sums`, all in rows."""
    free = ~(locked | pruned)
    x = np.where(pruned, 0.0, x)
    # Integers of a grid so fine that sums of magnitudes are just below 2^59; scaling is exact, and
    # so is a maximum, while a sum of doubles depends on the machine.
    largest, number = np.abs(x).max(axis=1, initial=0.0), (~pruned).sum(axis=1)
    exponent = np.minimum(_BITS - 1 - np.frexp(largest)[1] - np.frexp(number)[1], 1000)
    scaled = np.ldexp(x, exponent[:, None])
    grid = np.rint(scaled).astype(np.int64)
    moved = np.where((grid != scaled).any(axis=1), number, 0)
    fixed = np.where(locked, grid, 0).sum(axis=1)
    grid = np.where(free, grid, 0)
    low, high = np.minimum(grid, 0).sum(axis=1), np.maximum(grid, 0).sum(axis=1)
    ends = [np.ldexp((fixed + end).astype(np.float64), -exponent) for end in (low, high)]
    # What lies beyond the last sum has it as the nearest one.
    scaled = np.ldexp(np.clip(z, *ends), exponent)
    aim = np.rint(scaled).astype(np.int64)
    moved += aim != scaled
    aim = np.clip(aim - fixed, low, high)
    greedy = _largest(grid, free, exact)
    chosen = _greedy(grid, aim, greedy)
    left = aim - np.where(chosen, grid, 0).sum(axis=1)
    chosen |= _exactly(grid, left, free & ~greedy)
    sums = fixed + np.where(chosen, grid, 0).sum(axis=1)
    chosen |= locked
    found = np.ldexp(sums.astype(np.float64), -exponent)
    # Every value is moved by half a unit of the grid at most, and so is the target.
    unsure = np.ldexp(moved.astype(np.float64), -exponent) > _UNSURE * np.abs(z - found)
    for row in np.flatnonzero(unsure):
        parts = (chosen[row], locked[row] | (x[row] < 0), locked[row] | (x[row] > 0))
        found[row], ends[0][row], ends[1][row] = (math.fsum(x[row][part]) for part in parts)
    errors = np.abs(z - found)
    return SubsetSums(
        targets=z,
        chosen=chosen,
        sums=found,
        errors=errors,
        low=ends[0],
        high=ends[1],
        optimal=~greedy.any(axis=1) & (~unsure | (errors == 0)),
    )


def _largest(grid: Int64, free: Bool, exact: int) -> Bool:
    """All free values of a row but the ``exact`` smallest; of equal ones the first."""
    surplus = free.sum(axis=1) - exact
    largest = np.zeros_like(free)
    some = np.flatnonzero(surplus > 0)
    if len(some):
        order = _descending(grid[some], free[some])
        first = np.arange(grid.shape[1]) < surplus[some, None]
        largest[some[:, None], order] = first
    return largest


def _descending(grid: Int64, part: Bool) -> npt.NDArray[np.intp]:
    """Columns by magnitude, the largest of the part first, what is not of it last."""
    return np.argsort(np.where(part, -np.abs(grid), 1), axis=1, kind="stable")


def _greedy(grid: Int64, aim: Int64, part: Bool) -> Bool:
    r"""Take or leave the values of the part, the largest first.

    With signs :math:`s_i = \pm 1` for taken and left, the sum is on target where
    :math:`\sum s_i x_i = R = 2 z - \sum x_i` over all values of the row, also those that come
    later. Each sign is the one that brings R nearer to 0. So a target between the smallest and the
    largest sum stays between those of the values that are left, unless one value is larger than all
    that come after it together.
    """
    chosen = np.zeros_like(part)
    rows = np.flatnonzero(part.any(axis=1))
    if not len(rows):
        return chosen
    order = _descending(grid[rows], part[rows])[:, : part.sum(axis=1).max()]
    values = np.where(
        np.take_along_axis(part[rows], order, axis=1),
        np.take_along_axis(grid[rows], order, axis=1),
        0,
    )
    rest = 2 * aim[rows] - grid[rows].sum(axis=1)
    taken = np.empty(order.shape, dtype=np.bool_)
    for step, value in enumerate(values.T):
        taken[:, step] = (np.sign(rest) * np.sign(value)) > 0
        rest -= np.where(taken[:, step], value, -value)
    chosen[rows[:, None], order] = taken
    return chosen


def _exactly(grid: Int64, aim: Int64, part: Bool) -> Bool:
    """The best subset of the part of every row, by meet in the middle."""
    chosen = np.zeros_like(part)
    number = part.sum(axis=1)
    # Rows with equally many values side by side; what a shorter one lacks is 0, and never taken.
    by_number = np.argsort(-number, kind="stable")
    start = 0
    while start < len(number):
        most = int(number[by_number[start]])
        rows = by_number[start : start + max(1, _BLOCK >> (1 + -(-most // 2)))]
        columns = np.argsort(~part[rows], axis=1, kind="stable")[:, :most]
        values = np.take_along_axis(np.where(part[rows], grid[rows], 0), columns, axis=1)
        subset = _meet_in_the_middle(values, aim[rows])
        found = (subset[:, None] >> np.arange(most)) & 1 == 1
        chosen[rows[:, None], columns] = found
        start += len(rows)
    return chosen


def _meet_in_the_middle(values: Int64, aim: Int64) -> Int64:
    """Best subsets of ``(t, m)`` integers as numbers Σ 2^i, ``(t,)``; the smallest of several."""
    t, m = values.shape
    lower = m // 2
    # Sums s of the lower half as 4 s, and what it would have to give, w, as 4 w + 1.
    both = np.empty((t, (1 << lower) + (1 << (m - lower))), dtype=np.int64)
    sums, wanted = both[:, : 1 << lower], both[:, 1 << lower :]
    _all_sums(4 * values[:, :lower], sums)
    _all_sums(-4 * values[:, lower:], wanted)
    wanted += 4 * aim[:, None] + 1
    ordered = np.sort(both, axis=1)
    # An s and a w at the distance d are 4 d ± 1 apart; two of a kind an even number, made huge.
    steps = ordered[:, 1:] - ordered[:, :-1]
    steps |= (~steps & 1) << 62
    distance = (steps.min(axis=1) + 1) >> 2
    is_nearest = steps <= 4 * distance[:, None] + 1
    place, rows = is_nearest.argmax(axis=1), np.arange(t)
    left, right = ordered[rows, place], ordered[rows, place + 1]
    upper_mask = (wanted == np.where(left & 1, left, right)[:, None]).argmax(axis=1)
    for row in np.flatnonzero(np.count_nonzero(is_nearest, axis=1) > 1):
        # Several sums of the upper half are equally good: the first subset with any of them.
        at = np.flatnonzero(is_nearest[row])
        ends = np.concatenate([ordered[row, at], ordered[row, at + 1]])
        upper_mask[row] = np.isin(wanted[row], ends).argmax()
    lower_mask = np.abs(sums - (wanted[rows, upper_mask] - 1)[:, None]).argmin(axis=1)
    subset: Int64 = (upper_mask << lower) | lower_mask
    return subset


def _all_sums(values: Int64, out: Int64) -> None:
    """All subset sums of integers ``(t, k)`` to ``(t, 2^k)``; bit i of a place takes value i."""
    out[:, 0] = 0
    for i in range(values.shape[1]):
        np.add(out[:, : 1 << i], values[:, i : i + 1], out=out[:, 1 << i : 2 << i])


def _joined(parts: Sequence[SubsetSums], n: int) -> SubsetSums:
    """The rows of several answers, one below the other."""
    if not parts:
        none, no = np.empty(0), np.empty(0, dtype=np.bool_)
        return SubsetSums(none, np.empty((0, n), dtype=np.bool_), none, none, none, none, no)
    return SubsetSums(
        **{
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(SubsetSums)
        }
    )
