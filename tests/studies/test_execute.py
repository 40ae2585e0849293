"""Studies that run: what is missing is computed once, wherever, whatever happens."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from small_studies import records, tiny

import gslt
from gslt.studies import execute
from gslt.studies.execute import EpochMessages, duration, run_study, status_lines
from gslt.studies.records import StudyFolder
from gslt.studies.study import Study


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
    failed = next(iter(summary.failures))
    assert f"  run {failed} failed: the loss became nan" in list(status_lines(folder))
    assert run_study(study, folder, progress=False).computed == 1
    assert "failed" not in "\n".join(status_lines(folder))


def test_epochs_are_told_several_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "_MESSAGE_SECONDS", 60.0)
    told: list[int] = []
    epochs = EpochMessages(told.append)
    epochs.add(1)
    epochs.add(2)
    assert told == []
    epochs.send()
    monkeypatch.setattr(execute, "_MESSAGE_SECONDS", 0.0)
    epochs.add(4)
    assert told == [3, 4]


def test_an_error_without_words_has_a_name(
    as_debian: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(execute, "run_in_folder", fail)
    summary = run_study(tiny(seeds=1), StudyFolder("out"), progress=False)
    assert summary.computed == 0
    assert list(summary.failures.values()) == ["MemoryError"] * 3


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


def test_durations() -> None:
    assert [duration(s) for s in (12, 89, 200, 5500)] == ["12 s", "89 s", "3 min", "1.5 h"]
