"""Runs with everything on, killed or starved at any look at the disk: undisturbed in the end."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from run_folders import SMALL, Crash, contents, run

import gslt
from gslt.config import RunConfig, SearchConfig, TrainConfig
from gslt.errors import GsltWarning, RunError, UnwrittenError
from gslt.files.folder import ROOM
from gslt.training.places import METRICS, SUMMARY

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks a process to kill")

#: What is told to audit hooks when a file is opened, renamed or removed.
LOOKS = {"open", "os.rename", "os.remove", "os.mkdir"}
CONFIGS = {"search": SearchConfig(**SMALL, runs=2), "train": TrainConfig(**SMALL, runs=2)}


def on_look(folder: Path, act: Callable[[int, bool], None]) -> None:
    """Call ``act`` with the number of every look of this process at a folder, and if it writes."""
    count = 0

    def hook(event: str, given: Any) -> None:
        nonlocal count
        if event not in LOOKS or not str(given[0]).startswith(str(folder)):
            return
        writes = event != "open" or bool((given[2] or 0) & (os.O_WRONLY | os.O_RDWR))
        count += 1
        act(count, writes)

    sys.addaudithook(hook)


def in_fork(action: Callable[[], int]) -> int:
    """Exit status of an action in a process of its own; −9 where it was killed."""
    pid = os.fork()
    if not pid:
        status = 99
        try:
            warnings.simplefilter("ignore")
            status = action()
        except BaseException:
            traceback.print_exc()
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def count_looks(folder: Path, blocks: gslt.NodeDataset, config: RunConfig) -> int:
    def action() -> int:
        seen = [0]

        def note(number: int, _: bool) -> None:
            seen[0] = number

        on_look(folder, note)
        run(folder, blocks, config, probe_every=2)
        (folder.parent / "looks").write_text(str(seen[0]))
        return 0

    assert in_fork(action) == 0
    return int((folder.parent / "looks").read_text())


@pytest.mark.parametrize("name", CONFIGS)
def test_log_spaced_probe_rows_of_a_run_that_was_killed(
    name: str, blocks: gslt.NodeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best epochs are not due, so that each is measured anew once its seed has ended."""
    probe = sys.modules["gslt.diagnostics.probe"]
    monkeypatch.setattr(probe, "log_epochs", lambda epochs: (1, epochs))
    config = CONFIGS[name]
    whole = run(tmp_path / "whole", blocks, config, probe_every="log")
    expected = contents(tmp_path / "whole")
    assert any(each.best_epoch not in (1, config.epochs) for each in whole.runs)
    for crash in (1, 4, 6, 7, 11, 12):
        folder = tmp_path / str(crash)
        with pytest.raises(Crash):
            run(folder, blocks, config, crash=crash, probe_every="log")
        run(folder, blocks, config, probe_every="log")
        assert contents(folder) == expected, crash


@pytest.mark.parametrize("name", CONFIGS)
def test_killed_at_any_look_at_the_disk(
    name: str, blocks: gslt.NodeDataset, tmp_path: Path
) -> None:
    config = CONFIGS[name]
    looks = count_looks(tmp_path / "whole", blocks, config)
    assert looks > 100
    expected = contents(tmp_path / "whole")
    assert expected["probe.jsonl"].count(b'"epoch": 0,') > 0
    rng = random.Random(0)
    for number in sorted(rng.sample(range(1, looks + 1), 10)):
        folder = tmp_path / str(number)

        def killed(folder: Path = folder, number: int = number) -> int:
            def kill(count: int, _: bool) -> None:
                if count == number:
                    os.kill(os.getpid(), signal.SIGKILL)

            on_look(folder, kill)
            run(folder, blocks, config, probe_every=2)
            return 0

        assert in_fork(killed) == -signal.SIGKILL
        run(folder, blocks, config, probe_every=2)
        assert contents(folder) == expected, number
        assert list((folder / ROOM / "tmp").iterdir()) == []


def outcome(
    folder: Path, blocks: gslt.NodeDataset, config: RunConfig
) -> tuple[gslt.Result | None, int]:
    """A run's result, and 0 where it is written, 2 where it is not, 3 where nothing could begin."""
    try:
        return run(folder, blocks, config, probe_every=2), 0
    except UnwrittenError as error:
        return error.result, 2
    except (OSError, RunError):
        return None, 3


@pytest.mark.parametrize("for_good", [True, False])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_starved_at_any_look_at_the_disk(
    error: int, for_good: bool, blocks: gslt.NodeDataset, tmp_path: Path
) -> None:
    config = CONFIGS["search"]
    looks = count_looks(tmp_path / "whole", blocks, config)
    expected = contents(tmp_path / "whole")
    accuracy = run(tmp_path / "whole", blocks, config).test_accuracy
    rng = random.Random(error)
    begun = 0
    for number in sorted(rng.sample(range(1, looks + 1), 8)):
        folder = tmp_path / str(number)

        def starved(folder: Path = folder, number: int = number) -> int:
            def fail(count: int, writes: bool) -> None:
                if writes and (count == number or (for_good and count > number)):
                    raise OSError(error, os.strerror(error))

            on_look(folder, fail)
            found, status = outcome(folder, blocks, config)
            # Where there is no result, nothing was computed.
            assert found.test_accuracy == accuracy if found else not (folder / METRICS).exists()
            # A disk may fail once the file is in its place, before it is sure to stay there.
            assert status != 0 or (folder / SUMMARY).exists()
            return status

        status = in_fork(starved)
        assert status in (0, 2, 3), number
        begun += status != 3
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GsltWarning)
            run(folder, blocks, config, probe_every=2)
        assert contents(folder) == expected, number
    assert begun > 3


@pytest.mark.parametrize("size", [8, 40, 90])
def test_a_disk_that_is_too_small_and_is_enlarged(
    size: int, blocks: gslt.NodeDataset, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may make a small disk")
    config = CONFIGS["search"]
    run(tmp_path / "whole", blocks, config, probe_every=2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GsltWarning)
            found, status = outcome(disk / "run", blocks, config)
            assert found is None if status == 3 else len(found.runs) == 2
            assert (disk / "run" / SUMMARY).exists() == (status == 0)
            subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
            run(disk / "run", blocks, config, probe_every=2)
        assert contents(disk / "run") == contents(tmp_path / "whole")
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


# A log that is not what the checkpoint says


@pytest.mark.parametrize("change", ["another value", "shorter", "missing", "earlier seed"])
def test_probe_rows_that_somebody_changed_are_never_mixed(
    change: str, blocks: gslt.NodeDataset, tmp_path: Path
) -> None:
    config = CONFIGS["search"]
    run(tmp_path / "whole", blocks, config, probe_every=2)
    with pytest.raises(Crash):
        run(tmp_path / "killed", blocks, config, crash=10, probe_every=2)
    path = tmp_path / "killed" / "probe.jsonl"
    text = path.read_text()
    second = text.index('{"seed": 1, ')
    changed = {
        "another value": text[:second] + text[second:].replace('"width": 8', '"width": 9', 1),
        "shorter": text[: second + 10],
        "missing": "",
        "earlier seed": text.replace('"width": 8', '"width": 9', 1),
    }[change]
    path.write_text(changed) if changed else path.unlink()
    with pytest.warns(GsltWarning, match=r"probe\.jsonl is not as it was") as told:
        run(tmp_path / "killed", blocks, config, probe_every=2)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    again = any("seed 0 is computed again" in str(each.message) for each in told)
    assert again == (change in ("missing", "earlier seed"))


def test_a_probe_that_is_left_out_or_added(blocks: gslt.NodeDataset, tmp_path: Path) -> None:
    config = SearchConfig(**SMALL)
    path = tmp_path / "probe.jsonl"

    def epochs() -> set[str]:
        return {line.split(b",")[1].decode() for line in path.read_bytes().splitlines()}

    with pytest.raises(Crash):
        run(tmp_path, blocks, config, crash=4, probe_every=1)
    assert epochs() == {f' "epoch": {n}' for n in range(5)}
    with (
        pytest.warns(GsltWarning, match=r"probe\.jsonl ends where the run goes on"),
        pytest.raises(Crash),
    ):
        run(tmp_path, blocks, config, crash=2)
    assert epochs() == {f' "epoch": {n}' for n in range(4)}
    with pytest.warns(GsltWarning, match="from epoch 4 on; of those up to there, it has: 0, 1, 2"):
        run(tmp_path, blocks, config, probe_every=1)
    assert epochs() == {f' "epoch": {n}' for n in (0, 1, 2, 3, 5, 6)}
