"""Event files for TensorBoard."""

from __future__ import annotations

import secrets
import struct
import time
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

from gslt.config import RunConfig
from gslt.environment import import_quietly, quiet
from gslt.errors import GsltError, GsltWarning, MissingPackageError
from gslt.files import OutputFolder, reading
from gslt.files.folder import check_folder
from gslt.files.writing import short_write
from gslt.loggers.common import Logger, SeedLog, Status, figure_names, figures, scalars
from gslt.training.results import Epoch, Run

#: Kind of the folder, see :class:`gslt.files.OutputFolder`.
KIND = "tensorboard"
#: What every event file begins with.
_FILE_VERSION = "brain.Event:2"


class TensorBoardLogger(Logger):
    """Event files in ``folder/seed<k>``, which ``tensorboard --logdir folder`` shows.

    Values are float32 there. Each step is there once: a run that goes on, or begins again, in the
    same folder takes over what was logged before its first epoch, and :meth:`result` writes the
    whole history anew where its first epochs were not logged in this process. When the disk is
    full, a warning says so, and what could not be written is written with :meth:`result`.

    Args:
        folder: where the event files go; a folder is for one config, and for gslt alone.
        config: logged when a seed begins. Default: of the result, in the end.
        dataset: name of the data set, logged with the config.

    Raises:
        MissingPackageError: if tensorboard is not installed.
        RunError: if the folder holds anything that gslt did not write.
    """

    def __init__(
        self, folder: str | Path, *, config: RunConfig | None = None, dataset: str = ""
    ) -> None:
        if find_spec("tensorboard") is None:
            raise MissingPackageError("tensorboard", "logging to TensorBoard", "tensorboard")
        super().__init__(config, dataset)
        self.folder = Path(folder)
        check_folder(self.folder, KIND)

    def _open(self, seed: int, first: int | None) -> SeedLog:
        return _Board(self.folder, seed, first)


class _Board:
    """The event file of one seed; its content is kept, for when the disk is full."""

    def __init__(self, folder: Path, seed: int, first: int | None) -> None:
        self.folder, self.seed, self.first = folder, seed, first
        stamp = f"{time.time():010.0f}.{secrets.token_hex(4)}"
        self.name = f"seed{seed}/events.out.tfevents.{stamp}.gslt"
        self.description: list[bytes] = []
        self.content = bytearray(_event(file_version=_FILE_VERSION))
        self.steps: list[int] = []
        self.is_whole = self.warned = False
        self.file: BinaryIO | None = None
        if first is not None:
            self._rewrite()

    def describe(self, values: dict[str, Any]) -> None:
        if self.description:
            return
        hparams = import_quietly("torch.utils.tensorboard.summary").hparams
        plain = {
            name: value if isinstance(value, bool | int | float) else str(value)
            for name, value in values.items()
        }
        experiment, start, _ = hparams(plain, dict.fromkeys(figure_names(values["metric"]), 0.0))
        self.description = [_event(summary=each) for each in (experiment, start)]
        self._append(b"".join(self.description))

    def epoch(self, epoch: Epoch) -> None:
        self.steps.append(epoch.epoch)
        self._append(_scalar_events(scalars(epoch), epoch.epoch, time.time()))

    def finish(self, run: Run) -> None:
        if self.first != 1 or self.steps != [epoch.epoch for epoch in run.history]:
            self._begin_anew(run)
        self._append(_scalar_events(figures(run), run.best_epoch, time.time()))
        if not self.is_whole:
            self._rewrite()

    def close(self, status: Status) -> None:
        self._close_file()

    def _close_file(self) -> None:
        file, self.file = self.file, None
        if file is not None:
            file.close()

    def _begin_anew(self, run: Run) -> None:
        """The whole history; its times follow from the end and the seconds of the run."""
        began = time.time() - run.seconds
        events = [_event(file_version=_FILE_VERSION), *self.description]
        for epoch in run.history:
            events.append(_scalar_events(scalars(epoch), epoch.epoch, began + epoch.seconds))
        self.content, self.is_whole = bytearray(b"".join(events)), False
        self.steps, self.first = [epoch.epoch for epoch in run.history], 1

    def _append(self, data: bytes) -> None:
        self.content += data
        if not self.is_whole:
            return
        try:
            if self.file is None:
                self.file = (self.folder / self.name).open("ab", buffering=0)
            if self.file.write(data) != len(data):
                raise short_write(self.folder)
        except OSError as error:
            self._fail(error)

    def _rewrite(self) -> None:
        """Write everything into one file, and remove those of earlier processes."""
        self._close_file()
        try:
            files = OutputFolder(self.folder, KIND)
            start = f"seed{self.seed}/"
            others = [n for n in files.names() if n.startswith(start) and n != self.name]
            if self.first is not None and self.first > 1 and not self.steps:
                paths = [self.folder / name for name in others]
                self.content += b"".join(_events_before(self.first, paths))
            files.write_bytes(self.name, bytes(self.content), grows=True)
            self.is_whole = True
            for name in others:
                files.remove(name)
        except (OSError, GsltError) as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.is_whole = False
        if not self.warned:
            text = f"{self.folder}: events could not be written ({error}); the run goes on"
            warnings.warn(text, GsltWarning, stacklevel=5)
        self.warned = True


def _event(**fields: Any) -> bytes:
    """An event as a record of an event file: length, its checksum, the event, its checksum."""
    stub = import_quietly("tensorboard.compat.tensorflow_stub.pywrap_tensorflow")
    event = import_quietly("tensorboard.compat.proto.event_pb2").Event
    data = event(**{"wall_time": time.time(), **fields}).SerializeToString()
    header = struct.pack("<Q", len(data))
    checksums = (struct.pack("<I", stub.masked_crc32c(each)) for each in (header, data))
    return b"".join([header, next(checksums), data, next(checksums)])


def _scalar_events(values: dict[str, float], step: int, wall_time: float) -> bytes:
    scalar = import_quietly("torch.utils.tensorboard.summary").scalar
    return b"".join(
        _event(summary=scalar(name, value), step=step, wall_time=wall_time)
        for name, value in values.items()
    )


def _events_before(first: int, paths: list[Path]) -> Iterator[bytes]:
    """The values of steps before ``first`` in event files, each once."""
    loader = import_quietly("tensorboard.backend.event_processing.event_file_loader")
    seen: set[tuple[str, int]] = set()
    for path in paths:
        with reading(path, what="an event file"), quiet():
            events = list(loader.LegacyEventFileLoader(str(path)).Load())
        for event in events:
            for value in event.summary.value:
                if 0 < event.step < first and (value.tag, event.step) not in seen:
                    seen.add((value.tag, event.step))
                    yield _event(summary=event.summary, step=event.step, wall_time=event.wall_time)
