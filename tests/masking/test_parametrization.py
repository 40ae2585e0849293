"""A frozen weight: random weights of a stream, pattern, scores and scale."""

from __future__ import annotations

import copy
import io
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from small_modules import effective, mlp
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn, get_ema_multi_avg_fn

from gslt.config import FreezeConfig
from gslt.errors import ConfigError
from gslt.masking.freeze import FrozenLinear, freeze
from gslt.masking.parametrization import (
    REGENERATED,
    EffectiveWeight,
    frozen_weights,
    random_weight,
)

FROZEN = FreezeConfig(sparsity=0.5, freezing_ratio=0.4)


def test_signed_constant_is_exact() -> None:
    weight = random_weight(torch.Size((300, 8)), 8, "skc", 0, "a")
    assert weight.dtype == torch.float32
    assert set(weight.tolist()) == {0.5, -0.5}
    assert abs(weight.sign().mean()) < 3 / 2400**0.5


@pytest.mark.parametrize(("init", "kurtosis"), [("ku", 1.8), ("kn", 3.0), ("skc", 1.0)])
def test_moments(init: str, kurtosis: float) -> None:
    weight = random_weight(torch.Size((400, 100)), 50, init, 0, "a").double()
    assert float(weight.mean()) == pytest.approx(0, abs=0.004)
    assert float(weight.var()) == pytest.approx(2 / 50, rel=0.03)
    assert float((weight**4).mean() / weight.var() ** 2) == pytest.approx(kurtosis, rel=0.05)
    if init == "ku":
        assert float(weight.abs().max()) <= math.sqrt(6 / 50)


def test_golden_weights() -> None:
    """Changing these makes every ticket file unreadable."""
    for init, expected in GOLDEN.items():
        weight = random_weight(torch.Size((2, 2)), 2, init, 0, "layers.0.nn.weight")
        assert [v.hex() for v in weight.tolist()] == expected


GOLDEN: dict[str, list[str]] = {
    "ku": [
        "-0x1.e1e9cc0000000p-1",
        "0x1.8b5b700000000p+0",
        "0x1.1bd5940000000p-1",
        "0x1.2db0ba0000000p-1",
    ],
    "kn": [
        "-0x1.7d2e8a0000000p-1",
        "0x1.9b08d60000000p+0",
        "0x1.a672f60000000p-2",
        "0x1.c2bffe0000000p-2",
    ],
    "skc": [
        "0x1.0000000000000p+0",
        "0x1.0000000000000p+0",
        "0x1.0000000000000p+0",
        "-0x1.0000000000000p+0",
    ],
}


def test_pruned_are_zero_and_locked_are_always_kept() -> None:
    layer = nn.Linear(20, 10, bias=False)
    freeze(layer, FreezeConfig(sparsity=0.6, prune_ratio=0.3, lock_ratio=0.2, scale="none"))
    frozen = frozen_weights(layer)[0]
    weight, pattern = frozen.regenerated()
    dense = random_weight(layer.weight.shape, 20, "skc", 0, "weight")
    assert [int((pattern == v).sum()) for v in (-1, 0, 1)] == [60, 100, 40]
    assert torch.equal(weight, torch.where(pattern == -1, 0.0, dense))
    for trial in range(3):
        with torch.no_grad():
            frozen.score().copy_(torch.randn(100, generator=torch.Generator().manual_seed(trial)))
        now = layer.weight.flatten()
        assert (now[pattern == -1] == 0).all()
        assert torch.equal(now[pattern == 1], dense[pattern == 1])
        assert int((now != 0).sum()) == 80


def test_weights_do_not_depend_on_order_or_global_seeds() -> None:
    torch.manual_seed(1)
    first = nn.ModuleDict({"a": nn.Linear(5, 4), "b": nn.Linear(4, 3)})
    freeze(first, FROZEN)
    torch.manual_seed(2)
    torch.randn(7)
    second = nn.ModuleDict({"b": nn.Linear(4, 3), "a": nn.Linear(5, 4)})
    state = torch.get_rng_state()
    freeze(second, FROZEN)
    assert torch.equal(torch.get_rng_state(), state)
    for name, weight in effective(first).items():
        assert torch.equal(effective(second)[name], weight)


def test_another_seed_is_another_network() -> None:
    one, two = FrozenLinear(10, 10), FrozenLinear(10, 10, config=FreezeConfig(seed=1))
    assert not torch.equal(one.weight, two.weight)
    assert torch.equal(one.weight, FrozenLinear(10, 10).weight)
    assert not torch.equal(one.weight, FrozenLinear(10, 10, name="b").weight)


def test_dense_and_frozen_source_share_weights_and_scores() -> None:
    dense, frozen = mlp(), mlp()
    freeze(dense, FreezeConfig(weight_init="kn", scale="none"))
    freeze(frozen, FreezeConfig(weight_init="kn", scale="none", freezing_ratio=0.5))
    for d, f in zip(frozen_weights(dense), frozen_weights(frozen), strict=True):
        full, (part, pattern) = d.regenerated()[0], f.regenerated()
        assert torch.equal(part[pattern != -1], full[pattern != -1])
        assert torch.equal(f.score(), d.score()[pattern == 0])


def test_scales_by_hand() -> None:
    # 4 weights ± 1 (fan-in 2), sparsity 0.75 of 4: one is kept.
    for scale, factor in (("none", 1.0), ("static", 2.0), ("dynamic", 2.0)):
        layer = nn.Linear(2, 2, bias=False)
        freeze(layer, FreezeConfig(sparsity=0.75, scale=scale))  # type: ignore[arg-type]
        assert sorted(layer.weight.abs().flatten().tolist()) == [0, 0, 0, factor]


def test_dynamic_scale_follows_the_layer_and_static_the_target() -> None:
    module = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    for scale, factors in (("dynamic", (1.0, 2.0)), ("static", (1.6**0.5, 1.6**0.5))):
        freeze(module, FreezeConfig(sparsity=0.375, scale=scale))  # type: ignore[arg-type]
        first, second = frozen_weights(module)
        with torch.no_grad():
            first.score().copy_(torch.tensor([5.0, -6.0, 7.0, 8.0]))
            second.score().copy_(torch.tensor([1.0, 2.0, 0.0, 0.0]) * -1)
        # 5 of 8 are kept: all four of the first layer, one of the second.
        assert [float(w.scale()) for w in (first, second)] == pytest.approx(factors, rel=1e-6)
        assert float(module[1].weight.detach()[0, 1].abs()) == pytest.approx(factors[1])


def test_scale_is_exact_in_double_precision() -> None:
    layer = nn.Linear(3, 10, bias=False, dtype=torch.float64)
    freeze(layer, FreezeConfig(sparsity=0.7))
    assert float(frozen_weights(layer)[0].scale()) == pytest.approx(0.3**-0.5, rel=1e-15)


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.99, 0.999, 0.9999])
@pytest.mark.parametrize("kind", [get_ema_multi_avg_fn, get_ema_avg_fn])
def test_an_average_of_buffers_leaves_the_source(
    kind: Callable[[float], Callable[..., object]], decay: float
) -> None:
    module, x = mlp().eval(), torch.linspace(-1.0, 1.0, 24).view(4, 6)
    freeze(module, FROZEN)
    argument = "multi_avg_fn" if kind is get_ema_multi_avg_fn else "avg_fn"
    average = AveragedModel(module, use_buffers=True, **{argument: kind(decay)})
    for _ in range(5):
        average.update_parameters(module)
    for one, other in zip(frozen_weights(average), frozen_weights(module), strict=True):
        assert all(map(torch.equal, one.regenerated(), other.regenerated()))
    assert torch.allclose(average(x), module(x), rtol=1e-5)
    assert not [name for name, _ in module.named_buffers() if "parametrizations" in name]


def test_what_is_regenerated_moves_with_the_module() -> None:
    layer = FrozenLinear(6, 4, config=FROZEN)
    (weight,) = frozen_weights(copy.deepcopy(layer).double())
    assert weight.searched_weight.dtype == torch.float64
    assert weight.searched_index is not None
    assert weight.searched_index.dtype == torch.int64
    (weight,) = frozen_weights(copy.deepcopy(layer).to("meta"))
    assert {getattr(weight, name).device.type for name in REGENERATED} == {"meta"}
    # As an older gslt pickled it.
    old = copy.deepcopy(layer)
    (weight,) = frozen_weights(old)
    for name in REGENERATED:
        value = getattr(weight, name)
        delattr(weight, name)
        weight.register_buffer(name, value, persistent=False)
    again = pickle.loads(pickle.dumps(old))
    assert torch.equal(again.weight, layer.weight)
    assert set(dict(again.named_buffers())) == {"bias"}


@pytest.mark.parametrize("narrow", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("init", ["skc", "kn", "ku"])
@pytest.mark.parametrize("ratio", [0.0, 0.4])
def test_a_narrower_type_is_undone(narrow: torch.dtype, init: Any, ratio: float) -> None:
    config = FreezeConfig(sparsity=0.5, freezing_ratio=ratio, weight_init=init)
    table = nn.Sequential(nn.Embedding(6, 5, padding_idx=1), nn.Linear(5, 3))
    freeze(table, config)
    before = [weight.regenerated() for weight in frozen_weights(table)]
    table.to(narrow)
    assert init == "skc" or any(
        not torch.equal(weight.regenerated()[0].float(), value)
        for weight, (value, _) in zip(frozen_weights(table), before, strict=True)
    )
    for wide in (torch.float32, torch.float64):
        table.to(wide)
        for weight, pair in zip(frozen_weights(table), before, strict=True):
            value, pattern = weight.regenerated()
            assert torch.equal(value, pair[0].to(wide))
            assert torch.equal(pattern, pair[1])


def test_assignment_is_refused() -> None:
    layer = FrozenLinear(3, 2)
    with pytest.raises(ConfigError, match="weight is frozen"):
        layer.weight = torch.zeros(2, 3)
    with pytest.raises(KeyError, match="already exists"):
        layer.weight = nn.Parameter(torch.zeros(2, 3))


def orthogonal(layer: nn.Linear) -> None:
    nn.init.orthogonal_(layer.weight)


def initialised(layer: nn.Module) -> None:
    if isinstance(layer, nn.Linear):
        nn.init.kaiming_uniform_(layer.weight)


def through_data(layer: nn.Linear) -> None:
    layer.weight.data.normal_(0.0, 0.02)


def replaced_data(layer: nn.Linear) -> None:
    layer.weight.data = torch.zeros(4, 6)


def one_entry(layer: nn.Linear) -> None:
    layer.weight[0, 0] = 1.0


def added(layer: nn.Linear) -> None:
    weight = layer.weight
    weight += 1.0


@pytest.mark.parametrize(
    "write",
    [
        initialised,
        orthogonal,
        through_data,
        replaced_data,
        one_entry,
        added,
        lambda layer: nn.Sequential(layer).apply(initialised),
        lambda layer: layer.weight.copy_(torch.zeros(4, 6)),
        lambda layer: layer.weight.fill_(0.0),
    ],
    ids=["init", "orthogonal", "data", "data =", "entry", "+=", "apply", "copy_", "fill_"],
)
def test_writing_a_frozen_weight_is_refused(write: Callable[[nn.Linear], object]) -> None:
    layer = FrozenLinear(6, 4, config=FROZEN)
    before = layer.weight.detach().clone()
    with torch.no_grad(), pytest.raises(ConfigError, match="cannot be written"):
        write(layer)
    assert torch.equal(layer.weight, before)


def test_what_is_computed_from_a_frozen_weight_is_a_plain_tensor() -> None:
    weight = FrozenLinear(6, 4, config=FROZEN).weight
    assert type(weight) is EffectiveWeight
    for plain in (weight.detach(), weight.clone(), weight * 1, weight.T, pickle_of(weight)):
        assert type(plain) is torch.Tensor
    assert type(copy.deepcopy(weight.detach())) is torch.Tensor
    weight.clone().mul_(2.0)
    weight.square().sum().backward()


def pickle_of(weight: torch.Tensor) -> torch.Tensor:
    file = io.BytesIO()
    torch.save(weight, file)
    file.seek(0)
    loaded: torch.Tensor = torch.load(file, weights_only=True)
    assert torch.equal(loaded, weight)
    return loaded
