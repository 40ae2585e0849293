"""Which functions of torch, layers and norms are steps."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch_geometric.nn import GCNConv, GPSConv, GraphNorm, Linear

from gslt.diagnostics.foreign import is_graph_layer, is_norm_layer, step_of


def test_functions_that_are_steps() -> None:
    x, square = torch.zeros(3, 2), torch.eye(3).to_sparse()
    assert step_of(torch.matmul, (x, x.T)) == "projection"
    assert step_of(torch.sparse.mm, (square, x)) == "aggregation"
    assert step_of(torch.sparse.mm, (torch.zeros(3, 2).to_sparse(), x.T)) == "projection"
    assert step_of(F.layer_norm, (x,)) == "normalisation"
    assert step_of(torch.tanh, (x,)) == "activation"
    assert step_of(torch.add, (x, x)) is None
    assert step_of(torch.addmm, (x, x, x.T)) == "projection"
    assert step_of(torch.sparse.addmm, (x, square, x)) == "aggregation"
    assert step_of(torch.mm, ()) == "projection"  # Both are given by name.


@pytest.mark.parametrize(
    ("module", "layer", "norm"),
    [
        (GCNConv(2, 2), True, False),
        (GPSConv(2, GCNConv(2, 2), heads=1), True, False),
        (Linear(2, 2), False, False),
        (GraphNorm(2), False, True),
        (nn.LayerNorm(2), False, True),
        (nn.Sequential(nn.LayerNorm(2)), False, False),
    ],
)
def test_layers_and_norms(module: nn.Module, layer: bool, norm: bool) -> None:
    assert is_graph_layer(module) is layer
    assert is_norm_layer(module) is norm


def test_a_block_with_a_map_is_no_norm_whatever_its_name() -> None:
    class NormBlock(nn.Sequential):
        pass

    assert is_norm_layer(NormBlock(nn.LayerNorm(2)))
    assert not is_norm_layer(NormBlock(nn.LayerNorm(2), nn.Linear(2, 2)))
