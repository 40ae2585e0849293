"""A probe: how smooth the representations are after every step of every layer of a model."""

from __future__ import annotations

import weakref
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gslt.diagnostics.dgl_messages import dgl_aggregations
from gslt.diagnostics.graphs import as_topology
from gslt.diagnostics.laplacians import Laplacian, laplacian_of
from gslt.diagnostics.smoothness import Smoothness, measure
from gslt.diagnostics.steps import FunctionSteps
from gslt.diagnostics.topology import Topology
from gslt.errors import ConfigError
from gslt.nn.conv import GCNConv, GINConv, SAGEConv
from gslt.nn.gnn import GNN
from gslt.nn.hooks import observing
from gslt.nn.ops import Linear, NormReLU

#: Modules that tell their steps to observers.
_OWN = (GNN, GINConv, GCNConv, SAGEConv, Linear, NormReLU)

Step = Literal["input", "aggregation", "projection", "normalisation", "activation", "layer"]


@dataclass(frozen=True)
class Reading:
    """One measurement."""

    call: int
    """Number of the model's call, from 0."""
    layer: int
    """Number of the layer, from 1; 0 is what comes before the first."""
    module: str
    """Qualified name of the innermost module at work; empty for the model itself."""
    step: Step
    """What the representation is the result of; ``layer`` is a layer's own result."""
    width: int
    smoothness: Smoothness

    def as_dict(self) -> dict[str, Any]:
        """A flat row of a table."""
        place = ("call", "layer", "module", "step", "width")
        return {**{name: getattr(self, name) for name in place}, **self.smoothness.as_dict()}


@dataclass
class Trace:
    """What a probe measured, in the order of the computation."""

    laplacian: Laplacian
    readings: list[Reading] = field(default_factory=list)

    def layers(self, call: int = -1) -> list[Reading]:
        """The results of the layers in one call of the model, by default the last, in order."""
        calls = sorted({reading.call for reading in self.readings})
        if not calls:
            return []
        return [r for r in self.readings if r.call == calls[call] and r.step == "layer"]

    def rows(self) -> list[dict[str, Any]]:
        """Every measurement as a flat row."""
        return [reading.as_dict() for reading in self.readings]


@contextmanager
def probe(
    model: nn.Module,
    graph: Any,
    *,
    laplacian: Laplacian | None = None,
    only: Collection[str] | None = None,
    steps: Collection[Step] | None = None,
    layers: Sequence[str] | None = None,
) -> Iterator[Trace]:
    """Measure every representation that the model computes in this block.

    ::

        with gslt.diagnostics.probe(model, graph) as trace:
            model(x, edge_index)
        trace.layers()

    Seen are results of aggregations, products, norms and activations, and of the layers, wherever
    they are dense with one row per node: those of gslt's layers and of PyG's
    ``MessagePassing`` layers, sums of messages on DGL graphs, and the functions of torch, in place
    or not, inside and outside of the model's modules. What is computed outside of a call of the
    model, before it, after it or by another model, is passed by. What is measured is forgotten at
    once; results, gradients and random numbers of the model are bit for bit those without a probe.

    A layer's own result is what the layer gives; in :class:`gslt.GNN` it is the representation
    after norm, activation and residual connection (for the last layer, what enters the logits).

    Args:
        model: any torch, PyG or DGL model.
        graph: what :func:`gslt.diagnostics.as_topology` takes; of an ``edge_index`` it must be told
            the number of nodes, so hand over ``as_topology(edge_index, num_nodes)``.
        laplacian: see :func:`gslt.diagnostics.measure`. Default: that of the model's propagation
            where it is a :class:`gslt.GNN`, else ``"combinatorial"``.
        only: names of measures, see :func:`gslt.diagnostics.measure`.
        steps: which steps are measured; default all.
        layers: qualified names of the modules that are layers. Default: layers of gslt, PyG and
            DGL.

    Raises:
        GraphError: if the graph cannot be read.
        ConfigError: for a layer that the model does not have.
    """
    topology = as_topology(graph)
    if laplacian is None:
        laplacian = "combinatorial"
        if isinstance(model, GNN):
            laplacian = laplacian_of(model.config.architecture)
    watch = _Watch(topology, Trace(laplacian), only, steps)
    with ExitStack() as stack:
        _hook(model, watch, layers, stack)
        stack.enter_context(observing(watch.see))
        stack.enter_context(dgl_aggregations(lambda out: watch.see_foreign("aggregation", out)))
        stack.enter_context(FunctionSteps(watch.see_foreign))
        yield watch.trace


class _Watch:
    """Where the model is, and what was measured there."""

    def __init__(
        self,
        topology: Topology,
        trace: Trace,
        only: Collection[str] | None,
        steps: Collection[Step] | None,
    ) -> None:
        self.topology, self.trace, self.only, self.steps = topology, trace, only, steps
        self.modules: list[tuple[str, nn.Module]] = []
        self.call, self.layer, self.inside = -1, 0, 0
        self.busy = False
        self.last: tuple[weakref.ref[Tensor], object, Smoothness] | None = None

    def see(self, step: Any, value: Any) -> None:
        """Measure a representation; pass by anything else, and what was seen a moment ago."""
        if not self.modules:
            return  # The model is not at work.
        wanted = self.steps is None or step in self.steps
        if self.busy or not wanted or not self._is_representation(value):
            return
        state = _state(step, value)
        if self.last is not None and self.last[0]() is value and self.last[1] == state:
            # A module and the function that it calls give the same tensor.
            if step == "layer":
                self._write(step, value, self.last[2])
            return
        # Measuring calls functions of torch too.
        self.busy = True
        try:
            # The heads of an attention stand side by side.
            flat = value.detach().flatten(1)
            smoothness = measure(flat, self.topology, self.trace.laplacian, only=self.only)
        finally:
            self.busy = False
        self._write(step, value, smoothness)
        self.last = weakref.ref(value), state, smoothness

    def see_foreign(self, step: Any, value: Any) -> None:
        """What a function gave: gslt's own layers, whose insides these are, say it themselves."""
        if not (self.modules and isinstance(self.modules[-1][1], _OWN)):
            self.see(step, value)

    def _write(self, step: Any, value: Any, smoothness: Smoothness) -> None:
        module, width = self.modules[-1][0], value[0].numel()
        reading = Reading(self.call, self.layer, module, step, width, smoothness)
        self.trace.readings.append(reading)

    def _is_representation(self, value: Any) -> bool:
        return (
            isinstance(value, Tensor)
            and value.layout == torch.strided
            and value.dim() >= 2
            and value.size(0) == self.topology.num_nodes
            and value.is_floating_point()
        )

    # Hooks

    def enter(self, name: str, module: nn.Module, is_layer: bool, inputs: Any) -> None:
        """A module begins."""
        outermost = not self.modules
        self.modules.append((name, module))
        if outermost:
            self.call, self.layer, self.last = self.call + 1, 0, None
            for value in inputs:
                self.see("input", value)
        if is_layer:
            # A layer that consists of layers is one.
            self.layer += self.inside == 0
            self.inside += 1

    def leave(self, is_layer: bool, step: str | None, output: Any) -> None:
        """A module ends; its output is the result of a step, unless None."""
        if step is not None and not (is_layer and self.inside > 1):
            self.see(step, output)
        self.modules.pop()
        self.inside -= is_layer


def _state(step: str, value: Tensor) -> object:
    """What a tensor that was not written to in place has had since it was seen."""
    # An inference tensor counts no versions: another step is taken for another content.
    return step if value.is_inference() else value._version


def _hook(model: nn.Module, watch: _Watch, layers: Sequence[str] | None, stack: ExitStack) -> None:
    """Hooks that tell the watch where the model is; the stack removes them."""
    modules = dict(model.named_modules())
    if unknown := sorted(set(layers or ()) - set(modules)):
        raise ConfigError(f"the model has no module {unknown[0]!r}; see model.named_modules()")
    # A GNN says itself what its layers give.
    own = {id(m) for g in modules.values() if isinstance(g, GNN) for m in g.layers}
    for name, module in modules.items():
        is_layer = name in layers if layers is not None else _is_layer(module)
        step = "layer" if is_layer and id(module) not in own else None
        if not is_layer and "Norm" in type(module).__name__ and not isinstance(module, NormReLU):
            step = "normalisation"
        _hook_one(module, name, is_layer, step, watch, stack)


def _hook_one(
    module: nn.Module,
    name: str,
    is_layer: bool,
    step: str | None,
    watch: _Watch,
    stack: ExitStack,
) -> None:
    def enter(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        watch.enter(name, module, is_layer, inputs)

    def leave(_: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        watch.leave(is_layer, step, output)

    def aggregated(_: nn.Module, inputs: Any, output: Any) -> None:
        watch.see("aggregation", output)

    handles = [
        module.register_forward_pre_hook(enter),
        module.register_forward_hook(leave, always_call=True),
    ]
    if _is_message_passing(module):
        handles.append(module.register_propagate_forward_hook(aggregated))  # type: ignore[operator]
    for handle in handles:
        stack.callback(handle.remove)


def _is_layer(module: nn.Module) -> bool:
    if isinstance(module, (GINConv, GCNConv, SAGEConv)) or _is_message_passing(module):
        return True
    return type(module).__module__.startswith("dgl.nn.pytorch.conv")


def _is_message_passing(module: nn.Module) -> bool:
    # By name, so that PyG is not imported for a model that does not use it.
    place = "torch_geometric.nn.conv.message_passing"
    return any(kind.__module__ == place for kind in type(module).__mro__)
