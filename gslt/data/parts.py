"""From what a file or another library holds to a NodeDataset, with a word on what is not used."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gslt.data import roles
from gslt.data.arrays import EntryError, extent
from gslt.data.dataset import SPLITS, Evaluator, NodeDataset, count_classes, to_undirected
from gslt.data.labelled import LabelledData
from gslt.data.metrics import Task
from gslt.data.structural import FEATURES, make_features
from gslt.errors import ConfigError, DataError, DataWarning, listed, warn
from gslt.files import reading

_MASKS = tuple(f"{split}_mask" for split in SPLITS)


@dataclass(kw_only=True)
class Parts:
    """What was found of a graph of N nodes, as it was found; :mod:`gslt.data.roles` converts it."""

    y: Any
    """Labels, see :func:`gslt.data.roles.labels`."""
    edge_index: Any
    """Edges ``(2, E)``, or ``(E, 2)`` with ``edge_rows``."""
    x: Any = None
    """Features; None where there are none."""
    train_mask: Any = None
    """Training nodes, see :func:`gslt.data.roles.mask`; None where nothing is said of them."""
    val_mask: Any = None
    """Validation nodes."""
    test_mask: Any = None
    """Test nodes."""
    class_names: Sequence[str] = ()
    """Names of the classes, where they are known."""
    edge_rows: bool = False
    """Whether an edge is a row."""
    edge_data: Mapping[str, Any] = field(default_factory=dict)
    """What else the edges carry, by name: weights, features. Nothing of it is used."""
    undirected: bool | None = None
    """Whether the edges are meant in both directions, though they may stand in one; None where
    nobody says so."""
    split_like: Sequence[str] = ()
    """Names of values that tell a split, it seems, and were not understood."""
    node_names: Sequence[Any] = ()
    """What a user calls the nodes, for messages."""


def assemble(
    parts: Parts,
    *,
    name: str,
    split: int = 0,
    num_classes: int | None = None,
    undirected: bool | None = None,
    synthetic: bool = False,
    source: str = "",
    features: str | None = None,
    evaluator: Evaluator | None = None,
    task: Task | None = None,
    metric: str = "",
) -> NodeDataset:
    """A data set of the parts of a graph.

    A :class:`gslt.errors.DataWarning` says, with its figure, what of the graph is not used and what
    looks wrong: data of edges, classes without members or without training nodes, no edges between
    nodes, edges of which none has its reverse.

    Args:
        parts: as they were found.
        name: of the data set.
        split: which of several splits.
        num_classes: None takes the largest label plus one, or the number of names.
        undirected: True adds the reverse of every edge and merges repetitions, False leaves the
            edges as they are; None asks the parts, and leaves them where these say nothing.
        synthetic: whether the graph was generated.
        source: one line: where the data comes from.
        features: made where there are none, see :func:`gslt.data.structural.make_features`.
        evaluator: the benchmark's own measure.
        task: ``"multilabel"`` for rows in which every label is 0 or 1 by itself; None takes one
            class a node, unless some node has two.
        metric: of the data set; empty takes the usual one of the task.

    Raises:
        DataError: if a part is missing, is not what its role asks for, or breaks a rule of
            ``NodeDataset``.
        ConfigError: if there is no such split, or no such kind of features.
    """
    if parts.x is not None:
        with _naming(parts):
            x = roles.features(parts.x)
    with _naming(parts):
        y, names, task = _labels(parts, name, task)
    num_nodes = len(y) if parts.x is None else len(x)
    edge_index = roles.edges(parts.edge_index, num_nodes, rows=parts.edge_rows)
    if undirected or (undirected is None and parts.undirected):
        edge_index = to_undirected(edge_index, num_nodes)
    if parts.x is None:
        x = _made(features, edge_index, num_nodes)
    elif features is not None:
        raise DataError(
            f"the graph has {x.shape[1]} features; leave features={features!r} out, or take these "
            "away"
        )
    masks, several = _masks(parts, name, num_nodes, split)
    data = NodeDataset(
        name=name,
        x=x,
        edge_index=edge_index,
        y=y,
        **masks,
        num_classes=_num_classes(y, names, num_classes, task),
        synthetic=synthetic,
        source=source,
        split=split if several else 0,
        class_names=names,
        evaluator=evaluator,
        task=task,
        metric=metric,
    )
    direction_is_told = undirected is not None or parts.undirected is not None
    for doubt in _doubts(data, parts, direction_is_told):
        warn(f"data set {name!r}: {doubt}", DataWarning)
    return data


@contextlib.contextmanager
def _naming(parts: Parts) -> Iterator[None]:
    """Within, a refused row is named as the user names its node."""
    try:
        yield
    except EntryError as error:
        if error.row < len(parts.node_names):
            raise DataError(f"node {parts.node_names[error.row]!r}: {error}") from None
        raise


def _made(features: str | None, edge_index: Tensor, num_nodes: int) -> Tensor:
    if features is None:
        raise DataError(
            f"the graph has no features; add some, or have them made: features='degree' (or "
            f"{', '.join(map(repr, FEATURES[1:]))})"
        )
    return make_features(features, edge_index, num_nodes)


def _labels(parts: Parts, name: str, task: Task | None) -> tuple[Tensor, tuple[str, ...], Task]:
    """Labels, names of the classes, and the task: several labels where some node has two."""
    several = roles.node_of_several(parts.y) if task is None else None
    if several is not None:
        warn(
            f"data set {name!r}: y[{several}] has more than one label, so every label is taken as "
            "0 or 1 by itself; give task='multilabel' to say that this is meant, or the one class "
            "of each node",
            DataWarning,
        )
    if several is None and task != "multilabel":
        return *roles.labels(parts.y, names=parts.class_names), "multiclass"
    return *roles.label_rows(parts.y, names=parts.class_names), "multilabel"


def edges_of_adjacency(value: Any, what: str = "adj_t") -> tuple[Tensor, Tensor | None]:
    """Edges ``(2, E)`` of PyG's ``adj_t``, whose row i holds the sources of the edges to node i.

    Args:
        value: sparse torch matrix ``(N, N)``, or torch_sparse's ``SparseTensor``.
        what: its name in messages.

    Returns:
        The edges; their weights ``(E,)``, None where there are none, or each is 1.

    Raises:
        DataError: if it is no such matrix.

    >>> edges_of_adjacency(torch.tensor([[0, 1], [0, 0]]).to_sparse_coo())
    (tensor([[1],
            [0]]), None)
    """
    if not isinstance(value, Tensor) and hasattr(value, "coo") and hasattr(value, "sizes"):
        shape = tuple(value.sizes())
        target, source, weight = value.coo()
    elif isinstance(value, Tensor) and value.layout != torch.strided and value.dim() == 2:
        shape = tuple(value.shape)
        # Entries that stand there twice are two edges.
        entries: Any = (
            value if value.layout == torch.sparse_coo else value.to_sparse(layout=torch.sparse_coo)
        )
        (target, source), weight = entries._indices(), entries._values()
    else:
        kind = (
            f"of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        )
        raise DataError(
            f"{what} must be a sparse matrix (nodes, nodes), got {kind}; set edge_index"
        )
    if len(shape) != 2 or shape[0] != shape[1]:
        raise DataError(f"{what} has shape {shape}; it must be (nodes, nodes)")
    if weight is not None and bool((weight == 1).all()):
        weight = None
    return torch.stack([source, target]), weight


def check_same_edges(
    edge_index: Any, other: Any, names: tuple[str, str], undirected: bool = False
) -> None:
    """Refuse what holds two graphs: one of them would be left out.

    Args:
        edge_index: ``(2, E)``.
        other: ``(2, F)``, in any order.
        names: of both, for the message.
        undirected: whether the reverse of every edge is one too.

    Raises:
        DataError: if one has an edge that the other lacks.
    """
    try:
        both = [torch.as_tensor(edges).to(torch.int64) for edges in (edge_index, other)]
        if undirected:
            both = [torch.cat([edges, edges.flip(0)], dim=1) for edges in both]
        width = 1 + max(int(edges.max()) for edges in both if edges.numel())
        ours, theirs = (torch.unique(edges[0] * width + edges[1]) for edges in both)
    except (TypeError, ValueError, RuntimeError, IndexError):
        return  # What is no list of edges is told elsewhere.
    missing = int((~torch.isin(ours, theirs)).sum())
    more = int((~torch.isin(theirs, ours)).sum())
    if missing or more:
        raise DataError(
            f"there are two graphs: of {len(ours):,} edges in {names[0]} {names[1]} lacks "
            f"{missing:,}, and it has {more:,} others; delete the one that is not meant"
        )


def _num_classes(y: Tensor, names: Sequence[str], wanted: int | None, task: Task) -> int:
    if task == "multilabel":
        return y.shape[1] if wanted is None else wanted
    if names and wanted not in (None, len(names)):
        raise DataError(
            f"there are {len(names)} names of classes ({listed(names)}), and num_classes is "
            f"{wanted}; leave num_classes out"
        )
    if names and len(names) < 2:
        raise DataError(
            f"every label is {names[0]!r}; classification needs two classes, so choose other labels"
        )
    return len(names) or (max(count_classes(y), 2) if wanted is None else wanted)


def _masks(parts: Parts, name: str, num_nodes: int, split: int) -> tuple[dict[str, Tensor], bool]:
    """The three masks, and whether there are several splits of them."""
    given = {key: getattr(parts, key) for key in _MASKS}
    absent = [key for key, value in given.items() if value is None]
    if absent:
        raise DataError(
            f"the graph has no {absent[0]}; give all three masks, e.g. "
            "as_dataset(graph, **random_split(y, seed=0))"
        )
    counts = {key: roles.count_splits(value, num_nodes, key) for key, value in given.items()}
    several = {number for number in counts.values() if number > 1}
    if len(several) > 1:
        raise DataError(
            f"the masks have different numbers of splits ({counts}); give one split of each"
        )
    if split != 0 and not several:
        raise ConfigError(f"{name} has one split, so split must be 0, got {split}")
    masks = {key: roles.mask(value, num_nodes, key, split) for key, value in given.items()}
    return masks, bool(several)


def _doubts(data: NodeDataset, parts: Parts, direction_is_told: bool) -> Iterator[str]:
    """What of the graph is not used, and what looks wrong, each with its figure."""
    for key, value in parts.edge_data.items():
        if figures := extent(value, key):
            yield (
                f"{key} of the edges ({figures}) is not used: every edge counts 1; remove it from "
                "the graph to say that this is meant"
            )
    source, target = data.edge_index
    joining = source != target
    if not joining.any():
        yield (
            f"none of its {data.num_edges} edges joins two nodes, so every node sees itself alone; "
            "see whether edges were lost"
        )
    elif not direction_is_told and _one_way(data.edge_index[:, joining], data.num_nodes):
        yield (
            f"none of its {int(joining.sum()):,} edges has its reverse, so no message goes back; "
            "give undirected=True if edges have no direction, undirected=False if they have one "
            "(in a shell --undirected true, or PATH?undirected=true)"
        )
    members = class_counts(data, data.labelled)
    cure = "number the classes from 0 without a gap"
    if unlabelled := int((~data.labelled).sum()):
        cure += f", and not one of them -1, which is no label ({unlabelled:,} nodes have none)"
    yield from _lacking(data, members == 0, "no node", cure)
    lacking = (class_counts(data, data.train_mask) == 0) & (members > 0)
    yield from _lacking(
        data, lacking, "no training node, so nothing is learnt of them", "split otherwise"
    )


def _one_way(edge_index: Tensor, num_nodes: int) -> bool:
    """Whether no edge between two nodes has its reverse."""
    low, high = edge_index.min(dim=0).values, edge_index.max(dim=0).values
    # Sorted by its two nodes, an edge and its reverse are neighbours that differ in the last bit.
    key = (2 * (low * num_nodes + high) + (edge_index[0] < edge_index[1])).sort().values
    return not bool((key[1:] ^ key[:-1] == 1).any())


def class_counts(data: LabelledData, nodes: Tensor) -> Tensor:
    """How many of some nodes or images are of each class, or have each label, int64 ``(C,)``.

    Args:
        data: of them.
        nodes: that have labels, bool ``(N,)``.
    """
    y = data.y[nodes]
    return (y > 0).sum(0) if y.dim() == 2 else torch.bincount(y, minlength=data.num_classes)


def _lacking(data: NodeDataset, lacking: Tensor, what: str, cure: str) -> Iterator[str]:
    numbers = lacking.nonzero()[:, 0].tolist()
    if numbers:
        names = [data.class_names[i] if data.class_names else str(i) for i in numbers]
        yield f"{len(names)} of {data.num_classes} classes have {what} ({listed(names)}); {cure}"


@contextlib.contextmanager
def reading_parts(path: Path, what: str, cure: str) -> Iterator[None]:
    """Within, what is wrong with the parts of a file is a sentence about the file.

    Args:
        path: of the file or folder.
        what: it should be, with its article.
        cure: what the user can do, the end of the sentence.

    Raises:
        DataError: the sentence names the file.
    """
    with reading(path, DataError, what, cure):
        try:
            yield
        except DataError as error:
            raise ValueError(str(error)) from error
