"""Downloads, from a server on this machine that says what it is told to."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import stat
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gslt.data import download_dataset, write_standin
from gslt.data.archives import unpack
from gslt.data.catalogue import DATASETS
from gslt.data.download import fetch
from gslt.data.planetoid import raw_files
from gslt.data.published import PUBLISHED, Published
from gslt.environment import raised
from gslt.errors import ConfigError, DataError


class Server:
    """Answers every request with bytes, whatever they are; by path, or one for all."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                try:
                    request = connection.recv(65536).decode()
                    self.requests.append(request)
                    path = request.split()[1]
                    connection.sendall(self.answers.get(path) or self.answers.get("*", b""))
                    connection.shutdown(socket.SHUT_WR)
                    connection.recv(1)
                except OSError:
                    pass

    def holds(self, path: str, content: bytes) -> str:
        self.answers[path] = ok(content)
        return self.address + path


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.socket.close()


def ok(content: bytes, *headers: bytes) -> bytes:
    length = b"Content-Length: %d\r\n" % len(content)
    return (
        b"HTTP/1.1 200 OK\r\n" + length + b"".join(h + b"\r\n" for h in headers) + b"\r\n" + content
    )


def chunked(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body


def headed(*headers: bytes, body: bytes = b"hello", status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 " + status + b"\r\n" + b"".join(h + b"\r\n" for h in headers) + b"\r\n" + body


def published(monkeypatch: pytest.MonkeyPatch, name: str, *files: tuple[str, bytes]) -> None:
    """Let the catalogue name files of the test's server, with their true hashes."""
    entries = tuple(
        Published(url, hashlib.sha256(content).hexdigest(), len(content)) for url, content in files
    )
    monkeypatch.setitem(PUBLISHED, name, entries)


# One file


@pytest.mark.parametrize(
    "answer",
    [
        ok(b"hello"),
        ok(b"hello", b"Content-Encoding: identity"),
        ok(b"hello", b"Content-Length: 5"),
        ok(b"hello") + b"more than was said",
        chunked(b"5\r\nhello\r\n0\r\n\r\n"),
        chunked(b"2;a=b\r\nhe\r\n3 \r\nllo\r\n0\r\nX: y\r\n\r\n"),
    ],
)
def test_whole_answers(server: Server, tmp_path: Path, answer: bytes) -> None:
    server.answers["*"] = answer
    path = tmp_path / "new" / "file"
    fetch(server.address, path)
    assert path.read_bytes() == b"hello"
    assert [each.name for each in path.parent.iterdir()] == ["file"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask()


def umask() -> int:
    found = os.umask(0o022)
    os.umask(found)
    return found


BROKEN = {
    "no answer": b"",
    "no status": b"SSH-2.0-OpenSSH\r\n\r\n",
    "status 999": headed(b"Content-Length: 5", status=b"999 X"),
    "status 204": headed(b"Content-Length: 5", status=b"204 X"),
    "status 206": headed(b"Content-Length: 5", status=b"206 Partial"),
    "status 404": headed(b"Content-Length: 5", status=b"404 X"),
    "status 500 in red": headed(b"Content-Length: 5", status=b"500 \x1b[31m"),
    "cut": headed(b"Content-Length: 500"),
    "cut in the header": b"HTTP/1.1 200 OK\r\nContent-Le",
    "length untold": headed(),
    "length text": headed(b"Content-Length: abc"),
    "length negative": headed(b"Content-Length: -5"),
    "length signed": headed(b"Content-Length: +5"),
    "length endless": headed(b"Content-Length: " + b"9" * 30),
    "length of other digits": headed("Content-Length: ٥".encode()),
    "two lengths": headed(b"Content-Length: 5", b"Content-Length: 4"),
    "length and chunks": headed(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    "other transfer": headed(b"Content-Length: 5", b"Transfer-Encoding: gzip"),
    "empty": headed(b"Content-Length: 0", body=b""),
    "empty chunks": chunked(b"0\r\n\r\n"),
    "cut chunk": chunked(b"5\r\nhello\r\n5\r\nwo"),
    "cut between chunks": chunked(b"5\r\nhello\r\n"),
    "bad chunk": chunked(b"zz\r\nhello\r\n"),
    "negative chunk": chunked(b"-5\r\nhello\r\n0\r\n\r\n"),
    "signed chunk": chunked(b"+5\r\nhello\r\n0\r\n\r\n"),
    "chunk of another length": chunked(b"4\r\nhello\r\n0\r\n\r\n"),
    "chunk that lost a byte": chunked(b"5\r\nhell\r\n0\r\n\r\n"),
    "chunk with other line ends": chunked(b"5\nhello\n0\n\n"),
    "endless line of a chunk": chunked(b"5;" + b"a" * 9999),
    "long header": headed(b"X: " + b"a" * 100_000, b"Content-Length: 5"),
    "many headers": headed(*[b"X: a"] * 300, b"Content-Length: 5"),
    "gzip": headed(b"Content-Length: 5", b"Content-Encoding: gzip"),
    "page by type": headed(b"Content-Length: 5", b"Content-Type: Text/HTML; charset=utf-8"),
    "page by content": ok(b"\n <!DOCTYPE html><p>Log in"),
    "redirect to a file": headed(b"Location: file:///etc/passwd", status=b"302 Found"),
    "redirect to ftp": headed(b"Location: ftp://127.0.0.1:1/x", status=b"302 Found"),
    "redirect to data": headed(b"Location: data:text/plain,hello", status=b"302 Found"),
    "redirect to http": headed(b"Location: http://example.org/x", status=b"301 Moved"),
    "redirect to nowhere": headed(status=b"302 Found"),
    "redirect to no address": headed(b"Location: http://[", status=b"302 Found"),
    "redirect to itself": headed(b"Location: /", status=b"302 Found"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_answers_are_refused_and_leave_nothing(
    server: Server, tmp_path: Path, kind: str
) -> None:
    server.answers["*"] = BROKEN[kind]
    path = tmp_path / "new" / "file"
    with pytest.raises(
        DataError, match=r"cannot download http://127.0.0.1.*; check the network, or"
    ):
        fetch(server.address + "/", path)
    assert list(tmp_path.iterdir()) == []
    assert len(server.requests) <= 8


def test_redirect_that_is_followed(server: Server, tmp_path: Path) -> None:
    server.answers["/new"] = ok(b"hello")
    server.answers["/old"] = headed(b"Location: /new", body=b"", status=b"302 Found")
    fetch(f"{server.address}/old", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"hello"


def test_asks_for_the_file_as_it_is(server: Server, tmp_path: Path) -> None:
    fetch(server.holds("/x", b"hello"), tmp_path / "file")
    (request,) = server.requests
    assert "Accept-Encoding: identity" in request
    assert "gslt" in request


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/x",
        "http://127.0.0.1.example.org/x",
        "http://127.0.0.1@example.org/x",
        "http://127.0.0.1\\@example.org/x",
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "/etc/passwd",
        "https://",
        "https://[::1/x",
        "http://127.0.0.1:abc/x",
        "http://127.0.0.1:99999999/x",
        "http://127.0.0.1:1/a b\r\nX: y",
        "",
    ],
)
def test_unsafe_addresses_are_refused_unasked(url: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot download"):
        fetch(url, tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_hash_and_size(server: Server, tmp_path: Path) -> None:
    url, path = server.holds("/x", b"hello"), tmp_path / "file"
    right = hashlib.sha256(b"hello").hexdigest()
    with pytest.raises(DataError, match="hash"):
        fetch(url, path, sha256="0" * 64)
    with pytest.raises(DataError, match="would send 5 bytes, more than 4"):
        fetch(url, path, sha256=right, size=4)
    with pytest.raises(DataError, match="5 of 6 bytes came"):
        fetch(url, path, sha256=right, size=6)
    assert list(tmp_path.iterdir()) == []
    fetch(url, path, sha256=right, size=5)
    # With a hash, the length may be untold.
    server.answers["*"] = headed()
    fetch(f"{server.address}/untold", tmp_path / "untold", sha256=right)
    with pytest.raises(DataError, match="hash"):
        fetch(f"{server.address}/untold", tmp_path / "other", sha256="0" * 64)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "untold"]


@pytest.mark.parametrize(
    "answer", [ok(b"a" * 2000), chunked(b"7d0\r\n" + b"a" * 2000 + b"\r\n0\r\n")]
)
def test_too_much_is_refused(server: Server, tmp_path: Path, answer: bytes) -> None:
    server.answers["*"] = answer
    with raised(file_bytes=1999), pytest.raises(DataError, match="more than 1,999"):
        fetch(server.address, tmp_path / "file")
    with raised(file_bytes=2000):
        fetch(server.address, tmp_path / "file")
    assert (tmp_path / "file").stat().st_size == 2000


def test_what_is_there_is_not_replaced(server: Server, tmp_path: Path) -> None:
    url, path, link = server.holds("/x", b"hello"), tmp_path / "file", tmp_path / "link"
    path.write_text("mine")
    link.symlink_to("nowhere")
    for each in (path, link):
        with pytest.raises(DataError, match="is there already"):
            fetch(url, each)
    assert path.read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_nothing_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(DataError, match=r"cannot download .*check the network, or fetch it else"):
        fetch(f"http://127.0.0.1:{port}/x", tmp_path / "file")


def test_folder_that_cannot_be_written_to(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="nothing can be written beside"):
        fetch(server.holds("/x", b"hello"), tmp_path / "file" / "x")


def test_id_in_git(server: Server, tmp_path: Path) -> None:
    """``git hash-object`` says so of a file of the six bytes of "hello" and a line break."""
    known = "ce013625030ba8dba906f756967f9e9ca394464a"
    fetch(server.holds("/x", b"hello\n"), tmp_path / "x", git=known)
    assert (tmp_path / "x").read_bytes() == b"hello\n"
    with pytest.raises(DataError, match=f"its id in git is .*, and should be {known}"):
        fetch(server.holds("/y", b"hello"), tmp_path / "y", git=known)
    assert not (tmp_path / "y").exists()


# The catalogue


def test_every_file_is_pinned() -> None:
    assert set(PUBLISHED) == {
        name
        for name, entry in DATASETS.items()
        if entry.layout not in ("embedded", "standin", "twitch")
    }
    files = [file for entry in PUBLISHED.values() for file in entry]
    assert len({file.url for file in files}) == len(files) == 33 + 36 + 4 + 2
    for file in files:
        assert file.url.startswith("https://")
        if file.sha256 is None:
            assert re.fullmatch("[0-9a-f]{40}", file.git or "")
        else:
            assert re.fullmatch("[0-9a-f]{64}", file.sha256)
        fixed = ("snap.stanford.edu", "cs.toronto.edu")
        assert any(place in file.url for place in fixed) or re.search("/[0-9a-f]{40}/", file.url)
    assert [file.name for file in files if file.size is None and file.sha256] == ["ind.pubmed.allx"]
    for name in ("cora", "citeseer", "pubmed"):
        assert [file.name for file in PUBLISHED[name]] == raw_files(name)


@pytest.mark.parametrize("name", ["cora", "citeseer", "actor", "chameleon", "minesweeper"])
def test_hashes_are_those_of_the_files_at_hand(name: str) -> None:
    root = Path(os.environ.get("GSLT_DATA", ""))
    places = [root / place for place in DATASETS[name].places]
    place = next((each for each in places if each.exists()), None)
    if "GSLT_DATA" not in os.environ or place is None:
        pytest.skip(f"{name} is not there; set GSLT_DATA to the folder that holds it")
    for file in PUBLISHED[name]:
        content = (place / file.name if place.is_dir() else place).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file.sha256
        assert len(content) == file.size


def test_download_of_one_file(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(monkeypatch, "actor", (server.holds("/actor.npz", b"the file"), b"the file"))
    path = download_dataset("actor", tmp_path / "root")
    assert path == tmp_path / "root" / "heterophilous" / "actor.npz"
    assert path.read_bytes() == b"the file"
    assert [entry.name for entry in path.parent.iterdir()] == ["actor.npz"]
    # What is there is kept: no network is needed.
    server.socket.close()
    assert download_dataset("actor", tmp_path / "root") == path


def test_another_file_than_was_published(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(monkeypatch, "actor", (server.holds("/actor.npz", b"that file"), b"this file"))
    with pytest.raises(DataError, match=r"cannot download .*hash"):
        download_dataset("actor", tmp_path / "root")
    assert list(tmp_path.iterdir()) == []


def test_download_completes_a_part(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = tmp_path / "root" / "CORA" / "raw"
    raw.mkdir(parents=True)
    (raw / "ind.cora.x").write_text("old")
    files = [(server.holds(f"/{name}", name.encode()), name.encode()) for name in raw_files("cora")]
    published(monkeypatch, "cora", *files)
    assert download_dataset("cora", tmp_path / "root") == raw
    assert (raw / "ind.cora.x").read_text() == "old"
    assert (raw / "ind.cora.test.index").read_text() == "ind.cora.test.index"
    assert len(server.requests) == 7


def test_unknown_and_embedded(tmp_path: Path) -> None:
    assert download_dataset("debian", tmp_path).name == "debian.npz"
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError, match=r"^there is no data set 'corra', .*did you mean cora\?"):
        download_dataset("corra", tmp_path)
    (mine := tmp_path / "mine.npz").touch()
    with pytest.raises(ConfigError, match=r"mine\.npz' is on this machine, so there is nothing to"):
        download_dataset(str(mine), tmp_path)


# Archives


def zipped(path: Path, *files: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files:
            file.writestr(name, content)
    return path


def test_download_of_an_archive(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pandas")
    source = write_standin(tmp_path / "web", scale=0.003)
    files = [
        (str(Path("arxiv") / path.relative_to(source)), path.read_bytes())
        for path in sorted(source.rglob("*"))
        if path.is_file()
    ]
    content = zipped(tmp_path / "arxiv.zip", *files).read_bytes()
    published(monkeypatch, "ogbn-arxiv", (server.holds("/arxiv.zip", content), content))
    path = download_dataset("ogbn-arxiv", tmp_path / "root")
    assert path == tmp_path / "root" / "ogbn_arxiv"
    assert [entry.name for entry in path.parent.iterdir()] == ["ogbn_arxiv"]
    assert sorted(str(Path("arxiv") / p.relative_to(path)) for p in path.rglob("*.*")) == [
        name for name, _ in files
    ]
    (path / "raw" / "edge.csv.gz").unlink()
    with pytest.raises(DataError, match=r"exists but is incomplete \(it lacks raw/edge\.csv\.gz\)"):
        download_dataset("ogbn-arxiv", tmp_path / "root")


@pytest.mark.parametrize(
    ("files", "sentence"),
    [([], "is damaged or no archive"), ([("arxiv/readme", b"empty")], "it lacks raw/edge")],
)
def test_archives_that_hold_no_data(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: list[tuple[str, bytes]],
    sentence: str,
) -> None:
    content = zipped(tmp_path / "a.zip", *files).read_bytes() if files else b"no archive"
    published(monkeypatch, "ogbn-arxiv", (server.holds("/arxiv.zip", content), content))
    with pytest.raises(DataError, match=sentence):
        download_dataset("ogbn-arxiv", tmp_path / "root")
    assert not (tmp_path / "root").exists()


def entry(name: str, kind: int = 0, **values: Any) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.external_attr = kind << 28
    for key, value in values.items():
        setattr(made, key, value)
    return made


@pytest.mark.parametrize(
    "files",
    [
        [("../out", b"x")],
        [("a/../../out", b"x")],
        [("/tmp/out", b"x")],
        [("C:out", b"x")],
        [("a\\..\\..\\out", b"x")],
        [("\x1b[31m", b"x")],
        [(entry("link", kind=0xA), b"/etc/passwd")],
        [(entry("pipe", kind=0x1), b"")],
        [("a/b", b"x"), ("A/B", b"y")],
        [("a", b"x"), ("a/b", b"y")],
        [(entry("bzip2", compress_type=zipfile.ZIP_BZIP2), b"x")],
        [(f"{n}", b"") for n in range(1001)],
    ],
    ids=lambda files: repr(str(getattr(files[0][0], "filename", files[0][0]))),
)
def test_archives_that_reach_out(tmp_path: Path, files: list[Any]) -> None:
    archive = zipped(tmp_path / "a.zip", *files)
    folder = tmp_path / "deep" / "folder"
    with pytest.raises((ValueError, OSError)):
        unpack(archive, folder)
    found = {path for path in tmp_path.rglob("*") if path.is_file()} - {archive}
    assert all(folder in path.parents and path.read_bytes() in (b"x", b"y") for path in found)


def test_archives_that_swell(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", *((f"{n}", bytes(10**6)) for n in range(20)))
    assert archive.stat().st_size < 50_000
    with raised(inflated_bytes=10**7), pytest.raises(ConfigError, match="unpacks to 20,000,000"):
        unpack(archive, tmp_path / "folder")
    assert not (tmp_path / "folder").exists()
    unpack(archive, tmp_path / "folder")
    shutil.rmtree(tmp_path / "folder")
    # One that says it is smaller than it is.
    data = archive.read_bytes().replace((10**6).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    archive.write_bytes(data)
    with raised(inflated_bytes=10**7), pytest.raises(zipfile.BadZipFile):
        unpack(archive, tmp_path / "folder")
