"""Runs that construct a ticket: their folders, what they measure, and their records."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

from typing_extensions import Self

from gslt.data import Dataset
from gslt.environment import environment
from gslt.errors import Interrupted
from gslt.files import OutputFolder
from gslt.nn.equivariant import EquivariantNetwork
from gslt.settings import part
from gslt.studies.columns import by_layer, size_columns
from gslt.studies.runs import Record
from gslt.studies.study import RunSpec
from gslt.theory.config import ConstructConfig, ConstructionConfig, TargetConfig
from gslt.theory.construct import Construction, construct
from gslt.theory.existence import channels_for_most, keep_construction, task_of, trained_target
from gslt.theory.symmetry import equivariance_defect
from gslt.theory.targets import Task
from gslt.ticket import Ticket
from gslt.training.lock import locked
from gslt.training.signals import stop_requests

#: Products that are made to compute a ticket as it stands, in each run: a second or so.
_LITERAL = 10**9


class ConstructionFolder:
    """The folder of one construction, as of ``gslt construct``; use it as a context manager.

    Until its end no other process can open it.

    Args:
        path: the folder: empty, not there yet, or of a construction.

    Raises:
        RunInUseError: if another process is using it.
        RunError: if it holds something else.
    """

    def __init__(self, path: str | Path) -> None:
        self.files = OutputFolder(path, "construct")
        self._lock = locked(self.files.path, self.files.room)
        self.environment = environment()
        """Versions and hardware of this process."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()


def construct_and_record(run: ConstructionFolder, spec: RunSpec, data: Dataset | None) -> Record:
    """Construct a ticket in a folder, and the record of it, which is not written yet.

    The target is trained first, unless this process has done so for another run.

    Args:
        run: where ticket, target and summary go.
        spec: the run.
        data: of nodes, loaded; None where gslt makes the data.

    Raises:
        Interrupted: if somebody asked to stop, before the next layer.
        GsltError: for whatever else ends a training or a construction.
    """
    config = spec.config
    assert isinstance(config, ConstructionConfig)
    with stop_requests() as stop:

        def ask() -> None:
            if stop.signal_number is not None:
                raise Interrupted("stopped", stop.signal_number)

        target, task = _target(part(TargetConfig, config), data)
        settings = part(ConstructConfig, config)
        found = construct(
            target, task.x, task.graph, settings, on_layer=ask, literal_products=_LITERAL
        )
    facts, ticket = keep_construction(run.files, found, target, task)
    more: dict[str, float | None] = {
        "equivariance_defect": equivariance_defect(found.network, task),
        **dict(
            zip(("channels_for_99", "law_for_99"), channels_for_most(found, target), strict=True)
        ),
    }
    values = {**measured_construction(found, facts, ticket), **more}
    return Record.checked(spec, values, task.info(), {**run.environment, "device": "cpu"})


@lru_cache(maxsize=4)
def _target(config: TargetConfig, data: Dataset | None) -> tuple[EquivariantNetwork, Task]:
    """A trained target and its data, kept for the next sources that are to hold it."""
    task = task_of(config, data)
    return trained_target(config, task), task


def measured_construction(
    found: Construction, facts: dict[str, Any], ticket: Ticket
) -> dict[str, Any]:
    """What a construction found and what it costs: columns of every table.

    ``…_accuracy`` are the ticket's, ``target_test_accuracy`` is the target's; the share of
    validation items is None where the data has none, and there is no best epoch.

    Args:
        found: the construction.
        facts: of :func:`gslt.theory.existence.construction_facts`.
        ticket: of it.
    """
    scores = facts["ticket_scores"]
    size = ticket.size()
    return {
        **{f"{split}_accuracy": scores.get(split) for split in ("test", "val", "train")},
        "best_epoch": None,
        "weight_init": ticket.config.weight_init,
        **size_columns(size),
        "times_smaller": None,  # Of the target it would be, and a construction saves nothing.
        "prune_ratio": size.pruned / size.total,
        "lock_ratio": size.locked / size.total,
        "freezing_ratio": (size.pruned + size.locked) / size.total,
        "seconds": found.seconds,
        **by_layer(ticket.kept_by_layer),
        "target_test_accuracy": facts["target_scores"]["test"],
        "target_weights": found.target_weights,
        "output_error": found.output_error,
        "error_bound": found.bound,
        "literal_error": found.literal_error,
        "same_class": found.agreement,
        "searched_per_target_weight": found.searched_per_target_weight,
        "random_per_target_weight": found.random_per_target_weight,
        "random_channels": max(block.copies for block in found.blocks),
        "kept": found.kept,
        "locked": found.locked,
        "pruned": found.pruned,
    }
