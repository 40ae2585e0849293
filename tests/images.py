"""Tiny sets of images in the official layouts of CIFAR."""

from __future__ import annotations

import pickle
import tarfile
import warnings
from pathlib import Path

import numpy as np
import torch

import gslt
from gslt.errors import DataWarning
from gslt.random import Stream


def pictures(number: int, classes: int = 10, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random pixels ``(n, 3072)``, brighter in a stripe that the class names, and classes."""
    labels = np.arange(number) % classes
    noise = Stream(seed, "pixels", "test").raw(number * 3072).astype(np.uint64) % np.uint64(100)
    pixels = noise.reshape(number, 3, 32, 32).astype(np.uint8)
    for image, label in zip(pixels, labels, strict=True):
        stripe = 3 * (label % 10)
        image[:, stripe : stripe + 4] += 120
    return pixels.reshape(number, 3072), labels.astype(np.uint8)


def write_binary(root: Path, per_batch: int = 10) -> Path:
    """CIFAR-10 in its binary layout, six files of so many images."""
    folder = root / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    pixels, labels = pictures(6 * per_batch)
    rows = np.concatenate([labels[:, None], pixels], axis=1)
    names = [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]
    for name, some in zip(names, np.split(rows, 6), strict=True):
        some.tofile(folder / name)
    (folder / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")
    return folder


NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def write_python(root: Path, per_batch: int = 10) -> Path:
    """The same images in the Python layout, pickled as Python 2 did it."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    pixels, labels = pictures(6 * per_batch)
    names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    for name, some, own in zip(names, np.split(pixels, 6), np.split(labels, 6), strict=True):
        value = {"batch_label": name, "labels": own.tolist(), "data": some, "filenames": ["a.png"]}
        (folder / name).write_bytes(pickle.dumps(value, protocol=2))
    meta = {"num_cases_per_batch": per_batch, "label_names": NAMES, "num_vis": 3072}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol=2))
    return folder


def packed(folder: Path, name: str) -> Path:
    """A ``.tar.gz`` beside the folder, which it has at its top."""
    path = folder.parent / name
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, arcname=folder.name)
    return path


def loaded(path: Path | str, **options: object) -> gslt.ImageDataset:
    """A set from its files, which are fewer than were published."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        data = gslt.load_dataset(str(path), **options)
    assert isinstance(data, gslt.ImageDataset)
    return data


def stripes(number: int = 60, classes: int = 4, seed: int = 0) -> gslt.ImageDataset:
    """A small synthetic set whose classes are told apart by a bright stripe."""
    pixels, labels = pictures(number, classes, seed)
    places = torch.arange(number)
    return gslt.ImageDataset(
        name="stripes (synthetic)",
        x=torch.from_numpy(pixels).view(-1, 3, 32, 32),
        y=torch.from_numpy(labels.astype(np.int64)),
        train_mask=places < number // 2,
        val_mask=(places >= number // 2) & (places < 3 * number // 4),
        test_mask=places >= 3 * number // 4,
        num_classes=classes,
        synthetic=True,
    )
