"""Tables of synthetic runs for the tests of the verdict, written down number by number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gslt.studies.conjecture.statistics.endpoints import DENSE, FROZEN, PRIMARY, Run

Rows = Sequence[Sequence[float]]


def run(arm: str, ratio: float | None, seed: int, value: float, **changes: Any) -> Run:
    fields = {"dataset": "synthetic", "depth": 4, "batch_norm": True, "endpoints": {PRIMARY: value}}
    return Run(arm=arm, freezing_ratio=ratio, seed=seed, **{**fields, **changes})


def table(rows: Rows, ratios: Sequence[float] = (), **changes: Any) -> list[Run]:
    """One row per seed: the dense run's log quotient, then those of the ratios."""
    doses = [None, *(ratios or [0.2, 0.4, 0.6, 0.8][: len(rows[0]) - 1])]
    return [
        run(FROZEN if column else DENSE, doses[column], seed, value, **changes)
        for seed, row in enumerate(rows)
        for column, value in enumerate(row)
    ]


def changed(runs: Sequence[Run], at: Mapping[tuple[float | None, int], float]) -> list[Run]:
    """The runs with other log quotients, by freezing ratio and seed."""
    return [
        replace(
            each,
            endpoints={PRIMARY: at.get((each.freezing_ratio, each.seed), each.endpoints[PRIMARY])},
        )
        for each in runs
    ]
