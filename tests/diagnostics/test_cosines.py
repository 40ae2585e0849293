"""MAD and MADGap: by hand, and against all pairs."""

from __future__ import annotations

import math

import networkx as nx
import numpy as np
import pytest
import torch

from gslt import diagnostics
from gslt.diagnostics import measure
from gslt.diagnostics.cosines import inverse_norms
from gslt.errors import ConfigError

#: A triangle 0, 1, 2 and a fourth node that hangs on 0: degrees 3, 2, 2, 1.
PAW = torch.tensor([[0, 0, 1, 0], [1, 2, 2, 3]])
#: ‖X‖² = 1 + 1 + 8 + 0 = 10; the last row is zero.
X = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0], [0.0, 0.0]])


def close(value: float, relative: float = 1e-12) -> object:
    return pytest.approx(value, rel=relative, abs=1e-15)


def test_mad_by_hand() -> None:
    # Distances 1 (orthogonal), 1 − r, 1 − r, 1 (a zero row), with r = 1/√2. Means of the nodes:
    # 1 − r/3, 1 − r/2, 1 − r, 1.
    r = 1 / math.sqrt(2)
    assert diagnostics.mad(X, PAW) == close(1 - 11 * r / 24)
    assert diagnostics.mad(X, PAW, "edges") == close(1 - r / 2)
    assert diagnostics.mad(X, PAW, "survey") == close(2 - r)


def test_inverse_norms_by_hand() -> None:
    assert inverse_norms(torch.tensor([4.0, 0.0, 0.25])).tolist() == [0.5, 0, 2]


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
