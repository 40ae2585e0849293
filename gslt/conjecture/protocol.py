"""The protocol of the test: criteria, arms, grids of runs, a folder's plan, and the table of runs.

The annotations stay evaluated (no postponed evaluation in this file): the command line reads them.
"""

import dataclasses
import io
import math
import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import yaml

from gslt.config import Architecture, build, check_choice, check_values
from gslt.errors import ConfigError, GsltError, RunError
from gslt.files import parse, read_text, read_yaml, reading
from gslt.report.escaping import csv_value
from gslt.studies.columns import LOG_QUOTIENT
from gslt.studies.execute import Executor, Summary, run_study
from gslt.studies.records import StudyFolder
from gslt.studies.runs import AXIS, StudyResults
from gslt.studies.smoothness import last_names, slope_names
from gslt.studies.study import Study, name_of_dataset
from gslt.training.signals import stop_requests

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, kw_only=True)
class Criteria:
    """Error rates and the smallest effect that matters, stated before any run.

    Raises:
        ConfigError: for a value out of range.
    """

    alpha: float = 0.05
    """Largest rate of wrong verdicts of either kind in a family: a difference claimed where there
    is none, and "no meaningful difference" where there is one [the folder's, else 0.05]."""
    smallest_effect: float = math.log(1.25)
    """Smallest difference of the log quotient that matters; 0.22 is a factor of 1.25 either way. A
    convention: a log quotient has no natural unit, and a change by less than a quarter would not
    be called stronger smoothing [the folder's, else 0.223]."""
    power: float = 0.8
    """Chance of a decision that the number of seeds needed is computed for [the folder's, else
    0.8]."""

    def __post_init__(self) -> None:
        check_values(self)
        for name in ("alpha", "power"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ConfigError(f"{name} must lie in (0, 1), got {getattr(self, name)}")
        if not 0.0 < self.smallest_effect < math.inf:
            raise ConfigError(f"smallest_effect must be above 0, got {self.smallest_effect}")


# Arms and grids

Size = Literal["quick", "standard", "ogbn-arxiv"]

#: The arm that nothing was frozen in, with which all others are compared, and the frozen ones.
DENSE, FROZEN = "dense", "frozen"
#: Sparsity of every ticket, and of every random mask.
SPARSITY = 0.5
RATIOS = (0.2, 0.4, 0.6, 0.8)

#: Settings of each arm by its name in the verdict; the frozen ones have a ratio.
ARMS: dict[str, dict[str, Any]] = {
    # Scores are searched at a faster rate than weights are trained.
    "trained": {"method": "train", "lr": 0.01},
    "weak ticket": {"method": "train", "lr": 0.01, "mask_sparsity": SPARSITY},
    # Everything is frozen: one update of nothing.
    "random mask": {
        "sparsity": SPARSITY,
        "freezing_ratio": 1.0,
        "allocation": "uniform",
        "epochs": 1,
    },
    DENSE: {"sparsity": SPARSITY},
    # All frozen weights are pruned, which the sparsity leaves room for.
    "sparse": {"sparsity": SPARSITY, "freezing_ratio": 0.4, "prune_share": 1.0},
    FROZEN: {"sparsity": SPARSITY, "freezing_ratio": list(RATIOS)},
}


@dataclass(frozen=True)
class Part:
    """Runs of one grid: every arm at every depth on every data set with every seed."""

    name: str
    datasets: tuple[str, ...]
    depths: tuple[int, ...]
    seeds: int
    epochs: int
    hidden_channels: int
    lr: float
    arms: tuple[str, ...] = tuple(ARMS)
    batch_norm: bool = True


DEPTHS = (2, 4, 8, 16, 32, 64)
PARTS: dict[str, tuple[Part, ...]] = {
    # Eight seeds: with three depths the smallest p after Holm's correction is 3 · 2/2⁸ = 0.02.
    "quick": (Part("cora", ("cora",), (2, 4, 8), 8, 30, 32, 0.02),),
    "standard": (
        Part("planetoid", ("cora", "citeseer"), DEPTHS, 10, 60, 64, 0.02),
        # Without norm deep networks learn little with any weights: the arms of the verdict, and
        # training, which shows it.
        Part(
            "planetoid-no-norm",
            ("cora", "citeseer"),
            DEPTHS,
            10,
            60,
            64,
            0.02,
            ("trained", DENSE, FROZEN),
            batch_norm=False,
        ),
        Part("debian", ("debian",), (4,), 10, 40, 64, 0.02),
    ),
    "ogbn-arxiv": (Part("ogbn-arxiv", ("ogbn-arxiv",), (2, 4, 8, 16), 10, 400, 386, 0.01),),
}


def studies(
    size: Size = "standard", *, architecture: Architecture = "gin", dataset: str | None = None
) -> list[Study]:
    """The studies of a preset, one for each part.

    Args:
        size: ``quick`` (Cora, minutes), ``standard`` (hours on 2 cores) or ``ogbn-arxiv``.
        architecture: message passing; the conjecture is about GIN.
        dataset: one data set in the place of the preset's.

    Raises:
        ConfigError: for a size that does not exist.
    """
    check_choice("preset", size, get_args(Size))
    parts = PARTS[size]
    if dataset is not None:
        # One part with batch norm and one without, the first of each.
        kept: dict[bool, Part] = {}
        for part in parts:
            kept.setdefault(part.batch_norm, part)
        parts = tuple(kept.values())
    return [_study(part, size, architecture, dataset) for part in parts]


def _study(part: Part, size: str, architecture: Architecture, dataset: str | None) -> Study:
    settings: dict[str, Any] = {
        "smoothness": True,
        "dataset": [dataset] if dataset is not None else list(part.datasets),
        "architecture": architecture,
        "num_layers": list(part.depths),
        "hidden_channels": part.hidden_channels,
        "epochs": part.epochs,
        "lr": part.lr,
        "batch_norm": part.batch_norm,
        "unit_gain": not part.batch_norm,
        # One distribution for all arms: scale alone changes smoothing (arXiv 2406.02269).
        "weight_init": "skc",
    }
    suffix = "" if dataset is None else f"-{name_of_dataset(dataset)}"
    return Study(
        name=f"conjecture-{architecture}-{size}-{part.name}{suffix}",
        title=f"Does freezing counter over-smoothing? {part.name}",
        x="num_layers",
        panel="dataset",
        seeds=part.seeds,
        settings=settings,
        arms={name: ARMS[name] for name in part.arms},
    )


# What a folder was begun with

PLAN = "conjecture.yaml"
#: What cannot change within a folder.
_FIXED = ("preset", "architecture", "dataset")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One test of the conjecture."""

    preset: Size = "standard"
    architecture: Architecture = "gin"
    dataset: str | None = None
    """Name or path of one data set in the place of the preset's."""
    criteria: Criteria = field(default_factory=Criteria)
    """What the verdicts are judged by."""
    stated: Criteria | None = None
    """What was stated before the first run, where that is something else."""

    @property
    def studies(self) -> list[Study]:
        """The grids of runs.

        Raises:
            ConfigError: for a preset that does not exist.
        """
        return studies(self.preset, architecture=self.architecture, dataset=self.dataset)

    @property
    def changes(self) -> list[str]:
        """Sentences on the criteria that are not those stated before the first run."""
        if self.stated is None:
            return []
        # No verdict depends on the power.
        pairs = {
            name: (getattr(self.stated, name), getattr(self.criteria, name))
            for name in ("alpha", "smallest_effect")
        }
        return [
            f"{name} was stated as {first:.4g} before the first run and is {now:.4g} here: by "
            "criteria that were chosen later nothing is tested"
            for name, (first, now) in pairs.items()
            if first != now
        ]

    def command(self, out: str) -> str:
        """The command line that computes, and reports, this test into a folder."""
        words = ["gslt", "conjecture", "--preset", self.preset, "--out", out]
        words += ["--architecture", self.architecture]
        words += [] if self.dataset is None else ["--dataset", self.dataset]
        for item in dataclasses.fields(Criteria):
            if (value := getattr(self.criteria, item.name)) != item.default:
                words += [f"--{item.name}", repr(value)]
        return shlex.join(words)

    @property
    def values(self) -> dict[str, Any]:
        """Plain values; the criteria are those stated first."""
        fixed = {name: getattr(self, name) for name in _FIXED}
        return {**fixed, "criteria": dataclasses.asdict(self.stated or self.criteria)}


def open_plan(out: Path, **chosen: Any) -> Plan:
    """The plan of a folder: what it was begun with, else what is chosen now.

    Args:
        out: the folder; it need not exist.
        chosen: fields of :class:`Plan` and of :class:`Criteria`; None takes the folder's own, or
            the default.

    Raises:
        RunError: if the folder was begun with another preset, architecture or data set.
        ConfigError: for a value that is not possible.
    """
    chosen = {name: value for name, value in chosen.items() if value is not None}
    fixed = {name: chosen.pop(name) for name in _FIXED if name in chosen}
    begun = _read_plan(out / PLAN)
    if begun is None:
        return Plan(**fixed, criteria=build(Criteria, chosen))
    for name, value in fixed.items():
        if value != getattr(begun, name):
            raise RunError(
                f"{str(out)!r} was begun with {name} {getattr(begun, name)}, not {value}; leave "
                f"--{name} out to go on, or choose another --out"
            )
    criteria = replace(begun.criteria, **chosen)
    stated = None if criteria == begun.criteria else begun.criteria
    return replace(begun, criteria=criteria, stated=stated)


@dataclass(frozen=True)
class _File:
    """A plan as it is stored; those of older versions had the same fields."""

    preset: str
    architecture: str
    dataset: str | None
    criteria: dict[str, float]


def _read_plan(path: Path) -> Plan | None:
    try:
        with reading(path, what="a plan"):
            if not (path.exists() or path.is_symlink()):
                return None
            values = parse(dict[str, Any], read_yaml(path))
            unknown = values.keys() - {each.name for each in dataclasses.fields(_File)}
            if unknown:
                raise ValueError(f"it has no field {', '.join(sorted(unknown))}")
            file = parse(_File, values)
            plan = Plan(**{**asdict(file), "criteria": build(Criteria, file.criteria)})
            _ = plan.studies
            return plan
    except GsltError as error:
        reason = str(error).removeprefix(f"{str(path)!r} ").removeprefix("is damaged or no plan: ")
        raise RunError(
            f"{str(path)!r} is damaged ({reason}); with --preset and the other options of the "
            "first command it can be made anew once this file is deleted"
        ) from error


# Running


def begin(plan: Plan, folder: StudyFolder) -> None:
    """Write the studies of a plan, and the plan itself once, into a folder.

    Raises:
        RunError: if the folder holds something else, or a study of this name that is another.
    """
    path = folder.path / PLAN
    begun = path.exists() or path.is_symlink()
    if not begun and any((folder.path / "studies").glob("*.yaml")):
        raise RunError(
            f"{str(folder.path)!r} holds studies that are not of this test; choose another --out"
        )
    for study in plan.studies:
        folder.add(study)
    if not begun:
        folder.output.write_text(PLAN, yaml.safe_dump(plan.values, sort_keys=False))


def run_plan(
    plan: Plan,
    folder: StudyFolder,
    executor: Executor | None = None,
    *,
    progress: bool = True,
    say: Callable[[str], None] = print,
) -> Summary:
    """Compute the runs of a plan that have no record yet, study by study.

    Args:
        plan: what to run.
        folder: where records are and go.
        executor: where to compute; default in this process.
        progress: show a bar over the epochs of each study on a terminal.
        say: told a line about every study.

    Returns:
        What became of the runs of all studies, see :meth:`gslt.studies.execute.Summary.check`.

    Raises:
        RunError: if the folder holds something else, or a study of this name that is another.
        DataError: if a data set is not there.
    """
    with stop_requests() as stop:
        begin(plan, folder)
        done = Summary()
        for study in plan.studies:
            summary = run_study(study, folder, executor, progress=progress)
            say(f"{study.name}: {summary}")
            done += summary
            if stop or done.stopped_by:
                break
        return replace(done, stopped_by=done.stopped_by or stop.signal_number or 0)


# The table of runs

PRIMARY, ACCURACY = LOG_QUOTIENT, "test_accuracy"
#: What arms are compared on, the primary endpoint first. Those of a layer are taken at the last
#: hidden one; :func:`gslt.studies.columns.column` has their words.
ENDPOINTS = (
    PRIMARY,
    "effective_rank",
    "collapse",
    f"{PRIMARY}_slope",
    "effective_rank_slope",
    "collapse_slope",
    ACCURACY,
)
#: A data set with, or without, batch norm: its depths are judged together.
FAMILY = ("dataset", "batch_norm")
Family = tuple[str, bool]
#: Runs that differ in nothing but the seed.
GROUP = (*FAMILY, "depth", "arm", "freezing_ratio")
#: A run of the table.
RUN = (*GROUP, "seed")


def of_family(rows: "DataFrame", family: Family) -> "DataFrame":
    """The rows of one family.

    Args:
        rows: a frame with the columns of :data:`FAMILY`.
        family: its data set, and whether with batch norm.
    """
    dataset, batch_norm = family
    return rows[(rows["dataset"] == dataset) & (rows["batch_norm"] == batch_norm)]


def runs_of(results: Sequence[StudyResults]) -> "DataFrame":
    """The table that the verdict is computed from: one row for every run that is there.

    Args:
        results: of the studies of a plan, see :meth:`gslt.studies.records.StudyFolder.results`.

    Returns:
        Columns ``dataset``, ``batch_norm``, ``depth``, ``arm``, ``freezing_ratio`` (the grid's own
        value for the frozen arm, NaN elsewhere), ``seed``, ``identity``, every endpoint (NaN for
        none; a ``log_quotient`` of −∞ is a total collapse), ``test_accuracy`` and ``seconds``; in
        the order of the studies, whatever order they ran in.
    """
    import pandas as pd

    columns = [*RUN, "identity", *last_names(), *slope_names(), ACCURACY, "seconds"]
    frames = [each.frame for each in results if len(each.frame)]
    tables = [
        frame.assign(
            depth=frame["num_layers"],
            freezing_ratio=frame.get(f"{AXIS}freezing_ratio", math.nan),
        ).reindex(columns=columns)
        for frame in frames
    ]
    found = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
    found["freezing_ratio"] = found["freezing_ratio"].where(found["arm"] == FROZEN).astype(float)
    return found


def read_runs(path: str | Path) -> "DataFrame":
    """The table of runs that a report wrote as ``runs.csv``, see :func:`runs_of`.

    Args:
        path: of the CSV; an empty cell is NaN, ``-inf`` a total collapse.

    Raises:
        RunError: if it cannot be read or is no such table.
        ConfigError: if it cannot be judged, see :func:`check_runs`.
    """
    import pandas as pd

    with reading(path, what="a table of runs"):
        # As text first: numbers are read to the last bit.
        text = io.StringIO(read_text(path))
        found = pd.read_csv(text, dtype=str, keep_default_na=False)
        if missing := [name for name in (*RUN, PRIMARY) if name not in found.columns]:
            raise ValueError(f"there is no column {missing[0]!r}")
        if wrong := [e for e in found["batch_norm"].unique() if e not in ("True", "False")]:
            raise ValueError(f"batch_norm must be True or False, got {wrong[0]!r}")
        found["batch_norm"] = found["batch_norm"] == "True"
        for name in found.columns.intersection(["dataset", "arm", "identity"]):
            found[name] = found[name].map(csv_value)
        for name in found.columns.difference(["dataset", "batch_norm", "arm", "identity"]):
            whole = name in ("depth", "seed")
            found[name] = found[name].replace("", "nan").astype("int64" if whole else "float64")
    check_runs(found)
    return found


def check_runs(runs: "DataFrame") -> None:
    """Refuse a table of runs that cannot be judged.

    Args:
        runs: see :func:`runs_of`.

    Raises:
        ConfigError: if a run is there twice, a frozen run has no ratio in (0, 1), or a dense one
            has a ratio.
    """
    ratio = runs["freezing_ratio"].astype(float).fillna(0.0)
    for wrong in ratio[(runs["arm"] == FROZEN) & ~ratio.between(0.0, 1.0, inclusive="neither")]:
        raise ConfigError(f"a frozen run needs a ratio in (0, 1), got {wrong or None}")
    for wrong in ratio[(runs["arm"] == DENSE) & (ratio != 0.0)]:
        raise ConfigError(f"a dense run has no freezing ratio, got {wrong}")
    for run in runs[runs.assign(freezing_ratio=ratio).duplicated([*RUN])].to_dict("records"):
        raise ConfigError(
            f"arm {run['arm']!r} has seed {run['seed']} twice on {run['dataset']} at depth "
            f"{run['depth']}; give each run once"
        )
    if "identity" in runs:
        named = runs[runs["identity"].notna() & (runs["identity"] != "")]
        for run in named[named.duplicated(["arm", "identity"])].to_dict("records"):
            raise ConfigError(
                f"arm {run['arm']!r} has the run {run['identity']} twice; give each run once"
            )


def in_order(runs: "DataFrame") -> "DataFrame":
    """The runs by data set, batch norm, depth, arm, ratio and seed, whatever order they came in.

    Args:
        runs: see :func:`runs_of`; an endpoint may lack a column, and a dense run have a ratio of 0.

    Returns:
        The same columns and all :data:`ENDPOINTS`, whose values are finite numbers, NaN for none,
        or in the primary one −∞ for a total collapse.

    Raises:
        ConfigError: see :func:`check_runs`.
    """
    check_runs(runs)
    names = [*runs.columns, *(name for name in ENDPOINTS if name not in runs.columns)]
    found = runs.reindex(columns=names).sort_values([*RUN], na_position="first", ignore_index=True)
    for name in ENDPOINTS:
        values = found[name].astype(float)
        collapsed = (values == -math.inf) & (name == PRIMARY)
        found[name] = values.where((values.abs() < math.inf) | collapsed)
    found["freezing_ratio"] = found["freezing_ratio"].astype(float).replace(0.0, math.nan)
    return found
