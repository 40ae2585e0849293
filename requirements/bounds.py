"""`make lowest` and `make newest`: gslt with the versions at the bounds of pyproject.toml.

Installs gslt with the lowest or the newest versions that pyproject.toml allows and that have wheels
here, into a virtual environment of their own, and runs the fast tests there:

    python requirements/bounds.py lowest
    python requirements/bounds.py newest --torch-backend cpu -- tests/ticket

It needs uv beside the Python that runs it (`pip install -r requirements/pins.txt`), and no make.
Every Python of the machine can be asked for by `--python 3.12`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
UV = [sys.executable, "-m", "uv"]
#: Of the packages that are asked for by name, not of what these need in their turn.
RESOLUTION = {"lowest": "lowest-direct", "newest": "highest"}
#: What another version of a package warns of is no fault of gslt's.
PYTEST = ["-m", "pytest", "-m", "not slow", "-W", "ignore::DeprecationWarning", "-W"]
PYTEST += ["ignore::FutureWarning", "-p", "no:cacheprovider"]


def main() -> int:
    """Install, list what was installed, and test; the exit status is pytest's."""
    options = arguments()
    folder = ROOT / ".venv" / "bounds" / f"{options.which}-{options.python}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run([*UV, "venv", "--seed", "--clear", "--python", options.python, str(folder)])
    # An archive of sources may need a compiler, and is not what users get.
    install = [*UV, "pip", "install", "--python", str(python), "--only-binary", ":all:"]
    install += ["--no-binary", "gslt", "--compile-bytecode"]
    install += ["--resolution", RESOLUTION[options.which]]
    if options.torch_backend:
        install += ["--torch-backend", options.torch_backend]
    run([*install, "--editable", f"{ROOT}[test]"])
    run([*UV, "pip", "list", "--python", str(python)])
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [str(python), *PYTEST, *options.tests]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def arguments() -> argparse.Namespace:
    """The command line."""
    about = "Test gslt with the lowest or the newest versions that pyproject.toml allows."
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("which", choices=RESOLUTION)
    default = "{}.{}".format(*sys.version_info)
    parser.add_argument("--python", default=default, help="version or path (default: this one)")
    parser.add_argument(
        "--torch-backend", help="cpu: torch's own build for the CPU, from its index"
    )
    parser.add_argument("tests", nargs="*", default=[], help="for pytest, behind -- (default: all)")
    return parser.parse_args()


def run(command: list[str]) -> None:
    """A command that has to succeed."""
    print("+", *command, flush=True)
    subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    sys.exit(main())
