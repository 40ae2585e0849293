"""Completion of commands and options in a shell, by shtab."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

from gslt.cli.usage import children, choices_of, hint_of
from gslt.errors import ConfigError, MissingPackageError, nearest

SHELLS = ("bash", "zsh", "tcsh")


def print_script(parser: Any, words: Sequence[str]) -> None:
    """Print the script of a shell.

    Args:
        parser: of all commands; it parses no more afterwards.
        words: the name of the shell.

    Raises:
        ConfigError: for another shell.
        MissingPackageError: without shtab.
    """
    shell = words[0] if words else ""
    if len(words) != 1 or shell not in SHELLS:
        shells = ", ".join(SHELLS)
        raise ConfigError(
            f"--print_completion takes one of {shells}, got {shell!r}{nearest(shell, SHELLS)}"
        )
    try:
        shtab = import_module("shtab")
    except ImportError:
        raise MissingPackageError("shtab", "completion in a shell", "") from None
    _prepare(parser, shtab)
    print(shtab.complete(parser, shell=shell))


def _prepare(parser: Any, shtab: Any) -> None:
    """Say of each option what may follow it, in the words of shtab."""
    for action in parser._actions:
        hint = hint_of(action)
        if choices := choices_of(hint):
            action.choices = choices
        elif action.dest in ("config", "dataset") or Path in (hint, *get_args(hint)):
            action.complete = shtab.FILE
    for each in children(parser).values():
        _prepare(each, shtab)
