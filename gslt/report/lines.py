"""Lines with bands, each named at its end so that no name covers another.

Lengths of the placement are pixels, upwards and to the right.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gslt.report.colours import WHITE, darker
from gslt.report.escaping import drawn, in_line

if TYPE_CHECKING:
    from pandas import DataFrame

#: Share of the axes' width: a line that ends so near to the right edge is named in the margin.
_NEAR = 0.08
#: Where names in the margin begin, in widths of the axes.
_MARGIN = 1.02
#: Where they begin that stand once for all panels of a figure.
_BESIDE = 1.06
#: Lines of more points have no marks.
_MOST_MARKS = 20
#: Half the size of a mark in pixels.
_MARK = 5.0
#: What a caption says of the hollow triangles of :func:`draw_lines`.
COLLAPSED = (
    " Hollow triangles at the edge: some runs have collapsed totally there; they have no "
    "logarithm, and the mean leaves them out."
)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of one panel: means along an axis, with the ends of their bands."""

    label: str
    colour: str
    """As ``#rrggbb``."""
    x: Sequence[float] = ()
    y: Sequence[float] = ()
    low: Sequence[float] = ()
    """Lower ends of the band; NaN where there is none."""
    high: Sequence[float] = ()
    marker: str = "o"
    dashed: bool = False
    """Dashed, with hollow marks."""
    level: bool = False
    """Whether it has no place on the axis and goes across, at its one y."""
    collapsed: Sequence[float] = ()
    """Places where runs collapsed totally: marked at the bottom."""

    @classmethod
    def of(
        cls,
        found: DataFrame,
        x: str,
        *,
        factor: float = 1.0,
        log: bool = False,
        gaps: bool = False,
        **look: Any,
    ) -> Line:
        """A line through averages.

        Args:
            found: rows of :func:`gslt.report.statistics.averages` of one column, with the column
                ``x``.
            x: column of the places.
            factor: what means and deviations are multiplied by.
            log: whether they are of natural logarithms, and shown as what these are of.
            gaps: whether the line is broken where no run has a number, and not drawn through.
            look: the other fields of a line.
        """
        known = found[(found["n"] > 0) | gaps].sort_values(x)
        mean, std = factor * known["mean"], factor * known["std"]
        ends = (mean, mean - std, mean + std)
        y, low, high = ((np.exp(end) if log else end).tolist() for end in ends)
        places = known[x].astype(float).tolist()
        gone = sorted(found.loc[found["collapsed"] > 0, x].astype(float))
        return cls(x=places, y=y, low=low, high=high, collapsed=gone, **look)


def draw_lines(axes: Any, lines: Sequence[Line]) -> None:
    """Draw bands first, lines above them, and a mark at the bottom where runs collapsed totally.

    Args:
        axes: the panel; set a logarithmic vertical scale before.
        lines: what is drawn, in units of the axes.
    """
    for line in lines:
        if line.level:
            if len(line.low):
                axes.axhspan(line.low[0], line.high[0], color=line.colour, alpha=0.1, linewidth=0)
            axes.axhline(line.y[0], color=line.colour, linestyle="--", linewidth=1.3)
        elif len(line.low):
            low, high = _band(axes, line)
            axes.fill_between(line.x, low, high, color=line.colour, alpha=0.14, linewidth=0)
            if len(line.x) == 1 and math.isfinite(low[0]):
                axes.plot([*line.x, *line.x], [*low, *high], color=line.colour, linewidth=1.3)
    for line in lines:
        if not line.level:
            axes.plot(
                line.x,
                line.y,
                color=line.colour,
                linestyle="--" if line.dashed else "-",
                linewidth=1.5,
                marker=line.marker if len(line.x) <= _MOST_MARKS else "",
                markersize=4.8,
                markerfacecolor=WHITE if line.dashed else line.colour,
            )
            mark_collapsed(axes, line.collapsed, line.colour)


def _band(axes: Any, line: Line) -> tuple[list[float], list[float]]:
    """Ends of the band; none where it reaches 0, which a logarithmic axis does not show."""
    if axes.get_yscale() != "log":
        return list(line.low), list(line.high)
    shown = [low > 0 for low in line.low]
    low, high = (
        [end if keep else math.nan for end, keep in zip(ends, shown, strict=True)]
        for ends in (line.low, line.high)
    )
    return low, high


def mark_collapsed(
    axes: Any, places: Sequence[float], colour: str, *, at_left: bool = False
) -> None:
    """Hollow triangles at the bottom, or at the left, where runs collapsed totally.

    Args:
        axes: the panel.
        places: on the horizontal axis, or the vertical one.
        colour: as ``#rrggbb``.
        at_left: whether they stand at the left, and places are on the vertical axis.
    """
    if not len(places):
        return
    edge = [0.02] * len(places)
    axes.plot(
        *((edge, places) if at_left else (places, edge)),
        linestyle="none",
        marker="<" if at_left else "v",
        color=colour,
        markerfacecolor="none",
        markersize=7,
        transform=axes.get_yaxis_transform() if at_left else axes.get_xaxis_transform(),
        clip_on=False,
    )


# Names


def label_lines(figure: Any, panels: Sequence[tuple[Any, Sequence[Line]]]) -> None:
    """Write the name of every line beside its end so that none covers another.

    Levels and lines that end at the right edge are named in the right margin, the others amid the
    lines. Call it when all scales are set; the layout makes room, and is fixed then.

    Args:
        figure: a matplotlib figure.
        panels: axes and their lines; lines without a point have no name.
    """
    names = short_names([line.label for _, lines in panels for line in lines])
    shown = [
        (axes, [replace(line, label=names[line.label]) for line in lines if _has_end(line)])
        for axes, lines in panels
    ]
    shown = [(axes, lines) for axes, lines in shown if lines]
    margins = [_write_margin(axes, lines) for axes, lines in shown]
    figure.draw_without_rendering()
    for (axes, lines), margin in zip(shown, margins, strict=True):
        if margin:
            _arrange(axes, margin)
        written = {id(line) for line, _ in margin}
        _write_inside(axes, lines, [line for line in lines if id(line) not in written])
    # Laid out once, so that both of its files have the same layout.
    figure.set_layout_engine("none")


def label_beside(axes: Any, lines: Sequence[Line], *, room: bool = True) -> None:
    """Name the lines of a whole figure once, on the right of one panel.

    A line that ends amid the others is named there too, and so is one without a point in this
    panel. Call it when all scales are set; the layout is fixed then.

    Args:
        axes: the panel, the last one of a row.
        lines: its lines.
        room: whether the layout makes room for the names; no where there is an empty cell.
    """
    margin, names = [], short_names([line.label for line in lines])
    for line in (replace(each, label=names[each.label]) for each in lines):
        height = _shares(axes, _ends(axes, line)[1])[1] if _has_end(line) else 0.0
        text = _text(axes, _BESIDE, min(max(height, 0.0), 1.0), line)
        text.set_in_layout(room)
        margin.append((line, text))
    axes.figure.draw_without_rendering()
    _arrange(axes, margin)
    axes.figure.set_layout_engine("none")


def short(name: str, most: int = 44) -> str:
    """A name in one line that leaves room for the figure beside it.

    Args:
        name: of a line or a row.
        most: number of characters.

    >>> short("a long name", most=6)
    'a lon…'
    """
    name = in_line(name)
    return name if len(name) <= most else f"{name[: most - 1]}…"


def short_names(names: Collection[str], most: int = 44) -> dict[str, str]:
    """Names in one line each, see :func:`short`, without their middle where ends tell them apart.

    Args:
        names: of lines or rows.
        most: number of characters.

    >>> list(short_names(["a long name, lr 1", "a long name, lr 2"], most=12).values())
    ['a lon…, lr 1', 'a lon…, lr 2']
    """
    alike = {name: {name} for name in names}
    while True:
        found = {name: _with_end(name, others, most) for name, others in alike.items()}
        same: dict[str, set[str]] = {}
        for name, words in found.items():
            same.setdefault(words, set()).update(alike[name])
        wider = {name: same[words] for name, words in found.items()}
        if wider == alike:
            return found
        alike = wider


def _with_end(name: str, others: Collection[str], most: int) -> str:
    """A name without its middle: its end begins with the part in which it differs from others."""
    if len(others) == 1:
        return short(name, most)
    name, letters = in_line(name), zip(*map(in_line, others), strict=False)
    start = sum(1 for _ in itertools.takewhile(lambda each: len(set(each)) == 1, letters))
    part = name.rfind(", ", 0, start)
    end = name[part if part > 0 else start :]
    room = most - 1 - len(end)
    return f"{name[:room].rstrip(' ,')}…{end}" if room > 3 else short(f"…{name[start:]}", most)


def _write_margin(axes: Any, lines: Sequence[Line]) -> list[tuple[Line, Any]]:
    """Names of the levels and of the lines that end at the right edge, at their heights."""
    found = []
    for line in lines:
        right, height = _shares(axes, _ends(axes, line)[1])
        if line.level or right > 1 - _NEAR:
            found.append((line, _text(axes, _MARGIN, height, line)))
    return found


def _arrange(axes: Any, margin: Sequence[tuple[Line, Any]]) -> None:
    """Move names apart, with a thin line from each to the end of its line."""
    bounds = axes.bbox
    gap = 1.1 * max(text.get_window_extent().height for _, text in margin)
    wanted = [bounds.y0 + text.get_position()[1] * bounds.height for _, text in margin]
    moved = spread(wanted, gap, bounds.y0, bounds.y1)
    for (line, text), height in zip(margin, moved, strict=True):
        share = (height - bounds.y0) / bounds.height
        text.set_y(share)
        if not _has_end(line):
            continue
        x, y = _shares(axes, _ends(axes, line)[1])
        axes.plot(
            [x, text.get_position()[0] - 0.005],
            [y, share],
            color=line.colour,
            linewidth=0.8,
            linestyle=":",
            transform=axes.transAxes,
            clip_on=False,
        )


def _write_inside(axes: Any, lines: Sequence[Line], rest: Sequence[Line]) -> None:
    """Names of the lines that end amid the others, where they cover the least."""
    from matplotlib.patheffects import withStroke

    points = np.concatenate([_trace(axes, line) for line in lines])
    bounds = Box(*axes.bbox.extents)
    taken: list[Box] = []
    for line in rest:
        text = _text(axes, 0, 0, line)
        text.set_in_layout(False)
        # Legible on a line that it crosses.
        text.set_path_effects([withStroke(linewidth=2.5, foreground=WHITE)])
        extent = text.get_window_extent()
        start, end = axes.transData.transform(_ends(axes, line))
        place = beside(start, end, (extent.width, extent.height), points, taken, bounds)
        taken.append(place)
        middle = place.left, (place.bottom + place.top) / 2
        text.set_position(axes.transAxes.inverted().transform(middle))


def _text(axes: Any, x: float, y: float, line: Line) -> Any:
    """A name whose left middle stands at shares of the axes."""
    label, colour = drawn(line.label), darker(line.colour)
    return axes.text(x, y, label, color=colour, fontsize=8.5, va="center", transform=axes.transAxes)


def _points(line: Line) -> list[tuple[float, float]]:
    return [(x, y) for x, y in zip(line.x, line.y, strict=True) if math.isfinite(y)]


def _has_end(line: Line) -> bool:
    """Whether a line is drawn anywhere."""
    return line.level or bool(_points(line))


def _ends(axes: Any, line: Line) -> list[tuple[float, float]]:
    """First and last point of a line in the units of the axes."""
    if line.level:
        return [(x, line.y[0]) for x in axes.get_xlim()]
    points = _points(line)
    return [points[0], points[-1]]


def _shares(axes: Any, point: tuple[float, float]) -> tuple[float, float]:
    """A point of the data in widths and heights of the axes."""
    # The limits follow the data only once somebody asks for them.
    _ = axes.viewLim
    x, y = (axes.transData + axes.transAxes.inverted()).transform(point)
    return float(x), float(y)


def _trace(axes: Any, line: Line) -> npt.NDArray[np.float64]:
    """Where a line runs: points in pixels, close to one another, and four on each mark."""
    marks = axes.transData.transform(_ends(axes, line) if line.level else _points(line))
    steps = np.linspace(0.0, 1.0, 40)[:, None]
    parts = [a + steps * (b - a) for a, b in itertools.pairwise(marks)]
    return np.concatenate([marks, marks + _MARK, marks - _MARK, *parts])


# Places


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
        """How many of the points ``(n, 2)`` lie in it."""
        x, y = points[:, 0], points[:, 1]
        across, up = (x >= self.left) & (x <= self.right), (y >= self.bottom) & (y <= self.top)
        return int((across & up).sum())


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions at least ``gap`` apart between ``low`` and ``high``, nearest to those wanted.

    The order stays. Nearest in the least squares: with the gaps taken out, the wanted positions
    may only rise, and neighbours that fall are pooled at their mean. Where there is no room for
    all, the gap shrinks.

    Args:
        wanted: positions, in any order.
        gap: the least distance of two neighbours.
        low: lower end of the room.
        high: upper end.

    Returns:
        A position for each that was wanted, in the same order.

    >>> spread([1.0, 1.0, 5.0], gap=1.0, low=0.0, high=10.0)
    [0.5, 1.5, 5.0]
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
    """A place for the name of a line that ends amid others.

    Args:
        start: first point of the line.
        end: its last point, which the name stands at if it can.
        size: width and height of the name.
        points: where all lines run ``(n, 2)``.
        taken: names that are written already.
        inside: the axes.

    Returns:
        The place that is nearest to an end and covers the least.
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
