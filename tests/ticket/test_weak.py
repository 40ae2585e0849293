"""Weak tickets: what they store, what it costs, and that it comes back bit for bit."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import gslt
from gslt.config import FreezeConfig, TrainConfig
from gslt.masking.initialise import initialise
from gslt.masking.trained import masked_weights
from gslt.ticket.weak import other_values
from gslt.training.results import Result

SMALL: dict[str, Any] = {"num_layers": 3, "hidden_channels": 16, "epochs": 6, "seed": 3}
FIXED = TrainConfig(**SMALL, mask_sparsity=0.8, allocation="erk")
REWIRED = TrainConfig(
    **{**SMALL, "epochs": 12},
    lr=0.1,
    mask_sparsity=0.8,
    allocation="epl",
    rewire_every=2,
    rewire_fraction=0.3,
)
#: Weights of the network: 8 → 16 → 16 → 3 and the head.
SIZES = {
    "layers.0.nn.weight": 128,
    "layers.1.nn.weight": 256,
    "layers.2.nn.weight": 48,
    "head.weight": 48,
}
KEPT = round(0.2 * 480)


@pytest.fixture(scope="module", params=[FIXED, REWIRED], ids=["fixed", "rewired"])
def trained(request: pytest.FixtureRequest, blocks: gslt.NodeDataset) -> Result:
    result = gslt.train(blocks, request.param, progress=False)
    assert result.runs[0].best_epoch > 2  # After the first rewiring.
    return result


def ticket_of(result: Result) -> gslt.Ticket:
    assert result.ticket is not None
    return result.ticket


def test_a_file_gives_the_trained_network_back(
    trained: Result, blocks: gslt.NodeDataset, tmp_path: Path
) -> None:
    ticket_of(trained).save(tmp_path / "t.safetensors")
    loaded = gslt.load_ticket(tmp_path / "t.safetensors")
    assert loaded.to_bytes() == ticket_of(trained).to_bytes()
    model = loaded.model()
    for name, weight in trained.model.named_parameters():
        assert torch.equal(model.get_parameter(name), weight)
    with torch.no_grad():
        logits = [each(blocks.x, blocks.edge_index) for each in (model, trained.model)]
    assert torch.equal(*logits)
    scores = gslt.evaluate(model, blocks)
    assert scores["test"] == trained.test_accuracy == loaded.results["test"]
    assert loaded.content_hash == blocks.content_hash
    assert not model.training
    for one, other in zip(masked_weights(model), masked_weights(trained.model), strict=True):
        assert torch.equal(one.kept, other.kept)
    assert not any(p.requires_grad for p in loaded.model(baked=True).parameters())


def test_size_by_hand(trained: Result) -> None:
    size, rewired = ticket_of(trained).size(), bool(trained.config.rewire_every)  # type: ignore[attr-defined]
    assert (size.total, size.kept, size.locked) == (480, KEPT, 0)
    assert size.sparsity == pytest.approx(0.8)
    assert (size.stored, size.stored_bytes) == (KEPT, 4 * KEPT)
    # A mask that the seed regenerates costs nothing, any other one bit for every weight.
    assert size.bits == (480 if rewired else 0)
    assert size.searched == (480 if rewired else KEPT)
    assert size.pruned == (0 if rewired else 480 - KEPT)
    assert size.ratio == pytest.approx(32 * 480 / (32 * KEPT + size.bits))
    assert size.bytes == len(ticket_of(trained).to_bytes())
    assert size.bytes - size.header_bytes == size.coded_bytes + 4 * KEPT
    assert size.coded_bytes == pytest.approx(size.entropy_bits / 8, abs=20)


def test_what_is_kept_of_each_layer(trained: Result) -> None:
    found = ticket_of(trained).kept_by_layer
    masks = {each.name: each.kept for each in masked_weights(trained.model)}
    assert found == {name: (int(masks[name].sum()), total) for name, total in SIZES.items()}
    values = ticket_of(trained).values
    for name, weight in trained.model.named_parameters():
        assert torch.equal(values[name], weight.detach()[masks[name]])


def test_a_mask_that_never_moved_is_regenerated(blocks: gslt.NodeDataset) -> None:
    """A best epoch before the first rewiring is of the random mask still."""
    config = TrainConfig(**SMALL, mask_sparsity=0.8, rewire_every=4, patience=1, lr=1e-9)
    result = gslt.train(blocks, config, progress=False)
    assert result.runs[0].best_epoch == 1
    assert ticket_of(result).size().bits == 0
    assert ticket_of(result).began_with(config.masked_source)


def test_what_a_ticket_began_with(trained: Result) -> None:
    ticket, source = ticket_of(trained), trained.config.masked_source  # type: ignore[attr-defined]
    assert ticket.is_weak
    assert ticket.began_with(source)
    assert not ticket.began_with(gslt.FreezeConfig(**{**vars(source), "seed": 4}))


def test_the_file_says_what_it_stores(trained: Result, blocks: gslt.NodeDataset) -> None:
    from forging import open_ticket, state_of

    data = ticket_of(trained).to_bytes()
    meta = json.loads(open_ticket(data)[0])
    assert (meta["version"], meta["values"], meta["source"]["locked"]) == (5, KEPT, 0)
    assert list(meta)[-2:] == ["data_sha256", "values"]
    values = np.frombuffer(state_of(data)["values"][2], "<f4")
    by_hand = [
        value
        for each in masked_weights(trained.model)
        for value in each.weight.detach()[each.kept].tolist()
    ]
    assert values.tolist() == by_hand


@pytest.mark.parametrize("sparsity", [0.5, 0.9])
@pytest.mark.parametrize("seed", range(4))
def test_independent_draws_keep_what_they_keep(
    blocks: gslt.NodeDataset, sparsity: float, seed: int
) -> None:
    """More or fewer weights than the share: the ticket is of what was drawn."""
    config = TrainConfig(
        **{**SMALL, "seed": seed, "epochs": 2},
        mask_sparsity=sparsity,
        draw="bernoulli",
        connected=bool(seed % 2),
    )
    result = gslt.train(blocks, config, progress=False)
    ticket = gslt.Ticket.from_bytes(ticket_of(result).to_bytes())
    kept = sum(int((weight != 0).sum()) for weight in result.model.parameters())
    assert ticket.size().kept == kept != round((1 - sparsity) * 480)
    assert gslt.evaluate(ticket.model(), blocks)["test"] == result.test_accuracy
    assert ticket.began_with(config.masked_source)


@pytest.mark.parametrize("architecture", ["gin", "gcn", "sage"])
def test_an_architecture_crosses_backends(blocks: gslt.NodeDataset, architecture: str) -> None:
    pytest.importorskip("dgl")
    config = TrainConfig(**SMALL, mask_sparsity=0.5, architecture=architecture)  # type: ignore[arg-type]
    result = gslt.train(blocks, config, progress=False)
    model = ticket_of(result).model("dgl")
    assert gslt.evaluate(model, blocks) == gslt.evaluate(result.model, blocks)


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Linear(9, 2))


def test_a_module_of_your_own_stores_its_other_values() -> None:
    module = network()
    initialise(module, "ku", 2, 0.6, "epl")
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        module(torch.randn(20, 4, generator=generator)).square().sum().backward()
        optimizer.step()
    source = FreezeConfig(sparsity=0.6, prune_ratio=0.6, allocation="epl", scale="none", seed=2)
    ticket = gslt.Ticket.from_bytes(gslt.Ticket.trained(module, source).to_bytes())
    assert ticket.size().bits == 0
    assert set(ticket.state) == set(other_values(module)) > {"0.bias", "1.running_mean"}
    fresh = network()
    ticket.restore(fresh)
    x = torch.randn(5, 4, generator=generator)
    assert torch.equal(fresh.eval()(x), module.eval()(x))
    assert ticket.size().stored == round(0.4 * 54) + 9 + 2 + 4 * 9 + 1
    # The mask holds when it is trained on.
    before = fresh[0].weight.detach().clone()
    fresh.train()(torch.randn(20, 4, generator=generator)).sum().backward()
    torch.optim.AdamW(fresh.parameters(), lr=0.1).step()
    assert not torch.equal(fresh[0].weight, before)
    assert torch.equal(fresh[0].weight == 0, before == 0)


def test_modules_that_are_no_weak_ticket_are_refused() -> None:
    source = FreezeConfig(sparsity=0.6, prune_ratio=0.6, scale="none")
    with pytest.raises(gslt.TicketError, match=r"no mask on 0\.weight, 3\.weight"):
        gslt.Ticket.trained(network(), source)
    with pytest.raises(gslt.TicketError, match="no mask on any weight"):
        gslt.Ticket.trained(nn.ReLU(), source)
    double = network().double()
    initialise(double, "ku", 0, 0.6)
    with pytest.raises(gslt.TicketError, match=r"0\.weight, 3\.weight has double precision"):
        gslt.Ticket.trained(double, source)


def test_modules_that_a_weak_ticket_does_not_fit_are_refused(trained: Result) -> None:
    ticket = ticket_of(trained)
    frozen = network()
    gslt.freeze(frozen, FreezeConfig())
    with pytest.raises(gslt.TicketError, match="Sequential is frozen, and the weights of a weak"):
        ticket.restore(frozen)
    with pytest.raises(gslt.TicketError, match="does not fit the network"):
        ticket.restore(network())


def test_a_weak_ticket_that_contradicts_itself_is_not_written(trained: Result) -> None:
    import dataclasses

    ticket = ticket_of(trained)
    name = "layers.1.nn.weight"
    wrong: dict[str, dict[str, Any]] = {
        "no finite number": {"values": {**ticket.values, name: ticket.values[name] * torch.inf}},
        "wrong trained weights of": {"values": {**ticket.values, name: ticket.values[name][1:]}},
        "wrong names of trained": {"values": {name: ticket.values[name]}},
        "single precision": {"values": {**ticket.values, name: ticket.values[name].double()}},
        "no pattern": {"pattern": {k: m.to(torch.int8) * 0 for k, m in ticket.masks.items()}},
        "no scale": {"config": dataclasses.replace(ticket.config, scale="static")},
    }
    for message, change in wrong.items():
        with pytest.raises(gslt.TicketError, match=message):
            dataclasses.replace(ticket, **change).to_bytes()


def test_torchs_wrappers_change_nothing_of_a_weak_ticket() -> None:
    tickets, source = [], FreezeConfig(sparsity=0.5, prune_ratio=0.5)
    for wrap in (nn.Identity, nn.DataParallel):
        module = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
        wrapped = module if wrap is nn.Identity else wrap(module)
        initialise(wrapped, "ku", 0, 0.5)
        tickets.append(gslt.Ticket.trained(wrapped, source))
        tickets[0].restore(
            nn.DataParallel(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)))
        )
    plain, other = (ticket.values for ticket in tickets)
    assert plain.keys() == other.keys()
    assert all(torch.equal(plain[name], other[name]) for name in plain)


def test_a_module_that_is_not_its_ticket_is_refused(blocks: gslt.NodeDataset) -> None:
    result = gslt.train(blocks, FIXED, progress=False)
    model = copy.deepcopy(result.model)
    first = next(iter(masked_weights(model)))
    with torch.no_grad():
        first.weight[~first.kept] = 1.0
    lost = int((~first.kept).sum())
    with pytest.raises(gslt.TicketError, match=f"^{lost} weights of {first.name} that its mask"):
        gslt.Ticket.trained(model, FIXED.masked_source)
    with pytest.raises(
        gslt.TicketError, match=r"trained under a mask: its ticket is gslt\.Ticket\.t"
    ):
        gslt.Ticket.of(result.model)


def test_a_baked_weak_ticket_is_plain(trained: Result) -> None:
    baked = ticket_of(trained).model(baked=True)
    assert not list(masked_weights(baked))
    assert not any("mask" in name for name, _ in baked.named_buffers())
    assert not any(each._forward_pre_hooks for each in baked.modules())
