"""Constructions: the table of a study, what freezing costs, and errors against the width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gslt.report.colours import BASELINE, GREY, SHARE_RAMP, ramp
from gslt.report.figures import canvas, in_rows, number_axis, panel_title, plain_ticks
from gslt.report.groups import StudyGroups
from gslt.report.lines import Line, draw_lines, label_beside
from gslt.report.tables import Cell, Column, accuracy_of, number, size, together
from gslt.studies.columns import column

if TYPE_CHECKING:
    from pandas import DataFrame


def width_figure(layers: Sequence[Mapping[str, Any]], shares: Sequence[float], title: str) -> Any:
    """Errors of single coefficients against the number of random channels, a panel for each layer.

    Args:
        layers: what :func:`gslt.theory.existence.errors_against_width` gives.
        shares: of the coefficients that keep the errors.
        title: above the figure.

    Returns:
        A matplotlib figure.
    """
    keys = [f"layer {number}" for number in range(len(layers))]
    caption = (
        "Dots: errors that so many of up to 2,000 coefficients of the target's layer keep, each "
        "with fresh random channels like the source's; lines: the law's prediction. Both in units "
        "of the layer's largest coefficient; 1 stands for out of reach. Horizontal: the error that "
        "this output error allows. Vertical: the width that the source has, at which all "
        "coefficients are reached. Dots level off where 24 values are searched exactly; a "
        "construction searches up to 38 for those that are still missed."
    )
    drawing = canvas(in_rows(keys, 2), title, caption, width=4.6, height=3.4, share=True)
    colours = ramp(*SHARE_RAMP, len(shares))
    for key, layer in zip(keys, layers, strict=True):
        axes = drawing.panels[key]
        widths = [row["copies"] for row in layer["errors"]]
        for place, (share, colour) in enumerate(zip(shares, colours, strict=True)):
            found = [_shown(row["simulated"][place]) for row in layer["errors"]]
            law = [_shown(row["predicted"][place]) for row in layer["errors"]]
            axes.plot(widths, law, color=colour, linewidth=1.5)
            axes.plot(widths, found, "o", color=colour, markersize=4, label=f"{100 * share:g} %")
        axes.axhline(_shown(layer["epsilon"]), color=GREY, linewidth=0.8, linestyle="--")
        axes.axvline(layer["copies"], color=GREY, linewidth=0.8, linestyle=":")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_title(layer["layer"], fontsize=10, loc="left")
        axes.set_xlabel("random channels for one")
    for key in keys[::2]:
        drawing.panels[key].set_ylabel("error of a coefficient")
    drawing.panels[keys[0]].legend(frameon=False, fontsize=8, loc="lower left")
    return drawing.figure


def _shown(error: float) -> float:
    """No further down than what double precision could tell anyway."""
    return min(1.0, max(error, 1e-12))


def constructed_columns(spread: bool) -> list[Column]:
    """What the table says of constructions: of a row of groups, or of runs.

    Args:
        spread: whether rows are groups, whose accuracies have deviations.
    """
    return [
        ("target, test (%)", accuracy_of("target_test_accuracy", spread=spread)),
        ("ticket, test (%)", accuracy_of("test_accuracy", spread=spread)),
        ("largest output error", lambda row: number(row.output_error, ".1e")),
        ("same class (%)", lambda row: number(row.same_class, ".2f", factor=100)),
        ("equivariance defect", lambda row: number(row.equivariance_defect, ".1e")),
        ("random channels for one", lambda row: number(row.random_channels, ",.0f")),
        ("for 99 % (law)", _for_most),
        ("random weights for one", lambda row: number(row.searched_per_target_weight, ",.0f")),
        ("with first matrices", lambda row: number(row.random_per_target_weight, ",.0f")),
        ("kept / locked / pruned", _counts),
        ("seconds", lambda row: number(row.seconds, ".1f")),
        ("ticket file", lambda row: size(row.file_bytes)),
        ("target", lambda row: size(4 * row.target_weights)),
    ]


def _for_most(row: Any) -> Cell:
    return together("{:,.0f} ({:,.0f})", row.channels_for_99, row.law_for_99)


def _counts(row: Any) -> Cell:
    return together("{:,.0f} / {:,.0f} / {:,.0f}", row.kept, row.locked, row.pruned)


#: What stands below the table.
CONSTRUCTED_NOTES = [
    "Largest output error: of any output on all of the data, between target and ticket; same "
    "class: of all of the data; equivariance defect: the largest change of an output under random "
    "elements of the group.",
    "Random channels for one: in the place of each input channel, of the widest layer; for 99 %: "
    "what would do for 99 of 100 coefficients of the largest layer, by simulation, and as the law "
    "predicts.",
    "Random weights for one: coefficients of the source to choose from for each coefficient and "
    "bias of the target; with first matrices: those too of which the ticket keeps one for each "
    "middle channel, and which are never made.",
    "Kept weights hold the locked ones. Target: its weights as float32: a construction shows that "
    "there is a ticket, and saves nothing. Seconds without the training of the target.",
]


def price_figure(groups: StudyGroups, title: str, facts: str) -> Any:
    """Random channels for one of the target against the freezing ratio, a panel for each target.

    Args:
        groups: of a study whose runs are all constructions.
        title: above the figure.
        facts: what the caption says besides.

    Returns:
        A matplotlib figure.
    """
    frame = groups.frame
    targets = list(dict.fromkeys(frame["target"]))
    caption = (
        "Black: the width of the sources, of which every one holds a ticket within ε of its target "
        "on all of the data: what the law asks for so that none of all coefficients is out of "
        "reach, whatever ε is; the mean over ε. Grey: what is missing alone, the dense width times "
        "1 / ((1 − F)(1 − p)), half or all of F pruned. Blue: for 99 % of the coefficients of the "
        "largest layer within the error that ε leaves to each, by simulation (marks) and by the "
        "law (dashed). Circles: half of the frozen weights pruned, half locked; squares: all "
        f"pruned (ER). {facts}"
    )
    rows = in_rows(targets, 2 if len(targets) == 4 else min(len(targets), 3))
    drawing = canvas(rows, title, caption, width=4.4, height=3.9, share=True)
    epsilons = sorted(frame["epsilon"].unique(), reverse=True)
    colours = dict(zip(epsilons, ramp(*SHARE_RAMP, len(epsilons)), strict=True))
    last: tuple[Any, list[Line]] = (None, [])
    for target in targets:
        axes, mine = drawing.panels[target], frame[frame["target"] == target]
        axes.set_yscale("log")
        panel_title(axes, f"{target} on {', '.join(dict.fromkeys(mine['graph']))}", 9)
        built = _over_epsilons(mine)
        lines = _lines(built, "random_channels", "built: all coefficients", BASELINE)
        for epsilon, colour in colours.items():
            part = mine[mine["epsilon"] == epsilon]
            lines += _lines(part, "channels_for_99", f"99 %, ε = {epsilon:g}", colour)
            for line in _lines(part, "law_for_99", "", colour):
                axes.plot(line.x, line.y, "--", color=colour, linewidth=1.0, zorder=1)
        draw_lines(axes, lines)
        _draw_missing(axes, built, bool((mine["construction"] == "2L").all()))
        number_axis(axes, [0.0, *mine["freezing_ratio"]], column("freezing_ratio").label, False)
        last = axes, [line for line in lines if line.marker == "o"]
    for row in rows:
        drawing.panels[row[0]].set_ylabel("random channels for one of the target")
    plain_ticks(drawing.panels[targets[0]])
    label_beside(*last, room=None not in rows[-1])
    return drawing.figure


def _over_epsilons(groups: DataFrame) -> DataFrame:
    """Means of each source, whose ratios differ by the rounding to whole weights."""
    by = ["prune_ratio", "lock_ratio"]
    names = [*by, "freezing_ratio", "random_channels"]
    found: DataFrame = groups[names].groupby([groups[name].round(3) for name in by]).mean()
    return found.reset_index(drop=True)


def _lines(groups: DataFrame, name: str, label: str, colour: str) -> list[Line]:
    """A column against the freezing ratio: dense and half locked sources, and those all pruned."""
    groups = groups.sort_values("freezing_ratio")
    locks, dense = groups["lock_ratio"] > 0, groups["freezing_ratio"] == 0
    parts = {"o": groups[locks | dense], "s": groups[~locks & ~dense]}
    return [
        Line(
            label=label,
            colour=colour,
            x=part["freezing_ratio"].tolist(),
            y=part[name].tolist(),
            marker=marker,
        )
        for marker, part in parts.items()
        if len(part)
    ]


def _draw_missing(axes: Any, built: DataFrame, pairs: bool) -> None:
    """The dense width times what is missing of pairs: with half of what is frozen pruned, or all.

    A channel of a pair is there with probability 1 − p, and a searched weight of it with 1 − F.
    """
    dense = built.loc[built["freezing_ratio"] == 0, "random_channels"]
    if not len(dense) or not pairs:
        return
    ratios = np.linspace(0.0, built["freezing_ratio"].max(), 60)
    for share in (0.5, 1.0):
        missing = dense.mean() / ((1 - ratios) * (1 - share * ratios))
        axes.plot(ratios, missing, ":", color=GREY, linewidth=1.2, zorder=1)
