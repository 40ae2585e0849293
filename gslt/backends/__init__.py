"""Two thin engines behind one protocol: they sum neighbours and build graphs, nothing else.

``csr`` is PyG's, a sparse matrix whose products are the sums; ``dgl`` is DGL's. The hosts' own
layers in their frozen form (:class:`FrozenGINConv`, :class:`FrozenGCNConv`,
:class:`FrozenSAGEConv`) are to be imported from ``pyg`` and ``dgl``: ``from gslt.backends.pyg
import FrozenGCNConv``. No package but torch is imported before it is asked for, and a search on PyG
imports none of PyG's layers.
"""

from __future__ import annotations

from importlib import import_module

from gslt.errors import ConfigError
from gslt.nn.graph import Backend

__all__ = ["BACKENDS", "Backend", "get_backend"]

_ENGINES = {"pyg": "gslt.backends.csr", "dgl": "gslt.backends.dgl"}
#: Names of the backends.
BACKENDS = tuple(_ENGINES)


def get_backend(name: str) -> Backend:
    """The backend of this name, ``"pyg"`` or ``"dgl"``.

    Raises:
        ConfigError: for another name.
        MissingPackageError: if its package is not installed.
    """
    if name not in BACKENDS:
        raise ConfigError(f"backend must be one of {', '.join(BACKENDS)}, got {name!r}")
    backend: Backend = import_module(_ENGINES[name]).BACKEND
    return backend
