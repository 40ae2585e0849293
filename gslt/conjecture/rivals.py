"""How often the rule says *shown* where a rival explanation is true, and where the conjecture is.

Synthetic trajectories of a world in which it is known what freezing does, judged by the code that
judges real ones. What is taken from where:

- from the committed runs of the first protocol (``benchmarks/results/conjecture-standard``: Cora
  and Citeseer, batch norm, 4, 8 and 16 layers, F = 0.2 and 0.4): accuracy of the dense source, and
  the fall of the log uncentred quotient from random to fitted weights; the spread over seeds of one
  run's quotient and accuracy, from that of frozen minus dense. A test computes them again;
- from the design: best epochs of dense sources at 3 to 8 of 60, of frozen ones at up to 31, and
  accuracy at the last epoch 1.5 to 5 points in favour of frozen ones;
- assumed: the forms of the curves, and how much the numbers of a run jitter from epoch to epoch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gslt.conjecture.claims import Claim, Component, component_of, decide, with_tests
from gslt.conjecture.means import MeanTests
from gslt.conjecture.rule import ACCURACY, NAMES, ROOM, Key, Name, Rule, Scores
from gslt.conjecture.trajectories import FITS, NONE, matched
from gslt.files import OutputFolder, parse, plain, read_json
from gslt.progress import progress_bar
from gslt.random import Float64
from gslt.studies.columns import LOG_UNCENTRED_QUOTIENT
from gslt.version import __version__

if TYPE_CHECKING:
    from pandas import DataFrame

#: File of the rates in the folder of a test, and how many simulations each has.
SEVERITY = "severity.json"
SIMULATIONS = 1_000
#: Counts up with what the rule does (:func:`gslt.conjecture.claims.judge_scores`): no rate of an
#: older one stands for one of this.
EDITION = 2
#: Simulations whose curves are in memory at a time: about 40 MB.
_BATCH = 25
#: Train loss before the first epoch: that of a guess among seven classes.
_GUESS = math.log(7)


@dataclass(frozen=True, kw_only=True)
class World:
    """What freezing does in a synthetic world; the defaults: nothing at all.

    A run has a clock, epoch / (``clock`` · ``slower`` if frozen). Its train loss falls
    exponentially in that clock to a floor; its accuracy rises with it and then declines; the log
    quotient falls in proportion to the loss. So a frozen source differs from the dense one at the
    same epoch wherever its clock does, and at equal fit only by ``smoothness``.
    """

    slower: float = 1.0
    """A frozen run needs so many times as many epochs."""
    floor: float = 0.0
    """What freezing adds to the train loss that is reached in the end."""
    smoothness: float = 0.0
    """Log uncentred quotient of frozen minus dense at equal fit, where smoothing is left alone."""
    gain: float = 0.0
    """Accuracy of frozen minus dense at every point of the clock."""
    kept: Mapping[str, float] = field(default_factory=dict)
    """Share of gain and smoothness that is left under an intervention; default: all of it."""
    stuck: float = 0.0
    """What an intervention adds to the train loss that is reached in the end, by every arm."""
    scale: float = 0.0
    """Log of the scale of frozen representations minus dense ones: it moves the energy alone."""
    false: tuple[Name, ...] = ("S", "A", "M")
    """The claims that are false in this world."""
    seeds: int = 20
    depths: tuple[int, ...] = (4, 8, 16)
    ratios: tuple[float, ...] = (0.2, 0.4)
    epochs: tuple[int, ...] = (
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        10,
        12,
        14,
        17,
        20,
        24,
        28,
        33,
        39,
        46,
        53,
        60,
    )
    clock: float = 3.0
    """Epochs in which the train loss of a dense source falls to 1 / e of its way."""
    accuracy: float = 0.6
    """Accuracy that a dense source comes up to at its best epoch, nearly."""
    decline: float = 0.02
    """What it loses each time that the clock doubles after its best epoch."""
    fall: float = 0.43
    """Log uncentred quotient of random weights minus that of fitted ones."""
    seed_sd: float = 0.02
    """Spread of the accuracy, and of the quotient five times that, which all runs of a seed have in
    common."""
    accuracy_sd: float = 0.024
    """Spread of a run's accuracy beside that."""
    quotient_sd: float = 0.15
    """Spread of a run's log quotient beside that."""
    clock_sd: float = 0.15
    """Spread of the logarithm of a run's clock."""
    jitter: float = 0.005
    """Spread of accuracies from epoch to epoch, of the loss relative to itself twice that, and of
    the log quotient four times that."""

    def left(self, intervention: str) -> float:
        """Share of gain and smoothness that is left under an intervention."""
        return self.kept.get(intervention, 1.0)


_NOTHING = {"no edges": 0.0, "residual": 0.0, "pairnorm": 0.0}
#: The worlds: true claims, the rivals, and noise.
WORLDS: dict[str, World] = {
    # Half as much again as the margin of smoothness, and the gain that was seen at the last epoch
    # at F = 0.6; nothing is left of either where smoothing is kept from acting.
    "S, A and M are true": World(
        smoothness=math.log(1.4), gain=0.035, slower=1.5, kept=_NOTHING, false=()
    ),
    # Smoothness is a function of fit; fitting less generalises better, with edges and without.
    "fits less": World(slower=3.0, floor=0.4, gain=0.05, false=("S", "M")),
    # What is frozen is no message passing weight: smoother input, the same gain without edges.
    "input only": World(smoothness=math.log(1.6), gain=0.05, slower=2.0, false=("M",)),
    # Freezing changes the scale of representations, and so how well they are searched; a norm of
    # pairs takes that away, and nothing else does.
    "scale": World(scale=0.5, gain=0.05, kept={"pairnorm": 0.0}, false=("S", "M")),
    # The same curve at another epoch: as good at its best, less declined at the last.
    "early stopping": World(slower=4.0, false=("S", "A", "M")),
    # Whatever it is that freezing gains, the interventions leave no room for it.
    "headroom": World(gain=0.05, slower=1.5, kept=_NOTHING, stuck=1.0, false=("S", "M")),
    # The same, and it smooths less besides.
    "headroom, less smooth": World(
        smoothness=math.log(1.6), gain=0.05, slower=1.5, kept=_NOTHING, stuck=1.0, false=("M",)
    ),
    # As much as does not matter, all of it where smoothing acts.
    # Half of the gain has another cause, which no intervention takes away.
    "half of the gain": World(
        smoothness=math.log(1.6),
        gain=0.07,
        slower=1.5,
        kept=dict.fromkeys(_NOTHING, 0.5),
        false=("M",),
    ),
    # What keeps smoothing from acting harms frozen sources more than dense ones.
    "harmed by interventions": World(
        smoothness=math.log(1.6),
        gain=0.035,
        slower=1.5,
        kept=dict.fromkeys(_NOTHING, -1.0),
        false=("M",),
    ),
    "at the margins": World(smoothness=math.log(1.25), gain=0.01, kept=_NOTHING),
    "noise alone": World(),
}


# Trajectories


def _curves(world: World, interventions: tuple[str, ...], number: int, count: int) -> Any:
    """Columns of ``count`` simulations from ``number`` on, by name.

    Each ``(simulations, interventions, depths, arms, seeds, epochs)``, the dense arm first.
    """
    shape = (
        len(interventions),
        len(world.depths),
        1 + len(world.ratios),
        world.seeds,
        len(world.epochs),
    )
    # Made in bulk for speed: these numbers need not be the same on every processor.
    drawn = [np.random.default_rng([number + each, 17]) for each in range(count)]

    def normal(*size: int) -> Float64:
        return np.stack([each.standard_normal(size) for each in drawn])

    frozen = (np.arange(shape[2]) > 0)[:, None, None]
    left = np.array([world.left(each) for each in interventions])[:, None, None, None, None]
    seed, (clocks, level, bend) = (
        normal(1, 1, 1, shape[3], 1),
        (normal(*shape[:4], 1) for _ in "abc"),
    )
    slower = np.where(frozen, math.log(world.slower), 0.0) + world.clock_sd * clocks
    clock = np.array(world.epochs) / world.clock * np.exp(-slower)
    unfit = np.exp(-clock)
    under = (np.array(interventions) != NONE)[:, None, None, None, None]
    floor = 0.05 + world.floor * frozen + world.stuck * under
    loss = floor + (_GUESS - floor) * unfit
    fit = (_GUESS - loss) / _GUESS
    declined = world.decline * np.log2(np.maximum(clock / 2.0, 1.0))
    correct = world.accuracy * (1.0 - np.exp(-2.0 * clock)) - declined + world.gain * left * frozen
    correct = correct + world.seed_sd * seed + world.accuracy_sd * level
    quotient = (
        -world.fall * fit
        + world.smoothness * left * frozen
        + 5 * world.seed_sd * seed
        + world.quotient_sd * bend
    )
    jitter = [world.jitter * normal(*shape) for _ in range(4)]
    return {
        "train_loss": loss * np.exp(2 * jitter[0]),
        ROOM: np.exp(-loss),
        "val_accuracy": correct + jitter[1],
        ACCURACY: correct + jitter[2],
        LOG_UNCENTRED_QUOTIENT: quotient + 4 * jitter[3],
        "log_energy": quotient + 4 * jitter[3] + 2 * world.scale * frozen,
    }


def frame(world: World, number: int, rule: Rule | None = None) -> DataFrame:
    """The synthetic trajectories of simulation ``number`` as a frame of trajectories.

    Args:
        world: what is true.
        number: of the simulation.
        rule: whose interventions there are.
    """
    import pandas as pd

    interventions = (NONE, *(rule or Rule()).interventions)
    arms = [("dense", math.nan), *(("frozen", ratio) for ratio in world.ratios)]
    cells = [
        ("synthetic", depth, intervention, *arm, seed, epoch)
        for intervention in interventions
        for depth in world.depths
        for arm in arms
        for seed in range(world.seeds)
        for epoch in world.epochs
    ]
    names = ["dataset", "num_layers", "intervention", "arm", "ratio", "seed", "epoch"]
    columns = _curves(world, interventions, number, 1)
    best = columns["val_accuracy"].argmax(axis=-1)[..., None] == np.arange(len(world.epochs))
    found = pd.DataFrame(cells, columns=names).assign(
        best=best.ravel(), **{name: values.ravel() for name, values in columns.items()}
    )
    return found.assign(last=found["epoch"] == world.epochs[-1])


# The verdict on many of them at once


def _values(columns: Mapping[str, Float64], key: Key, at: int) -> Float64:
    """Frozen minus dense on one endpoint, ``(simulations, depths, ratios, seeds)``.

    What :func:`gslt.conjecture.trajectories.contrasts` does with a frame, without the frame.
    """
    here = {name: values[:, at] for name, values in columns.items()}
    values = here[key.endpoint]
    if key.at in FITS:
        column, sign = FITS[key.at]
        fit = sign * here[column]
        others = fit[:, :, 1:].shape
        dense = [np.broadcast_to(each[:, :, :1], others) for each in (fit, values)]
        _, first, second = matched(fit[:, :, 1:], dense[0], values[:, :, 1:], dense[1])
        return first - second
    chosen = values[..., -1] if key.at == "last epoch" else _at_best(here, key.endpoint)
    return chosen[:, :, 1:] - chosen[:, :, :1]


def _at_best(columns: Mapping[str, Float64], name: str) -> Float64:
    """A column at the best validation epoch of every run."""
    best = columns["val_accuracy"].argmax(axis=-1)
    chosen: Float64 = np.take_along_axis(columns[name], best[..., None], -1)[..., 0]
    return chosen


def _rows(world: World, rule: Rule, number: int, count: int) -> dict[Key, Float64]:
    """One number per seed, ``(simulations, seeds)``, by what is tested; NaN for a seed left out."""
    interventions = (NONE, *rule.interventions)
    columns = _curves(world, interventions, number, count)
    weights = np.array([rule.weight(depth) for depth in world.depths])
    dense_fit = _at_best(columns, ROOM)[:, :, :, 0].mean(axis=-1)
    with_room = dense_fit >= rule.room * dense_fit[:, :1]
    found = {}
    for key in dict.fromkeys(key for name in NAMES for key in rule.keys(name)):
        at = interventions.index(key.intervention)
        values = _values(columns, key, interventions.index(key.under))
        if key.without != NONE:
            values = values - _values(columns, key, at)
        share = np.broadcast_to(weights, (count, len(weights))) * with_room[:, at]
        with np.errstate(invalid="ignore"):
            share = share / share.sum(axis=1, keepdims=True)
        found[key] = np.einsum("sdrn,sd->sn", values, share) / len(world.ratios)
    return found


def outcomes(world: World, rule: Rule, simulations: int, further: int = 0) -> Iterator[list[Claim]]:
    """The claims S, A and M in each simulation, judged by the rule.

    Args:
        world: what is true.
        rule: what it is judged by.
        simulations: their number.
        further: number of claims on other data sets that are judged with them, and undecided.
    """
    for start in range(0, simulations, _BATCH):
        count = min(_BATCH, simulations - start)
        rows = _rows(world, rule, start, count)
        tested = {key: _parts(key, values, rule) for key, values in rows.items()}
        for i in range(count):
            parts = {name: [tested[key][i] for key in rule.keys(name)] for name in NAMES}
            (claims,) = decide([parts], rule, further)
            yield claims


def _parts(key: Key, values: Float64, rule: Rule) -> list[Component]:
    """Tested parts, one a simulation; those with as many seeds are tested together."""
    there = ~np.isnan(values)
    found = [
        component_of(key, Scores(row[known], tuple(np.flatnonzero(known).tolist())), rule)
        for row, known in zip(values, there, strict=True)
    ]
    seeds = there.sum(axis=1)
    for number in set(seeds[seeds > 1].tolist()):
        which = np.flatnonzero(seeds == number)
        rows = values[which][there[which]].reshape(len(which), number)
        tests = MeanTests.of(rows, np.full(len(rows), rule.margins[key.endpoint]))
        for row, i in enumerate(which):
            found[i] = with_tests(found[i], tests, row)
    return found


@dataclass(frozen=True)
class Rate:
    """A fraction of simulations and its exact 95 % interval (Clopper and Pearson 1934)."""

    count: int
    of: int
    rate: float
    low: float
    high: float

    @classmethod
    def counted(cls, count: int, of: int) -> Rate:
        """A fraction with its exact interval.

        >>> round(Rate.counted(0, 10).high, 6)  # 1 − 0.025^(1/10)
        0.308497

        Args:
            count: how often.
            of: simulations.
        """
        from scipy import stats

        ends = stats.binomtest(count, of).proportion_ci(0.95, method="exact")
        return cls(count, of, count / of, float(ends.low), float(ends.high))


@dataclass(frozen=True, kw_only=True)
class Severity:
    """How often each claim is *shown* in a world."""

    name: str
    world: World
    rule: Rule
    simulations: int
    further: int
    """Claims on other data sets that are judged with them, and undecided."""
    shown: dict[str, Rate]
    """By claim, and ``conjecture``: all three in the same simulation."""
    outcomes: dict[str, dict[str, int]]
    """How often each claim had each word."""

    @property
    def false(self) -> dict[str, Rate]:
        """Rates of what is false in this world, which must not exceed alpha."""
        names = [*self.world.false, *(["conjecture"] if self.world.false else [])]
        return {name: self.shown[name] for name in names}

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        result: dict[str, Any] = plain(self)
        return result


def severity(
    name: str,
    simulations: int = SIMULATIONS,
    rule: Rule | None = None,
    further: int = 0,
    **design: Any,
) -> Severity:
    """Judge so many simulations of a world of :data:`WORLDS`.

    Args:
        name: of the world.
        simulations: their number.
        rule: what they are judged by.
        further: number of claims on other data sets that are judged with them, and undecided.
        design: other fields of the world, such as ``seeds`` and ``depths``.
    """
    rule, world = rule or Rule(), replace(WORLDS[name], **design)
    words: dict[str, dict[str, int]] = {each: {} for each in NAMES}
    shown = dict.fromkeys([*NAMES, "conjecture"], 0)
    for claims in outcomes(world, rule, simulations, further):
        for claim in claims:
            words[claim.name][claim.outcome] = words[claim.name].get(claim.outcome, 0) + 1
            shown[claim.name] += claim.outcome == "shown"
        shown["conjecture"] += all(claim.outcome == "shown" for claim in claims)
    return Severity(
        name=name,
        world=world,
        rule=rule,
        simulations=simulations,
        further=further,
        shown={each: Rate.counted(count, simulations) for each, count in shown.items()},
        outcomes=words,
    )


def rates(
    folder: OutputFolder,
    rule: Rule,
    *,
    seeds: int,
    depths: tuple[int, ...],
    further: int = 0,
    simulations: int | None = None,
    compute: bool = True,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """The severity of a test in every world as plain values, those known from the folder's file.

    Args:
        folder: of the test.
        rule: what it is judged by.
        seeds: that it has.
        depths: that it has.
        further: number of claims beside those on one data set.
        simulations: of each world; default: 1,000.
        compute: whether to simulate what is not known; else it is left out.
        progress: show a bar on a terminal.

    Raises:
        RunError: if some are to be computed and the file is not gslt's.
    """
    known = {_key(entry): entry for entry in _read(folder.path / SEVERITY)}
    design: dict[str, Any] = {"seeds": seeds, "depths": depths}
    number = SIMULATIONS if simulations is None else min(simulations, SIMULATIONS)
    same = {"rule": plain(rule), "simulations": number, "further": further}
    same |= {"gslt": __version__, "edition": EDITION}
    wanted = {
        _key({"world": plain(replace(world, **design)), **same}): name
        for name, world in WORLDS.items()
    }
    missing = [name for key, name in wanted.items() if key not in known]
    if missing and compute:
        folder.check(SEVERITY)
        text = "rivals, simulated"
        for name in progress_bar(missing, desc=text, unit="world", show=progress):
            found = severity(name, number, rule, further, **design).as_dict()
            entry = {"gslt": __version__, "edition": EDITION, **found}
            known[_key(entry)] = entry
            folder.write_json(SEVERITY, list(known.values()))
    return [known[key] for key in wanted if key in known]


def _key(entry: Mapping[str, Any]) -> str:
    names = ("world", "rule", "simulations", "further", "gslt", "edition")
    return json.dumps([entry.get(name) for name in names], sort_keys=True)


@dataclass(frozen=True)
class _Entry:
    """An entry of the file: :class:`Severity` as JSON has it, and by which gslt."""

    gslt: str
    name: str
    world: dict[str, Any]
    rule: dict[str, Any]
    simulations: int
    further: int
    shown: dict[str, Rate]
    outcomes: dict[str, dict[str, int]]
    edition: int = 1


def _read(path: Path) -> list[dict[str, Any]]:
    """Entries of the file; none where it is not there, or damaged: they are computed again."""
    try:
        entries: list[dict[str, Any]] = read_json(path)
        parse(list[_Entry], entries)
    except (OSError, ValueError, RecursionError):
        return []
    return entries
