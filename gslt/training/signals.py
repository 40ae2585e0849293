"""Ctrl-C, SIGTERM and SIGHUP as a request: the epoch in progress is finished first."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

LOG = logging.getLogger("gslt")
#: Windows has no SIGHUP, which a terminal sends that is closed.
SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class Request:
    """Whether somebody asked to stop, and by which signal; true once somebody did."""

    def __init__(self) -> None:
        self.signal_number: int | None = None
        """The first signal, such as ``signal.SIGINT``; None before."""
        self._interrupt: Any = signal.getsignal(signal.SIGINT)
        self._interrupted = False

    def __bool__(self) -> bool:
        return self.signal_number is not None

    def note(self, number: int, frame: FrameType | None) -> None:
        """Take note of a signal, as its handler.

        Args:
            number: of the signal.
            frame: where it came.

        Raises:
            KeyboardInterrupt: at the second Ctrl-C.
        """
        if number == signal.SIGINT and self._interrupted:
            if not callable(self._interrupt):
                raise KeyboardInterrupt
            self._interrupt(number, frame)
        self._interrupted |= number == signal.SIGINT
        if self.signal_number is None:
            self.signal_number = number
            if multiprocessing.parent_process() is None:  # Workers leave it to their parent.
                LOG.warning("gslt: finishing this epoch … (Ctrl-C: at once)")


#: The requests of the blocks that this process is in, all the same one.
_present: list[Request] = []


@contextmanager
def stop_requests() -> Iterator[Request]:
    """Within, Ctrl-C, SIGTERM and SIGHUP are a request; a second Ctrl-C acts as it always does.

    SIGTERM and SIGHUP never act at once: who sends them, such as a scheduler, may send several.
    Signals that the process ignores, as under ``nohup``, stay ignored. Blocks may be nested: what
    one of them hears, all of them hear, also where a library has taken the signals in between. In
    another thread than the main one nothing changes: only that one is told of signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield Request()
        return
    request = _present[-1] if _present else Request()
    usual: dict[int, Any] = {number: signal.getsignal(number) for number in SIGNALS}
    taken = [number for number, handler in usual.items() if handler is not signal.SIG_IGN]
    for each in taken:
        signal.signal(each, request.note)
    _present.append(request)
    try:
        yield request
    finally:
        _present.pop()
        for number in taken:
            signal.signal(number, usual[number])
