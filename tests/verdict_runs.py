"""Tables of synthetic runs for the tests of the verdict, written down number by number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from gslt.conjecture.protocol import DENSE, ENDPOINTS, FROZEN, PRIMARY, RUN, Criteria
from gslt.conjecture.verdict import Analysis, Verdict

Rows = Sequence[Sequence[float]]
#: A row of the table of runs.
Run = dict[str, Any]


def run(arm: str, ratio: float | None, seed: int, value: float, **changes: Any) -> Run:
    place = {"dataset": "synthetic", "batch_norm": True, "depth": 4}
    return {**place, "arm": arm, "freezing_ratio": ratio, "seed": seed, PRIMARY: value, **changes}


def table(rows: Rows, ratios: Sequence[float] = (), **changes: Any) -> list[Run]:
    """One row per seed: the dense run's log quotient, then those of the ratios."""
    known = [None, *(ratios or [0.2, 0.4, 0.6, 0.8][: len(rows[0]) - 1])]
    return [
        run(FROZEN if column else DENSE, known[column], seed, value, **changes)
        for seed, row in enumerate(rows)
        for column, value in enumerate(row)
    ]


def changed(runs: Sequence[Run], at: Mapping[tuple[float | None, int], float]) -> list[Run]:
    """The runs with other log quotients, by freezing ratio and seed."""
    return [
        {**each, PRIMARY: at.get((each["freezing_ratio"], each["seed"]), each[PRIMARY])}
        for each in runs
    ]


def frame(runs: Iterable[Run]) -> pd.DataFrame:
    return pd.DataFrame(list(runs), columns=[*RUN, *ENDPOINTS])


def analysis(runs: Iterable[Run], criteria: Criteria | None = None) -> Analysis:
    return Analysis(frame(runs), criteria or Criteria())


def wobble(seed: int, column: int = 0) -> float:
    """Something between −0.05 and 0.05 that differs between seeds and arms."""
    return ((7 * seed + 3 * column) % 11 - 5) / 100


def rows(effect: float, seeds: int = 10, size: float = 1.0) -> list[list[float]]:
    """Frozen at four ratios, rising in proportion to the ratio, with a mean of ``effect``."""
    return [
        [seed + effect * column / 2.5 + size * wobble(seed, column) for column in range(5)]
        for seed in range(seeds)
    ]


def only(runs: list[Run], criteria: Criteria | None = None) -> Verdict:
    """The verdict on runs of one depth."""
    found = analysis(runs, criteria)
    (verdict,) = found.depths
    (overall,) = found.overall
    # With one depth, the verdict over depths says the same.
    assert overall.decision == verdict.decision
    return verdict
