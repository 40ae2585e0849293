"""Options that several commands have."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from gslt.cli.output import Outcome
from gslt.cli.parser import Parser
from gslt.errors import ConfigError

#: What carries out a command.
Action = Callable[[Namespace], Outcome]


def add_config(parser: Parser) -> None:
    """Add the option that reads others from a settings file."""
    text = "YAML file with any of these options; typed ones win, wherever they stand"
    parser.add_argument("--config", action="config", help=text)


#: What a data set is named by, where there are no options of reading, in help texts.
NAME_OR_PATH = "name or path, which takes options of reading behind a ?, as in club.gml?y=club"


def add_root(parser: Parser) -> None:
    """Add the option that says where data sets are."""
    text = "folder of the data sets [$GSLT_DATA, or dataset]"
    parser.add_argument("--dataset_dir", type=Path | None, metavar="DIR", help=text)


def data_folder(options: Namespace) -> str | None:
    """Folder of the data sets, where one is given."""
    return options.dataset_dir and str(options.dataset_dir)


def add_other_data(parser: Parser) -> None:
    """Add the option that goes on where the data is no longer what it was."""
    text = "go on, with a warning, where the data is no longer what the result is of"
    parser.add_argument("--allow_other_data", action="store_true", help=text)


def add_split(parser: Parser) -> None:
    """Add the option that says which split of a data set is used."""
    parser.add_argument(
        "--split", type=int, default=0, help="number of the split, where there are several"
    )


def add_reading(parser: Parser) -> None:
    """Add the options that say how a file of a graph is read."""
    text = "name of the features in a file; several node attributes with commas between them"
    parser.add_argument("--x", type=str | None, metavar="NAME", help=text)
    parser.add_argument("--y", type=str | None, metavar="NAME", help="name of the labels in a file")
    text = "features that are made where a file has none: degree, one-hot, constant or spectral"
    parser.add_argument("--features", type=str | None, metavar="KIND", help=text)
    text = (
        "true adds the reverse of every edge of a file, false leaves its edges as they are [what "
        "is usual for the format]"
    )
    parser.add_argument("--undirected", type=bool | None, help=text)
    text = (
        "split the nodes of a file at random within each class, with --split as the seed [the "
        "file's split, or else 0.6 0.2 0.2]; of images, parts of the training files, twice, and of "
        "the test files"
    )
    parser.add_argument(
        "--fractions", type=float, nargs=3, metavar=("TRAIN", "VAL", "TEST"), help=text
    )
    text = "what runs on a file are judged by: accuracy, roc_auc or micro_f1 [the benchmark's]"
    parser.add_argument("--metric", type=str | None, metavar="NAME", help=text)


def address_of(name: str, options: Namespace) -> str:
    """A data set and how it is read, as one text, see :func:`gslt.data.options.with_options`.

    Args:
        name: or path of the data set.
        options: of :func:`add_reading`.

    Raises:
        ConfigError: if the name has options behind it and there are some beside it.
    """
    from gslt.data.catalogue import place_and_options
    from gslt.data.options import ReadOptions, with_options

    said = ReadOptions(**{field: options[field] for field in field_names(ReadOptions)})
    place, behind = place_and_options(name)
    if behind.given and said.given:
        raise ConfigError(
            f"{name!r} says itself how it is read; leave out --{', --'.join(said.given)}"
        )
    return with_options(place, said if said.given else behind)


def field_names(kind: type[Any]) -> list[str]:
    """Names of the fields of a config."""
    return [field.name for field in dataclasses.fields(kind)]


def given_options(given: Sequence[str]) -> list[str]:
    """The options among the words of a command line, without their values.

    >>> given_options(["smooth", "runs/a", "--split=1", "--out", "b"])
    ['--split', '--out']
    """
    return [word.partition("=")[0] for word in given if word.startswith("--")]


def refuse_lost(others: Sequence[str], why: str) -> None:
    """Refuse options whose values would be lost.

    Args:
        others: the options.
        why: what says their settings instead, the first part of the sentence.

    Raises:
        ConfigError: if there are some.
    """
    if others:
        raise ConfigError(f"{why}; leave out {', '.join(others)}")


def said_options(options: Namespace, given: Sequence[str], usual: Mapping[str, Any]) -> list[str]:
    """Those of some options that the user typed, or that a settings file changes.

    Args:
        options: parsed options of a command.
        given: words of the command line.
        usual: names of the options, and what each is where nobody says anything.
    """
    typed = given_options(given)
    return [f"--{n}" for n, value in usual.items() if f"--{n}" in typed or options[n] != value]
