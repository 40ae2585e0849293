"""Tickets do not change under their group, and what would change is seen."""

from __future__ import annotations

import pytest
import torch

from gslt.config import FreezeConfig
from gslt.data import NodeDataset
from gslt.masking.freeze import freeze
from gslt.nn.source import ConstructedNetwork, SourcePlan
from gslt.theory import symmetry
from gslt.theory.config import TargetConfig
from gslt.theory.existence import task_of
from gslt.theory.symmetry import equivariance_defect, moved
from gslt.theory.targets import RECIPES, Task


def network(kind: str, inputs: int, classes: int) -> ConstructedNetwork:
    source = SourcePlan(
        kind=kind, channels=(inputs, 2, classes), construction="2L", copies=(4, 4), seed=1
    )
    found = ConstructedNetwork(source)
    freeze(found, FreezeConfig(sparsity=0.5, scale="none", seed=1))
    return found


def small(kind: str) -> Task:
    task = RECIPES[kind].task(0)
    return Task(task.name, task.x[:20], task.y[:20], task.train[:20], task.test[:20])


@pytest.mark.parametrize("kind", ["cnn", "c4cnn", "d4cnn", "ign2"])
def test_a_ticket_is_equivariant(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task = small(kind)
    found = network(kind, 1, 10)
    assert equivariance_defect(found, task) == pytest.approx(0.0, abs=1e-10)
    generator = torch.Generator().manual_seed(0)
    others = [moved(kind, task.x, generator) for _ in range(8)]
    assert any(other is not None and not torch.equal(other, task.x) for other in others)
    # Something that is no element of the group would be seen.
    monkeypatch.setattr(symmetry, "moved", lambda kind, x, generator: 2 * x)
    defect = equivariance_defect(found, task)
    assert defect is not None
    assert defect > 1e-3


def test_nodes_may_stand_in_any_order(blocks: NodeDataset) -> None:
    task = task_of(TargetConfig(target="gcn"), blocks)
    found = network("gcn", task.x.size(1), task.classes)
    assert equivariance_defect(found, task) == pytest.approx(0.0, abs=1e-10)


def test_an_mlp_has_no_group() -> None:
    assert equivariance_defect(network("mlp", 64, 10), small("mlp")) is None
