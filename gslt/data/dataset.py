"""One graph whose nodes are classified, and its rules: what every loader gives, all else takes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from gslt.data.metrics import (
    ACCURACY,
    METRICS,
    Task,
    check_metric,
    constant_logits,
    loss,
    several_labels,
)
from gslt.data.stored import TENSORS, write_stored
from gslt.errors import DataError, GsltWarning, warn

Evaluator = Callable[[Tensor, Tensor], float]
Facts = dict[str, str | int | float | bool]
SPLITS = ("train", "val", "test")
#: What is known of data sets that are in use; every run's record has it.
_FACTS: WeakKeyDictionary[NodeDataset, tuple[tuple[int, ...], Facts]] = WeakKeyDictionary()
_HASHES: WeakKeyDictionary[NodeDataset, tuple[tuple[int, ...], str]] = WeakKeyDictionary()


@dataclass(frozen=True, kw_only=True, eq=False)
class NodeDataset:
    """A graph with node features, node labels and one split, checked when it is made.

    With N nodes, E directed edges and d features.

    Raises:
        DataError: if a part breaks a rule below; the message names the first offending entry.
    """

    name: str
    """What tables and plots call it; holds the word "synthetic" where the data is."""
    x: Tensor
    """Features, float32 ``(N, d)``, finite."""
    edge_index: Tensor
    """Edges, int64 ``(2, E)``: row 0 sources, row 1 targets. An undirected edge stands in both
    directions."""
    y: Tensor
    """Labels, int64 ``(N,)``: 0 … num_classes − 1, or −1 for an unlabelled node, in no split. With
    ``task="multilabel"`` 0 and 1 ``(N, num_classes)``, of any type, kept as float32; a row of −1 or
    NaN is an unlabelled node."""
    train_mask: Tensor
    """Training nodes, bool ``(N,)``. The three masks are disjoint and none is empty."""
    val_mask: Tensor
    """Validation nodes, bool ``(N,)``."""
    test_mask: Tensor
    """Test nodes, bool ``(N,)``."""
    num_classes: int
    """Number of classes, at least 2; or of the labels that a node has of several, at least 1."""
    synthetic: bool = False
    """Whether the graph was generated: no result on it says anything about real data."""
    source: str = ""
    """One line: where the data comes from, and its licence where it is known."""
    split: int = 0
    """Number of the split, for data sets that have several."""
    class_names: tuple[str, ...] = ()
    """Names of the classes, where they are known."""
    evaluator: Evaluator | None = None
    """The benchmark's own accuracy, ``(y_true, y_pred) → [0, 1]``; None is plain accuracy."""
    task: Task = "multiclass"
    """``"multilabel"`` where every label of a node is 0 or 1 by itself."""
    metric: str = ""
    """Key of :data:`gslt.data.metrics.METRICS` that runs are judged and compared by; empty takes
    ``"accuracy"``, and ``"roc_auc"`` where nodes have several labels."""

    def __post_init__(self) -> None:
        if not self.metric:
            usual = ACCURACY if self.task == "multiclass" else "roc_auc"
            object.__setattr__(self, "metric", usual)
        if self.task == "multilabel":
            try:
                object.__setattr__(self, "y", several_labels(self.y))
            except DataError as error:
                raise DataError(f"data set {self.name!r}: {error}") from None
        check_node_dataset(self)

    @property
    def num_nodes(self) -> int:
        """Number of nodes, N."""
        return self.x.shape[0]

    @property
    def num_edges(self) -> int:
        """E, the number of directed edges: an undirected edge counts twice."""
        return self.edge_index.shape[1]

    @property
    def num_features(self) -> int:
        """Number of features, d."""
        return self.x.shape[1]

    @property
    def splits(self) -> dict[str, Tensor]:
        """The three masks by name: ``train``, ``val``, ``test``."""
        return {"train": self.train_mask, "val": self.val_mask, "test": self.test_mask}

    @property
    def content_hash(self) -> str:
        """SHA-256 of what a result depends on, 64 hexadecimal digits.

        Of features, labels, masks and the number of classes, and of the edges as a set in which
        one may stand several times: in any order, on any device, they give the same. The name, the
        source and the names of the classes have no part in it.
        """
        versions = self._versions()
        if self not in _HASHES or _HASHES[self][0] != versions:
            _HASHES[self] = versions, self._content_hash()
        return _HASHES[self][1]

    def _versions(self) -> tuple[int, ...]:
        """What counts up where a tensor is written to."""
        parts = (self.x, self.edge_index, self.y, *self.splits.values())
        return tuple(part._version for part in parts)

    def _content_hash(self) -> str:
        source, target = self.edge_index
        edges = target * self.num_nodes + source
        # Those that to_undirected made are sorted.
        if not (edges[1:] >= edges[:-1]).all():
            edges = edges.sort().values
        found = hashlib.sha256(f"{self.num_classes}".encode())
        for part in (self.x, edges, self.y, *self.splits.values()):
            found.update(f"|{part.dtype} {tuple(part.shape)}|".encode())
            found.update(_without_negative_zero(part.detach().cpu()).contiguous().numpy().data)
        return found.hexdigest()

    @property
    def labelled(self) -> Tensor:
        """Nodes that have a label, bool ``(N,)``."""
        return self.y >= 0 if self.y.dim() == 1 else self.y[:, 0] >= 0

    @property
    def metric_label(self) -> str:
        """The metric as people write it, such as ``"ROC AUC"``."""
        return METRICS[self.metric].label

    def accuracy(self, logits: Tensor) -> dict[str, float]:
        """Fraction of right predictions in each split, from one argmax.

        Args:
            logits: scores of every node, ``(N, num_classes)``.

        Raises:
            DataError: if the logits have another shape, or nodes have several labels.
        """
        check_logits(self, logits)
        if self.task == "multilabel":
            raise DataError(
                f"nodes of data set {self.name!r} have several labels, of which there is no "
                f"accuracy; take score(logits), which is {self.metric_label}"
            )
        right = logits.argmax(dim=1) == self.y
        masks = torch.stack(list(self.splits.values()))
        counts = torch.stack([(masks & right).sum(dim=1), masks.sum(dim=1)]).tolist()
        return {name: hits / total for name, hits, total in zip(SPLITS, *counts, strict=True)}

    def score(self, logits: Tensor) -> dict[str, float]:
        """The data set's metric in each split, a fraction.

        Args:
            logits: scores of every node, ``(N, num_classes)``.

        Raises:
            DataError: if the logits have another shape, or are NaN where ranks are needed.
        """
        if self.metric == ACCURACY:
            return self.accuracy(logits)
        check_logits(self, logits)
        score = METRICS[self.metric].score
        return {name: score(logits[mask], self.y[mask]) for name, mask in self.splits.items()}

    def evaluate(self, logits: Tensor) -> dict[str, float]:
        """What the benchmark's own evaluator says of each split; without one, :meth:`score`.

        Args:
            logits: scores of every node, ``(N, num_classes)``.

        Raises:
            DataError: if the logits have another shape.
        """
        if self.evaluator is None:
            return self.score(logits)
        check_logits(self, logits)
        predicted = logits.argmax(dim=1)
        return {
            name: float(self.evaluator(self.y[mask], predicted[mask]))
            for name, mask in self.splits.items()
        }

    def majority_rate(self) -> dict[str, float]:
        """The metric, in each split, of saying the same of every node: what is easy to reach.

        That is the most frequent class of the training nodes, or value of each label: the accuracy
        is the fraction of a split's nodes with this class, ROC AUC is 0.5.
        """
        constant = constant_logits(self.y[self.train_mask], self.num_classes)
        return self.score(constant.to(self.y.device).expand(self.num_nodes, -1))

    def accuracy_and_loss(self, logits: Tensor) -> dict[str, float]:
        """What there is to say of one network on every split.

        Args:
            logits: scores of every node, ``(N, num_classes)``.

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

    def to(self, device: torch.device | str) -> NodeDataset:
        """The same data set with its tensors on ``device``; itself where they are there."""
        if self.x.device == torch.empty(0, device=device).device:
            return self
        return replace(
            self,
            x=self.x.to(device),
            edge_index=self.edge_index.to(device),
            y=self.y.to(device),
            train_mask=self.train_mask.to(device),
            val_mask=self.val_mask.to(device),
            test_mask=self.test_mask.to(device),
        )

    def save(self, path: str | Path) -> None:
        """Write the data set as gslt's own file, at once or not at all, without pickle.

        :func:`gslt.load_dataset` gives the same back. The same data set gives the same bytes. An
        evaluator is code and is not stored: a :class:`GsltWarning` says so.

        Args:
            path: of the file, which ends in ``.safetensors``; what is there is replaced.

        Raises:
            DataError: if the path has another ending.
            OSError: if it cannot be written.
        """
        if self.evaluator is not None:
            warn(
                f"the evaluator of {self.name!r} is code and is not stored: what is loaded from "
                f"{Path(path).name} is judged by the plain measure",
                GsltWarning,
            )
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values.pop("evaluator")
        tensors = {name: values.pop(name) for name in TENSORS}
        write_stored(Path(path), values, tensors)

    def info(self) -> Facts:
        """Facts about the graph, its labels and its split, for people and for run records."""
        versions = self._versions()
        if self not in _FACTS or _FACTS[self][0] != versions:
            _FACTS[self] = versions, self._facts()
        return dict(_FACTS[self][1])

    def _facts(self) -> Facts:
        source, target = self.edge_index
        single = self.task == "multiclass"
        degree = torch.bincount(target, minlength=self.num_nodes)
        touched = degree + torch.bincount(source, minlength=self.num_nodes)
        return {
            "name": self.name,
            "synthetic": self.synthetic,
            "source": self.source,
            "nodes": self.num_nodes,
            "edges": self.num_edges,
            "undirected": is_undirected(self.edge_index, self.num_nodes),
            "self_loops": int((source == target).sum()),
            "isolated_nodes": int((touched == 0).sum()),
            "mean_in_degree": self.num_edges / self.num_nodes,
            "max_in_degree": int(degree.max()),
            "features": self.num_features,
            "classes": self.num_classes,
            "content_hash": self.content_hash,
            "labelled": int(self.labelled.sum()),
            # Of several labels there is no one class that an edge could join.
            **({"edge_homophily": edge_homophily(self.edge_index, self.y)} if single else {}),
            **{name: int(mask.sum()) for name, mask in self.splits.items()},
            "task": self.task,
            "metric": self.metric,
            **{f"{name}_majority_rate": rate for name, rate in self.majority_rate().items()},
        }

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {int(mask.sum()):,}" for name, mask in self.splits.items())
        synthetic = "synthetic, " if self.synthetic else ""
        return (
            f"NodeDataset({self.name!r}, {synthetic}{self.num_nodes:,} nodes, "
            f"{self.num_edges:,} directed edges, {self.num_features} features, "
            f"{self.num_classes} {'classes' if self.task == 'multiclass' else 'labels a node'}; "
            f"{sizes})"
        )


def to_undirected(edge_index: Tensor, num_nodes: int) -> Tensor:
    """Every edge in both directions, once: int64 ``(2, E')``, sorted by target, then by source.

    A self-loop stays one edge. The order depends on nothing but the set of edges.

    Args:
        edge_index: directed edges, int64 ``(2, E)``.
        num_nodes: N.

    Raises:
        DataError: if the edges are not int64 ``(2, E)``, or name nodes that do not exist.

    >>> to_undirected(torch.tensor([[0, 1], [1, 1]]), num_nodes=2).tolist()
    [[1, 0, 1], [0, 1, 1]]
    """
    check_edges(edge_index, num_nodes)
    source, target = edge_index
    both = torch.cat([target * num_nodes + source, source * num_nodes + target])
    key = torch.unique(both)
    return torch.stack([key % num_nodes, key // num_nodes])


def is_undirected(edge_index: Tensor, num_nodes: int) -> bool:
    """Whether every edge has its reverse, as often as it stands itself.

    Args:
        edge_index: directed edges, int64 ``(2, E)``.
        num_nodes: N.

    >>> is_undirected(torch.tensor([[0, 1], [1, 0]]), 2), is_undirected(torch.tensor([[0], [1]]), 2)
    (True, False)
    """
    source, target = edge_index
    forward, backward = target * num_nodes + source, source * num_nodes + target
    return torch.equal(forward.sort().values, backward.sort().values)


def count_classes(y: Tensor) -> int:
    """Number of classes of labels that are numbered from 0, with −1 for none: the largest and 1.

    Args:
        y: labels, int64 ``(N,)``.

    Raises:
        DataError: if a label is as large as N, so that most classes would have no node: whoever
            numbers a class 10⁹ asks for a network of that many outputs.

    >>> count_classes(torch.tensor([0, 2, -1, 1]))
    3
    """
    largest = int(y.max()) if y.numel() else -1
    if largest >= max(len(y), 2):
        node = int(y.argmax())
        raise DataError(
            f"y[{node}] is {largest} in a graph of {len(y)} nodes; number the classes from 0"
        )
    return largest + 1


def edge_homophily(edge_index: Tensor, y: Tensor) -> float:
    """Fraction of edges between labelled nodes that join two of one class; NaN without any.

    Args:
        edge_index: directed edges, int64 ``(2, E)``.
        y: labels, int64 ``(N,)``, −1 for unlabelled nodes.

    >>> edge_homophily(torch.tensor([[0, 1, 2], [1, 2, 3]]), torch.tensor([0, 0, 1, -1]))
    0.5
    """
    source, target = y[edge_index]
    labelled = (source >= 0) & (target >= 0)
    total = int(labelled.sum())
    return int((labelled & (source == target)).sum()) / total if total else float("nan")


def _without_negative_zero(part: Tensor) -> Tensor:
    """The same numbers in which −0, which is 0 to every network, is 0; itself where there is none.

    In bits −0 is the least int32, and a minimum is read faster than a copy is written.
    """
    if part.dtype != torch.float32 or int(part.view(torch.int32).min()) != -(1 << 31):
        return part
    return part + 0.0


# The rules of node classification data, each with the sentence that says where it is broken


def check_node_dataset(data: NodeDataset) -> None:
    """Refuse a data set that breaks a rule.

    Raises:
        DataError: names the data set, the first offending entry and the rule.
    """
    try:
        _check_features(data.x)
        _check_devices(data)
        check_edges(data.edge_index, len(data.x))
        _check_labels(data)
        if data.class_names and len(data.class_names) != data.num_classes:
            raise DataError(
                f"class_names holds {len(data.class_names)} names for {data.num_classes} classes; "
                "give one name per class, or none"
            )
        for name, mask in data.splits.items():
            _check_mask(name, mask, data.labelled)
        _check_disjoint(data.splits)
        _check_metric(data)
    except DataError as error:
        raise DataError(f"data set {data.name!r}: {error}") from None


def check_logits(data: NodeDataset, logits: Tensor) -> None:
    """Refuse logits that are not ``(N, num_classes)``.

    Args:
        data: the data set.
        logits: scores of every node.

    Raises:
        DataError: if they have another shape.
    """
    wanted = (data.num_nodes, data.num_classes)
    if tuple(logits.shape) != wanted:
        raise DataError(
            f"logits for data set {data.name!r} must have shape {wanted} (nodes, classes), "
            f"got {tuple(logits.shape)}; score every node at once"
        )


def _first_true(broken: Tensor) -> tuple[int, ...]:
    """Index of the first True entry."""
    return tuple(int(i) for i in broken.nonzero()[0])


def _check_type(name: str, value: Tensor, dtype: torch.dtype, shape: str, dim: int) -> None:
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


def _check_features(x: Tensor) -> None:
    _check_type("x", x, torch.float32, "(nodes, features)", 2)
    if 0 in x.shape:
        raise DataError(
            f"x has shape {tuple(x.shape)}; a graph needs at least one node and one feature"
        )
    # One pass without a mask in memory: NaN is both the least and the largest.
    if not torch.isfinite(torch.stack(torch.aminmax(x))).all():
        node, feature = _first_true(~torch.isfinite(x))
        raise DataError(
            f"x[{node}, {feature}] is {x[node, feature].item()}; features must be finite: "
            "replace it, e.g. with torch.nan_to_num"
        )


def check_edges(edge_index: Tensor, num_nodes: int) -> None:
    """Refuse edges that are not int64 ``(2, E)``, or name nodes that do not exist.

    Args:
        edge_index: directed edges.
        num_nodes: N.

    Raises:
        DataError: names the first such edge.
    """
    _check_type("edge_index", edge_index, torch.int64, "(2, edges)", 2)
    if edge_index.shape[0] != 2:
        raise DataError(
            f"edge_index must have shape (2, edges), got {tuple(edge_index.shape)}; put sources "
            "into row 0 and targets into row 1"
        )
    if edge_index.numel() == 0:
        return
    least, largest = torch.aminmax(edge_index)
    if least < 0 or largest >= num_nodes:
        broken = (edge_index < 0) | (edge_index >= num_nodes)
        (edge,) = _first_true(broken.any(dim=0))
        source, target = edge_index[:, edge].tolist()
        raise DataError(
            f"edge {edge} is ({source}, {target}), but nodes are numbered 0 … {num_nodes - 1}; "
            "remove it or renumber the nodes"
        )


def _check_labels(data: NodeDataset) -> None:
    y, num_nodes, num_classes = data.y, len(data.x), data.num_classes
    if data.task not in ("multiclass", "multilabel"):
        raise DataError(f"task must be 'multiclass' or 'multilabel', got {data.task!r}")
    least = 2 if data.task == "multiclass" else 1
    if isinstance(num_classes, bool) or not isinstance(num_classes, int) or num_classes < least:
        raise DataError(f"num_classes must be an integer of at least {least}, got {num_classes!r}")
    if data.task == "multiclass":
        if isinstance(y, Tensor) and y.dim() == 2 and y.shape[1] > 1:
            raise DataError(
                f"y has shape {tuple(y.shape)}; give task='multilabel' where a node may have "
                "several labels, or one class per node, (nodes,)"
            )
        _check_type("y", y, torch.int64, "(nodes,)", 1)
    if len(y) != num_nodes:
        raise DataError(f"y holds {len(y)} labels for {num_nodes} nodes; give one label per node")
    if data.task == "multilabel":
        if y.shape[1] != num_classes:
            raise DataError(
                f"y has {y.shape[1]} columns for num_classes = {num_classes}; give one per label"
            )
        return
    broken = (y < -1) | (y >= num_classes)
    if broken.any():
        (node,) = _first_true(broken)
        raise DataError(
            f"y[{node}] is {y[node].item()}, but labels are 0 … {num_classes - 1}, or -1 for an "
            "unlabelled node; relabel it or raise num_classes"
        )


def _check_metric(data: NodeDataset) -> None:
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


def _check_mask(name: str, mask: Tensor, labelled: Tensor) -> None:
    _check_type(f"{name}_mask", mask, torch.bool, "(nodes,)", 1)
    if len(mask) != (nodes := len(labelled)):
        raise DataError(f"{name}_mask holds {len(mask)} entries for {nodes} nodes; give one each")
    if not mask.any():
        raise DataError(f"{name}_mask is empty; put at least one labelled node into every split")
    unlabelled = mask & ~labelled
    if unlabelled.any():
        (node,) = _first_true(unlabelled)
        raise DataError(
            f"node {node} is in {name}_mask but its label is -1 (unlabelled); "
            "take it out of the split or give it a label"
        )


def _check_disjoint(splits: dict[str, Tensor]) -> None:
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        both = splits[one] & splits[other]
        if both.any():
            (node,) = _first_true(both)
            raise DataError(
                f"node {node} is in both {one}_mask and {other}_mask; "
                "a node may be in one split only"
            )


def _check_devices(data: NodeDataset) -> None:
    for name in ("edge_index", "y", "train_mask", "val_mask", "test_mask"):
        # What is no tensor is refused by its own rule.
        device = getattr(getattr(data, name), "device", data.x.device)
        if device != data.x.device:
            raise DataError(
                f"{name} is on {device} and x on {data.x.device}; move them to one device first"
            )
