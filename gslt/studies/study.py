"""A study: a grid of searches and trainings, each with an identity of its own."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from gslt.config import SearchConfig, TrainConfig, build
from gslt.errors import ConfigError
from gslt.freezing import split_ratio, window_sparsity

METHODS: dict[str, type[SearchConfig] | type[TrainConfig]] = {
    "search": SearchConfig,
    "train": TrainConfig,
}
#: Settings of a run beside its config.
PLACE = {"method": "search", "dataset": "debian", "split": 0, "smoothness": False}
#: Settings that stand for others: see :class:`Study`.
DERIVED = ("prune_share", "window_position")
#: Fields that say how a run is carried out, not what it is.
_HOW = ("device", "runs")


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
    config: SearchConfig | TrainConfig
    """Every setting of the search or training, of one seed."""
    smoothness: bool = False
    """Whether over-smoothing is measured in the end."""

    @property
    def method(self) -> str:
        """``search`` or ``train``."""
        return "search" if isinstance(self.config, SearchConfig) else "train"

    @property
    def trains_all(self) -> bool:
        """Whether all weights are trained: no ticket is searched, and no mask is on them."""
        return isinstance(self.config, TrainConfig) and not self.config.mask_sparsity

    @property
    def values(self) -> dict[str, Any]:
        """Method, data set, split and the settings that differ from their defaults."""
        values: dict[str, Any] = {
            "method": self.method,
            "dataset": self.dataset,
            "split": self.split,
            **({"smoothness": True} if self.smoothness else {}),
        }
        for item in dataclasses.fields(self.config):
            value = getattr(self.config, item.name)
            if item.name not in _HOW and value != item.default:
                # 1 and 1.0 are the same setting.
                whole = isinstance(value, int) and item.type in (float, float | None)
                values[item.name] = float(value) if whole else value
        return values

    @property
    def resolved(self) -> dict[str, Any]:
        """Every setting of the config with its value, but for how the run is carried out."""
        values = dataclasses.asdict(self.config)
        return {name: value for name, value in values.items() if name not in _HOW}

    @cached_property
    def identity(self) -> str:
        """Sixteen hexadecimal digits."""
        return checksum(self.values)[:16]

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> RunSpec:
        """The run of these settings; the inverse of :attr:`values`.

        Args:
            values: method, dataset, split, smoothness, and settings of the config; the derived ones
                of :class:`Study` too.

        Raises:
            ConfigError: for a setting that does not exist, or a value that it cannot have.
        """
        settings = {**PLACE, **values}
        method, dataset, split, smoothness = (settings.pop(name) for name in PLACE)
        if method not in METHODS:
            raise ConfigError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
        if not isinstance(dataset, str) or isinstance(split, bool) or not isinstance(split, int):
            raise ConfigError(f"dataset must be a name and split a number, got {dataset}, {split}")
        if not isinstance(smoothness, bool):
            raise ConfigError(f"smoothness must be true or false, got {smoothness!r}")
        config = build(METHODS[method], _resolve(settings))
        return cls(dataset=dataset, split=split, config=config, smoothness=smoothness)

    def __post_init__(self) -> None:
        # One source network has many descriptions (p, l and F with a centred window) and one
        # identity.
        if isinstance(self.config, SearchConfig):
            prune, lock = (ratio or None for ratio in self.config.ratios)
            config = dataclasses.replace(
                self.config, freezing_ratio=None, prune_ratio=prune, lock_ratio=lock
            )
            object.__setattr__(self, "config", config)


@dataclass(frozen=True, kw_only=True)
class GridCell:
    """One run in its study: the arm that it belongs to and its place on the arm's axes."""

    arm: str
    axes: dict[str, Any]
    """The value of everything that the arm varies."""
    spec: RunSpec


@dataclass(frozen=True, kw_only=True)
class Study:
    """A typed grid of runs.

    Settings are ``method`` (search or train), ``dataset``, ``split``, ``smoothness`` (true measures
    over-smoothing in the end) and the fields of :class:`gslt.SearchConfig` and
    :class:`gslt.TrainConfig`, which also check their values. A list
    is an axis: an arm has a run for every combination of its lists, and every seed. Two more
    settings place the search window instead of ``prune_ratio``, ``lock_ratio`` and ``sparsity``:
    ``prune_share``, the share of the frozen weights that is pruned (0: all locked, 1: all pruned),
    and ``window_position``, where between the sparsest and the densest ticket that exists the
    sparsity lies (0.5: in the middle of the window).

    Raises:
        ConfigError: for a name, a setting or a value that is not possible; it names the arm.
    """

    name: str
    """Letters, digits, dots, dashes and underscores: it names files."""
    arms: Mapping[str, Mapping[str, Any]]
    """What is compared: settings by the name of the arm."""
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
        if not re.fullmatch(r"[\w.-]+", self.name) or self.name.startswith("."):
            raise ConfigError(
                f"the name of a study is made of letters, digits, '.', '-', '_': {self.name!r}"
            )
        if not self.arms:
            raise ConfigError(f"study {self.name!r} has no arms")
        for label, arm in {**self.arms, "settings": self.settings}.items():
            if not isinstance(arm, Mapping):
                raise ConfigError(f"arm {label!r} must map settings to values, got {arm!r}")
        seeds = self.seed_list
        if not seeds or len(set(seeds)) < len(seeds) or not all(type(s) is int for s in seeds):
            raise ConfigError(f"seeds must be different whole numbers, got {self.seeds!r}")
        for name in {name for arm in (self.settings, *self.arms.values()) for name in arm}:
            if name in ("seed", "runs", "device"):
                raise ConfigError(
                    f"{name} is no setting of a study: seeds has the seeds, and the device is "
                    "chosen where it runs"
                )
        _ = self.cells

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
            except (ConfigError, TypeError) as error:
                raise ConfigError(f"study {self.name!r}, arm {arm!r}: {error}") from error
            cells.append(GridCell(arm=arm, axes=axes, spec=spec))
        return cells

    @property
    def runs(self) -> dict[str, RunSpec]:
        """Every run once, by its identity: arms may share runs."""
        return {cell.spec.identity: cell.spec for cell in self.cells}

    def _points(self, arm: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        own = self.arms[arm]
        method = own.get("method", self.settings.get("method", PLACE["method"]))
        methods = method if isinstance(method, list) else [method]
        common = dict(self.settings)
        if methods == ["train"]:
            known = {item.name for item in dataclasses.fields(TrainConfig)} | set(PLACE)
            common = {name: value for name, value in common.items() if name in known}
        settings = {**common, **own}
        lists = {name: value for name, value in settings.items() if isinstance(value, list)}
        if empty := [name for name, values in lists.items() if not values]:
            raise ConfigError(f"study {self.name!r}, arm {arm!r}: {empty[0]} is an empty list")
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
            "arms": {name: dict(arm) for name, arm in self.arms.items()},
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
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError(f"{str(path)!r} cannot be read: {error}") from error
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise ConfigError(f"{str(path)!r} holds no study")
    try:
        return build(Study, {"name": path.stem, **values})
    except TypeError as error:
        raise ConfigError(f"{str(path)!r} holds no study: {error}") from error


def checksum(values: Mapping[str, Any]) -> str:
    """SHA-256 of values as JSON with sorted keys."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _resolve(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings without the derived ones.

    Raises:
        ConfigError: if a derived setting stands beside what it decides, or has nothing to place.
    """
    share, position = (settings.pop(name, None) for name in DERIVED)
    if share is not None:
        _leave_out(settings, "prune_share", "prune_ratio", "lock_ratio")
        freezing_ratio = settings.pop("freezing_ratio", None) or 0.0
        settings["prune_ratio"], settings["lock_ratio"] = split_ratio(freezing_ratio, share)
    if position is not None:
        _leave_out(settings, "window_position", "sparsity")
        prune, lock = settings.get("prune_ratio"), settings.get("lock_ratio")
        if prune is lock is None and settings.get("freezing_ratio"):
            raise ConfigError("window_position needs prune_share beside freezing_ratio")
        settings["sparsity"] = window_sparsity(prune or 0.0, lock or 0.0, position)
    return settings


def _leave_out(settings: dict[str, Any], by: str, *names: str) -> None:
    for name in names:
        if settings.get(name) is not None:
            raise ConfigError(f"{by} decides {name}; leave one of the two out")
