"""Runs on a Ray cluster: on many machines, with fractions of their GPUs."""

from __future__ import annotations

import math
import os
import signal
import socket
import threading
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from gslt.environment import import_quietly, quiet
from gslt.errors import ConfigError, GsltWarning, MissingPackageError
from gslt.studies.execute import (
    FAILURES,
    LOOK_SECONDS,
    TRIES,
    OnEpochs,
    RunEnd,
    cause,
    data_of,
)
from gslt.studies.ray_node import compute_on_node, counter_class, packed
from gslt.studies.records import StudyFolder
from gslt.studies.runs import Record
from gslt.studies.study import RunSpec
from gslt.training.places import in_use
from gslt.training.run_folder import receive
from gslt.training.signals import Request, stop_requests

#: Seconds that runs have to end when they are given up.
_END_SECONDS = 10.0


@dataclass(frozen=True)
class OnRay:
    """On the nodes of a Ray cluster, which need this gslt and its packages and no common disk.

    This process alone reads data sets and writes results: a data set goes into the cluster's object
    store once, and a run, computed in a temporary folder of its node, sends back its record and its
    files. A run whose worker process or node dies is begun again from its first epoch, up to three
    times. After a request to stop the runs under way are given up; a second start of the study
    computes them.

    Raises:
        ConfigError: for resources that no run could use.
    """

    folder: StudyFolder
    """Where run folders go, on this machine."""
    dataset_dir: str | None = None
    """Folder of the data sets. Default: see :func:`gslt.load_dataset`."""
    device: str = "cpu"
    """``cpu`` or ``cuda``: which GPU it is, Ray decides."""
    address: str | None = None
    """Such as ``auto``, ``host:6379`` or ``ray://host:10001``. Default: what the environment
    variable ``RAY_ADDRESS`` says, else a new cluster of this machine alone."""
    cpus_per_run: float = 1.0
    """CPU cores of a run, which has as many threads, and one at least."""
    gpus_per_run: float = 0.0
    """Share of a GPU of a run: 0.25 puts four runs on each. It divides no memory."""

    def __post_init__(self) -> None:
        for name in ("cpus_per_run", "gpus_per_run"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"{name} must be a number that is not negative, got {value}")
        if self.device not in ("cpu", "cuda"):
            raise ConfigError(
                f"device must be cpu or cuda on Ray, which chooses the GPUs; got {self.device!r}"
            )
        if self.device == "cpu" and self.gpus_per_run:
            raise ConfigError("gpus_per_run would be reserved and not used; choose --device cuda")
        if self.device == "cuda" and not 0 < self.gpus_per_run <= 1:
            raise ConfigError(
                f"a run on device cuda takes up to one GPU; gpus_per_run must lie in (0, 1], got "
                f"{self.gpus_per_run:g}"
            )
        if not self.cpus_per_run and not self.gpus_per_run:
            raise ConfigError("cpus_per_run must be above 0, or all runs would begin at once")

    def execute(self, specs: Sequence[RunSpec], on_epochs: OnEpochs) -> Iterator[RunEnd]:
        """See :class:`gslt.studies.execute.Executor`.

        Args:
            specs: the runs.
            on_epochs: called with the epochs that the cluster has told.

        Raises:
            MissingPackageError: if ray is not installed.
            ConfigError: if there is no cluster at the address, or this machine cannot hold a run.
        """
        with _cluster(self.address) as (ray, own), stop_requests() as stop:
            self._check_room(ray, own)
            yield from _Driver(self, on_epochs, stop, ray).ends(specs)

    def _check_room(self, ray: Any, own: bool) -> None:
        """Refuse runs, or warn of them, that no node of the cluster can hold."""
        needed = {"CPU": self.cpus_per_run, "GPU": self.gpus_per_run}
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if any(all(node.get(name, 0) >= n for name, n in needed.items()) for node in nodes):
            return
        text = (
            f"a run asks for {self.cpus_per_run:g} CPUs and {self.gpus_per_run:g} GPUs, and no "
            "node of the Ray cluster has as much"
        )
        if own:
            raise ConfigError(f"{text}; lower --cpus_per_run or --gpus_per_run")
        # A cluster may grow by itself.
        warnings.warn(f"{text}; the runs wait for one", GsltWarning, stacklevel=3)


@dataclass
class _Driver:
    """The runs that are on the cluster, as this process knows them."""

    options: OnRay
    on_epochs: OnEpochs
    stop: Request
    ray: Any
    under_way: dict[Any, RunSpec] = field(default_factory=dict)
    """Runs by the reference of what they will send back."""
    data: dict[tuple[bool, str, int], Any] = field(default_factory=dict)
    """References of the data sets in the object store."""
    tries: Counter[str] = field(default_factory=Counter)
    epochs: dict[str, int] = field(default_factory=dict)
    """How many epochs of each run were passed on."""

    def __post_init__(self) -> None:
        options, remote = self.options, self.ray.remote
        # Ray would begin runs again by itself (max_retries), and tell nobody.
        resources = {"num_cpus": options.cpus_per_run, "num_gpus": options.gpus_per_run}
        self.task = remote(**resources, max_retries=0)(compute_on_node)
        # The head node is the one that the cluster cannot lose.
        head = {"node:__internal_head__": 0.001}
        counter = remote(num_cpus=0, resources=head, max_restarts=-1)(counter_class())
        self.counter = counter.remote()
        self.news = self.counter.take.remote()

    def ends(self, specs: Sequence[RunSpec]) -> Iterator[RunEnd]:
        try:
            for spec in specs:
                yield from self._begin(spec)
            while self.under_way and not self.stop:
                ended, _ = self.ray.wait(list(self.under_way), timeout=LOOK_SECONDS)
                self._take_epochs()
                for reference in ended:
                    yield from self._end(reference)
            yield from self._stop()
        finally:
            for reference in self.under_way:
                self.ray.cancel(reference)
            self.ray.kill(self.counter)

    def _stop(self) -> Iterator[RunEnd]:
        """Let every run finish its epoch and remove its temporary folder."""
        references = list(self.under_way)
        for reference in references:
            self.ray.cancel(reference)
        if references:
            self.ray.wait(references, num_returns=len(references), timeout=_END_SECONDS)
        for reference in references:
            yield from self._end(reference, timeout=0)

    def _begin(self, spec: RunSpec) -> Iterator[RunEnd]:
        options = self.options
        if in_use(options.folder.run_path(spec.identity)):
            yield RunEnd(spec, busy=True)
            return
        place = (spec.has_own_data, spec.dataset, spec.split)
        try:
            if place not in self.data:
                self.data[place] = self.ray.put(packed(data_of(spec, options.dataset_dir)))
        except FAILURES as error:
            yield RunEnd(spec, error=cause(error))
            return
        threads = max(1, int(options.cpus_per_run))
        # In a list it stays a reference: a worker process reads a data set once, not every run.
        reference = self.task.remote(
            spec, [self.data[place]], options.device, threads, self.counter
        )
        self.under_way[reference] = spec

    def _end(self, reference: Any, timeout: float | None = None) -> Iterator[RunEnd]:
        spec = self.under_way.pop(reference)
        try:
            end, files = self.ray.get(reference, timeout=timeout)
        except self.ray.exceptions.RayError as error:
            yield from self._fail(spec, error)
            return
        if end.record is not None:
            self._count(spec.identity, end.record.last_epoch)
            end = self._keep(end, end.record, files)
        yield end

    def _keep(self, end: RunEnd, record: Record, files: dict[str, bytes]) -> RunEnd:
        """Write the run folder and the record of a run; what cannot be written is its failure."""
        path = self.options.folder.run_path(end.spec.identity)
        try:
            if not in_use(path):
                receive(path, end.spec.method, files)
            self.options.folder.write(record)
        except FAILURES as error:
            return RunEnd(end.spec, error=cause(error))
        return end

    def _fail(self, spec: RunSpec, error: Exception) -> Iterator[RunEnd]:
        """A run that did not come to its end is begun again if the reason was its place."""
        why = str(error).strip().partition("\n")[0].partition(". ")[0] or type(error).__name__
        if self.stop.signal_number is not None:
            yield RunEnd(spec, stopped_by=self.stop.signal_number)
            return
        if isinstance(error, self.ray.exceptions.RayTaskError):
            yield RunEnd(spec, error=f"{type(error.cause).__name__}: {error.cause}")
            return
        self.tries[spec.identity] += 1
        if self.tries[spec.identity] >= TRIES:
            yield RunEnd(
                spec,
                error=f"its worker died {TRIES} times (the last: {why}); where memory is short, "
                "give each run more --cpus_per_run, so that fewer share a node",
            )
            return
        warnings.warn(
            f"the worker of run {spec.identity} died; it is begun again ({why})",
            GsltWarning,
            stacklevel=2,
        )
        yield from self._begin(spec)

    def _take_epochs(self) -> None:
        """Pass on the epochs that the counter has told, and ask it again."""
        if not self.ray.wait([self.news], timeout=0)[0]:
            return
        try:
            for identity, done in self.ray.get(self.news).items():
                self._count(identity, done)
        except self.ray.exceptions.RayError:
            pass  # The counter is on its way to another node; the runs tell it everything anew.
        self.news = self.counter.take.remote()

    def _count(self, identity: str, done: int) -> None:
        # A run that is begun again counts from where it was before.
        new = done - self.epochs.get(identity, 0)
        if new > 0:
            self.epochs[identity] = done
            self.on_epochs(new)


# The cluster


@contextmanager
def _cluster(address: str | None) -> Iterator[tuple[Any, bool]]:
    """Ray, connected, and whether the cluster began here; then it ends here.

    Raises:
        MissingPackageError: if ray is not installed.
        ConfigError: if there is no cluster at the address.
    """
    if find_spec("ray") is None:
        raise MissingPackageError("ray", "running a study on Ray", "ray")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = import_quietly("ray")
    if ray.is_initialized():
        yield ray, False
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    usual = signal.getsignal(signal.SIGTERM)
    try:
        _check_listening(address)
        with quiet(), without_dashboard():
            ray.init(address, logging_level="ERROR", log_to_driver=False)
    except (OSError, RuntimeError, ValueError) as error:
        why = str(error).strip().partition("\n")[0]
        raise ConfigError(
            f"there is no Ray cluster at {address!r} ({why}); start one with `ray start --head`"
        ) from error
    try:
        yield ray, address == "local"
    finally:
        ray.shutdown()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, usual)


def _check_listening(address: str) -> None:
    """Raise OSError if nobody listens at an address with a port; Ray would wait for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


@contextmanager
def without_dashboard() -> Iterator[None]:
    """Let a cluster that begins here have no dashboard.

    Its process would ask the address of cloud services where it runs, even with the dashboard and
    the usage statistics switched off.
    """
    services = import_quietly("ray._private.services")
    usual = getattr(services, "start_api_server", None)
    services.start_api_server = lambda *_, **__: ("", None)
    try:
        yield
    finally:
        services.start_api_server = usual
