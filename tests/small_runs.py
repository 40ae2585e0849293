"""Configs of searches that take a second."""

from __future__ import annotations

import gslt

SMALL = {"num_layers": 2, "hidden_channels": 16, "epochs": 12}
#: Of the small tickets that tests damage: every kind of frozen weight is in it.
TICKET = gslt.SearchConfig(
    num_layers=3, hidden_channels=16, epochs=6, sparsity=0.4, freezing_ratio=0.3, seed=3
)


def small_search(**options: object) -> gslt.SearchConfig:
    return gslt.SearchConfig(**{**SMALL, **options})
