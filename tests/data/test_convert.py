"""Graphs of other libraries as a NodeDataset, and random splits."""

from __future__ import annotations

import dataclasses
import os
import warnings
from typing import Any

import pytest
import torch

from gslt.data import NodeDataset
from gslt.data.convert import as_dataset, random_split
from gslt.environment import import_quietly
from gslt.errors import ConfigError, DataError, DataWarning

# The toy has one training node and a direction; what is said of that is in test_parts.py.
pytestmark = pytest.mark.filterwarnings("ignore::gslt.errors.DataWarning")

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
    data = as_dataset(graph, x="x", y="topic")
    assert data.x.tolist() == [[0], [1], [2], [3]]
    assert torch.equal(data.val_mask, MASKS["val_mask"])


@pytest.mark.parametrize(
    ("node", "attributes", "sentence"),
    [
        ("c", {"words": [1.0]}, r"node 'c': x\[2\] has shape \(1,\) and x\[0\] has \(2,\)"),
        ("b", {"words": ["one", "two"]}, r"node 'b': x\[1, 0\] is 'one' among numbers"),
        ("b", {"topic": "sport"}, r"node 'b': y\[1\] is 'sport' among numbers"),
        ("b", {"topic": 0.5}, r"node 'b': y\[1\] is 0.5; labels must be whole numbers"),
    ],
)
def test_networkx_refusals(node: str, attributes: dict[str, Any], sentence: str) -> None:
    graph = networkx_toy()
    graph.nodes[node].update(attributes)
    with pytest.raises(DataError, match=sentence):
        as_dataset(graph, x="words", y="topic", split="part")


def test_networkx_missing_attributes() -> None:
    graph = networkx_toy()
    with pytest.raises(DataError, match=r"node 'a' has no features named 'feat'; it has 'words'"):
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
        ({"edge_index": None}, "the PyG Data has neither an edge_index nor an adj_t"),
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
    with pytest.raises(DataError, match=r"y\[0\] is 0.5; labels must be whole numbers"):
        random_split(torch.full((9,), 0.5))
    with pytest.raises(DataError, match="val_mask would be empty"):
        random_split(torch.zeros(2).long(), (0.98, 0.01, 0.01))


def counts_of(masks: dict[str, torch.Tensor], y: torch.Tensor) -> list[list[int]]:
    return [torch.bincount(y[mask], minlength=int(y.max()) + 1).tolist() for mask in masks.values()]


def test_random_split_apportions_the_whole() -> None:
    # 350 nodes at 5/15/80: 17.5, 52.5 and 280, so that 18, 52 and 280 are due.
    y = torch.arange(70).repeat_interleave(5)
    with pytest.warns(DataWarning, match="52 of 70 classes get no training node"):
        masks = random_split(y, (0.05, 0.15, 0.8))
    train, val, test = counts_of(masks, y)
    assert [sum(train), sum(val), sum(test)] == [18, 52, 280]
    # As near to a quarter, three quarters and four of each class as that can be.
    assert set(train) == set(val) == {0, 1}
    assert set(test) <= {3, 4, 5}
    other = random_split(y, (0.05, 0.15, 0.8), seed=1)
    assert counts_of(other, y)[0] != train


#: Of a graph of 35 nodes, as the first version drew it.
SPLIT_OF_SEED_3 = [
    [0, 1, 4, 5, 6, 8, 10, 11, 12, 13, 17, 19, 20, 21, 23, 26, 28, 29],
    [3, 7, 15, 22, 25, 27],
    [2, 9, 14, 16, 18, 24],
]


def test_random_split_is_as_it_was_where_the_sums_fit() -> None:
    y = torch.tensor([0] * 10 + [1] * 20 + [-1] * 5)
    masks = random_split(y, (0.6, 0.2, 0.2), seed=3)
    assert [mask.nonzero().flatten().tolist() for mask in masks.values()] == SPLIT_OF_SEED_3


def test_random_split_names_a_class_without_training_node() -> None:
    labels = ["common"] * 50 + ["rare"]
    with pytest.warns(DataWarning, match=r"1 of 2 classes get no training node \(rare\); give"):
        masks = random_split(labels, (0.1, 0.1, 0.8))
    assert [int(mask.sum()) for mask in masks.values()] == [5, 5, 41]


def test_random_split_of_numpy_and_texts_is_that_of_numbers() -> None:
    y = torch.arange(40) % 2
    expected = random_split(y)
    for other in (y.numpy(), y.tolist(), y.float(), ["ab"[i] for i in y.tolist()]):
        masks = random_split(other)
        assert all(torch.equal(masks[name], expected[name]) for name in masks)


def networkx_drawing() -> Any:
    networkx = pytest.importorskip("networkx")
    graph = networkx.path_graph(30)
    for i in graph:
        graph.nodes[i].update(x=100.0 + i, y=50.0 * i, feat=[1.0, 2.0], label="ab"[i // 3 % 2])
        graph.nodes[i]["split"] = ("train", "Valid", "test")[i % 3]
    return graph


def test_networkx_coordinates_of_a_drawing_are_not_taken() -> None:
    data = as_dataset(networkx_drawing())
    assert data.x.tolist() == [[1, 2]] * 30
    assert data.class_names == ("a", "b")
    assert int(data.val_mask.sum()) == 10
    graph = networkx_drawing()
    for i in graph:
        del graph.nodes[i]["feat"]
    with pytest.raises(DataError, match=r"x and y may be coordinates of a drawing: where they are"):
        as_dataset(graph)


def test_networkx_edge_attributes_are_told() -> None:
    graph = networkx_drawing()
    graph.edges[0, 1].update(id="e0", weight=0.5)
    with pytest.warns(DataWarning, match=r"weight of the edges \(29 numbers from 0.5 to 0.5\)"):
        as_dataset(graph)


def test_networkx_labels_that_are_nan_are_none() -> None:
    graph = networkx_drawing()
    graph.nodes[0].update(label=float("nan"), split="")
    assert as_dataset(graph).y[:4].tolist() == [-1, 0, 0, 1]


def test_networkx_split_that_is_none() -> None:
    graph = networkx_drawing()
    graph.nodes[2]["split"] = "tset"
    with pytest.raises(DataError, match=r"split\[2\] is 'tset'; it must be 'train'"):
        as_dataset(graph)


def test_networkx_parallel_edges_stay() -> None:
    networkx = pytest.importorskip("networkx")
    graph = networkx.MultiGraph(networkx_drawing())
    graph.add_edge(0, 1)
    assert as_dataset(graph).num_edges == 2 * 30


def test_numpy_pandas_and_lists_are_as_tensors() -> None:
    pandas = pytest.importorskip("pandas")
    masks = {name: mask.tolist() for name, mask in MASKS.items()}
    column = pandas.Series([0, 1, 1, None])
    assert_is_toy(as_dataset(pyg(x=X.numpy(), y=column, edge_index=EDGES.numpy(), **masks)))
    assert_is_toy(as_dataset(pyg(x=pandas.DataFrame(X.numpy()), y=["a", "b", "b", ""])))


def test_masks_by_other_names_and_as_lists_of_nodes() -> None:
    bare = dict.fromkeys(MASKS)
    assert_is_toy(
        as_dataset(pyg(**bare, train_idx=[0], valid_mask=MASKS["val_mask"], test_idx=[2]))
    )
    assert_is_toy(as_dataset(pyg(**bare), train_mask=[0], val_mask=[1], test_mask=[2]))


def test_several_splits() -> None:
    stacks = {name: torch.stack([torch.roll(mask, 1), mask], dim=1) for name, mask in MASKS.items()}
    data = as_dataset(pyg(**stacks), split_number=1)
    assert_is_toy(data)
    assert data.split == 1
    with pytest.raises(DataError, match="node 3 is in test_mask but its label is -1"):
        as_dataset(pyg(**stacks))


def test_features_on_request() -> None:
    bare = pyg(x=None)
    assert as_dataset(bare, features="constant").x.tolist() == [[1]] * 4
    with pytest.raises(DataError, match="leave features='degree' out"):
        as_dataset(pyg(), features="degree")


def test_dgl_edge_data_is_told() -> None:
    dgl = pytest.importorskip("dgl")
    graph = dgl.graph((EDGES[0], EDGES[1]), num_nodes=4)
    graph.ndata.update({"feat": X, "label": Y, **MASKS})
    graph.edata["w"] = torch.tensor([0.5, 1.0, 2.0])
    with pytest.warns(DataWarning, match=r"w of the edges \(3 numbers from 0.5 to 2\)"):
        as_dataset(graph)


def test_a_node_dataset_comes_back_as_it_is() -> None:
    data = as_dataset(pyg())
    assert as_dataset(data) is data
    assert as_dataset(data, train_mask=[0]).train_mask.tolist() == MASKS["train_mask"].tolist()


def test_several_labels_and_another_metric() -> None:
    from torch_geometric.data import Data

    y = torch.tensor([[1, 1], [0, 1], [1, 0], [0, 0], [1, 0], [-1, -1]])
    masks = random_split(y, (0.4, 0.2, 0.4))
    assert {name: int(mask.sum()) for name, mask in masks.items()} == {
        "train_mask": 2,
        "val_mask": 1,
        "test_mask": 2,
    }
    assert not any(mask[5] for mask in masks.values())
    ring = torch.arange(6)
    edges = torch.cat([torch.stack([ring, ring.roll(1)]), torch.stack([ring.roll(1), ring])], dim=1)
    graph = Data(x=torch.eye(6), y=y, edge_index=edges)
    kept = {f"{name}_mask": [number] for number, name in ((1, "val"), (2, "test"))}
    data = as_dataset(graph, train_mask=[0, 3], task="multilabel", metric="micro_f1", **kept)
    assert (data.task, data.metric, data.y[5].tolist()) == ("multilabel", "micro_f1", [-1, -1])
    assert as_dataset(data) is data
    one = torch.tensor([0, 1, 0, 1, 0, 1])
    split = {f"{name}_mask": [2 * i, 2 * i + 1] for i, name in enumerate(("train", "val", "test"))}
    binary = as_dataset(Data(x=torch.eye(6), y=one, edge_index=edges), metric="roc_auc", **split)
    assert binary.metric == "roc_auc"
    assert as_dataset(binary, metric="accuracy").metric == "accuracy"


def test_a_data_set_is_not_read_again() -> None:
    data = as_dataset(pyg())
    for name, value in (
        ("features", "nonsense"),
        ("x", "feat"),
        ("y", "label"),
        ("split", "fold"),
        ("split_number", 2),
    ):
        with pytest.raises(ConfigError, match=rf"data set already, .* {name} is {value}; leave"):
            as_dataset(data, **{name: value})  # type: ignore[arg-type]
    with pytest.raises(DataError, match="num_classes must be an integer of at least 2, got 0"):
        as_dataset(data, num_classes=0)
    stacks = {name: torch.stack([mask, mask], dim=1) for name, mask in MASKS.items()}
    assert as_dataset(data, **stacks, split_number=1).train_mask.tolist() == [True, *[False] * 3]
    with pytest.raises(ConfigError, match="split names an attribute of NetworkX' nodes, and Data"):
        as_dataset(pyg(), split="fold")


def test_a_graph_and_its_data_set_share_nothing() -> None:
    x = X.numpy().copy()
    graph = pyg(x=x, **{name: mask.clone() for name, mask in MASKS.items()}, y=Y.clone())
    graph.edge_index = EDGES.clone()
    data = as_dataset(graph)
    known = data.content_hash
    x[:] = 0
    graph.train_mask[1:] = True
    graph.y[:] = 1
    graph.edge_index[:] = 0
    assert_is_toy(data)
    assert dataclasses.replace(data).content_hash == data.content_hash == known


def test_a_data_set_that_is_written_to_is_checked_again() -> None:
    given = MASKS["train_mask"].clone()
    data = dataclasses.replace(as_dataset(pyg()), train_mask=given)
    given[:] = True
    assert data.train_mask.tolist() == [True, False, False, False]
    before = data.content_hash
    data.x[0, 0] = 5.0
    assert data.content_hash != before
    data.train_mask[1:3] = True
    for read in (lambda: data.content_hash, data.info):
        with pytest.raises(DataError, match="node 1 is in both train_mask and val_mask"):
            read()
    with torch.inference_mode():
        inferred = dataclasses.replace(as_dataset(pyg()), x=torch.ones(4, 2))
    assert inferred.content_hash


def test_pyg_edge_data_is_told_whatever_its_name() -> None:
    weight, relation = torch.tensor([0.5, 1.0, 2.0]), torch.tensor([0, 1, 1])
    graph = pyg(weight=weight, relation=relation, position=torch.zeros(4), edge_note=relation[:2])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        as_dataset(graph, undirected=False)
        # PyG guesses the number of nodes here, and says so.
        bare = pyg(x=None, weight=weight[:2], edge_index=EDGES[:, :2])
        as_dataset(bare, undirected=False, features="constant")
    told = [str(each.message) for each in said if "of the edges" in str(each.message)]
    assert [text.split(": ", 1)[1].split(" of")[0] for text in told] == [
        "weight",
        "relation",
        "edge_note",
        "weight",
    ]
    assert not [each for each in said if "num_nodes" in str(each.message)]


def test_labels_of_plus_and_minus_one_are_told() -> None:
    y = [1, -1] * 30
    with pytest.warns(DataWarning, match=r"30 of 60 nodes are left out .* \(y \+ 1\) // 2"):
        masks = random_split(y)
    assert sum(int(mask.sum()) for mask in masks.values()) == 30
    for fine in ([0, 1] * 30, [0, -1, 1] * 20, [1] * 60):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            random_split(fine)


def test_features_of_some_nodes_are_not_made_for_all() -> None:
    graph = networkx_toy()
    graph.nodes["b"]["feat"] = 0.5
    given: Any = {"features": "degree", "y": "topic", "split": "part", "undirected": False}
    with pytest.raises(DataError, match="node 'a' has no attribute 'feat'; give it to every node"):
        as_dataset(graph, **given)
    del graph.nodes["b"]["feat"]
    assert as_dataset(graph, **given).num_features == 1


def test_masks_of_a_pyg_graph_by_short_names() -> None:
    masks = {f"{name}_mask": None for name in ("train", "val", "test")}
    given = {f"idx_{name.removesuffix('_mask')}": getattr(pyg(), name) for name in masks}
    assert_is_toy(as_dataset(pyg(**masks, **given)))
