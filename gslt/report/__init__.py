"""From a frame of runs to statistics, figures, tables and pages.

Everybody who reports runs uses these: :mod:`~gslt.report.statistics` (means, pairs, tests,
intervals), :mod:`~gslt.report.lines` and :mod:`~gslt.report.figures`, :mod:`~gslt.report.tables`
and :mod:`~gslt.report.page`. :func:`write_report` is what ``gslt report`` does.
"""

from __future__ import annotations

from gslt.report.folder import write_report
from gslt.report.statistics import averages, compare_arms, paired
from gslt.report.tables import Table

__all__ = ["Table", "averages", "compare_arms", "paired", "write_report"]
