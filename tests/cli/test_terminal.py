"""Standard output and error survive their readers and obey no text."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gslt.cli import main
from gslt.cli.terminal import Stream, load, standard_streams


def stream(encoding: str) -> Stream:
    return Stream(io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True))


def written(found: Stream) -> bytes:
    return found.stream.buffer.getvalue()


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("ascii", b"x 2.0 ... +-1 -> inf Gr\\xf6\\xdfe"),
        ("latin-1", b"\xd7 2.0 ... \xb11 -> inf Gr\xf6\xdfe"),
        ("utf-8", "× 2.0 … ±1 → ∞ Größe".encode()),
        ("cp1251", b"x 2.0 \x85 \xb11 -> inf Gr\\xf6\\xdfe"),
    ],
)
def test_signs_that_a_terminal_does_not_have(encoding: str, expected: bytes) -> None:
    with standard_streams():
        found = stream(encoding)
        found.write("× 2.0 … ±1 → ∞ Größe")
    assert written(found) == expected


def test_control_characters_are_shown_and_a_bar_still_moves() -> None:
    with standard_streams():
        found = stream("utf-8")
        found.write("\x1b[2Jcora\x07\u202e\n")
        found.write("\rseed 0:  5%|\x1b[31m\rx")
        found.write("\r    \r")
        found.write("\x1b[A\n")
    expected = b"\\x1b[2Jcora\\x07\\u202e\n\rseed 0:  5%|\\x1b[31m\\rx\r    \r\x1b[A\n"
    assert written(found) == expected


def test_a_reader_that_goes_away_stops_nothing() -> None:
    read, write = os.pipe()
    os.close(read)
    with open(write, "w", encoding="utf-8") as file:
        found = Stream(file)
        for _ in range(3):
            found.write("x" * 100_000)
            found.flush()
        assert found.error is None


def test_a_full_disk_behind_the_output_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    command = f"{sys.executable} -m gslt data list >/dev/full"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "gslt: the output could not be written: No space left on device\n"


@pytest.mark.parametrize("redirected", ["| true", ">&-", "2>&-", ">&- 2>&- <&-", "2>&1 | head -1"])
def test_output_that_nobody_takes(redirected: str) -> None:
    command = f"{sys.executable} -m gslt data list {redirected}; exit ${{PIPESTATUS[0]}}"
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment)
    assert done.returncode == 0
    assert done.stderr == ""


def test_the_streams_are_put_back() -> None:
    before = sys.stdout, sys.stderr
    with pytest.raises(SystemExit):
        main(["--version"])
    assert (sys.stdout, sys.stderr) == before


def test_ctrl_c_while_a_module_is_loaded(tmp_path: Path) -> None:
    """It ends the process with a line, however the module would take an exception."""
    (tmp_path / "slow.py").write_text(
        "import os, signal\n"
        "try:\n    os.kill(os.getpid(), signal.SIGINT)\n    import time; time.sleep(9)\n"
        "except BaseException:\n    pass\n"
    )
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from gslt.cli.terminal import load\nload('slow')\nprint('went on')"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "gslt: interrupted\n")
    before = signal.getsignal(signal.SIGINT)
    load("json")
    assert signal.getsignal(signal.SIGINT) is before
