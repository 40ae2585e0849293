"""Records: what each run of a study found, one file each, in a folder that studies share.

Several studies may use one folder: a run that two of them need is computed once. Records of other
machines are added by copying their files into ``records/``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gslt.config import SearchConfig, TrainConfig
from gslt.data import NodeDataset
from gslt.environment import environment
from gslt.errors import ConfigError, GsltError, RunError
from gslt.files import plain, write_json, write_text
from gslt.studies.smoothness import Profile, endpoints, profile
from gslt.studies.study import RunSpec, Study, load_study
from gslt.training.results import Result

FORMAT_VERSION = 1


def measured(result: Result) -> dict[str, Any]:
    """What a search or training found and what it costs: columns of every table.

    Accuracies and ratios are fractions, sizes bytes, times seconds; the best run's ticket is
    measured.
    """
    ticket, config, best = result.ticket, result.config, result.best
    total = sum(p.numel() for p in result.model.parameters())
    prune, lock = config.ratios if isinstance(config, SearchConfig) else (None, None)
    size = ticket.size() if ticket else None
    # Weight training under a random mask.
    removed = round(config.mask_sparsity * total) if isinstance(config, TrainConfig) else 0
    return {
        "test_accuracy": result.test_accuracy,
        "val_accuracy": result.val_accuracy,
        "train_accuracy": best.train_accuracy,
        "best_epoch": best.best_epoch,
        "weight_init": config.weight_init,  # type: ignore[attr-defined]
        "sparsity": size.sparsity if size else removed / total,
        "density": size.density if size else 1.0 - removed / total,
        "prune_ratio": prune,
        "lock_ratio": lock,
        "freezing_ratio": None if prune is None or lock is None else prune + lock,
        "searched": size.searched if size else total - removed,
        "search_space": size.search_space if size else 1.0 - removed / total,
        "num_weights": size.total if size else total,
        "model_bytes": size.bits / 8 if size else 4 * (total - removed),
        "times_smaller": size.ratio if size else total / (total - removed),
        "file_bytes": size.bytes if size else None,
        "seconds": best.seconds,
    }


@dataclass(frozen=True, kw_only=True)
class Record:
    """What one run found."""

    spec: RunSpec
    measured: dict[str, Any]
    """See :func:`measured`."""
    graph: dict[str, Any]
    """Facts about the graph: :meth:`gslt.NodeDataset.info`."""
    environment: dict[str, Any]
    """Versions and hardware of the machine that computed it."""
    profile: Profile | None = None
    """Smoothness layer by layer, where the run asks for it."""

    @classmethod
    def of(cls, spec: RunSpec, dataset: NodeDataset, result: Result) -> Record:
        """The record of a run that has ended in this process."""
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
        return {**values, "sha256": checksum(values)}

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
            if checksum(values) != expected:
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
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def _studies(self) -> Path:
        return self.path / "studies"

    def add(self, study: Study) -> None:
        """Write the study into the folder; the same one again changes nothing.

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

    def records(self, study: Study) -> Iterator[Record]:
        """The records of a study that are there and whole."""
        for identity in study.runs:
            try:
                if (record := self.read(identity)) is not None:
                    yield record
            except RunError:
                continue

    def fail(self, spec: RunSpec, why: str) -> None:
        """Note why a run ended without a result; it is tried again the next time."""
        write_text(self._failure_path(spec.identity), f"{why}\n")

    def failure(self, identity: str) -> str | None:
        """Why the last try of a run failed."""
        path = self._failure_path(identity)
        return path.read_text(encoding="utf-8").strip() if path.exists() else None

    def _failure_path(self, identity: str) -> Path:
        return self.path / "failures" / f"{identity}.txt"


def checksum(values: Mapping[str, Any]) -> str:
    """SHA-256 of the values as JSON with sorted keys."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
