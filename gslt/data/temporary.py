"""A folder of temporary files, which is gslt's own and leaves nothing behind."""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from gslt.errors import DataError
from gslt.files.folder import ROOM
from gslt.files.writing import OLD, TEMPORARY

_OURS = re.compile(re.escape(TEMPORARY) + "[0-9a-f]{12}")


@contextlib.contextmanager
def temporary_folder(beside: Path) -> Iterator[Path]:
    """A new empty folder in ``.gslt/tmp``, on the disk of what is made; removed at the end.

    Nothing is removed but the new folder, those that a killed process left there more than a day
    ago, and folders that were made on the way where they are empty at the end.

    Args:
        beside: what is made; the folder is next to it.

    Raises:
        DataError: if there is a ``.gslt`` that is no folder of gslt's, or nothing can be written.
    """
    room = beside.parent / ROOM
    if room.is_symlink() or (room / "tmp").is_symlink():
        raise DataError(f"{str(room)!r} is a link, so it is not gslt's; move it away")
    folder = room / "tmp" / f"{TEMPORARY}{secrets.token_hex(6)}"
    absent = [each for each in folder.parents if not each.exists()]
    try:
        _make(folder)
    except OSError as error:
        _remove_empty(absent)
        raise DataError(
            f"nothing can be written beside {str(beside)!r} ({error.strerror}); choose another "
            "place"
        ) from error
    _sweep(folder.parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _remove_empty([room / "tmp", room, *absent])


def _make(folder: Path) -> None:
    # Another process may remove the empty folders above at the same moment.
    for _ in range(5):
        with contextlib.suppress(FileNotFoundError):
            return folder.mkdir(parents=True)
    folder.mkdir(parents=True)
    return None


def _sweep(tmp: Path) -> None:
    """Remove what processes that were killed long ago had no time to remove."""
    for each in tmp.iterdir():
        with contextlib.suppress(OSError):
            old = time.time() - each.lstat().st_mtime > OLD
            if old and _OURS.fullmatch(each.name) and each.is_dir() and not each.is_symlink():
                shutil.rmtree(each, ignore_errors=True)


def _remove_empty(folders: list[Path]) -> None:
    """Remove those that are empty, the deepest first."""
    for each in folders:
        with contextlib.suppress(OSError):
            each.rmdir()
