"""What the loggers write is read back with TensorBoard's and MLflow's own readers."""

from __future__ import annotations

import contextlib
import re
import sys
import textwrap
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gslt
import gslt.loggers
from gslt.environment import import_quietly, quiet
from gslt.errors import ConfigError, GsltWarning, MissingPackageError
from gslt.loggers import MLflowLogger, TensorBoardLogger
from gslt.training.results import Epoch, Result
from gslt.training.run_folder import RunFolder

SMALL: dict[str, Any] = {"num_layers": 2, "hidden_channels": 8, "epochs": 6, "lr": 0.1}
SEARCH = gslt.SearchConfig(**SMALL, freezing_ratio=0.4)
#: Tags of an epoch by the fields of Epoch.
TAGS = {
    "loss": "loss",
    "accuracy/train": "train",
    "accuracy/val": "val",
    "accuracy/test": "test",
    "lr": "lr",
    "sparsity": "sparsity",
}
needs_tensorboard = pytest.mark.skipif(
    find_spec("tensorboard") is None,
    reason='tensorboard is not installed: pip install "gslt[tensorboard]"',
)
needs_mlflow = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("mlflow", "sqlalchemy", "alembic")),
    reason='mlflow with its local store is not installed: pip install "gslt[mlflow]"',
)


class Crash(BaseException):
    """The end of a process, as far as one process can play it."""


def run(
    dataset: gslt.NodeDataset,
    config: gslt.SearchConfig | gslt.TrainConfig,
    log: Any,
    folder: Path | None = None,
    crash: int | None = None,
) -> Result:
    """A run that is logged, and ends after as many epochs as ``crash``."""
    count = 0

    def on_epoch(epoch: Epoch) -> None:
        nonlocal count
        count += 1
        if log is not None:
            log(epoch)
        if count == crash:
            raise Crash

    action: Any = gslt.search if isinstance(config, gslt.SearchConfig) else gslt.train
    # The checkpoint of an epoch is written after it is reported: it is reported once more.
    with contextlib.ExitStack() as stack:
        place = folder and stack.enter_context(RunFolder(folder, config, checkpoint_seconds=0))
        result: Result = action(dataset, config, progress=False, on_epoch=on_epoch, folder=place)
    return result


def expected(history: list[Epoch]) -> dict[str, list[tuple[int, float]]]:
    return {
        tag: [(epoch.epoch, getattr(epoch, name)) for epoch in history]
        for tag, name in TAGS.items()
        if getattr(history[0], name) is not None
    }


def rounded(values: dict[str, list[tuple[int, float]]]) -> dict[str, list[tuple[int, float]]]:
    """In single precision, which is what event files hold."""
    return {
        tag: [(step, float(np.float32(value))) for step, value in series]
        for tag, series in values.items()
    }


def epochs_of(values: dict[str, Any]) -> dict[str, Any]:
    return {tag: series for tag, series in values.items() if not tag.startswith("result/")}


def figures_of(values: dict[str, Any]) -> dict[str, Any]:
    return {tag[7:]: series for tag, series in values.items() if tag.startswith("result/")}


# TensorBoard


def accumulator(folder: Path) -> Any:
    module = import_quietly("tensorboard.backend.event_processing.event_accumulator")
    events = module.EventAccumulator(str(folder), size_guidance={"scalars": 0})
    with quiet():
        events.Reload()
    return events


def board(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Step and value of every event that TensorBoard shows."""
    events = accumulator(folder)
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


@needs_tensorboard
def test_a_search_in_tensorboard(blocks: gslt.NodeDataset, tmp_path: Path) -> None:
    config = gslt.SearchConfig(**SMALL, freezing_ratio=0.4, runs=2)
    with TensorBoardLogger(tmp_path, config=config, dataset=blocks.name) as log:
        result = run(blocks, config, log)
        log.result(result)
    for one in result.runs:
        values = board(tmp_path / f"seed{one.seed}")
        assert epochs_of(values) == rounded(expected(one.history))
        # 2 layers and a head: 8·8 + 8·3 + 8·3 weights, of which 60 % are searched.
        weights = 8 * 8 + 8 * 3 + 8 * 3
        assert one.ticket is not None
        found = figures_of(values)
        assert found["test_accuracy"] == rounded({"": [(one.best_epoch, one.test_accuracy)]})[""]
        assert found["model_bytes"] == [(one.best_epoch, one.ticket.size().searched / 8)]
        assert found["search_space"][0][1] == pytest.approx(0.6, abs=1 / weights)
        assert found["sparsity"][0][1] == pytest.approx(0.5, abs=1 / weights)
        content = import_quietly("tensorboard.plugins.hparams.plugin_data_pb2").HParamsPluginData
        metadata = accumulator(tmp_path / f"seed{one.seed}").summary_metadata
        start = content.FromString(metadata["_hparams_/session_start_info"].plugin_data.content)
        shown = dict(start.session_start_info.hparams.items())
        assert shown["seed"].number_value == one.seed
        assert shown["freezing_ratio"].number_value == 0.4
        assert shown["batch_norm"].number_value == 1
        assert shown["dataset"].string_value == blocks.name
        assert shown["method"].string_value == "search"


@needs_tensorboard
def test_a_training_in_tensorboard(blocks: gslt.NodeDataset, tmp_path: Path) -> None:
    config = gslt.TrainConfig(**SMALL)
    with TensorBoardLogger(tmp_path) as log:
        result = run(blocks, config, log)
        log.result(result)
    values = board(tmp_path / "seed0")
    assert epochs_of(values) == rounded(expected(result.history))
    assert "sparsity" not in values
    weights = 8 * 8 + 8 * 3 + 8 * 3
    found = figures_of(values)
    assert found["model_bytes"] == [(result.best.best_epoch, 4 * weights)]
    assert found["search_space"][0][1] == 1.0
    assert found["sparsity"][0][1] == 0.0


@needs_tensorboard
@pytest.mark.parametrize("logged_before", [True, False])
@pytest.mark.parametrize("crash", [1, 4, 6])
def test_a_run_that_goes_on_in_tensorboard(
    crash: int, logged_before: bool, blocks: gslt.NodeDataset, tmp_path: Path
) -> None:
    with pytest.raises(Crash), TensorBoardLogger(tmp_path / "board") as log:
        run(blocks, SEARCH, log if logged_before else None, tmp_path / "run", crash)
    with TensorBoardLogger(tmp_path / "board") as log:
        result = run(blocks, SEARCH, log, tmp_path / "run")
        log.result(result)
    assert epochs_of(board(tmp_path / "board" / "seed0")) == rounded(expected(result.history))
    # The run is there now: it is not computed again, and logged no second time.
    with TensorBoardLogger(tmp_path / "board") as log:
        again = run(blocks, SEARCH, log, tmp_path / "run", crash=1)
        log.result(again)
    values = board(tmp_path / "board" / "seed0")
    assert epochs_of(values) == rounded(expected(result.history))
    assert len(values["result/test_accuracy"]) == 1


@needs_tensorboard
def test_tensorboard_shows_what_was_reported_last(tmp_path: Path) -> None:
    for losses in ({1: 1.0, 2: 2.0, 3: 3.0}, {2: 20.0, 3: 30.0}):
        with TensorBoardLogger(tmp_path) as log:
            for number, loss in losses.items():
                log(epoch_of(number, loss))
    assert board(tmp_path / "seed0")["loss"] == [(1, 1.0), (2, 20.0), (3, 30.0)]


def epoch_of(number: int, loss: float) -> Epoch:
    return Epoch(0, number, loss, train=0.5, val=0.25, test=0.125, lr=0.1, sparsity=0.5, seconds=1)


# MLflow


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
    assert len(told) == 1
    (found,) = tracked(store, "silence")
    assert epochs_of(metrics(store, found.info.run_id)) == expected(result.history)


@needs_mlflow
def test_a_store_that_cannot_be_opened() -> None:
    with pytest.raises(ConfigError, match="MLflow cannot log to nonsense://here"):
        MLflowLogger("any", "nonsense://here")


# Both


@pytest.mark.parametrize("package", ["tensorboard", "mlflow"])
def test_without_the_package(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=rf"'{package}'.*gslt\[{package}\]"):
        TensorBoardLogger(tmp_path) if package == "tensorboard" else MLflowLogger()


@needs_tensorboard
def test_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gslt.loggers.__doc__ is not None
    blocks = re.findall(r"::\n\n((?:(?:    .*)?\n)+)", gslt.loggers.__doc__)
    assert len(blocks) == 1
    names: dict[str, Any] = {}
    monkeypatch.chdir(tmp_path)
    exec(textwrap.dedent(blocks[0]), names)
    for run in names["result"].runs:
        values = board(tmp_path / "runs" / "board" / f"seed{run.seed}")
        assert epochs_of(values) == rounded(expected(run.history))
