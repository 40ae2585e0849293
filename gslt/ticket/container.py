"""Sealed files: tensors, JSON values and a checksum over both, in one safetensors file.

Tickets and checkpoints are such files. Nothing in them is ever executed, and reading one takes
memory in proportion to the file.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

#: Bytes of the length of the header at the start of a safetensors file.
_LENGTH = 8


def seal(kind: str, values: dict[str, Any], tensors: dict[str, Tensor]) -> bytes:
    """A sealed file. The same content gives the same bytes.

    The safetensors metadata have the one key ``gslt-<kind>``: the checksum, a space, the values as
    JSON.

    Args:
        kind: what it is, such as ``"ticket"``.
        values: what JSON can say.
        tensors: by name, of any shape ``(…)``, on the CPU.
    """
    return _sealed(kind, json.dumps(values, separators=(",", ":")), tensors)


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
    length = int.from_bytes(data[:_LENGTH], "little")
    if len(data) < _LENGTH or length > len(data) - _LENGTH:
        raise ValueError("it is cut off, or no safetensors file")
    try:
        header = json.loads(data[_LENGTH : _LENGTH + length])
        metadata = header["__metadata__"][f"gslt-{kind}"]
        tensors = safetensors.torch.load(data)
    except (LookupError, TypeError) as error:
        raise ValueError(f"it is no {kind} of gslt") from error
    except (ValueError, RecursionError, safetensors.SafetensorError) as error:
        raise ValueError(f"it is no safetensors file ({error})") from error
    text = str(metadata).partition(" ")[2]
    # Made again from what was read: whatever differs, in the header too, was not written by gslt.
    if _sealed(kind, text, tensors) != data:
        raise ValueError("its content does not match its checksum")
    values = json.loads(text)
    if not isinstance(values, dict):
        raise ValueError("its metadata are no object")
    return values, tensors


def _sealed(kind: str, text: str, tensors: dict[str, Tensor]) -> bytes:
    metadata = {f"gslt-{kind}": f"{checksum(text, tensors)} {text}"}
    return safetensors.torch.save(tensors, metadata)


def checksum(text: str, tensors: dict[str, Tensor]) -> str:
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
        digest.update(tensors[name].detach().contiguous().view(-1).numpy().tobytes())
    return digest.hexdigest()
