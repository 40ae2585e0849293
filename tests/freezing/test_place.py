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
from gslt.freezing import PLACES, FrozenCounts, canonical_place, frozen_counts, taking_part
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
        # The ratios are those of the 16 weights of the one hidden layer, the 12 of the first.
        ("hidden", 0.0, 0.25, [0, 0, 0, 0], [0, 4, 0, 0]),
        ("hidden", 0.25, 0.5, [0, 4, 0, 0], [0, 8, 0, 0]),
        ("hidden", 0.5, 0.5, [0, 8, 0, 0], [0, 8, 0, 0]),
        ("input", 0.0, 0.25, [0, 0, 0, 0], [3, 0, 0, 0]),
        ("input", 0.25, 0.5, [3, 0, 0, 0], [6, 0, 0, 0]),
        # 16 + 8 weights, of which 18 are searched: 8 are full, 10 of the larger one.
        ("head,layers.1", 0.0, 0.25, [0, 0, 0, 0], [0, 6, 0, 0]),
        # 12 of them searched, 6 each.
        ("head,layers.1", 0.5, 0.0, [0, 10, 0, 2], [0, 0, 0, 0]),
        ("head,hidden", 0.25, 0.25, [0, 6, 0, 0], [0, 4, 0, 2]),
    ],
)
def test_counts_of_three_layers_by_hand(
    place: str, prune: float, lock: float, pruned: list[int], locked: list[int]
) -> None:
    counts = frozen_counts(list(SHAPES.values()), prune, lock, "epl", taking_part(NAMES, place))
    assert [c.pruned for c in counts] == pruned
    assert [c.locked for c in counts] == locked
    assert [c.total for c in counts] == [12, 16, 8, 8]


@given(shapes_strategy, schemes, fraction, fraction, st.integers(1, 2**10 - 1))
def test_layers_that_take_part_are_as_if_they_were_the_network(
    shapes: list[tuple[int, ...]], scheme: str, prune: float, portion: float, bits: int
) -> None:
    lock = (1 - prune) * portion
    part = [bool(bits >> i & 1) for i in range(len(shapes))]
    if not any(part):
        part[-1] = True
    counts = frozen_counts(shapes, prune, lock, scheme, part)
    alone = [shape for shape, takes in zip(shapes, part, strict=True) if takes]
    taking = [c for c, takes in zip(counts, part, strict=True) if takes]
    assert taking == frozen_counts(alone, prune, lock, scheme)
    for c, shape, takes in zip(counts, shapes, part, strict=True):
        assert c.total == math.prod(shape)
        assert takes or c == FrozenCounts(c.total, 0, 0)


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


def test_no_layer_takes_part() -> None:
    nothing = [False] * 4
    for ratios in ((0.0, 0.25), (0.25, 0.0)):
        with pytest.raises(ConfigError, match="no layer takes part in freezing"):
            frozen_counts(list(SHAPES.values()), *ratios, "epl", nothing)
    dense = frozen_counts(list(SHAPES.values()), 0.0, 0.0, "epl", nothing)
    assert [(c.pruned, c.locked) for c in dense] == [(0, 0)] * 4


def test_many_names_in_many_weights_are_cheap() -> None:
    names = [f"layers.{i}.weight" for i in range(20000)]
    place = ",".join(f"layers.{i}" for i in range(10000, 20000))
    assert sum(taking_part(names, place)) == 10000
    # What stands before a point, whatever sorts beside it.
    odd = ["a-b.weight", "a.b.weight", "a.weight", "a/b.weight", "ab.weight", "a"]
    assert taking_part(odd, "a") == [False, True, True, False, False, True]
