"""What lies at a path: a ticket, a run folder or a folder of studies, as networks to measure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from gslt.config import SearchConfig, TrainConfig, build
from gslt.errors import ConfigError, GsltError, RunError
from gslt.oversmoothing.networks import Network, of_seed, of_ticket
from gslt.oversmoothing.place import Place
from gslt.studies.records import Record, StudyFolder
from gslt.studies.report.series import named
from gslt.studies.study import METHODS, Cell, Study
from gslt.training.run_folder import CONFIG, SUMMARY, TICKET, WEIGHTS, read_config

#: Axes of a study that are told apart by more than the name of the arm, or not at all.
_OWN_AXES = ("num_layers", "dataset", "split")

Say = Callable[[str], None]


def read_networks(paths: Iterable[Path], say: Say) -> list[Network]:
    """The networks of all paths; what is not finished is said and left out.

    Nothing at a path is changed or locked.

    Raises:
        RunError: for a path where there is nothing of gslt's.
        TicketError: for a file that is no ticket, or one of a module of the user's own.
    """
    found: list[Network] = []
    for path in paths:
        if path.is_file():
            found.append(of_ticket(path))
        elif (path / CONFIG).is_file():
            found += _of_run(path, say)
        elif (path / "studies").is_dir():
            found += _of_studies(StudyFolder(path), say)
        else:
            what = "a folder with neither a run nor a study" if path.is_dir() else "not there"
            raise RunError(
                f"{str(path)!r} is {what}; give a ticket file, a run folder of gslt search or "
                "gslt train, or the folder of a study"
            )
    return found


def _of_run(path: Path, say: Say) -> Iterator[Network]:
    """Every seed of a run folder."""
    command, config, place = _settings(path)
    if not (path / SUMMARY).exists():
        say(f"{path} is not finished and left out; gslt {command} --resume {path} goes on with it")
        return
    for seed in range(config.seed, config.seed + config.runs):
        yield replace(of_seed(_state(path, config, seed), config, seed, place), run=path)


def _settings(path: Path) -> tuple[str, SearchConfig | TrainConfig, Place]:
    command, values = read_config(path)
    options: dict[str, Any] = {"dataset": "debian", "dataset_dir": None, "split": 0}
    chosen = {name: values.pop(name, default) for name, default in options.items()}
    try:
        config = build(METHODS[command], values)
    except (LookupError, ConfigError, TypeError) as error:
        raise RunError(f"{str(path / CONFIG)!r} is damaged: {error}") from error
    place = Place(name=chosen["dataset"], root=chosen["dataset_dir"], split=chosen["split"])
    return command, config, place


def _state(path: Path, config: SearchConfig | TrainConfig, seed: int) -> Path:
    """The ticket or the weights of a seed."""
    file = path / (TICKET if isinstance(config, SearchConfig) else WEIGHTS)
    return file if config.runs == 1 else file.with_stem(f"{file.stem}-seed{seed}")


def _of_studies(folder: StudyFolder, say: Say) -> Iterator[Network]:
    for study in folder.studies():
        missing = 0
        for cell in study.cells:
            network = _of_cell(folder, study, cell, say)
            missing += network is None
            if network is not None:
                yield network
        if missing:
            say(
                f"{study.name}: {missing} of {len(study.cells)} runs are left out: they have "
                "neither a finished run folder nor a record with a profile (smoothness: true)"
            )


def _of_cell(folder: StudyFolder, study: Study, cell: Cell, say: Say) -> Network | None:
    """One run of a study; None where there is nothing to measure."""
    spec = cell.spec
    record: Record | None = None
    try:
        record = folder.read(spec.identity)
    except GsltError as error:
        say(str(error))
    run = folder.run_path(spec.identity)
    finished = (run / SUMMARY).exists()
    profiled = record is not None and record.profile is not None
    if not finished and not profiled:
        return None
    axes = {name: value for name, value in cell.axes.items() if name not in _OWN_AXES}
    config = spec.config
    place = Place(name=spec.dataset, split=spec.split)
    network = of_seed(_state(run, config, config.seed), config, config.seed, place)
    return replace(
        network,
        arm=named(cell.arm, axes),
        build=network.build if finished else None,
        record=record if profiled else None,
        run=run if finished else None,
    )
