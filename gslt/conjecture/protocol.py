"""The protocol of the test: arms, grids of runs, and a folder's plan.

The annotations stay evaluated (no postponed evaluation in this file): the command line reads them.
"""

import dataclasses
import operator
import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, get_args

import yaml

from gslt.config import VISION, Architecture, Size
from gslt.conjecture.criteria import Criteria
from gslt.conjecture.rule import Rule
from gslt.conjecture.trajectories import NONE
from gslt.errors import ConfigError, GsltError, RunError
from gslt.files import parse, read_yaml, reading
from gslt.settings import build, check_choice
from gslt.studies.execute import Executor, Summary, run_study
from gslt.studies.records import StudyFolder
from gslt.studies.study import Study, name_of_dataset
from gslt.training.signals import stop_requests

# Arms and grids

#: The arms of the verdict: nothing frozen, and the paper's own ticket of a frozen source.
DENSE, FROZEN = "dense", "frozen"
#: Sparsity of the paper's GIN, of every ticket of the verdict and of every random mask.
SPARSITY = 0.2
#: Freezing ratios of the paper's GIN; every frozen weight is locked.
RATIOS = (0.2, 0.4)
#: Of every arm that trains weights.
_TRAINED = {"method": "train", "lr": 0.01, "weight_decay": 5e-4}
_LOCKED: dict[str, Any] = {"sparsity": SPARSITY, "prune_share": 0.0}

#: Settings of the arms by name; those of the verdict, and what they are to be told from.
ARMS: dict[str, dict[str, Any]] = {
    "trained": _TRAINED,
    "weak ticket": {**_TRAINED, "mask_sparsity": SPARSITY},
    # Everything is frozen: one update of nothing.
    "random mask": {
        "sparsity": SPARSITY,
        "freezing_ratio": 1.0,
        "allocation": "uniform",
        "epochs": 1,
    },
    DENSE: {"sparsity": SPARSITY},
    FROZEN: {**_LOCKED, "freezing_ratio": list(RATIOS), "place": "hidden"},
}
#: What keeps smoothing from acting, by its name in a frame of trajectories.
INTERVENTIONS: dict[str, dict[str, Any]] = {
    NONE: {},
    "no edges": {"edges": "none"},
    "residual": {"residual": True},
    "pairnorm": {"pair_norm": True, "batch_norm": False},
}
#: Another network, not an intervention: deep networks without norm learn less with any weights.
NO_NORM = {"batch_norm": False, "unit_gain": True}


#: Levels of the factorial by factor.
FACTORS: dict[str, tuple[Any, ...]] = {
    "place": ("input", "hidden", "all"),
    "kind": ("locked", "pruned", "half"),
    "ratio": (0.2, 0.4, 0.8),
    "sparsity": (SPARSITY, 0.5),
}
#: Share of what is frozen that is pruned, by the kind of freezing.
_PRUNE_SHARES = {"locked": 0.0, "pruned": 1.0, "half": 0.5}


def factorial() -> dict[str, dict[str, Any]]:
    """Arms of :data:`FACTORS`, each level with each, as far as a search window has them.

    A ticket of sparsity s has p ≤ s and l ≤ 1 − s. Where all layers take part and one of the two is
    equal, nothing is left to search: such cells are left out, as they would be random masks.
    """
    found: dict[str, dict[str, Any]] = {"dense, s = 0.5": {"sparsity": 0.5}}
    for sparsity, place, kind in product(FACTORS["sparsity"], FACTORS["place"], FACTORS["kind"]):
        share = _PRUNE_SHARES[kind]
        within = operator.lt if place == "all" else operator.le
        there = [
            ratio
            for ratio in FACTORS["ratio"]
            if within(ratio * share, sparsity) and within(ratio * (1 - share), 1 - sparsity)
        ]
        name = f"{kind}, {place}" + ", s = 0.5" * (sparsity != SPARSITY)
        settings = {"sparsity": sparsity, "prune_share": share, "place": place}
        found |= {name: {**settings, "freezing_ratio": there}} if there else {}
    return found


def reference(arm: str) -> str:
    """The dense arm of the same sparsity, which an arm is compared with.

    >>> reference("frozen"), reference("locked, input, s = 0.5")
    ('dense', 'dense, s = 0.5')
    """
    return "dense, s = 0.5" if arm.endswith(", s = 0.5") else DENSE


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Runs of one grid: arms at depths on data sets with seeds, once for every intervention."""

    name: str
    datasets: tuple[str, ...]
    depths: tuple[int, ...]
    seeds: int
    network: Mapping[str, Any]
    """Settings of all its runs."""
    arms: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: ARMS)
    interventions: tuple[str, ...] = (NONE,)
    sized_for: tuple[str, ...] = ()
    """Data sets of the widths that its arms have sizes for; empty: their sizes fit any."""

    def arms_on(self, dataset: str | None) -> Mapping[str, Mapping[str, Any]]:
        """Its arms on a data set in the place of its own.

        Where their sizes do not fit, those of a width or sparsity of their own are left out, and
        what is frozen lies in the hidden layers: with many features EPL would put all of it into
        the first one.
        """
        if not self.sized_for or dataset is None or dataset in self.sized_for:
            return self.arms
        fitting = {name: arm for name, arm in self.arms.items() if name not in _SIZED}
        hidden = {"place": "hidden"}
        return {n: {**a, **hidden} if n == FROZEN else a for n, a in fitting.items()}


#: Chosen on validation, seeds 1000 and 1001, Cora and Citeseer, 64 wide, 200 epochs: learning rates
#: 0.01, 0.03, 0.1 of scores and 0.001, 0.003, 0.01 of weights; dropout 0, 0.1, 0.2, 0.5, 0.8; with
#: and without batch norm. Tickets fit with every rate, and are best with 0.1 and batch norm. The
#: deeper a network, the less dropout leaves something that learns, without edges too.
_PLANETOID = {"hidden_channels": 64, "epochs": 200, "lr": 0.1}
_DROPOUT = {4: 0.5, 8: 0.2, 16: 0.1}
#: Arms whose size was computed for the paper's network: 128 features, 40 or 51 classes.
_SIZED = ("narrower dense", "dense, as many tickets")
#: The paper's network. It has 400 epochs at 0.01; with the cosine schedule a ticket is best at the
#: end of any number of them, and on the Debian graph 200 are enough (docs/conjecture.md).
_PAPER = {"hidden_channels": 386, "epochs": 200, "lr": 0.02}
#: Arms that have the same meaning under every intervention.
_PAIR = {name: ARMS[name] for name in (DENSE, FROZEN)}
_OTHERS = tuple(name for name in INTERVENTIONS if name != NONE)
_CITATIONS = ("cora", "citeseer")
_PAPERS = ("debian", "ogbn-arxiv")


def _planetoid(
    name: str, seeds: int, arms: Mapping[str, Mapping[str, Any]], **options: Any
) -> list[Grid]:
    """A grid for every depth, which has a dropout of its own."""
    depths = options.pop("depths", tuple(_DROPOUT))
    return [
        Grid(
            name=f"{name}-{depth}",
            datasets=_CITATIONS,
            depths=(depth,),
            seeds=seeds,
            network={**_PLANETOID, "dropout": _DROPOUT[depth]},
            arms=arms,
            **options,
        )
        for depth in depths
    ]


#: Both arms as in the paper: by EPL nearly all that is frozen lies in the two hidden layers.
_PAPER_PAIR = {DENSE: ARMS[DENSE], FROZEN: {**_LOCKED, "freezing_ratio": list(RATIOS)}}
_PAPER_VERDICT = Grid(
    name="verdict",
    datasets=("debian",),
    depths=(4,),
    # Fewer cannot reach what Holm's correction asks of the first of three claims.
    seeds=8,
    network=_PAPER,
    sized_for=_PAPERS,
    arms={
        "trained": _TRAINED,
        **_PAPER_PAIR,
        # As many searched weights as at F = 0.4, and as many tickets to choose among.
        "narrower dense": {"sparsity": SPARSITY, "hidden_channels": 288},
        "dense, as many tickets": {"sparsity": 0.128},
    },
)
GRIDS: dict[str, tuple[Grid, ...]] = {
    # Eight seeds: the smallest p is 2/2⁸ = 0.008, below a third of 0.05.
    "quick": (
        Grid(
            name="verdict",
            datasets=("cora",),
            depths=(4,),
            seeds=8,
            network={**_PLANETOID, "epochs": 60, "dropout": _DROPOUT[4]},
            arms=_PAIR,
            interventions=tuple(INTERVENTIONS),
        ),
    ),
    "standard": (
        *_planetoid("verdict", 20, ARMS),
        *_planetoid("interventions", 20, _PAIR, interventions=_OTHERS),
        # Effects of place, kind and ratio are means over its cells: few seeds are enough.
        *_planetoid("factorial", 5, factorial(), depths=(4, 8)),
        Grid(
            name="no-norm",
            datasets=_CITATIONS,
            depths=(4, 8),
            seeds=5,
            network={**_PLANETOID, **NO_NORM, "lr": 0.03, "dropout": 0.2},
            arms={"trained": _TRAINED, **_PAIR},
        ),
    ),
    "paper": (
        _PAPER_VERDICT,
        replace(_PAPER_VERDICT, name="interventions", arms=_PAPER_PAIR, interventions=_OTHERS),
    ),
}


def studies(
    size: Size = "standard", *, architecture: Architecture = "gin", dataset: str | None = None
) -> list[Study]:
    """The studies of a preset: one for each grid and intervention.

    Args:
        size: ``quick`` (Cora, minutes), ``standard`` (Cora and Citeseer, hours on 2 cores) or
            ``paper`` (the paper's network on the Debian graph, nine hours on 2 cores).
        architecture: message passing; the conjecture is about GIN.
        dataset: one data set in the place of the preset's.

    Raises:
        ConfigError: for a size that does not exist, or the architecture of a network of images.
    """
    check_choice("preset", size, get_args(Size))
    if architecture in VISION:
        raise ConfigError(
            f"the conjecture is about over-smoothing, which needs a graph, and {architecture} is a "
            "network of images; choose gin, gcn, sage or gat"
        )
    return [
        _study(grid, intervention, size, architecture, dataset)
        for grid in GRIDS[size]
        for intervention in grid.interventions
    ]


def _study(
    grid: Grid, intervention: str, size: str, architecture: Architecture, dataset: str | None
) -> Study:
    settings: dict[str, Any] = {
        "trajectory": True,
        "dataset": [dataset] if dataset is not None else list(grid.datasets),
        "architecture": architecture,
        "num_layers": list(grid.depths),
        # One distribution for all arms: scale alone changes smoothing (arXiv 2406.02269).
        "weight_init": "skc",
        **grid.network,
        **INTERVENTIONS[intervention],
    }
    names = [f"conjecture-{architecture}-{size}", grid.name]
    names += [] if intervention == NONE else [intervention.replace(" ", "-")]
    names += [] if dataset is None else [name_of_dataset(dataset)]
    with_it = "" if intervention == NONE else f", {intervention}"
    return Study(
        name="-".join(names),
        title=f"Does freezing counter over-smoothing? {grid.name}{with_it}",
        x="num_layers",
        panel="dataset",
        seeds=grid.seeds,
        settings=settings,
        arms=grid.arms_on(dataset),
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

    @cached_property
    def studies(self) -> list[Study]:
        """The grids of runs.

        Raises:
            ConfigError: for a preset that does not exist.
        """
        return studies(self.preset, architecture=self.architecture, dataset=self.dataset)

    @cached_property
    def rule(self) -> Rule:
        """The rule of its criteria, over all its depths, ratios and seeds."""
        seeds = tuple(sorted({seed for each in self.judged for seed in each.seed_list}))
        return replace(self.criteria.rule, depths=self.depths, ratios=RATIOS, seeds=seeds)

    @property
    def judged(self) -> list[Study]:
        """Those of the verdict: with its two arms, and a norm."""
        return [
            each
            for each in self.studies
            if {DENSE, FROZEN} <= {*each.arms} and not each.settings.get("unit_gain")
        ]

    @property
    def datasets(self) -> list[str]:
        """The data sets that it judges."""
        names = (name for each in self.judged for name in each.settings["dataset"])
        return list(dict.fromkeys(names))

    @property
    def seeds(self) -> int:
        """Seeds of the verdict."""
        return min(len(study.seed_list) for study in self.judged)

    @property
    def depths(self) -> tuple[int, ...]:
        """Numbers of layers that it is over."""
        found = {depth for study in self.judged for depth in study.settings["num_layers"]}
        return tuple(sorted(found))

    @property
    def simulations(self) -> int | None:
        """Of each rival: few for a quick test; None for the usual number."""
        return 200 if self.preset == "quick" else None

    @property
    def changes(self) -> list[str]:
        """Sentences on the criteria that are not those stated before the first run."""
        if self.stated is None:
            return []
        # No verdict depends on the power.
        pairs = {
            name: (getattr(self.stated, name), getattr(self.criteria, name))
            for name in ("alpha", "smallest_effect", "smallest_gain")
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

    Args:
        plan: of the test, see :func:`open_plan`.
        folder: empty, or of this plan.

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
