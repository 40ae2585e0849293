"""What tests of messages share: what is said, and which texts of a module give advice."""

from __future__ import annotations

import ast
import inspect
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
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


def commands_in(module_file: Path) -> Iterator[list[str]]:
    """Words of every command line of gslt that a module prints; what it fills in is "1".

    They stand in calls of ``pasted`` and between backticks.
    """
    for node in ast.walk(ast.parse(module_file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "pasted":
            words = [_word(each) for each in node.args if not isinstance(each, ast.Starred)]
            if words[0] == "gslt":
                yield words[1:]
        elif isinstance(node, ast.JoinedStr | ast.Constant):
            for line in re.findall(r"(?<!`)`gslt ([^`]*)`(?!`)", _text(node)):
                yield line.split()


def _word(node: ast.expr) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else "1"


def _text(node: ast.JoinedStr | ast.Constant) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    return "".join(_word(each) for each in node.values)
