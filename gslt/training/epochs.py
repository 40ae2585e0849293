"""The two kinds of epoch: one full batch, or mini-batches. All else of a run is the same for both.

A kind makes the updates of an epoch, each by ``Loop._update``, and says what the epoch measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from gslt.data.images import ImageDataset, Variation
from gslt.data.metrics import loss
from gslt.random import Stream

if TYPE_CHECKING:
    from gslt.training.inputs import ImageInputs
    from gslt.training.loop import Loop


class EpochKind(Protocol):
    """How an epoch is made of updates. It holds no loop, so that nothing outlives a run."""

    updates: int
    """Number of them in an epoch."""

    def begin(self, loop: Loop, done: int) -> None:
        """Make ready for the next epoch.

        Args:
            loop: of the run.
            done: epochs so far.
        """

    def run(self, loop: Loop, epoch: int) -> None:
        """Make every update of an epoch, and set the sparsity that it ends with.

        Args:
            loop: of the run.
            epoch: its number; 1 is the first.
        """

    def measure(self, loop: Loop, epoch: int) -> tuple[float, dict[str, float]]:
        """Loss on the training items and metric of every split, of the epoch that was run.

        Args:
            loop: of the run.
            epoch: its number.

        Raises:
            GsltError: if the loss is infinite or NaN.
        """

    def end(self) -> None:
        """Let go of what only another epoch would need."""


class FullBatch:
    """One update of all training nodes: its forward also scores the update before."""

    updates = 1

    def __init__(self) -> None:
        self.logits: Tensor | None = None
        self.loss: Tensor | None = None

    def begin(self, loop: Loop, done: int) -> None:
        """Compute the loss of the next update; a checkpoint holds no activations.

        Args:
            loop: of the run.
            done: epochs so far.
        """
        self.loss = loop._loss(loop._forward(done))

    def run(self, loop: Loop, epoch: int) -> None:
        """Update, then compute the loss of the next update.

        Args:
            loop: of the run.
            epoch: its number; 1 is the first.
        """
        assert self.loss is not None
        loop._update(epoch, self.loss)
        loop._set_sparsity(epoch)
        with torch.set_grad_enabled(epoch < loop.config.epochs):
            self.logits = loop._forward(epoch)
            self.loss = loop._loss(self.logits)

    def measure(self, loop: Loop, epoch: int) -> tuple[float, dict[str, float]]:
        """Of the network after the update, without dropout.

        Args:
            loop: of the run.
            epoch: its number.

        Raises:
            GsltError: if the loss is infinite or NaN.
        """
        assert self.logits is not None
        assert self.loss is not None
        logits, loss_now = self.logits.detach(), self.loss.detach()
        # Without dropout the model is the same function in training: its logits score every split.
        if loop.model.config.dropout:
            logits = loop.all_inputs.predict(loop.model, loop.config.precision)
            loss_now = loop._loss(logits)
        found = loop.finite(loss_now.item(), epoch)
        return found, loop.dataset.score(logits)

    def end(self) -> None:
        """Let go of the last forward."""
        self.logits = self.loss = None


class MiniBatches:
    """Updates of a few training images each, every image once an epoch.

    Their order is the permutation of the stream ``(seed, "epoch e", "order")``, so that a run that
    goes on from an epoch needs no state of a generator.

    Args:
        dataset: of the run.
        inputs: makes batches of it.
        size: images of a batch; 0 takes all.
    """

    def __init__(self, dataset: ImageDataset, inputs: ImageInputs, size: int) -> None:
        self.dataset, self.inputs = dataset, inputs
        self.number = int(dataset.train_mask.sum())
        self.size = size or self.number
        self.updates = -(-self.number // self.size)
        self.logits, self.y = torch.empty(0), torch.empty(0)

    def begin(self, loop: Loop, done: int) -> None:
        """Nothing is to be ready.

        Args:
            loop: of the run.
            done: epochs so far.
        """

    def run(self, loop: Loop, epoch: int) -> None:
        """Go through the training images, at the sparsity of the epoch's end throughout.

        Args:
            loop: of the run.
            epoch: its number; 1 is the first.
        """
        config, seed = loop.config, loop.seed
        loop._set_sparsity(epoch)
        order = torch.from_numpy(Stream(seed, f"epoch {epoch}", "order").permutation(self.number))
        how = Variation.drawn(self.number, seed, epoch) if config.augment else None
        seen = []
        loop.model.train()
        for start in range(0, self.number, self.size):
            places = order[start : start + self.size]
            here = places.to(loop.train.device)
            varied = how.of(places) if how is not None else None
            x = self.inputs.batch(loop.train[here], config.precision, varied)
            logits: Tensor = loop.model(x)
            loop._update(epoch, loss(logits, loop.train_y[here]))
            seen.append(logits.detach())
        self.logits, self.y = torch.cat(seen), loop.train_y[order.to(loop.train.device)]

    def measure(self, loop: Loop, epoch: int) -> tuple[float, dict[str, float]]:
        """Loss and training metric of the batches as they were learnt from, each before its update.

        The other splits are scored by the network after the last update.

        Args:
            loop: of the run.
            epoch: its number.

        Raises:
            GsltError: if the loss is infinite or NaN.
        """
        found = loop.finite(loss(self.logits, self.y).item(), epoch)
        score = self.dataset.score_of
        scores = {"train": score(self.logits, self.y)}
        for split in ("val", "test"):
            mask = self.dataset.splits[split]
            logits = self.inputs.predict(loop.model, loop.config.precision, mask)
            scores[split] = score(logits, self.dataset.y[mask])
        return found, scores

    def end(self) -> None:
        """Nothing is held that is large."""
