"""The long description of the package: README with links that work outside of the repository.

Everything else is in pyproject.toml.
"""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
_LINK = re.compile(r"(!?)\[([^\[\]]*)\]\((?!https?://|#|mailto:)([^()\s]+)\)")


def repository(pyproject: str) -> str | None:
    """The address of the repository in the text of pyproject.toml; None where it has none.

    Python 3.10 reads no TOML.
    """
    found = re.search(r'^Repository = "(.+?)/?"$', pyproject, re.MULTILINE)
    return found[1] if found else None


def long_description(readme: str, address: str | None, revision: str) -> str:
    """README with absolute links; where there is no address they become their words.

    >>> long_description("[Docs](docs/a.md), ![Plot](b.png)", "https://host/gslt", "v1")
    '[Docs](https://host/gslt/blob/v1/docs/a.md), ![Plot](https://host/gslt/raw/v1/b.png)'
    >>> long_description("[Docs](docs/a.md) [Paper](https://host/p) ![Plot](b.png)", None, "v1")
    'Docs [Paper](https://host/p) (picture in the repository: Plot)'

    Args:
        readme: Markdown.
        address: of the repository.
        revision: tag of the release.
    """

    def absolute(link: re.Match[str]) -> str:
        picture, words, path = link.groups()
        if address is None:
            return f"(picture in the repository: {words})" if picture else words
        kind = "raw" if picture else "blob"
        return f"{picture}[{words}]({address}/{kind}/{revision}/{path})"

    return _LINK.sub(absolute, readme)


def version(source: str) -> str:
    """The version in the text of gslt/version.py."""
    found = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    if found is None:
        raise ValueError('gslt/version.py has no line __version__ = "…"')
    return found[1]


def main() -> None:
    """What setuptools calls."""
    texts = (ROOT / name for name in ("README.md", "pyproject.toml", "gslt/version.py"))
    readme, pyproject, source = (path.read_text(encoding="utf-8") for path in texts)
    text = long_description(readme, repository(pyproject), f"v{version(source)}")
    setup(long_description=text, long_description_content_type="text/markdown")


if __name__ == "__main__":
    main()
