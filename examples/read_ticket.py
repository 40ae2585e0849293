"""Logits of a ticket file with NumPy alone: neither gslt nor torch is imported.

Run: python examples/read_ticket.py TICKET DATA.npz LOGITS.npy

DATA.npz holds the features ``x`` (nodes, features) and ``edge_index`` (2, edges), sources above
targets; for a network of images ``x`` (images, channels, 32, 32), normalised. Written from
docs/ticket-format.md, whose words it uses.
"""

import hashlib
import json
import math
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

UNIT = 2**24

# Algorithm AS 241 (Wichura 1988), PPND16: numerator and denominator of each range.
CENTRE = (
    """3.3871328727963666080e0 1.3314166789178437745e2 1.9715909503065514427e3
    1.3731693765509461125e4 4.5921953931549871457e4 6.7265770927008700853e4
    3.3430575583588128105e4 2.5090809287301226727e3""",
    """1 4.2313330701600911252e1 6.8718700749205790830e2 5.3941960214247511077e3
    2.1213794301586595867e4 3.9307895800092710610e4 2.8729085735721942674e4
    5.2264952788528545610e3""",
)
NEAR = (
    """1.42343711074968357734e0 4.63033784615654529590e0 5.76949722146069140550e0
    3.64784832476320460504e0 1.27045825245236838258e0 2.41780725177450611770e-1
    2.27238449892691845833e-2 7.74545014278341407640e-4""",
    """1 2.05319162663775882187e0 1.67638483018380384940e0 6.89767334985100004550e-1
    1.48103976427480074590e-1 1.51986665636164571966e-2 5.47593808499534494600e-4
    1.05075007164441684324e-9""",
)
FAR = (
    """6.65790464350110377720e0 5.46378491116411436990e0 1.78482653991729133580e0
    2.96560571828504891230e-1 2.65321895265761230930e-2 1.24266094738807843860e-3
    2.71155556874348757815e-5 2.01033439929228813265e-7""",
    """1 5.99832206555887937690e-1 1.36929880922735805310e-1 1.48753612908506148525e-2
    7.86869131145613259100e-4 1.84631831751005468180e-5 1.42151175831644588870e-7
    2.04426310338993978564e-15""",
)


# What a reader takes without being asked to: limits, not rules of the format.
FILE_BYTES, HEADER_BYTES = 2**30, 2**24
WEIGHTS = BITS = 2**25
SMALL_FILE_WEIGHTS, WEIGHTS_PER_FILE_BYTE = 2**22, 2**7

FIELDS = "version gslt freeze architecture source layers weights_sha256 dataset split results"
# Types of tensors in the order of the file, and the bytes of an entry.
TYPES = {
    "I64": 8,
    "F64": 8,
    "F32": 4,
    "I32": 4,
    "BF16": 2,
    "F16": 2,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}
MOST_DIMENSIONS = 32
FREEZE = (
    "sparsity freezing_ratio prune_ratio lock_ratio allocation place weight_init scale threshold "
    "ranking score_init seed draw connected"
)
MODEL = (
    "architecture num_layers hidden_channels batch_norm head dropout residual unit_gain pair_norm "
    "edges heads width"
)
# What is missing from a file where it has this value.
LEFT_OUT = {
    "place": "all",
    "draw": "exact",
    "connected": False,
    "residual": False,
    "unit_gain": False,
    "pair_norm": False,
    "edges": "all",
    "heads": 1,
    "width": 1,
}
# Channels of each pair of convolutions, or of each stage of blocks and the blocks of a stage.
PLAIN = {"conv2": [64], "conv4": [64, 128], "conv6": [64, 128, 256]}
RESIDUAL = {"resnet18": ([64, 128, 256, 512], 2), "resnet20": ([16, 32, 64], 3)}
# Of networks in bases: elements of a layer's basis, and those of its constants, in the first layer,
# in those behind it and in the last.
BASES = {
    **dict.fromkeys(("mlp", "gin", "gcn"), [(1, 1)] * 3),
    "sage": [(2, 1)] * 3,
    "cnn": [(9, 1), (9, 1), (1, 1)],
    "c4cnn": [(9, 1), (36, 1), (1, 1)],
    "d4cnn": [(9, 1), (72, 1), (1, 1)],
    "ign2": [(15, 2), (15, 2), (2, 1)],
}
# What a network of images does not have stands there as it is where nobody says otherwise.
OF_GRAPHS = {
    "num_layers": 4,
    "hidden_channels": 386,
    "batch_norm": True,
    "head": True,
    "dropout": 0,
    **{name: LEFT_OUT[name] for name in ("residual", "unit_gain", "pair_norm", "edges", "heads")},
}
CHOICES = {
    "allocation": ("epl", "erk", "uniform", "igq", "balanced", "pyramidal"),
    "draw": ("exact", "bernoulli"),
    "weight_init": ("ku", "kn", "skc"),
    "scale": ("none", "static", "dynamic"),
    "threshold": ("global", "layer"),
    "ranking": ("magnitude", "raw"),
    "score_init": ("kn", "ku"),
}
NORMS = ("batch_norm", "unit_gain", "pair_norm")


class DamagedError(ValueError):
    """The file is damaged, no ticket of version 2, 3, 4 or 5, or beyond a limit."""


def check(holds: bool, problem: str) -> None:
    """Refuse the file unless something holds."""
    if not holds:
        raise DamagedError(problem)


# --- container ------------------------------------------------------------------------------------


def open_ticket(data: bytes) -> tuple[dict, dict[str, bytes]]:
    """Metadata and the bytes of every tensor; all rules about the metadata hold."""
    check(len(data) <= FILE_BYTES, "the file is too large")
    length = int.from_bytes(data[:8], "little")
    check(8 <= 8 + length <= len(data), "the file is cut off")
    check(length <= HEADER_BYTES, "the header is too long")
    header, content = data[8 : 8 + length], data[8 + length :]
    start = b'{"__metadata__":{"gslt-ticket":"'
    check(header.startswith(start), "the file is no ticket")
    infos = parsed(header)
    first = infos.pop("__metadata__")
    check(isinstance(first, dict) and isinstance(first.get("gslt-ticket"), str), "no metadata")
    infos = checked_tensors(infos, len(content))
    sealed = first["gslt-ticket"]
    whole = {"__metadata__": {"gslt-ticket": sealed}, **infos}
    written = written_as(whole, ascii_alone=False).encode()
    written += b" " * (-len(written) % 8)
    check(header == written, "the header is not written as it should")
    tensors = {name: content[slice(*info["data_offsets"])] for name, info in infos.items()}
    checksum, _, text = sealed.partition(" ")
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(name.encode() + b"\0" + tensors[name])
    check(digest.hexdigest() == checksum, "the checksum is wrong")
    meta = parsed(text)
    check(written_as(meta) == text, "the metadata are not written as they should")
    check(isinstance(meta, dict) and "version" in meta, "the metadata are no object")
    check(type(meta["version"]) is int and meta["version"] in (2, 3, 4, 5), "another version")
    check_metadata(meta)
    check_limits(meta, len(data))
    described = {f"state.{name}": (dtype, shape) for name, dtype, shape in meta.get("state", [])}
    described["masks"] = ("U8", [len(tensors.get("masks", b""))])
    if "values" in meta:
        described["values"] = ("F32", [meta["values"]])
    if "pattern" in meta:
        described["pattern"] = ("U8", [len(tensors.get("pattern", b""))])
    found = {name: (info["dtype"], info["shape"]) for name, info in infos.items()}
    check(found == described, "other tensors than in the metadata")
    return meta, tensors


def checked_tensors(infos: dict, size: int) -> dict:
    """What the header has to say of its tensors, which take so many bytes."""
    start, places, written = 0, [], {}
    for name, info in infos.items():
        check(isinstance(info, dict) and info.get("dtype") in [*TYPES], f"{name} has no type")
        check_shape(info.get("shape"), name)
        end = start + TYPES[info["dtype"]] * math.prod(info["shape"])
        places.append(([*TYPES].index(info["dtype"]), name))
        offsets = {"data_offsets": [start, end]}
        written[name] = {"dtype": info["dtype"], "shape": info["shape"], **offsets}
        start = end
    check(start == size, "the tensors are shorter or longer")
    check(places == sorted(places), "the tensors are in another order")
    return written


def check_shape(shape: object, name: str) -> None:
    """A list of dimensions."""
    check(isinstance(shape, list) and len(shape) <= MOST_DIMENSIONS, f"{name} has no shape")
    for n in shape:
        count(n, f"a dimension of {name}", least=1)


def parsed(text: str | bytes) -> Any:
    """The value of a JSON text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"the JSON is damaged: {error}") from error


def written_as(value: object, ascii_alone: bool = True) -> str:
    """The one way to write a value: refuses infinity and NaN, and text that is no Unicode."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
        return json.dumps(value, separators=(",", ":"), ensure_ascii=ascii_alone)
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"a value cannot be written: {error}") from error


# --- metadata -------------------------------------------------------------------------------------


def keys(value: object, names: str) -> None:
    """Exactly these fields, in this order."""
    wanted = names.split()
    check(isinstance(value, dict) and list(value) == wanted, f"other fields than {wanted}")


def keys_written(value: object, names: str) -> dict:
    """These fields, in this order, without those that have the value that is not written."""
    check(isinstance(value, dict), "a part is no object")
    wanted = [name for name in names.split() if name in value or name not in LEFT_OUT]
    keys(value, " ".join(wanted))
    usual = [name for name in LEFT_OUT if name in value and value[name] == LEFT_OUT[name]]
    check(not usual, f"{usual} would not be written")
    return {**LEFT_OUT, **value}


def number(value: object, name: str) -> float:
    """A number, whole or not; true and false are none."""
    check(isinstance(value, int | float) and not isinstance(value, bool), f"{name} is no number")
    return value


def count(value: object, name: str, least: int = 0) -> int:
    """A whole number of things."""
    check(type(value) is int and least <= value < 2**63, f"{name} is no count")
    return value


def text(value: object, name: str) -> str:
    """A text."""
    check(isinstance(value, str), f"{name} is no text")
    return value


def check_metadata(meta: dict) -> None:
    """Fields, their order, types and ranges."""
    version, weak, given = meta["version"], "values" in meta, "pattern" in meta
    data = version == 4 or (version == 5 and "data_sha256" in meta)
    state = version == 3 or (version in (4, 5) and "state" in meta)
    built = version == 5 and "construction" in meta
    last = f"{' construction' * built}{' pattern' * given}{' values' * weak}"
    keys(meta, f"{FIELDS}{' state' * state}{' data_sha256' * data}{last}")
    keys(meta["source"], "total pruned locked")
    for name, value in meta["source"].items():
        count(value, name, least=1 if name == "total" else 0)
    check(isinstance(meta["layers"], list), "the layers are no list")
    for layer in meta["layers"]:
        check(isinstance(layer, list) and len(layer) == 4, "a layer has not four values")
        text(layer[0], "the name of a layer")
        for value in layer[1:]:
            count(value, "a number of a layer")
    names = [layer[0] for layer in meta["layers"]]
    check(len(set(names)) == len(names), "two layers have the same name")
    for name in ("gslt", "dataset", "weights_sha256"):
        text(meta[name], name)
    for name in ["weights_sha256", *["data_sha256"] * data]:
        digits = text(meta[name], name)
        check(re.fullmatch("[0-9a-f]{64}", digits) is not None, f"{name} is no SHA-256")
    count(meta["split"], "split")
    check(isinstance(meta["results"], dict), "the results are no object")
    for name, value in meta["results"].items():
        check(abs(number(value, name)) <= sys.float_info.max, f"{name} is not finite")
    check_freeze(meta["freeze"])
    if weak:
        count(meta["values"], "values", least=1)
        kept = sum(layer[2] for layer in meta["layers"])
        check(meta["values"] == kept, "another number of trained weights than are kept")
        freeze = meta["freeze"]
        trained = meta["source"]["locked"] == 0 == ratios(freeze)[1] and freeze["scale"] == "none"
        check(trained, "trained weights with locked ones, or a scale")
        everywhere = "place" not in freeze and freeze["threshold"] == "global"
        check(everywhere, "trained weights with a place, or thresholds of layers")
    if meta["architecture"] is not None:
        check_architecture(meta["architecture"])
    if given:
        check_given(meta)
    kind = meta["architecture"] and meta["architecture"]["model"]["architecture"]
    later = kind in ("gat", *PLAIN, *RESIDUAL) or built or given or weak
    check(later == (version == 5), "another version than its contents have")
    check(not (weak and given), "trained weights and a pattern of frozen ones")
    if state:
        check_state(meta["state"])
        check(kind is None or kind in RESIDUAL, "state in a network that has none")
    if built:
        check(kind is None and not weak, "a construction of what is a classifier, or was trained")
        check_construction(meta)


def check_given(meta: dict) -> None:
    """Counts of a pattern that was given, which stands in the place of all ratios."""
    rows, freeze = meta["pattern"], meta["freeze"]
    check(isinstance(rows, list) and len(rows) == len(meta["layers"]) > 0, "a pattern is missing")
    for row in rows:
        check(isinstance(row, list) and len(row) == 4, "a layer of the pattern has not four values")
        for value in row:
            count(value, "a number of the pattern")
    ratio = any(freeze[f"{name}_ratio"] for name in ("freezing", "prune", "lock"))
    usual = freeze["allocation"] == "epl" and not set(freeze) & {"place", "draw", "connected"}
    check(usual and not ratio, "the pattern and other settings say what is frozen")
    searched = sum(layer[1] for layer in meta["layers"])
    pruned, locked = (sum(row[i] for row in rows) for i in range(2))
    source = meta["source"]
    check((source["pruned"], source["locked"]) == (pruned, locked), "other counts of the pattern")
    check(source["total"] == searched + pruned + locked, "another number of weights in the pattern")


def check_state(state: object) -> None:
    """What is stored beside the masks."""
    check(isinstance(state, list) and len(state) > 0, "state is empty")
    for value in state:
        check(isinstance(value, list) and len(value) == 3, "a stored value has not three parts")
        check(value[1] in [*TYPES], f"{text(value[0], 'the name of a value')} has no type")
        check_shape(value[2], value[0])
    names = [value[0] for value in state]
    check(names == sorted(set(names)), "the stored values are in another order, or one is twice")


def check_freeze(freeze: dict) -> None:
    """The frozen source."""
    freeze = keys_written(freeze, FREEZE)
    place = text(freeze["place"], "place")
    check(isinstance(freeze["connected"], bool), "connected is neither true nor false")
    names = place.split(",")
    tidy = all(name == name.strip() != "" for name in names) and names == sorted(set(names))
    check(tidy and ("all" not in names or len(names) == 1), "place is not written as it should")
    for name, choices in CHOICES.items():
        check(freeze[name] in choices, f"{name} is unknown")
    for name in ("sparsity", "freezing_ratio", "prune_ratio", "lock_ratio"):
        if name == "sparsity" or freeze[name] is not None:
            check(0 <= number(freeze[name], name) <= 1, f"{name} is no fraction")
    check(type(freeze["seed"]) is int and 0 <= freeze["seed"] < 2**64, "the seed is out of range")
    both, (prune, lock) = freeze["freezing_ratio"], ratios(freeze)
    if freeze["prune_ratio"] is not None or freeze["lock_ratio"] is not None:
        slack = 1e-9
        check(prune >= 0 and lock >= 0, "the freezing ratio is smaller than one of its parts")
        check(both is None or abs(prune + lock - both) <= slack, "the ratios contradict each other")
        check(prune + lock <= 1 + slack, "more than all is frozen")
        check(prune <= freeze["sparsity"] + slack, "more is pruned than the sparsity")
        check(lock <= 1 - freeze["sparsity"] + slack, "more is locked than the density")


def check_architecture(architecture: dict) -> None:
    """The node classifier."""
    keys(architecture, "model in_channels out_channels")
    model = architecture["model"]
    model = keys_written(model, MODEL)
    kind = model["architecture"]
    images = kind in PLAIN or kind in RESIDUAL
    check(images or kind in ("gin", "gcn", "sage", "gat"), "an unknown architecture")
    check(0 < number(model["width"], "width") <= 16, "the width factor is out of range")
    check(images or model["width"] == 1, "a width factor in a network of graphs")
    for name, value in OF_GRAPHS.items():
        check(not images or model[name] == value, f"{name} in a network of images")
    count(model["num_layers"], "num_layers", least=2)
    count(model["hidden_channels"], "hidden_channels", least=1)
    count(model["heads"], "heads", least=1)
    check(model["heads"] == 1 or kind == "gat", "heads without attention")
    check(model["hidden_channels"] % model["heads"] == 0, "the heads do not share the width")
    for name in ("head", "residual", *NORMS):
        check(isinstance(model[name], bool), f"{name} is neither true nor false")
    check(0 <= number(model["dropout"], "dropout") < 1, "dropout is out of range")
    check(sum(model[name] for name in NORMS) < 2, "two norms, or a gain with one")
    check(model["edges"] in ("all", "none"), "other edges")
    for name in ("in_channels", "out_channels"):
        count(architecture[name], name, least=1)


def check_construction(meta: dict) -> None:
    """The source of a constructed ticket."""
    built = meta["construction"]
    keys(built, "kind channels construction copies seed first_prune_ratio")
    check(built["kind"] in [*BASES], "an unknown kind of network")
    check(built["construction"] in ("2L", "L+1"), "an unknown construction")
    for name in ("channels", "copies"):
        check(isinstance(built[name], list), f"{name} is no list")
        for value in built[name]:
            count(value, f"a number of {name}", least=1)
    layers = len(built["copies"])
    check(2 <= layers == len(built["channels"]) - 1, "copies are not one for each layer")
    check(0 <= number(built["first_prune_ratio"], "first_prune_ratio") < 1, "a ratio out of range")
    seed = built["seed"]
    check(
        type(seed) is int and seed == meta["freeze"]["seed"], "another seed of the first matrices"
    )
    for name, dtype, shape in meta.get("state", []):
        block = re.fullmatch(r"blocks\.(0|[1-9][0-9]*)\.factor", name)
        known = block is not None and int(block[1]) < layers
        check(known and (dtype, shape) == ("F64", []), f"the construction has no value {name}")


def check_limits(meta: dict, size: int) -> None:
    """What the network and the masks may cost, given the bytes of the file."""
    total = meta["source"]["total"]
    check(total <= WEIGHTS, "too many weights")
    bits = sum(layer[1] for layer in meta["layers"])
    if rows := meta.get("pattern"):
        bits = 2 * bits + 2 * sum(row[0] + row[1] for row in rows)
    check(bits <= BITS, "too many bits")
    if rebuilt(meta):
        allowed = SMALL_FILE_WEIGHTS + WEIGHTS_PER_FILE_BYTE * size
        check(total <= allowed, "too many weights for so small a file")


# --- masks ----------------------------------------------------------------------------------------


def read_masks(meta: dict, payload: bytes) -> list[np.ndarray]:
    """The mask of every layer."""
    layers, source = meta["layers"], meta["source"]
    used, searched = sum(layer[3] for layer in layers), sum(layer[1] for layer in layers)
    size = max(used, -(-searched // 256), -(-source["total"] // 16384))
    check(len(payload) == size and not any(payload[used:]), "the masks have another length")
    masks, start = [], 0
    for name, n, k, length in layers:
        mask = read_mask(payload[start : start + length], n, k)
        check(int(mask.sum()) == k, f"the mask of {name} keeps another number")
        masks.append(mask)
        start += length
    return masks


def read_pattern(meta: dict, payload: bytes) -> list[np.ndarray]:
    """The freezing pattern of every layer, where the file has it."""
    rows, total = meta["pattern"], meta["source"]["total"]
    used = sum(row[2] + row[3] for row in rows)
    check(len(payload) == max(used, -(-total // 256)), "the pattern has another length")
    check(not any(payload[used:]), "the bytes behind the pattern are not zero")
    patterns, start = [], 0
    for (name, searched, _, _), (pruned, locked, one, two) in zip(
        meta["layers"], rows, strict=True
    ):
        held, middle = pruned + locked, start + one
        frozen = read_mask(payload[start:middle], searched + held, held)
        kept = read_mask(payload[middle : middle + two], held, locked)
        numbers = int(frozen.sum()), int(kept.sum())
        check(numbers == (held, locked), f"the pattern of {name} has other numbers")
        pattern = np.zeros(searched + held, np.int8)
        pattern[frozen] = np.where(kept, 1, -1)
        patterns.append(pattern)
        start = middle + two
    return patterns


def read_mask(code: bytes, n: int, k: int) -> np.ndarray:
    """The mask of n bits, of which k are set."""
    check(k <= n, "more is kept than searched")
    if k in (0, n):
        check(not code, "a mask without a choice has no bytes")
        return np.full(n, k > 0)
    one = min(max((2 * k * UNIT + n) // (2 * n), 1), UNIT - 1)
    packed = (n + 7) // 8
    if len(code) == packed:
        bits = np.unpackbits(np.frombuffer(code, np.uint8), bitorder="little").astype(bool)
        check(not bits[n:].any(), "unused bits are set")
        check(4 * words_of(bits[:n], one) >= packed, "a mask is packed where its code is shorter")
        return bits[:n]
    check(0 < len(code) < packed and len(code) % 4 == 0, "a mask has a wrong length")
    words = np.frombuffer(code, "<u4").tolist()
    check(words[-1] != 0, "the last word is zero")
    zero = UNIT - one
    x, bits = 0, np.zeros(n, bool)
    for i in range(n):
        while x < 2**32 and words:
            x = (x << 32) + words.pop()
        if x == 0:
            break  # Without a word left, every further bit is 0.
        y, q = divmod(x, UNIT)
        bits[i] = q >= zero
        x = one * y + q - zero if q >= zero else zero * y + q
    check(x == 0 and not words, "the code does not end with the mask")
    return bits


def words_of(bits: np.ndarray, one: int) -> int:
    """How many words the code of a mask has."""
    zero, x, words = UNIT - one, 0, 0
    for bit in bits[::-1].tolist():
        w = one if bit else zero
        if x >= w << 40:
            x, words = x >> 32, words + 1
        x = (x // w << 24) + x % w + (zero if bit else 0)
    return words + (x.bit_length() + 31) // 32


# --- state ----------------------------------------------------------------------------------------


def read_state(meta: dict, tensors: dict[str, bytes]) -> dict[str, np.ndarray]:
    """The stored values by name, finite numbers; those in bfloat16 as single."""
    state = {}
    for name, dtype, shape in meta.get("state", []):
        code = tensors[f"state.{name}"]
        if dtype == "BF16":
            value = (np.frombuffer(code, "<u2").astype("<u4") << 16).view("<f4")
        elif dtype == "BOOL":
            check(max(code) <= 1, f"{name} is neither true nor false")
            value = np.frombuffer(code, np.uint8).astype(bool)
        else:
            value = np.frombuffer(code, f"<{dtype[0].lower()}{TYPES[dtype]}")
        check(bool(np.isfinite(value).all()), f"{name} is not finite")
        state[name] = value.reshape(shape)
    return state


# --- streams --------------------------------------------------------------------------------------


def raw(seed: int, role: str, layer: str, n: int) -> np.ndarray:
    """The first n words of a stream."""
    digest = hashlib.sha256(f"gslt/1/{seed}/{role}/{layer}".encode()).digest()
    # NumPy's Philox is Philox4x64-10 and begins at the counter 1.
    return np.random.Philox(key=np.frombuffer(digest[:16], "<u8")).random_raw(n)


def signs(seed: int, layer: str, n: int) -> np.ndarray:
    """Signs, one bit each."""
    words = raw(seed, "weight", layer, (n + 63) // 64).astype("<u8")
    return 2.0 * np.unpackbits(words.view(np.uint8), count=n, bitorder="little") - 1.0


def polynomial(coefficients: Iterable[float], x: np.ndarray) -> np.ndarray:
    """Horner's rule; the lowest coefficient comes first."""
    value = np.zeros_like(x)
    for c in reversed(list(coefficients)):
        value = value * x + c
    return value


def fraction(of: tuple[str, str], x: np.ndarray, factor: np.ndarray | float = 1.0) -> np.ndarray:
    """Factor times numerator over denominator."""
    above, below = (polynomial(map(float, text.split()), x) for text in of)
    return factor * above / below


def logarithm(x: np.ndarray) -> np.ndarray:
    """Natural logarithm from exactly rounded operations."""
    m, e = np.frexp(x)
    low = m < 0.7071067811865476
    m, e = np.where(low, 2 * m, m), e - low
    s = (m - 1) / (m + 1)
    series = polynomial([1 / (2 * i + 1) for i in range(12)], s * s)
    return e * 0.6931471805599453 + (2 * s) * series


def normal(words: np.ndarray) -> np.ndarray:
    """Standard normal numbers of words."""
    p = ((words >> np.uint64(12)).astype(float) + 0.5) * 2.0**-52
    q = p - 0.5
    r = 0.180625 - q * q
    centre = fraction(CENTRE, r, q)
    r = np.sqrt(-logarithm(np.minimum(p, 1 - p)))
    tail = np.where(r <= 5, fraction(NEAR, r - 1.6), fraction(FAR, r - 5))
    tail = np.copysign(tail, q)
    return np.where(np.abs(q) <= 0.425, centre, tail)


# --- the source network ---------------------------------------------------------------------------


def widths_of(model: dict) -> tuple[list[int], int]:
    """Channels of the pairs or stages of a network of images; width of its linear layers."""
    kind, factor = model["architecture"], model.get("width", 1)
    channels = PLAIN[kind] if kind in PLAIN else RESIDUAL[kind][0]
    first, *others = [max(1, round(factor * c)) for c in [256, *channels]]
    return others, first


def plain_shapes(architecture: dict) -> dict[str, tuple[int, ...]]:
    """Weights of Conv2, Conv4 or Conv6."""
    channels, hidden = widths_of(architecture["model"])
    before, shapes = architecture["in_channels"], []
    for width in channels:
        shapes += [(width, before, 3, 3), (width, width, 3, 3)]
        before = width
    side = 32 // 2 ** len(channels)
    last = architecture["out_channels"]
    shapes += [(hidden, side * side * before), (hidden, hidden), (last, hidden)]
    return {f"layers.{i}.weight": shape for i, shape in enumerate(shapes)}


def blocks_of(model: dict) -> list[tuple[int, int, int]]:
    """Input and output channels and stride of the residual blocks, in order."""
    channels, _ = widths_of(model)
    number, blocks, before = RESIDUAL[model["architecture"]][1], [], channels[0]
    for stage, width in enumerate(channels):
        for i in range(number):
            blocks.append((before, width, 2 if stage and not i else 1))
            before = width
    return blocks


def residual_shapes(architecture: dict) -> tuple[dict[str, tuple[int, ...]], dict[str, int]]:
    """Weights of a residual network, and the channels of its norms."""
    model = architecture["model"]
    blocks = blocks_of(model)
    first = blocks[0][0]
    shapes = {"layers.0.weight": (first, architecture["in_channels"], 3, 3)}
    norms = {"norm": first}
    for i, (before, width, stride) in enumerate(blocks, 1):
        shapes[f"layers.{i}.first.weight"] = (width, before, 3, 3)
        shapes[f"layers.{i}.second.weight"] = (width, width, 3, 3)
        norms |= {f"layers.{i}.norm1": width, f"layers.{i}.norm2": width}
        if model["architecture"] == "resnet18" and (stride > 1 or before != width):
            shapes[f"layers.{i}.shortcut.weight"] = (width, before, 1, 1)
            norms[f"layers.{i}.norm3"] = width
    end = (architecture["out_channels"], blocks[-1][1])
    shapes[f"layers.{len(blocks) + 1}.weight"] = end
    return shapes, norms


def check_statistics(meta: dict, state: dict[str, np.ndarray]) -> None:
    """Running statistics of a residual network, which has no other state."""
    _, norms = residual_shapes(meta["architecture"])
    kinds = {name: dtype for name, dtype, _ in meta["state"]}
    for name, value in state.items():
        layer, _, part = name.rpartition(".")
        known = part in ("running_mean", "running_var") and norms.get(layer) == value.size
        check(known and value.ndim == 1, f"the network has no value {name}")
        check(kinds[name] in ("F64", "F32", "BF16", "F16"), f"{name} is no number with a point")
        check(part == "running_mean" or bool((value >= 0).all()), f"a variance in {name} < 0")


def shapes_of(architecture: dict) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight."""
    model = architecture["model"]
    if model["architecture"] in PLAIN:
        return plain_shapes(architecture)
    if model["architecture"] in RESIDUAL:
        return residual_shapes(architecture)[0]
    first, hidden, last = (
        architecture["in_channels"],
        model["hidden_channels"],
        architecture["out_channels"],
    )
    parts = {"gin": ["nn"], "gcn": ["lin"], "sage": ["lin_l", "lin_r"], "gat": ["lin"]}
    heads = model.get("heads", 1)
    shapes = {}
    for i in range(model["num_layers"]):
        end = i == model["num_layers"] - 1
        inputs, outputs = first if i == 0 else hidden, last if end else hidden
        if model["architecture"] == "gat":
            # The last layer's heads are all as wide as its output.
            outputs = heads * last if end else hidden
        for part in parts[model["architecture"]]:
            shapes[f"layers.{i}.{part}.weight"] = (outputs, inputs)
        if model["architecture"] == "gat":
            for part in ("att_src", "att_dst"):
                shapes[f"layers.{i}.{part}.weight"] = (heads, outputs // heads)
    if model["head"]:
        shapes["head.weight"] = (last, hidden)
    return shapes


def bases_of(kind: str, layers: int) -> list[tuple[int, int]]:
    """Elements of the basis of every layer, and those that multiply its constants."""
    first, inner, last = BASES[kind]
    return [first, *[inner] * (layers - 2), last]


def constructed_shapes(built: dict) -> dict[str, tuple[int, ...]]:
    """Name and shape of every searched matrix of a constructed ticket."""
    channels, copies = built["channels"], built["copies"]
    found, bases = {}, bases_of(built["kind"], len(copies))
    for i, (elements, constants) in enumerate(bases):
        rows = channels[i + 1]
        if built["construction"] == "L+1" and i < len(copies) - 1:
            rows = (rows + 1) * copies[i + 1]
        columns = copies[i] * (channels[i] * elements + constants)
        found[f"blocks.{i}.weight"] = (rows, columns)
    return found


def ratios(freeze: dict) -> tuple[float, float]:
    """Pruning and locking ratio."""
    both, prune, lock = (freeze[f"{name}_ratio"] for name in ("freezing", "prune", "lock"))
    if prune is None and lock is None:
        both = both or 0.0
        prune = round(min(max(freeze["sparsity"] - (1 - both) / 2, 0), both), 12)
    elif prune is None:
        prune = 0.0 if both is None else round(both - lock, 12)
    if lock is None:
        lock = 0.0 if both is None else round(both - prune, 12)
    return prune, lock


def layer_of(name: str) -> str:
    """The layer of a weight matrix: its name up to the first number."""
    parts = name.split(".")
    numbers = [i for i, part in enumerate(parts) if part.isdecimal()]
    return ".".join(parts[: numbers[0] + 1]) if numbers else name


def takes_part(names: list[str], place: str) -> list[bool]:
    """Which weight matrices take part in freezing."""
    if place == "all":
        return [True] * len(names)
    layers = list(dict.fromkeys(layer_of(n) for n in names if n.split(".")[0] != "head"))
    chosen = place.split(",")
    named = set(chosen) - {"input", "hidden"}
    wanted = set(layers[:1] if "input" in chosen else []) | set(
        layers[1:-1] if "hidden" in chosen else []
    )
    found, used = [], set()
    for name in names:
        dots = [i for i, letter in enumerate(f"{name}.") if letter == "."]
        hits = named.intersection(name[:i] for i in dots)
        used |= hits
        of_layer = name.split(".")[0] != "head" and layer_of(name) in wanted
        found.append(bool(hits) or of_layer)
    check(used == named, "place names no layer")
    return found


def quotas(total: int, sizes: list[int]) -> list[float]:
    """Division by ideal gas quotas."""
    low, high = 0.0, len(sizes) / total
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return [n / (1 + high * n) for n in sizes]
        if math.fsum(n / (1 + middle * n) for n in sizes) > total:
            low = middle
        else:
            high = middle


def powers(q: float, sizes: list[int]) -> list[float]:
    """Kept weights where each layer's density is q times that of the one before."""
    found, power = [], 1.0
    for n in sizes:
        power *= q
        found.append(power * n)
    return found


def pyramid(total: int, sizes: list[int]) -> list[float]:
    """Division by powers of one density."""
    low, high = 0.0, 1.0
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return powers(high, sizes)
        if math.fsum(powers(middle, sizes)) < total:
            low = middle
        else:
            high = middle


def divide(total: int, shapes: list[tuple[int, ...]], scheme: str) -> list[float]:
    """Division of the weights that are not frozen over the layers."""
    sizes = [math.prod(shape) for shape in shapes]
    if scheme in ("igq", "balanced", "pyramidal") and total in (0, sum(sizes)):
        return [float(n) if total else 0.0 for n in sizes]
    if scheme == "balanced":
        return [min(float(n), total / len(sizes)) for n in sizes]
    if scheme == "pyramidal":
        return pyramid(total, sizes)
    if scheme == "igq":
        return quotas(total, sizes)
    shares = {"epl": [1] * len(sizes), "erk": [sum(shape) for shape in shapes], "uniform": sizes}
    w = shares[scheme]
    t, rest, found = float(total), float(sum(w)), [0.0] * len(sizes)
    for i in sorted(range(len(sizes)), key=lambda i: sizes[i] / w[i]):
        found[i] = min(float(sizes[i]), t * w[i] / rest) if t > 0 else 0.0
        t -= found[i]
        rest -= w[i]
    return found


def to_total(values: list[float], total: int, capacity: list[int]) -> list[int]:
    """Rounded to a total."""
    c = [min(math.floor(v + 1e-6), room) for v, room in zip(values, capacity, strict=True)]
    order = sorted(range(len(c)), key=lambda i: c[i] - values[i])
    while sum(c) < total:
        for i in order:
            if sum(c) < total and c[i] < capacity[i]:
                c[i] += 1
    return c


def frozen_totals(held: int, prune: float, lock: float) -> tuple[int, int]:
    """Pruned and locked weights among those of the layers that take part."""
    pruned = held - round((1 - prune) * held)
    return pruned, min(round(lock * held), held - pruned)


def frozen_parts(
    freeze: dict, shapes: dict[str, tuple[int, ...]], part: list[bool]
) -> list[np.ndarray]:
    """The freezing pattern of every layer."""
    prune, lock = ratios(freeze)
    chosen = [shape for shape, takes in zip(shapes.values(), part, strict=True) if takes]
    sizes = [math.prod(shape) for shape in chosen]
    pruned_total, locked_total = frozen_totals(sum(sizes), prune, lock)
    u = divide(sum(sizes) - pruned_total, chosen, freeze["allocation"])
    v = divide(sum(sizes) - pruned_total - locked_total, chosen, freeze["allocation"])
    cut = [n - a for n, a in zip(sizes, u, strict=True)]
    fixed = [a - b for a, b in zip(u, v, strict=True)]
    if freeze["allocation"] == "balanced":
        pruned_total = round(math.fsum(cut))
        locked_total = min(round(math.fsum(fixed)), sum(sizes) - pruned_total)
    pruned = to_total(cut, pruned_total, sizes)
    locked = to_total(fixed, locked_total, [n - c for n, c in zip(sizes, pruned, strict=True)])
    found, numbers = [], iter(zip(pruned, locked, u, v, strict=True))
    for (name, shape), takes in zip(shapes.items(), part, strict=True):
        n, seed = math.prod(shape), freeze["seed"]
        if not takes:
            found.append(np.zeros(n, np.int8))
            continue
        *counts, a, b = next(numbers)
        if freeze.get("draw") == "bernoulli":
            of_weight = uniform(raw(seed, "bernoulli", name, n))
            pattern = (of_weight < (n - b) / n).astype(np.int8)
            pattern[of_weight < (n - a) / n] = -1
        else:
            pattern = freezing_pattern(seed, name, n, *counts)
        if freeze.get("connected") and prune > 0:
            connect(pattern.reshape(shape[0], shape[1], -1), seed, name)
        found.append(pattern)
    return found


def connect(pattern: np.ndarray, seed: int, name: str) -> None:
    """Give every output, then every input without an unpruned weight a searched one, in place.

    The pattern is (out, in, entries of the kernel).
    """
    both = (("connect output", pattern), ("connect input", pattern.swapaxes(0, 1)))
    for role, units in both:
        u = uniform(raw(seed, role, name, len(units)))
        for i, unit in enumerate(units):
            if (unit == -1).all():
                unit[divmod(math.floor(u[i] * unit.size), unit.shape[1])] = 0


def exact_counts(meta: dict) -> bool:
    """Whether the ratios alone tell the counts of the source."""
    freeze = meta["freeze"]
    if "pattern" in meta:
        return False
    drawn = freeze.get("draw", "exact") != "exact" or freeze.get("connected", False)
    return not drawn and freeze["allocation"] != "balanced"


def check_counts(meta: dict, given: list[np.ndarray]) -> list[np.ndarray]:
    """Patterns of every layer, or nothing where nobody knows them; all counts are checked."""
    freeze, source, layers = meta["freeze"], meta["source"], meta["layers"]
    (prune, lock), total = ratios(freeze), source["total"]
    part = takes_part([layer[0] for layer in layers], freeze.get("place", "all"))
    check(any(part) or prune + lock == 0, "no layer takes part in freezing")
    held = total - sum(layer[1] for layer, takes in zip(layers, part, strict=True) if not takes)
    check(held >= 0, "more searched weights than weights")
    pruned, locked = source["pruned"], source["locked"]
    if exact_counts(meta):
        expected = frozen_totals(held, prune, lock)
        check((pruned, locked) == expected, "other counts of the source")
    searched = sum(layer[1] for layer in layers)
    check(searched == total - pruned - locked, "other searched weights than those of the source")
    check(given or prune + lock > 0 or searched == total, "frozen weights in a dense source")
    patterns, sizes = given, [len(pattern) for pattern in given]
    if rebuilt(meta):
        named = checked_shapes(meta)
        patterns = patterns or frozen_parts(freeze, named, part)
        sizes = [math.prod(shape) for shape in named.values()]
        check([len(pattern) for pattern in patterns] == sizes, "a pattern of other shapes")
    if patterns:
        counts = [(int((p == -1).sum()), int((p == 1).sum())) for p in patterns]
        totals = tuple(map(sum, zip(*counts, strict=True)))
        check(totals == (pruned, locked), "other counts of the source")
        for n, (cut, fixed), layer in zip(sizes, counts, layers, strict=True):
            check(layer[1] == n - cut - fixed, f"{layer[0]} has other searched weights")
            if freeze["threshold"] == "layer":
                keep = round((1 - freeze["sparsity"]) * n)
                check(fixed - 1 <= keep <= n - cut + 1, f"{layer[0]} cannot have the sparsity")
                check(layer[2] == min(max(keep - fixed, 0), layer[1]), f"{layer[0]} keeps others")
    if "values" in meta and prune > 0:
        # What the mask removes is pruned, and all the rest was trained.
        check(all(layer[1] == layer[2] for layer in layers), "another number of kept weights")
        return patterns
    keep = round((1 - freeze["sparsity"]) * total) - locked
    if not exact_counts(meta):
        check(0 <= keep <= searched, "the source has no ticket of this sparsity")
    if freeze["threshold"] == "global":
        kept = sum(layer[2] for layer in layers)
        check(kept == min(max(keep, 0), searched), "another number of kept weights")
    return patterns


def rebuilt(meta: dict) -> bool:
    """Whether the file says what network it is of."""
    return meta["architecture"] is not None or "construction" in meta


def checked_shapes(meta: dict) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight matrix, which are those of the layers."""
    architecture, layers, total = meta["architecture"], meta["layers"], meta["source"]["total"]
    if architecture is None:
        shapes = constructed_shapes(meta["construction"])
    else:
        # First what bounds the work: numbers may be anything.
        check(architecture["model"]["num_layers"] <= len(layers), "more layers than masks")
        widths = architecture["in_channels"], architecture["out_channels"]
        check(max(widths) <= total, "more inputs or classes than weights")
        shapes = shapes_of(architecture)
    check(list(shapes) == [layer[0] for layer in layers], "other layers than the masks")
    check(sum(map(math.prod, shapes.values())) == total, "another number of weights")
    return shapes


def uniform(words: np.ndarray) -> np.ndarray:
    """Numbers on [0, 1) of words."""
    return (words >> np.uint64(11)).astype(float) * 2.0**-53


def random_weights(init: str, seed: int, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Weights of a layer in single precision, flat."""
    n = math.prod(shape)
    if init == "skc":
        unit = math.sqrt(2.0) * signs(seed, name, n)
    else:
        words = raw(seed, "weight", name, n)
        ku = init == "ku"
        unit = math.sqrt(6.0) * (2 * uniform(words) - 1) if ku else math.sqrt(2.0) * normal(words)
    return (unit / math.sqrt(math.prod(shape[1:]))).astype(np.float32)


def freezing_pattern(seed: int, name: str, n: int, pruned: int, locked: int) -> np.ndarray:
    """-1 pruned, 0 searched, 1 locked."""
    pattern = np.zeros(n, np.int8)
    if pruned or locked:
        places = np.argsort(raw(seed, "pattern", name, n), kind="stable")
        pattern[places[:pruned]] = -1
        pattern[places[pruned : pruned + locked]] = 1
    return pattern


def trained_values(meta: dict, tensors: dict[str, bytes]) -> list[np.ndarray]:
    """The trained weights of every layer of a weak ticket; empty for a strong one."""
    if "values" not in meta:
        return []
    values = np.frombuffer(tensors["values"], "<f4")
    check(bool(np.isfinite(values).all()), "a trained weight is not finite")
    return np.split(values, np.cumsum([layer[2] for layer in meta["layers"]])[:-1])


def trained_weights(
    meta: dict, masks: list[np.ndarray], patterns: list[np.ndarray], values: list[np.ndarray]
) -> dict[str, np.ndarray]:
    """Weights of a weak ticket by name, ``(out, in, …)``: stored values, zeros between them."""
    digest, weights = hashlib.sha256(), {}
    layers = zip(checked_shapes(meta).items(), masks, patterns, values, strict=True)
    for (name, shape), mask, pattern, value in layers:
        w = np.zeros(math.prod(shape), np.float32)
        w[np.flatnonzero(pattern == 0)[mask]] = value
        digest.update(name.encode() + b"\0" + w.astype("<f4").tobytes() + pattern.tobytes())
        weights[name] = w.reshape(shape)
    check(digest.hexdigest() == meta["weights_sha256"], "another mask than that of the training")
    return weights


def effective_weights(
    meta: dict, masks: list[np.ndarray], patterns: list[np.ndarray]
) -> dict[str, np.ndarray]:
    """Weights of the ticket by name, ``(out, in, …)``, regenerated and checked."""
    freeze, shapes = meta["freeze"], checked_shapes(meta)
    digest, weights = hashlib.sha256(), {}
    for (name, shape), mask, pattern in zip(shapes.items(), masks, patterns, strict=True):
        n, fixed = math.prod(shape), int((pattern == 1).sum())
        w = random_weights(freeze["weight_init"], freeze["seed"], name, shape)
        w[pattern == -1] = 0
        digest.update(name.encode() + b"\0" + w.astype("<f4").tobytes() + pattern.tobytes())
        density = {
            "none": 1.0,
            "static": 1 - freeze["sparsity"],
            "dynamic": (int(mask.sum()) + fixed) / n,
        }[freeze["scale"]]
        kept = pattern == 1
        kept[pattern == 0] = mask
        weights[name] = (w * kept / math.sqrt(max(density, 1 / n))).reshape(shape)
    stored = {name for name, *_ in meta.get("state", [])}
    for name, value in values_of(meta).items():
        if name not in stored:
            digest.update(name.encode() + b"\0" + value.tobytes())
    check(digest.hexdigest() == meta["weights_sha256"], "other weights than those of the search")
    return weights


def values_of(meta: dict) -> dict[str, np.ndarray]:
    """What the network holds beside its weights, as it is built."""
    if "construction" in meta:
        copies = meta["construction"]["copies"]
        return {f"blocks.{i}.factor": np.ones((), "<f8") for i in range(len(copies))}
    if meta["architecture"]["model"]["architecture"] not in RESIDUAL:
        return {}
    norms = residual_shapes(meta["architecture"])[1]
    # The norm behind the first layer is the last in torch's order.
    found = {}
    for name in [*[name for name in norms if name != "norm"], "norm"]:
        found[f"{name}.running_mean"] = np.zeros(norms[name], "<f4")
        found[f"{name}.running_var"] = np.ones(norms[name], "<f4")
    return found


def read(
    data: bytes,
) -> tuple[dict, list[np.ndarray], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Metadata, masks, weights and state of a file that keeps every rule.

    The ticket of a user's own module has no weights here: only the module can regenerate them. It,
    residual networks and constructed ones may have state.
    """
    meta, tensors = open_ticket(data)
    given = read_pattern(meta, tensors["pattern"]) if "pattern" in meta else []
    patterns = check_counts(meta, given)
    masks = read_masks(meta, tensors["masks"])
    state, values = read_state(meta, tensors), trained_values(meta, tensors)
    if state and meta["architecture"] is not None:
        check_statistics(meta, state)
    if not rebuilt(meta):
        return meta, masks, {}, state
    if values:
        return meta, masks, trained_weights(meta, masks, patterns, values), state
    return meta, masks, effective_weights(meta, masks, patterns), state


# --- the models -----------------------------------------------------------------------------------


def scatter(x: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Sum of the sources of every target."""
    out = np.zeros_like(x)
    np.add.at(out, target, x[source])
    return out


def aggregate(kind: str, x: np.ndarray, edge_index: np.ndarray) -> np.ndarray:
    """Mean over neighbours, or for a GCN the normalised sum with one loop per node."""
    source, target = edge_index
    if kind != "gcn":
        degree = np.bincount(target, minlength=len(x))
        return scatter(x, source, target) / np.maximum(degree, 1)[:, None]
    source, target = edge_index[:, source != target]
    root = np.sqrt(np.bincount(target, minlength=len(x)) + 1.0)[:, None]
    return (scatter(x / root, source, target) + x / root) / root


def attention(h: np.ndarray, vectors: list[np.ndarray], edge_index: np.ndarray) -> np.ndarray:
    """Attention of every head ``(nodes, heads, width)`` over the neighbours and the node itself."""
    others = edge_index[:, edge_index[0] != edge_index[1]]
    source, target = np.hstack([others, np.tile(np.arange(len(h)), (2, 1))])
    said, asked = ((h * vector).sum(axis=2) for vector in vectors)
    score = said[source] + asked[target]
    score = np.where(score < 0, 0.2 * score, score)
    top = np.full(said.shape, -np.inf)
    np.maximum.at(top, target, score)
    weight = np.exp(score - top[target])
    total = np.zeros_like(said)
    np.add.at(total, target, weight)
    out = np.zeros_like(h)
    np.add.at(out, target, (weight / total[target])[:, :, None] * h[source])
    return out


def logits(
    meta: dict, weights: dict[str, np.ndarray], x: np.ndarray, edge_index: np.ndarray
) -> np.ndarray:
    """Logits ``(nodes, classes)``."""
    model = {**LEFT_OUT, **meta["architecture"]["model"]}
    kind, last = model["architecture"], model["num_layers"] - 1
    if model["edges"] == "none":
        edge_index = edge_index[:, :0]

    def layer(i: int, h: np.ndarray) -> np.ndarray:
        if kind == "gat":
            vectors = [weights[f"layers.{i}.att_{end}.weight"] for end in ("src", "dst")]
            h = h @ weights[f"layers.{i}.lin.weight"].T
            out = attention(h.reshape(len(h), *vectors[0].shape), vectors, edge_index)
            return out.mean(axis=1) if i == last else out.reshape(len(h), -1)
        gathered = aggregate(kind, h, edge_index)
        if kind == "sage":
            left, right = (weights[f"layers.{i}.lin_{side}.weight"] for side in "lr")
            return gathered @ left.T + h @ right.T
        if kind == "gin":
            return (h + gathered) @ weights[f"layers.{i}.nn.weight"].T
        return gathered @ weights[f"layers.{i}.lin.weight"].T

    def activate(h: np.ndarray) -> np.ndarray:
        if model["batch_norm"]:
            h = (h - h.mean(axis=0)) / np.sqrt(h.var(axis=0) + 1e-5)
        if model["pair_norm"]:
            h = (h - h.mean(axis=0)) / np.sqrt(h.var(axis=0).mean() + 1e-5)
        return np.maximum(h, 0)

    h = x.astype(float)
    unit, gains = model["unit_gain"], {"gin": 2, "gcn": 1, "sage": math.sqrt(2), "gat": 1}
    for i in range(last):
        new = activate(layer(i, h))
        if unit:
            new = new / (gains[kind] if model["edges"] == "all" else 1)
        if i > 0 and model["residual"]:
            new = (h + new) / (math.sqrt(3) if unit else 1)
        h = new
    out = layer(last, h)
    if not model["head"]:
        return out
    return (h @ weights["head.weight"].T + activate(out)) / 2


def convolve(x: np.ndarray, weight: np.ndarray, stride: int = 1) -> np.ndarray:
    """Convolution of images ``(N, in, H, W)``, padded so that stride 1 keeps H and W."""
    kernel, height, width = weight.shape[2], *x.shape[2:]
    pad = kernel // 2
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    out = 0.0
    for i in range(kernel):
        for j in range(kernel):
            seen = x[:, :, i : i + height : stride, j : j + width : stride]
            out = out + np.einsum("nchw,oc->nohw", seen, weight[:, :, i, j])
    return out


def plain_logits(meta: dict, weights: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """Logits of Conv2, Conv4 or Conv6."""
    *convs, first, second, last = weights.values()
    for i, weight in enumerate(convs):
        x = np.maximum(convolve(x, weight), 0)
        if i % 2:
            n, c, h, w = x.shape
            x = x.reshape(n, c, h // 2, 2, w // 2, 2).max(axis=(3, 5))
    x = x.reshape(len(x), -1)
    for weight in (first, second):
        x = np.maximum(x @ weight.T, 0)
    return x @ last.T


def residual_logits(
    meta: dict, weights: dict[str, np.ndarray], state: dict[str, np.ndarray], x: np.ndarray
) -> np.ndarray:
    """Logits of a residual network, with its running statistics."""

    def norm(name: str, h: np.ndarray) -> np.ndarray:
        # What is not stored is as it was built.
        mean = np.asarray(state.get(f"{name}.running_mean", 0.0)).reshape(1, -1, 1, 1)
        variance = np.asarray(state.get(f"{name}.running_var", 1.0)).reshape(1, -1, 1, 1)
        return (h - mean) / np.sqrt(variance + 1e-5)

    x = np.maximum(norm("norm", convolve(x, weights["layers.0.weight"])), 0)
    blocks = blocks_of(meta["architecture"]["model"])
    for i, (before, width, stride) in enumerate(blocks, 1):
        name = f"layers.{i}"
        h = np.maximum(
            norm(f"{name}.norm1", convolve(x, weights[f"{name}.first.weight"], stride)), 0
        )
        h = norm(f"{name}.norm2", convolve(h, weights[f"{name}.second.weight"]))
        if f"{name}.shortcut.weight" in weights:
            x = norm(f"{name}.norm3", convolve(x, weights[f"{name}.shortcut.weight"], stride))
        else:
            x = np.pad(x[:, :, ::stride, ::stride], ((0, 0), (0, width - before), (0, 0), (0, 0)))
        x = np.maximum(h + x, 0)
    return x.mean(axis=(2, 3)) @ weights[f"layers.{len(blocks) + 1}.weight"].T


def main(ticket: str, graph: str, out: str) -> None:
    """Write the logits of a ticket on a graph, or on images."""
    path = Path(ticket)
    check(path.is_file() and path.stat().st_size <= FILE_BYTES, "no file, or too large a one")
    meta, _, weights, state = read(path.read_bytes())
    check(bool(weights), "the ticket of a module of somebody's own: build that module")
    with np.load(graph) as arrays:
        kind, x = meta["architecture"]["model"]["architecture"], arrays["x"].astype(float)
        if kind in PLAIN:
            found = plain_logits(meta, weights, x)
        elif kind in RESIDUAL:
            found = residual_logits(meta, weights, state, x)
        else:
            found = logits(meta, weights, arrays["x"], arrays["edge_index"])
    np.save(out, found)
    kept = sum(int(np.count_nonzero(w)) for w in weights.values())
    print(f"{kept} of {meta['source']['total']} weights; logits {found.shape} in {out}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
