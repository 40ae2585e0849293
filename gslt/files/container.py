"""Sealed files: tensors, JSON values and a checksum over both, in one safetensors file.

Tickets, checkpoints and stored data sets are such files. Nothing in them is ever executed. The
header is read first and says how long everything is; the tensors that are read lie in one buffer as
long as the file.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Annotated, Any, BinaryIO

import numpy as np
import numpy.typing as npt
import torch
from msgspec import Meta
from torch import Tensor

from gslt.files.reading import parse

#: Bytes of the length of the header at the start of a safetensors file.
_LENGTH = 8
#: Bytes of a header at most: JSON takes a hundred times as much memory once it is read.
LARGEST_HEADER = 1 << 24

#: Dimensions of a tensor at most, as in NumPy.
MOST_DIMENSIONS = 32

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Shape = Annotated[tuple[Count, ...], Meta(max_length=MOST_DIMENSIONS)]

#: Types by their name in the header, in the order of safetensors: the last one comes first there.
DTYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I32": torch.int32,
    "F32": torch.float32,
    "F64": torch.float64,
    "I64": torch.int64,
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_RANKS = {name: rank for rank, name in enumerate(DTYPES)}


@dataclass(frozen=True)
class TensorInfo:
    """What the header says of a tensor."""

    dtype: str
    """A key of :data:`DTYPES`."""
    shape: Shape

    @property
    def entries(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)

    @property
    def size(self) -> int:
        """Bytes of the tensor."""
        return self.entries * DTYPES[self.dtype].itemsize


def info_of(tensor: Tensor) -> TensorInfo:
    """What the header says of a tensor of any shape ``(…)``.

    Raises:
        ValueError: if it is of a type that is not in :data:`DTYPES`.
    """
    if tensor.dtype not in _NAMES:
        raise ValueError(f"a tensor has the type {tensor.dtype}, which no file holds")
    return TensorInfo(_NAMES[tensor.dtype], tuple(tensor.shape))


@dataclass(frozen=True)
class Header:
    """What a sealed file says before its tensors, which are not read yet."""

    checksum: str
    """What the content should have."""
    text: str
    """The values as JSON."""
    tensors: dict[str, TensorInfo]
    """By name, in the order of the file."""

    def values(self) -> dict[str, Any]:
        """The values.

        Raises:
            ValueError: if they are no object, or not written as :func:`seal` writes them.
        """
        values = json.loads(self.text)
        if not isinstance(values, dict):
            raise ValueError("its metadata are no object")
        if compact(values) != self.text:
            raise ValueError("its metadata are not written as gslt writes them")
        return values


def seal(kind: str, values: dict[str, Any], tensors: Mapping[str, Tensor]) -> bytes:
    """A sealed file. The same content gives the same bytes.

    The safetensors metadata have the one key ``gslt-<kind>``: the checksum, a space, the values as
    JSON.

    Args:
        kind: what it is, such as ``"ticket"``.
        values: what JSON can say.
        tensors: by name, of any shape ``(…)``, on the CPU.

    Raises:
        ValueError: if a tensor is of a type that is not in :data:`DTYPES`.
    """
    text = compact(values)
    infos = _in_order({name: info_of(tensor) for name, tensor in tensors.items()})
    header = _header_bytes(kind, f"{checksum(text, tensors)} {text}", infos)
    length = len(header).to_bytes(_LENGTH, "little")
    return b"".join([length, header, *(flat_bytes(tensors[name]).data for name in infos)])


def unseal(kind: str, data: bytes) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Values and tensors of a sealed file; the inverse of :func:`seal`.

    Args:
        kind: what it should be.
        data: the whole file.

    Returns:
        The values, and the tensors by name.

    Raises:
        ValueError: if any bit of it is not as :func:`seal` left it.
    """
    file = BytesIO(data)
    header = read_header(kind, file, len(data))
    tensors = read_tensors(header, file)
    return header.values(), tensors


def read_header(kind: str, file: BinaryIO, size: int) -> Header:
    """The header of a sealed file; nothing behind it is read, and nothing of another file.

    Args:
        kind: what it should be.
        file: at its beginning.
        size: bytes of the file.

    Raises:
        ValueError: unless the file begins as :func:`seal` begins it, and is as long as that says.
    """
    length = int.from_bytes(file.read(_LENGTH), "little")
    if size < _LENGTH or length > size - _LENGTH:
        raise ValueError("it is cut off, or no safetensors file")
    start = f'{{"__metadata__":{{"gslt-{kind}":"'.encode()
    found = file.read(min(len(start), length))
    if found != start:
        what = f"{kind} of gslt" if found.startswith(b'{"') else "safetensors file"
        raise ValueError(f"it is no {what}")
    if length > LARGEST_HEADER:
        raise ValueError(f"its header has {length:,} bytes, more than {LARGEST_HEADER:,}")
    content = start + file.read(length - len(start))
    try:
        sealed, infos = _parse_header(kind, json.loads(content))
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ValueError(f"it is no safetensors file ({error})") from error
    if _header_bytes(kind, sealed, infos) != content:
        raise ValueError("its header is not written as gslt writes it")
    if _LENGTH + length + sum(info.size for info in infos.values()) != size:
        raise ValueError("it is no safetensors file (its tensors are shorter or longer)")
    stored, _, text = sealed.partition(" ")
    return Header(stored, text, infos)


def read_tensors(header: Header, file: BinaryIO) -> dict[str, Tensor]:
    """The tensors behind a header; their memory is one buffer as long as they are together.

    Args:
        header: of this file.
        file: where :func:`read_header` left it.

    Raises:
        ValueError: if the content does not match the checksum.
    """
    content = bytearray(sum(info.size for info in header.tensors.values()))
    file.readinto(content)  # type: ignore[attr-defined]
    tensors, start = {}, 0
    for name, info in header.tensors.items():
        tensors[name] = _tensor(content, start, info)
        start += info.size
    if checksum(header.text, tensors) != header.checksum:
        raise ValueError("its content does not match its checksum")
    return tensors


def flat_bytes(tensor: Tensor) -> npt.NDArray[np.uint8]:
    """The bytes of a tensor of any shape ``(…)``; a view where it is contiguous and on the CPU."""
    # As bytes: NumPy knows no bfloat16.
    flat = tensor.detach().cpu().contiguous().view(-1)
    found: npt.NDArray[np.uint8] = flat.view(torch.uint8).numpy()
    return found


def compact(values: dict[str, Any]) -> str:
    """Values as the JSON text of a sealed file: ASCII, without spaces."""
    return json.dumps(values, separators=(",", ":"))


def checksum(text: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the JSON text, then in name order each tensor's name, a zero byte, its bytes.

    Args:
        text: the values as JSON.
        tensors: by name, of any shape ``(…)``, on the CPU.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(name.encode() + b"\0")
        digest.update(flat_bytes(tensors[name]).data)
    return digest.hexdigest()


def _parse_header(kind: str, header: dict[str, Any]) -> tuple[str, dict[str, TensorInfo]]:
    """The text of the metadata, and the tensors; what else there is, nobody would write again."""
    metadata = header.pop("__metadata__")
    infos = parse(dict[str, TensorInfo], header)
    for info in infos.values():
        if info.dtype not in DTYPES:
            raise ValueError(f"a tensor has the type {info.dtype!r}")
    return parse(str, metadata[f"gslt-{kind}"]), _in_order(infos)


def _header_bytes(kind: str, sealed: str, infos: Mapping[str, TensorInfo]) -> bytes:
    """The header as safetensors writes it, padded with spaces."""
    header: dict[str, Any] = {"__metadata__": {f"gslt-{kind}": sealed}}
    start = 0
    for name, info in infos.items():
        end = start + info.size
        header[name] = {"dtype": info.dtype, "shape": info.shape, "data_offsets": [start, end]}
        start = end
    content = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    return content + b" " * (-len(content) % _LENGTH)


def _in_order(infos: Mapping[str, TensorInfo]) -> dict[str, TensorInfo]:
    """In the order of the file, which puts every entry at a multiple of its size."""
    names: Iterable[str] = sorted(infos, key=lambda name: (-_RANKS[infos[name].dtype], name))
    return {name: infos[name] for name in names}


def _tensor(content: bytearray, start: int, info: TensorInfo) -> Tensor:
    dtype = DTYPES[info.dtype]
    if not info.entries:
        return torch.empty(info.shape, dtype=dtype)
    flat = torch.frombuffer(content, dtype=dtype, count=info.entries, offset=start)
    if dtype == torch.bool and bool((flat.view(torch.uint8) > 1).any()):
        raise ValueError("a truth value is neither 0 nor 1")
    return flat.view(info.shape)
