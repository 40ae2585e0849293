from __future__ import annotations

from pathlib import Path

import pytest
from small_networks import NAME, SMALL

import gslt
from gslt.diagnostics import SearchProbe


@pytest.fixture(scope="session")
def runs(blocks: gslt.NodeDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of a search at depths 2 and 3, one of a training, and one that is not finished."""
    root = tmp_path_factory.mktemp("smooth")
    options = {"dataset": NAME}
    for depth in (2, 3):
        config = gslt.SearchConfig(**SMALL, num_layers=depth, freezing_ratio=0.4, runs=2)
        path = root / f"frozen{depth}"
        with gslt.RunFolder(path, config, options) as folder:
            watch = SearchProbe(blocks, 1, path / "probe.jsonl") if depth == 3 else None
            gslt.search(blocks, config, progress=False, folder=folder, probe=watch)
    training = gslt.TrainConfig(**SMALL, num_layers=3, mask_sparsity=0.5)
    path = root / "trained"
    with gslt.RunFolder(path, training, options) as folder:
        watch = SearchProbe(blocks, 2, path / "probe.jsonl")
        gslt.train(blocks, training, progress=False, folder=folder, probe=watch)
    with gslt.RunFolder(root / "begun", training, options):
        pass
    return root


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gslt.oversmoothing.report._figures", lambda found: iter(()))
