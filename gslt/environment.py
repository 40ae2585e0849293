"""What a run runs on: the libraries and how they are imported, processor, threads, device."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import platform
import warnings
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gslt.version import __version__

_PACKAGES = {"torch": "torch", "torch-geometric": "PyG", "dgl": "DGL", "ogb": "ogb"}


def versions() -> dict[str, str]:
    """Versions of gslt and of the libraries that a result depends on, without importing them."""
    found = {"gslt": __version__}
    for package, name in _PACKAGES.items():
        try:
            found[name] = version(package)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def processor() -> str:
    """Name of the processor, and the vector instructions that torch uses of it."""
    import torch

    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = (names or [platform.processor() or "unknown"])[0]
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}"


def environment() -> dict[str, object]:
    """Versions and hardware, for a run folder.

    Returns:
        Plain values for JSON: ``versions``, ``python``, ``system``, ``processor``, ``cores``,
        ``threads`` (of torch) and ``gpu`` (None without one).
    """
    import torch

    return {
        "versions": versions(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep warnings, standard output and standard error of the block from the user."""
    nowhere = io.StringIO()
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        warnings.simplefilter("ignore")
        yield


def import_quietly(module: str) -> Any:
    """The module of this dotted name; its warnings are about its own code, not the user's.

    Raises:
        ImportError: as an import statement does.
    """
    with quiet():
        return importlib.import_module(module)
