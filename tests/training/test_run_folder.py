"""Runs that are killed and go on: the same bytes in the end as undisturbed."""

from __future__ import annotations

import errno
import json
import math
import os
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from run_folders import SMALL, Crash, contents, run

import gslt
from gslt.cli import main
from gslt.config import SearchConfig, TrainConfig
from gslt.environment import environment
from gslt.errors import GsltWarning, RunError
from gslt.training import run_folder
from gslt.training.checkpoint import Checkpoints
from gslt.training.places import read_environment
from gslt.training.results import AT_BEST, AT_LAST, Epoch
from gslt.training.run_folder import RunFolder

CONFIGS = {
    "search": SearchConfig(**SMALL),
    "several seeds": SearchConfig(**SMALL, runs=2),
    "dropout and ramp": SearchConfig(**SMALL, dropout=0.5, sparsity_schedule="linear"),
    "frozen source": SearchConfig(**SMALL, freezing_ratio=0.5, architecture="sage"),
    "bfloat16": SearchConfig(**SMALL, precision="bfloat16"),
    "training": TrainConfig(**SMALL, runs=2),
    "adam": SearchConfig(**SMALL, optimizer="adam", weight_decay=0.1),
    "sgd": SearchConfig(**SMALL, optimizer="sgd", runs=2, l1=1e-3),
    "sgd with momentum": TrainConfig(
        **SMALL, optimizer="sgd", momentum=0.9, lr_schedule="multistep"
    ),
}


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("crash", [1, 2, 5, 6, 7, 11])
def test_a_killed_run_ends_as_if_undisturbed(
    name: str, crash: int, blocks: gslt.NodeDataset, tmp_path: Path
) -> None:
    config = CONFIGS[name]
    if crash > config.epochs * config.runs:
        pytest.skip("the run is shorter")
    whole = run(tmp_path / "whole", blocks, config)
    with pytest.raises(Crash):
        run(tmp_path / "killed", blocks, config, crash)
    assert not (tmp_path / "killed" / "summary.json").exists()
    again = run(tmp_path / "killed", blocks, config)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    for one, other in zip(whole.runs, again.runs, strict=True):
        assert [e.loss for e in one.history] == [e.loss for e in other.history]
        assert other.seconds > 0
        for name in (*AT_BEST, *AT_LAST):
            assert getattr(one, name) == getattr(other, name)
    summary = json.loads((tmp_path / "killed" / "summary.json").read_text())
    names = ["seed", "best_epoch", *AT_BEST, "last_epoch", *AT_LAST]
    assert list(summary["runs"][0]) == names
    assert [each["last_epoch"] for each in summary["runs"]] == [len(r.history) for r in whole.runs]
    for name in (*AT_BEST, *AT_LAST):
        numbers = [run[name] for run in summary["runs"]]
        assert summary[name] == pytest.approx(sum(numbers) / len(numbers))
    files = {p.name for p in (tmp_path / "killed").iterdir()}
    assert not any(name.startswith("checkpoint") for name in files)


def test_a_seed_that_an_older_gslt_finished(
    blocks: gslt.NodeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It kept neither losses nor anything of the last epoch: that is said, and null."""
    record = run_folder.record
    config = SearchConfig(**SMALL, runs=2)
    old = ("seed", "best_epoch", "train_accuracy", "val_accuracy", "test_accuracy")
    monkeypatch.setattr(run_folder, "record", lambda run: {n: record(run)[n] for n in old})
    with pytest.raises(Crash):
        run(tmp_path, blocks, config, crash=8)
    monkeypatch.undo()
    with pytest.warns(GsltWarning, match="seed 0 was finished by an older gslt, which kept no"):
        result = run(tmp_path, blocks, config)
    first, second = json.loads((tmp_path / "summary.json").read_text())["runs"]
    assert first["test_accuracy"] == result.runs[0].test_accuracy
    assert first["last_test_accuracy"] is first["test_loss"] is None
    assert second["last_test_accuracy"] == result.runs[1].last_test_accuracy
    assert math.isnan(result.runs[0].last_val_loss)
    assert run(tmp_path, blocks, config).runs[1].test_loss == second["test_loss"]


@pytest.mark.parametrize("crash", [1, 3, 4, 5])
@pytest.mark.parametrize("train", [False, True])
def test_a_killed_run_that_ends_early_ends_as_if_undisturbed(
    crash: int, train: bool, blocks: gslt.NodeDataset, tmp_path: Path
) -> None:
    """No accuracy improves at so small a rate: the first epoch is the best, the fifth the last.

    A probe has measured the epoch at which it ended, and the best one.
    """
    kind = TrainConfig if train else SearchConfig
    config = kind(**{**SMALL, "epochs": 60, "lr": 1e-9}, patience=4)
    probed: dict[str, Any] = {"probe_every": "log"}
    whole = run(tmp_path / "whole", blocks, config, **probed)
    assert [(each.best_epoch, each.last_epoch) for each in whole.runs] == [(1, 5)]
    with pytest.raises(Crash):
        run(tmp_path / "killed", blocks, config, crash, **probed)
    run(tmp_path / "killed", blocks, config, **probed)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    lines = (tmp_path / "whole" / "probe.jsonl").read_text().splitlines()
    assert {1, 5} <= {json.loads(line)["epoch"] for line in lines}
    # A finished folder gives its result again.
    assert run(tmp_path / "whole", blocks, config, **probed).best.last_epoch == 5


def test_a_run_that_a_gslt_of_fewer_settings_began(
    blocks: gslt.NodeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder and checkpoints name no optimizer: it goes on with the default, and no other."""
    usual = run_folder.dataclasses.asdict

    def older(found: object) -> dict[str, object]:
        values: dict[str, object] = usual(found)
        values.pop("optimizer", None)
        return values

    config = SearchConfig(**SMALL, runs=2)
    whole = run(tmp_path / "whole", blocks, config)
    monkeypatch.setattr(run_folder.dataclasses, "asdict", older)
    with pytest.raises(Crash):
        run(tmp_path / "old", blocks, config, crash=8)
    monkeypatch.undo()
    assert "optimizer" not in (tmp_path / "old" / "config.yaml").read_text()
    with pytest.raises(RunError, match="optimizer is 'adamw' there and 'adam' here"):
        run(tmp_path / "old", blocks, replace(config, optimizer="adam"))
    seen: list[Epoch] = []
    with RunFolder(tmp_path / "old", config) as folder:
        again = gslt.search(blocks, config, progress=False, on_epoch=seen.append, folder=folder)
    # The first seed was finished, and of the second there was a checkpoint.
    assert [(each.seed, each.epoch) for each in seen] == [(1, n) for n in (2, 3, 4, 5, 6)]
    for one, other in zip(whole.runs, again.runs, strict=True):
        assert [e.loss for e in one.history] == [e.loss for e in other.history]


def test_a_run_killed_at_every_epoch(blocks: gslt.NodeDataset, tmp_path: Path) -> None:
    config = SearchConfig(**SMALL)
    run(tmp_path / "whole", blocks, config)
    # A checkpoint is written after the epoch is reported: one epoch is gained each time.
    for _ in range(config.epochs - 1):
        with pytest.raises(Crash):
            run(tmp_path / "killed", blocks, config, crash=2)
    run(tmp_path / "killed", blocks, config)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


@pytest.mark.slow
def test_a_killed_process(tmp_path: Path) -> None:
    options = [
        "--dataset",
        "debian",
        "--num_layers",
        "2",
        "--hidden_channels",
        "16",
        "--epochs",
        "12",
    ]
    base = [sys.executable, "-m", "gslt", "search", *options, "--checkpoint_seconds", "0"]

    def start(folder: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*base, "--out", str(tmp_path / folder)], stdout=subprocess.DEVNULL)

    assert start("whole").wait() == 0
    process = start("killed")
    while process.poll() is None and not list(tmp_path.glob("killed/checkpoint-*")):
        time.sleep(0.02)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    resume = [sys.executable, "-m", "gslt", "search", "--resume", str(tmp_path / "killed")]
    subprocess.run(resume, check=True, stdout=subprocess.DEVNULL)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_a_finished_run_is_not_computed_again(blocks: gslt.NodeDataset, tmp_path: Path) -> None:
    config = SearchConfig(**SMALL, runs=2)
    first = run(tmp_path, blocks, config)
    before = contents(tmp_path)
    second = run(tmp_path, blocks, config, crash=1)
    assert contents(tmp_path) == before
    assert second.test_accuracy == first.test_accuracy
    assert second.ticket is not None
    assert first.ticket is not None
    assert second.ticket.to_bytes() == first.ticket.to_bytes()
    expected = first.best.model.eval()(blocks.x, blocks.edge_index)
    assert torch.equal(second.best.model(blocks.x, blocks.edge_index), expected)
    watch: dict[str, Any] = {"on_epoch": print, "probe": gslt.diagnostics.SearchProbe(blocks, 1)}
    with (
        RunFolder(tmp_path, config) as folder,
        pytest.warns(GsltWarning, match="no epoch is computed, and on_epoch and probe not called"),
    ):
        gslt.search(blocks, config, progress=False, folder=folder, **watch)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["finished-seed0.safetensors", "ticket-seed0.safetensors"])
def test_what_somebody_changed_is_not_overwritten(
    name: str, blocks: gslt.NodeDataset, tmp_path: Path
) -> None:
    config = SearchConfig(**SMALL, runs=2)
    run(tmp_path / "whole", blocks, config)
    with pytest.raises(Crash):
        run(tmp_path / "killed", blocks, config, crash=9)
    path = tmp_path / "killed" / name
    path.write_bytes(b"mine")
    with pytest.raises(RunError, match=r"is not as gslt wrote it.*move it away"):
        run(tmp_path / "killed", blocks, config)
    assert path.read_bytes() == b"mine"
    path.unlink()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        run(tmp_path / "killed", blocks, config)
    assert any("seed 0 is computed again" in str(w.message) for w in seen) or "finished" in name
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


@pytest.mark.parametrize("change", ["another value", "a line of somebody's", "no line at all"])
@pytest.mark.parametrize("name", ["metrics.jsonl", "timing.jsonl"])
def test_metrics_that_somebody_changed_are_written_anew(
    name: str, change: str, blocks: gslt.NodeDataset, tmp_path: Path
) -> None:
    config = SearchConfig(**SMALL, runs=2)
    run(tmp_path / "whole", blocks, config)
    with pytest.raises(Crash):
        run(tmp_path / "killed", blocks, config, crash=9)
    path = tmp_path / "killed" / name
    text = path.read_text()
    assert len(text.splitlines()) == 9
    changed = {"another value": text.replace('"epoch": 2', '"epoch": 7', 1),
               "a line of somebody's": "mine\n" + text, "no line at all": ""}[change]  # fmt: skip
    path.write_text(changed)
    if changed:
        with pytest.warns(GsltWarning, match=f"{name} (is not as gslt wrote it|has lines that)"):
            run(tmp_path / "killed", blocks, config)
    else:
        run(tmp_path / "killed", blocks, config)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert path.read_text().startswith(text[:-1].rpartition("\n")[0])


def test_another_config_is_refused_by_its_fields(blocks: gslt.NodeDataset, tmp_path: Path) -> None:
    with pytest.raises(Crash):
        run(tmp_path, blocks, SearchConfig(**SMALL), crash=3)
    other = SearchConfig(**{**SMALL, "lr": 0.2}, seed=1)
    with pytest.raises(RunError, match=r"seed is 0 there and 1 here, lr is 0.1 there and 0.2 here"):
        RunFolder(tmp_path, other)
    with pytest.raises(RunError, match="is the folder of a search, no train"):
        RunFolder(tmp_path, TrainConfig(**SMALL))


def test_two_processes_in_one_folder(tmp_path: Path) -> None:
    config = SearchConfig(**SMALL)
    with RunFolder(tmp_path, config), pytest.raises(RunError, match="another process is using"):
        RunFolder(tmp_path, config)
    RunFolder(tmp_path, config).__exit__(None, None, None)


@pytest.mark.parametrize(
    ("version", "says"), [(99, "upgrade gslt"), ("two", "is damaged"), (None, "is damaged")]
)
def test_a_folder_of_another_version(version: object, says: str, tmp_path: Path) -> None:
    config = SearchConfig(**SMALL)
    with RunFolder(tmp_path, config):
        pass
    about = json.loads((tmp_path / "environment.json").read_text())
    (tmp_path / "environment.json").write_text(json.dumps({**about, "format": version}))
    with pytest.raises(RunError, match=says):
        RunFolder(tmp_path, config)


def test_a_change_of_machine_is_said_and_noted(
    blocks: gslt.NodeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = SearchConfig(**SMALL)
    here = environment()
    run(tmp_path / "whole", blocks, config)
    monkeypatch.setattr("gslt.training.run_folder.environment", lambda: {**here, "threads": 64})
    with pytest.raises(Crash):
        run(tmp_path / "killed", blocks, config, crash=3)
    monkeypatch.setattr("gslt.training.run_folder.environment", lambda: here)
    with pytest.warns(GsltWarning, match="threads is 64 there and"):
        opened = RunFolder(tmp_path / "killed", config)
    with opened as folder:
        assert folder.environment["threads"] == 64
        assert "continued_by" not in folder.environment
        gslt.search(blocks, config, progress=False, folder=folder)
        assert folder.environment["continued_by"] == [here]
    found = read_environment(tmp_path / "killed")
    assert (found["threads"], found["continued_by"]) == (64, [here])
    assert found.keys() == {*here, "continued_by"}
    assert read_environment(tmp_path / "whole") == here
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_a_full_disk_does_not_end_a_run(
    blocks: gslt.NodeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = SearchConfig(**SMALL)
    run(tmp_path / "whole", blocks, config)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Checkpoints, "save", full)
    with pytest.warns(GsltWarning, match="checkpoint could not be written.*No space left") as seen:
        run(tmp_path / "full", blocks, config)
    assert len(seen) == 1
    assert contents(tmp_path / "full") == contents(tmp_path / "whole")


def test_metrics_lost_on_a_full_disk_are_written_at_the_end(
    blocks: gslt.NodeDataset, tmp_path: Path
) -> None:
    config = SearchConfig(**SMALL)
    run(tmp_path / "whole", blocks, config)
    full = Path("/dev/full").open("ab", buffering=0)  # noqa: SIM115 - closed by the log
    with RunFolder(tmp_path / "full", config) as folder:

        def on_epoch(epoch: gslt.training.results.Epoch) -> None:
            if epoch.epoch == 2:
                folder._logs["metrics.jsonl"].close()
                folder._logs["metrics.jsonl"]._file = full

        with pytest.warns(GsltWarning, match=r"metrics.* could not be written.*No space"):
            gslt.search(blocks, config, progress=False, on_epoch=on_epoch, folder=folder)
    assert contents(tmp_path / "full") == contents(tmp_path / "whole")


def test_a_config_that_was_changed(blocks: gslt.NodeDataset, tmp_path: Path) -> None:
    config = SearchConfig(**SMALL)
    with pytest.raises(Crash):
        run(tmp_path, blocks, config, crash=3)
    place = tmp_path / "config.yaml"
    place.write_text(place.read_text().replace("seed: 0", "seed: 1"))
    with pytest.raises(RunError, match="not as it was when the run began"):
        run(tmp_path, blocks, replace(config, seed=1))


@pytest.mark.usefixtures("as_debian")
def test_a_disk_that_is_full_in_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", *TINY, "--out", "whole"]) == 0

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "_keep", full)
        with pytest.warns(GsltWarning, match="result of a seed could not be written.*No space"):
            assert main(["search", *TINY, "--out", "full"]) == 2
    said = capsys.readouterr()
    assert said.err.endswith(
        "\ngslt: No space left on device: full; the result is not written; once there is room, "
        "gslt search --resume full goes on from what was written last\n"
    )
    assert "test" in said.out
    seen = []
    usual = RunFolder.on_epoch
    monkeypatch.setattr(RunFolder, "on_epoch", lambda *a: (seen.append(a), usual(*a)))
    assert main(["search", "--resume", "full"]) == 0
    assert len(seen) == 1  # The last epoch alone is computed again.
    assert contents(Path("full")) == contents(Path("whole"))


@pytest.mark.usefixtures("as_debian")
def test_a_read_only_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert main(["search", *TINY, "--out", "run"]) == 2
    said = "gslt: 'run' cannot be made: Read-only file system; choose another folder (--out)\n"
    assert capsys.readouterr().err.endswith(f"\n{said}")


def test_a_jumping_clock(
    blocks: gslt.NodeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = SearchConfig(**SMALL)
    run(tmp_path / "whole", blocks, config)
    with pytest.raises(Crash):
        run(tmp_path / "killed", blocks, config, crash=4)
    for number, path in enumerate(sorted((tmp_path / "killed").glob("checkpoint-*"))):
        os.utime(path, (1e9 - number, 1e9 - number))
    monkeypatch.setattr(time, "time", lambda: 0.0)
    run(tmp_path / "killed", blocks, config)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


# Commands

TINY = ["--epochs", "4", "--num_layers", "2", "--hidden_channels", "4", "--checkpoint_seconds", "0"]


@pytest.fixture
def as_debian(blocks: gslt.NodeDataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("gslt.data.load_dataset", lambda *_, **__: blocks)
    monkeypatch.chdir(tmp_path)


def stop_at(monkeypatch: pytest.MonkeyPatch, epoch: int) -> None:
    usual = RunFolder.on_epoch

    def on_epoch(self: RunFolder, found: gslt.training.results.Epoch) -> None:
        usual(self, found)
        if found.epoch == epoch:
            monkeypatch.setattr(RunFolder, "on_epoch", usual)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(RunFolder, "on_epoch", on_epoch)


@pytest.mark.usefixtures("as_debian")
@pytest.mark.parametrize("command", ["search", "train"])
def test_resume_command(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, *TINY, "--out", "whole"]) == 0
    stop_at(monkeypatch, 2)
    assert main([command, *TINY, "--out", "stopped"]) == 130
    err = capsys.readouterr().err
    assert "finishing this epoch" in err
    assert f"go on with: gslt {command} --resume stopped" in err
    assert main([command, "--resume", "stopped"]) == 0
    assert contents(Path("stopped")) == contents(Path("whole"))
    assert main([command, *TINY, "--out", "stopped"]) == 0
    assert "stopped is finished" in capsys.readouterr().err


@pytest.mark.usefixtures("as_debian")
def test_the_same_command_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stop_at(monkeypatch, 2)
    assert main(["search", *TINY]) == 130
    (folder,) = Path("runs").iterdir()
    assert main(["search", *TINY, "--seed", "1"]) == 0
    assert len(list(Path("runs").iterdir())) == 2
    assert main(["search", *TINY]) == 0
    assert f"going on with {folder}" in capsys.readouterr().err
    assert main(["search", *TINY]) == 0
    assert len(list(Path("runs").iterdir())) == 3


@pytest.mark.usefixtures("as_debian")
def test_resume_refusals(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--resume", "nowhere"]) == 2
    assert "holds no run" in capsys.readouterr().err
    assert main(["search", *TINY, "--out", "run"]) == 0
    capsys.readouterr()
    assert main(["search", "--resume", "run", "--lr", "0.5"]) == 2
    assert "leave out --lr" in capsys.readouterr().err
    assert main(["train", "--resume", "run"]) == 2
    assert "gslt search --resume run" in capsys.readouterr().err
    assert main(["search", *TINY, "--lr", "0.5", "--out", "run"]) == 2
    assert "lr is 0.01 there and 0.5 here" in capsys.readouterr().err
    Path("run/config.yaml").write_text("lr: [")
    assert main(["search", "--resume", "run"]) == 2
    assert "damaged" in capsys.readouterr().err


def test_no_warning_without_a_reason(blocks: gslt.NodeDataset, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(tmp_path, blocks, SearchConfig(**SMALL))
        run(tmp_path, blocks, SearchConfig(**SMALL))
