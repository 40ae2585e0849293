"""How much memory there is for what comes next, and the refusal of what cannot fit.

The machine, the shell (``ulimit -v``, ``ulimit -d``) and every control group around this process
set limits; the least that one of them leaves is what there is.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import psutil
import torch

from gslt.errors import ConfigError, GsltWarning

#: An estimate above this many times what is there is refused; one between is a warning.
_TOLERANCE = 1.25
#: Where control groups are mounted, and where a process is told which are its own.
_CGROUP, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
#: Version 1 writes a number about as large as this where there is no limit.
_UNLIMITED = 1 << 62


@dataclass(frozen=True)
class Room:
    """Memory that is left within one limit."""

    size: int
    """Bytes."""
    where: str
    """The limit, as a message says it behind "are available"."""


def available(device: torch.device) -> Room:
    """The least memory that the device, the shell or a control group leaves.

    Args:
        device: where it is wanted; on a GPU its own memory alone counts.
    """
    if device.type == "cuda":
        return Room(torch.cuda.mem_get_info(device)[0], "on the device")
    free = int(psutil.virtual_memory().available + psutil.swap_memory().free)
    rooms = [Room(free, "on this machine"), *shell_rooms(), *group_rooms()]
    return min(rooms, key=lambda room: room.size)


def check_room(needed: int, what: str, device: torch.device, remedy: Callable[[int], str]) -> None:
    """Refuse what cannot fit, before anything is computed.

    An estimate slightly above what is there is a :class:`GsltWarning`.

    Args:
        needed: estimate in bytes.
        what: needs it, the subject of the sentence.
        device: where it would be.
        remedy: from the bytes that are there: what to do, the end of the sentence.

    Raises:
        ConfigError: with the estimate, what is there, which limit says so, and what to do.
    """
    room = available(device)
    if needed <= room.size:
        return
    sentence = (
        f"{what} needs about {needed / 1e9:.1f} GB of memory on {device}, and "
        f"{room.size / 1e9:.1f} GB are available {room.where}; {remedy(room.size)}"
    )
    if needed > _TOLERANCE * room.size:
        raise ConfigError(sentence)
    warnings.warn(sentence, GsltWarning, stacklevel=3)


def shell_rooms() -> Iterator[Room]:
    """What the limits of this process leave beside what it has; nothing where it has none."""
    try:
        import resource
    except ImportError:
        return  # Windows has none.
    used = _own_sizes()
    for name, column, command in (
        ("RLIMIT_AS", "VmSize", "ulimit -v"),
        ("RLIMIT_DATA", "VmData", "ulimit -d"),
    ):
        limit = resource.getrlimit(getattr(resource, name))[0]
        if limit != resource.RLIM_INFINITY and column in used:
            yield Room(max(0, limit - used[column]), f"within the limit of the shell ({command})")


def _own_sizes() -> dict[str, int]:
    """Bytes of address space and of private data of this process, as the system counts them."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return {}
    rows = (line.split() for line in lines)
    return {row[0].rstrip(":"): 1024 * int(row[1]) for row in rows if row[-1:] == ["kB"]}


def group_rooms(root: Path | None = None, own: Path | None = None) -> Iterator[Room]:
    """What the control groups of this process leave, from its own up to the root of the mount.

    Args:
        root: where control groups are mounted. Default: where Linux has them.
        own: the file that names those of this process. Default: that of Linux.
    """
    root, own = root or _CGROUP, own or _OWN
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        lines = ["0::/"]
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            for group in _groups(root, path):
                yield from _rooms(group, ("memory.max", "memory.high"), "memory.current")
        elif "memory" in controllers.split(","):
            for group in _groups(root / "memory", path):
                yield from _rooms(group, ("memory.limit_in_bytes",), "memory.usage_in_bytes")
                yield from _hierarchical(group)


def _groups(root: Path, path: str) -> Iterator[Path]:
    """The folders of a group and of all above it; in a container some have no folder here."""
    parts = PurePosixPath(path).parts[1:]
    # A path that leaves the root is that of a group outside of the container.
    parts = () if ".." in parts else parts
    for depth in range(len(parts), -1, -1):
        yield root.joinpath(*parts[:depth])


def _rooms(group: Path, limits: tuple[str, ...], used: str) -> Iterator[Room]:
    for name in limits:
        limit, there = _number(group / name), _used(group, used)
        if limit is not None and there is not None and limit < _UNLIMITED:
            yield Room(max(0, limit - there), f"within the control group {group} ({name})")


def _hierarchical(group: Path) -> Iterator[Room]:
    """Version 1 tells the least limit above a group even where their folders cannot be seen."""
    limit = _statistic(group, "hierarchical_memory_limit")
    there = _used(group, "memory.usage_in_bytes")
    if 0 < limit < _UNLIMITED and there is not None:
        yield Room(max(0, limit - there), f"within the control groups above {group}")


def _used(group: Path, name: str) -> int | None:
    """Bytes that a group has and needs; None where it does not say."""
    there = _number(group / name)
    if there is None:
        return None
    # Pages of files that nobody used lately are given up for whatever is new.
    return there - min(there, _statistic(group, "inactive_file"))


def _number(path: Path) -> int | None:
    """What a file of a control group says; None for "max", or where there is none."""
    with suppress(OSError, ValueError):
        return int(path.read_text(encoding="ascii"))
    return None


def _statistic(group: Path, name: str) -> int:
    """A line of ``memory.stat``, the total with the groups below in version 1; 0 without one."""
    try:
        lines = (group / "memory.stat").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return 0
    rows = dict(line.split()[:2] for line in lines if len(line.split()) >= 2)
    value = rows.get(f"total_{name}", rows.get(name, "0"))
    return int(value) if value.isdigit() else 0
