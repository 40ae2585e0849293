"""How many random channels a coefficient needs."""

from __future__ import annotations

import numpy as np

from gslt.theory.width import channel_draws, copies_needed


def test_law_of_the_width() -> None:
    dense = copies_needed(1e-3, 1e-6)
    assert 60 <= dense <= 150
    assert copies_needed(1e-6, 1e-6) > dense
    sparse = copies_needed(1e-3, 1e-6, prune_ratio=0.5)
    # One in two of each matrix is missing.
    assert 3.5 * dense < sparse < 6 * dense
    frozen = copies_needed(1e-3, 1e-6, prune_ratio=0.25, lock_ratio=0.25)
    assert frozen > sparse


def test_channels_are_there_as_often_as_they_should_be() -> None:
    made = channel_draws(40, True, 0.2, 0.3, 4000)
    # A channel has the right sign in half of the cases and its entry is there in 0.8 of these; its
    # weight is locked in 0.3 of those, and free in half of them.
    there = 0.5 * 0.8
    free = ~(made.locked | made.pruned)
    assert abs(float(made.locked.mean()) - there * 0.3) < 0.005
    assert abs(float(free.mean()) - there * 0.5) < 0.005
    # Products of two uniform numbers on [-1, 1], the first of them positive: mean square 1 / 9.
    assert abs(float(np.square(made.values[free]).mean()) - 1 / 9) < 0.005
    copies = channel_draws(40, False, 0.2, 0.3, 4000)
    assert abs(float(copies.pruned.mean()) - 0.2) < 0.005
