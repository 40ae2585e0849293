"""The nearest subset: by hand, against every subset, in any company, and in sentences."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from exhaustive import cases, nearest_subset

from gslt.errors import ConfigError
from gslt.theory import subset_sums
from gslt.theory.subset_sum import MAX_EXACT, SubsetSums


def random_rows(t: int, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (t, n)), rng.uniform(-1, 1, t)


def equal(first: SubsetSums, second: SubsetSums) -> bool:
    return all(
        np.array_equal(getattr(first, field.name), getattr(second, field.name))
        for field in dataclasses.fields(SubsetSums)
    )


def test_by_hand() -> None:
    # -0.25 is locked. Nearest to 0.3 is 0.5 - 0.25, to 0.6 0.75 - 0.25 + 0.125.
    values = [0.5, -0.25, 0.125, 0.75, -1.0]
    locked = [False, True, False, False, False]
    pruned = [False, False, False, False, True]
    found = subset_sums(values, [0.3, 0.6, 2.0, -3.0], locked=locked, pruned=pruned)
    assert found.chosen.astype(int).tolist() == [
        [1, 1, 0, 0, 0],
        [0, 1, 1, 1, 0],
        [1, 1, 1, 1, 0],
        [0, 1, 0, 0, 0],
    ]
    assert found.sums.tolist() == [0.25, 0.625, 1.125, -0.25]
    assert found.errors.round(12).tolist() == [0.05, 0.025, 0.875, 2.75]
    assert found.low.tolist() == [-0.25] * 4
    assert found.high.tolist() == [1.125] * 4
    assert found.reachable.tolist() == [True, True, False, False]
    assert found.optimal.all()


@pytest.mark.parametrize(
    ("values", "target", "chosen"),
    [
        ([1, 1, 1, 1], 2, [1, 1, 0, 0]),  # the smallest number: 0011
        ([1, 2, 3, 4], 5, [0, 1, 1, 0]),  # 0110 = 6 before 1001 = 9
        ([2, 4], 3, [1, 0]),  # equally near from both sides
        ([4, 2], 3, [1, 0]),
        ([0, 0, 1, 0], 1, [0, 0, 1, 0]),  # zeros are left out
        ([-1, 1], 0, [0, 0]),
        ([3, -1, -2, 5], 0, [0, 0, 0, 0]),
    ],
)
def test_of_ties_the_smallest_number_wins(values: list, target: float, chosen: list) -> None:
    assert subset_sums(values, [target]).chosen.astype(int).tolist() == [chosen]


def test_equals_every_subset_on_ten_thousand_cases() -> None:
    number = 0
    for values, targets, locked, pruned in cases(10_000, seed=0):
        found = subset_sums(values, targets, locked=locked, pruned=pruned)
        number += len(targets)
        for row, target in enumerate(targets):
            chosen, error = nearest_subset(values[row], locked[row], pruned[row], target)
            assert found.chosen[row].tolist() == chosen.tolist()
            assert found.errors[row] == error
    assert number == 10_000


def test_a_row_does_not_see_the_others() -> None:
    x, z = random_rows(300, 34)
    rng = np.random.default_rng(1)
    pattern = rng.integers(-1, 3, x.shape)
    masks = {"locked": pattern == 2, "pruned": pattern == -1}
    whole = subset_sums(x, z, **masks, exact=14, threads=1)
    assert equal(whole, subset_sums(x, z, **masks, exact=14, threads=3))
    order = rng.permutation(len(z))[:40]
    some = subset_sums(
        x[order], z[order], **{name: mask[order] for name, mask in masks.items()}, exact=14
    )
    assert np.array_equal(some.chosen, whole.chosen[order])
    assert np.array_equal(some.sums, whole.sums[order])


def test_values_of_all_targets() -> None:
    x, z = random_rows(50, 13)
    assert equal(subset_sums(x[0], z), subset_sums(np.tile(x[0], (50, 1)), z))


def test_more_than_can_be_searched_exactly() -> None:
    x, z = random_rows(200, 240)
    pattern = np.random.default_rng(2).permuted(
        np.tile(np.repeat([-1, 0, 1], [60, 120, 60]), (200, 1)), axis=1
    )
    found = subset_sums(x, z, locked=pattern == 1, pruned=pattern == -1, exact=20)
    assert not found.optimal.any()
    assert found.reachable.all()
    assert found.errors.max() < 1e-3
    assert np.array_equal(found.chosen | (pattern == 0), pattern >= 0)
    assert np.allclose(np.where(found.chosen, x, 0).sum(axis=1), found.sums, atol=1e-13)
    assert np.array_equal(found.errors, np.abs(z - found.sums))


def test_the_greedy_part_keeps_a_target_in_reach() -> None:
    # Wherever a target lies between the ends, the 12 smallest values still reach what is left.
    x, _ = random_rows(500, 60)
    low, high = np.minimum(x, 0).sum(axis=1), np.maximum(x, 0).sum(axis=1)
    z = low + np.random.default_rng(3).uniform(0, 1, 500) * (high - low)
    found = subset_sums(x, z, exact=12)
    smallest = np.sort(np.abs(x), axis=1)[:, :12]
    assert (found.errors <= smallest.max(axis=1)).all()
    assert np.median(found.errors) < 1e-3
    ends = subset_sums(x, high, exact=12)
    assert np.array_equal(ends.chosen, x > 0)


def test_greedy_by_hand() -> None:
    # R = 2 * 0.9 - 1.9 = -0.1: leave 1.0, R = 0.9; take 0.5, R = 0.4; of 0.3 and 0.1 take both.
    found = subset_sums([0.1, 1.0, 0.5, 0.3], [0.9], exact=2)
    assert found.chosen.tolist() == [[True, False, True, True]]
    assert found.optimal.tolist() == [False]
    # All four, exactly.
    assert subset_sums([-0.1, 1.0, 0.5, 0.2], [0.9], exact=4).chosen.tolist() == [
        [True, True, False, False]
    ]


def test_forty_exactly() -> None:
    x, z = random_rows(1, MAX_EXACT)
    found = subset_sums(x, z, exact=MAX_EXACT)
    assert found.optimal.all()
    assert found.errors[0] < 1e-9


def test_nothing_free_and_no_target() -> None:
    found = subset_sums([0.5, 0.25], [0.4], locked=[True, False], pruned=[False, True])
    assert found.chosen.tolist() == [[True, False]]
    assert found.sums.tolist() == [0.5]
    assert found.reachable.tolist() == [False]
    assert subset_sums([0.5], []).chosen.shape == (0, 1)


def test_values_of_any_size() -> None:
    for scale in (1e-280, 1e280):
        found = subset_sums(np.array([1, 2, 4]) * scale, np.array([5, 2]) * scale)
        assert found.chosen.tolist() == [[True, False, True], [False, True, False]]
    assert subset_sums([0, 0], [1e9]).chosen.tolist() == [[False, False]]
    # A far target takes no precision from the values.
    assert subset_sums([1e-9, 0.5], [1e200]).chosen.tolist() == [[True, True]]


def test_values_of_many_sizes_beside_one_another() -> None:
    # Beside 1e18 the grid has steps of 8: nothing is known of the others, and that is said.
    found = subset_sums([1e18, 0.5, 0.25], [0.75, -1.0])
    assert found.optimal.tolist() == [False, False]
    assert np.array_equal(found.errors, np.abs(found.targets - found.sums))
    # What is chosen is added up as it is, and hit exactly there is nothing nearer.
    found = subset_sums([1e15, 0.3, 0.7], [0.7, 0.3])
    assert found.chosen.tolist() == [[False, False, True], [False, True, False]]
    assert found.sums.tolist() == [0.7, 0.3]
    assert found.errors.tolist() == [0.0, 0.0]
    assert found.optimal.all()
    # The ends of the range are those of the values, too.
    found = subset_sums([1e18, -0.5], [-0.5])
    assert (found.low.tolist(), found.reachable.tolist()) == ([-0.5], [True])
    # Sums 0 and 16 are equally near to 8, to which 8.1 is rounded.
    assert subset_sums([2.0**60, 16.0], [8.1]).optimal.tolist() == [False]
    # Products are rounded, too, by far less than any error.
    x, z = random_rows(50, 16)
    found = subset_sums(x * x[::-1], z)
    assert found.optimal.all()


def test_what_is_missed_is_told() -> None:
    found = subset_sums([0.5, -0.25], [0.5, 3.0, 0.4, -0.3])
    assert found.missed(0.2).tolist() == [1]
    assert found.missed(0.01).tolist() == [1, 2, 3]
    assert found.why_missed(3.0) == ""
    assert found.why_missed(0.01) == (
        "3 of 4 targets are missed by more than 0.01 (out of reach: 2; outside [-1, 1], where no "
        "lemma promises anything: 1); the worst is target 1 = 3, nearest sum 0.5, where all sums "
        "lie in [-0.25, 0.5]: take more free values, or divide all targets by one number and "
        "multiply it back in"
    )


def test_a_locked_sum_out_of_reach_is_told() -> None:
    found = subset_sums([5.0, 0.5], [0.3], locked=[True, False])
    assert "out of reach: 1" in found.why_missed(0.01)
    assert "all sums lie in [5, 5.5]" in found.why_missed(0.01)


@pytest.mark.parametrize("epsilon", [0, -1e-3, float("nan"), float("inf"), True, "0.1"])
def test_an_epsilon_that_is_none(epsilon: float) -> None:
    with pytest.raises(ConfigError, match=r"epsilon must be a finite number above 0, got"):
        subset_sums([0.5], [0.5]).missed(epsilon)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"values": [0.5, float("nan")]},
            r"values must be numbers of at most 1e\+290, got nan at \[1\]",
        ),
        ({"targets": [0.1, float("inf")]}, r"targets must be .* got inf at \[1\]"),
        ({"values": ["a"]}, "values must be numbers, got"),
        ({"targets": 0.5}, r"targets must have the shape \(t,\), got \(\)"),
        ({"values": [[0.5], [0.1], [0.2]]}, "a row for each of the 2 targets"),
        ({"locked": [True]}, "locked has the shape .* an entry for each"),
        ({"locked": [1, 0]}, "locked must be a mask of booleans, got int64"),
        ({"locked": [True, False], "pruned": [True, False]}, r"both masks are true at \[0, 0\]"),
        ({"exact": 41}, "exact must be an integer in 1 … 40, got 41"),
        ({"exact": 0}, "exact must be"),
        ({"threads": 0}, "threads must be an integer of at least 1, got 0"),
    ],
)
def test_what_is_refused(given: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        subset_sums(**{"values": [0.5, 0.25], "targets": [0.1, 0.2], **given})
