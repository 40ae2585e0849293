"""Downloads, from a folder that stands for the network."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from gslt.data import download, download_dataset, write_standin
from gslt.environment import import_quietly
from gslt.errors import DataError


def test_download_heterophilous(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "actor.npz").write_bytes(b"the file")
    kind = import_quietly("torch_geometric.datasets").HeterophilousGraphDataset
    monkeypatch.setattr(kind, "url", (tmp_path / "web").as_uri())
    path = download_dataset("actor", tmp_path / "root")
    assert path == tmp_path / "root" / "heterophilous" / "actor.npz"
    assert path.read_bytes() == b"the file"
    assert [entry.name for entry in path.parent.iterdir()] == ["actor.npz"]
    # What is there is kept: no web is needed.
    shutil.rmtree(tmp_path / "web")
    assert download_dataset("actor", tmp_path / "root") == path


def test_download_planetoid_completes_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    web, raw = tmp_path / "web", tmp_path / "root" / "CORA" / "raw"
    web.mkdir()
    raw.mkdir(parents=True)
    for part in ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index"):
        (web / f"ind.cora.{part}").write_text(part)
    (raw / "ind.cora.x").write_text("old")
    kind = import_quietly("torch_geometric.datasets").Planetoid
    monkeypatch.setattr(kind, "url", web.as_uri())
    assert download_dataset("cora", tmp_path / "root") == raw
    assert (raw / "ind.cora.x").read_text() == "old"
    assert (raw / "ind.cora.test.index").read_text() == "test.index"


def test_download_ogb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_standin(tmp_path / "web", scale=0.003)
    archive = tmp_path / "arxiv.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in source.rglob("*"):
            file.write(path, Path("arxiv") / path.relative_to(source))
    facts = {"url": archive.as_uri(), "download_name": "arxiv"}
    monkeypatch.setattr(download, "metadata", lambda name: facts)
    path = download_dataset("ogbn-arxiv", tmp_path / "root")
    assert path == tmp_path / "root" / "ogbn_arxiv"
    assert [entry.name for entry in path.parent.iterdir()] == ["ogbn_arxiv"]
    (path / "raw" / "edge.csv.gz").unlink()
    with pytest.raises(DataError, match=r"exists but is incomplete \(it lacks raw/edge\.csv\.gz\)"):
        download_dataset("ogbn-arxiv", tmp_path / "root")


@pytest.mark.parametrize(("content", "sentence"), [(b"no zip", "unpacked"), (None, "lacks raw/")])
def test_download_ogb_refuses_what_is_no_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, sentence: str
) -> None:
    archive = tmp_path / "arxiv.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("arxiv/readme", "empty")
    if content is not None:
        archive.write_bytes(content)
    facts = {"url": archive.as_uri(), "download_name": "arxiv"}
    monkeypatch.setattr(download, "metadata", lambda name: facts)
    with pytest.raises(DataError, match=sentence):
        download_dataset("ogbn-arxiv", tmp_path / "root")
    assert list((tmp_path / "root").iterdir()) == []


def test_download_without_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = import_quietly("torch_geometric.datasets").HeterophilousGraphDataset
    monkeypatch.setattr(kind, "url", (tmp_path / "nowhere").as_uri())
    with pytest.raises(DataError, match=r"cannot download .*actor\.npz .*check the network, or"):
        download_dataset("actor", tmp_path)
    assert not (tmp_path / "heterophilous").exists()


def test_embedded_graph_needs_no_download(tmp_path: Path) -> None:
    assert download_dataset("debian", tmp_path).name == "debian.npz"
