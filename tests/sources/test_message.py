"""gslt.sources.message: no order that the seeds do not show."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from gslt.sources.arms import DENSE, FROZEN, SPARSE, TRAINED
from gslt.sources.message import (
    CONTRASTS,
    DIFFERENCES,
    Contrast,
    contrasts_of,
    least_seeds,
    message_of,
)
from gslt.studies import frame

COMMITTED = Path(__file__).parents[2] / "benchmarks" / "results" / "study-debian-gin"


def runs(**accuracies: list[float]) -> pd.DataFrame:
    """Runs of arms, named by their first word, with these accuracies in percent, one a seed."""
    names = {"trained": TRAINED, "dense": DENSE, "sparse": SPARSE, "frozen": FROZEN}
    rows = [
        {
            "arm": names[arm],
            "seed": seed,
            "identity": f"{arm}{seed}",
            "dataset": "toy",
            "split": 0,
            "metric": "accuracy",
            "test_accuracy": value / 100,
        }
        for arm, values in accuracies.items()
        for seed, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def only(**accuracies: list[float]) -> Contrast:
    (found,) = contrasts_of(runs(**accuracies))
    return found


def test_three_seeds_that_agree_are_no_order() -> None:
    found = only(sparse=[70, 71, 72], frozen=[69, 70.5, 70.5])
    assert (found.first, found.second) == (FROZEN, SPARSE)
    assert found.differences.tolist() == pytest.approx([-1, -0.5, -1.5])
    assert (found.mean, found.std) == pytest.approx((-1.0, 0.5))
    # Two of the 2³ sign flips are as far from 0.
    assert (found.p, found.agrees, found.is_order) == (0.25, True, False)
    assert str(found) == (
        "The frozen source's ticket is below the sparse source's ticket in all 3 seeds, by 1.00 "
        "points (-1.50 to -0.50)."
    )


def test_seeds_that_disagree() -> None:
    found = only(dense=[70, 71, 72.5], trained=[69, 71, 73])
    assert (found.agrees, found.is_order, found.seeds_that_agree) == (False, False, "1 of 3")
    assert str(found) == (
        "No order of the dense source's ticket and weight training: +0.17 points on average, "
        "-0.50 to +1.00 over 3 seeds."
    )


def test_one_seed() -> None:
    found = only(dense=[70], trained=[72])
    assert not found.is_order
    assert str(found) == (
        "The dense source's ticket is 2.00 points below weight training with one seed, which "
        "tells no order."
    )


def test_one_seed_of_equal_accuracies() -> None:
    found = only(dense=[70], trained=[70])
    assert str(found) == "The dense source's ticket equals weight training with one seed."


def test_enough_seeds_are_an_order() -> None:
    base = [70.0, 71, 72, 73, 74, 75]
    higher = [value + 1 + 0.1 * place for place, value in enumerate(base)]
    found = only(dense=higher, trained=base)
    # A pair alone needs no correction: 2 of 2⁶.
    assert found.p == pytest.approx(2 / 64)
    assert found.is_order
    assert re.fullmatch(
        r"The dense source's ticket is above weight training: \+1\.25 points \(95 % interval "
        r"\+1\.\d\d to \+1\.\d\d\), 6 seeds \(p = 0\.031 by Holm\)\.",
        str(found),
    )
    assert 1.0 <= found.low < found.mean < found.high <= 1.5


def test_six_pairs_need_eight_seeds() -> None:
    def levels(number: int) -> pd.DataFrame:
        seeds = [0.1 * seed for seed in range(number)]
        heights = {"trained": 79, "dense": 76, "sparse": 75, "frozen": 74}
        return runs(**{arm: [height + s for s in seeds] for arm, height in heights.items()})

    assert least_seeds(6) == 8
    for number, shown in ((7, False), (8, True)):
        found = contrasts_of(levels(number))
        assert [(each.first, each.second) for each in found] == list(CONTRASTS)
        assert {each.is_order for each in found} == {shown}
        assert all(each.agrees for each in found)
        lack = [line for line in message_of(found, {}) if "is not yet an order" in line]
        assert len(lack) == (0 if shown else 1)
    assert message_of(contrasts_of(levels(3)), {})[-1] == (
        "What all 3 seeds show is not yet an order: sign flips, corrected by Holm for 6 pairs, "
        "reach p ≤ 0.05 with 8 seeds, which add to those that a folder has."
    )


def test_an_interval_is_shown_where_seeds_allow_it() -> None:
    cell = dict(DIFFERENCES)["95 % interval"]
    few = only(dense=[70, 71, 72], trained=[71, 72.5, 74])
    many = only(dense=[70.0] * 6, trained=[71, 71.5, 72, 71, 71.5, 72])
    assert cell(few).text == "–"
    assert re.fullmatch(r"-[12]\.\d\d to -1\.\d\d", cell(many).text)
    assert dict(DIFFERENCES)["points"](few).text == "-1.50"


def test_sizes_are_named_whatever_they_are() -> None:
    (line,) = message_of([], {DENSE: 27.94, FROZEN: 0.42})
    assert line.endswith("with its header: dense source 27.9, frozen source 0.4.")


def test_it_agrees_with_the_committed_study() -> None:
    """Three seeds of the paper's width: directions as README tells them, and no order claimed."""
    found = frame(COMMITTED, "table-gin-standard")
    found["arm"] = found["arm"].str.removesuffix(", SKC")
    found = found[found["arm"].isin([TRAINED, DENSE, SPARSE, FROZEN])]
    contrasts = {(each.first, each.second): each for each in contrasts_of(found)}
    assert set(contrasts) == set(CONTRASTS)
    assert all(each.mean < 0 for each in contrasts.values())
    assert not any(each.is_order for each in contrasts.values())
    means = 100 * found.groupby("arm")["test_accuracy"].mean()
    apart = contrasts[FROZEN, SPARSE]
    assert apart.mean == pytest.approx(means[FROZEN] - means[SPARSE])
