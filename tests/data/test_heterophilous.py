"""The .npz layout of the heterophilous-graphs benchmark, on a graph made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gslt.data import load_dataset
from gslt.data.heterophilous import load_heterophilous
from gslt.errors import ConfigError, DataError

# Of the two classes of the graph made by hand, one node each is in a split.
pytestmark = pytest.mark.filterwarnings("ignore::gslt.errors.DataWarning")


def write(path: Path, **changes: Any) -> Path:
    masks = np.eye(3, dtype=bool)
    arrays: dict[str, Any] = {
        "node_features": np.arange(6, dtype=np.float64).reshape(3, 2),
        "node_labels": np.array([0, 1, 1], dtype=np.int32),
        "edges": np.array([[0, 1], [1, 2], [2, 1]]),
        "train_masks": masks[[0, 1]],
        "val_masks": masks[[1, 2]],
        "test_masks": masks[[2, 0]],
        **changes,
    }
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


def test_by_hand(tmp_path: Path) -> None:
    data = load_dataset(str(write(tmp_path / "mine.npz")), split=1)
    assert data.name == "mine"
    assert data.x.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert data.edge_index.tolist() == [[1, 0, 2, 1], [0, 1, 1, 2]]
    assert data.y.tolist() == [0, 1, 1]
    assert data.num_classes == 2
    assert [mask.tolist().index(True) for mask in data.splits.values()] == [1, 2, 0]


@pytest.mark.parametrize("split", [-1, 2])
def test_split_out_of_range(tmp_path: Path, split: int) -> None:
    path = write(tmp_path / "mine.npz")
    with pytest.raises(ConfigError, match=rf"split must lie in 0 … 1 .* got {split}"):
        load_heterophilous(path, "mine", split)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"edges": None}, r"mine\.npz' .*it has no array 'edges'"),
        (
            {"edges": np.array([[0, 1], [1, 3]])},
            r"edge 1 is \(1, 3\), but nodes are numbered 0 … 2",
        ),
        ({"edges": np.zeros((2, 3), dtype=int)}, r"edge_index has shape \(2, 3\)"),
        ({"edges": np.full((3, 2), 0.5)}, r"edge_index\[0, 0\] is 0.5"),
        ({"train_masks": np.ones(3, dtype=bool)}, r"train_masks has shape \(3,\)"),
        ({"train_masks": np.eye(3)[:, :2]}, r"train_masks has shape \(3, 2\)"),
        ({"val_masks": np.full((2, 3), np.nan)}, r"val_mask\[0\] is nan; a mask holds"),
        ({"val_masks": np.full((2, 3), 2)}, r"val_mask\[0\] is 2; a mask holds"),
        ({"node_labels": np.array([0, 0.5, 1])}, r"y\[1\] is 0.5; labels must be whole"),
        ({"node_features": np.array([["a"], ["b"], ["c"]])}, r"x\[0, 0\] is 'a'"),
        ({"node_labels": np.array([0, 1, object()])}, "node_labels.npy holds object"),
        (
            {"node_labels": np.array([0, 1, 2**40])},
            r"y\[2\] is 1099511627776 in a graph of 3 nodes",
        ),
        ({"node_labels": np.zeros((1, 3, 1), int)}, "train_masks has shape"),
        ({"node_features": np.zeros((3, 1, 1))}, r"x has shape \(3, 1, 1\)"),
        ({"node_features": np.zeros((3, 2), complex)}, "of type complex128"),
    ],
)
def test_broken_files(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    path = write(tmp_path / "mine.npz", **changes)
    with pytest.raises(DataError, match=sentence):
        load_dataset(str(path))


def test_torn_file(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.npz")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"mine\.npz' is damaged .* fetch it again"):
        load_dataset(str(path))


def write_binary(path: Path) -> Path:
    """Both classes in every split."""
    pairs = np.repeat(np.eye(3, dtype=bool), 2, axis=1)[None]
    masks = {f"{split}_masks": pairs[:, i] for i, split in enumerate(("train", "val", "test"))}
    x = np.arange(6, dtype=np.float64)[:, None]
    return write(path, node_features=x, node_labels=np.array([0, 1] * 3), **masks)


@pytest.mark.usefixtures("any_counts")
def test_minesweeper_is_called_synthetic(tmp_path: Path) -> None:
    write_binary(tmp_path / "minesweeper.npz")
    assert load_dataset("minesweeper", tmp_path).synthetic
    by_path = str(tmp_path / "minesweeper.npz")
    for option in ("", "?undirected=false"):
        assert load_dataset(f"{by_path}{option}").synthetic
    assert not load_dataset(str(write_binary(tmp_path / "mine.npz"))).synthetic


@pytest.mark.usefixtures("any_counts")
@pytest.mark.parametrize("name", ["minesweeper", "tolokers", "questions"])
def test_the_metric_of_the_benchmark(tmp_path: Path, name: str) -> None:
    path = write_binary(tmp_path / f"{name}.npz")
    by_name, by_path = load_dataset(name, tmp_path), load_dataset(str(path))
    assert (by_name.metric, by_path.metric) == ("roc_auc", "roc_auc")
    assert by_name.majority_rate() == {"train": 0.5, "val": 0.5, "test": 0.5}
    mine = load_dataset(str(write_binary(tmp_path / "mine.npz")))
    assert (mine.metric, mine.metric_label) == ("accuracy", "accuracy")


@pytest.mark.usefixtures("any_counts")
def test_the_metric_of_the_benchmark_stays_when_an_option_is_given(tmp_path: Path) -> None:
    path = write_binary(tmp_path / "tolokers.npz")
    for option in ("undirected=false", "y=node_labels", "x=node_features"):
        assert load_dataset(f"{path}?{option}").metric == "roc_auc", option
    assert load_dataset(str(path), metric="accuracy").metric == "accuracy"
    mine = write_binary(tmp_path / "mine.npz")
    assert load_dataset(f"{mine}?undirected=false").metric == "accuracy"
    assert load_dataset(f"{mine}?metric=roc_auc").metric == "roc_auc"
    with pytest.raises(ConfigError, match=r"^metric must be 'accuracy' or 'roc_auc' .* got 'auc'"):
        load_dataset(str(mine), metric="auc")
    with pytest.raises(ConfigError, match="metric is for tables and single files"):
        load_dataset("tolokers", tmp_path, metric="accuracy")
    # Another graph of that name: three classes have no ROC AUC.
    many = write(tmp_path / "questions.npz", node_labels=np.arange(3))
    assert load_dataset(f"{many}?undirected=false").metric == "accuracy"


def test_what_was_asked_for_is_no_other_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_binary(tmp_path / "tolokers.npz")
    known = {"nodes": 6, "edges": load_dataset(str(path.rename(tmp_path / "a.npz"))).num_edges}
    monkeypatch.setattr("gslt.data.published.COUNTS", {"tolokers": known})
    path = str(write_binary(tmp_path / "tolokers.npz"))
    assert load_dataset("tolokers", tmp_path).name == "tolokers"
    # Its edges are fewer then.
    data = load_dataset(path, undirected=False)
    assert data.num_edges < known["edges"]
    assert data.name == "tolokers"
