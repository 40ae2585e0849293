"""gslt's own file of a data set: a sealed safetensors file, see :mod:`gslt.files.container`.

Tensors are tensors in it, and the rest is JSON, with a checksum over both. The same data set gives
the same bytes, and nothing in it is executed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from gslt.errors import DataError
from gslt.files import open_regular, parse, reading, replacing
from gslt.files.container import read_header, read_tensors, seal
from gslt.version import __version__

#: Kind of the sealed file, the ending of its name, and the version of its format.
KIND, ENDING, VERSION = "dataset", ".safetensors", 1
#: What a file must hold beside the values.
TENSORS = ("x", "edge_index", "y", "train_mask", "val_mask", "test_mask")
_CURE = "write it again with `gslt data convert`"


@dataclass(frozen=True)
class Metadata:
    """The JSON part of a file."""

    version: int
    gslt: str
    nodes: int
    edges: int
    features: int
    fields: dict[str, Any]
    """Fields of the data set that are no tensors."""


def write_stored(path: Path, fields: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write the file of a data set, at once or not at all.

    Args:
        path: of the file, which ends in ``.safetensors``.
        fields: of the data set, by name, what JSON can say.
        tensors: by the names of :data:`TENSORS`.

    Raises:
        DataError: if the name of the file has another ending, by which nobody would know it.
    """
    if path.suffix != ENDING:
        raise DataError(
            f"{str(path)!r} does not end in {ENDING}, by which the file of a data set is known; "
            f"name it {path.stem or 'graph'}{ENDING}"
        )
    values = {
        "version": VERSION,
        "gslt": __version__,
        "nodes": len(tensors["x"]),
        "edges": tensors["edge_index"].shape[1],
        "features": tensors["x"].shape[1],
        "fields": dict(fields),
    }
    # As new tensors: those of a data set may be views.
    content = seal(KIND, values, {name: each.cpu().contiguous() for name, each in tensors.items()})
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def read_stored(path: Path, kinds: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What :func:`write_stored` wrote: fields and tensors.

    Args:
        path: of the file.
        kinds: the type of every field that there may be.

    Raises:
        DataError: if a bit of it is not as it was written, or it is of a newer version.
        ConfigError: if it is larger than the limit.
    """
    with reading(path, DataError, "a data set of gslt", _CURE), open_regular(path) as (file, size):
        header = read_header(KIND, file, size)
        values = header.values()
        if values.get("version") != VERSION:
            raise DataError(
                f"{str(path)!r} is of version {str(values.get('version'))[:50]}, and this gslt "
                f"({__version__}) reads version {VERSION}; upgrade gslt"
            )
        metadata = parse(Metadata, values)
        if set(header.tensors) != set(TENSORS):
            raise ValueError(f"it holds {', '.join(header.tensors)} for {', '.join(TENSORS)}")
        if unknown := sorted(set(metadata.fields) - set(kinds)):
            raise ValueError(f"it has the field {unknown[0]!r}, which this gslt does not know")
        fields = {name: parse(kinds[name], value) for name, value in metadata.fields.items()}
        # Copies: what is read lies in one buffer as long as the file.
        tensors = {name: each.clone() for name, each in read_tensors(header, file).items()}
        sizes = (*tensors["x"].shape, tensors["edge_index"].shape[-1])
        if sizes != (metadata.nodes, metadata.features, metadata.edges):
            raise ValueError("its tensors have other sizes than it says")
        return fields, tensors


def is_stored(path: Path) -> bool:
    """Whether a file begins as one of :func:`write_stored`."""
    start = f'{{"__metadata__":{{"gslt-{KIND}":'.encode()
    with open_regular(path) as (file, _):
        file.seek(8)
        return file.read(len(start)) == start
