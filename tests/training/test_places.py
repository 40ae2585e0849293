"""Where runs are: new folders, unfinished ones, and odd ones."""

from __future__ import annotations

import os
import re
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_folders import SMALL

from gslt.config import SearchConfig, TrainConfig
from gslt.errors import RunError
from gslt.training.places import (
    default_folder,
    in_use,
    read_config,
    read_environment,
    read_remembered,
    unfinished_folder,
)
from gslt.training.run_folder import RunFolder

CONFIG = SearchConfig(**SMALL)


def test_two_runs_of_one_second_have_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "strftime", lambda _: "19700101-000000")
    first = default_folder("search", "cora", tmp_path)
    assert first == tmp_path / "19700101-000000-search-cora"
    assert first.is_dir()
    second = default_folder("search", "cora", tmp_path)
    assert second == first.with_name(f"{first.name}-2")


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        ("data/my graph.npz", "my-graph"),
        ("../../..", "data"),
        ("Ünï cödé", "n-c-d"),
        ("a" * 300, "a" * 32),
        ("x\n\x1b[2J", "x-2J"),
    ],
)
def test_odd_names_of_data_sets_by_hand(dataset: str, name: str, tmp_path: Path) -> None:
    assert default_folder("search", dataset, tmp_path).name.endswith(f"-search-{name}")


@given(dataset=st.text(max_size=80))
def test_names_of_folders_are_plain_and_short(
    dataset: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = default_folder("search", dataset, tmp_path_factory.getbasetemp() / "names")
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,60}", folder.name)
    assert folder.is_dir()


def test_unfinished_folders_by_their_values(tmp_path: Path) -> None:
    values = asdict(CONFIG)
    with RunFolder(tmp_path / "1-search-a", CONFIG):
        assert unfinished_folder("search", values, tmp_path) is None
        assert in_use(tmp_path / "1-search-a")
    assert unfinished_folder("search", values, tmp_path) == tmp_path / "1-search-a"
    with RunFolder(tmp_path / "2-search-a", CONFIG):
        pass
    assert unfinished_folder("search", values, tmp_path) == tmp_path / "2-search-a"
    (tmp_path / "2-search-a" / "summary.json").write_text("{}")
    assert unfinished_folder("search", values, tmp_path) == tmp_path / "1-search-a"
    assert unfinished_folder("search", {**values, "lr": 9}, tmp_path) is None
    assert unfinished_folder("train", asdict(TrainConfig(**SMALL)), tmp_path) is None
    assert unfinished_folder("search", values, tmp_path / "nowhere") is None


def test_odd_folders_are_passed_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RunFolder(tmp_path / "0-search-a", CONFIG):
        pass
    (tmp_path / "1-search-file").write_text("mine")
    (tmp_path / "2-search-loop").symlink_to(tmp_path / "2-search-loop")
    for number, content in enumerate([b"", b"\xff", b"[" * 9999, b"{}", b"&a [*a]"]):
        for name in ("config.yaml", "environment.json"):
            odd = tmp_path / f"3-search-{number}-{name}"
            odd.mkdir()
            (odd / "config.yaml").write_text("{}")
            (odd / "environment.json").write_text("{}")
            (odd / name).write_bytes(content)
    for name in ("config.yaml", "environment.json"):
        odd = tmp_path / f"4-search-{name}"
        odd.mkdir()
        (odd / "config.yaml").write_text("{}")
        (odd / name).unlink(missing_ok=True)
        os.mkfifo(odd / name)
    assert unfinished_folder("search", asdict(CONFIG), tmp_path) == tmp_path / "0-search-a"

    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", refuse)
    assert unfinished_folder("search", asdict(CONFIG), tmp_path) is None


def test_what_a_folder_says(tmp_path: Path) -> None:
    with RunFolder(tmp_path, CONFIG, {"dataset": "x"}, remembered={"log": None, "probe_every": 3}):
        pass
    assert read_config(tmp_path) == ("search", {"dataset": "x", **asdict(CONFIG)})
    assert read_remembered(tmp_path) == {"log": None, "probe_every": 3}
    assert read_environment(tmp_path)["versions"]["gslt"]
    with pytest.raises(RunError, match="holds no run of gslt"):
        read_config(tmp_path / "nowhere")
