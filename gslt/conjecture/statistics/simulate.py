"""Synthetic runs with a planted effect, to try the verdict on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gslt.conjecture.statistics.endpoints import DENSE, FROZEN, PRIMARY, Run
from gslt.random import Float64, Stream

#: An outlying run's noise is so many times as large.
_OUTLIER = 5.0


@dataclass(frozen=True, kw_only=True)
class Planted:
    """Synthetic log quotients of a dense and of frozen arms. The defaults plant no effect.

    A value is the sum of: a level of the seed at this depth, which all its arms share; a walk over
    the freezing ratio with independent steps, so that runs of a seed at neighbouring ratios
    resemble each other; noise of the run; and the effect, which grows in proportion to the ratio.
    """

    effect: float = 0.0
    """Mean over the ratios of frozen minus dense; below 0 for a planted reversal."""
    seeds: int = 10
    depths: tuple[int, ...] = (2, 4, 8, 16, 32, 64)
    ratios: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8)
    seed_sd: float = 0.3
    """Standard deviation of the seeds' levels."""
    walk_sd: float = 0.1
    """Standard deviation of a step of the walk over a ratio of 0.2."""
    noise_sd: float = 0.15
    """Standard deviation of a run's noise."""
    across_depths: float = 0.3
    """Correlation of the same seed's walk and noise at two depths."""
    outliers: float = 0.0
    """Fraction of the runs whose noise is five times as large."""
    collapsed: float = 0.0
    """Fraction of the runs that collapse totally, whatever their arm."""

    def largest(self) -> float:
        """The effect at the largest ratio."""
        return self.effect * max(self.ratios) / float(np.mean(self.ratios))


def synthetic_runs(planted: Planted, number: int) -> list[Run]:
    """The runs of simulation ``number``."""
    values = _values(planted, number)
    arms: list[tuple[str, float | None]] = [(DENSE, None)]
    arms += [(FROZEN, ratio) for ratio in planted.ratios]
    return [
        Run(
            dataset="synthetic",
            depth=depth,
            batch_norm=True,
            arm=arm,
            freezing_ratio=ratio,
            seed=seed,
            endpoints={PRIMARY: values[at, seed, column]},
        )
        for at, depth in enumerate(planted.depths)
        for column, (arm, ratio) in enumerate(arms)
        for seed in range(planted.seeds)
    ]


def _values(planted: Planted, number: int) -> Float64:
    """Log quotients ``(depths, seeds, 1 + ratios)``, the dense arm first."""
    doses = np.array([0.0, *planted.ratios])
    shape = len(planted.depths), planted.seeds, len(doses)

    def normal(role: str, common: bool = False) -> Float64:
        size = shape[1:] if common else shape
        stream = Stream(number, "synthetic runs", role)
        return stream.normal(math.prod(size)).reshape(size)

    def correlated(role: str) -> Float64:
        share = planted.across_depths
        return math.sqrt(share) * normal(f"{role}, common", common=True) + math.sqrt(
            1.0 - share
        ) * normal(role)

    def happens(role: str, fraction: float) -> npt.NDArray[np.bool_]:
        numbers = Stream(number, "synthetic runs", role).uniform(math.prod(shape))
        return numbers.reshape(shape) < fraction

    steps = np.sqrt(np.diff(doses, prepend=0.0) / 0.2)
    walk = np.cumsum(correlated("walk") * steps, axis=-1)
    size = np.where(happens("outliers", planted.outliers), _OUTLIER, 1.0)
    values: Float64 = (
        planted.seed_sd * normal("seeds")[..., :1]
        + planted.walk_sd * walk
        + planted.noise_sd * size * correlated("noise")
        + planted.effect * doses / np.mean(planted.ratios)
    )
    return np.where(happens("collapse", planted.collapsed), -math.inf, values)
