"""Allocation, search window and freezing pattern: the method's check values, then its laws."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslt.errors import ConfigError
from gslt.freezing import (
    ALLOCATIONS,
    FrozenCounts,
    allocate,
    freezing_pattern,
    frozen_counts,
    resolve_ratios,
    round_to_total,
    search_window,
)

#: The GIN of the Frozen paper: 128 → 386 → 386 → 386 → 40 and the head 386 → 40.
PAPER_GIN = [(386, 128), (386, 386), (386, 386), (40, 386), (40, 386)]
N = 378_280

EPL = {
    0.8: (49_408, 111_168, 111_168, 15_440, 15_440),
    0.6: (49_408, 73_340, 73_340, 15_440, 15_440),
    0.5: (49_408, 54_426, 54_426, 15_440, 15_440),
    0.2: (15_131, 15_131, 15_131, 15_131, 15_131),
}
ERK = {
    0.8: (49_408, 111_169, 111_169, 15_440, 15_440),
    0.6: (48_974, 73_557, 73_557, 15_440, 15_440),
    0.5: (39_526, 59_366, 59_366, 15_440, 15_440),
    0.2: (13_363, 20_071, 20_071, 11_075, 11_075),
}

dimension = st.integers(1, 9)
shapes_strategy = st.lists(
    st.tuples(dimension, dimension)
    | st.tuples(dimension, dimension, st.integers(1, 3), st.integers(1, 3)),
    min_size=1,
    max_size=6,
)
schemes = st.sampled_from(sorted(ALLOCATIONS))
fraction = st.floats(0, 1)


def kept_epl(total: int, sizes: list[int]) -> list[float]:
    """The equal share, and a small layer's surplus divided among the rest, repeatedly."""
    kept = [Fraction(0)] * len(sizes)
    open_layers, left = set(range(len(sizes))), Fraction(total)
    while open_layers:
        share = left / len(open_layers)
        small = {i for i in open_layers if sizes[i] <= share}
        if not small:
            for i in open_layers:
                kept[i] = share
            break
        for i in small:
            kept[i] = Fraction(sizes[i])
        left -= sum(sizes[i] for i in small)
        open_layers -= small
    return [float(x) for x in kept]


def kept_erk(total: int, shapes: list[tuple[int, ...]]) -> list[float]:
    """Evci et al. 2020: solve for the factor, keep dense what exceeds density 1, solve again."""
    sizes = [math.prod(shape) for shape in shapes]
    raw = [Fraction(sum(shape), size) for shape, size in zip(shapes, sizes, strict=True)]
    dense: set[int] = set()
    while len(dense) < len(shapes):
        rest = [i for i in range(len(shapes)) if i not in dense]
        left = total - sum(sizes[i] for i in dense)
        factor = Fraction(left) / sum(raw[i] * sizes[i] for i in rest)
        over = {i for i in rest if factor * raw[i] > 1}
        if not over:
            return [
                float(sizes[i] if i in dense else factor * raw[i] * sizes[i])
                for i in range(len(shapes))
            ]
        dense |= over
    return [float(size) for size in sizes]


@pytest.mark.parametrize(
    ("scheme", "ratio", "expected"),
    [("epl", r, e) for r, e in EPL.items()] + [("erk", r, e) for r, e in ERK.items()],
)
def test_kept_counts_of_the_paper_gin(scheme: str, ratio: float, expected: tuple[int, ...]) -> None:
    kept = allocate(scheme, round(ratio * N), PAPER_GIN)
    assert kept == pytest.approx(expected, abs=1)
    pruned = frozen_counts(PAPER_GIN, 1 - ratio, 0.0, scheme)
    assert [c.total - c.pruned for c in pruned] == pytest.approx(expected, abs=1)
    assert sum(c.pruned for c in pruned) == N - round(ratio * N)


def test_epl_freezes_only_the_square_matrices_up_to_one_half() -> None:
    for freezing, share in ((0.2, 0.25), (0.4, 0.51), (0.5, 0.63)):
        counts = frozen_counts(PAPER_GIN, *search_window(0.5, freezing), "epl")
        frozen = [(c.pruned + c.locked) / c.total for c in counts]
        assert frozen == pytest.approx([0, share, share, 0, 0], abs=0.006)


def test_hand_computed_toy() -> None:
    shapes = [(2, 2), (4, 5), (4, 5)]  # 4 + 20 + 20 = 44 weights
    # Half of 44 is 22: the small layer keeps its 4, the others 9 each.
    assert allocate("epl", 22, shapes) == [4.0, 9.0, 9.0]
    assert allocate("uniform", 22, shapes) == [2.0, 10.0, 10.0]
    # ERK: 22 = c (4 + 9 + 9), so c = 1.
    assert allocate("erk", 22, shapes) == [4.0, 9.0, 9.0]
    # A quarter is 11, 3 2/3 each: 1/3, 5 1/3 and 5 1/3 are locked, 11 after rounding.
    counts = frozen_counts(shapes, 0.5, 0.25, "epl")
    assert counts == [FrozenCounts(4, 0, 1), FrozenCounts(20, 11, 5), FrozenCounts(20, 11, 5)]


def test_convolutions_count_their_kernel_in_erk() -> None:
    # Shares 2 + 2 + 3 + 3 = 10 and 3 + 7 = 10: equal numbers.
    assert allocate("erk", 20, [(2, 2, 3, 3), (3, 7)]) == [10.0, 10.0]


@given(shapes_strategy, fraction)
def test_epl_is_the_iterative_redistribution(shapes: list[tuple[int, ...]], r: float) -> None:
    sizes = [math.prod(s) for s in shapes]
    total = round(r * sum(sizes))
    assert allocate("epl", total, shapes) == pytest.approx(kept_epl(total, sizes), abs=1e-9)


@given(shapes_strategy, fraction)
def test_erk_is_evcis_iteration(shapes: list[tuple[int, ...]], r: float) -> None:
    total = round(r * sum(map(math.prod, shapes)))
    assert allocate("erk", total, shapes) == pytest.approx(kept_erk(total, shapes), abs=1e-9)


@given(shapes_strategy, schemes, fraction, fraction)
def test_allocation_fits_adds_up_and_grows(
    shapes: list[tuple[int, ...]], scheme: str, first: float, second: float
) -> None:
    sizes = [math.prod(s) for s in shapes]
    low, high = sorted((round(first * sum(sizes)), round(second * sum(sizes))))
    some, more = allocate(scheme, low, shapes), allocate(scheme, high, shapes)
    assert math.fsum(some) == pytest.approx(low, abs=1e-9)
    for a, b, size in zip(some, more, sizes, strict=True):
        assert 0 <= a <= b + 1e-9
        assert b <= size


@given(shapes_strategy, schemes, fraction, fraction)
def test_counts_are_exact(
    shapes: list[tuple[int, ...]], scheme: str, prune: float, portion: float
) -> None:
    lock = (1 - prune) * portion
    counts = frozen_counts(shapes, prune, lock, scheme)
    total = sum(map(math.prod, shapes))
    assert sum(c.pruned for c in counts) == total - round((1 - prune) * total)
    room = total - sum(c.pruned for c in counts)
    assert sum(c.locked for c in counts) == min(round(lock * total), room)
    for c, shape in zip(counts, shapes, strict=True):
        assert c.total == math.prod(shape)
        assert c.pruned >= 0
        assert c.locked >= 0
        assert c.searched >= 0


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


@pytest.mark.parametrize(
    ("values", "total", "capacity", "expected"),
    [
        ([1.5, 1.5], 3, [2, 2], [2, 1]),  # a tie goes to the earlier layer
        ([0.2, 0.7, 0.1], 1, [1, 1, 1], [0, 1, 0]),
        ([2.9, 0.1], 3, [2, 5], [2, 1]),  # a full layer passes its turn on
        ([2.9999999999, 1.0], 4, [9, 9], [3, 1]),
        ([], 0, [], []),
        ([0.0, 0.0], 0, [3, 3], [0, 0]),
    ],
)
def test_largest_remainder(
    values: list[float], total: int, capacity: list[int], expected: list[int]
) -> None:
    assert round_to_total(values, total, capacity) == expected


def test_refused_totals_and_schemes() -> None:
    with pytest.raises(ConfigError, match="cannot place 3 weights"):
        round_to_total([1.0], 3, [2])
    for total in (-1, 5):
        with pytest.raises(ConfigError, match="cannot keep"):
            allocate("epl", total, [(2, 2)])
    with pytest.raises(ConfigError, match="epl, erk, uniform"):
        allocate("balanced", 1, [(2, 2)])


@pytest.mark.parametrize(
    ("sparsity", "freezing", "prune", "lock"),
    [
        (0.5, 0.0, 0.0, 0.0),
        (0.5, 0.2, 0.1, 0.1),
        (0.5, 1.0, 0.5, 0.5),
        (0.2, 0.4, 0.0, 0.4),  # 0.2 − 0.3 < 0: all locked
        (0.3, 0.4, 0.0, 0.4),
        (0.4, 0.4, 0.1, 0.3),
        (0.6, 0.4, 0.3, 0.1),
        (0.7, 0.4, 0.4, 0.0),
        (0.9, 0.4, 0.4, 0.0),  # l would be −0.2: all pruned
        (0.9, 0.8, 0.8, 0.0),
        (0.9, 0.9, 0.85, 0.05),
        (0.0, 0.5, 0.0, 0.5),
        (1.0, 0.5, 0.5, 0.0),
        (0.0, 1.0, 0.0, 1.0),
        (1.0, 1.0, 1.0, 0.0),
        (0.25, 1.0, 0.25, 0.75),
    ],
)
def test_window_position(sparsity: float, freezing: float, prune: float, lock: float) -> None:
    assert search_window(sparsity, freezing) == (prune, lock)


@given(fraction, fraction)
def test_the_window_holds_the_sparsity(sparsity: float, freezing: float) -> None:
    prune, lock = search_window(sparsity, freezing)
    assert prune >= 0
    assert lock >= 0
    assert prune + lock == pytest.approx(freezing, abs=1e-11)
    assert prune - 1e-11 <= sparsity <= 1 - lock + 1e-11
    assert resolve_ratios(sparsity, prune_ratio=prune, lock_ratio=lock) == (prune, lock)


@pytest.mark.parametrize(
    ("given_ratios", "expected"),
    [
        ({}, (0.0, 0.0)),
        ({"freezing_ratio": 0.2}, (0.1, 0.1)),
        ({"prune_ratio": 0.3}, (0.3, 0.0)),
        ({"lock_ratio": 0.3}, (0.0, 0.3)),
        ({"prune_ratio": 0.1, "lock_ratio": 0.2}, (0.1, 0.2)),
        ({"freezing_ratio": 0.3, "prune_ratio": 0.1}, (0.1, 0.2)),
        ({"freezing_ratio": 0.3, "lock_ratio": 0.1}, (0.2, 0.1)),
        ({"freezing_ratio": 0.3, "prune_ratio": 0.1, "lock_ratio": 0.2}, (0.1, 0.2)),
        ({"prune_ratio": 0.5, "lock_ratio": 0.5}, (0.5, 0.5)),
        ({"prune_ratio": 0}, (0, 0.0)),
    ],
)
def test_explicit_ratios(given_ratios: dict[str, float], expected: tuple[float, float]) -> None:
    assert resolve_ratios(0.5, **given_ratios) == expected


NAN = float("nan")


@pytest.mark.parametrize(
    ("sparsity", "ratios", "message"),
    [
        (NAN, {}, "sparsity must lie in"),
        (-0.1, {}, "sparsity must lie in"),
        (1.1, {}, "sparsity must lie in"),
        (True, {}, "sparsity must be a number"),
        ("0.5", {}, "sparsity must be a number"),
        (0.5, {"freezing_ratio": NAN}, "freezing_ratio must lie in"),
        (0.5, {"freezing_ratio": 1.01}, "freezing_ratio must lie in"),
        (0.5, {"prune_ratio": NAN}, "prune_ratio must lie in"),
        (0.5, {"prune_ratio": -0.1}, "prune_ratio must lie in"),
        (0.5, {"lock_ratio": float("inf")}, "lock_ratio must lie in"),
        (0.5, {"lock_ratio": 0.6}, "lock_ratio 0.6 exceeds the density 0.5"),
        (0.5, {"prune_ratio": 0.6}, "prune_ratio 0.6 exceeds sparsity 0.5"),
        (0.5, {"prune_ratio": 0.5, "lock_ratio": 0.6}, "exceeds 1"),
        (0.5, {"freezing_ratio": 0.1, "prune_ratio": 0.2}, "smaller than the pruning"),
        (0.5, {"freezing_ratio": 0.1, "lock_ratio": 0.2}, "smaller than the pruning"),
        (
            0.5,
            {"freezing_ratio": 0.4, "prune_ratio": 0.1, "lock_ratio": 0.2},
            "leave one of the three out",
        ),
        (0.5, {"freezing_ratio": 0.9, "prune_ratio": 0.1}, "lock_ratio 0.8 exceeds"),
    ],
)
def test_refused_ratios(sparsity: float, ratios: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve_ratios(sparsity, **ratios)


def test_decimal_fractions_are_not_refused_by_their_last_bit() -> None:
    assert resolve_ratios(0.3, prune_ratio=0.1 + 0.2) == (0.1 + 0.2, 0.0)
    assert resolve_ratios(0.7, lock_ratio=0.3) == (0.0, 0.3)
    assert resolve_ratios(0.5, freezing_ratio=0.1 + 0.2, prune_ratio=0.1, lock_ratio=0.1 + 0.1)


def test_counts_of_nothing() -> None:
    assert FrozenCounts.sum([]) == FrozenCounts(0, 0, 0)
    assert frozen_counts([], 0.5, 0.1, "epl") == []
