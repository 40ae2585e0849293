"""The rule of the three claims: words by hand, calibration on skewed nulls, and frames."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gslt.conjecture import rivals
from gslt.conjecture.claims import (
    Claim,
    Component,
    Outcome,
    decide,
    judge,
    judge_contrasts,
    judge_scores,
    seeds_needed,
)
from gslt.conjecture.rule import ACCURACY, Key, Rule, Scores
from gslt.conjecture.trajectories import contrasts
from gslt.conjecture.words import sentence, what_would_change

RULE = Rule()
S, A, M = (RULE.keys(name) for name in ("S", "A", "M"))
WOBBLE = np.linspace(-1.0, 1.0, 20)
#: Means that are clearly inside, above and below the margin, in margins.
CLEAR = {
    "shown": 3.0,
    "reversed": -3.0,
    "excluded": 0.0,
    "shown but smaller than what matters": 0.5,
}


def findings(means: Mapping[Key, float], spread: float = 0.2, default: float = 3.0) -> Any:
    """The finding where the scores of each key have a mean, in margins.

    By default all is shown, and no intervention leaves anything of the gain.
    """
    usual = {key: default if key.under == "none" else 0.0 for key in [*S, *A, *M]}
    scores = {
        key: Scores(
            RULE.margins[key.endpoint] * (mean + spread * WOBBLE),
            tuple(range(20)),
        )
        for key, mean in {**usual, **means}.items()
    }
    return judge_scores({"toy": scores}, RULE)[0]


def claim(means: Mapping[Key, float], name: str, **other: float) -> Claim:
    found: Claim = {each.name: each for each in findings(means, **other).claims}[name]  # type: ignore[misc]
    return found


# Words


@pytest.mark.parametrize("word", sorted(CLEAR))
def test_words_of_a_claim(word: Outcome) -> None:
    assert claim(dict.fromkeys(S, CLEAR[word]), "S").outcome == word
    assert claim(dict.fromkeys(A, CLEAR[word]), "A").outcome == word
    own = [key for key in M if key.without != "none"]
    assert len(own) == 6
    assert claim(dict.fromkeys(own, CLEAR[word]), "M").outcome == word


def test_the_interval_says_what_the_word_says() -> None:
    for word, mean in CLEAR.items():
        (part, _) = claim(dict.fromkeys(A, mean), "A").parts
        assert part.outcome == word
        assert part.mean == pytest.approx(mean * 0.01)
        # Two claims are decided before this one, or after: Holm leaves at least a third of 0.05.
        assert 0.05 / 3 <= part.level <= 0.05
        assert part.low < part.mean < part.high
        assert part.needed is None
    assert claim({}, "A").parts[0].low > 0.01


def test_noise_is_undecided_and_says_how_many_seeds_would_do() -> None:
    found = claim(dict.fromkeys(A, 2.0), "A", spread=8.0)
    assert found.outcome == "undecided"
    assert found.needed is not None
    assert found.needed > 20
    assert found.label == f"undecided ({found.needed} seeds needed)"
    assert "seeds needed if mean and spread stay" in what_would_change(found)[0]
    # At the margin itself no number of seeds is enough.
    at_margin = claim(dict.fromkeys(A, 1.0), "A", spread=1.0)
    assert at_margin.label == "undecided (number of seeds needed unknown)"


def test_a_claim_that_changes_with_the_epoch_is_never_shown() -> None:
    best, last = A
    for other in ("reversed", "excluded", "shown but smaller than what matters"):
        found = findings({best: CLEAR[other], last: 3.0})
        by_name = {each.name: each for each in found.claims}
        assert by_name["A"].outcome == by_name["A"].label == "differs between epochs"
        assert found.outcome == "not shown"
        assert "A (tickets of frozen sources classify better" in sentence(found)
        assert "differs between epochs, " in sentence(found)
        # One thing cannot be because of another that is not shown.
        assert by_name["M"].outcome == "undecided"
        assert by_name["M"].label == "undecided (A is not shown)"


def test_fits_and_interventions_that_differ() -> None:
    assert claim({S[0]: 0.0}, "S").outcome == "differs between fits"
    edges = {key: 0.0 for key in M if key.without == "no edges"}
    assert claim(edges, "M").outcome == "differs between interventions"
    one_epoch = {next(iter(edges)): 0.0}
    assert claim(one_epoch, "M").outcome == "differs between epochs"


def test_the_conjecture_is_shown_only_if_all_three_are() -> None:
    assert findings({}).outcome == "shown"
    for part in [*S, *A, *(key for key in M if key.without != "none")]:
        assert findings({part: 0.0}).outcome == "not shown"
        assert findings({part: 1.0}).outcome == "undecided"


@pytest.mark.parametrize("own", sorted(CLEAR.values()))
def test_without_its_premises_m_has_no_word(own: float) -> None:
    """Whatever its own parts say: one thing cannot be because of another that is not there."""
    parts = {key: own for key in M if key.without != "none"}
    for premises, why in (
        ({S[0]: 0.0}, "S is not shown"),
        ({A[1]: -3.0}, "A is not shown"),
        ({S[0]: 0.0, A[0]: 0.0}, "S and A are not shown"),
        ({S[0]: 1.0}, "so is S"),
        ({S[0]: 1.0, A[0]: 1.0}, "so are S and A"),
        ({S[0]: 1.0, A[0]: 0.0}, "A is not shown"),
    ):
        found = claim(premises | parts, "M")
        assert (found.outcome, found.label) == ("undecided", f"undecided ({why})")
        assert found.needed is None


def test_what_interventions_leave_takes_the_word_from_m() -> None:
    by_name = {(key.under, key.at): key for key in M if key.under != "none"}
    assert len(by_name) == 6
    edges, norm = (
        [key for (under, _), key in by_name.items() if under == name]
        for name in ("no edges", "pairnorm")
    )
    stays = dict.fromkeys(edges, 3.0)
    assert claim(stays, "M").label == "undecided (a gain stays with no edges)"
    both = claim(stays | dict.fromkeys(norm, 3.0), "M")
    assert both.why == "a gain stays with no edges, pairnorm"
    found = claim(dict.fromkeys(edges, -3.0), "M")
    assert found.label == "undecided (freezing costs accuracy with no edges)"
    assert found.needed is None
    assert len(what_would_change(found)) == 12
    # What may be nothing, what is smaller than what matters and what is there at one epoch alone,
    # which would not be shown of A either, take nothing.
    assert claim(dict.fromkeys(edges, 0.5) | dict.fromkeys(norm, 1.0), "M").outcome == "shown"
    assert claim({edges[1]: 3.0, norm[0]: -3.0}, "M").outcome == "shown"
    # Nor does it where M is excluded: the gain is as large with every intervention.
    own = {key: 0.0 for key in M if key.without != "none"}
    found = claim(own | dict.fromkeys(by_name.values(), 3.0), "M")
    assert (found.outcome, found.why) == ("excluded", "")
    assert len(what_would_change(found)) == 6


def test_a_pair_of_which_one_collapsed_rules_out_equivalence() -> None:
    key = S[0]
    scores = {each: Scores(0.01 * WOBBLE, tuple(range(20))) for each in [*S, *A, *M]}
    scores[key] = Scores(0.01 * WOBBLE, tuple(range(20)), one_collapsed=1)
    (found,) = judge_scores({"toy": scores}, RULE)
    parts = found.claims[0].parts
    assert [each.outcome for each in parts] == ["undecided", "excluded"]


def test_levels_go_down_by_holms_steps() -> None:
    """Three claims at p = 0.01, 0.02, 0.04: levels 0.05/3, 0.05/2, 0.05."""

    def part(p: float) -> Component:
        base: dict[str, Any] = {"endpoint": "q", "at": "last epoch", "words": ""}
        base |= {
            "without": "none",
            "under": "none",
            "margin": 1.0,
            "seeds": (),
            "left_out": (),
            "cells": 1,
            "one_collapsed": 0,
            "why": "",
        }
        return Component(**base, p_above=p)

    (found,) = decide([{"S": [part(0.04)], "A": [part(0.01)], "M": [part(0.02)]}], RULE)
    assert [each.outcome for each in found] == ["shown"] * 3
    assert [each.parts[0].level for each in found] == pytest.approx([0.05, 0.05 / 3, 0.025])
    assert [each.p_holm for each in found] == pytest.approx([0.04, 0.03, 0.04])
    (found,) = decide([{"S": [part(0.04)], "A": [part(0.018)], "M": [part(0.02)]}], RULE)
    assert [each.outcome for each in found] == ["undecided"] * 3
    assert {each.parts[0].level for each in found} == {0.05 / 3}


def test_claims_of_one_p_have_one_level_whatever_their_order() -> None:
    """Two data sets with the same numbers, S and A above their margins, have the same words.

    M lies within the margin and above 0 at p = 0.01, which is between 0.05/6 and 0.05.
    """
    lift = dict.fromkeys([*S, *A], 3.0)
    scores = {
        key: Scores(
            RULE.margins[key.endpoint] * (lift.get(key, 0.35) + 0.9 * WOBBLE), tuple(range(20))
        )
        for key in [*S, *A, *M]
    }
    one, two = judge_scores({"one": scores, "two": scores}, RULE)
    assert one.claims == two.claims
    assert {part.level for each in one.claims for part in each.tests} == {0.05 / 6, 0.05 / 2}
    # Inside the margins at the level left, above 0 only at that: not at a sixth of 0.05.
    part = one.claims[2].tests[0]
    assert part.p_inside <= part.level
    assert 0.05 / 6 < part.p_positive <= part.level
    assert part.outcome == "excluded"


def test_seeds_needed_by_hand() -> None:
    """Mean 0.02, margin 0.01, sd 0.02, level 0.05: ⌈((1.96 + 0.84) · 2)²⌉ + 1.96²/2 = 33.9."""
    (part, _) = claim({}, "A").parts
    base = {**vars(part), "mean": 0.02, "sd": 0.02, "level": 0.05}
    assert seeds_needed(Component(**base), 0.8) == 34
    assert seeds_needed(Component(**{**base, "seeds": tuple(range(60))}), 0.8) == 61
    assert seeds_needed(Component(**{**base, "mean": 0.01}), 0.8) is None
    assert seeds_needed(Component(**{**base, "mean": 0.010001}), 0.8) is None
    # Mean 0: both ends must be inside, each with a power of 0.9: ⌈((1.96 + 1.28) · 2)²⌉ + 1.9.
    assert seeds_needed(Component(**{**base, "mean": 0.0}), 0.8) == 45
    assert seeds_needed(Component(**{**base, "mean": 0.0, "sd": 0.0}), 0.8) == 21


def test_as_many_seeds_exclude_as_often_as_was_said() -> None:
    """A t-test of equivalence at 45 seeds, mean 0, sd 0.02, margin 0.01: by simulation."""
    from scipy import stats

    generator = np.random.default_rng(0)
    values = generator.normal(0.0, 0.02, (20_000, 45))
    mean, error = values.mean(axis=1), values.std(axis=1, ddof=1) / math.sqrt(45)
    least = stats.t.ppf(0.975, 44) * error
    assert np.mean(np.abs(mean) + least < 0.01) == pytest.approx(0.8, abs=0.02)


# Frames


def test_a_frame_of_trajectories_is_judged() -> None:
    """The whole way on synthetic trajectories."""
    world = replace(rivals.WORLDS["S, A and M are true"], gain=0.06, smoothness=math.log(1.6))
    table = rivals.frame(world, 0)
    (found,) = judge(table)
    assert found.outcome == "shown"
    text = sentence(found)
    assert text.startswith("On synthetic the conjecture is shown: S (at equal fit, tickets of ")
    assert "is shown, × 1." in text
    assert (
        "smooth less) is shown, the gain exceeds those with no edges, residual, pairnorm by "
        in text
    )
    assert " points (4, 8 and 16 layers), and is " in text
    assert text.endswith(" points with them, 20 seeds.")
    assert [each.label for each in found.claims] == ["shown"] * 3
    assert len(what_would_change(found.claims[2])) == 12
    # Without interventions nothing is known of M, and the report says so.
    (part,) = judge(table[table["intervention"] == "none"])
    assert [each.outcome for each in part.claims] == ["shown", "shown", "undecided"]
    assert part.outcome == "undecided"
    assert what_would_change(part.claims[2])[0] == (
        "test_accuracy at the best epoch, minus that with no edges: not tested; no pairs of the "
        "arms frozen and dense with and without no edges."
    )


def test_the_order_of_rows_and_data_sets_changes_nothing() -> None:
    table = rivals.frame(rivals.World(seeds=6), 3)
    both = pd.concat([table, table.assign(dataset="other")])
    second, first = judge(both)
    assert (first.dataset, second.dataset) == ("synthetic", "other")
    assert first.claims == second.claims
    assert judge(both.sample(frac=1.0, random_state=0)) == [second, first]
    # Twice as many claims are corrected together.
    (single,) = judge(table)
    assert first.claims[0].parts[0].level == pytest.approx(single.claims[0].parts[0].level / 2)


def test_where_nothing_is_learnt_an_intervention_says_nothing() -> None:
    """All is true, and under the interventions the dense source fits a third of what it does."""
    world = replace(rivals.WORLDS["S, A and M are true"], gain=0.06, smoothness=math.log(1.6))
    (found,) = judge(rivals.frame(replace(world, stuck=1.0), 0))
    assert [each.outcome for each in found.claims] == ["shown", "shown", "undecided"]
    assert {each.why for each in found.claims[2].parts} == {"no room for a gain at 4, 8, 16 layers"}
    assert "not tested; no room for a gain" in what_would_change(found.claims[2])[0]
    # At one depth alone it says something: that depth counts.
    one, other = rivals.frame(world, 0), rivals.frame(replace(world, stuck=1.0), 0)
    mixed = pd.concat([one[one["num_layers"] == 4], other[other["num_layers"] != 4]])
    (found,) = judge(mixed)
    for part in (found.claims[2].tests[0], found.claims[2].left[0]):
        assert (part.depths, part.why) == ((4,), "no room for a gain at 8, 16 layers")
    assert found.claims[0].parts[0].depths == (4, 8, 16)


def test_what_is_planned_and_not_there_is_not_tested() -> None:
    table = rivals.frame(rivals.World(seeds=6), 3)
    rule = Rule(depths=(4, 8, 16), ratios=(0.2, 0.4))
    (whole,) = judge(table, rule)
    assert whole == judge(table)[0]
    few = table[(table["num_layers"] != 16) | (table["seed"] < 4)]
    (found,) = judge(few, rule)
    part = found.claims[1].parts[0]
    assert (part.seeds, part.left_out, part.cells) == ((0, 1, 2, 3), (4, 5), 6)
    assert part.why == "a run is missing"
    (found,) = judge(few[few["num_layers"] != 16], rule)
    part = found.claims[1].parts[0]
    assert (part.seeds, part.outcome, part.why) == ((), "undecided", "a run is missing")
    # A seed of which there is no run at all is listed too, where the seeds are planned.
    rows = table[(table["seed"] != 2) | (table["arm"] == "dense")]
    (found,) = judge(rows, replace(rule, seeds=tuple(range(6))))
    for part in [*found.claims[1].parts, *found.claims[2].parts]:
        assert (part.seeds, part.left_out) == ((0, 1, 3, 4, 5), (2,))
        assert part.why == "a run is missing"


def test_a_data_set_that_is_still_to_come_is_corrected_for() -> None:
    table = rivals.frame(rivals.World(seeds=6), 3)
    found = contrasts(table, (RULE.endpoint, ACCURACY, "train_accuracy"))
    one, missing = judge_contrasts(found, RULE, ["synthetic", "later"])
    (alone,) = judge_contrasts(found, RULE)
    assert one.claims[0].parts[0].level == pytest.approx(alone.claims[0].parts[0].level / 2)
    assert {each.outcome for each in missing.claims} == {"undecided"}
    assert missing.outcome == "undecided"


def test_no_number_of_seeds_excludes_what_collapsed_on_one_side() -> None:
    (part, _) = claim({}, "A").parts
    base = {**vars(part), "mean": 0.0, "sd": 0.001, "level": 0.05}
    assert seeds_needed(Component(**base), 0.8) is not None
    assert seeds_needed(Component(**{**base, "one_collapsed": 1}), 0.8) is None
    assert seeds_needed(Component(**{**base, "one_collapsed": 1, "mean": 0.02}), 0.8) is not None
