"""The parser of a command, and what it makes of the words that users type.

jsonargparse gives the options of a config their types and reads settings files; what users may type
is decided here, and what they read in :mod:`gslt.cli.usage`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, NoReturn, get_origin

from jsonargparse import ArgumentParser

from gslt.cli.output import add_manners
from gslt.cli.usage import (
    Formatter,
    children,
    count_of,
    hint_of,
    is_list,
    sections,
    sentence,
    usage,
)
from gslt.errors import nearest

#: Texts that hold a list with commas; several words are one where nothing else could follow.
_WITH_COMMAS = ("place", "x")
#: Commands of one run and those of several call the number of seeds by two names.
_MEANT = {"--runs": "--seeds", "--seeds": "--runs"}
_NUMBER = re.compile(r"-(\d|\.\d|inf|nan)")
#: What is said of something that may stand in a settings file, and the option that it is about.
_OF_FILE = re.compile(
    r"there (?:is no setting|are no settings)|(?:every value of )?(--\w+) must be"
)


class Parser(ArgumentParser):
    """A parser whose errors are one line, and which takes no option by its beginning."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=Formatter, allow_abbrev=False, **options)
        self.must: list[Any] = []
        """Options without which the command cannot be."""
        self._files: Sequence[str] = ()
        self._words: Sequence[str] = ()

    @property
    def name(self) -> str:
        """The command, such as ``gslt study run``."""
        return str(self.prog).replace(" [options]", "")

    def read_from(self, files: Sequence[str], words: Sequence[str]) -> None:
        """Note where options come from, for what is said of a wrong one.

        Args:
            files: settings files.
            words: the command line, with the command.
        """
        self._files, self._words = files, words
        if (child := children(self).get(next(iter(words), ""))) is not None:
            child.read_from(files, words[1:])

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Say in one line what is wrong and where to read on, and end with status 2."""
        # Of a command's own options errors come from the parser above it, with the way to them.
        way = re.search(r"(?:required: |\"|Subcommand '|Option ')((?:[\w-]+[.'])+)", message)
        parser = self
        for name in re.split("[.']", way[1]) if way else ():
            parser = children(parser).get(name, parser)
        said = sentence(message, parser)
        told = _OF_FILE.match(said)
        if self._files and told and told[1] not in map(_flag, self._words):
            said = f"{' or '.join(self._files)}: {said}"
        print(f"{parser.name}: {said}; try {parser.name} --help", file=sys.stderr)
        sys.exit(2)

    def format_help(self, formatter: Any = None) -> str:
        """The help: usage, description, and the options in groups."""
        made: Any = formatter or self._get_formatter()
        made.add_text(f"usage: {self.name} {usage(self)}")
        made.add_text(self.description)
        for title, actions in sections(self):
            made.start_section(title)
            made.add_arguments(actions)
            made.end_section()
        made.add_text(self.epilog)
        return str(made.format_help())


class Commands:
    """The commands that a parser has, each made when it is wanted: a help is not to wait for all.

    Args:
        parser: of the commands.
        dest: what the chosen one is called among the options.
        wanted: words of the command that is to be parsed; None: every one.
    """

    def __init__(self, parser: Parser, dest: str, wanted: Sequence[str] | None) -> None:
        self._actions = parser.add_subcommands(dest=dest, required=True)
        self._wanted = wanted

    def add(self, name: str, make: Callable[[], Parser], text: str) -> None:
        """Add a command.

        Args:
            name: of the command.
            make: makes its parser.
            text: what it does, in the list of commands.
        """
        wanted = self._wanted is None or list(self._wanted[:1]) == [name]
        parser = make() if wanted else Parser()
        add_manners(parser)
        # While it parses, jsonargparse says of every option that it is not required.
        must = getattr(parser, "required_args", ())
        parser.must = [
            each
            for each in parser._actions
            if each.option_strings and (each.required or each.dest in must)
        ]
        self._actions.add_subcommand(name, parser, help=text)

    def group(self, name: str, description: str, text: str) -> Commands:
        """Add a command that has commands of its own.

        Args:
            name: of the command.
            description: first lines of its help.
            text: what it does, in the list of commands.
        """
        parser = Parser(description=description)
        self._actions.add_subcommand(name, parser, help=text)
        return Commands(parser, "action", self._wanted and self._wanted[1:])


def spelled(words: Iterable[str], parser: Parser) -> list[str]:
    """The words of a command line as the parser takes them.

    ``--dataset-dir`` is ``--dataset_dir``; lists may be typed as ``1,2``, ``1 2`` or ``[1,2]``; an
    option that is not there ends the command, and names the nearest.

    Args:
        words: after the command.
        parser: of the command.
    """
    options: dict[str, Any] = parser._option_string_actions
    left = list(words)
    done: list[str] = []
    while left:
        word = left.pop(0)
        flag, equals, value = word.partition("=")
        if word == "--":
            return [*done, word, *left]
        if not word.startswith("--") or re.search(r"\s", flag):
            done.append(word)
            continue
        name = flag if flag in options else "--" + flag[2:].replace("-", "_")
        if name not in options:
            meant = _MEANT.get(name, name)
            parser.error(f"there is no option {flag}{nearest(meant, options)}")
        action = options[name]
        if not is_list(action) and not _is_joined(action, parser):
            done.append(name + equals + value)
        elif equals or (left and not _is_option(left[0])):
            done += _list_words(action, name, [value] if equals else _taken(action, left))
        else:
            done.append(name)
    return done


def files_first(words: Sequence[str]) -> list[str]:
    """The words with settings files before the options, which win over them wherever they stand.

    >>> files_first(["--epochs", "2", "--config", "a.yaml", "--lr", "1"])
    ['--config', 'a.yaml', '--epochs', '2', '--lr', '1']

    Args:
        words: after the command, as :func:`spelled` gives them.
    """
    end = words.index("--") if "--" in words else len(words)
    groups: list[list[str]] = [[]]
    for word in words[:end]:
        if _is_option(word):
            groups.append([])
        groups[-1].append(word)
    groups.sort(key=lambda group: not _names_file(group))
    return [*chain(*groups), *words[end:]]


def _names_file(group: list[str]) -> bool:
    """Whether an option, with what follows it, is a settings file that has a name."""
    flag, equals, _ = group[0].partition("=") if group else ("", "", "")
    return flag == "--config" and bool(equals or group[1:])


def _flag(word: str) -> str:
    return word.partition("=")[0]


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-" and not _NUMBER.match(word)


def _is_joined(action: Any, parser: Parser) -> bool:
    return action.dest in _WITH_COMMAS and all(a.option_strings for a in parser._actions)


def _taken(action: Any, left: list[str]) -> list[str]:
    """The words of a list, taken from the front of those that are left."""
    taken: list[str] = []
    enough = count_of(action) if count_of(action) > 1 else len(left)
    while left and not _is_option(left[0]) and len(_parts(taken)) < enough:
        taken.append(left.pop(0))
    return taken


def _parts(words: Iterable[str]) -> list[str]:
    """What a list holds, however it was typed."""
    text = ",".join(words).strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    return [part.strip().strip("'\"") for part in text.split(",") if part.strip()]


def _list_words(action: Any, name: str, words: list[str]) -> list[str]:
    parts = _parts(words)
    if get_origin(hint_of(action)) is tuple:
        whole = (part if re.fullmatch(r"-?\d+", part) else json.dumps(part) for part in parts)
        return [f"{name}=[{','.join(whole)}]"]
    return [f"{name}={','.join(parts)}"] if action.nargs is None else [name, *parts]
