"""What pages are made of: their frame with style and script, tables that sort, pictures."""

from __future__ import annotations

import base64
import hashlib
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path

from gslt.studies.report.formats import Cell, Table
from gslt.studies.report.page_data import script_json
from gslt.version import __version__


def whole_page(title: str, body: Iterable[str], data: object, style: str = "") -> str:
    """A page of HTML that needs no other file.

    Args:
        title: of the window; text.
        body: lines of HTML.
        data: what the figures to play with draw, as plain values.
        style: further rules of CSS.
    """
    template = (
        resources.files("gslt.studies.report").joinpath("page.html").read_text(encoding="utf-8")
    )
    parts = {
        "title": escape(title),
        "version": escape(__version__),
        "script_hash": _script_hash(template),
        "style": style,
        "body": "\n".join(body),
        "data": script_json(data),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def _script_hash(template: str) -> str:
    """Hash of the page's own script: the browser runs no other, whatever the data holds."""
    found = re.search(r"<script>(.*?)</script>", template, re.DOTALL)
    assert found is not None
    digest = hashlib.sha256(found[1].encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def header_html(heading: str, facts: str) -> str:
    """The top of a page, with the button that its script needs."""
    return (
        f'<header class="top"><div><h1>{escape(heading)}</h1><p>{escape(facts)}</p></div>'
        '<button type="button" class="plain" id="theme">light / dark</button></header>'
    )


def warning_html(heading: str, sentences: Sequence[str]) -> str:
    """A box with what a reader must know."""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    heading = f"<strong>{escape(heading)}</strong>"
    return f'<div class="warning" role="note">{heading}<ul>{items}</ul></div>'


def picture_html(file: Path, alternative: str, caption: str) -> str:
    """A picture from an SVG file, in the page itself."""
    picture = base64.b64encode(file.read_bytes()).decode()
    return (
        f'<figure><img src="data:image/svg+xml;base64,{picture}" alt="{escape(alternative)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def command_html(start: str, *words: str) -> str:
    """A command line; ``words`` are quoted for the shell."""
    text = " ".join([start, *map(shlex.quote, words)])
    return f"<pre><code>{escape(text)}</code></pre>"


def select_html(name: str, options: Mapping[str, str]) -> str:
    """A list to pick from: texts by value."""
    items = (
        f'<option value="{escape(value)}">{escape(text)}</option>'
        for value, text in options.items()
    )
    return f'<select name="{name}">{"".join(items)}</select>'


def table_html(table: Table, identity: str) -> str:
    """A table whose headings are buttons that sort it, and its notes."""
    heads = []
    for index, heading in enumerate(table.headings):
        values = [row[index].value for row in table.rows]
        text = any(isinstance(value, str) for value in values)
        kind = " ".join(["name"] * (index < table.names) + ["text"] * text)
        heads.append(
            f'<th scope="col" class="{kind}" aria-sort="none">'
            f'<button type="button">{escape(heading)}</button></th>'
        )
    lines = []
    for row in table.rows:
        arms = ""
        if table.arms:
            first, second = (escape(str(cell.value)) for cell in row[:2])
            arms = f' data-first="{first}" data-second="{second}"'
        cells = (_cell(cell, index < table.names) for index, cell in enumerate(row))
        lines.append(f"<tr{arms}>{''.join(cells)}</tr>")
    notes = "".join(f"<li>{escape(note)}</li>" for note in table.notes)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(table.title)}">'
        f'<table id="{escape(identity)}"><thead><tr>{"".join(heads)}</tr></thead>'
        f'<tbody>{"".join(lines)}</tbody></table></div><ul class="notes">{notes}</ul>'
    )


def _cell(cell: Cell, name: bool) -> str:
    value = "" if cell.value is None else f' data-value="{escape(str(cell.value))}"'
    kind = ' class="name"' if name else ""
    return f"<td{kind}{value}>{escape(cell.text)}</td>"
