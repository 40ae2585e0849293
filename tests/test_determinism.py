"""What the same seed gives: see docs/determinism.md for what is promised and what is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
import torch

import gslt
from gslt.config import SearchConfig

CONFIG = {
    "num_layers": 3,
    "hidden_channels": 24,
    "epochs": 15,
    "lr": 0.1,
    "freezing_ratio": 0.4,
    "sparsity": 0.4,
}
#: Largest difference of accuracies between thread counts and backends, a fraction.
TOLERANCE = 0.005

SCRIPT = """
import hashlib, json, sys
import gslt
config = gslt.SearchConfig(**json.loads(sys.argv[1]))
result = gslt.search(gslt.load_dataset("debian"), config, progress=False)
print(json.dumps({
    "ticket": hashlib.sha256(result.ticket.to_bytes()).hexdigest(),
    "source": result.ticket.weights_checksum,
    "test": result.test_accuracy,
    "loss": result.history[-1].loss,
}))
"""


def in_process(threads: int = 1, hash_seed: int = 0, **config: Any) -> dict[str, Any]:
    """What a fresh interpreter finds on the Debian graph."""
    command = [sys.executable, "-c", SCRIPT, json.dumps({**CONFIG, **config})]
    environment = {"OMP_NUM_THREADS": str(threads), "PYTHONHASHSEED": str(hash_seed)}
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    return in_process()


def test_process_restarts_change_nothing(reference: dict[str, Any]) -> None:
    assert in_process(hash_seed=7) == reference


@pytest.mark.slow
def test_threads_keep_the_source_and_the_accuracy(reference: dict[str, Any]) -> None:
    two = in_process(threads=2)
    assert two["source"] == reference["source"]
    assert two["test"] == pytest.approx(reference["test"], abs=TOLERANCE)


def test_backends_keep_the_source_and_the_accuracy(reference: dict[str, Any]) -> None:
    pytest.importorskip("dgl")
    dgl = in_process(backend="dgl")
    assert dgl["source"] == reference["source"]
    assert dgl["test"] == pytest.approx(reference["test"], abs=TOLERANCE)


@pytest.mark.parametrize("architecture", ["gin", "gcn", "sage", "gat"])
def test_repeated_runs_are_identical(architecture: str, blocks: gslt.NodeDataset) -> None:
    config = SearchConfig(**CONFIG, architecture=architecture, dropout=0.3, runs=2)
    torch.manual_seed(1)
    first = gslt.search(blocks, config, progress=False)
    torch.manual_seed(2)
    torch.rand(1000)
    second = gslt.search(blocks, config, progress=False)
    for one, other in zip(first.runs, second.runs, strict=True):
        assert one.ticket is not None
        assert other.ticket is not None
        assert one.ticket.to_bytes() == other.ticket.to_bytes()
        assert [e.loss for e in one.history] == [e.loss for e in other.history]


def test_seeds_of_several_runs_are_those_of_single_runs(blocks: gslt.NodeDataset) -> None:
    pair = gslt.search(blocks, SearchConfig(**CONFIG, runs=2), progress=False)
    alone = gslt.search(blocks, SearchConfig(**CONFIG, seed=1), progress=False)
    a, b = pair.runs[1].ticket, alone.ticket
    assert a is not None
    assert b is not None
    assert a.weights_checksum == b.weights_checksum
    assert all(torch.equal(a.masks[name], b.masks[name]) for name in a.masks)


def test_construction_order_changes_nothing() -> None:
    def layers(order: list[int]) -> dict[int, gslt.FrozenLinear]:
        config = gslt.FreezeConfig(freezing_ratio=0.3)
        return {n: gslt.FrozenLinear(9, 7, config=config, name=f"layer{n}") for n in order}

    one, other = layers([0, 1, 2]), layers([2, 0, 1])
    for number in range(3):
        assert torch.equal(one[number].weight, other[number].weight)
    assert not torch.equal(one[0].weight, one[1].weight)
