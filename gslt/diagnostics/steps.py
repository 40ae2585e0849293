"""The steps of a model, measured as they happen."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from gslt.diagnostics.foreign import (
    LAYERS,
    FunctionSteps,
    dgl_aggregations,
    is_graph_layer,
    is_message_passing,
    is_norm_layer,
    scaled,
)
from gslt.diagnostics.labels import Labels
from gslt.diagnostics.laplacians import Laplacian
from gslt.diagnostics.smoothness import MEASURES, Smoothness, measure
from gslt.diagnostics.topology import Topology
from gslt.errors import ConfigError, GsltWarning, listed, warn
from gslt.nn.gnn import GNN
from gslt.nn.hooks import observing
from gslt.nn.ops import Linear, NormReLU
from gslt.settings import check_choices

Step = Literal["input", "aggregation", "projection", "normalisation", "activation", "layer"]

#: Modules that tell their steps to observers.
_OWN = (GNN, *LAYERS, Linear, NormReLU)

#: Whether a measurement is at work, whose own products are no steps of any model.
_measuring: ContextVar[bool] = ContextVar("measuring", default=False)


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
    """Numbers in a row of the representation, those of all heads together."""
    smoothness: Smoothness
    """What was measured."""

    def as_dict(self) -> dict[str, Any]:
        """A flat row of a table."""
        place = ("call", "layer", "module", "step", "width")
        return {**{name: getattr(self, name) for name in place}, **self.smoothness.as_dict()}


def check_asked(steps: Collection[Step] | None, only: Collection[str] | None) -> None:
    """Refuse a step or a measure that there is not, before a model is called.

    Args:
        steps: names out of :data:`Step`; None for all.
        only: names of measures; None for those that do not sample.

    Raises:
        ConfigError: naming the steps, or the measures.
    """
    check_choices("steps", steps or (), get_args(Step))
    check_choices("only", only or (), tuple(MEASURES))


@contextmanager
def watching(
    model: nn.Module,
    topology: Topology,
    laplacian: Laplacian,
    measured: Callable[[Reading], None],
    only: Collection[str] | None = None,
    steps: Collection[Step] | None = None,
    layers: Sequence[str] | None = None,
    labels: Labels | None = None,
) -> Iterator[None]:
    """Measure what every step of the model gives, as long as this block lasts.

    Args:
        model: any torch, PyG or DGL model.
        topology: the graph.
        laplacian: see :func:`gslt.diagnostics.measure`.
        measured: called with each measurement.
        only: names of measures, see :func:`gslt.diagnostics.measure`.
        steps: which steps are measured; default all.
        layers: qualified names of the modules that are layers. Default: layers of gslt, PyG and
            DGL.
        labels: see :func:`gslt.diagnostics.measure`.

    Raises:
        ConfigError: for a layer that the model does not have or that lies within another one, a
            step or measure that there is not, or a model that ``torch.jit`` has compiled.
    """
    check_asked(steps, only)
    watch = _Watch(topology, laplacian, measured, only, steps, labels)
    with ExitStack() as stack:
        # A compiler would record what a probe does; what it has compiled tells no step.
        stack.enter_context(torch.compiler.set_stance("force_eager"))
        _hook(model, watch, layers, stack)
        stack.enter_context(observing(watch.see))
        stack.enter_context(dgl_aggregations(watch.see_sum))
        stack.enter_context(FunctionSteps(watch.see_foreign))
        yield
    watch.say_missing()


class _Watch:
    """Where the model is, and what was measured there."""

    def __init__(
        self,
        topology: Topology,
        laplacian: Laplacian,
        measured: Callable[[Reading], None],
        only: Collection[str] | None,
        steps: Collection[Step] | None,
        labels: Labels | None,
    ) -> None:
        self.topology, self.laplacian, self.measured = topology, laplacian, measured
        self.only, self.steps, self.labels = only, steps, labels
        self.places: list[_Place] = []
        self.call, self.layer, self.inside = -1, 0, 0
        self.first: str | None = None
        self.on_edges = False
        #: Layers of which a result is looked for, and those that have one.
        self.layers: dict[str, None] = {}
        self.measured_layers: set[str] = set()
        self.found: set[int] = set()
        self.last: tuple[weakref.ref[Tensor], object, Smoothness] | None = None

    def see(self, step: Any, value: Any) -> None:
        """Measure a representation; pass by anything else, and what was seen a moment ago.

        Args:
            step: what the value is the result of.
            value: anything; a representation is dense and floating-point, ``(n, …)``.
        """
        if not self.places or self.on_edges or _is_backward() or _measuring.get():
            return  # The model is not at work, or not on nodes.
        wanted = self.steps is None or step in self.steps
        if not wanted or not self._is_representation(value):
            return
        state = _state(step, value)
        if self.last is not None and self.last[0]() is value and self.last[1] == state:
            # A module and the function that it calls give the same tensor.
            if step == "layer":
                self._write(step, value, self.last[2])
            return
        # Measuring calls functions of torch too, which every probe would see.
        token = _measuring.set(True)
        try:
            # The heads of an attention stand side by side.
            flat = value.detach().flatten(1)
            smoothness = measure(
                flat, self.topology, self.laplacian, only=self.only, labels=self.labels
            )
        finally:
            _measuring.reset(token)
        self._write(step, value, smoothness)
        self.last = weakref.ref(value), state, smoothness

    def see_foreign(self, step: Any, value: Any) -> None:
        """Measure what a function gave, except inside of gslt's own layers, which tell it.

        Args:
            step: what the value is the result of.
            value: anything, see :meth:`see`.
        """
        if not (self.places and isinstance(self.places[-1].module, _OWN)):
            self.see(step, value)

    def see_sum(self, graph: Any, value: Any) -> None:
        """Measure what an ``update_all`` of DGL gave, as its layer scales it.

        Args:
            graph: of DGL.
            value: anything, see :meth:`see`.
        """
        if self.places and self._is_representation(value):
            value = scaled(self.places[-1].module, graph, value)
        self.see_foreign("aggregation", value)

    def _write(self, step: Any, value: Any, smoothness: Smoothness) -> None:
        self.found.add(self.call)
        if step == "layer":
            self.measured_layers.add(self.places[-1].name)
        module, width = self.places[-1].name, value.shape[1:].numel()
        self.measured(Reading(self.call, self.layer, module, step, width, smoothness))

    def _is_representation(self, value: Any) -> bool:
        return (
            isinstance(value, Tensor)
            and value.layout == torch.strided
            and value.dim() >= 2
            and value.size(0) == self.topology.num_nodes
            and value.is_floating_point()
        )

    def say_missing(self) -> None:
        """Warn of calls of the model, and of layers, in which nothing was measured."""
        calls, found = self.call + 1, len(self.found)
        gone = [name or "the model" for name in self.layers if name not in self.measured_layers]
        missing = []
        if calls and not found:
            missing.append(
                "the model was called, and nothing was measured: no step that was asked for"
            )
        elif found < calls:
            missing.append(
                f"nothing was measured in {calls - found} of {calls} calls of the model: no step"
            )
        if found and gone and (self.steps is None or "layer" in self.steps):
            missing.append(f"no result was measured of the layers {listed(gone)}: none of them")
        for what in missing:
            warn(
                f"{what} gave a dense representation with a row for each of the graph's "
                f"{self.topology.num_nodes} nodes",
                GsltWarning,
            )

    # Hooks

    def enter(self, place: _Place, inputs: Any) -> None:
        """A module begins.

        Args:
            place: where.
            inputs: its arguments, those by position first.
        """
        if _is_backward():
            return
        begins = not self.places and self._begins(place)
        self.places.append(place)
        if begins:
            self.call, self.layer, self.last = self.call + 1, 0, None
            for value in inputs:
                self.see("input", value)
        if place.is_layer:
            # A layer that consists of layers is one.
            self.layer += self.inside == 0
            if self.inside == 0 and not self._is_told(place):
                self.layers[place.name] = None
            self.inside += 1

    def _begins(self, place: _Place) -> bool:
        """Whether an outermost module begins a call: of the model, or of another of its methods.

        A method such as ``encode`` calls modules of the model one by one. Its call lasts until the
        first of them comes again; one without weights, such as dropout, may come many times.
        """
        name, weighs = place.name, place.is_layer or any(True for _ in place.module.parameters())
        if name and self.first is not None and self.first != name:
            self.first = self.first or (name if weighs else "")
            return False
        self.first = None if not name else name if weighs else ""
        return True

    def message(self, begins: bool) -> None:
        """A layer begins or ends to compute on edges, of which there may be as many as nodes.

        Args:
            begins: whether it does.
        """
        self.on_edges = begins

    def leave(self, place: _Place, output: Any) -> None:
        """A module ends.

        Args:
            place: where.
            output: what it gave; of a tuple the first, such as that of attention with its weights,
                and of a dictionary every entry, such as those of several types of nodes.
        """
        if _is_backward():
            return
        # Messages that failed did not end.
        self.on_edges = self.on_edges and not is_message_passing(place.module)
        if (
            place.step is not None
            and not self._is_told(place)
            and not (place.is_layer and self.inside > 1)
        ):
            first = output[0] if isinstance(output, tuple) and output else output
            for value in first.values() if isinstance(first, dict) else (first,):
                self.see(place.step, value)
        self.places.pop()
        self.inside -= place.is_layer

    def _is_told(self, place: _Place) -> bool:
        """Whether a GNN of gslt is at work, which says itself what this layer of it gives."""
        return place.of_gnn and any(isinstance(each.module, GNN) for each in self.places)


@dataclass(frozen=True)
class _Place:
    """A module, and what it is to a watch."""

    name: str
    """Its qualified name."""
    module: nn.Module
    is_layer: bool
    step: str | None
    """What its output is the result of; None for no step."""
    of_gnn: bool
    """Whether it is a layer of a GNN of gslt."""


def _is_backward() -> bool:
    """Whether this is a backward pass, which computes anew what a checkpoint has not kept."""
    return torch._C._current_graph_task_id() != -1


def _state(step: str, value: Tensor) -> object:
    """What a tensor that was not written to in place has had since it was seen."""
    # An inference tensor counts no versions: another step is taken for another content.
    return step if value.is_inference() else value._version


def _hook(model: nn.Module, watch: _Watch, layers: Sequence[str] | None, stack: ExitStack) -> None:
    """Hooks that tell the watch where the model is; the stack removes them."""
    modules = dict(model.named_modules())
    for name, module in modules.items():
        if isinstance(module, torch.jit.ScriptModule):
            raise ConfigError(
                f"{name or 'the model'} was compiled by torch.jit, and its steps are not seen; "
                "probe the model that it was made of"
            )
    if layers is not None:
        _check_layers(layers, modules)
    own = {id(m) for g in modules.values() if isinstance(g, GNN) for m in g.layers}
    for name, module in modules.items():
        is_layer = name in layers if layers is not None else is_graph_layer(module)
        step = "layer" if is_layer else "normalisation" if name and is_norm_layer(module) else None
        place = _Place(name, module, is_layer, step, id(module) in own)
        if layers is not None and is_layer and not place.of_gnn:
            watch.layers[name] = None
        _hook_one(place, watch, stack)


class Hook:
    """A hook of one module. A copy of the module, or what is read of its file, has an idle one.

    Args:
        module: whose calls are told.
        tell: called with what a hook is given beside the module.
    """

    def __init__(
        self, module: nn.Module | None = None, tell: Callable[..., None] | None = None
    ) -> None:
        self.module, self.tell = module, tell

    def __call__(self, module: nn.Module, *seen: Any) -> None:
        """Tell what is seen of this module."""
        if module is self.module and self.tell is not None:
            self.tell(*seen)

    def __reduce__(self) -> tuple[type[Hook], tuple[()]]:
        """For a copy or a file: a hook of no module."""
        return Hook, ()


def _check_layers(layers: Sequence[str], modules: Mapping[str, nn.Module]) -> None:
    """Refuse names of layers that the model has not, or of which one holds another.

    Raises:
        ConfigError: naming them.
    """
    if isinstance(layers, str):
        raise ConfigError(f"layers takes several names, got the text {layers!r}; give a list")
    if unknown := sorted(set(layers) - set(modules)):
        raise ConfigError(f"the model has no module {unknown[0]!r}; see model.named_modules()")
    for outer in layers:
        for inner in layers:
            if inner != outer and inner.startswith(f"{outer}." if outer else ""):
                raise ConfigError(
                    f"layer {inner!r} lies within layer {outer or 'the model'!r}, whose results "
                    "alone are measured; name one of them"
                )


def _hook_one(place: _Place, watch: _Watch, stack: ExitStack) -> None:
    module = place.module

    def hook(tell: Callable[..., None]) -> Hook:
        return Hook(module, tell)

    handles = [
        module.register_forward_pre_hook(
            hook(lambda x, named: watch.enter(place, (*x, *named.values()))), with_kwargs=True
        ),
        module.register_forward_hook(
            hook(lambda _, out: watch.leave(place, out)), always_call=True
        ),
    ]
    if is_message_passing(module):
        layer: Any = module
        seen = hook(lambda _, out: watch.see("aggregation", out))
        begin, end = hook(lambda *_: watch.message(True)), hook(lambda *_: watch.message(False))
        handles += [
            layer.register_propagate_forward_hook(seen),
            layer.register_message_forward_pre_hook(begin),
            layer.register_message_forward_hook(end),
            layer.register_edge_update_forward_pre_hook(begin),
            layer.register_edge_update_forward_hook(end),
        ]
    for handle in handles:
        stack.callback(handle.remove)
