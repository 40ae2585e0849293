"""A folder of temporary files, which is gslt's own and leaves nothing behind."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from gslt.errors import DataError
from gslt.files.folder import ROOM
from gslt.files.writing import TEMPORARY


@contextlib.contextmanager
def temporary_folder(beside: Path) -> Iterator[Path]:
    """A new empty folder in ``.gslt/tmp``, on the disk of what is made; removed at the end.

    Nothing is removed but the new folder, and folders that were made on the way to it where they
    are empty at the end.

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


def _remove_empty(folders: list[Path]) -> None:
    """Remove those that are empty, the deepest first."""
    for each in folders:
        with contextlib.suppress(OSError):
            each.rmdir()
