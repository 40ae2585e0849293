"""Measurements for programs: CSV and JSON in full precision; accuracies are fractions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gslt.environment import environment
from gslt.files import plain
from gslt.oversmoothing.groups import Group, Spread, groups_of
from gslt.oversmoothing.measurement import Measurement
from gslt.studies.report.formats import csv_text


def layers_csv(measurements: Sequence[Measurement]) -> str:
    """A line for every layer of every network."""
    lines = []
    for each in measurements:
        logs = each.log_quotients
        for layer in range(each.network.depth):
            line = {**_facts(each), "layer": layer + 1, "hidden": layer + 1 < each.network.depth}
            more = {"log_quotient": logs[layer]} if logs else {}
            lines.append({**line, **each.row(layer), **more})
    return csv_text(lines)


def _facts(each: Measurement) -> dict[str, Any]:
    network = each.network
    return {
        "dataset": each.dataset,
        "synthetic": bool(each.graph.get("synthetic")),
        "split": network.place.split,
        "arm": network.arm,
        "untrained": network.untrained,
        "num_layers": network.depth,
        "seed": network.seed,
        "test_accuracy": each.test_accuracy,
        "laplacian": each.laplacian,
    }


def as_json(measurements: Sequence[Measurement]) -> dict[str, Any]:
    """Everything that was measured; what is not finite is null, as JSON has no word for it."""
    graphs = {each.dataset: each.graph for each in measurements}
    return {
        "format": 1,
        "environment": environment(),
        "datasets": [{"dataset": dataset, **graph} for dataset, graph in graphs.items()],
        "synthetic": any(graph.get("synthetic") for graph in graphs.values()),
        "networks": [_network(each) for each in measurements],
        "groups": [_group(group) for group in groups_of(measurements)],
    }


def _network(each: Measurement) -> dict[str, Any]:
    return {
        **_facts(each),
        "path": each.network.path,
        "settings": dict(each.network.settings),
        "endpoints": plain(each.endpoints),
        "collapsed": each.endpoints.get("log_quotient") == -math.inf,
        "profile": each.profile,
        "steps": list(each.steps),
        "search": list(each.search),
        # A record was computed on a machine of its own.
        **({} if each.environment is None else {"environment": each.environment}),
    }


def _group(group: Group) -> dict[str, Any]:
    names = ["test_accuracy", *dict.fromkeys(n for m in group.members for n in m.endpoints)]
    columns = {}
    for name in names:
        spread = Spread.of(group.values(name))
        numbers = plain({"mean": spread.mean, "std": spread.std})
        columns[name] = {**numbers, "n": spread.n, "collapsed": spread.collapsed}
    return {
        "dataset": group.dataset,
        "arm": group.label,
        "num_layers": group.depth,
        "seeds": [member.network.seed for member in group.members],
        **columns,
    }
