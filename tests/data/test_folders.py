"""Folders and archives of one graph, known by what is in them."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch_geometric.data import Data, InMemoryDataset

import gslt
from gslt.data.folders import read_folder
from gslt.data.unsplit import load_shchur, load_twitch
from gslt.data.webkb import webkb_files
from gslt.environment import raised
from gslt.errors import ConfigError, DataError, DataWarning

pytestmark = pytest.mark.filterwarnings("ignore::gslt.errors.DataWarning")


def tables(folder: Path) -> Path:
    folder.mkdir(parents=True)
    rows = [f"n{i},{i % 2},{i},{('train', 'train', 'val', 'test')[i % 4]}" for i in range(8)]
    (folder / "nodes.csv").write_text("\n".join(["id,label,a,split", *rows]))
    edges = [f"n{i},n{(i + 1) % 8}" for i in range(8)]
    (folder / "edges.csv").write_text("\n".join(["source,target", *edges]))
    return folder


def zipped(folder: Path, archive: Path, inside: str = "") -> Path:
    with zipfile.ZipFile(archive, "w") as file:
        for path in folder.rglob("*"):
            if path.is_file():
                file.write(path, inside + str(path.relative_to(folder)))
    return archive


def webkb(folder: Path, name: str = "texas") -> Path:
    folder.mkdir(parents=True)
    lines = [f"{i}\t{i % 2},1,0\t{i % 5}" for i in range(10)]
    (folder / "out1_node_feature_label.txt").write_text(
        "\n".join(["node_id\tfeature\tlabel", *lines]) + "\n"
    )
    (folder / "out1_graph_edges.txt").write_text("node_id\tnode_id\n0\t1\n2\t1\n0\t1\n")
    for split in range(10):
        masks = np.zeros((3, 10), np.uint8)
        masks[0, :6], masks[1, 6:8], masks[2, 8:] = 1, 1, 1
        masks = np.roll(masks, split, axis=1)
        np.savez(
            folder / webkb_files(name)[2 + split],
            train_mask=masks[0],
            val_mask=masks[1],
            test_mask=masks[2],
        )
    return folder


def shchur(path: Path) -> Path:
    path.parent.mkdir(parents=True)
    rows = [0, 0, 1, 3], [0, 1, 2, 4]
    edges = sp.csr_matrix((np.ones(4, np.float32), rows), shape=(10, 10))
    words = sp.csr_matrix(np.eye(10, 3, dtype=np.float32) * 5)
    parts = {
        f"{name}_{part}": np.asarray(getattr(matrix, part))
        for name, matrix in (("adj", edges), ("attr", words))
        for part in ("data", "indices", "indptr", "shape")
    }
    np.savez(path, labels=np.arange(10) % 2, **parts)
    return path


def test_a_zip_is_what_its_folder_is(tmp_path: Path) -> None:
    folder = tables(tmp_path / "club")
    data = gslt.load_dataset(str(folder))
    assert data.name == "club"
    for inside in ("", "club/", "a/b/"):
        archive = zipped(folder, tmp_path / "club.zip", inside)
        again = gslt.load_dataset(str(archive))
        assert (again.name, again.x.tolist()) == ("club", data.x.tolist())
        assert torch.equal(again.edge_index, data.edge_index)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["club", "club.zip"]
    assert gslt.load_dataset(str(folder / "edges.csv")).name == "club"


def test_a_table_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="is not named nodes or edges"):
        gslt.load_dataset(str(tmp_path / "mine.csv"))


def test_options_of_tables(tmp_path: Path) -> None:
    folder = tables(tmp_path / "club")
    data = gslt.load_dataset(str(folder), split=3, undirected=True, fractions=(0.5, 0.25, 0.25))
    assert (data.num_edges, data.split) == (16, 3)
    with pytest.raises(DataError, match="has 1 features; leave features='degree' out"):
        gslt.load_dataset(str(folder), features="degree")
    with pytest.raises(ConfigError, match="has one split, so split must be 0"):
        read_folder(folder, "club", 1)
    # What others made is read in one way.
    raw = webkb(tmp_path / "texas" / "raw")
    with pytest.raises(ConfigError, match="y is for tables and single files; leave it out"):
        gslt.load_dataset(str(raw), y="label")
    with pytest.raises(ConfigError, match="undirected is for tables and single files"):
        gslt.load_dataset("debian", undirected=True)


def test_tables_without_features_or_split(tmp_path: Path) -> None:
    folder = tables(tmp_path / "club")
    (folder / "nodes.csv").write_text("label\n" + "0\n1\n" * 5)
    (folder / "edges.csv").write_text("a,b\n0,1\n")
    with pytest.warns(DataWarning, match="there is no split of its own"):
        data = gslt.load_dataset(f"{folder}?features=constant", split=1)
    assert data.split == 1
    with pytest.raises(DataError, match="have them made: features='degree'"):
        read_folder(folder, "club")


@pytest.mark.usefixtures("any_counts")
def test_webkb(tmp_path: Path) -> None:
    raw = webkb(tmp_path / "texas" / "raw")
    for path in (raw, raw.parent):
        data = gslt.load_dataset(str(path))
        assert data.x[:2].tolist() == [[0, 1, 0], [1, 1, 0]]
        assert data.edge_index.tolist() == [[0, 2], [1, 1]]
        assert data.y.tolist() == [0, 1, 2, 3, 4] * 2
    data = gslt.load_dataset("Texas", tmp_path, split=2)
    assert data.train_mask.nonzero().squeeze().tolist() == [2, 3, 4, 5, 6, 7]
    with pytest.raises(ConfigError, match="split must lie in 0 … 9"):
        gslt.load_dataset("texas", tmp_path, split=10)


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        (0, "\n1\t", "\n7\t", "not numbered"),
        (0, "0,1,0\t0", "0,1\t0", "different numbers of features"),
        (0, "0,1,0\t0", "0,2,0\t0", "'2' among the features is neither 0 nor 1"),
        (0, "\t4\n", "\t4.5\n", "4.5"),
        (0, "\t4\n", "\t7\n", "7"),
        (0, "node_id", "id", "its first line"),
        (1, "2\t1", "2\t-1", "line 3 does not name two nodes"),
        (1, "2\t1", "2\t10", "10"),
        (1, "2\t1", "2", "line 3 has 1 columns"),
    ],
)
def test_webkb_damaged(tmp_path: Path, file: int, old: str, new: str, says: str) -> None:
    raw = webkb(tmp_path / "raw")
    path = raw / webkb_files("texas")[file]
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=says):
        gslt.load_dataset(str(raw))


@pytest.mark.usefixtures("any_counts")
def test_amazon_and_coauthor_as_pyg_has_them(tmp_path: Path) -> None:
    path = shchur(tmp_path / "Photo" / "raw" / "amazon_electronics_photo.npz")
    with pytest.warns(DataWarning, match=r"split at random within each class \(60 / 20 / 20 %"):
        data = gslt.load_dataset("amazon-photo", tmp_path, split=1)
    # No self-loop, each edge in both directions, words 0 or 1.
    assert data.edge_index.tolist() == [[1, 0, 2, 1, 4, 3], [0, 1, 1, 2, 3, 4]]
    assert data.x[:3].tolist() == torch.eye(3).tolist()
    assert (data.split, gslt.load_dataset(str(path.parent.parent)).name) == (1, "Photo")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match="photo"):
        load_shchur(path, "amazon-photo")


@pytest.mark.usefixtures("any_counts")
def test_twitch(tmp_path: Path) -> None:
    (tmp_path / "twitch").mkdir()
    path = tmp_path / "twitch" / "DE.npz"
    with pytest.raises(DataError, match=r"put DE\.npz of PyG's data set Twitch .* there"):
        gslt.load_dataset("twitch-de", tmp_path)
    with pytest.raises(ConfigError, match=r"nothing is known .* at .*twitch/DE\.npz"):
        gslt.data.download_dataset("twitch-de", tmp_path)
    edges = np.array([[0, 1], [2, 2]])
    np.savez(path, features=np.ones((10, 2)), target=np.arange(10) % 2, edges=edges)
    data = gslt.load_dataset("twitch-de", tmp_path)
    assert data.edge_index.tolist() == [[1, 0, 2], [0, 1, 2]]
    np.savez(path, features=np.ones((10, 2)), target=np.arange(10) % 2, edges=edges - 1)
    with pytest.raises(DataError, match="-1"):
        load_twitch(path, "twitch-de")


def test_planetoid_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"OGB's layout"):
        gslt.load_dataset(str(tmp_path))
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "ind.cora.x").touch()
    with pytest.raises(DataError, match=r"cora lacks the file ind\.cora\.tx"):
        gslt.load_dataset(str(tmp_path))
    (tmp_path / "raw" / "ind.citeseer.x").touch()
    with pytest.raises(DataError, match=r"holds citeseer, cora; name a file of one"):
        gslt.load_dataset(str(tmp_path / "raw"))
    with pytest.raises(DataError, match=r"cora lacks the file"):
        gslt.load_dataset(str(tmp_path / "raw" / "ind.cora.x"))
    (tmp_path / "raw" / "ind.citeseer.x").unlink()
    (tmp_path / "raw" / "ind.cora.x").rename(tmp_path / "raw" / "ind.nell.x")
    with pytest.raises(DataError, match="'nell' is none of Planetoid's"):
        gslt.load_dataset(str(tmp_path))


def test_cora_by_path_is_cora_by_name() -> None:
    root = gslt.data.catalogue.data_root(None)
    if not (root / "planetoid" / "Cora").is_dir():
        pytest.skip("Cora is not there; set GSLT_DATA to the folder that holds it")
    by_name = gslt.load_dataset("cora")
    for path in (root / "planetoid" / "Cora", root / "planetoid" / "Cora" / "raw"):
        data = gslt.load_dataset(str(path))
        assert data.name == "cora"
        assert torch.equal(data.edge_index, by_name.edge_index)


def test_archives_that_swell_or_hold_nothing(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("nodes.csv", bytes(10**7))
    with raised(inflated_bytes=10**6), pytest.raises(ConfigError, match="unpacks to 10,000,000"):
        gslt.load_dataset(str(archive))
    archive.write_bytes(b"PK no archive")
    with pytest.raises(DataError, match="is damaged or no zip archive"):
        gslt.load_dataset(str(archive))
    empty = tmp_path / "empty"
    empty.mkdir()
    zipped(empty, archive)
    with pytest.raises(DataError):
        gslt.load_dataset(str(archive))
    shutil.rmtree(empty)


def saved(folder: Path) -> Path:
    """What PyG leaves of a data set whose raw files were removed."""
    (folder / "processed").mkdir(parents=True)
    nodes = torch.arange(8)
    data = Data(
        x=nodes[:, None].float(),
        y=nodes % 2,
        edge_index=torch.stack([nodes, (nodes + 1) % 8]),
        train_mask=nodes < 4,
        val_mask=(nodes >= 4) & (nodes < 6),
        test_mask=nodes >= 6,
    )
    InMemoryDataset.save([data], str(folder / "processed" / "data.pt"))
    for name in ("pre_transform", "pre_filter"):
        torch.save("None", folder / "processed" / f"{name}.pt")
    return folder


def test_what_pyg_saved_is_read_where_nothing_else_is(tmp_path: Path) -> None:
    folder = saved(tmp_path / "Mine")
    archive = zipped(folder, tmp_path / "Mine.zip", "Mine/")
    found = [
        gslt.load_dataset(str(path), undirected=True)
        for path in (folder, folder / "processed", folder / "processed" / "data.pt", archive)
    ]
    assert [each.name for each in found] == ["Mine", "Mine", "data", "Mine"]
    assert len({each.content_hash for each in found}) == 1
    assert found[0].num_edges == 16
    (folder / "processed" / "other.pt").write_bytes((folder / "processed/data.pt").read_bytes())
    with pytest.raises(
        DataError, match=r"holds several graphs, data\.pt, other\.pt; name the"
    ) as e:
        gslt.load_dataset(str(folder))
    advised = str(e.value).rpartition("such as ")[2].strip("'")
    assert gslt.load_dataset(advised, undirected=True).content_hash == found[0].content_hash
    # With raw files they count.
    tables(tmp_path / "both")
    saved(tmp_path / "both")
    assert gslt.load_dataset(str(tmp_path / "both")).source == "tables of both"
