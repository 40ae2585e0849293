"""Results are reused on the data that they are of, and on no other of the same name."""

from __future__ import annotations

import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gslt
from gslt.backends import get_backend
from gslt.cli.main import main
from gslt.errors import GsltWarning
from gslt.studies.records import StudyFolder

ROOT = Path(__file__).parents[2]

TINY = ["--hidden_channels", "4", "--num_layers", "2", "--lr", "0.05"]


def write(path: Path, change: str = "") -> Path:
    """A synthetic graph of nine nodes in the benchmark's layout, or the same with a change."""
    nodes = np.arange(9)
    arrays = {
        "node_features": np.stack([nodes % 3, nodes // 3], axis=1).astype(np.float32),
        "node_labels": nodes % 3,
        "edges": np.stack([nodes[:-1], nodes[1:]], axis=1),
        "train_masks": (nodes < 3)[None],
        "val_masks": ((nodes >= 3) & (nodes < 6))[None],
        "test_masks": (nodes >= 6)[None],
    }
    if change == "labels":
        arrays["node_labels"] = arrays["node_labels"][::-1]
    elif change == "features":
        arrays["node_features"] = -arrays["node_features"]
    elif change == "edges":
        arrays["edges"] = arrays["edges"][1:]
    elif change == "mask":
        arrays["train_masks"], arrays["test_masks"] = arrays["test_masks"], arrays["train_masks"]
    np.savez(path, **arrays)
    return path


CHANGES = ("labels", "features", "edges", "mask")


class Stopped(BaseException):
    """Stands for a kill."""


def stop_at(last: int):
    def on_epoch(epoch: gslt.Epoch) -> None:
        if epoch.epoch == last:
            raise Stopped

    return on_epoch


def content_of(folder: Path) -> dict[str, bytes]:
    """The files of a run, but for who went on with it."""
    files = [path for path in folder.iterdir() if path.is_file() and path.suffix != ".json"]
    return {path.name: path.read_bytes() for path in files}


@pytest.mark.parametrize("change", CHANGES)
def test_an_unfinished_run_is_not_resumed_on_other_data(tmp_path, change, capsys) -> None:
    graph, out = write(tmp_path / "g.npz"), tmp_path / "run"
    config = gslt.SearchConfig(hidden_channels=4, num_layers=2, lr=0.05, epochs=6)
    options = {"dataset": str(graph), "dataset_dir": None, "split": 0}
    data, stop = gslt.load_dataset(str(graph)), stop_at(4)
    with (
        gslt.RunFolder(out, config, options, checkpoint_seconds=0) as folder,
        pytest.raises(Stopped),
    ):
        gslt.search(data, config, progress=False, folder=folder, on_epoch=stop)
    write(graph, change)
    before = content_of(out)
    assert main(["search", "--resume", str(out)]) == 2
    error = capsys.readouterr().err
    assert "was begun on other data than 'g' is now" in error
    assert "content" in error
    if change == "edges":
        assert "edges 16 and 14" in error
    assert content_of(out) == before
    # The data comes back, and so does the run.
    write(graph)
    assert main(["search", "--resume", str(out)]) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["content_hash"] == data.content_hash


def test_a_finished_run_and_its_ticket_know_their_data(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("g.npz"))
    command = ["search", "--dataset", "g.npz", "--epochs", "2", *TINY, "--out", "run"]
    assert main(command) == 0
    # A path is that of the file, from wherever the run is gone on with.
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert main(["search", "--resume", "../run"]) == 0
    ticket = ["evaluate", "../run/ticket.safetensors", "--dataset", "../g.npz"]
    assert main(ticket) == 0
    assert "(at the search" in capsys.readouterr().out
    write(tmp_path / "g.npz", "labels")
    assert main(["search", "--resume", "../run"]) == 2
    assert "begun on other data" in capsys.readouterr().err
    assert main(ticket) == 2
    assert "was found on other data" in capsys.readouterr().err
    with pytest.warns(GsltWarning, match="found on other data"):
        assert main([*ticket, "--allow_other_data"]) == 0
    assert "(at the search" not in capsys.readouterr().out
    with pytest.warns(GsltWarning, match="begun on other data"):
        assert main(["search", "--resume", "../run", "--allow_other_data"]) == 0


def test_content_and_no_name_tells_what_a_ticket_was_found_on(
    tmp_path, capsys, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("g.npz"))
    assert main(["search", "--dataset", "g.npz", "--epochs", "2", *TINY, "--out", "run"]) == 0
    command = ["evaluate", "run/ticket.safetensors", "--dataset"]
    shutil.copy("g.npz", "renamed.npz")
    assert main([*command, "renamed.npz"]) == 0
    assert "(at the search" in capsys.readouterr().out
    write(Path("another.npz"), "mask")
    assert main([*command, "another.npz"]) == 2
    error = capsys.readouterr().err
    assert "'run/ticket.safetensors' was found on other data than 'another' is now" in error
    assert "(--allow_other_data goes on all the same)" in error


def older(path: Path) -> Path:
    """The same ticket as an older gslt wrote it, which kept no hash."""
    replace(gslt.load_ticket(path), content_hash="").save(path)
    return path


def test_a_ticket_that_does_not_know_its_data_says_so(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("g.npz"))
    assert main(["search", "--dataset", "g.npz", "--epochs", "2", *TINY, "--out", "run"]) == 0
    ticket = older(Path("run/ticket.safetensors"))
    said = r"does not say on what content it was found.*'g' is still that could not be compared"
    with pytest.warns(GsltWarning, match=said):
        assert main(["evaluate", str(ticket), "--dataset", "g.npz"]) == 0
    assert "(at the search" in capsys.readouterr().out
    with pytest.warns(GsltWarning, match=f"^the model {said}"):
        gslt.evaluate(gslt.load_ticket(ticket).model(), gslt.load_dataset("g.npz"))
    assert main(["smooth", str(ticket), "--dataset", "g.npz", "--out", "smooth"]) == 0
    assert "could not be compared" in capsys.readouterr().err


@pytest.mark.parametrize("change", CHANGES)
def test_python_evaluates_on_the_data_of_the_model_alone(tmp_path, change) -> None:
    data = gslt.load_dataset(str(write(tmp_path / "g.npz")))
    options = {"hidden_channels": 4, "num_layers": 2, "epochs": 2}
    found = gslt.search(data, gslt.SearchConfig(**options), progress=False)
    trained = gslt.train(data, gslt.TrainConfig(**options), progress=False)
    other = gslt.load_dataset(str(write(tmp_path / "g.npz", change)))
    assert found.ticket is not None
    for model in (found.model, found.ticket.model(), trained.model):
        assert gslt.evaluate(model, data)["test"] in (found.test_accuracy, trained.test_accuracy)
        with pytest.raises(gslt.DataError, match=r"the model was found on other data.*_data=True"):
            gslt.evaluate(model, other)
        with pytest.warns(GsltWarning, match="the model was found on other data than 'g' is now"):
            gslt.evaluate(model, other, allow_other_data=True)
    new = gslt.GNN(2, 3, gslt.ModelConfig(hidden_channels=4, num_layers=2), get_backend("pyg"))
    gslt.evaluate(new, other)  # Neither a search nor a training has found it.


@pytest.mark.parametrize("command", ["search", "train"])
def test_smooth_measures_on_the_data_of_a_run_alone(tmp_path, command, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("g.npz"))
    assert main([command, "--dataset", "g.npz", "--epochs", "2", *TINY, "--out", "run"]) == 0
    measured = ["smooth", "run", "--out", "smooth"]
    assert main(measured) == 0
    write(Path("g.npz"), "labels")
    capsys.readouterr()
    assert main(measured) == 2
    assert "was found on other data than 'g' is now" in capsys.readouterr().err
    with pytest.warns(GsltWarning, match="was found on other data"):
        assert main([*measured, "--allow_other_data"]) == 0
    # Another graph is meant where it is named, and an untrained network is of none.
    write(Path("another.npz"))
    assert main([*measured, "--dataset", "another.npz"]) == 0
    assert main([*measured, "--untrained"]) == 0
    assert "was found on other data" in capsys.readouterr().err


def test_a_new_search_leaves_an_unfinished_run_of_other_data_alone(
    tmp_path, capsys, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("g.npz"))
    command = ["search", "--dataset", "g.npz", "--epochs", "2", *TINY]
    assert main(command) == 0
    (first,) = Path("runs").iterdir()
    for name in ("summary.json", *(path.name for path in first.glob("finished-*"))):
        (first / name).unlink()
    write(Path("g.npz"), "features")
    assert main(command) == 0
    assert "is of other data: left alone" in capsys.readouterr().err
    assert len(list(Path("runs").iterdir())) == 2


def study_of(graph: Path, path: Path) -> Path:
    settings = f"{{dataset: {graph}, epochs: 2, hidden_channels: 4, num_layers: 2}}"
    path.write_text(f"name: s\nseeds: 2\nsettings: {settings}\narms: {{a: {{}}}}\n")
    return path


@pytest.mark.parametrize("change", CHANGES)
def test_records_of_other_data_are_not_reused(tmp_path, change, capsys) -> None:
    graph = write(tmp_path / "g.npz")
    study, out = study_of(graph, tmp_path / "s.yaml"), tmp_path / "out"
    command = ["study", "run", "--study", str(study), "--out", str(out)]
    assert main(command) == 0
    assert main(command) == 0
    write(graph, change)
    capsys.readouterr()
    assert main(command) == 2
    error = capsys.readouterr().err
    assert "2 of 2 records" in error
    assert "are of other data than" in error
    with pytest.warns(GsltWarning, match="2 of 2 records"):
        assert main([*command, "--allow_other_data"]) == 0


def test_a_report_does_not_mix_data(tmp_path, capsys) -> None:
    graph = write(tmp_path / "g.npz")
    study, out = study_of(graph, tmp_path / "s.yaml"), tmp_path / "out"
    command = ["study", "run", "--study", str(study), "--out", str(out)]
    assert main(command) == 0
    kept = sorted((out / "records").iterdir())[0]
    mine = shutil.copy(kept, tmp_path)
    write(graph, "labels")
    shutil.rmtree(out)
    assert main(command) == 0
    shutil.copy(mine, kept)
    capsys.readouterr()
    assert main(["report", str(out)]) == 2
    assert "are of different data named" in capsys.readouterr().err
    with pytest.warns(GsltWarning, match="are of different data"):
        assert main(["report", str(out), "--allow_other_data"]) == 0


def test_an_older_record_is_compared_by_what_it_has(tmp_path) -> None:
    """Records that were computed before there was a hash are used where the counts are the same."""
    with tarfile.open(ROOT / "benchmarks/results/study-debian-128/records.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    folder = StudyFolder(tmp_path)
    (study,) = [each for each in folder.studies() if each.name == "locking-gin-standard"]
    debian = gslt.load_dataset("debian")
    folder.compare_data(study, lambda name, split: debian)
    other = gslt.load_dataset(str(write(tmp_path / "g.npz")))
    with pytest.raises(gslt.GsltError, match=r"records.*are of other data.*nodes 63666 and 9"):
        folder.compare_data(study, lambda name, split: other)
