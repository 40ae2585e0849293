"""One representation on its graph, and the sums that its measures share.

Sums are in float64 and by blocks, so that memory stays linear.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeVar, get_args

import torch
from torch import Tensor

from gslt.diagnostics.labels import Labels
from gslt.diagnostics.laplacians import (
    LAPLACIANS,
    Components,
    Laplacian,
    inner_weight,
    kernel_vector,
)
from gslt.diagnostics.topology import Topology, as_topology
from gslt.errors import GraphError
from gslt.settings import check_choice

Average = Literal["nodes", "edges", "survey"]
T = TypeVar("T")

#: Numbers in a block: on a CPU one that stays in the cache, elsewhere one that fills the device.
_CPU_BLOCK, _DEVICE_BLOCK = 1 << 17, 1 << 24
#: Rows of a block of which a product is taken, which the cache matters less for.
_PRODUCT_ROWS = 4096


def check_representations(x: Tensor) -> None:
    """Refuse what no measure can read.

    Args:
        x: representations ``(n, h)``, if they are.

    Raises:
        GraphError: unless ``x`` is a dense floating-point matrix.
    """
    if not isinstance(x, Tensor) or x.layout != torch.strided or x.dim() != 2:
        shape = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise GraphError(f"representations must be a dense (n, h) tensor, got {shape}")
    if not x.is_floating_point():
        raise GraphError(f"representations must be floating-point numbers, got {x.dtype}")


def blocks(count: int, width: int, device: torch.device) -> Iterator[slice]:
    """Slices of rows, which together are all rows.

    Args:
        count: number of rows.
        width: numbers in a row.
        device: where they are; a block fits its cache, or its cores.

    >>> [(block.start, block.stop) for block in blocks(5, 1 << 16, torch.device("cpu"))]
    [(0, 2), (2, 4), (4, 5)]
    """
    numbers = _CPU_BLOCK if device.type == "cpu" else _DEVICE_BLOCK
    step = max(1, numbers // max(1, width))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def squared_norms(x: Tensor) -> Tensor:
    """‖x_i‖² of every row of x ``(n, h)``, float64 ``(n,)``.

    >>> squared_norms(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [25.0, 0.0]
    """
    out = torch.empty(x.size(0), dtype=torch.float64, device=x.device)
    for rows in blocks(x.size(0), x.size(1), x.device):
        out[rows] = x[rows].double().square().sum(1)
    return out


def gram(x: Tensor) -> Tensor:
    """XᵀX ``(h, h)`` of x ``(n, h)``, or XXᵀ ``(n, n)`` where that is smaller, float64 on the CPU.

    >>> gram(torch.tensor([[1.0], [2.0]])).tolist()
    [[5.0]]
    """
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

    Args:
        x: representations ``(n, h)``, any floating-point type.
        topology: the graph, on the device of x.
        forms: what is summed.

    Returns:
        A sum for each form.

    >>> path = Topology.of(torch.tensor([[0, 1], [1, 2]]), num_nodes=3)
    >>> ones = torch.ones(3)
    >>> edge_sums(torch.tensor([[0.0], [1.0], [3.0]]), path, [Form(), Form(weight=ones)])
    [5.0, 10.0]
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

    Args:
        x: representations ``(n, h)``, any floating-point type.
        topology: the graph, on the device of x.
        laplacian: one of :data:`LAPLACIANS`.
        components: ``"each"`` or ``"whole"``, see :func:`gslt.diagnostics.collapse`.
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


def singular_values(x: Tensor) -> Tensor:
    """σ of x ``(n, h)``, float64 ``(min(n, h),)`` in ascending order, by one Gram matrix.

    Those that rounding may have made are zero, see :func:`gslt.diagnostics.effective_rank`; empty
    if x is not finite.

    Raises:
        GraphError: unless ``x`` is a dense floating-point matrix.

    >>> singular_values(torch.tensor([[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]])).tolist()
    [3.0, 4.0]
    """
    check_representations(x)
    matrix = gram(x.detach())
    if not bool(torch.isfinite(matrix).all()):
        return matrix.new_empty(0)
    squares: Tensor = torch.linalg.eigvalsh(matrix)
    if squares.numel() == 0:
        return squares
    floor = squares[-1] * len(squares) * torch.finfo(torch.float64).eps
    return torch.where(squares > floor, squares, 0.0).sqrt()


@dataclass(frozen=True, eq=False)
class Representation:
    """One representation on its graph; what several measures need of it is computed once.

    Every measure is a function of one of these, see :class:`gslt.diagnostics.Measure`. Make one by
    :meth:`of`.
    """

    x: Tensor
    """Representations ``(n, h)`` of any floating-point type, without gradients."""
    topology: Topology
    """The graph, on the device of x."""
    laplacian: Laplacian = "combinatorial"
    """Laplacian of energies, quotients and collapse."""
    average: Average = "nodes"
    """How cosine distances are averaged, see :func:`gslt.diagnostics.mad`."""
    components: Components = "each"
    """What is taken off X, see :func:`gslt.diagnostics.collapse`."""
    labels: Labels | None = None
    """Labels and split of the nodes, on the device of x, for the measures that ask for them."""
    _edge_sums: dict[EdgeForm, float] = field(default_factory=dict, init=False, repr=False)
    _shared: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(
        cls,
        x: Tensor,
        graph: Any,
        laplacian: Laplacian = "combinatorial",
        *,
        average: Average = "nodes",
        components: Components = "each",
        labels: Labels | None = None,
    ) -> Representation:
        """The representation x on any graph that :func:`as_topology` reads.

        Args:
            x: representations ``(n, h)``, any floating-point type.
            graph: whatever :func:`as_topology` reads.
            laplacian: one of :data:`LAPLACIANS`.
            average: ``"nodes"``, ``"edges"`` or ``"survey"``, see :func:`gslt.diagnostics.mad`.
            components: ``"each"`` or ``"whole"``, see :func:`gslt.diagnostics.collapse`.
            labels: of the nodes; default: those of the graph, where it is a data set.

        Raises:
            GraphError: if the graph cannot be read or does not fit x, or x is no dense matrix of
                floating-point numbers.
            DataError: if the labels are none, or not one for every row of x.
            ConfigError: for another Laplacian, average or choice of components.
        """
        check_representations(x)
        topology = as_topology(graph, x.size(0)).to(x.device)
        check_choice("laplacian", laplacian, LAPLACIANS)
        check_choice("average", average, get_args(Average))
        check_choice("components", components, get_args(Components))
        labels = Labels.of(graph, labels)
        if labels is not None:
            labels.check(x.size(0))
            labels = labels.to(x.device)
        return cls(x.detach(), topology, laplacian, average, components, labels)

    def value(self, function: Callable[[Representation], float]) -> float:
        """What a measure's function gives; NaN if x holds NaN or infinity."""
        return function(self) if self.finite else math.nan

    def shared(self, function: Callable[[Representation], T]) -> T:
        """What a function gives of this representation; called once, however many ask."""
        if function not in self._shared:
            self._shared[function] = function(self)
        found: T = self._shared[function]
        return found

    @cached_property
    def finite(self) -> bool:
        """Whether no entry of x is NaN or infinite."""
        return math.isfinite(float(self.norms.sum()))

    @cached_property
    def norms(self) -> Tensor:
        """‖x_i‖² of every row, float64 ``(n,)``."""
        return squared_norms(self.x)

    @cached_property
    def size(self) -> float:
        """Σ_i ω_i ‖x_i‖², with ω of :func:`gslt.diagnostics.rayleigh_quotient`."""
        inner = inner_weight(self.topology, self.laplacian)
        return float((self.norms if inner is None else self.norms * inner).sum())

    @cached_property
    def rest(self) -> float:
        """Σ_i ω_i ‖x_i − (PX)_i‖², with P of :func:`gslt.diagnostics.collapse`."""
        return residual(self.x, self.topology, self.laplacian, self.components)

    @cached_property
    def singular_values(self) -> Tensor:
        """σ, float64 ``(min(n, h),)`` in ascending order, by one Gram matrix."""
        return singular_values(self.x)

    def edge_sum(self, form: EdgeForm) -> float:
        """Sum of a form over the edges; in a pass of its own, unless it was taken before."""
        self.sum_edges(form)
        return self._edge_sums[form]

    def sum_edges(self, *forms: EdgeForm) -> None:
        """Take the sums of several forms in one pass over the edges, for :meth:`edge_sum`."""
        new = [form for form in forms if form not in self._edge_sums]
        sums = edge_sums(self.x, self.topology, [form(self) for form in new])
        self._edge_sums.update(zip(new, sums, strict=True))


#: What a measure sums over the edges of a representation's graph.
EdgeForm = Callable[[Representation], Form]
