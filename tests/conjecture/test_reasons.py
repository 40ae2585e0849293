"""The sentences that say why, from numbers made up for them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from gslt.conjecture.decision import Scores, decide
from gslt.conjecture.protocol import Criteria
from gslt.conjecture.reasons import reason
from gslt.report.statistics import Estimate

EFFECT, TAU = Estimate(0.3, 0.2, 0.4), Estimate(1.0, 1.0, 1.0)


def scores(rows: list[list[float]], left_out: tuple[int, ...] = ()) -> Scores:
    """Of seeds 0, 1, …: the dense run first, then the frozen ones."""
    values, ratios = np.array(rows), [0.2 * (1 + column) for column in range(len(rows[0]) - 1)]
    return Scores.of(values, Criteria(), seeds=range(len(rows)), ratios=ratios, left_out=left_out)


def told(found: Scores) -> str:
    (decision,) = decide([found], Criteria())
    return reason(found, decision, EFFECT, TAU, alpha=0.05)


def test_a_rising_quotient() -> None:
    text = told(scores([[0.0, 0.3, 0.6 + 0.01 * seed] for seed in range(8)]))
    assert text == (
        "The log quotient of frozen minus that of dense sources is +0.30 (95 % interval +0.20 to "
        "+0.40), with 8 seeds. It rises with the freezing ratio (mean tau within a seed +1.00) and "
        "lies above that of the dense source (p = 0.0078)."
    )


def test_a_falling_quotient() -> None:
    text = told(scores([[0.0, -0.3, -0.6 - 0.01 * seed] for seed in range(8)]))
    assert "It falls with the freezing ratio" in text
    assert "lies below that of the dense source" in text


def test_too_few_seeds() -> None:
    text = told(scores([[0.0, 0.3, 0.6], [0.0, 0.3, 0.7]]))
    assert "with 2 seeds. So few seeds can never show a difference: their smallest" in text
    assert "p is 0.5, and 0.5." in text


def test_what_is_too_small_to_matter() -> None:
    text = told(scores([[0.0, 0.001 * seed, -0.001 * seed] for seed in range(1, 11)]))
    assert "At every freezing ratio it is shown to be smaller than what matters" in text


def test_mixed_and_corrected() -> None:
    found = scores([[0.0, 0.3, 0.6] for _ in range(8)])
    (decision,) = decide([found], Criteria())
    mixed = dataclasses.replace(decision, outcome="mixed")
    assert "Single depths are decided otherwise" in reason(found, mixed, EFFECT, TAU, 0.05)
    three = dataclasses.replace(decision, comparisons=3)
    assert "after Holm's correction for 3 comparisons" in reason(found, three, EFFECT, TAU, 0.05)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([[0.0, -np.inf], [0.0, 0.1]], "In 1 pair one run alone has collapsed totally"),
        ([[-np.inf, -np.inf], [-np.inf, -np.inf]], "In 2 pairs both runs have collapsed totally"),
    ],
)
def test_collapsed_runs(rows: list[list[float]], words: str) -> None:
    assert words in told(scores(rows))


def test_seeds_that_are_left_out() -> None:
    assert told(scores([[0.0, 0.1]], left_out=(3, 5))).endswith(
        "Left out, as a run or its number is missing: seeds 3, 5."
    )
