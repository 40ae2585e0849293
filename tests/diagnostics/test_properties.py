"""What holds for every graph and every representation; dense algebra is the reference."""

from __future__ import annotations

import math
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from graphs import GRAPHS, adjacency, features
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gslt.diagnostics import (
    LAPLACIANS,
    MEASURES,
    as_topology,
    dominant_eigenvectors,
    laplacian_matrix,
    measure,
    spectral_gap,
)

SCALE_FREE = [name for name in MEASURES if name != "dirichlet_energy"]


@st.composite
def cases(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Representations and an edge_index with loops, parallel edges and isolated nodes."""
    nodes, width = draw(st.integers(1, 9)), draw(st.integers(1, 4))
    node = st.integers(0, nodes - 1)
    edges = draw(st.lists(st.tuples(node, node), max_size=16))
    numbers = st.integers(-8, 8).map(lambda k: k / 4)
    values = draw(st.lists(numbers, min_size=nodes * width, max_size=nodes * width))
    x = torch.tensor(values, dtype=torch.float64).view(nodes, width)
    return x, torch.tensor(edges, dtype=torch.int64).reshape(-1, 2).T


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


@settings(max_examples=50)
@given(cases(), st.sampled_from(LAPLACIANS), st.sampled_from(["each", "whole"]))
def test_ranges(case: tuple[Tensor, Tensor], laplacian: Any, components: Any) -> None:
    x, edges = case
    found = measure(x, edges, laplacian, only=MEASURES, components=components)
    slack = 1e-12
    assert found.dirichlet_energy >= 0
    limit = len(x) if laplacian == "combinatorial" else 2
    for name, low, high in (
        ("rayleigh_quotient", 0, limit),
        ("collapse", 0, 1),
        ("numerical_rank", 1, min(x.shape)),
        ("effective_rank", 1, min(x.shape)),
        ("mad", 0, 2),
        ("mad_gap", -2, 2),
    ):
        value = getattr(found, name)
        assert math.isnan(value) or low - slack <= value <= high + slack
    centred = found.centred_rayleigh_quotient
    gap = spectral_gap(as_topology(edges, len(x)), laplacian)
    if components == "each" and not math.isnan(centred):
        assert gap - 1e-9 <= centred <= limit + slack
    # Total over-smoothing is one thing: no energy, nothing outside of the kernel.
    if components == "each" and found.rayleigh_quotient >= 0:
        assert (found.dirichlet_energy <= 1e-20) == (found.collapse <= 1e-20) == math.isnan(centred)


@settings(max_examples=50)
@given(cases(), st.sampled_from(LAPLACIANS), st.sampled_from([1e-30, -3.0, 1e20]))
def test_quotients_know_no_scale(case: tuple[Tensor, Tensor], laplacian: Any, scale: float) -> None:
    x, edges = case
    before = measure(x, edges, laplacian, only=MEASURES)
    after = measure(scale * x, edges, laplacian, only=MEASURES)
    expected = before.dirichlet_energy * scale**2
    assert after.dirichlet_energy == pytest.approx(expected, rel=1e-9, abs=1e-25 * scale**2)
    for name in SCALE_FREE:
        value = getattr(before, name)
        assert getattr(after, name) == pytest.approx(value, rel=1e-6, abs=1e-9, nan_ok=True)


@settings(max_examples=50)
@given(cases(), st.sampled_from(LAPLACIANS), st.randoms(use_true_random=False))
def test_names_of_nodes_and_channels_do_not_matter(
    case: tuple[Tensor, Tensor], laplacian: Any, random: Any
) -> None:
    x, edges = case
    place = torch.tensor(random.sample(range(len(x)), len(x)))
    channel = torch.tensor(random.sample(range(x.size(1)), x.size(1)))
    moved = torch.empty_like(x)
    moved[place] = x[:, channel]
    before = measure(x, edges, laplacian, only=MEASURES)
    after = measure(moved, place[edges], laplacian, only=MEASURES)
    for name in MEASURES:
        value = getattr(before, name)
        assert getattr(after, name) == pytest.approx(value, rel=1e-6, abs=1e-9, nan_ok=True)


@settings(max_examples=50)
@given(cases(), st.sampled_from([torch.float32, torch.bfloat16, torch.float16]))
def test_sums_are_double_whatever_the_input(case: tuple[Tensor, Tensor], dtype: Any) -> None:
    x = (case[0] / 3).to(dtype)
    low = measure(x, case[1], "augmented", only=MEASURES)
    high = measure(x.double(), case[1], "augmented", only=MEASURES)
    for name in MEASURES:
        # Where X − PX is no more than rounding of the lower type, its quotient is given up.
        rounding = torch.finfo(dtype).eps ** 2
        if name == "centred_rayleigh_quotient" and not low.collapse > rounding:
            continue
        assert str(getattr(low, name)) == str(getattr(high, name))


@pytest.mark.parametrize("name", GRAPHS)
def test_blocks_add_up(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes, edges = GRAPHS[name]
    x = features(nodes, 5).float()
    whole = [measure(x, edges, laplacian, only=MEASURES) for laplacian in LAPLACIANS]
    monkeypatch.setattr("gslt.diagnostics.sums._CPU_BLOCK", 10)
    monkeypatch.setattr("gslt.diagnostics.sums._PRODUCT_ROWS", 2)
    for laplacian, expected in zip(LAPLACIANS, whole, strict=True):
        found = measure(x, edges, laplacian, only=MEASURES)
        for measured in MEASURES:
            value = getattr(expected, measured)
            assert getattr(found, measured) == pytest.approx(value, rel=1e-12, nan_ok=True)


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
