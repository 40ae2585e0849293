"""Pages: templates of Jinja2 with autoescaping, in one HTML file that needs no other.

A page extends ``report/templates/base.html.jinja``: style, tables that sort, and a script whose
hash the page names, so that a browser runs no other, whatever the data hold. Every text is escaped,
and shown as :func:`gslt.errors.shown` has it. The macros in ``parts.html.jinja`` make tables,
pictures and commands.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gslt.errors import shown
from gslt.report.escaping import script_json
from gslt.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

_SCRIPT = "report/templates/page.js"


def render(template: str, *, data: Any = None, **values: Any) -> str:
    """A page as text.

    Args:
        template: its path within the package, such as ``report/templates/study.html.jinja``.
        data: plain values for the figures to play with, see :mod:`gslt.report.explorer`.
        values: what the template names; every page asks for a ``title``.

    Raises:
        jinja2.UndefinedError: for a name that has no value.
        ValueError: for a number in ``data`` that JSON does not have.
    """
    pages = _templates()
    script = resources.files("gslt").joinpath(_SCRIPT).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return pages.get_template(template).render(
        data=script_json(data or {}),
        script=script,
        script_hash=f"sha256-{digest}",
        version=__version__,
        **values,
    )


@lru_cache(maxsize=1)
def _templates() -> Environment:
    import jinja2

    pages = jinja2.Environment(
        loader=jinja2.PackageLoader("gslt", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["command"] = shlex.join
    pages.filters["inline"] = inline
    return pages


def _shown(value: Any) -> Any:
    """What a template writes of a value, before it is escaped."""
    return shown(value) if type(value) is str else value


def inline(picture: Path) -> str:
    """An SVG file as the source of an image."""
    return f"data:image/svg+xml;base64,{base64.b64encode(picture.read_bytes()).decode()}"
