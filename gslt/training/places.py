"""Run folders from outside: their files, where they are, what they say, who uses them."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from itertools import chain, count
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from gslt.config import METHODS, RunConfig, TrainConfig
from gslt.errors import GsltError, RunError, pasted
from gslt.files import (
    json_values,
    parse,
    read_bytes,
    read_json,
    read_text,
    reading,
    yaml_values,
)
from gslt.files.folder import ROOM, TICKET
from gslt.training.lock import is_locked

CONFIG = "config.yaml"
ENVIRONMENT = "environment.json"
METRICS = "metrics.jsonl"
TIMING = "timing.jsonl"
FINISHED = "finished.safetensors"
SUMMARY = "summary.json"
WEIGHTS = "weights.safetensors"

FORMAT_VERSION = 1
#: Letters of a data set's name in the name of a folder, which has 60 at most.
_LETTERS = 32


@dataclass(frozen=True)
class About:
    """What ``environment.json`` says for gslt itself."""

    format: int
    command: str
    config_sha256: str
    key: str = ""
    remembered: dict[str, str | int | None] = field(default_factory=dict)
    continued_by: list[dict[str, Any]] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    """What the run is of, see :func:`gslt.data.content.run_facts`; empty of an older gslt."""
    versions: dict[str, str] = field(default_factory=dict)
    python: str = ""
    system: str = ""
    processor: str = ""
    cores: int | None = None
    threads: Annotated[int, Meta(ge=1)] | None = None
    gpu: str | None = None


def state_file(config: RunConfig) -> str:
    """Name of the file with the result of a run: its ticket, or the weights where none are removed.

    Args:
        config: of the run.
    """
    trains_all = isinstance(config, TrainConfig) and not config.mask_sparsity
    return WEIGHTS if trains_all else TICKET


def read_config(path: Path) -> tuple[str, dict[str, Any]]:
    """Command, options and config of a run folder.

    Raises:
        RunError: if it is no run folder, damaged, or written by a newer gslt.
    """
    about, values = read_run(path)
    return about.command, values


def read_run(path: Path) -> tuple[About, dict[str, Any]]:
    """What ``environment.json`` says, and options and config of a run folder.

    Raises:
        RunError: if it is no run folder, damaged, or written by a newer gslt.
    """
    about = read_about(path)
    with reading(path / CONFIG, what="a config"):
        text = read_text(path / CONFIG, limit="yaml_bytes")
        values = parse(dict[str, Any], yaml_values(text))
    if hashlib.sha256(text.encode()).hexdigest() != about.config_sha256:
        raise RunError(
            f"{str(path / CONFIG)!r} is not as it was when the run began; for a run with other "
            "settings choose another --out"
        )
    return about, values


def begun_by_command(values: Mapping[str, Any]) -> bool:
    """Whether a run folder says on what data its run is, so that a command can go on with it.

    Args:
        values: options and config, as :func:`read_config` gives them.
    """
    return {"dataset", "dataset_dir", "split"} <= values.keys()


def how_to_go_on(command: str, path: Path, values: Mapping[str, Any]) -> str:
    """What goes on with a run: a command line, or in Python the same call.

    >>> how_to_go_on("search", Path("my run"), {"dataset": "cora", "dataset_dir": None, "split": 0})
    "gslt search --resume 'my run'"
    >>> how_to_go_on("search", Path("runs/mine"), {})
    "the same script or command again (its folder is 'runs/mine')"

    Args:
        command: ``"search"`` or ``"train"``.
        path: the run folder.
        values: its options and config.
    """
    if begun_by_command(values):
        return pasted("gslt", command, "--resume", path)
    return f"the same script or command again (its folder is {str(path)!r})"


def completed(command: str, values: dict[str, Any]) -> dict[str, Any]:
    """Options and config of a run with the defaults of settings that its gslt did not have yet.

    Args:
        command: ``"search"`` or ``"train"``.
        values: as :func:`read_config` gives them.
    """
    return {**{field.name: field.default for field in fields(METHODS[command])}, **values}


def read_about(path: Path) -> About:
    """What ``environment.json`` says.

    Raises:
        RunError: if it is no run folder, damaged, or written by a newer gslt.
    """
    with reading(path):
        there = (path / CONFIG).is_file()
    if not there:
        raise RunError(f"{str(path)!r} holds no run of gslt")
    with reading(path / ENVIRONMENT, what="an environment"):
        values = parse(dict[str, Any], read_json(path / ENVIRONMENT))
        version = values.get("format")
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise RunError(
                f"{str(path)!r} has run folder version {version}, and this gslt reads up to "
                f"{FORMAT_VERSION}; upgrade gslt"
            )
        return parse(About, values)


def read_epochs(path: Path) -> list[dict[str, Any]]:
    """Every epoch of every seed that a run folder has, as ``metrics.jsonl`` tells it.

    Args:
        path: of the folder.

    Returns:
        ``seed``, ``epoch``, ``loss``, ``train``, ``val``, ``test``, ``lr`` and ``sparsity``, see
        :class:`gslt.training.results.Epoch`.

    Raises:
        RunError: if there is none, or it is damaged.
    """
    with reading(path / METRICS, what="the epochs of a run"):
        rows = map(json_values, read_bytes(path / METRICS).splitlines())
        return [parse(dict[str, float | str | None], row) for row in rows]


def read_environment(path: Path) -> dict[str, Any]:
    """Versions and hardware of the process that began the run in a folder.

    Args:
        path: of the run folder.

    Returns:
        What :func:`gslt.environment.environment` gave there and, where processes elsewhere went on
        with the run, theirs as the list ``continued_by``.

    Raises:
        RunError: if it is no run folder, or damaged.
    """
    return environment_of(read_about(path))


def environment_of(about: About) -> dict[str, Any]:
    """The environments alone, see :func:`read_environment`."""
    values = asdict(about)
    own = ("format", "command", "config_sha256", "key", "remembered", "data")
    continued = values.pop("continued_by")
    found = {name: value for name, value in values.items() if name not in own}
    return {**found, **({"continued_by": continued} if continued else {})}


def read_remembered(path: Path) -> dict[str, str | int | None]:
    """How the run in a folder was carried out: options that do not change its result.

    Raises:
        RunError: if it is no run folder, or damaged.
    """
    return read_about(path).remembered


def default_folder(kind: str, dataset: str, runs: Path = Path("runs")) -> Path:
    """Make a folder that was not there: ``runs/<time>-<kind>-<dataset>``.

    Args:
        kind: the command, such as ``"search"``.
        dataset: name of the data set, or the path of its file; what is neither a letter, a digit,
            nor one of ``-._`` is a dash.
        runs: where run folders are.

    Raises:
        OSError: if it cannot be made.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(dataset).stem)[:_LETTERS].strip("-.")
    folder = runs / f"{time.strftime('%Y%m%d-%H%M%S')}-{kind}-{name or 'data'}"
    runs.mkdir(parents=True, exist_ok=True)
    # Two runs may start within the same second: who makes the folder has it.
    others = (folder.with_name(f"{folder.name}-{number}") for number in count(2))
    for path in chain([folder], others):
        try:
            path.mkdir()
            return path
        except FileExistsError:
            continue
    raise AssertionError("there are numbers without end")


def unfinished_folders(
    command: str, values: dict[str, Any], runs: Path = Path("runs")
) -> Iterator[Path]:
    """Folders of unfinished runs with this command and these values that nobody uses, newest first.

    Args:
        command: ``"search"`` or ``"train"``.
        values: options and config, as :func:`read_config` gives them.
        runs: where run folders are; what cannot be read there is passed by.
    """
    try:
        paths = sorted(runs.glob(f"*-{command}-*"), reverse=True)
    except OSError:
        return
    for path in paths:
        try:
            there = (path / CONFIG).exists() and not (path / SUMMARY).exists()
            if not there:
                continue
            found, its_values = read_config(path)
            same = found == command and completed(command, its_values) == values
            if same and not in_use(path):
                yield path
        except (GsltError, OSError):
            continue


def unfinished_folder(
    command: str, values: dict[str, Any], runs: Path = Path("runs")
) -> Path | None:
    """The first of :func:`unfinished_folders`; None without one.

    Args:
        command: see there.
        values: likewise.
        runs: likewise.
    """
    return next(unfinished_folders(command, values, runs), None)


def in_use(path: Path) -> bool:
    """Whether a process has this run folder open; asking disturbs nobody."""
    return is_locked(path / ROOM)
