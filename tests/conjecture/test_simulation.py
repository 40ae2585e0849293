"""How often the verdict is wrong, and how often right, on synthetic runs with a planted truth."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from gslt.conjecture.statistics.criteria import Criteria
from gslt.conjecture.statistics.endpoints import PRIMARY, Place, by_place
from gslt.conjecture.statistics.error_rates import error_rates, false_outcomes, rate
from gslt.conjecture.statistics.judge import judge
from gslt.conjecture.statistics.scores import read_doses, score
from gslt.conjecture.statistics.seeds import Planner
from gslt.conjecture.statistics.simulate import Planted, synthetic_runs
from gslt.conjecture.statistics.trend import page_test

ALPHA = 0.05
ONE = (16,)
PLACE = Place("synthetic", True, 16)


# Nothing planted


@pytest.mark.parametrize(
    "planted",
    [
        Planted(),
        Planted(walk_sd=0.5),
        Planted(outliers=0.1),
        Planted(collapsed=0.1),
        Planted(across_depths=0.9, seeds=8),
    ],
    ids=["plain", "resembling ratios", "outliers", "collapses", "resembling depths"],
)
def test_a_planted_null_is_hardly_ever_decided_wrongly(planted: Planted) -> None:
    found = error_rates(planted, 60)
    assert set(found.false) == {"supported", "contradicted", "mixed"}
    assert found.false_at_any_depth.low <= ALPHA
    assert found.false_overall.low <= ALPHA


def test_each_test_alone_keeps_its_level_at_one_depth() -> None:
    wrong = {"p_trend": 0, "p_level": 0, "p": 0}
    for number in range(400):
        (place,), _ = judge(by_place(synthetic_runs(Planted(depths=ONE), number)), Criteria())
        for name in wrong:
            wrong[name] += getattr(place.decision, name) <= ALPHA
    # The level is tested exactly; that of ranks is coarse, and both together are rarer.
    level = rate(wrong["p_level"], 400)
    assert level.low <= ALPHA <= level.high
    assert rate(wrong["p_trend"], 400).low <= ALPHA
    assert 0 < wrong["p"] < min(wrong["p_trend"], wrong["p_level"])


def test_pages_test_is_wrong_too_often_where_neighbouring_ratios_resemble_each_other() -> None:
    """Why it decides nothing."""
    planted = Planted(depths=ONE, walk_sd=0.5, noise_sd=0.02)
    page = ours = 0
    for number in range(100):
        table = by_place(synthetic_runs(planted, number))
        doses = read_doses(table[PLACE])
        assert doses is not None
        test = page_test(doses.values)
        assert test is not None
        page += test.p <= ALPHA
        (place,), _ = judge(table, Criteria())
        ours += place.decision.p_trend <= ALPHA
    assert rate(page, 100).low > 2 * ALPHA
    assert rate(ours, 100).low <= ALPHA


# Something planted


@pytest.mark.parametrize(("sign", "outcome"), [(1, "supported"), (-1, "contradicted")])
def test_a_planted_effect_or_reversal_is_found(sign: int, outcome: str) -> None:
    found = error_rates(Planted(effect=0.5 * sign), 40)
    assert outcome not in found.false
    assert len(found.false) == 3
    assert found.false_at_any_depth.count == found.false_overall.count == 0
    assert all(rates[outcome].rate > 0.9 for rates in found.depths.values())
    assert found.overall[outcome].rate == 1.0


def test_a_null_with_little_noise_is_called_one() -> None:
    found = error_rates(Planted(walk_sd=0.03, noise_sd=0.05), 40)
    assert all(rates["no meaningful difference"].rate > 0.9 for rates in found.depths.values())
    assert found.overall["no meaningful difference"].rate == 1.0


def test_an_effect_that_just_matters_is_called_none_as_often_as_alpha() -> None:
    # The largest ratio is at the bound, with noise that shows the others to be within.
    effect = math.log(1.25) * 0.5 / 0.8
    planted = Planted(effect=effect, depths=ONE, walk_sd=0.0, noise_sd=0.05)
    assert planted.largest() == pytest.approx(math.log(1.25))
    found = error_rates(planted, 300)
    false = found.false_at_any_depth
    assert false == found.depths[16]["no meaningful difference"]
    assert false.low <= ALPHA <= false.high


@pytest.mark.parametrize(("planted", "smallest"), [(0.18, 0.18), (0.0, 0.3)])
def test_the_seeds_asked_for_give_the_power_they_are_asked_for(
    planted: float, smallest: float
) -> None:
    criteria = Criteria(smallest_effect=smallest)
    truth = Planted(effect=planted, depths=ONE, walk_sd=0.05)
    # 400 synthetic seeds know the spread; what is planned for them is what is planned for one.
    pilot = by_place(synthetic_runs(replace(truth, seeds=400), 0))
    scores = score(pilot[PLACE], criteria)
    assert scores is not None
    planner = Planner(scores, ALPHA, criteria)
    seeds = planner.detect(planted, 1.0) if planted else planner.exclude(smallest, 1.0)
    assert seeds is not None
    assert 7 < seeds < 14
    found = error_rates(replace(truth, seeds=seeds), 150, criteria).depths[16]
    power = found["supported" if planted else "no meaningful difference"]
    # A little less where trend and level must both be seen, or more by the coarseness of seeds.
    assert power.low - 0.05 < 0.8 < power.high + 0.05


# What is planted, and what is counted


def test_synthetic_runs_have_what_is_planted() -> None:
    planted = Planted(effect=0.4, seeds=1_000, depths=(2, 4), across_depths=0.5)
    table = by_place(synthetic_runs(planted, 0))
    doses = [read_doses(arms) for arms in table.values()]
    first, second = (each.values for each in doses if each is not None)
    # In proportion to the ratio, with the mean of 0.4.
    effects = (first - first[:, :1]).mean(axis=0)
    assert effects == pytest.approx([0, 0.16, 0.32, 0.48, 0.64], abs=0.02)
    # Variance of frozen at 0.8 minus dense: four steps of 0.01 and twice 0.0225.
    assert (first[:, 4] - first[:, 0]).var() == pytest.approx(0.04 + 0.045, rel=0.1)
    assert first[:, 0].var() == pytest.approx(0.09 + 0.0225, rel=0.1)
    across = np.corrcoef(first[:, 4] - first[:, 0], second[:, 4] - second[:, 0])[0, 1]
    assert across == pytest.approx(0.5, abs=0.07)
    again = synthetic_runs(planted, 0)
    assert again == synthetic_runs(planted, 0)
    assert again != synthetic_runs(planted, 1)
    assert {each.dataset for each in again} == {"synthetic"}


def test_synthetic_runs_collapse_and_stray_as_often_as_planted() -> None:
    planted = Planted(seeds=2_000, depths=ONE, collapsed=0.2, outliers=0.1, seed_sd=0, walk_sd=0)
    numbers = np.array([each.endpoints[PRIMARY] for each in synthetic_runs(planted, 0)])
    assert np.isneginf(numbers).mean() == pytest.approx(0.2, abs=0.02)
    # Beyond 3 standard deviations: 0.27 % of the plain, 55 % of the outlying.
    far = np.abs(numbers[np.isfinite(numbers)]) > 3 * 0.15
    assert far.mean() == pytest.approx(0.1 * 0.55 + 0.9 * 0.0027, abs=0.01)


def test_what_is_false_follows_from_what_is_planted() -> None:
    criteria = Criteria(smallest_effect=0.2)

    def false(effect: float) -> set[str]:
        return set(false_outcomes(Planted(effect=effect), criteria))

    assert false(0.0) == {"supported", "contradicted", "mixed"}
    # The largest ratio has 1.6 times the mean effect.
    assert false(0.12) == {"contradicted"}
    assert false(0.13) == {"contradicted", "no meaningful difference", "mixed"}
    assert false(-0.12) == {"supported"}


def test_rates_by_hand() -> None:
    # None of ten: 1 − 0.025^(1/10).
    assert rate(0, 10).low == 0
    assert rate(0, 10).high == pytest.approx(1 - 0.025**0.1)
    assert rate(3, 12).rate == 0.25


def test_rates_add_up_and_are_plain_json() -> None:
    planted = Planted(depths=(64, 2), effect=0.2)
    found = error_rates(planted, 12)
    assert found == error_rates(planted, 12)
    for rates in (*found.depths.values(), found.overall):
        assert sum(each.count for each in rates.values()) == 12
    assert list(found.depths) == [2, 64]
    for outcome, anywhere in found.any_depth.items():
        counts = [rates[outcome].count for rates in found.depths.values() if outcome in rates]
        assert max(counts) <= anywhere.count <= min(12, sum(counts))
    text = json.dumps(found.as_dict(), allow_nan=False)
    assert json.loads(text) == found.as_dict()
    assert found.as_dict()["planted"]["seeds"] == 10
