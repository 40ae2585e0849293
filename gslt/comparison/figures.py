"""The picture of a comparison of backends: time, memory, layers, parity. Colours: figures.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gslt.comparison.panels import (
    Values,
    bare,
    colour,
    label_ends,
    plot_layers,
    plot_parity,
    plot_trajectories,
)
from gslt.files import replacing

#: Names of the architectures in titles.
TITLES = {"gin": "GIN", "gcn": "GCN", "sage": "GraphSAGE"}
STYLES = {"solid": "-", "dashed": "--", "dotted": ":", "dash-dotted": "-."}
Measure = Callable[[Values], float | None]


def plot_comparison(result: Values, path: Path) -> None:
    """Seconds and memory of a search against the size; layers, and how far routes are apart."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(s["architecture"] for s in result["settings"]))
    figure = Figure(figsize=(max(11.0, 3.6 * len(names) + 1), 10.5), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    parts: Any = figure.subfigures(2, 1, height_ratios=[2, 1.1], hspace=0.03)
    upper, lower = parts
    grid = upper.subplots(2, len(names), squeeze=False, sharex=True, sharey="row")
    for column, name in enumerate(names):
        last = column == len(names) - 1
        _against_size(grid[0, column], result, name, _milliseconds, last)
        _against_size(grid[1, column], result, name, _megabytes, last)
        grid[0, column].set_title(TITLES.get(name, name), fontweight="bold", fontsize=11)
        grid[1, column].set_xlabel(_axis(result)[1])
    grid[0, 0].set_ylabel("ms per search epoch")
    grid[1, 0].set_ylabel("peak memory of a search (MB)")
    left, middle, right = lower.subplots(1, 3, width_ratios=[1.1, 1.1, 1])
    plot_layers(left, result, TITLES)
    plot_parity(middle, result)
    plot_trajectories(right, result)
    figure.suptitle(_title(result), fontsize=11.5)
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix.removeprefix("."))


def _title(result: Values) -> str:
    several = _axis(result)[0] == "nodes"
    widths = list(zip(_widths(result), STYLES, strict=False)) if several else []
    styles = ", ".join(f"width {width} {style}" for width, style in widths)
    graphs = result["graphs"]
    what = graphs[0]["name"] if len(graphs) == 1 else "block models (synthetic graphs)"
    ticket = "The same ticket" if result["same_ticket"] else "NOT the same ticket"
    env, config = result["environment"], result["config"]
    where = env["gpu"] if config["device"] != "cpu" else f"{env['threads']} CPU threads"
    parts = [f"{config['num_layers']} layers", styles, f"median of {config['epochs'] - 1} epochs"]
    second = "; ".join(part for part in [*parts, where] if part)
    return f"{ticket} on every backend: {what}\n{second}"


def _widths(result: Values) -> list[int]:
    """Widths, the largest first."""
    return sorted({s["hidden_channels"] for s in result["settings"]}, reverse=True)


def _axis(result: Values) -> tuple[str, str]:
    """What the x axis counts: nodes, or the width where there is one graph."""
    several = len({s["nodes"] for s in result["settings"]}) > 1
    return ("nodes", "nodes") if several else ("hidden_channels", "width of the hidden layers")


def _milliseconds(entry: Values) -> float | None:
    return 1e3 * float(entry["epoch"]["seconds"])


def _megabytes(entry: Values) -> float | None:
    return None if entry["memory"] is None else max(entry["memory"]["peak"], 1) / 1e6


def _against_size(axes: Any, result: Values, name: str, measure: Measure, label: bool) -> None:
    """A line for each route and width, or a line over the widths of a single graph."""
    key = _axis(result)[0]
    styles = dict(zip(_widths(result), [*STYLES.values()] * 9, strict=False))
    lines: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for setting in result["settings"]:
        if setting["architecture"] != name:
            continue
        style = styles[setting["hidden_channels"]] if key == "nodes" else "-"
        for route, entry in setting["routes"].items():
            if (y := measure(entry)) is not None:
                lines.setdefault((route, style), []).append((setting[key], y))
    _prepare(axes, sorted({setting[key] for setting in result["settings"]}))
    ends: dict[str, tuple[float, float]] = {}
    for (route, style), points in lines.items():
        points.sort()
        shade = colour(result, route)
        axes.plot(*zip(*points, strict=True), style, marker="o", markersize=4, color=shade)
        if style == "-":
            ends[route] = points[-1]
    if not ends:
        axes.text(0.5, 0.5, "not measured", ha="center", va="center", transform=axes.transAxes)
        return
    _tell_ratios(axes, result, ends)
    if label:
        label_ends(axes, result, ends)


def _prepare(axes: Any, ticks: list[int]) -> None:
    from matplotlib.ticker import LogLocator

    bare(axes)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks], fontsize=9)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.minorticks_off()
    axes.margins(x=0.1, y=0.12)


def _tell_ratios(axes: Any, result: Values, ends: dict[str, tuple[float, float]]) -> None:
    """How many times less than the first route the others take, where its line ends."""
    base = ends.get(result["routes"][0])
    if base is None:
        return
    key, width = _axis(result)[0], _widths(result)[0]
    where = f"{base[0]:,} nodes, width {width}" if key == "nodes" else f"width {base[0]:,}"
    lines = [(f"at {where}:", "black")]
    lines += [
        (f"{_times(base[1] / y)}, {route}", colour(result, route))
        for route, (x, y) in ends.items()
        if x == base[0] and route != result["routes"][0]
    ]
    for number, (line, shade) in enumerate(lines):
        place = (0.03, 0.97 - 0.065 * number)
        axes.text(*place, line, va="top", fontsize=8, color=shade, transform=axes.transAxes)


def _times(ratio: float) -> str:
    return f"{ratio:.1f} × less" if ratio >= 1 else f"{1 / ratio:.1f} × more"
