"""Where the names of lines stand, and what lines draw."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslt.report.colours import darker
from gslt.report.figures import canvas
from gslt.report.lines import (
    Box,
    Line,
    beside,
    draw_lines,
    label_beside,
    label_lines,
    mark_collapsed,
    short,
    short_names,
    spread,
)
from gslt.report.statistics import averages

# Places


def test_spread_by_hand() -> None:
    assert spread([], 1, 0, 9) == []
    assert spread([5.0, 1.0], 2, 0, 9) == [5.0, 1.0]
    assert spread([3.0, 3.0], 2, 0, 9) == [2.0, 4.0]
    # 3 and 4 move to 2.5 and 4.5; 8 and 9 to 7.5 and 9.5, and down from the edge.
    assert spread([3.0, 4.0, 8.0, 9.0], 2, 0, 9) == [2.5, 4.5, 7.0, 9.0]
    # No room for gaps of 6: they share what there is.
    assert spread([1.0, 1.0, 1.0], 6, 0, 9) == [0.0, 4.5, 9.0]


@given(st.lists(st.floats(0, 100), max_size=8), st.floats(0.5, 30))
def test_spread_keeps_gaps_bounds_and_order(wanted: list[float], gap: float) -> None:
    found = spread(wanted, gap, 0.0, 100.0)
    gap = min(gap, 100 / max(1, len(wanted) - 1))
    assert all(-1e-9 <= place <= 100 + 1e-9 for place in found)
    for (a, x), (b, y) in itertools.combinations(zip(wanted, found, strict=True), 2):
        assert abs(x - y) >= gap - 1e-9
        assert a == b or (a < b) == (x < y)


def test_a_label_amid_lines_avoids_what_is_there() -> None:
    bounds, nothing = Box(0, 0, 200, 100), np.empty((0, 2))
    free = beside((10, 50), (100, 50), (40, 10), nothing, [], bounds)
    assert free == Box(105, 45, 145, 55)
    other = beside((10, 50), (100, 50), (40, 10), nothing, [free], bounds)
    assert other.overlap(free) == 0
    wall = np.array([(x, y) for x in range(98, 200, 2) for y in range(0, 100, 2)])
    assert beside((60, 50), (100, 50), (40, 10), wall, [], bounds).right <= 98


def test_boxes_by_hand() -> None:
    box = Box(0, 0, 4, 2)
    assert box.overlap(Box(3, 1, 9, 9)) == 1
    assert box.overlap(Box(4, 0, 5, 2)) == box.overlap(Box(0, 3, 4, 4)) == 0
    points = np.array([(0, 0), (4, 2), (2, 1), (4.1, 1), (1, 2.1)])
    assert box.count(points) == 3


# Lines of averages


def averaged() -> pd.DataFrame:
    """Depth 2: logs 0 and log 4. Depth 4: both runs collapsed. Depth 8: one did, one has 1."""
    runs = pd.DataFrame(
        {
            "depth": [8, 8, 4, 4, 2, 2],
            "q": [-math.inf, 1.0, -math.inf, -math.inf, 0.0, math.log(4)],
        }
    )
    return averages(runs, ["depth"], ["q"])


def test_a_line_of_logarithms_by_hand() -> None:
    line = Line.of(averaged(), "depth", log=True, label="a", colour="#112233", dashed=True)
    assert (line.label, line.colour, line.dashed, line.level) == ("a", "#112233", True, False)
    assert line.x == [2.0, 8.0]
    # The geometric mean of 1 and 4, and e; log 4 is √2 deviations of its halves away.
    assert line.y == pytest.approx([2.0, math.e])
    spread_of = math.exp(math.log(4) / math.sqrt(2))
    assert line.low == pytest.approx([2 / spread_of, math.nan], nan_ok=True)
    assert line.high == pytest.approx([2 * spread_of, math.nan], nan_ok=True)
    assert line.collapsed == [4.0, 8.0]


def test_a_line_with_gaps_or_a_factor_by_hand() -> None:
    line = Line.of(averaged(), "depth", gaps=True, label="a", colour="#112233")
    assert line.x == [2.0, 4.0, 8.0]
    assert line.y == pytest.approx([math.log(2), math.nan, 1.0], nan_ok=True)
    line = Line.of(averaged(), "depth", factor=100, label="a", colour="#112233")
    assert line.y == pytest.approx([100 * math.log(2), 100.0])
    std = 100 * math.log(4) / math.sqrt(2)
    assert line.low[0] == pytest.approx(100 * math.log(2) - std)
    assert line.high[0] == pytest.approx(100 * math.log(2) + std)


# What is drawn


def panel(**limits: Any) -> Any:
    axes = canvas([["a"]], "T", "c").panels["a"]
    axes.set(**limits)
    return axes


def test_a_band_on_a_logarithmic_axis_ends_where_it_reaches_zero() -> None:
    line = Line(
        label="a",
        colour="#0072B2",
        x=[1, 2, 3],
        y=[10, 8, 1],
        low=[5, 4, -1],
        high=[20, 16, 3],
    )
    axes = panel(yscale="log")
    draw_lines(axes, [line])
    (band,) = axes.collections
    corners = {tuple(point) for path in band.get_paths() for point in path.vertices}
    assert {x for x, _ in corners} == {1.0, 2.0}
    assert {y for _, y in corners} == {5.0, 20.0, 4.0, 16.0}
    (drawn,) = axes.lines
    assert list(drawn.get_ydata()) == [10, 8, 1]
    assert (drawn.get_linestyle(), drawn.get_marker()) == ("-", "o")
    # On a linear axis nothing is left out.
    axes = panel()
    draw_lines(axes, [line])
    (band,) = axes.collections
    assert {float(x) for path in band.get_paths() for x, _ in path.vertices} == {1.0, 2.0, 3.0}


def test_a_single_point_has_a_bar() -> None:
    line = Line(label="a", colour="#0072B2", x=[2], y=[5], low=[4], high=[7])
    axes = panel()
    draw_lines(axes, [line])
    bar, point = axes.lines
    assert (list(bar.get_xdata()), list(bar.get_ydata())) == ([2, 2], [4, 7])
    assert (list(point.get_xdata()), list(point.get_ydata())) == ([2], [5])
    # And none where it has no spread.
    axes = panel()
    draw_lines(axes, [dataclasses.replace(line, low=[math.nan], high=[math.nan])])
    (point,) = axes.lines
    assert list(point.get_ydata()) == [5]


def test_a_level_goes_across() -> None:
    axes = panel(xlim=(0, 4), ylim=(0, 10))
    draw_lines(axes, [Line(label="a", colour="#000000", y=[6], low=[5], high=[8], level=True)])
    (line,) = axes.lines
    assert (line.get_linestyle(), list(line.get_ydata())) == ("--", [6, 6])
    assert list(line.get_xdata()) == [0, 1]
    (band,) = axes.patches
    heights = band.get_window_extent().transformed(axes.transData.inverted())
    assert (heights.y0, heights.y1) == pytest.approx((5, 8))
    assert len(axes.collections) == 0
    axes = panel()
    draw_lines(axes, [Line(label="a", colour="#000000", y=[6], level=True)])
    assert (len(axes.lines), len(axes.patches)) == (1, 0)


def test_dashes_and_many_points() -> None:
    axes = panel()
    few = Line(label="a", colour="#0072B2", x=range(20), y=range(20), dashed=True, marker="s")
    draw_lines(axes, [few, Line(label="b", colour="#0072B2", x=range(21), y=range(21))])
    dashed, many = axes.lines
    assert (dashed.get_linestyle(), dashed.get_marker()) == ("--", "s")
    assert dashed.get_markerfacecolor() == "#FFFFFF"
    # Marks of twenty-one points would hide the line.
    assert many.get_marker() == ""


def test_where_runs_collapsed() -> None:
    axes = panel()
    line = Line(label="a", colour="#D55E00", x=[1, 2], y=[5, 6], collapsed=[2.0, 4.0])
    draw_lines(axes, [line, Line(label="b", colour="#0072B2", x=[1, 2], y=[5, 6])])
    _, marks, _ = axes.lines
    assert (marks.get_marker(), marks.get_markerfacecolor()) == ("v", "none")
    assert marks.get_color() == "#D55E00"
    assert list(marks.get_xdata()) == [2.0, 4.0]
    # At the bottom, whatever the scale: heights are shares of the axes.
    assert list(marks.get_ydata()) == [0.02, 0.02]
    assert marks.get_transform() == axes.get_xaxis_transform()
    axes = panel()
    mark_collapsed(axes, [3], "#D55E00", at_left=True)
    mark_collapsed(axes, [], "#D55E00")
    (marks,) = axes.lines
    assert (marks.get_marker(), list(marks.get_xdata()), list(marks.get_ydata())) == (
        "<",
        [0.02],
        [3],
    )


# Names


def extents(figure: Any) -> dict[str, Any]:
    figure.draw_without_rendering()
    return {
        text.get_text(): text.get_window_extent() for axes in figure.axes for text in axes.texts
    }


def apart(boxes: dict[str, Any]) -> bool:
    return not any(one.overlaps(other) for one, other in itertools.combinations(boxes.values(), 2))


def test_names_keep_apart_and_stay_in_the_picture() -> None:
    made = canvas([["a", "b"]], "T", "c")
    lines = [
        Line(label=f"right {n}", colour="#0072B2", x=[1, 2, 10], y=[n, 2, 5 + n / 100])
        for n in range(4)
    ]
    lines += [Line(label=f"amid {n}", colour="#D55E00", x=[1, 4], y=[n, 3]) for n in range(3)]
    lines += [Line(label="level", colour="#000000", y=[5.0], level=True)]
    lines += [Line(label="no point", colour="#000000", x=[1], y=[math.nan])]
    drawn = [(made.panels["a"], lines), (made.panels["b"], lines[:1])]
    for axes, each in drawn:
        draw_lines(axes, each)
    label_lines(made.figure, drawn)
    written = [text.get_text() for text in made.panels["a"].texts]
    assert sorted(written) == sorted(line.label for line in lines[:-1])
    assert [text.get_text() for text in made.panels["b"].texts] == ["right 0"]
    boxes = extents(made.figure)
    assert apart(boxes)
    for box in boxes.values():
        assert box.x0 >= 0
        assert box.x1 <= made.figure.bbox.x1 + 1
    inner = made.panels["a"].bbox
    for name in ("right 1", "level"):
        assert boxes[name].x0 > inner.x1
    for n in range(3):
        assert boxes[f"amid {n}"].x1 <= inner.x1 + 1


def test_names_once_for_a_whole_figure() -> None:
    made = canvas([["a", "b"]], "T", "c")
    lines = [
        Line(label="one", colour="#0072B2", x=[1, 10], y=[2, 5.0]),
        Line(label="other", colour="#D55E00", x=[1, 4], y=[2, 5.01]),
        Line(label="nothing here", colour="#000000", x=[1], y=[math.nan]),
    ]
    last = made.panels["b"]
    draw_lines(last, lines)
    label_beside(last, lines)
    assert [text.get_text() for text in last.texts] == ["one", "other", "nothing here"]
    boxes = extents(made.figure)
    assert apart(boxes)
    assert all(box.x0 > last.bbox.x1 for box in boxes.values())
    # What has no point here is named at the bottom, without a line to it.
    assert boxes["nothing here"].y0 < last.bbox.y0 + 0.1 * last.bbox.height
    assert len([line for line in last.lines if line.get_linestyle() == ":"]) == 2
    made = canvas([["a", None]], "T", "c")
    draw_lines(made.panels["a"], lines[:1])
    label_beside(made.panels["a"], lines[:1], room=False)
    assert not made.panels["a"].texts[0].get_in_layout()


def test_names_that_are_cut_to_the_same_words_keep_what_tells_them_apart() -> None:
    arm = "frozen source, half locked and half pruned"
    names = [f"{arm}, num layers {depth}, lr {lr}" for depth in (2, 3) for lr in (0.01, 0.1)]
    lines = [
        Line(label=name, colour="#0072B2", x=[0, x], y=[y, y])
        for y, (name, x) in enumerate(zip(names, (1, 1, 2, 2), strict=True))
    ]
    axes, other = (canvas([["a"]], "T", "c", width=9).panels["a"] for _ in range(2))
    for each in (axes, other):
        draw_lines(each, lines)
    label_lines(axes.figure, [(axes, lines)])
    label_beside(other, lines)
    for each in (axes, other):
        assert {text.get_text() for text in each.texts} == {
            f"frozen source, half{end}"
            for end in (
                "…, num layers 2, lr 0.01",
                " l…, num layers 2, lr 0.1",
                "…, num layers 3, lr 0.01",
                " l…, num layers 3, lr 0.1",
            )
        }


def test_names_whose_middles_would_be_cut_to_the_same_words_keep_more_of_them() -> None:
    names = [f"frozen source, half, depth {depth}, lr {lr}" for depth in (2, 3) for lr in (1, 2)]
    ends = [f", depth {depth}, lr {lr}" for depth in (2, 3) for lr in (1, 2)]
    assert list(short_names(names, 30).values()) == [f"frozen source…{end}" for end in ends]


@given(st.lists(st.text("ab,", min_size=1, max_size=60), min_size=2, max_size=5, unique=True))
def test_short_names_have_room(names: list[str]) -> None:
    found = short_names(names, 20)
    assert list(found) == names
    for name, words in found.items():
        assert len(words) <= 20
        assert words == name or "…" in words


def test_long_names_and_dark_ones() -> None:
    assert short("x" * 44) == "x" * 44
    assert short("x" * 45) == "x" * 43 + "…"
    assert darker("#FFFFFF") == "#999999"
    assert darker("#0072B2", 0.0) == "#000000"
