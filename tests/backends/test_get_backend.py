"""Backends by name."""

from __future__ import annotations

import pytest

from gslt.backends import BACKENDS, get_backend
from gslt.errors import ConfigError


def test_unknown_backends_are_refused() -> None:
    with pytest.raises(ConfigError, match="backend must be one of pyg, dgl, got 'jraph'"):
        get_backend("jraph")


def test_a_backend_says_its_name() -> None:
    backend = get_backend("pyg")
    assert backend.name == "pyg"
    assert get_backend("pyg") is backend
    assert BACKENDS == ("pyg", "dgl")
