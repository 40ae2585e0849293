"""What every config is: values that fit their types, parts, and stored values."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslt.config import FreezeConfig, ModelConfig, SearchConfig, SourcesConfig, TrainConfig
from gslt.errors import ConfigError
from gslt.settings import build, check_choice, part


def test_a_config_holds_narrower_ones() -> None:
    wide = SearchConfig(seed=3, hidden_channels=7, allocation="erk")
    assert part(FreezeConfig, wide) == FreezeConfig(seed=3, allocation="erk")
    assert part(ModelConfig, wide) == ModelConfig(hidden_channels=7)


def test_stored_values_come_back() -> None:
    config = TrainConfig(lr=0.1, seed=2)
    assert build(TrainConfig, dataclasses.asdict(config)) == config
    assert build(TrainConfig, {"lr": 1}).lr == 1  # YAML writes some floats as integers
    with pytest.raises(ConfigError, match="TrainConfig has no field colour, size"):
        build(TrainConfig, {"size": 1, "colour": 2, "lr": 0.1})


@dataclasses.dataclass
class Needy:
    name: str
    sizes: list[int]
    colour: str = "red"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "Needy needs the field name, sizes"),
        ({"name": "a"}, "Needy needs the field sizes"),
        ({"name": "a", "sizes": [], 3: 4, "size": 1}, "Needy has no field 3, size"),
    ],
)
def test_values_that_are_missing_or_unknown_are_named(values: dict[Any, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(Needy, values)


#: Values that no setting has, and such as some have.
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -(10**5000), 2**64]),
    st.floats(),
    st.text(max_size=3),
    st.sampled_from(["gin", "cpu", "skc", "epl"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=1),
)


@given(
    st.sampled_from([SearchConfig, TrainConfig, FreezeConfig, ModelConfig, SourcesConfig]),
    st.data(),
)
def test_whatever_a_value_is_it_is_taken_or_refused(kind: type[Any], data: st.DataObject) -> None:
    names = st.sampled_from([item.name for item in dataclasses.fields(kind)])
    values = data.draw(st.dictionaries(names, VALUES, max_size=3))
    try:
        config = build(kind, values)
    except ConfigError:
        return
    for item in dataclasses.fields(kind):
        value = getattr(config, item.name)
        assert type(value) in (bool, int, float, str, type(None))
        assert not isinstance(value, float) or math.isfinite(value)


def test_choices_are_named() -> None:
    check_choice("norm", "both", ("none", "both"))
    with pytest.raises(ConfigError, match="norm must be one of none, both, got 'all'"):
        check_choice("norm", "all", ("none", "both"))
