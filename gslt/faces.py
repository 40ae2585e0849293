"""Packages whose names are loaded when somebody asks for them: torch alone takes seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any


def lazy(
    package: str, homes: Mapping[str, Iterable[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package that loads its names when they are asked for.

    Its modules are there too without an import of their own, as in ``gslt.diagnostics.probe(…)``.
    No name may be that of a module of the package: which of the two would be found depended on
    what was imported before.

    Args:
        package: its ``__name__``.
        homes: names by the module of the package that has them.
    """
    home = {name: module for module, names in homes.items() for name in names}

    def find(name: str) -> Any:
        face = vars(sys.modules[package])
        if name in home:
            face[name] = getattr(import_module(f"{package}.{home[name]}"), name)
            return face[name]
        if not name.startswith("__"):
            try:
                return import_module(f"{package}.{name}")
            except ModuleNotFoundError as error:
                if error.name != f"{package}.{name}":
                    raise
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return find, lambda: sorted({*vars(sys.modules[package]), *home})
