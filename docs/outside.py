"""Files outside of docs/ that a page links to, such as pictures of records, go into the site."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"\]\((\.\./[^)#\s]+)")
#: Where such files are in the site.
_PLACE = "files"


def on_files(files: Files, config: Any) -> Files:
    """Add every file outside of docs/ that a page links to."""

    def add(target: str) -> str:
        uri = f"{_PLACE}/{target}"
        if (ROOT / target).is_file() and files.get_file_from_path(uri) is None:
            files.append(File.generated(config, uri, abs_src_path=str(ROOT / target)))
        return target

    for page in files.documentation_pages():
        outside(page.content_string, page.src_uri, add)
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Point the links at the copies."""
    here = posixpath.relpath(_PLACE, posixpath.dirname(page.file.src_uri) or ".")
    return outside(markdown, page.file.src_uri, lambda target: f"{here}/{target}")


def outside(markdown: str, page: str, change: Callable[[str], str]) -> str:
    """A page with its links to files outside of docs/ changed.

    Args:
        markdown: text of the page.
        page: where it is in docs/.
        change: from the place of a file in the repository to the new link.

    >>> outside("[a](../x.png) [b](../y.md)", "z.md", str.upper)
    '[a](X.PNG) [b](Y.MD)'
    >>> outside("[a](../x.md)", "api/z.md", str.upper)
    '[a](../x.md)'
    """

    def replaced(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(page), link[1]))
        leaves = target.startswith("../")
        return f"]({change(target.removeprefix('../'))}" if leaves else link[0]

    return _LINK.sub(replaced, markdown)
