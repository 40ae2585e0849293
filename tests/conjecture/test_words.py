"""The words of the report about the conjecture follow from its numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import get_args

import pytest

from gslt.conjecture.association import Association, Slope
from gslt.conjecture.decision import Decision, Outcome
from gslt.conjecture.power import SeedsNeeded
from gslt.conjecture.protocol import ARMS, Criteria
from gslt.conjecture.verdict import Verdict
from gslt.conjecture.words import (
    ARM_WORDS,
    COLOURS,
    SIGNS,
    accuracy_words,
    arm_name,
    association_words,
    collapse_words,
    depth_words,
    factor,
    factor_words,
    meaning,
    needed_words,
    slope_words,
)
from gslt.report.statistics import Estimate

NONE = Estimate(math.nan, math.nan, math.nan)


def verdict(outcome: Outcome, effect: Estimate = NONE, depths: tuple[int, ...] = (4,)) -> Verdict:
    numbers = ("p_trend", "p_level", "p", "p_holm", "p_equivalence", "p_equivalence_holm")
    return Verdict(
        dataset="toy",
        batch_norm=True,
        depths=depths,
        overall=len(depths) > 1,
        decision=Decision(
            outcome=outcome,
            direction=1,
            **dict.fromkeys(numbers, 0.01),
            least=0.01,
            least_holm=0.01,
            comparisons=1,
        ),
        effect=effect,
        tau=NONE,
        ratios=(0.2, 0.8),
        seeds=(0, 1, 2),
        left_out=(),
        one_collapsed=0,
        both_collapsed=0,
        page=None,
        needed=None,
        reason="because",
    )


def slope(value: float, interval: tuple[float, float] | None = None) -> Slope:
    return Slope(value, interval or (value, value), 0.5)


ASSOCIATION = Association(
    dataset="toy",
    batch_norm=True,
    accuracy=Estimate(-0.012, -0.02, -0.001),
    pooled=slope(0.02, (0.01, 0.03)),
    intercept=0.0,
    intercept_interval=(0.0, 0.0),
    within=slope(-0.03, (-0.05, -0.01)),
    pairs=3,
    seeds=3,
    left_out=0,
)


def test_factors() -> None:
    assert factor(math.log(2)) == "2"
    assert factor(-30.0) == "10^-13.0"
    assert factor_words(Estimate(math.log(2), 0.0, math.log(4))) == (
        "× 2 (95 % interval × 1 to × 4)"
    )
    assert factor_words(NONE) == "no number"
    assert factor_words(Estimate(0.0, math.nan, math.nan), collapsed=True) == (
        "× 1 (no interval, collapsed pairs counted as the largest difference)"
    )


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        ((0.01, 0.03), "accuracy rises (+2.0, +1.0 to +3.0); among seeds"),
        ((-0.03, -0.01), "accuracy falls (+2.0, -3.0 to -1.0); among seeds"),
        (
            (-0.01, 0.03),
            "accuracy is not shown to rise or fall (+2.0, -1.0 to +3.0);",
        ),
        ((math.nan, math.nan), "Too few seeds to tell"),
    ],
)
def test_the_interval_of_the_slope_chooses_the_words_about_accuracy(
    interval: tuple[float, float], words: str
) -> None:
    association = replace(ASSOCIATION, pooled=slope(0.02, interval))
    text = association_words(association)
    assert words in text
    few = math.isnan(interval[0])
    assert few or "one depth and ratio it falls (-3.0, -5.0 to -1.0)." in text
    assert accuracy_words(association) == (
        "Test accuracy of frozen minus that of dense: -1.2 points (95 % interval -2.0 to -0.1)."
    )


def test_smoothness_that_does_not_vary_says_nothing_of_accuracy() -> None:
    flat = replace(ASSOCIATION, pooled=slope(0.0), within=slope(0.0), accuracy=NONE)
    assert "accuracy shows nothing, as the quotient does not vary" in association_words(flat)
    assert accuracy_words(flat) == "Test accuracy: no seed has every run."


def test_slopes_below_a_picture() -> None:
    found = slope_words(slope(0.02, (0.01, 0.03)))
    assert found == "+2.00 points per unit (+1.00 to +3.00), R² 0.50"
    assert "(no interval)" in slope_words(slope(0.02, (math.nan, math.nan)))


def test_every_outcome_has_its_words_sign_and_colour() -> None:
    outcomes = get_args(Outcome)
    assert set(SIGNS) == set(COLOURS) == set(outcomes)
    assert len(set(SIGNS.values())) == len(set(COLOURS.values())) == len(outcomes)
    said = {meaning(verdict(outcome), Criteria()) for outcome in outcomes}
    assert len(said) == len(outcomes)


def test_the_meaning_says_what_is_averaged_and_what_is_small() -> None:
    large, small = Estimate(0.5, 0.4, 0.6), Estimate(0.1, 0.05, 0.2)
    words = "Averaged over the freezing ratios the difference is below a factor of 1.25"
    assert words not in meaning(verdict("supported", large), Criteria())
    assert words in meaning(verdict("supported", small), Criteria())
    assert words in meaning(verdict("contradicted", Estimate(-0.1, -0.2, -0.05)), Criteria())
    several = meaning(verdict("supported", large, depths=(2, 4)), Criteria())
    assert several.startswith("On average over the depths: tickets of frozen sources smooth less")
    one = meaning(verdict("no meaningful difference"), Criteria(smallest_effect=math.log(2)))
    assert "less than a factor of 2 either way" in one


@pytest.mark.parametrize(
    ("needed", "words"),
    [
        (None, ""),
        (
            SeedsNeeded(None, None, None, None, None, "smallest effect"),
            "No number of seeds up to 10,000 is known to decide it.",
        ),
        (
            SeedsNeeded(1200, 900, None, 1200, 800, "observed effect"),
            "About 1,200 seeds are needed (900 to unknown) for a true difference as large as the "
            "one observed; 3 are there.",
        ),
        (
            SeedsNeeded(6, None, None, None, None, "least seeds"),
            "About 6 seeds are needed before any result can be significant; 3 are there.",
        ),
    ],
)
def test_seeds_needed(needed: SeedsNeeded | None, words: str) -> None:
    assert needed_words(replace(verdict("undecided"), needed=needed)) == words


def test_collapsed_pairs_are_counted() -> None:
    none, some = verdict("supported"), replace(verdict("mixed"), one_collapsed=4, both_collapsed=1)
    assert collapse_words([none]) == "No run behind a verdict collapsed totally."
    text = collapse_words([none, some, some])
    assert "8 have one run that collapsed totally" in text
    assert "2 have two that did" in text


def test_every_arm_is_described() -> None:
    assert list(ARM_WORDS) == list(ARMS)


def test_names() -> None:
    assert depth_words(()) == "no depth"
    assert arm_name("sparse") == arm_name("sparse", math.nan) == "sparse"
    assert arm_name("frozen", 0.2) == "frozen, F = 0.2"
