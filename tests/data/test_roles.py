"""One conversion for each role: values by hand, and what each refuses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from gslt.data.roles import (
    count,
    count_splits,
    edges,
    features,
    labels,
    mask,
    masks_of,
    node_numbers,
    pick_masks,
)
from gslt.errors import ConfigError, DataError

NAN, INF = math.nan, math.inf
#: Ways to hold the same numbers.
HOLDERS: list[Callable[[Any], Any]] = [
    list,
    np.array,
    torch.tensor,
    lambda rows: pd.DataFrame(rows) if np.ndim(rows) == 2 else pd.Series(rows),
]
holders = pytest.mark.parametrize("hold", HOLDERS, ids=["list", "numpy", "torch", "pandas"])


@holders
def test_features(hold: Callable[[Any], Any]) -> None:
    x = features(hold([[0.5, 2.0], [-1.0, 0.0]]))
    assert x.dtype == torch.float32
    assert x.tolist() == [[0.5, 2], [-1, 0]]
    assert features(hold([1, 0])).tolist() == [[1], [0]]
    assert features(hold([True, False])).tolist() == [[1], [0]]


def test_features_are_exact_or_refused() -> None:
    assert features([2**24, -(2**24), 2**24 + 2]).flatten().tolist() == [2**24, -(2**24), 2**24 + 2]
    assert features([0.1]).item() == np.float32(0.1)
    assert features([2**62]).item() == 2**62
    for value in (2**24 + 1, -(2**24) - 1, 2**63 - 1):
        with pytest.raises(DataError, match=rf"x\[1, 0\] is {value}; which float32 cannot hold"):
            features([0, value])


def test_sparse_features() -> None:
    matrix = sp.csr_matrix(np.array([[0, 2], [1, 0]], dtype=np.float64))
    assert features(matrix).tolist() == [[0, 2], [1, 0]]


def test_nan_and_infinity_are_left_to_the_data_set() -> None:
    assert features([INF]).item() == INF
    assert features([NAN]).isnan().all()


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ([[1.0, 1e39]], r"x\[0, 1\] is 1e\+39; which float32 cannot hold"),
        ([[1.0], [1e-60]], r"x\[1, 0\] is 1e-60; which float32 cannot hold"),
        ([["a"]], r"x\[0, 0\] is 'a'; it must be a number"),
        (np.zeros((2, 2, 2)), r"x has shape \(2, 2, 2\)"),
        (1.0, r"x has shape \(\)"),
        ([1j], "complex"),
    ],
)
def test_features_refuse(value: Any, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        features(value)


@holders
def test_labels(hold: Callable[[Any], Any]) -> None:
    for value in ([0, 2, -1], [0.0, 2.0, NAN], [[0], [2], [-1]], [0.0, 2.0, -1.0]):
        y, names = labels(hold(value))
        assert y.dtype == torch.int64
        assert y.tolist() == [0, 2, -1]
        assert names == ()
    assert labels(hold([[0, 1], [1, 0], [0, 0]]))[0].tolist() == [1, 0, -1]
    assert labels(hold([[0.0, 1.0], [1.0, 0.0]]))[0].tolist() == [1, 0]
    assert labels(hold([True, False]))[0].tolist() == [1, 0]


@pytest.mark.parametrize(
    "value",
    [
        ["b", "a", None, "b", ""],
        np.array(["b", "a", "", "b", ""]),
        np.array([b"b", b"a", b"", b"b", b""]),
        pd.Series(["b", "a", None, "b", NAN]),
        pd.Series(["b", "a", None, "b", None], dtype="category"),
        pd.Series(["b", "a", None, "b", None], dtype="string"),
        [["b"], ["a"], [None], ["b"], [""]],
    ],
)
def test_texts_become_classes_with_names(value: Any) -> None:
    y, names = labels(value)
    assert y.tolist() == [1, 0, -1, 1, -1]
    assert names == ("a", "b")


def test_texts_of_numbers_are_numbers() -> None:
    assert labels(["10", "9", "-1", ""])[0].tolist() == [10, 9, -1, -1]
    assert labels(["3.0", "-1.0", "nan", "0"])[0].tolist() == [3, -1, -1, 0]
    assert labels(["01", "1"])[1] == ("01", "1")


def test_names_come_from_the_caller_or_from_the_columns() -> None:
    assert labels(["b", "a"], names=("b", "a", "c"))[0].tolist() == [0, 1]
    assert labels([1, 0], names=("b", "a"))[1] == ("b", "a")
    frame = pd.DataFrame({"cat": [0, 1], "dog": [1, 0]})
    y, names = labels(frame)
    assert y.tolist() == [1, 0]
    assert names == ("cat", "dog")


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ([0, 0.5], r"y\[1\] is 0.5; labels must be whole numbers"),
        ([0, -2], r"y\[1\] is -2; labels are 0, 1"),
        ([0.0, INF], r"y\[1\] is inf; labels must be whole"),
        ([0.0, 1e300], r"y\[1\] is 1e\+300"),
        ([0, "a"], r"y\[1\] is 'a' among numbers"),
        ([[1, 1, 0], [0, 0, 1]], r"y\[0\] has 2 classes; give the one class"),
        ([[1.0, 0.5], [0.0, 1.0]], r"y\[0, 1\] is 0.5; rows of 2 labels must be one-hot"),
        ([[1.0, NAN], [0.0, 1.0]], r"y\[0, 1\] is nan; rows"),
        ([["a", "b"]], r"y has shape \(1, 2\)"),
        (["0.5", "1"], r"y\[0\] is 0.5; labels must be whole"),
        (["a", "NaN"], r"y\[1\] is 'NaN', which may be a missing label; leave it empty"),
        ([10**5000, "a"], r"y\[1\] is 'a' among numbers"),
        (["a", 10**5000], r"y\[1\] is a number of 16,610 bits among texts"),
        ([10**5000], "a number that float64 cannot hold"),
        (np.zeros((2, 0)), r"y has shape \(2, 0\)"),
        ([str(i) + "x" for i in range(30)], "holds 30 different texts for 30 nodes, from '0x'"),
    ],
)
def test_labels_refuse(value: Any, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        labels(value)


def test_a_text_that_is_no_class_is_refused() -> None:
    with pytest.raises(DataError, match=r"y\[1\] is 'c', which is no class; the classes are a, b"):
        labels(["a", "c"], names=("a", "b"))


@holders
def test_node_numbers(hold: Callable[[Any], Any]) -> None:
    assert node_numbers(hold([2, 0]), 3, "nodes").tolist() == [2, 0]
    assert node_numbers(hold([[2.0], [0.0]]), 3, "nodes").tolist() == [2, 0]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ([0, -1], r"nodes\[1\] is -1; nodes are numbered 0 … 2"),
        ([3], r"nodes\[0\] is 3"),
        ([0.5], r"nodes\[0\] is 0.5"),
        ([NAN], r"nodes\[0\] is nan"),
        ([True], "nodes holds truth values"),
        ([1, 2, 1], "nodes names node 1 twice"),
        ([[0, 1]], r"nodes has shape \(1, 2\)"),
    ],
)
def test_node_numbers_refuse(value: Any, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        node_numbers(value, 3, "nodes")
    assert node_numbers([1, 1], 3, "nodes", distinct=False).tolist() == [1, 1]


@holders
def test_edges(hold: Callable[[Any], Any]) -> None:
    assert edges(hold([[0, 1, 2], [1, 2, 2]]), 3).tolist() == [[0, 1, 2], [1, 2, 2]]
    assert edges(hold([[0.0, 1.0], [1.0, 2.0], [2.0, 2.0]]), 3, rows=True).tolist() == [
        [0, 1, 2],
        [1, 2, 2],
    ]


def test_no_edges() -> None:
    for value in ([], np.zeros((0, 2)), torch.zeros(2, 0)):
        assert edges(value, 3).shape == (2, 0)


@pytest.mark.parametrize(
    ("value", "rows", "sentence"),
    [
        (np.zeros((3, 2), int), False, r"has shape \(3, 2\); it must have shape \(2, edges\)"),
        (np.zeros((2, 3), int), True, r"has shape \(2, 3\); it must have shape \(edges, 2\)"),
        ([[0, 0.5], [1, 1]], False, r"edge_index\[0, 1\] is 0.5"),
        ([[0, 3], [1, 1]], False, r"edge 1 is \(3, 1\), but nodes are numbered 0 … 2"),
        ([[0, 3], [1, 1]], True, r"edge 0 is \(0, 3\)"),
        ([[True], [False]], False, "truth values"),
        ([["a"], ["b"]], False, r"edge_index\[0, 0\] is 'a'"),
    ],
)
def test_edges_refuse(value: Any, rows: bool, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        edges(value, 3, rows=rows)


@holders
def test_masks(hold: Callable[[Any], Any]) -> None:
    for value in ([True, False, True, False], [1, 0, 1, 0], [1.0, 0.0, 1.0, 0.0], [2, 0]):
        assert mask(hold(value), 4, "m").tolist() == [True, False, True, False]


def test_masks_of_several_splits() -> None:
    stack = np.array([[1, 0, 0], [0, 1, 1]], dtype=bool)
    for value in (stack, stack.T, torch.from_numpy(stack), pd.DataFrame(stack.T)):
        assert count_splits(value, 3, "m") == 2
        assert mask(value, 3, "m", split=1).tolist() == [False, True, True]
    assert count_splits([1, 0, 0], 3, "m") == 1
    assert mask([[1], [0], [0]], 3, "m").tolist() == [True, False, False]
    with pytest.raises(ConfigError, match="split must lie in 0 … 1 for m, which has 2 splits"):
        mask(stack, 3, "m", split=2)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ([1, 0, 2, 0], r"m\[2\] is 2; a mask holds True or False"),
        ([1, 0, NAN, 0], r"m\[2\] is nan"),
        ([1, 0, 0.5, 0], r"m\[2\] is 0.5"),
        ([True, False], "m holds 2 entries for 4 nodes; give one each"),
        ([1, 0, 1], "m holds 3 entries for 4 nodes"),
        ([4], r"m\[0\] is 4; nodes are numbered 0 … 3"),
        ([-1, 0], r"m\[0\] is -1"),
        (["yes"] * 4, r"m\[0\] is 'yes'; it must be a number"),
        (np.zeros((4, 4)), r"either axis may be the splits; give one split, such as m\[:, 0\]"),
        (np.zeros((3, 2)), r"m has shape \(3, 2\); with 4 nodes"),
        (np.zeros((4, 1, 1)), r"m has shape \(4, 1, 1\)"),
    ],
)
def test_masks_refuse(value: Any, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        mask(value, 4, "m")


def test_masks_of_a_column_of_names() -> None:
    column = ["train", "Validation", "TEST", "valid", "", None]
    found = masks_of(pd.Series(column), 6)
    assert found["train_mask"].nonzero().flatten().tolist() == [0]
    assert found["val_mask"].nonzero().flatten().tolist() == [1, 3]
    assert found["test_mask"].nonzero().flatten().tolist() == [2]
    assert not any(part.any() for part in masks_of([None, None], 2).values())


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (["train", "tset"], r"split\[1\] is 'tset'; it must be 'train', 'val', 'test'"),
        ([0, 1], r"split\[0\] is 0; it must be 'train'"),
        (["train"], r"split has shape \(1,\)"),
    ],
)
def test_a_column_of_names_is_refused(value: Any, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        masks_of(value, 2)


def test_pick_masks() -> None:
    store = {"train_idx": [0], "validation_mask": [1], "test_mask": None, "x": 3}
    assert pick_masks(store) == {"train_mask": [0], "val_mask": [1]}
    with pytest.raises(DataError, match="there are val_mask and valid_idx, which may differ"):
        pick_masks({"val_mask": [0], "valid_idx": [1]})


def test_pick_masks_of_three_short_names() -> None:
    short = {"train": [0], "valid": [1], "test": [2]}
    assert pick_masks(short) == {"train_mask": [0], "val_mask": [1], "test_mask": [2]}
    assert pick_masks({f"idx_{name}": value for name, value in short.items()}) == pick_masks(short)
    # One such word may be anything, and the usual names go before them.
    assert pick_masks({"train": [0], "test": [2]}) == {}
    assert pick_masks({**short, "train_mask": [3]}) == {"train_mask": [3]}


def test_columns_of_a_frame_are_not_rounded_to_a_common_type() -> None:
    assert features(pd.DataFrame({"a": [1, 2], "b": [0.5, 3]})).tolist() == [[1, 0.5], [2, 3]]
    with pytest.raises(DataError, match=r"x\['a'\]\[1, 0\] is 16777217; which float32 cannot"):
        features(pd.DataFrame({"a": [1, 2**24 + 1], "b": [0.5, 3]}))


def test_count() -> None:
    assert count(3, "n") == count([3.0], "n") == count(np.array([[3]]), "n") == 3
    for value, sentence in (
        (True, "n holds truth values"),
        (0.5, r"n\[0\] is 0.5; it must be a whole number"),
        ([1, 2], "n must be one number, got 2"),
        (-1, "n is -1; it must be at least 0"),
        ("3", "n is '3'; it must be a number"),
    ):
        with pytest.raises(DataError, match=sentence):
            count(value, "n")


def test_a_text_among_numbers_is_no_class() -> None:
    with pytest.raises(DataError, match=r"y\[2\] is the text 'oops' among numbers, such as '0'"):
        labels(["0", "1", "oops", "1"])
    assert labels(["0", "1", "oops"], names=["0", "1", "oops"])[0].tolist() == [0, 1, 2]
