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
        self.unfolded = ""
        """What a reader sees who opens nothing: no content of details but their summaries."""
        self._folded: list[bool] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))
        if tag not in ("meta", "img", "input", "br"):
            self.stack.append(tag)
            self._folded.append(tag == "details" and "open" not in dict(attributes))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag
        self._folded.pop()

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1] not in ("script", "style"):
            self.text += data
            # The summary of the outermost one that is folded is seen, and nothing within it.
            if sum(self._folded) == 0 or (sum(self._folded) == 1 and "summary" in self._innermost):
                self.unfolded += data

    @property
    def _innermost(self) -> list[str]:
        """Tags from the last that is folded inwards."""
        last = max(place for place, folded in enumerate(self._folded) if folded)
        return self.stack[last:]


#: So many words, about two minutes of reading, are the most that a page shows unfolded.
MOST_WORDS = 600


def seen_words(page: Path) -> int:
    """How many words a reader sees who opens nothing."""
    return len(elements(page).unfolded.split())


def elements(page: Path) -> Elements:
    parser = Elements()
    parser.feed(page.read_text("utf-8"))
    parser.close()
    assert parser.stack == []
    return parser


def unfold(browser: Browser) -> None:
    """Open everything that is folded, and wait until figures have their width."""
    browser.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    browser.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def column(browser: Browser, table: str, index: int) -> list[str]:
    script = (
        f"Array.from(document.getElementById({json.dumps(table)}).tBodies[0].rows)"
        f".filter((row) => !row.hidden).map((row) => row.cells[{index}].textContent)"
    )
    found = browser.run(script)
    assert isinstance(found, list)
    return found
