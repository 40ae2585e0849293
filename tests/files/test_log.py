"""Files that grow: lines by seed, in memory and on the disk the same, or it is said."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslt.errors import GsltWarning, RunError
from gslt.files.log import Log, Mark


def line(seed: int, value: int) -> bytes:
    return (json.dumps({"seed": seed, "value": value}) + "\n").encode()


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log.jsonl")


def test_lines_are_there_at_once_and_by_seed(log: Log) -> None:
    log.sync()
    assert log.path.read_bytes() == b""
    log.append(3, line(3, 1))
    assert log.path.read_bytes() == line(3, 1)
    log.append(3, line(3, 2))
    log.append(5, line(5, 1))
    assert log.path.read_bytes() == line(3, 1) + line(3, 2) + line(5, 1)
    assert log.of(3) == line(3, 1) + line(3, 2)
    assert log.of(4) == b""
    # Of an earlier seed: the file follows when it is asked to.
    log.append(3, line(3, 3))
    assert log.lines() == [line(3, 1), line(3, 2), line(3, 3), line(5, 1)]
    log.sync(flush=True)
    assert log.path.read_bytes() == b"".join(log.lines())
    log.append(5, line(5, 2))
    assert log.path.read_bytes() == b"".join(log.lines())
    log.close()
    again = Log(log.path)
    assert again.load() == []
    assert again.lines() == log.lines()


def test_marks_by_hand(log: Log) -> None:
    assert log.mark(0) == Mark(0, hashlib.sha256().hexdigest())
    log.append(0, line(0, 1))
    mark = log.mark(0)
    assert mark == Mark(len(line(0, 1)), hashlib.sha256(line(0, 1)).hexdigest())
    log.append(0, line(0, 2))
    assert log.holds(0, mark)
    assert not log.holds(0, Mark(mark.bytes - 1, mark.sha256))
    log.put(0, log.of(0)[: mark.bytes])
    assert log.mark(0) == mark
    log.put(0, line(0, 9))
    assert not log.holds(0, mark)


def test_what_a_kill_leaves_and_what_somebody_wrote(log: Log) -> None:
    torn = line(0, 2)[:-5]
    log.path.write_bytes(line(0, 1) + torn)
    assert log.load() == []
    assert log.lines() == [line(0, 1)]
    for mine in (b"mine\n", b"mine", b"\n", b'{"seed": "a"}\n', b'["seed"'):
        log.path.write_bytes(line(0, 1) + mine)
        assert log.load() == [mine]
    log.sync()
    assert log.path.read_bytes() == line(0, 1)


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_what_is_no_file(kind: str, log: Log) -> None:
    if kind == "pipe":
        os.mkfifo(log.path)
    elif kind == "folder":
        log.path.mkdir()
    else:
        log.path.symlink_to(log.path.with_name("mine"))
    with pytest.raises(RunError, match=r"no regular file|symbolic link"):
        log.load()


def test_a_full_disk_is_said_once_and_costs_nothing_later(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.sync()
    log.append(0, line(0, 1))
    log.close()
    log._file = Path("/dev/full").open("ab", buffering=0)  # noqa: SIM115 - closed by the log
    with pytest.warns(GsltWarning, match=r"log\.jsonl could not be written .*No space") as told:
        log.append(0, line(0, 2))
    log.append(0, line(0, 3))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        log.try_sync()
        with pytest.raises(OSError, match="No space"):
            log.sync()
    assert len(told) == 1
    assert log.path.read_bytes() == line(0, 1)
    log.sync()
    assert log.path.read_bytes() == line(0, 1) + line(0, 2) + line(0, 3)


@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=30), cut=st.integers(0)
)
def test_any_rows_come_back_by_seed_however_the_file_was_cut(
    rows: list[tuple[int, int]], cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = Log(tmp_path_factory.getbasetemp() / "any.jsonl")
    log.path.unlink(missing_ok=True)
    for seed, value in rows:
        log.append(seed, line(seed, value))
    log.sync()
    log.close()
    expected = [line(*row) for row in sorted(rows, key=lambda row: row[0])]
    assert log.path.read_bytes() == b"".join(expected)
    content = log.path.read_bytes()[: cut % (len(b"".join(expected)) + 1)]
    log.path.write_bytes(content)
    assert log.load() == []
    assert log.lines() == expected[: content.count(b"\n")]
    mark = log.mark(0)
    assert log.holds(0, mark)


def test_lines_of_a_seed_that_is_not_the_runs_are_strangers(log: Log) -> None:
    log.path.write_bytes(line(0, 1) + line(13, 2))
    log.seeds = range(2)
    assert log.load() == [line(13, 2)]
    assert log.lines() == [line(0, 1)]
