"""What a network is judged by: its loss and its metric, for one label a node and for several."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from gslt.errors import ConfigError, DataError, nearest

#: One class of several for every node, or every label of a node by itself.
Task = Literal["multiclass", "multilabel"]
ACCURACY = "accuracy"


@dataclass(frozen=True)
class Metric:
    """A score in [0, 1] of the logits of some nodes; larger is better."""

    label: str
    """As people write it."""
    score: Callable[[Tensor, Tensor], float]
    """Of logits ``(n, C)`` and labels ``(n,)`` or ``(n, C)``."""
    tasks: tuple[Task, ...]
    """What it is defined for."""
    lack: Callable[[Tensor], str] = lambda _labels: ""
    """Why labels have no such score, as the end of a sentence; empty where they have one."""


def loss(logits: Tensor, y: Tensor) -> Tensor:
    """Mean cross entropy of nodes in nats; of several labels a node, of nodes and labels.

    −log softmax(z)_y, or of labels y ∈ {0, 1}: −y log σ(z) − (1 − y) log(1 − σ(z)).

    Args:
        logits: ``(n, C)``.
        y: classes, int64 ``(n,)``; or labels, float32 ``(n, C)`` of 0 and 1.
    """
    if y.dim() == 1:
        return F.cross_entropy(logits, y)
    return F.binary_cross_entropy_with_logits(logits, y)


def accuracy(logits: Tensor, y: Tensor) -> float:
    """Fraction of nodes whose class has the largest logit.

    Args:
        logits: ``(N, C)``.
        y: classes, int64 ``(N,)``.

    >>> accuracy(torch.tensor([[0.0, 1.0], [2.0, 1.0]]), torch.tensor([1, 1]))
    0.5
    """
    return int((logits.argmax(dim=1) == y).sum()) / len(y)


def roc_aucs(scores: Tensor, y: Tensor) -> Tensor:
    """Area under the ROC curve of every column: the chance that a one scores above a zero.

    (R − p (p + 1) / 2) / (p (n − p)) with p ones, R the sum of their ranks, equal scores sharing
    their mean rank (Mann and Whitney 1947): float64 ``(C,)``, NaN where a column has one value.

    Args:
        scores: ``(n, C)``.
        y: 0 and 1, of the same shape.

    Raises:
        DataError: if a score is NaN, which has no rank.

    >>> roc_aucs(torch.tensor([[0.1], [0.4], [0.4], [0.8]]), torch.tensor([[0], [0], [1], [1]]))
    tensor([0.8750], dtype=torch.float64)
    """
    if torch.isnan(scores).any():
        node, column = torch.isnan(scores).nonzero()[0].tolist()
        raise DataError(f"logit [{node}, {column}] is NaN, which has no rank: no ROC AUC")
    number = len(scores)
    ordered, order = scores.sort(dim=0)
    place = torch.arange(number, device=scores.device)[:, None].expand_as(ordered)
    step = ordered[1:] != ordered[:-1]
    edge = torch.ones_like(step[:1]) if len(step) else torch.ones_like(ordered, dtype=torch.bool)
    first = torch.where(torch.cat([edge, step]), place, 0).cummax(dim=0).values
    last = torch.where(torch.cat([step, edge]), place, number).flip(0).cummin(dim=0).values.flip(0)
    ones = (y > 0).gather(0, order)
    p = ones.sum(dim=0).double()
    ranks = (((first + last).double() / 2 + 1) * ones).sum(dim=0)
    return (ranks - p * (p + 1) / 2) / (p * (number - p))


def roc_auc(logits: Tensor, y: Tensor) -> float:
    """Area under the ROC curve; of several labels its mean over those with zeros and ones.

    Of two classes the score is the logit of class 1 less that of class 0, which orders nodes as
    its probability does. The mean over labels is that of OGB's ``Evaluator``.

    Args:
        logits: ``(n, 2)``, or ``(n, C)`` of C labels.
        y: classes, int64 ``(n,)``; or labels, ``(n, C)`` of 0 and 1.
    """
    if y.dim() == 1:
        logits, y = logits[:, 1:] - logits[:, :1], y[:, None]
    return float(roc_aucs(logits, y).nanmean())


def micro_f1(logits: Tensor, y: Tensor) -> float:
    """F1 over all nodes and labels at once, 2 TP / (2 TP + FP + FN); a logit above 0 says 1.

    Args:
        logits: ``(N, C)``.
        y: labels 0 and 1, ``(N, C)``.

    >>> micro_f1(torch.tensor([[1.0, 1.0], [-1.0, 1.0]]), torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
    0.6666666666666666
    """
    said, true = logits > 0, y > 0
    return 2 * int((said & true).sum()) / int(said.sum() + true.sum())


def _lacks_two(y: Tensor) -> str:
    ones = (y if y.dim() == 2 else y[:, None]).gt(0).sum(dim=0)
    if ((ones > 0) & (ones < len(y))).any():
        return ""
    if y.dim() == 2:
        return "no label with both zeros and ones"
    return f"nodes of class {int(ones > 0)} only"


METRICS: dict[str, Metric] = {
    ACCURACY: Metric("accuracy", accuracy, ("multiclass",)),
    "roc_auc": Metric("ROC AUC", roc_auc, ("multiclass", "multilabel"), _lacks_two),
    "micro_f1": Metric(
        "micro-F1", micro_f1, ("multilabel",), lambda y: "" if y.any() else "no label that is 1"
    ),
}


def constant_logits(y: Tensor, num_classes: int) -> Tensor:
    """What says the same of every node, ``(1, C)``: the most frequent class, or value of a label.

    Args:
        y: classes or labels of the training nodes.
        num_classes: C.
    """
    if y.dim() == 2:
        return (2 * (2 * y.sum(dim=0) > len(y)).float() - 1)[None]
    most = torch.bincount(y, minlength=num_classes).argmax()
    return F.one_hot(most, num_classes).float()[None]


def reworded(words: str, metric: str) -> str:
    """Words about accuracy as words about another metric.

    >>> reworded("Test accuracy (%)", "roc_auc")
    'Test ROC AUC (%)'
    >>> reworded("the best validation accuracy", "accuracy")
    'the best validation accuracy'

    Args:
        words: as they are written where accuracy is the metric.
        metric: a key of :data:`METRICS`.
    """
    if metric == ACCURACY:
        return words
    label = METRICS[metric].label
    for known in ("accuracies", "Accuracies", "accuracy", "Accuracy"):
        words = words.replace(known, label)
    return words


def check_metric(metric: str, task: Task, num_classes: int) -> None:
    """Refuse a metric that is unknown, or not defined for such labels.

    Args:
        metric: a key of :data:`METRICS`.
        task: of the data set.
        num_classes: number of classes, or of labels.

    Raises:
        ConfigError: names those that can be had.
    """
    known = [name for name, each in METRICS.items() if task in each.tasks]
    if task == "multiclass" and num_classes != 2:
        known.remove("roc_auc")
    if metric not in known:
        what = "labels of a node" if task == "multilabel" else "classes"
        raise ConfigError(
            f"metric must be {' or '.join(map(repr, known))} for {num_classes} {what}, got "
            f"{metric!r}{nearest(metric, known)}"
        )


def several_labels(y: Tensor) -> Tensor:
    """Labels of nodes that may have several, as float32 ``(N, C)``.

    Args:
        y: 0 and 1 as numbers or truth values, ``(N, C)``; a whole row of −1 or NaN is a node
            without labels and comes out as −1.

    Raises:
        DataError: names the first entry that is neither.

    >>> several_labels(torch.tensor([[True, True], [False, False]])).tolist()
    [[1.0, 1.0], [0.0, 0.0]]
    """
    if not isinstance(y, Tensor) or y.dim() != 2 or 0 in y.shape or y.is_complex():
        shape = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
        raise DataError(f"y must have shape (nodes, labels) of 0 and 1, got {shape}")
    none = (torch.isnan(y) | (y == -1)).all(dim=1, keepdim=True)
    broken = ~((y == 0) | (y == 1) | none)
    if broken.any():
        node, label = broken.nonzero()[0].tolist()
        raise DataError(
            f"y[{node}, {label}] is {y[node, label].item()}, but a label of several is 0 or 1; "
            "give a node without labels a whole row of -1"
        )
    return torch.where(none, -1.0, y.to(torch.float32))
