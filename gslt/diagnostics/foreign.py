"""Steps of models that are not gslt's: layers of hosts, functions of torch, sums of DGL."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from gslt.nn.conv import GATConv, GCNConv, GINConv, SAGEConv
from gslt.nn.ops import NormReLU

LAYERS = (GINConv, GCNConv, SAGEConv, GATConv)
#: Products to which another matrix is added, which is their first argument.
_ADDED = {torch.addmm, Tensor.addmm, Tensor.addmm_, torch.sparse.addmm}
_PRODUCTS = {
    F.linear,
    torch.matmul,
    torch.mm,
    Tensor.matmul,
    Tensor.mm,
    Tensor.__matmul__,
    torch.sparse.mm,
    torch.spmm,
    *_ADDED,
}
_NORMS = {
    *(F.batch_norm, F.layer_norm, F.instance_norm, F.group_norm, F.rms_norm, F.normalize),
    *(torch.batch_norm, torch.layer_norm, torch.instance_norm, torch.group_norm, torch.rms_norm),
}
_ACTIVATIONS = {
    *(F.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_),
    *(F.leaky_relu, F.prelu, F.rrelu, F.relu6),
    *(F.elu, F.selu, F.celu, F.gelu, F.silu, F.mish, F.softplus, F.hardtanh, F.hardswish),
    *(F.leaky_relu_, F.rrelu_, F.elu_, F.selu_, F.celu_, F.hardtanh_),
    *(torch.selu, torch.celu, torch.rrelu, torch.selu_, torch.celu_, torch.rrelu_, torch.prelu),
    *(torch.tanh, torch.tanh_, Tensor.tanh, Tensor.tanh_, Tensor.prelu),
    *(torch.sigmoid, torch.sigmoid_, Tensor.sigmoid, Tensor.sigmoid_),
}


def is_graph_layer(module: nn.Module) -> bool:
    """Whether a module is a layer of gslt, PyG or DGL.

    Args:
        module: anything; a layer may consist of layers.
    """
    if isinstance(module, LAYERS) or is_message_passing(module):
        return True
    # A frozen layer has a class of its own, of another module. PyG's compositions, such as GPSConv,
    # are layers too; DGL's EdgeWeightNorm gives weights of edges.
    return any(
        kind.__module__.startswith(("dgl.nn.pytorch.conv", "torch_geometric.nn.conv."))
        and kind.__name__ != "EdgeWeightNorm"
        for kind in type(module).__mro__
    )


def is_message_passing(module: nn.Module) -> bool:
    """Whether a module is one of PyG's ``MessagePassing``, with its hooks."""
    # By name, so that PyG is not imported for a model that does not use it.
    place = "torch_geometric.nn.conv.message_passing"
    return any(kind.__module__ == place for kind in type(module).__mro__)


def is_norm_layer(module: nn.Module) -> bool:
    """Whether a module is a normalisation by its name, and no block that has one."""
    if isinstance(module, NormReLU) or "Norm" not in type(module).__name__:
        return False
    if any(kind.__module__.startswith("torch_geometric.nn.norm.") for kind in type(module).__mro__):
        return True  # DiffGroupNorm has a map of its own.
    return not any(isinstance(m, nn.Linear) or is_graph_layer(m) for m in module.modules())


def step_of(function: Callable[..., Any], args: tuple[Any, ...]) -> str | None:
    """The step that a call of a function is; None where it is no step.

    Args:
        function: of torch.
        args: its positional arguments; the first matrix of a product tells an aggregation, by
            being square and sparse, from a projection.

    >>> step_of(torch.tanh, ()), step_of(torch.mm, (torch.eye(2), torch.eye(2)))
    ('activation', 'projection')
    """
    if function in _NORMS:
        return "normalisation"
    if function in _ACTIVATIONS:
        return "activation"
    if function not in _PRODUCTS:
        return None
    left = next(iter(args[function in _ADDED :]), None)
    if not isinstance(left, Tensor) or left.layout == torch.strided:
        return "projection"
    # A square sparse matrix is an adjacency; a sparse matrix of features is projected.
    square = left.dim() == 2 and left.size(0) == left.size(1)
    return "aggregation" if square else "projection"


class FunctionSteps(TorchFunctionMode):
    """Tells what every step that is a function of torch gave. It changes no argument and no result.

    Args:
        observer: called with the name of the step and its result.
    """

    def __init__(self, observer: Callable[[str, Any], None]) -> None:
        super().__init__()
        self.observer = observer

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call the function as it was called, and look at the result."""
        result = func(*args, **(kwargs or {}))
        step = step_of(func, args)
        if step is not None:
            self.observer(step, result)
        return result


#: Layers of DGL that sum first, and then multiply by D^(−½), unless they have edge weights.
_SYMMETRIC = ("SGConv", "APPNPConv", "TAGConv", "GCN2Conv")


def scaled(layer: nn.Module, graph: Any, value: Tensor) -> Tensor:
    """A sum over the in-edges of a DGL graph, times what a layer of DGL multiplies it by.

    Args:
        layer: any module.
        graph: of DGL.
        value: the sum, ``(n, …)``.
    """
    kinds = type(layer).__mro__
    names = [k.__name__ for k in kinds if k.__module__.startswith("dgl.nn.pytorch.conv")]
    name, power = names[0] if names else "", 0.0
    if name == "GraphConv":
        power = {"both": -0.5, "right": -1.0}.get(str(layer._norm), 0.0)
    elif name in _SYMMETRIC and "_edge_weight" not in graph.edata:
        # APPNP has weights of 1 where it is given none; normalised ones are smaller.
        power = 0.0 if name == "APPNPConv" and graph.edata["w"].max() < 1 else -0.5
    if not power:
        return value
    degree: Tensor = graph.in_degrees().to(value).clamp(min=1)
    return value.detach() * degree.pow(power).reshape(-1, *[1] * (value.dim() - 1))


@contextmanager
def dgl_aggregations(seen: Callable[[Any, Any], None]) -> Iterator[None]:
    """Call ``seen`` with the graph and what every ``update_all`` of DGL in this block gave.

    DGL has no hook for it, so the method of the class is wrapped as long as the block lasts. Where
    DGL was not imported there is no such graph.
    """
    dgl = sys.modules.get("dgl")
    if dgl is None:
        yield
        return
    update_all = dgl.DGLGraph.update_all

    @functools.wraps(update_all)
    def watched(graph: Any, message_func: Any, reduce_func: Any, *args: Any, **kwargs: Any) -> None:
        update_all(graph, message_func, reduce_func, *args, **kwargs)
        field = getattr(reduce_func, "out_field", None)
        if field is not None and field in graph.dstdata:
            seen(graph, graph.dstdata[field])

    dgl.DGLGraph.update_all = watched
    try:
        yield
    finally:
        dgl.DGLGraph.update_all = update_all
