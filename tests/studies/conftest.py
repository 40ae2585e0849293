"""What tests of studies share: a graph under every name."""

from __future__ import annotations

from pathlib import Path

import pytest

import gslt
from gslt.studies import execute


@pytest.fixture
def as_debian(blocks: gslt.NodeDataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Every name of a data set means the small synthetic graph, in this process."""
    monkeypatch.setattr(execute, "dataset_of", lambda *_: blocks)
    monkeypatch.chdir(tmp_path)
    return tmp_path
