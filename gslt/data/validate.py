"""The rules of node classification data, each with the sentence that says where it is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gslt.errors import DataError

if TYPE_CHECKING:
    from gslt.data.dataset import NodeDataset


def check_node_dataset(data: NodeDataset) -> None:
    """Refuse a data set that breaks a rule.

    Raises:
        DataError: names the data set, the first offending entry and the rule.
    """
    try:
        _check_features(data.x)
        check_edges(data.edge_index, len(data.x))
        _check_labels(data.y, len(data.x), data.num_classes)
        if data.class_names and len(data.class_names) != data.num_classes:
            raise DataError(
                f"class_names holds {len(data.class_names)} names for {data.num_classes} classes; "
                "give one name per class, or none"
            )
        for name, mask in data.splits.items():
            _check_mask(name, mask, data.y)
        _check_disjoint(data.splits)
        _check_devices(data)
    except DataError as error:
        raise DataError(f"data set {data.name!r}: {error}") from None


def check_logits(data: NodeDataset, logits: Tensor) -> None:
    """Refuse logits that are not ``(N, num_classes)``."""
    wanted = (data.num_nodes, data.num_classes)
    if tuple(logits.shape) != wanted:
        raise DataError(
            f"logits for data set {data.name!r} must have shape {wanted} (nodes, classes), "
            f"got {tuple(logits.shape)}; score every node at once"
        )


def _first(broken: Tensor) -> tuple[int, ...]:
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
    # One pass without a mask in memory: a sum is finite unless an entry is not (or it overflows).
    if not torch.isfinite(x.sum(dtype=torch.float64)):
        node, feature = _first(~torch.isfinite(x))
        raise DataError(
            f"x[{node}, {feature}] is {x[node, feature].item()}; features must be finite: "
            "replace it, e.g. with torch.nan_to_num"
        )


def check_edges(edge_index: Tensor, num_nodes: int) -> None:
    """Refuse edges that are not int64 ``(2, E)``, or name nodes that do not exist."""
    _check_type("edge_index", edge_index, torch.int64, "(2, edges)", 2)
    if edge_index.shape[0] != 2:
        raise DataError(
            f"edge_index must have shape (2, edges), got {tuple(edge_index.shape)}; put sources "
            "into row 0 and targets into row 1"
        )
    broken = (edge_index < 0) | (edge_index >= num_nodes)
    if broken.any():
        (edge,) = _first(broken.any(dim=0))
        source, target = edge_index[:, edge].tolist()
        raise DataError(
            f"edge {edge} is ({source}, {target}), but nodes are numbered 0 … {num_nodes - 1}; "
            "remove it or renumber the nodes"
        )


def _check_labels(y: Tensor, num_nodes: int, num_classes: int) -> None:
    if isinstance(num_classes, bool) or not isinstance(num_classes, int) or num_classes < 2:
        raise DataError(f"num_classes must be an integer of at least 2, got {num_classes!r}")
    _check_type("y", y, torch.int64, "(nodes,)", 1)
    if len(y) != num_nodes:
        raise DataError(f"y holds {len(y)} labels for {num_nodes} nodes; give one label per node")
    broken = (y < -1) | (y >= num_classes)
    if broken.any():
        (node,) = _first(broken)
        raise DataError(
            f"y[{node}] is {y[node].item()}, but labels are 0 … {num_classes - 1}, or -1 for an "
            "unlabelled node; relabel it or raise num_classes"
        )


def _check_mask(name: str, mask: Tensor, y: Tensor) -> None:
    _check_type(f"{name}_mask", mask, torch.bool, "(nodes,)", 1)
    if len(mask) != len(y):
        raise DataError(f"{name}_mask holds {len(mask)} entries for {len(y)} nodes; give one each")
    if not mask.any():
        raise DataError(f"{name}_mask is empty; put at least one labelled node into every split")
    unlabelled = mask & (y < 0)
    if unlabelled.any():
        (node,) = _first(unlabelled)
        raise DataError(
            f"node {node} is in {name}_mask but its label is -1 (unlabelled); "
            "take it out of the split or give it a label"
        )


def _check_disjoint(splits: dict[str, Tensor]) -> None:
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        both = splits[one] & splits[other]
        if both.any():
            (node,) = _first(both)
            raise DataError(
                f"node {node} is in both {one}_mask and {other}_mask; "
                "a node may be in one split only"
            )


def _check_devices(data: NodeDataset) -> None:
    for name in ("edge_index", "y", "train_mask", "val_mask", "test_mask"):
        device = getattr(data, name).device
        if device != data.x.device:
            raise DataError(
                f"{name} is on {device} and x on {data.x.device}; move them to one device first"
            )
