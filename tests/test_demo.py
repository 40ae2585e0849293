"""The demo's folder: an earlier demo is set aside, and nothing of anybody else's is moved."""

from __future__ import annotations

from pathlib import Path

import pytest

import gslt
from gslt.config import DemoConfig
from gslt.demo import FILES, KIND, run_demo, set_aside
from gslt.errors import ConfigError, RunError
from gslt.files import OutputFolder

QUICK = {"epochs": 2, "hidden_channels": 4}


@pytest.fixture(scope="module")
def made(blocks: gslt.NodeDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo that is finished."""
    out = tmp_path_factory.mktemp("demo") / "demo"
    demo(out, blocks)
    return out


def demo(out: Path, blocks: gslt.NodeDataset, **settings: int) -> list[str]:
    """Run a demo; what it said."""
    said: list[str] = []
    config = DemoConfig(**{**QUICK, **settings})
    run_demo(out, config, dataset=blocks, progress=False, say=said.append)
    return said


def files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_a_demo_is_set_aside_for_another(made: Path, blocks: gslt.NodeDataset) -> None:
    before = files(made)
    said = demo(made, blocks, epochs=1)
    (aside,) = made.parent.glob("demo-*")
    assert f"an earlier demo was moved to {aside}" in said
    assert {name: files(aside)[name] for name in before} == before
    assert set(FILES) <= set(files(made))
    assert OutputFolder(made, KIND).names() == sorted(FILES)


@pytest.mark.parametrize("name", ["thesis.tex", "table.md", "ticket-dense-source/notes.txt"])
def test_a_folder_with_files_of_others_is_refused(
    made: Path, blocks: gslt.NodeDataset, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = (made / name).read_bytes() if (made / name).exists() else None
    (made / name).write_text("mine")
    before, beside = files(made.parent), sorted(made.parent.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr("gslt.demo._run_arm", None)
        with pytest.raises(RunError, match=rf"files that gslt did not write \({name}\)"):
            demo(made, blocks, epochs=3)
    assert files(made.parent) == before
    assert sorted(made.parent.iterdir()) == beside
    if usual is None:
        (made / name).unlink()
    else:
        (made / name).write_bytes(usual)


def test_a_folder_of_somebody_else_is_never_renamed(
    tmp_path: Path, blocks: gslt.NodeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("mine")
    OutputFolder(tmp_path / "smooth", "smooth").write_text("smooth.md", "a table")
    before = files(tmp_path)
    monkeypatch.setattr("gslt.demo._run_arm", None)
    with pytest.raises(RunError, match="not empty and was not made by gslt"):
        demo(tmp_path / "thesis", blocks)
    with pytest.raises(RunError, match="the folder of a smooth, no demo"):
        demo(tmp_path / "smooth", blocks)
    assert files(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["smooth", "thesis"]


def test_an_empty_folder_of_a_user_within_is_told(tmp_path: Path) -> None:
    OutputFolder(tmp_path / "demo", KIND).write_text("table.md", "a table")
    (tmp_path / "demo" / "mine").mkdir()
    with pytest.raises(RunError, match=r"\(mine\)"):
        set_aside(tmp_path / "demo")
    (tmp_path / "demo" / "mine").rmdir()
    assert set_aside(tmp_path / "none") is None
    moved = set_aside(tmp_path / "demo")
    assert moved is not None
    assert (moved / "table.md").read_text() == "a table"


def test_where_the_process_is_is_not_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    OutputFolder(tmp_path, KIND).write_text("table.md", "a table")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="where this process is"):
        set_aside(Path())
    assert (tmp_path / "table.md").exists()
