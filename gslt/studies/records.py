"""Folders of studies: a record for each run, in a file of its own; and the one table they make.

Several studies may share a folder: a run that two of them need is computed once. Records of other
machines are added by copying their files into ``records/``: they are read, and never overwritten.
Whoever counts, averages, pairs or draws runs begins with :func:`frame`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from gslt.data import Dataset
from gslt.data.content import refuse_other_data, run_facts, runs_differ
from gslt.errors import ConfigError, GsltError, GsltWarning, RunError, pasted
from gslt.files import OutputFolder, json_values, read_bytes, read_text, reading
from gslt.files.folder import ROOM, TICKET, check_folder, kind_of
from gslt.studies.runs import Record, StudyResults, frame_of
from gslt.studies.study import RunSpec, Study, load_study

if TYPE_CHECKING:
    from pandas import DataFrame


class StudyFolder:
    """A folder with studies, the records of their runs, and the runs themselves.

    ``studies/<name>.yaml``, ``records/<identity>.json``, ``runs/<identity>/`` (the run folder with
    ticket and metrics), ``failures/<identity>.txt``. Reading writes nothing, and needs no manifest:
    a folder may be read-only, or a copy.

    Args:
        path: of the folder, which need not be there yet.
        allow_other_data: read records, with a warning, that are not of the same data.
    """

    def __init__(self, path: str | Path, *, allow_other_data: bool = False) -> None:
        self.path = Path(path)
        self._allow_other_data = allow_other_data

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(StudyFolder, allow_other_data=self._allow_other_data), (self.path,)

    @cached_property
    def output(self) -> OutputFolder:
        """Where files are written, and what gslt wrote; opened when something is written.

        Raises:
            RunError: if the folder holds anything else than what gslt made; records that were
                copied there may be the first that it holds.
        """
        return OutputFolder(self.path, "study", _beside(self.path))

    @property
    def _studies(self) -> Path:
        return self.path / "studies"

    def add(self, study: Study) -> None:
        """Write the study into the folder; the same one again changes nothing.

        Args:
            study: its name is the name of its file.

        Raises:
            RunError: if the folder holds another study of this name, or one whose name differs in
                case alone, or something else.
        """
        place = self._studies / f"{study.name}.yaml"
        if place.exists() or place.is_symlink():
            if self._load(place).values != study.values:
                raise RunError(
                    f"{str(self.path)!r} holds another study named {study.name!r}; give this one "
                    "another name (their common runs are computed once) or choose another --out"
                )
            return
        _check_distinct([*(path.stem for path in self._files()), study.name])
        self.output.write_text(f"studies/{study.name}.yaml", study.to_yaml())

    def studies(self) -> list[Study]:
        """The studies by name.

        Raises:
            RunError: if there is none, or a file of one cannot be read.
        """
        paths = self._files()
        if not paths:
            raise RunError(f"{str(self.path)!r} {self._without_study()}")
        _check_distinct([path.stem for path in paths])
        return [self._load(path) for path in paths]

    def _without_study(self) -> str:
        """What the folder is, as it holds no study, and what to do about it."""
        kind = kind_of(self.path)
        if kind not in (None, "study"):
            show = pasted("gslt", "inspect", self.path / TICKET)
            there = (self.path / TICKET).is_file()
            return f"is the folder of a {kind}" + (f"; {show} shows its ticket" if there else "")
        try:
            check_folder(self.path, "study", _beside(self.path))
        except RunError:
            return "holds no study; name the folder that a study was given with --out"
        begin = pasted("gslt", "study", "run", "--preset", "table", "--out", self.path)
        return f"holds no study; {begin} begins one"

    def _files(self) -> list[Path]:
        # What begins with a dot is no study's: names do not.
        with reading(self._studies):
            return sorted(p for p in self._studies.glob("*.yaml") if not p.name.startswith("."))

    def _load(self, path: Path) -> Study:
        try:
            study = load_study(path)
        except ConfigError as error:
            raise RunError(str(error)) from error
        if study.name != path.stem:
            raise RunError(
                f"{str(path)!r} holds the study {study.name!r}; a file in studies/ has the name of "
                "its study"
            )
        return study

    def run_path(self, identity: str) -> Path:
        """The run folder of a run."""
        return self.path / "runs" / identity

    def record_path(self, identity: str) -> Path:
        """The record of a run."""
        return self.path / _record_name(identity)

    def write(self, record: Record) -> None:
        """Write a record, at once or not at all, and forget that the run failed before.

        Raises:
            RunError: if there is a record that gslt did not write, or that was changed since.
            OSError: if it cannot be written.
        """
        identity = record.spec.identity
        self.output.write_json(_record_name(identity), record.to_json())
        if (self.path / _failure_name(identity)).exists():
            self.output.remove(_failure_name(identity))

    def read(self, identity: str) -> Record | None:
        """The record of a run; None where there is none.

        Args:
            identity: of the run, see :attr:`gslt.studies.study.RunSpec.identity`.

        Raises:
            RunError: if it is damaged, named wrongly or of a newer version, whatever is in its
                place.
        """
        try:
            return self._read(identity)
        except RunError as error:
            path = str(self.record_path(identity))
            raise RunError(f"{path!r} cannot be used: {error}") from error

    def _read(self, identity: str) -> Record | None:
        """The same; the error is the reason alone, without a path, which is of this machine."""
        path = self.record_path(identity)
        try:
            with reading(path, what="a record"):
                if not (path.exists() or path.is_symlink()):
                    return None
                record = Record.from_json(json_values(read_bytes(path, limit="record_bytes")))
        except GsltError as error:
            raise RunError(str(error).replace(repr(str(path)), "it")) from error
        if record.spec.identity != identity:
            raise RunError(f"it is the record of run {record.spec.identity}")
        return record

    def usable(self, identity: str) -> Record | None:
        """The record of a run; None where the run has to be computed, or computed again.

        A record that gslt wrote here, and that nobody changed since, is written anew where this
        gslt cannot use it, as it is of other default settings; a warning says so.

        Args:
            identity: of the run.

        Raises:
            RunError: if a record that cannot be used is somebody else's, or was changed since.
        """
        try:
            return self.read(identity)
        except RunError as error:
            if self.output.owns(_record_name(identity)):
                message = f"{error}; the run is computed again"
                warnings.warn(message, GsltWarning, stacklevel=2)
                return None
            raise RunError(f"{error}; remove the file, and the run is computed again") from error

    def results(self, study: Study) -> StudyResults:
        """What the folder holds of a study.

        A record that cannot be used is told in :attr:`StudyResults.unusable` and left out.

        Raises:
            RunError: if records of one data set and split are of different data, unless that is
                allowed.
        """
        records: dict[str, Record] = {}
        unusable, failures = {}, {}
        for identity in study.runs:
            try:
                record = self._read(identity)
            except RunError as error:
                unusable[identity] = str(error)
                continue
            if record is not None:
                records[identity] = record
            elif (reason := self.failure(identity)) is not None:
                failures[identity] = reason
        self._compare_data(records)
        return StudyResults(study, records, unusable, failures)

    def _compare_data(self, records: Mapping[str, Record]) -> None:
        """Refuse records of which one knows the data set and split of another as other data."""
        first: dict[tuple[str, int], tuple[str, Record]] = {}
        for identity, record in records.items():
            place = (record.spec.dataset, record.spec.split)
            # One with a hash, where there is one, is what the others are compared with.
            if place not in first or "content_hash" not in first[place][1].graph:
                first[place] = identity, record
        for identity, record in records.items():
            other, known = first[record.spec.dataset, record.spec.split]
            if how := runs_differ(known.graph, record.graph):
                refuse_other_data(
                    f"the records {other} and {identity} in {str(self.path)!r} are of different "
                    f"data named {record.spec.dataset!r}: {how}",
                    "remove those that are of other data, and they are computed again",
                    allowed=self._allow_other_data,
                )
                return

    def compare_data(self, study: Study, load: Callable[[str, int], Dataset]) -> None:
        """Compare the records of a study with the data as it is now.

        Args:
            study: whose records are used.
            load: gives a data set by its name and split.

        Raises:
            RunError: if one is of other data, unless that is allowed.
        """
        records = self.results(study).records.values()
        known = [record for record in records if not record.spec.has_own_data]
        for name, split in dict.fromkeys((r.spec.dataset, r.spec.split) for r in known):
            now = run_facts(load(name, split))
            here = [r.graph for r in known if (r.spec.dataset, r.spec.split) == (name, split)]
            others = [how for graph in here if (how := runs_differ(graph, now))]
            if others:
                refuse_other_data(
                    f"{len(others)} of {len(here)} records in {str(self.path)!r} are of other data "
                    f"than {name!r} is now: {others[0]}",
                    "bring back the data, or choose another --out",
                    allowed=self._allow_other_data,
                )

    def fail(self, spec: RunSpec, why: str) -> None:
        """Note why a run ended without a result; it is tried again the next time.

        What cannot be noted, because the disk is full, is a warning.

        Args:
            spec: the run.
            why: a sentence.
        """
        try:
            self.output.write_text(_failure_name(spec.identity), f"{why}\n")
        except (OSError, RunError, UnicodeEncodeError) as error:
            message = f"why run {spec.identity} failed could not be written ({error})"
            warnings.warn(message, GsltWarning, stacklevel=2)

    def failure(self, identity: str) -> str | None:
        """Why the last try of a run failed."""
        path = self.path / _failure_name(identity)
        try:
            with reading(path, what="a reason"):
                return read_text(path, limit="record_bytes").strip() if path.exists() else None
        except GsltError as error:
            return str(error).replace(repr(str(path)), "its reason")


def _record_name(identity: str) -> str:
    return f"records/{identity}.json"


def _failure_name(identity: str) -> str:
    return f"failures/{identity}.txt"


def _check_distinct(names: list[str]) -> None:
    """Refuse names that some systems take for one file.

    Raises:
        RunError: naming both.
    """
    known: dict[str, str] = {}
    for name in names:
        other = known.setdefault(normalize("NFC", name).casefold(), name)
        if other != name:
            raise RunError(
                f"the studies {other!r} and {name!r} differ in case alone, and some systems take "
                "their files for one; give one of them another name"
            )


def _beside(path: Path) -> tuple[str, ...]:
    """What may be in a folder before any study: records of other machines, and nothing else."""
    records = path / "records"
    if not records.is_dir() or records.is_symlink():
        return ()
    named = all(re.fullmatch(r"[0-9a-f]{16}\.json", each.name) for each in records.iterdir())
    alone = named and {each.name for each in path.iterdir()} <= {"records", ROOM}
    return ("records",) if alone else ()


def frame(folder: str | Path, study: str | None = None) -> DataFrame:
    """The runs of the studies in a folder: one row for every run that has a record.

    A run that two arms or two studies share has a row in each, with the same ``identity``:
    :func:`gslt.report.averages` counts it once in a group. Columns, in this order:

    - ``study``, ``arm``, ``label`` (arm and place on its axes, in words);
    - ``axis_<name>`` for everything that some arm varies: the value that the grid names. Missing
      where the arm does not vary it;
    - ``seed``, ``identity``, ``method`` (search, train or construct), ``dataset``, ``graph`` (its
      own name), ``split``, ``synthetic``, ``metric`` (what ``…_accuracy`` holds: ``accuracy``,
      ``roc_auc`` or ``micro_f1``), ``majority_rate`` (of the test nodes; NaN of an older gslt);
    - every setting of :class:`gslt.SearchConfig`, :class:`gslt.TrainConfig` and
      :class:`gslt.theory.existence.ConstructionConfig`, and ``prune_share`` and
      ``window_position``;
    - what was measured (``test_accuracy``, ``val_accuracy``, ``train_accuracy``, ``test_loss``,
      ``val_loss``, ``train_loss`` at ``best_epoch``; the same with ``last_`` before it at the last
      epoch, ``last_test_accuracy``, …; ``searched``, ``model_bytes``, …). Accuracies and ratios are
      fractions, losses nats, sizes bytes, times seconds. Losses and what is of the last epoch are
      NaN in records of a gslt that did not keep them. Where a setting was measured too (sparsity,
      the ratios), the measured value stands: it differs from that of ``axis_…`` by the rounding to
      whole weights;
    - of constructions what :func:`gslt.studies.constructions.measured_construction` gives
      (``target_test_accuracy``, ``output_error``, ``searched_per_target_weight``, …);
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
    runs = frame_of(_results(folder, study))
    if not len(runs):
        raise RunError(f"{str(folder)!r} holds no record that can be used")
    return runs


def trajectories(folder: str | Path, study: str | None = None) -> DataFrame:
    """How the runs went: one row for every epoch that a run with ``trajectory: true`` kept.

    The columns of :func:`frame` that tell the run and its settings; ``ratio`` (the freezing ratio,
    NaN where nothing is frozen) and ``intervention`` (``no edges``, ``residual``, ``pairnorm``,
    ``no norm``, or ``none``); ``epoch``, from 0, which is before the first; ``best`` and ``last``,
    whether it is the epoch of the best validation accuracy, or the last; ``train_accuracy``,
    ``val_accuracy``, ``test_accuracy`` (fractions), ``train_loss``, ``val_loss``, ``test_loss``
    (nats); and the endpoints of over-smoothing of that epoch. Epochs below the target of a ramp of
    sparsity are there too, and never the best.

    Args:
        folder: of ``gslt study run`` or ``gslt conjecture``.
        study: name of one study; default: all that the folder holds.

    Raises:
        RunError: if the folder holds no study (of this name), or no record with a trajectory.
    """
    import pandas as pd

    found = [each.trajectories for each in _results(folder, study)]
    found = [rows for rows in found if len(rows)]
    if not found:
        raise RunError(
            f"{str(folder)!r} holds no record with a trajectory; runs with trajectory: true keep it"
        )
    return found[0] if len(found) == 1 else pd.concat(found, ignore_index=True)


def _results(folder: str | Path, study: str | None) -> list[StudyResults]:
    """What a folder holds of its studies, or of one.

    Raises:
        RunError: if it holds no study (of this name).
    """
    place = StudyFolder(folder)
    studies = [each for each in place.studies() if study in (None, each.name)]
    if not studies:
        names = ", ".join(each.name for each in place.studies())
        raise RunError(f"{str(folder)!r} holds no study {study!r}; it holds {names}")
    return [place.results(each) for each in studies]
