"""All pictures, with the words that stand below them on the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gslt.conjecture.report.document import Findings
from gslt.conjecture.report.pictures.dose import dose_response
from gslt.conjecture.report.pictures.forest import forest
from gslt.conjecture.report.pictures.layers import over_layers
from gslt.conjecture.report.pictures.over_depth import (
    accuracy_over_depth,
    quotient_over_depth,
    rank_and_collapse_over_depth,
)
from gslt.conjecture.report.pictures.scatter import accuracy_against_smoothness
from gslt.studies.report.figures import save_both

#: Name of the files, what the picture shows, and what draws it.
PICTURES: dict[str, tuple[str, Callable[[Findings], Any]]] = {
    "quotient-over-depth": ("Primary endpoint over depth, for every arm", quotient_over_depth),
    "frozen-minus-dense": ("Frozen minus dense at every depth, with intervals", forest),
    "dose-response": ("Dose and response over the freezing ratio", dose_response),
    "over-layers": ("Smoothness over the layers of the deepest networks", over_layers),
    "rank-and-collapse": (
        "Effective rank and collapse over depth",
        rank_and_collapse_over_depth,
    ),
    "accuracy-over-depth": ("Test accuracy over depth", accuracy_over_depth),
    "accuracy-against-smoothness": (
        "Difference in accuracy against difference in smoothness",
        accuracy_against_smoothness,
    ),
}


@dataclass(frozen=True)
class Picture:
    """A picture that was drawn."""

    name: str
    what: str
    files: tuple[Path, ...]
    """PNG, then SVG."""


def draw_pictures(findings: Findings, folder: Path) -> Iterator[Picture]:
    """Draw every picture into a folder."""
    from matplotlib import rc_context

    for name, (what, draw) in PICTURES.items():
        # A dollar sign in the name of a graph is no formula.
        with rc_context({"text.parse_math": False}):
            figure = draw(findings)
        yield Picture(name, what, tuple(save_both(figure, folder, name)))
