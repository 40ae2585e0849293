"""Studies that run: what is missing is computed once, wherever, whatever happens."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

import gslt
from gslt.cli import main
from gslt.data import write_standin
from gslt.errors import GsltWarning, RunError
from gslt.studies import execute, workers
from gslt.studies.execute import Here, run_study
from gslt.studies.presets import Preset, preset
from gslt.studies.records import Record, StudyFolder, checksum
from gslt.studies.report import write_report
from gslt.studies.status import duration, status_lines
from gslt.studies.study import Study
from gslt.studies.workers import Workers

TINY: dict[str, Any] = {"num_layers": 2, "hidden_channels": 8, "epochs": 4, "lr": 0.1}


def tiny(dataset: str = "debian", seeds: int = 2, **settings: Any) -> Study:
    return Study(
        name="tiny",
        seeds=seeds,
        settings={**TINY, "dataset": dataset, **settings},
        arms={"ticket": {"sparsity": [0.3, 0.6]}, "trained": {"method": "train"}},
    )


@pytest.fixture
def as_debian(blocks: gslt.NodeDataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Every name of a data set means the small synthetic graph, in this process."""
    monkeypatch.setattr(execute, "dataset_of", lambda *_: blocks)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small synthetic graph that other processes can load."""
    return str(write_standin(tmp_path_factory.mktemp("data"), 0.0025, 0))


def records(folder: StudyFolder) -> dict[str, dict[str, Any]]:
    """What was found, without what differs between machines and moments."""
    found = {}
    for path in (folder.path / "records").iterdir():
        record = Record.from_json(json.loads(path.read_text()))
        values = {k: v for k, v in record.measured.items() if k != "seconds"}
        found[path.stem] = {"run": record.spec.values, **values}
    return found


def test_a_study_runs_once(as_debian: Path) -> None:
    study, folder = tiny(), StudyFolder("out")
    summary = run_study(study, folder, progress=False)
    assert (summary.computed, summary.present, summary.failures) == (6, 0, {})
    found = records(folder)
    assert set(found) == set(study.runs)
    stamps = {p: p.stat().st_mtime_ns for p in Path("out/records").iterdir()}
    again = run_study(study, folder, progress=False)
    assert (again.computed, again.present) == (0, 6)
    assert {p: p.stat().st_mtime_ns for p in Path("out/records").iterdir()} == stamps
    # A run of a study is the very search of its config.
    spec = next(iter(study.runs.values()))
    result = gslt.search(execute.dataset_of("", None, 0), spec.config, progress=False)
    record = found[spec.identity]
    assert record["test_accuracy"] == result.test_accuracy
    assert record["searched"] == result.ticket.size().searched
    assert Path("out/runs", spec.identity, "ticket.safetensors").exists()


def test_only_what_is_missing_runs(as_debian: Path) -> None:
    study, folder = tiny(), StudyFolder("out")
    run_study(study, folder, progress=False)
    whole = records(folder)
    victim = next(iter(study.runs))
    folder.record_path(victim).unlink()
    shutil.rmtree(folder.run_path(victim))
    assert run_study(study, folder, progress=False).computed == 1
    assert records(folder) == whole


def test_studies_share_runs_and_records_are_copied(as_debian: Path) -> None:
    one, folder = tiny(), StudyFolder("one")
    run_study(one, folder, progress=False)
    other = Study(name="other", seeds=2, settings=dict(one.settings), arms={"x": {"sparsity": 0.3}})
    summary = run_study(other, folder, progress=False)
    assert (summary.computed, summary.present) == (0, 2)
    assert [study.name for study in folder.studies()] == ["other", "tiny"]
    # Another machine's records: copied files.
    target = StudyFolder("two")
    shutil.copytree("one/records", "two/records")
    Path("two/studies").mkdir()
    assert run_study(one, target, progress=False).present == 6


def test_a_study_of_the_same_name_that_differs(as_debian: Path) -> None:
    folder = StudyFolder("out")
    folder.add(tiny())
    folder.add(tiny())
    with pytest.raises(RunError, match="another study named 'tiny'"):
        folder.add(tiny(seeds=3))


def test_places_that_are_no_study_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="is a file"):
        StudyFolder(tmp_path / "file").add(tiny())
    with pytest.raises(RunError, match="is not empty"):
        StudyFolder(tmp_path).add(tiny())
    with pytest.raises(RunError, match="holds no study"):
        StudyFolder(tmp_path / "none").studies()


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"best_epoch": ', '"best_epoch": 1'),
        lambda text: text.replace('"format": 1', '"format": 2'),
        lambda text: "[]",
        lambda text: "",
    ],
)
def test_damaged_records_are_computed_again(as_debian: Path, damage: Any) -> None:
    study, folder = tiny(seeds=1), StudyFolder("out")
    run_study(study, folder, progress=False)
    whole = records(folder)
    path = folder.record_path(next(iter(study.runs)))
    path.write_text(damage(path.read_text()))
    with pytest.raises(RunError, match="cannot be used"):
        folder.read(path.stem)
    assert "cannot be used" in "\n".join(status_lines(folder))
    with pytest.warns(GsltWarning, match="computed again"):
        assert run_study(study, folder, progress=False).computed == 1
    assert records(folder) == whole


def test_a_record_under_another_name(as_debian: Path) -> None:
    study, folder = tiny(seeds=1), StudyFolder("out")
    run_study(study, folder, progress=False)
    one, other, *_ = study.runs
    shutil.copy(folder.record_path(one), folder.record_path(other))
    with pytest.raises(RunError, match="record of run"):
        folder.read(other)


def test_a_record_of_other_defaults(as_debian: Path) -> None:
    study, folder = tiny(seeds=1), StudyFolder("out")
    run_study(study, folder, progress=False)
    record = folder.read(next(iter(study.runs)))
    assert record is not None
    values = record.to_json()
    del values["sha256"]
    values["config"]["score_init"] = "ku"  # What an older gslt might have had as its default.
    values["sha256"] = checksum(values)
    with pytest.raises(RunError, match="other default settings"):
        Record.from_json(values)


def test_a_failing_run_does_not_stop_the_others(
    as_debian: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, folder = tiny(seeds=1), StudyFolder("out")
    usual = execute.run_in_folder

    def fail(path: Path, spec: Any, *rest: Any) -> Any:
        if spec.method == "train":
            raise gslt.GsltError("the loss became nan")
        return usual(path, spec, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(execute, "run_in_folder", fail)
        summary = run_study(study, folder, progress=False)
    assert summary.computed == 2
    assert list(summary.failures.values()) == ["the loss became nan"]
    assert "failed: the loss became nan" in "\n".join(status_lines(folder))
    assert run_study(study, folder, progress=False).computed == 1
    assert "failed" not in "\n".join(status_lines(folder))


def test_a_run_of_another_process_is_left_to_it(as_debian: Path) -> None:
    study, folder = tiny(seeds=1), StudyFolder("out")
    folder.add(study)
    spec = next(iter(study.runs.values()))
    place = {"dataset": spec.dataset, "split": spec.split}
    with gslt.RunFolder(folder.run_path(spec.identity), spec.config, place):
        summary = run_study(study, folder, progress=False)
        assert (summary.computed, summary.busy, summary.failures) == (2, 1, {})
        assert "1 running" in "\n".join(status_lines(folder))
    assert run_study(study, folder, progress=False).computed == 1


def test_an_interrupted_run_goes_on(as_debian: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study, folder = tiny(seeds=1), StudyFolder("out")
    run_study(study, StudyFolder("whole"), progress=False)
    usual = execute.run_in_folder

    def interrupt(path: Path, spec: Any, dataset: Any, device: str, on_epochs: Any) -> Any:
        def count(number: int) -> None:
            on_epochs(number)
            os.kill(os.getpid(), signal.SIGTERM)

        return usual(path, spec, dataset, device, count)

    with monkeypatch.context() as patch:
        patch.setattr(execute, "run_in_folder", interrupt)
        summary = run_study(study, folder, progress=False)
    assert (summary.computed, summary.stopped_by) == (0, signal.SIGTERM)
    assert list(folder.path.glob("runs/*/checkpoint*"))
    assert run_study(study, folder, progress=False).computed == 3
    assert records(folder) == records(StudyFolder("whole"))


@pytest.mark.slow
def test_every_quick_preset_runs_and_is_reported(as_debian: Path) -> None:
    folder = StudyFolder("out")
    names = get_args(Preset)
    studies = [preset(name, "quick", architecture="sage") for name in names]
    for study in studies:
        summary = run_study(study, folder, progress=False)
        assert summary.computed + summary.present == len(study.runs)
        assert not summary.failures
    files = write_report(folder)
    assert files[0] == Path("out/report.html")
    for study in studies:
        assert Path("out/figures", f"{study.name}.png").stat().st_size > 10_000
        table = Path("out/tables", f"{study.name}.md").read_text()
        assert "synthetic" in table
        assert "Partial" not in table


# Worker processes


@pytest.mark.slow
def test_workers_find_the_same(standin: str, tmp_path: Path) -> None:
    study = tiny(standin, seeds=1)
    one, two = StudyFolder(tmp_path / "one"), StudyFolder(tmp_path / "two")
    run_study(study, one, Here(one), progress=False)
    epochs: list[int] = []
    outcomes = list(Workers(two, 2).execute(list(study.runs.values()), epochs.append))
    assert sum(epochs) == 3 * TINY["epochs"]
    for outcome in outcomes:
        assert outcome.record is not None, outcome.error
        two.write(outcome.record)
    assert len(outcomes) == 3
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


# Commands


def test_commands(as_debian: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("study.yaml").write_text(tiny().to_yaml())
    command = ["study", "run", "--study", "study.yaml", "--out", "out"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "tiny: 6 runs of 2 arms" in said
    assert "6 runs computed, 0 were there" in said
    assert main(command) == 0
    assert "0 runs computed, 6 were there" in capsys.readouterr().out
    assert main(["study", "status", "out"]) == 0
    assert "tiny: 6 of 6 runs done" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["study", "run", "--out", "out"], "give either --preset or --study"),
        (["study", "run", "--out", "o", "--preset", "table", "--study", "x"], "give either"),
        (["study", "run", "--out", "o", "--study", "none.yaml"], "cannot be read"),
        (["study", "run", "--out", "o", "--preset", "table", "--device", "tpu"], "device must be"),
        (["study", "status", "nothing"], "holds no study"),
    ],
)
def test_errors_are_one_sentence(
    as_debian: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("gslt: ")
    assert said in error
    assert error.count("\n") == 1
    assert not Path("o").exists()


def test_durations() -> None:
    assert [duration(s) for s in (12, 89, 200, 5500)] == ["12 s", "89 s", "3 min", "1.5 h"]
