"""The two operations beside aggregation that cost time on a large graph: products and norms.

Both put their results where :mod:`gslt.nn.memory` says. They work in the type of the activations;
statistics and gradients of weights are single precision at least.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.profiler import record_function

from gslt.nn import memory
from gslt.nn.hooks import is_observed, is_traced, observed

threshold_backward = torch.ops.aten.threshold_backward.grad_input

_NARROW = (torch.bfloat16, torch.float16)
#: Whether this CPU multiplies bfloat16 matrices faster than it converts them to float32.
NATIVE_BFLOAT16 = bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """Product x Wᵀ in the type of ``x``.

    Args:
        x: representations ``(N, in)``. A ``torch.sparse_csr`` one gets no gradient.
        weight: W ``(out, in)``, as precise as ``x`` or more.

    Returns:
        ``(N, out)``.
    """
    return observed("projection", product(x, weight))


def product(x: Tensor, weight: Tensor) -> Tensor:
    """:func:`linear` of what is no representation: no observer sees it.

    Args:
        x: ``(N, in)``.
        weight: W ``(out, in)``, as precise as ``x`` or more.
    """
    if x.layout != torch.strided:
        return F.linear(x.to(weight.dtype), weight).to(x.dtype)
    if x.dim() != 2 or x.dtype not in (weight.dtype, *_NARROW) or is_traced():
        return F.linear(x, weight)
    result: Tensor = _Linear.apply(x, weight)  # type: ignore[no-untyped-call]
    return result


class Linear(nn.Linear):
    """``torch.nn.Linear`` without bias, by :func:`linear`."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in)`` → ``(N, out)``."""
        return linear(x, self.weight)


class _Linear(torch.autograd.Function):
    """x Wᵀ; backward g W and gᵀ x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _multiply(x, weight.t())

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        (grad,) = grads
        of_x = product(grad, weight.t()) if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[1]:
            return of_x, None
        if torch.is_grad_enabled():
            return of_x, grad.to(weight.dtype).t() @ x.to(weight.dtype)
        return of_x, _weight_gradient(grad, x, weight)


def _working(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)


class _Scratch:
    """Working copies of one block of rows, in the same memory for every block."""

    def __init__(self, *matrices: Tensor) -> None:
        x, height = matrices[0], memory.block_height(*matrices)
        self.dtype = _working(x)
        self._input, self._result = (
            x.new_empty(height, x.size(1), dtype=self.dtype) for _ in range(2)
        )

    def wide(self, block: Tensor) -> Tensor:
        """The block ``(rows, width)`` in the working type; itself where it has that type."""
        if block.dtype == self.dtype:
            return block
        return self._input[: block.size(0)].copy_(block)

    def like(self, block: Tensor) -> Tensor:
        """An uninitialised block of the working type, as high as ``block`` ``(rows, width)``."""
        return self._result[: block.size(0)]

    @contextlib.contextmanager
    def writing(self, block: Tensor) -> Iterator[Tensor]:
        """Where to compute what the block ``(rows, width)`` is to hold.

        In itself where it has the working type, else in scratch memory that is copied at the end.
        """
        place = block if block.dtype == self.dtype else self.like(block)
        yield place
        if place is not block:
            block.copy_(place)


def _is_native(x: Tensor) -> bool:
    return x.device.type != "cpu" or NATIVE_BFLOAT16 or x.dtype not in _NARROW


def _multiply(x: Tensor, matrix: Tensor) -> Tensor:
    """``x`` times a small matrix."""
    with record_function("gslt::dense product"):
        out = memory.empty_like(x, matrix.size(1))
        if _is_native(x):
            # Up to a quarter faster into whole cache lines: the padding is computed as well.
            whole = memory.whole_rows(out)
            padded = F.pad(matrix.to(x.dtype), (0, whole.size(1) - out.size(1)))
            torch.mm(x, padded, out=whole)
            return out
        matrix, given, found = matrix.float(), _Scratch(x, out), _Scratch(out, x)
        for rows in memory.row_blocks(x, out):
            with found.writing(out[rows]) as block:
                torch.mm(given.wide(x[rows]), matrix, out=block)
        return out


def _weight_gradient(grad: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """gᵀ x, in the type of the weight."""
    # Kernels prefer the narrow factor on the right.
    if grad.size(1) < x.size(1):
        return _inner(x, grad).to(weight.dtype).t()
    return _inner(grad, x).to(weight.dtype)


def _inner(left: Tensor, right: Tensor) -> Tensor:
    """leftᵀ right, a sum over the rows."""
    with record_function("gslt::dense product"):
        if _is_native(left):
            return left.t() @ right
        total = torch.zeros(left.size(1), right.size(1), dtype=torch.float32)
        one, two = _Scratch(left, right), _Scratch(right, left)
        for rows in memory.row_blocks(left, right):
            total.addmm_(one.wide(left[rows]).t(), two.wide(right[rows]))
        return total


def norm_relu(x: Tensor, eps: float = 1e-5, *, pooled: bool = False) -> Tensor:
    """ReLU((x − μ) / √(σ² + ε)) with mean and biased variance of each column.

    Batch normalisation over the whole graph without affine part (Ioffe & Szegedy 2015, arXiv
    1502.03167, Algorithm 1 with γ = 1, β = 0) and the activation after it, as one operation.

    With ``pooled`` σ² is one number, the mean of the variances of all columns. That is PairNorm
    (Zhao & Akoglu 2020, arXiv 1909.12223, Eq. 10 and 11), s (x_i − μ) √N / ‖X − 1μᵀ‖_F, whose
    scale s is the square root of the width, so that its entries have the size that batch
    normalisation gives them.

    Args:
        x: representations ``(N, width)``.
        eps: ε, torch's default.
        pooled: whether all columns are divided by the same number.

    Returns:
        ``(N, width)`` in the type of ``x``.
    """
    if is_traced():
        normalised = observed("normalisation", _normalised(x.to(_working(x)), eps, pooled))
        return observed("activation", F.relu(normalised).to(x.dtype))
    result: Tensor = _NormReLU.apply(x, eps, pooled)  # type: ignore[no-untyped-call]
    if is_observed():
        # The two steps are one operation, which never holds what lies between them.
        observed("normalisation", _normalised(x.detach().to(_working(x)), eps, pooled))
    return observed("activation", result)


def _normalised(x: Tensor, eps: float, pooled: bool) -> Tensor:
    centred = x - x.mean(0)
    variance = centred.square().mean(0)
    return centred * ((variance.mean() if pooled else variance) + eps).rsqrt()


class NormReLU(nn.Module):
    """:func:`norm_relu` as a module. It has no state: training and evaluation are the same.

    Args:
        pooled: PairNorm instead of batch normalisation.
    """

    def __init__(self, pooled: bool = False) -> None:
        super().__init__()
        self.pooled = pooled

    def forward(self, x: Tensor) -> Tensor:
        """``(N, width)`` → ``(N, width)``."""
        return norm_relu(x, pooled=self.pooled)


class _NormReLU(torch.autograd.Function):
    """With y = (x − μ)·s and ĝ = g·1[y > 0]: dx = s ĝ − s mean(ĝ) − s mean(ĝ y) y.

    Where s is the same for all columns, the last mean is over all of them.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float, pooled: bool) -> Tensor:
        ctx.pooled = pooled
        with record_function("gslt::norm"):
            mean, variance = _statistics(x)
            if pooled:
                variance = variance.mean().expand_as(variance)
            scale = (variance + eps).rsqrt()
            scale, shift = (v.to(_working(x)) for v in (scale, -mean * scale))
            ctx.save_for_backward(x, scale, shift)
            out = memory.empty_like(x)
            scratch = _Scratch(x)
            for rows in memory.row_blocks(x):
                with scratch.writing(out[rows]) as y:
                    torch.addcmul(shift, scratch.wide(x[rows]), scale, out=y).clamp_(min=0)
            return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        x, scale, shift = ctx.saved_tensors
        with record_function("gslt::norm"):
            return _norm_relu_gradient(grads[0], x, scale, shift, ctx.pooled), None, None


def _statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of each column, double precision, joined from blocks of rows.

    Chan, Golub & LeVeque 1979: Σ (x − μ)² = Σ_b [Σ (x − μ_b)² + n_b (μ_b − μ)²].
    """
    heights, means, squares = [], [], []
    scratch = _Scratch(x)
    for rows in memory.row_blocks(x):
        block = scratch.wide(x[rows])
        mean = block.sum(0) / block.size(0)
        centred = torch.sub(block, mean, out=scratch.like(block))
        heights.append(block.size(0))
        means.append(mean)
        squares.append(centred.mul_(centred).sum(0))
    each = torch.stack(means).double()
    # All blocks but the last are of one height; filled, not copied, so that a GPU need not wait.
    weight = each.new_full((len(heights), 1), heights[0] / x.size(0))
    weight[-1] = heights[-1] / x.size(0)
    mean = (weight * each).sum(0)
    variance = torch.stack(squares).double().sum(0) / x.size(0)
    return mean, variance + (weight * (each - mean).square()).sum(0)


def _norm_relu_gradient(
    grad: Tensor, x: Tensor, scale: Tensor, shift: Tensor, pooled: bool
) -> Tensor:
    total, moment = torch.zeros_like(scale), torch.zeros_like(scale)
    values, passing = _Scratch(x), _Scratch(x)

    def parts(rows: slice) -> tuple[Tensor, Tensor]:
        """Blocks of y and of ĝ."""
        y = torch.addcmul(shift, values.wide(x[rows]), scale, out=values.like(x[rows]))
        passed = passing.like(y)
        threshold_backward(passing.wide(grad[rows]), y, 0, grad_input=passed)
        return y, passed

    for rows in memory.row_blocks(x):
        y, passed = parts(rows)
        total += passed.sum(0)
        moment += y.mul_(passed).sum(0)
    if pooled:
        moment = moment.mean().expand_as(moment)
    constant, slope = (-scale * v / x.size(0) for v in (total, moment))
    out = memory.empty_like(x)
    for rows in memory.row_blocks(x):
        y, passed = parts(rows)
        with values.writing(out[rows]) as found:
            torch.addcmul(constant, y, slope, out=found).addcmul_(passed, scale)
    return out


def fan_out(x: Tensor) -> tuple[Tensor, Tensor]:
    """``x`` ``(N, width)`` for two consumers, whose gradients are added up in reused memory."""
    if is_traced():
        return x, x
    result: tuple[Tensor, Tensor] = _FanOut.apply(x)  # type: ignore[no-untyped-call]
    return result


class _FanOut(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        return x.view_as(x), x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Tensor | None:
        first, second = grads
        if first is None or second is None:
            return second if first is None else first
        if torch.is_grad_enabled():
            return first + second
        return torch.add(first, second, out=memory.empty_like(first))
