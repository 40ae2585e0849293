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
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from gslt.comparison.routes import Candidate
from gslt.config import SearchConfig
from gslt.data import NodeDataset
from gslt.nn import memory

T = TypeVar("T")
Tick = Callable[[], object]


class OwnMemory:
    """Where a candidate's large activations live between its turns, as in a search of its own."""

    def __init__(self, candidate: Candidate) -> None:
        self._context, self._stack = contextvars.copy_context(), ExitStack()
        if not candidate.route.is_host:
            self._context.run(self._stack.enter_context, memory.reused())

    def run(self, call: Callable[[], T]) -> T:
        """Call inside."""
        return self._context.run(call)

    def close(self) -> None:
        """Return the memory."""
        self._context.run(self._stack.close)


def now(device: torch.device) -> float:
    """The time when a device has done what it was given. Seconds."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


@dataclass
class Trial:
    """The search of one candidate, one epoch at a time; updates as in :func:`gslt.search`."""

    candidate: Candidate
    dataset: NodeDataset
    config: SearchConfig
    losses: list[float] = field(default_factory=list)
    """Training losses after 0, 1, 2, … updates."""
    forward: list[float] = field(default_factory=list)
    """Seconds of the forward pass of each epoch: selection, logits, loss, accuracies."""
    backward: list[float] = field(default_factory=list)
    update: list[float] = field(default_factory=list)
    """Seconds of the optimizer's step."""
    accuracy: dict[str, float] = field(default_factory=dict)
    """Of every split, after the last forward pass."""

    def __post_init__(self) -> None:
        self.train = self.dataset.train_mask.nonzero().flatten()
        self.labels = self.dataset.y[self.train]
        self.memory = OwnMemory(self.candidate)
        self.optimizer = torch.optim.AdamW(
            self.candidate.model.parameters(), lr=self.config.lr, weight_decay=0.0
        )

    @property
    def seconds(self) -> list[float]:
        """Seconds of each epoch."""
        parts = zip(self.forward, self.backward, self.update, strict=True)
        return [sum(part) for part in parts]

    def epoch(self) -> tuple[Tensor, Tensor]:
        """A forward pass and an update; the masks and predicted classes before the update."""
        return self.memory.run(self._epoch)

    def _epoch(self) -> tuple[Tensor, Tensor]:
        device = self.train.device
        started = now(device)
        loss, classes = self._forward()
        computed = now(device)
        masks = self.candidate.masks()
        done = len(self.update)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.lr * (1 + math.cos(math.pi * done / self.config.epochs)) / 2
        self.optimizer.zero_grad(set_to_none=True)
        begun = now(device)
        loss.backward()  # type: ignore[no-untyped-call]
        returned = now(device)
        self.optimizer.step()
        self.update.append(now(device) - returned)
        self.backward.append(returned - begun)
        self.forward.append(computed - started)
        return masks, classes

    def look(self) -> tuple[Tensor, Tensor]:
        """Masks and predicted classes after the last update, without a time or a gradient."""
        with torch.no_grad():
            classes = self.memory.run(self._forward)[1]
        return self.candidate.masks(), classes

    def _forward(self) -> tuple[Tensor, Tensor]:
        logits: Tensor = self.candidate.model(*self.candidate.inputs)
        loss = F.cross_entropy(logits[self.train], self.labels)
        self.losses.append(loss.item())
        self.accuracy = self.dataset.accuracy(logits.detach())
        return loss, logits.detach().argmax(1)


def race(
    candidates: Sequence[Candidate],
    dataset: NodeDataset,
    config: SearchConfig,
    tick: Tick = lambda: None,
) -> dict[str, dict[str, Any]]:
    """Search with every candidate for ``config.epochs`` epochs, in turns.

    Returns:
        By route: ``epoch`` (medians over the epochs after the first, which builds what is kept:
        ``seconds``, ``forward_seconds``, ``backward_seconds``; least and largest epoch) and
        ``trajectory``: losses after each update; and beside the first candidate the largest
        difference of a loss, the fraction of equal mask bits after each update, whether the masks
        after the last one are the same, the fraction of equal predicted classes then.
    """
    trials = [Trial(candidate, dataset, config) for candidate in candidates]
    agreement: list[list[float]] = [[] for _ in trials]
    try:
        for number in range(config.epochs):
            # Another one begins each time: none always follows the same.
            first = number % len(trials)
            order = [*range(first, len(trials)), *range(first)]
            masks = {place: trials[place].epoch()[0] for place in order}
            for place, shares in enumerate(agreement):
                shares.append(_share(masks[place], masks[0]))
            tick()
        last = [trial.look() for trial in trials]
    finally:
        for trial in trials:
            trial.memory.close()
    for place, shares in enumerate(agreement):
        shares.append(_share(last[place][0], last[0][0]))
    return {
        trial.candidate.name: {
            "epoch": _medians(trial),
            "trajectory": {
                "losses": trial.losses,
                "loss_difference": _largest(trial.losses, trials[0].losses),
                "mask_agreement": shares,
                "same_masks": torch.equal(masks_at_end, last[0][0]),
                "same_classes": _share(classes, last[0][1]),
                "accuracy": trial.accuracy,
            },
        }
        for trial, shares, (masks_at_end, classes) in zip(trials, agreement, last, strict=True)
    }


def _share(one: Tensor, other: Tensor) -> float:
    return float((one == other).double().mean())


def _largest(one: Sequence[float], other: Sequence[float]) -> float:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def _medians(trial: Trial) -> dict[str, Any]:
    timed = trial.seconds[1:]
    return {
        "seconds": statistics.median(timed),
        "forward_seconds": statistics.median(trial.forward[1:]),
        "backward_seconds": statistics.median(trial.backward[1:]),
        "least_seconds": min(timed),
        "largest_seconds": max(timed),
        "timed": len(timed),
    }
