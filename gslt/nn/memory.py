"""Where large activations live: padded rows, and memory that one tensor hands to the next.

On Linux a fresh large tensor costs more than what is computed in it: the C library maps its pages
anew at every operation and returns them afterwards. Inside :func:`reused` large tensors made by
:func:`empty` take the memory of tensors that are gone. Outside of it they are ordinary tensors, and
nothing else in the process ever changes.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

#: Bytes of a cache line: rows begin on one, which products are up to half as fast again for.
LINE = 64
#: Below this the C library reuses memory by itself. Bytes.
LARGE = 1 << 20
#: Work on large tensors goes by blocks of rows of about this size, which stay in the cache. Bytes.
BLOCK = 3 << 20

Array = np.ndarray[Any, Any]


class Pool:
    """Memory for large tensors on the CPU; a tensor that nobody holds any longer gives it back.

    A tensor made of a NumPy array holds that array as long as its storage lives, in Python, in
    autograd or in a view. The end of the array therefore is the end of the last use.
    """

    def __init__(self) -> None:
        self._free: list[Array] = []
        self._open = True

    def empty(self, count: int, dtype: torch.dtype) -> Tensor:
        """An uninitialised flat tensor that begins on a cache line.

        Args:
            count: number of entries.
            dtype: their type.

        Returns:
            ``(count,)``, on the CPU.
        """
        size = count * dtype.itemsize
        block = self._take(size)
        start = -block.ctypes.data % LINE
        array = block[start : start + size]
        weakref.finalize(array, self._give, block).atexit = False
        return torch.from_numpy(array).view(dtype)

    def close(self) -> None:
        """Return what is free to the system now, and the rest when its tensors are gone."""
        self._open = False
        self._free.clear()

    def _take(self, size: int) -> Array:
        # Not much more than is needed, lest small tensors sit in the memory of large ones.
        fitting = [b for b in self._free if size + LINE <= b.nbytes <= 2 * (size + LINE)]
        if not fitting:
            return np.empty(size + LINE, dtype=np.uint8)
        smallest = min(fitting, key=lambda block: block.nbytes)
        self._free = [block for block in self._free if block is not smallest]
        return smallest

    def _give(self, block: Array) -> None:
        if self._open:
            self._free.append(block)


_pool: ContextVar[Pool | None] = ContextVar("pool", default=None)


@contextlib.contextmanager
def reused() -> Iterator[None]:
    """Large tensors made inside by :func:`empty` reuse memory; all of it is returned at the end."""
    pool = Pool()
    token = _pool.set(pool)
    try:
        yield
    finally:
        _pool.reset(token)
        pool.close()


def empty(rows: int, width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """An uninitialised matrix ``(rows, width)``, large ones on the CPU with padded rows.

    A padded row begins on a cache line: the row stride is the next multiple of 64 bytes, unless
    that would waste more than a quarter.

    Args:
        rows: number of rows.
        width: number of columns.
        dtype: type of the entries.
        device: where it is.
    """
    stride = -(-width * dtype.itemsize // LINE) * LINE // dtype.itemsize
    count = rows * stride
    if device.type != "cpu" or count * dtype.itemsize < LARGE or 4 * stride > 5 * width:
        return torch.empty(rows, width, dtype=dtype, device=device)
    pool = _pool.get()
    flat = torch.empty(count, dtype=dtype) if pool is None else pool.empty(count, dtype)
    return flat.view(rows, stride)[:, :width]


def empty_like(x: Tensor, width: int | None = None) -> Tensor:
    """A matrix by :func:`empty` of the type and height of ``x``.

    Args:
        x: any matrix ``(N, width)``.
        width: number of columns. Default: as ``x``.
    """
    return empty(x.size(0), x.size(1) if width is None else width, x.dtype, x.device)


def converted(x: Tensor, dtype: torch.dtype) -> Tensor:
    """``x`` in another type, or ``x`` itself where it has that type.

    Args:
        x: a matrix ``(N, width)``.
        dtype: the type wanted.
    """
    if x.dtype == dtype:
        return x
    return empty(x.size(0), x.size(1), dtype, x.device).copy_(x)


def whole_rows(x: Tensor) -> Tensor:
    """The contiguous matrix that ``x`` is the left part of, its padding included, or a copy of x.

    The padding holds arbitrary numbers.

    Args:
        x: a matrix ``(N, width)``.

    Returns:
        ``(N, stride)`` in the memory of ``x``, or ``(N, width)``.
    """
    rows, width = x.shape
    stride = x.stride(0)
    left = x.storage_offset() + rows * stride <= x.untyped_storage().nbytes() // x.itemsize
    if x.is_contiguous() or rows < 2 or x.stride(1) != 1 or stride < width or not left:
        return x.contiguous()
    return x.as_strided((rows, stride), (stride, 1))


def block_height(*matrices: Tensor) -> int:
    """Rows of a block in single precision that fits the cache; all rows elsewhere than on a CPU.

    Args:
        *matrices: matrices ``(N, …)`` of one height; the widest one counts.
    """
    rows, width = matrices[0].size(0), max(x.size(1) for x in matrices)
    if matrices[0].device.type != "cpu":
        return max(1, rows)
    return max(1, min(rows, BLOCK // max(1, width * 4)))


def row_blocks(*matrices: Tensor) -> Iterator[slice]:
    """Slices of the common rows of matrices, each of :func:`block_height`, the last one less."""
    rows, step = matrices[0].size(0), block_height(*matrices)
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


class ReusedZeros(TorchFunctionMode):
    """Large matrices that a library makes by ``torch.zeros`` inside take reused memory."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        pool = _pool.get()
        shape = args[0] if len(args) == 1 and isinstance(args[0], tuple) else None
        dtype = kwargs.get("dtype") or torch.get_default_dtype()
        device = torch.device(kwargs.get("device") or "cpu")
        if func is not torch.zeros or pool is None or shape is None or device.type != "cpu":
            return func(*args, **kwargs)
        count = int(np.prod(shape))
        if count * dtype.itemsize < LARGE:
            return func(*args, **kwargs)
        return pool.empty(count, dtype).zero_().view(shape)
