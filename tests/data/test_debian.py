"""The embedded graph: exact facts, and its builder on an index small enough to do by hand."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch

from gslt.data import NodeDataset, load_dataset
from gslt.data.build_debian import (
    description_words,
    labels,
    split_by_class,
    word_vectors,
)
from gslt.data.debian import DEBIAN_FILE, UNLABELLED, features, load_debian, tfidf
from gslt.data.debian_index import dependencies, read_packages
from gslt.errors import ConfigError, DataError

INDEX = """\
Package: zoo
Section: contrib/games
Depends: lib:any (>= 1) | other, editor [amd64], zoo, absent
Pre-Depends: lib
Suggests: two-providers, versions
Description: a Zoo, with  zoo2 animals

Package: lib
Section: libs
Provides: two-providers, versions (= 1),
 versions (= 2)
Recommends: zoo

Package: vi
Section: games
Provides: editor, two-providers
"""


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


def test_split_is_what_the_builder_makes(debian: NodeDataset) -> None:
    label = np.where(debian.y < 0, UNLABELLED, debian.y)
    split = torch.from_numpy(split_by_class(label))
    for part, mask in enumerate(debian.splits.values()):
        assert torch.equal(split == part, mask)


def test_it_has_one_split() -> None:
    with pytest.raises(ConfigError, match="debian has one split, so split must be 0, got 1"):
        load_dataset("debian", split=1)


def test_damaged_file_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "debian.npz"
    broken.write_bytes(DEBIAN_FILE.read_bytes()[:100_000])
    with pytest.raises(DataError, match=r"debian\.npz cannot be read .* reinstall gslt"):
        load_debian(broken)


def test_dependencies_by_hand() -> None:
    packages = read_packages(io.StringIO(INDEX))
    assert [package["Package"] for package in packages] == ["lib", "vi", "zoo"]
    # zoo → lib (named twice) and vi (the one provider of `editor`); not itself, not `absent`, not
    # what two packages provide, not what one package provides twice.
    assert dependencies(packages) == [[2], [], [0, 1]]


def test_words_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gslt.data.build_debian.MIN_WORD_COUNT", 1)
    words, vocabulary = description_words(read_packages(io.StringIO(INDEX)))
    assert vocabulary == ["animals", "zoo"]
    assert words == [[], [], [0, 1]]


def test_labels_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gslt.data.build_debian.MIN_CLASS_SIZE", 2)
    label, names = labels(read_packages(io.StringIO(INDEX)))
    assert names == ["games"]
    assert label.tolist() == [UNLABELLED, 0, 0]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Package: a\n", "stanza 0 of the package index has no field 'Section'"),
        ("Package: a\nSection: x\n\nPackage: a\nSection: x\n", "'a' stands twice"),
    ],
)
def test_broken_index_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        read_packages(io.StringIO(text))


def test_tfidf_by_hand() -> None:
    # Three descriptions: words {0, 1}, none, {0}.
    rare, common = 1 + np.log(4 / 2), 1 + np.log(4 / 3)
    length = np.hypot(rare, common)
    expected = [[common / length, rare / length], [0, 0], [1, 0]]
    matrix = tfidf(np.array([2, 0, 1]), np.array([0, 1, 0]))
    np.testing.assert_allclose(matrix.toarray(), expected)
    x = features(np.array([2, 0, 1]), np.array([0, 1, 0]), np.eye(2))
    np.testing.assert_allclose(x.std(axis=0), 1, rtol=1e-6)


def test_word_vectors_are_right_singular_vectors() -> None:
    matrix = tfidf(np.array([2, 1, 1, 2, 3]), np.array([0, 1, 0, 2, 1, 3, 0, 2, 3]))
    vectors = word_vectors(matrix, width=2)
    dense = np.linalg.svd(matrix.toarray())[2][:2].T
    np.testing.assert_allclose(np.abs(vectors), np.abs(dense), atol=1e-10)
    assert (vectors[np.abs(vectors).argmax(axis=0), [0, 1]] > 0).all()
