"""Names at the ends of a panel's lines: in the right margin, or amid the lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gslt.studies.report.labels import Box, beside, spread
from gslt.studies.report.series import short

#: Share of the axes' width: a line that ends so near to the right edge is labelled in the margin.
_NEAR = 0.08
#: Where names in the margin begin, in widths of the axes.
_MARGIN = 1.02


class Line(Protocol):
    """What has a name: a line, or a level across the axes."""

    @property
    def arm(self) -> str:
        """What its colour goes by."""

    @property
    def label(self) -> str:
        """Its name."""

    @property
    def level(self) -> bool:
        """Whether it goes across the axes."""


class Lines(Protocol):
    """Axes and the lines that are drawn in them."""

    axes: Any

    @property
    def series(self) -> Sequence[Line]:
        """The lines."""

    @property
    def colour(self) -> Mapping[str, str]:
        """The colour of each arm, as ``#rrggbb``."""

    def ends(self, series: Any) -> list[tuple[float, float]]:
        """First and last point of a line in the units of the axes."""

    def trace(self, series: Any) -> npt.NDArray[np.float64]:
        """Where a line runs: points in pixels, one a row."""


def write_labels(figure: Any, panels: Sequence[Lines]) -> None:
    """Write the name of every line and level so that none covers another.

    Those in the margin are written first: the layout makes room for them.
    """
    margins = [_write_margin(panel) for panel in panels]
    figure.draw_without_rendering()
    for panel, margin in zip(panels, margins, strict=True):
        if margin:
            _arrange(panel, margin)
        written = {id(series) for series, _ in margin}
        _write_inside(panel, [each for each in panel.series if id(each) not in written])


def _write_margin(panel: Lines) -> list[tuple[Line, Any]]:
    """Names of the levels and of the lines that end at the right edge, at their heights."""
    found = []
    for series in panel.series:
        right, height = _shares(panel, panel.ends(series)[1])
        if series.level or right > 1 - _NEAR:
            found.append((series, _text(panel, _MARGIN, height, series)))
    return found


def _arrange(panel: Lines, margin: Sequence[tuple[Line, Any]]) -> None:
    """Move names apart, with a thin line from each to the end of its line."""
    bounds = panel.axes.bbox
    gap = 1.1 * max(text.get_window_extent().height for _, text in margin)
    wanted = [bounds.y0 + text.get_position()[1] * bounds.height for _, text in margin]
    moved = spread(wanted, gap, bounds.y0, bounds.y1)
    for (series, text), height in zip(margin, moved, strict=True):
        share = (height - bounds.y0) / bounds.height
        text.set_y(share)
        x, y = _shares(panel, panel.ends(series)[1])
        panel.axes.plot(
            [x, _MARGIN - 0.005],
            [y, share],
            color=panel.colour[series.arm],
            linewidth=0.8,
            linestyle=":",
            transform=panel.axes.transAxes,
            clip_on=False,
        )


def _write_inside(panel: Lines, rest: Sequence[Line]) -> None:
    """Names of the lines that end amid the others, where they cover the least."""
    from matplotlib.patheffects import withStroke

    points = np.concatenate([panel.trace(series) for series in panel.series])
    bounds = Box(*panel.axes.bbox.extents)
    taken: list[Box] = []
    for series in rest:
        text = _text(panel, 0, 0, series)
        text.set_in_layout(False)
        # Legible on a line that it crosses.
        text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
        extent = text.get_window_extent()
        start, end = panel.axes.transData.transform(panel.ends(series))
        place = beside(start, end, (extent.width, extent.height), points, taken, bounds)
        taken.append(place)
        middle = place.left, (place.bottom + place.top) / 2
        text.set_position(panel.axes.transAxes.inverted().transform(middle))


def _shares(panel: Lines, point: tuple[float, float]) -> tuple[float, float]:
    """A point of the data in widths and heights of the axes."""
    # The limits follow the data only once somebody asks for them.
    _ = panel.axes.viewLim
    x, y = (panel.axes.transData + panel.axes.transAxes.inverted()).transform(point)
    return float(x), float(y)


def _text(panel: Lines, x: float, y: float, series: Line) -> Any:
    """A name whose left middle stands at shares of the axes."""
    return panel.axes.text(
        x,
        y,
        short(series.label),
        color=_darker(panel.colour[series.arm]),
        fontsize=8.5,
        va="center",
        transform=panel.axes.transAxes,
    )


def _darker(colour: str) -> str:
    """A colour dark enough for text on white."""
    parts = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(0.6 * part):02X}" for part in parts)
