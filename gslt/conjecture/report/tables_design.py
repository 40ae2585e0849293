"""Tables of what the design can show: other criteria, seeds needed, power, error rates."""

from __future__ import annotations

import math
from typing import Any

from gslt.conjecture.report import cells
from gslt.conjecture.report.document import Findings
from gslt.conjecture.report.words import SIGNS, factor
from gslt.conjecture.statistics.error_rates import OUTCOMES
from gslt.conjecture.statistics.sensitivity import DesignPower, WhatIf
from gslt.conjecture.statistics.verdict import Verdict
from gslt.studies.report.formats import NONE, Cell, Table


def what_if_table(findings: Findings) -> Table:
    """The verdicts under other criteria."""
    names = list(findings.what_if[0].outcomes)
    columns: list[cells.Column[WhatIf]] = [
        *cells.place_columns(findings.evidence),
        ("layers", lambda w: cells.layers(w.depths, w.overall)),
        *((name, _outcome(name)) for name in names),
    ]
    notes = [
        "The same runs judged by other criteria, one changed at a time. stated: those of the "
        "verdict. factor: the smallest factor of the quotient that would matter. alpha: the error "
        "rate.",
    ]
    return cells.table("Other criteria", findings.what_if, columns, notes, 3 + len(names))


def _outcome(name: str) -> Any:
    def cell(row: WhatIf) -> Cell:
        outcome = row.outcomes[name]
        return Cell(f"{SIGNS[outcome]} {outcome}", outcome)

    return cell


def seeds_table(findings: Findings) -> Table:
    """How many seeds the undecided verdicts need."""
    overall = {id(each) for each in findings.overall}
    rows = [each for each in (*findings.overall, *findings.places) if each.needed is not None]
    columns: list[cells.Column[Verdict]] = [
        *cells.place_columns(findings.evidence),
        ("layers", lambda v: cells.layers(v.depths, id(v) in overall)),
        ("seeds there", lambda v: cells.number(len(v.seeds), "d")),
        ("seeds needed", lambda v: _count(v, "n")),
        ("from", lambda v: _count(v, "low")),
        ("to", lambda v: _count(v, "high")),
        ("to find a difference", lambda v: _count(v, "to_detect")),
        ("to exclude one", lambda v: _count(v, "to_exclude")),
        ("assuming", lambda v: cells.text(v.needed.basis if v.needed else NONE)),
    ]
    power = findings.evidence.plan.criteria.power
    notes = [
        f"For a decision with a chance of {100 * power:g} %, as of Student's t. from … to: at the "
        "ends of the 90 % interval of the standard deviation, which few seeds leave uncertain. "
        "assuming: smallest effect (it is there, or nothing is), observed effect (the truth is "
        "what was observed), least seeds (only how many make significance possible is known).",
    ]
    return cells.table("Seeds needed", rows, columns, notes, names=2)


def _count(verdict: Verdict, name: str) -> Cell:
    value = getattr(verdict.needed, name)
    return Cell("unknown") if value is None else Cell(f"{value:,}", value)


def power_table(findings: Findings) -> Table:
    """What the seeds that are there can show."""
    criteria = findings.evidence.plan.criteria
    columns: list[cells.Column[DesignPower]] = [
        *cells.place_columns(findings.evidence),
        ("layers", lambda d: cells.layers(d.depths, d.overall)),
        ("seeds", lambda d: cells.number(d.seeds, "d")),
        ("sd over seeds", lambda d: cells.number(d.sd, ".3g")),
        ("finds the smallest effect that matters", lambda d: cells.percent(d.detection)),
        ("difference that is found", lambda d: _detectable(d.detectable)),
        ("shows that nothing matters, if nothing is there", lambda d: cells.percent(d.exclusion)),
    ]
    smallest = criteria.smallest_effect
    notes = [
        f"As of Student's t at the first step of Holm's correction (error rate {criteria.alpha:g} "
        "over the comparisons), with the spread that was observed. sd: of frozen minus dense of "
        "the log quotient, mean over the ratios. The smallest effect that matters is "
        f"{smallest:.3g}, a factor of {math.exp(smallest):.3g}. difference that is found: with a "
        f"chance of {100 * criteria.power:g} %. The verdict asks for a trend over the freezing "
        "ratios besides, so that its own power is smaller than that of the difference.",
    ]
    return cells.table("Power", findings.power, columns, notes, names=2)


def _detectable(effect: float) -> Cell:
    if math.isinf(effect):
        return Cell("none", effect)
    return Cell(f"{effect:.3g} (× {factor(effect)})", effect)


def error_table(findings: Findings) -> Table:
    """Error rates over all depths, and of any depth."""
    columns: list[cells.Column[Any]] = [
        *_case_columns(),
        *((outcome, _rate("overall", outcome)) for outcome in OUTCOMES),
        ("false", lambda entry: cells.rate(entry["false_overall"])),
        ("false at any depth", lambda entry: cells.rate(entry["false_at_any_depth"])),
    ]
    notes = [
        "Verdicts over all depths, in percent of the simulations, with exact 95 % intervals "
        "(Clopper and Pearson). false: outcomes that contradict what is planted; at any depth: in "
        "at least one of the verdicts by depth.",
    ]
    return cells.table("Error rates on synthetic runs", findings.error_rates, columns, notes, 2)


def error_depth_table(findings: Findings) -> Table:
    """Error rates by depth."""
    rows = [
        {**entry, "depth": int(depth), "rates": rates}
        for entry in findings.error_rates
        for depth, rates in entry["depths"].items()
    ]
    columns: list[cells.Column[Any]] = [
        *_case_columns(),
        ("layers", lambda row: cells.number(row["depth"], "d")),
        *((outcome, _rate("rates", outcome)) for outcome in OUTCOMES[:-1]),
    ]
    return cells.table("Error rates by depth", rows, columns, (), names=2)


def _case_columns() -> list[cells.Column[Any]]:
    return [
        ("planted", lambda entry: cells.text(entry["name"].removeprefix("planted "))),
        ("depths", lambda entry: cells.text(", ".join(map(str, entry["planted"]["depths"])))),
        ("effect", lambda entry: cells.number(entry["planted"]["effect"], "+.3g")),
        ("seeds", lambda entry: cells.number(entry["planted"]["seeds"], "d")),
    ]


def _rate(where: str, outcome: str) -> Any:
    return lambda entry: cells.rate(entry[where].get(outcome))
