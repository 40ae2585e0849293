"""Options that several commands have, and the lines on a ticket."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from jsonargparse import ArgumentParser

from gslt.cli.options import add_root, add_split, data_folder, size_line


def test_options_by_hand() -> None:
    parser = ArgumentParser()
    add_root(parser)
    add_split(parser)
    none = parser.parse_args([])
    assert (none.dataset_dir, none.split) == (None, 0)
    given = parser.parse_args(["--dataset_dir", "a/b", "--split", "3"])
    assert (given.dataset_dir, given.split) == (Path("a/b"), 3)
    assert (data_folder(none), data_folder(given)) == (None, str(Path("a/b")))


def test_what_a_ticket_weighs_by_hand() -> None:
    size = SimpleNamespace(
        total=10_000, pruned=2000, locked=1000, searched=7000, kept=5000, bits=7000, bytes=1250
    )
    size.sparsity, size.density, size.ratio, size.file_ratio = 0.5, 0.5, 45.714, 32.0
    size.stored = size.stored_bytes = size.pattern_bytes = 0
    ticket = SimpleNamespace(size=lambda: size, is_weak=False, state={})
    assert size_line(ticket).splitlines() == [
        "ticket    10,000 weights: 2,000 pruned, 1,000 locked, 7,000 searched; 5,000 kept "
        "(sparsity 0.500, density 0.500)",
        "size      7,000 mask bits, × 45.7 smaller than float32 weights; file 1,250 bytes, × 32.0",
    ]
    size.stored, size.stored_bytes = 300, 1208
    line = size_line(ticket).splitlines()[1]
    assert line.startswith("size      7,000 mask bits and 1,208 stored bytes, × 45.7 smaller than")


def test_a_split_is_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    parser = ArgumentParser()
    add_split(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["--split", "first"])
    assert "split" in capsys.readouterr().err
