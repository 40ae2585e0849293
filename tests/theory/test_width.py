"""How many random channels a coefficient needs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gslt.random import Stream
from gslt.theory.laws import log2_density, predicted_failure
from gslt.theory.width import channel_draws, copies_needed, finest_error


def test_law_of_the_width() -> None:
    dense = copies_needed(1e-3, 1e-6)
    assert 60 <= dense <= 150
    assert copies_needed(1e-6, 1e-2) > copies_needed(1e-3, 1e-2)
    sparse = copies_needed(1e-3, 1e-6, prune_ratio=0.5)
    # One in two of each matrix is missing.
    assert 3.5 * dense < sparse < 6 * dense
    frozen = copies_needed(1e-3, 1e-6, prune_ratio=0.25, lock_ratio=0.25)
    assert frozen > sparse


@pytest.mark.parametrize("pair", [True, False])
@pytest.mark.parametrize("frozen", [(0.0, 0.0), (0.25, 0.25), (0.8, 0.0)])
def test_asking_for_more_never_takes_fewer(pair: bool, frozen: tuple[float, float]) -> None:
    # The share of targets out of reach is the same whatever ε is: a share of 0 among 4,000 draws
    # once stood for any failure, and a smaller ε, which has more numbers tried, found it sooner.
    epsilons, failures = (1e-1, 1e-2, 1e-3, 1e-5, 1e-6), (1e-2, 1e-4, 1e-8, 1e-10)
    p, locked = frozen
    needed = np.array(
        [
            [copies_needed(e, f, pair=pair, prune_ratio=p, lock_ratio=locked) for e in epsilons]
            for f in failures
        ]
    )
    assert (np.diff(needed, axis=0) > 0).all()
    assert (np.diff(needed, axis=1) >= 0).all()


def test_failures_are_as_rare_as_the_law_says() -> None:
    # 1e-3 of the targets may be missed: a share that 40,000 fresh draws can tell.
    n = copies_needed(1e-2, 1e-3, prune_ratio=0.25, lock_ratio=0.25)
    drawn = channel_draws(n, True, 0.25, 0.25, 40_000, seed=1)
    assert predicted_failure(log2_density(drawn), 1e-2) <= 1e-3


@pytest.mark.parametrize("frozen", [(0.0, 0.0), (0.25, 0.25)])
def test_the_finest_error_is_that_of_the_smallest_values(frozen: tuple[float, float]) -> None:
    p, locked = frozen
    made = channel_draws(200, True, p, locked, 2_000, seed=1)
    found = made.solve(exact=16)
    errors = found.errors[found.reachable]
    for failure in (0.5, 0.05):
        finest = finest_error(200, 16, failure, prune_ratio=p, lock_ratio=locked)
        assert finest == pytest.approx(np.quantile(errors, 1.0 - failure), rel=0.15)
    # More of them searched, and more to choose the smallest from.
    assert finest_error(200, 20, 0.05) < finest_error(200, 16, 0.05) / 8
    assert finest_error(800, 16, 0.05) < finest_error(200, 16, 0.05)


def test_what_is_compared_with_the_law_has_draws_of_its_own() -> None:
    """The law's are those that committed widths were found with: streams of seed 0."""

    def values(**streams: Any) -> list[float]:
        found: list[float] = channel_draws(3, False, 0.0, 0.0, 2, **streams).values.ravel().tolist()
        return found

    law = 2.0 * Stream(0, "channels 3", "weight").uniform(6) - 1.0
    assert values() == law.tolist()
    others = [values(seed=seed, stream="simulated channels") for seed in (0, 1)]
    assert not {*others[0]} & {*others[1]}
    assert not {*values()} & {*others[0], *others[1]}


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
