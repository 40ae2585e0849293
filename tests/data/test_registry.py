"""Names, places and downloads."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from gslt.data import download, download_dataset, list_datasets, load_dataset, write_standin
from gslt.environment import import_quietly
from gslt.errors import ConfigError, DataError


@pytest.mark.parametrize(
    ("name", "meant"),
    [("debain", "debian"), ("CORRA", "cora"), ("ogbnarxiv", "ogbn-arxiv")],
)
def test_unknown_name_is_refused_with_the_closest(name: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=f"no data set '{name}'.*did you mean '{meant}"):
        load_dataset(name)
    with pytest.raises(ConfigError, match=f"did you mean '{meant}"):
        download_dataset(name)


def test_a_name_like_no_other_is_refused_without_a_guess() -> None:
    with pytest.raises(ConfigError, match=r"by path\. Known are debian") as refusal:
        load_dataset("zz")
    assert "did you mean" not in str(refusal.value)
    with pytest.raises(ConfigError, match="may not be empty"):
        load_dataset(" ")


@pytest.mark.parametrize("name", [facts.name for facts in list_datasets() if facts.needs_download])
def test_absent_data_is_refused_with_the_command(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"is not on disk .*`gslt data download {name}`"):
        load_dataset(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_absent_standin_is_refused_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="synthetic graph with `gslt data synthesize`"):
        load_dataset("ogbn-arxiv-synthetic", tmp_path)
    with pytest.raises(ConfigError, match="is synthetic, so it is not downloaded"):
        download_dataset("ogbn-arxiv-synthetic", tmp_path)


def test_list_of_an_empty_root(tmp_path: Path) -> None:
    facts = {entry.name: entry for entry in list_datasets(tmp_path)}
    assert [name for name, entry in facts.items() if entry.present] == ["debian"]
    assert [name for name, entry in facts.items() if not entry.needs_download] == [
        "debian",
        "ogbn-arxiv-synthetic",
    ]
    assert [name for name, entry in facts.items() if entry.synthetic] == [
        "ogbn-arxiv-synthetic",
        "minesweeper",
    ]
    assert all("synthetic" in e.description for e in facts.values() if e.synthetic)
    assert all(entry.description and entry.source for entry in facts.values())


def test_root_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GSLT_DATA", str(tmp_path / "there"))
    with pytest.raises(DataError, match="there"):
        load_dataset("cora")
    monkeypatch.delenv("GSLT_DATA")
    with pytest.raises(DataError, match="below dataset"):
        load_dataset("cora")


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
