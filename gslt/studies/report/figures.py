"""Pictures of runs. Colours are those of Okabe & Ito, which colour-blind readers tell apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gslt.files import replacing
from gslt.studies.report.rows import StudyResults
from gslt.studies.report.series import COLOURS
from gslt.studies.report.study_figure import study_figure
from gslt.training.results import Run

__all__ = [
    "COLOURS",
    "plot_accuracy_against_size",
    "plot_learning_curves",
    "plot_study",
    "save_both",
]


def plot_accuracy_against_size(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Test accuracy of each row against its model size in bytes, each point labelled."""
    figure, axes = _figure()
    sizes = [row["model_bytes"] / 1000 for row in rows]
    middle = math.sqrt(min(sizes) * max(sizes))
    for number, (size, row) in enumerate(zip(sizes, rows, strict=True)):
        accuracy, colour = 100 * row["test_accuracy"], COLOURS[number % len(COLOURS)]
        left = size > middle
        axes.plot(size, accuracy, "o", color=colour, markersize=9)
        axes.annotate(
            f"{row['method']}\n{accuracy:.2f} %{_times(row)}",
            (size, accuracy),
            textcoords="offset points",
            xytext=(-10 if left else 10, 0),
            ha="right" if left else "left",
            va="center",
            color=colour,
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlim(min(sizes) / 1.6, max(sizes) * 1.6)
    axes.margins(y=0.15)
    axes.set_xlabel("model size in kB (logarithmic): mask bits, or float32 weights")
    axes.set_ylabel("test accuracy (%)")
    axes.set_title(f"{rows[0]['dataset']}: accuracy against model size")
    save_figure(figure, path)


def plot_learning_curves(runs: Mapping[str, Run], dataset: str, path: Path) -> None:
    """Validation accuracy (lines) and test accuracy at the best epoch (dots) over the epochs."""
    figure, axes = _figure()
    for number, (name, run) in enumerate(runs.items()):
        colour = COLOURS[number % len(COLOURS)]
        epochs = [e.epoch for e in run.history]
        axes.plot(epochs, [100 * e.val for e in run.history], color=colour, label=name)
        axes.plot(run.best_epoch, 100 * run.test_accuracy, "o", color=colour, markersize=7)
    axes.plot([], [], "o", color="grey", label="test at the best epoch")
    axes.set_xlabel("epoch")
    axes.set_ylabel("validation accuracy (%)")
    axes.set_title(f"{dataset}: validation accuracy during search and training")
    axes.legend(frameon=False)
    save_figure(figure, path)


def plot_study(results: StudyResults, folder: Path) -> list[Path]:
    """Write the figure of a study as PNG and as SVG, named after it; returns the two paths."""
    return save_both(study_figure(results), folder, results.study.name)


def save_both(figure: Any, folder: Path, name: str) -> list[Path]:
    """Write a figure as PNG and as SVG; returns the two paths."""
    paths = [folder / f"{name}.{suffix}" for suffix in ("png", "svg")]
    for path in paths:
        save_figure(figure, path)
    return paths


def _times(row: Mapping[str, Any]) -> str:
    return f", × {row['times_smaller']:.0f} smaller" if row["times_smaller"] > 1 else ""


def _figure() -> tuple[Any, Any]:
    # The object interface: no global state of pyplot and no display needed.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    return figure, axes


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure whole; the same figure has the same bytes."""
    from matplotlib import rc_context

    kind = path.suffix.removeprefix(".")
    metadata = {"Date": None} if kind == "svg" else None
    with replacing(path) as temporary, rc_context({"svg.hashsalt": "gslt"}):
        figure.savefig(temporary, format=kind, metadata=metadata)
