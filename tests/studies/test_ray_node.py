"""What happens on the nodes of a cluster, without one: data sets that travel, and one run."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from small_studies import tiny

import gslt
from gslt.data.ogb import BenchmarkEvaluator
from gslt.studies import ray_node
from gslt.studies.ray_node import compute_on_node, counter_class, packed, unpacked


def test_a_dataset_in_memory_that_cannot_be_written_to(blocks: gslt.NodeDataset) -> None:
    """As in the object store; with an evaluator, which has to travel too."""
    judged = dataclasses.replace(blocks, evaluator=BenchmarkEvaluator("ogbn-arxiv"))
    parts = pickle.loads(pickle.dumps(packed(judged)))
    for part in parts.values():
        if isinstance(part, np.ndarray):
            part.flags.writeable = False
    there = unpacked(parts)
    assert there.x.data_ptr() == parts["x"].ctypes.data
    assert there.evaluator == judged.evaluator
    # Without the evaluator, which would need ogb.
    config = gslt.SearchConfig(num_layers=2, hidden_channels=8, epochs=3, dropout=0.5)
    histories = [
        gslt.search(dataclasses.replace(data, evaluator=None), config, progress=False).history
        for data in (blocks, there)
    ]
    first, second = ([dataclasses.replace(e, seconds=0.0) for e in h] for h in histories)
    assert first == second


def test_packed_and_unpacked_are_inverse(blocks: gslt.NodeDataset) -> None:
    parts = packed(blocks)
    assert not [name for name, part in parts.items() if isinstance(part, torch.Tensor)]
    there = unpacked(parts)
    assert isinstance(parts["x"], np.ndarray)
    for item in dataclasses.fields(blocks):
        one, other = getattr(blocks, item.name), getattr(there, item.name)
        same = torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other
        assert same, item.name


class Told:
    """The handle of a counter in this process."""

    def __init__(self) -> None:
        self.counter = counter_class()()
        self.tell = SimpleNamespace(remote=self.counter.tell)


def test_a_counter_by_hand() -> None:
    counter = counter_class()()
    counter.tell("a", 3)
    counter.tell("b", 1)
    counter.tell("a", 5)
    assert counter.take() == {"a": 5, "b": 1}
    assert counter.take() == {}


def test_a_run_on_a_node(
    blocks: gslt.NodeDataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """How it ended, its files and its epochs; nothing of it stays."""
    monkeypatch.setattr(ray_node, "_dataset", lambda reference: {"here": blocks}[reference])
    monkeypatch.setattr("gslt.studies.execute._MESSAGE_SECONDS", 0.0)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    spec = next(iter(tiny().runs.values()))
    told, threads = Told(), torch.get_num_threads()
    end, files = compute_on_node(spec, ["here"], "cpu", threads, told)
    assert end.error == ""
    assert end.record is not None
    assert end.record.spec == spec
    assert {"config.yaml", "metrics.jsonl", "summary.json", "ticket.safetensors"} <= set(files)
    assert not [name for name in files if name.startswith(".")]
    assert told.counter.take() == {spec.identity: spec.config.epochs}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "said"), [(gslt.GsltError("the loss became nan"), "the loss"), (MemoryError(), "Mem")]
)
def test_a_run_that_fails_on_a_node(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(_: Any) -> Any:
        raise error

    monkeypatch.setattr(ray_node, "_dataset", fail)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    spec = next(iter(tiny().runs.values()))
    end, files = compute_on_node(spec, ["here"], "cpu", torch.get_num_threads(), Told())
    assert end.error.startswith(said)
    assert (end.spec, end.record, files) == (spec, None, {})
    assert list(tmp_path.iterdir()) == []
