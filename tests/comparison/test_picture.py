"""The picture: what is drawn of a known result, and names that cover no other."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from gslt.comparison import picture as module
from gslt.comparison.report import routes_frame
from gslt.environment import import_quietly
from gslt.report.colours import BASELINE

ROOT = Path(__file__).parents[2]
COLOURS = {"a": "#0072B2", "b": "#D55E00"}


def panel() -> Any:
    return import_quietly("matplotlib.figure").Figure().subplots()


def test_panels_of_a_known_result(known_result: dict[str, Any]) -> None:
    rows, label = module._sizes(routes_frame(known_result))
    assert label == "width of the hidden layers"
    axes = panel()
    lines = module._plot_sizes(axes, rows, "gin", "ms", COLOURS)
    drawn = [(line.get_xdata().tolist(), line.get_ydata().tolist()) for line in axes.lines]
    assert drawn == [([7], [500.0]), ([7], [125.0])]
    assert [line.get_color() for line in axes.lines] == ["#0072B2", "#D55E00"]
    assert [text.get_text() for text in axes.texts] == ["at width 7:", "4.0 × less, b"]
    assert [line.label for line in lines] == ["a", "b"]
    axes = panel()
    assert not module._plot_sizes(axes, rows.assign(mb=float("nan")), "gin", "mb", COLOURS)
    assert not axes.lines
    axes = panel()
    module._plot_layers(axes, rows, COLOURS)
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == pytest.approx([1.0, 2.0] * 2)
    assert axes.get_title() == "Layers of GIN, 1,234 nodes"
    axes = panel()
    module._plot_losses(axes, rows, COLOURS)
    assert axes.texts[0].get_text() == "b: same masks at the end in 0 of 1"
    assert module._title(known_result, memory=True).startswith(
        "NOT the same ticket on every backend: G (syn"
    )
    assert module._times(0.5) == "2.0 × more"


def test_parity_of_a_known_result(known_result: dict[str, Any]) -> None:
    axes = panel()
    module._plot_parity(axes, module._sizes(routes_frame(known_result))[0], COLOURS)
    dots = {line.get_color(): [] for line in axes.lines}
    for line in axes.lines:
        dots[line.get_color()] += list(line.get_xdata())
    # Logits and gradients of each route; the bars are the limits of both precisions.
    assert dots["#0072B2"] == [1e-6, 4e-6]
    assert dots["#D55E00"] == pytest.approx([2e-5, 8e-5])
    assert dots[BASELINE] == [1e-5] * 4 + [1e-10] * 4


def committed() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "benchmarks/results/backends.json").read_text())
    return found


def test_lines_of_several_graphs() -> None:
    rows, label = module._sizes(routes_frame(committed()))
    assert label == "nodes"
    lines = module._plot_sizes(panel(), rows, "gcn", "mb", dict.fromkeys(rows["route"], "#000000"))
    assert [(line.label, line.dashed, list(line.x)) for line in lines] == [
        (f"{route}, width {width}", width == 64, [1000, 4000, 16000])
        for width in (64, 256)
        for route in ("pyg edge_index", "gslt on PyG", "gslt on DGL")
    ]
    assert lines[0].y == pytest.approx([9.6, 39.9, 158.2], abs=0.05)


def test_labels_do_not_overlap() -> None:
    """Names beside the last panels: one for every line, none over another, in their order."""
    figure = module.picture(committed())
    figure.draw_without_rendering()
    for axes in (figure.axes[2], figure.axes[5]):
        texts = [text for text in axes.texts if ", width" in text.get_text()]
        texts = [text for text in texts if not text.get_text().startswith("at ")]
        assert len(texts) == 6
        boxes = [text.get_window_extent() for text in texts]
        assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
        assert all(box.x1 <= figure.bbox.x1 for box in boxes)
        heights = {text.get_text(): text.get_position()[1] for text in texts}
        assert max(heights, key=lambda name: heights[name]) == "pyg edge_index, width 256"
        assert heights["gslt on DGL, width 256"] > heights["pyg edge_index, width 64"]


def test_what_was_not_measured_has_no_panel(known_result: dict[str, Any]) -> None:
    both = module.picture(known_result)
    for setting in known_result["settings"]:
        for route in setting["routes"].values():
            route["memory"] = None
    one = module.picture(known_result)
    shown = [[axes.get_ylabel() for axes in figure.axes] for figure in (both, one)]
    assert "peak memory of a search (MB)" in shown[0]
    assert "peak memory of a search (MB)" not in shown[1]
    assert len(shown[1]) == len(shown[0]) - 1
    assert "memory was not measured" in one.get_suptitle()
