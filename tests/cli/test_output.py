"""Results on standard output, everything else on standard error (gslt.cli.output)."""

from __future__ import annotations

import io
import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny_runs import TINY

import gslt
from gslt.cli import main
from gslt.cli.output import LOG, Outcome, messages, show

DATA = ["--dataset", "g.safetensors"]
STUDY = ["study", "run", "--study", "study.yaml", "--out", "out"]
TICKET = "run/ticket.safetensors"
#: Every command that is quick, in an order in which each finds what it reads.
COMMANDS: list[list[str]] = [
    ["search", *DATA, *TINY, "--out", "run"],
    ["search", "--resume", "run"],
    ["train", *DATA, *TINY, "--out", "trained"],
    ["evaluate", TICKET, *DATA],
    ["inspect", TICKET],
    ["smooth", "--untrained", *DATA, *TINY[2:], "--out", "s"],
    ["smooth", "run", "--out", "t"],
    STUDY,
    ["study", "status", "out"],
    ["report", "out"],
    ["data", "list"],
    ["data", "convert", "g.safetensors", "h.safetensors"],
    ["data", "info", "g.safetensors"],
    ["data", "synthesize", "--scale", "0.01", "--dataset_dir", "made"],
]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks: gslt.NodeDataset) -> None:
    monkeypatch.chdir(tmp_path)
    blocks.save("g.safetensors")
    settings = "{dataset: g.safetensors, epochs: 2, hidden_channels: 4, num_layers: 2}"
    Path("study.yaml").write_text(
        f"name: tiny\nseeds: 1\nsettings: {settings}\narms: {{a: {{}}, b: {{sparsity: 0.3}}}}\n"
    )


def test_results_are_json_and_quiet_is_silent(capsys: Any) -> None:
    for words in COMMANDS:
        assert main([*words, "--json", "-q"]) == 0, words
        found = capsys.readouterr()
        assert found.out.count("\n") == 1, words
        assert json.loads(found.out), words
        assert found.err == "", words
    for words in (COMMANDS[0], ["study", "status", "out"]):
        assert main(["--quiet", *words]) == 0
        assert capsys.readouterr().err == ""


@pytest.mark.parametrize("ratio", ["1.0", "0.0"])
def test_a_source_in_which_nothing_is_searched(ratio: str, capsys: Any) -> None:
    """Its mask has no bit, and JSON no word for how many times smaller that is: null."""

    def refuse(word: str) -> None:
        pytest.fail(f"{word} is no JSON")

    words = [*COMMANDS[0], "--freezing_ratio", ratio]
    assert main(["--json", *words]) == 0
    texts = [capsys.readouterr().out, Path("run/summary.json").read_text()]
    shown, written = (json.loads(text, parse_constant=refuse)["size"] for text in texts)
    assert shown == written
    assert (written["bits"] == 0) == (written["ratio"] is None) == (ratio == "1.0")


def test_what_the_values_are(capsys: Any) -> None:
    def values(*words: str) -> Any:
        assert main(["--json", *words]) == 0
        return json.loads(capsys.readouterr().out)

    found = values(*COMMANDS[0])
    summary = json.loads(Path("run/summary.json").read_text())
    assert found == {"folder": "run", **summary}
    scores = values("evaluate", TICKET, *DATA)
    assert scores["scores"]["test"] == summary["test_accuracy"]
    assert scores["stored"]["test"] == summary["test_accuracy"]
    about = values("inspect", TICKET)
    assert about["size"] == summary["size"]
    assert about["config"]["sparsity"] == 0.5
    assert about["architecture"]["model"]["num_layers"] == 2
    assert values(*STUDY)["computed"] == 2
    (status,) = values("study", "status", "out")
    assert (status["study"], status["runs"], status["done"]) == ("tiny", 2, 2)
    names = [entry["name"] for entry in values("data", "list")]
    assert names[:2] == ["debian", "cora"]


def test_messages_are_not_on_standard_output(capsys: Any) -> None:
    assert main(COMMANDS[0]) == 0
    found = capsys.readouterr()
    assert found.out.startswith("blocks (synthetic): test accuracy ")
    assert "NodeDataset" in found.err
    assert found.err.endswith("written to run\n")
    assert main([*COMMANDS[0], "-v"]) == 0
    found = capsys.readouterr()
    assert "settings: {" in found.err
    assert "'epochs': 2" in found.err
    assert found.err.startswith("gslt 0.")


def test_verbose_says_what_is_behind_an_error(capsys: Any) -> None:
    Path("x.yaml").write_text("name: [")
    words = ["study", "run", "--study", "x.yaml", "--out", "o"]
    assert main(words) == 2
    assert "because" not in capsys.readouterr().err
    assert main([*words, "--verbose"]) == 2
    assert "\n  because: " in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["ascii", "cp1251"])
def test_every_command_in_the_signs_of_a_terminal(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in (*COMMANDS, ["--help"], ["search", "--help"], ["search", "--epo", "3"]):
        streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
        monkeypatch.setattr(sys, "stdout", streams[0])
        monkeypatch.setattr(sys, "stderr", streams[1])
        try:
            status = main(words)
        except SystemExit as stop:
            status = stop.code
        assert status == (2 if "--epo" in words else 0), words
        for stream in streams:
            stream.flush()
            said = stream.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
            # Signs of our own text have a readable one in their place.
            assert "\\u" not in said, words
            assert "\\x" not in said, words


def test_messages_and_results(capsys: Any) -> None:
    before = LOG.level, list(LOG.handlers)
    with messages({}):
        LOG.info("told")
        LOG.debug("not told")
        LOG.warning("careful")
    with messages({"quiet": True}):
        LOG.info("not told")
    with messages({"verbose": True}):
        LOG.debug("told too")
    assert (LOG.level, LOG.handlers) == before
    LOG.info("not told")
    found = capsys.readouterr()
    assert found.err == "told\ncareful\ntold too\n"
    show(Outcome("text", {"a": 1}), {})
    show(Outcome("text", {"a": 1}), {"json": True})
    assert capsys.readouterr().out == 'text\n{"a": 1}\n'
    assert logging.getLogger("gslt") is LOG


def test_the_manners_are_no_settings(capsys: Any) -> None:
    with pytest.raises(SystemExit):
        main(["-q", "search", "--print_config", "--json"])
    assert not {"json", "quiet", "verbose"} & yaml.safe_load(capsys.readouterr().out).keys()
