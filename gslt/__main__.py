"""The process around the commands: ``gslt`` and ``python -m gslt``."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from types import FrameType


def run() -> int:
    """Run the command line of this process, and give its exit status.

    While its modules are loaded it may meet Ctrl-C anywhere: then the process ends with one line
    and status 130. So it does where a command loads torch, see :func:`gslt.cli.terminal.load`.
    """
    _open_standard_files()
    try:
        os.getcwd()
    except OSError:
        # torch's libraries end the process without a word of their own where there is none.
        os.write(2, b"gslt: the current folder is no longer there; go to another one\n")
        return 2
    usual = signal.getsignal(signal.SIGINT)
    if usual is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)
    from gslt.cli import main

    signal.signal(signal.SIGINT, usual)
    try:
        return main()
    except KeyboardInterrupt:
        return _interrupted()
    finally:
        # Nothing is left to be stopped but the end of the interpreter.
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _leave(number: int, frame: FrameType | None) -> None:
    # An exception could be swallowed, or shown, by whatever is being imported.
    os._exit(_interrupted())


def _interrupted() -> int:
    with contextlib.suppress(OSError):
        os.write(2, b"gslt: interrupted\n")
    return 128 + signal.SIGINT


def _open_standard_files() -> None:
    """Put /dev/null where standard input, output or error are closed.

    The next file that is opened would get their number, and what is printed.
    """
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(handle)
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


if __name__ == "__main__":
    sys.exit(run())
