"""Random streams: golden values, the generator behind them, and what they do not depend on."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gslt.errors import ConfigError
from gslt.random import MAX_SEED, Stream, normal_quantile

GOLDEN = Stream(0, "layers.0.nn.weight", "weight")
MASK = 2**64 - 1


def philox4x64(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x64-10 as in Salmon et al. 2011, section 3.3, in whole numbers."""
    c, k = list(counter), list(key)
    for _ in range(10):
        first, second = 0xD2E7470EE14C6C93 * c[0], 0xCA5A826395121157 * c[2]
        c = [(second >> 64) ^ c[1] ^ k[0], second & MASK, (first >> 64) ^ c[3] ^ k[1], first & MASK]
        k = [(k[0] + 0x9E3779B97F4A7C15) & MASK, (k[1] + 0xBB67AE8584CAA73B) & MASK]
    return c


@pytest.mark.parametrize(
    ("counter", "key", "output"),
    [
        (
            [0] * 4,
            [0] * 2,
            [0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B],
        ),
        (
            [MASK] * 4,
            [MASK] * 2,
            [0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0],
        ),
    ],
)
def test_the_reference_implementation_meets_the_published_vectors(
    counter: list[int], key: list[int], output: list[int]
) -> None:
    assert philox4x64(counter, key) == output


def test_raw_words_are_philox_from_counter_one() -> None:
    stream = Stream(7, "conv", "score")
    expected = [w for block in (1, 2, 3) for w in philox4x64([block, 0, 0, 0], list(stream.key))]
    assert stream.raw(12).tolist() == expected


def test_key_is_the_hash_of_the_name() -> None:
    digest = hashlib.sha256(b"gslt/1/42/pattern/layers.1/x").digest()
    low, high = np.frombuffer(digest[:16], dtype="<u8").tolist()
    assert Stream(42, "layers.1/x", "pattern").key == (low, high)


def test_names_outside_ascii_are_utf8() -> None:
    digest = hashlib.sha256("gslt/1/0/weight/Schicht ß".encode()).digest()
    assert Stream(0, "Schicht ß", "weight").key[0] == int.from_bytes(digest[:8], "little")


def test_golden_values() -> None:
    """Changing any of these numbers makes every ticket file unreadable."""
    assert GOLDEN.key == (0x86166DB42FE51B14, 0xAB1445F0BF9A108E)
    assert GOLDEN.raw(5).tolist() == [
        0x3A711A6CCE06D857,
        0xF22139A6EBE0F9AD,
        0xA8F7CBB0C610BF60,
        0xAB8B957589647894,
        0x448482CE626B8D16,
    ]
    assert [x.hex() for x in GOLDEN.uniform(4).tolist()] == [
        "0x1.d388d3667036cp-3",
        "0x1.e442734dd7c1fp-1",
        "0x1.51ef97618c217p-1",
        "0x1.57172aeb12c8fp-1",
    ]
    assert [x.hex() for x in GOLDEN.normal(6).tolist()] == [
        "-0x1.7d2e8aa150d5bp-1",
        "0x1.9b08d564fc713p+0",
        "0x1.a672f53212965p-2",
        "0x1.c2bffecdc9d53p-2",
        "-0x1.3d6972a2bc555p-1",
        "-0x1.1c66801171c69p-1",
    ]
    assert GOLDEN.signs(20).tolist() == [
        1,
        1,
        1,
        -1,
        1,
        -1,
        1,
        -1,
        -1,
        -1,
        -1,
        1,
        1,
        -1,
        1,
        1,
        -1,
        1,
        1,
        -1,
    ]
    assert GOLDEN.permutation(12).tolist() == [0, 7, 4, 5, 8, 10, 2, 3, 11, 6, 1, 9]
    everything = GOLDEN.normal(100_000).astype("<f8").tobytes()
    assert hashlib.sha256(everything).hexdigest()[:16] == "92eba63088baecd5"


@pytest.mark.parametrize("method", ["raw", "uniform", "signs", "normal"])
@pytest.mark.parametrize("n", [0, 1, 5, 63, 64, 65, 130])
def test_a_shorter_answer_is_a_prefix(method: str, n: int) -> None:
    stream = Stream(3, "a", "weight")
    long = getattr(stream, method)(200)
    assert np.array_equal(getattr(stream, method)(n), long[:n])


def test_uniform_and_signs_follow_from_the_raw_words() -> None:
    stream = Stream(5, "a", "b")
    words = stream.raw(3).tolist()
    assert stream.uniform(3).tolist() == [(w >> 11) / 2**53 for w in words]
    bits = [(words[i // 64] >> (i % 64)) & 1 for i in range(130)]
    assert stream.signs(130).tolist() == [2 * bit - 1 for bit in bits]
    assert stream.permutation(3).tolist() == sorted(range(3), key=lambda i: words[i])


@given(n=st.integers(0, 300), seed=st.integers(0, MAX_SEED))
def test_permutation_is_one(n: int, seed: int) -> None:
    assert sorted(Stream(seed, "x", "pattern").permutation(n).tolist()) == list(range(n))


@pytest.mark.parametrize(
    "other",
    [
        Stream(1, "layers.0.nn.weight", "weight"),
        Stream(0, "layers.1.nn.weight", "weight"),
        Stream(0, "layers.0.nn.weight", "score"),
        Stream(MAX_SEED, "", ""),
    ],
)
def test_other_names_are_other_streams(other: Stream) -> None:
    assert not np.isin(GOLDEN.raw(1000), other.raw(1000)).any()


def test_layer_and_role_cannot_be_confused() -> None:
    assert Stream(0, "b/c", "a").key != Stream(0, "c", "ab").key
    with pytest.raises(ConfigError, match="may not hold '/'"):
        Stream(0, "c", "a/b")


@pytest.mark.parametrize("seed", [-1, 2**64, 1.0, True, None, "0"])
def test_refused_seeds(seed: object) -> None:
    with pytest.raises(ConfigError, match="seed must"):
        Stream(seed, "a", "b")  # type: ignore[arg-type]


def test_independent_of_global_state_and_threads() -> None:
    before = GOLDEN.normal(100)
    state = np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    torch_state = torch.get_rng_state()
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert np.array_equal(GOLDEN.normal(100), before)
    finally:
        torch.set_num_threads(threads)
        torch.set_rng_state(torch_state)
    np.random.seed(1)  # noqa: NPY002
    after = np.random.get_state()[1]  # type: ignore[index]  # noqa: NPY002
    GOLDEN.permutation(50)
    assert np.array_equal(np.random.get_state()[1], after)  # type: ignore[index]  # noqa: NPY002
    assert len(state) == len(after)


def test_distributions() -> None:
    n = 200_000
    stream = Stream(11, "statistics", "weight")
    assert stats.kstest(stream.uniform(n), "uniform").pvalue > 0.01
    assert stats.kstest(stream.normal(n), "norm").pvalue > 0.01
    assert abs(stream.signs(n).mean(dtype=float)) < 3 / n**0.5
    places = stream.permutation(n)
    assert abs(np.corrcoef(places, np.arange(n))[0, 1]) < 3 / n**0.5


def test_normal_quantile_equals_scipy() -> None:
    tails = 0.5 * 2.0 ** -np.arange(1, 53, 0.25)
    edges = np.array([0.075, 0.925, 0.5 - 0.425, np.exp(-25.0), 1 - np.exp(-25.0)])
    p = np.concatenate([tails, 1 - tails, edges, np.linspace(0.001, 0.999, 2001)])
    p = p[(p > 0) & (p < 1) & (p != 0.5)]
    expected = stats.norm.ppf(p)
    # Beside one half the quantile is ill conditioned in p for both; 1e-14 of it holds elsewhere.
    assert np.max(np.abs(normal_quantile(p) - expected) / np.abs(expected)) < 1e-14


def test_normal_quantile_by_hand() -> None:
    assert normal_quantile(np.array([0.5])).tolist() == [0.0]
    assert normal_quantile(np.array([0.975]))[0] == pytest.approx(1.959963984540054, rel=1e-15)
    extreme = np.array([2.0**-53, 1 - 2.0**-53])
    low, high = normal_quantile(extreme)
    assert low == -high
    assert low == pytest.approx(-8.209536151601387, rel=1e-14)


def test_normal_is_finite_at_the_ends_of_its_range() -> None:
    ends = (np.array([0.0, 2.0**52 - 1]) + 0.5) * 2.0**-52
    assert np.isfinite(normal_quantile(ends)).all()


@given(st.integers(0, 2**64 - 1), st.lists(st.integers(0, 5000), max_size=20))
@settings(max_examples=50, deadline=None)
def test_words_at_places_are_those_of_the_whole_stream(seed: int, places: list[int]) -> None:
    stream = Stream(seed, "layer", "weight")
    at = np.array(places, dtype=np.int64)
    np.testing.assert_array_equal(stream.raw_at(at), stream.raw(5001)[at])
    np.testing.assert_array_equal(stream.uniform_at(at), stream.uniform(5001)[at])


def test_words_far_away_are_those_that_numpy_advances_to() -> None:
    stream, far = Stream(5, "layer", "weight"), 4 * 10**15
    generator = np.random.Philox(key=np.array(stream.key, dtype=np.uint64))
    generator.advance(far // 4)
    places = far + np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(stream.raw_at(places), generator.random_raw(6).reshape(2, 3))
