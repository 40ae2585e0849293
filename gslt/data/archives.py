"""Zip archives: what may be unpacked, and where to."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path, PurePosixPath

from gslt.environment import check_limit

#: Most files of an archive.
_MOST_FILES = 1000
_CHUNK = 1 << 20


def unpack(archive: Path, folder: Path) -> None:
    """Write the files of a zip archive into a new folder; nothing is ever written beside it.

    Args:
        archive: the file.
        folder: must not be there.

    Raises:
        ValueError: if a name leads out of the folder or stands twice, or something is no plain
            file; others of ``zipfile`` and ``zlib`` if the archive is damaged.
        ConfigError: if it would unpack to more than the limit.
    """
    with zipfile.ZipFile(archive) as file:
        members = [member for member in file.infolist() if not member.is_dir()]
        _check_members(members, archive.name)
        for member in members:
            path = folder / member.filename
            path.parent.mkdir(parents=True, exist_ok=True)
            # zipfile never gives more bytes than the member claims to have.
            with file.open(member) as packed, path.open("xb") as plain:
                shutil.copyfileobj(packed, plain, _CHUNK)


def _check_members(members: list[zipfile.ZipInfo], archive: str) -> None:
    check_limit("inflated_bytes", sum(each.file_size for each in members), f"{archive} unpacks to")
    if len(members) > _MOST_FILES:
        raise ValueError(f"it holds {len(members)} files, more than {_MOST_FILES}")
    names = [member.filename for member in members]
    if len({name.casefold() for name in names}) < len(names):
        raise ValueError("it holds two files of one name")
    for member in members:
        kind = member.external_attr >> 28
        if not _is_inside(member.filename):
            raise ValueError(f"the file {member.filename[:100]!r} would lie outside of the folder")
        # The kind of a file of Unix: 8 is a plain one, 0 is not told.
        if member.flag_bits & 1 or kind not in (0, 8):
            raise ValueError(f"{member.filename[:100]!r} is encrypted, or a link or device")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{member.filename[:100]!r} is packed in an unusual way")


def _is_inside(name: str) -> bool:
    """Whether a name stays in its folder on every system.

    >>> [_is_inside(name) for name in ("a/b.gz", "../b", "/b", "C:/b")]
    [True, False, False, False]
    """
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and ".." not in parts and not _ODD.search(name)


_ODD = re.compile(r"[\\:\x00-\x1f]")
