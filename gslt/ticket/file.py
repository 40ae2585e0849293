"""The ticket file: what it holds, as bytes and back. ``docs/ticket-format.md`` specifies it.

A file is written from a :class:`StoredTicket` and read into one, and everything that can be wrong
with it is found while reading: nothing of the network is built, and the memory taken is in
proportion to the file.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import torch
from torch import Tensor

from gslt.config import FreezeConfig, ModelConfig, build
from gslt.errors import TicketError
from gslt.freezing import FrozenCounts
from gslt.ticket.container import seal, unseal
from gslt.ticket.mask_code import decode_mask, encode_mask
from gslt.ticket.schema import Architecture, StoredTicket, check_ticket, expect_count
from gslt.version import __version__

FORMAT_VERSION = 2

#: Kind of the sealed file, and the name of its one tensor.
KIND, MASKS = "ticket", "masks"
#: A byte of the masks stands for at most so many searched weights, and so many weights at all.
SEARCHED_PER_BYTE, WEIGHTS_PER_BYTE = 2**8, 2**14

#: What reading a damaged file may raise on the way, and nothing more.
_DAMAGE = (ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, MemoryError)
_FIELDS = {
    "version",
    "gslt",
    "freeze",
    "architecture",
    "source",
    "layers",
    "weights_sha256",
    "dataset",
    "split",
    "results",
}

#: Fields of a model that came later: written where they are true, so that older files stay as they
#: are and older readers refuse what they would misread.
_ADDED = ("residual", "unit_gain")


def write_ticket(ticket: StoredTicket) -> tuple[bytes, int]:
    """The content of the ticket file, and how many bytes of it are masks.

    Args:
        ticket: what to store; masks may be on any device.

    Raises:
        TicketError: if the ticket breaks a rule of the format, so that it could not be read back.
    """
    try:
        check_ticket(ticket)
    except _DAMAGE as error:
        raise TicketError(f"this ticket cannot be written: {error}") from error
    codes = {name: encode_mask(mask.cpu().numpy()) for name, mask in ticket.masks.items()}
    values = {
        "version": FORMAT_VERSION,
        "gslt": __version__,
        "freeze": dataclasses.asdict(ticket.config),
        "architecture": ticket.architecture and _architecture(ticket.architecture),
        "source": dataclasses.asdict(ticket.source),
        "layers": [
            [name, mask.numel(), int(mask.sum()), len(codes[name])]
            for name, mask in ticket.masks.items()
        ],
        "weights_sha256": ticket.weights_checksum,
        "dataset": ticket.dataset,
        "split": ticket.split,
        "results": ticket.results,
    }
    payload = b"".join(codes.values())
    searched = sum(mask.numel() for mask in ticket.masks.values())
    payload = payload.ljust(_least_bytes(searched, ticket.source.total), b"\0")
    masks = torch.frombuffer(bytearray(payload), dtype=torch.uint8)
    return seal(KIND, values, {MASKS: masks}), len(payload)


def read_ticket(data: bytes, name: str = "this file") -> StoredTicket:
    """What the content of a ticket file holds; the inverse of :func:`write_ticket`.

    Args:
        data: the whole file.
        name: what errors call it.

    Raises:
        TicketError: if it is damaged, no ticket, breaks a rule of the format, or is of another
            version of the format.
    """
    try:
        values, tensors = unseal(KIND, data)
        _check_version(values, name)
        if seal(KIND, values, tensors) != data:
            raise ValueError("its metadata are not written as gslt writes them")
        ticket = _parse(values, tensors)
        check_ticket(ticket)
    except _DAMAGE as error:
        reason = str(error) or type(error).__name__
        raise TicketError(f"{name} is damaged or no ticket: {reason}") from error
    return ticket


def _check_version(values: dict[str, Any], name: str) -> None:
    version = values["version"]
    if version != FORMAT_VERSION or type(version) is not int:
        raise TicketError(
            f"{name} has ticket format version {version}; this gslt ({__version__}) reads version "
            f"{FORMAT_VERSION}, the file was written by gslt {values.get('gslt', 'unknown')}"
        )


def _least_bytes(searched: int, total: int) -> int:
    """Fewest bytes of masks: what makes a reader's memory proportional to the file."""
    return max(-(-searched // SEARCHED_PER_BYTE), -(-total // WEIGHTS_PER_BYTE))


def _parse(values: dict[str, Any], tensors: dict[str, Tensor]) -> StoredTicket:
    _expect_keys("metadata", values, _FIELDS)
    if not isinstance(values["gslt"], str):
        raise ValueError("the version of gslt is no text")
    source = _build(FrozenCounts, values["source"])
    for count in dataclasses.astuple(source):
        expect_count(count)
    architecture = values["architecture"]
    if architecture is not None:
        _expect_keys("architecture", architecture, {"model", "in_channels", "out_channels"})
        model = _build(ModelConfig, _with_added(architecture["model"]))
        architecture = Architecture(**{**architecture, "model": model})
    return StoredTicket(
        config=_build(FreezeConfig, values["freeze"]),
        masks=_parse_masks(values["layers"], tensors, source),
        source=source,
        weights_checksum=values["weights_sha256"],
        architecture=architecture,
        dataset=values["dataset"],
        split=values["split"],
        results=values["results"],
    )


def _parse_masks(
    layers: Any, tensors: dict[str, Tensor], source: FrozenCounts
) -> dict[str, Tensor]:
    if set(tensors) != {MASKS} or tensors[MASKS].dtype != torch.uint8 or tensors[MASKS].dim() != 1:
        raise ValueError(f"it should hold one tensor {MASKS!r} of bytes")
    if not isinstance(layers, list) or not all(isinstance(x, list) and len(x) == 4 for x in layers):
        raise ValueError("its layers are no list of [name, searched, kept, bytes]")
    for name, *counts in layers:
        if not isinstance(name, str):
            raise ValueError(f"a layer is called {name!r}")
        for count in counts:
            expect_count(count)
    if len({name for name, *_ in layers}) < len(layers):
        raise ValueError("two layers have the same name")
    payload = tensors[MASKS].numpy().tobytes()
    searched, used = (sum(layer[column] for layer in layers) for column in (1, 3))
    # Before anything as long as a mask is made.
    if len(payload) != max(used, _least_bytes(searched, source.total)):
        raise ValueError(
            f"{len(payload)} bytes of masks do not fit {searched} searched of {source.total} "
            f"weights in {used} coded bytes"
        )
    masks, start = {}, 0
    for name, total, kept, length in layers:
        masks[name] = torch.from_numpy(decode_mask(payload[start : start + length], total, kept))
        start += length
    if any(payload[start:]):
        raise ValueError("the bytes behind the masks are not zero")
    return masks


def _architecture(architecture: Architecture) -> dict[str, Any]:
    values = dataclasses.asdict(architecture)
    for name in _ADDED:
        if not values["model"][name]:
            del values["model"][name]
    return values


def _with_added(model: Any) -> Any:
    return {**dict.fromkeys(_ADDED, False), **model} if isinstance(model, dict) else model


def _build(kind: type[Any], values: dict[str, Any]) -> Any:
    # Every field is there, so that a later default cannot change what an old file means.
    _expect_keys(kind.__name__, values, {field.name for field in dataclasses.fields(kind)})
    return build(kind, values)


def _expect_keys(what: str, values: Any, keys: set[str]) -> None:
    if not isinstance(values, dict) or set(values) != keys:
        found = sorted(set(values) ^ keys) if isinstance(values, dict) else json.dumps(values)[:50]
        raise ValueError(f"its {what} should have exactly the known fields; differing: {found}")
