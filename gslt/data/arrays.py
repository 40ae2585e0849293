"""Tensors, arrays, lists, pandas' columns and frames, sparse matrices in one form.

Nothing is rounded: whole numbers stay whole, and texts stay texts. pandas and SciPy are known by
what their values can do, and never imported.
"""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gslt.environment import check_limit
from gslt.errors import DataError

#: Most characters of an entry that a message shows.
_LONGEST = 80

Objects = npt.NDArray[np.object_]


class EntryError(DataError):
    """An entry that is not what its role asks for.

    Args:
        message: what is wrong with it, and what to do.
        row: its row: the number of the node where each row is a node.
    """

    def __init__(self, message: str, row: int) -> None:
        super().__init__(message)
        self.row = row


def numbers_of(value: Any, what: str) -> Tensor:
    """Numbers or truth values as a tensor of their own type, ``(…)``; missing ones are NaN.

    Args:
        value: a tensor, array, list, frame, column or sparse matrix.
        what: its name in messages.

    Raises:
        DataError: if it holds complex numbers or no numbers; names the first that is none.
    """
    given = array_of(value, what)
    if not isinstance(given, Tensor):
        place = next(place for place, v in np.ndenumerate(given) if v is not None)
        raise _refused(f"is {brief(given[place])}; it must be a number", what, place)
    return given


def array_of(value: Any, what: str) -> Tensor | Objects:
    """Numbers as :func:`numbers_of`; texts as an array of texts, in which missing ones are None.

    Args:
        value: a tensor, array, list, frame, column or sparse matrix.
        what: its name in messages.

    Raises:
        DataError: if it holds something else, or both; names the first entry of another kind.
    """
    if isinstance(value, Tensor):
        return _dense(value.detach(), what)
    if hasattr(value, "dtypes") and hasattr(value, "columns") and len(set(value.dtypes)) > 1:
        # Columns of several types would be rounded to a common one.
        columns = [array_of(value.iloc[:, i], what) for i in range(value.shape[1])]
        value = np.array([column.tolist() for column in columns], dtype=object).T
    elif hasattr(value, "toarray"):
        check_limit("inflated_bytes", 8 * math.prod(value.shape), f"{what} has")
        value = value.toarray()
    elif hasattr(value, "to_numpy"):
        value = value.to_numpy()
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        # NumPy would take what lies below the mask.
        hidden = np.ma.getmaskarray(value)
        value = np.ma.getdata(value).astype(object)
        value[hidden] = None
    array = value if isinstance(value, np.ndarray) else _of_list(value, what)
    if array.dtype.kind in "OUS":
        return _objects(array.astype(object), what)
    return _tensor(array, what)


def _of_list(value: Any, what: str) -> npt.NDArray[Any]:
    try:
        array = np.asarray(value)
        # A list of texts and numbers would be texts alone.
        return np.array(value, dtype=object) if array.dtype.kind in "US" else array
    except ValueError:
        # Rows of different lengths.
        return np.fromiter(value, dtype=object, count=len(value))
    except (TypeError, RuntimeError, OverflowError) as error:
        raise DataError(f"{what} holds no numbers or texts ({error})") from error


def _dense(value: Tensor, what: str) -> Tensor:
    if value.layout != torch.strided:
        check_limit("inflated_bytes", value.element_size() * value.numel(), f"{what} has")
        value = value.to_dense()
    if value.is_complex():
        raise DataError(f"{what} is of type {value.dtype}; it must hold real numbers")
    if value.dtype in (torch.uint16, torch.uint32, torch.uint64):
        return _tensor(value.cpu().numpy(), what).to(value.device)
    return value


def _tensor(array: npt.NDArray[Any], what: str) -> Tensor:
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind not in "biuf":
        raise DataError(f"{what} is of type {array.dtype}; it must hold real numbers")
    wanted: Any = array.dtype.newbyteorder("=")
    if kind == "u" and size > 1:
        wanted = np.int64
        if size == 8 and (array > np.iinfo(np.int64).max).any():
            raise DataError(f"{what} holds {array.max()}, which int64 cannot hold")
    elif kind == "f" and size > 8:
        wanted = np.float64
    array = np.ascontiguousarray(array.astype(wanted, copy=False)).reshape(array.shape)
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _objects(array: Objects, what: str) -> Tensor | Objects:
    """Python's objects: numbers become a tensor, rows are stacked, texts stay."""
    if array.ndim == 1 and any(hasattr(v, "__len__") and not _is_text(v) for v in array):
        return _stacked(array, what)
    plain = np.empty(array.shape, dtype=object)
    for place, v in np.ndenumerate(array):
        if isinstance(v, bytes):
            v = _decoded(v, what, place)
        if not (_is_missing(v) or isinstance(v, str | numbers.Real)):
            kind = type(v).__name__
            raise _refused(f"is of type {kind}; it must be a number or a text", what, place)
        plain[place] = None if _is_missing(v) else v
    texts = [isinstance(v, str) for v in plain.flat if v is not None]
    if not any(texts):
        return _tensor(_numeric(plain, what), what)
    for place, v in np.ndenumerate(plain):
        if v is not None and isinstance(v, str) != texts[0]:
            others = "texts" if texts[0] else "numbers"
            raise _refused(
                f"is {brief(v)} among {others}; give numbers or texts alone", what, place
            )
    return plain


def _numeric(plain: Objects, what: str) -> npt.NDArray[Any]:
    filled = [math.nan if v is None else v for v in plain.flat]
    try:
        array = np.array(filled or np.zeros(0))
        if array.dtype.kind == "O":
            array = array.astype(np.float64)
    except OverflowError as error:
        raise DataError(f"{what} holds a number that float64 cannot hold") from error
    return array.reshape(plain.shape)


def _stacked(array: Objects, what: str) -> Tensor | Objects:
    rows: list[Any] = []
    for row, v in enumerate(array):
        entry = array_of(v, f"{what}[{row}]")
        if rows and entry.shape != rows[0].shape:
            raise EntryError(
                f"{what}[{row}] has shape {tuple(entry.shape)} and {what}[0] has "
                f"{tuple(rows[0].shape)}; give every row equally many entries",
                row,
            )
        rows.append(entry)
    if all(isinstance(entry, Tensor) for entry in rows):
        return torch.cat([entry.unsqueeze(0) for entry in rows])
    return _objects(np.array([entry.tolist() for entry in rows], dtype=object), what)


def _decoded(value: bytes, what: str, place: tuple[int, ...]) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refused("is no UTF-8 text; encode it so", what, place) from error


def _is_text(value: Any) -> bool:
    return isinstance(value, str | bytes)


def _is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, or pandas' NA or NaT."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and bool(value != value)


def _refused(sentence: str, what: str, place: tuple[int, ...]) -> EntryError:
    entry = f"{what}[{', '.join(map(str, place))}]" if place else what
    return EntryError(f"{entry} {sentence}", place[0] if place else 0)


def brief(value: Any) -> str:
    """A number or text as a message shows it, however long it is.

    Args:
        value: any number or text.

    >>> brief("a" * 99)[-4:]
    'aaa…'
    """
    try:
        text = repr(value)
    except ValueError:
        # Python writes no number of thousands of digits.
        text = f"a number of {value.bit_length():,} bits"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def refuse(broken: Tensor, given: Tensor, what: str, rule: str) -> None:
    """Refuse the first entry that is broken.

    Args:
        broken: where the entries break the rule, bool ``(…)``.
        given: the entries, ``(…)``.
        what: their name in messages.
        rule: what they should be, the end of the sentence.

    Raises:
        EntryError: if there is one.
    """
    if broken.any():
        place = tuple(int(i) for i in broken.nonzero()[0])
        raise _refused(f"is {given[place].item()}; {rule}", what, place)


def extent(value: Any, what: str) -> str:
    """What a sentence says of numbers or texts that nobody uses; empty where each number is 1.

    Args:
        value: of any shape ``(…)``.
        what: its name in messages.

    >>> extent([0.5, 2.0], "weight"), extent([1, 1], "weight"), extent(["a", "b", "a"], "kind")
    ('2 numbers from 0.5 to 2', '', '3 texts')
    """
    try:
        given = array_of(value, what)
    except DataError:
        return f"of type {type(value).__name__}"
    if not isinstance(given, Tensor):
        return f"{given.size} texts"
    if not given.numel() or bool((given == 1).all()):
        return ""
    known = given[~given.isnan()] if given.is_floating_point() else given
    span = f" from {known.min().item():.4g} to {known.max().item():.4g}" if known.numel() else ""
    size = " × ".join(f"{length:,}" for length in given.shape)
    return f"{size} numbers{span}"
