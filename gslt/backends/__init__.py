"""Two thin engines behind one protocol: they sum neighbours and build graphs, nothing else.

``pyg`` and ``dgl`` each have a backend for :class:`gslt.GNN` and frozen layers with the host's
signatures (:class:`FrozenGINConv`, :class:`FrozenGCNConv`, :class:`FrozenSAGEConv`), to be imported
from there: ``from gslt.backends.pyg import FrozenGCNConv``. ``csr`` is the sparse matrix that the
sums of ``pyg`` are products with. No package but torch is imported before a backend is asked for.
"""

from __future__ import annotations

from importlib import import_module

from gslt.errors import ConfigError
from gslt.nn.graph import Backend

__all__ = ["BACKENDS", "Backend", "get_backend"]

#: Names of the backends.
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
