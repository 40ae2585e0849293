"""Dose and response: the effect over the freezing ratio, a line for each depth."""

from __future__ import annotations

import math
from typing import Any

from gslt.conjecture.report.document import Findings
from gslt.conjecture.report.pictures.canvas import families
from gslt.conjecture.report.pictures.lines import Line, Lines
from gslt.conjecture.report.pictures.style import DEPTH_RAMP, ramp
from gslt.conjecture.statistics.contrasts import Contrast
from gslt.conjecture.statistics.endpoints import FROZEN, PRIMARY, Family
from gslt.studies.report.line_labels import write_labels


def dose_response(findings: Findings) -> Any:
    """Frozen minus dense of the log quotient over the freezing ratio."""
    title = "Dose and response: smoothness over the freezing ratio"
    caption = (
        "Differences from the dense source (freezing ratio 0) of the same seed: means, and bands: "
        "95 % intervals over seeds. Above 0: smooths less than the dense source. Grey: smaller "
        "than the smallest effect that matters."
    )
    canvas = families(findings.evidence, title, caption)
    panels = [_panel(findings, axes, family) for family, axes in canvas.panels.items()]
    write_labels(canvas.figure, [panel for panel in panels if panel.series])
    return canvas.figure


def _panel(findings: Findings, axes: Any, family: Family) -> Lines:
    smallest = findings.evidence.plan.criteria.smallest_effect
    axes.axhspan(-smallest, smallest, color="#BBBBBB", alpha=0.35, linewidth=0)
    axes.axhline(0, color="#444444", linewidth=1)
    panel = Lines(axes, _lines(findings, family))
    panel.draw()
    ratios = sorted({point[0] for line in panel.series for point in line.points} | {0.0})
    axes.set_xticks(ratios, ["dense"] + [f"{ratio:g}" for ratio in ratios[1:]])
    axes.set_xlim(-0.03, 1.04 * ratios[-1] or 1.0)
    axes.set_xlabel("freezing ratio")
    axes.set_ylabel("log centred Rayleigh quotient,\nminus that of the dense source")
    return panel


def _lines(findings: Findings, family: Family) -> list[Line]:
    by_depth: dict[int, list[Contrast]] = {}
    for each in findings.analysis.contrasts:
        if (
            each.arm == FROZEN
            and each.endpoint == PRIMARY
            and each.family == family
            and not math.isnan(each.difference.mean)
        ):
            by_depth.setdefault(each.depth, []).append(each)
    lines = []
    for colour, (depth, found) in zip(
        ramp(DEPTH_RAMP, len(by_depth)), sorted(by_depth.items()), strict=True
    ):
        found.sort(key=lambda each: each.freezing_ratio or 0)
        points = [(0.0, 0.0, 0.0, 0.0)]
        for each in found:
            effect = each.difference
            points.append((each.freezing_ratio or 0.0, effect.mean, effect.low, effect.high))
        lines.append(Line(f"{depth} layers", colour, "o", tuple(points)))
    return lines
