"""Constructions as runs of studies: settings, folders, records, the frame, and their report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from gslt.data import NodeDataset
from gslt.errors import ConfigError, Interrupted, RunInUseError
from gslt.nn.equivariant import EquivariantNetwork
from gslt.report import write_report
from gslt.studies import frame
from gslt.studies.constructions import ConstructionFolder, measured_construction
from gslt.studies.execute import check_study, run_study, status_lines
from gslt.studies.presets import preset
from gslt.studies.records import StudyFolder
from gslt.studies.study import RunSpec, Study
from gslt.theory.config import ConstructionConfig
from gslt.theory.construct import construct
from gslt.theory.targets import initialise
from gslt.ticket import load_ticket


def spec(**values: Any) -> RunSpec:
    return RunSpec.from_values({"method": "construct", **values})


# --- what a run is --------------------------------------------------------------------------------


def test_a_construction_has_the_data_of_its_target_and_one_identity() -> None:
    assert [spec(target=kind).dataset for kind in ("gin", "c4cnn", "ign2")] == [
        "cora",
        "digits",
        "hubs",
    ]
    assert spec(target="gin", dataset="debian").dataset == "debian"
    said = [
        {"freezing_ratio": 0.5},
        {"freezing_ratio": 0.5, "prune_share": 0.5},
        {"prune_ratio": 0.25, "lock_ratio": 0.25},
    ]
    assert len({spec(**each).identity for each in said}) == 1
    assert spec(epsilon=1).identity == spec(epsilon=1.0).identity != spec(epsilon=0.5).identity
    assert isinstance((run := spec(target="mlp")).config, ConstructionConfig)
    assert (run.method, run.steps, run.has_own_data) == ("construct", 1, True)
    assert RunSpec.from_values(run.values) == run
    # What is not of its layers is no column of its row.
    assert not {"num_layers", "dropout"} & set(run.in_force)
    assert spec(target="gin").in_force["num_layers"] == 2


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"smoothness": True}, "a construction has no epochs"),
        ({"target": "mlp", "dataset": "cora"}, "trained on digits, which gslt makes"),
        ({"target": "mlp", "split": 1}, "leave dataset and split out"),
        ({"target": "mlp", "dropout": 0.1}, "dropout is a setting of message passing"),
        ({"target": "tree"}, "target must be one of gin"),
        ({"sparsity": 0.5}, "ConstructionConfig has no field sparsity"),
        ({"freezing_ratio": 1.0}, "freeze at most 0.95"),
    ],
)
def test_what_a_construction_cannot_be(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        spec(**values)


def test_settings_of_searches_do_not_apply_to_constructions() -> None:
    study = Study(
        name="both",
        seeds=1,
        settings={"hidden_channels": 8, "sparsity": 0.5, "weight_init": "ku"},
        arms={"ticket": {}, "constructed": {"method": "construct", "dataset": "debian"}},
    )
    configs = [cell.spec.config for cell in study.cells]
    assert [type(config).__name__ for config in configs] == ["SearchConfig", "ConstructionConfig"]
    assert {config.hidden_channels for config in configs} == {8}
    with pytest.raises(ConfigError, match="constructed on the CPU"):
        check_study(study, None, "cuda")


@pytest.mark.parametrize("size", ["quick", "standard", "paper"])
def test_the_preset_has_every_source_and_epsilon_for_every_target(size: Any) -> None:
    study = preset("construction", size, architecture="sage", dataset="debian")
    grid: dict[str, set[Any]] = {}
    for cell in study.cells:
        config = cell.spec.config
        assert isinstance(config, ConstructionConfig)
        grid.setdefault(config.target, set()).add((config.ratios, config.epsilon))
        assert cell.spec.dataset == ("debian" if config.target == "sage" else cell.spec.dataset)
    assert {"sage", "ign2", "c4cnn"} <= grid.keys()
    sources = [(0.0, 0.0), (0.5, 0.0), *((f / 2, f / 2) for f in (0.25, 0.5, 0.75))]
    wanted = {(source, epsilon) for source in sources for epsilon in (0.1, 0.01, 0.001)}
    assert all(found == wanted for found in grid.values())
    with pytest.raises(ConfigError, match="gin, gcn, sage, got 'gat'"):
        preset("construction", size, architecture="gat")


# --- folders --------------------------------------------------------------------------------------


def test_nobody_else_has_the_folder_meanwhile(tmp_path: Path) -> None:
    with (
        ConstructionFolder(tmp_path / "run"),
        pytest.raises(RunInUseError, match="another process"),
    ):
        ConstructionFolder(tmp_path / "run")
    with ConstructionFolder(tmp_path / "run") as again:
        assert again.environment["versions"]


def test_a_request_to_stop_ends_a_construction_before_its_next_layer() -> None:
    target = EquivariantNetwork("mlp", (3, 4, 2)).double()
    initialise(target, 0)
    layers: list[int] = []

    def ask() -> None:
        layers.append(1)
        if len(layers) == 2:
            raise Interrupted("stopped", 15)

    with pytest.raises(Interrupted):
        construct(target, torch.ones(2, 3), on_layer=ask)
    assert len(layers) == 2


# --- from a study to its report -------------------------------------------------------------------


@pytest.fixture
def study(blocks: NodeDataset, tmp_path: Path) -> Study:
    path = tmp_path / "blocks.safetensors"
    blocks.save(path)
    frozen = {"freezing_ratio": [0.25], "prune_share": 0.5}
    passing = {"target": "gcn", "dataset": str(path), "hidden_channels": 3}
    small = {"target": "mlp", "hidden_channels": 2}
    return Study(
        name="tiny",
        seeds=1,
        x="freezing_ratio",
        panel="target",
        settings={"method": "construct", "epochs": 2},
        arms={
            "GCN, dense source": passing,
            "GCN, frozen source": {**passing, **frozen},
            "MLP, dense source": {**small, "epsilon": [0.1, 0.01]},
        },
    )


@pytest.mark.slow
def test_a_study_of_constructions_from_the_grid_to_the_page(study: Study, tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "out")
    assert [data.name for data in check_study(study, None, "cpu")] == ["blocks (synthetic)"]
    summary = run_study(study, folder, progress=False)
    assert (summary.computed, summary.failures) == (4, {})
    assert run_study(study, folder, progress=False).computed == 0
    assert "4 of 4 runs done" in next(status_lines(folder))

    runs = frame(folder.path)
    assert set(runs["method"]) == {"construct"}
    assert (runs["output_error"] <= runs["error_bound"]).all()
    assert (runs["error_bound"] <= runs["epsilon"]).all()
    # Hardly trained, a target has nodes whose two largest outputs are nearly equal.
    assert (runs["same_class"] >= 0.9).all()
    assert runs["test_accuracy"].tolist() == pytest.approx(
        runs["target_test_accuracy"].tolist(), abs=0.1
    )
    assert (runs["kept"] + runs["pruned"] <= runs["num_weights"]).all()
    assert runs["searched_per_target_weight"].tolist() == pytest.approx(
        (runs["num_weights"] / runs["target_weights"]).tolist()
    )
    assert (runs["channels_for_99"] < runs["random_channels"]).all()
    # An MLP has no group.
    by_target = runs.groupby("target")["equivariance_defect"]
    assert by_target.max()["gcn"] < 1e-10
    assert by_target.count()["mlp"] == 0
    dense, frozen = (
        runs[runs["arm"] == f"GCN, {name} source"].iloc[0] for name in ("dense", "frozen")
    )
    assert (dense["freezing_ratio"], frozen["freezing_ratio"]) == (
        0.0,
        pytest.approx(0.25, abs=1e-3),
    )
    assert frozen["random_channels"] > dense["random_channels"]
    assert frozen["locked"] == pytest.approx(frozen["pruned"], abs=1)

    ticket = load_ticket(folder.run_path(frozen["identity"]) / "ticket.safetensors")
    assert ticket.construction is not None
    assert ticket.results["test"] == frozen["test_accuracy"]

    for epoch in ("best", "last"):  # It has no epochs, and is shown all the same.
        page, *files = write_report(folder, epoch=epoch)
    assert (folder.path / "figures/tiny/price.png").stat().st_size > 10_000
    text = (folder.path / "tables/tiny/summary.md").read_text()
    assert "target, test (%)" in text
    assert "epoch" not in text
    assert "Synthetic data, no accuracy on real data: blocks (synthetic), digits, turned" in text
    assert not [path for path in files if "comparisons" in path.name]
    assert "synthetic data" in page.read_text()


def test_what_is_measured_has_the_columns_of_other_runs() -> None:
    target = EquivariantNetwork("mlp", (3, 4, 2)).double()
    initialise(target, 0)
    found = construct(target, torch.ones(2, 3))
    from gslt.ticket import Ticket

    scores = {"train": 0.5, "test": 0.25}
    facts = {"ticket_scores": scores, "target_scores": {"train": 1.0, "test": 0.75}}
    values = measured_construction(found, facts, Ticket.of(found.network))
    assert (values["test_accuracy"], values["val_accuracy"]) == (0.25, None)
    assert values["target_test_accuracy"] == 0.75
    assert values["num_weights"] == found.searched == values["searched"]
    assert values["target_weights"] == 3 * 4 + 4 + 4 * 2 + 2
    assert values["kept"] == round(values["density"] * found.searched)
