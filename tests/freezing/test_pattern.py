"""How many weights of each layer are frozen, and which."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layer_shapes import PAPER_GIN, fraction, schemes, shapes_strategy

from gslt.freezing.allocation import FALLING_SHORT
from gslt.freezing.pattern import FrozenCounts, freezing_pattern, frozen_counts
from gslt.freezing.window import search_window


def test_epl_freezes_only_the_square_matrices_up_to_one_half() -> None:
    for freezing, share in ((0.2, 0.25), (0.4, 0.51), (0.5, 0.63)):
        counts = frozen_counts(PAPER_GIN, *search_window(0.5, freezing), "epl")
        frozen = [(c.pruned + c.locked) / c.total for c in counts]
        assert frozen == pytest.approx([0, share, share, 0, 0], abs=0.006)


@given(shapes_strategy, schemes, fraction, fraction)
def test_counts_are_exact(
    shapes: list[tuple[int, ...]], scheme: str, prune: float, portion: float
) -> None:
    lock = (1 - prune) * portion
    counts = frozen_counts(shapes, prune, lock, scheme)
    total = sum(map(math.prod, shapes))
    pruned, locked = total - round((1 - prune) * total), round(lock * total)
    room = total - sum(c.pruned for c in counts)
    if scheme in FALLING_SHORT:
        # Never fewer frozen than asked for; of the pruned ones none where none were to be.
        assert sum(c.pruned for c in counts) >= pruned
        assert total - sum(c.searched for c in counts) >= min(pruned + locked, total) - 1
        assert pruned or not sum(c.pruned for c in counts)
    else:
        assert sum(c.pruned for c in counts) == pruned
        assert sum(c.locked for c in counts) == min(locked, room)
    for c, shape in zip(counts, shapes, strict=True):
        assert c.total == math.prod(shape)
        assert c.pruned >= 0
        assert c.locked >= 0
        assert c.searched >= 0


def test_counts_of_nothing() -> None:
    assert FrozenCounts.sum([]) == FrozenCounts(0, 0, 0)
    assert frozen_counts([], 0.5, 0.1, "epl") == []


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 2**64 - 1))
def test_pattern_is_disjoint_and_exact(free: int, pruned: int, locked: int, seed: int) -> None:
    counts = FrozenCounts(free + pruned + locked, pruned, locked)
    pattern = freezing_pattern(counts, seed, "layer")
    assert pattern.dtype == np.int8
    assert [int((pattern == v).sum()) for v in (-1, 0, 1)] == [pruned, free, locked]


def test_pattern_is_uniform_and_keyed() -> None:
    counts = FrozenCounts(10_000, 3000, 2000)
    pattern = freezing_pattern(counts, 0, "a")
    assert abs((pattern[:5000] == -1).sum() - 1500) < 100
    assert abs((pattern[::2] == 1).sum() - 1000) < 100
    assert not np.array_equal(pattern, freezing_pattern(counts, 1, "a"))
    assert not np.array_equal(pattern, freezing_pattern(counts, 0, "b"))


def test_golden_pattern() -> None:
    pattern = freezing_pattern(FrozenCounts(12, 4, 3), 0, "layers.0.nn.weight")
    assert pattern.tolist() == [1, 0, -1, 0, 0, -1, 0, -1, 1, 0, 1, -1]


def test_more_pruning_keeps_what_was_pruned() -> None:
    few = freezing_pattern(FrozenCounts(50, 10, 0), 0, "a") == -1
    many = freezing_pattern(FrozenCounts(50, 20, 0), 0, "a") == -1
    assert bool(np.all(many[few]))
