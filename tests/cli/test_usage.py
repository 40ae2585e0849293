"""What users read of a command (gslt.cli.usage): its help."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest

from gslt.cli import main
from gslt.cli.main import COMMANDS
from gslt.cli.usage import GROUPS

ALL = ["", "data", "study", *COMMANDS]


def help_of(command: str, capsys: Any) -> str:
    with pytest.raises(SystemExit) as stop:
        main([*command.split(), "--help"])
    assert stop.value.code == 0
    return str(capsys.readouterr().out)


@pytest.mark.parametrize("command", ALL)
def test_no_markup_is_left_over(command: str, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = help_of(command, capsys)
    wrong = ("``", "%%", "type:", "Optional", "Literal", "null", "<class", " default:", "\\x08")
    assert not [each for each in wrong if each in shown]
    assert not re.search(r":(class|func|data|mod):", shown)
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.startswith(f"usage: {' '.join(['gslt', *command.split()])} ")
    # Every option begins with a capital, or a name of its own.
    texts = re.findall(r"^  --\w+(?: \S+)*  +(\S)", shown, re.MULTILINE)
    assert all(not text.islower() for text in texts)


def test_options_stand_in_groups(capsys: Any) -> None:
    shown = help_of("search", capsys)
    titles = re.findall(r"^(\S.*):$", shown, re.MULTILINE)
    assert titles == [title for title in GROUPS if title != "mask before training"]
    parts = dict(zip(titles, re.split(r"^\S.*:$", shown, flags=re.MULTILINE)[1:], strict=True))
    assert "--dataset_dir DIR" in parts["data"]
    assert "--freezing_ratio X" in parts["source network and freezing"]
    assert "--lr X " in parts["optimisation"]
    assert "[0.01]" in parts["optimisation"]
    assert "--json" in parts["settings, output and messages"]
    assert "mask before training" in help_of("train", capsys)


def test_no_option_of_a_large_command_is_without_a_group(capsys: Any) -> None:
    for command in ("search", "train"):
        assert "\noptions:" not in help_of(command, capsys)


def test_what_must_be_there_is_in_the_usage(capsys: Any) -> None:
    assert help_of("study run", capsys).startswith("usage: gslt study run --out DIR [options]\n")
    assert help_of("smooth", capsys).startswith("usage: gslt smooth [options] [PATH ...]\n")
    assert help_of("overlap", capsys).startswith(
        "usage: gslt overlap [options] TICKET [TICKET ...]\n"
    )


def test_a_help_waits_for_no_torch() -> None:
    """In one process: what a help imports, of every command."""
    code = f"""
import contextlib, io, sys
import gslt
assert "jsonargparse" not in sys.modules
from gslt.cli import main
for command in {[name.split() for name in ALL]!r}:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main([*command, "--help"])
with contextlib.suppress(SystemExit):
    main(["--version"])
heavy = "torch torch_geometric dgl pandas scipy matplotlib ray ogb jinja2 networkx tqdm".split()
print([name for name in heavy if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
