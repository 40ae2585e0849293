"""Differences of two arms, paired by seed, with missing and collapsed runs counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gslt.random import Float64


def differences(first: Float64, second: Float64) -> Float64:
    """First minus second: 0 where both have collapsed, ±∞ where one has."""
    both = np.isneginf(first) & np.isneginf(second)
    return np.subtract(first, second, out=np.zeros_like(first), where=~both)


@dataclass(frozen=True)
class Filled:
    """Differences with a number in the place of each ±∞."""

    values: Float64
    one_collapsed: int
    """Pairs of which one run has collapsed totally and the other has not."""


def filled(values: Float64, least: float) -> Filled:
    """Put ± the largest finite size in the place of ±∞, and no less than ``least``.

    A run that collapsed beside one that did not is infinitely far from it: no mean exists. It
    counts as the largest difference seen, and as one that matters. What is put there depends on
    the sizes of the differences alone and not on their signs, so that a test by sign flips stays
    exact.
    """
    infinite = np.isinf(values)
    if not infinite.any():
        return Filled(values, 0)
    largest = np.abs(values[~infinite]).max(initial=least)
    return Filled(np.where(infinite, np.sign(values) * largest, values), int(infinite.sum()))
