"""What a report says of one study: sentences, leaderboard, figure, and studies that ran."""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import json
import math
import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from fabricated import fabricated
from small_reports import ARMS, of_study, report, three_seeds

import gslt
from gslt.config import Preset
from gslt.errors import RunError
from gslt.report import write_report
from gslt.report.study import StudyReport
from gslt.studies import execute
from gslt.studies.execute import run_study
from gslt.studies.presets import preset
from gslt.studies.records import StudyFolder
from gslt.studies.study import GridCell, Study

# Tables


def test_facts_of_arms_that_differ_in_architecture(tmp_path: Path) -> None:
    shared = {"num_layers": 3, "hidden_channels": 8, "epochs": 5}
    arms = {"gin": {"architecture": "gin"}, "gcn": {"architecture": "gcn"}}
    study = Study(name="s", arms=arms, seeds=1, settings=shared)
    assert of_study(tmp_path, study, lambda _: 0.5).facts == "3 layers, width 8, 5 epochs"


def test_a_line_of_ogbs_leaderboard_by_hand(tmp_path: Path) -> None:
    """Ten seeds on OGBN-Arxiv: 0.700, 0.702, …; nine of the other arm are too few."""
    arms = {"trained": {"method": "train"}, "few": {"method": "train", "lr": 0.5}}
    settings = {"hidden_channels": 10, "dataset": "ogbn-arxiv"}
    study = Study(name="two", title="Two", settings=settings, arms=arms, seeds=10)
    folder = StudyFolder(tmp_path / "studies")
    folder.add(study)

    def write(name: str) -> dict[str, str]:
        for cell in study.cells:
            found = fabricated(cell.spec, 0.7 + 0.002 * cell.spec.config.seed)
            graph = {**found.graph, "name": name, "synthetic": False}
            if cell.arm == "trained" or cell.spec.config.seed < 9:
                folder.write(dataclasses.replace(found, graph=graph))
        return report(folder)[0]

    lines = write("ogbn-arxiv")["tables/two/leaderboard.txt"].splitlines()
    assert lines[0].startswith("Method | Ext. data | Test Accuracy | Validation Accuracy | #Params")
    # Of 0, 0.002, … 0.018 the mean is 0.009 and the unbiased variance 82.5 / 9 · 4e-6.
    machine = "Made-up OS, 2 cores, 1 thread, gslt 0.0.0, torch 9.9"
    assert lines[1:] == [f"trained | No | 0.7090 ± 0.0061 | 0.7190 ± 0.0061 | 1,000 | {machine}"]
    assert "tables/two/leaderboard.txt" not in write("ogbn_arxiv (another graph of 9 nodes)")


def test_lost_layers_are_named_below_tables_and_figure(tmp_path: Path) -> None:
    weak = {"method": "train", "mask_sparsity": [0.9, 0.99]}
    study = Study(name="s", x="mask_sparsity", seeds=2, arms={"weak": weak, "other": {}})
    folder = StudyFolder(tmp_path / "studies")
    folder.add(study)
    for cell in study.cells:
        lost = 2 * (cell.axes.get("mask_sparsity") == 0.99) + cell.spec.config.seed
        lost *= cell.arm == "weak" and cell.axes["mask_sparsity"] == 0.99
        folder.write(fabricated(cell.spec, 0.5, emptied_layers=lost, least_layer_density=0.0))
    found = StudyReport(folder.results(study))
    assert found.collapsed == ["weak, mask sparsity 0.99 (2.5)"]
    sentence = "in the mean of so many layers: group weak, mask sparsity 0.99 (2.5)"
    assert sentence in found.summary.markdown()
    caption = found.figure().texts[-1].get_text().replace("\n", " ")
    assert sentence in caption


def test_a_report_of_the_last_epoch_says_so(folder: StudyFolder) -> None:
    """Test accuracy is 2 points lower there, validation 1 point, training 3 points higher."""
    write_report(folder, epoch="last")
    tables = folder.path / "tables" / "two"
    text = (tables / "summary.md").read_text("utf-8")
    assert "| 60.00 ± 1.73 | 61.00 ± 1.73 | 65.00 ± 1.73 | 3 |" in text
    assert "at the last epoch." in text
    # The one ticket that is kept is of the best epoch.
    sentence = "Sizes, densities and lost layers are those of the ticket of the best epoch"
    assert sentence in text
    (study,) = folder.studies()
    for epoch, told in (("last", True), ("best", False)):
        found = StudyReport(folder.results(study), epoch=epoch)  # type: ignore[arg-type]
        assert (sentence in found.figure().texts[-1].get_text().replace("\n", " ")) is told
    assert "Test accuracy at the last epoch." in (tables / "comparisons.md").read_text("utf-8")
    best, _ = report(folder)
    assert "at the epoch of the best validation accuracy." in best["tables/two/summary.md"]
    assert "last epoch" not in best["tables/two/summary.md"]
    assert "ticket of the best epoch" not in best["tables/two/summary.md"]


def test_runs_without_a_last_epoch_are_left_out_of_its_report(folder: StudyFolder) -> None:
    (study,) = folder.studies()
    for number, spec in enumerate(study.runs.values()):
        record = fabricated(spec, 0.5)
        for name in [n for n in record.measured if n.startswith("last_")]:
            if number:
                del record.measured[name]
        folder.write(record)
    write_report(folder, epoch="last")
    text = (folder.path / "tables" / "two" / "summary.md").read_text("utf-8")
    assert "Left out: 5 runs of an older gslt, which kept nothing of the last epoch." in text
    assert "| 48.00 | 49.00 | 53.00 | 1 |" in text
    first = fabricated(next(iter(study.runs.values())), 0.5)
    first.measured["last_test_accuracy"] = None
    folder.write(first)
    with pytest.raises(RunError, match="no record with accuracies at the last epoch"):
        write_report(folder, epoch="last")


def test_csv_has_full_precision(folder: StudyFolder) -> None:
    texts, _ = report(folder)
    trained, frozen = csv.DictReader(io.StringIO(texts["tables/two/summary.csv"]))
    assert float(frozen["test_accuracy"]) == pytest.approx(0.62, abs=1e-15)
    assert float(frozen["test_accuracy_std"]) == pytest.approx(math.sqrt(0.0003), abs=1e-15)
    assert (frozen["n"], frozen["seeds"], frozen["prune_ratio"]) == ("3", "0 1 2", "0.2")
    assert (trained["prune_ratio"], trained["file_bytes"]) == ("", "")
    assert trained["hardware"].startswith("Made-up OS")
    runs = list(csv.DictReader(io.StringIO(texts["tables/two/runs.csv"])))
    assert [float(run["test_accuracy"]) for run in runs if run["arm"] == "frozen source"] == [
        0.61, 0.61, 0.64,
    ]  # fmt: skip
    assert len({run["identity"] for run in runs}) == 6
    (pair,) = csv.DictReader(io.StringIO(texts["tables/two/comparisons.csv"]))
    # Differences 0.09, 0.11, 0.10: all of one sign, 2 of 8.
    assert float(pair["difference"]) == pytest.approx(0.1)
    assert (pair["pairs"], pair["p_pairs"], pair["least_p_pairs"]) == ("3", "0.25", "0.25")
    assert 0.089 < float(pair["low"]) < 0.1 < float(pair["high"]) < 0.111


def test_a_lead_of_the_two_best_of_several_says_that_they_were_chosen(
    folder: StudyFolder, tmp_path: Path
) -> None:
    two = StudyReport(folder.results(folder.studies()[0])).answer
    assert "The first is 10.00 points above the second (95 % interval" in two
    assert two.endswith("3 pairs).")
    arms = {**ARMS, "dense source": {}}
    study = Study(name="three", settings={"hidden_channels": 10}, arms=arms)
    found = of_study(tmp_path / "three", study, three_seeds).answer
    assert found.endswith("pairs; not corrected for the choice of these two by the same runs).")


def test_arms_on_different_data_have_no_order(tmp_path: Path) -> None:
    """Validation accuracies of two graphs would pick the easier one for every arm."""
    arms: dict[str, Any] = {
        "a": {"dataset": ["cora", "citeseer"]},
        "b": {"dataset": ["cora", "citeseer"], "weight_init": "ku"},
        "c": {"dataset": "pubmed", "lr": [0.1, 0.2]},
    }
    known = {"cora": 0.8, "citeseer": 0.6, "pubmed": 0.7}
    study = Study(name="s", arms=arms, seeds=1)
    folder = StudyFolder(tmp_path)
    folder.add(study)
    for cell in study.cells:
        test = known[cell.spec.dataset] + 0.01 * (cell.arm == "b") + 0.1 * cell.axes.get("lr", 0)
        graph = {"name": cell.spec.dataset}
        folder.write(dataclasses.replace(fabricated(cell.spec, test), graph=graph))
    assert StudyReport(folder.results(study)).answer == (
        "Found, by test accuracy, each data set by itself. On cora – b: 81.00 %; a: 80.00 %. "
        "On citeseer – b: 61.00 %; a: 60.00 %. On pubmed – c, lr 0.2: 72.00 %."
    )


def test_splits_of_one_graph_have_sentences_of_their_own(tmp_path: Path) -> None:
    study = Study(name="s", arms={"a": {"split": [0, 1], "lr": [0.1, 0.2]}}, seeds=1)
    report = of_study(tmp_path, study, lambda cell: 0.5 + 0.1 * cell.spec.split)
    assert report.answer.endswith(
        "On toy (synthetic), split 0 – a, lr 0.1: 50.00 %. "
        "On toy (synthetic), split 1 – a, lr 0.1: 60.00 %."
    )


def test_graphs_of_one_name_are_told_apart_by_their_path(tmp_path: Path) -> None:
    paths = {"one/graph.npz": "a", "two/graph.npz": "b", "three/graph.npz": "b"}
    study = Study(name="s", arms={"a": {"dataset": list(paths)}}, seeds=1)
    folder = StudyFolder(tmp_path)
    folder.add(study)

    def write(contents: dict[str, str]) -> StudyReport:
        for cell in study.cells:
            facts = {"content_hash": contents[cell.spec.dataset] * 64, "test_majority_rate": 0.5}
            graph = {"name": "graph", "nodes": 10, **facts}
            folder.write(dataclasses.replace(fabricated(cell.spec, 0.5), graph=graph))
        return StudyReport(folder.results(study))

    report = write(paths)
    assert report.summary.title == f"s on {', '.join(f'graph in {path}' for path in paths)}"
    assert report.graphs == [f"graph in {path}: 10 nodes" for path in paths]
    assert report.majority.count("graph in") == 3
    # One content under three paths is one graph.
    same = write(dict.fromkeys(paths, "a"))
    assert (same.results.dataset, same.graphs) == ("graph", ["graph: 10 nodes"])


def test_a_study_of_images_says_how_narrow_and_of_how_many_images(tmp_path: Path) -> None:
    settings = {"architecture": "conv6", "width": 0.125, "epochs": 8}
    study = Study(name="s", settings=settings, arms={"ticket": {}}, seeds=2)
    (folder := StudyFolder(tmp_path)).add(study)
    graph = {"name": "tiny", "images": 6000, "train": 4000, "val": 1000, "test": 1000}
    graph["test_majority_rate"] = 0.1
    for spec in study.runs.values():
        folder.write(dataclasses.replace(fabricated(spec, 0.5), graph=graph))
    report = StudyReport(folder.results(study))
    assert report.facts == "CONV6, width × 0.125, 8 epochs, 4,000 training images"
    notes = " ".join(report.summary.notes)
    assert "same answer for every image reaches (the training images' most frequent" in notes
    assert "node" not in notes


# What is not there


# Figures


def smooth(cell: GridCell) -> float:
    """Accuracies with a peak, a little apart by arm and seed."""
    spec = cell.spec
    number = sum(map(ord, cell.arm)) % 7
    sparsity = getattr(spec.config, "sparsity", 0.3)
    width = 0.01 * math.log2(spec.config.hidden_channels or 16)
    return 0.6 + width - 0.3 * (sparsity - 0.4) ** 2 + 0.004 * number + 0.003 * spec.config.seed


def texts_of(figure: Any) -> list[Any]:
    """The labels of lines: what is written by the axes, and not their ticks and titles."""
    return [text for axes in figure.axes for text in axes.texts]


@pytest.mark.parametrize("name", get_args(Preset))
def test_labels_of_every_preset_stand_apart_and_in_the_picture(
    name: Preset, tmp_path: Path
) -> None:
    for size in ("quick", "standard"):
        found = of_study(tmp_path / size, preset(name, size), smooth)
        figure = found.figure()
        figure.draw_without_rendering()
        boxes = {text.get_text(): [] for text in texts_of(figure)}
        assert boxes
        for axes in figure.axes:
            extents = [text.get_window_extent() for text in axes.texts]
            for one, other in itertools.combinations(extents, 2):
                assert not one.overlaps(other)
            for extent in extents:
                assert extent.x0 >= 0
                assert extent.x1 <= figure.bbox.x1 + 1
                assert extent.y0 >= 0
                assert extent.y1 <= figure.bbox.y1
        if found.groups.x and not found.constructed:
            for axes, groups in zip(figure.axes, found.groups.panels.values(), strict=True):
                written = {text.get_text() for text in axes.texts}
                arms = set(groups["arm"])
                assert {arm for arm in arms if any(t.startswith(arm) for t in written)} == arms


def test_lines_levels_and_bands_by_hand(tmp_path: Path) -> None:
    arms = {"weight training": {"method": "train"}, "ticket": {"sparsity": [0.2, 0.5, 0.8]}}

    def accuracy(cell: GridCell) -> float:
        return cell.axes.get("sparsity", 0.7) + (-0.01, 0.01)[cell.spec.config.seed]

    found = of_study(tmp_path, Study(name="s", title="T", arms=arms, seeds=2), accuracy)
    assert found.groups.x == "sparsity"
    figure = found.figure()
    (axes,) = figure.axes
    level, line = (each for each in axes.lines if each.get_linestyle() in ("-", "--"))
    assert level.get_linestyle() == "--"
    assert list(level.get_ydata()) == pytest.approx([70.0, 70.0])
    assert list(line.get_xdata()) == [0.2, 0.5, 0.8]
    assert list(line.get_ydata()) == pytest.approx([20.0, 50.0, 80.0])
    # Deviations of ∓1 point around the mean: an unbiased variance of 2.
    (band,) = axes.collections
    heights = {round(y, 6) for x, y in band.get_paths()[0].vertices if x == 0.5}
    assert heights == {round(50 - math.sqrt(2), 6), round(50 + math.sqrt(2), 6)}
    assert axes.get_ylabel() == "test accuracy (%)"
    assert "synthetic" in figure.get_suptitle()


def test_sizes_have_a_logarithmic_axis(tmp_path: Path) -> None:
    arms = {
        "weight training": {"method": "train", "hidden_channels": [8, 16]},
        "ticket": {"freezing_ratio": [0.0, 0.5]},
    }
    study = Study(name="s", x="model_bytes", settings={"hidden_channels": 16}, arms=arms)
    found = of_study(tmp_path, study, smooth)
    (axes,) = found.figure().axes
    assert axes.get_xscale() == "log"
    trained, ticket = found.groups.lines(found.groups.frame, "model_bytes")
    # 10 · width² weights of 4 bytes, or a bit for each that is searched, in kB.
    assert found.groups.place("model_bytes", trained.groups) == [2560, 10240]
    assert found.groups.place("model_bytes", ticket.groups) == [160, 320]
    drawn = [list(each.get_xdata()) for each in axes.lines if each.get_linestyle() == "-"]
    assert drawn == [[2.56, 10.24], [0.16, 0.32]]


def test_names_on_the_axis(tmp_path: Path) -> None:
    arms = {
        "ticket": {"weight_init": ["skc", "ku"]},
        "sparse": {"weight_init": ["skc", "ku"], "sparsity": 0.9},
    }
    found = of_study(tmp_path, Study(name="s", arms=arms, seeds=1), smooth)
    figure = found.figure()
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["skc", "ku"]


def test_odd_names_and_axes_are_drawn(tmp_path: Path) -> None:
    names = ("$\\no$", "_hidden", "%s {x} \\alpha", "very long " * 12, "two\nlines")
    arms = {name: {"sparsity": [0.2, 0.5], "lr": 0.1 + n} for n, name in enumerate(names)}
    study = Study(name="s", title="$ & " * 40, seeds=1, arms=arms)
    figure = of_study(tmp_path / "a", study, smooth).figure()
    figure.draw_without_rendering()
    written = [text.get_text() for text in texts_of(figure)]
    assert [text[:5] for text in written] == ["\\$\\no", "_hidd", "%s {x", "very ", "two l"]
    assert max(map(len, written)) <= 44
    assert figure.axes[0].bbox.width > 0.3 * figure.bbox.width
    # A column that no run has is no axis: every place of an arm is a dot.
    study = Study(name="s", x="nonsense", seeds=1, arms={"a": {"batch_norm": [True, False]}})
    found = of_study(tmp_path / "b", study, smooth)
    assert found.groups.x == ""
    ticks = [text.get_text() for text in found.figure().axes[0].get_yticklabels()]
    assert ticks == ["a, batch norm True", "a, batch norm False"]
    study = Study(name="s", seeds=1, arms={"a": {"batch_norm": [True, False]}})
    axes = of_study(tmp_path / "c", study, smooth).figure().axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["True", "False"]


def test_without_an_axis_arms_are_dots(folder: StudyFolder) -> None:
    found = StudyReport(folder.results(folder.studies()[0]))
    assert found.groups.x == ""
    (axes,) = found.figure().axes
    assert [text.get_text() for text in axes.get_yticklabels()] == [
        "weight training",
        "frozen source",
    ]
    assert [text.get_text() for text in texts_of(axes.figure)] == ["72.00 ± 2.00", "62.00 ± 1.73"]
    assert axes.get_xlabel() == "test accuracy (%)"


def test_pictures_are_pictures(folder: StudyFolder) -> None:
    from matplotlib.image import imread

    write_report(folder)
    image = imread(folder.path / "figures" / "two" / "accuracy.png")
    assert image.shape[1] > 900
    assert 0.01 < (image[..., :3].min(axis=-1) < 0.9).mean() < 0.5
    svg = (folder.path / "figures" / "two" / "accuracy.svg").read_text()
    assert svg.count("<path") > 20
    assert not re.findall(r"(?:href|src)=\"http", svg)


# The whole way


def test_a_study_that_ran(
    blocks: gslt.NodeDataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(execute, "dataset_of", lambda *_: blocks)
    quick = preset("freezing", "quick").values
    settings = {**quick["settings"], "num_layers": 2, "hidden_channels": 8, "epochs": 3}
    study = Study(**{**quick, "settings": settings})
    folder = StudyFolder(tmp_path / "quick")
    summary = run_study(study, folder, progress=False)
    assert (summary.computed, summary.failures) == (len(study.runs), {})
    texts, said = report(folder)
    assert said == [f"{study.name}: {len(study.runs)} of {len(study.runs)} runs, 4 of 4 arms"]
    assert "blocks (synthetic)" in texts["report.html"]
    rows = list(csv.DictReader(io.StringIO(texts[f"tables/{study.name}/runs.csv"])))
    assert len(rows) == len(study.cells)
    for row in rows:
        stored = json.loads(folder.record_path(row["identity"]).read_text())
        assert float(row["test_accuracy"]) == stored["measured"]["test_accuracy"]
    assert yaml.safe_load(study.to_yaml())["arms"].keys() == {row["arm"] for row in rows}


# Files of others


# Constructions


def test_the_price_of_freezing_by_hand(tmp_path: Path) -> None:
    arms = {
        "dense source": {},
        "sparse source": {"freezing_ratio": 0.5, "prune_share": 1.0},
        "frozen source": {"freezing_ratio": [0.25, 0.5], "prune_share": 0.5},
    }
    settings = {"method": "construct", "target": ["gin", "mlp"], "epsilon": [0.1, 0.01]}
    study = Study(name="s", title="T", seeds=2, settings=settings, arms=arms, panel="target")
    found = of_study(tmp_path, study, lambda cell: 0.5)
    assert found.constructed
    figure = found.figure()
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "gin on toy (synthetic)",
        "mlp on toy (synthetic)",
    ]
    axes = figure.axes[0]
    solid = [line for line in axes.lines if line.get_marker() == "o"]
    # The width that was built: dense, and with a quarter and a half of the weights frozen.
    assert solid[0].get_xdata().tolist() == pytest.approx([0.0, 0.25, 0.5])
    assert solid[0].get_ydata().tolist() == pytest.approx([100, 178, 400])
    sparse = [line for line in axes.lines if line.get_marker() == "s"]
    assert sparse[0].get_xdata().tolist() == [0.5]
    # Pruned alone, a half of both matrices of a pair is missing: four times the dense width.
    dotted = [line for line in axes.lines if line.get_linestyle() == ":"]
    ends = sorted(line.get_ydata()[-1] for line in dotted if len(line.get_xdata()) == 60)
    assert ends == pytest.approx([100 / 0.5 / 0.75, 100 / 0.5 / 0.5])
    table = found.summary
    assert "ticket, test (%)" in table.headings
    row = {head: cell.text for head, cell in zip(table.headings, table.rows[0], strict=True)}
    assert row["kept / locked / pruned"] == "5,000 / 0 / 0"
    assert row["equivariance defect"] == "1.0e-15"
    assert not len(found.comparisons)
    assert "at the epoch" not in " ".join(table.notes)


def test_searches_and_constructions_in_one_study(tmp_path: Path) -> None:
    arms = {
        "ticket": {"sparsity": [0.2, 0.5]},
        "trained": {"method": "train"},
        "constructed": {"method": "construct", "target": "mlp", "dataset": "digits"},
    }
    study = Study(name="s", title="T", seeds=2, settings={"dataset": "toy"}, arms=arms)
    found = of_study(tmp_path, study, lambda cell: 0.5 + 0.1 * cell.spec.config.seed)
    assert not found.constructed
    assert found.figure().axes
    rows = {row[0].text: row for row in found.summary.rows}
    assert rows.keys() == {"ticket", "trained", "constructed"}
    # What a construction does not have is a dash; and its accuracy is no rival of a search's.
    assert "–" in {cell.text for cell in rows["constructed"]}
    assert set(found.comparisons["first"]) | set(found.comparisons["second"]) <= {
        "ticket",
        "trained",
    }
    assert found.texts
    assert found.data["groups"]
