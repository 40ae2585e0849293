"""Panels of the picture of a comparison of backends."""

from __future__ import annotations

import math
from typing import Any

from gslt.comparison.parity import TOLERANCE
from gslt.studies.report.figures import COLOURS

Values = dict[str, Any]
#: Smallest difference that has a place on a logarithmic axis.
FLOOR = 1e-17
#: Vermilion for the host, blue and green for gslt.
_ORDER = (1, 0, 2, 3, 4, 5)


def bare(axes: Any) -> None:
    """Axes without a box, with a faint grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)


def colour(result: Values, route: str) -> str:
    """The colour of a route, in every panel the same."""
    return COLOURS[_ORDER[result["routes"].index(route) % len(_ORDER)]]


def label_ends(axes: Any, result: Values, ends: dict[str, tuple[float, float]]) -> None:
    """Names of routes beside the ends of their lines, moved apart where they would overlap."""
    low, high = (math.log(v) for v in axes.get_ylim())
    gap = 0.07 * (high - low)
    routes = sorted(ends, key=lambda route: ends[route][1])
    places = [math.log(ends[route][1]) for route in routes]
    for _ in range(20):
        for k in range(1, len(places)):
            missing = gap - (places[k] - places[k - 1])
            if missing > 0:
                places[k - 1], places[k] = places[k - 1] - missing / 2, places[k] + missing / 2
    for route, place in zip(routes, places, strict=True):
        axes.annotate(
            route,
            (ends[route][0], math.exp(place)),
            textcoords="offset points",
            xytext=(9, 0),
            va="center",
            color=colour(result, route),
            fontsize=9,
            annotation_clip=False,
        )


def plot_layers(axes: Any, result: Values, titles: dict[str, str]) -> None:
    """Forward and backward of each layer of the first architecture, at the largest size."""
    bare(axes)
    first = result["settings"][0]["architecture"]
    found = [s for s in result["settings"] if s["architecture"] == first and s["routes"]]
    axes.set_xlabel("ms forward (full colour) and backward (pale)")
    if not found:
        return
    setting = max(found, key=lambda s: (s["nodes"], s["hidden_channels"]))
    names = list(setting["routes"])
    layers = setting["routes"][names[0]]["layers"]
    for number in range(len(layers)):
        for place, route in enumerate(names):
            layer = setting["routes"][route]["layers"][number]
            forward, backward = 1e3 * layer["forward_seconds"], 1e3 * layer["backward_seconds"]
            y, shade = number + 0.26 * (place - (len(names) - 1) / 2), colour(result, route)
            axes.barh(y, forward, height=0.22, color=shade)
            axes.barh(y, backward, height=0.22, left=forward, color=shade, alpha=0.4)
            axes.annotate(
                f" {forward + backward:.1f}", (forward + backward, y), va="center", fontsize=7.5
            )
    labels = [f"layer {k}\n{one['in']} → {one['out']}" for k, one in enumerate(layers, 1)]
    axes.set_yticks(range(len(layers)), labels)
    axes.invert_yaxis()
    axes.margins(x=0.18)
    name = titles.get(first, first)
    axes.set_title(f"Layers of {name}, {setting['nodes']:,} nodes", fontsize=10)


def plot_parity(axes: Any, result: Values) -> None:
    """A dot for each setting: differences from the reference in double precision."""
    bare(axes)
    kinds = [(what, precision) for precision in TOLERANCE for what in ("logits", "gradient")]
    routes = result["routes"]
    for row, (what, precision) in enumerate(kinds):
        for place, route in enumerate(routes):
            x = [
                max(setting["routes"][route]["parity"][precision][f"{what}_rel"], FLOOR)
                for setting in result["settings"]
                if route in setting["routes"]
            ]
            y = row + 0.2 * (place - (len(routes) - 1) / 2)
            axes.plot(x, [y] * len(x), "o", markersize=4, alpha=0.5, color=colour(result, route))
        limit = TOLERANCE[precision]
        axes.plot([limit, limit], [row - 0.42, row + 0.42], color="black", linewidth=1.2)
    axes.set_xscale("log")
    names = {"logits": "logits", "gradient": "gradients"}
    axes.set_yticks(range(len(kinds)), [f"{names[what]}\n{kind}" for what, kind in kinds])
    axes.invert_yaxis()
    axes.set_xlabel(
        "relative difference from matrix algebra in float64\n(bar: the limit of equality)"
    )
    axes.set_title("Parity, a dot for each setting", fontsize=10)


def plot_trajectories(axes: Any, result: Values) -> None:
    """Largest difference of the loss from the first route's over all settings, by updates."""
    bare(axes)
    base = result["routes"][0]
    settings = [s for s in result["settings"] if base in s["routes"]]
    told, drawn = [], []
    for route in result["routes"][1:]:
        pairs = [
            (s["routes"][route]["trajectory"], s["routes"][base]["trajectory"]["losses"])
            for s in settings
            if route in s["routes"]
        ]
        if not pairs:
            continue
        apart = [
            [abs(a - b) for a, b in zip(found["losses"], losses, strict=True)]
            for found, losses in pairs
        ]
        # What is zero has no place on a logarithmic axis.
        worst = [max(column) or math.nan for column in zip(*apart, strict=True)]
        axes.plot(range(len(worst)), worst, "o-", markersize=3.5, color=colour(result, route))
        drawn += [value for value in worst if value > 0]
        same = sum(found["same_masks"] for found, _ in pairs)
        told.append(f"{route}: same masks at the end in {same} of {len(pairs)}")
    axes.set_yscale("log")
    if drawn:
        # Room for the text, and never so little that rounding looks like a cliff.
        axes.set_ylim(min(drawn) / 10, max(drawn) * 100)
    axes.text(0.03, 0.97, "\n".join(told), va="top", fontsize=8, transform=axes.transAxes)
    axes.set_xlabel("updates of the search")
    axes.set_title(f"Largest |loss − loss on {base}|", fontsize=10)
