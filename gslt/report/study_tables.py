"""The columns of a study's tables: summary, comparisons of arms, runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from gslt.report.construction import constructed_columns
from gslt.report.tables import (
    NONE,
    Cell,
    Column,
    accuracy_of,
    interval,
    number,
    p_value,
    size,
    text,
    together,
)
from gslt.studies.columns import named, shown, span
from gslt.studies.runs import ASKED_DENSITY

if TYPE_CHECKING:
    from pandas import DataFrame

#: An epoch of a run: that of its best validation accuracy, or its last.
ReportedEpoch = Literal["best", "last"]
#: In words, and what the names of its columns begin with.
EPOCH_WORDS: dict[ReportedEpoch, str] = {
    "best": "the epoch of the best validation accuracy",
    "last": "the last epoch",
}
EPOCH_PREFIX: dict[ReportedEpoch, str] = {"best": "", "last": "last_"}


def decimals(values: Sequence[float], asked: Sequence[Any]) -> int:
    """As many decimals as tell numbers apart, 2 to 6, and as show none below 1 as 1.

    Args:
        values: what is shown.
        asked: what each was to be: numbers that were to be equal may be shown alike.

    >>> decimals([0.5, 0.501, 0.8], [0.5, 0.5, 0.8]), decimals([0.99, 0.992], [0.99, 0.992])
    (2, 3)
    >>> decimals([0.9996], [0.9996])
    4
    """
    for count in range(2, 6):
        words = [f"{value:.{count}f}" for value in values]
        first = dict(zip(reversed(words), reversed(asked), strict=True))
        alike = any(first[word] != other for word, other in zip(words, asked, strict=True))
        ones = any(float(word) == 1 > value for word, value in zip(words, values, strict=True))
        if not alike and not ones:
            return count
    return 6


def _sparsity(rows: DataFrame) -> Column:
    known = rows[rows["sparsity"].notna()]
    found = known["sparsity"].astype(float).tolist()
    asked = known[ASKED_DENSITY].astype(float).fillna(known["density"].round(2)).tolist()
    form = "{{:.{0}f}} ({{:.{0}f}})".format(decimals(found, asked))
    return "sparsity (density)", lambda group: together(form, group.sparsity, group.density)


def _freezing(rows: DataFrame) -> list[Column]:
    """What the summary says before the accuracies of what is frozen."""
    parts, whole = _of_ratios(rows, "prune_ratio", "lock_ratio"), _of_ratios(rows, "freezing_ratio")
    form = f"{{:.{parts}f}} / {{:.{parts}f}}"
    return [
        ("pruned / locked", lambda group: together(form, group.prune_ratio, group.lock_ratio)),
        ("freezing ratio", lambda group: number(group.freezing_ratio, f".{whole}f")),
    ]


def _of_ratios(rows: DataFrame, *names: str) -> int:
    """Decimals of ratios; those that are drawn by chance differ by less than a thousandth."""
    found = [rows[name].dropna().astype(float).tolist() for name in names]
    return max(decimals(values, [round(value, 3) for value in values]) for values in found)


def _search_space(group: Any) -> Cell:
    return together("{:,.0f} ({:.0f} %)", group.searched, 100 * group.search_space)


def _accuracies(epoch: ReportedEpoch, heads: Sequence[str], *, spread: bool) -> list[Column]:
    """Test, validation and training accuracy at an epoch."""
    names = [f"{EPOCH_PREFIX[epoch]}{split}_accuracy" for split in ("test", "val", "train")]
    return [(h, accuracy_of(n, spread=spread)) for h, n in zip(heads, names, strict=True)]


def summary_columns(rows: DataFrame, epoch: ReportedEpoch = "best") -> list[Column]:
    """The summary: of a row of :attr:`gslt.report.groups.StudyGroups.frame`.

    Args:
        rows: of the table: ratios have as many decimals as tell them apart.
        epoch: whose accuracies are shown.
    """
    heads = ("test accuracy (%)", "validation (%)", "training (%)")
    return [
        ("initialisation", lambda group: text(str(group.weight_init or NONE).upper())),
        _sparsity(rows),
        *_freezing(rows),
        ("search space", _search_space),
        *_accuracies(epoch, heads, spread=True),
        *_SIZE,
    ]


def constructed_summary(rows: DataFrame) -> list[Column]:
    """The summary of constructed tickets: of a row of the same frame.

    Args:
        rows: of the table.
    """
    return [_freezing(rows)[-1], *constructed_columns(True), _SEEDS]


#: What the summary says below of searches and trainings.
SUMMARY_NOTES = [
    "Parameters: weights of the whole network; search space: those that have a score. Model size: "
    "one bit per searched weight, or float32 weights.",
]
#: What the summary says after the accuracies.
_SEEDS: Column = ("n", lambda group: number(group.n, "d"))
_SIZE: list[Column] = [
    _SEEDS,
    ("model size", lambda group: size(group.model_bytes)),
    ("× smaller", lambda group: number(group.times_smaller, ".1f")),
    ("parameters", lambda group: number(group.num_weights, ",.0f")),
]

_COMPARED: list[Column] = [
    ("first arm", lambda each: Cell(named(each.first, each.first_at), each.first)),
    ("second arm", lambda each: Cell(named(each.second, each.second_at), each.second)),
]
_EQUAL: Column = ("equal in a pair", lambda each: text(_equal_words(each.equal) or None))
_DIFFERENCE: list[Column] = [
    ("first − second (points)", lambda each: number(each.difference, "+.2f", factor=100)),
    ("95 % interval", lambda each: interval(each.low, each.high, "+.2f", factor=100)),
    ("pairs", lambda each: number(each.pairs, "d")),
]
_PAIRED_SEEDS: Column = ("seeds", lambda each: number(each.seeds, "d"))
_COMPARISON_NOTES = [
    "Differences of test accuracy between runs of the same seed, graph and values of what both "
    "arms vary; runs that two arms share are left out.",
    "Interval: bootstrap of the mean difference (BCa, 9,999 resamples, at the level that gives "
    "Student's interval for normal numbers); pairs count as independent, and for fewer than six it "
    "is too narrow.",
]


def _equal_words(equal: Mapping[str, Sequence[Any]]) -> str:
    """In what the runs of a pair are equal, and how many values that has where it has several.

    >>> _equal_words({"density": [0.02], "allocation": ["epl", "erk"]})
    'density 0.02, allocation (2 values)'
    """
    return ", ".join(
        f"{name.replace('_', ' ')} "
        + (shown(values[0]) if len(values) == 1 else f"({len(values)} values)")
        for name, values in equal.items()
    )


_DENSITY_NOTE = (
    "Arms that say by different settings how many weights are left are compared at every density "
    "that both have, and at no other."
)
_UNPAIRED_NOTE = (
    "Left out: up to {n} runs of a comparison, at values of what both arms vary that one of them "
    "alone has."
)


def comparison_columns(found: DataFrame) -> tuple[list[Column], list[str], int]:
    """The columns of a table of comparisons, its notes, and how many columns name what is compared.

    The seeds have a column of their own where some comparison has more pairs than seeds.

    Args:
        found: comparisons, see :func:`gslt.report.statistics.compare_arms`.
    """
    if not len(found):
        return [*_COMPARED, *_DIFFERENCE], _COMPARISON_NOTES, 2
    equal = [_EQUAL] if found["equal"].map(bool).any() else []
    seeds = [_PAIRED_SEEDS] if (found["pairs"] > found["seeds"]).any() else []
    tests, of_tests = p_columns(found)
    by_density = [_DENSITY_NOTE] if any("density" in each for each in found["equal"]) else []
    most = int(found["unpaired_left_out"].max())
    unpaired = [_UNPAIRED_NOTE.format(n=most)] if most else []
    columns = [*_COMPARED, *equal, *_DIFFERENCE, *seeds, *tests]
    return columns, [*_COMPARISON_NOTES, *by_density, *unpaired, *of_tests], 2 + len(equal)


#: Below this a p-value is called small: one that cannot get there is not shown.
SMALL_P = 0.05
_P_NOTE = (
    "p: two-sided sign-flip permutation test of the mean difference; all pairs of a seed are "
    "flipped together, as runs of one seed share their random numbers. The interval takes pairs "
    "for independent."
)


def p_columns(found: DataFrame) -> tuple[list[Column], list[str]]:
    """The columns of p-values that can be small, and what is to be said of all of them.

    A sign-flip test of n seeds has no p below 2 / 2^n, and Holm's correction for m comparisons none
    below m times that. A p that cannot fall below :data:`SMALL_P` says nothing about the
    difference: it is a dash, or no column where none can.

    Args:
        found: comparisons, see :func:`gslt.report.statistics.compare_arms`.
    """
    if not len(found):
        return [], []
    count, least = len(found), found["least_p_seeds"]
    seeds, corrected = span(found["seeds"].tolist()), (count * least).clip(upper=1.0)
    if not (least < SMALL_P).any():
        few = f"n too small for a test by sign flips: with {seeds} seeds the smallest possible p is"
        return [], [f"{few} {_p_span(least)}; below {SMALL_P:g} takes 6 seeds."]
    columns: list[Column] = [("p", lambda each: _p(each.p_seeds, each.least_p_seeds))]
    notes = [f"{_P_NOTE} The smallest possible with {seeds} seeds: {_p_span(least)}."]
    if (corrected < SMALL_P).any():
        columns.append(("p, Holm", lambda each: _p(each.p_seeds_holm, count * each.least_p_seeds)))
        notes.append("Holm: p corrected for all comparisons of this table.")
    else:
        notes.append(
            f"n too small for Holm's correction: the smallest possible p for {count} comparisons "
            f"is {_p_span(corrected)}. A comparison that was not chosen beforehand shows nothing "
            "by its p."
        )
    return columns, notes


def _p(value: float, least: float) -> Cell:
    return p_value(value) if least < SMALL_P else Cell(NONE)


def _p_span(values: Any) -> str:
    return " to ".join(dict.fromkeys(f"{end:.2g}" for end in (min(values), max(values))))


def run_columns(epoch: ReportedEpoch) -> list[Column]:
    """One line a run: of a row of the frame of runs.

    Args:
        epoch: whose accuracies and losses are shown.
    """
    heads = ("test (%)", "validation (%)", "training (%)")
    losses = [
        (
            f"{word} loss",
            lambda run, n=f"{EPOCH_PREFIX[epoch]}{split}_loss": number(getattr(run, n)),
        )
        for word, split in (("test", "test"), ("training", "train"))
    ]
    return [*_RUN, *_accuracies(epoch, heads, spread=False), *losses, *_COURSE]


def constructed_runs() -> list[Column]:
    """One line a constructed ticket: of a row of the same frame."""
    return [*_RUN, *constructed_columns(False)]


_RUN: list[Column] = [
    ("arm", lambda run: text(run.label)),
    ("run", lambda run: text(run.identity)),
    ("seed", lambda run: number(run.seed, "d")),
]
_COURSE: list[Column] = [
    ("best epoch", lambda run: text(getattr(run, "best_epoch", math.nan))),
    ("seconds", lambda run: number(getattr(run, "seconds", math.nan), ".1f")),
]
