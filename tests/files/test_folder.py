"""Folders of outputs: nothing is touched but what gslt wrote."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from gslt.errors import RunError
from gslt.files.folder import MANIFEST, ROOM, OutputFolder, check_folder, kind_of


@pytest.fixture
def folder(tmp_path: Path) -> OutputFolder:
    return OutputFolder(tmp_path / "out", "smooth")


def test_what_was_written_is_ours_as_long_as_it_is_as_it_was_written(folder: OutputFolder) -> None:
    folder.write_text("tables/a.csv", "1\n")
    assert folder.owns("tables/a.csv")
    assert folder.names() == ["tables/a.csv"]
    folder.write_text("tables/a.csv", "2\n")
    assert (folder.path / "tables/a.csv").read_text() == "2\n"
    (folder.path / "tables/a.csv").write_text("mine\n")
    assert not folder.owns("tables/a.csv")
    assert not folder.remove("tables/a.csv")
    with pytest.raises(RunError, match=r"a\.csv' is not as gslt wrote it, and is not overwritten"):
        folder.write_text("tables/a.csv", "3\n")
    with pytest.raises(RunError, match="is not as gslt wrote it"):
        folder.register("tables/a.csv")
    assert (folder.path / "tables/a.csv").read_text() == "mine\n"
    assert folder.strangers() == ["tables/a.csv"]


def test_strangers_are_left_alone(folder: OutputFolder) -> None:
    (folder.path / "mine.png").write_text("mine")
    assert not folder.owns("mine.png")
    assert not folder.remove("mine.png")
    with pytest.raises(RunError, match="choose another --out"):
        folder.write_text("mine.png", "ours")
    (folder.path / "dangling").symlink_to("nowhere")
    with pytest.raises(RunError, match="choose another --out"):
        folder.write_text("dangling", "ours")
    assert folder.strangers() == ["dangling", "mine.png"]
    assert (folder.path / "mine.png").read_text() == "mine"
    assert list(folder.temporaries.iterdir()) == []


def test_a_file_that_grows_is_ours_whatever_it_holds(folder: OutputFolder) -> None:
    folder.register("log.jsonl")
    (folder.path / "log.jsonl").write_text("1\n2\n")
    assert folder.owns("log.jsonl")
    folder.write_text("log.jsonl", "1\n", grows=True)
    assert folder.remove("log.jsonl")
    assert not (folder.path / "log.jsonl").exists()


def test_a_second_process_knows_what_the_first_one_wrote(folder: OutputFolder) -> None:
    other = OutputFolder(folder.path, "smooth")
    folder.write_json("a.json", {"x": 1})
    assert other.owns("a.json")
    other.write_json("a.json", {"x": 2})
    assert folder.owns("a.json")
    assert json.loads((folder.path / "a.json").read_text()) == {"x": 2}


def test_a_kill_between_noting_and_renaming_loses_nothing(
    folder: OutputFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Kill(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Kill

    folder.write_text("a.txt", "old")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", kill)
        with pytest.raises(Kill):
            folder.write_text("a.txt", "new")
    again = OutputFolder(folder.path, "smooth")
    assert again.owns("a.txt")
    again.write_text("a.txt", "new")
    assert (folder.path / "a.txt").read_text() == "new"


def test_the_manifest_is_on_the_disk_before_what_it_is_the_licence_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []
    usual = os.fsync

    def record(handle: int) -> None:
        flushed.append(os.fstat(handle).st_ino)
        usual(handle)

    monkeypatch.setattr(os, "fsync", record)
    path = tmp_path / "out"
    folder = OutputFolder(path, "smooth")
    manifest = (folder.room / MANIFEST).stat().st_ino
    assert flushed == [manifest, folder.room.stat().st_ino, path.stat().st_ino]
    flushed.clear()
    folder.write_text("a.txt", "1")
    assert flushed == [manifest, (path / "a.txt").stat().st_ino, path.stat().st_ino]
    flushed.clear()
    folder.register("log.jsonl")
    assert flushed == [manifest]
    # Nothing is new in the folder where one goes on.
    flushed.clear()
    OutputFolder(path, "smooth")
    assert flushed == []


def test_a_line_that_was_cut_off_spoils_no_other(folder: OutputFolder) -> None:
    manifest = folder.room / MANIFEST
    with manifest.open("a") as file:
        file.write('\n{"name": "cut')
    folder.write_text("a.txt", "1")
    again = OutputFolder(folder.path, "smooth")
    assert again.names() == ["a.txt"]


@pytest.mark.parametrize("begun", ["", "\n", '\n{"gslt": "smo'])
def test_a_manifest_whose_first_line_was_cut_off(begun: str, tmp_path: Path) -> None:
    (tmp_path / "out" / ROOM).mkdir(parents=True)
    (tmp_path / "out" / ROOM / MANIFEST).write_text(begun)
    OutputFolder(tmp_path / "out", "smooth").write_text("a.txt", "1")
    assert kind_of(tmp_path / "out") == "smooth"
    assert OutputFolder(tmp_path / "out", "smooth").names() == ["a.txt"]


def test_a_pipe_in_the_place_of_the_manifest_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "out" / ROOM).mkdir(parents=True)
    os.mkfifo(tmp_path / "out" / ROOM / MANIFEST)
    with pytest.raises(OSError, match="No such device"):
        OutputFolder(tmp_path / "out", "smooth")


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "", ".gslt/manifest.jsonl", "a/../../b"])
def test_no_name_leads_out(folder: OutputFolder, name: str) -> None:
    with pytest.raises(ValueError, match="is no name within a folder"):
        folder.register(name)
    line = json.dumps({"name": name})
    with (folder.room / MANIFEST).open("a") as file:
        file.write(f"\n{line}\n")
    assert OutputFolder(folder.path, "smooth").names() == []


def test_folders_that_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file' is no folder; choose another --out"):
        OutputFolder(tmp_path / "file", "smooth")
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / ".env").write_text("mine")
    with pytest.raises(RunError, match=r"is not empty and was not made by gslt"):
        OutputFolder(thesis, "smooth")
    assert [path.name for path in thesis.iterdir()] == [".env"]
    OutputFolder(tmp_path / "demo", "demo")
    with pytest.raises(RunError, match=r"is the folder of a demo, no smooth"):
        OutputFolder(tmp_path / "demo", "smooth")
    (tmp_path / "planted").mkdir()
    (tmp_path / "planted" / ROOM).symlink_to(thesis)
    with pytest.raises(RunError, match=r"is no folder of gslt's"):
        OutputFolder(tmp_path / "planted", "smooth")
    newer = OutputFolder(tmp_path / "newer", "smooth")
    (newer.room / MANIFEST).write_text('{"gslt": "smooth", "format": 2}\n')
    with pytest.raises(RunError, match=r"manifest of version 2.*upgrade gslt"):
        OutputFolder(tmp_path / "newer", "smooth")


def test_an_empty_folder_and_one_that_was_only_begun_are_taken(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert kind_of(tmp_path / "empty") is None
    OutputFolder(tmp_path / "empty", "smooth")
    assert kind_of(tmp_path / "empty") == "smooth"
    (tmp_path / "begun" / ROOM / "tmp").mkdir(parents=True)
    check_folder(tmp_path / "begun", "smooth")
    OutputFolder(tmp_path / "begun", "smooth")


def test_only_old_temporaries_are_swept(folder: OutputFolder) -> None:
    new, old = folder.temporaries / ".gslt-new", folder.temporaries / ".gslt-old"
    new.touch()
    old.touch()
    long_ago = time.time() - 90_000
    os.utime(old, (long_ago, long_ago))
    OutputFolder(folder.path, "smooth")
    assert new.exists()
    assert not old.exists()


def test_a_folder_of_another_kind_within_is_not_strange(folder: OutputFolder) -> None:
    inner = OutputFolder(folder.path / "runs" / "a", "search")
    inner.write_text("summary.json", "{}")
    assert folder.strangers() == []


def test_the_manifest_is_read_on_from_where_the_last_look_ended(folder: OutputFolder) -> None:
    other = OutputFolder(folder.path, "smooth")
    folder.write_text("a.txt", "1")
    assert other.owns("a.txt")
    manifest = folder.room / MANIFEST
    with manifest.open("a") as file:
        file.write('\n{"name": "b')  # Another process is writing it.
    (folder.path / "b.txt").write_text("1")
    assert not other.owns("b.txt")
    with manifest.open("a") as file:
        file.write('.txt"}\n')
    assert other.owns("b.txt")
    assert other.owns("a.txt")
    # What is another manifest is read from its beginning.
    manifest.write_text('{"gslt": "smooth", "format": 1}\n{"name": "c"}\n')
    (folder.path / "c").write_text("1")
    assert other.owns("c")


def test_who_has_the_folder_alone_sweeps_everything(folder: OutputFolder) -> None:
    (folder.temporaries / ".gslt-new").touch()
    (folder.temporaries / "mine").touch()
    folder.sweep(age=0.0)
    assert [path.name for path in folder.temporaries.iterdir()] == ["mine"]
