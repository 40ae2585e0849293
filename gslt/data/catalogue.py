"""The data sets that gslt knows by name, and where on disk they may lie."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

from gslt.data.debian import DEBIAN_FILE
from gslt.data.debian import SOURCE as DEBIAN_SOURCE
from gslt.data.heterophilous import SOURCE as HETEROPHILOUS_SOURCE
from gslt.data.ogb import ARXIV, STANDIN_SOURCE, missing_files
from gslt.data.ogb import SOURCE as ARXIV_SOURCE
from gslt.data.planetoid import SOURCE as PLANETOID_SOURCE
from gslt.data.planetoid import raw_files
from gslt.data.synthetic import STANDIN_FOLDER
from gslt.errors import ConfigError

#: Environment variable that names the default root.
ROOT_VARIABLE = "GSLT_DATA"


@dataclass(frozen=True)
class Entry:
    """One data set that is known by name."""

    name: str
    description: str
    kind: str
    """``embedded``, ``planetoid``, ``heterophilous``, ``ogb`` or ``standin``."""
    places: tuple[str, ...]
    """Where it may lie, relative to the root, the first being where a download puts it."""
    synthetic: bool = False
    """Whether it was generated."""


def _planetoid(name: str, folder: str, description: str) -> Entry:
    return Entry(name, description, "planetoid", (f"planetoid/{folder}/raw", f"{folder}/raw"))


def _heterophilous(name: str, file: str, description: str) -> Entry:
    places = (f"heterophilous/{file}.npz", f"{file}.npz")
    return Entry(name, description, "heterophilous", places, synthetic=name == "minesweeper")


ENTRIES = (
    Entry("debian", "packages of Debian 12 and what they depend on", "embedded", ()),
    _planetoid("cora", "Cora", "machine learning papers and their citations"),
    _planetoid("citeseer", "Citeseer", "computer science papers and their citations"),
    _planetoid("pubmed", "Pubmed", "papers on diabetes and their citations"),
    Entry(ARXIV, "computer science papers on arXiv and their citations", "ogb", ("ogbn_arxiv",)),
    Entry(
        f"{ARXIV}-synthetic",
        "synthetic stand-in with the counts of OGBN-Arxiv",
        "standin",
        (STANDIN_FOLDER,),
        synthetic=True,
    ),
    _heterophilous("actor", "actor", "actors on the same web page"),
    _heterophilous("chameleon", "chameleon_filtered", "linked web pages, repetitions removed"),
    _heterophilous("squirrel", "squirrel_filtered", "linked web pages, repetitions removed"),
    _heterophilous("minesweeper", "minesweeper", "synthetic grid of cells, some with mines"),
    _heterophilous("roman-empire", "roman_empire", "words of one article and their syntax"),
    _heterophilous("amazon-ratings", "amazon_ratings", "products that are bought together"),
    _heterophilous("tolokers", "tolokers", "crowd workers on the same tasks"),
    _heterophilous("questions", "questions", "users who answered one another"),
)

_BY_NAME = {entry.name: entry for entry in ENTRIES}

SOURCES = {
    "embedded": DEBIAN_SOURCE,
    "planetoid": PLANETOID_SOURCE,
    "ogb": ARXIV_SOURCE,
    "standin": STANDIN_SOURCE,
    "heterophilous": HETEROPHILOUS_SOURCE,
}


def known_entry(name: str) -> Entry | None:
    """The entry of a name in any case, with ``-`` or ``_``; None if there is none."""
    return _BY_NAME.get(_normal(name))


def get_entry(name: str) -> Entry:
    """The entry of a name.

    Raises:
        ConfigError: if the name is unknown.
    """
    entry = known_entry(name)
    if entry is None:
        raise ConfigError(unknown_name(name))
    return entry


def _normal(name: str) -> str:
    return name.strip().lower().replace("_", "-")


def unknown_name(name: str) -> str:
    """The sentence that refuses a name, with the closest known one."""
    close = difflib.get_close_matches(_normal(name), _BY_NAME, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    known = ", ".join(_BY_NAME)
    return f"there is no data set {name!r}, by name or by path{hint} Known are {known}"


def data_root(root: str | Path | None) -> Path:
    """The root that is meant: the argument, the environment variable, or ``dataset``."""
    if root is None:
        root = os.environ.get(ROOT_VARIABLE) or "dataset"
    return Path(root).expanduser()


def find_dataset(entry: Entry, root: Path) -> Path | None:
    """Where a data set lies below the root; None if it does not. Case does not matter."""
    if entry.kind == "embedded":
        return DEBIAN_FILE
    return next(filter(None, (_descend(root, place) for place in entry.places)), None)


def is_complete(entry: Entry, path: Path) -> bool:
    """Whether what lies at ``path`` has every file that the data set needs."""
    if entry.kind in ("ogb", "standin"):
        return not missing_files(path)
    if entry.kind == "planetoid":
        return all((path / file).is_file() for file in raw_files(entry.name))
    return path.is_file()


def _descend(root: Path, place: str) -> Path | None:
    # PyG writes CiteSeer, the original files citeseer, others Citeseer.
    for part in place.split("/"):
        if not root.is_dir():
            return None
        found = sorted(child for child in root.iterdir() if child.name.lower() == part.lower())
        if not found:
            return None
        root = found[0]
    return root
