"""What a value must be for its role in a data set: features, labels, node numbers, edges, masks.

One function for each role, for tensors, arrays, lists, pandas' columns and frames and sparse
matrices alike. Each compares what comes out with what went in: nothing is rounded, cut or guessed
without a word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gslt.data.arrays import EntryError, Objects, array_of, brief, numbers_of, refuse
from gslt.data.dataset import SPLITS, check_edges
from gslt.data.metrics import several_labels
from gslt.errors import ConfigError, DataError, listed

#: How the three splits are called, in lower case.
SPLIT_NAMES: dict[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
_SPLIT_OF = {alias: split for split, aliases in SPLIT_NAMES.items() for alias in aliases}
#: Words of a name that tell a split, and those that may stand beside them.
_SPLIT_WORDS = ("split", "splits", "fold", "folds")
_FILLING = ("mask", "masks", "idx", "ids", "index", "indices", "is", "in", "set", "nodes", "cv")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
#: What a column of split names says of a node that is in none.
_NO_SPLIT = ("", "none", "-", "unlabelled", "unlabeled")
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,17})(\.\d{0,17})?|nan", re.ASCII | re.IGNORECASE)
#: Names that no class has: what libraries write where there is no value.
_NO_CLASS = ("nan", "none", "null", "<na>")
#: Texts are classes only where they repeat: more of them are names of nodes.
_FEW_CLASSES = 10


def features(value: Any, what: str = "x") -> Tensor:
    """Features, float32 ``(N, d)``; a vector is one column.

    Whole numbers come in exactly; float64 is rounded to float32, but no number becomes 0 or
    infinite. NaN and infinity are left to :class:`gslt.data.NodeDataset`, which refuses them.

    Args:
        value: ``(N, d)`` or ``(N,)``, dense or sparse.
        what: its name in messages.

    Raises:
        DataError: if it is no matrix of numbers; names the first number that float32 cannot hold.

    >>> features([1, 2]).tolist()
    [[1.0], [2.0]]
    """
    if hasattr(value, "columns") and len(set(value.dtypes)) > 1:
        # Together they would be rounded to a common type.
        columns = [(f"{what}[{name!r}]", value.iloc[:, i]) for i, name in enumerate(value.columns)]
        return torch.cat([features(column, called) for called, column in columns], dim=1)
    given = numbers_of(value, what)
    if given.dim() == 1:
        given = given.unsqueeze(1)
    if given.dim() != 2:
        raise DataError(
            f"{what} has shape {tuple(given.shape)}; it must be (nodes, features), or one number a "
            "node"
        )
    x = given.to(torch.float32)
    if given.dtype == torch.float64:
        broken = (x.isinf() & given.isfinite()) | ((x == 0) & (given != 0))
        refuse(broken, given, what, "which float32 cannot hold; rescale the features")
    elif given.dtype in (torch.int32, torch.int64) and _beyond(given, 1 << 24):
        back = x.double().clamp(-(2.0**62), 2.0**62).to(torch.int64)
        refuse(
            (x.abs() > 2.0**62) | (back != given),
            given,
            what,
            "which float32 cannot hold exactly; rescale the features",
        )
    return x


def _beyond(given: Tensor, most: int) -> bool:
    return given.numel() > 0 and max(int(given.max()), -int(given.min())) > most


def labels(
    value: Any, what: str = "y", names: Sequence[str] = ()
) -> tuple[Tensor, tuple[str, ...]]:
    """Labels, int64 ``(N,)``, −1 for an unlabelled node, and the names of the classes.

    Whole numbers, also as floats or as texts, stay what they are; NaN, None and −1 are no label.
    Texts are numbered in their sorted order, or in that of ``names``; an empty one is no label.
    Rows ``(N, C)`` with a single 1 are the number of its column; a row of zeros is no label.

    Args:
        value: ``(N,)``, ``(N, 1)`` or one-hot ``(N, C)``.
        what: its name in messages.
        names: of the classes, where they are known.

    Returns:
        The labels; the names: those given, the texts, the names of a frame's one-hot columns, or
        ``()``.

    Raises:
        DataError: names the first label that is none.

    >>> labels(["b", "a", None, "b"])
    (tensor([ 1,  0, -1,  1]), ('a', 'b'))
    >>> labels([[0, 1], [0, 0], [1, 0]])
    (tensor([ 1, -1,  0]), ())
    """
    given = array_of(value, what)
    if given.ndim == 2 and given.shape[1] == 1:
        given = given[:, 0]
    if isinstance(given, Tensor) and given.dim() == 2 and given.shape[1]:
        columns = list(getattr(value, "columns", ()))
        texts = all(isinstance(name, str) for name in columns)
        return _labels_of_rows(given, what), tuple(names) or (tuple(columns) if texts else ())
    if given.ndim != 1:
        raise DataError(
            f"{what} has shape {tuple(given.shape)}; it must hold one label a node, or one-hot rows"
        )
    if not isinstance(given, Tensor):
        if not all(text is None or _is_number(text) for text in given) or names:
            return _labels_of_texts(given, what, names)
        given = torch.tensor([np.nan if not v else float(v) for v in given], dtype=torch.float64)
    return _labels_of_numbers(given, what), tuple(names)


def label_rows(
    value: Any, what: str = "y", names: Sequence[str] = ()
) -> tuple[Tensor, tuple[str, ...]]:
    """Labels of nodes that may have several, float32 ``(N, C)``, and the names of the labels.

    Args:
        value: rows of 0 and 1; a row of −1 or NaN is a node without labels.
        what: its name in messages.
        names: of the labels, where they are known.

    Returns:
        The labels, −1 where there are none; the names: those given, those of a frame, or ``()``.

    Raises:
        DataError: names the first entry that is none.

    >>> label_rows([[1, 1], [0, 0]])[0].tolist()
    [[1.0, 1.0], [0.0, 0.0]]
    """
    given = array_of(value, what)
    if not isinstance(given, Tensor):
        raise DataError(f"{what} holds texts; several labels of a node are a row of 0 and 1")
    columns = list(getattr(value, "columns", ()))
    texts = all(isinstance(name, str) for name in columns)
    return several_labels(given), tuple(names) or (tuple(columns) if texts else ())


def node_of_several(value: Any) -> int | None:
    """The first node whose row of labels 0 and 1 holds more than one 1; None for labels of classes.

    Rows of −1 or NaN are nodes without labels.

    >>> node_of_several([[0, 1], [1, 1]]), node_of_several([[0, 1], [1, 0]]), node_of_several([1])
    (1, None, None)
    """
    given = array_of(value, "y")
    if not isinstance(given, Tensor) or given.dim() != 2:
        return None
    if not ((given == 0) | (given == 1) | (given == -1) | given.isnan()).all():
        return None
    several = (given == 1).sum(dim=1) > 1
    return int(several.nonzero()[0, 0]) if several.any() else None


def _labels_of_numbers(given: Tensor, what: str) -> Tensor:
    if given.dtype == torch.bool:
        return given.to(torch.int64)
    if given.is_floating_point():
        given = torch.where(given.isnan(), -1.0, given)
    y = _whole(given, what, "labels must be whole numbers")
    refuse(y < -1, y, what, "labels are 0, 1, … for the classes and -1 for none")
    return y


def _labels_of_rows(given: Tensor, what: str) -> Tensor:
    refuse(
        (given != 0) & (given != 1),
        given,
        what,
        f"rows of {given.shape[1]} labels must be one-hot: a single 1, and 0 elsewhere",
    )
    ones = given.to(torch.int64).sum(dim=1)
    if (ones > 1).any():
        row = int((ones > 1).nonzero()[0, 0])
        raise EntryError(
            f"{what}[{row}] has {int(ones[row])} classes; give the one class of each node", row
        )
    return torch.where(ones == 1, given.to(torch.int64).argmax(dim=1), -1)


def _labels_of_texts(
    given: Objects, what: str, names: Sequence[str]
) -> tuple[Tensor, tuple[str, ...]]:
    labelled = [text for text in given if text not in (None, "")]
    found = tuple(names) or tuple(sorted(set(labelled)))
    if not names and name_nodes(labelled):
        raise DataError(
            f"{what} holds {len(found)} different texts for {len(labelled)} nodes, from "
            f"{brief(found[0])} to {brief(found[-1])}: names of nodes, it seems; name what holds "
            "the classes"
        )
    missing = next((text for text in found if text.strip().lower() in _NO_CLASS), None)
    if missing is not None and not names:
        row = list(given).index(missing)
        raise EntryError(
            f"{what}[{row}] is {missing!r}, which may be a missing label; leave it empty, or give "
            "the class another name",
            row,
        )
    digits = [name for name in found if _is_number(name)]
    words = [name for name in found if not name.removeprefix("-").isdecimal()]
    if not names and digits and words:
        other = words[0]
        row = next(i for i, text in enumerate(given) if text == other)
        raise EntryError(
            f"{what}[{row}] is the text {other!r} among numbers, such as {digits[0]!r}; name the "
            "classes by one of both",
            row,
        )
    number: dict[Any, int] = {name: i for i, name in enumerate(found)} | {None: -1}
    number.setdefault("", -1)
    for row, text in enumerate(given):
        if text not in number:
            raise EntryError(
                f"{what}[{row}] is {brief(text)}, which is no class; the classes are "
                f"{listed(found)}",
                row,
            )
    return torch.tensor([number[text] for text in given], dtype=torch.int64), found


def name_nodes(texts: Sequence[Any]) -> bool:
    """Whether texts are too many different ones for classes: then they are names of the nodes.

    Args:
        texts: of the nodes; without any, or with other values, they are none.

    >>> name_nodes([f"paper {i}" for i in range(30)]), name_nodes(["a", "b"] * 15)
    (True, False)
    """
    if not all(isinstance(text, str) for text in texts):
        return False
    return len(set(texts)) > max(_FEW_CLASSES, len(texts) // 2)


def node_numbers(value: Any, num_nodes: int, what: str, *, distinct: bool = True) -> Tensor:
    """Numbers of nodes, int64 ``(n,)``, each in 0 … N − 1.

    Args:
        value: whole numbers ``(n,)`` or ``(n, 1)``.
        num_nodes: N.
        what: its name in messages.
        distinct: whether no node may be named twice.

    Raises:
        DataError: names the first entry that is no number of a node, or comes again.

    >>> node_numbers([2, 0], 3, "test nodes").tolist()
    [2, 0]
    """
    given = numbers_of(value, what)
    if given.dim() == 2 and given.shape[1] == 1:
        given = given[:, 0]
    if given.dim() != 1:
        raise DataError(f"{what} has shape {tuple(given.shape)}; it must list numbers of nodes")
    nodes = _whole(given, what, f"nodes are numbered 0 … {num_nodes - 1}")
    outside = (nodes < 0) | (nodes >= num_nodes)
    refuse(outside, nodes, what, f"nodes are numbered 0 … {num_nodes - 1}")
    if distinct and len(torch.unique(nodes)) != len(nodes):
        first = int((torch.bincount(nodes)[nodes] > 1).nonzero()[0, 0])
        raise EntryError(f"{what} names node {int(nodes[first])} twice; name it once", first)
    return nodes


def edges(value: Any, num_nodes: int, what: str = "edge_index", *, rows: bool = False) -> Tensor:
    """Edges, int64 ``(2, E)``: sources and targets.

    Args:
        value: whole numbers ``(2, E)``.
        num_nodes: N.
        what: its name in messages.
        rows: whether an edge is a row, ``(E, 2)``, instead.

    Raises:
        DataError: if it has another shape; names the first edge that does not join two nodes.

    >>> edges([[0, 1], [2, 1]], 3, rows=True).tolist()
    [[0, 2], [1, 1]]
    """
    given = numbers_of(value, what)
    if tuple(given.shape) in ((0,), (0, 2)):
        return torch.zeros((2, 0), dtype=torch.int64, device=given.device)
    if given.dim() != 2 or given.shape[1 if rows else 0] != 2:
        shape, other = ("(edges, 2)", "a row") if rows else ("(2, edges)", "a column")
        raise DataError(
            f"{what} has shape {tuple(given.shape)}; it must have shape {shape}, each edge {other} "
            "of its source and its target"
        )
    whole = _whole(given, what, "an edge joins two numbers of nodes")
    edge_index = whole.T.contiguous() if rows else whole
    check_edges(edge_index, num_nodes)
    return edge_index


def mask(value: Any, num_nodes: int, what: str, split: int = 0) -> Tensor:
    """A mask, bool ``(N,)``.

    Args:
        value: truth values, or exactly 0 and 1, ``(N,)``; several splits of them, ``(N, splits)``
            or ``(splits, N)``; or the numbers of the nodes, ``(n,)``.
        num_nodes: N.
        what: its name in messages.
        split: which of several splits.

    Raises:
        DataError: names the first entry that belongs to neither a mask nor a list of nodes.
        ConfigError: if there is no such split.

    >>> mask([2, 0], 4, "train_mask").tolist()
    [True, False, True, False]
    """
    given = numbers_of(value, what)
    if given.dim() == 2:
        axis = _axis_of_splits(given, num_nodes, what)
        number = given.shape[axis]
        if not 0 <= split < number:
            raise ConfigError(
                f"split must lie in 0 … {number - 1} for {what}, which has {number} splits, "
                f"got {split}"
            )
        given = given.select(axis, split)
    if given.dim() != 1:
        raise DataError(_mask_shape(given, num_nodes, what))
    binary = (given == 0) | (given == 1)
    if given.dtype != torch.bool and len(given) != num_nodes:
        if len(given) > 2 and binary.all():
            raise DataError(
                f"{what} holds {len(given)} entries for {num_nodes} nodes; give one each"
            )
        nodes = node_numbers(given, num_nodes, what)
        return torch.zeros(num_nodes, dtype=torch.bool, device=nodes.device).index_fill(
            0, nodes, True
        )
    if len(given) != num_nodes:
        raise DataError(f"{what} holds {len(given)} entries for {num_nodes} nodes; give one each")
    refuse(~binary, given, what, "a mask holds True or False, or 1 or 0, for each node")
    return given.to(torch.bool)


def count_splits(value: Any, num_nodes: int, what: str) -> int:
    """How many splits a mask holds: 1 unless it is ``(N, splits)`` or ``(splits, N)``.

    Args:
        value: of :func:`mask`.
        num_nodes: N.
        what: its name in messages.

    Raises:
        DataError: if it cannot be told which axis the splits are.
    """
    given = numbers_of(value, what)
    return given.shape[_axis_of_splits(given, num_nodes, what)] if given.dim() == 2 else 1


def _axis_of_splits(given: Tensor, num_nodes: int, what: str) -> int:
    sizes = list(given.shape)
    if sizes.count(num_nodes) == 2 and num_nodes > 1:
        raise DataError(
            f"{what} has as many splits as nodes, {num_nodes}, so either axis may be the splits; "
            f"give one split, such as {what}[:, 0]"
        )
    if num_nodes not in sizes:
        raise DataError(_mask_shape(given, num_nodes, what))
    return 1 - sizes.index(num_nodes)


def _mask_shape(given: Tensor, num_nodes: int, what: str) -> str:
    return (
        f"{what} has shape {tuple(given.shape)}; with {num_nodes} nodes it must be (nodes,), "
        "(nodes, splits) or (splits, nodes), or list numbers of nodes"
    )


def masks_of(value: Any, num_nodes: int, what: str = "split") -> dict[str, Tensor]:
    """The three masks of a column that names the split of each node.

    ``val``, ``valid`` and ``validation`` are one split; an empty text, None and NaN are none.

    Args:
        value: texts ``(N,)``.
        num_nodes: N.
        what: its name in messages.

    Returns:
        ``train_mask``, ``val_mask`` and ``test_mask``, bool ``(N,)``.

    Raises:
        DataError: names the first text that is no split.

    >>> {name: m.tolist() for name, m in masks_of(["train", "Valid"], 2).items()}["val_mask"]
    [False, True]
    """
    given = array_of(value, what)
    if isinstance(given, Tensor):
        # A column without a single text: numbers, or nothing at all.
        given = np.array([None if v != v else v for v in given.tolist()], dtype=object)
    if given.shape != (num_nodes,):
        raise DataError(f"{what} has shape {given.shape}; name the split of each node once")
    found = []
    for row, text in enumerate(given):
        name = (text or "").strip().lower() if text is None or isinstance(text, str) else None
        if name is None or (name not in _SPLIT_OF and name not in _NO_SPLIT):
            raise EntryError(
                f"{what}[{row}] is {brief(text)}; it must be 'train', 'val', 'test', or '' for "
                "none",
                row,
            )
        found.append(_SPLIT_OF.get(name, ""))
    return {f"{split}_mask": torch.tensor([each == split for each in found]) for split in SPLITS}


def pick_masks(store: Mapping[str, Any]) -> dict[str, Any]:
    """The masks among named values, as they are: ``val_mask``, ``valid_mask`` or ``val_idx``.

    Where none is called so, ``idx_val`` or ``val`` is one too, if all three splits are there.

    Args:
        store: values by name, of any shapes that :func:`mask` takes.

    Returns:
        ``train_mask``, ``val_mask`` and ``test_mask``, those that are there.

    Raises:
        DataError: if one split stands there twice.

    >>> pick_masks({"x": 1, "train_mask": [0], "valid_idx": [1]})
    {'train_mask': [0], 'val_mask': [1]}
    >>> pick_masks({"idx_train": [0], "idx_val": [1], "idx_test": [2]})
    {'train_mask': [0], 'val_mask': [1], 'test_mask': [2]}
    """
    masks = _masks_named(store, ("{}_mask", "{}_masks", "{}_idx", "{}_index"))
    if not masks:
        # One of these words alone may be anything.
        short = _masks_named(store, ("idx_{}", "{}"))
        masks = short if len(short) == len(SPLITS) else {}
    return masks


def _masks_named(store: Mapping[str, Any], forms: Sequence[str]) -> dict[str, Any]:
    masks = {}
    for split, aliases in SPLIT_NAMES.items():
        names = [form.format(alias) for alias in aliases for form in forms]
        there = [name for name in names if store.get(name) is not None]
        if len(there) > 1:
            raise DataError(f"there are {' and '.join(there)}, which may differ; keep one of them")
        if there:
            masks[f"{split}_mask"] = store[there[0]]
    return masks


def tells_split(name: str) -> bool:
    """Whether a name says nothing but a split, such as ``idx_train``, ``is_test`` or ``fold``.

    >>> [tells_split(name) for name in ("TrainIdx", "splits", "test_score", "value")]
    [True, True, False, False]
    """
    words = _WORD.findall(name)
    told = [word for word in map(str.lower, words) if word in _SPLIT_OF or word in _SPLIT_WORDS]
    return bool(told) and all(word.lower() in (*told, *_FILLING) for word in words)


def name_splits(texts: Sequence[Any]) -> bool:
    """Whether texts of the nodes are the names of two splits or three, or empty.

    Args:
        texts: of the nodes; other values are none.

    >>> name_splits(["train", "Valid", ""]), name_splits(["train", "bus"]), name_splits(["valid"])
    (True, False, False)
    """
    given = [text for text in texts if text is not None]
    if not all(isinstance(text, str) for text in given):
        return False
    names = {text.lower() for text in given}
    return len(names & set(_SPLIT_OF)) > 1 and names <= {*_SPLIT_OF, *_NO_SPLIT}


def count(value: Any, what: str) -> int:
    """A whole number of at least 0.

    Args:
        value: one number, also as an array of one entry.
        what: its name in messages.

    Raises:
        DataError: if it is something else.

    >>> count([3.0], "the number of nodes")
    3
    """
    given = numbers_of(value, what)
    if given.numel() != 1:
        raise DataError(f"{what} must be one number, got {given.numel()}")
    number = int(_whole(given.reshape(1), what, "it must be a whole number"))
    if number < 0:
        raise DataError(f"{what} is {number}; it must be at least 0")
    return number


def _is_number(text: str) -> bool:
    """Whether a text is empty or a number: ``01`` is none, so that it stays apart from ``1``."""
    return text == "" or _NUMBER.fullmatch(text) is not None


def _whole(given: Tensor, what: str, rule: str) -> Tensor:
    """The same numbers as int64; refused where one is not whole, or a truth value."""
    if given.dtype == torch.bool:
        raise DataError(f"{what} holds truth values; {rule}")
    if given.is_floating_point():
        refuse((given != given.round()) | (given.abs() >= 2.0**63), given, what, rule)
    return given.to(torch.int64)
