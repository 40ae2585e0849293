"""`make pins`: every version that gslt is installed with, and the SHA-256 of every file of it.

One resolution by uv, for all platforms and for Python 3.10 and later, is dealt out into files that
have no pin in common:

    build.txt      pip and setuptools, which install the rest
    torch.txt      torch as the package index has it, with the CUDA libraries of its Linux build
    torch-cpu.txt  torch's build for the CPU, where pip finds one when the pins are made
    run.txt        what else gslt needs
    docs.txt       what else the site of its documentation needs
    test.txt       what else its extras and tests need

`audit.txt` and `pins.txt` are the tools of `make audit` and `make pins`, which have virtual
environments of their own. `constraints.txt` in the root has the versions without their hashes.

A version stays as it is where it still fits pyproject.toml; `make pins UPGRADE=--upgrade` takes the
newest ones.
"""

import hashlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
UV = [str(Path(sys.executable).parent / "uv"), "pip", "compile", "--quiet", "--no-header"]
UNIVERSAL = ["--universal", "--python-version", "3.10", "--generate-hashes"]
HEADER = "# Written by `make pins`; requirements/pins.py says what is in which file.\n"
CPU_NOTE = (
    "# The wheels for Linux that are known: `make pins` hashed those it found, and the others\n"
    "# have the hash that at least two public repositories state independently. Where pip refuses\n"
    "# another one, `make TORCH=torch` and the target take the package index's own build.\n"
)
CONSTRAINTS_NOTE = (
    "# The same versions without hashes, for a package index with other builds of them:\n"
    "# pip install -c constraints.txt -e .\n"
)


def main() -> None:
    """Write the files; arguments (`--upgrade`) are passed on to uv.

    Raises:
        subprocess.CalledProcessError: There is no resolution; uv has said why on stderr.
    """
    everything = ["pyproject.toml", "--extra", "test", "--group", "build"]
    old = "".join(pins_of(part) for part in ("build", "torch", "run", "docs", "test"))
    pins = resolve(everything, old)
    parts = deal(pins)
    for part, its_pins in parts.items():
        write(FOLDER / f"{part}.txt", "".join(its_pins))
    for tool in ("audit", "pins"):
        its_pins = resolve(["--group", f"pyproject.toml:{tool}"], pins_of(tool))
        write(FOLDER / f"{tool}.txt", "".join(its_pins))
    write(FOLDER / "torch-cpu.txt", CPU_NOTE + cpu_build(version(parts["torch"], "torch")))
    plain = sorted(pin.split(" \\")[0] + "\n" for pin in pins)
    write(ROOT / "constraints.txt", CONSTRAINTS_NOTE + "".join(plain))


def resolve(what: list[str], old: str) -> list[str]:
    """The pins of a resolution, each as its lines in a requirements file; old versions are kept."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "pins.txt"
        output.write_text(old, encoding="utf-8")
        options = [*UNIVERSAL, *sys.argv[1:], "--output-file", str(output)]
        subprocess.run([*UV, *what, *options], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        return split(output.read_text(encoding="utf-8"))


def split(text: str) -> list[str]:
    """The pins of a requirements file: a line that is not indented, and what follows it."""
    return re.findall(r"^\w.*\n(?:[ ].*\n)*", text, re.MULTILINE)


def name(pin: str) -> str:
    """The package that is pinned."""
    return pin.split("==")[0]


def deal(pins: list[str]) -> dict[str, list[str]]:
    """Every pin into the first of the files that needs it."""
    text = "".join(pins)
    needed = {
        "build": {name(pin) for pin in resolve(["--group", "pyproject.toml:build"], text)},
        "torch": {"torch", *cuda_libraries(pins)},
        "run": {name(pin) for pin in resolve(["pyproject.toml"], text)},
        "docs": {name(pin) for pin in resolve(["pyproject.toml", "--extra", "docs"], text)},
        "test": {name(pin) for pin in pins},
    }
    parts: dict[str, list[str]] = {part: [] for part in needed}
    for pin in pins:
        parts[next(part for part in needed if name(pin) in needed[part])].append(pin)
    return parts


def cuda_libraries(pins: list[str]) -> set[str]:
    """What torch alone, or what it alone needs, asks for on Linux alone."""
    on_linux = {name(pin): pin for pin in pins if "sys_platform == 'linux'" in pin.split("\n")[0]}
    found: set[str] = set()
    while more := {
        package
        for package, pin in on_linux.items()
        if package not in found and needed_by(pin) <= {"torch", *found}
    }:
        found |= more
    return found


def needed_by(pin: str) -> set[str]:
    """The packages in the comment that uv writes under a pin: one behind "via", or one a line."""
    return set(re.findall(r"^ +# +(?:via )?(?!via$)([\w.-]+)", pin, re.MULTILINE))


def version(pins: list[str], package: str) -> str:
    """The version that a package is pinned to, where it is the same for every Python."""
    (found,) = {re.split(r"[ ;\\]", pin.split("==")[1])[0] for pin in pins if name(pin) == package}
    return found


def cpu_build(torch: str) -> str:
    """The pin of torch's CPU build of a version: pip's wheel of it, and those that are known.

    Nothing where neither exists: then the package index's own build is installed.
    """
    pin = f"torch=={torch}+cpu"
    old = pins_of("torch-cpu")
    hashes = set(re.findall(r"sha256:(\w+)", old)) if old.startswith(f"{pin} ") else set()
    with tempfile.TemporaryDirectory() as folder:
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--dest", folder]
        pip = [sys.executable, "-m", "pip", "download", *options, pin]
        if subprocess.run(pip, check=False, stderr=subprocess.DEVNULL).returncode == 0:
            (wheel,) = Path(folder).iterdir()
            hashes.add(hashlib.sha256(wheel.read_bytes()).hexdigest())
    return " \\\n    --hash=sha256:".join([pin, *sorted(hashes)]) + "\n" if hashes else ""


def pins_of(part: str) -> str:
    """The pins of a file of this folder without its comments on top; nothing if there is none."""
    path = FOLDER / f"{part}.txt"
    return "".join(split(path.read_text(encoding="utf-8"))) if path.exists() else ""


def write(path: Path, pins: str) -> None:
    """A file with its header."""
    path.write_text(HEADER + pins, encoding="utf-8")


if __name__ == "__main__":
    main()
