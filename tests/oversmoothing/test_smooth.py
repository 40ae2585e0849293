"""gslt smooth: what is measured, what is written, what is refused."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import gslt
from gslt.backends import get_backend
from gslt.cli import main
from gslt.config import ModelConfig
from gslt.diagnostics import DEFAULT_MEASURES, SearchProbe
from gslt.errors import ConfigError, DataError, GsltError, RunError, TicketError
from gslt.oversmoothing.arms import with_distinct_arms, with_distinct_graphs
from gslt.oversmoothing.canvas import Curve, styles
from gslt.oversmoothing.export import as_json, layers_csv
from gslt.oversmoothing.groups import Spread, groups_of
from gslt.oversmoothing.measurement import Measurement
from gslt.oversmoothing.networks import Network, of_seed
from gslt.oversmoothing.pictures import depth_figure, layers_figure, search_figure
from gslt.oversmoothing.place import Place
from gslt.oversmoothing.smooth import _loader, _placed, smooth
from gslt.oversmoothing.source import SourceConfig
from gslt.oversmoothing.steps import changes, stages
from gslt.oversmoothing.steps_picture import steps_figure
from gslt.oversmoothing.tables import cell, plain, tables_of
from gslt.oversmoothing.write import write
from gslt.studies.execute import Here, dataset_of, run_study
from gslt.studies.records import StudyFolder
from gslt.studies.smoothness import profile
from gslt.studies.study import Study

SMALL: dict[str, Any] = {"hidden_channels": 6, "epochs": 2, "lr": 0.05}
NAME = "blocks (synthetic)"
FILES = {"smooth.md", "smooth.csv", "smooth.json"}


# By hand


def made_up(arm: str = "a", seed: int = 0, depth: int = 4, **more: Any) -> Measurement:
    """Three hidden layers with log quotients 0, −1 and −5, or 0, −1 and −3 with the second seed."""
    last = -5 if seed == 0 else -3
    quotients = [1.0, math.exp(-1), math.exp(last), 7.0]
    halves = [0.5] * 4
    names = ("rayleigh_quotient", "collapse", "numerical_rank", "mad")
    found: dict[str, list[float | None]] = {
        "dirichlet_energy": [8.0, 4.0, 2.0, 1.0],
        "centred_rayleigh_quotient": list(quotients),
        "effective_rank": [4.0, 3.0, 2.0, 9.0],
        **{name: list(halves) for name in names},
    }
    values = {name: each[4 - depth :] for name, each in found.items()}

    def build(dataset: gslt.NodeDataset) -> gslt.GNN:
        raise AssertionError("nothing is to be built")

    network = Network(
        arm=arm,
        model=ModelConfig(num_layers=depth),
        seed=seed,
        settings=more.pop("settings", {}),
        place=Place(name="toy"),
        path=f"{arm}{seed}",
        start=build,
        untrained=more.pop("untrained", False),
    )
    graph = {"name": "toy", "synthetic": True}
    accuracy = 0.5 + 0.2 * seed
    return Measurement(
        **{"network": network, "graph": graph, "profile": values, "test_accuracy": accuracy, **more}
    )


def rows_of(text: str) -> list[list[str]]:
    return [[part.strip() for part in line.split("  ") if part] for line in text.splitlines()]


def test_cells_of_the_tables_by_hand() -> None:
    last, slopes = tables_of([made_up(seed=0), made_up(seed=1)])
    assert last.title == "Last hidden layer: toy (synthetic)"
    shown = dict(zip(last.headings, (each.text for each in last.rows[0]), strict=True))
    # The mean of −5 and −3 and their unbiased deviation √2; accuracies 50 and 70.
    assert shown["log quotient"] == "-4.0 ± 1.4"
    assert shown["test accuracy (%)"] == "60.00 ± 14.14"
    assert (shown["arm"], shown["layers"], shown["n"]) == ("a", "4", "2")
    assert shown["effective rank"] == "2 ± 0"
    shown = dict(zip(slopes.headings, (each.text for each in slopes.rows[0]), strict=True))
    # Least squares through three points: half of the last minus the first, −5/2 and −3/2.
    assert shown["log quotient"] == "-2.00 ± 0.71"
    assert shown["effective rank"] == "-1 ± 0"
    lines = plain(last).splitlines()
    assert lines[0] == last.title
    assert lines[1].split() == " ".join(last.headings).split()
    assert "-4.0 ± 1.4" in lines[2]


def test_one_seed_has_no_deviation_and_a_collapse_is_counted() -> None:
    collapsed, unfinite = made_up(seed=1), made_up(seed=2)
    collapsed.profile["centred_rayleigh_quotient"][2] = None
    unfinite.profile["centred_rayleigh_quotient"][2] = None
    unfinite.profile["dirichlet_energy"][2] = None
    (group,) = groups_of([made_up(), collapsed, unfinite])
    spread = Spread.of(group.values("log_quotient"))
    assert (spread.mean, spread.n, spread.collapsed) == (pytest.approx(-5), 1, 1)
    assert math.isnan(spread.std)
    assert cell(spread, 3).text == "-5 (1 collapsed, 1 missing)"
    assert cell(Spread.of([-math.inf]), 1).text == "– (1 collapsed)"
    values = as_json([collapsed])["networks"][0]
    assert values["collapsed"] is True
    assert values["endpoints"]["log_quotient"] is None
    assert "Infinity" not in json.dumps(as_json([made_up(), collapsed, unfinite]))


def test_a_line_for_every_run_and_layer() -> None:
    lines = list(csv.DictReader(layers_csv([made_up(seed=0), made_up(seed=1)]).splitlines()))
    assert [(line["seed"], line["layer"], line["hidden"]) for line in lines][2:5] == [
        ("0", "3", "True"),
        ("0", "4", "False"),
        ("1", "1", "True"),
    ]
    assert float(lines[2]["log_quotient"]) == pytest.approx(-5)
    assert {line["synthetic"] for line in lines} == {"True"}
    assert {line["dataset"] for line in lines} == {"toy (synthetic)"}


def test_bands_by_hand() -> None:
    curve = Curve.of({2: [1.0, 3.0], 1: [5.0], 3: [None, 4.0], 4: [None]}, log=False)
    assert curve.x == [1, 2, 3, 4]
    assert curve.middle[:3] == [5, 2, 4]
    assert curve.high[1] == pytest.approx(2 + math.sqrt(2))
    assert curve.low[0] == curve.high[0] == 5
    assert math.isnan(curve.middle[3])
    # Deviations of logarithms are factors; nothing that is 0 has a logarithm.
    curve = Curve.of({1: [1.0, math.e**2, 0.0]}, log=True)
    assert curve.middle == [pytest.approx(math.e)]
    assert curve.high[0] / curve.middle[0] == pytest.approx(math.exp(math.sqrt(2)))


def test_steps_by_hand() -> None:
    def row(layer: int, step: str, quotient: float, module: str = "m") -> dict[str, Any]:
        return {
            "layer": layer,
            "step": step,
            "module": module,
            "centred_rayleigh_quotient": quotient,
        }

    e = math.e
    rows = [
        row(0, "input", 9.0),
        row(1, "aggregation", 1.0),
        row(1, "activation", 2.0),
        row(1, "layer", 2.0),
        row(2, "aggregation", 2.0 / e),
        row(2, "activation", 2.0 * e),
        row(2, "layer", 2.0 * e),
        row(3, "aggregation", 2.0 / e**2),
        row(3, "activation", 2.0 / e**2),
        row(3, "layer", 2.0 / e**2),
        row(4, "projection", 5.0),
        row(4, "aggregation", 6.0),
        row(4, "projection", 7.0, "head"),
    ]
    measurement = made_up(steps=rows)
    assert [(s.layer, s.step, s.place) for s in stages(measurement)] == [
        *((1, "aggregation", 0.5), (1, "activation", 1.0)),
        *((2, "aggregation", 1.5), (2, "activation", 2.0)),
        *((3, "aggregation", 2.5), (3, "activation", 3.0)),
        *((4, "projection", 3.5), (4, "aggregation", 4.0)),
    ]
    # Layers 2 and 3: aggregation −1 and −3, activation +2 and 0.
    assert changes(measurement) == pytest.approx({"aggregation": -2, "activation": 1})
    table = tables_of([measurement])[2]
    assert list(table.headings) == ["arm", "layers", "n", "aggregation", "activation", "projection"]
    assert [each.text for each in table.rows[0]] == ["a", "4", "1", "-2", "1", "–"]


def test_what_tells_arms_apart() -> None:
    def network(arm: str, path: str, **settings: Any) -> Measurement:
        one = made_up(arm, settings=settings)
        return dataclasses.replace(one, network=dataclasses.replace(one.network, path=path))

    def arms(*networks: Measurement) -> list[str]:
        return [each.network.arm for each in with_distinct_arms(networks)]

    assert arms(network("a", "x", lr=1), network("b", "y", lr=2)) == ["a", "b"]
    assert arms(network("a", "x", lr=1), network("a", "y", lr=2)) == ["a, lr 1", "a, lr 2"]
    # A ticket file does not know its learning rate.
    assert arms(network("a", "r/x", lr=1), network("a", "s/y")) == ["a [r]", "a [s]"]
    assert arms(network("a", "r/x"), network("a", "r/y")) == ["a [r/x]", "a [r/y]"]
    # What some know is told of those, and does not leave the others without a name of their own.
    both = network("a", "r/x", lr=0.01), network("a", "s/x", lr=0.1)
    assert arms(*both, network("a", "t.ticket")) == ["a, lr 0.01", "a, lr 0.1", "a"]


def test_spellings_of_one_data_set_are_one_group_of_arms(tmp_path: Path) -> None:
    def on(name: str, seed: int, **settings: Any) -> Measurement:
        one = made_up(seed=seed, settings=settings)
        place = Place(name=name)
        return dataclasses.replace(one, network=dataclasses.replace(one.network, place=place))

    def labels(*members: Measurement) -> list[tuple[str, str]]:
        found = with_distinct_arms(with_distinct_graphs(members))
        return [(each.network.arm, each.dataset.removesuffix(" (synthetic)")) for each in found]

    # Pooled, they would be two seeds of one arm.
    two = labels(on("Cora", 0, lr=1), on("cora", 1, lr=2))
    assert two == [("a, lr 1", "toy"), ("a, lr 2", "toy")]
    assert labels(on("Cora", 0, lr=1), on("cora", 1, lr=1)) == [("a", "toy")] * 2
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "toy.npz").touch()
    paths = [str(tmp_path / folder / "toy.npz") for folder in ("x", "y", "x/../x")]
    two = labels(on(paths[0], 0, lr=1), on(paths[1], 1, lr=2), on(paths[2], 1, lr=1))
    assert two == [("a", paths[0]), ("a", paths[1]), ("a", paths[0])]


def test_two_graphs_of_one_name_are_told_apart() -> None:
    def of(nodes: int, seed: int) -> Measurement:
        graph = {
            "name": "toy",
            "synthetic": True,
            "nodes": nodes,
            "edges": 4,
            "train": nodes - seed,
        }
        return made_up(seed=seed, graph=graph)

    one = with_distinct_graphs([of(1000, 0), of(1000, 1)])
    assert [each.dataset for each in one] == ["toy (synthetic)"] * 2
    several = with_distinct_graphs([of(1000, 0), of(2000, 1)])
    names = [f"toy [{nodes} nodes, 4 edges] (synthetic)" for nodes in ("1,000", "2,000")]
    assert [each.dataset for each in several] == names
    assert [len(group.members) for group in groups_of(several)] == [1, 1]
    values = as_json(several)
    assert [(each["dataset"], each["nodes"]) for each in values["datasets"]] == [
        (names[0], 1000),
        (names[1], 2000),
    ]


def test_a_collapse_is_drawn_and_said() -> None:
    members = [made_up(seed=0), made_up(seed=1), made_up("b")]
    members[0].profile["centred_rayleigh_quotient"][2] = None
    # Not finite is another thing than nothing left.
    for name in ("centred_rayleigh_quotient", "dirichlet_energy"):
        members[2].profile[name][1] = None
    figure = layers_figure(members, styles(members), "title")
    panel = next(a for a in figure.axes if a.get_title(loc="left").startswith("centred"))
    (mark,) = (line for line in panel.get_lines() if line.get_marker() == "v")
    assert (list(mark.get_xdata()), list(mark.get_ydata())) == ([3], [0.02])
    assert mark.get_markerfacecolor() == "none"
    assert panel.get_lines()[0].get_ydata()[2] == pytest.approx(math.exp(-3))
    triangles = "Hollow triangles at the bottom"
    assert triangles in figure.get_supxlabel().replace("\n", " ")
    whole = [made_up(seed=1)]
    assert triangles not in layers_figure(whole, styles(whole), "").get_supxlabel()
    rows = [
        {"layer": 2, "step": step, "centred_rayleigh_quotient": value, "dirichlet_energy": 0.0}
        for step, value in (("aggregation", 1.0), ("activation", None))
    ]
    figure = steps_figure([made_up(steps=rows)], "title")
    (mark,) = (line for line in figure.axes[0].get_lines() if line.get_color() == "#777777")
    assert list(mark.get_xdata()) == [2]
    assert triangles in figure.get_supxlabel().replace("\n", " ")
    rows = [{"layer": 3, "epoch": 5, "centred_rayleigh_quotient": None, "dirichlet_energy": 0.0}]
    one = made_up(search=rows)
    assert triangles in search_figure([one], styles([one]), "").get_supxlabel().replace("\n", " ")
    members[0] = made_up(depth=2)
    members[0].profile["centred_rayleigh_quotient"][0] = None
    figure = depth_figure(members[:2], styles(members[:2]), "")
    assert triangles in figure.get_supxlabel().replace("\n", " ")


def test_captions_say_what_means_are_over() -> None:
    row = {"layer": 2, "step": "aggregation", "centred_rayleigh_quotient": 1.0}
    first, second = made_up(seed=0, steps=[row]), made_up(seed=1, steps=[row])
    other = dataclasses.replace(second.network, place=Place(name="toy", split=1))
    for members, said in (
        ([first, second], "over seeds "),
        ([first, dataclasses.replace(second, network=other)], "over seeds and splits "),
    ):
        look = styles(members)
        for figure in (layers_figure(members, look, ""), steps_figure(members, "")):
            caption = figure.get_supxlabel().replace("\n", " ").replace(";", " ")
            assert said in caption


def test_pictures_of_an_earlier_call_are_removed(tmp_path: Path) -> None:
    mine = {"layers_of_mine.png", "depth.pdf", "notes-steps.png"}
    stale = {"layers-depth2.png", "search.svg", "steps-toy.svg", "depth.png"}
    for name in mine | stale:
        (tmp_path / name).touch()
    said = list(write([made_up()], tmp_path, steps=False))
    assert {path.name for path in tmp_path.iterdir()} == FILES | mine | {"layers.png", "layers.svg"}
    gone = "depth.png, layers-depth2.png, search.svg, steps-toy.svg"
    assert f"removed, being of an earlier call: {gone}" in said
    assert not any("removed" in line for line in write([made_up()], tmp_path, steps=False))


def test_what_is_lacking_for_steps(tmp_path: Path, no_pictures: None) -> None:
    rows = [{"layer": layer, "step": "aggregation", "mad": 1.0} for layer in (1, 2, 3)]
    text = "\n".join(write([made_up(steps=rows)], tmp_path, steps=True))
    assert "no table of what each step adds: it takes the measure centred_rayleigh_quotient" in text
    assert "What each step adds" not in text
    assert "no picture of the steps: it takes one of the measures centred_rayleigh_quotient" in text
    text = "\n".join(write([made_up()], tmp_path, steps=True))
    assert "no picture of the steps: records hold none, and there is no run folder" in text


def test_where_a_network_is_measured(tmp_path: Path) -> None:
    file = tmp_path / "graph.npz"
    file.touch()

    def placed(own: Place, name: str | None, split: int | None = None) -> Network:
        network = dataclasses.replace(made_up().network, place=own, run=Path("run"))
        return _placed(network, name, None, split)

    third = Place(name="Cora", split=3)
    for name, split in ((None, 3), ("cora", 3), ("CORA", 3), ("citeseer", 0)):
        found = placed(third, name)
        assert found.place.split == split
        # What its run folder and record say is of its own graph and split.
        assert (found.run is None) == (name == "citeseer")
    assert placed(third, "cora", 1).place.split == 1
    assert placed(third, "cora", 1).run is None
    # A ticket knows its graph by the stem of the file's name.
    assert placed(Place(name="graph", split=2), str(file)).place.split == 2
    assert placed(Place(name=str(file), split=2), f"{tmp_path}/./graph.npz").run is not None
    for known in (str(file), "cora"):
        with pytest.raises(GsltError) as stop:
            _loader(None)(placed(Place(name=known), None, 7))
        assert "no known name" not in str(stop.value)
    with pytest.raises(ConfigError, match="no known name; give --dataset"):
        _loader(None)(placed(Place(name="", split=0), None, 7))


def test_lines_of_the_pictures_are_the_means() -> None:
    members = [made_up(seed=0), made_up(seed=1), made_up("b", untrained=True)]
    look = styles(members)
    assert look["a"].colour != look["b"].colour
    figure = layers_figure(members, look, "title")
    panels = {axes.get_title(loc="left").partition(" (")[0]: axes for axes in figure.axes}
    (first, second) = panels["centred Rayleigh quotient"].get_lines()
    assert first.get_ydata() == pytest.approx([1, math.exp(-1), math.exp(-4), 7])
    assert second.get_linestyle() == "--"
    assert panels["centred Rayleigh quotient"].get_yscale() == "log"
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert texts == ["a", "b, untrained"]
    assert depth_figure(members, look, "title") is None
    assert search_figure(members, look, "title") is None
    assert steps_figure(members, "title") is None
    members.append(made_up(depth=2))
    accuracy, quotient, rank = depth_figure(members, styles(members), "title").axes[:3]
    assert accuracy.get_lines()[0].get_xdata() == pytest.approx([2, 4])
    assert accuracy.get_lines()[0].get_ydata() == pytest.approx([50, 60])
    assert quotient.get_lines()[0].get_ydata() == pytest.approx([math.exp(-5), math.exp(-4)])
    assert rank.get_lines()[0].get_ydata() == pytest.approx([2, 2])


# Runs on a small synthetic graph


@pytest.fixture(scope="module")
def runs(blocks: gslt.NodeDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of a search at depths 2 and 3, one of a training, and one that is not finished."""
    root = tmp_path_factory.mktemp("smooth")
    options = {"dataset": NAME}
    for depth in (2, 3):
        config = gslt.SearchConfig(**SMALL, num_layers=depth, freezing_ratio=0.4, runs=2)
        path = root / f"frozen{depth}"
        with gslt.RunFolder(path, config, options) as folder:
            watch = SearchProbe(blocks, 1, path / "probe.jsonl") if depth == 3 else None
            gslt.search(blocks, config, progress=False, folder=folder, probe=watch)
    training = gslt.TrainConfig(**SMALL, num_layers=3, mask_sparsity=0.5)
    path = root / "trained"
    with gslt.RunFolder(path, training, options) as folder:
        watch = SearchProbe(blocks, 2, path / "probe.jsonl")
        gslt.train(blocks, training, progress=False, folder=folder, probe=watch)
    with gslt.RunFolder(root / "begun", training, options):
        pass
    return root


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gslt.oversmoothing.write._figures", lambda found: iter(()))


def by_label(found: list[Measurement]) -> dict[tuple[str, int, int], Measurement]:
    return {(m.network.label, m.network.depth, m.network.seed): m for m in found}


def measured(*paths: Path, out: Path, data: Any, **options: Any) -> list[Measurement]:
    return smooth(paths, out, dataset=data, progress=False, **options)


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
    assert len(found) == 2 * 5
    kinds = ("layers-depth2", "layers-depth3", "search-depth3", "depth", "steps-depth2")
    pictures = {f"{name}.{end}" for name in (*kinds, "steps-depth3") for end in ("png", "svg")}
    assert {path.name for path in out.iterdir()} == FILES | pictures
    from matplotlib.image import imread

    for name in pictures:
        path = out / name
        if path.suffix == ".png":
            colours = imread(path)[..., :3].reshape(-1, 3)
            wanted = torch.tensor([0x00, 0x72, 0xB2]) / 255 if "steps" not in name else None
            assert colours.std() > 0.01
            if wanted is not None:
                near = abs(torch.from_numpy(colours) - wanted).amax(1) < 0.01
                assert int(near.sum()) > 50
        else:
            assert path.read_text().rstrip().endswith("</svg>")
    text = "\n".join(said)
    assert "begun is not finished and left out; gslt train --resume" in text
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


def test_a_profile_is_that_of_the_run(
    runs: Path, blocks: gslt.NodeDataset, tmp_path: Path, no_pictures: None
) -> None:
    found = by_label(measured(runs / "frozen3", runs / "trained", out=tmp_path, data=blocks))
    ticket = gslt.load_ticket(runs / "frozen3" / "ticket-seed1.safetensors")
    one = found["ticket, frozen source, F = 0.4", 3, 1]
    assert one.profile == profile(ticket.model(), blocks)
    assert one.test_accuracy == ticket.results["test"]
    summary = json.loads((runs / "trained" / "summary.json").read_text())
    weak = found["weak ticket, sparsity 0.5", 3, 0]
    assert weak.test_accuracy == summary["runs"][0]["test_accuracy"]
    # The ticket alone is the same network, which knows its data set by name only.
    path = runs / "frozen3" / "ticket-seed1.safetensors"
    (alone,) = measured(path, out=tmp_path, data=blocks)
    assert alone.profile == one.profile
    with pytest.raises(RunError, match=r"was found on 'blocks .synthetic.', no known name"):
        smooth([path], tmp_path, progress=False)


def test_untrained_is_epoch_0_of_the_search(
    runs: Path, blocks: gslt.NodeDataset, tmp_path: Path, no_pictures: None
) -> None:
    paths = (runs / "frozen3", runs / "trained")
    found = measured(*paths, out=tmp_path, data=blocks, untrained=True)
    compared = 0
    for path in paths:
        lines = (path / "probe.jsonl").read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        for row in (row for row in rows if row["step"] == "layer" and row["epoch"] == 0):
            (one,) = (
                each
                for each in found
                if each.network.untrained
                and each.network.seed == row["seed"]
                and Path(each.network.path).parent == path
            )
            for name in DEFAULT_MEASURES:
                assert one.profile[name][row["layer"] - 1] == pytest.approx(row[name], rel=1e-6)
                compared += 1
    assert compared == 3 * 3 * 7
    trained = [each for each in found if not each.network.untrained]
    assert {row["epoch"] for each in trained for row in each.search} == {0, 1, 2}
    last = {each.network.label: each.search[-1] for each in trained}
    assert all(row["layer"] == 3 and row["epoch"] == 2 for row in last.values())


def test_a_source_alone(blocks: gslt.NodeDataset, tmp_path: Path, no_pictures: None) -> None:
    config = SourceConfig(hidden_channels=6, architecture="gcn", freezing_ratio=0.4, seed=3)
    said: list[str] = []
    found = measured(
        out=tmp_path, data=blocks, source=config, depths=[2, 4], runs=2, say=said.append
    )
    places = [(each.network.depth, each.network.seed) for each in found]
    assert places == [(2, 3), (2, 4), (4, 3), (4, 4)]
    model = gslt.GNN(8, 3, dataclasses.replace(config, num_layers=4), get_backend("pyg"))
    gslt.freeze(model, dataclasses.replace(config, seed=4))
    assert found[3].profile == profile(model, blocks)
    assert "frozen source, F = 0.4, untrained" in said[0]
    assert "Laplacian of the propagation: GCN: augmented" in (tmp_path / "smooth.md").read_text()


def test_a_source_of_sparsity_0_is_where_training_begins(
    blocks: gslt.NodeDataset, tmp_path: Path, no_pictures: None
) -> None:
    config = SourceConfig(hidden_channels=6, num_layers=3, sparsity=0.0, weight_init="ku")
    (source,) = measured(out=tmp_path, data=blocks, source=config)
    training = gslt.TrainConfig(**SMALL, num_layers=3)
    path = tmp_path / "run"
    with gslt.RunFolder(path, training, {"dataset": NAME}) as folder:
        gslt.train(blocks, training, progress=False, folder=folder)
    _, start = measured(path, out=tmp_path, data=blocks, untrained=True)
    for name, values in source.profile.items():
        assert values == pytest.approx(start.profile[name], rel=1e-5)
    assert start.network.label == "weight training, untrained"


def test_untrained_begins_where_the_schedule_does(blocks: gslt.NodeDataset) -> None:
    config = gslt.SearchConfig(
        **SMALL, num_layers=3, sparsity=0.6, prune_ratio=0.2, sparsity_schedule="linear"
    )
    start = of_seed(Path("ticket"), config, 1, Place(name=NAME)).start(blocks)
    alike = dataclasses.replace(config, seed=1, sparsity=0.2, sparsity_schedule="constant")
    model = gslt.GNN(8, 3, config, get_backend("pyg"))
    gslt.freeze(model, alike)
    assert config.sparsity_at(0) == 0.2
    for weight, wanted in zip(start.layers, model.layers, strict=True):
        assert torch.equal(weight.nn.weight, wanted.nn.weight)


def test_only_some_measures(
    runs: Path, blocks: gslt.NodeDataset, tmp_path: Path, no_pictures: None
) -> None:
    chosen = ["effective_rank", "mad_gap"]
    (one, _) = measured(runs / "frozen3", out=tmp_path, data=blocks, measures=chosen)
    assert list(one.profile) == ["effective_rank", "mad_gap"]
    assert set(one.endpoints) == {"effective_rank", "effective_rank_slope"}
    assert one.log_quotients == []
    header = (tmp_path / "smooth.md").read_text().splitlines()[2]
    assert header == "| arm | layers | n | test accuracy (%) | effective rank |"
    with pytest.raises(ConfigError, match="measures must be one of dirichlet_energy"):
        measured(runs / "frozen3", out=tmp_path, data=blocks, measures=["energy"])
    with pytest.raises(ConfigError, match="name at least one of the measures dirichlet_energy"):
        measured(runs / "frozen3", out=tmp_path, data=blocks, measures=[])


def test_studies(
    blocks: gslt.NodeDataset, tmp_path: Path, no_pictures: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gslt.studies.execute.load_dataset", lambda *a, **k: blocks)
    dataset_of.cache_clear()
    study = Study(
        name="s",
        seeds=2,
        settings={**SMALL, "dataset": NAME, "smoothness": True, "num_layers": [2, 3]},
        arms={"frozen": {"freezing_ratio": [0.2, 0.4]}, "trained": {"method": "train"}},
    )
    folder = StudyFolder(tmp_path / "study")
    run_study(study, folder, Here(folder), progress=False)
    plain = Study(name="unmeasured", seeds=1, settings={**SMALL, "dataset": NAME}, arms={"d": {}})
    folder.add(plain)
    said: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr("gslt.oversmoothing.measuring.measure_model", None)
        found = smooth([folder.path], tmp_path / "o", progress=False, say=said.append)
    assert any("unmeasured: 1 of 1 runs are left out" in line for line in said)
    arms = list(dict.fromkeys(each.network.label for each in found))
    assert arms == ["frozen, freezing ratio 0.2", "frozen, freezing ratio 0.4", "trained"]
    assert len(found) == 12
    for each in found:
        record = each.network.record
        assert record is not None
        assert each.profile == record.profile
    # Steps are in no record; the layers are measured anew, with the same numbers.
    stepped = smooth([folder.path], tmp_path / "o", steps=True, progress=False)
    assert all(each.steps and each.environment is None for each in stepped)
    assert [each.profile for each in stepped] == [each.profile for each in found]
    # Where run folders are elsewhere, records do.
    (folder.path / "runs").rename(tmp_path / "elsewhere")
    recorded = smooth([folder.path], tmp_path / "o", progress=False)
    assert [each.profile for each in recorded] == [each.profile for each in found]
    lacking: list[str] = []
    options: dict[str, Any] = {"progress": False, "say": lacking.append}
    both = smooth([folder.path], tmp_path / "o", steps=True, measures=["mad", "mad_gap"], **options)
    assert [list(each.profile) for each in both] == [["mad"]] * 12
    assert "12 networks have a record but no run folder, and records have no mad_gap, steps" in (
        lacking
    )
    assert any(line.startswith("no picture of the steps: records hold none") for line in lacking)
    with pytest.raises(RunError, match="nothing to measure: a record has no mad_gap, and there is"):
        smooth([folder.path], tmp_path / "o", measures=["mad_gap"], **options)
    smooth([folder.path], tmp_path / "o", progress=False)
    values = json.loads((tmp_path / "o" / "smooth.json").read_text())
    assert values["networks"][0]["environment"]["versions"]["gslt"] == gslt.__version__
    with pytest.raises(RunError, match="nothing to measure"):
        measured(folder.path, out=tmp_path / "o", data=dataclasses.replace(blocks, name="other"))


# What is refused


def test_errors_say_what_to_do(
    runs: Path, blocks: gslt.NodeDataset, tmp_path: Path, no_pictures: None
) -> None:
    def attempt(path: Path, data: Any = blocks) -> None:
        measured(path, out=tmp_path / "out", data=data)

    with pytest.raises(RunError, match="is not there; give a ticket file, a run folder"):
        attempt(tmp_path / "none")
    with pytest.raises(RunError, match="a folder with neither a run nor a study"):
        attempt(tmp_path)
    with pytest.raises(RunError, match="nothing to measure"):
        attempt(runs / "begun")
    with pytest.raises(TicketError, match="damaged or no ticket"):
        attempt(runs / "trained" / "weights.safetensors")
    module = torch.nn.Sequential(torch.nn.Linear(8, 3))
    gslt.freeze(module, gslt.FreezeConfig())
    gslt.Ticket.of(module).save(tmp_path / "own.safetensors")
    with pytest.raises(TicketError, match="of a module of your own, which gslt cannot build"):
        attempt(tmp_path / "own.safetensors")
    wide = dataclasses.replace(blocks, name="wide", x=torch.cat([blocks.x, blocks.x], dim=1))
    fit = "nothing to measure: .* takes 8 features and gives 3 classes, but wide has 16"
    with pytest.raises(RunError, match=fit):
        attempt(runs / "frozen3", wide)
    with pytest.raises(RunError, match=r"nothing to measure: the weights of .* do not fit wide"):
        attempt(runs / "trained", wide)
    assert not (tmp_path / "out").exists()


def test_a_damaged_file_is_left_out(
    runs: Path, blocks: gslt.NodeDataset, tmp_path: Path, no_pictures: None
) -> None:
    shutil.copytree(runs / "frozen2", tmp_path / "run")
    with (tmp_path / "run" / "ticket-seed0.safetensors").open("r+b") as file:
        file.seek(300)
        file.write(b"damage")
    said: list[str] = []
    found = measured(tmp_path / "run", out=tmp_path / "out", data=blocks, say=said.append)
    assert [each.network.seed for each in found] == [1]
    assert "damaged" in said[0]
    assert said[0].endswith("it is left out")


def test_one_that_does_not_fit_loses_nothing_else(
    runs: Path,
    blocks: gslt.NodeDataset,
    tmp_path: Path,
    no_pictures: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wide = dataclasses.replace(blocks, name="wide", x=torch.cat([blocks.x, blocks.x], dim=1))
    config = gslt.TrainConfig(**SMALL, num_layers=3)
    with gslt.RunFolder(tmp_path / "wide", config, {"dataset": "wide"}) as folder:
        gslt.train(wide, config, progress=False, folder=folder)
    paths, said = [runs / "trained", tmp_path / "wide", runs / "frozen3"], []
    found = smooth(paths, tmp_path / "o", dataset=blocks, progress=False, say=said.append)
    assert [each.network.run for each in found] == [paths[0], paths[2], paths[2]]
    assert "do not fit blocks" in said[0]
    assert said[0].endswith("it is left out")

    def load(name: str, root: Any = None, *, split: int = 0) -> gslt.NodeDataset:
        if name == NAME:
            raise DataError("it is not on disk")
        return wide

    monkeypatch.setattr("gslt.studies.execute.load_dataset", load)
    dataset_of.cache_clear()
    said.clear()
    (one,) = smooth(paths, tmp_path / "o", progress=False, say=said.append)
    assert one.network.run == paths[1]
    assert said[0] == "it is not on disk; 3 networks are left out"
    with pytest.raises(RunError, match="there is nothing to measure: it is not on disk"):
        smooth(paths[:1], tmp_path / "o", progress=False)
    dataset_of.cache_clear()


# The command


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
    dataset_of.cache_clear()
    out = ["--out", str(tmp_path / "out")]
    assert main(["smooth", str(runs / "frozen2"), "--untrained", *out]) == 0
    shown = capsys.readouterr().out
    assert "ticket, frozen source, F = 0.4, untrained" in shown
    assert "no picture of the depth: there is one depth" in shown
    assert "no picture of the search: there is no probe.jsonl: gslt search --probe_every N" in shown
    assert "no picture of the steps: the steps were not measured: --steps does" in shown
    assert asked == [(NAME, None, 0)]
    source = ["--hidden_channels", "6", "--depths", "2", "3", "--measures", "mad"]
    assert main(["smooth", "--untrained", "--dataset", "cora", *source, *out]) == 0
    assert asked[-1] == ("cora", None, 0)
    lines = list(csv.DictReader((tmp_path / "out" / "smooth.csv").read_text().splitlines()))
    assert [line["num_layers"] for line in lines] == ["2"] * 2 + ["3"] * 3
    dataset_of.cache_clear()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "give a ticket file, a run folder or the folder of a study, or --untrained"),
        (["here", "--sparsity=0.5", "--depths", "2"], "leave out --sparsity, --depths"),
        (["--untrained", "--sparsity", "0.1", "--prune_ratio", "0.5"], "exceeds sparsity"),
        (["--untrained", "--measures", "energy"], "measures must be one of"),
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
