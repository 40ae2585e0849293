"""What a folder holds of the test, and everything that follows from it: ``verdict.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gslt.conjecture.association import Association
from gslt.conjecture.protocol import GROUP, Family, Plan, runs_of
from gslt.conjecture.verdict import Analysis
from gslt.environment import versions
from gslt.errors import RunError
from gslt.studies.records import StudyFolder
from gslt.studies.runs import Record, StudyResults
from gslt.studies.study import Study

if TYPE_CHECKING:
    from pandas import DataFrame

#: File of the verdicts, and version of its format.
VERDICT = "verdict.json"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Findings:
    """What is there of a plan, and what it says."""

    plan: Plan
    results: Sequence[StudyResults]
    """One for each study of the plan."""
    command: str
    """The command line that computes it."""
    error_rates: Sequence[Mapping[str, Any]] = ()
    """Of the verdict's code, see :func:`gslt.conjecture.simulation.rates`."""

    @cached_property
    def runs(self) -> DataFrame:
        """One row a run, in the order of the studies, whatever order they ran in."""
        return runs_of(self.results)

    @cached_property
    def analysis(self) -> Analysis:
        """Verdicts, contrasts and associations."""
        return Analysis(self.runs, self.plan.criteria)

    @cached_property
    def layers(self) -> DataFrame:
        """One row a hidden layer of a run: the facts of :attr:`runs`, layer and measures."""
        import pandas as pd

        measures = ["identity", "layer", "log_quotient", "dirichlet_energy"]
        layers = pd.concat([each.layers for each in self.results if each.records])
        hidden = layers.loc[layers["hidden"], measures]
        return hidden.merge(self.runs[["identity", *GROUP]], on="identity", validate="many_to_one")

    @property
    def records(self) -> list[Record]:
        """The records, in the order of the studies."""
        return [record for each in self.results for record in each.records.values()]

    @property
    def total(self) -> int:
        """Number of runs of the whole test."""
        return sum(each.total for each in self.results)

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
        return [line for each in self.results for line in each.troubles]

    @cached_property
    def names(self) -> dict[str, str]:
        """Names of the graphs by data set; a synthetic one is called so."""
        return {record.spec.dataset: record.graph_name for record in self.records}

    @property
    def synthetic(self) -> list[str]:
        """Names of the graphs that are synthetic."""
        return list(dict.fromkeys(name for each in self.results for name in each.synthetic))

    @property
    def graphs(self) -> list[str]:
        """Names and sizes of the graphs."""
        return list(dict.fromkeys(record.graph_text for record in self.records))

    @property
    def hardware(self) -> list[str]:
        """The machines that computed the runs, in words."""
        return sorted({record.hardware for record in self.records})

    @property
    def seconds(self) -> float:
        """How long the runs took together."""
        return float(sum(record.measured["seconds"] for record in self.records))

    def association(self, family: Family) -> Association | None:
        """What a family shows of accuracy and smoothness."""
        found = (each for each in self.analysis.associations if each.family == family)
        return next(found, None)

    def family_name(self, dataset: str, batch_norm: bool) -> str:
        """Such as ``cora, with batch norm``."""
        return f"{self.names[dataset]}, {'with' if batch_norm else 'without'} batch norm"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the same records give the same values."""
        graphs = {record.spec.dataset: record.graph for record in self.records}
        return {
            "format": FORMAT_VERSION,
            "complete": self.missing == 0,
            **self.analysis.as_dict(),
            "error_rates": list(self.error_rates),
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
            },
            "command": self.command,
            "versions": versions(),
            "hardware": self.hardware,
        }


def find(
    folder: StudyFolder, plan: Plan, error_rates: Sequence[Mapping[str, Any]] = ()
) -> Findings:
    """What a folder holds of a plan.

    Args:
        folder: where the records are.
        plan: whose studies are looked for.
        error_rates: see :func:`gslt.conjecture.simulation.rates`.

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
    arms = {name: dict(settings) for name, settings in study.arms.items()}
    settings: dict[str, Any] = json.loads(json.dumps({**study.settings, "arms": arms}))
    return {"name": study.name, "seeds": study.seed_list, "runs": len(study.runs), **settings}
