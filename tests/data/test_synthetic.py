"""The synthetic stand-in: counts, files, the same bytes from the same seed."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from gslt.data import write_standin
from gslt.data.synthetic import Counts, feature_blocks, node_classes, random_edges
from gslt.errors import ConfigError

SCALE = 0.005


def rows(path: Path) -> list[str]:
    with gzip.open(path, "rt") as file:
        return file.read().splitlines()


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_real_counts_at_scale_one() -> None:
    assert Counts.at(1) == Counts(169_343, 1_166_243, 90_941, 29_799)


def test_files_and_counts(tmp_path: Path) -> None:
    folder = write_standin(tmp_path, SCALE)
    assert folder == tmp_path / "ogbn_arxiv_synthetic"
    assert sorted(contents(folder)) == [
        "RELEASE_v1.txt",
        "SYNTHETIC.json",
        "raw/edge.csv.gz",
        "raw/node-feat.csv.gz",
        "raw/node-label.csv.gz",
        "raw/node_year.csv.gz",
        "raw/num-edge-list.csv.gz",
        "raw/num-node-list.csv.gz",
        "split/time/test.csv.gz",
        "split/time/train.csv.gz",
        "split/time/valid.csv.gz",
    ]
    assert rows(folder / "raw" / "num-node-list.csv.gz") == ["847"]
    assert rows(folder / "raw" / "num-edge-list.csv.gz") == ["5831"]
    assert len(rows(folder / "raw" / "edge.csv.gz")) == 5831
    features = rows(folder / "raw" / "node-feat.csv.gz")
    assert len(features) == 847
    assert {line.count(",") for line in features} == {127}
    sizes = [len(rows(folder / "split" / "time" / f"{part}.csv.gz")) for part in PARTS]
    assert sizes == [455, 149, 243]
    assert [path.name for path in tmp_path.iterdir()] == ["ogbn_arxiv_synthetic"]


PARTS = ("train", "valid", "test")


def test_years_fit_the_split(tmp_path: Path) -> None:
    folder = write_standin(tmp_path, SCALE)
    year = np.array([int(line) for line in rows(folder / "raw" / "node_year.csv.gz")])
    train, valid, test = (
        year[[int(line) for line in rows(folder / "split" / "time" / f"{part}.csv.gz")]]
        for part in PARTS
    )
    assert train.max() <= 2017
    assert set(valid) == {2018}
    assert set(test) == {2019, 2020}


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    one = contents(write_standin(tmp_path / "one", SCALE, seed=3))
    two = contents(write_standin(tmp_path / "two", SCALE, seed=3))
    other = contents(write_standin(tmp_path / "other", SCALE, seed=4))
    assert one == two
    assert one["raw/edge.csv.gz"] != other["raw/edge.csv.gz"]


def test_finished_standin_is_kept_and_another_refused(tmp_path: Path) -> None:
    folder = write_standin(tmp_path, SCALE)
    (folder / "added").touch()
    assert write_standin(tmp_path, SCALE) == folder
    assert (folder / "added").exists()
    with pytest.raises(ConfigError, match=r"is not the synthetic stand-in of scale 0\.006"):
        write_standin(tmp_path, 0.006)


@pytest.mark.parametrize("scale", [0, -1, 0.001, 101, float("nan")])
def test_scale_out_of_range(tmp_path: Path, scale: float) -> None:
    with pytest.raises(ConfigError, match=r"scale must lie between 0\.0024 .* got"):
        write_standin(tmp_path, scale)


def test_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("gslt.data.synthetic._write_split", fail)
    with pytest.raises(OSError, match="disk full"):
        write_standin(tmp_path, SCALE)
    assert list(tmp_path.iterdir()) == []


def test_edges_are_distinct_clustered_and_heavy_tailed() -> None:
    label = node_classes(5_000, seed=0)
    assert np.bincount(label).min() >= 10
    edges = random_edges(label, 34_000, seed=0)
    assert edges.shape == (34_000, 2)
    assert len(np.unique(edges, axis=0)) == 34_000
    assert (edges[:, 0] != edges[:, 1]).all()
    distinct_pairs = len(np.unique(np.sort(edges, axis=1), axis=0))
    assert distinct_pairs == round(34_000 * 1_157_799 / 1_166_243)
    assert 0.55 < (label[edges[:, 0]] == label[edges[:, 1]]).mean() < 0.75
    degree = np.bincount(edges[:, 1], minlength=5_000)
    assert degree.max() > 20 * degree.mean()


def test_features_depend_on_the_class_and_not_on_scale() -> None:
    label = np.repeat([0, 1], 4096)
    zero, one = feature_blocks(label, seed=0, rows=4096)
    assert 0.1 < np.abs(zero.mean(axis=0) - one.mean(axis=0)).mean() < 0.3
    assert zero.std() == pytest.approx(1, abs=0.05)
