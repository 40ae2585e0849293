"""How long the routes take: epochs of the same search side by side, and each layer alone.

The routes take turns, epoch by epoch and call by call, so that the slower minutes of a machine hit
all of them. Their searches begin at the same scores, and their losses and masks are kept: where the
routes round differently, the trajectories drift apart, and this says by how much.
"""

from __future__ import annotations

import contextvars
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from gslt.comparison.routes import Route, SourceNetwork, layer_widths
from gslt.config import SearchConfig
from gslt.data import NodeDataset
from gslt.data.metrics import loss as mean_loss
from gslt.nn import memory

#: Calls a function, with its arguments, somewhere.
Call = Callable[..., Any]


@contextmanager
def own_memory(route: Route) -> Iterator[Call]:
    """Memory in which the large activations of one route live, as in a search of its own.

    Args:
        route: PyG's own layers reuse no memory.

    Yields:
        What calls a function in it, also between the calls of other routes in theirs.
    """
    context, stack = contextvars.copy_context(), ExitStack()
    if not route.is_host:
        context.run(stack.enter_context, memory.reused())
    try:
        yield context.run
    finally:
        context.run(stack.close)


def timed(device: torch.device, call: Call, *arguments: Any) -> tuple[Any, float]:
    """What a function returns, and the seconds until its device has done what it was given.

    Args:
        device: where it computes.
        call: the function.
        *arguments: of it.
    """
    started = _now(device)
    out = call(*arguments)
    return out, _now(device) - started


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


# Searches


class RouteSearch:
    """The search of one route, an epoch at a time; updates as in :func:`gslt.search`.

    Args:
        network: the frozen source network.
        dataset: the graph, on its device.
        config: of the search.
        call: calls a function in the memory of this route, see :func:`own_memory`.
    """

    def __init__(
        self, network: SourceNetwork, dataset: NodeDataset, config: SearchConfig, call: Call
    ) -> None:
        self.network, self.dataset, self.config, self.call = network, dataset, config, call
        self.train = dataset.train_mask.nonzero().flatten()
        self.labels = dataset.y[self.train]
        self.optimizer = torch.optim.AdamW(
            network.model.parameters(), lr=config.lr, weight_decay=0.0
        )
        #: Training losses after 0, 1, 2, … updates.
        self.losses: list[float] = []
        #: Accuracy, or the data set's metric, of every split, after the last forward pass.
        self.accuracy: dict[str, float] = {}
        #: Seconds of each epoch: forward pass (selection, logits, loss, accuracies), backward
        #: pass, step of the optimizer.
        self.seconds: list[tuple[float, float, float]] = []

    def epoch(self) -> Tensor:
        """A forward pass and an update.

        Returns:
            The masks before the update, boolean ``(m,)``.
        """
        masks: Tensor = self.call(self._epoch)
        return masks

    def evaluate(self) -> tuple[Tensor, Tensor]:
        """A forward pass after the last update, without a time or a gradient.

        Returns:
            Masks, boolean ``(m,)``, and predicted classes ``(N,)``.
        """
        with torch.no_grad():
            logits = self.call(self._forward)[1]
        return self.network.masks(), logits.argmax(1)

    def medians(self) -> dict[str, Any]:
        """Seconds of the epochs after the first, which builds what is kept."""
        timed = self.seconds[1:]
        forward, backward, _ = zip(*timed, strict=True)
        whole = [sum(parts) for parts in timed]
        return {
            "seconds": statistics.median(whole),
            "forward_seconds": statistics.median(forward),
            "backward_seconds": statistics.median(backward),
            "least_seconds": min(whole),
            "largest_seconds": max(whole),
            "timed": len(whole),
        }

    def _epoch(self) -> Tensor:
        device = self.train.device
        (loss, _), forward = timed(device, self._forward)
        masks = self.network.masks()
        done = len(self.seconds)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.lr * (1 + math.cos(math.pi * done / self.config.epochs)) / 2
        self.optimizer.zero_grad(set_to_none=True)
        _, backward = timed(device, loss.backward)
        _, update = timed(device, self.optimizer.step)
        self.seconds.append((forward, backward, update))
        return masks

    def _forward(self) -> tuple[Tensor, Tensor]:
        """Loss, and logits without a gradient."""
        logits: Tensor = self.network.model(*self.network.inputs)
        loss = mean_loss(logits[self.train], self.labels)
        self.losses.append(loss.item())
        self.accuracy = self.dataset.score(logits.detach())
        return loss, logits.detach()


def time_searches(
    networks: Sequence[SourceNetwork],
    dataset: NodeDataset,
    config: SearchConfig,
    tick: Callable[[], object] = lambda: None,
) -> dict[str, dict[str, Any]]:
    """Search on every route for ``config.epochs`` epochs, in turns.

    Args:
        networks: the same source network on every route.
        dataset: the graph, on their device.
        config: of the search.
        tick: called after every epoch of all.

    Returns:
        By route: ``epoch`` (medians over the epochs after the first: ``seconds``,
        ``forward_seconds``, ``backward_seconds``; least and largest epoch; how many) and
        ``trajectory``: losses after each update; and beside the first route the largest difference
        of a loss, the fraction of equal mask bits after each update, whether the masks after the
        last one are the same, the fraction of equal predicted classes then; accuracies.
    """
    with ExitStack() as stack:
        searches = [
            RouteSearch(each, dataset, config, stack.enter_context(own_memory(each.route)))
            for each in networks
        ]
        agreement: list[list[float]] = [[] for _ in searches]
        for number in range(config.epochs):
            # Another one begins each time: none always follows the same.
            first = number % len(searches)
            order = [*range(first, len(searches)), *range(first)]
            masks = {place: searches[place].epoch() for place in order}
            for place, shares in enumerate(agreement):
                shares.append(_equal_share(masks[place], masks[0]))
            tick()
        last = [search.evaluate() for search in searches]
    first_masks, first_classes = last[0]
    found = {}
    for search, shares, (ends, classes) in zip(searches, agreement, last, strict=True):
        apart = [abs(a - b) for a, b in zip(search.losses, searches[0].losses, strict=True)]
        trajectory = {
            "losses": search.losses,
            "loss_difference": max(apart),
            "mask_agreement": [*shares, _equal_share(ends, first_masks)],
            "same_masks": torch.equal(ends, first_masks),
            "same_classes": _equal_share(classes, first_classes),
            "accuracy": search.accuracy,
            "metric": search.dataset.metric,
            "majority_rate": search.dataset.majority_rate(),
        }
        found[search.network.name] = {"epoch": search.medians(), "trajectory": trajectory}
    return found


def _equal_share(one: Tensor, other: Tensor) -> float:
    return float((one == other).double().mean())


# Layers


class LayerCall:
    """One message passing layer of a network at its width, with an input and an output gradient.

    The first layer reads the features, which need no gradient and which gslt aggregates once in a
    search; the others read random activations. The masks stay as they are, so no selection takes
    part.

    Args:
        network: whose layer.
        number: which, from 0.
    """

    def __init__(self, network: SourceNetwork, number: int) -> None:
        self.widths = list(pairwise(layer_widths(network.model)))[number]
        self.layer, self.graph = network.model.layers[number], network.graph
        rows, device = network.x.size(0), network.x.device
        generator = torch.Generator().manual_seed(number)
        draw = [torch.randn(rows, width, generator=generator) for width in self.widths]
        self.x = network.x if number == 0 else draw[0].to(device).requires_grad_()
        self.upstream = draw[1].to(device)
        self.wanted = [*self.layer.parameters(), *([self.x] if number else [])]

    def forward(self) -> Tensor:
        """The output of the layer ``(N, out)``."""
        out: Tensor = self.layer(self.x, self.graph)
        return out

    def backward(self, out: Tensor) -> None:
        """The gradients of the scores and, above the first layer, of the input.

        Args:
            out: from :meth:`forward`.
        """
        torch.autograd.grad(out, self.wanted, self.upstream)

    def time(self) -> tuple[float, float]:
        """Seconds of a forward and of its backward pass."""
        out, forward = timed(self.upstream.device, self.forward)
        _, backward = timed(self.upstream.device, self.backward, out)
        return forward, backward


def time_layers(networks: Sequence[SourceNetwork], repeats: int) -> dict[str, list[dict[str, Any]]]:
    """Median seconds of every layer on every route, in turns.

    Args:
        networks: the same source network on every route.
        repeats: timed calls, after one that builds what is kept.

    Returns:
        By route and in the order of the layers: ``in`` and ``out``, the widths,
        ``forward_seconds`` and ``backward_seconds``.
    """
    found: dict[str, list[dict[str, Any]]] = {network.name: [] for network in networks}
    for number in range(len(networks[0].model.layers)):
        calls = [LayerCall(network, number) for network in networks]
        times: list[list[tuple[float, float]]] = [[] for _ in calls]
        with ExitStack() as stack:
            runs = [stack.enter_context(own_memory(network.route)) for network in networks]
            for _ in range(repeats + 1):
                for call, run, seconds in zip(calls, runs, times, strict=True):
                    seconds.append(run(call.time))
        for network, call, seconds in zip(networks, calls, times, strict=True):
            forward, backward = zip(*seconds[1:], strict=True)
            found[network.name].append(
                {
                    "in": call.widths[0],
                    "out": call.widths[1],
                    "forward_seconds": statistics.median(forward),
                    "backward_seconds": statistics.median(backward),
                }
            )
    return found
