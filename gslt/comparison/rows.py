"""Rows and cells of the tables of a comparison of backends."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

Values = dict[str, Any]
#: Columns of words; numbers stand right.
TEXT = {"architecture", "route", "precision", "agrees", "same ticket"}
PARITY = (
    *("architecture", "route", "precision", "logits abs", "logits rel"),
    *("gradients abs", "gradients rel", "ReLU flips", "same classes", "agrees"),
)
TRAJECTORY = (
    *("architecture", "width", "nodes", "route", "largest loss difference"),
    *("last loss", "of the first", "equal mask bits", "same classes", "same ticket"),
)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    align = ["---" if name in TEXT else "---:" for name in head]
    lines = [head, align, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def entries(result: Values) -> Iterator[tuple[Values, str, Values]]:
    """Every setting with every route that was measured in it, and what was."""
    for setting in result["settings"]:
        for route, entry in setting["routes"].items():
            yield setting, route, entry


def parity_rows(result: Values) -> list[list[str]]:
    """The worst of all sizes and widths."""
    groups: dict[tuple[str, str, str], list[Values]] = {}
    for setting, route, entry in entries(result):
        for precision, figures in entry["parity"].items():
            key = (setting["architecture"], route, precision)
            groups.setdefault(key, []).append(figures)
    rows = []
    for key, found in groups.items():
        names = ("logits_abs", "logits_rel", "gradient_abs", "gradient_rel")
        worst = [f"{max(one[name] for one in found):.1e}" for name in names]
        classes = _percent(min(one["same_classes"] for one in found))
        agrees = "yes" if all(one["agrees"] for one in found) else "**NO**"
        flips = f"{max(one['flips'] for one in found):,}"
        rows.append([*key, *worst, flips, classes, agrees])
    return rows


def trajectory_rows(result: Values) -> list[list[str]]:
    """The searches beside the first one of their setting."""
    rows = []
    for setting in result["settings"]:
        first, *others = setting["routes"] or [""]
        for route in others:
            entry = setting["routes"][route]
            found, base = entry["trajectory"], setting["routes"][first]["trajectory"]
            rows.append(
                [
                    setting["architecture"],
                    str(setting["hidden_channels"]),
                    f"{setting['nodes']:,}",
                    route,
                    f"{found['loss_difference']:.1e}",
                    f"{found['losses'][-1]:.5f}",
                    f"{base['losses'][-1]:.5f}",
                    _percent(found["mask_agreement"][-1]),
                    _percent(found["same_classes"]),
                    "yes" if entry["same_ticket"] and found["same_masks"] else "no",
                ]
            )
    return rows


def spread(result: Values) -> float:
    """Slowest over fastest epoch of a route, the median over routes and settings."""
    epochs = [entry["epoch"] for _, _, entry in entries(result)]
    return float(statistics.median(e["largest_seconds"] / e["least_seconds"] for e in epochs))


def _percent(share: float) -> str:
    """Percent with as many digits as tell it from 100."""
    return "100 %" if share == 1 else f"{min(100 * share, 99.9999):.4f} %"


def side_by_side(result: Values, cell: Callable[..., str]) -> str:
    """A row for each setting, a column for each route, absent ones too."""
    rows = []
    for setting in result["settings"]:
        base = setting["routes"].get(result["routes"][0])
        first = (setting["architecture"], str(setting["hidden_channels"]), f"{setting['nodes']:,}")
        rows.append([*first, *_cells(result, setting, partial(cell, base=base))])
    return table(("architecture", "width", "nodes", *_names(result)), rows)


def _names(result: Values) -> list[str]:
    return [*result["routes"], *result["absent"]]


def _cells(result: Values, setting: Values, cell: Callable[[Values], str]) -> list[str]:
    found = setting["routes"]
    missing = dict.fromkeys(result["absent"], "absent")
    return [
        cell(found[name]) if name in found else missing.get(name, "failed")
        for name in _names(result)
    ]


def epoch_cell(entry: Values, base: Values | None) -> str:
    """Seconds of an epoch, and how many times as fast as the first route it is."""
    found = entry["epoch"]
    times = f" × {base['epoch']['seconds'] / found['seconds']:.1f}" if base else ""
    return (
        f"{found['seconds']:.4f} ({found['forward_seconds']:.4f} + "
        f"{found['backward_seconds']:.4f}){times}"
    )


def memory_cell(entry: Values, base: Values | None) -> str:
    """Peak memory of a search, and how many times less than the first route's it is."""
    if entry["memory"] is None:
        return "not measured"
    peak = entry["memory"]["peak"]
    less = ""
    if base and base["memory"]:
        less = f" ÷ {base['memory']['peak'] / max(peak, 1):.1f}"
    return f"{peak / 1e6:,.1f} MB{less}"


def layer_table(result: Values) -> str:
    """A row for each layer on the largest graph."""
    largest = max(setting["nodes"] for setting in result["settings"])
    rows = []
    for setting in result["settings"]:
        if setting["nodes"] != largest or not setting["routes"]:
            continue
        for number, layer in enumerate(next(iter(setting["routes"].values()))["layers"]):
            first = (setting["architecture"], str(number + 1), f"{layer['in']} → {layer['out']}")
            cells = _cells(result, setting, partial(_layer_cell, number=number))
            rows.append([*first, *cells])
    return table(("architecture", "layer", "widths", *_names(result)), rows)


def _layer_cell(entry: Values, number: int) -> str:
    found, peaks = entry["layers"][number], entry["memory"]
    text = f"{1e3 * found['forward_seconds']:.2f} + {1e3 * found['backward_seconds']:.2f} ms"
    if peaks is not None:
        one = peaks["layers"][number]
        text += f", {one['forward'] / 1e6:.1f} / {one['backward'] / 1e6:.1f} MB"
    return text
