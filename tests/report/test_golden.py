"""The committed study, reported anew: its tables are those of the report before this one."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from committed import value

from gslt.report import write_report
from gslt.studies.records import StudyFolder
from gslt.studies.study import load_study

COMMITTED = Path(__file__).parents[2] / "benchmarks" / "results" / "study-debian-gin"
GOLDEN = Path(__file__).parents[1] / "golden" / "study"
#: Columns that had another name.
RENAMED = {"test_std": "test_accuracy_std", "val_std": "val_accuracy_std"}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of a new report of the committed records."""
    path = tmp_path_factory.mktemp("golden") / "study-debian-gin"
    folder = StudyFolder(path)
    for study in (COMMITTED / "studies").iterdir():
        folder.add(load_study(study))
    shutil.copytree(COMMITTED / "records", path / "records", dirs_exist_ok=True)
    write_report(folder)
    return path / "tables"


def names(*suffixes: str) -> list[str]:
    return [name for name in files(GOLDEN) if name.endswith(suffixes)]


def files(folder: Path) -> list[str]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def columns(path: Path) -> dict[str, list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [row[name] for row in rows] for name in rows[0]}


def test_the_same_tables(tables: Path) -> None:
    assert files(tables) == names(".md", ".tex", ".csv")
    assert len(names(".md", ".tex", ".csv")) == 14


@pytest.mark.parametrize("name", names(".md", ".tex"))
def test_tables_for_people_to_the_letter(tables: Path, name: str) -> None:
    assert (tables / name).read_text("utf-8") == (GOLDEN / name).read_text("utf-8")


@pytest.mark.parametrize("name", names(".csv"))
def test_tables_for_programs_column_by_column(tables: Path, name: str) -> None:
    found, expected = columns(tables / name), columns(GOLDEN / name)
    for column, cells in expected.items():
        mine = [value(cell) for cell in found[RENAMED.get(column, column)]]
        theirs = [value(cell) for cell in cells]
        assert [type(cell) for cell in mine] == [type(cell) for cell in theirs], column
        for one, other in zip(mine, theirs, strict=True):
            if isinstance(other, float):
                assert one == pytest.approx(other, rel=1e-12, abs=1e-12), column
            else:
                assert one == other, column
