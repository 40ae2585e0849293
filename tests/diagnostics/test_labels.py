"""Labels and split: what fits, what is refused, and where they come from."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

import gslt
from gslt.diagnostics import as_topology, measure, probe
from gslt.diagnostics.labels import Labels
from gslt.errors import DataError

ALL = torch.ones(3, dtype=torch.bool)
Y = torch.tensor([0, 1, -1])


def labels(**parts: Any) -> Labels:
    given: dict[str, Any] = {"y": Y, "num_classes": 2, "train": ALL, "val": ALL, "test": ALL}
    return Labels(**(given | parts))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"y": Y.float()}, r"y must be integers \(n,\), a label a node, got torch.float32 \(3,\)"),
        ({"y": Y.view(1, 3)}, r"a label a node, got torch.int64 \(1, 3\)"),
        ({"val": ALL[:2]}, r"val must be bool \(3,\), an entry a label, got torch.bool \(2,\)"),
        ({"test": Y}, r"test must be bool \(3,\), an entry a label, got torch.int64 \(3,\)"),
        ({"y": Y.numpy()}, "y must be a tensor, got ndarray"),
        ({"num_classes": 1}, "labels must be below num_classes = 1, got 1; number the classes"),
    ],
)
def test_what_is_refused(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        labels(**parts)


def test_a_label_for_every_row() -> None:
    none = torch.empty(2, 0, dtype=torch.int64)
    with pytest.raises(DataError, match="there are 3 labels, but 4 rows of representations"):
        measure(torch.zeros(4, 2), none, labels=labels())


def test_a_data_set_has_its_own(blocks: gslt.NodeDataset) -> None:
    found = Labels.of(blocks)
    assert found is not None
    assert found.y is blocks.y
    assert (found.train is blocks.train_mask, found.num_classes) == (True, blocks.num_classes)
    assert found.to(torch.device("cpu")) is found
    assert Labels.of(as_topology(blocks)) is None


def test_measures_of_classes_need_them(blocks: gslt.NodeDataset) -> None:
    x, topology, own = blocks.x, as_topology(blocks), Labels.of(blocks)
    names = ["nc1", "linear_probe", "linear_probe_val"]
    without = measure(x, topology, only=names)
    assert all(math.isnan(value) for value in without.values.values())
    given = measure(x, topology, only=names, labels=own)
    assert all(math.isfinite(value) for value in given.values.values())
    assert measure(x, blocks, only=names) == given


def test_a_probe_of_a_data_set_takes_them(blocks: gslt.NodeDataset) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(blocks.x.size(1), 3))
    found = []
    where: Any = {"laplacian": "combinatorial", "layers": ["0"], "steps": ["layer"]}
    for graph, own in ((blocks, None), (as_topology(blocks), Labels.of(blocks))):
        with probe(model, graph, labels=own, **where) as trace:
            model(blocks.x)
        found.append(trace.layers()[0].smoothness)
    assert found[0] == found[1]
    assert found[0].linear_probe is not None
    assert math.isfinite(found[0].linear_probe)
