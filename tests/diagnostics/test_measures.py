"""Energies, quotients, collapse and ranks: by hand, on known vectors, against dense algebra."""

from __future__ import annotations

import math

import networkx as nx
import numpy as np
import pytest
import torch
from graphs import GRAPHS, adjacency, features
from torch import Tensor

from gslt import diagnostics
from gslt.diagnostics import LAPLACIANS, Topology, as_topology, measure
from gslt.diagnostics.measures import effective_rank_of, numerical_rank_of

#: A triangle 0, 1, 2 and a fourth node that hangs on 0: degrees 3, 2, 2, 1.
PAW = torch.tensor([[0, 0, 1, 0], [1, 2, 2, 3]])
#: ‖X‖² = 1 + 1 + 8 + 0 = 10; the last row is zero.
X = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0], [0.0, 0.0]])


# Edges 01, 02, 12, 03 of X: 2 + 5 + 5 + 1. Mean row (3/4, 3/4), so ‖PX‖² = 4 · 2 · 9/16 = 9/2.
# Walk: Σ d ‖x‖² = 3 + 2 + 16 = 21; Σ d x = (7, 6), Σ d = 8, so ‖PX‖² = (49 + 36)/8.
# Symmetric: rows x/√d are (1/√3, 0), (0, 1/√2), (√2, √2), 0, edges 5/6, 13/3 − 2√(2/3), 5/2, 1/3;
# √d·X = (√3 + 2√2, 3√2), so ‖PX‖² = (11 + 4√6 + 18)/8.
# Augmented: rows x/√(d + 1) are (1/2, 0), (0, 1/√3), (2/√3, 2/√3), 0, edges 7/12, 35/12 − 2/√3,
# 5/3, 1/4; √(d+1)·X = (2 + 2√3, 3√3), so ‖PX‖² = (16 + 8√3 + 27)/12.
ENERGY = {
    "combinatorial": 13.0,
    "random_walk": 13.0,
    "symmetric": 8 - 2 * math.sqrt(2 / 3),
    "augmented": 65 / 12 - 2 / math.sqrt(3),
}
SIZE = {"combinatorial": 10.0, "random_walk": 21.0, "symmetric": 10.0, "augmented": 10.0}
KERNEL = {
    "combinatorial": 9 / 2,
    "random_walk": 85 / 8,
    "symmetric": (29 + 4 * math.sqrt(6)) / 8,
    "augmented": (43 + 8 * math.sqrt(3)) / 12,
}


def close(value: float, relative: float = 1e-12) -> object:
    return pytest.approx(value, rel=relative, abs=1e-15)


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_by_hand(laplacian: str) -> None:
    energy, size = ENERGY[laplacian], SIZE[laplacian]
    rest = size - KERNEL[laplacian]
    assert diagnostics.dirichlet_energy(X, PAW, laplacian) == close(energy)
    assert diagnostics.rayleigh_quotient(X, PAW, laplacian) == close(energy / size)
    assert diagnostics.centred_rayleigh_quotient(X, PAW, laplacian) == close(energy / rest)
    assert diagnostics.collapse(X, PAW, laplacian) == close(rest / size)


def test_normalisations_by_hand() -> None:
    # Over ordered pairs the sum is 26, over 4 nodes.
    assert diagnostics.dirichlet_energy(X, PAW, normalisation="survey") == 6.5
    root = diagnostics.dirichlet_energy(X, PAW, normalisation="survey_root")
    assert root == close(math.sqrt(6.5))


def test_ranks_by_hand() -> None:
    # XᵀX = [[5, 4], [4, 5]]: eigenvalues 9 and 1, σ 3 and 1, p 3/4 and 1/4,
    # and exp of the entropy is (4/3)^(3/4) · 4^(1/4) = 4 / 3^(3/4).
    assert diagnostics.numerical_rank(X) == close(10 / 9)
    assert diagnostics.effective_rank(X) == close(4 / 3**0.75)
    assert diagnostics.numerical_rank(X.T) == close(10 / 9)
    assert diagnostics.effective_rank(X.T) == close(4 / 3**0.75)
    sigma = torch.tensor([0.0, 1.0, 3.0]).double()
    assert numerical_rank_of(sigma) == close(10 / 9)
    assert effective_rank_of(sigma) == close(4 / 3**0.75)


@pytest.mark.parametrize("seed", range(3))
def test_ranks_are_those_of_the_singular_values(seed: int) -> None:
    x = features(30, 11, seed=seed) * torch.logspace(0, -6, 11)
    for matrix in (x, x.T):
        sigma = torch.linalg.svdvals(matrix)
        p = sigma / sigma.sum()
        found = measure(matrix, torch.empty(2, 0, dtype=torch.int64))
        expected = float((sigma / sigma.max()).square().sum())
        assert found.numerical_rank == pytest.approx(expected, rel=1e-12)
        expected = math.exp(-float((p * p.log()).sum()))
        assert found.effective_rank == pytest.approx(expected, rel=1e-6)


def kernel_vector(topology: Topology, laplacian: str) -> Tensor:
    degree = topology.degree
    return {
        "combinatorial": torch.ones_like(degree),
        "random_walk": torch.ones_like(degree),
        "symmetric": degree.sqrt(),
        "augmented": (degree + 1).sqrt(),
    }[laplacian]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_kernel_is_total_over_smoothing(laplacian: str, dtype: torch.dtype) -> None:
    topology = as_topology(nx.connected_watts_strogatz_graph(300, 6, 0.3, seed=1))
    x = torch.outer(kernel_vector(topology, laplacian), torch.tensor([0.3, -1.7, 25.0])).to(dtype)
    found = measure(x, topology, laplacian)
    eps = torch.finfo(dtype).eps
    assert 0 <= found.rayleigh_quotient <= 2 * 12 * eps**2
    assert 0 <= found.collapse <= eps**2
    # What is left is rounding, whose quotient says nothing.
    assert math.isnan(found.centred_rayleigh_quotient)
    assert found.mad <= 2 * eps**2
    assert found.numerical_rank == close(1, 1e-3)


def test_constant_is_exactly_zero_where_it_should_be_and_only_there() -> None:
    x = torch.full((4, 3), 0.1)
    for laplacian in ("combinatorial", "random_walk"):
        assert diagnostics.dirichlet_energy(x, PAW, laplacian) == 0
    # The symmetric form of 1: (1/√3 − 1/√2)² · 2 + 0 + (1/√3 − 1)², times ‖(.1, .1, .1)‖² = .03.
    third, half = math.sqrt(1 / 3), math.sqrt(1 / 2)
    expected = 0.03 * (2 * (third - half) ** 2 + (third - 1) ** 2)
    assert diagnostics.dirichlet_energy(x, PAW, "symmetric") == close(expected, 1e-6)
    assert diagnostics.dirichlet_energy(x, PAW, "augmented") > 1e-4
    assert diagnostics.mad(x, PAW) == 0
    assert diagnostics.numerical_rank(x) == diagnostics.effective_rank(x) == close(1)


@pytest.mark.parametrize("k", range(1, 6))
def test_eigenvector_has_its_eigenvalue(k: int) -> None:
    # A path of six: cos(πk(i + ½)/6) with 2 − 2 cos(πk/6); as a walk cos(πki/5), 1 − cos(πk/5).
    graph = nx.path_graph(6)
    place = torch.arange(6, dtype=torch.float64)
    plain = torch.cos(math.pi * k * (place + 0.5) / 6).unsqueeze(1)
    walk = torch.cos(math.pi * k * place / 5).unsqueeze(1)
    scaled = walk * as_topology(graph).degree.sqrt().unsqueeze(1)
    values = {
        "combinatorial": (plain, 2 - 2 * math.cos(math.pi * k / 6)),
        "random_walk": (walk, 1 - math.cos(math.pi * k / 5)),
        "symmetric": (scaled, 1 - math.cos(math.pi * k / 5)),
    }
    for laplacian, (x, eigenvalue) in values.items():
        found = measure(x, graph, laplacian)
        assert found.rayleigh_quotient == close(eigenvalue)
        assert found.centred_rayleigh_quotient == close(eigenvalue)
        assert found.collapse == close(1)


@pytest.mark.parametrize("laplacian", LAPLACIANS)
def test_components_and_isolated_nodes(laplacian: str) -> None:
    # A path 0 – 1 – 2, an edge 3 – 4 and an isolated 5, each on its own multiple of the kernel.
    edges = torch.tensor([[0, 1, 3], [1, 2, 4]])
    topology = as_topology(edges, 6)
    assert topology.num_components == 3
    vector = kernel_vector(topology, laplacian)
    vector[5] = 1
    x = (vector * torch.tensor([2.0, 2.0, 2.0, -1.0, -1.0, 7.0]).double()).unsqueeze(1)
    found = measure(x, topology, laplacian)
    assert found.dirichlet_energy == close(0)
    assert found.collapse == close(0)
    whole = diagnostics.collapse(x, topology, laplacian, components="whole")
    if laplacian == "combinatorial":
        # Mean 11/6, squares 4 + 4 + 4 + 1 + 1 + 49 = 63.
        assert whole == close((63 - 121 / 6) / 63)
    if laplacian == "random_walk":
        # Degrees 1, 2, 1, 1, 1, 0: Σ d x = 6, Σ d = 6, Σ d x² = 18.
        assert whole == close((18 - 6) / 18)
    assert whole > 0.1
    # One step off the kernel is seen, an isolated node never.
    moved = x.clone()
    moved[5] += 3
    assert diagnostics.dirichlet_energy(moved, topology, laplacian) == close(0)
    moved[0] += 1
    assert diagnostics.dirichlet_energy(moved, topology, laplacian) > 0.1


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_nothing_cancels_on_a_large_constant(dtype: torch.dtype) -> None:
    graph = nx.gnm_random_graph(400, 1500, seed=2)
    topology = as_topology(graph)
    noise = torch.randn(400, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    x = (1e4 + (1e-7 if dtype == torch.float64 else 1e-2) * noise).to(dtype)
    exact = x.double().numpy().astype(np.longdouble)
    i, j = topology.edges.numpy()
    energy = ((exact[i] - exact[j]) ** 2).sum()
    rest = 0
    for component in nx.connected_components(graph):
        rows = exact[sorted(component)]
        rest += ((rows - rows.mean(0)) ** 2).sum()
    found = measure(x, topology)
    assert found.dirichlet_energy == close(float(energy), 1e-11)
    assert found.collapse == close(float(rest / (exact**2).sum()), 1e-10)
    assert found.centred_rayleigh_quotient == close(float(energy / rest), 1e-10)


def test_energy_is_a_seminorm_as_the_second_axiom_asks() -> None:
    nodes, edges = GRAPHS["random"]
    matrix = adjacency(edges, nodes, nodes)
    assert (matrix != matrix.T).any()
    for seed in range(20):
        x, y = features(nodes, 3, seed=seed), features(nodes, 3, seed=100 + seed)
        for laplacian in LAPLACIANS:
            roots = [
                math.sqrt(measure(z, edges, laplacian).dirichlet_energy) for z in (x, y, x + y)
            ]
            assert roots[2] <= roots[0] + roots[1]
    # MAD is none: on a triangle, rows that cancel but for what they differ in.
    triangle = torch.tensor([[0, 1, 2], [1, 2, 0]])
    x = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.1]])
    y = torch.tensor([[-1.0, 0.1], [-1.0, -0.1], [-1.0, 0.0]])
    parts = [measure(z, triangle).mad for z in (x, y, x + y)]
    assert parts[2] > parts[0] + parts[1]
