"""Files that grow: a line of JSON after the other, each of one seed, whole in memory too."""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from collections.abc import Callable, Container
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, BinaryIO

from msgspec import Meta

from gslt.errors import GsltWarning, RunError
from gslt.files.reading import read_bytes, reading
from gslt.files.writing import replacing, short_write

#: How every line begins.
_START = b'{"seed": '
_SEED = re.compile(rb'\{"seed": (\d{1,20}), ')


@dataclass(frozen=True)
class Mark:
    """How far a log was, of one seed."""

    bytes: Annotated[int, Meta(ge=0)]
    """Length of the seed's lines."""
    sha256: str
    """Of these bytes."""


class _Part:
    """The lines of one seed and their checksum, which costs nothing to ask for."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = bytearray()
        self._digest = hashlib.sha256()
        self.extend(content)

    def extend(self, data: bytes) -> None:
        self.content += data
        self._digest.update(data)

    @property
    def mark(self) -> Mark:
        return Mark(len(self.content), self._digest.hexdigest())


class Log:
    """Lines of JSON that begin with ``{"seed": k, ``, ordered by seed, in a file that grows.

    What cannot be written, because the disk is full, stays in memory and is written with
    :meth:`sync`; a warning says so once.

    Args:
        path: of the file, which need not be there yet.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.replacing: Callable[[], AbstractContextManager[Path]]
        """How the file is replaced; see :func:`gslt.files.replacing`."""
        self.replacing = partial(replacing, self.path)
        self.trouble: Callable[[str], None] = self._warn_once
        """Called with a sentence when something cannot be written."""
        self.seeds: Container[int] | None = None
        """The seeds that lines may be of. None: any."""
        self._parts: dict[int, _Part] = {}
        self._file: BinaryIO | None = None
        self._is_whole = False
        self._warned = False

    def load(self) -> list[bytes]:
        """Take over what is in the file.

        Returns:
            The lines that are of no seed; the file loses them when it is written next. A last line
            without its end, which a killed process left, is not among them.

        Raises:
            RunError: if it cannot be read, or is no regular file.
            ConfigError: if it is larger than the limit.
        """
        self.close()
        content = b""
        if self.path.is_symlink() or self.path.exists():
            with reading(self.path, what="a log"):
                check_no_link(self.path)
                content = read_bytes(self.path)
        parts: dict[int, list[bytes]] = {}
        strangers = []
        for line in content.splitlines(keepends=True):
            found = _SEED.match(line)
            whole = line.endswith(b"\n")
            if found is not None and whole and self._may_be_of(int(found[1])):
                parts.setdefault(int(found[1]), []).append(line)
            elif whole or not line.startswith(_START[: len(line)]):
                strangers.append(line)
        self._parts = {seed: _Part(b"".join(lines)) for seed, lines in sorted(parts.items())}
        self._is_whole = self.path.exists() and content == self._content()
        return strangers

    def _may_be_of(self, seed: int) -> bool:
        return self.seeds is None or seed in self.seeds

    def lines(self) -> list[bytes]:
        """All lines, by seed."""
        return self._content().splitlines(keepends=True)

    def of(self, seed: int) -> bytes:
        """The lines of a seed."""
        return bytes(self._parts[seed].content) if seed in self._parts else b""

    def mark(self, seed: int) -> Mark:
        """How far the log is, of a seed."""
        return self._parts.get(seed, _Part()).mark

    def holds(self, seed: int, mark: Mark) -> bool:
        """Whether the lines of a seed begin with what was marked.

        Args:
            seed: whose lines.
            mark: how far the log was.
        """
        return _Part(self.of(seed)[: mark.bytes]).mark == mark

    def put(self, seed: int, content: bytes) -> None:
        """Let these be the lines of a seed; the file is written with :meth:`sync`.

        Args:
            seed: whose lines.
            content: all of them.
        """
        if content == self.of(seed):
            return
        self._parts[seed] = _Part(content)
        self._parts = dict(sorted(self._parts.items()))
        self._is_whole = False

    def append(self, seed: int, data: bytes) -> None:
        """Add lines of a seed, in one write.

        Args:
            seed: of the run.
            data: whole lines.
        """
        if seed not in self._parts:
            self._parts = dict(sorted({**self._parts, seed: _Part()}.items()))
        is_last = seed == next(reversed(self._parts))
        self._parts[seed].extend(data)
        if self._is_whole and is_last:
            self._write(data)
        else:
            self._is_whole = False

    def sync(self, *, flush: bool = False) -> None:
        """See to it that the file holds all lines.

        Args:
            flush: whether they have to be there after a power failure, too.

        Raises:
            OSError: if they cannot be written; they stay in memory.
        """
        if not self._is_whole:
            self.close()
            with self.replacing() as temporary:
                temporary.write_bytes(self._content())
            self._is_whole = True
        elif flush:
            with self.path.open("r+b") as file:  # Windows flushes none that is open to read alone
                os.fsync(file.fileno())

    def try_sync(self) -> None:
        """The same, but what cannot be written is a warning."""
        try:
            self.sync()
        except OSError as error:
            self._fail(error)

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                file.close()

    def _content(self) -> bytes:
        return b"".join(part.content for part in self._parts.values())

    def _write(self, data: bytes) -> None:
        try:
            if self._file is None:
                self._file = self.path.open("ab", buffering=0)
            written = self._file.write(data)
            if written != len(data):
                raise short_write(self.path)
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self._is_whole = False
        self.close()
        self.trouble(f"{self.path.name} could not be written ({error}); the run goes on")

    def _warn_once(self, message: str) -> None:
        if not self._warned:
            warnings.warn(f"{self.path.parent}: {message}", GsltWarning, stacklevel=4)
        self._warned = True


def check_no_link(path: Path) -> None:
    """Refuse a symbolic link where gslt would write: what it points to is somebody else's.

    Raises:
        RunError: if the path is one.
    """
    if path.is_symlink():
        raise RunError(f"{str(path)!r} is a symbolic link, and gslt writes no file of a run there")
