"""Bases of message passing, beside the layers."""

from __future__ import annotations

import pytest
import torch
from graphs import GRAPHS

from gslt.backends.csr import CSRGraph
from gslt.errors import ConfigError
from gslt.nn.bases import Messages
from gslt.nn.conv import GCNConv, GINConv, SAGEConv
from gslt.nn.equivariant import BASES, EquivariantLinear


@pytest.mark.parametrize("graph", GRAPHS)
def test_message_passing_is_what_the_layers_compute(graph: str) -> None:
    nodes, edges = GRAPHS[graph]
    built = CSRGraph(edges, nodes, nodes)
    x = torch.randn(nodes, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    gin = GINConv(torch.nn.Linear(3, 2, bias=False), aggr="mean").double()
    gcn = GCNConv(3, 2, bias=False).double()
    sage = SAGEConv(3, 2, bias=False).double()
    layers = [
        ("gin", gin, gin.nn.weight[..., None]),
        ("gcn", gcn, gcn.weight[..., None]),
        ("sage", sage, torch.stack([sage.lin_l.weight, sage.lin_r.weight], 2)),
    ]
    for name, layer, weight in layers:
        out = BASES[name].apply(x, weight, built)
        torch.testing.assert_close(out, layer(x, built), rtol=0, atol=1e-12)


def test_message_passing_needs_a_graph() -> None:
    with pytest.raises(ConfigError, match="needs a graph"):
        EquivariantLinear("gin", 2, 2)(torch.ones(3, 2))


def test_messages_count_their_operators() -> None:
    basis = Messages(lambda x, graph: 2 * x, lambda x, graph: 3 * x)
    assert basis.size == 2
    weight = torch.tensor([[[1.0, 10.0]]])
    nodes, edges = GRAPHS["single node"]
    assert basis.apply(torch.ones(1, 1), weight, CSRGraph(edges, nodes, nodes)).item() == 32
