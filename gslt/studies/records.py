"""Records: what each run of a study found, one file each; and the one table that they make.

Several studies may share a folder: a run that two of them need is computed once. Records of other
machines are added by copying their files into ``records/``. Whoever counts, averages, pairs or
draws runs begins with :func:`frame`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gslt.data import NodeDataset
from gslt.environment import environment
from gslt.errors import ConfigError, GsltError, RunError
from gslt.files import plain, write_json, write_text
from gslt.studies.columns import is_number, measured, shown_name
from gslt.studies.runs import StudyResults, frame_of
from gslt.studies.smoothness import Profile, endpoints, profile
from gslt.studies.study import RunSpec, Study, load_study
from gslt.training.results import Result

if TYPE_CHECKING:
    from pandas import DataFrame

FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Record:
    """What one run found."""

    spec: RunSpec
    """What was computed."""
    measured: dict[str, Any]
    """See :func:`gslt.studies.columns.measured`."""
    graph: dict[str, Any]
    """Facts about the graph: :meth:`gslt.NodeDataset.info`."""
    environment: dict[str, Any]
    """Versions and hardware of the machine that computed it."""
    profile: Profile | None = None
    """Smoothness layer by layer, where the run asks for it."""

    @property
    def graph_name(self) -> str:
        """Name of the graph, with the word synthetic where it is."""
        return shown_name(str(self.graph.get("name", self.spec.dataset)), self.graph)

    @property
    def graph_text(self) -> str:
        """Name and size of the graph."""
        counts = {"nodes": "nodes", "edges": "directed edges", "features": "features"}
        known = (f"{self.graph[key]:,} {word}" for key, word in counts.items() if key in self.graph)
        return ": ".join([self.graph_name, ", ".join(known)])

    @property
    def hardware(self) -> str:
        """The machine and the versions, in words."""
        found = self.environment
        parts = [str(found.get("processor") or ""), str(found.get("system", "unknown"))]
        for name, one in (("cores", "core"), ("threads", "thread")):
            if number := found.get(name):
                parts.append(f"{number} {one if number == 1 else name}")
        if gpu := found.get("gpu"):
            parts.append(f"GPU {gpu}")
        parts += [f"{name} {number}" for name, number in self.versions.items()]
        return ", ".join(part for part in parts if part)

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the packages that were installed."""
        found = self.environment.get("versions") or {}
        return {name: number for name, number in found.items() if number != "not installed"}

    @classmethod
    def of(cls, spec: RunSpec, dataset: NodeDataset, result: Result) -> Record:
        """The record of a run that has ended in this process.

        Args:
            spec: the run.
            dataset: what it ran on; smoothness is measured there where the run asks for it.
            result: of the search or training.
        """
        layers = profile(result.model, dataset) if spec.smoothness else None
        return cls(
            spec=spec,
            measured=plain({**measured(result), **(endpoints(layers) if layers else {})}),
            graph=dict(dataset.info()),
            environment={**environment(), "device": result.config.device},
            profile=layers,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values with a checksum over them."""
        values = {
            "format": FORMAT_VERSION,
            "identity": self.spec.identity,
            "run": self.spec.values,
            "config": self.spec.resolved,
            "measured": self.measured,
            "graph": self.graph,
            "environment": self.environment,
            **({} if self.profile is None else {"profile": self.profile}),
        }
        return {**values, "sha256": record_checksum(values)}

    @classmethod
    def from_json(cls, values: Any) -> Record:
        """The inverse of :meth:`to_json`.

        Raises:
            RunError: if a record is damaged or of a newer version.
        """
        try:
            values = dict(values)
            version, expected = values["format"], values.pop("sha256")
            if not isinstance(version, int) or version > FORMAT_VERSION:
                raise RunError(
                    f"it has record version {version}, and this gslt reads up to {FORMAT_VERSION}; "
                    "upgrade gslt"
                )
            if record_checksum(values) != expected:
                raise RunError("it is damaged: its content does not match its checksum")
            parts = {name: values[name] for name in ("measured", "graph", "environment")}
            layers = values.get("profile")
            record = cls(spec=RunSpec.from_values(values["run"]), **parts, profile=layers)
            # An older gslt may have had other defaults, which an identity does not hold.
            resolved = record.spec.resolved
            now = {name: resolved.get(name) for name in values["config"]}
            if record.spec.identity != values["identity"] or now != values["config"]:
                raise RunError("it was computed with other default settings than this gslt's")
            return record
        except (LookupError, TypeError, ValueError, RecursionError) as error:
            raise RunError(f"it is damaged: {error}") from error


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


def record_checksum(values: Mapping[str, Any]) -> str:
    """SHA-256 of the values as JSON with sorted keys."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
