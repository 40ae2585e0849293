"""Windows and macOS, as far as they can be imitated: a process without what they lack."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import gslt

ROOT = Path(__file__).parents[1]
#: What torch and the others import is loaded before the system is exchanged, gslt afterwards.
IMITATION = """
import fcntl, multiprocessing.resource_tracker, os, signal, sys
import filelock, jinja2, jsonargparse, matplotlib.pyplot, msgspec, numpy, pandas, psutil
import safetensors.torch
import torch, torch._dynamo, tqdm, yaml

usual_sync = os.fsync

def fsync(handle):
    # Windows flushes no file that is open for reading alone.
    if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(9, "Bad file descriptor")
    usual_sync(handle)

sys.platform = SYSTEM
if SYSTEM == "win32":
    os.fsync = fsync
    for name in ["chown", "fchmod", "fork", "getuid", "statvfs", "sysconf"]:
        delattr(os, name)
    for name in ["SIGHUP", "pthread_sigmask"]:
        delattr(signal, name)
    for name in ["fcntl", "grp", "pwd", "resource", "termios"]:
        sys.modules[name] = None

from gslt.cli import main
search = ["search", "--dataset", "blocks.safetensors", "--hidden_channels", "4"]
for words in (
    [*search, "--epochs", "1", "--out", "run"],
    ["search", "--resume", "run"],
    ["evaluate", "run/ticket.safetensors", "--dataset", "blocks.safetensors"],
    ["inspect", "run/ticket.safetensors"],
    ["data", "list"],
    ["study", "run", "--study", "study.yaml", "--out", "study"],
    ["report", "study"],
):
    status = main(words)
    assert status == 0, (words, status)
print("all went well")
"""
STUDY = """
name: small
settings: {dataset: blocks.safetensors, num_layers: 2, hidden_channels: 4, epochs: 1}
arms: {ticket: {}}
"""


@pytest.mark.slow
@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_nothing_of_another_system_is_needed(
    system: str, blocks: gslt.NodeDataset, tmp_path: Path
) -> None:
    blocks.save(tmp_path / "blocks.safetensors")
    (tmp_path / "study.yaml").write_text(STUDY)
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); SYSTEM = {system!r}\n{IMITATION}"
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.endswith("all went well\n"), done.stderr
    for path in [p for p in tmp_path.rglob("*") if p.suffix in {".json", ".jsonl", ".yaml"}]:
        assert b"\r" not in path.read_bytes(), path
