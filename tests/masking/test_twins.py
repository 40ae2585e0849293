"""Equal layers frozen one by one, where they meet in one module."""

from __future__ import annotations

import copy
import gc
import itertools
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from gslt.backends.pyg import FrozenSAGEConv
from gslt.config import FreezeConfig
from gslt.errors import ConfigError, GsltWarning
from gslt.masking import twins
from gslt.masking.freeze import FrozenLinear, freeze, reset_scores
from gslt.masking.parametrization import frozen_weights


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


def copied() -> nn.Module:
    layer = FrozenLinear(8, 8, name="own")
    return nn.Sequential(layer, copy.deepcopy(layer))


def loaded() -> nn.Module:
    content = pickle.dumps(FrozenLinear(8, 8, name="own"))
    # The first is gone by then, and nothing else was frozen here.
    gc.collect()
    twins._frozen.clear()
    return nn.Sequential(pickle.loads(content), pickle.loads(content))


def encoder_layer() -> nn.Module:
    layer = nn.TransformerEncoderLayer(8, 2, 16)
    freeze(layer, FreezeConfig(), prefix="encoder")
    return layer


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.Sequential(FrozenLinear(8, 8), FrozenLinear(8, 8)),
        lambda: nn.Sequential(nn.Sequential(FrozenLinear(8, 8)), FrozenLinear(8, 8)),
        lambda: nn.ModuleList([nn.ReLU()]).extend([FrozenLinear(8, 8), FrozenLinear(8, 8)]),
        Net,
        one_by_one,
        copied,
        loaded,
        lambda: nn.Sequential(FrozenLinear(8, 8, name="a"), FrozenLinear(8, 8, name="a")),
        lambda: nn.TransformerEncoder(encoder_layer(), 2, enable_nested_tensor=False),
    ],
    ids=["sequential", "nested", "list", "attributes", "single", "copy", "load", "name", "torch"],
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


def scores(module: nn.Module) -> list[torch.Tensor]:
    return [weight.score().detach().clone() for weight in frozen_weights(module)]


def test_a_deep_copy_is_equal_until_it_is_reset() -> None:
    layer = FrozenLinear(8, 8, name="own")
    (original,) = scores(layer)
    idle, first, second = (copy.deepcopy(layer) for _ in range(3))
    third = copy.deepcopy(first)
    assert all(torch.equal(original, *scores(each)) for each in (idle, first, second, third))
    drawn = [original]
    for each in (first, second, third):
        each.reset_parameters()
        drawn += scores(each)
        assert torch.equal(frozen_weights(each)[0].regenerated()[0], weights_of_one(layer))
    assert all(not torch.equal(a, b) for a, b in itertools.combinations(drawn, 2))
    # Copies are counted as they are reset, so one that nobody resets changes nothing.
    assert [frozen_weights(each)[0].number for each in (first, second, third)] == [1, 2, 3]
    for each, expected in zip((layer, first, second, third), drawn, strict=True):
        each.reset_parameters()
        assert torch.equal(*scores(each), expected)
    # Another process draws the same for the same copy; a pickle is no copy.
    again = copy.deepcopy(FrozenLinear(8, 8, name="own"))
    pickle.loads(pickle.dumps(again)).reset_parameters()
    again.reset_parameters()
    assert torch.equal(*scores(again), drawn[1])
    reset_scores(first, draw=1)
    assert not any(torch.equal(*scores(first), each) for each in drawn)


def weights_of_one(layer: nn.Module) -> torch.Tensor:
    return frozen_weights(layer)[0].regenerated()[0]


def two_layers(threshold: str = "global") -> nn.Module:
    net = nn.Sequential(nn.Linear(6, 20, bias=False), nn.Linear(20, 9, bias=False))
    freeze(net, FreezeConfig(sparsity=0.6, threshold=threshold, freezing_ratio=0.2))  # type: ignore[arg-type]
    with torch.no_grad():
        for weight in frozen_weights(net):
            weight.score().mul_(1 + weight.index)
    return net


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
@pytest.mark.parametrize("threshold", ["global", "layer"])
def test_a_copied_part_is_a_network_of_its_own(threshold: str, duplicate: Any) -> None:
    net = two_layers(threshold)
    alone = duplicate(net[1])
    assert not any(key.startswith("0") for key in alone.state_dict())
    (weight,) = frozen_weights(alone)
    with pytest.warns(GsltWarning, match="1 of the 2 weights of a frozen network were copied"):
        assert torch.equal(alone.weight, net[1].weight)
    assert weight.supermask is not None
    # No other layer's scores travel along.
    assert [each.original is weight.score() for each in weight.supermask.holders] == [True]
    kept = int((alone.weight != 0).sum())
    with torch.no_grad():
        weight.score().copy_(weight.score().abs().max() - weight.score().abs())
        frozen_weights(net)[0].score().mul_(100.0)
    assert not torch.equal(alone.weight, net[1].weight)
    assert int((alone.weight != 0).sum()) == kept
    assert freeze(alone, FreezeConfig()).counts.total == 180


def test_copied_together_they_share_a_threshold() -> None:
    net = two_layers()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layers = copy.deepcopy([net[0], net[1]])
        assert all(torch.equal(a.weight, b.weight) for a, b in zip(layers, net, strict=True))
    assert len({id(w.supermask) for each in layers for w in frozen_weights(each)}) == 1


def test_a_weight_without_its_layer_is_refused() -> None:
    weight = copy.deepcopy(frozen_weights(two_layers())[0])
    with pytest.raises(ConfigError, match="copied without its layer"):
        weight.mask()


def test_lazy_twins_are_told_where_they_meet() -> None:
    def lazy(**options: Any) -> nn.Module:
        return FrozenSAGEConv(-1, 3, **options)

    with pytest.warns(GsltWarning, match="1 and another FrozenSAGEConv of ModuleList"):
        nn.ModuleList([lazy(), lazy()])
    layer = lazy(name="x")
    with pytest.warns(GsltWarning, match="b and another FrozenSAGEConv of ModuleDict"):
        nn.ModuleDict({"a": layer, "b": copy.deepcopy(layer)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nn.ModuleList([lazy(name="x"), lazy(name="y")])
