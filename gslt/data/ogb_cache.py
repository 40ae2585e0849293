"""Keeps what was parsed from raw files as plain tensors, and notices when they no longer fit."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gslt.files import replacing

_FORMAT = "1"


def fingerprint(files: Sequence[Path]) -> str:
    """Names, sizes and modification times of files, as text: it changes when a file does."""
    stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return json.dumps([_FORMAT, stats])


def read_cache(path: Path, key: str) -> dict[str, Tensor] | None:
    """The tensors written under ``key``; None if there are none, or if they are damaged."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            facts = file.metadata() or {}
            if facts.get("key") != key:
                return None
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError):
        return None
    return tensors if facts.get("checksum") == _checksum(tensors) else None


def write_cache(path: Path, key: str, tensors: dict[str, Tensor]) -> bool:
    """Keep tensors for :func:`read_cache`; False where the folder cannot be written to."""
    facts = {"key": key, "checksum": _checksum(tensors)}
    try:
        with replacing(path) as temporary:
            save_file({name: t.contiguous() for name, t in tensors.items()}, temporary, facts)
    except (OSError, SafetensorError):
        return False
    return True


def _checksum(tensors: dict[str, Tensor]) -> str:
    value = 0
    for name in sorted(tensors):
        value = zlib.crc32(tensors[name].contiguous().view(torch.uint8).numpy().data, value)
    return f"{value:08x}"
