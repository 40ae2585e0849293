"""What is compared: refused settings, the command line, synthetic graphs."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gslt.comparison.config import LEAST_NODES, CompareConfig
from gslt.comparison.graphs import block_model
from gslt.data.synthetic import CLASSES
from gslt.environment import import_quietly
from gslt.errors import ConfigError


def test_block_model() -> None:
    assert LEAST_NODES == 10 * CLASSES
    dataset = block_model(400)
    assert (dataset.num_nodes, dataset.num_features, dataset.num_classes) == (400, 128, 40)
    assert dataset.synthetic
    assert "(synthetic)" in dataset.name
    assert 13 * 400 < dataset.num_edges < 14 * 400
    assert torch.equal(block_model(400).x, dataset.x)
    assert torch.equal(block_model(400).edge_index, dataset.edge_index)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"architectures": ("mlp",)},
            "architectures must be one of gin, gcn, sage, gat, got",
        ),
        ({"nodes": ()}, "nodes is empty"),
        ({"nodes": (399,)}, "nodes must be integers of at least 400, got 399"),
        ({"nodes": (1e4,)}, "nodes must be integers"),
        ({"hidden_channels": (0,)}, "hidden_channels must be at least 1"),
        ({"epochs": 1}, "epochs must be at least 2"),
        ({"repeats": 0}, "repeats must be at least 1"),
        ({"sparsity": 2.0}, "sparsity"),
        ({"lr": 0.0}, "lr must be positive"),
        ({"heads": 4}, "heads are those of gat, which is not among architectures"),
    ],
)
def test_refused_configs(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CompareConfig(**changes)


def test_the_command_line_reads_the_config() -> None:
    ArgumentParser = import_quietly("jsonargparse").ArgumentParser
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(CompareConfig)
    given = ["--nodes", "[400, 800]", "--architectures", "[gcn]", "--memory", "false"]
    config = CompareConfig(**parser.parse_args(given))
    assert config.nodes == (400, 800)
    assert config.architectures == ("gcn",)
    assert config.memory is False
