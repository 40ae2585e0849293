"""The Markdown of the repository as tests read it: pages, links, anchors, code and commands."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: README and its neighbours, the documentation, and what lies beside records and examples.
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "benchmarks/**/*.md", "examples/**/*.md")
    for path in ROOT.glob(pattern)
)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def name(page: Path) -> str:
    """A page as it is called from the root."""
    return page.relative_to(ROOT).as_posix()


@dataclass(frozen=True)
class Block:
    """A block of code."""

    line: int
    language: str
    text: str


def code(page: Path, language: str) -> list[Block]:
    """The blocks of code of a page in a language, in order."""
    text = page.read_text("utf-8")
    found = [
        Block(text[: match.start()].count("\n") + 2, match[1], match[2])
        for match in _FENCE.finditer(text)
    ]
    return [block for block in found if block.language == language]


def prose(page: Path) -> str:
    """A page without its code."""
    text = _FENCE.sub("", page.read_text("utf-8"))
    return re.sub(r"^    .*$|`[^`\n]*`", "", text, flags=re.MULTILINE)


def links(page: Path) -> list[str]:
    """Targets of the links and pictures of a page."""
    return re.findall(r"\]\(([^()\s]+)\)", prose(page))


def anchors(page: Path) -> set[str]:
    """What a link may name behind # on a page: headings that GitHub and MkDocs spell alike."""
    text = _FENCE.sub("", page.read_text("utf-8"))
    found = set()
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        plain = re.sub(r"[`*\[]|\]\([^)]*\)", "", heading).strip().lower()
        of_github = re.sub(r"[^\w -]", "", plain).replace(" ", "-")
        ascii_ = re.sub(r"[^\w\s-]", "", plain.encode("ascii", "ignore").decode())
        if of_github == re.sub(r"[-\s]+", "-", ascii_).strip("-"):
            found.add(of_github)
    return found


def commands(page: Path) -> list[list[str]]:
    """Words of every line of a shell that calls gslt; of a loop its first round."""
    found: list[list[str]] = []
    for block in code(page, "sh"):
        variables = dict(re.findall(r"for (\w+) in (\S+)", block.text))
        for line in block.text.replace("\\\n", " ").splitlines():
            for variable, value in variables.items():
                line = line.replace(f"${variable}", value)
            words = shlex.split(line, comments=True)
            if words[:1] == ["gslt"]:
                cut = words.index(">") if ">" in words else len(words)
                found.append(words[1:cut])
    return found
