"""A probe: how smooth the representations are after every step of every layer of a model."""

from __future__ import annotations

import json
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import count, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from msgspec import Meta
from torch import nn

from gslt.diagnostics.labels import Labels
from gslt.diagnostics.laplacians import LAPLACIANS, Laplacian
from gslt.diagnostics.propagation import propagation_of, say_unlike, saying_weights
from gslt.diagnostics.steps import Step, check_asked, watching
from gslt.diagnostics.topology import as_topology, is_a
from gslt.diagnostics.trace import Trace
from gslt.errors import ConfigError, GsltWarning, RunError
from gslt.files import json_values, parse, plain, reading
from gslt.files.log import Log
from gslt.masking.weights import unwrapped
from gslt.settings import check_choice

if TYPE_CHECKING:
    from gslt.data import NodeDataset

#: Name of the file in a run folder.
PROBE = "probe.jsonl"


@contextmanager
def probe(
    model: nn.Module,
    graph: Any,
    *,
    laplacian: Laplacian | None = None,
    only: Collection[str] | None = None,
    steps: Collection[Step] | None = None,
    layers: Sequence[str] | None = None,
    labels: Labels | None = None,
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
        model: any torch, PyG or DGL model. One that ``torch.compile`` has made is run as it is
            written.
        graph: what :func:`gslt.diagnostics.as_topology` takes; of an ``edge_index`` it must be told
            the number of nodes, so hand over ``as_topology(edge_index, num_nodes)``.
        laplacian: see :func:`gslt.diagnostics.measure`. Default: that of the model's propagation,
            see :func:`gslt.diagnostics.laplacian_of`; edges without a reverse or listed twice, and
            weights that a layer is given, which a simple undirected graph has not, are then a
            :class:`gslt.errors.GsltWarning`.
        only: names of measures, see :func:`gslt.diagnostics.measure`.
        steps: which steps are measured; default all.
        layers: qualified names of the modules that are layers. Default: layers of gslt, PyG and
            DGL.
        labels: see :func:`gslt.diagnostics.measure`.

    Raises:
        GraphError: if the graph cannot be read.
        DataError: if the labels are none, or not one for every node.
        ConfigError: for a layer that the model does not have or that lies within another one, a
            step, measure or Laplacian that there is not, a model that ``torch.jit`` has compiled,
            or if no Laplacian is given and none can be told from the model's layers.

    A :class:`gslt.errors.GsltWarning` says where the model was called and nothing measured.
    """
    model = unwrapped(model)
    if laplacian is not None:
        check_choice("laplacian", laplacian, LAPLACIANS)
    topology, labels = as_topology(graph), Labels.of(graph, labels)
    if labels is not None:
        labels.check(topology.num_nodes)
    trace = Trace(laplacian or "combinatorial", model=type(model).__name__)
    with ExitStack() as stack:
        if laplacian is None:
            found = propagation_of(model, topology)
            say_unlike(found, topology)
            trace.laplacian, trace.propagation = found.laplacian, found.layers
            stack.enter_context(saying_weights(model, found))
        take = trace.readings.append
        stack.enter_context(
            watching(model, topology, trace.laplacian, take, only, steps, layers, labels)
        )
        yield trace


#: Number of epochs that ``every="log"`` measures, and the best one.
LOG_EPOCHS = 20


@lru_cache
def log_epochs(epochs: int, number: int = LOG_EPOCHS) -> tuple[int, ...]:
    """So many epochs at about equal distances on a logarithmic axis; all where there are not more.

    The first and the last are among them.

    Args:
        epochs: number of the last one.
        number: how many, at least 2; close to the first epoch there may be one more.

    >>> log_epochs(100, 5)
    (1, 3, 10, 32, 100)
    >>> log_epochs(3)
    (1, 2, 3)
    """
    if epochs <= number:
        return tuple(range(1, epochs + 1))
    for points in count(number):
        found = {round(epochs ** (step / (points - 1))) for step in range(points)}
        if len(found) >= number:
            return tuple(sorted(found))
    raise AssertionError("every epoch is found in the end")


class SearchProbe:
    """Measures the model every few epochs, before the first and after the last; see :func:`probe`.

    Where it is given the data set, a row also has what there is to say of the network of its epoch:
    ``train_accuracy``, ``val_accuracy``, ``test_accuracy`` (fractions), ``train_loss``,
    ``val_loss``, ``test_loss`` (nats); and ``best_epoch``, that of the best validation accuracy so
    far, 0 for none yet: in the rows of the last epoch it is that of the run. With ``"log"`` the
    best epoch is measured too, once it is known: where it is none of the others, its rows stand
    behind those of the last one.

    Hand it over as ``probe=`` to :func:`gslt.search` or :func:`gslt.train`. It computes one more
    forward pass, in evaluation mode and single precision, and changes nothing: metrics and ticket
    are bit for bit those without it.

    Args:
        graph: that of the search: its data set, or whatever :func:`as_topology` reads.
        every: number of epochs between measurements, or ``"log"``: at about 20 epochs, see
            :func:`log_epochs`, and at the best one.
        path: file that gets a JSON object per measurement and line, with null for what is not a
            finite number. What is there of other seeds stays, and of a run that goes on from a
            checkpoint what was measured before; a run that begins measures its seed anew.
        steps: which steps are measured; default all.
        only: names of measures, see :func:`gslt.diagnostics.measure`.

    Raises:
        ConfigError: unless ``every`` is at least 1, or ``"log"``; for a set of images, or a step
            or measure that there is not.
        RunError: if the file holds anything else than measurements.
    """

    def __init__(
        self,
        graph: Any,
        every: int | Literal["log"],
        path: str | Path | None = None,
        *,
        steps: Collection[Step] | None = None,
        only: Collection[str] | None = None,
    ) -> None:
        if every != "log" and (not isinstance(every, int) or every < 1):
            raise ConfigError(f"probe_every must be at least 1, or log, got {every}")
        check_asked(steps, only)
        if is_a(graph, "gslt.data.images", "ImageDataset"):
            raise ConfigError(
                f"over-smoothing is measured on a graph, and {graph.name} is a set of images; "
                "leave the probe out"
            )
        is_dataset = is_a(graph, "gslt.data.dataset", "NodeDataset")
        self.dataset: NodeDataset | None = graph if is_dataset else None
        self.topology, self.labels = as_topology(graph), Labels.of(graph)
        self.every, self.steps, self.only = every, steps, only
        self.log = None if path is None else Log(path)
        """What the file holds."""
        self.rows: list[dict[str, Any]] = [] if self.log is None else _loaded(self.log)
        """Seed, epoch, layer, module, step, width and measures; epoch 0 is before the first."""

    def begin(self, seed: int, done: int, epochs: int) -> None:
        """Forget what an earlier process measured of epochs that this one runs again.

        Args:
            seed: of the run that begins or goes on.
            done: number of epochs that it has behind it; 0 at its beginning.
            epochs: number of the last one.
        """
        if self.log is not None:
            self.rows = _rows(self.log)
        mine = [row for row in self.rows if row["seed"] == seed]
        # Behind the rows of the last epoch there may be those of the best one.
        rows = list(takewhile(lambda row: row["epoch"] <= done, mine)) if done else []
        if self.log is not None:
            lines = self.log.of(seed).splitlines(keepends=True)
            self.log.put(seed, b"".join(lines[: len(rows)]))
            self.log.try_sync()
        others = [row for row in self.rows if row["seed"] != seed]
        self.rows = sorted([*others, *rows], key=lambda row: int(row["seed"]))
        due = {epoch for epoch in range(done + 1) if self._is_due(epoch, epochs)}
        self._check_cadence(seed, done, {row["epoch"] for row in rows}, due)

    def _check_cadence(self, seed: int, done: int, there: set[int], due: set[int]) -> None:
        """Say where an earlier process did not measure what this one would have."""
        if done and there != due:
            which = "log-spaced" if self.every == "log" else f"every {self.every}"
            epochs = ", ".join(map(str, sorted(there)[:10])) or "none"
            warnings.warn(
                f"the probe measures {which} epochs of seed {seed} from epoch {done} "
                f"on; of those up to there, it has: {epochs}{', …' if len(there) > 10 else ''}",
                GsltWarning,
                stacklevel=2,
            )

    def _is_due(self, epoch: int, epochs: int) -> bool:
        if self.every == "log":
            return not epoch or epoch in log_epochs(epochs)
        return not epoch % self.every or epoch == epochs

    def of(self, seed: int) -> list[dict[str, Any]]:
        """The rows of a seed, in the order in which they were measured.

        Args:
            seed: of a run; one that an earlier process finished has its rows in the file.
        """
        rows = self.rows if self.log is None else _rows(self.log)
        return [row for row in rows if row["seed"] == seed]

    def __call__(
        self,
        seed: int,
        epoch: int,
        epochs: int,
        model: nn.Module,
        inputs: Sequence[object],
        best_epoch: int = 0,
    ) -> None:
        """Measure after an epoch, where it is time.

        Args:
            seed: of the run.
            epoch: number of the epoch, from 1; 0 is before the first.
            epochs: number of the last one, as far as that is known; ``epoch`` if it is that.
            model: the network, which is left in the mode that it is in.
            inputs: arguments of its forward pass.
            best_epoch: of best validation accuracy so far; 0 for none yet.
        """
        if self._is_due(epoch, epochs):
            self._measure(seed, epoch, model, inputs, best_epoch)

    def end(
        self, seed: int, best_epoch: int, epochs: int, model: nn.Module, inputs: Sequence[object]
    ) -> None:
        """Measure the best epoch after the last, where that was not done on the way.

        It is once a run, of the network that is kept, so that it is the same for a run that was
        interrupted; and one measurement more, where measuring every new best would be many.

        Args:
            seed: of the run.
            best_epoch: of best validation accuracy.
            epochs: number of the last one, had the run not ended before.
            model: the network of the best epoch, which is left in the mode that it is in.
            inputs: arguments of its forward pass.
        """
        if self.every == "log" and not self._is_due(best_epoch, epochs):
            self._measure(seed, best_epoch, model, inputs, best_epoch)

    def _measure(
        self, seed: int, epoch: int, model: nn.Module, inputs: Sequence[object], best_epoch: int
    ) -> None:
        was_training = model.training
        model.eval()
        with (
            torch.no_grad(),
            probe(
                model, self.topology, only=self.only, steps=self.steps, labels=self.labels
            ) as trace,
        ):
            logits = model(*inputs)
        model.train(was_training)
        place: dict[str, Any] = {"seed": seed, "epoch": epoch}
        if self.dataset is not None:
            found = self.dataset.accuracy_and_loss(logits.to(self.dataset.y.device))
            place |= {"best_epoch": best_epoch, **found}
        new = [{**place, **row} for row in trace.rows()]
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
