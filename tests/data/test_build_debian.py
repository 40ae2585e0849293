"""The builder of the embedded graph, on an index small enough to do by hand."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch

from gslt.data import load_dataset
from gslt.data.build_debian import (
    dependencies,
    description_words,
    labels,
    read_packages,
    split_by_class,
    word_vectors,
)
from gslt.data.debian import UNLABELLED, tfidf
from gslt.errors import DataError

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


def test_split_is_what_the_builder_makes() -> None:
    debian = load_dataset("debian")
    label = np.where(debian.y < 0, UNLABELLED, debian.y)
    split = torch.from_numpy(split_by_class(label))
    for part, mask in enumerate(debian.splits.values()):
        assert torch.equal(split == part, mask)


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


def test_word_vectors_are_right_singular_vectors() -> None:
    matrix = tfidf(np.array([2, 1, 1, 2, 3]), np.array([0, 1, 0, 2, 1, 3, 0, 2, 3]))
    vectors = word_vectors(matrix, width=2)
    dense = np.linalg.svd(matrix.toarray())[2][:2].T
    np.testing.assert_allclose(np.abs(vectors), np.abs(dense), atol=1e-10)
    assert (vectors[np.abs(vectors).argmax(axis=0), [0, 1]] > 0).all()
