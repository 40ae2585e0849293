"""Ctrl-C and SIGTERM as a request: the epoch in progress is finished first."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Request:
    """Whether somebody asked to stop, and by which signal; true once somebody did."""

    def __init__(self) -> None:
        self.signal_number: int | None = None
        """The signal, such as ``signal.SIGINT``; None before."""

    def __bool__(self) -> bool:
        return self.signal_number is not None


@contextmanager
def stop_requests() -> Iterator[Request]:
    """Within, the first Ctrl-C or SIGTERM is a request; the next one acts as it always does.

    In another thread than the main one nothing changes: only that one is told of signals.
    """
    request = Request()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    usual: dict[int, Any] = {number: signal.getsignal(number) for number in SIGNALS}

    def note(number: int, frame: FrameType | None) -> None:
        request.signal_number = number
        for other, handler in usual.items():
            signal.signal(other, handler)
        if multiprocessing.parent_process() is None:  # Worker processes leave it to their parent.
            print("\ngslt: finishing this epoch … (again to stop at once)", file=sys.stderr)

    for each in SIGNALS:
        signal.signal(each, note)
    try:
        yield request
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
