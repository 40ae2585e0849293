"""Graphs as named arrays, each made by hand; real files where GSLT_DATA names their folder."""

from __future__ import annotations

import os
import pickle
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp
import torch
from torch_geometric.data import Data, HeteroData, InMemoryDataset

from gslt.data import as_dataset, load_dataset
from gslt.data.matrices import read_archive, read_mat, read_saved
from gslt.environment import raised
from gslt.errors import ConfigError, DataError, DataWarning

FORMATS = Path(os.environ.get("GSLT_DATA", "")) / "formats"
real = pytest.mark.skipif(not FORMATS.is_dir(), reason="GSLT_DATA names no folder with formats")

X = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [0.0, 0.0]], dtype=np.float32)
Y = np.array([0, 1, 1, 0])
EDGES = [[0, 1], [1, 2], [2, 3]]
SPLIT = {"train_mask": [1, 1, 0, 0], "val_mask": [0, 0, 1, 0], "test_mask": [0, 0, 0, 1]}


def sparse(name: str, matrix: Any) -> dict[str, Any]:
    m = sp.csr_matrix(matrix)
    parts = {"data": m.data, "indices": m.indices, "indptr": m.indptr, "shape": np.array(m.shape)}
    return {f"{name}_{part}": value for part, value in parts.items()}


def adjacency(*edges: tuple[int, int], weight: float = 1.0) -> Any:
    matrix = np.zeros((4, 4), dtype=np.float32)
    matrix[tuple(np.transpose(edges))] = weight
    return matrix


def write_gnnbench(path: Path, **changes: Any) -> Path:
    arrays = {
        **sparse("adj", adjacency((0, 1), (1, 2), (2, 3))),
        **sparse("attr", X),
        "labels": Y.astype(np.int8),
        "class_names": np.array(["red", "blue"]),
        **changes,
    }
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


def masks(**more: Any) -> dict[str, Any]:
    return {key: np.array(value, dtype=bool) for key, value in {**SPLIT, **more}.items()}


def test_gnnbench_by_hand(tmp_path: Path) -> None:
    data = load_dataset(str(write_gnnbench(tmp_path / "a.npz", **masks())))
    assert data.name == "a"
    assert data.x.tolist() == X.tolist()
    assert data.y.tolist() == [0, 1, 1, 0]
    assert data.class_names == ("red", "blue")
    # Each edge of the file stands once, and the layout is one of undirected graphs.
    assert data.edge_index.tolist() == [[1, 0, 2, 1, 3, 2], [0, 1, 1, 2, 2, 3]]
    assert [mask.tolist().index(True) for mask in data.splits.values()] == [0, 2, 3]
    kept = load_dataset(str(tmp_path / "a.npz"), undirected=False)
    assert kept.edge_index.tolist() == [[0, 1, 2], [1, 2, 3]]


def test_a_direction_in_an_undirected_layout_is_told(tmp_path: Path) -> None:
    matrix = adjacency((0, 1), (1, 0), (1, 2))
    path = write_gnnbench(tmp_path / "a.npz", **sparse("adj", matrix), **masks())
    with pytest.warns(DataWarning, match="1 of 3 edges have no reverse.*undirected=False"):
        assert load_dataset(str(path)).num_edges == 4
    assert load_dataset(str(path), undirected=False).num_edges == 3


def test_weights_of_edges_are_told(tmp_path: Path) -> None:
    parts = sparse("adj", adjacency((0, 1), (1, 2), weight=0.5))
    path = write_gnnbench(tmp_path / "a.npz", **parts, **masks())
    with pytest.warns(DataWarning, match="weights of the edges .* is not used"):
        load_dataset(str(path))


def test_dotted_names_and_labels_by_name(tmp_path: Path) -> None:
    """As newer files of gnn-benchmark are: ``adj_matrix.data``."""
    parts = {
        f"{stem}_matrix.{part.rpartition('_')[2]}": value
        for stem, matrix in (("adj", adjacency((0, 1), (1, 2), (2, 3))), ("attr", X))
        for part, value in sparse(stem, matrix).items()
    }
    np.savez(tmp_path / "a.npz", **parts, group=Y, **masks())
    with pytest.raises(DataError, match=r"a\.npz'.* no labels .* say which by y="):
        load_dataset(str(tmp_path / "a.npz"))
    data = load_dataset(str(tmp_path / "a.npz"), y="group")
    assert (data.y.tolist(), data.x.tolist()) == (Y.tolist(), X.tolist())
    with pytest.raises(ConfigError, match=r"^y='grp' names no array \(did you mean "):
        load_dataset(str(tmp_path / "a.npz"), y="grp")


def test_features_are_made_on_request(tmp_path: Path) -> None:
    attr = dict.fromkeys(sparse("attr", X))
    path = str(write_gnnbench(tmp_path / "a.npz", **attr, **masks()))
    with pytest.raises(DataError, match=r"no features.*features='degree'"):
        load_dataset(path)
    # ln(1 + 1) and ln(1 + 2), of the degrees 1, 2, 2, 1.
    degrees = load_dataset(path, features="degree").x
    assert degrees[:, 0].tolist() == pytest.approx(
        [0.693147, 1.098612, 1.098612, 0.693147], rel=1e-5
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (dict.fromkeys(sparse("adj", X)), "no edges"),
        ({"adj_indices": np.array([1, 2, 9], np.int32)}, "damaged or no graph"),
        ({"adj_indptr": np.array([0, 3, 2, 3, 3], np.int32)}, "damaged or no graph"),
        ({"adj_shape": np.array([4, 9])}, r"shape \(4, 9\); it must be \(nodes, nodes\)"),
        ({"adj_shape": np.array([4.0, 4.0])}, "parts that are no whole numbers"),
        ({"adj_shape": np.array(4)}, "parts that are no whole numbers"),
        ({"attr_shape": np.array([4, 2**40])}, "attr.* more than the limit|1024 times as large"),
        ({"labels": np.array([0, 1, 0.5, 1])}, r"y\[2\] is 0\.5; labels must be whole"),
        ({"labels": Y[:3]}, "3 labels for 4 nodes"),
        ({"labels": np.array([0, 1, object(), 1])}, "labels.npy holds object"),
        ({"test_mask": np.array([0, 0, 0, 2.0])}, r"test_mask\[3\] is 2\.0"),
        ({"test_mask": None}, "no test_mask"),
    ],
)
def test_broken_archives(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    path = write_gnnbench(tmp_path / "a.npz", **{**masks(), **changes})
    with pytest.raises((DataError, ConfigError), match=sentence) as refusal:
        load_dataset(str(path))
    assert "a.npz" in str(refusal.value)


def test_masks_of_several_splits(tmp_path: Path) -> None:
    stacks = {key.replace("val", "valid"): np.eye(4, dtype=bool)[:3].T for key in SPLIT}
    stacks["valid_mask"] = np.roll(stacks["valid_mask"], 1, axis=0)
    stacks["test_mask"] = np.roll(stacks["test_mask"], 2, axis=0)
    path = str(write_gnnbench(tmp_path / "a.npz", **stacks))
    with pytest.warns(DataWarning, match="1 of 2 classes have no training node"):
        data = load_dataset(path, split=1)
    assert data.split == 1
    assert [mask.tolist().index(True) for mask in data.splits.values()] == [1, 2, 3]
    with pytest.raises(ConfigError, match=r"split must lie in 0 … 2 .* got 3"):
        load_dataset(path, split=3)


def test_a_split_by_other_names(tmp_path: Path) -> None:
    nodes = {"idx_train": [0, 1], "idx_val": [2], "idx_test": [3]}
    texts = {"split": np.array(["train", "train", "val", "test"])}
    truths = dict(zip(("train", "valid", "test"), masks().values(), strict=True))
    for number, given in enumerate((nodes, texts, truths)):
        path = write_gnnbench(tmp_path / f"{number}.npz", **given)
        data = load_dataset(str(path))
        assert [mask.tolist() for mask in data.splits.values()] == [
            [bool(each) for each in mask] for mask in SPLIT.values()
        ]
    path = write_gnnbench(tmp_path / "a.npz", split=np.array([0, 0, 1, 2]))
    with pytest.raises(DataError, match=r"a\.npz'.* a split may be told by 'split'"):
        load_dataset(str(path))
    many = {"x": torch.eye(20), "y": torch.arange(20) % 2, "edge_index": torch.tensor([[0], [1]])}
    torch.save(
        {**many, "split": ["train", "train", "val", "val"] * 4 + ["train", "val", "test", ""]},
        tmp_path / "a.pt",
    )
    data = load_dataset(str(tmp_path / "a.pt"), undirected=True)
    assert [int(mask.sum()) for mask in data.splits.values()] == [9, 9, 1]
    torch.save({**many, "split_idx": [1, 2]}, tmp_path / "a.pt")
    with pytest.raises(DataError, match="a split may be told by 'split_idx'"):
        load_dataset(str(tmp_path / "a.pt"), undirected=True)
    load_dataset(str(tmp_path / "a.pt"), undirected=True, fractions=(0.6, 0.2, 0.2))


def test_two_features_labels_or_graphs_are_refused(tmp_path: Path) -> None:
    both = {"x": X, "y": Y[:, None], "edges": np.array(EDGES)[:, ::-1]}
    path = str(write_gnnbench(tmp_path / "a.npz", **masks(), **both))
    one = load_dataset(str(write_gnnbench(tmp_path / "b.npz", **masks())))
    assert load_dataset(path).content_hash == one.content_hash
    for changes, sentence in (
        ({"x": X + 1}, "x and attr may be the features, and they differ; say which by x='x'"),
        ({"y": 1 - Y}, "y and labels may be the labels, and they differ; say which by y='y'"),
        ({"edges": EDGES[:2]}, "of 4 edges in edges adj lacks 0, and it has 2 others"),
    ):
        path = str(write_gnnbench(tmp_path / "a.npz", **masks(), **changes))
        with pytest.raises(DataError, match=sentence):
            load_dataset(path)
    told = load_dataset(str(write_gnnbench(tmp_path / "a.npz", **masks(), x=X + 1)), x="attr")
    assert told.content_hash == one.content_hash
    # Names of the classes are none of the nodes' labels.
    write_gnnbench(tmp_path / "a.npz", **masks(), y=Y, labels=np.array(["red", "blue"]))
    load_dataset(str(tmp_path / "a.npz"))


def test_an_explicit_zero_is_no_edge(tmp_path: Path) -> None:
    matrix = sp.csr_matrix(adjacency((0, 1), (1, 2), (2, 3)))
    matrix.data[1] = 0
    stored = write_gnnbench(tmp_path / "a.npz", **sparse("adj", matrix), **masks())
    dense = {**dict.fromkeys(sparse("adj", X)), "adj": matrix.toarray()}
    whole = write_gnnbench(tmp_path / "b.npz", **dense, **masks())
    for path in (stored, whole):
        assert load_dataset(str(path)).edge_index.tolist() == [[1, 0, 3, 2], [0, 1, 2, 3]]
    for dense["adj"] in (matrix.toarray() * np.nan, None):
        matrix.data[1] = np.nan
        parts = sparse("adj", matrix) if dense["adj"] is None else dense
        with pytest.raises(DataError, match="adj holds NaN, an edge or none; write 0"):
            load_dataset(str(write_gnnbench(tmp_path / "a.npz", **parts, **masks())))


def test_a_dense_adjacency_that_torch_saved(tmp_path: Path) -> None:
    matrix = torch.from_numpy(adjacency((0, 1), (2, 0)))
    torch.save(graph(edge_index=None, adj=matrix), tmp_path / "a.pt")
    data = load_dataset(str(tmp_path / "a.pt"), undirected=False)
    assert data.edge_index.tolist() == [[0, 2], [1, 0]]


def test_data_of_edges_is_told_under_any_name(tmp_path: Path) -> None:
    more = {"edge_type": [0, 1, 2], "since": [7, 8, 9], "node_years": [1, 2, 3, 4]}
    arrays = {name: np.array(value) for name, value in more.items()}
    words = np.array([object(), None, 1])
    write_gnnbench(tmp_path / "a.npz", **masks(), **arrays, edge_words=words)
    tensors = {name: torch.tensor(value) for name, value in more.items()}
    torch.save(graph(**tensors, edge_words=["a", "b", "a"]), tmp_path / "a.pt")
    write_mat(tmp_path / "a.mat", **arrays)
    for path in tmp_path.iterdir():
        with pytest.warns(DataWarning) as said:
            load_dataset(str(path), undirected=True)
        names = [str(each.message).split("'a': ")[1].split(" of the edges (")[0] for each in said]
        words_too = [] if path.suffix == ".mat" else ["edge_words"]
        assert sorted(names) == ["edge_type", *words_too, "since"], path


# .mat


def write_mat(path: Path, **changes: Any) -> Path:
    values = {
        "edge_index": np.array(EDGES, dtype=np.int32).T,
        "node_feat": X,
        "label": Y[None],
        **{key: np.array([value]) for key, value in SPLIT.items()},
        **changes,
    }
    kept = {key: value for key, value in values.items() if value is not None}
    scipy.io.savemat(path, kept, do_compression=True)
    return path


def test_mat_by_hand(tmp_path: Path) -> None:
    data = load_dataset(str(write_mat(tmp_path / "a.mat")), undirected=False)
    assert data.x.tolist() == X.tolist()
    assert data.y.tolist() == Y.tolist()
    assert data.edge_index.tolist() == [[0, 1, 2], [1, 2, 3]]
    with pytest.warns(DataWarning, match="none of its 3 edges has its reverse"):
        load_dataset(str(tmp_path / "a.mat"))


def test_mat_with_sparse_matrices(tmp_path: Path) -> None:
    changes = {"A": sp.csc_matrix(adjacency((0, 1), (2, 0))), "node_feat": sp.csc_matrix(X)}
    path = write_mat(tmp_path / "a.mat", edge_index=None, **changes)
    data = load_dataset(str(path), undirected=False)
    assert sorted(data.edge_index.T.tolist()) == [[0, 1], [2, 0]]
    assert data.x.tolist() == X.tolist()


def test_mat_without_split_takes_a_random_one(tmp_path: Path) -> None:
    many = {"label": np.arange(20) % 2, "node_feat": np.eye(20), **dict.fromkeys(SPLIT)}
    path = str(write_mat(tmp_path / "a.mat", **many))
    with pytest.warns(DataWarning, match="no split of its own.*60 / 20 / 20 %, seed 0"):
        first = load_dataset(path, undirected=True)
    given = {"undirected": True, "fractions": (0.5, 0.25, 0.25)}
    second = load_dataset(path, split=1, **given)
    assert [int(mask.sum()) for mask in first.splits.values()] == [12, 4, 4]
    assert int(second.train_mask.sum()) == 10
    assert second.split == 1
    assert "seed 1" in second.source
    assert torch.equal(second.train_mask, load_dataset(path, split=1, **given).train_mask)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"edge_index": None}, "no edges"),
        ({"edge_index": np.array([[0, 4], [1, 2]])}, r"edge 1 is \(4, 2\)"),
        ({"edge_index": np.array([[0, 1.5], [1, 2]])}, r"edge_index\[0, 1\] is 1\.5"),
        ({"label": np.array(["a", "b", "c", "d"], dtype=object)}, "no labels"),
        ({"node_feat": X * np.nan}, "is nan"),
    ],
)
def test_broken_mat(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    path = write_mat(tmp_path / "a.mat", **changes)
    with pytest.raises(DataError, match=sentence):
        load_dataset(str(path), undirected=True)


def test_mat_of_other_versions_and_bombs(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(512))
    with pytest.raises(DataError, match=r"version 7\.3; save it there with -v7"):
        read_mat(path, None, None)
    bomb = zlib.compress(bytes(10**7), 9)
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    packed = b"".join(len(bomb).to_bytes(4, "little") and [(15).to_bytes(4, "little"), b""])
    path.write_bytes(head + packed + len(bomb).to_bytes(4, "little") + bomb)
    with raised(inflated_bytes=10**6), pytest.raises(ConfigError, match="unpacks to"):
        read_mat(path, None, None)


# .pt


def graph(**changes: Any) -> Data:
    values = {
        "x": torch.from_numpy(X),
        "y": torch.from_numpy(Y),
        "edge_index": torch.tensor(EDGES).T.contiguous(),
        **{key: torch.tensor(value, dtype=torch.bool) for key, value in SPLIT.items()},
    }
    return Data(**{**values, **changes})


def check_graph(path: Path) -> None:
    data = load_dataset(str(path), undirected=False)
    assert data.x.tolist() == X.tolist()
    assert data.y.tolist() == Y.tolist()
    assert data.edge_index.tolist() == [[0, 1, 2], [1, 2, 3]]
    assert [mask.tolist().index(True) for mask in data.splits.values()] == [0, 2, 3]


@pytest.mark.parametrize("kind", ["data", "collated", "processed", "old", "dict"])
def test_saved_by_hand(tmp_path: Path, kind: str) -> None:
    path, data = tmp_path / "data.pt", graph()
    collated, slices = InMemoryDataset.collate([data])
    if kind == "processed":
        InMemoryDataset.save([data], str(path))
    else:
        shapes = {"data": data, "collated": (collated, slices), "dict": data.to_dict()}
        torch.save({**shapes, "old": (data, None)}[kind], path)
    before = set(torch.serialization.get_safe_globals())
    check_graph(path)
    assert set(torch.serialization.get_safe_globals()) == before


LAYOUTS = {"coo": torch.sparse_coo, "csr": torch.sparse_csr, "csc": torch.sparse_csc}


def transposed(layout: str, weight: float = 1) -> torch.Tensor:
    """Row i holds the sources of node i; the entry of edge 0 → 1 is the weight."""
    source, target = torch.tensor(EDGES).T
    dense = torch.zeros(4, 4).index_put((target, source), torch.tensor([weight, 1.0, 1.0]))
    return dense.to_sparse(layout=LAYOUTS[layout])


@pytest.mark.filterwarnings("ignore:Sparse:UserWarning")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_transposed_adjacency_by_hand(tmp_path: Path, layout: str) -> None:
    data = graph(edge_index=None, adj_t=transposed(layout))
    torch.save(data, tmp_path / "data.pt")
    for found in (
        load_dataset(str(tmp_path / "data.pt"), undirected=False),
        as_dataset(data, undirected=False),
    ):
        assert sorted(found.edge_index.T.tolist()) == [[0, 1], [1, 2], [2, 3]]
    weighted = graph(edge_index=None, adj_t=transposed(layout, 0.5))
    with pytest.warns(
        DataWarning, match=r"weights in adj_t of the edges \(3 numbers from 0.5 to 1"
    ):
        as_dataset(weighted, undirected=False)
    torch.save(weighted, tmp_path / "data.pt")
    with pytest.warns(DataWarning, match=r"\(3 numbers from 0.5 to 1"):
        load_dataset(str(tmp_path / "data.pt"), undirected=False)


def test_an_adjacency_beside_edges_is_of_the_same_graph() -> None:
    edges = torch.tensor(EDGES).T
    as_dataset(graph(edge_index=edges, adj_t=transposed("coo")), undirected=False)
    said = "of 3 edges in edge_index adj_t lacks 1, and it has 0 others"
    fewer = torch.sparse_coo_tensor(edges.flip(0)[:, :2], torch.ones(2), (4, 4))
    with pytest.raises(DataError, match=said):
        as_dataset(graph(edge_index=edges, adj_t=fewer), undirected=False)


def test_a_sparse_tensor_of_torch_sparse() -> None:
    """As far as its two methods go: the package is not needed."""

    class SparseTensor:
        def sizes(self) -> list[int]:
            return [4, 4]

        def coo(self) -> tuple[Any, Any, None]:
            source, target = torch.tensor(EDGES).T
            return target, source, None

    found = as_dataset(graph(edge_index=None, adj_t=SparseTensor()), undirected=False)
    assert found.edge_index.tolist() == [[0, 1, 2], [1, 2, 3]]


@pytest.mark.filterwarnings("ignore:Sparse:UserWarning")
def test_a_damaged_adjacency_is_refused(tmp_path: Path) -> None:
    whole = transposed("csr")
    columns = whole.col_indices().clone()
    columns[0] = 10**6
    with torch.sparse.check_sparse_tensor_invariants(False):
        broken = torch.sparse_csr_tensor(whole.crow_indices(), columns, whole.values(), (4, 4))
        torch.save({**graph(edge_index=None).to_dict(), "adj_t": broken}, tmp_path / "a.pt")
    with pytest.raises(DataError, match=r"a\.pt"):
        load_dataset(str(tmp_path / "a.pt"))


class Runs:
    def __reduce__(self) -> Any:
        return os.mkdir, ("ran",)


def test_nothing_that_is_saved_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({**graph().to_dict(), "more": Runs()}, "a.pt")
    with pytest.raises(DataError, match=r"a\.pt'.* asks for (posix|nt)\.mkdir.* could run code"):
        load_dataset("a.pt")
    # Names that somebody listed as safe for torch are not safe for this.
    with torch.serialization.safe_globals([os.mkdir]):
        assert os.mkdir in torch.serialization.get_safe_globals()
        with pytest.raises(DataError, match="could run code"):
            load_dataset("a.pt")
        assert os.mkdir in torch.serialization.get_safe_globals()
    Path("b.pt").write_bytes(pickle.dumps(Runs()))
    with pytest.raises(DataError, match=r"b\.pt'.* before torch 1\.6"):
        load_dataset("b.pt")
    assert not Path("ran").exists()


def test_a_wrong_bit_of_a_saved_graph_is_refused_or_none_of_its_values(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save(graph().to_dict(), path)
    whole, expected = path.read_bytes(), load_dataset(str(path), undirected=False).content_hash
    refused = 0
    for number in range(0, 8 * len(whole), 97):
        data = bytearray(whole)
        data[number // 8] ^= 1 << number % 8
        path.write_bytes(data)
        try:
            assert load_dataset(str(path), undirected=False).content_hash == expected, number
        except (DataError, ConfigError):
            refused += 1
    assert refused > 20


def test_what_is_saved_and_no_graph(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    hetero = HeteroData()
    hetero["paper"].x = torch.ones(2, 2)
    collated, slices = InMemoryDataset.collate([graph(), graph()])
    cases = {
        r"hetero_data.HeteroData.*data.to_homogeneous\(\)": hetero,
        "holds 2 graphs": (collated, slices),
        "neither a Data nor a dict": torch.ones(3),
        r"adj_t must be a sparse matrix .*got of shape \(3,\)": graph(
            edge_index=None, adj_t=torch.ones(3)
        ),
        r"adj_t has shape \(4, 3\)": graph(edge_index=None, adj_t=torch.ones(4, 3).to_sparse()),
        "x is sparse": graph(x=torch.from_numpy(X).to_sparse()),
        "x repeats its entries": graph(x=torch.ones(1, 2).expand(4, 2)),
        "no edges": graph(edge_index=None),
        "no labels": graph(y=None),
    }
    for sentence, value in cases.items():
        torch.save(value, path)
        with pytest.raises(DataError, match=sentence):
            read_saved(path, None, None)
    torch.save(graph(), path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"a\.pt"):
        read_saved(path, None, None)


def test_a_saved_bomb_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", bytes(10**7))
    with raised(inflated_bytes=10**6), pytest.raises(ConfigError, match="unpacks to"):
        read_saved(tmp_path / "a.pt", None, None)


def test_an_edge_attribute_is_told(tmp_path: Path) -> None:
    torch.save(graph(edge_attr=torch.rand(3, 2)), tmp_path / "a.pt")
    with pytest.warns(DataWarning, match="edge_attr of the edges"):
        load_dataset(str(tmp_path / "a.pt"), undirected=False)


# Real files


@real
def test_real_gnnbench_cora() -> None:
    parts = read_archive(FORMATS / "gnnbench_cora.npz", None, None)
    assert parts.x.shape == (2708, 1433)
    assert parts.edge_index.shape == (2, 5429)
    assert parts.class_names[0] == "Case_Based"
    with pytest.warns(DataWarning, match="5,127 of 5,429 edges have no reverse"):
        data = load_dataset(str(FORMATS / "gnnbench_cora.npz"), fractions=(0.6, 0.2, 0.2))
    # The same graph as Planetoid's, with other numbers of nodes.
    assert (data.num_edges, data.num_classes) == (10_556, 7)
    assert torch.bincount(data.y).tolist() == [298, 418, 818, 426, 217, 180, 351]


@real
def test_real_chameleon_in_both_forms() -> None:
    with pytest.warns(DataWarning, match="name of chameleon, which is another graph: .* not 890"):
        whole = load_dataset(str(FORMATS / "chameleon.npz"), split=9)
    assert whole.name == "chameleon (another graph of 2,277 nodes)"
    assert (whole.num_nodes, whole.num_edges, whole.split) == (2277, 62_742, 9)
    path = str(FORMATS / "chameleon_filtered_directed.npz")
    with pytest.warns(DataWarning, match="4,174 of 13,534 edges have no reverse"):
        assert load_dataset(path).num_nodes == 890
    assert load_dataset(path, undirected=False).num_edges == 13_584


@real
def test_real_texas() -> None:
    # The class of a single node.
    with pytest.warns(DataWarning, match="1 of 5 classes"):
        data = load_dataset(str(FORMATS / "texas.mat"), fractions=(0.48, 0.32, 0.2))
    assert (data.num_nodes, data.num_features, data.num_classes) == (183, 1703, 5)
    assert torch.bincount(data.y).tolist() == [33, 1, 18, 101, 30]
