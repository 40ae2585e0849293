"""The picture of a comparison: time and memory against the size, layers, parity, trajectories."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gslt.comparison.reference import TOLERANCE
from gslt.comparison.report import parity_frame, routes_frame
from gslt.report.colours import BASELINE, MARKERS, darker, looks
from gslt.report.escaping import drawn
from gslt.report.figures import bare, bars, plain_ticks
from gslt.report.lines import Line, draw_lines, label_lines, short

if TYPE_CHECKING:
    from pandas import DataFrame

Colours = Mapping[str, str]
#: Names of the architectures in titles.
TITLES = {"gin": "GIN", "gcn": "GCN", "sage": "GraphSAGE", "gat": "GAT"}
#: What the upper panels show of each architecture, and its label.
_UPPER = {"ms": "ms per search epoch", "mb": "peak memory of a search (MB)"}
#: Smallest difference that has a place on a logarithmic axis.
FLOOR = 1e-17
#: Share of a panel's height that lines leave to the words in its upper left corner.
HEADROOM = 0.2


def picture(result: dict[str, Any]) -> Any:
    """Seconds and memory of a search against the size; layers, and how far routes are apart.

    Args:
        result: the content of ``comparison.json``.

    Returns:
        A matplotlib figure.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows, x_label = _sizes(routes_frame(result))
    colours = {route: look.colour for route, look in looks(result["routes"]).items()}
    names = rows["architecture"].unique().tolist()
    shown = {y: label for y, label in _UPPER.items() if rows[y].notna().any()}
    size = (max(11.0, 3.6 * len(names) + 1), 4.3 + 3.1 * len(shown))
    figure = Figure(figsize=size, dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    parts: Any = figure.subfigures(2, 1, height_ratios=[len(shown), 1.1], hspace=0.03)
    upper, lower = parts
    grid = upper.subplots(len(shown), len(names), squeeze=False, sharex=True, sharey="row")
    named = []
    for panels, (y, y_label) in zip(grid, shown.items(), strict=True):
        for axes, name in zip(panels, names, strict=True):
            if lines := _plot_sizes(axes, rows, name, y, colours):
                last = (axes, lines)
            else:
                axes.set_visible(False)
        # The scale is that of all panels in the row; the names of the last one do for all.
        axes, lines = last
        plain_ticks(axes)
        low, high = axes.get_ylim()
        axes.set_ylim(low, high * (high / low) ** (HEADROOM / (1 - HEADROOM)))
        named.append((axes, lines))
        panels[0].set_ylabel(y_label)
    for top, bottom, name in zip(grid[0], grid[-1], names, strict=True):
        top.set_title(TITLES.get(name, name), fontweight="bold", fontsize=11)
        bottom.set_xlabel(x_label)
    left, middle, right = lower.subplots(1, 3, width_ratios=[1.1, 1.1, 1])
    _plot_layers(left, rows, colours)
    _plot_parity(middle, rows, colours)
    _plot_losses(right, rows, colours)
    figure.suptitle(drawn(_title(result, memory="mb" in shown)), fontsize=11.5)
    label_lines(figure, named)
    return figure


def _title(result: dict[str, Any], *, memory: bool) -> str:
    graphs, env, config = result["graphs"], result["environment"], result["config"]
    what = short(graphs[0]["name"], 80) if len(graphs) == 1 else "block models (synthetic graphs)"
    ticket = "The same ticket" if result["same_ticket"] else "NOT the same ticket"
    where = env["gpu"] if config["device"] != "cpu" else f"{env['threads']} CPU threads"
    parts = [f"{config['num_layers']} layers", f"median of {config['epochs'] - 1} epochs", where]
    if not memory:
        parts.append("memory was not measured")
    return f"{ticket} on every backend: {what}\n{'; '.join(parts)}"


def _write(axes: Any, words: Sequence[tuple[str, str]]) -> None:
    """Lines of text in their colours, in the upper left corner."""
    for number, (text, colour) in enumerate(words):
        axes.annotate(
            drawn(text),
            (0.03, 0.98),
            xycoords="axes fraction",
            xytext=(0, -11 * number),
            textcoords="offset points",
            va="top",
            fontsize=8,
            color=darker(colour),
        )


# Against the size


def _sizes(frame: DataFrame) -> tuple[DataFrame, str]:
    """What was measured, with what the upper panels show, and the label of their x axis.

    ``size`` is the number of nodes or, where there is one graph, the width. A ``line`` is a route,
    or a route with a width, of which the largest has ``rank`` 0.
    """
    rows = frame[frame["missing"] == ""]
    size, place = rows["nodes"], rows["nodes"].map("{:,} nodes, ".format)
    width = rows["hidden_channels"]
    line, rank = rows["route"] + width.map(", width {}".format), width.rank(method="dense") * -1
    if size.nunique() == 1:
        size, place, line, rank = width, "", rows["route"], 0 * rank
    elif width.nunique() == 1:
        line = rows["route"]
    rows = rows.assign(
        size=size,
        line=line,
        rank=(rank - rank.min()).astype(int),
        place=place + width.map("width {:,}".format),
        ms=1e3 * rows["seconds"],
        mb=rows["peak"].clip(lower=1) / 1e6,
    )
    return rows, "nodes" if size is not width else "width of the hidden layers"


def _plot_sizes(
    axes: Any, measured: DataFrame, architecture: str, y: str, colours: Colours
) -> list[Line]:
    """One architecture: a line for each route and width, or over the widths of a single graph."""
    rows = measured[measured["architecture"] == architecture].dropna(subset=y)
    lines = []
    for label, found in rows.sort_values("size").groupby("line", sort=False):
        route, rank = found["route"].iloc[0], found["rank"].iloc[0]
        lines.append(
            Line(
                label=label,
                colour=colours[route],
                x=found["size"].tolist(),
                y=found[y].tolist(),
                marker=MARKERS[rank % len(MARKERS)],
                dashed=rank > 0,
            )
        )
    ticks = sorted(measured["size"].unique())
    bare(axes)
    axes.set(xscale="log", yscale="log")
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks], fontsize=9)
    axes.minorticks_off()
    axes.margins(x=0.07, y=0.05)
    draw_lines(axes, lines)
    _write(axes, _ratios(rows, y, colours))
    return lines


def _ratios(rows: DataFrame, y: str, colours: Colours) -> list[tuple[str, str]]:
    """How many times less than the first route the others take, in its largest setting."""
    first = rows[rows["route"] == next(iter(colours))].sort_values(["hidden_channels", "nodes"])
    if first.empty:
        return []
    base = first.iloc[-1]
    others = rows[(rows["setting"] == base["setting"]) & (rows["route"] != base["route"])]
    return [(f"at {base['place']}:", BASELINE)] + [
        (f"{_times(base[y] / value)}, {route}", colours[route])
        for route, value in zip(others["route"], others[y], strict=True)
    ]


def _times(ratio: float) -> str:
    return f"{ratio:.1f} × less" if ratio >= 1 else f"{1 / ratio:.1f} × more"


# The lower panels


def _plot_layers(axes: Any, measured: DataFrame, colours: Colours) -> None:
    """Forward and backward of each layer of the first architecture, at the largest size."""
    bare(axes)
    rows = measured[measured["architecture"] == measured["architecture"].iloc[0]]
    last = rows.sort_values(["nodes", "hidden_channels"]).iloc[-1]
    groups: dict[str, dict[str, tuple[float, float]]] = {}
    for row in rows[rows["setting"] == last["setting"]].itertuples():
        for number, layer in enumerate(row.layers, 1):
            name = f"layer {number}\n{layer['in']} → {layer['out']}"
            parts = 1e3 * layer["forward_seconds"], 1e3 * layer["backward_seconds"]
            groups.setdefault(name, {})[row.route] = parts
    bars(axes, groups, colours)
    axes.set_xlabel("ms forward (full colour) and backward (pale)")
    name = TITLES.get(last["architecture"], last["architecture"])
    axes.set_title(f"Layers of {name}, {last['nodes']:,} nodes", fontsize=10)


def _plot_parity(axes: Any, measured: DataFrame, colours: Colours) -> None:
    """A dot for each setting: differences from the reference in double precision."""
    bare(axes)
    axes.set_xscale("log")
    found = parity_frame(measured)
    labels: list[str] = []
    for precision, limit in TOLERANCE.items():
        for name, column in (("logits", "logits_rel"), ("gradients", "gradient_rel")):
            row = len(labels)
            labels.append(f"{name}\n{precision}")
            axes.plot([limit, limit], [row - 0.42, row + 0.42], color=BASELINE, linewidth=1.2)
            for place, (route, colour) in enumerate(colours.items()):
                chosen = found[(found["precision"] == precision) & (found["route"] == route)]
                x, y = (
                    chosen[column].clip(lower=FLOOR),
                    row + 0.2 * (place - (len(colours) - 1) / 2),
                )
                axes.plot(x, [y] * len(x), "o", markersize=4, alpha=0.5, color=colour)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set_xlabel(
        "relative difference from matrix algebra in float64\n(bar: the limit of equality)"
    )
    axes.set_title("Parity, a dot for each setting", fontsize=10)


def _plot_losses(axes: Any, measured: DataFrame, colours: Colours) -> None:
    """Largest difference of the loss from the first route's over all settings, by updates."""
    bare(axes)
    axes.set_yscale("log")
    first = next(iter(colours))
    base = measured[measured["route"] == first].set_index("setting")["losses"]
    others = measured[(measured["route"] != first) & measured["setting"].isin(base.index)]
    lines, told = [], []
    for route, found in others.groupby("route", sort=False):
        apart = np.abs(np.array([*found["losses"]]) - np.array([*base[found["setting"]]]))
        worst = apart.max(axis=0)
        # What is zero has no place on a logarithmic axis.
        y = np.where(worst > 0, worst, math.nan).tolist()
        lines.append(Line(label=route, colour=colours[route], x=range(len(y)), y=y))
        same = f"same masks at the end in {sum(found['same_masks'])} of {len(found)}"
        told.append((f"{route}: {same}", colours[route]))
    draw_lines(axes, lines)
    if drawn := [value for line in lines for value in line.y if value > 0]:
        # Room for the text, and never so little that rounding looks like a cliff.
        axes.set_ylim(min(drawn) / 10, max(drawn) * 100)
    _write(axes, told)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("updates of the search")
    axes.set_title(f"Largest |loss − loss on {first}|", fontsize=10)
