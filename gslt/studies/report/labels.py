"""Where labels stand so that none covers another. Lengths are pixels, upwards and to the right."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Box:
    """A rectangle."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: Box) -> float:
        """Area that two rectangles share."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return width * height if width > 0 and height > 0 else 0.0

    def count(self, points: npt.NDArray[np.float64]) -> int:
        """How many points, one a row, lie in it."""
        x, y = points[:, 0], points[:, 1]
        across, up = (x >= self.left) & (x <= self.right), (y >= self.bottom) & (y <= self.top)
        return int((across & up).sum())


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions at least ``gap`` apart between ``low`` and ``high``, nearest to those wanted.

    The order stays. Nearest in the least squares: with the gaps taken out, the wanted positions
    may only rise, and neighbours that fall are pooled at their mean. Where there is no room for
    all, the gap shrinks.
    """
    if not wanted:
        return []
    gap = min(gap, (high - low) / max(1, len(wanted) - 1))
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    pools: list[tuple[float, int]] = []
    for rank, index in enumerate(order):
        mean, size = wanted[index] - rank * gap, 1
        while pools and pools[-1][0] > mean:
            other, count = pools.pop()
            mean, size = (mean * size + other * count) / (size + count), size + count
        pools.append((mean, size))
    level = [mean for mean, size in pools for _ in range(size)]
    highest = high - (len(wanted) - 1) * gap
    positions = [0.0] * len(wanted)
    for rank, index in enumerate(order):
        positions[index] = min(max(level[rank], low), highest) + rank * gap
    return positions


def beside(
    start: tuple[float, float],
    end: tuple[float, float],
    size: tuple[float, float],
    points: npt.NDArray[np.float64],
    taken: Sequence[Box],
    inside: Box,
) -> Box:
    """A place for the label of a line that ends amid others.

    As near as can be to its end, else to its start, off the labels that are ``taken`` and the
    ``points`` of all lines (one a row), ``inside`` the axes.
    """
    best, least = None, math.inf
    for x, y in (end, start):
        for place, steps in _around(x, y, *size):
            outside = max(0.0, inside.left - place.left, place.right - inside.right)
            outside += max(0.0, inside.bottom - place.bottom, place.top - inside.top)
            covered = sum(place.overlap(other) for other in taken)
            cost = steps + 3 * place.count(points) + 20 * outside + 5 * covered
            cost += 0 if (x, y) == tuple(end) else 3
            if cost < least:
                best, least = place, cost
    assert best is not None
    return best


def _around(x: float, y: float, width: float, height: float) -> Iterator[tuple[Box, float]]:
    """Places around a point and how far they are from the best, which is on the right."""
    unit = height / 2
    for down in range(-9, 10):
        bottom = y - height / 2 - down * unit
        for left in (x + unit, x - width / 2, x - unit - width):
            clear = abs(down) >= 3
            if left == x - width / 2 and not clear:
                continue  # It would cover the point itself.
            aside = 0 if left == x + unit else 1
            yield Box(left, bottom, left + width, bottom + height), abs(down) + aside
