"""Folders of the test of the conjecture with planted trajectories: nothing is run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fabricated import fabricated

from gslt.conjecture import protocol
from gslt.conjecture.protocol import (
    ARMS,
    DENSE,
    FROZEN,
    INTERVENTIONS,
    Grid,
    Plan,
    begin,
    factorial,
)
from gslt.conjecture.trajectories import NONE
from gslt.studies.records import StudyFolder
from gslt.studies.study import GridCell
from gslt.studies.trajectory import Trajectory, intervention

NETWORK = {"hidden_channels": 6, "epochs": 3, "lr": 0.05}
PAIR = {name: ARMS[name] for name in (DENSE, FROZEN)}
#: Two depths, eight seeds, two arms, every intervention: 2 · 8 · 3 · 4 runs.
SMALL = Grid(
    name="small",
    datasets=("toy",),
    depths=(3, 4),
    seeds=8,
    network=NETWORK,
    arms=PAIR,
    interventions=tuple(INTERVENTIONS),
)
#: The other arms, where smoothing is left alone; all of a factorial, of few seeds, or a cell of it.
FACTORIAL = replace(
    SMALL, name="factorial", seeds=3, arms={**ARMS, **factorial()}, interventions=(NONE,)
)
ONE_CELL = replace(
    FACTORIAL,
    name="arms",
    seeds=SMALL.seeds,
    arms={**ARMS, "locked, input": factorial()["locked, input"]},
)
#: Log quotient (−∞: a total collapse) and test accuracy of a run; None for a run that is missing.
Values = Callable[[GridCell], tuple[float, float] | None]


def with_grids(monkeypatch: pytest.MonkeyPatch, *grids: Grid) -> Plan:
    """The quick preset, made of other grids."""
    monkeypatch.setitem(protocol.GRIDS, "quick", grids)
    return Plan(preset="quick")


def trajectory(
    log_quotient: float, accuracy: float, epochs: int, slower: float = 1.0
) -> Trajectory:
    """The log quotient is a function of the train loss alone; the best epoch is the last but one.

    Args:
        log_quotient: where the loss is 0.5, which every run comes to.
        accuracy: on the test set at the best epoch; at the last one 0.1 less.
        epochs: number of them.
        slower: a run that is, fits less at every epoch but the last.
    """
    steps = [(epoch / epochs) ** slower for epoch in range(epochs + 1)]
    gone = log_quotient == -math.inf
    logs = [None if gone else log_quotient + 0.3 * (1 - step) for step in steps]
    # Of a total collapse the uncentred quotient is what rounding leaves.
    quotients = [1e-15 if log is None else math.exp(log) for log in logs]
    centred = [None if log is None else log + 1.0 for log in logs]
    val = [0.2 + 0.4 * step for step in steps[:-2]] + [0.7, 0.65][-min(2, epochs + 1) :]
    test = [0.2 + (accuracy - 0.2) * step for step in steps[:-2]] + [accuracy, accuracy - 0.1]
    ones: list[float | None] = [1.0 - 0.2 * step for step in steps]
    return {
        "epoch": list(map(float, range(epochs + 1))),
        "train_accuracy": [0.3 + 0.6 * step for step in steps],
        "val_accuracy": val,
        "test_accuracy": test,
        **{f"{split}_loss": [2.0 - 1.5 * step for step in steps] for split in _SPLITS},
        "dirichlet_energy": [0.0 if gone else 100.0] * len(steps),
        "centred_rayleigh_quotient": [None if log is None else math.exp(log) for log in centred],
        "rayleigh_quotient": quotients,
        "log_quotient": centred,
        "log_uncentred_quotient": logs,
        **dict.fromkeys(("collapse", "effective_rank", "mad", "nc1", "linear_probe_drop"), ones),
    }


_SPLITS = ("train", "val", "test")


def plant(path: Path, plan: Plan, values: Values, **graph: int) -> StudyFolder:
    """A folder with the records of a plan's runs, and more facts about their graph."""
    folder = StudyFolder(path)
    begin(plan, folder)
    for study in plan.studies:
        for cell in study.cells:
            if (found := values(cell)) is not None:
                epochs = cell.spec.config.epochs
                record = fabricated(cell.spec, found[1], best_epoch=max(1, epochs - 1))
                slower = 1.5 if cell.arm == FROZEN else 1.0
                along = trajectory(*found, epochs, slower)
                facts = {**record.graph, **graph}
                folder.write(replace(record, trajectory=along, graph=facts))
    return folder


def noise(cell: GridCell, size: float) -> float:
    """What differs between runs, evenly spread and the same each time: no draw, no luck."""
    config = cell.spec.config
    number = config.num_layers + round(10 * float(cell.axes.get("freezing_ratio", 0.0)))
    return size * (((7 * config.seed + 3 * number) % 11) / 5 - 1)


def effect(size: float, gain: float = 0.0, kept: float = 0.0, spread: float = 0.02) -> Values:
    """What freezing does to the log quotient and to accuracy, and the share left of both under an
    intervention."""

    def values(cell: GridCell) -> tuple[float, float]:
        config = cell.spec.config
        alone = intervention(cell.spec.resolved) == "none"
        # The factorial has the same runs under another name.
        dose = (cell.arm in (FROZEN, "locked, hidden")) * (1.0 if alone else kept)
        smooth = size * dose + noise(cell, spread)
        accuracy = 0.6 + gain * dose + 0.05 * noise(cell, spread) + 0.001 * config.seed
        return 0.1 * config.seed - math.log(config.num_layers) + smooth, accuracy

    return values
