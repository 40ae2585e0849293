"""One family of errors, and those of the first hour in Python: each provoked and read."""

from __future__ import annotations

import inspect
import re
import signal
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import gslt
from gslt import errors
from gslt.backends import get_backend
from gslt.environment import import_quietly
from gslt.errors import (
    GsltError,
    GsltWarning,
    Interrupted,
    MissingPackageError,
    differences,
    nearest,
    shown,
)


def test_every_error_is_of_the_family() -> None:
    kinds = {kind for _, kind in inspect.getmembers(errors, inspect.isclass)}
    assert all(issubclass(kind, GsltError | GsltWarning) for kind in kinds - {Interrupted})
    # An interruption passes through ``except Exception``, as Ctrl-C does.
    assert not issubclass(Interrupted, Exception)
    assert issubclass(GsltWarning, UserWarning)


@pytest.mark.parametrize("kind", [errors.ConfigError, errors.DataError, errors.GraphError])
def test_wrong_values_are_value_errors(kind: type[Exception]) -> None:
    assert issubclass(kind, ValueError)


def test_messages_by_hand() -> None:
    assert str(MissingPackageError("ogb", "the data set arxiv", "ogb")) == (
        "the data set arxiv needs the package 'ogb', which is not installed; "
        'run: pip install "gslt[ogb]"'
    )
    stopped = Interrupted("stopped after epoch 3", signal.SIGINT)
    assert (str(stopped), stopped.signal_number) == ("stopped after epoch 3", signal.SIGINT)


def test_differences_by_hand() -> None:
    assert differences({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}) == (
        "b is 2 there and 3 here, c is None there and 4 here"
    )


@pytest.mark.parametrize(
    ("package", "python", "system", "advice"),
    [
        ("dgl", (3, 11), "linux", 'run: pip install "gslt[dgl]"'),
        (
            "dgl",
            (3, 12),
            "linux",
            "no wheel for Python 3.12: take a virtual environment of Python 3.11",
        ),
        ("dgl", (3, 11), "win32", "no wheel for win32: take Linux or macOS, with Python 3.11"),
        ("ray", (3, 13), "linux", 'run: pip install "gslt[ray]"'),
        (
            "ray",
            (3, 14),
            "win32",
            "no wheel for Python 3.14: take a virtual environment of Python 3.13",
        ),
    ],
)
def test_an_extra_that_cannot_be_installed_is_not_advised(
    package: str,
    python: tuple[int, int],
    system: str,
    advice: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.version_info", python)
    monkeypatch.setattr("sys.platform", system)
    assert str(MissingPackageError(package, "This", package)).endswith(advice)


def test_the_packages_without_a_wheel_are_those_of_the_markers() -> None:
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    marked = {
        package: ((3, int(minor)), tuple(re.findall(r"sys_platform != '(\w+)'", more)))
        for package, minor, more in re.findall(
            r"\"(\w+)[^\";]*; python_version < '3\.(\d+)'(.*)\"", text
        )
    }
    assert marked == errors._NO_WHEEL


def test_dgl_says_what_is_the_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dgl", None)  # as where it is not installed
    monkeypatch.delitem(sys.modules, "gslt.backends.dgl", raising=False)
    monkeypatch.setattr("sys.version_info", (3, 13))
    with pytest.raises(MissingPackageError, match=r"no wheel for Python 3\.13: take .* 3\.11"):
        get_backend("dgl")


def test_text_is_shown_by_hand() -> None:
    assert shown("ok ×…é\n\tü") == "ok ×…é\n\tü"
    assert shown("a\x1b[31m\r\x00\x7f\x9b") == r"a\x1b[31m\r\x00\x7f\x9b"
    assert shown("\u202eevil\u2066\u200b\ufeff") == r"\u202eevil\u2066\u200b\ufeff"
    assert shown("\ud800\u2028\U000e0001") == r"\ud800\u2028\U000e0001"


@given(st.text(st.characters()))
def test_what_is_shown_has_nothing_to_obey(text: str) -> None:
    found = shown(text)
    assert all(unicodedata.category(c)[0] != "C" or c in "\n\t" for c in found)
    assert shown(found) == found
    found.encode("utf-8")


def test_the_nearest_name_by_hand() -> None:
    known = ["epochs", "hidden_channels", "lr"]
    assert nearest("epoch", known) == " (did you mean epochs?)"
    assert nearest("hidden", known) == " (did you mean hidden_channels?)"
    assert nearest("zzz", known) == nearest("", known) == ""


# The first hour

SMALL: dict[str, Any] = {"epochs": 1, "num_layers": 2, "hidden_channels": 4}
CONFIG = gslt.SearchConfig(**SMALL)
FREEZE = gslt.FreezeConfig(freezing_ratio=0.2)


def graph(**changed: Any) -> Any:
    """A PyG graph of twelve nodes in a ring; what is None is left out."""
    nodes = torch.arange(12)
    values: dict[str, Any] = {
        "x": torch.eye(12)[:, :5],
        "edge_index": torch.stack(
            [torch.cat([nodes, nodes.roll(1)]), torch.cat([nodes.roll(1), nodes])]
        ),
        "y": nodes % 2,
        "train_mask": nodes < 4,
        "val_mask": (nodes >= 4) & (nodes < 8),
        "test_mask": nodes >= 8,
        **changed,
    }
    known = {name: value for name, value in values.items() if value is not None}
    return import_quietly("torch_geometric.data").Data(**known)


def network(width: int = 4) -> nn.Module:
    return nn.Sequential(nn.Linear(5, width), nn.ReLU(), nn.Linear(width, 2))


def ticket() -> gslt.Ticket:
    module = network()
    gslt.freeze(module, FREEZE)
    return gslt.Ticket.of(module)


def found() -> Any:
    return gslt.search(graph(), CONFIG, progress=False).best


def without_dgl() -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in sys.modules if name.partition(".")[0] == "dgl"]:
            patch.setitem(sys.modules, name, None)
        patch.setitem(sys.modules, "dgl", None)
        patch.delitem(sys.modules, "gslt.backends.dgl", raising=False)
        gslt.search(graph(), gslt.SearchConfig(**SMALL, backend="dgl"))


def twice_in_use(path: Path) -> None:
    with gslt.RunFolder(path / "run", CONFIG), gslt.RunFolder(path / "run", CONFIG):
        pass


def with_other_settings(path: Path) -> None:
    with gslt.RunFolder(path / "run", CONFIG) as folder:
        gslt.search(graph(), CONFIG, folder=folder, progress=False)
    with gslt.RunFolder(path / "run", gslt.SearchConfig(**SMALL, lr=0.5)):
        pass


def a_part_frozen_again() -> None:
    module = network()
    gslt.freeze(module, FREEZE)
    gslt.freeze(module[0], FREEZE)  # type: ignore[index]


def other_bytes(path: Path) -> None:
    (path / "ticket.safetensors").write_text("no ticket")
    gslt.load_ticket(path / "ticket.safetensors")


def a_file_in_place_of_a_folder(path: Path) -> None:
    (path / "run").write_text("a file")
    gslt.RunFolder(path / "run" / "below", CONFIG)


def in_a_source_of_another_torch() -> None:
    kept = ticket()
    object.__setattr__(kept, "weights_checksum", "0" * 64)
    kept.restore(network())


def on_another_device() -> None:
    model = found().model
    data = graph()
    model(data.x.to("meta"), data.edge_index)


#: What somebody does, and what the error says: the value, the rule, and what to do.
FIRST_HOUR: dict[str, tuple[Callable[..., Any], str]] = {
    "an unknown name": (lambda: gslt.load_dataset("coraa"), "'coraa'.* \\(did you mean cora"),
    "an unknown name to search": (lambda: gslt.search("coraa"), "'coraa'.* \\(did you mean cora"),
    "a number as a name": (lambda: gslt.load_dataset(3), "a text, its name or path, not by int"),  # type: ignore[arg-type]
    "a graph that is no graph": (
        lambda: gslt.search(torch.zeros(3, 3)),
        "from Tensor; give a PyG Data, a DGLGraph, a NetworkX graph",
    ),
    "a list of graphs": (lambda: gslt.search([graph()]), r"set of graphs.* dataset\[0\]"),
    "several types of nodes": (
        lambda: gslt.search(import_quietly("torch_geometric.data").HeteroData()),
        r"several types.* data\.to_homogeneous\(\)",
    ),
    "missing data": (
        lambda path: gslt.load_dataset("cora", path),
        "'cora' is not on disk .*`gslt data download cora --dataset_dir .*`, or set GSLT_DATA",
    ),
    "a missing package": (without_dgl, r'needs the package \'dgl\'.* pip install "gslt\[dgl\]"'),
    "sparsity outside the window": (
        lambda: gslt.SearchConfig(sparsity=0.1, prune_ratio=0.4, lock_ratio=0.0),
        r"prune_ratio 0\.4 exceeds sparsity 0\.1.*lower prune_ratio or raise sparsity",
    ),
    "sparsity above 1": (lambda: gslt.SearchConfig(sparsity=1.5), r"lie in \[0, 1\], got 1\.5"),
    "no such CUDA device": (
        lambda: gslt.search(graph(), gslt.SearchConfig(**SMALL, device="cuda:99")),
        r"'cuda:99' is not here: torch sees \d+ CUDA devices; use device cpu",
    ),
    "a device of no kind": (
        lambda: gslt.search(graph(), gslt.SearchConfig(**SMALL, device="gpu")),
        "must be cpu, cuda or cuda:N, got 'gpu'",
    ),
    "an unknown setting": (
        lambda: gslt.SearchConfig(epoch=3),  # type: ignore[call-arg]
        "SearchConfig has no setting 'epoch' \\(did you mean epochs",
    ),
    "the beginning of a setting": (
        lambda: gslt.ModelConfig(hidden=3),  # type: ignore[call-arg]
        "no setting 'hidden' \\(did you mean hidden_channels",
    ),
    "a setting like no other": (
        lambda: gslt.FreezeConfig(zzz=3),  # type: ignore[call-arg]
        "no setting 'zzz'; it has sparsity, ",
    ),
    "a setting without a name": (
        lambda: gslt.SearchConfig(0.5),  # type: ignore[misc]
        r"by name, such as sparsity=0\.5",
    ),
    "a setting of another type": (
        lambda: gslt.SearchConfig(sparsity="0.5"),  # type: ignore[arg-type]
        r"must be of type float, got '0\.5'",
    ),
    "an unknown architecture": (
        lambda: gslt.SearchConfig(architecture="gni"),  # type: ignore[arg-type]
        "must be one of gin, .* got 'gni'",
    ),
    "a config of the other kind": (
        lambda: gslt.search(graph(), gslt.TrainConfig()),  # type: ignore[arg-type]
        "search takes a SearchConfig; gslt.train takes a TrainConfig",
    ),
    "a path as a run folder": (
        lambda path: gslt.search(graph(), CONFIG, folder=path),
        r"open RunFolder, got \w*Path: with gslt\.RunFolder\(path, config\) as folder",
    ),
    "a folder in use": (twice_in_use, "another process is using .*; wait until it has ended, or"),
    "a folder of other settings": (with_other_settings, r"lr is 0\.01 there and 0\.5 here; choose"),
    "a folder below a file": (a_file_in_place_of_a_folder, "cannot be made: .*choose another"),
    "no labels": (lambda: gslt.search(graph(y=None)), "no labels named .*; it has .* with y="),
    "no masks": (
        lambda: gslt.search(graph(train_mask=None, val_mask=None, test_mask=None)),
        r"no train_mask; give all three masks, e\.g\. as_dataset",
    ),
    "no features": (lambda: gslt.search(graph(x=None)), "no features named .* features='degree'"),
    "complex features": (
        lambda: gslt.search(graph(x=torch.zeros(12, 5, dtype=torch.complex64))),
        r"x is of type torch\.complex64; it must hold real numbers",
    ),
    "features that are not finite": (
        lambda: gslt.search(graph(x=torch.full((12, 5), torch.nan))),
        r"x\[0, 0\] is nan.*torch\.nan_to_num",
    ),
    "an edge to nowhere": (
        lambda: gslt.search(graph(edge_index=torch.tensor([[0], [99]]))),
        r"edge 0 is \(0, 99\), but nodes are numbered 0 … 11",
    ),
    "a backend by name": (
        lambda: gslt.GNN(5, 2, gslt.ModelConfig(**{k: SMALL[k] for k in list(SMALL)[1:]}), "pyg"),  # type: ignore[arg-type]
        r"such as gslt\.backends\.get_backend\('pyg'\), got 'pyg'",
    ),
    "features on another device": (
        on_another_device,
        r"features are on meta and the network on cpu; move one: model\.to",
    ),
    "freezing a part of what is frozen": (a_part_frozen_again, "freeze the whole network anew"),
    "freezing nothing": (lambda: gslt.freeze(nn.ReLU(), FREEZE), "ReLU has no weight to freeze"),
    "freezing a class": (
        lambda: gslt.freeze(nn.Linear, FREEZE),  # type: ignore[arg-type]
        "takes a torch module, got <class",
    ),
    "freezing a list": (
        lambda: gslt.freeze([network()], FREEZE),  # type: ignore[arg-type]
        "takes a torch module, got ",
    ),
    "freezing by a number": (
        lambda: gslt.freeze(network(), 0.4),  # type: ignore[arg-type]
        r"takes a FreezeConfig or a SearchConfig, got 0\.4; such as gslt\.freeze\(",
    ),
    "a ticket of what is not frozen": (
        lambda: gslt.Ticket.of(network()),
        r"Sequential is not frozen.*gslt\.freeze it",
    ),
    "a ticket in another network": (
        lambda: ticket().restore(network(9)),
        r"does not fit the network; .* 0\.weight, 2\.weight; build it as it was",
    ),
    "a ticket of another kind": (lambda: found().ticket.restore(network()), "build it as it was"),
    "a ticket in no network": (lambda: ticket().restore(3), "a torch module, not of int"),  # type: ignore[arg-type]
    "a ticket where weights come out otherwise": (
        in_a_source_of_another_torch,
        "regenerated from the seed is not the",
    ),
    "a ticket that is not there": (
        lambda path: gslt.load_ticket(path / "no.safetensors"),
        "there is no ticket file",
    ),
    "a ticket that is none": (other_bytes, "is damaged or no ticket"),
    "a ticket by a number": (lambda: gslt.load_ticket(3), "the path of a file, not int"),  # type: ignore[arg-type]
    "evaluating a path": (
        lambda: gslt.evaluate("x.safetensors", graph()),  # type: ignore[arg-type]
        r"load_ticket\(path\)\.model\(\), got str",
    ),
    "evaluating on other features": (
        lambda: gslt.evaluate(found().model, graph(x=torch.eye(12)[:, :7])),
        "takes 5 features and gives 2 classes, but graph has 7 and 2",
    ),
    "baking what is not frozen": (lambda: gslt.bake(network()), "not frozen: there is nothing to"),
}


@pytest.mark.filterwarnings("ignore::gslt.errors.GsltWarning")
@pytest.mark.parametrize("name", FIRST_HOUR)
def test_an_error_of_the_first_hour(name: str, tmp_path: Path) -> None:
    provoke, said = FIRST_HOUR[name]
    with pytest.raises(GsltError) as caught:
        provoke(*([tmp_path] if inspect.signature(provoke).parameters else []))
    text = str(caught.value)
    assert re.search(said, text, re.DOTALL), text
    assert len(text) < 800


def test_freezing_twice_is_freezing_anew() -> None:
    module = network()
    gslt.freeze(module, FREEZE)
    report = gslt.freeze(module, gslt.FreezeConfig(freezing_ratio=0.5))
    assert report.counts.searched == sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("library", ["pyg", "dgl", "networkx"])
def test_search_takes_a_graph_of_every_library(library: str) -> None:
    data = graph()
    expected = gslt.search(data, CONFIG, progress=False)
    if library == "dgl":
        dgl = import_quietly("dgl")
        given_graph = dgl.graph((data.edge_index[0], data.edge_index[1]), num_nodes=12)
        masks = {f"{part}_mask": data[f"{part}_mask"] for part in ("train", "val", "test")}
        given_graph.ndata.update(feat=data.x, label=data.y, **masks)
    elif library == "networkx":
        given_graph = import_quietly("networkx").cycle_graph(12)
        for node, values in given_graph.nodes(data=True):
            values |= {"feat": data.x[node].tolist(), "label": int(data.y[node])}
            values["split"] = "train" if node < 4 else "val" if node < 8 else "test"
    else:
        given_graph = data
    found_here = gslt.search(given_graph, CONFIG, progress=False)
    assert found_here.best.history[0].loss == pytest.approx(expected.best.history[0].loss, abs=1e-6)
