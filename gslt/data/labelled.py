"""What data sets of nodes and of images share: labels, one split, a metric, a content hash."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from types import FunctionType
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from typing_extensions import Self

from gslt.data.metrics import ACCURACY, METRICS, Task, check_metric, constant_logits, loss
from gslt.errors import DataError

Evaluator = Callable[[Tensor, Tensor], float]
Facts = dict[str, str | int | float | bool]
SPLITS = ("train", "val", "test")
#: What is known of data sets that are in use; every run's record has it.
_FACTS: WeakKeyDictionary[LabelledData, tuple[tuple[int, ...], Facts]] = WeakKeyDictionary()
_HASHES: WeakKeyDictionary[LabelledData, tuple[tuple[int, ...], str]] = WeakKeyDictionary()
#: What their tensors were when their rules were checked last.
_CHECKED: WeakKeyDictionary[LabelledData, tuple[int, ...]] = WeakKeyDictionary()


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledData(ABC):
    """N items with a label each, or several, and one split into training, validation and test.

    Labels and masks are copies of what is given. Where one of its own tensors is written to, its
    rules are checked again at the next ``content_hash`` or ``info()``, as every run takes one.
    """

    item: ClassVar[str]
    """What one of them is called."""
    name: str
    """What tables and plots call it; holds the word "synthetic" where the data is."""
    x: Tensor
    """What is known of each item, ``(N, …)``."""
    y: Tensor
    """Labels, ``(N,)``, or ``(N, num_classes)`` where an item has several."""
    train_mask: Tensor
    """Training items, bool ``(N,)``. The three masks are disjoint and none is empty."""
    val_mask: Tensor
    """Validation items, bool ``(N,)``."""
    test_mask: Tensor
    """Test items, bool ``(N,)``."""
    num_classes: int
    """Number of classes, at least 2; or of the labels that an item has of several, at least 1."""
    synthetic: bool = False
    """Whether it was generated: no result on it says anything about real data."""
    source: str = ""
    """One line: where the data comes from, and its licence where it is known."""
    split: int = 0
    """Number of the split, for data sets that have several; the seed of a random one."""
    class_names: tuple[str, ...] = ()
    """Names of the classes, where they are known."""
    evaluator: Evaluator | None = None
    """The benchmark's own accuracy, ``(y_true, y_pred) → [0, 1]`` of classes ``(n,)``, by which
    epochs are chosen and results judged; None is plain accuracy."""
    task: Task = "multiclass"
    """``"multilabel"`` where every label of an item is 0 or 1 by itself."""
    metric: str = ""
    """Key of :data:`gslt.data.metrics.METRICS` that runs are judged and compared by; empty takes
    ``"accuracy"``, and ``"roc_auc"`` where items have several labels."""

    def __post_init__(self) -> None:
        if not self.metric:
            usual = ACCURACY if self.task == "multiclass" else "roc_auc"
            object.__setattr__(self, "metric", usual)
        for name in ("y", *(f"{split}_mask" for split in SPLITS)):
            if isinstance(value := getattr(self, name), Tensor):
                object.__setattr__(self, name, value.clone())
        self._check()
        _CHECKED[self] = self._versions()

    @property
    def num_items(self) -> int:
        """Number of nodes or images, N."""
        return self.x.shape[0]

    @property
    def num_features(self) -> int:
        """Number of features of a node, or channels of an image."""
        return self.x.shape[1]

    @property
    def splits(self) -> dict[str, Tensor]:
        """The three masks by name: ``train``, ``val``, ``test``."""
        return {"train": self.train_mask, "val": self.val_mask, "test": self.test_mask}

    def to(self, device: torch.device | str) -> Self:
        """The same data set with its tensors on ``device``; itself where they are there."""
        if self.x.device == torch.empty(0, device=device).device:
            return self
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        moved: dict[str, Any] = {
            name: v.to(device) for name, v in values.items() if isinstance(v, Tensor)
        }
        return replace(self, **moved)

    @property
    @abstractmethod
    def counts(self) -> dict[str, int]:
        """How many there are of what it is made of, by name; the classes are the last."""

    @abstractmethod
    def _check(self) -> None:
        """Refuse a part that breaks a rule, with a DataError."""

    @abstractmethod
    def _content(self) -> Iterator[Tensor]:
        """What a result depends on beside the number of classes, always in the same order."""

    @abstractmethod
    def _facts(self) -> Facts:
        """What :meth:`info` gives."""

    @property
    def content_hash(self) -> str:
        """SHA-256 of what a result depends on, 64 hexadecimal digits.

        Of features, labels, masks and the number of classes, and of the edges as a set in which
        one may stand several times: in any order, on any device, they give the same. The name, the
        source and the names of the classes have no part in it.

        Raises:
            DataError: if a tensor was written to since, and breaks a rule now.
        """
        versions = self._checked_versions()
        if self not in _HASHES or _HASHES[self][0] != versions:
            _HASHES[self] = versions, self._content_hash()
        return _HASHES[self][1]

    def _versions(self) -> tuple[int, ...]:
        """What counts up where a tensor is written to."""
        return tuple(map(version_of, (self.x, self.y, *self.splits.values())))

    def _checked_versions(self) -> tuple[int, ...]:
        """The same, once the rules are known to hold of it."""
        versions = self._versions()
        if _CHECKED.get(self) != versions:
            self._check()
            _CHECKED[self] = versions
        return versions

    def _content_hash(self) -> str:
        found = hashlib.sha256(f"{self.num_classes}".encode())
        for part in self._content():
            found.update(f"|{part.dtype} {tuple(part.shape)}|".encode())
            found.update(_without_negative_zero(part.detach().cpu()).contiguous().numpy().data)
        return found.hexdigest()

    @property
    def has_own_measure(self) -> bool:
        """Whether it has an evaluator that may say something else than the metric does."""
        return self.evaluator is not None and not getattr(self.evaluator, "is_accuracy", False)

    @property
    def evaluator_name(self) -> str:
        """What an evaluator other than plain accuracy is called, with its module; else empty."""
        if not self.has_own_measure:
            return ""
        if isinstance(self.evaluator, FunctionType):
            return f"{self.evaluator.__module__}.{self.evaluator.__qualname__}"
        return f"{type(self.evaluator).__module__}.{self.evaluator!r}"

    @property
    def labelled(self) -> Tensor:
        """Items that have a label, bool ``(N,)``."""
        return self.y >= 0 if self.y.dim() == 1 else self.y[:, 0] >= 0

    @property
    def metric_label(self) -> str:
        """The metric as people write it, such as ``"ROC AUC"``."""
        return METRICS[self.metric].label

    def accuracy(self, logits: Tensor) -> dict[str, float]:
        """Fraction of right predictions in each split, from one argmax.

        Args:
            logits: scores of every item, ``(N, num_classes)``.

        Raises:
            DataError: if the logits have another shape, or items have several labels.
        """
        check_logits(self, logits)
        if self.task == "multilabel":
            raise DataError(
                f"{self.item}s of data set {self.name!r} have several labels, of which there is no "
                f"accuracy; take score(logits), which is {self.metric_label}"
            )
        right = logits.argmax(dim=1) == self.y
        masks = torch.stack(list(self.splits.values()))
        counts = torch.stack([(masks & right).sum(dim=1), masks.sum(dim=1)]).tolist()
        return {name: hits / total for name, hits, total in zip(SPLITS, *counts, strict=True)}

    def score(self, logits: Tensor) -> dict[str, float]:
        """What epochs are chosen by, in each split: the metric, or an evaluator of its own.

        Args:
            logits: scores of every item, ``(N, num_classes)``.

        Raises:
            DataError: if the logits have another shape, or are NaN where ranks are needed; if an
                evaluator gives no fraction.
        """
        if self.metric == ACCURACY and not self.has_own_measure:
            return self.accuracy(logits)
        check_logits(self, logits)
        return {n: self.score_of(logits[mask], self.y[mask]) for n, mask in self.splits.items()}

    def score_of(self, logits: Tensor, y: Tensor) -> float:
        """The same of some items.

        Args:
            logits: ``(n, num_classes)``.
            y: their labels, ``(n,)`` or ``(n, num_classes)``.

        Raises:
            DataError: as :meth:`score`.
        """
        if self.has_own_measure:
            return self._by_evaluator(logits, y)
        return METRICS[self.metric].score(logits, y)

    def _by_evaluator(self, logits: Tensor, y: Tensor) -> float:
        assert self.evaluator is not None
        found = float(self.evaluator(y, logits.argmax(dim=1)))
        if not 0.0 <= found <= 1.0:
            raise DataError(
                f"the evaluator of data set {self.name!r} gave {found} for {len(y)} {self.item}s; "
                "an evaluator gives a fraction from 0 to 1, of which more is better"
            )
        return found

    def evaluate(self, logits: Tensor) -> dict[str, float]:
        """What the benchmark's own evaluator says of each split; without one, :meth:`score`.

        Args:
            logits: scores of every item, ``(N, num_classes)``.

        Raises:
            DataError: as :meth:`score`.
        """
        if self.evaluator is None:
            return self.score(logits)
        check_logits(self, logits)
        return {
            name: self._by_evaluator(logits[mask], self.y[mask])
            for name, mask in self.splits.items()
        }

    def majority_rate(self) -> dict[str, float]:
        """What :meth:`score` says of the same answer for every item: what is easy to reach.

        That is the most frequent class of the training items, or value of each label: the accuracy
        is the fraction of a split's items with this class, ROC AUC is 0.5.
        """
        constant = constant_logits(self.y[self.train_mask], self.num_classes)
        return self.score(constant.to(self.y.device).expand(self.num_items, -1))

    def accuracy_and_loss(self, logits: Tensor) -> dict[str, float]:
        """What there is to say of one network on every split.

        Args:
            logits: scores of every item, ``(N, num_classes)``.

        Returns:
            ``train_accuracy``, ``val_accuracy`` and ``test_accuracy``, see :meth:`evaluate`: the
            names under which the metric is stored, whichever it is;
            ``train_loss``, ``val_loss`` and ``test_loss``: see :func:`gslt.data.metrics.loss`, in
            nats.

        Raises:
            DataError: if the logits have another shape.
        """
        scores = self.evaluate(logits)
        losses = {
            f"{name}_loss": float(loss(logits[mask], self.y[mask]))
            for name, mask in self.splits.items()
        }
        return {f"{name}_accuracy": scores[name] for name in SPLITS} | losses

    def info(self) -> Facts:
        """Facts about the data, its labels and its split, for people and for run records.

        Raises:
            DataError: as :attr:`content_hash`.
        """
        versions = self._checked_versions()
        if self not in _FACTS or _FACTS[self][0] != versions:
            _FACTS[self] = versions, self._facts()
        return dict(_FACTS[self][1])


# The rules of data with labels and a split, each with the sentence that says where it is broken


def check_logits(data: LabelledData, logits: Tensor) -> None:
    """Refuse logits that are not ``(N, num_classes)``.

    Args:
        data: the data set.
        logits: scores of every item.

    Raises:
        DataError: if they have another shape.
    """
    wanted = (data.num_items, data.num_classes)
    if tuple(logits.shape) != wanted:
        raise DataError(
            f"logits for data set {data.name!r} must have shape {wanted} ({data.item}s, classes), "
            f"got {tuple(logits.shape)}; score every {data.item} at once"
        )


def first_true(broken: Tensor) -> tuple[int, ...]:
    """Index of the first True entry, of any shape ``(…)``."""
    return tuple(int(i) for i in broken.nonzero()[0])


def check_type(name: str, value: Any, dtype: torch.dtype, shape: str, dim: int) -> None:
    """Refuse what is no tensor of this type and number of dimensions.

    Args:
        name: of the field.
        value: of the field.
        dtype: it must have.
        shape: it must have, in words.
        dim: number of its dimensions.

    Raises:
        DataError: naming what it is.
    """
    if not isinstance(value, Tensor):
        raise DataError(
            f"{name} must be a {dtype} tensor of shape {shape}, got {type(value).__name__}; "
            "convert it with torch.as_tensor"
        )
    if value.dtype != dtype:
        raise DataError(f"{name} must be {dtype}, got {value.dtype}; convert it with .to({dtype})")
    if value.dim() != dim:
        raise DataError(
            f"{name} must have shape {shape}, got {tuple(value.shape)}; reshape it first"
        )


def check_classes(data: LabelledData) -> None:
    """Refuse names of classes that are not one for each.

    Raises:
        DataError: with the two numbers.
    """
    if data.class_names and len(data.class_names) != data.num_classes:
        raise DataError(
            f"class_names holds {len(data.class_names)} names for {data.num_classes} classes; "
            "give one name per class, or none"
        )


def check_splits(data: LabelledData) -> None:
    """Refuse masks that are not disjoint, not empty, and of labelled items.

    Raises:
        DataError: naming the first offending item.
    """
    for name, mask in data.splits.items():
        _check_mask(data, name, mask)
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        both = data.splits[one] & data.splits[other]
        if both.any():
            (item,) = first_true(both)
            raise DataError(
                f"{data.item} {item} is in both {one}_mask and {other}_mask; "
                f"{_article(data.item)} may be in one split only"
            )


def _article(item: str) -> str:
    return f"{'an' if item[0] in 'aeiou' else 'a'} {item}"


def _check_mask(data: LabelledData, name: str, mask: Tensor) -> None:
    labelled, item = data.labelled, data.item
    check_type(f"{name}_mask", mask, torch.bool, f"({item}s,)", 1)
    if len(mask) != (number := len(labelled)):
        raise DataError(
            f"{name}_mask holds {len(mask)} entries for {number} {item}s; give one each"
        )
    if not mask.any():
        raise DataError(f"{name}_mask is empty; put at least one labelled {item} into every split")
    unlabelled = mask & ~labelled
    if unlabelled.any():
        (which,) = first_true(unlabelled)
        raise DataError(
            f"{item} {which} is in {name}_mask but its label is -1 (unlabelled); "
            "take it out of the split or give it a label"
        )


def check_judged(data: LabelledData) -> None:
    """Refuse a metric that some split does not have.

    Raises:
        DataError: naming the split and another metric.
    """
    check_metric(data.metric, data.task, data.num_classes)
    if data.evaluator is not None and data.metric != ACCURACY:
        raise DataError(
            f"an evaluator judges predicted classes, and the metric is {data.metric_label}; leave "
            "out one of them"
        )
    for name, mask in data.splits.items():
        if lack := METRICS[data.metric].lack(data.y[mask]):
            others = [n for n, each in METRICS.items() if data.task in each.tasks]
            raise DataError(
                f"{name}_mask has {lack}, of which there is no {data.metric_label}; give another "
                f"split, or metric={next(n for n in others if n != data.metric)!r}"
            )


def check_devices(data: LabelledData, *names: str) -> None:
    """Refuse tensors on several devices.

    Args:
        data: the data set.
        *names: of the fields that must be where its ``x`` is.

    Raises:
        DataError: naming the first that is not.
    """
    for name in names:
        # What is no tensor is refused by its own rule.
        device = getattr(getattr(data, name), "device", data.x.device)
        if device != data.x.device:
            raise DataError(
                f"{name} is on {device} and x on {data.x.device}; move them to one device first"
            )


def version_of(part: Tensor) -> int:
    """How often a tensor was written to; of one made in inference mode nobody counts.

    Args:
        part: of a data set.
    """
    return 0 if part.is_inference() else part._version


def _without_negative_zero(part: Tensor) -> Tensor:
    """The same numbers in which −0, which is 0 to every network, is 0; itself where there is none.

    In bits −0 is the least int32, and a minimum is read faster than a copy is written.
    """
    if part.dtype != torch.float32 or int(part.view(torch.int32).min()) != -(1 << 31):
        return part
    return part + 0.0
