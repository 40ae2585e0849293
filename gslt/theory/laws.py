r"""How near subset sums of random values come to a target: simulation beside theory.

With m free values there are 2^m subset sums. They are as if independent near a target that amid
them, so the nearest is exponentially distributed with rate :math:`2 \cdot 2^m f(z)`, f being the
density of the sum of a random subset: about one bit of error per free value. Locked values move the
sums, pruned ones are missing; what both cost is measured here. Sources: Lueker 1998,
"Exponentially small bounds on the expected optimum of the partition and subset sum problems";
Pensia et al. 2020, arXiv 2006.07990; Otsuka et al. 2024, arXiv 2402.14029, Lemmas 3.1 and 3.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gslt.errors import ConfigError
from gslt.random import Stream
from gslt.theory.subset_sum import Bool, Float64, SubsetSums, check_epsilon, subset_sums

#: Most values of one sum that a law is asked about.
MAX_VALUES = 1 << 14
#: Numbers that are drawn at a time.
_BLOCK = 1 << 21


@dataclass(frozen=True)
class Variable:
    """A distribution that the values of a sum are drawn from."""

    label: str
    """In words."""
    variance: float
    """Of one value; all means are 0."""
    draw: Callable[[int, str, int], Float64]
    """Values of a seed and the name of a stream, so many."""


def _uniform(seed: int, name: str, number: int) -> Float64:
    return 2.0 * Stream(seed, name, "value").uniform(number) - 1.0


def _product(seed: int, name: str, number: int) -> Float64:
    other = 2.0 * Stream(seed, name, "factor").uniform(number) - 1.0
    return _uniform(seed, name, number) * other


def _normal(seed: int, name: str, number: int) -> Float64:
    return np.multiply(Stream(seed, name, "value").normal(number), math.sqrt(1.0 / 3.0))


def _signed_constant(seed: int, name: str, number: int) -> Float64:
    return np.multiply(Stream(seed, name, "value").signs(number), math.sqrt(1.0 / 3.0))


#: The distributions. The third is what a coefficient of the two-layer construction is the sum of;
#: the last is the signed Kaiming constant, here with the variance of the first two.
VARIABLES: dict[str, Variable] = {
    "uniform": Variable("uniform on [-1, 1]", 1.0 / 3.0, _uniform),
    "normal": Variable(
        "normal, variance 1/3",
        1.0 / 3.0,
        _normal,
    ),
    "product": Variable("products of two uniforms on [-1, 1]", 1.0 / 9.0, _product),
    "signed_constant": Variable(
        "signed constants ±√(1/3)",
        1.0 / 3.0,
        _signed_constant,
    ),
}


class Interval(NamedTuple):
    """A number that was measured, and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Draws:
    """Random sums: rows of values with their targets; the same columns are frozen in every row."""

    values: Float64
    """``(t, n)``."""
    targets: Float64
    """Uniform on [−1, 1], ``(t,)``."""
    locked: Bool
    """``(n,)``, or ``(t, n)`` where each value is frozen by chance."""
    pruned: Bool
    """Likewise."""

    def solve(self, exact: int = 30, threads: int | None = None) -> SubsetSums:
        """The best subsets.

        Args:
            exact: see :func:`gslt.theory.subset_sums`.
            threads: likewise.
        """
        return subset_sums(
            self.values,
            self.targets,
            locked=self.locked,
            pruned=self.pruned,
            exact=exact,
            threads=threads,
        )

    def reached(self) -> Bool:
        """Whether a target lies between the smallest and the largest sum, ``(t,)``."""
        aim = self.aim
        free = self.free
        low, high = np.minimum(free, 0).sum(axis=1), np.maximum(free, 0).sum(axis=1)
        inside: Bool = (low <= aim) & (aim <= high)
        return inside

    @property
    def free(self) -> Float64:
        """The values with zeros in place of the frozen ones, ``(t, n)``."""
        return np.where(self.locked | self.pruned, 0.0, self.values)

    @property
    def aim(self) -> Float64:
        """What the free values have to give: targets without the locked sums, ``(t,)``."""
        aim: Float64 = self.targets - np.where(self.locked, self.values, 0.0).sum(axis=1)
        return aim


def draws(
    variable: str,
    n: int,
    number: int,
    *,
    prune_ratio: float = 0.0,
    lock_ratio: float = 0.0,
    by_chance: bool = False,
    seed: int = 0,
) -> Draws:
    """Random sums of n values, from named streams of the seed.

    round(p n) of the n values are pruned and round(l n) locked, as in a frozen source. The values
    are exchangeable, so they are the first ones. With ``by_chance`` every value is pruned with
    probability p and locked with probability l instead, as the lemmas have it.

    Args:
        variable: a key of :data:`VARIABLES`.
        n: values of one sum, those frozen among them.
        number: of sums, t.
        prune_ratio: p.
        lock_ratio: l, p + l < 1.
        by_chance: whether the numbers of frozen values are random.
        seed: of the streams.

    Returns:
        Values, targets and masks.

    Raises:
        ConfigError: for an unknown variable, ratios that leave nothing free, or counts out of
            range.
    """
    check_ratios(prune_ratio, lock_ratio)
    _check_draws(variable, n, number)
    name = f"theory.{variable}.{n}"
    values = VARIABLES[variable].draw(seed, name, number * n).reshape(number, n)
    targets = 2.0 * Stream(seed, name, "target").uniform(number) - 1.0
    place: Float64 = np.arange(n, dtype=np.float64)
    pruned_values, locked_values = _frozen_values(n, prune_ratio, lock_ratio)
    ends = [float(pruned_values), float(pruned_values + locked_values)]
    if by_chance:
        place = Stream(seed, name, "pattern").uniform(number * n).reshape(number, n)
        ends = [prune_ratio, prune_ratio + lock_ratio]
    pruned = place < ends[0]
    return Draws(values, targets, (place < ends[1]) & ~pruned, pruned)


def _check_draws(variable: str, n: int, number: int) -> None:
    if variable not in VARIABLES:
        raise ConfigError(f"unknown variable {variable!r}; there are {', '.join(VARIABLES)}")
    for name, count, most in (("n", n, MAX_VALUES), ("number", number, 1 << 31)):
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= most:
            raise ConfigError(f"{name} must be an integer in 1 … {most}, got {count!r}")


def _frozen_values(n: int, prune_ratio: float, lock_ratio: float) -> tuple[int, int]:
    """How many of n values are pruned, and how many locked."""
    pruned = round(prune_ratio * n)
    return pruned, min(round(lock_ratio * n), n - pruned)


def _nested(
    variable: str, n: int, number: int, prune_ratio: float, lock_ratio: float, seed: int
) -> Draws:
    """Sums as those of :func:`draws`, of which those of fewer values are a part.

    Locked and free values have a stream each, and every n takes the first numbers of both: so what
    is compared over n has the same random numbers, and the same targets.
    """
    _check_draws(variable, n, number)
    pruned, locked = _frozen_values(n, prune_ratio, lock_ratio)
    name = f"theory.{variable}"
    values = [
        VARIABLES[variable].draw(seed, f"{name}.{part}", number * count).reshape(count, number).T
        for part, count in (("locked", locked), ("free", n - pruned - locked))
    ]
    targets = 2.0 * Stream(seed, name, "target").uniform(number) - 1.0
    place = np.arange(n - pruned)
    return Draws(np.hstack(values), targets, place < locked, place < 0)


def check_ratios(prune_ratio: float, lock_ratio: float) -> None:
    """Refuse ratios that are none, or that leave nothing to choose.

    Args:
        prune_ratio: p.
        lock_ratio: l.

    Raises:
        ConfigError: if one is outside [0, 1], or p + l is 1 or more.
    """
    for name, ratio in (("prune_ratio", prune_ratio), ("lock_ratio", lock_ratio)):
        if not 0.0 <= ratio <= 1.0:
            raise ConfigError(f"{name} must lie in [0, 1], got {ratio}")
    if prune_ratio + lock_ratio >= 1.0 - 1e-12:
        raise ConfigError(
            f"prune_ratio {prune_ratio:g} + lock_ratio {lock_ratio:g} must be below 1: where every "
            "value is frozen there is one sum, and nothing to choose"
        )


# What is measured


def share(hits: int, number: int) -> Interval:
    """A share with its exact 95 % interval (Clopper & Pearson 1934).

    >>> [round(end, 3) for end in share(10, 100)]
    [0.1, 0.049, 0.176]

    Args:
        hits: how many of them.
        number: of trials, 1 at least.
    """
    from scipy.stats import beta

    low = float(beta.ppf(0.025, hits, number - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.975, hits + 1, number - hits)) if hits < number else 1.0
    return Interval(hits / number, low, high)


def quantile(numbers: Float64, probability: float) -> Interval:
    """A quantile with its 95 % interval from order statistics, whatever the distribution is.

    The number of those at most the quantile is binomial: with r and s its 2.5 and 97.5 per cent
    points the interval goes from the r-th smallest number to the one of rank s + 1. Where there are
    too few for that, its end is the smallest or the largest, and covers less.

    >>> quantile(np.arange(1.0, 21.0), 0.5)
    Interval(value=10.5, low=6.0, high=15.0)

    Args:
        numbers: ``(t,)``.
        probability: of being at most the quantile.
    """
    from scipy.stats import binom

    ordered = np.sort(numbers)
    first, last = (int(rank) for rank in binom.ppf([0.025, 0.975], len(ordered), probability))
    # Ranks count from 1, places from 0.
    low, high = float(ordered[max(first - 1, 0)]), float(ordered[min(last, len(ordered) - 1)])
    return Interval(float(np.quantile(ordered, probability)), low, high)


def slope(
    x: Sequence[float], samples: Sequence[Float64], probability: float = 0.5, seed: int = 0
) -> Interval:
    """Slope of a quantile over x by least squares, with a bootstrap interval over the draws.

    Args:
        x: places, two at least.
        samples: what was measured at each place, ``(t,)`` each.
        probability: of being at most the quantile.
        seed: of the 400 resamplings.
    """
    places = np.asarray(x, dtype=np.float64)
    weights = (places - places.mean()) / ((places - places.mean()) ** 2).sum()
    rng = np.random.Generator(np.random.Philox(seed))
    again = np.empty((400, len(samples)))
    for column, numbers in enumerate(samples):
        ordered = np.sort(numbers)
        # The rank of a quantile of a resampling: how a sorted uniform sample falls is binomial.
        share = rng.beta(
            probability * (len(ordered) + 1), (1 - probability) * (len(ordered) + 1), len(again)
        )
        again[:, column] = np.quantile(ordered, share)
    found = float(weights @ [np.quantile(numbers, probability) for numbers in samples])
    low, high = np.quantile(again @ weights, [0.025, 0.975])
    return Interval(found, float(low), float(high))


def unreached(
    variable: str,
    n: int,
    number: int = 200_000,
    *,
    prune_ratio: float = 0.0,
    lock_ratio: float = 0.0,
    by_chance: bool = False,
    seed: int = 0,
) -> Interval:
    """Share of targets in [−1, 1] that lie beyond every subset sum.

    Args:
        variable: see :func:`draws`, as all others.
        n: values of one sum.
        number: of sums.
        prune_ratio: p.
        lock_ratio: l.
        by_chance: whether the numbers of frozen values are random.
        seed: of the streams.

    Raises:
        ConfigError: as :func:`draws`.
    """
    step = max(1, _BLOCK // n)
    missed = 0
    for block, start in enumerate(range(0, number, step)):
        made = draws(
            variable,
            n,
            min(step, number - start),
            prune_ratio=prune_ratio,
            lock_ratio=lock_ratio,
            by_chance=by_chance,
            seed=(seed << 20) + block,
        )
        missed += int(np.count_nonzero(~made.reached()))
    return share(missed, number)


def covering_errors(made: Draws) -> Float64:
    """How far the worst target in [−1, 1] is from all subset sums, for every row, ``(t,)``.

    This is what Lueker's theorem and the lemmas bound: not one target, but every one.

    Args:
        made: rows with at most 22 free values.

    Raises:
        ConfigError: if a row has more.
    """
    free = ~np.broadcast_to(made.locked | made.pruned, made.values.shape)
    most = int(free.sum(axis=1).max())
    if most > 22:
        raise ConfigError(
            f"all sums of {most} free values are too many to list; take at most 22, or ask for "
            "single targets (Draws.solve)"
        )
    locked = made.targets - made.aim
    found = np.empty(len(made.values))
    for row, (values, part) in enumerate(zip(made.values, free, strict=True)):
        sums = np.array([locked[row]])
        for value in values[part]:
            sums = np.concatenate([sums, sums + value])
        sums.sort()
        middles, gaps = (sums[1:] + sums[:-1]) / 2, np.diff(sums) / 2
        ends = [np.abs(sums - end).min() for end in (-1.0, 1.0)]
        found[row] = max(*ends, gaps[np.abs(middles) <= 1].max(initial=0.0))
    return found


# What theory says


def counting_bound(m: float) -> float:
    """Smallest median error that m free values can have, whatever they are.

    2^m sums cover at most 2^m · 2 ε of the length 2 that targets are uniform on; half of it at
    ε = 2^−(m + 1). So no law falls faster than one bit for each free value, and for every target to
    be within ε there must be at least log₂(1/ε) free values.

    >>> counting_bound(9)
    0.0009765625

    Args:
        m: number of free values.
    """
    return math.pow(2.0, -(m + 1))


def locked_sum_bound(locked: int, delta: float) -> float:
    """Hoeffding's bound of the sum of so many locked values in [−1, 1], mean 0: √(2 k ln(2/δ)).

    It is exceeded with probability δ at most. In the proofs of Lemmas 3.1 and 3.2 half of the free
    values cancel a locked sum of this size, and the other half hits the target.

    >>> round(locked_sum_bound(60, 0.01), 2)
    25.22

    Args:
        locked: number of locked values, k.
        delta: probability of a larger sum, in (0, 1).

    Raises:
        ConfigError: if delta is not in (0, 1).
    """
    if not 0 < delta < 1:
        raise ConfigError(f"delta must lie between 0 and 1, got {delta}")
    return math.sqrt(2.0 * locked * math.log(2.0 / delta))


def log2_density(made: Draws, *, normal: bool = False) -> Float64:
    r"""Binary logarithm of the number of subset sums per unit of length at every target, ``(t,)``.

    By the saddlepoint approximation (Daniels 1954) of a random subset's sum: with
    :math:`K(\theta) = \sum_i \ln \frac{1 + e^{\theta x_i}}{2}` over the free values and
    :math:`K'(\theta) = z`, the density is :math:`e^{K - \theta z} / \sqrt{2 \pi K''}`; or by the
    normal one, which is its value at θ = 0 and overrates the ends of the range. Nothing lies beyond
    the ends: −∞.

    Args:
        made: the sums.
        normal: whether to take the normal density of mean ½ Σ x and variance ¼ Σ x².
    """
    x, z = made.free, made.aim
    m = np.count_nonzero(~np.broadcast_to(made.locked | made.pruned, x.shape), axis=1)
    if normal:
        centre, variance = x.sum(axis=1) / 2, (x**2).sum(axis=1) / 4
        logarithm = -((z - centre) ** 2) / (2 * variance) - np.log(2 * math.pi * variance) / 2
    else:
        logarithm = _saddlepoint(x, z)
    density: Float64 = m + logarithm / math.log(2.0)
    return np.where(made.reached(), density, -np.inf)


def _saddlepoint(x: Float64, z: Float64) -> Float64:
    """Natural logarithm of the density of a random subset's sum."""
    half = x / 2
    # K' − ½ Σ x = ½ Σ x tanh(θ x / 2), so only the centred target matters.
    aim = z - half.sum(axis=1)
    low, high = np.full(len(z), -1e4), np.full(len(z), 1e4)
    for _ in range(48):
        theta = (low + high) / 2
        above = (half * np.tanh(theta[:, None] * half)).sum(axis=1) > aim
        low, high = np.where(above, low, theta), np.where(above, theta, high)
    theta = (low + high) / 2
    bend = theta[:, None] * half
    # ln cosh without overflow.
    size = np.abs(bend)
    cosh = size + np.log1p(np.exp(-2 * size)) - math.log(2.0)
    curvature = (half**2 * (1 - np.tanh(bend) ** 2)).sum(axis=1)
    with np.errstate(divide="ignore"):
        found: Float64 = cosh.sum(axis=1) - theta * aim - np.log(2 * math.pi * curvature) / 2
    return found


def predicted_failure(log2_densities: Float64, epsilon: float) -> float:
    """Share of targets with no sum within ε: the mean of exp(−2 ε λ) at 2^d = λ sums per length.

    >>> round(predicted_failure(np.array([10.0, -np.inf]), 2.0**-11), 4)
    0.6839

    Args:
        log2_densities: of :func:`log2_density`, ``(t,)``.
        epsilon: the largest error allowed, above 0.

    Raises:
        ConfigError: if epsilon is not above 0.
    """
    check_epsilon(epsilon)
    # Beyond 2^100 expected sums the exponential is 0 all the same.
    expected = np.exp2(np.minimum(log2_densities + math.log2(epsilon) + 1.0, 100.0))
    return float(np.exp(-expected).mean())


def predicted_log2_error(log2_densities: Float64, probability: float = 0.5) -> float:
    """Binary logarithm of the error that such a share of the targets keeps.

    Args:
        log2_densities: of :func:`log2_density`, ``(t,)``.
        probability: share of targets within the error, in (0, 1).

    Returns:
        The logarithm; infinite where more targets than that are out of reach.
    """
    low, high = -400.0, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        enough = predicted_failure(log2_densities, 2.0**middle) <= 1 - probability
        low, high = (low, middle) if enough else (middle, high)
    return math.inf if high > 99 else high


def values_needed(
    variable: str,
    epsilon: float,
    *,
    success: float = 0.99,
    prune_ratio: float = 0.0,
    lock_ratio: float = 0.0,
    number: int = 10_000,
    seed: int = 0,
) -> int:
    """How many values a sum must have, frozen ones among them, to be within ε of its target.

    The smallest n for which the share of failures that the saddlepoint density
    predicts over random draws is at most 1 − success. Every n has the same draws, the first n
    numbers of each, so that the share falls smoothly with n. Slow where much is locked: then not ε
    decides but how often the locked sum is out of reach; and less precise, as that is a count.

    Args:
        variable: a key of :data:`VARIABLES` other than ``"signed_constant"``.
        epsilon: the largest error allowed, above 0.
        success: share of the targets in [−1, 1] that are to be within ε, below 1 − 10 / number.
        prune_ratio: p.
        lock_ratio: l, p + l < 1.
        number: of draws.
        seed: of the streams.

    Returns:
        n.

    Raises:
        ConfigError: if epsilon is not above 0, the ratios leave nothing free, ``success`` is more
            than the draws can tell, the values are signed constants, or no n up to
            :data:`MAX_VALUES` will do.
    """
    check_epsilon(epsilon)
    check_ratios(prune_ratio, lock_ratio)
    if variable == "signed_constant":
        raise ConfigError(
            "sums of m signed constants take m + 1 values at most, however many subsets there are: "
            "no number of them is within epsilon of every target; use another initialisation"
        )
    if not 0 < success <= 1 - 10 / number:
        raise ConfigError(
            f"success must lie above 0 and be at most {1 - 10 / number:g}, which {number} draws "
            f"can tell, got {success}; raise number"
        )

    def enough(n: int) -> bool:
        made = _nested(variable, n, number, prune_ratio, lock_ratio, seed)
        return predicted_failure(log2_density(made), epsilon) <= 1 - success

    low, high = 1, 16
    while not enough(high):
        low, high = high, 2 * high
        if high > MAX_VALUES:
            raise ConfigError(
                f"no n up to {MAX_VALUES} has {success:g} of the targets within {epsilon:g} at "
                f"prune_ratio {prune_ratio:g} and lock_ratio {lock_ratio:g}; lock less"
            )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
