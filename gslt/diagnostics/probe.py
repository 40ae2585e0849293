"""A probe: how smooth the representations are after every step of every layer of a model."""

from __future__ import annotations

import json
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from typing import Annotated, Any

import torch
from msgspec import Meta
from torch import nn

from gslt.diagnostics.laplacians import Laplacian, laplacian_of
from gslt.diagnostics.steps import Reading, Step, watching
from gslt.diagnostics.topology import as_topology
from gslt.errors import ConfigError, GsltWarning, RunError
from gslt.files import json_values, parse, plain, reading
from gslt.files.log import Log
from gslt.nn.gnn import GNN

#: Name of the file in a run folder.
PROBE = "probe.jsonl"


@dataclass
class Trace:
    """What a probe measured, in the order of the computation."""

    laplacian: Laplacian
    """What the measures took."""
    readings: list[Reading] = field(default_factory=list)
    """Every measurement."""

    def layers(self, call: int = -1) -> list[Reading]:
        """The results of the layers in one call of the model, in order.

        Args:
            call: number of the call; default: the last.
        """
        calls = sorted({reading.call for reading in self.readings})
        if not calls:
            return []
        return [r for r in self.readings if r.call == calls[call] and r.step == "layer"]

    def rows(self) -> list[dict[str, Any]]:
        """Every measurement as a flat row."""
        return [reading.as_dict() for reading in self.readings]


@contextmanager
def probe(
    model: nn.Module,
    graph: Any,
    *,
    laplacian: Laplacian | None = None,
    only: Collection[str] | None = None,
    steps: Collection[Step] | None = None,
    layers: Sequence[str] | None = None,
) -> Iterator[Trace]:
    """Measure every representation that the model computes in this block.

    ::

        with gslt.diagnostics.probe(model, graph) as trace:
            model(x, edge_index)
        trace.layers()

    Seen are results of aggregations, products, norms and activations, and of the layers, wherever
    they are dense with one row per node: those of gslt's layers and of PyG's
    ``MessagePassing`` layers, sums of messages on DGL graphs, and the functions of torch, in place
    or not, inside and outside of the model's modules. What is computed outside of a call of the
    model, before it, after it or by another model, is passed by. What is measured is forgotten at
    once; results, gradients and random numbers of the model are bit for bit those without a probe.

    A layer's own result is what the layer gives; in :class:`gslt.GNN` it is the representation
    after norm, activation and residual connection (for the last layer, what enters the logits).

    Args:
        model: any torch, PyG or DGL model.
        graph: what :func:`gslt.diagnostics.as_topology` takes; of an ``edge_index`` it must be told
            the number of nodes, so hand over ``as_topology(edge_index, num_nodes)``.
        laplacian: see :func:`gslt.diagnostics.measure`. Default: that of the model's propagation
            where it is a :class:`gslt.GNN`, else ``"combinatorial"``.
        only: names of measures, see :func:`gslt.diagnostics.measure`.
        steps: which steps are measured; default all.
        layers: qualified names of the modules that are layers. Default: layers of gslt, PyG and
            DGL.

    Raises:
        GraphError: if the graph cannot be read.
        ConfigError: for a layer that the model does not have.
    """
    topology = as_topology(graph)
    if laplacian is None:
        laplacian = "combinatorial"
        if isinstance(model, GNN):
            laplacian = laplacian_of(model.config.architecture)
    trace = Trace(laplacian)
    with watching(model, topology, laplacian, trace.readings.append, only, steps, layers):
        yield trace


class SearchProbe:
    """Measures the model every few epochs, before the first and after the last; see :func:`probe`.

    Hand it over as ``probe=`` to :func:`gslt.search` or :func:`gslt.train`. It computes one more
    forward pass, in evaluation mode and single precision, and changes nothing: metrics and ticket
    are bit for bit those without it.

    Args:
        graph: that of the search: its data set, or whatever :func:`as_topology` reads.
        every: number of epochs between measurements.
        path: file that gets a JSON object per measurement and line, with null for what is not a
            finite number. What is there of other seeds stays, and of a run that goes on from a
            checkpoint what was measured before; a run that begins measures its seed anew.
        steps: which steps are measured; default all.
        only: names of measures, see :func:`gslt.diagnostics.measure`.

    Raises:
        ConfigError: unless ``every`` is at least 1.
        RunError: if the file holds anything else than measurements.
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
        self.log = None if path is None else Log(path)
        """What the file holds."""
        self.rows: list[dict[str, Any]] = [] if self.log is None else _loaded(self.log)
        """Seed, epoch, layer, module, step, width and measures; epoch 0 is before the first."""

    def begin(self, seed: int, done: int) -> None:
        """Forget what an earlier process measured of epochs that this one runs again.

        Args:
            seed: of the run that begins or goes on.
            done: number of epochs that it has behind it; 0 at its beginning.
        """
        if self.log is not None:
            self.rows = _rows(self.log)
        kept = [bool(done) and row["epoch"] <= done for row in self.rows if row["seed"] == seed]
        if self.log is not None:
            lines = self.log.of(seed).splitlines(keepends=True)
            self.log.put(seed, b"".join(compress(lines, kept)))
            self.log.try_sync()
        rows = list(compress((row for row in self.rows if row["seed"] == seed), kept))
        others = [row for row in self.rows if row["seed"] != seed]
        self.rows = sorted([*others, *rows], key=lambda row: int(row["seed"]))
        self._check_cadence(seed, done, {row["epoch"] for row in rows})

    def _check_cadence(self, seed: int, done: int, there: set[int]) -> None:
        """Say where an earlier process did not measure what this one would have."""
        if done and there != set(range(0, done + 1, self.every)):
            epochs = ", ".join(map(str, sorted(there)[:10])) or "none"
            warnings.warn(
                f"the probe measures every {self.every} epochs of seed {seed} from epoch {done} "
                f"on; of those up to there, it has: {epochs}{', …' if len(there) > 10 else ''}",
                GsltWarning,
                stacklevel=2,
            )

    def __call__(
        self, seed: int, epoch: int, epochs: int, model: GNN, inputs: Sequence[object]
    ) -> None:
        """Measure after an epoch, where it is time.

        Args:
            seed: of the run.
            epoch: number of the epoch, from 1; 0 is before the first.
            epochs: number of the last one.
            model: the network, which is left in the mode that it is in.
            inputs: arguments of its forward pass.
        """
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
        if self.log is not None:
            self.log.append(seed, b"".join(map(_line, new)))
            self.log.try_sync()
            self.log.close()


@dataclass(frozen=True)
class _Place:
    """What every row has beside its measures."""

    seed: Annotated[int, Meta(ge=0)]
    epoch: Annotated[int, Meta(ge=0)]
    layer: Annotated[int, Meta(ge=0)]
    module: str
    step: Step
    width: Annotated[int, Meta(ge=1)]


def _line(row: Mapping[str, Any]) -> bytes:
    return (json.dumps(plain(row), allow_nan=False) + "\n").encode()


def _loaded(log: Log) -> list[dict[str, Any]]:
    """The rows of a log's file.

    Raises:
        RunError: if it holds anything else.
    """
    if strangers := log.load():
        raise RunError(
            f"{str(log.path)!r} holds something else than measurements of a probe "
            f"({strangers[0][:60]!r}), and is not overwritten; choose another path"
        )
    return _rows(log)


def _rows(log: Log) -> list[dict[str, Any]]:
    cure = "choose another path"
    with reading(log.path, what="a file of a probe", cure=cure):
        return [_row(line) for line in log.lines()]


def _row(line: bytes) -> dict[str, Any]:
    """One row, parsed.

    Raises:
        ValueError: if it is none.
    """
    row = parse(dict[str, int | float | str | bool | None], json_values(line))
    parse(_Place, row)
    return row
