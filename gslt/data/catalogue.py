"""The data sets that gslt knows by name: what they are, where they may lie, how they are loaded."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from gslt.data.dataset import NodeDataset
from gslt.data.debian import DEBIAN_FILE, load_debian
from gslt.data.debian import SOURCE as DEBIAN_SOURCE
from gslt.data.heterophilous import SOURCE as HETEROPHILOUS_SOURCE
from gslt.data.heterophilous import load_heterophilous
from gslt.data.ogb import ARXIV, STANDIN_SOURCE, load_ogb, missing_files
from gslt.data.ogb import SOURCE as ARXIV_SOURCE
from gslt.data.planetoid import SOURCE as PLANETOID_SOURCE
from gslt.data.planetoid import load_planetoid, raw_files
from gslt.data.synthetic import STANDIN_FOLDER
from gslt.errors import ConfigError, DataError

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
    """The entry of a name in any case, with ``-`` or ``_``; None if there is none.

    >>> known_entry("OGBN_Arxiv").name
    'ogbn-arxiv'
    """
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
    """Where a data set lies below the root; None if it does not. Case does not matter.

    Args:
        entry: the data set.
        root: folder that may hold it; the embedded graph needs none.
    """
    if entry.kind == "embedded":
        return DEBIAN_FILE
    return next(filter(None, (_descend(root, place) for place in entry.places)), None)


def is_complete(entry: Entry, path: Path) -> bool:
    """Whether what lies at ``path`` has every file that the data set needs.

    Args:
        entry: the data set.
        path: of :func:`find_dataset`.
    """
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


@dataclass(frozen=True)
class DatasetFacts:
    """What :func:`list_datasets` says of one data set."""

    name: str
    """What :func:`load_dataset` calls it."""
    description: str
    """What its nodes and edges are."""
    source: str
    """Where it comes from, and its licence where it is known."""
    needs_download: bool
    """Whether ``download_dataset`` must fetch it first."""
    synthetic: bool
    """Whether it was generated: no result on it says anything about real data."""
    present: bool
    """Whether it can be loaded now."""


_LOADERS: dict[str, Callable[[Path, str, int], NodeDataset]] = {
    "embedded": lambda path, _name, _split: load_debian(path),
    "planetoid": lambda path, name, _split: load_planetoid(path, name),
    "ogb": lambda path, name, _split: load_ogb(path, name),
    "standin": lambda path, name, _split: load_ogb(path, name),
    "heterophilous": load_heterophilous,
}


def load_dataset(name: str, root: str | Path | None = None, *, split: int = 0) -> NodeDataset:
    """Load a data set from disk. Nothing is ever downloaded here.

    Args:
        name: a name of :func:`list_datasets` in any case; or the path of a folder in OGB's raw
            layout, or of a ``.npz`` file in the layout of the heterophilous-graphs benchmark.
        root: where the data sets lie; None takes the environment variable ``GSLT_DATA``, or else
            ``dataset`` in the working directory. The embedded graph needs none.
        split: which of several splits; most data sets have one, 0.

    Raises:
        ConfigError: if the name is unknown, or the data set has no such split.
        DataError: if the data set is not on disk, or is damaged.
        MissingPackageError: if it needs a package that is not installed.
    """
    entry = known_entry(name)
    if entry is not None:
        path = find_dataset(entry, data_root(root))
        if path is None:
            raise DataError(_absence(entry, data_root(root)))
        data = _load(entry.kind, path, entry.name, split)
        return replace(data, synthetic=True) if entry.synthetic else data
    if not name.strip():
        raise ConfigError("the name of a data set may not be empty; `gslt data list` shows them")
    path = Path(name).expanduser()
    if path.suffix == ".npz" and path.is_file():
        return load_heterophilous(path, path.stem, split, source=f"file {path.name}")
    if path.is_dir():
        known = ARXIV if path.name == "ogbn_arxiv" else path.resolve().name
        return _load("ogb", path, known, split)
    raise ConfigError(unknown_name(name))


def list_datasets(root: str | Path | None = None) -> list[DatasetFacts]:
    """Every data set known by name, and whether it is there.

    Args:
        root: as in :func:`load_dataset`.

    >>> next(facts.name for facts in list_datasets() if not facts.needs_download)
    'debian'
    """
    place = data_root(root)
    return [
        DatasetFacts(
            name=entry.name,
            description=entry.description,
            source=SOURCES[entry.kind],
            needs_download=entry.kind not in ("embedded", "standin"),
            synthetic=entry.synthetic,
            present=_is_present(entry, place),
        )
        for entry in ENTRIES
    ]


def _is_present(entry: Entry, root: Path) -> bool:
    path = find_dataset(entry, root)
    return path is not None and is_complete(entry, path)


def _load(kind: str, path: Path, name: str, split: int) -> NodeDataset:
    if split != 0 and kind != "heterophilous":
        raise ConfigError(f"{name} has one split, so split must be 0, got {split}")
    return _LOADERS[kind](path, name, split)


def _absence(entry: Entry, root: Path) -> str:
    how = f"fetch it with `gslt data download {entry.name}`"
    if entry.kind == "standin":
        how = "write this synthetic graph with `gslt data synthesize`"
    return (
        f"data set {entry.name!r} is not on disk (looked for {' and '.join(entry.places)} below "
        f"{root}); {how}, or set {ROOT_VARIABLE} to the folder that holds it"
    )
