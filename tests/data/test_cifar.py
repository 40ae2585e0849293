"""CIFAR from its official files, in small: binary and Python, folder and archive."""

from __future__ import annotations

import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from images import NAMES, loaded, packed, pictures, write_binary, write_python

import gslt
from gslt.data.cifar import load_cifar, places
from gslt.data.images import train_and_val
from gslt.errors import ConfigError, DataError, DataWarning


def test_binary_and_python_folder_and_archive_are_the_same(tmp_path: Path) -> None:
    binary = write_binary(tmp_path / "one")
    python = write_python(tmp_path / "two")
    paths = [binary, binary.parent, python, python.parent]
    paths += [packed(binary, "cifar-10-binary.tar.gz"), packed(python, "mine.tgz")]
    data = [loaded(path) for path in paths]
    assert len({each.content_hash for each in data}) == 1
    assert [each.name for each in data] == ["one", "one", "two", "two", "one", "mine"]
    assert all(each.class_names == tuple(NAMES) for each in data)


def test_pixels_labels_and_splits_by_hand(tmp_path: Path) -> None:
    data = loaded(write_binary(tmp_path), split=2)
    pixels, labels = pictures(60)
    assert data.y.tolist() == labels.tolist()
    # The second image, green plane, third row, fourth column.
    assert data.x[1, 1, 2, 3].item() == pixels[1, 1024 + 2 * 32 + 3]
    assert data.test_mask.nonzero().flatten().tolist() == list(range(50, 60))
    train, val = train_and_val(50, seed=2)
    assert data.train_mask.nonzero().flatten().tolist() == train.tolist()
    assert data.val_mask.nonzero().flatten().tolist() == val.tolist()
    assert (len(train), len(val), data.split) == (40, 10, 2)


def test_cifar100_takes_the_fine_classes(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-100-binary"
    folder.mkdir()
    pixels, fine = pictures(20, classes=100)
    rows = np.concatenate([np.full((20, 1), 7, np.uint8), fine[:, None] + 80, pixels], axis=1)
    rows[:15].tofile(folder / "train.bin")
    rows[15:].tofile(folder / "test.bin")
    data = loaded(folder)
    assert (data.num_classes, data.y.tolist()) == (100, list(range(80, 100)))
    python = tmp_path / "cifar-100-python"
    python.mkdir()
    for name, some in (("train", rows[:15]), ("test", rows[15:])):
        value = {
            "fine_labels": some[:, 1].tolist(),
            "coarse_labels": some[:, 0].tolist(),
            "data": np.ascontiguousarray(some[:, 2:]),
        }
        (python / name).write_bytes(pickle.dumps(value, protocol=2))
    assert loaded(python).content_hash == data.content_hash


def test_by_name_below_a_root(tmp_path: Path) -> None:
    archive = packed(write_binary(tmp_path / "elsewhere"), "cifar-10-binary.tar.gz")
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(DataError, match="`gslt data download cifar10 --dataset_dir"):
        gslt.load_dataset("cifar10", root)
    archive.rename(root / archive.name)
    assert loaded("cifar10", root=root).name == "cifar10"
    facts = {each.name: each for each in gslt.list_datasets(root)}
    assert (facts["cifar10"].present, facts["cifar100"].present) == (True, False)
    assert places("cifar10")[0] == "cifar-10-binary.tar.gz"


def test_fewer_images_than_were_published_are_said(tmp_path: Path) -> None:
    with pytest.warns(DataWarning, match="holds 60 of the 60,000 images of cifar10"):
        load_cifar(write_binary(tmp_path))


def test_damaged_files_are_refused_with_what_is_wrong(tmp_path: Path) -> None:
    folder = write_binary(tmp_path)
    batch = folder / "data_batch_2.bin"
    sound = batch.read_bytes()
    batch.write_bytes(sound[:-1])
    with pytest.raises(DataError, match="30,729 bytes, which are no records of 3,073"):
        load_cifar(folder)
    batch.write_bytes(sound[:3073] + b"\x0a" + sound[3074:])
    with pytest.raises(DataError, match="class of image 1 is 10, and there are 10 from 0"):
        load_cifar(folder)
    batch.unlink()
    with pytest.raises(DataError, match=r"lacks data_batch_2.bin"):
        load_cifar(folder)
    with pytest.raises(DataError, match="holds no files of cifar-10-batches-bin"):
        load_cifar(tmp_path / "elsewhere")


def test_options_of_graphs_are_refused(tmp_path: Path) -> None:
    write_binary(tmp_path)
    with pytest.raises(ConfigError, match="features is for tables"):
        gslt.load_dataset(str(tmp_path), features="degree")
    with pytest.raises(DataError, match="split must be a seed from 0 on, got -1"):
        gslt.load_dataset(str(tmp_path), split=-1)


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return print, ("run",)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"labels": [0], "data": Evil()}, "which no array needs and which could run code"),
        ({"labels": [0]}, "it holds no dict with 'data' and 'labels'"),
        ({"labels": [0, 1], "data": np.zeros((1, 3072), np.uint8)}, "not one label for each of"),
        ({"labels": [0.5], "data": np.zeros((1, 3072), np.uint8)}, "a label is no number"),
        ({"labels": [0], "data": np.zeros((1, 3072))}, "its data is no matrix of bytes"),
        ({"labels": [0], "data": np.zeros((1, 4), np.uint8)}, "an image has 4 bytes, not 3072"),
    ],
)
def test_pickles_are_read_as_data(
    tmp_path: Path, value: object, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_python(tmp_path)
    (folder / "data_batch_1").write_bytes(pickle.dumps(value, protocol=2))
    with pytest.raises(DataError, match=message):
        load_cifar(folder)
    assert capsys.readouterr().out == ""


def test_an_archive_is_no_way_out_of_its_folder(tmp_path: Path) -> None:
    folder = write_binary(tmp_path / "in")
    (folder / "test_batch.bin").unlink()
    (folder / "test_batch.bin").symlink_to("/etc/hostname")
    with pytest.raises(DataError, match=r"lacks test_batch.bin"):
        load_cifar(packed(folder, "a.tar.gz"))
    other = tmp_path / "b.tar.gz"
    with tarfile.open(other, "w:gz") as archive:
        archive.add(folder / "data_batch_1.bin", arcname="../data_batch_1.bin")
    with pytest.raises(DataError, match="it holds none of the folders"):
        load_cifar(other)
    other.write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"b.tar.gz"):
        load_cifar(other)


def test_nothing_of_the_pixels_is_changed_on_the_way(tmp_path: Path) -> None:
    data = loaded(write_binary(tmp_path))
    assert data.x.dtype == torch.uint8
    assert np.array_equal(data.x.numpy().reshape(60, 3072), pictures(60)[0])


def test_fractions_leave_images_out(tmp_path: Path) -> None:
    folder = write_binary(tmp_path)
    whole, some = loaded(folder), loaded(f"{folder}?fractions=0.4,0.1,0.5")
    assert [int(mask.sum()) for mask in some.splits.values()] == [20, 5, 5]
    assert some.num_items == 30
    # A smaller part is a part of the larger one, and the validation images come first.
    train, val = train_and_val(50, 0, 0.4, 0.1)
    assert set(val.tolist()) < set(train_and_val(50, 0)[1].tolist())
    assert torch.equal(some.x[some.val_mask], whole.x[val])
    assert torch.equal(some.x[some.train_mask], whole.x[train])
    for wrong in ((0.9, 0.2, 1.0), (0.0, 0.2, 1.0), (0.5, 0.2, 1.5)):
        with pytest.raises(ConfigError, match="fractions of images must be positive"):
            load_cifar(folder, fractions=wrong)


def test_only_what_has_a_known_name_is_said_to_be_the_original(tmp_path: Path) -> None:
    folder = write_binary(tmp_path / "cifar10-jpeg")
    assert loaded(folder).source.startswith("cifar-10-batches-bin, in the layout of CIFAR")
    assert loaded(folder).name == "cifar10-jpeg"
    assert loaded("cifar10", root=folder.parent).source.startswith("CIFAR (Krizhevsky 2009")
