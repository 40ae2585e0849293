"""The embedded graph: exact facts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gslt.data import NodeDataset, load_dataset
from gslt.data.debian import DEBIAN_FILE, features, load_debian, tfidf
from gslt.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def debian() -> NodeDataset:
    return load_dataset("Debian")


def test_facts(debian: NodeDataset) -> None:
    facts = debian.info()
    assert facts["edge_homophily"] == pytest.approx(0.4977, abs=1e-4)
    wanted = {
        "synthetic": False,
        "nodes": 63_666,
        "edges": 620_682,
        "undirected": True,
        "self_loops": 0,
        "isolated_nodes": 1_927,
        "features": 128,
        "classes": 51,
        "labelled": 63_405,
        "train": 34_240,
        "val": 11_414,
        "test": 17_751,
    }
    assert {key: facts[key] for key in wanted} == wanted


def test_dependencies_before_they_are_merged() -> None:
    with np.load(DEBIAN_FILE, allow_pickle=False) as file:
        assert file["degree"].sum() == len(file["target"]) == 314_622
        # The hub is libc6.
        assert np.bincount(file["target"]).max() == 21_840
        assert file["word_vector"].shape == (5_979, 128)


def test_file_is_small() -> None:
    assert DEBIAN_FILE.stat().st_size < 2_400_000


def test_features_are_standardised(debian: NodeDataset) -> None:
    assert debian.x.dtype == torch.float32
    torch.testing.assert_close(debian.x.mean(dim=0), torch.zeros(128), atol=1e-4, rtol=0)
    torch.testing.assert_close(debian.x.std(dim=0), torch.ones(128), atol=1e-4, rtol=0)


def test_split_is_by_class(debian: NodeDataset) -> None:
    sizes = torch.bincount(debian.y[debian.y >= 0])
    assert sizes.min() >= 120
    assert debian.class_names[int(sizes.argmax())] == "libs"
    for mask, share in ((debian.train_mask, 0.54), (debian.val_mask, 0.18)):
        part = torch.bincount(debian.y[mask])
        assert ((part - share * sizes).abs() <= 0.5 + 1e-3).all()


def test_it_has_one_split() -> None:
    with pytest.raises(ConfigError, match="debian has one split, so split must be 0, got 1"):
        load_dataset("debian", split=1)


def test_damaged_file_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "debian.npz"
    broken.write_bytes(DEBIAN_FILE.read_bytes()[:100_000])
    with pytest.raises(DataError, match=r"debian\.npz' is damaged .* reinstall gslt"):
        load_debian(broken)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("degree", lambda a: a.astype(np.uint64) << 40),
        ("degree", lambda a: a[:-1]),
        ("num_words", lambda a: a + np.uint8(1)),
        ("word", lambda a: a.astype(np.uint64) * 10**9),
        ("word", lambda a: a.astype(float)),
        ("word_vector", lambda a: a[:-1]),
        ("word_vector", lambda a: a[0]),
        ("label", lambda a: a.astype("U3")),
        ("split", lambda a: a[:-1]),
        ("section", lambda a: a[:2]),
        ("section", lambda a: np.arange(51)),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, name: str, change: Any) -> None:
    with np.load(DEBIAN_FILE) as file:
        parts = {key: file[key] for key in file.files}
    np.savez(tmp_path / "debian.npz", **{**parts, name: change(parts[name])})
    with pytest.raises(DataError, match="debian"):
        load_debian(tmp_path / "debian.npz")


def test_tfidf_by_hand() -> None:
    # Three descriptions: words {0, 1}, none, {0}.
    rare, common = 1 + np.log(4 / 2), 1 + np.log(4 / 3)
    length = np.hypot(rare, common)
    expected = [[common / length, rare / length], [0, 0], [1, 0]]
    matrix = tfidf(np.array([2, 0, 1]), np.array([0, 1, 0]))
    np.testing.assert_allclose(matrix.toarray(), expected)
    x = features(np.array([2, 0, 1]), np.array([0, 1, 0]), np.eye(2))
    np.testing.assert_allclose(x.std(axis=0), 1, rtol=1e-6)
