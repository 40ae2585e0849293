"""The commands as a whole: help, versions, errors, interruptions."""

import os
import subprocess
import sys

import pytest
from commands import TINY

import gslt
from gslt.cli import main
from gslt.cli.main import COMMANDS


def test_version(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f"gslt {gslt.__version__}, torch ")
    assert all(name in out for name in ("PyG", "DGL", "ogb"))


@pytest.mark.parametrize(
    "command", [["data"], ["study"], *(name.split() for name in COMMANDS)], ids=" ".join
)
def test_every_command_has_help(capsys, command):
    with pytest.raises(SystemExit) as exit_:
        main([*command, "--help"])
    assert exit_.value.code == 0
    out = capsys.readouterr().out
    assert "usage: gslt" in out
    assert "Unvalidated" not in out


def test_the_commands():
    assert list(COMMANDS) == [
        "search",
        "train",
        "evaluate",
        "inspect",
        "demo",
        "study run",
        "study status",
        "report",
        "compare-backends",
        "smooth",
        "conjecture",
        "data list",
        "data info",
        "data download",
        "data synthesize",
    ]


def test_errors_are_one_sentence(as_debian, tmp_path, capsys):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    assert main(["search", *TINY, "--out", str(tmp_path / "full")]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert (tmp_path / "full" / "mine.txt").read_text() == "keep"
    assert main(["evaluate", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.startswith("gslt: there is no ticket file")
    assert main(["search", *TINY, "--sparsity", "0.1", "--prune_ratio", "0.5"]) == 2
    assert "prune_ratio 0.5 exceeds sparsity 0.1" in capsys.readouterr().err


def test_interrupt(as_debian, tmp_path, monkeypatch, capsys):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["gslt.training.search"], "search", interrupt)
    assert main(["search", *TINY, "--out", str(tmp_path / "r")]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_wrong_types_are_refused(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["search", "--epochs", "many"])
    assert exit_.value.code == 2
    assert "epochs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"epochs: \xff\xfe", "not UTF-8 text (invalid start byte at byte 8)"),
        (b"epochs: " + b"[" * 9000 + b"]" * 9000, "nested too deeply"),
        (b"epochs: [", "Problems parsing config"),
        (b"", "Unexpected config"),
    ],
)
def test_damaged_settings_files(content, said, tmp_path, capsys):
    file = tmp_path / "settings.yaml"
    file.write_bytes(content)
    with pytest.raises(SystemExit) as stop:
        main(["search", "--config", str(file)])
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


def test_the_module_is_a_command():
    done = subprocess.run(
        [sys.executable, "-m", "gslt", "data", "list"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert done.returncode == 0, done.stderr
    assert "debian" in done.stdout
