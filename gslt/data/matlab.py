"""Matrices of numbers in MATLAB's files up to version 7.

The format is that of "MAT-File Format" (MathWorks), level 5: elements of a type, a length and as
many bytes, of which a matrix holds several. SciPy's reader believes types and lengths, so that a
damaged file ends the process; here both are compared with what there is.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp

from gslt.environment import check_limit, limits

Order = Literal["little", "big"]

_MATRIX, _COMPRESSED, _NAME, _DIMENSIONS, _FLAGS = 14, 15, 1, 5, 6
#: How numbers are stored, by the type of an element, and what they are, by the class of a matrix.
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8"}
_STORED |= {12: "i8", 13: "u8"}
_SPARSE = 5
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4"}
_CLASSES |= {14: "i8", 15: "u8"}
_COMPLEX, _LOGICAL = 0x8, 0x2
_HEADER = 128


@dataclass(frozen=True)
class Matrix:
    """A matrix of numbers, of which only the header is read."""

    name: str
    kind: int
    shape: tuple[int, ...]
    flags: int
    order: Order
    parts: list[tuple[int, memoryview]]
    """Type and content of the elements behind its header."""

    def value(self) -> Any:
        """An array of the matrix's class, or a sparse matrix.

        Raises:
            ValueError: if its parts do not fit one another, or it holds complex numbers.
        """
        if self.flags & _COMPLEX:
            raise ValueError(f"{self.name} holds complex numbers")
        if self.kind == _SPARSE:
            return self._sparse()
        (stored,) = self._numbers(1)
        if len(stored) != math.prod(self.shape):
            raise ValueError(f"{self.name} has shape {self.shape} and {len(stored)} numbers")
        with np.errstate(invalid="ignore"):
            value = stored.astype(_CLASSES[self.kind])
        if not np.array_equal(value, stored, equal_nan=stored.dtype.kind == "f"):
            raise ValueError(f"{self.name} holds numbers that its class cannot")
        return self._logical(value.reshape(self.shape, order="F"))

    def _sparse(self) -> Any:
        rows, starts, stored = self._numbers(3)
        if len(self.shape) != 2 or any(each.dtype.kind not in "iu" for each in (rows, starts)):
            raise ValueError(f"the sparse matrix {self.name} has parts that are none")
        ends = starts.astype(np.int64)
        whole = len(ends) == self.shape[1] + 1 and ends[0] == 0 and bool((np.diff(ends) >= 0).all())
        if not whole or ends[-1] > min(len(rows), len(stored)):
            raise ValueError(f"the columns of {self.name} do not fit its entries")
        rows = rows[: ends[-1]].astype(np.int64)
        if len(rows) and not 0 <= rows.min() <= rows.max() < self.shape[0]:
            raise ValueError(f"{self.name} has an entry in a row that it has not")
        entries = self._logical(stored[: ends[-1]].astype(np.float64))
        return sp.csc_matrix((entries, rows, ends), shape=self.shape)

    def _numbers(self, count: int) -> list[Any]:
        if len(self.parts) != count:
            raise ValueError(f"{self.name} has {len(self.parts)} parts in the place of {count}")
        found = []
        for kind, content in self.parts:
            if kind not in _STORED or len(content) % int(_STORED[kind][1]):
                raise ValueError(f"{self.name} has a part that holds no numbers")
            dtype = np.dtype(_STORED[kind]).newbyteorder("<" if self.order == "little" else ">")
            found.append(np.frombuffer(content, dtype).astype(dtype.newbyteorder("=")))
        return found

    def _logical(self, value: Any) -> Any:
        if not self.flags & _LOGICAL:
            return value
        if not ((value == 0) | (value == 1)).all():
            raise ValueError(f"{self.name} holds a truth value that is neither 0 nor 1")
        return value.astype(bool)


def matrices(data: bytes) -> dict[str, Matrix]:
    """The matrices of numbers of a file by name; cells, structures, texts and objects are left out.

    Args:
        data: content of the file.

    Raises:
        ValueError: if it is no such file, is damaged, or names a matrix twice.
        ConfigError: if it unpacks to more than the limit.
    """
    if data.startswith(b"MATLAB 7.3"):
        raise ValueError("it is of MATLAB's version 7.3; save it there with -v7")
    orders: dict[bytes, Order] = {b"IM": "little", b"MI": "big"}
    order = orders.get(data[_HEADER - 2 : _HEADER])
    if order is None:
        raise ValueError("it is of none of MATLAB's versions 5 to 7; save it there with -v7")
    found: dict[str, Matrix] = {}
    total = 0
    for kind, content in _elements(memoryview(data)[_HEADER:], order):
        if kind == _COMPRESSED:
            content = _inflated(content, limits().inflated_bytes - total)
            total += len(content)
            ((kind, content),) = _elements(content, order)
        matrix = _matrix(content, order) if kind == _MATRIX else None
        if kind != _MATRIX:
            raise ValueError("it holds something that is no matrix")
        # What MATLAB keeps of objects is a matrix without a name.
        if matrix is not None and matrix.name:
            if matrix.name in found:
                raise ValueError(f"it holds {matrix.name} twice")
            found[matrix.name] = matrix
    return found


def _inflated(content: memoryview, most: int) -> memoryview:
    machine = zlib.decompressobj()
    try:
        whole = machine.decompress(content, most + 1)
    except zlib.error as error:
        raise ValueError(f"a packed part of it is damaged ({error})") from error
    check_limit("inflated_bytes", limits().inflated_bytes + len(whole) - most, "it unpacks to")
    if not machine.eof:
        raise ValueError("a packed part of it is cut off")
    return memoryview(whole)


def _elements(data: memoryview, order: Order) -> Iterator[tuple[int, memoryview]]:
    """Type and content of each element; those of up to 4 bytes lie in the tag itself."""
    place = 0
    while place < len(data):
        if place + 8 > len(data):
            raise ValueError("it is cut off")
        kind = int.from_bytes(data[place : place + 4], order)
        size, start = int.from_bytes(data[place + 4 : place + 8], order), place + 8
        if kind >> 16:
            kind, size, start = kind & 0xFFFF, kind >> 16, place + 4
        if start + size > len(data) or (start == place + 4 and size > 4):
            raise ValueError("a part of it is longer than what holds it")
        yield kind, data[start : start + size]
        place = max(place + 8, start + size)
        if kind != _COMPRESSED:
            place += -place % 8


def _matrix(content: memoryview, order: Order) -> Matrix | None:
    """The header of a matrix; None where it holds no numbers."""
    elements = _elements(content, order)
    kind, flags = next(elements, (0, memoryview(b"")))
    if kind != _FLAGS or len(flags) != 8:
        raise ValueError("a matrix of it does not say of what class it is")
    word = int.from_bytes(flags[:4], order)
    if word & 0xFF not in (_SPARSE, *_CLASSES):
        return None
    (kind, sizes), (text_kind, text) = next(elements, (0, content)), next(elements, (0, content))
    if (kind, text_kind) != (_DIMENSIONS, _NAME) or len(sizes) % 4 or len(sizes) < 8:
        raise ValueError("a matrix of it has no dimensions or no name")
    shape = tuple(
        int.from_bytes(sizes[i : i + 4], order, signed=True) for i in range(0, len(sizes), 4)
    )
    if min(shape) < 0:
        raise ValueError(f"a matrix of it has shape {shape}")
    name = bytes(text).decode("ascii")
    return Matrix(name, word & 0xFF, shape, word >> 8 & 0xFF, order, list(elements))
