"""Lines with bands, each named at its end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gslt.studies.report.panel import mark_collapsed, trace

#: More points than this have no marks.
_MOST_MARKS = 16


@dataclass(frozen=True)
class Line:
    """Means along an axis, with the ends of their bands."""

    label: str
    colour: str
    marker: str
    points: tuple[tuple[float, float, float, float], ...]
    """Place, mean, lower and upper end; the ends are NaN where there is no band."""
    collapsed: tuple[tuple[float, int], ...] = ()
    """Places where runs have no finite number, and how many."""
    level: bool = False

    @property
    def arm(self) -> str:
        """What its colour goes by."""
        return self.label


@dataclass
class Lines:
    """Axes and their lines."""

    axes: Any
    given: Sequence[Line]
    series: list[Line] = field(init=False)
    """The lines that have a point."""

    def __post_init__(self) -> None:
        self.series = [line for line in self.given if line.points]

    @property
    def colour(self) -> dict[str, str]:
        """Colours by the label of a line."""
        return {line.label: line.colour for line in self.series}

    def draw(self) -> None:
        """Bands first, lines above them, and a mark at the bottom where runs have no number."""
        for line in self.series:
            x, _, low, high = map(np.array, zip(*line.points, strict=True))
            if len(x) == 1:
                self._bar(line)
            self.axes.fill_between(x, low, high, color=line.colour, alpha=0.13, linewidth=0)
        for line in self.series:
            at, level = ([point[i] for point in line.points] for i in (0, 1))
            mark = line.marker if len(at) <= _MOST_MARKS else ""
            self.axes.plot(at, level, color=line.colour, marker=mark, markersize=4.5, linewidth=1.6)
        for line in self.given:
            if line.collapsed:
                mark_collapsed(self.axes, [place for place, _ in line.collapsed], line.colour)

    def _bar(self, line: Line) -> None:
        x, _, low, high = line.points[0]
        if not math.isnan(low):
            self.axes.plot([x, x], [low, high], color=line.colour, linewidth=1.3, alpha=0.6)

    def ends(self, series: Line) -> list[tuple[float, float]]:
        """First and last point of a line."""
        return [series.points[0][:2], series.points[-1][:2]]

    def trace(self, series: Line) -> npt.NDArray[np.float64]:
        """Where a line runs, in pixels."""
        return trace(self.axes, [point[:2] for point in series.points])
