"""The tables of a comparison of backends, in Markdown."""

from __future__ import annotations

from gslt.comparison.parity import TOLERANCE
from gslt.comparison.rows import (
    PARITY,
    TRAJECTORY,
    Values,
    entries,
    epoch_cell,
    layer_table,
    memory_cell,
    parity_rows,
    side_by_side,
    spread,
    table,
    trajectory_rows,
)


def tables(result: Values) -> str:
    """Everything that a reader compares; ``comparison.json`` has every figure behind it."""
    parts = [
        "# Backends compared on the same tickets",
        _where(result),
        _verdict(result),
        "## Parity",
        "Largest differences from matrix algebra in double precision, over all graphs and widths: "
        "of the logits, and of the gradients of the scores. Relative: over the largest absolute "
        "entry. A route agrees up to "
        + ", ".join(f"{limit:g} in {name}" for name, limit in TOLERANCE.items())
        + ". The algebra stands on the same side of every ReLU as the route does: a number that is "
        "zero up to rounding may stand on either, and the gradient jumps there. Flips are the "
        "numbers that it had put on the other side.",
        table(PARITY, parity_rows(result)),
        "## Search",
        f"{result['config']['epochs']} epochs in float32 from the same scores, beside the first "
        "route of each setting. Where sums are rounded differently, searches part: a ReLU flips, "
        "AdamW divides a gradient that is zero up to rounding by its own size, and scores near the "
        "threshold change places.",
        table(TRAJECTORY, trajectory_rows(result)),
        "## Epoch",
        "Median seconds of a search epoch: selection of the masks, forward and backward pass, "
        "update. The routes take turns epoch by epoch. In brackets forward and backward; × times "
        f"as fast as {result['routes'][0]}. The slowest epoch of a route took {spread(result):.1f} "
        "times its fastest (median of all): the nearer to 1, the quieter the machine was.",
        side_by_side(result, epoch_cell),
        "## Memory",
        "Peak of a search above libraries and data, with graph and model, each in a process of its "
        f"own; ÷ times less than {result['routes'][0]}. MB are 10⁶ bytes.",
        side_by_side(result, memory_cell),
        "## Layers",
        "Each layer alone on the largest graph: median ms forward + backward, and the peak memory "
        "of its forward / backward above its input. Layer 1 reads the features, which need no "
        "gradient and which gslt aggregates once in a search, unless they are sparse.",
        layer_table(result),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _where(result: Values) -> str:
    env = result["environment"]
    versions = ", ".join(f"{name} {number}" for name, number in env["versions"].items())
    device = result["config"]["device"]
    where = env["gpu"] if device != "cpu" else f"{env['cores']} cores, {env['threads']} threads"
    graphs = "; ".join(
        f"{g['name']}: {g['nodes']:,} nodes, {g['edges']:,} directed edges"
        for g in result["graphs"]
    )
    absent = "".join(f"\n\n{name} is absent: {why}." for name, why in result["absent"].items())
    return f"{versions}; {env['system']}, {where}. Graphs: {graphs}.{absent}"


def _verdict(result: Values) -> str:
    settings = result["settings"]
    different = [
        f"{_name(setting)}: {route}"
        for setting, route, entry in entries(result)
        if not entry["same_ticket"]
    ]
    ticket = (
        f"**The same ticket, bit for bit**: masks, effective weights and ticket file are identical "
        f"on all routes in all {len(settings)} settings before the search."
        if not different
        else "**Not the same ticket**: " + "; ".join(different) + "."
    )
    agree = (
        "All routes agree with matrix algebra in double precision."
        if result["agree"]
        else "**Not all routes agree** with matrix algebra in double precision."
    )
    failed = "".join(
        f"\n\nNot measured, {_name(setting)}: {why}."
        for setting in settings
        for why in setting["failed"].values()
    )
    return f"{ticket} {agree}{failed}"


def _name(setting: Values) -> str:
    return f"{setting['architecture']} {setting['hidden_channels']}, {setting['nodes']:,} nodes"
