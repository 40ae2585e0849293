"""Event files for TensorBoard."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gslt.config import RunConfig
from gslt.environment import import_quietly
from gslt.errors import MissingPackageError
from gslt.loggers.common import FIGURES, Logger, SeedLog, Status, figures, scalars
from gslt.training.results import Epoch, Run


class TensorBoardLogger(Logger):
    """Event files in ``folder/seed<k>``, which ``tensorboard --logdir folder`` shows.

    Values are float32 there. A run that goes on, or begins again, in the same folder makes what was
    logged from its first epoch on void. :meth:`result` writes the whole history anew where its
    first epochs were not logged in this process.

    Args:
        folder: where the event files go; a folder is for one config.
        config: logged when a seed begins. Default: of the result, in the end.
        dataset: name of the data set, logged with the config.

    Raises:
        MissingPackageError: if tensorboard is not installed.
    """

    def __init__(
        self, folder: str | Path, *, config: RunConfig | None = None, dataset: str = ""
    ) -> None:
        if find_spec("tensorboard") is None:
            raise MissingPackageError("tensorboard", "logging to TensorBoard", "tensorboard")
        super().__init__(config, dataset)
        self.folder = Path(folder)

    def _open(self, seed: int, first: int | None) -> SeedLog:
        return _Board(self.folder / f"seed{seed}", first)


class _Board:
    """The event files of one seed."""

    def __init__(self, folder: Path, first: int | None) -> None:
        self.folder, self.first = folder, first
        self.described = False
        self.writer = self._writer(first or 1)

    def _writer(self, first: int) -> Any:
        """A writer of one more event file; what others hold from epoch ``first`` on is void."""
        tensorboard = import_quietly("torch.utils.tensorboard")
        return tensorboard.SummaryWriter(str(self.folder), purge_step=first)

    def describe(self, values: dict[str, Any]) -> None:
        if self.described:
            return
        self.described = True
        hparams = import_quietly("torch.utils.tensorboard.summary").hparams
        plain = {
            name: value if isinstance(value, bool | int | float) else str(value)
            for name, value in values.items()
        }
        experiment, start, _ = hparams(plain, dict.fromkeys(FIGURES, 0.0))
        self.writer.file_writer.add_summary(experiment)
        self.writer.file_writer.add_summary(start)

    def epoch(self, epoch: Epoch) -> None:
        self._write(scalars(epoch), epoch.epoch)

    def finish(self, run: Run) -> None:
        if self.first != 1:
            self.writer.close()
            self.writer = self._writer(1)
            for epoch in run.history:
                self.epoch(epoch)
        self._write(figures(run), run.best_epoch)

    def close(self, status: Status) -> None:
        self.writer.close()

    def _write(self, values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)
