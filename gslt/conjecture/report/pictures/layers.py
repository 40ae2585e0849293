"""Smoothness over the layers of the deepest networks, a line for each arm."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from gslt.conjecture.report.document import Findings
from gslt.conjecture.report.evidence import arm_name
from gslt.conjecture.report.pictures.canvas import family_rows
from gslt.conjecture.report.pictures.lines import Line, Lines
from gslt.conjecture.report.pictures.style import arm_colours, marker
from gslt.conjecture.statistics.endpoints import Arm, Family
from gslt.studies.report.line_labels import write_labels
from gslt.studies.smoothness import Profile, log_quotients

#: What is pictured, and the label of its axis.
_COLUMNS = {
    "log quotient": "log centred Rayleigh quotient\n(lower: smoother)",
    "energy": "log₁₀ Dirichlet energy",
}


def over_layers(findings: Findings) -> Any:
    """The log quotient and the energy after every hidden layer."""
    title = "Smoothness layer by layer, in the deepest networks"
    caption = (
        "Points: means over seeds; bands: ± unbiased standard deviation. Hidden layers only, after "
        "norm and activation, in evaluation mode. The energy depends on the scale of the network, "
        "the quotient does not. Layers without a finite number in any run are left out."
    )
    canvas = family_rows(findings.evidence, list(_COLUMNS), title, caption)
    panels = []
    for (family, name), axes in canvas.panels.items():
        depth = deepest(findings, family)
        panel = Lines(axes, _lines(findings, family, depth, name))
        panel.draw()
        if depth > 2:
            axes.set_xlim(1 - 0.03 * (depth - 2), depth - 1 + 0.03 * (depth - 2))
        else:
            axes.set_xlim(0.5, 1.02)
        axes.locator_params(axis="x", integer=True)
        axes.set_xlabel(f"hidden layer (of a network with {depth} layers)")
        axes.set_ylabel(_COLUMNS[name])
        panels.append(panel)
    write_labels(canvas.figure, [panel for panel in panels if panel.series])
    return canvas.figure


def deepest(findings: Findings, family: Family) -> int:
    """The largest number of layers that has a run."""
    return max(place.depth for place in findings.evidence.table if place.family == family)


def _lines(findings: Findings, family: Family, depth: int, name: str) -> list[Line]:
    arms = findings.evidence.arms
    colours = arm_colours(arms)
    profiles: dict[Arm, list[list[float]]] = {}
    for run, record in findings.evidence.found:
        if run.place.family == family and run.depth == depth and record.profile:
            profiles.setdefault(run.key, []).append(_values(record.profile, name))
    return [
        Line(arm_name(arm), colours[arm], marker(arm), _points(profiles[arm]))
        for arm in arms
        if arm in profiles
    ]


def _values(profile: Profile, name: str) -> list[float]:
    """One number for each hidden layer; NaN where there is none that is finite."""
    if name == "energy":
        energies = profile["dirichlet_energy"][:-1]
        return [math.log10(each) if each else math.nan for each in energies]
    found = log_quotients({key: values[:-1] for key, values in profile.items()})
    return [math.nan if each is None or math.isinf(each) else each for each in found]


def _points(rows: Sequence[Sequence[float]]) -> tuple[tuple[float, float, float, float], ...]:
    points = []
    for layer, column in enumerate(zip(*rows, strict=True), 1):
        values = [value for value in column if not math.isnan(value)]
        if values:
            mean = statistics.fmean(values)
            std = statistics.stdev(values) if len(values) > 1 else math.nan
            points.append((float(layer), mean, mean - std, mean + std))
    return tuple(points)
