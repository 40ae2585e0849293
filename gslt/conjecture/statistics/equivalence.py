"""Two one-sided tests, by which a difference can be shown to be too small to matter."""

from __future__ import annotations

import numpy as np

from gslt.conjecture.statistics.flips import tails
from gslt.random import Float64


def equivalence_p(rows: Float64, margin: float) -> float:
    """p-value of the hypothesis that some row's mean lies outside (−margin, margin).

    Two one-sided tests (Schuirmann 1987) per row: mean + margin above 0, and mean − margin below
    0. All must reject, so the largest p is that of them together, without a correction (an
    intersection-union test, Berger 1982). Each is by sign flips of the numbers moved to the bound,
    as the test of a difference is: exact for symmetric numbers of any distribution, with 1 / 2^n
    as the smallest p, where Student's t would call two equal numbers certain.

    Args:
        rows: Paired differences ``(k, n)``: a row for each that must be small.
        margin: Smallest size that matters, above 0.
    """
    above, _ = tails(rows + margin)
    _, below = tails(rows - margin)
    return float(np.maximum(above, below).max())
