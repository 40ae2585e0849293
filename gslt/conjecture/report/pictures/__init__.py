"""Pictures of the test: every one as PNG and as SVG."""

from __future__ import annotations

from gslt.conjecture.report.pictures.draw import PICTURES, Picture, draw_pictures

__all__ = ["PICTURES", "Picture", "draw_pictures"]
