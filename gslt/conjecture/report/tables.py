"""Tables of the test for people: verdicts, contrasts, endpoints, associations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gslt.conjecture.report import cells
from gslt.conjecture.report.document import Findings
from gslt.conjecture.report.words import SIGNS, factor
from gslt.conjecture.statistics.averages import Average
from gslt.conjecture.statistics.endpoints import ENDPOINTS, PRIMARY, Arm, Place
from gslt.conjecture.statistics.mediation import Association
from gslt.conjecture.statistics.verdict import Verdict
from gslt.studies.report.formats import NONE, Cell, Table


def verdict_table(findings: Findings) -> Table:
    """Every verdict, those over all depths first."""
    overall = {id(each) for each in findings.overall}
    columns: list[cells.Column[Verdict]] = [
        *cells.place_columns(findings.evidence),
        ("layers", lambda v: cells.layers(v.depths, id(v) in overall)),
        ("verdict", lambda v: Cell(f"{SIGNS[v.outcome]} {v.label}", v.label)),
        ("frozen − dense", lambda v: cells.mean(v.effect, collapsed=v.one_collapsed > 0)),
        ("95 % interval", lambda v: cells.interval(v.effect)),
        ("× quotient", lambda v: _factor(v.effect.mean)),
        ("tau", lambda v: cells.number(v.tau.mean, "+.2f")),
        ("p, Holm", lambda v: cells.p(v.decision.p_holm)),
        ("p of equivalence, Holm", lambda v: cells.p(v.decision.p_equivalence_holm)),
        ("least p, Holm", lambda v: cells.p(v.decision.least_holm)),
        ("seeds", lambda v: cells.number(len(v.seeds), "d")),
        ("collapsed: one / both", lambda v: _collapsed(v)),
    ]
    rows = [*findings.overall, *findings.places]
    return cells.table("Verdicts", rows, columns, VERDICT_NOTES, names=4)


VERDICT_NOTES = [
    "frozen − dense: difference of the log of the centred Rayleigh quotient at the last hidden "
    "layer, paired by seed, mean over the freezing ratios; above 0: frozen sources smooth less. "
    "Interval: bootstrap over seeds (BCa). × quotient: the same as a factor.",
    "tau: Kendall's rank correlation of freezing ratio and log quotient within a seed, mean.",
    "p: the larger of two sign-flip tests, of the trend over freezing ratios and of the mean "
    "difference, which must point the same way; corrected by Holm over the depths, for all depths "
    "together over the families of a data set. p of equivalence: that some ratio makes a "
    "difference which matters. least p: the smallest that so many seeds can reach.",
    "collapsed: pairs of runs of which one alone, or both, collapsed totally (their representation "
    "has nothing left that varies). *: pairs of which one did count as the largest difference.",
]


def _factor(log: float) -> Cell:
    return Cell(NONE) if math.isnan(log) else Cell(factor(log), log)


def _collapsed(verdict: Verdict) -> Cell:
    one, both = verdict.one_collapsed, verdict.both_collapsed
    return Cell(f"{one} / {both}", one + both)


def contrast_table(findings: Findings) -> Table:
    """Every arm beside the dense source."""
    columns: list[cells.Column[Any]] = [
        ("arm", lambda c: cells.arm((c.arm, c.freezing_ratio))),
        ("endpoint", lambda c: cells.text(cells.endpoint_name(c.endpoint))),
        *cells.place_columns(findings.evidence),
        ("layers", lambda c: cells.number(c.depth, "d")),
        (
            "arm − dense",
            lambda c: cells.mean(c.difference, cells.scale(c.endpoint), c.one_collapsed > 0),
        ),
        ("95 % interval", lambda c: cells.interval(c.difference, cells.scale(c.endpoint))),
        ("p", lambda c: cells.p(c.p)),
        ("p, Holm", lambda c: cells.p(c.p_holm)),
        ("least p", lambda c: cells.p(c.least)),
        ("seeds", lambda c: cells.number(len(c.seeds), "d")),
    ]
    notes = [
        "Paired by seed; two-sided sign-flip tests. Holm: over the depths, for each arm and "
        "endpoint alone: arms and endpoints are many, so that what stands out here is a hint, not "
        "a finding. No verdict depends on this table. *: a pair of which one run alone collapsed "
        "totally counts as the largest difference seen.",
    ]
    rows = findings.analysis.contrasts
    return cells.table("Contrasts with the dense source", rows, columns, notes, 4, pick=True)


@dataclass(frozen=True)
class _Line:
    """All endpoints of an arm at one place."""

    dataset: str
    batch_norm: bool
    depth: int
    key: Arm
    endpoints: dict[str, Average]

    @property
    def primary(self) -> Average:
        """That of the verdict."""
        return self.endpoints[PRIMARY]


def endpoint_table(findings: Findings) -> Table:
    """Every arm at every place, an endpoint a column."""
    lines: dict[tuple[Place, Arm], dict[str, Average]] = {}
    for each in findings.averages:
        lines.setdefault((each.place, each.key), {})[each.endpoint] = each
    rows = [
        _Line(place.dataset, place.batch_norm, place.depth, arm, found)
        for (place, arm), found in lines.items()
    ]
    columns: list[cells.Column[_Line]] = [
        *cells.place_columns(findings.evidence),
        ("arm", lambda line: cells.arm(line.key)),
        ("layers", lambda line: cells.number(line.depth, "d")),
        *((cells.endpoint_name(name), _average(name)) for name in ENDPOINTS),
        ("n", lambda line: cells.number(line.primary.runs, "d")),
        ("collapsed", lambda line: cells.number(line.primary.collapsed, "d")),
    ]
    notes = [
        "Mean ± unbiased standard deviation over seeds, at the last hidden layer; slopes are per "
        "layer over all hidden layers. n: runs. collapsed: those whose log quotient is −∞, left "
        "out of its mean.",
    ]
    return cells.table("Endpoints of every arm", rows, columns, notes, names=3)


def _average(endpoint: str) -> Any:
    times = cells.scale(endpoint)

    def cell(line: _Line) -> Cell:
        found = line.endpoints[endpoint]
        if math.isnan(found.mean):
            return Cell(NONE)
        form = ".2f" if times > 1 else ".3g"
        spread = "" if math.isnan(found.std) else f" ± {times * found.std:{form}}"
        return Cell(f"{times * found.mean:{form}}{spread}", found.mean)

    return cell


def association_table(findings: Findings) -> Table:
    """Differences of accuracy against differences of smoothness."""
    columns: list[cells.Column[Association]] = [
        *cells.place_columns(findings.evidence),
        ("accuracy, frozen − dense", lambda a: _points(a.accuracy.mean)),
        ("95 % interval", lambda a: _ends((a.accuracy.low, a.accuracy.high))),
        ("slope, pooled", lambda a: _points(a.pooled.slope)),
        ("95 % interval", lambda a: _ends(a.pooled.slope_interval)),
        ("R²", lambda a: cells.number(a.pooled.r_squared, ".2f")),
        ("left at equal smoothness", lambda a: _points(a.intercept)),
        ("95 % interval", lambda a: _ends(a.intercept_interval)),
        ("slope, within", lambda a: _points(a.within.slope)),
        ("95 % interval", lambda a: _ends(a.within.slope_interval)),
        ("R²", lambda a: cells.number(a.within.r_squared, ".2f")),
        ("pairs", lambda a: cells.number(a.pairs, "d")),
        ("seeds", lambda a: cells.number(a.seeds, "d")),
        ("left out", lambda a: cells.number(a.left_out, "d")),
    ]
    notes = [
        "accuracy: points of test accuracy that frozen is above dense, mean over depths and "
        "ratios; its interval: bootstrap over seeds (BCa).",
        "slope: points of accuracy that frozen is above dense, for every unit by which its log "
        "quotient is above that of dense; seed, depth and ratio make a pair. Its interval: whole "
        "seeds resampled.",
        "pooled: over everything. within: the mean of each depth and ratio taken off, so that what "
        "differs between depths makes no line. left at equal smoothness: the pooled line where "
        "smoothness does not differ.",
        "An association: whatever else freezing changes may move both.",
    ]
    rows = findings.analysis.associations
    return cells.table("Accuracy and smoothness", rows, columns, notes, names=2)


def _points(value: float) -> Cell:
    return cells.number(100 * value, "+.2f")


def _ends(ends: Sequence[float]) -> Cell:
    low, high = ends
    return Cell(NONE) if math.isnan(low) else Cell(f"{100 * low:+.2f} to {100 * high:+.2f}", low)
