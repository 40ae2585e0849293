"""Files of one graph, each read by its kind, and what a user may have to say about them.

:data:`READERS` is the table: a new format is one row of it. A reader gives the parts of a graph as
they stand in the file; :func:`gslt.data.unsplit.assemble_read` makes a data set of them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import torch
from torch import Tensor

from gslt.data import roles
from gslt.data.convert import network_parts
from gslt.data.dataset import NodeDataset
from gslt.data.heterophilous import is_heterophilous, with_benchmark_metric
from gslt.data.matrices import read_archive, read_mat, read_saved
from gslt.data.networks import PARSERS, read_network
from gslt.data.options import ReadOptions
from gslt.data.parts import Parts, reading_parts
from gslt.data.stored import ENDING, read_stored
from gslt.data.unsplit import assemble_read
from gslt.errors import ConfigError, DataWarning, warn

#: From the file and what is said of it: the parts of its graph.
Reader = Callable[[Path, ReadOptions], Parts]


def _read_network(path: Path, options: ReadOptions) -> Parts:
    return network_parts(read_network(path), options.x, options.y)


#: How a file is read, by the ending of its name.
READERS: dict[str, Reader] = {
    ".npz": lambda path, options: read_archive(path, options.x, options.y),
    ".mat": lambda path, options: read_mat(path, options.x, options.y),
    ".pt": lambda path, options: read_saved(path, options.x, options.y),
    ".pth": lambda path, options: read_saved(path, options.x, options.y),
    **dict.fromkeys(PARSERS, _read_network),
}
#: Endings of the names of all files that are read.
ENDINGS = (*READERS, ENDING)
_CURE = "see the formats in the documentation of gslt.load_dataset"


def read_file(path: Path, split: int, options: ReadOptions) -> NodeDataset:
    """Read a file of one graph.

    Args:
        path: the file; the ending of its name is among :data:`ENDINGS`.
        split: which of several splits; the seed of a random one.
        options: what is said of it.

    Raises:
        DataError: if it is damaged, lacks a part, or breaks a rule of ``NodeDataset``.
        ConfigError: if it has no such split, or an option does not fit.
        MissingPackageError: if it needs a package that is not installed.
    """
    ending, source = path.suffix.lower(), f"file {path.name}"
    if ending == ENDING:
        return _read_own(path, split, options)
    parts = READERS[ending](path, options)
    with reading_parts(path, "a graph", _CURE):
        data = assemble_read(parts, name=path.stem, split=split, source=source, options=options)
        if options.metric is None and ending == ".npz" and is_heterophilous(path):
            data = with_benchmark_metric(data, path.stem)
        if options.undirected is None and parts.undirected:
            tell_direction(parts, data)
    return data


def tell_direction(parts: Parts, data: NodeDataset) -> None:
    """Warn where edges of an undirected layout have a direction after all: some go one way only.

    Args:
        parts: of the file.
        data: what was made of them, with every edge in both directions.
    """
    given = roles.edges(parts.edge_index, data.num_nodes, rows=parts.edge_rows)
    source, target = given[:, given[0] != given[1]]
    key = torch.unique(target * data.num_nodes + source)
    alone = ~torch.isin(key % data.num_nodes * data.num_nodes + key // data.num_nodes, key)
    if 0 < int(alone.sum()) < len(key):
        warn(
            f"data set {data.name!r}: {int(alone.sum()):,} of {len(key):,} edges have no reverse, "
            "so they have a direction, it seems; each stands in both directions now, as is usual "
            "for this layout; undirected=False leaves them as they are",
            DataWarning,
        )


# gslt's own file

#: The fields of a data set that are no tensors and can be stored, with their types.
_KINDS = {
    name: kind
    for name, kind in get_type_hints(NodeDataset).items()
    if kind is not Tensor and name != "evaluator"
}


def _read_own(path: Path, split: int, options: ReadOptions) -> NodeDataset:
    if options.given:
        name = next(iter(options.given))
        raise ConfigError(
            f"{path.name} holds a data set as it was stored; leave {name} out, or convert its "
            "source with it"
        )
    fields: dict[str, Any]
    fields, tensors = read_stored(path, _KINDS)
    with reading_parts(path, "a data set of gslt", _CURE):
        data = NodeDataset(**{**fields, **tensors})
    if split not in (0, data.split):
        raise ConfigError(
            f"{path.name} holds split {data.split} alone, got split {split}; convert its source "
            f"with --split {split}"
        )
    return data
