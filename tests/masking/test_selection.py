"""Exact selection of the largest scores: both routes against a full stable sort."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor

from gslt.errors import ConfigError
from gslt.masking import selection
from gslt.masking.selection import Hint, count_true, keep_largest, select_largest
from gslt.nn import memory

INF, NAN = math.inf, math.nan
DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def by_sorting(scores: list[Tensor], keep: int, ranking: str) -> list[Tensor]:
    """What selection means, from a full stable sort."""
    values = torch.cat([score.double() for score in scores])
    values = values.abs() if ranking == "magnitude" else values
    values = torch.where(values.isnan(), -INF, values)
    order = values.argsort(descending=True, stable=True)
    mask = torch.zeros(len(values), dtype=torch.bool)
    mask[order[:keep]] = True
    return list(mask.split([score.numel() for score in scores]))


def assert_sorted(
    scores: list[Tensor], keep: int, ranking: str = "magnitude", hint: Hint | None = None
) -> None:
    masks = select_largest(scores, keep, ranking=ranking, hint=hint)  # type: ignore[arg-type]
    assert [mask.shape for mask in masks] == [score.shape for score in scores]
    assert all(mask.dtype == torch.bool for mask in masks)
    expected = by_sorting(scores, keep, ranking)
    assert [mask.tolist() for mask in masks] == [mask.tolist() for mask in expected]


@contextmanager
def tiny_blocks(block: int = 4) -> Iterator[None]:
    """The CPU's route for any number of scores, with blocks of a few."""
    with mock.patch.multiple(selection, SMALL=0, BLOCK=block):
        yield


def hint_at(low: float, high: float) -> Hint:
    hint = Hint()
    hint.centre, hint.half, hint.density = (low + high) / 2, (high - low) / 2, 0.0
    return hint


# By hand


@pytest.mark.parametrize(
    ("values", "keep", "expected"),
    [
        ([3.0, 1.0, 2.0], 2, [1, 0, 1]),
        ([1.0, 1.0, 1.0], 2, [1, 1, 0]),
        ([0.0, 2.0, 1.0, 1.0, 1.0], 3, [0, 1, 1, 1, 0]),
        ([NAN, -INF, -1.0], 1, [0, 0, 1]),
        ([NAN, -INF, -1.0], 2, [1, 0, 1]),
        ([NAN, 1.0, INF, NAN], 3, [1, 1, 1, 0]),
        ([INF, INF, -INF], 1, [1, 0, 0]),
        ([-0.0, 0.0], 1, [1, 0]),
        ([5.0], 0, [0]),
        ([5.0], 1, [1]),
        ([], 0, []),
    ],
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_by_hand(values: list[float], keep: int, expected: list[int], dtype: torch.dtype) -> None:
    scores = torch.tensor(values, dtype=dtype)
    assert keep_largest(scores, keep).int().tolist() == expected
    assert select_largest([scores], keep, ranking="raw")[0].int().tolist() == expected
    with tiny_blocks(2):
        assert select_largest([scores], keep, ranking="raw")[0].int().tolist() == expected


def test_two_layers_by_hand() -> None:
    scores = [torch.tensor([5.0, -4.0, 3.0, NAN]), torch.empty(0), torch.tensor([-3.0, -INF, 3.0])]
    with tiny_blocks():
        # |z|: 5 4 3 NaN, 3 ∞ 3; the first of the three 3 stays.
        first, nothing, second = select_largest(scores, 4)
        assert first.tolist() == [True, True, True, False]
        assert nothing.shape == (0,)
        assert second.tolist() == [False, True, False]
        first, _, second = select_largest(scores, 5, ranking="raw")
        assert first.tolist() == [True, True, True, False]
        assert second.tolist() == [True, False, True]
        # Nothing but NaN and −∞ is left, equal to each other: the NaN comes first.
        first, _, second = select_largest(scores, 6, ranking="raw")
        assert first.tolist() == [True, True, True, True]
        assert second.tolist() == [True, False, True]


def test_types_are_mixed_without_rounding() -> None:
    # In single precision all of these would be 1.
    fine = torch.tensor([1.0, 1.0 + 1e-12, 1.0 - 1e-12], dtype=torch.float64)
    coarse = torch.ones(2, dtype=torch.bfloat16)
    with tiny_blocks():
        for scores in ([coarse, fine], [coarse.float(), -fine]):
            assert torch.cat(select_largest(scores, 1)).int().tolist() == [0, 0, 0, 1, 0]
            assert torch.cat(select_largest(scores, 3)).int().tolist() == [1, 1, 0, 1, 0]
            assert torch.cat(select_largest(scores, 4)).int().tolist() == [1, 1, 1, 1, 0]


def test_one_narrow_band_is_enough() -> None:
    # Of 0 … 99 the 30 largest are kept; the band 68 … 71 holds the threshold 70.
    score = torch.arange(100.0).roll(13)
    marks = np.zeros(100, dtype=np.bool_)
    above, positions, values = selection._sweep([score], "raw", marks, 68.0, 71.0)
    assert above == 28
    assert marks.sum() == 28
    assert values.tolist() == [68.0, 69.0, 70.0, 71.0]
    assert positions.tolist() == [81, 82, 83, 84]
    positions, threshold = selection._largest(values, 2)
    assert sorted(positions.tolist()) == [2, 3]
    assert threshold == 70.0


def test_a_hint_follows_an_even_movement() -> None:
    hint = Hint()
    assert hint.band(1000) is None
    hint.learn(1.0, density=10.0)
    assert hint.band(1000) is None
    hint.learn(2.0, density=10.0)  # 3 is next, give or take 4 times what 1 was off
    assert (hint.centre, hint.half) == (3.0, 4.0)
    assert hint.band(1000) is None  # 80 scores in the band: too many of 1000
    assert hint.band(10_000) == (-1.0, 7.0)
    hint.learn(3.0, density=10.0)
    assert hint.band(10_000) == (1.0, 7.0)
    hint.learn(4.0, density=10.0)
    assert hint.band(10_000) == (2.75, 7.25)
    hint.learn(6.0, density=10.0)
    assert hint.band(10_000) == (4.0, 12.0)


def test_a_hint_recovers_from_a_search_that_broke() -> None:
    hint = Hint()
    for threshold in (1.0, INF, -INF, NAN, 1.0, 1.5):
        hint.learn(threshold, density=INF if threshold == INF else 10.0)
    assert hint.band(10_000) == (0.0, 4.0)
    hint.learn(2.0, density=10.0)
    assert hint.band(10_000) == (1.0, 4.0)


@pytest.mark.parametrize("keep", [-1, 4])
def test_impossible_numbers_are_refused(keep: int) -> None:
    with pytest.raises(ConfigError, match=f"cannot keep {keep} of 3"):
        keep_largest(torch.ones(3), keep)
    with pytest.raises(ConfigError, match=f"cannot keep {keep} of 3"):
        select_largest([torch.ones(1), torch.ones(2)], keep)


# Against the sort

specials = [INF, -INF, NAN, 0.0, -0.0, 1.0, -1.0, 2.0, 1e-45, 65504.0]
numbers = st.sampled_from(specials) | st.floats(width=16) | st.floats(width=32)
hints = st.builds(hint_at, numbers, numbers) | st.none()
rankings = st.sampled_from(["magnitude", "raw"])


@st.composite
def layers(draw: st.DrawFn) -> list[Tensor]:
    """Up to four flat tensors, some empty, seldom of different types; few or many ties."""
    values = st.lists(draw(st.sampled_from([numbers, st.sampled_from(specials)])), max_size=12)
    types = [draw(st.sampled_from(DTYPES))] if draw(st.booleans()) else DTYPES
    drawn = draw(st.lists(st.tuples(values, st.sampled_from(types)), min_size=1, max_size=4))
    return [torch.tensor(v, dtype=torch.float64).to(dtype) for v, dtype in drawn]


@given(layers(), st.floats(0, 1), rankings, hints, st.integers(1, 5))
def test_every_route_is_the_sort(
    scores: list[Tensor], share: float, ranking: str, hint: Hint | None, block: int
) -> None:
    keep = round(share * sum(score.numel() for score in scores))
    assert_sorted(scores, keep, ranking, hint)
    with tiny_blocks(block):
        assert_sorted(scores, keep, ranking, hint)


@given(st.lists(st.tuples(layers(), st.floats(0, 1)), max_size=8), rankings, hints)
def test_no_history_changes_a_selection(
    history: list[tuple[list[Tensor], float]], ranking: str, hint: Hint | None
) -> None:
    hint = hint or Hint()
    with tiny_blocks():
        for scores, share in history:
            assert_sorted(scores, round(share * sum(map(len, scores))), ranking, hint)


@given(st.integers(0, 2**31), rankings, st.sampled_from([0.0, 1e-3, 0.1]), st.sampled_from(DTYPES))
@example(0, "magnitude", 0.1, torch.float32)
def test_drifting_scores(seed: int, ranking: str, drift: float, dtype: torch.dtype) -> None:
    rng = torch.Generator().manual_seed(seed)
    scores = [torch.randn(n, generator=rng) for n in (50, 0, 333)]
    speeds = [drift * torch.randn(score.shape, generator=rng) for score in scores]
    hint = Hint()
    with tiny_blocks(64):
        for step in range(12):
            assert_sorted([score.to(dtype) for score in scores], 200, ranking, hint)
            if step == 8:
                speeds = [-10.0 * speed for speed in speeds]
            scores = [score + speed for score, speed in zip(scores, speeds, strict=True)]


BOUNDS = [
    (NAN, NAN),
    (NAN, 1.0),
    (-INF, INF),
    (INF, INF),
    (-INF, -INF),
    (1e300, 1e301),
    (-1e301, -1e300),
    (2.0, 1.0),  # upside down
    (0.0, 0.0),
    (1.0, 1.0),
    (0.9999999, 1.0000001),
    (5e-324, 1e-323),
    (-1e9, 1e9),
]


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("ranking", ["magnitude", "raw"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_misleading_hints(bounds: tuple[float, float], ranking: str, dtype: torch.dtype) -> None:
    rng = torch.Generator().manual_seed(0)
    score = torch.randn(300, generator=rng).round(decimals=1)
    score[::17] = torch.tensor([NAN, INF, -INF]).repeat(6)
    with tiny_blocks(32):
        for scores in ([score.to(dtype)], [torch.ones(300).to(dtype)]):
            for keep in (1, 3, 17, 150, 280, 290, 299):
                assert_sorted(scores, keep, ranking, hint_at(*bounds))


def test_a_misleading_sample_costs_time_only() -> None:
    # The sample sees zeros only, on a period that it was not meant to meet.
    n, step = 4000, 11
    score = torch.randn(n, generator=torch.Generator().manual_seed(0))
    score[::step] = 0.0
    assert selection._sampled_band([score], n // 2, "magnitude") == (0.0, 0.0)
    with tiny_blocks(256), counted_sweeps() as shares:
        assert_sorted([score], n // 2)
    assert len(shares) == 2
    assert shares[-1] == 1.0


@pytest.mark.parametrize("ranking", ["magnitude", "raw"])
def test_nans_do_not_mislead_the_sample(ranking: str) -> None:
    score = torch.randn(50_000, generator=torch.Generator().manual_seed(0))
    score[::3] = NAN
    with counted_sweeps() as shares:
        assert_sorted([score], 10_000, ranking)
    assert len(shares) == 1


@contextmanager
def counted_sweeps() -> Iterator[list[float]]:
    """For each pass through the scores, the share of them inside the band."""
    shares: list[float] = []
    sweep = selection._sweep

    def counting(scores: list[Tensor], *rest: object) -> tuple[int, np.ndarray, np.ndarray]:
        above, positions, values = sweep(scores, *rest)  # type: ignore[arg-type]
        shares.append(len(values) / sum(map(len, scores)))
        return above, positions, values

    with mock.patch.object(selection, "_sweep", counting):
        yield shares


# At a size where it matters


def test_optimizer_steps_need_one_pass_and_a_narrow_band() -> None:
    rng = torch.Generator().manual_seed(0)
    scores = [(0.1 * torch.randn(n, generator=rng)).requires_grad_() for n in (150_000, 70_001)]
    optimizer = torch.optim.AdamW(scores, lr=0.01)
    hint = Hint()
    with counted_sweeps() as shares:
        for _ in range(25):
            assert_same_as_kthvalue(scores, 90_000, hint)
            for score in scores:
                score.grad = torch.randn(score.shape, generator=rng)
            optimizer.step()
    # Without a hint the first bands are sampled.
    assert max(shares) < 0.08
    assert len(shares) <= 25 + 2
    assert max(shares[-15:]) < selection.WIDEST


def assert_same_as_kthvalue(scores: list[Tensor], keep: int, hint: Hint) -> None:
    expected = keep_largest(torch.cat([score.detach().abs() for score in scores]), keep)
    assert torch.equal(torch.cat(select_largest(scores, keep, hint=hint)), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_many_ties(dtype: torch.dtype) -> None:
    n = 200_000
    signs = torch.randint(0, 2, (n,), generator=torch.Generator().manual_seed(0)) * 2 - 1
    score = (0.5 * signs).to(dtype)
    (mask,) = select_largest([score], 70_000)
    assert mask[:70_000].all()
    assert not mask[70_000:].any()
    (mask,) = select_largest([score], 70_000, ranking="raw")
    first = (score > 0).nonzero().flatten()[:70_000]
    assert torch.equal(mask.nonzero().flatten(), first)


@pytest.mark.parametrize("keep", [1, 2, 99_998, 99_999])
@pytest.mark.parametrize("nans", [0, 10, 60_000, 100_000])
def test_ends_and_broken_scores(keep: int, nans: int) -> None:
    score = torch.randn(100_000, generator=torch.Generator().manual_seed(0))
    score[torch.arange(nans)] = NAN
    expected = keep_largest(score.abs(), keep)
    assert torch.equal(select_largest([score], keep)[0], expected)
    assert int(expected.sum()) == keep


def test_views_and_inference_tensors() -> None:
    wide = torch.randn(400, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        inferred = wide * 2.0
    with tiny_blocks(32):
        assert_sorted([wide[::3], inferred, wide.view(20, 20).t()[3], wide.requires_grad_()], 321)


def test_masks_in_reused_memory_last_as_long_as_they_are_held() -> None:
    rng = torch.Generator().manual_seed(0)
    first, second = (torch.randn(2_000_000, generator=rng) for _ in range(2))
    with memory.reused():
        (mask,) = select_largest([first], 1_000_000)
        before = mask.clone()
        for _ in range(3):
            select_largest([second], 900_000)
        assert torch.equal(mask, before)
    assert int(mask.sum()) == 1_000_000


def test_scores_stay_as_they_are() -> None:
    score = torch.randn(50_000, generator=torch.Generator().manual_seed(0))
    before = score.clone()
    for ranking in ("magnitude", "raw"):
        select_largest([score], 1000, ranking=ranking)  # type: ignore[arg-type]
    assert torch.equal(score, before)


# Elsewhere


def test_the_route_of_other_devices_reads_no_number() -> None:
    # A tensor without data cannot answer a question of the host.
    scores = [torch.empty(n, device="meta") for n in (100_000, 0, 7)]
    masks = select_largest(scores, 5000, hint=Hint())
    assert [(mask.shape[0], mask.device.type) for mask in masks] == [
        (100_000, "meta"),
        (0, "meta"),
        (7, "meta"),
    ]
    assert all(count_true(mask).device.type == "meta" for mask in masks)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_agrees_without_a_wait() -> None:
    scores = [torch.randn(n).round(decimals=3) for n in (100_000, 0, 7)]
    scores[0][5] = NAN
    on_gpu = [score.cuda() for score in scores]
    torch.cuda.set_sync_debug_mode("error")
    try:
        masks = select_largest(on_gpu, 5000, hint=Hint())
        counts = [count_true(mask) for mask in masks]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    expected = by_sorting(scores, 5000, "magnitude")
    assert all(torch.equal(m.cpu(), e) for m, e in zip(masks, expected, strict=True))
    assert sum(int(count) for count in counts) == 5000


def test_counts_by_hand() -> None:
    for values, expected in (([True, False, True], 2), ([False], 0), ([], 0)):
        count = count_true(torch.tensor(values, dtype=torch.bool))
        assert (count.dtype, count.shape, count.item()) == (torch.int64, (), expected)
