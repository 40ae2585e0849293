"""Ctrl-C and SIGTERM end a run after its epoch."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
from run_folders import SMALL, contents, run

import gslt
from gslt.config import SearchConfig
from gslt.errors import Interrupted
from gslt.training.checkpoint import read_checkpoint
from gslt.training.run_folder import RunFolder
from gslt.training.signals import stop_requests


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
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
    assert f"gslt search --resume {path}" in str(stopped.value)
    assert signal.getsignal(number) == usual
    assert read_checkpoint(next(path.glob("checkpoint-*"))).epoch == 3
    run(path, blocks, config)
    run(tmp_path / "whole", blocks, config)
    assert contents(path) == contents(tmp_path / "whole")


def test_the_second_request_acts_as_it_always_does(capsys: pytest.CaptureFixture[str]) -> None:
    usual = signal.getsignal(signal.SIGINT)
    with stop_requests() as stop:
        assert not stop
        os.kill(os.getpid(), signal.SIGINT)
        assert stop
        assert stop.signal_number == signal.SIGINT
        assert "again to stop at once" in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == usual


def test_another_thread_changes_no_signal() -> None:
    usual, found = signal.getsignal(signal.SIGTERM), []

    def work() -> None:
        with stop_requests() as stop:
            found.append((bool(stop), signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(False, usual)]
