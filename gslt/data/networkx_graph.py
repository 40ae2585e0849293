"""Node attributes and edges of a NetworkX graph as tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from gslt.errors import DataError

_SPLITS = ("train", "val", "test")


def networkx_parts(
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
        "x": _features(nodes, _attribute(nodes, x_names, "features")),
        "y": _numbers(nodes, label, "label"),
        "edge_index": edges,
        **_masks(nodes, split),
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


def _features(nodes: list[Any], values: list[Any]) -> Tensor:
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


def _numbers(nodes: list[Any], values: list[Any], what: str) -> Tensor:
    for (node, _), value in zip(nodes, values, strict=True):
        if isinstance(value, str) or int(value) != value:
            raise DataError(
                f"the {what} of node {node!r} is {value!r}; number the classes from 0, "
                "and use None or -1 where there is none"
            )
    return torch.tensor([int(value) for value in values], dtype=torch.int64)


def _masks(nodes: list[Any], split: str) -> dict[str, Tensor]:
    """Masks from boolean attributes ``train_mask`` …, or from the name of each node's split."""
    if any(f"{name}_mask" in attributes for _, attributes in nodes for name in _SPLITS):
        return {
            f"{name}_mask": torch.tensor([bool(a.get(f"{name}_mask", False)) for _, a in nodes])
            for name in _SPLITS
        }
    if any(split in attributes for _, attributes in nodes):
        return {
            f"{name}_mask": torch.tensor([a.get(split) == name for _, a in nodes])
            for name in _SPLITS
        }
    return {}
