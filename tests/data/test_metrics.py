"""Losses and metrics by hand, against definitions of their own, and what has no metric."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch

from gslt.data.dataset import NodeDataset
from gslt.data.metrics import loss, micro_f1, roc_auc, roc_aucs
from gslt.errors import ConfigError, DataError


def by_pairs(scores: torch.Tensor, y: torch.Tensor) -> float:
    """Share of the pairs of a one and a zero in which the one scores higher; a tie is half."""
    pairs = itertools.product(scores[y > 0].tolist(), scores[y == 0].tolist())
    found = [1.0 if one > zero else 0.5 if one == zero else 0.0 for one, zero in pairs]
    return sum(found) / len(found)


def several(**changes: Any) -> NodeDataset:
    """Six nodes in a ring with two labels each; node 5 has none."""
    ring = torch.arange(6)
    parts: dict[str, Any] = {
        "name": "several",
        "x": torch.eye(6),
        "edge_index": torch.stack([ring, ring.roll(1)]),
        "y": torch.tensor([[1, 1], [1, 0], [1, 0], [0, 1], [0, 1], [-1, -1]]),
        "train_mask": torch.tensor([1, 1, 0, 0, 1, 0]).bool(),
        "val_mask": torch.tensor([0, 0, 1, 0, 0, 0]).bool(),
        "test_mask": torch.tensor([0, 0, 0, 1, 0, 0]).bool(),
        "num_classes": 2,
        "task": "multilabel",
        "metric": "micro_f1",
    }
    return NodeDataset(**{**parts, **changes})


def test_roc_auc_by_hand() -> None:
    # Ones at 0.35 and 0.8, zeros at 0.1 and 0.4: three of four pairs are in order.
    margin, y = torch.tensor([0.1, 0.4, 0.35, 0.8]), torch.tensor([0, 0, 1, 1])
    assert roc_auc(torch.stack([torch.zeros(4), margin], dim=1), y) == 0.75
    # The same margins from other logits.
    assert roc_auc(torch.stack([-margin, torch.zeros(4)], dim=1), y) == 0.75
    # All equal: no order at all.
    assert roc_auc(torch.ones(4, 2), y) == 0.5


def test_roc_auc_counts_pairs_where_many_scores_are_equal() -> None:
    draw = torch.Generator().manual_seed(0)
    scores = torch.randint(0, 7, (200, 3), generator=draw).float()
    y = torch.randint(0, 2, (200, 3), generator=draw)
    expected = [by_pairs(scores[:, i], y[:, i]) for i in range(3)]
    assert roc_aucs(scores, y).tolist() == pytest.approx(expected, abs=1e-15)


def test_the_mean_over_labels_leaves_out_those_of_one_value() -> None:
    scores = torch.tensor([[0.1, 5.0, 0.1], [0.4, 4.0, 0.2], [0.35, 3.0, 0.3], [0.8, 2.0, 0.4]])
    y = torch.tensor([[0, 1, 1], [0, 1, 1], [1, 1, 0], [1, 1, 0]])
    assert math.isnan(roc_aucs(scores, y)[1])
    assert roc_auc(scores, y.float()) == (0.75 + 0.0) / 2


def test_nan_has_no_rank() -> None:
    with pytest.raises(DataError, match=r"logit \[1, 0\] is NaN"):
        roc_aucs(torch.tensor([[0.0], [math.nan]]), torch.tensor([[0], [1]]))


def test_loss_and_micro_f1_of_several_labels_by_hand() -> None:
    logits, y = torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0, 0.0]])
    # −log σ(0) = log 2, and −log(1 − σ(2)) = log(1 + e²).
    assert float(loss(logits, y)) == pytest.approx((math.log(2) + math.log(1 + math.e**2)) / 2)
    # Said: only label 1, wrongly; a logit of 0 says nothing.
    assert micro_f1(logits, y) == 0.0


def test_several_labels_by_hand() -> None:
    data = several()
    assert data.y.dtype == torch.float32
    assert data.labelled.tolist() == [True] * 5 + [False]
    logits = torch.tensor([[1.0, 1.0], [1.0, 1.0], [-1, 1], [1, 1], [-1, -1], [9, 9]])
    # Training nodes 0, 1, 4: TP 3, FP 1, FN 1. Node 2: FP and FN. Node 3: TP 1, FP 1.
    assert data.score(logits) == {"train": 6 / 8, "val": 0.0, "test": 2 / 3}
    # Two of three training nodes have label 0, two label 1: both are said of all.
    assert data.majority_rate() == {"train": 8 / 10, "val": 2 / 3, "test": 2 / 3}
    facts = data.info()
    assert "edge_homophily" not in facts
    assert (facts["task"], facts["metric"], facts["labelled"]) == ("multilabel", "micro_f1", 5)
    assert "2 labels a node" in repr(data)
    assert several(y=data.y.bool().float()[:, :2]).y.tolist()[5] == [1, 1]
    with pytest.raises(DataError, match=r"no accuracy; take score\(logits\)"):
        data.accuracy(logits)


def test_metrics_by_default() -> None:
    y = several().y.clone()
    y[5] = torch.tensor([1.0, 0.0])
    pairs = torch.eye(3, dtype=torch.bool).repeat_interleave(2, dim=1)
    masks = dict(zip(("train_mask", "val_mask", "test_mask"), pairs, strict=True))
    data = several(metric="", y=y, **masks)
    assert (data.metric, data.metric_label) == ("roc_auc", "ROC AUC")
    assert data.majority_rate() == {"train": 0.5, "val": 0.5, "test": 0.5}


def broken(**changes: Any) -> str:
    with pytest.raises((ConfigError, DataError)) as caught:
        several(**changes)
    return str(caught.value)


def test_what_is_refused() -> None:
    half = several().y.clone()
    half[1, 1] = 0.5
    assert "y[1, 1] is 0.5, but a label of several is 0 or 1" in broken(y=half)
    half[1, 1] = -1
    assert "y[1, 1] is -1" in broken(y=half)
    assert "y has 2 columns for num_classes = 3" in broken(num_classes=3)
    assert "metric must be 'roc_auc' or 'micro_f1' for 2 labels" in broken(metric="accuracy")
    assert "val_mask has no label with both zeros and ones" in broken(metric="roc_auc")
    assert "metric='micro_f1'" in broken(metric="roc_auc")
    assert "give task='multilabel'" in broken(task="multiclass", metric="")
    assert "task must be" in broken(task="regression")
    assert "leave out one" in broken(evaluator=lambda true, said: 1.0)
    assert "node 5 is in val_mask but its label is -1" in broken(
        val_mask=torch.tensor([0, 0, 0, 0, 0, 1]).bool()
    )
    zeros = several().y.clone()
    zeros[2] = 0
    assert "val_mask has no label that is 1" in broken(y=zeros)
    one = {"task": "multiclass", "y": torch.tensor([0, 1, 1, 0, 1, 0])}
    assert "val_mask has nodes of class 1 only" in broken(**one, metric="roc_auc")
    three = {**one, "num_classes": 3}
    assert "metric must be 'accuracy' for 3 classes, got 'roc_auc'" in broken(
        **three, metric="roc_auc"
    )
