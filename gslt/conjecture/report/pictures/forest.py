"""Frozen minus dense at every depth, with intervals and outcomes."""

from __future__ import annotations

import math
from typing import Any

from gslt.conjecture.report.document import Findings
from gslt.conjecture.report.pictures.canvas import families
from gslt.conjecture.report.pictures.style import OUTCOMES, RATIO_RAMP, ramp
from gslt.conjecture.report.words import SIGNS
from gslt.conjecture.statistics.endpoints import FROZEN, PRIMARY, Family
from gslt.conjecture.statistics.verdict import Verdict

_BAND = "#BBBBBB"


def forest(findings: Findings) -> Any:
    """The effect at every depth and over all, beside the smallest that matters."""
    smallest = findings.evidence.plan.criteria.smallest_effect
    title = "Frozen minus dense: log centred Rayleigh quotient of the last hidden layer"
    caption = (
        "Right of 0: frozen sources smooth less. Large marks: mean over the freezing ratios, with "
        "the 95 % interval over seeds; small marks: each ratio, the largest darkest. Grey: smaller "
        f"than the smallest effect that matters (± {smallest:.3g}, a factor of "
        f"{math.exp(smallest):.3g})."
    )
    rows = max(len(_verdicts(findings, family)) for family in findings.evidence.families)
    canvas = families(findings.evidence, title, caption, height=1.0 + 0.42 * rows)
    for family, axes in canvas.panels.items():
        _panel(findings, axes, family)
        # The same distance between rows in every panel.
        axes.set_ylim(rows - 0.4, -0.6)
    return canvas.figure


def _verdicts(findings: Findings, family: Family) -> list[tuple[str, Verdict]]:
    mine = [("all depths", each) for each in findings.overall]
    mine += [(f"{each.depths[0]} layers", each) for each in findings.places]
    return [(name, v) for name, v in mine if v.family == family]


def _panel(findings: Findings, axes: Any, family: Family) -> None:
    smallest = findings.evidence.plan.criteria.smallest_effect
    rows = _verdicts(findings, family)
    axes.axvspan(-smallest, smallest, color=_BAND, alpha=0.35, linewidth=0)
    axes.axvline(0, color="#444444", linewidth=1)
    for place, (name, verdict) in enumerate(rows):
        colour = OUTCOMES[verdict.outcome]
        _effect(axes, verdict, place, colour)
        if name != "all depths":
            _ratios(findings, axes, verdict, place + 0.27)
        axes.annotate(
            f"{SIGNS[verdict.outcome]} {verdict.outcome}",
            (1.02, place),
            xycoords=("axes fraction", "data"),
            color=colour,
            fontsize=8.5,
            fontweight="bold" if name == "all depths" else "normal",
            va="center",
            annotation_clip=False,
        )
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.get_yticklabels()[0].set_fontweight("bold")
    axes.axhline(0.5, color="#999999", linewidth=0.8)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("frozen − dense")


def _effect(axes: Any, verdict: Verdict, place: float, colour: str) -> None:
    effect = verdict.effect
    if math.isnan(effect.mean):
        return
    if not math.isnan(effect.low):
        axes.plot([effect.low, effect.high], [place, place], color=colour, linewidth=2.2)
    mark = "D" if len(verdict.depths) > 1 else "o"
    # Open: pairs of which one run collapsed count as the largest difference seen.
    face = "white" if verdict.one_collapsed else colour
    axes.plot(effect.mean, place, mark, color=colour, markerfacecolor=face, markersize=7)


def _ratios(findings: Findings, axes: Any, verdict: Verdict, place: float) -> None:
    """The effect of every single ratio at this depth."""
    mine = (
        [
            each
            for each in findings.analysis.contrasts
            if each.arm == FROZEN
            and each.endpoint == PRIMARY
            and each.family == verdict.family
            and each.depth == verdict.depths[0]
            and not math.isnan(each.difference.mean)
        ]
        if verdict.depths
        else []
    )
    mine.sort(key=lambda each: each.freezing_ratio or 0)
    for each, colour in zip(mine, ramp(RATIO_RAMP, len(mine)), strict=True):
        axes.plot(each.difference.mean, place, "^", color=colour, markersize=4.5)
