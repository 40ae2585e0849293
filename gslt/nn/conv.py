"""GIN, GCN, GraphSAGE and GAT layers over any :class:`~gslt.nn.graph.Graph`.

The maths of each layer stands here once, as a function: for trained and for frozen weights, for the
layers of :class:`gslt.GNN` on PyG and on DGL, and for PyG's own layers in their frozen form.
``x`` is a tensor ``(N, in)``, or a pair (sources, targets) on a bipartite graph; the second of the
pair may be None where the layer uses no representation of the target itself. The features of the
graph may be a ``torch.sparse_csr`` tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gslt.nn import ops
from gslt.nn.graph import Graph
from gslt.nn.hooks import has_hooks, is_patched, observed, refuse_script
from gslt.settings import check_choice

Features = Tensor | tuple[Tensor, Tensor | None]
#: What is taken over the neighbours in GIN and GraphSAGE.
AGGREGATIONS = ("sum", "mean")


def split_features(x: Features) -> tuple[Tensor, Tensor | None]:
    """Sources ``(N, in)`` and targets of a pair; twice the same tensor where there is but one."""
    return (x, x) if isinstance(x, Tensor) else x


def project_first(x: Tensor, graph: Graph, in_channels: int, out_channels: int) -> bool:
    """Whether to multiply by W before aggregating: where that is narrower, or x is sparse.

    Aggregation and a linear map commute, so the order is a matter of cost alone. What the graph
    remembers is aggregated already.

    Args:
        x: representations ``(N, in)``, dense or ``torch.sparse_csr``.
        graph: the graph that is to sum them.
        in_channels: width before the map.
        out_channels: width after it.
    """
    if x.layout != torch.strided:
        return True
    return in_channels > out_channels and not graph.remembers(x)


def gin(
    x: Features, graph: Graph, module: nn.Module, eps: float, aggr: Literal["sum", "mean"]
) -> Tensor:
    """h((1 + ε) x_i + Σ_{j → i} x_j), as :class:`GINConv` says.

    Args:
        x: representations ``(N, in)``, or a pair (sources, targets).
        graph: the graph that sums them.
        module: h.
        eps: ε.
        aggr: ``"sum"`` or ``"mean"`` over neighbours.

    Returns:
        ``(N, out)``.
    """
    source, target = split_features(x)
    if not _is_linear(module) or not project_first(source, graph, *_widths(module)):
        result: Tensor = module(_with_itself(source, target, graph, eps, aggr))
        return result
    projected = _project(module, source)
    same = target is source
    target = projected if same else None if target is None else _project(module, target)
    return _biased(_with_itself(projected, target, graph, eps, aggr), module)


def _with_itself(
    source: Tensor, target: Tensor | None, graph: Graph, eps: float, aggr: str
) -> Tensor:
    """(1 + ε) x_i + Σ x_j, or with the mean."""
    aggregate = graph.mean if aggr == "mean" else graph.sum
    if target is source:
        return aggregate(source, root=1 + eps)
    out = aggregate(source)
    if target is None:
        return out
    return out + (target if eps == 0 else (1 + eps) * target)


def gcn(
    x: Tensor,
    graph: Graph,
    linear: nn.Module,
    bias: Tensor | None,
    aggregate: Callable[[Tensor], Tensor],
) -> Tensor:
    """P X Wᵀ + b, as :class:`GCNConv` says.

    Args:
        x: representations ``(N, in)``.
        graph: the graph whose P it is.
        linear: the map by W.
        bias: b ``(out,)``, if there is one.
        aggregate: representations ``(N, width)`` → P times these.

    Returns:
        ``(N, out)``.
    """
    if project_first(x, graph, *_widths(linear)):
        out = aggregate(_project(linear, x))
    else:
        out = _project(linear, aggregate(x))
    return out if bias is None else out + bias


def sage(
    x: Features,
    graph: Graph,
    lin_l: nn.Module,
    lin_r: nn.Module | None,
    lin: nn.Module | None,
    aggr: Literal["sum", "mean"],
    normalize: bool,
) -> Tensor:
    """W_l mean_{j → i} x_j + b + W_r x_i, as :class:`SAGEConv` says.

    Args:
        x: representations ``(N, in)``, or a pair (sources, targets).
        graph: the graph that sums them.
        lin_l: the map by W_l and b.
        lin_r: the map by W_r, if there is one.
        lin: the map by W_p and b_p, where x_j is replaced by ReLU(W_p x_j + b_p) first.
        aggr: ``"mean"`` or ``"sum"`` over neighbours.
        normalize: divide every output row by its Euclidean length.

    Returns:
        ``(N, out)``.
    """
    source, target = split_features(x)
    if lin is not None:
        source = observed("activation", F.relu(lin(source)))
    elif target is source and source.requires_grad:
        source, target = ops.fan_out(source)
    aggregate = graph.mean if aggr == "mean" else graph.sum
    if not is_patched(lin_l) and project_first(source, graph, *_widths(lin_l)):
        out = _biased(aggregate(_project(lin_l, source)), lin_l)
    else:
        out = lin_l(aggregate(source))
    if lin_r is not None and target is not None:
        out = out + _project(lin_r, target)
    return observed("normalisation", F.normalize(out, p=2.0, dim=-1)) if normalize else out


def gat(
    x: Tensor,
    graph: Graph,
    linear: nn.Module,
    att_src: Tensor,
    att_dst: Tensor,
    bias: Tensor | None,
    concat: bool,
    slope: float,
) -> Tensor:
    """‖_h Σ_j α^h_ij W^h x_j + b, as :class:`GATConv` says.

    Args:
        x: representations ``(N, in)``.
        graph: the graph that sums them.
        linear: the map by W, all heads side by side.
        att_src: a_s of each head ``(heads, out)``.
        att_dst: a_t of each head ``(heads, out)``.
        bias: b, if there is one.
        concat: heads side by side; if not, their mean.
        slope: of LeakyReLU.

    Returns:
        ``(N, heads · out)``, or ``(N, out)`` without ``concat``.
    """
    heads, width = att_src.shape
    x, asked = ops.fan_out(_project(linear, x))
    # Rows of a matrix that meets the columns of one head each: a_s · W x and a_t · W x at once.
    each = torch.eye(heads, dtype=att_src.dtype, device=att_src.device).unsqueeze(2)
    vectors = torch.cat([(each * att).flatten(1) for att in (att_src, att_dst)])
    source, target = ops.product(asked, vectors).chunk(2, dim=1)
    out = graph.attention(x, source, target, slope)
    if not concat and heads > 1:
        out = out.reshape(out.size(0), heads, width).mean(1)
    return out if bias is None else out + bias


def _is_linear(module: nn.Module) -> bool:
    """Whether it is torch's linear map, computed as torch or as we do."""
    usual = type(module).forward in (nn.Linear.forward, ops.Linear.forward)
    return usual and not is_patched(module)


def _widths(linear: Any) -> tuple[int, int]:
    """Input and output width of a linear map, by torch's names or by PyG's."""
    if isinstance(linear, nn.Linear):
        return linear.in_features, linear.out_features
    return linear.in_channels, linear.out_channels


def _project(linear: Any, x: Tensor) -> Tensor:
    """W x without the bias, which belongs after the aggregation."""
    if linear.bias is None and (has_hooks(linear) or is_patched(linear)):
        out: Tensor = linear(x)
        return out
    return ops.linear(x, linear.weight)


def _biased(x: Tensor, linear: Any) -> Tensor:
    return x if linear.bias is None else x + linear.bias


class GINConv(nn.Module):
    r"""Graph isomorphism layer, Xu et al. 2019 (arXiv 1810.00826), Eq. 4.1.

    .. math:: x'_i = h\bigl((1 + ε) x_i + Σ_{j → i} x_j\bigr)

    With ``aggr="mean"`` the sum is a mean, as in the GIN of Huang et al. 2022 (arXiv 2211.15335).
    Where h is one linear map to fewer channels its product comes before the sum; with a bias, which
    comes after it, no hook on h is called.

    Args:
        nn: h, a module from width ``in`` to width ``out``.
        eps: ε, a constant.
        aggr: ``"sum"`` or ``"mean"`` over neighbours.

    Raises:
        ConfigError: for another aggregation.
    """

    __prepare_scriptable__ = refuse_script

    def __init__(
        self, nn: nn.Module, eps: float = 0.0, aggr: Literal["sum", "mean"] = "sum"
    ) -> None:
        super().__init__()
        check_choice("aggr", aggr, AGGREGATIONS)
        self.nn, self.eps, self.aggr = nn, float(eps), aggr

    def forward(self, x: Features, graph: Graph) -> Tensor:
        """``(N, in)`` → ``(N, out)``.

        Args:
            x: representations ``(N, in)``, or a pair (sources, targets).
            graph: the graph that sums them.
        """
        return gin(x, graph, self.nn, self.eps, self.aggr)


class GCNConv(nn.Module):
    r"""Graph convolution, Kipf & Welling 2017 (arXiv 1609.02907), Eq. 2.

    .. math:: X' = P X Wᵀ + b, \qquad P = \hat D^{-1/2} \hat A \hat D^{-1/2}

    The product is taken in the order that aggregates at the narrower width.

    Args:
        in_channels: input width.
        out_channels: output width.
        bias: whether b is there.
        normalize: P as above; without, P is the graph's plain sum.
    """

    __prepare_scriptable__ = refuse_script

    def __init__(
        self, in_channels: int, out_channels: int, bias: bool = True, normalize: bool = True
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.normalize = in_channels, out_channels, normalize
        self.lin = ops.Linear(in_channels, out_channels)
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    @property
    def weight(self) -> Tensor:
        """W, ``(out, in)``; the effective weight where the layer is frozen."""
        return self.lin.weight

    def forward(self, x: Tensor, graph: Graph) -> Tensor:
        """``(N, in)`` → ``(N, out)``.

        Args:
            x: representations ``(N, in)``.
            graph: the graph that sums them.
        """
        aggregate = graph.symmetric if self.normalize else graph.sum
        return gcn(x, graph, self.lin, self.bias, aggregate)


class SAGEConv(nn.Module):
    r"""GraphSAGE layer, Hamilton et al. 2017 (arXiv 1706.02216), Algorithm 1.

    .. math:: x'_i = W_l \, \mathrm{mean}_{j → i} x_j + b + W_r x_i

    To fewer channels the product with W_l comes before the mean; with a bias, which comes after it,
    no hook on ``lin_l`` is called.

    Args:
        in_channels: input width, or (source width, target width).
        out_channels: output width.
        aggr: ``"mean"`` or ``"sum"`` over neighbours.
        normalize: divide every output row by its Euclidean length.
        root_weight: whether W_r x_i is there.
        project: replace every x_j by ReLU(W_p x_j + b_p) first.
        bias: whether b is there.

    Raises:
        ConfigError: for another aggregation.
    """

    __prepare_scriptable__ = refuse_script

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        aggr: Literal["sum", "mean"] = "mean",
        normalize: bool = False,
        root_weight: bool = True,
        project: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_choice("aggr", aggr, AGGREGATIONS)
        source, target = (in_channels, in_channels) if isinstance(in_channels, int) else in_channels
        self.in_channels, self.out_channels = in_channels, out_channels
        self.aggr, self.normalize = aggr, normalize
        self.lin = nn.Linear(source, source) if project else None
        self.lin_l = nn.Linear(source, out_channels) if bias else ops.Linear(source, out_channels)
        self.lin_r = ops.Linear(target, out_channels) if root_weight else None

    def forward(self, x: Features, graph: Graph) -> Tensor:
        """``(N, in)`` → ``(N, out)``.

        Args:
            x: representations ``(N, in)``, or a pair (sources, targets).
            graph: the graph that sums them.
        """
        return sage(x, graph, self.lin_l, self.lin_r, self.lin, self.aggr, self.normalize)


class HeadVectors(nn.Module):
    """A vector a for each head of an attention, ``weight`` ``(heads, width)``.

    A module, so that it has its place among the weights of a layer, frozen or not.

    Args:
        heads: number of heads.
        width: of a head, which a score a · y sums over.
    """

    def __init__(self, heads: int, width: int) -> None:
        super().__init__()
        self.in_features, self.out_features = width, heads
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(heads, width)))


class GATConv(nn.Module):
    r"""Graph attention layer, Veličković et al. 2018 (arXiv 1710.10903), Eq. 3 to 6.

    .. math:: x'_i = \Vert_h Σ_j α^h_{ij} W^h x_j + b, \qquad
        α^h_{ij} = \mathrm{softmax}_j\, \mathrm{LeakyReLU}(a_s^h · W^h x_j + a_t^h · W^h x_i)

    j are the neighbours of i and i itself, by exactly one self-loop. Without ``concat`` the heads
    are averaged, as in the paper's last layer. There is no dropout of α.

    Args:
        in_channels: input width.
        out_channels: output width of a head.
        heads: number of heads.
        concat: heads side by side; if not, their mean.
        negative_slope: of LeakyReLU below 0.
        bias: whether b is there.
    """

    __prepare_scriptable__ = refuse_script

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        heads: int = 1,
        concat: bool = True,
        negative_slope: float = 0.2,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.heads = in_channels, out_channels, heads
        self.concat, self.negative_slope = concat, negative_slope
        self.lin = ops.Linear(in_channels, heads * out_channels)
        self.att_src, self.att_dst = (HeadVectors(heads, out_channels) for _ in range(2))
        width = heads * out_channels if concat else out_channels
        self.bias = nn.Parameter(torch.zeros(width)) if bias else None

    def forward(self, x: Tensor, graph: Graph) -> Tensor:
        """``(N, in)`` → ``(N, heads · out)``, or ``(N, out)`` without ``concat``.

        Args:
            x: representations ``(N, in)``.
            graph: the graph that sums them.
        """
        vectors, slope = (self.att_src.weight, self.att_dst.weight), self.negative_slope
        return gat(x, graph, self.lin, *vectors, self.bias, self.concat, slope)
