"""What the TensorBoard logger writes is read back with TensorBoard's own reader."""

from __future__ import annotations

import re
import textwrap
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
    needs_tensorboard,
    rounded,
    run,
)

import gslt
import gslt.loggers
from gslt.environment import import_quietly, quiet
from gslt.loggers.tensorboard import TensorBoardLogger


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


@needs_tensorboard
def test_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gslt.loggers.__doc__ is not None
    blocks = re.findall(r"::\n\n((?:(?:    .*)?\n)+)", gslt.loggers.__doc__)
    assert len(blocks) == 1
    names: dict[str, Any] = {}
    monkeypatch.chdir(tmp_path)
    exec(textwrap.dedent(blocks[0]), names)
    for each in names["result"].runs:
        values = board(tmp_path / "runs" / "board" / f"seed{each.seed}")
        assert epochs_of(values) == rounded(expected(each.history))
