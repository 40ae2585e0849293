"""Smoothness along a search or a training."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from gslt.diagnostics.graphs import as_topology
from gslt.diagnostics.probe import Step, probe
from gslt.errors import ConfigError
from gslt.files import plain, write_text
from gslt.nn.gnn import GNN

#: Name of the file in a run folder.
PROBE = "probe.jsonl"


class SearchProbe:
    """Measures the model every few epochs, before the first and after the last; see :func:`probe`.

    Hand it over as ``probe=`` to :func:`gslt.search` or :func:`gslt.train`. It computes one more
    forward pass, in evaluation mode and single precision, and changes nothing: metrics and ticket
    are bit for bit those without it.

    Args:
        graph: that of the search: its data set, or whatever :func:`as_topology` reads.
        every: number of epochs between measurements.
        path: file that gets a JSON object per measurement and line, with null for what is not a
            finite number; those of a run that goes on stay there.
        steps: which steps are measured; default all.
        only: names of measures, see :func:`gslt.diagnostics.measure`.

    Raises:
        ConfigError: unless ``every`` is at least 1.
    """

    def __init__(
        self,
        graph: Any,
        every: int,
        path: str | Path | None = None,
        *,
        steps: Collection[Step] | None = None,
        only: Collection[str] | None = None,
    ) -> None:
        if every < 1:
            raise ConfigError(f"probe_every must be at least 1, got {every}")
        self.topology = as_topology(graph)
        self.every, self.steps, self.only = every, steps, only
        self.path = None if path is None else Path(path)
        self.rows: list[dict[str, Any]] = []
        """Seed, epoch, layer, module, step, width and measures; epoch 0 is before the first."""

    def begin(self, seed: int, done: int) -> None:
        """A seed's run begins, or goes on after ``done`` epochs."""
        if self.path is not None:
            self.rows = list(_read(self.path)) if self.path.exists() else []
        self.rows = [row for row in self.rows if row["seed"] != seed or row["epoch"] <= done]
        if self.path is not None:
            write_text(self.path, "".join(map(_line, self.rows)))

    def __call__(
        self, seed: int, epoch: int, epochs: int, model: GNN, inputs: Sequence[object]
    ) -> None:
        """Measure after an epoch, where it is time."""
        if epoch % self.every and epoch != epochs:
            return
        was_training = model.training
        model.eval()
        with (
            torch.no_grad(),
            probe(model, self.topology, only=self.only, steps=self.steps) as trace,
        ):
            model(*inputs)
        model.train(was_training)
        new = [{"seed": seed, "epoch": epoch, **row} for row in trace.rows()]
        for row in new:
            del row["call"]
        self.rows += new
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.writelines(map(_line, new))


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(plain(row), allow_nan=False) + "\n"


def _read(path: Path) -> list[dict[str, Any]]:
    """The lines of an earlier process; a torn last one is left out."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows
