"""Contrasts of two arms along their trajectories: at equal fit, at the best and at the last epoch.

Freezing also makes a search fit later, and less. Two arms that are compared where each has its
best epoch, or its last, may differ in nothing but how far they have come; so they are compared as
well where both have the same train loss, and the same validation accuracy.

A *frame of trajectories* has a row for every run and epoch that was kept: the columns of
:data:`RUN`; ``epoch``; ``best`` and ``last`` (bool); accuracies and losses; endpoints.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import numpy.typing as npt

from gslt.errors import ConfigError
from gslt.random import Float64
from gslt.report.statistics import difference

if TYPE_CHECKING:
    from pandas import DataFrame

#: Where along two trajectories they are compared.
At = Literal["train loss", "val accuracy", "best epoch", "last epoch"]
ATS: tuple[At, ...] = get_args(At)
#: What tells runs apart, and what two runs of a pair share.
RUN = ("dataset", "num_layers", "intervention", "arm", "ratio", "seed")
PAIR = ("dataset", "num_layers", "intervention", "seed")
#: The intervention of runs in which smoothing is left as it is.
NONE = "none"
#: The column of a fit, and the sign that makes smaller values the better ones.
FITS: dict[At, tuple[str, float]] = {
    "train loss": ("train_loss", 1.0),
    "val accuracy": ("val_accuracy", -1.0),
}


# On arrays


@dataclass(frozen=True)
class Crossing:
    """Where curves reach a level for the first time: between which points, and how far."""

    after: npt.NDArray[np.int64]
    """The point before, or at, the crossing."""
    share: Float64
    """Way from that point to the next, 0 … 1; NaN where the level is out of reach."""

    @property
    def reached(self) -> npt.NDArray[np.bool_]:
        """Whether the level lies within the curve."""
        return ~np.isnan(self.share)

    def value(self, values: Float64) -> Float64:
        """A quantity of the same points at the crossing; NaN where there is none.

        Args:
            values: ``(..., points)``; −∞ is a total collapse, and so is what lies beside it.
        """
        before = np.take_along_axis(values, self.after[..., None], -1)[..., 0]
        last = values.shape[-1] - 1
        behind = np.take_along_axis(values, np.minimum(self.after + 1, last)[..., None], -1)[..., 0]
        with np.errstate(invalid="ignore"):
            between = (1.0 - self.share) * before + self.share * behind
        found = np.where(self.share == 0.0, before, np.where(self.share == 1.0, behind, between))
        return np.where(self.reached, found, math.nan)


def first_crossing(fit: Float64, level: Float64) -> Crossing:
    """Where a curve first falls to a level, on straight lines between its points.

    A curve that lies below the level from its first point on, and one that never falls to it, do
    not reach it: nothing is extrapolated.

    Args:
        fit: ``(..., points)``, smaller is better; NaN behind the end of a curve.
        level: ``(...)``.

    >>> found = first_crossing(np.array([3.0, 2.0, 1.0]), np.array(1.5))
    >>> int(found.after), float(found.share)
    (1, 0.5)
    """
    below = fit <= level[..., None]
    at = below.argmax(axis=-1)
    after = np.maximum(at - 1, 0)
    end = np.take_along_axis(fit, at[..., None], -1)[..., 0]
    start = np.take_along_axis(fit, after[..., None], -1)[..., 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(at == 0, 0.0, (start - level) / (start - end))
    inside = below.any(axis=-1) & ((at > 0) | (start == level))
    return Crossing(after, np.where(inside, share, math.nan))


def matched(
    first: Float64, second: Float64, first_values: Float64, second_values: Float64
) -> tuple[Float64, Float64, Float64]:
    """Values of two curves where both have the same fit.

    The level is the looser of the two best fits, which both have reached: the furthest point at
    which the two can be compared at all. Each is taken where it first reaches the level. Between
    two points fit and value are interpolated along the same axis, so that the value at a level does
    not depend on whether that axis is the epoch or its logarithm.

    Args:
        first: fits ``(..., points)`` of one arm, smaller is better; NaN behind a curve's end.
        second: those of the other.
        first_values: of the one arm, at the same points.
        second_values: of the other.

    Returns:
        The level, and both values; a value is NaN where its curve begins below the level.
    """
    level = np.fmax(np.fmin.reduce(first, axis=-1), np.fmin.reduce(second, axis=-1))
    one, other = first_crossing(first, level), first_crossing(second, level)
    return level, one.value(first_values), other.value(second_values)


# On frames


@dataclass(frozen=True, eq=False)
class Curves:
    """Runs of a frame of trajectories as arrays: a row a run, NaN behind its last epoch."""

    runs: DataFrame
    """The columns of :data:`RUN`, a row a run."""
    values: dict[str, Float64]
    """``(runs, points)`` by column."""
    best: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]
    """The points of the best validation epoch and of the last one."""

    @classmethod
    def of(cls, trajectories: DataFrame, columns: Sequence[str]) -> Curves:
        """The columns of a frame of trajectories, epochs rising.

        Args:
            trajectories: a row for every run and epoch.
            columns: of numbers.

        Raises:
            ConfigError: if a column is missing, a run has an epoch twice, or a run has not exactly
                one best and one last epoch; it names them.
        """
        check(trajectories, columns)
        rows = trajectories.sort_values([*RUN, "epoch"], kind="stable", ignore_index=True)
        groups = rows.groupby([*RUN], dropna=False, sort=False)
        run, point = groups.ngroup().to_numpy(), groups.cumcount().to_numpy()
        shape = (int(run.max(initial=-1)) + 1, int(point.max(initial=-1)) + 1)

        def spread(name: str) -> Float64:
            found = np.full(shape, math.nan)
            found[run, point] = rows[name].to_numpy(float)
            return found

        def places(name: str) -> npt.NDArray[np.int64]:
            here = rows[name].to_numpy(bool)
            return np.asarray(point[here], dtype=np.int64)

        names = dict.fromkeys(columns)
        runs = rows.loc[point == 0, [*RUN]].reset_index(drop=True)
        return cls(runs, {name: spread(name) for name in names}, places("best"), places("last"))

    def at(self, name: str, points: npt.NDArray[np.int64]) -> Float64:
        """Values of a column at one point of every run, ``(n,)``.

        Args:
            name: of the column.
            points: their numbers, int64 ``(n,)``.
        """
        found: Float64 = np.take_along_axis(self.values[name], points[:, None], -1)[:, 0]
        return found


def check(trajectories: DataFrame, columns: Sequence[str]) -> None:
    """Refuse a frame that is none of trajectories.

    Args:
        trajectories: the frame.
        columns: that it must have beside those of a run.

    Raises:
        ConfigError: see :meth:`Curves.of`.
    """
    needed = [*RUN, "epoch", "best", "last", *columns]
    missing = [name for name in dict.fromkeys(needed) if name not in trajectories]
    if missing:
        raise ConfigError(
            f"a frame of trajectories needs the columns {', '.join(missing)}, which this one has "
            "not: read it from runs whose endpoints were kept along the epochs"
        )
    twice = trajectories[trajectories.duplicated([*RUN, "epoch"])]
    if len(twice):
        raise ConfigError(
            f"there are two rows of {_named(twice.iloc[0])}, epoch {twice.iloc[0]['epoch']}: runs "
            "that differ in anything else need arms of different names"
        )
    marks = trajectories.groupby([*RUN], dropna=False)[["best", "last"]].sum()
    wrong = marks[(marks != 1).any(axis=1)].reset_index()
    if len(wrong):
        row = wrong.iloc[0]
        raise ConfigError(
            f"{_named(row)} has {row['best']} best and {row['last']} last epochs, and needs one of "
            "each: keep the endpoints of both"
        )


def _named(row: object) -> str:
    return ", ".join(f"{name} {row[name]}" for name in RUN)  # type: ignore[index]


def contrasts(
    trajectories: DataFrame, endpoints: Sequence[str], *, reference: str = "dense"
) -> DataFrame:
    """Every arm beside the reference, seed by seed, at equal fit and at the best and last epoch.

    Args:
        trajectories: see the module.
        endpoints: columns that are compared.
        reference: the arm that all others are compared with; it has one run for every pair.

    Returns:
        A row for every run of another arm, endpoint and place: the columns of :data:`RUN`,
        ``endpoint``, ``at`` (of :data:`ATS`), ``level`` (the loss or accuracy at which they were
        matched; NaN at an epoch), ``first``, ``second`` (of the arm, of the reference),
        ``difference`` (first minus second, see :func:`gslt.report.statistics.difference`),
        ``first_epoch``, ``second_epoch`` (at which they were taken, between two where they were
        interpolated) and ``why``: what is missing where there is no difference, else empty.

    Raises:
        ConfigError: see :meth:`Curves.of`; or if the reference has two runs for one pair.
    """
    import pandas as pd

    fits = [column for column, _ in FITS.values()]
    curves = Curves.of(trajectories, ["epoch", *fits, *endpoints])
    one, other, lonely = _pairs(curves.runs, reference)
    found = [
        _contrast(curves, one, other, endpoint, at).assign(endpoint=endpoint, at=at)
        for endpoint in endpoints
        for at in ATS
    ]
    alone = curves.runs.iloc[lonely]
    found += [
        alone.assign(endpoint=endpoint, at=at, why=f"no run of the arm {reference}")
        for endpoint in endpoints
        for at in ATS
        if len(alone)
    ]
    columns = [*RUN, "endpoint", "at", "level", "first", "second", "difference"]
    columns += ["first_epoch", "second_epoch", "why"]
    return pd.concat(found, ignore_index=True).reindex(columns=columns)


def _pairs(
    runs: DataFrame, reference: str
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of arms, those of the reference beside them, and rows that have none beside them."""
    numbered = runs.assign(row=np.arange(len(runs)))
    dense = numbered[numbered["arm"] == reference]
    twice = dense[dense.duplicated([*PAIR])]
    if len(twice):
        raise ConfigError(
            f"there are two runs of the reference for {_named(twice.iloc[0])}: give the others an "
            "arm of their own name"
        )
    others = numbered[numbered["arm"] != reference]
    both = others.merge(dense[[*PAIR, "row"]], on=[*PAIR], how="left", suffixes=("", "_reference"))
    alone = both["row_reference"].isna()
    pairs = both[~alone]
    return (
        pairs["row"].to_numpy(np.int64),
        pairs["row_reference"].to_numpy(np.int64),
        both.loc[alone, "row"].to_numpy(np.int64),
    )


def _contrast(
    curves: Curves,
    one: npt.NDArray[np.int64],
    other: npt.NDArray[np.int64],
    endpoint: str,
    at: At,
) -> DataFrame:
    """Pairs of runs on one endpoint at one place."""
    level, epochs = np.full(len(one), math.nan), curves.values["epoch"]
    if at in FITS:
        column, sign = FITS[at]
        fit, values = sign * curves.values[column], curves.values[endpoint]
        level, first, second = matched(fit[one], fit[other], values[one], values[other])
        _, *when = matched(fit[one], fit[other], epochs[one], epochs[other])
        unmatched = np.isnan(when).any(axis=0)
        level = sign * level
    else:
        points = curves.best if at == "best epoch" else curves.last
        numbers, of_runs = curves.at(endpoint, points), curves.at("epoch", points)
        first, second, unmatched = numbers[one], numbers[other], np.zeros(len(one), bool)
        when = [of_runs[one], of_runs[other]]
    outside = f"out of reach: one run begins at a better {at} than the other ever has"
    gone = np.isnan(first) | np.isnan(second)
    return curves.runs.iloc[one].assign(
        level=level,
        first=first,
        second=second,
        difference=difference(first, second),
        first_epoch=when[0],
        second_epoch=when[1],
        why=np.where(unmatched, outside, np.where(gone, "a number is missing", "")),
    )
