"""Runs of MLflow."""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gslt.config import RunConfig
from gslt.environment import import_quietly, quiet
from gslt.errors import ConfigError, GsltWarning, MissingPackageError
from gslt.files.folder import TICKET
from gslt.loggers.common import Logger, SeedLog, Status, figures, scalars
from gslt.ticket.ticket import Ticket
from gslt.training.results import Epoch, Run
from gslt.version import __version__

#: Tag of a run that tells which search or training, and which seed, it is of.
_KEY = "gslt.key"
#: Seconds between two messages to the store.
_EVERY = 1.0
#: Values in a message; MLflow takes a thousand at most.
_MOST = 1000


class MLflowLogger(Logger):
    """Runs of MLflow, each with its ticket as the artifact ``ticket.safetensors``.

    An epoch is sent once: one that is reported again, because a run went on from a checkpoint
    before it, is left out, and what was sent first stands. When the store does not answer, a
    warning says so, the run goes on, and what was not sent is sent with what comes next.

    Args:
        experiment: its name; it is made where it is not there.
        tracking_uri: where MLflow keeps its runs, such as ``sqlite:///mlflow.db`` or
            ``http://host:5000``. Default: what MLflow is set to (``MLFLOW_TRACKING_URI``).
        name: of this very search or training, such as its run folder; its runs that did not finish
            are gone on with. Default: every logger begins new runs, and :meth:`result` sends the
            epochs that it did not see.
        key: what tells it from others that have or had its name, such as :attr:`RunFolder.key`.
            Default: the name.
        config: logged when a seed begins. Default: of the result, in the end.
        dataset: name of the data set, logged with the config.

    Raises:
        MissingPackageError: if mlflow, or what its local store needs, is not installed.
        ConfigError: if the store cannot be opened.
    """

    def __init__(
        self,
        experiment: str = "gslt",
        tracking_uri: str | None = None,
        *,
        name: str = "",
        key: str = "",
        config: RunConfig | None = None,
        dataset: str = "",
    ) -> None:
        super().__init__(config, dataset)
        self.name, self.key = name.replace('"', "'"), key.replace('"', "'")
        self._client, self._experiment = _open_store(experiment, tracking_uri)

    def _open(self, seed: int, first: int | None) -> SeedLog:
        return _Tracked(self._client, lambda: self._run(seed, first))

    def _run(self, seed: int, first: int | None) -> str:
        """Identifier of the MLflow run of a seed, which is made unless it is there."""
        name = f"{self.name} seed {seed}".strip()
        found = []
        key = f"{self.key} seed {seed}"
        if self.key or self.name:
            tagged = f'tags."{_KEY}" = "{key}"'
            found = self._client.search_runs(
                [self._experiment],
                tagged if self.key else f'attributes.run_name = "{name}"',
                max_results=1,
                order_by=["attributes.start_time DESC"],
            )
        if found and (first is None or found[0].info.status != "FINISHED"):
            if first is not None:
                self._client.update_run(found[0].info.run_id, status="RUNNING")
            return str(found[0].info.run_id)
        tags = {"gslt.version": __version__, **({_KEY: key} if self.key else {})}
        return str(self._client.create_run(self._experiment, tags=tags, run_name=name).info.run_id)


def _open_store(experiment: str, uri: str | None) -> tuple[Any, str]:
    """MLflow's client of a store, and the identifier of an experiment in it."""
    if find_spec("mlflow") is None:
        raise MissingPackageError("mlflow", "logging to MLflow", "mlflow")
    # It reports its use to its makers unless told not to.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        with quiet():
            client = import_quietly("mlflow").MlflowClient(uri)
            found = client.get_experiment_by_name(experiment)
            return client, found.experiment_id if found else client.create_experiment(experiment)
    except ImportError as error:
        raise MissingPackageError(str(error.name), "MLflow's local store", "mlflow") from error
    except Exception as error:  # Whatever the store raises: MLflow wraps some of it.
        why = str(error).partition("\n")[0]
        raise ConfigError(f"MLflow cannot log to {uri or 'its store'}: {why}") from error


class _Tracked:
    """One MLflow run, and what waits to be sent to it."""

    def __init__(self, client: Any, find: Callable[[], str]) -> None:
        self.client, self.find = client, find
        self.run_id = ""
        """Empty until the store has answered."""
        self.there: set[tuple[str, int]] = set()
        """Name and epoch of what an earlier process sent; a kill may have cut off one message."""
        self.ended = False
        """Whether an earlier process sent everything."""
        self.seen: set[int] = set()
        self.values: list[tuple[str, float, int, int]] = []
        self.params: dict[str, Any] = {}
        self.ticket: Ticket | None = None
        self.last = 0.0
        self.warned = False

    def describe(self, values: dict[str, Any]) -> None:
        self.params = values
        self._send()

    def epoch(self, epoch: Epoch) -> None:
        self._add(epoch)
        if time.perf_counter() - self.last >= _EVERY:
            self._send()

    def finish(self, run: Run) -> None:
        for epoch in run.history:
            self._add(epoch)
        now = int(1000 * time.time())
        self.values += [(name, v, now, run.best_epoch) for name, v in figures(run).items()]
        self.ticket = run.ticket
        self._send()

    def close(self, status: Status) -> None:
        self._send(status)
        if self.warned:
            warnings.warn("MLflow did not get everything", GsltWarning, stacklevel=3)

    def _add(self, epoch: Epoch) -> None:
        if epoch.epoch not in self.seen:
            self.seen.add(epoch.epoch)
            now = int(1000 * time.time())
            self.values += [(name, v, now, epoch.epoch) for name, v in scalars(epoch).items()]

    def _send(self, status: Status | None = None) -> None:
        """Send what waits; where that fails it goes on waiting."""
        self.last = time.perf_counter()
        try:
            with quiet():
                self._send_all(status)
            self.warned = False
        except (
            Exception
        ) as error:  # Whatever the store raises: a search is worth more than its log.
            if not self.warned:
                why = str(error).partition("\n")[0]
                warnings.warn(f"MLflow does not answer ({why})", GsltWarning, stacklevel=4)
            self.warned = True

    def _send_all(self, status: Status | None) -> None:
        entities = import_quietly("mlflow.entities")
        if not self.run_id:
            run_id = self.find()
            found = self.client.get_run(run_id)
            history = self.client.get_metric_history
            self.there = {(n, each.step) for n in found.data.metrics for each in history(run_id, n)}
            self.ended = found.info.status == "FINISHED"
            self.run_id = run_id
        if self.params:
            # A parameter is set once.
            there = self.client.get_run(self.run_id).data.params
            new = [entities.Param(n, str(v)) for n, v in self.params.items() if n not in there]
            self.client.log_batch(self.run_id, params=new)
            self.params = {}
        while self.values:
            part = [
                entities.Metric(*value)
                for value in self.values[:_MOST]
                if (value[0], value[3]) not in self.there
            ]
            self.client.log_batch(self.run_id, metrics=part)
            del self.values[:_MOST]
        if self.ticket is not None and not self.ended:
            with tempfile.TemporaryDirectory(prefix="gslt-") as folder:
                self.ticket.save(Path(folder) / TICKET)
                self.client.log_artifact(self.run_id, str(Path(folder) / TICKET))
            self.ticket = None
        if status is not None and not self.ended:
            self.client.set_terminated(self.run_id, status)
