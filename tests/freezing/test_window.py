"""Where the search window sits, and which ratios contradict one another."""

from __future__ import annotations

import pytest
from hypothesis import given
from layer_shapes import fraction

from gslt.errors import ConfigError
from gslt.freezing.window import resolve_ratios, search_window


@pytest.mark.parametrize(
    ("sparsity", "freezing", "prune", "lock"),
    [
        (0.5, 0.0, 0.0, 0.0),
        (0.5, 0.2, 0.1, 0.1),
        (0.5, 1.0, 0.5, 0.5),
        (0.2, 0.4, 0.0, 0.4),  # 0.2 − 0.3 < 0: all locked
        (0.3, 0.4, 0.0, 0.4),
        (0.4, 0.4, 0.1, 0.3),
        (0.6, 0.4, 0.3, 0.1),
        (0.7, 0.4, 0.4, 0.0),
        (0.9, 0.4, 0.4, 0.0),  # l would be −0.2: all pruned
        (0.9, 0.8, 0.8, 0.0),
        (0.9, 0.9, 0.85, 0.05),
        (0.0, 0.5, 0.0, 0.5),
        (1.0, 0.5, 0.5, 0.0),
        (0.0, 1.0, 0.0, 1.0),
        (1.0, 1.0, 1.0, 0.0),
        (0.25, 1.0, 0.25, 0.75),
    ],
)
def test_window_position(sparsity: float, freezing: float, prune: float, lock: float) -> None:
    assert search_window(sparsity, freezing) == (prune, lock)


@given(fraction, fraction)
def test_the_window_holds_the_sparsity(sparsity: float, freezing: float) -> None:
    prune, lock = search_window(sparsity, freezing)
    assert prune >= 0
    assert lock >= 0
    assert prune + lock == pytest.approx(freezing, abs=1e-11)
    assert prune - 1e-11 <= sparsity <= 1 - lock + 1e-11
    assert resolve_ratios(sparsity, prune_ratio=prune, lock_ratio=lock) == (prune, lock)


@pytest.mark.parametrize(
    ("given_ratios", "expected"),
    [
        ({}, (0.0, 0.0)),
        ({"freezing_ratio": 0.2}, (0.1, 0.1)),
        ({"prune_ratio": 0.3}, (0.3, 0.0)),
        ({"lock_ratio": 0.3}, (0.0, 0.3)),
        ({"prune_ratio": 0.1, "lock_ratio": 0.2}, (0.1, 0.2)),
        ({"freezing_ratio": 0.3, "prune_ratio": 0.1}, (0.1, 0.2)),
        ({"freezing_ratio": 0.3, "lock_ratio": 0.1}, (0.2, 0.1)),
        ({"freezing_ratio": 0.3, "prune_ratio": 0.1, "lock_ratio": 0.2}, (0.1, 0.2)),
        ({"prune_ratio": 0.5, "lock_ratio": 0.5}, (0.5, 0.5)),
        ({"prune_ratio": 0}, (0, 0.0)),
    ],
)
def test_explicit_ratios(given_ratios: dict[str, float], expected: tuple[float, float]) -> None:
    assert resolve_ratios(0.5, **given_ratios) == expected


NAN = float("nan")


@pytest.mark.parametrize(
    ("sparsity", "ratios", "message"),
    [
        (NAN, {}, "sparsity must lie in"),
        (-0.1, {}, "sparsity must lie in"),
        (1.1, {}, "sparsity must lie in"),
        (True, {}, "sparsity must be a number"),
        ("0.5", {}, "sparsity must be a number"),
        (0.5, {"freezing_ratio": NAN}, "freezing_ratio must lie in"),
        (0.5, {"freezing_ratio": 1.01}, "freezing_ratio must lie in"),
        (0.5, {"prune_ratio": NAN}, "prune_ratio must lie in"),
        (0.5, {"prune_ratio": -0.1}, "prune_ratio must lie in"),
        (0.5, {"lock_ratio": float("inf")}, "lock_ratio must lie in"),
        (0.5, {"lock_ratio": 0.6}, "lock_ratio 0.6 exceeds the density 0.5"),
        (0.5, {"prune_ratio": 0.6}, "prune_ratio 0.6 exceeds sparsity 0.5"),
        (0.5, {"prune_ratio": 0.5, "lock_ratio": 0.6}, "exceeds 1"),
        (0.5, {"freezing_ratio": 0.1, "prune_ratio": 0.2}, "smaller than the pruning"),
        (0.5, {"freezing_ratio": 0.1, "lock_ratio": 0.2}, "smaller than the pruning"),
        (
            0.5,
            {"freezing_ratio": 0.4, "prune_ratio": 0.1, "lock_ratio": 0.2},
            "leave one of the three out",
        ),
        (0.5, {"freezing_ratio": 0.9, "prune_ratio": 0.1}, "lock_ratio 0.8 exceeds"),
    ],
)
def test_refused_ratios(sparsity: float, ratios: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve_ratios(sparsity, **ratios)


def test_decimal_fractions_are_not_refused_by_their_last_bit() -> None:
    assert resolve_ratios(0.3, prune_ratio=0.1 + 0.2) == (0.1 + 0.2, 0.0)
    assert resolve_ratios(0.7, lock_ratio=0.3) == (0.0, 0.3)
    assert resolve_ratios(0.5, freezing_ratio=0.1 + 0.2, prune_ratio=0.1, lock_ratio=0.1 + 0.1)
