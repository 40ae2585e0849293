"""Every message on files, folders and downloads that gives advice: it is followed, and works.

As ``test_advice.py`` does for graphs in memory.
"""

from __future__ import annotations

import re
import threading
import warnings
import zipfile
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torch
from advice import message_of, sentences

from gslt.cli.main import main
from gslt.data import (
    as_dataset,
    catalogue,
    download,
    download_dataset,
    folders,
    formats,
    load_dataset,
    matrices,
    options,
    random_split,
    stored,
    tables,
    unsplit,
    write_standin,
)
from gslt.data.download import fetch
from gslt.data.published import PUBLISHED, Published
from gslt.environment import import_quietly
from gslt.errors import DataWarning, GsltError

NODES = 12
EDGES = np.array([[i, (i + 1) % NODES] for i in range(NODES)])
LABELS = np.arange(NODES) % 2
PARTS = np.array(["train", "train", "val", "test"] * 3)
NO_MASKS = dict.fromkeys(("train_mask", "val_mask", "test_mask"))
TEXTS = list("abcdefghijkl")
ONE_EDGE = "source,target\n1,2\n2,1"
X = np.arange(NODES, dtype=np.float32)[:, None]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is written into the working folder, and no data set is known elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GSLT_DATA", raising=False)


def archive(path: str, **changes: Any) -> str:
    """A graph of the benchmark's layout."""
    masks = {f"{name}_masks": (name == PARTS)[None] for name in ("train", "val", "test")}
    both = np.concatenate([EDGES, EDGES[:, ::-1]])
    arrays = {"node_features": X, "node_labels": LABELS, "edges": both, **masks, **changes}
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    return path


def drawing() -> Any:
    graph = import_quietly("networkx").cycle_graph(NODES)
    for node in graph:
        graph.nodes[node]["y"] = node % 2
    return graph


def own(path: str = "own.safetensors") -> str:
    load_dataset(archive("g.npz")).save(path)
    return path


def newer(path: str) -> str:
    """A file as a gslt that is newer might write it, with its checksum."""
    data = load_dataset(archive("g.npz"))
    tensors = {name: getattr(data, name) for name in stored.TENSORS}
    version, stored.VERSION = stored.VERSION, 99
    try:
        stored.write_stored(Path(path), {"name": "g", "num_classes": 2}, tensors)
    finally:
        stored.VERSION = version
    return path


def pyg(path: str, **changes: Any) -> str:
    masks = {f"{name}_mask": torch.from_numpy(name == PARTS) for name in ("train", "val", "test")}
    edges = torch.from_numpy(np.concatenate([EDGES, EDGES[:, ::-1]]).T.copy())
    values = {"x": torch.from_numpy(X), "y": torch.from_numpy(LABELS), "edge_index": edges}
    kept = {n: v for n, v in {**values, **masks, **changes}.items() if v is not None}
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    torch.save(kept, path)
    return path


def mat(path: str, **changes: Any) -> str:
    values = {"node_feat": X, "label": LABELS, "edge_index": EDGES.T, **changes}
    scipy.io.savemat(path, {name: value for name, value in values.items() if value is not None})
    return f"{path}?fractions=0.5,0.25,0.25&undirected=true"


def table(
    folder: str, nodes: dict[str, Any] | None = None, edges: str = "", kind: str = "csv"
) -> str:
    """Two tables; a column that is None is left out."""
    mark = {"csv": ",", "tsv": "\t"}[kind]
    given = {
        "id": range(NODES),
        "label": ["a", "b"] * 6,
        "f": X[:, 0],
        "split": PARTS,
        **(nodes or {}),
    }
    columns = {name: list(map(str, column)) for name, column in given.items() if column is not None}
    lines = [mark.join(columns), *(mark.join(row) for row in zip(*columns.values(), strict=True))]
    Path(folder).mkdir(parents=True, exist_ok=True)
    Path(folder, f"nodes.{kind}").write_text("\n".join(lines))
    rows = [mark.join(map(str, row)) for row in np.concatenate([EDGES, EDGES[:, ::-1]])]
    Path(folder, f"edges.{kind}").write_text(
        edges or "\n".join([mark.join(["source", "target"]), *rows])
    )
    return folder


def renamed(folder: str, old: str, new: str) -> str:
    Path(folder, old).rename(Path(folder, new))
    return str(Path(folder, new))


def both_kinds(folder: str, keep: bool) -> str:
    table(folder)
    table(folder, kind="tsv")
    for name in () if keep else ("nodes.tsv", "edges.tsv"):
        Path(folder, name).unlink()
    return folder


def webkb(folder: str, *names: str) -> str:
    Path(folder).mkdir(exist_ok=True)
    lines = [f"{i}\t{i % 2},1\t{i % 5}" for i in range(NODES)]
    head = "node_id\tfeature\tlabel"
    Path(folder, "out1_node_feature_label.txt").write_text("\n".join([head, *lines, ""]))
    Path(folder, "out1_graph_edges.txt").write_text("node_id\tnode_id\n0\t1\n1\t0\n")
    masks = {
        "train": np.arange(NODES) < 6,
        "val": (np.arange(NODES) // 3 == 2),
        "test": np.arange(NODES) > 8,
    }
    for name in names:
        for split in range(10):
            file = Path(folder, f"{name}_split_0.6_0.2_{split}.npz")
            np.savez(file, **{f"{part}_mask": mask for part, mask in masks.items()})
    return folder


def served(folder: Path) -> str:
    """The address of a folder on this machine."""
    handler = partial(Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


def one_file() -> str:
    Path("web").mkdir(exist_ok=True)
    Path("web/x").write_bytes(b"hello")
    return f"{served(Path('web'))}/x"


def arxiv() -> None:
    """Let the catalogue name a small archive on this machine in the place of OGBN-Arxiv's."""
    source = write_standin(Path("web"), scale=0.003)
    with zipfile.ZipFile("web/arxiv.zip", "w") as file:
        for path in sorted(source.rglob("*.gz")):
            file.write(path, Path("arxiv") / path.relative_to(source))
    PUBLISHED["ogbn-arxiv"] = (Published(f"{served(Path('web'))}/arxiv.zip", None),)


def half_a_download() -> Any:
    arxiv()
    Path("dataset/ogbn_arxiv").mkdir(parents=True)
    return download_dataset("ogbn-arxiv")


def moved_away() -> Any:
    Path("dataset/ogbn_arxiv").rename("dataset/old")
    download_dataset("ogbn-arxiv")
    return load_dataset("ogbn-arxiv")


def command(*words: str) -> None:
    assert main([*words]) == 0


def standin() -> Any:
    command("data", "synthesize", "--scale", "0.003")
    return load_dataset("ogbn-arxiv-synthetic")


def in_environment(monkeypatch: pytest.MonkeyPatch) -> Any:
    archive("mine/heterophilous/actor.npz")
    monkeypatch.setenv("GSLT_DATA", "mine")
    return load_dataset("actor")


def another_graph(name: str = "actor") -> Any:
    archive("dataset/heterophilous/actor.npz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gslt.data.published.COUNTS", {"actor": {"nodes": 7600}})
        return load_dataset(name)


def undirected() -> str:
    """Some edges of it have their reverse, so that those without have a direction, it seems."""
    return archive("g.npz", edges=np.concatenate([EDGES, EDGES[:3, ::-1]]))


def converted(split: int) -> Any:
    masks = {f"{name}_masks": np.stack([name == PARTS] * 2) for name in ("train", "val", "test")}
    archive("two.npz", **masks)
    command("data", "convert", "two.npz", "two.safetensors", "--split", str(split))
    return load_dataset("two.safetensors", split=1)


def put_by_hand() -> Any:
    """Twitch has no split, of which a warning tells beside."""
    Path("dataset/twitch").mkdir(parents=True, exist_ok=True)
    np.savez("dataset/twitch/DE.npz", features=X, target=LABELS, edges=EDGES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return load_dataset("twitch-de")


def header(names: str) -> str:
    """Tables with this first line of nodes."""
    path = Path(table("t"), "nodes.csv")
    path.write_text("\n".join([names, *path.read_text().splitlines()[1:]]))
    return "t"


def semicolons() -> str:
    path = Path(table("t"), "nodes.csv")
    path.write_text(path.read_text().replace(",", ";"))
    return "t"


def touched(folder: str, *names: str) -> None:
    Path(folder).mkdir()
    for name in names:
        Path(folder, name).touch()


def refused_for_itself(path: str) -> None:
    """The files of one network alone are looked at: here they are not there."""
    Path(path).touch()
    with pytest.raises(GsltError, match=r"lacks the file ind\.cora\."):
        load_dataset(path)


def collated(number: int) -> str:
    data = import_quietly("torch_geometric.data")
    graph = data.Data.from_dict(torch.load(pyg("one.pt")))
    torch.save(data.InMemoryDataset.collate([graph] * number), "several.pt")
    return "several.pt"


#: What is refused or said, and the same after its advice.
CASES: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    # catalogue
    "not on disk": (
        lambda: load_dataset("actor"),
        lambda: [archive("dataset/heterophilous/actor.npz"), load_dataset("actor")],
    ),
    "not on disk, by hand": (lambda: load_dataset("twitch-de"), put_by_hand),
    "already a file": (
        lambda: download_dataset(f"{mat('g.mat')}".partition("?")[0]),
        lambda: load_dataset(mat("g.mat")),
    ),
    "not downloaded": (lambda: download_dataset("twitch-fr"), put_by_hand),
    "stand-in not on disk": (lambda: load_dataset("ogbn-arxiv-synthetic"), standin),
    "said twice": (
        lambda: load_dataset(f"{mat('g.mat')}&y=label", y="label"),
        lambda: load_dataset(f"{mat('g.mat')}&y=label"),
    ),
    "empty name": (lambda: load_dataset(" "), lambda: command("data", "list")),
    "no name": (
        lambda: load_dataset(drawing()),  # type: ignore[arg-type]
        lambda: as_dataset(drawing(), y="y", features="degree", **random_split(LABELS, seed=0)),
    ),
    "ending": (
        lambda: load_dataset(renamed(".", archive("g.npz"), "g.data")),
        lambda: load_dataset(renamed(".", archive("g.npz"), "h.npz")),
    ),
    "no path": (lambda: load_dataset("a\0b"), lambda: load_dataset(archive("ab.npz"))),
    "a folder of a known name": (
        lambda: load_dataset(table("cora")),
        lambda: load_dataset(table("elsewhere/mine")),
    ),
    # download
    "synthetic": (lambda: download_dataset("ogbn-arxiv-synthetic"), standin),
    "half a download": (half_a_download, moved_away),
    "is there": (
        lambda: [Path("x").write_text("mine"), fetch(one_file(), Path("x"))],
        lambda: [Path("x").rename("mine"), fetch(one_file(), Path("x"))],
    ),
    # options
    "known data": (
        lambda: [archive("dataset/heterophilous/actor.npz"), load_dataset("actor", y="label")],
        lambda: load_dataset("actor"),
    ),
    "no option": (
        lambda: load_dataset(f"{archive('g.npz')}?labels=a"),
        lambda: load_dataset(f"{archive('g.npz')}?y=node_labels"),
    ),
    # formats
    "direction": (
        lambda: load_dataset(undirected()),
        lambda: load_dataset(undirected(), undirected=False),
    ),
    "an option of one's own file": (
        lambda: load_dataset(own(), undirected=True),
        lambda: [
            command("data", "convert", archive("g.npz"), "b.safetensors", "--undirected", "true"),
            load_dataset("b.safetensors"),
        ],
    ),
    "split of one's own file": (lambda: converted(0), lambda: converted(1)),
    # folders
    "name of a table": (
        lambda: load_dataset(renamed(table("t"), "nodes.csv", "points.csv")),
        lambda: load_dataset(renamed("t", "points.csv", "nodes.csv")),
    ),
    "several graphs": (
        lambda: [pyg("s/processed/a.pt"), pyg("s/processed/b.pt"), load_dataset("s")],
        lambda: load_dataset("s/processed/a.pt"),
    ),
    "several networks": (
        lambda: load_dataset(webkb("w", "texas", "cornell")),
        lambda: load_dataset(webkb("v", "texas")),
    ),
    "several of Planetoid": (
        lambda: [touched("p", "ind.cora.x", "ind.citeseer.x"), load_dataset("p")],
        lambda: refused_for_itself("p/ind.cora.graph"),
    ),
    # matrices
    "adjacency": (
        lambda: load_dataset(mat("g.mat", edge_index=None, A=np.ones((NODES, 3)))),
        lambda: load_dataset(mat("g.mat", edge_index=None, A=np.eye(NODES, k=1))),
    ),
    "several graphs in a file": (
        lambda: load_dataset(collated(2)),
        lambda: load_dataset(collated(1)),
    ),
    "one mask of three": (
        lambda: load_dataset(pyg("g.pt", train_mask=None)),
        lambda: [
            load_dataset(pyg("g.pt", train_mask=None), fractions=(0.6, 0.2, 0.2)),
            load_dataset(pyg("g.pt")),
        ],
    ),
    "sparse": (
        lambda: load_dataset(pyg("g.pt", x=torch.from_numpy(X).to_sparse())),
        lambda: load_dataset(pyg("g.pt", x=torch.from_numpy(X).to_sparse().to_dense())),
    ),
    "repeated": (
        lambda: load_dataset(pyg("g.pt", x=torch.ones(1, 2).expand(NODES, 2))),
        lambda: load_dataset(pyg("g.pt", x=torch.ones(1, 2).expand(NODES, 2).contiguous())),
    ),
    "MATLAB 7.3": (
        lambda: [Path("g.mat").write_bytes(b"MATLAB 7.3 MAT-file"), load_dataset("g.mat")],
        lambda: load_dataset(mat("g.mat")),
    ),
    "a split of three names": (
        lambda: load_dataset(pyg("g.pt", **NO_MASKS, idx_train=torch.arange(4))),
        lambda: load_dataset(
            pyg(
                "g.pt",
                **NO_MASKS,
                **{
                    f"idx_{p}": torch.arange(NODES)[4 * i :][:4]
                    for i, p in enumerate(("train", "val", "test"))
                },
            )
        ),
    ),
    "two features": (
        lambda: load_dataset(pyg("g.pt", feat=torch.from_numpy(X + 1))),
        lambda: load_dataset(pyg("g.pt", feat=torch.from_numpy(X + 1)), x="x"),
    ),
    "two graphs": (
        lambda: load_dataset(mat("g.mat", A=np.eye(NODES, k=1))),
        lambda: load_dataset(mat("g.mat")),
    ),
    "an adjacency of NaN": (
        lambda: load_dataset(mat("g.mat", edge_index=None, A=np.diag([np.nan] * 11, 1))),
        lambda: load_dataset(mat("g.mat", edge_index=None, A=np.eye(NODES, k=1))),
    ),
    "no edges": (
        lambda: load_dataset(pyg("g.pt", edge_index=None)),
        lambda: load_dataset(pyg("g.pt")),
    ),
    "no labels": (
        lambda: load_dataset(pyg("g.pt", y=None, kind=torch.from_numpy(LABELS))),
        lambda: load_dataset(pyg("g.pt", y=None, kind=torch.from_numpy(LABELS)), y="kind"),
    ),
    "nothing of that name": (
        lambda: load_dataset(pyg("g.pt"), y="kind"),
        lambda: load_dataset(pyg("g.pt"), y="y"),
    ),
    "shape of edges": (
        lambda: load_dataset(pyg("g.pt", edge_index=torch.ones(3, 3))),
        lambda: load_dataset(pyg("g.pt")),
    ),
    "before torch 1.6": (
        lambda: [
            torch.save(torch.ones(1), "g.pt", _use_new_zipfile_serialization=False),
            load_dataset("g.pt"),
        ],
        lambda: load_dataset(pyg("g.pt")),
    ),
    # stored
    "ending of one's own file": (lambda: own("own.npz"), lambda: load_dataset(own())),
    "a newer file": (
        lambda: load_dataset(newer("n.safetensors")),
        lambda: load_dataset(own()),  # What the newer gslt reads, as this one does its own.
    ),
    # tables
    "unused columns": (
        lambda: load_dataset(table("t", {"g": X[:, 0]}), x="f"),
        lambda: load_dataset(table("t", {"g": X[:, 0]}), x="f,g"),
    ),
    "numbers and texts": (
        lambda: load_dataset(table("t", {"label": ["0", "b"] * 6})),
        lambda: load_dataset(table("t", {"label": ["a", "b"] * 6})),
    ),
    "ways of a split": (
        lambda: load_dataset(table("t", {"split_0": PARTS})),
        lambda: load_dataset(table("t")),
    ),
    "one mask": (
        lambda: load_dataset(table("t", {"split": None, "train_mask": PARTS == "train"})),
        lambda: load_dataset(
            table(
                "t", {"split": None} | {f"{p}_mask": p == PARTS for p in ("train", "val", "test")}
            )
        ),
    ),
    "truth values and numbers": (
        lambda: load_dataset(table("t", {"f": ["true"] * 6 + ["2"] * 6})),
        lambda: load_dataset(table("t", {"f": ["true"] * 6 + ["false"] * 6})),
    ),
    "a column twice but for capitals": (
        lambda: load_dataset(table("t", {"ID": range(NODES)})),
        lambda: load_dataset(table("t")),
    ),
    "a column twice": (
        lambda: load_dataset(header("id,label,f,f")),
        lambda: load_dataset(table("t")),
    ),
    "semicolons": (
        lambda: load_dataset(semicolons()),
        lambda: load_dataset(table("t")),
    ),
    "no names of columns": (
        lambda: load_dataset(header("0,1,2,3")),
        lambda: load_dataset(table("t")),
    ),
    "two tables of nodes": (
        lambda: load_dataset(both_kinds("t", keep=True)),
        lambda: load_dataset(both_kinds("t", keep=False)),
    ),
    "no id": (
        lambda: load_dataset(table("t", {"id": ["", *range(1, NODES)]})),
        lambda: load_dataset(table("t")),
    ),
    "another graph of a known name": (
        another_graph,
        lambda: load_dataset("dataset/heterophilous/actor.npz"),
    ),
    "the name of another graph": (
        lambda: another_graph("dataset/heterophilous/actor.npz"),
        lambda: load_dataset(renamed("dataset/heterophilous", "actor.npz", "mine.npz")),
    ),
    "an id twice": (
        lambda: load_dataset(table("t", {"id": [1, *range(1, NODES)]})),
        lambda: load_dataset(table("t")),
    ),
    "a class or none": (
        lambda: load_dataset(table("t", {"label": ["a", "b"] * 5 + ["a", "NA"]})),
        lambda: load_dataset(
            table("t", {"label": ["a", "b"] * 5 + ["a", ""], "split": [*PARTS[:-1], ""]})
        ),
    ),
    "numbers of splits": (
        lambda: load_dataset(table("t", {"split": None, "split_1": PARTS})),
        lambda: load_dataset(table("t", {"split": None, "split_0": PARTS})),
    ),
    "ids or labels among features": (
        lambda: load_dataset(table("t", {"y": LABELS}), y="label"),
        lambda: load_dataset(table("t")),
    ),
    "the labels once more": (
        lambda: load_dataset(table("t", {"group": LABELS})),
        lambda: [
            load_dataset(table("t")),
            load_dataset(table("t", {"group": LABELS}), x="f,group"),
        ],
    ),
    "a split that is not understood": (
        lambda: load_dataset(pyg("g.pt", **NO_MASKS, fold=torch.arange(NODES))),
        lambda: [
            load_dataset(
                pyg("g.pt", **NO_MASKS, fold=torch.arange(NODES)), fractions=(0.6, 0.2, 0.2)
            ),
            load_dataset(pyg("g.pt", fold=torch.arange(NODES))),
        ],
    ),
    "an unclear id": (
        lambda: load_dataset(table("t", {"id": ["nan", *range(1, NODES)]}, edges=ONE_EDGE)),
        lambda: load_dataset(table("t", {"id": ["zero", *range(1, NODES)]}, edges=ONE_EDGE)),
    ),
    "a class that is padded": (
        lambda: load_dataset(table("t", {"label": ["1", "0"] * 5 + ["01", "0"]})),
        lambda: [
            load_dataset(table("t", {"label": ["1", "0"] * 6})),
            load_dataset(table("t", {"label": ["c", "a"] + ["b", "a"] * 5})),
        ],
    ),
    "a long whole number": (
        lambda: load_dataset(table("t", {"f": [0.5] * 11 + [2**24 + 1]})),
        lambda: load_dataset(table("t", {"f": [0.5 / 2**24] * 11 + [1.0]})),
    ),
    "edges without a header": (
        lambda: load_dataset(table("t", {"id": TEXTS}, edges="a,b\nb,a\nb,c\nc,b")),
        lambda: load_dataset(table("t", {"id": TEXTS}, edges="u,v\na,b\nb,a\nb,c\nc,b")),
    ),
    "an edge of nobody": (
        lambda: load_dataset(table("t", edges="source,target\n0,1\n1,0\n1,nobody")),
        lambda: load_dataset(table("t", edges="source,target\n0,1\n1,0")),
    ),
}


#: No message; of Parquet, which needs a package of its own; of two processes at once.
UNTRIED = (
    "gnn-benchmark (Shchur",
    "holds numbers; it must hold 'train'",
    "the column .* is of type",
    "a column is there twice",
    "cannot be made (.*); move away what is there",
)


@pytest.fixture
def _published(monkeypatch: pytest.MonkeyPatch, any_counts: None) -> None:
    monkeypatch.setitem(PUBLISHED, "ogbn-arxiv", PUBLISHED["ogbn-arxiv"])


@pytest.mark.usefixtures("_published")
@pytest.mark.parametrize("case", CASES)
def test_who_follows_the_advice_gets_on(case: str) -> None:
    broken, mended = CASES[case]
    assert message_of(broken), "nothing was said"
    assert message_of(mended) == ""


@pytest.mark.usefixtures("_published")
def test_every_advice_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = []
    for number, (broken, _) in enumerate(CASES.values()):
        (tmp_path / str(number)).mkdir()
        monkeypatch.chdir(tmp_path / str(number))
        said.append(message_of(broken))
    modules = (catalogue, download, folders, formats, matrices, options, stored, tables, unsplit)
    wanted = [pattern for module in modules for pattern in sentences(module)]
    assert len(wanted) > 40
    untried = [
        pattern
        for pattern in wanted
        if not any(re.search(pattern, each) for each in said)
        and not any(known in pattern.replace("\\", "") for known in UNTRIED)
    ]
    assert not untried
