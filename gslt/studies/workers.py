"""Runs in worker processes of this machine, each with its share of the threads."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
import warnings
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

from gslt.environment import usable_cores
from gslt.errors import DataWarning, plain_warning
from gslt.studies.execute import (
    LOOK_SECONDS,
    TRIES,
    EpochMessages,
    OnEpochs,
    RunEnd,
    compute,
)
from gslt.studies.records import StudyFolder
from gslt.studies.study import RunSpec
from gslt.training.signals import SIGNALS, Request, stop_requests

#: Seconds that a worker process has to end.
_END_SECONDS = 5.0


@dataclass(frozen=True)
class Workers:
    """In ``number`` processes of this machine.

    A run whose process dies (out of memory, killed) is begun again, up to three times, and goes on
    from its checkpoint.
    """

    folder: StudyFolder
    """Where run folders go."""
    number: int
    """Of processes; the cores are shared out among them."""
    dataset_dir: str | None = None
    """Folder of the data sets. Default: see :func:`gslt.load_dataset`."""
    device: str = "cpu"
    """Torch device of every run."""

    def execute(self, specs: Sequence[RunSpec], on_epochs: OnEpochs) -> Iterator[RunEnd]:
        """See :class:`gslt.studies.execute.Executor`.

        Args:
            specs: the runs.
            on_epochs: called with the epochs that a worker has told.
        """
        with stop_requests() as stop:
            yield from _Pool(self, specs, on_epochs, stop).ends()


@dataclass
class _Worker:
    process: Any
    connection: Connection
    spec: RunSpec | None = None
    ready: bool = False
    """Whether it has loaded what it needs, and hears requests to stop."""
    asked: bool = False
    """Whether it was told to stop."""


@dataclass
class _Pool:
    """The processes, what they are doing, and what is still to be done."""

    options: Workers
    specs: Sequence[RunSpec]
    on_epochs: OnEpochs
    stop: Request
    workers: list[_Worker] = field(default_factory=list)
    tries: Counter[str] = field(default_factory=Counter)

    def ends(self) -> Iterator[RunEnd]:
        waiting = deque(self.specs)
        try:
            self.workers = [self._start() for _ in range(min(self.options.number, len(waiting)))]
            while waiting or any(worker.spec for worker in self.workers):
                if self.stop.signal_number is not None:
                    waiting.clear()
                    self._ask_to_stop(self.stop.signal_number)
                for worker in list(self.workers):
                    if worker.spec is None and waiting:
                        yield from self._give(worker, waiting)
                yield from self._receive(waiting)
        finally:
            self._end()

    def _end(self) -> None:
        """End the processes: one without a run ends by itself once its connection is gone."""
        for worker in self.workers:
            worker.connection.close()
            if worker.spec is not None:
                worker.process.terminate()
        deadline = time.monotonic() + _END_SECONDS
        for worker in self.workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            # SIGTERM is a request, which somebody who reads a data set has no ear for.
            worker.process.kill()
            worker.process.join()

    def _give(self, worker: _Worker, waiting: deque[RunSpec]) -> Iterator[RunEnd]:
        """Give a worker its next run; one that died while it had none is replaced."""
        worker.spec = waiting.popleft()
        try:
            worker.connection.send(worker.spec)
        except OSError:
            yield from self._replace(worker, waiting)

    def _receive(self, waiting: deque[RunSpec]) -> Iterator[RunEnd]:
        busy = {worker.connection: worker for worker in self.workers if worker.spec}
        for ready in wait(list(busy), timeout=LOOK_SECONDS):
            worker = busy[ready]  # type: ignore[index]
            try:
                message = worker.connection.recv()
            except (EOFError, OSError):
                yield from self._replace(worker, waiting)
                continue
            worker.ready = True
            if isinstance(message, int):
                self.on_epochs(message)
                continue
            worker.spec = None
            yield message

    def _replace(self, worker: _Worker, waiting: deque[RunSpec]) -> Iterator[RunEnd]:
        """Put a new process in the place of a dead one, and its run back to where it came from."""
        spec = worker.spec
        assert spec is not None
        worker.process.join()
        worker.connection.close()
        self.workers.remove(worker)
        self.tries[spec.identity] += 1
        if self.tries[spec.identity] >= TRIES:
            code = worker.process.exitcode
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"status {code}"
            yield RunEnd(
                spec,
                error=f"its worker process died {TRIES} times (the last with {how}); where memory "
                "is short, use fewer --workers",
            )
        elif not self.stop:
            waiting.append(spec)
        if not self.stop:
            self.workers.append(self._start())

    def _ask_to_stop(self, signal_number: int) -> None:
        """Ask every worker once to finish its epoch and write a checkpoint."""
        for worker in self.workers:
            if worker.spec is None or worker.asked:
                continue
            worker.asked = True
            if worker.ready:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker.process.pid, signal_number)
            else:
                worker.process.kill()  # It has not begun anything.

    def _start(self) -> _Worker:
        # Forking a process with running threads can hang.
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        options = self.options
        threads = max(1, usable_cores() // options.number)
        args = (there, options.folder, options.dataset_dir, options.device, threads)
        process = context.Process(target=_work, args=args, daemon=True)
        with _signals_held():
            process.start()
        there.close()
        return _Worker(process, here)


def _work(
    connection: Connection, folder: StudyFolder, dataset_dir: str | None, device: str, threads: int
) -> None:
    """The life of a worker process: a run, how it ended, the next run."""
    end_with_parent()
    warnings.formatwarning = plain_warning
    warnings.simplefilter("ignore", DataWarning)  # The parent, who read the data, has said it.
    import torch

    if hasattr(os, "setsid"):
        os.setsid()  # Ctrl-C goes to a whole group of processes; the parent passes it on, once.
    torch.set_num_threads(threads)

    def tell(number: int) -> None:
        with contextlib.suppress(OSError):  # Whoever watches the parent ends the run.
            connection.send(number)

    epochs = EpochMessages(tell)
    with stop_requests() as stop:
        _let_signals_in()
        tell(0)
        while not stop:
            try:
                spec = connection.recv()
                end = compute(folder, spec, dataset_dir, device, epochs.add)
                epochs.send()
                connection.send(end)
            except (EOFError, OSError, KeyboardInterrupt):
                # The parent has gone, or wants it at once: what is in the run folder is used by
                # the next worker.
                return


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Within, requests to stop wait; for a process that is begun here, until it can hear them.

    Ctrl-C goes to every process of a terminal, and would end one that is still loading with a
    trace.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # It is begun with the first process, and would let the signals in.
    resource_tracker.ensure_running()
    usual = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, usual)


def _let_signals_in() -> None:
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def end_with_parent() -> None:
    """Let this worker process end when its parent does, however that ends.

    It is asked to stop, so that it can write a checkpoint, and ends some seconds later.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_END_SECONDS)
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, daemon=True, name="watches the parent").start()
