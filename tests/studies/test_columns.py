"""Columns: how each is written, what is a number, and what is measured of a result, by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from small_runs import small_search

import gslt
from gslt.diagnostics import MEASURES
from gslt.studies.columns import (
    COLUMNS,
    Column,
    by_layer,
    column,
    heading,
    is_missing,
    is_number,
    measured,
    named,
    shown,
    shown_name,
)


def test_every_measure_has_a_column_of_its_label() -> None:
    for name, measure in MEASURES.items():
        assert column(name).label.startswith(measure.label)
        assert column(name).label.endswith(", last hidden layer")
        assert column(f"{name}_slope").label == f"{measure.label}, slope per layer"
        assert heading(name) == measure.label
        assert heading(f"{name}_slope") == f"{measure.label} slope"
    assert column("no such column") == Column("no such column")
    assert column("lr") is COLUMNS["lr"]
    assert (column("test_accuracy").factor, column("lr").log) == (100, True)


def test_names_by_hand() -> None:
    assert named("a", {}) == "a"
    assert named("a", {"num_layers": 3, "weight_init": "ku"}) == "a, num layers 3, weight init ku"
    assert [shown(each) for each in (0.30000000000000004, 1e-5, True, "x", None)] == [
        "0.3", "1e-05", "True", "x", "None",
    ]  # fmt: skip
    assert shown_name("Synthetic 5", {"synthetic": True}) == "Synthetic 5"
    assert shown_name("cora", {"synthetic": False}) == shown_name("cora", {}) == "cora"


@pytest.mark.parametrize(
    ("value", "number", "missing"),
    [
        (0, True, False),
        (-2.5, True, False),
        (np.int64(3), True, False),
        (np.float32(0.5), True, False),
        (True, False, False),
        (np.True_, False, False),
        (float("inf"), False, False),
        (float("nan"), False, True),
        (np.float64("nan"), False, True),
        (None, False, True),
        (pd.NA, False, True),
        ("3", False, False),
        ([], False, False),
    ],
)
def test_numbers_and_what_is_missing(value: object, number: bool, missing: bool) -> None:
    assert is_number(value) is number
    assert is_missing(value) is missing


def result_of(config: Any, ticket: Any) -> Any:
    """A result of a network of eight weights."""
    best = SimpleNamespace(best_epoch=7, last_epoch=9, seconds=2.5)
    accuracies = {"test_accuracy": 0.7, "val_accuracy": 0.8}
    return SimpleNamespace(
        config=config,
        ticket=ticket,
        model=torch.nn.Linear(3, 2),
        best=best,
        mean={"train_accuracy": 0.9, **LATE}.__getitem__,
        **accuracies,
    )


#: Losses, and what is of the last epoch.
LATE = {
    "train_loss": 0.1,
    "val_loss": 0.2,
    "test_loss": 0.3,
    "last_train_accuracy": 0.95,
    "last_val_accuracy": 0.75,
    "last_test_accuracy": 0.65,
    "last_train_loss": 0.05,
    "last_val_loss": 0.25,
    "last_test_loss": 0.35,
}


FOUND = {
    "test_accuracy": 0.7,
    "val_accuracy": 0.8,
    "train_accuracy": 0.9,
    **LATE,
    "best_epoch": 7,
    "last_epoch": 9,
    "seconds": 2.5,
    "num_weights": 8,
}


def test_measured_of_a_ticket_by_hand() -> None:
    size = SimpleNamespace(total=8, searched=4, content_bytes=0.5, bytes=90, ratio=64.0)
    size.sparsity = size.density = size.search_space = 0.5
    config = gslt.SearchConfig(prune_ratio=0.3, lock_ratio=0.2, weight_init="ku")
    kept = {"a": (3, 4), "b": (1, 4), "c": (0, 0)}
    ticket = SimpleNamespace(size=lambda: size, kept_by_layer=kept, pattern={})
    assert measured(result_of(config, ticket)) == FOUND | {
        "weight_init": "ku",
        "sparsity": 0.5,
        "density": 0.5,
        "prune_ratio": 0.3,
        "lock_ratio": 0.2,
        "freezing_ratio": 0.5,
        "searched": 4,
        "search_space": 0.5,
        "model_bytes": 0.5,
        "times_smaller": 64.0,
        "file_bytes": 90,
        "least_layer_density": 0.25,
        "emptied_layers": 0,
    }


@pytest.mark.parametrize("place", ["all", "hidden"])
def test_ratios_are_those_of_the_counts_where_the_config_does_not_tell_them(
    blocks: gslt.NodeDataset, place: str
) -> None:
    config = small_search(
        num_layers=4, sparsity=0.8, prune_ratio=0.45, lock_ratio=0.1, draw="bernoulli", place=place
    )
    found = gslt.search(blocks, config, progress=False)
    assert found.ticket is not None
    size, row = found.ticket.size(), measured(found)
    # Widths 8, 16, 16, 16, 3 and the head: 128 + 256 + 256 + 48 + 48, the two in the middle hidden.
    total = {"all": 736, "hidden": 512}[place]
    assert row["prune_ratio"] == size.pruned / total != 0.45
    assert row["lock_ratio"] == size.locked / total
    assert row["freezing_ratio"] == pytest.approx((size.pruned + size.locked) / total)
    assert row["searched"] == size.searched


def test_measured_of_trained_weights_by_hand() -> None:
    config = gslt.TrainConfig(weight_init="ku")
    assert measured(result_of(config, None)) == FOUND | {
        "weight_init": "ku",
        "sparsity": 0.0,
        "density": 1.0,
        "prune_ratio": None,
        "lock_ratio": None,
        "freezing_ratio": None,
        "searched": 8,
        "search_space": 1.0,
        "model_bytes": 32,
        "times_smaller": 1.0,
        "file_bytes": None,
        "least_layer_density": 1.0,
        "emptied_layers": 0,
    }


@pytest.mark.parametrize("rewired", [False, True])
def test_measured_of_a_weak_ticket_is_what_its_mask_keeps(
    blocks: gslt.NodeDataset, rewired: bool
) -> None:
    """Of 8 · 4 + 4 · 3 + 4 · 3 = 56 weights 0.3 are 16.8: 17 are kept."""
    config = gslt.TrainConfig(
        num_layers=2,
        hidden_channels=4,
        epochs=5,
        lr=0.1,
        mask_sparsity=0.7,
        allocation="epl",
        rewire_every=2 if rewired else 0,
    )
    found = measured(gslt.train(blocks, config, progress=False))
    assert (found["sparsity"], found["density"]) == (pytest.approx(39 / 56), 17 / 56)
    assert (found["num_weights"], found["prune_ratio"]) == (56, None)
    # EPL: 17 / 3 of each; of what is removed the first layer has the odd one, and keeps 5.
    assert found["least_layer_density"] == 5 / 32
    assert found["emptied_layers"] == 0
    bits = 8 * (found["model_bytes"] - 4 * 17)
    assert bits in ((0, 56) if rewired else (0,))
    assert found["searched"] == (56 if rewired else 17)
    assert found["model_bytes"] == 4 * 17 + bits / 8
    assert found["times_smaller"] == pytest.approx(32 * 56 / (32 * 17 + bits))


def test_layers_by_hand() -> None:
    found = by_layer({"a": (0, 9), "b": (1, 4), "c": (0, 3)})
    assert found == {"least_layer_density": 0.0, "emptied_layers": 2}
    assert by_layer({}) == {"least_layer_density": 1.0, "emptied_layers": 0}
