"""Ctrl-C, SIGTERM and SIGHUP as a request: the epoch in progress is finished first."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

#: Windows has no SIGHUP, which a terminal sends that is closed.
SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class Request:
    """Whether somebody asked to stop, and by which signal; true once somebody did."""

    def __init__(self) -> None:
        self.signal_number: int | None = None
        """The first signal, such as ``signal.SIGINT``; None before."""

    def __bool__(self) -> bool:
        return self.signal_number is not None


#: The request of the outermost block; blocks within hear of the same one.
_present: list[Request] = []


@contextmanager
def stop_requests() -> Iterator[Request]:
    """Within, Ctrl-C, SIGTERM and SIGHUP are a request; a second Ctrl-C acts as it always does.

    SIGTERM and SIGHUP never act at once: who sends them, such as a scheduler, may send several.
    Signals that the process ignores, as under ``nohup``, stay ignored. Blocks may be nested: what
    one of them hears, all of them hear. In another thread than the main one nothing changes: only
    that one is told of signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield Request()
        return
    if _present:
        yield _present[-1]
        return
    request = Request()
    usual: dict[int, Any] = {number: signal.getsignal(number) for number in SIGNALS}
    taken = [number for number, handler in usual.items() if handler is not signal.SIG_IGN]

    def note(number: int, frame: FrameType | None) -> None:
        if request.signal_number is None:
            request.signal_number = number
            if multiprocessing.parent_process() is None:  # Workers leave it to their parent.
                print("\ngslt: finishing this epoch … (Ctrl-C: at once)", file=sys.stderr)
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, usual[signal.SIGINT])

    for each in taken:
        signal.signal(each, note)
    _present.append(request)
    try:
        yield request
    finally:
        _present.remove(request)
        for number in taken:
            signal.signal(number, usual[number])
