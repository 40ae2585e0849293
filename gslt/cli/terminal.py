"""Standard output and error of a command: they survive their readers, and obey no text."""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import FrameType
from typing import Any

from gslt.errors import shown

#: The reader has gone, or its terminal was closed.
_GONE = (errno.EPIPE, errno.ESHUTDOWN, errno.EIO, errno.EBADF)
#: What a progress bar moves the cursor with.
_MOVES = ("\n", "\r", "\x1b[A")
#: Signs of our own text for terminals that do not have them.
_INSTEAD = {
    "×": "x",
    "…": "...",
    "±": "+-",
    "–": "-",
    "—": "-",
    "−": "-",
    "→": "->",
    "≤": "<=",
    "≥": ">=",
    "∞": "inf",
    "’": "'",
    "“": '"',
    "”": '"',
    "█": "#",
}
_HANDLER = "gslt"


class Stream:
    """A text stream that goes on when nobody reads it any more.

    What is written is shown, see :func:`gslt.errors.shown`; but for the moves of a progress bar.

    Args:
        stream: where it goes, such as ``sys.stdout``.
    """

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.error: OSError | None = None
        """Why something could not be written, unless the reader has gone."""
        self._deaf = False
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_HANDLER)

    def write(self, text: str) -> int:
        """Write a text, or nothing where it cannot be written."""
        if not self._deaf:
            with self._going_on():
                self.stream.write(_displayed(text))
        return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        if not self._deaf:
            with self._going_on():
                self.stream.flush()

    @contextmanager
    def _going_on(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._deaf = True
            if error.errno not in _GONE:
                self.error = error
            # What the stream still holds must go somewhere when the process ends.
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self.stream.fileno())
                os.close(nowhere)
        except ValueError:
            if not self.stream.closed:
                raise
            self._deaf = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def _displayed(text: str) -> str:
    if text.isprintable():
        return text
    rest = text
    for move in _MOVES:
        rest = rest.replace(move, "")
    if not rest:
        return text
    # A bar is drawn from the beginning of its line, and wiped by going back there.
    start = len(text) - len(text.lstrip("\r"))
    end = len(text.rstrip("\r"))
    return text[:start] + shown(text[start:end]) + text[end:]


def _in_other_signs(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    wrong = error.object[error.start : error.end]
    signs = (_INSTEAD.get(c, c.encode("unicode_escape").decode("ascii")) for c in wrong)
    return "".join(signs), error.end


def load(module: str) -> None:
    """Load a module that takes seconds. Ctrl-C meanwhile ends the process, with one line.

    An exception could be swallowed, or shown, by whatever is being imported.

    Args:
        module: its dotted name.
    """
    usual = signal.getsignal(signal.SIGINT)
    if module in sys.modules or usual is not signal.default_int_handler:
        return
    signal.signal(signal.SIGINT, _leave)
    try:
        import_module(module)
    finally:
        signal.signal(signal.SIGINT, usual)


def _leave(number: int, frame: FrameType | None) -> None:
    with contextlib.suppress(OSError):
        os.write(2, b"gslt: interrupted\n")
    os._exit(128 + number)


@contextmanager
def standard_streams() -> Iterator[list[Stream]]:
    """Within, standard output and error are streams that do not end a command.

    Returns:
        Standard output and error.
    """
    codecs.register_error(_HANDLER, _in_other_signs)
    usual = sys.stdout, sys.stderr
    streams = [Stream(stream) for stream in usual]
    sys.stdout, sys.stderr = streams
    try:
        yield streams
    finally:
        for stream in streams:
            stream.flush()
        sys.stdout, sys.stderr = usual
