"""Records: what a file holds, which files are refused, and the frame of a folder."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fabricated import fabricated, fill, hand_made
from small_studies import records, tiny

from gslt.errors import GsltWarning, RunError
from gslt.studies import frame
from gslt.studies.execute import run_study, status_lines
from gslt.studies.records import StudyFolder
from gslt.studies.runs import Record
from gslt.studies.study import RunSpec, Study, checksum

COMMITTED = Path(__file__).parents[2] / "benchmarks" / "results" / "study-debian-gin"
SPEC = RunSpec.from_values({"sparsity": 0.3, "seed": 4})


def small(name: str, **arm: Any) -> Study:
    return Study(name=name, arms={"a": arm}, seeds=2)


# One record


def test_a_record_comes_back_from_its_json() -> None:
    record = fabricated(SPEC, 0.5, note=[1, None, "x"])
    assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record
    assert "profile" not in record.to_json()
    measured = dataclasses.replace(record, profile=hand_made([1.0, None], [1.0, 0.0]))
    assert Record.from_json(json.loads(json.dumps(measured.to_json()))) == measured
    assert measured.to_json()["sha256"] != record.to_json()["sha256"]


def test_a_checksum_by_hand() -> None:
    # printf '{"a":[1,null],"b":"é"}' with é as \u00e9 | sha256sum
    assert checksum({"b": "é", "a": [1, None]}) == CHECKSUM


CHECKSUM = "fdaff1fbea8b4eb51e48128b1db50baa5f3ff6285a4d66f88d8573babc400fd4"


def test_a_record_in_words() -> None:
    record = fabricated(SPEC, 0.5)
    assert record.graph_name == "toy (synthetic)"
    assert record.graph_text == "toy (synthetic): 10 nodes, 20 directed edges"
    assert record.versions == {"gslt": "0.0.0", "torch": "9.9"}
    assert record.hardware == "Made-up OS, 2 cores, 1 thread, gslt 0.0.0, torch 9.9"
    machine = {"processor": "P", "system": "S", "cores": 1, "threads": 0, "gpu": "G"}
    other = dataclasses.replace(
        record, environment=machine, graph={"nodes": 12345, "features": 7, "synthetic": False}
    )
    assert other.hardware == "P, S, 1 core, GPU G"
    # Without a name of its own the graph has that of the data set.
    assert other.graph_text == "debian: 12,345 nodes, 7 features"


# Folders


def test_writing_a_record_forgets_that_the_run_failed(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    assert folder.read(SPEC.identity) is folder.failure(SPEC.identity) is None
    folder.fail(SPEC, "no memory left")
    assert folder.failure(SPEC.identity) == "no memory left"
    folder.write(fabricated(SPEC, 0.5))
    assert folder.failure(SPEC.identity) is None
    assert folder.read(SPEC.identity) == fabricated(SPEC, 0.5)


def test_results_sort_out_what_cannot_be_used(tmp_path: Path) -> None:
    study = Study(name="s", arms={"a": {"sparsity": [0.3, 0.5]}}, seeds=2)
    folder = fill(tmp_path, study, lambda _: 0.5)
    damaged, odd, failed, good = study.runs
    folder.record_path(damaged).write_text("{")
    folder.write(fabricated(study.runs[odd], 0.5, val=float("nan")))
    folder.record_path(failed).unlink()
    folder.fail(study.runs[failed], "no memory left")
    results = folder.results(study)
    assert set(results.records) == {good}
    assert set(results.unusable) == {damaged, odd}
    # The cause without the path, which is of this machine.
    assert str(tmp_path) not in results.unusable[damaged]
    assert results.unusable[odd] == "its val_accuracy is no number: nan"
    assert results.failures == {failed: "no memory left"}


# The frame of a folder


def test_a_frame_of_several_studies_or_of_one(tmp_path: Path) -> None:
    # The folder's order of studies is that of their names.
    for study, accuracy in ((small("two", num_layers=[2, 3]), 0.6), (small("one"), 0.5)):
        fill(tmp_path, study, lambda _, accuracy=accuracy: accuracy)
    runs = frame(tmp_path)
    assert runs["study"].tolist() == ["one"] * 2 + ["two"] * 4
    assert runs["test_accuracy"].tolist() == [0.5] * 2 + [0.6] * 4
    assert runs.index.tolist() == [*range(6)]
    assert str(runs["axis_num_layers"].dtype) == "Int64"
    assert runs["axis_num_layers"].isna().tolist() == [True] * 2 + [False] * 4
    assert list(runs)[3] == "axis_num_layers"
    assert frame(tmp_path, "two")["axis_num_layers"].tolist() == [2, 3, 2, 3]
    one = frame(str(tmp_path), study="one")
    assert one["seed"].tolist() == [0, 1]
    assert "axis_num_layers" not in one


def test_a_study_without_a_record_is_no_part_of_it(tmp_path: Path) -> None:
    fill(tmp_path, small("done"), lambda _: 0.5)
    fill(tmp_path, small("begun", lr=[0.1, 0.2]), lambda _: None)
    runs = frame(tmp_path)
    assert set(runs["study"]) == {"done"}
    assert "axis_lr" not in runs
    with pytest.raises(RunError, match="holds no record that can be used"):
        frame(tmp_path, "begun")


def test_a_folder_without_a_frame(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"holds no study; gslt study run makes one"):
        frame(tmp_path / "none")
    study = small("one")
    folder = fill(tmp_path / "s", study, lambda _: None)
    fill(folder.path, small("two"), lambda _: None)
    with pytest.raises(RunError, match=r"holds no study 'three'; it holds one, two"):
        frame(folder.path, "three")
    with pytest.raises(RunError, match="holds no record that can be used"):
        frame(folder.path)
    for identity in study.runs:
        folder.record_path(identity).parent.mkdir(exist_ok=True)
        folder.record_path(identity).write_text("{}")
    with pytest.raises(RunError, match="holds no record that can be used"):
        frame(folder.path)


def test_a_frame_does_not_depend_on_the_order_of_files(tmp_path: Path) -> None:
    study = Study(name="s", arms={"a": {"sparsity": [0.3, 0.5]}, "b": {"lr": 0.3}}, seeds=3)
    specs = list(study.runs.values())
    found = []
    for seed in range(3):
        folder = fill(tmp_path / str(seed), study, lambda _: None)
        random.Random(seed).shuffle(specs)
        for spec in specs:
            folder.write(fabricated(spec, 0.5 + int(spec.identity[:4], 16) / 1e6))
        found.append(frame(folder.path))
    pd.testing.assert_frame_equal(found[0], found[1])
    pd.testing.assert_frame_equal(found[0], found[2])


def test_the_committed_study() -> None:
    runs = frame(COMMITTED)
    assert len(runs) == 75
    # The arms of the freezing study share the runs at freezing ratio 0.
    assert runs.groupby("study").size().to_dict() == {
        "freezing-gin-standard": 48,
        "table-gin-standard": 27,
    }
    assert runs.groupby("study")["identity"].nunique().to_dict() == {
        "freezing-gin-standard": 42,
        "table-gin-standard": 27,
    }
    for row in runs.itertuples():
        stored = json.loads((COMMITTED / "records" / f"{row.identity}.json").read_text("utf-8"))
        assert row.test_accuracy == stored["measured"]["test_accuracy"]
        assert row.seed == stored["run"].get("seed", 0)


# Records that are refused, and places


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
