"""Graphs of other libraries as a NodeDataset, and random splits."""

from __future__ import annotations

import os
from typing import Any

import pytest
import torch

from gslt.data import NodeDataset
from gslt.data.convert import as_dataset, random_split
from gslt.environment import import_quietly
from gslt.errors import ConfigError, DataError

os.environ.setdefault("DGLBACKEND", "pytorch")

X = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
Y = torch.tensor([0, 1, 1, -1])
EDGES = torch.tensor([[0, 1, 2], [1, 2, 2]])
MASKS = {
    f"{name}_mask": torch.tensor([i == node for i in range(4)])
    for node, name in enumerate(("train", "val", "test"))
}


def pyg(**changes: Any) -> Any:
    parts = {"x": X, "y": Y, "edge_index": EDGES, **MASKS, **changes}
    return import_quietly("torch_geometric.data").Data(**parts)


def assert_is_toy(data: NodeDataset) -> None:
    assert torch.equal(data.x, X)
    assert torch.equal(data.y, Y)
    assert torch.equal(data.edge_index, EDGES)
    for name, mask in MASKS.items():
        assert torch.equal(getattr(data, name), mask)
    assert data.num_classes == 2


def test_pyg() -> None:
    data = as_dataset(pyg(), name="mine", source="made by hand", synthetic=True)
    assert_is_toy(data)
    assert (data.name, data.source, data.synthetic) == ("mine", "made by hand", True)


def test_pyg_other_types() -> None:
    column = Y.float().unsqueeze(1)
    column[3] = float("nan")
    masks = {name: mask.to(torch.uint8) for name, mask in MASKS.items()}
    assert_is_toy(as_dataset(pyg(x=X.double(), y=column, **masks)))


def test_undirected_option() -> None:
    data = as_dataset(pyg(), undirected=True)
    assert data.edge_index.tolist() == [[1, 0, 2, 1, 2], [0, 1, 1, 2, 2]]


def test_given_masks_come_first() -> None:
    data = as_dataset(pyg(), test_mask=torch.tensor([False, False, True, False]), num_classes=5)
    assert data.num_classes == 5
    assert data.test_mask.tolist() == [False, False, True, False]


def test_random_split_fits_as_dataset() -> None:
    y = torch.arange(12) % 3
    bare = pyg(x=torch.eye(12), y=y, **dict.fromkeys(MASKS))
    data = as_dataset(bare, **random_split(y, (0.5, 0.25, 0.25)))
    assert [int(mask.sum()) for mask in data.splits.values()] == [6, 3, 3]


def test_undirected_option_refuses_edges_out_of_range() -> None:
    with pytest.raises(DataError, match=r"edge 1 is \(1, 4\)"):
        as_dataset(pyg(edge_index=torch.tensor([[0, 1], [1, 4]])), undirected=True)


def test_dgl() -> None:
    dgl = pytest.importorskip("dgl")
    graph = dgl.graph((EDGES[0], EDGES[1]), num_nodes=4)
    graph.ndata.update({"feat": X, "label": Y, **MASKS})
    assert_is_toy(as_dataset(graph))


def test_dgl_with_several_types() -> None:
    dgl = pytest.importorskip("dgl")
    graph = dgl.heterograph({("a", "to", "b"): ([0], [1])})
    with pytest.raises(DataError, match=r"node types \['a', 'b'\].* dgl\.to_homogeneous"):
        as_dataset(graph)


def networkx_toy(kind: str = "DiGraph") -> Any:
    networkx = pytest.importorskip("networkx")
    graph = getattr(networkx, kind)()
    for node, name in enumerate("abcd"):
        label = int(Y[node])
        graph.add_node(name, words=X[node].tolist(), topic=None if label < 0 else label)
    graph.add_edges_from([("a", "b"), ("b", "c"), ("c", "c")])
    for name, split in zip("abc", ("train", "val", "test"), strict=True):
        graph.nodes[name]["part"] = split
    return graph


def test_networkx_directed() -> None:
    assert_is_toy(as_dataset(networkx_toy(), x="words", y="topic", split="part"))


def test_networkx_undirected_stands_in_both_directions() -> None:
    data = as_dataset(networkx_toy("Graph"), x="words", y="topic", split="part")
    assert data.edge_index.tolist() == [[0, 1, 2, 1, 2], [1, 2, 2, 0, 1]]


def test_networkx_with_boolean_masks_and_scalar_features() -> None:
    graph = networkx_toy()
    for node, split in zip("abc", ("train", "val", "test"), strict=True):
        graph.nodes[node][f"{split}_mask"] = True
    for number, node in enumerate("abcd"):
        graph.nodes[node]["x"] = number
    data = as_dataset(graph, y="topic")
    assert data.x.tolist() == [[0], [1], [2], [3]]
    assert torch.equal(data.val_mask, MASKS["val_mask"])


@pytest.mark.parametrize(
    ("node", "attributes", "sentence"),
    [
        ("c", {"words": [1.0]}, r"the features of node 'c' have shape \(1,\)"),
        ("b", {"words": ["one", "two"]}, "the features of node 'b' are no numbers"),
        ("b", {"topic": "sport"}, "the label of node 'b' is 'sport'; number the classes"),
        ("b", {"topic": 0.5}, "the label of node 'b' is 0.5"),
    ],
)
def test_networkx_refusals(node: str, attributes: dict[str, Any], sentence: str) -> None:
    graph = networkx_toy()
    graph.nodes[node].update(attributes)
    with pytest.raises(DataError, match=sentence):
        as_dataset(graph, x="words", y="topic", split="part")


def test_networkx_missing_attributes() -> None:
    graph = networkx_toy()
    with pytest.raises(DataError, match="node 'a' has no features named 'x' or 'feat'; it has"):
        as_dataset(graph, y="topic")
    del graph.nodes["c"]["words"]
    with pytest.raises(DataError, match="node 'c' has no attribute 'words'"):
        as_dataset(graph, x="words", y="topic")
    graph.clear()
    with pytest.raises(DataError, match="has no nodes"):
        as_dataset(graph)


def test_node_dataset_keeps_its_facts() -> None:
    data = as_dataset(pyg(), name="mine", source="made by hand")
    again = as_dataset(data, undirected=True)
    assert (again.name, again.source, again.num_edges) == ("mine", "made by hand", 5)
    assert as_dataset(data, name="other").name == "other"


def test_missing_masks_are_refused_with_a_way_out() -> None:
    with pytest.raises(DataError, match=r"has no val_mask; give all three .*random_split\(y"):
        as_dataset(pyg(val_mask=None))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"x": None}, "the graph has no features named 'x' or 'feat'; it has 'edge_index'"),
        ({"y": None}, "the graph has no labels named 'y' or 'label'"),
        ({"edge_index": None}, "the PyG Data has no edge_index"),
        ({"y": torch.tensor([0, 0.5, 1, 1])}, r"y\[1\] is 0.5; labels must be whole numbers"),
    ],
)
def test_pyg_refusals(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        as_dataset(pyg(**changes))


def test_unknown_object_is_refused() -> None:
    with pytest.raises(DataError, match="cannot read a graph from dict; give a PyG Data"):
        as_dataset({})


def test_random_split_by_hand() -> None:
    y = torch.tensor([0] * 10 + [1] * 20 + [-1] * 5)
    masks = random_split(y, (0.5, 0.2, 0.2))
    counts = [torch.bincount(y[mask]).tolist() for mask in masks.values()]
    assert counts == [[5, 10], [2, 4], [2, 4]]
    assert not sum(mask.int() for mask in masks.values())[30:].any()


def test_random_split_covers_every_labelled_node_once() -> None:
    y = torch.arange(101) % 7
    masks = random_split(y, (0.6, 0.2, 0.2), seed=1)
    assert (sum(mask.int() for mask in masks.values()) == 1).all()
    again = random_split(y, (0.6, 0.2, 0.2), seed=1)
    assert all(torch.equal(masks[name], again[name]) for name in masks)
    other = random_split(y, (0.6, 0.2, 0.2), seed=2)
    assert not torch.equal(masks["train_mask"], other["train_mask"])


@pytest.mark.parametrize("fractions", [(0.5, 0.5, 0.5), (1.0, 0.0, 0.0), (0.5, 0.5)])
def test_random_split_refuses_fractions(fractions: Any) -> None:
    with pytest.raises(ConfigError, match="fractions must be three numbers above 0"):
        random_split(torch.zeros(9).long(), fractions)


def test_random_split_refuses_labels() -> None:
    with pytest.raises(DataError, match=r"y must be int64 of shape \(nodes,\)"):
        random_split(torch.zeros(9))
    with pytest.raises(DataError, match="val_mask would be empty"):
        random_split(torch.zeros(2).long(), (0.98, 0.01, 0.01))
