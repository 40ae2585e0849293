"""Matrix algebra: hand-computed cases, equal routes, and errors that it must find."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from graphs import GRAPHS, adjacency, mean_matrix, symmetric_matrix

from gslt.comparison.reference import Outputs, deviation, operator, outputs, reference
from gslt.comparison.routes import HOST, SourceNetwork, find_routes
from gslt.config import SearchConfig
from gslt.data import NodeDataset

Configure = Callable[..., SearchConfig]
ROUTES, _ = find_routes()
ARCHITECTURES = pytest.mark.parametrize("architecture", ["gin", "gcn", "sage", "gat"])
#: The path 0 – 1 – 2, every edge in both directions.
PATH = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])


def test_operators_of_a_path_by_hand() -> None:
    # Degrees 1, 2, 1; with self-loops 2, 3, 2.
    gin = [[1, 1, 0], [0.5, 1, 0.5], [0, 1, 1]]
    assert operator("gin", PATH, 3).tolist() == gin
    assert operator("sage", PATH, 3).tolist() == [[0, 1, 0], [0.5, 0, 0.5], [0, 1, 0]]
    r = 6**-0.5
    expected = torch.tensor([[1 / 2, r, 0], [r, 1 / 3, r], [0, r, 1 / 2]], dtype=torch.float64)
    assert torch.allclose(operator("gcn", PATH, 3), expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("sparse", [False, True])
def test_operators_are_those_of_the_layers(
    graph: str, sparse: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gslt.comparison.reference.DENSE_NODES", 0 if sparse else 100)
    nodes, edges = GRAPHS[graph]
    A = adjacency(edges, nodes, nodes)
    others = edges[:, edges[0] != edges[1]]
    loopless = adjacency(others, nodes, nodes) + torch.eye(nodes, dtype=torch.float64)
    scale = loopless.sum(1).rsqrt()
    expected = {
        "gin": mean_matrix(A) + torch.eye(nodes),
        "sage": mean_matrix(A),
        "gcn": scale[:, None] * loopless * scale[None, :],
    }
    if graph != "self-loops":
        assert torch.allclose(expected["gcn"], symmetric_matrix(A))
    for architecture, matrix in expected.items():
        found = operator(architecture, edges, nodes)
        assert (found.layout == torch.sparse_coo) is sparse
        dense = found.to_dense() if sparse else found
        assert torch.allclose(dense, matrix, rtol=0, atol=1e-14)


def path_dataset() -> NodeDataset:
    """The path of three nodes with one training node of class 0."""
    split = torch.eye(3, dtype=torch.bool)
    return NodeDataset(
        name="path (synthetic)",
        x=torch.tensor([[1.0], [2.0], [4.0]]),
        edge_index=PATH,
        y=torch.tensor([0, 1, 1]),
        train_mask=split[0],
        val_mask=split[1],
        test_mask=split[2],
        num_classes=2,
        synthetic=True,
    )


def set_weights(network: SourceNetwork, **weights: float) -> None:
    """All weights of a layer to one value; layers are named by their beginning."""
    for weight in network.weights:
        value = next(
            v for name, v in weights.items() if weight.name.startswith(name.replace("_", "."))
        )
        weight.searched_weight.fill_(value)


@pytest.mark.parametrize("route", ROUTES)
def test_a_path_by_hand(route: str) -> None:
    # One hidden unit, nothing removed, so that the scale is 1. Weights 1, 1 and head 2.
    config = SearchConfig(
        architecture="gin", num_layers=2, hidden_channels=1, sparsity=0.0, weight_init="skc"
    )
    dataset = path_dataset()
    network = SourceNetwork(ROUTES[route], dataset, config, torch.float64)
    set_weights(network, layers_0=1.0, layers_1=1.0, head=2.0)
    # M x = (3, 4.5, 6): mean 4.5, variance 1.5. h1 = ReLU(norm) = (0, 0, s), s = 1.5 / √1.50001.
    s = 1.5 / (1.5 + 1e-5) ** 0.5
    # M h1 = (0, s/2, s): mean s/2, variance s²/6. h2 = (0, 0, t), t = (s/2) / √(s²/6 + 1e-5).
    t = (s / 2) / (s * s / 6 + 1e-5) ** 0.5
    expected = torch.tensor([[0.0, 0.0], [0.0, 0.0], [(2 * s + t) / 2] * 2], dtype=torch.float64)
    for found in (outputs(network, dataset), reference(network, dataset)):
        assert torch.allclose(found.logits, expected, rtol=0, atol=1e-12)
        # The training node's representation is zero, and so is every gradient.
        assert found.gradient.abs().max() <= 1e-12


@pytest.mark.parametrize("route", ROUTES)
def test_a_gradient_by_hand(route: str) -> None:
    config = SearchConfig(architecture="gin", num_layers=2, hidden_channels=1, sparsity=0.0)
    plain = path_dataset()
    masks = {"train_mask": plain.test_mask, "test_mask": plain.train_mask}
    dataset = dataclasses.replace(plain, **masks)
    network = SourceNetwork(ROUTES[route], dataset, config, torch.float64)
    set_weights(network, layers_0=1.0, layers_1=1.0, head=2.0)
    s = 1.5 / (1.5 + 1e-5) ** 0.5
    # Node 2 of class 1 has equal logits: dL/dlogits = (½, −½), dL/dV = ½ s (½, −½), and V is 2.
    by_name = dict(zip((w.name for w in network.weights), network.weights, strict=True))
    sign = torch.where(by_name["head.weight"].score() < 0, -1.0, 1.0).double()
    expected = torch.tensor([0.5, -0.5]).double() * 0.5 * s * 2.0 * sign
    for found in (outputs(network, dataset), reference(network, dataset)):
        assert torch.allclose(found.gradient[-2:], expected.detach(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("route", ROUTES)
def test_the_sides_of_a_relu(route: str) -> None:
    """Of the path of three nodes by hand: a node let pass that should not be is a flip."""
    config = SearchConfig(architecture="gin", num_layers=2, hidden_channels=1, sparsity=0.0)
    dataset = path_dataset()
    network = SourceNetwork(ROUTES[route], dataset, config, torch.float64)
    set_weights(network, layers_0=1.0, layers_1=1.0, head=2.0)
    found = outputs(network, dataset)
    # Node 1 is at zero, up to rounding.
    assert [side[[0, 2]].tolist() for side in found.active] == [
        [[False], [True]],
        [[False, False], [True, True]],
    ]
    same = reference(network, dataset, found.active)
    assert same.flip_size < 1e-15
    assert torch.allclose(same.logits, reference(network, dataset).logits, rtol=0, atol=1e-12)
    # Before the first ReLU the nodes are at −s, 0 and s.
    other = found.active[0].clone()
    other[0] = True
    flipped = reference(network, dataset, [other, found.active[1]])
    assert flipped.flips >= 1
    assert flipped.flip_size == pytest.approx(1.0)
    # It passes −s to its own logits: (−2 s + 0) / 2.
    s = 1.5 / (1.5 + 1e-5) ** 0.5
    assert flipped.logits[0].tolist() == pytest.approx([-s, -s])


@ARCHITECTURES
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("batch", ["blocks", "sparse features"])
def test_routes_are_equal(
    search_config: Configure, architecture: str, dtype: torch.dtype, batch: str, blocks: NodeDataset
) -> None:
    dataset = blocks
    if batch == "sparse features":
        x = torch.eye(30).repeat(4, 1)
        dataset = dataclasses.replace(blocks, x=x)
    tolerance = {torch.float32: 1e-5, torch.float64: 1e-10}[dtype]
    config = search_config(architecture, num_layers=3)
    networks = [SourceNetwork(route, dataset, config, dtype) for route in ROUTES.values()]
    prints = [network.fingerprints() for network in networks]
    assert all(own == prints[0] for own in prints)
    for network in networks:
        found = outputs(network, dataset)
        figures = deviation(found, reference(networks[0], dataset, found.active), tolerance)
        assert figures["agrees"], (network.name, figures)
        assert figures["same_classes"] == 1


def test_a_wrong_weight_is_found(search_config: Configure, blocks: NodeDataset) -> None:
    config = search_config("gcn")
    right = SourceNetwork(ROUTES[HOST], blocks, config)
    wrong = SourceNetwork(ROUTES["gslt on PyG"], blocks, config)
    expected = reference(right, blocks)
    with torch.no_grad():
        kept = wrong.weights[0].mask().nonzero()[0]
        wrong.weights[0].searched_weight[kept] *= 1.01
    figures = deviation(outputs(wrong, blocks), expected, 1e-5)
    assert not figures["agrees"]
    assert figures["logits_rel"] > 1e-4
    assert wrong.fingerprints()["masks"] == right.fingerprints()["masks"]
    assert wrong.fingerprints()["weights"] != right.fingerprints()["weights"]
    assert wrong.fingerprints()["ticket"] != right.fingerprints()["ticket"]


def test_differences_by_hand() -> None:
    expected = Outputs(torch.tensor([[4.0, -8.0], [1.0, 2.0]]), torch.tensor([0.5, -2.0]))
    found = Outputs(torch.tensor([[4.0, -7.0], [3.0, 2.0]]), torch.tensor([0.5, -1.5]))
    assert deviation(found, expected, 0.25) == {
        "logits_abs": 2.0,
        "logits_rel": 0.25,
        "gradient_abs": 0.5,
        "gradient_rel": 0.25,
        "same_classes": 0.5,
        "flips": 0,
        "flip_size": 0.0,
        "agrees": True,
    }
    assert not deviation(found, expected, 0.24)["agrees"]
    far = dataclasses.replace(expected, flips=1, flip_size=0.3)
    assert not deviation(found, far, 0.25)["agrees"]
    for broken in (
        Outputs(torch.full((2, 2), torch.nan), found.gradient),
        Outputs(found.logits, torch.full((2,), torch.nan)),
    ):
        assert not deviation(broken, expected, 1.0)["agrees"]
