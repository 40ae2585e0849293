"""The pictures of the test: what they draw, and that their words are legible."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import pytest
from planted import SMALL, effect, plant, with_parts

from gslt.conjecture.figures import PICTURES, arm_looks, draw_pictures
from gslt.conjecture.findings import Findings, find
from gslt.conjecture.protocol import ARMS, Part
from gslt.files import OutputFolder
from gslt.report.figures import BASELINE
from gslt.studies.study import GridCell

#: The same without batch norm at one depth, and with fewer arms.
BARE = Part("bare", ("toy",), (2,), 8, 3, 6, 0.05, ("trained", "dense", "frozen"), False)
_LINES = ["trained", "weak ticket", "random mask", "dense", "sparse"]
_FROZEN = [f"frozen, F = {ratio}" for ratio in (0.2, 0.4, 0.6, 0.8)]


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """Rising with batch norm, where one dense run collapsed totally; falling without."""
    up, down = effect(1.0), effect(-1.0)

    def values(cell: GridCell) -> Any:
        config = cell.spec.config
        if not config.batch_norm:
            return down(cell)
        if cell.arm == "dense" and (config.num_layers, config.seed) == (4, 1):
            return -math.inf, 0.2
        return up(cell)

    with pytest.MonkeyPatch.context() as patch:
        plan = with_parts(patch, SMALL, BARE)
        found = find(plant(tmp_path_factory.mktemp("figures") / "out", plan, values), plan)
        assert len(found.analysis.families) == 2
    return found


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
        boxes = {text: text.get_window_extent() for text in axes.texts}
        # Where there is one depth, arms are named at the axis.
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
    caption = " ".join(figure.get_supxlabel().split())
    assert caption.endswith(".")
    headings = [axes.get_title(loc="left") for axes in figure.axes if axes.axison]
    for family in ("toy (synthetic), with batch norm", "toy (synthetic), without batch norm"):
        assert any(heading.endswith(family) for heading in headings)
    # One dense run with batch norm has no logarithm.
    assert ("collapsed totally" in caption) == (name in ("quotient-over-depth", "over-layers"))


def test_every_arm_is_named(drawn: dict[str, Any]) -> None:
    for name in ("quotient-over-depth", "accuracy-over-depth", "over-layers", "rank-and-collapse"):
        assert {*_LINES, *_FROZEN} <= set(words(drawn[name]))


def test_means_by_hand(drawn: dict[str, Any], findings: Findings) -> None:
    """Accuracy of the dense arm at two layers: in percent, over eight seeds."""
    runs = findings.runs
    dense = runs[(runs["arm"] == "dense") & runs["batch_norm"]]
    means = [100 * dense[dense["depth"] == depth]["test_accuracy"].mean() for depth in (2, 4)]
    axes = drawn["accuracy-over-depth"].axes[0]
    (line,) = [
        each
        for each in axes.lines
        if each.get_color() == arm_looks()["dense", None].colour and len(each.get_xdata()) == 2
        if each.get_marker() == arm_looks()["dense", None].marker
    ]
    assert list(line.get_xdata()) == [2, 4]
    assert list(line.get_ydata()) == pytest.approx(means)


def test_outcomes_stand_beside_their_effects(drawn: dict[str, Any]) -> None:
    with_norm, without = drawn["frozen-minus-dense"].axes
    assert [text.get_text() for text in with_norm.texts] == ["▲ supported"] * 3
    assert [text.get_text() for text in without.texts] == ["▼ contradicted"] * 2
    labels = [label.get_text() for label in with_norm.get_yticklabels()]
    assert labels == ["all depths", "2 layers", "4 layers"]
    # Four ratios below each of the two depths.
    small = [line for line in with_norm.lines if line.get_marker() == "^"]
    assert len(small) == 8


def test_arms_look_alike_whatever_is_there() -> None:
    shown = arm_looks()
    assert len(shown) == len(ARMS) + 4
    assert shown["trained", None].colour == BASELINE
    colours = [look.colour for look in shown.values()]
    assert len(set(colours)) == len(colours)


def test_files(findings: Findings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "dose-response"
    for other in set(PICTURES) - {name}:
        monkeypatch.delitem(PICTURES, other)
    (first,) = draw_pictures(findings, OutputFolder(tmp_path / "one", "study"))
    assert [path.name for path in first.files] == [f"{name}.png", f"{name}.svg"]
    (second,) = draw_pictures(findings, OutputFolder(tmp_path / "two", "study"))
    for path, other in zip(first.files, second.files, strict=True):
        assert path.read_bytes() == other.read_bytes()
