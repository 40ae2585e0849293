"""A small search, and a result made by hand, for the tests of the comparison of backends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gslt.config import SearchConfig

SMALL: dict[str, Any] = {"num_layers": 2, "hidden_channels": 8, "freezing_ratio": 0.4, "lr": 0.05}


@pytest.fixture(scope="session")
def search_config() -> Callable[..., SearchConfig]:
    """Makes a small search of an architecture, with changes."""

    def configure(architecture: str, **changes: Any) -> SearchConfig:
        attention = {"heads": 2, "weight_init": "ku"} if architecture == "gat" else {}
        given = {**SMALL, "architecture": architecture, "epochs": 3, **attention, **changes}
        return SearchConfig(**given)

    return configure


@pytest.fixture
def known_result() -> dict[str, Any]:
    """A result made by hand: two routes on one graph."""

    def entry(seconds: float, rel: float, agrees: bool, peak: int) -> dict[str, Any]:
        figures = {
            "logits_abs": 2 * rel,
            "logits_rel": rel,
            "gradient_abs": 3 * rel,
            "gradient_rel": 4 * rel,
            "same_classes": 0.99999,
            "flips": 3,
            "flip_size": rel,
            "agrees": agrees,
        }
        return {
            "same_ticket": agrees,
            "parity": {"float32": figures},
            "epoch": {
                "seconds": seconds,
                "forward_seconds": seconds / 4,
                "backward_seconds": seconds / 2,
                "least_seconds": seconds / 2,
                "largest_seconds": 4 * seconds / 5,
            },
            "trajectory": {
                "losses": [3.0, 2.5],
                "loss_difference": 0.25,
                "mask_agreement": [1.0, 0.875],
                "same_masks": False,
                "same_classes": 1.0,
            },
            "layers": [{"in": 5, "out": 7, "forward_seconds": 0.001, "backward_seconds": 0.002}],
            "memory": {"peak": peak, "layers": [{"forward": 3_000_000, "backward": 4_000_000}]},
        }

    return {
        "config": {"epochs": 2, "device": "cpu", "num_layers": 1},
        "environment": {
            "versions": {"torch": "2"},
            "system": "S",
            "cores": 2,
            "threads": 2,
            "gpu": None,
        },
        "graphs": [{"name": "G (synthetic)", "nodes": 1234, "edges": 5678}],
        "routes": ["a", "b"],
        "same_ticket": False,
        "agree": False,
        "absent": {"c": "it is not installed"},
        "settings": [
            {
                "architecture": "gin",
                "hidden_channels": 7,
                "nodes": 1234,
                "failed": {},
                "routes": {
                    "a": entry(0.5, 1e-6, True, 40_000_000),
                    "b": entry(0.125, 2e-5, False, 10_000_000),
                },
            }
        ],
    }
