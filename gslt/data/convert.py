"""Graphs of PyTorch Geometric, DGL and NetworkX as a NodeDataset."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gslt.data.dataset import SPLITS, NodeDataset, to_undirected
from gslt.data.networkx_graph import networkx_parts
from gslt.errors import DataError

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
        return networkx_parts(obj, x_names, y_names, split)
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
