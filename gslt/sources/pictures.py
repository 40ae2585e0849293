"""Pictures of a comparison: accuracy against size, and learning curves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from gslt.data.metrics import reworded
from gslt.report.figures import canvas, number_axis, panel_title
from gslt.report.groups import StudyGroups
from gslt.report.lines import Line, draw_lines, label_lines
from gslt.report.statistics import averages
from gslt.report.tables import accuracy
from gslt.studies.columns import is_missing

if TYPE_CHECKING:
    from pandas import DataFrame

#: Panels by name: what a picture of it is called, and what its caption says.
PANELS = {
    "size": "accuracy against size",
    "curves": "validation accuracy during search and training",
}
_CAPTIONS = {
    "size": "Size: ticket file with its header, or float32 weights; ×: so many times smaller than "
    "these. Bars: ± unbiased standard deviation over seeds (n = {n}).",
    "curves": "Lines: mean validation accuracy; bands: ± unbiased standard deviation over seeds "
    "(n = {n}). Marks: test accuracy of each seed at its best epoch.",
}
#: What it says besides where runs of one arm have different numbers of epochs.
_EARLY = " Runs ended early: each line ends with the first of its seeds that did."


def picture(groups: StudyGroups, curves: DataFrame, *panels: str) -> Any:
    """A figure with a panel for each name of :data:`PANELS`.

    Args:
        groups: the arms.
        curves: a row for every arm, seed and epoch, with ``val``, a fraction.
        panels: names, from left to right.
    """
    metric, several = groups.results.metric, len(panels) > 1
    parts = [groups.results.dataset, *([] if several else [PANELS[panels[0]]])]
    notes = " ".join(_CAPTIONS[name].format(n=groups.seeds) for name in panels)
    common = _of_all_seeds(curves) if "curves" in panels else curves
    if len(common) < len(curves):
        notes += _EARLY
    title, notes = (reworded(words, metric) for words in (": ".join(parts), notes))
    found = canvas([list(panels)], title, notes, width=7.5)
    drawn = []
    for name in panels:
        axes = found.panels[name]
        if several:
            panel_title(axes, reworded(PANELS[name], metric))
        lines = _sizes(axes, groups) if name == "size" else _curves(axes, groups, common)
        drawn.append((axes, lines))
    label_lines(found.figure, drawn)
    return found.figure


def _sizes(axes: Any, groups: StudyGroups) -> list[Line]:
    """Mean test accuracy of each arm against its bytes."""
    lines = []
    for group in groups.frame.itertuples():
        mean, std = 100 * group.test_accuracy, 100 * group.test_accuracy_std
        spread = not math.isnan(std)
        look = groups.looks[group.arm]
        words = f"{group.arm} {accuracy(group.test_accuracy, group.test_accuracy_std).text}"
        times = times_smaller(group)
        lines.append(
            Line(
                label=f"{words}, × {times:.1f}" if times > 1 else words,
                colour=look.colour,
                marker=look.marker,
                x=[drawn_bytes(group) / 1000],
                y=[mean],
                low=[mean - std] if spread else [],
                high=[mean + std] if spread else [],
            )
        )
    draw_lines(axes, lines)
    places = [line.x[0] for line in lines]
    number_axis(axes, places, "size in kB", log=True)
    axes.set_xlim(min(places) / 2, max(places) * 2)
    axes.margins(y=0.15)
    axes.set_ylabel(reworded("test accuracy (%)", groups.results.metric))
    return lines


def _of_all_seeds(curves: DataFrame) -> DataFrame:
    """The epochs that all seeds of an arm have: a mean over those that go on would be of others."""
    last = curves.groupby(["arm", "seed"])["epoch"].max().groupby("arm").min()
    return curves[curves["epoch"] <= curves["arm"].map(last)]


def _curves(axes: Any, groups: StudyGroups, curves: DataFrame) -> list[Line]:
    """Mean validation accuracy of each arm over its epochs, and where its seeds were best."""
    means = averages(curves, ["arm", "epoch"], ["val"])
    lines = []
    for arm, look in groups.looks.items():
        mine, runs = (rows[rows["arm"] == arm] for rows in (means, groups.runs))
        if not len(mine):
            continue
        lines.append(Line.of(mine, "epoch", factor=100, label=arm, colour=look.colour, marker=""))
        best = runs["best_epoch"], 100 * runs["test_accuracy"]
        axes.plot(*best, look.marker, color=look.colour, markersize=4.5, alpha=0.7)
    draw_lines(axes, lines)
    number_axis(axes, [x for line in lines for x in line.x], "epoch", log=False)
    axes.set_ylabel(reworded("validation accuracy (%)", groups.results.metric))
    return lines


def drawn_bytes(group: Any) -> float:
    """Bytes of the ticket file of a group of runs, or of its float32 weights."""
    return float(4 * group.num_weights if is_missing(group.file_bytes) else group.file_bytes)


def times_smaller(group: Any) -> float:
    """How many times smaller than float32 weights that is: 4 N / bytes."""
    return float(4 * group.num_weights / drawn_bytes(group))
