"""Text from files is shown and not obeyed: every writer is read back by somebody else's reader."""

from __future__ import annotations

import csv
import html
import html.parser
import io
import json
import re
import unicodedata
import xml.etree.ElementTree as ET
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gslt.errors import shown
from gslt.report.escaping import (
    csv_cell,
    csv_value,
    drawn,
    file_parts,
    in_line,
    latex,
    script_json,
)
from gslt.report.figures import canvas
from gslt.report.lines import short
from gslt.report.page import _templates
from gslt.report.tables import Cell, Table, csv_text

#: All of Unicode, lone surrogates too, and what other programs obey, more often than by chance.
CHARACTERS = st.one_of(
    st.characters(exclude_categories=()),
    st.sampled_from("=+-@'\"\t\r\n\\$&%#_{}[]*|`~^<>.,;:!?/ \x00\x1b\x85\u2028\u202e\ufeff\ud800"),
)
TEXTS = st.one_of(st.text(CHARACTERS, max_size=30), st.text(max_size=30))
ODD = (
    "=cmd|' /C calc'!A0",
    "\x1b]0;title\x07",
    "</script><script>alert(1)</script>",
    "\\input{/etc/passwd}",
    "$\\frac",
    "`` -- ''",
    "[x](javascript:alert(1)) <img src=x>",
    "dense\u202ecruos",
    "\ud800\udfff",
)


def odd(test: Any) -> Any:
    for text in ODD:
        test = example(text)(test)
    return settings(max_examples=300, deadline=None)(given(TEXTS)(test))


# CSV


@odd
def test_a_cell_of_a_csv_is_no_formula_and_reads_back(text: str) -> None:
    written = csv_text(pd.DataFrame({"a": [1.5], "b": [text], "c": [[text]]}))
    written.encode("utf-8")
    (_, (number, cell, _)) = csv.reader(io.StringIO(written))
    assert number == "1.5"
    assert csv_value(cell) == shown(text)
    # What spreadsheets call a formula (OWASP, CSV injection), unless it is a number.
    if cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
        float(cell)
    names = next(csv.reader(io.StringIO(csv_text(pd.DataFrame({text: [1]})))))
    assert csv_value(names[0] if names else "") == shown(text)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-dense", "'-dense"),
        ("  =1", "'  =1"),
        ("\r=1", "\\r=1"),
        ("＝1", "'＝1"),
        ("'=1", "''=1"),
        ("-0.5", "-0.5"),
        ("+1e-3", "+1e-3"),
        ("-inf", "-inf"),
        ("-1_0", "'-1_0"),
        ("'tis", "'tis"),
        ("a = b", "a = b"),
        ("", ""),
    ],
)
def test_what_is_taken_for_a_formula(text: str, cell: str) -> None:
    assert csv_cell(text) == cell
    assert csv_value(cell) == shown(text)


# Markdown and LaTeX


def cells_of_markdown(row: str) -> list[str]:
    """Cells of a row by the rules of CommonMark: escapes, entities, bars; raises for markup."""
    cells, at = [""], 0
    for match in re.finditer(r"\\([!-/:-@\[-`{-~])|&(#?\w+);|(.)", row, re.DOTALL):
        assert match.start() == at
        at = match.end()
        escaped, entity, plain = match.groups()
        assert plain is None or plain not in "<`*_[]~$&", f"markup: {plain}"
        if plain == "|":
            cells.append("")
        else:
            cells[-1] += escaped or (html.unescape(f"&{entity};") if entity else plain)
    return cells


@odd
def test_a_cell_of_markdown_reads_back(text: str) -> None:
    table = Table("t", ["a", "b"], [[Cell(text), Cell("1")]]).body()
    lines = table.split("\n")
    assert len(lines) == 3
    _, first, second, _ = cells_of_markdown(lines[2])
    assert (first.strip(" "), second) == (in_line(text), " 1 ")
    assert in_line(text).split() == shown(text).split()
    heading = Table(text, ["a"], []).markdown().split("\n")[0]
    assert heading.startswith("# ")
    # Signs at the end that would close the heading, and be gone.
    assert not re.search(r"(^|\s)#+\s*$", heading[2:])


LATEX = {
    "textbackslash": "\\",
    "textasciitilde": "~",
    "textasciicircum": "^",
    "textless": "<",
    "textgreater": ">",
    "textbar": "|",
}
MATHS = {r"\pm": "±", r"\times": "×", "-": "−"}


def read_latex(source: str) -> str:
    """What LaTeX prints of a line; raises for whatever is no plain text."""
    found, rest = "", source
    rules = (
        (r"\{\\char(\d+)\}", lambda m: chr(int(m[1]))),
        (r"\\(text\w+)\{\}", lambda m: LATEX[m[1]]),
        (r"\\([&%$#_{}])", lambda m: m[1]),
        (r"\$([^$]*)\$", lambda m: MATHS[m[1]]),
        (r"\{([][*])\}", lambda m: m[1]),
        (r"---?|''|,,|``|<<|>>", lambda m: {"--": "–"}[m[0]]),
        (r"\{\}", lambda m: ""),
        (r"[^\\{}$&#%^_~\"`\[\]*<>|]", lambda m: m[0]),
    )
    while rest:
        matches = ((re.match(pattern, rest), read) for pattern, read in rules)
        match, read = next((m, read) for m, read in matches if m)
        found, rest = found + read(match), rest[match.end() :]
    return found


@odd
def test_a_line_of_latex_reads_back(text: str) -> None:
    source = latex(text)
    source.encode("utf-8")
    assert "\n" not in source
    assert read_latex(source) == in_line(text)
    assert all(c.isprintable() or unicodedata.category(c) == "Zs" for c in source)


def test_a_row_of_latex_is_no_option_of_the_one_before() -> None:
    rows = [[Cell("[1in]"), Cell("1")], [Cell("*"), Cell("2")]]
    lines = Table("t", ["a", "b"], rows).latex().splitlines()
    assert lines[9:11] == [r"{[}1in{]} & 1 \\", r"{*} & 2 \\"]


# Pages


class Reader(html.parser.HTMLParser):
    """Texts and the values of attributes."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.values: list[str | None] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.values += [value for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


@odd
def test_a_page_shows_texts(text: str) -> None:
    template = _templates().from_string('<p title="{{ a }}">{{ a }}</p>')
    reader = Reader()
    page = template.render(a=text)
    page.encode("utf-8")
    reader.feed(page)
    reader.close()
    assert (reader.tags, reader.values, reader.text) == (["p"], [shown(text)], shown(text))


@odd
def test_json_in_a_script_ends_no_script(text: str) -> None:
    written = script_json({"a": [text, 1.5, None], text: {"b": (text,)}})
    assert written.isascii()
    assert not re.search(r"[<>&]", written)
    assert json.loads(written) == {
        "a": [shown(text), 1.5, None],
        shown(text): {"b": [shown(text)]},
    }


# Pictures


def texts_of_svg(figure: Any) -> list[str]:
    from matplotlib import rc_context

    with rc_context({"svg.fonttype": "none"}):
        file = io.BytesIO()
        figure.savefig(file, format="svg")
    elements = ET.fromstring(file.getvalue()).iter("{http://www.w3.org/2000/svg}text")
    return ["".join(element.itertext()) for element in elements]


def in_font(text: str) -> str:
    """The text as the figure has it; what has no sign in its font is an escape."""
    return drawn(text).replace(r"\$", "$")


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=8))
def test_a_picture_has_texts_and_no_formulas(texts: list[str]) -> None:
    """Titles, labels of axes and ticks: drawn without a warning, read from the SVG."""
    made = canvas([["a"]], texts[0], "caption")
    axes = made.panels["a"]
    wanted = [short(text) for text in texts]
    axes.set_yticks(range(len(wanted)), [drawn(text) for text in wanted])
    axes.set_xlabel(drawn(wanted[-1]))
    found = " ".join(texts_of_svg(made.figure)).split()
    for text in wanted:
        for word in in_font(text).split():
            assert word in found


@odd
def test_a_figure_takes_every_text(text: str) -> None:
    from matplotlib.text import Text

    plain, is_formula = Text()._preprocess_math(drawn(text))
    assert not is_formula
    unescaped = re.sub(r"\\u[0-9a-f]{4}|\\U[0-9a-f]{8}|\\x[0-9a-f]{2}", _character, plain)
    back = re.sub(r"\\u[0-9a-f]{4}|\\U[0-9a-f]{8}|\\x[0-9a-f]{2}", _character, shown(text))
    assert unescaped == back.replace("\t", " ")


def _character(match: re.Match[str]) -> str:
    return match[0].encode("ascii").decode("unicode_escape")


@pytest.mark.parametrize("text", ["$\\frac", "$x$", "$$", "\\$", "a\\\\$b$", "$\\no{$"])
def test_dollar_signs_are_drawn(text: str) -> None:
    made = canvas([["a"]], text, text)
    made.panels["a"].set_ylabel(drawn(text))
    assert texts_of_svg(made.figure).count(text) == 3


# Names of files


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXTS, max_size=8, unique=True), st.integers(20, 200))
def test_parts_of_names_are_names_and_no_two_alike(names: list[str], most: int) -> None:
    found = file_parts(names, most)
    assert list(found) == names
    folded = {unicodedata.normalize("NFKC", part).casefold() for part in found.values()}
    assert len(folded) == len(names)
    for part in found.values():
        assert 0 < len(part.encode("utf-8")) <= most
        assert re.fullmatch(r"[\w-][\w.-]*", part)
        assert "@" not in part
        assert not part.startswith((".", "-"))


def test_parts_of_names_by_hand() -> None:
    found = file_parts(
        ["Cora", "cora", "a/b", "../x", "con", "", "two words (synthetic)", "é" * 99]
    )
    assert found["a/b"] == "a-b"
    assert found["../x"] == "x"
    assert found["two words (synthetic)"] == "two-words-synthetic"
    assert re.fullmatch("Cora-[0-9a-f]{12}", found["Cora"])
    assert re.fullmatch("cora-[0-9a-f]{12}", found["cora"])
    assert re.fullmatch("con-[0-9a-f]{12}", found["con"])
    assert re.fullmatch("[0-9a-f]{12}", found[""])
    assert re.fullmatch("é{33}-[0-9a-f]{12}", found["é" * 99])
    # What is alike decides on nothing else.
    assert file_parts(["Cora", "a/b"]) == {"Cora": "Cora", "a/b": "a-b"}
