"""One graph whose nodes are classified: what every loader gives and everything else takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from gslt.data.validate import check_edges, check_logits, check_node_dataset

Evaluator = Callable[[Tensor, Tensor], float]
Facts = dict[str, str | int | float | bool]
SPLITS = ("train", "val", "test")
#: What is known of data sets that are in use; every run's record has it.
_FACTS: WeakKeyDictionary[NodeDataset, Facts] = WeakKeyDictionary()


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
    """Labels, int64 ``(N,)``: 0 … num_classes − 1, or −1 for an unlabelled node, in no split."""
    train_mask: Tensor
    """Training nodes, bool ``(N,)``. The three masks are disjoint and none is empty."""
    val_mask: Tensor
    """Validation nodes, bool ``(N,)``."""
    test_mask: Tensor
    """Test nodes, bool ``(N,)``."""
    num_classes: int
    """Number of classes, at least 2."""
    synthetic: bool = False
    """Whether the graph was generated: no result on it says anything about real data."""
    source: str = ""
    """One line: where the data comes from, and its licence where it is known."""
    split: int = 0
    """Number of the split, for data sets that have several."""
    class_names: tuple[str, ...] = ()
    """Names of the classes, where they are known."""
    evaluator: Evaluator | None = None
    """The benchmark's own measure, ``(y_true, y_pred) → [0, 1]``; None is plain accuracy."""

    def __post_init__(self) -> None:
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

    def accuracy(self, logits: Tensor) -> dict[str, float]:
        """Fraction of right predictions in each split, from one argmax of ``(N, num_classes)``.

        Raises:
            DataError: if the logits have another shape.
        """
        check_logits(self, logits)
        right = logits.argmax(dim=1) == self.y
        masks = torch.stack(list(self.splits.values()))
        counts = torch.stack([(masks & right).sum(dim=1), masks.sum(dim=1)]).tolist()
        return {name: hits / total for name, hits, total in zip(SPLITS, *counts, strict=True)}

    def evaluate(self, logits: Tensor) -> dict[str, float]:
        """What the benchmark's own evaluator says of each split; without one, the accuracy.

        Raises:
            DataError: if the logits have another shape.
        """
        if self.evaluator is None:
            return self.accuracy(logits)
        check_logits(self, logits)
        predicted = logits.argmax(dim=1)
        return {
            name: float(self.evaluator(self.y[mask], predicted[mask]))
            for name, mask in self.splits.items()
        }

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

    def info(self) -> Facts:
        """Facts about the graph, its labels and its split, for people and for run records."""
        if self not in _FACTS:
            _FACTS[self] = self._facts()
        return dict(_FACTS[self])

    def _facts(self) -> Facts:
        source, target = self.edge_index
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
            "labelled": int((self.y >= 0).sum()),
            "edge_homophily": edge_homophily(self.edge_index, self.y),
            **{name: int(mask.sum()) for name, mask in self.splits.items()},
        }

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {int(mask.sum()):,}" for name, mask in self.splits.items())
        synthetic = "synthetic, " if self.synthetic else ""
        return (
            f"NodeDataset({self.name!r}, {synthetic}{self.num_nodes:,} nodes, "
            f"{self.num_edges:,} directed edges, {self.num_features} features, "
            f"{self.num_classes} classes; {sizes})"
        )


def to_undirected(edge_index: Tensor, num_nodes: int) -> Tensor:
    """Every edge in both directions, once: int64 ``(2, E')``, sorted by target, then by source.

    A self-loop stays one edge. The order depends on nothing but the set of edges.

    Raises:
        DataError: if the edges are not int64 ``(2, E)``, or name nodes that do not exist.
    """
    check_edges(edge_index, num_nodes)
    source, target = edge_index
    both = torch.cat([target * num_nodes + source, source * num_nodes + target])
    key = torch.unique(both)
    return torch.stack([key % num_nodes, key // num_nodes])


def is_undirected(edge_index: Tensor, num_nodes: int) -> bool:
    """Whether every edge has its reverse, as often as it stands itself."""
    source, target = edge_index
    forward, backward = target * num_nodes + source, source * num_nodes + target
    return torch.equal(forward.sort().values, backward.sort().values)


def edge_homophily(edge_index: Tensor, y: Tensor) -> float:
    """Fraction of edges between labelled nodes that join two of one class; NaN without any."""
    source, target = y[edge_index]
    labelled = (source >= 0) & (target >= 0)
    total = int(labelled.sum())
    return int((labelled & (source == target)).sum()) / total if total else float("nan")
