"""gslt.compare: four arms on any data set, its table, what it goes on with, and what it refuses."""

from __future__ import annotations

import dataclasses
import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fabricated import fill
from images import stripes
from torch_geometric.data import Data

import gslt
from gslt.errors import ConfigError, DataError, DataWarning, RunError
from gslt.files import OutputFolder
from gslt.sources import Comparison, comparison, study_of
from gslt.sources.arms import DENSE, FROZEN, SPARSE, TRAINED
from gslt.sources.comparison import FILES
from gslt.studies import execute
from gslt.studies.records import StudyFolder
from gslt.studies.study import Study
from gslt.training.places import read_epochs

from .conftest import QUICK

ARMS = [TRAINED, DENSE, SPARSE, FROZEN]


def cells(found: Comparison) -> dict[str, dict[str, str]]:
    """Texts of the table by arm and heading, without what stands in brackets."""
    rows = (dict(zip(found.table.headings, row, strict=True)) for row in found.table.rows)
    return {row["method"].text: {name: cell.text for name, cell in row.items()} for row in rows}


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Networks of 1,000 weights with known accuracies in percent: 80, 82 · 70, 74 · …"""
    study = study_of(gslt.SourcesConfig(epochs=3, hidden_channels=10, seeds=2), "toy")
    first = {TRAINED: 0.8, DENSE: 0.7, SPARSE: 0.65, FROZEN: 0.6}
    apart = {TRAINED: 0.02, DENSE: 0.04, SPARSE: -0.01, FROZEN: 0.0}
    folder = fill(
        tmp_path_factory.mktemp("by_hand") / "out",
        study,
        lambda cell: first[cell.arm] + cell.spec.config.seed * apart[cell.arm],
    )
    return Comparison.of(folder, study)


def test_the_table_by_hand(by_hand: Comparison) -> None:
    found = cells(by_hand)
    # 80 and 82: mean 81, unbiased deviation √2.
    assert found[TRAINED]["test accuracy (%)"] == "81.00 ± 1.41"
    assert found[DENSE]["test accuracy (%)"] == "72.00 ± 2.83"
    assert found[FROZEN]["test accuracy (%)"] == "60.00 ± 0.00"
    assert {row["n"] for row in found.values()} == {"2"}
    assert [row["search window"] for row in found.values()] == [
        "–",
        "0.00 – 1.00, middle",
        "0.40 – 1.00, middle",
        "0.20 – 0.80, middle",
    ]
    assert [found[arm]["sparsity (density)"] for arm in (DENSE, SPARSE, FROZEN)] == [
        "0.50 (0.50)",
        "0.70 (0.30)",
        "0.50 (0.50)",
    ]
    assert [row["mask (bits)"] for row in found.values()] == ["–", "1,000", "600", "600"]
    # 125 and 75 bytes of mask, 1,000 of header; 4,000 bytes of weights.
    assert [row["ticket file (bytes)"] for row in found.values()] == [
        "–",
        "1,125",
        "1,075",
        "1,075",
    ]
    assert [row["× smaller (mask)"] for row in found.values()] == ["1.0", "32.0", "53.3", "53.3"]
    assert [row["× smaller (file)"] for row in found.values()] == ["1.0", "3.6", "3.7", "3.7"]
    assert "4,000 bytes of the network's float32 weights" in by_hand.markdown()
    assert "Synthetic graph" in by_hand.markdown()


def test_the_differences_by_hand(by_hand: Comparison) -> None:
    values = {(each["first"], each["second"]): each for each in by_hand.values["differences"]}
    apart = values[FROZEN, SPARSE]
    assert apart["by_seed"] == pytest.approx([-5, -4])
    assert apart["points"] == pytest.approx(-4.5)
    assert "low" not in apart, "two seeds have no interval"
    assert not any(each["is_order"] for each in values.values())
    assert by_hand.message[0] == (
        "The frozen source's ticket is below the sparse source's ticket in all 2 seeds, by 4.50 "
        "points (-5.00 to -4.00)."
    )
    assert str(by_hand).endswith(by_hand.message[-1])


def test_without_run_folders_there_are_no_curves(by_hand: Comparison, tmp_path: Path) -> None:
    assert len(by_hand.curves) == 0
    assert len(by_hand.plot().axes) == 1
    written = by_hand.write(StudyFolder(tmp_path / "out"))
    assert [path.name for path in written] == list(FILES[:-1])


def test_the_table_is_that_of_the_records(made: tuple[Path, Comparison]) -> None:
    out, found = made
    paths = list((out / "records").iterdir())
    records = {path.stem: json.loads(path.read_text())["measured"] for path in paths}
    assert len(records) == 8
    table, by_arm = cells(found), found.frame().groupby("arm", sort=False)["identity"]
    assert list(by_arm.groups) == ARMS
    for arm, identities in by_arm:
        mine = [records[identity] for identity in identities]
        test = [100 * each["test_accuracy"] for each in mine]
        expected = f"{statistics.mean(test):.2f} ± {statistics.stdev(test):.2f}"
        assert table[arm]["test accuracy (%)"] == expected
        if arm == TRAINED:
            continue
        size = (out / "runs" / identities.iloc[0] / "ticket.safetensors").stat().st_size
        total = mine[0]["num_weights"]
        assert mine[0]["file_bytes"] == size
        assert table[arm]["mask (bits)"] == f"{mine[0]['searched']:,}"
        mean = statistics.mean(each["file_bytes"] for each in mine)
        assert table[arm]["× smaller (file)"] == f"{4 * total / mean:.1f}"


def test_its_files(made: tuple[Path, Comparison]) -> None:
    out, found = made
    assert set(FILES) <= set(OutputFolder(out, "study").names())
    values = json.loads((out / "summary.json").read_text())
    assert [arm["arm"] for arm in values["arms"]] == ARMS
    assert values["message"] == found.message
    assert values["metric"] == "accuracy"
    assert values["arms"][0]["file_bytes"] is None
    assert values["arms"][1]["n"] == 2
    assert (out / "table.md").read_text() == found.markdown() == found._repr_markdown_()
    for name in FILES[-2:]:
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    assert (out / "runs.csv").read_text().count("\n") == 9
    assert len(found.plot().axes) == 2
    assert len(found.curves) == 8 * QUICK["epochs"]


def test_what_is_there_is_not_computed_again(
    made: tuple[Path, Comparison], blocks: gslt.NodeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, found = made
    before = {name: (out / name).read_bytes() for name in FILES}
    with monkeypatch.context() as patch:
        patch.setattr(execute, "run_in_folder", None)
        again = gslt.compare(blocks, gslt.SourcesConfig(**QUICK), out=out, progress=False)
    assert str(again) == str(found)
    assert {name: (out / name).read_bytes() for name in FILES} == before


def test_more_seeds_are_added(
    blocks: gslt.NodeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds, usual = [], execute.run_in_folder

    def counted(run: Any, *rest: Any) -> Any:
        seeds.append(run.config.seed)
        return usual(run, *rest)

    monkeypatch.setattr(execute, "run_in_folder", counted)
    for number in (1, 2):
        config = gslt.SourcesConfig(**{**QUICK, "epochs": 1, "seeds": number})
        found = gslt.compare(blocks, config, out=tmp_path / "out", progress=False)
    assert seeds == [0] * 4 + [1] * 4
    assert {row["n"] for row in cells(found).values()} == {"2"}
    assert len(StudyFolder(tmp_path / "out").studies()) == 2


def test_nothing_is_kept_without_a_folder(
    blocks: gslt.NodeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = gslt.SourcesConfig(**{**QUICK, "epochs": 1, "seeds": 1})
    found = gslt.compare(blocks, config, progress=False)
    assert list(tmp_path.iterdir()) == []
    assert cells(found)[DENSE]["test accuracy (%)"].count("±") == 0
    assert found.message[-1].startswith("What one seed shows is not yet an order")
    assert len(found.curves) == 4


def test_a_path_and_a_metric(blocks: gslt.NodeDataset, tmp_path: Path) -> None:
    """ROC AUC of two classes, and of several labels a node, each from a file of the user's own."""
    even = (blocks.y % 2)[:, None]
    several = torch.cat([even, 1 - even], dim=1).float()
    kinds = {
        "two": {"y": blocks.y % 2, "num_classes": 2, "metric": "roc_auc"},
        "several": {"y": several, "num_classes": 2, "task": "multilabel", "metric": "roc_auc"},
    }
    for name, changes in kinds.items():
        path = tmp_path / f"{name}.safetensors"
        dataclasses.replace(blocks, **changes).save(path)
        config = gslt.SourcesConfig(**{**QUICK, "epochs": 2, "seeds": 1})
        found = gslt.compare(path, config, progress=False)
        assert "test ROC AUC (%)" in cells(found)[TRAINED]
        assert "test ROC AUC" in found.differences.title
        assert found.plot().axes[0].get_ylabel() == "test ROC AUC (%)"
        assert found.values["metric"] == "roc_auc"


def test_a_file_of_arrays(blocks: gslt.NodeDataset, tmp_path: Path) -> None:
    arrays = {name: getattr(blocks, name).numpy() for name in ("x", "y", "edge_index")}
    np.savez(tmp_path / "mine.npz", **arrays)
    config = gslt.SourcesConfig(**{**QUICK, "epochs": 1, "seeds": 1})
    with pytest.warns(DataWarning, match="there is no split of its own"):
        found = gslt.compare(tmp_path / "mine.npz", config, out=tmp_path / "out", progress=False)
    assert found.results.study.name.startswith("compare-mine-")
    assert list(cells(found)) == ARMS


def test_images() -> None:
    settings = {"architecture": "conv2", "width": 0.1, "epochs": 1, "seeds": 1}
    found = gslt.compare(stripes(), gslt.SourcesConfig(**settings), progress=False)
    assert "CONV2, width × 0.1, 1 epochs, 30 training images" in found.table.title
    assert "Learning rates: weight training 0.01, dense source 0.1" in found.markdown()
    assert list(cells(found)) == ARMS


def test_what_is_refused(blocks: gslt.NodeDataset, tmp_path: Path) -> None:
    config = gslt.SourcesConfig(**QUICK)
    with pytest.raises(ConfigError, match="takes a SourcesConfig, got a SearchConfig"):
        gslt.compare(blocks, gslt.SearchConfig())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="leave workers out, or give a path"):
        gslt.compare(blocks, config, workers=2)
    with pytest.raises(ConfigError, match="is a set of images, and gin is a network of graphs"):
        gslt.compare(stripes(), config)
    with pytest.raises(ConfigError, match="did you mean cora"):
        gslt.compare("kora", config, dataset_dir=str(tmp_path))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("mine")
    with pytest.raises(RunError, match="not empty and was not made by gslt"):
        gslt.compare(blocks, config, out=tmp_path / "mine", progress=False)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_the_split_of_a_graph_of_another_library(
    blocks: gslt.NodeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(study: Study, *_: Any, given: gslt.NodeDataset, **__: Any) -> None:
        seen.append((study.settings["split"], given))
        raise RunError("enough")

    seen: list[tuple[int, gslt.NodeDataset]] = []
    monkeypatch.setattr(comparison, "check_study", stop)
    # In the second split training and test change places.
    first = {f"{name}_mask": mask for name, mask in blocks.splits.items()}
    second = {**first, "train_mask": blocks.test_mask, "test_mask": blocks.train_mask}
    masks = {name: torch.stack([first[name], second[name]], dim=1) for name in first}
    graph = Data(x=blocks.x, y=blocks.y, edge_index=blocks.edge_index, **masks)
    for split in (0, 1):
        with pytest.raises(RunError, match="enough"):
            gslt.compare(graph, split=split)
    assert [(split, data.split) for split, data in seen] == [(0, 0), (1, 1)]
    assert torch.equal(seen[0][1].train_mask, blocks.train_mask)
    assert torch.equal(seen[1][1].train_mask, blocks.test_mask)
    with pytest.raises(ConfigError, match="split must lie in 0 … 1"):
        gslt.compare(graph, split=2)
    with pytest.raises(ConfigError, match="with split 0 alone, and split is 3; load it with"):
        gslt.compare(blocks, split=3)
    with pytest.raises(ConfigError, match="Data is at hand; leave dataset_dir out"):
        gslt.compare(graph, dataset_dir="there")
    with pytest.raises(RunError, match="enough"):
        gslt.compare(dataclasses.replace(blocks, split=3), split=3)


def test_a_graph_too_small_for_a_split(blocks: gslt.NodeDataset) -> None:
    nodes = torch.arange(2)
    with pytest.raises(DataError, match="put at least one labelled node into every split"):
        gslt.as_dataset(
            gslt.as_dataset(blocks), train_mask=nodes[:1], val_mask=nodes[1:], test_mask=nodes[:0]
        )


def test_other_data_of_the_same_name_is_refused(
    made: tuple[Path, Comparison], blocks: gslt.NodeDataset
) -> None:
    other = dataclasses.replace(blocks, x=blocks.x + 1)
    with pytest.raises(RunError, match="are of other data than 'blocks"):
        gslt.compare(other, gslt.SourcesConfig(**QUICK), out=made[0], progress=False)


def test_a_table_that_was_changed_is_not_overwritten(
    made: tuple[Path, Comparison], blocks: gslt.NodeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = made[0] / "table.md"
    usual = table.read_bytes()
    table.write_text("mine")
    try:
        monkeypatch.setattr(execute, "run_in_folder", None)
        with pytest.raises(RunError, match="is not as gslt wrote it"):
            gslt.compare(blocks, gslt.SourcesConfig(**QUICK, seed=5), out=made[0], progress=False)
    finally:
        table.write_bytes(usual)


def test_a_run_that_fails_is_told(
    blocks: gslt.NodeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise gslt.GsltError("the loss became nan")

    monkeypatch.setattr(execute, "run_in_folder", fail)
    with pytest.raises(gslt.GsltError, match=r"8 runs failed \(the loss became nan\); the same"):
        gslt.compare(blocks, gslt.SourcesConfig(**QUICK), out=tmp_path / "out", progress=False)


def test_damaged_epochs_are_told(blocks: gslt.NodeDataset, tmp_path: Path) -> None:
    config = gslt.SourcesConfig(**{**QUICK, "epochs": 1, "seeds": 1})
    found = gslt.compare(blocks, config, out=tmp_path / "out", progress=False)
    path = tmp_path / "out" / "runs" / found.frame()["identity"].iloc[0]
    assert [row["epoch"] for row in read_epochs(path)] == [1]
    (path / "metrics.jsonl").write_text("{]\n")
    with pytest.raises(RunError, match=r"metrics\.jsonl"):
        Comparison.of(StudyFolder(tmp_path / "out"), found.results.study)


@pytest.mark.parametrize("workers", [0, -2, True, 1.5, "2", None])
def test_workers_that_are_no_number_are_refused(workers: Any, blocks: gslt.NodeDataset) -> None:
    with pytest.raises(ConfigError, match=r"^workers must be a whole number above 0, got"):
        gslt.compare(blocks, gslt.SourcesConfig(**QUICK), workers=workers)


def test_a_source_with_nothing_to_search_has_a_row(blocks: gslt.NodeDataset) -> None:
    config = gslt.SourcesConfig(**{**QUICK, "epochs": 1, "seeds": 1}, freezing_ratio=0.999)
    found = gslt.compare(blocks, config, progress=False)
    assert cells(found)[FROZEN]["search window"] == "nothing to search"
    assert cells(found)[DENSE]["search window"].endswith("middle")
