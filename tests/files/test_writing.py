"""Files that are whole or not there, and values as JSON can say them."""

from __future__ import annotations

import json
import math
import os
import stat
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from gslt.files.npz import read_npz
from gslt.files.writing import plain, replacing, write_json, write_npz, write_text


def test_a_file_is_replaced_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    write_text(path, "old")
    with replacing(path) as temporary:
        assert temporary.parent == path.parent
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_a_replaced_file_keeps_its_mode_and_a_new_one_has_that_of_the_umask(tmp_path: Path) -> None:
    usual = os.umask(0o077)
    try:
        write_text(tmp_path / "new", "1")
        (tmp_path / "old").touch()
        (tmp_path / "old").chmod(0o664)
        write_text(tmp_path / "old", "1")
    finally:
        os.umask(usual)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "old").stat().st_mode) == 0o664


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    for name, target in (("a", "elsewhere/a"), ("b", "a")):  # b leads to a, a to a new file.
        (tmp_path / name).symlink_to(target)
    write_text(tmp_path / "b", "1")
    assert (tmp_path / "a").is_symlink()
    assert (tmp_path / "b").is_symlink()
    assert (tmp_path / "elsewhere" / "a").read_text() == "1"


def test_a_name_as_long_as_names_may_be(tmp_path: Path) -> None:
    write_text(tmp_path / ("n" * 251 + ".txt"), "1")
    write_text(tmp_path / ("n." + "x" * 253), "1")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_device_is_written_to_and_a_folder_refused(tmp_path: Path) -> None:
    write_text(Path("/dev/null"), "1")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    with pytest.raises(IsADirectoryError):
        write_text(tmp_path, "1")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everything")
def test_a_file_that_is_read_only_stays(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "1")
    (tmp_path / "a").chmod(0o444)
    with pytest.raises(PermissionError):
        write_text(tmp_path / "a", "2")
    assert (tmp_path / "a").read_text() == "1"


def test_temporaries_on_the_same_disk_may_lie_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    with replacing(tmp_path / "a", tmp_path / "tmp") as temporary:
        assert temporary.parent == tmp_path / "tmp"
        temporary.write_text("1")
    assert (tmp_path / "a").read_text() == "1"
    with replacing(tmp_path / "a", Path("/proc")) as temporary:
        assert temporary.parent == tmp_path


def test_an_error_leaves_the_old_file(tmp_path: Path) -> None:
    def fail(temporary: Path) -> None:
        temporary.write_text("ha")
        raise ValueError("half written")

    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(ValueError, match="half written"), replacing(path) as temporary:
        fail(temporary)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_names_the_file_that_somebody_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a file, and no folder")
    for inside, name in (
        (lambda temporary: temporary.joinpath("b").write_text("x"), None),
        (lambda temporary: os.open(temporary, os.O_CREAT | os.O_EXCL), str(path)),
    ):
        with (
            pytest.raises((NotADirectoryError, FileExistsError)) as stop,
            replacing(path) as temporary,
        ):
            inside(temporary)
        assert stop.value.filename == (name or str(temporary / "b"))
    assert list(tmp_path.iterdir()) == [path]


@dataclass
class Point:
    x: float
    more: tuple[object, ...]


def test_plain_values_by_hand(tmp_path: Path) -> None:
    value = {1: Point(math.nan, (math.inf, 2, "a", None, True)), "f": np.float64(0.5)}
    expected = {"1": {"x": None, "more": [None, 2, "a", None, True]}, "f": 0.5}
    assert plain(value) == expected
    write_json(tmp_path / "a.json", plain(value))
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == expected
    assert text.endswith("}\n")


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_what_json_cannot_say_is_not_written(value: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"a": [value]})
    assert not (tmp_path / "a.json").exists()


def test_arrays_come_back(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_npz(path, x=np.arange(6).reshape(2, 3), y=np.array([0.5]), z=np.ones(2))
    found = read_npz(path, ("x", "y"), "fetch it again")
    assert sorted(found) == ["x", "y"]
    assert found["x"].tolist() == [[0, 1, 2], [3, 4, 5]]
