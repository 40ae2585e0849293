"""Loading by name or by path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from gslt.data.catalogue import (
    ENTRIES,
    ROOT_VARIABLE,
    SOURCES,
    Entry,
    data_root,
    find_dataset,
    is_complete,
    known_entry,
    unknown_name,
)
from gslt.data.dataset import NodeDataset
from gslt.data.debian import load_debian
from gslt.data.heterophilous import load_heterophilous
from gslt.data.ogb import ARXIV, load_ogb
from gslt.data.planetoid import load_planetoid
from gslt.errors import ConfigError, DataError


@dataclass(frozen=True)
class DatasetFacts:
    """What :func:`list_datasets` says of one data set."""

    name: str
    description: str
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
    """Every data set known by name, and whether it is at ``root`` (as in :func:`load_dataset`)."""
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
