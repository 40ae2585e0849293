"""The measures of networks, one after another: of every layer and, where asked for, every step."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch
from tqdm import tqdm

from gslt.backends import get_backend
from gslt.data import NodeDataset
from gslt.diagnostics import MEASURES, PROBE, as_topology, probe
from gslt.errors import ConfigError, DataError, RunError, TicketError
from gslt.files import plain
from gslt.nn.gnn import GNN
from gslt.oversmoothing.inputs import Say
from gslt.oversmoothing.measurement import OF_LOG_QUOTIENT, Measurement
from gslt.oversmoothing.networks import Network
from gslt.studies.smoothness import Profile
from gslt.training.loop import Inputs


class Graph:
    """A data set made ready, once for all networks that are measured on it."""

    def __init__(self, dataset: NodeDataset) -> None:
        self.dataset = dataset
        self.inputs = Inputs(get_backend("pyg"), dataset).of("float32")
        self.topology = as_topology(dataset)
        self.facts: dict[str, Any] = dict(dataset.info())


def measure_all(
    networks: Sequence[Network],
    measures: Collection[str],
    *,
    steps: bool,
    load: Callable[[Network], NodeDataset],
    say: Say,
    progress: bool,
) -> list[Measurement]:
    """The measures of every network; one that cannot be measured is said and left out.

    Args:
        networks: what to measure; a profile in a record is taken from there where that serves.
        measures: names of measures; what the log of the centred quotient needs is added.
        steps: measure after every step too.
        load: the data set of a network.
        say: told what is left out or not in a record, and why.
        progress: show a bar over the networks on a terminal.

    Raises:
        RunError: if nothing is left, with the reason of the first.
    """
    wanted = set(measures)
    if "centred_rayleigh_quotient" in wanted:
        wanted |= set(OF_LOG_QUOTIENT)
    ready = lru_cache(maxsize=1)(Graph)
    found: dict[Any, Measurement] = {}
    lost: Counter[str] = Counter()
    with tqdm(total=len(networks), unit="network", disable=None if progress else True) as bar:
        # The networks of one graph together, so that it is made ready once.
        for network in sorted(networks, key=_graph_order):
            bar.set_postfix_str(f"{network.label}, {network.depth} layers, seed {network.seed}")
            try:
                if network.key in found:  # Two arms share it.
                    one = replace(found[network.key], network=network)
                elif (known := _recorded(network, wanted, steps)) is not None:
                    one = known
                else:
                    _check_buildable(network)
                    one = _measured(network, ready(load(network)), wanted, steps)
                found[network.key, network.arm] = found[network.key] = one
            except (ConfigError, DataError, RunError, TicketError) as error:
                lost[str(error)] += 1
            bar.update()
    # The first reason is in the error where there is one.
    for reason, count in list(lost.items())[0 if found else 1 :]:
        say(f"{reason}; {f'{count} networks are' if count > 1 else 'it is'} left out")
    if not found:
        raise RunError(": ".join(["there is nothing to measure", *list(lost)[:1]]))
    measurements = [found[n.key, n.arm] for n in networks if (n.key, n.arm) in found]
    for line in _not_recorded(measurements, wanted, steps):
        say(line)
    return measurements


def _graph_order(network: Network) -> tuple[str, str, str, int]:
    place = network.place
    return place.where, place.name, place.root or "", place.split


def _recorded(network: Network, wanted: set[str], steps: bool) -> Measurement | None:
    """What a record has, where that is all there is or all that is wanted."""
    record = network.record
    if record is None or record.profile is None:
        return None
    if network.build is not None and (steps or not wanted <= set(record.profile)):
        return None
    profile = {name: values for name, values in record.profile.items() if name in wanted}
    if not profile:
        names = ", ".join(name for name in MEASURES if name in wanted)
        raise RunError(f"a record has no {names}, and there is no run folder to measure it in")
    return Measurement(
        network=network,
        graph=record.graph,
        profile=profile,
        test_accuracy=record.measured["test_accuracy"],
        search=_search(network),
        environment=record.environment,
    )


def _not_recorded(
    measurements: Sequence[Measurement], wanted: set[str], steps: bool
) -> Iterator[str]:
    """What was asked for and is not in records whose run folders are not there."""
    alone = [each for each in measurements if each.network.build is None]
    missing = [n for n in MEASURES if n in wanted and any(n not in each.profile for each in alone)]
    missing += ["steps"] if steps and alone else []
    if missing:
        count = f"{len(alone)} networks have" if len(alone) > 1 else "one network has"
        yield f"{count} a record but no run folder, and records have no {', '.join(missing)}"


def _check_buildable(network: Network) -> None:
    if network.build is None:
        raise RunError(
            f"there is no run folder for {network.path!r}, and its record is of its own data set"
        )


def _measured(network: Network, graph: Graph, wanted: set[str], steps: bool) -> Measurement:
    assert network.build is not None
    profile, rows, accuracy = measure_model(network.build(graph.dataset), graph, wanted, steps)
    return Measurement(
        network=network,
        graph=graph.facts,
        profile=profile,
        test_accuracy=accuracy,
        steps=rows,
        search=_search(network),
    )


def measure_model(
    model: GNN, graph: Graph, wanted: Collection[str], steps: bool
) -> tuple[Profile, list[dict[str, Any]], float]:
    """Profile, rows of the steps and test accuracy of a model, from one forward pass."""
    model.eval()
    with (
        torch.no_grad(),
        probe(model, graph.topology, only=wanted, steps=None if steps else ["layer"]) as trace,
    ):
        logits = model(*graph.inputs)
    layers = [plain(reading.smoothness.as_dict()) for reading in trace.layers()]
    names = [name for name in MEASURES if name in wanted]
    profile = {name: [layer[name] for layer in layers] for name in names}
    rows = [plain(row) for row in trace.rows()] if steps else []
    for row in rows:
        del row["call"]
    return profile, rows, graph.dataset.evaluate(logits)["test"]


def _search(network: Network) -> list[dict[str, Any]]:
    """The layers' rows of the network's seed in the probe file of its run, where there is one."""
    if network.run is None or network.untrained or not (network.run / PROBE).is_file():
        return []
    rows: list[Any] = []
    for line in (network.run / PROBE).read_text(encoding="utf-8").splitlines():
        # A line that a killed process left torn.
        with suppress(ValueError):
            rows.append(json.loads(line))
    return [
        plain(row)
        for row in rows
        if isinstance(row, dict) and (row.get("seed"), row.get("step")) == (network.seed, "layer")
    ]
