"""Where studies are computed: from the options to what computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonargparse import ArgumentParser, Namespace

from gslt.cli import main, parse
from gslt.cli.executors import add_executor, check_executor, device_here, executor_of
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
    "command",
    [["study", "run", "--preset", "table"], ["conjecture"], ["compare"]],
    ids=" ".join,
)
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--executor", "ray", "--workers", "4"], "--workers is for --executor local, and on Ray"),
        (["--address", "host"], "only --executor ray takes --address; add it, or leave that out"),
        (
            ["--cpus_per_run=1", "--gpus_per_run", "0.5"],
            "only --executor ray takes --cpus_per_run, --gpus_per_run; add it, or leave them out",
        ),
    ],
)
def test_options_of_the_other_executor_are_refused(
    command: list[str], given: list[str], said: str, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "out"
    assert main([*command, *given, "--out", str(out)]) == 2
    assert capsys.readouterr().err.startswith(f"gslt: {said}")
    assert not out.exists()


def test_a_report_takes_no_options_of_runs(tmp_path: Path, capsys: Any) -> None:
    words = ["conjecture", "--report_only", "--out", str(tmp_path), "--workers", "2", "--device"]
    assert main([*words, "cuda"]) == 2
    said = "gslt: --report_only computes no run; leave out --device, --workers\n"
    assert capsys.readouterr().err == said


def test_options_of_the_other_executor_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    words = ["compare", "--config", str(file)]
    # What --print_config writes has every option.
    usual = "workers: 1\naddress: null\ncpus_per_run: 1.0\ngpus_per_run: 0.0\n"
    for executor in ("local", "ray"):
        file.write_text(f"executor: {executor}\n{usual}")
        check_executor(parse(words).compare, words)
    file.write_text("executor: ray\nworkers: 2\n")
    with pytest.raises(ConfigError, match="leave it out"):
        check_executor(parse(words).compare, words)


@pytest.mark.parametrize(
    "given", [["--workers", "0"], ["--executor", "cloud"], ["--gpus_per_run", "-1"]]
)
def test_options_that_are_none(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options(*given)
    assert given[0].removeprefix("--") in capsys.readouterr().err
