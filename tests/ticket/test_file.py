"""The specification says what gslt does, and a reader written from it alone agrees with gslt."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gslt
from gslt import random as streams
from gslt.backends import get_backend
from gslt.freezing import FrozenCounts, freezing_pattern, frozen_counts, search_window
from gslt.masking.parametrization import frozen_weights, random_weight
from gslt.random import Stream
from gslt.ticket.file import SEARCHED_PER_BYTE, WEIGHTS_PER_BYTE
from gslt.ticket.mask_code import decode_mask, encode_mask, share

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "ticket-format.md").read_text(encoding="utf-8")
VECTORS: dict[str, Any] = {}
for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL):
    VECTORS |= json.loads(block)


def hexes(values: Any) -> list[str]:
    return [float(value).hex() for value in values]


def test_every_block_is_tested() -> None:
    assert set(VECTORS) == {
        *("masks", "streams", "as241", "windows", "counts", "patterns", "weights", "file")
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


def test_patterns() -> None:
    for v in VECTORS["patterns"]:
        counts = FrozenCounts(v["total"], v["pruned"], v["locked"])
        assert freezing_pattern(counts, v["seed"], v["layer"]).tolist() == v["pattern"]


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
        {"architecture": "gcn", "num_layers": 4, "residual": True},
        {"architecture": "sage", "batch_norm": False, "residual": True, "unit_gain": True},
        {"architecture": "gin", "batch_norm": False, "unit_gain": True},
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


def test_the_reader_refuses_damage(tmp_path: Path) -> None:
    data = base64.b64decode("".join(VECTORS["file"]["base64"]))
    path = tmp_path / "t.safetensors"
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    done = read_alone(path, tmp_path / "graph.npz", tmp_path / "logits.npy")
    assert done.returncode != 0
    assert "the checksum is wrong" in done.stderr
