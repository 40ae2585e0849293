"""OGB's layout: a small synthetic stand-in, read without questions, network or pickle."""

from __future__ import annotations

import builtins
import gzip
import importlib.util
import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save, save_file

from gslt.data import NodeDataset, load_dataset, to_undirected, write_standin
from gslt.data import ogb as ogb_module
from gslt.data.catalogue import find_dataset, is_complete
from gslt.data.labelled import SPLITS
from gslt.data.ogb import import_ogb, read_cache, write_cache
from gslt.data.published import COUNTS, LABELS, labels_digest
from gslt.environment import import_quietly, quiet, raised
from gslt.errors import ConfigError, DataError, DataWarning, MissingPackageError

pytest.importorskip("pandas")
if importlib.util.find_spec("ogb") is None:
    # Found without importing it, which would ask the network.
    pytest.skip("ogb is not installed", allow_module_level=True)
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


def test_loads_twice_in_a_row(
    folder: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "gslt")
    first = load_dataset("ogbn-arxiv-synthetic", folder.parent)
    assert caplog.messages == ["reading ogbn_arxiv_synthetic from its raw files …"]
    second = load_dataset(str(folder))
    assert len(caplog.messages) == 1
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
    folder: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    cache = cache_of(folder)
    cache.parent.mkdir()
    cache.write_bytes(content)
    first, second = load_dataset(str(folder)), load_dataset(str(folder))
    assert_same(first, second)
    assert cache.read_bytes() == content
    assert [path.name for path in cache.parent.iterdir()] == ["data.safetensors"]
    assert "is not gslt's or cannot be written; next time is as slow" in caplog.text


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
warnings.simplefilter("ignore", ResourceWarning)  # torch 2.6 leaves a folder to the end
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
    assert result.stderr == ""


# OGBN-Arxiv as it lies on disk


@pytest.fixture
def arxiv(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in without its mark, taken for what was published as OGBN-Arxiv."""
    (folder / "SYNTHETIC.json").unlink()
    data = load_dataset(str(folder.rename(folder.with_name("papers"))))
    splits = {name: int(mask.sum()) for name, mask in data.splits.items()}
    monkeypatch.setitem(COUNTS, "ogbn-arxiv", {**data.counts, **splits})
    monkeypatch.setitem(LABELS, "ogbn-arxiv", labels_digest(data))
    with gzip.open(folder.with_name("papers") / "raw" / "num-edge-list.csv.gz", "rt") as file:
        monkeypatch.setattr(ogb_module, "_ARXIV_EDGES", int(file.read()))
    return folder.with_name("papers")


def unpacked(folder: Path) -> Path:
    """The same with plain tables."""
    for path in list(folder.rglob("*.csv.gz")):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    shutil.rmtree(folder / "processed_gslt", ignore_errors=True)
    return folder


def zipped(folder: Path, archive: str, inside: str) -> Path:
    with zipfile.ZipFile(folder.parent / archive, "w") as file:
        for path in folder.rglob("*"):
            if path.is_file() and "processed" not in str(path):
                file.write(path, f"{inside}{path.relative_to(folder)}")
    shutil.rmtree(folder)
    return folder.parent / archive


def inside(folder: Path, outer: str, inner: str) -> Path:
    (folder.parent / outer).mkdir()
    folder.rename(folder.parent / outer / inner)
    return folder.parent / outer


LAYOUTS = {
    "ogbn_arxiv": lambda folder: folder.rename(folder.with_name("ogbn_arxiv")),
    "ogbn-arxiv": lambda folder: folder.rename(folder.with_name("ogbn-arxiv")),
    "arxiv": lambda folder: folder.rename(folder.with_name("arxiv")),
    "pyg": lambda folder: folder.rename(folder.with_name("ogbn_arxiv_pyg")),
    "plain": lambda folder: unpacked(folder).rename(folder.with_name("ogbn_arxiv")),
    "zip": lambda folder: zipped(folder, "arxiv.zip", "arxiv/"),
    "zip of plain": lambda folder: zipped(unpacked(folder), "ogbn_arxiv.zip", ""),
    "inner folder": lambda folder: inside(folder, "ogbn_arxiv", "arxiv"),
    "inner, twice": lambda folder: inside(inside(folder, "b", "arxiv"), "ogbn-arxiv", "b"),
    "any name": lambda folder: folder,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_arxiv_is_found_by_name_and_by_path(arxiv: Path, layout: str) -> None:
    place, root = LAYOUTS[layout](arxiv), arxiv.parent
    assert find_dataset("ogbn-arxiv", root) == place
    assert is_complete("ogbn-arxiv", place)
    found = load_dataset("ogbn-arxiv", root)
    assert (found.name, found.synthetic, found.num_classes) == ("ogbn-arxiv", False, 40)
    assert found.source == ogb_module.SOURCE
    assert found.evaluator is not None
    by_path = load_dataset(str(place))
    assert (by_path.name, by_path.content_hash) == (found.name, found.content_hash)
    assert by_path.evaluator == found.evaluator


def test_arxiv_is_found_around_and_in_what_is_named(arxiv: Path) -> None:
    assert find_dataset("ogbn-arxiv", arxiv) == arxiv
    for path in (arxiv / "raw", arxiv, arxiv.parent):
        assert load_dataset(str(path)).name == "ogbn-arxiv"
    shutil.copytree(arxiv, arxiv.with_name("again"))
    with pytest.raises(DataError, match=r"several data sets in OGB's layout, again, papers; name"):
        load_dataset(str(arxiv.parent))


def test_what_is_whole_goes_before_what_was_begun(arxiv: Path) -> None:
    begun = arxiv.with_name("ogbn_arxiv") / "raw"
    begun.mkdir(parents=True)
    (begun / "edge.csv.gz").touch()
    arxiv.rename(arxiv.with_name("arxiv"))
    assert load_dataset("ogbn-arxiv", arxiv.parent).name == "ogbn-arxiv"
    shutil.rmtree(arxiv.with_name("arxiv"))
    with pytest.raises(DataError, match=r"ogbn_arxiv is no complete data set .* it lacks raw/node"):
        load_dataset("ogbn-arxiv", arxiv.parent)


def test_another_graph_is_not_arxiv(folder: Path) -> None:
    """A synthetic graph that was renamed once passed for it."""
    (folder / "SYNTHETIC.json").unlink()
    fake = folder.rename(folder.with_name("ogbn_arxiv"))
    with pytest.raises(DataError, match=r"is not ogbn-arxiv as .* has 847 nodes and not 169"):
        load_dataset("ogbn-arxiv", fake.parent)
    with pytest.warns(DataWarning, match=r"has the name of ogbn-arxiv, which is another graph"):
        data = load_dataset(str(fake))
    assert data.name == "ogbn_arxiv (another graph of 847 nodes)"
    assert (data.evaluator, data.source) == (None, "folder ogbn_arxiv")
    fake.rename(fake.with_name("mine"))
    # Its counts are others, so it is not taken for OGBN-Arxiv by what is in it either.
    with pytest.raises(DataError, match="is not on disk"):
        load_dataset("ogbn-arxiv", fake.parent)


def test_other_labels_are_told_by_the_digest(arxiv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LABELS, "ogbn-arxiv", 64 * "0")
    with pytest.raises(DataError, match="it has other labels, or another split, of as many nodes"):
        load_dataset("ogbn-arxiv", arxiv.parent)


def test_the_stand_in_is_never_taken_for_arxiv(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ogb_module, "COUNTS", {"ogbn-arxiv": {"nodes": 847}})
    monkeypatch.setattr(ogb_module, "_ARXIV_EDGES", 5831)
    assert not (folder / "raw" / "num-edge-list.csv").exists()
    assert find_dataset("ogbn-arxiv", folder.parent) is None
    (folder / "SYNTHETIC.json").unlink()
    assert find_dataset("ogbn-arxiv", folder.parent) == folder


def test_several_kinds_of_nodes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mag" / "raw" / "relations").mkdir(parents=True)
    with pytest.raises(DataError, match=r"mag is heterogeneous, of several kinds of nodes"):
        load_dataset(str(tmp_path / "mag"))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ogbn-products", "is read by the path of its folder or zip"),
        ("OGBN_mag", "is of several kinds of nodes"),
        ("ogbn-proteins", "has no features of nodes"),
        ("ogbn-papers100M", "is stored in another layout"),
    ],
)
def test_other_data_sets_of_ogb_by_name(name: str, says: str) -> None:
    with pytest.raises(
        ConfigError, match=f"there is no data set '{name}'.* {name.lower()[:4]}.*{says}"
    ):
        load_dataset(name)


def test_labels_and_split_of_the_real_arxiv() -> None:
    folder = Path(os.environ.get("GSLT_DATA", "")) / "ogbn_arxiv_labels_and_split"
    if not (folder / "raw" / "node-label.csv.gz").is_file():
        pytest.skip("OGBN-Arxiv's labels and split are not there; set GSLT_DATA")
    y, split = (torch.from_numpy(t) for t in (labels_of(folder), split_of(folder)))
    masks = {f"{part}_mask": split == number for number, part in enumerate(SPLITS)}
    data = NodeDataset(
        name="real labels on synthetic features without edges (synthetic)",
        x=torch.zeros(len(y), 1),
        edge_index=torch.zeros(2, 0, dtype=torch.int64),
        y=y,
        num_classes=40,
        synthetic=True,
        **masks,
    )
    assert labels_digest(data) == LABELS["ogbn-arxiv"]
    known = COUNTS["ogbn-arxiv"]
    assert known["nodes"] == data.num_nodes
    assert [known[name] for name in SPLITS] == [int(mask.sum()) for mask in masks.values()]


def labels_of(folder: Path) -> Any:
    return np.loadtxt(folder / "raw" / "node-label.csv.gz", dtype=np.int64)


def split_of(folder: Path) -> Any:
    split = np.full(len(labels_of(folder)), 255, np.uint8)
    for number, part in enumerate(("train", "valid", "test")):
        split[np.loadtxt(folder / "split" / "time" / f"{part}.csv.gz", dtype=np.int64)] = number
    return split


def test_data_of_edges_is_told(folder: Path) -> None:
    for name in ("edge-feat.csv.gz", "edge_reltype.csv"):
        (folder / "raw" / name).touch()
    with pytest.warns(DataWarning, match=r"data of edges \(edge-feat.csv.gz, edge_reltype.csv\)"):
        load_dataset(str(folder))
