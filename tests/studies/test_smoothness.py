"""Smoothness in the records of studies."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from fabricated import hand_made

import gslt
from gslt.diagnostics import measure
from gslt.studies.execute import Here, run_study
from gslt.studies.records import StudyFolder, frame
from gslt.studies.smoothness import endpoints, log_quotients, profile
from gslt.studies.study import Study


def test_endpoints_by_hand() -> None:
    # Three hidden layers with log quotients 0, −1, −5 and the layer of the logits, left out: the
    # least-squares slope is Σ (l − 2) q_l / Σ (l − 2)² = (0 − 5) / 2.
    found = hand_made([1.0, math.exp(-1), math.exp(-5), 7.0], [1.0] * 4)
    found["effective_rank"] = [4.0, 3.0, 2.0, 9.0]
    values = endpoints(found)
    assert values["log_quotient"] == pytest.approx(-5)
    assert values["log_quotient_slope"] == pytest.approx(-2.5)
    assert values["effective_rank"] == 2.0
    assert values["effective_rank_slope"] == pytest.approx(-1)
    assert values["collapse_slope"] == pytest.approx(0)
    assert "dirichlet_energy" not in values


def test_total_collapse_and_overflow_are_told_apart() -> None:
    found = hand_made([1.0, None, None, 1.0], [1.0, 0.0, None, 1.0])
    assert log_quotients(found) == [0.0, -math.inf, None, 0.0]
    assert endpoints(found)["log_quotient"] is None
    collapsed = endpoints(hand_made([1.0, None, 1.0], [1.0, 1e-30, 1.0]))
    assert collapsed["log_quotient"] == -math.inf
    assert collapsed["log_quotient_slope"] is None
    assert endpoints(hand_made([1.0, 1.0], [1.0, 1.0]))["collapse_slope"] is None


def test_a_profile_is_that_of_the_representations(blocks: gslt.NodeDataset) -> None:
    config = gslt.SearchConfig(architecture="gcn", num_layers=3, hidden_channels=7, epochs=1)
    model = gslt.search(blocks, config, progress=False).model
    kept: list[torch.Tensor] = []
    hooks = [m.register_forward_hook(lambda m, x, y: kept.append(y)) for m in model.activations]
    with torch.no_grad():
        model.eval()(blocks.x, blocks.edge_index)
    for hook in hooks:
        hook.remove()
    found = profile(model, blocks)
    for layer, representation in enumerate(kept):
        wanted = measure(representation, blocks, "augmented").as_dict()
        for name, values in found.items():
            assert values[layer] == pytest.approx(wanted[name], rel=1e-5)
    assert {len(values) for values in found.values()} == {3}


def test_records_with_smoothness(tmp_path: Path, blocks: gslt.NodeDataset, monkeypatch) -> None:
    monkeypatch.setattr("gslt.studies.execute.load_dataset", lambda *a, **k: blocks)
    small = {"hidden_channels": 6, "epochs": 2, "num_layers": [2, 3]}
    study = Study(
        name="s",
        seeds=1,
        settings={**small, "dataset": "blocks", "smoothness": True},
        arms={"ticket": {}, "trained": {"method": "train"}},
    )
    folder = StudyFolder(tmp_path / "out")
    summary = run_study(study, folder, Here(folder), progress=False)
    assert summary.computed == 4
    for record in folder.results(study).records.values():
        assert record.profile is not None
        assert len(record.profile["collapse"]) == record.spec.config.num_layers
        assert record.measured["collapse"] == record.profile["collapse"][-2]
        text = folder.record_path(record.spec.identity).read_text()
        assert "NaN" not in text
        assert "Infinity" not in text
        # A two-layer network has one hidden layer, so no slope.
        assert (record.measured["collapse_slope"] is None) == (record.spec.config.num_layers == 2)
        assert json.loads(text)["profile"] == record.profile
    runs = frame(folder.path)
    assert (runs["effective_rank"] >= 1).all()
    assert not runs["collapsed"].any()
