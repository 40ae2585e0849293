"""Settings: what is refused and how, and what follows from them."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import math
import pickle
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslt.config import (
    FreezeConfig,
    ModelConfig,
    SearchConfig,
    SourcesConfig,
    TrainConfig,
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
        ({"lr": math.nan}, "lr must be a finite number, got nan"),
        ({"lr": 10**400}, "lr must be of type float, got 1000"),
        ({"lr": 10**5000}, "lr must be of type float, got a very large int"),
        ({"weight_decay": math.inf}, "weight_decay must be a finite number, got inf"),
        ({"freezing_ratio": "0.4"}, r"freezing_ratio must be of type float \| None, got '0.4'"),
        ({"lock_ratio": True}, r"lock_ratio must be of type float \| None, got True"),
        ({"prune_ratio": -math.inf}, "prune_ratio must be a finite number, got -inf"),
        ({"sparsity": None}, "sparsity must be of type float, got None"),
        ({"device": 3}, "device must be of type str, got 3"),
        ({"seed": 10**5000}, "seed must be of type int, got a very large int"),
        (
            {"architecture": ["gin"]},
            r"must be one of gin, gcn, sage, gat, .*, got \['gin'\]",
        ),
        ({"batch_norm": 1}, "batch_norm must be of type bool, got 1"),
        ({"epochs": True}, "epochs must be of type int, got True"),
        ({"weight_decay": -0.1}, "weight_decay must not be negative"),
        ({"dropout": 1.0}, "dropout must lie in"),
        ({"backend": "jax"}, "backend must be one of pyg, dgl, got 'jax'"),
        ({"architecture": "mlp"}, "architecture must be one of gin, gcn, sage, gat, .*, got 'mlp'"),
        ({"heads": 2}, "heads are for architecture gat; gin has none, leave heads out"),
        ({"sparsity_schedule": "cosine"}, "sparsity_schedule must be one of"),
        ({"sparsity": 1.5}, "sparsity must lie in"),
        ({"lr_schedule": "step"}, "lr_schedule must be one of cosine, constant, multistep"),
        ({"score_draw": -1}, "score_draw must be at least 0, got -1"),
        ({"l1": -1e-4}, "l1 must not be negative, got -0.0001"),
        ({"patience": -1}, "patience must be at least 0, got -1"),
        ({"optimizer": "lion"}, "optimizer must be one of adamw, adam, sgd, got 'lion'"),
        ({"optimizer": "sgd", "momentum": 1.0}, r"momentum must lie in \[0, 1\), got 1.0"),
        ({"momentum": 0.9}, "momentum is for optimizer sgd; adamw has moments of its own"),
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
        ({"architecture": "mlp"}, "architecture must be one of gin, gcn, sage, gat"),
        ({"architecture": "sage", "heads": 8}, "for architecture gat; sage has none, leave heads"),
        ({"architecture": "gat", "heads": 0}, "heads must be at least 1, got 0"),
        ({"architecture": "gat", "heads": 2.0}, "heads must be of type int"),
        (
            {"architecture": "gat", "heads": 8},
            "hidden_channels 386 cannot be divided among 8 heads; use hidden_channels 384 or 392, "
            "or heads 2",
        ),
        (
            {"architecture": "gat", "heads": 5, "hidden_channels": 3},
            "3 cannot be divided among 5 heads; use hidden_channels 5, or heads 1",
        ),
        (
            {"architecture": "gat", "heads": 10**12 + 1, "hidden_channels": 10**13},
            "10000000000000 cannot be divided among",
        ),
        ({"num_layers": 1}, "num_layers must be at least 2"),
        ({"hidden_channels": 0}, "hidden_channels must be"),
        ({"dropout": 1.0}, "dropout must lie in"),
        ({"unit_gain": True}, "unit_gain is for networks without batch norm"),
        ({"pair_norm": True}, "in the place of batch norm; set batch_norm false"),
        ({"pair_norm": True, "batch_norm": False, "unit_gain": True}, "set unit_gain false"),
        ({"edges": "some"}, "edges must be one of all, none"),
        ({"dropout": float("nan")}, "dropout must be a finite number"),
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
        ({"sparsity": float("nan")}, "sparsity must be a finite number"),
        ({"prune_ratio": 0.6}, "prune_ratio 0.6 exceeds"),
    ],
)
def test_refused_freeze_configs(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FreezeConfig(**options)


@pytest.mark.parametrize("width", [1, 7, 36, 386])
@pytest.mark.parametrize("heads", [2, 5, 8, 400])
def test_what_the_refusal_of_heads_advises_works(width: int, heads: int) -> None:
    if width % heads == 0:
        return
    with pytest.raises(ConfigError) as refused:
        ModelConfig(architecture="gat", heads=heads, hidden_channels=width)
    advice = r"use hidden_channels ([\d or]+), or heads (\d+)"
    ((widths, fewer),) = re.findall(advice, str(refused.value))
    for each in widths.split(" or "):
        assert ModelConfig(architecture="gat", heads=heads, hidden_channels=int(each))
    assert ModelConfig(architecture="gat", heads=int(fewer), hidden_channels=width)


def test_ratios_follow_from_the_window_or_from_the_hand() -> None:
    assert FreezeConfig(sparsity=0.5, freezing_ratio=0.4).ratios == (0.2, 0.2)
    assert FreezeConfig(sparsity=0.5, freezing_ratio=0.4, prune_ratio=0.1).ratios == (0.1, 0.3)
    assert FreezeConfig().ratios == (0.0, 0.0)


@pytest.mark.parametrize(
    ("schedule", "epochs", "expected"),
    [
        ("constant", 4, [0.4, 0.4, 0.4, 0.4]),
        ("multistep", 4, [0.4, 0.4, 0.04, 0.004]),
        ("multistep", 5, [0.4, 0.4, 0.4, 0.04, 0.004]),  # 3/5 are more than half
        ("multistep", 1, [0.4]),
        # (1 + cos 0°) / 2, of 60° and of 120°.
        ("cosine", 3, [0.4, 0.3, 0.1]),
    ],
)
def test_learning_rates_by_hand(schedule: Any, epochs: int, expected: list[float]) -> None:
    config = TrainConfig(lr=0.4, lr_schedule=schedule, epochs=epochs)
    assert [config.lr_at(epoch) for epoch in range(1, epochs + 1)] == pytest.approx(expected)


def test_levels_by_hand() -> None:
    # Four levels in eight epochs, from 0.2 by 0.15 each to 0.8.
    linear = SearchConfig(
        sparsity=0.8,
        prune_ratio=0.2,
        sparsity_schedule="linear_levels",
        sparsity_levels=4,
        epochs=16,
    )
    assert [linear.sparsity_at(e) for e in range(10)] == pytest.approx(
        [0.2, 0.2, 0.35, 0.35, 0.5, 0.5, 0.65, 0.65, 0.8, 0.8]
    )
    # From 0.8 by the factor (0.1 / 0.8)^(1/3) = 1/2: 0.8, 0.4, 0.2, 0.1 are kept.
    geometric = SearchConfig(
        sparsity=0.9,
        prune_ratio=0.2,
        sparsity_schedule="geometric_levels",
        sparsity_levels=3,
        epochs=6,
    )
    assert [geometric.sparsity_at(e) for e in range(7)] == pytest.approx(
        [0.2, 0.6, 0.8, 0.9, 0.9, 0.9, 0.9]
    )
    # Only the last is the target, to the bit.
    assert [geometric.sparsity_at(e) == 0.9 for e in range(5)] == [False] * 3 + [True] * 2
    # From what the source really prunes, where the ratio does not tell it.
    assert geometric.sparsity_at(0, 0.3) == pytest.approx(0.3)
    assert 1 - geometric.sparsity_at(1, 0.3) == pytest.approx(0.7 * (0.1 / 0.7) ** (1 / 3))
    assert geometric.sparsity_at(6, 0.3) == 0.9
    # Seven levels in ten epochs: level i begins with the first epoch of at least 10 i / 7.
    seven = SearchConfig(
        sparsity=0.7, sparsity_schedule="linear_levels", sparsity_levels=7, epochs=20
    )
    assert [round(10 * seven.sparsity_at(e)) for e in range(11)] == [
        0,
        0,
        1,
        2,
        2,
        3,
        4,
        4,
        5,
        6,
        7,
    ]


@given(
    st.sampled_from(["linear", "linear_levels", "geometric_levels"]),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(1, 12),
    st.integers(0, 100),
)
def test_sparsity_rises_from_the_source_to_the_target(
    schedule: Any, sparsity: float, share: float, levels: int, more: int
) -> None:
    source = share * sparsity
    options = {} if schedule == "linear" else {"sparsity_levels": levels}
    epochs = 2 * levels + more
    config = SearchConfig(
        sparsity=sparsity, prune_ratio=source, sparsity_schedule=schedule, epochs=epochs, **options
    )
    found = [config.sparsity_at(epoch) for epoch in range(epochs + 1)]
    assert all(a <= b + 1e-12 for a, b in itertools.pairwise(found))
    assert found[0] == pytest.approx(source)
    assert set(found[epochs // 2 :]) == {sparsity}
    if options:
        assert len(set(found)) <= levels + 1


def test_refused_levels() -> None:
    with pytest.raises(ConfigError, match=r"5 levels of sparsity do not fit .* at least 10 epochs"):
        SearchConfig(sparsity_schedule="linear_levels", epochs=9)
    with pytest.raises(ConfigError, match="sparsity_levels 3 is for sparsity_schedule linear_lev"):
        SearchConfig(sparsity_levels=3)
    with pytest.raises(ConfigError, match="sparsity_levels must be at least 1"):
        SearchConfig(sparsity_levels=0)


def test_which_counts_the_ratios_tell() -> None:
    assert FreezeConfig(allocation="pyramidal").has_exact_counts
    assert not FreezeConfig(allocation="balanced").has_exact_counts
    assert not FreezeConfig(draw="bernoulli").has_exact_counts
    assert not FreezeConfig(connected=True).has_exact_counts


def test_a_ramp_begins_at_the_pruning_ratio() -> None:
    ramp = SearchConfig(sparsity=0.6, prune_ratio=0.3, sparsity_schedule="linear", epochs=8)
    assert [ramp.sparsity_at(e) for e in (0, 2, 3, 4, 8)] == pytest.approx(
        [0.3, 0.3, 0.45, 0.6, 0.6]
    )
    assert SearchConfig(sparsity=0.6).sparsity_at(0) == 0.6
    # Half of one epoch is none: the ramp is over after the first update.
    assert SearchConfig(sparsity_schedule="linear", epochs=1).sparsity_at(1) == 0.5


def test_what_nobody_says_is_the_optimiser_of_images_where_the_architecture_is_one() -> None:
    config = SearchConfig(architecture="conv6", lr=0.01)
    found = (config.optimizer, config.momentum, config.weight_decay, config.batch_size)
    assert found == ("sgd", 0.9, 1e-4, 128)
    # What was given stays, also where it is the default of graphs.
    assert (config.lr, config.epochs, config.augment) == (0.01, 100, True)
    assert TrainConfig(architecture="resnet20", optimizer="adamw", momentum=0.0).lr == 0.1
    # Without norms weights that are trained, and they alone, stay at chance at 0.1.
    rates = [kind(architecture="conv6").lr for kind in (TrainConfig, SearchConfig)]
    assert rates == [0.01, 0.1]
    assert TrainConfig(architecture="conv6", lr=0.1).lr == 0.1
    assert (SearchConfig().optimizer, SearchConfig().batch_size) == ("adamw", 0)
    for again in (copy.deepcopy(config), pickle.loads(pickle.dumps(config))):
        assert again == config
    assert dataclasses.replace(config, seed=1) == SearchConfig(
        architecture="conv6", lr=0.01, seed=1
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"mask_sparsity": 1.0}, r"mask_sparsity must lie in \[0, 1\), got 1.0"),
        ({"mask_sparsity": -0.1}, r"mask_sparsity must lie in \[0, 1\), got -0.1"),
        ({"mask": "dense"}, "mask must be one of er, got 'dense'"),
        ({"rewire_every": -1}, "rewire_every must be at least 0"),
        ({"rewire_every": 5}, "rewire_every 5 has no mask to rewire; set mask_sparsity above 0"),
        ({"rewire_every": 1, "mask_sparsity": 0.5}, "rewire_every must be at least 2, got 1"),
        ({"rewire_fraction": 0.0}, r"rewire_fraction must lie in \(0, 1\), got 0.0"),
        ({"rewire_fraction": 1.0}, r"rewire_fraction must lie in \(0, 1\), got 1.0"),
        ({"rewire_until": 0.0}, r"rewire_until must lie in \(0, 1\], got 0.0"),
        ({"rewire_until": 1.5}, r"rewire_until must lie in \(0, 1\], got 1.5"),
        ({"regrow": "all"}, "regrow must be one of gradient, random, got 'all'"),
        (
            {"rewire_every": 30, "mask_sparsity": 0.5, "epochs": 40},
            "rewire_every 30 rewires nothing before epoch 30, where rewire_until 0.75 of 40 epochs",
        ),
    ],
)
def test_masks_of_training_that_cannot_be(values: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        TrainConfig(**values)  # type: ignore[arg-type]


def test_what_a_mask_of_training_begins_with() -> None:
    config = TrainConfig(
        mask_sparsity=0.9, allocation="erk", draw="bernoulli", connected=True, seed=4
    )
    source = config.masked_source
    assert (source.ratios, source.allocation, source.draw) == ((0.9, 0.0), "erk", "bernoulli")
    assert (source.connected, source.scale, source.seed) == (True, "none", 4)
    assert list(TrainConfig(epochs=10, mask_sparsity=0.5, rewire_every=2).rewirings) == [2, 4, 6]
    assert TrainConfig().idle == (
        *("mask", "allocation", "draw", "connected"),
        *("rewire_fraction", "rewire_until", "regrow"),
    )


def test_momentum_of_images_is_for_sgd_alone() -> None:
    for optimizer in ("adamw", "adam"):
        found = SearchConfig(architecture="conv6", optimizer=optimizer)
        assert found == SearchConfig(architecture="conv6", optimizer=optimizer, momentum=0.0)
        assert (found.momentum, found.weight_decay, found.lr) == (0.0, 1e-4, 0.1)
        assert SourcesConfig(architecture="conv6", optimizer=optimizer).momentum == 0.0
    assert TrainConfig(architecture="conv6", optimizer="sgd").momentum == 0.9
    with pytest.raises(ConfigError, match="leave momentum out, or set it to 0"):
        dataclasses.replace(SearchConfig(architecture="conv6"), optimizer="adamw")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"draw": "bernoulli"}, "draw bernoulli is for weights under a mask; set mask_sparsity"),
        ({"connected": True}, "set mask_sparsity above 0, or leave connected out"),
        ({"allocation": "erk"}, "allocation erk is for weights under a mask"),
        ({"regrow": "random"}, "a mask that is rewired; set mask_sparsity and rewire_every above"),
        ({"regrow": "random", "mask_sparsity": 0.5}, "rewired; set rewire_every above 0, or leave"),
    ],
)
def test_settings_of_a_mask_without_one_are_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        TrainConfig(**values)  # type: ignore[arg-type]
