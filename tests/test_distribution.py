"""What is published: the wheel, the archive of sources, and what stands beside the code."""

from __future__ import annotations

import email
import importlib.util
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from gslt.version import __version__

ROOT = Path(__file__).parents[1]
BUILD = (
    "import sys; from setuptools import build_meta as b; folder = sys.argv[1];"
    "b.build_sdist(folder); b.build_wheel(folder)"
)
#: What setuptools adds to the files of the repository.
ADDED = re.compile(r"PKG-INFO|setup\.cfg|gslt\.egg-info/.*")
#: What only a clone is in need of.
CLONE = {".gitignore", ".gitattributes"}
#: What stands at the top of the repository, and the bytes that a file may have.
TOP = {".ci", ".github", "benchmarks", "docs", "examples", "gslt", "requirements", "tests"}
TOP |= {"CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md"}
TOP |= {"MANIFEST.in", "Makefile", "constraints.txt", "mkdocs.yml", "pyproject.toml", "setup.py"}
LARGEST = 4_000_000


@pytest.fixture(scope="module")
def setup() -> ModuleType:
    spec = importlib.util.spec_from_file_location("setup", ROOT / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tracked() -> set[str]:
    """The files of the repository, as git or, in an archive of sources, its list of them knows."""
    listed = ROOT / "gslt.egg-info" / "SOURCES.txt"
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z"]
        out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        names = out.split("\0")
    elif listed.exists():
        names = listed.read_text(encoding="utf-8").splitlines()
    else:
        pytest.skip("neither git nor an archive of sources tells which files are gslt's")
    return {name for name in names if (ROOT / name).is_file() and not ADDED.fullmatch(name)}


@pytest.fixture(scope="module")
def built(tracked: set[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both, built from the files of the repository alone."""
    source, dist = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in tracked:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name)
    command = [sys.executable, "-c", BUILD, str(dist)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dist


def test_no_data_set_is_among_the_files(tracked: set[str]) -> None:
    """Nor what a run wrote: the top holds what is known there, and files are small."""
    assert {name.partition("/")[0] for name in tracked if name not in CLONE} <= TOP
    large = {name: size for name in tracked if (size := (ROOT / name).stat().st_size) > LARGEST}
    assert not large, large


@pytest.mark.slow
def test_the_wheel_is_the_package(built: Path, tracked: set[str]) -> None:
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    package = {name for name in tracked if name.startswith("gslt/")}
    assert "gslt/data/debian.npz" in names
    assert names == package


@pytest.mark.slow
def test_the_archive_is_the_repository(built: Path, tracked: set[str]) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {m.name.partition("/")[2] for m in archive.getmembers() if m.isfile()}
    found = {name for name in names if not ADDED.fullmatch(name)}
    assert "tests/first_hour.sh" in found
    assert found == tracked - CLONE


@pytest.mark.slow
def test_the_metadata(built: Path) -> None:
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        about = email.message_from_bytes(wheel.read(name))
    assert about["License-Expression"] == "MIT"
    assert about["Description-Content-Type"] == "text/markdown"
    assert "Typing :: Typed" in about.get_all("Classifier", [])
    text = about.get_payload()
    assert isinstance(text, str)
    assert text.startswith("# gslt\n")
    relative = re.findall(r"\]\((?!https?://|#|mailto:)[^)]*\)", text)
    assert relative == []


def test_links_of_the_long_description_by_hand(setup: ModuleType) -> None:
    text = "[Docs](docs/a.md#b), ![Plot](b.png), [Paper](https://host/p), [below](#limits)"
    assert setup.long_description(text, "https://host/gslt", "v1") == (
        "[Docs](https://host/gslt/blob/v1/docs/a.md#b), ![Plot](https://host/gslt/raw/v1/b.png), "
        "[Paper](https://host/p), [below](#limits)"
    )
    assert setup.long_description(text, None, "v1") == (
        "Docs, (picture in the repository: Plot), [Paper](https://host/p), [below](#limits)"
    )


def test_the_address_is_that_of_the_one_place(setup: ModuleType) -> None:
    assert setup.repository('[project.urls]\nRepository = "https://host/gslt/"\n') == (
        "https://host/gslt"
    )
    assert setup.repository('# Repository = "https://host/gslt"\n') is None
    assert setup.version('"""Text."""\n\n__version__ = "1.2"\n') == "1.2"
    with pytest.raises(ValueError, match=r"gslt/version\.py has no line"):
        setup.version("")


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()  # what CFF asks for
    assert str(citation["version"]) == __version__
    assert citation["license"] == "MIT"
    assert "2402.14029" in citation["references"][0]["url"]


def test_the_forms_for_issues_are_forms() -> None:
    forms = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    assert len(forms) == 3
    for path in forms:
        form = yaml.safe_load(path.read_text(encoding="utf-8"))
        if path.stem == "config":
            assert form.keys() == {"blank_issues_enabled"}
            continue
        assert {"name", "description", "body"} <= form.keys()
        for part in form["body"]:
            assert part["type"] in {"textarea", "input", "dropdown", "checkboxes", "markdown"}
            assert part["attributes"]["label"]
        names = [part["id"] for part in form["body"]]
        assert len(names) == len(set(names))


def test_every_python_has_its_row_in_the_workflow() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    named = set(re.findall(r'"Programming Language :: Python :: (3\.\d+)"', text))
    path = ROOT / ".github" / "workflows" / "tests.yml"
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    matrix = jobs["bounds"]["strategy"]["matrix"]
    assert named <= set(matrix["python"])
    assert set(jobs["pinned"]["strategy"]["matrix"]["python"]) == named
    assert set(matrix["which"]) == {"lowest", "newest"}
    assert {system.split("-")[0] for system in matrix["system"]} == {"ubuntu", "macos", "windows"}


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_the_first_hour_knows_its_steps() -> None:
    script = ROOT / "tests" / "first_hour.sh"
    text = script.read_text(encoding="utf-8")
    (steps,) = re.findall(r"^STEPS=\((.*)\)$", text, re.MULTILINE)
    assert set(re.findall(r"^step_(\w+)\(\)", text, re.MULTILINE)) == {*steps.split(), "test"}
    command = ["bash", str(script), "wheels"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "there is no step 'wheels'" in done.stderr
