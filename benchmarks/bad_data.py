"""Bad data files and objects, and what comes of them: each must be refused in a sentence.

    python benchmarks/bad_data.py [--rounds 4] [--seed 0] [--json FILE]

A sound graph of twelve nodes is written in every format that gslt reads, and handed over as an
object of every kind. Then one thing is made wrong, at a random place, that no reading can make
right: :data:`WRONG` says for each why. Damaged files: cut off, empty, noise, a folder, pipe or loop
of links in their place, archives that swell. Accepted wrongly, tracebacks and hangs (10 seconds)
are failures.
"""

from __future__ import annotations

import copy
import csv
import gzip
import json
import os
import pickle
import random
import resource
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import common
import damage
import networkx as nx
import numpy as np
import pandas as pd
import scipy.io
import scipy.sparse as sp
import torch
from common import Values
from damage import Tally

import gslt
from gslt.data import NodeDataset, as_dataset
from gslt.data.ogb import import_ogb
from gslt.data.stored import write_stored

NODES, CLASSES = 12, 3
SPLITS = ("train", "val", "test")
Graph = dict[str, Any]


def sound(rng: random.Random) -> Graph:
    """A graph of lists: ``x``, ``y``, ``edges`` (one a row), and a truth value a node and split."""
    part = [SPLITS[i // 3 % 4] if i < 9 else "test" for i in range(NODES)]
    return {
        "x": [[round(rng.random(), 3) for _ in range(4)] for _ in range(NODES)],
        "y": [i % CLASSES for i in range(NODES)],
        "edges": [[i, (i + 1) % NODES] for i in range(NODES)],
        **{split: [each == split for each in part] for split in SPLITS},
    }


# What is wrong


def _entry(part: str, value: Any) -> Callable[[Graph, random.Random], None]:
    def put(graph: Graph, rng: random.Random) -> None:
        row = rng.randrange(3)
        if isinstance(graph[part][row], list):
            graph[part][row][rng.randrange(len(graph[part][row]))] = value
        else:
            graph[part][row] = value

    return put


def _shorter(part: str) -> Callable[[Graph, random.Random], None]:
    return lambda graph, rng: graph[part].pop()


def _longer(part: str) -> Callable[[Graph, random.Random], None]:
    return lambda graph, rng: graph[part].append(copy.deepcopy(graph[part][0]))


def _overlap(graph: Graph, rng: random.Random) -> None:
    graph["val"][rng.randrange(3)] = True


#: By name: why no reading can be right, and what makes it so.
WRONG: dict[str, tuple[str, Callable[[Graph, random.Random], None]]] = {
    "label 0.5": ("between two classes", _entry("y", 0.5)),
    "label -2": ("neither a class nor none", _entry("y", -2)),
    "label 10^9": ("a class of a billion for twelve nodes", _entry("y", 10**9)),
    "label inf": ("no class", _entry("y", np.inf)),
    "label missing": ("a training node without a class", _entry("y", np.nan)),
    "label text": ("a text among numbers", _entry("y", "oops")),
    "a label less": ("a node has none", _shorter("y")),
    "a label more": ("it is of no node", _longer("y")),
    "edge to 12": ("there is no such node", _entry("edges", NODES)),
    "edge to -1": ("there is no such node", _entry("edges", -1)),
    "edge to 0.5": ("there is no such node", _entry("edges", 0.5)),
    "edge to NaN": ("there is no such node", _entry("edges", np.nan)),
    "edge to inf": ("there is no such node", _entry("edges", np.inf)),
    "edge to 10^12": ("there is no such node", _entry("edges", 10**12)),
    "edge to text": ("there is no such node", _entry("edges", "oops")),
    "feature NaN": ("no number", _entry("x", np.nan)),
    "feature inf": ("no finite number", _entry("x", np.inf)),
    "feature 1e300": ("infinite as float32", _entry("x", 1e300)),
    "feature 1e-300": ("zero as float32", _entry("x", 1e-300)),
    "feature text": ("no number", _entry("x", "oops")),
    "a row of features less": ("a node has none", _shorter("x")),
    "mask NaN": ("neither in the split nor out of it", _entry("train", np.nan)),
    "mask 2": ("neither in the split nor out of it", _entry("train", 2)),
    "mask 0.5": ("neither in the split nor out of it", _entry("train", 0.5)),
    "mask -1": ("neither in the split nor out of it", _entry("train", -1)),
    "mask text": ("neither in the split nor out of it", _entry("train", "oops")),
    "mask too short": ("nothing is said of a node", _shorter("train")),
    "mask too long": ("it speaks of a node that is not there", _longer("train")),
    "node in two splits": ("it is trained on and judged", _overlap),
}


class UnfitError(Exception):
    """A format that cannot hold what is wrong."""


# Formats


def _array(values: Any) -> Any:
    """As whole numbers or truth values where they are such, else floats, texts, objects."""
    if any(isinstance(v, str) for row in values for v in (row if isinstance(row, list) else [row])):
        return np.array(
            [[str(v) for v in row] if isinstance(row, list) else str(row) for row in values]
        )
    return np.array(values)


def _heterophilous(graph: Graph, folder: Path) -> Path:
    masks = {f"{split}_masks": _array(graph[split])[None] for split in SPLITS}
    np.savez(
        folder / "graph.npz",
        node_features=_array(graph["x"]),
        node_labels=_array(graph["y"]),
        edges=_array(graph["edges"]),
        **masks,
    )
    return folder / "graph.npz"


def _twitch(graph: Graph, folder: Path) -> Path:
    _only(graph, "x", "y", "edges")
    _all_labelled(graph)
    raw = folder / "raw"
    raw.mkdir()
    arrays = {"features": graph["x"], "target": graph["y"], "edges": graph["edges"]}
    np.savez(raw / "DE.npz", **{name: _array(values) for name, values in arrays.items()})
    return folder


def _shchur(graph: Graph, folder: Path) -> Path:
    _only(graph, "y", "x")
    _all_labelled(graph)
    if any(type(v) is not float or not 1e-9 < v < 1e9 for row in graph["x"] for v in row):
        raise UnfitError  # Its words are there or not.
    (folder / "raw").mkdir()
    sources, targets = np.array(graph["edges"]).T
    adj = sp.csr_matrix((np.ones(len(sources)), (sources, targets)), shape=(NODES, NODES))
    parts = {
        f"{name}_{part}": np.asarray(getattr(matrix, part))
        for name, matrix in (("adj", adj), ("attr", sp.csr_matrix(np.array(graph["x"]))))
        for part in ("data", "indices", "indptr", "shape")
    }
    np.savez(folder / "raw" / "ms_academic_cs.npz", labels=_array(graph["y"]), **parts)
    return folder


def _only(graph: Graph, *parts: str) -> None:
    """Refuse what is wrong elsewhere than in these parts."""
    good = sound(random.Random(0))
    if any(str(graph[part]) != str(good[part]) for part in good if part not in (*parts, "x")):
        raise UnfitError


def _all_labelled(graph: Graph) -> None:
    """Refuse a missing label where no split says that the node is needed."""
    if any(label != label for label in graph["y"]):
        raise UnfitError


def _tables(ending: str) -> Callable[[Graph, Path], Path]:
    def write(graph: Graph, folder: Path) -> Path:
        if not len(graph["x"]) == len(graph["y"]) == len(graph["train"]):
            raise UnfitError
        mark = "\t" if ending == "tsv" else ","
        with (folder / f"nodes.{ending}").open("w", newline="") as file:
            table = csv.writer(file, delimiter=mark)
            width = len(graph["x"][0])
            masks = [f"{split}_mask" for split in SPLITS]
            table.writerow(["label", *(f"f{i}" for i in range(width)), *masks])
            for i in range(len(graph["y"])):
                table.writerow([graph["y"][i], *graph["x"][i], *(graph[s][i] for s in SPLITS)])
        with (folder / f"edges.{ending}").open("w", newline="") as file:
            table = csv.writer(file, delimiter=mark)
            table.writerow(["source", "target"])
            table.writerows(graph["edges"])
        return folder

    return write


def _zipped(graph: Graph, folder: Path) -> Path:
    (folder / "inner").mkdir()
    _tables("csv")(graph, folder / "inner")
    with zipfile.ZipFile(folder / "graph.zip", "w") as archive:
        for path in (folder / "inner").iterdir():
            archive.write(path, path.name)
    return folder / "graph.zip"


def _webkb(graph: Graph, folder: Path) -> Path:
    if any(type(v) is not float or not 1e-9 < v < 1e9 for row in graph["x"] for v in row):
        words = [[str(v) for v in row] for row in graph["x"]]
    else:
        words = [[str(int(v > 0.5)) for v in row] for row in graph["x"]]
    if not len(graph["x"]) == len(graph["y"]):
        raise UnfitError
    lines = [f"{i}\t{','.join(words[i])}\t{graph['y'][i]}" for i in range(len(words))]
    (folder / "out1_node_feature_label.txt").write_text(
        "\n".join(["node_id\tfeature\tlabel", *lines]) + "\n"
    )
    edges = [f"{source}\t{target}" for source, target in graph["edges"]]
    (folder / "out1_graph_edges.txt").write_text("\n".join(["node_id\tnode_id", *edges]) + "\n")
    masks = {f"{split}_mask": _array(graph[split]) for split in SPLITS}
    np.savez(folder / "texas_split_0.6_0.2_0.npz", **masks)
    return folder


def _ogb(graph: Graph, folder: Path) -> Path:
    if len(graph["train"]) != NODES or any(type(v) is not bool for v in graph["train"]):
        raise UnfitError
    (folder / "raw").mkdir()
    (folder / "split" / "random").mkdir(parents=True)

    def write(name: str, rows: Any) -> None:
        text = "\n".join(",".join(map(str, row)) for row in rows) + "\n"
        (folder / f"{name}.csv.gz").write_bytes(gzip.compress(text.encode()))

    write("raw/edge", graph["edges"])
    write("raw/node-feat", graph["x"])
    write("raw/node-label", [[label] for label in graph["y"]])
    write("raw/num-node-list", [[NODES]])
    write("raw/num-edge-list", [[NODES]])
    for split, name in zip(SPLITS, ("train", "valid", "test"), strict=True):
        write(f"split/random/{name}", [[i] for i in range(NODES) if graph[split][i]])
    return folder


def _mat(graph: Graph, folder: Path) -> Path:
    _only(graph, "x", "y", "edges")
    _all_labelled(graph)
    arrays = {"node_feat": graph["x"], "label": graph["y"], "edge_index": graph["edges"]}
    arrays = {name: _array(values) for name, values in arrays.items()}
    scipy.io.savemat(folder / "graph.mat", {**arrays, "edge_index": arrays["edge_index"].T})
    return folder / "graph.mat"


def _tensors(graph: Graph, real: torch.dtype = torch.float64) -> dict[str, torch.Tensor]:
    try:
        tensors = {name: torch.tensor(values) for name, values in graph.items()}
        tensors["x"] = torch.tensor(graph["x"], dtype=real)
    except (ValueError, TypeError, RuntimeError) as error:
        raise UnfitError from error
    masks = {f"{split}_mask": tensors[split] for split in SPLITS}
    return {"x": tensors["x"], "y": tensors["y"], "edge_index": tensors["edges"].T, **masks}


def _pt(graph: Graph, folder: Path) -> Path:
    torch.save(_tensors(graph), folder / "graph.pt")
    return folder / "graph.pt"


def _processed(graph: Graph, folder: Path) -> Path:
    from torch_geometric.data import Data

    (folder / "processed").mkdir()
    torch.save((_tensors(graph), None, Data), folder / "processed" / "data.pt")
    return folder


def _network(graph: Graph, as_text: bool = False) -> Any:
    if not len(graph["x"]) == len(graph["y"]) == len(graph["train"]) == NODES:
        raise UnfitError
    if any(end not in range(NODES) for edge in graph["edges"] for end in edge):
        raise UnfitError  # An edge makes its nodes.
    network = nx.Graph()
    for i in range(NODES):
        masks = {f"{split}_mask": graph[split][i] for split in SPLITS}
        network.add_node(i, x=graph["x"][i], y=graph["y"][i], **masks)
    network.add_edges_from(graph["edges"])
    return network


def _columns(graph: Graph) -> dict[str, list[Any]]:
    """What each node has, by name: four features, a label and three masks."""
    if not len(graph["x"]) == len(graph["y"]) == len(graph["train"]) == NODES:
        raise UnfitError
    columns = {f"f{i}": [row[i] for row in graph["x"]] for i in range(4)}
    return {**columns, "class": graph["y"], **{f"{s}_mask": graph[s] for s in SPLITS}}


#: How the columns are named in an address.
_READ = "x=f0,f1,f2,f3&y=class"


def _graphml(graph: Graph, folder: Path) -> str:
    columns, types = _columns(graph), {bool: "boolean", int: "long", float: "double"}
    kinds = {name: {type(value) for value in column} for name, column in columns.items()}
    keys = "".join(
        f'<key id="{name}" for="node" attr.name="{name}" '
        f'attr.type="{types.get(*kind, "string") if len(kind) == 1 else "string"}"/>'
        for name, kind in kinds.items()
    )
    nodes = "".join(
        f'<node id="{i}">'
        + "".join(f'<data key="{name}">{column[i]}</data>' for name, column in columns.items())
        + "</node>"
        for i in range(NODES)
    )
    edges = "".join(f'<edge source="{s}" target="{t}"/>' for s, t in graph["edges"])
    (folder / "graph.graphml").write_text(
        '<?xml version="1.0"?><graphml xmlns="http://graphml.graphdrawing.org/xmlns">'
        f'{keys}<graph edgedefault="undirected">{nodes}{edges}</graph></graphml>'
    )
    return f"{folder / 'graph.graphml'}?{_READ}"


def _gml(graph: Graph, folder: Path) -> str:
    def text(value: Any) -> str:
        return (
            f'"{value}"'
            if isinstance(value, str)
            else f"{value:d}"
            if value in (0, 1)
            else f"{value}"
        )

    lines = ["graph ["]
    for i in range(NODES):
        values = {"id": i, **{name: column[i] for name, column in _columns(graph).items()}}
        pairs = " ".join(f"{name} {text(v)}" for name, v in values.items())
        lines.append(f"  node [ {pairs} ]")
    lines += [f"  edge [ source {text(s)} target {text(t)} ]" for s, t in graph["edges"]]
    (folder / "graph.gml").write_text("\n".join([*lines, "]", ""]))
    return f"{folder / 'graph.gml'}?{_READ}"


def _node_link(graph: Graph, folder: Path) -> str:
    columns = _columns(graph)
    values = {
        "directed": False,
        "multigraph": False,
        "graph": {},
        "nodes": [
            {"id": i, **{n: column[i] for n, column in columns.items()}} for i in range(NODES)
        ],
        "links": [{"source": s, "target": t} for s, t in graph["edges"]],
    }
    (folder / "graph.json").write_text(json.dumps(values))
    return f"{folder / 'graph.json'}?{_READ}"


def _own(graph: Graph, folder: Path) -> Path:
    tensors = {name: each.contiguous() for name, each in _stored_tensors(graph).items()}
    write_stored(folder / "graph.safetensors", {"name": "graph", "num_classes": CLASSES}, tensors)
    return folder / "graph.safetensors"


def _stored_tensors(graph: Graph) -> dict[str, torch.Tensor]:
    if 1e-300 in [v for row in graph["x"] for v in row]:
        raise UnfitError  # It is 0 before gslt sees it.
    return _tensors(graph, torch.float32)


def _lists(graph: Graph) -> dict[str, list[Any]]:
    """Node numbers of each split; what is in the place of a truth value stands for a number."""
    if len(graph["train"]) < NODES or 2 in graph["train"]:
        raise UnfitError
    return {
        f"{split}_idx": [
            i if v is True else v for i, v in enumerate(graph[split]) if v is not False
        ]
        for split in SPLITS
    }


def _npz_lists(graph: Graph, folder: Path) -> Path:
    arrays = {"x": graph["x"], "y": graph["y"], "edges": graph["edges"], **_lists(graph)}
    np.savez(folder / "graph.npz", **{name: _array(values) for name, values in arrays.items()})
    return folder / "graph.npz"


FORMATS: dict[str, Callable[[Graph, Path], Path | str]] = {
    "heterophilous .npz": _heterophilous,
    "Twitch .npz": _twitch,
    "gnn-benchmark .npz": _shchur,
    "CSV": _tables("csv"),
    "TSV": _tables("tsv"),
    "zip of tables": _zipped,
    "WebKB": _webkb,
    "OGB": _ogb,
    ".mat": _mat,
    ".pt": _pt,
    "PyG processed": _processed,
    "GraphML": _graphml,
    "GML": _gml,
    "node-link JSON": _node_link,
    "gslt's own file": _own,
    ".npz with lists of nodes": _npz_lists,
}


def _pyg(graph: Graph) -> Any:
    from torch_geometric.data import Data

    return Data(**_tensors(graph))


def _data_set(graph: Graph) -> NodeDataset:
    return NodeDataset(name="graph", num_classes=CLASSES, **_stored_tensors(graph))


def _pandas(graph: Graph) -> NodeDataset:
    from torch_geometric.data import Data

    masks = {f"{split}_mask": pd.Series(graph[split]) for split in SPLITS}
    edges = pd.DataFrame(graph["edges"]).T
    return as_dataset(
        Data(x=pd.DataFrame(graph["x"]), y=pd.Series(graph["y"]), edge_index=edges), **masks
    )


def _with_lists(kind: Callable[[list[Any]], Any]) -> Callable[[Graph], NodeDataset]:
    def make(graph: Graph) -> NodeDataset:
        lists = {f"{name[:-4]}_mask": kind(values) for name, values in _lists(graph).items()}
        masks = [f"{split}_mask" for split in SPLITS]
        data = _pyg({**graph, **{split: [False] * NODES for split in SPLITS}})
        for name in masks:
            del data[name]
        return as_dataset(data, **lists)

    return make


#: What takes an object: from a graph to a data set.
OBJECTS: dict[str, Callable[[Graph], NodeDataset]] = {
    "PyG Data": lambda graph: as_dataset(_pyg(graph)),
    "NetworkX graph": lambda graph: as_dataset(_network(graph), x="x", y="y"),
    "NodeDataset": _data_set,
    "pandas": _pandas,
    "lists of nodes": _with_lists(list),
    "arrays of nodes": _with_lists(_array),
    "series of nodes": _with_lists(pd.Series),
}


# Damage


def damaged(path: Path, kind: str, rng: random.Random) -> None:
    """Put something in the place of a file that is certainly not its content."""
    data = path.read_bytes()
    path.unlink()
    if kind == "empty":
        path.touch()
    elif kind == "cut off":
        half = rng.randrange(1, max(2, len(data) // 2))
        if path.suffix in (".csv", ".tsv", ".txt"):
            # Between two lines nobody would notice; in an entry that is empty then, anybody.
            half = max(data.rfind(mark, 0, max(half, 40)) for mark in (b",", b"\t")) + 1
        path.write_bytes(data[:half])
    elif kind == "noise":
        path.write_bytes(b"\xff\xfe\x00" + rng.randbytes(len(data)))
    elif kind == "another pickle":
        path.write_bytes(pickle.dumps({"os": os.system}))
    elif kind == "web page":
        path.write_text("<!DOCTYPE html><html><body>404</body></html>")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop of links":
        path.symlink_to(path.name)
    elif kind == "endless device":
        path.symlink_to("/dev/zero")
    elif kind == "swelling archive":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in ("nodes.csv", "node_features.npy", "features.npy"):
                archive.writestr(name, bytes(1 << 26))
    elif kind == "archive that reaches out":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("../nodes.csv", "label,a\n0,1\n")
    elif kind == "bit flipped":
        flipped = bytearray(data)
        flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
        path.write_bytes(flipped)
    elif kind == "bytes exchanged":
        path.write_bytes(damage.damage(data, rng))
    elif kind == "entities":
        path.write_bytes(rng.choice(_entities(data.decode())))
    elif kind == "far too deep":
        before, within = {
            ".graphml": ("<graphml>", "<graph>"),
            ".gml": ("graph [ ", "a [ "),
            ".json": ('{"nodes": ', "["),
        }[path.suffix]
        path.write_text(before + 100_000 * within)


def _entities(sound: str) -> list[bytes]:
    """The same text with entities that swell, are read from elsewhere, or stand for a value."""
    swelling = '<!ENTITY e0 "0.5">' + "".join(
        f'<!ENTITY e{i} "{10 * f"&e{i - 1};"}">' for i in range(1, 12)
    )
    declared = {
        "e11": swelling,
        "a": '<!ENTITY a SYSTEM "file:///etc/hostname">',
        "b": '<!ENTITY b PUBLIC "b" "http://127.0.0.1:9/b">',
        "c": '<!ENTITY % p SYSTEM "file:///etc/hostname"> %p; <!ENTITY c "0.5">',
        "d": '<!ENTITY d "0.5">',
    }
    start, mark, rest = sound.partition("?>")
    texts = [
        f"{start}{mark}<!DOCTYPE graphml [{entity}]>{rest.replace('>0.', f'>&{name};', 1)}"
        for name, entity in declared.items()
    ]
    return [*(text.encode() for text in texts), *(text.encode("utf-16") for text in texts)]


#: Damage that is done at so many random places in every round, and may leave a graph as it is.
REPEATED = {"bit flipped": 25, "bytes exchanged": 25}
#: Damage that only files of these endings can have.
ONLY = {
    "bit flipped": (".safetensors", ".npz", ".pt", ".zip", ".gz"),
    "entities": (".graphml",),
    "far too deep": (".graphml", ".gml", ".json"),
}
DAMAGE = {
    "empty": "nothing is in it",
    "cut off": "more than half of it is missing",
    "noise": "random bytes",
    "another pickle": "it names code",
    "web page": "what a server says instead of a file",
    "folder": "no file",
    "pipe": "nothing comes out of it",
    "loop of links": "it leads nowhere",
    "endless device": "it never ends",
    "swelling archive": "64 MiB of zeros each",
    "archive that reaches out": "a file beside the folder",
    "bit flipped": "a checksum is over all that counts",
    "bytes exchanged": "nobody knows; it may be a graph still, as long as nothing breaks",
    "entities": "GraphML needs none, and they may stand for more than memory holds",
    "far too deep": "100,000 elements in one another",
}


def _load(address: Path | str, spared: str | None = None) -> str:
    """What came of loading: "unchanged" for content of this hash, or any where it is empty."""
    data = gslt.load_dataset(str(address))
    return "unchanged" if spared in ("", data.content_hash) else f"accepted: {data}"


def run(rounds: int, seed: int, folder: Path) -> dict[str, Tally]:
    """Every format and object with everything that is wrong, so many times.

    Args:
        rounds: how many random places of each.
        seed: of the places.
        folder: for files.
    """
    tallies = {}
    for name, write in FORMATS.items():
        rng = random.Random(f"{seed} {name}")
        tally = tallies[name] = Tally()
        place = folder / "work"

        def made(graph: Graph, write: Any = write, place: Path = place) -> Path | str:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            return write(graph, place)

        good = Tally()
        contents: list[str] = []

        def first(made: Any = made, contents: list[str] = contents) -> str:
            data = gslt.load_dataset(str(made(sound(random.Random(0)))))
            contents.append(data.content_hash)
            return f"accepted: {data}"

        good.attempt(name, first)
        if not good.counts["accepted"]:
            del tallies[name]
            print(f"{name} is not read here: {good.failures or dict(good.counts)}")
            continue
        for number in range(rounds):
            for wrong, (_, change) in WRONG.items():
                graph = sound(random.Random(0))
                change(graph, rng)
                try:
                    address = made(graph)
                except UnfitError:
                    continue
                tally.attempt(f"{name}, {wrong} ({number})", lambda a=address: _load(a))
            for kind in [each for each in DAMAGE for _ in range(REPEATED.get(each, 1))]:
                address = made(sound(random.Random(0)))
                files = [p for p in place.rglob("*") if p.is_file() and "inner" not in p.parts]
                file = rng.choice(sorted(files))
                if file.suffix not in ONLY.get(kind, (file.suffix,)):
                    continue
                damaged(file, kind, rng)
                label = f"{name}, {file.name}: {kind} ({number})"
                spared = {"bit flipped": contents[0], "bytes exchanged": ""}.get(kind)
                tally.attempt(label, lambda a=address, spared=spared: _load(a, spared))
    for name, make in OBJECTS.items():
        rng = random.Random(f"{seed} {name}")
        tally = tallies[name] = Tally()
        good = Tally()
        good.attempt(name, lambda make=make: f"accepted: {make(sound(random.Random(0)))}")
        assert good.counts["accepted"], f"{name}: {good.failures or dict(good.counts)}"
        for number in range(rounds):
            for wrong, (_, change) in WRONG.items():
                graph = sound(random.Random(0))
                change(graph, rng)

                def attempt(graph: Graph = graph, make: Any = make) -> str:
                    try:
                        return f"accepted: {make(graph)}"
                    except UnfitError:
                        return "unfit"

                tally.attempt(f"{name}, {wrong} ({number})", attempt)
    return tallies


def values(tally: Tally) -> Values:
    """The counts of a tally, without what a kind cannot hold."""
    names = ("refused", "accepted", "traceback", "hung")
    counts = {name: tally.counts[name] for name in names}
    return {"number": sum(counts.values()), **counts, "failures": tally.failures}


def measure(wanted: Values) -> Values:
    """All of it, in a process of its own."""
    damage.PATIENCE = 10
    import_ogb()  # Its first import is longer than some of what would be a hang.
    resource.setrlimit(resource.RLIMIT_AS, (damage.MEMORY, damage.MEMORY))
    with tempfile.TemporaryDirectory() as name:
        tallies = run(wanted["rounds"], wanted["seed"], Path(name))
    return {"kinds": {name: values(tally) for name, tally in tallies.items()}}


def main() -> None:
    """Make wrong, read, print, save."""
    parser = common.options(__doc__ or "", plot=False)
    parser.add_argument("--rounds", type=int, help="random places of each [4; quick: 1]")
    parser.add_argument("--seed", type=int, default=0, help="of every random choice")
    args = parser.parse_args()
    if args.child:
        common.answer(args.child, measure)
        return
    os.environ["OMP_NUM_THREADS"] = "1"
    rounds = args.rounds or (1 if args.quick else 4)
    found = common.in_child(__file__, {"seed": args.seed, "rounds": rounds})["kinds"]
    for name, counts in found.items():
        print(name, {key: value for key, value in counts.items() if key != "failures"})
        print("\n".join(counts["failures"][:15]))
    print(sum(counts["number"] for counts in found.values()), "in all")
    common.save(args.json, kinds=found, rounds=rounds, quick=args.quick)
    common.check({n: f"{len(f['failures'])} wrong" for n, f in found.items() if f["failures"]})


if __name__ == "__main__":
    main()
