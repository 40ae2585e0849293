"""Build the embedded graph from Debian's own package index.

On a Debian 12 machine: ``apt-cache dumpavail > packages.txt``, then
``python -m gslt.data.build_debian --packages packages.txt``.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import scipy.sparse.linalg

from gslt.data.debian import DEBIAN_FILE, UNLABELLED, Floats, Ints, tfidf
from gslt.errors import DataError
from gslt.files import write_npz
from gslt.random import Stream

MIN_CLASS_SIZE = 120
MIN_WORD_COUNT = 5
NUM_FEATURES = 128
TRAIN_AND_VAL = (0.54, 0.18)

_WORD = re.compile("[a-z]{2,}")

# Words that carry grammar, not subject.
_GRAMMAR = """
an the this that these those some any all both each every other another such same own no not
and or nor but if then than as because while so also too only very more most much many few less
of to in on at by for from with without within into onto upon over under above below between
among through during before after since until about against across along around behind beyond
toward towards via per off out up down
it its he she they them their we us our you your who whom whose which what when where why how
is are was were be been being am do does did has have had having can could may might must shall
should will would cannot
here there again once ever never
"""
_STOP_WORDS = frozenset(_GRAMMAR.split())

_RELATIONS = ("Depends", "Pre-Depends", "Recommends", "Suggests")
_NAME_END = re.compile(r"[\s(:\[]")

Package = dict[str, str]


def read_packages(lines: Iterable[str]) -> list[Package]:
    """The stanzas of a package index as dictionaries, in order of the package names.

    Raises:
        DataError: if a stanza has no package name or no section, or two have the same name.
    """
    packages = sorted(_stanzas(lines), key=lambda package: package.get("Package", ""))
    for number, package in enumerate(packages):
        for field in ("Package", "Section"):
            if field not in package:
                raise DataError(
                    f"stanza {number} of the package index has no field {field!r}; "
                    "hand over the whole output of `apt-cache dumpavail`"
                )
        if number and packages[number - 1]["Package"] == package["Package"]:
            raise DataError(
                f"package {package['Package']!r} stands twice in the index; "
                "build from a machine with one architecture and one release"
            )
    return packages


def _stanzas(lines: Iterable[str]) -> Iterator[Package]:
    package: Package = {}
    field = ""
    for line in lines:
        text = line.rstrip("\n")
        if not text:
            if package:
                yield package
            package = {}
        elif text[0] in " \t":
            package[field] += text
        else:
            field, _, value = text.partition(":")
            package[field] = value.strip()
    if package:
        yield package


def _names_in(field: str) -> Iterator[str]:
    """Package names of a relation field, of each group its first alternative."""
    for group in field.split(","):
        first = group.split("|")[0].strip()
        if first:
            yield _NAME_END.split(first, maxsplit=1)[0]


def dependencies(packages: list[Package]) -> list[list[int]]:
    """For each package the sorted numbers of the packages that it names, itself left out.

    A name that is no package is virtual, and resolves when one Provides entry of the whole index
    declares it (so not when one package provides several versions of it).

    >>> dependencies([{"Package": "a", "Depends": "b (>= 1) | c"}, {"Package": "b"}])
    [[1], []]
    """
    number = {package["Package"]: i for i, package in enumerate(packages)}
    providers: dict[str, list[int]] = {}
    for i, package in enumerate(packages):
        for name in _names_in(package.get("Provides", "")):
            providers.setdefault(name, []).append(i)
    for name, found in providers.items():
        if len(found) == 1:
            number.setdefault(name, found[0])
    return [
        sorted(
            {
                number[name]
                for relation in _RELATIONS
                for name in _names_in(package.get(relation, ""))
                if name in number
            }
            - {i}
        )
        for i, package in enumerate(packages)
    ]


def description_words(packages: list[Package]) -> tuple[list[list[int]], list[str]]:
    """For each package the sorted numbers of its description's words, and the words.

    Words are runs of at least two letters, lower case, in at least ``MIN_WORD_COUNT`` packages and
    no stop words; the most frequent comes first.

    Args:
        packages: of the index, see :func:`read_packages`.
    """
    found = [
        set(_WORD.findall(package.get("Description", "").lower())) - _STOP_WORDS
        for package in packages
    ]
    counts = Counter(word for words in found for word in words)
    vocabulary = sorted(
        (word for word, count in counts.items() if count >= MIN_WORD_COUNT),
        key=lambda word: (-counts[word], word),
    )
    number = {word: i for i, word in enumerate(vocabulary)}
    return [sorted(number[word] for word in words if word in number) for words in found], vocabulary


def labels(packages: list[Package]) -> tuple[Ints, list[str]]:
    """The class of each package (``UNLABELLED`` in small sections) and the names of the classes."""
    sections = [package["Section"].rpartition("/")[2] for package in packages]
    sizes = Counter(sections)
    kept = sorted(name for name, size in sizes.items() if size >= MIN_CLASS_SIZE)
    number = {name: i for i, name in enumerate(kept)}
    return np.array([number.get(section, UNLABELLED) for section in sections]), kept


def split_by_class(label: Ints) -> Ints:
    """0, 1, 2 for training, validation, test, random by class; ``UNLABELLED`` stays.

    >>> np.bincount(split_by_class(np.zeros(100, dtype=np.int64))).tolist()
    [54, 18, 28]
    """
    split = np.full(len(label), UNLABELLED)
    order = Stream(0, "debian", "split").permutation(len(label))
    for number in np.unique(label[label != UNLABELLED]):
        members = order[label[order] == number]
        train, val = (round(fraction * len(members)) for fraction in TRAIN_AND_VAL)
        split[members] = 2
        split[members[: train + val]] = 1
        split[members[:train]] = 0
    return split


def word_vectors(matrix: scipy.sparse.csr_matrix, width: int = NUM_FEATURES) -> Floats:
    """The first right singular vectors ``(words, width)``, largest first, signs fixed.

    Args:
        matrix: TF-IDF ``(N, words)``, see :func:`gslt.data.debian.tfidf`.
        width: number of vectors.
    """
    start = Stream(0, "debian", "svd").normal(min(matrix.shape))
    _, values, rows = scipy.sparse.linalg.svds(matrix, k=width, v0=start, solver="arpack")
    vectors: Floats = rows[np.argsort(-values)].T
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(width)]
    signed: Floats = vectors * np.sign(largest)
    return signed


def build(lines: Iterable[str], path: Path) -> None:
    """Write the graph of a package index, and say what it holds.

    Args:
        lines: of the index, as ``apt-cache dumpavail`` prints it.
        path: file to write.

    Raises:
        DataError: if the index is broken, see :func:`read_packages`.
    """
    packages = read_packages(lines)
    targets = dependencies(packages)
    words, vocabulary = description_words(packages)
    label, sections = labels(packages)
    num_words = np.array([len(row) for row in words], dtype=np.uint8)
    word = np.array([number for row in words for number in row], dtype=np.uint16)
    target = np.array([number for row in targets for number in row], dtype=np.uint16)
    write_npz(
        path,
        degree=np.array([len(row) for row in targets], dtype=np.uint16),
        target=target,
        num_words=num_words,
        word=word,
        word_vector=word_vectors(tfidf(num_words, word)).astype(np.float16),
        label=label.astype(np.uint8),
        split=split_by_class(label).astype(np.uint8),
        section=np.array(sections),
    )
    print(
        f"{len(packages)} packages, {len(target)} dependencies, {len(sections)} classes with "
        f"{(label != UNLABELLED).sum()} packages, {len(vocabulary)} words in {len(word)} entries"
    )


def main() -> None:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=Path, required=True, help="apt-cache dumpavail's output")
    parser.add_argument("--output", type=Path, default=DEBIAN_FILE, help="file to write")
    arguments = parser.parse_args()
    with arguments.packages.open(encoding="utf-8") as lines:
        build(lines, arguments.output)


if __name__ == "__main__":
    main()
