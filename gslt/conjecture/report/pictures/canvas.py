"""A figure with a panel for each data set with, and without, batch norm."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gslt.conjecture.report.evidence import Evidence

_GREY = "#555555"


@dataclass(frozen=True)
class Canvas:
    """A figure and its panels."""

    figure: Any
    panels: dict[Any, Any]
    """Axes by what they show."""


def families(evidence: Evidence, title: str, caption: str, height: float = 3.7) -> Canvas:
    """A panel for each family: data sets below, with and without batch norm beside each other."""
    found = evidence.families
    rows = list(dict.fromkeys(dataset for dataset, _ in found))
    columns = sorted({norm for _, norm in found}, reverse=True)
    canvas = grid([[(row, norm) for norm in columns] for row in rows], title, caption, height)
    for family, axes in canvas.panels.items():
        if family in found:
            axes.set_title(evidence.family_name(family), fontsize=10, loc="left")
        else:
            axes.set_axis_off()
    return Canvas(canvas.figure, {family: canvas.panels[family] for family in found})


def family_rows(
    evidence: Evidence, columns: Sequence[str], title: str, caption: str, height: float = 3.7
) -> Canvas:
    """A row for each family, and in it a panel for each of ``columns``: keys are of both."""
    cells = [[(family, name) for name in columns] for family in evidence.families]
    canvas = grid(cells, title, caption, height)
    for (family, name), axes in canvas.panels.items():
        heading = f"{name}: {evidence.family_name(family)}"
        axes.set_title(heading, fontsize=10, loc="left")
    return canvas


def grid(cells: Sequence[Sequence[Any]], title: str, caption: str, height: float) -> Canvas:
    """Axes by the key of each cell."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = len(cells[0])
    width = 8.0 if columns == 1 else 5.6 * columns
    size = (width, 0.9 + height * len(cells))
    layout = ConstrainedLayoutEngine(h_pad=0.12, w_pad=0.12)
    figure = Figure(figsize=size, dpi=150, layout=layout)
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(cells), columns, squeeze=False)
    for each in axes.flat:
        each.spines[["top", "right"]].set_visible(False)
        each.grid(alpha=0.25)
        each.set_axisbelow(True)
    figure.suptitle(textwrap.fill(title, int(11 * width)), fontsize=11.5, x=0.01, ha="left")
    note = textwrap.fill(caption, int(15.5 * width))
    figure.supxlabel(note, fontsize=7.5, color=_GREY, x=0.01, ha="left")
    panels = {key: axes[i, j] for i, row in enumerate(cells) for j, key in enumerate(row)}
    return Canvas(figure, panels)


def depth_axis(axes: Any, depths: Sequence[int]) -> None:
    """A horizontal axis of numbers of layers, each twice as far as its half."""
    from matplotlib.ticker import NullLocator

    axes.set_xscale("log", base=2)
    axes.set_xticks(depths, [str(depth) for depth in depths])
    axes.xaxis.set_minor_locator(NullLocator())
    margin = (max(depths) / min(depths)) ** 0.04
    axes.set_xlim(min(depths) / margin, max(depths) * margin)
    axes.set_xlabel("layers")
