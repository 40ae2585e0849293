"""Fan-in of every weight of every layer of torch, PyG and DGL, and of layers of one's own."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator

import pytest
import torch
from layer_zoo import (
    DGL_CONV,
    FAN_IN,
    LEFT_OUT,
    PYG_CONV,
    ZOO,
    build_without_kernels,
    dgl,
    pyg,
)
from torch import nn

from gslt.config import FreezeConfig
from gslt.errors import ConfigError, GsltWarning
from gslt.masking.fan_in import fan_in_of
from gslt.masking.freeze import freeze
from gslt.masking.initialise import initialise
from gslt.masking.parametrization import frozen_weights
from gslt.masking.weights import weights_of

#: Weights as they are drawn: none removed, no factor.
DRAWN = FreezeConfig(sparsity=0.0, scale="none", weight_init="kn")


@pytest.fixture(autouse=True)
def without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    build_without_kernels(monkeypatch)


def by_hand(layer: str, module: nn.Module) -> dict[str, int]:
    found = dict(FAN_IN.get(layer, {}))
    for name, owner, _, _ in weights_of(module):
        if isinstance(owner, nn.Linear | pyg.Linear):
            declared = owner.in_features if isinstance(owner, nn.Linear) else owner.in_channels
            found[name] = declared // getattr(owner, "groups", 1)
    return found


@pytest.mark.parametrize("layer", sorted(ZOO))
def test_every_layer_of_the_hosts(layer: str) -> None:
    module = ZOO[layer]()
    expected = by_hand(layer, module)
    shapes = {name: weight.shape for name, _, _, weight in weights_of(module)}
    with warnings.catch_warnings():
        warnings.simplefilter("error", GsltWarning)
        assert {n: fan_in_of(module, n, s) for n, s in shapes.items()} == expected
        freeze(module, DRAWN)
        assert {w.name: w.fan_in for w in frozen_weights(module)} == expected
        # Frozen anew its layers have classes of torch's making.
        freeze(module, DRAWN)
    assert {w.name: w.fan_in for w in frozen_weights(module)} == expected


def layers_of(package: object) -> Iterator[str]:
    for _, kind in inspect.getmembers(package, inspect.isclass):
        if issubclass(kind, nn.Module):
            yield kind.__name__


def test_no_convolution_is_forgotten() -> None:
    for package, built, left_out in [
        (pyg.conv, PYG_CONV, LEFT_OUT["pyg"]),
        (dgl.conv, DGL_CONV, LEFT_OUT["dgl"]),
    ]:
        names = {name.partition(" ")[0] for name in built}
        assert set(layers_of(package)) == names | set(left_out)
        assert not names & set(left_out)


def test_a_bias_by_another_name_is_one() -> None:
    """PyG scales attention by l2ᵀ act(l1ᵀ degree + b1) + b2."""
    conv = pyg.RGATConv(6, 10, 5, heads=3, mod="scaled")
    report = freeze(conv, DRAWN)
    fixed = {"b1": "fixed at 0", "b2": "fixed at 0", "bias": "fixed at 0"}
    assert fixed.items() <= dict(report.fixed).items()
    assert not conv.b1.any()
    assert not conv.b2.any()
    assert {"l1", "l2"} <= {layer.name for layer in report.layers}
    # Only of that layer: in one of a user's own it is a weight.
    assert [layer.name for layer in freeze(Own(1, 10, name="b1"), DRAWN).layers] == ["b1"]


def test_variance_times_inputs_is_2() -> None:
    conv = pyg.RGCNConv(64, 32, 3, root_weight=False)
    freeze(conv, DRAWN)
    assert float(conv.weight.detach().var() * 64) == pytest.approx(2.0, abs=0.1)


def test_padding_stays_zero() -> None:
    for config in (DRAWN, FreezeConfig(sparsity=0.5, prune_ratio=0.25, lock_ratio=0.25)):
        table = nn.Embedding(6, 40, padding_idx=2)
        freeze(table, config)
        assert [i for i in range(6) if not table.weight[i].any()] == [2]
        assert not table(torch.tensor([2])).any()
        table.weight.sum().backward()
        assert float(table.weight.detach()[[0, 1]].var()) > 1.0
    trained = nn.Embedding(6, 40, padding_idx=2)
    initialise(trained, "kn", 0)
    assert [i for i in range(6) if not trained.weight[i].any()] == [2]


class Own(nn.Module):
    """A layer of a user, with one parameter."""

    def __init__(self, *shape: int, name: str = "weight", **declared: object) -> None:
        super().__init__()
        self.register_parameter(name, nn.Parameter(torch.ones(shape)))
        for attribute, value in declared.items():
            setattr(self, attribute, value)


class OwnConv(pyg.MessagePassing):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(6, 10))


@pytest.mark.parametrize(
    ("module", "inputs"),
    [
        (Own(6, 10, in_features=6), 6),
        (Own(10, 6, in_features=6), 6),
        (Own(6, 10, in_channels=(6, 4), out_channels=10), 6),
        (Own(4, 10, in_channels=(6, 4), out_channels=10), 4),
        (Own(5, 6, 10, in_features=6, out_features=10), 6),
        (Own(5, 10, 6, in_features=6, out_features=10), 6),
        (Own(10, 6, 3, in_channels=6, out_channels=10), 18),
        (Own(10, 6, 3, 3, in_channels=6, out_channels=10), 54),
        (Own(1, 2, 10, name="att", in_features=2, out_features=10), 10),
        (Own(20, 1), 20),
        (Own(7, 7), 7),
        (Own(5, 6, 10, fan_in={"weight": 30}), 30),
        (Own(0, 6), 6),
    ],
    ids=str,
)
def test_own_layers_that_say_enough(module: nn.Module, inputs: int) -> None:
    holder = nn.Sequential(module)
    (name, weight), *_ = holder.named_parameters()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fan_in_of(holder, name, weight.shape) == inputs


@pytest.mark.parametrize(
    ("module", "inputs"),
    [
        (Own(10, 6), 6),
        (Own(5, 6, 10), 6),
        (Own(10, 6, 3, 3), 54),
        (OwnConv(), 10),
        # Heads' vectors, or one relation's matrix.
        (nn.ParameterDict({"a": nn.Parameter(torch.ones(1, 3, 10))}), 10),
        # Low rank, between equal widths: either end could be the 6.
        (Own(6, 2, in_features=6, out_features=6), 2),
        (Own(2, 6, in_features=6, out_features=6), 6),
    ],
    ids=str,
)
def test_a_guess_is_told(module: nn.Module, inputs: int) -> None:
    with pytest.warns(GsltWarning, match=f"{inputs} is taken. Declare in_features"):
        freeze(module, DRAWN)
    assert frozen_weights(module)[0].fan_in == inputs


def test_a_norm_of_ones_own_is_told_whatever_its_shape() -> None:
    class OwnNorm(Own):
        pass

    for shape, says in (((1, 6), "is frozen as a weight"), ((6,), "kept at its present value")):
        norm = OwnNorm(*shape)
        nn.init.constant_(norm.weight, 2.0)
        with pytest.warns(GsltWarning, match=f"OwnNorm, a class that gslt does not know.*{says}"):
            freeze(nn.Sequential(nn.Linear(2, 6), norm), DRAWN)


def test_sparse_gradients_are_refused() -> None:
    for table in (nn.Embedding(6, 4, sparse=True), nn.EmbeddingBag(6, 4, sparse=True)):
        with pytest.raises(ConfigError, match=r"0\.weight has sparse gradients, and scores have"):
            freeze(nn.Sequential(table, nn.Linear(4, 2)), DRAWN)


def test_no_fan_in_below_1() -> None:
    module = Own(5, 6, fan_in={"weight": 0})
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        freeze(module, DRAWN)
    assert [name for name, _ in module.named_parameters()] == ["weight"]


def test_what_a_host_computes_tells_the_inputs() -> None:
    """What a host computes tells the fan-in: of n inputs of size 1 a unit has variance 2."""
    torch.manual_seed(0)
    transr, path = dgl.TransR(40, 300, 100, p=2), dgl.PathEncoder(1, 100, 4000)
    for module in (transr, path):
        freeze(module, DRAWN)
    weight = transr.rel_project(torch.arange(40)).detach().view(40, 100, 300)
    assert float((torch.ones(40, 1, 100) @ weight).var()) == pytest.approx(2.0, rel=0.1)
    bias = path(torch.ones(1, 1, 1), torch.ones(1, 1, 1, 1, 100)).detach()
    assert float(bias.var()) == pytest.approx(2.0, rel=0.1)
