"""Cornell, Texas and Wisconsin of WebKB, as Geom-GCN has them (Pei et al. 2020, 2002.05287)."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gslt.data.dataset import NodeDataset
from gslt.data.parts import Parts, assemble, reading_parts
from gslt.errors import ConfigError, DataError
from gslt.files import read_npz, read_text

SOURCE = (
    "WebKB web pages of universities (Craven et al. 1998), as prepared by Geom-GCN (Pei et al. "
    "2020, arXiv 2002.05287), where Cornell and Texas have the same features and labels; no "
    "licence stated"
)
NAMES = ("cornell", "texas", "wisconsin")
NODES, EDGES = "out1_node_feature_label.txt", "out1_graph_edges.txt"
NUM_SPLITS = 10
NUM_CLASSES = 5


def webkb_files(name: str) -> list[str]:
    """Names of the files of one network: nodes, edges and ten splits.

    >>> webkb_files("texas")[2]
    'texas_split_0.6_0.2_0.npz'
    """
    return [NODES, EDGES, *(f"{name}_split_0.6_0.2_{i}.npz" for i in range(NUM_SPLITS))]


def load_webkb(folder: Path, name: str, split: int = 0) -> NodeDataset:
    """Read one network from its folder, with one of its ten splits.

    A node is a page with its bag of words (0 or 1), an edge a link from page to page: edges keep
    their direction, as in PyG, and each stands once.

    Args:
        folder: what holds the files of :func:`webkb_files`.
        name: ``"cornell"``, ``"texas"`` or ``"wisconsin"``.
        split: its number, from 0.

    Raises:
        DataError: if a file is missing or damaged.
        ConfigError: if there is no such split.
    """
    if not 0 <= split < NUM_SPLITS:
        raise ConfigError(f"split must lie in 0 … {NUM_SPLITS - 1} for {name}, got {split}")
    cure = f"remove its files and run `gslt data download {name}`"
    files = webkb_files(name)
    for file in (*files[:2], files[2 + split]):
        if not (folder / file).is_file():
            raise DataError(
                f"{name} lacks the file {file} in {folder}; "
                f"fetch it with `gslt data download {name}`"
            )
    with reading_parts(folder / NODES, f"a file of {name}", cure):
        x, y = _nodes(read_text(folder / NODES))
    with reading_parts(folder / EDGES, f"a file of {name}", cure):
        edge_index = _edges(read_text(folder / EDGES))
    keys = ("train_mask", "val_mask", "test_mask")
    masks: dict[str, Any] = read_npz(folder / files[2 + split], keys, cure)
    with reading_parts(folder, f"a folder of {name}", cure):
        if any(mask.shape != (len(y),) for mask in masks.values()):
            raise ValueError(f"the masks of {files[2 + split]} are not of {len(y)} nodes")
        parts = Parts(x=x, y=y, edge_index=edge_index, undirected=False, **masks)
        data = assemble(parts, name=name, num_classes=NUM_CLASSES, source=SOURCE)
    return dataclasses.replace(data, split=split)


def _lines(text: str, header: str, columns: int) -> list[list[str]]:
    first, *lines = text.rstrip("\n").split("\n")
    if first.split("\t") != header.split("\t"):
        raise ValueError(f"its first line is {first[:100]!r}, not {header!r}")
    rows = [line.split("\t") for line in lines]
    for number, row in enumerate(rows, 2):
        if len(row) != columns:
            raise ValueError(f"line {number} has {len(row)} columns, not {columns}")
    return rows


def _nodes(text: str) -> tuple[torch.Tensor, list[str]]:
    rows = _lines(text, "node_id\tfeature\tlabel", 3)
    if [row[0] for row in rows] != [str(i) for i in range(len(rows))]:
        raise ValueError("the nodes are not numbered 0, 1, … in this order")
    words = {row[1].count(",") for row in rows}
    if len(words) != 1:
        raise ValueError("the nodes have different numbers of features")
    wrong = {bit for row in rows for bit in row[1].split(",")} - {"0", "1"}
    if wrong:
        raise ValueError(f"{min(wrong)[:100]!r} among the features is neither 0 nor 1")
    bits = np.array([row[1].split(",") for row in rows], dtype="U1")
    return torch.from_numpy((bits == "1").astype(np.float32)), [row[2] for row in rows]


def _edges(text: str) -> torch.Tensor:
    rows = _lines(text, "node_id\tnode_id", 2)
    for number, row in enumerate(rows, 2):
        if not all(end.isascii() and end.isdigit() and len(end) < 10 for end in row):
            raise ValueError(f"line {number} does not name two nodes")
    edges = torch.tensor([[int(end) for end in row] for row in rows]).reshape(-1, 2)
    once: torch.Tensor = torch.unique(edges, dim=0)
    return once.T.contiguous()
