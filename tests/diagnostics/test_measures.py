"""The measures of over-smoothing: by hand, on known vectors, at the edges of their domain."""

from __future__ import annotations

import dataclasses
import math

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor

from gslt import diagnostics
from gslt.diagnostics import LAPLACIANS, MEASURES, Topology, as_topology, measure
from gslt.errors import ConfigError, GraphError

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


def test_mad_by_hand() -> None:
    # Distances 1 (orthogonal), 1 − r, 1 − r, 1 (a zero row), with r = 1/√2. Means of the nodes:
    # 1 − r/3, 1 − r/2, 1 − r, 1.
    r = 1 / math.sqrt(2)
    assert diagnostics.mad(X, PAW) == close(1 - 11 * r / 24)
    assert diagnostics.mad(X, PAW, "edges") == close(1 - r / 2)
    assert diagnostics.mad(X, PAW, "survey") == close(2 - r)


def test_mad_between_zero_rows_is_zero() -> None:
    x = torch.tensor([[0.0], [0.0], [0.0], [5.0]])
    assert diagnostics.mad(x, PAW, "edges") == 1 / 4


def test_mad_gap_by_hand() -> None:
    # A path of ten nodes, the first five along one axis, the others along another. Within 3 steps
    # nodes 2, 3, 4 have 1 of 5, 2 of 6 and 3 of 6 nodes of the other kind, nodes 0 and 1 none:
    # the mean is 2 (1/5 + 1/3 + 1/2)/10 = 31/150. Nodes 0, 1, 8, 9 have remote ones, all other.
    x = torch.eye(2).repeat_interleave(5, dim=0)
    assert diagnostics.mad_gap(x, nx.path_graph(10)) == close(1 - 31 / 150)
    assert measure(x, nx.path_graph(10), only=["mad_gap"]).mad_gap == close(1 - 31 / 150)
    # A path of nine nodes without a step of eight, and a graph without edges.
    assert math.isnan(diagnostics.mad_gap(x[:8], nx.path_graph(8)))
    assert math.isnan(diagnostics.mad_gap(x, nx.empty_graph(10)))


def test_mad_gap_against_all_pairs() -> None:
    graph = nx.disjoint_union(nx.path_graph(90), nx.watts_strogatz_graph(50, 4, 0.05, seed=0))
    x = torch.randn(140, 5, generator=torch.Generator().manual_seed(0)).relu()
    x[:7] = 0
    unit = torch.cat([torch.nn.functional.normalize(x.double()), (x == 0).all(1)[:, None]], dim=1)
    distance = 1 - unit @ unit.T
    means: dict[str, list[float]] = {"near": [], "remote": []}
    for i, steps in nx.all_pairs_shortest_path_length(graph):
        near = [float(distance[i, j]) for j, step in steps.items() if 1 <= step <= 2]
        remote = [float(distance[i, j]) for j, step in steps.items() if step >= 6]
        means["near"] += [np.mean(near)] if near else []
        means["remote"] += [np.mean(remote)] if remote else []
    expected = np.mean(means["remote"]) - np.mean(means["near"])
    found = diagnostics.mad_gap(x, graph, near=2, remote=6, samples=140)
    assert found == close(expected, 1e-12)
    # A sample is near, the same for one seed, and another for the next.
    samples = [diagnostics.mad_gap(x, graph, 2, 6, samples=70, seed=s) for s in (0, 0, 1)]
    assert samples[0] == samples[1] != samples[2]
    assert samples == pytest.approx([expected] * 3, abs=0.1)


@pytest.mark.parametrize("options", [{"near": 0}, {"near": 8}, {"samples": 0}])
def test_mad_gap_refuses(options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="1 ≤ near < remote"):
        diagnostics.mad_gap(X, PAW, **options)


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


def test_nothing_to_measure() -> None:
    none = torch.empty(2, 0, dtype=torch.int64)
    lonely = measure(X, none, "symmetric", only=MEASURES)
    assert (lonely.dirichlet_energy, lonely.rayleigh_quotient, lonely.collapse) == (0, 0, 0)
    assert math.isnan(lonely.mad)
    assert lonely.numerical_rank == close(10 / 9)
    zero = measure(torch.zeros(4, 2), PAW, "augmented", only=MEASURES)
    assert (zero.dirichlet_energy, zero.mad) == (0, 0)
    for name in ("rayleigh_quotient", "collapse", "numerical_rank", "effective_rank"):
        assert math.isnan(getattr(zero, name))
    for shape in ((0, 3), (4, 0)):
        empty = measure(torch.zeros(shape), none, only=MEASURES)
        assert empty.dirichlet_energy == 0
        assert math.isnan(empty.numerical_rank)
    assert math.isnan(diagnostics.dirichlet_energy(X[:0], none, normalisation="survey"))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 3])
def test_not_finite_is_nan(bad: float, place: int) -> None:
    x = X.clone()
    x[place, 1] = bad
    # The third node is isolated here: its row is in no difference.
    found = measure(x, torch.tensor([[0], [1]]), "augmented", only=MEASURES)
    assert all(math.isnan(getattr(found, name)) for name in MEASURES)
    assert math.isnan(diagnostics.effective_rank(x))
    assert math.isnan(diagnostics.mad_gap(x, PAW, 1, 2))


def test_measure_gives_what_the_functions_give() -> None:
    found = measure(X, PAW, "augmented", only=MEASURES, mad="survey")
    for name in MEASURES:
        function = getattr(diagnostics, name)
        options = {"mad": (PAW, "survey"), "numerical_rank": (), "effective_rank": ()}
        expected = function(X, *options.get(name, (PAW, "augmented")[: 1 if "gap" in name else 2]))
        assert getattr(found, name) == pytest.approx(expected, nan_ok=True, rel=0, abs=0)


def test_only_and_as_dict() -> None:
    found = measure(X, PAW, only=["mad", "collapse"])
    assert set(found.as_dict()) == {"laplacian", "mad", "collapse"}
    assert found.dirichlet_energy is None
    assert set(measure(X, PAW).as_dict()) == {"laplacian", *MEASURES} - {"mad_gap"}
    assert dataclasses.is_dataclass(found)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.mad = 0.0


def test_input_stays_as_it_is_and_needs_no_graph_of_its_own() -> None:
    x = X.double().requires_grad_()
    before = x.detach().clone()
    for laplacian in LAPLACIANS:
        measure(x, PAW, laplacian, only=MEASURES)
    assert torch.equal(x, before)
    assert x.grad is None
    wide = torch.randn(4, 20)
    narrow = wide[:, 3:9]
    assert measure(narrow, PAW) == measure(narrow.contiguous(), PAW)


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


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(4), "dense"),
        (torch.zeros(4, 2).to_sparse(), "dense"),
        (torch.zeros(4, 2, dtype=torch.int64), "floating"),
        (torch.zeros(5, 2, dtype=torch.complex64), "floating"),
    ],
)
def test_representations_that_are_none(x: Tensor, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        measure(x, PAW)
    with pytest.raises(GraphError, match=message):
        diagnostics.numerical_rank(x)


def test_names_that_do_not_exist() -> None:
    for call in (
        lambda: measure(X, PAW, "normalised"),
        lambda: measure(X, PAW, only=["energy"]),
        lambda: measure(X, PAW, mad="mean"),
        lambda: measure(X, PAW, components="all"),
        lambda: diagnostics.dirichlet_energy(X, PAW, normalisation="half"),
        lambda: diagnostics.laplacian_of("gat"),
    ):
        with pytest.raises(ConfigError, match="must be one of"):
            call()


def test_laplacian_of_an_architecture() -> None:
    found = {name: diagnostics.laplacian_of(name) for name in ("gin", "gcn", "sage")}
    assert found == {"gin": "random_walk", "gcn": "augmented", "sage": "random_walk"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_gpu() -> None:
    x = torch.randn(300, 20)
    topology = as_topology(nx.gnm_random_graph(300, 900, seed=0))
    for laplacian in LAPLACIANS:
        here = measure(x, topology, laplacian, only=MEASURES).as_dict()
        there = measure(x.cuda(), topology, laplacian, only=MEASURES).as_dict()
        assert here.pop("laplacian") == there.pop("laplacian")
        assert there == pytest.approx(here, rel=1e-10, nan_ok=True)
