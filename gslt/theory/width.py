"""How wide a random network must be, so that no coefficient of a target is missed."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from gslt.errors import ConfigError
from gslt.random import Stream
from gslt.theory.laws import Draws, log2_density, predicted_failure, predicted_log2_error
from gslt.theory.subset_sum import Bool, Float64

#: Draws from which the share of failures is predicted, and the shares between which it is
#: continued: an exponential law, as the lemmas have it.
_DRAWS, _FIRST_SHARE, _LAST_SHARE = 4_000, 0.2, 5e-3
#: Draws from which the smallest error is predicted.
_FINE_DRAWS = 1_000
#: Streams of the draws that the law is computed from.
LAW = "channels"
#: Most random channels for one.
MAX_COPIES = 1 << 13


def copies_needed(
    epsilon: float,
    failure: float,
    *,
    pair: bool = True,
    prune_ratio: float = 0.0,
    lock_ratio: float = 0.0,
) -> int:
    """How many random channels serve one coefficient, so that it is missed with this probability.

    Of the channels of a pair half have the right sign, and some entries of the first matrix are
    missing; the products λ μ of the others, and in copies the weights μ themselves, are locked,
    pruned or free by chance. The share of targets on [−1, 1] that is missed is predicted by
    :func:`gslt.theory.laws.log2_density` over 4,000 draws as far as it is above a half per cent,
    and continued as the exponential in the number of channels that the lemmas say it is: once with
    ε, once for what lies out of reach whatever ε is. The larger of the two numbers, and a tenth
    more.

    Args:
        epsilon: largest error of a coefficient, for coefficients in [−1, 1].
        failure: probability to miss one.
        pair: whether the channels are those of a pair, or copies of a unit.
        prune_ratio: p.
        lock_ratio: l, in the second matrix of a pair alone.

    Raises:
        ConfigError: if more than :data:`MAX_COPIES` would be needed.
    """
    numbers, shares = [], []
    step = 2
    while True:
        density = _densities(step, pair, prune_ratio, lock_ratio)
        beyond = float(np.isneginf(density).mean())
        shares.append((predicted_failure(density, epsilon), beyond))
        numbers.append(step)
        if max(shares[-1]) < _LAST_SHARE:
            break
        step = math.ceil(step * 1.2)
        if step > MAX_COPIES:
            raise ConfigError(
                f"more than {MAX_COPIES} random channels for one would be needed to come within "
                f"{epsilon:.2g} of a coefficient at prune_ratio {prune_ratio:g} and lock_ratio "
                f"{lock_ratio:g}; lock less"
            )
    needed = max(_continued(numbers, list(each), failure) for each in zip(*shares, strict=True))
    return math.ceil(1.1 * needed) + 2


def finest_error(
    n: int,
    exact: int,
    failure: float,
    *,
    pair: bool = True,
    prune_ratio: float = 0.0,
    lock_ratio: float = 0.0,
) -> float:
    """The smallest ε of a coefficient that n random channels keep with so few searched exactly.

    Of more free values than that the largest are decided greedily, and the smallest have to hit
    what is left, which is near the middle of their sums. Predicted as in :func:`copies_needed`,
    over 1,000 draws.

    Args:
        n: random channels.
        exact: free values that are searched exactly.
        failure: probability to miss a coefficient.
        pair: whether the channels are those of a pair.
        prune_ratio: p.
        lock_ratio: l.
    """
    made = channel_draws(n, pair, prune_ratio, lock_ratio, _FINE_DRAWS)
    frozen = made.locked | made.pruned
    order = np.argsort(np.where(frozen, np.inf, np.abs(made.values)), axis=1)[:, :exact]
    values: Float64 = np.take_along_axis(made.values, order, axis=1)
    pruned: Bool = np.take_along_axis(frozen, order, axis=1)
    middle = np.where(pruned, 0.0, values).sum(axis=1) / 2
    density = log2_density(Draws(values, middle, np.zeros_like(pruned), pruned))
    return float(2.0 ** predicted_log2_error(density, 1.0 - failure))


def _continued(numbers: list[int], shares: list[float], failure: float) -> float:
    """Where the share of failures comes down to this one.

    Between the numbers that were tried, and beyond the last share that so many draws can tell,
    the logarithm of the share is a straight line.
    """
    # Every number has draws of its own: by chance a share may rise, and the curve does not.
    logarithms = np.log(np.maximum(np.minimum.accumulate(shares), 0.1 / _DRAWS))

    def reached(share: float) -> float:
        return float(np.interp(-math.log(share), -logarithms, numbers))

    if failure >= _LAST_SHARE:
        return reached(failure)
    first, last = reached(_FIRST_SHARE), reached(_LAST_SHARE)
    slope = (last - first) / math.log(_FIRST_SHARE / _LAST_SHARE)
    return last + slope * math.log(_LAST_SHARE / failure)


@lru_cache(maxsize=512)
def _densities(n: int, pair: bool, prune_ratio: float, lock_ratio: float) -> Float64:
    """Density of the subset sums of n random channels as a coefficient sees them, ``(draws,)``."""
    return log2_density(channel_draws(n, pair, prune_ratio, lock_ratio, _DRAWS))


def channel_draws(
    n: int,
    pair: bool,
    prune_ratio: float,
    lock_ratio: float,
    number: int,
    *,
    seed: int = 0,
    stream: str = LAW,
) -> Draws:
    """Rows of n random channels as a coefficient sees them, with targets uniform on [−1, 1].

    Widths and the law have the draws of one seed, whatever the source's: a width hangs on no seed.
    What is compared with the law has a stream of its own.

    Args:
        n: channels.
        pair: whether they are those of a pair, of which half have the right sign.
        prune_ratio: p.
        lock_ratio: l.
        number: of rows.
        seed: of the streams.
        stream: what their names begin with.
    """

    def uniform(role: str, size: int = n) -> Float64:
        return Stream(seed, f"{stream} {n}", role).uniform(number * size).reshape(number, size)

    state = uniform("pattern")
    values = 2.0 * uniform("weight") - 1.0
    locked, pruned = state < lock_ratio, (state >= lock_ratio) & (state < lock_ratio + prune_ratio)
    if pair:
        first = 2.0 * uniform("first") - 1.0
        absent = (first <= 0) | (uniform("first pattern") < prune_ratio)
        values = values * np.abs(first)
        locked, pruned = locked & ~absent, pruned | absent
    return Draws(values, 2.0 * uniform("target", 1).ravel() - 1.0, locked, pruned)
