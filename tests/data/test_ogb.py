"""OGB's layout: a small synthetic stand-in, read without questions, network or pickle."""

from __future__ import annotations

import builtins
import gzip
import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save, save_file

from gslt.data import NodeDataset, load_dataset, to_undirected, write_standin
from gslt.data import ogb as ogb_module
from gslt.data.ogb import import_ogb, read_cache, write_cache
from gslt.environment import import_quietly, quiet, raised
from gslt.errors import ConfigError, DataError, MissingPackageError

pytest.importorskip("pandas")
SCALE = 0.005


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("pandas")
    return write_standin(tmp_path_factory.mktemp("data"), scale=SCALE)


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A fresh copy of the stand-in, never read before."""
    return Path(shutil.copytree(written, tmp_path / written.name))


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks a question or opens a connection fails."""

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("asked a question or opened a connection")

    monkeypatch.setattr(builtins, "input", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def cache_of(folder: Path) -> Path:
    return folder / "processed_gslt" / "data.safetensors"


def assert_same(one: NodeDataset, other: NodeDataset) -> None:
    for name in ("x", "edge_index", "y", "train_mask", "val_mask", "test_mask"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name


def test_loads_twice_in_a_row(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    first = load_dataset("ogbn-arxiv-synthetic", folder.parent)
    assert capfd.readouterr() == ("", "gslt: reading ogbn_arxiv_synthetic from its raw files …\n")
    second = load_dataset(str(folder))
    assert capfd.readouterr() == ("", "")
    assert_same(first, second)
    assert first.info() == second.info()


def test_second_loading_parses_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_dataset(str(folder))
    monkeypatch.setattr(ogb_module, "_parse", None)
    assert_same(first, load_dataset(str(folder)))


def test_says_that_it_is_synthetic(folder: Path) -> None:
    data = load_dataset("OGBN_arxiv_synthetic", folder.parent)
    assert data.synthetic
    assert data.name == "ogbn-arxiv (synthetic stand-in)"
    assert "synthetic" in data.source


def test_reads_what_the_files_say(folder: Path) -> None:
    data = load_dataset(str(folder))
    with gzip.open(folder / "raw" / "edge.csv.gz", "rt") as file:
        pairs = {tuple(map(int, line.split(","))) for line in file}
    both = pairs | {(target, source) for source, target in pairs}
    assert set(map(tuple, data.edge_index.T.tolist())) == both
    with gzip.open(folder / "raw" / "node-label.csv.gz", "rt") as file:
        assert data.y.tolist() == [int(line) for line in file]
    with gzip.open(folder / "split" / "time" / "valid.csv.gz", "rt") as file:
        assert data.val_mask.nonzero().flatten().tolist() == [int(line) for line in file]
    with gzip.open(folder / "raw" / "node-feat.csv.gz", "rt") as file:
        row = [float(value) for value in file.readline().split(",")]
    torch.testing.assert_close(data.x[0], torch.tensor(row))


def test_ogb_evaluator_agrees_with_accuracy(folder: Path) -> None:
    data = load_dataset(str(folder))
    logits = torch.nn.functional.one_hot(data.y, 40).float()
    logits[::3] = 0
    assert data.evaluator is not None
    assert data.evaluate(logits) == pytest.approx(data.accuracy(logits))
    again = pickle.loads(pickle.dumps(data.evaluator))
    assert again(data.y, data.y) == 1.0


@pytest.mark.parametrize("damage", ["torn", "empty", "flipped"])
def test_damaged_cache_is_read_again(folder: Path, damage: str) -> None:
    first = load_dataset(str(folder))
    cache = cache_of(folder)
    content = bytearray(cache.read_bytes())
    if damage == "flipped":
        content[-1000] ^= 1
    cache.write_bytes({"torn": content[:5000], "empty": b""}.get(damage, content))
    assert_same(first, load_dataset(str(folder)))
    assert read_cache(cache, "") is None
    assert len(cache.read_bytes()) == len(content)


def test_changed_raw_file_is_read_again(folder: Path) -> None:
    before = load_dataset(str(folder))
    with gzip.open(folder / "raw" / "node-label.csv.gz", "wt") as file:
        file.write("\n".join(str((label + 1) % 40) for label in before.y.tolist()))
    assert torch.equal(load_dataset(str(folder)).y, (before.y + 1) % 40)


def test_folder_that_cannot_be_written_to(folder: Path) -> None:
    # A file where the cache's folder should be stops every user, root too.
    (folder / "processed_gslt").write_text("in the way")
    first, second = load_dataset(str(folder)), load_dataset(str(folder))
    assert_same(first, second)
    assert (folder / "processed_gslt").read_text() == "in the way"


def test_cache_of_another_key_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "cache.safetensors"
    tensors = {"x": torch.arange(3.0), "empty": torch.zeros(2, 0)}
    assert write_cache(path, "key", tensors)
    kept = read_cache(path, "key")
    assert kept is not None
    assert torch.equal(kept["x"], tensors["x"])
    assert read_cache(path, "other") is None
    save_file(load_file(path), path)
    assert read_cache(path, "key") is None


def test_missing_files_are_named(folder: Path) -> None:
    (folder / "raw" / "edge.csv.gz").unlink()
    (folder / "split" / "time" / "test.csv.gz").unlink()
    with pytest.raises(DataError, match=r"lacks raw/edge\.csv\.gz, split/time/test\.csv\.gz; add"):
        load_dataset(str(folder))


def mark(name: str) -> bytes:
    return json.dumps({"name": name, "scale": 1, "seed": 0}).encode()


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("raw/edge.csv.gz", b"no gzip", r"raw/edge\.csv\.gz' cannot be read: Not a gzipped file"),
        ("raw/edge.csv.gz", gzip.compress(b"0,1\n0,9000\n"), r"edge 1 is \(0, 9000\)"),
        ("split/time/test.csv.gz", gzip.compress(b"9000\n"), r"test\.csv\.gz\[0\] is 9000"),
        (
            "split/time/test.csv.gz",
            gzip.compress(b"".join(b"%d\n" % node for node in range(847))),
            r"node 2 of test\.csv\.gz is in another split too",
        ),
        ("split/time/test.csv.gz", gzip.compress(b"-1\n"), r"test\.csv\.gz\[0\] is -1"),
        ("split/time/test.csv.gz", gzip.compress(b"0.5\n"), r"test\.csv\.gz\[0\] is 0.5"),
        ("raw/node-label.csv.gz", gzip.compress(b"0.5\n" * 847), "labels must be whole"),
        ("raw/node-label.csv.gz", gzip.compress(b"1,1\n" * 847), "has 2 classes; give the one"),
        (
            "raw/num-node-list.csv.gz",
            gzip.compress(b"9" * 15 + b"\n"),
            "847 of 999999999999999 nodes",
        ),
        ("raw/num-node-list.csv.gz", gzip.compress(b"400\n447\n"), "must be one number, got 2"),
        (
            "raw/num-node-list.csv.gz",
            gzip.compress(b"847.5\n"),
            "is 847.5; it must be a whole number",
        ),
        (
            "raw/num-edge-list.csv.gz",
            gzip.compress(b"9\n"),
            "holds 5831 edges, num-edge-list.csv.gz 9",
        ),
        ("raw/edge.csv.gz", gzip.compress(b"0,1,2\n"), r"edge\.csv\.gz has shape \(1, 3\)"),
        ("raw/edge.csv.gz", gzip.compress(b"0,one\n"), "something that is no number"),
        ("raw/edge.csv.gz", gzip.compress(b""), "is damaged"),
        ("raw/edge.csv.gz", gzip.compress(b"," * 100_000), "more than 65,536 columns"),
        ("raw/edge.csv.gz", gzip.compress(b"1" * 2**21), "a line of it is longer than"),
        ("SYNTHETIC.json", b"{", r"SYNTHETIC\.json' is damaged or no mark"),
        ("SYNTHETIC.json", b"[" * 100_000, r"SYNTHETIC\.json' is damaged or no mark"),
        ("SYNTHETIC.json", b'{"name": 1, "scale": 1, "seed": 0}', r"got `int` - at `\$\.name`"),
        ("SYNTHETIC.json", mark("a graph"), "must hold the word 'synthetic'"),
        ("SYNTHETIC.json", mark("synthetic" * 99), "at most 200 characters"),
        ("SYNTHETIC.json", mark("synthetic")[:-1] + b', "synthetic": false}', "is damaged"),
    ],
    # What gzip writes holds the time.
    ids=lambda value: "content" if isinstance(value, bytes) else None,
)
def test_damaged_files(folder: Path, file: str, content: bytes, sentence: str) -> None:
    (folder / file).write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        load_dataset(str(folder))


def test_class_that_would_ask_for_a_large_network(folder: Path) -> None:
    (folder / "SYNTHETIC.json").unlink()
    labels = b"0\n" * 846 + b"1000000000\n"
    (folder / "raw" / "node-label.csv.gz").write_bytes(gzip.compress(labels))
    with pytest.raises(DataError, match=r"y\[846\] is 1000000000 in a graph of 847 nodes"):
        load_dataset(str(folder))


def test_tables_that_swell(folder: Path) -> None:
    table = folder / "raw" / "node-feat.csv.gz"
    table.write_bytes(gzip.compress(b"0\n" * 10**6))
    assert table.stat().st_size < 5000
    with raised(inflated_bytes=10**6), pytest.raises(ConfigError, match="unpacks to more than"):
        load_dataset(str(folder))
    table.write_bytes(gzip.compress(b"0\n" * 40_000_000, 1))
    with pytest.raises(DataError, match="it unpacks to more than 200 times its size"):
        load_dataset(str(folder))


def test_reads_as_ogb_does(folder: Path) -> None:
    """The package's own reader, whose arrays this one's must equal to the bit."""
    import_ogb()
    with quiet():
        read = import_quietly("ogb.io.read_graph_raw").read_csv_graph_raw
        (theirs,) = read(str(folder / "raw"))
    ours = load_dataset(str(folder))
    assert torch.equal(ours.x, torch.from_numpy(theirs["node_feat"]))
    both = to_undirected(torch.from_numpy(theirs["edge_index"]), theirs["num_nodes"])
    assert torch.equal(ours.edge_index, both)


@pytest.mark.parametrize(
    "content",
    [
        b"my notes",
        b"\x02\x00\x00\x00\x00\x00\x00\x00{}",
        save({"mine": torch.ones(3)}),
        save({"mine": torch.ones(3)}, {"key": "k"}),
        b"\xff" * 100,
        b"\x06\x00\x00\x00\x00\x00\x00\x00[[[[[[",
    ],
)
def test_what_is_no_cache_is_never_overwritten(
    folder: Path, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    cache = cache_of(folder)
    cache.parent.mkdir()
    cache.write_bytes(content)
    first, second = load_dataset(str(folder)), load_dataset(str(folder))
    assert_same(first, second)
    assert cache.read_bytes() == content
    assert [path.name for path in cache.parent.iterdir()] == ["data.safetensors"]
    assert "is not gslt's or cannot be written; next time is as slow" in capfd.readouterr().err


def test_link_in_the_place_of_the_cache(folder: Path) -> None:
    cache, mine = cache_of(folder), folder / "mine"
    cache.parent.mkdir()
    cache.symlink_to(mine)
    load_dataset(str(folder))
    assert not mine.exists()


@pytest.mark.parametrize(
    "tensors",
    [
        {},
        {"x": torch.ones(3)},
        {"x": torch.ones(2, 2), "edge_index": torch.ones(2, 1), "y": torch.ones(2), "split": 0},
    ],
)
def test_cache_of_other_tensors_is_read_again(folder: Path, tensors: dict[str, Any]) -> None:
    first = load_dataset(str(folder))
    cache = cache_of(folder)
    with safe_open(cache, framework="pt") as file:
        key = file.metadata()["key"]
    assert write_cache(cache, key, {k: torch.as_tensor(t) for k, t in tensors.items()})
    assert_same(first, load_dataset(str(folder)))


def test_unmarked_folder_is_not_synthetic_and_keeps_its_name(folder: Path) -> None:
    (folder / "SYNTHETIC.json").unlink()
    mine = folder.rename(folder.with_name("mine"))
    (mine / "split" / "time").rename(mine / "split" / "random")
    data = load_dataset(str(mine))
    assert (data.name, data.synthetic, data.evaluator) == ("mine", False, None)


def test_without_ogb(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r'pip install "gslt\[ogb\]"'):
        load_dataset(str(folder))


PROBE = """
import builtins, socket, sys, warnings
warnings.simplefilter("error")
calls = []
def record(*args, **kwargs):
    calls.append(args)
    raise OSError("no network here")
builtins.input = socket.getaddrinfo = socket.socket.connect = record
import gslt.data
assert not {"ogb", "dgl", "pandas", "networkx"} & set(sys.modules), "import is heavy"
gslt.data.load_dataset(sys.argv[1])
import threading
for thread in threading.enumerate():
    if thread is not threading.current_thread() and not thread.daemon:
        thread.join()
assert not calls, calls
assert "outdated" not in sys.modules
"""


def test_importing_ogb_asks_nobody(folder: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROBE, str(folder)],
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(folder.parent), "OMP_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    assert result.stderr == "gslt: reading ogbn_arxiv_synthetic from its raw files …\n"
