"""The sums behind the measures, in float64 and by blocks, so that memory stays linear."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gslt.diagnostics.laplacians import Components, Laplacian, inner_weight, kernel_vector
from gslt.diagnostics.topology import Topology
from gslt.errors import GraphError

#: Numbers in a block: on a CPU one that stays in the cache, elsewhere one that fills the device.
_CPU_BLOCK, _DEVICE_BLOCK = 1 << 17, 1 << 24
#: Rows of a block of which a product is taken, which the cache matters less for.
_PRODUCT_ROWS = 4096


def check_representations(x: Tensor) -> None:
    """Refuse what no measure can read.

    Raises:
        GraphError: unless ``x`` is a dense floating-point matrix.
    """
    if not isinstance(x, Tensor) or x.layout != torch.strided or x.dim() != 2:
        shape = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise GraphError(f"representations must be a dense (n, h) tensor, got {shape}")
    if not x.is_floating_point():
        raise GraphError(f"representations must be floating-point numbers, got {x.dtype}")


def blocks(count: int, width: int, device: torch.device) -> Iterator[slice]:
    """Slices of ``count`` rows of ``width`` numbers."""
    numbers = _CPU_BLOCK if device.type == "cpu" else _DEVICE_BLOCK
    step = max(1, numbers // max(1, width))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def squared_norms(x: Tensor) -> Tensor:
    """‖x_i‖² of every row, float64 ``(n,)``."""
    out = torch.empty(x.size(0), dtype=torch.float64, device=x.device)
    for rows in blocks(x.size(0), x.size(1), x.device):
        out[rows] = x[rows].double().square().sum(1)
    return out


def gram(x: Tensor) -> Tensor:
    """XᵀX, or XXᵀ where that is smaller, float64 on the CPU."""
    if x.size(0) <= x.size(1):
        wide = x.double()
        return (wide @ wide.T).cpu()
    total = torch.zeros(x.size(1), x.size(1), dtype=torch.float64, device=x.device)
    for start in range(0, x.size(0), _PRODUCT_ROWS):
        rows = x[start : start + _PRODUCT_ROWS].double()
        total.addmm_(rows.T, rows)
    return total.cpu()


@dataclass(frozen=True)
class Form:
    """Σ over edges (a_i + a_j) ‖s_i x_i − s_j x_j‖²."""

    factor: Tensor | None = None
    """s ``(n,)``; None stands for ones."""
    weight: Tensor | None = None
    """a ``(n,)``; None stands for a_i + a_j = 1."""


def edge_sums(x: Tensor, topology: Topology, forms: list[Form]) -> list[float]:
    """Several forms from one pass over the edges.

    Differences come before squares, so nothing cancels where X is nearly constant.
    """
    if not forms:
        return []
    parts: list[list[Tensor]] = [[] for _ in forms]
    ends = _Ends(x, topology.num_edges)
    for block in blocks(topology.num_edges, x.size(1), x.device):
        i, j = topology.edges[:, block]
        low, high, a, b = ends(i, j)
        for form, part in zip(forms, parts, strict=True):
            if form.factor is None:
                difference = torch.sub(low, high, out=a)
            else:
                # Each product is rounded by itself, so that equal ends have no difference.
                torch.mul(low, form.factor[i].unsqueeze(1), out=a)
                torch.mul(high, form.factor[j].unsqueeze(1), out=b)
                difference = a.sub_(b)
            squares = difference.square_().sum(1)
            if form.weight is not None:
                squares = squares * (form.weight[i] + form.weight[j])
            part.append(squares.sum())
    return [float(torch.stack(part).sum()) if part else 0.0 for part in parts]


class _Ends:
    """Rows of x at the two ends of edges, in float64, in memory that is used again."""

    def __init__(self, x: Tensor, count: int) -> None:
        self.x = x
        first = next(blocks(count, x.size(1), x.device), slice(0, 0))
        shape = (first.stop, x.size(1))
        self.out = [torch.empty(shape, dtype=torch.float64, device=x.device) for _ in range(4)]
        self.raw = torch.empty(shape, dtype=x.dtype, device=x.device)

    def __call__(self, i: Tensor, j: Tensor) -> list[Tensor]:
        """Rows x_i, rows x_j, and two empty matrices of their shape."""
        low, high, *free = (out[: len(i)] for out in self.out)
        for index, out in ((i, low), (j, high)):
            if self.x.dtype == torch.float64:
                torch.index_select(self.x, 0, index, out=out)
            else:
                raw = self.raw[: len(i)]
                torch.index_select(self.x, 0, index, out=raw)
                out.copy_(raw)
        return [low, high, *free]


def residual(x: Tensor, topology: Topology, laplacian: Laplacian, components: Components) -> float:
    """‖X − PX‖² in the Laplacian's inner product, P the projection on its kernel.

    On component c, PX is v_i m_c with m_c = Σ ω_i v_i x_i / Σ ω_i v_i². What rounding leaves of the
    kernel in X − PX is taken off the sum of squares (the corrected two-pass algorithm).
    """
    vector = kernel_vector(topology, laplacian, components)
    inner = inner_weight(topology, laplacian)
    weight = vector if inner is None else vector * inner
    whole = components == "whole"
    label = torch.zeros_like(topology.component) if whole else topology.component
    count = min(1, topology.num_nodes) if whole else topology.num_components
    total = torch.zeros(count, dtype=torch.float64, device=x.device)
    total.index_add_(0, label, weight * vector)
    share = torch.where(total > 0, 1 / total, 0.0).unsqueeze(1)
    mean = torch.zeros(count, x.size(1), dtype=torch.float64, device=x.device)
    for rows in blocks(x.size(0), x.size(1), x.device):
        mean.index_add_(0, label[rows], x[rows] * weight[rows].unsqueeze(1))
    mean *= share
    left = torch.zeros_like(mean)
    squares = torch.zeros((), dtype=torch.float64, device=x.device)
    for rows in blocks(x.size(0), x.size(1), x.device):
        rest = mean[label[rows]].mul_(vector[rows].unsqueeze(1))
        rest = torch.sub(x[rows].double(), rest, out=rest)
        left.index_add_(0, label[rows], rest * weight[rows].unsqueeze(1))
        norms = rest.square_().sum(1)
        squares += (norms if inner is None else norms * inner[rows]).sum()
    return max(0.0, float(squares - (left.square_() * share).sum()))
