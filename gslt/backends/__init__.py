"""Two thin engines behind one protocol: they sum neighbours and build graphs, nothing else."""

from __future__ import annotations

from importlib import import_module

from gslt.errors import ConfigError
from gslt.nn.graph import Backend

BACKENDS = ("pyg", "dgl")


def get_backend(name: str) -> Backend:
    """The backend of this name, ``"pyg"`` or ``"dgl"``.

    Raises:
        ConfigError: for another name.
        MissingPackageError: if its package is not installed.
    """
    if name not in BACKENDS:
        raise ConfigError(f"backend must be one of {', '.join(BACKENDS)}, got {name!r}")
    backend: Backend = import_module(f"gslt.backends.{name}").BACKEND
    return backend
