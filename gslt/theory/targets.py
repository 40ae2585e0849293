"""Small networks to construct tickets for: data that needs no download, and their training.

``digits`` are scikit-learn's real 8 × 8 images of handwritten digits (1,797 of them), each turned
here by a random multiple of 90°. ``hubs`` are **synthetic** random graphs, with as many nodes and
edges each, in one class with edges anywhere and in the other with edges that prefer some nodes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gslt.data import NodeDataset
from gslt.data.metrics import constant_logits
from gslt.errors import ConfigError, MissingPackageError
from gslt.nn.equivariant import EquivariantNetwork
from gslt.nn.graph import Graph
from gslt.progress import progress_bar
from gslt.random import Stream

#: Share of the data of a task that is trained on.
_TRAIN = 0.75
#: Examples of a step of training.
_BATCH = 64
#: Of the synthetic graphs.
_NODES, _EDGES, _WEIGHT = 16, 32, 5


@dataclass(frozen=True)
class Task:
    """Fields with classes, some of them to train on and the others to test on."""

    name: str
    x: Tensor
    """Fields ``(batch, channels, …)``, double."""
    y: Tensor
    """Classes ``(batch,)``, int64."""
    train: Tensor
    """Which are trained on, bool ``(batch,)``."""
    test: Tensor
    """Which are tested on, bool ``(batch,)``."""
    graph: Graph | None = None
    """Of message passing, whose nodes the batch then is."""
    synthetic: bool = False
    """Whether the data, or what was done to it, is made up."""
    dataset: NodeDataset | None = None
    """Of nodes, whose metric and splits then count."""
    label: str = ""
    """Its name where people read it; empty: the name."""
    seed: int = 0
    """That data was made with: of what is random in it, and of its split."""

    @property
    def content_hash(self) -> str:
        """SHA-256 of fields, classes and split, or that of the data set of nodes."""
        if self.dataset is not None:
            return self.dataset.content_hash
        found = hashlib.sha256()
        for part in (self.x, self.y, self.train, self.test):
            found.update(f"|{part.dtype} {tuple(part.shape)}|".encode())
            found.update(part.contiguous().numpy().data)
        return found.hexdigest()

    @property
    def split_number(self) -> int:
        """Number of the split of a data set of nodes; the seed of data that is made."""
        return self.seed if self.dataset is None else self.dataset.split

    @property
    def shown(self) -> str:
        """Its name where people read it, with the word synthetic where it is."""
        return self.label or self.name

    def info(self) -> dict[str, str | int | float | bool]:
        """Facts about the data, for people and for records, as of other data sets."""
        if self.dataset is not None:
            return self.dataset.info()
        constant = constant_logits(self.y[self.train], self.classes).argmax()
        return {
            "name": self.shown,
            "synthetic": self.synthetic,
            "examples": len(self.y),
            "classes": self.classes,
            "train": int(self.train.sum()),
            "test": int(self.test.sum()),
            "test_majority_rate": float((self.y[self.test] == constant).double().mean()),
        }

    def scores(self, network: nn.Module) -> dict[str, float]:
        """Accuracy on every split, or the data set's metric, of a target or a ticket of it.

        Args:
            network: fields and graph → outputs ``(batch, classes)``.
        """
        if self.dataset is None:
            return accuracies(network, self)._asdict()
        with torch.no_grad():
            out = _outputs(network, self.x, slice(None), self.graph)
        return self.dataset.evaluate(out.float())

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.y.max()) + 1


class Accuracies(NamedTuple):
    """Share of examples that are given their class."""

    train: float
    test: float


def digits(seed: int = 0, *, flat: bool = False) -> Task:
    """Real 8 × 8 images of digits, turned by random multiples of 90°; 10 classes.

    The turns are made up, so it counts as synthetic: its scores are no one's on the real digits.
    Turned by 180° some sixes are nines, so that nobody is right about all of them.

    Args:
        seed: of the turns and of the split, 3 : 1.
        flat: vectors ``(1797, 64)`` in place of images ``(1797, 1, 8, 8)``; numbers in [0, 1].

    Raises:
        MissingPackageError: without scikit-learn.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise MissingPackageError("scikit-learn", "the data set digits", "") from None
    data = load_digits()
    images = torch.from_numpy(data.images / 16.0)
    turns = Stream(seed, "digits", "turn").uniform(len(images)) * 4
    turned = [torch.rot90(image, int(k), (0, 1)) for image, k in zip(images, turns, strict=True)]
    x = torch.stack(turned).unsqueeze(1)
    y = torch.from_numpy(data.target.astype(np.int64))
    made = _split("digits", x.flatten(1) if flat else x, y, seed, True)
    return replace(made, label="digits, turned (real images, synthetic turns)")


def hubs(seed: int = 0, number: int = 1200) -> Task:
    """**Synthetic** graphs of 16 nodes and 32 edges as tensors ``(number, 1, 16, 16)``; 2 classes.

    Class 0 draws its edges from all pairs of nodes alike; class 1 with probability proportional to
    the product of the nodes' weights, 5 for a quarter of the nodes and 1 for the others. The nodes
    of each graph are in a random order.

    Args:
        seed: of the graphs and of the split, 3 : 1.
        number: of graphs, at least 8.

    Raises:
        ConfigError: for fewer than 8 graphs.
    """
    if number < 8:
        raise ConfigError(f"there must be at least 8 graphs to train and to test, got {number}")
    y = np.arange(number) % 2
    order = Stream(seed, "hubs", "nodes").uniform(number * _NODES).reshape(number, -1).argsort(1)
    weight = np.where((order < _NODES // 4) & (y == 1)[:, None], _WEIGHT, 1)
    first, second = np.triu_indices(_NODES, 1)
    # The largest of w uniform numbers: taking the largest of these draws in proportion to w,
    # without replacement (Efraimidis and Spirakis 2006), and without a logarithm.
    lots = Stream(seed, "hubs", "edges").uniform(number * len(first) * _WEIGHT**2)
    lots = lots.reshape(number, len(first), -1)
    lots[np.arange(_WEIGHT**2) >= (weight[:, first] * weight[:, second])[:, :, None]] = 0.0
    chosen = (-lots.max(2)).argsort(1, kind="stable")[:, :_EDGES]
    x = np.zeros((number, 1, _NODES, _NODES))
    rows = np.arange(number)[:, None]
    x[rows, 0, first[chosen], second[chosen]] = 1.0
    x[rows, 0, second[chosen], first[chosen]] = 1.0
    return _split("hubs (synthetic)", torch.from_numpy(x), torch.from_numpy(y), seed, True)


def _split(name: str, x: Tensor, y: Tensor, seed: int, synthetic: bool = False) -> Task:
    order = Stream(seed, name, "split").permutation(len(y))
    train = torch.zeros(len(y), dtype=torch.bool)
    train[order[: round(_TRAIN * len(y))]] = True
    return Task(name, x, y, train, ~train, synthetic=synthetic, seed=seed)


@dataclass(frozen=True)
class Recipe:
    """A small target of one kind, that trains in less than a minute on one core."""

    task: Callable[[int], Task]
    """The data of a seed."""
    data: str
    """What it is called."""
    hidden: tuple[int, ...]
    """Widths between those of the data and of the classes."""
    epochs: int
    lr: float

    def channels(self, task: Task, width: int | None = None) -> tuple[int, ...]:
        """Widths of the network.

        Args:
            task: what :attr:`task` has made.
            width: of every hidden layer; default: :attr:`hidden`.
        """
        hidden = self.hidden if width is None else (width,) * len(self.hidden)
        return (task.x.size(1), *hidden, task.classes)


#: Targets whose data is not one graph, by kind of network. Test accuracies at seed 0, of one
#: drawing of the split: 0.92, 0.92, 0.95, 0.86 and 0.95. D4 does not tell a digit from its mirror
#: image.
RECIPES: dict[str, Recipe] = {
    "mlp": Recipe(partial(digits, flat=True), "digits", (48,), 60, 0.01),
    "cnn": Recipe(digits, "digits", (16, 16, 16), 60, 0.01),
    "c4cnn": Recipe(digits, "digits", (8, 8, 8), 50, 0.01),
    "d4cnn": Recipe(digits, "digits", (6, 6, 6), 40, 0.01),
    "ign2": Recipe(hubs, "hubs", (4, 4), 30, 0.01),
}


def train_target(
    network: EquivariantNetwork,
    task: Task,
    *,
    epochs: int = 60,
    lr: float = 0.01,
    seed: int = 0,
    progress: bool = False,
) -> Accuracies:
    """Train a network's weights by Adam on the cross entropy, from weights that the seed draws.

    The learning rate rises over the first tenth of the epochs and falls to 0 by a cosine. Fields
    are taken in batches of 64, nodes of a graph all at once. The same seed gives the same weights
    to the last bit on the same machine.

    Args:
        network: of the task's channels and classes; changed in place.
        task: what to learn.
        epochs: passes over the examples to train on.
        lr: learning rate at the start.
        seed: of the first weights and of the order of the examples.
        progress: show a progress bar on a terminal.

    Returns:
        Shares of right classes after the last epoch.

    Raises:
        ConfigError: if the network's widths are not the task's, no epoch is asked for, or the
            training diverges.
    """
    widths = network.channels[0], network.channels[-1]
    if widths != (task.x.size(1), task.classes):
        raise ConfigError(
            f"{task.name} has {task.x.size(1)} channels and {task.classes} classes, "
            f"the network maps {widths[0]} channels to {widths[1]}"
        )
    if epochs < 1 or not lr > 0:
        raise ConfigError(f"epochs and lr must be positive, got {epochs} and {lr}")
    initialise(network, seed)
    x = task.x.to(next(network.parameters()).dtype)
    train = task.train.nonzero()[:, 0]
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: _rate(epoch, epochs))
    for epoch in progress_bar(
        range(epochs), desc=f"{task.name}, target", unit="epoch", show=progress
    ):
        for chosen in _batches(train, task, Stream(seed, f"epoch {epoch}", "order")):
            optimizer.zero_grad()
            loss = F.cross_entropy(_outputs(network, x, chosen, task.graph), task.y[chosen])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        schedule.step()
        if not all(bool(each.isfinite().all()) for each in network.parameters()):
            raise ConfigError(
                f"training on {task.name} diverged in epoch {epoch} at lr {lr:g}; take less"
            )
    return accuracies(network, task)


def _rate(epoch: int, epochs: int) -> float:
    """Fraction of the learning rate: up a line over the first tenth, down a cosine to 0."""
    warm = math.ceil(epochs / 10)
    if epoch < warm:
        return (epoch + 1) / (warm + 1)
    return 0.5 * (1 + math.cos(math.pi * (epoch - warm) / max(1, epochs - warm)))


def initialise(network: EquivariantNetwork, seed: int) -> None:
    """Kaiming-normal weights and no biases, the same on every machine.

    Args:
        network: changed in place.
        seed: of the weights.
    """
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
                continue
            drawn = Stream(seed, name, "weight").normal(parameter.numel())
            scale = (2.0 / (parameter.size(1) * parameter.size(2))) ** 0.5
            parameter.copy_(torch.from_numpy(drawn * scale).reshape(parameter.shape))


def accuracies(network: Callable[..., Tensor], task: Task) -> Accuracies:
    """Share of right classes among those to train on, and those to test on.

    Args:
        network: fields, and the graph where there is one → outputs ``(batch, classes)``; a
            target, or the ticket in its place.
        task: the data, taken in the precision of a module's first parameter.
    """
    parameters = network.parameters() if isinstance(network, nn.Module) else iter(())
    first = next(parameters, task.x)
    with torch.no_grad():
        out = _outputs(network, task.x.to(first.dtype), slice(None), task.graph)
    right = (out.argmax(1) == task.y).double()
    return Accuracies(float(right[task.train].mean()), float(right[task.test].mean()))


def _batches(train: Tensor, task: Task, order: Stream) -> Sequence[Tensor]:
    if task.graph is not None:
        return [train]
    shuffled = train[torch.from_numpy(order.permutation(len(train)))]
    return torch.split(shuffled, _BATCH)


def _outputs(
    network: Callable[..., Tensor], x: Tensor, chosen: Tensor | slice, graph: Graph | None
) -> Tensor:
    """Of some examples; those of a graph need all others."""
    return network(x[chosen]) if graph is None else network(x, graph)[chosen]
