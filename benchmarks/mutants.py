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

import json
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import common
import forging
import torch
from torch import nn

import gslt
from gslt.backends import get_backend
from gslt.files.container import DTYPES
from gslt.masking.initialise import initialise_training
from gslt.masking.parametrization import frozen_weights
from gslt.masking.trained import masked_weights
from gslt.masking.weights import bytes_of
from gslt.nn.networks import build_network
from gslt.nn.source import ConstructedNetwork, SourcePlan
from gslt.ticket.ticket import Ticket
from gslt.training.rewire import drop_and_regrow

Verdict = Literal["refused", "identical", "other", "accepted"]
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
    "gat": {"architecture": "gat", "heads": 3, "freezing_ratio": 0.2, "weight_init": "kn"},
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
    "random source": {
        "sparsity": 0.8,
        "prune_ratio": 0.5,
        "lock_ratio": 0.1,
        "draw": "bernoulli",
        "connected": True,
    },
    "falling short": {"sparsity": 0.7, "prune_ratio": 0.2, "allocation": "balanced"},
    "PairNorm": {"architecture": "sage", "pair_norm": True, "batch_norm": False},
    "sparsity 0.99": {"sparsity": 0.99, "hidden_channels": 64},
    "one channel": {"hidden_channels": 1, "num_layers": 2},
    "nothing to search": {"freezing_ratio": 1.0},
    "weak": {"mask_sparsity": 0.7, "allocation": "erk", "architecture": "gcn"},
    "weak, rewired": {"mask_sparsity": 0.6, "rewire_every": 2},
    "weak, drawn": {"mask_sparsity": 0.6, "draw": "bernoulli", "connected": True},
    "weak, of images": None,
    "constructed": None,
    "a module of one's own": None,
    "a module of one's own, placed": None,
    "a module of one's own, random source": None,
    "a module of one's own, given pattern": None,
    "given pattern": {"sparsity": 0.6},
    "running statistics": None,
    "values of every type": None,
}
#: Those of a module of one's own that store something beside the masks.
STORED = ("running statistics", "values of every type")
WEAK = ("weak", "weak, rewired", "weak, drawn")


def tickets() -> Iterator[tuple[str, bytes]]:
    """Name and file of a sound ticket of every kind."""
    for name, options in KINDS.items():
        if name in WEAK:
            yield name, _weak(gslt.TrainConfig(num_layers=3, hidden_channels=12, **options or {}))
            continue
        if name in ("weak, of images", "constructed"):
            yield name, _images() if name == "weak, of images" else _constructed()
            continue
        if options is None:
            norm = nn.BatchNorm1d(9) if name in STORED else nn.Identity()
            model: nn.Module = nn.Sequential(nn.Linear(5, 9), norm, nn.ReLU(), nn.Linear(9, 3))
            place = "3" if name.endswith("placed") else "all"
            config = gslt.FreezeConfig(sparsity=0.6, freezing_ratio=0.2, place=place)
            if name.endswith("random source"):
                config = replace(config, draw="bernoulli", connected=True)
        else:
            config = gslt.SearchConfig(**{"num_layers": 3, "hidden_channels": 12, **options})
            model = gslt.GNN(5, 3, config, get_backend("pyg"))
        gslt.freeze(model, config)
        if name.endswith("given pattern"):
            pattern = gslt.found_pattern(model, locked=0.4, pruned=0.3)
            config = replace(config, freezing_ratio=None)
            gslt.freeze(model, config, pattern=pattern)
        with torch.no_grad():
            for number, weight in enumerate(frozen_weights(model)):
                weight.score().mul_(1 + 0.3 * number)
            if name in STORED:
                model(torch.linspace(-1, 1, 20).view(4, 5))
        for number, dtype in enumerate(DTYPES.values() if name == "values of every type" else ()):
            model.register_buffer(f"wört{number}", torch.tensor([[1, 0, 1]]).to(dtype))
        yield name, Ticket.of(model, dataset="blöcks", results={"test": 0.5, "epoch": 3}).to_bytes()


def _weak(config: gslt.TrainConfig) -> bytes:
    """The file of a weak ticket, as it is before the first epoch, or after a mask was rewired."""
    model = build_network(5, 3, config, get_backend("pyg"))
    initialise_training(model, config, config.seed)
    for each in masked_weights(model) if config.rewire_every else ():
        each.kept.copy_(drop_and_regrow(each.weight, each.kept, torch.ones_like(each.weight), 3))
        each.weight.data.masked_fill_(~each.kept, 0.0)
    results = {"test": 0.5, "epoch": 3}
    return Ticket.trained(model, config.masked_source, dataset="blöcks", results=results).to_bytes()


def _images() -> bytes:
    """The file of a weak ticket of images, which stores running statistics."""
    return _weak(gslt.TrainConfig(architecture="resnet20", width=0.05, mask_sparsity=0.6))


def _constructed() -> bytes:
    """The file of a ticket in a constructed source, one of whose factors is not 1."""
    source = SourcePlan(kind="sage", channels=(3, 2, 2), construction="L+1", copies=(4, 3), seed=1)
    network = ConstructedNetwork(source)
    ratios = {"sparsity": 0.6, "prune_ratio": 0.25, "lock_ratio": 0.25}
    gslt.freeze(network, gslt.FreezeConfig(**ratios, allocation="uniform", scale="none", seed=1))
    network.get_buffer("blocks.1.factor").fill_(-2.5)
    return Ticket.of(network, dataset="blöcks", results={"test": 0.5}).to_bytes()


def mutants(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    """``count`` changed copies of a ticket file, always the same ones for a seed."""
    return (mutant for _, mutant in named_mutants(data, count, seed))


def named_mutants(data: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """The same, with the kind of the change."""
    rng = random.Random(seed)
    made = 0
    while made < count:
        name, change = rng.choice(list(forging.CHANGES.items()))
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
        if ticket.architecture is not None or ticket.construction is not None:
            ticket.model()
        text, masks = forging.open_ticket(data)
        values = json.loads(text)
        if _content(ticket) == _content(Ticket.from_bytes(original)):
            return "identical"
        sound = forging.changed(data, text, masks) == data and _agrees(ticket, values)
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
        found = read_ticket.read(data)
    except read_ticket.DamagedError:
        return "refused"
    # With equal metadata there are as many arrays of both, of equal shape and type.
    same = _read_alike(found, read_ticket.read(original))
    return "identical" if same else "other"


def _read_alike(found: tuple[Any, ...], original: tuple[Any, ...]) -> bool:
    """Whether metadata, masks, weights and state are the same."""
    metadata, arrays = [], []
    for meta, masks, weights, state in (found, original):
        metadata.append(meta)
        arrays.append([each.tobytes() for each in [*masks, *weights.values(), *state.values()]])
    return metadata[0] == metadata[1] and arrays[0] == arrays[1]


READERS: dict[str, Callable[[bytes, bytes], str]] = {"gslt": verdict, "independent": independent}


def _content(ticket: Ticket) -> object:
    parts = ("masks", "state", "pattern", "values")
    tensors = {f"{part}.{name}": v for part in parts for name, v in vars(ticket)[part].items()}
    others = {name: v for name, v in vars(ticket).items() if name not in parts}
    return repr(others), [
        (name, value.dtype, value.shape, bytes_of(value)) for name, value in tensors.items()
    ]


def _agrees(ticket: Ticket, values: dict[str, Any]) -> bool:
    """Whether the counts in the metadata are those of the masks."""
    found = [[name, len(m), int(torch.count_nonzero(m))] for name, m in ticket.masks.items()]
    source = values["source"]
    searched = source["total"] - source["pruned"] - source["locked"]
    return found == [layer[:3] for layer in values["layers"]] and searched == sum(
        layer[1] for layer in found
    )


def _written_as(ticket: Ticket, values: dict[str, Any]) -> bytes:
    data = ticket.to_bytes()
    text, masks = forging.open_ticket(data)
    # The file may name another release of gslt than this one.
    written = {**json.loads(text), "gslt": values["gslt"]}
    return forging.changed(data, json.dumps(written, separators=(",", ":")), masks)


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
