"""The ticket file: what it holds, as bytes and back. ``docs/ticket-format.md`` specifies it.

A file is written from a :class:`StoredTicket` and read into one, and everything that can be wrong
with it is found while reading: nothing of the network is built, and the header tells what the rest
costs before the rest is read. There is one file for a ticket: what would be written in another way
is refused.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from gslt.config import VISION, FreezeConfig, ModelConfig
from gslt.environment import Limits, check_limit, raised
from gslt.errors import ConfigError, TicketError
from gslt.files import parse
from gslt.files.container import (
    Count,
    Shape,
    TensorInfo,
    compact,
    info_of,
    read_header,
    read_tensors,
    seal,
)
from gslt.freezing import LOCKED, PRUNED, SEARCHED, FrozenCounts
from gslt.freezing.source import counts_of
from gslt.nn.source import SourcePlan
from gslt.settings import build
from gslt.ticket.mask_code import decode_mask, encode_mask
from gslt.ticket.schema import Architecture, StoredTicket, check_ticket, kept_bits
from gslt.version import __version__

#: Version of the format of a ticket of masks alone, of one that stores state beside them, of one
#: that knows the data that it was found on, and of one whose network has attention, is of images or
#: was constructed, or that stores a freezing pattern, or trained weights.
MASKS_ALONE, WITH_STATE, WITH_DATA, WITH_MORE = VERSIONS = (2, 3, 4, 5)
#: Architectures that older readers do not know.
_LATER = ("gat", *VISION)

#: Kind of the sealed file, the names of its masks, its pattern and its trained weights, and what
#: stands before the names of its state.
KIND, MASKS, PATTERN, VALUES, STATE = "ticket", "masks", "pattern", "values", "state."
#: A byte of the masks stands for at most so many searched weights, and so many weights at all; a
#: byte of the pattern for as many weights as one of the masks for searched ones.
SEARCHED_PER_BYTE, WEIGHTS_PER_BYTE = 2**8, 2**14
#: Weights that every byte of the whole file allows beyond ``Limits.small_file_weights``, in a
#: network that gslt builds.
WEIGHTS_PER_FILE_BYTE = 2**7

#: Fields that came later, and the value that is not written, so that older files stay as they are
#: and older readers refuse what they would misread.
_ADDED: dict[type[Any], dict[str, Any]] = {
    FreezeConfig: {"place": "all", "draw": "exact", "connected": False},
    ModelConfig: {
        "residual": False,
        "unit_gain": False,
        "pair_norm": False,
        "edges": "all",
        "heads": 1,
        "width": 1.0,
    },
}


def write_ticket(ticket: StoredTicket) -> tuple[bytes, int]:
    """The content of the ticket file, and how many bytes of it are masks.

    Args:
        ticket: what to store; masks may be on any device.

    Raises:
        TicketError: if the ticket breaks a rule of the format, so that it could not be read back.
    """
    try:
        check_ticket(ticket)
    except (ValueError, TypeError, LookupError, ArithmeticError, RuntimeError) as error:
        raise TicketError(f"this ticket cannot be written: {error}") from error
    codes = {name: encode_mask(mask.cpu().numpy()) for name, mask in ticket.masks.items()}
    lengths = {name: len(code) for name, code in codes.items()}
    payload = b"".join(codes.values())
    searched = sum(mask.numel() for mask in ticket.masks.values())
    payload = payload.ljust(_least_bytes(searched, ticket.source.total), b"\0")
    tensors = {f"{STATE}{name}": value.cpu() for name, value in ticket.state.items()}
    if ticket.values:
        tensors[VALUES] = torch.cat([value.cpu() for value in ticket.values.values()])
    tensors[MASKS] = torch.frombuffer(bytearray(payload), dtype=torch.uint8)
    pattern = pattern_codes(ticket.pattern)
    if pattern:
        content = b"".join(code for codes in pattern for code in codes)
        content = content.ljust(-(-ticket.source.total // SEARCHED_PER_BYTE), b"\0")
        tensors[PATTERN] = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    rows = [[*map(len, codes)] for codes in pattern]
    return seal(KIND, _values(ticket, lengths, __version__, rows), tensors), len(payload)


def pattern_codes(pattern: Mapping[str, Tensor]) -> list[tuple[bytes, bytes]]:
    """A given pattern as two masks a layer: of what is frozen, and of what of that is locked.

    Args:
        pattern: int8 ``(n,)`` by name, see :attr:`StoredTicket.pattern`.
    """
    codes = []
    for value in pattern.values():
        flat = value.cpu().numpy()
        frozen = flat != SEARCHED
        codes.append((encode_mask(frozen), encode_mask(flat[frozen] == LOCKED)))
    return codes


def read_ticket(file: BinaryIO, size: int, name: str = "this file") -> StoredTicket:
    """What a ticket file holds; the inverse of :func:`write_ticket`.

    Args:
        file: at its beginning.
        size: bytes of the file.
        name: what errors call it.

    Raises:
        TicketError: if it is damaged, no ticket, breaks a rule of the format, is of another version
            of the format, or beyond a limit (:class:`gslt.environment.Limits`).
    """
    try:
        header = read_header(KIND, file, size)
        values = header.values()
        _check_version(values, name)
        metadata = _metadata(values)
        _check_payload(header.tensors, metadata)
        check_limits(metadata, size, name)
        ticket = _ticket(metadata, read_tensors(header, file))
        check_ticket(ticket)
        lengths = {layer: length for layer, _, _, length in metadata.layers}
        rows = [[one, other] for _, _, one, other in metadata.pattern]
        if compact(_values(ticket, lengths, metadata.gslt, rows)) != header.text:
            raise ValueError("its metadata are not written as gslt writes them")
    except (TicketError, OSError):
        raise
    except Exception as error:
        # A damaged file may break any rule that a sound one keeps.
        reason = str(error)[:300] or type(error).__name__
        raise TicketError(f"{name} is damaged or no ticket: {reason}") from error
    return ticket


@dataclass(frozen=True)
class Metadata:
    """The metadata, every value of its type."""

    version: int
    gslt: str
    freeze: dict[str, Any]
    architecture: dict[str, Any] | None
    source: FrozenCounts
    layers: list[tuple[str, Count, Count, Count]]
    """Name, searched and kept weights, bytes."""
    weights_sha256: str
    dataset: str
    split: Count
    results: dict[str, int | float]
    state: list[tuple[str, str, Shape]]
    """Name, type and shape."""
    data_sha256: str
    """Empty where the file has none."""
    construction: dict[str, Any] | None
    """None where the ticket was not constructed."""
    pattern: list[tuple[Count, Count, Count, Count]]
    """Of every layer pruned and locked weights, and bytes of the two masks; empty without one."""
    values: Count
    """Trained weights that the file stores; 0 in a strong ticket."""

    def total(self, column: int) -> int:
        """Sum of a column of the layers."""
        return sum(int(layer[column]) for layer in self.layers)

    @property
    def pattern_bits(self) -> int:
        """Bits of the masks of the pattern: one a weight, and one more a frozen one."""
        if not self.pattern:
            return 0
        return self.total(1) + sum(2 * int(row[0] + row[1]) for row in self.pattern)


def check_limits(metadata: Metadata, size: int, name: str) -> None:
    """Refuse what asks for more than the limits in force.

    Args:
        metadata: of the ticket.
        size: bytes of the whole file.
        name: subject of the sentence.

    Raises:
        TicketError: saying how to raise the limit.
    """
    total = metadata.source.total
    try:
        check_limit("file_bytes", size, f"{name} has")
        check_limit("weights", total, f"{name} describes a network of")
        check_limit("bits", metadata.total(1) + metadata.pattern_bits, f"{name} has masks of")
        if metadata.architecture is not None or metadata.construction is not None:
            check_limit(
                "small_file_weights",
                total - WEIGHTS_PER_FILE_BYTE * size,
                f"{name} describes, beyond {WEIGHTS_PER_FILE_BYTE} for each of its {size:,} bytes,",
            )
    except ConfigError as error:
        raise TicketError(str(error)) from None


def beyond_defaults(ticket: StoredTicket, size: int) -> str:
    """The sentence of the default limit that a ticket is beyond; empty where it is within all.

    Args:
        ticket: what is written.
        size: bytes of its file.
    """
    lengths = dict.fromkeys(ticket.masks, 0)
    rows = [[0, 0] for _ in ticket.pattern]
    metadata = _metadata(_values(ticket, lengths, __version__, rows))
    try:
        with raised(**dataclasses.asdict(Limits())):
            check_limits(metadata, size, "this ticket")
    except TicketError as error:
        return str(error)
    return ""


def _values(
    ticket: StoredTicket,
    lengths: Mapping[str, int],
    version: str,
    rows: Sequence[Sequence[int]],
) -> dict[str, Any]:
    """The metadata, given the bytes of every mask, the version of gslt, and the pattern's bytes."""
    infos = {name: info_of(ticket.state[name]) for name in sorted(ticket.state)}
    state = [[name, info.dtype, list(info.shape)] for name, info in infos.items()]
    frozen = [counts_of(value.cpu().numpy()) for value in ticket.pattern.values()]
    pattern = [[c.pruned, c.locked, *row] for c, row in zip(frozen, rows, strict=True)]
    trained = sum(map(len, ticket.values.values()))
    return {
        "version": _version(ticket),
        "gslt": version,
        "freeze": _written(ticket.config),
        "architecture": ticket.architecture and _architecture(ticket.architecture),
        "source": dataclasses.asdict(ticket.source),
        "layers": [
            [name, mask.numel(), kept_bits(mask), lengths[name]]
            for name, mask in ticket.masks.items()
        ],
        "weights_sha256": ticket.weights_checksum,
        "dataset": ticket.dataset,
        "split": ticket.split,
        "results": ticket.results,
        **({"state": state} if state else {}),
        **({"data_sha256": ticket.content_hash} if ticket.content_hash else {}),
        **({"construction": dataclasses.asdict(c)} if (c := ticket.construction) else {}),
        **({"pattern": pattern} if pattern else {}),
        **({"values": trained} if trained else {}),
    }


def _version(ticket: StoredTicket) -> int:
    """The oldest version of the format that has all of a ticket."""
    network = ticket.architecture is not None and ticket.architecture.model.architecture in _LATER
    if network or ticket.construction is not None or ticket.pattern or ticket.values:
        return WITH_MORE
    return WITH_DATA if ticket.content_hash else WITH_STATE if ticket.state else MASKS_ALONE


def _check_version(values: dict[str, Any], name: str) -> None:
    version = values["version"]
    if version not in VERSIONS or type(version) is not int:
        raise TicketError(
            f"{name} has ticket format version {str(version)[:50]}; this gslt ({__version__}) "
            f"reads versions {', '.join(map(str, VERSIONS))}, the file was written by gslt "
            f"{str(values.get('gslt', 'unknown'))[:50]}"
        )


def _least_bytes(searched: int, total: int) -> int:
    """Fewest bytes of masks: what makes a reader's memory proportional to the file."""
    return max(-(-searched // SEARCHED_PER_BYTE), -(-total // WEIGHTS_PER_BYTE))


def _metadata(values: dict[str, Any]) -> Metadata:
    later: dict[str, Any] = {"construction": None, "pattern": [], "values": 0}
    given = {"state": [], "data_sha256": "", **later, **values}
    _expect_keys("metadata", given, {field.name for field in dataclasses.fields(Metadata)})
    metadata = parse(Metadata, given)
    # Text that is no Unicode could not be printed.
    metadata.gslt.encode()
    if len({name for name, *_ in metadata.layers}) < len(metadata.layers):
        raise ValueError("two layers have the same name")
    if metadata.pattern and len(metadata.pattern) != len(metadata.layers):
        raise ValueError("its pattern has another number of layers")
    return metadata


def _check_payload(tensors: Mapping[str, TensorInfo], metadata: Metadata) -> None:
    """Before anything is read or made that is as long as the masks."""
    state = {f"{STATE}{name}": TensorInfo(dtype, shape) for name, dtype, shape in metadata.state}
    if metadata.values:
        state[VALUES] = TensorInfo("F32", (metadata.values,))
        if metadata.values != metadata.total(2):
            raise ValueError(
                f"{metadata.values} trained weights do not fit {metadata.total(2)} that are kept"
            )
    info = tensors.get(MASKS)
    if info is None or info.dtype != "U8" or len(info.shape) != 1:
        raise ValueError(f"it should hold a tensor {MASKS!r} of bytes")
    expected = {MASKS: info, **state}
    if metadata.pattern:
        frozen = sum(int(row[0] + row[1]) for row in metadata.pattern)
        if metadata.total(1) + frozen != metadata.source.total:
            raise ValueError("its pattern is not of as many weights as its source")
        size = max(
            sum(int(row[2] + row[3]) for row in metadata.pattern),
            -(-metadata.source.total // SEARCHED_PER_BYTE),
        )
        expected[PATTERN] = TensorInfo("U8", (size,))
    if expected != tensors:
        differing = sorted(dict(tensors.items() ^ expected.items()))
        raise ValueError(f"its tensors are not those of its metadata; differing: {differing}")
    searched, used = metadata.total(1), metadata.total(3)
    if info.size != max(used, _least_bytes(searched, metadata.source.total)):
        raise ValueError(
            f"{info.size} bytes of masks do not fit {searched} searched of {metadata.source.total} "
            f"weights in {used} coded bytes"
        )


def _ticket(metadata: Metadata, tensors: Mapping[str, Tensor]) -> StoredTicket:
    given, construction = metadata.architecture, metadata.construction
    values = {}
    if metadata.values:
        parts = torch.split(tensors[VALUES], [kept for _, _, kept, _ in metadata.layers])
        names = (name for name, *_ in metadata.layers)
        values = {name: part.clone() for name, part in zip(names, parts, strict=True)}
    return StoredTicket(
        config=_build(FreezeConfig, metadata.freeze),
        masks=_masks(metadata, tensors[MASKS]),
        values=values,
        source=metadata.source,
        weights_checksum=metadata.weights_sha256,
        architecture=None if given is None else _read_architecture(given),
        dataset=metadata.dataset,
        split=metadata.split,
        results=metadata.results,
        # Copies: what is read lies in one buffer as long as the file.
        state={name: tensors[f"{STATE}{name}"].clone() for name, *_ in metadata.state},
        content_hash=metadata.data_sha256,
        construction=None if construction is None else _read_construction(construction),
        pattern=_pattern(metadata, tensors[PATTERN]) if metadata.pattern else {},
    )


def _pattern(metadata: Metadata, payload: Tensor) -> dict[str, Tensor]:
    content, start = payload.numpy().data, 0
    pattern = {}
    for (name, searched, _, _), (pruned, locked, *lengths) in zip(
        metadata.layers, metadata.pattern, strict=True
    ):
        held = pruned + locked
        flat = np.full(searched + held, SEARCHED, dtype=np.int8)
        one, two = start + lengths[0], start + sum(lengths)
        places = decode_mask(content[start:one], flat.size, held)
        flat[places] = np.where(decode_mask(content[one:two], held, locked), LOCKED, PRUNED)
        pattern[name], start = torch.from_numpy(flat), two
    if bytes(content[start:]).strip(b"\0"):
        raise ValueError("the bytes behind the pattern are not zero")
    return pattern


def _masks(metadata: Metadata, payload: Tensor) -> dict[str, Tensor]:
    content = payload.numpy().data
    masks, start = {}, 0
    for name, total, kept, length in metadata.layers:
        masks[name] = torch.from_numpy(decode_mask(content[start : start + length], total, kept))
        start += length
    if bytes(content[start:]).strip(b"\0"):
        raise ValueError("the bytes behind the masks are not zero")
    return masks


def _architecture(architecture: Architecture) -> dict[str, Any]:
    return {**dataclasses.asdict(architecture), "model": _written(architecture.model)}


def _read_architecture(values: dict[str, Any]) -> Architecture:
    _expect_keys("architecture", values, {"model", "in_channels", "out_channels"})
    return Architecture(**{**values, "model": _build(ModelConfig, values["model"])})


def _read_construction(values: dict[str, Any]) -> SourcePlan:
    _expect_keys("construction", values, {field.name for field in dataclasses.fields(SourcePlan)})
    return SourcePlan(**values)


def _written(config: FreezeConfig | ModelConfig) -> dict[str, Any]:
    """The fields of a config, of those that came later only what is not as it was before."""
    left_out = _ADDED[type(config)].items()
    values = dataclasses.asdict(config)
    return {name: value for name, value in values.items() if (name, value) not in left_out}


def _build(kind: type[Any], values: dict[str, Any]) -> Any:
    given = {**_ADDED[kind], **values} if isinstance(values, dict) else values
    # Every field is there, so that a later default cannot change what an old file means.
    _expect_keys(kind.__name__, given, {field.name for field in dataclasses.fields(kind)})
    return build(kind, given)


def _expect_keys(what: str, values: Any, keys: set[str]) -> None:
    if not isinstance(values, dict) or set(values) != keys:
        found = sorted(set(values) ^ keys) if isinstance(values, dict) else json.dumps(values)[:50]
        raise ValueError(f"its {what} should have exactly the known fields; differing: {found}")
