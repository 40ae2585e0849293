"""The commands, generated from the same configs and functions that Python users call."""

from __future__ import annotations

from gslt.cli.main import build_parser, main, parse

__all__ = ["build_parser", "main", "parse"]
