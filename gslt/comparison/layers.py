"""Each message passing layer alone, at its width: forward and backward, as in a search.

The first layer reads the features, which need no gradient and which gslt aggregates once in a
search; the others read random activations. The masks stay as they are, so no selection takes part.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from gslt.comparison.routes import Candidate, layer_widths
from gslt.comparison.speed import OwnMemory, now


class LayerCall:
    """One layer of a candidate with an input and a gradient of its output."""

    def __init__(self, candidate: Candidate, number: int) -> None:
        model = candidate.model
        widths = list(pairwise(layer_widths(model.in_channels, model.out_channels, model.config)))
        self.widths = widths[number]
        self.layer, self.graph = model.layers[number], candidate.graph
        rows, device = candidate.x.size(0), candidate.x.device
        generator = torch.Generator().manual_seed(number)
        draw = [torch.randn(rows, width, generator=generator) for width in self.widths]
        self.x = candidate.x if number == 0 else draw[0].to(device).requires_grad_()
        self.upstream = draw[1].to(device)
        self.wanted = [*self.layer.parameters(), *([self.x] if number else [])]

    def forward(self) -> Tensor:
        """The output of the layer."""
        out: Tensor = self.layer(self.x, self.graph)
        return out

    def backward(self, out: Tensor) -> None:
        """The gradients of the scores and, above the first layer, of the input."""
        torch.autograd.grad(out, self.wanted, self.upstream)


def time_layers(candidates: Sequence[Candidate], repeats: int) -> dict[str, list[dict[str, Any]]]:
    """Median seconds of every layer of every candidate, by route and in the order of the layers."""
    found: dict[str, list[dict[str, Any]]] = {candidate.name: [] for candidate in candidates}
    for number in range(len(candidates[0].model.layers)):
        calls = [LayerCall(candidate, number) for candidate in candidates]
        places = [OwnMemory(candidate) for candidate in candidates]
        times: list[list[tuple[float, float]]] = [[] for _ in calls]
        try:
            # One more than is counted: the first builds what is kept.
            for _ in range(repeats + 1):
                for call, place, seconds in zip(calls, places, times, strict=True):
                    seconds.append(place.run(_timed(call)))
        finally:
            for place in places:
                place.close()
        for candidate, call, seconds in zip(candidates, calls, times, strict=True):
            forward, backward = zip(*seconds[1:], strict=True)
            found[candidate.name].append(
                {
                    "in": call.widths[0],
                    "out": call.widths[1],
                    "forward_seconds": statistics.median(forward),
                    "backward_seconds": statistics.median(backward),
                }
            )
    return found


def _timed(call: LayerCall) -> Callable[[], tuple[float, float]]:
    def run() -> tuple[float, float]:
        device = call.upstream.device
        started = now(device)
        out = call.forward()
        computed = now(device)
        call.backward(out)
        return computed - started, now(device) - computed

    return run
