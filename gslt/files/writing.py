"""Files that are never seen half written."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import math
import os
import secrets
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

#: Beginning of the name of a temporary file; the rest is short, however long the target's name.
TEMPORARY = ".gslt-"
#: Age in seconds of what is temporary and no process can still be writing.
OLD = 86_400.0


@contextmanager
def replacing(path: Path, temporaries: Path | None = None) -> Iterator[Path]:
    """A temporary file to write to; it takes the place of ``path`` at the end.

    When the block raises, it is removed and ``path`` stays as it was. Folders above ``path`` are
    made. A file that was there keeps its mode, a new one has that of the umask; where ``path`` is a
    symbolic link, what it points to is replaced. What is no regular file, such as a device, is
    written to.

    Args:
        path: of the file.
        temporaries: folder of the temporary file, on the same disk. Default: that of ``path``.

    Raises:
        OSError: as writing to ``path`` itself would.
    """
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    there = target.stat() if target.exists() else None
    if there is not None:
        _check_replaceable(target, there)
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = _beside(target, temporaries)
    temporary = folder / f"{TEMPORARY}{secrets.token_hex(6)}{target.suffix[:12]}"
    try:
        # Made by an ordinary open, so that umask and inherited rights decide on its mode.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield temporary
        if there is not None and not stat.S_ISREG(there.st_mode):
            target.write_bytes(temporary.read_bytes())
            return
        # Windows flushes no file that is open for reading alone.
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        if there is not None:
            _take_over(temporary, there)
        temporary.replace(target)
        flush_folder(target.parent)
    except OSError as error:
        if error.filename == str(temporary):  # Nobody knows it by this name.
            error.filename = str(path)
        raise
    finally:
        with contextlib.suppress(OSError):  # It was not made, or the disk is gone.
            temporary.unlink()


def _check_replaceable(target: Path, there: os.stat_result) -> None:
    # Renaming needs no right to the file itself: what writing in place refuses is refused here too.
    if stat.S_ISDIR(there.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))


def _beside(target: Path, temporaries: Path | None) -> Path:
    """The folder of temporaries where a file can be renamed from it to the target."""
    if temporaries is None or temporaries.stat().st_dev != target.parent.stat().st_dev:
        return target.parent
    return temporaries


def _take_over(temporary: Path, there: os.stat_result) -> None:
    """Give the new file the mode of the old one, and its owner where that is allowed."""
    if hasattr(os, "chown"):
        with contextlib.suppress(OSError):
            os.chown(temporary, there.st_uid, there.st_gid)
    temporary.chmod(stat.S_IMODE(there.st_mode))


def flush_folder(folder: Path) -> None:
    """See to it that a renamed file keeps its new name when the power fails."""
    if sys.platform == "win32":
        return  # A folder cannot be opened there.
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
        temporary.write_text(text, encoding="utf-8", newline="\n")  # the same bytes everywhere


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

    Raises:
        ValueError: for an infinity or NaN.
    """
    write_text(path, json_text(value))


def json_text(value: object) -> str:
    """A value as the text of an indented JSON file.

    Args:
        value: what JSON can say, see :func:`plain`.

    Raises:
        ValueError: for an infinity or NaN, which few readers of JSON take.
    """
    return json.dumps(value, indent=2, allow_nan=False) + "\n"


def short_write(path: Path) -> OSError:
    """The error of a write that took fewer bytes than it was given: the disk is full."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def write_npz(path: Path, **arrays: Any) -> None:
    """Write a compressed ``.npz`` at once or not at all.

    Args:
        path: the file; folders above it are made.
        **arrays: NumPy arrays by the names that :func:`read_npz` asks for.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
