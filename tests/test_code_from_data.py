"""No file is ever run: gslt has no call that would carry out what data says."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import gslt

ROOT = Path(gslt.__file__).parent
FILES = sorted([*ROOT.rglob("*.py"), *(ROOT.parent / "examples").rglob("*.py")])
#: Modules that run what they read.
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
#: Names that do so, whatever they are called on.
NAMES = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "read_pickle",
    "unsafe_load",
    "full_load",
    "UnsafeLoader",
    "FullLoader",
    "read_planetoid_data",
    "Planetoid",
    "HeterophilousGraphDataset",
    "PygNodePropPredDataset",
    "NodePropPredDataset",
}


def dangers(source: str) -> Iterator[str]:
    """What in a Python text could run a file, a line each."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (f"import {a.name}" for a in node.names if a.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom):
            if (node.module or "").split(".")[0] in MODULES:
                yield f"from {node.module} import"
            yield from (a.name for a in node.names if a.name in NAMES)
        elif isinstance(node, ast.Call):
            yield from called(node)


def called(node: ast.Call) -> Iterator[str]:
    text = ast.unparse(node.func)
    name = text.rpartition(".")[2]
    options = {each.arg: ast.unparse(each.value) for each in node.keywords}
    # Methods such as model.eval() run a model, not a file; shtab's one writes a script.
    if text == "shtab.complete":
        return
    if name in NAMES and not (name in ("eval", "compile") and "." in text):
        yield text
    if text in ("torch.load", "torch.jit.load") and options.get("weights_only") != "True":
        yield text
    if options.get("allow_pickle", "False") != "False":
        yield f"{text}(allow_pickle)"
    if text in ("yaml.load", "yaml.load_all", "os.system", "os.popen"):
        yield text
    if options.get("shell", "False") != "False":
        yield f"{text}(shell)"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import pickle", ["import pickle"]),
        ("from pickle import loads", ["from pickle import"]),
        ("import pickletools", []),
        ("torch.load(p)", ["torch.load"]),
        ("torch.load(p, weights_only=False)", ["torch.load"]),
        ("torch.load(p, weights_only=True)", []),
        ("np.load(p, allow_pickle=True)", ["np.load(allow_pickle)"]),
        ("np.load(p, allow_pickle=some)", ["np.load(allow_pickle)"]),
        ("np.load(p, allow_pickle=False)", []),
        ("yaml.load(t, yaml.Loader)", ["yaml.load"]),
        ("yaml.safe_load(t)", []),
        ("eval(t)", ["eval"]),
        ("exec(t)", ["exec"]),
        ("model.eval()", []),
        ("re.compile(t)", []),
        ("os.system(t)", ["os.system"]),
        ("subprocess.run(t, shell=True)", ["subprocess.run(shell)"]),
        ("from torch_geometric.datasets import Planetoid", ["Planetoid"]),
        ("kind = datasets.Planetoid(root)", ["datasets.Planetoid"]),
    ],
)
def test_dangers_by_hand(source: str, found: list[str]) -> None:
    assert list(dangers(source)) == found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT.parent)))
def test_no_file_is_run(path: Path) -> None:
    assert list(dangers(path.read_text(encoding="utf-8"))) == []
