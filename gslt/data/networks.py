"""Graphs as texts that NetworkX reads: GraphML, GML and JSON in its node-link layout.

XML comes without a document type: an entity of it could stand for more text than memory holds.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.parsers import expat

from gslt.environment import import_quietly
from gslt.errors import DataError, MissingPackageError
from gslt.files import json_values, read_bytes, reading

CURE = "write it again with NetworkX"
#: Elements of GraphML lie so deep in one another at most.
_DEEPEST = 64


def read_network(path: Path) -> Any:
    """The NetworkX graph of a file, its nodes in their order there.

    Args:
        path: a file that ends in ``.graphml``, ``.gml`` or ``.json``.

    Raises:
        DataError: if it is damaged, has a document type, or an edge of a node that it does not
            list.
        MissingPackageError: if NetworkX is not installed.
    """
    try:
        nx = import_quietly("networkx")
    except ImportError as error:
        raise MissingPackageError("networkx", f"reading {path.name}", "networkx") from error
    parse, what = PARSERS[path.suffix.lower()]
    with reading(path, DataError, what, CURE):
        graph, listed = parse(nx, read_bytes(path))
        if len(graph) < listed:
            raise ValueError(
                f"it lists {listed} nodes and only {len(graph)} different ids; name every node once"
            )
        if len(graph) != listed:
            more = next(node for node, given in graph.nodes(data=True) if not given)
            raise ValueError(
                f"it lists {listed} nodes, and its edges and nodes name {len(graph)}, such as "
                f"{more!r}"
            )
        return graph


def _graphml(nx: Any, data: bytes) -> tuple[Any, int]:
    listed = _count_nodes(data)
    return nx.read_graphml(io.BytesIO(data)), listed


def _count_nodes(data: bytes) -> int:
    """How many nodes an XML text lists; refused where it defines entities or is very deep."""
    count, depth = 0, 0

    def start(name: str, _: dict[str, str]) -> None:
        nonlocal count, depth
        depth += 1
        count += name.rpartition(":")[2] == "node"
        if depth > _DEEPEST:
            raise ValueError(f"its elements lie more than {_DEEPEST} deep")

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    def refuse(*_: Any) -> None:
        raise ValueError("it has a document type (<!DOCTYPE), which GraphML needs none of")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise ValueError(f"it is no XML ({error})") from error
    return count


#: A comment, a text, a bracket, or a name or number as far as it goes.
_GML_TOKEN = re.compile(r'#[^\n]*|"[^"]*"|[\[\]]|[^\s\[\]"#]+')
_GML_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+|INF))([Ee][+-]?\d+)?")


def _gml(nx: Any, data: bytes) -> tuple[Any, int]:
    text = _GML_TOKEN.sub(_gml_token, data.decode("utf-8"))
    # Nodes are known by their number, so that a label stays an attribute like others.
    graph = nx.parse_gml(text.splitlines(), label="id")
    return graph, len(graph)


def _gml_token(found: re.Match[str]) -> str:
    """A token as NetworkX reads it: of ``1e-5`` it makes 1 and an attribute named e."""
    token = found[0]
    if token[0] in '#"[]' or re.fullmatch("[A-Za-z][0-9A-Za-z_]*", token):
        return token
    number = _GML_NUMBER.fullmatch(token)
    if number is None:
        raise ValueError(f"{token[:50]!r} is neither a name nor a number")
    is_whole = "." not in number[1] and "INF" not in number[1]
    return f"{number[1]}.{number[2]}" if number[2] and is_whole else token


def _json(nx: Any, data: bytes) -> tuple[Any, int]:
    values = json_values(data)
    if not isinstance(values, dict) or not isinstance(values.get("nodes"), list):
        raise ValueError("it has no list of nodes")
    links = [name for name in ("links", "edges") if name in values]
    if len(links) != 1:
        raise ValueError("it must have one list of edges, named links or edges")
    return nx.node_link_graph(values, edges=links[0]), len(values["nodes"])


#: By the ending of the file's name: gives graph and number of listed nodes, and what it reads.
PARSERS: dict[str, tuple[Callable[[Any, bytes], tuple[Any, int]], str]] = {
    ".graphml": (_graphml, "a GraphML file"),
    ".gml": (_gml, "a GML file"),
    ".json": (_json, "a JSON file of the node-link layout"),
}
