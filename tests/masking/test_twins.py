"""Equal layers frozen one by one, where they meet in one module."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable

import pytest
from torch import nn

from gslt.config import FreezeConfig
from gslt.errors import GsltWarning
from gslt.masking import twins
from gslt.masking.freeze import FrozenLinear, freeze


class Net(nn.Module):
    def __init__(self, **second: str) -> None:
        super().__init__()
        self.first = FrozenLinear(8, 8)
        self.second = FrozenLinear(8, 8, **second)  # type: ignore[arg-type]


def one_by_one() -> nn.Module:
    layers = [nn.Linear(8, 8), nn.Linear(8, 8)]
    for layer in layers:
        freeze(layer, FreezeConfig())
    return nn.Sequential(*layers)


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.Sequential(FrozenLinear(8, 8), FrozenLinear(8, 8)),
        lambda: nn.Sequential(nn.Sequential(FrozenLinear(8, 8)), FrozenLinear(8, 8)),
        lambda: nn.ModuleList([nn.ReLU()]).extend([FrozenLinear(8, 8), FrozenLinear(8, 8)]),
        Net,
        one_by_one,
    ],
    ids=["sequential", "nested", "list", "attributes", "one by one"],
)
def test_twins_in_one_module_are_told(build: Callable[[], nn.Module]) -> None:
    with pytest.warns(GsltWarning, match=r"same random weights and scores: give each its own name"):
        build()


def rebuilt() -> object:
    return [nn.Sequential(FrozenLinear(8, 8)) for _ in range(2)]


def frozen_whole() -> object:
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    freeze(model, FreezeConfig())
    other = copy.deepcopy(model)
    return nn.Sequential(model), nn.Sequential(other), nn.Sequential(nn.Sequential(model))


def shared() -> object:
    layer = FrozenLinear(8, 8)
    return nn.Sequential(layer, nn.ReLU(), layer)


@pytest.mark.parametrize(
    "build",
    [
        rebuilt,
        frozen_whole,
        shared,
        lambda: Net(name="second"),
        lambda: nn.Sequential(FrozenLinear(8, 8), FrozenLinear(8, 6)),
        lambda: nn.Sequential(FrozenLinear(8, 8), FrozenLinear(8, 8, config=FreezeConfig(seed=1))),
    ],
    ids=["rebuilt", "whole", "shared", "named", "shapes", "seeds"],
)
def test_nothing_else_is(build: Callable[[], object]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept = build()
        build()
    assert kept is not None


def test_frozen_anew_they_are_one_network() -> None:
    with pytest.warns(GsltWarning, match="freeze the whole network"):
        model = Net()
    freeze(model, FreezeConfig())
    assert (model.first.weight != model.second.weight).any()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nn.Sequential(model)
    assert twins.watch.__doc__
