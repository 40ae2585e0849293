"""ROC AUC and several labels a node through the whole chain: search, ticket, run folder, study."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from fabricated import fabricated
from images import stripes

import gslt
from gslt.errors import ConfigError, GsltWarning, RunError
from gslt.report import write_report
from gslt.report.statistics import averages, compare_arms
from gslt.studies.columns import column
from gslt.studies.records import StudyFolder, frame
from gslt.studies.runs import Record, StudyResults
from gslt.studies.study import Study
from gslt.training.results import Epoch

SMALL = {"hidden_channels": 32, "num_layers": 2}


@pytest.fixture(scope="module")
def several(blocks: gslt.NodeDataset) -> gslt.NodeDataset:
    """A node has the label of its block, and a second one if its block is even: two are learnt."""
    y = torch.nn.functional.one_hot(blocks.y, blocks.num_classes).float()
    even = (blocks.y % 2 == 0).float()[:, None]
    rows = torch.cat([y, even], dim=1)
    return gslt.NodeDataset(
        name="several (synthetic)",
        x=blocks.x,
        edge_index=blocks.edge_index,
        y=rows,
        train_mask=blocks.train_mask,
        val_mask=blocks.val_mask,
        test_mask=blocks.test_mask,
        num_classes=rows.shape[1],
        synthetic=True,
        task="multilabel",
    )


@pytest.fixture(scope="module")
def binary(blocks: gslt.NodeDataset) -> gslt.NodeDataset:
    return dataclasses.replace(blocks, y=blocks.y % 2, num_classes=2, metric="roc_auc")


@pytest.mark.parametrize("metric", ["roc_auc", "micro_f1"])
def test_a_search_and_a_training_learn_several_labels(
    several: gslt.NodeDataset, metric: str, tmp_path: Path
) -> None:
    data = dataclasses.replace(several, metric=metric)
    config = gslt.SearchConfig(**SMALL, epochs=30, lr=0.05)  # type: ignore[arg-type]
    with gslt.RunFolder(tmp_path / "run", config) as folder:
        found = gslt.search(data, config, progress=False, folder=folder)
    majority = data.majority_rate()["test"]
    assert found.test_accuracy > majority + 0.2
    assert found.ticket is not None
    ticket = gslt.load_ticket(tmp_path / "run" / "ticket.safetensors")
    assert gslt.evaluate(ticket.model(), data)["test"] == found.test_accuracy
    assert ticket.results[f"test_{metric}"] == found.test_accuracy
    assert "test" not in ticket.results
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["metric"], summary["test_majority_rate"]) == (metric, majority)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert {json.loads(line)["metric"] for line in lines} == {metric}
    assert f"test {data.metric_label} {100 * found.test_accuracy:.2f}" in str(found)
    assert f"majority rate {100 * majority:.2f}" in str(found)
    assert "accuracy" not in str(found)
    with gslt.RunFolder(tmp_path / "run", config) as folder:
        again = gslt.search(data, config, progress=False, folder=folder)
    assert again.history == found.history
    trained = gslt.train(data, gslt.TrainConfig(**SMALL, epochs=30), progress=False)  # type: ignore[arg-type]
    assert trained.test_accuracy > majority + 0.2


def test_the_best_epoch_is_that_of_the_metric(binary: gslt.NodeDataset) -> None:
    config = gslt.SearchConfig(**SMALL, epochs=12)  # type: ignore[arg-type]
    run = gslt.search(binary, config, progress=False).best
    best = max(epoch.val for epoch in run.history)
    assert run.history[run.best_epoch - 1].val == best
    assert {epoch.metric for epoch in run.history} == {"roc_auc"}
    # The same network by accuracy: other scores, the same losses.
    plain = dataclasses.replace(binary, metric="accuracy")
    other = gslt.search(plain, config, progress=False).best
    assert [e.loss for e in other.history] == [e.loss for e in run.history]
    assert [e.val for e in other.history] != [e.val for e in run.history]


def test_a_run_does_not_go_on_by_another_metric(binary: gslt.NodeDataset, tmp_path: Path) -> None:
    config = gslt.SearchConfig(**SMALL, epochs=3)  # type: ignore[arg-type]

    class StopError(Exception):
        pass

    def stop(epoch: Epoch) -> None:
        if epoch.epoch == 2:
            raise StopError

    plain = dataclasses.replace(binary, metric="accuracy")
    with gslt.RunFolder(tmp_path, config, checkpoint_seconds=0) as folder, pytest.raises(StopError):
        gslt.search(plain, config, progress=False, folder=folder, on_epoch=stop)
    with (
        gslt.RunFolder(tmp_path, config) as folder,
        pytest.raises(RunError, match="judged by accuracy and roc_auc"),
    ):
        gslt.search(binary, config, progress=False, folder=folder)
    with (
        pytest.warns(GsltWarning, match="judged by accuracy and roc_auc"),
        gslt.RunFolder(tmp_path, config, allow_other_data=True) as folder,
        pytest.raises(RunError, match="metric is None there and 'roc_auc' here"),
    ):
        gslt.search(binary, config, progress=False, folder=folder)


def wrong(y_true: torch.Tensor, y_pred: torch.Tensor) -> float:
    return int((y_true != y_pred).sum()) / len(y_true)


def quarter(y_true: torch.Tensor, y_pred: torch.Tensor) -> float:
    return 0.25


def test_the_best_epoch_is_that_of_the_evaluator(blocks: gslt.NodeDataset, tmp_path: Path) -> None:
    config = gslt.SearchConfig(**SMALL, epochs=6, lr=0.05)  # type: ignore[arg-type]
    judged = dataclasses.replace(blocks, evaluator=wrong)
    with gslt.RunFolder(tmp_path / "run", config) as folder:
        found = gslt.search(judged, config, progress=False, folder=folder)
    plain = gslt.search(blocks, config, progress=False)
    val = [epoch.val for epoch in plain.history]
    # The same networks, of which the worst by accuracy is the best now.
    assert [epoch.loss for epoch in found.history] == [epoch.loss for epoch in plain.history]
    assert [epoch.val for epoch in found.history] == pytest.approx([1 - each for each in val])
    assert found.best.best_epoch == 1 + val.index(min(val)) != plain.best.best_epoch
    assert found.best.val_accuracy == pytest.approx(1 - min(val))
    assert found.majority_rate["test"] == pytest.approx(1 - plain.majority_rate["test"])
    with gslt.RunFolder(tmp_path / "run", config) as folder:
        again = gslt.search(judged, config, progress=False, folder=folder)
    assert (again.history, again.test_accuracy) == (found.history, found.test_accuracy)
    other = dataclasses.replace(blocks, evaluator=quarter)
    for data in (other, blocks):
        with (
            gslt.RunFolder(tmp_path / "run", config) as folder,
            pytest.raises(RunError, match=r"judged by .*wrong and "),
        ):
            gslt.search(data, config, progress=False, folder=folder)


def test_a_training_of_images_is_judged_by_the_evaluator() -> None:
    data = dataclasses.replace(stripes(), evaluator=quarter)
    config = gslt.TrainConfig(architecture="conv2", width=0.05, epochs=1, batch_size=0)
    (epoch,) = gslt.train(data, config, progress=False).history
    assert (epoch.train, epoch.val, epoch.test) == (0.25, 0.25, 0.25)


def test_measures_of_classes_are_left_out_of_several_labels(several: gslt.NodeDataset) -> None:
    study = Study(
        name="one", settings={**SMALL, "epochs": 2, "smoothness": True}, arms={"a": {}}, seeds=1
    )
    (spec,) = study.runs.values()
    result = gslt.search(several, spec.config, progress=False)
    with pytest.warns(GsltWarning, match="several labels: measures of classes"):
        record = Record.of(spec, several, result, {})
    assert record.profile is not None
    assert "linear_probe" not in record.profile or set(record.profile["linear_probe"]) == {None}
    assert record.profile["centred_rayleigh_quotient"][0] is not None
    assert (record.metric, record.majority_rate) == ("roc_auc", 0.5)
    assert Record.from_json(record.to_json()).metric == "roc_auc"


# Studies


def mixed(path: Path) -> StudyFolder:
    """Runs of Cora by accuracy and of minesweeper by ROC AUC, in one study."""
    study = Study(
        name="mixed",
        title="Accuracy against data",
        settings={"dataset": ["cora", "minesweeper"]},
        arms={"ticket": {}, "training": {"method": "train"}},
        seeds=2,
    )
    folder = StudyFolder(path)
    folder.add(study)
    for cell in study.cells:
        score = 0.9 if cell.spec.dataset == "minesweeper" else 0.7
        record = fabricated(cell.spec, score + 0.01 * (cell.arm == "ticket"))
        graph = {"name": cell.spec.dataset}
        if cell.spec.dataset == "minesweeper":
            graph |= {"metric": "roc_auc", "test_majority_rate": 0.5}
        folder.write(dataclasses.replace(record, graph=graph))
    return folder


def test_two_metrics_are_never_in_one_table(tmp_path: Path) -> None:
    folder = mixed(tmp_path)
    write_report(folder)
    tables = tmp_path / "tables"
    one = (tables / "mixed-accuracy" / "summary.md").read_text()
    other = (tables / "mixed-roc_auc" / "summary.md").read_text()
    assert "test accuracy (%)" in one
    assert "71.00" in one
    assert "91.00" not in one
    assert "test ROC AUC (%)" in other
    assert "91.00" in other
    assert "71.00" not in other
    assert "minesweeper 50.00 %" in other
    assert "none is compared with another" in other
    compared = (tables / "mixed-roc_auc" / "comparisons.md").read_text()
    assert "Differences of test ROC AUC" in compared
    assert "ccurac" not in other.replace("runs by accuracy and ROC AUC", "")
    picture = (tmp_path / "figures" / "mixed-roc_auc" / "accuracy.svg").read_text()
    assert "test ROC AUC (%)" in picture
    rows = frame(tmp_path)
    assert dict(zip(rows["dataset"], rows["metric"], strict=True)) == {
        "cora": "accuracy",
        "minesweeper": "roc_auc",
    }
    with pytest.raises(ConfigError, match="runs by accuracy and by roc_auc") as caught:
        compare_arms(rows)
    advice = str(caught.value).partition("take those of one: ")[2]
    assert len(compare_arms(eval(advice, {"runs": rows}))) == 1
    with pytest.raises(ConfigError, match="no common mean"):
        averages(rows, ["arm"], ["test_accuracy"])
    assert set(averages(rows, ["arm", "dataset"], ["test_accuracy"])["n"]) == {2}
    page = (tmp_path / "report.html").read_text()
    assert "8 of 8 runs" in page


def test_results_of_two_metrics_have_no_metric(tmp_path: Path) -> None:
    folder = mixed(tmp_path)
    (study,) = folder.studies()
    results: StudyResults = folder.results(study)
    with pytest.raises(RunError, match="runs by accuracy and ROC AUC, which cannot be compared"):
        _ = results.metric
    assert [each.metric for each in results.by_metric()] == ["accuracy", "roc_auc"]


def test_the_conjecture_is_about_accuracy() -> None:
    from gslt.conjecture.findings import check_accuracy

    check_accuracy("cora", "accuracy")
    with pytest.raises(ConfigError, match="metric of 'minesweeper' is ROC AUC; test it on another"):
        check_accuracy("minesweeper", "roc_auc")


def test_columns_by_metric() -> None:
    assert column("last_test_accuracy", "micro_f1").label == "test micro-F1 at the last epoch (%)"
    assert column("best_epoch", "roc_auc").label == "epoch of the best validation ROC AUC"
    assert column("lr", "roc_auc") == column("lr")
