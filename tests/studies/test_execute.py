"""Studies that run: what is missing is computed once, wherever, whatever happens."""

from __future__ import annotations

import dataclasses
import io
import os
import shutil
import signal
import warnings
from pathlib import Path
from typing import Any

import pytest
from fabricated import fabricated
from images import write_binary
from small_studies import records, tiny
from tqdm import tqdm

import gslt
from gslt.errors import DataWarning, RunError
from gslt.files import OutputFolder
from gslt.report import write_report
from gslt.studies import execute
from gslt.studies.execute import (
    EpochMessages,
    Here,
    RunEnd,
    Summary,
    check_study,
    duration,
    run_study,
    seconds_left,
    status_lines,
)
from gslt.studies.records import StudyFolder
from gslt.studies.study import Study


def test_what_is_left_is_told_by_arm(tmp_path: Path) -> None:
    """Runs of 100 s and of 2 s: one and two are missing, and three of an arm without any."""
    arms: dict[str, Any] = {"slow": {"lr": 0.1}, "fast": {"lr": 0.2}, "new": {"lr": 0.3}}
    study, folder = Study(name="s", arms=arms, seeds=3), StudyFolder(tmp_path / "out")
    folder.add(study)
    assert seconds_left(folder.results(study)) is None
    for cell in study.cells:
        if cell.spec.config.seed < {"slow": 2, "fast": 1, "new": 0}[cell.arm]:
            took = {"slow": 100.0, "fast": 2.0}[cell.arm]
            folder.write(fabricated(cell.spec, 0.5, seconds=took))
    # 100 + 2 · 2, and the mean of 100, 100 and 2 three times.
    assert seconds_left(folder.results(study)) == pytest.approx(104 + 202)


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


def test_the_bar_counts_the_epochs_that_there_were(
    as_debian: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars: list[Any] = []

    class Bar(tqdm):  # type: ignore[type-arg]
        def __init__(self, **options: Any) -> None:
            del options["show"]
            super().__init__(**{**options, "disable": False, "file": io.StringIO()})
            bars.append(self)

    monkeypatch.setattr(execute, "progress_bar", Bar)
    study, folder = tiny(epochs=40, patience=2), StudyFolder("out")
    run_study(study, folder)
    last = [record["last_epoch"] for record in records(folder).values()]
    assert min(last) < 40
    assert [(bar.n, bar.total) for bar in bars] == [(sum(last), sum(last))]


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
    # Another machine's records: copied files, which stay as they are.
    target = StudyFolder("two")
    shutil.copytree("one/records", "two/records")
    assert run_study(one, target, progress=False).present == 6
    assert target.output.strangers() == sorted(f"records/{name}.json" for name in one.runs)


def test_a_failing_run_does_not_stop_the_others(
    as_debian: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, folder = tiny(seeds=1), StudyFolder("out")
    usual = execute.run_in_folder

    def fail(run: gslt.RunFolder, *rest: Any) -> Any:
        if run.command == "train":
            raise gslt.GsltError("the loss became nan")
        return usual(run, *rest)

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
        with pytest.raises(gslt.GsltError, match="1 runs are computed by another process; the"):
            summary.check()
        assert "1 running" in "\n".join(status_lines(folder))
    again = run_study(study, folder, progress=False)
    assert (again.computed, again.present) == (1, 2)
    again.check()


def test_an_interrupted_run_goes_on(as_debian: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study, folder = tiny(seeds=1), StudyFolder("out")
    run_study(study, StudyFolder("whole"), progress=False)
    usual = execute.run_in_folder

    def interrupt(run: gslt.RunFolder, dataset: Any, on_epochs: Any) -> Any:
        def count(number: int) -> None:
            on_epochs(number)
            os.kill(os.getpid(), signal.SIGTERM)

        return usual(run, dataset, count)

    with monkeypatch.context() as patch:
        patch.setattr(execute, "run_in_folder", interrupt)
        summary = run_study(study, folder, progress=False)
    assert (summary.computed, summary.stopped_by) == (0, signal.SIGTERM)
    assert list(folder.path.glob("runs/*/checkpoint*"))
    assert run_study(study, folder, progress=False).computed == 3
    assert records(folder) == records(StudyFolder("whole"))


def test_what_others_recorded_meanwhile_is_not_computed_again(as_debian: Path) -> None:
    study, folder = tiny(seeds=1), StudyFolder("out")

    other = Study(name="other", seeds=1, settings=study.settings, arms={"x": {"sparsity": 0.3}})

    class Overtaken(Here):
        def execute(self, specs: Any, on_epochs: Any) -> Any:
            assert run_study(other, StudyFolder("out"), progress=False).computed == 1
            yield from super().execute(specs, on_epochs)

    summary = run_study(study, folder, Overtaken(folder), progress=False)
    assert (summary.computed, summary.present) == (2, 1)
    summary.check()


def test_a_busy_run_that_has_a_record_in_the_end_is_there(as_debian: Path) -> None:
    study, folder = tiny(seeds=1), StudyFolder("out")

    class Overtaken(Here):
        def execute(self, specs: Any, on_epochs: Any) -> Any:
            list(super().execute(specs, on_epochs))
            yield from (RunEnd(spec, busy=True) for spec in specs)

    summary = run_study(study, folder, Overtaken(folder), progress=False)
    assert (summary.computed, summary.present, summary.busy) == (0, 3, 0)
    summary.check()


def test_a_busy_run_that_somebody_gave_up_is_computed(as_debian: Path) -> None:
    study, folder = tiny(seeds=1), StudyFolder("out")

    class Busy(Here):
        def execute(self, specs: Any, on_epochs: Any) -> Any:
            if len(specs) == 3:
                yield RunEnd(specs[0], busy=True)
            yield from super().execute(specs[1:] or specs, on_epochs)

    assert run_study(study, folder, Busy(folder), progress=False).computed == 3


def test_a_run_without_a_record_is_lost(as_debian: Path) -> None:
    study, folder = tiny(seeds=1), StudyFolder("out")

    class Forgetful(Here):
        def execute(self, specs: Any, on_epochs: Any) -> Any:
            yield from list(super().execute(specs, on_epochs))[:1]
            folder.record_path(specs[0].identity).unlink()
            folder.record_path(specs[1].identity).unlink()

    summary = run_study(study, folder, Forgetful(folder), progress=False)
    assert (summary.computed, summary.lost) == (0, 2)
    with pytest.raises(gslt.GsltError, match="2 runs have no record; the same command goes on"):
        summary.check()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_after_a_request_to_stop_no_run_is_begun(
    number: signal.Signals, as_debian: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, folder = tiny(seeds=1), StudyFolder("out")
    usual = StudyFolder.write

    def write(self: StudyFolder, record: Any) -> None:
        os.kill(os.getpid(), number)  # While the first record is written.
        usual(self, record)

    monkeypatch.setattr(StudyFolder, "write", write)
    summary = run_study(study, folder, progress=False)
    assert (summary.computed, summary.stopped_by, summary.lost) == (1, number, 0)
    with pytest.raises(gslt.Interrupted, match="stopped; the same command goes on"):
        summary.check()
    assert len(list(folder.path.glob("runs/*"))) == 1


def test_a_record_that_cannot_be_written_is_a_failure_of_its_run(
    as_debian: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, folder = tiny(seeds=1), StudyFolder("out")
    usual, victim = OutputFolder.write_text, next(iter(study.runs))

    def full(self: OutputFolder, name: str, text: str, **options: Any) -> None:
        if self.kind == "study" and victim in name:
            raise OSError(28, "No space left on device", name)
        usual(self, name, text, **options)

    with monkeypatch.context() as patch:
        patch.setattr(OutputFolder, "write_text", full)
        with pytest.warns(gslt.GsltWarning, match="why run .* could not be written"):
            summary = run_study(study, folder, progress=False)
    assert (summary.computed, len(summary.failures)) == (2, 1)
    assert "No space left" in next(iter(summary.failures.values()))
    # The run folder has the result: no epoch is computed again.
    epochs: list[int] = []
    (lost,) = (study.runs[name] for name in summary.failures)
    (end,) = Here(folder).execute([lost], epochs.append)
    assert (end.record is not None, epochs) == (True, [])
    assert folder.read(lost.identity) == end.record


def test_a_record_has_the_environment_of_who_computed(
    as_debian: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, folder = tiny(seeds=1), StudyFolder("out")
    run_study(study, folder, progress=False)
    victim = next(iter(study.runs))
    there = folder.read(victim)
    folder.record_path(victim).unlink()
    monkeypatch.setattr("gslt.environment.processor", lambda: "another machine")
    run_study(study, folder, progress=False)
    again = folder.read(victim)
    assert there is not None
    assert again is not None
    assert again.environment == there.environment
    assert there.environment["device"] == "cpu"
    assert "another machine" not in there.hardware


def test_the_end_of_a_study_in_words() -> None:
    Summary(computed=2, present=3).check()
    with pytest.raises(gslt.GsltError, match=r"^2 runs failed \(no memory\); the same command"):
        Summary(failures={"a": "no memory", "b": "no memory"}).check()
    reasons = {str(number): f"reason {number % 5}" for number in range(6)}
    with pytest.raises(gslt.GsltError, match=r"\(reason 0; reason 1; reason 2; and 2 other"):
        Summary(failures=reasons).check()
    with pytest.raises(gslt.Interrupted) as stopped:
        Summary(failures={"a": "no memory"}, stopped_by=15).check("again")
    assert stopped.value.signal_number == 15
    both = Summary(1, 2, {"a": "x"}, 1, 1) + Summary(2, 2, {"b": "y"}, stopped_by=2)
    assert both == Summary(3, 4, {"a": "x", "b": "y"}, 1, 1, 2)
    assert str(both) == (
        "3 runs computed, 4 were there, 1 are computed by another process, 2 failed, 1 have no "
        "record"
    )


def test_durations() -> None:
    assert [duration(s) for s in (12, 89, 200, 5500)] == ["12 s", "89 s", "3 min", "1.5 h"]


def test_a_study_of_images_is_computed_and_reported(tmp_path: Path) -> None:
    folder = write_binary(tmp_path / "tiny")
    settings = {"architecture": "conv2", "width": 0.05, "epochs": 1, "dataset": str(folder)}
    study = Study(
        name="images",
        title="Images",
        seeds=2,
        settings=settings,
        arms={
            "weight training": {"method": "train", "lr": 0.01},
            "dense": {"sparsity": [0.3, 0.5]},
        },
        x="sparsity",
    )
    records = StudyFolder(tmp_path / "study")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        check_study(study, None, "cpu")
        run_study(study, records, progress=False).check()
        page, *_ = write_report(records)
    found = records.results(study).records
    assert len(found) == 6
    assert {record.graph["images"] for record in found.values()} == {60}
    assert "60 images" in page.read_text()
    wrong = dataclasses.replace(study, settings={**settings, "architecture": "gin", "width": 1.0})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        with pytest.raises(gslt.ConfigError, match="a set of images, and gin is a network of grap"):
            check_study(wrong, None, "cpu")


def test_a_folder_of_the_name_of_a_data_set_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made by the first run, it would be the data set of the second one."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="'cora' would be taken for the data set 'cora'"):
        run_study(tiny("cora"), StudyFolder("cora"), progress=False)
    assert list(tmp_path.iterdir()) == []
