"""The tables of a comparison, from one frame of settings × routes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gslt.comparison.reference import LIMITED, TOLERANCE
from gslt.report.escaping import markdown
from gslt.report.tables import Cell, Column, Table

if TYPE_CHECKING:
    from pandas import DataFrame

Values = dict[str, Any]
#: Headings of the columns of words; numbers stand right.
WORDS = {"architecture", "route", "precision", "agrees", "same ticket"}


def routes_frame(result: Values) -> DataFrame:
    """A row for every setting and route, absent routes too.

    Args:
        result: the content of ``comparison.json``.

    Returns:
        Columns: ``setting`` (its number), ``architecture``, ``hidden_channels``, ``nodes``,
        ``route``; ``missing``: why there is nothing more, ``failed`` or ``absent``, else empty;
        and what was measured: ``same_ticket``, ``parity``, ``layers``, all of ``epoch`` and of
        ``trajectory``, ``peak`` (bytes; NaN if not measured) and ``layer_peaks`` (empty then);
        ``base_seconds`` and ``base_peak`` are those of the first route in this setting.
    """
    import pandas as pd

    rows = []
    for number, setting in enumerate(result["settings"]):
        about = {name: setting[name] for name in ("architecture", "hidden_channels", "nodes")}
        for route in (*result["routes"], *result["absent"]):
            row = {"setting": number, **about, "route": route, "missing": ""}
            if route in setting["routes"]:
                entry = setting["routes"][route]
                row |= {name: entry[name] for name in ("same_ticket", "parity", "layers")}
                memory = entry["memory"] or {"peak": math.nan, "layers": []}
                row |= {**entry["epoch"], **entry["trajectory"]}
                row |= {"peak": memory["peak"], "layer_peaks": memory["layers"]}
            else:
                row["missing"] = "absent" if route in result["absent"] else "failed"
            rows.append(row)
    frame = pd.DataFrame(rows).astype({"peak": float})
    base = frame[frame["route"] == result["routes"][0]].set_index("setting")
    for name in ("seconds", "peak"):
        frame[f"base_{name}"] = frame["setting"].map(base[name])
    return frame


def parity_frame(measured: DataFrame) -> DataFrame:
    """A row for every setting, route and precision.

    Args:
        measured: rows of :func:`routes_frame` in which nothing is missing.

    Returns:
        Columns: ``architecture``, ``route``, ``precision`` and those of
        :func:`gslt.comparison.reference.deviation`.
    """
    import pandas as pd

    return pd.DataFrame(
        {"architecture": row.architecture, "route": row.route, "precision": precision, **figures}
        for row in measured.itertuples()
        for precision, figures in row.parity.items()
    )


# Tables


def tables(result: Values) -> str:
    """Everything that a reader compares, in Markdown.

    Args:
        result: the content of ``comparison.json``, which has every figure behind it.
    """
    frame = routes_frame(result)
    measured = frame[frame["missing"] == ""]
    layers, routes = _largest_layers(frame), frame["route"].unique().tolist()
    spread = (measured["largest_seconds"] / measured["least_seconds"]).median()
    parts = [
        "# Backends compared on the same tickets",
        _where(result),
        _verdict(result, measured),
        "## Parity",
        "Largest differences from matrix algebra in double precision, over all graphs and widths: "
        "of the logits, and of the gradients of the scores. Relative: over the largest absolute "
        "entry. A route agrees up to "
        + ", ".join(f"{limit:g} in {name}" for name, limit in TOLERANCE.items())
        + ". The algebra stands on the same side of every ReLU as the route does: a number that is "
        "zero up to rounding may stand on either, and the gradient jumps there. Flips are the "
        "numbers that it had put on the other side.",
        _parity_table(measured),
        "## Search",
        f"{result['config']['epochs']} epochs in float32 from the same scores, beside the first "
        "route of each setting. Where sums are rounded differently, searches part: a ReLU flips, "
        "AdamW divides a gradient that is zero up to rounding by its own size, and scores near the "
        "threshold change places.",
        _search_table(measured),
        "## Epoch",
        "Median seconds of a search epoch: selection of the masks, forward and backward pass, "
        "update. The routes take turns epoch by epoch. In brackets forward and backward; × times "
        f"as fast as {routes[0]}. The slowest epoch of a route took {spread:.1f} "
        "times its fastest (median of all): the nearer to 1, the quieter the machine was.",
        _side_by_side(routes, frame.groupby("setting"), SETTING, _epoch_text),
        "## Memory",
        "Peak of a search above libraries and data, with graph and model, each in a process of its "
        f"own; ÷ times less than {routes[0]}. MB are 10⁶ bytes.",
        _side_by_side(routes, frame.groupby("setting"), SETTING, _memory_text),
        "## Layers",
        "Each layer alone on the largest graph: median ms forward + backward, and the peak memory "
        "of its forward / backward above its input. Layer 1 reads the features, which need no "
        "gradient and which gslt aggregates once in a search, unless they are sparse.",
        _side_by_side(routes, layers.groupby(["setting", "layer"]), LAYER, _layer_text),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _where(result: Values) -> str:
    env = result["environment"]
    versions = ", ".join(f"{name} {number}" for name, number in env["versions"].items())
    device = result["config"]["device"]
    where = env["gpu"] if device != "cpu" else f"{env['cores']} cores, {env['threads']} threads"
    graphs = "; ".join(
        f"{markdown(graph['name'])}: {graph['nodes']:,} nodes, {graph['edges']:,} directed edges"
        for graph in result["graphs"]
    )
    absent = "".join(
        f"\n\n{name} is absent: {markdown(why)}." for name, why in result["absent"].items()
    )
    return f"{versions}; {env['system']}, {where}. Graphs: {graphs}.{absent}"


def _verdict(result: Values, measured: DataFrame) -> str:
    settings = result["settings"]
    names = [f"{s['architecture']} {s['hidden_channels']}, {s['nodes']:,} nodes" for s in settings]
    different = [
        f"{names[row.setting]}: {row.route}" for row in measured.itertuples() if not row.same_ticket
    ]
    ticket = (
        f"**The same ticket, bit for bit**: masks, effective weights and ticket file are identical "
        f"on all routes in all {len(settings)} settings before the search."
        if not different
        else "**Not the same ticket**: " + "; ".join(different) + "."
    )
    failed = "".join(
        f"\n\nNot measured, {name}: {markdown(why)}."
        for name, setting in zip(names, settings, strict=True)
        for why in setting["failed"].values()
    )
    return f"{ticket} {_agreement(result)}{failed}"


def _agreement(result: Values) -> str:
    entries = [item for setting in result["settings"] for item in setting["routes"].items()]
    apart: dict[str, dict[str, float]] = {}
    for route, entry in entries:
        for precision, figures in entry["parity"].items():
            if not figures["agrees"]:
                worst = apart.setdefault(precision, {})
                far = max(figures[name] for name in LIMITED)
                worst[route] = max(worst.get(route, 0.0), far)
    if not apart:
        return "All routes agree with matrix algebra in double precision."
    if set(apart) == {"float32"} and all("float64" in entry["parity"] for _, entry in entries):
        far = max(apart["float32"].values())
        return (
            "In float64 all routes agree with matrix algebra in double precision; in float32 "
            f"{', '.join(apart['float32'])} differ from it by up to {far:.1e} of the largest "
            f"entry, where {TOLERANCE['float32']:g} counts as agreement."
        )
    return "**Not all routes agree** with matrix algebra in double precision."


def _column(heading: str, name: str, form: Callable[[Any], str] = str) -> Column:
    return heading, lambda row: Cell(form(getattr(row, name)))


def _percent(share: float) -> str:
    """Percent with as many digits as tell it from 100."""
    return "100 %" if share == 1 else f"{min(100 * share, 99.9999):.4f} %"


_DIFFERENCE, _COUNT, _LOSS = "{:.1e}".format, "{:,}".format, "{:.5f}".format
PARITY: Sequence[Column] = (
    _column("architecture", "architecture"),
    _column("route", "route"),
    _column("precision", "precision"),
    _column("logits abs", "logits_abs", _DIFFERENCE),
    _column("logits rel", "logits_rel", _DIFFERENCE),
    _column("gradients abs", "gradient_abs", _DIFFERENCE),
    _column("gradients rel", "gradient_rel", _DIFFERENCE),
    _column("ReLU flips", "flips", _COUNT),
    _column("same classes", "same_classes", _percent),
    _column("agrees", "agrees", lambda agrees: "yes" if agrees else "**NO**"),
)
SEARCH: Sequence[Column] = (
    _column("architecture", "architecture"),
    _column("width", "hidden_channels"),
    _column("nodes", "nodes", _COUNT),
    _column("route", "route"),
    _column("largest loss difference", "loss_difference", _DIFFERENCE),
    _column("last loss", "last_loss", _LOSS),
    _column("of the first", "first_loss", _LOSS),
    _column("equal mask bits", "mask_agreement", lambda shares: _percent(shares[-1])),
    _column("same classes", "same_classes", _percent),
    _column("same ticket", "unchanged", lambda same: "yes" if same else "no"),
)
SETTING: Sequence[Column] = SEARCH[:3]
LAYER: Sequence[Column] = (
    _column("architecture", "architecture"),
    _column("layer", "layer"),
    _column("widths", "shape", lambda shape: f"{shape['in']} → {shape['out']}"),
)


def _body(rows: Any, columns: Sequence[Column]) -> str:
    return Table.of("", rows, columns).body(WORDS, escape=False)


def _parity_table(measured: DataFrame) -> str:
    """The worst of all sizes and widths."""

    def worst(column: Any) -> Any:
        return column.max(skipna=False)

    differences = dict.fromkeys(("logits_abs", "logits_rel", "gradient_abs", "gradient_rel"), worst)
    groups = parity_frame(measured).groupby(["architecture", "route", "precision"], sort=False)
    found = groups.agg({**differences, "flips": "max", "same_classes": "min", "agrees": "all"})
    return _body(found.reset_index(), PARITY)


def _search_table(measured: DataFrame) -> str:
    """The searches beside the first one of their setting."""
    last = measured["losses"].str[-1]
    rows = measured.assign(
        last_loss=last,
        first_loss=last.groupby(measured["setting"]).transform("first"),
        unchanged=[row.same_ticket and row.same_masks for row in measured.itertuples()],
    )
    return _body(rows[rows.duplicated("setting")], SEARCH)


def _largest_layers(frame: DataFrame) -> DataFrame:
    """The rows of the largest graph, once for each layer: its number and its shape beside them."""
    largest = frame[frame["nodes"] == frame["nodes"].max()]
    shapes = largest.dropna(subset="layers").drop_duplicates("setting").set_index("setting")
    rows = largest.assign(shape=largest["setting"].map(shapes["layers"])).explode("shape")
    rows["layer"] = rows.groupby(["setting", "route"]).cumcount() + 1
    return rows.dropna(subset="shape")


def _side_by_side(
    routes: Sequence[str], groups: Any, keys: Sequence[Column], text: Callable[[Any], str]
) -> str:
    """A line for every group, a column for every route.

    Args:
        routes: their names.
        groups: of a frame, each with a row for every route.
        keys: what stands left of the routes; the same in all rows of a group.
        text: what stands in the column of a route, of its row, if nothing is missing.
    """

    def key(column: Column) -> Column:
        heading, cell = column
        return heading, lambda line: cell(line[routes[0]])

    def measured(route: str) -> Column:
        return route, lambda line: Cell(line[route].missing or text(line[route]))

    lines = [{row.route: row for row in found.itertuples()} for _, found in groups]
    return _body(lines, [*map(key, keys), *map(measured, routes)])


def _epoch_text(row: Any) -> str:
    """Seconds of an epoch, and how many times as fast as the first route it is."""
    times = "" if math.isnan(row.base_seconds) else f" × {row.base_seconds / row.seconds:.1f}"
    return f"{row.seconds:.4f} ({row.forward_seconds:.4f} + {row.backward_seconds:.4f}){times}"


def _memory_text(row: Any) -> str:
    """Peak memory of a search, and how many times less than the first route's it is."""
    if math.isnan(row.peak):
        return "not measured"
    less = "" if math.isnan(row.base_peak) else f" ÷ {row.base_peak / max(row.peak, 1):.1f}"
    return f"{row.peak / 1e6:,.1f} MB{less}"


def _layer_text(row: Any) -> str:
    """Milliseconds of a layer and, where memory was measured, its peaks."""
    found = row.layers[row.layer - 1]
    text = f"{1e3 * found['forward_seconds']:.2f} + {1e3 * found['backward_seconds']:.2f} ms"
    if not row.layer_peaks:
        return text
    peaks = row.layer_peaks[row.layer - 1]
    return f"{text}, {peaks['forward'] / 1e6:.1f} / {peaks['backward'] / 1e6:.1f} MB"
