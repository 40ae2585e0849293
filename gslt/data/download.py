"""Fetching data sets: the only place of gslt that touches the network.

Files come over https from the addresses of :mod:`gslt.data.published`, and are what they should be
by size and SHA-256, or are not kept. A server is believed nothing: how many bytes it sends, where
it leads to and how it ends are checked here.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import ipaddress
import logging
import os
import re
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from gslt.data.archives import unpack
from gslt.data.catalogue import (
    DATASETS,
    by_hand,
    data_root,
    find_dataset,
    get_name,
    is_complete,
    known_name,
)
from gslt.data.ogb import missing_files
from gslt.data.published import PUBLISHED
from gslt.data.temporary import temporary_folder
from gslt.environment import import_quietly, limits
from gslt.errors import ConfigError, DataError, GsltError
from gslt.files import reading, replacing
from gslt.progress import progress_bar

_TIMEOUT = 60.0
_CHUNK = 1 << 20
#: Folder within OGB's archive.
_OGB_FOLDER = "arxiv"
#: Most bytes of a line between two chunks.
_LINE = 256


def download_dataset(name: str, root: str | Path | None = None) -> Path:
    """Fetch a data set from where its authors publish it, without asking anything.

    Args:
        name: of :func:`gslt.data.list_datasets`.
        root: as in :func:`gslt.data.load_dataset`.

    Returns:
        Where it lies. A data set that is there is kept.

    Raises:
        ConfigError: if the name is unknown or a path, or the data set is generated.
        DataError: if the network fails, or what is sent is not what was published; nothing is left
            half written.
    """
    if known_name(name) is None and os.path.exists(name):  # Of no path, such as a long text, too.
        raise ConfigError(
            f"{name!r} is on this machine, so there is nothing to download; give it to the other "
            "commands as it is, by --dataset"
        )
    name, place = get_name(name), data_root(root)
    found = find_dataset(name, place)
    if found is not None and is_complete(name, found):
        return found
    if DATASETS[name].layout == "twitch":
        raise ConfigError(f"{name}: {by_hand(name)} at {place / DATASETS[name].places[0]}")
    if name not in PUBLISHED:
        raise ConfigError(
            f"{name} is synthetic, so it is not downloaded; write it with `gslt data synthesize`"
        )
    entry = DATASETS[name]
    target = found or place / entry.places[0]
    if entry.layout == "cifar" and target.is_dir():
        raise _incomplete(target, "the files of any whole version")
    _DOWNLOADS[entry.layout](name, target)
    return target


def _incomplete(target: Path, lacking: str) -> DataError:
    return DataError(
        f"the folder {target} exists but is incomplete (it lacks {lacking}); move it away and "
        "download again"
    )


def _download_file(name: str, target: Path) -> None:
    (file,) = PUBLISHED[name]
    fetch(file.url, target, sha256=file.sha256, size=file.size, git=file.git)


def _download_files(name: str, target: Path) -> None:
    for file in PUBLISHED[name]:
        if not (target / file.name).is_file():
            fetch(file.url, target / file.name, sha256=file.sha256, size=file.size, git=file.git)


def _download_archive(name: str, target: Path) -> None:
    if target.exists():
        raise _incomplete(target, str(missing_files(target)[0]))
    (file,) = PUBLISHED[name]
    with temporary_folder(target) as folder:
        archive = folder / file.name
        fetch(file.url, archive, sha256=file.sha256, size=file.size)
        with reading(file.url, DataError, "an archive", "try again later"):
            unpack(archive, folder / "unpacked")
            unpacked = folder / "unpacked" / _OGB_FOLDER
            missing = missing_files(unpacked)
            if missing:
                raise ValueError(f"it lacks {missing[0]}")
        try:
            unpacked.rename(target)
        except OSError as error:
            raise DataError(
                f"{str(target)!r} cannot be made ({error.strerror}); move away what is there"
            ) from error


#: What fetches a data set of a layout, by its name, to a place.
_DOWNLOADS: dict[str, Callable[[str, Path], None]] = {
    "heterophilous": _download_file,
    "ogb": _download_archive,
    "planetoid": _download_files,
    "webkb": _download_files,
    "gnn-benchmark": _download_file,
    "cifar": _download_file,
}


# One file


def fetch(
    url: str,
    path: Path,
    *,
    sha256: str | None = None,
    size: int | None = None,
    git: str | None = None,
) -> None:
    """Copy what a URL sends to ``path``, whole or not at all, with a progress bar.

    Args:
        url: address of the file: https, or http on this machine.
        path: where it goes; its folder is made. What is there already is not replaced.
        sha256: of the file. Without it the server must say how long the file is.
        size: bytes of the file. Without it there may be at most ``limits().file_bytes``.
        git: the id of the file in git.

    Raises:
        DataError: if it cannot be had, or is not what it should be.
    """
    path = Path(path)
    cure = f"check the network, or fetch it elsewhere and put it at {path}"
    if path.exists() or path.is_symlink():
        raise DataError(f"{str(path)!r} is there already; move it away, or keep it")
    known = None if sha256 is None else f"sha256:{sha256}"
    with temporary_folder(path) as folder:
        try:
            with _quiet_pooch() as pooch:
                # pooch asks the downloader for the file and compares its hash.
                pooch.retrieve(
                    url,
                    known_hash=known,
                    fname="received",
                    path=folder,
                    downloader=_Downloader(path.name, size, known is not None),
                )
            _check_git(folder / "received", git)
            with replacing(path) as temporary:
                shutil.copyfile(folder / "received", temporary)
        except GsltError:
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise DataError(f"cannot download {url} ({_short(error)}); {cure}") from error


def _check_git(path: Path, known: str | None) -> None:
    """Refuse a file that has another id in git: the SHA-1 of its size and its content."""
    if known is None:
        return
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while part := file.read(_CHUNK):
            digest.update(part)
    if digest.hexdigest() != known:
        raise ValueError(f"its id in git is {digest.hexdigest()}, and should be {known}")


def _short(error: Exception) -> str:
    """What an error says, in a line: parts of it may come from a server."""
    return " ".join((str(error) or type(error).__name__).split())[:300]


@contextlib.contextmanager
def _quiet_pooch() -> Iterator[Any]:
    """The package pooch, which logs every download."""
    pooch = import_quietly("pooch")
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield pooch
    finally:
        logger.setLevel(level)


@dataclass(frozen=True)
class _Downloader:
    """What pooch calls to copy the content of an address into a file."""

    name: str
    """What the progress bar calls the file."""
    size: int | None
    """Bytes that there must be; None if that is not known."""
    checked: bool
    """Whether the hash is known, so that a file that was cut off cannot go unnoticed."""

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Copy.

        Raises:
            ValueError: if the answer breaks a rule. OSError and HTTPException: if there is none.
        """
        _check_address(url)
        with (
            _opener(url).open(url, timeout=_TIMEOUT) as answer,
            Path(output_file).open("wb") as file,
        ):
            most = limits().file_bytes if self.size is None else self.size
            length = _length(answer)
            if length is None and not answer.chunked and not self.checked:
                raise ValueError("the server does not say how long the file is")
            if length is not None and length > most:
                raise ValueError(f"the server would send {length:,} bytes, more than {most:,}")
            came = 0  # A bar that is not shown does not count.
            with progress_bar(total=length, unit="byte", unit_scale=True, desc=self.name) as bar:
                for part in _parts(answer, length):
                    if came == 0 and part[:200].lstrip().lower().startswith(_PAGE):
                        raise ValueError("the server sent a web page, not the file")
                    came += len(part)
                    bar.update(len(part))
                    if came > most:
                        raise ValueError(f"more than {most:,} bytes came")
                    file.write(part)
            wanted = length if self.size is None else self.size
            if came == 0 or (wanted is not None and came != wanted):
                raise ValueError(f"{came:,} of {wanted or 'some'} bytes came")


_PAGE = (b"<!doctype html", b"<html", b"\xef\xbb\xbf<!doctype html", b"\xef\xbb\xbf<html")


def _check_address(url: str, before: str = "") -> None:
    """Refuse what is not https, or http on this machine and not reached from elsewhere."""
    parts = urlsplit(url)
    if not re.fullmatch(r"[A-Za-z0-9.\-]+(:[0-9]+)?|\[[0-9a-fA-F:.]+\](:[0-9]+)?", parts.netloc):
        raise ValueError(f"{parts.netloc[:100]!r} is no name of a server")
    local = parts.scheme == "http" and _is_local(parts.hostname or "")
    if parts.scheme != "https" and not (local and (not before or before.startswith("http:"))):
        raise ValueError(f"{url[:200]!r} is not read: only https is safe")


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to safe addresses only, and not for long."""

    max_redirections = 5

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        _check_address(newurl, before=req.full_url)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(url: str) -> urllib.request.OpenerDirector:
    """What opens https addresses, through the proxies of the environment, and nothing else."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler({} if url.startswith("http:") else None),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    opener.addheaders = [("User-Agent", "gslt"), ("Accept-Encoding", "identity")]
    return opener


def _length(answer: http.client.HTTPResponse) -> int | None:
    """Bytes that an answer says it has; None if it does not say, as when it comes in chunks."""
    if answer.status != 200:
        raise ValueError(f"the server answered with status {answer.status}")
    encodings = answer.headers.get_all("Content-Encoding", [])
    if encodings not in ([], ["identity"]):
        raise ValueError(f"the file comes encoded as {encodings[0][:50]!r}")
    if "html" in answer.headers.get("Content-Type", "").lower():
        raise ValueError("the server sent a web page, not the file")
    lengths = answer.headers.get_all("Content-Length", [])
    transfer = [text.lower() for text in answer.headers.get_all("Transfer-Encoding", [])]
    if transfer not in ([], ["chunked"]) or (transfer and lengths):
        raise ValueError("the server does not say clearly how long the file is")
    if not lengths:
        return None
    if len(set(lengths)) > 1 or not re.fullmatch("[0-9]{1,18}", lengths[0]):
        raise ValueError(f"the file has the length {lengths[0][:50]!r}")
    return int(lengths[0])


def _parts(answer: http.client.HTTPResponse, length: int | None) -> Iterator[bytes]:
    """The content of an answer, in parts of limited size."""
    if answer.chunked:
        yield from _chunks(answer.fp)
        return
    left = length
    while left is None or left > 0:
        part = answer.read(_CHUNK if left is None else min(_CHUNK, left))
        if not part:
            return
        left = None if left is None else left - len(part)
        yield part


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    r"""The content of an answer in chunks (RFC 9112, section 7.1), each of which has its length.

    The reader of Python's library takes negative lengths.

    >>> import io
    >>> list(_chunks(io.BytesIO(b"5\r\nhello\r\n0\r\n\r\n")))
    [b'hello']
    """
    while True:
        found = re.fullmatch(rb"([0-9a-fA-F]{1,8})[ \t]*(?:;.*)?\r\n", stream.readline(_LINE))
        if found is None:
            raise ValueError("a chunk of the file has no length")
        left = int(found[1], 16)
        if left == 0:
            return
        while left:
            part = stream.read(min(left, _CHUNK))
            if not part:
                raise ValueError("the file was cut off")
            left -= len(part)
            yield part
        if stream.readline(_LINE) != b"\r\n":
            raise ValueError("a chunk of the file has another length than it says")
