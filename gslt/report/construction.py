"""The picture of a construction: errors of coefficients against the width, beside the law."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gslt.report.colours import GREY, SHARE_RAMP, ramp
from gslt.report.figures import canvas, in_rows


def width_figure(layers: Sequence[Mapping[str, Any]], shares: Sequence[float], title: str) -> Any:
    """Errors of single coefficients against the number of random channels, a panel for each layer.

    Args:
        layers: what :func:`gslt.theory.existence.errors_against_width` gives.
        shares: of the coefficients that keep the errors.
        title: above the figure.

    Returns:
        A matplotlib figure.
    """
    keys = [f"layer {number}" for number in range(len(layers))]
    caption = (
        "Dots: errors that so many of up to 2,000 coefficients of the target's layer keep, each "
        "with fresh random channels like the source's; lines: the law's prediction. Both in units "
        "of the layer's largest coefficient; 1 stands for out of reach. Horizontal: the error that "
        "this output error allows. Vertical: the width that the source has, at which all "
        "coefficients are reached. Dots level off where 24 values are searched exactly; a "
        "construction searches up to 38 for those that are still missed."
    )
    drawing = canvas(in_rows(keys, 2), title, caption, width=4.6, height=3.4, share=True)
    colours = ramp(*SHARE_RAMP, len(shares))
    for key, layer in zip(keys, layers, strict=True):
        axes = drawing.panels[key]
        widths = [row["copies"] for row in layer["errors"]]
        for number, (share, colour) in enumerate(zip(shares, colours, strict=True)):
            found = [_shown(row["simulated"][number]) for row in layer["errors"]]
            law = [_shown(row["predicted"][number]) for row in layer["errors"]]
            axes.plot(widths, law, color=colour, linewidth=1.5)
            axes.plot(widths, found, "o", color=colour, markersize=4, label=f"{100 * share:g} %")
        axes.axhline(_shown(layer["epsilon"]), color=GREY, linewidth=0.8, linestyle="--")
        axes.axvline(layer["copies"], color=GREY, linewidth=0.8, linestyle=":")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_title(layer["layer"], fontsize=10, loc="left")
        axes.set_xlabel("random channels for one")
    for key in keys[::2]:
        drawing.panels[key].set_ylabel("error of a coefficient")
    drawing.panels[keys[0]].legend(frameon=False, fontsize=8, loc="lower left")
    return drawing.figure


def _shown(error: float) -> float:
    """No further down than what double precision could tell anyway."""
    return min(1.0, max(error, 1e-12))
