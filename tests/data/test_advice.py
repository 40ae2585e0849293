"""Every message of the loaders that gives advice: it comes, is followed, and that works."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from advice import message_of, sentences
from images import stripes

from gslt.data import (
    NodeDataset,
    arrays,
    as_dataset,
    convert,
    dataset,
    labelled,
    load_dataset,
    parts,
    random_split,
    roles,
    structural,
)
from gslt.data.convert import dataset_at_hand
from gslt.environment import import_quietly

NAN = float("nan")
NODES = 6
PATH = np.array([[0, 1, 2, 3, 4], [1, 2, 3, 4, 5]])
EDGES = torch.from_numpy(np.concatenate([PATH, PATH[::-1]], axis=1))
SPLIT = {
    "train_mask": torch.tensor([1, 1, 0, 0, 0, 0]).bool(),
    "val_mask": torch.tensor([0, 0, 1, 1, 0, 0]).bool(),
    "test_mask": torch.tensor([0, 0, 0, 0, 1, 1]).bool(),
}


def pyg(**changes: Any) -> Any:
    """A path of six nodes of which nothing is to be said."""
    given = {"x": torch.eye(NODES), "y": torch.arange(NODES) % 2, "edge_index": EDGES, **SPLIT}
    return import_quietly("torch_geometric.data").Data(**given | changes)


def hetero(types: int) -> Any:
    """The same path, of nodes of one type, or beside another one."""
    data = import_quietly("torch_geometric.data").HeteroData()
    for name, value in pyg().to_dict().items():
        if name != "edge_index":
            data["node"][name] = value
    data["node", "to", "node"].edge_index = EDGES
    if types > 1:
        data["other"].x = torch.eye(2)
    return data


def made(options: dict[str, Any] | None = None, **changes: Any) -> NodeDataset:
    return as_dataset(pyg(**changes), **options or {})


def y(*labels: Any) -> list[Any]:
    """Labels of the first nodes, the others in turn."""
    return [*labels, *[0, 1, 0, 1, 0, 1][len(labels) :]]


def drawing(**changes: Any) -> Any:
    graph = pytest.importorskip("networkx").path_graph(NODES)
    for i in graph:
        graph.nodes[i].update(feat=[1.0, i], label=i % 2, split=("train", "val", "test")[i // 2])
        graph.nodes[i].update({k: v(i) if callable(v) else v for k, v in changes.items()})
        for key in [key for key, value in changes.items() if value is None]:
            del graph.nodes[i][key]
    return graph


def one(**changes: Any) -> Any:
    """The drawing with one node changed."""
    graph = drawing()
    graph.nodes[3].update(changes)
    return graph


def without(key: str) -> Any:
    graph = drawing()
    del graph.nodes[3][key]
    return graph


def named() -> Any:
    """A path of twelve nodes, each with a name of its own."""
    graph = pytest.importorskip("networkx").path_graph(12)
    for i in graph:
        graph.nodes[i].update(label=f"node {i}", feat=1.0, split=("train", "val", "test")[i // 4])
    return graph


def classified(graph: Any) -> Any:
    networkx = pytest.importorskip("networkx")
    networkx.set_node_attributes(graph, {i: "ab"[i % 2] for i in graph}, "class")
    return graph


def dgl_graphs() -> tuple[Any, Any]:
    """One of two types of edges, and the same as DGL makes it homogeneous."""
    dgl = pytest.importorskip("dgl")
    ends = (EDGES[0], EDGES[1])
    graph = dgl.heterograph({("a", "to", "a"): ends, ("a", "by", "a"): ends})
    graph.ndata.update({"feat": torch.eye(NODES), "label": torch.arange(NODES) % 2, **SPLIT})
    names = ["feat", "label", *SPLIT]
    return graph, dgl.to_homogeneous(graph, ndata=names)


def own(**changes: Any) -> NodeDataset:
    return replace(made(), **changes)


def several(**changes: Any) -> NodeDataset:
    """The same nodes with two labels each."""
    return own(**{"y": PAIRS, "task": "multilabel", "metric": "micro_f1"} | changes)


def adjacency() -> torch.Tensor:
    return torch.zeros(NODES, NODES).index_put_((EDGES[1], EDGES[0]), torch.ones(10))


def stack(mask: torch.Tensor, number: int) -> torch.Tensor:
    return torch.stack([mask] * number, dim=1)


ROWS = torch.arange(NODES) % 2
PAIRS = torch.stack([ROWS, 1 - ROWS], dim=1).float()
LONG = {"train_idx": [0, 1], "val_idx": [2, 3], "test_idx": [4, 5]} | dict.fromkeys(SPLIT)
NAMES = [f"paper {i}" for i in range(30)]
RARE = ["common"] * 50 + ["rare"]

#: What is refused or said, and the same after its advice.
CASES: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "dict": (lambda: as_dataset({"x": 1}), lambda: as_dataset(pyg())),
    "name": (lambda: as_dataset("debian"), lambda: as_dataset(load_dataset("debian"))),
    "no features": (lambda: made(x=None, pos=torch.eye(6)), lambda: made({"x": "pos"}, pos=ROWS)),
    "made features": (lambda: made(x=None), lambda: made({"features": "degree"}, x=None)),
    "no labels": (lambda: made(y=None, kind=ROWS), lambda: made({"y": "kind"}, y=None, kind=ROWS)),
    "no edges": (
        lambda: made(edge_index=None),
        lambda: made(edge_index=EDGES),
    ),
    "transposed adjacency": (
        lambda: made(edge_index=None, adj_t=adjacency()),
        lambda: made(edge_index=EDGES, adj_t=adjacency()),
    ),
    "two graphs": (
        lambda: made(edge_index=EDGES, adj_t=torch.eye(NODES).to_sparse()),
        lambda: made(edge_index=EDGES),
    ),
    "shape of an adjacency": (
        lambda: made(edge_index=None, adj_t=adjacency()[:, :3].to_sparse()),
        lambda: made(edge_index=None, adj_t=adjacency().to_sparse()),
    ),
    "names alone": (
        lambda: as_dataset(named()),
        lambda: as_dataset(classified(named()), y="class"),
    ),
    "names and classes": (
        lambda: as_dataset(classified(named())),
        lambda: as_dataset(classified(named()), y="class"),
    ),
    "types": (lambda: as_dataset(dgl_graphs()[0]), lambda: as_dataset(dgl_graphs()[1])),
    "no nodes": (
        lambda: as_dataset(pytest.importorskip("networkx").Graph()),
        lambda: as_dataset(drawing()),
    ),
    "coordinates": (
        lambda: as_dataset(drawing(feat=None, x=1.0, y=2.0)),
        lambda: as_dataset(drawing(feat=None, x=1.0, y=2.0), x="x"),
    ),
    "attribute": (
        lambda: as_dataset(drawing(label=None, kind=lambda i: i % 2)),
        lambda: as_dataset(drawing(label=None, kind=lambda i: i % 2), y="kind"),
    ),
    "attribute of one": (lambda: as_dataset(without("feat")), lambda: as_dataset(drawing())),
    "split name": (lambda: as_dataset(one(split="tset")), lambda: as_dataset(one(split="val"))),
    "split column": (lambda: roles.masks_of(["val"], 2), lambda: roles.masks_of(["val", ""], 2)),
    "features of one": (
        lambda: as_dataset(one(feat=[1.0])),
        lambda: as_dataset(one(feat=[1.0, 3.0])),
    ),
    "fractions": (
        lambda: random_split(ROWS, (0.5, 0.5, 0.5)),
        lambda: random_split(ROWS, (0.6, 0.2, 0.2)),
    ),
    "empty split": (
        lambda: random_split(ROWS, (0.8, 0.1, 0.1)),
        lambda: random_split(ROWS, (0.4, 0.3, 0.3)),
    ),
    "rare class": (
        lambda: random_split(RARE, (0.1, 0.1, 0.8)),
        lambda: random_split(["" if each == "rare" else each for each in RARE], (0.1, 0.1, 0.8)),
    ),
    "masks": (
        lambda: made(val_mask=None),
        lambda: as_dataset(pyg(val_mask=None), **random_split(ROWS, seed=0)),
    ),
    "masks of texts": (
        lambda: made(y=["a", "b"] * 3, val_mask=None),
        lambda: as_dataset(
            pyg(y=["a", "b"] * 3, val_mask=None), **random_split(["a", "b"] * 3, seed=0)
        ),
    ),
    "asked for features": (lambda: made({"features": "degree"}), lambda: made()),
    "features of a file": (
        lambda: parts.assemble(parts.Parts(y=ROWS, edge_index=EDGES, **SPLIT), name="toy"),
        lambda: parts.assemble(
            parts.Parts(y=ROWS, edge_index=EDGES, **SPLIT), name="toy", features="spectral"
        ),
    ),
    "kind of features": (
        lambda: made({"features": "pagerank"}, x=None),
        lambda: made({"features": "one-hot"}, x=None),
    ),
    "number of classes": (
        lambda: made({"num_classes": 5}, y=["a", "b"] * 3),
        lambda: made(y=["a", "b"] * 3),
    ),
    "one class": (lambda: made(y=["a"] * 6), lambda: made(y=["a", "b"] * 3)),
    "numbers of splits": (
        lambda: made(
            train_mask=stack(SPLIT["train_mask"], 2), val_mask=stack(SPLIT["val_mask"], 3)
        ),
        lambda: made(),
    ),
    "one split": (lambda: made({"split_number": 1}), lambda: made({"split_number": 0})),
    "which split": (
        lambda: made({"split_number": 2}, **{k: stack(v, 2) for k, v in SPLIT.items()}),
        lambda: made({"split_number": 1}, **{k: stack(v, 2) for k, v in SPLIT.items()}),
    ),
    "which axis": (
        lambda: made(train_mask=stack(SPLIT["train_mask"], 6)),
        lambda: made(train_mask=stack(SPLIT["train_mask"], 6)[:, 0]),
    ),
    "shape of a mask": (
        lambda: made(train_mask=torch.zeros(5, 4)),
        lambda: made(train_mask=torch.tensor([0, 1])),
    ),
    "two masks": (lambda: made(valid_mask=SPLIT["val_mask"]), lambda: made()),
    "entry of a mask": (
        lambda: made(train_mask=[1, NAN, 0, 0, 0, 0]),
        lambda: made(train_mask=[1, 1, 0, 0, 0, 0]),
    ),
    "length of a mask": (
        lambda: made(train_mask=[True, True]),
        lambda: made(train_mask=[True, True, False, False, False, False]),
    ),
    "length of a mask of numbers": (
        lambda: made(train_mask=[1, 1, 0]),
        lambda: made(train_mask=[1, 1, 0, 0, 0, 0]),
    ),
    "node of a split": (
        lambda: made(**LONG | {"train_idx": [0, -1]}),
        lambda: made(**LONG | {"train_idx": [0, 1]}),
    ),
    "node twice": (lambda: made(**LONG | {"train_idx": [1, 3, 3]}), lambda: made(**LONG)),
    "list of nodes": (
        lambda: roles.node_numbers([[0, 1]], 3, "nodes"),
        lambda: roles.node_numbers([0, 1], 3, "nodes"),
    ),
    "truth values": (
        lambda: roles.node_numbers([True, False], 3, "nodes"),
        lambda: roles.node_numbers([1, 0], 3, "nodes"),
    ),
    "count": (lambda: roles.count(-1, "the number"), lambda: roles.count(0, "the number")),
    "edge weights": (
        lambda: made(edge_weight=torch.rand(10)),
        lambda: made(edge_weight=None),
    ),
    "one way": (
        lambda: made(edge_index=PATH),
        lambda: [made({"undirected": told}, edge_index=PATH) for told in (True, False)],
    ),
    "self-loops": (lambda: made(edge_index=[[0, 1], [0, 1]]), lambda: made()),
    "class without node": (
        lambda: made(y=[0, 2] * 3),
        lambda: made(y=[0, 1] * 3),
    ),
    "class without training node": (
        lambda: made(y=[0, 0, 1, 1, 1, 0]),
        lambda: made(y=[0, 0, 1, 1, 1, 0], train_mask=[0, 4], test_mask=[1, 5]),
    ),
    "large feature": (lambda: made(x=[1e39] * 6), lambda: made(x=[1e39 / 1e39] * 6)),
    "exact feature": (lambda: made(x=[2**24 + 1] * 6), lambda: made(x=[(2**24 + 1) / 2**24] * 6)),
    "shape of features": (lambda: made(x=np.ones((6, 1, 1))), lambda: made(x=np.ones((6, 1)))),
    "text feature": (lambda: made(x=["a"] * 6), lambda: made(x=[1] * 6)),
    "complex feature": (lambda: made(x=[1j] * 6), lambda: made(x=[abs(1j)] * 6)),
    "complex tensor": (
        lambda: made(x=torch.ones(6, dtype=torch.complex64)),
        lambda: made(x=torch.ones(6, dtype=torch.complex64).real),
    ),
    "object": (lambda: made(x=[object()] * 6), lambda: made(x=[1.0] * 6)),
    "mixture": (lambda: made(y=y("a")), lambda: made(y=["a", "b"] * 3)),
    "bytes": (
        lambda: made(y=[b"\xe9", b"b"] * 3),
        lambda: made(y=["é".encode(), b"b"] * 3),
    ),
    "half a label": (lambda: made(y=y(0.5)), lambda: made(y=y(0.0))),
    "negative label": (
        lambda: made(y=y(-2)),
        lambda: made(y=y(-1, 1, 0, 1), train_mask=[1, 2], val_mask=[3]),
    ),
    "large label": (lambda: made(y=y(0, 9)), lambda: made(y=y(0, 1))),
    "two classes of a node": (
        lambda: made(y=[[1, 1], [0, 1]] * 3),
        lambda: made(y=[[1, 0], [0, 1]] * 3),
    ),
    "soft label": (
        lambda: made(y=[[0.5, 0.5], [0, 1]] * 3),
        lambda: made(y=[[1, 0], [0, 1]] * 3),
    ),
    "shape of labels": (lambda: made(y=np.zeros((6, 1, 1))), lambda: made(y=y())),
    "names of nodes": (lambda: roles.labels(NAMES), lambda: roles.labels(["a", "b"] * 15)),
    "missing class": (lambda: made(y=["a", "nan"] * 3), lambda: made(y=["a", "naan"] * 3)),
    "text among numbers": (
        lambda: made(y=["0", "1", "oops", "1", "0", "1"]),
        lambda: made(y=["a", "b", "a", "b", "a", "b"]),
    ),
    "no class": (
        lambda: roles.labels(["a", "c"], names=("a", "b")),
        lambda: roles.labels(["a", "b"], names=("a", "b")),
    ),
    "shape of edges": (lambda: made(edge_index=EDGES.T), lambda: made(edge_index=EDGES.T.T)),
    "half an edge": (lambda: made(edge_index=EDGES / 2), lambda: made(edge_index=EDGES.double())),
    "edge beyond": (
        lambda: made(edge_index=[[0, 6], [6, 0]]),
        lambda: made(edge_index=[[0, 5], [5, 0]]),
    ),
    # What NodeDataset says when it is made by hand.
    "logits": (
        lambda: made().accuracy(torch.zeros(2, 2)),
        lambda: made().accuracy(torch.zeros(6, 2)),
    ),
    "no tensor": (lambda: own(y=[0, 1] * 3), lambda: own(y=torch.as_tensor([0, 1] * 3))),
    "type": (lambda: own(x=torch.eye(6).double()), lambda: own(x=torch.eye(6).double().float())),
    "dimensions": (lambda: own(y=ROWS[:, None]), lambda: own(y=ROWS[:, None].reshape(6))),
    "no feature": (lambda: own(x=torch.zeros(6, 0)), lambda: own(x=torch.zeros(6, 1))),
    "nan": (
        lambda: own(x=torch.full((6, 1), NAN)),
        lambda: own(x=torch.nan_to_num(torch.full((6, 1), NAN))),
    ),
    "rows of edges": (lambda: own(edge_index=EDGES.T), lambda: own(edge_index=EDGES.T.T)),
    "labels of some": (lambda: own(y=ROWS[:5]), lambda: own(y=ROWS)),
    "label beyond": (lambda: own(y=ROWS + 1), lambda: own(y=ROWS + 1, num_classes=3)),
    "number of names": (lambda: own(class_names=("a",)), lambda: own(class_names=("a", "b"))),
    "mask of some": (lambda: own(val_mask=torch.ones(2).bool()), lambda: own()),
    "empty mask": (
        lambda: own(val_mask=torch.zeros(6).bool()),
        lambda: own(val_mask=torch.arange(6) == 2),
    ),
    "unlabelled": (
        lambda: own(y=torch.tensor(y(-1))),
        lambda: own(y=torch.tensor(y(-1)), train_mask=torch.arange(6) == 1),
    ),
    "two splits of a node": (
        lambda: own(val_mask=torch.arange(6) < 3),
        lambda: own(val_mask=torch.arange(6) == 2),
    ),
    # Several labels a node.
    "class of one": (
        lambda: made({"task": "multiclass"}, y=[[1, 1], [0, 1]] * 3),
        lambda: made({"task": "multiclass"}, y=[[1, 0], [0, 1]] * 3),
    ),
    "texts of several": (
        lambda: roles.label_rows([["a", "b"]]),
        lambda: roles.label_rows([[1, 0]]),
    ),
    "undeclared labels": (
        lambda: own(y=PAIRS),
        lambda: (own(y=PAIRS, task="multilabel", metric="micro_f1"), own(y=ROWS)),
    ),
    "columns of labels": (
        lambda: several(num_classes=3),
        lambda: several(y=torch.ones(6, 3), num_classes=3),
    ),
    "accuracy of several": (
        lambda: several().accuracy(torch.zeros(6, 2)),
        lambda: several().score(torch.zeros(6, 2)),
    ),
    "evaluator and metric": (
        lambda: own(metric="roc_auc", evaluator=lambda y, found: 1.0),
        lambda: (own(metric="roc_auc"), own(evaluator=lambda y, found: 1.0)),
    ),
    "evaluator": (
        lambda: own(evaluator=lambda y, found: 2.0).score(torch.zeros(6, 2)),
        lambda: own(evaluator=lambda y, found: 1.0).score(torch.zeros(6, 2)),
    ),
    "a data set read again": (
        lambda: as_dataset(made(), features="degree"),
        lambda: (as_dataset(made()), made({"features": "degree"}, x=None)),
    ),
    "a folder beside a data set": (
        lambda: dataset_at_hand(made(), "data"),
        lambda: dataset_at_hand(made()),
    ),
    "a split beside a data set": (
        lambda: dataset_at_hand(made(), split=1),
        lambda: dataset_at_hand(made(), split=0),
    ),
    "attribute of masks": (lambda: made({"split": "fold"}), lambda: made()),
    "plus and minus one": (
        lambda: random_split([1, -1] * 10),
        lambda: random_split((torch.tensor([1, -1] * 10) + 1) // 2),
    ),
    "one value in a split": (
        lambda: several(y=torch.ones(6, 2), metric="roc_auc"),
        lambda: several(y=torch.ones(6, 2)),
    ),
    "several types": (
        lambda: as_dataset(hetero(2)),
        lambda: as_dataset(hetero(1).to_homogeneous(add_edge_type=False)),
    ),
    "images": (lambda: as_dataset(stripes(16)), lambda: as_dataset(load_dataset("debian"))),
    "devices": (
        lambda: own(y=torch.empty(6, dtype=torch.int64, device="meta")),
        lambda: own(y=ROWS),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_who_follows_the_advice_gets_on(case: str) -> None:
    broken, mended = CASES[case]
    assert message_of(broken), "nothing was said"
    assert message_of(mended) == ""


def test_every_advice_is_tried() -> None:
    said = [message_of(broken) for broken, _ in CASES.values()]
    modules = (arrays, convert, dataset, labelled, parts, roles, structural)
    wanted = [pattern for module in modules for pattern in sentences(module)]
    assert len(wanted) > 40
    untried = [pattern for pattern in wanted if not any(re.search(pattern, each) for each in said)]
    assert not untried
