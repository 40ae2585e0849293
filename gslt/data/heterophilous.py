"""The ``.npz`` layout of the heterophilous-graphs benchmark (Platonov et al. 2023, 2302.11640)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gslt.data.dataset import NodeDataset, count_classes, to_undirected
from gslt.errors import ConfigError, DataError
from gslt.files import read_npz, reading

SOURCE = "heterophilous-graphs benchmark (Platonov et al. 2023, arXiv 2302.11640), MIT licence"

_CURE = "fetch it again, or write it in the layout of the benchmark"
#: Graphs of two classes whose metric is ROC AUC in the benchmark (its section 4); of the others it
#: is accuracy.
_ROC_AUC = ("minesweeper", "tolokers", "questions")
_KEYS = ("node_features", "node_labels", "edges", "train_masks", "val_masks", "test_masks")


def load_heterophilous(path: Path, name: str, split: int = 0, source: str = SOURCE) -> NodeDataset:
    """Read one graph and one of its splits (the benchmark has ten).

    The file holds ``node_features (N, d)``, ``node_labels (N,)``, ``edges (E, 2)``, each undirected
    edge once or twice, and ``train_masks``, ``val_masks``, ``test_masks (splits, N)``. Features are
    taken as they are, edges stand in both directions afterwards. Nothing in it is unpickled. The
    metric is the benchmark's own, by name: ROC AUC of minesweeper, tolokers and questions.

    Args:
        path: the ``.npz`` file.
        name: of the data set.
        split: number of the split, from 0.
        source: one line: where the data comes from, and its licence where it is known.

    Raises:
        DataError: if the file is not of this layout.
        ConfigError: if it has no such split.
    """
    arrays = read_npz(path, _KEYS, _CURE)
    masks = _masks(arrays, path, split)
    with reading(path, DataError, "a graph of this layout", _CURE):
        _check_kinds(arrays)
        x = torch.from_numpy(arrays["node_features"].astype(np.float32))
        y = torch.from_numpy(arrays["node_labels"].astype(np.int64))
        classes = count_classes(y)
        return NodeDataset(
            name=name,
            x=x,
            edge_index=_edges(arrays["edges"], path, len(x)),
            y=y,
            train_mask=masks[0],
            val_mask=masks[1],
            test_mask=masks[2],
            num_classes=classes,
            source=source,
            split=split,
            metric="roc_auc" if name in _ROC_AUC and classes == 2 else "",
        )


def _check_kinds(arrays: dict[str, npt.NDArray[Any]]) -> None:
    for key, dimensions in (("node_features", 2), ("node_labels", 1)):
        array = arrays[key]
        if array.dtype.kind not in "biuf" or array.ndim != dimensions:
            raise ValueError(
                f"{key} is of type {array.dtype} and has {array.ndim} dimensions; it must be "
                f"numbers in {dimensions}"
            )


def _masks(arrays: dict[str, npt.NDArray[Any]], path: Path, split: int) -> list[torch.Tensor]:
    stacks = [arrays[f"{part}_masks"] for part in ("train", "val", "test")]
    if any(stack.ndim != 2 for stack in stacks) or len({len(stack) for stack in stacks}) != 1:
        shapes = ", ".join(str(stack.shape) for stack in stacks)
        raise DataError(
            f"{path.name}: the masks have shapes {shapes}; all three must be (splits, nodes)"
        )
    number = len(stacks[0])
    if not 0 <= split < number:
        raise ConfigError(
            f"split must lie in 0 … {number - 1} for {path.name}, which has {number} splits, "
            f"got {split}"
        )
    return [torch.from_numpy(stack[split].astype(bool)) for stack in stacks]


def _edges(edges: npt.NDArray[Any], path: Path, num_nodes: int) -> torch.Tensor:
    if edges.ndim != 2 or edges.shape[1] != 2 or edges.dtype.kind not in "iu":
        raise DataError(
            f"{path.name}: edges have shape {edges.shape} and type {edges.dtype}; "
            "they must be integers of shape (edges, 2)"
        )
    try:
        return to_undirected(torch.from_numpy(edges.astype(np.int64).T), num_nodes)
    except DataError as error:
        raise DataError(f"{path.name}: {error}") from None
