"""Graphs without a split of their own, such as Amazon, Coauthor (Shchur et al. 2018) and Twitch.

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
from gslt.data.dataset import SPLITS, NodeDataset
from gslt.data.matrices import read_archive
from gslt.data.options import AS_IT_STANDS, ReadOptions
from gslt.data.parts import Parts, assemble, reading_parts
from gslt.environment import check_limit
from gslt.errors import DataError, DataWarning, listed, warn
from gslt.files import read_npz

SHCHUR_SOURCE = (
    "gnn-benchmark (Shchur et al. 2018, arXiv 1811.05868; Amazon: McAuley et al. 2015, Coauthor: "
    "Microsoft Academic Graph), MIT licence"
)
TWITCH_SOURCE = "Twitch gamers (Rozemberczki et al. 2019, MUSAE, arXiv 1909.13021), as in PyG"
#: Of training, validation and test nodes, where nobody says.
FRACTIONS = (0.6, 0.2, 0.2)
_CURE = "fetch it again"
_MASKS = tuple(f"{split}_mask" for split in SPLITS)


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
    y = parts.y
    if roles.node_of_several(y) is None:
        y, _ = roles.labels(y, names=parts.class_names)
    shares = " / ".join(f"{100 * each:g}" for each in fractions or FRACTIONS)
    said = f"split at random within each class ({shares} %, seed {split})"
    if fractions is None:
        warn(f"there is no split of its own: nodes are {said}", DataWarning)
    masks: dict[str, Any] = dict(random_split(y, fractions or FRACTIONS, split))
    return dataclasses.replace(parts, **masks), said


def assemble_read(
    parts: Parts, *, name: str, split: int, source: str, options: ReadOptions = AS_IT_STANDS
) -> NodeDataset:
    """The data set of parts that were read: with a split of their own, or else a random one.

    Args:
        parts: as they stand in a file.
        name: of the data set.
        split: which of several splits; the seed of a random one.
        source: one line: where the data comes from.
        options: what the user says of it; fractions ask for a random split in any case.

    Raises:
        DataError: see :func:`gslt.data.parts.assemble`.
        ConfigError: if there is no such split, or an option does not fit.
    """
    there = [name for name in _MASKS if getattr(parts, name) is not None]
    if options.fractions is None and there and len(there) < len(_MASKS):
        lacking = [name for name in _MASKS if name not in there]
        raise DataError(
            f"there is {listed(there)} and no {listed(lacking)}; give all three, or have nodes "
            "split at random: fractions=(0.6, 0.2, 0.2)"
        )
    if options.fractions is None and not there and parts.split_like:
        raise DataError(
            f"a split may be told by {listed([repr(name) for name in parts.split_like])}, which is "
            "not understood; give train_mask, val_mask and test_mask, or have nodes split at "
            "random: fractions=(0.6, 0.2, 0.2)"
        )
    is_random = options.fractions is not None or not there
    if is_random:
        parts, said = with_random_split(parts, split, options.fractions)
        source = f"{source}; {said}"
    data = assemble(
        parts,
        name=name,
        split=0 if is_random else split,
        undirected=options.undirected,
        source=source,
        features=options.features,
        metric=options.metric or "",
    )
    return dataclasses.replace(data, split=split) if is_random else data


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
    parts = read_archive(path, None, None)
    with reading_parts(path, "a file of gnn-benchmark", _CURE):
        if not sp.issparse(parts.x):
            raise ValueError("it has no sparse matrix of features")
        check_limit("inflated_bytes", 4 * parts.x.shape[0] * parts.x.shape[1], "the features have")
        parts.x = (parts.x > 0).astype(np.float32).toarray()
        parts.edge_index = parts.edge_index[:, parts.edge_index[0] != parts.edge_index[1]]
        return assemble_read(parts, name=name, split=split, source=SHCHUR_SOURCE)


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
        return assemble_read(parts, name=name, split=split, source=TWITCH_SOURCE)
