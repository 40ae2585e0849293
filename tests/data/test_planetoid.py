"""The Planetoid files, on a network made by hand."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from gslt.data import load_dataset
from gslt.data.planetoid import raw_files
from gslt.errors import DataError

OTHERS, TESTS, TRAIN = 506, 4, 3


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """510 nodes: 3 to train, 500 to validate, 3 others, 4 to test; nodes 0 and 1 joined."""
    raw = tmp_path / "Cora" / "raw"
    raw.mkdir(parents=True)
    words = np.zeros((OTHERS, 4), dtype=np.float32)
    words[:, 0] = 1
    words[0] = [1, 1, 0, 2]
    words[2] = 0
    label = np.eye(7, dtype=np.int32)[np.arange(OTHERS) % 7]
    parts = {
        "allx": sp.csr_matrix(words),
        "x": sp.csr_matrix(words[:TRAIN]),
        "tx": sp.csr_matrix(np.diag([1, 2, 3, 4]).astype(np.float32)),
        "ally": label,
        "y": label[:TRAIN],
        "ty": np.eye(7, dtype=np.int32)[[6, 5, 4, 3]],
        "graph": {**{i: [] for i in range(OTHERS + TESTS)}, 0: [1, 1, 0], 1: [0]},
    }
    for part, value in parts.items():
        (raw / f"ind.cora.{part}").write_bytes(pickle.dumps(value))
    # Row k of tx belongs to the k-th smallest number: the order of this file says nothing.
    order = [508, 506, 509, 507]
    (raw / "ind.cora.test.index").write_text("".join(f"{node}\n" for node in order))
    return tmp_path


def test_by_hand(root: Path) -> None:
    data = load_dataset("Cora", root)
    facts = data.info()
    wanted = {
        "nodes": 510,
        "edges": 2,
        "self_loops": 0,
        "classes": 7,
        "train": 3,
        "val": 500,
        "test": 4,
    }
    assert {key: facts[key] for key in wanted} == wanted
    # Rows divided by their sums; a node without words keeps zeros.
    assert data.x[0].tolist() == [0.25, 0.25, 0, 0.5]
    assert data.x[2].tolist() == [0, 0, 0, 0]
    assert data.test_mask.nonzero().flatten().tolist() == [506, 507, 508, 509]


def test_loading_writes_nothing(root: Path) -> None:
    before = sorted(root.rglob("*"))
    assert [f.name for f in before if f.is_file()] == sorted(raw_files("cora"))
    load_dataset("cora", root)
    assert sorted(root.rglob("*")) == before


def test_missing_file(root: Path) -> None:
    (root / "Cora" / "raw" / "ind.cora.graph").unlink()
    with pytest.raises(DataError, match=r"cora lacks the file ind\.cora\.graph .*download cora"):
        load_dataset("cora", root)


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps({0: [600]})])
def test_damaged_file(root: Path, content: bytes) -> None:
    (root / "Cora" / "raw" / "ind.cora.graph").write_bytes(content)
    with pytest.raises(DataError, match="cora"):
        load_dataset("cora", root)
