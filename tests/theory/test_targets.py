"""Data and training of small targets."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import Tensor

from gslt.backends.csr import CSRGraph
from gslt.errors import ConfigError, MissingPackageError
from gslt.nn.equivariant import EquivariantNetwork
from gslt.theory import targets
from gslt.theory.targets import RECIPES, Task, accuracies, digits, hubs, train_target


def parts(task: Task) -> tuple[int, int]:
    assert not (task.train & task.test).any()
    return int(task.train.sum()), int(task.test.sum())


def test_digits_are_turned_images() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    images = torch.from_numpy(datasets.load_digits().images) / 16
    task = digits()
    assert (task.x.shape, task.x.dtype, task.classes) == ((1797, 1, 8, 8), torch.float64, 10)
    assert (task.name, task.synthetic, parts(task)) == ("digits", True, (1348, 449))
    turned = torch.stack([torch.rot90(images, k, (1, 2)) for k in range(4)])
    which = (turned == task.x[:, 0]).all(-1).all(-1)
    # Each is one of the four, and each of the four as often.
    assert which.any(0).all()
    assert which.sum(1).double().div(1797).tolist() == pytest.approx([0.25] * 4, abs=0.05)
    assert torch.equal(digits(flat=True).x, task.x.flatten(1))
    assert torch.equal(digits().x, task.x)
    assert not torch.equal(digits(1).x, task.x)
    assert not torch.equal(digits(1).train, task.train)


def test_digits_need_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingPackageError, match=r"digits needs .* pip install scikit-learn"):
        digits()


def test_hubs_differ_in_degrees_alone() -> None:
    task = hubs(number=400)
    x = task.x[:, 0]
    assert task.synthetic
    assert "synthetic" in task.name
    assert (task.x.shape, parts(task)) == ((400, 1, 16, 16), (300, 100))
    assert torch.equal(x, x.transpose(1, 2))
    assert x.diagonal(dim1=1, dim2=2).sum() == 0
    assert set(x.unique().tolist()) == {0.0, 1.0}
    assert (x.sum((1, 2)) == 2 * 32).all()
    degrees = x.sum(2)
    alike, preferred = (degrees[task.y == k].var(1).mean() for k in (0, 1))
    # Of a random graph with 32 of 120 edges: 15 (32/120) (88/120) · 14/15 · 120/119, about 2.8.
    assert float(alike) == pytest.approx(2.8, rel=0.1)
    assert preferred > 2.5 * alike
    # No place is preferred.
    assert degrees[task.y == 1].mean(0).std() < 0.5
    assert torch.equal(hubs(number=400).x, task.x)
    assert not torch.equal(hubs(1, number=400).x, task.x)
    with pytest.raises(ConfigError, match="at least 8 graphs to train and to test, got 7"):
        hubs(number=7)


def made(task: Task, kind: str, *hidden: int) -> EquivariantNetwork:
    return EquivariantNetwork(kind, (task.x.size(1), *hidden, task.classes))


def test_training_learns_and_is_repeated_exactly() -> None:
    task = hubs(number=400)
    networks = [made(task, "ign2", 4) for _ in range(2)]
    found = [train_target(network, task, epochs=20, lr=0.03) for network in networks]
    assert found[0] == found[1] == accuracies(networks[1], task)
    assert found[0].test > 0.8
    for first, second in zip(*(network.parameters() for network in networks), strict=True):
        assert torch.equal(first, second)
    # In double precision the weights are the same, and so are the answers.
    assert accuracies(networks[0].double(), task) == found[0]
    other = made(task, "ign2", 4)
    train_target(other, task, epochs=1, lr=0.03, seed=1)
    assert not torch.equal(other.layers[0].weight, networks[0].layers[0].weight)


def test_training_leaves_test_examples_alone() -> None:
    task = hubs(number=64)
    other = Task(task.name, task.x.clone(), task.y.clone(), task.train, task.test)
    other.x[task.test] = 7.0
    other.y[task.test] = 1 - other.y[task.test]
    networks = [made(task, "ign2", 2) for _ in range(2)]
    for network, of in zip(networks, (task, other), strict=True):
        train_target(network, of, epochs=2)
    assert torch.equal(networks[0].layers[1].weight, networks[1].layers[1].weight)


def test_nodes_of_a_graph_are_trained_together() -> None:
    """Two rings of 12: whether a node's ring is hot is seen on its neighbours alone."""
    node = torch.arange(24)
    following = torch.where(node % 12 == 11, node - 11, node + 1)
    edges = torch.cat([torch.stack([node, following]), torch.stack([following, node])], 1)
    x = torch.zeros(24, 2, dtype=torch.float64)
    y = (node >= 12).long()
    x[::2] = torch.nn.functional.one_hot(y, 2).double()[::2]
    train = node % 3 == 0
    task = Task("rings", x, y, train, ~train, CSRGraph(edges, 24, 24), synthetic=True)
    result = train_target(made(task, "sage", 4), task, epochs=40, lr=0.1)
    assert result == (1.0, 1.0)


def test_accuracies_by_hand() -> None:
    x = torch.tensor([[1.0, 0], [0, 1], [1, 0], [0, 1], [0, 1]], dtype=torch.float64)
    y = torch.tensor([0, 1, 1, 1, 0])
    train = torch.tensor([True, True, True, False, False])
    task = Task("five", x, y, train, ~train)

    def same(field: Tensor) -> Tensor:
        return field

    assert accuracies(same, task) == pytest.approx((2 / 3, 1 / 2))


def test_what_does_not_fit_is_refused() -> None:
    task = hubs(number=16)
    with pytest.raises(ConfigError, match=r"1 channels and 2 classes, the network maps 1 .* to 3"):
        train_target(EquivariantNetwork("ign2", (1, 2, 3)), task)
    with pytest.raises(ConfigError, match="must be positive, got 0"):
        train_target(made(task, "ign2", 2), task, epochs=0)
    with pytest.raises(ConfigError, match=r"diverged in epoch 1 at lr 1e\+30; take less"):
        train_target(made(task, "ign2", 2), task, epochs=3, lr=1e30)


@pytest.mark.parametrize("kind", RECIPES)
def test_recipes_fit_their_data(kind: str) -> None:
    if kind != "ign2":
        pytest.importorskip("sklearn.datasets")
    recipe = RECIPES[kind]
    task = recipe.task(0)
    network = EquivariantNetwork(kind, recipe.channels(task)).double()
    targets.initialise(network, 0)
    assert network(task.x[:2]).shape == (2, task.classes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "least"), [("mlp", 0.9), ("cnn", 0.9), ("c4cnn", 0.9), ("d4cnn", 0.8), ("ign2", 0.92)]
)
def test_recipes_give_sensible_targets(kind: str, least: float) -> None:
    if kind != "ign2":
        pytest.importorskip("sklearn.datasets")
    recipe = RECIPES[kind]
    task = recipe.task(0)
    network = EquivariantNetwork(kind, recipe.channels(task))
    found = train_target(network, task, epochs=recipe.epochs, lr=recipe.lr)
    assert found.test >= least
