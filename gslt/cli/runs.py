"""``gslt search`` and ``gslt train``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jsonargparse import Namespace
from jsonargparse.typing import NonNegativeFloat, PositiveInt

from gslt.cli.options import (
    Action,
    add_config,
    add_other_data,
    add_reading,
    add_root,
    add_split,
    address_of,
    data_folder,
    given_options,
    refuse_lost,
)
from gslt.cli.output import LOG, MANNERS, Outcome
from gslt.cli.parser import Commands, Parser
from gslt.config import (
    VISION,
    RunConfig,
    SearchConfig,
    TrainConfig,
    image_defaults,
)
from gslt.errors import ConfigError, GsltWarning, RunError, RunInUseError, pasted, warn
from gslt.settings import build, part

if TYPE_CHECKING:
    from gslt.data import Dataset
    from gslt.loggers.common import Logger
    from gslt.training.loop import Probe
    from gslt.training.results import Result
    from gslt.training.run_folder import RunFolder

LoggerName = Literal["tensorboard", "mlflow", "none"]
#: By option: what a run folder remembers of how its run is carried out.
Remembered = dict[str, "str | int | None"]
#: Options that say how a run is carried out, so that they can be given anew when it goes on.
_HOW = (
    *("--resume", "--checkpoint_seconds", "--log", "--probe_every", "--allow_other_data"),
    *MANNERS,
)
#: Those that a run folder remembers.
_KEPT = ("log", "probe_every")


_ABOUT: dict[type[Any], str] = {
    SearchConfig: "Search a ticket: a mask over random weights, which are never trained. Part of "
    "the weights can be frozen before, pruned or locked.",
    TrainConfig: "Train the weights of a network, dense or under a random mask: what tickets are "
    "compared with.",
}


def add(commands: Commands) -> None:
    """Add the commands to a parser."""
    commands.add("search", partial(_run_parser, SearchConfig), "search a ticket")
    commands.add("train", partial(_run_parser, TrainConfig), "train the weights instead")


def defaults_of_images(options: Namespace, said: Callable[[], Namespace]) -> dict[str, Any]:
    """What options of a network of images are where the user says nothing; empty of any other.

    Args:
        options: parsed options of any command.
        said: parses again, without any default.
    """
    name = options.command
    if name not in (*ACTIONS, "compare") or options[name].architecture not in VISION:
        return {}
    return image_defaults(
        options[name].architecture,
        training=name == "train",
        optimizer=options[name].optimizer if "optimizer" in said()[name] else None,
    )


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
    others = [flag for flag in given_options(given) if flag not in _HOW]
    refuse_lost(others, "--resume takes every setting from its folder")


def _run_parser(config: type[Any]) -> Parser:
    parser = Parser(description=_ABOUT[config])
    add_config(parser)
    parser.add_argument("--out", type=Path | None, metavar="DIR", help="run folder [runs/<time>-…]")
    text = "go on with the run in this folder; every setting is taken from there"
    parser.add_argument("--resume", type=Path | None, metavar="DIR", help=text)
    text = "time between checkpoints [as often as costs 1 % of the time]"
    parser.add_argument(
        "--checkpoint_seconds", type=NonNegativeFloat | None, metavar="S", help=text
    )
    text = (
        "log every epoch too: TensorBoard in the run folder, or MLflow (MLFLOW_TRACKING_URI); a "
        "run that goes on does as before unless told otherwise [none]"
    )
    parser.add_argument("--log", type=LoggerName | None, help=text)
    text = (
        "measure over-smoothing every so many epochs, or at about 20 log-spaced ones and the best "
        "(log), into probe.jsonl; a run that goes on does as "
        "before unless told otherwise [never]"
    )
    parser.add_argument(
        "--probe_every", type=PositiveInt | Literal["log"] | None, metavar="N|log", help=text
    )
    parser.add_argument("--dataset", type=str, default="debian", help="data set: name or path")
    add_root(parser)
    add_split(parser)
    add_reading(parser)
    add_other_data(parser)
    parser.add_class_arguments(config)
    return parser


def _run(kind: type[Any], options: Namespace) -> Outcome:
    from gslt.data import load_dataset
    from gslt.data.catalogue import address
    from gslt.errors import UnwrittenError
    from gslt.training.search import check_kind, check_runnable, search, train

    action: Any = search if kind is SearchConfig else train
    if options.resume is not None:
        out, chosen, config = _resumed(options.resume, kind, action.__name__)
    else:
        chosen = {
            "dataset": address(address_of(options.dataset, options)),
            "dataset_dir": data_folder(options),
            "split": options.split,
        }
        config = part(kind, options)
        out = options.out
    check_runnable(config)
    dataset = load_dataset(chosen["dataset"], chosen["dataset_dir"], split=chosen["split"])
    LOG.info("%s", dataset)
    check_kind(config, dataset)
    with _opened(out, action.__name__, config, chosen, options, dataset) as folder:
        if folder.finished:
            LOG.info("%s is finished; what follows is its result", folder.path)
            _say_not_probed(options.probe_every, folder)
        how = folder.remembered
        try:
            with _logger(how.get("log"), folder, config, dataset.name) as log:
                probe = _probe(how.get("probe_every"), folder.path, dataset)
                # Of a finished run, which was told to be so, no epoch is seen.
                watch: dict[str, Any] = {}
                if not folder.finished:
                    watch = {"on_epoch": log, "probe": probe}
                result = action(dataset, config, folder=folder, **watch)
                if log is not None:
                    log.result(result)
        except UnwrittenError as error:
            return dataclasses.replace(
                _outcome(error.result, folder.path, folder.environment), error=error
            )
        except OSError as error:
            raise RunError(
                f"{error.strerror or error}: {error.filename or folder.path}; what was computed is "
                f"kept: make room, then {folder.way_on}"
            ) from error
    LOG.info("written to %s", folder.path)
    return _outcome(result, folder.path, folder.environment)


def _outcome(result: Result, path: Path, machine: Mapping[str, Any]) -> Outcome:
    from gslt.training.run_folder import summary

    lines = [str(result)]
    if result.ticket is not None:
        lines.append(str(result.ticket))
    lines += _leaderboard(result, machine)
    return Outcome("\n".join(lines), {"folder": str(path), **summary(result)})


def _leaderboard(result: Result, machine: Mapping[str, Any]) -> list[str]:
    """The line of OGB's leaderboard with its head, of OGBN-Arxiv and enough runs."""
    from gslt.data.ogb import ARXIV
    from gslt.studies.columns import measured
    from gslt.studies.runs import machine_words
    from gslt.training.results import LEADERBOARD_HEAD, LEADERBOARD_RUNS, leaderboard_line

    if result.dataset != ARXIV or len(result.runs) < LEADERBOARD_RUNS:
        return []
    ticket = result.ticket
    kind = "" if ticket is None else f", {'weak' if ticket.is_weak else 'strong'} lottery ticket"
    line = leaderboard_line(
        f"{result.config.architecture.upper()}{kind}",
        (result.test_accuracy, result.test_std),
        (result.val_accuracy, result.val_std),
        runs=len(result.runs),
        params=measured(result)["num_weights"],
        hardware=machine_words(machine),
    )
    return [f"for OGB's leaderboard, {LEADERBOARD_HEAD}:", line]


def _opened(
    out: Path | None,
    command: str,
    config: Any,
    chosen: dict[str, Any],
    options: Namespace,
    dataset: Dataset,
) -> RunFolder:
    """The folder of the run: the one that is given, else an unfinished one, else a new one."""
    from gslt.training.places import default_folder, unfinished_folders
    from gslt.training.run_folder import RunFolder

    def open_folder(path: Path) -> RunFolder:
        how = _how(path, options)
        seconds, other = options.checkpoint_seconds, options.allow_other_data
        return RunFolder(
            path,
            config,
            chosen,
            checkpoint_seconds=seconds,
            remembered=how,
            allow_other_data=other,
        )

    if out is not None:
        return open_folder(out)
    for path in unfinished_folders(command, {**chosen, **dataclasses.asdict(config)}):
        try:
            folder = open_folder(path)
        except RunInUseError:
            continue  # Another process was quicker.
        if not folder.is_of(dataset):
            folder.__exit__(None, None, None)
            said = "an unfinished run with the same settings, is of other data: left alone"
            LOG.info("%s, %s", path, said)
            continue
        LOG.info("going on with %s, a run with the same settings that was not finished", path)
        return folder
    return open_folder(default_folder(command, chosen["dataset"]))


def _how(path: Path, options: Namespace) -> Remembered:
    """How a run is carried out: as the options say, else as it was before."""
    from gslt.training.places import CONFIG, SUMMARY, read_remembered

    before = read_remembered(path) if (path / CONFIG).is_file() else {}
    now = {name: options[name] if options[name] is not None else before.get(name) for name in _KEPT}
    if (path / SUMMARY).exists():  # No epoch is computed, and none will have been measured.
        now["probe_every"] = before.get("probe_every")
    silent = [name for name in _KEPT if options[name] is None and now[name] not in (None, "none")]
    if silent:
        LOG.info("as before: %s", " ".join(f"--{name} {now[name]}" for name in silent))
    if before.get("probe_every") not in (None, now["probe_every"]):
        LOG.info("--probe_every was %s so far", before["probe_every"])
    if before.get("log") not in (None, "none", now["log"]):
        LOG.info("--log was %s so far; what is there stays as it is", before["log"])
    return now


def _say_not_probed(every: str | int | None, folder: RunFolder) -> None:
    """Warn where a finished run is asked for measurements that it does not have."""
    from gslt.diagnostics import PROBE

    if every is None:
        return
    if every != folder.remembered.get("probe_every") or not (folder.path / PROBE).is_file():
        warn(
            f"{str(folder.path)!r} is finished: no epoch is computed, and --probe_every {every} "
            "measures nothing; take another folder (--out), in which the epochs are computed again",
            GsltWarning,
        )


def _probe(every: str | int | None, out: Path, dataset: Dataset) -> Probe | None:
    if every != "log" and not isinstance(every, int):
        return None
    from gslt.diagnostics import PROBE, SearchProbe

    return SearchProbe(dataset, "log" if isinstance(every, str) else every, out / PROBE)


def _logger(
    name: str | int | None, folder: RunFolder, config: RunConfig, dataset: str
) -> AbstractContextManager[Logger | None]:
    if name in (None, "none"):
        return nullcontext()
    from gslt.loggers import MLflowLogger, TensorBoardLogger

    if name == "tensorboard":
        return TensorBoardLogger(folder.path / "tensorboard", config=config, dataset=dataset)
    return MLflowLogger(name=str(folder.path), key=folder.key, config=config, dataset=dataset)


def _resumed(path: Path, kind: type[Any], command: str) -> tuple[Path, dict[str, Any], Any]:
    """Folder, options and config of a run to go on with."""
    from gslt.training.places import begun_by_command, how_to_go_on, read_config

    found, values = read_config(path)
    if found != command:
        raise RunError(
            f"{str(path)!r} was begun by gslt {found}: {pasted('gslt', found, '--resume', path)}"
        )
    if not begun_by_command(values):
        raise RunError(
            f"{str(path)!r} does not say on what data its run is, being of a script or another "
            f"command; {how_to_go_on(command, path, values)}"
        )
    options = ("dataset", "dataset_dir", "split")
    chosen = {name: values.pop(name) for name in options}
    try:
        return path, chosen, build(kind, values)
    except (ConfigError, TypeError) as error:
        raise RunError(f"{str(path / 'config.yaml')!r} is damaged: {error}") from error


ACTIONS: dict[str, Action] = {
    "search": partial(_run, SearchConfig),
    "train": partial(_run, TrainConfig),
}
