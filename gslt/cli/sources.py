"""``gslt compare`` and ``gslt demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace
from jsonargparse.typing import PositiveInt

from gslt.cli.executors import add_executor, device_here, executor_of
from gslt.cli.options import (
    Action,
    add_config,
    add_other_data,
    add_reading,
    add_split,
    address_of,
    data_folder,
    field_names,
)
from gslt.cli.output import LOG, Outcome
from gslt.cli.parser import Commands, Parser
from gslt.config import DemoConfig, SourcesConfig
from gslt.files import plain

if TYPE_CHECKING:
    from gslt.studies.execute import Executor
    from gslt.studies.records import StudyFolder
    from gslt.studies.study import Study

#: Settings that are no options: seeds says how many runs there are.
_NO_OPTION = {"runs"}
#: Settings that the demo has as options; the others are what they are.
_OF_DEMO = (
    *("epochs", "hidden_channels", "lr", "sparsity", "freezing_ratio", "prune_share"),
    *("seeds", "seed", "device"),
)


def add(commands: Commands) -> None:
    """Add the commands to a parser."""
    text = "weight training and tickets of a dense, a sparse and a frozen source, on any data set"
    commands.add("compare", _compare_parser, text)
    commands.add("demo", _demo_parser, "the same, small, on the embedded graph")


def _compare_parser() -> Parser:
    parser = Parser(
        description="Weight training, and tickets of a dense, a sparse and a frozen source, each "
        "at the same place of its search window, over several seeds: table, paired differences, "
        "pictures. The same command again goes on; more seeds are added to those that are there."
    )
    add_config(parser)
    text = "folder of runs, tables and pictures [runs/compare-<data set>]"
    parser.add_argument("--out", type=Path | None, metavar="DIR", help=text)
    parser.add_argument("--dataset", type=str, default="debian", help="data set: name or path")
    add_split(parser)
    add_reading(parser)
    add_other_data(parser)
    add_executor(parser)
    parser.add_class_arguments(SourcesConfig, skip={*_NO_OPTION, "device"})
    return parser


def _demo_parser() -> Parser:
    parser = Parser(
        description="gslt compare on the embedded Debian graph, small and quick: weight training "
        "and tickets in a dense, a sparse and a frozen source, table and pictures."
    )
    out = Path("runs/demo")
    parser.add_argument("--out", type=Path, default=out, metavar="DIR", help="output folder")
    text = "number of processes; the cores are shared out among them [1: in this process]"
    parser.add_argument("--workers", type=PositiveInt, default=1, help=text)
    skipped = set(field_names(DemoConfig)) - set(_OF_DEMO)
    parser.add_class_arguments(DemoConfig, skip=skipped)
    return parser


def _compare(options: Namespace) -> Outcome:
    from gslt.data.catalogue import address
    from gslt.sources import study_of
    from gslt.studies.execute import check_study
    from gslt.studies.records import StudyFolder
    from gslt.studies.study import name_of_dataset

    names = [name for name in field_names(SourcesConfig) if name not in _NO_OPTION]
    config = SourcesConfig(**{name: options[name] for name in names})
    dataset = address(address_of(options.dataset, options))
    study = study_of(config, dataset, options.split)
    for each in check_study(study, data_folder(options), device_here(options)):
        LOG.info("%s", each)
    out = options.out or Path("runs") / f"compare-{name_of_dataset(dataset)}"
    folder = StudyFolder(out, allow_other_data=options.allow_other_data)
    return _carry_out(study, folder, executor_of(options, folder))


def _demo(options: Namespace) -> Outcome:
    from gslt.sources import study_of
    from gslt.studies.execute import Here, check_study
    from gslt.studies.records import StudyFolder
    from gslt.studies.workers import Workers

    config = DemoConfig(**{name: options[name] for name in _OF_DEMO})
    study, folder = study_of(config, "debian"), StudyFolder(options.out)
    for each in check_study(study, None, config.device):
        LOG.info("%s", each)
    executor: Executor = Here(folder, device=config.device)
    if options.workers > 1:
        executor = Workers(folder, options.workers, device=config.device)
    return _carry_out(study, folder, executor)


def _carry_out(study: Study, folder: StudyFolder, executor: Executor) -> Outcome:
    from gslt.sources import compare_study

    LOG.info("%s runs: %s; seeds %s", len(study.runs), ", ".join(study.arms), study.seed_list)
    found = compare_study(study, folder, executor)
    LOG.info("written: %s", ", ".join(map(str, found.write(folder))))
    return Outcome(str(found), plain(found.values))


ACTIONS: dict[str, Action] = {"compare": _compare, "demo": _demo}
