"""Files of every kind through the one front door, made by hand, and gslt's own file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch
from scipy.io import savemat

from gslt.cli.main import main
from gslt.data import NodeDataset, load_dataset
from gslt.data.formats import ENDINGS
from gslt.data.networks import read_network
from gslt.data.options import ReadOptions, split_address, with_options
from gslt.data.stored import is_stored
from gslt.errors import ConfigError, DataError, DataWarning

FORMATS = Path(os.environ.get("GSLT_DATA", "")) / "formats"
TENSORS = ("x", "edge_index", "y", "train_mask", "val_mask", "test_mask")


def club() -> nx.Graph:
    graph = nx.Graph()
    for node in range(12):
        graph.add_node(node, size=float(node), group="ab"[node % 2])
    nx.add_cycle(graph, range(12))
    return graph


def write(path: Path) -> Path:
    if path.suffix == ".json":
        path.write_text(json.dumps(nx.node_link_data(club(), edges="links")))
    else:
        (nx.write_gml if path.suffix == ".gml" else nx.write_graphml)(club(), path)
    return path


@pytest.mark.parametrize("ending", [".graphml", ".gml", ".json"])
def test_networks_by_hand(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"club{ending}")
    assert len(read_network(path)) == 12
    data = load_dataset(f"{path}?y=group&x=size&fractions=0.5,0.25,0.25")
    assert data.x[:, 0].tolist() == list(range(12))
    assert data.y.tolist() == [0, 1] * 6
    assert data.class_names == ("a", "b")
    assert data.num_edges == 24


def test_numbers_of_gml_are_whole_words(tmp_path: Path) -> None:
    """NetworkX alone reads 1e-5 as 1 and an attribute named e."""
    path = write(tmp_path / "club.gml")
    text = path.read_text().replace("size 3.0", "size 3e-5 # 9e-5").replace("size 4.0", "size 4E2")
    path.write_text(text.replace('group "a"', 'group "1e5 [#"'))
    data = load_dataset(f"{path}?y=group&x=size&fractions=0.5,0.25,0.25")
    assert data.x[:6, 0].tolist() == pytest.approx([0, 1, 2, 3e-5, 400, 5])
    assert data.class_names == ("1e5 [#", "b")
    path.write_text(text.replace("size 5.0", "size 5oops"))
    with pytest.raises(DataError, match=r"'5oops' is neither a name nor a number"):
        load_dataset(f"{path}?y=group&x=size")


def test_a_document_type_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.graphml"
    path.write_text('<!DOCTYPE g [<!ENTITY a "b">]><graphml><graph/></graphml>')
    with pytest.raises(DataError, match="document type"):
        load_dataset(str(path))


def test_convert_gives_the_same_back(tmp_path: Path, blocks: NodeDataset) -> None:
    path = tmp_path / "blocks.safetensors"
    blocks.save(path)
    again = load_dataset(str(path))
    assert is_stored(path)
    assert all(torch.equal(getattr(again, name), getattr(blocks, name)) for name in TENSORS)
    assert again.content_hash == blocks.content_hash
    assert (again.name, again.synthetic) == (blocks.name, True)
    assert main(["data", "convert", str(path), str(tmp_path / "b.safetensors")]) == 0
    assert (tmp_path / "b.safetensors").read_bytes() == path.read_bytes()
    (tmp_path / "c.safetensors").write_text("mine")
    assert main(["data", "convert", str(path), str(tmp_path / "c.safetensors")]) == 2
    path.write_bytes(path.read_bytes()[:-1] + b"\2")
    with pytest.raises(DataError, match=r"blocks\.safetensors"):
        load_dataset(str(path))
    with pytest.raises(DataError, match=r"name it blocks\.safetensors"):
        blocks.save(tmp_path / "blocks.npz")


def test_an_address_says_how_a_file_is_read() -> None:
    options = ReadOptions(y="my club", undirected=True, fractions=(0.5, 0.25, 0.25))
    assert split_address(with_options("a.gml", options)) == ("a.gml", options)
    with pytest.raises(ConfigError, match="no option 'z'"):
        split_address("a.gml?z=1")


def test_a_file_beats_a_known_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cora").write_text("")
    with pytest.raises(DataWarning, match="not the data set cora"):
        load_dataset("cora")


def test_another_ending_is_refused_with_those_that_are_read(tmp_path: Path) -> None:
    path = tmp_path / "graph.dot"
    path.write_text("graph {}")
    with pytest.raises(ConfigError, match=r"'graph\.dot' ends in none of ") as refused:
        load_dataset(str(path))
    assert all(f"{ending}, " in f"{refused.value}" for ending in ENDINGS[:-1])
    assert f"{ENDINGS[-1]}, by which" in str(refused.value)


@pytest.mark.parametrize("more", [(), ("side",)])
def test_names_of_nodes_are_no_classes(tmp_path: Path, more: tuple[str, ...]) -> None:
    """As in networks of books and of people: the sentence is followed, and that works."""
    graph, path = club(), tmp_path / "people.graphml"
    for node in graph:
        graph.nodes[node].update(label=f"person {node}", born=f"18{10 + node}", weight=0.5)
        graph.nodes[node].update(dict.fromkeys(more, ("left", "right")[node % 2]))
        del graph.nodes[node]["group"], graph.nodes[node]["size"]
    nx.write_graphml(graph, path)
    with pytest.raises(DataError, match="'label' of the nodes is a name, such as 'person 0'") as e:
        load_dataset(str(path), features="degree")
    if more:
        assert "such as y='side'" in str(e.value)
        return
    assert "networkx.set_node_attributes(graph, classes, 'class'), and y='class'" in str(e.value)
    nx.set_node_attributes(graph, {node: "ab"[node % 2] for node in graph}, "class")
    nx.write_graphml(graph, path)
    data = load_dataset(str(path), features="degree", y="class", fractions=(0.5, 0.25, 0.25))
    assert data.class_names == ("a", "b")


@pytest.mark.skipif(not FORMATS.is_dir(), reason="GSLT_DATA names no folder with formats")
@pytest.mark.parametrize("name", ["polbooks", "got"])
def test_real_files_of_names_alone(name: str) -> None:
    with pytest.raises(DataError, match="give each node one more attribute that says its class"):
        load_dataset(str(FORMATS / f"{name}.graphml"), features="degree")


def test_several_attributes_are_the_features(tmp_path: Path) -> None:
    path = write(tmp_path / "club.graphml")
    given = {"y": "group", "fractions": (0.5, 0.25, 0.25)}
    data = load_dataset(str(path), x="size, size", **given)
    assert data.x[:3].tolist() == [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]
    with pytest.raises(ConfigError, match=r"^x='typo' names no attribute of nodes; there is '"):
        load_dataset(str(path), x="size, typo", **given)


def in_every_kind(folder: Path) -> Iterator[Path]:
    """One graph, whose features are called size and whose labels group, as files of each kind."""
    yield from (write(folder / f"club{ending}") for ending in (".graphml", ".gml", ".json"))
    graph = club()
    edges = np.array(graph.edges).T
    arrays = {"size": np.arange(12.0)[:, None], "group": np.arange(12) % 2}
    np.savez(folder / "club.npz", edge_index=edges, **arrays)
    savemat(folder / "club.mat", {"adj": nx.to_scipy_sparse_array(graph), **arrays})
    tensors = {name: torch.from_numpy(value) for name, value in arrays.items()}
    torch.save({"edge_index": torch.from_numpy(edges), **tensors}, folder / "club.pt")
    yield from (folder / f"club{ending}" for ending in (".npz", ".mat", ".pt"))
    (tables := folder / "tables").mkdir()
    rows = "".join(f"{node},{node}.5,{'ab'[node % 2]}\n" for node in range(12))
    (tables / "nodes.csv").write_text(f"id,size,group\n{rows}")
    lines = "".join(f"{a},{b}\n" for a, b in graph.edges)
    (tables / "edges.csv").write_text(f"source,target\n{lines}")
    yield tables


@pytest.mark.filterwarnings("ignore::gslt.errors.DataWarning")
def test_a_mistyped_option_is_no_fault_of_the_file(tmp_path: Path) -> None:
    for path in in_every_kind(tmp_path):
        assert load_dataset(str(path), x="size", y="group").num_nodes == 12
        for given, says in (
            ({"y": "gruop"}, r"^y='gruop' names no .*\(did you mean group\?\); there is '"),
            ({"y": "group", "x": "sise"}, r"^x='sise' names no .*\(did you mean size\?\)"),
            ({"y": "group", "x": "size", "metric": "acuracy"}, r"\(did you mean accuracy\?\)$"),
        ):
            with pytest.raises(ConfigError, match=says):
                load_dataset(str(path), **given)


def test_what_is_taken_is_not_left_for_features(tmp_path: Path) -> None:
    *_, tables = in_every_kind(tmp_path)
    with pytest.raises(ConfigError, match=r"^x='id' names no column that is left for features"):
        load_dataset(str(tables), y="group", x="size,id")


@pytest.mark.parametrize("ending", [".graphml", ".json"])
def test_two_nodes_of_one_id(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"club{ending}")
    old, new = {".graphml": ('node id="3"', 'node id="4"'), ".json": ('"id": 3', '"id": 4')}[ending]
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    said = "it lists 12 nodes and only 11 different ids; name every node once"
    with pytest.raises(DataError, match=said):
        read_network(nobody_misses_it(path))


def nobody_misses_it(path: Path) -> Path:
    """The same file without edges of node 3."""
    lines = [line for line in path.read_text().splitlines() if "edge " not in line]
    text = "\n".join(lines)
    if path.suffix == ".json":
        values = json.loads(text)
        links = [each for each in values["links"] if 3 not in (each["source"], each["target"])]
        text = json.dumps({**values, "links": links})
    path.write_text(text)
    return path


def test_a_split_of_a_network_is_not_thrown_away(tmp_path: Path) -> None:
    graph, parts = club(), ["train", "train", "val", "test"] * 3
    for name, values in (("subset", parts), ("fold", list(range(12)))):
        path = tmp_path / f"{name}.gml"
        nx.set_node_attributes(graph, dict(enumerate(values)), name)
        nx.write_gml(graph, path)
        with pytest.raises(DataError, match=f"a split may be told by '{name}'"):
            load_dataset(f"{path}?y=group&x=size")
        assert load_dataset(f"{path}?y=group&x=size&fractions=0.5,0.25,0.25").num_nodes == 12
        for node in graph:
            del graph.nodes[node][name]
    nx.set_node_attributes(graph, dict(enumerate(parts)), "split")
    nx.write_gml(graph, tmp_path / "club.gml")
    data = load_dataset(f"{tmp_path / 'club.gml'}?y=group&x=size")
    assert data.test_mask.nonzero().flatten().tolist() == [3, 7, 11]
