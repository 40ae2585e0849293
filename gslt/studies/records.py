"""Folders of studies: a record for each run, in a file of its own; and the one table they make.

Several studies may share a folder: a run that two of them need is computed once. Records of other
machines are added by copying their files into ``records/``. Whoever counts, averages, pairs or
draws runs begins with :func:`frame`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from gslt.errors import ConfigError, GsltError, RunError
from gslt.files import write_json, write_text
from gslt.studies.columns import is_number
from gslt.studies.runs import Record, StudyResults, frame_of
from gslt.studies.study import RunSpec, Study, load_study

if TYPE_CHECKING:
    from pandas import DataFrame


class StudyFolder:
    """A folder with studies, the records of their runs, and the runs themselves.

    ``studies/<name>.yaml``, ``records/<identity>.json``, ``runs/<identity>/`` (the run folder with
    ticket and metrics), ``failures/<identity>.txt``.

    Args:
        path: of the folder, which need not be there yet.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def _studies(self) -> Path:
        return self.path / "studies"

    def add(self, study: Study) -> None:
        """Write the study into the folder; the same one again changes nothing.

        Args:
            study: its name is the name of its file.

        Raises:
            RunError: if the folder holds another study of this name, or something else.
        """
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"{str(self.path)!r} is a file; choose another --out")
        if self.path.is_dir() and any(self.path.iterdir()) and not self._studies.is_dir():
            raise RunError(f"{str(self.path)!r} is not empty and holds no study")
        place = self._studies / f"{study.name}.yaml"
        text = study.to_yaml()
        if place.exists():
            if load_study(place).values != study.values:
                raise RunError(
                    f"{str(self.path)!r} holds another study named {study.name!r}; give this one "
                    "another name (their common runs are computed once) or choose another --out"
                )
            return
        write_text(place, text)

    def studies(self) -> list[Study]:
        """The studies by name.

        Raises:
            RunError: if there is none.
        """
        paths = sorted(self._studies.glob("*.yaml"))
        if not paths:
            raise RunError(f"{str(self.path)!r} holds no study; gslt study run makes one")
        try:
            return [load_study(path) for path in paths]
        except ConfigError as error:
            raise RunError(str(error)) from error

    def run_path(self, identity: str) -> Path:
        """The run folder of a run."""
        return self.path / "runs" / identity

    def record_path(self, identity: str) -> Path:
        """The record of a run."""
        return self.path / "records" / f"{identity}.json"

    def write(self, record: Record) -> None:
        """Write a record, at once or not at all, and forget that the run failed before."""
        write_json(self.record_path(record.spec.identity), record.to_json())
        self._failure_path(record.spec.identity).unlink(missing_ok=True)

    def read(self, identity: str) -> Record | None:
        """The record of a run; None where there is none.

        Args:
            identity: of the run, see :attr:`gslt.studies.study.RunSpec.identity`.

        Raises:
            RunError: if it is damaged, named wrongly or of a newer version.
        """
        path = self.record_path(identity)
        if not path.exists():
            return None
        try:
            record = Record.from_json(json.loads(path.read_text(encoding="utf-8")))
            if record.spec.identity != identity:
                raise RunError(f"it is the record of run {record.spec.identity}")
        except (OSError, ValueError, RecursionError, GsltError) as error:
            raise RunError(f"{str(path)!r} cannot be used: {error}") from error
        return record

    def results(self, study: Study) -> StudyResults:
        """What the folder holds of a study.

        A record that cannot be used is told in :attr:`StudyResults.unusable` and left out.
        """
        records: dict[str, Record] = {}
        unusable, failures = {}, {}
        for identity in study.runs:
            try:
                record = self.read(identity)
                if record is not None:
                    _check_accuracies(record)
                    records[identity] = record
                elif (reason := self.failure(identity)) is not None:
                    failures[identity] = reason
            except RunError as error:
                # The cause alone: the sentence around it has the path on this machine.
                unusable[identity] = str(error.__cause__ or error)
        return StudyResults(study, records, unusable, failures)

    def fail(self, spec: RunSpec, why: str) -> None:
        """Note why a run ended without a result; it is tried again the next time.

        Args:
            spec: the run.
            why: a sentence.
        """
        write_text(self._failure_path(spec.identity), f"{why}\n")

    def failure(self, identity: str) -> str | None:
        """Why the last try of a run failed."""
        path = self._failure_path(identity)
        return path.read_text(encoding="utf-8").strip() if path.exists() else None

    def _failure_path(self, identity: str) -> Path:
        return self.path / "failures" / f"{identity}.txt"


def frame(folder: str | Path, study: str | None = None) -> DataFrame:
    """The runs of the studies in a folder: one row for every run that has a record.

    A run that two arms share has a row in each, with the same ``identity``. Columns, in this order:

    - ``study``, ``arm``, ``label`` (arm and place on its axes, in words);
    - ``axis_<name>`` for everything that some arm varies: the value that the grid names. Missing
      where the arm does not vary it;
    - ``seed``, ``identity``, ``method`` (search or train), ``dataset``, ``graph`` (its own name),
      ``split``, ``synthetic``;
    - every setting of :class:`gslt.SearchConfig` and :class:`gslt.TrainConfig`, and
      ``prune_share`` and ``window_position``;
    - what was measured (``test_accuracy``, ``val_accuracy``, ``train_accuracy`` at ``best_epoch``,
      ``searched``, ``model_bytes``, …). Accuracies and ratios are fractions, sizes bytes, times
      seconds. Where a setting was measured too (sparsity, the ratios), the measured value stands:
      it differs from that of ``axis_…`` by the rounding to whole weights;
    - endpoints of over-smoothing where the study asks for them, and ``collapsed``: a run whose
      last hidden representation has nothing left that varies. Its ``log_quotient`` is −∞;
    - ``hardware`` and ``version_<package>`` of the machine that computed the run.

    Args:
        folder: of ``gslt study run`` or ``gslt conjecture``.
        study: name of one study; default: all that the folder holds.

    Returns:
        Columns of whole numbers, numbers, truth values and text; what is missing is NaN or NA.

    Raises:
        RunError: if the folder holds no study (of this name), or no record that can be used.
    """
    place = StudyFolder(folder)
    studies = [each for each in place.studies() if study in (None, each.name)]
    if not studies:
        names = ", ".join(each.name for each in place.studies())
        raise RunError(f"{str(folder)!r} holds no study {study!r}; it holds {names}")
    runs = frame_of([place.results(each) for each in studies])
    if not len(runs):
        raise RunError(f"{str(folder)!r} holds no record that can be used")
    return runs


def _check_accuracies(record: Record) -> None:
    for name in ("test_accuracy", "val_accuracy"):
        if not is_number(record.measured.get(name)):
            raise RunError(f"its {name} is no number: {record.measured.get(name)!r}")
