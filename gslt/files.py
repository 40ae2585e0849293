"""Files that are never seen half written, and archives read without pickle."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gslt.errors import DataError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary neighbour of ``path`` to write to; it takes the place of ``path`` at the end.

    When the block raises, the neighbour is removed and ``path`` stays as it was. Folders above
    ``path`` are made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        # mkstemp made it readable for its owner only.
        temporary.chmod(0o644)
        temporary.replace(path)
        flush_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def flush_folder(folder: Path) -> None:
    """See to it that a renamed file keeps its new name when the power fails."""
    if os.name != "posix":
        return  # Elsewhere a folder cannot be opened.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write a text file at once or not at all.

    Args:
        path: the file; folders above it are made.
        text: written as UTF-8.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def plain(value: Any) -> Any:
    """A value as JSON can say it: dataclasses as dicts, tuples as lists, no infinity and no NaN.

    None stands in the place of a number that is not finite.

    >>> plain({1: (0.5, math.inf)})
    {'1': [0.5, None]}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


def write_json(path: Path, value: object) -> None:
    """Write a value as indented JSON at once or not at all.

    Args:
        path: the file; folders above it are made.
        value: what JSON can say, see :func:`plain`.
    """
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_npz(path: Path, **arrays: Any) -> None:
    """Write a compressed ``.npz`` at once or not at all.

    Args:
        path: the file; folders above it are made.
        **arrays: NumPy arrays by the names that :func:`read_npz` asks for.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def read_npz(path: Path, keys: Sequence[str], cure: str) -> dict[str, npt.NDArray[Any]]:
    """The arrays ``keys`` of a ``.npz`` file; nothing in it is unpickled.

    Args:
        path: the file.
        keys: names of arrays that it must hold; others are left alone.
        cure: what the user can do about a damaged file, the end of the message.

    Raises:
        DataError: if the file is damaged or lacks an array; the sentence ends with the cure.
    """
    try:
        # A handle of our own: NumPy leaves its own open when the file turns out to be damaged.
        with path.open("rb") as handle, zipfile.ZipFile(handle):
            handle.seek(0)
            with np.load(handle, allow_pickle=False) as file:
                missing = [key for key in keys if key not in file.files]
                if missing:
                    raise DataError(
                        f"{path.name} has no array {missing[0]!r} (it should hold "
                        f"{', '.join(keys)}); {cure}"
                    )
                return {key: file[key] for key in keys}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path.name} cannot be read ({error}); {cure}") from error
