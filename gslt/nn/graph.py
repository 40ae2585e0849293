"""What a layer needs of a graph: sums over neighbours, and everything that follows from them."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.profiler import record_function

from gslt.errors import GraphError
from gslt.nn import memory
from gslt.nn.hooks import is_transformed, observed


@dataclass(frozen=True)
class Propagation:
    """A linear operator on node representations: M = diag(left) A diag(right) + diag(root).

    A is the adjacency (targets × sources). Factors are double precision; None stands for ones in
    ``left`` and ``right``, and for zeros in ``root``, which needs as many targets as sources.
    """

    name: tuple[object, ...]
    """Tells it from the other operators of its graph."""
    left: Tensor | None = None
    right: Tensor | None = None
    root: Tensor | None = None

    @property
    def transposed(self) -> Propagation:
        """The operator whose matrix is Mᵀ, Aᵀ being in the place of A."""
        return Propagation((*self.name, "transposed"), self.right, self.left, self.root)


class Graph(ABC):
    """A directed graph that sums neighbours: messages run from source j to target i.

    Backends implement :meth:`multiply` and the two degree vectors, and ``_attend`` for
    :meth:`attention`. Rows of ``x`` are source nodes, rows of a result are target nodes; the two
    sets are the same unless the graph is bipartite.
    ``root`` adds a multiple of the node itself, and needs that they are the same.
    """

    def __init__(self) -> None:
        self._operators: dict[tuple[object, ...], Propagation] = {}
        self._constants: dict[int, _Constant] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_constants": {}}

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """Number of targets and of sources."""

    @property
    @abstractmethod
    def in_degree(self) -> Tensor:
        """Number of edges into each target ``(num_targets,)``, parallel edges counted, float."""

    @property
    @abstractmethod
    def self_loops(self) -> Tensor:
        """Number of self-loops of each node ``(num_nodes,)``, float."""

    @abstractmethod
    def multiply(self, operator: Propagation, x: Tensor, transposed: bool) -> Tensor:
        """M x, or Mᵀ x, without a gradient; summed in single precision at least.

        Args:
            operator: M.
            x: representations ``(num_sources, width)``, or of the targets for Mᵀ.
            transposed: whether Mᵀ is meant.

        Returns:
            ``(num_targets, width)``, or of the sources for Mᵀ, in the type of ``x``.
        """

    def sum(self, x: Tensor, root: float = 0.0) -> Tensor:
        """Sum root x_i + Σ_{j → i} x_j for every target i.

        Args:
            x: representations ``(num_sources, width)``.
            root: factor on the node itself.

        Returns:
            ``(num_targets, width)``.
        """
        return self.propagate(x, self.operator(("sum", root), lambda: {"root": self._root(root)}))

    def mean(self, x: Tensor, root: float = 0.0) -> Tensor:
        """Mean of x_j over the edges j → i, zero where there is none, plus root x_i.

        Args:
            x: representations ``(num_sources, width)``.
            root: factor on the node itself.

        Returns:
            ``(num_targets, width)``.
        """

        def factors() -> Factors:
            left = self.in_degree.double().clamp(min=1).reciprocal()
            return {"left": left, "root": self._root(root)}

        return self.propagate(x, self.operator(("mean", root), factors))

    def symmetric(self, x: Tensor) -> Tensor:
        """D̂^(−½) Â D̂^(−½) x of Kipf & Welling 2017 (arXiv 1609.02907), Eq. 2.

        Â is the adjacency with exactly one self-loop at every node (a loop that is there counts as
        that one), D̂ its in-degrees.

        Args:
            x: representations ``(num_nodes, width)``.

        Returns:
            ``(num_nodes, width)``.
        """

        def factors() -> Factors:
            scale = (self.in_degree - self.self_loops + 1).double().rsqrt()
            root = (1 - self.self_loops).double() * scale.square()
            return {"left": scale, "right": scale, "root": root}

        return self.propagate(x, self.operator(("symmetric",), factors))

    def attention(self, x: Tensor, source: Tensor, target: Tensor, slope: float = 0.2) -> Tensor:
        r"""Attention over a node and its neighbours, Veličković et al. 2018 (arXiv 1710.10903).

        Σ_j α_ij x_j for every head, over the edges j → i and exactly one self-loop at every node
        (a loop that is there counts as that one), parallel edges counted. α_ij is the softmax over
        j of LeakyReLU(source_j + target_i), Eq. 3, in single precision at least.

        Args:
            x: representations ``(num_nodes, heads · width)``, head beside head.
            source: what a node j says of itself ``(num_nodes, heads)``.
            target: what a node i asks for ``(num_nodes, heads)``.
            slope: of LeakyReLU below 0, not negative.

        Returns:
            ``(num_nodes, heads · width)``, in the type of ``x``.

        Raises:
            GraphError: if the features do not fit the graph, or its edges have weights.
        """
        check_features(x, self.shape[1])
        self._check_rooted()
        return observed("aggregation", self._attend(x, source, target, slope))

    def _attend(self, x: Tensor, source: Tensor, target: Tensor, slope: float) -> Tensor:
        """What :meth:`attention` gives, from arguments that fit; every graph of gslt has it."""
        raise GraphError(
            f"{type(self).__name__} sums over neighbours without attention; give it _attend, or "
            "take another architecture than gat"
        )

    def operator(self, name: tuple[object, ...], factors: Callable[[], Factors]) -> Propagation:
        """The operator of this name, whose factors are computed once.

        Args:
            name: tells it from the other operators of this graph.
            factors: computes ``left``, ``right`` and ``root`` of :class:`Propagation`.
        """
        if name not in self._operators:
            self._operators[name] = Propagation(name, **factors())
        return self._operators[name]

    def propagate(self, x: Tensor, operator: Propagation) -> Tensor:
        """M x; of a tensor told to :meth:`remember` it is computed once.

        Args:
            x: representations ``(num_sources, width)``.
            operator: M.

        Returns:
            ``(num_targets, width)``.

        Raises:
            GraphError: if the features do not fit the graph.
        """
        return observed("aggregation", self._propagate(x, operator))

    def _propagate(self, x: Tensor, operator: Propagation) -> Tensor:
        check_features(x, self.shape[1])
        if operator.root is not None:
            self._check_rooted()
        if not self.remembers(x):
            return self._product(x, operator)
        results = self._constants[id(x)].results
        if operator.name not in results:
            results[operator.name] = self.multiply(operator, x, transposed=False)
        return results[operator.name]

    def _check_rooted(self) -> None:
        if self.shape[0] != self.shape[1]:
            raise GraphError(f"a graph of {self.shape[1]} → {self.shape[0]} nodes has no roots")

    def _check_untransformed(self) -> None:
        if is_transformed():
            raise GraphError(
                "torch.func (vmap, grad, jvp, …) goes through no kernel of a sparse product; give "
                "a model of the backend pyg edge_index (2, E) itself: plain operations are taken"
            )

    def _product(self, x: Tensor, operator: Propagation) -> Tensor:
        """M x with a gradient."""
        self._check_untransformed()
        result: Tensor = _Propagate.apply(x, self, operator, False)  # type: ignore[no-untyped-call]
        return result

    def remember(self, x: Tensor) -> None:
        """Take ``x`` for constant: what is propagated from it is kept as long as the graph lives.

        The features of a full-batch search are. A tensor that is written to is forgotten.

        Args:
            x: representations ``(num_sources, width)``, held from now on.

        Raises:
            GraphError: if ``x`` requires a gradient.
        """
        if x.requires_grad:
            raise GraphError("a tensor that requires a gradient is no constant of a graph")
        self._constants[id(x)] = _Constant(x, x._version)

    def remembers(self, x: Tensor) -> bool:
        """Whether this very ``x`` ``(num_sources, width)`` is remembered and has not changed."""
        constant = self._constants.get(id(x))
        return constant is not None and constant.x is x and constant.version == x._version

    def _root(self, value: float) -> Tensor | None:
        return None if value == 0 else torch.full_like(self.in_degree, value, dtype=torch.float64)


class EdgelessGraph(Graph):
    """As many nodes as another graph and no edge, not even loops: the control without a graph.

    Sums over neighbours are zero and degrees 0, so that M is diag(root): GIN maps x to W x,
    GraphSAGE to W_r x, and GCN and GAT, which give every node the one loop that they need, to W x.

    Args:
        num_nodes: number of nodes.
        device: where they are.
    """

    def __init__(self, num_nodes: int, device: torch.device | str = "cpu") -> None:
        super().__init__()
        self._degree = torch.zeros(num_nodes, device=device)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of targets and of sources, which is the same."""
        return len(self._degree), len(self._degree)

    @property
    def in_degree(self) -> Tensor:
        """Zeros ``(num_nodes,)``."""
        return self._degree

    @property
    def self_loops(self) -> Tensor:
        """Zeros ``(num_nodes,)``."""
        return self._degree

    def multiply(self, operator: Propagation, x: Tensor, transposed: bool) -> Tensor:
        """diag(root) x, which is its own transpose.

        Args:
            operator: of which the root alone is left.
            x: representations ``(num_nodes, width)``.
            transposed: of no consequence.
        """
        out = memory.empty_like(x)
        if operator.root is None:
            return out.zero_()
        return torch.mul(x, operator.root.to(x.dtype).unsqueeze(1), out=out)

    def _attend(self, x: Tensor, source: Tensor, target: Tensor, slope: float) -> Tensor:
        loops = torch.arange(len(self._degree), device=self._degree.device).expand(2, -1)
        return _attended(x, source, target, slope, loops, torch.ones_like(self._degree))


class EdgeList(Graph):
    """Edges as they were given, summed over by plain operations of torch: a message per edge.

    It takes more time and memory than a sparse product, and is what torch can record, of whatever
    size the graph will be. Edges that name nodes which are not there are found by torch, when it
    runs them.

    Args:
        edge_index: int64 ``(2, E)``, row 0 sources and row 1 targets.
        num_sources: number of source nodes.
        num_targets: number of target nodes.
    """

    def __init__(self, edge_index: Tensor, num_sources: int, num_targets: int) -> None:
        super().__init__()
        self.edge_index = edge_index.long()
        self._shape = (num_targets, num_sources)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of targets and of sources."""
        return self._shape

    @property
    def in_degree(self) -> Tensor:
        """Number of edges into each target, parallel edges counted."""
        target = self.edge_index[1]
        degree = torch.zeros(self.shape[0], device=target.device)
        return degree.scatter_add(0, target, torch.ones_like(target, dtype=degree.dtype))

    @property
    def self_loops(self) -> Tensor:
        """Number of self-loops of each node."""
        source, target = self.edge_index
        count = torch.zeros(self.shape[0], device=target.device)
        return count.scatter_add(0, target, (source == target).to(count.dtype))

    def multiply(self, operator: Propagation, x: Tensor, transposed: bool) -> Tensor:
        """M x, or Mᵀ x: messages, added up. Autograd differentiates it.

        Args:
            operator: M.
            x: representations ``(num_sources, width)``, or of the targets for Mᵀ.
            transposed: whether Mᵀ is meant.
        """
        step = operator.transposed if transposed else operator
        source, target = self.edge_index.flip(0) if transposed else self.edge_index
        wide = x.to(torch.promote_types(x.dtype, torch.float32))

        def scaled(rows: Tensor, factor: Tensor | None) -> Tensor:
            return rows if factor is None else rows * factor.to(wide.dtype).reshape(-1, 1)

        messages = scaled(wide, step.right)[source]
        height = self.shape[1 if transposed else 0]
        # Not index_add, of which ONNX knows none with an index that comes twice.
        place = target.unsqueeze(1).expand_as(messages)
        sums = messages.new_zeros(height, x.size(1)).scatter_add(0, place, messages)
        out = scaled(sums, step.left)
        return (out if step.root is None else out + scaled(wide, step.root)).to(x.dtype)

    def _product(self, x: Tensor, operator: Propagation) -> Tensor:
        return self.multiply(operator, x, transposed=False)

    def _attend(self, x: Tensor, source: Tensor, target: Tensor, slope: float) -> Tensor:
        loops = torch.arange(self.shape[0], device=x.device).expand(2, -1)
        # The graphs of all calls have edges by one rule: loops that are there count for nothing.
        others = (self.edge_index[0] != self.edge_index[1]).float()
        count = torch.cat([others, torch.ones_like(loops[0], dtype=others.dtype)])
        edges = torch.cat([self.edge_index, loops], dim=1)
        return _attended(x, source, target, slope, edges, count)

    def remembers(self, x: Tensor) -> bool:
        """Never: a record has no constants, whatever x ``(num_sources, width)`` is."""
        return False


def _attended(
    x: Tensor, source: Tensor, target: Tensor, slope: float, edges: Tensor, count: Tensor
) -> Tensor:
    """:meth:`Graph.attention` by messages, over edges ``(2, E)`` of which each counts so often."""
    j, i = edges
    heads = source.size(1)
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    wide = wide.reshape(x.size(0), heads, x.size(1) // heads)
    said = F.leaky_relu((source[j] + target[i]).to(wide.dtype), slope)
    place = i.unsqueeze(1).expand_as(said)
    top = torch.full_like(wide[:, :, 0], float("-inf"))
    top = top.scatter_reduce(0, place, said.detach(), "amax")
    weight = (said - top[i]).exp() * count.to(wide.dtype).unsqueeze(1)
    total = torch.zeros_like(top).scatter_add(0, place, weight)
    messages = (weight / total[i]).unsqueeze(2) * wide[j]
    place = place.unsqueeze(2).expand_as(messages)
    return torch.zeros_like(wide).scatter_add(0, place, messages).flatten(1).to(x.dtype)


Factors = dict[str, Tensor | None]


@dataclass
class _Constant:
    """A constant tensor, held so that no other takes over its identity, and what came of it."""

    x: Tensor
    version: int
    results: dict[tuple[object, ...], Tensor] = field(default_factory=dict)


class _Propagate(torch.autograd.Function):
    """M x forward, Mᵀ g backward."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, graph: Graph, operator: Propagation, transposed: bool
    ) -> Tensor:
        ctx.graph, ctx.operator, ctx.transposed = graph, operator, transposed
        with record_function("gslt::sparse product"):
            return graph.multiply(operator, x, transposed)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        transposed = not ctx.transposed
        back = _Propagate.apply(grads[0], ctx.graph, ctx.operator, transposed)  # type: ignore[no-untyped-call]
        return back, None, None, None


def check_features(x: Tensor, num_sources: int) -> None:
    """Refuse features that no graph of this size can sum.

    Args:
        x: what was given as ``(num_sources, width)``.
        num_sources: number of source nodes.

    Raises:
        GraphError: unless ``x`` is a dense matrix with one row per source node.
    """
    if x.layout != torch.strided:
        raise GraphError(
            "sparse features cannot be aggregated before a linear map; use dense features, or a "
            "layer that begins with one linear map (a GIN whose nn is a single torch.nn.Linear)"
        )
    if x.dim() != 2 or x.size(0) != num_sources:
        raise GraphError(
            f"the graph has {num_sources} source nodes, so the features must have shape "
            f"({num_sources}, width), got {tuple(x.shape)}"
        )


class Backend(Protocol):
    """An engine: how it builds a graph, and in which order its layers take their inputs."""

    name: str
    """``"pyg"`` or ``"dgl"``."""

    def graph(self, edge_index: Tensor, num_nodes: int) -> Graph:
        """A graph of this engine.

        Args:
            edge_index: int64 ``(2, E)``, row 0 sources and row 1 targets.
            num_nodes: number of nodes.
        """

    def inputs(self, x: Tensor, graph: Graph) -> Sequence[object]:
        """Arguments of a layer or model of this backend, in the host's order.

        Args:
            x: features ``(N, in)``.
            graph: a graph of this backend.
        """

    def bind(self, *inputs: object) -> tuple[Tensor, Graph]:
        """Features ``(N, in)`` and graph from the arguments of a call: undoes :meth:`inputs`.

        Args:
            *inputs: in the host's order, and of the host's types.
        """


def two_inputs(inputs: Sequence[Any], names: str) -> Sequence[Any]:
    """The two inputs of a network's call.

    Args:
        inputs: of the call.
        names: what they are, as a tuple of Python's.

    Raises:
        GraphError: if there are more or fewer.
    """
    if len(inputs) != 2:
        raise GraphError(
            f"a network of gslt takes {names} and no more, such as edge weights; got "
            f"{len(inputs)} inputs"
        )
    return inputs


def row_starts(row: Tensor, height: int) -> Tensor:
    """Where each row begins in a list of entries sorted by ``row``: the pointers of CSR.

    >>> row_starts(torch.tensor([0, 0, 2]), 4).tolist()
    [0, 2, 2, 3, 3]

    Args:
        row: row of each entry, int64 ``(E,)``, ascending.
        height: number of rows.

    Returns:
        int64 ``(height + 1,)``.
    """
    start = torch.zeros(height + 1, dtype=torch.int64, device=row.device)
    start[1:] = torch.bincount(row, minlength=height).cumsum(0)
    return start


def sparse_csr(start: Tensor, column: Tensor, value: Tensor, shape: torch.Size) -> Tensor:
    """``torch.sparse_csr_tensor`` without the notice that its support is in beta.

    Args:
        start: where each row begins ``(height + 1,)``, see :func:`row_starts`.
        column: column of each entry, int64 ``(E,)``.
        value: value of each entry ``(E,)``.
        shape: height and width.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return torch.sparse_csr_tensor(start, column, value, shape)
