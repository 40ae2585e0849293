"""The pictures: measures over layers, over the search, over depth, and step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from gslt.data.metrics import ACCURACY
from gslt.diagnostics import MEASURES, Step
from gslt.oversmoothing.measuring import Measurements
from gslt.report.colours import BASELINE, LIGHT_GREY, ORDER_RAMP, Look, looks, ramp
from gslt.report.figures import Panel, canvas, depth_axis, panel_title, panels_over, plain_ticks
from gslt.report.lines import COLLAPSED, Line, mark_collapsed, short
from gslt.report.statistics import averages
from gslt.studies.columns import LOG_QUOTIENT, column, span

if TYPE_CHECKING:
    from pandas import DataFrame

_QUOTIENT = "centred_rayleigh_quotient"
_SEARCH = ("dirichlet_energy", _QUOTIENT)
_DEPTH = (_QUOTIENT, "effective_rank")
#: Lines of the picture of the steps, whose marks are coloured.
_GREY = LIGHT_GREY
#: Most arms of that picture.
_MOST = 4
#: How far right of its last step a layer ends in it.
_SHIFT = 0.125


def looks_of(found: Measurements) -> dict[str, Look]:
    """Colour and mark of every arm: those of all pictures."""
    runs = found.runs
    return looks(list(dict.fromkeys(runs["arm"])), set(runs.loc[runs["trains_all"], "arm"]))


def layers_figure(found: Measurements, look: Mapping[str, Look], title: str) -> Any:
    """Every measure over the layers.

    Args:
        found: networks of one graph and one depth.
        look: see :func:`looks_of`.
        title: which graph and how many layers.
    """
    depth = int(found.runs["num_layers"].iloc[0])

    def finish(axes: Any) -> None:
        axes.set_xlim(0.6, depth + 0.4)
        axes.axvspan(depth - 0.5, depth + 0.4, color=BASELINE, alpha=0.06, linewidth=0)

    return _over(
        found.layers,
        "layer",
        list(MEASURES),
        look,
        f"{title}, layer by layer",
        f"{_about(found.runs)} Grey: the layer that gives the logits, which has other columns.",
        finish,
    )


def search_figure(found: Measurements, look: Mapping[str, Look], title: str) -> Any:
    """Energy and centred quotient of the last hidden layer over the epochs; None without any.

    Args:
        found: networks of one graph and one depth.
        look: see :func:`looks_of`.
        title: which graph and how many layers.
    """
    rows = found.search
    if not any(name in rows for name in _SEARCH):
        return None
    runs = found.runs[found.runs["run"].isin(rows["run"])]
    last = rows[rows["layer"] == rows["num_layers"] - 1]
    title = f"{title}, last hidden layer along the search or training"
    return _over(last, "epoch", _SEARCH, look, title, _about(runs))


def depth_figure(found: Measurements, look: Mapping[str, Look], title: str) -> Any:
    """Accuracy and smoothness of the last hidden layer over the depth; None for one depth.

    Args:
        found: networks of one graph.
        look: see :func:`looks_of`.
        title: which graph.
    """
    depths = sorted(found.runs["num_layers"].unique())
    if len(depths) < 2:
        return None
    rows = found.layers[found.layers["layer"] == found.layers["num_layers"] - 1]
    names = ["test_accuracy", *_DEPTH]
    title = f"{title}, last hidden layer over depth"
    return _over(
        rows,
        "num_layers",
        names,
        look,
        title,
        _about(found.runs),
        lambda axes: depth_axis(axes, depths),
        found.metric,
    )


def _over(
    rows: DataFrame,
    x: str,
    names: Sequence[str],
    look: Mapping[str, Look],
    title: str,
    caption: str,
    finish: Callable[[Any], None] = lambda axes: None,
    metric: str = ACCURACY,
) -> Any:
    """A panel for each measure that is there, one line per arm, named beside the last panel."""
    panels = {
        name: Panel(
            title=_title(name, metric), lines=_lines(rows, x, name, look), log=_is_log(name)
        )
        for name in names
        if name in rows
    }
    gone = any(line.collapsed for panel in panels.values() for line in panel.lines)
    return panels_over(panels, x, title, caption + (COLLAPSED if gone else ""), finish)


def _lines(
    rows: DataFrame, x: str, name: str, look: Mapping[str, Look] | None = None
) -> list[Line]:
    """A line per arm through the means of a measure, grey where arms have no look."""
    means = averages(_drawn(rows, name), ["label", "arm", "untrained", x], [name])
    arms = means.groupby(["label", "arm", "untrained"], sort=False)
    return [
        Line.of(
            part,
            x,
            factor=column(name).factor,
            log=_is_log(name),
            gaps=True,
            label=label,
            colour=look[arm].colour if look else _GREY,
            marker=look[arm].marker if look else "",
            dashed=untrained,
        )
        for (label, arm, untrained), part in arms
    ]


def _drawn(rows: DataFrame, name: str) -> DataFrame:
    """The rows with what a picture averages of a measure: its logarithm where the axis is that.

    −∞, the logarithm of nothing, is a total collapse.
    """
    if not _is_log(name):
        return rows
    if name == _QUOTIENT and LOG_QUOTIENT in rows:
        # The quotient itself is undefined where nothing is left.
        return rows.assign(**{name: rows[LOG_QUOTIENT]})
    with np.errstate(divide="ignore", invalid="ignore"):
        return rows.assign(**{name: np.log(rows[name].astype(float))})


def _is_log(name: str) -> bool:
    return name in MEASURES and MEASURES[name].log


def _title(name: str, metric: str = ACCURACY) -> str:
    """What stands over a panel of one layer's or step's measure."""
    return MEASURES[name].title if name in MEASURES else column(name, metric).label


def _about(runs: DataFrame) -> str:
    """What the lines are, of how many networks, and what these share."""
    n = span(runs.groupby(["label", "num_layers"]).size().tolist())
    facts = []
    for name, text in (("architecture", "{}"), ("hidden_channels", "width {}")):
        values = runs[name].unique()
        facts += [text.format(str(values[0]).upper())] if len(values) == 1 else []
    first = ", ".join(facts) + ("; " if facts else "")
    laplacians = " and ".join(kind.replace("_", "-") for kind in runs["laplacian"].unique())
    return (
        f"Means; bands ± unbiased standard deviation over {_averaged_over(runs)} (n = {n}), of "
        f"the logarithm where the axis is logarithmic. {first[:1].upper()}{first[1:]}"
        f"{laplacians} Laplacian."
    )


def _averaged_over(runs: DataFrame) -> str:
    """What means are taken over: seeds, and splits where an arm of one depth has several."""
    several = (runs.groupby(["label", "num_layers"])["split"].nunique() > 1).any()
    return "seeds and splits" if several else "seeds"


# Step by step


def measures_of_steps() -> list[str]:
    """The measures of the picture of the steps.

    They have no scale, so that a step that only multiplies leaves them as they are.
    """
    return [_QUOTIENT, *(name for name, measure in MEASURES.items() if measure.slope)]


def steps_figure(found: Measurements, title: str) -> Any:
    """Measures after every step, in the order of the computation, an arm a column; None without.

    Args:
        found: networks of one graph and one depth.
        title: which graph and how many layers.
    """
    rows = found.steps
    names = [name for name in measures_of_steps() if name in rows]
    if not names:
        return None
    arms = list(dict.fromkeys(rows["label"]))
    shown = arms[:_MOST]
    rows = rows[rows["label"].isin(shown)]
    depth = int(rows["num_layers"].iloc[0])
    lines = {(name, line.label): line for name in names for line in _lines(rows, "place", name)}
    caption = (
        "Each point: the representation after one step, from left to right as they are computed; "
        f"shaded: every other layer. Means over {_averaged_over(found.runs)}; bands ± unbiased "
        "standard deviation, of the logarithm where the axis is logarithmic."
    )
    caption += COLLAPSED if any(line.collapsed for line in lines.values()) else ""
    caption += f" The first {_MOST} of {len(arms)} arms." if len(arms) > _MOST else ""
    across = max(3.4, min(7.0, 0.45 * depth)) + 1.6 / len(shown)
    cells = [[(name, label) for label in shown] for name in names]
    title = f"{title}, step by step"
    made = canvas(cells, title, caption, width=across, height=2.35, share="row")
    for (name, label), axes in made.panels.items():
        mine = rows[rows["label"] == label].drop_duplicates("place")
        kinds = dict(zip(mine["place"], mine["step"], strict=True))
        _draw_steps(axes, lines[name, label], kinds, list(dict.fromkeys(rows["step"])), depth)
        panel_title(axes, short(label) if name == names[0] else "", 9.5)
        axes.set_yscale("log" if _is_log(name) else "linear")
        plain_ticks(axes)
        axes.tick_params(labelsize=8, labelbottom=name == names[-1])
        axes.set_xlabel("layer" if name == names[-1] else "", fontsize=9)
        axes.set_ylabel(_title(name) if label == shown[0] else "", fontsize=9)
    handles, labels = axes.get_legend_handles_labels()
    made.figure.legend(
        handles, labels, loc="outside right upper", frameon=False, fontsize=8.5, title="after"
    )
    # Laid out once, so that both of its files have the same layout.
    made.figure.draw_without_rendering()
    made.figure.set_layout_engine("none")
    return made.figure


def _draw_steps(
    axes: Any, line: Line, kinds: Mapping[float, str], steps: Sequence[str], depth: int
) -> None:
    """A line through all steps, and at each place the mark of its kind of step."""
    for layer in range(2, depth + 1, 2):
        axes.axvspan(layer - 1 + _SHIFT, layer + _SHIFT, color=BASELINE, alpha=0.05, linewidth=0)
    axes.fill_between(line.x, line.low, line.high, color=_GREY, alpha=0.15, linewidth=0)
    axes.plot(line.x, line.y, color=_GREY, linewidth=0.9, zorder=1)
    mark_collapsed(axes, line.collapsed, line.colour)
    # The same in every picture, whatever comes first.
    colours = ramp(*ORDER_RAMP, len(get_args(Step)))
    marks = dict(zip(get_args(Step), zip(colours, "osD^vP", strict=True), strict=True))
    for step in steps:
        points = [(x, y) for x, y in zip(line.x, line.y, strict=True) if kinds[x] == step]
        colour, marker = marks[step]
        axes.plot(
            [x for x, _ in points],
            [y for _, y in points],
            linestyle="none",
            marker=marker,
            markersize=5 if depth <= 8 else 3,
            color=colour,
            label=step,
        )
    layers = range(1, depth + 1) if depth <= 10 else range(depth // 8, depth + 1, depth // 8)
    axes.set_xticks([layer - 0.5 + _SHIFT for layer in layers], [str(layer) for layer in layers])
    axes.set_xlim(_SHIFT, depth + _SHIFT)
