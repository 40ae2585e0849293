"""The Laplacians are NetworkX's; gaps, and the exponential decay of energy that they set."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from graphs import features
from torch import Tensor

import gslt
from gslt import diagnostics
from gslt.backends import get_backend
from gslt.data import list_datasets
from gslt.diagnostics import as_topology, dirichlet_energy, measure
from gslt.diagnostics.laplacians import (
    LAPLACIANS,
    decay_rate,
    dominant_eigenvectors,
    laplacian_matrix,
    spectral_gap,
)
from gslt.errors import ConfigError, GraphError
from gslt.random import Stream

ROOT = os.environ.get("GSLT_DATA")
HERE = {facts.name for facts in list_datasets(ROOT) if facts.present} if ROOT else set()
#: Graph, smallest non-zero eigenvalue of D − A and of I − D⁻¹A, largest of the latter, degree.
REGULAR: dict[str, tuple[Any, float, float, float, int]] = {
    "hypercube of 16": (nx.hypercube_graph(4), 2, 2 / 4, 2, 4),
    "hypercube of 512": (nx.hypercube_graph(9), 2, 2 / 9, 2, 9),
    "complete": (nx.complete_graph(7), 7, 7 / 6, 7 / 6, 6),
    "complete of 300": (nx.complete_graph(300), 300, 300 / 299, 300 / 299, 299),
    "cycle of 301": (
        nx.cycle_graph(301),
        2 - 2 * math.cos(2 * math.pi / 301),
        1 - math.cos(2 * math.pi / 301),
        1 + math.cos(math.pi / 301),
        2,
    ),
    "edges and isolated nodes": (
        nx.disjoint_union_all([nx.complete_graph(2)] * 3 + [nx.empty_graph(300)]),
        2,
        2,
        2,
        1,
    ),
}


def test_laplacian_of_an_architecture() -> None:
    found = {name: diagnostics.laplacian_of(name) for name in ("gin", "gcn", "sage", "gat")}
    walk = dict.fromkeys(("gin", "sage", "gat"), "random_walk")
    assert found == {**walk, "gcn": "augmented"}


def networkx_matrix(graph: nx.Graph, laplacian: str) -> tuple[Any, Any]:
    """The Laplacian's form and its inner product, dense, by NetworkX."""
    order, one = range(len(graph)), np.eye(len(graph))
    if laplacian == "symmetric":
        return nx.normalized_laplacian_matrix(graph, nodelist=order).toarray(), one
    form = nx.laplacian_matrix(graph, nodelist=order).toarray().astype(float)
    if laplacian == "combinatorial":
        return form, one
    if laplacian == "random_walk":
        return form, np.diag([float(graph.degree(i)) for i in order])
    looped = nx.to_numpy_array(graph, nodelist=order) + one
    scale = np.diag(1 / np.sqrt(looped.sum(1)))
    return one - scale @ looped @ scale, one


def random_graph(seed: int) -> nx.Graph:
    # Sparse enough for several components and isolated nodes.
    return nx.gnm_random_graph(40, 45, seed=seed)


@pytest.mark.parametrize("laplacian", LAPLACIANS)
@pytest.mark.parametrize("seed", range(5))
def test_networkx_gives_the_same(laplacian: str, seed: int) -> None:
    graph, x = random_graph(seed), features(40, 7, seed=seed)
    form, inner = networkx_matrix(graph, laplacian)
    array = x.numpy()
    energy = np.trace(array.T @ form @ array)
    size = np.trace(array.T @ inner @ array)
    # P from a dense kernel, orthonormal under the inner product; isolated nodes weigh 0 in a walk.
    root = np.sqrt(np.diag(inner))
    inverse = np.divide(1, root, where=root > 0, out=np.zeros_like(root))
    values, vectors = np.linalg.eigh(inverse[:, None] * form * inverse)
    kernel = vectors[:, values < 1e-9]
    scaled = root[:, None] * array
    rest = ((scaled - kernel @ (kernel.T @ scaled)) ** 2).sum()
    found = measure(x, graph, laplacian)
    assert found.dirichlet_energy == pytest.approx(energy, rel=1e-10)
    assert found.rayleigh_quotient == pytest.approx(energy / size, rel=1e-10)
    assert found.centred_rayleigh_quotient == pytest.approx(energy / rest, rel=1e-10)
    assert found.collapse == pytest.approx(rest / size, rel=1e-10)


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_matrices_are_those_of_networkx(laplacian: str) -> None:
    graph = random_graph(0)
    form, inner = networkx_matrix(graph, laplacian)
    matrix, kernel = laplacian_matrix(graph, laplacian), dominant_eigenvectors(graph, laplacian)
    assert np.allclose(inner @ matrix.toarray(), form, rtol=0, atol=1e-14)
    assert np.allclose((matrix @ kernel).toarray(), 0, atol=1e-14)
    gram = kernel.T @ inner @ kernel.toarray()
    isolated = [len(c) == 1 for c in nx.connected_components(graph)]
    assert any(isolated)
    lengths = np.sort([not (alone and laplacian == "random_walk") for alone in isolated])
    assert np.allclose(gram, np.diag(np.diag(gram)), atol=1e-14)
    assert np.allclose(np.sort(np.diag(gram)), lengths)


@pytest.mark.parametrize("name", REGULAR)
def test_spectrum_that_is_known(name: str) -> None:
    graph, plain, walk, top, degree = REGULAR[name]
    near = {"rel": 1e-6, "abs": 1e-10}
    assert spectral_gap(graph) == pytest.approx(plain, **near)
    assert spectral_gap(graph, "symmetric") == pytest.approx(walk, **near)
    assert spectral_gap(graph, "random_walk") == pytest.approx(walk, **near)
    # With a loop at every node, I − L is (d (I − L_sym) + I) / (d + 1).
    assert spectral_gap(graph, "augmented") == pytest.approx(degree * walk / (degree + 1), **near)
    assert decay_rate(graph, "random_walk") == pytest.approx(max(1 - walk, top - 1), **near)
    ends = [(degree * (1 - value) + 1) / (degree + 1) for value in (walk, top)]
    assert decay_rate(graph) == pytest.approx(max(map(abs, ends)), **near)


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_lanczos_finds_what_the_dense_solver_finds(
    laplacian: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = nx.gnm_random_graph(200, 260, seed=5)
    assert nx.number_connected_components(graph) > 10
    rates = [] if laplacian == "combinatorial" else [decay_rate(graph, laplacian)]
    dense = [spectral_gap(graph, laplacian), *rates]
    monkeypatch.setattr("gslt.diagnostics.laplacians.DENSE", 0)
    rates = [] if laplacian == "combinatorial" else [decay_rate(graph, laplacian)]
    assert [spectral_gap(graph, laplacian), *rates] == pytest.approx(dense, rel=1e-8)


def test_gap_is_that_of_the_tightest_component() -> None:
    # Paths of 2 … 5 nodes: 2 − 2 cos(π/n), of which the longest has the least; alone it is 1 for 3.
    graph = nx.disjoint_union_all(nx.path_graph(n) for n in range(2, 6))
    assert spectral_gap(graph) == pytest.approx(2 - 2 * math.cos(math.pi / 5))
    assert spectral_gap(nx.path_graph(3)) == pytest.approx(1)


def test_no_spectrum() -> None:
    assert math.isnan(spectral_gap(nx.empty_graph(3)))
    assert math.isnan(decay_rate(nx.empty_graph(3)))
    with pytest.raises(ConfigError, match="belongs to no propagation"):
        decay_rate(nx.path_graph(3), "combinatorial")
    with pytest.raises(ConfigError, match="must be one of"):
        spectral_gap(nx.path_graph(3), "normalised")


def test_a_gap_too_small_to_find_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gslt.diagnostics.laplacians._RESTARTS", 2)
    with pytest.raises(GraphError, match="did not converge on the combinatorial Laplacian"):
        spectral_gap(nx.path_graph(3000))


def propagated(x: Tensor, graph: nx.Graph, steps: int) -> Iterator[Tensor]:
    """X, P X, P² X … with the propagation of gslt's own GCN."""
    nodes = graph.number_of_nodes()
    matrix = torch.from_numpy(nx.to_numpy_array(graph))
    engine = get_backend("pyg").graph(matrix.nonzero().T.contiguous(), nodes)
    yield x
    for _ in range(steps):
        x = engine.symmetric(x)
        yield x


def test_energy_of_linear_gcn_decays_at_the_rate_of_the_gap() -> None:
    # A hypercube of dimension 4 with loops: eigenvalues (5 − 2k)/5, the largest but one is 3/5.
    graph = nx.hypercube_graph(4)
    assert decay_rate(graph) == pytest.approx(3 / 5)
    x = torch.randn(16, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    states = list(propagated(x, graph, 30))
    energies = [dirichlet_energy(state, graph, "augmented") for state in states]
    ratios = np.array(energies[1:]) / np.array(energies[:-1])
    assert (ratios <= (3 / 5) ** 2 * (1 + 1e-9)).all()
    assert ratios[-5:] == pytest.approx(9 / 25, rel=1e-6)
    # On a regular graph this is the combinatorial energy over d + 1; and the whole series falls.
    assert dirichlet_energy(states[7], graph) == pytest.approx(5 * energies[7])
    # The slowest directions, 2/5 and 8/5, are all that the centred quotient sees in the end.
    last = measure(states[-1], graph, "augmented")
    assert 2 / 5 <= last.centred_rayleigh_quotient <= 8 / 5
    assert last.collapse < 1e-9
    # An eigenvector decays at its own rate from the first step: x = ±1 by one coordinate.
    side = torch.tensor([float(node[0]) for node in graph]).double().unsqueeze(1) * 2 - 1
    energies = [dirichlet_energy(z, graph, "augmented") for z in propagated(side, graph, 5)]
    assert energies == pytest.approx([energies[0] * 0.36**t for t in range(6)], rel=1e-12)


def test_one_step_on_a_complete_graph_is_total() -> None:
    x = torch.randn(9, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    first, second = propagated(x, nx.complete_graph(9), 1)
    assert dirichlet_energy(first, nx.complete_graph(9), "augmented") > 1
    assert dirichlet_energy(second, nx.complete_graph(9), "augmented") < 1e-28


@pytest.mark.skipif("cora" not in HERE, reason="Cora is not there; set GSLT_DATA to its folder")
def test_untrained_gcn_on_cora_over_smooths_exponentially() -> None:
    """As in the survey (Rusch et al. 2023): GCN with Glorot weights, depth 2 to 64."""
    dataset = gslt.load_dataset("cora", ROOT)
    topology = as_topology(dataset)
    assert (topology.num_edges, topology.num_components) == (5278, 78)
    rate = decay_rate(topology)
    graph = get_backend("pyg").graph(dataset.edge_index, dataset.num_nodes)
    x, found, survey = dataset.x, [], []
    for layer in range(1, 65):
        fan = x.size(1) + 64
        noise = torch.from_numpy(Stream(0, f"layer {layer}", "glorot").uniform(x.size(1) * 64))
        weight = ((2 * noise - 1) * math.sqrt(6 / fan)).view(-1, 64).float()
        x = torch.relu(graph.symmetric(x @ weight))
        found.append((measure(x, topology, "augmented"), torch.linalg.matrix_norm(weight, 2)))
        survey.append(dirichlet_energy(x, topology, normalisation="survey_root"))
    for (before, _), (after, norm) in pairwise(found):
        # Cai & Wang 2020: propagation, weights and ReLU shrink the energy by at least this.
        limit = (rate * float(norm)) ** 2 * before.dirichlet_energy
        assert after.dirichlet_energy <= limit * (1 + 1e-4)
    depths = [2, 4, 8, 16, 32, 64]
    for name in ("dirichlet_energy", "mad", "rayleigh_quotient", "collapse", "effective_rank"):
        values = [getattr(found[depth - 1][0], name) for depth in depths]
        assert all(deeper < shallower for shallower, deeper in pairwise(values)), (name, values)
    # The survey's measure falls exponentially: its logarithm is a straight line over layers.
    assert np.corrcoef(np.arange(64), np.log(survey))[0, 1] < -0.99
    assert survey[-1] < 1e-9 * survey[0]
