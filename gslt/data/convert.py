"""Graphs of PyTorch Geometric, DGL and NetworkX as a NodeDataset, and random splits for them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gslt.data.dataset import SPLITS, NodeDataset, to_undirected
from gslt.errors import ConfigError, DataError
from gslt.random import Stream

_FEATURE_NAMES = ("x", "feat")
_LABEL_NAMES = ("y", "label")
_MASK_NAMES = tuple(f"{split}_mask" for split in SPLITS)


def as_dataset(
    obj: Any,
    *,
    name: str | None = None,
    train_mask: Tensor | None = None,
    val_mask: Tensor | None = None,
    test_mask: Tensor | None = None,
    num_classes: int | None = None,
    undirected: bool = False,
    x: str | None = None,
    y: str | None = None,
    split: str = "split",
    synthetic: bool = False,
    source: str = "",
) -> NodeDataset:
    """Turn a graph of another library into a :class:`NodeDataset`.

    Args:
        obj: a PyG ``Data``, a homogeneous ``DGLGraph``, a NetworkX graph, or a ``NodeDataset``
            (whose own facts stay, unless given here).
        name: of the data set; None takes ``"graph"``.
        train_mask: bool ``(N,)``; None takes the graph's own. The three masks go together.
        val_mask: as ``train_mask``.
        test_mask: as ``train_mask``.
        num_classes: None takes the largest label plus one.
        undirected: add the reverse of every edge and merge repetitions. Otherwise edges stay as
            they are; those of an undirected NetworkX graph stand in both directions.
        x: name of the features; None takes ``x`` or ``feat``.
        y: name of the labels; None takes ``y`` or ``label``.
        split: NetworkX only: node attribute ``"train"``, ``"val"`` or ``"test"`` (anything else:
            in no split), used when the nodes hold no ``train_mask``, ``val_mask``, ``test_mask``.
        synthetic: whether the graph was generated.
        source: one line: where the data comes from.

    Raises:
        DataError: if features, labels or masks are missing or break a rule of ``NodeDataset``.
    """
    parts = _parts(obj, x, y, split)
    for key, mask in zip(_MASK_NAMES, (train_mask, val_mask, test_mask), strict=True):
        if mask is not None:
            parts[key] = mask
    if undirected:
        parts["edge_index"] = to_undirected(parts["edge_index"], len(parts["x"]))
    if isinstance(obj, NodeDataset):
        return replace(
            obj,
            **parts,
            name=name or obj.name,
            num_classes=num_classes or obj.num_classes,
            synthetic=synthetic or obj.synthetic,
            source=source or obj.source,
        )
    parts = _complete(parts)
    largest = int(parts["y"].max()) + 1 if parts["y"].numel() else 0
    return NodeDataset(
        **parts,
        name=name or "graph",
        num_classes=num_classes or max(largest, 2),
        synthetic=synthetic,
        source=source,
    )


def random_split(
    y: Tensor, fractions: tuple[float, float, float] = (0.6, 0.2, 0.2), seed: int = 0
) -> dict[str, Tensor]:
    """Split the labelled nodes at random within each class.

    Args:
        y: labels, int64 ``(N,)``, −1 for unlabelled nodes, which stay out of every split.
        fractions: of training, validation and test nodes; each above 0, together at most 1.
        seed: names the random stream; the same seed gives the same split everywhere.

    Returns:
        ``{"train_mask", "val_mask", "test_mask"}``, bool ``(N,)`` each: keyword arguments of
        :func:`gslt.data.as_dataset`.

    Raises:
        ConfigError: if the fractions break their rule.
        DataError: if y is not int64 ``(N,)``, or has too few nodes to fill three splits.

    >>> masks = random_split(torch.tensor([0] * 10 + [1] * 5 + [-1]))
    >>> {name: int(mask.sum()) for name, mask in masks.items()}
    {'train_mask': 9, 'val_mask': 3, 'test_mask': 3}
    """
    if len(fractions) != 3 or min(fractions) <= 0 or sum(fractions) > 1 + 1e-9:
        raise ConfigError(
            f"fractions must be three numbers above 0 with a sum of at most 1, got {fractions}; "
            "for example (0.6, 0.2, 0.2)"
        )
    if y.dim() != 1 or y.dtype != torch.int64:
        raise DataError(f"y must be int64 of shape (nodes,), got {y.dtype} {tuple(y.shape)}")
    order = torch.from_numpy(Stream(seed, "random_split", "split").permutation(len(y)))
    shuffled = y.cpu()[order]
    masks = {f"{name}_mask": torch.zeros(len(y), dtype=torch.bool) for name in SPLITS}
    for label in torch.unique(shuffled[shuffled >= 0]):
        members = order[shuffled == label]
        ends = [round(sum(fractions[: i + 1]) * len(members)) for i in range(3)]
        for mask, start, end in zip(masks.values(), [0, *ends], ends, strict=False):
            mask[members[start:end]] = True
    for name, mask in masks.items():
        if not mask.any():
            raise DataError(
                f"{name} would be empty with fractions {fractions} of {int((y >= 0).sum())} "
                "labelled nodes; give larger fractions or label more nodes"
            )
    return {name: mask.to(y.device) for name, mask in masks.items()}


def _complete(parts: dict[str, Any]) -> dict[str, Any]:
    """The parts in the types of a NodeDataset; refused where a mask is missing."""
    absent = [key for key in _MASK_NAMES if parts.get(key) is None]
    if absent:
        raise DataError(
            f"the graph has no {absent[0]}; give all three masks, e.g. "
            "as_dataset(graph, **random_split(y, seed=0))"
        )
    return {
        **{key: parts[key].to(torch.bool) for key in _MASK_NAMES},
        "x": parts["x"].to(torch.float32),
        "edge_index": parts["edge_index"],
        "y": _labels(parts["y"]),
    }


def _labels(y: Tensor) -> Tensor:
    """Labels as int64 ``(N,)``: a column becomes a vector, NaN means unlabelled."""
    if y.dim() == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.is_floating_point():
        rest = torch.nan_to_num(y, nan=-1.0)
        broken = rest != rest.round()
        if broken.any():
            node = int(broken.nonzero()[0, 0])
            raise DataError(f"y[{node}] is {y[node].item()}; labels must be whole numbers")
        y = rest
    return y.to(torch.int64)


def _parts(obj: Any, x: str | None, y: str | None, split: str) -> dict[str, Any]:
    """Features, edges, labels and masks of the graph; a mask that it lacks is None or absent."""
    if isinstance(obj, NodeDataset):
        return {key: getattr(obj, key) for key in ("x", "edge_index", "y", *_MASK_NAMES)}
    # A graph of a library proves that the library is loaded: nothing heavy is imported to ask.
    if _is(obj, "torch_geometric.data", "Data"):
        return _from_pyg(obj, x, y)
    if _is(obj, "dgl", "DGLGraph"):
        return _from_dgl(obj, x, y)
    if _is(obj, "networkx", "Graph"):
        x_names, y_names = _names(x, _FEATURE_NAMES), _names(y, _LABEL_NAMES)
        return _from_networkx(obj, x_names, y_names, split)
    raise DataError(
        f"cannot read a graph from {type(obj).__name__}; give a PyG Data, a DGLGraph, a NetworkX "
        "graph or a NodeDataset"
    )


def _is(obj: Any, module: str, name: str) -> bool:
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(obj, kind)


def _names(wanted: str | None, usual: tuple[str, ...]) -> tuple[str, ...]:
    return usual if wanted is None else (wanted,)


def _pick(store: Mapping[str, Any], names: tuple[str, ...], what: str) -> Any:
    """The value under the first of the names that is there."""
    for name in names:
        if name in store:
            return store[name]
    raise DataError(
        f"the graph has no {what} named {' or '.join(map(repr, names))}; "
        f"it has {', '.join(map(repr, sorted(store))) or 'none'}"
    )


def _masks(store: Mapping[str, Any]) -> dict[str, Any]:
    return {key: store.get(key) for key in _MASK_NAMES}


def _from_pyg(data: Any, x: str | None, y: str | None) -> dict[str, Any]:
    store = {key: value for key, value in data.to_dict().items() if value is not None}
    if "edge_index" not in store:
        raise DataError("the PyG Data has no edge_index; sparse adjacencies are not read")
    return {
        "x": _pick(store, _names(x, _FEATURE_NAMES), "features"),
        "y": _pick(store, _names(y, _LABEL_NAMES), "labels"),
        "edge_index": store["edge_index"],
        **_masks(store),
    }


def _from_dgl(graph: Any, x: str | None, y: str | None) -> dict[str, Any]:
    if not graph.is_homogeneous:
        raise DataError(
            f"the DGLGraph has node types {graph.ntypes} and edge types {graph.etypes}; "
            "make it homogeneous with dgl.to_homogeneous"
        )
    store = dict(graph.ndata)
    return {
        "x": _pick(store, _names(x, _FEATURE_NAMES), "features"),
        "y": _pick(store, _names(y, _LABEL_NAMES), "labels"),
        "edge_index": torch.stack(graph.edges()).to(torch.int64),
        **_masks(store),
    }


def _from_networkx(
    graph: Any, x_names: tuple[str, ...], y_names: tuple[str, ...], split: str
) -> dict[str, Any]:
    """``x``, ``y``, ``edge_index`` and, where the nodes tell them, the masks.

    Nodes are numbered in the order of ``graph.nodes``. The attribute of the first name that the
    first node holds is used; every node must hold it. A node without label has None or −1.

    Raises:
        DataError: names the first node whose attribute is missing or unusable.
    """
    nodes = list(graph.nodes(data=True))
    if not nodes:
        raise DataError("the NetworkX graph has no nodes; add some with features and labels")
    number = {node: i for i, (node, _) in enumerate(nodes)}
    edges = torch.tensor([(number[u], number[v]) for u, v in graph.edges()], dtype=torch.int64)
    edges = edges.reshape(-1, 2).T.contiguous()
    if not graph.is_directed():
        loops = edges[0] == edges[1]
        edges = torch.cat([edges, edges[:, ~loops].flip(0)], dim=1)
    label = [-1 if v is None else v for v in _attribute(nodes, y_names, "labels")]
    return {
        "x": _feature_rows(nodes, _attribute(nodes, x_names, "features")),
        "y": _whole_numbers(nodes, label, "label"),
        "edge_index": edges,
        **_networkx_masks(nodes, split),
    }


def _attribute(nodes: list[Any], names: tuple[str, ...], what: str) -> list[Any]:
    first = nodes[0][1]
    name = next((name for name in names if name in first), None)
    if name is None:
        raise DataError(
            f"node {nodes[0][0]!r} has no {what} named {' or '.join(map(repr, names))}; it has "
            f"{', '.join(map(repr, first)) or 'no attributes'}; set it or name the attribute"
        )
    for node, attributes in nodes:
        if name not in attributes:
            raise DataError(f"node {node!r} has no attribute {name!r}; give it to every node")
    return [attributes[name] for _, attributes in nodes]


def _feature_rows(nodes: list[Any], values: list[Any]) -> Tensor:
    rows: list[Any] = []
    for (node, _), value in zip(nodes, values, strict=True):
        try:
            row = np.atleast_1d(np.asarray(value, dtype=np.float32))
        except (TypeError, ValueError) as error:
            raise DataError(f"the features of node {node!r} are no numbers ({error})") from error
        if rows and row.shape != rows[0].shape:
            raise DataError(
                f"the features of node {node!r} have shape {row.shape}, those of node "
                f"{nodes[0][0]!r} {rows[0].shape}; give every node equally many"
            )
        rows.append(row)
    return torch.from_numpy(np.stack(rows))


def _whole_numbers(nodes: list[Any], values: list[Any], what: str) -> Tensor:
    for (node, _), value in zip(nodes, values, strict=True):
        if isinstance(value, str) or int(value) != value:
            raise DataError(
                f"the {what} of node {node!r} is {value!r}; number the classes from 0, "
                "and use None or -1 where there is none"
            )
    return torch.tensor([int(value) for value in values], dtype=torch.int64)


def _networkx_masks(nodes: list[Any], split: str) -> dict[str, Tensor]:
    """Masks from boolean attributes ``train_mask`` …, or from the name of each node's split."""
    if any(f"{name}_mask" in attributes for _, attributes in nodes for name in SPLITS):
        return {
            f"{name}_mask": torch.tensor([bool(a.get(f"{name}_mask", False)) for _, a in nodes])
            for name in SPLITS
        }
    if any(split in attributes for _, attributes in nodes):
        return {
            f"{name}_mask": torch.tensor([a.get(split) == name for _, a in nodes])
            for name in SPLITS
        }
    return {}
