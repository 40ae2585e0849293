"""Ctrl-C, SIGTERM and SIGHUP end a run after its epoch."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from run_folders import SMALL, contents, run

import gslt
from gslt.config import SearchConfig
from gslt.diagnostics import SearchProbe
from gslt.errors import Interrupted
from gslt.training.checkpoint import read_checkpoint
from gslt.training.run_folder import RunFolder
from gslt.training.signals import SIGNALS, stop_requests


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_stop(
    number: signal.Signals, blocks: gslt.NodeDataset, tmp_path: Path
) -> None:
    config = SearchConfig(**SMALL)
    usual = signal.getsignal(number)
    path = tmp_path / "run"
    seen = []

    def on_epoch(epoch: gslt.training.results.Epoch) -> None:
        seen.append(epoch.epoch)
        if epoch.epoch == 3:
            os.kill(os.getpid(), number)

    with RunFolder(path, config) as folder, pytest.raises(Interrupted) as stopped:
        gslt.search(blocks, config, progress=False, on_epoch=on_epoch, folder=folder)
    assert seen == [1, 2, 3]
    assert stopped.value.signal_number == number
    assert f"the same script or command again (its folder is {str(path)!r})" in str(stopped.value)
    assert signal.getsignal(number) == usual
    assert read_checkpoint(next(path.glob("checkpoint-*"))).epoch == 3
    run(path, blocks, config)
    run(tmp_path / "whole", blocks, config)
    assert contents(path) == contents(tmp_path / "whole")


@pytest.mark.parametrize("when", ["last epoch", "end of the probe"])
def test_a_request_while_a_seed_ends_begins_no_other(
    when: str, blocks: gslt.NodeDataset, tmp_path: Path
) -> None:
    config = SearchConfig(**SMALL, runs=3)
    path = tmp_path / "run"
    seen = []

    class Ending(SearchProbe):
        def end(self, *given: Any) -> None:
            super().end(*given)
            if when == "end of the probe":
                os.kill(os.getpid(), signal.SIGTERM)

    def on_epoch(epoch: gslt.training.results.Epoch) -> None:
        seen.append((epoch.seed, epoch.epoch))
        if when == "last epoch" and epoch.epoch == config.epochs:
            os.kill(os.getpid(), signal.SIGTERM)

    with RunFolder(path, config) as folder:
        probe = Ending(blocks, "log", path / "probe.jsonl")
        watch: dict[str, Any] = {"on_epoch": on_epoch, "probe": probe}
        with pytest.raises(Interrupted) as stopped:
            gslt.search(blocks, config, progress=False, folder=folder, **watch)
    assert seen == [(0, epoch) for epoch in range(1, config.epochs + 1)]
    assert stopped.value.signal_number == signal.SIGTERM
    assert str(stopped.value).startswith("stopped after 1 of 3 runs; go on with: the same script")
    # The first seed is kept, and the rest is as if nobody had asked.
    assert (path / "finished-seed0.safetensors").exists()
    run(path, blocks, config, probe_every="log")
    run(tmp_path / "whole", blocks, config, probe_every="log")
    assert contents(path) == contents(tmp_path / "whole")


def test_a_request_while_the_last_seed_ends_leaves_the_result(
    blocks: gslt.NodeDataset, tmp_path: Path
) -> None:
    config = SearchConfig(**SMALL, runs=2)

    def on_epoch(epoch: gslt.training.results.Epoch) -> None:
        if (epoch.seed, epoch.epoch) == (1, config.epochs):
            os.kill(os.getpid(), signal.SIGTERM)

    with RunFolder(tmp_path / "run", config) as folder:
        found = gslt.search(blocks, config, progress=False, folder=folder, on_epoch=on_epoch)
    assert [each.seed for each in found.runs] == [0, 1]
    assert (tmp_path / "run" / "summary.json").exists()


@pytest.fixture(autouse=True)
def usual_signals() -> Iterator[None]:
    """The signals as in a terminal: what runs in the background ignores Ctrl-C."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, usual)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_the_second_ctrl_c_acts_as_it_always_does(caplog: pytest.LogCaptureFixture) -> None:
    usual = signal.getsignal(signal.SIGINT)
    with stop_requests() as stop:
        assert not stop
        os.kill(os.getpid(), signal.SIGINT)
        assert stop
        assert stop.signal_number == signal.SIGINT
        assert "Ctrl-C: at once" in caplog.text
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == usual


def test_other_signals_wait_however_often_they_come(caplog: pytest.LogCaptureFixture) -> None:
    with stop_requests() as stop:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTERM):
            os.kill(os.getpid(), number)
        assert stop.signal_number == signal.SIGINT
    assert caplog.text.count("finishing") == 1
    with stop_requests() as stop:
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            os.kill(os.getpid(), number)
        assert stop.signal_number == signal.SIGHUP


def test_what_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with stop_requests() as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        assert not stop
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_a_block_within_hears_of_the_same_request() -> None:
    with stop_requests() as outer:
        with stop_requests() as inner:
            os.kill(os.getpid(), signal.SIGTERM)
            assert inner
        assert outer
        with stop_requests() as later:
            assert later
    with stop_requests() as another:
        assert not another


def test_a_library_that_took_the_signals_between_two_blocks_hears_nothing() -> None:
    heard = []
    with stop_requests() as outer:
        signal.signal(signal.SIGTERM, lambda *given: heard.append(given))  # As Ray does.
        with stop_requests() as inner:
            os.kill(os.getpid(), signal.SIGTERM)
            assert inner
        assert outer.signal_number == signal.SIGTERM
    assert heard == []


def test_ctrl_c_in_a_block_and_again_outside_of_it_acts_as_it_always_does() -> None:
    with stop_requests() as outer:
        with stop_requests():
            os.kill(os.getpid(), signal.SIGINT)
        assert outer
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_another_thread_changes_no_signal() -> None:
    usual, found = signal.getsignal(signal.SIGTERM), []

    def work() -> None:
        with stop_requests() as stop:
            found.append((bool(stop), signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(False, usual)]
