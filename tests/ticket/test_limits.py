"""Nothing small is dear: limits from the header alone, and canonical files only."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from forging import open_ticket, seal_again
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import gslt
from gslt.environment import Limits, raised
from gslt.files.container import read_header
from gslt.freezing import FrozenCounts
from gslt.ticket import mask_code
from gslt.ticket.file import WEIGHTS_PER_FILE_BYTE
from gslt.ticket.mask_code import decode_mask, encode_mask, encode_words, pack, share

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "ticket-format.md").read_text(encoding="utf-8")


def frozen_network(content: bytes, width: int, kilobytes: int) -> bytes:
    """A network whose weights are all pruned, in the smallest file that the format lets it have."""
    values = json.loads(open_ticket(content)[0])
    model = values["architecture"]["model"]
    model.update(num_layers=2, hidden_channels=width, head=False)
    total = kilobytes * 1024 * 2**14
    values["architecture"].update(in_channels=total // width // 2, out_channels=total // width // 2)
    values["freeze"].update(sparsity=1.0, freezing_ratio=None, prune_ratio=1.0, lock_ratio=0.0)
    values["source"] = {"total": total, "pruned": total, "locked": 0}
    values["layers"] = [["layers.0.nn.weight", 0, 0, 0], ["layers.1.nn.weight", 0, 0, 0]]
    return seal_again(json.dumps(values, separators=(",", ":")), bytes(total // 2**14))


def test_a_small_file_cannot_describe_a_large_network(result) -> None:
    data = frozen_network(result.ticket.to_bytes(), 1024, kilobytes=1)
    said = (
        r"describes, beyond 128 for each of its [0-9,]+ bytes, [0-9,]+ weights, more than the limit"
        r" of 4,194,304; where that is meant, raise it: GSLT_LIMITS=small_file_weights=\d+$"
    )
    with pytest.raises(gslt.TicketError, match=said):
        gslt.Ticket.from_bytes(data)
    with raised(small_file_weights=2**24):
        assert gslt.Ticket.from_bytes(data).source.total == 2**24
    larger = frozen_network(result.ticket.to_bytes(), 1024, kilobytes=4)
    with pytest.raises(gslt.TicketError, match=r"a network of 67,108,864 weights.*=weights=671"):
        gslt.Ticket.from_bytes(larger)


def test_bits_are_limited(result) -> None:
    with (
        raised(bits=300),
        pytest.raises(gslt.TicketError, match=r"masks of 336 bits.*limit of 300"),
    ):
        gslt.Ticket.from_bytes(result.ticket.to_bytes())


def test_bytes_are_limited_whatever_they_come_from(result) -> None:
    data = result.ticket.to_bytes()
    said = r"this file has 1,\d+ bytes, more than the limit of 1,000"
    with raised(file_bytes=1000), pytest.raises(gslt.TicketError, match=said):
        gslt.Ticket.from_bytes(data)


def test_limits_come_before_the_payload(result) -> None:
    class Watched(BytesIO):
        def readinto(self, buffer: object) -> int:
            raise AssertionError("the payload was read")

    data = result.ticket.to_bytes()
    header = read_header("ticket", Watched(data), len(data))
    assert header.tensors["masks"].size < 100
    from gslt.ticket.file import read_ticket

    with raised(weights=10), pytest.raises(gslt.TicketError, match="limit of 10;"):
        read_ticket(Watched(data), len(data))


def test_what_is_written_beyond_the_defaults_is_said(result, tmp_path) -> None:
    module = torch.nn.Linear(2**13, 2**12 + 1)
    gslt.freeze(module, gslt.FreezeConfig(sparsity=1.0, prune_ratio=1.0))
    ticket = gslt.Ticket.of(module)
    with pytest.warns(
        gslt.GsltWarning, match=r"this ticket describes .*weights.*or it cannot be r"
    ):
        ticket.save(tmp_path / "t.safetensors")
    with pytest.raises(gslt.TicketError, match="GSLT_LIMITS=weights"):
        gslt.load_ticket(tmp_path / "t.safetensors")
    with raised(weights=10**8):
        assert gslt.load_ticket(tmp_path / "t.safetensors").source == ticket.source
    result.ticket.save(tmp_path / "small.safetensors")


@pytest.mark.parametrize("weights", [378_280, 2_261_184, 11_164_352])
def test_the_networks_of_the_papers_are_within_the_defaults(weights: int) -> None:
    assert weights <= Limits().weights
    assert weights <= Limits().bits
    # A small file may describe the GIN; the others are modules of one's own, not built by gslt.
    assert Limits().small_file_weights > 378_280


def test_the_limits_in_the_text() -> None:
    assert (Limits().file_bytes, Limits().weights, Limits().bits) == (2**30, 2**25, 2**25)
    assert (Limits().small_file_weights, WEIGHTS_PER_FILE_BYTE) == (2**22, 2**7)
    for text in ("2³⁰ bytes of the file", "N = 2²⁵", "Σ searched = 2²⁵", "N = 2²² + 2⁷ × bytes"):
        assert text in TEXT


def test_what_is_no_ticket_is_refused_before_it_is_read(result, tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(gslt.TicketError, match="it is no regular file"):
            gslt.load_ticket(path)
    with (tmp_path / "large").open("wb") as file:
        file.truncate(5 * 2**29)
    with pytest.raises(gslt.TicketError, match="2,684,354,560 bytes, more than the limit"):
        gslt.load_ticket(tmp_path / "large")
    with raised(file_bytes=2**32), pytest.raises(gslt.TicketError, match="no safetensors file"):
        gslt.load_ticket(tmp_path / "large")
    with pytest.raises(gslt.TicketError, match="there is no ticket file"):
        gslt.load_ticket(tmp_path / "none")


CHEAP = """
import resource, sys
if sys.argv[2] == "pure":
    sys.modules["constriction"] = None
import torch
import gslt
from gslt.ticket.ticket import load_ticket
vm = {l.split(":")[0]: l.split()[1] for l in open("/proc/self/status") if l.startswith("Vm")}
limit = 1024 * int(vm["VmSize"]) + 100_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
print(load_ticket(sys.argv[1]).size().bits)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here")
@pytest.mark.parametrize("decoder", ["library", "pure"])
def test_a_long_mask_in_a_few_kilobytes_is_cheap(result, tmp_path, decoder: str) -> None:
    values = json.loads(open_ticket(result.ticket.to_bytes())[0])
    bits = 2**13 * 2**8
    values["freeze"].update(sparsity=1 - 1 / bits, freezing_ratio=None)
    values.update(architecture=None, layers=[["w", bits, 1, 4]])
    values["source"] = {"total": bits, "pruned": 0, "locked": 0}
    code = (2**24 - share(bits, 1)).to_bytes(4, "little")
    data = seal_again(json.dumps(values, separators=(",", ":")), code.ljust(2**13, b"\0"))
    (tmp_path / "t").write_bytes(data)
    command = [sys.executable, "-c", CHEAP, str(tmp_path / "t"), decoder]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == f"{bits}\n"


# Canonical files


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    total=st.integers(600, 3000),
    density=st.sampled_from([0.35, 0.4, 0.45, 0.47, 0.48, 0.49, 0.5, 0.51, 0.55, 0.6]),
    order=st.sampled_from(["random", "ones first", "ones last"]),
)
def test_what_is_surely_as_long_is(seed: int, total: int, density: float, order: str) -> None:
    mask = np.random.default_rng(seed).random(total) < density
    if order != "random":
        mask = np.sort(mask)[:: -1 if order == "ones first" else 1].copy()
    kept = int(mask.sum())
    code = 4 * len(encode_words(mask, share(total, kept)))
    if mask_code._surely_as_long(mask, kept):
        assert code >= (total + 7) // 8
    # Where it is longer by more than a bound loses, that is known.
    if order == "random" and code > (total + 7) // 8 + 8:
        assert mask_code._surely_as_long(mask, kept)


def test_a_mask_is_packed_only_where_its_code_is_not_shorter() -> None:
    sparse, even = np.arange(2000) % 50 == 0, np.arange(2000) % 2 == 0
    assert len(encode_mask(sparse)) < len(pack(sparse))
    with pytest.raises(ValueError, match="a mask of 2000 bits is packed, where its code is short"):
        decode_mask(pack(sparse), 2000, 40)
    assert encode_mask(even) == pack(even)
    assert np.array_equal(decode_mask(pack(even), 2000, 1000), even)


def reversed_fields(values: dict[str, object]) -> dict[str, object]:
    return dict(reversed(values.items()))


@pytest.mark.parametrize("place", ["all", "freeze", "source", "model", "false"])
def test_another_order_of_fields_is_refused_by_both_readers(result, tmp_path, place: str) -> None:
    text, masks = open_ticket(result.ticket.to_bytes())
    values = json.loads(text)
    if place == "all":
        values = reversed_fields(values)
    elif place == "model":
        values["architecture"]["model"] = reversed_fields(values["architecture"]["model"])
    elif place == "false":
        values["architecture"]["model"]["residual"] = False
    else:
        values[place] = reversed_fields(values[place])
    data = seal_again(json.dumps(values, separators=(",", ":")), masks)
    with pytest.raises(gslt.TicketError, match="metadata are not written as gslt writes them"):
        gslt.Ticket.from_bytes(data)
    sys.path.insert(0, str(ROOT / "examples"))
    import read_ticket

    read_ticket.read(result.ticket.to_bytes())
    with pytest.raises(read_ticket.DamagedError):
        read_ticket.read(data)


def refused_by_both(values: dict[str, object], masks: bytes, reason: str | None = None) -> None:
    """Neither gslt nor the reader with NumPy alone takes the ticket."""
    sys.path.insert(0, str(ROOT / "examples"))
    import read_ticket

    data = seal_again(json.dumps(values, separators=(",", ":")), masks)
    with pytest.raises(gslt.TicketError, match=reason):
        gslt.Ticket.from_bytes(data)
    with pytest.raises(read_ticket.DamagedError, match=reason):
        read_ticket.read(data)


def with_field(values: dict[str, object], name: str, value: object, behind: str) -> None:
    """Put a field behind another one, in place."""
    items = list(values.items())
    at = list(values).index(behind) + 1
    values.clear()
    values.update([*items[:at], (name, value), *items[at:]])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("place", place) for place in ("all", "", "head,", "layers.1,head", "head,head")),
        *(("place", place) for place in (" head", "all,head", "nowhere", 3, None, "\ud800")),
        *(("edges", edges) for edges in ("all", "some", None, True)),
        *(("pair_norm", norm) for norm in (False, True, 1)),  # The ticket has batch norm.
    ],
)
def test_what_later_fields_cannot_be_is_refused_by_both_readers(
    result, name: str, value: object
) -> None:
    text, masks = open_ticket(result.ticket.to_bytes())
    values = json.loads(text)
    model = values["architecture"]["model"]
    # What is as it was before there was a choice is not written.
    assert not {"place"} & set(values["freeze"])
    assert not {"pair_norm", "edges"} & set(model)
    if name == "place":
        with_field(values["freeze"], name, value, "allocation")
    else:
        with_field(model, name, value, "dropout")
    refused_by_both(values, masks)


def test_frozen_layers_of_a_module_of_ones_own_are_checked_without_it() -> None:
    sys.path.insert(0, str(ROOT / "examples"))
    import read_ticket

    # 16 weights take part, 16 beside them: 4 are pruned and 4 locked.
    module = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 1))
    gslt.freeze(module, gslt.FreezeConfig(sparsity=0.5, freezing_ratio=0.5, place="hidden"))
    data = gslt.Ticket.of(module).to_bytes()
    assert gslt.Ticket.from_bytes(data).source == FrozenCounts(32, 4, 4)
    assert read_ticket.read(data)[0]["source"] == {"total": 32, "pruned": 4, "locked": 4}
    text, masks = open_ticket(data)
    for wrong in (
        {"total": 32, "pruned": 5, "locked": 3},
        {"total": 32, "pruned": 7, "locked": 7},
        {"total": 33, "pruned": 4, "locked": 5},
        {"total": 15, "pruned": 4, "locked": 4},
    ):
        refused_by_both({**json.loads(text), "source": wrong}, masks)
    values = json.loads(text)
    for place in ("1", "input", "0,2", "3", "head"):
        values["freeze"]["place"] = place
        if place == "1":
            changed = seal_again(json.dumps(values, separators=(",", ":")), masks)
            assert gslt.Ticket.from_bytes(changed).source == FrozenCounts(32, 4, 4)
        else:
            refused_by_both(values, masks)
    # With two layers none is hidden.
    values["freeze"]["place"] = "hidden"
    for layer, name in zip(values["layers"], ("0.a", "0.b", "1.a"), strict=True):
        layer[0] = name
    refused_by_both(values, masks, "no layer takes part")


def test_a_name_with_control_characters_is_shown_harmlessly(result, tmp_path) -> None:
    name = "blocks\x1b[2J\x07\r\n"
    path = tmp_path / "t.safetensors"
    dataclasses.replace(result.ticket, dataset=name, results={"te\x1bst": 0.5}).save(path)
    command = [sys.executable, "-m", "gslt", "inspect", str(path)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert not {0x1B, 0x07, 0x0D} & set(done.stdout)
    assert b"blocks" in done.stdout
