"""A synthetic stand-in for OGBN-Arxiv in OGB's own raw layout, at any scale."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gslt.data.ogb import SYNTHETIC_MARK, SyntheticMark, read_mark
from gslt.data.temporary import temporary_folder
from gslt.errors import ConfigError
from gslt.files import plain
from gslt.progress import progress_bar
from gslt.random import Stream

STANDIN_FOLDER = "ogbn_arxiv_synthetic"
STANDIN_NAME = "ogbn-arxiv (synthetic stand-in)"

_CHUNK = 4096
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
# Of every random stream of the graph.
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
    """A class 0 … 39 for each node, int64 ``(N,)``: sizes fall as 1 / rank, in random order.

    Args:
        num_nodes: N.
        seed: names the random streams.

    >>> np.sort(np.bincount(node_classes(428, seed=0)))[-3:].tolist()
    [33, 50, 100]
    """
    share = 1.0 / np.arange(1, CLASSES + 1)
    ends = np.round(np.cumsum(share) / share.sum() * num_nodes).astype(np.int64)
    sizes = np.diff(ends, prepend=0)[Stream(seed, _LAYER, "class sizes").permutation(CLASSES)]
    order = Stream(seed, _LAYER, "class").permutation(num_nodes)
    return np.repeat(np.arange(CLASSES), sizes)[order]


def random_edges(label: Ints, num_edges: int, seed: int) -> Ints:
    """Directed edges, int64 ``(num_edges, 2)``, without self-loops and repetitions.

    Sources and targets are drawn in proportion to Pareto weights; most targets come from the class
    of their source. As in the real graph, under one percent of the edges are reverses of others.

    Args:
        label: class of each node, int64 ``(N,)``.
        num_edges: number of edges.
        seed: names the random streams.
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
    """Features ``(≤ rows, 128)`` of consecutive nodes: the mean of the class plus unit noise.

    Args:
        label: class of each node, int64 ``(N,)``.
        seed: names the random streams.
        rows: nodes in a block.
    """
    means = Stream(seed, _LAYER, "class means").normal(CLASSES * FEATURES)
    means = _MEAN_SIZE * means.reshape(CLASSES, FEATURES)
    for block, start in enumerate(range(0, len(label), rows)):
        part = label[start : start + rows]
        noise = Stream(seed, f"{_LAYER}/{block}", "features").normal(len(part) * FEATURES)
        yield means[part] + noise.reshape(len(part), FEATURES)


def write_standin(root: str | Path, scale: float = 1.0, seed: int = 0) -> Path:
    """Write the synthetic stand-in to ``<root>/ogbn_arxiv_synthetic/`` and return that folder.

    A degree-corrected block model (Karrer & Newman 2011, 1008.3926) with the node, edge, feature
    and class counts and the split sizes of OGBN-Arxiv, times ``scale``; heavy-tailed degrees, class
    sizes that fall by a power law, 65 % of the edges within a class, Gaussian features around one
    mean per class. A finished stand-in of the same scale and seed is kept. The folder appears whole
    or not at all. At scale 1 it takes about 15 seconds and 64 MB.

    Args:
        root: folder that holds the data sets.
        scale: size as a fraction of OGBN-Arxiv's, at most 100 and at least ten nodes per class.
        seed: names the random streams.

    Raises:
        ConfigError: if the scale is out of range, or the folder holds something else.
    """
    counts = Counts.at(scale)
    mark = SyntheticMark(name=STANDIN_NAME, scale=scale, seed=seed)
    folder = Path(root) / STANDIN_FOLDER
    if folder.exists():
        if _mark_of(folder) == mark:
            return folder
        raise ConfigError(
            f"the folder {folder} exists and is not the synthetic stand-in of scale {scale} and "
            f"seed {seed}; remove it or choose another root"
        )
    with temporary_folder(folder) as room:
        temporary = room / folder.name
        _write_graph(temporary, counts, seed)
        _write_split(temporary, counts, seed)
        (temporary / "RELEASE_v1.txt").touch()
        text = json.dumps(plain(mark), indent=1)
        (temporary / SYNTHETIC_MARK).write_text(text, encoding="utf-8")
        temporary.rename(folder)
    return folder


def _mark_of(folder: Path) -> SyntheticMark | None:
    try:
        return read_mark(folder / SYNTHETIC_MARK)
    except (OSError, ValueError):
        return None


def _write_graph(folder: Path, counts: Counts, seed: int) -> None:
    raw = folder / "raw"
    label = node_classes(counts.nodes, seed)
    _write_rows(raw / "num-node-list.csv.gz", np.array([counts.nodes]))
    _write_rows(raw / "num-edge-list.csv.gz", np.array([counts.edges]))
    _write_rows(raw / "node-label.csv.gz", label)
    _write_rows(raw / "edge.csv.gz", random_edges(label, counts.edges, seed))
    row = ",".join(["%.3f"] * FEATURES) + "\n"
    blocks = progress_bar(
        feature_blocks(label, seed, _CHUNK),
        total=-(-counts.nodes // _CHUNK),
        desc="synthetic features",
        unit="block",
        leave=False,
    )
    lines = ("".join([row % tuple(values) for values in block.tolist()]) for block in blocks)
    _write_text(raw / "node-feat.csv.gz", lines)


def _write_split(folder: Path, counts: Counts, seed: int) -> None:
    """Random parts of the real sizes; years that fit them, as the real split is by year."""
    order = Stream(seed, STANDIN_FOLDER, "split").permutation(counts.nodes)
    draw = Stream(seed, STANDIN_FOLDER, "year").uniform(counts.nodes)
    year = np.empty(counts.nodes, dtype=np.int64)
    parts = np.split(order, [counts.train, counts.train + counts.valid])
    spans = ((2007, 11), (2018, 1), (2019, 2))
    for name, part, (first, years) in zip(("train", "valid", "test"), parts, spans, strict=True):
        year[part] = first + (draw[part] * years).astype(np.int64)
        _write_rows(folder / "split" / "time" / f"{name}.csv.gz", np.sort(part))
    _write_rows(folder / "raw" / "node_year.csv.gz", year)


def _write_rows(path: Path, values: np.ndarray) -> None:
    """Integers, one row per line."""
    table = values.reshape(len(values), -1)
    row = ",".join(["%d"] * table.shape[1]) + "\n"
    starts = range(0, len(table), _CHUNK)
    _write_text(
        path,
        ("".join([row % tuple(v) for v in table[i : i + _CHUNK].tolist()]) for i in starts),
    )


def _write_text(path: Path, chunks: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without time and name in its header, the same content gives the same bytes.
    with (
        path.open("wb") as plain,
        gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=plain, mtime=0) as packed,
    ):
        for chunk in chunks:
            packed.write(chunk.encode("ascii"))
