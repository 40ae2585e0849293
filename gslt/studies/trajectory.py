"""Trajectories: how a run went, epoch by epoch, and how smooth its representations were on the way.

They are measured by a probe of log-spaced epochs, see :class:`gslt.diagnostics.SearchProbe`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from gslt.data import Dataset
from gslt.diagnostics import PROBE, SearchProbe, default_measures
from gslt.errors import RunError
from gslt.files import plain
from gslt.studies.columns import LOG_QUOTIENT, LOG_UNCENTRED_QUOTIENT
from gslt.studies.smoothness import (
    OF_LOG_QUOTIENT,
    OF_LOG_UNCENTRED_QUOTIENT,
    endpoints,
    log_quotients,
)
from gslt.training.results import AT_BEST

#: Of each epoch that was measured, in order: ``epoch``, accuracies and losses, endpoints.
Trajectory = dict[str, list[float | None]]


def trajectory_probe(path: Path, dataset: Dataset) -> SearchProbe:
    """The probe of a run whose record keeps its trajectory.

    Args:
        path: of the run folder.
        dataset: of the run.
    """
    only = default_measures()
    return SearchProbe(dataset, "log", path / PROBE, steps=["layer"], only=only)


def trajectory_of(rows: Sequence[Mapping[str, Any]], epochs: int) -> Trajectory:
    """The trajectory of a run that has ended.

    Beside accuracies, losses and the endpoints of each epoch it has what the logarithm of the
    centred quotient is computed from, as JSON has no −∞.

    Args:
        rows: what its probe measured, see :meth:`gslt.diagnostics.SearchProbe.of`.
        epochs: number of the last epoch.

    Raises:
        RunError: if the last or the best epoch is not there.
    """
    # The best epoch may stand behind the last; sorting keeps the layers in order.
    ordered = sorted(rows, key=lambda row: int(row["epoch"]))
    found = [_epoch(list(each)) for _, each in groupby(ordered, lambda row: int(row["epoch"]))]
    there = {row["epoch"] for row in found}
    best = next((row.get("best_epoch") for row in ordered if row["epoch"] == epochs), None)
    if epochs not in there or best not in there:
        raise RunError(
            "the run kept no whole trajectory (its probe.jsonl has neither been written to its end "
            "nor with accuracies); remove its folder in runs/, and it is computed again"
        )
    return {name: [row[name] for row in found] for name in found[0]}


def _epoch(layers: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """One epoch of a trajectory, of its rows layer by layer."""
    first = layers[0]
    profile = {name: [row[name] for row in layers] for name in default_measures() if name in first}
    numbers = {name: first.get(name) for name in ("epoch", *AT_BEST)}
    quotient = {name: profile[name][-2] for name in OF_LOG_QUOTIENT}
    ends: dict[str, float | None] = plain(endpoints(profile))
    return {**numbers, **quotient, **ends}


def trajectory_rows(found: Trajectory, best_epoch: int, epochs: int) -> list[dict[str, Any]]:
    """A row for every epoch: the endpoints as they were, −∞ for the log of a total collapse.

    Args:
        found: of a record.
        best_epoch: of best validation accuracy.
        epochs: number of the last epoch.

    >>> values = {"epoch": [1.0, 2.0], "dirichlet_energy": [2.0, 0.0],
    ...           "centred_rayleigh_quotient": [1.0, None], "log_quotient": [0.0, None],
    ...           "rayleigh_quotient": [1.0, 0.0]}
    >>> for row in trajectory_rows(values, best_epoch=1, epochs=2):
    ...     print(row["epoch"], row["best"], row["log_quotient"], row["log_uncentred_quotient"])
    1 True 0.0 0.0
    2 False -inf -inf
    """
    columns: dict[str, Sequence[float | None]] = {**found, LOG_QUOTIENT: log_quotients(found)}
    if all(name in found for name in OF_LOG_UNCENTRED_QUOTIENT):
        uncentred = log_quotients(found, OF_LOG_UNCENTRED_QUOTIENT)
        columns[LOG_UNCENTRED_QUOTIENT] = uncentred
    rows = [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
    return [
        {
            "epoch": int(row["epoch"] or 0),
            "best": row["epoch"] == best_epoch,
            "last": row["epoch"] == epochs,
            **{name: value for name, value in row.items() if name != "epoch"},
        }
        for row in rows
    ]


def check_trajectory(found: Trajectory, best_epoch: int, epochs: int) -> None:
    """Refuse a trajectory that cannot be that of a run.

    Args:
        found: of a record.
        best_epoch: of best validation accuracy.
        epochs: number of the last epoch.

    Raises:
        ValueError: saying what is wrong.
    """
    needed = ("epoch", *AT_BEST, *OF_LOG_QUOTIENT, LOG_QUOTIENT)
    if missing := [name for name in needed if name not in found]:
        raise ValueError(f"its trajectory has no {missing[0]}")
    if len({len(values) for values in found.values()}) > 1:
        raise ValueError("its trajectory has not the same epochs for every column")
    numbers = [-1.0 if value is None else value for value in found["epoch"]]
    rising = all(one < other for one, other in zip([-1.0, *numbers], numbers, strict=False))
    whole = all(math.isfinite(n) and n == int(n) for n in numbers)
    if not whole or not rising or numbers[-1] != epochs or best_epoch not in numbers:
        raise ValueError("the epochs of its trajectory are not in order, or without best and last")


def intervention(config: Mapping[str, Any]) -> str:
    """What of a run's network keeps smoothing from acting, or ``none``.

    >>> intervention({"residual": True, "batch_norm": True}), intervention({"batch_norm": True})
    ('residual', 'none')

    Args:
        config: its settings by name.
    """
    found = {
        "no edges": config.get("edges") == "none",
        "residual": bool(config.get("residual")),
        "pairnorm": bool(config.get("pair_norm")),
        "no norm": not config.get("batch_norm", True) and not config.get("pair_norm"),
    }
    return " + ".join(name for name, there in found.items() if there) or "none"
