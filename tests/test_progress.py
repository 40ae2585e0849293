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
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress_bar(total=8, desc="seed 0", unit="epoch") as bar:
        # A line takes half a minute, and after 2,000 s a twentieth of that.
        for number, seconds in enumerate([10, 29, 30, 45, 60, 2000, 2099, 2106], 1):
            now[0], bar.n = float(seconds), number
            bar.refresh()
    said = [record.getMessage() for record in caplog.records]
    assert [line.partition(",")[0] for line in said] == [
        f"seed 0: {number} of 8 epochs" for number in (3, 5, 6, 8)
    ]
    assert not any("\r" in line for line in said)


@pytest.mark.usefixtures("elsewhere")
def test_a_description_given_later_has_one_colon(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gslt")
    with progress_bar(total=8, desc="study 0/2", unit="epoch") as bar:
        bar.set_description("study 1/2")
        assert str(bar).startswith("study 1/2: 0 of 8 epochs")


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
