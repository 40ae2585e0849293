"""Features made of the graph alone, for graphs whose nodes have none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg
import torch
from torch import Tensor

from gslt.environment import check_limit
from gslt.errors import ConfigError
from gslt.random import Stream

#: Width of the spectral features, at most the number of nodes.
SPECTRAL_WIDTH = 32
#: Up to so many nodes all eigenvectors are found at once.
_DENSE = 256


def make_features(kind: str, edge_index: Tensor, num_nodes: int) -> Tensor:
    """Features of nodes from the edges alone, float32 ``(N, d)``.

    Args:
        kind: ``"degree"``: ln(1 + in-degree), d = 1; ``"one-hot"``: the identity, d = N;
            ``"constant"``: 1, d = 1; ``"spectral"``: the eigenvectors of the largest eigenvalues of
            D^(−½) A D^(−½), A symmetric with each edge once, times √N, d = min(N, 32); the largest
            entry of each is positive.
        edge_index: directed edges, int64 ``(2, E)``.
        num_nodes: N.

    Raises:
        ConfigError: if there is no such kind, or one-hot features are larger than the limit.

    >>> make_features("degree", torch.tensor([[0, 1], [1, 1]]), 2).round(decimals=2).tolist()
    [[0.0], [1.100000023841858]]
    """
    if kind not in _KINDS:
        raise ConfigError(f"features must be one of {', '.join(_KINDS)}, got {kind!r}")
    return _KINDS[kind](edge_index.cpu(), num_nodes).to(edge_index.device)


def _degree(edge_index: Tensor, num_nodes: int) -> Tensor:
    return torch.bincount(edge_index[1], minlength=num_nodes).log1p().unsqueeze(1)


def _one_hot(_edge_index: Tensor, num_nodes: int) -> Tensor:
    check_limit("inflated_bytes", 4 * num_nodes**2, "the one-hot features have")
    return torch.eye(num_nodes)


def _constant(_edge_index: Tensor, num_nodes: int) -> Tensor:
    return torch.ones(num_nodes, 1)


def _spectral(edge_index: Tensor, num_nodes: int) -> Tensor:
    source, target = edge_index.numpy()
    ones = np.ones(len(source))
    half = sp.coo_matrix((ones, (target, source)), shape=(num_nodes, num_nodes)).tocsr()
    adjacency = (half + half.T).sign()
    scale = sp.diags(1.0 / np.sqrt(np.maximum(adjacency.sum(axis=1).A1, 1.0)))
    matrix = scale @ adjacency @ scale
    width = min(num_nodes, SPECTRAL_WIDTH)
    if not matrix.nnz:
        # Every vector is one of 0; these are what the dense way gives.
        vectors = np.eye(num_nodes, width)[::-1]
    elif num_nodes <= _DENSE:
        vectors = np.linalg.eigh(matrix.toarray())[1][:, ::-1][:, :width]
    else:
        start = Stream(0, "features", "spectral").normal(num_nodes)
        values, vectors = scipy.sparse.linalg.eigsh(matrix, k=width, which="LA", v0=start)
        vectors = vectors[:, np.argsort(-values)]
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(width)]
    scaled = vectors * np.sign(largest) * np.sqrt(num_nodes)
    return torch.from_numpy(np.ascontiguousarray(scaled, dtype=np.float32))


_KINDS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "degree": _degree,
    "one-hot": _one_hot,
    "constant": _constant,
    "spectral": _spectral,
}

#: The kinds of features that can be made.
FEATURES = tuple(_KINDS)
