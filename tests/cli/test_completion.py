"""Completion in a shell (gslt.cli.completion)."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from gslt.cli import completion, main
from gslt.cli.usage import children


def test_a_script(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """What shtab is told of; the script itself is its own."""
    made: dict[str, Any] = {}

    def complete(parser: Any, shell: str) -> str:
        made.update(parser=parser, shell=shell)
        return "the script"

    monkeypatch.setitem(sys.modules, "shtab", SimpleNamespace(FILE="file", complete=complete))
    assert main(["--print_completion", "zsh"]) == 0
    assert capsys.readouterr().out == "the script\n"
    assert made["shell"] == "zsh"
    options = children(made["parser"])["search"]._option_string_actions
    assert options["--optimizer"].choices == ["adamw", "adam", "sgd"]
    assert options["--out"].complete == options["--config"].complete == "file"
    assert not hasattr(options["--epochs"], "complete")
    assert children(children(made["parser"])["study"])["run"]


def test_what_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    assert main(["--print_completion", "bsh"]) == 2
    assert "one of bash, zsh, tcsh, got 'bsh' (did you mean bash?)" in capsys.readouterr().err
    assert main(["--print_completion"]) == 2
    assert "one of bash, zsh, tcsh" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["--print_completion", completion.SHELLS[0]]) == 2
    assert "run: pip install shtab" in capsys.readouterr().err


def test_a_real_script(capsys: Any) -> None:
    pytest.importorskip("shtab")
    assert main(["--print_completion", "bash"]) == 0
    script = capsys.readouterr().out
    assert all(f"{name!r}" in script for name in ("search", "--architecture", "resnet18"))
