"""One panel of a study's figure: lines over an axis."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from gslt.studies.report.columns import quantity
from gslt.studies.report.rows import Group, StudyResults, is_number
from gslt.studies.report.series import Series, colours, lines

_MARKERS = "os^DvPX"
_STYLES = ("-", "-.", ":")
#: Half the size of a mark in pixels.
_MARK = 5.0


@dataclass
class Panel:
    """One panel: its lines and their axis."""

    axes: Any
    results: StudyResults
    x: str
    groups: Sequence[Group]

    @cached_property
    def series(self) -> list[Series]:
        """Its lines and levels."""
        return lines(self.groups, self.x, self.results.study.panel)

    @cached_property
    def colour(self) -> dict[str, str]:
        """The colour of each arm."""
        return colours(self.results)

    @cached_property
    def categories(self) -> list[Any]:
        """The places of all panels in order where they are no numbers; else nothing."""
        places = [group.place(self.x) for group in self.results.groups]
        found = list(dict.fromkeys(place for place in places if place is not None))
        return [] if all(is_number(place) for place in found) else found

    def places(self, groups: Sequence[Group]) -> list[float]:
        """Where groups that have a place stand on the horizontal axis."""
        found = [group.place(self.x) for group in groups]
        found = [place for place in found if place is not None]
        if self.categories:
            return [float(self.categories.index(place)) for place in found]
        return [float(place) * quantity(self.x).factor for place in found]

    def curves(self) -> None:
        """Draw levels, lines and bands."""
        order = list(self.results.study.arms)
        seen: dict[str, int] = {}
        for series in self.series:
            number = seen[series.arm] = seen.get(series.arm, -1) + 1
            colour = self.colour[series.arm]
            means, stds = accuracies(series)
            low = [mean - std for mean, std in zip(means, stds, strict=True)]
            high = [mean + std for mean, std in zip(means, stds, strict=True)]
            if series.level:
                self.axes.axhline(means[0], color=colour, linestyle="--", linewidth=1.3)
                self.axes.axhspan(low[0], high[0], color=colour, alpha=0.1, linewidth=0)
                continue
            places = self.places(series.groups)
            if len(places) == 1:
                self.axes.errorbar(places, means, yerr=stds, color=colour, capsize=3)
            self.axes.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)
            self.axes.plot(
                places,
                means,
                color=colour,
                marker=_MARKERS[(order.index(series.arm) + number) % len(_MARKERS)],
                linestyle=_STYLES[number % len(_STYLES)],
                markersize=5,
            )

    def scale(self) -> None:
        """Limits, ticks and label of the horizontal axis."""
        from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

        axes, label = self.axes, quantity(self.x).label
        places = self.places(self.results.groups)
        low, high = min(places), max(places)
        if self.categories:
            axes.set_xticks(range(len(self.categories)), [str(value) for value in self.categories])
        elif quantity(self.x).log and low > 0:
            axes.set_xscale("log")
            few = high < 6 * low
            axes.xaxis.set_major_locator(MaxNLocator(6) if few else LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter("{x:,.10g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
            factor = (1.5 * high / low) ** 0.05
            axes.set_xlim(low / factor, high * factor)
            label += ", logarithmic"
        if axes.get_xscale() != "log":
            margin = 0.04 * (high - low) or 0.5
            axes.set_xlim(low - margin, high + margin)
        axes.set_xlabel(label)

    def ends(self, series: Series) -> list[tuple[float, float]]:
        """First and last point of a line in the units of the axes."""
        means, _ = accuracies(series)
        if series.level:
            low, high = self.axes.get_xlim()
            return [(low, means[0]), (high, means[0])]
        places = self.places(series.groups)
        return [(places[0], means[0]), (places[-1], means[-1])]

    def trace(self, series: Series) -> npt.NDArray[np.float64]:
        """Where a line runs, in pixels."""
        means, _ = accuracies(series)
        data = list(zip(self.places(series.groups), means, strict=False))
        return trace(self.axes, self.ends(series) if series.level else data)


def mark_collapsed(
    axes: Any, places: Sequence[float], colour: str, *, at_left: bool = False
) -> None:
    """Hollow triangles at the bottom, or at the left, where runs collapsed totally."""
    edge = [0.02] * len(places)
    along = axes.get_yaxis_transform() if at_left else axes.get_xaxis_transform()
    axes.plot(
        *((edge, places) if at_left else (places, edge)),
        linestyle="none",
        marker="<" if at_left else "v",
        color=colour,
        markerfacecolor="none",
        markersize=7,
        transform=along,
        clip_on=False,
    )


def trace(axes: Any, data: Sequence[tuple[float, float]]) -> npt.NDArray[np.float64]:
    """Points of a line in pixels, close to one another, and four on each mark."""
    marks = axes.transData.transform(data)
    steps = np.linspace(0.0, 1.0, 40)[:, None]
    parts = [a + steps * (b - a) for a, b in itertools.pairwise(marks)]
    return np.concatenate([marks, marks + _MARK, marks - _MARK, *parts])


def accuracies(series: Series) -> tuple[list[float], list[float]]:
    """Means and standard deviations in percent; a single run has a band of no width."""
    means = [100 * group.mean("test_accuracy") for group in series.groups]
    stds = [100 * group.std("test_accuracy") for group in series.groups]
    return means, [0.0 if math.isnan(std) else std for std in stds]
