"""Subset sums by looking at every subset, and hard cases for them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

Rows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
#: All numbers are multiples of this, so that doubles add them exactly.
GRID = 2.0**-20


def nearest_subset(
    values: np.ndarray, locked: np.ndarray, pruned: np.ndarray, target: float
) -> tuple[np.ndarray, float]:
    """The first of the best of all subsets, counted in binary over the free values; its error."""
    free = np.flatnonzero(~(locked | pruned))
    numbers = np.arange(1 << len(free))
    sums = np.full(len(numbers), values[locked].sum())
    for place, i in enumerate(free):
        sums += np.where(numbers >> place & 1, values[i], 0.0)
    errors = np.abs(target - sums)
    best = int(errors.argmin())
    chosen = locked.copy()
    chosen[free] = best >> np.arange(len(free)) & 1 == 1
    return chosen, float(errors[best])


def cases(number: int, seed: int) -> Iterator[Rows]:
    """Values, targets, locked and pruned of 1 to 16 values, 16 blocks of rows of one length.

    A third of the values of a row are often equal or zero, targets are on sums, near them, or out
    of reach, and anything from nothing to everything is locked or pruned.
    """
    rng = np.random.default_rng(seed)
    for n, t in enumerate(np.diff(np.linspace(0, number, 17).astype(int)), start=1):
        values = np.rint(rng.uniform(-1, 1, (t, n)) / GRID) * GRID
        coarse = rng.integers(-2, 3, (t, n)) / 4
        values = np.where(rng.random((t, 1)) < 0.4, coarse, values)
        values[rng.random((t, n)) < 0.1] = 0.0
        frozen = rng.random((t, n)) < rng.choice(
            [0, 0, 0.3, 0.6, 1], (t, 1), p=[0.3, 0.3, 0.2, 0.15, 0.05]
        )
        locked = frozen & (rng.random((t, n)) < 0.5)
        targets = np.rint(rng.uniform(-1, 1, t) / GRID) * GRID
        on_a_sum = (values * (rng.random((t, n)) < 0.5)).sum(axis=1)
        targets = np.where(rng.random(t) < 0.3, on_a_sum, targets)
        targets = np.where(rng.random(t) < 0.1, 8 * targets, targets)
        yield values, targets, locked, frozen & ~locked
