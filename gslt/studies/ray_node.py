"""What happens on the nodes of a Ray cluster: one run at a time in each worker process."""

from __future__ import annotations

import dataclasses
import os
import tempfile
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gslt.data import Dataset, ImageDataset, NodeDataset
from gslt.studies.execute import FAILURES, EpochMessages, RunEnd, cause, run_and_record, run_folder
from gslt.studies.study import RunSpec


def packed(dataset: Dataset | None) -> dict[str, Any]:
    """A data set whose tensors are arrays: workers of a node share their memory; None is empty."""
    if dataset is None:
        return {}
    parts = {item.name: getattr(dataset, item.name) for item in dataclasses.fields(dataset)}
    return {
        name: part.contiguous().numpy() if isinstance(part, torch.Tensor) else part
        for name, part in parts.items()
    }


def unpacked(parts: dict[str, Any]) -> Dataset | None:
    """The inverse of :func:`packed`. Its tensors lie where the arrays do."""
    if not parts:
        return None
    parts = dict(parts)
    with warnings.catch_warnings():
        # Arrays of the object store cannot be written to. Nothing writes to a data set.
        warnings.simplefilter("ignore", UserWarning)
        for name, part in parts.items():
            if isinstance(part, np.ndarray):
                parts[name] = torch.from_numpy(part)
    return NodeDataset(**parts) if "edge_index" in parts else ImageDataset(**parts)


@lru_cache(maxsize=2)
def _dataset(reference: Any) -> Dataset | None:
    """The data set of a reference, kept: what a backend makes of a graph hangs on its tensors."""
    import ray

    return unpacked(ray.get(reference))


def compute_on_node(
    spec: RunSpec, data: list[Any], device: str, threads: int, counter: Any
) -> tuple[RunEnd, dict[str, bytes]]:
    """One run in a temporary folder of this node.

    Args:
        spec: the run.
        data: the reference of its packed data set, in a list, so that Ray leaves it a reference.
        device: ``cpu`` or ``cuda``.
        threads: number of torch's threads.
        counter: handle of an actor of :func:`counter_class`.

    Returns:
        How it ended, its record not written yet, and the files of its run folder by name; none
        where it failed.
    """
    torch.set_num_threads(threads)
    done = 0

    def tell(number: int) -> None:
        nonlocal done
        done += number
        counter.tell.remote(spec.identity, done)

    epochs = EpochMessages(tell)
    with tempfile.TemporaryDirectory(prefix="gslt-", dir=os.environ.get("RAY_TMPDIR")) as folder:
        path = Path(folder) / spec.identity
        try:
            dataset = _dataset(data[0])
            with run_folder(path, spec, device) as run:
                end = RunEnd(spec, run_and_record(run, spec, dataset, epochs.add))
            files = {p.name: p.read_bytes() for p in path.iterdir() if not p.name.startswith(".")}
        except FAILURES as error:
            return RunEnd(spec, error=cause(error)), {}
        return end, files


def counter_class() -> type:
    """The class of an actor that is told by every node how far its runs are.

    A class of a function travels whole: the actor's process need not load gslt.
    """

    class Counter:
        def __init__(self) -> None:
            self.news: dict[str, int] = {}

        def tell(self, identity: str, epochs: int) -> None:
            """A run has finished so many epochs.

            Args:
                identity: of the run.
                epochs: since it began.
            """
            self.news[identity] = epochs

        def take(self) -> dict[str, int]:
            """What was told since the last time."""
            news, self.news = self.news, {}
            return news

    return Counter
