"""The Planetoid files, on a network made by hand, and on the real ones beside PyG's reader."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from gslt.cli import main
from gslt.data import load_dataset, to_undirected
from gslt.data.planetoid import load_planetoid, raw_files
from gslt.environment import import_quietly, quiet
from gslt.errors import ConfigError, DataError

# Of seven classes, three have a training node here.
pytestmark = [
    pytest.mark.filterwarnings("ignore::gslt.errors.DataWarning"),
    pytest.mark.usefixtures("any_counts"),
]

OTHERS, TESTS, TRAIN = 506, 4, 3
ROOT = os.environ.get("GSLT_DATA")
#: One list, which a pickle holds once however often it is named.
MANY = list(range(999))


def made_parts(classes: int = 7) -> dict[str, Any]:
    """510 nodes: 3 to train, 500 to validate, 3 others, 4 to test; nodes 0 and 1 joined."""
    words = np.zeros((OTHERS, 4), dtype=np.float32)
    words[:, 0] = 1
    words[0] = [1, 1, 0, 2]
    words[2] = 0
    label = np.eye(classes, dtype=np.int32)[np.arange(OTHERS) % classes]
    return {
        "allx": sp.csr_matrix(words),
        "x": sp.csr_matrix(words[:TRAIN]),
        "tx": sp.csr_matrix(np.array([[1, 0, 0, 0], [0, 2, 0, 0], [0, 1, 1, 0], [0, 0, 0, 4.0]])),
        "ally": label,
        "y": label[:TRAIN],
        "ty": np.eye(classes, dtype=np.int32)[[classes - 1, 5, 4, 3]],
        "graph": defaultdict(
            list, {**{i: [] for i in range(OTHERS + TESTS)}, 0: [1, 1, 0, 508], 1: [0]}
        ),
        # Row i of tx and ty belongs to the i-th node of this file.
        "test.index": [508, 506, 509, 507],
    }


def write(raw: Path, name: str, parts: dict[str, Any], protocol: int = 2) -> Path:
    raw.mkdir(parents=True, exist_ok=True)
    for part, value in parts.items():
        path = raw / f"ind.{name}.{part}"
        if part == "test.index":
            path.write_text("".join(f"{node}\n" for node in value))
        else:
            path.write_bytes(pickle.dumps(value, protocol))
    return raw


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "Cora" / "raw", "cora", made_parts())
    return tmp_path


def with_gap() -> dict[str, Any]:
    """As CiteSeer has it: of nodes 508 and 510 the files say nothing."""
    parts = made_parts(classes=6)
    parts["test.index"] = [509, 506, 511, 507]
    parts["graph"] = {i: [] for i in range(512)} | {0: [1, 509], 1: [0]}
    return parts


def test_by_hand(root: Path) -> None:
    data = load_dataset("Cora", root)
    facts = data.info()
    wanted = {
        "nodes": 510,
        "edges": 4,
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
    assert data.x[506:].tolist() == [[0, 1, 0, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0, 0.5, 0.5, 0]]
    assert data.y[506:].tolist() == [5, 3, 6, 4]
    assert data.edge_index.tolist() == [[1, 508, 0, 0], [0, 0, 1, 508]]
    assert data.train_mask.nonzero().flatten().tolist() == [0, 1, 2]
    assert data.val_mask.nonzero().flatten().tolist() == list(range(3, 503))
    assert data.test_mask.nonzero().flatten().tolist() == [506, 507, 508, 509]


def test_nodes_of_which_the_files_say_nothing(tmp_path: Path) -> None:
    data = load_planetoid(write(tmp_path, "citeseer", with_gap()), "citeseer")
    assert data.test_mask.nonzero().flatten().tolist() == [506, 507, 509, 511]
    assert data.x[[508, 510]].tolist() == [[0] * 4] * 2
    assert data.y[[508, 510]].tolist() == [-1, -1]
    assert data.x[509].tolist() == [1, 0, 0, 0]
    assert not torch.isin(torch.tensor([508, 510]), data.edge_index).any()


def assert_as_pyg(raw: Path, name: str) -> None:
    """PyG's reader unpickles, so it may see only files that are known to be harmless."""
    with quiet():
        theirs = import_quietly("torch_geometric.io").read_planetoid_data(str(raw), name)
    ours = load_planetoid(raw, name)
    # PyG gives nodes of which the files say nothing the class 0.
    of_nothing = ours.y < 0
    assert not theirs.x[of_nothing].any()
    theirs.y[of_nothing] = -1
    pairs = {
        "x": theirs.x / theirs.x.sum(dim=1, keepdim=True).clamp(min=1.0),
        "edge_index": to_undirected(theirs.edge_index, len(theirs.x)),
        **{key: theirs[key] for key in ("y", "train_mask", "val_mask", "test_mask")},
    }
    for key, value in pairs.items():
        assert getattr(ours, key).dtype == value.dtype, key
        assert torch.equal(getattr(ours, key), value), key


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    ("name", "parts"), [("cora", made_parts()), ("citeseer", with_gap())], ids=["cora", "citeseer"]
)
def test_made_files_as_pyg_reads_them(
    name: str, parts: dict[str, Any], protocol: int, tmp_path: Path
) -> None:
    assert_as_pyg(write(tmp_path, name, parts, protocol), name)


@pytest.mark.parametrize(("name", "folder"), [("cora", "Cora"), ("citeseer", "Citeseer")])
def test_real_files_as_pyg_reads_them(name: str, folder: str) -> None:
    raw = Path(ROOT or "") / "planetoid" / folder / "raw"
    if ROOT is None or not raw.is_dir():
        pytest.skip(f"{name} is not there; set GSLT_DATA to the folder that holds it")
    assert_as_pyg(raw, name)


def test_loading_writes_nothing(root: Path) -> None:
    before = sorted(root.rglob("*"))
    assert [f.name for f in before if f.is_file()] == sorted(raw_files("cora"))
    load_dataset("cora", root)
    assert sorted(root.rglob("*")) == before


def test_missing_file(root: Path) -> None:
    (root / "Cora" / "raw" / "ind.cora.graph").unlink()
    with pytest.raises(DataError, match=r"cora lacks the file ind\.cora\.graph .*download cora"):
        load_dataset("cora", root)


class Attack:
    """Pickled, it makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.mark),))


@pytest.mark.parametrize("part", [part for part in made_parts() if part != "test.index"])
def test_code_in_a_file_does_not_run(root: Path, part: str) -> None:
    mark, file = root / "ran", root / "Cora" / "raw" / f"ind.cora.{part}"
    file.write_bytes(pickle.dumps(Attack(mark)))
    with pytest.raises(
        DataError, match=rf"ind\.cora\.{part}' is damaged .*asks for '(posix|nt|os) mkdir', which"
    ):
        load_dataset("cora", root)
    assert not mark.exists()
    pickle.loads(file.read_bytes())
    assert mark.exists(), "the attack works on a reader that calls what it is told"


def test_processed_files_are_not_looked_at(root: Path) -> None:
    mark, processed = root / "ran", root / "Cora" / "processed"
    processed.mkdir()
    for name in ("data.pt", "pre_filter.pt", "pre_transform.pt"):
        (processed / name).write_bytes(pickle.dumps(Attack(mark)))
    load_dataset("cora", root)
    assert not mark.exists()


@pytest.mark.slow
def test_commands_run_no_code_of_a_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ticket that says "cora" was once enough to run what lay in ./dataset."""
    commands = [
        ["search", "--dataset", "cora", "--num_layers", "2", "--hidden_channels", "4"],
        ["evaluate", "run/ticket.safetensors"],
        ["data", "info", "cora"],
    ]
    commands[0] += ["--epochs", "1", "--out", "run"]
    mark, raw = root / "ran", root / "dataset" / "Cora" / "raw"
    write(raw, "cora", made_parts())
    environment = {key: value for key, value in os.environ.items() if key != "GSLT_DATA"}

    def gslt(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "gslt", *command],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
        )

    monkeypatch.delenv("GSLT_DATA", raising=False)
    monkeypatch.chdir(root)
    assert main(commands[0]) == 0
    for file in raw.glob("*[a-z]"):
        file.write_bytes(pickle.dumps(Attack(mark)))
    for command in commands[1:]:
        done = gslt(*command)
        assert done.returncode == 2
        assert "which could run code" in done.stderr
        assert "Traceback" not in done.stderr
        assert not mark.exists()


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps({0: [600]})])
def test_damaged_file(root: Path, content: bytes) -> None:
    (root / "Cora" / "raw" / "ind.cora.graph").write_bytes(content)
    with pytest.raises(DataError, match="cora"):
        load_dataset("cora", root)


def sparse(shape: tuple[int, int], **changes: Any) -> sp.csr_matrix:
    """A sparse matrix that claims what it is told, as a file may."""
    matrix = sp.csr_matrix(np.zeros((2, 2), dtype=np.float32))
    for name, value in {"_shape": shape, **changes}.items():
        setattr(matrix, name, value)
    return matrix


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"allx": sparse((2, 10**9))}, "more than 1024 times as large as the file"),
        ({"allx": sparse((-2, -2))}, "ind.cora.allx' is damaged"),
        ({"allx": sparse((2, 2), indices=np.array([0, 7]))}, "ind.cora.allx' is damaged"),
        ({"allx": sparse((2, 2), indptr=np.array([0, 9, 9]))}, "ind.cora.allx' is damaged"),
        ({"allx": sparse((2, 2), data="no numbers")}, "a part that is no array"),
        ({"allx": [1, 2]}, "it holds no matrix"),
        ({"allx": np.zeros(3)}, "it holds no matrix"),
        ({"tx": np.full((4, 4), np.nan)}, "a number that is not finite"),
        ({"tx": np.zeros((4, 5))}, "the rows of allx and tx have different lengths"),
        ({"tx": np.zeros((3, 4))}, "tx holds 3 nodes and ty 4"),
        ({"ally": np.zeros((3, 7))}, "allx holds 506 nodes and ally 3"),
        ({"y": np.eye(7)}, "too few for 7 to train on and 500 to validate on"),
        ({"graph": [[1], [0]]}, "no dict of lists"),
        ({"graph": {0: (1,)}}, "no dict of lists"),
        ({"graph": {0: [2**40]}}, "no number from 0 to 0"),
        ({"graph": {0: ["1"]}}, "no number from 0 to 0"),
        ({"graph": {"0": [0]}}, "no number from 0 to 0"),
        ({"graph": {0: [True]}}, "no number from 0 to 0"),
        ({"graph": dict.fromkeys(range(999), MANY)}, "many times over"),
        ({"graph": {i: [] for i in range(99)}}, r"test\.index\[0\] is 508; nodes are numbered 0"),
        ({"test.index": [506, 507, 508, 508]}, "test.index names node 508 twice"),
        ({"test.index": [506, 507, 508, 999999999]}, "999999999; nodes are numbered 0 … 509"),
        ({"test.index": [505, 507, 508, 509]}, "from 506, the size of allx, to 509, the last node"),
        ({"test.index": [506, 507, 508, 10**12]}, "a node number a line"),
        ({"test.index": [-506, 507, 508, 509]}, "a node number a line"),
        ({"test.index": ["506.5", 507, 508, 509]}, "a node number a line"),
        ({"test.index": []}, "a node number a line"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else next(iter(value)),
)
def test_files_that_make_no_network(root: Path, changes: dict[str, Any], sentence: str) -> None:
    write(root / "Cora" / "raw", "cora", changes)
    with pytest.raises(DataError, match=sentence):
        load_dataset("cora", root)


def test_file_of_any_size_is_not_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GSLT_LIMITS", "file_bytes=1000")
    with pytest.raises(ConfigError, match="more than the limit of 1,000"):
        load_dataset("cora", root)


def test_a_pipe_is_no_file(root: Path) -> None:
    file = root / "Cora" / "raw" / "ind.cora.x"
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(DataError, match=r"lacks the file ind\.cora\.x"):
        load_dataset("cora", root)
