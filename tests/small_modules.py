"""A module to freeze, what it then computes with, data that go through it, and what torch lacks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from gslt.masking.parametrization import frozen_weights


def skip_older_torch() -> None:
    if tuple(map(int, torch.__version__.split(".")[:2])) < (2, 10):
        pytest.skip("torch records less before 2.10, see docs/own-models.md")


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Linear(8, 3, bias=False))


def effective(module: nn.Module) -> dict[str, Tensor]:
    return {
        f.name: getattr(module.get_submodule(f.name.rpartition(".")[0]), f.name.rpartition(".")[2])
        for f in frozen_weights(module)
    }


class Through(Dataset[Tensor]):
    """What a module gives for each row. Here, so that a process that is spawned imports little."""

    def __init__(self, module: nn.Module, rows: Tensor) -> None:
        self.module, self.rows = module, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> Tensor:
        result: Tensor = self.module(self.rows[row : row + 1])[0]
        return result.detach()


class Attending(Dataset[Tensor]):
    """What a layer gives for each node of a graph, computed wherever a loader asks for it."""

    def __init__(self, layer: nn.Module, x: Tensor, edges: Tensor) -> None:
        self.layer, self.x, self.edges = layer, x, edges

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, node: int) -> Tensor:
        result: Tensor = self.layer(self.x, self.edges)[node]
        return result.detach()
