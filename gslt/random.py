r"""Counter-based random streams: the same numbers on every device, backend and library version.

A stream is named by ``(seed, layer, role)``. Its key is the first 16 bytes of
``SHA-256("gslt/1/{seed}/{role}/{layer}")`` (UTF-8), read as two little-endian 64-bit words, and its
raw output is that of Philox4x64-10 under this key at counters 1, 2, … (Salmon et al. 2011,
"Parallel random numbers: as easy as 1, 2, 3"). NumPy guarantees the raw words of a bit generator
across versions, but not its distributions; so every distribution is made here, from integer
operations and the five IEEE-754 operations that are exactly rounded (+, −, ×, ÷, √). No library
function whose last bit may differ between processors (log, cos, erfinv) takes part.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gslt.errors import ConfigError

Float64 = npt.NDArray[np.float64]

#: Largest seed: what fits in an unsigned 64-bit integer.
MAX_SEED = 2**64 - 1

# Rational approximations of the normal quantile, algorithm AS 241 (Wichura 1988), PPND16: relative
# error about 1e-16. Lowest order first.
_CENTRE_P = (
    3.3871328727963666080e0,
    1.3314166789178437745e2,
    1.9715909503065514427e3,
    1.3731693765509461125e4,
    4.5921953931549871457e4,
    6.7265770927008700853e4,
    3.3430575583588128105e4,
    2.5090809287301226727e3,
)
_CENTRE_Q = (
    1.0,
    4.2313330701600911252e1,
    6.8718700749205790830e2,
    5.3941960214247511077e3,
    2.1213794301586595867e4,
    3.9307895800092710610e4,
    2.8729085735721942674e4,
    5.2264952788528545610e3,
)
_NEAR_P = (
    1.42343711074968357734e0,
    4.63033784615654529590e0,
    5.76949722146069140550e0,
    3.64784832476320460504e0,
    1.27045825245236838258e0,
    2.41780725177450611770e-1,
    2.27238449892691845833e-2,
    7.74545014278341407640e-4,
)
_NEAR_Q = (
    1.0,
    2.05319162663775882187e0,
    1.67638483018380384940e0,
    6.89767334985100004550e-1,
    1.48103976427480074590e-1,
    1.51986665636164571966e-2,
    5.47593808499534494600e-4,
    1.05075007164441684324e-9,
)
_FAR_P = (
    6.65790464350110377720e0,
    5.46378491116411436990e0,
    1.78482653991729133580e0,
    2.96560571828504891230e-1,
    2.65321895265761230930e-2,
    1.24266094738807843860e-3,
    2.71155556874348757815e-5,
    2.01033439929228813265e-7,
)
_FAR_Q = (
    1.0,
    5.99832206555887937690e-1,
    1.36929880922735805310e-1,
    1.48753612908506148525e-2,
    7.86869131145613259100e-4,
    1.84631831751005468180e-5,
    1.42151175831644588870e-7,
    2.04426310338993978564e-15,
)
_LN2 = 0.6931471805599453
#: Numbers that are made at a time.
_BLOCK = 1 << 14
# Philox4x64: multipliers of the two products, and what each round adds to the key (Weyl sequence).
_MULTIPLIERS = 0xD2E7470EE14C6C93, 0xCA5A826395121157
_WEYL = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B
_ROUNDS = 10


@dataclass(frozen=True)
class Stream:
    """The random numbers of one ``role`` in one ``layer`` under one ``seed``.

    Every method starts from the beginning of the stream: calling it twice gives the same numbers,
    and asking for more numbers extends the shorter answer.

    Args:
        seed: 0 … 2⁶⁴ − 1.
        layer: qualified name of the layer (any text).
        role: what the numbers are for, without ``/`` (``"weight"``, ``"score"``, ``"pattern"``, …).

    Raises:
        ConfigError: if the seed is out of range or the role holds a ``/``.
    """

    seed: int
    layer: str
    role: str

    def __post_init__(self) -> None:
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise ConfigError(f"seed must be an integer, got {self.seed!r}")
        if not 0 <= self.seed <= MAX_SEED:
            raise ConfigError(f"seed must lie in 0 … 2**64 - 1, got {self.seed}")
        if "/" in self.role:
            raise ConfigError(f"the role of a stream may not hold '/', got {self.role!r}")

    @property
    def key(self) -> tuple[int, int]:
        """The two 64-bit words of the Philox key."""
        name = f"gslt/1/{self.seed}/{self.role}/{self.layer}"
        digest = hashlib.sha256(name.encode()).digest()
        return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:16], "little")

    def raw(self, n: int) -> npt.NDArray[np.uint64]:
        """The first ``n`` words, uint64 ``(n,)``."""
        generator = np.random.Philox(key=np.array(self.key, dtype=np.uint64))
        return generator.random_raw(n)

    def raw_at(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
        """The words at some places, uint64 of the shape of ``places``, without those before them.

        Word i is number i mod 4 of the four of counter i // 4 + 1. A stream has 2⁶² words here.

        >>> stream = Stream(0, "layers.0.nn.weight", "weight")
        >>> bool((stream.raw_at(np.array([9, 2])) == stream.raw(10)[[9, 2]]).all())
        True

        Args:
            places: from 0 on, int64 of any shape.
        """
        flat = np.asarray(places, dtype=np.int64).ravel()
        words = np.empty(flat.size, dtype=np.uint64)
        for start in range(0, flat.size, _BLOCK):
            at = flat[start : start + _BLOCK]
            of_counter = _philox((at // 4 + 1).astype(np.uint64), self.key)
            words[start : start + _BLOCK] = of_counter[at % 4, np.arange(at.size)]
        return words.reshape(np.shape(places))

    def uniform(self, n: int) -> Float64:
        """``n`` numbers uniform on [0, 1), ``(n,)``: the upper 53 bits of each word times 2⁻⁵³."""
        return _unit(self.raw(n))

    def uniform_at(self, places: npt.NDArray[np.int64]) -> Float64:
        """The numbers of :meth:`uniform` at some places, of the shape of ``places``.

        Args:
            places: from 0 on, int64 of any shape.
        """
        return _unit(self.raw_at(places))

    def signs(self, n: int) -> npt.NDArray[np.int8]:
        """``n`` signs ±1 with probability ½, int8 ``(n,)``.

        The sign of number i is bit ``i mod 64`` of word ``i // 64``, 1 meaning +1.

        >>> Stream(0, "layers.0.nn.weight", "weight").signs(8).tolist()
        [1, 1, 1, -1, 1, -1, 1, -1]
        """
        words = self.raw((n + 63) // 64).astype("<u8")
        bits = np.unpackbits(words.view(np.uint8), count=n, bitorder="little")
        return (2 * bits.astype(np.int8) - 1).astype(np.int8)

    def normal(self, n: int) -> Float64:
        """``n`` standard normal numbers, ``(n,)``: Φ⁻¹((k + ½) 2⁻⁵²), k a word's upper 52 bits."""
        words = self.raw(n)
        values = np.empty(n)
        # By blocks, whose intermediate results stay in the cache.
        for start in range(0, n, _BLOCK):
            k = (words[start : start + _BLOCK] >> np.uint64(12)).astype(np.float64)
            values[start : start + _BLOCK] = normal_quantile((k + 0.5) * 2.0**-52)
        return values

    def permutation(self, n: int) -> npt.NDArray[np.int64]:
        """A uniformly random permutation of 0 … n − 1, int64 ``(n,)``.

        It is the stable order of the first n words.

        >>> Stream(0, "layers.0.nn.weight", "pattern").permutation(8).tolist()
        [2, 7, 5, 0, 1, 3, 4, 6]
        """
        return np.argsort(self.raw(n), kind="stable")


def _unit(words: npt.NDArray[np.uint64]) -> Float64:
    """The upper 53 bits of each word times 2⁻⁵³."""
    bits: Float64 = (words >> np.uint64(11)).astype(np.float64)
    return bits * 2.0**-53


def _philox(counter: npt.NDArray[np.uint64], key: tuple[int, int]) -> npt.NDArray[np.uint64]:
    """The four words of each counter below 2⁶⁴, ``(4, n)``."""
    zero = np.zeros_like(counter)
    words, keys = [counter, zero, zero, zero], list(key)
    for _ in range(_ROUNDS):
        high0, low0 = _product(_MULTIPLIERS[0], words[0])
        high1, low1 = _product(_MULTIPLIERS[1], words[2])
        k0, k1 = map(np.uint64, keys)
        words = [high1 ^ words[1] ^ k0, low1, high0 ^ words[3] ^ k1, low0]
        keys = [(k + w) % 2**64 for k, w in zip(keys, _WEYL, strict=True)]
    return np.stack(words)


def _product(
    a: int, b: npt.NDArray[np.uint64]
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Upper and lower word of a · b."""
    half, low = np.uint64(32), np.uint64(2**32 - 1)
    a0, a1 = np.uint64(a % 2**32), np.uint64(a >> 32)
    b0, b1 = b & low, b >> half
    middle = a1 * b0 + (a0 * b0 >> half)
    other = a0 * b1 + (middle & low)
    return a1 * b1 + (middle >> half) + (other >> half), np.uint64(a) * b


def normal_quantile(p: Float64) -> Float64:
    """Φ⁻¹(p) by algorithm AS 241 (Wichura 1988), identical to the last bit on every machine.

    >>> normal_quantile(np.array([0.5, 0.975])).round(6).tolist()
    [0.0, 1.959964]

    Args:
        p: probabilities, double ``(n,)``, 0 < p < 1.

    Returns:
        Quantiles of the standard normal distribution, double ``(n,)``.
    """
    q = p - 0.5
    central = np.abs(q) <= 0.425
    result = np.empty_like(p)
    r = 0.180625 - q[central] * q[central]
    result[central] = q[central] * _polynomial(_CENTRE_P, r) / _polynomial(_CENTRE_Q, r)
    tail = ~central
    # 1 − p is exact for the p that `normal` makes, so the two tails mirror each other.
    r = np.sqrt(-_log(np.minimum(p[tail], 1.0 - p[tail])))
    near, far = r - 1.6, r - 5.0
    size = np.where(
        r <= 5.0,
        _polynomial(_NEAR_P, near) / _polynomial(_NEAR_Q, near),
        _polynomial(_FAR_P, far) / _polynomial(_FAR_Q, far),
    )
    result[tail] = np.where(q[tail] < 0, -size, size)
    return result


def _polynomial(coefficients: tuple[float, ...], x: Float64) -> Float64:
    value = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = value * x + coefficient
    return value


def _log(x: Float64) -> Float64:
    """Natural logarithm from exactly rounded operations: ln m + e ln 2, m in [√½, √2)."""
    mantissa, exponent = np.frexp(x)
    small = mantissa < 0.7071067811865476
    mantissa = np.where(small, 2.0 * mantissa, mantissa)
    exponent = exponent - small
    s = (mantissa - 1.0) / (mantissa + 1.0)
    # ln m = 2 artanh s = 2 (s + s³/3 + s⁵/5 + …); |s| < 0.172, so 12 terms reach 1e-18.
    series = _polynomial(tuple(1.0 / (2 * k + 1) for k in range(12)), s * s)
    return exponent * _LN2 + 2.0 * s * series
