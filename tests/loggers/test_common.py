"""What is logged, and when."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from logged import epoch_of

import gslt
from gslt.errors import MissingPackageError
from gslt.loggers import MLflowLogger, TensorBoardLogger
from gslt.loggers.common import FIGURES, Logger, figures, hyperparameters, scalars
from gslt.training.results import Epoch, Run


@pytest.mark.parametrize("package", ["tensorboard", "mlflow"])
def test_without_the_package(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=rf"'{package}'.*gslt\[{package}\]"):
        TensorBoardLogger(tmp_path) if package == "tensorboard" else MLflowLogger()


def test_scalars_by_hand() -> None:
    expected = {
        "loss": 2.0,
        "accuracy/train": 0.5,
        "accuracy/val": 0.25,
        "accuracy/test": 0.125,
        "lr": 0.1,
    }
    assert scalars(epoch_of(1, 2.0)) == {**expected, "sparsity": 0.5}
    assert scalars(Epoch(0, 1, 2.0, 0.5, 0.25, 0.125, 0.1, None, seconds=1)) == expected


def test_figures_of_trained_weights_by_hand() -> None:
    # Twelve weights of four bytes, all of them searched and none removed.
    run = Run(0, 5, 0.9, 0.8, 0.7, 3.0, [], model=torch.nn.Linear(3, 3), ticket=None)  # type: ignore[arg-type]
    assert list(figures(run)) == list(FIGURES)
    assert list(figures(run).values()) == [0.7, 0.8, 0.9, 0.0, 1.0, 48.0, 3.0]


def test_hyperparameters_are_those_of_the_seed() -> None:
    found = hyperparameters(gslt.TrainConfig(seed=1, runs=3, lr=0.5), "toy", 2)
    assert (found["method"], found["dataset"], found["seed"], found["lr"]) == (
        "train",
        "toy",
        2,
        0.5,
    )
    assert "runs" not in found
    assert hyperparameters(gslt.SearchConfig(), "toy", 0)["method"] == "search"


class Recorder(Logger):
    """A logger into a list."""

    def __init__(self) -> None:
        super().__init__(gslt.TrainConfig(), "toy")
        self.told: list[Any] = []

    def _open(self, seed: int, first: int | None) -> Any:
        self.told.append(("open", seed, first))
        return self

    def describe(self, values: dict[str, Any]) -> None:
        self.told.append(("describe", values["seed"]))

    def epoch(self, epoch: Epoch) -> None:
        self.told.append(("epoch", epoch.epoch))

    def close(self, status: str) -> None:
        self.told.append(("close", status))


@pytest.mark.parametrize(
    ("error", "status"),
    [(None, "FINISHED"), (ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")],
)
def test_a_log_is_opened_by_its_first_epoch_and_closed_once(error: Any, status: str) -> None:
    log = Recorder()
    with contextlib.suppress(ValueError, KeyboardInterrupt), log:
        log(epoch_of(4, 1.0))
        log(epoch_of(5, 1.0))
        if error is not None:
            raise error
    assert log.told == [
        ("open", 0, 4),
        ("describe", 0),
        ("epoch", 4),
        ("epoch", 5),
        ("close", status),
    ]
