"""The figure of a study: lines over an axis, or dots by arm where there is no axis."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from gslt.studies.report.line_labels import write_labels
from gslt.studies.report.panel import Panel
from gslt.studies.report.rows import StudyResults
from gslt.studies.report.series import colours, named, panels, short, x_column
from gslt.training.results import format_accuracy

_GREY = "#555555"
#: The vertical axis shows at least so many points of accuracy, so that noise does not fill it.
_LEAST_RANGE = 1.0
#: Settings that are told below the figure where all runs share them.
_FACTS = {
    "architecture": "{}",
    "num_layers": "{} layers",
    "hidden_channels": "width {}",
    "epochs": "{} epochs",
}


def study_figure(results: StudyResults) -> Any:
    """A matplotlib figure of test accuracy: means, unbiased standard deviations, labels at lines.

    Colours are those of Okabe & Ito; shapes of points tell arms apart as well.
    """
    from matplotlib import rc_context

    # A dollar sign in the name of an arm is no formula.
    with rc_context({"text.parse_math": False}):
        return _figure(results)


def _figure(results: StudyResults) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    x = x_column(results)
    parts = panels(results) if x else {"": results.groups}
    height = 4.6 if x else 1.9 + 0.34 * len(results.groups)
    width = 7.5 if len(parts) == 1 else 5.2 * len(parts)
    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    all_axes = figure.subplots(1, len(parts), sharey=True, squeeze=False)[0]
    for axes, title in zip(all_axes, parts, strict=True):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        axes.set_axisbelow(True)
        axes.set_title(title, fontsize=10)
    title = results.study.title or results.study.name
    heading = "\n".join(textwrap.fill(text, int(11 * width)) for text in (title, results.dataset))
    figure.suptitle(heading, fontsize=11, x=0.01, ha="left")
    caption = textwrap.fill(_caption(results, bool(x)), int(15 * width))
    figure.supxlabel(caption, fontsize=7.5, color=_GREY, x=0.01, ha="left")
    if x:
        drawn = [
            Panel(axes, results, x, groups)
            for axes, groups in zip(all_axes, parts.values(), strict=True)
        ]
        _draw(figure, drawn)
    else:
        _dots(all_axes[0], results)
    return figure


def _draw(figure: Any, drawn: Sequence[Panel]) -> None:
    for panel in drawn:
        panel.curves()
        panel.scale()
    first = drawn[0].axes
    first.set_ylabel("test accuracy (%)")
    bottom, top = first.get_ylim()
    if (lack := _LEAST_RANGE - (top - bottom)) > 0:
        first.set_ylim(bottom - lack / 2, top + lack / 2)
    write_labels(figure, drawn)


def _caption(results: StudyResults, curves: bool) -> str:
    what = "Points: means; bands" if curves else "Large dots: means; small dots: runs; bars"
    facts = []
    for name, text in _FACTS.items():
        values = dict.fromkeys(row.values.get(name) for row in results.rows)
        if len(values) == 1:
            facts.append(text.format(str(next(iter(values))).upper()))
    seeds = f"{what}: ± unbiased standard deviation over seeds (n = {results.seeds})"
    return ". ".join(part for part in (seeds, ", ".join(facts)) if part)


def _dots(axes: Any, results: StudyResults) -> None:
    """One line of the figure a group: its mean, bar, single runs, and the numbers on the right."""
    colour = colours(results)
    groups = results.groups[::-1]
    for place, group in enumerate(groups):
        mean, std = group.mean("test_accuracy"), group.std("test_accuracy")
        own = colour[group.arm]
        runs = [100 * number for number in group.numbers("test_accuracy")]
        axes.plot(runs, [place] * len(runs), "o", color=own, markersize=3.5, alpha=0.45)
        error = None if math.isnan(std) else 100 * std
        axes.errorbar(100 * mean, place, xerr=error, fmt="o", color=own, capsize=4, markersize=7)
        axes.annotate(
            format_accuracy(mean, std),
            (1.02, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=9,
            annotation_clip=False,
        )
    axes.set_yticks(range(len(groups)), [short(named(group.arm, group.axes)) for group in groups])
    axes.set_ylim(-0.6, len(groups) - 0.4)
    axes.set_xlabel("test accuracy (%)")
