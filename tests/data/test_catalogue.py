"""Names, places and facts; of real data where GSLT_DATA names the folder that holds it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from gslt.data import download_dataset, list_datasets, load_dataset
from gslt.data.catalogue import get_name, known_name
from gslt.errors import ConfigError, DataError

ROOT = os.environ.get("GSLT_DATA")


PRESENT = {facts.name for facts in list_datasets(ROOT) if facts.present} if ROOT else set()


# Nodes, directed edges, features, classes, training, validation and test nodes.
FACTS = {
    "cora": (2_708, 10_556, 1_433, 7, 140, 500, 1_000),
    "citeseer": (3_327, 9_104, 3_703, 6, 120, 500, 1_000),
    "pubmed": (19_717, 88_648, 500, 3, 60, 500, 1_000),
    "actor": (7_600, 53_318, 932, 5, 3_648, 2_432, 1_520),
    "chameleon": (890, 17_708, 2_325, 5, 409, 287, 194),
    "minesweeper": (10_000, 78_804, 7, 2, 5_000, 2_500, 2_500),
    "ogbn-arxiv": (169_343, 2_315_598, 128, 40, 90_941, 29_799, 48_603),
}


def test_names_in_any_case() -> None:
    assert known_name(" Ogbn_ArXiv ") == get_name("ogbn-arxiv") == "ogbn-arxiv"
    assert known_name("zz") is None


@pytest.mark.parametrize(
    ("name", "meant"),
    [("debain", "debian"), ("CORRA", "cora"), ("ogbnarxiv", "ogbn-arxiv")],
)
def test_unknown_name_is_refused_with_the_closest(name: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=f"no data set '{name}'.*did you mean {meant}"):
        load_dataset(name)
    with pytest.raises(ConfigError, match=f"did you mean {meant}"):
        download_dataset(name)


def test_a_name_like_no_other_is_refused_without_a_guess() -> None:
    with pytest.raises(ConfigError, match=r"by path\. Known are debian") as refusal:
        load_dataset("zz")
    assert "did you mean" not in str(refusal.value)
    with pytest.raises(ConfigError, match="may not be empty"):
        load_dataset(" ")


@pytest.mark.parametrize(
    "name",
    [
        "~nobody-of-this-name",
        "a" * 300 + ".npz",
        "a" * 10**6,
        "a\0b",
        "\ud800",
        "\x1b[31mred",
        "/dev/null",
    ],
    ids=lambda name: ascii(name[:10]),
)
def test_names_that_can_be_no_path(name: str) -> None:
    """A name may come from a ticket."""
    with pytest.raises(ConfigError) as refusal:
        load_dataset(name)
    assert len(str(refusal.value)) < 1000
    assert str(refusal.value).isprintable()
    with pytest.raises(ConfigError):
        download_dataset(name)


def test_root_that_can_be_no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    for root in ("~nobody-of-this-name", "a\0b", "a" * 300):
        with pytest.raises(ConfigError, match="can be no path"):
            load_dataset("cora", root)
    monkeypatch.setenv("GSLT_DATA", "~nobody-of-this-name")
    with pytest.raises(ConfigError, match="can be no path"):
        list_datasets()


@pytest.mark.parametrize("name", [facts.name for facts in list_datasets() if facts.needs_download])
def test_absent_data_is_refused_with_the_command(name: str, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=f"is not on disk .*`gslt data download {name} --dataset_dir "
    ):
        load_dataset(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_absent_standin_is_refused_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match="synthetic graph with `gslt data synthesize --dataset_dir "
    ):
        load_dataset("ogbn-arxiv-synthetic", tmp_path)
    with pytest.raises(ConfigError, match="is synthetic, so it is not downloaded"):
        download_dataset("ogbn-arxiv-synthetic", tmp_path)


def test_list_of_an_empty_root(tmp_path: Path) -> None:
    facts = {entry.name: entry for entry in list_datasets(tmp_path)}
    assert [name for name, entry in facts.items() if entry.present] == ["debian"]
    assert [name for name, entry in facts.items() if not entry.needs_download] == [
        "debian",
        "ogbn-arxiv-synthetic",
        *(f"twitch-{country}" for country in ("de", "en", "es", "fr", "pt", "ru")),
    ]
    assert [name for name, entry in facts.items() if entry.synthetic] == [
        "ogbn-arxiv-synthetic",
        "minesweeper",
    ]
    assert all("synthetic" in e.description for e in facts.values() if e.synthetic)
    assert all(entry.description and entry.source for entry in facts.values())


def test_root_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GSLT_DATA", str(tmp_path / "there"))
    with pytest.raises(DataError, match="there"):
        load_dataset("cora")
    monkeypatch.delenv("GSLT_DATA")
    with pytest.raises(DataError, match="below dataset"):
        load_dataset("cora")


@pytest.mark.parametrize("name", FACTS)
def test_facts(name: str) -> None:
    if name not in PRESENT:
        pytest.skip(f"{name} is not there; set GSLT_DATA to the folder that holds it")
    data = load_dataset(name, ROOT)
    facts = data.info()
    keys = ("nodes", "edges", "features", "classes", "train", "val", "test")
    assert tuple(facts[key] for key in keys) == FACTS[name]
    assert facts["undirected"]


@pytest.mark.parametrize("name", ["cora", "citeseer"])
def test_bags_of_words_sum_to_one(name: str) -> None:
    if name not in PRESENT:
        pytest.skip(f"{name} is not there; set GSLT_DATA to the folder that holds it")
    sums = load_dataset(name, ROOT).x.sum(dim=1)
    empty = sums == 0
    assert empty.sum() == {"cora": 0, "citeseer": 15}[name]
    torch.testing.assert_close(sums[~empty], torch.ones(int((~empty).sum())))


@pytest.mark.parametrize("name", ["actor", "chameleon", "minesweeper"])
def test_ten_splits_that_differ(name: str) -> None:
    if name not in PRESENT:
        pytest.skip(f"{name} is not there; set GSLT_DATA to the folder that holds it")
    first, last = (load_dataset(name, ROOT, split=split) for split in (0, 9))
    assert not torch.equal(first.train_mask, last.train_mask)


def test_labels_and_split_alone_are_no_data_set() -> None:
    folder = Path(ROOT or "") / "ogbn_arxiv_labels_and_split"
    if ROOT is None or not folder.is_dir():
        pytest.skip("OGBN-Arxiv's labels and split are not there; set GSLT_DATA")
    with pytest.raises(DataError, match=r"lacks raw/edge\.csv\.gz, raw/node-feat\.csv\.gz; add"):
        load_dataset(str(folder))
