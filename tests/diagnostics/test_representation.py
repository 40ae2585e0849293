"""The sums that measures share: by blocks, once, of dense matrices only."""

from __future__ import annotations

import math

import pytest
import torch
from graphs import GRAPHS, features
from torch import Tensor

from gslt import diagnostics
from gslt.diagnostics import LAPLACIANS, MEASURES, measure
from gslt.diagnostics.representation import Form, Representation, gram
from gslt.errors import ConfigError, GraphError

#: A triangle 0, 1, 2 and a fourth node that hangs on 0: degrees 3, 2, 2, 1.
PAW = torch.tensor([[0, 0, 1, 0], [1, 2, 2, 3]])
#: ‖X‖² = 1 + 1 + 8 + 0 = 10; the last row is zero.
X = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0], [0.0, 0.0]])


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


@pytest.mark.parametrize("name", GRAPHS)
def test_blocks_add_up(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes, edges = GRAPHS[name]
    x = features(nodes, 5).float()
    whole = [measure(x, edges, laplacian, only=MEASURES) for laplacian in LAPLACIANS]
    monkeypatch.setattr("gslt.diagnostics.representation._CPU_BLOCK", 10)
    monkeypatch.setattr("gslt.diagnostics.representation._PRODUCT_ROWS", 2)
    for laplacian, expected in zip(LAPLACIANS, whole, strict=True):
        found = measure(x, edges, laplacian, only=MEASURES)
        for measured in MEASURES:
            value = getattr(expected, measured)
            assert getattr(found, measured) == pytest.approx(value, rel=1e-12, nan_ok=True)


def test_sums_by_hand() -> None:
    found = Representation.of(X, PAW, "random_walk")
    # Σ d ‖x‖² = 3 + 2 + 16, ‖PX‖² = (49 + 36)/8.
    assert found.norms.tolist() == [1, 1, 8, 0]
    assert found.size == 21
    assert found.rest == pytest.approx(21 - 85 / 8, rel=1e-12)
    assert found.singular_values.tolist() == pytest.approx([1, 3], rel=1e-12)
    # Edges 01, 02, 12, 03: 2, 5, 5, 1; the weights of their ends make 6 + 25 + 30 + 4 of these.
    assert found.edge_sum(lambda _: Form()) == 13
    assert found.edge_sum(lambda _: Form(weight=torch.tensor([1.0, 2.0, 4.0, 3.0]))) == 65
    assert gram(X).tolist() == [[5, 4], [4, 5]]


def test_what_is_not_finite_has_no_value() -> None:
    found = Representation.of(X / 0, PAW)
    assert not found.finite
    assert math.isnan(found.value(lambda _: 1.0))
    assert Representation.of(X, PAW).value(lambda _: 1.0) == 1


def test_options_that_do_not_exist() -> None:
    for options in ({"laplacian": "half"}, {"average": "half"}, {"components": "half"}):
        with pytest.raises(ConfigError, match="must be one of"):
            Representation.of(X, PAW, **options)
