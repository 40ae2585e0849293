"""The commands as a whole: help, versions, errors, interruptions."""

import os
import subprocess
import sys

import pytest
from tiny_runs import TINY

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
        "overlap",
        "compare",
        "demo",
        "study run",
        "study status",
        "report",
        "compare-backends",
        "smooth",
        "conjecture",
        "construct",
        "data list",
        "data info",
        "data convert",
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
        (b"epochs: \xff\xfe", "is damaged or no settings file: 'utf-8' codec"),
        (b"epochs: " + b"[" * 9000 + b"]" * 9000, "is damaged or no settings file: maximum rec"),
        (b"epochs: [", "expected the node content"),
        (b"epochs: 1\nepochs: 2", "line 2: the key 'epochs' is there twice"),
        (b"a: &a [1, 1]\n" + b"b: [" + b"*a," * 50_000 + b"]", "values, more than the limit"),
        (b"#" * 2**19, "524,288 bytes, more than the limit of 262,144"),
        (b"epochs: !!python/name:os.system", "is no plain type"),
    ],
    ids=["bytes", "nested", "open", "twice", "aliases", "large", "code"],
)
def test_damaged_settings_files(content, said, tmp_path, capsys):
    file = tmp_path / "settings.yaml"
    file.write_bytes(content)
    for words in (["--config", str(file)], [f"--config={file}"]):
        assert main(["search", *words]) == 2
        err = capsys.readouterr().err
        assert err.startswith("gslt: ")
        assert said in err


def test_settings_files_that_are_none(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe")
    for path, said in (("pipe", "no regular file"), ("none", "No such file"), (".", "no regular")):
        assert main(["search", "--config", str(tmp_path / path)]) == 2
        assert said in capsys.readouterr().err
    (tmp_path / "empty.yaml").write_text("")
    with pytest.raises(SystemExit) as stop:
        main(["search", "--config", str(tmp_path / "empty.yaml")])
    assert stop.value.code == 2
    assert "Unexpected config" in capsys.readouterr().err


def test_memory_that_is_not_there_is_a_sentence(as_debian, tmp_path, monkeypatch, capsys):
    def full(*args, **kwargs):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 7 bytes\nx")

    monkeypatch.setattr(sys.modules["gslt.training.search"], "search", full)
    assert main(["search", *TINY, "--out", str(tmp_path / "r")]) == 2
    assert "\ngslt: out of memory ([enforce fail] Default" in capsys.readouterr().err


def test_the_module_is_a_command():
    done = subprocess.run(
        [sys.executable, "-m", "gslt", "data", "list"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert done.returncode == 0, done.stderr
    assert "debian" in done.stdout
