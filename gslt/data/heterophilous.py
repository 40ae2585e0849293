"""The ``.npz`` layout of the heterophilous-graphs benchmark (Platonov et al. 2023, 2302.11640)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from gslt.data.dataset import SPLITS, NodeDataset
from gslt.data.parts import Parts, assemble, reading_parts
from gslt.errors import DataError
from gslt.files import npz_names, read_npz

SOURCE = "heterophilous-graphs benchmark (Platonov et al. 2023, arXiv 2302.11640), MIT licence"

_CURE = "fetch it again, or write it in the layout of the benchmark"
#: Graphs of two classes whose metric is ROC AUC in the benchmark (its section 4); of the others it
#: is accuracy.
_ROC_AUC = ("minesweeper", "tolokers", "questions")
_KEYS = ("node_features", "node_labels", "edges", "train_masks", "val_masks", "test_masks")


def is_heterophilous(path: Path) -> bool:
    """Whether a ``.npz`` file names two of features, labels and edges as the benchmark does."""
    return len(set(_KEYS[:3]) & set(npz_names(path, _CURE))) >= 2


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
    with reading_parts(path, "a graph of this layout", _CURE):
        masks: dict[str, Any] = {f"{part}_mask": arrays[f"{part}_masks"] for part in SPLITS}
        nodes = arrays["node_labels"].shape[:1]
        for key, mask in masks.items():
            if mask.ndim != 2 or mask.shape[1:] != nodes:
                raise DataError(
                    f"{key}s has shape {mask.shape}; it must be (splits, nodes), one for each label"
                )
        parts = Parts(
            x=arrays["node_features"],
            y=arrays["node_labels"],
            edge_index=arrays["edges"],
            edge_rows=True,
            undirected=True,
            **masks,
        )
        return with_benchmark_metric(assemble(parts, name=name, split=split, source=source), name)


def with_benchmark_metric(data: NodeDataset, name: str) -> NodeDataset:
    """The data set with the metric that the benchmark has for a graph of this name.

    Args:
        data: of a file of the benchmark's layout, however it was read.
        name: of the graph in the benchmark.
    """
    two = name in _ROC_AUC and data.num_classes == 2 and data.task == "multiclass"
    return replace(data, metric="roc_auc") if two else data
