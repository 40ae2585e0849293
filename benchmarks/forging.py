"""Forged ticket files: a sound one with bytes, header, JSON text, values, masks or state changed.

:data:`CHANGES` has the ways, each from a sound file and a random generator to another file. But for
blind damage the checksum is made anew, so that the rules of the format have to hold.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from gslt.ticket.mask_code import decode_mask, encode_words, pack, share

KEY = "gslt-ticket"
#: Types of tensors, in the order of the file.
TYPES = ["I64", "F64", "F32", "I32", "BF16", "F16", "I16", "I8", "U8", "BOOL"]
#: Type, shape and bytes of a tensor, and such tensors by name.
Stored = tuple[str, list[int], bytes]
State = Mapping[str, Stored]
#: Shapes that a stored value has not.
SHAPES: list[Any] = [[], [-1], [2**62, 2**62], [0, 2**62], [1] * 40, [2.0], [True], 2, None, [[2]]]

#: What a field may be changed to.
ABSURD: list[Any] = [
    *(-1, 0, 1, 2, 3, 255, 10**6, 10**13, 2**31, 2**63, 2**64, 10**300),
    *(0.0, -0.5, 0.5, 1.0, 1.5, 1e-300, 1e308, float("nan"), float("inf")),
    *(True, None, "", "gin", "epl", "x" * 10_000, "\ud800", "\0"),
    *([], {}, [[]], [["a", 1, 1, 1]] * 1000, {"a": {"b": []}}),
]


def open_ticket(data: bytes) -> tuple[str, bytes]:
    """Metadata as text, and masks, of a sound file."""
    header, tensors = _read(data)
    return header["__metadata__"][KEY].partition(" ")[2], tensors["masks"][2]


def state_of(data: bytes) -> State:
    """What a sound file stores beside the masks."""
    _, tensors = _read(data)
    return {name: tensor for name, tensor in tensors.items() if name != "masks"}


def seal_again(
    text: str, masks: bytes, name: str = "masks", state: State = MappingProxyType({})
) -> bytes:
    """A file of these metadata and masks whose checksum holds.

    Args:
        text: the metadata.
        masks: bytes of the masks.
        name: of the masks.
        state: what stands beside them.
    """
    tensors = {**state, name: ("U8", [len(masks)], masks)}
    encoded = text.encode("utf-8", "replace")
    digest = hashlib.sha256(encoded)
    for each in sorted(tensors):
        digest.update(each.encode("utf-8", "replace") + b"\0" + tensors[each][2])
    header: dict[str, Any] = {"__metadata__": {KEY: f"{digest.hexdigest()} {text}"}}
    start, order = 0, sorted(tensors, key=lambda each: (TYPES.index(tensors[each][0]), each))
    for each in order:
        dtype, shape, content = tensors[each]
        end = start + len(content)
        header[each] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
        start = end
    written = json.dumps(header, separators=(",", ":"), ensure_ascii=False)
    content = written.encode("utf-8", "backslashreplace")
    content += b" " * (-len(content) % 8)
    body = b"".join(tensors[each][2] for each in order)
    return len(content).to_bytes(8, "little") + content + body


def changed(data: bytes, text: str, masks: bytes, name: str = "masks") -> bytes:
    """A sound file with other metadata and masks, sealed again."""
    return seal_again(text, masks, name, state_of(data))


def _read(data: bytes) -> tuple[dict[str, Any], dict[str, Stored]]:
    """Header and tensors of a sound file."""
    length = int.from_bytes(data[:8], "little")
    header, content = json.loads(data[8 : 8 + length]), data[8 + length :]
    return header, {
        name: (info["dtype"], info["shape"], content[slice(*info["data_offsets"])])
        for name, info in header.items()
        if name != "__metadata__"
    }


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
    return changed(data, text, masks, rng.choice(["masks"] * 20 + ["mask"]))


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
    return changed(data, json.dumps(values, separators=(",", ":")), masks)


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
    length = 8 + int.from_bytes(data[:8], "little")
    written, content = data[8:length].rstrip(), data[length:]
    header = json.loads(written)
    tensor = header["masks"]
    sealed = json.dumps(header["__metadata__"][KEY]).encode()
    size, end = tensor["shape"][0], len(content)
    tensors = {name: info for name, info in header.items() if name != "__metadata__"}

    def dumped(value: object) -> bytes:
        return json.dumps(value, separators=(",", ":")).encode()

    kinds: list[Callable[[], bytes]] = [
        lambda: dumped(dict(reversed(header.items()))),
        lambda: dumped({**header, **dict(reversed(tensors.items()))}),
        lambda: dumped({"__metadata__": header["__metadata__"], **dict(reversed(tensors.items()))}),
        lambda: json.dumps(header).encode(),
        lambda: dumped({**header, "more": {**tensor, "shape": [0], "data_offsets": [end, end]}}),
        lambda: dumped({**header, "masks": {**tensor, "dtype": rng.choice(["I8", "BOOL", "X"])}}),
        lambda: dumped({**header, "masks": {**tensor, "shape": rng.choice([[1, size], [], [-1]])}}),
        lambda: dumped({**header, "masks": {**tensor, "data_offsets": [0, size + 1]}}),
        lambda: dumped({**header, "masks": {**tensor, "data_offsets": [2**63, 2**64]}}),
        lambda: dumped({**header, "masks": dict(reversed(tensor.items()))}),
        lambda: dumped({**header, "__metadata__": {**header["__metadata__"], "format": "pt"}}),
        lambda: dumped({**header, "__metadata__": {KEY: [1]}}),
        lambda: dumped({**header, "__metadata__": rng.choice(ABSURD[9:])}),
        lambda: written.replace(b'"masks":{', b'"masks":{},"masks":{'),
        lambda: written.replace(b'\\"version', b"\\u0022version"),
        lambda: written.replace(sealed, sealed[:-1] + b' "'),
        lambda: written + rng.choice([b" " * 8, b"\n" * 8, b"\0" * 8, b"x" * 8]),
        lambda: b" " + written,
        lambda: b"\xef\xbb\xbf" + written,
        lambda: written.replace(b"gslt-ticket", rng.choice([b"gslt-run", b"gslt-\xff", b"x"])),
        lambda: written.replace(b"U8", b"\xff8"),
        lambda: b'{"__metadata__":{"' + KEY.encode() + b'":"' + b"[" * rng.choice([10, 10**6]),
    ]
    other = rng.choice(kinds)()
    if rng.random() < 0.9:
        other += b" " * (-len(other) % 8)
    return len(other).to_bytes(8, "little") + other + content


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
    return changed(data, change(), masks)


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
    return changed(data, json.dumps(values, separators=(",", ":")), masks)


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
    return changed(data, json.dumps(values, separators=(",", ":")), masks)


def _forge_state(data: bytes, rng: random.Random) -> bytes:
    """What is stored beside the masks in another way, or where there was nothing."""
    text, masks = open_ticket(data)
    values, state = json.loads(text), dict(state_of(data))
    name = rng.choice(["state.new", *state])
    dtype, shape, content = state.pop(name, ("F32", [2], bytes(8)))
    special = b"".join(rng.choice([b"\xff", b"\x7f", b"\x80", b"\0", b"\1"]) for _ in content)
    kinds: list[Callable[[], Stored]] = [
        lambda: (dtype, shape, _flip(content, rng, 1)),
        lambda: (dtype, shape, special),
        lambda: (dtype, shape, rng.randbytes(len(content))),
        lambda: (rng.choice(TYPES), shape, content),
        lambda: (dtype, rng.choice(SHAPES), content),
        lambda: (dtype, [1, *shape], content),
        lambda: (dtype, [0, *shape], b""),
        lambda: (dtype, shape, content[:-1]),
    ]
    if rng.random() < 0.9:
        others = ["", "masks", "state.", "state.\ud800", 'state.ö"\\\n', "state.masks"]
        state[rng.choice([name] * 12 + others)] = rng.choice(kinds)()
    if rng.random() < 0.8:
        named = sorted(state.keys() - {"pattern"})
        rows = [[key.removeprefix("state."), *state[key][:2]] for key in named]
        values.pop("state", None)
        values.update({"version": 3, "state": rows} if rows else {"version": 2})
        if (pattern := values.pop("pattern", None)) is not None:
            values.update({"version": 5, "pattern": pattern})
    if rng.random() < 0.1:
        values["version"] = rng.choice([2, 3, 3.0, 4])
    if rng.random() < 0.1 and isinstance(rows := values.get("state"), list):
        rng.choice([rows.reverse, rows.clear, lambda: rows.extend(rows)])()
    if rng.random() < 0.2:
        values["architecture"] = None
    state.pop("masks", None)
    return seal_again(json.dumps(values, separators=(",", ":")), masks, state=state)


def _forge_pattern(data: bytes, rng: random.Random) -> bytes:
    """A freezing pattern in another way, or where there was none."""
    text, masks = open_ticket(data)
    values, state = json.loads(text), dict(state_of(data))
    rows = values.setdefault("pattern", [[0, 0, 0, 0] for _ in values["layers"]])
    _, _, content = state.get("pattern", ("U8", [0], bytes(-(-values["source"]["total"] // 256))))
    if rows and rng.random() < 0.6:
        row = rng.choice(rows)
        for _ in range(rng.choice([1, 2])):
            row[rng.randrange(4)] += rng.choice([-1, 1, 1, 8, 256, 10**6, 10**12])
    if rng.random() < 0.4:
        content = rng.choice(
            [
                _flip(content, rng, rng.choice([1, 2])),
                content[: rng.randrange(len(content) + 1)],
                content + bytes(rng.choice([1, 4, 10**5])),
                rng.randbytes(len(content)),
            ]
        )
    if rng.random() < 0.5:
        source, layers = values["source"], values["layers"]
        source["pruned"], source["locked"] = (sum(row[i] for row in rows) for i in range(2))
        source["total"] = sum(x[1] for x in layers) + source["pruned"] + source["locked"]
    if rng.random() < 0.2:
        values["freeze"].update(rng.choice([{"prune_ratio": 0.1}, {"draw": "bernoulli"}]))
    values["version"] = rng.choice([5, 5, 5, 4, 6])
    state["pattern"] = ("U8", [len(content)], content)
    return seal_again(json.dumps(values, separators=(",", ":")), masks, state=state)


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
    return changed(data, json.dumps(values, separators=(",", ":")), code.ljust(least, b"\0"))


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
    "state": _forge_state,
    "pattern": _forge_pattern,
    "bombs": _bomb,
}
