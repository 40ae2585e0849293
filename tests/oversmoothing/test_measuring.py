"""What networks give: profiles, steps, changes, and what is left out."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from small_networks import NAME, SMALL, made_up, measured

import gslt
from gslt.backends import get_backend
from gslt.diagnostics import DEFAULT_MEASURES
from gslt.errors import ConfigError, DataError, GsltWarning, RunError
from gslt.oversmoothing import smooth
from gslt.oversmoothing.measuring import Measurement, Measurements, compare_data
from gslt.oversmoothing.report import tables_of
from gslt.oversmoothing.source import SourceConfig
from gslt.studies.execute import Here, run_study
from gslt.studies.records import StudyFolder
from gslt.studies.smoothness import layer_rows, profile
from gslt.studies.study import Study


def by_label(found: Iterable[Measurement]) -> dict[tuple[str, int, int], Measurement]:
    return {(m.network.label, m.network.depth, m.network.seed): m for m in found}


def test_steps_by_hand() -> None:
    def row(layer: int, step: str, quotient: float, module: str = "m") -> dict[str, Any]:
        return {
            "layer": layer,
            "step": step,
            "module": module,
            "centred_rayleigh_quotient": quotient,
            "dirichlet_energy": 1.0,
        }

    e = math.e
    rows = [
        row(0, "input", 9.0),
        row(1, "aggregation", 1.0),
        row(1, "activation", 2.0),
        row(1, "layer", 2.0),
        row(2, "aggregation", 2.0 / e),
        row(2, "activation", 2.0 * e),
        row(2, "layer", 2.0 * e),
        row(3, "aggregation", 2.0 / e**2),
        row(3, "activation", 2.0 / e**2),
        row(3, "layer", 2.0 / e**2),
        row(4, "projection", 5.0),
        row(4, "aggregation", 6.0),
        row(4, "projection", 7.0, "head"),
    ]
    found = Measurements([made_up(steps=rows)])
    places = found.steps[["layer", "step", "place"]].itertuples(index=False, name=None)
    assert list(places) == [
        *((1, "aggregation", 0.5), (1, "activation", 1.0)),
        *((2, "aggregation", 1.5), (2, "activation", 2.0)),
        *((3, "aggregation", 2.5), (3, "activation", 3.0)),
        *((4, "projection", 3.5), (4, "aggregation", 4.0)),
    ]
    # Layers 2 and 3: aggregation −1 and −3, activation +2 and 0.
    changes = found.steps.groupby("step")["change"].mean().dropna()
    assert dict(changes) == pytest.approx({"aggregation": -2, "activation": 1})
    table = tables_of(found)[2]
    assert list(table.headings) == ["arm", "layers", "n", "aggregation", "activation", "projection"]
    assert [each.text for each in table.rows[0]] == ["a", "4", "1", "-2", "1", "–"]


def test_two_contents_of_one_name_are_not_measured_together() -> None:
    one, other = ({"name": "toy", "content_hash": letter * 64} for letter in "ab")
    same = [made_up(graph=one), made_up(seed=1, graph=one)]
    compare_data(same, allowed=False)
    mixed = [*same, made_up("b", graph=other)]
    with pytest.raises(
        RunError, match=r"^'b0' and others before it are of different data .*aaaaaaaa"
    ):
        compare_data(mixed, allowed=False)
    with pytest.warns(GsltWarning, match="of different data named 'toy'"):
        compare_data(mixed, allowed=True)


def test_a_profile_is_that_of_the_run(
    runs: Path, blocks: gslt.NodeDataset, tmp_path: Path, no_pictures: None
) -> None:
    found = by_label(
        measured(runs / "frozen3", runs / "trained", out=tmp_path / "out", data=blocks)
    )
    ticket = gslt.load_ticket(runs / "frozen3" / "ticket-seed1.safetensors")
    one = found["ticket, frozen source, F = 0.4", 3, 1]
    assert one.profile == profile(ticket.model(), blocks)
    assert one.test_accuracy == ticket.results["test"]
    summary = json.loads((runs / "trained" / "summary.json").read_text())
    weak = found["weak ticket, sparsity 0.5", 3, 0]
    assert weak.test_accuracy == summary["runs"][0]["test_accuracy"]
    # The ticket alone is the same network, which knows its data set by name only.
    path = runs / "frozen3" / "ticket-seed1.safetensors"
    (alone,) = measured(path, out=tmp_path / "out", data=blocks)
    assert alone.profile == one.profile
    with pytest.raises(RunError, match=r"was found on 'blocks .synthetic.', no known name"):
        smooth([path], tmp_path / "out", progress=False)


def test_untrained_is_epoch_0_of_the_search(
    runs: Path, blocks: gslt.NodeDataset, tmp_path: Path, no_pictures: None
) -> None:
    paths = (runs / "frozen3", runs / "trained")
    found = measured(*paths, out=tmp_path / "out", data=blocks, untrained=True)
    compared = 0
    for path in paths:
        lines = (path / "probe.jsonl").read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        for row in (row for row in rows if row["step"] == "layer" and row["epoch"] == 0):
            (one,) = (
                each
                for each in found
                if each.network.untrained
                and each.network.seed == row["seed"]
                and Path(each.network.path).parent == path
            )
            for name in DEFAULT_MEASURES:
                assert one.profile[name][row["layer"] - 1] == pytest.approx(row[name], rel=1e-6)
                compared += 1
    assert compared == 3 * 3 * 10
    trained = [each for each in found if not each.network.untrained]
    assert {row["epoch"] for each in trained for row in each.search} == {0, 1, 2}
    last = {each.network.label: each.search[-1] for each in trained}
    assert all(row["layer"] == 3 and row["epoch"] == 2 for row in last.values())


def test_a_source_alone(blocks: gslt.NodeDataset, tmp_path: Path, no_pictures: None) -> None:
    config = SourceConfig(hidden_channels=6, architecture="gcn", freezing_ratio=0.4, seed=3)
    said: list[str] = []
    found = measured(
        out=tmp_path / "out", data=blocks, source=config, depths=[2, 4], runs=2, say=said.append
    )
    places = [(each.network.depth, each.network.seed) for each in found]
    assert places == [(2, 3), (2, 4), (4, 3), (4, 4)]
    model = gslt.GNN(8, 3, dataclasses.replace(config, num_layers=4), get_backend("pyg"))
    gslt.freeze(model, dataclasses.replace(config, seed=4))
    assert found[3].profile == profile(model, blocks)
    assert "frozen source, F = 0.4, untrained" in said[0]
    assert (
        "Laplacian of the propagation: GCN: augmented"
        in (tmp_path / "out" / "smooth.md").read_text()
    )


def test_a_source_of_sparsity_0_is_where_training_begins(
    blocks: gslt.NodeDataset, tmp_path: Path, no_pictures: None
) -> None:
    config = SourceConfig(hidden_channels=6, num_layers=3, sparsity=0.0, weight_init="ku")
    (source,) = measured(out=tmp_path / "out", data=blocks, source=config)
    training = gslt.TrainConfig(**SMALL, num_layers=3)
    path = tmp_path / "run"
    with gslt.RunFolder(path, training, {"dataset": NAME}) as folder:
        gslt.train(blocks, training, progress=False, folder=folder)
    _, start = measured(path, out=tmp_path / "out", data=blocks, untrained=True)
    for name, values in source.profile.items():
        assert values == pytest.approx(start.profile[name], rel=1e-5)
    assert start.network.label == "weight training, untrained"


def test_only_some_measures(
    runs: Path, blocks: gslt.NodeDataset, tmp_path: Path, no_pictures: None
) -> None:
    chosen = ["effective_rank", "mad_gap"]
    (one, _) = measured(runs / "frozen3", out=tmp_path / "out", data=blocks, measures=chosen)
    assert list(one.profile) == ["effective_rank", "mad_gap"]
    assert set(one.endpoints) == {"effective_rank", "effective_rank_slope"}
    assert "log_quotient" not in layer_rows(one.profile)[0]
    header = (tmp_path / "out" / "smooth.md").read_text().splitlines()[2]
    assert header == "| arm | layers | n | test accuracy (%) | effective rank |"
    with pytest.raises(ConfigError, match="measures must be one of dirichlet_energy"):
        measured(runs / "frozen3", out=tmp_path / "out", data=blocks, measures=["energy"])
    with pytest.raises(ConfigError, match="name at least one of the measures dirichlet_energy"):
        measured(runs / "frozen3", out=tmp_path / "out", data=blocks, measures=[])


def test_studies(
    blocks: gslt.NodeDataset, tmp_path: Path, no_pictures: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gslt.studies.execute.load_dataset", lambda *a, **k: blocks)
    study = Study(
        name="s",
        seeds=2,
        settings={**SMALL, "dataset": NAME, "smoothness": True, "num_layers": [2, 3]},
        arms={"frozen": {"freezing_ratio": [0.2, 0.4]}, "trained": {"method": "train"}},
    )
    folder = StudyFolder(tmp_path / "study")
    run_study(study, folder, Here(folder), progress=False)
    plain = Study(name="unmeasured", seeds=1, settings={**SMALL, "dataset": NAME}, arms={"d": {}})
    folder.add(plain)
    said: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr("gslt.oversmoothing.measuring._measured", None)
        found = smooth([folder.path], tmp_path / "o", progress=False, say=said.append).networks
    assert any("unmeasured: 1 of 1 runs are left out" in line for line in said)
    arms = list(dict.fromkeys(each.network.label for each in found))
    assert arms == ["frozen, freezing ratio 0.2", "frozen, freezing ratio 0.4", "trained"]
    assert len(found) == 12
    for each in found:
        record = each.network.record
        assert record is not None
        assert each.profile == record.profile
    # Steps are in no record; the layers are measured anew, with the same numbers.
    stepped = smooth([folder.path], tmp_path / "o", steps=True, progress=False).networks
    assert all(each.steps and each.environment is None for each in stepped)
    assert [each.profile for each in stepped] == [each.profile for each in found]
    # Where run folders are elsewhere, records do.
    (folder.path / "runs").rename(tmp_path / "elsewhere")
    recorded = smooth([folder.path], tmp_path / "o", progress=False).networks
    assert [each.profile for each in recorded] == [each.profile for each in found]
    lacking: list[str] = []
    options: dict[str, Any] = {"progress": False, "say": lacking.append}
    both = smooth([folder.path], tmp_path / "o", steps=True, measures=["mad", "mad_gap"], **options)
    assert [list(each.profile) for each in both.networks] == [["mad"]] * 12
    assert "12 networks have a record but no run folder, and records have no mad_gap, steps" in (
        lacking
    )
    assert any(line.startswith("no picture of the steps: records hold none") for line in lacking)
    with pytest.raises(RunError, match="nothing to measure: a record has no mad_gap, and there is"):
        smooth([folder.path], tmp_path / "o", measures=["mad_gap"], **options)
    smooth([folder.path], tmp_path / "o", progress=False)
    values = json.loads((tmp_path / "o" / "smooth.json").read_text())
    assert values["networks"][0]["environment"]["versions"]["gslt"] == gslt.__version__
    with pytest.raises(RunError, match="nothing to measure"):
        measured(folder.path, out=tmp_path / "o", data=dataclasses.replace(blocks, name="other"))


def test_a_damaged_file_is_left_out(
    runs: Path, blocks: gslt.NodeDataset, tmp_path: Path, no_pictures: None
) -> None:
    shutil.copytree(runs / "frozen2", tmp_path / "run")
    with (tmp_path / "run" / "ticket-seed0.safetensors").open("r+b") as file:
        file.seek(300)
        file.write(b"damage")
    said: list[str] = []
    found = measured(tmp_path / "run", out=tmp_path / "out", data=blocks, say=said.append)
    assert [each.network.seed for each in found] == [1]
    assert "damaged" in said[0]
    assert said[0].endswith("it is left out")


def test_one_that_does_not_fit_loses_nothing_else(
    runs: Path,
    blocks: gslt.NodeDataset,
    tmp_path: Path,
    no_pictures: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wide = dataclasses.replace(blocks, name="wide", x=torch.cat([blocks.x, blocks.x], dim=1))
    config = gslt.TrainConfig(**SMALL, num_layers=3)
    with gslt.RunFolder(tmp_path / "wide", config, {"dataset": "wide"}) as folder:
        gslt.train(wide, config, progress=False, folder=folder)
    paths, said = [runs / "trained", tmp_path / "wide", runs / "frozen3"], []
    found = smooth(paths, tmp_path / "o", dataset=blocks, progress=False, say=said.append)
    assert [each.network.run for each in found.networks] == [paths[0], paths[2], paths[2]]
    assert "do not fit blocks" in said[0]
    assert said[0].endswith("it is left out")

    def load(name: str, root: Any = None, *, split: int = 0) -> gslt.NodeDataset:
        if name == NAME:
            raise DataError("it is not on disk")
        return wide

    monkeypatch.setattr("gslt.studies.execute.load_dataset", load)
    monkeypatch.setattr("gslt.studies.execute.file_stamps", lambda *_: ("another file",))
    said.clear()
    (one,) = smooth(paths, tmp_path / "o", progress=False, say=said.append).networks
    assert one.network.run == paths[1]
    assert said[0] == "it is not on disk; 3 networks are left out"
    with pytest.raises(RunError, match="there is nothing to measure: it is not on disk"):
        smooth(paths[:1], tmp_path / "o", progress=False)


def probe_row(**values: Any) -> bytes:
    row = {"seed": 0, "epoch": 1, "layer": 1, "module": "", "step": "layer", "width": 1, **values}
    return json.dumps(row).encode()


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (b"{", False),
        (b"[]", False),
        (b"\xff", False),
        (b"[" * 100_000, False),
        (b'{"seed": 0, "step": "layer"}', False),
        (probe_row(layer="1"), False),
        (probe_row(mad="x"), False),
        (probe_row(mad=math.nan), False),
        (probe_row(arm="x"), True),
    ],
)
def test_rows_of_a_probe_that_cannot_be_read_are_said(
    line: bytes, kept: bool, runs: Path, blocks: gslt.NodeDataset, tmp_path: Path, no_pictures: None
) -> None:
    shutil.copytree(runs / "trained", tmp_path / "run")
    probe = tmp_path / "run" / "probe.jsonl"
    (before,) = measured(tmp_path / "run", out=tmp_path / "out", data=blocks)
    probe.write_bytes(probe.read_bytes() + line + b"\n")
    said: list[str] = []
    (found,) = measured(tmp_path / "run", out=tmp_path / "out", data=blocks, say=said.append)
    assert len(found.search) == len(before.search) + kept
    assert all("arm" not in row for row in found.search)
    told = [text for text in said if "rows are no measurements, and left out" in text]
    assert len(told) == (not kept)


def test_what_is_no_file_in_the_place_of_a_probe_is_said(
    runs: Path, blocks: gslt.NodeDataset, tmp_path: Path, no_pictures: None
) -> None:
    shutil.copytree(runs / "trained", tmp_path / "run")
    (tmp_path / "run" / "probe.jsonl").unlink()
    (tmp_path / "run" / "probe.jsonl").mkdir()
    said: list[str] = []
    (found,) = measured(tmp_path / "run", out=tmp_path / "out", data=blocks, say=said.append)
    assert found.search == []
    assert any("probe.jsonl' is damaged or no file of a probe" in text for text in said)
