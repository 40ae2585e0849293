"""Tables of nodes and edges: what each column means, and what is refused."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

import pytest
import torch

from gslt.data import load_dataset
from gslt.data.dataset import NodeDataset
from gslt.data.parts import Parts, assemble
from gslt.data.roles import labels
from gslt.data.tables import read_tables, tables_of
from gslt.errors import DataError, DataWarning, MissingPackageError

NODES = "id,label,split,a,b\nx,dog,train,1,0.5\ny,cat,val,2,1e3\nz,dog,test,3,-1\n"
EDGES = "source,target\nx,y\nz,x\n"


def write(folder: Path, nodes: str = NODES, edges: str = EDGES, ending: str = "csv") -> Path:
    (folder / f"nodes.{ending}").write_text(nodes, encoding="utf-8")
    (folder / f"edges.{ending}").write_text(edges, encoding="utf-8")
    return folder


def read(folder: Path, x: str | None = None, y: str | None = None) -> Parts:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return read_tables(folder, x, y)


def made(parts: Parts) -> NodeDataset:
    with warnings.catch_warnings():
        # Of classes without training nodes.
        warnings.simplefilter("ignore", DataWarning)
        return assemble(parts, name="pets")


def test_what_each_column_means(tmp_path: Path) -> None:
    data = made(read(write(tmp_path)))
    assert data.x.tolist() == [[1.0, 0.5], [2.0, 1000.0], [3.0, -1.0]]
    assert data.edge_index.tolist() == [[0, 2], [1, 0]]
    assert data.y.tolist() == [1, 0, 1]
    assert data.class_names == ("cat", "dog")
    assert [mask.nonzero().tolist() for mask in data.splits.values()] == [[[0]], [[1]], [[2]]]


def test_tabs_quotes_and_a_mark_of_byte_order(tmp_path: Path) -> None:
    nodes = '\ufeffid\tlabel\t"a\tb"\r\n"x ""1"""\t0\t1\r\ny\t1\t2\r\n'
    parts = read(write(tmp_path, nodes, 'source\ttarget\n"x ""1"""\ty\n', "tsv"))
    assert parts.node_names == ['x "1"', "y"]
    assert parts.x.tolist() == [[1.0], [2.0]]
    assert parts.edge_index.tolist() == [[0], [1]]


def test_a_table_is_found_from_the_other(tmp_path: Path) -> None:
    write(tmp_path)
    found = (tmp_path / "nodes.csv", tmp_path / "edges.csv")
    assert tables_of(tmp_path) == tables_of(tmp_path / "edges.csv") == found
    assert tables_of(tmp_path / "other.csv") is None
    (tmp_path / "nodes.tsv").touch()
    with pytest.raises(DataError, match=r"is there as nodes\.csv and nodes\.tsv; keep one"):
        tables_of(tmp_path)
    (tmp_path / "edges.csv").unlink()
    (tmp_path / "nodes.tsv").unlink()
    with pytest.raises(DataError, match="the table of edges is missing"):
        tables_of(tmp_path)


def test_without_ids_edges_name_rows(tmp_path: Path) -> None:
    write(tmp_path, "label,a\n0,1\n1,2\n-1,3\n", "from,to\n2,0\n1,1\n")
    parts = read(tmp_path)
    assert parts.edge_index.tolist() == [[2, 1], [0, 1]]
    assert parts.y.tolist() == [0, 1, -1]


def test_an_empty_label_is_none(tmp_path: Path) -> None:
    write(tmp_path, "label,a\n0,1\n,2\n2,3\n", "from,to\n2,0\n")
    assert assemble_y(tmp_path) == [0, -1, 2]
    write(tmp_path, "label,a\nred,1\n,2\nblue,3\n", "from,to\n2,0\n")
    assert assemble_y(tmp_path) == [1, -1, 0]


def assemble_y(folder: Path) -> list[int]:
    return list(labels(read(folder).y)[0].tolist())


def test_several_splits_and_masks(tmp_path: Path) -> None:
    write(
        tmp_path,
        "label,a,split_0,split_1\n0,1,train,test\n1,2,val,train\n0,3,test,valid\n",
        "u,v\n0,1\n1,2\n",
    )
    parts = read(tmp_path)
    assert parts.val_mask.tolist() == [[False, False], [True, False], [False, True]]
    head = "label,a,train_mask,valid_mask,test_mask\n"
    write(tmp_path, head + "0,1,True,false,0\n1,2,FALSE,true,0\n", "u,v\n0,1\n")
    assert read(tmp_path).val_mask.tolist() == [False, True]


def test_features_by_name_and_what_is_left(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.warns(DataWarning, match=r"1 columns of nodes are not used \('a'\)"):
        parts = read_tables(tmp_path, "b", None)
    assert parts.x.tolist() == [[0.5], [1000.0], [-1.0]]
    write(tmp_path, ",id,label,a\n0,x,0,5\n1,y,1,6\n2,z,0,7\n")
    with pytest.warns(DataWarning, match=r"not used \(''\)"):
        assert read_tables(tmp_path, None, None).x.tolist() == [[5.0], [6.0], [7.0]]


def test_data_of_edges_is_told(tmp_path: Path) -> None:
    write(tmp_path, edges="source,target,weight\nx,y,2\nz,x,1\n")
    assert read(tmp_path).edge_data["weight"].tolist() == [2, 1]
    write(tmp_path, edges="Source,Target,Type\nx,y,Undirected\nz,x,Undirected\n")
    assert made(read(tmp_path)).num_edges == 4


REFUSED_NODES = {
    "id,label,a\nx,0,1\nx,1,2\n": "'x' is in rows 1 and 2",
    "id,label,a\nx,0,1\n,1,2\n": "row 2 has no id",
    "id,label,a\nx,0,1\ny,1\n": "line 3 has 2 entries",
    "id,label,a\nx,0,1\ny,1,2,3\n": "line 3 has 4 entries",
    "id,label,a\nx,0,1\n\ny,1,2\n": "line 3 has 0 entries",
    "id,label,a\nx,0,one\ny,1,2\n": "row 1 of column 'a': 'one' is no number",
    "id,label,a\nx,0,\ny,1,2\n": "row 1 of column 'a': there is no number",
    "id,label,a\nx,0,1_000\ny,1,2\n": "'1_000' is no number",
    "id,label,a\nx,0,0x10\ny,1,2\n": "'0x10' is no number",
    "id,label,a\nx,0,nan\ny,1,2\n": "'nan' is no number",
    "id,label,a\nx,0,16777217\ny,1,2\n": "float32 cannot hold exactly",
    "id,label,a\nx,0,1\ny,cat,2\n": "label holds numbers, such as '0', and texts, such as 'cat'",
    "id,label,a\nx,NA,1\ny,cat,2\n": "label is 'NA', a class or none",
    "id,label,a\nx,0.5,1\ny,1,2\n": "0.5",
    "id,label,a\nx,-2,1\ny,1,2\n": "-2",
    "id,label,a,a\nx,0,1,1\ny,1,2,2\n": "the column 'a' is there twice",
    "id,ID,label,a\nx,x,0,1\ny,y,1,2\n": "'id' is there twice",
    "id,label,y,a\nx,0,0,1\ny,1,0,2\n": "label and y may be the labels; say which by y='NAME'",
    "id,x,y\nx,0,1\ny,1,2\n": "no column is named label",
    "id,a\nx,0\ny,1\n": "no column is named label",
    "0,1,2\nx,0,1\n": "begin with the names",
    "id;label;a\nx;0;1\n": "separate columns by commas",
    "id,label,split,a\nx,0,train,1\ny,1,tset,2\n": "'tset'; it must be 'train'",
    "id,label,train_mask,a\nx,0,1,1\ny,1,0,2\n": "only train_mask; give all three",
    "id,label,split_0,split_2,a\nx,0,train,val,1\ny,1,test,val,2\n": "number them from 0",
    'id,label,a\nx,0,"1\ny,1,2\n': "unexpected end of data",
    "id,label,a\n": "it has no rows",
    "": "it has no rows",
    "id,label,a\nx,0,1\0\ny,1,2\n": "damaged or no table",
}


@pytest.mark.parametrize("nodes", REFUSED_NODES, ids=lambda text: ascii(text)[:60])
def test_nodes_that_are_refused(nodes: str, tmp_path: Path) -> None:
    write(tmp_path, nodes, "source,target\nx,y\n")
    with pytest.raises(DataError, match=REFUSED_NODES[nodes]):
        labels(read(tmp_path).y)


@pytest.mark.parametrize(
    ("edges", "says"),
    [
        ("source,target\nx,q\n", "row 1: target is 'q', which names no node"),
        ("source,target\nx,\n", "target is empty"),
        ("source,target\nx\n", "line 2 has 1 entries"),
        ("a,b,c\nx,y,z\n", "it needs the columns source and target; there are 'a', 'b', 'c'"),
        ("source,target\n", "it has no rows"),
    ],
)
def test_edges_that_are_refused(edges: str, says: str, tmp_path: Path) -> None:
    write(tmp_path, edges=edges)
    with pytest.raises(DataError, match=says):
        read(tmp_path)


@pytest.mark.parametrize("end", ["-1", "3", "0.5", "", "x", "1e30"])
def test_rows_that_are_none(end: str, tmp_path: Path) -> None:
    write(tmp_path, "label,a\n0,1\n1,2\n0,3\n", f"source,target\n0,1\n{end},1\n")
    with pytest.raises(DataError, match=r"edges\.csv"):
        read(tmp_path)


def test_text_columns_are_refused_with_a_cure_that_works(tmp_path: Path) -> None:
    write(tmp_path, "id,label,title,a\nx,0,One,1\ny,1,Two,2\nz,0,Three,3\n")
    with pytest.raises(DataError, match="'One' is no number; name the features by x='NAME,NAME'"):
        read(tmp_path)
    with pytest.warns(DataWarning, match="'title'"):
        assert read_tables(tmp_path, "a", None).x.tolist() == [[1.0], [2.0], [3.0]]


def test_parquet_needs_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    write(tmp_path, ending="parquet")
    with pytest.raises(MissingPackageError, match="run: pip install pyarrow"):
        read(tmp_path)


def test_parquet(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    nodes = {
        "id": [7, 8, 9],
        "label": ["b", None, "a"],
        "a": [1, 2, 3],
        "v": [[0.5, 1], [2, 3], [4, 5]],
    }
    parquet.write_table(pa.table(nodes), tmp_path / "nodes.parquet")
    edges = pa.table({"src": [7, 9], "dst": [9, 8]})
    parquet.write_table(edges, tmp_path / "edges.parquet")
    parts = read(tmp_path)
    assert parts.x.tolist() == [[1.0, 0.5, 1.0], [2.0, 2.0, 3.0], [3.0, 4.0, 5.0]]
    assert torch.equal(torch.tensor(parts.edge_index), torch.tensor([[0, 2], [2, 1]]))
    assert parts.y == ["b", "", "a"]
    parquet.write_table(
        edges,
        tmp_path / "edges.parquet",
        write_page_checksum=True,
        use_dictionary=False,
        compression="none",
    )
    content = (tmp_path / "edges.parquet").read_bytes()
    # A 9 that becomes an 8 is a node too.
    wrong = content.replace((9).to_bytes(8, "little"), (8).to_bytes(8, "little"))
    for broken in (content[:-20], wrong):
        (tmp_path / "edges.parquet").write_bytes(broken)
        with pytest.raises(DataError, match=r"edges\.parquet"):
            read(tmp_path)


@pytest.mark.parametrize("names", ["train,val,test", "idx_train,idx_valid,idx_test"])
def test_a_split_in_three_columns_is_no_feature(names: str, tmp_path: Path) -> None:
    write(tmp_path, f"id,label,{names},a\nx,0,1,0,0,5\ny,1,0,1,0,6\nz,0,0,0,1,7\n")
    data = made(read(tmp_path))
    assert data.x.tolist() == [[5.0], [6.0], [7.0]]
    assert [mask.nonzero().tolist() for mask in data.splits.values()] == [[[0]], [[1]], [[2]]]


@pytest.mark.parametrize("name", ["fold", "is_train", "Test"])
def test_a_split_that_is_not_understood_is_refused(name: str, tmp_path: Path) -> None:
    rows = "".join(f"{i},{i % 2},{i % 3 % 2},{i}\n" for i in range(12))
    edges = "source,target\n0,1\n1,0\n"
    write(tmp_path, f"id,label,{name},value\n{rows}", edges)
    with (
        pytest.warns(DataWarning, match=f"not used \\('{name}'\\)"),
        pytest.raises(DataError, match=f"a split may be told by '{name}'"),
    ):
        load_dataset(tmp_path)
    with pytest.warns(DataWarning, match=f"not used \\('{name}'\\)"):
        data = load_dataset(tmp_path, fractions=(0.5, 0.25, 0.25))
    assert data.x.flatten().tolist() == list(range(12))
    with pytest.warns(DataWarning, match="no split of its own"):
        assert load_dataset(tmp_path, x=f"{name},value").num_features == 2


@pytest.mark.parametrize("name", ["y", "node_id", "set"])
def test_ids_labels_and_splits_are_no_features(name: str, tmp_path: Path) -> None:
    write(tmp_path, NODES.replace("a,b", f"{name},b"))
    y = "label" if name == "y" else None
    with pytest.warns(DataWarning, match=rf"1 columns of nodes are not used \('{name}'\)"):
        assert read_tables(tmp_path, None, y).x.tolist() == [[0.5], [1000.0], [-1.0]]
    with pytest.warns(DataWarning, match=r"not used \('b'\)"):
        assert read_tables(tmp_path, name, y).x.tolist() == [[1.0], [2.0], [3.0]]


def test_labels_among_the_features_are_told(tmp_path: Path) -> None:
    rows = "".join(f"{i},{'ab'[i % 2]},{3 - i % 2},{i}\n" for i in range(10))
    write(tmp_path, f"id,label,label_id,a\n{rows}", "source,target\n0,1\n")
    with pytest.warns(DataWarning, match=r"1 features .*\('label_id'\).* the labels once more"):
        parts = read_tables(tmp_path, None, None)
    assert parts.x.tolist()[:2] == [[3.0, 0.0], [2.0, 1.0]]
    assert read(tmp_path, x="label_id,a").x.shape == (10, 2)
    # One value that is not the class's, and nothing is told.
    write(tmp_path, f"id,label,label_id,a\n{rows.replace('9,b,2', '9,b,3')}", "u,v\n0,1\n")
    read(tmp_path)


def test_edges_without_a_header_are_refused(tmp_path: Path) -> None:
    write(tmp_path, edges="x,y\nz,x\n")
    with pytest.raises(DataError, match="its first line, 'x', 'y', names two nodes; begin with"):
        read(tmp_path)
    write(tmp_path, edges="x,other\nz,x\n")
    assert read(tmp_path).edge_index.tolist() == [[2], [0]]


def test_directions_of_gephi(tmp_path: Path) -> None:
    write(tmp_path, edges="Source,Target,Type\nx,y,Directed\nz,x,Directed\n")
    directed = read(tmp_path)
    assert directed.undirected is False
    assert not directed.edge_data
    write(tmp_path, edges="Source,Target,Type\nx,y,Directed\nz,x,Undirected\nz,z,Undirected\n")
    mixed = read(tmp_path)
    assert mixed.undirected is False
    assert mixed.edge_index.tolist() == [[0, 2, 2, 0], [1, 0, 2, 2]]
    write(tmp_path, edges="Source,Target,Type\nx,y,Mutual\nz,x,Directed\n")
    assert read(tmp_path).edge_data == {"Type": ["Mutual", "Directed"]}


@pytest.mark.parametrize("number", ["1234567890123456789", "16777217", "9" * 30])
def test_whole_numbers_are_not_rounded(number: str, tmp_path: Path) -> None:
    write(tmp_path, f"id,label,a\nx,0,0.5\ny,1,{number}\n")
    with pytest.raises(DataError, match=f"row 2 of column 'a': float32 cannot hold {number}"):
        read(tmp_path)
    write(tmp_path, "id,label,a\nx,0,16777217.5\ny,1,33554432\n", "source,target\nx,y\n")
    assert read(tmp_path).x.tolist() == [[16777218.0], [33554432.0]]


def test_padded_classes_are_not_merged(tmp_path: Path) -> None:
    write(tmp_path, "id,label,a\nx,01,1\ny,1,2\n", "source,target\nx,y\n")
    with pytest.raises(DataError, match="row 2: label is '1', the same number as '01'"):
        read(tmp_path)
    write(tmp_path, "id,label,a\nx,1,1\ny,00,2\nz,1.0,3\n")
    assert assemble_y(tmp_path) == [1, 0, 1]


def test_an_unclear_id_is_told(tmp_path: Path) -> None:
    write(tmp_path, NODES.replace("y,cat", "NA,cat"), "source,target\nx,NA\n")
    with pytest.warns(DataWarning, match="row 2: the id 'NA' may be a missing one"):
        assert read_tables(tmp_path, None, None).edge_index.tolist() == [[0], [1]]


def test_a_missing_weight_is_no_text(tmp_path: Path) -> None:
    write(tmp_path, edges="source,target,weight\nx,y,2\nz,x,nan\ny,z,\n")
    weights = read(tmp_path).edge_data["weight"]
    assert weights[0] == 2
    assert [weight != weight for weight in weights] == [False, True, True]
