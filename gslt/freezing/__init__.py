"""Which weights are decided before the search: pruned, locked, or left to the search.

Data walks through five files. ``window`` turns a sparsity and a freezing ratio into a pruning and
a locking ratio; ``place`` says which layers take part; ``allocation`` divides a global number of
weights over them (EPL, ERK, …); ``pattern`` makes of these the exact counts of every layer,
and from a seed which weights they are; ``source`` draws every weight by itself instead, and
connects every unit. Pure numbers: nothing here knows torch.
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
from gslt.freezing.place import PLACES, canonical_place, taking_part
from gslt.freezing.source import FrozenPart, Units, connect, frozen_parts
from gslt.freezing.window import resolve_ratios, search_window, split_ratio, window_sparsity

__all__ = [
    "ALLOCATIONS",
    "LOCKED",
    "PLACES",
    "PRUNED",
    "SEARCHED",
    "FrozenCounts",
    "FrozenPart",
    "Units",
    "allocate",
    "canonical_place",
    "connect",
    "freezing_pattern",
    "frozen_counts",
    "frozen_parts",
    "resolve_ratios",
    "round_to_total",
    "search_window",
    "split_ratio",
    "taking_part",
    "window_sparsity",
]
