"""Trained node classifiers as layers with biases: the same function on their graph."""

from __future__ import annotations

import pytest
import torch

import gslt
from gslt.config import TrainConfig
from gslt.data import NodeDataset
from gslt.errors import ConfigError
from gslt.theory.node_targets import absorbed, node_field, train_node_target


@pytest.mark.parametrize("architecture", ["gin", "gcn", "sage"])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_absorbed_norms_leave_the_function(
    architecture: str, batch_norm: bool, blocks: NodeDataset
) -> None:
    data = blocks
    config = TrainConfig(
        architecture=architecture,  # type: ignore[arg-type]
        num_layers=3,
        hidden_channels=6,
        head=False,
        batch_norm=batch_norm,
        epochs=5,
    )
    model = gslt.train(data, config, progress=False).runs[0].model
    network = absorbed(model, data)
    logits = model.eval()(*model.backend.inputs(data.x, graph_of(model, data)))
    with torch.no_grad():
        found = network(*node_field(data))
    torch.testing.assert_close(found, logits.double(), rtol=1e-5, atol=1e-5)
    again = train_node_target(data, config)
    torch.testing.assert_close(again(*node_field(data)), found, rtol=0, atol=0)


def graph_of(model: gslt.GNN, data: NodeDataset) -> object:
    return model.backend.graph(data.edge_index, data.num_nodes)


@pytest.mark.parametrize("option", ["head", "residual"])
def test_more_than_layers_is_refused(option: str, blocks: NodeDataset) -> None:
    settings = {"head": False, option: True}
    with pytest.raises(ConfigError, match=f"leave out {option}"):
        train_node_target(blocks, TrainConfig(epochs=1, **settings))  # type: ignore[arg-type]
