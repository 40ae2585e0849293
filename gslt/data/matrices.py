"""Graphs as named arrays: ``.npz`` archives, ``.mat`` files, and PyG's ``Data`` saved by torch.

What is called what differs from layout to layout, and :data:`NAMES` knows the usual words:
``node_features``, ``edges`` and ``train_masks`` of the heterophilous-graphs benchmark, the parts of
sparse matrices ``adj_data``, ``attr_data`` … of gnn-benchmark and nettack, ``edge_index``,
``node_feat`` and ``label`` of LINKX. Nothing in these files is executed.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from gslt.data.matlab import matrices
from gslt.data.options import names_nothing
from gslt.data.parts import Parts, check_same_edges, edges_of_adjacency, reading_parts
from gslt.data.roles import features, labels, masks_of, name_splits, pick_masks, tells_split
from gslt.environment import check_limit
from gslt.errors import ConfigError, DataError, listed
from gslt.files import npz_names, open_regular, read_bytes, read_npz

CURE = "write it again, or fetch it again"
#: What each part is called, the first that is there is taken. Those of sparse matrices stand for
#: their parts, such as ``attr_data``, ``attr_indices``, ``attr_indptr`` and ``attr_shape``.
NAMES = {
    "features": ("node_features", "x", "features", "feat", "node_feat", "attr", "attr_matrix"),
    "labels": ("node_labels", "y", "labels", "label"),
    "edges": ("edges", "edge_index", "adj", "adj_matrix", "A", "adj_t"),
    "edge weights": ("edge_weight", "edge_weights"),
    "edge features": ("edge_attr", "edge_feat", "edge_features"),
    "names of classes": ("class_names",),
}
_SPARSE = ("data", "indices", "indptr", "shape")
#: A sparse matrix may stand for so many bytes in any case, and for so many times its file's size.
_ALWAYS_DENSE, _MOST_DENSE = 1 << 28, 1024

#: Gives values by name: arrays, tensors or sparse matrices.
Read = Callable[[Sequence[str]], dict[str, Any]]


def read_archive(path: Path, x: str | None, y: str | None) -> Parts:
    """A graph of a ``.npz`` archive; see the module for the names of its arrays.

    The edges of these layouts are those of an undirected graph, each stored once or twice.

    Args:
        path: the file.
        x: name of the features; None takes the usual ones.
        y: name of the labels.

    Raises:
        DataError: if it is damaged, or lacks edges or labels.
        ConfigError: if what it holds is larger than the limit.
    """
    names = npz_names(path, CURE)
    matrices = _sparse_names(names)
    plain = [name for name in names if not any(name in parts for parts in matrices.values())]

    def read(wanted: Sequence[str]) -> dict[str, Any]:
        keys = [key for name in wanted for key in matrices.get(name, (name,))]
        arrays = read_npz(path, keys, CURE)
        return {
            name: _sparse(name, [arrays[key] for key in matrices[name]])
            if name in matrices
            else arrays[name]
            for name in wanted
        }

    with reading_parts(path, "a graph", CURE):
        return _graph([*plain, *matrices], read, x, y, path.stat().st_size, undirected=True)


def _sparse_names(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The parts of every sparse matrix, by its name.

    >>> _sparse_names(["a_data", "a_indices", "a_indptr", "a_shape", "labels"])
    {'a': ('a_data', 'a_indices', 'a_indptr', 'a_shape')}
    """
    found = {}
    for name in names:
        for ending in ("_data", ".data"):
            if name.endswith(ending):
                stem, mark = name[: -len(ending)], ending[0]
                parts = tuple(f"{stem}{mark}{part}" for part in _SPARSE)
                if set(parts) <= set(names):
                    found[stem] = parts
    return found


def _sparse(name: str, parts: Sequence[Any]) -> Any:
    data, indices, indptr, shape = parts
    if shape.shape != (2,) or any(each.dtype.kind not in "iu" for each in (indices, indptr, shape)):
        raise ValueError(f"the sparse matrix {name!r} has parts that are no whole numbers")
    return sp.csr_matrix((data, indices, indptr), shape=tuple(map(int, shape)))


def read_mat(path: Path, x: str | None, y: str | None) -> Parts:
    """A graph of a ``.mat`` file (MATLAB up to version 7); see the module for the names in it.

    Cells, structures, texts and objects are not looked at.

    Args:
        path: the file.
        x: name of the features; None takes the usual ones.
        y: name of the labels.

    Raises:
        DataError: if it is damaged, or lacks edges or labels.
        ConfigError: if it unpacks to more than the limit.
    """
    with reading_parts(path, "a .mat file", CURE):
        data = read_bytes(path)
        found = matrices(data)

        def read(wanted: Sequence[str]) -> dict[str, Any]:
            # A vector is a row or a column there.
            return {name: _unwrapped(found[name].value()) for name in wanted}

        return _graph(list(found), read, x, y, len(data), undirected=None)


def _unwrapped(value: Any) -> Any:
    is_row = isinstance(value, np.ndarray) and value.ndim == 2 and value.shape[0] == 1
    return value[0] if is_row else value


# A graph of named values


def _graph(
    names: Sequence[str],
    read: Read,
    x: str | None,
    y: str | None,
    size: int,
    *,
    undirected: bool | None,
    others: Mapping[str, Any] = MappingProxyType({}),
) -> Parts:
    """The parts of a graph among values of these names.

    Args:
        names: of what there is.
        read: gives values by name.
        x: name of the features.
        y: name of the labels.
        size: bytes of the file.
        undirected: whether its layout is one of undirected graphs.
        others: what else there is, of which only a split is taken.

    Raises:
        DataError: if there are no edges or no labels, or several that differ.
    """
    chosen = {part: _named(names, known) for part, known in NAMES.items()}
    for option, part, name in (("x", "features", x), ("y", "labels", y)):
        if name is not None:
            if name not in names:
                raise names_nothing(option, name, "array", names)
            chosen[part] = name
    for part in ("edges", "labels"):
        if chosen[part] is None:
            how = f"; say which by y={names[0]!r}" if part == "labels" and names else ""
            usual = " or ".join(NAMES[part])
            raise DataError(f"there are no {part} ({usual}); there is {_list(names)}{how}")
    masks = pick_masks({name: name for name in names})
    chosen |= masks
    values = read([name for name in dict.fromkeys(chosen.values()) if name is not None])
    found = {part: name and values[name] for part, name in chosen.items()}
    edges, weights = _edges(str(chosen["edges"]), found["edges"])
    rest = {name: _unused(name, read) for name in names if name not in values} | dict(others)
    _check_one_of_each(chosen, found, rest, told={"features": x, "labels": y})
    for name in NAMES["edges"]:
        if name in rest:
            _check_same(str(chosen["edges"]), edges, name, rest.pop(name), bool(undirected))
    data = {chosen[part] or part: found[part] for part in ("edge weights", "edge features")}
    if weights is not None:
        data["weights"] = weights
    num_nodes, num_edges = _length(found["labels"]), _length(edges.T)
    of_edges = [name for name, value in rest.items() if _length(value) == num_edges != num_nodes]
    data |= {n: v for n, v in rest.items() if n.startswith("edge") or n in of_edges}
    if not masks and num_nodes is not None and name_splits(_listed(rest.get("split"))):
        found |= masks_of(rest["split"], num_nodes)
    class_names = found["names of classes"]
    return Parts(
        x=_checked(found["features"], size),
        y=_checked(found["labels"], size),
        edge_index=edges,
        train_mask=found.get("train_mask"),
        val_mask=found.get("val_mask"),
        test_mask=found.get("test_mask"),
        class_names=() if class_names is None else tuple(map(str, class_names)),
        edge_data={name: value for name, value in data.items() if value is not None},
        undirected=undirected,
        split_like=[name for name in rest if tells_split(name)],
    )


def _unused(name: str, read: Read) -> Any:
    """A value that is no part; an object where it is of a kind that is not read."""
    try:
        return read([name])[name]
    except (DataError, ConfigError, ValueError):
        return object()


def _length(value: Any) -> int | None:
    """How many entries or rows a value has, None for a single one."""
    if isinstance(value, list):
        return len(value)
    shape = getattr(value, "shape", ())
    return int(shape[0]) if shape else None


def _listed(value: Any) -> list[Any]:
    return [] if _length(value) is None or sp.issparse(value) else list(value)


def _check_one_of_each(
    chosen: Mapping[str, str | None],
    found: Mapping[str, Any],
    rest: Mapping[str, Any],
    told: Mapping[str, str | None],
) -> None:
    """Refuse features or labels that stand there twice and differ, where none are told."""
    for part, argument, role in (("features", "x", features), ("labels", "y", labels)):
        one = chosen[part]
        if one is None or told[part] is not None:
            continue
        for other in [name for name in NAMES[part] if name in rest]:
            if _differ(found[part], rest[other], role):
                raise DataError(
                    f"{one} and {other} may be the {part}, and they differ; say which by "
                    f"{argument}={one!r}"
                )


def _differ(one: Any, other: Any, role: Callable[[Any], Any]) -> bool:
    """Whether two values have a row for each node, and not the same."""
    if _length(one) != _length(other):
        return False
    try:
        ours, theirs = (
            each[0] if isinstance(each, tuple) else each for each in map(role, (one, other))
        )
    except DataError:
        return True
    return not torch.equal(ours, theirs)


def _check_same(name: str, edges: Any, other: str, value: Any, undirected: bool) -> None:
    try:
        theirs, _ = _edges(other, value)
    except (AttributeError, DataError, ValueError):
        return  # It is called as edges are, and is none.
    check_same_edges(edges, theirs, (name, other), undirected)


def _named(names: Sequence[str], known: Sequence[str]) -> str | None:
    return next((name for name in known if name in names), None)


def _list(names: Sequence[str]) -> str:
    return listed([repr(name) for name in names]) or "nothing"


def _edges(name: str, value: Any) -> tuple[Any, Any]:
    """Edges ``(2, E)``, and weights ``(E,)`` where those of an adjacency matrix are not all 1."""
    if name == "adj_t":
        return edges_of_adjacency(value)
    if sp.issparse(value):
        _check_sparse(value)
        entries = value.tocoo()
        _check_weights(name, entries.data)
        entries.eliminate_zeros()
        edges, weights = np.stack([entries.row, entries.col]).astype(np.int64), entries.data
    elif name in ("adj", "adj_matrix", "A"):
        _check_square(value.shape)
        value = np.asarray(value)
        _check_weights(name, value)
        edges = np.stack(np.nonzero(value)).astype(np.int64)
        weights = value[tuple(edges)]
    elif value.ndim != 2 or (2 not in value.shape):
        raise DataError(f"{name} has shape {tuple(value.shape)}; it must be (2, edges)")
    else:
        as_rows = value.shape[1] == 2 and (name == "edges" or value.shape[0] != 2)
        return (value.T if as_rows else value), None
    return edges, None if bool((weights == 1).all()) else weights


def _check_weights(name: str, weights: Any) -> None:
    if np.isnan(weights).any():
        raise DataError(f"{name} holds NaN, an edge or none; write 0 where there is no edge")


def _check_sparse(value: Any) -> None:
    _check_square(value.shape)
    # Without this a damaged matrix could read memory that is not its own.
    value.check_format(full_check=True)


def _check_square(shape: tuple[int, ...]) -> None:
    if len(shape) != 2 or shape[0] != shape[1]:
        raise DataError(f"the adjacency matrix has shape {tuple(shape)}; it must be (nodes, nodes)")


def _checked(value: Any, size: int) -> Any:
    """The value; a sparse matrix is refused where it is damaged, or stands for far too much."""
    if sp.issparse(value):
        value.check_format(full_check=True)
        needed = value.shape[0] * value.shape[1] * value.dtype.itemsize
        if needed > max(_ALWAYS_DENSE, _MOST_DENSE * size):
            raise ValueError(f"a sparse matrix is over {_MOST_DENSE} times as large as the file")
    return value


# What torch saved


class _StandIn:
    """In the place of a class of PyG, none of whose code is needed to read what it holds."""


_PYG = "torch_geometric.data"
#: The only names beside torch's own that a file may hold: those of ``Data`` and of its parts.
_SAFE: list[Any] = [
    (_StandIn, f"{_PYG}.{name}")
    for name in (
        "data.Data",
        "data.DataEdgeAttr",
        "data.DataTensorAttr",
        "storage.GlobalStorage",
        "storage.BaseStorage",
        "storage.NodeStorage",
        "storage.EdgeStorage",
    )
]


#: What can be done about a file that asks for anything else, by how its name begins.
_TENSORS = "save its tensors, as torch.save(data.to_dict(), path) does"
_CURES = {
    "torch_sparse": "where torch_sparse is installed, data.edge_index = "
    "torch.stack(data.adj_t.coo()[1::-1]) and del data.adj_t, and save its tensors: "
    "torch.save(data.to_dict(), path)",
    f"{_PYG}.hetero_data": "make one graph of it, "
    "torch.save(data.to_homogeneous().to_dict(), path)",
}


def read_saved(path: Path, x: str | None, y: str | None) -> Parts:
    """The graph of a file of ``torch.save``: a ``Data`` of PyG, ``(data, slices)``, or a dict.

    The pickle in it may name tensors and the classes of ``Data``, in whose place stand-ins are
    made; nothing of PyG runs, and nothing of anybody else.

    Args:
        path: the file.
        x: name of the features; None takes the usual ones.
        y: name of the labels.

    Raises:
        DataError: if it asks for anything else, is damaged, or holds several graphs or none.
        ConfigError: if it unpacks to more than the limit.
    """
    with reading_parts(path, "a graph saved by torch", CURE):
        with open_regular(path) as (file, size):
            if not zipfile.is_zipfile(file):
                raise ValueError("it is of the layout before torch 1.6; load and save it anew")
            file.seek(0)
            with zipfile.ZipFile(file) as archive:
                total = sum(member.file_size for member in archive.infolist())
                check_limit("inflated_bytes", total, f"{str(path)!r} unpacks to")
                # torch compares no checksums.
                if (member := archive.testzip()) is not None:
                    raise ValueError(f"{member} in it is not as it was written")
            file.seek(0)
            value = _load(file)
        store = _store(value)
        tensors = {name: each for name, each in store.items() if isinstance(each, Tensor)}
        for name, tensor in tensors.items():
            _check_tensor(name, tensor)
        return _graph(
            list(tensors),
            lambda wanted: {name: tensors[name] for name in wanted},
            x,
            y,
            size,
            undirected=None,
            others={name: each for name, each in store.items() if isinstance(each, list)},
        )


def _load(file: Any) -> Any:
    # PyG lists its own classes for torch, and a user may have listed others: none of them is made.
    before = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        torch.serialization.add_safe_globals(_SAFE)
        # Without this a damaged sparse matrix could read memory that is not its own.
        with torch.sparse.check_sparse_tensor_invariants(True):  # type: ignore[no-untyped-call]
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        asked = re.search(r"GLOBAL ([\w.]+)", str(error))
        if asked is None:
            raise
        cure = next((cure for name, cure in _CURES.items() if asked[1].startswith(name)), _TENSORS)
        raise ValueError(
            f"it asks for {asked[1]}, which no graph needs and which could run code; {cure}"
        ) from None
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)


def _store(value: Any) -> Mapping[str, Any]:
    """Names and values of the one graph that was saved."""
    slices = None
    if isinstance(value, tuple) and len(value) >= 2 and _is_slices(value[1]):
        value, slices = value[0], value[1]
    counts = {len(each) - 1 for each in (slices or {}).values() if isinstance(each, Tensor)}
    if counts - {1}:
        raise ValueError(f"it holds {max(counts)} graphs; a data set of nodes is one of them")
    if isinstance(value, _StandIn):
        # PyG 1 kept its values in the object itself.
        own = vars(value)
        store = own.get("_store", value)
        value = vars(store).get("_mapping", own) if isinstance(store, _StandIn) else None
    if not isinstance(value, dict):
        raise ValueError("it holds no graph of PyG: neither a Data nor a dict of tensors")
    return {str(name): each for name, each in value.items()}


def _is_slices(value: Any) -> bool:
    return value is None or isinstance(value, dict)


def _check_tensor(name: str, tensor: Tensor) -> None:
    if name == "adj_t" and tensor.layout in (torch.sparse_coo, torch.sparse_csr, torch.sparse_csc):
        return
    if tensor.layout != torch.strided:
        raise ValueError(f"{name} is sparse; store it with to_dense()")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise ValueError(f"{name} repeats its entries; store it with contiguous()")
