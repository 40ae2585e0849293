"""How often the verdict is wrong, and how often it is reached, on synthetic runs."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from gslt.conjecture.decision import OUTCOMES, Outcome, Scores, decide, mean_scores, or_mixed
from gslt.conjecture.protocol import DENSE, FROZEN, PRIMARY, RATIOS, RUN, Criteria, Plan, in_order
from gslt.files import OutputFolder, parse, plain, read_json
from gslt.random import Float64, Stream
from gslt.version import __version__

if TYPE_CHECKING:
    from pandas import DataFrame

#: File with the rates, in the folder of the test.
ERROR_RATES = "error_rates.json"
SIMULATIONS = 1_000
#: An outlying run's noise is so many times as large.
_OUTLIER = 5.0


# What is planted


@dataclass(frozen=True, kw_only=True)
class Planted:
    """Synthetic log quotients of a dense and of frozen arms. The defaults plant no effect.

    A value is the sum of: a level of the seed at this depth, which all its arms share; a walk over
    the freezing ratio with independent steps, so that runs of a seed at neighbouring ratios
    resemble each other; noise of the run; and the effect, which grows in proportion to the ratio.
    """

    effect: float = 0.0
    """Mean over the ratios of frozen minus dense; below 0 for a planted reversal."""
    seeds: int = 10
    depths: tuple[int, ...] = (2, 4, 8, 16, 32, 64)
    ratios: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8)
    seed_sd: float = 0.3
    """Standard deviation of the seeds' levels."""
    walk_sd: float = 0.1
    """Standard deviation of a step of the walk over a ratio of 0.2."""
    noise_sd: float = 0.15
    """Standard deviation of a run's noise."""
    across_depths: float = 0.3
    """Correlation of the same seed's walk and noise at two depths."""
    outliers: float = 0.0
    """Fraction of the runs whose noise is five times as large."""
    collapsed: float = 0.0
    """Fraction of the runs that collapse totally, whatever their arm."""

    def largest(self) -> float:
        """The effect at the largest ratio."""
        return self.effect * max(self.ratios) / float(np.mean(self.ratios))


def synthetic_log_quotients(planted: Planted, number: int) -> Float64:
    """Log quotients of simulation ``number``: ``(depths, seeds, 1 + ratios)``, dense first."""
    ratios = np.array([0.0, *planted.ratios])
    shape = len(planted.depths), planted.seeds, len(ratios)

    def normal(role: str, common: bool = False) -> Float64:
        size = shape[1:] if common else shape
        stream = Stream(number, "synthetic runs", role)
        return stream.normal(math.prod(size)).reshape(size)

    def correlated(role: str) -> Float64:
        share = planted.across_depths
        return math.sqrt(share) * normal(f"{role}, common", common=True) + math.sqrt(
            1.0 - share
        ) * normal(role)

    def happens(role: str, fraction: float) -> npt.NDArray[np.bool_]:
        numbers = Stream(number, "synthetic runs", role).uniform(math.prod(shape))
        return numbers.reshape(shape) < fraction

    steps = np.sqrt(np.diff(ratios, prepend=0.0) / 0.2)
    walk = np.cumsum(correlated("walk") * steps, axis=-1)
    size = np.where(happens("outliers", planted.outliers), _OUTLIER, 1.0)
    values: Float64 = (
        planted.seed_sd * normal("seeds")[..., :1]
        + planted.walk_sd * walk
        + planted.noise_sd * size * correlated("noise")
        + planted.effect * ratios / np.mean(planted.ratios)
    )
    return np.where(happens("collapse", planted.collapsed), -math.inf, values)


def synthetic_runs(planted: Planted, number: int) -> DataFrame:
    """The runs of simulation ``number`` as the table that a verdict is computed from.

    Returns:
        See :func:`gslt.conjecture.protocol.in_order`; the data set is ``synthetic``.
    """
    import pandas as pd

    arms = [(DENSE, math.nan), *((FROZEN, ratio) for ratio in planted.ratios)]
    cells = [
        ("synthetic", True, depth, *arm, seed)
        for depth in planted.depths
        for seed in range(planted.seeds)
        for arm in arms
    ]
    runs = pd.DataFrame(cells, columns=[*RUN])
    return in_order(runs.assign(**{PRIMARY: synthetic_log_quotients(planted, number).ravel()}))


# What the verdict makes of it


@dataclass(frozen=True)
class Rate:
    """A fraction of simulations and its exact 95 % interval (Clopper and Pearson 1934)."""

    count: int
    of: int
    rate: float
    low: float
    high: float

    @classmethod
    def counted(cls, count: int, of: int) -> Rate:
        """A fraction with its exact interval.

        >>> round(Rate.counted(0, 10).high, 6)  # 1 − 0.025^(1/10)
        0.308497
        """
        from scipy import stats

        ends = stats.binomtest(count, of).proportion_ci(0.95, method="exact")
        return cls(count, of, count / of, float(ends.low), float(ends.high))


@dataclass(frozen=True, kw_only=True)
class ErrorRates:
    """What the verdict said of synthetic runs, over many simulations."""

    planted: Planted
    criteria: Criteria
    simulations: int
    depths: dict[int, dict[str, Rate]]
    """Rate of every outcome, by depth."""
    any_depth: dict[str, Rate]
    """Rate at which at least one depth has the outcome."""
    overall: dict[str, Rate]
    """Rate of every outcome over all depths."""
    false: tuple[str, ...]
    """The outcomes that are false where this is planted."""
    false_at_any_depth: Rate
    """Rate at which at least one depth has a false outcome: alpha for each kind of it at most."""
    false_overall: Rate

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        result: dict[str, Any] = plain(self)
        return result


def error_rates(
    planted: Planted, simulations: int = SIMULATIONS, criteria: Criteria | None = None
) -> ErrorRates:
    """Judge synthetic runs, simulation by simulation, by the code that judges real ones.

    Intervals, Page's test and numbers of seeds are left out: no verdict depends on them.

    Args:
        planted: what is true in the synthetic runs.
        simulations: their number.
        criteria: what they are judged by.
    """
    criteria = criteria or Criteria()
    false = false_outcomes(planted, criteria)
    found = [_outcomes(planted, number, criteria) for number in range(simulations)]
    overall, depths = zip(*found, strict=True)
    by_depth = zip(sorted(planted.depths), zip(*depths, strict=True), strict=True)

    def count(outcomes: Sequence[Outcome]) -> dict[str, Rate]:
        counts = Counter(outcomes)
        return {each: Rate.counted(counts[each], simulations) for each in OUTCOMES if counts[each]}

    return ErrorRates(
        planted=planted,
        criteria=criteria,
        simulations=simulations,
        depths={depth: count(outcomes) for depth, outcomes in by_depth},
        any_depth=count([each for outcomes in depths for each in set(outcomes)]),
        overall=count(overall),
        false=tuple(each for each in OUTCOMES if each in false),
        false_at_any_depth=Rate.counted(
            sum(not false.isdisjoint(outcomes) for outcomes in depths), simulations
        ),
        false_overall=Rate.counted(sum(each in false for each in overall), simulations),
    )


def _outcomes(
    planted: Planted, number: int, criteria: Criteria
) -> tuple[Outcome, tuple[Outcome, ...]]:
    """The outcome over all depths and those of the depths, rising, of one simulation.

    What :func:`gslt.conjecture.decision.judge` does with a table of one family, without the table.
    """
    values = synthetic_log_quotients(planted, number)
    seeds = range(planted.seeds)
    scores = [
        Scores.of(values[at], criteria, seeds=seeds, ratios=planted.ratios)
        for at in np.argsort(planted.depths)
    ]
    depths = decide(scores, criteria)
    (average,) = decide([mean_scores(scores)], criteria)
    return or_mixed(average, depths).outcome, tuple(each.outcome for each in depths)


def false_outcomes(planted: Planted, criteria: Criteria) -> frozenset[str]:
    """The outcomes that contradict what is planted; *undecided* never does.

    An effect that is there and too small to matter makes *mixed* true: some depths may find it.
    """
    false = set[str]()
    if planted.effect <= 0:
        false.add("supported")
    if planted.effect >= 0:
        false.add("contradicted")
    if abs(planted.largest()) >= criteria.smallest_effect:
        false |= {"no meaningful difference", "mixed"}
    if planted.effect == 0:
        false.add("mixed")
    return frozenset(false)


# The cases of a plan


def cases(plan: Plan) -> list[tuple[str, Planted]]:
    """An effect, none and a reversal for every number of seeds and list of depths of the plan.

    The effect is the smallest that matters: larger ones are found more often.
    """
    smallest = plan.criteria.smallest_effect
    effects = {"planted effect": smallest, "planted null": 0.0, "planted reversal": -smallest}
    designs = dict.fromkeys(
        (len(study.seed_list), tuple(sorted(study.settings["num_layers"])))
        for study in plan.studies
    )
    return [
        (name, Planted(effect=effect, seeds=seeds, depths=depths, ratios=RATIOS))
        for seeds, depths in designs
        for name, effect in effects.items()
    ]


def rates(
    folder: OutputFolder, plan: Plan, *, compute: bool = True, progress: bool = True
) -> list[Any]:
    """Error rates of every case as plain values, those known from the folder's own file.

    Args:
        folder: of the test.
        plan: whose seeds, depths and criteria are simulated.
        compute: whether to simulate what is not known; else it is left out.
        progress: show a bar on a terminal.

    Raises:
        RunError: if some are to be computed and the file is not gslt's.
    """
    known = {_key(entry): entry for entry in _read(folder.path / ERROR_RATES)}
    same = {"criteria": plain(plan.criteria), "simulations": SIMULATIONS, "gslt": __version__}
    wanted = {_key({"planted": plain(case), **same}): (name, case) for name, case in cases(plan)}
    missing = [each for key, each in wanted.items() if key not in known]
    if missing and compute:
        folder.check(ERROR_RATES)
        for name, planted in tqdm(
            missing,
            desc="error rates of the verdict on synthetic runs",
            unit="case",
            disable=None if progress else True,
        ):
            found = error_rates(planted, SIMULATIONS, plan.criteria).as_dict()
            entry = {"name": name, "gslt": __version__, **found}
            known[_key(entry)] = entry
            folder.write_json(ERROR_RATES, list(known.values()))
    return [known[key] for key in wanted if key in known]


def _key(entry: Any) -> str:
    names = ("planted", "criteria", "simulations", "gslt")
    return json.dumps([entry[name] for name in names], sort_keys=True)


@dataclass(frozen=True)
class _Entry:
    """An entry of the file: :class:`ErrorRates` as JSON has them, whose are they, by which gslt."""

    name: str
    gslt: str
    planted: Planted
    criteria: Criteria
    simulations: int
    depths: dict[str, dict[str, Rate]]
    any_depth: dict[str, Rate]
    overall: dict[str, Rate]
    false: list[str]
    false_at_any_depth: Rate
    false_overall: Rate

    def __post_init__(self) -> None:
        for depth in self.depths:
            int(depth)


def _read(path: Path) -> list[Any]:
    """Entries of the file; none where it is not there, or damaged: they are computed again."""
    try:
        entries: list[Any] = read_json(path)
        parse(list[_Entry], entries)
    except (OSError, ValueError, RecursionError):
        return []
    return entries
