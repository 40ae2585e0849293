"""What a network is called with: made ready once for a data set, and kept as long as that is."""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from gslt.config import Precision
from gslt.data import Dataset, ImageDataset, NodeDataset
from gslt.data.images import Variation
from gslt.errors import ConfigError
from gslt.nn.gnn import compact_features
from gslt.nn.graph import Backend

#: Images of one forward pass without gradient, and of the sample that a probe sees.
CHUNK, SAMPLE = 250, 256


class Inputs:
    """What a model of this backend is called with, in single precision and in any other.

    Args:
        backend: builds the graph.
        dataset: on the device of the run.
    """

    def __init__(self, backend: Backend, dataset: NodeDataset) -> None:
        self.backend = backend
        self.x = compact_features(dataset.x)
        self.graph = backend.graph(dataset.edge_index, dataset.num_nodes)
        self._made: dict[Precision, Sequence[object]] = {}

    def of(self, precision: Precision) -> Sequence[object]:
        """Features of this type, known to the graph as constant, and the graph."""
        if precision not in self._made:
            x = self.x.to(getattr(torch, precision))
            self.graph.remember(x)
            self._made[precision] = self.backend.inputs(x, self.graph)
        return self._made[precision]

    def predict(self, model: nn.Module, precision: Precision = "float32") -> Tensor:
        """Logits ``(N, classes)`` of every node, without dropout or gradient.

        Args:
            model: left in the mode that it is in.
            precision: type of the activations.
        """
        return predict(model, self.of(precision))


class ImageInputs:
    """Normalised images, a batch at a time.

    Args:
        dataset: on the device of the run.
    """

    def __init__(self, dataset: ImageDataset) -> None:
        self.dataset = dataset

    def of(self, precision: Precision) -> Sequence[object]:
        """What a probe calls the model with: the first validation images, at most 256."""
        places = self.dataset.val_mask.nonzero().flatten()[:SAMPLE]
        return (self.batch(places, precision),)

    def batch(
        self, places: Tensor, precision: Precision, varied: Variation | None = None
    ) -> Tensor:
        """Images ``(n, C, 32, 32)`` as a network takes them, channels last in memory.

        Args:
            places: of the images, int64 ``(n,)``.
            precision: their type.
            varied: how they are shifted and mirrored, if at all.
        """
        pixels = self.dataset.x[places]
        pixels = pixels if varied is None else varied.apply(pixels)
        x = self.dataset.normalised(pixels).to(getattr(torch, precision))
        return x.contiguous(memory_format=torch.channels_last)

    def predict(
        self, model: nn.Module, precision: Precision = "float32", mask: Tensor | None = None
    ) -> Tensor:
        """Logits ``(n, classes)``, with running statistics and without gradient.

        Args:
            model: left in the mode that it is in.
            precision: type of the activations.
            mask: of the images, bool ``(N,)``; None takes all.
        """
        chosen = torch.ones_like(self.dataset.train_mask) if mask is None else mask
        places = chosen.nonzero().flatten()
        # The effective weights are the same for every chunk.
        with parametrize.cached():
            chunks = [
                predict(model, (self.batch(places[start : start + CHUNK], precision),))
                for start in range(0, len(places), CHUNK)
            ]
        return torch.cat(chunks)


#: What is ready of data sets that are in use, with the versions of the tensors it was made from.
_READY: WeakKeyDictionary[NodeDataset, dict[Backend, tuple[tuple[int, int], Inputs]]]
_READY = WeakKeyDictionary()


def inputs_of(backend: Backend, dataset: NodeDataset) -> Inputs:
    """The inputs of a graph, made once for several runs and kept as long as the data set is.

    They are made anew where its features or edges have been written to.

    Args:
        backend: builds the graph.
        dataset: on the device of the run.
    """
    ready = _READY.setdefault(dataset, {})
    versions = dataset.x._version, dataset.edge_index._version
    if backend not in ready or ready[backend][0] != versions:
        ready[backend] = versions, Inputs(backend, dataset)
    return ready[backend][1]


def network_inputs(backend: Backend | None, dataset: Dataset) -> Inputs | ImageInputs:
    """The inputs of either kind of data.

    Args:
        backend: builds the graph; None for images.
        dataset: on the device of the run.

    Raises:
        ConfigError: for a graph without a backend.
    """
    if isinstance(dataset, ImageDataset):
        return ImageInputs(dataset)
    if backend is None:
        raise ConfigError(f"{dataset.name} is a graph, which needs a backend")
    return inputs_of(backend, dataset)


def predict(model: nn.Module, inputs: Sequence[object]) -> Tensor:
    """Logits ``(N, classes)`` without dropout or gradient.

    Args:
        model: left in the mode that it is in.
        inputs: what it is called with, such as features ``(N, in)`` and a graph.
    """
    was_training = model.training
    model.eval()
    with torch.no_grad():
        logits: Tensor = model(*inputs)
    model.train(was_training)
    return logits
