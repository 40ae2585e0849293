"""What tests of the commands share."""

from __future__ import annotations

import dataclasses

import pytest


@pytest.fixture
def as_debian(blocks, monkeypatch):
    """The commands' default data set, replaced by a small synthetic one."""
    asked = []

    def load(name, root=None, *, split=0):
        asked.append((name, root, split))
        return dataclasses.replace(blocks, split=split)

    monkeypatch.setattr("gslt.data.load_dataset", load)
    return asked
