"""Runs of a study: how many are there; what is missing is computed and written down at once."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from tqdm import tqdm

from gslt.config import SearchConfig
from gslt.data import NodeDataset, load_dataset
from gslt.errors import GsltError, GsltWarning, Interrupted, RunError, RunInUseError
from gslt.studies.records import StudyFolder
from gslt.studies.runs import Record
from gslt.studies.study import RunSpec, Study
from gslt.training.results import Epoch, Result
from gslt.training.run_folder import RunFolder, in_use
from gslt.training.search import check_runnable, search, train

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
    """How one run ended: with a record, or with the reason why there is none."""

    spec: RunSpec
    record: Record | None = None
    error: str = ""
    """A sentence; the next run of the study tries again."""
    busy: bool = False
    """Another process is computing it; its record will come from there."""
    stopped_by: int = 0
    """Number of the signal that asked to stop; a checkpoint is written."""


class Executor(Protocol):
    """Where runs are computed."""

    def execute(self, specs: Sequence[RunSpec], on_epochs: OnEpochs) -> Iterator[RunEnd]:
        """Compute every run, in any order, and tell how it ended as soon as it has.

        After a request to stop it stops with the ends of what was under way.

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

    def execute(self, specs: Sequence[RunSpec], on_epochs: OnEpochs) -> Iterator[RunEnd]:
        """See :class:`Executor`.

        Args:
            specs: the runs.
            on_epochs: called after every epoch.
        """
        for spec in specs:
            end = compute(self.folder, spec, self.dataset_dir, self.device, on_epochs)
            yield end
            if end.stopped_by:
                return


def compute(
    folder: StudyFolder,
    spec: RunSpec,
    dataset_dir: str | None,
    device: str,
    on_epochs: OnEpochs,
) -> RunEnd:
    """Compute one run in its run folder, or go on with it; a failure is an end too.

    Args:
        folder: of the study; the run folder is in it.
        spec: the run.
        dataset_dir: folder of the data sets. Default (None): see :func:`gslt.load_dataset`.
        device: torch device.
        on_epochs: called after every epoch.
    """
    try:
        dataset = dataset_of(spec.dataset, dataset_dir, spec.split)
        result = run_in_folder(folder.run_path(spec.identity), spec, dataset, device, on_epochs)
        return RunEnd(spec, Record.of(spec, dataset, result))
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


def run_in_folder(
    path: Path, spec: RunSpec, dataset: NodeDataset, device: str, on_epochs: OnEpochs
) -> Result:
    """Search or train in a run folder, or go on there. See :func:`gslt.search`.

    Args:
        path: of the run folder.
        spec: the run.
        dataset: its data set, loaded.
        device: torch device.
        on_epochs: called after every epoch.

    Raises:
        RunInUseError: if another process computes it.
        Interrupted: if somebody asked to stop; a checkpoint is written.
        GsltError: for whatever else ends a search or training.
    """

    def count(_: Epoch) -> None:
        on_epochs(1)

    config = replace(spec.config, device=device)
    with RunFolder(path, config, {"dataset": spec.dataset, "split": spec.split}) as run:
        if isinstance(config, SearchConfig):
            return search(dataset, config, progress=False, on_epoch=count, folder=run)
        return train(dataset, config, progress=False, on_epoch=count, folder=run)


@lru_cache(maxsize=2)
def dataset_of(name: str, root: str | None, split: int) -> NodeDataset:
    """A data set, kept for the next run that needs it.

    Args:
        name: or path of the data set.
        root: folder of the data sets.
        split: its number, where there are several.

    Raises:
        DataError: if it is not there.
    """
    return load_dataset(name, root, split=split)


@dataclass(frozen=True)
class Summary:
    """What ``run_study`` did."""

    computed: int
    """Runs that were computed now."""
    present: int
    """Runs whose records were there before."""
    failures: dict[str, str]
    """Reasons by identity."""
    busy: int
    """Runs that another process is computing."""
    stopped_by: int
    """Number of the signal that asked to stop; 0 where none did."""

    def __str__(self) -> str:
        parts = [f"{self.computed} runs computed", f"{self.present} were there"]
        parts += [f"{self.busy} are computed by another process"] if self.busy else []
        parts += [f"{len(self.failures)} failed"] if self.failures else []
        return ", ".join(parts)


def run_study(
    study: Study,
    folder: StudyFolder,
    executor: Executor | None = None,
    *,
    progress: bool = True,
) -> Summary:
    """Compute the runs of a study that have no record yet.

    A run that was interrupted goes on from its checkpoint. A run that fails does not stop the
    others.

    Args:
        study: what to run.
        folder: where records are and go.
        executor: where to compute; default in this process.
        progress: show a bar over the epochs of all runs on a terminal.

    Returns:
        How many runs were computed, were there, failed or are another process's.

    Raises:
        RunError: if the folder holds another study of this name.
        DataError: if a data set is not there.
    """
    folder.add(study)
    missing = [spec for spec in study.runs.values() if not _present(folder, spec)]
    present = len(study.runs) - len(missing)
    computed, busy, stopped_by = 0, 0, 0
    failures: dict[str, str] = {}
    executor = executor or Here(folder)
    with (
        tqdm(
            total=sum(spec.config.epochs for spec in missing),
            unit="epoch",
            desc=f"{study.name} {present}/{len(study.runs)}",
            disable=None if progress else True,
        ) as bar,
        closing(_started(executor, missing, bar.update)) as ends,
    ):
        for end in ends:
            if end.record is not None:
                folder.write(end.record)
                computed += 1
                accuracy = 100 * end.record.measured["test_accuracy"]
                bar.set_description(f"{study.name} {present + computed}/{len(study.runs)}")
                bar.set_postfix_str(f"last test {accuracy:.2f} %")
            elif end.error:
                failures[end.spec.identity] = end.error
                folder.fail(end.spec, end.error)
            busy += end.busy
            stopped_by = end.stopped_by or stopped_by
    return Summary(computed, present, failures, busy, stopped_by)


def _started(
    executor: Executor, specs: Sequence[RunSpec], on_epochs: OnEpochs
) -> Generator[RunEnd, None, None]:
    if specs:
        yield from executor.execute(specs, on_epochs)


def _present(folder: StudyFolder, spec: RunSpec) -> bool:
    try:
        return folder.read(spec.identity) is not None
    except RunError as error:
        warnings.warn(f"{error}; the run is computed again", GsltWarning, stacklevel=3)
        return False


def check_study(study: Study, dataset_dir: str | None, device: str) -> list[NodeDataset]:
    """The data sets of a study, loaded, so that what is missing is told before anything runs.

    Args:
        study: what is to run.
        dataset_dir: folder of the data sets. Default (None): see :func:`gslt.load_dataset`.
        device: torch device of every run.

    Returns:
        The data sets, one for every name and split.

    Raises:
        DataError: if a data set is not there.
        ConfigError: if the device is not here.
        MissingPackageError: if a backend is not installed.
    """
    places = dict.fromkeys((spec.dataset, spec.split) for spec in study.runs.values())
    by_backend = {spec.config.backend: spec.config for spec in study.runs.values()}
    for config in by_backend.values():
        check_runnable(replace(config, device=device))
    return [dataset_of(name, dataset_dir, split) for name, split in places]


def status_lines(folder: StudyFolder) -> Iterator[str]:
    """A line a study, and one for every run that failed or whose record cannot be used.

    Raises:
        RunError: if the folder holds no study.
    """
    for study in folder.studies():
        found = folder.results(study)
        seconds = [record.measured["seconds"] for record in found.records.values()]
        missing = [identity for identity in study.runs if identity not in found.records]
        running = sum(in_use(folder.run_path(identity)) for identity in missing)
        parts = [f"{len(seconds)} of {found.total} runs done"]
        parts += [f"{running} running"] if running else []
        if seconds and missing:
            left, spent = len(missing) * statistics.fmean(seconds), sum(seconds)
            parts.append(f"about {duration(left)} of computing left, {duration(spent)} spent")
        elif seconds:
            parts.append(f"{duration(sum(seconds))} of computing")
        yield f"{study.name}: {', '.join(parts)}"
        yield from (f"  {trouble}" for trouble in found.troubles)


def duration(seconds: float) -> str:
    """Seconds in words.

    >>> duration(12), duration(200), duration(5500)
    ('12 s', '3 min', '1.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
