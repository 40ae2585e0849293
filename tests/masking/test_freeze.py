"""freeze(): any module becomes a source network whose parameters are the search space."""

from __future__ import annotations

import copy
import json
import math
import pickle
import warnings
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch
from small_modules import Through, effective, mlp
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils import parametrizations, parametrize

from gslt.config import FreezeConfig, SearchConfig
from gslt.environment import import_quietly
from gslt.errors import ConfigError, FreezingWarning, GsltWarning, TicketError
from gslt.freezing import FrozenCounts, frozen_counts
from gslt.masking.freeze import FrozenConv2d, FrozenLinear, bake, freeze, reset_scores
from gslt.masking.initialise import initialise
from gslt.masking.parametrization import FrozenWeight, frozen_weights
from gslt.masking.report import FreezeReport, FrozenLayer
from gslt.masking.weights import MASK_SUFFIX, fingerprints, other_state
from gslt.ticket import Ticket

pyg = import_quietly("torch_geometric.nn")

FROZEN = FreezeConfig(sparsity=0.5, freezing_ratio=0.4)
EDGES = torch.tensor([[0, 1, 2, 2, 3], [1, 0, 1, 3, 2]])


def x(rows: int = 4, width: int = 6, dtype: torch.dtype = torch.float32) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    return torch.randn(rows, width, generator=rng, dtype=torch.float64).to(dtype)


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.Flatten(), nn.Linear(36, 5)
    )


#: Module, its forward, and the number of its weights.
MODULES: dict[str, tuple[Callable[[], nn.Module], Callable[[nn.Module], Tensor], int]] = {
    "mlp": (mlp, lambda m: m(x()), 6 * 8 + 8 * 3),
    "cnn": (cnn, lambda m: m(x(3, 18).view(3, 2, 3, 3)), 4 * 2 * 9 + 36 * 5),
    "pyg gcn": (lambda: pyg.GCN(6, 8, 2, 3), lambda m: m(x(), EDGES), 6 * 8 + 8 * 3),
    "pyg sage": (lambda: pyg.GraphSAGE(6, 8, 2, 3), lambda m: m(x(), EDGES), 2 * (6 * 8 + 8 * 3)),
    "pyg gin": (
        lambda: pyg.GIN(6, 8, 2, 3, norm="batch_norm"),
        lambda m: m(x(), EDGES),
        6 * 8 + 8 * 8 + 8 * 3 + 3 * 3,
    ),
    "pyg gat": (
        lambda: pyg.GATConv(6, 5, heads=2),
        lambda m: m(x(), EDGES),
        6 * 10 + 2 * 10,
    ),
    "lstm": (lambda: nn.LSTM(6, 4), lambda m: m(x())[0], 4 * 4 * 6 + 4 * 4 * 4),
    "attention": (
        lambda: nn.MultiheadAttention(6, 2),
        lambda m: m(x(), x(), x())[0],
        3 * 6 * 6 + 6 * 6,
    ),
}


@pytest.fixture(params=MODULES)
def case(request: pytest.FixtureRequest) -> tuple[nn.Module, Callable[[nn.Module], Tensor], int]:
    build, call, weights = MODULES[request.param]
    return build(), call, weights


def size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


# Any module


def test_parameters_are_the_search_space(case: Any) -> None:
    module, call, weights = case
    report = freeze(module, FROZEN)
    counts = report.counts
    assert counts.total == weights
    assert counts.searched == size(module)
    assert counts.pruned == weights - round((1 - FROZEN.ratios[0]) * weights)
    assert counts.locked == round(FROZEN.ratios[1] * weights)
    kept = sum(int((w != 0).sum()) for w in effective(module).values())
    assert kept == round(0.5 * weights)
    assert all(p.dim() == 1 and p.requires_grad for p in module.parameters())
    out = call(module)
    out.square().sum().backward()
    assert out.isfinite().all()
    assert all(p.grad is not None for p in module.parameters())


def test_state_dict_round_trip_is_bitwise(case: Any) -> None:
    module, call, _ = case
    twin = copy.deepcopy(module)
    freeze(module, FROZEN)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
    state = module.state_dict()
    stored = sum(v.numel() for k, v in state.items() if k.endswith(".original"))
    assert stored == size(module)
    assert not any(isinstance(v, Tensor) and v.dim() >= 2 for v in state.values())
    freeze(twin, FROZEN)
    module.eval()
    twin.eval()
    assert not torch.equal(call(twin), call(module))
    twin.load_state_dict(state)
    assert torch.equal(call(twin), call(module))


def pickled(module: nn.Module) -> nn.Module:
    again: nn.Module = pickle.loads(pickle.dumps(module))
    return again


def saved(module: nn.Module) -> nn.Module:
    file = BytesIO()
    torch.save(module, file)
    file.seek(0)
    again: nn.Module = torch.load(file, weights_only=False)
    return again


@pytest.mark.parametrize("duplicate", [copy.deepcopy, pickled, saved])
def test_a_copy_is_independent(case: Any, duplicate: Callable[[nn.Module], nn.Module]) -> None:
    module, call, _ = case
    freeze(module, FROZEN)
    module.eval()
    before = call(module)
    twin = duplicate(module)
    assert torch.equal(call(twin), before)
    assert size(twin) == size(module)
    shared = {id(w.supermask) for w in frozen_weights(twin)}
    assert len(shared) == 1
    assert shared.isdisjoint({id(w.supermask) for w in frozen_weights(module)})
    with torch.no_grad():
        for p in twin.parameters():
            p.copy_(p.abs().max() - p.abs())
    assert not torch.allclose(call(twin), before)
    assert torch.equal(call(module), before)
    call(twin).square().sum().backward()
    assert all(p.grad is not None for p in twin.parameters())
    # Frozen as the original is: it resets, and takes the states that the original gives and takes.
    reset_scores(twin)
    # A deep copy has scores of its own, what is loaded is the original again.
    assert torch.equal(call(twin), before) != (duplicate is copy.deepcopy)
    twin.load_state_dict(module.state_dict())
    # Of a class of its own, so that what is done to the one leaves the other.
    freeze(twin, FreezeConfig(seed=1))
    assert torch.equal(call(module), before)
    assert type(duplicate(twin)).__name__ == type(module).__name__


@pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_a_data_loader_takes_a_frozen_module_along(start: str) -> None:
    module = mlp().eval()
    freeze(module, FROZEN)
    loader = torch.utils.data.DataLoader(
        Through(module, x(3)), batch_size=3, num_workers=1, multiprocessing_context=start
    )
    (batch,) = loader
    assert torch.allclose(batch, module(x(3)))


def test_double_precision_keeps_the_mask(case: Any) -> None:
    module, _, _ = case
    freeze(module, FROZEN)
    single = {name: w.detach().clone() for name, w in effective(module).items()}
    module.to(torch.float64)
    for name, weight in effective(module).items():
        assert weight.dtype == torch.float64
        assert torch.allclose(weight, single[name].double(), rtol=1e-6, atol=0)
    assert {p.dtype for p in module.parameters()} == {torch.float64}


def test_freezing_again_is_freezing_afresh(case: Any) -> None:
    module, call, _ = case
    fresh = copy.deepcopy(module)
    module.eval()
    fresh.eval()
    freeze(module, FreezeConfig(sparsity=0.3))
    freeze(module, FROZEN)
    again = freeze(module, FROZEN)
    assert freeze(fresh, FROZEN).layers == again.layers
    assert torch.equal(call(module), call(fresh))
    assert set(module.state_dict()) == set(fresh.state_dict())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seed": 7}, "seed 0 instead of 7"),
        ({"sparsity": 0.9}, "sparsity 0.5 instead of 0.9"),
        ({"weight_init": "kn"}, "weight_init skc instead of kn"),
        ({"freezing_ratio": 0.2}, "Error|size mismatch|counts"),
        ({"place": "0", "freezing_ratio": 0.1}, "Error|size mismatch|counts"),
    ],
)
def test_the_state_of_another_source_is_refused(options: dict[str, Any], said: str) -> None:
    config = FreezeConfig(sparsity=0.5)
    module, same, other = mlp(), mlp(), mlp()
    freeze(module, config)
    freeze(same, config)
    freeze(other, replace(config, **options))
    with torch.no_grad():
        for weight in frozen_weights(module):
            weight.score().normal_()
    state = module.state_dict()
    same.load_state_dict(state)
    assert torch.equal(same(x()), module(x()))
    # Through a file too, which holds tensors alone.
    file = BytesIO()
    torch.save(state, file)
    same.load_state_dict(torch.load(BytesIO(file.getvalue()), weights_only=True))
    with pytest.raises((ConfigError, RuntimeError), match=said):
        other.load_state_dict(state)


def test_a_state_of_another_group_is_told() -> None:
    def whole(**options: Any) -> nn.Module:
        module = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
        freeze(module, FreezeConfig(**options))
        return module

    def parts(**options: Any) -> nn.Module:
        config = FreezeConfig(**options)
        first, second = (FrozenLinear(4, 4, name=n, config=config) for n in ("0", "2"))
        return nn.Sequential(first, nn.ReLU(), second)

    said = r"among 1 weights of 16 entries, into a network that shares one among 2 of 32, or"
    with pytest.warns(GsltWarning, match=said) as warned:
        whole().load_state_dict(parts().state_dict())
    # In the same words, which Python shows once.
    assert len({str(warning.message) for warning in warned}) == 1
    with pytest.warns(GsltWarning, match="among 2 weights of 32 entries.* among 1 of 16"):
        parts().load_state_dict(whole().state_dict())
    encoder = nn.Sequential(nn.Linear(4, 4))
    freeze(encoder, FreezeConfig(), prefix="enc")
    network = nn.ModuleDict({"enc": nn.Sequential(nn.Linear(4, 4)), "head": nn.Linear(4, 4)})
    freeze(network, FreezeConfig())
    with pytest.warns(GsltWarning, match="among 2 weights"):
        encoder.load_state_dict(network["enc"].state_dict())
    # The same network, one whose layers are alone anyway, and a state of an older gslt.
    module = whole()
    state = dict(module.state_dict())
    whole().load_state_dict(state)
    whole(threshold="layer").load_state_dict(parts(threshold="layer").state_dict())
    for name, value in parts().state_dict().items():
        if name.endswith("_extra_state"):
            old = {k: v for k, v in json.loads(bytes(value.tolist())).items() if k != "group"}
            value = torch.frombuffer(bytearray(json.dumps(old).encode()), dtype=torch.uint8)
        state[name] = value
    module.load_state_dict(state)


def test_a_state_that_is_none_is_refused() -> None:
    module = mlp()
    freeze(module, FreezeConfig())
    state = module.state_dict()
    name = next(name for name in state if name.endswith("_extra_state"))
    for wrong in (torch.zeros(3, dtype=torch.uint8), torch.tensor([1.5]), None):
        with pytest.raises(ConfigError, match="is none that gslt wrote"):
            module.load_state_dict({**state, name: wrong})


def test_freezing_a_copy_leaves_the_original() -> None:
    module = mlp()
    freeze(module, FROZEN)
    before = module(x())
    other = copy.deepcopy(module)
    freeze(other, FreezeConfig(sparsity=0.3, seed=9))
    assert torch.equal(module(x()), before)
    assert not torch.equal(other(x()), before)


@pytest.mark.parametrize("sparsity", [0.0, 0.3, 1.0])
def test_a_fully_frozen_source(sparsity: float) -> None:
    module = mlp()
    report = freeze(module, FreezeConfig(sparsity=sparsity, freezing_ratio=1.0))
    assert report.counts.searched == size(module) == 0
    out = module(x())
    assert out.isfinite().all()
    kept = sum(int((w != 0).sum()) for w in effective(module).values())
    assert kept == round((1 - sparsity) * 72)
    if sparsity == 1.0:
        assert (out == 0).all()


@pytest.mark.parametrize("sparsity", [0.0, 1.0])
@pytest.mark.parametrize("scale", ["none", "static", "dynamic"])
def test_everything_or_nothing_kept_and_one_step(sparsity: float, scale: Any) -> None:
    module = mlp()
    freeze(module, FreezeConfig(sparsity=sparsity, scale=scale))
    optimiser = torch.optim.AdamW(module.parameters(), lr=0.1)
    out = module(x())
    out.sum().backward()
    optimiser.step()
    assert all(p.isfinite().all() for p in module.parameters())
    kept = {bool(w.mask().all()) for w in frozen_weights(module)}
    assert kept == {sparsity == 0.0}


def test_functional_call_takes_other_scores() -> None:
    module = mlp()
    freeze(module, FROZEN)
    before = module(x())
    scores = {name: 9.0 - p.detach().abs() for name, p in module.named_parameters()}
    other = functional_call(module, scores, (x(),))
    assert not torch.equal(other, before)
    assert torch.equal(module(x()), before)
    module.load_state_dict(scores, strict=False)
    assert torch.equal(module(x()), other)


# What is fixed, and the report


def test_what_is_no_weight_is_fixed() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lin = nn.Linear(2, 3)
            self.norm = nn.LayerNorm((4, 3))
            self.act = nn.PReLU(init=0.3)
            self.relation_bias = nn.Parameter(torch.ones(4, 1))
            self.gain = nn.Parameter(torch.tensor(2.5))

    module = Odd()
    nn.init.uniform_(module.norm.weight)
    report = freeze(module, FreezeConfig())
    assert [layer.name for layer in report.layers] == ["lin.weight"]
    assert dict(report.fixed) == {
        "relation_bias": "fixed at 0",
        "gain": "kept at its present value",
        "lin.bias": "fixed at 0",
        "norm.weight": "fixed at 1",
        "norm.bias": "fixed at 0",
        "act.weight": "kept at its present value",
    }
    assert (module.norm.weight == 1).all()
    assert module.norm.weight.shape == (4, 3)
    assert (module.relation_bias == 0).all()
    assert module.act.weight.tolist() == pytest.approx([0.3])
    assert module.gain == 2.5
    assert {"lin.bias", "act.weight"} <= set(module.state_dict())


NORMED: dict[str, Callable[[], nn.Module]] = {
    "torch batch": lambda: nn.BatchNorm2d(4),
    "torch sync": lambda: nn.SyncBatchNorm(4),
    "torch instance": lambda: nn.InstanceNorm1d(4, affine=True),
    "torch group": lambda: nn.GroupNorm(2, 4),
    "torch layer": lambda: nn.LayerNorm((4, 3)),
    "torch rms": lambda: nn.RMSNorm((4, 3)),
    "pyg batch": lambda: pyg.BatchNorm(4),
    "pyg graph": lambda: pyg.GraphNorm(4),
    "pyg group": lambda: pyg.DiffGroupNorm(4, 2),
    "pyg hetero batch": lambda: pyg.HeteroBatchNorm(4, 3),
    "pyg hetero layer": lambda: pyg.HeteroLayerNorm(4, 3),
    "pyg instance": lambda: pyg.InstanceNorm(4, affine=True),
    "pyg layer": lambda: pyg.LayerNorm(4),
    "pyg message": lambda: pyg.MessageNorm(learn_scale=True),
    "derived": lambda: type("Scaled", (nn.BatchNorm1d,), {})(4),
}


@pytest.mark.parametrize("kind", NORMED)
def test_scales_of_norms_are_1_and_their_biases_0(kind: str) -> None:
    norm = NORMED[kind]()
    scales = {name for name, _ in norm.named_parameters() if not name.startswith("lin.")}
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.fill_(0.3)
    report = freeze(nn.Sequential(norm, nn.Linear(3, 2)), FreezeConfig())
    fixed = {f"0.{name}": f"fixed at {0 if 'bias' in name else 1}" for name in scales}
    assert fixed
    assert {**dict(report.fixed), **fixed} == dict(report.fixed)
    assert not [layer.name for layer in report.layers if layer.name in fixed]
    buffers = dict(norm.named_buffers())
    assert all((buffers[name] == ("bias" not in name)).all() for name in scales)


def test_a_name_makes_no_norm() -> None:
    class NormalisedSum(nn.Module):
        def __init__(self, value: float) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.full((3,), value))

    module = nn.Sequential(NormalisedSum(0.5), nn.Linear(3, 2))
    with pytest.warns(GsltWarning, match=r"0.weight of NormalisedSum, a class .* is kept at"):
        report = freeze(module, FreezeConfig())
    assert ("0.weight", "kept at its present value") in report.fixed
    assert module[0].weight.tolist() == [0.5] * 3
    # Either reading of a scale of 1 is 1.
    freeze(nn.Sequential(NormalisedSum(1.0), nn.Linear(3, 2)), FreezeConfig())


def test_report_by_hand() -> None:
    report = freeze(mlp(), FreezeConfig(sparsity=0.5, prune_ratio=0.25, lock_ratio=0.25))
    assert [layer.name for layer in report.layers] == ["0.weight", "3.weight"]
    assert [layer.shape for layer in report.layers] == [(8, 6), (3, 8)]
    # EPL: 54 of 72 are not pruned: 30 + 24; 36 stay searchable: 18 + 18.
    assert [(c.pruned, c.locked) for c in (layer.counts for layer in report.layers)] == [
        (18, 12),
        (0, 6),
    ]
    text = str(report)
    assert text.splitlines()[0].split() == [
        "weight", "shape", "total", "pruned", "locked", "searched",
    ]  # fmt: skip
    assert text.splitlines()[1].split() == ["0.weight", "8×6", "48", "18", "12", "18"]
    assert text.splitlines()[3].split() == ["all", "72", "18", "18", "36"]
    assert "not a weight: 0.bias fixed at 0" in text
    assert "48 weights: 18 pruned, 12 locked, 18 searched" in repr(_frozen_mlp())


def test_a_layer_with_nearly_all_of_what_is_frozen() -> None:
    def network() -> nn.Module:
        return nn.Sequential(nn.Linear(90, 10), nn.Linear(10, 10), nn.Linear(10, 5))

    # 900 + 100 + 50 weights, EPL: 840 are searched, of which the smaller two are full.
    report = freeze(network(), FreezeConfig(sparsity=0.5, freezing_ratio=0.2))
    assert [layer.frozen for layer in report.layers] == [210, 0, 0]
    assert report.concentration.startswith(
        "0.weight (10×90) takes 210 of the 210 frozen weights (100.0 %), the other 2 that take "
        "part 0: with allocation epl"
    )
    assert str(report).splitlines()[-1] == f"warning: {report.concentration}"
    shapes = {layer.name: layer.shape for layer in report.layers}
    without = FreezeReport.of(shapes, FreezeConfig(sparsity=0.5, freezing_ratio=0.2))
    assert (without.layers, without.concentration) == (report.layers, report.concentration)
    # 189 of 210 are 90 %.
    layers = [FrozenLayer(str(n), (2, n), FrozenCounts(2 * n, n, 0)) for n in (189, 21)]
    assert "(90.0 %)" in FreezeReport(tuple(layers), ()).concentration
    layers = [FrozenLayer(str(n), (2, n), FrozenCounts(2 * n, 0, n)) for n in (188, 22)]
    assert FreezeReport(tuple(layers), ()).concentration == ""
    # One layer was meant to take all, nothing is frozen, or nothing is searched.
    everything = {"freezing_ratio": 1.0, "allocation": "uniform"}
    for options in ({"place": "1", "freezing_ratio": 0.05}, {"freezing_ratio": 0.0}, everything):
        report = freeze(network(), FreezeConfig(sparsity=0.5, **options))  # type: ignore[arg-type]
        assert report.concentration == ""
        assert "warning" not in str(report)


def test_place_in_a_module_of_ones_own() -> None:
    def network() -> nn.Module:
        return nn.Sequential(*(nn.Linear(6, 6) for _ in range(4)))

    # The two layers in the middle have 72 weights: 7 pruned, 7 locked, one more in the first.
    config = FreezeConfig(sparsity=0.5, freezing_ratio=0.2, place="hidden")
    module = network()
    report = freeze(module, config)
    assert [layer.takes_part for layer in report.layers] == [False, True, True, False]
    assert [layer.frozen for layer in report.layers] == [0, 8, 6, 0]
    # Anew: names and order are as they were.
    assert freeze(module, config).layers == report.layers
    module(torch.ones(2, 6)).sum().backward()
    before = [weight.score().clone() for weight in frozen_weights(module)]
    with pytest.raises(ConfigError, match="'5' is no layer of this network"):
        freeze(module, replace(config, place="5"))
    with pytest.raises(ConfigError, match="no layer takes part in freezing"):
        freeze(nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 6)), config)
    # What was refused changed nothing.
    after = [weight.score() for weight in frozen_weights(module)]
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))


def embedded() -> nn.Module:
    return nn.Sequential(nn.Embedding(60, 8), nn.Linear(8, 2))


def test_a_layer_that_keeps_nothing_before_the_search_is_named() -> None:
    # Scores of an embedding, fan-in 1, are √8 times as wide as those of the map behind it.
    module = embedded()
    with pytest.warns(FreezingWarning, match=r'1\.weight, 16 weights.*threshold="layer"') as said:
        report = freeze(module, FreezeConfig(sparsity=0.95))
    assert [Path(warning.filename) for warning in said] == [Path(__file__)]
    assert report.kept == (25, 0)
    assert int(frozen_weights(module)[0].mask().sum()) == 25
    assert str(report).splitlines()[-1] == f"warning: {report.emptied}"
    # What was asked for, and all that was asked for.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layered = freeze(embedded(), FreezeConfig(sparsity=0.95, threshold="layer"))
        nothing = freeze(embedded(), FreezeConfig(sparsity=1.0))
    assert (layered.kept, nothing.kept) == ((24, 1), (0, 0))
    assert (layered.emptied, nothing.emptied) == ("", "")
    # Locked weights are kept.
    locked = freeze(embedded(), FreezeConfig(sparsity=0.95, lock_ratio=0.05, allocation="uniform"))
    assert locked.kept == (24, 1)


class Constants(nn.Module):
    """A table and an encoder that are fixed, and a map that is not."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding.from_pretrained(torch.arange(6.0).view(3, 2))
        self.place = nn.Parameter(torch.full((1, 3, 2), 0.5), requires_grad=False)
        self.encoder = nn.Linear(2, 2).requires_grad_(False)
        self.norm = nn.LayerNorm(2)
        self.head = nn.Linear(2, 2)
        with torch.no_grad():
            self.encoder.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
            self.encoder.bias.copy_(torch.tensor([5.0, 6.0]))

    def forward(self, rows: Tensor) -> Tensor:
        out: Tensor = self.head(self.norm(self.encoder(self.table(rows) + self.place[0])))
        return out


def test_what_takes_no_gradient_is_kept() -> None:
    module = Constants()
    report = freeze(module, FROZEN)
    assert [layer.name for layer in report.layers] == ["head.weight"]
    kept = "kept at its present value, as it takes no gradient"
    assert dict(report.fixed) == {
        "place": kept,
        "table.weight": kept,
        "encoder.weight": kept,
        "encoder.bias": kept,
        "norm.weight": "fixed at 1",
        "norm.bias": "fixed at 0",
        "head.bias": "fixed at 0",
    }
    assert [name for name, _ in module.named_parameters()] == [
        "head.parametrizations.weight.original"
    ]
    # Row 1 of the table is (2, 3), of the place (½, ½): 5 + 2.5 + 7, 6 + 7.5 + 14.
    assert module.encoder(module.table(torch.tensor(1)) + module.place[0, 1]).tolist() == [
        14.5,
        27.5,
    ]
    # Scores that are fixed are scores still: frozen anew, they begin anew.
    module.requires_grad_(False)
    again = freeze(module, FROZEN)
    assert again.layers == report.layers
    assert module.table.weight.tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    assert all(p.requires_grad for p in module.parameters())


def test_a_ticket_of_a_module_with_constants() -> None:
    module, rows = Constants(), torch.arange(3)
    freeze(module, FROZEN)
    ticket = Ticket.of(module)
    assert list(ticket.masks) == ["head.weight"]
    again = Constants()
    ticket.restore(again)
    assert torch.equal(again(rows), module(rows))
    other = Constants()
    with torch.no_grad():
        other.table.weight.add_(1.0)
    with pytest.raises(TicketError, match=r"other values that the ticket does not store.*table"):
        ticket.restore(other)
    # A module that is only evaluated, and one in which what was searched is fixed at present.
    module, plain = mlp().eval(), mlp().requires_grad_(False).eval()
    freeze(module, FROZEN)
    part = mlp().eval()
    part[0].weight.requires_grad_(False)
    for fresh in (plain, part):
        Ticket.of(module).restore(fresh)
        assert torch.equal(fresh(x()), module(x()))


def test_what_is_baked_is_a_constant_of_a_new_model() -> None:
    first = nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 3))
    freeze(first, FROZEN)
    weight = first[0].weight.detach().clone()
    model = nn.Sequential(bake(first[0]), nn.Linear(8, 2))
    report = freeze(model, FROZEN)
    assert [layer.name for layer in report.layers] == ["1.weight"]
    assert torch.equal(model[0].weight, weight)


def test_settings_of_a_search_that_freezing_leaves_out_are_named() -> None:
    config = SearchConfig(
        sparsity_schedule="linear",
        score_draw=2,
        l1=0.1,
        precision="bfloat16",
        epochs=4,
        hidden_channels=8,
    )
    said = r"leaves out sparsity_schedule=linear, score_draw=2, l1=0\.1, precision=bfloat16, which"
    with pytest.warns(GsltWarning, match=said):
        freeze(mlp(), config)
    freeze(mlp(), SearchConfig(lr=0.5, epochs=4))


def test_settings_of_what_is_frozen_are_told_where_nothing_is() -> None:
    said = "nothing is frozen, so that setting allocation=erk, connected=True changes nothing"
    with pytest.warns(FreezingWarning, match=said):
        freeze(mlp(), FreezeConfig(allocation="erk", connected=True))
    freeze(mlp(), FreezeConfig(allocation="erk", connected=True, prune_ratio=0.1))
    freeze(mlp(), FreezeConfig())


def test_a_reset_of_ones_own_is_not_called_and_told() -> None:
    class Memory(nn.Linear):
        def __init__(self) -> None:
            super().__init__(6, 4)
            self.register_buffer("memory", torch.zeros(4))

        def reset_parameters(self, bound: float = 1.0) -> None:
            nn.init.uniform_(self.weight, -bound, bound)
            if hasattr(self, "memory"):
                self.memory.zero_()

    layer = Memory()
    freeze(layer, FROZEN)
    layer.memory += 1
    with pytest.warns(GsltWarning, match="a Memory is frozen: .* reset_parameters is not called"):
        layer.reset_parameters(bound=0.5)
    assert layer.memory.tolist() == [1, 1, 1, 1]


def test_a_gradient_of_the_weight_is_none_of_the_scores() -> None:
    layer = nn.Linear(6, 1)
    layer(torch.ones(1, 6)).sum().backward()
    freeze(layer, FreezeConfig())
    assert [p.grad for p in layer.parameters()] == [None]


def test_another_type_of_numbers_leaves_places() -> None:
    layer, x = nn.Linear(6, 40), torch.ones(1, 6)
    freeze(layer, FROZEN)
    before = layer(x)
    layer.type(torch.float64)
    assert torch.allclose(layer(x.double()), before.double())


def _frozen_mlp() -> nn.Module:
    module = mlp()
    freeze(module, FreezeConfig(sparsity=0.5, prune_ratio=0.25, lock_ratio=0.25))
    return module


# Layers


def test_single_layers() -> None:
    linear = FrozenLinear(6, 4, config=FreezeConfig(sparsity=0.25))
    assert int((linear.weight != 0).sum()) == 18
    assert torch.equal(linear(x()), x() @ linear.weight.T)
    conv = FrozenConv2d(2, 3, 3, padding=1, groups=1, bias=False, config=FreezeConfig())
    image = torch.ones(1, 2, 5, 5)
    assert torch.equal(conv(image), nn.functional.conv2d(image, conv.weight, padding=1))


# Refused


def tied() -> nn.Module:
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    module[1].weight = module[0].weight
    return module


def pruned() -> nn.Module:
    return torch.nn.utils.prune.l1_unstructured(nn.Linear(3, 4), "weight", amount=2)


class Odd(nn.Module):
    """A matrix, and other parameters, of these names; a name of a name is the same tensor."""

    def __init__(self, **parameters: Tensor | str) -> None:
        super().__init__()
        for name, value in parameters.items():
            own = nn.Parameter(value) if isinstance(value, Tensor) else getattr(self, value)
            setattr(self, name, own)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (nn.ReLU, "ReLU has no weight to freeze"),
        (
            lambda: nn.Linear(3, 3).requires_grad_(False),
            r"no weight of Linear takes a gradient \(weight\).*requires_grad_\(True\)",
        ),
        (lambda: Odd(enc=torch.ones(4, 4), dec="enc"), "enc and dec are the same tensor"),
        (lambda: Odd(enc=torch.ones(4, 4), a_bias="enc"), "enc and a_bias are the same tensor"),
        (lambda: nn.BatchNorm1d(3), "no weight"),
        (tied, "0.weight and 1.weight are the same tensor"),
        (lambda: nn.LazyLinear(3), "no shape yet"),
        (
            lambda: nn.Sequential(nn.Linear(3, 4), nn.LazyBatchNorm1d(affine=False)),
            "1.running_mean has no shape yet",
        ),
        (lambda: pyg.SAGEConv(-1, 3), "no shape yet"),
        (lambda: parametrizations.weight_norm(nn.Linear(3, 4)), "another parametrization"),
        (lambda: parametrizations.orthogonal(nn.Linear(3, 3)), "another parametrization"),
        (lambda: nn.utils.spectral_norm(nn.Linear(3, 4)), "another parametrization"),
        (pruned, "another parametrization"),
    ],
)
def test_refused_modules(build: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        freeze(build(), FreezeConfig())


# torch says once in a process that such tensors are young, in whichever test is the first.
@pytest.mark.filterwarnings("ignore:Sparse CS. tensor support")
@pytest.mark.parametrize("layout", ["to_sparse_coo", "to_sparse_csr", "to_sparse_csc"])
def test_a_sparse_buffer_is_fixed_as_any_other(layout: str) -> None:
    module = nn.Linear(3, 4)
    module.register_buffer("graph", getattr(torch.eye(3), layout)())
    freeze(module, FROZEN)
    before = fingerprints(module)
    module.graph = getattr(torch.eye(3) * 2, layout)()
    changed = [name for name, value in fingerprints(module).items() if value != before[name]]
    assert changed == ["graph"]


def test_a_layer_at_two_places_has_its_biases_alone_beside_its_scores() -> None:
    layer = nn.Linear(3, 3)
    module = nn.Sequential(layer, nn.ReLU(), layer)
    freeze(module, FROZEN)
    assert list(other_state(module)) == ["0.bias", "2.bias"]


def test_every_name_of_a_vector_is_fixed() -> None:
    module = Odd(enc=torch.ones(4, 4), t1=torch.full((4,), 2.0), t2="t1")
    report = freeze(module, FreezeConfig())
    kept = "kept at its present value"
    assert report.fixed == (("t1", kept), ("t2", kept))
    assert [name for name, _ in module.named_parameters()] == ["parametrizations.enc.original"]
    assert module.t1.tolist() == module.t2.tolist() == [2.0] * 4
    assert freeze(module, FreezeConfig()).layers == report.layers


def test_a_word_makes_a_bias() -> None:
    module = Odd(debiased_proj=torch.ones(4, 4), unbiased=torch.ones(4), rel_bias=torch.ones(4))
    report = freeze(module, FreezeConfig(sparsity=0.0, scale="none"))
    assert [layer.name for layer in report.layers] == ["debiased_proj"]
    assert dict(report.fixed) == {"unbiased": "kept at its present value", "rel_bias": "fixed at 0"}
    assert module.debiased_proj.abs().tolist() == [[pytest.approx(0.5**0.5)] * 4] * 4
    with pytest.warns(GsltWarning, match=r"a_bias \(2, 3\) is a bias by its name.*fixed at 0"):
        freeze(Odd(weight=torch.ones(4, 4), a_bias=torch.ones(2, 3)), FreezeConfig())
    # One row, or a layer of the host, says what it is.
    freeze(Odd(weight=torch.ones(4, 4), a_bias=torch.ones(1, 3)), FreezeConfig())
    freeze(nn.Sequential(nn.LayerNorm((4, 3)), nn.Linear(3, 2)), FreezeConfig())


def test_an_optimizer_goes_on_with_what_is_frozen_anew() -> None:
    module = mlp().eval()
    freeze(module, FROZEN)
    ticket = Ticket.of(module)
    optimizer = torch.optim.SGD(module.parameters(), lr=1.0)
    for anew in (ticket.restore, lambda m: freeze(m, FROZEN), lambda m: freeze(m, FreezeConfig())):
        module(x()).square().sum().backward()
        anew(module)
        assert all(p.grad is None for p in module.parameters())
        before = [p.detach().clone() for p in module.parameters()]
        module(x()).square().sum().backward()
        optimizer.step()
        assert not any(map(torch.equal, before, module.parameters()))
        optimizer.zero_grad()
    # Also where the weights were trained under a mask, whose gradients these are no more.
    module = mlp().eval()
    initialise(module, "ku", 0, 0.5)
    optimizer = torch.optim.SGD(module.parameters(), lr=1.0)
    freeze(module, FreezeConfig())
    assert not any(MASK_SUFFIX in name for name, _ in module.named_buffers())
    module(x()).square().sum().backward()
    fresh = mlp().eval()
    freeze(fresh, FreezeConfig())
    fresh(x()).square().sum().backward()
    for one, other in zip(module.parameters(), fresh.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)
    optimizer.step()
    assert not any(map(torch.equal, module.parameters(), fresh.parameters()))


def test_a_refused_module_is_left_as_it_was() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 40))
    before = {k: v.clone() for k, v in module.state_dict().items()}
    with pytest.raises(ConfigError, match="threshold='global'"):
        freeze(module, FreezeConfig(sparsity=0.9, prune_ratio=0.85, threshold="layer"))
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    assert isinstance(module[0].weight, nn.Parameter)


def test_a_part_of_a_frozen_network_is_refused() -> None:
    module = mlp()
    freeze(module, FROZEN)
    before = module(x())
    with pytest.raises(ConfigError, match=r"0.weight shares its threshold"):
        freeze(module[0], FROZEN)
    assert torch.equal(module(x()), before)
    layers = nn.Sequential(FrozenLinear(6, 4, name="a"), FrozenLinear(4, 2, name="b"))
    freeze(layers[0], FROZEN)
    freeze(layers, FROZEN)
    assert len({id(w.supermask) for w in frozen_weights(layers)}) == 1


# DGL


def test_dgl_layers() -> None:
    pytest.importorskip("gslt.backends.dgl", exc_type=ImportError)
    dgl = import_quietly("dgl")
    layers = import_quietly("dgl.nn")
    graph = dgl.graph((EDGES[0], EDGES[1]), num_nodes=4)
    conv = layers.GraphConv(6, 3)
    freeze(conv, FreezeConfig(sparsity=0.0, scale="none"))
    assert set(conv.weight.abs().flatten().tolist()) == {
        torch.tensor(math.sqrt(2 / 6), dtype=torch.float32).item()
    }
    for module in (conv, layers.SAGEConv(6, 3, "pool"), layers.SAGEConv(6, 3, "mean")):
        module.eval()
        report = freeze(module, FROZEN)
        assert size(module) == report.counts.searched
        twin = copy.deepcopy(module)
        out = module(graph, x())
        out.sum().backward()
        assert torch.equal(twin(graph, x()), out)
        twin.load_state_dict(module.state_dict())


def test_counts_match_the_allocation() -> None:
    module = mlp()
    report = freeze(module, FROZEN)
    expected = frozen_counts([(8, 6), (3, 8)], *FROZEN.ratios, "epl")
    assert [layer.counts for layer in report.layers] == expected
    assert all(isinstance(w, FrozenWeight) for w in frozen_weights(module))


def test_a_refused_refreeze_changes_nothing():
    module = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    freeze(module, FreezeConfig(sparsity=0.5))
    before = module[0].weight.clone()
    # EPL prunes the large layer alone, by more than half.
    infeasible = FreezeConfig(sparsity=0.5, prune_ratio=0.5, lock_ratio=0.0, threshold="layer")
    uneven = nn.Sequential(nn.Linear(10, 10), nn.Linear(30, 30))
    freeze(uneven, FreezeConfig(sparsity=0.5))
    kept = uneven[1].weight.clone()
    with pytest.raises(ConfigError, match="cannot have sparsity"):
        freeze(uneven, infeasible)
    assert torch.equal(uneven[1].weight, kept)
    with pytest.raises(ConfigError, match="the module is frozen"):
        initialise(module, "ku", 0)
    assert torch.equal(module[0].weight, before)


# Reset


def test_reset_parameters_gives_the_scores_before_any_search(case: Any) -> None:
    module, call, _ = case
    freeze(module, FROZEN)
    module.eval()
    first = [weight.score().detach().clone() for weight in frozen_weights(module)]
    fixed = {name: value.clone() for name, value in module.named_buffers()}
    before = call(module)
    with torch.no_grad():
        for weight in frozen_weights(module):
            weight.score().add_(torch.linspace(-1.0, 1.0, weight.score().numel()))
    for layer in module.modules():
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    if not hasattr(module, "reset_parameters"):
        # Weights of layers that torch and the host have no method for.
        reset_scores(module)
    now = [weight.score() for weight in frozen_weights(module)]
    assert all(torch.equal(*pair) for pair in zip(first, now, strict=True))
    assert all(torch.equal(value, fixed[name]) for name, value in module.named_buffers())
    assert torch.equal(call(module), before)
    # Other draws are other scores, the same ones each time; the weights are the same.
    weights = [weight.regenerated()[0].clone() for weight in frozen_weights(module)]
    reset_scores(module, draw=2)
    other = [weight.score().detach().clone() for weight in frozen_weights(module)]
    assert all(
        not torch.equal(*pair) or not len(pair[0]) for pair in zip(first, other, strict=True)
    )
    reset_scores(module, draw=1)
    reset_scores(module, draw=2)
    again = [weight.score() for weight in frozen_weights(module)]
    assert all(torch.equal(*pair) for pair in zip(other, again, strict=True))
    after = [weight.regenerated()[0] for weight in frozen_weights(module)]
    assert all(torch.equal(*pair) for pair in zip(weights, after, strict=True))


def test_reset_forgets_cached_graphs_and_running_statistics() -> None:
    class Own(nn.Linear):
        """A layer with a norm in it."""

        def __init__(self) -> None:
            super().__init__(8, 8)
            self.norm, self.conv = nn.BatchNorm1d(8), pyg.GCN2Conv(8, 0.1, cached=True)

    x, layer = torch.randn(3, 8), Own()
    freeze(layer, FROZEN)
    graphs = [torch.tensor(pairs) for pairs in ([[0, 1], [1, 2]], [[2, 1], [0, 2]])]
    layer.norm(layer.conv(x, x, graphs[0]))
    layer.reset_parameters()
    assert torch.equal(layer.norm.running_mean, torch.zeros(8))
    after = layer.conv(x, x, graphs[1])
    layer.conv.reset_parameters()
    assert torch.equal(layer.conv(x, x, graphs[1]), after)
    layer.conv.reset_parameters()
    assert not torch.equal(layer.conv(x, x, graphs[0]), after)


def test_reset_of_attention_within_a_layer_of_pyg() -> None:
    layer = pyg.GPSConv(8, pyg.GINConv(nn.Linear(8, 8)), heads=2)
    freeze(layer, FROZEN)
    first = [score.detach().clone() for score in layer.parameters()]
    with torch.no_grad():
        for score in layer.parameters():
            score.neg_()
    layer.reset_parameters()
    assert all(map(torch.equal, first, layer.parameters()))


def test_reset_of_what_is_thawed_is_the_hosts_own() -> None:
    layer = nn.Linear(3, 3)
    own = nn.Linear.reset_parameters
    freeze(layer, FreezeConfig())
    assert type(layer).reset_parameters is not own
    assert nn.Linear.reset_parameters is own
    with pytest.raises(ConfigError, match="Linear is not frozen"):
        reset_scores(nn.Linear(3, 3))
    with pytest.raises(ConfigError, match="draw must be a number from 0 on"):
        reset_scores(layer, draw=-1)


# Baked


def test_a_baked_module_computes_the_same_with_plain_weights(case: Any) -> None:
    module, call, _ = case
    host = copy.deepcopy(module)
    freeze(module, FROZEN)
    module.eval()
    out, state = call(module), {k: v.clone() for k, v in module.state_dict().items()}
    plain = bake(module)
    assert torch.equal(call(plain), out)
    assert not frozen_weights(plain)
    assert not any(p.requires_grad for p in plain.parameters())
    assert {type(each) for each in plain.modules()} == {type(each) for each in host.modules()}
    # The host's own names, and nothing of gslt in a pickle of an own or torch's module.
    assert set(plain.state_dict()) == set(host.state_dict())
    host.load_state_dict(plain.state_dict())
    assert torch.equal(call(host.eval()), out)
    again = pickle.loads(pickle.dumps(plain))
    assert torch.equal(call(again), out)
    # What was baked is as it was.
    assert all(torch.equal(v, state[k]) for k, v in module.state_dict().items())
    assert torch.equal(call(module), out)
    with pytest.raises(ConfigError, match="nothing to bake"):
        bake(plain)


def test_torch_removes_what_gslt_has_frozen() -> None:
    module = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    freeze(module, FreezeConfig(sparsity=0.5))
    out = module(x())
    for place in (0, 2):
        parametrize.remove_parametrizations(module[place], "weight")
    assert torch.equal(module(x()), out)
    assert [type(module[place]) for place in (0, 2)] == [nn.Linear, nn.Linear]
    # With scores that change in between there is no threshold, and it is said.
    module = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    freeze(module, FreezeConfig(sparsity=0.5))
    module(x())
    parametrize.remove_parametrizations(module[0], "weight")
    with torch.no_grad():
        frozen_weights(module)[0].score().mul_(2.0)
    with pytest.raises(ConfigError, match=r"gslt\.bake\(module\)"):
        module(x())


def test_a_baked_module_can_be_exported() -> None:
    module = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    freeze(module, FROZEN)
    plain = bake(module)
    exported = torch.export.export(plain, (x(),))
    assert torch.equal(exported.module()(x()), module(x()))


def test_a_layer_that_got_another_weight_since_is_frozen_anew_in_one_order() -> None:
    """Frozen weights of a layer stand behind those that are new, before and after."""
    layer = nn.Module()
    for name in ("a", "b"):
        layer.register_parameter(name, nn.Parameter(torch.ones(4, 4)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        freeze(layer, FreezeConfig(sparsity=0.5))
        layer.register_parameter("c", nn.Parameter(torch.ones(3, 5)))
        report = freeze(layer, FreezeConfig(sparsity=0.5, freezing_ratio=0.4))
    assert [(each.name, each.shape) for each in report.layers] == [
        ("c", (3, 5)),
        ("a", (4, 4)),
        ("b", (4, 4)),
    ]
    assert [w.counts for w in frozen_weights(layer)] == [each.counts for each in report.layers]
    assert layer.c.shape == (3, 5)
