"""``gslt smooth``: over-smoothing in trained, searched and untrained networks.

:func:`smooth` takes ticket files, run folders and folders of studies, or describes a source network
by a :class:`SourceConfig`, measures what :data:`gslt.diagnostics.MEASURES` lists layer by layer and
step by step, and writes tables, files for programs and pictures. Its frames of runs, layers, steps
and searches go through :mod:`gslt.report` as those of studies do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gslt.faces import lazy

if TYPE_CHECKING:
    from gslt.oversmoothing.report import smooth
    from gslt.oversmoothing.source import SourceConfig

__all__ = ["SourceConfig", "smooth"]

__getattr__, __dir__ = lazy(
    __name__,
    {"report": ["smooth"], "source": ["SourceConfig"]},
)
