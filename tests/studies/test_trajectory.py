"""Trajectories: kept by hand-made rows, and by the runs of a tiny real study."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

import gslt
from gslt.diagnostics import default_measures
from gslt.errors import RunError
from gslt.files import plain
from gslt.studies import Study, StudyFolder, run_study, trajectories
from gslt.studies.execute import Here
from gslt.studies.runs import Record
from gslt.studies.smoothness import endpoints
from gslt.studies.trajectory import check_trajectory, intervention, trajectory_of, trajectory_rows
from gslt.training.results import AT_BEST, AT_LAST

STUDY = Study(
    name="tiny",
    settings={"num_layers": 3, "hidden_channels": 6, "epochs": 30, "lr": 0.1, "trajectory": True},
    arms={
        "trained": {"method": "train", "residual": True},
        "patient": {"method": "train", "residual": True, "patience": 2},
        "frozen": {"freezing_ratio": 0.4, "sparsity_schedule": "linear", "smoothness": True},
    },
    seeds=2,
)


def rows(epoch: int, best_epoch: int, value: float | None) -> list[dict[str, Any]]:
    """Three layers of an epoch; ``value`` is every measure of the hidden ones."""
    figures = dict.fromkeys(AT_BEST, epoch / 10)
    place = {"seed": 0, "epoch": epoch, "best_epoch": best_epoch, **figures}
    return [
        {**place, "layer": layer, **dict.fromkeys(default_measures(), found)}
        for layer, found in ((1, value), (2, value), (3, 5.0))
    ]


def test_a_trajectory_by_hand() -> None:
    """The best epoch stands behind the last; the endpoints are of the last hidden layer."""
    found = trajectory_of([*rows(0, 0, 1.0), *rows(4, 3, 2.0), *rows(3, 3, 0.5)], 4)
    assert found["epoch"] == [0, 3, 4]
    assert found["test_loss"] == [0.0, 0.3, 0.4]
    assert found["collapse"] == [1.0, 0.5, 2.0]
    assert found["log_quotient"] == pytest.approx([0.0, math.log(0.5), math.log(2)])
    check_trajectory(found, best_epoch=3, epochs=4)
    best = [(row["epoch"], row["best"], row["last"]) for row in trajectory_rows(found, 3, 4)]
    assert best == [(0, False, False), (3, True, False), (4, False, True)]


def test_a_total_collapse_is_minus_infinity_again() -> None:
    collapsed = rows(4, 4, None)
    for row in collapsed[:2]:
        row |= {"dirichlet_energy": 0.0, "rayleigh_quotient": 1e-15}
    found = json.loads(json.dumps(plain(trajectory_of(collapsed, 4)), allow_nan=False))
    assert found["log_quotient"] == [None]
    (row,) = trajectory_rows(found, 4, 4)
    assert row["log_quotient"] == row["log_uncentred_quotient"] == -math.inf


def test_a_dead_network_has_not_collapsed() -> None:
    dead = rows(4, 4, None)
    for row in dead[:2]:
        row["dirichlet_energy"] = 0.0
    (row,) = trajectory_rows(plain(trajectory_of(dead, 4)), 4, 4)
    assert row["log_quotient"] is row["log_uncentred_quotient"] is None


@pytest.mark.parametrize(
    "kept",
    [[*rows(0, 0, 1.0), *rows(3, 3, 1.0)], [*rows(0, 0, 1.0), *rows(4, 3, 1.0)], []],
    ids=["no last", "no best", "nothing"],
)
def test_a_trajectory_without_best_or_last_is_refused(kept: list[dict[str, Any]]) -> None:
    with pytest.raises(RunError, match="kept no whole trajectory"):
        trajectory_of(kept, 4)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"epoch": [0.0, 4.0, 3.0]}, "not in order"),
        ({"epoch": [0.0, 2.0, 4.0]}, "without best and last"),
        ({"epoch": [0.0, 3.0, 5.0]}, "without best and last"),
        ({"epoch": [0.0, 3.0]}, "not the same epochs"),
        ({"test_loss": None}, "has no test_loss"),
    ],
)
def test_damaged_trajectories(change: dict[str, Any], says: str) -> None:
    good = trajectory_of([*rows(0, 0, 1.0), *rows(3, 3, 0.5), *rows(4, 3, 2.0)], 4)
    found = {name: values for name, values in {**good, **change}.items() if values is not None}
    with pytest.raises(ValueError, match=says):
        check_trajectory(found, best_epoch=3, epochs=4)


def test_interventions() -> None:
    assert intervention({"edges": "none", "batch_norm": True}) == "no edges"
    assert intervention({"batch_norm": False, "pair_norm": True}) == "pairnorm"
    assert intervention({"batch_norm": False, "residual": True}) == "residual + no norm"


@pytest.fixture
def as_blocks(blocks: gslt.NodeDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gslt.studies.execute.dataset_of", lambda *_: blocks)


@pytest.mark.usefixtures("as_blocks")
def test_the_frame_of_a_tiny_study(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    run_study(STUDY, folder, Here(folder), progress=False).check()
    found = trajectories(tmp_path)
    assert len(found.groupby(["arm", "seed"])) == 6
    runs = folder.results(STUDY).frame.set_index(["arm", "seed"])
    for key, mine in found.groupby(["arm", "seed"]):
        run = runs.loc[key]
        assert mine["epoch"].is_monotonic_increasing
        assert mine["epoch"].is_unique
        if key[0] == "patient":
            assert run["last_epoch"] == run["best_epoch"] + 2 < 30
        else:
            assert 21 <= len(mine) <= 23
            assert run["last_epoch"] == 30
        best, last = mine[mine["best"]], mine[mine["last"]]
        assert best["epoch"].item() == run["best_epoch"]
        assert last["epoch"].item() == run["last_epoch"]
        for name, late in zip(AT_BEST, AT_LAST, strict=True):
            assert best[name].item() == run[name]
            assert last[name].item() == run[late]
    frozen = found[found["arm"] == "frozen"]
    assert set(frozen["ratio"]) == {0.4}
    assert found.loc[found["arm"] == "trained", "ratio"].isna().all()
    assert set(found["intervention"]) == {"residual", "none"}
    for record in folder.results(STUDY).records.values():
        if record.profile is not None:
            mine = frozen[(frozen["seed"] == record.spec.config.seed) & frozen["best"]]
            for name, value in endpoints(record.profile).items():
                expected = math.nan if value is None else value
                assert mine[name].item() == pytest.approx(expected, rel=1e-6, nan_ok=True)
        assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record


@pytest.mark.usefixtures("as_blocks")
def test_a_study_without_trajectories_has_no_frame_of_them(tmp_path: Path) -> None:
    arms = {"ticket": {"num_layers": 2, "hidden_channels": 4, "epochs": 2}}
    study, folder = Study(name="plain", arms=arms, seeds=1), StudyFolder(tmp_path)
    run_study(study, folder, Here(folder), progress=False).check()
    assert not (folder.run_path(next(iter(study.runs))) / "probe.jsonl").exists()
    with pytest.raises(RunError, match="no record with a trajectory; runs with trajectory: true"):
        trajectories(tmp_path)
    with pytest.raises(RunError, match="holds no study 'other'"):
        trajectories(tmp_path, "other")
