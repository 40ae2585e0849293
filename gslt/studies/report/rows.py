"""Records of a study as flat rows, and as groups of rows that differ in nothing but the seed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gslt.errors import RunError
from gslt.studies.records import Record, StudyFolder
from gslt.studies.report.provenance import graph_name
from gslt.studies.study import DERIVED, Cell, Study

#: Columns in which weight training has a number but no place where it removes nothing.
_OF_TICKETS = {"sparsity", "density", "search_space"}


@dataclass(frozen=True)
class Row:
    """One run in one arm. The same run may be a row of several arms."""

    arm: str
    axes: dict[str, Any]
    """Its place on the axes of the arm."""
    seed: int
    identity: str
    values: dict[str, Any]
    """Every column: study, arm, seed, identity, dataset, split, method, synthetic, the settings,
    and what was measured. Where a setting was measured too (sparsity, the ratios), the measured
    value stands, which differs by the rounding to whole weights."""


@dataclass(frozen=True)
class Group:
    """Rows that differ in nothing but the seed."""

    arm: str
    axes: dict[str, Any]
    rows: tuple[Row, ...]

    @property
    def n(self) -> int:
        """Number of runs."""
        return len(self.rows)

    def numbers(self, column: str) -> list[float]:
        """The numbers in a column; runs without one are left out."""
        values: list[Any] = [row.values.get(column) for row in self.rows]
        return [float(value) for value in values if is_number(value)]

    def mean(self, column: str) -> float:
        """Mean over the runs; NaN where there is no number."""
        numbers = self.numbers(column)
        return statistics.fmean(numbers) if numbers else math.nan

    def std(self, column: str) -> float:
        """Unbiased standard deviation over the runs; NaN for fewer than two."""
        numbers = self.numbers(column)
        return statistics.stdev(numbers) if len(numbers) > 1 else math.nan

    def value(self, column: str) -> Any:
        """The value that all runs share, else the mean of numbers, else None."""
        values = [row.values.get(column) for row in self.rows]
        if all(value == values[0] for value in values):
            return values[0]
        return self.mean(column) if all(is_number(value) for value in values) else None

    def place(self, column: str) -> Any:
        """Where the group stands on an axis; None where it has no place.

        Weight training has none among sparsities, unless it is of a weak ticket.
        """
        if self.axes.get(column) is not None:
            return self.axes[column]
        whole = self.value("method") == "train" and not self.value("mask_sparsity")
        if column in _OF_TICKETS and whole:
            return None
        return self.value(column)


@dataclass(frozen=True)
class StudyResults:
    """What the folder holds of one study."""

    study: Study
    rows: list[Row]
    records: dict[str, Record]
    """The usable records by identity."""
    unusable: dict[str, str]
    """Why a record cannot be used, by identity."""
    failures: dict[str, str]
    """Why the last try of a run without a record failed, by identity."""

    @property
    def total(self) -> int:
        """Number of different runs of the study."""
        return len(self.study.runs)

    @cached_property
    def groups(self) -> list[Group]:
        """Rows by arm and place, in the order of the study."""
        found: dict[Any, list[Row]] = {}
        for row in self.rows:
            found.setdefault((row.arm, tuple(row.axes.items())), []).append(row)
        order = list(self.study.arms)
        groups = [Group(rows[0].arm, rows[0].axes, tuple(rows)) for rows in found.values()]
        return sorted(groups, key=lambda group: order.index(group.arm))

    @property
    def arms(self) -> list[str]:
        """The arms that have a row, in the order of the study."""
        return list(dict.fromkeys(group.arm for group in self.groups))

    @property
    def dataset(self) -> str:
        """The graphs by name; a synthetic one is called so."""
        return ", ".join(dict.fromkeys(graph_name(record) for record in self.records.values()))

    @property
    def synthetic(self) -> list[str]:
        """Names of the synthetic graphs."""
        records = (r for r in self.records.values() if r.graph.get("synthetic"))
        return list(dict.fromkeys(graph_name(record) for record in records))

    @property
    def seeds(self) -> str:
        """Number of runs behind each mean, such as ``3`` or ``2 to 3``."""
        numbers = sorted({group.n for group in self.groups})
        return " to ".join(str(number) for number in dict.fromkeys((numbers[0], numbers[-1])))


def read_results(folder: StudyFolder) -> Iterator[StudyResults]:
    """What is there of every study in a folder.

    Raises:
        RunError: if the folder holds no study.
    """
    for study in folder.studies():
        yield study_results(folder, study)


def study_results(folder: StudyFolder, study: Study) -> StudyResults:
    """What is there of a study."""
    records: dict[str, Record] = {}
    unusable, failures = {}, {}
    for identity in study.runs:
        try:
            record = folder.read(identity)
            if record is not None:
                _check_accuracies(record)
                records[identity] = record
            elif (reason := folder.failure(identity)) is not None:
                failures[identity] = reason
        except RunError as error:
            # The cause alone: the sentence around it has the path on this machine.
            unusable[identity] = str(error.__cause__ or error)
    rows = [
        _row(study, cell, records[cell.spec.identity])
        for cell in study.cells
        if cell.spec.identity in records
    ]
    return StudyResults(study, rows, records, unusable, failures)


def _check_accuracies(record: Record) -> None:
    for name in ("test_accuracy", "val_accuracy"):
        if not is_number(record.measured.get(name)):
            raise RunError(f"its {name} is no number: {record.measured.get(name)!r}")


def _row(study: Study, cell: Cell, record: Record) -> Row:
    spec, seed = cell.spec, cell.spec.config.seed
    arm = {**study.settings, **study.arms[cell.arm], **cell.axes}
    values = {
        "study": study.name,
        "arm": cell.arm,
        "seed": seed,
        "identity": spec.identity,
        "dataset": spec.dataset,
        "split": spec.split,
        "method": spec.method,
        "synthetic": bool(record.graph.get("synthetic")),
        **{name: arm.get(name) for name in DERIVED if spec.method == "search"},
        **spec.resolved,
        **record.measured,
    }
    return Row(cell.arm, cell.axes, seed, spec.identity, values)


def is_number(value: object) -> bool:
    """Whether a value is a finite number, and not a truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
