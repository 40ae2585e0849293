"""What a folder holds of the test, and everything that follows from it: ``verdict.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from gslt.config import SearchConfig
from gslt.conjecture.association import Association, association
from gslt.conjecture.claims import Claim, Finding, judge_contrasts
from gslt.conjecture.protocol import Plan, reference
from gslt.conjecture.rule import ACCURACY, EPOCHS, ROOM, Rule
from gslt.conjecture.trajectories import RUN, contrasts
from gslt.conjecture.words import arm_name, sentence, what_would_change
from gslt.data import metrics
from gslt.environment import versions
from gslt.errors import ConfigError, RunError
from gslt.files import plain
from gslt.masking.report import FreezeReport
from gslt.nn.gnn import weight_shapes
from gslt.report.statistics import Estimate
from gslt.studies.columns import LOG_QUOTIENT, LOG_UNCENTRED_QUOTIENT
from gslt.studies.records import StudyFolder
from gslt.studies.runs import Record, StudyResults, frame_of
from gslt.studies.study import Study

if TYPE_CHECKING:
    from pandas import DataFrame

#: File of the verdicts, and version of its format.
VERDICT = "verdict.json"
FORMAT_VERSION = 3
#: What arms are compared on: the endpoints of the rule, and those that decide nothing.
ENDPOINTS = (
    LOG_UNCENTRED_QUOTIENT,
    LOG_QUOTIENT,
    "collapse",
    "effective_rank",
    "mad",
    "nc1",
    "linear_probe_drop",
    ACCURACY,
)
#: Where a contrast was taken, beside its arm.
PLACE = ("dataset", "num_layers", "intervention", "arm", "ratio", "endpoint", "at")


def check_accuracy(dataset: str, metric: str) -> None:
    """Refuse a data set whose runs are judged by another metric: margins are points of accuracy.

    Args:
        dataset: its name.
        metric: its metric, or that of its records.

    Raises:
        ConfigError: names both.
    """
    if metric != metrics.ACCURACY:
        raise ConfigError(
            f"the conjecture is judged in points of accuracy, and the metric of {dataset!r} is "
            f"{metrics.METRICS[metric].label}; test it on another data set"
        )


@dataclass(frozen=True)
class Findings:
    """What is there of a plan, and what it says."""

    plan: Plan
    results: Sequence[StudyResults]
    """One for each study of the plan."""
    command: str
    """The command line that computes it."""
    severity: Sequence[Mapping[str, Any]] = ()
    """How often the rule errs, see :func:`gslt.conjecture.rivals.severity`."""

    def __post_init__(self) -> None:
        records = (record for each in self.results for record in each.records.values())
        for record in records:
            check_accuracy(record.spec.dataset, record.metric)

    @property
    def rule(self) -> Rule:
        """What the claims are judged by."""
        return self.plan.rule

    @cached_property
    def runs(self) -> DataFrame:
        """One row a run, in the order of the studies, whatever order they ran in."""
        return frame_of(self.results)

    @cached_property
    def trajectories(self) -> DataFrame:
        """One row for every run and epoch that was kept; a run that two studies share is once."""
        import pandas as pd

        found = pd.concat([each.trajectories for each in self.results], ignore_index=True)
        return found.drop_duplicates([*RUN, "identity", "epoch"], ignore_index=True)

    @cached_property
    def contrasts(self) -> DataFrame:
        """Every arm beside the dense source of its sparsity, seed by seed."""
        import pandas as pd

        of = self.trajectories["arm"].map(reference)
        found = [
            contrasts(self.trajectories[of == name], (*ENDPOINTS, ROOM), reference=name)
            for name in dict.fromkeys(of)
        ]
        return pd.concat(found, ignore_index=True)

    @cached_property
    def claims(self) -> list[Finding]:
        """The three claims on every data set."""
        return judge_contrasts(self.contrasts, self.rule, self.plan.datasets)

    @cached_property
    def averages(self) -> DataFrame:
        """Mean contrast of every arm at every place: :data:`PLACE`, mean, ends, ``n``, ``without``.

        Seeds of which one run alone collapsed totally, or that have no number, are ``without``.
        """
        import pandas as pd

        rows = []
        shown = self.contrasts[self.contrasts["endpoint"].isin(ENDPOINTS)]
        for place, group in shown.groupby([*PLACE], sort=False, dropna=False):
            values = group["difference"].to_numpy(float)
            finite = values[np.isfinite(values)]
            found = Estimate.of(finite)
            ends = (found.mean, found.low, found.high)
            rows.append((*place, *ends, len(finite), len(values) - len(finite)))
        return pd.DataFrame(rows, columns=[*PLACE, "mean", "low", "high", "n", "without"])

    @cached_property
    def associations(self) -> list[Association]:
        """Accuracy and smoothness on every data set, at both epochs."""
        found = [
            association(rows, self.rule, at)
            for _, rows in self.contrasts.groupby("dataset", sort=False)
            for at in EPOCHS
        ]
        return [each for each in found if each is not None]

    @property
    def depths(self) -> dict[str, list[int]]:
        """Numbers of layers by data set."""
        groups = self.trajectories.groupby("dataset", sort=False)["num_layers"]
        return {str(name): sorted(map(int, set(rows))) for name, rows in groups}

    @property
    def interventions(self) -> list[str]:
        """Names of the interventions of which runs are there."""
        return list(dict.fromkeys(map(str, self.trajectories["intervention"])))

    @property
    def records(self) -> list[Record]:
        """The records, in the order of the studies; one that two studies share is once."""
        found = {key: each for of in self.results for key, each in of.records.items()}
        return list(found.values())

    @property
    def total(self) -> int:
        """Number of different runs of the whole test."""
        return len({run for each in self.results for run in each.study.runs})

    @property
    def missing(self) -> int:
        """How many of them have no record that can be used."""
        return self.total - len(self.records)

    @property
    def partial(self) -> str:
        """How much is missing, in a sentence; empty where nothing is."""
        if not self.missing:
            return ""
        return (
            f"{self.missing} of {self.total} runs are missing: everything below comes from the "
            f"{len(self.records)} that are there, and may change with the others."
        )

    @property
    def troubles(self) -> list[str]:
        """Sentences on records that cannot be used and runs that failed."""
        return list(dict.fromkeys(line for each in self.results for line in each.troubles))

    @cached_property
    def names(self) -> dict[str, str]:
        """Names of the graphs by data set; a synthetic one is called so."""
        return {record.spec.dataset: record.graph_name for record in self.records}

    def name(self, dataset: str) -> str:
        """Name of the graph of a data set; its own where no run of it is there."""
        return self.names.get(dataset, dataset)

    def sentence(self, finding: Finding) -> str:
        """What may be quoted of a data set: with the graph's name, and preliminary where it is."""
        said = sentence(replace(finding, dataset=self.name(finding.dataset)))
        there = f"{len(self.records):,} of {self.total:,} runs"
        return f"Preliminary ({there}): {said[0].lower()}{said[1:]}" if self.missing else said

    @property
    def synthetic(self) -> list[str]:
        """Names of the graphs that are synthetic."""
        return list(dict.fromkeys(name for each in self.results for name in each.synthetic))

    @property
    def graphs(self) -> list[str]:
        """Names and sizes of the graphs."""
        return list(dict.fromkeys(record.graph_text for record in self.records))

    @cached_property
    def concentrations(self) -> list[str]:
        """Sentences on arms of which one layer takes nearly all that is frozen.

        The runs warn of it, see :class:`gslt.errors.FreezingWarning`. An arm is told once for a
        graph, with the numbers of the first depth and ratio at which it is so; graphs of which no
        run is there are left out.
        """
        graphs = {record.spec.dataset: record.graph for record in self.records}
        told: set[tuple[str, str]] = set()
        arms: dict[tuple[str, str], list[str]] = {}
        for study in self.plan.studies:
            for cell in study.cells:
                config, dataset = cell.spec.config, cell.spec.dataset
                graph = graphs.get(dataset, {})
                features, classes = graph.get("features"), graph.get("classes")
                # Counts are the same for every seed.
                first = config.seed == study.seed_list[0] and (dataset, cell.arm) not in told
                if not (first and isinstance(config, SearchConfig) and features and classes):
                    continue
                report = FreezeReport.of(weight_shapes(features, classes, config), config)
                if report.concentration:
                    told.add((dataset, cell.arm))
                    of = f"On {self.name(dataset)}, {config.num_layers} layers"
                    arm = arm_name(cell.arm, cell.axes.get("freezing_ratio"))
                    arms.setdefault((of, report.concentration), []).append(arm)
        return [f"{of}, {'; '.join(names)}: {words}." for (of, words), names in arms.items()]

    @property
    def hardware(self) -> list[str]:
        """The machines that computed the runs, in words."""
        return sorted({record.hardware for record in self.records})

    @property
    def seconds(self) -> float:
        """How long the runs took together."""
        return float(sum(record.measured["seconds"] for record in self.records))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the same records give the same values."""
        graphs = {record.spec.dataset: record.graph for record in self.records}
        return {
            "format": FORMAT_VERSION,
            "complete": self.missing == 0,
            "conjecture": [self._of_dataset(each) for each in self.claims],
            "rule": plain(self.rule),
            "associations": plain(self.associations),
            "severity": list(self.severity),
            "runs": {
                "total": self.total,
                "present": len(self.records),
                "missing": self.missing,
                "troubles": self.troubles,
                "seconds": self.seconds,
            },
            "datasets": [{"dataset": name, **facts} for name, facts in graphs.items()],
            "synthetic": bool(self.synthetic),
            "protocol": {
                **self.plan.values,
                "criteria_changed": self.plan.changes,
                "studies": [_protocol(study) for study in self.plan.studies],
                "frozen_in_one_layer": self.concentrations,
            },
            "command": self.command,
            "versions": versions(),
            "hardware": self.hardware,
        }

    def _of_dataset(self, finding: Finding) -> dict[str, Any]:
        return {
            "dataset": finding.dataset,
            "graph": self.name(finding.dataset),
            "outcome": finding.outcome,
            "sentence": self.sentence(finding),
            "claims": [_of_claim(each) for each in finding.claims],
        }


@dataclass(frozen=True)
class OverSeeds(Estimate):
    """A mean over seeds, and how many there are."""

    n: int = 0


def over_seeds(found: DataFrame, endpoint: str, at: str) -> OverSeeds:
    """Mean of contrasts: over everything that a seed has, then over the seeds.

    A seed that lacks a cell or a number that others have, or has a pair of which one run alone
    collapsed totally, has no mean and is left out of ``n``.

    Args:
        found: contrasts, see :func:`gslt.conjecture.trajectories.contrasts`.
        endpoint: which of theirs.
        at: where they were taken.
    """
    here = found[(found["endpoint"] == endpoint) & (found["at"] == at)]
    numbers = np.isfinite(here["difference"]).groupby(here["seed"]).sum()
    cells = len(here[[name for name in RUN if name != "seed"]].drop_duplicates())
    whole = here[here["seed"].map(numbers) == cells]
    values = whole.groupby("seed")["difference"].mean().to_numpy()
    return OverSeeds(**vars(Estimate.of(values)), n=len(values))


def _of_claim(claim: Claim) -> dict[str, Any]:
    return {
        "label": claim.label,
        "needed": claim.needed,
        "what_would_change": what_would_change(claim),
        **plain(claim),
    }


def find(folder: StudyFolder, plan: Plan) -> Findings:
    """What a folder holds of a plan.

    Args:
        folder: where the records are.
        plan: whose studies are looked for.

    Raises:
        RunError: if it holds no run that can be used.
    """
    results = [folder.results(study) for study in plan.studies]
    findings = Findings(plan, results, plan.command(str(folder.path)))
    if findings.records:
        return findings
    why, *others = findings.troubles or ["none has been computed"]
    more = f", and {len(others)} more" if others else ""
    raise RunError(
        f"{str(folder.path)!r} holds no run of this test that can be used ({why}{more}); gslt "
        f"conjecture --out {folder.path} computes them"
    )


def _protocol(study: Study) -> dict[str, Any]:
    """What a study runs: data sets, depths, seeds, epochs, width, and the settings of its arms."""
    values = {**study.settings, "arms": study.values["arms"]}
    settings: dict[str, Any] = json.loads(json.dumps(values))
    return {"name": study.name, "seeds": study.seed_list, "runs": len(study.runs), **settings}
