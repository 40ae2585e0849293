"""Text from files, where it could be taken for something else: one function for each such place.

Names of arms and graphs, titles, paths and versions come from files that somebody else may have
written. Everywhere they are shown, see :func:`gslt.errors.shown`, and nothing in them is obeyed.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from gslt.errors import shown


def in_line(text: str) -> str:
    r"""Text in one line, as it may be shown; line breaks and tabs are blanks.

    >>> in_line("dense\n source")
    'dense source'
    """
    return " ".join(shown(text).split())


# Cells for programs

#: What a spreadsheet takes for a formula, also behind the sign that says that it is none.
_FORMULA = re.compile(r"'*\s*[=+\-@＝＋－＠]|'*[\t\r\n]")

#: What every program takes for a number.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]inf", re.ASCII)


def csv_cell(text: str) -> str:
    """A text as a cell of a CSV that no spreadsheet takes for a formula.

    One that begins like a formula and is no number gets an apostrophe before it, which
    :func:`csv_value` takes away again.

    >>> csv_cell("=1+1"), csv_cell("-0.5"), csv_cell("dense source")
    ("'=1+1", '-0.5', 'dense source')
    """
    text = shown(text)
    return f"'{text}" if _FORMULA.match(text) and not _is_number(text) else text


def csv_value(cell: str) -> str:
    """The text that :func:`csv_cell` made a cell of, as it was shown.

    >>> csv_value("'=1+1"), csv_value("'quoted'")
    ('=1+1', "'quoted'")
    """
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell[1:]) else cell


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None


# Pages of text


def markdown(text: str) -> str:
    r"""Text within a line of GitHub's Markdown, also in a cell of a table.

    >>> print(markdown("a|b <i> *c* $x$"))
    a\|b &lt;i> \*c\* &#36;x&#36;
    """
    text = re.sub(r"([\\|`*_~\[\]]|(?<!\S)#)", r"\\\1", in_line(text).replace("&", "&amp;"))
    # A dollar sign would begin a formula.
    return text.replace("<", "&lt;").replace("$", "&#36;")


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": r"$-$",
    "–": "--",
    # Languages give the first a meaning of their own; two of the second are another sign.
    '"': r"{\char34}",
    "`": r"{\char96}",
    # At the beginning of a row they would belong to the end of the one before.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
#: Two of these would be printed as another sign.
_LIGATURES = re.compile(r"([-',])(?=\1)")


def latex(text: str) -> str:
    r"""Text within a line of LaTeX, also in a cell of a table.

    >>> print(latex("50 % of a_b -- c"))
    50 \% of a\_b -{}- c
    """
    parts = _LIGATURES.sub("\\1\0", in_line(text))
    return "".join(_LATEX.get(character, character) for character in parts).replace("\0", "{}")


# Pictures and pages


def drawn(text: str) -> str:
    r"""Text in a figure: no formula of matplotlib's, and only what its font has signs for.

    >>> print(drawn("$x$"))
    \$x\$
    """
    signs = _signs()
    written = (
        each if ord(each) in signs or each == "\n" else each.encode("unicode_escape").decode()
        for each in shown(text).replace("\t", " ")
    )
    return "".join(written).replace("$", r"\$")


@lru_cache(maxsize=1)
def _signs() -> frozenset[int]:
    """What the font of figures can draw."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return frozenset(get_font(findfont(FontProperties())).get_charmap())


def script_json(value: object) -> str:
    """JSON that can stand in a ``<script>`` element: nothing in it ends the element.

    Args:
        value: plain values; texts are shown.

    Raises:
        ValueError: for a number that JSON does not have.
    """
    text = json.dumps(_all_shown(value), separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _all_shown(value: Any) -> Any:
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, Mapping):
        return {shown(str(key)): _all_shown(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_all_shown(each) for each in value]
    return value


# Names of files

#: Names that some systems keep for devices.
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
#: Digits of a hash that make a name unique.
_DIGITS = 12


def file_parts(names: Iterable[str], most: int = 80) -> dict[str, str]:
    """Every name as a part of the name of a file, no two alike, also where case counts for nothing.

    Letters, digits, dots, dashes and underscores stay, the rest becomes dashes. A part that is cut,
    empty or like another ends with a hash of its name.

    >>> file_parts(["two words", "A", "a"])
    {'two words': 'two-words', 'A': 'A-559aead08264', 'a': 'a-ca978112ca1b'}

    Args:
        names: of arms, graphs, studies.
        most: bytes of a part.
    """
    found = {name: _part(name) for name in names}
    times = Counter(map(_folded, found.values()))
    return {
        name: part if _stands(part, most) and times[_folded(part)] == 1 else _hashed(name, most)
        for name, part in found.items()
    }


def _stands(part: str, most: int) -> bool:
    """Whether a part can be in the name of a file as it is."""
    return 0 < len(part.encode()) <= most and not _DEVICES.fullmatch(part)


def _hashed(name: str, most: int) -> str:
    """The beginning of a part, and a hash of the whole name."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    room = _part(name).encode()[: most - _DIGITS - 1].decode("utf-8", "ignore")
    return f"{room}-{digest}".strip("-")


def _part(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", unicodedata.normalize("NFC", name)).strip("-.")


def _folded(part: str) -> str:
    return unicodedata.normalize("NFKC", part).casefold()
