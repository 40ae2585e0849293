"""What tests of comparisons share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import gslt
from gslt.sources import Comparison

QUICK: dict[str, Any] = {"epochs": 3, "hidden_channels": 8, "num_layers": 2, "lr": 0.1, "seeds": 2}


@pytest.fixture(scope="session")
def made(
    blocks: gslt.NodeDataset, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Comparison]:
    """A comparison on a small synthetic graph, and its folder."""
    out = tmp_path_factory.mktemp("sources") / "out"
    return out, gslt.compare(blocks, gslt.SourcesConfig(**QUICK), out=out, progress=False)
