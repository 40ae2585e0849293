"""Figures: colours, axes, panels and what is drawn in them, by hand."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytest

from gslt.files import OutputFolder
from gslt.report.colours import BASELINE, COLOURS, MARKERS, Look, looks, mixed, ramp, variants
from gslt.report.figures import (
    Row,
    bars,
    canvas,
    depth_axis,
    equal_ranges,
    forest,
    in_rows,
    number_axis,
    panel_title,
    plain_ticks,
    save_both,
    save_figure,
    scatter,
    zero,
)


def panel(**limits: Any) -> Any:
    axes = canvas([["a"]], "T", "c").panels["a"]
    axes.set(**limits)
    return axes


# Colours


def test_looks_by_hand() -> None:
    found = looks(["trained", "a", "b"], {"trained", "of another study"})
    assert found == {
        "trained": Look(BASELINE, MARKERS[0]),
        "a": Look(COLOURS[0], MARKERS[1]),
        "b": Look(COLOURS[1], MARKERS[2]),
    }
    # Two that train, or one alone, are arms like any other.
    assert looks(["a", "b"], {"a", "b"})["a"] == looks(["a"], {"a"})["a"] == Look(COLOURS[0], "o")
    many = looks([str(n) for n in range(9)])
    assert many["6"] == Look(COLOURS[0], MARKERS[6])
    assert many["7"] == Look(COLOURS[1], MARKERS[0])
    assert looks([]) == {}


def test_colours_by_hand() -> None:
    assert mixed("#000000", "#FF8001", 0.5) == "#804000"
    assert mixed("#123456", "#FFFFFF", 0.0) == "#123456"
    assert mixed("#123456", "#ABCDEF", 1.0) == "#ABCDEF"
    assert ramp("#102030", "#FFFFFF", 1) == ["#102030"]
    assert ramp("#000000", "#0A1400", 3) == ["#000000", "#050A00", "#0A1400"]
    look = Look("#646464", "X")
    assert variants(look, 1) == [look]
    light, dark = variants(look, 2)
    # 100 and 0.4 of the way to 255; 0.65 of 100. After the last mark comes the first.
    assert light == Look("#A2A2A2", "X")
    assert dark == Look("#414141", "o")


# Panels and axes


def test_panels_that_are_compared_have_equal_ranges() -> None:
    one, two, turned = panel(xlim=(0, 1)), panel(xlim=(-2, 0.5)), panel(xlim=(3, 0))
    equal_ranges([one, two, turned], "x")
    assert one.get_xlim() == two.get_xlim() == (-2, 3)
    # A turned axis stays turned, and the other one as it was.
    assert turned.get_xlim() == (3, -2)
    assert one.get_ylim() == two.get_ylim() == (0, 1)


def test_a_canvas_has_a_panel_for_every_cell() -> None:
    assert in_rows([], 2) == []
    assert in_rows(["a", "b"], 2) == [["a", "b"]]
    made = canvas(in_rows(["a", "b", "c"], 2), "T $x$", "caption", width=3, height=2)
    assert list(made.panels) == ["a", "b", "c"]
    assert tuple(made.figure.get_size_inches()) == pytest.approx((6, 4.9))
    assert [axes.axison for axes in made.figure.axes] == [True, True, True, False]
    assert made.figure.get_suptitle() == "T \\$x\\$"
    panel_title(made.panels["a"], "one")
    assert made.panels["a"].get_title(loc="left") == "one"
    for axes in made.panels.values():
        assert not axes.spines["top"].get_visible()


def test_panels_may_share_their_vertical_axis() -> None:
    made = canvas([["a", "b"]], "T", "c", share=True)
    made.panels["a"].set_ylim(0, 7)
    assert made.panels["b"].get_ylim() == (0, 7)
    made = canvas([["a", "b"]], "T", "c")
    made.panels["a"].set_ylim(0, 7)
    assert made.panels["b"].get_ylim() != (0, 7)


def test_axes_of_numbers_by_hand() -> None:
    axes = panel()
    number_axis(axes, [4.0, 1.0, 6.0], "n", log=False)
    assert (axes.get_xscale(), axes.get_xlabel()) == ("linear", "n")
    assert axes.get_xlim() == pytest.approx((0.8, 6.2))
    # One place, and places of which one has no logarithm.
    number_axis(axes, [3.0], "n", log=False)
    assert axes.get_xlim() == (2.5, 3.5)
    number_axis(axes, [0.0, 10.0], "n", log=True)
    assert (axes.get_xscale(), axes.get_xlim()) == ("linear", (-0.4, 10.4))
    number_axis(axes, [1.0, 100.0], "n", log=True)
    assert (axes.get_xscale(), axes.get_xlabel()) == ("log", "n, logarithmic")
    margin = 150**0.05
    assert axes.get_xlim() == pytest.approx((1 / margin, 100 * margin))
    axes.figure.draw_without_rendering()
    shown = [text.get_text() for text in axes.get_xticklabels()]
    assert {"1", "2", "5", "10", "100"} <= set(shown)


def test_axes_of_depths_by_hand() -> None:
    axes = panel()
    depth_axis(axes, [2, 4, 16])
    assert [text.get_text() for text in axes.get_xticklabels()] == ["2", "4", "16"]
    assert (axes.get_xscale(), axes.get_xlabel()) == ("log", "layers")
    margin = 12**0.04
    assert axes.get_xlim() == pytest.approx((2 / margin, 16 * margin))


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    # Less than a decade, two, and five.
    [
        (2, 6, {"2.4", "3.2", "4", "4.8", "5.6"}),
        (1, 100, {"1", "2", "5", "100"}),
        (1, 1e5, {"1", "1,000"}),
    ],
)
def test_plain_numbers_on_a_logarithmic_axis(low: float, high: float, shown: set[str]) -> None:
    axes = panel(yscale="log", ylim=(low, high))
    plain_ticks(axes)
    axes.figure.draw_without_rendering()
    labels = [text for text in axes.get_yticklabels() if low <= text.get_position()[1] <= high]
    found = {text.get_text() for text in labels}
    assert shown <= found
    assert not any("$" in text for text in found)
    assert "2,000" not in found


def test_a_linear_axis_keeps_its_ticks() -> None:
    axes = panel(ylim=(0, 1))
    before = axes.yaxis.get_major_locator()
    plain_ticks(axes)
    assert axes.yaxis.get_major_locator() is before


# What is drawn


def test_a_forest_by_hand() -> None:
    rows = [
        Row(label="first", colour="#0072B2", mean=2, low=1, high=4, note="yes", bold=True),
        Row(label="x" * 60, colour="#D55E00", mean=3, hollow=True, marker="s"),
        Row(label="$gone", colour="#000000", mean=math.nan, collapsed=True, small=[(5, "#009E73")]),
    ]
    axes = panel()
    forest(axes, rows, "difference", below=0.25)
    interval, first, second, small, collapsed = axes.lines
    assert (list(interval.get_xdata()), list(interval.get_ydata())) == ([1, 4], [0, 0])
    assert (list(first.get_xdata()), list(first.get_ydata())) == ([2], [0])
    assert first.get_markerfacecolor() == "#0072B2"
    assert (second.get_markerfacecolor(), second.get_marker()) == ("#FFFFFF", "s")
    # Below its row, which the axis counts downwards.
    assert (list(small.get_xdata()), list(small.get_ydata())) == ([5], [2.25])
    assert small.get_color() == "#009E73"
    assert (collapsed.get_marker(), list(collapsed.get_ydata())) == ("<", [2])
    assert axes.get_ylim() == pytest.approx((2.6, -0.6))
    ticks = axes.get_yticklabels()
    assert [tick.get_text() for tick in ticks] == ["first", "x" * 43 + "…", "\\$gone"]
    assert [tick.get_fontweight() for tick in ticks] == ["bold", "normal", "normal"]
    assert [text.get_text() for text in axes.texts] == ["yes", "", ""]
    assert axes.get_xlabel() == "difference"


@pytest.mark.parametrize("across", [False, True])
def test_what_matters_to_nobody(across: bool) -> None:
    axes = panel(xlim=(-1, 1), ylim=(-1, 1))
    zero(axes, 0.25, across=across)
    (band,) = axes.patches
    box = band.get_window_extent().transformed(axes.transData.inverted())
    ends = (box.y0, box.y1) if across else (box.x0, box.x1)
    assert ends == pytest.approx((-0.25, 0.25))
    (line,) = axes.lines
    assert list(line.get_ydata() if across else line.get_xdata()) == [0, 0]


def test_points_and_their_legend() -> None:
    axes = panel()
    scatter(axes, {"a": ([1, 2], [3, 4], "#0072B2"), "b": ([5], [6], "#D55E00")}, "arm")
    one, other = axes.lines
    assert (list(one.get_xdata()), list(one.get_ydata())) == ([1, 2], [3, 4])
    assert (one.get_linestyle(), other.get_color()) == ("None", "#D55E00")
    legend = axes.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b"]
    assert legend.get_title().get_text() == "arm"


def test_bars_by_hand() -> None:
    axes = panel()
    colours = {"a": "#0072B2", "b": "#D55E00"}
    bars(axes, {"x": {"a": (1.0, 2.0), "b": (0.5, 0.25)}, "y": {"a": (4.0, 0.0)}}, colours)
    found = [(each.get_x(), each.get_width(), each.get_y() + 0.11) for each in axes.patches]
    expected = [
        (0, 1.0, -0.13), (1.0, 2.0, -0.13), (0, 0.5, 0.13), (0.5, 0.25, 0.13),
        (0, 4.0, 1.0), (4.0, 0.0, 1.0),
    ]  # fmt: skip
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other)
    assert [text.get_text() for text in axes.texts] == [" 3.0", " 0.8", " 4.0"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["x", "y"]
    bottom, top = axes.get_ylim()
    assert bottom > top


# Files


def test_the_same_figure_has_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def figure() -> Any:
        made = canvas([["a"]], "T", "c", width=2, height=1)
        made.panels["a"].plot([1, 2], [3, 4])
        return made.figure

    first = save_both(figure(), OutputFolder(tmp_path / "one", "test"), "f")
    # What the environment says of dates changes nothing, where it is no number too.
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "x")
    again = save_both(figure(), OutputFolder(tmp_path / "two", "test"), "f")
    assert [path.name for path in first] == ["f.png", "f.svg"]
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert first[0].read_bytes().startswith(b"\x89PNG")
    save_figure(figure(), tmp_path / "g.pdf")
    assert (tmp_path / "g.pdf").read_bytes().startswith(b"%PDF")
    assert b"CreationDate" not in (tmp_path / "g.pdf").read_bytes()
    assert os.environ["SOURCE_DATE_EPOCH"] == "x"
