"""Where the search window sits: desired sparsity and freezing ratio → pruning and locking ratios.

A ticket of sparsity s exists in a frozen source only for p ≤ s ≤ 1 − l, the *search window* of
width 1 − F.
"""

from __future__ import annotations

import math

from gslt.errors import ConfigError

# Ratios are decimal fractions; sums such as 0.1 + 0.2 must not fail a comparison by their last bit.
_SLACK = 1e-9


def search_window(sparsity: float, freezing_ratio: float) -> tuple[float, float]:
    """Pruning and locking ratio that put ``sparsity`` in the middle of the search window.

    The number of subnetworks of sparsity s is largest there: s = p + (1 − F)/2, so
    p = s − (1 − F)/2 and l = F − p. Where that makes p negative, p = 0 and l = F; where it makes l
    negative, l = 0 and p = F (Otsuka et al. 2024, arXiv 2402.14029).

    >>> search_window(0.5, 0.4)
    (0.2, 0.2)
    >>> search_window(0.9, 0.4)
    (0.4, 0.0)

    Args:
        sparsity: s, fraction of all weights that the ticket removes.
        freezing_ratio: F, fraction of all weights decided before the search.

    Returns:
        ``(p, l)``, fractions of all weights, with p + l = F.

    Raises:
        ConfigError: if an argument is not in [0, 1].
    """
    _check_fraction("sparsity", sparsity)
    _check_fraction("freezing_ratio", freezing_ratio)
    prune = sparsity - (1.0 - freezing_ratio) / 2.0
    prune = round(min(max(prune, 0.0), freezing_ratio), 12)
    return prune, round(freezing_ratio - prune, 12)


def split_ratio(freezing_ratio: float, prune_share: float) -> tuple[float, float]:
    """Pruning and locking ratio of a freezing ratio: p = share · F and l = F − p.

    >>> split_ratio(0.4, 0.25)
    (0.1, 0.3)

    Args:
        freezing_ratio: F, fraction of all weights decided before the search.
        prune_share: fraction of them that is pruned; the others are locked.

    Returns:
        ``(p, l)``, fractions of all weights.

    Raises:
        ConfigError: if an argument is not in [0, 1].
    """
    _check_fraction("freezing_ratio", freezing_ratio)
    _check_fraction("prune_share", prune_share)
    prune = round(prune_share * freezing_ratio, 12)
    return prune, round(freezing_ratio - prune, 12)


def window_sparsity(prune: float, lock: float, position: float) -> float:
    """Sparsity at a position in the search window [p, 1 − l]: p + position · (1 − p − l).

    >>> window_sparsity(0.2, 0.3, 0.5)
    0.45

    Args:
        prune: p, fraction of all weights.
        lock: l, fraction of all weights.
        position: 0 is the dense end of the window, s = p; 1 its sparse end, s = 1 − l.

    Raises:
        ConfigError: if the position is not in [0, 1], or p + l exceeds 1.
    """
    _check_fraction("window_position", position)
    _check_feasible(prune, prune, lock)
    return round(prune + position * (1.0 - prune - lock), 12)


def resolve_ratios(
    sparsity: float,
    freezing_ratio: float | None = None,
    prune_ratio: float | None = None,
    lock_ratio: float | None = None,
) -> tuple[float, float]:
    """Pruning and locking ratio from either a freezing ratio or explicit ratios.

    With ``freezing_ratio`` alone the window is centred (:func:`search_window`). With
    ``prune_ratio`` or ``lock_ratio`` the other one is 0 unless given, or the rest of
    ``freezing_ratio`` where that is given too.

    >>> resolve_ratios(0.5, freezing_ratio=0.4)
    (0.2, 0.2)
    >>> resolve_ratios(0.5, freezing_ratio=0.4, prune_ratio=0.1)
    (0.1, 0.3)

    Args:
        sparsity: s, fraction of all weights that the ticket removes.
        freezing_ratio: F = p + l. Default: 0, a dense source, unless p or l is given.
        prune_ratio: p, fraction of all weights pruned before the search.
        lock_ratio: l, fraction of all weights locked before the search.

    Returns:
        ``(p, l)``, fractions of all weights.

    Raises:
        ConfigError: if a ratio is outside [0, 1] or NaN, if the three contradict one another, or if
            no ticket of this sparsity exists (p > sparsity or l > 1 − sparsity).
    """
    _check_fraction("sparsity", sparsity)
    given = {
        "freezing_ratio": freezing_ratio,
        "prune_ratio": prune_ratio,
        "lock_ratio": lock_ratio,
    }
    for name, value in given.items():
        if value is not None:
            _check_fraction(name, value)
    if prune_ratio is None and lock_ratio is None:
        return search_window(sparsity, 0.0 if freezing_ratio is None else freezing_ratio)
    prune, lock = _complete(freezing_ratio, prune_ratio, lock_ratio)
    _check_feasible(sparsity, prune, lock)
    return prune, lock


def _complete(
    freezing_ratio: float | None, prune_ratio: float | None, lock_ratio: float | None
) -> tuple[float, float]:
    total = freezing_ratio
    if prune_ratio is None:
        assert lock_ratio is not None
        prune_ratio = 0.0 if total is None else round(total - lock_ratio, 12)
    if lock_ratio is None:
        lock_ratio = 0.0 if total is None else round(total - prune_ratio, 12)
    if prune_ratio < 0 or lock_ratio < 0:
        raise ConfigError(
            f"freezing_ratio {total:g} is smaller than the pruning or locking ratio given beside "
            "it; the freezing ratio is their sum, so leave it out or raise it"
        )
    if total is not None and abs(prune_ratio + lock_ratio - total) > _SLACK:
        raise ConfigError(
            f"freezing_ratio {total:g} is not prune_ratio + lock_ratio = "
            f"{prune_ratio + lock_ratio:g}; leave one of the three out"
        )
    return prune_ratio, lock_ratio


def _check_feasible(sparsity: float, prune: float, lock: float) -> None:
    if prune + lock > 1.0 + _SLACK:
        raise ConfigError(
            f"prune_ratio {prune:g} + lock_ratio {lock:g} exceeds 1: a weight is pruned or locked, "
            "not both"
        )
    if prune > sparsity + _SLACK:
        raise ConfigError(
            f"prune_ratio {prune:g} exceeds sparsity {sparsity:g}: a ticket of this sparsity would "
            "need pruned weights back; lower prune_ratio or raise sparsity"
        )
    if lock > 1.0 - sparsity + _SLACK:
        raise ConfigError(
            f"lock_ratio {lock:g} exceeds the density {1 - sparsity:g} (1 - sparsity): a ticket of "
            "this sparsity would have to drop locked weights; lower lock_ratio or sparsity"
        )


def _check_fraction(name: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{name} must be a number in [0, 1], got {value!r}")
    if math.isnan(value) or not 0.0 <= value <= 1.0:
        raise ConfigError(f"{name} must lie in [0, 1], got {value}")
