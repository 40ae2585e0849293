"""Tables of a study for people: the summary, the paired comparisons, every run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from gslt.studies.report.formats import NONE, Cell, Table
from gslt.studies.report.provenance import hardware
from gslt.studies.report.rows import Group, StudyResults, is_number
from gslt.studies.report.series import named, shown
from gslt.studies.report.statistics import Comparison
from gslt.training.results import format_accuracy

#: Axes that the columns of the summary show already.
_SHOWN = {"sparsity", "prune_ratio", "lock_ratio", "freezing_ratio", "weight_init", "method"}


def summary_table(results: StudyResults) -> Table:
    """One line a group: the table of the Frozen paper, with OGB's columns."""
    axes = [name for name in axis_names(results.groups) if name not in _SHOWN]
    places = [name.replace("_", " ") for name in axes]
    headings = ["method", *places, *(heading for heading, _ in SUMMARY)]
    rows = []
    for group in results.groups:
        cells = [Cell(group.arm, group.arm)]
        cells += [_plain(group.axes.get(name)) for name in axes]
        rows.append([*cells, *(cell(group) for _, cell in SUMMARY)])
    title = f"{results.study.title or results.study.name} on {results.dataset}"
    return Table(title, headings, rows, _notes(results), names=2 + len(axes))


def _initialisation(group: Group) -> Cell:
    value = str(group.value("weight_init") or NONE).upper()
    return Cell(value, value)


def _sparsity(group: Group) -> Cell:
    sparsity, density = group.mean("sparsity"), group.mean("density")
    if math.isnan(sparsity):
        return Cell(NONE)
    return Cell(f"{sparsity:.2f} ({density:.2f})", sparsity)


def _frozen(group: Group) -> Cell:
    prune, lock = group.mean("prune_ratio"), group.mean("lock_ratio")
    return Cell(NONE) if math.isnan(prune) else Cell(f"{prune:.2f} / {lock:.2f}", prune)


def _freezing_ratio(group: Group) -> Cell:
    ratio = group.mean("freezing_ratio")
    return Cell(NONE) if math.isnan(ratio) else Cell(f"{ratio:.2f}", ratio)


def _search_space(group: Group) -> Cell:
    searched, share = group.mean("searched"), group.mean("search_space")
    if math.isnan(searched):
        return Cell(NONE)
    return Cell(f"{searched:,.0f} ({100 * share:.0f} %)", searched)


def _accuracy(column: str) -> Callable[[Group], Cell]:
    def cell(group: Group) -> Cell:
        return Cell(format_accuracy(group.mean(column), group.std(column)), group.mean(column))

    return cell


def _count(column: str) -> Callable[[Group], Cell]:
    def cell(group: Group) -> Cell:
        value = group.mean(column)
        return Cell(NONE) if math.isnan(value) else Cell(f"{value:,.0f}", value)

    return cell


def _size(group: Group) -> Cell:
    size = group.mean("model_bytes")
    return Cell(NONE) if math.isnan(size) else Cell(format_bytes(size), size)


def _times_smaller(group: Group) -> Cell:
    times = group.mean("times_smaller")
    return Cell(NONE) if math.isnan(times) else Cell(f"{times:.1f}", times)


SUMMARY: list[tuple[str, Callable[[Group], Cell]]] = [
    ("initialisation", _initialisation),
    ("sparsity (density)", _sparsity),
    ("pruned / locked", _frozen),
    ("freezing ratio", _freezing_ratio),
    ("search space", _search_space),
    ("test accuracy (%)", _accuracy("test_accuracy")),
    ("validation (%)", _accuracy("val_accuracy")),
    ("n", lambda group: Cell(str(group.n), group.n)),
    ("model size", _size),
    ("× smaller", _times_smaller),
    ("parameters", _count("num_weights")),
]


def comparison_table(results: StudyResults, comparisons: Sequence[Comparison]) -> Table:
    """One line a comparison: differences of test accuracy in points.

    The seeds have columns of their own where some comparison has more pairs than seeds.
    """
    several = any(len(each.pairs) > each.seeds for each in comparisons)
    tests = [
        ("pairs", lambda each: Cell(str(len(each.pairs)), len(each.pairs))),
        ("p", lambda each: _p(each.by_pairs.p)),
        ("least p", lambda each: _p(each.by_pairs.least)),
        ("seeds", lambda each: Cell(str(each.seeds), each.seeds)),
        ("p by seeds", lambda each: _p(each.by_seeds.p)),
        ("least p by seeds", lambda each: _p(each.by_seeds.least)),
    ]
    columns = [*COMPARISON, *(tests if several else tests[:3]), ("p, Holm", lambda e: _p(e.p_holm))]
    headings = [heading for heading, _ in columns]
    rows = [[cell(each) for _, cell in columns] for each in comparisons]
    title = f"{results.study.title or results.study.name} on {results.dataset}: paired comparisons"
    notes = [*COMPARISON_NOTES, *([SEEDS_NOTE] if several else [])]
    return Table(title, headings, rows, notes, names=2, arms=True)


COMPARISON_NOTES = [
    "Differences of test accuracy between runs of the same seed, graph and values of what both "
    "arms vary; runs that two arms share are left out.",
    "Interval: bootstrap of the mean difference (BCa, 9,999 resamples); too narrow for few pairs.",
    "p: two-sided sign-flip permutation test of the mean difference; least p: the smallest that so "
    "many pairs can reach, whatever the accuracies.",
    "Holm: p corrected for all comparisons of this table, by seeds where there are more pairs.",
]
SEEDS_NOTE = (
    "p by seeds flips all pairs of a seed together, as runs of one seed share their random "
    "numbers: trust it where there are more pairs than seeds; the interval takes pairs for "
    "independent."
)


def _interval(each: Comparison) -> Cell:
    low, high = each.interval
    return Cell(NONE) if math.isnan(low) else Cell(f"{100 * low:+.2f} to {100 * high:+.2f}", low)


def _p(value: float) -> Cell:
    return Cell(f"{value:.2g}", value)


COMPARISON: list[tuple[str, Callable[[Comparison], Cell]]] = [
    ("first arm", lambda each: Cell(named(each.first, each.first_at), each.first)),
    ("second arm", lambda each: Cell(named(each.second, each.second_at), each.second)),
    (
        "first − second (points)",
        lambda each: Cell(f"{100 * each.difference:+.2f}", each.difference),
    ),
    ("95 % interval", _interval),
]


def runs_table(results: StudyResults) -> Table:
    """One line a run, for the page."""
    headings = ["arm", "run", "seed", "test (%)", "validation (%)", "best epoch", "seconds"]
    rows = []
    for row in results.rows:
        place = named(row.arm, row.axes)
        test, val = (row.values[name] for name in ("test_accuracy", "val_accuracy"))
        epoch, seconds = (row.values.get(name) for name in ("best_epoch", "seconds"))
        rows.append(
            [
                Cell(place, place),
                Cell(row.identity, row.identity),
                Cell(str(row.seed), row.seed),
                Cell(format_accuracy(test), test),
                Cell(format_accuracy(val), val),
                _plain(epoch),
                Cell(NONE) if seconds is None else Cell(f"{seconds:.1f}", seconds),
            ]
        )
    return Table(f"{results.study.name}: every run", headings, rows, names=2)


def _plain(value: Any) -> Cell:
    if value is None:
        return Cell(NONE)
    return Cell(shown(value), value if is_number(value) else str(value))


def axis_names(groups: Iterable[Group]) -> list[str]:
    """Everything that varies within some arm."""
    return list(dict.fromkeys(name for group in groups for name in group.axes))


def _notes(results: StudyResults) -> list[str]:
    missing = results.total - len(results.records)
    notes = [
        f"Accuracies: mean ± unbiased standard deviation over n seeds ({results.seeds} here), at "
        "the epoch of the best validation accuracy.",
        "Parameters: weights of the whole network; search space: those that have a score. Model "
        "size: one bit per searched weight, or float32 weights.",
        f"Hardware: {'; '.join(hardware(results.records.values()))}.",
    ]
    if names := results.synthetic:
        notes.append(f"Synthetic graph, no accuracy on real data: {', '.join(names)}.")
    if missing:
        notes.append(f"Partial: {missing} of {results.total} runs are missing.")
    return notes


def format_bytes(size: float) -> str:
    """Such as ``532 B``, ``8.8 kB`` or ``1.5 MB``."""
    if size < 1000:
        return f"{size:,.0f} B"
    return f"{size / 1e3:,.1f} kB" if size < 1e6 else f"{size / 1e6:,.1f} MB"
