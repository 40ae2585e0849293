"""What a report leaves in its folder: its files, and those of others and of an earlier report."""

from __future__ import annotations

import math
import re
import shutil
from pathlib import Path

import pytest
from fabricated import fabricated, fill
from small_reports import ARMS, report

from gslt.errors import RunError
from gslt.report.folder import write_report
from gslt.studies.records import StudyFolder
from gslt.studies.study import Study


def test_damaged_records_are_counted_and_named(folder: StudyFolder) -> None:
    study = folder.studies()[0]
    first, second, third, *_ = study.runs
    path = folder.record_path(first)
    path.write_text(path.read_text().replace('"test_accuracy": 0.7', '"test_accuracy": 0.9'))
    folder.record_path(second).write_text("{")
    folder.write(fabricated(study.runs[third], math.nan))
    texts, said = report(folder)
    assert said[:2] == ["two: 3 of 6 runs, 2 of 2 arms", "two: 3 records cannot be used"]
    named = {line.split(".json")[0].split("/")[1]: line for line in said[2:]}
    assert set(named) == {first, second, third}
    assert "does not match its checksum" in named[first]
    assert "its test_accuracy is no number: None" in named[third]
    for identity in named:
        assert identity in texts["report.html"]
    assert "Partial: 3 of 6 runs are missing." in texts["tables/two/summary.md"]
    # Weight training lost seeds 0 and 1, the ticket seed 0.
    assert "| 74.00 | 75.00 | 76.00 | 1 |" in texts["tables/two/summary.md"]
    assert "| 62.50 ± 2.12 | 63.50 ± 2.12 | 64.50 ± 2.12 | 2 |" in texts["tables/two/summary.md"]
    assert "n seeds (1 to 2 here)" in texts["tables/two/summary.md"]


def test_failures_and_strays_are_told(folder: StudyFolder) -> None:
    spec = next(iter(folder.studies()[0].runs.values()))
    folder.record_path(spec.identity).unlink()
    folder.fail(spec, "no memory left")
    stray = Study(name="x", arms={"a": {"lr": 0.5}}, seeds=1)
    folder.write(fabricated(next(iter(stray.runs.values())), 0.5))
    texts, said = report(folder)
    assert said[1:] == [
        f"run {spec.identity} failed: no memory left",
        "1 records belong to no study in this folder",
    ]
    assert "no memory left" in texts["report.html"]


def test_a_study_without_records_is_named_and_skipped(folder: StudyFolder) -> None:
    folder.add(Study(name="later", arms={"a": {"lr": 0.5}}, seeds=1))
    texts, said = report(folder)
    assert said == [
        "two: 6 of 6 runs, 2 of 2 arms",
        "later: skipped, it has no record that can be used",
    ]
    assert "later: skipped" in texts["report.html"]
    assert not [name for name in texts if name.startswith("later")]


def test_nothing_to_report(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no study"):
        write_report(StudyFolder(tmp_path / "none"))
    folder = fill(tmp_path / "s", Study(name="s", arms=ARMS), lambda _: None)
    with pytest.raises(RunError, match=r"holds no record; gslt study run --study .* computes"):
        write_report(folder)
    assert not (folder.path / "report.html").exists()


def test_the_same_records_give_the_same_files(folder: StudyFolder) -> None:
    first = {path: path.read_bytes() for path in write_report(folder)}
    assert {path: path.read_bytes() for path in write_report(folder)} == first
    assert {path.relative_to(folder.path).as_posix() for path in first} == {
        "report.html",
        *(f"tables/two/summary.{end}" for end in ("md", "tex", "csv")),
        *(f"tables/two/comparisons.{end}" for end in ("md", "tex", "csv")),
        "tables/two/runs.csv",
        *(f"figures/two/accuracy.{end}" for end in ("png", "svg")),
    }


def test_two_studies_have_files_of_their_own(tmp_path: Path) -> None:
    """Named so that the table of one was that of the runs of the other."""
    names = ("s", "s-runs", "s-comparisons")
    for number, name in enumerate(names):
        study = Study(name=name, seeds=1, arms={**ARMS, f"only [{name}]": {"lr": 0.2 + number}})
        folder = fill(tmp_path, study, lambda _: 0.5)
    texts, _ = report(folder)
    for name in names:
        for table in ("summary", "runs"):
            text = texts[f"tables/{name}/{table}.csv"]
            assert [f"only [{other}]" in text for other in names] == [o == name for o in names]
    found = re.findall(r' id="([^"]*)"', texts["report.html"])
    assert len(found) == len(set(found)) >= 4 * len(names)
    linked = re.findall(r' href="#([^"]*)"', texts["report.html"])
    assert set(linked) == {f"study:{name}" for name in names}
    assert set(linked) <= set(found)


def test_files_of_others_are_not_written_to(folder: StudyFolder) -> None:
    (folder.path / "report.html").write_text("mine")
    with pytest.raises(RunError, match=r"report.html' is not as gslt wrote it"):
        write_report(folder)
    assert not (folder.path / "tables").exists()
    (folder.path / "report.html").unlink()
    paths = write_report(folder)
    table = next(path for path in paths if path.name == "runs.csv")
    table.write_text("mine")
    figure = next(path for path in paths if path.suffix == ".svg")
    before = figure.stat().st_mtime_ns
    with pytest.raises(RunError, match=r"runs.csv' is not as gslt wrote it"):
        write_report(folder)
    # Every name was looked at before the first was written.
    assert (table.read_text(), figure.stat().st_mtime_ns) == ("mine", before)


def test_what_an_earlier_report_wrote_is_removed(folder: StudyFolder) -> None:
    write_report(folder)
    (folder.path / "tables" / "two" / "notes.md").write_text("mine")
    for path in (folder.path / "records").iterdir():
        if '"train"' in path.read_text():
            path.unlink()
    texts, said = report(folder)
    assert not any("comparisons" in name for name in texts)
    tables = {path.name for path in (folder.path / "tables" / "two").iterdir()}
    assert tables == {"summary.md", "summary.tex", "summary.csv", "runs.csv", "notes.md"}
    gone = ", ".join(f"tables/two/comparisons.{end}" for end in ("csv", "md", "tex"))
    assert f"removed, being of an earlier report: {gone}" in said


def test_a_folder_that_gslt_did_not_make_gets_no_report(
    folder: StudyFolder, tmp_path: Path
) -> None:
    for part in ("studies", "records"):
        shutil.copytree(folder.path / part, tmp_path / "copy" / part)
    with pytest.raises(RunError, match=r"was not made by gslt .* so that no report is written"):
        write_report(StudyFolder(tmp_path / "copy"))
    assert {path.name for path in (tmp_path / "copy").iterdir()} == {"studies", "records"}
