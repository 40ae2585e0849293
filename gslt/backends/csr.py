"""PyG's engine: a graph as a sparse matrix in compressed rows, with its transpose for the gradient.

Neighbour sums are sparse products. Only ``torch`` itself is needed for speed: no torch-scatter,
torch-sparse or pyg-lib. PyG is imported for the normalisation of weighted graphs alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from gslt.backends.sparse import Neighbours, attend, merged, sparse_product
from gslt.environment import import_quietly
from gslt.errors import GraphError
from gslt.nn import memory
from gslt.nn.graph import EdgeList, Graph, Propagation, row_starts, sparse_csr, two_inputs
from gslt.nn.hooks import is_exported, is_traced, is_transformed


class CSRGraph(Graph):
    """Edges as a sparse (targets × sources) matrix; parallel edges are merged into one entry.

    Args:
        edge_index: int64 (2, E), row 0 sources, row 1 targets.
        num_sources: number of source nodes.
        num_targets: number of target nodes.
        weight: edge weights ``(E,)``; default 1.

    Raises:
        GraphError: if ``edge_index`` is not integer (2, E), an edge names a node that is not there,
            or the weights do not fit.
    """

    def __init__(
        self,
        edge_index: Tensor,
        num_sources: int,
        num_targets: int,
        weight: Tensor | None = None,
    ) -> None:
        super().__init__()
        _check_edges(edge_index, num_sources, num_targets, weight)
        self._shape = (num_targets, num_sources)
        source, target = edge_index.long()
        ones = torch.ones(source.numel(), dtype=torch.float64, device=source.device)
        self._row, self._col, self._multiplicity = merged(target, source, ones)
        self._value = self._multiplicity
        self.weighted = weight is not None and bool((weight != 1).any())
        if weight is not None:
            flat = weight.detach().reshape(-1).to(torch.float64)
            self._value = merged(target, source, flat)[2]
        self._matrices: dict[tuple[object, ...], Tensor] = {}

    def __getstate__(self) -> dict[str, Any]:
        # torch.sparse_csr tensors can be neither copied deeply nor pickled; they are built again.
        return {**super().__getstate__(), "_matrices": {}}

    @property
    def shape(self) -> tuple[int, int]:
        """Number of targets and of sources."""
        return self._shape

    def multiply(self, operator: Propagation, x: Tensor, transposed: bool) -> Tensor:
        """M x, or Mᵀ x: one sparse product, all factors of M being in the matrix.

        Args:
            operator: M.
            x: representations ``(num_sources, width)``, or of the targets for Mᵀ.
            transposed: whether Mᵀ is meant.
        """
        matrix = self.matrix(operator, x.dtype, transposed)
        out = memory.empty(matrix.size(0), x.size(1), x.dtype, x.device)
        return sparse_product(matrix, x, out)

    def _attend(self, x: Tensor, source: Tensor, target: Tensor, slope: float) -> Tensor:
        if self.weighted:
            raise GraphError(
                "attention counts edges, but this graph has edge weights; drop the weights"
            )
        self._check_untransformed()
        return attend(x, source, target, self._with_loops, slope)

    @cached_property
    def _with_loops(self) -> Neighbours:
        """The edges with exactly one self-loop at every node."""
        others, node = self._row != self._col, torch.arange(self.shape[0], device=self._row.device)
        kept = (each[others] for each in (self._row, self._col, self._multiplicity))
        loops = (node, node, torch.ones_like(node, dtype=torch.float64))
        edges = merged(*(torch.cat(pair) for pair in zip(kept, loops, strict=True)))
        return Neighbours(*edges, self.shape[0])

    def symmetric(self, x: Tensor) -> Tensor:
        """D̂^(−½) Â D̂^(−½) x, as in :class:`Graph`, which knows no edge weights.

        Args:
            x: representations ``(num_nodes, width)``.

        Raises:
            GraphError: if the edges have weights.
        """
        if self.weighted:
            raise GraphError(
                "symmetric normalisation here counts edges, but this graph has edge weights; use "
                "gslt.backends.pyg.FrozenGCNConv on the weighted adjacency, or drop the weights"
            )
        return super().symmetric(x)

    @cached_property
    def in_degree(self) -> Tensor:
        """Number of edges into each target, parallel edges counted, whatever their weight."""
        degree = torch.zeros(self.shape[0], dtype=torch.float64, device=self._row.device)
        return degree.index_add_(0, self._row, self._multiplicity).float()

    @cached_property
    def self_loops(self) -> Tensor:
        """Number of self-loops of each node."""
        loop = self._row == self._col
        count = torch.zeros(self.shape[0], dtype=torch.float64, device=self._row.device)
        return count.index_add_(0, self._row[loop], self._multiplicity[loop]).float()

    def matrix(self, operator: Propagation, dtype: torch.dtype, transposed: bool = False) -> Tensor:
        """M, or its transpose, as a ``torch.sparse_csr`` tensor; built once.

        Args:
            operator: M.
            dtype: type of its entries.
            transposed: whether Mᵀ is meant.

        Returns:
            ``(num_targets, num_sources)``, or the other way round.
        """
        key = (operator.name, dtype, transposed)
        if key not in self._matrices:
            self._matrices[key] = self._build(operator, dtype, transposed)
        return self._matrices[key]

    def _build(self, operator: Propagation, dtype: torch.dtype, transposed: bool) -> Tensor:
        row, col, value, (height, width) = self._row, self._col, self._value, self.shape
        if operator.left is not None:
            value = value * operator.left[row]
        if operator.right is not None:
            value = value * operator.right[col]
        if transposed:
            order = torch.argsort(col, stable=True)
            row, col, value = col[order], row[order], value[order]
            height, width = width, height
        if operator.root is not None:
            node = torch.arange(height, device=row.device)
            row, col, value = merged(
                torch.cat([row, node]), torch.cat([col, node]), torch.cat([value, operator.root])
            )
        size = torch.Size((height, width))
        return sparse_csr(row_starts(row, height), col, value.to(dtype), size)


class NormalisedGraph(CSRGraph):
    """A graph whose edge weights are PyG's symmetric normalisation already."""

    @classmethod
    def of(
        cls,
        edge_index: Tensor,
        edge_weight: Tensor | None,
        num_nodes: int,
        improved: bool,
        add_self_loops: bool,
    ) -> NormalisedGraph:
        """The graph after ``torch_geometric.nn.conv.gcn_conv.gcn_norm`` with these options.

        Args:
            edge_index: int64 ``(2, E)``, or the transposed adjacency as a ``torch.sparse`` tensor.
            edge_weight: ``(E,)``; None for ones.
            num_nodes: number of nodes.
            improved: self-loops of weight 2.
            add_self_loops: whether self-loops are added at all.

        Raises:
            GraphError: as :class:`CSRGraph`.
        """
        gcn_norm = import_quietly("torch_geometric.nn.conv.gcn_conv").gcn_norm

        edges, values = edges_of(edge_index, num_nodes, num_nodes)
        _check_edges(edges, num_nodes, num_nodes, edge_weight if values is None else values)
        # Normalised in double precision: the rounding to the type of the features comes last.
        double = torch.float64
        given = edges.long() if values is None else edge_index.to(double)
        if edge_weight is not None:
            edge_weight = edge_weight.to(double)
        index, weight = gcn_norm(
            given, edge_weight, num_nodes, improved, add_self_loops, dtype=double
        )
        if weight is None:
            index, weight = edges_of(index, num_nodes, num_nodes)
        return cls(index, num_nodes, num_nodes, weight)

    def symmetric(self, x: Tensor) -> Tensor:
        """The weighted sum of x ``(num_nodes, width)``: the weights are the normalisation."""
        return self.sum(x)


class CompiledGraph(EdgeList):
    """Edges of a call that is compiled: sums over them are one operator to the compiler.

    When it runs it is the sparse product of the :class:`CSRGraph` of these edges, which is built
    once per tensor of edges.
    """

    def _product(self, x: Tensor, operator: Propagation) -> Tensor:
        targets, sources = self.shape
        name = " ".join(map(str, operator.name))
        factors = (operator.left, operator.right, operator.root)
        edges = self.edge_index
        out: Tensor = _propagated(x, edges, sources, targets, name, *factors, False)
        return out


@torch.library.custom_op(
    "gslt::propagate",
    mutates_args=(),
    schema=(
        "(Tensor x, Tensor edge_index, SymInt sources, SymInt targets, str name, Tensor? left, "
        "Tensor? right, Tensor? root, bool transposed) -> Tensor"
    ),
)
def _propagated(
    x: Tensor,
    edge_index: Tensor,
    sources: int,
    targets: int,
    name: str,
    left: Tensor | None,
    right: Tensor | None,
    root: Tensor | None,
    transposed: bool,
) -> Tensor:
    operator = Propagation((name,), left, right, root)
    out = as_graph(edge_index, sources, targets).multiply(operator, x, transposed)
    # A compiler reckons with the strides that the shape says.
    return out.contiguous()


@_propagated.register_fake
def _(x: Tensor, edge_index: Tensor, sources: int, targets: int, *rest: Any) -> Tensor:
    return x.new_empty(sources if rest[-1] else targets, x.size(1))


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, edges, *sizes_and_name, left, right, root, transposed = inputs
    ctx.save_for_backward(edges, left, right, root)
    ctx.rest = (*sizes_and_name, transposed)


def _propagated_back(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    edges, *factors = ctx.saved_tensors
    sources, targets, name, transposed = ctx.rest
    back = _propagated(grad, edges, sources, targets, name, *factors, not transposed)
    return (back, *[None] * 8)


_propagated.register_autograd(_propagated_back, setup_context=_keep)


GraphT = TypeVar("GraphT", bound=CSRGraph)
_CACHE: Any = WeakTensorKeyDictionary()


def cached_graph(edges: Tensor, key: tuple[Any, ...], build: Callable[[], GraphT]) -> GraphT:
    """The graph of this very tensor, built once as long as nobody writes to the tensor.

    Args:
        edges: ``edge_index`` ``(2, E)`` or an adjacency; the graph is forgotten with it.
        key: tells the graphs that are built from one tensor apart.
        build: makes the graph.
    """
    if edges.is_inference():
        return build()
    version, graphs = _CACHE.get(edges, (None, {}))
    if version != edges._version:
        graphs = {}
        _CACHE[edges] = (edges._version, graphs)
    if key not in graphs:
        graphs[key] = build()
    graph: GraphT = graphs[key]
    return graph


def traced_graph(edges: object, num_sources: int, num_targets: int) -> EdgeList | None:
    """The graph of a call that torch records; None if it records none, or cannot record edges.

    What cannot be recorded for a compiler is computed between two of its graphs instead.

    Args:
        edges: ``edge_index`` ``(2, E)``, or anything else.
        num_sources: number of source nodes.
        num_targets: number of target nodes.

    Raises:
        GraphError: if the call is exported, and edges are no ``edge_index``.
    """
    if not is_traced():
        return None
    if not isinstance(edges, Tensor) or edges.layout != torch.strided:
        if is_exported():
            raise GraphError(
                "only a graph that is a dense tensor, edge_index (2, E), can be exported, got "
                f"{getattr(edges, 'layout', type(edges).__name__)}"
            )
        return None
    kind = EdgeList if is_exported() or is_transformed() else CompiledGraph
    return kind(edges, num_sources, num_targets)


def as_graph(edges: object, num_sources: int, num_targets: int) -> CSRGraph:
    """A graph from an ``edge_index``, ``EdgeIndex`` or ``torch.sparse`` transposed adjacency.

    Args:
        edges: ``(2, E)``, row 0 sources and row 1 targets, or an adjacency
            ``(num_targets, num_sources)``; a :class:`CSRGraph` is returned as it is.
        num_sources: number of source nodes.
        num_targets: number of target nodes.

    Raises:
        GraphError: for any other type, or for edges that do not fit the number of nodes.
    """
    if isinstance(edges, CSRGraph):
        if edges.shape != (num_targets, num_sources):
            raise GraphError(
                f"the graph is {edges.shape[1]} → {edges.shape[0]} nodes, but the features have "
                f"{num_sources} → {num_targets} rows"
            )
        return edges
    if not isinstance(edges, Tensor):
        raise GraphError(
            f"edge_index must be a tensor (edge_index, EdgeIndex or torch.sparse), got "
            f"{type(edges).__name__}"
        )
    tensor = edges

    def build() -> CSRGraph:
        index, value = edges_of(tensor, num_sources, num_targets)
        return CSRGraph(index, num_sources, num_targets, value)

    return cached_graph(tensor, ("plain", num_sources, num_targets), build)


def plain_edges(edge_index: Tensor) -> Tensor:
    """An ``edge_index`` without the operations that PyG's ``EdgeIndex`` overrides.

    Args:
        edge_index: ``(2, E)``.
    """
    # torch 2.6 cannot take the subclass off what PyG has wrapped.
    if hasattr(edge_index, "as_tensor"):
        plain: Tensor = edge_index.as_tensor()
        return plain
    return edge_index.as_subclass(Tensor)


def edges_of(edges: Tensor, num_sources: int, num_targets: int) -> tuple[Tensor, Tensor | None]:
    """``edge_index`` (2, E) and, of a ``torch.sparse`` transposed adjacency, its values.

    Args:
        edges: ``(2, E)``, or an adjacency ``(num_targets, num_sources)``.
        num_sources: number of source nodes.
        num_targets: number of target nodes.

    Returns:
        int64 ``(2, E)``, and values ``(E,)`` or None.

    Raises:
        GraphError: for an adjacency of another layout or shape.
    """
    if edges.layout == torch.strided:
        return plain_edges(edges), None
    if edges.layout == torch.sparse_coo:
        coo = edges.coalesce()
    elif edges.layout in (torch.sparse_csr, torch.sparse_csc):
        coo = edges.to_sparse_coo().coalesce()  # type: ignore[no-untyped-call]
    else:
        raise GraphError(f"the adjacency has layout {edges.layout}; use torch.sparse CSR or COO")
    if tuple(coo.shape) != (num_targets, num_sources):
        raise GraphError(
            f"the transposed adjacency has shape {tuple(coo.shape)}, but the features ask for "
            f"{num_targets} targets × {num_sources} sources"
        )
    target, source = coo.indices()
    return torch.stack([source, target]), coo.values()


def _check_edges(edges: Tensor, sources: int, targets: int, weight: Tensor | None) -> None:
    if edges.dim() != 2 or edges.size(0) != 2 or edges.is_floating_point():
        raise GraphError(
            f"edge_index must be an integer tensor of shape (2, E), got {edges.dtype} "
            f"{tuple(edges.shape)}"
        )
    for row, limit, role in ((0, sources, "source"), (1, targets, "target")):
        wrong = (edges[row] < 0) | (edges[row] >= limit)
        if bool(wrong.any()):
            edge = int(wrong.nonzero()[0])
            raise GraphError(
                f"edge {edge} has {role} {int(edges[row, edge])}, but there are {limit} {role} "
                "nodes (one per feature row)"
            )
    if weight is not None and weight.numel() != edges.size(1):
        raise GraphError(f"there are {edges.size(1)} edges but {weight.numel()} edge weights")
    if weight is not None and weight.requires_grad:
        raise GraphError("the edge weights require a gradient; a frozen layer trains nothing")


class PyGBackend:
    """The engine of PyG-style calls ``(x, edge_index)``."""

    name = "pyg"

    def graph(self, edge_index: Tensor, num_nodes: int) -> CSRGraph:
        """The sparse matrix of these edges.

        Args:
            edge_index: int64 ``(2, E)``, row 0 sources and row 1 targets.
            num_nodes: number of nodes.
        """
        return CSRGraph(edge_index, num_nodes, num_nodes)

    def inputs(self, x: Tensor, graph: Graph) -> tuple[object, ...]:
        """``(x, graph)``.

        Args:
            x: features ``(N, in)``.
            graph: a graph of this backend.
        """
        return x, graph

    def bind(self, *inputs: Any) -> tuple[Tensor, Graph]:
        """Features ``(N, in)`` and graph from ``(x, edge_index)``, see :func:`as_graph`."""
        x, edge_index = two_inputs(inputs, "(x, edge_index)")
        nodes = x.size(0), x.size(0)
        return x, traced_graph(edge_index, *nodes) or as_graph(edge_index, *nodes)


BACKEND = PyGBackend()
