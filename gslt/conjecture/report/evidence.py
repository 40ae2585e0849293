"""What a folder holds of the test: runs, their layers, and what is missing or cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gslt.conjecture.plan import Plan
from gslt.conjecture.protocol import ARMS, run_of
from gslt.conjecture.statistics.endpoints import Arm, Family, Run, Table, by_place
from gslt.errors import RunError
from gslt.studies.records import Record, StudyFolder
from gslt.studies.report.provenance import graph_name
from gslt.studies.report.rows import StudyResults, study_results


@dataclass(frozen=True)
class Evidence:
    """The records of a plan that are there."""

    plan: Plan
    results: tuple[StudyResults, ...]
    """One for each study of the plan."""

    @cached_property
    def found(self) -> list[tuple[Run, Record]]:
        """Every run that is there, in the order of the studies, whatever order they ran in."""
        return [
            (run_of(cell, results.records[cell.spec.identity]), results.records[cell.spec.identity])
            for results in self.results
            for cell in results.study.cells
            if cell.spec.identity in results.records
        ]

    @property
    def runs(self) -> list[Run]:
        """Lines of the verdict's table."""
        return [run for run, _ in self.found]

    @cached_property
    def table(self) -> Table:
        """The same by place, arm and seed."""
        return by_place(self.runs)

    @property
    def records(self) -> list[Record]:
        """The records."""
        return [record for _, record in self.found]

    @property
    def total(self) -> int:
        """Number of runs of the whole test."""
        return sum(results.total for results in self.results)

    @property
    def missing(self) -> int:
        """How many of them have no record that can be used."""
        return self.total - len(self.found)

    @property
    def families(self) -> list[Family]:
        """Data sets with, and without, batch norm, in the order of the plan: with norm first."""
        datasets = list(dict.fromkeys(run.dataset for run in self.runs))
        known = {place.family for place in self.table}
        return sorted(known, key=lambda family: (datasets.index(family[0]), not family[1]))

    @property
    def arms(self) -> list[Arm]:
        """Arms that have a run, in the order of the protocol, freezing ratios rising."""
        order = list(ARMS)
        return sorted({run.key for run in self.runs}, key=lambda k: (order.index(k[0]), k[1] or 0))

    @cached_property
    def names(self) -> dict[str, str]:
        """Names of the graphs by data set; a synthetic one is called so."""
        return {run.dataset: graph_name(record) for run, record in self.found}

    def family_name(self, family: Family) -> str:
        """Such as ``cora, with batch norm``."""
        return f"{self.names[family[0]]}, {'with' if family[1] else 'without'} batch norm"

    @property
    def datasets(self) -> list[dict[str, Any]]:
        """Facts about the graphs."""
        facts = {run.dataset: record.graph for run, record in self.found}
        return [{"dataset": name, **facts[name]} for name in facts]

    @property
    def synthetic(self) -> list[str]:
        """Names of the graphs that are synthetic."""
        graphs = (record for record in self.records if record.graph.get("synthetic"))
        return list(dict.fromkeys(map(graph_name, graphs)))

    @property
    def troubles(self) -> list[str]:
        """Sentences on records that cannot be used and runs that failed."""
        unusable = (
            f"records/{identity}.json cannot be used: {reason}"
            for results in self.results
            for identity, reason in results.unusable.items()
        )
        failed = (
            f"run {identity} failed: {reason}"
            for results in self.results
            for identity, reason in results.failures.items()
        )
        return [*unusable, *failed]

    @property
    def partial(self) -> str:
        """How much is missing, in a sentence; empty where nothing is."""
        if not self.missing:
            return ""
        return (
            f"{self.missing} of {self.total} runs are missing: everything below comes from the "
            f"{len(self.found)} that are there, and may change with the others."
        )


def read_evidence(folder: StudyFolder, plan: Plan) -> Evidence:
    """Read what is there of a plan.

    Raises:
        RunError: if nothing is.
    """
    evidence = Evidence(plan, tuple(study_results(folder, study) for study in plan.studies))
    if evidence.found:
        return evidence
    why = next(_reasons(evidence), "none has been computed")
    raise RunError(
        f"{str(folder.path)!r} holds no run of this test that can be used ({why}); gslt conjecture "
        f"--out {folder.path} computes them"
    )


def _reasons(evidence: Evidence) -> Iterator[str]:
    troubles = evidence.troubles
    if troubles:
        more = f", and {len(troubles) - 1} more" if len(troubles) > 1 else ""
        yield f"{troubles[0]}{more}"


def arm_name(arm: Arm) -> str:
    """Such as ``dense`` or ``frozen, F = 0.4``."""
    name, ratio = arm
    return name if ratio is None else f"{name}, F = {ratio:g}"
