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
    size = SimpleNamespace(total=8, searched=4, bits=4, bytes=90, ratio=64.0)
    size.sparsity = size.density = size.search_space = 0.5
    config = gslt.SearchConfig(prune_ratio=0.3, lock_ratio=0.2, weight_init="ku")
    assert measured(result_of(config, SimpleNamespace(size=lambda: size, pattern={}))) == FOUND | {
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


@pytest.mark.parametrize(
    ("masked", "removed"),
    # A quarter of eight weights; 0.3 of them are 2.4.
    [(0.0, 0), (0.25, 2), (0.3, 2)],
)
def test_measured_of_trained_weights_by_hand(masked: float, removed: int) -> None:
    config = gslt.TrainConfig(mask_sparsity=masked, weight_init="ku")
    kept = 8 - removed
    assert measured(result_of(config, None)) == FOUND | {
        "weight_init": "ku",
        "sparsity": removed / 8,
        "density": kept / 8,
        "prune_ratio": None,
        "lock_ratio": None,
        "freezing_ratio": None,
        "searched": kept,
        "search_space": kept / 8,
        "model_bytes": 4 * kept,
        "times_smaller": 8 / kept,
        "file_bytes": None,
    }
