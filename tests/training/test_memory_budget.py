"""The estimate of memory before a run: by hand, against a measurement, and as a refusal."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import gslt
from gslt.config import SearchConfig, TrainConfig
from gslt.data.labelled import SPLITS
from gslt.errors import GsltWarning
from gslt.nn import budget
from gslt.nn.budget import Room
from gslt.training import memory_budget


def ratio_of(code: str) -> float:
    """What a process prints: an estimate over the bytes that it had at most.

    Of memory that is given back at once, else what malloc keeps differs by a quarter from one time
    to the next. An estimate has room for that, and is never below what is needed.
    """
    env = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(1 << 17)}
    command = [sys.executable, "-c", code]
    return float(subprocess.run(command, env=env, capture_output=True, check=True).stdout)


MEASURE = """
import sys
sys.path.insert(0, {benchmarks!r})
import common
import gslt
from gslt.training.memory_budget import estimated_bytes
dataset = common.arxiv_shape(1 / 8)
before = common.resident_bytes()
config = gslt.SearchConfig(num_layers=6, epochs=2, **{options})
gslt.search(dataset, config, progress=False)
print(estimated_bytes(dataset, config) / (common.peak_bytes("cpu") - before))
"""


def test_estimate_by_hand(blocks: gslt.NodeDataset) -> None:
    # 120 nodes, 8 features, 3 classes, width 10: every row is one cache line of 64 bytes.
    config = SearchConfig(num_layers=3, hidden_channels=10)
    rows = (2 * 2 + 4) + 1 + 8
    # Layers of 8 · 10, 10 · 10, 10 · 3 and the head's 10 · 3 weights: 5 tensors of the source, 6 of
    # the search and two for each of Adam's moments.
    weights = 4 * 240 * (5 + 6 + 2 * 2)
    expected = 64_000_000 + 120 * 64 * rows + 56 * blocks.num_edges + weights
    assert memory_budget.estimated_bytes(blocks, config) == expected
    # GraphSAGE has two weights on every layer, of a node and of its neighbours.
    sage = replace(config, architecture="sage", dropout=0.5)
    extra = 120 * 64 * (3 * 2 + 2 * 2 - 2 * 2) + 60 * (80 + 100 + 30)
    assert memory_budget.estimated_bytes(blocks, sage) == expected + extra
    # GAT keeps once more, has two more at a time, and one row of 2 · 3 numbers of the last layer;
    # beside: 2 heads on 672 edges and 120 loops, 24 bytes each and 5 for each of 3 layers.
    gat = replace(config, architecture="gat", heads=2)
    # And 2 · 10, 2 · 10 and 2 · 6 weights of attention, and another 10 · 3 of the last layer.
    extra = 120 * 64 * (2 + 2 + 1) + (672 + 120) * (56 + 2 * (24 + 5 * 3)) + 60 * (52 + 30)
    assert memory_budget.estimated_bytes(blocks, gat) == expected + extra


def test_weights_by_hand(blocks: gslt.NodeDataset) -> None:
    config = SearchConfig(num_layers=3, hidden_channels=10, freezing_ratio=0.0)
    whole = memory_budget.estimated_bytes(blocks, config)
    # 96 of 240 weights have no score.
    frozen = replace(config, freezing_ratio=0.4)
    assert whole - memory_budget.estimated_bytes(blocks, frozen) == 4 * 96 * (6 + 2 * 2)
    # How many are frozen of a place alone is not looked up.
    placed = replace(frozen, place="hidden")
    assert memory_budget.estimated_bytes(blocks, placed) == whole
    # SGD has no moment, or one.
    sgd = replace(config, optimizer="sgd")
    assert whole - memory_budget.estimated_bytes(blocks, sgd) == 4 * 240 * 2 * 2
    momentum = replace(sgd, momentum=0.9)
    assert whole - memory_budget.estimated_bytes(blocks, momentum) == 4 * 240 * 2
    # A training has no source.
    training = TrainConfig(num_layers=3, hidden_channels=10)
    assert whole - memory_budget.estimated_bytes(blocks, training) == 4 * 240 * 5


def test_masks_by_hand(blocks: gslt.NodeDataset) -> None:
    # Layers of 8 · 10, 10 · 10, 10 · 3 and the head's 10 · 3 weights.
    config = TrainConfig(num_layers=3, hidden_channels=10)
    whole = memory_budget.estimated_bytes(blocks, config)
    masked = replace(config, mask_sparsity=0.5)
    assert memory_budget.estimated_bytes(blocks, masked) == whole + 240 + 4 * 100
    rewired = replace(masked, rewire_every=2)
    assert memory_budget.estimated_bytes(blocks, rewired) == whole + 240 + 24 * 100


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here")
@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"architecture": "gat"},
        {"architecture": "gat", "heads": 8, "hidden_channels": 384},
        {"architecture": "gat", "heads": 8, "hidden_channels": 384, "backend": "dgl"},
    ],
    ids=str,
)
def test_estimate_is_near_the_measurement(options: dict[str, object]) -> None:
    benchmarks = str(Path(__file__).parents[2] / "benchmarks")
    code = MEASURE.format(benchmarks=benchmarks, options=options)
    assert 1.0 < ratio_of(code) < 2.0


MEASURE_WEIGHTS = """
import sys
sys.path.insert(0, {benchmarks!r})
import common
import gslt
from gslt.training.memory_budget import estimated_bytes
dataset = common.arxiv_shape(1 / 400)
before = common.resident_bytes()
config = gslt.{kind}(hidden_channels=2048, epochs=3, **{options})
getattr(gslt, {action!r})(dataset, config, progress=False)
print(estimated_bytes(dataset, config) / (common.peak_bytes("cpu") - before))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("action", "options"),
    [
        ("search", {}),
        ("search", {"freezing_ratio": 0.8}),
        ("search", {"architecture": "sage"}),
        ("search", {"optimizer": "sgd"}),
        ("train", {}),
    ],
    ids=str,
)
def test_the_estimate_of_weights_is_near_the_measurement(
    action: str, options: dict[str, object]
) -> None:
    benchmarks = str(Path(__file__).parents[2] / "benchmarks")
    kind = "SearchConfig" if action == "search" else "TrainConfig"
    code = MEASURE_WEIGHTS.format(benchmarks=benchmarks, kind=kind, action=action, options=options)
    assert 1.0 < ratio_of(code) < 2.0


def test_a_run_that_cannot_fit_is_refused_at_once(
    blocks: gslt.NodeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = memory_budget.estimated_bytes(blocks, SearchConfig(hidden_channels=10**6))
    monkeypatch.setattr(budget, "available", room(needed // 4))
    seen: list[object] = []
    with pytest.raises(gslt.ConfigError) as refused:
        gslt.search(blocks, SearchConfig(hidden_channels=10**6), on_epoch=seen.append)
    assert not seen
    text = str(refused.value)
    assert f"needs about {needed / 1e9:.1f} GB" in text
    assert f"{needed / 4e9:.1f} GB are available" in text
    width = int(text.split("--hidden_channels of at most ")[1].split()[0])
    fits = [
        memory_budget.estimated_bytes(blocks, SearchConfig(hidden_channels=w)) <= needed // 4
        for w in (width, width + 1)
    ]
    assert fits == [True, False]


def test_the_width_that_would_fit_can_be_shared_by_the_heads(
    blocks: gslt.NodeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = SearchConfig(architecture="gat", heads=12, hidden_channels=12 * 10**5)
    needed = memory_budget.estimated_bytes(blocks, config)
    monkeypatch.setattr(budget, "available", room(needed // 4))
    with pytest.raises(gslt.ConfigError) as refused:
        gslt.search(blocks, config)
    width = int(str(refused.value).split("--hidden_channels of at most ")[1].split()[0])
    assert width % 12 == 0
    fits = [
        memory_budget.estimated_bytes(blocks, replace(config, hidden_channels=w)) <= needed // 4
        for w in (width, width + 12)
    ]
    assert fits == [True, False]


def test_a_run_that_hardly_fits_is_warned_of(
    blocks: gslt.NodeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = SearchConfig(hidden_channels=4, num_layers=2, epochs=1)
    needed = memory_budget.estimated_bytes(blocks, config)
    monkeypatch.setattr(budget, "available", room(int(needed / 1.1)))
    with pytest.warns(GsltWarning, match=r"are available .*; use a smaller graph"):
        gslt.search(blocks, config, progress=False)


def test_bfloat16_is_offered_where_it_helps(
    blocks: gslt.NodeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It halves activations, which are most of it on a graph of many nodes: 5,000 times the same.
    many = gslt.NodeDataset(
        name="many",
        x=blocks.x.repeat(5000, 1),
        edge_index=blocks.edge_index,
        y=blocks.y.repeat(5000),
        num_classes=blocks.num_classes,
        **{f"{split}_mask": getattr(blocks, f"{split}_mask").repeat(5000) for split in SPLITS},
    )
    config = SearchConfig(hidden_channels=64, num_layers=30)
    halved = memory_budget.estimated_bytes(many, replace(config, precision="bfloat16"))
    monkeypatch.setattr(budget, "available", room(halved))
    with pytest.raises(gslt.ConfigError, match="--precision bfloat16"):
        gslt.search(many, config)


def room(size: int) -> Callable[[object], Room]:
    return lambda _: Room(size, "within the limit of the shell (ulimit -v)")


def test_a_forward_pass_by_hand(blocks: gslt.NodeDataset) -> None:
    # 120 nodes, 8 features, 3 classes, width 10: every row is one cache line of 64 bytes.
    model = gslt.ModelConfig(hidden_channels=10)
    expected = 64_000_000 + 120 * 64 * (3 + 1 + 4) + 56 * blocks.num_edges
    assert memory_budget.forward_bytes(blocks, model) == expected
    sage = replace(model, architecture="sage")
    assert memory_budget.forward_bytes(blocks, sage, matrices=2) == expected + 120 * 64 * 3
    gat = replace(model, architecture="gat", heads=2)
    extra = (672 + 120) * (56 + 2 * 12)
    assert memory_budget.forward_bytes(blocks, gat) == expected + extra
    # The weights of one layer, 2048 · 2048 of 20 bytes, are more than the libraries.
    wide = replace(model, hidden_channels=2048)
    expected = 20 * 2048**2 + 120 * (4 * 2048 * 3 + 64 + 64 * 4) + 56 * blocks.num_edges
    assert memory_budget.forward_bytes(blocks, wide) == expected


def test_what_cannot_be_evaluated_is_refused_at_once(
    blocks: gslt.NodeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = SearchConfig(hidden_channels=4, num_layers=2, epochs=1)
    result = gslt.search(blocks, config, progress=False)
    monkeypatch.setattr(budget, "available", room(10**7))
    said = (
        r"a model of width 4 on 120 nodes needs about 0\.1 GB of memory on cpu, and 0\.0 GB are "
        r"available within the limit of the shell \(ulimit -v\); use a smaller graph or model"
    )
    with pytest.raises(gslt.ConfigError, match=said):
        gslt.evaluate(result.model, blocks)


MEASURE_FORWARD = """
import sys
sys.path.insert(0, {benchmarks!r})
import common
import gslt
from gslt.backends import get_backend
from gslt.training.memory_budget import forward_bytes
dataset = common.arxiv_shape(1 / 8)
config = gslt.ModelConfig(hidden_channels=800, **{options})
model = gslt.GNN(128, 40, config, get_backend("pyg"))
before = common.resident_bytes()
gslt.evaluate(model, dataset)
print(forward_bytes(dataset, model.config) / (common.peak_bytes("cpu") - before))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here")
@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"architecture": "gat", "heads": 8}], ids=str)
def test_the_forward_estimate_is_near_the_measurement(options: dict[str, object]) -> None:
    benchmarks = str(Path(__file__).parents[2] / "benchmarks")
    code = MEASURE_FORWARD.format(benchmarks=benchmarks, options=options)
    assert 1.0 < ratio_of(code) < 2.0
