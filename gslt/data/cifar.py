"""CIFAR-10 and CIFAR-100 from their official files (Krizhevsky 2009): binary and Python versions.

A record of the binary version is a byte for the class (CIFAR-100: one for the coarse class, one for
the fine one), then the red, the green and the blue plane of 32 × 32 pixels. The Python version has
pickles of the same, which are read as data: no code in them runs.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gslt.data.images import SIDE, ImageDataset, some_tested, train_and_val
from gslt.data.options import Fractions
from gslt.data.pickles import unpickle
from gslt.environment import check_limit
from gslt.errors import ConfigError, DataError, DataWarning, warn
from gslt.files import open_regular, read_bytes, reading

SOURCE = "CIFAR (Krizhevsky 2009, Learning multiple layers of features from tiny images)"
#: Endings of the archives.
ARCHIVES = (".tar.gz", ".tgz")

_PIXELS = 3 * SIDE * SIDE
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Version:
    """One of the four forms in which the images are published."""

    name: str
    """Name of the data set."""
    folder: str
    """Official name of its folder."""
    train: tuple[str, ...]
    """Files of training images, in order."""
    test: str
    """File of test images."""
    names: str
    """File of the names of the classes, which may be missing."""
    read: Callable[[bytes], tuple[Bytes, Bytes]]
    """Pixels ``(n, 3072)`` and classes ``(n,)`` of the content of a file."""
    read_names: Callable[[bytes], list[str]]
    classes: int
    number: int = 60_000
    """Images that there are when all is there."""


def _records(labels: int) -> Callable[[bytes], tuple[Bytes, Bytes]]:
    """Reads records with so many label bytes, the last of which is the class."""

    def read(content: bytes) -> tuple[Bytes, Bytes]:
        size = labels + _PIXELS
        if not content or len(content) % size:
            raise ValueError(f"it has {len(content):,} bytes, which are no records of {size:,}")
        rows = np.frombuffer(content, np.uint8).reshape(-1, size)
        return rows[:, labels:], rows[:, labels - 1]

    return read


def _pickled(key: str) -> Callable[[bytes], tuple[Bytes, Bytes]]:
    """Reads a dict with the pixels under ``data`` and the classes under a key."""

    def read(content: bytes) -> tuple[Bytes, Bytes]:
        value = unpickle(content)
        if not isinstance(value, dict) or not {"data", key} <= set(value):
            raise ValueError(f"it holds no dict with 'data' and {key!r}")
        pixels, labels = value["data"], value[key]
        if not (isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and pixels.ndim == 2):
            raise ValueError("its data is no matrix of bytes")
        if pixels.shape[1] != _PIXELS or not len(pixels):
            raise ValueError(f"an image has {pixels.shape[1]} bytes, not {_PIXELS}")
        if type(labels) is not list or len(labels) != len(pixels):
            raise ValueError(f"it has not one label for each of its {len(pixels)} images")
        if not all(type(label) is int and 0 <= label < 256 for label in labels):
            raise ValueError("a label is no number from 0 to 255")
        return pixels, np.array(labels, np.uint8)

    return read


def _lines(content: bytes) -> list[str]:
    return content.decode("ascii").split()


def _listed(key: str) -> Callable[[bytes], list[str]]:
    def read(content: bytes) -> list[str]:
        value = unpickle(content)
        names = value.get(key) if isinstance(value, dict) else None
        if type(names) is not list or not all(type(name) is str for name in names):
            raise ValueError(f"it holds no list of texts {key!r}")
        return names

    return read


_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
VERSIONS = (
    Version(
        "cifar10",
        "cifar-10-batches-bin",
        tuple(f"{name}.bin" for name in _BATCHES),
        "test_batch.bin",
        "batches.meta.txt",
        _records(1),
        _lines,
        10,
    ),
    Version(
        "cifar10",
        "cifar-10-batches-py",
        _BATCHES,
        "test_batch",
        "batches.meta",
        _pickled("labels"),
        _listed("label_names"),
        10,
    ),
    Version(
        "cifar100",
        "cifar-100-binary",
        ("train.bin",),
        "test.bin",
        "fine_label_names.txt",
        _records(2),
        _lines,
        100,
    ),
    Version(
        "cifar100",
        "cifar-100-python",
        ("train",),
        "test",
        "meta",
        _pickled("fine_labels"),
        _listed("fine_label_names"),
        100,
    ),
)


def places(name: str) -> tuple[str, ...]:
    """Where a data set may lie below a root: archive and folder of each version.

    >>> places("cifar100")[:2]
    ('cifar-100-binary.tar.gz', 'cifar-100-binary')
    """
    mine = [version for version in VERSIONS if version.name == name]
    return tuple(place for each in mine for place in (_archive(each), each.folder))


def _archive(version: Version) -> str:
    """Official name of the archive.

    >>> [_archive(each) for each in VERSIONS][:2]
    ['cifar-10-binary.tar.gz', 'cifar-10-python.tar.gz']
    """
    kind = "binary" if version.read_names is _lines else "python"
    return f"cifar-{version.classes}-{kind}.tar.gz"


def is_cifar(path: Path) -> bool:
    """Whether a path is an archive, or a folder with files of some version, or holds such a one."""
    if path.is_file():
        return path.name.endswith(ARCHIVES)
    return path.is_dir() and _found(path) is not None


def is_complete(path: Path) -> bool:
    """Whether what lies at a path has every file of training and test images.

    Args:
        path: of an archive, which is not opened, or of a folder.
    """
    found = None if path.is_file() else _found(path)
    return path.is_file() or (
        found is not None and all((found[1] / file).is_file() for file in _images(found[0]))
    )


def _images(version: Version) -> tuple[str, ...]:
    return (*version.train, version.test)


def _found(path: Path) -> tuple[Version, Path] | None:
    """The version in a folder, and the folder that has its files: this one, or one in it."""
    for version in VERSIONS:
        for folder in (path, path / version.folder):
            # "train" and "test" alone are names of anything.
            if (folder / version.train[0]).is_file() and (
                folder.name == version.folder or (folder / version.names).is_file()
            ):
                return version, folder
    return None


def load_cifar(
    path: Path, name: str | None = None, split: int = 0, fractions: Fractions | None = None
) -> ImageDataset:
    """Read all images; those of the training files are split 4 : 1 by a seed.

    Args:
        path: an archive (``.tar.gz``) of one version, its folder, or a folder that holds that.
        name: of the data set. Default: that of the folder or archive, and where it has its official
            name, of what it lies in.
        split: seed of the split into training and validation, see
            :func:`gslt.data.images.train_and_val`.
        fractions: of the images of the training files, to train and to validate on, and of those of
            the test files; the others are left out. Default: 0.8, 0.2 and 1.

    A :class:`gslt.errors.DataWarning` says where there are fewer images than were published.

    Raises:
        DataError: if a file is missing, damaged, or holds what is no data.
        ConfigError: if a file is larger than the limit, or for fractions that cannot be.
    """
    kept = fractions or (0.8, 0.2, 1.0)
    if min(kept) <= 0 or kept[0] + kept[1] > 1 + 1e-9 or kept[2] > 1:
        raise ConfigError(
            f"fractions of images must be positive, those of training and validation at most 1 "
            f"together and that of test images at most 1, got {kept}"
        )
    if split < 0:
        raise DataError(f"split must be a seed from 0 on, got {split}")
    version, contents = _from_archive(path) if path.is_file() else _from_folder(path)
    parts = [_part(path, version, file, contents) for file in _images(version)]
    pixels = torch.from_numpy(np.concatenate([part[0] for part in parts]))
    labels = torch.from_numpy(np.concatenate([part[1] for part in parts]).astype(np.int64))
    number, tested = len(labels), len(parts[-1][1])
    if number - tested < 2:
        raise DataError(f"{str(path)!r} has one training image, of which none can be held out")
    first = number - tested
    train, val = train_and_val(first, split, *kept[:2])
    test = first + some_tested(tested, split, kept[2])
    chosen = torch.cat([train, val, test]).sort().values
    if number < version.number:
        warn(
            f"{str(path)!r} holds {number:,} of the {version.number:,} images of {version.name}",
            DataWarning,
        )
    return ImageDataset(
        name=name or _name(path, version),
        x=pixels.view(-1, 3, SIDE, SIDE)[chosen],
        y=labels[chosen],
        num_classes=version.classes,
        class_names=_class_names(path, version, contents),
        # Only what has a known name is said to be the original.
        source=SOURCE if name else f"{path.name}, in the layout of {SOURCE}",
        split=split,
        train_mask=torch.isin(chosen, train),
        val_mask=torch.isin(chosen, val),
        test_mask=torch.isin(chosen, test),
    )


def _name(path: Path, version: Version) -> str:
    official = {name for each in VERSIONS for name in (each.folder, _archive(each))}
    whole = path.resolve()
    own = whole.parent.name if whole.name in official else whole.name
    for ending in ARCHIVES:
        own = own.removesuffix(ending)
    return own or version.name


def _part(
    path: Path, version: Version, file: str, contents: Mapping[str, bytes]
) -> tuple[Bytes, Bytes]:
    """Pixels and classes of one file."""
    if file not in contents:
        raise DataError(f"{str(path)!r} lacks {file}; {_cure(version)}")
    with reading(f"{path}/{file}", DataError, f"a file of {version.name}", _cure(version)):
        pixels, labels = version.read(contents[file])
        over = np.flatnonzero(labels >= version.classes)
        if over.size:
            raise ValueError(
                f"the class of image {over[0]} is {labels[over[0]]}, and there are "
                f"{version.classes} from 0"
            )
        return pixels, labels


def _class_names(path: Path, version: Version, contents: Mapping[str, bytes]) -> tuple[str, ...]:
    if version.names not in contents:
        return ()
    with reading(f"{path}/{version.names}", DataError, "a list of classes", _cure(version)):
        return tuple(version.read_names(contents[version.names]))


def _cure(version: Version) -> str:
    return f"remove it and run `gslt data download {version.name}`"


def _from_folder(path: Path) -> tuple[Version, dict[str, bytes]]:
    found = _found(path)
    if found is None:
        listed = ", ".join(version.folder for version in VERSIONS)
        raise DataError(f"{str(path)!r} holds no files of {listed}; name the folder of one")
    version, folder = found
    files = [file for file in (*_images(version), version.names) if (folder / file).is_file()]
    contents = {}
    for file in files:
        with reading(folder / file, DataError, f"a file of {version.name}", _cure(version)):
            contents[file] = read_bytes(folder / file)
    return version, contents


def _from_archive(path: Path) -> tuple[Version, dict[str, bytes]]:
    """Nothing is unpacked to disk; names of folders do not count, and links are not followed."""
    by_folder = {version.folder: version for version in VERSIONS}
    cure = "fetch it again with `gslt data download cifar10` or cifar100"
    contents: dict[str, bytes] = {}
    version: Version | None = None
    with (
        reading(path, DataError, "an archive of CIFAR", cure),
        open_regular(path) as (stream, _),
        tarfile.open(fileobj=stream, mode="r:gz") as archive,
    ):
        total = 0
        for member in archive:
            place = PurePosixPath(member.name)
            here = by_folder.get(place.parent.name)
            if here is None or not member.isfile():
                continue
            version = version or here
            if here is not version or place.name not in (*_images(version), version.names):
                continue
            total += member.size
            check_limit("inflated_bytes", total, f"{path.name} unpacks to")
            held: Any = archive.extractfile(member)
            contents[place.name] = held.read()
        if version is None:
            raise ValueError(f"it holds none of the folders {', '.join(by_folder)}")
    return version, contents
