"""Worker processes: they find the same, and what happens when they die or are stopped."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from small_studies import TINY, records, tiny

from gslt.data import write_standin
from gslt.studies import workers
from gslt.studies.execute import Here, run_study
from gslt.studies.presets import preset
from gslt.studies.records import StudyFolder
from gslt.studies.study import Study
from gslt.studies.workers import Workers

#: So small a stand-in has classes without a training node.
pytestmark = pytest.mark.filterwarnings("ignore:.*no training node:gslt.errors.DataWarning")


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small synthetic graph that other processes can load."""
    return str(write_standin(tmp_path_factory.mktemp("data"), 0.0025, 0))


@pytest.mark.slow
def test_workers_find_the_same(standin: str, tmp_path: Path) -> None:
    study = tiny(standin, seeds=1)
    one, two = StudyFolder(tmp_path / "one"), StudyFolder(tmp_path / "two")
    run_study(study, one, Here(one), progress=False)
    epochs: list[int] = []
    ends = list(Workers(two, 2).execute(list(study.runs.values()), epochs.append))
    assert sum(epochs) == 3 * TINY["epochs"]
    for end in ends:
        assert end.record is not None, end.error
        two.write(end.record)
    assert len(ends) == 3
    assert records(one) == records(two)


class Dying(Workers):
    """Workers of which one is killed at its first sign of life."""

    def execute(self, specs: Any, on_epochs: Any) -> Any:
        import psutil

        killed: list[int] = []

        def kill(number: int) -> None:
            on_epochs(number)
            if len(killed) < self.kills:
                children = psutil.Process().children()
                workers = [c for c in children if "spawn_main" in " ".join(c.cmdline())]
                killed.append(workers[0].pid)
                workers[0].kill()

        return super().execute(specs, kill)

    kills = 1


@pytest.mark.slow
def test_the_run_of_a_killed_worker_is_repeated(standin: str, tmp_path: Path) -> None:
    study = tiny(standin, seeds=1, epochs=40)
    folder = StudyFolder(tmp_path / "out")
    summary = run_study(study, folder, Dying(folder, 2), progress=False)
    assert (summary.computed, summary.failures) == (3, {})
    whole = StudyFolder(tmp_path / "whole")
    run_study(study, whole, Here(whole), progress=False)
    assert records(folder) == records(whole)


@pytest.mark.slow
def test_a_run_that_kills_its_workers_fails(standin: str, tmp_path: Path) -> None:
    class Deadly(Dying):
        kills = 3

    study = Study(
        name="one", seeds=1, settings={**TINY, "epochs": 4000, "dataset": standin}, arms={"a": {}}
    )
    folder = StudyFolder(tmp_path / "out")
    summary = run_study(study, folder, Deadly(folder, 2), progress=False)
    assert summary.computed == 0
    (reason,) = summary.failures.values()
    assert "died 3 times (the last with signal SIGKILL)" in reason


def test_a_stop_between_two_epochs_ends_a_worker_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(workers, "compute", interrupted)
    monkeypatch.setattr(os, "setsid", lambda: None)
    here, there = multiprocessing.Pipe()
    here.send(preset("table", "quick"))
    workers._work(there, StudyFolder(tmp_path), None, "cpu", torch.get_num_threads())
    there.close()
    assert here.recv() == 0  # It was ready.
    with pytest.raises(EOFError):
        here.recv()


@pytest.mark.slow
def test_a_stop_goes_to_the_workers(standin: str, tmp_path: Path) -> None:
    study = tiny(standin, seeds=1, epochs=3000)
    path = tmp_path / "study.yaml"
    path.write_text(study.to_yaml())
    out = tmp_path / "out"
    command = [sys.executable, "-m", "gslt", "study", "run", "--study", str(path)]
    command += ["--out", str(out), "--workers", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list(out.glob("runs/*/metrics.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on" in said
    assert list(out.glob("runs/*/checkpoint*"))
    assert not list(out.glob("records/*"))
