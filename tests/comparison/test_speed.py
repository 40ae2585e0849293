"""Searches and layers in turns: they are those of gslt.search, and drift is found."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

import gslt
from gslt.comparison.routes import HOST, SourceNetwork, find_routes
from gslt.comparison.speed import time_layers, time_searches
from gslt.config import SearchConfig
from gslt.data import NodeDataset

Configure = Callable[..., SearchConfig]
ROUTES, _ = find_routes()
ARCHITECTURES = pytest.mark.parametrize("architecture", ["gin", "gcn", "sage", "gat"])


@ARCHITECTURES
def test_the_race_is_the_search(
    search_config: Configure, architecture: str, blocks: NodeDataset
) -> None:
    config = search_config(architecture, epochs=4)
    networks = [SourceNetwork(route, blocks, config) for route in ROUTES.values()]
    found = time_searches(networks, blocks, config)
    for backend, name in (("pyg", "gslt on PyG"), ("dgl", "gslt on DGL")):
        if name in ROUTES:
            same = dataclasses.replace(config, backend=backend)
            history = gslt.search(blocks, same, progress=False).history
            assert found[name]["trajectory"]["losses"][1:] == [e.loss for e in history]
            assert found[name]["trajectory"]["accuracy"]["val"] == history[-1].val
    for entry in found.values():
        trajectory, epoch = entry["trajectory"], entry["epoch"]
        assert trajectory["loss_difference"] < 1e-4
        assert len(trajectory["mask_agreement"]) == 5
        assert min(trajectory["mask_agreement"]) > 0.98
        assert epoch["timed"] == 3
        assert 0 < epoch["least_seconds"] <= epoch["seconds"] <= epoch["largest_seconds"]
        assert epoch["forward_seconds"] + epoch["backward_seconds"] < 1.5 * epoch["largest_seconds"]
    assert found[HOST]["trajectory"]["loss_difference"] == 0
    assert found[HOST]["trajectory"]["same_masks"]


def test_a_search_that_goes_elsewhere_is_found(
    search_config: Configure, blocks: NodeDataset
) -> None:
    config = search_config("gin")
    one, other = (SourceNetwork(ROUTES[name], blocks, config) for name in (HOST, "gslt on PyG"))
    other.weights[0].searched_weight.neg_()
    found = time_searches([one, other], blocks, config)["gslt on PyG"]["trajectory"]
    assert found["loss_difference"] > 1e-3
    assert found["mask_agreement"][0] == 1
    assert found["mask_agreement"][-1] < 1
    assert not found["same_masks"]


@ARCHITECTURES
def test_layers_are_timed_at_their_widths(
    search_config: Configure, architecture: str, blocks: NodeDataset
) -> None:
    networks = [SourceNetwork(r, blocks, search_config(architecture)) for r in ROUTES.values()]
    found = time_layers(networks, repeats=2)
    assert list(found) == list(ROUTES)
    for layers in found.values():
        assert [(layer["in"], layer["out"]) for layer in layers] == [(8, 8), (8, 3)]
        assert all(layer["forward_seconds"] > 0 for layer in layers)
        assert all(layer["backward_seconds"] > 0 for layer in layers)
