"""Archives of arrays: what NumPy writes, and nothing that claims more than it has."""

from __future__ import annotations

import io
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gslt.environment import raised
from gslt.errors import ConfigError, DataError
from gslt.files.npz import npz_names, read_npz


def zipped(path: Path, *members: tuple[str, bytes], packed: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", packed) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


def stored(value: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, value, **options)
    return buffer.getvalue()


def claim(header: str, content: bytes = b"", version: int = 1) -> bytes:
    text = header.encode() + b"\n"
    length = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + content


def says(shape: str, kind: str = "'<f8'", content: bytes = bytes(16), version: int = 1) -> bytes:
    text = f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}}}"
    return claim(text, content, version)


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
@given(
    value=arrays.arrays(
        st.sampled_from(["?", "<i2", ">i8", "|u1", "<f4", ">f8", "<c8", "<U3", "S2", "<M8[s]"]),
        arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
    by_column=st.booleans(),
)
@settings(max_examples=60)
def test_arrays_as_numpy_reads_them(
    tmp_path_factory: pytest.TempPathFactory, write: Any, value: np.ndarray, by_column: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "a.npz"
    value = np.asfortranarray(value) if by_column and value.ndim else value
    write(path, x=value, other=np.ones(2))
    found = read_npz(path, ("x",), "fetch it again")["x"]
    assert (found.dtype, found.shape) == (value.dtype, value.shape)
    assert found.tobytes() == value.tobytes()
    assert found.flags.writeable


def test_by_hand(tmp_path: Path) -> None:
    for version in (1, 2):
        path = zipped(tmp_path / "a.npz", ("x.npy", says("(2,)", version=version)))
        assert read_npz(path, ("x",), "")["x"].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (says("(1000000000000,)"), "has 16 bytes, which is not what the shape"),
        (says("(1,)"), "has 16 bytes, which is not what the shape"),
        (says("(-1, -2)"), "not what the shape"),
        (says("(4294967296, 4294967296)"), "not what the shape"),
        (says("(2.0,)"), "is damaged"),
        (says("2"), "is damaged"),
        (says("(1000000000000,)", "'<U0'", b""), "no numbers or texts"),
        (says("(2,)", "'|O'"), "no numbers or texts"),
        (says("(2,)", "'|V8'"), "no numbers or texts"),
        (says("(2,)", "[('a', '<f8')]"), "no numbers or texts"),
        (says("(2,)", "'<q99'"), "is damaged"),
        (says("(2,)", "__import__('os')"), "is damaged"),
        (claim("(" * 5000), "is damaged"),
        (claim("1" * 20_000), "header of x.npy is too long"),
        (claim("1" * 20_000, version=2), "header of x.npy is too long"),
        (says("(2,)", version=3), "of an unknown version"),
        (b"\x93NUMPY", "is damaged"),
        (b"", "is damaged"),
        (stored(np.array([{}], dtype=object)), "no numbers or texts"),
    ],
)
def test_claims_that_are_not_borne_out(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = zipped(tmp_path / "a.npz", ("x.npy", content))
    with pytest.raises(DataError, match=rf"a\.npz' .*{sentence}.*; fetch it again"):
        read_npz(path, ("x",), "fetch it again")


def test_missing_and_repeated_arrays(tmp_path: Path) -> None:
    one = ("x.npy", says("(2,)"))
    path = zipped(tmp_path / "a.npz", one)
    with pytest.raises(DataError, match=r"no array 'y' \(it should hold x, y\); fetch it"):
        read_npz(path, ("x", "y"), "fetch it")
    with pytest.warns(UserWarning, match="Duplicate"):
        zipped(path, one, one)
    with pytest.raises(DataError, match="has the array 'x' twice"):
        read_npz(path, ("x",), "")
    zipped(path, one, packed=zipfile.ZIP_LZMA)
    with pytest.raises(DataError, match="packed in an unusual way"):
        read_npz(path, ("x",), "")


def test_a_member_that_swallows_the_next_is_noticed(tmp_path: Path) -> None:
    """The first name in the directory becomes longer by all that follows it."""
    path = tmp_path / "a.npz"
    np.savez(path, a=np.ones(2), b=np.ones(3))
    assert npz_names(path, "look") == ["a", "b"]
    data = bytearray(path.read_bytes())
    first, second = (m.start() for m in re.finditer(b"PK\x01\x02", bytes(data)))
    data[first + 32 : first + 34] = (second - first).to_bytes(2, "little")  # Its comment.
    path.write_bytes(data)
    assert len(zipfile.ZipFile(path).infolist()) == 1
    with pytest.raises(DataError, match="it lists 1 of its 2 arrays; look"):
        npz_names(path, "look")


def test_archives_that_swell(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.zeros(10**6), y=np.zeros(10**6))
    with raised(inflated_bytes=10**7), pytest.raises(ConfigError, match="unpacks to 16,000"):
        read_npz(path, ("x", "y"), "")
    with raised(inflated_bytes=10**7):
        assert read_npz(path, ("x",), "")["x"].sum() == 0
    np.savez_compressed(path, x=np.zeros(2**26 + 1, dtype=np.float32))
    with pytest.raises(DataError, match="it unpacks to more than 500 times its size"):
        read_npz(path, ("x",), "")


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.npz' cannot be read: No such file"):
        read_npz(tmp_path / "none.npz", ("x",), "")
    with pytest.raises(DataError, match="it is no regular file"):
        read_npz(tmp_path, ("x",), "")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="no regular file"):
        read_npz(tmp_path / "pipe", ("x",), "")


@given(st.data())
@settings(max_examples=300)
def test_damaged_archives_are_arrays_or_sentences(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "a.npz"
    write = data.draw(st.sampled_from([np.savez, np.savez_compressed]))
    write(path, x=np.arange(6.0).reshape(2, 3), y=np.array(["a", "b"]))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            content[place] = data.draw(st.integers(0, 255))
        else:
            del content[place : place + data.draw(st.integers(1, 40))]
        if not content:
            return
    path.write_bytes(content)
    try:
        found = read_npz(path, ("x", "y"), "fetch it again")
    except DataError as error:
        assert "fetch it again" in str(error)  # noqa: PT017
    else:
        assert set(found) == {"x", "y"}
