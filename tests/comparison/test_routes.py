"""The routes: one ticket on all of them, and fingerprints that tell another."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

import gslt
from gslt.comparison.routes import HOST, HostBackend, HostGNN, SourceNetwork, find_routes
from gslt.config import SearchConfig
from gslt.data import NodeDataset

Configure = Callable[..., SearchConfig]
ROUTES, _ = find_routes()
ARCHITECTURES = pytest.mark.parametrize("architecture", ["gin", "gcn", "sage", "gat"])


@ARCHITECTURES
def test_a_ticket_moves_to_the_host(
    search_config: Configure, architecture: str, blocks: NodeDataset
) -> None:
    """The file of a searched ticket restores on PyG's own layers, and gives the same logits."""
    run = gslt.search(blocks, search_config(architecture), progress=False).best
    host = HostGNN(8, 3, search_config(architecture), HostBackend())
    assert run.ticket is not None
    run.ticket.restore(host)
    there = host(blocks.x, blocks.edge_index)
    here = run.model(blocks.x, blocks.edge_index)
    assert torch.allclose(there, here, atol=1e-5)
    assert torch.equal(there.argmax(1), here.argmax(1))


def test_a_wrong_mask_is_found(search_config: Configure, blocks: NodeDataset) -> None:
    one, other = (SourceNetwork(ROUTES[HOST], blocks, search_config("gin")) for _ in range(2))
    with torch.no_grad():
        other.weights[0].score().neg_().add_(0.5)
    prints = [network.fingerprints() for network in (one, other)]
    assert prints[0]["masks"] != prints[1]["masks"]
