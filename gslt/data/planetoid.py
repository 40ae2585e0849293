"""Cora, CiteSeer and PubMed from the original Planetoid files (Yang et al. 2016, 1603.08861)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import Tensor

from gslt.data import roles
from gslt.data.dataset import NodeDataset
from gslt.data.parts import Parts, assemble, reading_parts
from gslt.data.pickles import SparseMatrix, unpickle
from gslt.environment import check_limit
from gslt.errors import DataError
from gslt.files import read_bytes, reading

SOURCE = (
    "Planetoid citation networks (Sen et al. 2008; Yang et al. 2016, arXiv 1603.08861); "
    "no licence stated"
)

NUM_CLASSES = {"cora": 7, "citeseer": 6, "pubmed": 3}
NUM_VALIDATION = 500
_PARTS = ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index")
#: A sparse file may stand for at most so many times its own size.
_MOST_INFLATED = 1024

Ints = npt.NDArray[np.int64]


def raw_files(name: str) -> list[str]:
    """Names of the raw files of one network.

    >>> raw_files("cora")[-2:]
    ['ind.cora.graph', 'ind.cora.test.index']
    """
    return [f"ind.{name}.{part}" for part in _PARTS]


def load_planetoid(raw: Path, name: str) -> NodeDataset:
    """Read one network from its folder of raw files, with its public split.

    The raw files are pickles, which are read as data: no code in them runs. Nothing else in the
    folder is looked at; nothing is downloaded, cached or written. The bag of words of each node is
    divided by its sum, as in Kipf & Welling (1609.02907); the few nodes without words keep zeros.
    Self-loops and repeated edges are left out. CiteSeer has test nodes without words, label and
    edges, of which the files do not speak: they get zeros and no label, and are in no split.

    Args:
        raw: folder of the raw files.
        name: ``"cora"``, ``"citeseer"`` or ``"pubmed"``.

    Raises:
        DataError: if a raw file is missing, damaged, or holds what is no data.
        ConfigError: if a raw file is larger than the limit.
    """
    missing = [file for file in raw_files(name) if not (raw / file).is_file()]
    if missing:
        raise DataError(
            f"{name} lacks the file {missing[0]} in {raw}; "
            f"fetch it with `gslt data download {name}`"
        )
    cure = f"remove it and run `gslt data download {name}`"
    parts = {}
    for part, file in zip(_PARTS, raw_files(name), strict=True):
        with reading(raw / file, DataError, f"a file of {name}", cure):
            parts[part] = _READERS.get(part, _matrix)(read_bytes(raw / file))
    cure = f"remove its files and run `gslt data download {name}`"
    with reading_parts(raw, f"a folder of {name}", cure):
        return _network(name, parts)


def _network(name: str, parts: dict[str, Any]) -> NodeDataset:
    num_nodes, edges = parts["graph"]
    test = roles.node_numbers(parts["test.index"], num_nodes, "test.index")
    num_train = len(parts["y"])
    _check_counts(parts, num_nodes)
    x = _in_order(parts["allx"], parts["tx"], test, num_nodes)
    label = _in_order(parts["ally"], parts["ty"], test, num_nodes)
    places = torch.arange(num_nodes)
    return assemble(
        Parts(
            x=x / x.sum(dim=1, keepdim=True).clamp(min=1.0),
            y=label,
            edge_index=edges[:, edges[0] != edges[1]],
            undirected=True,
            train_mask=places < num_train,
            val_mask=(places >= num_train) & (places < num_train + NUM_VALIDATION),
            test_mask=torch.isin(places, test),
        ),
        name=name,
        num_classes=NUM_CLASSES[name],
        source=SOURCE,
    )


def _check_counts(parts: dict[str, Any], num_nodes: int) -> None:
    """Refuse files that do not fit one another."""
    test, known = parts["test.index"], len(parts["allx"])
    for some, others in (("allx", "ally"), ("tx", "ty"), ("tx", "test.index")):
        if len(parts[some]) != len(parts[others]):
            raise ValueError(
                f"{some} holds {len(parts[some])} nodes and {others} {len(parts[others])}"
            )
    for some, others in (("allx", "tx"), ("ally", "ty")):
        if parts[some].shape[1] != parts[others].shape[1]:
            raise ValueError(f"the rows of {some} and {others} have different lengths")
    if test.min() != known or test.max() != num_nodes - 1:
        raise ValueError(
            f"test.index must hold numbers from {known}, the size of allx, to {num_nodes - 1}, the "
            "last node of the graph"
        )
    if len(parts["y"]) + NUM_VALIDATION > known:
        raise ValueError(
            f"allx holds {known} nodes, too few for {len(parts['y'])} to train on and "
            f"{NUM_VALIDATION} to validate on"
        )


def _in_order(known: Tensor, tested: Tensor, test: Tensor, num_nodes: int) -> Tensor:
    """The rows of every node: the known ones first, row i of the tested ones at node ``test[i]``.

    >>> _in_order(torch.ones(1, 1), torch.full((1, 1), 2.0), torch.tensor([2]), 3).tolist()
    [[1.0], [0.0], [2.0]]
    """
    check_limit("inflated_bytes", 4 * num_nodes * known.shape[1], "the features have")
    rows = torch.zeros(num_nodes, known.shape[1])
    rows[: len(known)] = known
    rows[test] = tested
    return rows


# What the files hold


def _matrix(data: bytes) -> Tensor:
    """A matrix of numbers, stored densely or by its entries."""
    value = unpickle(data)
    if isinstance(value, SparseMatrix):
        value = _dense(value, most=_MOST_INFLATED * len(data))
    if not (isinstance(value, np.ndarray) and value.ndim == 2 and len(value)):
        raise ValueError("it holds no matrix")
    matrix = roles.features(value, "the matrix")
    if not torch.isfinite(matrix).all():
        raise ValueError("it holds a number that is not finite")
    return matrix


def _dense(stored: SparseMatrix, most: int) -> npt.NDArray[Any]:
    try:
        arrays = [stored.parts[name] for name in ("data", "indices", "indptr")]
        rows, columns = stored.parts["_shape"]
        largest = rows * columns * np.dtype(np.float64).itemsize
    except (KeyError, TypeError, ValueError):
        raise ValueError("the sparse matrix lacks a part") from None
    if not all(isinstance(array, np.ndarray) for array in arrays) or type(largest) is not int:
        raise ValueError("the sparse matrix has a part that is no array")
    if not 0 <= largest <= most:
        raise ValueError(
            f"the sparse matrix of {rows:,} × {columns:,} is more than {_MOST_INFLATED} times as "
            "large as the file"
        )
    native = [array.astype(array.dtype.newbyteorder("=")) for array in arrays]
    matrix = sp.csr_matrix(tuple(native), shape=(rows, columns))
    matrix.check_format(full_check=True)
    dense: npt.NDArray[Any] = matrix.toarray()
    return dense


def _edges(data: bytes) -> tuple[int, Ints]:
    """The number of nodes, and the edges ``(2, E)`` from each of them to its neighbours."""
    graph = unpickle(data)
    if not (isinstance(graph, dict) and all(type(ends) is list for ends in graph.values())):
        raise ValueError("it holds no dict of lists of neighbours")
    # A number takes a byte or more, but one list may stand in many places.
    if sum(map(len, graph.values())) > len(data):
        raise ValueError("it holds a list of neighbours many times over")
    edges = [(node, end) for node, ends in graph.items() for end in ends]
    for node in [*graph, *(end for _, end in edges)]:
        if type(node) is not int or not 0 <= node < len(graph):
            raise ValueError(f"a node or neighbour is no number from 0 to {len(graph) - 1}")
    return len(graph), np.array(edges, dtype=np.int64).reshape(-1, 2).T


def _numbers(data: bytes) -> Ints:
    """Node numbers, one a line."""
    lines = data.decode("ascii").split()
    if not lines or not all(line.isdigit() and len(line) < 10 for line in lines):
        raise ValueError("it does not hold a node number a line")
    return np.array(lines, dtype=np.int64)


_READERS = {"graph": _edges, "test.index": _numbers}
