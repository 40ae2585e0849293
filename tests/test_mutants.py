"""Damaged and forged ticket files end as one error, quickly and in little memory."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import gslt
from gslt.backends import get_backend

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import forging  # noqa: E402
import mutants  # noqa: E402


def ticket_of(**options: object) -> gslt.Ticket:
    config = gslt.SearchConfig(num_layers=3, hidden_channels=16, seed=3, **options)
    model = gslt.GNN(8, 3, config, get_backend("pyg"))
    gslt.freeze(model, config)
    return gslt.Ticket.of(model, dataset="blocks", results={"test": 0.5})


FROZEN = ticket_of(sparsity=0.4, freezing_ratio=0.3).to_bytes()


def test_300_mutants_in_bounded_time_and_memory(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    path.write_bytes(FROZEN)
    command = [sys.executable, str(ROOT / "benchmarks" / "mutants.py"), str(path), "--count", "300"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["refused"] + found.get("identical", 0) + found.get("other", 0) == 300
    # No mutant is much larger than the file, whose reading takes milliseconds.
    assert found["slowest_seconds"] < 5
    assert found["peak_growth_bytes"] < 100e6


@pytest.mark.parametrize(
    "options",
    [
        {"sparsity": 0.5, "threshold": "layer"},
        {"sparsity": 0.97},
        {"sparsity": 0.0},
        {"sparsity": 0.5, "freezing_ratio": 1.0},
    ],
)
def test_mutants_of_other_tickets(options: dict[str, object]) -> None:
    data = ticket_of(**options).to_bytes()
    for mutant in mutants.mutants(data, 50, seed=1):
        assert mutants.verdict(mutant, data) != "accepted"


def test_mutants_of_a_module_of_your_own() -> None:
    module = nn.Sequential(nn.Linear(6, 10), nn.ReLU(), nn.Linear(10, 2))
    gslt.freeze(module, gslt.FreezeConfig(sparsity=0.3, seed=4))
    data = gslt.Ticket.of(module).to_bytes()
    for mutant in mutants.mutants(data, 50, seed=2):
        assert mutants.verdict(mutant, data) != "accepted"


@pytest.mark.parametrize("name", mutants.STORED)
def test_both_readers_agree_on_forged_state(name: str) -> None:
    data = dict(mutants.tickets())[name]
    assert len(forging.state_of(data)) >= 3
    rng, found = random.Random(3), []
    for kind in 150 * ["state", "header"]:
        mutant = forging.CHANGES[kind](data, rng)
        found.append(tuple(read(mutant, data) for read in mutants.READERS.values()))
    agreeing = {("refused", "refused"), ("other", "other"), ("identical", "identical")}
    assert {("refused", "refused"), ("other", "other")} <= set(found) <= agreeing
    assert found.count(("refused", "refused")) > 200


@pytest.mark.parametrize("name", mutants.WEAK)
def test_both_readers_agree_on_forged_weak_tickets(name: str) -> None:
    data = dict(mutants.tickets())[name]
    assert list(forging.state_of(data)) == ["values"]
    rng, found = random.Random(3), []
    for kind in [*forging.CHANGES] + 80 * ["header", "values", "counts", "masks"]:
        mutant = forging.CHANGES[kind](data, rng)
        verdicts = [read(mutant, data) for read in mutants.READERS.values()]
        # Whether a file of another release of gslt is the same ticket they see differently.
        found.append(tuple("read" if v in ("identical", "other") else v for v in verdicts))
    assert set(found) == {("refused", "refused"), ("read", "read")}
    assert found.count(("refused", "refused")) > 150


@pytest.mark.parametrize("name", ["constructed", "weak, of images"])
def test_both_readers_agree_on_forged_tickets_with_state(name: str) -> None:
    data = dict(mutants.tickets())[name]
    assert len(forging.state_of(data)) > 0
    rng, found = random.Random(5), []
    for kind in [*forging.CHANGES] + 80 * ["header", "values", "counts", "masks", "state"]:
        mutant = forging.CHANGES[kind](data, rng)
        verdicts = [read(mutant, data) for read in mutants.READERS.values()]
        found.append(tuple("read" if v in ("identical", "other") else v for v in verdicts))
    assert set(found) == {("refused", "refused"), ("read", "read")}
    assert found.count(("refused", "refused")) > 150


@pytest.mark.parametrize("name", mutants.WEAK)
def test_forged_trained_weights_are_refused_by_both_readers(name: str) -> None:
    data = dict(mutants.tickets())[name]
    text, masks = forging.open_ticket(data)
    dtype, shape, content = forging.state_of(data)["values"]
    forged = {
        "another value": (dtype, shape, content[:-1] + bytes([content[-1] ^ 1])),
        "no number": (dtype, shape, content[:-4] + b"\0\0\xc0\x7f"),
        "infinite": (dtype, shape, b"\0\0\x80\x7f" + content[4:]),
        "one fewer": (dtype, [shape[0] - 1], content[:-4]),
        "one more": (dtype, [shape[0] + 1], content + bytes(4)),
        "a matrix": (dtype, [1, *shape], content),
        "whole numbers": ("I32", shape, content),
        "half precision": ("F16", [2 * shape[0]], content),
    }
    for what, values in forged.items():
        mutant = forging.seal_again(text, masks, state={"values": values})
        assert [read(mutant, data) for read in mutants.READERS.values()] == 2 * ["refused"], what
    for version in (2, 3, 4, 6):
        other = text.replace('"version":5', f'"version":{version}')
        mutant = forging.changed(data, other, masks)
        assert [read(mutant, data) for read in mutants.READERS.values()] == 2 * ["refused"]
    for old, new in {
        f'"values":{shape[0]}': '"values":0',
        f',"values":{shape[0]}': "",
        '"scale":"none"': '"scale":"static"',
        '"seed":0': '"seed":1',
        '"allocation":"erk"': '"allocation":"epl"',
    }.items():
        mutant = forging.changed(data, text.replace(old, new), masks)
        if mutant != data and not (old.startswith('"seed') and name == "weak, rewired"):
            assert [read(mutant, data) for read in mutants.READERS.values()] == 2 * ["refused"], new


def test_mutants_are_the_same_for_a_seed() -> None:
    first, again, other = (list(mutants.mutants(FROZEN, 20, seed)) for seed in (0, 0, 1))
    assert first == again != other
    assert FROZEN not in first


def test_verdicts() -> None:
    assert mutants.verdict(FROZEN, FROZEN) == "identical"
    assert mutants.verdict(FROZEN[:-1], FROZEN) == "refused"
    text, masks = forging.open_ticket(FROZEN)
    assert forging.seal_again(text, masks) == FROZEN
    better = forging.seal_again(text.replace('"test":0.5', '"test":0.9'), masks)
    assert mutants.verdict(better, FROZEN) == "other"


def test_a_reader_that_checks_nothing_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    ticket = ticket_of(sparsity=0.4, freezing_ratio=0.3)
    masks = {name: torch.ones_like(mask) for name, mask in ticket.masks.items()}
    wrong = gslt.Ticket(**{**vars(ticket), "masks": masks})
    read = gslt.Ticket.from_bytes
    answer = staticmethod(lambda data: read(data) if data == FROZEN else wrong)
    monkeypatch.setattr(gslt.Ticket, "from_bytes", answer)
    monkeypatch.setattr(gslt.Ticket, "model", lambda self: None)
    text, payload = forging.open_ticket(FROZEN)
    forged = forging.seal_again(text.replace('"blocks"', '"rocks"'), payload)
    assert mutants.verdict(forged, FROZEN) == "accepted"
