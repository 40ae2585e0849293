"""A synthetic stand-in for OGBN-Arxiv in OGB's own raw layout, at any scale."""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from gslt.data.ogb import SYNTHETIC_MARK
from gslt.data.synthetic_graph import FEATURES, Counts, feature_blocks, node_classes, random_edges
from gslt.errors import ConfigError
from gslt.random import Stream

STANDIN_FOLDER = "ogbn_arxiv_synthetic"
STANDIN_NAME = "ogbn-arxiv (synthetic stand-in)"

_CHUNK = 4096


def write_standin(root: str | Path, scale: float = 1.0, seed: int = 0) -> Path:
    """Write the synthetic stand-in to ``<root>/ogbn_arxiv_synthetic/`` and return that folder.

    A degree-corrected block model (Karrer & Newman 2011, 1008.3926) with the node, edge, feature
    and class counts and the split sizes of OGBN-Arxiv, times ``scale``; heavy-tailed degrees, class
    sizes that fall by a power law, 65 % of the edges within a class, Gaussian features around one
    mean per class. A finished stand-in of the same scale and seed is kept. The folder appears whole
    or not at all. At scale 1 it takes about 15 seconds and 64 MB.

    Raises:
        ConfigError: if the scale is out of range, or the folder holds something else.
    """
    counts = Counts.at(scale)
    mark = {"synthetic": True, "name": STANDIN_NAME, "scale": scale, "seed": seed}
    folder = Path(root) / STANDIN_FOLDER
    if folder.exists():
        if _mark_of(folder) == mark:
            return folder
        raise ConfigError(
            f"the folder {folder} exists and is not the synthetic stand-in of scale {scale} and "
            f"seed {seed}; remove it or choose another root"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{STANDIN_FOLDER}."))
    try:
        _write_graph(temporary, counts, seed)
        _write_split(temporary, counts, seed)
        (temporary / "RELEASE_v1.txt").touch()
        (temporary / SYNTHETIC_MARK).write_text(json.dumps(mark, indent=1), encoding="utf-8")
        temporary.chmod(0o755)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _mark_of(folder: Path) -> object:
    try:
        return json.loads((folder / SYNTHETIC_MARK).read_text(encoding="utf-8"))
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
    blocks = tqdm(
        feature_blocks(label, seed, _CHUNK),
        total=-(-counts.nodes // _CHUNK),
        desc="synthetic features",
        leave=False,
        disable=None,
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
