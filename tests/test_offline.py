"""Nothing but the named download touches the network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REFUSE = """
import socket

def refuse(*args, **kwargs):
    raise OSError("SOCKET REFUSED")

socket.socket.connect = refuse
socket.socket.connect_ex = refuse
socket.socket.sendto = refuse
socket.getaddrinfo = refuse
socket.create_connection = refuse
"""
TINY = ["--num_layers", "2", "--hidden_channels", "4", "--epochs", "2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("offline")
    (path / "sitecustomize.py").write_text(REFUSE)
    return path


def offline(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder), "HOME": str(folder)}
    environment.pop("GSLT_DATA", None)
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, cwd=folder, env=environment
    )


def test_sockets_are_refused_here(folder: Path) -> None:
    done = offline(folder, "-m", "gslt", "data", "download", "cora")
    assert done.returncode == 2
    assert done.stderr.startswith("gslt: ")
    assert "SOCKET REFUSED" in done.stderr


@pytest.mark.parametrize(
    "module", ["gslt", "gslt.cli", "gslt.backends.pyg", "gslt.backends.dgl", "gslt.data.ogb"]
)
def test_imports(module: str, folder: Path) -> None:
    if module.endswith("dgl"):
        pytest.importorskip("dgl")
    done = offline(folder, "-c", f"import {module}")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_main_paths(folder: Path) -> None:
    synthetic = ["--dataset", "ogbn-arxiv-synthetic", "--dataset_dir", "data"]
    commands = [
        ["search", *TINY, "--out", "run"],
        ["search", "--resume", "run"],
        ["train", *TINY, "--out", "weights"],
        ["evaluate", "run/ticket.safetensors"],
        ["inspect", "run/ticket.safetensors"],
        ["demo", "--epochs", "1", "--hidden_channels", "4", "--seeds", "1", "--out", "demo"],
        ["data", "list"],
        ["data", "info", "debian"],
    ]
    try:
        import dgl  # noqa: F401
        import ogb  # noqa: F401
    except ImportError:
        pass
    else:
        commands += [
            ["search", *TINY, "--backend", "dgl", "--out", "dgl"],
            ["data", "synthesize", "--scale", "0.005", "--dataset_dir", "data"],
            ["search", *TINY, *synthetic, "--out", "ogb"],
        ]
    code = f"from gslt.cli import main\nfor each in {commands!r}:\n    assert main(each) == 0, each"
    done = offline(folder, "-c", code)
    assert done.returncode == 0, done.stderr
