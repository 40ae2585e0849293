"""Docstrings as Markdown: roles such as :func:`gslt.search` are code, doctests blocks of code."""

from __future__ import annotations

import re
from typing import Any

import griffe

#: An example up to the next empty line.
_EXAMPLE = re.compile(r"^( *)(>>> .*(?:\n(?! *$).*)*)", re.MULTILINE)


class Roles(griffe.Extension):
    """Rewrites every docstring when it is read, and leaves out methods such as ``__eq__``."""

    def on_class_members(self, *, cls: griffe.Class, **_: Any) -> None:
        """Of a class."""
        for name in [name for name in cls.members if name.startswith("__")]:
            if name != "__init__":  # Shown as the arguments of the class.
                del cls.members[name]

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Of a module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = plain(obj.docstring.value)


def plain(text: str) -> str:
    """Text in which roles are code, ``::`` is a colon, and examples are blocks of code.

    Args:
        text: of a docstring.
    """
    text = re.sub(r":\w+:`~[\w.]*?(\w+)`", r"`\1`", text)
    text = re.sub(r":\w+:`([^`]+)`", r"`\1`", text)
    text = re.sub(r"::$", ":", text, flags=re.MULTILINE)
    return _EXAMPLE.sub(r"\1```pycon\n\1\2\n\1```", text)
