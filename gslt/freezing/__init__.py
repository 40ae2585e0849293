"""Which weights are decided before the search: pruned, locked, or left to the search.

Data walks through three files. ``window`` turns a sparsity and a freezing ratio into a pruning and
a locking ratio; ``allocation`` divides a global number of weights over the layers (EPL, ERK,
uniform); ``pattern`` makes of both the exact counts of every layer, and from a seed which weights
they are. Pure numbers: nothing here knows torch.
"""

from gslt.freezing.allocation import ALLOCATIONS, allocate, round_to_total
from gslt.freezing.pattern import (
    LOCKED,
    PRUNED,
    SEARCHED,
    FrozenCounts,
    freezing_pattern,
    frozen_counts,
)
from gslt.freezing.window import resolve_ratios, search_window, split_ratio, window_sparsity

__all__ = [
    "ALLOCATIONS",
    "LOCKED",
    "PRUNED",
    "SEARCHED",
    "FrozenCounts",
    "allocate",
    "freezing_pattern",
    "frozen_counts",
    "resolve_ratios",
    "round_to_total",
    "search_window",
    "split_ratio",
    "window_sparsity",
]
