"""The file is as specified, a reader written from that alone agrees, and damage is refused."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import math
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from forging import State, open_ticket, seal_again, state_of
from hypothesis import given
from hypothesis import strategies as st
from images import stripes
from layer_shapes import shapes_strategy
from torch import nn

import gslt
from gslt import random as streams
from gslt.backends import get_backend
from gslt.files.container import info_of
from gslt.freezing import (
    ALLOCATIONS,
    FrozenCounts,
    freezing_pattern,
    frozen_counts,
    frozen_parts,
    search_window,
    taking_part,
)
from gslt.masking.parametrization import frozen_weights, random_weight
from gslt.nn.equivariant import KINDS
from gslt.nn.gnn import weight_shapes
from gslt.nn.source import ConstructedNetwork, SourcePlan
from gslt.nn.vision import vision_net
from gslt.random import Stream
from gslt.ticket.file import SEARCHED_PER_BYTE, WEIGHTS_PER_BYTE
from gslt.ticket.mask_code import decode_mask, encode_mask, share

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "examples"))

import read_ticket  # noqa: E402

TEXT = (ROOT / "docs" / "ticket-format.md").read_text(encoding="utf-8")
VECTORS: dict[str, Any] = {}
for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL):
    VECTORS |= json.loads(block)


def hexes(values: Any) -> list[str]:
    return [float(value).hex() for value in values]


def test_every_block_is_tested() -> None:
    assert set(VECTORS) == {
        *("masks", "streams", "as241", "windows", "counts", "places", "patterns", "weights"),
        *("state", "file", "weak", "draws", "pattern"),
    }


@pytest.mark.parametrize("vector", VECTORS["masks"], ids=lambda v: v["bits"][:12])
def test_masks(vector: dict[str, Any]) -> None:
    bits = np.array([bit == "1" for bit in vector["bits"]])
    kept, code = int(bits.sum()), bytes.fromhex(vector["bytes"])
    assert encode_mask(bits) == code
    assert np.array_equal(decode_mask(code, bits.size, kept), bits)
    assert vector.get("o", share(bits.size, kept)) == share(bits.size, kept)


@pytest.mark.parametrize("vector", VECTORS["streams"], ids=lambda v: v["role"])
def test_streams(vector: dict[str, Any]) -> None:
    stream = Stream(int(vector["seed"]), vector["layer"], vector["role"])
    assert [hex(word) for word in stream.key] == vector["key"]
    assert [hex(word) for word in stream.raw(5).tolist()] == vector["raw"]
    assert hexes(stream.uniform(3)) == vector["uniform"]
    assert stream.signs(12).tolist() == vector["signs"]
    assert hexes(stream.normal(5)) == vector["normal"]
    assert stream.permutation(12).tolist() == vector["permutation"]


def test_coefficients() -> None:
    names = ("_CENTRE_P", "_CENTRE_Q", "_NEAR_P", "_NEAR_Q", "_FAR_P", "_FAR_Q")
    table = {key: values for entry in VECTORS["as241"] for key, values in entry.items()}
    assert table == {
        letter: list(getattr(streams, name)) for letter, name in zip("ABCDEF", names, strict=True)
    }


def test_windows() -> None:
    for v in VECTORS["windows"]:
        assert search_window(v["sparsity"], v["freezing_ratio"]) == (v["p"], v["l"])


@pytest.mark.parametrize("vector", VECTORS["counts"], ids=lambda v: f"{v['allocation']} {v['p']}")
def test_counts(vector: dict[str, Any]) -> None:
    found = frozen_counts(vector["shapes"], vector["p"], vector["l"], vector["allocation"])
    assert [count.pruned for count in found] == vector["pruned"]
    assert [count.locked for count in found] == vector["locked"]


@pytest.mark.parametrize("vector", VECTORS["places"], ids=lambda v: v["place"])
def test_places(vector: dict[str, Any]) -> None:
    model = {name: vector[name] for name in ("architecture", "num_layers", "hidden_channels")}
    widths = vector["in_channels"], vector["out_channels"]
    shapes = weight_shapes(*widths, gslt.config.ModelConfig(**model))
    part = taking_part(list(shapes), vector["place"])
    ratios = vector["p"], vector["l"]
    found = frozen_counts(list(shapes.values()), *ratios, vector["allocation"], part)
    assert [count.pruned for count in found] == vector["pruned"]
    assert [count.locked for count in found] == vector["locked"]


def test_patterns() -> None:
    for v in VECTORS["patterns"]:
        counts = FrozenCounts(v["total"], v["pruned"], v["locked"])
        assert freezing_pattern(counts, v["seed"], v["layer"]).tolist() == v["pattern"]


@pytest.mark.parametrize("v", VECTORS["draws"], ids=lambda v: f"{v['draw']} {v['allocation']}")
def test_draws(v: dict[str, Any]) -> None:
    options = {"seed": v["seed"], "draw": v["draw"], "connected": v["connected"]}
    found = frozen_parts(v["shapes"], v["p"], v["l"], v["allocation"], **options)
    assert [p.pattern is not None and p.pattern.tolist() for p in found] == v["patterns"]
    assert v["connected"] == any(part.added for part in found)
    freeze = {"sparsity": v["p"], "freezing_ratio": None, "prune_ratio": v["p"]}
    freeze |= {"lock_ratio": v["l"], "allocation": v["allocation"], **options}
    shapes = {name: tuple(shape) for name, shape in v["shapes"].items()}
    read = read_ticket.frozen_parts(freeze, shapes, [True, True])
    assert [pattern.tolist() for pattern in read] == v["patterns"]


@given(
    shapes_strategy,
    st.sampled_from(sorted(ALLOCATIONS)),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(0, 2**64 - 1),
    st.sampled_from(["exact", "bernoulli"]),
    st.booleans(),
)
def test_both_readers_draw_the_same(
    shapes: list[tuple[int, ...]],
    allocation: str,
    prune: float,
    portion: float,
    seed: int,
    draw: str,
    connected: bool,
) -> None:
    lock = (1 - prune) * portion
    named = {f"layers.{i}.nn.weight": shape for i, shape in enumerate(shapes)}
    options: dict[str, Any] = {"seed": seed, "draw": draw, "connected": connected}
    found = frozen_parts(named, prune, lock, allocation, **options)
    freeze = {"sparsity": prune, "freezing_ratio": None, "prune_ratio": prune, "lock_ratio": lock}
    read = read_ticket.frozen_parts(
        {**freeze, "allocation": allocation, **options}, named, [True] * len(shapes)
    )
    for part, pattern, name in zip(found, read, named, strict=True):
        drawn = part.pattern
        if drawn is None:
            drawn = freezing_pattern(part.counts, seed, name)
        assert drawn.tolist() == pattern.tolist()


def test_weights() -> None:
    for v in VECTORS["weights"]:
        shape = torch.Size(v["shape"])
        found = random_weight(shape, shape[1], v["weight_init"], v["seed"], v["layer"])
        assert hexes(found.tolist()) == v["weights"]


def test_the_whole_file() -> None:
    vector = VECTORS["file"]
    data = base64.b64decode("".join(vector["base64"]))
    assert f"{len(data)} bytes" in TEXT
    ticket = gslt.Ticket.from_bytes(data)
    masks = {name: "".join("01"[bit] for bit in m.int()) for name, m in ticket.masks.items()}
    assert masks == vector["masks"]
    with torch.no_grad():
        found = ticket.model()(torch.tensor(vector["x"]), torch.tensor(vector["edge_index"]))
    torch.testing.assert_close(found, torch.tensor(vector["logits"]), atol=1e-5, rtol=0)


def test_a_file_with_state() -> None:
    vector = VECTORS["state"]
    data = base64.b64decode("".join(vector["base64"]))
    ticket = gslt.Ticket.from_bytes(data)
    assert ticket.to_bytes() == data
    masks = {name: "".join("01"[bit] for bit in m.int()) for name, m in ticket.masks.items()}
    assert masks == vector["masks"]
    found = [
        [name, info_of(value).dtype, list(value.shape), value.tolist()]
        for name, value in ticket.state.items()
    ]
    assert found == vector["values"]
    meta, _, weights, state = read_ticket.read(data)
    assert meta["state"] == [row[:3] for row in vector["values"]]
    assert {name: value.tolist() for name, value in state.items()} == {
        name: values for name, _, _, values in vector["values"]
    }
    assert weights == {}
    module = nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2))
    module.register_buffer("scale", torch.zeros(2, 1, dtype=torch.bfloat16))
    ticket.restore(module)
    # By hand: (x - mean) / sqrt(var + eps) in each column, of inputs that are 0.
    expected = torch.tensor([-0.25 / math.sqrt(2.0 + 1e-5), 0.5 / math.sqrt(0.125 + 1e-5)])
    torch.testing.assert_close(module.eval()(torch.zeros(4)[None])[0], expected)


def test_a_weak_ticket() -> None:
    vector, square = VECTORS["weak"], VECTORS["file"]
    data = base64.b64decode("".join(vector["base64"]))
    assert f"{len(data)} bytes" in TEXT
    ticket = gslt.Ticket.from_bytes(data)
    assert ticket.to_bytes() == data
    assert {name: value.tolist() for name, value in ticket.values.items()} == vector["values"]
    model, (_, masks, weights, _) = ticket.model(), read_ticket.read(data)
    assert all(mask.all() for mask in masks)
    for name, bits in vector["kept"].items():
        by_hand = np.zeros(len(bits), np.float32)
        by_hand[[bit == "1" for bit in bits]] = vector["values"][name]
        assert weights[name].flatten().tolist() == by_hand.tolist()
        assert model.get_parameter(name).flatten().tolist() == by_hand.tolist()
    x, edge_index = torch.tensor(square["x"]), torch.tensor(square["edge_index"])
    with torch.no_grad():
        found = model(x, edge_index)
    torch.testing.assert_close(found, torch.tensor(vector["logits"]), atol=1e-5, rtol=0)


def test_a_file_with_a_pattern() -> None:
    vector = VECTORS["pattern"]
    data = base64.b64decode("".join(vector["base64"]))
    ticket = gslt.Ticket.from_bytes(data)
    assert ticket.to_bytes() == data
    text = json.loads(open_ticket(data)[0])
    assert (text["version"], text["pattern"]) == (5, vector["rows"])
    assert {name: value.tolist() for name, value in ticket.pattern.items()} == vector["values"]
    masks = {name: "".join("01"[bit] for bit in m.int()) for name, m in ticket.masks.items()}
    assert masks == vector["masks"]
    meta, *_ = read_ticket.read(data)
    tensor = state_of(data)["pattern"][2]
    read = read_ticket.read_pattern(meta, tensor)
    assert [pattern.tolist() for pattern in read] == list(vector["values"].values())
    module = nn.Sequential(nn.Linear(4, 3, bias=False), nn.Linear(3, 2, bias=False))
    ticket.restore(module)
    assert gslt.Ticket.of(module).to_bytes() == data
    # By hand: of the first layer the entries 0 and 6 are pruned, 3 and 8 locked.
    assert vector["values"]["0.weight"] == [-1, 0, 0, 1, 0, 0, -1, 0, 1, 0, 0, 0]
    assert tensor == bytes([0b01001001, 0b1, 0b1010])
    assert vector["rows"][0] == [2, 2, 2, 1]


def test_limits_in_the_text() -> None:
    assert f"⌈Σ searched / {SEARCHED_PER_BYTE}⌉, ⌈N / {WEIGHTS_PER_BYTE}⌉" in TEXT


def test_every_field_in_the_text() -> None:
    for kind in (gslt.FreezeConfig, gslt.config.ModelConfig):
        for field in kind.__dataclass_fields__:
            assert f"`{field}`" in TEXT, field


# --- the reader -----------------------------------------------------------------------------------

#: Refuses what the reader must do without, then runs it.
BLOCKED = """
import runpy, sys
blocked = {"gslt", "torch", "safetensors", "constriction", "scipy", "torch_geometric"}
class Blocker:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in blocked:
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocker())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
assert not blocked & set(sys.modules)
"""


def read_alone(ticket: Path, graph: Path, out: Path) -> subprocess.CompletedProcess[str]:
    files = [str(ROOT / "examples" / "read_ticket.py"), str(ticket), str(graph), str(out)]
    command = [sys.executable, "-c", BLOCKED, *files]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    "options",
    [
        {"architecture": "gin", "sparsity": 0.8, "prune_ratio": 0.1, "weight_init": "kn"},
        {"architecture": "gcn", "freezing_ratio": 0.3, "allocation": "erk", "scale": "static"},
        {"architecture": "sage", "freezing_ratio": 0.25, "lock_ratio": 0.2, "weight_init": "ku"},
        {"architecture": "gin", "head": False, "batch_norm": False, "scale": "none"},
        {"architecture": "gin", "threshold": "layer", "allocation": "uniform", "lock_ratio": 0.1},
        {"architecture": "gin", "allocation": "igq", "prune_ratio": 0.2, "lock_ratio": 0.3},
        {"architecture": "gin", "allocation": "pyramidal", "prune_ratio": 0.5, "sparsity": 0.8},
        {"architecture": "sage", "allocation": "balanced", "prune_ratio": 0.3, "sparsity": 0.8},
        {"architecture": "gcn", "draw": "bernoulli", "freezing_ratio": 0.4},
        {
            "architecture": "gin",
            "draw": "bernoulli",
            "connected": True,
            "place": "hidden,input",
            "prune_ratio": 0.9,
            "sparsity": 0.9,
        },
        {"architecture": "gcn", "connected": True, "prune_ratio": 0.8, "sparsity": 0.8},
        {"architecture": "gcn", "num_layers": 4, "residual": True},
        {"architecture": "sage", "batch_norm": False, "residual": True, "unit_gain": True},
        {"architecture": "gin", "batch_norm": False, "unit_gain": True},
        {"architecture": "gin", "place": "hidden", "freezing_ratio": 0.2},
        {"architecture": "sage", "place": "head,layers.0", "freezing_ratio": 0.1},
        {"architecture": "gcn", "batch_norm": False, "pair_norm": True, "residual": True},
        {"architecture": "sage", "edges": "none"},
        {"architecture": "gcn", "edges": "none", "batch_norm": False, "unit_gain": True},
        {"architecture": "gat", "freezing_ratio": 0.3},
        {"architecture": "gat", "heads": 4, "allocation": "uniform", "freezing_ratio": 0.4},
        {"architecture": "gat", "heads": 2, "head": False, "weight_init": "ku", "scale": "none"},
        {"architecture": "gat", "heads": 16, "place": "hidden", "lock_ratio": 0.2, "edges": "none"},
        {"architecture": "gat", "heads": 8, "residual": True, "allocation": "erk"},
    ],
    ids=lambda options: options["architecture"],
)
def test_a_reader_with_numpy_alone(
    blocks: gslt.NodeDataset, tmp_path: Path, options: dict[str, Any]
) -> None:
    config = gslt.SearchConfig(**{"num_layers": 3, "hidden_channels": 16, "seed": 11, **options})
    model = gslt.GNN(blocks.num_features, blocks.num_classes, config, get_backend("pyg"))
    gslt.freeze(model, config)
    with torch.no_grad():
        for number, weight in enumerate(frozen_weights(model)):
            weight.score().mul_(0.4 + 0.3 * number)
    paths = [tmp_path / name for name in ("ticket.safetensors", "graph.npz", "logits.npy")]
    gslt.Ticket.of(model).save(paths[0])
    # A self-loop, parallel edges and a node that nothing points to.
    extra = torch.tensor([[3, 3, 3, 120], [3, 5, 5, 0]])
    edge_index = torch.cat([blocks.edge_index, extra], dim=1)
    x = torch.cat([blocks.x, torch.ones(1, blocks.num_features)])
    np.savez(paths[1], x=x.numpy(), edge_index=edge_index.numpy())
    done = read_alone(*paths)
    assert done.returncode == 0, done.stderr
    with torch.no_grad():
        expected = gslt.load_ticket(paths[0]).model()(x, edge_index)
    found = np.load(paths[2])
    assert np.ptp(found) > 0.1
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)


@pytest.mark.parametrize("options", [{}, {"rewire_every": 2}], ids=["fixed", "rewired"])
def test_the_reader_reads_weak_tickets(
    blocks: gslt.NodeDataset, tmp_path: Path, options: dict[str, Any]
) -> None:
    small = {"num_layers": 3, "hidden_channels": 16, "epochs": 8, "lr": 0.1, "seed": 3}
    config = gslt.TrainConfig(**small, mask_sparsity=0.7, allocation="igq", **options)
    result = gslt.train(blocks, config, progress=False)
    paths = [tmp_path / name for name in ("ticket.safetensors", "graph.npz", "logits.npy")]
    result.ticket.save(paths[0])
    np.savez(paths[1], x=blocks.x.numpy(), edge_index=blocks.edge_index.numpy())
    done = read_alone(*paths)
    assert done.returncode == 0, done.stderr
    with torch.no_grad():
        expected = result.model(blocks.x, blocks.edge_index)
    np.testing.assert_allclose(np.load(paths[2]), expected.numpy(), atol=1e-4)


def test_the_reader_refuses_damage(tmp_path: Path) -> None:
    data = base64.b64decode("".join(VECTORS["file"]["base64"]))
    path = tmp_path / "t.safetensors"
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    done = read_alone(path, tmp_path / "graph.npz", tmp_path / "logits.npy")
    assert done.returncode != 0
    assert "the checksum is wrong" in done.stderr


# Damaged files


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
    "another tensor": (lambda c: seal_again(*open_ticket(c), "mask"), "a tensor 'masks'"),
    "forged version": (lambda c: forge(put(99, "version"), c), "version 99.*versions 2, 3, 4, 5"),
    "version 1": (lambda c: forge(put(1, "version"), c), "version 1; .*versions 2, 3, 4, 5"),
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
    "absurd split": (lambda c: forge(put(-1, "split"), c), r"Expected `int` >= 0 - at `\$\.split`"),
    "another architecture": (lambda c: forge(put("gcn", *MODEL, "architecture"), c), WRONG),
    "no head": (lambda c: forge(put(False, *MODEL, "head"), c), WRONG),
    "no features": (lambda c: forge(put(-8, "architecture", "in_channels"), c), "at least one"),
    "a true width": (lambda c: forge(put(True, "architecture", "in_channels"), c), "at least one"),
    "wrong layers": (
        lambda c: forge(put(3, "layers"), c),
        r"Expected `array`, got `int` - at `\$\.layers`",
    ),
    "unnamed layer": (
        lambda c: forge(put(3, "layers", 0, 0), c),
        r"got `int` - at `\$\.layers\[0\]\[0\]`",
    ),
    "same names": (lambda c: forge(put("head.weight", "layers", 0, 0), c), "same name"),
    "sealed swap": (lambda c: forge(swap, c), "mask|architecture"),
    "more weights than bytes": (lambda c: forge(put([["a", 10**12, 0, 0]], "layers"), c), "do not"),
    "moved kept": (lambda c: forge(move_kept, c), "keeps another number"),
    "moved searched": (lambda c: forge(move_searched, c), "a mask of"),
    "flipped masks": (lambda c: forge(lambda v: None, c, flip), "keeps another number"),
    "cut masks": (lambda c: forge(lambda v: None, c, cut), "do not fit"),
    "longer masks": (lambda c: forge(lambda v: None, c, lambda m: m + b"\0"), "do not fit"),
    "wrong results": (
        lambda c: forge(put("abc", "results"), c),
        r"Expected `object`, got `str` - at `\$\.results`",
    ),
    "infinite results": (lambda c: forge(put(math.inf, "results", "test"), c), "no finite number"),
    "infinite ratio": (lambda c: forge(put(math.nan, "freeze", "sparsity"), c), "sparsity"),
    "numbered data set": (lambda c: forge(put(3, "dataset"), c), r"got `int` - at `\$\.dataset`"),
    "no Unicode": (lambda c: forge(put("\ud800", "dataset"), c), "surrogates"),
    "numbered gslt": (lambda c: forge(put(3, "gslt"), c), r"got `int` - at `\$\.gslt`"),
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


@pytest.mark.parametrize("length", [0, 5, 100, -1])
def test_a_truncated_file(result, tmp_path, length):
    path = tmp_path / "t.safetensors"
    path.write_bytes(result.ticket.to_bytes()[:length])
    with pytest.raises(gslt.TicketError, match="damaged or no ticket"):
        gslt.load_ticket(path)


# Random sources

#: Half pruned by chance, every unit connected, four fifths removed.
RANDOM = {"sparsity": 0.8, "prune_ratio": 0.5, "draw": "bernoulli", "connected": True, "seed": 4}


def random_ticket(architecture: bool = True, **options: Any) -> gslt.Ticket:
    config = gslt.SearchConfig(num_layers=3, hidden_channels=12, **{**RANDOM, **options})
    module: nn.Module = nn.Sequential(nn.Conv2d(3, 8, 3, groups=1), nn.Flatten(), nn.Linear(8, 3))
    if architecture:
        module = gslt.GNN(5, 3, config, get_backend("pyg"))
    gslt.freeze(module, config)
    return gslt.Ticket.of(module)


def test_fields_that_came_later_are_written_where_they_differ() -> None:
    values = json.loads(open_ticket(random_ticket().to_bytes())[0])
    assert list(values["freeze"])[-3:] == ["seed", "draw", "connected"]
    plain = random_ticket(draw="exact", connected=False)
    assert list(json.loads(open_ticket(plain.to_bytes())[0])["freeze"])[-1] == "seed"
    assert values["version"] == 2


@pytest.mark.parametrize("architecture", [True, False])
def test_the_realised_counts_are_in_the_ticket(architecture: bool) -> None:
    ticket = random_ticket(architecture)
    size = ticket.size()
    assert size.kept == round(0.2 * size.total)
    # By chance and by connection, not half.
    assert size.pruned != round(0.5 * size.total)
    assert size.pruned + size.searched == size.total
    again = gslt.Ticket.from_bytes(ticket.to_bytes())
    assert again.to_bytes() == ticket.to_bytes()
    assert again.source == ticket.source
    if architecture:
        assert again.report is not None
        assert again.report.counts == ticket.source
        again.model()
    assert read_ticket.read(ticket.to_bytes())[0]["source"]["pruned"] == size.pruned


FORGED: dict[str, Any] = {
    "exact": put("exact", "freeze", "draw"),
    "another draw": put("poisson", "freeze", "draw"),
    "a number": put(1, "freeze", "connected"),
    "unconnected": put(False, "freeze", "connected"),
    "without": lambda values: values["freeze"].pop("draw"),
    "without connections": lambda values: values["freeze"].pop("connected"),
    "another seed": put(5, "freeze", "seed"),
    "another ratio": put(0.4, "freeze", "prune_ratio"),
    "fewer pruned": lambda values: values["source"].update(pruned=values["source"]["pruned"] - 1),
    "locked for pruned": lambda values: values["source"].update(
        pruned=values["source"]["pruned"] - 1, locked=1
    ),
    "beyond the source": put(0.5, "freeze", "sparsity"),
}


@pytest.mark.parametrize("change", FORGED)
def test_forged_random_sources_are_refused_by_both_readers(change: str) -> None:
    data = forge(FORGED[change], random_ticket().to_bytes())
    with pytest.raises(gslt.TicketError):
        gslt.Ticket.from_bytes(data)
    with pytest.raises(read_ticket.DamagedError):
        read_ticket.read(data)


def test_of_a_module_of_ones_own_the_counts_are_checked_when_it_is_restored() -> None:
    def network() -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8, 3))

    ticket = random_ticket(False)
    module = network()
    ticket.restore(module)
    assert gslt.Ticket.of(module).to_bytes() == ticket.to_bytes()
    one = {"source": FrozenCounts(240, ticket.source.pruned - 1, 1)}
    moved = gslt.Ticket(**{**vars(ticket), **one, "masks": dict(ticket.masks)})
    with pytest.raises(gslt.TicketError, match="kept weights"):
        moved.to_bytes()
    other = gslt.Ticket(**{**vars(ticket), "config": gslt.FreezeConfig(**{**RANDOM, "seed": 5})})
    for readable in (other.to_bytes(),):
        assert read_ticket.read(readable)[0]["freeze"]["seed"] == 5
        with pytest.raises(gslt.TicketError, match="does not fit the network"):
            gslt.Ticket.from_bytes(readable).restore(network())
    dense = gslt.FreezeConfig(**{**RANDOM, "prune_ratio": 0.0})
    with pytest.raises(gslt.TicketError, match="where its settings freeze none"):
        gslt.Ticket(**{**vars(ticket), "config": dense}).to_bytes()


# Patterns that were given


def given_ticket(architecture: bool = True, **options: Any) -> gslt.Ticket:
    """A ticket in a source of which half of what another one kept is locked, a third pruned."""
    config = gslt.SearchConfig(**{"num_layers": 3, "hidden_channels": 12, "seed": 2, **options})
    module: nn.Module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8, 3))
    if architecture:
        module = gslt.GNN(5, 3, config, get_backend("pyg"))
    gslt.freeze(module, config)
    pattern = gslt.found_pattern(module, locked=0.5, pruned=0.3)
    gslt.freeze(module, config, pattern=pattern)
    return gslt.Ticket.of(module)


@pytest.mark.parametrize("architecture", [True, False])
def test_a_given_pattern_is_stored_and_counted(architecture: bool) -> None:
    ticket = given_ticket(architecture)
    data, size = ticket.to_bytes(), ticket.size()
    again = gslt.Ticket.from_bytes(data)
    assert again.to_bytes() == data
    assert all(torch.equal(value, again.pattern[name]) for name, value in ticket.pattern.items())
    pattern = torch.cat(list(ticket.pattern.values()))
    assert size.total == pattern.numel()
    assert (size.pruned, size.locked) == (int((pattern == -1).sum()), int((pattern == 1).sum()))
    assert 0 < size.pattern_bytes <= size.total / 4 + 2 * len(ticket.masks)
    assert size.ratio == pytest.approx(32 * size.total / (size.bits + 8 * size.pattern_bytes))
    assert size.bytes == size.coded_bytes + size.pattern_bytes + size.header_bytes
    if architecture:
        model = again.model()
        assert sum(int(w.mask().sum()) for w in frozen_weights(model)) + size.locked == size.kept
        assert again.report is not None
        assert again.report.counts == ticket.source
    # Without a pattern nothing of it is in the file.
    plain = random_ticket(architecture)
    assert (plain.pattern, plain.size().pattern_bytes) == ({}, 0)
    assert "pattern" not in state_of(plain.to_bytes())


def test_the_reader_alone_takes_a_given_pattern(blocks: gslt.NodeDataset, tmp_path: Path) -> None:
    config = gslt.SearchConfig(num_layers=3, hidden_channels=16)
    model = gslt.GNN(blocks.num_features, blocks.num_classes, config, get_backend("pyg"))
    gslt.freeze(model, config)
    gslt.freeze(model, config, pattern=gslt.found_pattern(model, locked=0.4, pruned=0.2))
    paths = [tmp_path / name for name in ("ticket.safetensors", "graph.npz", "logits.npy")]
    gslt.Ticket.of(model).save(paths[0])
    np.savez(paths[1], x=blocks.x.numpy(), edge_index=blocks.edge_index.numpy())
    done = read_alone(*paths)
    assert done.returncode == 0, done.stderr
    with torch.no_grad():
        expected = gslt.load_ticket(paths[0]).model()(blocks.x, blocks.edge_index)
    assert np.ptp(np.load(paths[2])) > 0.1
    np.testing.assert_allclose(np.load(paths[2]), expected.numpy(), atol=1e-4)


def move_pattern(values):
    """As many weights, one of them pruned instead of locked."""
    values["pattern"][0][0] += 1
    values["pattern"][0][1] -= 1


def shift_pattern(values):
    values["pattern"][0][1] += 1
    values["pattern"][1][1] -= 1


PATTERNS: dict[str, Any] = {
    "version 4": put(4, "version"),
    "version 6": put(6, "version"),
    "none": lambda values: values.pop("pattern"),
    "empty": put([], "pattern"),
    "fewer layers": lambda values: values["pattern"].pop(),
    "three numbers": lambda values: values["pattern"][0].pop(),
    "a negative number": put(-1, "pattern", 0, 0),
    "a true number": put(True, "pattern", 0, 3),
    "absurd": put(10**12, "pattern", 0, 0),
    "absurd bytes": put(10**12, "pattern", 0, 2),
    "pruned for locked": move_pattern,
    "of another layer": shift_pattern,
    "fewer pruned": lambda values: values["source"].update(pruned=values["source"]["pruned"] - 1),
    "a ratio": put(0.2, "freeze", "prune_ratio"),
    "an allocation": put("erk", "freeze", "allocation"),
    "a place": lambda values: values["freeze"].update(place="hidden"),
    "a draw": lambda values: values["freeze"].update(draw="bernoulli"),
    "connected": lambda values: values["freeze"].update(connected=True),
    "beyond the source": put(0.01, "freeze", "sparsity"),
    "another sparsity": put(0.55, "freeze", "sparsity"),
}


@pytest.mark.parametrize("architecture", [True, False])
@pytest.mark.parametrize("change", PATTERNS)
def test_forged_patterns_are_refused_by_both_readers(change: str, architecture: bool) -> None:
    data = given_ticket(architecture).to_bytes()
    text, masks = open_ticket(data)
    assert seal_again(text, masks, state=state_of(data)) == data
    values = json.loads(text)
    PATTERNS[change](values)
    text = json.dumps(values, separators=(",", ":"))
    refused_by_both(seal_again(text, masks, state=state_of(data)))


@pytest.mark.parametrize("architecture", [True, False])
@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: bytes([content[0] ^ 1]) + content[1:],
        lambda content: bytes([content[0] ^ 1, content[1] ^ 16]) + content[2:],
        lambda content: b"",
    ],
)
def test_forged_bytes_of_a_pattern_are_refused_by_both_readers(
    change: Any, architecture: bool
) -> None:
    data = given_ticket(architecture).to_bytes()
    (_, _, content) = state_of(data)["pattern"]
    wrong = change(content)
    state = {"pattern": ("U8", [len(wrong)], wrong)}
    forged = seal_again(*open_ticket(data), state=state)
    try:
        found = gslt.Ticket.from_bytes(forged)
    except gslt.TicketError:
        refused_by_both(forged)
        return
    # Other places of equal counts are another source, which only the weights tell.
    if architecture:
        with pytest.raises(gslt.TicketError, match="not the one of the search"):
            found.model()
        with pytest.raises(read_ticket.DamagedError):
            read_ticket.read(forged)
    else:
        module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8, 3))
        with pytest.raises(gslt.TicketError, match="not the one of the search"):
            found.restore(module)
        read_ticket.read(forged)


def refused_by_both(data: bytes) -> None:
    with pytest.raises(gslt.TicketError):
        gslt.Ticket.from_bytes(data)
    with pytest.raises(read_ticket.DamagedError):
        read_ticket.read(data)


def test_a_pattern_beside_state_and_a_hash_of_the_data() -> None:
    module = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
    pattern = {"0.weight": torch.tensor([[-1, 0, 1, 0]] * 3)}
    gslt.freeze(module, gslt.FreezeConfig(), pattern=pattern)
    module(torch.linspace(-1, 1, 20).view(5, 4))
    ticket = gslt.Ticket.of(module, content_hash="0" * 64)
    data = ticket.to_bytes()
    values = json.loads(open_ticket(data)[0])
    assert list(values)[-3:] == ["state", "data_sha256", "pattern"]
    assert gslt.Ticket.from_bytes(data).to_bytes() == data
    meta, _, _, state = read_ticket.read(data)
    assert meta["version"] == 5
    assert len(state) == 3
    fresh = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
    ticket.restore(fresh)
    assert torch.equal(fresh.eval()(torch.ones(2, 4)), module.eval()(torch.ones(2, 4)))


# State


def by_hand(
    state: list[list[Any]], tensors: list[tuple[str, str, list[int], bytes]], **changes: Any
) -> bytes:
    """A file of version 3 from nothing but its rules: 2 of 4 weights kept, then these values."""
    freeze = {"sparsity": 0.5, "freezing_ratio": None, "prune_ratio": None, "lock_ratio": None}
    freeze |= {"allocation": "epl", "weight_init": "skc", "scale": "none", "threshold": "global"}
    freeze |= {"ranking": "magnitude", "score_init": "kn", "seed": 0}
    meta = {"version": 3, "gslt": "0", "freeze": freeze, "architecture": None}
    meta |= {"source": {"total": 4, "pruned": 0, "locked": 0}, "layers": [["weight", 4, 2, 1]]}
    meta |= {"weights_sha256": "0" * 64, "dataset": "", "split": 0, "results": {}, "state": state}
    text = json.dumps({**meta, **changes}, separators=(",", ":"))
    tensors = [*tensors, ("masks", "U8", [1], b"\x05")]
    tensors.sort(key=lambda tensor: tensor[1] == "BOOL")  # The one type behind that of the masks.
    content = text.encode()
    for name, _, _, value in sorted(tensors):
        content += name.encode() + b"\0" + value
    header: dict[str, Any] = {
        "__metadata__": {"gslt-ticket": f"{hashlib.sha256(content).hexdigest()} {text}"}
    }
    start = 0
    for name, dtype, shape, value in tensors:
        end = start + len(value)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
        start = end
    written = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    written += b" " * (-len(written) % 8)
    body = b"".join(value for *_, value in tensors)
    return len(written).to_bytes(8, "little") + written + body


COUNT = ("state.n", "I64", [], struct.pack("<q", -7))
MEAN = ("state.m", "F32", [2, 1], struct.pack("<2f", 0.5, -3.0))
HALF = ("state.h\u00f6", "BF16", [1], bytes([0x80, 0x3F]))
TRUE = ("state.t", "BOOL", [2], b"\1\0")
ROWS = [["h\u00f6", "BF16", [1]], ["m", "F32", [2, 1]], ["n", "I64", []]]


def test_a_file_with_state_by_hand() -> None:
    data = by_hand(ROWS, [COUNT, MEAN, HALF])
    found = gslt.Ticket.from_bytes(data).state
    assert found["n"].dtype == torch.int64
    assert found["n"].item() == -7
    assert torch.equal(found["m"], torch.tensor([[0.5], [-3.0]]))
    assert torch.equal(found["h\u00f6"], torch.tensor([1.0], dtype=torch.bfloat16))
    state = read_ticket.read(data)[3]
    assert {name: value.tolist() for name, value in state.items()} == {
        "h\u00f6": [1.0],
        "m": [[0.5], [-3.0]],
        "n": -7,
    }
    data = by_hand([["t", "BOOL", [2]]], [TRUE])
    assert gslt.Ticket.from_bytes(data).state["t"].tolist() == [True, False]


def one(dtype: str, shape: Any, value: bytes, said: Any = None) -> bytes:
    """One value of this type and shape, of which the metadata may say something else."""
    return by_hand([["a", *(said or (dtype, shape))]], [("state.a", dtype, shape, value)])


WRONG_STATE: dict[str, tuple[bytes, str]] = {
    "another order": (by_hand(ROWS[::-1], [COUNT, MEAN, HALF]), "not written as gslt writes them"),
    "another order of tensors": (by_hand(ROWS, [MEAN, COUNT, HALF]), "not written as gslt"),
    "twice": (by_hand([*ROWS, ROWS[-1]], [COUNT, MEAN, HALF]), "not written as gslt writes them"),
    "one more": (by_hand(ROWS[1:], [COUNT, MEAN, HALF]), "not those of its metadata.*state.h"),
    "one missing": (by_hand(ROWS, [COUNT, MEAN]), "not those of its metadata.*state.h"),
    "version 2": (by_hand(ROWS, [COUNT, MEAN, HALF], version=2), "not written as gslt"),
    "version 3 without": (by_hand([], []), "not written as gslt writes them"),
    "another type": (one("F32", [1], bytes(4), ("I32", [1])), "not those of its metadata"),
    "another shape": (one("F32", [2, 1], bytes(8), ("F32", [1, 2])), "not those of its metadata"),
    "unknown type": (one("C64", [1], bytes(8)), "a tensor has the type 'C64'"),
    "no shape": (one("F32", 1, bytes(4)), "Expected `array`"),
    "no entry": (one("F32", [0], b""), "has no entry"),
    "dimensions": (one("F32", [1] * 33, bytes(4)), "length <= 32"),
    "absurd": (one("F32", [2**62, 2**62], bytes(4)), "header is not written"),
    "infinite": (one("F32", [1], struct.pack("<f", math.inf)), "'a' is not finite"),
    "no number": (one("BF16", [1], b"\xc0\x7f"), "'a' is not finite"),
    "neither true nor false": (one("BOOL", [1], b"\2"), "neither 0 nor 1"),
    "no object": (by_hand([["a", "F32"]], []), "Expected `array` of length 3"),
    "a numbered name": (by_hand([[3, "F32", [1]]], []), "Expected `str`, got `int`"),
    "no Unicode": (by_hand([["\ud800", "F32", [1]]], []), "not those of its metadata"),
}


@pytest.mark.parametrize("name", sorted(WRONG_STATE))
def test_wrong_state_is_refused_by_both_readers(name: str) -> None:
    data, message = WRONG_STATE[name]
    with pytest.raises(gslt.TicketError, match=message):
        gslt.Ticket.from_bytes(data)
    with pytest.raises(read_ticket.DamagedError):
        read_ticket.read(data)


def test_the_hash_of_the_data_is_in_a_ticket_of_version_4(result, blocks) -> None:
    stored = result.ticket
    assert stored.content_hash == blocks.content_hash
    data = stored.to_bytes()
    text, masks = open_ticket(data)
    values = json.loads(text)
    assert values["version"] == 4
    assert list(values)[-1] == "data_sha256"
    assert gslt.Ticket.from_bytes(data).content_hash == blocks.content_hash
    assert read_ticket.read(data)[0]["data_sha256"] == blocks.content_hash

    def refused(**changes: object) -> None:
        changed = {name: v for name, v in {**values, **changes}.items() if v is not None}
        wrong = seal_again(json.dumps(changed, separators=(",", ":")), masks)
        with pytest.raises(gslt.TicketError):
            gslt.Ticket.from_bytes(wrong)
        with pytest.raises(read_ticket.DamagedError):
            read_ticket.read(wrong)

    refused(data_sha256="ab")
    refused(data_sha256="")
    refused(data_sha256=None)
    refused(version=2)
    refused(version=3)
    # Without a hash a ticket is what it was before there was a version 4.
    before = gslt.Ticket(**{**vars(stored), "content_hash": ""})
    assert json.loads(open_ticket(before.to_bytes())[0])["version"] == 2


def gat_ticket(**options: Any) -> gslt.Ticket:
    config = gslt.SearchConfig(
        architecture="gat", num_layers=3, hidden_channels=12, freezing_ratio=0.3, **options
    )
    model = gslt.GNN(5, 3, config, get_backend("pyg"))
    gslt.freeze(model, config)
    return gslt.Ticket.of(model, dataset="blocks")


def test_a_gat_is_a_ticket_of_version_5_with_its_heads() -> None:
    one, three = gat_ticket().to_bytes(), gat_ticket(heads=3).to_bytes()
    for data, heads in ((one, None), (three, 3)):
        values = json.loads(open_ticket(data)[0])
        assert values["version"] == 5
        assert values["architecture"]["model"].get("heads") == heads
        assert [name for name, *_ in values["layers"]] == [
            *(
                f"layers.{i}.{part}.weight"
                for i in range(3)
                for part in ("lin", "att_src", "att_dst")
            ),
            "head.weight",
        ]
        assert gslt.Ticket.from_bytes(data).to_bytes() == data
        assert read_ticket.read(data)[0] == values
    known = dataclasses.replace(gat_ticket(heads=3), content_hash="ab" * 32).to_bytes()
    assert json.loads(open_ticket(known)[0])["version"] == 5
    assert gslt.Ticket.from_bytes(known).content_hash == "ab" * 32
    assert read_ticket.read(known)[0]["data_sha256"] == "ab" * 32


def changed(*place: str | int, to: Any) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        text, masks = open_ticket(data)
        values = json.loads(text)
        part = values
        for key in place[:-1]:
            part = part[key]
        if to is None:
            del part[place[-1]]
        else:
            part[place[-1]] = to
        return seal_again(json.dumps(values, separators=(",", ":")), masks, state=state_of(data))

    return change


MODEL = ("architecture", "model")
WRONG_HEADS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "version 2": (changed("version", to=2), "not written as gslt"),
    "version 4": (changed("version", to=4), "not written as gslt"),
    "heads of another": (changed(*MODEL, "architecture", to="gcn"), "for architecture gat"),
    "others": (changed(*MODEL, "heads", to=2), "wrong architecture"),
    "none": (changed(*MODEL, "heads", to=None), "wrong architecture"),
    "one, written": (changed(*MODEL, "heads", to=1), "wrong architecture"),
    "no divisor": (changed(*MODEL, "heads", to=5), "cannot be divided among 5 heads"),
    "zero": (changed(*MODEL, "heads", to=0), "heads must be at least 1"),
    "true": (changed(*MODEL, "heads", to=True), "heads must be of type int"),
    "absurd": (changed(*MODEL, "heads", to=10**18), "cannot be divided"),
}


@pytest.mark.parametrize("name", sorted(WRONG_HEADS))
def test_wrong_heads_are_refused_by_both_readers(name: str) -> None:
    change, message = WRONG_HEADS[name]
    data = change(gat_ticket(heads=3).to_bytes())
    with pytest.raises(gslt.TicketError, match=message):
        gslt.Ticket.from_bytes(data)
    with pytest.raises(read_ticket.DamagedError):
        read_ticket.read(data)


def test_version_5_is_for_what_older_readers_do_not_know(result) -> None:
    data = changed("version", to=5)(result.ticket.to_bytes())
    with pytest.raises(gslt.TicketError, match="not written as gslt"):
        gslt.Ticket.from_bytes(data)
    with pytest.raises(read_ticket.DamagedError, match="another version than its contents"):
        read_ticket.read(data)


def test_state_beside_an_architecture_is_refused_by_both_readers(result) -> None:
    text, masks = open_ticket(result.ticket.to_bytes())
    state: State = {"state.m": MEAN[1:]}
    values = {**json.loads(text), "version": 3, "state": [["m", "F32", [2, 1]]]}
    del values["data_sha256"]
    data = seal_again(json.dumps(values, separators=(",", ":")), masks, state=state)
    assert state_of(data) == state
    with pytest.raises(gslt.TicketError, match="its architecture has no value 'm'"):
        gslt.Ticket.from_bytes(data)
    with pytest.raises(read_ticket.DamagedError, match="state in a network that has none"):
        read_ticket.read(data)


# --- networks of images ---------------------------------------------------------------------------


def image_ticket(architecture: str, **options: object) -> tuple[gslt.Ticket, gslt.ImageDataset]:
    data = stripes(40)
    settings = {"width": 0.05, "epochs": 1, "batch_size": 10, "freezing_ratio": 0.3, **options}
    config = gslt.SearchConfig(architecture=architecture, **settings)
    ticket = gslt.search(data, config, progress=False).ticket
    assert ticket is not None
    return ticket, data


@pytest.mark.parametrize(
    ("architecture", "options"),
    [
        ("conv2", {"weight_init": "kn", "allocation": "erk"}),
        ("conv6", {"scale": "static", "place": "hidden"}),
        ("resnet18", {"weight_init": "ku"}),
        ("resnet20", {"width": 0.2, "threshold": "layer", "allocation": "uniform"}),
    ],
)
def test_a_reader_of_numpy_alone_gives_the_logits_of_images(
    tmp_path: Path, architecture: str, options: dict[str, object]
) -> None:
    ticket, data = image_ticket(architecture, **options)
    ticket.save(tmp_path / "t.safetensors")
    x = data.normalised(data.x[:5])
    np.savez(tmp_path / "d.npz", x=x.numpy())
    done = read_alone(tmp_path / "t.safetensors", tmp_path / "d.npz", tmp_path / "out.npy")
    assert done.returncode == 0, done.stderr
    with torch.no_grad():
        expected = ticket.model()(x)
    found = torch.from_numpy(np.load(tmp_path / "out.npy")).float()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


STATISTIC = "layers.1.norm1.running_var"
WRONG_IMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "version 4": (changed("version", to=4), "not written as gslt"),
    "another width": (changed(*MODEL, "width", to=0.21), "wrong architecture|wrong searched"),
    "no width": (changed(*MODEL, "width", to=None), "wrong architecture"),
    "zero width": (changed(*MODEL, "width", to=0), "width must lie in"),
    "absurd width": (changed(*MODEL, "width", to=10**9), "width must lie in"),
    "true width": (changed(*MODEL, "width", to=True), "width must be of type float"),
    "of a graph": (changed(*MODEL, "architecture", to="gin"), "width is a setting of networks of"),
    "another": (changed(*MODEL, "architecture", to="resnet18"), "wrong architecture"),
    "plain": (changed(*MODEL, "architecture", to="conv2"), "wrong architecture"),
    "a depth": (changed(*MODEL, "num_layers", to=3), "num_layers is a setting of networks of gr"),
    "many channels": (changed("architecture", "in_channels", to=10**15), "wrong architecture"),
    "many classes": (changed("architecture", "out_channels", to=2**62), "wrong architecture"),
}


@pytest.mark.parametrize("name", sorted(WRONG_IMAGES))
def test_wrong_networks_of_images_are_refused_by_both_readers(name: str) -> None:
    change, message = WRONG_IMAGES[name]
    data = change(image_ticket("resnet20", width=0.2)[0].to_bytes())
    with pytest.raises(gslt.TicketError, match=message):
        gslt.Ticket.from_bytes(data)
    with pytest.raises(read_ticket.DamagedError):
        read_ticket.read(data)


@pytest.mark.parametrize("architecture", ["conv2", "resnet18", "resnet20"])
@pytest.mark.parametrize("options", [{}, {"rewire_every": 1}, {"connected": True}], ids=str)
def test_both_readers_read_weak_tickets_of_images(
    architecture: str, options: dict[str, object]
) -> None:
    data = stripes(40)
    settings = {"width": 0.05, "epochs": 2, "batch_size": 10, "lr": 0.01, **options}
    config = gslt.TrainConfig(architecture=architecture, mask_sparsity=0.6, **settings)
    result = gslt.train(data, config, progress=False)
    ticket = result.ticket
    assert ticket is not None
    assert ticket.is_weak
    again = gslt.Ticket.from_bytes(ticket.to_bytes())
    meta, _, weights, state = read_ticket.read(ticket.to_bytes())
    assert (meta["version"], sorted(state)) == (5, sorted(ticket.state))
    assert bool(state) == (architecture != "conv2")
    x = data.normalised(data.x[:5])
    with torch.no_grad():
        expected = result.model(x)
        assert torch.equal(again.model()(x), expected)
    assert again.model().found_on == data.content_hash
    assert gslt.evaluate(again.model(), data) == gslt.evaluate(result.model, data)
    found = (
        read_ticket.residual_logits(meta, weights, state, x.numpy())
        if state
        else read_ticket.plain_logits(meta, weights, x.numpy())
    )
    torch.testing.assert_close(torch.from_numpy(found).float(), expected, rtol=1e-4, atol=1e-4)


def test_statistics_that_nobody_stored_are_in_the_checksum() -> None:
    config = gslt.SearchConfig(architecture="resnet20", width=0.1, sparsity=0.5)
    model = vision_net(3, 4, config)
    gslt.freeze(model, config)
    ticket = gslt.Ticket.of(model)
    assert not ticket.state
    assert read_ticket.read(ticket.to_bytes())[3] == {}


# --- constructed tickets --------------------------------------------------------------------------


def constructed_ticket(kind: str = "cnn", how: str = "2L", **options: object) -> gslt.Ticket:
    source = SourcePlan(
        kind=kind, channels=(1, 2, 3, 2), construction=how, copies=(4, 3, 2), seed=2
    )
    network = ConstructedNetwork(source)
    settings = {"sparsity": 0.6, "prune_ratio": 0.25, "lock_ratio": 0.25, **options}
    frozen = gslt.FreezeConfig(allocation="uniform", scale="none", seed=2, **settings)
    gslt.freeze(network, frozen)
    network.get_buffer("blocks.1.factor").fill_(-2.5)
    return gslt.Ticket.of(network, dataset="made")


def test_factors_that_were_there_before_freezing_are_stored() -> None:
    source = SourcePlan(kind="mlp", channels=(2, 3, 2), construction="2L", copies=(4, 3), seed=2)
    network = ConstructedNetwork(source)
    network.get_buffer("blocks.0.factor").fill_(3.0)
    gslt.freeze(network, gslt.FreezeConfig(sparsity=0.5, scale="none", seed=2))
    ticket = gslt.Ticket.of(network)
    assert {name: float(value) for name, value in ticket.state.items()} == {"blocks.0.factor": 3.0}
    x = torch.rand(5, 2, dtype=torch.float64)
    assert torch.equal(gslt.Ticket.from_bytes(ticket.to_bytes()).model()(x), network(x))


@pytest.mark.parametrize("how", ["2L", "L+1"])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_both_readers_read_constructed_tickets(kind: str, how: str) -> None:
    ticket = constructed_ticket(kind, how)
    assert ticket.construction is not None
    data = ticket.to_bytes()
    assert gslt.Ticket.from_bytes(data).to_bytes() == data
    meta, _, weights, state = read_ticket.read(data)
    assert meta["version"] == 5
    assert meta["construction"] == json.loads(json.dumps(dataclasses.asdict(ticket.construction)))
    assert {name: value.tolist() for name, value in state.items()} == {"blocks.1.factor": -2.5}
    assert {name: each.shape for name, each in weights.items()} == ticket.construction.shapes
    network = ticket.model(baked=True)
    for name, value in weights.items():
        assert torch.equal(torch.from_numpy(value).double(), network.get_parameter(name))


@pytest.mark.parametrize(
    "options",
    [
        {"draw": "bernoulli", "connected": True, "lock_ratio": 0.0, "sparsity": 0.8},
        {"threshold": "layer", "lock_ratio": 0.0},
        {"place": "blocks.1", "prune_ratio": 0.1},
    ],
    ids=str,
)
def test_counts_of_constructed_tickets_are_the_true_ones(options: dict[str, object]) -> None:
    ticket = constructed_ticket("sage", "L+1", **options)
    data = ticket.to_bytes()
    assert gslt.Ticket.from_bytes(data).to_bytes() == data
    meta, _, weights, _ = read_ticket.read(data)
    report = ticket.report
    assert report is not None
    assert report.counts == ticket.source
    assert meta["source"] == dataclasses.asdict(ticket.source)
    kept = sum(int(np.count_nonzero(value)) for value in weights.values())
    assert kept == round((1 - ticket.config.sparsity) * ticket.source.total)


def test_a_pattern_of_a_constructed_ticket_is_read_by_both() -> None:
    ticket = constructed_ticket("gin")
    pattern = gslt.found_pattern(ticket.model(), locked=0.2, pruned=0.3)
    assert ticket.construction is not None
    network = ConstructedNetwork(ticket.construction)
    gslt.freeze(network, gslt.FreezeConfig(sparsity=0.5, seed=2, scale="none"), pattern=pattern)
    data = gslt.Ticket.of(network).to_bytes()
    again = gslt.Ticket.from_bytes(data)
    assert again.construction == ticket.construction
    assert again.pattern.keys() == pattern.keys()
    assert again.to_bytes() == data
    assert [*read_ticket.read(data)[0]][-2:] == ["construction", "pattern"]


BUILT = "construction"
WRONG_CONSTRUCTIONS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "version 4": (changed("version", to=4), "not written as gslt"),
    "no version 5": (changed("version", to=3), "not written as gslt"),
    "another kind": (changed(BUILT, "kind", to="gin"), "24 weights|its construction"),
    "no kind": (changed(BUILT, "kind", to="cnn2"), "kind of network must be one of"),
    "a list of kinds": (changed(BUILT, "kind", to=["cnn"]), "damaged or no ticket"),
    "the other way": (changed(BUILT, "construction", to="L+1"), "weights, its construction"),
    "no way": (changed(BUILT, "construction", to="3L"), "construction must be one of"),
    "other widths": (changed(BUILT, "channels", to=[1, 2, 3, 3]), "weights, its construction"),
    "one layer": (changed(BUILT, "channels", to=[1, 2]), "at least two layers"),
    "absurd width": (changed(BUILT, "channels", to=[1, 2, 10**30, 2]), "its construction"),
    "no widths": (changed(BUILT, "channels", to=None), "construction"),
    "other copies": (changed(BUILT, "copies", to=[4, 3, 3]), "weights, its construction"),
    "copies exchanged": (changed(BUILT, "copies", to=[4, 2, 3]), "its construction|searched"),
    "zero copies": (changed(BUILT, "copies", to=[4, 3, 0]), "copies must be integers"),
    "a true copy": (changed(BUILT, "copies", to=[4, 3, True]), "copies must be integers"),
    "another seed": (changed(BUILT, "seed", to=3), "its seed is 2, its construction's 3"),
    "both seeds": (changed("freeze", "seed", to=3), "its seed is 3, its construction's 2"),
    "a seed with a point": (changed(BUILT, "seed", to=2.0), "seed"),
    "ratio": (changed(BUILT, "first_prune_ratio", to=1.0), r"first_prune_ratio must lie in"),
    "true ratio": (changed(BUILT, "first_prune_ratio", to=True), "first_prune_ratio must lie in"),
    "no construction": (changed(BUILT, to=None), "not written as gslt"),
    "another field": (changed(BUILT, "more", to=1), "construction"),
    "no object": (changed(BUILT, to=[1]), "construction"),
    "a name": (changed("layers", 0, 0, to="blocks.9.weight"), "wrong weights"),
    "source": (changed("source", "total", to=10**9), "weights|bits"),
    "a sparsity": (changed("freeze", "sparsity", to=0.61), "kept weights"),
    "an allocation": (changed("freeze", "allocation", to="epl"), "searched weights"),
    "values": (changed("values", to=1), "trained weights"),
}


@pytest.mark.parametrize("name", sorted(WRONG_CONSTRUCTIONS))
def test_wrong_constructions_are_refused_by_both_readers(name: str) -> None:
    change, message = WRONG_CONSTRUCTIONS[name]
    data = change(constructed_ticket().to_bytes())
    with pytest.raises(gslt.TicketError, match=message):
        gslt.Ticket.from_bytes(data)
    with pytest.raises(read_ticket.DamagedError):
        read_ticket.read(data)


@pytest.mark.parametrize(
    ("factor", "dtype", "shape", "content"),
    [
        ("blocks.3.factor", "F64", [], 8),
        ("blocks.01.factor", "F64", [], 8),
        ("blocks.1.first", "F64", [], 8),
        ("blocks.1.factor", "F64", [1], 8),
        ("blocks.1.factor", "F32", [], 4),
        ("blocks.1.factor", "I64", [], 8),
    ],
)
def test_wrong_factors_are_refused_by_both_readers(
    factor: str, dtype: str, shape: list[int], content: int
) -> None:
    text, masks = open_ticket(constructed_ticket().to_bytes())
    values = {**json.loads(text), "state": [[factor, dtype, shape]]}
    state: State = {f"state.{factor}": (dtype, shape, bytes(content))}
    data = seal_again(json.dumps(values, separators=(",", ":")), masks, state=state)
    with pytest.raises(gslt.TicketError, match="construction has no value"):
        gslt.Ticket.from_bytes(data)
    with pytest.raises(read_ticket.DamagedError, match="construction has no value"):
        read_ticket.read(data)
