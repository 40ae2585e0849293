"""The network of a config, of either kind."""

from __future__ import annotations

import pytest

import gslt
from gslt.backends import get_backend
from gslt.config import ModelConfig
from gslt.nn.networks import build_network
from gslt.nn.vision import VisionNet


def test_the_architecture_says_which_kind_it_is() -> None:
    graph = build_network(5, 3, ModelConfig(architecture="gcn"), get_backend("pyg"))
    images = build_network(3, 7, ModelConfig(architecture="conv2", width=0.1), None)
    assert isinstance(graph, gslt.GNN)
    assert isinstance(images, VisionNet)
    assert (graph.in_channels, graph.out_channels) == (5, 3)
    assert (images.in_channels, images.out_channels) == (3, 7)
    with pytest.raises(gslt.ConfigError, match="gcn is a network of graphs and needs a backend"):
        build_network(5, 3, ModelConfig(architecture="gcn"), None)
