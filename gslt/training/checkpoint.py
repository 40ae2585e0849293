"""Checkpoints: where a run stands after an epoch, from which it goes on to the identical end."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta
from torch import Tensor

from gslt.data.metrics import ACCURACY, METRICS
from gslt.errors import GsltError, GsltWarning, RunError, differences
from gslt.files import OutputFolder, parse, read_bytes, reading
from gslt.files.container import seal, unseal
from gslt.files.log import Mark, check_no_link
from gslt.training.results import Epoch

VERSION = 2

Count = Annotated[int, Meta(ge=0)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
NotNegative = Annotated[float, Meta(ge=0)]
#: The fields of an :class:`Epoch` in their order, as a checkpoint has them: all but the metric,
#: which its identity has where it is not accuracy.
EpochRow = tuple[
    Count, Count, float, Fraction, Fraction, Fraction, NotNegative, Fraction | None, NotNegative
]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """State of one run after an epoch. Random weights are not in it: the seed regenerates them.

    Nor is the schedule: learning rate and sparsity follow from config and epoch.
    """

    identity: dict[str, Any]
    """The resolved config, and the counts of the data set."""
    seed: int
    history: list[Epoch]
    best_epoch: int
    """Epoch whose state is the result so far; 0 where there is none yet."""
    tensors: dict[str, Tensor]
    """``model/…``: parameters; ``best/…``: those of the best epoch; ``optimizer/…``: moments."""
    logs: dict[str, Mark] = field(default_factory=dict)
    """How far the logs were that do not follow from the history, by name."""

    @property
    def epoch(self) -> int:
        """The last finished epoch."""
        return len(self.history)

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors of one kind, by their name within it."""
        start = f"{name}/"
        return {k.removeprefix(start): v for k, v in self.tensors.items() if k.startswith(start)}

    def to_bytes(self) -> bytes:
        """The content of the checkpoint file."""
        values = {
            "version": VERSION,
            "identity": self.identity,
            "seed": self.seed,
            "best_epoch": self.best_epoch,
            "history": history_rows(self.history),
            "logs": {name: dataclasses.asdict(mark) for name, mark in self.logs.items()},
        }
        tensors = {name: value.detach().cpu() for name, value in self.tensors.items()}
        return seal("checkpoint", values, tensors)


@dataclass(frozen=True)
class _Values:
    """What a checkpoint file says beside its tensors."""

    identity: dict[str, Any]
    seed: Count
    best_epoch: Count
    history: list[EpochRow]
    logs: dict[str, Mark]


def read_checkpoint(path: Path) -> Checkpoint:
    """A checkpoint file.

    Raises:
        RunError: if it is damaged, no checkpoint, or of another version.
    """
    with reading(path, what="a checkpoint"):
        check_no_link(path)
        values, tensors = unseal("checkpoint", read_bytes(path))
        version = parse(int, values["version"])
        if version != VERSION:
            raise RunError(
                f"{str(path)!r} has checkpoint version {version}; this gslt reads version {VERSION}"
            )
        found = parse(_Values, values)
        history = read_history(found.history, found.seed, metric_of(found.identity))
        if found.best_epoch > len(history):
            raise ValueError("its best epoch is none of its epochs")
        return Checkpoint(
            found.identity, found.seed, history, found.best_epoch, tensors, found.logs
        )


def history_rows(history: list[Epoch]) -> list[EpochRow]:
    """A history as plain values: the fields of each epoch in their order."""
    return [dataclasses.astuple(epoch)[:-1] for epoch in history]


def metric_of(identity: Mapping[str, Any]) -> str:
    """The metric of a run by its identity, which says it where it is not accuracy.

    Raises:
        ValueError: if this gslt knows none of this name.
    """
    metric = identity.get("metric", ACCURACY)
    if metric not in METRICS:
        raise ValueError(f"there is no metric {metric!r}")
    return str(metric)


def read_history(rows: list[EpochRow], seed: int, metric: str = ACCURACY) -> list[Epoch]:
    """The inverse of :func:`history_rows`.

    Args:
        rows: one per epoch, the fields of :class:`Epoch` in their order, parsed.
        seed: whose epochs they should be.
        metric: what their scores are.

    Raises:
        ValueError: unless these are the epochs 1, 2, … of this seed, of finite numbers.
    """
    history = []
    for number, row in enumerate(rows, 1):
        epoch = Epoch(*row, metric=metric)
        if (epoch.seed, epoch.epoch) != (seed, number):
            raise ValueError(f"epoch {number} of seed {seed} is missing")
        if not all(math.isfinite(value) for value in row if value is not None):
            raise ValueError(f"epoch {number} has a number that is not finite")
        history.append(epoch)
    return history


def file_names(seed: int) -> tuple[str, str]:
    """Names of the checkpoints of a seed: the newest, and the one before in case of damage."""
    return f"checkpoint-seed{seed}.safetensors", f"checkpoint-seed{seed}-previous.safetensors"


class Checkpoints:
    """The checkpoints of a run folder: two of a seed, so that nothing grows with the run.

    Args:
        files: the run folder.
        identity: what a checkpoint must have been written for.
    """

    def __init__(self, files: OutputFolder, identity: dict[str, Any]) -> None:
        self.files, self.identity = files, identity

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, at once or not at all; the newest so far becomes the previous one.

        Raises:
            OSError: if the disk is full; the newest so far is still there.
        """
        newest, previous = file_names(checkpoint.seed)
        for name in (newest, previous):
            self.files.register(name)
        path = self.files.path / newest
        data = checkpoint.to_bytes()
        if path.exists():
            path.replace(self.files.path / previous)
        self.files.write_bytes(newest, data, grows=True)

    def load(self, seed: int) -> Iterator[Checkpoint]:
        """The sound checkpoints of this seed, the newest first; of others a warning says why not.

        Raises:
            RunError: if one belongs to another run.
        """
        for name in file_names(seed):
            path = self.files.path / name
            if not (path.exists() or path.is_symlink()):
                continue
            try:
                found = read_checkpoint(path)
            except GsltError as error:
                warnings.warn(f"{error}; it is not used", GsltWarning, stacklevel=2)
                continue
            if found.identity != self.identity or found.seed != seed:
                raise RunError(
                    f"{str(path)!r} belongs to another run: "
                    + differences(
                        {**found.identity, "seed of the run": found.seed},
                        {**self.identity, "seed of the run": seed},
                    )
                )
            yield found

    def clear(self, seed: int) -> None:
        """Remove those of a seed.

        Raises:
            OSError: if they cannot be removed.
        """
        for name in file_names(seed):
            self.files.remove(name)
