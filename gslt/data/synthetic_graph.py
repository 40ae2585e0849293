"""The random graph behind the synthetic stand-in: classes, edges, features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gslt.errors import ConfigError
from gslt.random import Stream

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

CLASSES = 40
FEATURES = 128

# Fraction of edges drawn within the class of their source.
_WITHIN = 0.62
# Distance of the class means from 0, in units of the noise: about half of the nodes can be told
# from their features alone.
_MEAN_SIZE = 0.17
# OGBN-Arxiv's edges join 1,157,799 distinct pairs: the others are reverses of one another.
_PAIRS_PER_EDGE = 1_157_799 / 1_166_243
_LAYER = "ogbn_arxiv_synthetic"


@dataclass(frozen=True)
class Counts:
    """Sizes of a stand-in."""

    nodes: int
    edges: int
    train: int
    valid: int

    @classmethod
    def at(cls, scale: float) -> Counts:
        """OGBN-Arxiv's counts times ``scale``.

        Raises:
            ConfigError: if the scale leaves fewer than ten nodes per class, or exceeds 100.
        """
        smallest = 10 * CLASSES / 169_343
        if not smallest <= scale <= 100:
            raise ConfigError(
                f"scale must lie between {smallest:.4f} (ten nodes per class) and 100, got {scale}"
            )
        sizes = [round(size * scale) for size in (169_343, 1_166_243, 90_941, 29_799)]
        return cls(*sizes)


def node_classes(num_nodes: int, seed: int) -> Ints:
    """A class 0 … 39 for each node, int64 ``(N,)``: sizes fall as 1 / rank, in random order."""
    share = 1.0 / np.arange(1, CLASSES + 1)
    ends = np.round(np.cumsum(share) / share.sum() * num_nodes).astype(np.int64)
    sizes = np.diff(ends, prepend=0)[Stream(seed, _LAYER, "class sizes").permutation(CLASSES)]
    order = Stream(seed, _LAYER, "class").permutation(num_nodes)
    return np.repeat(np.arange(CLASSES), sizes)[order]


def random_edges(label: Ints, num_edges: int, seed: int) -> Ints:
    """Directed edges, int64 ``(num_edges, 2)``, without self-loops and repetitions.

    Sources and targets are drawn in proportion to Pareto weights; most targets come from the class
    of their source. As in the real graph, under one percent of the edges are reverses of others.
    """
    pairs = round(num_edges * _PAIRS_PER_EDGE)
    kept = np.empty((0, 2), dtype=np.int64)
    round_number = 0
    while len(kept) < pairs:
        drawn = _draw(label, int(1.3 * (pairs - len(kept))) + 100, seed, round_number)
        kept = _distinct(np.concatenate([kept, drawn]))
        round_number += 1
    kept = kept[:pairs]
    edges = np.concatenate([kept, kept[: num_edges - pairs, ::-1]])
    return edges[Stream(seed, _LAYER, "edge order").permutation(num_edges)]


def _distinct(edges: Ints) -> Ints:
    """The first edge of every unordered pair, in order; self-loops left out."""
    edges = edges[edges[:, 0] != edges[:, 1]]
    low, high = edges.min(axis=1), edges.max(axis=1)
    _, first = np.unique(low * (high.max(initial=0) + 1) + high, return_index=True)
    return edges[np.sort(first)]


def _draw(label: Ints, number: int, seed: int, round_number: int) -> Ints:
    """``number`` edges of the block model, int64 ``(number, 2)``; repetitions are possible."""
    layer = f"{_LAYER}/{round_number}"
    order = np.argsort(label, kind="stable")
    weight = _pareto(Stream(seed, _LAYER, "target weight").uniform(len(label)), 1.5)
    ends = np.cumsum(weight[order])
    by_class = np.concatenate([[0.0], ends[np.cumsum(np.bincount(label, minlength=CLASSES)) - 1]])

    outgoing = np.cumsum(_pareto(Stream(seed, _LAYER, "source weight").uniform(len(label)), 3.0))
    source = _pick(outgoing, Stream(seed, layer, "source").uniform(number) * outgoing[-1])
    within = Stream(seed, layer, "within").uniform(number) < _WITHIN
    low = np.where(within, by_class[label[source]], 0.0)
    high = np.where(within, by_class[label[source] + 1], ends[-1])
    place = low + (high - low) * Stream(seed, layer, "target").uniform(number)
    return np.stack([source, order[_pick(ends, place)]], axis=1)


def _pareto(uniform: Floats, exponent: float) -> Floats:
    """Pareto variables of least value 1: P(W > w) = w^−exponent."""
    return (1.0 - uniform) ** (-1.0 / exponent)


def _pick(ends: Floats, place: Floats) -> Ints:
    """The intervals, given by their ends, in which places lie."""
    return np.minimum(np.searchsorted(ends, place, side="right"), len(ends) - 1)


def feature_blocks(label: Ints, seed: int, rows: int) -> Iterator[Floats]:
    """Features ``(≤ rows, 128)`` of consecutive nodes: the mean of the class plus unit noise."""
    means = Stream(seed, _LAYER, "class means").normal(CLASSES * FEATURES)
    means = _MEAN_SIZE * means.reshape(CLASSES, FEATURES)
    for block, start in enumerate(range(0, len(label), rows)):
        part = label[start : start + rows]
        noise = Stream(seed, f"{_LAYER}/{block}", "features").normal(len(part) * FEATURES)
        yield means[part] + noise.reshape(len(part), FEATURES)
