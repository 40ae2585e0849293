"""Every command line that is printed as advice is one, and works when it is pasted."""

from __future__ import annotations

import os
import re
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest
from advice import commands_in
from tiny_runs import TINY

import gslt
from gslt.cli import main, parse
from gslt.training.run_folder import RunFolder

ROOT = Path(gslt.__file__).parent
FOUND = [
    (str(path.relative_to(ROOT)), words)
    for path in sorted(ROOT.rglob("*.py"))
    for words in commands_in(path)
]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks: gslt.NodeDataset) -> None:
    monkeypatch.chdir(tmp_path)
    blocks.save("my graph.safetensors")


def paste(said: str, pattern: str) -> int:
    """Run the command that a sentence names."""
    found = re.search(pattern, said)
    assert found, said
    words = shlex.split(found[1])
    assert words[0] == "gslt"
    return main(words[1:])


def stop_after(epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = RunFolder.on_epoch

    def on_epoch(self: RunFolder, found: Any) -> None:
        usual(self, found)
        if found.epoch == epoch:
            monkeypatch.setattr(RunFolder, "on_epoch", usual)
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(RunFolder, "on_epoch", on_epoch)


def test_there_are_such_lines() -> None:
    assert len(FOUND) > 15
    assert len({name for name, _ in FOUND}) > 8


@pytest.mark.parametrize(("file", "words"), FOUND, ids=[f"{f}-{' '.join(w)}" for f, w in FOUND])
def test_every_line_that_is_printed_is_a_command(file: str, words: list[str], capsys: Any) -> None:
    # Some name a command that takes something, which the sentence around it says.
    short = {("search",): [], ("train",): [], ("data", "convert"): ["a", "b"]}
    if words[0] == "1":  # Search or train.
        words = ["search", *words[1:]]
    try:
        parse([*words, *short.get(tuple(words), [])])
    except SystemExit:
        pytest.fail(f"{file}: gslt {' '.join(words)}: {capsys.readouterr().err}")


@pytest.mark.parametrize("command", ["search", "train"])
def test_a_stopped_command_goes_on(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    words = [command, "--dataset", "my graph.safetensors", *TINY, "--checkpoint_seconds", "0"]
    stop_after(1, monkeypatch)
    assert main([*words, "--out", "my runs/it's one"]) == 128 + signal.SIGTERM
    assert paste(capsys.readouterr().err, r"go on with: (gslt .*)") == 0
    assert Path("my runs/it's one/summary.json").is_file()


def test_a_stopped_script_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: Any, blocks: gslt.NodeDataset
) -> None:
    """It has data that no command knows: the script itself is what goes on."""
    config = gslt.SearchConfig(epochs=3, hidden_channels=4, num_layers=2)

    def script() -> gslt.Result:
        with RunFolder("mine", config, checkpoint_seconds=0) as folder:
            return gslt.search(blocks, config, folder=folder, progress=False)

    stop_after(1, monkeypatch)
    with pytest.raises(gslt.Interrupted) as stopped:
        script()
    said = str(stopped.value)
    assert "gslt search" not in said
    assert "the same script or command again (its folder is 'mine')" in said
    # Whoever tries a command all the same is told why not.
    assert main(["search", "--resume", "mine"]) == 2
    assert "does not say on what data its run is" in capsys.readouterr().err
    assert main(["smooth", "mine", "--out", "s"]) == 2
    assert "gslt search --resume" not in capsys.readouterr().err
    assert script().runs[0].last_epoch == 3


def test_a_folder_of_the_other_command(capsys: Any) -> None:
    words = ["--dataset", "my graph.safetensors", *TINY, "--out", "my run"]
    assert main(["train", *words]) == 0
    capsys.readouterr()
    assert main(["search", "--resume", "my run"]) == 2
    assert paste(capsys.readouterr().err, r"train: (gslt .*)") == 0


@pytest.mark.parametrize("command", [["study", "status"], ["report"]], ids=" ".join)
def test_a_folder_without_a_study(command: list[str], capsys: Any) -> None:
    words = ["--dataset", "my graph.safetensors", *TINY]
    assert main(["search", *words, "--out", "my run"]) == 0
    assert main(["train", *words, "--out", "trained"]) == 0
    capsys.readouterr()
    assert main([*command, "my run"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("gslt: 'my run' is the folder of a search; gslt inspect ")
    assert paste(said, r"; (gslt inspect .*) shows its ticket") == 0
    # There is no ticket in this one, and no study can begin in the other.
    assert main([*command, "trained"]) == 2
    assert capsys.readouterr().err == "gslt: 'trained' is the folder of a train\n"
    Path("thesis").mkdir()
    Path("thesis/chapter.tex").touch()
    assert main([*command, "thesis"]) == 2
    assert "begins one" not in capsys.readouterr().err
    Path("empty").mkdir()
    for folder in ("empty", "not there"):
        assert main([*command, folder]) == 2
        assert "holds no study; gslt study run --preset table --out" in capsys.readouterr().err


def test_a_study_without_records(capsys: Any) -> None:
    settings = "{dataset: my graph.safetensors, epochs: 2, hidden_channels: 4, num_layers: 2}"
    Path("s.yaml").write_text(f"name: s\nseeds: 1\nsettings: {settings}\narms: {{a: {{}}}}\n")
    assert main(["study", "run", "--study", "s.yaml", "--out", "my study"]) == 0
    assert paste(capsys.readouterr().err, r"(gslt report .*) makes tables") == 0
    for record in Path("my study/records").iterdir():
        record.unlink()
    capsys.readouterr()
    assert main(["report", "my study"]) == 2
    assert paste(capsys.readouterr().err, r"; (gslt study run .*) computes what is missing") == 0
    assert main(["report", "my study"]) == 0


def test_what_is_written_can_be_used(capsys: Any) -> None:
    assert main(["data", "convert", "my graph.safetensors", "a copy.safetensors"]) == 0
    found = re.search(r"use (--dataset .*)", capsys.readouterr().out)
    assert found
    assert main(["search", *shlex.split(found[1]), *TINY, "--out", "run"]) == 0


def test_missing_data_is_fetched_to_where_it_is_looked_for(capsys: Any) -> None:
    assert main(["search", "--dataset", "pubmed", "--dataset-dir", "no data"]) == 2
    found = re.search(r"`gslt (.*?)`", capsys.readouterr().err)
    assert found
    options = parse(shlex.split(found[1])).data.download
    assert (options.name, options.dataset_dir) == ("pubmed", Path("no data"))
    assert main(["search", "--dataset", "ogbn-arxiv-synthetic", "--dataset-dir", "no data"]) == 2
    line = capsys.readouterr().err.replace("synthesize", "synthesize --scale 0.01")
    assert paste(line, r"`(gslt data .*?)`") == 0
    words = ["--dataset", "ogbn-arxiv-synthetic", "--dataset-dir", "no data"]
    assert main(["search", *words, *TINY, "--out", "run"]) == 0
