"""Where the numbers of a record come from, in words: its graph, its machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gslt.studies.records import Record


def shown_name(name: str, graph: Mapping[str, Any]) -> str:
    """Name of a graph, with the word synthetic where its facts say so."""
    unsaid = graph.get("synthetic") and "synthetic" not in name.lower()
    return f"{name} (synthetic)" if unsaid else name


def graph_name(record: Record) -> str:
    """Name of the graph of a record, with the word synthetic where it is."""
    return shown_name(str(record.graph.get("name", record.spec.dataset)), record.graph)


def graph_text(record: Record) -> str:
    """Name and size of a graph."""
    facts = record.graph
    counts = {"nodes": "nodes", "edges": "directed edges", "features": "features"}
    known = (f"{facts[key]:,} {word}" for key, word in counts.items() if key in facts)
    return ": ".join([graph_name(record), ", ".join(known)])


def hardware(records: Iterable[Record]) -> list[str]:
    """The different machines and versions of records, in words."""
    return list(dict.fromkeys(_machine(record.environment) for record in records))


def _machine(environment: Mapping[str, Any]) -> str:
    parts = [str(environment.get("processor") or ""), str(environment.get("system", "unknown"))]
    for name, one in (("cores", "core"), ("threads", "thread")):
        if number := environment.get(name):
            parts.append(f"{number} {one if number == 1 else name}")
    if gpu := environment.get("gpu"):
        parts.append(f"GPU {gpu}")
    versions = environment.get("versions") or {}
    parts += [f"{name} {number}" for name, number in versions.items() if number != "not installed"]
    return ", ".join(part for part in parts if part)
