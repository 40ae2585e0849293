"""A module to freeze, and the weights that it then computes with."""

from __future__ import annotations

from torch import Tensor, nn

from gslt.masking.parametrization import frozen_weights


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Linear(8, 3, bias=False))


def effective(module: nn.Module) -> dict[str, Tensor]:
    return {
        f.name: getattr(module.get_submodule(f.name.rpartition(".")[0]), f.name.rpartition(".")[2])
        for f in frozen_weights(module)
    }
