"""The folder of a run: resolved config, environment, metrics, checkpoints, tickets, summary.

Everything but ``timing.jsonl``, ``environment.json`` and the seconds in
``finished-seed*.safetensors`` is the same, byte for byte, for the same config on the same machine,
however often the run was interrupted.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import secrets
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any

import safetensors.torch
import yaml
from msgspec import Meta
from typing_extensions import Self

from gslt.config import RunConfig, SearchConfig
from gslt.data import Dataset
from gslt.data.content import refuse_other_data, run_facts, runs_differ
from gslt.data.labelled import SPLITS
from gslt.data.metrics import ACCURACY
from gslt.environment import environment
from gslt.errors import GsltError, GsltWarning, RunError, UnwrittenError, differences
from gslt.files import (
    OutputFolder,
    parse,
    plain,
    read_bytes,
    reading,
)
from gslt.files.container import seal, unseal
from gslt.files.folder import TICKET
from gslt.files.log import Log, Mark, check_no_link
from gslt.files.writing import json_text
from gslt.nn.networks import Network
from gslt.ticket.ticket import Ticket, load_ticket
from gslt.training.checkpoint import (
    Checkpoint,
    Checkpoints,
    EpochRow,
    file_names,
    history_rows,
    metric_of,
    read_history,
)
from gslt.training.lock import locked
from gslt.training.places import (
    CONFIG,
    ENVIRONMENT,
    FINISHED,
    FORMAT_VERSION,
    METRICS,
    SUMMARY,
    TIMING,
    WEIGHTS,
    About,
    completed,
    environment_of,
    how_to_go_on,
    read_run,
    state_file,
)
from gslt.training.results import AT_BEST, AT_LAST, Epoch, Result, Run, ticket_results

#: Time that checkpoints may take, as a share of the run.
SHARE = 0.01
#: Seconds between checkpoints at least, whatever they cost.
LEAST_SECONDS = 1.0
#: Of an environment, what a result may depend on.
_TELLING = ("versions", "threads", "system")


@dataclass(frozen=True)
class _Record:
    """A run in the summary; accuracies are fractions, losses nats.

    None is what an older gslt did not keep, or a loss that is no finite number.
    """

    seed: Annotated[int, Meta(ge=0)]
    best_epoch: Annotated[int, Meta(ge=1)]
    train_accuracy: float
    val_accuracy: float
    test_accuracy: float
    train_loss: float | None = None
    val_loss: float | None = None
    test_loss: float | None = None
    last_epoch: int | None = None
    last_train_accuracy: float | None = None
    last_val_accuracy: float | None = None
    last_test_accuracy: float | None = None
    last_train_loss: float | None = None
    last_val_loss: float | None = None
    last_test_loss: float | None = None


@dataclass(frozen=True)
class _Finished:
    """What a finished seed leaves beside its ticket or weights."""

    identity: dict[str, Any]
    record: _Record
    history: Annotated[list[EpochRow], Meta(min_length=1)]
    state_sha256: str
    logs: dict[str, Mark]


class RunFolder:
    """The folder of one search or training: hand it over as ``folder=``.

    A run that was killed goes on from its last checkpoint when its folder is opened again with the
    same config; what is finished is not computed again. Use it as a context manager: until its end
    no other process can open the folder.

    gslt touches only what it wrote there itself. When the disk is full, checkpoints and logs are
    lost, and the run goes on.

    Args:
        path: the folder: empty, not there yet, or of the same run.
        config: the resolved config.
        options: further values that identify the run (name of the data set and so on).
        checkpoint_seconds: time between checkpoints; by default as often as costs 1 % of the time.
        remembered: options that do not change the result, for who goes on with the run.
        allow_other_data: go on, with a warning, where the data is no longer what it was.

    Raises:
        RunError: if the folder holds something else, another run (the fields are named) or one of
            a newer version, if another process is using it, or if a file of the run is no longer
            as gslt wrote it.
        OSError: if it cannot be made.
    """

    def __init__(
        self,
        path: str | Path,
        config: RunConfig,
        options: dict[str, Any] | None = None,
        *,
        checkpoint_seconds: float | None = None,
        remembered: dict[str, str | int | None] | None = None,
        allow_other_data: bool = False,
    ) -> None:
        self.path, self.config = Path(path), config
        self._allow_other_data = allow_other_data
        self.command = "search" if isinstance(config, SearchConfig) else "train"
        self.values = {**(options or {}), **dataclasses.asdict(config)}
        self._begun_with = self.values
        self.checkpoint_seconds = checkpoint_seconds
        self.files = OutputFolder(self.path, self.command)
        self._lock = locked(self.path, self.files.room)
        try:
            self._open(remembered)
        except BaseException:
            self._lock.release()
            raise
        self.checkpoints = Checkpoints(self.files, {})
        self._histories: dict[int, list[Epoch]] = {}
        self._unkept: list[Run] = []
        self._warned = False
        self._last = (time.perf_counter(), 0.0)

    @property
    def finished(self) -> bool:
        """Whether the run is over and everything written."""
        return (self.path / SUMMARY).exists()

    @property
    def remembered(self) -> dict[str, str | int | None]:
        """Options that do not change the result, as they were given last."""
        return self._about.remembered

    @property
    def way_on(self) -> str:
        """What goes on with the run, see :func:`gslt.training.places.how_to_go_on`."""
        return how_to_go_on(self.command, self.path, self.values)

    @property
    def key(self) -> str:
        """What tells this run from every other, also from one that was in this folder before."""
        return self._about.key

    @property
    def environment(self) -> dict[str, Any]:
        """Versions and hardware of those who computed.

        See :func:`gslt.training.places.read_environment`.
        """
        return environment_of(self._about)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for log in (*self._logs.values(), *self._watched.values()):
            log.close()
        self._lock.release()

    # Opening

    def _open(self, remembered: dict[str, str | int | None] | None) -> None:
        self._now = environment()
        begun = (self.path / CONFIG).exists()
        if begun:
            self._compare()
        self._check_files()
        self.files.sweep(age=0.0)
        if not begun:
            self._begin(remembered or {})
        elif remembered is not None and remembered != self._about.remembered:
            self._note(remembered=remembered)
        self._logs = {name: Log(self.path / name) for name in (METRICS, TIMING)}
        self._watched: dict[str, Log] = {}
        for name, log in self._logs.items():
            self.files.register(name)
            self._manage(log, name)
            if log.load():
                self._say(f"{name} has lines that gslt did not write; they are left out")

    def _begin(self, remembered: dict[str, str | int | None]) -> None:
        text = yaml.safe_dump(self.values, sort_keys=False)
        own: dict[str, Any] = {"format": FORMAT_VERSION, "command": self.command}
        own |= {"config_sha256": _sha256(text.encode()), "key": secrets.token_hex(8)}
        values = {**own, "remembered": remembered}
        values |= self._now
        self.files.write_json(ENVIRONMENT, values)
        self.files.write_text(CONFIG, text)
        self._about = parse(About, values)

    def _compare(self) -> None:
        self._about, values = read_run(self.path)
        if (command := self._about.command) != self.command:
            raise RunError(f"{str(self.path)!r} was begun by {command}, not {self.command}")
        found = completed(self.command, values)
        if found != self.values:
            raise RunError(
                f"{str(self.path)!r} holds another run: {differences(found, self.values)}; "
                "choose another --out"
            )
        # What an older gslt began goes on under the settings that its checkpoints name.
        self._begun_with = values
        there, now = self.environment, self._now
        names = [name for name in _TELLING if there.get(name) != now[name]]
        if names and not self.finished:
            changes = differences({n: there.get(n) for n in names}, {n: now[n] for n in names})
            self._say(
                f"it was begun elsewhere ({changes}); its ticket may differ from that of an "
                "undisturbed run"
            )

    def _check_files(self) -> None:
        """Refuse a folder in which something will have to be written that is not gslt's.

        Raises:
            RunError: naming the file.
        """
        first, count = self.values["seed"], self.config.runs
        seeds = range(first, first + count)
        names = {ENVIRONMENT, CONFIG, SUMMARY, TICKET, WEIGHTS, METRICS, TIMING}
        names |= {_named(name, seed) for seed in seeds for name in (FINISHED, TICKET, WEIGHTS)}
        names |= {name for seed in seeds for name in file_names(seed)}
        with reading(self.path):
            there = {path.name for path in self.path.iterdir()}
        for name in sorted(names & there):
            check_no_link(self.path / name)
            self.files.check(name)

    def _note(self, **changes: Any) -> None:
        """Change what ``environment.json`` says."""
        self._about = dataclasses.replace(self._about, **changes)
        try:
            self.files.write_json(ENVIRONMENT, dataclasses.asdict(self._about))
        except OSError as error:
            self._warn_once(f"the environment could not be written ({error}); the run goes on")

    def _manage(self, log: Log, name: str) -> None:
        log.replacing = partial(self.files.replacing, name, grows=True)
        log.trouble = self._warn_once
        first = int(self.values["seed"])
        log.seeds = range(first, first + self.config.runs)

    def watch(self, log: Log) -> None:
        """Let a log be part of the checkpoints, so that it is cut back to where a run goes on.

        Args:
            log: that grows with the run, such as :attr:`gslt.diagnostics.SearchProbe.log`.

        Raises:
            RunError: if its file is not gslt's, or cannot be read.
        """
        name = str(log.path.resolve())
        if log.path.resolve().is_relative_to(self.path.resolve()):
            name = log.path.resolve().relative_to(self.path.resolve()).as_posix()
            check_no_link(log.path)
            self.files.register(name)
            self._manage(log, name)
        log.trouble = self._warn_once
        log.load()
        self._watched[name] = log

    def is_of(self, dataset: Dataset) -> bool:
        """Whether the run is of this data, or nothing is known of what it is of.

        Args:
            dataset: that it would go on with.
        """
        return not runs_differ(self._about.data, run_facts(dataset))

    def hold_to(self, dataset: Dataset) -> None:
        """Note the data that the run is of, or refuse other data.

        Args:
            dataset: that it goes on with.

        Raises:
            RunError: if it was begun on other data, or is judged by something else, unless that is
                allowed.
            DataError: for an evaluator whose name does not tell it from others.
        """
        now = run_facts(dataset)
        if how := runs_differ(self._about.data, now):
            refuse_other_data(
                f"{str(self.path)!r} was begun on other data than {dataset.name!r} is now: {how}",
                "bring back the data, or choose another --out",
                allowed=self._allow_other_data,
            )
        if now != self._about.data:
            self._note(data=now)

    # One seed

    def stored(
        self, seed: int, identity: dict[str, Any], build: Callable[[], Network]
    ) -> Run | None:
        """The run of a seed if it was finished before; where something is wrong a warning says so.

        Args:
            seed: of the run.
            identity: what tells its graph from others.
            build: makes a model to restore.
        """
        path = self.path / _named(FINISHED, seed)
        if not path.exists():
            return None
        try:
            with reading(path, what="a record of a finished run"):
                found = parse(_Finished, unseal("run", read_bytes(path))[0])
                run = self._restored(found, seed, identity, build)
        except GsltError as error:
            self._say(f"{error}; seed {seed} is computed again")
            return None
        self._histories[seed] = run.history
        self._put_history(seed, run.history)
        return run

    def _restored(
        self, found: _Finished, seed: int, identity: dict[str, Any], build: Callable[[], Network]
    ) -> Run:
        """The run that a record is of.

        Raises:
            ValueError: if it is of another one, or of other logs than there are.
        """
        state = read_bytes(self._state_path(seed))
        if found.identity != self._identity(identity) or found.record.seed != seed:
            raise ValueError("it is of another run")
        accuracies = (found.record.train_accuracy, found.record.val_accuracy)
        if not all(map(math.isfinite, (*accuracies, found.record.test_accuracy))):
            raise ValueError("an accuracy is not finite")
        if found.state_sha256 != _sha256(state):
            raise ValueError("it is of another ticket")
        metric = metric_of(identity)
        history = read_history(found.history, seed, metric)
        last, best = len(history), found.record.best_epoch
        if not best <= last <= self.config.epochs or not self.config.is_last(last, best):
            raise ValueError("it is of another number of epochs")
        ticket, model = None, build()
        if state_file(self.config) == TICKET:
            ticket = load_ticket(self._state_path(seed))
            ticket.restore(model)
            draw = getattr(self.config, "score_draw", 0)
            if ticket.results != _ticket_results(found.record, metric, draw):
                raise ValueError("its accuracies are not those of the ticket")
        else:
            model.load_state_dict(safetensors.torch.load(state))
        if not self.finished:
            self._cut_to_end(seed, found.logs)
            if found.record.last_test_accuracy is None:
                self._say(
                    f"seed {seed} was finished by an older gslt, which kept no losses and nothing "
                    "of the last epoch; they are null in the summary"
                )
        kept = dataclasses.asdict(found.record)
        del kept["last_epoch"]
        values: dict[str, Any] = {n: math.nan if v is None else v for n, v in kept.items()}
        return Run(
            **values,
            seconds=history[-1].seconds,
            history=history,
            model=model.eval(),
            ticket=ticket,
        )

    def _cut_to_end(self, seed: int, marks: dict[str, Mark]) -> None:
        for name, log in self._watched.items():
            if name not in marks:
                self._say(f"{name} has nothing of seed {seed}, which was finished without it")
            elif not log.holds(seed, marks[name]):
                raise ValueError(f"{name} is not as it was when the run ended")
            else:
                log.put(seed, log.of(seed)[: marks[name].bytes])

    def begin(self, seed: int, identity: dict[str, Any]) -> Checkpoint | None:
        """Begin a seed's run, or go on with it from the checkpoint that is returned.

        The logs are cut back to what they were at that checkpoint.

        Args:
            seed: of the run.
            identity: what tells its graph from others.

        Raises:
            RunError: if the checkpoint belongs to another run.
        """
        self.checkpoints = Checkpoints(self.files, self._identity(identity))
        found = next((c for c in self.checkpoints.load(seed) if self._is_usable(c)), None)
        history = list(found.history) if found else []
        self._histories[seed] = history
        self._put_history(seed, history)
        for name, log in {**self._watched, **self._unwatched()}.items():
            self._cut(log, name, seed, found)
        for log in (*self._logs.values(), *self._watched.values()):
            log.try_sync()
        known = [self.environment, *self._about.continued_by]
        if not any(self._now.items() <= each.items() for each in known):
            self._note(continued_by=[*self._about.continued_by, self._now])
        self._last = (time.perf_counter(), 0.0)
        return found

    def _is_usable(self, found: Checkpoint) -> bool:
        """Whether a run can go on from a checkpoint; a warning says why it cannot."""
        place = f"the checkpoint of epoch {found.epoch} of seed {found.seed} is not used"
        if found.epoch >= self.config.epochs:
            self._say(f"a run of {self.config.epochs} epochs has no such one: {place}")
            return False
        for name, log in self._watched.items():
            if name in found.logs and not log.holds(found.seed, found.logs[name]):
                self._say(f"{name} is not as it was then, so that {place}")
                return False
        return True

    def _cut(self, log: Log, name: str, seed: int, found: Checkpoint | None) -> None:
        """Cut a log back to a checkpoint, or to the beginning of the seed."""
        if found is None:
            log.put(seed, b"")
        elif name in found.logs:
            log.put(seed, log.of(seed)[: found.logs[name].bytes])
        if name not in self._watched:
            log.try_sync()
            log.close()

    def _unwatched(self) -> dict[str, Log]:
        """Logs of an earlier process that nobody writes in this one."""
        found = {}
        for path in sorted(self.path.glob("*.jsonl")):
            known = {**self._logs, **self._watched}
            if path.name in known or path.is_symlink() or not self.files.owns(path.name):
                continue
            found[path.name] = log = Log(path)
            self._manage(log, path.name)
            log.load()
            self._say(f"{path.name} ends where the run goes on, without what wrote it")
        return found

    def _put_history(self, seed: int, history: list[Epoch]) -> None:
        """Let metrics and timing of a seed be those of its history; they may have gone further."""
        lines = [_lines(epoch) for epoch in history]
        for name, log in self._logs.items():
            wanted, there = b"".join(line[name] for line in lines), log.of(seed)
            common = min(len(wanted), len(there)) if history else 0
            if wanted[:common] != there[:common]:
                self._say(f"{name} is not as gslt wrote it; it is written anew")
            log.put(seed, wanted)

    def on_epoch(self, epoch: Epoch) -> None:
        """Append one epoch to metrics and timing, one JSON object per line each."""
        self._histories[epoch.seed].append(epoch)
        for name, line in _lines(epoch).items():
            self._logs[name].append(epoch.seed, line)

    def wants_checkpoint(self) -> bool:
        """Whether it is time for the next one."""
        ended, cost = self._last
        every = self.checkpoint_seconds
        if every is None:
            every = max(LEAST_SECONDS, cost / SHARE)
        return time.perf_counter() - ended >= every

    def save(self, checkpoint: Checkpoint) -> bool:
        """Write a checkpoint; where that fails the run goes on without. Returns whether it did.

        Args:
            checkpoint: without logs; how far they are is added here.
        """
        started = time.perf_counter()
        try:
            marks = self._marks(checkpoint.seed)
            self.checkpoints.save(dataclasses.replace(checkpoint, logs=marks))
            written = True
        except (OSError, RunError) as error:
            self._warn_once(f"a checkpoint could not be written ({error}); the run goes on")
            written = False
        for log in self._logs.values():
            log.try_sync()
        ended = time.perf_counter()
        self._last = (ended, ended - started)
        return written

    def _marks(self, seed: int) -> dict[str, Mark]:
        """How far the watched logs are, once that is on the disk.

        Raises:
            OSError: if it cannot be written.
        """
        for log in self._watched.values():
            log.sync(flush=True)
        return {name: log.mark(seed) for name, log in self._watched.items()}

    def keep(self, run: Run) -> None:
        """Write what a finished seed found, so that it need not be computed again.

        Where that fails :meth:`finish` tries again.
        """
        try:
            self._keep(run)
        except (OSError, RunError) as error:
            self._warn_once(f"the result of a seed could not be written ({error})")
            self._unkept.append(run)

    def _keep(self, run: Run) -> None:
        state = _state(run)
        values = {
            "identity": self.checkpoints.identity,
            "record": record(run),
            "history": history_rows(run.history),
            "state_sha256": _sha256(state),
            "logs": {n: dataclasses.asdict(mark) for n, mark in self._marks(run.seed).items()},
        }
        self._write(self._state_path(run.seed).name, state)
        self._write(_named(FINISHED, run.seed), seal("run", values, {}))
        with suppress(OSError):
            self.checkpoints.clear(run.seed)

    def _identity(self, more: dict[str, Any]) -> dict[str, Any]:
        return {"command": self.command, **self._begun_with, **more}

    # All seeds

    def finish(self, result: Result) -> None:
        """Write the best ticket or weights and the summary; remove what was for going on only.

        Raises:
            UnwrittenError: if the disk is full, or a file is not gslt's; it has the result.
        """
        try:
            self._finish(result)
        except (OSError, RunError) as error:
            place = getattr(error, "filename", None) or self.path
            said = getattr(error, "strerror", None)
            raise UnwrittenError(
                (f"{said}: {place}" if said else str(error))
                + f"; the result is not written; once there is room, {self.way_on} goes on from "
                "what was written last",
                result,
            ) from error

    def _finish(self, result: Result) -> None:
        while self._unkept:
            self._keep(self._unkept[0])
            del self._unkept[0]
        for log in (*self._logs.values(), *self._watched.values()):
            log.sync()
        if len(result.runs) > 1:
            self._write(state_file(self.config), _state(result.best))
        self._write(SUMMARY, json_text(summary(result)).encode())
        for run in result.runs:
            with suppress(OSError):
                self.checkpoints.clear(run.seed)

    def _write(self, name: str, data: bytes) -> None:
        """Write a file that does not grow, unless it is there already."""
        path = self.path / name
        if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
            return
        self.files.write_bytes(name, data)

    def _state_path(self, seed: int) -> Path:
        name = state_file(self.config)
        return self.path / (_named(name, seed) if self.config.runs > 1 else name)

    def _warn_once(self, message: str) -> None:
        if not self._warned:
            self._say(message)
        self._warned = True

    def _say(self, message: str) -> None:
        warnings.warn(f"{self.path}: {message}", GsltWarning, stacklevel=4)


def _named(name: str, seed: int) -> str:
    stem, extension = name.split(".")
    return f"{stem}-seed{seed}.{extension}"


def _state(run: Run) -> bytes:
    """The ticket file or the weights of a run."""
    if run.ticket is not None:
        return run.ticket.to_bytes()
    return safetensors.torch.save(run.model.state_dict())


def _ticket_results(record: _Record, metric: str, score_draw: int) -> dict[str, float]:
    """What the ticket of a run says of its search."""
    scores = {part: getattr(record, f"{part}_accuracy") for part in SPLITS}
    return ticket_results(scores, record.best_epoch, metric, score_draw)


def _lines(epoch: Epoch) -> dict[str, bytes]:
    """What one epoch adds to each log. Wall-clock time is kept apart: it is never the same."""
    values = dataclasses.asdict(epoch)
    timing = {name: values[name] for name in ("seed", "epoch", "seconds")}
    del values["seconds"]
    if epoch.metric == ACCURACY:  # As every line was before there was another metric.
        del values["metric"]
    lines = {METRICS: values, TIMING: timing}
    return {name: (json.dumps(line) + "\n").encode() for name, line in lines.items()}


def record(run: Run) -> dict[str, Any]:
    """A run in the summary; accuracies are fractions, losses nats."""
    values = {each.name: getattr(run, each.name) for each in dataclasses.fields(_Record)}
    return {name: plain(value) for name, value in values.items()}


def summary(result: Result) -> dict[str, object]:
    """What a search or training found, as plain values; accuracies are fractions, losses nats.

    Beside each run, the means over the runs: ``AT_BEST`` at the best validation epoch of each, and
    ``AT_LAST`` at the last epoch. ``metric`` says what the accuracies are, and
    ``<split>_majority_rate`` what it is of a network that says the same of every node. Where there
    is a ticket, ``layers`` says what the best one keeps of each layer.
    """
    best = result.best
    num_weights = sum(p.numel() for p in best.model.parameters())
    named = ("test_accuracy", "val_accuracy")
    size = plain(best.ticket.size().as_dict()) if best.ticket else {"total": num_weights}
    return {
        "dataset": result.dataset,
        "content_hash": result.content_hash,
        "metric": result.metric,
        **{f"{split}_majority_rate": rate for split, rate in result.majority_rate.items()},
        "test_accuracy": result.test_accuracy,
        "test_std": plain(result.test_std),
        "val_accuracy": result.val_accuracy,
        "val_std": plain(result.val_std),
        **{n: plain(result.mean(n)) for n in (*AT_BEST, *AT_LAST) if n not in named},
        "runs": [record(run) for run in result.runs],
        "size": size,
        **({"layers": _layers(best.ticket)} if best.ticket else {}),
    }


def _layers(ticket: Ticket) -> dict[str, dict[str, float]]:
    """Weights of each layer of a ticket, how many it keeps, and the fraction that these are."""
    return {
        name: {"total": total, "kept": kept, "density": kept / max(1, total)}
        for name, (kept, total) in ticket.kept_by_layer.items()
    }


def receive(path: Path, command: str, files: Mapping[str, bytes]) -> None:
    """Write the files of a finished run that was computed elsewhere, its summary last.

    Args:
        path: of the run folder, which may hold the beginning of the same run.
        command: ``"search"``, ``"train"`` or ``"construct"``.
        files: by name.

    Raises:
        RunError: if it holds anything else, or another process is using it.
        OSError: if they cannot be written.
    """
    folder = OutputFolder(path, command)
    lock = locked(path, folder.room)
    try:
        for name in folder.names():
            if name.startswith("checkpoint-"):
                folder.remove(name)
        for name in sorted(files, key=lambda name: (name == SUMMARY, name)):
            folder.write_bytes(name, files[name], grows=name.endswith(".jsonl"))
    finally:
        lock.release()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
