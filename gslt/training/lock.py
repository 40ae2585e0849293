"""The lock of a folder: one process has it for itself, and asking takes nothing."""

from __future__ import annotations

import errno
import os
import struct
import sys
from pathlib import Path

from filelock import FileLock, Timeout

from gslt.errors import RunInUseError
from gslt.files import reading

if sys.platform == "linux":
    import fcntl

#: Name of the lock's file in ``.gslt``; it stays there, and means nothing by itself.
LOCK = "lock"
#: Locks that belong to an open file, not to a process, and that can be asked for.
_HAS_OPEN_FILE_LOCKS = sys.platform == "linux" and struct.calcsize("P") == 8
#: What systems answer that have no such locks.
_UNKNOWN = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
#: The lock's file is neither a link, nor is a pipe waited for.
_PLAIN_FILE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
#: Seconds that somebody who only asks may hold the lock, on systems where asking takes it.
_PATIENCE = 0.5


class FolderLock:
    """The lock of a folder, which the system takes back when its process ends, however it does.

    Args:
        room: folder of the lock's file, which has to be there.
    """

    def __init__(self, room: Path) -> None:
        self.path = room / LOCK
        self._handle: int | None = None
        self._substitute: FileLock | None = None

    def acquire(self) -> bool:
        """Take the lock; whether it was free.

        Raises:
            OSError: if its file cannot be opened.
        """
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | _PLAIN_FILE, 0o666)
        try:
            taken = _take(handle)
        except BaseException:
            os.close(handle)
            raise
        if taken:
            self._handle = handle
            return True
        os.close(handle)
        return taken is None and self._acquire_substitute()

    def release(self) -> None:
        """Give it back, where it was taken."""
        if self._handle is not None:
            os.close(self._handle)
        if self._substitute is not None:
            self._substitute.release()
        self._handle = self._substitute = None

    def _acquire_substitute(self) -> bool:
        substitute = FileLock(self.path)
        try:
            substitute.acquire(timeout=_PATIENCE)
        except Timeout:
            return False
        self._substitute = substitute
        return True


def locked(path: Path, room: Path) -> FolderLock:
    """The lock of a folder, taken.

    Args:
        path: of the folder.
        room: gslt's own in it.

    Raises:
        RunInUseError: if another process has it.
        RunError: if something else is in its place.
    """
    lock = FolderLock(room)
    with reading(lock.path, what="a lock"):
        taken = lock.acquire()
    if not taken:
        raise RunInUseError(
            f"another process is using {str(path)!r}; wait until it has ended, or choose another "
            "folder (--out)"
        )
    return lock


def is_locked(room: Path) -> bool:
    """Whether a process has the lock of a folder; this is only asked, also on a read-only disk.

    Args:
        room: folder of the lock's file.
    """
    path = room / LOCK
    try:
        handle = os.open(path, os.O_RDONLY | _PLAIN_FILE)
    except OSError:
        return False  # Nobody can have locked a file that is not there.
    try:
        held = _ask(handle)
    finally:
        os.close(handle)
    return _ask_substitute(path) if held is None else held


def _take(handle: int) -> bool | None:
    """Whether an open file could be locked; None where the system has no such locks."""
    if not _HAS_OPEN_FILE_LOCKS:
        return None
    try:
        fcntl.fcntl(handle, fcntl.F_OFD_SETLK, _flock(fcntl.F_WRLCK))
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        if error.errno in _UNKNOWN:
            return None
        raise
    return True


def _ask(handle: int) -> bool | None:
    """Whether somebody has locked a file; None where the system has no such locks."""
    if not _HAS_OPEN_FILE_LOCKS:
        return None
    try:
        answer = fcntl.fcntl(handle, fcntl.F_OFD_GETLK, _flock(fcntl.F_WRLCK))
    except OSError as error:
        if error.errno in _UNKNOWN:
            return None
        raise
    return bool(struct.unpack_from("h", answer)[0] != fcntl.F_UNLCK)


def _flock(kind: int) -> bytes:
    """The system's ``struct flock`` for the whole file: type, whence, start, length, process."""
    return struct.pack("hhqqi0q", kind, os.SEEK_SET, 0, 0, 0)


def _ask_substitute(path: Path) -> bool:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError) as error:
        return isinstance(error, Timeout)
    lock.release()
    return False
