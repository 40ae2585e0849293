"""Tables of the test for people."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from gslt.conjecture.claims import Component, Finding, judge_contrasts
from gslt.conjecture.findings import Findings, over_seeds
from gslt.conjecture.protocol import FACTORS, FROZEN, factorial
from gslt.conjecture.rule import ACCURACY, MATCHED, NAMES, Rule
from gslt.conjecture.trajectories import ATS, NONE
from gslt.conjecture.words import SIGNS, arm_name, effect
from gslt.report.tables import NONE as NO_NUMBER
from gslt.report.tables import Cell, Column, Table, interval, number, text
from gslt.studies.columns import LOG_QUOTIENT, column, heading


def claim_table(findings: Findings) -> Table:
    """Every claim, and what it is tested by."""
    rows = [
        SimpleNamespace(dataset=each.dataset, claim=claim, part=part)
        for each in findings.claims
        for claim in each.claims
        for part in claim.parts
    ]
    columns: list[Column] = [
        ("data set", lambda row: text(findings.name(row.dataset))),
        ("claim", lambda row: text(row.claim.name)),
        ("tested by", lambda row: text(f"{heading(row.part.endpoint)}, {row.part.words}")),
        ("frozen − dense", lambda row: _effect(row.part, row.part.mean)),
        ("interval", lambda row: _ends(row.part)),
        ("margin", lambda row: number(_times(row.part) * row.part.margin)),
        (
            "outcome",
            lambda row: Cell(f"{SIGNS[row.part.outcome]} {row.part.outcome}", row.part.outcome),
        ),
        ("layers", lambda row: text(", ".join(map(str, row.part.depths)) or NO_NUMBER)),
        ("seeds", lambda row: number(len(row.part.seeds), "d")),
        ("left out", lambda row: number(len(row.part.left_out), "d")),
        ("collapsed: one / both", _collapsed),
        ("why", lambda row: text(row.part.why or NO_NUMBER)),
        ("seeds needed", lambda row: Cell(f"{row.part.needed or '–'}", row.part.needed or 0)),
    ]
    notes = [
        "frozen − dense: mean over arms and ratios, then depths, then seeds; points of accuracy, "
        "or a difference of ln quotients, above 0: frozen sources smooth less. Interval: "
        "bootstrap-t, at the level that Holm's correction left to the claim, or 95 % of what an "
        "intervention leaves, which can only take a word away. M is tested by how "
        "much the gain of accuracy exceeds that under an intervention (minus that with); the gain "
        "under it (with) is what is left, and takes the word from M where it is shown, or "
        "reversed, at both epochs. "
        "S and A are premises of M.",
        "left out: seeds of which a run is missing or cannot be matched. An intervention is left "
        "out at depths at which the dense source then fits too little for a gain to appear: less "
        f"than {100 * findings.rule.room:g} % of its train accuracy without. collapsed: pairs of "
        "which one run, or both, collapsed totally; one alone counts as the largest difference.",
    ]
    return Table.of("Claims, and what they are tested by", rows, columns, notes, names=3)


def arm_table(findings: Findings) -> Table:
    """How well every arm fits and classifies, and how smooth it is."""
    rows = findings.trajectories
    keys = ["dataset", "num_layers", "intervention", "arm", "ratio"]
    names = ["epoch", "train_accuracy", "val_accuracy", "test_accuracy", "log_uncentred_quotient"]
    names += ["effective_rank", "mad", "nc1", "linear_probe_drop", "search_space"]
    means = [
        rows[rows[at]].groupby(keys, sort=False, dropna=False)[names] for at in ("best", "last")
    ]
    best, last = (each.mean() for each in means)
    both = best.join(last.add_suffix("_last")).assign(n=means[0].size()).reset_index()

    def mean(name: str, form: str = ".3g", times: float = 1.0) -> Callable[[Any], Cell]:
        return lambda row: number(getattr(row, name), form, factor=times)

    columns: list[Column] = [
        ("arm", lambda row: text(arm_name(row.arm, row.ratio))),
        ("intervention", lambda row: text(row.intervention)),
        ("data set", lambda row: text(findings.name(row.dataset))),
        ("layers", lambda row: number(row.num_layers, "d")),
        ("test, best epoch (%)", mean("test_accuracy", ".2f", 100)),
        ("test, last epoch (%)", mean("test_accuracy_last", ".2f", 100)),
        ("train, best epoch (%)", mean("train_accuracy", ".2f", 100)),
        ("train, last epoch (%)", mean("train_accuracy_last", ".2f", 100)),
        ("best epoch", mean("epoch", ".0f")),
        ("ln uncentred quotient, best", mean("log_uncentred_quotient")),
        ("last", mean("log_uncentred_quotient_last")),
        ("effective rank, best", mean("effective_rank")),
        ("MAD, best", mean("mad")),
        ("NC1, best", mean("nc1")),
        ("probe, best layer − last (%)", mean("linear_probe_drop", ".2f", 100)),
        ("searched (% of all weights)", mean("search_space", ".1f", 100)),
        ("n", lambda row: number(row.n, "d")),
    ]
    notes = [
        "Means over seeds; smoothness of the last hidden layer. searched: what freezing left of "
        "all weights; F is a fraction of the weights in the layers that take part. n: runs.",
    ]
    return Table.of("Every arm", both, columns, notes, names=3, pick=True)


def contrast_table(findings: Findings) -> Table:
    """Every arm beside the dense source, at equal fit and at both epochs."""
    found = findings.averages
    keys = ["arm", "ratio", "endpoint", "dataset", "num_layers", "intervention"]
    rows = [
        SimpleNamespace(
            **dict(zip(keys, place, strict=True)),
            at={row.at: row for row in group.itertuples()},
        )
        for place, group in found.groupby(keys, sort=False, dropna=False)
    ]

    def mean(at: str) -> Callable[[Any], Cell]:
        return lambda row: _mean(row.at[at], column(row.endpoint).factor)

    columns: list[Column] = [
        ("arm", lambda row: text(arm_name(row.arm, row.ratio))),
        ("endpoint", lambda row: text(heading(row.endpoint))),
        ("data set", lambda row: text(findings.name(row.dataset))),
        ("layers", lambda row: number(row.num_layers, "d")),
        ("intervention", lambda row: text(row.intervention)),
        *((at if at.endswith("epoch") else f"equal {at}", mean(at)) for at in ATS),
    ]
    notes = [
        "Arm minus the dense source of the same sparsity, depth, intervention and seed: mean, 95 % "
        "interval over seeds (BCa) and number of the pairs that have a number. Arms and endpoints "
        "are many, so that what stands out here is a hint, not a finding. No verdict depends on "
        "this table.",
    ]
    title = "Contrasts with the dense source"
    return Table.of(title, rows, columns, notes, names=3, pick=True)


def factorial_table(findings: Findings) -> Table | None:
    """Main effects of where, what kind and how much is frozen; None without such runs."""
    found = findings.contrasts
    cells = factorial()
    here = found[found["arm"].isin(cells) & (found["intervention"] == NONE)]
    if not len(here):
        return None
    here = here.assign(
        kind=here["arm"].str.split(",").str[0],
        **{name: [cells[arm][name] for arm in here["arm"]] for name in ("place", "sparsity")},
    )
    rule = findings.rule
    wanted = [(rule.endpoint, "train loss"), (ACCURACY, "best epoch"), (ACCURACY, "last epoch")]
    rows = []
    for dataset, mine in here.groupby("dataset", sort=False):
        for factor, levels in FACTORS.items():
            others = [name for name in FACTORS if name != factor]
            counts = mine.groupby(others)[factor].transform("nunique")
            common = mine[counts == len(levels)]
            for level in levels:
                group = common[common[factor] == level]
                count = len(group[[*FACTORS, "num_layers"]].drop_duplicates())
                found = [over_seeds(group, *each) for each in wanted]
                rows.append((dataset, factor, level, found, count))
    columns: list[Column] = [
        ("data set", lambda row: text(findings.name(row[0]))),
        ("factor", lambda row: text("F" if row[1] == "ratio" else row[1])),
        ("level", lambda row: text("s = " * (row[1] == "sparsity") + f"{row[2]}")),
        ("ln uncentred quotient, equal train loss", lambda row: _mean(row[3][0])),
        ("accuracy, best epoch (points)", lambda row: _mean(row[3][1], 100)),
        ("accuracy, last epoch (points)", lambda row: _mean(row[3][2], 100)),
        ("cells", lambda row: number(row[4], "d")),
    ]
    notes = [
        "Frozen minus dense of the same sparsity, mean over cells (depths too), then over seeds, "
        "with the 95 % interval over seeds and their number. Not every cell has a search window "
        "(all pruned at F above the sparsity has none), so that the levels of a factor are means "
        "over those cells of the others alone that all of its levels have: within a factor they "
        "can be compared, between factors not.",
    ]
    return Table.of("Where, what and how much is frozen", rows, columns, notes, names=3)


def what_if_table(findings: Findings) -> Table:
    """The claims under other criteria."""
    rule = findings.rule
    names = findings.plan.datasets
    judged = {
        name: judge_contrasts(findings.contrasts, each, names) for name, each in _others(rule)
    }
    rows = [
        SimpleNamespace(
            dataset=one.dataset,
            claim=claim.name,
            outcomes=[_claim(found, one.dataset, place) for found in judged.values()],
        )
        for one in findings.claims
        for place, claim in enumerate(one.claims)
    ]

    def outcome(place: int) -> Callable[[Any], Cell]:
        return lambda row: Cell(f"{SIGNS[row.outcomes[place]]} {row.outcomes[place]}")

    columns: list[Column] = [
        ("data set", lambda row: text(findings.name(row.dataset))),
        ("claim", lambda row: text(row.claim)),
        *((name, outcome(place)) for place, name in enumerate(judged)),
    ]
    notes = [
        "The same runs judged by other criteria, one changed at a time: the factor of a quotient "
        "and the points of accuracy that matter, alpha, the centred quotient in the place of the "
        "uncentred one, one depth or one freezing ratio alone. What hangs on a choice that nobody "
        "made on purpose is no finding.",
    ]
    return Table.of("Other criteria", rows, columns, notes, names=2 + len(judged))


def _claim(found: list[Finding], dataset: str, place: int) -> str:
    return next(each.claims[place].outcome for each in found if each.dataset == dataset)


def _others(rule: Rule) -> Iterator[tuple[str, Rule]]:
    yield "stated", rule
    for factor in (1.1, 1.5):
        margins = {
            name: value if name == ACCURACY else math.log(factor)
            for name, value in rule.margins.items()
        }
        yield f"factor {factor:g}", replace(rule, margins=margins)
    for points in (0.5, 2.0):
        yield f"{points:g} points", replace(rule, margins={**rule.margins, ACCURACY: points / 100})
    for alpha in (0.01, 0.1):
        yield f"alpha {alpha:g}", replace(rule, alpha=alpha)
    yield "centred quotient", replace(rule, endpoint=LOG_QUOTIENT)
    for depth in rule.depths or ():
        if len(rule.depths or ()) > 1:
            yield f"{depth} layers", replace(rule, depth_weights={depth: 1.0})
    for ratio in rule.ratios or ():
        yield f"F = {ratio:g}", replace(rule, ratios=(ratio,))


def slice_table(findings: Findings) -> Table:
    """The contrasts of S and A by depth, ratio and half of the seeds: what a mean comes from."""
    found = findings.contrasts
    here = found[(found["arm"] == FROZEN) & (found["intervention"] == NONE)]
    wanted = [(key.endpoint, key.at) for name in NAMES[:2] for key in findings.rule.keys(name)]
    rows = []
    for dataset, mine in here.groupby("dataset", sort=False):
        depths, ratios = (sorted(set(mine[name].dropna())) for name in ("num_layers", "ratio"))
        slices = {f"{depth} layers": mine["num_layers"] == depth for depth in depths}
        slices |= {f"F = {ratio:g}": mine["ratio"] == ratio for ratio in ratios}
        slices |= {"even seeds": mine["seed"] % 2 == 0, "odd seeds": mine["seed"] % 2 == 1}
        for name, chosen in slices.items():
            rows.append((dataset, name, [over_seeds(mine[chosen], *each) for each in wanted]))

    def cell(place: int, endpoint: str) -> Callable[[Any], Cell]:
        return lambda row: _mean(row[2][place], column(endpoint).factor)

    columns: list[Column] = [
        ("data set", lambda row: text(findings.name(row[0]))),
        ("of", lambda row: text(row[1])),
        *(
            (f"{heading(endpoint)}, {at}", cell(place, endpoint))
            for place, (endpoint, at) in enumerate(wanted)
        ),
    ]
    notes = [
        "Frozen minus dense, mean over what is left, with the 95 % interval over seeds and their "
        "number: those that have all of it, and no pair of which one run alone collapsed totally.",
    ]
    return Table.of("By depth, ratio and half of the seeds", rows, columns, notes, names=2)


def match_table(findings: Findings) -> Table:
    """At which epochs frozen and dense runs fit equally well: where rates and phases differ."""
    found = findings.contrasts
    here = found[(found["arm"] == FROZEN) & (found["endpoint"] == findings.rule.endpoint)]
    here = here[here["at"].isin(MATCHED) & here["intervention"].isin([NONE, "no edges"])]
    keys = ["dataset", "num_layers", "intervention", "at", "ratio"]
    ends = found[found["at"] == "last epoch"].groupby(["dataset", "num_layers"])["first_epoch"]
    epochs = ends.max().to_dict()
    rows = [
        SimpleNamespace(
            **dict(zip(keys, place, strict=True)),
            group=group.dropna(subset="difference"),
            last=epochs[place[:2]],
        )
        for place, group in here.groupby(keys, sort=False)
    ]

    def median(side: str) -> Callable[[Any], Cell]:
        return lambda row: number(row.group[side].median(), ".0f")

    def at_end(side: str) -> Callable[[Any], Cell]:
        return lambda row: number((row.group[side] == row.last).mean(), ".0f", factor=100)

    columns: list[Column] = [
        ("data set", lambda row: text(findings.name(row.dataset))),
        ("layers", lambda row: number(row.num_layers, "d")),
        ("intervention", lambda row: text(row.intervention)),
        ("equal", lambda row: text(row.at)),
        ("F", lambda row: number(row.ratio, "g")),
        ("epoch, frozen", median("first_epoch")),
        ("epoch, dense", median("second_epoch")),
        ("frozen at the last epoch (%)", at_end("first_epoch")),
        ("dense at the last epoch (%)", at_end("second_epoch")),
        (heading(findings.rule.endpoint), lambda row: number(row.group["difference"].mean())),
        ("pairs", lambda row: number(len(row.group), "d")),
    ]
    notes = [
        "Medians over the pairs that have equal fit. Where a frozen run fits less, it is read at "
        "its last epoch, at which the learning rate is 0, and the dense one earlier, at a higher "
        "rate: what the rate does is part of such a difference.",
    ]
    return Table.of("Where runs fit equally well", rows, columns, notes, names=3)


def association_table(findings: Findings) -> Table:
    """Differences of accuracy against differences of smoothness."""
    columns: list[Column] = [
        ("data set", lambda a: text(findings.name(a.dataset))),
        ("at", lambda a: text(a.at)),
        ("slope, pooled", lambda a: _points(a.pooled.slope)),
        ("95 % interval", lambda a: _between(*a.pooled.slope_interval)),
        ("R²", lambda a: number(a.pooled.r_squared, ".2f")),
        ("left at equal smoothness", lambda a: _points(a.intercept)),
        ("95 % interval", lambda a: _between(*a.intercept_interval)),
        ("slope, within", lambda a: _points(a.within.slope)),
        ("95 % interval", lambda a: _between(*a.within.slope_interval)),
        ("R²", lambda a: number(a.within.r_squared, ".2f")),
        ("pairs", lambda a: number(a.pairs, "d")),
        ("seeds", lambda a: number(a.seeds, "d")),
        ("left out", lambda a: number(a.left_out, "d")),
    ]
    notes = [
        "slope: points of accuracy that frozen is above dense, for every unit by which its ln "
        "uncentred quotient is above that of dense; seed, depth and ratio make a pair. Intervals: "
        "whole seeds resampled. within: the mean of each depth and ratio taken off, so that what "
        "differs between depths makes no line. left at equal smoothness: the pooled line where "
        "smoothness does not differ, the direct effect of a mediation.",
        "It takes for granted that nothing else which freezing changes moves both, that the line "
        "is straight and that smoothness is measured without error. Interventions do not.",
    ]
    found = findings.associations
    return Table.of("Accuracy and smoothness", found, columns, notes, names=2)


def severity_table(findings: Findings) -> Table:
    """How often the rule says shown where the truth is known."""

    def rate(name: str) -> Callable[[Any], Cell]:
        def cell(entry: Any) -> Cell:
            found, false = entry["shown"][name], name in _false(entry)
            mark = " (false)" if false else ""
            ends = f"{100 * found['low']:.1f} to {100 * found['high']:.1f}"
            return Cell(f"{100 * found['rate']:.1f} % ({ends}){mark}", found["rate"])

        return cell

    columns: list[Column] = [
        ("world", lambda entry: text(entry["name"])),
        *((f"{name} shown", rate(name)) for name in NAMES),
        ("conjecture shown", rate("conjecture")),
        ("simulations", lambda entry: number(entry["simulations"], "d")),
    ]
    notes = [
        "Synthetic trajectories of worlds in which it is known what freezing does, judged by the "
        "code and the rule that judge the real ones, at as many seeds. (false): not true in that "
        "world; alpha at most. Exact 95 % intervals (Clopper and Pearson).",
    ]
    title = "How often the rule says shown, on synthetic trajectories"
    return Table.of(title, findings.severity, columns, notes, names=1)


def _false(entry: Any) -> list[str]:
    false = list(entry["world"]["false"])
    return [*false, "conjecture"] if false else []


#: Every table by name.
TABLES: dict[str, Callable[[Findings], Table | None]] = {
    "claims": claim_table,
    "slices": slice_table,
    "matches": match_table,
    "what_if": what_if_table,
    "arms": arm_table,
    "contrasts": contrast_table,
    "factorial": factorial_table,
    "associations": association_table,
    "severity": severity_table,
}


# Cells


def _times(part: Component) -> float:
    return column(part.endpoint).factor


def _effect(part: Component, value: float) -> Cell:
    return Cell(NO_NUMBER) if math.isnan(value) else Cell(effect(part.endpoint, value), value)


def _ends(part: Component) -> Cell:
    times = _times(part)
    return interval(times * part.low, times * part.high)


def _collapsed(row: Any) -> Cell:
    one, both = row.part.one_collapsed, row.part.both_collapsed
    return Cell(f"{one} / {both}", one + both)


def _points(value: float) -> Cell:
    return number(value, "+.2f", factor=100)


def _between(low: float, high: float) -> Cell:
    return interval(low, high, "+.2f", factor=100)


def _mean(found: Any, times: float = 1.0) -> Cell:
    """A mean with its interval and the number of seeds."""
    if math.isnan(found.mean):
        return Cell(NO_NUMBER)
    mean, low, high = (times * each for each in (found.mean, found.low, found.high))
    ends = "" if math.isnan(low) else f" ({low:+.2g} to {high:+.2g})"
    ends += f"; {found.n}"
    return Cell(f"{mean:+.3g}{ends}", found.mean)
