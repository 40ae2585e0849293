"""What docs/developing.md says of adding things, tried as it is written there."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import get_args

import pytest

import gslt
from gslt.config import (
    MEASURE_NAMES,
    SAMPLING_MEASURES,
    VISION,
    Allocation,
    Architecture,
    BackendName,
    Preset,
)
from gslt.data.catalogue import DATASETS, LAYOUTS, Entry, Layout
from gslt.diagnostics import MEASURES, Measure
from gslt.freezing import ALLOCATIONS
from gslt.oversmoothing import smooth
from gslt.report import write_report
from gslt.studies import Study, StudyFolder, frame, run_study
from gslt.studies.presets import PRESETS

TEXT = (Path(__file__).parents[1] / "docs" / "developing.md").read_text("utf-8")


@pytest.fixture
def folder(
    blocks: gslt.NodeDataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> StudyFolder:
    """A study with a measure and a data set that are one entry each."""
    spread = Measure(
        function=lambda representation: float(representation.x.std()),
        label="spread of entries",
        unit="of one layer",
        smoother="lower",
        source="this test",
    )
    monkeypatch.setitem(MEASURES, "spread", spread)
    place = tmp_path / "data" / "blocks.txt"
    place.parent.mkdir()
    place.write_text("where the files of the data set would be")
    monkeypatch.setenv("GSLT_DATA", str(place.parent))
    layout = Layout(lambda path, name, split: blocks, source="made for this test")
    monkeypatch.setitem(LAYOUTS, "text", layout)
    monkeypatch.setitem(DATASETS, "my-blocks", Entry("blocks", "text", ("blocks.txt",)))
    small = {"dataset": "my-blocks", "num_layers": 3, "hidden_channels": 6, "epochs": 2}
    arms = {"weight training": {"method": "train"}, "ticket": {"sparsity": [0.3, 0.6]}}
    study = Study(name="mine", settings={**small, "smoothness": True}, arms=arms, seeds=2)
    folder = StudyFolder(tmp_path / "runs")
    assert run_study(study, folder, progress=False).failures == {}
    return folder


def test_a_measure_and_a_data_set_arrive_in_a_report(folder: StudyFolder) -> None:
    assert "my-blocks" in {facts.name for facts in gslt.list_datasets()}
    runs = frame(folder.path)
    assert set(runs["dataset"]) == {"my-blocks"}
    assert (runs["spread"] > 0).all()
    page, *files = write_report(folder)
    text = page.read_text("utf-8")
    assert "spread of entries (of one layer), last hidden layer" in text
    assert "blocks (synthetic)" in text
    (table,) = (path for path in files if path.name == "runs.csv")
    with table.open(encoding="utf-8") as lines:
        assert all(float(row["spread"]) > 0 for row in csv.DictReader(lines))


def test_a_measure_arrives_in_smooth(folder: StudyFolder, tmp_path: Path) -> None:
    out = tmp_path / "smooth"
    smooth([folder.path], out, progress=False)
    assert "spread of entries" in (out / "smooth.md").read_text("utf-8")
    with (out / "smooth.csv").open(encoding="utf-8") as lines:
        assert all(float(row["spread"]) > 0 for row in csv.DictReader(lines))


def test_names_of_the_settings_are_those_of_the_registries() -> None:
    assert set(get_args(Allocation)) == set(ALLOCATIONS)
    assert set(get_args(Preset)) == {*PRESETS, "construction"}
    assert set(MEASURE_NAMES) == set(MEASURES) - {"spread"}
    assert {n for n in MEASURE_NAMES if MEASURES[n].sampled} == set(SAMPLING_MEASURES)
    from gslt.backends import BACKENDS
    from gslt.nn.gnn import GAINS, LAYERS
    from gslt.nn.vision import NETWORKS

    assert set(LAYERS) == set(GAINS)
    assert set(NETWORKS) == set(VISION)
    assert set(get_args(Architecture)) == {*LAYERS, *NETWORKS}
    assert set(get_args(BackendName)) == set(BACKENDS)


def test_every_place_that_is_named_is_there() -> None:
    root = Path(gslt.__file__).parents[1]
    paths = set(re.findall(r"`(gslt/[\w/.]+|tests/[\w/.]+|docs/[\w/.]+)`", TEXT))
    assert len(paths) > 20
    assert not [path for path in paths if not (root / path).exists()]
    for path, name in re.findall(r"`([A-Z][A-Z_]+)`[^`]*?\(`(gslt/[\w/.]+)`\)", TEXT):
        assert re.search(rf"^{path}\b", (root / name).read_text("utf-8"), re.MULTILINE), path


def test_each_addition_takes_three_places_at_most() -> None:
    parts = re.split(r"^\*\*An? ", TEXT.split("## Adding")[1].split("## Habits")[0], flags=re.M)[1:]
    assert len(parts) >= 10
    assert all(len(re.findall(r"^\d\. ", part, re.MULTILINE)) <= 3 for part in parts)
