"""A folder of temporary files that leaves nothing and takes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gslt.data.temporary import temporary_folder
from gslt.errors import DataError


def test_leaves_nothing(tmp_path: Path) -> None:
    with temporary_folder(tmp_path / "new" / "deep" / "file") as folder:
        assert folder.parent == tmp_path / "new" / "deep" / ".gslt" / "tmp"
        (folder / "half").write_text("written")
    assert list(tmp_path.iterdir()) == []


def test_leaves_nothing_after_an_error(tmp_path: Path) -> None:
    def stopped() -> None:
        with temporary_folder(tmp_path / "file") as folder:
            (folder / "half").write_text("written")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert list(tmp_path.iterdir()) == []


def test_takes_nothing_of_others(tmp_path: Path) -> None:
    mine = [tmp_path / ".gslt" / "tmp" / ".gslt-mine", tmp_path / ".gslt" / "manifest.jsonl"]
    for path in mine:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    with temporary_folder(tmp_path / "file") as one, temporary_folder(tmp_path / "file") as two:
        assert one != two
    assert all(path.read_text() == "mine" for path in mine)
    assert len(list(tmp_path.rglob("*"))) == 4


def test_removes_what_a_killed_process_left(tmp_path: Path) -> None:
    tmp = tmp_path / ".gslt" / "tmp"
    names = [".gslt-0123456789ab", ".gslt-mine", "mine", ".gslt-ba9876543210"]
    for name in names:
        (tmp / name).mkdir(parents=True)
        (tmp / name / "half").write_text("written")
        if name != names[-1]:
            os.utime(tmp / name, (0, 0))
    with temporary_folder(tmp_path / "file"):
        pass
    assert sorted(path.name for path in tmp.iterdir()) == sorted(names[1:])


def test_what_was_made_stays(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file"
    with temporary_folder(target) as folder:
        (folder / "half").write_text("whole")
        (folder / "half").rename(target)
    assert [path.name for path in target.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("name", [".gslt", ".gslt/tmp"])
def test_links_are_refused(tmp_path: Path, name: str) -> None:
    other = tmp_path / "other"
    other.mkdir()
    place = tmp_path / "here" / name
    place.parent.mkdir(parents=True)
    place.symlink_to(other)
    with pytest.raises(DataError, match="is a link, so it is not gslt's"):
        temporary_folder(tmp_path / "here" / "file").__enter__()
    assert list(other.iterdir()) == []


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "here").write_text("a file")
    with (
        pytest.raises(DataError, match="nothing can be written beside"),
        temporary_folder(tmp_path / "here" / "file"),
    ):
        pass
    (tmp_path / ".gslt").write_text("a file")
    with (
        pytest.raises(DataError, match="nothing can be written beside"),
        temporary_folder(tmp_path / "new"),
    ):
        pass
    assert (tmp_path / ".gslt").read_text() == "a file"
