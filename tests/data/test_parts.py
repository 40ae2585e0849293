"""From parts to a data set: what is not used or looks wrong is said, with its figure."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gslt.data import NodeDataset
from gslt.data.parts import Parts, assemble, reading_parts
from gslt.errors import ConfigError, DataError, DataWarning


def parts(**changes: Any) -> Parts:
    """A path of six nodes in two classes, two nodes in each split."""
    path = np.array([[0, 1, 2, 3, 4], [1, 2, 3, 4, 5]])
    given: dict[str, Any] = {
        "x": np.arange(6.0),
        "y": ["a", "b"] * 3,
        "edge_index": np.concatenate([path, path[::-1]], axis=1),
        "train_mask": [0, 1],
        "val_mask": [2, 3],
        "test_mask": [4, 5],
    }
    return Parts(**given | changes)


def made(given: Parts, **options: Any) -> NodeDataset:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return assemble(given, name="toy", **options)


def test_by_hand() -> None:
    data = made(parts(), source="by hand", synthetic=True)
    assert data.x.tolist() == [[0], [1], [2], [3], [4], [5]]
    assert data.y.tolist() == [0, 1, 0, 1, 0, 1]
    assert data.class_names == ("a", "b")
    assert data.num_edges == 10
    assert {name: m.nonzero().flatten().tolist() for name, m in data.splits.items()} == {
        "train": [0, 1],
        "val": [2, 3],
        "test": [4, 5],
    }
    assert (data.source, data.synthetic, data.split) == ("by hand", True, 0)


def test_several_labels() -> None:
    rows = [[1, 1], [0, 0], [1, 0], [0, 1], [0, 1], [1, 0]]
    data = made(parts(y=rows), task="multilabel")
    assert (data.task, data.metric, data.num_classes) == ("multilabel", "roc_auc", 2)
    assert data.y.tolist() == rows
    with pytest.warns(DataWarning, match=r"y\[0\] has more than one label.*task='multilabel'"):
        assert assemble(parts(y=rows), name="toy", metric="micro_f1").metric == "micro_f1"
    # One label a node at most: classes, unless it is said.
    one = [[1, 0], [0, 1]] * 3
    assert made(parts(y=one)).y.tolist() == [0, 1] * 3
    assert made(parts(y=one), task="multilabel").y.tolist() == one
    with pytest.raises(DataError, match="holds texts"):
        made(parts(), task="multilabel")
    two = [[1, 0, 0], [1, 0, 1]] * 3
    with pytest.warns(DataWarning, match=r"1 of 3 classes have no node \(1\)"):
        assemble(parts(y=two), name="toy", task="multilabel")


def test_direction() -> None:
    one_way = [[0, 1], [1, 2]]
    for told in ({"undirected": True}, {"undirected": None, "parts": True}):
        given = parts(edge_index=one_way, undirected=told.pop("parts", None))
        assert made(given, **told).edge_index.tolist() == [[1, 0, 2, 1], [0, 1, 1, 2]]
    for said, options in (
        (None, {"undirected": False}),
        (False, {}),
        (True, {"undirected": False}),
    ):
        given = parts(edge_index=one_way, undirected=said)
        assert made(given, **options).edge_index.tolist() == one_way


def test_one_reverse_is_enough_to_be_silent() -> None:
    made(parts(edge_index=[[0, 0, 4, 2, 1], [1, 1, 5, 3, 0]]))


def test_edges_in_rows() -> None:
    assert made(parts(edge_index=[[0, 1], [1, 0]], edge_rows=True)).num_edges == 2


def test_several_splits() -> None:
    one = np.eye(6, dtype=bool)
    stacks = {f"{name}_mask": one[[i, i + 1]] for i, name in enumerate(("train", "val", "test"))}
    with pytest.warns(DataWarning, match="1 of 2 classes have no training node"):
        data = assemble(parts(**stacks), name="toy", split=1)
    assert data.split == 1
    assert data.test_mask.nonzero().item() == 3
    with pytest.raises(ConfigError, match=r"split must lie in 0 … 1 .* got 2"):
        made(parts(**stacks), split=2)
    with pytest.raises(ConfigError, match="toy has one split, so split must be 0, got 1"):
        made(parts(), split=1)
    # One test mask for all splits, as WikiCS has it.
    stacks["test_mask"] = one[5]
    with pytest.warns(DataWarning):
        assert assemble(parts(**stacks), name="toy", split=1).split == 1
    stacks["val_mask"] = one[[1, 2, 3]]
    with pytest.raises(DataError, match="different numbers of splits"):
        made(parts(**stacks))


def test_classes() -> None:
    assert made(parts(y=[0, 1, 0, 1, 0, 1])).num_classes == 2
    with pytest.raises(
        DataError, match=r"2 names of classes \(a, b\), and num_classes is 5; leave"
    ):
        made(parts(), num_classes=5)
    with pytest.raises(DataError, match="every label is 'a'; classification needs two classes"):
        made(parts(y=["a"] * 6))
    with pytest.raises(DataError, match=r"y\[5\] is 9 in a graph of 6 nodes"):
        made(parts(y=[0, 1, 0, 1, 0, 9]))


def test_features_are_made_on_request() -> None:
    assert made(parts(x=None), features="constant").x.tolist() == [[1]] * 6
    with pytest.raises(DataError, match=r"the graph has no features; add some, or .*'degree'"):
        made(parts(x=None))
    with pytest.raises(DataError, match="the graph has 1 features; leave features='degree' out"):
        made(parts(), features="degree")


def test_missing_masks_are_refused() -> None:
    with pytest.raises(DataError, match=r"the graph has no val_mask; give all three"):
        made(parts(val_mask=None))


def test_a_node_is_named_as_its_user_does() -> None:
    with pytest.raises(DataError, match=r"^node 'f': x\[5, 0\] is 1e\+39; which float32"):
        made(parts(x=[1.0] * 5 + [1e39], node_names="uvwxyf"))
    with pytest.raises(DataError, match=r"^node 'v': y\[1\] is 0.5"):
        made(parts(y=[0, 0.5, 0, 0, 0, 0], node_names="uvwxyf"))


DOUBTS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (
        {"edge_data": {"weight": np.arange(10) / 10}},
        {},
        r"weight of the edges \(10 numbers from 0 to 0.9\) is not used: every edge counts 1",
    ),
    ({"edge_data": {"kind": ["a"] * 10}}, {}, r"kind of the edges \(10 texts\) is not used"),
    ({"edge_index": [[0, 1], [1, 2]]}, {}, "none of its 2 edges has its reverse"),
    ({"edge_index": [[0, 0, 2, 1], [1, 1, 0, 2]]}, {}, "none of its 4 edges has its reverse"),
    ({"edge_index": [[0, 1], [0, 1]]}, {}, "none of its 2 edges joins two nodes"),
    ({"edge_index": []}, {}, "none of its 0 edges joins two nodes"),
    (
        {"y": [0, 3, 0, 3, 0, 3]},
        {},
        r"2 of 4 classes have no node \(1, 2\); number the classes from 0",
    ),
    ({"y": [0, 1, 0, 1, 0, 1]}, {"num_classes": 3}, r"1 of 3 classes have no node \(2\)"),
    (
        {"y": ["a", "a", "b", "b", "a", "a"]},
        {},
        r"1 of 2 classes have no training node, so nothing is learnt of them \(b\)",
    ),
]


@pytest.mark.parametrize(("changes", "options", "sentence"), DOUBTS)
def test_doubts(changes: dict[str, Any], options: dict[str, Any], sentence: str) -> None:
    with pytest.warns(DataWarning, match=sentence) as caught:
        assemble(parts(**changes), name="toy", **options)
    assert len(caught) == 1
    assert str(caught[0].message).startswith("data set 'toy': ")


def test_edge_data_that_says_nothing_is_passed_over() -> None:
    made(parts(edge_data={"weight": torch.ones(10)}))


def test_what_is_wrong_with_parts_is_said_of_the_file() -> None:
    with (
        pytest.raises(DataError, match=r"'a\.csv' is damaged or no table: x\[0\] .*; write it"),
        reading_parts(Path("a.csv"), "a table", "write it again"),
    ):
        made(parts(x=["no"] * 6))
