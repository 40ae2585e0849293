"""How far something is: a bar on a terminal, and elsewhere a line of the log now and then."""

from __future__ import annotations

import io
import logging
import sys
import time
from typing import Any

from tqdm import tqdm

LOG = logging.getLogger("gslt")
#: Seconds between two lines, so that what is short says nothing; and their share of the time so
#: far, so that what takes days says no more than what takes hours.
SECONDS, SHARE = 30.0, 0.05
_LINE = "{desc}: {n_fmt} of {total_fmt} {unit}s, {elapsed} so far, {remaining} left{postfix}"


class Lines(tqdm):  # type: ignore[misc]
    """A bar whose looks are lines of the log ``gslt``, one every half minute or more."""

    def __init__(self, *given: Any, **options: Any) -> None:
        self._began = self._said = time.monotonic()
        same = {"file": io.StringIO(), "bar_format": _LINE, "miniters": 1, "mininterval": 1}
        super().__init__(*given, **{**options, **same})

    def set_description(self, desc: str | None = None, refresh: bool | None = True) -> None:
        """Say what it is of; the colon behind it stands in the line."""
        self.set_description_str(desc, refresh)

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        """Say how far it is, where the last time was long ago."""
        now = time.monotonic()
        if msg is None and now - self._said >= max(SECONDS, SHARE * (now - self._began)):
            self._said = now
            LOG.info("%s", str(self).strip(": "))
        return True

    def clear(self, *given: Any, **options: Any) -> None:
        """Nothing: no line is taken back."""


def progress_bar(*given: Any, show: bool = True, **options: Any) -> tqdm[Any]:
    """What shows how far something is, to be used as :class:`tqdm.tqdm` is.

    On a terminal a bar; elsewhere lines of the log ``gslt`` at the level INFO. Where that log is
    set to a higher level, as by ``--quiet``, neither.

    Args:
        *given: what is gone through, if anything.
        show: False shows nothing.
        **options: those of tqdm, such as ``desc``, ``unit`` and ``total``.
    """
    if sys.stderr.isatty():
        silent = LOG.level > logging.INFO
        return tqdm(*given, disable=silent or not show, **options)
    return Lines(*given, disable=not show or not LOG.isEnabledFor(logging.INFO), **options)
