"""NC1 and the linear probe: by hand, against dense algebra, and what leaves them as they are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gslt.diagnostics import Labels, linear_probe, linear_probe_val, nc1
from gslt.diagnostics.representation import Representation
from gslt.diagnostics.separation import PENALTIES, Ridge, ridge, ridge_of
from gslt.errors import GraphError

#: Four training nodes on a line, one to validate with, two to test with.
X = torch.tensor([[0.0], [1.0], [4.0], [5.0], [2.0], [3.0], [9.0]])
Y = torch.tensor([0, 0, 1, 1, 1, 1, 0])
NONE = torch.empty(2, 0, dtype=torch.int64)


def labels(y: Tensor, train: int, val: int, num_classes: int | None = None) -> Labels:
    """The first nodes train, the next ones validate, the rest test."""
    place = torch.arange(len(y))
    masks = {
        "train": place < train,
        "val": (place >= train) & (place < train + val),
        "test": place >= train + val,
    }
    return Labels(y=y, num_classes=num_classes or int(y.max()) + 1, **masks)


LABELS = labels(Y, 4, 1)


def classifier(x: Tensor, given: Labels) -> Ridge:
    found = ridge_of(Representation.of(x, NONE, labels=given))
    assert found is not None
    return found


def drawn(seed: int, nodes: int = 30, width: int = 4, classes: int = 3) -> tuple[Tensor, Labels]:
    """Noise around a mean for each class, float64."""
    stream = np.random.default_rng(seed)
    y = np.arange(nodes) % classes
    x = stream.normal(size=(classes, width))[y] + stream.normal(size=(nodes, width))
    return torch.from_numpy(x), labels(torch.from_numpy(y), nodes // 2, nodes // 4)


def rotation(width: int) -> Tensor:
    stream = np.random.default_rng(5)
    return torch.from_numpy(np.linalg.qr(stream.normal(size=(width, width)))[0])


def test_nc1_by_hand() -> None:
    # Class 0 at (0, 0), (2, 0), class 1 at (4, 3), (4, 5), (4, 4); a node without a label is no
    # part of it. Means (1, 0), (4, 4), that of all (14/5, 12/5). Within: 1 + 1 + 1 + 1 + 0 = 4.
    # Between: 2 · (1.8² + 2.4²) + 3 · (1.2² + 1.6²) = 2 · 9 + 3 · 4 = 30. The ratio is 2/15.
    x = torch.tensor([[0.0, 0], [2, 0], [4, 3], [4, 5], [4, 4], [99, 0]])
    y = torch.tensor([0, 0, 1, 1, 1, -1])
    assert nc1(x, labels(y, 2, 2)) == pytest.approx(2 / 15, rel=1e-12)


def test_nc1_at_its_ends() -> None:
    y = torch.tensor([0, 0, 1, 1])
    given = labels(y, 2, 1)
    # Nodes of a class are alike; classes have one mean; all are alike, by a float32 as by chance.
    assert nc1(torch.tensor([[0.1], [0.1], [0.3], [0.3]]), given) == pytest.approx(0, abs=1e-12)
    assert nc1(torch.tensor([[1.0], [3.0], [1.0], [3.0]]), given) == math.inf
    assert math.isnan(nc1(torch.full((4, 3), 0.1), given))
    noise = 1e-9 * torch.arange(4.0, dtype=torch.float64).unsqueeze(1)
    assert math.isnan(nc1((0.1 + noise).float(), given))
    assert nc1(0.1 + noise, given) == pytest.approx(0.25, rel=1e-6)
    assert math.isnan(nc1(torch.full((4, 1), math.inf), given))
    assert math.isnan(nc1(X[:4], labels(-torch.ones_like(y), 2, 1, num_classes=2)))
    assert math.isnan(nc1(torch.zeros(4, 0), given))


def test_nc1_is_of_traces_of_scatter_matrices() -> None:
    x, given = drawn(0, nodes=31)
    y = given.y.numpy()
    within = sum(np.cov(x.numpy()[y == c].T, bias=True) * (y == c).mean() for c in range(3))
    between = np.cov(x.numpy().T, bias=True) - within
    assert nc1(x, given) == pytest.approx(np.trace(within) / np.trace(between), rel=1e-10)


def test_a_ridge_by_hand() -> None:
    # X_c = −2.5, −1.5, 1.5, 2.5 with squares 17; Y_c = ∓½ for class 1, product 4: W = 4/(17 + λ).
    # With λ = 17 f the fit is 4 x/(17 (1 + f)), and 1 − H = 3/4 − x²/(17 (1 + f)). Squared
    # (½ − fit)/(1 − H) at x = 2.5 and 1.5: f = 1: 0.1322 + 0.2238; 0.1: 0.0070 + 0.0809;
    # 0.01: 0.0456 + 0.0592; towards 0: 0.0533 + 0.0567. So f is 0.1, W = 4/18.7.
    found = classifier(X, LABELS)
    assert found.penalty == pytest.approx(1.7, rel=1e-12)
    assert found.weight[0].tolist() == pytest.approx([-4 / 18.7, 4 / 18.7], rel=1e-12)
    assert found.bias.tolist() == pytest.approx([0.5 + 10 / 18.7, 0.5 - 10 / 18.7], rel=1e-12)
    # The classes part at 2.5: the node at 2 is wrong, that at 3 right, that at 9 wrong.
    assert linear_probe_val(X, LABELS) == 0
    assert linear_probe(X, LABELS) == 0.5


def least_squares(x: Any, target: Any, penalty: float) -> Any:
    """Ridge with a free intercept as plain least squares with rows for the penalty."""
    width = x.shape[1]
    top = np.hstack([x, np.ones((len(x), 1))])
    low = np.hstack([math.sqrt(penalty) * np.eye(width), np.zeros((width, 1))])
    right = np.vstack([target, np.zeros((width, target.shape[1]))])
    return np.linalg.lstsq(np.vstack([top, low]), right, rcond=None)[0]


@pytest.mark.parametrize(("width", "rank"), [(3, 3), (6, 4), (40, 40), (40, 3)])
def test_the_ridge_is_that_of_least_squares_without_each_row(width: int, rank: int) -> None:
    stream = np.random.default_rng(width)
    x = stream.normal(size=(14, rank)) @ stream.normal(size=(rank, width)) + 3.0
    x[:, -1] = 0.5
    target = np.eye(3)[np.arange(14) % 3]
    size = ((x - x.mean(0)) ** 2).sum()
    errors = []
    for share in PENALTIES:
        error = 0.0
        for left in range(14):
            rest = np.arange(14) != left
            fit = least_squares(x[rest], target[rest], share * size)
            error += ((target[left] - np.append(x[left], 1) @ fit) ** 2).sum()
        errors.append(error)
    expected = PENALTIES[int(np.argmin(errors))] * size
    index = torch.arange(14)
    found = ridge(torch.from_numpy(x), index, torch.from_numpy(target))
    assert found.penalty == pytest.approx(expected, rel=1e-9)
    fit = least_squares(x, target, expected)
    scores = torch.addmm(found.bias, torch.from_numpy(x), found.weight)
    assert scores.numpy() == pytest.approx(np.hstack([x, np.ones((14, 1))]) @ fit, abs=1e-7)


def test_a_total_collapse_has_the_commonest_class() -> None:
    y = torch.tensor([1, 2, 2, 0, 2, 1])
    given = labels(y, 3, 1)
    for x in (torch.full((6, 4), 0.1), torch.zeros(6, 4), torch.zeros(6, 0)):
        assert linear_probe(x, given) == 0.5
        assert linear_probe_val(x, given) == 0
    # Of equals the first, 1 before 2; of one training node its own class.
    assert linear_probe(torch.zeros(6, 4), labels(y, 2, 2)) == 0.5
    assert linear_probe(torch.eye(6), labels(y, 1, 1)) == 0.25


def test_a_class_without_a_training_node_is_never_given() -> None:
    x = torch.tensor([[0.0], [1.0], [0.0], [50.0], [-50.0]])
    given = labels(torch.tensor([0, 1, 2, 2, 2]), 2, 1)
    assert linear_probe(x, given) == 0
    assert linear_probe_val(x, given) == 0


def test_what_has_no_value() -> None:
    assert math.isnan(linear_probe(X / 0, LABELS))
    assert math.isnan(linear_probe(X, labels(Y, 0, 1)))
    assert math.isnan(linear_probe(X, labels(Y, 4, 3)))
    assert math.isnan(linear_probe_val(X, labels(Y, 4, 0)))
    for function in (nc1, linear_probe, linear_probe_val):
        with pytest.raises(GraphError, match="must be a dense"):
            function(X[:, 0], LABELS)


@given(seed=st.integers(0, 500), width=st.sampled_from([1, 3, 24]), scale=st.floats(1e-3, 1e3))
@settings(deadline=None, max_examples=30)
def test_scale_shift_and_rotation_change_nothing(seed: int, width: int, scale: float) -> None:
    x, given = drawn(seed, width=width)
    turned = scale * (x @ rotation(width)) + scale
    assert nc1(turned, given) == pytest.approx(nc1(x, given), rel=1e-8)
    one, other = classifier(x, given), classifier(turned, given)
    assert other.penalty == pytest.approx(scale**2 * one.penalty, rel=1e-8)
    scores = torch.addmm(one.bias, x, one.weight)
    assert torch.addmm(other.bias, turned, other.weight).numpy() == pytest.approx(
        scores.numpy(), abs=1e-6
    )


@given(seed=st.integers(0, 500))
@settings(deadline=None, max_examples=20)
def test_twice_the_nodes_and_empty_columns_change_nothing(seed: int) -> None:
    x, given = drawn(seed)
    masks = {name: getattr(given, name).repeat(2) for name in ("train", "val", "test")}
    twice = Labels(y=given.y.repeat(2), num_classes=3, **masks)
    assert nc1(x.repeat(2, 1), twice) == pytest.approx(nc1(x, given), rel=1e-9)
    wide = torch.cat([x, torch.zeros(30, 2), torch.full((30, 1), 7.0)], dim=1)
    assert nc1(wide, given) == pytest.approx(nc1(x, given), rel=1e-9)
    one, other = classifier(x, given), classifier(wide, given)
    assert other.weight[:4].numpy() == pytest.approx(one.weight.numpy(), abs=1e-8)
    assert other.weight[4:].abs().max() < 1e-8


def test_an_offset_in_half_precision_does_not_hide_the_classes() -> None:
    rng = torch.Generator().manual_seed(0)
    y = torch.arange(4000) % 4
    centres = torch.randn(4, 16, generator=rng)
    x = (torch.randn(4000, 16, generator=rng) + centres[y] + 1000).half()
    masks = dict.fromkeys(("train", "val", "test"), torch.ones(4000, dtype=torch.bool))
    labels = Labels(y=y, num_classes=4, **masks)
    assert nc1(x, labels) == pytest.approx(nc1(x.double(), labels), rel=1e-6)


def test_validation_and_test_nodes_have_no_part_in_the_fit() -> None:
    x, given = drawn(3)
    other = torch.where(given.train.unsqueeze(1), x, -5 * x)
    assert torch.equal(classifier(x, given).weight, classifier(other, given).weight)


def test_classes_that_are_apart_are_told_apart() -> None:
    x, given = drawn(1)
    apart = x + 50 * torch.eye(4, dtype=torch.float64)[given.y]
    assert linear_probe(apart, given) == linear_probe_val(apart, given) == 1


def test_blocks_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    x, given = drawn(2)
    whole, ratio = classifier(x, given), nc1(x, given)
    monkeypatch.setattr("gslt.diagnostics.representation._CPU_BLOCK", 9)
    assert classifier(x, given).weight.numpy() == pytest.approx(whole.weight.numpy(), rel=1e-9)
    assert nc1(x, given) == pytest.approx(ratio, rel=1e-12)
