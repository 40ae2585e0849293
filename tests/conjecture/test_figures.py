"""The pictures of the test: what they draw, and that their words are legible."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from planted import NETWORK, ONE_CELL, PAIR, SMALL, effect, plant, with_grids

from gslt.conjecture.figures import PICTURES, arm_looks, draw_pictures
from gslt.conjecture.findings import Findings, find
from gslt.conjecture.protocol import ARMS, Grid
from gslt.files import OutputFolder
from gslt.report.colours import BASELINE
from gslt.studies.study import GridCell


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Findings]:
    """The conjecture is true; one dense run collapsed totally."""
    base = effect(0.4, 0.03)

    def values(cell: GridCell) -> Any:
        config = cell.spec.config
        if cell.arm == "dense" and (config.num_layers, config.seed) == (4, 1):
            return -math.inf, 0.2
        return base(cell)

    with pytest.MonkeyPatch.context() as patch:
        plan = with_grids(patch, SMALL, ONE_CELL)
        found = find(plant(tmp_path_factory.mktemp("figures") / "out", plan, values), plan)
        assert found.depths == {"toy": [3, 4]}
        yield found


@pytest.fixture(scope="module")
def drawn(findings: Findings) -> dict[str, Any]:
    return {name: draw(findings) for name, (_, draw) in PICTURES.items()}


def words(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.findobj(lambda each: hasattr(each, "get_text"))]


@pytest.mark.parametrize("name", PICTURES)
def test_labels_stand_apart_and_in_the_picture(drawn: dict[str, Any], name: str) -> None:
    figure = drawn[name]
    figure.draw_without_rendering()
    for axes in figure.axes:
        boxes = {text: text.get_window_extent() for text in axes.texts if text.get_text()}
        assert boxes or axes.get_yticklabels()
        for (one, first), (other, second) in itertools.combinations(boxes.items(), 2):
            assert not first.overlaps(second), (one, other)
        for box in boxes.values():
            assert box.x0 >= 0
            assert box.x1 <= figure.bbox.x1 + 1
            assert box.y0 >= 0
            assert box.y1 <= figure.bbox.y1


@pytest.mark.parametrize("name", PICTURES)
def test_title_caption_and_headings(drawn: dict[str, Any], name: str) -> None:
    figure = drawn[name]
    assert figure.get_suptitle()
    assert " ".join(figure.get_supxlabel().split()).endswith(".")
    headings = [axes.get_title(loc="left") for axes in figure.axes if axes.axison]
    assert headings
    assert all(heading.startswith("toy (synthetic)") for heading in headings)


def test_every_arm_is_named(drawn: dict[str, Any]) -> None:
    lines = {"trained", "weak ticket", "dense", "frozen, F = 0.2", "frozen, F = 0.4"}
    for name in ("quotient-over-fit", "accuracy-over-epochs"):
        assert lines <= set(words(drawn[name]))
    others = {"trained", "weak ticket", "random mask", "locked, input, F = 0.8"}
    assert others <= set(words(drawn["smoothness-of-arms"]))


def test_outcomes_stand_beside_what_is_tested(drawn: dict[str, Any]) -> None:
    smoothness, accuracy = drawn["verdicts"].axes
    labels = [label.get_text() for label in smoothness.get_yticklabels()]
    assert labels == ["S: train loss", "S: val accuracy"]
    labels = [label.get_text() for label in accuracy.get_yticklabels()]
    assert labels[:3] == ["A: best epoch", "A: last epoch", "M: best epoch, minus no edges"]
    assert len(labels) == 2 + 2 * 3
    # The dense run that collapsed has lost its accuracy too.
    notes = [text.get_text() for text in accuracy.texts]
    assert set(notes) <= {"▲ shown", "? undecided"}
    assert len(notes) == len(labels)


def test_equal_fit_by_hand(drawn: dict[str, Any]) -> None:
    """All runs fit alike; frozen ones lie 0.4 above dense ones at three layers."""
    axes = drawn["quotient-over-fit"].axes[0]
    ends = {}
    for arm in (("dense", None), ("frozen", 0.2)):
        look = arm_looks()[arm]
        (line,) = (
            each
            for each in axes.lines
            if each.get_color() == look.colour and len(each.get_xdata()) > 2
        )
        x, y = line.get_xdata(), line.get_ydata()
        assert (x[0], x[-1]) == pytest.approx((2.0, 0.5))
        ends[arm[0]] = y[-1]
    assert ends["frozen"] - ends["dense"] == pytest.approx(0.4, abs=0.02)


def test_gains_by_hand(drawn: dict[str, Any]) -> None:
    """Three points where smoothing is left alone, none under an intervention."""
    axes = drawn["gain-under-interventions"].axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[:3] == ["none, best epoch", "none, last epoch", "no edges, best epoch"]
    means = [line.get_xdata()[0] for line in axes.lines if line.get_marker() not in ("None", "")]
    assert means[0] == pytest.approx(3.0, abs=0.3)
    assert means[2] == pytest.approx(0.0, abs=0.3)


def test_arms_look_alike_whatever_is_there() -> None:
    shown = arm_looks()
    assert len(shown) == len(ARMS) + 2
    assert shown["trained", None].colour == BASELINE
    colours = [look.colour for look in shown.values()]
    assert len(set(colours)) == len(colours)


def test_files(findings: Findings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "verdicts"
    for other in set(PICTURES) - {name}:
        monkeypatch.delitem(PICTURES, other)
    (first,) = draw_pictures(findings, OutputFolder(tmp_path / "one", "study"))
    assert [path.name for path in first.files] == [f"{name}.png", f"{name}.svg"]
    (second,) = draw_pictures(findings, OutputFolder(tmp_path / "two", "study"))
    for path, other in zip(first.files, second.files, strict=True):
        assert path.read_bytes() == other.read_bytes()


def test_a_pair_alone_is_a_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One depth, one seed, no intervention: every picture is drawn, and says little."""
    grid = Grid(name="one", datasets=("toy",), depths=(3,), seeds=1, network=NETWORK, arms=PAIR)
    plan = with_grids(monkeypatch, grid)
    found = find(plant(tmp_path / "out", plan, effect(0.4)), plan)
    for _, draw in PICTURES.values():
        draw(found).draw_without_rendering()


def test_what_is_not_there_has_no_panel_and_the_caption_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = effect(0.4, 0.03)

    def values(cell: GridCell) -> Any:
        there = cell.spec.config.num_layers == 3 or cell.arm == "trained"
        return base(cell) if there else None

    plan = with_grids(monkeypatch, SMALL, ONE_CELL)
    found = find(plant(tmp_path / "out", plan, values), plan)
    assert found.depths == {"toy": [3, 4]}
    figure = PICTURES["smoothness-of-arms"][1](found)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["toy (synthetic), 3 layers"]
    caption = " ".join(figure.get_supxlabel().split())
    assert caption.endswith("Nothing to show yet: toy (synthetic), 4 layers.")
    # No claim can be tested without the other depth: no picture of tests.
    assert PICTURES["verdicts"][1](found) is None
    # Both have trained runs, in equal ranges.
    left, right = PICTURES["accuracy-over-epochs"][1](found).axes
    assert (left.get_xlim(), left.get_ylim()) == (right.get_xlim(), right.get_ylim())
