"""Reused memory: who gives it, who gets it, and that nothing is left of it."""

from __future__ import annotations

import gc

import pytest
import torch
from torch import Tensor

from gslt.nn import memory

CPU = torch.device("cpu")
ROWS = 5000


def place(x: Tensor) -> int:
    return x.untyped_storage().data_ptr()


def test_rows_begin_on_a_cache_line() -> None:
    for width, stride in ((386, 400), (384, 384), (40, 48), (128, 128), (33, 33)):
        x = memory.empty(20_000, width, torch.float32, CPU)
        assert x.shape == (20_000, width)
        # 33 columns of 4 bytes would waste nearly half of a padded row.
        assert x.stride() == (stride, 1)
    assert memory.empty(9_000, 386, torch.bfloat16, CPU).stride() == (416, 1)
    with memory.reused():
        assert memory.empty(ROWS, 386, torch.float32, CPU).data_ptr() % memory.LINE == 0


def test_small_tensors_are_ordinary_ones() -> None:
    with memory.reused():
        x = memory.empty(100, 386, torch.float32, CPU)
    assert x.is_contiguous()
    assert x.untyped_storage().resizable()


def test_memory_goes_to_the_next_tensor_when_the_last_view_is_gone() -> None:
    with memory.reused():
        x = memory.empty(ROWS, 386, torch.float32, CPU)
        first = place(x)
        view = x[3:5]
        del x
        y = memory.empty(ROWS, 386, torch.float32, CPU)
        assert place(y) != first
        view.fill_(7)
        del view
        assert place(memory.empty(ROWS, 386, torch.float32, CPU)) == first


def test_autograd_keeps_its_tensors() -> None:
    with memory.reused():
        x = memory.empty(ROWS, 386, torch.float32, CPU).fill_(2.0)
        saved, weight = place(x), torch.ones(386, requires_grad=True)
        loss = (x * weight).sum()
        del x
        other = memory.empty(ROWS, 386, torch.float32, CPU)
        assert place(other) != saved
        loss.backward()
        assert torch.equal(weight.grad, torch.full((386,), 2.0 * ROWS))
        del loss
        gc.collect()
        assert place(memory.empty(ROWS, 386, torch.float32, CPU)) == saved


def test_much_larger_memory_is_left_for_much_larger_tensors() -> None:
    with memory.reused():
        large = place(memory.empty(10 * ROWS, 386, torch.float32, CPU))
        assert place(memory.empty(ROWS, 386, torch.float32, CPU)) != large
        assert place(memory.empty(10 * ROWS, 386, torch.float32, CPU)) == large


def test_nothing_is_reused_outside_and_tensors_outlive_the_inside() -> None:
    with memory.reused():
        kept = memory.empty(ROWS, 386, torch.float32, CPU).fill_(5.0)
    assert memory._pool.get() is None
    other = memory.empty(ROWS, 386, torch.float32, CPU).fill_(1.0)
    assert (kept == 5).all()
    assert other.untyped_storage().resizable()
    with pytest.raises(ZeroDivisionError), memory.reused():
        _ = 1 / 0
    assert memory._pool.get() is None


def test_a_closed_pool_returns_what_comes_back_late() -> None:
    pool = memory.Pool()
    late = pool.empty(1 << 20, torch.float32)
    pool.close()
    del late
    assert pool._free == []


def test_zeros_of_a_library_take_reused_memory_and_are_zero() -> None:
    with memory.reused():
        dirty = memory.empty(ROWS, 400, torch.float32, CPU).fill_(float("nan"))
        first = place(dirty)
        del dirty
        with memory.ReusedZeros():
            x = torch.zeros((ROWS, 400), dtype=torch.float32, device="cpu")
            small = torch.zeros((2, 2))
        assert place(x) == first
        assert not x.any()
        assert not small.any()
        assert x.shape == (ROWS, 400)


def test_whole_rows_share_the_memory_of_padded_ones() -> None:
    x = memory.empty(ROWS, 386, torch.float32, CPU).fill_(1.0)
    whole = memory.whole_rows(x)
    assert whole.shape == (ROWS, 400)
    assert whole.data_ptr() == x.data_ptr()
    assert whole.is_contiguous()
    assert (whole[:, :386] == 1).all()
    columns = torch.arange(12.0).view(3, 4)[:, 1:3]
    assert memory.whole_rows(columns).tolist() == [[1, 2], [5, 6], [9, 10]]
    turned = torch.arange(6.0).view(2, 3).t()
    assert memory.whole_rows(turned).tolist() == turned.tolist()


def test_blocks_cover_the_rows_once() -> None:
    x = torch.empty(ROWS, 386)
    blocks = list(memory.row_blocks(x))
    assert len(blocks) > 1
    assert [i for b in blocks for i in range(b.start, b.stop)] == list(range(ROWS))
    assert list(memory.row_blocks(torch.empty(0, 4))) == []
