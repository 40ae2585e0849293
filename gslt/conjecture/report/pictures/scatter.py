"""Differences of accuracy against differences of smoothness, with the line through them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gslt.conjecture.report.document import Findings
from gslt.conjecture.report.pictures.canvas import families
from gslt.conjecture.report.pictures.style import DEPTH_RAMP, ramp
from gslt.conjecture.statistics.mediation import Association, Point, frozen_minus_dense


def accuracy_against_smoothness(findings: Findings) -> Any:
    """Every frozen run minus the dense run of its seed and depth."""
    title = "Does the difference in smoothness go with the difference in accuracy?"
    caption = (
        "A point: a frozen run minus the dense run of its seed and depth. Line: least squares over "
        "all points; shaded: slopes within the 95 % interval (whole seeds resampled), turned about "
        "the centre of the points. within: the mean of each depth and freezing ratio taken off. An "
        "association, not an effect."
    )
    canvas = families(findings.evidence, title, caption)
    for family, axes in canvas.panels.items():
        pairs = frozen_minus_dense(findings.evidence.table, family)
        points = [pair for pair in pairs if pair.finite]
        depths = sorted({point.depth for point in points})
        for depth, colour in zip(depths, ramp(DEPTH_RAMP, len(depths)), strict=True):
            here = [point for point in points if point.depth == depth]
            x, y = [each.smooth for each in here], [100 * each.accuracy for each in here]
            axes.plot(x, y, "o", color=colour, markersize=3.5, alpha=0.6, label=f"{depth}")
        axes.axhline(0, color="#888888", linewidth=0.8)
        axes.axvline(0, color="#888888", linewidth=0.8)
        if association := findings.association(family):
            _line(axes, association, points)
            _legend(axes)
        axes.set_xlabel("log centred Rayleigh quotient, frozen − dense")
        axes.set_ylabel("test accuracy, frozen − dense (points)")
    return canvas.figure


def _line(axes: Any, association: Association, points: list[Point]) -> None:
    pooled, within = association.pooled, association.within
    x = np.array([each.smooth for each in points])
    y = np.array([100 * each.accuracy for each in points])
    ends, centre = np.array([x.min(), x.max()]), (x.mean(), y.mean())
    slopes = [pooled.slope, *pooled.slope_interval]
    middle, low, high = (centre[1] + 100 * slope * (ends - centre[0]) for slope in slopes)
    axes.plot(ends, middle, color="black", linewidth=1.4)
    if not math.isnan(slopes[1]):
        across = np.linspace(x.min(), x.max(), 60)
        low, high = (centre[1] + 100 * slope * (across - centre[0]) for slope in slopes[1:])
        axes.fill_between(across, low, high, color="black", alpha=0.12, linewidth=0)
    texts = [f"pooled slope {_words(pooled)}"]
    if not math.isnan(within.slope_interval[0]):
        texts.append(f"within slope {_words(within)}")
    axes.text(
        0.0,
        -0.2,
        "\n".join(texts),
        transform=axes.transAxes,
        fontsize=8.5,
        va="top",
        color="#333333",
    )


def _words(line: Any) -> str:
    low, high = line.slope_interval
    ends = "no interval" if math.isnan(low) else f"{100 * low:+.2f} to {100 * high:+.2f}"
    return f"{100 * line.slope:+.2f} points per unit ({ends}), R² {line.r_squared:.2f}"


def _legend(axes: Any) -> None:
    legend = axes.legend(
        title="layers",
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        frameon=False,
        fontsize=8.5,
        title_fontsize=8.5,
        handletextpad=0.2,
    )
    for handle in legend.legend_handles:
        handle.set_alpha(1.0)
