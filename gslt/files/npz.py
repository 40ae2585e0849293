"""Archives of arrays (``.npz``), read without pickle and within limits.

NumPy's own reader takes the memory that a header asks for before it looks whether the file has that
much. Here every claim is compared with the others first.
"""

from __future__ import annotations

import io
import math
import os
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from gslt.environment import check_limit
from gslt.errors import DataError
from gslt.files.reading import open_regular, reading

#: An array's header is shorter than this.
_LONGEST_HEADER = 10_000
_CHUNK = 1 << 20
#: The end of an archive without a comment: a mark, and how many members it has.
_END = struct.Struct("<4s6xH10x")
#: Bags of words pack to a three-hundredth, zeros to a thousandth. A small archive may be as empty
#: as it likes.
_MOST_UNPACKED = 500
_ALWAYS_UNPACKED = 1 << 28


def read_npz(path: Path, keys: Sequence[str], cure: str) -> dict[str, npt.NDArray[Any]]:
    """The arrays ``keys`` of a ``.npz`` file; nothing in it is unpickled.

    Args:
        path: the file.
        keys: names of arrays that it must hold; others are left alone.
        cure: what the user can do about a damaged file, the end of the message.

    Returns:
        Arrays of numbers, truth values or texts, of any shapes ``(…)``.

    Raises:
        DataError: if the file is damaged, lacks an array, or holds another kind of value; the
            sentence ends with the cure.
        ConfigError: if the arrays are larger than the limit.
    """
    with (
        reading(path, DataError, "a .npz file", cure),
        open_regular(path) as (file, packed),
        zipfile.ZipFile(file) as archive,
    ):
        members = [_member(archive, key, keys) for key in keys]
        size = sum(member.file_size for member in members)
        check_limit("inflated_bytes", size, f"{str(path)!r} unpacks to")
        if size > max(_ALWAYS_UNPACKED, _MOST_UNPACKED * packed):
            raise ValueError(f"it unpacks to more than {_MOST_UNPACKED} times its size")
        return {key: _read(archive, m) for key, m in zip(keys, members, strict=True)}


def npz_names(path: Path, cure: str) -> list[str]:
    """Names of the arrays of a ``.npz`` file; none of them is read.

    Args:
        path: the file.
        cure: as in :func:`read_npz`.

    Raises:
        DataError: if the file is damaged.
    """
    with (
        reading(path, DataError, "a .npz file", cure),
        open_regular(path) as (file, _),
        zipfile.ZipFile(file) as archive,
    ):
        _check_directory(archive, file)
        return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


def _check_directory(archive: zipfile.ZipFile, file: IO[bytes]) -> None:
    """Refuse an archive that lists fewer members than it says: one of them swallows the next."""
    file.seek(-_END.size, os.SEEK_END)
    mark, number = _END.unpack(file.read(_END.size))
    if mark == b"PK\x05\x06" and number not in (len(archive.infolist()), 0xFFFF):
        raise ValueError(f"it lists {len(archive.infolist())} of its {number} arrays")


def _member(archive: zipfile.ZipFile, key: str, keys: Sequence[str]) -> zipfile.ZipInfo:
    found = [member for member in archive.infolist() if member.filename == f"{key}.npy"]
    if not found:
        raise ValueError(f"it has no array {key!r} (it should hold {', '.join(keys)})")
    if len(found) > 1:
        raise ValueError(f"it has the array {key!r} twice")
    if found[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"the array {key!r} is packed in an unusual way")
    return found[0]


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> npt.NDArray[Any]:
    with archive.open(member) as file:
        shape, by_column, dtype = _header(file, member.filename)
        if dtype.hasobject or dtype.kind not in "biufcUSMm" or not dtype.itemsize:
            raise ValueError(f"{member.filename} holds {dtype}, no numbers or texts")
        size, there = math.prod(shape) * dtype.itemsize, member.file_size - file.tell()
        if min(shape, default=0) < 0 or size != there:
            raise ValueError(
                f"{member.filename} has {there:,} bytes, which is not what the shape {shape} needs"
            )
        content = np.empty(size, np.uint8)
        for start in range(0, size, _CHUNK):
            part = file.read(min(_CHUNK, size - start))
            content[start : start + len(part)] = np.frombuffer(part, np.uint8)
    return content.view(dtype).reshape(shape, order="F" if by_column else "C")


def _header(file: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether by column, and type of an array; the file is then where its content begins."""
    magic = file.read(8)
    width = {1: 2, 2: 4}.get(np.lib.format.read_magic(io.BytesIO(magic))[0])
    if width is None:
        raise ValueError(f"{name} is of an unknown version")
    length = file.read(width)
    if int.from_bytes(length, "little") > _LONGEST_HEADER:
        raise ValueError(f"the header of {name} is too long")
    header = io.BytesIO(length + file.read(int.from_bytes(length, "little")))
    read = {
        2: np.lib.format.read_array_header_1_0,
        4: np.lib.format.read_array_header_2_0,
    }[width]
    return read(header)
