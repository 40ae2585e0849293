"""The folder of a run: resolved config, environment, metrics, checkpoints, tickets, summary.

Everything but ``timing.jsonl`` and ``environment.json`` is the same, byte for byte, for the same
config on the same machine, however often the run was interrupted.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
import warnings
from collections.abc import Callable
from itertools import chain, count
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import safetensors
import safetensors.torch
import yaml
from filelock import FileLock, Timeout
from typing_extensions import Self

from gslt.config import RunConfig, SearchConfig
from gslt.environment import environment
from gslt.errors import GsltError, GsltWarning, RunError, RunInUseError
from gslt.files import plain, replacing, write_json, write_text
from gslt.nn.gnn import GNN
from gslt.ticket.container import seal, unseal
from gslt.ticket.ticket import load_ticket
from gslt.training.checkpoint import (
    Checkpoint,
    Checkpoints,
    differences,
    history_rows,
    read_history,
)
from gslt.training.results import Epoch, Result, Run

CONFIG = "config.yaml"
ENVIRONMENT = "environment.json"
METRICS = "metrics.jsonl"
TIMING = "timing.jsonl"
FINISHED = "finished.safetensors"
SUMMARY = "summary.json"
TICKET = "ticket.safetensors"
WEIGHTS = "weights.safetensors"
LOCK = ".lock"

FORMAT_VERSION = 1
#: Time that checkpoints may take, as a share of the run.
SHARE = 0.01
#: Seconds between checkpoints at least, whatever they cost.
LEAST_SECONDS = 1.0


def default_folder(kind: str, dataset: str) -> Path:
    """A folder that is not there yet: ``runs/<time>-<kind>-<dataset>``.

    Args:
        kind: the command, such as ``"search"``.
        dataset: name of the data set, or the path of its file.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S")
    folder = Path("runs") / f"{stamp}-{kind}-{Path(dataset).stem}"
    # Two runs may start within the same second.
    others = (folder.with_name(f"{folder.name}-{number}") for number in count(2))
    return next(path for path in chain([folder], others) if not path.exists())


def unfinished_folder(
    command: str, values: dict[str, Any], runs: Path = Path("runs")
) -> Path | None:
    """The newest folder of an unfinished run with this command and these values; None without one.

    Args:
        command: ``"search"`` or ``"train"``.
        values: options and config, as :func:`read_config` gives them.
        runs: where run folders are.
    """
    for path in sorted(runs.glob(f"*-{command}-*"), reverse=True):
        if (path / SUMMARY).exists() or not (path / CONFIG).exists():
            continue
        try:
            if read_config(path) == (command, values) and not in_use(path):
                return path
        except RunError:
            continue
    return None


def read_config(path: Path) -> tuple[str, dict[str, Any]]:
    """Command, options and config of a run folder.

    Raises:
        RunError: if it is no run folder, damaged, or written by a newer gslt.
    """
    if not (path / CONFIG).is_file():
        raise RunError(f"{str(path)!r} holds no run of gslt")
    try:
        about = json.loads((path / ENVIRONMENT).read_text(encoding="utf-8"))
        version, command = about["format"], about["command"]
        text = (path / CONFIG).read_text(encoding="utf-8")
        values, expected = yaml.safe_load(text), about.get("config_sha256")
    except (OSError, ValueError, LookupError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise RunError(f"{str(path)!r} is damaged: {error}") from error
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise RunError(
            f"{str(path)!r} has run folder version {version}, and this gslt reads up to "
            f"{FORMAT_VERSION}; upgrade gslt"
        )
    if not isinstance(values, dict) or _sha256(text) != expected:
        raise RunError(
            f"{str(path / CONFIG)!r} is not as it was when the run began; for a run with other "
            "settings choose another --out"
        )
    return str(command), values


class RunFolder:
    """The folder of one search or training: hand it over as ``folder=``.

    A run that was killed goes on from its last checkpoint when its folder is opened again with the
    same config; what is finished is not computed again. Use it as a context manager: until its end
    no other process can open the folder.

    Args:
        path: the folder: empty, not there yet, or of the same run.
        config: the resolved config.
        options: further values that identify the run (name of the data set and so on).
        checkpoint_seconds: time between checkpoints; by default as often as costs 1 % of the time.

    Raises:
        RunError: if the folder holds something else, another run (the fields are named) or one of
            a newer version, or if another process is using it.
    """

    def __init__(
        self,
        path: str | Path,
        config: RunConfig,
        options: dict[str, Any] | None = None,
        *,
        checkpoint_seconds: float | None = None,
    ) -> None:
        self.path, self.config = Path(path), config
        self.command = "search" if isinstance(config, SearchConfig) else "train"
        self.values = {**(options or {}), **dataclasses.asdict(config)}
        self.checkpoint_seconds = checkpoint_seconds
        self._refuse_strangers()
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self.path / LOCK)
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise RunInUseError(f"another process is using {str(self.path)!r}") from error
        try:
            self._open()
        except BaseException:
            self._lock.release()
            raise
        self.checkpoints = Checkpoints(self.path, {})
        self._histories: dict[int, list[Epoch]] = {}
        self._logs: dict[str, TextIO] = {}
        self._log_failed = False
        self._last = (time.perf_counter(), 0.0)

    @property
    def finished(self) -> bool:
        """Whether the run is over and everything written."""
        return (self.path / SUMMARY).exists()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close_logs()
        self._lock.release()

    def _refuse_strangers(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"{str(self.path)!r} is a file; choose another --out")
        names = {path.name for path in self.path.iterdir()} if self.path.exists() else set()
        begun = {name for name in names if name.startswith(".")} | {ENVIRONMENT}
        if CONFIG not in names and names - begun:
            raise RunError(f"{str(self.path)!r} is not empty; choose another --out or remove it")

    def _open(self) -> None:
        for path in self.path.glob(".*.*"):
            path.unlink()  # What a killed process did not get to rename.
        if (self.path / CONFIG).exists():
            self._compare()
            return
        text = yaml.safe_dump(self.values, sort_keys=False)
        about = {"format": FORMAT_VERSION, "command": self.command, "config_sha256": _sha256(text)}
        write_json(self.path / ENVIRONMENT, {**about, **environment()})
        write_text(self.path / CONFIG, text)

    def _compare(self) -> None:
        command, values = read_config(self.path)
        if command != self.command:
            raise RunError(f"{str(self.path)!r} was begun by gslt {command}, not {self.command}")
        if values != self.values:
            raise RunError(
                f"{str(self.path)!r} holds another run: {differences(values, self.values)}; "
                "choose another --out"
            )
        about = json.loads((self.path / ENVIRONMENT).read_text(encoding="utf-8"))
        now = environment()
        names = [name for name in ("versions", "threads", "system") if about.get(name) != now[name]]
        if names and not self.finished:
            changes = differences({n: about.get(n) for n in names}, {n: now[n] for n in names})
            warnings.warn(
                f"{str(self.path)!r} was begun elsewhere ({changes}); its ticket may differ from "
                "that of an undisturbed run",
                GsltWarning,
                stacklevel=4,
            )

    # One seed

    def stored(self, seed: int, identity: dict[str, Any], build: Callable[[], GNN]) -> Run | None:
        """The run of a seed if it was finished before; anything wrong with it means it was not.

        Args:
            seed: of the run.
            identity: what tells its graph from others.
            build: makes a model to restore.
        """
        try:
            found, _ = unseal("run", self._named(FINISHED, seed).read_bytes())
            state = self._state_path(seed).read_bytes()
            if found["identity"] != self._identity(identity):
                raise RunError("the record is of another run")
            if found["state_sha256"] != hashlib.sha256(state).hexdigest():
                raise RunError("the record is of another ticket")
            ticket, model = None, build()
            if isinstance(self.config, SearchConfig):
                ticket = load_ticket(self._state_path(seed))
                ticket.restore(model)
            else:
                model.load_state_dict(safetensors.torch.load(state))
            history = read_history(found["history"], seed)
            run = Run(
                **found["record"],
                seconds=history[-1].seconds,
                history=history,
                model=model.eval(),
                ticket=ticket,
            )
        except (
            *(OSError, ValueError, LookupError, TypeError, RuntimeError),
            *(safetensors.SafetensorError, GsltError),
        ):
            return None
        self._histories[seed] = history
        return run

    def begin(self, seed: int, identity: dict[str, Any]) -> Checkpoint | None:
        """Begin a seed's run, or go on with it from the checkpoint that is returned.

        Args:
            seed: of the run.
            identity: what tells its graph from others.

        Raises:
            RunError: if the checkpoint belongs to another run.
        """
        self.checkpoints = Checkpoints(self.path, self._identity(identity))
        found = self.checkpoints.load(seed)
        self._histories[seed] = list(found.history) if found else []
        self._write_logs()
        self._last = (time.perf_counter(), 0.0)
        return found

    def on_epoch(self, epoch: Epoch) -> None:
        """Append one epoch to metrics and timing, one JSON object per line each."""
        self._histories[epoch.seed].append(epoch)
        try:
            for name, line in _lines(epoch).items():
                self._logs[name].write(line)
                self._logs[name].flush()
        except OSError as error:
            self._warn_once(f"the metrics of an epoch could not be written ({error})")

    def wants_checkpoint(self) -> bool:
        """Whether it is time for the next one."""
        ended, cost = self._last
        every = self.checkpoint_seconds
        if every is None:
            every = max(LEAST_SECONDS, cost / SHARE)
        return time.perf_counter() - ended >= every

    def save(self, checkpoint: Checkpoint) -> bool:
        """Write a checkpoint; where that fails the run goes on without. Returns whether it did."""
        started = time.perf_counter()
        try:
            self.checkpoints.save(checkpoint)
            written = True
        except OSError as error:
            self._warn_once(f"a checkpoint could not be written ({error}); the run goes on")
            written = False
        ended = time.perf_counter()
        self._last = (ended, ended - started)
        return written

    def keep(self, run: Run) -> None:
        """Write what a finished seed found, so that it need not be computed again."""
        path = self._state_path(run.seed)
        self._write_state(run, path)
        values = {
            "identity": self.checkpoints.identity,
            "record": record(run),
            "history": history_rows(run.history),
            "state_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        with replacing(self._named(FINISHED, run.seed)) as temporary:
            temporary.write_bytes(seal("run", values, {}))

    def _identity(self, more: dict[str, Any]) -> dict[str, Any]:
        return {"command": self.command, **self.values, **more}

    # All seeds

    def finish(self, result: Result) -> None:
        """Write the best ticket or weights and the summary; remove what was for going on only."""
        self._write_logs()
        self._close_logs()
        if len(result.runs) > 1:
            self._write_state(result.best, self.path / (TICKET if result.ticket else WEIGHTS))
        write_json(self.path / SUMMARY, summary(result))
        self.checkpoints.clear()

    def _write_state(self, run: Run, path: Path) -> None:
        if run.ticket is not None:
            run.ticket.save(path)
            return
        with replacing(path) as temporary:
            safetensors.torch.save_file(run.model.state_dict(), temporary)

    def _state_path(self, seed: int) -> Path:
        name = TICKET if isinstance(self.config, SearchConfig) else WEIGHTS
        return self._named(name, seed) if self.config.runs > 1 else self.path / name

    def _named(self, name: str, seed: int) -> Path:
        stem, extension = name.split(".")
        return self.path / f"{stem}-seed{seed}.{extension}"

    def _write_logs(self) -> None:
        """Write metrics and timing anew, without what was computed after the last checkpoint."""
        self._close_logs()
        lines = [_lines(epoch) for history in self._histories.values() for epoch in history]
        for name in (METRICS, TIMING):
            write_text(self.path / name, "".join(line[name] for line in lines))
            self._logs[name] = (self.path / name).open("a", encoding="utf-8")

    def _close_logs(self) -> None:
        for log in self._logs.values():
            try:
                log.close()
            except OSError as error:
                self._warn_once(f"the metrics could not be written ({error})")
        self._logs = {}

    def _warn_once(self, message: str) -> None:
        if not self._log_failed:
            warnings.warn(f"{self.path}: {message}", GsltWarning, stacklevel=3)
        self._log_failed = True


def _lines(epoch: Epoch) -> dict[str, str]:
    """What one epoch adds to each log. Wall-clock time is kept apart: it is never the same."""
    values = dataclasses.asdict(epoch)
    timing = {name: values[name] for name in ("seed", "epoch", "seconds")}
    del values["seconds"]
    return {METRICS: json.dumps(values) + "\n", TIMING: json.dumps(timing) + "\n"}


def record(run: Run) -> dict[str, Any]:
    """A run in the summary; accuracies are fractions."""
    names = ("seed", "best_epoch", "train_accuracy", "val_accuracy", "test_accuracy")
    return {name: getattr(run, name) for name in names}


def summary(result: Result) -> dict[str, object]:
    """What a search or training found, as plain values; accuracies are fractions."""
    best = result.best
    num_weights = sum(p.numel() for p in best.model.parameters())
    size = best.ticket.size().as_dict() if best.ticket else {"total": num_weights}
    return {
        "dataset": result.dataset,
        "test_accuracy": result.test_accuracy,
        "test_std": plain(result.test_std),
        "val_accuracy": result.val_accuracy,
        "val_std": plain(result.val_std),
        "runs": [record(run) for run in result.runs],
        "size": size,
    }


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def in_use(path: Path) -> bool:
    """Whether a process has this run folder open."""
    if not (path / LOCK).exists():
        return False
    lock = FileLock(path / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False
