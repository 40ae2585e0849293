"""Runs that are killed and go on, in one process."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any, Literal

import gslt
from gslt.config import RunConfig, SearchConfig
from gslt.diagnostics import SearchProbe
from gslt.training.results import Epoch
from gslt.training.run_folder import RunFolder

SMALL: dict[str, Any] = {"num_layers": 2, "hidden_channels": 8, "epochs": 6, "lr": 0.1}

#: Files that tell of time and place (finished records hold seconds); the others never differ.
OWN = ("timing.jsonl", "environment.json", ".gslt", "finished")


class Crash(BaseException):
    """The end of a process, as far as one process can play it."""


def full_disk(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def run(
    path: Path,
    dataset: gslt.NodeDataset,
    config: RunConfig,
    crash: int | None = None,
    seconds: float = 0.0,
    probe_every: int | Literal["log"] | None = None,
) -> gslt.training.results.Result:
    """A run in a folder that ends after as many epochs as ``crash``, counted over all seeds."""
    seen: list[object] = []

    def on_epoch(epoch: Epoch) -> None:
        assert len(list(path.glob(f"checkpoint-seed{epoch.seed}*"))) <= 2
        seen.append(epoch)
        if len(seen) == crash:
            raise Crash

    action: Any = gslt.search if isinstance(config, SearchConfig) else gslt.train
    with RunFolder(path, config, checkpoint_seconds=seconds) as folder:
        watch = None if folder.finished else on_epoch
        probe = probe_every and SearchProbe(dataset, probe_every, path / "probe.jsonl")
        result: gslt.training.results.Result = action(
            dataset, config, progress=False, on_epoch=watch, folder=folder, probe=probe
        )
    return result


def contents(path: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in path.iterdir() if not p.name.startswith(OWN)}
