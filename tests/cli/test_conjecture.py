"""``gslt conjecture``: its options, and folders that hold none."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from gslt.cli import conjecture, main, parse
from gslt.conjecture.protocol import Criteria


def test_what_is_not_given_is_the_folders() -> None:
    options = parse(["conjecture", "--out", "x"]).conjecture
    names = [field.name for field in dataclasses.fields(Criteria)]
    assert all(options[name] is None for name in names)
    assert (options.preset, options.architecture, options.dataset) == (None, None, None)
    assert (options.executor, options.report_only) == ("local", False)
    assert list(conjecture.ACTIONS) == ["conjecture"]


def test_a_folder_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        parse(["conjecture"])
    assert stop.value.code == 2
    assert "out" in capsys.readouterr().err


def test_nothing_to_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["conjecture", "--out", str(out), "--report_only"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("gslt: ")
    assert "holds no test of the conjecture; without --report_only one is begun there" in error
    assert not out.exists()
