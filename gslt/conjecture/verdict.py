"""The verdict on the conjecture with its reason, and what is reported beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gslt.conjecture.association import Association, association, frozen_minus_dense
from gslt.conjecture.decision import (
    NO_SCORES,
    Decision,
    Judgement,
    Outcome,
    judge,
    quotients_by_ratio,
)
from gslt.conjecture.power import SeedsNeeded, design_power, seeds_needed
from gslt.conjecture.protocol import (
    ARMS,
    DENSE,
    ENDPOINTS,
    FAMILY,
    GROUP,
    Criteria,
    Family,
    in_order,
    of_family,
)
from gslt.conjecture.reasons import reason
from gslt.files import plain
from gslt.report.statistics import (
    Estimate,
    PageTest,
    averages,
    difference,
    fill_collapsed,
    holm,
    least_p,
    page_test,
    sign_flip_test,
)

if TYPE_CHECKING:
    from pandas import DataFrame, Series

#: Factors of the quotient that others might call the smallest that matters.
FACTORS = (1.1, 1.25, 1.5, 2.0)
ALPHAS = (0.01, 0.1)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the runs of a data set say about the conjecture at one depth, or over all."""

    dataset: str
    batch_norm: bool
    depths: tuple[int, ...]
    """One depth, or all that a verdict over depths averages."""
    overall: bool
    """Whether it is over all depths."""
    decision: Decision
    effect: Estimate
    """Frozen minus dense of the log quotient, mean over the ratios; above 0 speaks for freezing."""
    tau: Estimate
    """Kendall's tau of freezing ratio and log quotient within a seed."""
    ratios: tuple[float, ...]
    seeds: tuple[int, ...]
    left_out: tuple[int, ...]
    """Seeds of which a run, or its number, is missing: they took no part."""
    one_collapsed: int
    """Pairs of a frozen and a dense run of which one alone has collapsed totally. Each counts as
    the largest difference seen."""
    both_collapsed: int
    """Pairs of which both have: they count as equal."""
    page: PageTest | None
    """Page's test of the same trend, for comparison; it decides nothing."""
    needed: SeedsNeeded | None
    """Seeds needed where the outcome is undecided."""
    reason: str
    """Why, in words."""

    @classmethod
    def of(cls, found: Judgement, page: PageTest | None, criteria: Criteria) -> Verdict:
        """A judgement with its effect, its reason, and the seeds that it lacks.

        Args:
            found: what was decided.
            page: Page's test of the same runs.
            criteria: what it was decided by.
        """
        scores, decision = found.scores or NO_SCORES, found.decision
        effect, tau = Estimate.of(scores.levels), Estimate.of(scores.taus)
        undecided = decision.outcome == "undecided"
        return cls(
            dataset=found.dataset,
            batch_norm=found.batch_norm,
            depths=found.depths,
            overall=found.overall,
            decision=decision,
            effect=effect,
            tau=tau,
            ratios=scores.ratios,
            seeds=scores.seeds,
            left_out=scores.left_out,
            one_collapsed=scores.one_collapsed,
            both_collapsed=scores.both_collapsed,
            page=page,
            needed=seeds_needed(scores, decision.comparisons, criteria) if undecided else None,
            reason=reason(scores, decision, effect, tau, criteria.alpha),
        )

    @property
    def family(self) -> Family:
        """Its data set, and whether with batch norm."""
        return self.dataset, self.batch_norm

    @property
    def outcome(self) -> Outcome:
        """The verdict in one or a few words."""
        return self.decision.outcome

    @property
    def label(self) -> str:
        """The verdict, with the number of seeds needed where it is undecided."""
        if self.needed is None:
            return self.outcome
        number = "unknown number of" if self.needed.n is None else str(self.needed.n)
        return f"{self.outcome}, {number} seeds needed"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, the label first."""
        values = {"label": self.label, **plain(self)}
        # Those over all depths stand apart from the others.
        del values["overall"]
        return values


@dataclass(frozen=True, eq=False)
class Analysis:
    """Everything that follows from a table of runs.

    Whatever the order of the runs, the numbers are the same.

    Args:
        runs: see :func:`gslt.conjecture.protocol.runs_of`.
        criteria: what they are judged by.

    Raises:
        ConfigError: for a table that cannot be judged, see
            :func:`gslt.conjecture.protocol.check_runs`.
    """

    runs: DataFrame
    criteria: Criteria = field(default_factory=Criteria)

    def __post_init__(self) -> None:
        _ = self._table

    @cached_property
    def _table(self) -> DataFrame:
        return in_order(self.runs)

    @cached_property
    def _judgements(self) -> list[Judgement]:
        return judge(self._table, self.criteria)

    @property
    def families(self) -> list[Family]:
        """Data sets as they come in the runs, with batch norm before without."""
        known = self.runs[[*FAMILY]].drop_duplicates().itertuples(index=False)
        datasets = self.runs["dataset"].drop_duplicates().tolist()
        found = [(str(dataset), bool(batch_norm)) for dataset, batch_norm in known]
        return sorted(found, key=lambda family: (datasets.index(family[0]), not family[1]))

    @property
    def arms(self) -> list[tuple[str, float | None]]:
        """Arms with their freezing ratio, in the order of the protocol, ratios rising."""
        found = self._table[["arm", "freezing_ratio"]].drop_duplicates()
        arms = found.sort_values("arm", key=lambda arm: arm.map([*ARMS].index), kind="stable")
        return [(arm, None if math.isnan(ratio) else ratio) for arm, ratio in arms.to_numpy()]

    @cached_property
    def overall(self) -> list[Verdict]:
        """Verdicts over all depths, by family."""
        found = [each for each in self._judgements if each.overall]
        return self._by_family([Verdict.of(each, None, self.criteria) for each in found])

    @cached_property
    def depths(self) -> list[Verdict]:
        """Verdicts at every depth, by family and depth."""
        found = [each for each in self._judgements if not each.overall]
        pages = [
            None if runs is None else page_test(runs.dropna().to_numpy())
            for runs in map(quotients_by_ratio, _groups(self._table, [*FAMILY, "depth"]))
        ]
        pairs = zip(found, pages, strict=True)
        return self._by_family([Verdict.of(each, page, self.criteria) for each, page in pairs])

    def _by_family(self, verdicts: list[Verdict]) -> list[Verdict]:
        families = self.families
        return sorted(verdicts, key=lambda verdict: families.index(verdict.family))

    @cached_property
    def contrasts(self) -> DataFrame:
        """Every arm beside the dense source, see :func:`contrasts`."""
        return contrasts(self._table, self.criteria)

    @cached_property
    def averages(self) -> DataFrame:
        """Mean and spread over the seeds, of every endpoint of every arm.

        See :func:`gslt.report.statistics.averages`; the column of the endpoint is ``endpoint``, and
        the number of runs without one ``without``.
        """
        names = {"column": "endpoint", "missing": "without"}
        return averages(self._table, GROUP, ENDPOINTS).rename(columns=names)

    @cached_property
    def associations(self) -> list[Association]:
        """Of every family that has pairs of smoothness and accuracy, by data set."""
        found = map(association, _groups(self._table, FAMILY))
        return [each for each in found if each is not None]

    def pairs(self, family: Family) -> DataFrame:
        """Frozen minus dense, see :func:`gslt.conjecture.association.frozen_minus_dense`."""
        return frozen_minus_dense(of_family(self._table, family))

    @cached_property
    def what_if(self) -> DataFrame:
        """The outcome of every verdict under other criteria, one changed at a time.

        Columns ``dataset``, ``batch_norm``, ``depths``, ``overall`` (whether it is the verdict over
        all depths), ``stated`` (the criteria of the verdict), and what is other in words, such as
        ``factor 1.5``.
        """
        import pandas as pd

        criteria = {"stated": self.criteria}
        for factor in FACTORS:
            smallest = math.log(factor)
            criteria[f"factor {factor:g}"] = replace(self.criteria, smallest_effect=smallest)
        for alpha in ALPHAS:
            criteria[f"alpha {alpha:g}"] = replace(self.criteria, alpha=alpha)
        found = [judge(self._table, each) for each in criteria.values()]
        rows = [
            {**_where(each[0]), **{n: one.outcome for n, one in zip(criteria, each, strict=True)}}
            for each in zip(*found, strict=True)
        ]
        return pd.DataFrame(rows)

    @cached_property
    def power(self) -> DataFrame:
        """What the seeds could show where there are two or more.

        Columns ``dataset``, ``batch_norm``, ``depths``, ``overall``, and the fields of
        :class:`gslt.conjecture.power.DesignPower`.
        """
        import pandas as pd

        rows = [
            _where(each)
            | asdict(design_power(each.scores, each.decision.comparisons, self.criteria))
            for each in self._judgements
            if each.scores and len(each.scores.seeds) > 1
        ]
        return pd.DataFrame(rows)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, by data set, without batch norm before with, and depth."""
        overall, depths = (sorted(e, key=lambda v: v.family) for e in (self.overall, self.depths))
        return {
            "criteria": plain(self.criteria),
            "overall": [each.as_dict() for each in overall],
            "depths": [each.as_dict() for each in depths],
            "contrasts": _nested(self.contrasts, "difference", ["mean", "low", "high"]),
            "associations": plain(self.associations),
            "what_if": _nested(self.what_if, "outcomes", list(self.what_if)[4:]),
            "power": plain(self.power.to_dict("records")),
            "endpoints": plain(self.averages.to_dict("records")),
        }

    def csv(self) -> dict[str, DataFrame]:
        """Tables for programs by the name of their file; accuracies are fractions."""
        import pandas as pd

        found = self.as_dict()
        both = [*self.overall, *self.depths]
        verdicts = [{"overall": each.overall, **each.as_dict()} for each in both]
        names = ("contrasts", "endpoints", "associations", "what_if", "power")
        rows = {"verdicts": verdicts, **{name: found[name] for name in names}}
        frames = {
            f"{name}.csv": pd.DataFrame([_flat(each) for each in rows[name]]) for name in rows
        }
        # Numbers of seeds stay whole beside those that are missing.
        seeds = [name for name in frames["verdicts.csv"] if name in _SEEDS]
        frames["verdicts.csv"] = frames["verdicts.csv"].astype(dict.fromkeys(seeds, "Int64"))
        return frames


_SEEDS = {f"needed_{each.name}" for each in fields(SeedsNeeded) if each.name != "basis"}


def _groups(runs: DataFrame, by: Sequence[str]) -> list[DataFrame]:
    """Runs that agree in some columns, in the order of these."""
    return [group for _, group in runs.groupby([*by])]


def _where(found: Judgement) -> dict[str, Any]:
    names = ("dataset", "batch_norm", "depths", "overall")
    return {name: getattr(found, name) for name in names}


def _nested(rows: DataFrame, name: str, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Rows as plain values, some of whose columns stand together below one name."""
    if not len(rows):
        return []
    nested = rows.drop(columns=[*columns])
    nested.insert(list(rows).index(columns[0]), name, rows[[*columns]].to_dict("records"))
    found: list[dict[str, Any]] = plain(nested.to_dict("records"))
    return found


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested values as one row: names joined by ``_``.

    >>> _flat({"effect": {"mean": 1.0}, "what if": [2, 4]})
    {'effect_mean': 1.0, 'what_if': [2, 4]}
    """
    row: dict[str, Any] = {}
    for name, value in values.items():
        key = f"{before}{name}".replace(" ", "_")
        row |= _flat(value, f"{key}_") if isinstance(value, Mapping) else {key: value}
    return row


# Contrasts


def contrasts(runs: DataFrame, criteria: Criteria) -> DataFrame:
    """Every arm minus the dense source on every endpoint, paired by seed: nothing is decided by it.

    Args:
        runs: see :func:`gslt.conjecture.protocol.in_order`.
        criteria: a pair of which one run alone has collapsed differs by what matters, or more.

    Returns:
        A row for every depth at which there is a dense source, arm, and endpoint that the arm has:
        ``dataset``, ``batch_norm``, ``depth``, ``arm``, ``freezing_ratio``, ``endpoint``;
        ``seeds``; ``left_out`` (seeds of which one of the two runs, or its number, is missing);
        ``one_collapsed`` (pairs of which one run alone has collapsed totally: each counts as the
        largest difference seen); ``mean``, ``low``, ``high`` of the difference; ``p`` (two-sided,
        by sign flips; 1 where there is no pair); ``p_holm`` (corrected over the depths, for this
        arm and endpoint alone: arms and endpoints are many and are not corrected for, so that what
        stands out here is a hint, not a finding); ``least`` (the smallest p that so many pairs can
        reach).
    """
    import pandas as pd

    rows = []
    for at in _groups(runs, [*FAMILY, "depth"]):
        dense = at[at["arm"] == DENSE].set_index("seed")
        if not len(dense):
            continue
        others = at[at["arm"] != DENSE].groupby([*GROUP], sort=False, dropna=False)
        for key, arm in others:
            first, second = arm.set_index("seed").align(dense)
            rows += [
                (*key, endpoint, *_contrast(first[endpoint], second[endpoint], criteria))
                for endpoint in ENDPOINTS
                if arm[endpoint].notna().any()
            ]
    pair = ["seeds", "left_out", "one_collapsed", "mean", "low", "high", "p", "least"]
    found = pd.DataFrame(rows, columns=[*GROUP, "endpoint", *pair])
    over_depths = found.groupby([*FAMILY, "arm", "freezing_ratio", "endpoint"], dropna=False)["p"]
    corrected = over_depths.transform(lambda p: pd.Series(holm(p), p.index)) if rows else found["p"]
    found.insert(list(found).index("least"), "p_holm", corrected)
    return found


def _contrast(first: Series, second: Series, criteria: Criteria) -> tuple[Any, ...]:
    """One endpoint of two arms by seed: from ``seeds`` to ``least`` of :func:`contrasts`."""
    known = first.notna() & second.notna()
    seeds = tuple(first.index[known].tolist())
    differences = difference(first[known].to_numpy(), second[known].to_numpy())
    numbers = fill_collapsed(differences, criteria.smallest_effect)
    estimate = Estimate.of(numbers)
    return (
        seeds,
        tuple(first.index[~known].tolist()),
        int((abs(differences) == math.inf).sum()),
        estimate.mean,
        estimate.low,
        estimate.high,
        float(sign_flip_test(numbers)[0]) if seeds else 1.0,
        least_p(len(seeds)) if seeds else 1.0,
    )
