"""What a graph is like, against numbers made by hand."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from gslt.data import load_dataset
from gslt.data.dataset import NodeDataset
from gslt.data.profile import adjusted_homophily, lines, node_homophily, profile
from gslt.errors import DataWarning


@pytest.fixture
def data() -> NodeDataset:
    """Nodes 0–3 on a path 0 → 1 → 2 with a self-loop at 2, node 3 alone and unlabelled."""
    return NodeDataset(
        name="path",
        x=torch.ones(4, 1),
        edge_index=torch.tensor([[0, 1, 2], [1, 2, 2]]),
        y=torch.tensor([0, 0, 1, -1]),
        train_mask=torch.tensor([True, False, False, False]),
        val_mask=torch.tensor([False, True, False, False]),
        test_mask=torch.tensor([False, False, True, False]),
        num_classes=2,
        class_names=("cat", "dog"),
    )


def test_by_hand(data: NodeDataset) -> None:
    facts = profile(data)
    # Edges 0-1 and 2-2 join equals; node 1 has all, node 2 half of its in-neighbours in its class.
    assert facts["edge_homophily"] == pytest.approx(2 / 3)
    assert facts["node_homophily"] == pytest.approx(3 / 4)
    # Of six ends three are cats: (2/3 - 1/2) / (1 - 1/2).
    assert facts["adjusted_homophily"] == pytest.approx(1 / 3)
    assert (facts["components"], facts["largest_component"]) == (2, 3)
    assert facts["in_degree"] == {"min": 0, "median": 0.5, "max": 2}
    assert facts["out_degree"] == {"min": 0, "median": 1, "max": 1}
    # The training node is a cat, and so is the validation node; the test node is a dog.
    rates = [facts[f"{split}_majority_rate"] for split in ("train", "val", "test")]
    assert (rates, "majority_rate" in facts) == ([1.0, 1.0, 0.0], False)
    assert facts["class_counts"] == {"cat": 2, "dog": 1}
    assert facts["split_counts"]["test"] == {"cat": 0, "dog": 1}
    assert (facts["self_loops"], facts["isolated_nodes"], facts["undirected"]) == (1, 1, False)


def test_several_labels_by_hand(tmp_path: Path) -> None:
    """Six nodes, of which node 2 has both labels."""
    y = np.array([[1, 0], [0, 1], [1, 1], [0, 1], [1, 0], [0, 1]])
    arrays = {"x": np.ones((6, 1)), "y": y, "edge_index": np.array([[0, 1], [1, 2]])}
    np.savez(tmp_path / "several.npz", **arrays)
    with pytest.warns(DataWarning) as said:
        data = load_dataset(f"{tmp_path / 'several.npz'}", metric="micro_f1")
    assert any("there is no split of its own" in str(each.message) for each in said)
    facts = profile(data)
    assert facts["class_counts"] == {"0": 3, "1": 4}
    assert sum(sum(counts.values()) for counts in facts["split_counts"].values()) == 7
    assert facts["metric"] == "micro_f1"
    assert (facts["node_homophily"], facts["adjusted_homophily"]) == (None, None)
    assert any(re.fullmatch("metric +micro_f1", line) for line in lines(facts))


def test_text(data: NodeDataset) -> None:
    text = [re.sub(" {2,}", "  ", line) for line in lines(profile(data))]
    assert "class_counts  cat: 2, dog: 1" in text
    assert "split_counts test  cat: 0, dog: 1" in text
    assert "in_degree  min: 0, median: 0.5, max: 2" in text


def test_what_is_not_defined_is_none() -> None:
    alone = torch.tensor([[0], [1]]), torch.tensor([0, -1])
    assert node_homophily(*alone) != node_homophily(*alone)
    assert adjusted_homophily(*alone, 2) != adjusted_homophily(*alone, 2)
    same = torch.tensor([[0], [1]]), torch.tensor([0, 0])
    assert adjusted_homophily(*same, 2) != adjusted_homophily(*same, 2)
