import copy
import dataclasses
import hashlib
import math
import sys
from collections.abc import Callable

import pytest
import safetensors.torch
import torch
from small_runs import TICKET
from torch import nn

import gslt
from gslt.backends import get_backend
from gslt.masking.parametrization import frozen_weights
from gslt.ticket.mask_code import entropy_bits
from gslt.ticket.ticket import weights_checksum


@pytest.mark.parametrize("architecture", ["gin", "gcn", "sage"])
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


@pytest.mark.parametrize("architecture", ["gin", "gcn", "sage"])
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
        {"sparsity_schedule": "linear"},
        {"dropout": 0.5},
    ],
)
def test_every_config_survives_the_file(blocks, tmp_path, options):
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
        sparsity=sparsity, freezing_ratio=freezing_ratio, hidden_channels=192
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


@pytest.mark.parametrize("architecture", ["gin", "gcn", "sage"])
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


def normed() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 10), nn.BatchNorm1d(10), nn.Linear(10, 2))


def test_what_a_ticket_could_not_bring_back_is_refused_when_it_is_made() -> None:
    module = normed()
    gslt.freeze(module, gslt.FreezeConfig())
    ticket = gslt.Ticket.of(module)
    ticket.restore(normed())
    module(torch.ones(4, 6))
    names = r"1\.running_mean, 1\.running_var, 1\.num_batches_tracked changed since"
    with pytest.raises(gslt.TicketError, match=names):
        gslt.Ticket.of(module)
    # The same network without them.
    module = normed()
    module[1] = nn.BatchNorm1d(10, track_running_stats=False)
    gslt.freeze(module, gslt.FreezeConfig())
    module(torch.ones(4, 6))
    gslt.Ticket.of(module).restore(copy.deepcopy(module))
    # A bias that somebody set, and a buffer that came later.
    for change in (
        lambda m: m[0].bias.fill_(0.1),
        lambda m: m.register_buffer("late", torch.ones(2)),
    ):
        module = normed()
        gslt.freeze(module, gslt.FreezeConfig())
        change(module)
        with pytest.raises(gslt.TicketError, match=r"(0\.bias|late) changed since"):
            gslt.Ticket.of(module)


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


def test_the_checksum_of_a_network_by_hand():
    module = nn.Linear(2, 2)
    gslt.freeze(module, gslt.FreezeConfig(prune_ratio=0.25, lock_ratio=0.25, seed=1))
    values, pattern = frozen_weights(module)[0].regenerated()
    assert sorted(pattern.tolist()) == [-1, 0, 0, 1]
    content = b"weight\0" + values.numpy().astype("<f4").tobytes() + pattern.numpy().tobytes()
    content += b"bias\0" + bytes(8)
    assert weights_checksum(module) == hashlib.sha256(content).hexdigest()
