"""The folder of a run: resolved config, environment, metrics, ticket or weights, summary."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from itertools import chain, count
from pathlib import Path
from types import TracebackType
from typing import TextIO

import safetensors.torch
import yaml
from typing_extensions import Self

from gslt.config import RunConfig
from gslt.environment import environment
from gslt.errors import ConfigError
from gslt.files import replacing, write_json, write_text
from gslt.results import Epoch, Result, Run

CONFIG = "config.yaml"
ENVIRONMENT = "environment.json"
METRICS = "metrics.jsonl"
SUMMARY = "summary.json"
TICKET = "ticket.safetensors"
WEIGHTS = "weights.safetensors"


def default_folder(kind: str, dataset: str) -> Path:
    """``runs/<time>-<kind>-<dataset>``."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    folder = Path("runs") / f"{stamp}-{kind}-{Path(dataset).stem}"
    # Two runs may start within the same second.
    others = (folder.with_name(f"{folder.name}-{number}") for number in count(2))
    return next(path for path in chain([folder], others) if not path.exists())


class RunFolder:
    """Writes the folder of one command while it runs; use it as a context manager.

    Args:
        path: the folder; it must be empty or not there yet.
        options: the command's own options (dataset and so on), by name.
        config: the resolved config.

    Raises:
        ConfigError: if the folder holds anything, so that no run is ever overwritten.
    """

    def __init__(self, path: Path, options: dict[str, object], config: RunConfig) -> None:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise ConfigError(f"{str(path)!r} is not empty; choose another --out or remove it")
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        resolved = {**options, **dataclasses.asdict(config)}
        write_text(path / CONFIG, yaml.safe_dump(resolved, sort_keys=False))
        write_json(path / ENVIRONMENT, environment())
        self._metrics: TextIO = (path / METRICS).open("a", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._metrics.close()

    def on_epoch(self, epoch: Epoch) -> None:
        """Append one epoch to the metrics, one JSON object per line."""
        self._metrics.write(json.dumps(dataclasses.asdict(epoch)) + "\n")
        self._metrics.flush()

    def finish(self, result: Result) -> dict[str, object]:
        """Write tickets or weights and the summary; returns the summary."""
        for run in result.runs:
            if len(result.runs) > 1:
                self._write_state(run, f"-seed{run.seed}")
        self._write_state(result.best, "")
        values = summary(result)
        write_json(self.path / SUMMARY, values)
        return values

    def _write_state(self, run: Run, suffix: str) -> None:
        if run.ticket is not None:
            run.ticket.save(self._named(TICKET, suffix))
            return
        with replacing(self._named(WEIGHTS, suffix)) as temporary:
            safetensors.torch.save_file(run.model.state_dict(), temporary)

    def _named(self, name: str, suffix: str) -> Path:
        stem, extension = name.split(".")
        return self.path / f"{stem}{suffix}.{extension}"


def summary(result: Result) -> dict[str, object]:
    """What a run found, as plain values; accuracies are fractions."""
    best = result.best
    num_weights = sum(p.numel() for p in best.model.parameters())
    size = best.ticket.size().as_dict() if best.ticket else {"total": num_weights}
    return {
        "dataset": result.dataset,
        "test_accuracy": result.test_accuracy,
        "test_std": _finite(result.test_std),
        "val_accuracy": result.val_accuracy,
        "val_std": _finite(result.val_std),
        "runs": [
            {
                "seed": run.seed,
                "best_epoch": run.best_epoch,
                "train_accuracy": run.train_accuracy,
                "val_accuracy": run.val_accuracy,
                "test_accuracy": run.test_accuracy,
                "seconds": run.seconds,
            }
            for run in result.runs
        ],
        "size": size,
    }


def _finite(value: float) -> float | None:
    return None if math.isnan(value) else value
