"""Searches and weight training: the loop, its results, and the folders that runs survive in."""

from __future__ import annotations

from gslt.training.results import Epoch, Result, Run
from gslt.training.run_folder import RunFolder
from gslt.training.search import evaluate, search, train

__all__ = ["Epoch", "Result", "Run", "RunFolder", "evaluate", "search", "train"]
