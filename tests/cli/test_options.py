"""Options that several commands have, and the lines on a ticket."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonargparse import ArgumentParser

from gslt.cli.options import add_root, add_split, data_folder


def test_options_by_hand() -> None:
    parser = ArgumentParser()
    add_root(parser)
    add_split(parser)
    none = parser.parse_args([])
    assert (none.dataset_dir, none.split) == (None, 0)
    given = parser.parse_args(["--dataset_dir", "a/b", "--split", "3"])
    assert (given.dataset_dir, given.split) == (Path("a/b"), 3)
    assert (data_folder(none), data_folder(given)) == (None, str(Path("a/b")))


def test_a_split_is_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    parser = ArgumentParser()
    add_split(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["--split", "first"])
    assert "split" in capsys.readouterr().err
