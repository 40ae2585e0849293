"""What a search or a weight training returns: its epochs, its runs, their mean and spread."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field

from gslt.config import RunConfig
from gslt.data.labelled import SPLITS
from gslt.data.metrics import ACCURACY, METRICS
from gslt.errors import ConfigError
from gslt.nn.networks import Network
from gslt.ticket.ticket import Ticket

#: What is told of one network: fields of a :class:`Run`, at its best epoch. ``…_accuracy`` holds
#: the metric of the data set, whichever it is: the name stays, so that older runs can be read.
AT_BEST = tuple(f"{split}_{what}" for what in ("accuracy", "loss") for split in SPLITS)
#: The same at its last epoch.
AT_LAST = tuple(f"last_{name}" for name in AT_BEST)


@dataclass(frozen=True)
class Epoch:
    """What one epoch measured.

    Of a graph, losses and scores are those after its update. Of images, ``loss`` and ``train`` are
    means over its batches, varied as they were learnt from and each before its update; ``val`` and
    ``test`` are those after the last update.
    """

    seed: int
    """Of the run."""
    epoch: int
    """Its number; 1 is the first."""
    loss: float
    """Mean cross entropy of the training items, in nats, see :func:`gslt.data.metrics.loss`."""
    train: float
    """Accuracy of the training items, or what ``metric`` names, a fraction in [0, 1]."""
    val: float
    """The same of the validation items."""
    test: float
    """The same of the test items."""
    lr: float
    """Learning rate of its update."""
    sparsity: float | None
    """Sparsity of the mask; None in weight training."""
    seconds: float
    """Time since the run began."""
    metric: str = ACCURACY
    """What ``train``, ``val`` and ``test`` are: a key of :data:`gslt.data.metrics.METRICS`."""


@dataclass(frozen=True, eq=False)
class Run:
    """One run of a search or of weight training."""

    seed: int
    best_epoch: int
    """Epoch of the best validation accuracy, or ``metric``, whose state is kept."""
    train_accuracy: float
    """Of that epoch, evaluated in float32; a fraction, as are the next two. Where ``metric`` is
    another, it stands here under this name, as in all that is stored."""
    val_accuracy: float
    test_accuracy: float
    seconds: float
    """What the run took."""
    history: list[Epoch]
    """Every epoch in order."""
    model: Network
    """The model in its state of the best epoch."""
    ticket: Ticket | None
    """A strong one of a search, a weak one of training under a mask, else None."""
    train_loss: float = math.nan
    """Of the best epoch, as are the next two: mean cross entropy in nats, in float32. NaN, as all
    that follows, in a run that an older gslt finished."""
    val_loss: float = math.nan
    test_loss: float = math.nan
    last_train_accuracy: float = math.nan
    """Of the network of the last epoch, evaluated in float32, as are the next five: in a search, of
    the ticket of the last scores."""
    last_val_accuracy: float = math.nan
    last_test_accuracy: float = math.nan
    last_train_loss: float = math.nan
    last_val_loss: float = math.nan
    last_test_loss: float = math.nan

    @property
    def last_epoch(self) -> int:
        """Number of the last epoch: as the config says, or that at which patience ended."""
        return len(self.history)

    @property
    def metric(self) -> str:
        """What its accuracies are: a key of :data:`gslt.data.metrics.METRICS`."""
        return self.history[-1].metric if self.history else ACCURACY


@dataclass(frozen=True, eq=False)
class Result:
    """All runs of a config. Accuracies are fractions; spreads are unbiased standard deviations."""

    config: RunConfig
    dataset: str
    """Name of the data set."""
    runs: tuple[Run, ...]
    """One for each seed, in order."""
    content_hash: str = ""
    """Of the data set, see :attr:`gslt.data.NodeDataset.content_hash`."""
    majority_rate: Mapping[str, float] = field(default_factory=dict)
    """By split, see :meth:`gslt.NodeDataset.majority_rate`."""

    @property
    def metric(self) -> str:
        """What its accuracies are: a key of :data:`gslt.data.metrics.METRICS`."""
        return self.runs[0].metric

    @property
    def best(self) -> Run:
        """The run with the best validation accuracy."""
        return max(self.runs, key=lambda run: run.val_accuracy)

    def mean(self, name: str) -> float:
        """Mean over the runs; NaN where a run has none.

        Args:
            name: one of ``AT_BEST`` or ``AT_LAST``, such as ``"last_test_accuracy"``.
        """
        return statistics.fmean(getattr(run, name) for run in self.runs)

    @property
    def test_accuracy(self) -> float:
        """Mean test accuracy at the best validation epoch."""
        return self.mean("test_accuracy")

    @property
    def val_accuracy(self) -> float:
        """Mean of the best validation accuracies."""
        return self.mean("val_accuracy")

    @property
    def test_std(self) -> float:
        """Unbiased standard deviation of the test accuracies; NaN for one run."""
        return _std([run.test_accuracy for run in self.runs])

    @property
    def val_std(self) -> float:
        """Unbiased standard deviation of the validation accuracies; NaN for one run."""
        return _std([run.val_accuracy for run in self.runs])

    @property
    def history(self) -> list[Epoch]:
        """Every epoch of the best run."""
        return self.best.history

    @property
    def ticket(self) -> Ticket | None:
        """The ticket of the best run; None where all weights were trained."""
        return self.best.ticket

    @property
    def model(self) -> Network:
        """The model of the best run."""
        return self.best.model

    def __str__(self) -> str:
        test = format_accuracy(self.test_accuracy, self.test_std)
        val = format_accuracy(self.val_accuracy, self.val_std)
        train = format_accuracy(self.mean("train_accuracy"))
        label = METRICS[self.metric].label
        text = f"{self.dataset}: test {label} {test}, validation {val}, training {train}"
        if not math.isnan(last := self.mean("last_test_accuracy")):
            text += f", test at the last epoch {format_accuracy(last)}"
        if "test" in self.majority_rate:
            text += f", majority rate {format_accuracy(self.majority_rate['test'])}"
        return f"{text} ({len(self.runs)} run(s))"


def ticket_results(
    scores: Mapping[str, float], epoch: int, metric: str, score_draw: int = 0
) -> dict[str, float]:
    """What a ticket says of its search, by the name of the split where the metric is accuracy.

    >>> ticket_results({"test": 0.5}, 3, "roc_auc")
    {'test_roc_auc': 0.5, 'epoch': 3}

    Args:
        scores: by split.
        epoch: the best one.
        metric: what the scores are.
        score_draw: that of the search; said where it is another than the usual one.
    """
    end = "" if metric == ACCURACY else f"_{metric}"
    found = {f"{split}{end}": value for split, value in scores.items()}
    return {**found, "epoch": epoch, **({"score_draw": score_draw} if score_draw else {})}


def format_accuracy(mean: float, std: float = math.nan) -> str:
    """Percent as papers print it.

    >>> format_accuracy(0.7875)
    '78.75'
    >>> format_accuracy(0.7875, 0.0012)
    '78.75 ± 0.12'

    Args:
        mean: a fraction in [0, 1].
        std: standard deviation over runs, a fraction; NaN where there is but one run.
    """
    return f"{100 * mean:.2f}" + ("" if math.isnan(std) else f" ± {100 * std:.2f}")


#: Runs that OGB asks for, each of another seed.
LEADERBOARD_RUNS = 10
#: Columns of :func:`leaderboard_line`.
LEADERBOARD_HEAD = "Method | Ext. data | Test Accuracy | Validation Accuracy | #Params | Hardware"


def leaderboard_line(
    method: str,
    test: tuple[float, float],
    val: tuple[float, float],
    *,
    runs: int,
    params: int,
    hardware: str,
) -> str:
    """A result as OGB's leaderboard has it: a line of :data:`LEADERBOARD_HEAD`.

    Accuracies are fractions, mean ± unbiased standard deviation over the seeds, each at the best
    validation epoch of its run. Nothing but the data set itself is learnt from.

    >>> leaderboard_line("GIN", (0.72132, 0.00184), (0.73, 0.001), runs=10, params=218_664,
    ...                  hardware="CPU")
    'GIN | No | 0.7213 ± 0.0018 | 0.7300 ± 0.0010 | 218,664 | CPU'

    Args:
        method: what found it.
        test: mean and standard deviation of the test accuracies.
        val: the same of the validation accuracies.
        runs: number of seeds.
        params: weights of the whole network, searched or not.
        hardware: where it ran.

    Raises:
        ConfigError: for fewer than ten runs.
    """
    if runs < LEADERBOARD_RUNS:
        raise ConfigError(
            f"OGB's leaderboard asks for {LEADERBOARD_RUNS} runs of different seeds, and there "
            f"are {runs}; run with --runs {LEADERBOARD_RUNS}"
        )
    scores = [f"{mean:.4f} ± {std:.4f}" for mean, std in (test, val)]
    return " | ".join([method, "No", *scores, f"{params:,}", hardware])


def _std(values: list[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else math.nan
