"""Pictures of the test: every one as PNG and as SVG.

A panel is of one family: a data set with, or without, batch norm.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gslt.conjecture.findings import Findings
from gslt.conjecture.protocol import ACCURACY, ARMS, FROZEN, PRIMARY, RATIOS, Family, of_family
from gslt.conjecture.words import COLOURS, SIGNS, arm_name, slope_words
from gslt.files import OutputFolder
from gslt.report.figures import (
    Canvas,
    Look,
    Row,
    canvas,
    depth_axis,
    forest,
    looks,
    number_axis,
    panel_title,
    plain_ticks,
    ramp,
    save_both,
    scatter,
    variants,
    zero,
)
from gslt.report.lines import COLLAPSED, Line, draw_lines, label_lines
from gslt.report.statistics import averages
from gslt.report.study import FIGURE_FOLDER
from gslt.studies.columns import column, heading

if TYPE_CHECKING:
    from pandas import DataFrame

    from gslt.conjecture.association import Association
    from gslt.conjecture.verdict import Verdict

#: An arm and its freezing ratio.
Arm = tuple[str, float | None]

#: Colours of the shallowest and the deepest networks.
DEPTH_RAMP = ("#EDB04A", "#54206B")
#: A share that spans more than this is drawn on a logarithmic axis.
_WIDE = 100.0
_BANDS = "Points: means over seeds; bands: ± unbiased standard deviation."


@dataclass(frozen=True)
class Picture:
    """A picture that was drawn."""

    name: str
    what: str
    files: Sequence[Path]
    """PNG, then SVG."""


def draw_pictures(findings: Findings, folder: OutputFolder) -> Iterator[Picture]:
    """Draw every picture into the folder of the test."""
    for name, (what, draw) in PICTURES.items():
        yield Picture(name, what, save_both(draw(findings), folder, f"{FIGURE_FOLDER}/{name}"))


def arm_looks() -> dict[Arm, Look]:
    """Colour and mark of every arm of the test, whatever is there of it."""
    found = looks(list(ARMS), ["trained"])
    shades = variants(found[FROZEN], len(RATIOS))
    return {
        **{(arm, None): look for arm, look in found.items()},
        **{(FROZEN, ratio): shade for ratio, shade in zip(RATIOS, shades, strict=True)},
    }


# Lines of arms


def quotient_over_depth(findings: Findings) -> Any:
    """The primary endpoint over the number of layers."""
    title = "Smoothness of the last hidden layer over depth"
    return _over_depth(findings, [PRIMARY], title, _BANDS)


def accuracy_over_depth(findings: Findings) -> Any:
    """Test accuracy over the number of layers."""
    caption = f"{_BANDS} At the epoch of the best validation."
    return _over_depth(findings, [ACCURACY], "Test accuracy over depth", caption)


def rank_and_collapse_over_depth(findings: Findings) -> Any:
    """The secondary endpoints of the last hidden layer over the number of layers."""
    title = "Effective rank and collapse of the last hidden layer over depth"
    caption = (
        f"{_BANDS} Collapse: share of the representation outside the kernel of the Laplacian; 0: a "
        "constant on every component, total over-smoothing. On a logarithmic axis bands that reach "
        "0 are left out."
    )
    return _over_depth(findings, ["effective_rank", "collapse"], title, caption)


def over_layers(findings: Findings) -> Any:
    """The log quotient and the energy after every hidden layer of the deepest networks."""
    title = "Smoothness layer by layer, in the deepest networks"
    caption = (
        "Points: means over seeds, of the energy's logarithm; bands: ± unbiased standard "
        "deviation. Hidden layers only, after norm and activation, in evaluation mode. The energy "
        "depends on the scale of the network, the quotient does not. Layers without a finite "
        "number in any run are left out."
    )
    names, energy = [PRIMARY, "dirichlet_energy"], findings.layers["dirichlet_energy"]
    logs = findings.layers.assign(dirichlet_energy=np.log(energy.where(energy > 0)))
    deepest, lines = {}, {}
    for family in findings.analysis.families:
        mine = of_family(logs, family)
        deepest[family] = int(mine["depth"].max())
        runs = mine[mine["depth"] == deepest[family]]
        found = averages(runs, ["arm", "freezing_ratio", "layer"], names)
        for name in names:
            part = found[found["column"] == name]
            lines[family, name] = _lines(findings, part, "layer", log=name != PRIMARY)
    figure = _panels(findings, names, title, caption, lines)
    named = []
    for (family, name), axes in figure.panels.items():
        of = f" (of a network with {deepest[family]} layers)"
        if deepest[family] == 2:
            _below(axes, lines[family, name], f"{_label(name)}, hidden layer 1{of}")
            continue
        number_axis(axes, [1, deepest[family] - 1], f"hidden layer{of}", log=False)
        axes.locator_params(axis="x", integer=True)
        if name != PRIMARY:
            axes.set_yscale("log")
        named.append(_curves(axes, lines[family, name], _label(name)))
    label_lines(figure.figure, named)
    return figure.figure


def _over_depth(findings: Findings, endpoints: Sequence[str], title: str, caption: str) -> Any:
    """Endpoints over the number of layers; arms below one another where there is one depth."""
    found = findings.analysis.averages
    parts = {
        (family, name): of_family(found[found["endpoint"] == name], family)
        for family in findings.analysis.families
        for name in endpoints
    }
    lines = {
        (family, name): _lines(findings, part, "depth", factor=column(name).factor)
        for (family, name), part in parts.items()
    }
    figure = _panels(findings, endpoints, title, caption, lines)
    named = []
    for key, axes in figure.panels.items():
        label, depths = _label(key[1]), sorted(parts[key]["depth"].unique())
        if len(depths) == 1:
            _below(axes, lines[key], f"{label}, {depths[0]} layers")
            continue
        depth_axis(axes, depths)
        values = [value for line in lines[key] for value in line.y]
        if key[1] == "collapse" and values and 0 < _WIDE * min(values) < max(values):
            axes.set_yscale("log")
            axes.set_ylim(min(values) / 2, 2 * max(values))
        named.append(_curves(axes, lines[key], label))
    label_lines(figure.figure, named)
    return figure.figure


def _lines(findings: Findings, found: DataFrame, x: str, **how: Any) -> list[Line]:
    """A line over the averages of every arm."""
    shown, lines = arm_looks(), []
    for arm, ratio in findings.analysis.arms:
        ratios = found["freezing_ratio"]
        same = ratios.isna() if ratio is None else ratios == ratio
        look, label = shown[arm, ratio], arm_name(arm, ratio)
        mine = found[(found["arm"] == arm) & same]
        line = Line.of(mine, x, label=label, colour=look.colour, marker=look.marker, **how)
        lines += [line] if line.y or line.collapsed else []
    return lines


def _curves(axes: Any, lines: list[Line], label: str) -> tuple[Any, list[Line]]:
    draw_lines(axes, lines)
    plain_ticks(axes)
    axes.set_ylabel(label)
    return axes, lines


def _below(axes: Any, lines: Sequence[Line], label: str) -> None:
    """Arms below one another, where there is a single place on the axis."""
    rows = [
        Row(
            label=line.label,
            colour=line.colour,
            marker=line.marker,
            mean=line.y[0] if line.y else math.nan,
            low=line.low[0] if line.y else math.nan,
            high=line.high[0] if line.y else math.nan,
            collapsed=bool(line.collapsed),
        )
        for line in lines
    ]
    forest(axes, rows, label.replace("\n", " "))


def _label(name: str) -> str:
    """Label of an axis; the title says which layer it is."""
    label = column(name).label.removesuffix(", last hidden layer")
    return f"{label}\n(lower: smoother)" if name == PRIMARY else label


def _panels(
    findings: Findings,
    names: Sequence[str],
    title: str,
    caption: str,
    lines: dict[tuple[Family, str], list[Line]] | None = None,
    height: float = 3.7,
) -> Canvas:
    """Panels by family and name, and their headings.

    One name: data sets below, with and without batch norm beside each other. Several: a row of them
    for each family.
    """
    families = findings.analysis.families
    cells: list[list[tuple[Family, str] | None]]
    if len(names) > 1:
        cells = [[(family, name) for name in names] for family in families]
    else:
        norms = sorted({norm for _, norm in families}, reverse=True)
        cells = [
            [((each, norm), names[0]) if (each, norm) in families else None for norm in norms]
            for each in dict.fromkeys(dataset for dataset, _ in families)
        ]
    collapsed = any(line.collapsed for each in (lines or {}).values() for line in each)
    found = canvas(
        cells,
        title,
        caption + COLLAPSED * collapsed,
        width=8.0 if len(cells[0]) == 1 else 5.6,
        height=height,
    )
    for (family, name), axes in found.panels.items():
        what = f"{heading(name)}: " * (len(names) > 1)
        panel_title(axes, what + findings.family_name(*family))
    return found


# Frozen minus dense


def effects_over_depth(findings: Findings) -> Any:
    """The effect at every depth and over all, beside the smallest that matters."""
    smallest = findings.plan.criteria.smallest_effect
    title = "Frozen minus dense: log centred Rayleigh quotient of the last hidden layer"
    caption = (
        "Right of 0: frozen sources smooth less. Large marks: mean over the freezing ratios, with "
        "the 95 % interval over seeds; small marks: each ratio, the largest darkest. Grey: smaller "
        f"than the smallest effect that matters (± {smallest:.3g}, a factor of "
        f"{math.exp(smallest):.3g})."
    )
    analysis = findings.analysis
    rows: dict[Family, list[Row]] = {family: [] for family in analysis.families}
    for verdict in [*analysis.overall, *analysis.depths]:
        rows[verdict.family].append(_effect(findings, verdict))
    most = max(map(len, rows.values()))
    figure = _panels(findings, [PRIMARY], title, caption, height=1.0 + 0.42 * most)
    for (family, _), axes in figure.panels.items():
        zero(axes, smallest)
        forest(axes, rows[family], "frozen − dense", below=0.27)
        axes.axhline(0.5, color="#999999", linewidth=0.8)
        # The same distance between rows in every panel.
        axes.set_ylim(most - 0.4, -0.6)
    return figure.figure


def _effect(findings: Findings, verdict: Verdict) -> Row:
    """A verdict, with small marks for the ratios of a single depth."""
    contrasts, shades = _contrasts(findings, verdict.family), arm_looks()
    small = [
        (each.mean, shades[FROZEN, each.freezing_ratio].colour)
        for each in contrasts.itertuples()
        if not verdict.overall and each.depth == verdict.depths[0]
    ]
    return Row(
        label="all depths" if verdict.overall else f"{verdict.depths[0]} layers",
        colour=COLOURS[verdict.outcome],
        mean=verdict.effect.mean,
        low=verdict.effect.low,
        high=verdict.effect.high,
        marker="D" if len(verdict.depths) > 1 else "o",
        # Pairs of which one run collapsed count as the largest difference seen.
        hollow=verdict.one_collapsed > 0,
        small=small,
        note=f"{SIGNS[verdict.outcome]} {verdict.outcome}",
        bold=verdict.overall,
    )


def _contrasts(findings: Findings, family: Family) -> DataFrame:
    """Frozen minus dense of the primary endpoint, by depth and freezing ratio."""
    found = of_family(findings.analysis.contrasts, family)
    wanted = (found["arm"] == FROZEN) & (found["endpoint"] == PRIMARY) & found["mean"].notna()
    return found[wanted].sort_values(["depth", "freezing_ratio"])


def dose_response(findings: Findings) -> Any:
    """Frozen minus dense of the log quotient over the freezing ratio, a line for each depth."""
    title = "Dose and response: smoothness over the freezing ratio"
    caption = (
        "Differences from the dense source (freezing ratio 0) of the same seed: means, and bands: "
        "95 % intervals over seeds. Above 0: smooths less than the dense source. Grey: smaller "
        "than the smallest effect that matters."
    )
    figure = _panels(findings, [PRIMARY], title, caption)
    named = []
    for (family, _), axes in figure.panels.items():
        zero(axes, findings.plan.criteria.smallest_effect, across=True)
        found = _contrasts(findings, family)
        by_depth = list(found.groupby("depth"))
        lines = [
            Line(
                label=f"{depth} layers",
                colour=colour,
                x=[0.0, *mine["freezing_ratio"]],
                y=[0.0, *mine["mean"]],
                low=[0.0, *mine["low"]],
                high=[0.0, *mine["high"]],
            )
            for (depth, mine), colour in zip(
                by_depth, ramp(*DEPTH_RAMP, len(by_depth)), strict=True
            )
        ]
        draw_lines(axes, lines)
        ratios = sorted(found["freezing_ratio"].unique())
        axes.set_xticks([0.0, *ratios], ["dense", *(f"{ratio:g}" for ratio in ratios)])
        axes.set_xlim(-0.03, 1.04 * max(ratios, default=0.0) or 1.0)
        axes.set_xlabel("freezing ratio")
        axes.set_ylabel("log centred Rayleigh quotient,\nminus that of the dense source")
        named.append((axes, lines))
    label_lines(figure.figure, named)
    return figure.figure


def accuracy_against_smoothness(findings: Findings) -> Any:
    """Every frozen run minus the dense run of its seed and depth, with the line through them."""
    title = "Does the difference in smoothness go with the difference in accuracy?"
    caption = (
        "A point: a frozen run minus the dense run of its seed and depth. Line: least squares over "
        "all points; shaded: slopes within the 95 % interval (whole seeds resampled), turned about "
        "the centre of the points. within: the mean of each depth and freezing ratio taken off. An "
        "association, not an effect."
    )
    figure = _panels(findings, [PRIMARY], title, caption)
    for (family, _), axes in figure.panels.items():
        axes.axhline(0, color="#888888", linewidth=0.8)
        axes.axvline(0, color="#888888", linewidth=0.8)
        axes.set_xlabel("log centred Rayleigh quotient, frozen − dense")
        axes.set_ylabel("test accuracy, frozen − dense (points)")
        if not (association := findings.association(family)):
            continue
        pairs = findings.analysis.pairs(family)
        pairs = pairs[pairs["finite"]]
        x, y = pairs[PRIMARY], 100 * pairs[ACCURACY]
        groups = list(pairs.groupby("depth").groups.items())
        scatter(
            axes,
            {
                str(depth): (x[rows], y[rows], colour)
                for (depth, rows), colour in zip(
                    groups, ramp(*DEPTH_RAMP, len(groups)), strict=True
                )
            },
            "layers",
        )
        _regression(axes, association, x, y)
    return figure.figure


def _regression(axes: Any, association: Association, x: Any, y: Any) -> None:
    """The line through all points, the slopes of its interval, and both slopes in words below."""
    pooled, within = association.pooled, association.within
    across = np.linspace(x.min(), x.max(), 60)
    slopes = [100 * slope for slope in (pooled.slope, *pooled.slope_interval)]
    middle, low, high = (y.mean() + slope * (across - x.mean()) for slope in slopes)
    axes.plot(across, middle, color="black", linewidth=1.4)
    axes.fill_between(across, low, high, color="black", alpha=0.12, linewidth=0)
    texts = [f"pooled slope {slope_words(pooled)}"]
    if not math.isnan(within.slope_interval[0]):
        texts.append(f"within slope {slope_words(within)}")
    words = {"transform": axes.transAxes, "fontsize": 8.5, "va": "top", "color": "#333333"}
    axes.text(0.0, -0.2, "\n".join(texts), **words)


#: Name of the files, what the picture shows, and what draws it.
PICTURES: dict[str, tuple[str, Callable[[Findings], Any]]] = {
    "quotient-over-depth": ("Primary endpoint over depth, for every arm", quotient_over_depth),
    "frozen-minus-dense": (
        "Frozen minus dense at every depth, with intervals",
        effects_over_depth,
    ),
    "dose-response": ("Dose and response over the freezing ratio", dose_response),
    "over-layers": ("Smoothness over the layers of the deepest networks", over_layers),
    "rank-and-collapse": ("Effective rank and collapse over depth", rank_and_collapse_over_depth),
    "accuracy-over-depth": ("Test accuracy over depth", accuracy_over_depth),
    "accuracy-against-smoothness": (
        "Difference in accuracy against difference in smoothness",
        accuracy_against_smoothness,
    ),
}
