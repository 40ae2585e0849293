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
        return self.words("+.2f")

    def words(self, form: str, times: float = 1.0, unit: str = "") -> str:
        """The mean, so many times itself, with its unit and the interval in brackets."""
        mean, low, high = (f"{times * each:{form}}" for each in (self.mean, self.low, self.high))
        ends = "no interval" if math.isnan(self.low) else f"95 % interval {low} to {high}"
        return f"{mean}{unit} ({ends})"


NONE = Estimate(math.nan, math.nan, math.nan)


def estimate(numbers: Float64) -> Estimate:
    """Mean and interval of one number per seed."""
    if not len(numbers):
        return NONE
    return Estimate(float(numbers.mean()), *bootstrap_interval(numbers))
