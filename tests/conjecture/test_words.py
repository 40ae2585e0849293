"""The words of the report about the conjecture follow from its numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, get_args

import pytest

from gslt.conjecture.claims import Component, Outcome
from gslt.conjecture.protocol import ARMS, GRIDS, INTERVENTIONS, Criteria, Plan
from gslt.conjecture.rule import ACCURACY
from gslt.conjecture.words import (
    ARM_WORDS,
    COLOURS,
    INTERVENTION_WORDS,
    MEANING,
    SIGNS,
    arm_name,
    component_words,
    effect,
    too_few,
)


def test_every_outcome_has_words() -> None:
    for table in (SIGNS, COLOURS, MEANING):
        assert {*table} == {*get_args(Outcome)}


def test_every_arm_and_intervention_has_words() -> None:
    assert {*ARMS} <= {*ARM_WORDS}
    assert {*INTERVENTIONS} <= {*INTERVENTION_WORDS}
    assert {arm for grid in GRIDS["paper"] for arm in grid.arms} <= {*ARM_WORDS}


def test_presets_that_are_too_small_say_so() -> None:
    # Two data sets, six claims: 2 / 2²⁰ lies below 0.05 / 6.
    assert too_few(Plan(preset="standard")) == ""
    assert too_few(Plan(preset="quick")) == ""
    assert too_few(Plan(preset="paper")) == ""
    # Eight seeds: 2 / 2⁸ lies above 0.01 / 3.
    assert "With 8 seeds the smallest possible p is 0.0078, above 0.0033" in too_few(
        Plan(preset="quick", criteria=Criteria(alpha=0.01))
    )


PART = Component(
    endpoint=ACCURACY,
    at="best epoch",
    without="none",
    under="none",
    words="at the best epoch",
    margin=0.01,
    seeds=(0, 1, 2),
    left_out=(),
    cells=2,
    one_collapsed=0,
    why="",
    mean=0.02,
    low=0.01,
    high=0.03,
    outcome="shown",
)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "at the best epoch: +2.0 points, interval +1.0 points to +3.0 points, 3 seeds: shown"),
        ({"low": -math.inf}, "at the best epoch: +2.0 points, no interval, 3 seeds: shown"),
        ({"mean": math.nan, "why": "a run"}, "at the best epoch: not tested (a run)"),
    ],
)
def test_words_of_a_component(change: dict[str, Any], said: str) -> None:
    assert component_words(replace(PART, **change)) == said


def test_effects_in_the_unit_that_is_read() -> None:
    assert effect(ACCURACY, -0.004) == "-0.4 points"
    assert effect("log_uncentred_quotient", math.log(2)) == "× 2.00"
    assert effect("mad", 0.1234) == "+0.123"
    assert arm_name("random mask", 1.0) == "random mask"
