"""Which layers take part in freezing, and what they then hold."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from layer_shapes import fraction, schemes, shapes_strategy

from gslt.config import FreezeConfig, ModelConfig
from gslt.errors import ConfigError
from gslt.freezing import PLACES, canonical_place, frozen_counts, taking_part
from gslt.freezing.place import layer_of
from gslt.nn.gnn import weight_shapes

# A GIN of three layers: 12 + 16 + 8 weights and 8 in the head, 44 in all.
SHAPES = weight_shapes(3, 2, ModelConfig(num_layers=3, hidden_channels=4))
NAMES = list(SHAPES)


@pytest.mark.parametrize(
    ("place", "prune", "lock", "pruned", "locked"),
    [
        # 33 are searched: the two of 8 are full, of the other 17 each gets 8.5.
        ("all", 0.0, 0.25, [0, 0, 0, 0], [4, 7, 0, 0]),
        ("all", 0.25, 0.0, [4, 7, 0, 0], [0, 0, 0, 0]),
        # 40 are not pruned: 12 of both larger ones; 36 are searched: 10 of them.
        ("all", 0.1, 0.1, [0, 4, 0, 0], [2, 2, 0, 0]),
        ("hidden", 0.0, 0.25, [0, 0, 0, 0], [0, 11, 0, 0]),
        ("hidden", 0.25, 0.0, [0, 11, 0, 0], [0, 0, 0, 0]),
        ("hidden", 0.1, 0.1, [0, 4, 0, 0], [0, 4, 0, 0]),
        ("input", 0.0, 0.25, [0, 0, 0, 0], [11, 0, 0, 0]),
        ("input", 0.25, 0.0, [11, 0, 0, 0], [0, 0, 0, 0]),
        ("input", 0.1, 0.1, [4, 0, 0, 0], [4, 0, 0, 0]),
        # 16 + 8 weights, of which 13 are searched: 6.5 each, and the odd one is the earlier's.
        ("head,layers.1", 0.0, 0.25, [0, 0, 0, 0], [0, 10, 0, 1]),
        ("head,layers.1", 0.25, 0.0, [0, 10, 0, 1], [0, 0, 0, 0]),
        ("head,hidden", 0.1, 0.1, [0, 4, 0, 0], [0, 4, 0, 0]),
    ],
)
def test_counts_of_three_layers_by_hand(
    place: str, prune: float, lock: float, pruned: list[int], locked: list[int]
) -> None:
    counts = frozen_counts(list(SHAPES.values()), prune, lock, "epl", taking_part(NAMES, place))
    assert [c.pruned for c in counts] == pruned
    assert [c.locked for c in counts] == locked
    assert [c.total for c in counts] == [12, 16, 8, 8]


@given(shapes_strategy, schemes, fraction, fraction, st.integers(0, 2**10 - 1))
def test_counts_are_those_of_the_network_and_others_are_untouched(
    shapes: list[tuple[int, ...]], scheme: str, prune: float, portion: float, bits: int
) -> None:
    lock = (1 - prune) * portion
    part = [bool(bits >> i & 1) for i in range(len(shapes))]
    whole = frozen_counts(shapes, prune, lock, scheme)
    pruned, locked = sum(c.pruned for c in whole), sum(c.locked for c in whole)
    held = sum(math.prod(s) for s, takes in zip(shapes, part, strict=True) if takes)
    if pruned + locked > held:
        with pytest.raises(ConfigError, match=f"hold {held:,} of"):
            frozen_counts(shapes, prune, lock, scheme, part)
        return
    counts = frozen_counts(shapes, prune, lock, scheme, part)
    assert (sum(c.pruned for c in counts), sum(c.locked for c in counts)) == (pruned, locked)
    for c, shape, takes in zip(counts, shapes, part, strict=True):
        assert c.total == math.prod(shape)
        assert c.searched >= 0
        assert takes or c.pruned == c.locked == 0


@given(shapes_strategy, schemes, fraction, st.integers(0, 2**10 - 1))
def test_the_ratio_that_an_error_names_can_be_carried_out(
    shapes: list[tuple[int, ...]], scheme: str, share: float, bits: int
) -> None:
    part = [bool(bits >> i & 1) for i in range(len(shapes))]
    try:
        frozen_counts(shapes, share, 1 - share, scheme, part)
    except ConfigError as error:
        largest = float(str(error).partition("at most ")[2].partition(",")[0])
        frozen_counts(shapes, share * largest, (1 - share) * largest, scheme, part)


@pytest.mark.parametrize(
    ("architecture", "place", "expected"),
    [
        ("gin", "input", ["layers.0.nn.weight"]),
        ("gin", "hidden", ["layers.1.nn.weight", "layers.2.nn.weight"]),
        ("gcn", "input", ["layers.0.lin.weight"]),
        ("gcn", "hidden", ["layers.1.lin.weight", "layers.2.lin.weight"]),
        ("sage", "input", ["layers.0.lin_l.weight", "layers.0.lin_r.weight"]),
        (
            "sage",
            "hidden",
            [f"layers.{i}.lin_{side}.weight" for i in (1, 2) for side in "lr"],
        ),
        ("sage", "layers.3", ["layers.3.lin_l.weight", "layers.3.lin_r.weight"]),
        ("sage", "layers.3.lin_r,head", ["layers.3.lin_r.weight", "head.weight"]),
    ],
)
@pytest.mark.parametrize("head", [True, False])
def test_places_of_every_architecture(
    architecture: Any, place: str, expected: list[str], head: bool
) -> None:
    model = ModelConfig(architecture=architecture, num_layers=4, hidden_channels=4, head=head)
    names = list(weight_shapes(3, 2, model))
    if "head" in place and not head:
        with pytest.raises(ConfigError, match="'head' is no layer of this network"):
            taking_part(names, place)
        return
    part = taking_part(names, place)
    assert [name for name, takes in zip(names, part, strict=True) if takes] == expected
    assert taking_part(names, "all") == [True] * len(names)


def test_places_of_other_modules() -> None:
    names = ["0.weight", "2.weight", "2.bias_gate.weight", "4.weight"]
    assert taking_part(names, "input") == [True, False, False, False]
    assert taking_part(names, "hidden") == [False, True, True, False]
    unnumbered = ["encoder.weight", "middle.weight", "decoder.weight", "head.weight"]
    assert taking_part(unnumbered, "hidden") == [False, True, False, False]
    # A number is a whole part of a name, and a name is not the beginning of another one.
    assert layer_of("conv1.lin.weight") == "conv1.lin.weight"
    assert taking_part(["layers.1.weight", "layers.10.weight"], "layers.1") == [True, False]
    assert taking_part(["a.weight", "b.weight"], "hidden") == [False, False]


def test_one_place_has_one_spelling() -> None:
    assert canonical_place(" hidden ") == "hidden"
    assert FreezeConfig(place="layers.2 ,head,layers.2").place == "head,layers.2"
    assert FreezeConfig(place="layers.2,head") == FreezeConfig(place="head,layers.2")
    assert FreezeConfig().place == "all"
    assert PLACES == ("all", "hidden", "input")


@pytest.mark.parametrize(
    ("place", "sentence"),
    [("", "an empty name"), ("hidden,", "an empty name"), ("all,head", "all layers and others")],
)
def test_what_is_no_place(place: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        FreezeConfig(place=place)


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"'layers\.7' is no layer .* layers\.0\.nn\.weight, "):
        taking_part(NAMES, "layers.7")
    with pytest.raises(ConfigError, match="place must be of type str"):
        FreezeConfig(place=3)  # type: ignore[arg-type]


def test_more_than_the_layers_hold() -> None:
    with pytest.raises(ConfigError) as caught:
        frozen_counts(list(SHAPES.values()), 0.2, 0.2, "epl", taking_part(NAMES, "hidden"))
    assert "hold 16 of the 44 weights" in str(caught.value)
    assert "at most 0.3409" in str(caught.value)  # 15 / 44, for rounding may take one more.
