"""What README and the documentation show works: links, blocks of code, commands, the site."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from documents import PAGES, ROOT, anchors, code, commands, links, name, prose

import gslt
from gslt.backends import get_backend
from gslt.cli import main, parse
from gslt.diagnostics import as_topology

sys.path.insert(0, str(ROOT / "docs"))

import draw

WITH_PYTHON = [page for page in PAGES if code(page, "python")]
WITH_COMMANDS = [page for page in PAGES if commands(page)]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_inside_the_repository_resolves(page: Path) -> None:
    for target in links(page):
        if target.startswith(("https://", "http://")):
            continue
        file, _, anchor = target.partition("#")
        found = (page.parent / file).resolve() if file else page
        assert found.exists(), f"{name(page)} links to {target}, which is not there"
        assert found.is_relative_to(ROOT)
        if anchor:
            assert anchor in anchors(found), f"{name(page)} links to {target}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_file_and_target_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    assert "@@" not in text
    for path in re.findall(
        r"`((?:examples|benchmarks|docs|gslt|tests|requirements)/[a-z][\w./-]+)`", text
    ):
        assert (ROOT / path).exists(), f"{name(page)} names {path}"
    for path in re.findall(r"python ((?:examples|benchmarks|docs)/[\w./-]+)", text):
        assert (ROOT / path).exists(), f"{name(page)} runs {path}"
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"(?:^|`)make (?:TORCH=\S+ )?([\w-]+)", text, re.MULTILINE):
        rule = rf"^([\w-]+ )*{target}( [\w-]+)*:"
        assert re.search(rule, makefile, re.MULTILINE), f"{name(page)} makes {target}"


def test_every_page_of_the_documentation_is_linked_by_another() -> None:
    named = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in PAGES
        for target in links(page)
        if "://" not in target and target.partition("#")[0]
    }
    home = ROOT / "docs" / "index.md"
    alone = [
        name(page) for page in PAGES if page.is_relative_to(ROOT / "docs") and page not in named
    ]
    assert [page for page in alone if page != name(home)] == []


@pytest.fixture
def told(blocks: gslt.NodeDataset, tmp_path: Path) -> dict[str, Callable[[], dict[str, Any]]]:
    """What a page takes its reader to have at hand, by page: on small data."""

    def measures() -> dict[str, Any]:
        topology = as_topology(blocks.edge_index, num_nodes=blocks.num_nodes)
        config = gslt.ModelConfig(hidden_channels=4, num_layers=2)
        model = gslt.GNN(blocks.num_features, blocks.num_classes, config, get_backend("pyg"))
        return {
            "x": blocks.x,
            "edge_index": blocks.edge_index,
            "topology": topology,
            "model": model,
        }

    def ticket() -> dict[str, Any]:
        found = gslt.search(blocks, gslt.SearchConfig(sparsity=0.9, epochs=1))
        return {"ticket": found.ticket, "dataset": blocks, "gslt": gslt}

    def sums() -> dict[str, Any]:
        values = torch.linspace(-1.0, 1.0, 9).numpy()
        frozen = {"locked": values > 0.7, "pruned": values < -0.7}
        return {"values": values, "targets": values[2:4], **frozen}

    def study() -> dict[str, Any]:
        from gslt import studies

        small = {"dataset": "debian", "num_layers": 2, "hidden_channels": 4, "epochs": 1}
        one = studies.Study(name="one", settings=small, arms={"ticket": {}}, seeds=1)
        folder = studies.StudyFolder(Path("runs/study"))
        assert studies.run_study(one, folder, progress=False).failures == {}
        return {}

    return {
        "docs/diagnostics.md": measures,
        "docs/random-sources.md": ticket,
        "docs/theory.md": sums,
        "docs/studies.md": study,
    }


@pytest.mark.parametrize("page", WITH_PYTHON, ids=name)
def test_every_block_of_python_runs(
    page: Path,
    blocks: gslt.NodeDataset,
    told: dict[str, Callable[[], dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gslt, "load_dataset", lambda name: blocks)
    names: dict[str, Any] = {"__name__": "__main__"}
    # A page may add to the registry.
    with warnings.catch_warnings(), patch.dict(gslt.diagnostics.MEASURES):
        # Two equal layers beside each other are the point where one changed import is shown.
        warnings.simplefilter("ignore", gslt.GsltWarning)
        given = told[name(page)]() if name(page) in told else {}
        for block in code(page, "python"):
            names |= given
            text = "\n" * (block.line - 1) + block.text.replace("epochs=100", "epochs=2")
            exec(compile(text, str(page), "exec"), names)


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=name)
def test_every_command_is_one(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for words in commands(page):
        if words[0] == "--print_completion":  # It ends while it is parsed: tests/cli has it.
            continue
        try:
            parse(words)
        except SystemExit as error:
            pytest.fail(f"{name(page)}: gslt {' '.join(words)}: status {error.code}")


def test_every_command_in_a_sentence_is_one() -> None:
    from gslt.cli.main import COMMANDS

    first = {words.split()[0] for words in COMMANDS}
    for page in PAGES:
        if page.name == "CHANGELOG.md":
            continue
        for word in re.findall(r"`gslt ([a-z][\w-]*)", page.read_text("utf-8")):
            assert word in first, f"{name(page)} names gslt {word}"


def test_cheap_commands_of_the_pages_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cheap = {("data", "list"), ("data", "info", "debian")}
    shown = {tuple(words) for page in PAGES for words in commands(page)}
    assert cheap <= shown
    for words in sorted(cheap):
        assert main(list(words)) == 0
    assert "63,666" in capsys.readouterr().out


@pytest.mark.slow
def test_the_shell_of_getting_started_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [words for words in commands(ROOT / "docs/getting-started.md") if words[0] != "demo"]
    assert [words[0] for words in lines] == ["search", "evaluate", "inspect"]
    small = {"64": "4", "30": "1"}
    for words in lines:
        assert main([small.get(word, word) for word in words]) == 0
    assert "entropy" in capsys.readouterr().out


def test_pictures_are_those_that_the_script_draws() -> None:
    folder = ROOT / "docs" / "images"
    assert {path.name for path in folder.iterdir()} == set(draw.PICTURES)
    shown = {Path(target).name for page in PAGES for target in links(page)}
    assert set(draw.PICTURES) <= shown


@pytest.mark.parametrize("picture", ["ticket.png", "threshold.png", "window.png"])
def test_a_picture_is_drawn(picture: str, tmp_path: Path) -> None:
    draw.PICTURES[picture](tmp_path / picture)
    assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")


API = sorted(
    module
    for page in (ROOT / "docs" / "api").glob("*.md")
    for module in re.findall(r"^::: (gslt[\w.]*)$", page.read_text("utf-8"), re.MULTILINE)
)

#: Functions in modules of their own names, which the page of the package would take for those.
FUNCTIONS = {"gslt.diagnostics.probe.probe", "gslt.masking.initialise.initialise"}


def test_every_package_has_a_page_of_the_reference() -> None:
    packages = {
        f"gslt.{path.parent.name}"
        for path in (ROOT / "gslt").glob("*/__init__.py")
        if path.parent.name not in ("cli", "files")  # Behind the commands.
    }
    assert packages | {"gslt", "gslt.backends.pyg", "gslt.backends.dgl"} <= set(API)
    assert {"gslt.config", "gslt.errors", "gslt.random", "gslt.environment"} <= set(API)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation as `make docs` builds it."""
    out = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return out


@pytest.mark.slow
def test_the_site_has_every_page_and_every_public_name(site: Path) -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        assert (site / page.relative_to(ROOT / "docs")).with_suffix(".html").exists()
    inventory = zlib.decompress((site / "objects.inv").read_bytes().split(b"\n", 4)[4]).decode()
    there = {line.split()[0] for line in inventory.splitlines()}
    numbers = {f"gslt.freezing.{name}" for name in ("LOCKED", "PRUNED", "SEARCHED")}
    for module in API:
        if module in FUNCTIONS:
            continue
        for public in getattr(importlib.import_module(module), "__all__", []):
            # A function in a module of its own name stands under the whole name, or in gslt.
            names = {f"{module}.{public}", f"{module}.{public}.{public}", f"gslt.{public}"}
            assert names & there or names & {"gslt.__version__", *numbers}, f"{module}.{public}"


@pytest.mark.slow
def test_the_site_fetches_nothing_when_it_is_read(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        text = page.read_text("utf-8")
        assert not re.findall(r"<(?:script|img|iframe)[^>]* src=\"?https?:", text), page
        assert not re.findall(r"<link[^>]* href=\"?https?:", text), page


def test_readme_is_short() -> None:
    readme = ROOT / "README.md"
    assert len(readme.read_text("utf-8").splitlines()) <= 140
    assert len(prose(readme).split()) < 1000
