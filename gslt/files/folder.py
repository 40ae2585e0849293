"""The folder that a command writes into, and the manifest of what gslt wrote there.

``.gslt/manifest.jsonl`` is the only licence to overwrite, move or remove a file: its first line
says what made the folder, every other one names a file, with the SHA-256 of what was written, or
without where a file grows. ``.gslt/tmp`` holds what is being written, and ``.gslt/lock`` belongs to
who has the folder for itself. Everything else in a folder is somebody else's.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from gslt.errors import RunError
from gslt.files.reading import open_regular, reading
from gslt.files.writing import OLD, TEMPORARY, flush_folder, json_text, replacing, short_write

#: gslt's own room in a folder of outputs.
ROOM = ".gslt"
#: The ticket of a folder that holds one.
TICKET = "ticket.safetensors"
MANIFEST = "manifest.jsonl"
FORMAT_VERSION = 1
#: Bytes of a file that are hashed at once.
_CHUNK = 2**20


class OutputFolder:
    """A folder of outputs: made by gslt, or empty, or refused.

    Several processes may have it open; each knows what the others wrote.

    Args:
        path: of the folder, which need not be there yet; it and what is above it are made.
        kind: what makes it, such as ``"search"``; a folder is for one kind.
        beside: names of what may be there before gslt is; it stays somebody else's.

    Raises:
        RunError: if it cannot be made, is a file, holds anything while gslt did not make it, or is
            of another kind.
    """

    def __init__(self, path: str | Path, kind: str, beside: Collection[str] = ()) -> None:
        self.path, self.kind = Path(path), kind
        check_folder(self.path, kind, beside)
        try:
            self.temporaries.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise RunError(
                f"{str(path)!r} cannot be made: {reason}; choose another folder (--out)"
            ) from error
        self._known: dict[str, set[str]] = {}
        self._read_bytes = 0
        if kind_of(self.path) is None:  # Also where a full disk cut its first line off.
            self._append({"gslt": kind, "format": FORMAT_VERSION})
            for each in (self.room, self.path):
                flush_folder(each)
        self._read()
        self.sweep()

    @property
    def room(self) -> Path:
        """Where gslt keeps what is not for users."""
        return self.path / ROOM

    @property
    def temporaries(self) -> Path:
        """Where files are before they are whole."""
        return self.room / "tmp"

    @property
    def _manifest(self) -> Path:
        return self.room / MANIFEST

    # What is gslt's

    def owns(self, name: str) -> bool:
        """Whether gslt wrote what is there under this name.

        Args:
            name: path within the folder, with ``/``.
        """
        self._read()
        known, path = self._known.get(name), self.path / name
        if known is None or not path.is_file():
            return False
        return "" in known or _sha256(path) in known

    def names(self) -> list[str]:
        """The files that are there and gslt's, in the order of their names."""
        self._read()
        return sorted(name for name in self._known if self.owns(name))

    def strangers(self) -> list[str]:
        """The files that are there and not gslt's, but for rooms of other kinds within."""
        found = []
        for folder, folders, files in os.walk(self.path):
            here = Path(folder)
            folders[:] = [
                name for name in folders if name != ROOM and not (here / name / ROOM).is_dir()
            ]
            names = ((here / file).relative_to(self.path).as_posix() for file in files)
            found += [name for name in names if not self.owns(name)]
        return sorted(found)

    def check(self, name: str) -> None:
        """Refuse to overwrite what gslt did not write.

        Args:
            name: path within the folder, with ``/``.

        Raises:
            RunError: naming the file.
        """
        path = self.path / name
        if (path.exists() or path.is_symlink()) and not self.owns(name):
            raise RunError(
                f"{str(path)!r} is not as gslt wrote it, and is not overwritten; move it away, or "
                "choose another --out"
            )

    def register(self, name: str) -> None:
        """Note a file as gslt's whatever its content, before it is made: logs grow.

        Args:
            name: path within the folder, with ``/``.

        Raises:
            RunError: if there is a file of this name that is not gslt's.
        """
        self._note(name, "")

    # Writing

    @contextmanager
    def replacing(self, name: str, *, grows: bool = False) -> Iterator[Path]:
        """A temporary file to write to; it takes the place of the file at the end.

        Args:
            name: path within the folder, with ``/``; folders above it are made.
            grows: whether the file is appended to later, so that its content says nothing.

        Raises:
            RunError: if there is a file of this name that is not gslt's.
        """
        self.check(name)
        with replacing(self.path / name, self.temporaries) as temporary:
            yield temporary
            # Noted before it is renamed: a kill in between leaves the old file, which is known too.
            self._note(name, "" if grows else _sha256(temporary))

    def write_bytes(self, name: str, data: bytes, *, grows: bool = False) -> None:
        """Write a file at once or not at all; see :meth:`replacing`.

        Args:
            name: path within the folder, with ``/``.
            data: the whole content.
            grows: see :meth:`replacing`.
        """
        with self.replacing(name, grows=grows) as temporary:
            temporary.write_bytes(data)

    def write_text(self, name: str, text: str, *, grows: bool = False) -> None:
        """Write a UTF-8 file at once or not at all; see :meth:`replacing`.

        Args:
            name: path within the folder, with ``/``.
            text: the whole content.
            grows: see :meth:`replacing`.
        """
        self.write_bytes(name, text.encode("utf-8"), grows=grows)

    def write_json(self, name: str, value: object) -> None:
        """Write a value as indented JSON at once or not at all; see :meth:`replacing`.

        Args:
            name: path within the folder, with ``/``.
            value: what JSON can say, see :func:`gslt.files.plain`.

        Raises:
            ValueError: for an infinity or NaN.
        """
        self.write_text(name, json_text(value))

    def remove(self, name: str) -> bool:
        """Remove a file that is gslt's; whether there was one."""
        if not self.owns(name):
            return False
        (self.path / name).unlink(missing_ok=True)
        return True

    # The manifest

    def _note(self, name: str, digest: str) -> None:
        _check_name(name)
        self.check(name)
        if digest in self._known.get(name, ()):
            return
        self._append({"name": name, **({"sha256": digest} if digest else {})})
        self._known.setdefault(name, set()).add(digest)

    def _append(self, row: dict[str, object]) -> None:
        # One write, so that lines of several processes do not mix; a line that a full disk or a
        # kill cut off ends at the line break before the next one.
        line = b"\n" + json.dumps(row).encode() + b"\n"
        # A pipe in its place is an error, and not waited for; Windows would change line breaks.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        flags |= getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        handle = os.open(self._manifest, flags, 0o666)
        try:
            if os.write(handle, line) < len(line):
                raise short_write(self._manifest)
            # Before the file that it is the licence of takes its place: what survives a power
            # failure without it would be a stranger's.
            os.fsync(handle)
        finally:
            os.close(handle)

    def _read(self) -> None:
        """Take over what this or another process noted since the last look."""
        size = self._manifest.stat().st_size
        if size == self._read_bytes:
            return
        with reading(self._manifest, what="a manifest"), open_regular(self._manifest) as (file, _):
            # One that has become shorter is not the one of the last look.
            start = file.seek(self._read_bytes if size > self._read_bytes else 0)
            # A line that another process is writing is read once it has its end.
            lines = [line for line in file if line.endswith(b"\n")]
            rows = list(_rows(lines))
        self._read_bytes = start + sum(map(len, lines))
        for row in rows:
            if isinstance(name := row.get("name"), str) and _is_inside(name):
                self._known.setdefault(name, set()).add(str(row.get("sha256", "")))

    def sweep(self, age: float = OLD) -> None:
        """Remove what killed processes did not get to rename; what cannot be removed stays.

        Args:
            age: in seconds of what is removed. Default: so old that nobody can still be writing it;
                who has the folder for itself may say 0.
        """
        if self.temporaries.is_symlink():
            return
        for path in self.temporaries.glob(f"{TEMPORARY}*"):
            with suppress(OSError):  # Another process may have been quicker.
                if not age or time.time() - path.lstat().st_mtime > age:
                    path.unlink()


def kind_of(path: Path) -> str | None:
    """What made the folder; None where gslt did not.

    Raises:
        RunError: if its manifest cannot be read, or is of a newer version.
    """
    manifest = path / ROOM / MANIFEST
    if not manifest.is_file():
        return None
    with reading(manifest, what="a manifest"), open_regular(manifest) as (file, _):
        first = next(_rows(file), {})
    if not isinstance(first.get("gslt"), str):
        return None
    if first.get("format") != FORMAT_VERSION:
        raise RunError(
            f"{str(path)!r} has a manifest of version {first.get('format')}, and this gslt reads "
            f"version {FORMAT_VERSION}; upgrade gslt"
        )
    return str(first["gslt"])


def check_folder(path: Path, kind: str, beside: Collection[str] = ()) -> None:
    """Refuse a folder that :class:`OutputFolder` would refuse; nothing is made.

    Args:
        path: of the folder.
        kind: what it is to be the folder of.
        beside: names in it that may be there already.

    Raises:
        RunError: if it is a file, holds anything while gslt did not make it, or is of another kind.
    """
    if (path.exists() or path.is_symlink()) and not path.is_dir():
        raise RunError(f"{str(path)!r} is no folder; choose another --out")
    room = path / ROOM
    if room.is_symlink() or (room.exists() and not room.is_dir()):
        raise RunError(f"{str(room)!r} is no folder of gslt's; choose another --out")
    found = kind_of(path) if path.is_dir() else None
    if found is not None and found != kind:
        raise RunError(f"{str(path)!r} is the folder of a {found}, no {kind}; choose another --out")
    allowed = {ROOM, *beside}
    strange = found is None and path.is_dir() and any(p.name not in allowed for p in path.iterdir())
    # Another process may have begun the folder since the first look.
    if strange and kind_of(path) != kind:
        raise RunError(
            f"{str(path)!r} is not empty and was not made by gslt (it has no {ROOM}/{MANIFEST}); "
            "choose another --out"
        )


def _rows(lines: Iterable[bytes]) -> Iterator[dict[str, object]]:
    for line in lines:
        text = line.decode("utf-8")
        try:
            row = json.loads(text)
        except (ValueError, RecursionError):
            continue  # Empty, or cut off.
        if isinstance(row, dict):
            yield row


def _is_inside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and not {"..", ROOM} & set(parts)


def _check_name(name: str) -> None:
    if not _is_inside(name):
        raise ValueError(f"{name!r} is no name within a folder")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
