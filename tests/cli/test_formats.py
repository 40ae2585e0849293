"""Every format from the command line alone: searched on for 5 epochs, converted, the same again.

The small graphs are those that ``benchmarks/bad_data.py`` makes wrong, here as they are sound.
"""

from __future__ import annotations

import json
import os
import pickle
import random
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import gslt
from gslt.cli.main import main

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import bad_data

pytestmark = [
    pytest.mark.filterwarnings("ignore::gslt.errors.DataWarning"),
    pytest.mark.filterwarnings("ignore::gslt.errors.FreezingWarning"),
]

DATA = Path(os.environ.get("GSLT_DATA", ""))
SEARCH = ["--epochs", "5", "--hidden_channels", "8", "--num_layers", "2", "--lr", "0.05"]
Graph = dict[str, Any]


def planetoid(graph: Graph, folder: Path) -> Path:
    """510 nodes on a ring: 3 to train, 500 to validate, 4 to test, with the files' pickles."""
    label = np.eye(7, dtype=np.int32)[np.arange(510) % 7]
    words = sp.csr_matrix(np.random.default_rng(0).random((510, 4)).round(1).astype(np.float32))
    ring = {i: [(i + 1) % 510, (i - 1) % 510] for i in range(510)}
    parts = {"allx": words[:506], "x": words[:3], "tx": words[506:], "ally": label[:506]}
    for name, value in {**parts, "y": label[:3], "ty": label[506:], "graph": ring}.items():
        (folder / f"ind.cora.{name}").write_bytes(pickle.dumps(value, 2))
    (folder / "ind.cora.test.index").write_text("506\n507\n508\n509\n")
    return folder


def sparse_parts(graph: Graph, mark: str) -> dict[str, Any]:
    source, target = np.array(graph["edges"]).T
    matrices = {
        "adj_matrix": sp.csr_matrix((np.ones(len(source)), (source, target)), shape=(12, 12)),
        "attr_matrix": sp.csr_matrix(np.array(graph["x"])),
    }
    parts = ("data", "indices", "indptr", "shape")
    return {
        f"{name if mark == '.' else name.removesuffix('_matrix')}{mark}{part}": np.asarray(
            getattr(matrix, part)
        )
        for name, matrix in matrices.items()
        for part in parts
    }


def nettack(mark: str) -> Callable[[Graph, Path], Path]:
    def write(graph: Graph, folder: Path) -> Path:
        path = folder / "graph.npz"
        np.savez(path, labels=np.array(graph["y"]), **sparse_parts(graph, mark))
        return path

    return write


def amazon(graph: Graph, folder: Path) -> Path:
    (folder / "raw").mkdir()
    nettack("_")(graph, folder / "raw").rename(folder / "raw" / "amazon_electronics_photo.npz")
    return folder


def tolokers(graph: Graph, folder: Path) -> Path:
    """Of two classes, both of which are in every split."""
    binary = {**graph, "y": [i % 2 for i in range(12)]}
    return bad_data.FORMATS["heterophilous .npz"](binary, folder).rename(folder / "tolokers.npz")


def zipped_ogb(graph: Graph, folder: Path) -> Path:
    inner = folder / "mine"
    inner.mkdir()
    bad_data.FORMATS["OGB"](graph, inner)
    with zipfile.ZipFile(folder / "mine.zip", "w") as archive:
        for path in sorted(inner.rglob("*.gz")):
            archive.write(path, path.relative_to(folder))
    return folder / "mine.zip"


def parquet(graph: Graph, folder: Path) -> Path:
    pytest.importorskip("pyarrow")
    import pandas as pd

    bad_data.FORMATS["CSV"](graph, folder)
    for name in ("nodes", "edges"):
        pd.read_csv(folder / f"{name}.csv").to_parquet(folder / f"{name}.parquet")
        (folder / f"{name}.csv").unlink()
    return folder


FORMATS: dict[str, Callable[[Graph, Path], Path | str]] = {
    **bad_data.FORMATS,
    "gnn-benchmark .npz by path": nettack("_"),
    "nettack .npz": nettack("."),
    "Amazon": amazon,
    "tolokers .npz": tolokers,
    "Planetoid": planetoid,
    "zip of OGB": zipped_ogb,
    "Parquet": parquet,
}
REAL = {
    "formats/texas.mat": "",
    "formats/gnnbench_cora.npz": "",
    "formats/chameleon.npz": "",
    "formats/chameleon_filtered_directed.npz": "undirected=false",
    "formats/output-tree90.graphml": "y=size&features=degree",
    "heterophilous/minesweeper.npz": "metric=roc_auc",
    "planetoid/Cora/raw": "",
}


def goes_all_the_way(address: str, folder: Path) -> None:
    """Searched on, with 5 epochs, and converted: the file that is written has the same hash."""
    own, out = folder / "converted.safetensors", folder / "run"
    assert main(["search", "--dataset", address, "--out", str(out), *SEARCH]) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 5
    assert main(["data", "convert", address, str(own)]) == 0
    data = gslt.load_dataset(str(own))
    assert (data.content_hash, data.metric) == (summary["content_hash"], summary["metric"])


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_goes_all_the_way(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "graph"
    folder.mkdir()
    address = FORMATS[kind](bad_data.sound(random.Random(0)), folder)
    goes_all_the_way(str(address), tmp_path)


def test_the_same_graph_in_other_formats_has_the_same_hash(tmp_path: Path) -> None:
    """Each with its own features, labels, edges and masks, in both directions."""
    kinds = [
        *("CSV", "TSV", "zip of tables", ".npz with lists of nodes", ".pt", "PyG processed"),
        *("GraphML", "GML", "node-link JSON", "heterophilous .npz", "OGB", "zip of OGB"),
    ]
    hashes = {}
    for kind in kinds:
        folder = tmp_path / kind
        folder.mkdir()
        address = str(FORMATS[kind](bad_data.sound(random.Random(0)), folder))
        told = {} if "OGB" in kind or kind == "heterophilous .npz" else {"undirected": True}
        hashes[kind] = gslt.load_dataset(address, **told).content_hash
    assert len(set(hashes.values())) == 1, hashes


def test_a_converted_file_is_shown_and_searched_on_as_its_source_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = str(FORMATS["GraphML"](bad_data.sound(random.Random(0)), tmp_path))
    own = str(tmp_path / "own.safetensors")
    assert main(["data", "convert", source, own]) == 0
    shown, found = [], []
    for number, place in enumerate((source, own)):
        capsys.readouterr()
        assert main(["data", "info", place, "--json"]) == 0
        shown.append(json.loads(capsys.readouterr().out))
        out = tmp_path / f"run{number}"
        assert main(["search", "--dataset", place, "--out", str(out), *SEARCH]) == 0
        found.append((out / "metrics.jsonl").read_text())
    assert shown[0] == shown[1]
    assert found[0] == found[1]


@pytest.mark.parametrize("file", REAL)
def test_real_files_go_all_the_way(file: str, tmp_path: Path) -> None:
    if not (DATA / file).exists():
        pytest.skip(f"GSLT_DATA names no folder with {file}")
    goes_all_the_way("?".join(filter(None, [str(DATA / file), REAL[file]])), tmp_path)
