"""Where studies are computed: from the options to what computes."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonargparse import ArgumentParser, Namespace

from gslt.cli.executors import add_executor, device_here, executor_of
from gslt.cli.options import data_folder
from gslt.errors import ConfigError
from gslt.studies.execute import Here
from gslt.studies.ray_cluster import OnRay
from gslt.studies.records import StudyFolder
from gslt.studies.workers import Workers

FOLDER = StudyFolder("out")


def options(*given: str) -> Namespace:
    parser = ArgumentParser()
    add_executor(parser)
    return parser.parse_args(given)


def test_without_options_it_is_this_process() -> None:
    assert executor_of(options(), FOLDER) == Here(FOLDER, None, "cpu")
    assert executor_of(options("--workers", "1"), FOLDER) == Here(FOLDER, None, "cpu")
    assert (data_folder(options()), device_here(options())) == (None, "cpu")


def test_workers_of_this_machine() -> None:
    given = options("--workers", "3", "--device", "cuda", "--dataset_dir", "data")
    assert executor_of(given, FOLDER) == Workers(FOLDER, 3, "data", "cuda")
    assert (data_folder(given), device_here(given)) == (str(Path("data")), "cuda")


def test_a_cluster() -> None:
    resources = ["--cpus_per_run", "0.5", "--gpus_per_run", "0.25", "--address", "host:6379"]
    given = options("--executor", "ray", "--device", "cuda", "--workers", "8", *resources)
    assert executor_of(given, FOLDER) == OnRay(
        folder=FOLDER,
        device="cuda",
        address="host:6379",
        cpus_per_run=0.5,
        gpus_per_run=0.25,
    )
    # The nodes have the GPUs; this machine need not.
    assert device_here(given) == "cpu"
    with pytest.raises(ConfigError, match="cpus_per_run must be above 0"):
        executor_of(options("--executor", "ray", "--cpus_per_run", "0"), FOLDER)


@pytest.mark.parametrize(
    "given", [["--workers", "0"], ["--executor", "cloud"], ["--gpus_per_run", "-1"]]
)
def test_options_that_are_none(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options(*given)
    assert given[0].removeprefix("--") in capsys.readouterr().err
