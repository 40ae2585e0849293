"""Studies on a real Ray cluster of several nodes, one of which dies."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import signal
import socket
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest

import gslt
from gslt.environment import import_quietly, quiet
from gslt.errors import ConfigError, GsltWarning, MissingPackageError
from gslt.studies.execute import Here, OnEpochs, RunEnd, Summary, run_study
from gslt.studies.ray_cluster import OnRay, without_dashboard
from gslt.studies.records import StudyFolder
from gslt.studies.study import RunSpec, Study

needs_ray = pytest.mark.skipif(
    find_spec("ray") is None, reason='ray is not installed: pip install "gslt[ray]"'
)
EPOCHS = 200


@pytest.fixture
def graph(blocks: gslt.NodeDataset, tmp_path: Path) -> Path:
    """The synthetic blocks as a file with two splits, which only this process can read."""
    path = tmp_path / "blocks-synthetic.npz"
    masks = {
        f"{name}_masks": np.stack([mask.numpy(), np.roll(mask.numpy(), 7)])
        for name, mask in blocks.splits.items()
    }
    np.savez(
        path,
        node_features=blocks.x.numpy(),
        node_labels=blocks.y.numpy(),
        edges=blocks.edge_index.T.numpy(),
        **masks,
    )
    return path


def study_of(graph: Path, seeds: int, epochs: int = EPOCHS) -> Study:
    return Study(
        name="cluster",
        arms={"tickets": {"split": [0, 1]}, "weights": {"method": "train"}},
        settings={
            "dataset": str(graph),
            "num_layers": 2,
            "hidden_channels": 16,
            "epochs": epochs,
            "lr": 0.05,
        },
        seeds=seeds,
    )


def results(folder: StudyFolder, study: Study) -> dict[str, Any]:
    """By identity: what was measured but for time, the graph, the run's files byte for byte."""
    found = {}
    for record in folder.results(study).records.values():
        identity = record.spec.identity
        measured = {name: value for name, value in record.measured.items() if name != "seconds"}
        files = {
            path.name: path.read_bytes()
            for path in folder.run_path(identity).iterdir()
            if not path.name.startswith((".", "timing", "environment", "finished"))
        }
        found[identity] = measured, record.graph, files
    return found


class Counted:
    """An executor whose epochs and ends are counted."""

    def __init__(self, executor: OnRay, after: Callable[[RunEnd], None] | None = None) -> None:
        self.executor, self.after = executor, after
        self.epochs = 0
        self.ends: list[str] = []

    def execute(self, specs: Sequence[RunSpec], on_epochs: OnEpochs) -> Iterator[RunEnd]:
        def count(number: int) -> None:
            self.epochs += number
            on_epochs(number)

        for end in self.executor.execute(specs, count):
            self.ends.append(end.spec.identity)
            yield end
            if self.after is not None:
                self.after(end)


def open_logs(processes: list[psutil.Process]) -> Iterator[tuple[psutil.Process, Path]]:
    """Metrics that these processes are writing at this moment."""
    for process in processes:
        with contextlib.suppress(psutil.Error, OSError):
            for file in process.open_files():
                if file.path.endswith("metrics.jsonl"):
                    yield process, Path(file.path)


def kill(*processes: psutil.Process) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


class Mortal(threading.Thread):
    """A node that loses its power in the middle of one of its runs."""

    def __init__(self, node: Any) -> None:
        super().__init__(daemon=True)
        self.raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
        self.victim = ""
        """The run that it was computing."""

    def run(self) -> None:
        while not self.victim:
            time.sleep(0.05)
            processes = [self.raylet, *self.raylet.children(recursive=True)]
            for _, log in open_logs(processes):
                if EPOCHS / 4 <= len(log.read_text().splitlines()) <= EPOCHS / 2:
                    self.victim = log.parent.name
                    kill(*processes)


class Curse(threading.Thread):
    """Kills every worker process that begins a certain run."""

    def __init__(self, identity: str) -> None:
        super().__init__(daemon=True)
        self.identity = identity
        self.killed: set[int] = set()
        self.over = False

    def run(self) -> None:
        while not self.over:
            time.sleep(0.1)
            for process, log in open_logs(psutil.Process().children(recursive=True)):
                if log.parent.name == self.identity:
                    self.killed.add(process.pid)
                    kill(process)


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where Ray keeps logs and sockets, whose paths must be short."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        yield Path(folder)


@pytest.fixture
def cluster(sessions: Path) -> Iterator[Any]:
    """A head without cores, so that it computes nothing, and two workers with one core each."""
    soon = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 1000}
    with quiet(), without_dashboard():
        made = import_quietly("ray.cluster_utils").Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "_system_config": soon}
        )
        for _ in range(2):
            made.add_node(num_cpus=1)
    yield made
    with quiet():
        made.shutdown()


@needs_ray
@pytest.mark.slow
def test_a_node_dies(
    cluster: Any, graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = import_quietly("ray")
    put: list[Any] = []
    usual = ray.put
    monkeypatch.setattr(ray, "put", lambda value: put.append(value) or usual(value))
    study = study_of(graph, seeds=2)
    folder = StudyFolder(tmp_path / "ray")
    mortal = Mortal(cluster.list_all_nodes()[-1])
    mortal.start()
    executor = Counted(OnRay(folder, address=cluster.address))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", GsltWarning)
        summary = run_study(study, folder, executor, progress=False)
    assert mortal.victim in study.runs
    repeated = [str(warning.message) for warning in told if warning.category is GsltWarning]
    assert [text.split()[4] for text in repeated] == [mortal.victim]
    assert "begun again" in repeated[0]
    # Every run exactly once, and every epoch of the bar.
    assert summary == Summary(len(study.runs), 0, {}, 0, 0)
    assert sorted(executor.ends) == sorted(study.runs)
    assert sorted(path.stem for path in (folder.path / "records").iterdir()) == sorted(study.runs)
    assert executor.epochs == EPOCHS * len(study.runs)
    # Each of the two splits went into the object store once.
    assert [value["split"] for value in put] == [0, 1]
    # The runs are those of a single process.
    here = StudyFolder(tmp_path / "here")
    run_study(study, here, Here(here), progress=False)
    assert results(folder, study) == results(here, study)
    assert not ray.is_initialized()


#: Done by every Python process of a cluster when it begins: connections elsewhere are noted down.
WATCH = """
import os, socket, sys

place = os.path.dirname(__file__)

def note(name, text):
    with open(os.path.join(place, name), "a") as file:
        file.write(f"{sys.argv[:2]} {text}\\n")

def watched(function):
    def call(*args, **kwargs):
        for value in args:
            host = value[0] if isinstance(value, tuple) else value
            if isinstance(host, str) and host not in HERE and host[:1] != "/":
                note("elsewhere.txt", f"{function.__name__} {host}")
        return function(*args, **kwargs)
    return call

note("present.txt", "begins")
socket.getaddrinfo = watched(socket.getaddrinfo)
for name in ("connect", "connect_ex", "sendto"):
    setattr(socket.socket, name, watched(getattr(socket.socket, name)))
"""


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    addresses = [each.address for card in psutil.net_if_addrs().values() for each in card]
    here = {"localhost", "", socket.gethostname(), "0.0.0.0", "::1", *addresses}
    path = tmp_path / "watch"
    path.mkdir()
    (path / "sitecustomize.py").write_text(f"HERE = {here!r}\n{WATCH}")
    monkeypatch.setenv("PYTHONPATH", str(path))
    return path


@needs_ray
@pytest.mark.slow
def test_a_cluster_of_our_own(
    graph: Path, tmp_path: Path, sessions: Path, watched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gslt.studies.ray_cluster.TRIES", 2)
    settings = {"dataset": str(graph), "num_layers": 2, "hidden_channels": 4}
    arms = {"cursed": {"epochs": 20_001}, "short": {"epochs": 5}, "long": {"epochs": 20_000}}
    study = Study(name="stop", arms=arms, settings=settings, seeds=1)
    runs = {cell.arm: cell.spec.identity for cell in study.cells}
    folder = StudyFolder(tmp_path / "out")
    curse = Curse(runs["cursed"])
    curse.start()

    def stop(end: RunEnd) -> None:
        if end.error:
            os.kill(os.getpid(), signal.SIGTERM)

    usual = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    executor = Counted(OnRay(folder, cpus_per_run=0.5), after=stop)
    try:
        with pytest.warns(GsltWarning, match=f"worker of run {runs['cursed']} died") as told:
            summary = run_study(study, folder, executor, progress=False)
    finally:
        curse.over = True
    assert len(told) == 1
    assert len(curse.killed) == 2
    assert list(summary.failures) == [runs["cursed"]]
    assert summary.failures[runs["cursed"]].startswith("its worker died 2 times")
    assert (summary.computed, summary.stopped_by) == (1, signal.SIGTERM)
    assert folder.read(runs["short"]) is not None
    assert sorted(executor.ends) == sorted(study.runs)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == usual
    # What was under way has removed its temporary folder; the killed workers could not.
    assert {path.name for path in sessions.glob("gslt-*/*")} == {runs["cursed"]}
    assert not import_quietly("ray").is_initialized()
    # Nothing but this machine was spoken to, by no process of the cluster.
    assert "default_worker.py" in (watched / "present.txt").read_text()
    assert not (watched / "elsewhere.txt").exists()


def refused(text: str, **options: Any) -> None:
    with pytest.raises(ConfigError, match=text):
        OnRay(StudyFolder("nowhere"), **options)


def test_resources_that_no_run_could_use() -> None:
    refused("device must be cpu or cuda on Ray.*got 'cuda:1'", device="cuda:1", gpus_per_run=1.0)
    refused("gpus_per_run would be reserved and not used", gpus_per_run=0.5)
    refused(r"gpus_per_run must lie in \(0, 1\], got 0", device="cuda")
    refused(r"gpus_per_run must lie in \(0, 1\], got 2", device="cuda", gpus_per_run=2.0)
    refused("cpus_per_run must be above 0", cpus_per_run=0.0)
    refused("cpus_per_run must be a number that is not negative, got nan", cpus_per_run=math.nan)
    OnRay(StudyFolder("nowhere"), device="cuda", cpus_per_run=0.0, gpus_per_run=0.25)


@needs_ray
@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "no address"])
def test_no_cluster_there(address: str, graph: Path, tmp_path: Path) -> None:
    study, folder = study_of(graph, seeds=1), StudyFolder(tmp_path / "out")
    with pytest.raises(ConfigError, match=f"there is no Ray cluster at '{address}'"):
        run_study(study, folder, OnRay(folder, address=address), progress=False)


def test_a_cluster_without_room() -> None:
    def node(alive: bool = True, **resources: float) -> dict[str, Any]:
        return {"Alive": alive, "Resources": resources}

    nodes = [node(CPU=4.0), node(CPU=1.0, GPU=1.0), node(alive=False, CPU=8.0, GPU=8.0)]
    ray = SimpleNamespace(nodes=lambda: nodes)
    small = OnRay(StudyFolder("nowhere"), device="cuda", gpus_per_run=0.5)
    large = dataclasses.replace(small, cpus_per_run=2.0)
    small._check_room(ray, own=True)
    with pytest.raises(ConfigError, match=r"asks for 2 CPUs and 0.5 GPUs.*lower --cpus_per_run"):
        large._check_room(ray, own=True)
    with pytest.warns(GsltWarning, match="no node of the Ray cluster has as much; the runs wait"):
        large._check_room(ray, own=False)


def test_without_ray(graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    study, folder = study_of(graph, seeds=1), StudyFolder(tmp_path / "out")
    with pytest.raises(MissingPackageError, match=r"'ray'.*gslt\[ray\]"):
        run_study(study, folder, OnRay(folder), progress=False)
