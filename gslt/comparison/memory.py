"""How much memory a route takes: a search and its layers, in a process of their own.

    python -m gslt.comparison.memory VALUES.json

On Linux it is the resident set, whose peak the kernel keeps and forgets on request; on a GPU what
torch has allocated. The C library is told to give every large piece back when it is freed, so that
what one layer left does not hide what the next one takes. Elsewhere nothing is measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from gslt.comparison.config import LEAST_NODES
from gslt.comparison.graphs import block_model
from gslt.comparison.routes import ROUTES, Route, SourceNetwork
from gslt.comparison.speed import LayerCall, RouteSearch, own_memory
from gslt.config import SearchConfig
from gslt.data import NodeDataset
from gslt.errors import GsltError
from gslt.files import write_json
from gslt.settings import build

#: Epochs of which the peak is taken: the first builds what is kept.
EPOCHS = 3
#: Bytes from which glibc maps memory, and returns it when it is freed.
_MAPPED = 1 << 17
_STATUS, _FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Meter:
    """Peak memory above what was held when it was made or last set to zero.

    Args:
        device: whose memory.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.zero()

    @staticmethod
    def works(device: torch.device) -> bool:
        """Whether this system says how much memory a process had at most.

        Args:
            device: whose memory.
        """
        return device.type == "cuda" or (_STATUS.exists() and os.access(_FORGET, os.W_OK))

    def zero(self) -> None:
        """Begin anew, from what is held now."""
        self.forget()
        self.held = self._read("VmRSS")

    def forget(self) -> None:
        """Forget the peak, not where it is measured from."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            _FORGET.write_text("5", encoding="ascii")

    def peak(self) -> int:
        """Bytes."""
        return max(0, self._read("VmHWM") - self.held)

    def _read(self, name: str) -> int:
        if self.device.type == "cuda":
            if name == "VmHWM":
                return torch.cuda.max_memory_allocated(self.device)
            return torch.cuda.memory_allocated(self.device)
        lines = _STATUS.read_text(encoding="utf-8").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


def save_graph(dataset: NodeDataset, path: Path) -> None:
    """Write what :func:`measure_memory` reads; the evaluator of a benchmark stays behind.

    Args:
        dataset: the graph.
        path: of the file.
    """
    torch.save({**vars(dataset), "evaluator": None}, path)


def measure_memory(route: str, graph: Path, config: SearchConfig) -> dict[str, Any]:
    """Peak memory of a search on a route, in a new process.

    Args:
        route: its name.
        graph: file of :func:`save_graph`.
        config: of the search.

    Returns:
        Bytes: ``held`` before the search (libraries and data), ``peak`` of the search above that,
        graph and model included; ``layers``: peaks of each layer's ``forward`` and ``backward``
        above what was held before its forward.

    Raises:
        GsltError: if the process ended before it was done, as when memory is full.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder) / "given.json", Path(folder) / "found.json"
        write_json(
            given, {"route": route, "graph": str(graph), "config": asdict(config), "out": str(out)}
        )
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", __name__, str(given)],
            env={**os.environ, "MALLOC_MMAP_THRESHOLD_": str(_MAPPED)},
            capture_output=True,
            text=True,
            check=False,
        )
        if not out.exists():
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise GsltError(
                f"the process that measures {route} ended with status {done.returncode}: {last}"
            )
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        return found


def _measure(values: dict[str, Any]) -> dict[str, Any]:
    config = build(SearchConfig, values["config"])
    dataset = NodeDataset(**torch.load(values["graph"], weights_only=True)).to(config.device)
    route = ROUTES[values["route"]]()
    # Libraries load when they are first used: a small search first.
    _search(route, block_model(LEAST_NODES).to(config.device), config)
    meter = Meter(dataset.x.device)
    held = meter.held
    network = _search(route, dataset, config)
    peak = meter.peak()
    layers = []
    for number in range(config.num_layers):
        call = LayerCall(network, number)
        call.backward(call.forward())
        with own_memory(route) as run:
            layers.append(run(_layer_peaks, call, meter))
    return {"held": held, "peak": peak, "layers": layers}


def _search(route: Route, dataset: NodeDataset, config: SearchConfig) -> SourceNetwork:
    network = SourceNetwork(route, dataset, config)
    with own_memory(route) as run:
        search = RouteSearch(network, dataset, config, run)
        for _ in range(EPOCHS):
            search.epoch()
    return network


def _layer_peaks(call: LayerCall, meter: Meter) -> dict[str, int]:
    meter.zero()
    out = call.forward()
    forward = meter.peak()
    meter.forget()
    call.backward(out)
    return {"forward": forward, "backward": meter.peak()}


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    write_json(Path(given["out"]), _measure(given))
