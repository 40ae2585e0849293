"""``gslt search`` and ``gslt train``."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import NonNegativeFloat, PositiveInt

from gslt.cli.options import (
    Action,
    add_root,
    add_split,
    data_folder,
    given_options,
    size_line,
)
from gslt.config import RunConfig, SearchConfig, TrainConfig, build, part
from gslt.errors import ConfigError, RunError

if TYPE_CHECKING:
    from gslt.data import NodeDataset
    from gslt.loggers.common import Logger
    from gslt.training.loop import Probe

LoggerName = Literal["tensorboard", "mlflow"]
#: Options that say how a run is carried out, so that they can be given anew when it goes on.
_HOW = ("--resume", "--checkpoint_seconds", "--log", "--probe_every")


def add(commands: Any) -> None:
    """Add the commands to a parser."""
    commands.add_subcommand("search", _run_parser(SearchConfig), help="search a ticket")
    commands.add_subcommand("train", _run_parser(TrainConfig), help="train the weights instead")


def check_resume(options: Namespace, given: Sequence[str]) -> None:
    """Refuse settings beside ``--resume``, which would be lost.

    Args:
        options: parsed options of any command.
        given: words of the command line.

    Raises:
        ConfigError: if there are settings beside ``--resume``.
    """
    if options.get("resume") is None:
        return
    if others := [flag for flag in given_options(given) if flag not in _HOW]:
        raise ConfigError(
            f"--resume takes every setting from its folder; leave out {', '.join(others)}"
        )


def _run_parser(config: type[Any]) -> ArgumentParser:
    parser = ArgumentParser(description=(config.__doc__ or "").splitlines()[0])
    parser.add_argument("--config", action="config", help="YAML file with any of these options")
    parser.add_argument("--out", type=Path | None, help="run folder [runs/<time>-…]")
    text = "go on with the run in this folder; every setting is taken from there"
    parser.add_argument("--resume", type=Path | None, metavar="DIR", help=text)
    text = "time between checkpoints [as often as costs 1 %% of the time]"
    parser.add_argument("--checkpoint_seconds", type=NonNegativeFloat | None, help=text)
    text = "log every epoch too: TensorBoard in the run folder, or MLflow (MLFLOW_TRACKING_URI)"
    parser.add_argument("--log", type=LoggerName | None, help=text)
    text = "measure over-smoothing every so many epochs, into probe.jsonl [never]"
    parser.add_argument("--probe_every", type=PositiveInt | None, metavar="N", help=text)
    parser.add_argument("--dataset", type=str, default="debian", help="data set: name or path")
    add_root(parser)
    add_split(parser)
    parser.add_class_arguments(config)
    return parser


def _run(kind: type[Any], options: Namespace) -> None:
    from gslt.data import load_dataset
    from gslt.training.run_folder import RunFolder, default_folder, unfinished_folder
    from gslt.training.search import check_runnable, search, train

    action: Any = search if kind is SearchConfig else train
    if options.resume is not None:
        out, chosen, config = _resumed(options.resume, kind, action.__name__)
    else:
        chosen = {
            "dataset": options.dataset,
            "dataset_dir": data_folder(options),
            "split": options.split,
        }
        config = part(kind, options)
        out = options.out
    dataset = load_dataset(chosen["dataset"], chosen["dataset_dir"], split=chosen["split"])
    print(dataset)
    check_runnable(config)
    if out is None:
        out = unfinished_folder(action.__name__, {**chosen, **dataclasses.asdict(config)})
        if out is not None:
            print(f"going on with {out}, a run with the same settings that was not finished")
    out = out or default_folder(action.__name__, chosen["dataset"])
    with RunFolder(out, config, chosen, checkpoint_seconds=options.checkpoint_seconds) as folder:
        if folder.finished:
            print(f"{out} is finished; what follows is its result")
        try:
            with _logger(options.log, out, config, dataset.name) as log:
                probe = _probe(options.probe_every, out, dataset)
                result = action(dataset, config, folder=folder, on_epoch=log, probe=probe)
                if log is not None:
                    log.result(result)
        except OSError as error:
            raise RunError(
                f"{error.strerror or error}: {error.filename or out}; what was computed is kept: "
                f"make room, then gslt {action.__name__} --resume {out}"
            ) from error
    print(result)
    if result.ticket is not None:
        print(size_line(result.ticket))
    print(f"written to {out}")


def _probe(every: int | None, out: Path, dataset: NodeDataset) -> Probe | None:
    if every is None:
        return None
    from gslt.diagnostics import PROBE, SearchProbe

    return SearchProbe(dataset, every, out / PROBE)


def _logger(
    name: LoggerName | None, out: Path, config: RunConfig, dataset: str
) -> AbstractContextManager[Logger | None]:
    if name is None:
        return nullcontext()
    from gslt.loggers import MLflowLogger, TensorBoardLogger

    if name == "tensorboard":
        return TensorBoardLogger(out / "tensorboard", config=config, dataset=dataset)
    return MLflowLogger(name=str(out), config=config, dataset=dataset)


def _resumed(path: Path, kind: type[Any], command: str) -> tuple[Path, dict[str, Any], Any]:
    """Folder, options and config of a run to go on with."""
    from gslt.training.run_folder import read_config

    found, values = read_config(path)
    if found != command:
        raise RunError(f"{str(path)!r} was begun by gslt {found}: gslt {found} --resume {path}")
    options = {"dataset": "debian", "dataset_dir": None, "split": 0}
    chosen = {name: values.pop(name, default) for name, default in options.items()}
    try:
        return path, chosen, build(kind, values)
    except (ConfigError, TypeError) as error:
        raise RunError(f"{str(path / 'config.yaml')!r} is damaged: {error}") from error


ACTIONS: dict[str, Action] = {
    "search": partial(_run, SearchConfig),
    "train": partial(_run, TrainConfig),
}
