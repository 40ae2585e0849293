"""The commands, generated from the same configs and functions that Python users call."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from jsonargparse import ArgumentParser, Namespace, set_parsing_settings

from gslt.cli import conjecture, data, runs, smooth, studies, tickets
from gslt.cli.options import Action
from gslt.environment import versions
from gslt.errors import GsltError, GsltWarning, Interrupted

DESCRIPTION = "Strong lottery tickets in graph neural networks: find, store and compare them."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Errors of gslt end as one sentence on standard error and status 2; other errors are bugs and
    show their trace.

    Args:
        arguments: words of the command line after ``gslt``; default: those of this process.

    Returns:
        The exit status: 0, 2 for an error, 128 + the number of a signal that asked to stop, 130
        where the keyboard interrupted.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = parse(given)
    name, parsed = options.command, options[options.command]
    while name not in COMMANDS:
        name, parsed = f"{name} {parsed.action}", parsed[parsed.action]
    try:
        with _plain_warnings():
            runs.check_resume(parsed, given)
            smooth.check_source(parsed, given)
            COMMANDS[name](parsed)
    except Interrupted as error:
        print(f"gslt: {error}", file=sys.stderr)
        return 128 + error.signal_number
    except GsltError as error:
        print(f"gslt: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader of our output has gone, as in `gslt data list | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        print(f"gslt: {error.strerror or error}: {error.filename or ''}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("gslt: interrupted", file=sys.stderr)
        return 130
    return 0


def parse(given: Sequence[str]) -> Namespace:
    """The options of a command line.

    Args:
        given: words of the command line after ``gslt``.

    Returns:
        ``command`` and, under its name, its options.

    Raises:
        SystemExit: with status 2 and a usage message, where something is wrong with them.
    """
    parser = build_parser()
    try:
        return parser.parse_args(given)
    except UnicodeDecodeError as error:
        parser.error(f"a settings file is not UTF-8 text ({error.reason} at byte {error.start})")
    except RecursionError:
        parser.error("a settings file is nested too deeply")


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Within, a warning of gslt's is one sentence, without the place in the code."""
    usual = warnings.formatwarning

    def plain(message: Any, category: type[Warning], *place: Any, **options: Any) -> str:
        if issubclass(category, GsltWarning):
            return f"gslt: warning: {message}\n"
        return usual(message, category, *place, **options)

    warnings.formatwarning = plain
    try:
        yield
    finally:
        warnings.formatwarning = usual


def build_parser() -> ArgumentParser:
    """The parser of all commands."""
    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    parser = ArgumentParser(prog="gslt", description=DESCRIPTION)
    numbers = ", ".join(f"{name} {number}" for name, number in versions().items())
    parser.add_argument("--version", action="version", version=numbers)
    commands = parser.add_subcommands(dest="command")
    for part in PARTS:
        part.add(commands)
    return parser


PARTS = (runs, tickets, studies, smooth, conjecture, data)
COMMANDS: dict[str, Action] = {n: action for part in PARTS for n, action in part.ACTIONS.items()}
