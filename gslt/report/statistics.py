"""Statistics over frames of runs: means, pairs by seed, sign-flip tests, intervals, equivalence.

A frame has a row for every run, see :func:`gslt.studies.frame`, and runs are a set: one that is
there twice counts once, see :func:`once`. A ``log_quotient`` of −∞ is a run
that collapsed totally: nothing of its representation is left outside the Laplacian's kernel, so
that nothing is smoother. It ranks below every number and ties with its like. That is dealt with
here and nowhere else: :func:`averages` counts such runs beside the mean, :func:`difference` and
:func:`fill_collapsed` put a number in the place of an infinite difference.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from gslt.errors import ConfigError
from gslt.random import Float64, Stream
from gslt.studies.columns import is_missing
from gslt.studies.runs import ASKED_DENSITY, AXIS, axis_names

if TYPE_CHECKING:
    from pandas import DataFrame, Series

#: All 2^n sign flips are taken where they are no more than this; else one fewer are drawn.
EXACT_LIMIT = 10_000
RESAMPLES = 9_999
LEVEL = 0.95
#: Numbers closer than this part of their own size are equal: sums have rounding errors.
_ROUNDING = 1e-12
#: Multiplications up to which OpenBLAS starts no threads.
_ONE_THREAD = 2**18
#: What tells apart the runs of a group.
_UNIT = ("seed", "dataset", "split")


def once(runs: DataFrame, keys: Sequence[str], columns: Sequence[str]) -> DataFrame:
    """Every run once, so that a mean is over as many numbers as there are runs.

    >>> import pandas as pd
    >>> runs = pd.DataFrame({"arm": ["a"] * 3, "seed": [0, 1, 1], "acc": [0.5, 0.7, 0.7]})
    >>> once(runs, ["arm", "seed"], ["acc"])["seed"].tolist()
    [0, 1]

    Args:
        runs: one row a run.
        keys: columns in which no two runs agree.
        columns: of numbers that a run has one of; its identity counts too, where it is known.

    Returns:
        The rows, without those that repeat another in all of this.

    Raises:
        ConfigError: if two different runs agree in all keys; it names them.
    """
    same = [*keys, *(name for name in (*columns, "identity") if name in runs)]
    found = runs.drop_duplicates(list(dict.fromkeys(same)))
    twice = found[found.duplicated(list(keys))]
    if not len(twice):
        return found
    where = ", ".join(f"{name} {twice.iloc[0][name]}" for name in keys)
    raise ConfigError(
        f"there are different runs of {where}: what is averaged or paired must be told apart by a "
        "column, or be one run for every seed"
    )


def check_one_metric(runs: DataFrame, by: Sequence[str], columns: Sequence[str]) -> None:
    """Refuse to average accuracy with ROC AUC, or any metric with another.

    Args:
        runs: one row a run; where no ``metric`` stands, it is one.
        by: columns that tell apart what is averaged.
        columns: what is averaged; only those of the metric matter.

    Raises:
        ConfigError: if runs of several metrics would be averaged; it names them.
    """
    if "metric" not in runs or not any("accuracy" in name for name in columns):
        return
    groups = [runs] if not by else [rows for _, rows in runs.groupby(list(by), dropna=False)]
    for rows in groups:
        if len(found := rows["metric"].dropna().unique()) > 1:
            raise ConfigError(
                f"there are runs by {' and by '.join(map(str, found))}, which have no common mean "
                'or difference; take those of one: runs[runs["metric"] == '
                f'"{found[0]}"]'
            )


def averages(runs: DataFrame, by: Sequence[str], columns: Sequence[str]) -> DataFrame:
    """Mean and spread of columns over the runs of every group.

    Args:
        runs: one row a run; one that is there twice counts once.
        by: columns that tell groups apart; a missing value is a value of its own.
        columns: columns of numbers.

    Returns:
        A row for every group and column, in the order in which they come: the columns of ``by``,
        ``column``, ``mean``, ``std`` (unbiased; NaN for fewer than two numbers), ``n`` (runs with
        a finite number), ``collapsed`` (runs with −∞, left out of the mean) and ``missing`` (runs
        without a number).

    Raises:
        ConfigError: if a group has different runs of one seed, data set and split, or accuracies of
            one metric and of another.
    """
    check_one_metric(runs, by, columns)
    if "seed" in runs:
        keys = [*by, *(name for name in _UNIT if name in runs and name not in by)]
        runs = once(runs, keys, columns)
    long = runs.reset_index(drop=True).melt(
        id_vars=list(by), value_vars=list(columns), var_name="column", ignore_index=False
    )
    long = long.sort_index(kind="stable")  # Run by run again, not column by column.
    value = long["value"].astype(float)
    long["value"] = value.where(np.isfinite(value))
    long["collapsed"] = value == -math.inf
    groups = long.groupby([*by, "column"], sort=False, dropna=False)
    found = groups.agg(
        mean=("value", "mean"),
        std=("value", "std"),
        n=("value", "count"),
        collapsed=("collapsed", "sum"),
        missing=("collapsed", "size"),
    ).reset_index()
    found["missing"] -= found["n"] + found["collapsed"]
    return found


def paired(
    first: DataFrame, second: DataFrame, on: Sequence[str], columns: Sequence[str]
) -> DataFrame:
    """Runs of two arms side by side, where they agree in ``on``.

    Args:
        first: runs of one arm.
        second: runs of another.
        on: columns of a pair, such as seed, data set, split and what both arms vary.
        columns: columns whose differences are wanted.

    Returns:
        A row a pair: the columns of ``on``; for each of ``columns`` the difference, first minus
        second, see :func:`difference`; and ``shared``: whether both are the same run, which can
        differ in nothing. The same two runs make one pair, in however many rows they are.

    Raises:
        ConfigError: if an arm has different runs that agree in ``on``.
    """
    keys, names = list(on), list(dict.fromkeys([*columns, "identity"]))
    one_arm, other_arm = (once(arm, keys, columns)[[*keys, *names]] for arm in (first, second))
    both = one_arm.merge(other_arm, on=keys, suffixes=("", "_second"), validate="one_to_one")
    both = both.drop_duplicates(["identity", "identity_second"], ignore_index=True)
    for name in columns:
        one, other = (both[each].to_numpy(float) for each in (name, f"{name}_second"))
        both[name] = difference(one, other)
    both["shared"] = both["identity"] == both["identity_second"]
    return both[[*keys, *columns, "shared"]]


def difference(first: Float64, second: Float64) -> Float64:
    """First minus second; 0 where both have collapsed totally, ±∞ where one has, NaN for none.

    Args:
        first: numbers, −∞ or NaN, of any shape.
        second: of the same shape.

    >>> difference(np.array([3.0, -np.inf, -np.inf]), np.array([1.0, 0.0, -np.inf]))
    array([  2., -inf,   0.])
    """
    both = np.isneginf(first) & np.isneginf(second)
    return np.subtract(first, second, out=np.zeros_like(first), where=~both)


def fill_collapsed(differences: Float64, least: float) -> Float64:
    """Differences with ± the largest finite size in the place of ±∞, and no less than ``least``.

    A run that collapsed beside one that did not is infinitely far from it: no mean exists. It
    counts as the largest difference seen, and as one that matters. What is put there depends on
    the sizes of the differences alone and not on their signs, so that a test by sign flips stays
    exact.

    Args:
        differences: numbers and ±∞, of any shape.
        least: smallest size that matters.

    >>> fill_collapsed(np.array([0.5, -2.0, np.inf]), least=0.2)
    array([ 0.5, -2. ,  2. ])
    """
    infinite = np.isinf(differences)
    if not infinite.any():
        return differences
    largest = np.abs(differences[~infinite]).max(initial=least)
    return np.where(infinite, np.sign(differences) * largest, differences)


# Tests


def least_p(n: int) -> float:
    """The smallest two-sided p-value that n numbers can reach: 2 / 2^n, not below 2 / 10,000.

    >>> least_p(3), least_p(10)
    (0.25, 0.001953125)
    """
    return min(1.0, 2.0 / len(_signs(n)))


def weighted_sums(rows: Float64, weights: Float64) -> Float64:
    """The sum of every row under every weighting of its numbers: rows · weightsᵀ, ``(k, m)``.

    It is taken in blocks that BLAS computes in one thread: threads that wait for one another make
    products of this size several times slower where other processes need the cores.

    Args:
        rows: numbers ``(k, n)``.
        weights: ``(m, n)``, such as the signs of flips or the counts of resamples.
    """
    found = np.empty((len(rows), len(weights)))
    block = max(1, _ONE_THREAD // max(1, rows.size))
    for start in range(0, len(weights), block):
        here = slice(start, start + block)
        found[:, here] = rows @ weights[here].T
    return found


def sign_flip_tails(rows: Float64) -> tuple[Float64, Float64]:
    """One-sided p-values of each row's mean under random signs: being above 0, and below.

    Under the hypothesis that the distribution of a number is symmetric about 0, each could as well
    have had the other sign. Exact over all 2^n signs for n up to 13, else over 9,999 drawn ones
    and those observed; no form of distribution is assumed (Fisher 1935, The Design of Experiments,
    section 21).

    Args:
        rows: numbers ``(k, n)``, one test a row.

    Returns:
        Two arrays ``(k,)``; NaN for a row that has a NaN or ±∞, of which there is no mean.
    """
    known = np.where(np.isfinite(rows), rows, 0.0)
    sums, observed = weighted_sums(known, _signs(rows.shape[1])), known.sum(axis=1, keepdims=True)
    close = _ROUNDING * np.abs(known).sum(axis=1, keepdims=True)
    above = (sums >= observed - close).mean(axis=1)
    below = (sums <= observed + close).mean(axis=1)
    finite = np.isfinite(rows).all(axis=1)
    return np.where(finite, above, math.nan), np.where(finite, below, math.nan)


def sign_flip_test(rows: Float64) -> Float64:
    """Two-sided p-values of each row's mean: twice the smaller tail, at most 1.

    Args:
        rows: numbers ``(k, n)``, one test a row; ``(n,)`` is one row.

    Returns:
        ``(k,)``.

    >>> sign_flip_test(np.array([1.0, 2.0, 3.0]))
    array([0.25])
    """
    p: Float64 = np.minimum(1.0, 2.0 * np.minimum(*sign_flip_tails(np.atleast_2d(rows))))
    return p


@lru_cache(maxsize=32)
def _signs(n: int) -> Float64:
    if 2**n <= EXACT_LIMIT:
        return np.array(list(itertools.product((1.0, -1.0), repeat=n)))
    drawn = Stream(0, "", "sign flips").signs(RESAMPLES * n).reshape(RESAMPLES, n)
    return np.concatenate([np.ones((1, n)), drawn.astype(np.float64)])


def holm(values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: the k-th smallest of m p-values times m − k + 1, never falling.

    Holm 1979, "A simple sequentially rejective multiple test procedure".

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    # By hand: the library's collects garbage at each call, which takes half a second here.
    p = np.asarray(values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    times = np.arange(len(p), 0, -1)
    corrected[order] = np.maximum.accumulate(np.minimum(1.0, times * p[order]))
    found: list[float] = corrected.tolist()
    return found


# Estimates


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds and its 95 % interval.

    NaN where there is none: no number has no mean, and a single one no interval.
    """

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, numbers: Float64) -> Estimate:
        """Mean and interval of one number per seed, see :func:`bootstrap_interval`."""
        if not len(numbers):
            return cls(math.nan, math.nan, math.nan)
        return cls(float(numbers.mean()), *bootstrap_interval(numbers))

    def __str__(self) -> str:
        return self.words("+.2f")

    def words(self, form: str, times: float = 1.0, unit: str = "") -> str:
        """The mean, so many times itself, with its unit and the interval in brackets.

        Args:
            form: format of the numbers, such as ``+.2f``.
            times: what they are multiplied by.
            unit: behind the mean.

        >>> Estimate(0.0123, 0.01, 0.02).words("+.1f", times=100, unit=" points")
        '+1.2 points (95 % interval +1.0 to +2.0)'
        """
        mean, low, high = (f"{times * each:{form}}" for each in (self.mean, self.low, self.high))
        ends = "no interval" if math.isnan(self.low) else f"95 % interval {low} to {high}"
        return f"{mean}{unit} ({ends})"


def bootstrap_interval(numbers: Float64) -> tuple[float, float]:
    """Bias-corrected and accelerated 95 % interval of the mean, 9,999 resamples, fixed seed.

    Few numbers vary less than what they are drawn from, so the level of the bootstrap is raised to
    what gives Student's interval where they are normal, 1 − 2 Φ(−√(n / (n − 1)) t) (Hesterberg
    2015, arXiv 1411.5279, "expanded percentile"). Of normal numbers it covers the mean in 90 % for
    5, 92 % for 6, 95 % for 10 (without, 83, 86 and 91 %); of exponential ones in 90, 90 and 93 %.

    NaN for one number, which says nothing about spread, and for numbers that are not all finite; a
    point where all are equal.

    Args:
        numbers: ``(n,)``.
    """
    from scipy import stats

    n = len(numbers)
    if n < 2 or not np.isfinite(numbers).all():
        return math.nan, math.nan
    if np.ptp(numbers) <= _ROUNDING * np.abs(numbers).max():
        return float(numbers[0]), float(numbers[0])
    quantile = math.sqrt(n / (n - 1)) * stats.t.ppf((1 + LEVEL) / 2, n - 1)
    interval = stats.bootstrap(
        (numbers,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=min(1.0 - 2.0 * stats.norm.sf(quantile), 1.0 - 1.0 / RESAMPLES),
        method="BCa",
        random_state=np.random.default_rng(0),
    ).confidence_interval
    return float(interval.low), float(interval.high)


# Comparisons of the arms of a study

#: Numbers that agree to so many decimals are equal: sums of accuracies have rounding errors.
DECIMALS = 12
#: Settings that are 0 where nothing is frozen.
_RATIOS = {"freezing_ratio", "prune_ratio", "lock_ratio"}
#: Settings that say how many weights a source has left, and its ticket.
_OF_DENSITY = {"sparsity", "mask_sparsity", *_RATIOS, "prune_share", "window_position"}
#: Column of the density at which runs of two arms are compared.
_DENSITY = "density compared"
#: Before the names of the columns in which two runs of a pair agree.
_IN_FORCE = "in force: "
#: A density that is so near to the one asked for, as a part of it, is that one.
_NEAR = 0.05
#: Densities that fall short of what was asked for are equal where they agree to so many decimals.
_SHORT_DECIMALS = 4


def compare_arms(runs: DataFrame, column: str = "test_accuracy") -> DataFrame:
    """Every pair of arms of a study that has at least one pair of runs.

    Two runs are a pair where they agree in seed, data set, split and everything that both arms
    vary: in the value that the grid names, or where a part of an arm names none, in the setting
    that is in force there, no ratio being 0. What only one of two arms varies is no part of a pair:
    each of its values makes a comparison of its own.

    Arms may say in other words how many weights are left: as ``sparsity``, ``mask_sparsity``, or by
    a freezing ratio and a place in the window. Where both vary it, and what they vary by the same
    name does not fix it alike, they are compared at every density that both have, and the ratios
    that follow from it in an arm are no part of a pair.

    Args:
        runs: the runs of one study, see :func:`gslt.studies.frame`.
        column: what is compared.

    Returns:
        A row a comparison: ``first``, ``first_at`` and ``second``, ``second_at`` (the arms, and the
        values of what each alone varies, where it names one), ``equal`` (the values in which the
        runs of a pair are equal, of each name that both vary, or of ``density``), ``difference``
        (mean over the pairs, first minus second), ``low`` and ``high`` (its bootstrap interval,
        which takes pairs for independent and is narrow for fewer than six; NaN for one pair),
        ``pairs``, ``p_pairs`` (flips the sign of each pair), ``seeds``, ``p_seeds`` (flips all
        pairs of a seed together: valid also where pairs of one seed resemble each other; both
        tests are of the mean over the pairs), ``least_p_pairs`` and ``least_p_seeds`` (the smallest
        that so many can reach), ``p_seeds_holm`` (corrected for all comparisons),
        ``shared_runs_left_out``, ``missing_left_out`` (pairs one of which has no number) and
        ``unpaired_left_out`` (runs at values of what both arms vary that one of them alone has).
        Where one run of a pair has collapsed totally it counts as the largest difference seen, see
        :func:`fill_collapsed`.

    Raises:
        ConfigError: if runs of several metrics were compared.
    """
    import pandas as pd

    check_one_metric(runs, [], [column])
    places = {f"{_IN_FORCE}{name}": _in_force(runs, name) for name in axis_names(runs)}
    runs = runs.assign(**{_DENSITY: _densities(runs)}, **places)
    arms = [group for _, group in runs.groupby("arm", sort=False)]
    rows = [row for pair in itertools.combinations(arms, 2) for row in _comparisons(*pair, column)]
    found = pd.DataFrame(rows)
    if rows:
        found.insert(list(found).index("shared_runs_left_out"), "p_seeds_holm", holm(found.p_seeds))
    return found


def _densities(runs: DataFrame) -> Series:
    """The share of weights that is left: as asked for, or as measured where that falls short.

    Rounding to whole weights and what was drawn by chance move it a little. NaN where all weights
    are trained, and where nobody knows.
    """
    import pandas as pd

    if ASKED_DENSITY not in runs or "density" not in runs:
        return pd.Series(math.nan, runs.index)
    asked, found = (runs[name].astype(float) for name in (ASKED_DENSITY, "density"))
    kept = (found - asked).abs() <= _NEAR * asked
    return asked.round(DECIMALS).where(kept | asked.isna(), found.round(_SHORT_DECIMALS))


def _in_force(runs: DataFrame, name: str) -> Series:
    """The value of an axis that the grid names, else that of the setting; no ratio is 0."""
    import pandas as pd

    own = runs[f"{AXIS}{name}"]
    if own.notna().all():
        return own
    found = pd.Series(None, runs.index, dtype=object)
    if name in runs:
        found = runs[name]
    if name == "sparsity" and ASKED_DENSITY in runs:  # What is measured is rounded to weights.
        found = (1.0 - runs[ASKED_DENSITY].astype(float)).fillna(found)
    values = [
        asked if not is_missing(asked) else _plain_setting(name, value)
        for asked, value in zip(own.astype(object), found.astype(object), strict=True)
    ]
    return pd.Series(values, runs.index, dtype=object).infer_objects()


def _plain_setting(name: str, value: Any) -> Any:
    """A setting without rounding errors; 0 for a ratio that is not set."""
    if is_missing(value):
        return 0.0 if name in _RATIOS else None
    return round(value, DECIMALS) if isinstance(value, float) else value


def _comparisons(first: DataFrame, second: DataFrame, column: str) -> Iterator[dict[str, Any]]:
    """Every comparison of two arms: one for each place on the axes that one of them alone has."""
    mine, yours = axis_names(first), axis_names(second)
    parts: list[tuple[dict[str, Any], DataFrame, DataFrame]] = [({}, first, second)]
    if _say_density_differently(first, second):
        mine, yours = _without_density(first), _without_density(second)
        parts = _at_equal_density(first, second)
    common = [name for name in mine if name in yours]
    for density, one_arm, other_arm in parts:
        for (at, one), (other_at, other) in itertools.product(
            by_place(one_arm, [name for name in mine if name not in common]),
            by_place(other_arm, [name for name in yours if name not in common]),
        ):
            if found := _comparison(one, other, common, column):
                yield {
                    "first": one["arm"].iloc[0],
                    "first_at": at,
                    "second": other["arm"].iloc[0],
                    "second_at": other_at,
                    **found,
                    "equal": {**density, **found["equal"]},
                }


def _at_equal_density(
    first: DataFrame, second: DataFrame
) -> list[tuple[dict[str, Any], DataFrame, DataFrame]]:
    """The runs of two arms at every density that both have, the largest first."""
    found = {*first[_DENSITY].dropna()}.intersection(second[_DENSITY])
    return [
        ({"density": [each]}, *(arm[arm[_DENSITY] == each] for arm in (first, second)))
        for each in sorted(found, reverse=True)
    ]


def _say_density_differently(first: DataFrame, second: DataFrame) -> bool:
    """Whether two arms vary the density by different settings, so that no common name fixes it."""
    import pandas as pd

    arms = (first, second)
    mine, yours = ({*axis_names(arm)} for arm in arms)
    if mine & _OF_DENSITY == yours & _OF_DENSITY:
        return False
    if any(arm[_DENSITY].nunique() < 2 for arm in arms):
        return False
    common = [f"{_IN_FORCE}{name}" for name in sorted(mine & yours)]
    both = pd.concat([arm[[*common, _DENSITY]] for arm in arms])
    return not common or bool((_counts(both, common, _DENSITY) > 1).any())


def _without_density(arm: DataFrame) -> list[str]:
    """The axes of an arm, but for those that say how many weights are left and follow from that."""
    return [
        name
        for name in axis_names(arm)
        if name not in _OF_DENSITY or (_counts(arm, [_DENSITY], f"{AXIS}{name}") > 1).any()
    ]


def _counts(runs: DataFrame, by: list[str], column: str) -> Series:
    """How many values a column has in every group."""
    return runs.groupby(by, dropna=False)[column].nunique(dropna=False)


def by_place(runs: DataFrame, axes: Sequence[str]) -> list[tuple[dict[str, Any], DataFrame]]:
    """Runs, or groups, by their place on some axes, in the order in which they come.

    Args:
        runs: rows of a frame.
        axes: names of what is varied.

    Returns:
        Values by the name of the axis, without axes on which they have none, and the rows that have
        them.
    """
    if not axes:
        return [({}, runs)]
    columns = [f"{AXIS}{name}" for name in axes]
    return [
        # Lists have numbers of Python's, which JSON knows.
        ({n: at for n in axes if not is_missing(at := group[f"{AXIS}{n}"].tolist()[0])}, group)
        for _, group in runs.groupby(columns, sort=False, dropna=False)
    ]


def _comparison(
    first: DataFrame, second: DataFrame, common: Sequence[str], column: str
) -> dict[str, Any]:
    """Mean difference, its interval and both tests; empty where there is no pair."""
    axes = [f"{_IN_FORCE}{name}" for name in common]
    both = paired(first, second, ["seed", "dataset", "split", *axes], [column])
    apart = both[~both["shared"]]
    pairs = apart.dropna(subset=[column])
    if not len(pairs):
        return {}
    differences = fill_collapsed(pairs[column].to_numpy(float), 0.0).round(DECIMALS)
    # Sums, not means: what is tested is the mean over pairs, however many a seed has.
    by_seed = pairs.assign(difference=differences).groupby("seed", sort=False)["difference"].sum()
    low, high = bootstrap_interval(differences)
    return {
        "equal": {name: found for name in common if (found := _known(pairs, name))},
        "difference": float(differences.mean()),
        "low": low,
        "high": high,
        "pairs": len(pairs),
        "p_pairs": float(sign_flip_test(differences)[0]),
        "least_p_pairs": least_p(len(pairs)),
        "seeds": len(by_seed),
        "p_seeds": float(sign_flip_test(by_seed.to_numpy())[0]),
        "least_p_seeds": least_p(len(by_seed)),
        "shared_runs_left_out": int(both["shared"].sum()),
        "missing_left_out": len(apart) - len(pairs),
        "unpaired_left_out": _alone(first, second, axes) + _alone(second, first, axes),
    }


def _known(pairs: DataFrame, name: str) -> list[Any]:
    """The values of what both arms vary, without those that nobody knows."""
    values = pairs[f"{_IN_FORCE}{name}"].unique().tolist()
    return [value for value in values if not is_missing(value)]


def _alone(runs: DataFrame, others: DataFrame, axes: list[str]) -> int:
    """Number of runs at places on these axes where there is no other run."""
    if not axes:
        return 0
    found = runs[axes].merge(others[axes].drop_duplicates(), how="left", indicator=True)
    return int((found["_merge"] == "left_only").sum())
