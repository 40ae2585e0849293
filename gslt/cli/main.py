"""The commands, generated from the same configs and functions that Python users call."""

from __future__ import annotations

import argparse
import signal
import sys
import time
import warnings
from argparse import SUPPRESS
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise, takewhile
from typing import Any

from jsonargparse import Namespace, set_parsing_settings

from gslt.cli import (
    completion,
    conjecture,
    construct,
    data,
    executors,
    runs,
    smooth,
    sources,
    studies,
    tickets,
)
from gslt.cli.options import Action
from gslt.cli.output import LOG, MANNERS, messages, show
from gslt.cli.parser import Commands, Parser, files_first, spelled
from gslt.cli.terminal import load, standard_streams
from gslt.cli.usage import children
from gslt.environment import versions
from gslt.errors import ConfigError, GsltError, Interrupted, nearest, plain_warning
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
    verbose = bool({"-v", "--verbose"} & set(given))
    try:
        with _plain_warnings():
            _run(given)
    except Interrupted as error:
        return _end(str(error), 128 + error.signal_number)
    except KeyboardInterrupt:
        return _end("interrupted", 128 + signal.SIGINT)
    except GsltError as error:
        return _end("\n  because: ".join(_causes(error, verbose)))
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        return _end(f"{error.strerror or error or type(error).__name__}{place}")
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "memory" not in str(error):
            raise
        # torch says so in a RuntimeError, with the size that it asked for.
        return _end(f"out of memory ({str(error).splitlines()[0] if str(error) else 'no more'})")
    return 0


def _causes(error: BaseException, verbose: bool) -> list[str]:
    """What is wrong, and what is behind it where that is asked for."""
    said = [str(error)]
    while verbose and error.__cause__ is not None:
        error = error.__cause__
        said.append(f"{type(error).__name__}: {error}")
    return said


def _end(sentence: str, status: int = 2) -> int:
    print(f"gslt: {sentence}", file=sys.stderr)
    return status


def _run(given: Sequence[str]) -> None:
    if given[:1] == ["--print_completion"]:
        completion.print_script(build_parser(), given[1:])
        return
    options, words = _parsed(given)
    name, parsed = options.command, options[options.command]
    while name not in COMMANDS:
        name, parsed = f"{name} {parsed.action}", parsed[parsed.action]
    for check in CHECKS:
        check(parsed, words)
    with messages(parsed):
        LOG.debug("%s", ", ".join(f"{name} {number}" for name, number in versions().items()))
        settings = {name: value for name, value in parsed.as_dict().items() if value is not None}
        LOG.debug("settings: %s", settings)
        started = time.perf_counter()
        load("torch")  # Every command needs it.
        found = COMMANDS[name](parsed)
        LOG.debug("%.1f s", time.perf_counter() - started)
        show(found, parsed)
    if found.error is not None:
        raise found.error


def parse(given: Sequence[str]) -> Namespace:
    """The options of a command line.

    Args:
        given: words of the command line after ``gslt``.

    Returns:
        ``command`` and, under its name, its options.

    Raises:
        SystemExit: with status 2 and one line, where something is wrong with them.
        ConfigError: if a settings file cannot be read.
    """
    return _parsed(given)[0]


def _parsed(given: Sequence[str]) -> tuple[Namespace, list[str]]:
    """The options of a command line, and its words as the parsers take them."""
    words = _words(given)
    files = _settings_files(words)
    for path in files:
        with reading(path, ConfigError, "a settings file"):
            read_yaml(path)
    parser = build_parser(words)
    parser.read_from(files, words)
    # Settings are printed, and the command ends, once it is known which are usual.
    settings = [word for word in words if not _prints(word)] or words
    try:
        options = parser.parse_args(settings)
        usual = runs.defaults_of_images(
            options, lambda: parser.parse_args(settings, defaults=False)
        )
        if usual:
            children(parser)[options.command].set_defaults(usual)
        if usual or settings != words:
            options = parser.parse_args(words)
        return options, words
    except RecursionError:
        parser.error("an option is nested too deeply")


def _words(given: Sequence[str]) -> list[str]:
    """The words as :func:`gslt.cli.parser.spelled` gives them.

    Words like ``--quiet`` may stand before the command too, and settings files come first.
    """
    front = list(takewhile(lambda word: word.startswith("-"), given))
    left = list(given[len(front) :])
    parser: Any = build_parser(left)
    for flag in (word.partition("=")[0] for word in front if word not in MANNERS):
        if flag in parser._option_string_actions:
            return list(given)  # Such as --help.
        parser.error(f"there is no option {flag} before the command; others stand behind it")
    words: list[str] = []
    while left and (commands := children(parser)):
        name = left.pop(0)
        if name.startswith("-"):
            return [*words, name, *left]
        if name not in commands:
            parser.error(f"there is no command {name}{nearest(name, commands)}")
        words.append(name)
        parser = commands[name]
    if commands := children(parser):
        parser.error(f"name a command: {', '.join(commands)}")
    words += [*front, *files_first(spelled(left, parser))]
    if any(map(_prints, words)):
        # Of what stands in a settings file, how much a command says is no part.
        return [word for word in words if word not in MANNERS]
    return words


def _prints(word: str) -> bool:
    return word.partition("=")[0] == "--print_config"


def _settings_files(given: Sequence[str]) -> list[str]:
    """Files behind ``--config``."""
    after = [word for flag, word in pairwise(given) if flag == "--config"]
    return after + [word.partition("=")[2] for word in given if word.startswith("--config=")]


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Within, a warning of gslt's is one sentence, without the place in the code."""
    usual = warnings.formatwarning
    warnings.formatwarning = plain_warning
    try:
        yield
    finally:
        warnings.formatwarning = usual


class _Version(argparse.Action):
    """Prints the versions: they are looked up only where they are asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *given: Any) -> None:
        print(", ".join(f"{name} {number}" for name, number in versions().items()))
        parser.exit()


def build_parser(wanted: Sequence[str] | None = None) -> Parser:
    """The parser of the commands.

    Args:
        wanted: the words of a command line: only its command has its options then, as making all
            of them takes time; default: every command has.
    """
    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    text = "gslt COMMAND --help tells of a command."
    parser = Parser(prog="gslt", description=DESCRIPTION, epilog=text)
    text = "versions of gslt and of the libraries that a result depends on"
    parser.add_argument("--version", action=_Version, nargs=0, default=SUPPRESS, help=text)
    text = "print a script for completion in bash, zsh or tcsh, see docs/commands.md"
    parser.add_argument("--print_completion", metavar="SHELL", default=SUPPRESS, help=text)
    commands = Commands(parser, "command", wanted)
    for part in PARTS:
        part.add(commands)
    return parser


PARTS = (runs, tickets, sources, studies, smooth, conjecture, construct, data)
COMMANDS: dict[str, Action] = {n: action for part in PARTS for n, action in part.ACTIONS.items()}
#: What would refuse settings that are lost, by the options of any command and its words.
CHECKS = (
    runs.check_resume,
    smooth.check_source,
    studies.check_study_file,
    executors.check_executor,
    construct.check_load,
    construct.check_copies,
)
