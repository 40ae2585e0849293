"""The commands, generated from the same configs and functions that Python users call."""

from __future__ import annotations

import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from jsonargparse import ArgumentParser, Namespace, set_parsing_settings

from gslt.cli import conjecture, construct, data, runs, smooth, sources, studies, tickets
from gslt.cli.options import Action
from gslt.cli.terminal import standard_streams
from gslt.environment import versions
from gslt.errors import ConfigError, GsltError, GsltWarning, Interrupted
from gslt.files import read_yaml, reading

DESCRIPTION = "Strong lottery tickets in graph neural networks: find, store and compare them."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    What ends a command on purpose, or because of its machine, is one sentence on standard error;
    other errors are bugs and show their trace. A reader of the output that goes away stops nothing.

    Args:
        arguments: words of the command line after ``gslt``; default: those of this process.

    Returns:
        The exit status: 0 where everything that was promised is there, 2 for an error, 128 + the
        number of a signal that asked to stop, 130 where the keyboard interrupted.
    """
    with standard_streams() as streams:
        status = _status(sys.argv[1:] if arguments is None else list(arguments))
        for stream in streams:
            stream.flush()
        for error in (stream.error for stream in streams if stream.error is not None):
            print(f"gslt: the output could not be written: {error.strerror}", file=sys.stderr)
            status = status or 2
    return status


def _status(given: Sequence[str]) -> int:
    """Run a command, and give its exit status."""
    try:
        with _plain_warnings():
            _run(given)
    except Interrupted as error:
        return _end(str(error), 128 + error.signal_number)
    except KeyboardInterrupt:
        return _end("interrupted", 128 + signal.SIGINT)
    except GsltError as error:
        return _end(str(error))
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        return _end(f"{error.strerror or error or type(error).__name__}{place}")
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "memory" not in str(error):
            raise
        # torch says so in a RuntimeError, with the size that it asked for.
        return _end(f"out of memory ({str(error).splitlines()[0] if str(error) else 'no more'})")
    return 0


def _end(sentence: str, status: int = 2) -> int:
    print(f"gslt: {sentence}", file=sys.stderr)
    return status


def _run(given: Sequence[str]) -> None:
    options = parse(given)
    name, parsed = options.command, options[options.command]
    while name not in COMMANDS:
        name, parsed = f"{name} {parsed.action}", parsed[parsed.action]
    runs.check_resume(parsed, given)
    smooth.check_source(parsed, given)
    COMMANDS[name](parsed)


def parse(given: Sequence[str]) -> Namespace:
    """The options of a command line.

    Args:
        given: words of the command line after ``gslt``.

    Returns:
        ``command`` and, under its name, its options.

    Raises:
        SystemExit: with status 2 and a usage message, where something is wrong with them.
        ConfigError: if a settings file cannot be read.
    """
    for path in _settings_files(given):
        with reading(path, ConfigError, "a settings file"):
            read_yaml(path)
    parser = build_parser()
    try:
        options = parser.parse_args(given)
        runs.fill_defaults(options, lambda: parser.parse_args(given, defaults=False))
        return options
    except RecursionError:
        parser.error("an option is nested too deeply")


def _settings_files(given: Sequence[str]) -> list[str]:
    """Files behind ``--config``."""
    after = [word for flag, word in pairwise(given) if flag == "--config"]
    return after + [word.partition("=")[2] for word in given if word.startswith("--config=")]


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


PARTS = (runs, tickets, sources, studies, smooth, conjecture, construct, data)
COMMANDS: dict[str, Action] = {n: action for part in PARTS for n, action in part.ACTIONS.items()}
