"""NodeDataset: hand-computed figures, and every rule with the entry that breaks it."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from gslt.data.dataset import NodeDataset, to_undirected
from gslt.errors import DataError


def mask(*nodes: int, n: int = 5) -> torch.Tensor:
    result = torch.zeros(n, dtype=torch.bool)
    result[list(nodes)] = True
    return result


def toy(**changes: Any) -> NodeDataset:
    """A path 0 – 1 – 2 – 3 with a self-loop on 3 and the isolated, unlabelled node 4."""
    parts: dict[str, Any] = {
        "name": "toy",
        "x": torch.arange(10, dtype=torch.float32).reshape(5, 2),
        "edge_index": torch.tensor([[0, 1, 1, 2, 2, 3, 3], [1, 0, 2, 1, 3, 2, 3]]),
        "y": torch.tensor([0, 0, 1, 1, -1]),
        "train_mask": mask(0, 1),
        "val_mask": mask(2),
        "test_mask": mask(3),
        "num_classes": 2,
    }
    return NodeDataset(**{**parts, **changes})


def test_counts_and_splits() -> None:
    data = toy()
    assert (data.num_nodes, data.num_edges, data.num_features) == (5, 7, 2)
    assert {name: int(part.sum()) for name, part in data.splits.items()} == {
        "train": 2,
        "val": 1,
        "test": 1,
    }


def test_info_by_hand() -> None:
    facts = toy(source="made by hand").info()
    # Edges between labelled nodes: 7; of one class: 0–1 twice, 2–3 twice, 3–3 once.
    assert facts.pop("edge_homophily") == pytest.approx(5 / 7)
    assert facts.pop("content_hash") == toy().content_hash
    assert facts == {
        "name": "toy",
        "synthetic": False,
        "source": "made by hand",
        "nodes": 5,
        "edges": 7,
        "undirected": True,
        "self_loops": 1,
        "isolated_nodes": 1,
        "mean_in_degree": 7 / 5,
        "max_in_degree": 2,
        "features": 2,
        "classes": 2,
        "labelled": 4,
        "train": 2,
        "val": 1,
        "test": 1,
        "task": "multiclass",
        "metric": "accuracy",
        # Both training nodes are of class 0, the others of class 1.
        "train_majority_rate": 1.0,
        "val_majority_rate": 0.0,
        "test_majority_rate": 0.0,
    }


def test_info_of_a_directed_graph_and_of_one_without_edges() -> None:
    assert toy(edge_index=torch.tensor([[0, 1], [1, 2]])).info()["undirected"] is False
    empty = toy(edge_index=torch.zeros(2, 0, dtype=torch.int64)).info()
    assert empty["max_in_degree"] == 0
    assert math.isnan(float(empty["edge_homophily"]))


def test_accuracy_by_hand() -> None:
    logits = torch.tensor([[2.0, 1.0], [1.0, 2.0], [0.0, 3.0], [3.0, 0.0], [0.0, 1.0]])
    assert toy().accuracy(logits) == {"train": 0.5, "val": 1.0, "test": 0.0}


def test_accuracy_and_loss_by_hand() -> None:
    logits = torch.tensor([[2.0, 1.0], [1.0, 2.0], [0.0, 3.0], [3.0, 0.0], [0.0, 1.0]])
    # A margin m of the right class costs ln(1 + exp(-m)): 0.31326 for 1, 1.31326 for -1.
    losses = {"train_loss": 0.81326, "val_loss": 0.04859, "test_loss": 3.04859}
    accuracies = {"train_accuracy": 0.5, "val_accuracy": 1.0, "test_accuracy": 0.0}
    found = toy().accuracy_and_loss(logits)
    assert found == pytest.approx(accuracies | losses, abs=1e-5)
    assert list(found) == [*accuracies, *losses]
    judged = toy(evaluator=lambda y_true, y_pred: 0.25).accuracy_and_loss(logits)
    assert judged == found | dict.fromkeys(accuracies, 0.25)


def test_evaluate_uses_the_evaluator() -> None:
    logits = torch.tensor([[2.0, 1.0], [1.0, 2.0], [0.0, 3.0], [3.0, 0.0], [0.0, 1.0]])
    seen = []

    def evaluator(y_true: torch.Tensor, y_pred: torch.Tensor) -> float:
        seen.append((y_true.tolist(), y_pred.tolist()))
        return 0.25

    assert toy(evaluator=evaluator).evaluate(logits) == {"train": 0.25, "val": 0.25, "test": 0.25}
    assert seen == [([0, 0], [0, 1]), ([1], [1]), ([1], [0])]
    assert toy().evaluate(logits) == toy().accuracy(logits)


def macro(y_true: torch.Tensor, y_pred: torch.Tensor) -> float:
    """Mean over the classes of the share of their nodes that is right."""
    right = [(y_pred[y_true == c] == c).double().mean() for c in y_true.unique()]
    return float(torch.stack(right).mean())


def test_an_evaluator_is_what_epochs_are_chosen_by_and_what_the_majority_has() -> None:
    # Test nodes: 5 of class 0, 1 of class 1; of training and validation one each.
    y = torch.tensor([0, 1, 0, 1, 0, 0, 0, 0, 0, 1])
    nodes = torch.arange(10)
    masks = {"train_mask": nodes < 2, "val_mask": (nodes > 1) & (nodes < 4), "test_mask": nodes > 3}
    common = {"x": torch.ones(10, 1), "y": y, "edge_index": torch.tensor([[0], [1]]), **masks}
    data = toy(**common, evaluator=macro)
    assert data.majority_rate() == {"train": 0.5, "val": 0.5, "test": 0.5}
    assert toy(**common).majority_rate()["test"] == pytest.approx(5 / 6)
    assert data.info()["test_majority_rate"] == 0.5
    assert data.info()["evaluator"].endswith("test_dataset.macro")  # type: ignore[union-attr]
    # Class 1 for all but the last node: of class 0 none is right, of class 1 all are.
    logits = torch.nn.functional.one_hot(torch.ones(10, dtype=torch.int64), 2).float()
    assert data.score(logits)["test"] == data.evaluate(logits)["test"] == 0.5
    assert data.accuracy(logits)["test"] == pytest.approx(1 / 6)
    assert data.score_of(logits[4:], y[4:]) == 0.5
    assert data.content_hash == toy(**common).content_hash


@pytest.mark.parametrize("value", [1.5, -0.1, math.nan])
def test_an_evaluator_that_gives_no_fraction_is_refused(value: float) -> None:
    data = toy(evaluator=lambda y_true, y_pred: value)
    with pytest.raises(DataError, match=f"gave {value} for 2 nodes; an evaluator gives a fraction"):
        data.score(torch.zeros(5, 2))


def test_an_evaluator_that_is_accuracy_is_asked_in_the_end_only() -> None:
    class Benchmark:
        is_accuracy = True

        def __call__(self, y_true: torch.Tensor, y_pred: torch.Tensor) -> float:
            return 0.25

    data = toy(evaluator=Benchmark())
    logits = torch.zeros(5, 2)
    assert data.score(logits) == data.accuracy(logits)
    assert set(data.evaluate(logits).values()) == {0.25}
    assert (data.evaluator_name, "evaluator" in data.info()) == ("", False)


@pytest.mark.parametrize("method", ["accuracy", "evaluate"])
def test_logits_of_another_shape_are_refused(method: str) -> None:
    data = toy(evaluator=lambda y_true, y_pred: 0.0)
    with pytest.raises(DataError, match=r"must have shape \(5, 2\).* got \(5, 3\)"):
        getattr(data, method)(torch.zeros(5, 3))


def test_repr() -> None:
    assert repr(toy()) == (
        "NodeDataset('toy', 5 nodes, 7 directed edges, 2 features, 2 classes; "
        "train 2, val 1, test 1)"
    )
    assert "synthetic, 5 nodes" in repr(toy(synthetic=True))


def test_to_keeps_everything_else() -> None:
    moved = toy(source="here", synthetic=True).to("cpu")
    assert moved.source == "here"
    assert moved.synthetic
    assert torch.equal(moved.x, toy().x)


NAN, INF = float("nan"), float("inf")


def features(value: float) -> torch.Tensor:
    x = torch.zeros(5, 2)
    x[3, 1] = x[4, 0] = value
    return x


def edges(*pairs: tuple[int, int]) -> torch.Tensor:
    return torch.tensor([(0, 1), *pairs]).T


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"x": features(NAN)}, r"x\[3, 1\] is nan"),
    ({"x": features(-INF)}, r"x\[3, 1\] is -inf"),
    ({"x": torch.zeros(5, 2, dtype=torch.float64)}, "x must be torch.float32, got torch.float64"),
    ({"x": torch.zeros(5)}, r"x must have shape \(nodes, features\), got \(5,\)"),
    ({"x": torch.zeros(0, 2)}, r"x has shape \(0, 2\)"),
    ({"x": [[1.0]]}, "x must be a torch.float32 tensor .* got list"),
    ({"edge_index": edges((1, 5), (7, 0))}, r"edge 1 is \(1, 5\), but nodes are numbered 0 … 4"),
    ({"edge_index": edges((2, 3), (-1, 0))}, r"edge 2 is \(-1, 0\)"),
    ({"edge_index": edges((1, 2)).float()}, "edge_index must be torch.int64, got torch.float32"),
    ({"edge_index": torch.zeros(7, 2).long()}, r"must have shape \(2, edges\), got \(7, 2\)"),
    ({"y": torch.tensor([0, 2, 3, 1, -1])}, r"y\[1\] is 2, but labels are 0 … 1"),
    ({"y": torch.tensor([0, 0, -2, 1, -1])}, r"y\[2\] is -2"),
    ({"y": torch.tensor([0, 0, 1, 1])}, "y holds 4 labels for 5 nodes"),
    ({"y": torch.zeros(5, 1).long()}, r"y must have shape \(nodes,\), got \(5, 1\)"),
    ({"y": torch.zeros(5)}, "y must be torch.int64, got torch.float32"),
    ({"num_classes": 1}, "num_classes must be an integer of at least 2, got 1"),
    ({"num_classes": True}, "num_classes must be .* got True"),
    ({"train_mask": mask()}, "train_mask is empty"),
    ({"val_mask": mask(1, 2)}, "node 1 is in both train_mask and val_mask"),
    ({"test_mask": mask(0, 3)}, "node 0 is in both train_mask and test_mask"),
    ({"test_mask": mask(2, 3)}, "node 2 is in both val_mask and test_mask"),
    ({"test_mask": mask(3, 4)}, r"node 4 is in test_mask but its label is -1"),
    ({"val_mask": torch.tensor([2])}, "val_mask must be torch.bool, got torch.int64"),
    ({"val_mask": mask(2, n=4)}, "val_mask holds 4 entries for 5 nodes"),
    ({"class_names": ("one",)}, "class_names holds 1 names for 2 classes"),
]


@pytest.mark.parametrize(("changes", "sentence"), BROKEN)
def test_broken_rules_name_the_first_offending_entry(
    changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(DataError, match=sentence) as caught:
        toy(**changes)
    assert str(caught.value).startswith("data set 'toy': ")


def test_finite_features_with_an_infinite_sum_are_accepted() -> None:
    large = torch.full((5, 2), torch.finfo(torch.float32).max)
    assert toy(x=large).num_nodes == 5


def test_to_undirected_by_hand() -> None:
    directed = torch.tensor([[2, 0, 1, 1, 2], [0, 2, 1, 0, 0]])
    assert to_undirected(directed, 3).tolist() == [[1, 2, 0, 1, 0], [0, 0, 1, 1, 2]]


@pytest.mark.parametrize("bad", [(0, 3), (-1, 2)])
def test_to_undirected_refuses_what_it_would_scramble(bad: tuple[int, int]) -> None:
    with pytest.raises(DataError, match=rf"edge 1 is \({bad[0]}, {bad[1]}\)"):
        to_undirected(torch.tensor([(0, 1), bad]).T, 3)


def test_to_undirected_depends_on_the_set_of_edges_only() -> None:
    pairs = torch.tensor([[0, 3, 2, 4], [1, 2, 3, 0]])
    once = to_undirected(pairs, 5)
    assert torch.equal(once, to_undirected(pairs.flip(0).flip(1), 5))
    assert torch.equal(once, to_undirected(once, 5))
    assert to_undirected(torch.zeros(2, 0, dtype=torch.int64), 5).shape == (2, 0)


# Content


def test_content_hash_by_hand() -> None:
    """SHA-256 over the number of classes, then type, shape and bytes of each part."""
    data = toy()
    # Targets times five and sources, sorted: 0–1, 1–0, 1–2, 2–1, 2–3, 3–2, 3–3.
    edges = torch.tensor([1, 5, 7, 11, 13, 17, 18])
    found = hashlib.sha256(b"2")
    for part in (data.x, edges, data.y, data.train_mask, data.val_mask, data.test_mask):
        found.update(f"|{part.dtype} {tuple(part.shape)}|".encode())
        found.update(part.numpy().tobytes())
    assert data.content_hash == found.hexdigest()


def test_content_hash_sees_what_a_result_depends_on_and_nothing_else() -> None:
    data = toy()
    same = [
        replace(data, name="other", source="there", class_names=("a", "b")),
        replace(data, edge_index=data.edge_index.flip(1)),
        replace(data, x=torch.where(data.x == 0, -0.0, data.x)),
    ]
    assert {each.content_hash for each in same} == {data.content_hash}
    x = data.x.clone()
    x[2, 0] += 1e-6
    others = [
        replace(data, x=x),
        replace(data, y=torch.tensor([0, 1, 1, 1, -1])),
        # An edge twice, one fewer, one turned round.
        replace(data, edge_index=torch.cat([data.edge_index, data.edge_index[:, :1]], dim=1)),
        replace(data, edge_index=data.edge_index[:, 1:]),
        replace(data, edge_index=torch.cat([data.edge_index[:, 1:], data.edge_index[:, 1:2]], 1)),
        replace(data, num_classes=3),
        replace(data, train_mask=data.val_mask, val_mask=data.train_mask),
    ]
    hashes = {each.content_hash for each in others}
    assert len(hashes) == len(others)
    assert data.content_hash not in hashes


def test_what_is_known_of_a_data_set_follows_writes_to_it() -> None:
    data = toy()
    before, homophily = data.content_hash, data.info()["edge_homophily"]
    data.y[0] = 1
    assert data.content_hash != before
    assert data.content_hash == toy(y=torch.tensor([1, 0, 1, 1, -1])).content_hash
    assert data.info()["edge_homophily"] != homophily
