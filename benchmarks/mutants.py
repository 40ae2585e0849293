"""Damaged and forged ticket files, and what reading one comes to.

    python benchmarks/mutants.py TICKET [--count 1000] [--seed 0]

A third of the mutants are bytes changed blindly, which the checksum has to catch. The rest are
*sealed again*: metadata or masks are changed and the checksum is made anew, as a forger or a broken
writer would; there the rules of the format have to hold.

A mutant that is sealed again may be a sound ticket. Another data set, another result, another
dropout, or a mask that keeps as many weights elsewhere contradict nothing: no reader can tell them
from what a search found, and none should try. So :func:`verdict` does not ask whether a mutant was
refused, but whether anything that loads is what its file says, see there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import common
import torch

import gslt
from gslt.ticket.ticket import Ticket

Verdict = Literal["refused", "identical", "other", "accepted"]
KEY = "gslt-ticket"

#: What a field may be changed to.
ABSURD: list[Any] = [
    *(-1, 0, 1, 2, 3, 255, 10**6, 10**13, 2**31, 2**63, 2**64, 10**300),
    *(0.0, -0.5, 0.5, 1.0, 1.5, 1e-300, 1e308, float("nan"), float("inf")),
    *(True, None, "", "gin", "epl", "x" * 10_000, "\ud800", "\0"),
    *([], {}, [[]], [["a", 1, 1, 1]] * 1000, {"a": {"b": []}}),
]


def mutants(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    """``count`` changed copies of a ticket file, always the same ones for a seed."""
    rng = random.Random(seed)
    made = 0
    while made < count:
        change = rng.choice([_damage, _forge_values, _forge_masks])
        mutant = change(data, rng)
        if mutant != data:
            made += 1
            yield mutant


def verdict(data: bytes, original: bytes) -> Verdict:
    """What reading a mutant of a ticket file, up to its model, comes to.

    * ``refused``: a ``TicketError``.
    * ``identical``: it loads, as the very ticket of the original.
    * ``other``: it loads as another ticket and contradicts nothing: its checksums hold, both that
      of the file and that of the regenerated weights, its masks keep what its counts say, and gslt
      would write this ticket as these bytes.
    * ``accepted``: it loads and should not. A reader must never come to this.

    Any other exception is a failure of the reader and is not caught.
    """
    try:
        ticket = Ticket.from_bytes(data)
        if ticket.architecture is not None:
            ticket.model()
        text, masks = open_ticket(data)
        values = json.loads(text)
        if _content(ticket) == _content(Ticket.from_bytes(original)):
            return "identical"
        sound = seal_again(text, masks) == data and _agrees(ticket, values)
        return "other" if sound and _written_as(ticket, values) == data else "accepted"
    except gslt.TicketError:
        return "refused"


def trial(data: bytes, count: int, seed: int) -> dict[str, Any]:
    """Verdicts over ``count`` mutants, the slowest one, and by how much memory grew."""
    verdict(data, data)  # Whatever is imported or set up once is no mutant's cost.
    before, slowest = common.peak_bytes("cpu"), 0.0
    found: Counter[str] = Counter()
    for mutant in mutants(data, count, seed):
        start = time.perf_counter()
        found[verdict(mutant, data)] += 1
        slowest = max(slowest, time.perf_counter() - start)
    grown = common.peak_bytes("cpu") - before
    return {**found, "slowest_seconds": slowest, "peak_growth_bytes": grown}


def open_ticket(data: bytes) -> tuple[str, bytes]:
    """Metadata as text, and masks, of a sound file."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    return header["__metadata__"][KEY].partition(" ")[2], data[8 + length :]


def seal_again(text: str, masks: bytes, name: str = "masks") -> bytes:
    """A file of these metadata and masks whose checksum holds."""
    encoded = text.encode("utf-8", "replace")
    checksum = hashlib.sha256(encoded + name.encode() + b"\0" + masks).hexdigest()
    tensor = {"dtype": "U8", "shape": [len(masks)], "data_offsets": [0, len(masks)]}
    header = {"__metadata__": {KEY: f"{checksum} {text}"}, name: tensor}
    content = json.dumps(header, separators=(",", ":")).encode()
    content += b" " * (-len(content) % 8)
    return len(content).to_bytes(8, "little") + content + masks


def _content(ticket: Ticket) -> object:
    others = {name: value for name, value in vars(ticket).items() if name != "masks"}
    return repr(others), [(name, mask.tolist()) for name, mask in ticket.masks.items()]


def _agrees(ticket: Ticket, values: dict[str, Any]) -> bool:
    """Whether the counts in the metadata are those of the masks."""
    found = [[name, len(m), int(torch.count_nonzero(m))] for name, m in ticket.masks.items()]
    source = values["source"]
    searched = source["total"] - source["pruned"] - source["locked"]
    return found == [layer[:3] for layer in values["layers"]] and searched == sum(
        layer[1] for layer in found
    )


def _written_as(ticket: Ticket, values: dict[str, Any]) -> bytes:
    text, masks = open_ticket(ticket.to_bytes())
    # The file may name another release of gslt than this one.
    written = {**json.loads(text), "gslt": values["gslt"]}
    return seal_again(json.dumps(written, separators=(",", ":")), masks)


# --- blind damage ---------------------------------------------------------------------------------


def _damage(data: bytes, rng: random.Random) -> bytes:
    start, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    other = rng.randrange(len(data) + 1)
    region = data[start:end]
    kinds: list[Callable[[], bytes]] = [
        lambda: data[:start],
        lambda: data[start:],
        lambda: data[:start] + data[end:],
        lambda: data[:end] + region + data[end:],
        lambda: data[:start] + bytes(len(region)) + data[end:],
        lambda: data[:start] + rng.randbytes(len(region)) + data[end:],
        lambda: data[:start] + region[::-1] + data[end:],
        lambda: data[other:] + data[:other],
        lambda: data + rng.randbytes(rng.randrange(1, 100)),
        lambda: _flip(data, rng, rng.choice([1, 1, 1, 2, 8, 64])),
        lambda: _flip(data[:8], rng, 1) + data[8:],
        lambda: (
            rng.choice([2**63, 2**64 - 1, 10**8 + 1, len(data), 0]).to_bytes(8, "little") + data[8:]
        ),
        lambda: b'\x08\0\0\0\0\0\0\0{"a":[[' + data,
        lambda: _nested_header(10**5) + data,
    ]
    return rng.choice(kinds)()


def _flip(data: bytes, rng: random.Random, bits: int) -> bytes:
    damaged = bytearray(data)
    for _ in range(bits if data else 0):
        damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def _nested_header(depth: int) -> bytes:
    text = b'{"__metadata__":' + b"[" * depth + b"]" * depth + b"}"
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


# --- sealed again ---------------------------------------------------------------------------------


def _forge_values(data: bytes, rng: random.Random) -> bytes:
    text, masks = open_ticket(data)
    values = json.loads(text)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        rng.choice([_replace, _replace, _nudge, _nudge, _rename, _reorder, _swell])(values, rng)
    text = json.dumps(values, separators=(",", ":"))
    if rng.random() < 0.1:
        text = rng.choice(
            [
                text.replace('"split":', '"split":' + "[" * 10**5 + "]" * 10**5 + ',"split":', 1),
                text.replace('"split":', '"split":7,"split":', 1),
                text.replace(",", ", ", 1),
                text.replace('"total":', '"total":' + "9" * 5000, 1),
                "[" * 10**5,
                "null",
                "",
            ]
        )
    return seal_again(text, masks, rng.choice(["masks"] * 20 + ["mask"]))


def _forge_masks(data: bytes, rng: random.Random) -> bytes:
    text, masks = open_ticket(data)
    values = json.loads(text)
    last = values["layers"][-1] if values["layers"] else [0, 0, 0, 0]
    kind = rng.randrange(5)
    if kind == 0:
        masks = _flip(masks, rng, rng.choice([1, 2]))
    elif kind == 1:
        masks = masks[: rng.randrange(len(masks) + 1)]
    elif kind == 2:
        masks += bytes(rng.choice([1, 4, 100, 10**5]))
    elif kind == 3:
        # Claims of far more weights than there are bytes.
        last[1:] = rng.choice([[10**12, 0, 0], [10**12, 10**12, 0], [len(masks) * 2**8, 1, 4]])
        values["source"] = {"total": sum(x[1] for x in values["layers"]), "pruned": 0, "locked": 0}
    else:
        masks = rng.randbytes(len(masks))
    return seal_again(json.dumps(values, separators=(",", ":")), masks)


def _place(values: Any, rng: random.Random) -> tuple[Any, Any]:
    """A container somewhere in the values, and one of its keys."""
    key = rng.choice(list(values) if isinstance(values, dict) else range(len(values)))
    inner = values[key]
    if isinstance(inner, dict | list) and inner and rng.random() < 0.9:
        return _place(inner, rng)
    return values, key


def _replace(values: Any, rng: random.Random) -> None:
    place, key = _place(values, rng)
    place[key] = rng.choice(ABSURD)


def _nudge(values: Any, rng: random.Random) -> None:
    place, key = _place(values, rng)
    value = place[key]
    if isinstance(value, str):
        place[key] = value[::-1]
    elif isinstance(value, bool):
        place[key] = not value
    elif isinstance(value, int | float):
        place[key] = rng.choice([value + 1, value - 1, value * 2, -value, value / 2, value * 1.01])


def _rename(values: Any, rng: random.Random) -> None:
    place, key = _place(values, rng)
    if isinstance(place, dict):
        value = place.pop(key)
        if rng.random() < 0.5:
            place[f"{key}_"] = value
    else:
        del place[key]


def _reorder(values: Any, rng: random.Random) -> None:
    if isinstance(layers := values.get("layers"), list):
        rng.shuffle(layers)


def _swell(values: Any, rng: random.Random) -> None:
    """Sizes that would not fit into any memory, where a reader first meets them."""
    large = rng.choice([10**5, 10**9, 10**13, 2**62])
    architecture = values.get("architecture")
    if isinstance(architecture, dict) and isinstance(architecture.get("model"), dict):
        field = rng.choice(["hidden_channels", "num_layers", "in_channels", "out_channels"])
        place = architecture if field in architecture else architecture["model"]
        place[field] = large
    if rng.random() < 0.5 and isinstance(values.get("source"), dict):
        values["source"]["total"] = large


def main() -> None:
    """Print what reading mutants of a ticket file comes to; fail where one is accepted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("ticket", type=Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    found = trial(options.ticket.read_bytes(), options.count, options.seed)
    print(json.dumps(found))
    if found.get("accepted"):
        raise SystemExit("a file was accepted that should not be")


if __name__ == "__main__":
    main()
