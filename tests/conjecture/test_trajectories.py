"""Matched contrasts on toy trajectories whose answer is worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslt.conjecture.trajectories import Curves, contrasts, first_crossing, matched
from gslt.errors import ConfigError

RUN: dict[str, Any] = {"dataset": "toy", "num_layers": 4, "intervention": "none", "seed": 0}


def run(arm: str, losses: list[float], values: list[float], best: int = 1, **other: Any) -> Any:
    """Rows of one run at epochs 1, 10, 100, …; its accuracy is 1 minus its loss over 10."""
    last = len(losses) - 1
    return [
        {**RUN, "arm": arm, "ratio": 0.4 if arm == "frozen" else math.nan}
        | {"epoch": 10**i, "best": i == best, "last": i == last, "train_loss": loss}
        | {"val_accuracy": 1 - loss / 10, "test_accuracy": value / 10, "q": value}
        | other
        for i, (loss, value) in enumerate(zip(losses, values, strict=True))
    ]


def frame(*runs: Any) -> pd.DataFrame:
    return pd.DataFrame([row for each in runs for row in each])


# By hand: the dense run comes down to loss 1, the frozen one to 1.5 alone. At loss 1.5 the dense
# one is halfway between its second and third epoch, at (6 + 10) / 2 = 8; the frozen one is at 7.
DENSE = run("dense", [4.0, 2.0, 1.0], [2.0, 6.0, 10.0])
FROZEN = run("frozen", [4.0, 3.0, 1.5], [2.0, 5.0, 7.0], best=2)


def test_a_contrast_at_equal_loss_by_hand() -> None:
    found = contrasts(frame(DENSE, FROZEN), ["q"]).set_index("at")
    assert found.loc["train loss", ["level", "first", "second", "difference"]].tolist() == [
        1.5,
        7.0,
        8.0,
        -1.0,
    ]
    # Accuracies go with the losses: 0.85 is where the loss is 1.5.
    assert found.loc["val accuracy", "level"] == pytest.approx(0.85)
    assert found.loc["val accuracy", "difference"] == pytest.approx(-1.0)
    # At the best epochs 7 and 6, at the last ones 7 and 10.
    assert found.loc["best epoch", "difference"] == 1.0
    assert found.loc["last epoch", "difference"] == -3.0
    assert found["why"].tolist() == [""] * 4
    assert found["ratio"].tolist() == [0.4] * 4


def test_it_is_the_first_time_that_counts() -> None:
    found = first_crossing(np.array([[4.0, 1.0, 3.0, 0.5]]), np.array([2.0]))
    assert (found.after.tolist(), found.share.tolist()) == ([0], [2 / 3])
    assert found.value(np.array([[0.0, 3.0, 9.0, 9.0]])).tolist() == [2.0]


def test_nothing_is_extrapolated() -> None:
    """A level above a curve's first point, or below all of it, is out of reach."""
    found = first_crossing(np.array([[2.0, 1.0], [2.0, 1.0], [2.0, 1.0]]), np.array([3.0, 0.5, 2]))
    assert found.reached.tolist() == [False, False, True]
    assert np.isnan(found.value(np.ones((3, 2)))[:2]).all()
    # The frozen run begins below all that the dense one ever reaches.
    early = run("frozen", [0.5, 0.4], [1.0, 2.0])
    table = contrasts(frame(DENSE, early), ["q"]).set_index("at")
    assert math.isnan(table.loc["train loss", "difference"])
    assert table.loc["train loss", "level"] == 1.0
    assert table.loc["train loss", "why"] == (
        "out of reach: one run begins at a better train loss than the other ever has"
    )
    assert table.loc["last epoch", "difference"] == -8.0


def test_collapse_and_missing_numbers() -> None:
    gone = run("frozen", [4.0, 3.0, 1.5], [2.0, 5.0, -math.inf], best=2)
    found = contrasts(frame(DENSE, gone), ["q"]).set_index("at")["difference"]
    assert found.tolist() == [-math.inf] * 4
    lost = run("frozen", [4.0, 3.0, 1.5], [2.0, 5.0, math.nan], best=2)
    table = contrasts(frame(DENSE, lost), ["q"])
    assert table["why"].tolist() == ["a number is missing"] * 4
    # Beside a point that collapsed there is nothing to interpolate; at the point before there is.
    values = np.array([[1.0, -math.inf]])
    assert first_crossing(np.array([[2.0, 1.0]]), np.array([1.5])).value(values) == -math.inf
    assert first_crossing(np.array([[2.0, 1.0]]), np.array([2.0])).value(values) == 1.0


def test_pairs_share_all_but_the_arm() -> None:
    """Runs without a dense one beside them are told, and not compared with another."""
    other = run("frozen", [4.0, 1.0], [2.0, 3.0], seed=1)
    found = contrasts(frame(DENSE, FROZEN, other), ["q", "test_accuracy"])
    assert len(found) == 16
    alone = found[found["seed"] == 1]
    assert set(alone["why"]) == {"no run of the arm dense"}
    assert alone["difference"].isna().all()
    assert found[found["seed"] == 0]["difference"].notna().all()


def test_curves_are_in_the_order_of_epochs() -> None:
    rows = frame(DENSE, run("frozen", [4.0, 3.0], [2.0, 5.0]))
    found = Curves.of(rows.iloc[::-1], ["q"])
    assert found.runs["arm"].tolist() == ["dense", "frozen"]
    assert np.nan_to_num(found.values["q"], nan=-1.0).tolist() == [[2, 6, 10], [2, 5, -1]]
    assert (found.best.tolist(), found.last.tolist()) == ([1, 1], [2, 1])


def test_frames_that_are_none_of_trajectories() -> None:
    with pytest.raises(ConfigError, match="needs the columns val_accuracy, nc1"):
        contrasts(frame(DENSE).drop(columns="val_accuracy"), ["nc1"])
    with pytest.raises(ConfigError, match=r"two rows of dataset toy, .* arm dense, .* epoch 1:"):
        contrasts(frame(DENSE, DENSE), ["q"])
    with pytest.raises(ConfigError, match=r"arm dense, .* has 0 best and 1 last epochs"):
        contrasts(frame(run("dense", [2.0], [1.0], best=5)), ["q"])
    twice = frame(DENSE, run("dense", [4.0, 1.0], [2.0, 3.0], ratio=0.2))
    with pytest.raises(ConfigError, match="two runs of the reference"):
        contrasts(twice, ["q"])


curve = st.lists(st.floats(0.1, 10.0), min_size=1, max_size=8)


@given(curve, curve)
def test_the_level_is_within_reach_of_both_or_nothing_is_said(
    one: list[float], other: list[float]
) -> None:
    """At the crossing both have the level as their fit."""
    length = max(len(one), len(other))
    first, second = (
        np.array([[*each, *[math.nan] * (length - len(each))]]) for each in (one, other)
    )
    level, at_first, at_second = matched(first, second, first, second)
    assert level == max(min(one), min(other))
    for values, found in ((one, at_first), (other, at_second)):
        if values[0] >= level >= min(values):
            assert found == pytest.approx(level)
        else:
            assert np.isnan(found)
