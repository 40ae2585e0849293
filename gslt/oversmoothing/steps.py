"""Which step smooths: the steps of a network in their order, and what each changes."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gslt.oversmoothing.measurement import Measurement


@dataclass(frozen=True)
class Stage:
    """A representation on its way through the network."""

    layer: int
    step: str
    place: float
    """Where it stands on an axis of layers: the last step of layer l at l."""
    row: dict[str, Any]

    @property
    def log_quotient(self) -> float:
        """Logarithm of the centred quotient; NaN where there is none."""
        value = self.row.get("centred_rayleigh_quotient")
        return math.log(value) if value else math.nan


def stages(measurement: Measurement) -> list[Stage]:
    """The steps of every layer in the order of the computation.

    A linear map beside the others, that of a GraphSAGE node itself or of the head, is left out, as
    is a layer's result where it is that of its last step.
    """
    residual = measurement.network.model.residual
    layers: dict[int, dict[str, dict[str, Any]]] = {}
    for row in measurement.steps:
        if row["layer"] > 0 and (row["step"] != "layer" or residual):
            layers.setdefault(row["layer"], {}).setdefault(row["step"], row)
    return [
        Stage(layer, step, layer - 1 + (number + 1) / len(rows), row)
        for layer, rows in layers.items()
        for number, (step, row) in enumerate(rows.items())
    ]


def has_changes(measurement: Measurement) -> bool:
    """Whether the steps were measured, and what :func:`changes` is computed from."""
    return any("centred_rayleigh_quotient" in row for row in measurement.steps)


def changes(measurement: Measurement) -> dict[str, float]:
    """What each step adds to the log of the centred quotient: mean over the layers 2 … L − 1.

    A negative change smooths. What is no step of its own counts with the step that follows, as does
    the sum with the node's own projection in GraphSAGE.
    """
    found: dict[str, list[float]] = {}
    for before, after in itertools.pairwise(stages(measurement)):
        change = after.log_quotient - before.log_quotient
        if 1 < after.layer < measurement.network.depth and math.isfinite(change):
            found.setdefault(after.step, []).append(change)
    return {step: statistics.fmean(values) for step, values in found.items()}


def step_names(measurements: Iterable[Measurement]) -> list[str]:
    """Every step of the networks, in their order."""
    return list(dict.fromkeys(stage.step for each in measurements for stage in stages(each)))
