"""The two kinds of epoch: one full batch, or mini-batches. All else of a run is the same for both.

A kind makes the updates of an epoch, each by ``Loop._update``, and says what the epoch measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from gslt.data.images import ImageDataset, Variation
from gslt.data.metrics import METRICS, loss
from gslt.random import Stream

if TYPE_CHECKING:
    from gslt.training.inputs import ImageInputs
    from gslt.training.loop import Loop


class EpochKind(Protocol):
    """How an epoch is made of updates."""

    updates: int
    """Number of them in an epoch."""

    def begin(self, done: int) -> None:
        """Make ready for the next epoch.

        Args:
            done: epochs so far.
        """

    def run(self, epoch: int) -> None:
        """Make every update of an epoch, and set the sparsity that it ends with.

        Args:
            epoch: its number; 1 is the first.
        """

    def measure(self, epoch: int) -> tuple[float, dict[str, float]]:
        """Loss on the training items and metric of every split, of the epoch that was run.

        Args:
            epoch: its number.

        Raises:
            GsltError: if the loss is infinite or NaN.
        """


class FullBatch:
    """One update of all training nodes: its forward also scores the update before.

    Args:
        loop: of the run.
    """

    updates = 1

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.logits: Tensor
        self.loss: Tensor

    def begin(self, done: int) -> None:
        """Compute the loss of the next update; a checkpoint holds no activations.

        Args:
            done: epochs so far.
        """
        self.loss = self.loop._loss(self.loop._forward(done))

    def run(self, epoch: int) -> None:
        """Update, then compute the loss of the next update.

        Args:
            epoch: its number; 1 is the first.
        """
        self.loop._update(epoch, self.loss)
        self.loop._set_sparsity(epoch)
        with torch.set_grad_enabled(epoch < self.loop.config.epochs):
            self.logits = self.loop._forward(epoch)
            self.loss = self.loop._loss(self.logits)

    def measure(self, epoch: int) -> tuple[float, dict[str, float]]:
        """Of the network after the update, without dropout.

        Args:
            epoch: its number.

        Raises:
            GsltError: if the loss is infinite or NaN.
        """
        logits, loss_now = self.logits.detach(), self.loss.detach()
        # Without dropout the model is the same function in training: its logits score every split.
        if self.loop.model.config.dropout:
            logits = self.loop.all_inputs.predict(self.loop.model, self.loop.config.precision)
            loss_now = self.loop._loss(logits)
        found = self.loop.finite(loss_now.item(), epoch)
        return found, self.loop.dataset.score(logits)


class MiniBatches:
    """Updates of a few training images each, every image once an epoch.

    Their order is the permutation of the stream ``(seed, "epoch e", "order")``, so that a run that
    goes on from an epoch needs no state of a generator.

    Args:
        loop: of the run.
        dataset: of the run.
        inputs: makes batches of it.
    """

    def __init__(self, loop: Loop, dataset: ImageDataset, inputs: ImageInputs) -> None:
        self.loop, self.dataset, self.inputs = loop, dataset, inputs
        number = len(loop.train)
        self.size = loop.config.batch_size or number
        self.updates = -(-number // self.size)
        self.logits, self.y = torch.empty(0), torch.empty(0)

    def begin(self, done: int) -> None:
        """Nothing is to be ready.

        Args:
            done: epochs so far.
        """

    def run(self, epoch: int) -> None:
        """Go through the training images, at the sparsity of the epoch's end throughout.

        Args:
            epoch: its number; 1 is the first.
        """
        loop, config = self.loop, self.loop.config
        loop._set_sparsity(epoch)
        number, seed = len(loop.train), loop.seed
        order = torch.from_numpy(Stream(seed, f"epoch {epoch}", "order").permutation(number))
        how = Variation.drawn(number, seed, epoch) if config.augment else None
        seen = []
        loop.model.train()
        for start in range(0, number, self.size):
            places = order[start : start + self.size]
            here = places.to(loop.train.device)
            varied = how.of(places) if how is not None else None
            x = self.inputs.batch(loop.train[here], config.precision, varied)
            logits: Tensor = loop.model(x)
            loop._update(epoch, loss(logits, loop.train_y[here]))
            seen.append(logits.detach())
        self.logits, self.y = torch.cat(seen), loop.train_y[order.to(loop.train.device)]

    def measure(self, epoch: int) -> tuple[float, dict[str, float]]:
        """Loss and training metric of the batches as they were learnt from, each before its update.

        The other splits are scored by the network after the last update.

        Args:
            epoch: its number.

        Raises:
            GsltError: if the loss is infinite or NaN.
        """
        found = self.loop.finite(loss(self.logits, self.y).item(), epoch)
        score = METRICS[self.dataset.metric].score
        scores = {"train": score(self.logits, self.y)}
        for split in ("val", "test"):
            mask = self.dataset.splits[split]
            logits = self.inputs.predict(self.loop.model, self.loop.config.precision, mask)
            scores[split] = score(logits, self.dataset.y[mask])
        return found, scores
