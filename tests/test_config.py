"""Settings: what is refused and how, and what follows from them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from gslt.config import (
    FreezeConfig,
    ModelConfig,
    SearchConfig,
    TrainConfig,
    build,
    check_choice,
    part,
)
from gslt.errors import ConfigError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"runs": 0}, "runs must be"),
        ({"num_layers": 1}, "num_layers must be at least 2"),
        ({"hidden_channels": 0}, "hidden_channels must be"),
        ({"lr": -1.0}, "lr must be positive"),
        ({"lr": math.nan}, "lr must be positive"),
        ({"weight_decay": -0.1}, "weight_decay must not be negative"),
        ({"dropout": 1.0}, "dropout must lie in"),
        ({"backend": "jax"}, "backend must be one of pyg, dgl, got 'jax'"),
        ({"architecture": "gat"}, "architecture must be one of gin, gcn, sage"),
        ({"sparsity_schedule": "cosine"}, "sparsity_schedule must be one of"),
        ({"sparsity": 1.5}, "sparsity must lie in"),
        ({"lr": "0.01"}, "lr must be of type float, got '0.01'"),
        ({"lr": True}, "lr must be of type float"),
        ({"batch_norm": "no"}, "batch_norm must be of type bool, got 'no'"),
        ({"epochs": 2.5}, "epochs must be of type int"),
        ({"seed": 2**64 - 1, "runs": 2}, "seed must lie in"),
    ],
)
def test_refused_search_configs(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SearchConfig(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"architecture": "gat"}, "architecture must be one of gin, gcn, sage"),
        ({"num_layers": 1}, "num_layers must be at least 2"),
        ({"hidden_channels": 0}, "hidden_channels must be"),
        ({"dropout": 1.0}, "dropout must lie in"),
        ({"unit_gain": True}, "unit_gain is for networks without batch norm"),
        ({"dropout": float("nan")}, "dropout must lie in"),
    ],
)
def test_refused_model_configs(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ModelConfig(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"allocation": "even"}, "allocation must be one of"),
        ({"weight_init": "xavier"}, "weight_init must be one of"),
        ({"scale": "auto"}, "scale must be one of"),
        ({"threshold": "row"}, "threshold must be one of"),
        ({"ranking": "abs"}, "ranking must be one of"),
        ({"score_init": "skc"}, "score_init must be one of"),
        ({"seed": -1}, "seed must lie in"),
        ({"sparsity": float("nan")}, "sparsity must lie in"),
        ({"prune_ratio": 0.6}, "prune_ratio 0.6 exceeds"),
    ],
)
def test_refused_freeze_configs(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FreezeConfig(**options)


def test_ratios_follow_from_the_window_or_from_the_hand() -> None:
    assert FreezeConfig(sparsity=0.5, freezing_ratio=0.4).ratios == (0.2, 0.2)
    assert FreezeConfig(sparsity=0.5, freezing_ratio=0.4, prune_ratio=0.1).ratios == (0.1, 0.3)
    assert FreezeConfig().ratios == (0.0, 0.0)


def test_a_ramp_begins_at_the_pruning_ratio() -> None:
    ramp = SearchConfig(sparsity=0.6, prune_ratio=0.3, sparsity_schedule="linear", epochs=8)
    assert [ramp.sparsity_at(e) for e in (0, 2, 3, 4, 8)] == pytest.approx(
        [0.3, 0.3, 0.45, 0.6, 0.6]
    )
    assert SearchConfig(sparsity=0.6).sparsity_at(0) == 0.6
    # Half of one epoch is none: the ramp is over after the first update.
    assert SearchConfig(sparsity_schedule="linear", epochs=1).sparsity_at(1) == 0.5


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


def test_choices_are_named() -> None:
    check_choice("norm", "both", ("none", "both"))
    with pytest.raises(ConfigError, match="norm must be one of none, both, got 'all'"):
        check_choice("norm", "all", ("none", "both"))
