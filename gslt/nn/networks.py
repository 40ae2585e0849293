"""The network of a config, whichever kind it is: of a graph or of images."""

from __future__ import annotations

from gslt.config import VISION, ModelConfig
from gslt.errors import ConfigError
from gslt.nn.gnn import GNN
from gslt.nn.graph import Backend
from gslt.nn.vision import VisionNet, vision_net

#: What a search or a weight training is of.
Network = GNN | VisionNet


def build_network(
    in_channels: int, out_channels: int, config: ModelConfig, backend: Backend | None
) -> Network:
    """The network of a config with torch's initial weights, which are all replaced later.

    Args:
        in_channels: number of features, or channels of an image.
        out_channels: number of classes.
        config: architecture and what it has of depth and width.
        backend: engine of the message passing; None where the network is of images.

    Raises:
        ConfigError: if a network of a graph has no backend.
    """
    if config.architecture in VISION:
        return vision_net(in_channels, out_channels, config)
    if backend is None:
        raise ConfigError(f"{config.architecture} is a network of graphs and needs a backend")
    return GNN(in_channels, out_channels, config, backend)
