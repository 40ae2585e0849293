"""A bar on a terminal, lines of the log elsewhere (gslt.progress)."""

from __future__ import annotations

import io
import logging
import sys
from typing import Any

import pytest

from gslt import progress
from gslt.progress import Lines, progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


@pytest.mark.usefixtures("elsewhere")
def test_lines_where_there_is_no_terminal(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "gslt")
    clock = iter(range(0, 1000, 20))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    with progress_bar(total=4, desc="seed 0", unit="epoch") as bar:
        for number in range(1, 5):
            bar.n = number
            bar.refresh()
    said = [record.getMessage() for record in caplog.records]
    # The clock goes on by 20 s at each look, and a line takes half a minute.
    assert said
    assert all(line.startswith("seed 0: ") and " of 4 (epoch), " in line for line in said)
    assert not any("\r" in line for line in said)
    assert len(said) < 4


@pytest.mark.usefixtures("elsewhere")
def test_what_is_short_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gslt")
    assert list(progress_bar(range(3), desc="x")) == [0, 1, 2]
    assert not caplog.records


def test_nothing_is_shown_where_nobody_asked(
    elsewhere: io.StringIO, caplog: pytest.LogCaptureFixture
) -> None:
    assert progress_bar(range(3)).disable  # In Python, without a log.
    caplog.set_level(logging.INFO, "gslt")
    bar = progress_bar(range(3))
    assert isinstance(bar, Lines)
    assert not bar.disable
    assert progress_bar(range(3), show=False).disable
    assert elsewhere.getvalue() == ""


def test_a_bar_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stream: Any = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    assert list(progress_bar(range(3), desc="bar")) == [0, 1, 2]
    assert "bar: 100%" in stream.getvalue()
    caplog.set_level(logging.WARNING, "gslt")  # As by --quiet.
    assert progress_bar(range(3)).disable
