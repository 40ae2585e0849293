"""Records of studies → tables, figures, comparisons and one page."""

from __future__ import annotations

from gslt.studies.report.write import write_report

__all__ = ["write_report"]
