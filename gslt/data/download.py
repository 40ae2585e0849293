"""Fetching data sets: the only place of gslt that touches the network."""

from __future__ import annotations

import shutil
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from gslt.data.catalogue import DATASETS, data_root, find_dataset, get_name, is_complete
from gslt.data.ogb import metadata, missing_files
from gslt.data.planetoid import raw_files
from gslt.environment import import_quietly
from gslt.errors import ConfigError, DataError
from gslt.files import replacing

_TIMEOUT = 60.0
_CHUNK = 1 << 20


def download_dataset(name: str, root: str | Path | None = None) -> Path:
    """Fetch a data set from where its authors publish it, without asking anything.

    Args:
        name: of :func:`gslt.data.list_datasets`.
        root: as in :func:`gslt.data.load_dataset`.

    Returns:
        Where it lies. A data set that is there is kept.

    Raises:
        ConfigError: if the name is unknown, or the data set is generated.
        DataError: if the network or the published file fails; nothing is left half written.
        MissingPackageError: if ogb is needed and not installed.
    """
    name, place = get_name(name), data_root(root)
    found = find_dataset(name, place)
    if found is not None and is_complete(name, found):
        return found
    entry = DATASETS[name]
    if entry.layout not in _DOWNLOADS:
        raise ConfigError(
            f"{name} is synthetic, so it is not downloaded; write it with `gslt data synthesize`"
        )
    target = found or place / entry.places[0]
    _DOWNLOADS[entry.layout](name, target)
    return target


def _download_heterophilous(name: str, target: Path) -> None:
    published = import_quietly("torch_geometric.datasets").HeterophilousGraphDataset
    fetch(f"{published.url}/{target.name}", target)


def _download_planetoid(name: str, target: Path) -> None:
    published = import_quietly("torch_geometric.datasets").Planetoid
    for file in raw_files(name):
        if not (target / file).is_file():
            fetch(f"{published.url}/{file}", target / file)


def _download_ogb(name: str, target: Path) -> None:
    if target.exists():
        raise DataError(
            f"the folder {target} exists but is incomplete (it lacks {missing_files(target)[0]}); "
            "move it away and download again"
        )
    facts = metadata(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        archive = temporary / "archive.zip"
        fetch(facts["url"], archive)
        try:
            with zipfile.ZipFile(archive) as file:
                file.extractall(temporary)
        except (zipfile.BadZipFile, OSError) as error:
            raise DataError(
                f"what {facts['url']} sent cannot be unpacked ({error}); try again later"
            ) from error
        unpacked = temporary / facts["download_name"]
        missing = missing_files(unpacked)
        if missing:
            raise DataError(f"what {facts['url']} sent lacks {missing[0]}; try again later")
        unpacked.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


#: What fetches a data set of a layout, by its name, to a place.
_DOWNLOADS: dict[str, Callable[[str, Path], None]] = {
    "heterophilous": _download_heterophilous,
    "ogb": _download_ogb,
    "planetoid": _download_planetoid,
}


def fetch(url: str, path: Path) -> None:
    """Copy what a URL sends to ``path``, whole or not at all, with a progress bar.

    Args:
        url: address of the file.
        path: where it goes; its folder is made.

    Raises:
        DataError: if it cannot be had.
    """
    try:
        with (
            urllib.request.urlopen(url, timeout=_TIMEOUT) as answer,
            replacing(path) as temporary,
            temporary.open("wb") as file,
        ):
            size = int(answer.headers.get("Content-Length") or 0)
            with tqdm(total=size or None, unit="B", unit_scale=True, desc=path.name) as bar:
                while chunk := answer.read(_CHUNK):
                    file.write(chunk)
                    bar.update(len(chunk))
            if size and bar.n != size:
                raise OSError(f"{bar.n} of {size} bytes came")
            file.flush()
    except OSError as error:
        raise DataError(
            f"cannot download {url} ({error}); check the network, or fetch it elsewhere and put it "
            f"at {path}"
        ) from error
