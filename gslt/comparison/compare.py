"""The same ticket on PyG's own layers, on gslt with PyG and on gslt with DGL, side by side.

Every setting (architecture, width, graph) makes one frozen source network on every route: the same
random weights, freezing pattern and scores, so the same masks and effective weights, bit for bit.
What differs is who sums the neighbours: PyG with a message per edge of a plain ``edge_index``, or
gslt by sparse products, on PyG's or on DGL's kernels. PyG's route takes torch's products and norms
too; selection of the masks, optimizer and loop are the same everywhere.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from gslt.comparison.config import CompareConfig
from gslt.comparison.figures import plot_comparison
from gslt.comparison.graphs import block_model
from gslt.comparison.layers import time_layers
from gslt.comparison.memory import Meter, measure_memory, save_graph
from gslt.comparison.parity import parity
from gslt.comparison.routes import Candidate, Route, find_routes
from gslt.comparison.speed import race
from gslt.comparison.tables import tables
from gslt.config import SearchConfig
from gslt.data import NodeDataset
from gslt.environment import environment
from gslt.errors import GsltError
from gslt.files import write_json, write_text
from gslt.training.search import check_runnable

__all__ = ["CompareConfig", "compare_backends"]


def compare_backends(
    config: CompareConfig,
    out: Path,
    *,
    dataset: NodeDataset | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Compare the routes; write ``comparison.json``, ``.md`` (tables) and ``.png`` into ``out``.

    Args:
        config: settings, sizes and how often.
        out: output folder; files of these names in it are replaced.
        dataset: a graph to take in the place of the synthetic ones.
        progress: show a bar on a terminal.

    Returns:
        The content of ``comparison.json``: ``settings`` (a list, each with ``routes`` by name),
        ``absent`` (routes that need a package, and the reason), ``same_ticket`` and ``agree``
        (whether all routes did), ``config``, ``environment``, ``graphs``. Times are seconds,
        memory bytes, shares fractions.

    Raises:
        ConfigError: if the device is not here.
        GsltError: if every route failed.
    """
    check_runnable(config.searches[0])
    routes, absent = find_routes()
    graphs = [dataset] if dataset else (block_model(nodes, config.seed) for nodes in config.nodes)
    number = len(config.searches) * (1 if dataset else len(config.nodes))
    settings: list[dict[str, Any]] = []
    facts = []
    steps = number * (config.epochs + len(routes) * config.memory + 2)
    with tqdm(total=steps, unit="step", disable=None if progress else True) as bar:
        for graph in graphs:
            facts.append(graph.info())
            settings += _on_graph(graph, config, routes, bar)
    found = [entry for setting in settings for entry in setting["routes"].values()]
    if not found:
        raise GsltError("no route was measured: " + "; ".join(settings[0]["failed"].values()))
    result = {
        "config": asdict(config),
        "environment": environment(),
        "graphs": facts,
        "routes": list(routes),
        "absent": absent,
        "same_ticket": all(entry["same_ticket"] for entry in found),
        "agree": all(p["agrees"] for entry in found for p in entry["parity"].values()),
        "settings": settings,
    }
    write_json(out / "comparison.json", result)
    write_text(out / "comparison.md", tables(result))
    plot_comparison(result, out / "comparison.png")
    return result


def _on_graph(
    dataset: NodeDataset, config: CompareConfig, routes: dict[str, Route], bar: Any
) -> Iterator[dict[str, Any]]:
    """Every setting on one graph."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "graph.pt"
        save_graph(dataset, file)
        placed = dataset.to(config.device)
        for search in config.searches:
            bar.set_description(
                f"{search.architecture} {search.hidden_channels}, {dataset.num_nodes:,} nodes"
            )
            memory, failed = _memory(file, search, list(routes), config.memory, bar)
            left = {name: route for name, route in routes.items() if name not in failed}
            yield {
                "architecture": search.architecture,
                "hidden_channels": search.hidden_channels,
                "graph": dataset.name,
                "nodes": dataset.num_nodes,
                "edges": dataset.num_edges,
                "failed": failed,
                **_compared(placed, search, left, memory, config.repeats, bar),
            }


def _memory(
    file: Path, search: SearchConfig, names: list[str], wanted: bool, bar: Any
) -> tuple[dict[str, Any], dict[str, str]]:
    """Memory of every route, and the routes that did not live through it."""
    found, failed = {}, {}
    for name in names if wanted else ():
        if Meter.works(torch.device(search.device)):
            try:
                found[name] = measure_memory(name, file, search)
            except GsltError as error:
                failed[name] = str(error)
        bar.update()
    return found, failed


def _compared(
    dataset: NodeDataset,
    search: SearchConfig,
    routes: dict[str, Route],
    memory: dict[str, Any],
    repeats: int,
    bar: Any,
) -> dict[str, Any]:
    """Everything but memory of one setting."""
    if not routes:
        return {"routes": {}}

    def build(name: str, dtype: torch.dtype = torch.float32) -> Candidate:
        return Candidate(routes[name], dataset, search, dtype)

    names = list(routes)
    differences = parity(build, names, dataset)
    bar.update()
    candidates = [build(name) for name in names]
    prints = [candidate.fingerprints() for candidate in candidates]
    layers = time_layers(candidates, repeats)
    bar.update()
    raced = race(candidates, dataset, search, bar.update)
    return {
        "weights": sum(weight.counts.total for weight in candidates[0].weights),
        "searched": sum(weight.counts.searched for weight in candidates[0].weights),
        "fingerprints": prints[0],
        "routes": {
            name: {
                "same_ticket": own == prints[0],
                "fingerprints": own,
                "parity": differences[name],
                **raced[name],
                "layers": layers[name],
                "memory": memory.get(name),
            }
            for name, own in zip(names, prints, strict=True)
        },
    }
