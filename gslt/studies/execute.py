"""Runs of a study: how many are there; what is missing is computed and written down at once."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from gslt.config import SearchConfig, TrainConfig
from gslt.data import Dataset, load_dataset
from gslt.data.catalogue import FileStamps, file_stamps
from gslt.data.metrics import METRICS
from gslt.errors import ConfigError, GsltError, Interrupted, RunError, RunInUseError
from gslt.progress import progress_bar
from gslt.studies.columns import check_column
from gslt.studies.constructions import ConstructionFolder, construct_and_record
from gslt.studies.records import StudyFolder
from gslt.studies.runs import Record, StudyResults
from gslt.studies.study import RunSpec, Study
from gslt.studies.trajectory import trajectory_of, trajectory_probe
from gslt.theory.config import ConstructionConfig
from gslt.theory.existence import task_of
from gslt.training.loop import Probe
from gslt.training.places import in_use
from gslt.training.results import Epoch, Result
from gslt.training.run_folder import RunFolder
from gslt.training.search import check_kind, check_runnable, search, train
from gslt.training.signals import stop_requests

#: Called with the number of epochs that a run has just finished.
OnEpochs = Callable[[int], None]
#: What ends one run and not the study. RuntimeError is what torch raises when memory is full.
FAILURES = (GsltError, OSError, MemoryError, RuntimeError)
#: How often a run is begun whose worker processes die.
TRIES = 3
#: Seconds between looks of an executor at its workers, and at whether somebody asked to stop.
LOOK_SECONDS = 0.5
#: Seconds between two messages of a worker about its epochs.
_MESSAGE_SECONDS = 0.2


@dataclass(frozen=True)
class RunEnd:
    """How one run ended: with a record that is written, or with the reason why there is none."""

    spec: RunSpec
    record: Record | None = None
    computed: bool = True
    """Whether the record is of now; else another process wrote it meanwhile."""
    error: str = ""
    """A sentence; the next run of the study tries again."""
    busy: bool = False
    """Another process is computing it; its record will come from there."""
    stopped_by: int = 0
    """Number of the signal that asked to stop; a checkpoint is written."""


class Executor(Protocol):
    """Where runs are computed."""

    def execute(self, specs: Sequence[RunSpec], on_epochs: OnEpochs) -> Iterator[RunEnd]:
        """Compute every run, write its record, and tell how it ended as soon as it has.

        The order is any. After a request to stop no run is begun, and it stops with the ends of
        what was under way.

        Args:
            specs: the runs, each once.
            on_epochs: called in this process with the number of epochs that were finished since it
                was called last.

        Returns:
            How every run ended that was begun.
        """


class EpochMessages:
    """Epochs that a worker tells another process of, several in one message.

    Args:
        tell: called with the number of epochs that were finished since it was called last.
    """

    def __init__(self, tell: OnEpochs) -> None:
        self.tell, self.untold, self.last = tell, 0, time.perf_counter()

    def add(self, number: int) -> None:
        """So many epochs were finished; they are told where the last message is long ago."""
        self.untold += number
        if time.perf_counter() - self.last >= _MESSAGE_SECONDS:
            self.send()

    def send(self) -> None:
        """Tell what was not told yet."""
        self.tell(self.untold)
        self.untold, self.last = 0, time.perf_counter()


@dataclass(frozen=True)
class Here:
    """In this process, one run after the other, with all its threads."""

    folder: StudyFolder
    """Where run folders go."""
    dataset_dir: str | None = None
    """Folder of the data sets. Default: see :func:`gslt.load_dataset`."""
    device: str = "cpu"
    """Torch device of every run."""
    given: Dataset | None = None
    """The data set of every run, where it is at hand; else each is loaded by its name."""

    def execute(self, specs: Sequence[RunSpec], on_epochs: OnEpochs) -> Iterator[RunEnd]:
        """See :class:`Executor`.

        Args:
            specs: the runs.
            on_epochs: called after every epoch.
        """
        with stop_requests() as stop:
            for spec in specs:
                if stop:
                    return
                end = compute(
                    self.folder, spec, self.dataset_dir, self.device, on_epochs, given=self.given
                )
                yield end
                if end.stopped_by:
                    return


def compute(
    folder: StudyFolder,
    spec: RunSpec,
    dataset_dir: str | None,
    device: str,
    on_epochs: OnEpochs,
    *,
    given: Dataset | None = None,
) -> RunEnd:
    """Compute one run in its run folder, or go on with it, and write its record.

    A failure is an end too. Nobody else computes the run meanwhile, and what somebody else has
    recorded since is not computed again.

    Args:
        folder: of the study; the run folder is in it.
        spec: the run.
        dataset_dir: folder of the data sets. Default (None): see :func:`gslt.load_dataset`.
        device: torch device.
        on_epochs: called after every epoch.
        given: the data set, where it is at hand and not loaded by its name.
    """
    try:
        dataset = given or data_of(spec, dataset_dir)
        _ = folder.output  # Before there is a run in it: what is not empty would not be gslt's.
        with run_folder(folder.run_path(spec.identity), spec, device) as run:
            if (known := folder.usable(spec.identity)) is not None:
                return RunEnd(spec, known, computed=False)
            record = run_and_record(run, spec, dataset, on_epochs)
            folder.write(record)
        return RunEnd(spec, record)
    except Interrupted as error:
        return RunEnd(spec, stopped_by=error.signal_number)
    except RunInUseError:
        return RunEnd(spec, busy=True)
    except FAILURES as error:
        return RunEnd(spec, error=cause(error))


def cause(error: BaseException) -> str:
    """Why a run ended: what the error says, or its name where it says nothing.

    >>> cause(OSError("disk full")), cause(MemoryError())
    ('disk full', 'MemoryError')
    """
    return str(error) or type(error).__name__


def run_folder(path: Path, spec: RunSpec, device: str) -> RunFolder | ConstructionFolder:
    """The folder of a run, which no other process can open until its end.

    Args:
        path: of the folder.
        spec: the run.
        device: torch device.

    Raises:
        RunInUseError: if another process computes it.
        RunError: if the folder holds something else.
    """
    if isinstance(spec.config, ConstructionConfig):
        return ConstructionFolder(path)
    place = {"dataset": spec.dataset, "split": spec.split}
    return RunFolder(path, replace(spec.config, device=device), place)


def run_and_record(
    run: RunFolder | ConstructionFolder,
    spec: RunSpec,
    dataset: Dataset | None,
    on_epochs: OnEpochs,
) -> Record:
    """Search, train or construct in a run folder, and the record of it, not written yet.

    Args:
        run: see :func:`run_folder`.
        spec: the run.
        dataset: of the run, see :func:`data_of`.
        on_epochs: called after every epoch, or the construction.

    Raises:
        Interrupted: if somebody asked to stop; a checkpoint is written, but of constructions.
        GsltError: for whatever else ends a search, training or construction.
    """
    if isinstance(run, ConstructionFolder):
        record = construct_and_record(run, spec, dataset)
        on_epochs(spec.steps)
        return record
    assert dataset is not None
    if not spec.trajectory:
        result = run_in_folder(run, dataset, on_epochs)
        return Record.of(spec, dataset, result, run.environment)
    probe = trajectory_probe(run.path, dataset)
    result = run_in_folder(run, dataset, on_epochs, probe)
    found = trajectory_of(probe.of(spec.config.seed), result.best.last_epoch)
    return Record.of(spec, dataset, result, run.environment, found)


def run_in_folder(
    run: RunFolder, dataset: Dataset, on_epochs: OnEpochs, probe: Probe | None = None
) -> Result:
    """Search or train in a run folder, or go on there. See :func:`gslt.search`.

    Args:
        run: see :func:`run_folder`.
        dataset: of the run, loaded.
        on_epochs: called after every epoch.
        probe: measures the model on its way.

    Raises:
        Interrupted: if somebody asked to stop; a checkpoint is written.
        GsltError: for whatever else ends a search or training.
    """

    def count(_: Epoch) -> None:
        on_epochs(1)

    config = run.config
    # A run that was finished, but not recorded, is read.
    watch: dict[str, Any] = {} if run.finished else {"on_epoch": count, "probe": probe}
    if isinstance(config, SearchConfig):
        return search(dataset, config, progress=False, folder=run, **watch)
    assert isinstance(config, TrainConfig)
    return train(dataset, config, progress=False, folder=run, **watch)


def data_of(spec: RunSpec, root: str | None) -> Dataset | None:
    """The data set of a run; None where gslt makes the data of a construction.

    Args:
        spec: the run.
        root: folder of the data sets.

    Raises:
        DataError: if it is not there.
    """
    return None if spec.has_own_data else dataset_of(spec.dataset, root, spec.split)


def dataset_of(name: str, root: str | None, split: int) -> Dataset:
    """A data set, kept for the next run that needs it while its files stay as they are.

    Args:
        name: or path of the data set.
        root: folder of the data sets.
        split: its number, where there are several.

    Raises:
        DataError: if it is not there.
    """
    return _dataset_of(name, root, split, file_stamps(name, root))


@lru_cache(maxsize=2)
def _dataset_of(name: str, root: str | None, split: int, _stamps: FileStamps) -> Dataset:
    return load_dataset(name, root, split=split)


@dataclass(frozen=True)
class Summary:
    """What ``run_study`` did, and what is still missing."""

    computed: int = 0
    """Runs that were computed, and recorded, now."""
    present: int = 0
    """Runs whose records were there before, or came from another process meanwhile."""
    failures: dict[str, str] = field(default_factory=dict)
    """Reasons by identity; also why a record cannot be used."""
    busy: int = 0
    """Runs that another process is computing."""
    lost: int = 0
    """Runs that have no record, and were not stopped."""
    stopped_by: int = 0
    """Number of the signal that asked to stop; 0 where none did."""

    def __str__(self) -> str:
        parts = [f"{self.computed} runs computed", f"{self.present} were there"]
        parts += [f"{self.busy} are computed by another process"] if self.busy else []
        parts += [f"{len(self.failures)} failed"] if self.failures else []
        return ", ".join([*parts, *([f"{self.lost} have no record"] if self.lost else [])])

    def check(self, again: str = "the same command goes on") -> None:
        """End with an error unless every run has a record.

        Args:
            again: what to do, the end of the sentence.

        Raises:
            Interrupted: if somebody asked to stop.
            GsltError: if runs failed, are another process's, or have no record.
        """
        if self.stopped_by:
            raise Interrupted(f"stopped; {again}", self.stopped_by)
        parts = [f"{self.busy} runs are computed by another process"] if self.busy else []
        parts += [f"{self.lost} runs have no record"] if self.lost else []
        if self.failures:
            parts.append(f"{len(self.failures)} runs failed ({_reasons(self.failures.values())})")
        if parts:
            raise GsltError(f"{', '.join(parts)}; {again}")

    def __add__(self, other: Summary) -> Summary:
        """Of two studies together."""
        return Summary(
            self.computed + other.computed,
            self.present + other.present,
            self.failures | other.failures,
            self.busy + other.busy,
            self.lost + other.lost,
            self.stopped_by or other.stopped_by,
        )


def _reasons(found: Iterable[str]) -> str:
    """The reasons, each once, the most frequent first; not all where they are many."""
    reasons = [reason for reason, _ in sorted(Counter(found).items(), key=lambda e: (-e[1], e[0]))]
    more = [f"and {len(reasons) - 3} other reasons"] if len(reasons) > 3 else []
    return "; ".join([*reasons[:3], *more])


def run_study(
    study: Study,
    folder: StudyFolder,
    executor: Executor | None = None,
    *,
    progress: bool = True,
) -> Summary:
    """Compute the runs of a study that have no record yet.

    A run that was interrupted goes on from its checkpoint. A run that fails does not stop the
    others. After Ctrl-C, SIGTERM or SIGHUP no run is begun, and those under way write a checkpoint.
    Several processes may run one study: each run is computed by one of them.

    Args:
        study: what to run.
        folder: where records are and go.
        executor: where to compute; default in this process.
        progress: show a bar over the epochs of all runs on a terminal.

    Returns:
        How many runs were computed, were there, failed or are another process's; see
        :meth:`Summary.check`.

    Raises:
        RunError: if the folder holds another study of this name, or anything that is not gslt's,
            or records of other data than there is now, see :class:`StudyFolder`, or has the name of
            a data set.
        DataError: if a data set is not there.
    """
    root, given = (getattr(executor, name, None) for name in ("dataset_dir", "given"))
    if given is None:
        _check_names(study, folder)
    with stop_requests() as stop:
        folder.add(study)
        folder.compare_data(study, lambda name, split: given or dataset_of(name, root, split))
        course = _Course(study, folder)
        while course.missing and not stop:
            course.run(executor or Here(folder), progress)
        return course.summary(stop.signal_number or 0)


def _check_names(study: Study, folder: StudyFolder) -> None:
    """Refuse a folder of the name of a data set, which would be taken for the data set itself."""
    for name in dict.fromkeys(spec.dataset for spec in study.runs.values()):
        if folder.path.resolve() == Path(name).resolve():
            raise RunError(
                f"the folder {str(folder.path)!r} would be taken for the data set {name!r}, whose "
                "name it has; choose another --out"
            )


class _Course:
    """The runs of a study while they are computed: what became of each."""

    def __init__(self, study: Study, folder: StudyFolder) -> None:
        self.study, self.folder = study, folder
        self.present: set[str] = set()
        self.computed: set[str] = set()
        self.failures: dict[str, str] = {}
        self.busy: list[RunSpec] = []
        self.stopped_by = 0
        self.missing = [spec for spec in study.runs.values() if not self._is_settled(spec)]

    def _is_settled(self, spec: RunSpec) -> bool:
        """Whether nothing is to be computed: there is a record, be it one that nobody can use."""
        try:
            present = self.folder.usable(spec.identity) is not None
        except RunError as error:
            self.failures[spec.identity] = str(error)
            return True
        if present:
            self.present.add(spec.identity)
        return present

    def run(self, executor: Executor, progress: bool) -> None:
        """Compute what is missing; afterwards that is what others gave up meanwhile.

        Args:
            executor: where runs are computed.
            progress: show a progress bar on a terminal.
        """
        specs, self.missing, self.busy = self.missing, [], []
        with (
            progress_bar(
                total=sum(spec.steps for spec in specs),
                unit="epoch" if any(spec.steps > 1 for spec in specs) else "run",
                desc=self._count(),
                show=progress,
            ) as bar,
            closing(_started(executor, specs, bar.update)) as ends,
        ):
            for end in ends:
                self._take(end)
                bar.set_description(self._count())
                if end.record is not None:
                    # A run with patience may have ended before the epochs that were planned.
                    bar.total -= end.spec.steps - end.record.last_epoch
                    label = METRICS[end.record.metric].label
                    score = 100 * end.record.measured["test_accuracy"]
                    bar.set_postfix_str(f"last test {label} {score:.2f} %")
        self.busy = [spec for spec in self.busy if not self._is_settled(spec)]
        if not self.stopped_by and len(self.busy) < len(specs):
            self.missing = [s for s in self.busy if not in_use(self.folder.run_path(s.identity))]

    def _take(self, end: RunEnd) -> None:
        identity = end.spec.identity
        if end.record is not None:
            (self.computed if end.computed else self.present).add(identity)
        elif end.error:
            self.failures[identity] = end.error
            self.folder.fail(end.spec, end.error)
        elif end.busy:
            self.busy.append(end.spec)
        self.stopped_by = end.stopped_by or self.stopped_by

    def _count(self) -> str:
        done = len(self.present) + len(self.computed)
        return f"{self.study.name} {done}/{len(self.study.runs)}"

    def summary(self, signal_number: int) -> Summary:
        """What became of the runs; a record that is no longer there is none."""
        busy = {spec.identity for spec in self.busy}
        known = {*self.failures, *busy}
        there = {name for name in self.study.runs if self.folder.record_path(name).exists()}
        stopped_by = signal_number or self.stopped_by
        return Summary(
            computed=len(self.computed & there),
            present=len(self.present & there),
            failures=self.failures,
            busy=len(busy),
            lost=0 if stopped_by else len(set(self.study.runs) - there - known),
            stopped_by=stopped_by,
        )


def _started(
    executor: Executor, specs: Sequence[RunSpec], on_epochs: OnEpochs
) -> Generator[RunEnd, None, None]:
    yield from executor.execute(specs, on_epochs)


def check_study(
    study: Study, dataset_dir: str | None, device: str, *, given: Dataset | None = None
) -> list[Dataset]:
    """The data sets of a study, loaded, so that what is missing is told before anything runs.

    Args:
        study: what is to run.
        dataset_dir: folder of the data sets. Default (None): see :func:`gslt.load_dataset`.
        device: torch device of every run.
        given: the data set of all runs, where it is at hand.

    Returns:
        The data sets, one for every name and split.

    Raises:
        DataError: if a data set is not there.
        ConfigError: if the device is not here, the figure is to show a column that no run has, or a
            network of graphs is to run on images, or the other way round.
        MissingPackageError: if a backend is not installed.
    """
    smoothness = any(spec.smoothness for spec in study.runs.values())
    for what, name in (("x", study.x), ("panel", study.panel)):
        if name:
            check_column(name, f"study {study.name!r}: {what}", smoothness=smoothness)
    specs = study.runs.values()
    places = dict.fromkeys((s.dataset, s.split) for s in specs if not s.has_own_data)
    configs = [spec.config for spec in specs if not isinstance(spec.config, ConstructionConfig)]
    if len(configs) < len(specs) and device != "cpu":
        raise ConfigError(
            f"tickets are constructed on the CPU, in double precision, and device is {device!r}; "
            "leave it out"
        )
    for config in {config.backend: config for config in configs}.values():
        check_runnable(replace(config, device=device))
    found = {place: given or dataset_of(place[0], dataset_dir, place[1]) for place in places}
    for spec in specs:
        data = None if spec.has_own_data else found[spec.dataset, spec.split]
        if isinstance(spec.config, ConstructionConfig):
            task_of(spec.config, data)
        elif data is not None:
            check_kind(spec.config, data)
    return list(found.values())


def status_lines(folder: StudyFolder) -> Iterator[str]:
    """A line a study, and one for every run that failed or whose record cannot be used.

    Raises:
        RunError: if the folder holds no study.
    """
    for status in statuses(folder):
        yield from status.lines


@dataclass(frozen=True)
class Status:
    """How far a study is."""

    study: str
    runs: int
    done: int
    running: int
    seconds: float
    """Of computing so far."""
    left: float | None
    """Seconds of computing that are left, see :func:`seconds_left`; None before the first run."""
    troubles: list[str]
    """Runs that failed, and records that cannot be used."""

    @property
    def lines(self) -> list[str]:
        """The same in words, a line for the study and one for each trouble."""
        parts = [f"{self.done} of {self.runs} runs done"]
        parts += [f"{self.running} running"] if self.running else []
        if self.left:
            spent = duration(self.seconds)
            parts.append(f"about {duration(self.left)} of computing left, {spent} spent")
        elif self.done:
            parts.append(f"{duration(self.seconds)} of computing")
        return [f"{self.study}: {', '.join(parts)}", *(f"  {each}" for each in self.troubles)]


def statuses(folder: StudyFolder) -> Iterator[Status]:
    """How far each study of a folder is.

    Raises:
        RunError: if the folder holds no study.
    """
    for study in folder.studies():
        found = folder.results(study)
        seconds = [record.measured["seconds"] for record in found.records.values()]
        missing = [identity for identity in study.runs if identity not in found.records]
        running = sum(in_use(folder.run_path(identity)) for identity in missing)
        yield Status(
            study=study.name,
            runs=found.total,
            done=len(seconds),
            running=running,
            seconds=sum(seconds),
            left=seconds_left(found),
            troubles=list(found.troubles),
        )


def seconds_left(found: StudyResults) -> float | None:
    """Seconds that the missing runs take; None where no run is there.

    Each takes as long as the mean of its arm's runs that are there, or of all where there is none.

    Args:
        found: what a folder holds of the study.
    """
    if not (done := {name: each.measured["seconds"] for name, each in found.records.items()}):
        return None
    arms = {cell.spec.identity: cell.arm for cell in found.study.cells}
    of_arm: dict[str, list[float]] = {}
    for name, seconds in done.items():
        of_arm.setdefault(arms[name], []).append(seconds)
    means = {arm: statistics.fmean(seconds) for arm, seconds in of_arm.items()}
    usual = statistics.fmean(done.values())
    return sum(means.get(arm, usual) for name, arm in arms.items() if name not in done)


def duration(seconds: float) -> str:
    """Seconds in words.

    >>> duration(12), duration(200), duration(5500)
    ('12 s', '3 min', '1.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
