"""Records: what a file holds, which files are refused, and the frame of a folder."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pandas as pd
import pytest
from fabricated import fabricated, fill, hand_made
from hypothesis import given
from hypothesis import strategies as st
from small_studies import records, tiny

from gslt.errors import GsltError, GsltWarning, RunError
from gslt.files import json_values
from gslt.studies import frame
from gslt.studies.execute import run_study, status_lines
from gslt.studies.records import StudyFolder
from gslt.studies.runs import Record, StudyResults
from gslt.studies.study import RunSpec, Study, checksum

COMMITTED = Path(__file__).parents[2] / "benchmarks" / "results" / "study-debian-gin"
SPEC = RunSpec.from_values({"sparsity": 0.3, "seed": 4})


def small(name: str, **arm: Any) -> Study:
    return Study(name=name, arms={"a": arm}, seeds=2)


# One record


def test_a_record_comes_back_from_its_json() -> None:
    record = fabricated(SPEC, 0.5, effective_rank=None, mad_slope=-1.5)
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
    text = folder.record_path(odd).read_text()
    folder.record_path(odd).write_text(text.replace('"val_accuracy": null', '"val_accuracy": NaN'))
    folder.record_path(failed).unlink()
    folder.fail(study.runs[failed], "no memory left")
    folder = StudyFolder(tmp_path)  # What somebody who only reads finds.
    results = folder.results(study)
    assert set(results.records) == {good}
    assert set(results.unusable) == {damaged, odd}
    # The cause without the path, which is of this machine.
    assert str(tmp_path) not in results.unusable[damaged]
    assert results.unusable[odd] == "it is damaged or no record: NaN is no finite number"
    assert "output" not in vars(folder)
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
    with pytest.raises(RunError, match=r"holds no study; gslt study run --preset table --out"):
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
    with pytest.raises(RunError, match="is no folder"):
        StudyFolder(tmp_path / "file").add(tiny())
    with pytest.raises(RunError, match="is not empty and was not made by gslt"):
        StudyFolder(tmp_path).add(tiny())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
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
def test_damaged_records_stay_and_are_told(as_debian: Path, damage: Any) -> None:
    study, folder = tiny(seeds=1), StudyFolder("out")
    run_study(study, folder, progress=False)
    whole = records(folder)
    path = folder.record_path(next(iter(study.runs)))
    damaged = damage(path.read_text())
    path.write_text(damaged)
    with pytest.raises(RunError, match="cannot be used"):
        folder.read(path.stem)
    assert "cannot be used" in "\n".join(status_lines(folder))
    summary = run_study(study, folder, progress=False)
    assert (summary.computed, summary.present) == (0, 2)
    with pytest.raises(GsltError, match="remove the file, and the run is computed again"):
        summary.check()
    assert path.read_text() == damaged
    # Obeying works.
    path.unlink()
    assert run_study(study, folder, progress=False).computed == 1
    assert records(folder) == whole


def test_a_record_that_gslt_wrote_with_other_defaults_is_computed_again(
    as_debian: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, folder = tiny(seeds=1), StudyFolder("out")
    run_study(study, folder, progress=False)
    victim = next(iter(study.runs))
    record = folder.read(victim)
    assert record is not None
    values = record.to_json()
    del values["sha256"]
    values["config"]["score_init"] = "ku"  # What an older gslt might have had as its default.
    older = {**values, "sha256": checksum(values)}
    folder.output.write_json(f"records/{victim}.json", older)
    with pytest.warns(GsltWarning, match=r"other default settings .*; the run is computed again"):
        assert run_study(study, folder, progress=False).computed == 1
    assert folder.read(victim) is not None
    # The same from another machine is its, and stays.
    folder.record_path(victim).write_text(json.dumps(older))
    assert run_study(study, folder, progress=False).failures.keys() == {victim}
    assert json.loads(folder.record_path(victim).read_text()) == older


def _directory(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(100 * 2**20)


def _binary(path: Path) -> None:
    path.write_bytes(bytes(range(256)))


def _nested(path: Path) -> None:
    path.write_text("[" * 100_000)


@pytest.mark.parametrize("make", [_directory, _pipe, _loop, _huge, _binary, _nested])
def test_whatever_is_in_the_place_of_a_record_is_told(
    make: Callable[[Path], None], as_debian: Path
) -> None:
    study, folder = tiny(seeds=1), StudyFolder("out")
    run_study(study, folder, progress=False)
    first, second, _ = study.runs
    folder.record_path(first).unlink()
    folder.fail(study.runs[second], "no memory left")
    make(folder.record_path(first))
    found = folder.results(study)
    assert list(found.unusable) == [first]
    assert "out/" not in found.unusable[first]
    assert f"records/{first}.json cannot be used: it" in "\n".join(status_lines(folder))
    assert len(frame(folder.path)) == 2
    assert run_study(study, folder, progress=False).failures.keys() == {first}
    # The same in the place of a reason.
    folder.record_path(second).unlink()
    reason = folder.path / "failures" / f"{second}.txt"
    reason.unlink()
    make(reason)
    assert list(status_lines(folder))


def test_a_folder_that_cannot_be_written_can_be_read(as_debian: Path) -> None:
    study, folder = tiny(seeds=1), StudyFolder("out")
    run_study(study, folder, progress=False)
    shutil.copytree("out/studies", "copy/studies")
    shutil.copytree("out/records", "copy/records")
    copy = StudyFolder("copy")
    before = sorted(Path("copy").rglob("*"))
    assert list(status_lines(copy)) == list(status_lines(folder))
    assert len(frame("copy")) == 3
    copy.add(study)
    assert sorted(Path("copy").rglob("*")) == before
    with pytest.raises(RunError, match="was not made by gslt"):
        copy.add(Study(name="other", arms={"a": {}}))


def test_names_that_differ_in_case_alone(tmp_path: Path) -> None:
    folder = fill(tmp_path, small("Grid"), lambda _: 0.5)
    with pytest.raises(RunError, match="the studies 'Grid' and 'grid' differ in case alone"):
        folder.add(small("grid"))
    (tmp_path / "studies" / "gRID.yaml").write_text(small("gRID").to_yaml())
    with pytest.raises(RunError, match="differ in case alone"):
        folder.studies()
    shutil.move(tmp_path / "studies" / "gRID.yaml", tmp_path / "studies" / "other.yaml")
    with pytest.raises(RunError, match="holds the study 'gRID'; a file in studies/ has the name"):
        folder.studies()


def test_a_study_that_was_killed_while_it_was_written_is_none(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "out")
    with pytest.raises(RunError, match="holds no study"), folder.output.replacing("studies/a.yaml"):
        # As after SIGKILL: nothing has its name yet.
        folder.studies()
    fill(folder.path, small("a"), lambda _: 0.5)
    (folder.path / "studies" / "._a.yaml").write_bytes(b"\0\0")  # Of some file managers.
    assert [study.name for study in folder.studies()] == ["a"]


def test_a_folder_of_studies_travels_to_workers_as_its_path(tmp_path: Path) -> None:
    folder = fill(tmp_path, small("a"), lambda _: 0.5)
    again = pickle.loads(pickle.dumps(folder))
    assert (again.path, "output" in vars(again)) == (folder.path, False)


# What a record may say


def forged(change: Callable[[dict[str, Any]], object]) -> Any:
    """A record with a checksum that is right, whatever else is not."""
    values = json.loads(json.dumps(fabricated(SPEC, 0.5).to_json()))
    del values["sha256"]
    change(values)
    return {**values, "sha256": checksum(values)}


def measured(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda values: values["measured"].update(changes)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda values: values.update(format="1"), "Expected `int`, got `str`"),
        (lambda values: values.update(format=0), "there is no record version 0"),
        (lambda values: values.update(format=True), "Expected `int`, got `bool`"),
        (lambda values: values.update(format=2), "reads up to 1; upgrade gslt"),
        (lambda values: values.update(run=[]), "at `$.run`"),
        (lambda values: values["run"].update(dataset=3), "dataset must be a name or path, got 3"),
        (lambda values: values["run"].update(method=["train"]), "method must be one of"),
        (lambda values: values["run"].update(sparsity="0.3"), "sparsity must be of type float"),
        (lambda values: values["run"].update(seed=5), "other default settings"),
        (lambda values: values.update(config={"lr": []}), "at `$.config[...]`"),
        (lambda values: values.update(measured=None), "at `$.measured`"),
        (lambda values: values["measured"].pop("seconds"), "missing required field `seconds`"),
        (measured(test_accuracy=1.5), "at `$.test_accuracy`"),
        (measured(val_accuracy=None), "its val_accuracy is no number: None"),
        (measured(train_accuracy="0.5"), "at `$.train_accuracy`"),
        (measured(best_epoch=2.5), "at `$.best_epoch`"),
        (measured(best_epoch=10_000), "its best epoch is 10000 of 320"),
        (measured(seconds=-1), "at `$.seconds`"),
        (measured(seconds=10**400), "is damaged: "),  # Older msgspec: that it is below 0.
        (measured(num_weights=2**60), "at `$.num_weights`"),
        (measured(searched=10**12), "it searched"),
        (measured(weight_init="ku"), "it has weight_init 'ku' twice"),
        (measured(effective_rank="high"), "Expected `float | null`, got `str`"),
        (measured(effective_rank=True), "got `bool`"),
        (measured(effective_rank=[1]), "got `array`"),
        (measured(arm=1.0), "'arm' is nothing that is measured"),
        (measured(seed=1), "'seed' is nothing that is measured"),
        (measured(axis_lr=1), "'axis_lr' is nothing that is measured"),
        (measured(**{"a b": 1}), "'a b' is nothing that is measured"),
        (lambda values: values["graph"].update(nodes="10"), "at `$.nodes`"),
        (lambda values: values["graph"].update(synthetic=1), "at `$.synthetic`"),
        (lambda values: values["graph"].update(more=[1]), "at `$.graph[...]`"),
        (lambda values: values["environment"].update(versions=[]), "at `$.versions`"),
        (lambda values: values["environment"].update(cores=-1), "at `$.cores`"),
        (lambda values: values["environment"].update(continued_by=[{"gpu": 1}]), "gpu"),
        (lambda values: values.update(profile={}), "its profile has not the same layers"),
        (lambda values: values.update(profile={"mad": []}), "at `$.profile[...]`"),
        (lambda values: values.update(profile={"mad": [1, "x"]}), "at `$.profile[...][1]`"),
        (
            lambda values: values.update(profile={"mad": [1.0], "collapse": [1.0, 2.0]}),
            "its profile has not the same layers",
        ),
        (lambda values: values.update(profile={"arm": [1.0]}), "'arm', which is no measure"),
    ],
)
def test_a_record_that_says_what_cannot_be(change: Any, said: str) -> None:
    with pytest.raises(RunError, match=re.escape(said)):
        Record.from_json(forged(change))
    assert Record.from_json(forged(lambda _: None)) == fabricated(SPEC, 0.5)


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.just(10**400), st.floats(), st.text(max_size=4)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)


@hypothesis.settings(max_examples=300)
@given(st.data())
def test_any_value_anywhere_in_a_record_is_taken_or_refused(
    data: st.DataObject,
) -> None:
    """Whatever is taken makes a frame of whole types; nothing but a RunError refuses it."""

    def change(values: Any) -> None:
        while isinstance(values, dict) and values:
            key = data.draw(st.sampled_from(sorted(values)))
            if not isinstance(values[key], dict) or data.draw(st.booleans()):
                values[key] = data.draw(VALUES)
                return
            values = values[key]

    try:
        record = Record.from_json(json_values(json.dumps(forged(change))))
    except (RunError, ValueError):
        return
    study = Study(name="s", arms={"a": {"sparsity": 0.3}}, seeds=[4])
    if record.spec != SPEC:
        return
    results = StudyResults(study, {SPEC.identity: record}, {}, {})
    assert results.frame["test_accuracy"].between(0, 1).all()
    assert record.hardware
    assert record.graph_text


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
