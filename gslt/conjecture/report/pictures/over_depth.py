"""Endpoints over the number of layers, a line for each arm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gslt.conjecture.report.document import Findings
from gslt.conjecture.report.evidence import arm_name
from gslt.conjecture.report.pictures.canvas import depth_axis, families, family_rows
from gslt.conjecture.report.pictures.lines import Line, Lines
from gslt.conjecture.report.pictures.style import arm_colours, marker
from gslt.conjecture.statistics.endpoints import ACCURACY, PRIMARY, Family
from gslt.studies.report.line_labels import write_labels
from gslt.studies.report.panel import mark_collapsed

_BANDS = "Points: means over seeds; bands: ± unbiased standard deviation."
_COLLAPSED = (
    " Open triangles at the edge: some runs collapsed totally (log quotient −∞) and are not part "
    "of the mean."
)
#: Axes of the endpoints that are pictured.
LABELS = {
    PRIMARY: "log centred Rayleigh quotient\n(lower: smoother)",
    "effective_rank": "effective rank",
    "collapse": "share outside the kernel",
    ACCURACY: "test accuracy (%)",
}
#: A share that spans more than this is drawn on a logarithmic axis.
_WIDE = 100.0


def quotient_over_depth(findings: Findings) -> Any:
    """The primary endpoint."""
    title = "Smoothness of the last hidden layer over depth"
    collapsed = any(each.collapsed for each in findings.averages)
    return _families(findings, PRIMARY, title, _BANDS + _COLLAPSED * collapsed)


def accuracy_over_depth(findings: Findings) -> Any:
    """Test accuracy."""
    title = "Test accuracy over depth"
    return _families(findings, ACCURACY, title, f"{_BANDS} At the epoch of the best validation.")


def rank_and_collapse_over_depth(findings: Findings) -> Any:
    """The secondary endpoints of the last hidden layer."""
    columns = {"effective rank": "effective_rank", "collapse": "collapse"}
    title = "Effective rank and collapse of the last hidden layer over depth"
    caption = (
        f"{_BANDS} Collapse: share of the representation outside the kernel of the Laplacian; 0: a "
        "constant on every component, total over-smoothing. On a logarithmic axis bands that reach "
        "0 are left out."
    )
    canvas = family_rows(findings.evidence, list(columns), title, caption)
    panels = {(family, columns[name]): axes for (family, name), axes in canvas.panels.items()}
    return _draw(findings, canvas.figure, panels)


def _families(findings: Findings, endpoint: str, title: str, caption: str) -> Any:
    canvas = families(findings.evidence, title, caption)
    panels = {(family, endpoint): axes for family, axes in canvas.panels.items()}
    return _draw(findings, canvas.figure, panels)


def _draw(findings: Findings, figure: Any, panels: dict[tuple[Family, str], Any]) -> Any:
    named = []
    for (family, endpoint), axes in panels.items():
        panel = Lines(axes, arm_lines(findings, family, endpoint))
        places = [place for place in findings.evidence.table if place.family == family]
        if len(places) == 1:
            _dots(panel, endpoint, places[0].depth)
            continue
        _curves(panel, endpoint, [place.depth for place in places])
        if panel.series:
            named.append(panel)
    write_labels(figure, named)
    return figure


def _curves(panel: Lines, endpoint: str, depths: Sequence[int]) -> None:
    depth_axis(panel.axes, depths)
    values = [point[1] for line in panel.series for point in line.points]
    if endpoint == "collapse" and values and 0 < _WIDE * min(values) < max(values):
        panel.axes.set_yscale("log")
        panel.axes.set_ylim(min(values) / 2, 2 * max(values))
        panel.axes.yaxis.set_major_formatter("{x:g}")
        panel.series = [_above_zero(line) for line in panel.series]
    panel.draw()
    panel.axes.set_ylabel(LABELS[endpoint])


def _above_zero(line: Line) -> Line:
    """Without the bands that reach 0, which a logarithmic axis does not show."""
    points = [
        (x, mean, low, high) if low > 0 else (x, mean, math.nan, math.nan)
        for x, mean, low, high in line.points
    ]
    return replace(line, points=tuple(points))


def _dots(panel: Lines, endpoint: str, depth: int) -> None:
    """Arms below one another, where there is a single depth."""
    axes = panel.axes
    lines = [line for line in panel.given if line.points or line.collapsed]
    for row, line in enumerate(lines):
        for _, mean, low, high in line.points:
            if not math.isnan(low):
                axes.plot([low, high], [row, row], color=line.colour, linewidth=2.2)
            axes.plot(mean, row, line.marker, color=line.colour, markersize=6.5)
        if line.collapsed:
            mark_collapsed(axes, [row], line.colour, at_left=True)
    axes.set_yticks(range(len(lines)), [line.label for line in lines])
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.set_xlabel(f"{LABELS[endpoint]}, {depth} layers".replace("\n", " "))


def arm_lines(findings: Findings, family: Family, endpoint: str) -> list[Line]:
    """A line over the depths for every arm."""
    arms = findings.evidence.arms
    colours, times = arm_colours(arms), 100.0 if endpoint == ACCURACY else 1.0
    found = [
        each
        for each in findings.averages
        if each.endpoint == endpoint and each.place.family == family
    ]
    lines = []
    for arm in arms:
        mine = sorted((each for each in found if each.key == arm), key=lambda each: each.depth)
        points = tuple(
            (
                each.depth,
                times * each.mean,
                times * (each.mean - each.std),
                times * (each.mean + each.std),
            )
            for each in mine
            if not math.isnan(each.mean)
        )
        collapsed = tuple((each.depth, each.collapsed) for each in mine if each.collapsed)
        lines.append(Line(arm_name(arm), colours[arm], marker(arm), points, collapsed))
    return lines
