"""What the MLflow logger sends is read back with MLflow's own client."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from logged import (
    SEARCH,
    SMALL,
    Crash,
    epoch_of,
    epochs_of,
    expected,
    figures_of,
    needs_mlflow,
    run,
)

import gslt
import gslt.loggers
from gslt.environment import import_quietly, quiet
from gslt.errors import ConfigError, GsltWarning
from gslt.loggers.mlflow import MLflowLogger


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A local store. Its artifacts go below the working directory."""
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield f"sqlite:///{folder}/mlflow.db"


def tracked(store: str, experiment: str) -> list[Any]:
    """The MLflow runs of an experiment by their names."""
    with quiet():
        client = import_quietly("mlflow").MlflowClient(store)
        number = client.get_experiment_by_name(experiment).experiment_id
        return sorted(client.search_runs([number]), key=lambda run: run.info.run_name)


def metrics(store: str, run_id: str) -> dict[str, list[tuple[int, float]]]:
    with quiet():
        client = import_quietly("mlflow").MlflowClient(store)
        names = client.get_run(run_id).data.metrics
        histories = {name: client.get_metric_history(run_id, name) for name in names}
    return {
        name: sorted((metric.step, metric.value) for metric in history)
        for name, history in histories.items()
    }


@needs_mlflow
def test_a_search_in_mlflow(blocks: gslt.NodeDataset, store: str) -> None:
    config = gslt.SearchConfig(**SMALL, freezing_ratio=0.4, runs=2)
    with MLflowLogger("search", store, config=config, dataset=blocks.name) as log:
        result = run(blocks, config, log)
        log.result(result)
    runs = tracked(store, "search")
    assert [each.info.run_name for each in runs] == ["seed 0", "seed 1"]
    for found, one in zip(runs, result.runs, strict=True):
        assert found.info.status == "FINISHED"
        values = metrics(store, found.info.run_id)
        assert epochs_of(values) == expected(one.history)
        assert one.ticket is not None
        size = one.ticket.size()
        assert figures_of(values) == {
            "test_accuracy": [(one.best_epoch, one.test_accuracy)],
            "val_accuracy": [(one.best_epoch, one.val_accuracy)],
            "train_accuracy": [(one.best_epoch, one.train_accuracy)],
            "sparsity": [(one.best_epoch, size.sparsity)],
            "search_space": [(one.best_epoch, size.search_space)],
            "model_bytes": [(one.best_epoch, size.bits / 8)],
            "seconds": [(one.best_epoch, one.seconds)],
        }
        params = found.data.params
        assert (params["seed"], params["dataset"]) == (str(one.seed), blocks.name)
        assert (params["method"], params["freezing_ratio"]) == ("search", "0.4")
        assert "runs" not in params
        uri = found.info.artifact_uri.removeprefix("file://")
        assert Path(uri, "ticket.safetensors").read_bytes() == one.ticket.to_bytes()


@needs_mlflow
def test_a_training_in_mlflow(blocks: gslt.NodeDataset, store: str) -> None:
    with MLflowLogger("training", store) as log:
        result = run(blocks, gslt.TrainConfig(**SMALL), log)
        log.result(result)
    (found,) = tracked(store, "training")
    assert epochs_of(metrics(store, found.info.run_id)) == expected(result.history)
    assert found.data.params["method"] == "train"
    assert list(Path(found.info.artifact_uri.removeprefix("file://")).glob("*")) == []


@needs_mlflow
@pytest.mark.parametrize("name", ["", "runs/one"])
@pytest.mark.parametrize("crash", [1, 4])
def test_a_run_that_goes_on_in_mlflow(
    crash: int, name: str, blocks: gslt.NodeDataset, store: str, tmp_path: Path
) -> None:
    experiment = f"crash at {crash} {name}"
    with pytest.raises(Crash), MLflowLogger(experiment, store, name=name) as log:
        run(blocks, SEARCH, log, tmp_path, crash)
    (killed,) = tracked(store, experiment)
    assert killed.info.status == "KILLED"
    assert len(metrics(store, killed.info.run_id)["loss"]) == crash
    for _ in range(2):  # The second time it is finished, and only its result is logged.
        with MLflowLogger(experiment, store, name=name) as log:
            result = run(blocks, SEARCH, log, tmp_path)
            log.result(result)
    found = tracked(store, experiment)
    if name:
        assert [each.info.run_id for each in found] == [killed.info.run_id]
    else:
        assert len(found) == 3
    for each in found:
        if name or each.info.run_id != killed.info.run_id:
            assert each.info.status == "FINISHED"
            values = metrics(store, each.info.run_id)
            assert epochs_of(values) == expected(result.history)
            assert len(values["result/test_accuracy"]) == 1


@needs_mlflow
def test_mlflow_keeps_what_was_reported_first(store: str) -> None:
    for losses in ({1: 1.0, 2: 2.0}, {2: 20.0, 3: 30.0}):
        with contextlib.suppress(Crash), MLflowLogger("twice", store, name="one") as log:
            for number, loss in losses.items():
                log(epoch_of(number, loss))
            raise Crash
    (found,) = tracked(store, "twice")
    assert metrics(store, found.info.run_id)["loss"] == [(1, 1.0), (2, 2.0), (3, 30.0)]


@needs_mlflow
def test_a_store_that_does_not_answer_ends_no_search(
    blocks: gslt.NodeDataset, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = MLflowLogger("silence", store)
    usual, calls = log._client.log_batch, []

    def silent(*args: Any, **kwargs: Any) -> None:
        calls.append(args)
        if len(calls) == 1:
            raise ConnectionError("nobody there")
        usual(*args, **kwargs)

    monkeypatch.setattr(log._client, "log_batch", silent)
    with log:
        with pytest.warns(GsltWarning, match="MLflow does not answer .*nobody there") as told:
            result = run(blocks, SEARCH, log)
        log.result(result)
    assert len([each for each in told if "MLflow" in str(each.message)]) == 1
    (found,) = tracked(store, "silence")
    assert epochs_of(metrics(store, found.info.run_id)) == expected(result.history)


@needs_mlflow
def test_a_store_that_cannot_be_opened() -> None:
    with pytest.raises(ConfigError, match="MLflow cannot log to nonsense://here"):
        MLflowLogger("any", "nonsense://here")
