"""A mean over seeds, with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gslt.random import Float64
from gslt.studies.report.statistics import bootstrap_interval


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95 % interval (bias-corrected and accelerated bootstrap of the seeds).

    NaN where there is none: no number has no mean, and a single one no interval.
    """

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        if math.isnan(self.low):
            return f"{self.mean:+.2f} (no interval)"
        return f"{self.mean:+.2f} (95 % interval {self.low:+.2f} to {self.high:+.2f})"


NONE = Estimate(math.nan, math.nan, math.nan)


def estimate(numbers: Float64) -> Estimate:
    """Mean and interval of one number per seed."""
    if not len(numbers):
        return NONE
    return Estimate(float(numbers.mean()), *bootstrap_interval(numbers))
