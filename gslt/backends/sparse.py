"""Kernels over compressed rows: the sparse product, and attention with its gradient."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.profiler import record_function

from gslt.nn import memory
from gslt.nn.graph import row_starts, sparse_csr

#: Types of which torch's kernel for embedding bags is fast on a CPU.
_GATHERED = (torch.float32, torch.bfloat16, torch.float16)


def sparse_product(matrix: Tensor, x: Tensor, out: Tensor) -> Tensor:
    """Product of a sparse matrix and ``x``, written into ``out``.

    Args:
        matrix: ``torch.sparse_csr`` ``(rows, N)``, of the type of ``x``.
        x: ``(N, width)``.
        out: ``(rows, width)``.
    """
    if x.device.type == "cpu" and x.dtype in _GATHERED:
        return _gather(matrix, x, out)
    return torch.addmm(out, matrix, x, beta=0, out=out)


def _gather(matrix: Tensor, x: Tensor, out: Tensor) -> Tensor:
    """The product of a sparse matrix and ``x``, by the kernel of embedding bags.

    It fetches rows ahead, which sparse products of torch do not, and adds in single precision.
    """
    # It wants contiguous rows, and divides them among threads by the thousand.
    wide, height = memory.whole_rows(x.detach()), 2000 * torch.get_num_threads()
    start, column, value = matrix.crow_indices(), matrix.col_indices(), matrix.values()
    for first in range(0, out.size(0), height):
        offsets = start[first : first + height + 1]
        low, high = int(offsets[0]), int(offsets[-1])
        sums = F.embedding_bag(
            column[low:high],
            wide,
            offsets - low,
            mode="sum",
            per_sample_weights=value[low:high],
            include_last_offset=True,
        )
        out[first : first + height] = sums[:, : out.size(1)]
    return out


def merged(row: Tensor, col: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Entries of a matrix in the order of rows, then columns, those of the same place added up.

    >>> one = torch.ones(3)
    >>> [part.tolist() for part in merged(torch.tensor([1, 0, 1]), torch.tensor([0, 2, 0]), one)]
    [[0, 1], [2, 0], [1.0, 2.0]]

    Args:
        row: int64 ``(E,)``.
        col: int64 ``(E,)``.
        value: ``(E,)``.
    """
    width = int(col.max()) + 1 if col.numel() else 1
    key, inverse = torch.unique(row * width + col, return_inverse=True)
    total = torch.zeros_like(key, dtype=value.dtype).index_add_(0, inverse, value)
    return key // width, key % width, total


@dataclass(frozen=True)
class Neighbours:
    """Edges j → i among N nodes, in the order of i, each once."""

    target: Tensor
    """i, int64 ``(E,)``, ascending."""
    source: Tensor
    """j, int64 ``(E,)``."""
    count: Tensor
    """How many parallel edges it stands for, ``(E,)``."""
    num_nodes: int
    """N."""

    @cached_property
    def start(self) -> Tensor:
        """Where the edges into each node begin, int64 ``(N + 1,)``."""
        return row_starts(self.target, self.num_nodes)

    @cached_property
    def turned(self) -> tuple[Tensor, Neighbours]:
        """Which edge is at each place, int64 ``(E,)``, once all are turned round; and these."""
        order = torch.argsort(self.source, stable=True)
        edges = self.source[order], self.target[order], self.count[order]
        return order, Neighbours(*edges, self.num_nodes)

    def matrix(self, value: Tensor) -> Tensor:
        """``torch.sparse_csr`` ``(N, N)`` with one value for each edge ``(E,)``."""
        return sparse_csr(self.start, self.source, value, torch.Size([self.num_nodes] * 2))

    def total(self, value: Tensor) -> Tensor:
        """Sums over the edges into each node: ``(E, width)`` → ``(N, width)``."""
        return value.new_zeros(self.num_nodes, value.size(1)).index_add_(0, self.target, value)

    def softmax_(self, value: Tensor) -> Tensor:
        """Softmax over the edges into each node, parallel ones counted, in place of the scores.

        Args:
            value: scores ``(E, heads)``, overwritten.
        """
        place = self.target.unsqueeze(1).expand_as(value)
        top = value.new_full((self.num_nodes, value.size(1)), float("-inf"))
        top.scatter_reduce_(0, place, value, "amax")
        value.sub_(_rows(top, self.target)).exp_()
        value.mul_(self.count.to(value.dtype).unsqueeze(1))
        return value.div_(_rows(self.total(value), self.target))


def attend(
    x: Tensor, source: Tensor, target: Tensor, neighbours: Neighbours, slope: float
) -> Tensor:
    """Attention as in :meth:`gslt.nn.graph.Graph.attention`: no message is ever made.

    Args:
        x: ``(N, heads · width)``.
        source: ``(N, heads)``.
        target: ``(N, heads)``.
        neighbours: the edges, with exactly one loop at every node.
        slope: of LeakyReLU.

    Returns:
        ``(N, heads · width)``. It can be differentiated once.
    """
    out: Tensor = _Attend.apply(x, source, target, neighbours, slope)  # type: ignore[no-untyped-call]
    return out


class _Attend(torch.autograd.Function):
    """y_i = Σ_j α_ij x_j.

    Backward, from g: dx_j = Σ_i α_ij g_i; with a_ij = ⟨g_i, x_j⟩ what is given to the softmax gets
    α_ij (a_ij − Σ_k α_ik a_ik).
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, source: Tensor, target: Tensor, neighbours: Neighbours, slope: float
    ) -> Tensor:
        with record_function("gslt::attention"):
            ctx.neighbours, ctx.slope, ctx.given = neighbours, slope, source.dtype
            dtype = torch.promote_types(source.dtype, torch.float32)
            said = _rows(source.to(dtype), neighbours.source)
            said += _rows(target.to(dtype), neighbours.target)
            below = said <= 0
            alpha = neighbours.softmax_(F.leaky_relu(said, slope, inplace=True))
            ctx.save_for_backward(x, alpha, below)
            return _weighted(neighbours, alpha, x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, alpha, below = ctx.saved_tensors
        near, (grad,) = ctx.neighbours, grads
        with record_function("gslt::attention"):
            order, turned = near.turned
            of_x = _weighted(turned, _rows(alpha, order), grad) if ctx.needs_input_grad[0] else None
            said = _products(near, grad, x, alpha).mul_(alpha)
            said -= _rows(near.total(said), near.target).mul_(alpha)
            said = torch.where(below, said * ctx.slope, said)
            of_target = near.total(said).to(ctx.given)
            of_source = torch.zeros_like(of_target, dtype=said.dtype)
            of_source.index_add_(0, near.source, said)
            return of_x, of_source.to(ctx.given), of_target, None, None


def _flat(rows: int, width: int, like: Tensor) -> Tensor:
    """An uninitialised ``(rows, width)``, narrow and long, in reused memory without padding."""
    return memory.empty(1, rows * width, like.dtype, like.device).view(rows, width)


def _rows(x: Tensor, place: Tensor) -> Tensor:
    """x[place]: ``(N, width)`` → ``(E, width)``."""
    return torch.index_select(x, 0, place, out=_flat(len(place), x.size(1), x))


def _heads(x: Tensor, heads: int) -> list[slice]:
    """The columns of each head."""
    width = x.size(1) // heads
    return [slice(head * width, (head + 1) * width) for head in range(heads)]


def _own(x: Tensor, columns: slice) -> Tensor:
    """These columns with rows of their own; x itself where they are all."""
    part = x[:, columns]
    return x if part.size(1) == x.size(1) else memory.empty_like(part).copy_(part)


def _weighted(neighbours: Neighbours, alpha: Tensor, x: Tensor) -> Tensor:
    """Σ_j α_ij x_j for every head: a sparse product for each."""
    out = memory.empty_like(x)
    for head, columns in enumerate(_heads(x, alpha.size(1))):
        matrix = neighbours.matrix(alpha[:, head].to(x.dtype).contiguous())
        sparse_product(matrix, _own(x, columns), out[:, columns])
    return out


def _products(neighbours: Neighbours, grad: Tensor, x: Tensor, alpha: Tensor) -> Tensor:
    """⟨g_i, x_j⟩ of every edge and head, ``(E, heads)``."""
    out = _flat(alpha.size(0), alpha.size(1), alpha)
    for head, columns in enumerate(_heads(x, alpha.size(1))):
        pattern = neighbours.matrix(torch.zeros_like(out[:, head]).contiguous())
        left, right = (_own(each, columns).to(out.dtype) for each in (grad, x))
        found = torch.sparse.sampled_addmm(pattern, left, right.t(), beta=0.0)
        out[:, head] = found.values()
    return out
