"""Searches and weight training: the loop, its results, and the folders that runs survive in.

``search`` has the three functions that others call; ``loop`` is one run of one seed, the same for
searches and for weight training; ``epochs`` its two kinds, full batches of a graph and mini-batches
of images, from ``inputs``; ``results`` what comes out. A run that was killed goes on from
its ``run_folder``, by a ``checkpoint``; ``signals`` turns Ctrl-C into a request, and
``memory_budget`` refuses what cannot fit before it starts.
"""

from __future__ import annotations

from gslt.training.loop import OnEpoch, Probe
from gslt.training.results import Epoch, Result, Run, format_accuracy
from gslt.training.run_folder import RunFolder
from gslt.training.search import evaluate, search, train

__all__ = [
    "Epoch",
    "OnEpoch",
    "Probe",
    "Result",
    "Run",
    "RunFolder",
    "evaluate",
    "format_accuracy",
    "search",
    "train",
]
