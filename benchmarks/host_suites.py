"""How much of the hosts' own tests of GIN, GCN, SAGE and GAT passes with frozen layers.

The tests are read from a checkout that you name, of the version that is installed; none is copied:

    git clone --depth 1 --branch 2.8.0 https://github.com/pyg-team/pytorch_geometric
    python benchmarks/host_suites.py pyg pytorch_geometric --report pyg.md
    git clone --depth 1 --branch v1.1.3 https://github.com/dmlc/dgl
    python benchmarks/host_suites.py dgl dgl --report dgl.md

What they said stands in ``benchmarks/host_suites.md``.

Each suite runs four times: with the host's layers as they are; with gslt's drop-ins in the place of
their names; with the same drop-ins when they print as the host's layers do, so that a test which
begins with ``repr`` goes on to the rest; and with the host's layers frozen by ``gslt.freeze`` as
soon as they are built. What passes with the host's layers is what counts. A failure is inherent
where the test asks for what no frozen layer has: the first reason that fits of ``INHERENT``.
"""

import argparse
import contextlib
import importlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import common
import pytest
from torch import nn

import gslt
from gslt.masking.weights import weights_of

WAYS = {
    "host": "the host's layers",
    "drop-ins": "gslt's drop-ins",
    "printed": "drop-ins that print as the host's",
    "frozen": "the host's, frozen by gslt.freeze",
}

#: Why a test cannot pass, and what is found in the message of its failure, or else in its trace.
INHERENT = {
    "trained ε": r"asks for a trained ε",
    "repr": r"assert '[A-Z].* == '[A-Z]",
    "the weights themselves": r"cannot assign '.*' as parameter",
    "number of parameters": r"^assert \d{3,} == \d{3,}$",
    "PyG's documentation of a layer": r"assert None == 'Semi-supervised",
    "torch.package of PyG's modules alone": r"PackagingError",
    "a reset that draws other weights": r"allclose\(old_weight, new_weight\)",
    "TorchScript": r"torch/jit/",
    "frozen weights in one compiled graph": r"graph_break_count",
}


def of_pyg(checkout: Path) -> dict[str, list[str]]:
    """Suites of PyG: the layers' own tests, all others that name a layer, the explainers."""
    own = [f"nn/conv/test_{layer}_conv.py" for layer in ("gin", "gcn", "sage", "gat")]
    names = re.compile(rf"\b({'|'.join(HOSTS['pyg'].layers)})\b")
    users = sorted(
        str(path.relative_to(checkout / "test"))
        for path in (checkout / "test").rglob("test_*.py")
        if names.search(path.read_text(encoding="utf-8"))
    )
    apart = re.compile("explain/|contrib/")
    return {
        "layers": own,
        "users": [path for path in users if path not in own and not apart.match(path)],
        "explain": ["explain"],
    }


def of_dgl(checkout: Path) -> dict[str, list[str]]:
    """Suites of DGL: what its one file of tests says of the layers and what is built of them."""
    text = (checkout / "tests/python/pytorch/nn/test_nn.py").read_text(encoding="utf-8")
    shape = r"def (test_(?:dense_)?(?:graph|sage|gin|gat|hetero)_conv\w*)\("
    return {"layers": [f"test_nn.py::{name}" for name in re.findall(shape, text)]}


@dataclass(frozen=True)
class Host:
    """A host, its layers and its tests."""

    package: str
    """Where its layers are imported from."""
    layers: tuple[str, ...]
    drop_ins: str
    """Module of gslt with a drop-in for each, called ``Frozen…``."""
    folder: str
    """Where its tests are run, in the checkout."""
    suites: Callable[[Path], dict[str, list[str]]]
    """What pytest is given for each suite."""
    marks: str = ""
    """Which of the tests run: pytest's ``-m``."""
    paths: tuple[str, ...] = ()
    """Folders of the checkout that its tests import from."""


HOSTS = {
    "pyg": Host(
        "torch_geometric.nn",
        ("GINConv", "GCNConv", "SAGEConv", "GATConv"),
        "gslt.backends.pyg",
        "test",
        of_pyg,
        "not rag and not dataset",
    ),
    "dgl": Host(
        "dgl.nn",
        ("GraphConv", "SAGEConv", "GINConv", "GATConv"),
        "gslt.backends.dgl",
        "tests/python/pytorch/nn",
        of_dgl,
        paths=("tests", "tests/python"),
    ),
}


# In the child


def put_in_place(host: Host, printed: bool) -> None:
    """Bind every name that the host's package has for one of its layers to the drop-in.

    Args:
        host: whose layers.
        printed: whether the drop-in prints as the host's layer.
    """

    def printing(show: Callable[[nn.Module], str]) -> Callable[[nn.Module], str]:
        # torch names a class anew where a parameter of its own is frozen.
        return lambda layer: re.sub("^(Parametrized)?Frozen", "", show(layer))

    layers = importlib.import_module(host.package)
    ours = importlib.import_module(host.drop_ins)
    new = {getattr(layers, name): getattr(ours, f"Frozen{name}") for name in host.layers}
    for drop_in in new.values() if printed else ():
        drop_in.__repr__ = printing(drop_in.__repr__)
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == host.package.split(".")[0]:
            for attribute, value in list(vars(module).items()):
                if isinstance(value, type) and value in new and value.__module__ != name:
                    setattr(module, attribute, new[value])


def freeze_when_built(host: Host) -> None:
    """Let the constructors of the host's layers end with ``gslt.freeze``."""
    layers = importlib.import_module(host.package)

    def freezing(build: Callable[..., None]) -> Callable[..., None]:
        def build_frozen(layer: nn.Module, *args: Any, **options: Any) -> None:
            build(layer, *args, **options)
            # A layer that is called with somebody's weights has none of its own.
            if any(weights_of(layer)):
                gslt.freeze(layer, gslt.FreezeConfig())

        return build_frozen

    for name in host.layers:
        layer = getattr(layers, name)
        layer.__init__ = freezing(layer.__init__)


class Outcomes:
    """What became of every test, and what its failure said."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.failed: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called by pytest after every step of a test."""
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            self.failed[report.nodeid] = f"{getattr(crash, 'message', '')}\n{report.longreprtext}"
        elif report.when == "call" and report.passed:
            self.passed.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Called by pytest after it has read a file."""
        if report.failed:
            self.failed[report.nodeid] = report.longreprtext


def child(host: Host, way: str, tests: list[str], checkout: Path) -> dict[str, object]:
    """Run the tests in this process."""
    folder = checkout / host.folder
    os.chdir(folder)
    sys.path[:0] = [str(folder), *(str(checkout / path) for path in host.paths)]
    importlib.import_module(host.package)
    if way == "frozen":
        freeze_when_built(host)
    elif way != "host":
        put_in_place(host, way == "printed")
    outcomes = Outcomes()
    options = ["-q", "-p", "no:cacheprovider", "-W", "ignore", "-o", "addopts=", "-m", host.marks]
    options += [f"--rootdir={folder}", "-o", "filterwarnings="]
    pytest.main([*options, *tests], plugins=[outcomes])
    return vars(outcomes)


# In the parent


def run(host: str, way: str, tests: list[str], checkout: Path) -> dict[str, Any]:
    """The outcomes of some tests, in a process of their own."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "outcomes.json"
        values = json.dumps([host, way, tests, str(checkout), str(out)])
        done = subprocess.run(
            [sys.executable, __file__, "--child", values], capture_output=True, text=True
        )
        if not out.exists():
            raise SystemExit(f"{host}, {WAYS[way]}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def reason_of(failure: str) -> str:
    """Why a test cannot pass; empty where it could."""
    message, _, trace = failure.partition("\n")
    for where in (message.removeprefix("AssertionError: "), trace):
        for why, shape in INHERENT.items():
            if re.search(shape, where):
                return why
    return ""


def compare(
    host: str, checkout: Path, only: list[str] | None = None, ways: list[str] | None = None
) -> dict[str, Any]:
    """For every suite and way: the counts by file, and the failures with their reasons."""
    suites = {}
    for suite, tests in HOSTS[host].suites(checkout).items():
        if only and suite not in only:
            continue
        wanted = [way for way in WAYS if way == "host" or ways is None or way in ways]
        outcomes = {way: run(host, way, tests, checkout) for way in wanted}
        base = set(outcomes["host"]["passed"])
        files = Counter(name.split("::")[0] for name in base)
        results = {}
        for way, found in outcomes.items():
            missing = sorted(base - set(found["passed"]))
            failures = {
                name: found["failed"].get(name) or found["failed"].get(name.split("::")[0], "")
                for name in missing
            }
            lost = Counter(name.split("::")[0] for name in missing)
            results[way] = {
                "passed": {file: total - lost[file] for file, total in sorted(files.items())},
                "failures": {
                    name: {"reason": reason_of(text), "says": text.strip().split("\n")[0][:200]}
                    for name, text in failures.items()
                },
            }
        suites[suite] = {"host": dict(sorted(files.items())), "ways": results}
    return suites


def table(suites: dict[str, Any]) -> Iterator[str]:
    """Markdown: tests that pass, by file, and what fails."""
    ways = list(next(iter(suites.values()))["ways"])
    yield f"| tests | {' | '.join(WAYS[way] for way in ways)} |"
    yield "|---|" + "---:|" * len(ways)
    for suite, found in suites.items():
        for file in found["host"] if suite != "explain" else ():
            counts = [found["ways"][way]["passed"][file] for way in ways]
            yield f"| `{file}` | {' | '.join(map(str, counts))} |"
        sums = [sum(found["ways"][way]["passed"].values()) for way in ways]
        yield f"| **{suite}, in sum** | {' | '.join(f'**{n:,}**' for n in sums)} |"
    for way in ways[1:]:
        failures = {
            name: each
            for found in suites.values()
            for name, each in found["ways"][way]["failures"].items()
        }
        total = sum(sum(found["host"].values()) for found in suites.values())
        reasons = Counter(each["reason"] for each in failures.values())
        possible = total - sum(n for why, n in reasons.items() if why)
        passed = total - len(failures)
        yield ""
        yield (
            f"With {WAYS[way]} {passed:,} of {total:,} pass: {100 * passed / possible:.1f} % of "
            f"the {possible:,} that are possible."
        )
        said = Counter(
            (each["reason"] or "not inherent", name.split("[")[0], each["says"])
            for name, each in failures.items()
        )
        if said:
            yield ""
        for (why, name, says), n in sorted(said.items()):
            yield f"- {why}: `{name}`{f' × {n}' if n > 1 else ''} – `{says.replace('`', '')}`"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("host", choices=sorted(HOSTS))
    parser.add_argument("checkout", type=Path, help="folder of the host's source")
    parser.add_argument("--suites", nargs="+", help="only these")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS)[1:], help="only these, and host")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to this file")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the tables to this file")
    options = parser.parse_args()
    suites = compare(options.host, options.checkout.resolve(), options.suites, options.ways)
    lines = "\n".join(table(suites))
    print(lines)
    common.save(options.json, host=options.host, suites=suites)
    if options.report:
        options.report.write_text(f"{lines}\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        host, way, tests, checkout, out = json.loads(sys.argv[2])
        with contextlib.redirect_stdout(sys.stderr):
            found = child(HOSTS[host], way, tests, Path(checkout))
        Path(out).write_text(json.dumps(found), encoding="utf-8")
    else:
        main()
