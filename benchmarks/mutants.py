"""Damaged and forged ticket files, and what two readers make of them.

    python benchmarks/mutants.py [--count 1200] [--json FILE]      tickets of every kind
    python benchmarks/mutants.py TICKET [--count 1200] [--seed 0]  one ticket, gslt alone

A mutant is made from a sound ticket: bytes changed blindly, which the checksum has to catch, or the
header, the JSON text, values, counts, masks or their codes changed and *sealed again* with a
checksum made anew, as a forger or a broken writer would; there the rules of the format have to
hold. Both readers, gslt's and the independent one of ``examples/read_ticket.py``, read every mutant
in child processes with limits of time and memory. They should agree.

A mutant that is sealed again may be a sound ticket. Another data set, another result, another
dropout, or a mask that keeps as many weights elsewhere contradict nothing: no reader can tell them
from what a search found, and none should try. So :func:`verdict` does not ask whether a mutant was
refused, but whether anything that loads is what its file says, see there.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import common
import numpy as np
import torch
from torch import nn

import gslt
from gslt.backends import get_backend
from gslt.masking.parametrization import frozen_weights
from gslt.ticket.mask_code import decode_mask, encode_words, pack, share
from gslt.ticket.ticket import Ticket

Verdict = Literal["refused", "identical", "other", "accepted"]
KEY = "gslt-ticket"
EXAMPLES = Path(__file__).parents[1] / "examples"
#: What a child may take for one mutant, and in all.
SECONDS, MEMORY = 10, 6 << 30
#: Tickets of every kind: settings of a small network, None for a module of somebody's own.
KINDS: dict[str, dict[str, Any] | None] = {
    "gin": {"sparsity": 0.5},
    "gin, high sparsity": {"sparsity": 0.9, "hidden_channels": 40},
    "gin, frozen": {"sparsity": 0.3, "freezing_ratio": 0.4},
    "gcn": {"architecture": "gcn", "sparsity": 0.8, "head": False, "allocation": "erk"},
    "sage": {"architecture": "sage", "prune_ratio": 0.3, "lock_ratio": 0.1, "weight_init": "kn"},
    "threshold per layer": {"threshold": "layer", "sparsity": 0.6, "scale": "static"},
    "residual": {
        "residual": True,
        "unit_gain": True,
        "batch_norm": False,
        "num_layers": 5,
        "allocation": "uniform",
        "freezing_ratio": 0.5,
        "hidden_channels": 8,
    },
    "placed": {"place": "head,hidden", "freezing_ratio": 0.2, "edges": "none"},
    "PairNorm": {"architecture": "sage", "pair_norm": True, "batch_norm": False},
    "sparsity 0.99": {"sparsity": 0.99, "hidden_channels": 64},
    "one channel": {"hidden_channels": 1, "num_layers": 2},
    "nothing to search": {"freezing_ratio": 1.0},
    "a module of one's own": None,
    "a module of one's own, placed": None,
}

#: What a field may be changed to.
ABSURD: list[Any] = [
    *(-1, 0, 1, 2, 3, 255, 10**6, 10**13, 2**31, 2**63, 2**64, 10**300),
    *(0.0, -0.5, 0.5, 1.0, 1.5, 1e-300, 1e308, float("nan"), float("inf")),
    *(True, None, "", "gin", "epl", "x" * 10_000, "\ud800", "\0"),
    *([], {}, [[]], [["a", 1, 1, 1]] * 1000, {"a": {"b": []}}),
]


def tickets() -> Iterator[tuple[str, bytes]]:
    """Name and file of a sound ticket of every kind."""
    for name, options in KINDS.items():
        if options is None:
            model: nn.Module = nn.Sequential(nn.Linear(5, 9), nn.ReLU(), nn.Linear(9, 3))
            place = "2" if name.endswith("placed") else "all"
            config = gslt.FreezeConfig(sparsity=0.6, freezing_ratio=0.2, place=place)
        else:
            config = gslt.SearchConfig(**{"num_layers": 3, "hidden_channels": 12, **options})
            model = gslt.GNN(5, 3, config, get_backend("pyg"))
        gslt.freeze(model, config)
        with torch.no_grad():
            for number, weight in enumerate(frozen_weights(model)):
                weight.score().mul_(1 + 0.3 * number)
        yield name, Ticket.of(model, dataset="blöcks", results={"test": 0.5, "epoch": 3}).to_bytes()


def mutants(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    """``count`` changed copies of a ticket file, always the same ones for a seed."""
    return (mutant for _, mutant in named_mutants(data, count, seed))


def named_mutants(data: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """The same, with the kind of the change."""
    rng = random.Random(seed)
    made = 0
    while made < count:
        name, change = rng.choice(list(CHANGES.items()))
        mutant = change(data, rng)
        if mutant != data:
            made += 1
            yield name, mutant


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


def compare(data: bytes, count: int, seed: int) -> list[tuple[str, str, str]]:
    """Kind of every mutant, and what gslt and the independent reader come to, in children."""
    names = [name for name, _ in named_mutants(data, count, seed)]
    readers = [_in_children(reader, data, count, seed) for reader in READERS]
    return list(zip(names, *readers, strict=True))


def _in_children(reader: str, data: bytes, count: int, seed: int) -> list[str]:
    """Verdicts of one reader; a child that dies is a verdict, and another one goes on behind it."""
    found: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        ticket, out = Path(folder) / "ticket", Path(folder) / "out"
        ticket.write_bytes(data)
        while len(found) < count:
            values = {"reader": reader, "ticket": str(ticket), "count": count, "seed": seed}
            child = json.dumps({**values, "start": len(found), "out": str(out)})
            out.write_text("")
            done = subprocess.run([sys.executable, __file__, "--child", child], check=False)
            found += out.read_text(encoding="utf-8").splitlines()
            if len(found) < count:
                hung = done.returncode == -signal.SIGALRM
                found.append("hang" if hung else f"died with {done.returncode}")
    return found


def _child(child: str) -> None:
    """Write a line for every mutant from ``start`` on; the alarm ends a process that hangs."""
    values = json.loads(child)
    data = Path(values["ticket"]).read_bytes()
    read = READERS[values["reader"]]
    read(data, data)  # Whatever is imported or set up once is no mutant's cost.
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with Path(values["out"]).open("w", encoding="utf-8") as out:
        for number, mutant in enumerate(mutants(data, values["count"], values["seed"])):
            if number < values["start"]:
                continue
            signal.alarm(SECONDS)
            try:
                line = read(mutant, data)
            except Exception as error:
                line = f"traceback: {type(error).__name__}: {error}"
            signal.alarm(0)
            out.write(" ".join(line.split()) + "\n")
            out.flush()


def independent(data: bytes, original: bytes) -> str:
    """What the independent reader comes to: ``refused``, ``identical`` or ``other``."""
    if str(EXAMPLES) not in sys.path:
        sys.path.insert(0, str(EXAMPLES))
    import read_ticket

    try:
        meta, masks, _ = read_ticket.read(data)
    except read_ticket.DamagedError:
        return "refused"
    same, others, _ = read_ticket.read(original)
    equal = all(np.array_equal(a, b) for a, b in zip(masks, others, strict=False))
    return "identical" if meta == same and equal and len(masks) == len(others) else "other"


READERS: dict[str, Callable[[bytes, bytes], str]] = {"gslt": verdict, "independent": independent}


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


def _forge_header(data: bytes, rng: random.Random) -> bytes:
    """The header written in another way, around metadata and masks that are as they were."""
    content, masks = data[8 : 8 + int.from_bytes(data[:8], "little")].rstrip(), None
    masks = data[8 + int.from_bytes(data[:8], "little") :]
    header = json.loads(content)
    tensor = header["masks"]
    sealed = json.dumps(header["__metadata__"][KEY]).encode()
    size = len(masks)

    def dumped(value: object) -> bytes:
        return json.dumps(value, separators=(",", ":")).encode()

    kinds: list[Callable[[], bytes]] = [
        lambda: dumped({"masks": tensor, "__metadata__": header["__metadata__"]}),
        lambda: json.dumps(header).encode(),
        lambda: dumped({**header, "more": {**tensor, "shape": [0], "data_offsets": [size, size]}}),
        lambda: dumped({**header, "masks": {**tensor, "dtype": rng.choice(["I8", "BOOL", "X"])}}),
        lambda: dumped({**header, "masks": {**tensor, "shape": rng.choice([[1, size], [], [-1]])}}),
        lambda: dumped({**header, "masks": {**tensor, "data_offsets": [0, size + 1]}}),
        lambda: dumped({**header, "masks": {**tensor, "data_offsets": [2**63, 2**64]}}),
        lambda: dumped({**header, "masks": dict(reversed(tensor.items()))}),
        lambda: dumped({**header, "__metadata__": {**header["__metadata__"], "format": "pt"}}),
        lambda: dumped({**header, "__metadata__": {KEY: [1]}}),
        lambda: dumped({**header, "__metadata__": rng.choice(ABSURD[9:])}),
        lambda: content.replace(b'"masks":{', b'"masks":{},"masks":{'),
        lambda: content.replace(b'\\"version', b"\\u0022version"),
        lambda: content.replace(sealed, sealed[:-1] + b' "'),
        lambda: content + rng.choice([b" " * 8, b"\n" * 8, b"\0" * 8, b"x" * 8]),
        lambda: b" " + content,
        lambda: b"\xef\xbb\xbf" + content,
        lambda: content.replace(b"gslt-ticket", rng.choice([b"gslt-run", b"gslt-\xff", b"x"])),
        lambda: content.replace(b"U8", b"\xff8"),
        lambda: b'{"__metadata__":{"' + KEY.encode() + b'":"' + b"[" * rng.choice([10, 10**6]),
    ]
    changed = rng.choice(kinds)()
    if rng.random() < 0.9:
        changed += b" " * (-len(changed) % 8)
    return len(changed).to_bytes(8, "little") + changed + masks


#: Other ways to write a number of JSON, and what is none.
NUMBERS = [
    *("{}0", "{}.0", "0{}", "+{}", "-{}", "{}e0", "{}E+00", "{}.", ".{}", "{}_0", "{}e400"),
    *("{}" + "0" * 30, "{}" + "9" * 400, "{}" + "9" * 5000, "-0", "-0.0", "NaN", "Infinity"),
    *("0x{}", "{}e-400", '"{}"', "[{}]", "{}1", "1e{}", "true", "null", "{}.000000000000000001"),
]


def _forge_text(data: bytes, rng: random.Random) -> bytes:
    """The JSON text of the metadata written in another way; the checksum is made anew."""
    text, masks = open_ticket(data)
    places = [m.span() for m in re.finditer(r"(?<![\w.\\])-?\d[\d.e+-]*", text)]
    marks = [m.start() for m in re.finditer(r"[{}\[\]:,]", text)]
    letters = [m.start() for m in re.finditer(r"[a-z]", text)]
    fields = list(re.finditer(r'"\w+":("[^"]*"|[\d.]+|null|true)(?=[,}])', text))

    def number() -> str:
        start, end = rng.choice(places)
        return text[:start] + rng.choice(NUMBERS).format(text[start:end]) + text[end:]

    def space() -> str:
        place = rng.choice(marks) + rng.randrange(2)
        return (
            text[:place] + rng.choice([" ", "\n", "\t", "\ufeff", "/**/", ",", "\0"]) + text[place:]
        )

    def escape() -> str:
        place = rng.choice(letters)
        code = ord(text[place])
        form = rng.choice(["\\u{:04x}", "\\u{:04X}", "\\x{:02x}", "\\{:c}", "\\ud83d{:c}"])
        return text[:place] + form.format(code) + text[place + 1 :]

    def twice() -> str:
        field = rng.choice(fields).group()
        return text.replace(field, f"{field},{field}", 1)

    def swapped() -> str:
        first, second = sorted(rng.sample(fields, 2), key=lambda m: m.start())
        middle = text[first.end() : second.start()]
        return text[: first.start()] + second[0] + middle + first[0] + text[second.end() :]

    def nested() -> str:
        deep = rng.choice([10, 900, 10**5])
        inner = rng.choice(["[" * deep + "]" * deep, '{"a":' * deep + "1" + "}" * deep, "[" * deep])
        field = rng.choice(fields)
        return text[: field.start(1)] + inner + text[field.end(1) :]

    def raw() -> str:
        return text.replace("\\u00f6", rng.choice(["ö", "\\u00F6", "o\\u0308", "\x7f", "\\u007f"]))

    def other() -> str:
        return rng.choice([text + " ", " " + text, text + text, text[:-1], text + "x", text[1:]])

    change = rng.choice([number, number, number, space, escape, twice, swapped, nested, raw, other])
    return seal_again(change(), masks)


def _forge_counts(data: bytes, rng: random.Random) -> bytes:
    """Counts that disagree a little, or agree among themselves and nowhere else."""
    text, masks = open_ticket(data)
    values = json.loads(text)
    layers, source = values["layers"], values["source"]
    first, second = rng.choice(layers), rng.choice(layers)
    column = rng.choice([1, 2, 3])
    step = rng.choice([-1, 1, 1, 2, 4, 8])
    kind = rng.randrange(7)
    if kind < 3:
        first[column] += step
        if kind:
            second[column] -= step
        if kind == 2:
            source[rng.choice(["total", "pruned", "locked"])] += step
    elif kind == 3:
        kept, total = (sum(layer[c] for layer in layers) + step for c in (2, 1))
        values["freeze"]["sparsity"] = 1 - kept / max(total, 1)
    elif kind == 4:
        a, b = rng.sample(["total", "pruned", "locked"], 2)
        source[a] += step
        source[b] += rng.choice([step, -step])
    elif kind == 5:
        name = rng.choice(["freezing_ratio", "prune_ratio", "lock_ratio", "sparsity"])
        known = values["freeze"][name]
        values["freeze"][name] = rng.choice([0, 0.0, 1, 1e-12, (known or 0) + 1e-10, 0.1, 0.5])
    else:
        values["architecture"] = rng.choice([None, {}])
    return seal_again(json.dumps(values, separators=(",", ":")), masks)


def _forge_code(data: bytes, rng: random.Random) -> bytes:
    """The masks in another form, other masks of the same counts, or codes that end elsewhere."""
    text, payload = open_ticket(data)
    values = json.loads(text)
    codes, start = [], 0
    for _, _, _, length in values["layers"]:
        codes.append(payload[start : start + length])
        start += length
    number = rng.randrange(len(codes))
    layer = values["layers"][number]
    mask = decode_mask(codes[number], layer[1], layer[2])
    one = share(max(layer[1], 1), layer[2])

    def coded() -> bytes:
        return np.array(encode_words(mask, one), dtype="<u4").tobytes()

    def moved() -> bytes:
        other = mask.copy()
        np.random.default_rng(rng.randrange(2**32)).shuffle(other)
        return pack(other) if len(codes[number]) == (mask.size + 7) // 8 else coded_of(other)

    def coded_of(other: Any) -> bytes:
        return np.array(encode_words(other, one), dtype="<u4").tobytes()

    kinds: list[Callable[[], bytes]] = [
        lambda: pack(mask),
        coded,
        moved,
        moved,
        lambda: coded() + bytes(4),
        lambda: coded() + rng.randbytes(4),
        lambda: bytes(4) + coded(),
        lambda: coded()[4:],
        lambda: pack(mask) + b"\0",
        lambda: rng.randbytes(len(codes[number])),
        lambda: rng.randbytes(4 * rng.randrange(1, 5)),
        lambda: _flip(pack(mask), rng, 1),
        lambda: codes[number][::-1],
    ]
    codes[number] = rng.choice(kinds)()
    layer[3] = len(codes[number])
    if rng.random() < 0.1:
        layer[2] = rng.choice([0, layer[1], layer[1] + 1])
    searched, total = sum(x[1] for x in values["layers"]), values["source"]["total"]
    size = max(-(-searched // 2**8), -(-total // 2**14))
    masks = b"".join(codes).ljust(size, b"\0")
    return seal_again(json.dumps(values, separators=(",", ":")), masks)


def _bomb(data: bytes, rng: random.Random) -> bytes:
    """Sound in all that is cheap to check, and dear in memory or time to whoever believes it."""
    text, _ = open_ticket(data)
    values = json.loads(text)
    size = rng.choice([1, 500, 2048, 8192])
    freeze, kind = values["freeze"], rng.randrange(4)
    freeze.update(freezing_ratio=None, threshold="global", allocation="uniform")
    code = b""
    if kind == 0 or values["architecture"] is None:
        total = size * 2**8
        freeze.update(sparsity=1 - 1 / total, prune_ratio=None, lock_ratio=None)
        values.update(architecture=None, layers=[["w", total, 1, 4]])
        source = {"total": total, "pruned": 0, "locked": 0}
        code = (2**24 - share(total, 1)).to_bytes(4, "little")
    elif kind == 1:
        layers = min(size, 300)
        _chain(values["architecture"], layers)
        freeze.update(sparsity=0.0, prune_ratio=None, lock_ratio=None)
        values["layers"] = [[f"layers.{i}.nn.weight", 1, 1, 0] for i in range(layers)]
        source = {"total": layers, "pruned": 0, "locked": 0}
    else:
        lock = rng.choice([0.0, 0.5, 1.0])
        _chain(values["architecture"], 2)
        width = size * 2**14 // 2048
        values["architecture"]["model"]["hidden_channels"] = 1024
        values["architecture"].update(in_channels=width, out_channels=width)
        freeze.update(sparsity=1 - lock, prune_ratio=1 - lock, lock_ratio=lock)
        values["layers"] = [[f"layers.{i}.nn.weight", 0, 0, 0] for i in range(2)]
        total = 2048 * width
        source = {"total": total, "pruned": total - round(lock * total), "locked": 0}
        source["locked"] = total - source["pruned"]
    values["source"] = source
    searched = sum(layer[1] for layer in values["layers"])
    least = max(-(-searched // 2**8), -(-source["total"] // 2**14))
    return seal_again(json.dumps(values, separators=(",", ":")), code.ljust(least, b"\0"))


def _chain(architecture: dict[str, Any], layers: int) -> None:
    """A GIN of one channel."""
    model = architecture["model"]
    model.update(architecture="gin", num_layers=layers, hidden_channels=1, head=False)
    architecture.update(in_channels=1, out_channels=1)


CHANGES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "bytes": _damage,
    "header": _forge_header,
    "text": _forge_text,
    "values": _forge_values,
    "counts": _forge_counts,
    "masks": _forge_masks,
    "codes": _forge_code,
    "bombs": _bomb,
}


def summary(rows: list[tuple[str, str, str]]) -> dict[str, Any]:
    """Numbers of mutants by kind and outcome, and every one that should not be."""
    accepted = ("identical", "other")  # The version of gslt in a file is for information alone.
    wrong = [
        row
        for row in rows
        if (row[1] in accepted) != (row[2] in accepted) or not {*row[1:]} <= {"refused", *accepted}
    ]
    return {
        "mutants": len(rows),
        "by_kind": dict(Counter(name for name, *_ in rows)),
        "refused_by_both": sum(row[1:] == ("refused", "refused") for row in rows),
        "accepted_by_both": sum(a in accepted and b in accepted for _, a, b in rows),
        "accepted_by_gslt_alone": sum(a in accepted and b == "refused" for _, a, b in rows),
        "accepted_by_the_other_alone": sum(a == "refused" and b in accepted for _, a, b in rows),
        "accepted_wrongly": sum("accepted" in row[1:] for row in rows),
        "hangs": sum("hang" in row[1:] for row in rows),
        "tracebacks_and_deaths": sum(
            each.startswith(("traceback", "died")) for row in rows for each in row[1:]
        ),
        "examples_of_what_should_not_be": wrong[:20],
    }


def main() -> None:
    """Print what reading mutants comes to; fail where something is as it should not be."""
    parser = common.options(__doc__ or "", plot=False)
    parser.add_argument("ticket", type=Path, nargs="?")
    parser.add_argument("--count", type=int, default=1200, help="mutants of every ticket")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.child:
        _child(options.child)
        return
    if options.ticket is not None:
        found = trial(options.ticket.read_bytes(), options.count, options.seed)
        print(json.dumps(found))
        if found.get("accepted"):
            raise SystemExit("a file was accepted that should not be")
        return
    count = 20 if options.quick else options.count
    rows, start = [], time.perf_counter()
    for number, (name, data) in enumerate(tickets()):
        rows += compare(data, count, options.seed + number)
        print(f"{name}: {len(rows)} mutants, {time.perf_counter() - start:.0f} s", flush=True)
    found = summary(rows)
    print(json.dumps(found, indent=2))
    config = {"count": count, "seed": options.seed, "seconds": SECONDS, "memory_bytes": MEMORY}
    common.save(options.json, config=config, kinds=list(KINDS), found=found)
    if found["examples_of_what_should_not_be"]:
        raise SystemExit("the readers do not agree, or one of them ended badly")


if __name__ == "__main__":
    main()
