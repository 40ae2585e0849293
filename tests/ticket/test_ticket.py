import dataclasses
import json
import math
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

import gslt
from gslt.backends import get_backend
from gslt.masking.parametrization import frozen_weights
from gslt.ticket.mask_code import entropy_bits

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from mutants import open_ticket, seal_again

CONFIG = gslt.SearchConfig(
    num_layers=3, hidden_channels=16, epochs=6, sparsity=0.4, freezing_ratio=0.3, seed=3
)


@pytest.fixture(scope="module")
def result(blocks):
    return gslt.search(blocks, CONFIG, progress=False)


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"results": {"test": float("nan")}}, "'test' is no finite number"),
        ({"split": -1}, "a count is -1"),
        ({"weights_checksum": "00"}, "no SHA-256"),
        ({"masks": {}}, "wrong architecture"),
        ({"source": gslt.freezing.FrozenCounts(0, 0, 0)}, "no weight"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(result, tmp_path, change, message):
    path = tmp_path / "t.safetensors"
    with pytest.raises(gslt.TicketError, match=f"cannot be written: .*{message}"):
        dataclasses.replace(result.ticket, **change).save(path)
    assert not path.exists()


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


def edit(change, content):
    """Change the metadata and leave the checksum."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    checksum, _, text = header["__metadata__"]["gslt-ticket"].partition(" ")
    values = json.loads(text)
    change(values)
    text = json.dumps(values, separators=(",", ":"))
    header["__metadata__"]["gslt-ticket"] = f"{checksum} {text}"
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    return len(encoded).to_bytes(8, "little") + encoded + content[8 + length :]


def forge(change, content, masks=lambda masks: masks):
    """Change the metadata, the masks, and the checksum with them."""
    text, payload = open_ticket(content)
    values = json.loads(text)
    change(values)
    return seal_again(json.dumps(values, separators=(",", ":")), masks(payload))


def put(value, *path):
    """A change that puts a value at a place of the metadata."""

    def change(values):
        for key in path[:-1]:
            values = values[key]
        values[path[-1]] = value

    return change


def swap_checksums(content):
    length = int.from_bytes(content[:8], "little")
    of_file = json.loads(content[8 : 8 + length])["__metadata__"]["gslt-ticket"][:64].encode()
    of_weights = json.loads(open_ticket(content)[0])["weights_sha256"].encode()
    content = content.replace(of_file, b"#").replace(of_weights, of_file)
    return content.replace(b"#", of_weights, 1)


def swap(values):
    values["layers"][1], values["layers"][2] = values["layers"][2], values["layers"][1]


def move_kept(values):
    values["layers"][0][2] += 1
    values["layers"][1][2] -= 1


def move_searched(values):
    values["layers"][0][1] += 1
    values["layers"][1][1] -= 1


def huge(values):
    """Claims that agree with one another, in a file of a kilobyte."""
    values["architecture"]["model"].update(hidden_channels=10**13, num_layers=3)
    values["source"]["total"] = 2 * 10**26


def flip(masks):
    return masks[:3] + bytes([masks[3] ^ 16]) + masks[4:]


def cut(masks):
    return masks[:-1]


MODEL = ("architecture", "model")
SAME = "does not match its checksum"
OTHER = "is not the one of the search"
WRONG = "wrong architecture"
DAMAGE = {
    "bit flip": (lambda c: c[:-20] + bytes([c[-20] ^ 4]) + c[-19:], SAME),
    "another scale": (lambda c: edit(put("none", "freeze", "scale"), c), SAME),
    "another norm": (lambda c: edit(put(False, *MODEL, "batch_norm"), c), SAME),
    "better results": (lambda c: edit(put(0.99, "results", "test"), c), SAME),
    "swapped layers": (lambda c: edit(swap, c), SAME),
    "swapped checksums": (swap_checksums, SAME),
    "oversized header": (lambda c: (2**40).to_bytes(8, "little") + c[8:], "cut off"),
    "nested header": (lambda c: b"\x10\x27\0\0\0\0\0\0" + b"[" * 10_000, "no safetensors file"),
    "nested metadata": (lambda c: seal_again("[" * 10**5 + "]" * 10**5, b""), "damaged"),
    "no object": (lambda c: seal_again("[]", open_ticket(c)[1]), "no object"),
    "empty": (lambda c: seal_again("{}", open_ticket(c)[1]), "damaged"),
    "twice": (
        lambda c: seal_again('{"split":1,' + open_ticket(c)[0][1:], b"abc"),
        "not written as",
    ),
    "spaces": (
        lambda c: seal_again(open_ticket(c)[0].replace(":", ": "), b"abc"),
        "not written as",
    ),
    "another tensor": (lambda c: seal_again(*open_ticket(c), "mask"), "one tensor 'masks'"),
    "forged version": (lambda c: forge(put(99, "version"), c), "version 99.*reads version 2"),
    "version 1": (lambda c: forge(put(1, "version"), c), "version 1; .*reads version 2"),
    "forged seed": (lambda c: forge(put(9, "freeze", "seed"), c), OTHER),
    "forged sum": (lambda c: forge(put("0" * 64, "weights_sha256"), c), OTHER),
    "no sum": (lambda c: forge(put("00", "weights_sha256"), c), "no SHA-256"),
    "forged sparsity": (lambda c: forge(put(0.6, "freeze", "sparsity"), c), "wrong"),
    "forged field": (lambda c: forge(put(1, "freeze", "colour"), c), "colour"),
    "unknown allocation": (lambda c: forge(put("x", "freeze", "allocation"), c), "must be one of"),
    "unknown scale": (lambda c: forge(put([], "freeze", "scale"), c), "must be one of"),
    "missing field": (lambda c: forge(lambda v: v["freeze"].pop("ranking"), c), "ranking"),
    "missing value": (lambda c: forge(lambda v: v.pop("source"), c), "source"),
    "forged total": (lambda c: forge(put(481, "source", "total"), c), WRONG),
    "forged counts": (lambda c: forge(put(23, "source", "pruned"), c), "counts of the source"),
    "forged width": (lambda c: forge(put(17, *MODEL, "hidden_channels"), c), WRONG),
    "absurd width": (lambda c: forge(put(10**13, *MODEL, "hidden_channels"), c), WRONG),
    "absurd features": (lambda c: forge(put(2**62, "architecture", "in_channels"), c), WRONG),
    "absurd depth": (lambda c: forge(put(10**9, *MODEL, "num_layers"), c), WRONG),
    "absurd everything": (lambda c: forge(huge, c), "do not fit"),
    "absurd split": (lambda c: forge(put(-1, "split"), c), "a count is -1"),
    "another architecture": (lambda c: forge(put("gcn", *MODEL, "architecture"), c), WRONG),
    "no head": (lambda c: forge(put(False, *MODEL, "head"), c), WRONG),
    "no features": (lambda c: forge(put(-8, "architecture", "in_channels"), c), "at least one"),
    "a true width": (lambda c: forge(put(True, "architecture", "in_channels"), c), "at least one"),
    "wrong layers": (lambda c: forge(put(3, "layers"), c), "no list"),
    "unnamed layer": (lambda c: forge(put(3, "layers", 0, 0), c), "a layer is called 3"),
    "same names": (lambda c: forge(put("head.weight", "layers", 0, 0), c), "same name"),
    "sealed swap": (lambda c: forge(swap, c), "mask|architecture"),
    "more weights than bytes": (lambda c: forge(put([["a", 10**12, 0, 0]], "layers"), c), "do not"),
    "moved kept": (lambda c: forge(move_kept, c), "keeps another number"),
    "moved searched": (lambda c: forge(move_searched, c), "a mask of"),
    "flipped masks": (lambda c: forge(lambda v: None, c, flip), "keeps another number"),
    "cut masks": (lambda c: forge(lambda v: None, c, cut), "do not fit"),
    "longer masks": (lambda c: forge(lambda v: None, c, lambda m: m + b"\0"), "do not fit"),
    "wrong results": (lambda c: forge(put("abc", "results"), c), "results are no object"),
    "infinite results": (lambda c: forge(put(math.inf, "results", "test"), c), "no finite number"),
    "infinite ratio": (lambda c: forge(put(math.nan, "freeze", "sparsity"), c), "sparsity"),
    "numbered data set": (lambda c: forge(put(3, "dataset"), c), "data set is called 3"),
    "no Unicode": (lambda c: forge(put("\ud800", "dataset"), c), "surrogates"),
    "numbered gslt": (lambda c: forge(put(3, "gslt"), c), "gslt is no text"),
}


def test_a_forged_file_without_changes_is_accepted(result, tmp_path):
    path = tmp_path / "t.safetensors"
    content = result.ticket.to_bytes()
    assert forge(lambda values: None, content) == content
    path.write_bytes(edit(lambda values: None, content))
    gslt.load_ticket(path).model()


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_one_ticket_error(result, tmp_path, name):
    path = tmp_path / "t.safetensors"
    change, message = DAMAGE[name]
    path.write_bytes(change(result.ticket.to_bytes()))
    with pytest.raises(gslt.TicketError, match=message):
        # What only the regenerated weights can tell is found when the model is built.
        gslt.load_ticket(path).model() if message == OTHER else gslt.load_ticket(path)


def test_every_single_bit_flip_is_refused(tmp_path):
    module = nn.Linear(9, 3)
    gslt.freeze(module, gslt.FreezeConfig())
    content = gslt.Ticket.of(module).to_bytes()
    path = tmp_path / "t.safetensors"
    accepted = []
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            gslt.load_ticket(path)
            accepted.append(bit)
        except gslt.TicketError:
            pass
    assert not accepted


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


@pytest.mark.parametrize("length", [0, 5, 100, -1])
def test_a_truncated_file(result, tmp_path, length):
    path = tmp_path / "t.safetensors"
    path.write_bytes(result.ticket.to_bytes()[:length])
    with pytest.raises(gslt.TicketError, match="damaged or no ticket"):
        gslt.load_ticket(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(gslt.TicketError, match="there is no ticket file"):
        gslt.load_ticket(tmp_path / "none.safetensors")
