"""Every route in every setting: the same ticket, parity, speed and memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from gslt.comparison.config import CompareConfig
from gslt.comparison.graphs import block_model
from gslt.comparison.memory import Meter, measure_memory, save_graph
from gslt.comparison.picture import picture
from gslt.comparison.reference import parity
from gslt.comparison.report import tables
from gslt.comparison.routes import Route, SourceNetwork, find_routes
from gslt.comparison.speed import time_layers, time_searches
from gslt.config import SearchConfig
from gslt.data import NodeDataset, as_dataset
from gslt.environment import environment
from gslt.errors import GsltError
from gslt.files import OutputFolder, plain
from gslt.progress import progress_bar
from gslt.report.figures import save_figure
from gslt.training.search import check_runnable

#: What a comparison's folder is called, and its files: for programs, tables, the picture.
KIND = "comparison"
FILES = ("comparison.json", "comparison.md", "comparison.png")


def compare_backends(
    config: CompareConfig,
    out: Path,
    *,
    dataset: Any = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Compare the routes; write ``comparison.json``, ``.md`` (tables) and ``.png`` into ``out``.

    Args:
        config: settings, sizes and how often.
        out: output folder, which is empty, not there yet, or of an earlier comparison.
        dataset: a graph to take in the place of the synthetic ones, or whatever
            :func:`gslt.as_dataset` takes.
        progress: show a bar on a terminal.

    Returns:
        The content of ``comparison.json``: ``settings`` (a list, each with ``routes`` by name),
        ``absent`` (routes that need a package, and the reason), ``same_ticket`` and ``agree``
        (whether all routes did), ``config``, ``environment``, ``graphs``. Times are seconds,
        memory bytes, shares fractions.

    Raises:
        ConfigError: if the device is not here.
        RunError: if the folder holds anything else, see :class:`gslt.files.OutputFolder`.
        GsltError: if every route failed.
    """
    check_runnable(config.searches[0])
    routes, absent = find_routes()
    folder = OutputFolder(out, KIND)
    for name in FILES:
        folder.check(name)
    own = dataset is not None
    graphs = [as_dataset(dataset)] if own else (block_model(n, config.seed) for n in config.nodes)
    number = len(config.searches) * (1 if own else len(config.nodes))
    settings: list[dict[str, Any]] = []
    facts = []
    steps = number * (config.epochs + len(routes) * config.memory + 2)
    with progress_bar(total=steps, desc="compared", unit="step", show=progress) as bar:
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
    values, text, drawing = FILES
    folder.write_json(values, plain(result))
    folder.write_text(text, tables(result))
    save_figure(picture(result), drawing, folder)
    return result


def _on_graph(
    dataset: NodeDataset, config: CompareConfig, routes: Mapping[str, Route], bar: Any
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
            memory, failed = {}, {}
            for name in routes if config.memory else ():
                if Meter.works(torch.device(search.device)):
                    try:
                        memory[name] = measure_memory(name, file, search)
                    except GsltError as error:
                        failed[name] = str(error)
                bar.update()
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


def _compared(
    dataset: NodeDataset,
    config: SearchConfig,
    routes: Mapping[str, Route],
    memory: Mapping[str, Any],
    repeats: int,
    bar: Any,
) -> dict[str, Any]:
    """Everything but memory of one setting."""
    if not routes:
        return {"routes": {}}

    def build(name: str, dtype: torch.dtype = torch.float32) -> SourceNetwork:
        return SourceNetwork(routes[name], dataset, config, dtype)

    differences = parity(build, list(routes), dataset)
    bar.update()
    networks = [build(name) for name in routes]
    fingerprints = {network.name: network.fingerprints() for network in networks}
    layers = time_layers(networks, repeats)
    bar.update()
    searches = time_searches(networks, dataset, config, bar.update)
    first = networks[0]
    return {
        "weights": sum(weight.counts.total for weight in first.weights),
        "searched": sum(weight.counts.searched for weight in first.weights),
        "fingerprints": fingerprints[first.name],
        "routes": {
            name: {
                "same_ticket": own == fingerprints[first.name],
                "fingerprints": own,
                "parity": differences[name],
                **searches[name],
                "layers": layers[name],
                "memory": memory.get(name),
            }
            for name, own in fingerprints.items()
        },
    }
