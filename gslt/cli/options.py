"""Options that several commands have."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace

#: What carries out a command.
Action = Callable[[Namespace], None]


def add_root(parser: ArgumentParser) -> None:
    """Add the option that says where data sets are."""
    text = "folder of the data sets [$GSLT_DATA or dataset]"
    parser.add_argument("--dataset_dir", type=Path | None, help=text)


def data_folder(options: Namespace) -> str | None:
    """Folder of the data sets, where one is given."""
    return options.dataset_dir and str(options.dataset_dir)


def add_other_data(parser: ArgumentParser) -> None:
    """Add the option that goes on where the data is no longer what it was."""
    text = "go on, with a warning, where the data is no longer what the result is of"
    parser.add_argument("--allow_other_data", action="store_true", help=text)


def add_split(parser: ArgumentParser) -> None:
    """Add the option that says which split of a data set is used."""
    parser.add_argument("--split", type=int, default=0, help="number of the split, where several")


def field_names(kind: type[Any]) -> list[str]:
    """Names of the fields of a config."""
    return [field.name for field in dataclasses.fields(kind)]


def given_options(given: Sequence[str]) -> list[str]:
    """The options among the words of a command line, without their values.

    >>> given_options(["smooth", "runs/a", "--split=1", "--out", "b"])
    ['--split', '--out']
    """
    return [word.partition("=")[0] for word in given if word.startswith("--")]


def size_line(ticket: Any) -> str:
    """What a ticket weighs, in two lines."""
    s = ticket.size()
    stored = f" and {s.stored_bytes:,} stored bytes" if s.stored else ""
    return (
        f"ticket    {s.total:,} weights: {s.pruned:,} pruned, {s.locked:,} locked, "
        f"{s.searched:,} searched; {s.kept:,} kept (sparsity {s.sparsity:.3f}, density "
        f"{s.density:.3f})\nsize      {s.bits:,} mask bits{stored}, × {s.ratio:.1f} smaller than "
        f"float32 weights; file {s.bytes:,} bytes, × {s.file_ratio:.1f}"
    )
