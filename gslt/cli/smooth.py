"""``gslt smooth``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import Namespace
from jsonargparse.typing import PositiveInt

from gslt.cli.options import (
    NAME_OR_PATH,
    Action,
    add_other_data,
    add_root,
    data_folder,
    field_names,
    given_options,
    refuse_lost,
)
from gslt.cli.output import LOG, Outcome
from gslt.cli.parser import Commands, Parser
from gslt.config import MEASURE_NAMES, SAMPLING_MEASURES
from gslt.errors import ConfigError
from gslt.oversmoothing.source import SourceConfig
from gslt.settings import part

_OF_SOURCE = {f"--{name}" for name in ("config", "depths", "runs", *field_names(SourceConfig))}
DESCRIPTION = """Over-smoothing, layer by layer: tables, JSON and pictures. PATHs are ticket files,
run folders of gslt search and gslt train, and folders of studies; what they hold is not changed.
Without a PATH, --untrained measures the source network that the last options describe."""


def add(commands: Commands) -> None:
    """Add the command to a parser."""
    commands.add("smooth", _parser, "how smooth representations are")


def check_source(options: Namespace, given: Sequence[str]) -> None:
    """Refuse settings of a source that would be lost: beside a path, or beside its depths.

    Args:
        options: parsed options of any command.
        given: words of the command line.

    Raises:
        ConfigError: if there are some.
    """
    typed = given_options(given)
    if "--depths" in typed and "--num_layers" in typed:
        refuse_lost(["--num_layers"], "--depths says the numbers of layers")
    if not options.get("paths"):
        return
    others = [flag for flag in typed if flag in _OF_SOURCE]
    refuse_lost(others, "the networks at a PATH have their own settings")


def _parser() -> Parser:
    parser = Parser(description=DESCRIPTION)
    text = "tickets, run folders, folders of studies"
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help=text)
    text = "measure the networks as they were before their first epoch too; without a PATH alone"
    parser.add_argument("--untrained", action="store_true", help=text)
    text = f"data set: {NAME_OR_PATH} [that of each run; debian without a PATH]"
    parser.add_argument("--dataset", type=str | None, help=text)
    add_root(parser)
    add_other_data(parser)
    text = "number of the split, where there are several [that of each run; 0 on another graph]"
    parser.add_argument("--split", type=int | None, help=text)
    left = ", ".join(SAMPLING_MEASURES)
    text = f"what is measured: {', '.join(MEASURE_NAMES)} [all but {left}]"
    parser.add_argument("--measures", nargs="+", type=str, metavar="NAME", help=text)
    text = "measure after every aggregation, product, norm and activation too, for their picture"
    parser.add_argument("--steps", action="store_true", help=text)
    out = Path("runs/smooth")
    parser.add_argument("--out", type=Path, default=out, metavar="DIR", help="output folder")
    text = "YAML file with any of these options (typed ones win), for a source; "
    text += "refused beside a PATH"
    parser.add_argument("--config", action="config", help=text)
    text = "several numbers of layers, instead of --num_layers"
    parser.add_argument("--depths", nargs="+", type=PositiveInt, metavar="L", help=text)
    text = "number of seeds, from --seed on"
    parser.add_argument("--runs", type=PositiveInt, default=1, help=text)
    # The width of networks of images, which have no edges to be smoothed over.
    parser.add_class_arguments(SourceConfig, skip={"width"})
    return parser


def _smooth(options: Namespace) -> Outcome:
    from gslt.oversmoothing import smooth
    from gslt.oversmoothing.report import as_json

    source = None
    if not options.paths:
        if not options.untrained:
            raise ConfigError(
                "give a ticket file, a run folder or the folder of a study, or --untrained with "
                "the settings of a source"
            )
        options.width = SourceConfig.width
        source = part(SourceConfig, options)
    tables: list[str] = []

    def say(text: str) -> None:
        """Tables are the result, single lines are messages."""
        if "\n" in text:
            tables.append(text)
        else:
            LOG.info("%s", text)

    found = smooth(
        options.paths or (),
        options.out,
        untrained=options.untrained,
        source=source,
        depths=options.depths or (),
        runs=options.runs,
        dataset=options.dataset,
        dataset_dir=data_folder(options),
        split=options.split,
        measures=options.measures,
        steps=options.steps,
        say=say,
        allow_other_data=options.allow_other_data,
    )
    return Outcome("\n".join(tables).rstrip("\n"), as_json(found))


ACTIONS: dict[str, Action] = {"smooth": _smooth}
