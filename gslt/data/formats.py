"""Files of one graph, each read by its kind, and what a user may have to say about them.

:data:`READERS` is the table: a new format is one row of it. A reader gives the parts of a graph as
they stand in the file; :func:`read_file` adds a random split where there is none and lets
:func:`gslt.data.parts.assemble` check and convert them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import parse_qsl, urlencode

import torch
from torch import Tensor

from gslt.data import roles
from gslt.data.convert import network_parts
from gslt.data.dataset import NodeDataset
from gslt.data.matrices import read_archive, read_mat, read_saved
from gslt.data.networks import PARSERS, read_network
from gslt.data.parts import Parts, assemble, reading_parts
from gslt.data.stored import ENDING, read_stored
from gslt.data.unsplit import with_random_split
from gslt.errors import ConfigError, DataWarning, warn

Fractions = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How a file is read, where it does not say so itself or is to be read otherwise."""

    x: str | None = None
    """Name of the features in the file; of a GraphML, GML or JSON file also several node
    attributes, with commas between them."""
    y: str | None = None
    """Name of the labels in the file."""
    features: str | None = None
    """Features that are made where the file has none: degree, one-hot, constant or spectral."""
    undirected: bool | None = None
    """True adds the reverse of every edge, False leaves the edges as they are; default: as the
    format has it."""
    fractions: Fractions | None = None
    """Split at random within each class, with the number of the split as the seed, into fractions
    of training, validation and test nodes; default: the file's split, or else 0.6, 0.2, 0.2."""

    def __post_init__(self) -> None:
        if self.fractions is not None:
            object.__setattr__(self, "fractions", tuple(map(float, self.fractions)))

    @property
    def given(self) -> dict[str, Any]:
        """Those that differ from the defaults."""
        return {name: v for name, v in vars(self).items() if v is not None}


#: From the file and what is said of it: the parts of its graph.
Reader = Callable[[Path, ReadOptions], Parts]


def _read_network(path: Path, options: ReadOptions) -> Parts:
    graph = read_network(path)
    x = options.x
    if x is not None and "," in x:
        names, x = x.split(","), "features"
        for _, attributes in graph.nodes(data=True):
            attributes[x] = [attributes.get(name) for name in names]
    return network_parts(graph, x, options.y)


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
        is_random = options.fractions is not None or parts.train_mask is None
        if is_random:
            parts, said = with_random_split(parts, split, options.fractions)
            source = f"{source}, {said}"
        data = assemble(
            parts,
            name=path.stem,
            split=0 if is_random else split,
            undirected=options.undirected,
            source=source,
            features=options.features,
        )
        if options.undirected is None and parts.undirected:
            tell_direction(parts, data)
    return dataclasses.replace(data, split=split) if is_random else data


def tell_direction(parts: Parts, data: NodeDataset) -> None:
    """Warn where edges of an undirected layout have a direction after all: some go one way only."""
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
            f"{path.name} holds a data set as it was stored; leave {name} out, or give it to "
            "`gslt data convert`"
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


# One text for a file and how it is read


def with_options(place: str, options: ReadOptions) -> str:
    """A name or path and how it is read, as one text: what run folders and studies store.

    >>> with_options("club.gml", ReadOptions(y="club", fractions=(0.5, 0.25, 0.25)))
    'club.gml?y=club&fractions=0.5,0.25,0.25'

    Args:
        place: name or path.
        options: nothing is added for those that have their defaults.
    """
    if not options.given:
        return place
    return f"{place}?{urlencode([(n, _text(v)) for n, v in options.given.items()], safe=',')}"


def _text(value: Any) -> str:
    return ",".join(map(repr, value)) if isinstance(value, tuple) else str(value)


def split_address(text: str) -> tuple[str, ReadOptions]:
    """Name or path, and how it is read; the inverse of :func:`with_options`.

    >>> split_address("club.gml?y=club")
    ('club.gml', ReadOptions(x=None, y='club', features=None, undirected=None, fractions=None))

    Args:
        text: of :func:`with_options`, or any name or path; a ``?`` of a file that is there is
            no mark.

    Raises:
        ConfigError: if there is no such option, or a value does not fit.
    """
    place, mark, query = text.rpartition("?")
    if not mark or "=" not in query:
        return text, ReadOptions()
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True)
        if len(dict(pairs)) < len(pairs):
            raise ValueError("an option is there twice")
        return place, ReadOptions(**{name: _PARSERS[name](value) for name, value in pairs})
    except (KeyError, ValueError) as error:
        example = with_options("a.gml", ReadOptions(y="club", undirected=True))
        says = f"there is no option {error}" if isinstance(error, KeyError) else str(error)
        raise ConfigError(
            f"behind the ? of {text[:200]!r} stand options of reading a file, such as "
            f"{example!r}, and {says}; known are "
            f"{', '.join(_PARSERS)}"
        ) from None


def _truth(text: str) -> bool:
    if text not in ("True", "true", "False", "false"):
        raise ValueError(f"undirected is true or false, got {text[:50]!r}")
    return text.lower() == "true"


def _fractions(text: str) -> Fractions:
    train, val, test = map(float, text.split(","))
    return train, val, test


_PARSERS: dict[str, Callable[[str], Any]] = {
    "x": str,
    "y": str,
    "features": str,
    "undirected": _truth,
    "fractions": _fractions,
}
