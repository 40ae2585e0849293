"""What is installed: pinned versions, hashes of every file, and nothing beside them."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import gslt.environment

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "requirements"
SECURITY = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
sys.path.insert(0, str(FOLDER))

import pins  # noqa: E402

FILES = sorted(path.stem for path in FOLDER.glob("*.txt"))
TOGETHER = ("build", "torch", "run", "docs", "test")
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*"))
PIN = re.compile(
    r"[a-z0-9-]+==[\w.+]+( ; [^\\]+)? \\\n"
    r"(    --hash=sha256:[0-9a-f]{64} \\\n)*    --hash=sha256:[0-9a-f]{64}\n"
    r"(    # .*\n)*"
)


def pinned(*files: str) -> list[Requirement]:
    lines = [pin.split(" \\")[0] for file in files for pin in pins.split(text_of(file))]
    return [Requirement(line) for line in lines]


def text_of(file: str) -> str:
    return (FOLDER / f"{file}.txt").read_text(encoding="utf-8")


def machine(python: str, system: str = "linux", kind: str = "x86_64") -> dict[str, str]:
    return {
        "python_version": python,
        "python_full_version": f"{python}.4",
        "sys_platform": system,
        "platform_system": {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}[system],
        "platform_machine": kind,
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "extra": "",
    }


def versions(files: tuple[str, ...], python: str, **more: str) -> dict[str, str]:
    """Package to version; a package that is pinned twice for one machine is an error of pip's."""
    found: dict[str, str] = {}
    for pin in pinned(*files):
        if pin.marker is None or pin.marker.evaluate(machine(python, **more)):
            assert pin.name not in found
            found[pin.name] = str(pin.specifier).removeprefix("==")
    return found


def table(heading: str) -> str:
    """A table of pyproject.toml as text: Python 3.10 reads no TOML."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return re.split(r"^\[", text.split(f"[{heading}]\n")[1], flags=re.MULTILINE)[0]


def asked_for() -> list[Requirement]:
    """What pyproject.toml asks for: gslt's own packages, those of its extras, and build tools."""
    text = table("project").split("\ndependencies")[1] + table("project.optional-dependencies")
    text += table("build-system").split("\nbuild-backend")[0] + table("dependency-groups")
    strings = re.findall(r'"((?:[^"\\])+)"', re.sub(r"^#.*", "", text, flags=re.MULTILINE))
    return [Requirement(each) for each in strings if not each.startswith("gslt[")]


def dry_run(target: str) -> list[str]:
    """The commands that make would run where nothing is installed yet."""
    command = ["make", "-n", "VENV=/nonexistent/venv", "TORCH=torch-cpu", target]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return text.replace("\\\n", " ").splitlines()


@pytest.mark.parametrize("file", FILES)
def test_every_line_is_a_pin_with_hashes(file: str) -> None:
    text = re.sub(r"\A(#.*\n)+", "", text_of(file))
    assert "".join(match.group() for match in PIN.finditer(text)) == text
    assert file == "torch-cpu" or text
    assert "://" not in text_of(file)  # packages come from the index that the machine is set to


def test_all_files_are_accounted_for() -> None:
    assert {*FILES} == {*TOGETHER, "torch-cpu", "audit", "pins"}


def test_constraints_are_the_same_versions() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    plain = [line for line in lines if not line.startswith("#")]
    assert plain == sorted(plain)
    assert sorted(plain) == sorted(
        pin.split(" \\")[0] for file in TOGETHER for pin in pins.split(text_of(file))
    )
    # pip takes neither extras nor builds nor hashes in constraints.
    assert all(re.fullmatch(r"[\w-]+==[\w.]+( ; .*)?", line) for line in plain)


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_each_python_has_a_version_of_all_that_is_asked_for(python: str, system: str) -> None:
    found = {**versions(("audit",), python, system=system), **versions(("pins",), python)}
    found |= versions(TOGETHER, python, system=system)
    asked = [
        each
        for each in asked_for()
        if each.marker is None or each.marker.evaluate(machine(python, system))
    ]
    assert len(asked) > 30
    for each in asked:
        assert found[canonicalize_name(each.name)] in each.specifier, each


def test_the_cpu_build_of_torch_is_of_the_version_that_the_index_has() -> None:
    (torch,) = [pin for pin in pinned("torch") if pin.name == "torch"]
    assert [str(pin) for pin in pinned("torch-cpu")] == [f"{torch}+cpu"]


def test_cuda_is_asked_for_on_linux_alone_and_by_torch_alone() -> None:
    for python in PYTHONS:
        assert versions(("torch",), python, system="darwin", kind="arm64").keys() == {"torch"}
        assert "triton" in versions(("torch",), python)
        assert not [
            name for name in versions(("build", "run", "docs", "test"), python) if "cuda" in name
        ]


@pytest.mark.parametrize("target", ["demo", "docs", "test", "audit", "pins"])
def test_make_installs_by_hash_alone(target: str) -> None:
    installs = [shlex.split(line) for line in dry_run(target) if " pip install " in line]
    for words in installs:
        assert "--no-deps" in words
        if words[-2:] == ["-e", "."]:  # gslt itself, built by what is installed
            assert "--no-build-isolation" in words
        else:
            assert "--require-hashes" in words
            assert words[words.index("--only-binary") + 1] == ":all:"
            assert words[-2] == "-r"
    files = [Path(words[-1]).stem for words in installs if words[-1] != "."]
    assert (
        files
        == {
            "demo": ["build", "torch-cpu", "run"],
            "docs": ["build", "torch-cpu", "run", "docs"],
            "test": ["build", "torch-cpu", "run", "docs", "test"],
            "audit": ["audit"],
            "pins": ["pins"],
        }[target]
    )


def test_ci_runs_make_test_and_installs_no_package_of_python_itself() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert script.splitlines()[-1] == "make test"
    assert not re.search(r"\bpip\b", script)


def test_every_pin_is_audited() -> None:
    words = [word for line in dry_run("audit") if "pip-audit" in line for word in line.split()]
    assert {"--strict", "--require-hashes", "--disable-pip"} <= set(words)
    audited = {Path(word).stem for word in words if word.endswith(".txt")}
    assert audited == set(FILES) - {"torch-cpu"}  # the same version as torch


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder with a wheel and with a source archive that would run code if it were built."""
    with zipfile.ZipFile(tmp_path / "thing-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("thing.py", "")
        wheel.writestr(
            "thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n"
        )
        wheel.writestr("thing-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("thing-1.0.dist-info/RECORD", "")
    with zipfile.ZipFile(tmp_path / "source-1.0.zip", "w") as source:
        source.writestr("source-1.0/setup.py", f"open({str(tmp_path / 'ran')!r}, 'w')")
    return tmp_path


def sha256(path: Path) -> str:
    return f" --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


@pytest.mark.parametrize(
    ("pin", "file", "flip", "said"),
    [
        ("thing==1.0", "thing-1.0-py3-none-any.whl", "", "Would install thing-1.0"),
        ("thing==1.0", "thing-1.0-py3-none-any.whl", "0" * 64, "DO NOT MATCH THE HASHES"),
        ("thing==1.0", None, "", "Hashes are required"),
        ("source==1.0", "source-1.0.zip", "", "No matching distribution"),
    ],
    ids=["as pinned", "another file", "no hash", "not a wheel"],
)
def test_what_pip_refuses_with_the_options_of_the_makefile(
    packages: Path, pin: str, file: str | None, flip: str, said: str
) -> None:
    hashed = sha256(packages / file) if file else ""
    if flip:
        hashed = f" --hash=sha256:{flip}"
    list_of_pins = packages / "list.txt"
    list_of_pins.write_text(pin + hashed)
    (line,) = [line for line in dry_run("test") if line.endswith("build.txt")]
    options = shlex.split(line)[1:-1]  # python … -r file
    options.remove("--quiet")
    here = ["--dry-run", "--no-index", "--find-links", str(packages), "--isolated"]
    command = [sys.executable, *options, str(list_of_pins), *here]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert said in done.stdout + done.stderr
    assert (done.returncode == 0) == said.startswith("Would")
    assert not (packages / "ran").exists()


def test_workflows_have_least_rights_and_pinned_actions() -> None:
    assert WORKFLOWS
    for path in WORKFLOWS:
        workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert workflow["permissions"] == {"contents": "read"}
        for job in workflow["jobs"].values():
            assert "permissions" not in job
            for step in job["steps"]:
                assert "run" in step or re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step["uses"])
        assert "secrets" not in path.read_text(encoding="utf-8")


def test_the_audit_runs_weekly() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/audit.yml").read_text(encoding="utf-8"))
    (when,) = workflow[True]["schedule"]  # YAML reads the key "on" as true
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", when["cron"])
    assert workflow["jobs"]["audit"]["steps"][-1]["run"] == "make audit"


def test_pins_are_split_as_uv_writes_them() -> None:
    one, two = "a==1 \\\n    --hash=sha256:0\n    # via b\n", "b==2 \\\n    --hash=sha256:1\n"
    assert pins.split("# comment\n" + one + two) == [one, two]
    assert pins.name(one) == "a"
    assert pins.version(["a==1 ; python_version < '4' \\\n", two], "a") == "1"
    assert pins.needed_by(one) == {"b"}
    assert pins.needed_by("a==1\n    # via\n    #   c\n    #   d (pyproject.toml:x)\n") == {
        "c",
        "d",
    }


def test_libraries_of_cuda_are_what_torch_alone_asks_for_on_linux() -> None:
    on_linux = " ; sys_platform == 'linux' \\\n    --hash=sha256:0\n"
    libraries = pins.cuda_libraries(
        [
            f"deep==1{on_linux}    # via nvidia\n",
            f"nvidia==1{on_linux}    # via\n    #   torch\n    #   triton\n",
            f"triton==1{on_linux}    # via torch\n",
            f"loop==1{on_linux}    # via\n    #   server\n    #   torch\n",
            "sympy==1 \\\n    --hash=sha256:0\n    # via torch\n",
        ]
    )
    assert libraries == {"deep", "nvidia", "triton"}


def test_names_of_the_security_page_are_those_of_the_code() -> None:
    names = re.findall(r"`gslt\.environment\.(\w+)`", SECURITY)
    assert len(names) == 2
    assert all(hasattr(gslt.environment, name) for name in names)
    (setting,) = re.findall(r"`GSLT_LIMITS=(\S+)`", SECURITY)
    limits = {field.name for field in dataclasses.fields(gslt.environment.Limits)}
    assert {part.split("=")[0] for part in setting.split(",")} <= limits


def test_files_and_targets_of_the_security_page_are_there() -> None:
    paths = re.findall(r"`((?:docs|gslt|requirements)/[\w./-]*|[\w-]+\.(?:md|txt))`", SECURITY)
    assert len(paths) > 4
    for path in paths:
        assert (ROOT / path).exists() or (FOLDER / path).exists(), path
    targets = set(re.findall(r"`make (\w+)`", SECURITY))
    assert targets == {"demo", "test", "audit", "clean"}
    assert all(dry_run(target) for target in targets)
