r"""Masks as bytes: nothing, packed bits or an entropy code, whichever is shortest.

A mask of n bits of which k are set takes, in the order of preference,

* no byte where k = 0 or k = n, for the two numbers say it all;
* its entropy code, where that is shorter than ⌈n / 8⌉ bytes;
* ⌈n / 8⌉ bytes, eight bits each, least significant bit first.

The entropy code is asymmetric numeral systems (Duda et al. 2015) under a Bernoulli model. It costs
n H(k / n) bits, H(p) = −p log₂ p − (1 − p) log₂ (1 − p), and a few bytes. The probability of a set
bit is the integer :func:`share` in 2⁻²⁴, so that no floating point takes part: with o that share
and z = 2²⁴ − o, a bit b changes the state s (64 bits, 0 at first) to

    b = 0:  s ← ⌊s / z⌋ 2²⁴ + (s mod z)
    b = 1:  s ← ⌊s / o⌋ 2²⁴ + (s mod o) + z

after the lower 32 bits of s went to the output if ⌊s / z⌋ (or ⌊s / o⌋) ≥ 2⁴⁰. Bits are encoded from
last to first; the state ends the output, low word first, without zero words at the end. This is the
stream of ``AnsCoder`` of the library `constriction`, which does it faster where it is installed.
"""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]

#: Bits of a probability, of a word of output and of the state.
_PRECISION, _WORD, _STATE = 24, 32, 64
_WHOLE = 1 << _PRECISION
#: Bits that the library takes at a time: it wants four bytes for each.
_CHUNK = 1 << 20
#: Bits at the end of a long mask that are encoded to tell how long its code is at least.
_TAIL = 256


def entropy_bits(total: int, kept: int) -> float:
    """Bits n H(k / n): what no code of a mask can beat on average, knowing n and k.

    >>> entropy_bits(8, 4)
    8.0

    Args:
        total: n, bits of the mask.
        kept: k, those that are set.
    """
    return -sum(
        count * math.log2(count / total) for count in (kept, total - kept) if 0 < count < total
    )


def share(total: int, kept: int) -> int:
    """Probability of a set bit in 2⁻²⁴: k 2²⁴ / n rounded half up, within 1 … 2²⁴ − 1.

    >>> share(4, 1) == 2**22
    True

    Args:
        total: n, bits of the mask.
        kept: k, those that are set.
    """
    return min(max((2 * kept * _WHOLE + total) // (2 * total), 1), _WHOLE - 1)


def encode_mask(mask: Mask) -> bytes:
    """The shortest form of a boolean mask ``(n,)``; inverse of :func:`decode_mask`.

    >>> encode_mask(np.array([True, False, True, True, False, False, False, False, True])).hex()
    '0d01'
    >>> encode_mask(np.ones(1000, dtype=bool))
    b''
    """
    total, kept = mask.size, int(np.count_nonzero(mask))
    if kept in (0, total):
        return b""
    code = _shorter_code(mask, kept)
    return pack(mask) if code is None else code


def decode_mask(data: bytes | memoryview, total: int, kept: int) -> Mask:
    """The mask of ``total`` bits, of which ``kept`` are set, from its bytes.

    >>> decode_mask(bytes.fromhex("0d01"), 9, 4).astype(int).tolist()
    [1, 0, 1, 1, 0, 0, 0, 0, 1]

    Args:
        data: the form that :func:`encode_mask` gives it; its length tells which.
        total: n, bits of the mask.
        kept: k, those that are set.

    Returns:
        Boolean ``(n,)``.

    Raises:
        ValueError: if the bytes are not those of such a mask.
    """
    if not 0 <= kept <= total:
        raise ValueError(f"{kept} of {total} weights cannot be kept")
    constant = kept in (0, total)
    packed_length = 0 if constant else (total + 7) // 8
    if len(data) > packed_length or (len(data) % 4 and len(data) != packed_length):
        raise ValueError(f"a mask of {total} bits cannot have {len(data)} bytes")
    if constant:
        return np.full(total, kept > 0)
    if len(data) == packed_length:
        mask = unpack(data, total)
    else:
        mask = _decode(data, total, share(total, kept))
    if np.count_nonzero(mask) != kept:
        raise ValueError(f"a mask that should keep {kept} of {total} keeps another number")
    if len(data) == packed_length and _shorter_code(mask, kept) is not None:
        raise ValueError(f"a mask of {total} bits is packed, where its code is shorter")
    return mask


def pack(mask: Mask) -> bytes:
    """Boolean ``(n,)`` → ⌈n / 8⌉ bytes, least significant bit first."""
    return np.packbits(mask, bitorder="little").tobytes()


def unpack(data: bytes | memoryview, total: int) -> Mask:
    """Inverse of :func:`pack`.

    Args:
        data: ⌈n / 8⌉ bytes.
        total: n, bits of the mask.

    Returns:
        Boolean ``(n,)``.

    Raises:
        ValueError: if the bits after the last one are not zero.
    """
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8), bitorder="little")
    if bits[total:].any():
        raise ValueError("the bits behind a mask are not zero")
    return bits[:total].astype(np.bool_)


def _shorter_code(mask: Mask, kept: int) -> bytes | None:
    """The code of a mask where it is shorter than the mask packed."""
    if _surely_as_long(mask, kept):
        return None
    code = _encode(mask, share(mask.size, kept))
    return code if len(code) < (mask.size + 7) // 8 else None


def _surely_as_long(mask: Mask, kept: int) -> bool:
    r"""Whether the code is no shorter than the mask packed, where that is clear without making it.

    With u = s − z, a bit of probability w / 2²⁴ multiplies u by 2²⁴ / w at least:

        b = 0:  u' − u 2²⁴ / z = (z − s mod z) (2²⁴ / z − 1) > 0
        b = 1:  u' − u 2²⁴ / o = (2²⁴ − s mod o) z / o > 0

    Putting a word out leaves S = ⌊s / 2³²⌋ ≥ 2⁸ w and costs u at most the factor (S + 1) / (S − z)
    beyond the 2³² of the word. So the last bits, encoded, and the numbers of the others tell how
    many words there are at least.
    """
    one = share(mask.size, kept)
    zero, rest = _WHOLE - one, mask.size - _TAIL
    least = min(one, zero) << _STATE - _WORD - _PRECISION
    if rest < _TAIL or least <= zero:
        return False
    words: list[int] = []
    state = _push(mask[rest:], one, words)
    if state <= zero:
        return False
    wanted = -(-mask.size // _WORD)
    set_bits = int(np.count_nonzero(mask[:rest]))
    gained = set_bits * math.log2(_WHOLE / one) + (rest - set_bits) * math.log2(_WHOLE / zero)
    lost = wanted * math.log2((least + 1) / (least - zero))
    bits = _WORD * len(words) + math.log2(state - zero) + gained - lost
    # The slack is for the rounding of these sums.
    return bits > _WORD * (wanted - 1) + 0.01


def _encode(mask: Mask, one: int) -> bytes:
    if (library := _constriction(one)) is None:
        return _words_to_bytes(encode_words(mask, one))
    coder, model = library.stream.stack.AnsCoder(), _model(library, one)
    for start in reversed(range(0, mask.size, _CHUNK)):
        coder.encode_reverse(mask[start : start + _CHUNK].astype(np.int32), model)
    return _words_to_bytes(coder.get_compressed())


def _decode(data: bytes | memoryview, total: int, one: int) -> Mask:
    words = np.frombuffer(data, dtype="<u4")
    if not words.size or words[-1] == 0:
        raise ValueError("the code of a mask ends in a zero word")
    if (library := _constriction(one)) is None:
        return decode_words(words, total, one)
    coder, model = library.stream.stack.AnsCoder(words.astype(np.uint32)), _model(library, one)
    mask = np.empty(total, dtype=np.bool_)
    for start in range(0, total, _CHUNK):
        chunk = mask[start : start + _CHUNK]
        chunk[:] = coder.decode(model, chunk.size)
    # The library reads on behind the last bit, so ask for the very bytes instead.
    _check_end(_encode(mask, one) == data)
    return mask


def encode_words(mask: Mask, one: int) -> list[int]:
    """The code of a mask as 32-bit words.

    Args:
        mask: boolean ``(n,)``.
        one: probability of a set bit in 2⁻²⁴, see :func:`share`.

    Returns:
        The words in the order of output, the low word of the last state first.
    """
    words: list[int] = []
    state = _push(mask, one, words)
    while state:
        words.append(state & 0xFFFFFFFF)
        state >>= _WORD
    return words


def _push(mask: Mask, one: int, words: list[int]) -> int:
    """Encode the bits of a mask from the last to the first; words go out, the state is returned."""
    zero = _WHOLE - one
    widest = _STATE - _PRECISION
    full_zero, full_one = zero << widest, one << widest
    state = 0
    # Bytes iterate as small integers that exist already, without a list as long as the mask.
    # ⌊s / w⌋ 2²⁴ + (s mod w) is s + ⌊s / w⌋ (2²⁴ − w), which is faster.
    for bit in mask[::-1].tobytes():
        if bit:
            if state >= full_one:
                words.append(state & 0xFFFFFFFF)
                state >>= 32
            state += (state // one + 1) * zero
        else:
            if state >= full_zero:
                words.append(state & 0xFFFFFFFF)
                state >>= 32
            state += state // zero * one
    return state


def decode_words(words: npt.NDArray[np.uint32], total: int, one: int) -> Mask:
    """Inverse of :func:`encode_words`.

    Args:
        words: uint32 ``(k,)``.
        total: n, bits of the mask.
        one: probability of a set bit in 2⁻²⁴, see :func:`share`.

    Returns:
        Boolean ``(n,)``.

    Raises:
        ValueError: if the words are not the code of ``total`` bits.
    """
    zero, rest = _WHOLE - one, words.tolist()
    bits = bytearray(total)
    state = 0
    for place in range(total):
        if state < 0x100000000:
            while rest and state < 0x100000000:
                state = state << 32 | rest.pop()
            if not state:
                break  # Every bit from here on is 0.
        if state & 0xFFFFFF < zero:
            state -= (state >> 24) * one
        else:
            state -= ((state >> 24) + 1) * zero
            bits[place] = 1
    _check_end(not state and not rest)
    return np.frombuffer(bits, dtype=np.bool_)


def _check_end(reached: bool) -> None:
    if not reached:
        raise ValueError("the code of a mask does not end with its last bit")


def _words_to_bytes(words: Any) -> bytes:
    return np.asarray(words, dtype="<u4").tobytes()


def _constriction(one: int) -> ModuleType | None:
    """The library, where it is installed and takes exactly this probability."""
    try:
        import constriction
    except ImportError:
        return None
    # The code of a set bit alone is z: releases round probabilities in different ways.
    coder = constriction.stream.stack.AnsCoder()
    coder.encode_reverse(np.ones(1, dtype=np.int32), _model(constriction, one))
    exact = coder.get_compressed().tolist() == [_WHOLE - one]
    return constriction if exact else None


def _model(library: ModuleType, one: int) -> Any:
    return library.stream.model.Bernoulli(one / _WHOLE, perfect=True)
