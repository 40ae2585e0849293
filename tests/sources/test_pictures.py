"""gslt.sources.pictures: what is drawn, and in whose colour."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.text import Text

from gslt.report.colours import BASELINE, COLOURS
from gslt.sources import Comparison
from gslt.sources.arms import DENSE, FROZEN, SPARSE, TRAINED
from gslt.sources.pictures import drawn_bytes, picture, times_smaller

COLOUR = dict(zip([TRAINED, DENSE, SPARSE, FROZEN], [BASELINE, *COLOURS], strict=False))


def test_accuracy_against_size(made: tuple[Path, Comparison]) -> None:
    found = made[1]
    (axes,) = picture(found.groups, found.curves, "size").axes
    points = {line.get_color(): line for line in axes.lines if line.get_marker() not in ("", None)}
    for group in found.groups.frame.itertuples():
        (x,), (y,) = (points[COLOUR[group.arm]].get_data()[place] for place in (0, 1))
        size = 4 * group.num_weights if group.arm == TRAINED else group.file_bytes
        assert x == pytest.approx(size / 1000) == pytest.approx(drawn_bytes(group) / 1000)
        assert y == pytest.approx(100 * group.test_accuracy)
        assert times_smaller(group) == pytest.approx(4 * group.num_weights / size)
    names = [text.get_text() for text in axes.texts]
    assert sorted(name.split(" ")[0] for name in names) == ["dense", "frozen", "sparse", "weight"]
    assert axes.get_xlabel() == "size in kB, logarithmic"


def test_learning_curves_are_means_over_seeds(made: tuple[Path, Comparison]) -> None:
    found = made[1]
    (axes,) = picture(found.groups, found.curves, "curves").axes
    for arm, colour in COLOUR.items():
        mine = found.curves[found.curves["arm"] == arm]
        means = 100 * mine.groupby("epoch")["val"].mean()
        (line,) = (
            line
            for line in axes.lines
            if line.get_color() == colour and line.get_linestyle() == "-" and not line.get_marker()
        )
        assert list(line.get_xdata()) == means.index.tolist()
        assert line.get_ydata() == pytest.approx(means.tolist())


def test_a_line_ends_with_the_first_seed_of_its_arm_that_ended_early(
    made: tuple[Path, Comparison],
) -> None:
    """What the others reach later is the mean of fewer than n, and those that need longest."""
    found = made[1]
    curves = found.curves
    early = (curves["arm"] == DENSE) & (curves["seed"] == 1) & (curves["epoch"] > 2)
    figure = picture(found.groups, curves[~early], "curves")
    (axes,) = figure.axes
    ends = {
        line.get_color(): max(line.get_xdata())
        for line in axes.lines
        if line.get_linestyle() == "-" and not line.get_marker()
    }
    assert ends == {COLOUR[arm]: 2 if arm == DENSE else 3 for arm in COLOUR}
    said = "Runs ended early"
    assert any(said in text.get_text() for text in figure.findobj(Text))
    whole = picture(found.groups, curves, "curves")
    assert not any(said in text.get_text() for text in whole.findobj(Text))


def test_both_beside_one_another(made: tuple[Path, Comparison]) -> None:
    figure = made[1].plot()
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["accuracy against size", "validation accuracy during search and training"]
    assert figure.get_suptitle() == "blocks (synthetic)"
