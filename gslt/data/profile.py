"""What data is like, in numbers: classes, splits, and of a graph degrees, components, homophily."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from gslt.data.dataset import NodeDataset
from gslt.data.images import ImageDataset
from gslt.data.parts import class_counts


def profile(data: NodeDataset | ImageDataset) -> dict[str, Any]:
    """The facts of ``info()`` and more, for people: plain numbers, texts and dicts.

    Beyond ``info``: ``class_counts`` by name, and ``split_counts`` by split and class; of a graph
    ``node_homophily`` and ``adjusted_homophily``, ``components`` (edges taken in both directions)
    and the size of the largest, ``in_degree`` and ``out_degree`` (min, median, max). What is not
    defined, such as homophily without labels at the ends of an edge, or where nodes have several
    labels, is None.

    Args:
        data: the data set.
    """
    names = data.class_names or tuple(map(str, range(data.num_classes)))
    counts = class_counts(data, data.labelled).tolist()
    facts: dict[str, Any] = {
        **data.info(),
        **(_of_graph(data) if isinstance(data, NodeDataset) else {}),
        "class_counts": dict(zip(names, counts, strict=True)),
        "split_counts": {
            split: dict(zip(names, class_counts(data, mask).tolist(), strict=True))
            for split, mask in data.splits.items()
        },
    }
    return {name: None if value != value else value for name, value in facts.items()}


def _of_graph(data: NodeDataset) -> dict[str, Any]:
    source, target = data.edge_index
    components, largest = _components(data)
    edges, y, single = data.edge_index, data.y, data.task == "multiclass"
    return {
        "node_homophily": node_homophily(edges, y) if single else None,
        "adjusted_homophily": adjusted_homophily(edges, y, data.num_classes) if single else None,
        "components": components,
        "largest_component": largest,
        "in_degree": _spread(torch.bincount(target, minlength=data.num_nodes)),
        "out_degree": _spread(torch.bincount(source, minlength=data.num_nodes)),
    }


def node_homophily(edge_index: Tensor, y: Tensor) -> float:
    """Mean over nodes of the share of in-neighbours of the same class (Pei et al., 2002.05287).

    Over labelled nodes with a labelled in-neighbour; NaN without any.

    Args:
        edge_index: directed edges, int64 ``(2, E)``.
        y: labels, int64 ``(N,)``, −1 for unlabelled nodes.

    >>> node_homophily(torch.tensor([[0, 1, 2], [1, 2, 1]]), torch.tensor([0, 0, 1]))
    0.25
    """
    source, target = _labelled(edge_index, y)
    degree = torch.bincount(target, minlength=len(y)).double()
    same = torch.bincount(target[y[source] == y[target]], minlength=len(y)).double()
    return float((same / degree)[degree > 0].mean())


def adjusted_homophily(edge_index: Tensor, y: Tensor, num_classes: int) -> float:
    """Edge homophily less what chance gives, over what it leaves (Platonov et al., 2209.06177).

    ``(h − Σ p_k²) / (1 − Σ p_k²)`` with ``p_k`` the share of ends of edges in class k. 1 where
    every edge joins equals, 0 on average for edges at random; NaN where all ends are of one class.

    Args:
        edge_index: directed edges, int64 ``(2, E)``.
        y: labels, int64 ``(N,)``, −1 for unlabelled nodes.
        num_classes: C.

    >>> adjusted_homophily(torch.tensor([[0, 1], [1, 0]]), torch.tensor([0, 1]), 2)
    -1.0
    """
    source, target = _labelled(edge_index, y)
    if not len(source):
        return float("nan")
    ends = torch.bincount(y[torch.cat([source, target])], minlength=num_classes).double()
    chance = float((ends / ends.sum()).square().sum())
    same = float((y[source] == y[target]).double().mean())
    return (same - chance) / (1 - chance) if chance < 1 else float("nan")


def _labelled(edge_index: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    source, target = edge_index[:, (y[edge_index] >= 0).all(dim=0)]
    return source, target


def _components(data: NodeDataset) -> tuple[int, int]:
    """How many weakly connected components there are, and the nodes of the largest."""
    source, target = data.edge_index.cpu().numpy()
    shape = (data.num_nodes, data.num_nodes)
    links = sp.coo_matrix((np.ones(len(source), dtype=np.int8), (source, target)), shape=shape)
    number, component = connected_components(links, directed=True, connection="weak")
    return int(number), int(np.bincount(component).max())


def _spread(degree: Tensor) -> dict[str, float]:
    middle = float(np.median(degree.cpu().numpy()))
    return {"min": int(degree.min()), "median": middle, "max": int(degree.max())}


def lines(facts: dict[str, Any]) -> list[str]:
    """Facts of :func:`profile` as lines of text, one a fact, dicts as ``key: value``.

    Args:
        facts: by name.

    >>> lines({"nodes": 3, "in_degree": {"min": 0, "max": 2}, "edge_homophily": None})
    ['nodes           3', 'in_degree       min: 0, max: 2', 'edge_homophily  not defined']
    """
    width = max(map(len, facts))
    return [f"{name:<{width}}  {_shown(name, value)}" for name, value in _flat(facts)]


def _flat(facts: dict[str, Any]) -> list[tuple[str, Any]]:
    return [
        (f"{name} {key}" if key else name, each)
        for name, value in facts.items()
        for key, each in (value.items() if name == "split_counts" else [("", value)])
    ]


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "not defined"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_shown(key, each)}" for key, each in value.items())
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)
