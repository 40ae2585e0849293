"""One registry of colours: what has which, and that nobody else picks one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import gslt
from gslt.conjecture.figures import arm_looks
from gslt.conjecture.protocol import ARMS, FROZEN
from gslt.report.colours import (
    ARM_COLOURS,
    BASELINE,
    COLOURS,
    MARKERS,
    Look,
    kind_of_arm,
    looks,
    shades,
)
from gslt.studies.presets import PRESETS, preset

PACKAGE = Path(gslt.__file__).parent
#: Registries: of what is drawn, and of the outcomes of a test, which are no arms.
REGISTRIES = {"report/colours.py", "conjecture/words.py"}
COLOUR = re.compile(r"#[0-9a-fA-F]{3,8}|tab:\w+|C\d")
#: Keywords of matplotlib that take a colour, and what is none.
TAKES_COLOUR = {"color", "colour", "c", "facecolor", "edgecolor", "markerfacecolor", "foreground"}
NO_COLOUR = {"none", ""}


def picked(code: str) -> Iterator[int]:
    """Lines of code on which a colour is picked by its name or its number."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if COLOUR.fullmatch(node.value):
                yield node.lineno
        elif isinstance(node, ast.keyword) and node.arg in TAKES_COLOUR:
            values = [node.value]
            if isinstance(node.value, ast.IfExp):
                values = [node.value.body, node.value.orelse]
            texts = [each.value for each in values if isinstance(each, ast.Constant)]
            if any(isinstance(text, str) and text not in NO_COLOUR for text in texts):
                yield node.value.lineno


def test_picking_a_colour_is_seen() -> None:
    assert set(picked('x = "#0072B2"\nplot(color="black")\nf(a="C0")\ng(color=C)')) == {1, 2, 3}
    assert list(picked('g(color="w" if b else C)')) == [1]
    assert list(picked('g(markerfacecolor="none", label="black")\n"""a #0072B2 doc"""')) == []


def test_nobody_else_picks_a_colour() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix(): lines
        for path in sorted(PACKAGE.rglob("*.py"))
        if (lines := list(picked(path.read_text("utf-8"))))
    }
    assert set(found) <= REGISTRIES, found


def test_every_arm_of_the_presets_and_of_the_conjecture_has_a_kind() -> None:
    named = {arm for name in PRESETS for arm in preset(name).arms}  # type: ignore[arg-type]
    unknown = [arm for arm in {*named, *ARMS} if not kind_of_arm(arm)]
    assert unknown == []


@pytest.mark.parametrize(
    ("arm", "kind"),
    [
        ("ticket, dense source", "dense"),
        ("dense, as many tickets", "dense"),
        ("frozen source, dense range, SKC", "frozen"),
        ("frozen source, sparse range", "frozen"),
        ("half and half", "frozen"),
        ("ticket, sparse source, pruned 0.4", "sparse"),
        ("all pruned", "sparse"),
        ("dynamic sparse training, sparsity 0.5", "dynamic"),
        ("weak ticket, untrained", "weak ticket"),
        ("weight training", "trained"),
        ("random weights, untrained", "random"),
        ("locked, hidden", "locked"),
        ("my arm", ""),
        ("untrained", ""),
        ("condensed", ""),
    ],
)
def test_kinds_by_hand(arm: str, kind: str) -> None:
    assert kind_of_arm(arm) == kind


def test_kinds_have_colours_of_their_own() -> None:
    colours = [colour for colour, _ in ARM_COLOURS.values()]
    assert len(set(colours)) == len(colours)
    assert ARM_COLOURS["trained"][0] == BASELINE


def test_an_arm_has_one_colour_whatever_stands_beside_it() -> None:
    of_dense = {
        looks([*others, "dense source"], {"weight training"})["dense source"].colour
        for others in ([], ["weight training"], ["sparse source", "frozen source"], ["mine"])
    }
    assert of_dense == {COLOURS[0]}
    # The same in the demo, the studies and the conjecture.
    assert arm_looks()["dense", None].colour == COLOURS[0]
    assert looks(["ticket, dense source"])["ticket, dense source"].colour == COLOURS[0]
    frozen = looks(["frozen"])["frozen"].colour
    assert arm_looks()[FROZEN, None].colour == frozen == COLOURS[2]


def test_several_of_a_kind_are_shades_and_strangers_take_what_is_left() -> None:
    found = looks(["dense, a", "mine", "dense, b", "yours"])
    assert [found[f"dense, {name}"].colour for name in "ab"] == shades(COLOURS[0], 2)
    # Blue is taken, so that the others begin with the second colour.
    assert found["mine"] == Look(COLOURS[1], MARKERS[1])
    assert found["yours"] == Look(COLOURS[2], MARKERS[3])
