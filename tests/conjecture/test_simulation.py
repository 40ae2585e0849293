"""How often the verdict is wrong, and how often right, on synthetic runs with a planted truth."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gslt.conjecture import simulation
from gslt.conjecture.decision import (
    Decision,
    Scores,
    decide,
    judge,
    quotients_by_ratio,
    scores_of,
)
from gslt.conjecture.power import seeds_to_detect, seeds_to_exclude
from gslt.conjecture.protocol import ENDPOINTS, PRIMARY, RUN, Criteria, Plan
from gslt.conjecture.simulation import (
    Planted,
    Rate,
    cases,
    error_rates,
    false_outcomes,
    rates,
    synthetic_log_quotients,
    synthetic_runs,
)
from gslt.files import OutputFolder
from gslt.report.statistics import page_test

ALPHA = 0.05
ONE = (16,)


def decision(planted: Planted, number: int) -> Decision:
    """Of one depth."""
    (values,) = synthetic_log_quotients(planted, number)
    scores = Scores.of(values, Criteria(), seeds=range(planted.seeds), ratios=planted.ratios)
    (found,) = decide([scores], Criteria())
    return found


def values_of(planted: Planted, number: int, depth: int) -> np.ndarray:
    runs = synthetic_runs(planted, number)
    found = quotients_by_ratio(runs[runs["depth"] == depth])
    assert found is not None
    return found.to_numpy()


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
        found = decision(Planted(depths=ONE), number)
        for name in wrong:
            wrong[name] += getattr(found, name) <= ALPHA
    # The level is tested exactly; that of ranks is coarse, and both together are rarer.
    level = Rate.counted(wrong["p_level"], 400)
    assert level.low <= ALPHA <= level.high
    assert Rate.counted(wrong["p_trend"], 400).low <= ALPHA
    assert 0 < wrong["p"] < min(wrong["p_trend"], wrong["p_level"])


def test_pages_test_is_wrong_too_often_where_neighbouring_ratios_resemble_each_other() -> None:
    """Why it decides nothing."""
    planted = Planted(depths=ONE, walk_sd=0.5, noise_sd=0.02)
    page = ours = 0
    for number in range(100):
        test = page_test(synthetic_log_quotients(planted, number)[0])
        assert test is not None
        page += test.p <= ALPHA
        ours += decision(planted, number).p_trend <= ALPHA
    assert Rate.counted(page, 100).low > 2 * ALPHA
    assert Rate.counted(ours, 100).low <= ALPHA


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
    scores = scores_of(synthetic_runs(replace(truth, seeds=400), 0), criteria)
    assert scores is not None
    seeds = (
        seeds_to_detect(scores, planted, ALPHA, criteria.power)
        if planted
        else seeds_to_exclude(scores, smallest, ALPHA, criteria.power)
    )
    assert seeds is not None
    assert 7 < seeds < 14
    found = error_rates(replace(truth, seeds=seeds), 150, criteria).depths[16]
    power = found["supported" if planted else "no meaningful difference"]
    # A little less where trend and level must both be seen, or more by the coarseness of seeds.
    assert power.low - 0.05 < 0.8 < power.high + 0.05


# What is planted, and what is counted


def test_synthetic_runs_have_what_is_planted() -> None:
    planted = Planted(effect=0.4, seeds=1_000, depths=(2, 4), across_depths=0.5)
    first, second = (values_of(planted, 0, depth) for depth in (2, 4))
    # In proportion to the ratio, with the mean of 0.4.
    effects = (first - first[:, :1]).mean(axis=0)
    assert effects == pytest.approx([0, 0.16, 0.32, 0.48, 0.64], abs=0.02)
    # Variance of frozen at 0.8 minus dense: four steps of 0.01 and twice 0.0225.
    assert (first[:, 4] - first[:, 0]).var() == pytest.approx(0.04 + 0.045, rel=0.1)
    assert first[:, 0].var() == pytest.approx(0.09 + 0.0225, rel=0.1)
    across = np.corrcoef(first[:, 4] - first[:, 0], second[:, 4] - second[:, 0])[0, 1]
    assert across == pytest.approx(0.5, abs=0.07)
    again = synthetic_runs(planted, 0)
    assert again.equals(synthetic_runs(planted, 0))
    assert not again.equals(synthetic_runs(planted, 1))
    assert set(again["dataset"]) == {"synthetic"}
    assert {*RUN, *ENDPOINTS} == set(again)


def test_synthetic_runs_collapse_and_stray_as_often_as_planted() -> None:
    planted = Planted(seeds=2_000, depths=ONE, collapsed=0.2, outliers=0.1, seed_sd=0, walk_sd=0)
    numbers = synthetic_runs(planted, 0)[PRIMARY].to_numpy()
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


@pytest.mark.parametrize("planted", [Planted(), Planted(collapsed=0.1), Planted(effect=0.3)])
def test_simulations_are_judged_as_tables_of_runs_are(planted: Planted) -> None:
    """The counts come from arrays; these from frames, run by run."""
    found, judged = (
        error_rates(planted, 6),
        [judge(synthetic_runs(planted, n), Criteria()) for n in range(6)],
    )
    for outcome, rate in found.overall.items():
        assert rate.count == sum(each[0].decision.outcome == outcome for each in judged)
    for at, outcomes in enumerate(found.depths.values(), 1):
        for outcome, rate in outcomes.items():
            assert rate.count == sum(each[at].decision.outcome == outcome for each in judged)
    values = synthetic_log_quotients(planted, 5)
    scores = judged[5][1].scores
    again = Scores.of(values[0], Criteria(), seeds=range(10), ratios=planted.ratios)
    assert scores is not None
    assert scores.differences.tolist() == again.differences.tolist()


def test_rates_by_hand() -> None:
    # None of ten: 1 − 0.025^(1/10).
    assert Rate.counted(0, 10).low == 0
    assert Rate.counted(0, 10).high == pytest.approx(1 - 0.025**0.1)
    assert Rate.counted(3, 12).rate == 0.25


def test_rates_add_up_and_are_plain_json() -> None:
    planted = Planted(depths=(64, 2), effect=0.2)
    found = error_rates(planted, 12)
    assert found == error_rates(planted, 12)
    for outcomes in (*found.depths.values(), found.overall):
        assert sum(each.count for each in outcomes.values()) == 12
    assert list(found.depths) == [2, 64]
    for outcome, anywhere in found.any_depth.items():
        counts = [rates[outcome].count for rates in found.depths.values() if outcome in rates]
        assert max(counts) <= anywhere.count <= min(12, sum(counts))
    text = json.dumps(found.as_dict(), allow_nan=False)
    assert json.loads(text) == found.as_dict()
    assert found.as_dict()["planted"]["seeds"] == 10


# The cases of a plan


def test_cases_are_an_effect_none_and_a_reversal_of_every_design() -> None:
    found = cases(Plan(preset="standard"))
    assert [name for name, _ in found[:3]] == ["planted effect", "planted null", "planted reversal"]
    effect, null, reversal = (planted for _, planted in found[:3])
    assert effect.effect == -reversal.effect == math.log(1.25)
    assert null.effect == 0
    # The two grids of Planetoid have one design, Debian has one depth.
    assert [planted.depths for _, planted in found[::3]] == [(2, 4, 8, 16, 32, 64), (4,)]


def test_rates_that_are_known_are_not_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulation, "SIMULATIONS", 2)
    plan, out = Plan(preset="quick"), OutputFolder(tmp_path, "study")
    assert rates(out, plan, compute=False) == []
    found = rates(out, plan, progress=False)
    assert [each["name"] for each in found] == [name for name, _ in cases(plan)]
    assert {each["simulations"] for each in found} == {2}
    monkeypatch.setattr(simulation, "error_rates", None)
    assert rates(out, plan, progress=False) == found
    # Other criteria are other cases; a damaged file is none.
    other = Plan(preset="quick", criteria=Criteria(alpha=0.1))
    assert rates(out, other, compute=False) == []
    text = (tmp_path / simulation.ERROR_RATES).read_text("utf-8")
    known = json.loads(text)
    wrong = ["[{}]", "{", "null", "[" * 10_000, text.replace('"rate"', '"share"')]
    wrong.append(json.dumps([{**each, "depths": {"deep": {}}} for each in known]))
    wrong.append(json.dumps([{**each, "overall": 1} for each in known]))
    for each in wrong:
        (tmp_path / simulation.ERROR_RATES).write_text(each)
        assert rates(out, plan, compute=False) == []
