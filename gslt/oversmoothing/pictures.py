"""The pictures over layers, over the search and over depth."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gslt.oversmoothing.canvas import (
    COLLAPSED,
    Curve,
    Style,
    draw,
    dress,
    name_lines,
    new_figure,
    ticks,
)
from gslt.oversmoothing.groups import averaged_over
from gslt.oversmoothing.measurement import Measurement, drawn

Points = Mapping[float, Sequence[float | None]]


@dataclass(frozen=True)
class Panel:
    """One measure on its vertical axis."""

    title: str
    log: bool = False


PANELS = {
    "dirichlet_energy": Panel("Dirichlet energy", log=True),
    "rayleigh_quotient": Panel("Rayleigh quotient"),
    "centred_rayleigh_quotient": Panel("centred Rayleigh quotient", log=True),
    "collapse": Panel("collapse (0: total)"),
    "effective_rank": Panel("effective rank"),
    "numerical_rank": Panel("numerical rank"),
    "mad": Panel("MAD (neighbours' cosine distance)"),
    "mad_gap": Panel("MADGap (remote minus near)"),
}
_SEARCH = ("dirichlet_energy", "centred_rayleigh_quotient")
_DEPTH = ("test_accuracy", "centred_rayleigh_quotient", "effective_rank")
_WIDTH, _HEIGHT, _NAMES = 3.1, 2.6, 2.2


def layers_figure(members: Sequence[Measurement], look: Mapping[str, Style], title: str) -> Any:
    """Every measure over the layers of networks of one depth."""
    depth = members[0].network.depth
    names = [name for name in PANELS if any(name in each.profile for each in members)]

    def points(name: str, mine: Sequence[Measurement]) -> Points:
        return {n + 1: [drawn(each.row(n), name) for each in mine] for n in range(depth)}

    def finish(axes: Any) -> None:
        axes.set_xlim(0.6, depth + 0.4)
        axes.axvspan(depth - 0.5, depth + 0.4, color="black", alpha=0.06, linewidth=0)

    caption = f"{_about(members)} Grey: the layer that gives the logits, which has other columns."
    panels = {name: PANELS[name] for name in names}
    return _figure(
        members, look, panels, points, "layer", f"{title}, layer by layer", caption, finish
    )


def search_figure(members: Sequence[Measurement], look: Mapping[str, Style], title: str) -> Any:
    """Energy and centred quotient of the last hidden layer over the epochs; None without any."""
    found = [each for each in members if each.search]
    names = [n for n in _SEARCH if any(n in row for each in found for row in each.search)]
    if not names:
        return None
    last = found[0].network.depth - 1

    def points(name: str, mine: Sequence[Measurement]) -> Points:
        values: dict[float, list[float | None]] = {}
        for row in (row for each in mine for row in each.search if row["layer"] == last):
            values.setdefault(row["epoch"], []).append(drawn(row, name))
        return values

    title = f"{title}, last hidden layer along the search or training"
    panels = {name: PANELS[name] for name in names}
    return _figure(found, look, panels, points, "epoch", title, _about(found))


def depth_figure(members: Sequence[Measurement], look: Mapping[str, Style], title: str) -> Any:
    """Accuracy and smoothness of the last hidden layer over the depth; None for one depth."""
    depths = sorted({each.network.depth for each in members})
    if len(depths) < 2:
        return None
    panels = {"test_accuracy": Panel("test accuracy (%)"), **PANELS}
    names = ["test_accuracy", *(n for n in _DEPTH if any(n in each.profile for each in members))]

    def points(name: str, mine: Sequence[Measurement]) -> Points:
        values: dict[float, list[float | None]] = {}
        for each in mine:
            accuracy = 100 * each.test_accuracy
            value = accuracy if name == "test_accuracy" else drawn(each.row(-2), name)
            values.setdefault(each.network.depth, []).append(value)
        return values

    def finish(axes: Any) -> None:
        axes.set_xscale("log", base=2)
        axes.set_xticks(depths, [str(depth) for depth in depths])
        axes.xaxis.minorticks_off()
        axes.set_xlim(depths[0] / 1.15, depths[-1] * 1.15)

    title = f"{title}, last hidden layer over depth"
    chosen = {name: panels[name] for name in names}
    return _figure(members, look, chosen, points, "layers", title, _about(members), finish)


def _figure(
    members: Sequence[Measurement],
    look: Mapping[str, Style],
    panels: Mapping[str, Panel],
    points: Callable[[str, Sequence[Measurement]], Points],
    x: str,
    title: str,
    caption: str,
    finish: Callable[[Any], None] | None = None,
) -> Any:
    """A panel for each measure, one line per arm, names at the ends of the last panel's lines."""
    from matplotlib.ticker import MaxNLocator

    arms = by_label(members)
    columns = min(4, len(panels))
    rows = math.ceil(len(panels) / columns)
    free = rows * columns > len(panels)
    width = _WIDTH * columns + (0 if free else _NAMES)
    curves = {
        (name, label): Curve.of(points(name, mine), panel.log)
        for name, panel in panels.items()
        for label, mine in arms.items()
    }
    caption += COLLAPSED if any(curve.collapsed for curve in curves.values()) else ""
    figure = new_figure(width, _HEIGHT * rows + 0.9, title, caption)
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    lines: dict[str, tuple[Curve, str]] = {}
    for axes, (name, panel) in zip(grid, panels.items(), strict=False):
        dress(axes, panel.title + (" (log)" if panel.log else ""), x, panel.log)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        for label, mine in arms.items():
            curve, style = curves[name, label], look[mine[0].network.arm]
            draw(axes, curve, style, mine[0].network.untrained)
            lines[label] = curve, style.colour
        ticks(axes)
        if finish is not None:
            finish(axes)
    name_lines(grid[len(panels) - 1], lines, room=not free)
    return figure


def by_label(members: Iterable[Measurement]) -> dict[str, list[Measurement]]:
    """Measurements of each arm, in the order in which they come."""
    arms: dict[str, list[Measurement]] = {}
    for each in members:
        arms.setdefault(each.network.label, []).append(each)
    return arms


def _about(members: Sequence[Measurement]) -> str:
    """What the lines are, of how many networks, and what they share."""
    counts: dict[str, int] = {}
    for each in members:
        key = f"{each.network.label} {each.network.depth}"
        counts[key] = counts.get(key, 0) + 1
    least, most = min(counts.values()), max(counts.values())
    n = str(least) if least == most else f"{least} to {most}"
    laplacians = dict.fromkeys(each.laplacian.replace("_", "-") for each in members)
    facts = []
    for name, text in (("architecture", "{}"), ("hidden_channels", "width {}")):
        values = {str(getattr(each.network.model, name)).upper() for each in members}
        facts += [text.format(*values)] if len(values) == 1 else []
    return (
        f"Means; bands ± unbiased standard deviation over {averaged_over(members)} (n = {n}), of "
        f"the logarithm where the axis is logarithmic. {', '.join(facts)}{'; ' if facts else ''}"
        f"{' and '.join(laplacians)} Laplacian."
    )
