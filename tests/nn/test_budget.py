"""What there is: the machine, the shell, the control groups; the least of them is named."""

from __future__ import annotations

import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import psutil
import pytest
import torch

from gslt.errors import ConfigError, GsltWarning
from gslt.nn import budget
from gslt.nn.budget import Room, available, check_room, group_rooms, shell_rooms

CPU = torch.device("cpu")
Free = namedtuple("Free", ["available", "free"])


def group(folder: Path, **numbers: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in numbers.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Says that this process is in the group /a/b of version 2."""
    (tmp_path / "own").write_text("1:cpu:/\n0::/a/b\n")
    return tmp_path / "own"


def test_every_group_above_counts(tmp_path: Path, own: Path) -> None:
    root = tmp_path / "cgroup"
    group(root, memory__max="90000", memory__current="20000")
    group(root / "a", memory__max="max", memory__high="30000", memory__current="20000")
    group(root / "a" / "b", memory__max="50000", memory__current="10000")
    found = list(group_rooms(root, own))
    assert [(room.size, room.where.rpartition("/")[2]) for room in found] == [
        (40000, "b (memory.max)"),
        (10000, "a (memory.high)"),
        (70000, "cgroup (memory.max)"),
    ]


def test_pages_of_files_are_given_up(tmp_path: Path, own: Path) -> None:
    group(tmp_path, memory__max="50000", memory__current="30000")
    (tmp_path / "memory.stat").write_text("anon 7\ninactive_file 12000\n")
    assert [room.size for room in group_rooms(tmp_path, own)] == [32000]


def test_a_group_without_a_limit_or_without_numbers_leaves_everything(
    tmp_path: Path, own: Path
) -> None:
    group(tmp_path, memory__max="max", memory__current="30000")
    group(tmp_path / "a", memory__max="5000")
    group(tmp_path / "a" / "b", memory__max="much", memory__current="30000")
    assert not list(group_rooms(tmp_path, own))
    assert not list(group_rooms(tmp_path / "none", own))


def test_a_container_sees_its_own_root_alone(tmp_path: Path) -> None:
    group(tmp_path, memory__max="5000", memory__current="6000")
    (tmp_path / "own").write_text("0::/../elsewhere\n")
    # More than is allowed is there, after a limit was lowered.
    assert [room.size for room in group_rooms(tmp_path, tmp_path / "own")] == [0]
    assert [room.size for room in group_rooms(tmp_path, tmp_path / "none")] == [0]


def test_version_1(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("4:memory:/a\n3:cpu:/elsewhere\n")
    unlimited = {"memory__limit_in_bytes": "9223372036854771712"}
    group(tmp_path / "memory" / "a", **unlimited, memory__usage_in_bytes="1000")
    assert not list(group_rooms(tmp_path, tmp_path / "own"))
    group(tmp_path / "memory", memory__limit_in_bytes="9000", memory__usage_in_bytes="5000")
    (tmp_path / "memory" / "a" / "memory.stat").write_text(
        "hierarchical_memory_limit 4000\ninactive_file 1\ntotal_inactive_file 500\n"
    )
    found = sorted(room.size for room in group_rooms(tmp_path, tmp_path / "own"))
    assert found == [4000 - 500, 9000 - 5000]


def test_the_least_is_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Free(700, 0))
    monkeypatch.setattr(psutil, "swap_memory", lambda: Free(0, 300))
    monkeypatch.setattr(budget, "shell_rooms", lambda: [Room(5000, "shell")])
    monkeypatch.setattr(budget, "group_rooms", lambda: [Room(4000, "group")])
    assert available(CPU) == Room(1000, "on this machine")
    monkeypatch.setattr(budget, "group_rooms", lambda: [Room(400, "group")])
    assert available(CPU) == Room(400, "group")


def test_the_sentence_names_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "available", lambda _: Room(2 * 10**9, "on this machine"))
    said = "this needs about 3.0 GB of memory on cpu, and 2.0 GB are available on this machine; do "
    with pytest.raises(ConfigError, match=f"{said}2000000000"):
        check_room(3 * 10**9, "this", CPU, lambda there: f"do {there}")
    with pytest.warns(GsltWarning, match="this needs about 2.4 GB"):
        check_room(int(2.4e9), "this", CPU, str)
    check_room(2 * 10**9, "this", CPU, str)


LIMITED = """
import resource, sys
from pathlib import Path
import torch
from gslt.nn.budget import available
name, column = sys.argv[1:]
rows = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
used = 1024 * int(rows[column].split()[0])
resource.setrlimit(getattr(resource, name), (used + 2**28, used + 2**28))
found = available(torch.device("cpu"))
print(found.size, found.where)
torch.zeros(2**26, dtype=torch.uint8)
try:
    torch.zeros(2**29, dtype=torch.uint8)
except RuntimeError:
    print("not there")
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here")
@pytest.mark.parametrize(
    ("limit", "column", "command"),
    [("RLIMIT_AS", "VmSize", "ulimit -v"), ("RLIMIT_DATA", "VmData", "ulimit -d")],
)
def test_the_limits_of_the_shell(limit: str, column: str, command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, limit, column], capture_output=True, text=True, check=True
    )
    size, _, where = done.stdout.splitlines()[0].partition(" ")
    assert 2**27 < int(size) <= 2**28
    assert where == f"within the limit of the shell ({command})"
    assert done.stdout.splitlines()[1] == "not there"


def test_no_limit_of_the_shell_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, 0))
    assert not list(shell_rooms())
