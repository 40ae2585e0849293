"""What tests of messages share: what is said, and which texts of a module give advice."""

from __future__ import annotations

import ast
import inspect
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from gslt.errors import DataWarning, GsltError


def message_of(call: Callable[[], Any]) -> str:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            call()
        except GsltError as error:
            return str(error)
    return "\n".join(str(each.message) for each in said if each.category is DataWarning)


def sentences(module: Any) -> Iterator[str]:
    """Patterns of the texts with advice in a module, that is, with a semicolon."""
    tree = ast.parse(inspect.getsource(module))
    inner = {
        id(v) for each in ast.walk(tree) if isinstance(each, ast.JoinedStr) for v in each.values
    }
    documentation = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in inner | documentation:
            continue
        if isinstance(node, ast.JoinedStr):
            pieces = [v.value if isinstance(v, ast.Constant) else None for v in node.values]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            pieces = [node.value]
        else:
            continue
        text = "".join(str(piece) for piece in pieces if piece is not None)
        if "; " in text.strip("; ") and not text.startswith("NodeDataset("):
            yield "".join(".*" if piece is None else re.escape(str(piece)) for piece in pieces)
