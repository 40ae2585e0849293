"""Node classifiers as targets of constructions: trained by gslt, written in bases."""

from __future__ import annotations

import torch
from torch import Tensor

from gslt.backends import get_backend
from gslt.config import ModelConfig, TrainConfig
from gslt.data import NodeDataset
from gslt.errors import ConfigError
from gslt.nn.equivariant import EquivariantLinear, EquivariantNetwork
from gslt.nn.gnn import GNN
from gslt.nn.graph import Graph
from gslt.training.search import train

#: Added to variances, as torch's batch normalisation does.
_EPS = 1e-5


def train_node_target(
    dataset: NodeDataset, config: TrainConfig, *, progress: bool = False
) -> EquivariantNetwork:
    """A node classifier trained by :func:`gslt.train`, with its batch normalisation in its weights.

    Args:
        dataset: what to learn; the best validation epoch is taken.
        config: of the training; the first of its seeds.
        progress: show a progress bar on a terminal.

    Raises:
        ConfigError: for a network that is more than layers with ReLU between them, see
            :func:`absorbed`.
    """
    _check(config)
    model = train(dataset, config, progress=progress).runs[0].model
    assert isinstance(model, GNN)
    return absorbed(model, dataset)


def absorbed(model: GNN, dataset: NodeDataset) -> EquivariantNetwork:
    """A trained classifier as layers with biases: batch normalisation over the graph is affine.

    ReLU((z − μ) / σ) = ReLU(W' x + b') with W' = W / σ and b' = −μ / σ, where μ and σ² are those of
    z over the nodes of the graph.

    Args:
        model: without head, residual connections, PairNorm and ``unit_gain``; not frozen.
        dataset: the graph whose statistics are taken.

    Returns:
        The same function on this graph, in double precision.

    Raises:
        ConfigError: for a model of another kind.
    """
    _check(model.config)
    channels = [layer_weights(layer)[0].shape[::-1] for layer in model.layers]
    widths = [channels[0][0], *(out for _, out in channels)]
    network = EquivariantNetwork(model.config.architecture, widths).double()
    x, graph = node_field(dataset)
    with torch.no_grad():
        for number, (layer, own) in enumerate(zip(network.layers, model.layers, strict=True)):
            assert isinstance(layer, EquivariantLinear)
            layer.weight.copy_(torch.stack(layer_weights(own), 2))
            layer.bias.zero_()
            x = layer(x, graph)
            if model.config.batch_norm and number < len(network.layers) - 1:
                mean, scale = x.mean(0), (x.var(0, correction=0) + _EPS).rsqrt()
                layer.weight.mul_(scale.view(-1, 1, 1))
                layer.bias.copy_((-mean * scale).unsqueeze(1))
                x = (x - mean) * scale
            x = x.relu()
    return network


def node_field(dataset: NodeDataset) -> tuple[Tensor, Graph]:
    """Features ``(N, in)`` in double precision, and the graph that sums over neighbours.

    Args:
        dataset: of nodes.
    """
    graph = get_backend("pyg").graph(dataset.edge_index, dataset.num_nodes)
    return dataset.x.double(), graph


def layer_weights(layer: torch.nn.Module) -> list[Tensor]:
    """The matrices ``(out, in)`` of a layer, in the order of its basis.

    Args:
        layer: of a :class:`gslt.GNN`.
    """
    return [weight.detach().double() for weight in layer.parameters()]


def _check(config: ModelConfig) -> None:
    names = ("head", "residual", "pair_norm", "unit_gain")
    other = [name for name in names if getattr(config, name)]
    if config.edges != "all":
        other.append("edges")
    if other:
        raise ConfigError(
            f"a target is layers on a graph with ReLU between them; leave out {', '.join(other)}"
        )
