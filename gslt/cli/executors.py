"""Options of the commands that compute studies: where, and with what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from jsonargparse import Namespace
from jsonargparse.typing import NonNegativeFloat, PositiveInt

from gslt.cli.options import add_root, data_folder, refuse_lost, said_options
from gslt.cli.parser import Parser
from gslt.errors import ConfigError

if TYPE_CHECKING:
    from gslt.studies.execute import Executor
    from gslt.studies.records import StudyFolder

ExecutorName = Literal["local", "ray"]
#: Options that every executor has, those of one, and what they are where nobody says anything.
_OF_ALL = {"device": "cpu", "executor": "local"}
_OF_LOCAL = {"workers": 1}
_OF_RAY = {"address": None, "cpus_per_run": 1.0, "gpus_per_run": 0.0}


def add_executor(parser: Parser) -> None:
    """Add options: where the data sets are, and where runs are computed."""
    add_root(parser)
    parser.add_argument(
        "--device", type=str, default=_OF_ALL["device"], help="torch device of every run"
    )
    text = "where: processes of this machine, or a Ray cluster"
    parser.add_argument("--executor", type=ExecutorName, default=_OF_ALL["executor"], help=text)
    text = "number of processes; the cores are shared out among them [1: in this process]"
    parser.add_argument("--workers", type=PositiveInt, default=_OF_LOCAL["workers"], help=text)
    text = "address of the Ray cluster [a new one on this machine]"
    parser.add_argument("--address", type=str | None, help=text)
    text = "CPU cores of a run on Ray"
    parser.add_argument(
        "--cpus_per_run", type=NonNegativeFloat, default=_OF_RAY["cpus_per_run"], help=text
    )
    text = "GPUs of a run on Ray; 0.25 puts four runs on each"
    parser.add_argument(
        "--gpus_per_run", type=NonNegativeFloat, default=_OF_RAY["gpus_per_run"], help=text
    )


def check_executor(options: Namespace, given: Sequence[str]) -> None:
    """Refuse options of the executor that is not chosen, or of any where no run is computed.

    They would be lost.

    Args:
        options: parsed options of any command.
        given: words of the command line.

    Raises:
        ConfigError: if there are some.
    """
    executor = options.get("executor")
    if options.get("report_only"):
        usual = {**_OF_ALL, **_OF_LOCAL, **_OF_RAY}
        refuse_lost(said_options(options, given, usual), "--report_only computes no run")
    if executor == "ray" and said_options(options, given, _OF_LOCAL):
        raise ConfigError(
            "--workers is for --executor local, and on Ray --cpus_per_run and --gpus_per_run say "
            "how many runs there are at once; leave it out"
        )
    if executor == "local" and (others := said_options(options, given, _OF_RAY)):
        these = "them" if others[1:] else "that"
        raise ConfigError(
            f"only --executor ray takes {', '.join(others)}; add it, or leave {these} out"
        )


def device_here(options: Namespace) -> str:
    """The device that this machine must have: on a cluster it is the nodes that have it."""
    return "cpu" if options.executor == "ray" else options.device


def executor_of(options: Namespace, folder: StudyFolder) -> Executor:
    """What computes the runs of a folder.

    Args:
        options: with those of :func:`add_executor`.
        folder: where runs and records go.

    Raises:
        ConfigError: for resources that no run on Ray could use.
    """
    from gslt.studies.execute import Here
    from gslt.studies.workers import Workers

    if options.executor == "ray":
        from gslt.studies.ray_cluster import OnRay

        return OnRay(
            folder=folder,
            dataset_dir=data_folder(options),
            device=options.device,
            address=options.address,
            cpus_per_run=options.cpus_per_run,
            gpus_per_run=options.gpus_per_run,
        )
    if options.workers > 1:
        return Workers(folder, options.workers, data_folder(options), options.device)
    return Here(folder, data_folder(options), options.device)
