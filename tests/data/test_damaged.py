"""Damaged files of every layout: each is a data set or a sentence, and nothing else."""

from __future__ import annotations

import gzip
import json
import pickle
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.torch import load_file, save_file

from gslt.data import NodeDataset
from gslt.data.debian import load_debian
from gslt.data.heterophilous import load_heterophilous
from gslt.data.ogb import load_ogb, missing_files
from gslt.data.planetoid import load_planetoid
from gslt.errors import ConfigError, DataError

#: Of each test.
EXAMPLES = 80
NODES = 12


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged")


def load(read: Callable[[], NodeDataset]) -> NodeDataset | None:
    """A data set that keeps its rules, or None for a sentence; any other error fails the test."""
    try:
        with warnings.catch_warnings():
            # Casts that lose something warn, as they do for users.
            warnings.simplefilter("ignore")
            data = read()
    except (DataError, ConfigError) as error:
        assert len(str(error)) < 2000  # noqa: PT017
        return None
    assert data.info()["nodes"] == len(data.x)
    assert data.num_classes <= max(len(data.x), 40)
    return data


def damaged(content: bytes, draw: st.DataObject) -> bytes:
    """Bytes with a few of them changed, left out or added."""
    changed = bytearray(content)
    for _ in range(draw.draw(st.integers(1, 4))):
        place = draw.draw(st.integers(0, max(0, len(changed) - 1)))
        act = draw.draw(st.sampled_from(["set", "cut", "add"]))
        if act == "set" and changed:
            changed[place] = draw.draw(st.integers(0, 255))
        elif act == "cut":
            del changed[place : place + draw.draw(st.integers(1, 60))]
        else:
            changed[place:place] = draw.draw(st.binary(max_size=8))
    return bytes(changed)


NUMBERS = [0, 1, -1, 2, 1.5, 1e300, 2**31, 2**40, 2**63 - 1, -(2**63)]
ANY_ARRAY = st.one_of(
    arrays.arrays(
        st.sampled_from(["?", "i1", "<i4", "<i8", ">i8", "u1", "<u8", "f2", "<f4", "<f8"]),
        arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=NODES),
    ),
    arrays.arrays(
        st.sampled_from(["<U3", "S2", "<c8", "<M8[s]"]),
        arrays.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=NODES),
    ),
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def changed_array(array: np.ndarray, draw: st.DataObject) -> np.ndarray:
    """Another array, or the same with another type, another shape or a few other entries."""
    act = draw.draw(st.sampled_from(["other", "type", "shape", "entries"]))
    if act == "other" or array.size == 0 or array.dtype.kind not in "biuf":
        return draw.draw(ANY_ARRAY)
    if act == "type":
        kind = draw.draw(
            st.sampled_from(["?", "i1", "<i8", ">i4", "u8", "f2", "<f8", "<c8", "<U3"])
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return array.astype(kind)
    if act == "shape":
        return draw.draw(
            st.sampled_from([array[..., None], array.ravel(), array.ravel()[:-1], array.T])
        )
    entries = array.copy()
    for _ in range(draw.draw(st.integers(1, 3))):
        place = draw.draw(st.integers(0, array.size - 1))
        with np.errstate(all="ignore"):
            entries.flat[place] = np.asarray(draw.draw(st.sampled_from(NUMBERS))).astype(
                array.dtype
            )
    return entries


# One file of arrays


def heterophilous() -> dict[str, np.ndarray]:
    masks = np.arange(NODES) % 3 == np.arange(3)[:, None]
    return {
        "node_features": np.arange(2 * NODES, dtype=np.float64).reshape(NODES, 2),
        "node_labels": np.arange(NODES) % 3,
        "edges": np.stack([np.arange(NODES), np.roll(np.arange(NODES), 1)], axis=1),
        **{f"{part}_masks": masks[[i]] for i, part in enumerate(("train", "val", "test"))},
    }


def debian() -> dict[str, np.ndarray]:
    return {
        "degree": np.ones(NODES, np.uint16),
        "target": np.roll(np.arange(NODES), 1).astype(np.uint16),
        "num_words": np.ones(NODES, np.uint8),
        "word": (np.arange(NODES) % 4).astype(np.uint16),
        "word_vector": np.eye(4, dtype=np.float16),
        "label": (np.arange(NODES) % 2).astype(np.uint8),
        "split": (np.arange(NODES) % 3).astype(np.uint8),
        "section": np.array(["a", "b"]),
    }


READERS = {
    "heterophilous": (heterophilous, lambda path: load_heterophilous(path, "mine")),
    "debian": (debian, load_debian),
}


@pytest.mark.parametrize("layout", READERS)
@given(draw=st.data())
@settings(max_examples=EXAMPLES)
def test_files_of_arrays(room: Path, layout: str, draw: st.DataObject) -> None:
    parts, read = READERS[layout]
    path, values = room / f"{layout}.npz", parts()
    np.savez(path, **values)
    assert load(lambda: read(path)) is not None
    if draw.draw(st.booleans()):
        for key in sorted(
            draw.draw(st.sets(st.sampled_from(sorted(values)), min_size=1, max_size=2))
        ):
            values[key] = changed_array(values[key], draw)
        np.savez(path, **values)
    else:
        path.write_bytes(damaged(path.read_bytes(), draw))
    load(lambda: read(path))


# The pickles of Planetoid


def planetoid() -> dict[str, Any]:
    words, label = np.ones((506, 3), np.float32), np.eye(7, dtype=np.int32)[np.arange(506) % 7]
    return {
        "allx": sp.csr_matrix(words),
        "x": sp.csr_matrix(words[:3]),
        "tx": sp.csr_matrix(words[:4]),
        "ally": label,
        "y": label[:3],
        "ty": label[:4],
        "graph": {i: [(i + 1) % 510] for i in range(510)},
    }


ANY_VALUE = st.one_of(
    ANY_ARRAY,
    ANY_JSON,
    ANY_ARRAY.map(lambda array: {"data": array}),
    arrays.arrays("<f4", arrays.array_shapes(min_dims=2, max_dims=2)).map(sp.csr_matrix),
    st.dictionaries(st.integers(-2, 600), st.lists(st.integers(-2, 600), max_size=5)),
)


def changed_value(value: Any, draw: st.DataObject) -> Any:
    if isinstance(value, np.ndarray) and draw.draw(st.booleans()):
        return changed_array(value, draw)
    if sp.issparse(value) and draw.draw(st.booleans()):
        matrix = value.copy()
        name = draw.draw(st.sampled_from(["data", "indices", "indptr"]))
        setattr(matrix, name, changed_array(getattr(matrix, name), draw))
        size = st.sampled_from(NUMBERS)
        if draw.draw(st.booleans()):
            matrix._shape = draw.draw(st.one_of(st.tuples(size, size), ANY_JSON))
        return matrix
    return draw.draw(ANY_VALUE)


@given(draw=st.data())
@settings(max_examples=EXAMPLES)
def test_pickles(room: Path, draw: st.DataObject) -> None:
    raw, values = room / "raw", planetoid()
    raw.mkdir(exist_ok=True)
    part = draw.draw(st.sampled_from([*values, "test.index"]))
    act = draw.draw(st.sampled_from(["value", "bytes"]))
    if part in values and act == "value":
        values[part] = changed_value(values[part], draw)
    protocol = draw.draw(st.integers(0, 5)) if act == "value" else 2
    for name, value in values.items():
        content = pickle.dumps(value, protocol if name == part else 2)
        (raw / f"ind.cora.{name}").write_bytes(content)
    (raw / "ind.cora.test.index").write_text("508\n506\n509\n507\n")
    path = raw / f"ind.cora.{part}"
    if part == "test.index" or act == "bytes":
        path.write_bytes(damaged(path.read_bytes(), draw))
    load(lambda: load_planetoid(raw, "cora"))


# Folders in OGB's layout


def ogb() -> dict[str, str]:
    rows = range(NODES)
    return {
        "raw/num-node-list.csv.gz": f"{NODES}\n",
        "raw/num-edge-list.csv.gz": f"{NODES}\n",
        "raw/node-label.csv.gz": "".join(f"{i % 3}\n" for i in rows),
        "raw/edge.csv.gz": "".join(f"{i},{(i + 1) % NODES}\n" for i in rows),
        "raw/node-feat.csv.gz": "".join(f"{i}.5,-0.25\n" for i in rows),
        "split/time/train.csv.gz": "".join(f"{i}\n" for i in range(6)),
        "split/time/valid.csv.gz": "6\n7\n8\n",
        "split/time/test.csv.gz": "9\n10\n11\n",
    }


TOKENS = st.sampled_from(
    ["", ",", "\n", "-1", "1e9", "nan", "inf", "9" * 25, "a", '"', "0.5", "\0", "é"]
)


@given(draw=st.data())
@settings(max_examples=EXAMPLES)
def test_folders_of_tables(room: Path, draw: st.DataObject) -> None:
    pytest.importorskip("ogb")
    folder, texts = room / "tables", ogb()
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(gzip.compress(text.encode()))
    assert missing_files(folder) == []
    name = draw.draw(st.sampled_from(sorted(texts)))
    if draw.draw(st.booleans()):
        (folder / name).write_bytes(damaged((folder / name).read_bytes(), draw))
    else:
        lines = texts[name].splitlines(keepends=True)
        for _ in range(draw.draw(st.integers(1, 3))):
            lines.insert(draw.draw(st.integers(0, len(lines))), draw.draw(TOKENS))
            if draw.draw(st.booleans()):
                del lines[draw.draw(st.integers(0, len(lines) - 1))]
        (folder / name).write_bytes(gzip.compress("".join(lines).encode()))
    load(lambda: load_ogb(folder, "mine"))


@given(draw=st.data())
@settings(max_examples=EXAMPLES)
def test_what_lies_beside_tables(room: Path, draw: st.DataObject) -> None:
    """The mark of a synthetic graph, and the cache."""
    pytest.importorskip("ogb")
    folder = room / "beside"
    cache, mark = folder / "processed_gslt" / "data.safetensors", folder / "SYNTHETIC.json"
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in ogb().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(gzip.compress(text.encode()))
    first = load(lambda: load_ogb(folder, "mine"))
    assert first is not None
    content = cache.read_bytes()
    if draw.draw(st.booleans()):
        values = {"name": "a synthetic graph", "scale": 1, "seed": 0, "synthetic": True}
        values[draw.draw(st.sampled_from(sorted(values)))] = draw.draw(ANY_JSON)
        text = json.dumps(draw.draw(st.sampled_from([values, [values], values["name"]]))).encode()
        mark.write_bytes(damaged(text, draw) if draw.draw(st.booleans()) else text)
        load(lambda: load_ogb(folder, "mine"))
        return
    cache.write_bytes(damaged(content, draw))
    second = load(lambda: load_ogb(folder, "mine"))
    assert second is not None
    assert torch.equal(first.x, second.x)
    assert torch.equal(first.edge_index, second.edge_index)


def test_a_cache_that_was_made_up(room: Path) -> None:
    """One that says it fits: its numbers are checked as those of a data set are."""
    pytest.importorskip("ogb")
    folder = room / "made up"
    for name, text in ogb().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(gzip.compress(text.encode()))
    load_ogb(folder, "mine")
    cache = folder / "processed_gslt" / "data.safetensors"
    tensors = load_file(cache)
    tensors["edge_index"][0, 0] = 2**40
    save_file(tensors, cache, {"key": "another", "checksum": "another"})
    assert load(lambda: load_ogb(folder, "mine")) is not None
