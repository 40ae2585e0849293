"""The picture of the steps: how each changes what the layer's representation is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from gslt.diagnostics import Step
from gslt.oversmoothing.canvas import (
    COLLAPSED,
    Curve,
    dress,
    new_figure,
    ticks,
)
from gslt.oversmoothing.groups import averaged_over
from gslt.oversmoothing.measurement import Measurement, drawn
from gslt.oversmoothing.pictures import PANELS, by_label
from gslt.oversmoothing.steps import stages, step_names
from gslt.studies.report.panel import mark_collapsed
from gslt.studies.report.series import COLOURS, short

#: Measures without a scale, so that a step that only multiplies leaves them as they are.
_MEASURES = ("centred_rayleigh_quotient", "collapse", "effective_rank")
_MOST = 4
#: How far right of its last step a layer ends.
_SHIFT = 0.125


def steps_figure(members: Sequence[Measurement], title: str) -> Any:
    """Measures after every step, in the order of the computation, an arm a column; None without."""
    arms = by_label(each for each in members if each.steps)
    names = [n for n in _MEASURES if any(n in row for each in members for row in each.steps)]
    if not names:
        return None
    shown = dict(list(arms.items())[:_MOST])
    steps = step_names(each for mine in shown.values() for each in mine)
    # The same in every picture, whatever comes first.
    look = dict(zip(get_args(Step), zip(COLOURS, "osD^vP", strict=True), strict=True))
    style = {step: look[step] for step in steps}
    depth = members[0].network.depth
    curves = {(name, label): _curve(name, mine) for name in names for label, mine in shown.items()}
    caption = _caption(members, curves.values(), len(arms))
    width = 1.6 + max(3.4, min(7.0, 0.45 * depth)) * len(shown)
    figure = new_figure(width, 2.1 * len(names) + 1.1, f"{title}, step by step", caption)
    grid = figure.subplots(len(names), len(shown), squeeze=False, sharex=True, sharey="row")
    for number, (row, name) in enumerate(zip(grid, names, strict=True)):
        for axes, (label, mine) in zip(row, shown.items(), strict=True):
            kinds = {stage.place: stage.step for each in reversed(mine) for stage in stages(each)}
            _draw(axes, curves[name, label], kinds, style, depth)
            top, bottom = number == 0, number == len(names) - 1
            title, x = short(label) if top else "", "layer" if bottom else ""
            dress(axes, title, x, PANELS[name].log)
            ticks(axes)
        log = " (log)" if PANELS[name].log else ""
        row[0].set_ylabel(PANELS[name].title + log, fontsize=9)
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside right upper", frameon=False, fontsize=8.5, title="after"
    )
    # Laid out once, so that both of its files have the same layout.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def _caption(members: Sequence[Measurement], curves: Iterable[Curve], arms: int) -> str:
    collapsed = COLLAPSED if any(curve.collapsed for curve in curves) else ""
    left_out = f" The first {_MOST} of {arms} arms." if arms > _MOST else ""
    return (
        "Each point: the representation after one step, from left to right as they are computed; "
        f"shaded: every other layer. Means over {averaged_over(members)}; bands ± unbiased "
        "standard deviation, of the logarithm where the axis is logarithmic."
        f"{collapsed}{left_out}"
    )


def _curve(name: str, mine: Sequence[Measurement]) -> Curve:
    values: dict[float, list[float | None]] = {}
    for stage in (stage for each in mine for stage in stages(each)):
        values.setdefault(stage.place, []).append(drawn(stage.row, name))
    return Curve.of(values, PANELS[name].log)


def _draw(
    axes: Any,
    curve: Curve,
    kinds: Mapping[float, str],
    style: Mapping[str, tuple[str, str]],
    depth: int,
) -> None:
    """A line through all steps, and at each place the mark of its kind of step."""
    for layer in range(2, depth + 1, 2):
        axes.axvspan(layer - 1 + _SHIFT, layer + _SHIFT, color="black", alpha=0.05, linewidth=0)
    axes.fill_between(curve.x, curve.low, curve.high, color="#777777", alpha=0.15, linewidth=0)
    axes.plot(curve.x, curve.middle, color="#999999", linewidth=0.9, zorder=1)
    if curve.collapsed:
        mark_collapsed(axes, curve.collapsed, "#777777")
    for step, (colour, marker) in style.items():
        chosen = [number for number, place in enumerate(curve.x) if kinds[place] == step]
        axes.plot(
            [curve.x[number] for number in chosen],
            [curve.middle[number] for number in chosen],
            linestyle="none",
            marker=marker,
            markersize=5 if depth <= 8 else 3,
            color=colour,
            label=step,
        )
    layers = range(1, depth + 1) if depth <= 10 else range(depth // 8, depth + 1, depth // 8)
    axes.set_xticks([layer - 0.5 + _SHIFT for layer in layers], [str(layer) for layer in layers])
    axes.set_xlim(_SHIFT, depth + _SHIFT)
