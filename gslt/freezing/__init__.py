"""Which weights are decided before the search: pruned, locked, or left to the search."""

from gslt.freezing.allocation import ALLOCATIONS, allocate, round_to_total
from gslt.freezing.pattern import FrozenCounts, freezing_pattern, frozen_counts
from gslt.freezing.window import resolve_ratios, search_window, split_ratio, window_sparsity

__all__ = [
    "ALLOCATIONS",
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
