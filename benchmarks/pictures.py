"""Pictures of the benchmarks, in the look of gslt's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gslt.files import replacing
from gslt.report.colours import COLOURS, MARKERS
from gslt.report.figures import canvas as panels_of
from gslt.report.figures import number_axis, panel_title, plain_ticks, save_figure
from gslt.report.lines import Line, draw_lines, label_lines

Values = dict[str, Any]
PARTS = {
    "dense product": "dense products",
    "sparse product": "sparse products",
    "norm": "norm and ReLU",
    "mask": "masks and selection",
    "rest": "rest",
}


def canvas(panels: Sequence[float], size: tuple[float, float]) -> tuple[Any, list[Any]]:
    """A figure without display, with panels side by side in these proportions."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(panels), width_ratios=panels, squeeze=False)[0]
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.grid(alpha=0.25)
        one.set_axisbelow(True)
    return figure, list(axes)


def save(figure: Any, path: Path) -> None:
    """Write the picture whole."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix.removeprefix("."))


def plot_epochs(figures: Values, path: Path) -> None:
    """Seconds of every row, and the parts of gslt's beside the limit."""
    rows = {row["name"]: row for row in figures["rows"]}
    figure, (left, right) = canvas((1, 1.2), (11, 4))
    names = list(rows)[::-1]
    base = rows.get("published", {}).get("seconds")
    for place, name in enumerate(names):
        seconds = rows[name]["seconds"]
        left.barh(place, seconds, color=COLOURS[0] if name.startswith("gslt") else "#999999")
        ratio = f"  {base / seconds:.1f} ×" if base and not name.startswith("published") else ""
        left.annotate(f" {seconds:.2f} s{ratio}", (seconds, place), va="center", fontsize=8)
    left.set_yticks(range(len(names)), names)
    left.margins(x=0.35)
    left.set_xlabel("seconds per epoch (× as fast as published)")
    _breakdown(right, rows, figures["limit"])
    model, graph = figures["model"], figures["graph"]["name"]
    figure.suptitle(
        f"{graph}: {model['architecture'].upper()} {model['num_layers']} × "
        f"{model['hidden_channels']}",
        fontsize=10,
    )
    save(figure, path)


def _breakdown(axes: Any, rows: Values, bounds: Values) -> None:
    bars: dict[str, Values] = {}
    for precision, label in (("float32", "limit"), ("bfloat16", "limit, bfloat16")):
        if bounds:
            found = bounds[precision]
            bars[label] = {
                "dense product": found["dense_seconds"],
                "sparse product": found["sparse_seconds"],
            }
    for name, row in rows.items():
        if row["breakdown"]:
            bars[name] = row["breakdown"]
    names = list(bars)[::-1]
    start = dict.fromkeys(names, 0.0)
    for number, (part, label) in enumerate(PARTS.items()):
        widths = [bars[name].get(part, 0.0) for name in names]
        axes.barh(
            range(len(names)),
            widths,
            left=[start[name] for name in names],
            color=COLOURS[number],
            label=label,
        )
        for name, width in zip(names, widths, strict=True):
            start[name] += width
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("seconds per epoch, by part")
    axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.45, 1.12), ncols=3)


def plot_memory(rows: Sequence[Values], path: Path) -> None:
    """State and ticket against the freezing ratio."""
    figure, (left, right) = canvas((1, 1), (10, 4))
    ratios = [row["freezing_ratio"] for row in rows]
    state = [row["state_bytes"] / 1e6 for row in rows]
    dense = [row["dense_state_bytes"] / 1e6 for row in rows]
    left.plot(ratios, dense, color="#999999", label="dense masks, as published")
    left.plot(ratios, [state[0] * (1 - f) for f in ratios], "--", color="black", label="∝ 1 − F")
    left.plot(ratios, state, "o", color=COLOURS[0], label="gslt: scores and moments")
    left.set_ylabel("search state in MB")
    right.plot(ratios, [r["ticket_bytes"] / 1e3 for r in rows], "o-", color=COLOURS[1])
    right.set_ylabel("ticket file in kB")
    for axes in (left, right):
        axes.set_ylim(bottom=0)
        axes.set_xlabel("freezing ratio F")
    left.legend(frameon=False)
    save(figure, path)


def plot_scaling(found: Values, path: Path) -> None:
    """Seconds and memory against every axis, with the fitted exponents."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    figure = Figure(figsize=(4 * len(found), 6.5), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(2, len(found), squeeze=False)
    kinds = (("seconds", 1.0, "seconds per epoch"), ("search_bytes", 1e9, "memory in GB"))
    for column, (axis, series) in enumerate(found.items()):
        for axes, (kind, unit, label) in zip(grid[:, column], kinds, strict=True):
            x = [row[axis] for row in series["rows"]]
            axes.loglog(x, [row[kind] / unit for row in series["rows"]], "o-", color=COLOURS[0])
            axes.set_xlabel(axis)
            axes.set_ylabel(label)
            axes.grid(alpha=0.25, which="both")
            axes.spines[["top", "right"]].set_visible(False)
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.minorticks_off()
            axes.set_xticks(x, [f"{v:,}" for v in x], fontsize=7, rotation=30)
            fit = series["fits"].get(kind)
            if fit:
                error = fit["standard_error"]
                spread = "" if error is None else f" ± {error:.2f}"
                axes.set_title(f"{label} ∝ {axis}^{fit['exponent']:.2f}{spread}", fontsize=9)
    figure.suptitle("Search on synthetic graphs of OGBN-Arxiv's shape", fontsize=10)
    save(figure, path)


def plot_subset_sums(figures: Values, path: Path) -> None:
    """The laws of subset sums: error, values needed, price of freezing, out of reach."""
    drawers = {
        "errors": _errors,
        "widths": _widths,
        "price": _price,
        "reach": _reach,
    }
    number = figures["settings"]["number"]
    made = panels_of(
        [["errors", "widths"], ["price", "reach"]],
        "Subset sums of random values, some of them locked or pruned",
        f"Top left: median over {number:,} targets uniform on [-1, 1], nothing frozen; bands: 95 % "
        "intervals of the median; dashed: the density of subset sums (saddlepoint). Top right: "
        "marks are simulated, lines predicted by that density. Bottom left: values for 99 % of the "
        "targets within 0.001, simulated; uniform values. Bottom right: targets beyond the last "
        f"subset sum, of {figures['settings']['reach']:,}; bands: 95 % intervals; where there was "
        "none nothing is drawn.",
        width=6.2,
        height=4.0,
    )
    lines = [(axes, drawers[name](axes, figures)) for name, axes in made.panels.items()]
    label_lines(made.figure, lines)
    save_figure(made.figure, path)


def _errors(axes: Any, figures: Values) -> list[Line]:
    lines = []
    for place, (name, rows) in enumerate(figures["errors"].items()):
        m = [row["free"] for row in rows]
        ends = {
            end: [2.0 ** row["log2_error"][at] for row in rows]
            for end, at in (("y", 0), ("low", 1), ("high", 2))
        }
        look = {"colour": COLOURS[place], "marker": MARKERS[place]}
        slope = figures["slopes"][name]["simulated"][0]
        lines.append(
            Line(label=f"{name.replace('_', ' ')}: {slope:+.2f} bits", x=m, **ends, **look)
        )
        if name != "signed_constant":
            theory = [2.0 ** row["predicted"] for row in rows]
            axes.plot(m, theory, "--", color="black", linewidth=0.8)
    axes.set_yscale("log")
    draw_lines(axes, lines)
    plain_ticks(axes)
    axes.yaxis.set_major_formatter("{x:.0e}")
    number_axis(axes, lines[0].x, "free values m", log=False)
    panel_title(axes, "Error of the nearest subset, and bits for each value")
    return lines


def _widths(axes: Any, figures: Values) -> list[Line]:
    lines = []
    for place, row in enumerate(figures["widths"]):
        law, colour = row["predicted"], COLOURS[place]
        lines.append(Line(label=row["name"], x=law["bits"], y=law["n"], colour=colour, marker=""))
        found = row["simulated"]
        axes.plot(found["bits"], found["n"], MARKERS[place], color=colour, markersize=4.8)
    draw_lines(axes, lines)
    number_axis(axes, lines[0].x, "log2(1 / epsilon)", log=False)
    axes.set_ylim(bottom=0)
    panel_title(axes, "Values needed for 99 % of the targets")
    return lines


def _price(axes: Any, figures: Values) -> list[Line]:
    lines = []
    for place, (name, rows) in enumerate(figures["price"].items()):
        ratios, n = ([row[key] for row in rows] for key in ("freezing_ratio", "n"))
        lines.append(Line(label=name, x=ratios, y=n, colour=COLOURS[place], marker=MARKERS[place]))
    first = lines[0]
    ideal = [first.y[0] / (1 - ratio) for ratio in first.x]
    lines.append(Line(label="dense / (1 - F)", x=first.x, y=ideal, colour="#000000", dashed=True))
    axes.set_yscale("log")
    draw_lines(axes, lines)
    plain_ticks(axes)
    number_axis(axes, first.x, "freezing ratio F", log=False)
    panel_title(axes, "Price of freezing: values needed")
    return lines


def _reach(axes: Any, figures: Values) -> list[Line]:
    lines = []
    names = list(dict.fromkeys(row["name"] for row in figures["reach"]))
    for place, name in enumerate(names):
        rows = [row for row in figures["reach"] if row["name"] == name and row["share"][0] > 0]
        share, low, high = ([row["share"][end] for row in rows] for end in range(3))
        look = {"colour": COLOURS[place % len(COLOURS)], "marker": MARKERS[place]}
        x = [row["n"] for row in rows]
        lines.append(Line(label=name, x=x, y=share, low=low, high=high, **look))
    axes.set_yscale("log")
    draw_lines(axes, lines)
    plain_ticks(axes)
    axes.yaxis.set_major_formatter("{x:.0e}")
    number_axis(
        axes, [row["n"] for row in figures["reach"]], "values n, frozen ones too", log=False
    )
    panel_title(axes, "Share of targets out of reach of every subset")
    return lines
