"""Backends by name."""

from __future__ import annotations

import subprocess
import sys

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


def test_the_engine_of_pyg_imports_no_layer_of_pyg() -> None:
    code = (
        "import sys, gslt.cli; from gslt.backends import get_backend; get_backend('pyg'); "
        "print('torch_geometric' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_layers_tell_their_engine_too() -> None:
    from gslt.backends import csr, pyg

    assert pyg.BACKEND is csr.BACKEND is get_backend("pyg")
