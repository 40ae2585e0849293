"""Tables of the test for people."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from gslt.conjecture.decision import OUTCOMES
from gslt.conjecture.findings import Findings
from gslt.conjecture.protocol import ENDPOINTS, GROUP, PRIMARY
from gslt.conjecture.verdict import Verdict
from gslt.conjecture.words import SIGNS, arm_name, factor
from gslt.report.tables import (
    NONE,
    Cell,
    Column,
    Table,
    interval,
    mean_std,
    number,
    p_value,
    text,
)
from gslt.studies.columns import column, heading


def verdict_table(findings: Findings) -> Table:
    """Every verdict, those over all depths first."""
    analysis = findings.analysis
    columns: list[Column] = [
        *_family(findings),
        ("layers", _layers),
        ("verdict", lambda v: Cell(f"{SIGNS[v.outcome]} {v.label}", v.label)),
        ("frozen − dense", lambda v: _starred(number(v.effect.mean, "+.3g"), v.one_collapsed)),
        ("95 % interval", lambda v: interval(v.effect.low, v.effect.high)),
        ("× quotient", lambda v: _factor(v.effect.mean)),
        ("tau", lambda v: number(v.tau.mean, "+.2f")),
        ("p, Holm", lambda v: p_value(v.decision.p_holm)),
        ("p of equivalence, Holm", lambda v: p_value(v.decision.p_equivalence_holm)),
        ("least p, Holm", lambda v: p_value(v.decision.least_holm)),
        ("seeds", lambda v: number(len(v.seeds), "d")),
        ("collapsed: one / both", _collapsed),
    ]
    notes = [
        "frozen − dense: difference of the log of the centred Rayleigh quotient at the last hidden "
        "layer, paired by seed, mean over the freezing ratios; above 0: frozen sources smooth "
        "less. Interval: bootstrap over seeds (BCa). × quotient: the same as a factor.",
        "tau: Kendall's rank correlation of freezing ratio and log quotient within a seed, mean.",
        "p: the larger of two sign-flip tests, of the trend over freezing ratios and of the mean "
        "difference, which must point the same way; corrected by Holm over the depths, for all "
        "depths together over the families of a data set. p of equivalence: that some ratio makes "
        "a difference which matters. least p: the smallest that so many seeds can reach.",
        "collapsed: pairs of runs of which one alone, or both, collapsed totally (their "
        "representation has nothing left that varies). *: pairs of which one did count as the "
        "largest difference.",
    ]
    return Table.of("Verdicts", [*analysis.overall, *analysis.depths], columns, notes, names=4)


def contrast_table(findings: Findings) -> Table:
    """Every arm beside the dense source."""
    columns: list[Column] = [
        ("arm", _arm),
        ("endpoint", lambda c: text(heading(c.endpoint))),
        *_family(findings),
        ("layers", lambda c: number(c.depth, "d")),
        (
            "arm − dense",
            # Sorted as shown: endpoints of several units stand in one column.
            lambda c: _starred(number(_times(c.endpoint) * c.mean, "+.3g"), c.one_collapsed),
        ),
        (
            "95 % interval",
            lambda c: interval(_times(c.endpoint) * c.low, _times(c.endpoint) * c.high),
        ),
        ("p", lambda c: p_value(c.p)),
        ("p, Holm", lambda c: p_value(c.p_holm)),
        ("least p", lambda c: p_value(c.least)),
        ("seeds", lambda c: number(len(c.seeds), "d")),
    ]
    notes = [
        "Paired by seed; two-sided sign-flip tests. Holm: over the depths, for each arm and "
        "endpoint alone: arms and endpoints are many, so that what stands out here is a hint, not "
        "a finding. No verdict depends on this table. *: a pair of which one run alone collapsed "
        "totally counts as the largest difference seen.",
    ]
    title, found = "Contrasts with the dense source", findings.analysis.contrasts
    return Table.of(title, found, columns, notes, names=4, pick=True)


def endpoint_table(findings: Findings) -> Table:
    """Every arm at every depth, an endpoint a column."""
    rows = [
        SimpleNamespace(
            **dict(zip(GROUP, place, strict=True)),
            **{each.endpoint: each for each in found.itertuples()},
        )
        for place, found in findings.analysis.averages.groupby([*GROUP], sort=False, dropna=False)
    ]
    columns: list[Column] = [
        *_family(findings),
        ("arm", _arm),
        ("layers", lambda row: number(row.depth, "d")),
        *((heading(name), _average(name)) for name in ENDPOINTS),
        ("n", lambda row: number(_runs(getattr(row, PRIMARY)), "d")),
        ("collapsed", lambda row: number(getattr(row, PRIMARY).collapsed, "d")),
    ]
    notes = [
        "Mean ± unbiased standard deviation over seeds, at the last hidden layer; slopes are per "
        "layer over all hidden layers. n: runs. collapsed: those whose log quotient is −∞, left "
        "out of its mean.",
    ]
    return Table.of("Endpoints of every arm", rows, columns, notes, names=3)


def _average(name: str) -> Callable[[Any], Cell]:
    times = _times(name)
    form = ".2f" if times > 1 else ".3g"
    return lambda row: mean_std(getattr(row, name).mean, getattr(row, name).std, form, factor=times)


def _runs(average: Any) -> int:
    return int(average.n + average.collapsed + average.without)


def association_table(findings: Findings) -> Table:
    """Differences of accuracy against differences of smoothness."""
    columns: list[Column] = [
        *_family(findings),
        ("accuracy, frozen − dense", lambda a: _points(a.accuracy.mean)),
        ("95 % interval", lambda a: _ends(a.accuracy.low, a.accuracy.high)),
        ("slope, pooled", lambda a: _points(a.pooled.slope)),
        ("95 % interval", lambda a: _ends(*a.pooled.slope_interval)),
        ("R²", lambda a: number(a.pooled.r_squared, ".2f")),
        ("left at equal smoothness", lambda a: _points(a.intercept)),
        ("95 % interval", lambda a: _ends(*a.intercept_interval)),
        ("slope, within", lambda a: _points(a.within.slope)),
        ("95 % interval", lambda a: _ends(*a.within.slope_interval)),
        ("R²", lambda a: number(a.within.r_squared, ".2f")),
        ("pairs", lambda a: number(a.pairs, "d")),
        ("seeds", lambda a: number(a.seeds, "d")),
        ("left out", lambda a: number(a.left_out, "d")),
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
    found = findings.analysis.associations
    return Table.of("Accuracy and smoothness", found, columns, notes, names=2)


# What the design can show


def what_if_table(findings: Findings) -> Table:
    """The verdicts under other criteria."""
    found = findings.analysis.what_if
    names = list(found.columns[4:])

    def outcome(place: int) -> Callable[[Any], Cell]:
        return lambda row: Cell(f"{SIGNS[row[place]]} {row[place]}", row[place])

    columns: list[Column] = [
        *_family(findings),
        ("layers", _layers),
        # By place, behind the index: these names are no Python names.
        *((name, outcome(place)) for place, name in enumerate(names, 5)),
    ]
    notes = [
        "The same runs judged by other criteria, one changed at a time. stated: those of the "
        "verdict. factor: the smallest factor of the quotient that would matter. alpha: the error "
        "rate.",
    ]
    return Table.of("Other criteria", found, columns, notes, names=3 + len(names))


def seeds_table(findings: Findings) -> Table:
    """How many seeds the undecided verdicts need."""
    analysis = findings.analysis
    rows = [each for each in (*analysis.overall, *analysis.depths) if each.needed is not None]
    columns: list[Column] = [
        *_family(findings),
        ("layers", _layers),
        ("seeds there", lambda v: number(len(v.seeds), "d")),
        ("seeds needed", lambda v: _count(v.needed.n)),
        ("from", lambda v: _count(v.needed.low)),
        ("to", lambda v: _count(v.needed.high)),
        ("to find a difference", lambda v: _count(v.needed.to_detect)),
        ("to exclude one", lambda v: _count(v.needed.to_exclude)),
        ("assuming", lambda v: text(v.needed.basis)),
    ]
    notes = [
        f"For a decision with a chance of {100 * findings.plan.criteria.power:g} %, as of "
        "Student's t. from … to: at the ends of the 90 % interval of the standard deviation, which "
        "few seeds leave uncertain. assuming: smallest effect (it is there, or nothing is), "
        "observed effect (the truth is what was observed), least seeds (only how many make "
        "significance possible is known).",
    ]
    return Table.of("Seeds needed", rows, columns, notes, names=2)


def power_table(findings: Findings) -> Table:
    """What the seeds that are there can show."""
    criteria = findings.plan.criteria
    columns: list[Column] = [
        *_family(findings),
        ("layers", _layers),
        ("seeds", lambda row: number(row.seeds, "d")),
        ("sd over seeds", lambda row: number(row.sd)),
        ("finds the smallest effect that matters", lambda row: _chance(row.detection)),
        ("difference that is found", lambda row: _detectable(row.detectable)),
        ("shows that nothing matters, if nothing is there", lambda row: _chance(row.exclusion)),
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
    return Table.of("Power", findings.analysis.power, columns, notes, names=2)


def error_table(findings: Findings) -> Table:
    """Error rates over all depths, and of any depth."""
    columns: list[Column] = [
        *_CASE,
        *((outcome, _rate("overall", outcome)) for outcome in OUTCOMES),
        ("false", lambda entry: _share(entry["false_overall"])),
        ("false at any depth", lambda entry: _share(entry["false_at_any_depth"])),
    ]
    notes = [
        "Verdicts over all depths, in percent of the simulations, with exact 95 % intervals "
        "(Clopper and Pearson). false: outcomes that contradict what is planted; at any depth: in "
        "at least one of the verdicts by depth.",
    ]
    return Table.of("Error rates on synthetic runs", findings.error_rates, columns, notes, names=2)


def error_depth_table(findings: Findings) -> Table:
    """Error rates by depth."""
    rows = [
        {**entry, "depth": int(depth), "rates": rates}
        for entry in findings.error_rates
        for depth, rates in entry["depths"].items()
    ]
    columns: list[Column] = [
        *_CASE,
        ("layers", lambda row: number(row["depth"], "d")),
        *((outcome, _rate("rates", outcome)) for outcome in OUTCOMES if outcome != "mixed"),
    ]
    return Table.of("Error rates by depth", rows, columns, names=2)


#: What was planted.
_CASE: list[Column] = [
    ("planted", lambda entry: text(entry["name"].removeprefix("planted "))),
    ("depths", lambda entry: text(", ".join(map(str, entry["planted"]["depths"])))),
    ("effect", lambda entry: number(entry["planted"]["effect"], "+.3g")),
    ("seeds", lambda entry: number(entry["planted"]["seeds"], "d")),
]

#: Every table by name.
TABLES: dict[str, Callable[[Findings], Table]] = {
    "verdicts": verdict_table,
    "contrasts": contrast_table,
    "endpoints": endpoint_table,
    "associations": association_table,
    "what_if": what_if_table,
    "seeds": seeds_table,
    "power": power_table,
    "error_rates": error_table,
    "error_rates_by_depth": error_depth_table,
}


# Cells


def _family(findings: Findings) -> list[Column]:
    """Data set and batch norm."""
    return [
        ("data set", lambda row: text(findings.names[row.dataset])),
        ("batch norm", lambda row: text("with" if row.batch_norm else "without")),
    ]


def _layers(row: Any) -> Cell:
    """Number of layers; ``all`` comes before every number."""
    if row.overall:
        return Cell(f"all ({', '.join(map(str, row.depths))})" if row.depths else "all", 0)
    return number(row.depths[0], "d")


def _arm(row: Any) -> Cell:
    return text(arm_name(row.arm, row.freezing_ratio))


def _times(endpoint: str) -> float:
    """What an endpoint is multiplied by for people."""
    return column(endpoint).factor


def _starred(cell: Cell, collapsed: int) -> Cell:
    """With a star where pairs of which one run collapsed totally stand in it."""
    return Cell(f"{cell.text}*", cell.value) if collapsed and cell.text != NONE else cell


def _factor(log: float) -> Cell:
    return Cell(NONE) if math.isnan(log) else Cell(factor(log), log)


def _collapsed(verdict: Verdict) -> Cell:
    one, both = verdict.one_collapsed, verdict.both_collapsed
    return Cell(f"{one} / {both}", one + both)


def _points(value: float) -> Cell:
    return number(value, "+.2f", factor=100)


def _ends(low: float, high: float) -> Cell:
    return interval(low, high, "+.2f", factor=100)


def _count(value: int | None) -> Cell:
    return Cell("unknown") if value is None else Cell(f"{value:,}", value)


def _chance(value: float) -> Cell:
    return Cell(f"{100 * value:.0f} %", value)


def _detectable(effect: float) -> Cell:
    if math.isinf(effect):
        return Cell("none", effect)
    return Cell(f"{effect:.3g} (× {factor(effect)})", effect)


def _rate(where: str, outcome: str) -> Callable[[Any], Cell]:
    return lambda entry: _share(entry[where].get(outcome))


def _share(entry: Mapping[str, float] | None) -> Cell:
    """A rate of simulations with its interval; of an outcome that never came: zero."""
    if entry is None:
        return Cell("0 %", 0.0)
    low, high = 100 * entry["low"], 100 * entry["high"]
    return Cell(f"{100 * entry['rate']:.1f} % ({low:.1f} to {high:.1f})", entry["rate"])
