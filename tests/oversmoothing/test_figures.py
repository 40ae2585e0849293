"""The pictures: lines are means, bands deviations, and a collapse is marked and said."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from small_networks import made_up, on

from gslt.oversmoothing.figures import (
    _lines,
    depth_figure,
    layers_figure,
    looks_of,
    search_figure,
    steps_figure,
)
from gslt.oversmoothing.measuring import Measurements
from gslt.oversmoothing.networks import DatasetChoice
from gslt.report.lines import Line


def test_bands_by_hand() -> None:
    def line(name: str, points: dict[int, list[float | None]]) -> Line:
        rows = [
            {"label": "a", "arm": "a", "untrained": False, "layer": place, name: value}
            for place, values in points.items()
            for value in values
        ]
        (found,) = _lines(pd.DataFrame(rows), "layer", name)
        return found

    plain = line("mad", {2: [1.0, 3.0], 1: [5.0], 3: [None, 4.0], 4: [None]})
    assert plain.x == [1, 2, 3, 4]
    assert plain.y[:3] == [5, 2, 4]
    assert plain.high[1] == pytest.approx(2 + math.sqrt(2))
    # One number has no deviation, and none no place: the line has a gap there.
    assert math.isnan(plain.low[0])
    assert math.isnan(plain.high[0])
    assert math.isnan(plain.y[3])
    # Deviations of logarithms are factors; nothing that is 0 has a logarithm.
    log = line("dirichlet_energy", {1: [1.0, math.e**2, 0.0]})
    assert log.y == [pytest.approx(math.e)]
    assert log.high[0] / log.y[0] == pytest.approx(math.exp(math.sqrt(2)))
    assert log.collapsed == [1]


def test_a_collapse_is_drawn_and_said() -> None:
    members = [made_up(seed=0), made_up(seed=1), made_up("b")]
    members[0].profile["centred_rayleigh_quotient"][2] = None
    # Not finite is another thing than nothing left.
    for name in ("centred_rayleigh_quotient", "dirichlet_energy"):
        members[2].profile[name][1] = None
    figure = layers_figure(Measurements(members), looks_of(Measurements(members)), "title")
    panel = next(a for a in figure.axes if a.get_title(loc="left").startswith("centred"))
    (mark,) = (line for line in panel.get_lines() if line.get_marker() == "v")
    assert (list(mark.get_xdata()), list(mark.get_ydata())) == ([3], [0.02])
    assert mark.get_markerfacecolor() == "none"
    assert panel.get_lines()[0].get_ydata()[2] == pytest.approx(math.exp(-3))
    triangles = "Hollow triangles at the edge"
    assert triangles in figure.get_supxlabel().replace("\n", " ")
    whole = Measurements([made_up(seed=1)])
    assert triangles not in layers_figure(whole, looks_of(whole), "").get_supxlabel()
    rows = [
        {"layer": 2, "step": step, "centred_rayleigh_quotient": value, "dirichlet_energy": 0.0}
        for step, value in (("aggregation", 1.0), ("activation", None))
    ]
    figure = steps_figure(Measurements([made_up(steps=rows)]), "title")
    (mark,) = (line for line in figure.axes[0].get_lines() if line.get_markerfacecolor() == "none")
    assert list(mark.get_xdata()) == [2]
    assert triangles in figure.get_supxlabel().replace("\n", " ")
    rows = [{"layer": 3, "epoch": 5, "centred_rayleigh_quotient": None, "dirichlet_energy": 0.0}]
    one = Measurements([made_up(search=rows)])
    figure = search_figure(one, looks_of(one), "")
    assert triangles in figure.get_supxlabel().replace("\n", " ")
    members[0] = made_up(depth=2)
    members[0].profile["centred_rayleigh_quotient"][0] = None
    two = Measurements(members[:2])
    figure = depth_figure(two, looks_of(two), "")
    assert triangles in figure.get_supxlabel().replace("\n", " ")


def test_captions_say_what_means_are_over() -> None:
    row = {"layer": 2, "step": "aggregation", "centred_rayleigh_quotient": 1.0}
    first, second = made_up(seed=0, steps=[row]), made_up(seed=1, steps=[row])
    other = on(DatasetChoice(name="toy", split=1), second)
    for members, said in (
        ([first, second], "over seeds "),
        ([first, other], "over seeds and splits "),
    ):
        found = Measurements(members)
        for figure in (layers_figure(found, looks_of(found), ""), steps_figure(found, "")):
            caption = figure.get_supxlabel().replace("\n", " ").replace(";", " ")
            assert said in caption


def test_lines_of_the_pictures_are_the_means() -> None:
    members = [made_up(seed=0), made_up(seed=1), made_up("b", untrained=True)]
    found = Measurements(members)
    look = looks_of(found)
    assert look["a"].colour != look["b"].colour
    figure = layers_figure(found, look, "title")
    panels = {axes.get_title(loc="left").partition(" (")[0]: axes for axes in figure.axes}
    (first, second) = panels["centred Rayleigh quotient"].get_lines()
    assert first.get_ydata() == pytest.approx([1, math.exp(-1), math.exp(-4), 7])
    assert second.get_linestyle() == "--"
    assert panels["centred Rayleigh quotient"].get_yscale() == "log"
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert texts == ["a", "b, untrained"]
    assert depth_figure(found, look, "title") is None
    assert search_figure(found, look, "title") is None
    assert steps_figure(found, "title") is None
    found = Measurements([*members, made_up(depth=2)])
    accuracy, quotient, rank = depth_figure(found, looks_of(found), "title").axes[:3]
    assert accuracy.get_lines()[0].get_xdata() == pytest.approx([2, 4])
    assert accuracy.get_lines()[0].get_ydata() == pytest.approx([50, 60])
    assert quotient.get_lines()[0].get_ydata() == pytest.approx([math.exp(-5), math.exp(-4)])
    assert rank.get_lines()[0].get_ydata() == pytest.approx([2, 2])


def test_a_line_without_a_point_in_the_last_panel_is_named() -> None:
    members = [made_up(), made_up("b")]
    members[1].profile["mad"] = [None] * 4
    found = Measurements(members)
    figure = layers_figure(found, looks_of(found), "")
    panel = next(axes for axes in figure.axes if axes.texts)
    assert panel.get_title(loc="left").startswith("MAD")
    a, b = panel.texts
    assert (a.get_text(), b.get_text()) == ("a", "b")
    assert b.get_window_extent().y1 < a.get_window_extent().y0
