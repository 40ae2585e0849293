"""Rules of the house that no type checker sees."""

import ast
import subprocess
import sys
from pathlib import Path

import gslt

ROOT = Path(gslt.__file__).parent

# Downwards: a module imports only from lines below its own, or from its own place.
ORDER = [
    {"__main__", "__init__"},
    {"cli"},
    {"demo"},
    {"studies"},
    {"loggers"},
    {"training"},
    {"ticket"},
    {"diagnostics"},
    {"backends"},
    {"masking"},
    {"nn"},
    {"config"},
    {"freezing"},
    {"random"},
    {"files", "environment"},
    {"errors", "version"},
]
LEVEL = {name: level for level, names in enumerate(ORDER) for name in names}
#: Beside the line: the only places below that these may import.
BESIDE = {"data": {"random", "errors", "files", "environment"}}


def imports_of(path: Path) -> set[str]:
    """Places of gslt that a file imports, in functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
            assert node.level == 0, f"{path} has a relative import"
            if names == ["gslt"]:
                names = [f"gslt.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("gslt.")}
    return found


def place_of(path: Path) -> str:
    relative = path.relative_to(ROOT)
    return relative.parts[0].removesuffix(".py")


def test_imports_run_one_way():
    files = sorted(ROOT.rglob("*.py"))
    assert len(files) > 30
    wrong = []
    for path in files:
        place = place_of(path)
        for other in imports_of(path) - {place}:
            if place in BESIDE:
                allowed = other in BESIDE[place]
            elif other in BESIDE:
                allowed = LEVEL[place] < LEVEL["ticket"]
            else:
                allowed = LEVEL[place] < LEVEL[other]
            if not allowed:
                wrong.append(f"{path.relative_to(ROOT)} imports gslt.{other}")
    assert not wrong


def test_layers_know_no_backend_and_no_mask():
    for path in (ROOT / "nn").glob("*.py"):
        assert not {"backends", "masking"} & imports_of(path)


def test_import_is_light_and_silent():
    code = (
        "import sys, gslt\n"
        "heavy = {'dgl', 'ogb', 'matplotlib', 'networkx', 'pandas', 'ray', 'jsonargparse', "
        "'mlflow', 'tensorboard'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""


def test_public_names_exist():
    assert all(hasattr(gslt, name) for name in gslt.__all__)
    assert callable(gslt.search)
