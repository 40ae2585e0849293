"""Masks as bytes: by hand, invertible, as short as entropy allows, and the same in every coder."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslt.ticket import mask_code
from gslt.ticket.mask_code import (
    decode_mask,
    decode_words,
    encode_mask,
    encode_words,
    entropy_bits,
    pack,
    share,
    unpack,
)

#: Lengths around whole bytes and words, and densities from nearly none to nearly all.
LENGTHS = st.one_of(st.integers(0, 70), st.integers(71, 5000))
DENSITIES = st.sampled_from([0.0, 0.0005, 0.01, 0.1, 0.3, 0.5, 0.9, 0.999, 1.0])


@st.composite
def masks(draw: st.DrawFn) -> np.ndarray:
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    return generator.random(draw(LENGTHS)) < draw(DENSITIES)


@pytest.fixture(params=["library", "python"])
def coder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With the library constriction and without."""
    if request.param == "library":
        pytest.importorskip("constriction")
    else:
        monkeypatch.setitem(sys.modules, "constriction", None)
    return request.param


def single(total: int, place: int) -> np.ndarray:
    return np.arange(total) == place


def test_packed_by_hand(coder: str) -> None:
    mask = np.array([1, 0, 1, 1, 0, 0, 0, 0, 1, 1], dtype=bool)
    assert pack(mask) == bytes([0b00001101, 0b00000011])
    assert encode_mask(mask) == pack(mask)


def test_coded_by_hand(coder: str) -> None:
    """The worked example of docs/ticket-format.md."""
    o = (2**25 + 40) // 80
    assert share(40, 1) == o == 419430
    state = (2**24 - o) * 1  # the set bit at place 2, from the state 0
    state = 2**24 * (state // (2**24 - o))  # place 1
    state = 2**24 * (state // (2**24 - o)) + state % (2**24 - o)  # place 0
    assert encode_mask(single(40, 2)) == state.to_bytes(4, "little") == bytes.fromhex("66660601")
    assert decode_mask(bytes.fromhex("66660601"), 40, 1).tolist() == single(40, 2).tolist()


@pytest.mark.parametrize("total", [0, 1, 7, 8, 9, 1000, 100_000])
def test_a_mask_without_a_choice_has_no_bytes(coder: str, total: int) -> None:
    for mask in (np.zeros(total, dtype=bool), np.ones(total, dtype=bool)):
        assert encode_mask(mask) == b""
        assert decode_mask(b"", total, int(mask.sum())).tolist() == mask.tolist()


@pytest.mark.parametrize("total", [2, 9, 63, 64, 65, 1001, 100_000])
def test_a_single_bit(coder: str, total: int) -> None:
    for place in (0, total // 2, total - 1):
        mask = single(total, place)
        for m, kept in ((mask, 1), (~mask, total - 1)):
            code = encode_mask(m)
            assert np.array_equal(decode_mask(code, total, kept), m)
            assert len(code) <= entropy_bits(total, kept) / 8 + 8


@given(mask=masks())
def test_invertible_and_near_the_bound(mask: np.ndarray) -> None:
    total, kept = mask.size, int(mask.sum())
    code = encode_mask(mask)
    assert np.array_equal(decode_mask(code, total, kept), mask)
    assert len(code) <= min((total + 7) // 8, entropy_bits(total, kept) / 8 + 8)
    words = encode_words(mask, share(total, kept)) if total else []
    if words:
        found = decode_words(np.array(words, dtype=np.uint32), total, share(total, kept))
        assert np.array_equal(found, mask)


@given(mask=masks())
def test_the_library_writes_the_same_words(mask: np.ndarray) -> None:
    constriction = pytest.importorskip("constriction")
    if not 0 < mask.sum() < mask.size:
        return
    one = share(mask.size, int(mask.sum()))
    coder = constriction.stream.stack.AnsCoder()
    model = constriction.stream.model.Bernoulli(one / 2**24, perfect=True)
    coder.encode_reverse(mask.astype(np.int32), model)
    assert coder.get_compressed().tolist() == encode_words(mask, one)


def test_long_masks_go_through_the_library_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("constriction")
    mask = np.random.default_rng(0).random(1000) < 0.2
    whole = encode_mask(mask)
    monkeypatch.setattr(mask_code, "_CHUNK", 64)
    assert encode_mask(mask) == whole
    assert np.array_equal(decode_mask(whole, 1000, int(mask.sum())), mask)


@given(one=st.integers(1, 2**24 - 1))
def test_the_library_takes_any_share_exactly(one: int) -> None:
    constriction = pytest.importorskip("constriction")
    coder = constriction.stream.stack.AnsCoder()
    model = constriction.stream.model.Bernoulli(one / 2**24, perfect=True)
    coder.encode_reverse(np.ones(1, dtype=np.int32), model)
    assert coder.get_compressed().tolist() == [2**24 - one]


def test_a_library_that_rounds_otherwise_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    constriction = pytest.importorskip("constriction")
    expected = encode_mask(single(1001, 5))
    model = constriction.stream.model

    def rounded(p: float, perfect: bool) -> object:
        return model.Categorical(np.array([1 - p + 1e-4, p]), perfect=False)

    monkeypatch.setattr(model, "Bernoulli", rounded)
    assert encode_mask(single(1001, 5)) == expected


@given(total=st.integers(1, 2**40), part=st.floats(0, 1))
def test_share_is_the_rounded_ratio(total: int, part: float) -> None:
    kept = round(part * total)
    o = share(total, kept)
    assert 1 <= o < 2**24
    assert abs(o * total - kept * 2**24) <= total
    assert abs(o + share(total, total - kept) - 2**24) <= 1


def test_entropy_by_hand() -> None:
    assert entropy_bits(8, 4) == 8
    assert entropy_bits(4, 1) == pytest.approx(2 + 3 * np.log2(4 / 3))
    assert entropy_bits(5, 0) == entropy_bits(5, 5) == entropy_bits(0, 0) == 0


CODE = encode_mask(np.arange(2000) % 50 == 0)
BROKEN = {
    "another length": (CODE[:-4], 2000, 40),
    "a byte less": (CODE[:-1], 2000, 40),
    "a word more": (CODE + b"\1\0\0\0", 2000, 40),
    "a zero word more": (CODE + bytes(4), 2000, 40),
    "a zero word before": (bytes(4) + CODE, 2000, 40),
    "another bit": (bytes([CODE[0] ^ 1]) + CODE[1:], 2000, 40),
    "a bit less": (CODE, 1999, 40),
    "a bit more": (CODE, 2016, 40),
    "another density": (CODE, 2000, 41),
    "too many kept": (CODE, 2000, 2001),
    "a negative number": (CODE, 2000, -1),
    "nothing": (b"", 2000, 40),
    "bytes of a constant": (b"\1", 8, 8),
    "too long": (bytes(251), 2000, 40),
    "other packed bits": (b"\7", 8, 2),
    "bits behind a packed mask": (b"\x81", 7, 1),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_form_of_the_mask_is_refused(coder: str, name: str) -> None:
    with pytest.raises(ValueError, match=r"mask|kept"):
        decode_mask(*BROKEN[name])


def test_bits_behind_the_last_are_refused() -> None:
    with pytest.raises(ValueError, match="not zero"):
        unpack(b"\x80", 7)
