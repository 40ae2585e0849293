"""What tests of pages share: their tags and text, and the columns of their tables."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

from browser import Browser


class Elements(HTMLParser):
    """Tags with their attributes, and the text outside scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.stack: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))
        if tag not in ("meta", "img", "input", "br"):
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1] not in ("script", "style"):
            self.text += data


def elements(page: Path) -> Elements:
    parser = Elements()
    parser.feed(page.read_text("utf-8"))
    parser.close()
    assert parser.stack == []
    return parser


def column(browser: Browser, table: str, index: int) -> list[str]:
    script = (
        f"Array.from(document.getElementById({json.dumps(table)}).tBodies[0].rows)"
        f".filter((row) => !row.hidden).map((row) => row.cells[{index}].textContent)"
    )
    found = browser.run(script)
    assert isinstance(found, list)
    return found
