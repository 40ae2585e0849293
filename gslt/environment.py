"""What a run runs on: libraries and how they are imported, processor, device; and its limits."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import platform
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gslt.errors import ConfigError
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


def usable_cores() -> int:
    """How many cores this process may use: those that it is bound to, where a system tells."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


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


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What files may ask for at most, so that a small one cannot cost much time or memory.

    Whoever knows better raises a limit: :func:`raised` in Python, ``GSLT_LIMITS`` for a command.
    """

    file_bytes: int = 2**30
    """Size of a file that is read whole."""
    inflated_bytes: int = 2**34
    """Size of what an archive holds, once it is unpacked."""
    yaml_bytes: int = 2**18
    """Size of a YAML text."""
    yaml_values: int = 10**5
    """Number of values that a YAML text stands for, aliases written out."""
    record_bytes: int = 2**22
    """Size of the record of a run, and of what stands beside it in the folder of a study."""
    weights: int = 2**25
    """Number of weights of a network that a ticket describes."""
    small_file_weights: int = 2**22
    """Number of weights of a network that a ticket of a few bytes may describe; each byte of the
    file allows some more."""
    bits: int = 2**25
    """Number of searched weights that a ticket has mask bits for."""
    cells: int = 10**5
    """Number of runs of a study."""
    seeds: int = 10**4
    """Number of seeds of a run or study."""


#: Environment variable of the limits of a command, such as ``weights=1e9,bits=1e9``.
LIMITS_VARIABLE = "GSLT_LIMITS"
_raised: ContextVar[Limits | None] = ContextVar("limits", default=None)


def limits() -> Limits:
    """The limits in force: those of :func:`raised`, else of ``GSLT_LIMITS``, else the defaults.

    Raises:
        ConfigError: if ``GSLT_LIMITS`` names no limit or no number.
    """
    return _raised.get() or _limits_of(os.environ.get(LIMITS_VARIABLE, ""))


@contextlib.contextmanager
def raised(**numbers: int) -> Iterator[None]:
    """Within, other limits are in force.

    >>> with raised(seeds=10**6):
    ...     limits().seeds
    1000000

    Args:
        **numbers: by the fields of :class:`Limits`.
    """
    token = _raised.set(replace(limits(), **numbers))
    try:
        yield
    finally:
        _raised.reset(token)


def check_limit(name: str, number: int, what: str) -> None:
    """Refuse what is beyond a limit.

    >>> check_limit("seeds", 10**6, "the study has")
    Traceback (most recent call last):
    gslt.errors.ConfigError: the study has 1,000,000 seeds, more than the limit of 10,000; where \
that is meant, raise it: GSLT_LIMITS=seeds=1000000

    Args:
        name: field of :class:`Limits`; its last word is the unit.
        number: what is asked for.
        what: subject and verb of the sentence.

    Raises:
        ConfigError: saying how to raise the limit.
    """
    most = getattr(limits(), name)
    if number > most:
        raise ConfigError(
            f"{what} {number:,} {name.rpartition('_')[2]}, more than the limit of {most:,}; where "
            f"that is meant, raise it: {LIMITS_VARIABLE}={name}={number}"
        )


def _limits_of(text: str) -> Limits:
    known = {field.name for field in fields(Limits)}
    numbers = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = part.partition("=")
        try:
            if name not in known:
                raise ValueError(f"there is no limit {name!r}")
            numbers[name] = int(float(number))
            if numbers[name] < 1:
                raise ValueError(f"{number} is no limit")
        except (ValueError, OverflowError) as error:
            raise ConfigError(
                f"{LIMITS_VARIABLE} should be such as weights=1e9,seeds=1e6, with the limits "
                f"{', '.join(sorted(known))}; got {text!r}"
            ) from error
    return Limits(**numbers)
