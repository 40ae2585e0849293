"""What others wrote is read within limits, and every fault is a sentence about the file."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslt.environment import raised
from gslt.errors import ConfigError, DataError, RunError
from gslt.files.reading import json_values, parse, read_bytes, read_yaml, reading, yaml_values

BOMB = "\n".join(
    ["a: &a [x,x,x,x,x,x,x,x,x]"]
    + [
        f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]"
        for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    ]
)


def test_any_fault_is_an_error_about_the_file() -> None:
    said = r"'a\.json' is damaged or no record: KeyError: 'run'"
    with pytest.raises(RunError, match=said), reading("a.json", what="a record"):
        raise KeyError("run")
    said = r"'none' cannot be read: No such file.*; fetch it again"
    with pytest.raises(DataError, match=said), reading("none", DataError, cure="fetch it again"):
        Path("none").read_text()
    with pytest.raises(DataError, match="as it is"), reading("a.json"):
        raise DataError("as it is")
    with pytest.raises(RunError, match=r"RecursionError|recursion"), reading("a.json"):
        json_values("[" * 100_000)


def test_only_regular_files_within_the_limit(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="it is no regular file"):
        read_bytes(tmp_path / "pipe")
    with pytest.raises(ValueError, match="it is no regular file"):
        read_bytes(tmp_path)
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**31)
    with pytest.raises(ConfigError, match=r"large' has 2,147,483,648 bytes, more than the limit"):
        read_bytes(tmp_path / "large")
    (tmp_path / "small").write_bytes(b"1234")
    assert read_bytes(tmp_path / "small") == b"1234"
    with raised(file_bytes=3), pytest.raises(ConfigError, match="GSLT_LIMITS=file_bytes=4"):
        read_bytes(tmp_path / "small")


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "1e999", '{"a": 1, "a": 1}', "{", "", "'a'"])
def test_json_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        json_values(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{lr: 1, lr: 2}", "line 1: the key 'lr' is there twice"),
        ("arms:\n  a: {}\n  a: {}", "line 3: the key 'a' is there twice"),
        ("a: &a [*a]", "a value holds itself"),
        ("{[1]: 2}", "a key is no text"),
        ("!!python/object/apply:os.system [echo]", "is no plain type"),
        ("a: !!set {b}", "is no plain type"),
        ("a: [", r"^line 1, column 5: expected the node content, but found '<stream end>'$"),
        ("a: b\n  c: [\n", r"^line 2, column 4: mapping values are not allowed here$"),
        ("a: \x01", r"^character 4: special characters are not allowed$"),
    ],
)
def test_yaml_that_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        yaml_values(text)


def test_a_yaml_bomb(tmp_path: Path) -> None:
    (tmp_path / "bomb.yaml").write_text(BOMB)
    with pytest.raises(ConfigError, match=r"a YAML text stands for .* values, more than the limit"):
        read_yaml(tmp_path / "bomb.yaml")


def test_yaml_as_people_write_it() -> None:
    text = "base: &b {lr: 1e-3, wd: 5E+2, x: 1.5}\narms: {a: *b, b: {<<: *b, lr: .5}}\ns: [1, -2]"
    values = yaml_values(text)
    assert values["arms"] == {
        "a": {"lr": 0.001, "wd": 500.0, "x": 1.5},
        "b": {"lr": 0.5, "wd": 500.0, "x": 1.5},
    }
    assert [type(value) for value in values["s"]] == [int, int]
    assert yaml_values("") is None
    assert yaml_values("2026-11-25") == "2026-11-25"


@dataclass
class Row:
    kind: Literal["a", "b"]
    number: float | None = None
    counts: list[int] | None = None


def test_typed_values() -> None:
    assert parse(Row, {"kind": "a", "number": 2}) == Row("a", 2.0)
    wrong = ({"kind": "c"}, {"kind": "a", "number": True}, {"kind": "a", "counts": ["1"]}, {}, [])
    for values in (*wrong, {"kind": "a", "counts": [1.5]}):
        with pytest.raises(ValueError, match=r"Expected|Invalid|missing"):
            parse(Row, values)


@given(st.text())
def test_text_of_any_kind_is_a_value_or_a_valueerror(text: str) -> None:
    for read in (json_values, yaml_values):
        with contextlib.suppress(ValueError, RecursionError):
            read(text)
