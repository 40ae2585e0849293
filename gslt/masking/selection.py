"""Exact selection: mark the largest of many scores without sorting them.

There are two routes, and they give the same masks to the letter.

- On the CPU, :func:`select_largest` guesses a narrow band that holds the threshold and goes once
  through the scores, in blocks that stay in the cache: what is above the band is kept, and only
  what lies in the band is ordered, afterwards. When the count shows that the threshold lies
  elsewhere, it guesses again. No large tensor is made but the mask, and NumPy does the work on
  the thread of the caller: its comparisons are faster on one core than torch's on two, and a block
  is too short to wait for another thread.
- Elsewhere, and for few scores, :func:`keep_largest` orders everything. It has no step that depends
  on a count: to read a count, or to gather as many entries as there are in a band, a host would
  have to wait for its GPU.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gslt.config import Ranking
from gslt.errors import ConfigError
from gslt.nn import memory

#: Up to here ordering everything takes no longer than finding a band. Scores.
SMALL = 1 << 14
#: Scores of a block; in single precision they fill half a megabyte.
BLOCK = 1 << 17
#: A band that is expected to hold a larger part of the scores is not worth a guess.
WIDEST = 1 / 64

_TYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_INF = math.inf

Array = npt.NDArray[Any]


def keep_largest(values: Tensor, keep: int) -> Tensor:
    """Mark exactly ``keep`` entries, the largest ones; among equals the first ones.

    Nothing here makes the host wait for a GPU.

    >>> keep_largest(torch.tensor([3.0, 5.0, 3.0, 1.0]), 2).tolist()
    [True, True, False, False]

    Args:
        values: flat tensor ``(n,)``. A NaN counts as −∞.
        keep: number of entries to mark, 0 … n.

    Returns:
        Boolean tensor ``(n,)`` with exactly ``keep`` true entries.

    Raises:
        ConfigError: if ``keep`` is not in 0 … n.
    """
    n = values.numel()
    _check(keep, n)
    if keep in (0, n):
        return torch.full((n,), keep > 0, device=values.device)
    values = values.nan_to_num(nan=-_INF, posinf=_INF, neginf=-_INF)
    threshold = torch.kthvalue(values, n - keep + 1).values
    above = values > threshold
    ties = values == threshold
    return above | (ties & (ties.cumsum(0) <= keep - above.sum()))


class Hint:
    """Where the threshold of a group of scores is expected next.

    It saves time and decides nothing: whatever it says, a selection is the same. While an optimizer
    runs the threshold moves almost evenly, so the last two give the next one; how far that was off
    before gives the width of the band around it.
    """

    def __init__(self) -> None:
        self.last = self.centre = self.half = self.density = math.nan

    def band(self, n: int) -> tuple[float, float] | None:
        """Bounds around the expected threshold of n scores; None if they are not narrow."""
        known = math.isfinite(self.centre) and 2.0 * self.half * self.density <= WIDEST * n
        return (self.centre - self.half, self.centre + self.half) if known else None

    def learn(self, threshold: float, density: float) -> None:
        """Take note of what a selection found.

        Args:
            threshold: the least score that was kept.
            density: number of scores per unit near it.
        """
        error = abs(threshold - self.centre)
        before = self.half if math.isfinite(self.half) else 0.0
        # The half-width stays NaN, which is never narrow, until there was an error to learn from.
        self.half = max(4.0 * error, 0.75 * before)
        moved = threshold - self.last if math.isfinite(self.last) else 0.0
        self.last, self.centre, self.density = threshold, threshold + moved, density


def select_largest(
    scores: Sequence[Tensor],
    keep: int,
    *,
    ranking: Ranking = "magnitude",
    hint: Hint | None = None,
) -> list[Tensor]:
    """Mark exactly ``keep`` entries of all tensors together, the largest ones.

    Among equals the first ones are marked, in the order of the tensors and within each. A NaN
    counts as −∞, whatever the ranking.

    >>> first, second = torch.tensor([0.1, -0.9]), torch.tensor([0.5, 0.2, -0.3])
    >>> [mask.tolist() for mask in select_largest([first, second], 3)]
    [[False, True], [True, False, True]]

    Args:
        scores: flat tensors ``(m_i,)``.
        keep: number of entries to mark, 0 … Σ m_i.
        ranking: ``"magnitude"`` ranks by |z|, ``"raw"`` by z.
        hint: what earlier selections of the same scores found out; brought up to date.

    Returns:
        A boolean tensor ``(m_i,)`` for each.

    Raises:
        ConfigError: if ``keep`` is not in 0 … Σ m_i.
    """
    scores = [score.detach() for score in scores]
    sizes = [score.numel() for score in scores]
    _check(keep, sum(sizes))
    in_bands = all(score.device.type == "cpu" and score.dtype in _TYPES for score in scores)
    if in_bands and sum(sizes) > SMALL and 0 < keep < sum(sizes):
        mask = _select(scores, keep, ranking, Hint() if hint is None else hint)
    else:
        ranked = [score.abs() for score in scores] if ranking == "magnitude" else scores
        mask = keep_largest(torch.cat(ranked), keep)
    return list(torch.split(mask, sizes))


def count_true(mask: Tensor) -> Tensor:
    """Number of true entries of a boolean ``(n,)``, an int64 scalar tensor where the mask is."""
    # torch's own count on the CPU takes four times as long.
    return torch.tensor(np.count_nonzero(mask.numpy())) if mask.is_cpu else mask.sum()


def _check(keep: int, n: int) -> None:
    if not 0 <= keep <= n:
        raise ConfigError(f"cannot keep {keep} of {n} weights")


def _select(scores: list[Tensor], keep: int, ranking: Ranking, hint: Hint) -> Tensor:
    """One flat mask for all scores, from the first band that turns out to hold the threshold."""
    n = sum(score.numel() for score in scores)
    mask = memory.empty(1, n, torch.bool, torch.device("cpu")).squeeze(0)
    marks = mask.numpy()
    for low, high in _bands(scores, keep, ranking, hint):
        above, positions, values = _sweep(scores, ranking, marks, low, high)
        if above < keep <= above + values.size:
            break
    chosen, threshold = _largest(values, keep - above)
    marks[positions[chosen]] = True
    width = high - low
    hint.learn(threshold, values.size / width if width > 0.0 else _INF)
    return mask


def _largest(values: Array, keep: int) -> tuple[Array, float]:
    """Positions of the ``keep`` largest values, the first ones among equals; the least of them."""
    values[np.isnan(values)] = -_INF
    threshold = _order_statistic(values, values.size - keep)
    above = np.flatnonzero(values > threshold)
    ties = np.flatnonzero(values == threshold)
    return np.concatenate([above, ties[: keep - above.size]]), threshold


def _order_statistic(values: Array, place: int) -> float:
    # For one place at a time NumPy has a vectorised routine, ten times as fast as torch's.
    return float(np.partition(values, place)[place])


def _bands(
    scores: list[Tensor], keep: int, ranking: Ranking, hint: Hint
) -> Iterator[tuple[float, float]]:
    """Bounds to try one after the other; the last ones hold everything."""
    hinted = hint.band(sum(score.numel() for score in scores))
    if hinted is not None and hinted[0] <= hinted[1]:
        yield hinted
    yield _sampled_band(scores, keep, ranking)
    yield -_INF, _INF


def _sampled_band(scores: list[Tensor], keep: int, ranking: Ranking) -> tuple[float, float]:
    """Bounds that hold the threshold unless a regular sample misleads by four standard errors."""
    n = sum(score.numel() for score in scores)
    step = max(1, round(0.5 * n ** (1 / 3)))
    # Layers repeat themselves with periods made of small primes.
    while math.gcd(step, 2 * 3 * 5 * 7) > 1:
        step += 1
    parts = [score[::step].to(_wide(scores)).numpy() for score in scores]
    sample = np.concatenate(parts)
    if ranking == "magnitude":
        np.abs(sample, out=sample)
    sample[np.isnan(sample)] = -_INF
    below = 1.0 - keep / n
    error = 4.0 * math.sqrt(below * (1.0 - below) * sample.size) + 4.0
    first = math.floor(below * sample.size - error)
    last = math.ceil(below * sample.size + error)
    low = _order_statistic(sample, first) if first >= 0 else -_INF
    return low, _order_statistic(sample, last) if last < sample.size else _INF


def _sweep(
    scores: list[Tensor], ranking: Ranking, marks: Array, low: float, high: float
) -> tuple[int, Array, Array]:
    """Mark what is above the band; count it, and list the positions and values inside the band."""
    above, positions, values = 0, [], []
    inside = np.empty(BLOCK, dtype=np.bool_)
    # In the scores' own type a finite bound may be infinite.
    low, high = torch.tensor([low, high], dtype=torch.float64).to(_wide(scores)).tolist()
    with np.errstate(invalid="ignore"):
        for start, block in _blocks(scores, ranking):
            kept = np.greater(block, high, out=marks[start : start + block.size])
            above += int(np.count_nonzero(kept))
            band = inside[: block.size]
            if low == -_INF:
                band.fill(True)  # a NaN is −∞, and so in this band
            else:
                np.greater_equal(block, low, out=band)
            found = np.flatnonzero(np.not_equal(band, kept, out=band))
            positions.append(found + start)
            values.append(block[found])
    return above, np.concatenate(positions), np.concatenate(values)


def _blocks(scores: list[Tensor], ranking: Ranking) -> Iterator[tuple[int, Array]]:
    """What scores are ranked by, in blocks that last until the next one, with their positions."""
    scratch = torch.empty(BLOCK, dtype=_wide(scores))
    ranked = scratch.numpy()
    start = 0
    for score in scores:
        for part in torch.split(score, BLOCK):
            n = part.numel()
            if part.dtype != scratch.dtype:
                part = scratch[:n].copy_(part)
            values = part.numpy()
            yield start, np.abs(values, out=ranked[:n]) if ranking == "magnitude" else values
            start += n


def _wide(scores: list[Tensor]) -> torch.dtype:
    """The narrowest type of NumPy's fast ones that holds every score exactly."""
    return torch.float64 if any(s.dtype == torch.float64 for s in scores) else torch.float32
