"""Numbers and texts in one form, whatever held them: by hand, and every refusal."""

from __future__ import annotations

import decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from gslt.data.arrays import EntryError, array_of, extent, numbers_of
from gslt.errors import DataError

ROWS = [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "value",
    [
        ROWS,
        tuple(ROWS),
        np.array(ROWS),
        np.array(ROWS, dtype=">i4"),
        np.array(ROWS, dtype=np.uint16),
        np.array(ROWS, dtype=np.uint64),
        np.array(ROWS, dtype=np.longdouble),
        np.array(ROWS, dtype=object),
        np.array(ROWS)[::-1, ::-1][::-1, ::-1],
        np.asfortranarray(ROWS),
        torch.tensor(ROWS),
        torch.tensor(ROWS, dtype=torch.uint32),
        torch.tensor(ROWS).to_sparse(),
        torch.tensor(ROWS).double().requires_grad_(),
        sp.csr_matrix(ROWS),
        sp.coo_array(np.array(ROWS)),
        pd.DataFrame(ROWS),
        pd.DataFrame({"a": [1, 3], "b": [2.0, 4.0]}),
        pd.DataFrame({"a": pd.array([1, 3], dtype="Int64"), "b": [2, 4]}),
        pd.Series(ROWS),
        [np.array([1, 2]), torch.tensor([3, 4])],
        [[1.0, 2], np.array([3, 4], dtype=np.int8)],
    ],
)
def test_numbers(value: Any) -> None:
    assert numbers_of(value, "x").tolist() == ROWS


def test_numbers_keep_their_type() -> None:
    assert numbers_of(np.array([True]), "x").dtype == torch.bool
    assert numbers_of([2**53 + 1], "x").tolist() == [2**53 + 1]
    assert numbers_of(pd.Series([1, 2], dtype="int8"), "x").dtype == torch.int8


@pytest.mark.parametrize(
    "value",
    [
        [1, None],
        pd.Series([1, None]),
        pd.array([1, pd.NA], dtype="Int64"),
        pd.Series([1, pd.NA], dtype="Float64"),
        np.ma.array([1, 7], mask=[False, True]),
        [np.float32(1), float("nan")],
    ],
)
def test_missing_numbers_are_nan(value: Any) -> None:
    given = numbers_of(value, "x")
    assert given[0] == 1
    assert given[1].isnan()


@pytest.mark.parametrize(
    "value",
    [
        ["a", None],
        ["a", float("nan")],
        np.array([b"a", None], dtype=object),
        pd.Series(["a", None]),
        pd.Series(["a", None], dtype="category"),
        pd.Series(["a", None], dtype="string"),
    ],
)
def test_texts(value: Any) -> None:
    assert array_of(value, "y").tolist() == ["a", None]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ([1, "2"], r"x\[1\] is '2' among numbers; give numbers or texts alone"),
        ([None, "2", 1], r"x\[2\] is 1 among texts"),
        ([[1, 2], [3]], r"x\[1\] has shape \(1,\) and x\[0\] has \(2,\)"),
        ([1, {}], r"x\[1\] is of type dict"),
        ([1, object()], r"x\[1\] is of type object"),
        ([1, decimal.Decimal(1)], r"x\[1\] is of type Decimal"),
        ({"a": 1}, "x is of type dict"),
        (object(), "x is of type object"),
        ([1j], "x is of type complex128"),
        (torch.ones(1, dtype=torch.complex64), r"x is of type torch\.complex64"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "x is of type datetime64"),
        (np.array([2**63], dtype=np.uint64), "x holds 9223372036854775808, which int64"),
        ([10**400], "a number that float64 cannot hold"),
        ([b"\xff"], r"x\[0\] is no UTF-8 text"),
    ],
)
def test_refusals(value: Any, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        array_of(value, "x")


def test_a_refusal_names_the_row() -> None:
    with pytest.raises(EntryError, match=r"x\[1, 0\] is 'a'; it must be a number") as caught:
        numbers_of([[None, None], ["a", None]], "x")
    assert caught.value.row == 1


def test_extent() -> None:
    assert extent(torch.ones(3), "w") == ""
    assert extent([2, None], "w") == "2 numbers from 2 to 2"
    assert extent(np.zeros((3, 2)), "w") == "3 × 2 numbers from 0 to 0"
    assert extent([None, None], "w") == "2 numbers"
    assert extent([{}], "w") == "of type list"
