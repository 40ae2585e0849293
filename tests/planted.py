"""Folders of the test of the conjecture with planted smoothness, made without running anything."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from fabricated import fabricated

from gslt.conjecture import protocol
from gslt.conjecture.protocol import Part, Plan, begin
from gslt.studies.records import StudyFolder
from gslt.studies.smoothness import Profile
from gslt.studies.study import GridCell

SMALL = Part("small", ("toy",), (2, 4), 8, 3, 6, 0.05)
#: Log quotient and test accuracy of a run; None for a run that is missing.
Values = Callable[[GridCell], tuple[float, float] | None]


def with_parts(monkeypatch: pytest.MonkeyPatch, *parts: Part) -> Plan:
    """The quick preset, made of other parts."""
    monkeypatch.setitem(protocol.PARTS, "quick", parts)
    return Plan(preset="quick")


def layers_of(log_quotient: float, depth: int) -> Profile:
    """A profile that ends at a log quotient, after layers that come near to it evenly.

    A log quotient of −∞ is a representation of which nothing is left.
    """
    gone = log_quotient == -math.inf
    steps = [1 - layer / (depth - 1) for layer in range(1, depth)] + [0.5]
    quotient = [None if gone else math.exp(log_quotient + step) for step in steps]
    return {
        "dirichlet_energy": [0.0 if gone else 100.0 * math.exp(step) for step in steps],
        "centred_rayleigh_quotient": quotient,
        "rayleigh_quotient": quotient,
        "collapse": [0.0 if gone else 0.2 + 0.1 * step for step in steps],
        "numerical_rank": [1.0 if gone else 2.0 + step for step in steps],
        "effective_rank": [1.0 if gone else 3.0 + step for step in steps],
        "mad": [0.0 if gone else 0.1 + 0.1 * step for step in steps],
    }


def plant(path: Path, plan: Plan, values: Values) -> StudyFolder:
    """A folder with the records of a plan's runs."""
    folder = StudyFolder(path)
    begin(plan, folder)
    for study in plan.studies:
        for cell in study.cells:
            if (found := values(cell)) is not None:
                record = fabricated(cell.spec, found[1])
                profile = layers_of(found[0], cell.spec.config.num_layers)
                folder.write(dataclasses.replace(record, profile=profile))
    return folder


def dose(cell: GridCell) -> float:
    """Freezing ratio of a run; 0 of every other arm."""
    return float(cell.axes.get("freezing_ratio", 0.0))


def noise(cell: GridCell, size: float) -> float:
    """What differs between runs, evenly spread and the same each time: no draw, no luck."""
    seed, number = cell.spec.config.seed, cell.spec.config.num_layers + round(10 * dose(cell))
    return size * (((7 * seed + 3 * number) % 11) / 5 - 1)


def effect(size: float, spread: float = 0.02) -> Values:
    """A log quotient that grows by ``size`` per unit of the freezing ratio, less in deep networks.

    Accuracy follows it.
    """

    def values(cell: GridCell) -> tuple[float, float]:
        depth, seed = cell.spec.config.num_layers, cell.spec.config.seed
        smooth = size * dose(cell) + noise(cell, spread)
        return 0.1 * seed - math.log(depth) + smooth, 0.6 + 0.05 * smooth + 0.001 * seed

    return values
