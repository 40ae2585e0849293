"""Figures: a grid of panels with a title and a caption, and what is drawn in them.

Colours are in :mod:`gslt.report.colours`, lines in :mod:`gslt.report.lines`.
"""

from __future__ import annotations

import math
import os
import textwrap
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gslt.files import OutputFolder, replacing
from gslt.report.colours import BAND, DARK_GREY, GREY, WHITE, darker
from gslt.report.escaping import drawn, in_line
from gslt.report.lines import Line, draw_lines, label_beside, mark_collapsed, short, short_names

# Panels


@dataclass(frozen=True)
class Canvas:
    """A figure and its panels."""

    figure: Any
    panels: dict[Any, Any]
    """Axes by the key of the cell."""


def canvas(
    cells: Sequence[Sequence[Any]],
    title: str,
    caption: str,
    *,
    width: float = 5.6,
    height: float = 3.7,
    share: Any = False,
) -> Canvas:
    """A figure with a panel for every cell; None leaves a cell empty.

    Args:
        cells: rows of keys, all of one length.
        title: above the figure.
        caption: below it.
        width: of a panel in inches.
        height: of a panel in inches.
        share: whether panels share their vertical axis, as matplotlib's ``sharey``.

    Returns:
        The figure, and its panels by key.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    across = width * len(cells[0])
    layout = ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.1)
    figure = Figure(figsize=(across, 0.9 + height * len(cells)), dpi=150, layout=layout)
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(cells), len(cells[0]), squeeze=False, sharey=share)
    heading = "\n".join(_filled(line, int(11 * across), 3) for line in title.splitlines())
    figure.suptitle(drawn(heading), fontsize=11.5, x=0.01, ha="left")
    note = _filled(caption, int(15.5 * across), 12)
    figure.supxlabel(drawn(note), fontsize=7.5, color=GREY, x=0.01, ha="left")
    panels = {}
    for axes, key in zip(grid.flat, (key for row in cells for key in row), strict=True):
        if key is None:
            axes.set_axis_off()
            continue
        bare(axes)
        panels[key] = axes
    return Canvas(figure, panels)


def _filled(text: str, width: int, most: int) -> str:
    """Text in lines of so many characters, and no more lines than leave room for the panels."""
    return textwrap.fill(in_line(text), width, max_lines=most, placeholder=" …")


def in_rows(keys: Sequence[Any], columns: int) -> list[list[Any]]:
    """Keys in rows of so many columns, the last one filled up with None.

    Args:
        keys: of cells, in order.
        columns: number of cells in a row.

    >>> in_rows(["a", "b", "c"], 2)
    [['a', 'b'], ['c', None]]
    """
    padded = [*keys, *[None] * (-len(keys) % columns)]
    return [padded[start : start + columns] for start in range(0, len(padded), columns)]


def bare(axes: Any) -> None:
    """Axes without a box, with a faint grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)


def panel_title(axes: Any, text: str, size: float = 10) -> None:
    """The title of a panel.

    Args:
        axes: the panel.
        text: words.
        size: of the font in points.
    """
    axes.set_title(drawn(short(text, 80)), fontsize=size, loc="left")


def equal_ranges(panels: Collection[Any], axis: Literal["x", "y"]) -> None:
    """The same limits in panels that are compared: those that hold everything of all.

    Args:
        panels: axes that have been drawn.
        axis: which of theirs; one that is turned round stays so.
    """
    known = [getattr(axes, f"{axis}axis") for axes in panels]
    ends = [end for each in panels for end in getattr(each, f"get_{axis}lim")()]
    for each in known:
        low, high = (max(ends), min(ends)) if each.get_inverted() else (min(ends), max(ends))
        each.axes.set(**{f"{axis}lim": (low, high)})


def number_axis(axes: Any, places: Sequence[float], label: str, log: bool) -> None:
    """Limits, ticks and label of a horizontal axis of numbers.

    Args:
        axes: the panel.
        places: everything that stands on the axis, one at least.
        label: of the axis.
        log: whether it is logarithmic; where a place is not above 0 it is linear all the same.
    """
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    low, high = min(places), max(places)
    if log and low > 0:
        axes.set_xscale("log")
        few = high < 6 * low
        axes.xaxis.set_major_locator(MaxNLocator(6) if few else LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:,.10g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        factor = (1.5 * high / low) ** 0.05
        axes.set_xlim(low / factor, high * factor)
        label += ", logarithmic"
    else:
        margin = 0.04 * (high - low) or 0.5
        axes.set_xlim(low - margin, high + margin)
    axes.set_xlabel(drawn(label))


def depth_axis(axes: Any, depths: Sequence[int]) -> None:
    """A horizontal axis of numbers of layers, each twice as far as its half.

    Args:
        axes: the panel.
        depths: where there are ticks.
    """
    from matplotlib.ticker import NullLocator

    axes.set_xscale("log", base=2)
    axes.set_xticks(depths, [str(depth) for depth in depths])
    axes.xaxis.set_minor_locator(NullLocator())
    margin = (1.5 * max(depths) / min(depths)) ** 0.04
    axes.set_xlim(min(depths) / margin, max(depths) * margin)
    axes.set_xlabel("layers")


def plain_ticks(axes: Any) -> None:
    """Plain numbers on a logarithmic vertical axis, however much or little it spans."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    if axes.get_yscale() != "log":
        return
    low, high = axes.get_ylim()
    decades = math.log10(high / low)
    if decades < 0.7:
        axes.yaxis.set_major_locator(MaxNLocator(5))
    else:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2.5 else (1,)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:,.10g}")


# Panels of lines


@dataclass(frozen=True, kw_only=True)
class Panel:
    """What one panel shows over the axis that all panels of a figure have."""

    title: str
    lines: Sequence[Line]
    log: bool = False
    """Whether its vertical axis is logarithmic."""


#: Sizes of such a panel and of a single one, and of the room for names beside the last, in inches.
_PANEL, _SINGLE, _HEIGHT, _NAMES = 3.1, 5.6, 2.9, 2.2


def panels_over(
    panels: Mapping[Any, Panel],
    x: str,
    title: str,
    caption: str,
    finish: Callable[[Any], None] = lambda axes: None,
) -> Any:
    """Panels over one axis of whole numbers, their lines named once, beside the last panel.

    Args:
        panels: by any key, one at least, all with the same lines.
        x: label of the axis.
        title: above the figure.
        caption: below it.
        finish: called with the axes of each panel once its lines are drawn.

    Returns:
        A matplotlib figure.
    """
    from matplotlib.ticker import MaxNLocator

    cells = in_rows(list(panels), min(4, len(panels)))
    named = any(line.label for panel in panels.values() for line in panel.lines)
    free = cells[-1][-1] is None
    width = _SINGLE if len(panels) == 1 and not named else _PANEL
    width += _NAMES / len(cells[0]) if named and not free else 0
    made = canvas(cells, title, caption, width=width, height=_HEIGHT)
    for key, axes in made.panels.items():
        panel_title(axes, panels[key].title, 9.5)
        axes.set_yscale("log" if panels[key].log else "linear")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        draw_lines(axes, panels[key].lines)
        plain_ticks(axes)
        axes.set_xlabel(x)
        finish(axes)
        axes.tick_params(labelsize=8)
        axes.xaxis.label.set_size(9)
    key, axes = list(made.panels.items())[-1]
    if named:
        label_beside(axes, panels[key].lines, room=not free)
    return made.figure


# Other pictures than lines


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a forest: a mean with its interval, and what it comes from."""

    label: str
    colour: str
    mean: float
    low: float = math.nan
    high: float = math.nan
    marker: str = "o"
    hollow: bool = False
    small: Sequence[tuple[float, str]] = ()
    """Small marks: places and colours, such as single runs."""
    note: str = ""
    """Words on the right."""
    bold: bool = False
    collapsed: bool = False
    """Whether runs collapsed totally: marked at the left."""


def forest(axes: Any, rows: Sequence[Row], label: str, *, below: float = 0.0) -> None:
    """Means with intervals, one below the other, the first on top.

    Args:
        axes: the panel.
        rows: from top to bottom.
        label: of the horizontal axis.
        below: how far below its row's mean a small mark stands, in rows.
    """
    for place, row in enumerate(rows):
        for at, colour in row.small:
            mark = "^" if below else "o"
            axes.plot(
                at, place + below, mark, color=colour, markersize=4, alpha=1 if below else 0.45
            )
        if not math.isnan(row.low):
            axes.plot([row.low, row.high], [place, place], color=row.colour, linewidth=2.2)
        if not math.isnan(row.mean):
            face = WHITE if row.hollow else row.colour
            axes.plot(
                row.mean, place, row.marker, color=row.colour, markerfacecolor=face, markersize=7
            )
        mark_collapsed(axes, [place] * row.collapsed, row.colour, at_left=True)
        axes.annotate(
            drawn(row.note),
            (1.02, place),
            xycoords=("axes fraction", "data"),
            color=darker(row.colour, 0.75),
            fontsize=8.5,
            fontweight="bold" if row.bold else "normal",
            va="center",
            annotation_clip=False,
        )
    names = short_names([row.label for row in rows])
    axes.set_yticks(range(len(rows)), [drawn(names[row.label]) for row in rows])
    for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
        tick.set_fontweight("bold" if row.bold else "normal")
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(drawn(label))


def zero(axes: Any, matters: float, *, across: bool = False) -> None:
    """A line at 0, and a grey range of what is smaller than the smallest effect that matters.

    Args:
        axes: the panel.
        matters: the smallest effect that matters, in units of the axis.
        across: whether effects are on the vertical axis, not the horizontal one.
    """
    span, line = (axes.axhspan, axes.axhline) if across else (axes.axvspan, axes.axvline)
    span(-matters, matters, color=BAND, alpha=0.35, linewidth=0)
    line(0, color=DARK_GREY, linewidth=1)


def scatter(
    axes: Any, groups: Mapping[str, tuple[Sequence[float], Sequence[float], str]], title: str
) -> None:
    """Points of several groups with a legend on the right.

    Args:
        axes: the panel.
        groups: x, y and colour by the name in the legend.
        title: of the legend.
    """
    for name, (x, y, colour) in groups.items():
        axes.plot(x, y, "o", color=colour, markersize=3.5, alpha=0.6, label=drawn(name))
    legend = axes.legend(
        title=title,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        frameon=False,
        fontsize=8.5,
        title_fontsize=8.5,
        handletextpad=0.2,
    )
    for handle in legend.legend_handles:
        handle.set_alpha(1.0)


def bars(axes: Any, rows: Mapping[str, Mapping[str, tuple[float, float]]], colours: Any) -> None:
    """Groups of stacked bars, one group below the other: the first part in full colour, then pale.

    Args:
        axes: the panel.
        rows: by the name of the group and the name of the bar, the lengths of both parts.
        colours: colour of each bar by its name.
    """
    for number, found in enumerate(rows.values()):
        for place, (name, (first, second)) in enumerate(found.items()):
            y = number + 0.26 * (place - (len(found) - 1) / 2)
            axes.barh(y, first, height=0.22, color=colours[name])
            axes.barh(y, second, height=0.22, left=first, color=colours[name], alpha=0.4)
            total = first + second
            axes.annotate(f" {total:.1f}", (total, y), va="center", fontsize=7.5)
    axes.set_yticks(range(len(rows)), list(map(drawn, rows)))
    axes.invert_yaxis()
    axes.margins(x=0.18)


# Files


def save_figure(figure: Any, path: str | Path, folder: OutputFolder | None = None) -> None:
    """Write a figure whole; the same figure has the same bytes.

    Args:
        figure: a matplotlib figure.
        path: the suffix says the format, such as ``.png`` or ``.svg``.
        folder: what the path is a name within, where it is one of outputs.
    """
    from matplotlib import rc_context

    kind = Path(path).suffix.removeprefix(".").lower()
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    opened = replacing(Path(path)) if folder is None else folder.replacing(str(path))
    with opened as temporary, rc_context({"svg.hashsalt": "gslt"}), _no_date():
        figure.savefig(temporary, format=kind, metadata=metadata)


@contextmanager
def _no_date() -> Iterator[None]:
    """Within, matplotlib finds no date in the environment: a figure has none, right or wrong."""
    date = os.environ.pop("SOURCE_DATE_EPOCH", None)
    try:
        yield
    finally:
        if date is not None:
            os.environ["SOURCE_DATE_EPOCH"] = date


def both_names(name: str) -> list[str]:
    """The names of a figure's files, the PNG first.

    Args:
        name: of both, without a suffix.
    """
    return [f"{name}.png", f"{name}.svg"]


def save_both(figure: Any, folder: OutputFolder, name: str) -> list[Path]:
    """Write a figure as PNG and as SVG.

    Args:
        figure: a matplotlib figure.
        folder: where they go.
        name: of both files within it, without a suffix.

    Returns:
        The two paths, the PNG first.
    """
    for file in both_names(name):
        save_figure(figure, file, folder)
    return [folder.path / file for file in both_names(name)]
