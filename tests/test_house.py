"""Rules of the house that no type checker sees."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gslt

ROOT = Path(gslt.__file__).parent
PACKAGES = sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))

# Downwards: a place imports only from lines below its own, or from itself.
ORDER = [
    {"__main__", "__init__"},
    {"cli"},
    {"comparison", "conjecture", "oversmoothing", "sources"},
    {"report"},
    {"studies"},
    {"loggers"},
    {"theory"},
    {"training"},
    {"ticket"},
    {"diagnostics"},
    {"backends"},
    {"masking"},
    {"nn"},
    {"config"},
    {"settings"},
    {"freezing"},
    {"random"},
    {"files"},
    {"environment", "progress"},
    {"errors", "faces", "version"},
]
LEVEL = {name: level for level, names in enumerate(ORDER) for name in names}
#: Beside the line: the only places below that these may import.
BESIDE = {"data": {"random", "errors", "files", "environment", "progress", "version"}}
#: Drawn when it is asked for, by the pictures of everything else: what users look for on an object
#: of a lower place. The upper modules know nothing of the lower one.
DRAWN_ABOVE = {
    ("gslt.diagnostics.trace", "gslt.report.colours"),
    ("gslt.diagnostics.trace", "gslt.report.figures"),
    ("gslt.diagnostics.trace", "gslt.report.lines"),
    ("gslt.ticket.overlaps", "gslt.report.colours"),
    ("gslt.ticket.overlaps", "gslt.report.figures"),
}
#: The same within packages: a module imports only from lines below its own.
WITHIN = {
    "comparison": [
        {"compare"},
        {"picture"},
        {"memory", "report"},
        {"graphs", "reference", "speed"},
        {"config", "routes"},
    ],
    "conjecture": [
        {"report"},
        {"figures", "tables"},
        {"findings", "first_protocol"},
        {"words"},
        {"association", "protocol", "rivals"},
        {"claims", "criteria"},
        {"means", "rule"},
        {"trajectories"},
    ],
    "data": [
        {"download"},
        {"catalogue"},
        {"formats"},
        {"build_debian", "folders", "profile", "synthetic"},
        {"cifar", "debian", "heterophilous", "ogb", "planetoid", "tables", "unsplit", "webkb"},
        {"convert", "matrices"},
        {"parts"},
        {"content", "roles", "structural"},
        {"archives", "arrays", "dataset", "images", "pickles", "published", "temporary"},
        {"labelled"},
        {"matlab", "metrics", "networks", "options", "stored"},
    ],
    "files": [{"container", "folder", "log", "npz"}, {"reading", "writing"}],
    "oversmoothing": [{"report"}, {"figures"}, {"measuring"}, {"networks"}, {"source"}],
    "report": [
        {"folder"},
        {"study"},
        {"study_tables"},
        {"construction", "explorer"},
        {"groups"},
        {"figures"},
        {"lines", "page", "statistics", "tables"},
        {"colours", "escaping"},
    ],
    "sources": [{"comparison"}, {"message", "pictures"}, {"arms"}],
    "studies": [
        {"ray_cluster"},
        {"ray_node", "workers"},
        {"execute"},
        {"constructions", "records"},
        {"runs"},
        {"trajectory"},
        {"presets", "smoothness"},
        {"columns", "study"},
    ],
    "theory": [
        {"existence"},
        {"construct", "node_targets", "symmetry"},
        {"config"},
        {"coefficients", "width"},
        {"laws", "targets"},
        {"subset_sum"},
    ],
}


def imports_of(path: Path) -> Iterator[str]:
    """Modules of gslt that a file imports, in functions too; not those for type checkers alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing = {
        each
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for each in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in typing:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("gslt."))
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            if (node.module or "").split(".")[0] == "gslt":
                for alias in node.names:
                    part = f"{node.module}.{alias.name}"
                    yield part if is_module(part) else str(node.module)


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split(".")[1:])
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def place_of(module: str) -> str:
    """The package, or the module of the top level, that a dotted name is in."""
    return module.split(".")[1] if "." in module else "__init__"


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(["gslt", *(parts[:-1] if parts[-1] == "__init__" and parts[:-1] else parts)])


FILES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def test_imports_run_one_way():
    assert len(FILES) > 60
    wrong = []
    for module, path in FILES.items():
        place = place_of(module)
        used = {each for each in imports_of(path) if (module, each) not in DRAWN_ABOVE}
        for other in {place_of(each) for each in used} - {place}:
            if place in BESIDE:
                allowed = other in BESIDE[place]
            elif other in BESIDE:
                allowed = LEVEL[place] < LEVEL["ticket"]
            else:
                allowed = LEVEL[place] < LEVEL[other]
            if not allowed:
                wrong.append(f"{module} imports gslt.{other}")
    assert not wrong


@pytest.mark.parametrize("package", sorted(WITHIN))
def test_imports_run_one_way_within_a_package(package: str):
    level = {name: place for place, names in enumerate(WITHIN[package]) for name in names}
    modules = {path.stem for path in (ROOT / package).glob("*.py")} - {"__init__"}
    assert set(level) == modules
    wrong = [
        f"{package}/{name} imports {other}"
        for name in modules
        for other in imports_of(ROOT / package / f"{name}.py")
        if other.startswith(f"gslt.{package}")
        and level[name] >= level.get(other.rpartition(".")[2], -1)
    ]
    assert not wrong


def test_there_is_no_circle():
    """No module is among what it imports, however far away; faces count as what they import."""
    edges = {name: set(imports_of(path)) for name, path in FILES.items()}
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " → ".join([*way[way.index(name) :], name])
        if name not in done:
            for other in edges.get(name, ()):
                visit(other, (*way, name))
            done.add(name)

    for name in FILES:
        visit(name, ())


def test_the_top_level_is_small():
    assert len([path for path in ROOT.glob("*.py") if path.name != "__init__.py"]) <= 9


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_has_a_face(package: str):
    face = importlib.import_module(f"gslt.{package}")
    assert face.__doc__ is not None
    assert len(face.__doc__.split()) >= 10, "it says what the room is for"
    assert face.__all__, "it exports what others use"
    assert all(hasattr(face, name) for name in face.__all__)


def test_layers_know_no_backend_and_no_mask():
    for path in (ROOT / "nn").glob("*.py"):
        assert not {"backends", "masking"} & {place_of(each) for each in imports_of(path)}


def test_markup_is_in_templates():
    tags = ("<div", "<p>", "<p ", "<section", "<table", "<li>", "<span", "</")
    for path in FILES.values():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not any(tag in node.value for tag in tags), f"{path}:{node.lineno}"


def test_every_module_is_named_in_a_test():
    tests = "\n".join(path.read_text("utf-8") for path in Path(__file__).parent.rglob("test_*.py"))
    plain = [name for name in FILES if not FILES[name].name.startswith("__")]
    untold = [
        name
        for name in plain
        if name not in tests
        and f"{name.rpartition('.')[0]} import {name.rpartition('.')[2]}" not in tests
    ]
    assert not untold


def test_import_is_light_and_silent():
    code = (
        "import sys, gslt\n"
        "heavy = {'torch', 'torch_geometric', 'dgl', 'ogb', 'matplotlib', 'networkx', 'pandas', "
        "'scipy', 'tqdm', 'yaml', 'jinja2', 'ray', 'jsonargparse', 'mlflow', 'tensorboard'}\n"
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
