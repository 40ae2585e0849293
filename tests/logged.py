"""Runs that are logged, what the log should hold, and which packages are here."""

from __future__ import annotations

import contextlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gslt
import gslt.loggers
from gslt.training.results import Epoch, Result
from gslt.training.run_folder import RunFolder

SMALL: dict[str, Any] = {"num_layers": 2, "hidden_channels": 8, "epochs": 6, "lr": 0.1}

SEARCH = gslt.SearchConfig(**SMALL, freezing_ratio=0.4)

#: Tags of an epoch by the fields of Epoch.
TAGS = {
    "loss": "loss",
    "accuracy/train": "train",
    "accuracy/val": "val",
    "accuracy/test": "test",
    "lr": "lr",
    "sparsity": "sparsity",
}

needs_tensorboard = pytest.mark.skipif(
    find_spec("tensorboard") is None,
    reason='tensorboard is not installed: pip install "gslt[tensorboard]"',
)

needs_mlflow = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("mlflow", "sqlalchemy", "alembic")),
    reason='mlflow with its local store is not installed: pip install "gslt[mlflow]"',
)


class Crash(BaseException):
    """The end of a process, as far as one process can play it."""


def run(
    dataset: gslt.NodeDataset,
    config: gslt.SearchConfig | gslt.TrainConfig,
    log: Any,
    folder: Path | None = None,
    crash: int | None = None,
) -> Result:
    """A run that is logged, and ends after as many epochs as ``crash``."""
    count = 0

    def on_epoch(epoch: Epoch) -> None:
        nonlocal count
        count += 1
        if log is not None:
            log(epoch)
        if count == crash:
            raise Crash

    action: Any = gslt.search if isinstance(config, gslt.SearchConfig) else gslt.train
    # The checkpoint of an epoch is written after it is reported: it is reported once more.
    with contextlib.ExitStack() as stack:
        place = folder and stack.enter_context(RunFolder(folder, config, checkpoint_seconds=0))
        watch = None if place and place.finished else on_epoch
        result: Result = action(dataset, config, progress=False, on_epoch=watch, folder=place)
    return result


def expected(history: list[Epoch]) -> dict[str, list[tuple[int, float]]]:
    return {
        tag: [(epoch.epoch, getattr(epoch, name)) for epoch in history]
        for tag, name in TAGS.items()
        if getattr(history[0], name) is not None
    }


def rounded(values: dict[str, list[tuple[int, float]]]) -> dict[str, list[tuple[int, float]]]:
    """In single precision, which is what event files hold."""
    return {
        tag: [(step, float(np.float32(value))) for step, value in series]
        for tag, series in values.items()
    }


def epochs_of(values: dict[str, Any]) -> dict[str, Any]:
    return {tag: series for tag, series in values.items() if not tag.startswith("result/")}


def figures_of(values: dict[str, Any]) -> dict[str, Any]:
    return {tag[7:]: series for tag, series in values.items() if tag.startswith("result/")}


def epoch_of(number: int, loss: float) -> Epoch:
    return Epoch(0, number, loss, train=0.5, val=0.25, test=0.125, lr=0.1, sparsity=0.5, seconds=1)
