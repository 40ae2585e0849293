"""What is logged, and when: the same for every logger."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, Literal, Protocol

from typing_extensions import Self

from gslt.config import RunConfig, SearchConfig
from gslt.data.metrics import ACCURACY
from gslt.training.results import Epoch, Result, Run

#: How a run ended; FINISHED where nothing was raised.
Status = Literal["FINISHED", "FAILED", "KILLED"]
#: Names of :func:`figures`, where the metric is accuracy.
FIGURES = (
    "result/test_accuracy",
    "result/val_accuracy",
    "result/train_accuracy",
    "result/sparsity",
    "result/search_space",
    "result/model_bytes",
    "result/seconds",
)


def scalars(epoch: Epoch) -> dict[str, float]:
    """What is logged of an epoch. Accuracies are fractions, the loss is the mean cross entropy.

    Another metric than accuracy is logged under its own name, such as ``roc_auc/val``.
    """
    values = {
        "loss": epoch.loss,
        f"{epoch.metric}/train": epoch.train,
        f"{epoch.metric}/val": epoch.val,
        f"{epoch.metric}/test": epoch.test,
        "lr": epoch.lr,
    }
    return values if epoch.sparsity is None else {**values, "sparsity": epoch.sparsity}


def figures(run: Run) -> dict[str, float]:
    """What is logged of a run that has ended.

    Accuracies at its best epoch, and of the model of that epoch: the fraction of its weights that
    is removed, the fraction that is searched, and its bytes (one bit per searched weight and what a
    ticket stores beside; trained weights are float32). Then the seconds that the run took.
    """
    size = run.ticket.size() if run.ticket else None
    total = sum(p.numel() for p in run.model.parameters())
    values = (
        run.test_accuracy,
        run.val_accuracy,
        run.train_accuracy,
        size.sparsity if size else 0.0,
        size.search_space if size else 1.0,
        size.content_bytes if size else 4.0 * total,
        run.seconds,
    )
    return dict(zip(figure_names(run.metric), values, strict=True))


def figure_names(metric: str) -> list[str]:
    """:data:`FIGURES` where this is the metric, such as ``result/test_roc_auc``."""
    return [name.replace(ACCURACY, metric) for name in FIGURES]


def hyperparameters(
    config: RunConfig, dataset: str, seed: int, metric: str = ACCURACY
) -> dict[str, Any]:
    """Method, data set and the config of one seed.

    Args:
        config: of a search or of weight training.
        dataset: name of the data set.
        seed: of the run; it takes the place of the config's first seed.
        metric: of the data set.

    Returns:
        ``method`` (``"search"`` or ``"train"``), ``dataset``, ``metric``, and every field of the
        config but ``runs``.
    """
    method = "search" if isinstance(config, SearchConfig) else "train"
    about = {"method": method, "dataset": dataset, "metric": metric}
    values = {**about, **dataclasses.asdict(config), "seed": seed}
    del values["runs"]
    return values


class SeedLog(Protocol):
    """Where one seed is logged."""

    def describe(self, values: dict[str, Any]) -> None:
        """Log the hyper-parameters, unless they are logged."""

    def epoch(self, epoch: Epoch) -> None:
        """Log an epoch."""

    def finish(self, run: Run) -> None:
        """See to it that every epoch of the run is logged once, and log its figures."""

    def close(self, status: Status) -> None:
        """Nothing more comes."""


class Logger(ABC):
    """A log for each seed, opened when its first epoch comes; use it as a context manager.

    Args:
        config: logged when a seed begins. None: of the result, in the end.
        dataset: name of the data set, logged with the config.
    """

    def __init__(self, config: RunConfig | None, dataset: str) -> None:
        self.config, self.dataset = config, dataset
        self._logs: dict[int, SeedLog] = {}

    @abstractmethod
    def _open(self, seed: int, first: int | None) -> SeedLog:
        """The log of a seed whose first epoch here is ``first``; None: it ended elsewhere."""

    def __call__(self, epoch: Epoch) -> None:
        """Log an epoch: the ``on_epoch`` of :func:`gslt.search` and :func:`gslt.train`."""
        if epoch.seed not in self._logs:
            log = self._logs[epoch.seed] = self._open(epoch.seed, epoch.epoch)
            if self.config is not None:
                values = hyperparameters(self.config, self.dataset, epoch.seed, epoch.metric)
                log.describe(values)
        self._logs[epoch.seed].epoch(epoch)

    def result(self, result: Result) -> None:
        """Log what every run found, and its epochs that were not logged yet."""
        for run in result.runs:
            if run.seed not in self._logs:
                self._logs[run.seed] = self._open(run.seed, None)
            log = self._logs[run.seed]
            log.describe(hyperparameters(result.config, result.dataset, run.seed, run.metric))
            log.finish(run)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        status: Status = "FINISHED"
        if kind is not None:
            status = "FAILED" if issubclass(kind, Exception) else "KILLED"
        logs, self._logs = self._logs, {}
        for log in logs.values():
            log.close(status)
