"""What a command says: its result on standard output, everything else on standard error."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

LOG = logging.getLogger("gslt")
#: Words that say how much a command says; they may stand before the command too.
MANNERS = ("-q", "--quiet", "-v", "--verbose", "--json")


@dataclass(frozen=True)
class Outcome:
    """The result of a command."""

    text: str
    """As people read it."""
    values: Any = field(default_factory=dict)
    """The same as plain values for ``--json``, in full precision; accuracies are fractions."""
    error: Exception | None = None
    """What is wrong all the same, and said after the result."""


def add_manners(parser: Any) -> None:
    """Add the options that say how much a command says.

    Args:
        parser: of a command.
    """
    same: dict[str, Any] = {"action": "store_true", "default": argparse.SUPPRESS}
    text = "no messages and no progress, only the result"
    parser.add_argument("-q", "--quiet", help=text, **same)
    text = "settings, versions and times too, and what is behind an error"
    parser.add_argument("-v", "--verbose", help=text, **same)
    text = "the result as one line of JSON on standard output; all else is on standard error"
    parser.add_argument("--json", help=text, **same)


def show(found: Outcome, options: Mapping[str, Any]) -> None:
    """Print a result.

    Args:
        found: the result.
        options: parsed options of the command.
    """
    if options.get("json"):
        print(json.dumps(found.values, allow_nan=False))
    elif found.text:
        print(found.text)


class _Messages(logging.Handler):
    """Messages on standard error as it is at the time, beside a bar that may be drawn there."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a message."""
        text = record.getMessage()
        bars = sys.modules.get("tqdm")
        if bars is not None and sys.stderr.isatty():
            bars.tqdm.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr)


@contextmanager
def messages(options: Mapping[str, Any]) -> Iterator[None]:
    """Within, the log ``gslt`` is on standard error, as much of it as is asked for.

    Args:
        options: parsed options of the command.
    """
    level = logging.WARNING if options.get("quiet") else logging.INFO
    handler, before = _Messages(), LOG.level
    LOG.setLevel(logging.DEBUG if options.get("verbose") else level)
    LOG.addHandler(handler)
    try:
        yield
    finally:
        LOG.removeHandler(handler)
        LOG.setLevel(before)
