"""Kept weights of every layer: the method's check values, toys by hand, then the schemes' laws."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from layer_shapes import PAPER_GIN, N, fraction, schemes, shapes_strategy

from gslt.errors import ConfigError
from gslt.freezing.allocation import ALLOCATIONS, FALLING_SHORT, allocate, round_to_total
from gslt.freezing.pattern import FrozenCounts, frozen_counts

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

# A fifth of d N each, 37,828 and 15,131.2 and 3,782.8, where the layer has as many.
BALANCED = {
    0.5: (37_828, 37_828, 37_828, 15_440, 15_440),
    0.2: (15_131.2, 15_131.2, 15_131.2, 15_131.2, 15_131.2),
    0.05: (3_782.8, 3_782.8, 3_782.8, 3_782.8, 3_782.8),
}

# q = 0.744517768, 0.479740997 and 0.214131972: roots of Σ q^ℓ n_ℓ = d N by numpy.roots.
PYRAMIDAL = {
    0.5: (36_785.134, 82_589.482, 61_489.337, 4_744.031, 3_532.016),
    0.2: (23_703.043, 34_291.642, 16_451.106, 817.852, 392.357),
    0.05: (10_579.832, 6_831.839, 1_462.915, 32.462, 6.951),
}


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


@pytest.mark.parametrize(
    ("scheme", "ratio", "expected"),
    [("balanced", r, e) for r, e in BALANCED.items()]
    + [("pyramidal", r, e) for r, e in PYRAMIDAL.items()],
)
def test_kept_numbers_of_random_sources(
    scheme: str, ratio: float, expected: tuple[float, ...]
) -> None:
    assert allocate(scheme, round(ratio * N), PAPER_GIN) == pytest.approx(expected, abs=6e-4)
    pruned = frozen_counts(PAPER_GIN, 1 - ratio, 0.0, scheme)
    assert [c.total - c.pruned for c in pruned] == pytest.approx(expected, abs=1)
    # What is kept in truth: 144,364 of the 189,140 weights wanted at half of them.
    assert sum(c.total - c.pruned for c in pruned) == round(sum(expected))


def test_balanced_counts_are_the_true_ones() -> None:
    shapes = [(2, 2), (4, 5), (4, 5)]  # 4 + 20 + 20 = 44 weights
    # 33 are to be unpruned, 11 each; 22 searched, 7 1/3 each: the 4 of the small layer are full.
    counts = frozen_counts(shapes, 0.25, 0.25, "balanced")
    assert counts == [FrozenCounts(4, 0, 0), FrozenCounts(20, 9, 4), FrozenCounts(20, 9, 3)]
    # Where nothing is pruned nothing is; what the searched numbers fall short of is locked.
    counts = frozen_counts(shapes, 0.0, 0.5, "balanced")
    assert counts == [FrozenCounts(4, 0, 0), FrozenCounts(20, 0, 13), FrozenCounts(20, 0, 12)]
    assert frozen_counts(shapes, 0.0, 0.0, "balanced") == [
        FrozenCounts(n, 0, 0) for n in (4, 20, 20)
    ]


def test_densities_of_a_pyramid_fall_by_one_factor() -> None:
    kept = allocate("pyramidal", 500, [(10, 10), (20, 30), (7, 90)])
    densities = [k / n for k, n in zip(kept, (100, 600, 630), strict=True)]
    assert densities[1] / densities[0] == pytest.approx(densities[0])
    assert densities[2] / densities[1] == pytest.approx(densities[0])
    # q = ½: 4 / 2 + 28 / 4; all and nothing are all and nothing.
    assert allocate("pyramidal", 9, [(2, 2), (4, 7)]) == pytest.approx([2.0, 7.0])
    assert allocate("pyramidal", 32, [(2, 2), (4, 7)]) == [4.0, 28.0]
    assert allocate("pyramidal", 0, [(2, 2), (4, 7)]) == [0.0, 0.0]


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


@pytest.mark.parametrize(
    ("sizes", "force"), [([4, 20, 20], 0.05), ([6, 2], 0.5), ([100, 10, 1], 2.0), ([7, 7], 1e-6)]
)
def test_ideal_gas_quotas_of_a_force(sizes: list[int], force: float) -> None:
    """What a force leaves, n / (1 + F n), scaled up by k so that the sum is a whole number."""
    for k in (1000, 10**6):
        large = [n * k for n in sizes]
        expected = [n / (1 + force / k * n) for n in large]
        total = round(sum(expected))
        assert allocate("igq", total, [(n, 1) for n in large]) == pytest.approx(expected, abs=1)


def test_ideal_gas_quotas_by_hand() -> None:
    # F = 1/4: 12 / (1 + 3) and 4 / (1 + 1); F = 1/12: 6 and 3; F = 1/15: 30 / 3 and 10 / (5/3).
    assert allocate("igq", 5, [(12, 1), (4, 1)]) == pytest.approx([3.0, 2.0])
    assert allocate("igq", 9, [(12, 1), (4, 1)]) == pytest.approx([6.0, 3.0])
    assert allocate("igq", 16, [(30, 1), (10, 1)]) == pytest.approx([10.0, 6.0])
    # The larger a layer, the sparser.
    kept = allocate("igq", 500, [(1000, 1), (100, 1), (10, 1)])
    assert kept[0] / 1000 < kept[1] / 100 < kept[2] / 10
    # All or nothing, and equal layers keep equally many.
    assert allocate("igq", 16, [(12, 1), (4, 1)]) == [12.0, 4.0]
    assert allocate("igq", 0, [(12, 1), (4, 1)]) == [0.0, 0.0]
    assert allocate("igq", 3, [(2, 2), (4, 1)]) == pytest.approx([1.5, 1.5])


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
    if scheme in FALLING_SHORT:
        assert math.fsum(some) <= low + 1e-9
        assert all(k == n or k == low / len(sizes) for k, n in zip(some, sizes, strict=True))
    else:
        assert math.fsum(some) == pytest.approx(low, abs=1e-9)
    for a, b, size in zip(some, more, sizes, strict=True):
        assert 0 <= a <= b + 1e-9
        assert b <= size


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
    with pytest.raises(ConfigError, match="epl, erk, uniform, igq, balanced, pyramidal"):
        allocate("snip", 1, [(2, 2)])
    assert set(FALLING_SHORT) < set(ALLOCATIONS)
