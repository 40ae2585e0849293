import copy
import dataclasses
import hashlib
import json
import math
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import safetensors.torch
import torch
from forging import open_ticket
from small_runs import TICKET
from torch import Tensor, nn
from torch.nn.utils import parametrize

import gslt
from gslt.backends import get_backend
from gslt.config import DemoConfig
from gslt.environment import import_quietly
from gslt.files.container import DTYPES
from gslt.masking.initialise import initialise_training
from gslt.masking.parametrization import frozen_weights
from gslt.masking.weights import unwrapped
from gslt.ticket.mask_code import entropy_bits
from gslt.ticket.ticket import weights_checksum
from gslt.training.results import Result


@pytest.mark.parametrize("architecture", ["gin", "gcn", "sage", "gat"])
def test_round_trip_gives_the_same_logits(blocks, tmp_path, architecture):
    config = dataclasses.replace(TICKET, architecture=architecture)
    result = gslt.search(blocks, config, progress=False)
    result.ticket.save(tmp_path / "t.safetensors")
    loaded = gslt.load_ticket(tmp_path / "t.safetensors")
    with torch.no_grad():
        searched = result.model(blocks.x, blocks.edge_index)
        assert torch.equal(loaded.model()(blocks.x, blocks.edge_index), searched)
    assert gslt.evaluate(loaded.model(), blocks)["test"] == result.test_accuracy
    assert not loaded.model().training
    assert loaded.dataset == blocks.name
    assert loaded.results["test"] == result.test_accuracy


@pytest.mark.parametrize("architecture", ["gin", "gcn", "sage", "gat"])
@pytest.mark.parametrize(("found_on", "used_on"), [("pyg", "dgl"), ("dgl", "pyg")])
def test_a_ticket_crosses_backends(blocks, tmp_path, architecture, found_on, used_on):
    pytest.importorskip("dgl")
    config = dataclasses.replace(TICKET, architecture=architecture, backend=found_on)
    result = gslt.search(blocks, config, progress=False)
    result.ticket.save(tmp_path / "t.safetensors")
    model = gslt.load_ticket(tmp_path / "t.safetensors").model(backend=used_on)

    def logits(m):
        graph = m.backend.graph(blocks.edge_index, blocks.num_nodes)
        return m(*m.backend.inputs(blocks.x, graph))

    with torch.no_grad():
        torch.testing.assert_close(logits(model), logits(result.model), atol=1e-5, rtol=0)
    assert gslt.evaluate(model, blocks) == gslt.evaluate(result.model, blocks)


@pytest.mark.parametrize(
    "options",
    [
        {"threshold": "layer", "freezing_ratio": None},
        {"ranking": "raw"},
        {"weight_init": "ku", "scale": "none"},
        {"weight_init": "kn", "scale": "static"},
        {"sparsity": 0.0, "freezing_ratio": 0.0},
        {"sparsity": 1.0, "freezing_ratio": 0.0},
        {"sparsity": 0.5, "freezing_ratio": 1.0},
        {"prune_ratio": 0.4, "lock_ratio": 0.0, "freezing_ratio": None},
        {"allocation": "erk"},
        {"allocation": "igq"},
        {"allocation": "pyramidal"},
        {"allocation": "balanced", "sparsity": 0.8},
        {"draw": "bernoulli"},
        {"draw": "bernoulli", "connected": True, "prune_ratio": 0.8, "sparsity": 0.9},
        {"sparsity_schedule": "linear"},
        {"sparsity_schedule": "linear_levels", "sparsity_levels": 3},
        {"dropout": 0.5},
    ],
)
def test_every_config_survives_the_file(blocks, tmp_path, options):
    if "prune_ratio" in options:
        options = {"freezing_ratio": None, **options}
    config = dataclasses.replace(TICKET, **options)
    result = gslt.search(blocks, config, progress=False)
    result.ticket.save(tmp_path / "t.safetensors")
    loaded = gslt.load_ticket(tmp_path / "t.safetensors")
    with torch.no_grad():
        assert torch.equal(
            loaded.model()(blocks.x, blocks.edge_index), result.model(blocks.x, blocks.edge_index)
        )


def test_size_by_hand(result):
    total = 8 * 16 + 16 * 16 + 16 * 3 + 16 * 3
    size = result.ticket.size()
    assert size.total == total == 480
    # p = s - (1 - F)/2 = 0.05, l = 0.25
    assert (size.pruned, size.locked) == (24, 120)
    assert size.searched == size.bits == total - 24 - 120 == 336
    assert size.kept == round(0.6 * total) == 288
    assert size.sparsity == pytest.approx(0.4)
    assert size.search_space == pytest.approx(0.7)
    assert size.ratio == pytest.approx(32 * 480 / 336)
    assert size.bytes == len(result.ticket.to_bytes())


def test_masks_of_a_ticket_are_its_own():
    module = nn.Linear(4, 4, bias=False)
    gslt.freeze(module, gslt.FreezeConfig(sparsity=0.5))
    before = module.weight.detach().clone()
    (mask,) = gslt.Ticket.of(module).masks.values()
    mask.logical_not_()
    assert torch.equal(module.weight, before)


def test_size_in_words_by_hand():
    size = gslt.TicketSize(
        total=10_000,
        pruned=2000,
        locked=1000,
        searched=7000,
        kept=5000,
        bits=7000,
        entropy_bits=6900.5,
        coded_bytes=875,
        stored=0,
        stored_bytes=0,
        bytes=1250,
    )
    # 32 · 10,000 / 7,000 and 40,000 / 1,250.
    words = "7,000 mask bits, × 45.7 smaller than float32 weights; file 1,250 bytes, × 32.0"
    assert str(size) == words
    assert "7,000 mask bits and 1,208 stored bytes" in str(
        dataclasses.replace(size, stored=302, stored_bytes=1208)
    )


def test_a_ticket_in_words(result):
    size = result.ticket.size()
    first, second = str(result.ticket).splitlines()
    assert f"{size.total:,} weights: {size.pruned:,} pruned" in first
    assert second == f"size      {size}"
    assert repr(result.ticket) == f"<strong ticket of {result.dataset}: {size}>"


def test_the_paper_ratio_of_forty():
    config = gslt.SearchConfig(sparsity=0.2, freezing_ratio=0.2)
    model = gslt.GNN(128, 40, config, get_backend("pyg"))
    gslt.freeze(model, config)
    size = gslt.Ticket.of(model).size()
    assert size.total == 378_280
    assert size.ratio == pytest.approx(40.0, abs=0.001)


def test_the_file_holds_masks_and_nothing_else(result, tmp_path):
    path = tmp_path / "t.safetensors"
    result.ticket.save(path)
    size = result.ticket.size()
    assert path.stat().st_size == size.bytes == size.coded_bytes + size.header_bytes
    (masks,) = safetensors.torch.load_file(path).values()
    assert masks.dtype == torch.uint8
    assert masks.numel() == size.coded_bytes <= math.ceil(336 / 8) + len(result.ticket.masks)
    pairs = [(mask.numel(), int(mask.sum())) for mask in result.ticket.masks.values()]
    assert size.entropy_bits == pytest.approx(sum(entropy_bits(*pair) for pair in pairs))
    assert size.as_dict()["header_bytes"] == size.header_bytes


@pytest.mark.parametrize(
    ("sparsity", "freezing_ratio"), [(0.5, 0.0), (0.5, 0.4), (0.2, 0.2), (0.9, 0.0), (0.98, 0.0)]
)
def test_the_file_of_the_demo_is_as_small_as_entropy_allows(sparsity, freezing_ratio):
    config = gslt.SearchConfig(
        sparsity=sparsity,
        freezing_ratio=freezing_ratio,
        hidden_channels=DemoConfig().hidden_channels,
    )
    model = gslt.GNN(128, 51, config, get_backend("pyg"))
    gslt.freeze(model, config)
    with torch.no_grad():
        for number, weight in enumerate(frozen_weights(model)):
            weight.score().mul_(1 + 0.2 * number)
    results = {"train": 0.7374707943925234, "val": 0.7299807254249168, "test": 0.7282406624978874}
    size = gslt.Ticket.of(model, dataset="debian", results={**results, "epoch": 30}).size()
    assert size.entropy_bits / 8 <= size.coded_bytes <= 1.02 * size.entropy_bits / 8
    assert size.header_bytes <= 1500


@pytest.mark.parametrize(
    "config", [{"freezing_ratio": 1.0}, {"freezing_ratio": 0.0, "sparsity": 0}]
)
def test_masks_without_a_choice_still_cost_a_byte_for_many_weights(config):
    module = nn.Linear(300, 100)
    gslt.freeze(module, gslt.FreezeConfig(**config))
    ticket = gslt.Ticket.of(module)
    searched = ticket.size().searched
    assert ticket.size().coded_bytes == max(math.ceil(searched / 256), math.ceil(30_000 / 2**14))
    assert ticket.size().entropy_bits == 0


def test_the_same_ticket_gives_the_same_bytes(result, tmp_path, monkeypatch):
    path = tmp_path / "t.safetensors"
    result.ticket.save(path)
    assert gslt.load_ticket(path).to_bytes() == path.read_bytes()
    monkeypatch.setitem(sys.modules, "constriction", None)
    assert result.ticket.to_bytes() == path.read_bytes()
    assert gslt.load_ticket(path).to_bytes() == path.read_bytes()


def test_a_module_of_your_own(tmp_path):
    def network() -> nn.Module:
        return nn.Sequential(nn.Linear(6, 10), nn.ReLU(), nn.Linear(10, 2))

    module = network()
    gslt.freeze(module, gslt.FreezeConfig(sparsity=0.3, seed=4))
    with torch.no_grad():
        for weight in frozen_weights(module):
            weight.score().mul_(torch.linspace(-1, 1, weight.counts.searched))
    gslt.Ticket.of(module).save(tmp_path / "own.safetensors")
    ticket = gslt.load_ticket(tmp_path / "own.safetensors")
    again = network()
    ticket.restore(again)
    x = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again(x), module(x))
    with pytest.raises(gslt.TicketError, match=r"module of your own.*ticket.restore"):
        ticket.model()
    with pytest.raises(gslt.TicketError, match=r"does not fit the network.*0\.weight"):
        ticket.restore(nn.Sequential(nn.Linear(6, 11), nn.ReLU(), nn.Linear(11, 2)))


def test_no_ticket_in_an_unfrozen_or_layerwise_module():
    with pytest.raises(gslt.TicketError, match="not frozen"):
        gslt.Ticket.of(nn.Linear(2, 2))
    layers = nn.Sequential(gslt.FrozenLinear(2, 2, name="a"), gslt.FrozenLinear(2, 2, name="b"))
    with pytest.raises(gslt.TicketError, match="frozen one by one"):
        gslt.Ticket.of(layers)


@pytest.mark.parametrize("architecture", ["gin", "gcn", "sage", "gat"])
@pytest.mark.parametrize("backend", ["pyg", "dgl"])
def test_a_baked_model_has_the_tickets_logits_and_plain_weights(blocks, architecture, backend):
    pytest.importorskip(backend.replace("pyg", "torch"))
    config = dataclasses.replace(TICKET, architecture=architecture)
    ticket = gslt.search(blocks, config, progress=False).ticket
    model, plain = ticket.model(backend), ticket.model(backend, baked=True)
    inputs = plain.backend.inputs(
        blocks.x, plain.backend.graph(blocks.edge_index, blocks.num_nodes)
    )
    with torch.no_grad():
        assert torch.equal(plain(*inputs), model(*inputs))
    assert not frozen_weights(plain)
    kept = sum(int(weight.count_nonzero()) for weight in plain.parameters())
    assert kept == ticket.size().kept
    with pytest.raises(gslt.TicketError, match="GNN is not frozen"):
        gslt.Ticket.of(plain)


STATISTICS = ("num_batches_tracked", "running_mean", "running_var")


def normed() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 10), nn.BatchNorm1d(10), nn.Linear(10, 2))


def seen(module: nn.Module, dtype: torch.dtype = torch.float32) -> nn.Module:
    """The module frozen, with other scores and two batches seen by its norms."""
    gslt.freeze(module, gslt.FreezeConfig(sparsity=0.5, freezing_ratio=0.2))
    with torch.no_grad():
        for weight in frozen_weights(module):
            weight.score().mul_(torch.linspace(-1, 1, weight.counts.searched))
    for factor in (1.0, 3.0):
        module(factor * torch.linspace(-1, 1, 24, dtype=dtype).view(4, 6))
    return module


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_running_statistics_come_back_bit_for_bit(dtype: torch.dtype, tmp_path: Path) -> None:
    module = seen(normed().to(dtype), dtype)
    gslt.Ticket.of(module).save(tmp_path / "t.safetensors")
    ticket = gslt.load_ticket(tmp_path / "t.safetensors")
    fresh = normed().to(dtype)
    ticket.restore(fresh)
    x = torch.linspace(-2, 1, 30, dtype=dtype).view(5, 6)
    assert torch.equal(fresh.eval()(x), module.eval()(x))
    assert torch.equal(gslt.bake(fresh)(x), fresh(x))
    assert {name: value.dtype for name, value in ticket.state.items()} == {
        "1.num_batches_tracked": torch.int64,
        "1.running_mean": dtype,
        "1.running_var": dtype,
    }
    assert int(ticket.state["1.num_batches_tracked"]) == 2
    # What is restored is the same ticket, and so is what it is restored into once more.
    ticket.restore(fresh)
    assert gslt.Ticket.of(fresh).to_bytes() == ticket.to_bytes()


def test_stored_values_count_in_the_size() -> None:
    size = gslt.Ticket.of(seen(normed())).size()
    # 10 means and 10 variances of 4 bytes, one count of 8.
    assert (size.stored, size.stored_bytes) == (21, 88)
    assert size.ratio == pytest.approx(32 * 80 / (size.bits + 8 * 88))
    assert size.bytes == size.coded_bytes + 88 + size.header_bytes
    module = normed()
    gslt.freeze(module, gslt.FreezeConfig())
    size = gslt.Ticket.of(module).size()
    assert (size.stored, size.stored_bytes, size.ratio) == (0, 0, 32.0)


def test_a_ticket_without_stored_values_is_of_version_2(tmp_path: Path) -> None:
    module = normed()
    gslt.freeze(module, gslt.FreezeConfig())
    for found, version, tensors in (
        (module, 2, ["masks"]),
        (seen(normed()), 3, ["masks", *(f"state.1.{name}" for name in STATISTICS)]),
    ):
        gslt.Ticket.of(found).save(tmp_path / "t.safetensors")
        held = safetensors.torch.load_file(tmp_path / "t.safetensors")
        assert sorted(held) == sorted(tensors)
        assert (
            json.loads(open_ticket((tmp_path / "t.safetensors").read_bytes())[0])["version"]
            == version
        )


def test_a_network_of_pyg_with_its_own_mlp() -> None:
    pyg = import_quietly("torch_geometric.nn")

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = pyg.GINConv(pyg.MLP([6, 8, 8]), train_eps=True)
            self.second = pyg.GINConv(pyg.MLP([8, 8, 3], dropout=0.2))

        def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
            return self.second(self.first(x, edge_index).relu(), edge_index)

    rng = torch.Generator().manual_seed(0)
    x, edges = torch.randn(20, 6, generator=rng), torch.randint(0, 20, (2, 60), generator=rng)
    model = Network()
    gslt.freeze(model, gslt.FreezeConfig(sparsity=0.5, freezing_ratio=0.3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x, edges), torch.arange(20) % 3).backward()
        optimizer.step()
    ticket = gslt.Ticket.from_bytes(gslt.Ticket.of(model).to_bytes())
    assert set(ticket.state) == {
        f"{conv}.nn.norms.0.module.{name}" for conv in ("first", "second") for name in STATISTICS
    }
    fresh = Network()
    ticket.restore(fresh)
    with torch.no_grad():
        assert torch.equal(fresh.eval()(x, edges), model.eval()(x, edges))


def test_statistics_of_before_the_freezing_are_stored_too() -> None:
    module = normed()
    module(torch.linspace(-1, 1, 24).view(4, 6))
    gslt.freeze(module, gslt.FreezeConfig())
    fresh = normed()
    gslt.Ticket.of(module).restore(fresh)
    x = torch.ones(2, 6)
    assert torch.equal(fresh.eval()(x), module.eval()(x))


class Remembering(nn.Linear):
    """A layer whose state has what torch knows no buffer for."""

    def __init__(self, memory: object) -> None:
        super().__init__(6, 10)
        self.memory = memory

    def get_extra_state(self) -> object:
        return self.memory

    def set_extra_state(self, state: object) -> None:
        self.memory = state


def test_every_other_value_that_changed_is_stored() -> None:
    def network() -> nn.Module:
        module = nn.Sequential(Remembering(torch.zeros(2)), nn.Linear(10, 2))
        for number, dtype in enumerate(DTYPES.values()):
            module.register_buffer(f"b{number}", torch.zeros(2, 3, dtype=dtype))
        return module

    module = network()
    gslt.freeze(module, gslt.FreezeConfig())
    assert not gslt.Ticket.of(module).state
    module[0].memory = torch.tensor([3.0, -4.0])
    module[1].bias[0] = 0.1
    for number in range(len(DTYPES)):
        module.get_buffer(f"b{number}")[1, 2] = 1
    ticket = gslt.Ticket.from_bytes(gslt.Ticket.of(module).to_bytes())
    assert set(ticket.state) == {"0._extra_state", "1.bias", *(f"b{i}" for i in range(len(DTYPES)))}
    fresh = network()
    ticket.restore(fresh)
    wanted, found = module.state_dict(), fresh.state_dict()
    assert all(torch.equal(found[name], wanted[name]) for name in ticket.state)
    assert not torch.equal(fresh[1].bias, torch.zeros(2))


def spoilt(change: Callable[[nn.Module], object]) -> nn.Module:
    module = nn.Sequential(Remembering({"a": 1}), nn.BatchNorm1d(10), nn.Linear(10, 2))
    gslt.freeze(module, gslt.FreezeConfig())
    gslt.Ticket.of(module).restore(
        nn.Sequential(Remembering({"a": 1}), nn.BatchNorm1d(10), nn.Linear(10, 2))
    )
    change(module)
    return module


SPOILT: dict[str, tuple[Callable[[nn.Module], object], str]] = {
    "a parameter": (
        lambda m: m.register_parameter("late", nn.Parameter(torch.ones(2))),
        "late is a parameter that is not frozen",
    ),
    "no tensor": (lambda m: m[0].memory.update(a=2), r"0\._extra_state is no tensor, but dict"),
    "not finite": (lambda m: m[1].running_var[0].fill_(math.inf), r"1\.running_var is not finite"),
    "complex": (
        lambda m: m.register_buffer("late", torch.ones(2, dtype=torch.complex64)),
        "late is of the type torch.complex64",
    ),
    "sparse": (
        lambda m: m.register_buffer("late", torch.eye(3).to_sparse()),
        "late is of the type torch.float32, torch.sparse_coo",
    ),
    "empty": (lambda m: m.register_buffer("late", torch.ones(0)), "late has no entry"),
    "gone": (lambda m: delattr(m[2], "bias"), r"2\.bias was removed"),
}


@pytest.mark.parametrize("name", sorted(SPOILT))
def test_what_a_ticket_could_not_bring_back_is_refused_when_it_is_made(name: str) -> None:
    change, message = SPOILT[name]
    with pytest.raises(gslt.TicketError, match=f"changed since it was frozen: {message}"):
        gslt.Ticket.of(spoilt(change))


def test_the_node_classifier_stores_nothing(result: Result) -> None:
    model = copy.deepcopy(result.model)
    model.register_buffer("late", torch.ones(2))
    with pytest.raises(gslt.TicketError, match=r"late is not of the network that gslt\.GNN builds"):
        gslt.Ticket.of(model)
    with pytest.raises(gslt.TicketError, match="cannot be written: the network of its"):
        dataclasses.replace(result.ticket, state={"late": torch.ones(2)}).to_bytes()


def test_a_part_of_a_frozen_network_is_no_ticket() -> None:
    module = normed()
    gslt.freeze(module, gslt.FreezeConfig())
    with pytest.raises(gslt.TicketError, match=r"a part of a frozen network.* 1 of 2 weights"):
        gslt.Ticket.of(module[0])
    with pytest.raises(gslt.TicketError, match=r"weight was frozen as a\.weight"):
        gslt.Ticket.of(gslt.FrozenLinear(4, 4, name="a"))


def test_a_network_that_has_lost_a_layer_is_no_ticket() -> None:
    module = nn.Sequential(nn.Linear(6, 8, bias=False), nn.Linear(8, 3, bias=False))
    gslt.freeze(module, gslt.FreezeConfig())
    del module[1]
    with pytest.raises(gslt.TicketError, match=r"lost a layer since: 1 of 2 weights"):
        gslt.Ticket.of(module)


class Drawn(nn.Module):
    """A layer of one's own with constants that its constructor draws or writes down."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 4))
        self.fan_in = {"weight": 6}
        self.phase = nn.Parameter(torch.randn(4))
        self.gain = nn.Parameter(torch.full((4,), 0.5))
        self.register_buffer("mean", torch.zeros(6), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return ((x - self.mean) @ self.weight + self.phase).cos() * self.gain


def test_what_a_constructor_draws_is_stored_and_what_it_writes_down_is_not() -> None:
    module, x = Drawn(), torch.randn(5, 6)
    gslt.freeze(module, gslt.FreezeConfig())
    ticket = gslt.Ticket.from_bytes(gslt.Ticket.of(module).to_bytes())
    assert list(ticket.state) == ["phase"]
    fresh = Drawn()
    assert not torch.equal(fresh.phase, module.phase)
    ticket.restore(fresh)
    assert torch.equal(fresh(x), module(x))
    # Freezing anew does not take it for what every module has.
    for each in (module, fresh):
        gslt.freeze(each, gslt.FreezeConfig(seed=1))
        assert list(gslt.Ticket.of(each).state) == ["phase"]


def test_a_changed_buffer_that_no_state_has_is_told() -> None:
    module = Drawn()
    gslt.freeze(module, gslt.FreezeConfig())
    gslt.Ticket.of(module)
    module.mean += 1
    with pytest.warns(gslt.errors.GsltWarning, match=r"^mean changed since .*persistent=False"):
        gslt.Ticket.of(module)


def test_what_is_trained_beside_a_frozen_part_is_told() -> None:
    module = nn.Sequential(normed(), nn.BatchNorm1d(2), nn.Linear(2, 2))
    gslt.freeze(module[0], gslt.FreezeConfig())
    module[0].eval()
    module(torch.randn(7, 6))
    said = r"of Sequential alone: it does not hold .*1\.weight.*2\.bias.*1\.running_var"
    with pytest.warns(gslt.errors.GsltWarning, match=said):
        ticket = gslt.Ticket.of(module)
    assert ticket.masks.keys() == gslt.Ticket.of(module[0]).masks.keys()
    # What is fixed there is not lost.
    module[1], module[2] = nn.BatchNorm1d(2), nn.Linear(2, 2).requires_grad_(False)
    module[1].requires_grad_(False)
    gslt.Ticket.of(module)


def test_a_parametrization_over_a_frozen_weight_is_refused() -> None:
    class Halved(nn.Module):
        def forward(self, weight: Tensor) -> Tensor:
            return weight / 2

    layer = nn.Linear(6, 4)
    gslt.freeze(layer, gslt.FreezeConfig())
    parametrize.register_parametrization(layer, "weight", Halved())
    with pytest.raises(gslt.TicketError, match="parametrization was put on weight since"):
        gslt.Ticket.of(layer)
    with pytest.raises(gslt.ConfigError, match="parametrization was put on weight since"):
        gslt.freeze(layer, gslt.FreezeConfig())
    x = torch.randn(5, 6)
    assert torch.equal(gslt.bake(layer)(x), layer(x))


def test_the_order_of_layers_is_named(tmp_path: Path) -> None:
    def built(names: str) -> nn.Module:
        return nn.ModuleDict({name: nn.Linear(4, 4) for name in names})

    module = built("ba")
    gslt.freeze(module, gslt.FreezeConfig())
    gslt.Ticket.of(module).save(tmp_path / "t.safetensors")
    ticket = gslt.load_ticket(tmp_path / "t.safetensors")
    with pytest.raises(gslt.TicketError, match=r"another order .*b\.weight, a\.weight; build"):
        ticket.restore(built("ab"))
    ticket.restore(built("ba"))


def test_a_lazy_module_is_refused_as_by_freeze() -> None:
    module = nn.Linear(6, 4)
    gslt.freeze(module, gslt.FreezeConfig())
    with pytest.raises(gslt.ConfigError, match="has no shape yet"):
        gslt.Ticket.of(module).restore(nn.LazyLinear(4))


@pytest.mark.parametrize("wrap", [partial(torch.compile, backend="eager"), nn.DataParallel])
@pytest.mark.parametrize("build", [lambda: nn.Linear(6, 4), normed])
def test_torchs_wrappers_change_nothing(
    wrap: Callable[[nn.Module], nn.Module], build: Callable[[], nn.Module]
) -> None:
    plain, wrapped = build(), wrap(build())
    for module in (plain, wrapped):
        gslt.freeze(module, gslt.FreezeConfig(freezing_ratio=0.4))
    masks = gslt.Ticket.of(plain).masks
    ticket = gslt.Ticket.of(wrapped)
    assert masks.keys() == ticket.masks.keys()
    assert all(torch.equal(masks[name], ticket.masks[name]) for name in masks)
    ticket.restore(build())
    ticket.restore(wrap(build()))
    again = gslt.freeze(wrapped, gslt.FreezeConfig(seed=1))
    assert [layer.name for layer in again.layers] == list(masks)
    x, inner = torch.randn(5, 6), unwrapped(wrapped).eval()
    with torch.no_grad():
        assert torch.equal(gslt.bake(inner)(x), inner(x))


def other_norm(norm: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(6, 10), norm, nn.Linear(10, 2))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: other_norm(nn.Identity()), r"1\.running_var \(float32 \[10\], in the module none"),
        (
            lambda: other_norm(nn.BatchNorm1d(10).double()),
            r"stores 1\.running_mean \(float32 \[10\], in the module float64 \[10\]\), 1",
        ),
        (
            lambda: other_norm(wide_norm()),
            r"1\.running_mean \(float32 \[10\], in the module float32 \[2, 10\]\)",
        ),
        (
            lambda: other_norm(nn.Sequential(nn.BatchNorm1d(10))),
            r"1\.num_batches_tracked \(int64 \[\], in the module none",
        ),
        (
            lambda: nn.Sequential(*other_norm(nn.BatchNorm1d(10)), nn.BatchNorm1d(2)),
            r"does not store \(here: 0\.bias, 1\.weight, 1\.bias, 2\.bias, 3\.running_mean, .*\)",
        ),
    ],
    ids=["none", "precision", "shape", "another name", "one more"],
)
def test_stored_values_that_do_not_fit_are_refused(
    other: Callable[[], nn.Module], message: str
) -> None:
    ticket, module = gslt.Ticket.of(seen(normed())), other()
    before = copy.deepcopy(module.state_dict())
    with pytest.raises(gslt.TicketError, match=message):
        ticket.restore(module)
    after = module.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def wide_norm() -> nn.Module:
    """A norm of the same names whose statistics have another shape."""
    norm = nn.BatchNorm1d(10)
    norm.running_mean, norm.running_var = torch.zeros(2, 10), torch.ones(2, 10)
    return norm


def test_a_module_that_takes_no_stored_value_is_refused() -> None:
    class Stubborn(Remembering):
        def set_extra_state(self, state: object) -> None:
            pass

    def network(kind: type[Remembering]) -> nn.Module:
        return nn.Sequential(kind(torch.zeros(2)), nn.Linear(10, 2))

    module = network(Remembering)
    gslt.freeze(module, gslt.FreezeConfig())
    module[0].memory = torch.ones(2)
    with pytest.raises(gslt.TicketError, match=r"does not take the stored values of 0\._extra"):
        gslt.Ticket.of(module).restore(network(Stubborn))


class Training(nn.Module):
    """What holds a network and calls it, as a training framework's module does."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.loss = nn.CrossEntropyLoss(weight=torch.ones(2))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning")
@pytest.mark.parametrize(
    "wrap",
    [torch.compile, nn.DataParallel, Training, lambda m: Training(torch.compile(m))],
    ids=["compile", "DataParallel", "training", "both"],
)
@pytest.mark.parametrize("biased", [True, False])
def test_wrappers_give_the_same_ticket(
    wrap: Callable[[nn.Module], nn.Module], biased: bool
) -> None:
    def network() -> nn.Module:
        return nn.Sequential(nn.Linear(6, 10, bias=biased), nn.ReLU(), nn.Linear(10, 2))

    module = network()
    gslt.freeze(module, gslt.FreezeConfig(sparsity=0.5, freezing_ratio=0.2))
    ticket = gslt.Ticket.of(module)
    assert gslt.Ticket.of(wrap(module)).to_bytes() == ticket.to_bytes()
    other = network()
    ticket.restore(other)
    x = torch.ones(3, 6)
    assert torch.equal(other(x), module(x))


def test_a_wrapped_model_keeps_its_architecture(blocks: gslt.NodeDataset) -> None:
    config = gslt.SearchConfig(num_layers=3, hidden_channels=8)
    model = gslt.GNN(blocks.num_features, blocks.num_classes, config, get_backend("pyg"))
    gslt.freeze(model, config)
    ticket = gslt.Ticket.of(Training(model))
    assert ticket.architecture == gslt.Ticket.of(model).architecture is not None


#: Other networks of the same weights, by what is said of them.
OTHER_NETWORKS = {
    "batch_norm is True there and False here": {"batch_norm": False},
    "edges is 'all' there and 'none' here": {"edges": "none"},
    "batch_norm is True there and False here, pair_norm is False there and True here": {
        "batch_norm": False,
        "pair_norm": True,
    },
    "residual is False there and True here": {"residual": True},
}


@pytest.mark.parametrize("weak", [False, True])
@pytest.mark.parametrize("how", OTHER_NETWORKS)
def test_another_network_of_the_same_weights_is_refused(how: str, weak: bool) -> None:
    model = gslt.ModelConfig(num_layers=3, hidden_channels=8)

    def network(**changes: object) -> gslt.GNN:
        return gslt.GNN(5, 2, dataclasses.replace(model, **changes), get_backend("pyg"))

    found = network()
    if weak:
        config = gslt.TrainConfig(num_layers=3, hidden_channels=8, mask_sparsity=0.5)
        initialise_training(found, config, 0)
        ticket = gslt.Ticket.trained(found, config.masked_source)
    else:
        gslt.freeze(found, gslt.FreezeConfig())
        ticket = gslt.Ticket.of(found)
    other = network(**OTHER_NETWORKS[how])
    before = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(gslt.TicketError, match=f"is of another network: {how}; build the module"):
        ticket.restore(other)
    assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())
    # Dropout is nothing that an evaluation has.
    same, x, edges = network(dropout=0.5), torch.rand(4, 5), torch.tensor([[0, 1, 2], [1, 2, 3]])
    ticket.restore(same)
    assert torch.equal(same.eval()(x, edges), found.eval()(x, edges))


def test_another_number_of_classes_is_named() -> None:
    def network(classes: int) -> gslt.GNN:
        return gslt.GNN(5, classes, gslt.ModelConfig(hidden_channels=8), get_backend("pyg"))

    found = network(2)
    gslt.freeze(found, gslt.FreezeConfig())
    with pytest.raises(gslt.TicketError, match="out_channels is 2 there and 3 here"):
        gslt.Ticket.of(found).restore(network(3))


def test_a_refused_restore_leaves_the_module_as_it_was() -> None:
    found = nn.Sequential(nn.Linear(6, 10), nn.Linear(10, 2))
    gslt.freeze(found, gslt.FreezeConfig())
    ticket = gslt.Ticket.of(found)
    plain, frozen = nn.Linear(3, 3), nn.Sequential(nn.Linear(6, 10), nn.Linear(10, 3))
    gslt.freeze(frozen, gslt.FreezeConfig(seed=5))
    wrong = dataclasses.replace(ticket, weights_checksum="0" * 64)
    for module, each in ((plain, ticket), (frozen, ticket), (copy.deepcopy(found), wrong)):
        before = {name: value.clone() for name, value in module.state_dict().items()}
        out = module(torch.ones(2, 3 if module is plain else 6))
        with pytest.raises(gslt.TicketError):
            each.restore(module)
        after = module.state_dict()
        assert list(after) == list(before)
        assert all(torch.equal(value, after[name]) for name, value in before.items())
        assert torch.equal(module(torch.ones(2, 3 if module is plain else 6)), out)


def test_scores_that_are_no_numbers_make_no_ticket() -> None:
    module = nn.Sequential(nn.Linear(6, 10), nn.Linear(10, 2))
    gslt.freeze(module, gslt.FreezeConfig())
    with torch.no_grad():
        frozen_weights(module)[1].score()[3] = math.nan
    with pytest.raises(gslt.TicketError, match=r"scores of 1\.weight are no numbers"):
        gslt.Ticket.of(module)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("when", ["before", "after"])
def test_tickets_of_other_precisions(dtype: torch.dtype, when: str) -> None:
    def network() -> nn.Module:
        return nn.Sequential(nn.Linear(6, 10), nn.BatchNorm1d(10), nn.Linear(10, 2)).to(dtype)

    module = network() if when == "before" else network().float()
    gslt.freeze(module, gslt.FreezeConfig(sparsity=0.5, freezing_ratio=0.2))
    module.to(dtype)
    ticket = gslt.Ticket.from_bytes(gslt.Ticket.of(module).to_bytes())
    other = network()
    ticket.restore(other)
    for one, two in zip(frozen_weights(module), frozen_weights(other), strict=True):
        assert torch.equal(one.mask(), two.mask())
    x = torch.ones(3, 6, dtype=dtype)
    assert torch.equal(other.eval()(x), module.eval()(x))


def test_a_missing_file(tmp_path):
    with pytest.raises(gslt.TicketError, match="there is no ticket file"):
        gslt.load_ticket(tmp_path / "none.safetensors")


def test_a_folder_is_no_ticket_but_may_have_one(tmp_path: Path) -> None:
    with pytest.raises(
        gslt.TicketError, match=r"is a folder.*there is no ticket\.safetensors in it"
    ):
        gslt.load_ticket(tmp_path)
    module = nn.Linear(4, 4)
    gslt.freeze(module, gslt.FreezeConfig())
    gslt.Ticket.of(module).save(tmp_path / "ticket.safetensors")
    with pytest.raises(gslt.TicketError) as refused:
        gslt.load_ticket(tmp_path)
    said = f"{str(tmp_path)!r} is a folder, and a ticket is a file; load "
    assert str(refused.value) == said + repr(str(tmp_path / "ticket.safetensors"))


def test_the_checksum_of_a_network_by_hand():
    module = nn.Linear(2, 2)
    gslt.freeze(module, gslt.FreezeConfig(prune_ratio=0.25, lock_ratio=0.25, seed=1))
    values, pattern = frozen_weights(module)[0].regenerated()
    assert sorted(pattern.tolist()) == [-1, 0, 0, 1]
    content = b"weight\0" + values.numpy().astype("<f4").tobytes() + pattern.numpy().tobytes()
    content += b"bias\0" + bytes(8)
    assert weights_checksum(module) == hashlib.sha256(content).hexdigest()


def test_a_restored_network_knows_the_data_of_its_ticket(blocks):
    splits = [dataclasses.replace(blocks, val_mask=v, test_mask=t) for v, t in (
        (blocks.val_mask, blocks.test_mask), (blocks.test_mask, blocks.val_mask)
    )]  # fmt: skip
    small = gslt.SearchConfig(hidden_channels=4, num_layers=2, epochs=2)
    one, other = (gslt.search(data, small, progress=False).ticket for data in splits)
    for model in (one.model(), gslt.GNN(8, 3, small, get_backend("pyg"))):
        other.restore(model)
        gslt.evaluate(model, splits[1])
        with pytest.raises(gslt.DataError, match="found on other data"):
            gslt.evaluate(model, splits[0])
        gslt.freeze(model, gslt.FreezeConfig(seed=9))
        gslt.evaluate(model, splits[0])


def test_tickets_are_equal_where_their_files_are(result, blocks, tmp_path):
    ticket = result.ticket
    ticket.save(tmp_path / "t.safetensors")
    again = gslt.load_ticket(tmp_path / "t.safetensors")
    assert again == ticket
    assert len({again, ticket}) == 1
    other = gslt.search(blocks, dataclasses.replace(TICKET, score_draw=1), progress=False).ticket
    assert other != ticket
    assert dataclasses.replace(ticket, results={"test": math.nan}) != ticket
    assert ticket != "t.safetensors"
    assert dataclasses.replace(ticket, dataset="other") != ticket


def test_a_ticket_that_its_seed_tells_has_no_ratio():
    module = nn.Linear(4, 4)
    gslt.freeze(module, gslt.FreezeConfig(freezing_ratio=1.0))
    size = gslt.Ticket.of(module).size()
    assert str(size) == (
        f"0 mask bits, as the seed regenerates all of it; file {size.bytes} bytes, "
        f"× {64 / size.bytes:.1f} smaller than the weights"
    )
