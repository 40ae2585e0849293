"""Imports of other people's packages that warn, print or draw while they load."""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep warnings, standard output and standard error of the block from the user."""
    nowhere = io.StringIO()
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        warnings.simplefilter("ignore")
        yield


def import_quietly(module: str) -> Any:
    """The module of this dotted name; its warnings are about its own code, not the user's."""
    with quiet():
        return importlib.import_module(module)
