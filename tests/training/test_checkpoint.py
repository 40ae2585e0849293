"""Checkpoints: damaged, of another run, how often, and what they hold."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from run_folders import SMALL, Crash, contents, run

import gslt
from gslt.config import SearchConfig
from gslt.errors import GsltWarning, RunError
from gslt.training.checkpoint import (
    Checkpoint,
    Checkpoints,
    differences,
    history_rows,
    read_checkpoint,
    read_history,
)
from gslt.training.results import Epoch
from gslt.training.run_folder import RunFolder


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_a_damaged_checkpoint_is_not_used(
    damage: str, blocks: gslt.NodeDataset, tmp_path: Path
) -> None:
    config = SearchConfig(**SMALL)
    run(tmp_path / "whole", blocks, config)
    with pytest.raises(Crash):
        run(tmp_path / "killed", blocks, config, crash=5)
    newest = max((tmp_path / "killed").glob("checkpoint-*"))
    data = newest.read_bytes()
    flipped = data[:-1] + bytes([data[-1] ^ 1])
    newest.write_bytes({"truncated": data[:-9], "flipped": flipped, "empty": b""}[damage])
    with pytest.warns(GsltWarning, match=r"damaged or no checkpoint.*not used"):
        run(tmp_path / "killed", blocks, config)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_another_graph_is_refused(blocks: gslt.NodeDataset, tmp_path: Path) -> None:
    config = SearchConfig(**SMALL)
    with pytest.raises(Crash):
        run(tmp_path, blocks, config, crash=3)
    smaller = replace(blocks, edge_index=blocks.edge_index[:, :-2])
    with pytest.raises(RunError, match=r"graph is .* there and .* here"):
        run(tmp_path, smaller, config)


def test_nan_loss_leaves_its_checkpoint(
    blocks: gslt.NodeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = SearchConfig(**SMALL)
    usual = gslt.training.loop.Loop._loss

    def broken(loop: Any, logits: torch.Tensor) -> torch.Tensor:
        loss = usual(loop, logits)
        return loss * float("nan") if len(loop.history) == 4 else loss

    monkeypatch.setattr(gslt.training.loop.Loop, "_loss", broken)
    with pytest.raises(gslt.GsltError, match="loss became nan at epoch 5 of seed 0; lower lr"):
        run(tmp_path, blocks, config)
    assert read_checkpoint(max(tmp_path.glob("checkpoint-*"))).epoch == 4


def test_checkpoints_cost_a_hundredth(
    blocks: gslt.NodeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Time stands still but for epochs of 0.5 s and checkpoints of 0.03 s.
    now = [0.0]
    monkeypatch.setattr(gslt.training.run_folder.time, "perf_counter", lambda: now[0])
    usual = Checkpoints.save
    written = []

    def save(self: Checkpoints, checkpoint: Any) -> None:
        now[0] += 0.03
        written.append(checkpoint.epoch)
        usual(self, checkpoint)

    def on_epoch(_: object) -> None:
        now[0] += 0.5

    monkeypatch.setattr(Checkpoints, "save", save)
    config = SearchConfig(**{**SMALL, "epochs": 40})
    with RunFolder(tmp_path, config) as folder:
        gslt.search(blocks, config, progress=False, on_epoch=on_epoch, folder=folder)
    # After one second the first, then every 3 s: 0.03 s are a hundredth of them.
    assert written[0] == 2
    assert all(6 <= b - a <= 7 for a, b in itertools.pairwise(written))
    assert 5 <= len(written) <= 7


def epochs(*numbers: int) -> list[Epoch]:
    return [Epoch(3, n, 0.5, 0.9, 0.8, 0.7, 0.01, None, seconds=n) for n in numbers]


def test_a_checkpoint_comes_back_and_belongs_to_its_run(tmp_path: Path) -> None:
    tensors = {"model/a": torch.arange(3.0), "optimizer/0/step": torch.tensor(2.0)}
    checkpoint = Checkpoint({"lr": 0.1}, 3, epochs(1, 2), 1, tensors)
    store = Checkpoints(tmp_path, {"lr": 0.1})
    store.save(checkpoint)
    found = store.load(3)
    assert found is not None
    assert (found.identity, found.seed, found.epoch, found.best_epoch) == ({"lr": 0.1}, 3, 2, 1)
    assert found.history == checkpoint.history
    assert found.part("model")["a"].tolist() == [0, 1, 2]
    assert list(found.part("optimizer")) == ["0/step"]
    assert store.load(4) is None
    with pytest.raises(RunError, match=r"lr is 0\.1 there and 0\.2 here"):
        Checkpoints(tmp_path, {"lr": 0.2}).load(3)


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path, {})
    for last in (1, 2, 3):
        store.save(Checkpoint({}, 3, epochs(*range(1, last + 1)), 0, {}))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"checkpoint-seed3-epoch00000{n}.safetensors" for n in (2, 3)]
    store.clear()
    assert not list(tmp_path.iterdir())


def test_a_history_is_the_epochs_of_a_seed_in_order() -> None:
    rows = history_rows(epochs(1, 2))
    assert rows[1] == [3, 2, 0.5, 0.9, 0.8, 0.7, 0.01, None, 2]
    assert read_history(rows, 3) == epochs(1, 2)
    with pytest.raises(ValueError, match="epoch 1 of seed 4 is missing"):
        read_history(rows, 4)
    with pytest.raises(ValueError, match="epoch 1 of seed 3 is missing"):
        read_history(rows[1:], 3)
    with pytest.raises(ValueError, match="epoch 1 holds something else"):
        read_history([["3", *rows[0][1:]]], 3)  # type: ignore[list-item]


def test_differences_by_hand() -> None:
    assert differences({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}) == (
        "b is 2 there and 3 here, c is None there and 4 here"
    )
