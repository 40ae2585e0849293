"""Command lines and environments that nobody would type: what the commands make of them.

    python benchmarks/commands.py [--lines 400] [--seed 0] [--json FILE]

Each line is a command with options and values drawn at random, many of them wrong (numbers that are
none, paths to pipes, folders and bombs, control characters, other people's folders), in an
environment that may be wrong too (limits, locales, folders that are not there, a closed or full
standard output, little memory). It runs in a fork of its own, in a folder that holds files of a
user's. A line must end with status 0, 2, or 128 + a signal, without a traceback, within a minute,
and leave the user's files as they are. Data: a small synthetic graph.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import common
import numpy as np
import torch
from common import Values
from jsonargparse import ArgumentParser
from tqdm import tqdm

from gslt.cli import build_parser, main
from gslt.cli.main import COMMANDS

#: Seconds that a line may take, and address space that it may have.
PATIENCE, MEMORY = 60, 12 << 30
#: What keeps a line that is right short.
SHORT = {
    "search": ["--epochs", "2", "--hidden_channels", "4", "--num_layers", "2"],
    "compare": ["--epochs", "1", "--hidden_channels", "4", "--seeds", "1"],
    "demo": ["--epochs", "1", "--hidden_channels", "4", "--seeds", "1"],
    "compare-backends": ["--epochs", "2", "--hidden_channels", "4"],
    "smooth": ["--untrained", "--hidden_channels", "4", "--num_layers", "2"],
    "conjecture": ["--report_only"],
}
SHORT["train"] = SHORT["search"]
NUMBERS = ["0", "-1", "1", "0.5", "1e999", "nan", "-inf", "1e-400", "true", "null", "2" * 30, "٣"]
WORDS = [
    "",
    " ",
    "a" * 5000,
    "cora",
    "\x1b[2J",
    "‮x",
    "é",
    "'",
    "[1,2]",
    "{a: 1}",
    "../..",
    "-",
    "--",
]
PATHS = ["tiny.npz", "ticket.safetensors", "run", "study", "thesis", "pipe", "none", "bomb.yaml"]
PATHS += ["loop", "/dev/null", "thesis/chapter.tex", "s.yaml", "twice.yaml", "n" * 300, ".", "/"]
VARIABLES: dict[str, list[str]] = {
    "GSLT_DATA": ["none", "pipe", "tiny.npz", ""],
    "GSLT_LIMITS": ["weights=10", "x", "seeds=", "cells=1"],
    "HOME": ["/nonexistent", "pipe"],
    "TMPDIR": ["/nonexistent"],
    "COLUMNS": ["1", "x", "-3", "100000"],
    "MPLBACKEND": ["agg", "none-such"],
    "MLFLOW_TRACKING_URI": ["http://127.0.0.1:9", "nonsense://x", "file:///proc/none"],
    "LC_ALL": ["C", "de_DE.UTF-8", "none"],
    "NO_COLOR": ["1"],
    "SOURCE_DATE_EPOCH": ["x", "0"],
}
STUDY = """name: s
seeds: 1
settings: {dataset: tiny.npz, epochs: 2, hidden_channels: 4, num_layers: 2}
arms: {a: {}, b: {lr: 0.1}}
"""


def write_graph(path: Path) -> None:
    """A synthetic graph of 60 nodes in the layout of the heterophilous-graphs benchmark."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    splits = {f"{n}_masks": (np.arange(60) % 4 == k)[None] for k, n in enumerate(["val", "test"])}
    np.savez(
        path,
        node_features=rng.normal(size=(60, 5)).astype(np.float32),
        node_labels=labels,
        edges=rng.integers(0, 60, (150, 2)),
        train_masks=(np.arange(60) % 4 > 1)[None],
        **splits,
    )


def furnish(folder: Path) -> None:
    """A folder with a graph, a ticket, a run, a study, a bomb, and files of a user's."""
    write_graph(folder / "tiny.npz")
    (folder / "s.yaml").write_text(STUDY)
    (folder / "twice.yaml").write_text(STUDY + "seeds: 2\n")
    lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    for old, new in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]")
    (folder / "bomb.yaml").write_text("\n".join(lines))
    (folder / "thesis" / "figures").mkdir(parents=True)
    for name in ("chapter.tex", ".env.local", "report.html", "smooth.csv", "summary.json"):
        (folder / "thesis" / name).write_text("mine")
    (folder / "thesis" / "figures" / "depth.png").write_text("mine")
    (folder / ".gitlab-ci.yml").write_text("mine")
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to("loop")
    here = Path.cwd()
    os.chdir(folder)
    try:
        for line in (
            ["search", "--dataset", "tiny.npz", *SHORT["search"], "--out", "run"],
            ["study", "run", "--study", "s.yaml", "--out", "study"],
        ):
            if status := main(line):
                raise SystemExit(f"gslt {' '.join(line)}: status {status}")
    finally:
        os.chdir(here)
    shutil.copy(folder / "run" / "ticket.safetensors", folder)


def seen(folder: Path) -> dict[str, str]:
    """Everything that is a user's, with its content."""
    given = [folder / "thesis", folder / ".gitlab-ci.yml", folder / "tiny.npz", folder / "s.yaml"]
    files = [p for top in given for p in ([top] if top.is_file() else sorted(top.rglob("*")))]
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in files
        if p.is_file()
    }


def _parser_of(name: str) -> ArgumentParser:
    parser: Any = build_parser()
    for word in name.split():
        parser = next(a for a in parser._actions if a.dest in ("command", "action")).choices[word]
    return parser  # type: ignore[no-any-return]


def lines(count: int, rng: random.Random) -> list[list[str]]:
    """Command lines: options and values of the commands, mixed with nonsense."""
    names = sorted(COMMANDS)
    actions = {
        name: [a for a in _parser_of(name)._actions if "--help" not in a.option_strings]
        for name in names
    }
    rare = {name: 1.5 / len(actions[name]) for name in names}
    made = []
    for number in range(count):
        name = names[number % len(names)]
        line = [*name.split(), *SHORT.get(name, [])]
        for action in actions[name]:
            if not action.option_strings:
                if rng.random() < 0.9:
                    line.append(rng.choice(PATHS))
                continue
            # A cluster is not started here, and most options of a line are left as they are.
            if action.dest in ("executor", "address", "workers") or rng.random() > rare[name]:
                continue
            line.append(rng.choice(action.option_strings))
            if action.nargs != 0:
                usual = f"--{action.dest}" in SHORT.get(name, []) or action.default is None
                right = PATHS if usual else [str(action.default)]
                line.append(rng.choice(rng.choice([NUMBERS, WORDS, PATHS, right, right])))
        flags = {flag for action in actions[name] for flag in action.option_strings}
        # The file of a study says itself what data it is of.
        if "--dataset" in flags - {*line} and name != "study run":
            line += ["--dataset", "tiny.npz"]
        if name == "study run" and "--study" not in line:
            line += ["--study", rng.choice(["s.yaml", "s.yaml", "twice.yaml", "bomb.yaml", "pipe"])]
        if "--out" in flags - {*line}:
            line += [
                "--out",
                rng.choice(["new", "thesis", ".", "study", "run", "pipe", "tiny.npz"]),
            ]
        made.append([word.replace("\0", "") for word in line])
    return made


def attempt(
    line: list[str], variables: dict[str, str], stdout: str, memory: int, folder: Path
) -> int:
    """In a fork: run a line. The exit status is the process's."""
    os.setsid()
    os.chdir(folder)
    os.environ.update(variables)
    handle = os.open(folder.parent / "said", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(handle, 2)
    if stdout == "closed pipe":
        read, write = os.pipe()
        os.close(read)
        handle = write
    elif stdout == "full disk":
        handle = os.open("/dev/full", os.O_WRONLY)
    os.dup2(handle, 1)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    torch.set_num_threads(1)
    try:
        status = main(line)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 2
    except BaseException:
        import traceback

        traceback.print_exc()
        status = 99
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def judge(count: int, rng: random.Random, folder: Path) -> Values:
    """Every line in a folder that is furnished anew when a line has changed it."""
    context: Any = multiprocessing.get_context("fork")
    template, place = folder / "template", folder / "here" / "user"
    template.mkdir()
    in_process = context.Process(target=furnish, args=(template,))
    in_process.start()
    in_process.join()
    if in_process.exitcode:
        raise SystemExit("the folder could not be furnished")
    expected = seen(template)
    tally: Counter[str] = Counter()
    failures = []
    slowest = 0.0
    for line in tqdm(lines(count, rng), desc="command lines", disable=None):
        shutil.rmtree(place.parent, ignore_errors=True)
        place.parent.mkdir()
        shutil.copytree(template, place, symlinks=True, copy_function=_copy, ignore=_pipes)
        os.mkfifo(place / "pipe")
        variables = {
            name: rng.choice(values) for name, values in VARIABLES.items() if rng.random() < 0.15
        }
        stdout = rng.choices(["file", "closed pipe", "full disk"], [8, 1, 1])[0]
        memory = rng.choice([MEMORY, MEMORY, MEMORY, 6 << 30])
        started = time.perf_counter()
        process = context.Process(target=attempt, args=(line, variables, stdout, memory, place))
        process.start()
        process.join(PATIENCE)
        hung = process.is_alive()
        if hung:
            os.killpg(process.pid, 9)
            process.join()
        slowest = max(slowest, time.perf_counter() - started)
        said = (place.parent / "said").read_text("utf-8", "replace")
        wrong = []
        if hung:
            wrong.append("hung")
        elif "Traceback" in said or process.exitcode == 99:
            wrong.append("traceback")
        elif process.exitcode not in (0, 2, 130):
            wrong.append("status")
        elif process.exitcode == 2 and not said.strip():
            wrong.append("silent")
        # New files in a folder that the line names for data are what it asks for.
        there = seen(place)
        if {name: there.get(name) for name in expected} != expected:
            wrong.append("touched")
        tally["done" if process.exitcode == 0 else "refused"] += not wrong
        tally.update(wrong)
        if wrong:
            shown = {"line": line, "variables": variables, "stdout": stdout, "memory": memory}
            failures.append(
                {**shown, "wrong": wrong, "status": process.exitcode, "said": said[-1500:]}
            )
    names = ("done", "refused", "traceback", "hung", "status", "silent", "touched")
    return {
        "lines": count,
        **{name: tally[name] for name in names},
        "slowest_seconds": slowest,
        "failures": failures,
    }


def _copy(source: str, target: str) -> None:
    shutil.copy2(source, target, follow_symlinks=False)


def _pipes(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if (Path(folder) / name).is_fifo()]


def run() -> None:
    """Try the lines; print, save."""
    parser = common.options(__doc__ or "", plot=False)
    parser.add_argument("--lines", type=int, help="command lines [400; quick: 30]")
    parser.add_argument("--seed", type=int, default=0, help="of every random choice")
    args = parser.parse_args()
    count = args.lines or (30 if args.quick else 400)
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        found = judge(count, random.Random(args.seed), Path(folder))
    print({name: value for name, value in found.items() if name != "failures"})
    for failure in found["failures"][:40]:
        print("\n".join(f"{name}: {value}" for name, value in failure.items()), "\n")
    common.save(args.json, **found, quick=args.quick)
    bad = ("traceback", "hung", "status", "silent", "touched")
    common.check({name: f"{found[name]} lines" for name in bad if found[name]})


if __name__ == "__main__":
    run()
