"""What theory says of subset sums, by hand; and that simulation and theory meet."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats

from gslt.errors import ConfigError
from gslt.theory import laws
from gslt.theory.laws import Draws


def fixed(values: list[float], target: float, locked: int = 0, pruned: int = 0) -> Draws:
    """One sum whose first values are pruned, and the next ones locked."""
    place = np.arange(len(values))
    return Draws(
        np.array([values]),
        np.array([target]),
        (place >= pruned) & (place < pruned + locked),
        place < pruned,
    )


@pytest.mark.parametrize("name", list(laws.VARIABLES))
def test_variables_have_their_moments(name: str) -> None:
    values = laws.draws(name, 100, 1000).values
    variance = laws.VARIABLES[name].variance
    assert abs(values.mean()) < 5 * math.sqrt(variance / values.size)
    assert values.var() == pytest.approx(variance, rel=0.02)
    if name != "normal":
        assert np.abs(values).max() <= 1


def test_draws_are_frozen_in_exact_numbers() -> None:
    made = laws.draws("uniform", 10, 3, prune_ratio=0.2, lock_ratio=0.3)
    assert made.pruned.tolist() == [True] * 2 + [False] * 8
    assert made.locked.tolist() == [False] * 2 + [True] * 3 + [False] * 5
    assert np.abs(made.targets).max() <= 1
    again = laws.draws("uniform", 10, 3)
    assert np.array_equal(again.values, made.values)
    assert not np.array_equal(laws.draws("uniform", 10, 3, seed=1).values, made.values)


def test_draws_are_frozen_by_chance() -> None:
    made = laws.draws("uniform", 50, 2000, prune_ratio=0.2, lock_ratio=0.3, by_chance=True)
    assert made.pruned.mean() == pytest.approx(0.2, abs=0.01)
    assert made.locked.mean() == pytest.approx(0.3, abs=0.01)
    assert not (made.pruned & made.locked).any()
    assert made.locked.sum(axis=1).std() == pytest.approx(math.sqrt(50 * 0.21), rel=0.1)


def test_aim_and_reach_by_hand() -> None:
    # 9 is pruned, 0.5 locked; the free ones sum to anything from -0.25 to 1.
    values = [9.0, 0.5, 1.0, -0.25]
    for target, reached in ((0.25, True), (1.5, True), (1.51, False), (0.24, False)):
        made = fixed(values, target, locked=1, pruned=1)
        assert made.aim.tolist() == [target - 0.5]
        assert made.reached().tolist() == [reached]
        assert made.solve().reachable.tolist() == [reached]


def test_covering_by_hand() -> None:
    # Sums -1, -0.5, 0, 0.5: from 1 to 0.5 is farthest.
    assert laws.covering_errors(fixed([-1.0, 0.5], 0.3)).tolist() == [0.5]
    # Sums 0, 0.5, 1, 1.5 less 1 for the locked one: -1, -0.5, 0, 0.5.
    assert laws.covering_errors(fixed([-1.0, 0.5, 1.0], 0.0, locked=1)).tolist() == [0.5]
    # Sums -1, 0.2, 1, 2.2: in the middle of the widest gap.
    assert laws.covering_errors(fixed([-1.0, 2.0, 1.2], 0.0, locked=1)) == pytest.approx([0.6])
    # The middle of the gap from 0.9 to 3 lies beyond 1.
    assert laws.covering_errors(fixed([-1.0, 1.9, 4.0], 0.0, locked=1)) == pytest.approx([0.95])


def test_no_target_is_farther_than_the_worst() -> None:
    made = laws.draws("product", 12, 50, lock_ratio=0.25)
    assert (made.solve().errors <= laws.covering_errors(made) + 1e-12).all()


def test_bounds_by_hand() -> None:
    assert laws.counting_bound(9) == 2.0**-10
    assert laws.locked_sum_bound(8, 2 * math.exp(-1)) == pytest.approx(4.0)


def test_locked_sums_keep_hoeffdings_bound() -> None:
    made = laws.draws("uniform", 40, 20_000, lock_ratio=0.5)
    sums = np.abs(made.targets - made.aim)
    for delta in (0.5, 0.1, 0.01):
        assert (sums > laws.locked_sum_bound(20, delta)).mean() <= delta


def test_density_of_equal_values() -> None:
    # Sums of 16 ones are binomial: near its middle there are C(16, k) of them per unit of length.
    for k in (6, 8, 11):
        made = fixed([1.0] * 16, float(k))
        expected = math.log2(math.comb(16, k))
        assert laws.log2_density(made)[0] == pytest.approx(expected, abs=0.05)
    normal = 16 - math.log2(math.sqrt(2 * math.pi * 4))
    assert laws.log2_density(fixed([1.0] * 16, 8.0), normal=True)[0] == pytest.approx(normal)
    assert laws.log2_density(fixed([1.0] * 16, 16.5))[0] == -math.inf


def test_density_of_frozen_values_is_that_of_the_rest() -> None:
    whole = fixed([7.0, 0.75, 0.5, -0.25, 0.3, 0.6], 1.25, locked=1, pruned=1)
    rest = fixed([0.5, -0.25, 0.3, 0.6], 0.5)
    assert laws.log2_density(whole) == pytest.approx(laws.log2_density(rest))


def test_failure_and_error_are_inverse() -> None:
    densities = np.array([10.0, 12.0, 3.0])
    error = laws.predicted_log2_error(densities, 0.7)
    assert laws.predicted_failure(densities, 2.0**error) == pytest.approx(0.3)
    assert laws.predicted_log2_error(np.array([10.0])) == pytest.approx(
        math.log2(math.log(2) / 2) - 10
    )
    assert laws.predicted_log2_error(np.array([10.0, -np.inf, -np.inf])) == math.inf


@pytest.mark.parametrize("name", ["uniform", "normal", "product"])
@pytest.mark.parametrize(("prune", "lock"), [(0.0, 0.0), (0.25, 0.25), (0.0, 0.5)])
def test_simulation_meets_prediction(name: str, prune: float, lock: float) -> None:
    n = round(18 / (1 - prune - lock))
    made = laws.draws(name, n, 3000, prune_ratio=prune, lock_ratio=lock)
    errors = np.log2(made.solve().errors)
    for probability in (0.25, 0.5):
        found = laws.quantile(errors, probability)
        predicted = laws.predicted_log2_error(laws.log2_density(made), probability)
        assert found.low - 0.1 < predicted < found.high + 0.1
    assert found.value > math.log2(laws.counting_bound(18))


def test_one_bit_for_each_value() -> None:
    # The medians of the design: -9.6, -13.3 and -17.2 at 10, 14 and 18 free values.
    places = [10, 14, 18]
    samples = [np.log2(laws.draws("uniform", m, 3000).solve().errors) for m in places]
    for sample, expected in zip(samples, (-9.6, -13.3, -17.2), strict=True):
        assert np.median(sample) == pytest.approx(expected, abs=0.25)
    found = laws.slope(places, samples)
    assert -1.0 < found.low < found.value < found.high < -0.92


def test_signed_constants_fail() -> None:
    # Sums are multiples of √(1/3): half of that is the largest error, however many there are.
    for m in (12, 24):
        errors = laws.draws("signed_constant", m, 500).solve().errors
        assert np.median(errors) == pytest.approx(math.sqrt(1 / 3) / 4, rel=0.25)


def test_share_by_hand() -> None:
    # 1 - (α/2)^(1/n) for none of n.
    assert laws.share(0, 100) == (0.0, 0.0, pytest.approx(1 - 0.025**0.01))
    assert laws.share(100, 100) == (1.0, pytest.approx(0.025**0.01), 1.0)


def test_quantile_and_slope_by_hand() -> None:
    numbers = np.arange(101.0)
    found = laws.quantile(numbers, 0.5)
    # Of 101 a binomial number of mean 50.5 lies below; P(B ≤ 40) = 0.0232 and P(B ≤ 60) = 0.977.
    # So from rank 41 to rank 61, which are as far from the middle one.
    assert (found.value, found.low, found.high) == (50.0, 40.0, 60.0)
    assert laws.slope([1, 2, 4], [-2 * x + 0 * numbers for x in (1, 2, 4)]) == pytest.approx(
        (-2, -2, -2)
    )


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("number", [30, 101, 400, 4000])
def test_the_interval_of_a_quantile_covers_as_it_says(number: int, probability: float) -> None:
    """Ranks as numbers: from r to s it holds the quantile where r to s − 1 of them lie below."""
    found = laws.quantile(np.arange(1.0, number + 1.0), probability)
    below = scipy.stats.binom(number, probability)
    first, last = below.ppf([0.025, 0.975])
    covered = below.cdf(found.high - 1) - below.cdf(found.low - 1)
    if first >= 1 and last < number:
        assert covered >= 0.95
        # A rank less at either end is too few for it.
        assert below.cdf(found.low) > 0.025
        assert below.sf(found.high - 2) > 0.025
    else:  # Too few numbers: the interval ends with them.
        assert found.low == 1 or first >= 1
        assert found.high == number or last < number


def test_slopes_interval_is_that_of_resampling() -> None:
    rng = np.random.default_rng(0)
    samples = [rng.normal(-x, 1, 400) for x in (0, 1, 2)]
    again = [
        np.median(rng.choice(samples[2], 400)) - np.median(rng.choice(samples[0], 400))
        for _ in range(400)
    ]
    found = laws.slope([0, 1, 2], samples)
    assert (found.high - found.low) == pytest.approx(4 * np.std(again) / 2, rel=0.25)


@pytest.mark.parametrize(
    ("name", "n", "prune", "lock", "expected"),
    [
        ("uniform", 20, 0.25, 0.25, 0.15),
        ("uniform", 40, 0.25, 0.25, 0.034),
        ("product", 20, 0.0, 0.0, 7e-3),
        ("product", 40, 0.25, 0.25, 0.09),
        ("product", 40, 0.0, 0.5, 0.17),
        ("product", 20, 0.4, 0.4, 0.68),
    ],
)
def test_out_of_reach(name: str, n: int, prune: float, lock: float, expected: float) -> None:
    found = laws.unreached(name, n, 20_000, prune_ratio=prune, lock_ratio=lock)
    # Both were simulated, and the expected value is rounded.
    assert found.low * 0.97 <= expected <= found.high * 1.03


def test_the_share_of_failures_falls_smoothly() -> None:
    """All n have the same draws: those of fewer values are a part of those of more."""
    ratios = {"prune_ratio": 0.25, "lock_ratio": 0.25}
    few, many = (laws._nested("product", n, 50, **ratios, seed=3) for n in (8, 24))
    assert np.array_equal(few.targets, many.targets)
    for part in ("free", "locked"):
        columns = [
            made.values[:, made.locked if part == "locked" else ~made.locked]
            for made in (few, many)
        ]
        assert np.array_equal(columns[0], columns[1][:, : columns[0].shape[1]])
    # Multiples of 4, of which exactly a quarter is locked.
    shares = [
        laws.predicted_failure(
            laws.log2_density(laws._nested("uniform", n, 400, **ratios, seed=0)), 1e-3
        )
        for n in range(20, 64, 4)
    ]
    # One or two of 400 may be lost again behind a locked value; other draws scatter by 1.5 %.
    assert np.diff(shares).max() < 0.005


def test_values_needed() -> None:
    dense = laws.values_needed("uniform", 1e-3, number=2000)
    assert 16 <= dense <= 19
    pruned = laws.values_needed("uniform", 1e-3, number=2000, prune_ratio=0.5)
    assert pruned == pytest.approx(2 * dense, abs=2)
    locked = laws.values_needed("uniform", 1e-3, number=2000, prune_ratio=0.25, lock_ratio=0.25)
    assert locked > 1.5 * pruned
    # And so it is.
    made = laws.draws("uniform", dense, 4000, seed=5)
    assert (made.solve().errors > 1e-3).mean() == pytest.approx(0.01, abs=0.008)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"epsilon": 0}, "epsilon must be a finite number above 0, got 0"),
        ({"epsilon": -0.1}, "epsilon must be"),
        ({"prune_ratio": 0.5, "lock_ratio": 0.5}, "must be below 1: where every value is frozen"),
        ({"lock_ratio": 1.0}, "prune_ratio 0 .* lock_ratio 1 must be below 1"),
        ({"prune_ratio": -0.1}, r"prune_ratio must lie in \[0, 1\], got -0.1"),
        ({"lock_ratio": float("nan")}, r"lock_ratio must lie in \[0, 1\], got nan"),
        ({"variable": "signed_constant"}, "sums of m signed constants take m \\+ 1 values"),
        ({"variable": "cauchy"}, "unknown variable 'cauchy'; there are uniform, normal"),
        ({"success": 0.9999}, "at most 0.99, which 1000 draws can tell, got 0.9999; raise number"),
        ({"lock_ratio": 0.99, "success": 0.9}, "no n up to 64 has 0.9 of the targets within 0.001"),
    ],
)
def test_what_is_refused(given: dict, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(laws, "MAX_VALUES", 64)
    with pytest.raises(ConfigError, match=words):
        laws.values_needed(**{"variable": "uniform", "epsilon": 1e-3, "number": 1000, **given})


def test_counts_that_are_none() -> None:
    with pytest.raises(ConfigError, match="n must be an integer in 1"):
        laws.draws("uniform", 0, 10)
    with pytest.raises(ConfigError, match="number must be an integer"):
        laws.draws("uniform", 5, 0)
    with pytest.raises(ConfigError, match="all sums of 23 free values are too many to list"):
        laws.covering_errors(laws.draws("uniform", 23, 1))
    with pytest.raises(ConfigError, match="delta must lie between 0 and 1, got 1"):
        laws.locked_sum_bound(3, 1)


# What docs/theory.md says

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    text = (ROOT / "benchmarks" / "results" / "subset-sum.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.fixture(scope="module")
def rows() -> list[list[str]]:
    """Cells of all rows of tables."""
    lines = (ROOT / "docs" / "theory.md").read_text(encoding="utf-8").splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if line.startswith("|")
    ]


def interval(numbers: list[float]) -> str:
    return "{:.3f} [{:.3f}, {:.3f}]".format(*numbers).replace("-", "−")


def test_slopes_are_those_of_the_record(record: dict[str, Any], rows: list[list[str]]) -> None:
    for name, slope in record["slopes"].items():
        predicted = f"{slope['predicted']:.3f}".replace("-", "−")
        cells = [name.replace("_", " "), interval(slope["simulated"])]
        assert [*cells, "none" if name == "signed_constant" else predicted] in rows
    for name in ("uniform", "normal", "product"):
        assert -1.0 < record["slopes"][name]["simulated"][0] < -0.93


@pytest.mark.parametrize(
    ("way", "ratio"),
    [("all pruned", 0.5), ("all pruned", 0.75), ("half and half", 0.25), ("half and half", 0.5)],
)
def test_predicted_prices_are_those_of_the_function(
    way: str, ratio: float, record: dict[str, Any]
) -> None:
    """With its own number of draws; the rows that are not here take a minute or two."""
    (row,) = (row for row in record["price"][way] if row["freezing_ratio"] == ratio)
    shape = {name: row[name] for name in ("prune_ratio", "lock_ratio")}
    assert laws.values_needed("uniform", 1e-3, **shape) == row["predicted"]


def test_the_error_of_signed_constants_is_that_of_the_record(record: dict[str, Any]) -> None:
    constant = math.sqrt(1 / 3)
    shares = [2.0 ** row["log2_error"][0] / constant for row in record["errors"]["signed_constant"]]
    assert 0.27 < min(shares) < 0.2835 < max(shares) < 0.3
    # Sums are a constant apart: how far numbers that are uniform on [-1, 1] are from the next one.
    targets = np.linspace(-1, 1, 100_001) / constant
    middle = float(np.median(np.abs(targets - np.round(targets))))
    words = " ".join((ROOT / "docs" / "theory.md").read_text(encoding="utf-8").split())
    assert f"the error stays at {middle:.2f} of the constant in the median" in words
    assert middle == pytest.approx(np.mean(shares), rel=0.01)


def test_reach_is_that_of_the_record(record: dict[str, Any], rows: list[list[str]]) -> None:
    table: dict[str, list[str]] = {}
    for row in record["reach"]:
        share = row["share"][0]
        table.setdefault(row["name"], []).append(f"{share:.1e}" if share else "0")
        assert row["agrees"]
    for name, cells in table.items():
        assert [name, *cells, *[""] * (6 - len(cells))] in rows


def test_widths_are_those_of_the_record(record: dict[str, Any], rows: list[list[str]]) -> None:
    for row in record["widths"]:
        found = row["simulated"]
        cells = [
            "–" if each is None else interval(each)
            for each in (found["slope"], found["median_slope"])
        ]
        expected = row["expected_slope"]
        assert [row["name"], f"{expected:.3f}", *cells, f"{row['predicted']['slope']:.3f}"] in rows
        # 1 / (1 - F) within 5 %, wherever it could be simulated.
        for slope in (found["slope"], found["median_slope"]):
            assert slope is None or slope[0] == pytest.approx(expected, rel=0.05)


def test_prices_and_speed_are_those_of_the_record(
    record: dict[str, Any], rows: list[list[str]]
) -> None:
    for name, prices in record["price"].items():
        assert [name, *(f"{row['n']} ({row['predicted']})" for row in prices)] in rows
    speeds = {row[0]: row[1] for row in rows if len(row) == 3}
    exact = {row["method"]: row["targets_per_cpu_second"] for row in record["exact"]}
    assert speeds["n = 20, gslt"] == f"{exact['gslt']:,.0f}"
    assert speeds["n = 20, a plain NumPy loop of the same method"] == f"{exact['NumPy loop']:,.0f}"
    assert speeds["n = 20, HiGHS (`scipy.optimize.milp`)"] == f"{exact['HiGHS']:.1f}"
    assert exact["gslt"] > max(2000, 100 * exact["HiGHS"])
    for row in record["approximate"]:
        assert row["targets_per_second"] > 200
        assert row["reachable_within_0.001"][0] == 1.0
