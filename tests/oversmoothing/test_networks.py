"""What lies at a path, how networks are built, and what tells arms and graphs apart."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from small_networks import NAME, SMALL, made_up, measured, on

import gslt
from gslt.backends import get_backend
from gslt.config import TrainConfig
from gslt.errors import ConfigError, GsltError, RunError, TicketError
from gslt.oversmoothing.measuring import Measurement, Measurements, load, rename_distinctly
from gslt.oversmoothing.networks import DatasetChoice, Network, arm_of, of_seed, of_ticket
from gslt.oversmoothing.report import _groups, as_json
from gslt.settings import part


def test_what_tells_arms_apart() -> None:
    def network(arm: str, path: str, **settings: Any) -> Measurement:
        one = made_up(arm, settings=settings)
        return dataclasses.replace(one, network=dataclasses.replace(one.network, path=path))

    def arms(*networks: Measurement) -> list[str]:
        return [each.network.arm for each in rename_distinctly(networks)]

    assert arms(network("a", "x", lr=1), network("b", "y", lr=2)) == ["a", "b"]
    assert arms(network("a", "x", lr=1), network("a", "y", lr=2)) == ["a, lr 1", "a, lr 2"]
    # A ticket file does not know its learning rate.
    assert arms(network("a", "r/x", lr=1), network("a", "s/y")) == ["a [r]", "a [s]"]
    assert arms(network("a", "r/x"), network("a", "r/y")) == ["a [r/x]", "a [r/y]"]
    # What some know is told of those, and does not leave the others without a name of their own.
    both = network("a", "r/x", lr=0.01), network("a", "s/x", lr=0.1)
    assert arms(*both, network("a", "t.ticket")) == ["a, lr 0.01", "a, lr 0.1", "a"]


def test_spellings_of_one_data_set_are_one_group_of_arms(tmp_path: Path) -> None:
    def at(name: str, seed: int, **settings: Any) -> Measurement:
        one = made_up(seed=seed, settings=settings)
        return on(DatasetChoice(name=name), one)

    def labels(*members: Measurement) -> list[tuple[str, str]]:
        found = rename_distinctly(members)
        return [(each.network.arm, each.dataset.removesuffix(" (synthetic)")) for each in found]

    # Pooled, they would be two seeds of one arm.
    two = labels(at("Cora", 0, lr=1), at("cora", 1, lr=2))
    assert two == [("a, lr 1", "toy"), ("a, lr 2", "toy")]
    assert labels(at("Cora", 0, lr=1), at("cora", 1, lr=1)) == [("a", "toy")] * 2
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "toy.npz").touch()
    paths = [str(tmp_path / folder / "toy.npz") for folder in ("x", "y", "x/../x")]
    two = labels(at(paths[0], 0, lr=1), at(paths[1], 1, lr=2), at(paths[2], 1, lr=1))
    assert two == [("a", paths[0]), ("a", paths[1]), ("a", paths[0])]


def test_two_graphs_of_one_name_are_told_apart() -> None:
    def of(nodes: int, seed: int) -> Measurement:
        graph = {
            "name": "toy",
            "synthetic": True,
            "nodes": nodes,
            "edges": 4,
            "train": nodes - seed,
        }
        return made_up(seed=seed, graph=graph)

    one = rename_distinctly([of(1000, 0), of(1000, 1)])
    assert [each.dataset for each in one] == ["toy (synthetic)"] * 2
    several = rename_distinctly([of(1000, 0), of(2000, 1)])
    names = [f"toy [{nodes} nodes, 4 edges] (synthetic)" for nodes in ("1,000", "2,000")]
    assert [each.dataset for each in several] == names
    assert [group.n for group in _groups(Measurements(several).runs, ["test_accuracy"])] == [1, 1]
    values = as_json(Measurements(several))
    assert [(each["dataset"], each["nodes"]) for each in values["datasets"]] == [
        (names[0], 1000),
        (names[1], 2000),
    ]


def test_where_a_network_is_measured(tmp_path: Path) -> None:
    file = tmp_path / "graph.npz"
    file.touch()

    def placed(own: DatasetChoice, name: str | None, split: int | None = None) -> Network:
        network = on(own, made_up()).network
        network = dataclasses.replace(network, build=network.start, run=Path("run"))
        return network.on(name, None, split)

    third = DatasetChoice(name="Cora", split=3)
    for name, split in ((None, 3), ("cora", 3), ("CORA", 3), ("citeseer", 0)):
        found = placed(third, name)
        assert found.dataset.split == split
        # What its run folder and record say is of its own graph and split.
        assert (found.run is None) == (name == "citeseer")
    assert placed(third, "cora", 1).dataset.split == 1
    assert placed(third, "cora", 1).run is None
    # A ticket knows its graph by the stem of the file's name.
    assert placed(DatasetChoice(name="graph", split=2), str(file)).dataset.split == 2
    assert placed(DatasetChoice(name=str(file), split=2), f"{tmp_path}/./graph.npz").run is not None
    for known in (str(file), "cora"):
        with pytest.raises(GsltError) as stop:
            load(placed(DatasetChoice(name=known), None, 7), None)
        assert "no known name" not in str(stop.value)
    with pytest.raises(ConfigError, match="no known name; give --dataset"):
        load(placed(DatasetChoice(name="", split=0), None, 7), None)


def test_untrained_begins_where_the_schedule_does(blocks: gslt.NodeDataset) -> None:
    config = gslt.SearchConfig(
        **SMALL, num_layers=3, sparsity=0.6, prune_ratio=0.2, sparsity_schedule="linear"
    )
    start = of_seed(Path("ticket"), config, 1, DatasetChoice(name=NAME)).start(blocks)
    alike = dataclasses.replace(config, seed=1, sparsity=0.2, sparsity_schedule="constant")
    model = gslt.GNN(8, 3, config, get_backend("pyg"))
    gslt.freeze(model, alike)
    assert config.sparsity_at(0) == 0.2
    for weight, wanted in zip(start.layers, model.layers, strict=True):
        assert torch.equal(weight.nn.weight, wanted.nn.weight)


def test_untrained_begins_with_the_scores_of_the_search(
    blocks: gslt.NodeDataset, tmp_path: Path
) -> None:
    config = gslt.SearchConfig(**SMALL, num_layers=3, score_draw=2)
    path = tmp_path / "ticket.safetensors"
    result = gslt.search(blocks, config, progress=False)
    assert result.ticket is not None
    assert result.ticket.results["score_draw"] == 2
    result.ticket.save(path)
    model = gslt.GNN(8, 3, config, get_backend("pyg"))
    gslt.freeze(model, part(gslt.FreezeConfig, config))
    gslt.reset_scores(model, 2)
    of_run = of_seed(tmp_path, config, 0, DatasetChoice(name=NAME)).start(blocks)
    for start in (of_run, of_ticket(path).start(blocks)):
        assert gslt.overlap(start, model).whole.jaccard == 1.0


def test_a_weak_ticket_is_measured_as_its_run_is(
    runs: Path, blocks: gslt.NodeDataset, tmp_path: Path, no_pictures: None
) -> None:
    path = runs / "trained"
    (run,) = measured(path, out=tmp_path / "run", data=blocks)
    (file,) = measured(path / "ticket.safetensors", out=tmp_path / "file", data=blocks)
    assert run.network.arm == file.network.arm == "weak ticket, sparsity 0.5"
    assert run.profile == file.profile
    for each in (run, file):
        start = each.network.start(blocks)
        assert sum(int((p == 0).sum()) for p in start.parameters()) == 60
    # An older gslt wrote weights in the place of the ticket.
    older = tmp_path / "older"
    shutil.copytree(path, older)
    model = gslt.load_ticket(path / "ticket.safetensors").model()
    safetensors.torch.save_file(model.state_dict(), older / "weights.safetensors")
    (older / "ticket.safetensors").unlink()
    (again,) = measured(older, out=tmp_path / "again", data=blocks)
    assert again.profile == run.profile


def test_arms_of_trainings_under_a_mask() -> None:
    masked = {"mask_sparsity": 0.9, "epochs": 20}
    assert arm_of(TrainConfig(**masked)) == "weak ticket, sparsity 0.9"
    assert arm_of(TrainConfig(**masked, allocation="erk")) == "weak ticket, erk, sparsity 0.9"
    rewired = TrainConfig(**masked, rewire_every=5)
    assert arm_of(rewired) == "dynamic sparse training, sparsity 0.9"


def test_errors_say_what_to_do(
    runs: Path, blocks: gslt.NodeDataset, tmp_path: Path, no_pictures: None
) -> None:
    def attempt(path: Path, data: Any = blocks) -> None:
        measured(path, out=tmp_path / "out", data=data)

    with pytest.raises(RunError, match="is not there; give a ticket file, a run folder"):
        attempt(tmp_path / "none")
    with pytest.raises(RunError, match="a folder with neither a run nor a study"):
        attempt(tmp_path)
    with pytest.raises(RunError, match="nothing to measure"):
        attempt(runs / "begun")
    whole = gslt.TrainConfig(**SMALL, num_layers=2)
    with gslt.RunFolder(tmp_path / "whole", whole, {"dataset": NAME}) as folder:
        gslt.train(blocks, whole, progress=False, folder=folder)
    with pytest.raises(TicketError, match="damaged or no ticket"):
        attempt(tmp_path / "whole" / "weights.safetensors")
    module = torch.nn.Sequential(torch.nn.Linear(8, 3))
    gslt.freeze(module, gslt.FreezeConfig())
    gslt.Ticket.of(module).save(tmp_path / "own.safetensors")
    with pytest.raises(TicketError, match="of a module of your own, which gslt cannot build"):
        attempt(tmp_path / "own.safetensors")
    wide = dataclasses.replace(blocks, name="wide", x=torch.cat([blocks.x, blocks.x], dim=1))
    fit = "nothing to measure: .* takes 8 features and gives 3 classes, but wide has 16"
    with pytest.raises(RunError, match=fit):
        attempt(runs / "frozen3", wide)
    with pytest.raises(RunError, match=fit):
        attempt(runs / "trained", wide)
    with pytest.raises(RunError, match=r"nothing to measure: the weights of .* do not fit wide"):
        attempt(tmp_path / "whole", wide)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".gslt"]


def test_one_run_counts_once(
    runs: Path, blocks: gslt.NodeDataset, tmp_path: Path, no_pictures: None
) -> None:
    """By another path, through a link, as a copy, and as one of its tickets: two seeds are two."""
    link, copy = tmp_path / "link", tmp_path / "copy"
    link.symlink_to(runs / "frozen3")
    shutil.copytree(runs / "frozen3", copy)
    ticket = runs / "frozen3" / "ticket.safetensors"
    said: list[str] = []
    paths = (runs / "frozen3", runs / "trained" / ".." / "frozen3", link, copy, ticket)
    found = measured(*paths, out=tmp_path / "out", data=blocks, say=said.append)
    assert [(each.network.label, each.network.seed) for each in found] == [
        ("ticket, frozen source, F = 0.4", 0),
        ("ticket, frozen source, F = 0.4", 1),
    ]
    left = [line for line in said if "left out" in line]
    end = f"left out, being runs of {runs / 'frozen3'} too; a run counts once"
    assert left == [
        *(f"{path}: 2 of 2 networks {end}" for path in paths[1:4]),
        f"{ticket}: 1 of 1 networks {end}",
    ]
    (group,) = as_json(Measurements(found))["groups"]
    assert group["seeds"] == [0, 1]
    assert group["test_accuracy"]["n"] == 2
    # Another run of the same arm is another.
    both = measured(runs / "frozen3", runs / "trained", out=tmp_path / "out", data=blocks)
    assert len(both) == 3


def test_the_ticket_of_another_run_is_left_out(
    runs: Path, blocks: gslt.NodeDataset, tmp_path: Path, no_pictures: None
) -> None:
    shutil.copytree(runs / "frozen3", tmp_path / "run")
    file = "ticket-seed0.safetensors"
    shutil.copy(tmp_path / "run" / "ticket-seed1.safetensors", tmp_path / "run" / file)
    said: list[str] = []
    found = measured(tmp_path / "run", out=tmp_path / "out", data=blocks, say=said.append)
    assert [each.network.seed for each in found] == [1]
    assert any("is the ticket of a run with other settings; it is left out" in s for s in said)
