"""Sealed files: any bit that changes is found."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

import gslt
from gslt.files.container import checksum, seal, unseal

TENSORS = {"b": torch.tensor([1, 2], dtype=torch.uint8), "a": torch.tensor([[0.5]])}


def test_what_is_sealed_comes_back() -> None:
    data = seal("thing", {"x": [1, None], "y": "é"}, TENSORS)
    assert data == seal("thing", {"x": [1, None], "y": "é"}, dict(reversed(TENSORS.items())))
    values, tensors = unseal("thing", data)
    assert values == {"x": [1, None], "y": "é"}
    assert sorted(tensors) == ["a", "b"]
    assert torch.equal(tensors["a"], TENSORS["a"])


def test_the_checksum_by_hand() -> None:
    content = b'{"x":1}' + b"a\0" + np.float32(0.5).tobytes() + b"b\0" + bytes([1, 2])
    assert checksum('{"x":1}', TENSORS) == hashlib.sha256(content).hexdigest()
    header = seal("thing", {"x": 1}, TENSORS)
    length = int.from_bytes(header[:8], "little")
    metadata = json.loads(header[8 : 8 + length])["__metadata__"]
    assert metadata == {"gslt-thing": hashlib.sha256(content).hexdigest() + ' {"x":1}'}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cut off"),
        (seal("thing", {}, TENSORS)[:-1], "no safetensors file"),
        (seal("other", {}, TENSORS), "no thing of gslt"),
        (safetensors.torch.save(TENSORS), "no thing of gslt"),
        (seal("thing", [], TENSORS), "no object"),  # type: ignore[arg-type]
        (seal("thing", {"x": 1}, TENSORS).replace(b'x\\":1', b'x\\":2'), "does not match"),
        (
            seal("thing", {}, {"a": torch.tensor([2], dtype=torch.uint8)}).replace(b"U8", b"BOOL"),
            "safetensors file|not written as",
        ),
        (seal("thing", {}, {"a": torch.ones([1] * 33)}), "length <= 32"),
    ],
    ids=[
        *("empty", "cut", "another kind", "foreign", "a list", "changed"),
        *("another type", "dimensions"),
    ],
)
def test_what_was_not_sealed_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        unseal("thing", data)


def test_every_single_bit_flip_is_refused(tmp_path):
    module = nn.Linear(9, 3)
    gslt.freeze(module, gslt.FreezeConfig())
    content = gslt.Ticket.of(module).to_bytes()
    path = tmp_path / "t.safetensors"
    accepted = []
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            gslt.load_ticket(path)
            accepted.append(bit)
        except gslt.TicketError:
            pass
    assert not accepted
