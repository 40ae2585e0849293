"""Pickles read as data: what arrays need, and nothing that runs."""

from __future__ import annotations

import contextlib
import os
import pickle
import pickletools
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gslt.data.pickles import NAMES, SparseMatrix, unpickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


class Call:
    """What pickles as a call of a function."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.parts = (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.parts


def matrix() -> sp.csr_matrix:
    return sp.csr_matrix(np.array([[0, 1.5, 0], [2, 0, 3]], dtype=np.float32))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(
    value=arrays.arrays(
        st.sampled_from(["?", "<i2", "<i8", ">i4", "|u1", "<f4", ">f8"]),
        arrays.array_shapes(min_dims=1, max_dims=2, min_side=0),
    ),
    by_column=st.booleans(),
)
@settings(max_examples=30)
def test_arrays_as_pickle_reads_them(protocol: int, value: np.ndarray, by_column: bool) -> None:
    value = np.asfortranarray(value) if by_column else value
    found = unpickle(pickle.dumps(value, protocol))
    assert found.dtype == value.dtype
    assert found.shape == value.shape
    assert found.tobytes() == value.tobytes()


@pytest.mark.parametrize("protocol", PROTOCOLS[2:])
def test_sparse_matrix(protocol: int) -> None:
    found = unpickle(pickle.dumps(matrix(), protocol))
    assert isinstance(found, SparseMatrix)
    assert found.parts["_shape"] == (2, 3)
    assert found.parts["data"].tolist() == [1.5, 2, 3]
    assert found.parts["indices"].tolist() == [1, 0, 2]
    assert found.parts["indptr"].tolist() == [0, 1, 3]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -7,
        2**70,
        2.5,
        "ä",
        (),
        (1, (2, 3), [4]),
        {0: [1, 2], "a": {}},
        [[], [1], list(range(2000))],
    ],
    ids=repr,
)
def test_plain_values(protocol: int, value: object) -> None:
    assert unpickle(pickle.dumps(value, protocol)) == value


def test_python_2_by_hand() -> None:
    # pickle.dumps(collections.defaultdict(list, {3: [4]}), 2) of Python 2.7, and its arrays.
    graph = b"\x80\x02ccollections\ndefaultdict\nq\x01c__builtin__\nlist\nq\x02\x85q\x03Rq\x04"
    assert unpickle(graph + b"K\x03]q\x05K\x04as.") == {3: [4]}
    array = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85q\x03"
        b"U\x01bq\x04\x87q\x05Rq\x06(K\x01K\x01K\x02\x86q\x07cnumpy\ndtype\nq\x08U\x02i2q\x09K\x00"
        b"K\x01\x87q\x0aRq\x0b(K\x03U\x01<q\x0cNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x0db"
        b"\x89U\x04\x01\x00\xff\xffq\x0etq\x0fb."
    )
    assert unpickle(array).tolist() == [[1, -1]]


RAN: list[str] = []


def run(*arguments: object) -> None:
    RAN.append("ran")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "value",
    [
        Call(os.system, "touch ran"),
        Call(eval, "1"),
        Call(exec, "import os"),
        Call(getattr, "a", "upper"),
        Call(__import__, "os"),
        Call(run),
        Call(pickle.loads, b"N."),
        Call(np.load, "x", None, True),
        Call(np.ndarray, (2,), "O"),
        Call(list, [1, 2]),
        [1, {"a": Call(run)}],
        Call(sp.csr_matrix, (3, 3)),
        np.array([Call(run)], dtype=object),
        np.array([(1, 2)], dtype="i4,i4"),
        np.array(["text"]),
        np.float64(1),
        np.ma.array([1]),
        {1, 2},
        frozenset([1]),
        Path("a"),
        range(3),
        complex(1, 2),
        print,
    ],
)
def test_everything_else_is_refused_and_nothing_runs(protocol: int, value: object) -> None:
    RAN.clear()
    with pytest.raises(ValueError, match=r"asks for|holds the operation|calls|no array|not of num"):
        unpickle(pickle.dumps(value, protocol))
    assert RAN == []


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        (b"cos\nsystem\n(S'ls'\ntR.", r"it asks for 'os system'"),
        (b"cos\nsystem\n0N.", r"it asks for 'os system'"),
        (b"(S'ls'\nios\nsystem\n.", "the operation INST"),
        (b"(cos\nsystem\nS'ls'\no.", "asks for 'os system'"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "asks for 'os system'"),
        (b"\x80\x02\x82\x01.", "the operation EXT1"),
        (b"Pabc\n.", "the operation PERSID"),
        (b"\x80\x05\x97.", "the operation NEXT_BUFFER"),
        (b"cbuiltins\nlist\n)R.", "it calls list"),
        (b"cbuiltins\nlist\n}b.", "gives a _Name a state"),
        (b"cbuiltins\nbytes\nK\x09\x85R.", "bytes of something"),
        (b"ccollections\ndefaultdict\ncnumpy\ndtype\n\x85R.", "a default that is no empty list"),
        (b"ccollections\ndefaultdict\ncnumpy\nndarray\n\x85R.", "a default that is no empty list"),
        (b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00zip\x86R.", "not as latin-1"),
        (b"cnumpy\ndtype\nX\x01\x00\x00\x00O\x85R.", "not of numbers"),
        (b"cnumpy\ndtype\nX\x02\x00\x00\x00O8\x85R.", "not of numbers"),
        (b"cnumpy\ndtype\nX\x0e\x00\x00\x00f8,f8,f8,f8,f8\x85R.", "not of numbers"),
        (b"cnumpy\nndarray\n)\x81.", "no sparse matrix"),
        (b"cscipy.sparse\ncsr_matrix\nN\x85\x81.", "no sparse matrix"),
        (b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\ndtype\nK\x00\x85NtR.", "no array"),
        (
            b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85NtR.",
            "no a",
        ),
        (b"cnumpy.core.multiarray\n_reconstruct\n)R.", "no array"),
        (b"", "exhausted|empty"),
        (b".", "not there"),
        (b"0.", "not there"),
        (b"(0.", "not there"),
        (b"K\x01a.", "not there"),
        (b"K\x01K\x02a.", "adds to a int as to a list"),
        (b"]K\x01K\x02s.", "adds to a list as to a dict"),
        (b"}(K\x01u.", "longer|shorter"),
        (b"}))s.", "the key of a dict is a tuple"),
        (b"}\x8a\x09" + b"\x01" * 9 + b"K\x01s.", "too large a number"),
        (b"h\x07.", "recalls a value that is not there"),
        (b"Nr\xff\xff\xff\xff.", None),
        (b"Np99999999999999999999\n.", "under too large a number"),
        (b"N(N.", "does not use"),
        (b"N.N.", "goes on after its end, by 2 bytes"),
        (b"T\xff\xff\xff\x7fabc.", "expected"),
        (b"\x8e" + b"\xff" * 7 + b"\x7f" + b"abc.", "expected|bytes"),
    ],
)
def test_programs(program: bytes, sentence: str | None) -> None:
    if sentence is None:
        assert unpickle(program) is None
        return
    with pytest.raises(ValueError, match=sentence):
        unpickle(program)


def array_program(shape: str, content: bytes, kind: str = "f8") -> bytes:
    """A pickled array of any claims, written as a program."""
    return (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n("
        + shape.encode()
        + b"tcnumpy\ndtype\n(S'"
        + kind.encode()
        + b"'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nB"
        + len(content).to_bytes(4, "little")
        + content
        + b"tb."
    )


def test_array_program_by_hand() -> None:
    assert unpickle(array_program("I2\n", bytes(16))).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("shape", "content"),
    [
        ("I1000000000000\n", bytes(8)),
        ("I3\n", bytes(16)),
        ("I1\n", bytes(16)),
        ("I-2\n", bytes(16)),
        ("I4294967296\nI4294967297\n", bytes(8)),
        ("L99999999999999999999999999L\n", bytes(8)),
        ("I1\nI1\nI1\n", bytes(8)),
        ("S'2'\n", bytes(16)),
        ("F2.0\n", bytes(16)),
    ],
)
def test_shapes_that_the_bytes_do_not_bear_out(shape: str, content: bytes) -> None:
    with pytest.raises(ValueError, match=r"the shape of an array|an array has"):
        unpickle(array_program(shape, content))


def test_memory_grows_no_faster_than_the_file() -> None:
    """One text of 100 kB made into bytes a thousand times over would take 100 MB."""
    text = b"X" + (100_000).to_bytes(4, "little") + b"a" * 100_000 + b"q\x00"
    encode = b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R"
    assert unpickle(text + b"0" + encode + b".") == b"a" * 100_000
    with pytest.raises(ValueError, match="makes more bytes than it has"):
        unpickle(text + b"0](" + encode * 1000 + b"e.")


def test_values_that_hold_one_another_end() -> None:
    # Sixty pairs of pairs: a trillion values to whoever would walk through them.
    nested = b"N" + b"".join(b"q%ch%c\x86" % (n, n) for n in range(60))
    assert isinstance(unpickle(nested + b"."), tuple)
    with pytest.raises(ValueError, match="the key of a dict is a tuple"):
        unpickle(b"}" + nested + b"Ns.")
    loop = unpickle(b"]q\x00h\x00a.")
    assert loop[0] is loop


@pytest.mark.parametrize("name", NAMES)
def test_names_alone_are_inert(name: str) -> None:
    module, _, attribute = name.partition(" ")
    found = unpickle(f"c{module}\n{attribute}\n.".encode())
    assert not callable(found)


SEEDS = [
    pickle.dumps(value, protocol)
    for protocol in PROTOCOLS
    for value in (matrix(), np.arange(6.0).reshape(2, 3), {0: [1, 2], 1: [0]}, "text", [1, (2,)])
]


@given(st.sampled_from(SEEDS), st.data())
@settings(max_examples=400)
def test_damaged_pickles_are_values_or_sentences(seed: bytes, data: st.DataObject) -> None:
    damaged = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        act = data.draw(st.sampled_from(["set", "cut", "add", "operation"]))
        if act == "cut":
            del damaged[place : place + data.draw(st.integers(1, 9))]
        elif act == "operation":
            operation = data.draw(st.sampled_from(pickletools.opcodes))
            damaged[place:place] = operation.code.encode("latin-1")
        elif act == "add":
            damaged[place:place] = data.draw(st.binary(max_size=9))
        else:
            damaged[place] = data.draw(st.integers(0, 255))
        if not damaged:
            return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Any other error, and any hang, fails.
        with contextlib.suppress(ValueError):
            unpickle(bytes(damaged))
