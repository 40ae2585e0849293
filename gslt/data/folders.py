"""Folders and zip archives of one graph, known by what is in them.

One table of nodes and one of edges; the files of Planetoid or of WebKB, also in PyG's ``raw/``;
OGB's raw layout; what PyG has in ``processed/``, where there is no ``raw/`` beside it. An archive
is unpacked beside nothing, read, and removed.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from gslt.data.archives import unpack
from gslt.data.dataset import NodeDataset
from gslt.data.matrices import read_saved
from gslt.data.ogb import load_ogb
from gslt.data.options import AS_IT_STANDS, ReadOptions
from gslt.data.parts import reading_parts
from gslt.data.planetoid import NUM_CLASSES, load_planetoid
from gslt.data.tables import READERS as TABLES
from gslt.data.tables import read_tables, tables_of
from gslt.data.unsplit import assemble_read, load_shchur, load_twitch
from gslt.data.webkb import EDGES, NODES, load_webkb
from gslt.data.webkb import NAMES as WEBKB
from gslt.errors import ConfigError, DataError, listed
from gslt.files import reading

#: Endings of the names of files that are read as parts of a folder, or as a folder.
ENDINGS = (*TABLES, ".zip")
_PLANETOID = re.compile(r"ind\.(\w+)\.(x|tx|allx|y|ty|ally|graph|test\.index)")
_SHCHUR = re.compile(r"(amazon_electronics|ms_academic)_\w+\.npz")
_TWITCH = re.compile(r"(DE|EN|ES|FR|PT|RU)\.npz")


def is_part(path: Path) -> bool:
    """Whether a file is read with those beside it, or unpacked: a table, a Planetoid file, a zip.

    >>> [is_part(Path(name)) for name in ("nodes.csv", "ind.cora.graph", "a.zip", "a.npz")]
    [True, True, True, False]
    """
    return path.suffix.lower() in ENDINGS or bool(_PLANETOID.fullmatch(path.name))


def read_folder(
    path: Path, name: str, split: int = 0, options: ReadOptions = AS_IT_STANDS
) -> NodeDataset:
    """Read a folder, a zip archive of one, or the folder of a file that is part of one.

    Args:
        path: folder or file.
        name: of the data set, where the files do not say it.
        split: which of several splits; the seed of a random one.
        options: what is said of tables and of what PyG saved; x may name several columns of a
            table, with commas between them.

    Raises:
        DataError: if it is no data set, or a damaged one.
        ConfigError: if there is no such split, an option does not fit, or something is too large.
        MissingPackageError: if it needs a package that is not installed.
    """
    if path.suffix.lower() == ".zip" and path.is_file():
        return _read_zip(path, name, split, options)
    with reading(path, DataError, "a folder of a data set", "name another"):
        tables = tables_of(path)
    if tables is not None:
        return _read_tables(path, name, split, options)
    if (saved := _saved_by_pyg(path)) is not None:
        name = path.resolve().parent.name if path.name == "processed" else name
        return _read_saved(saved, name, split, options)
    options.refuse(path.name)
    if path.is_file() and not _PLANETOID.fullmatch(path.name):
        raise DataError(
            f"{str(path)!r} is not named nodes or edges; a graph is a table of nodes, nodes.csv, "
            "and one of edges, edges.csv, in one folder"
        )
    return _read_known(path, name, split)


def _saved_by_pyg(path: Path) -> Path | None:
    """The graph in PyG's ``processed/``, of a folder that has no raw files."""
    if not path.is_dir() or (path / "raw").is_dir():
        return None
    folder = path if path.name == "processed" else path / "processed"
    with reading(path, DataError, "a folder of a data set", "name another"):
        files = folder.iterdir() if folder.is_dir() else ()
        saved = sorted(f for f in files if f.suffix == ".pt" and not f.name.startswith("pre_"))
    if len(saved) > 1:
        names = [each.name for each in saved]
        raise DataError(
            f"{str(folder)!r} holds several graphs, {listed(names)}; name the file of one, such as "
            f"{str(saved[0])!r}"
        )
    return saved[0] if saved else None


def _read_saved(file: Path, name: str, split: int, options: ReadOptions) -> NodeDataset:
    parts, source = read_saved(file, options.x, options.y), f"{file.name} of {name}, saved by PyG"
    with reading_parts(file, "a graph saved by PyG", "let PyG process it again"):
        return assemble_read(parts, name=name, split=split, source=source, options=options)


def _read_known(path: Path, name: str, split: int) -> NodeDataset:
    """A folder in a layout that others made."""
    folder = path if path.is_dir() else path.parent
    inner = folder if path.is_file() or not (folder / "raw").is_dir() else folder / "raw"
    with reading(folder, DataError, "a folder of a data set", "name another"):
        files = sorted(each.name for each in inner.iterdir() if each.is_file())
    if {NODES, EDGES} <= set(files):
        return load_webkb(inner, _webkb_name(folder, files), split)
    networks = sorted({found[1] for file in files if (found := _PLANETOID.fullmatch(file))})
    if path.is_file():
        networks = [path.name.split(".")[1]]
    if networks:
        return _read_planetoid(inner, networks, split)
    for pattern, load in ((_SHCHUR, load_shchur), (_TWITCH, load_twitch)):
        known = [file for file in files if pattern.fullmatch(file)]
        if len(known) == 1:
            return load(inner / known[0], name, split)
    if split != 0:
        raise ConfigError(f"{name} has one split, so split must be 0, got {split}")
    return load_ogb(folder, name)


def _webkb_name(folder: Path, files: list[str]) -> str:
    names = [name for name in WEBKB if any(file.startswith(f"{name}_split") for file in files)]
    if len(names) != 1:
        raise DataError(
            f"{str(folder)!r} must hold the splits of one network of WebKB, such as "
            f"texas_split_0.6_0.2_0.npz; it holds those of {listed(names) or 'none'}"
        )
    return names[0]


def _read_planetoid(folder: Path, networks: list[str], split: int) -> NodeDataset:
    if len(networks) > 1:
        raise DataError(
            f"{str(folder)!r} holds {listed(networks)}; name a file of one, such as "
            f"{str(folder / f'ind.{networks[0]}.graph')!r}"
        )
    if networks[0] not in NUM_CLASSES:
        raise DataError(f"{networks[0]!r} is none of Planetoid's {listed(list(NUM_CLASSES))}")
    if split != 0:
        raise ConfigError(f"{networks[0]} has one split, so split must be 0, got {split}")
    return load_planetoid(folder, networks[0])


def _read_tables(path: Path, name: str, split: int, options: ReadOptions) -> NodeDataset:
    parts, source = read_tables(path, options.x, options.y), f"tables of {name}"
    with reading_parts(path, "a graph of tables", "see the tables in docs/data.md"):
        return assemble_read(parts, name=name, split=split, source=source, options=options)


def _read_zip(path: Path, name: str, split: int, options: ReadOptions) -> NodeDataset:
    cure = "zip the folder of one data set"
    with tempfile.TemporaryDirectory(prefix="gslt-") as place:
        folder = Path(place) / path.stem
        with reading(path, DataError, "a zip archive", cure):
            unpack(path, folder)
            top = [each for each in folder.iterdir() if each.name != "__MACOSX"]
            while len(top) == 1 and top[0].is_dir() and top[0].name not in ("raw", "split"):
                folder = top[0]
                top = list(folder.iterdir())
        with reading_parts(path, "a zip archive of a data set", cure):
            return read_folder(folder, name, split, options)
