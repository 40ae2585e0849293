"""What the pictures share: figures, lines with bands, names at their ends, files."""

from __future__ import annotations

import math
import statistics
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gslt.oversmoothing.measurement import Measurement
from gslt.studies.report.labels import spread
from gslt.studies.report.panel import mark_collapsed
from gslt.studies.report.series import BASELINE, COLOURS, short

GREY = "#555555"
_MARKERS = "os^DvPX"


@dataclass(frozen=True)
class Style:
    """How an arm is drawn; its untrained networks are dashed and hollow."""

    colour: str
    marker: str


@dataclass(frozen=True)
class Curve:
    """Means over networks at each place, and where mean ± standard deviation ends; NaN: none."""

    x: list[float]
    middle: list[float]
    low: list[float]
    high: list[float]
    collapsed: list[float] = field(default_factory=list)
    """Places where some value is 0, which has no place on a logarithmic axis."""

    @classmethod
    def of(cls, points: Mapping[float, Sequence[float | None]], log: bool) -> Curve:
        """Over values by place; means and deviations are of logarithms where ``log`` says so."""
        rows = [_spread(values, log) for _, values in sorted(points.items())]
        middle, low, high = (list(column) for column in zip(*rows, strict=True))
        collapsed = [place for place, values in sorted(points.items()) if log and 0.0 in values]
        return cls(sorted(points), middle, low, high, collapsed)


def _spread(values: Iterable[float | None], log: bool) -> tuple[float, float, float]:
    known = [v for v in values if v is not None and math.isfinite(v) and (v > 0 or not log)]
    if not known:
        return math.nan, math.nan, math.nan
    numbers = [math.log(v) for v in known] if log else known
    mean = statistics.fmean(numbers)
    std = statistics.stdev(numbers) if len(numbers) > 1 else 0.0
    ends = mean, mean - std, mean + std
    return tuple(math.exp(v) for v in ends) if log else ends  # type: ignore[return-value]


def styles(measurements: Sequence[Measurement]) -> dict[str, Style]:
    """The style of each arm; the only weight training is black."""
    arms = {each.network.arm: each.network.settings for each in measurements}
    whole = [arm for arm, own in arms.items() if own.get("mask_sparsity") == 0]
    black = whole if len(whole) == 1 and len(arms) > 1 else []
    others = [arm for arm in arms if arm not in black]
    colours = {arm: COLOURS[number % len(COLOURS)] for number, arm in enumerate(others)}
    colours |= dict.fromkeys(black, BASELINE)
    return {
        arm: Style(colours[arm], _MARKERS[number % len(_MARKERS)])
        for number, arm in enumerate(arms)
    }


def new_figure(width: float, height: float, title: str, caption: str) -> Any:
    """A figure with a title above and a caption below."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    above = textwrap.fill(title, int(11 * width))
    figure.suptitle(above, fontsize=11, x=0.01, ha="left", parse_math=False)
    below = textwrap.fill(caption, int(15.5 * width))
    figure.supxlabel(below, fontsize=7.5, color=GREY, x=0.01, ha="left")
    return figure


def dress(axes: Any, title: str, x: str, log: bool) -> None:
    """Title, grid and scale of a panel."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    # A dollar sign in the name of an arm is no formula.
    axes.set_title(title, fontsize=9.5, loc="left", parse_math=False)
    axes.set_xlabel(x, fontsize=9)
    axes.tick_params(labelsize=8)
    if log:
        axes.set_yscale("log")


def ticks(axes: Any) -> None:
    """Plain numbers on a logarithmic vertical axis, however much or little it spans."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    if axes.get_yscale() != "log":
        return
    low, high = axes.get_ylim()
    decades = math.log10(high / low)
    if decades < 0.7:
        axes.yaxis.set_major_locator(MaxNLocator(5))
    else:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2.5 else (1,)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:.4g}")


#: What a caption says of :func:`gslt.studies.report.panel.mark_collapsed`.
COLLAPSED = (
    " Hollow triangles at the bottom: some runs have collapsed totally there; they have no "
    "logarithm, and the mean leaves them out."
)


def draw(axes: Any, curve: Curve, style: Style, untrained: bool) -> None:
    """A line with its band."""
    several = len(curve.x) > 1
    axes.fill_between(curve.x, curve.low, curve.high, color=style.colour, alpha=0.15, linewidth=0)
    if not several and curve.high != curve.low:
        axes.plot(curve.x * 2, [*curve.low, *curve.high], color=style.colour, linewidth=1)
    axes.plot(
        curve.x,
        curve.middle,
        color=style.colour,
        linestyle="--" if untrained else "-",
        linewidth=1.4,
        marker=style.marker,
        markersize=4.5 if len(curve.x) <= 20 else 2.5,
        markerfacecolor="white" if untrained else style.colour,
    )
    if curve.collapsed:
        mark_collapsed(axes, curve.collapsed, style.colour)


def name_lines(axes: Any, named: Mapping[str, tuple[Curve, str]], *, room: bool) -> None:
    """Names of lines on the right of a panel, each joined to the end of its line.

    Call it when all scales are set. ``room`` makes the layout keep space for the names.
    """
    from matplotlib.patheffects import withStroke

    figure = axes.figure
    texts = []
    for label, (_, colour) in named.items():
        text = axes.text(1.06, 0.5, short(label), color=_darker(colour), va="center", fontsize=8)
        text.set_transform(axes.transAxes)
        text.set_in_layout(room)
        text.set_parse_math(False)
        text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
        texts.append(text)
    figure.draw_without_rendering()
    # The heights of the names are right for this layout.
    figure.set_layout_engine("none")
    ends = [_end(axes, curve) for curve, _ in named.values()]
    height = axes.bbox.height
    gap = 1.15 * max(text.get_window_extent().height for text in texts) / height
    wanted = [end[1] if end else 0.0 for end in ends]
    for text, end, y in zip(texts, ends, spread(wanted, gap, 0.0, 1.0), strict=True):
        text.set_y(y)
        if end is not None:
            axes.plot(
                [end[0] + 0.01, 1.05],
                [end[1], y],
                color=text.get_color(),
                linewidth=0.8,
                linestyle=":",
                transform=axes.transAxes,
                clip_on=False,
            )


def _end(axes: Any, curve: Curve) -> tuple[float, float] | None:
    """The last point of a line that is drawn, in shares of the axes."""
    points = [(x, y) for x, y in zip(curve.x, curve.middle, strict=True) if math.isfinite(y)]
    if not points:
        return None
    x, y = (axes.transData + axes.transAxes.inverted()).transform(points[-1])
    return float(x), min(max(float(y), 0.0), 1.0)


def _darker(colour: str) -> str:
    parts = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(0.65 * part):02X}" for part in parts)
