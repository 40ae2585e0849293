"""One graph whose nodes are classified, and its rules: what every loader gives, all else takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from gslt.data.labelled import (
    SPLITS as SPLITS,
)
from gslt.data.labelled import (
    Evaluator as Evaluator,
)
from gslt.data.labelled import (
    Facts as Facts,
)
from gslt.data.labelled import (
    LabelledData,
    check_classes,
    check_devices,
    check_judged,
    check_splits,
    check_type,
    first_true,
    version_of,
)
from gslt.data.metrics import several_labels
from gslt.data.stored import TENSORS, write_stored
from gslt.errors import DataError, GsltWarning, warn


@dataclass(frozen=True, kw_only=True, eq=False)
class NodeDataset(LabelledData):
    """A graph with node features, node labels and one split, checked when it is made.

    With N nodes, E directed edges and d features; the fields of all labelled data, and these.

    Raises:
        DataError: if a part breaks a rule below; the message names the first offending entry.
    """

    item: ClassVar[str] = "node"
    x: Tensor
    """Features, float32 ``(N, d)``, finite."""
    edge_index: Tensor
    """Edges, int64 ``(2, E)``: row 0 sources, row 1 targets. An undirected edge stands in both
    directions."""
    y: Tensor
    """Labels, int64 ``(N,)``: 0 … num_classes − 1, or −1 for an unlabelled node, in no split. With
    ``task="multilabel"`` 0 and 1 ``(N, num_classes)``, of any type, kept as float32; a row of −1 or
    NaN is an unlabelled node."""

    def __post_init__(self) -> None:
        if self.task == "multilabel":
            try:
                object.__setattr__(self, "y", several_labels(self.y))
            except DataError as error:
                raise DataError(f"data set {self.name!r}: {error}") from None
        super().__post_init__()

    def _check(self) -> None:
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
    def counts(self) -> dict[str, int]:
        """Nodes, directed edges, features and classes."""
        return {
            "nodes": self.num_nodes,
            "edges": self.num_edges,
            "features": self.num_features,
            "classes": self.num_classes,
        }

    def _versions(self) -> tuple[int, ...]:
        return (*super()._versions(), version_of(self.edge_index))

    def _content(self) -> Iterator[Tensor]:
        source, target = self.edge_index
        edges = target * self.num_nodes + source
        # Those that to_undirected made are sorted.
        if not (edges[1:] >= edges[:-1]).all():
            edges = edges.sort().values
        yield from (self.x, edges, self.y, *self.splits.values())

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
            **({"evaluator": self.evaluator_name} if self.has_own_measure else {}),
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


# The rules of node classification data, each with the sentence that says where it is broken


def check_node_dataset(data: NodeDataset) -> None:
    """Refuse a data set that breaks a rule.

    Raises:
        DataError: names the data set, the first offending entry and the rule.
    """
    try:
        _check_features(data.x)
        check_devices(data, "edge_index", "y", "train_mask", "val_mask", "test_mask")
        check_edges(data.edge_index, len(data.x))
        _check_labels(data)
        check_classes(data)
        check_splits(data)
        check_judged(data)
    except DataError as error:
        raise DataError(f"data set {data.name!r}: {error}") from None


def _check_features(x: Tensor) -> None:
    check_type("x", x, torch.float32, "(nodes, features)", 2)
    if 0 in x.shape:
        raise DataError(
            f"x has shape {tuple(x.shape)}; a graph needs at least one node and one feature"
        )
    # One pass without a mask in memory: NaN is both the least and the largest.
    if not torch.isfinite(torch.stack(torch.aminmax(x))).all():
        node, feature = first_true(~torch.isfinite(x))
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
    check_type("edge_index", edge_index, torch.int64, "(2, edges)", 2)
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
        (edge,) = first_true(broken.any(dim=0))
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
        check_type("y", y, torch.int64, "(nodes,)", 1)
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
        (node,) = first_true(broken)
        raise DataError(
            f"y[{node}] is {y[node].item()}, but labels are 0 … {num_classes - 1}, or -1 for an "
            "unlabelled node; relabel it or raise num_classes"
        )
