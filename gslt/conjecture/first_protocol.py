"""What the runs of the first protocol say under the rule of the second.

Its records hold every endpoint at the best validation epoch alone, and no loss: no claim about
equal fit can be judged by them. What can be computed is, and why the rest cannot be is said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gslt.conjecture.claims import Component, decide, tested_component, with_interval
from gslt.conjecture.means import resample_counts
from gslt.conjecture.protocol import DENSE, FROZEN
from gslt.conjecture.rule import ACCURACY, Key, Rule, scores_of
from gslt.conjecture.trajectories import NONE, At, Crossing, first_crossing
from gslt.conjecture.words import effect
from gslt.random import Float64
from gslt.report.statistics import difference
from gslt.studies.columns import LOG_UNCENTRED_QUOTIENT

if TYPE_CHECKING:
    from pandas import DataFrame

#: Depths of the second protocol: two layers have one hidden layer, and the deepest learn little.
DEPTHS = (4, 8, 16)
#: Weights trained under a random mask: an arm that nobody searched, of about the same accuracy.
WEAK = "weak ticket"


def with_uncentred(runs: DataFrame) -> DataFrame:
    """Runs with batch norm at the depths of the second protocol, and their uncentred quotient.

    Args:
        runs: ``runs.csv`` of the first protocol; ``rayleigh_quotient`` is the uncentred one.
    """
    here = runs[runs["batch_norm"] & runs["depth"].isin(DEPTHS)]
    with np.errstate(divide="ignore"):
        return here.assign(
            **{LOG_UNCENTRED_QUOTIENT: np.log(here["rayleigh_quotient"].to_numpy(float))}
        )


def judge_first(
    runs: DataFrame, last: DataFrame | None = None, rule: Rule | None = None
) -> DataFrame:
    """The claims S, A and M on the data sets of the first protocol, epoch by epoch.

    Args:
        runs: ``runs.csv``, measured at the best validation epoch.
        last: the same runs measured at the last epoch, where somebody has them.
        rule: what they are judged by; Holm's correction is over everything that is tested here.

    Returns:
        A row for every data set and claim: ``dataset``, ``claim``, ``best_epoch``, ``last_epoch``
        (what a claim's contrast is there, in words) and ``why_not`` (why it is not shown).
    """
    import pandas as pd

    rule = rule or Rule()
    tables: dict[At, DataFrame] = {"best epoch": with_uncentred(runs)}
    if last is not None:
        tables["last epoch"] = with_uncentred(last)
    parts = _parts(tables, rule)
    rows = []
    for dataset in dict.fromkeys(runs["dataset"]):
        for claim, endpoint in (("S", rule.endpoint), ("A", ACCURACY)):
            found = {at: parts.get((dataset, endpoint, at)) for at in ("best epoch", "last epoch")}
            words = [_words(each, matched=claim == "A") for each in found.values()]
            why = (
                _why_not_s(tables["best epoch"], dataset, rule)
                if claim == "S"
                else _why_not_a(found)
            )
            rows.append((dataset, claim, *words, why))
        rows.append((dataset, "M", "not tested", "not tested", _WHY_NOT_M))
    return pd.DataFrame(rows, columns=["dataset", "claim", "best_epoch", "last_epoch", "why_not"])


_WHY_NOT_M = "no run keeps smoothing from acting: there is nothing to subtract"


def _parts(tables: dict[At, DataFrame], rule: Rule) -> dict[tuple[str, str, At], Component]:
    """Frozen minus dense of every data set, endpoint and epoch, decided together."""
    keys, tested = [], []
    for at, table in tables.items():
        for endpoint in (rule.endpoint, ACCURACY):
            found = frozen_minus_dense(table, endpoint, at)
            for dataset, rows in found.groupby("dataset", sort=False):
                key = Key(endpoint, at)
                keys.append((str(dataset), endpoint, at))
                tested.append(tested_component(key, scores_of(rows, key, rule), rule))
    decided = decide([{"A": [part]} for part, _ in tested], rule)
    parts = [
        with_interval(claim.parts[0], tests, rule)
        for (claim,), (_, tests) in zip(decided, tested, strict=True)
    ]
    return dict(zip(keys, parts, strict=True))


def frozen_minus_dense(runs: DataFrame, endpoint: str, at: At) -> DataFrame:
    """Pairs of the first protocol as a frame of contrasts.

    Args:
        runs: see :func:`with_uncentred`.
        endpoint: a column.
        at: the epoch that it was measured at.

    Returns:
        See :func:`gslt.conjecture.trajectories.contrasts`: what :func:`scores_of` needs of it.
    """
    on = ["dataset", "depth", "seed"]
    dense = runs[runs["arm"] == DENSE][[*on, endpoint]]
    frozen = runs[runs["arm"] == FROZEN]
    both = frozen.merge(dense, on=on, how="left", suffixes=("", "_dense"))
    first, second = (both[name].to_numpy(float) for name in (endpoint, f"{endpoint}_dense"))
    found = both[[*on, "arm"]].rename(columns={"depth": "num_layers"})
    gone = np.isnan(first) | np.isnan(second)
    return found.assign(
        ratio=both["freezing_ratio"],
        intervention=NONE,
        endpoint=endpoint,
        at=at,
        difference=difference(first, second),
        why=np.where(gone, "a run or its number is missing", ""),
    )


def _words(part: Component | None, *, matched: bool) -> str:
    if part is None or math.isnan(part.low):
        return "not recorded" if part is None else "too few seeds"
    mean, low, high = (effect(part.endpoint, each) for each in (part.mean, part.low, part.high))
    ends = f"{mean} ({100 * (1 - part.level):.3g} % interval {low} to {high})"
    return f"{part.outcome}: {ends}" if matched else f"{ends}, not at equal fit"


def _why_not_a(found: dict[str, Component | None]) -> str:
    outcomes = {at: "not recorded" if each is None else each.outcome for at, each in found.items()}
    if set(outcomes.values()) == {"shown"}:
        return ""
    return "it must be shown at both epochs: " + ", ".join(
        f"{word} at the {at}" for at, word in outcomes.items()
    )


def _why_not_s(runs: DataFrame, dataset: str, rule: Rule) -> str:
    matches = matched_by_accuracy(runs[runs["dataset"] == dataset], rule.endpoint)
    cells = ", ".join(
        f"{effect(rule.endpoint, row.difference)} at {row.depth} layers"
        if not row.why
        else f"none at {row.depth} layers ({row.why})"
        for row in matches.itertuples()
    )
    return (
        "no trajectory was kept, neither train loss nor validation accuracy: arms cannot be "
        "compared at equal fit; at the test accuracy of weights trained under a random mask, "
        f"against these: {cells or 'no such runs'}"
    )


# Matched on accuracy, against an arm that nothing was searched in


@dataclass(frozen=True)
class _Curve:
    """Accuracy and endpoint of the ratios 0, 0.2, …, and of the weak ticket; a row a seed."""

    accuracy: Float64
    endpoint: Float64
    weak: Float64

    def matched(self, weights: Float64) -> tuple[Crossing, Float64]:
        """Where the mean curve falls to the weak ticket's accuracy, and the difference there."""
        accuracy, endpoint, weak = (
            weights @ each for each in (self.accuracy, self.endpoint, self.weak)
        )
        crossing = first_crossing(accuracy, weak[:, 0])
        return crossing, crossing.value(endpoint) - weak[:, 1]


def matched_by_accuracy(runs: DataFrame, endpoint: str) -> DataFrame:
    """Frozen sources minus the weak ticket, at the freezing ratio at which both classify as well.

    More freezing costs accuracy at the best epoch. On the way from the dense source to the most
    frozen one, means over the seeds, there may be a point with the test accuracy of weights that
    were trained under a random mask; the endpoint is interpolated there. So something that fits as
    well and was never frozen stands beside it. It is a poor match: another kind of run, on the test
    set, at the best epoch of each.

    Args:
        runs: of one data set, see :func:`with_uncentred`.
        endpoint: a column.

    Returns:
        A row a depth that has a weak ticket: ``depth``, ``seeds``, ``accuracy`` (of the weak
        ticket), ``difference``, ``low``, ``high`` (95 % bootstrap interval over the seeds, by
        percentiles of those resamples that can be matched), ``resamples`` (the share of those) and
        ``why`` (what is missing).
    """
    import pandas as pd

    rows = []
    for depth, at in runs.groupby("depth"):
        curve = _curve(at, endpoint)
        if curve is None:
            continue
        n = len(curve.weak)
        crossing, found = curve.matched(np.full((1, n), 1.0 / n))
        why = "" if crossing.reached[0] else "no freezing ratio has its accuracy"
        low = high = share = math.nan
        if not why:
            reached, drawn = curve.matched(resample_counts(n, "matched bootstrap") / n)
            share = float(reached.reached.mean())
            low, high = np.nanquantile(drawn, [0.025, 0.975]).tolist()
        rows.append((depth, n, float(curve.weak[:, 0].mean()), found[0], low, high, share, why))
    names = ["depth", "seeds", "accuracy", "difference", "low", "high", "resamples", "why"]
    return pd.DataFrame(rows, columns=names)


def _curve(runs: DataFrame, endpoint: str) -> _Curve | None:
    """The seeds of one depth that have all arms; None where there are none."""
    ratio = runs["freezing_ratio"].where(runs["arm"] == FROZEN, 0.0)
    searched = runs.assign(ratio=ratio)[runs["arm"].isin([DENSE, FROZEN])]
    weak = runs[runs["arm"] == WEAK].set_index("seed")[[ACCURACY, endpoint]].dropna()
    tables = [
        searched.pivot(index="seed", columns="ratio", values=name).dropna()
        for name in (ACCURACY, endpoint)
    ]
    seeds = weak.index.intersection(tables[0].index).intersection(tables[1].index)
    if not len(seeds):
        return None
    accuracy, values, others = (each.loc[seeds].to_numpy(float) for each in (*tables, weak))
    return _Curve(accuracy, values, others)
