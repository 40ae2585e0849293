"""``verdict.json``: everything that was found, for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gslt.conjecture.report.evidence import Evidence
from gslt.conjecture.statistics.analysis import Analysis, analyse
from gslt.conjecture.statistics.averages import Average, averages
from gslt.conjecture.statistics.endpoints import Family
from gslt.conjecture.statistics.mediation import Association
from gslt.conjecture.statistics.sensitivity import (
    DesignPower,
    WhatIf,
    design_power,
    what_if,
)
from gslt.conjecture.statistics.verdict import Verdict
from gslt.environment import versions
from gslt.files import plain
from gslt.studies.report.provenance import hardware
from gslt.studies.study import Study

#: File of the verdicts, and version of its format.
VERDICT = "verdict.json"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Findings:
    """What is there and everything that follows from it."""

    evidence: Evidence
    command: str
    """The command line that computes it."""
    error_rates: tuple[Any, ...] = ()
    """Of the verdict's code, see :mod:`gslt.conjecture.report.appendix`."""

    @cached_property
    def analysis(self) -> Analysis:
        """Verdicts, contrasts and associations."""
        return analyse(self.evidence.runs, self.evidence.plan.criteria)

    @property
    def overall(self) -> list[Verdict]:
        """Verdicts over all depths, in the order of the families."""
        return sorted(self.analysis.verdicts.overall, key=self._order)

    @property
    def places(self) -> list[Verdict]:
        """Verdicts of single depths, in the order of the families and of depth."""
        return sorted(self.analysis.verdicts.places, key=self._order)

    def association(self, family: Family) -> Association | None:
        """What a family shows of accuracy and smoothness."""
        return next((a for a in self.analysis.associations if a.family == family), None)

    def _order(self, verdict: Verdict) -> int:
        return self.evidence.families.index(verdict.family)

    @cached_property
    def averages(self) -> list[Average]:
        """Every endpoint of every arm."""
        return averages(self.evidence.table)

    @cached_property
    def what_if(self) -> list[WhatIf]:
        """The verdicts under other criteria."""
        return what_if(self.evidence.table, self.evidence.plan.criteria)

    @cached_property
    def power(self) -> list[DesignPower]:
        """What the seeds can show."""
        return design_power(self.evidence.table, self.evidence.plan.criteria)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the same records give the same values."""
        evidence = self.evidence
        return {
            "format": FORMAT_VERSION,
            "complete": evidence.missing == 0,
            **self.analysis.as_dict(),
            "what_if": plain(self.what_if),
            "power": plain(self.power),
            "endpoints": plain(self.averages),
            "error_rates": list(self.error_rates),
            "runs": {
                "total": evidence.total,
                "present": len(evidence.found),
                "missing": evidence.missing,
                "troubles": evidence.troubles,
                "seconds": sum(record.measured["seconds"] for record in evidence.records),
            },
            "datasets": evidence.datasets,
            "synthetic": bool(evidence.synthetic),
            "protocol": {
                **evidence.plan.values,
                "criteria_changed": evidence.plan.changes,
                "studies": [protocol(study) for study in evidence.plan.studies],
            },
            "command": self.command,
            "versions": versions(),
            "hardware": sorted(hardware(evidence.records)),
        }


def protocol(study: Study) -> dict[str, Any]:
    """What a study runs: data sets, depths, seeds, epochs, width, and the settings of its arms."""
    return {
        "name": study.name,
        "seeds": study.seed_list,
        "runs": len(study.runs),
        **{name: _plain(value) for name, value in study.settings.items()},
        "arms": {name: _plain(settings) for name, settings in study.arms.items()},
    }


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(dict(value) if isinstance(value, Mapping) else value))
