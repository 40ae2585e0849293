"""gslt smooth: the tables and files it writes, what it says and refuses."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from small_networks import NAME, made_up

import gslt
from gslt.cli import main
from gslt.diagnostics import MEASURES, Measure
from gslt.errors import ConfigError, RunError
from gslt.files import OutputFolder
from gslt.oversmoothing import smooth
from gslt.oversmoothing.figures import layers_figure, looks_of
from gslt.oversmoothing.measuring import Measurements
from gslt.oversmoothing.report import as_json, cell, layers_csv, tables_of, write
from gslt.oversmoothing.source import SourceConfig
from gslt.report.figures import both_names
from gslt.report.statistics import averages

FILES = {"smooth.md", "smooth.csv", "smooth.json"}
GOLDEN = Path(__file__).parents[1] / "golden" / "smooth"


def names_in(folder: Path) -> set[str]:
    """What is in a folder beside gslt's own room."""
    return {path.name for path in folder.iterdir()} - {".gslt"}


def test_cells_of_the_tables_by_hand() -> None:
    last, slopes = tables_of(Measurements([made_up(seed=0), made_up(seed=1)]))
    assert last.title == "Last hidden layer: toy (synthetic)"
    shown = dict(zip(last.headings, (each.text for each in last.rows[0]), strict=True))
    # The mean of −5 and −3 and their unbiased deviation √2; accuracies 50 and 70.
    assert shown["ln centred quotient"] == "-4.0 ± 1.4"
    assert shown["test accuracy (%)"] == "60.00 ± 14.14"
    assert (shown["arm"], shown["layers"], shown["n"]) == ("a", "4", "2")
    assert shown["effective rank"] == "2 ± 0"
    shown = dict(zip(slopes.headings, (each.text for each in slopes.rows[0]), strict=True))
    # Least squares through three points: half of the last minus the first, −5/2 and −3/2.
    assert shown["ln centred quotient"] == "-2.00 ± 0.71"
    assert shown["effective rank"] == "-1 ± 0"
    lines = last.plain().splitlines()
    assert lines[0] == last.title
    assert lines[1].split() == " ".join(last.headings).split()
    assert "-4.0 ± 1.4" in lines[2]


def test_one_seed_has_no_deviation_and_a_collapse_is_counted() -> None:
    collapsed, unfinite = made_up(seed=1), made_up(seed=2)
    collapsed.profile["centred_rayleigh_quotient"][2] = None
    unfinite.profile["centred_rayleigh_quotient"][2] = None
    unfinite.profile["dirichlet_energy"][2] = None
    found = Measurements([made_up(), collapsed, unfinite])
    (mean,) = averages(found.runs, [], ["log_quotient"]).itertuples()
    assert (mean.mean, mean.n, mean.collapsed) == (pytest.approx(-5), 1, 1)
    assert math.isnan(mean.std)
    assert cell(mean).text == "-5 (1 collapsed, 1 missing)"
    alone = Measurements([collapsed])
    (mean,) = averages(alone.runs, [], ["log_quotient"]).itertuples()
    assert cell(mean).text == "– (1 collapsed)"
    (group,) = as_json(found)["groups"]
    assert group["log_quotient"] == {
        "mean": pytest.approx(-5),
        "std": None,
        "n": 1,
        "collapsed": 1,
    }
    values = as_json(alone)["networks"][0]
    assert values["collapsed"] is True
    assert values["endpoints"]["log_quotient"] is None
    assert "Infinity" not in json.dumps(as_json(found))


def test_a_line_for_every_run_and_layer() -> None:
    lines = list(
        csv.DictReader(layers_csv(Measurements([made_up(seed=0), made_up(seed=1)])).splitlines())
    )
    assert [(line["seed"], line["layer"], line["hidden"]) for line in lines][2:5] == [
        ("0", "3", "True"),
        ("0", "4", "False"),
        ("1", "1", "True"),
    ]
    assert float(lines[2]["log_quotient"]) == pytest.approx(-5)
    assert {line["synthetic"] for line in lines} == {"True"}
    assert {line["dataset"] for line in lines} == {"toy (synthetic)"}


def test_a_new_measure_appears_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    new = Measure(function=lambda x: 1.0, label="new one", smoother="lower", source="", slope=True)
    monkeypatch.setitem(MEASURES, "new_one", new)
    each = made_up()
    each.profile["new_one"] = [3.0, 2.0, 1.0, 0.0]
    found = Measurements([each])
    last, slopes = tables_of(found)
    assert (last.headings[-1], last.rows[0][-1].text) == ("new one", "1")
    assert (slopes.headings[-1], slopes.rows[0][-1].text) == ("new one", "-1")
    assert "new_one" in layers_csv(found).splitlines()[0]
    assert as_json(found)["groups"][0]["new_one_slope"]["mean"] == pytest.approx(-1)
    figure = layers_figure(found, looks_of(found), "")
    assert "new one" in [axes.get_title(loc="left") for axes in figure.axes]


def test_pictures_of_an_earlier_call_are_removed(tmp_path: Path) -> None:
    out = OutputFolder(tmp_path, "smooth")
    changed, mine = {"search.png"}, {"layers-mine.png", "depth-map.svg", "steps-1.png", "notes.txt"}
    stale = {"layers-depth2.png", "search.svg", "steps@toy.svg", "depth.png"}
    for name in stale | changed:
        out.write_text(name, "of an earlier call")
    for name in mine | changed:
        (tmp_path / name).write_text("mine")
    found = Measurements([made_up()])
    said = list(write(found, out, steps=False))
    there = FILES | mine | changed | {"layers.png", "layers.svg"}
    assert names_in(tmp_path) == there
    assert all((tmp_path / name).read_text() == "mine" for name in mine | changed)
    gone = "depth.png, layers-depth2.png, search.svg, steps@toy.svg"
    assert f"removed, being of an earlier call: {gone}" in said
    assert not any("removed" in line for line in write(found, out, steps=False))


def test_files_of_others_are_never_written_to(
    runs: Path, blocks: gslt.NodeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(out: Path) -> None:
        smooth([runs / "frozen2"], out, dataset=blocks, progress=False)

    mine = {"docs": ("layers.png", "depth-map.svg"), "thesis": ("smooth.md",)}
    for folder, names in mine.items():
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_text("mine")
    with monkeypatch.context() as patch:
        # They are refused before anything is measured.
        patch.setattr("gslt.oversmoothing.report.measure_all", None)
        for folder in mine:
            with pytest.raises(RunError, match="not empty and was not made by gslt"):
                measured(tmp_path / folder)
        (tmp_path / "file").touch()
        with pytest.raises(RunError, match="is no folder"):
            measured(tmp_path / "file")
        OutputFolder(tmp_path / "edited", "smooth").write_text("smooth.md", "theirs")
        (tmp_path / "edited" / "smooth.md").write_text("mine")
        with pytest.raises(RunError, match=r"smooth.md' is not as gslt wrote it"):
            measured(tmp_path / "edited")
        OutputFolder(tmp_path / "other", "demo")
        with pytest.raises(RunError, match="the folder of a demo, no smooth"):
            measured(tmp_path / "other")
    # Whether a picture is in the way is known once it is drawn, and before anything is written.
    OutputFolder(tmp_path / "out", "smooth")
    (tmp_path / "out" / "layers.svg").write_text("mine")
    with pytest.raises(RunError, match=r"layers.svg' is not as gslt wrote it"):
        measured(tmp_path / "out")
    assert names_in(tmp_path / "out") == {"layers.svg"}
    for folder, names in mine.items():
        assert names_in(tmp_path / folder) == set(names)
        assert all((tmp_path / folder / name).read_text() == "mine" for name in names)


def test_names_of_pictures_do_not_collide(tmp_path: Path) -> None:
    """Graphs called as if their names ended with a depth, or alike but for case and length."""
    graphs = ["a", "a-depth2", "A", "b/c", "b c", "x" * 400, "@", "smooth.md"]
    found = Measurements(
        [
            dataclasses.replace(made_up(depth=depth), dataset=graph)
            for graph in graphs
            for depth in ((2, 3) if graph == "a" else (3,))
        ]
    )
    out = OutputFolder(tmp_path, "smooth")
    said = list(write(found, out, steps=False))[-1]
    pictures = [name for name in out.names() if name.endswith(".svg")]
    # Layers of every graph and depth, and of one graph a picture over depth.
    assert len(pictures) == len({name.casefold() for name in pictures}) == len(graphs) + 2
    assert "layers@a-depth2.svg" in pictures
    assert sum(name.startswith("layers-depth2@a-") for name in pictures) == 1
    assert all(name in said for name in pictures)


def test_what_is_lacking_for_steps(tmp_path: Path, no_pictures: None) -> None:
    rows = [{"layer": layer, "step": "aggregation", "mad": 1.0} for layer in (1, 2, 3)]
    out = OutputFolder(tmp_path, "smooth")
    text = "\n".join(write(Measurements([made_up(steps=rows)]), out, steps=True))
    assert "no table of what each step adds: it takes the measure centred_rayleigh_quotient" in text
    assert "What each step adds" not in text
    assert "no picture of the steps: it takes one of the measures centred_rayleigh_quotient" in text
    text = "\n".join(write(Measurements([made_up()]), out, steps=True))
    assert "no picture of the steps: records hold none, and there is no run folder" in text


def test_measures_that_no_table_has_are_told(
    blocks: gslt.NodeDataset, tmp_path: Path, no_pictures: None
) -> None:
    source = SourceConfig(hidden_channels=4, num_layers=3)
    for named, nowhere in (
        (["dirichlet_energy"], "dirichlet_energy"),
        (["mad_gap", "mad"], "mad_gap"),
        (["dirichlet_energy", "centred_rayleigh_quotient"], "dirichlet_energy"),
        (["collapse", "rayleigh_quotient"], ""),
        (None, ""),
    ):
        said: list[str] = []
        options: Any = {"source": source, "dataset": blocks, "measures": named}
        smooth([], tmp_path / "out", say=said.append, progress=False, **options)
        told = [line for line in said if line.startswith("no table has")]
        place = "the values at every layer are in smooth.csv and in the picture of the layers"
        assert told == ([f"no table has {nowhere}: {place}"] if nowhere else [])


def test_everything_at_once(runs: Path, blocks: gslt.NodeDataset, tmp_path: Path) -> None:
    def state() -> dict[str, Any]:
        files = [path for path in sorted(runs.rglob("*")) if path.is_file()]
        return {
            str(path): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
            for path in files
        }

    before, said = state(), []
    names = ("frozen2", "frozen3", "trained", "begun")
    out = tmp_path / "out"
    found = smooth(
        [runs / name for name in names],
        out,
        untrained=True,
        dataset=blocks,
        steps=True,
        progress=False,
        say=said.append,
    )
    assert state() == before
    assert len(found.networks) == 2 * 5
    kinds = ("layers-depth2", "layers-depth3", "search-depth3", "depth", "steps-depth2")
    pictures = {f"{name}.{end}" for name in (*kinds, "steps-depth3") for end in ("png", "svg")}
    assert names_in(out) == FILES | pictures
    from matplotlib.image import imread

    for name in pictures:
        path = out / name
        if path.suffix == ".png":
            colours = imread(path)[..., :3].reshape(-1, 3)
            assert colours.std() > 0.01
            for look in looks_of(found).values() if name.startswith("depth") else []:
                wanted = torch.tensor([*bytes.fromhex(look.colour[1:])]) / 255
                near = abs(torch.from_numpy(colours) - wanted).amax(1) < 0.01
                assert int(near.sum()) > 50
        else:
            assert path.read_text().rstrip().endswith("</svg>")
    text = "\n".join(said)
    assert "begun is not finished and left out; the same script or command again (its" in text
    assert "no picture" not in text
    assert "Last hidden layer: blocks (synthetic)" in text
    assert str(out) in said[-1]
    values = json.loads((out / "smooth.json").read_text())
    assert values["synthetic"] is True
    assert values["environment"]["versions"]["gslt"] == gslt.__version__
    assert [each["nodes"] for each in values["datasets"]] == [blocks.num_nodes]
    assert len(values["networks"]) == 10
    assert len(list(csv.DictReader((out / "smooth.csv").read_text().splitlines()))) == 2 * (
        2 * 2 + 2 * 3 + 3
    )
    markdown = (out / "smooth.md").read_text()
    assert "ticket, frozen source, F = 0.4, untrained" in markdown
    assert "GIN: random-walk" in markdown


def alike(found: Any, expected: Any, within: float, path: str = "") -> None:
    """Whether two values of JSON are equal, numbers to a part of their size."""
    if isinstance(expected, dict):
        assert set(found) == set(expected), path
        for name, value in expected.items():
            alike(found[name], value, within, f"{path}/{name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), path
        for number, value in enumerate(expected):
            alike(found[number], value, within, f"{path}/{number}")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=within, abs=within), path
    else:
        assert found == expected, path


def test_the_numbers_and_texts_of_the_first_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records of a study and a run folder; expected is what gslt wrote before it had frames."""

    def empty(figure: Any, folder: OutputFolder, name: str) -> None:
        for file in both_names(name):
            folder.write_text(file, "")

    monkeypatch.setattr("gslt.oversmoothing.report.save_both", empty)
    monkeypatch.chdir(GOLDEN / "input")
    said: list[str] = []
    smooth(["study", "search-run"], tmp_path, steps=True, progress=False, say=said.append)
    expected = GOLDEN / "expected"
    assert (tmp_path / "smooth.md").read_text() == (expected / "smooth.md").read_text()
    lines = (expected / "stdout.txt").read_text().splitlines()
    # It kept no hash of the data of its runs.
    (unknown,) = [line for line in said if "could not be compared" in line]
    assert unknown.startswith("'search-run/ticket-seed0.safetensors' does not say on what content")
    assert unknown.endswith("nor could 1 more")
    said.remove(unknown)
    assert "\n".join(said).splitlines()[:-1] == lines[:-1]
    assert said[-1].partition(": ")[2] == lines[-1].partition(": ")[2]
    pictures = names_in(tmp_path) - FILES
    assert pictures == set((expected / "pictures.txt").read_text().split())
    values = [
        list(csv.DictReader((folder / "smooth.csv").read_text().splitlines()))
        for folder in (tmp_path, expected)
    ]
    assert [list(line) for line in values[0]] == [list(line) for line in values[1]]
    for found, line in zip(*values, strict=True):
        # The run folder's networks are measured anew, in single precision.
        within = 1e-6 if "frozen source" in line["arm"] else 1e-12
        numbers = [{name: _number(text) for name, text in row.items()} for row in (found, line)]
        alike(*numbers, within)
    found, wanted = (
        json.loads((folder / "smooth.json").read_text()) for folder in (tmp_path, expected)
    )
    del found["environment"]
    for each in found["networks"]:
        each.pop("environment", None)
    for name in ("networks", "groups"):
        for each, other in zip(found.pop(name), wanted.pop(name), strict=True):
            alike(each, other, 1e-6 if "frozen source" in other["arm"] else 1e-12)
    for graph in found["datasets"]:  # What the first release did not say of a graph.
        assert (graph.pop("task"), graph.pop("metric")) == ("multiclass", "accuracy")
        assert len(graph.pop("content_hash")) == 64
        for split in ("train", "val", "test"):
            assert 0 < graph.pop(f"{split}_majority_rate") < 1
    alike(found, wanted, 0)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def test_the_command(
    runs: Path,
    blocks: gslt.NodeDataset,
    tmp_path: Path,
    no_pictures: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[Any] = []

    def load(name: str, root: Any = None, *, split: int = 0) -> gslt.NodeDataset:
        asked.append((name, root, split))
        return blocks

    monkeypatch.setattr("gslt.studies.execute.load_dataset", load)
    out = ["--out", str(tmp_path / "out")]
    assert main(["smooth", str(runs / "frozen2"), "--untrained", *out]) == 0
    found = capsys.readouterr()
    shown = found.err
    assert "ticket, frozen source, F = 0.4, untrained" in found.out
    assert "no picture of the depth: there is one depth" in shown
    assert "no picture of the search: there is no probe.jsonl: gslt search --probe_every N" in shown
    assert "no picture of the steps: the steps were not measured: --steps does" in shown
    assert asked == [(NAME, None, 0)]
    source = ["--hidden_channels", "6", "--depths", "2", "3", "--measures", "mad"]
    assert main(["smooth", "--untrained", "--dataset", "cora", *source, *out]) == 0
    assert asked[-1] == ("cora", None, 0)
    lines = list(csv.DictReader((tmp_path / "out" / "smooth.csv").read_text().splitlines()))
    assert [line["num_layers"] for line in lines] == ["2"] * 2 + ["3"] * 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "give a ticket file, a run folder or the folder of a study, or --untrained"),
        (["here", "--sparsity=0.5", "--depths", "2"], "leave out --sparsity, --depths"),
        (["--untrained", "--sparsity", "0.1", "--prune_ratio", "0.5"], "exceeds sparsity"),
        (["--untrained", "--measures", "energy"], "measures must be one of"),
        (["--untrained", "--depths", "3", "--num_layers", "7"], "leave out --num_layers"),
        (["here"], "'here' is not there"),
    ],
)
def test_wrong_options(
    given: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["smooth", *given, "--out", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("gslt: ")
    assert said in err
    assert err.count("\n") == 1


def test_help_explains_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["smooth", "--help"])
    assert stop.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    for text in ("--untrained", "--steps", "--depths", "effective_rank", "Width of every layer"):
        assert text in out
    assert "[that of each run; 0 on another graph]" in out
    assert "for a source; refused beside a PATH" in out


def test_what_says_nothing_of_a_graph_at_hand_is_refused(
    blocks: gslt.NodeDataset, tmp_path: Path
) -> None:
    refused: list[tuple[dict[str, Any], str]] = [
        ({"dataset_dir": "data"}, "leave dataset_dir out"),
        ({"split": 3}, "load it with split=3"),
        ({"depths": [2, 4]}, "depths and runs are of a source"),
        ({"runs": 2}, "depths and runs are of a source"),
        ({"source": SourceConfig()}, "in the place of paths"),
    ]
    for given, message in refused:
        with pytest.raises(ConfigError, match=message):
            smooth(["a run"], tmp_path / "out", dataset=blocks, **given)
    assert not (tmp_path / "out").exists()
