"""Checkpoints: damaged, of another run, how often, and what they hold."""

from __future__ import annotations

import itertools
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from run_folders import SMALL, Crash, contents, full_disk, run

import gslt
from gslt.backends import get_backend
from gslt.config import SearchConfig
from gslt.errors import GsltWarning, RunError
from gslt.files import OutputFolder
from gslt.files.container import seal, unseal
from gslt.files.log import Mark
from gslt.training.checkpoint import (
    Checkpoint,
    Checkpoints,
    file_names,
    history_rows,
    read_checkpoint,
    read_history,
)
from gslt.training.inputs import inputs_of
from gslt.training.loop import Loop
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
    newest = tmp_path / "killed" / file_names(0)[0]
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
    with pytest.raises(RunError, match=r"begun on other data than .* is now: edges 672 and 670"):
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
    assert read_checkpoint(tmp_path / file_names(0)[0]).epoch == 4


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
    logs = {"probe.jsonl": Mark(5, "ab")}
    checkpoint = Checkpoint({"lr": 0.1}, 3, epochs(1, 2), 1, tensors, logs)
    files = OutputFolder(tmp_path, "search")
    store = Checkpoints(files, {"lr": 0.1})
    store.save(checkpoint)
    (found,) = store.load(3)
    assert found.logs == {"probe.jsonl": Mark(5, "ab")}
    assert (found.identity, found.seed, found.epoch, found.best_epoch) == ({"lr": 0.1}, 3, 2, 1)
    assert found.history == checkpoint.history
    assert found.part("model")["a"].tolist() == [0, 1, 2]
    assert list(found.part("optimizer")) == ["0/step"]
    assert list(store.load(4)) == []
    with pytest.raises(RunError, match=r"lr is 0\.1 there and 0\.2 here"):
        list(Checkpoints(files, {"lr": 0.2}).load(3))
    for name, other in zip(file_names(3), file_names(4), strict=True):
        if (tmp_path / name).exists():
            (tmp_path / name).rename(tmp_path / other)
    with pytest.raises(RunError, match="seed of the run is 3 there and 4 here"):
        list(store.load(4))


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    store = Checkpoints(OutputFolder(tmp_path, "search"), {})
    for last in (1, 2, 3):
        store.save(Checkpoint({}, 3, epochs(*range(1, last + 1)), 0, {}))
    assert [found.epoch for found in store.load(3)] == [3, 2]
    lines = (tmp_path / ".gslt" / "manifest.jsonl").read_text().split()
    store.save(Checkpoint({}, 3, epochs(1, 2, 3, 4), 0, {}))
    # Nothing grows with the run.
    assert (tmp_path / ".gslt" / "manifest.jsonl").read_text().split() == lines
    (tmp_path / "checkpoint-seed3-mine.safetensors").write_text("")
    store.clear(3)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {".gslt", "checkpoint-seed3-mine.safetensors"}


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Checkpoints(OutputFolder(tmp_path, "search"), {})
    store.save(Checkpoint({}, 3, epochs(1), 0, {}))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full_disk)
        for _ in range(2):
            with pytest.raises(OSError, match="No space left"):
                store.save(Checkpoint({}, 3, epochs(1, 2), 0, {}))
    assert [found.epoch for found in store.load(3)] == [1]


def test_a_history_is_the_epochs_of_a_seed_in_order() -> None:
    rows = history_rows(epochs(1, 2))
    assert rows[1] == (3, 2, 0.5, 0.9, 0.8, 0.7, 0.01, None, 2)
    assert read_history(rows, 3) == epochs(1, 2)
    with pytest.raises(ValueError, match="epoch 1 of seed 4 is missing"):
        read_history(rows, 4)
    with pytest.raises(ValueError, match="epoch 1 of seed 3 is missing"):
        read_history(rows[1:], 3)
    with pytest.raises(ValueError, match="epoch 1 has a number that is not finite"):
        read_history([(3, 1, math.nan, *rows[0][3:])], 3)


NOT_A_CHECKPOINT = {
    "seed": ["3", -1, None, 3.5, True],
    "best_epoch": [3, -1, "1"],
    "version": [1, 99, "2", None],
    "identity": [[], None],
    "history": [[], None, [[3, 1, "0.5", 0.9, 0.8, 0.7, 0.01, None, 1]], [[3, 1, 0.5]]],
    "logs": [None, {"probe.jsonl": [1, 2]}, {"probe.jsonl": {"bytes": -1, "sha256": ""}}],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, found in NOT_A_CHECKPOINT.items() for value in found],
)
def test_values_of_other_types_are_no_checkpoint(name: str, value: Any, tmp_path: Path) -> None:
    """Also where somebody sealed them anew."""
    sound = Checkpoint({}, 3, epochs(1, 2), 1, {}).to_bytes()
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(sound)
    assert read_checkpoint(path).epoch == 2
    values, _ = unseal("checkpoint", sound)
    path.write_bytes(seal("checkpoint", {**values, name: value}, {}))
    with pytest.raises(RunError, match=r"checkpoint\.safetensors' (is damaged|has checkpoint ver)"):
        read_checkpoint(path)
    del values[name]
    path.write_bytes(seal("checkpoint", values, {}))
    with pytest.raises(RunError, match="is damaged or no checkpoint"):
        read_checkpoint(path)


@pytest.mark.parametrize("kind", ["missing", "pipe", "folder", "link"])
def test_what_is_no_file_is_no_checkpoint(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        (tmp_path / "sound").write_bytes(Checkpoint({}, 3, epochs(1), 1, {}).to_bytes())
        path.symlink_to(tmp_path / "sound")
    with pytest.raises(RunError, match=r"checkpoint' (cannot be read|is damaged|is a symbolic)"):
        read_checkpoint(path)


def refused(name: str, tensor: torch.Tensor | None) -> str:
    """A checkpoint whose tensor is another one, as the loop takes it."""
    dataset = gslt.load_dataset("debian")
    config = SearchConfig(**SMALL)
    model = gslt.GNN(dataset.num_features, dataset.num_classes, config, get_backend("pyg"))
    gslt.freeze(model, config)
    loop = Loop(dataset, config, 0, model, inputs_of(get_backend("pyg"), dataset))
    loop._update(1, loop._loss(loop._forward(0)))
    loop.history = [Epoch(0, 1, 0.5, 0.9, 0.8, 0.7, 0.01, 0.5, seconds=1)]
    loop.best, loop.best_state = loop.history[0], dict(model.state_dict())
    sound = loop._checkpoint({})
    loop._restore(sound)
    key = next(key for key in sound.tensors if key.startswith(name))
    if tensor is None:
        del sound.tensors[key]
    else:
        sound.tensors[key] = tensor
    with pytest.raises(RunError) as error:
        loop._restore(sound)
    return str(error.value)


@pytest.mark.parametrize("name", ["model/", "best/", "optimizer/0/exp_avg"])
def test_tensors_of_another_model_are_refused(name: str) -> None:
    for tensor in (None, torch.zeros(3), torch.zeros((), dtype=torch.int64)):
        assert "epoch 1 of seed 0 does not fit the model" in refused(name, tensor)
