"""MATLAB's files beside SciPy's reader, and damaged in every bit."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp

from gslt.data.matlab import matrices
from gslt.environment import raised
from gslt.errors import ConfigError

NUMBERS: dict[str, Any] = {
    **{name: np.array([[0, 1, 2], [3, 100, 5]], dtype=name) for name in ("f8", "f4", "i1", "u1")},
    **{
        name: np.array([[0, 1, -(2 ** (8 * int(name[1]) - 1))]], dtype=name)
        for name in ("i2", "i8")
    },
    **{name: np.array([[2 ** (8 * int(name[1]) - 1)], [7]], dtype=name) for name in ("u4", "u8")},
    "truth": np.array([[True, False]]),
    "nan": np.array([[np.nan, np.inf, -0.0, 0.1]]),
    "empty": np.zeros((0, 3)),
    "cube": np.arange(24.0).reshape(2, 3, 4),
    "a_name_longer_than_four_bytes": np.ones((1, 1)),
}
SPARSE: dict[str, Any] = {
    "sparse": sp.csc_matrix(np.array([[0, 0.5, 0], [2, 0, 0]])),
    "sparse_truth": sp.csc_matrix(np.eye(3, dtype=bool)),
    "nothing": sp.csc_matrix((4, 5)),
}


def written(values: dict[str, Any], compressed: bool = False) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, values, do_compression=compressed)
    return file.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
def test_as_scipy_reads_it(compressed: bool) -> None:
    data = written({**NUMBERS, **SPARSE}, compressed)
    known, found = scipy.io.loadmat(io.BytesIO(data)), matrices(data)
    assert set(found) == {*NUMBERS, *SPARSE}
    for name in NUMBERS:
        value = found[name].value()
        # SciPy gives truth values as uint8.
        kind = np.dtype(bool) if name == "truth" else known[name].dtype
        assert (value.dtype, value.shape) == (kind, known[name].shape), name
        np.testing.assert_array_equal(value, known[name])
        assert np.array_equal(np.signbit(value), np.signbit(known[name])) or name != "nan"
    for name in SPARSE:
        value = found[name].value()
        assert value.shape == known[name].shape
        assert (value != known[name]).nnz == 0
    assert found["sparse_truth"].value().dtype == bool


def test_what_holds_no_numbers_is_left_out() -> None:
    cell = np.array([[1, "a"]], dtype=object)
    assert set(matrices(written({"x": [1.0], "t": "text", "c": cell, "s": {"a": 1}}))) == {"x"}


def test_big_endian_by_hand() -> None:
    """A 1 × 2 matrix "ab" of doubles that are stored as bytes 3 and 4."""
    body = bytes.fromhex(
        "00000006 00000008 00000006 00000000"  # Flags: class 6.
        "00000005 00000008 00000001 00000002"  # Dimensions.
        "00020001 61620000"  # Name, in its tag.
        "00020002 03040000"  # Numbers of type 2, in their tag.
    )
    data = bytes(126) + b"MI" + bytes.fromhex("0000000e") + len(body).to_bytes(4, "big") + body
    assert matrices(data)["ab"].value().tolist() == [[3.0, 4.0]]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"MATLAB 7.3 MAT-file" + bytes(200), "version 7.3"),
        (bytes(200), "versions 5 to 7"),
        (b"", "versions 5 to 7"),
        (written({"x": [1.0]})[:-9], "longer than what holds it"),
        (written({"x": [1.0]}) + b"abc", "cut off"),
        (written({"x": [1.0]}) + written({"x": [2.0]})[128:], "holds x twice"),
        (written({"x": [1.0]}, True)[:-3], "longer than what holds it"),
    ],
)
def test_broken_files(data: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        matrices(data)


def test_complex_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="z holds complex numbers"):
        matrices(written({"z": [1j]}))["z"].value()


def test_a_bomb_is_not_unpacked() -> None:
    data = written({"x": np.zeros((1000, 1000))}, compressed=True)
    assert len(data) < 20_000
    with raised(inflated_bytes=10**6), pytest.raises(ConfigError, match="unpacks to"):
        matrices(data)


@pytest.mark.parametrize("compressed", [False, True])
def test_every_bit_may_be_wrong(compressed: bool) -> None:
    """It is refused in a sentence or read as other numbers; SciPy's reader ends the process."""
    whole = written(
        {"x": np.eye(2, 3), "s": SPARSE["sparse"], "c": np.array([[1, "a"]], object)}, compressed
    )
    outcomes = {"read": 0, "refused": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for bit in range(8 * 116, 8 * len(whole)):
            data = bytearray(whole)
            data[bit // 8] ^= 1 << bit % 8
            try:
                for matrix in matrices(bytes(data)).values():
                    value = matrix.value()
                    if sp.issparse(value):
                        value.check_format(full_check=True)
                outcomes["read"] += 1
            except (ValueError, ConfigError):
                outcomes["refused"] += 1
    assert min(outcomes.values()) > 100
