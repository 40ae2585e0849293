import dataclasses
import json
import math
import struct

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import gslt
from gslt.backends import get_backend
from gslt.frozen_weight import frozen_weights
from gslt.ticket import file_checksum, pack, unpack

CONFIG = gslt.SearchConfig(
    num_layers=3, hidden_channels=16, epochs=6, sparsity=0.4, freezing_ratio=0.3, seed=3
)


@pytest.fixture(scope="module")
def result(blocks):
    return gslt.search(blocks, CONFIG, progress=False)


def test_pack_by_hand():
    mask = torch.tensor([1, 0, 1, 1, 0, 0, 0, 0, 1, 1], dtype=torch.bool)
    assert pack(mask).tolist() == [0b00001101, 0b00000011]


@given(st.lists(st.booleans(), max_size=200))
def test_pack_is_invertible(bits):
    mask = torch.tensor(bits, dtype=torch.bool)
    packed = pack(mask)
    assert packed.numel() == math.ceil(len(bits) / 8)
    assert torch.equal(unpack(packed, len(bits)), mask)


@pytest.mark.parametrize("architecture", ["gin", "gcn", "sage"])
def test_round_trip_gives_the_same_logits(blocks, tmp_path, architecture):
    config = dataclasses.replace(CONFIG, architecture=architecture)
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
    config = dataclasses.replace(CONFIG, architecture=architecture, backend=found_on)
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
    config = dataclasses.replace(CONFIG, **options)
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


def test_the_file_holds_bits_and_nothing_else(result, tmp_path):
    path = tmp_path / "t.safetensors"
    result.ticket.save(path)
    assert path.stat().st_size == result.ticket.size().bytes
    tensors = safetensors.torch.load_file(path)
    assert all(t.dtype == torch.uint8 for t in tensors.values())
    assert sum(t.numel() for t in tensors.values()) <= math.ceil(336 / 8) + len(tensors)


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


# --- damaged files --------------------------------------------------------------------------------


def rewrite(path, change):
    """Change header and payload of a safetensors file by hand."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header, payload = json.loads(data[8 : 8 + length]), bytearray(data[8 + length :])
    change(header, payload)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(payload))


def parts_of(header):
    checksum, _, text = header["__metadata__"]["gslt-ticket"].partition(" ")
    return checksum, json.loads(text)


def edit(change_values):
    """Change the metadata and leave its checksum."""

    def change(header, payload):
        checksum, values = parts_of(header)
        change_values(values)
        text = json.dumps(values, separators=(",", ":"))
        header["__metadata__"]["gslt-ticket"] = f"{checksum} {text}"

    return change


def forge(change_values):
    """Change the metadata and its checksum with it."""

    def change(header, payload):
        _, values = parts_of(header)
        change_values(values)
        text = json.dumps(values, separators=(",", ":"))
        ranges = {k: v["data_offsets"] for k, v in header.items() if k != "__metadata__"}
        tensors = {
            name: torch.tensor(list(payload[start:end]), dtype=torch.uint8)
            for name, (start, end) in ranges.items()
        }
        checksum = file_checksum(text, tensors)
        header["__metadata__"]["gslt-ticket"] = f"{checksum} {text}"

    return change


def swap_names(header, payload):
    a, b = "layers.0.nn.weight", "layers.1.nn.weight"
    header[a], header[b] = header[b], header[a]


def flip_bit(header, payload):
    payload[3] ^= 16


CHECKSUM = "does not match its checksum"
REGENERATED = "is not the one of the search"
DAMAGE = {
    "bit flip": (flip_bit, CHECKSUM),
    "swapped layers": (swap_names, CHECKSUM),
    "another scale": (edit(lambda v: v["freeze"].update(scale="none")), CHECKSUM),
    "another norm": (edit(lambda v: v["architecture"]["model"].update(batch_norm=False)), CHECKSUM),
    "better results": (edit(lambda v: v["results"].update(test=0.99)), CHECKSUM),
    "no metadata": (lambda header, payload: header.pop("__metadata__"), "no ticket"),
    "forged version": (forge(lambda v: v.update(version=99)), "version 99.*reads version 1"),
    "forged seed": (forge(lambda v: v["freeze"].update(seed=9)), REGENERATED),
    "forged sparsity": (forge(lambda v: v["freeze"].update(sparsity=0.6)), "but its source has"),
    "forged field": (forge(lambda v: v["freeze"].update(colour=1)), "no field colour"),
    "forged checksum": (forge(lambda v: v.update(weights_sha256="00")), REGENERATED),
    "forged counts": (forge(lambda v: v["source"].update(total=10**6)), "but its source has"),
    "forged width": (
        forge(lambda v: v["architecture"]["model"].update(hidden_channels=17)),
        "does not fit",
    ),
    "forged negative": (forge(lambda v: v["architecture"].update(in_channels=-8)), "at least one"),
    "missing value": (forge(lambda v: v.pop("source")), "damaged or no ticket"),
    "wrong type": (forge(lambda v: v.update(searched=3)), "damaged or no ticket"),
    "wrong results": (forge(lambda v: v.update(results="abc")), "damaged or no ticket"),
}


def test_a_forged_file_without_changes_is_accepted(result, tmp_path):
    path = tmp_path / "t.safetensors"
    result.ticket.save(path)
    rewrite(path, forge(lambda v: None))
    gslt.load_ticket(path).model()


def test_every_single_bit_flip_is_refused(tmp_path):
    module = nn.Linear(9, 3)
    gslt.freeze(module, gslt.FreezeConfig())
    content = gslt.Ticket.of(module).to_bytes()
    path = tmp_path / "t.safetensors"
    accepted = []
    for byte in range(len(content)):
        damaged = bytearray(content)
        damaged[byte] ^= 1 << byte % 8
        path.write_bytes(damaged)
        try:
            gslt.load_ticket(path).restore(nn.Linear(9, 3))
            accepted.append(byte)
        except gslt.TicketError:
            pass
    # The padding of the header is spaces: a flip there that leaves valid JSON changes nothing.
    assert all(content[byte : byte + 1] == b" " for byte in accepted), accepted


def test_a_ticket_does_not_carry_running_statistics(tmp_path):
    def network() -> nn.Module:
        return nn.Sequential(nn.Linear(6, 10), nn.BatchNorm1d(10), nn.Linear(10, 2))

    module = network()
    gslt.freeze(module, gslt.FreezeConfig())
    ticket = gslt.Ticket.of(module)
    ticket.restore(network())
    module(torch.ones(4, 6))
    moved = gslt.Ticket.of(module)
    with pytest.raises(gslt.TicketError, match=r"does not carry.*1\.running_mean"):
        moved.restore(network())


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_one_ticket_error(result, tmp_path, name):
    path = tmp_path / "t.safetensors"
    result.ticket.save(path)
    change, message = DAMAGE[name]
    rewrite(path, change)
    with pytest.raises(gslt.TicketError, match=message):
        gslt.load_ticket(path).model()


@pytest.mark.parametrize("length", [0, 5, 100, -1])
def test_a_truncated_file(result, tmp_path, length):
    path = tmp_path / "t.safetensors"
    path.write_bytes(result.ticket.to_bytes()[:length])
    with pytest.raises(gslt.TicketError, match="damaged or no ticket"):
        gslt.load_ticket(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(gslt.TicketError, match="there is no ticket file"):
        gslt.load_ticket(tmp_path / "none.safetensors")
