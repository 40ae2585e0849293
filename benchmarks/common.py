"""What the benchmarks share: options, graphs, child processes, records, pictures."""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

import gslt
from gslt.data import NodeDataset, to_undirected
from gslt.data.synthetic import CLASSES, FEATURES, Counts, node_classes, random_edges
from gslt.environment import environment
from gslt.files import write_json

Values = dict[str, Any]


class RowError(Exception):
    """A row could not be measured; the message says why."""


class AbsentError(RowError):
    """What the row measures is not installed here."""


def options(description: str, plot: bool = True) -> argparse.ArgumentParser:
    """A parser with the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke test of under a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to this file")
    if plot:
        parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the picture (.png)")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser


def commit() -> str:
    """Commit of the working tree, with a mark when it has changes."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    here = Path(__file__).parent
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=here)
    return done.stdout.strip() or "unknown"


def record(**figures: object) -> Values:
    """Figures with what they were measured on."""
    found = environment()
    versions = {**found.pop("versions"), "python": found.pop("python")}  # type: ignore[dict-item]
    hardware = {"memory_bytes": _memory(), **found}
    return {**figures, "commit": commit(), "versions": versions, "hardware": hardware}


def save(path: Path | None, **figures: object) -> None:
    """Write a record, where a file was asked for."""
    if path is not None:
        write_json(path, record(**figures))


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


# Children


def in_child(script: str, values: Values, variables: Mapping[str, str] | None = None) -> Values:
    """Run ``script --child VALUES`` in a fresh interpreter and return what it found.

    Its environment is that of this process, and the given variables.

    Raises:
        AbsentError: if it needs a package that is not installed.
        RowError: if the child fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        command = [sys.executable, script, "--child", json.dumps({**values, "out": str(out)})]
        done = subprocess.run(command, env={**os.environ, **(variables or {})}, check=False)
        if not out.exists():
            raise RowError(f"the process ended with code {done.returncode} before it was done")
        found: Values = json.loads(out.read_text(encoding="utf-8"))
    if "error" in found:
        raise (AbsentError if found["absent"] else RowError)(found["error"])
    return found


def answer(child: str, measure: Callable[[Values], Values]) -> None:
    """In a child: measure, and hand over the figures with the peak memory of the process."""
    values = json.loads(child)
    out = Path(values.pop("out"))
    try:
        found = measure(values)
        found.setdefault("peak_bytes", peak_bytes(values.get("device", "cpu")))
    except Exception as error:
        if not isinstance(error, gslt.GsltError | ImportError | torch.OutOfMemoryError):
            traceback.print_exc()
        absent = isinstance(error, ImportError | gslt.MissingPackageError)
        found = {"error": f"{type(error).__name__}: {error}", "absent": absent}
    write_json(out, found)


def check(failed: Mapping[str, str]) -> None:
    """End with an error if a row failed, once everything else is printed and saved."""
    if failed:
        raise SystemExit("failed: " + "; ".join(f"{row}: {why}" for row, why in failed.items()))


def peak_bytes(device: str) -> int:
    """Largest resident set of this process, or largest allocation on a GPU. Bytes."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated()
    status = Path("/proc/self/status")
    if status.exists():
        # The peak that getrusage tells is that of the parent, where the parent's was higher.
        lines = status.read_text(encoding="utf-8").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def resident_bytes() -> int:
    """Present resident set of this process. Bytes; 0 where the system does not say."""
    path = Path("/proc/self/statm")
    if not path.exists():
        return 0
    return int(path.read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE")


# Graphs


def arxiv_shape(scale: float) -> NodeDataset:
    """A synthetic graph with the counts of OGBN-Arxiv times ``scale``, features of plain noise."""
    counts = Counts.at(scale)
    label = node_classes(counts.nodes, seed=0)
    edges = torch.from_numpy(random_edges(label, counts.edges, seed=0)).t().contiguous()
    rng = np.random.default_rng(0)
    order = torch.from_numpy(rng.permutation(counts.nodes))
    masks = [torch.zeros(counts.nodes, dtype=torch.bool) for _ in range(3)]
    ends = (0, counts.train, counts.train + counts.valid, counts.nodes)
    for mask, (start, end) in zip(masks, pairwise(ends), strict=True):
        mask[order[start:end]] = True
    x = rng.standard_normal((counts.nodes, FEATURES), dtype=np.float32)
    return NodeDataset(
        name=f"OGBN-Arxiv's shape x {scale:g} (synthetic)",
        x=torch.from_numpy(x),
        edge_index=to_undirected(edges, counts.nodes),
        y=torch.from_numpy(label),
        train_mask=masks[0],
        val_mask=masks[1],
        test_mask=masks[2],
        num_classes=CLASSES,
        synthetic=True,
        source="generated by gslt's block model; random features",
    )


def describe(dataset: NodeDataset) -> Values:
    """A graph in a record."""
    return {
        "name": dataset.name,
        "synthetic": dataset.synthetic,
        "nodes": dataset.num_nodes,
        "directed_edges": dataset.num_edges,
        "features": dataset.num_features,
        "classes": dataset.num_classes,
    }
