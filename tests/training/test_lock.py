"""The lock of a folder: held by one process, gone with it, and not taken by who asks."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gslt.config import SearchConfig
from gslt.training import lock
from gslt.training.lock import FolderLock, is_locked
from gslt.training.places import in_use
from gslt.training.run_folder import RunFolder

KINDS = ["open files"] if sys.platform == "linux" else []


@pytest.fixture(params=[*KINDS, "filelock"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "filelock":
        monkeypatch.setattr(lock, "_HAS_OPEN_FILE_LOCKS", False)
        monkeypatch.setattr(lock, "_PATIENCE", 0.05)
    return str(request.param)


@pytest.mark.usefixtures("kind")
def test_one_has_it_at_a_time(tmp_path: Path) -> None:
    one, other = FolderLock(tmp_path), FolderLock(tmp_path)
    assert not is_locked(tmp_path)
    assert one.acquire()
    assert is_locked(tmp_path)
    assert not other.acquire()
    other.release()
    assert is_locked(tmp_path)
    one.release()
    assert not is_locked(tmp_path)
    assert other.acquire()
    other.release()
    other.release()


def _hold(room: Path, told: Any) -> None:
    held = FolderLock(room)
    held.acquire()
    told.set()
    time.sleep(60)


@pytest.mark.usefixtures("kind")
def test_a_killed_holder_leaves_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    told = context.Event()
    process = context.Process(target=_hold, args=(tmp_path, told))
    process.start()
    assert told.wait(30)
    assert is_locked(tmp_path)
    assert not FolderLock(tmp_path).acquire()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not is_locked(tmp_path)
    mine = FolderLock(tmp_path)
    assert mine.acquire()
    mine.release()


def _ask(path: Path, stop: Any) -> None:
    while not stop.is_set():
        in_use(path)


@pytest.mark.skipif(not KINDS, reason="elsewhere whoever asks takes the lock for a moment")
def test_who_asks_takes_nothing(tmp_path: Path) -> None:
    """Two processes ask without end while another opens and closes the folder."""
    context = multiprocessing.get_context("fork")
    stop = context.Event()
    asking = [context.Process(target=_ask, args=(tmp_path / "run", stop)) for _ in range(2)]
    for process in asking:
        process.start()
    try:
        for _ in range(60):
            with RunFolder(tmp_path / "run", SearchConfig()):
                assert in_use(tmp_path / "run")
    finally:
        stop.set()
        for process in asking:
            process.join()
    assert [process.exitcode for process in asking] == [0, 0]
    assert not in_use(tmp_path / "run")


def test_asking_needs_no_right_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RunFolder(tmp_path, SearchConfig()):
        usual, seen = os.open, []

        def read_only(path: Any, flags: int, *more: Any, **named: Any) -> int:
            seen.append(flags)
            assert not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            return usual(path, flags, *more, **named)

        monkeypatch.setattr(os, "open", read_only)
        assert in_use(tmp_path)
        assert len(seen) == 1


@pytest.mark.parametrize("kind", ["pipe", "folder", "link", "nothing"])
def test_something_else_in_its_place(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "lock"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    assert not is_locked(tmp_path)
    if kind in ("folder", "link"):
        with pytest.raises(OSError, match=r"directory|symbolic"):
            FolderLock(tmp_path).acquire()
    assert not (tmp_path / "elsewhere").exists()
