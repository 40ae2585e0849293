"""Real data, where the environment variable GSLT_DATA names the folder that holds it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from gslt.data import list_datasets, load_dataset
from gslt.errors import DataError

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
