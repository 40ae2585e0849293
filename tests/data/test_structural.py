"""Features made of the graph alone, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from gslt.data.dataset import to_undirected
from gslt.data.structural import make_features
from gslt.errors import ConfigError

PATH = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])


def test_by_hand() -> None:
    degree = make_features("degree", PATH, 4)
    assert degree.flatten().tolist() == pytest.approx([math.log(2), math.log(3), math.log(2), 0])
    assert make_features("constant", PATH, 4).tolist() == [[1]] * 4
    assert torch.equal(make_features("one-hot", PATH, 4), torch.eye(4))


def test_spectral_by_hand() -> None:
    # A path of three: D^(−½)AD^(−½) has the eigenvalues 1, 0, −1, the first with √degree.
    x = make_features("spectral", PATH, 3)
    assert x.dtype == torch.float32
    assert x[:, 0].tolist() == pytest.approx([math.sqrt(3) / 2, math.sqrt(1.5), math.sqrt(3) / 2])
    assert x[:, 1].abs().tolist() == pytest.approx([math.sqrt(1.5), 0, math.sqrt(1.5)], abs=1e-6)
    assert (x.T @ x / 3 - torch.eye(3)).abs().max() < 1e-6


def test_spectral_of_a_large_graph_are_eigenvectors() -> None:
    n = 300
    ring = torch.arange(n)
    edge_index = to_undirected(torch.stack([ring, (ring + 1) % n]), n)
    x = make_features("spectral", edge_index, n)
    assert x.shape == (n, 32)
    mean = torch.zeros_like(x).index_add(0, edge_index[1], x[edge_index[0]]) / 2
    wave = torch.tensor([math.cos(2 * math.pi * ((i + 1) // 2) / n) for i in range(32)])
    assert (mean - x * wave).abs().max() < 1e-4
    assert torch.equal(x, make_features("spectral", edge_index, n))


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="features must be one of degree, one-hot, constant"):
        make_features("pagerank", PATH, 3)
    monkeypatch.setenv("GSLT_LIMITS", "inflated_bytes=30")
    with pytest.raises(ConfigError, match="the one-hot features have 36 bytes"):
        make_features("one-hot", PATH, 3)


@pytest.mark.parametrize("n", [256, 300])
def test_spectral_without_edges(n: int) -> None:
    x = make_features("spectral", torch.empty(2, 0, dtype=torch.int64), n)
    assert x.shape == (n, 32)
    assert x.nonzero().tolist() == [[n - 1 - i, i] for i in reversed(range(32))]
    assert x.max().item() == pytest.approx(math.sqrt(n))
