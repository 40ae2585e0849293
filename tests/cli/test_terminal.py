"""Standard output and error survive their readers and obey no text."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

from gslt.cli import main
from gslt.cli.terminal import Stream, standard_streams


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
