"""Checkpoints: where a run stands after an epoch, from which it goes on to the identical end."""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from gslt.errors import GsltWarning, RunError
from gslt.files import replacing
from gslt.ticket.container import seal, unseal
from gslt.training.results import Epoch

VERSION = 1
#: Checkpoints that a folder holds at most: the newest one, and one in case that it is damaged.
KEPT = 2


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
        }
        tensors = {name: value.detach().cpu() for name, value in self.tensors.items()}
        return seal("checkpoint", values, tensors)


def read_checkpoint(path: Path) -> Checkpoint:
    """A checkpoint file.

    Raises:
        RunError: if it is damaged, no checkpoint, or of another version.
    """
    try:
        values, tensors = unseal("checkpoint", path.read_bytes())
        if values["version"] != VERSION:
            raise RunError(
                f"{str(path)!r} has checkpoint version {values['version']}; this gslt reads "
                f"version {VERSION}"
            )
        found = Checkpoint(
            identity=dict(values["identity"]),
            seed=int(values["seed"]),
            history=read_history(values["history"], values["seed"]),
            best_epoch=int(values["best_epoch"]),
            tensors=tensors,
        )
        if not 0 <= found.best_epoch <= found.epoch:
            raise ValueError("its best epoch is none of its epochs")
    except (LookupError, TypeError, ValueError) as error:
        raise RunError(f"{str(path)!r} is damaged or no checkpoint: {error}") from error
    return found


def history_rows(history: list[Epoch]) -> list[list[float | None]]:
    """A history as plain values: the fields of each epoch in their order."""
    return [list(dataclasses.astuple(epoch)) for epoch in history]


def read_history(rows: list[list[float | None]], seed: int) -> list[Epoch]:
    """The inverse of :func:`history_rows`.

    Args:
        rows: one per epoch, the fields of :class:`Epoch` in their order.
        seed: whose epochs they should be.

    Raises:
        ValueError: unless these are the epochs 1, 2, … of this seed, of numbers.
    """
    history = []
    for number, row in enumerate(rows, 1):
        values = [value for value in row if value is not None]
        if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
            raise ValueError(f"epoch {number} holds something else than numbers")
        epoch = Epoch(*row)  # type: ignore[arg-type]
        if (epoch.seed, epoch.epoch) != (seed, number):
            raise ValueError(f"epoch {number} of seed {seed} is missing")
        history.append(epoch)
    return history


class Checkpoints:
    """The checkpoints of a run folder.

    Args:
        folder: the run folder.
        identity: what a checkpoint must have been written for.
    """

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        self.folder, self.identity = folder, identity

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, at once or not at all, and remove those that are no longer needed."""
        # Its number, not a time, tells which one is newer: clocks jump.
        name = f"checkpoint-seed{checkpoint.seed}-epoch{checkpoint.epoch:06d}.safetensors"
        with replacing(self.folder / name) as temporary:
            temporary.write_bytes(checkpoint.to_bytes())
        others = [path for path in self._paths() if path not in self._paths(checkpoint.seed)]
        for path in [*others, *self._paths(checkpoint.seed)[:-KEPT]]:
            path.unlink()

    def load(self, seed: int) -> Checkpoint | None:
        """The newest checkpoint of this seed that is sound; None where there is none.

        Raises:
            RunError: if it belongs to another run.
        """
        for path in reversed(self._paths(seed)):
            try:
                found = read_checkpoint(path)
            except RunError as error:
                warnings.warn(f"{error}; it is not used", GsltWarning, stacklevel=2)
                continue
            if found.identity != self.identity or found.seed != seed:
                raise RunError(
                    f"{str(path)!r} belongs to another run: "
                    + differences(found.identity, self.identity)
                )
            return found
        return None

    def clear(self) -> None:
        """Remove all of them."""
        for path in self._paths():
            path.unlink()

    def _paths(self, seed: int | str = "*") -> list[Path]:
        return sorted(self.folder.glob(f"checkpoint-seed{seed}-epoch*.safetensors"))


def differences(there: dict[str, Any], here: dict[str, Any]) -> str:
    """The fields in which two configs differ, as a sentence.

    >>> differences({"lr": 0.1, "seed": 0}, {"lr": 0.2, "seed": 0})
    'lr is 0.1 there and 0.2 here'

    Args:
        there: plain values, as they were stored.
        here: plain values, as they are wanted.
    """
    names = [name for name in {**there, **here} if there.get(name) != here.get(name)]
    return ", ".join(f"{n} is {there.get(n)!r} there and {here.get(n)!r} here" for n in names)
