"""The embedded graph: the package network of Debian 12, ready without any download."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gslt.data.dataset import NodeDataset
from gslt.data.parts import Parts, assemble, reading_parts
from gslt.files import read_npz

#: The file that the package carries; ``python -m gslt.data.build_debian`` makes it.
DEBIAN_FILE = Path(__file__).with_name("debian.npz")

#: Label of a package whose section is too small to be a class, as stored in a byte.
UNLABELLED = 255

SOURCE = (
    "Debian 12 'bookworm' package index (component main, amd64) of the Debian project: "
    "dependencies, sections and words of the one-line descriptions of free software"
)

_ARRAYS = ("degree", "target", "num_words", "word", "word_vector", "label", "split", "section")

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def load_debian(path: Path = DEBIAN_FILE) -> NodeDataset:
    """The Debian 12 package network.

    Nodes are the packages of ``main``, in order of their names (not stored). An edge joins a
    package and one that it names in Depends, Pre-Depends, Recommends or Suggests; it stands in
    both directions. The class is the section. Features, float32 ``(N, 128)``: TF-IDF of the
    one-line description, projected on its first 128 right singular vectors, each column
    standardised. The split is fixed, random by class, 54 / 18 / 28 %; packages of small sections
    carry −1.

    Args:
        path: file of the graph; default: the one that the package carries.

    Raises:
        DataError: if the file is missing or damaged.
    """
    parts = read_npz(path, _ARRAYS, "reinstall gslt")
    with reading_parts(path, "the package network of Debian", "reinstall gslt"):
        _check(parts)
        label = parts["label"].astype(np.int64)
        return assemble(
            Parts(
                x=features(parts["num_words"], parts["word"], parts["word_vector"]),
                y=np.where(label == UNLABELLED, -1, label),
                edge_index=np.stack([rows_of(parts["degree"]), parts["target"].astype(np.int64)]),
                undirected=True,
                train_mask=parts["split"] == 0,
                val_mask=parts["split"] == 1,
                test_mask=parts["split"] == 2,
                class_names=parts["section"].tolist(),
            ),
            name="debian",
            source=SOURCE,
        )


def _check(parts: dict[str, npt.NDArray[Any]]) -> None:
    """Refuse arrays that do not fit one another."""
    dimensions = {name: 2 if name == "word_vector" else 1 for name in _ARRAYS}
    for name, array in parts.items():
        kinds = {"section": "U", "word_vector": "f"}.get(name, "u")
        if array.dtype.kind not in kinds or array.ndim != dimensions[name]:
            raise ValueError(f"{name} is of type {array.dtype} and shape {array.shape}")
    for counts, counted in (("degree", "target"), ("num_words", "word")):
        if parts[counts].sum(dtype=np.float64) != len(parts[counted]):
            raise ValueError(f"{counts} does not count the entries of {counted}")
    if parts["word"].max(initial=0) != len(parts["word_vector"]) - 1:
        raise ValueError("word does not number the rows of word_vector")


def rows_of(counts: npt.NDArray[np.integer]) -> Ints:
    """Row number of every entry, int64 ``(sum of counts,)``, for rows of the lengths ``(N,)``.

    >>> rows_of(np.array([2, 0, 1])).tolist()
    [0, 0, 2]
    """
    return np.repeat(np.arange(len(counts), dtype=np.int64), counts.astype(np.int64))


def tfidf(num_words: npt.NDArray[np.integer], word: npt.NDArray[np.integer]) -> sp.csr_matrix:
    """TF-IDF with rows of length 1, ``(N, words)``, of the distinct words of every description.

    Row i holds ``num_words[i]`` of the concatenated word numbers. A word weighs
    ``1 + ln((1 + N) / (1 + number of descriptions with it))``; an empty description is a zero row.

    Args:
        num_words: number of words of each description, ``(N,)``.
        word: numbers of the words of all descriptions, one after another, ``(sum of num_words,)``.

    >>> tfidf(np.array([1, 2]), np.array([0, 0, 1])).toarray().round(4).tolist()
    [[1.0, 0.0], [0.5797, 0.8148]]
    """
    n = len(num_words)
    column = word.astype(np.int64)
    frequency = np.bincount(column)
    weight = (1.0 + np.log((1.0 + n) / (1.0 + frequency)))[column]
    norm = np.sqrt(np.bincount(rows_of(num_words), weights=weight**2, minlength=n))
    indptr = np.concatenate([[0], np.cumsum(num_words, dtype=np.int64)])
    data = weight / norm[rows_of(num_words)]
    return sp.csr_matrix((data, column, indptr), shape=(n, len(frequency)))


def features(
    num_words: npt.NDArray[np.integer],
    word: npt.NDArray[np.integer],
    word_vector: npt.NDArray[np.floating],
) -> npt.NDArray[np.float32]:
    """The weighted average of the word vectors of each description, columns standardised.

    Args:
        num_words: number of words of each description, ``(N,)``.
        word: numbers of the words of all descriptions, one after another, ``(sum of num_words,)``.
        word_vector: a vector for each word, ``(words, d)``.

    Returns:
        Features, float32 ``(N, d)``.
    """
    average: Floats = tfidf(num_words, word) @ word_vector.astype(np.float64)
    spread = average.std(axis=0)
    # In place: every copy of N × d float64 takes as long as the product.
    average -= average.mean(axis=0)
    average /= spread
    return average.astype(np.float32)
