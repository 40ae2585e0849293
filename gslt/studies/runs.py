"""Runs: the record of one, and those of a study as a table."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta

from gslt.config import RunConfig
from gslt.data import Dataset
from gslt.data.metrics import ACCURACY, METRICS
from gslt.diagnostics import MEASURES
from gslt.errors import ConfigError, RunError
from gslt.files import parse, plain
from gslt.studies.columns import LOG_QUOTIENT, Count, Measured, measured, named, shown_name
from gslt.studies.smoothness import Profile, endpoints, layer_rows, profile
from gslt.studies.study import DERIVED, RUN_METHODS, GridCell, RunSpec, Study, checksum
from gslt.studies.trajectory import (
    Trajectory,
    check_trajectory,
    intervention,
    trajectory_rows,
)
from gslt.training.results import AT_BEST, AT_LAST, Result

if TYPE_CHECKING:
    from pandas import DataFrame


FORMAT_VERSION = 1


# What a file has to hold


@dataclass(frozen=True)
class _Graph:
    """Facts about a graph that are told; there may be more."""

    name: str = ""
    synthetic: bool = False
    nodes: Count = 0
    edges: Count = 0
    features: Count = 0
    classes: Count = 0
    metric: Literal["accuracy", "roc_auc", "micro_f1"] = "accuracy"
    test_majority_rate: Annotated[float, Meta(ge=0, le=1)] | None = None


@dataclass(frozen=True)
class _Machine:
    """Versions and hardware that are told; there may be more."""

    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    python: str | None = None
    system: str | None = None
    processor: str | None = None
    cores: Count | None = None
    threads: Count | None = None
    gpu: str | None = None
    device: str | None = None
    continued_by: list[_Machine] = dataclasses.field(default_factory=list)


@dataclass(frozen=True)
class _File:
    """A record as it is stored."""

    format: int
    identity: str
    run: dict[str, Any]
    config: dict[str, bool | int | float | str | None]
    measured: dict[str, float | str | None]
    graph: dict[str, bool | int | float | str | None]
    environment: dict[str, Any]
    profile: dict[str, Annotated[list[float | None], Meta(min_length=1)]] | None = None
    trajectory: dict[str, Annotated[list[float | None], Meta(min_length=1)]] | None = None


#: Columns of a frame that no measured number may take the place of.
_TAKEN = {
    *("study", "arm", "label", "seed", "identity", "method", "dataset", "graph", "split"),
    *("metric", "majority_rate", "synthetic", "collapsed", "hardware", "layer", "hidden", *DERIVED),
    *(item.name for kind in RUN_METHODS.values() for item in dataclasses.fields(kind)),
} - {item.name for item in dataclasses.fields(Measured)}


def check_measured(values: Mapping[str, Any], spec: RunSpec) -> None:
    """Refuse what a run cannot have measured.

    Args:
        values: see :func:`gslt.studies.columns.measured`, and endpoints.
        spec: the run.

    Raises:
        ValueError: naming the column.
    """
    has_epochs = isinstance(spec.config, RunConfig)
    for name in ("test_accuracy", *(("val_accuracy", "best_epoch") if has_epochs else ())):
        value = values.get(name)
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            raise ValueError(f"its {name} is no number: {value}")
    found = parse(Measured, dict(values))
    if isinstance(spec.config, RunConfig):
        _check_epochs(found, spec.config)
    if found.searched > found.num_weights:
        raise ValueError(f"it searched {found.searched} of {found.num_weights} weights")
    known = {item.name for item in dataclasses.fields(Measured)}
    others = {name: value for name, value in values.items() if name not in known}
    parse(dict[str, float | None], others)
    for name in others:
        if name in _TAKEN or not name.isidentifier() or name.startswith((AXIS, "version_")):
            raise ValueError(f"{name!r} is nothing that is measured")


def _check_epochs(found: Measured, config: RunConfig) -> None:
    """Refuse epochs, or initial weights, that a search or training of this config does not have.

    Raises:
        ValueError: naming the column.
    """
    last, best = found.last_epoch or config.epochs, found.best_epoch or 0
    if best > last:
        raise ValueError(f"its best epoch is {best} of {last}")
    if last > config.epochs or not config.is_last(last, best):
        raise ValueError(f"its last epoch is {last} of {config.epochs}")
    if found.weight_init != config.weight_init:  # type: ignore[attr-defined]
        raise ValueError(f"it has weight_init {found.weight_init!r} twice, with other values")


def _check_profile(found: Profile) -> None:
    """Refuse a profile whose measures are not of the same layers, or not known.

    Raises:
        ValueError: naming the measure.
    """
    if not found or len({len(values) for values in found.values()}) > 1:
        raise ValueError("its profile has not the same layers for every measure")
    if unknown := [name for name in found if name not in MEASURES]:
        raise ValueError(f"its profile has {unknown[0]!r}, which is no measure of this gslt's")


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
    trajectory: Trajectory | None = None
    """Accuracies, losses and endpoints at log-spaced epochs, where the run asks for them."""

    @property
    def last_epoch(self) -> int:
        """Number of the last epoch; an older gslt knew no other than the config's.

        Of a construction 1, as which it is counted.
        """
        return self.measured.get("last_epoch") or self.spec.steps

    @property
    def graph_name(self) -> str:
        """Name of the graph, with the word synthetic where it is."""
        return shown_name(str(self.graph.get("name", self.spec.dataset)), self.graph)

    @property
    def metric(self) -> str:
        """What its accuracies are; an older gslt knew nothing else."""
        return str(self.graph.get("metric", ACCURACY))

    @property
    def majority_rate(self) -> float | None:
        """That of the test nodes, see :meth:`gslt.NodeDataset.majority_rate`; older: None."""
        return self.graph.get("test_majority_rate")

    @property
    def graph_text(self) -> str:
        """Name and size of the graph."""
        return self.size_of(self.graph_name)

    def size_of(self, name: str) -> str:
        """The graph under this name, and its size.

        Args:
            name: of the graph, see :meth:`StudyResults.graph_of`.
        """
        counts = {"nodes": "nodes", "edges": "directed edges", "features": "features"}
        counts |= {"images": "images", "channels": "channels", "examples": "examples"}
        known = (f"{self.graph[key]:,} {word}" for key, word in counts.items() if key in self.graph)
        return ": ".join([name, ", ".join(known)])

    @property
    def hardware(self) -> str:
        """The machine and the versions, in words; those of all that had a part in it."""
        found = self.environment
        others = found.get("continued_by") or []
        return ", continued on ".join(machine_words(each) for each in (found, *others))

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the packages that were installed where the run began."""
        return _installed(self.environment)

    @classmethod
    def of(
        cls,
        spec: RunSpec,
        dataset: Dataset,
        result: Result,
        environment: Mapping[str, Any],
        trajectory: Trajectory | None = None,
    ) -> Record:
        """The record of a run that has ended.

        Args:
            spec: the run.
            dataset: what it ran on; smoothness is measured there where the run asks for it.
            result: of the search or training.
            environment: of whoever computed it, see :attr:`gslt.RunFolder.environment`.
            trajectory: how it went, where the run asks for that.

        Raises:
            RunError: if it found something that cannot be, such as an accuracy that is no number.
        """
        layers = profile(result.model, dataset) if spec.smoothness else None
        found = {**measured(result), **(endpoints(layers) if layers else {})}
        machine = {**environment, "device": result.config.device}
        record = cls.checked(spec, found, dataset.info(), machine)
        return dataclasses.replace(record, profile=layers, trajectory=trajectory)

    @classmethod
    def checked(
        cls,
        spec: RunSpec,
        measured: Mapping[str, Any],
        graph: Mapping[str, Any],
        environment: Mapping[str, Any],
    ) -> Record:
        """A record of these parts, see the fields.

        Args:
            spec: the run.
            measured: what it found.
            graph: facts about its data.
            environment: of whoever computed it.

        Raises:
            RunError: if it found something that cannot be, such as an accuracy that is no number.
        """
        found = plain(measured)
        try:
            check_measured(found, spec)
        except ValueError as error:
            raise RunError(f"the run has no usable result: {error}") from error
        return cls(spec=spec, measured=found, graph=plain(graph), environment=dict(environment))

    def to_json(self) -> dict[str, Any]:
        """Plain values with a checksum over them."""
        values = {
            "format": FORMAT_VERSION,
            "identity": self.spec.identity,
            "run": self.spec.values,
            "config": self.spec.resolved,
            "measured": plain(self.measured),
            "graph": self.graph,
            "environment": self.environment,
            **({} if self.profile is None else {"profile": self.profile}),
            **({} if self.trajectory is None else {"trajectory": self.trajectory}),
        }
        return {**values, "sha256": checksum(values)}

    @classmethod
    def from_json(cls, values: Any) -> Record:
        """The inverse of :meth:`to_json`.

        Raises:
            RunError: if a record is damaged or of a newer version.
        """
        try:
            values = dict(parse(dict[str, Any], values))
            version, expected = values.get("format"), values.pop("sha256", None)
            if type(version) is int and version > FORMAT_VERSION:
                raise RunError(
                    f"it has record version {version}, and this gslt reads up to {FORMAT_VERSION}; "
                    "upgrade gslt"
                )
            if checksum(values) != expected:
                raise RunError("it is damaged: its content does not match its checksum")
            return cls._of_file(parse(_File, values), values)
        except ConfigError as error:
            raise RunError(f"its run cannot be carried out by this gslt: {error}") from error
        except (LookupError, TypeError, ValueError, RecursionError) as error:
            raise RunError(f"it is damaged: {error}") from error

    @classmethod
    def _of_file(cls, file: _File, values: Mapping[str, Any]) -> Record:
        if file.format != FORMAT_VERSION:
            raise ValueError(f"there is no record version {file.format}")
        spec = RunSpec.from_values(file.run)
        # An older gslt may have had other defaults, which an identity does not hold.
        resolved = spec.resolved
        now = {name: resolved.get(name) for name in file.config}
        if spec.identity != file.identity or now != file.config:
            raise RunError("it was computed with other default settings than this gslt's")
        check_measured(values["measured"], spec)
        parse(_Graph, file.graph)
        parse(_Machine, file.environment)
        if file.profile is not None:
            _check_profile(file.profile)
        if spec.trajectory != (file.trajectory is not None):
            raise ValueError("it should have a trajectory exactly where its run asks for one")
        # The values themselves: a whole number stays one.
        parts = {name: values[name] for name in ("measured", "graph", "environment")}
        record = cls(spec=spec, **parts, profile=file.profile, trajectory=file.trajectory)
        if file.trajectory is not None:
            check_trajectory(file.trajectory, record.measured["best_epoch"], record.last_epoch)
        return record


def machine_words(found: Mapping[str, Any]) -> str:
    """A machine and its versions, in words.

    Args:
        found: of :func:`gslt.environment.environment`, or what a record has of it.
    """
    parts = [str(found.get("processor") or ""), str(found.get("system") or "unknown")]
    for name, one in (("cores", "core"), ("threads", "thread")):
        if number := found.get(name):
            parts.append(f"{number} {one if number == 1 else name}")
    if gpu := found.get("gpu"):
        parts.append(f"GPU {gpu}")
    parts += [f"{name} {number}" for name, number in _installed(found).items()]
    return ", ".join(part for part in parts if part)


def _installed(found: Mapping[str, Any]) -> dict[str, str]:
    versions = found.get("versions") or {}
    return {name: number for name, number in versions.items() if number != "not installed"}


#: Before the names of the columns with a grid's own values.
AXIS = "axis_"
#: Column of the share of weights that a run was to keep: ``density`` is what it kept.
ASKED_DENSITY = "asked_density"


def axis_names(runs: DataFrame) -> list[str]:
    """Everything that some arm of these runs varies.

    Args:
        runs: rows of a frame of runs or of groups.

    >>> import pandas as pd
    >>> axis_names(pd.DataFrame({"lr": [0.1], "axis_lr": [0.1], "axis_epochs": [None]}))
    ['lr']
    """
    return [
        str(name).removeprefix(AXIS)
        for name in runs.columns
        if str(name).startswith(AXIS) and runs[name].notna().any()
    ]


@dataclass(frozen=True)
class StudyResults:
    """What a folder holds of one study."""

    study: Study
    """The grid, whatever is there of it."""
    records: dict[str, Record]
    """The records that can be used, by identity."""
    unusable: dict[str, str]
    """Why a record cannot be used, by identity."""
    failures: dict[str, str]
    """Why the last try of a run without a record failed, by identity."""

    @cached_property
    def frame(self) -> DataFrame:
        """One row for every run that is there, see :func:`gslt.studies.frame`."""
        return frame_of([self])

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of :attr:`frame`, each with the columns that it has a value for."""
        return [
            _row(self.study, cell, self.records[cell.spec.identity])
            for cell in self.study.cells
            if cell.spec.identity in self.records
        ]

    @property
    def layers(self) -> DataFrame:
        """One row for every layer of every run that has a profile.

        The columns of :attr:`frame`, ``layer`` from 1, ``hidden``, and the measures of
        :data:`gslt.diagnostics.MEASURES` in the place of the endpoints of the same names.
        """
        return _typed(
            [
                {**row, **layer}
                for row in self.frame.to_dict("records")
                if (found := self.records[row["identity"]].profile) is not None
                for layer in layer_rows(found)
            ]
        )

    @property
    def trajectories(self) -> DataFrame:
        """A row for every run and epoch that was kept, see :func:`gslt.studies.trajectories`."""
        return _typed(
            [
                {**row, **_arm_columns(record), **epoch}
                for row in self.frame.drop(columns=self._of_ends).to_dict("records")
                if (record := self.records[row["identity"]]).trajectory is not None
                for epoch in trajectory_rows(
                    record.trajectory, record.measured["best_epoch"], record.last_epoch
                )
            ]
        )

    @property
    def _of_ends(self) -> list[str]:
        """Columns of the frame that a trajectory has for every epoch of its own, or not at all."""
        ends = [
            n for each in self.records.values() if each.profile for n in endpoints(each.profile)
        ]
        names = {*AT_BEST, *AT_LAST, *ends, "collapsed"}
        return [name for name in self.frame if name in names]

    @property
    def measured(self) -> list[str]:
        """Columns of what runs measured and what they cost, in the order of the records."""
        found: dict[str, Any] = {}
        for record in self.records.values():
            found |= _with_figures(record.measured)
            found |= endpoints(record.profile) if record.profile else {}
        return list(found)

    @property
    def metrics(self) -> list[str]:
        """What the accuracies of its records are; one where all are of one metric."""
        return list(dict.fromkeys(each.metric for each in self.records.values()))

    @property
    def metric(self) -> str:
        """That of all its records.

        Raises:
            RunError: if they are of several, which no table, picture or test may mix.
        """
        if len(names := self.metrics) > 1:
            known = " and ".join(METRICS[name].label for name in names)
            raise RunError(
                f"study {self.study.name!r} has runs by {known}, which cannot be compared; take "
                "those of one metric, see by_metric"
            )
        return names[0] if names else ACCURACY

    def by_metric(self) -> list[StudyResults]:
        """The same for each metric alone; itself where all records are of one."""
        if len(self.metrics) < 2:
            return [self]
        return [
            dataclasses.replace(
                self, records={n: r for n, r in self.records.items() if r.metric == metric}
            )
            for metric in self.metrics
        ]

    @property
    def total(self) -> int:
        """Number of different runs of the study."""
        return len(self.study.runs)

    @property
    def troubles(self) -> list[str]:
        """Sentences on records that cannot be used and runs that failed."""
        unusable = self.unusable.items()
        return [
            *(f"records/{name}.json cannot be used: {reason}" for name, reason in unusable),
            *(f"run {name} failed: {reason}" for name, reason in self.failures.items()),
        ]

    @property
    def dataset(self) -> str:
        """The graphs by name; a synthetic one is called so."""
        return ", ".join(dict.fromkeys(map(self.graph_of, self.records.values())))

    def graph_of(self, record: Record) -> str:
        """Name of the graph of a record, with its path where others of this study have the name.

        Args:
            record: one of the study's.
        """
        name = record.graph_name
        return f"{name} in {record.spec.dataset}" if name in self._shared_names else name

    @cached_property
    def _shared_names(self) -> set[str]:
        """Names that graphs of different content have; an older gslt did not keep the content."""
        found: dict[str, dict[str, set[str]]] = {}
        for each in self.records.values():
            if known := each.graph.get("content_hash"):
                of_name = found.setdefault(each.graph_name, {})
                of_name.setdefault(each.spec.dataset, set()).add(str(known))
        return {
            name
            for name, contents in found.items()
            if any(a.isdisjoint(b) for a, b in itertools.combinations(contents.values(), 2))
        }

    @property
    def majority(self) -> str:
        """What every accuracy stands beside, by graph: the majority rate of its test nodes.

        Empty where no record has it, which an older gslt did not measure.
        """
        rates: dict[str, set[str]] = {}
        for each in self.records.values():
            if each.majority_rate is not None:
                rates.setdefault(self.graph_of(each), set()).add(f"{100 * each.majority_rate:.2f}")
        ends = {
            name: dict.fromkeys((min(all, key=float), max(all, key=float)))
            for name, all in rates.items()
        }
        return ", ".join(f"{name} {' to '.join(found)} %" for name, found in ends.items())

    @property
    def synthetic(self) -> list[str]:
        """Names of the synthetic graphs."""
        records = (each for each in self.records.values() if each.graph.get("synthetic"))
        return list(dict.fromkeys(map(self.graph_of, records)))


def frame_of(found: Sequence[StudyResults]) -> DataFrame:
    """The runs of several studies as one frame, see :func:`gslt.studies.frame`.

    Args:
        found: what folders hold of the studies; their rows stand one study after the other.
    """
    return _typed([row for each in found for row in each.rows])


def _row(study: Study, cell: GridCell, record: Record) -> dict[str, Any]:
    spec = cell.spec
    found = endpoints(record.profile) if record.profile else {}
    return {
        "study": study.name,
        "arm": cell.arm,
        "label": named(cell.arm, cell.axes),
        **{f"{AXIS}{name}": value for name, value in cell.axes.items()},
        "seed": spec.config.seed,
        "identity": spec.identity,
        "method": spec.method,
        "dataset": spec.dataset,
        "graph": record.graph_name,
        "split": spec.split,
        "synthetic": bool(record.graph.get("synthetic")),
        "metric": record.metric,
        "majority_rate": record.majority_rate,
        **{name: cell.settings.get(name) for name in DERIVED if spec.method != "train"},
        **spec.in_force,
        ASKED_DENSITY: spec.density,
        **_with_figures(record.measured),
        **found,
        **({"collapsed": found.get(LOG_QUOTIENT) == -math.inf} if found else {}),
        "hardware": record.hardware,
        **{f"version_{name}": number for name, number in record.versions.items()},
    }


def _arm_columns(record: Record) -> dict[str, Any]:
    """What the frame of trajectories has of a run beside the columns of the frame of runs."""
    ratio = record.measured.get("freezing_ratio")
    return {"ratio": ratio or None, "intervention": intervention(record.spec.resolved)}


def _with_figures(found: Mapping[str, Any]) -> dict[str, Any]:
    """What a run measured; an older gslt's has neither losses nor anything of the last epoch."""
    return {**found, **{n: None for n in (*AT_BEST, *AT_LAST) if n not in found}}


def _typed(rows: Sequence[Mapping[str, Any]]) -> DataFrame:
    """Rows as a frame whose columns have one type each; the grid's columns stand behind the arm."""
    import pandas as pd

    names = list(dict.fromkeys(name for row in rows for name in row))
    names.sort(
        key=lambda name: 0 if name in ("study", "arm", "label") else 2 - name.startswith(AXIS)
    )
    columns: dict[str, Any] = {}
    for name in names:
        found = (row.get(name) for row in rows)
        values = [None if value is pd.NA else value for value in found]
        given = [value for value in values if value is not None]
        kinds = {bool if isinstance(v, bool) else type(v) for v in given}
        whole = len(given) == len(values)
        if kinds == {bool}:
            columns[name] = pd.array(values, dtype="bool" if whole else "boolean")
        elif kinds == {int}:
            columns[name] = pd.array(values, dtype="int64" if whole else "Int64")
        elif kinds <= {int, float}:
            columns[name] = [math.nan if value is None else float(value) for value in values]
        else:
            columns[name] = pd.array(values, dtype="object")
    return pd.DataFrame(columns)
