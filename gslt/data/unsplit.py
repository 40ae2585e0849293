"""Data sets without a split of their own: Amazon, Coauthor (Shchur et al. 2018) and Twitch.

They are split at random within each class, and a warning says so: published figures are means over
such splits, and no two papers have the same.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from gslt.data import roles
from gslt.data.convert import random_split
from gslt.data.dataset import NodeDataset
from gslt.data.parts import Parts, assemble, reading_parts
from gslt.environment import check_limit
from gslt.errors import DataWarning, warn
from gslt.files import read_npz

SHCHUR_SOURCE = (
    "gnn-benchmark (Shchur et al. 2018, arXiv 1811.05868; Amazon: McAuley et al. 2015, Coauthor: "
    "Microsoft Academic Graph), MIT licence"
)
TWITCH_SOURCE = "Twitch gamers (Rozemberczki et al. 2019, MUSAE, arXiv 1909.13021), as in PyG"
#: Of training, validation and test nodes, where nobody says.
FRACTIONS = (0.6, 0.2, 0.2)
_CURE = "fetch it again"
_MATRICES = tuple(
    f"{matrix}_{part}"
    for matrix in ("adj", "attr")
    for part in ("data", "indices", "indptr", "shape")
)


def with_random_split(
    parts: Parts, split: int, fractions: tuple[float, float, float] | None = None
) -> tuple[Parts, str]:
    """The parts of a graph with a random split within each class, and one line that says so.

    Args:
        parts: without masks.
        split: the seed.
        fractions: of training, validation and test nodes; None takes :data:`FRACTIONS`, and a
            :class:`gslt.errors.DataWarning` says so.

    Raises:
        DataError: if the labels are none. ConfigError: if the fractions are none.
    """
    y, _ = roles.labels(parts.y, names=parts.class_names)
    shares = " / ".join(f"{100 * each:g}" for each in fractions or FRACTIONS)
    said = f"split at random within each class ({shares} %, seed {split})"
    if fractions is None:
        warn(f"there is no split of its own: nodes are {said}", DataWarning)
    masks: dict[str, Any] = dict(random_split(y, fractions or FRACTIONS, split))
    return dataclasses.replace(parts, **masks), said


def load_shchur(path: Path, name: str, split: int = 0) -> NodeDataset:
    """Read one of Amazon's or Coauthor's graphs as PyG does.

    Words are 0 or 1, self-loops are left out, and edges stand in both directions.

    Args:
        path: the ``.npz`` file of gnn-benchmark.
        name: of the data set.
        split: seed of the random split.

    Raises:
        DataError: if the file is damaged.
        ConfigError: if it is larger than the limit.
    """
    arrays = read_npz(path, (*_MATRICES, "labels"), _CURE)
    with reading_parts(path, "a file of gnn-benchmark", _CURE):
        matrices = {}
        for matrix in ("adj", "attr"):
            data, indices, indptr, shape = (
                arrays[f"{matrix}_{p}"] for p in ("data", "indices", "indptr", "shape")
            )
            if shape.shape != (2,) or shape.dtype.kind not in "iu":
                raise ValueError(f"{matrix}_shape is no pair of whole numbers")
            made = sp.csr_matrix((data, indices, indptr), shape=tuple(map(int, shape)))
            made.check_format(full_check=True)
            matrices[matrix] = made
        edges, words = matrices["adj"].tocoo(), matrices["attr"]
        if edges.shape[0] != edges.shape[1] or edges.shape[0] != words.shape[0]:
            raise ValueError(f"edges have shape {edges.shape}, and features {words.shape}")
        check_limit("inflated_bytes", 4 * words.shape[0] * words.shape[1], "the features have")
        joining = edges.row != edges.col
        parts = Parts(
            x=(words > 0).astype(np.float32).toarray(),
            y=arrays["labels"],
            edge_index=np.stack([edges.row[joining], edges.col[joining]]).astype(np.int64),
            undirected=True,
        )
        return _made(parts, name, split, SHCHUR_SOURCE)


def load_twitch(path: Path, name: str, split: int = 0) -> NodeDataset:
    """Read one of Twitch's graphs, from the file that PyG has: ``features, target, edges``.

    Args:
        path: the ``.npz`` file.
        name: of the data set.
        split: seed of the random split.

    Raises:
        DataError: if the file is damaged.
        ConfigError: if it is larger than the limit.
    """
    arrays = read_npz(path, ("features", "target", "edges"), _CURE)
    with reading_parts(path, "a file of Twitch", _CURE):
        parts = Parts(
            x=arrays["features"],
            y=arrays["target"],
            edge_index=arrays["edges"],
            edge_rows=True,
            undirected=True,
        )
        return _made(parts, name, split, TWITCH_SOURCE)


def _made(parts: Parts, name: str, split: int, source: str) -> NodeDataset:
    parts, said = with_random_split(parts, split)
    data = assemble(parts, name=name, source=f"{source}; {said}")
    return dataclasses.replace(data, split=split)
