"""A study: a grid of searches, trainings and constructions, each with an identity of its own."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, get_args

import yaml

from gslt.config import (
    METHODS,
    VISION,
    RunConfig,
    SearchConfig,
    TrainConfig,
    default_of,
    idle_in_training,
)
from gslt.data.catalogue import known_name
from gslt.environment import check_limit
from gslt.errors import ConfigError, nearest
from gslt.files import parse, read_yaml, reading
from gslt.freezing import split_ratio, window_sparsity
from gslt.settings import build, check_choice, shortened
from gslt.theory.config import ConstructionConfig, TargetKind
from gslt.theory.existence import own_dataset

#: How a run of a study finds its result, and its settings.
RUN_METHODS: dict[str, type[SearchConfig] | type[TrainConfig] | type[ConstructionConfig]] = {
    **METHODS,
    "construct": ConstructionConfig,
}
#: Settings of a run beside its config; a construction has the data set of its target.
PLACE = {
    "method": "search",
    "dataset": "debian",
    "split": 0,
    "smoothness": False,
    "trajectory": False,
}
#: Settings that stand for others: see :class:`Study`.
DERIVED = ("prune_share", "window_position")
#: Fields that say how a run is carried out, not what it is.
_HOW = ("device", "runs")
#: Every setting that some arm may have.
_SETTINGS = {item.name for kind in RUN_METHODS.values() for item in dataclasses.fields(kind)} | {
    *PLACE,
    *DERIVED,
}
#: What stands beside the settings of a study, and is none.
_NO_SETTING = ("seed", *_HOW)
#: Annotations of settings that are numbers, also where their evaluation is postponed.
_NUMBERS = (float, float | None, "float", "float | None")
#: No data set has as many.
_LARGEST_SPLIT = 2**31
#: Characters, and bytes as the name of a file, that the name of a study has at most.
_LONGEST_NAME = (100, 200)


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One run of one seed: what is computed, and nothing about where or by whom.

    Its identity is a hash of the method, the data set, the split and those settings that differ
    from their defaults, so that a new setting with its default leaves old identities as they are.
    """

    dataset: str
    """Name or path of the data set."""
    split: int
    """Number of the split, where the data set has several."""
    config: SearchConfig | TrainConfig | ConstructionConfig
    """Every setting of the search, training or construction, of one seed."""
    smoothness: bool = False
    """Whether over-smoothing is measured in the end."""
    trajectory: bool = False
    """Whether it is measured on the way too, at log-spaced epochs, with accuracies and losses."""

    @property
    def method(self) -> str:
        """``search``, ``train`` or ``construct``."""
        return next(name for name, kind in RUN_METHODS.items() if isinstance(self.config, kind))

    @property
    def has_own_data(self) -> bool:
        """Whether gslt makes its data: of a target that is not of a data set of nodes."""
        return isinstance(self.config, ConstructionConfig) and not self.config.is_of_nodes

    @property
    def steps(self) -> int:
        """What it is counted as while it is computed: its epochs; 1 for a construction."""
        return self.config.epochs if isinstance(self.config, RunConfig) else 1

    @property
    def trains_all(self) -> bool:
        """Whether all weights are trained: no ticket is searched, and no mask is on them."""
        return isinstance(self.config, TrainConfig) and not self.config.mask_sparsity

    @property
    def density(self) -> float | None:
        """The share of weights that a ticket is to keep; None where all weights are trained."""
        name = "sparsity" if isinstance(self.config, SearchConfig) else "mask_sparsity"
        removed = getattr(self.config, name, None)
        return None if removed is None or self.trains_all else round(1.0 - removed, 12)

    @property
    def values(self) -> dict[str, Any]:
        """Method, data set, split and the settings that differ from their defaults."""
        values: dict[str, Any] = {
            "method": self.method,
            "dataset": self.dataset,
            "split": self.split,
            **({"smoothness": True} if self.smoothness else {}),
            **({"trajectory": True} if self.trajectory else {}),
        }
        for item in dataclasses.fields(self.config):
            value = getattr(self.config, item.name)
            if item.name not in _HOW and value != self._default(item):
                # 1 and 1.0 are the same setting, and so are 0.0 and -0.0.
                number = item.type in _NUMBERS and value is not None
                values[item.name] = float(value) + 0.0 if number else value
        return values

    def _default(self, item: dataclasses.Field[Any]) -> Any:
        """What a setting is where nobody says otherwise."""
        if isinstance(self.config, ConstructionConfig):
            return item.default
        return default_of(item, self.config.architecture, training=self.method == "train")

    @property
    def resolved(self) -> dict[str, Any]:
        """Every setting of the config with its value, but for how the run is carried out."""
        values = dataclasses.asdict(self.config)
        return {name: value for name, value in values.items() if name not in _HOW}

    @property
    def in_force(self) -> dict[str, Any]:
        """The same without settings of a mask, its rewiring, or layers, where there is none.

        A dense source has the defaults of what would be frozen.
        """
        idle = () if isinstance(self.config, SearchConfig) else self.config.idle
        return {name: value for name, value in self.resolved.items() if name not in idle}

    @cached_property
    def identity(self) -> str:
        """Sixteen hexadecimal digits."""
        return checksum(self.values)[:16]

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> RunSpec:
        """The run of these settings; the inverse of :attr:`values`.

        Args:
            values: method, dataset, split, smoothness, trajectory, and settings of the config; the
                derived ones of :class:`Study` too.

        Raises:
            ConfigError: for a setting that does not exist, or a value that it cannot have.
        """
        settings = {**PLACE, **_own_place(values), **values}
        method, dataset, split, smoothness, trajectory = (settings.pop(name) for name in PLACE)
        if not isinstance(method, str) or method not in RUN_METHODS:
            listed = ", ".join(RUN_METHODS)
            raise ConfigError(f"method must be one of {listed}, got {shortened(method)}")
        if not isinstance(dataset, str):
            raise ConfigError(f"dataset must be a name or path, got {shortened(dataset)}")
        check_text("dataset", dataset)
        if type(split) is not int or not 0 <= split <= _LARGEST_SPLIT:
            raise ConfigError(f"split must be a number from 0, got {shortened(split)}")
        truths = {"smoothness": smoothness, "trajectory": trajectory}
        for name, value in truths.items():
            if not isinstance(value, bool):
                raise ConfigError(f"{name} must be true or false, got {shortened(value)}")
        settings = _resolve(settings)
        if method == "train":
            settings = _of_training(settings)
        config = build(RUN_METHODS[method], settings)
        return cls(dataset=one_spelling(dataset), split=split, config=config, **truths)

    def __post_init__(self) -> None:
        if isinstance(self.config, ConstructionConfig):
            self._check_construction(self.config)
            p, q = self.config.ratios
            plain = dataclasses.replace(
                self.config, freezing_ratio=None, prune_ratio=p, lock_ratio=q
            )
            object.__setattr__(self, "config", plain)
            return
        if self.config.architecture in VISION and (self.smoothness or self.trajectory):
            raise ConfigError(
                "smoothness and trajectory measure over-smoothing, which needs a graph, and "
                f"{self.config.architecture} is a network of images; leave them out"
            )
        # One source network has many descriptions (p, l and F with a centred window) and one
        # identity.
        if isinstance(self.config, SearchConfig):
            prune, lock = (ratio or None for ratio in self.config.ratios)
            # Nor do settings of what is frozen tell sources apart that have nothing frozen.
            usual = {name: getattr(SearchConfig, name) for name in self.config.idle}
            config = dataclasses.replace(
                self.config, **usual, freezing_ratio=None, prune_ratio=prune, lock_ratio=lock
            )
            object.__setattr__(self, "config", config)

    def _check_construction(self, config: ConstructionConfig) -> None:
        """Refuse what a construction does not measure, and data that is not its target's."""
        if self.smoothness or self.trajectory:
            raise ConfigError(
                "smoothness and trajectory measure a search or a training; a construction has no "
                "epochs, leave them out"
            )
        own = own_dataset(config.target)
        if self.has_own_data and (self.dataset, self.split) != (own, 0):
            raise ConfigError(
                f"{config.target} is trained on {own}, which gslt makes, and not on "
                f"{self.dataset!r}, split {self.split}; leave dataset and split out"
            )


#: Settings of an arm: one grid, or a list of them.
ArmSettings = Mapping[str, Any] | list[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class GridCell:
    """One run in its study: the arm that it belongs to and its place on the arm's axes."""

    arm: str
    axes: dict[str, Any]
    """The value of everything that the arm varies."""
    settings: dict[str, Any]
    """What the study says of it, :data:`DERIVED` settings as they were given."""
    spec: RunSpec


@dataclass(frozen=True, kw_only=True)
class Study:
    """A typed grid of runs.

    Settings are ``method`` (search, train or construct), ``dataset``, ``split``, ``smoothness``
    (true measures over-smoothing in the end), ``trajectory`` (true measures it at about 20
    log-spaced epochs and the best one, and keeps that with accuracies and losses in the record) and
    the fields of :class:`gslt.SearchConfig`, :class:`gslt.TrainConfig` and
    :class:`gslt.theory.existence.ConstructionConfig`, which also check their values. A list
    is an axis: an arm has a run for every combination of its lists, and every seed. Two more
    settings place the search window instead of ``prune_ratio``, ``lock_ratio`` and ``sparsity``:
    ``prune_share``, the share of the frozen weights that is pruned (0: all locked, 1: all pruned),
    beside the ``freezing_ratio`` that it divides, and ``window_position``, where between the
    densest (0) and the sparsest (1) ticket that the source holds the sparsity lies (0.5: in the
    middle of the window).

    Raises:
        ConfigError: for a name, a setting or a value that is not possible, points of an arm that
            are one run, or a grid above the limit; it names the arm.
    """

    name: str
    """Letters, digits, dots, dashes and underscores, 100 at most: it names files."""
    arms: Mapping[str, ArmSettings]
    """What is compared: settings by the name of the arm. Where its points are no full grid, a list
    of settings: the arm has the runs of all of them, and what differs between them is an axis."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of every arm. Those of the search do not apply to arms that train weights; an arm's
    own settings win."""
    seeds: Sequence[int] | int = 3
    """Seeds of every combination, or their number, from 0."""
    title: str = ""
    """Heading of the report."""
    x: str = ""
    """Column of the report on the horizontal axis of the figure, such as sparsity, freezing_ratio
    or model_bytes. Default: the first axis, else no figure."""
    panel: str = ""
    """Column whose values stand side by side in the figure, such as allocation."""

    def __post_init__(self) -> None:
        check_name(self.name)
        for name in ("title", "x", "panel"):
            check_text(f"the {name} of study {self.name!r}", getattr(self, name))
        self._check_seeds()
        if not isinstance(self.arms, Mapping):
            raise ConfigError(f"arms must map names to settings, got {shortened(self.arms)}")
        if not self.arms:
            raise ConfigError(f"study {self.name!r} has no arms")
        self._check_settings("settings", self.settings)
        for label, arm in self.arms.items():
            check_text("the name of an arm", label)
            if not label.strip():
                raise ConfigError(f"study {self.name!r} has an arm without a name")
            for settings in arm if isinstance(arm, list) and arm else [arm]:
                self._check_settings(f"arm {label!r}", settings)
        check_limit("cells", self._size, f"study {self.name!r} has")
        _ = self.cells
        for label in self.arms:
            self._check_once(label)

    def _check_seeds(self) -> None:
        seeds = self.seeds
        if type(seeds) is int:
            check_limit("seeds", seeds, f"study {self.name!r} has")
        elif isinstance(seeds, Sequence) and not isinstance(seeds, str | bytes):
            check_limit("seeds", len(seeds), f"study {self.name!r} has")
        else:
            raise ConfigError(
                f"seeds must be a number of seeds or a list of them, got {shortened(seeds)}"
            )
        found = self.seed_list
        if not found or not all(type(s) is int for s in found) or len(set(found)) < len(found):
            raise ConfigError(f"seeds must be different whole numbers, got {shortened(seeds)}")

    def _check_settings(self, where: str, settings: object) -> None:
        where = f"study {self.name!r}, {where}"
        if not isinstance(settings, Mapping):
            raise ConfigError(f"{where} must map settings to values, got {shortened(settings)}")
        for name, value in settings.items():
            if name in _NO_SETTING:
                raise ConfigError(
                    f"{name} is no setting of a study: seeds has the seeds, and the device is "
                    "chosen where it runs"
                )
            if name not in _SETTINGS:
                raise ConfigError(
                    f"{where}: there is no setting {shortened(name)}{nearest(name, _SETTINGS)}"
                )
            for each in value if isinstance(value, list) else [value]:
                if type(each) not in (bool, int, float, str, type(None)):
                    raise ConfigError(
                        f"{where}: {name} must be a value or a list of values, got "
                        f"{shortened(value)}"
                    )

    @property
    def _size(self) -> int:
        """Number of cells, before any of them is made."""
        grids = (axes for arm in self.arms for _, axes in self._grids(arm))
        return len(self.seed_list) * sum(math.prod(map(len, axes.values())) for axes in grids)

    def _check_once(self, arm: str) -> None:
        """Refuse points of an arm that are one run: it would count twice.

        Raises:
            ConfigError: naming the arm, the axis and its values.
        """
        first, known = self.seed_list[0], dict[str, dict[str, Any]]()
        for cell in self.cells:
            if cell.spec.config.seed != first:
                break
            if cell.arm != arm:
                continue
            other = known.setdefault(cell.spec.identity, cell.axes)
            if other is not cell.axes:
                places = self._same(arm, other, cell.axes)
                raise ConfigError(
                    f"study {self.name!r}, arm {arm!r}: {places} give the same run, which counts "
                    "once; leave one of the two out"
                )

    def _same(self, arm: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
        """Two points of an arm: the axes in which they differ, or that name a value twice."""
        pairs = {name: (repr(one[name]), repr(other.get(name))) for name in one}
        differing = [name for name, (a, b) in pairs.items() if a != b]
        twice = [
            name
            for _, axes in self._grids(arm)
            for name, values in axes.items()
            if values.count(one.get(name)) > 1
        ]
        return ", ".join(
            f"{name} {' and '.join(pairs[name])}" for name in differing or twice or one
        )

    @property
    def seed_list(self) -> list[int]:
        """The seeds, also where their number is given."""
        return list(range(self.seeds)) if isinstance(self.seeds, int) else list(self.seeds)

    @cached_property
    def cells(self) -> list[GridCell]:
        """Every run with its place; seeds vary slowest, so that the first runs show all arms."""
        points = [(arm, *point) for arm in self.arms for point in self._points(arm)]
        cells = []
        for seed, (arm, axes, settings) in itertools.product(self.seed_list, points):
            try:
                spec = RunSpec.from_values({**settings, "seed": seed})
            except ConfigError as error:
                raise ConfigError(f"study {self.name!r}, arm {arm!r}: {error}") from error
            own = {"dataset": spec.dataset} if "dataset" in axes else {}
            cells.append(GridCell(arm=arm, axes=axes | own, settings=settings, spec=spec))
        return cells

    @property
    def runs(self) -> dict[str, RunSpec]:
        """Every run once, by its identity: arms may share runs."""
        return {cell.spec.identity: cell.spec for cell in self.cells}

    def _settings_of(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that apply to an arm with these of its own, lists for its axes."""
        method = own.get("method", self.settings.get("method", PLACE["method"]))
        methods = method if isinstance(method, list) else [method]
        common = dict(self.settings)
        if methods == ["construct"]:
            known = {item.name for item in dataclasses.fields(ConstructionConfig)}
            known |= {*PLACE, "prune_share"}
            common = {name: value for name, value in common.items() if name in known}
        elif methods == ["train"]:
            known = {item.name for item in dataclasses.fields(TrainConfig)} | set(PLACE)
            if not {**common, **own}.get("mask_sparsity"):
                known -= set(TrainConfig().idle)
            common = {name: value for name, value in common.items() if name in known}
        elif methods == ["search"] and not any(
            _is_frozen({**common, **own}.get(name))
            for name in ("freezing_ratio", "prune_ratio", "lock_ratio")
        ):
            idle = SearchConfig().idle
            common = {name: value for name, value in common.items() if name not in idle}
        return {**common, **own}

    def _grids(self, arm: str) -> list[tuple[dict[str, Any], dict[str, list[Any]]]]:
        """Settings of every grid of an arm, and what it varies with its values.

        Raises:
            ConfigError: if there are no values of one of them.
        """
        parts = _parts(self.arms[arm])
        names = dict.fromkeys(name for part in parts for name in part)
        differing = {n for n in names if any(part.get(n) != parts[0].get(n) for part in parts)}
        found = []
        for part in parts:
            settings = self._settings_of(part)
            varied = {n: v for n, v in settings.items() if isinstance(v, list) or n in differing}
            axes = {n: v if isinstance(v, list) else [v] for n, v in varied.items()}
            if empty := [name for name, values in axes.items() if not values]:
                raise ConfigError(f"study {self.name!r}, arm {arm!r}: {empty[0]} is an empty list")
            found.append((settings, axes))
        return found

    def _points(self, arm: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        for settings, lists in self._grids(arm):
            for values in itertools.product(*lists.values()):
                axes = dict(zip(lists, values, strict=True))
                yield axes, {**settings, **axes}

    # Files

    @property
    def values(self) -> dict[str, Any]:
        """The study as plain values, for YAML."""
        return {
            "name": self.name,
            "title": self.title,
            "x": self.x,
            "panel": self.panel,
            "seeds": self.seed_list,
            "settings": dict(self.settings),
            "arms": {name: _plain(arm) for name, arm in self.arms.items()},
        }

    def to_yaml(self) -> str:
        """The study as YAML text; :func:`load_study` reads it."""
        text: str = yaml.safe_dump(self.values, sort_keys=False, allow_unicode=True)
        return text


def load_study(path: str | Path) -> Study:
    """A study from a YAML file with the fields of :class:`Study`.

    Args:
        path: of the file; its stem is the name of a study that has none.

    Raises:
        ConfigError: if it cannot be read or is no study; the sentence names the arm.
    """
    path = Path(path)
    with reading(path, ConfigError, "a study"):
        values = parse(dict[str, Any], read_yaml(path))
        try:
            return build(Study, {"name": path.stem, **values})
        except ConfigError as error:
            raise ConfigError(f"{str(path)!r} holds no study: {error}") from error


def check_name(name: object) -> None:
    """Refuse a name that a study cannot have, as it names files.

    Raises:
        ConfigError: saying what a name is made of.
    """
    if not isinstance(name, str):
        raise ConfigError(
            f"the name of a study must be text, got {shortened(name)}; {_quoted(name)}"
        )
    if not re.fullmatch(r"[\w.-]+", name) or name.startswith("."):
        raise ConfigError(
            f"the name of a study is made of letters, digits, '.', '-', '_': {shortened(name)}"
        )
    characters, in_bytes = _LONGEST_NAME
    if len(name) > characters or len(name.encode()) > in_bytes:
        raise ConfigError(
            f"the name of a study has {characters} characters at most, and {in_bytes} bytes, as it "
            f"names files: {shortened(name)}"
        )


def one_spelling(dataset: str) -> str:
    """A path without what changes nothing, so that a file is one data set; a name as it is.

    >>> one_spelling("./data//a.npz"), one_spelling("../a.gml?y=club"), one_spelling("./cora")
    ('data/a.npz', '../a.gml?y=club', './cora')

    Args:
        dataset: name or path, maybe with options of reading it.
    """
    place, mark, query = dataset.rpartition("?")
    if not mark or "=" not in query:
        place, mark, query = dataset, "", ""
    if "/" not in place or "://" in place:
        return dataset
    found = str(PurePosixPath(place))
    # A folder that has the name of a known data set is not that.
    return dataset if known_name(found) else f"{found}{mark}{query}"


def name_of_dataset(dataset: str) -> str:
    """The name or path of a data set as a part of the name of a study.

    >>> name_of_dataset("data/my graph.npz")
    'my-graph'
    """
    return re.sub(r"[^\w.-]+", "-", Path(dataset).stem)[:40]


def check_text(what: str, text: object) -> None:
    """Refuse what is no text, or could not be written to a file.

    Args:
        what: it is, the subject of the sentence.
        text: what was given.

    Raises:
        ConfigError: with the advice to quote what YAML takes for a number or a truth value.
    """
    if not isinstance(text, str):
        raise ConfigError(f"{what} must be text, got {shortened(text)}; {_quoted(text)}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"{what} has characters that no file can hold: {text!r}") from error


def _quoted(value: object) -> str:
    return f"quote it: {shortened(str(value))}"


def checksum(values: Mapping[str, Any]) -> str:
    """SHA-256 of values as JSON with sorted keys."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _parts(arm: ArmSettings) -> list[Mapping[str, Any]]:
    """The grids of an arm: one, unless it is a list of them."""
    return [arm] if isinstance(arm, Mapping) else list(arm)


def _plain(arm: ArmSettings) -> dict[str, Any] | list[dict[str, Any]]:
    return dict(arm) if isinstance(arm, Mapping) else [dict(part) for part in arm]


def _own_place(values: Mapping[str, Any]) -> dict[str, Any]:
    """The data set of a construction, where its settings name none."""
    if values.get("method") != "construct" or "dataset" in values:
        return {}
    target = values.get("target", ConstructionConfig.target)
    check_choice("target", target, get_args(TargetKind))
    return {"dataset": own_dataset(target)}


def _is_frozen(ratio: Any) -> bool:
    """Whether a ratio, or one of a list, is not 0."""
    return any(ratio) if isinstance(ratio, list) else bool(ratio)


def _of_training(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of a training without those of a mask, or its rewiring, where there is none.

    A grid may vary them beside trainings that have a mask.

    Raises:
        ConfigError: for a value that they could not have with one either.
    """
    names = idle_in_training(settings.get("mask_sparsity"), settings.get("rewire_every"))
    if idle := {name: settings[name] for name in names if name in settings}:
        build(TrainConfig, {"mask_sparsity": 0.5, "rewire_every": 2, **idle})
    return {name: value for name, value in settings.items() if name not in idle}


def _resolve(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings without the derived ones.

    Raises:
        ConfigError: if a derived setting stands beside what it decides, or has nothing to place.
    """
    for name in (*DERIVED, "freezing_ratio", "prune_ratio", "lock_ratio"):
        _check_ratio(name, settings.get(name))
    share, position = (settings.pop(name, None) for name in DERIVED)
    if share is not None:
        _leave_out(settings, "prune_share", "prune_ratio", "lock_ratio")
        freezing_ratio = settings.pop("freezing_ratio", None)
        if freezing_ratio is None:
            raise ConfigError(
                f"prune_share {shortened(share)} has no frozen weights to divide; set "
                "freezing_ratio, of which 0 is a dense source, or leave prune_share out"
            )
        settings["prune_ratio"], settings["lock_ratio"] = split_ratio(freezing_ratio, share)
    if position is not None:
        _leave_out(settings, "window_position", "sparsity")
        prune, lock = settings.get("prune_ratio"), settings.get("lock_ratio")
        if prune is lock is None and settings.get("freezing_ratio"):
            raise ConfigError("window_position needs prune_share beside freezing_ratio")
        settings["sparsity"] = window_sparsity(prune or 0.0, lock or 0.0, position)
    return settings


def _check_ratio(name: str, value: object) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (number and 0.0 <= value <= 1.0):  # type: ignore[operator]
        raise ConfigError(f"{name} must lie in [0, 1], got {shortened(value)}")


def _leave_out(settings: dict[str, Any], by: str, *names: str) -> None:
    for name in names:
        if settings.get(name) is not None:
            raise ConfigError(f"{by} decides {name}; leave one of the two out")
