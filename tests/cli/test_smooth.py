"""``gslt smooth``: which options go together."""

from __future__ import annotations

from pathlib import Path

import pytest

from gslt.cli import main, parse
from gslt.cli.smooth import check_source
from gslt.errors import ConfigError


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--num_layers", "4"], "leave out --num_layers"),
        (["--depths=2", "--runs", "3"], "leave out --depths, --runs"),
    ],
)
def test_settings_of_a_source_beside_a_path(given: list[str], said: str) -> None:
    command = ["smooth", "ticket.safetensors", *given]
    with pytest.raises(ConfigError, match=said):
        check_source(parse(command).smooth, command)


@pytest.mark.parametrize(
    "command",
    [
        ["smooth", "a", "b", "--untrained", "--split", "2", "--measures", "mad", "--steps"],
        ["smooth", "--untrained", "--hidden_channels", "4", "--depths", "2", "3"],
    ],
)
def test_options_that_go_together(command: list[str]) -> None:
    check_source(parse(command).smooth, command)


def test_other_commands_have_no_paths() -> None:
    command = ["search", "--num_layers", "4"]
    check_source(parse(command).search, command)


def test_neither_a_path_nor_a_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["smooth", "--out", str(tmp_path / "out")]) == 2
    assert "give a ticket file, a run folder or the folder of a study" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
