"""Files that somebody else may have written: read within limits, every fault one sentence.

Nothing that is read here is executed. Whoever reads a file does so within :func:`reading`, and
takes its values through :func:`parse`.
"""

from __future__ import annotations

import json
import math
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import msgspec
import yaml

from gslt.environment import check_limit
from gslt.errors import GsltError, RunError

T = TypeVar("T")


@contextmanager
def reading(
    path: str | Path, kind: type[GsltError] = RunError, what: str = "", cure: str = ""
) -> Iterator[None]:
    """Within, whatever goes wrong is an error about this file.

    Errors of gslt pass as they are, and warnings that were made errors.

    >>> with reading("a.json", what="a record"):
    ...     {}["run"]
    Traceback (most recent call last):
    gslt.errors.RunError: 'a.json' is damaged or no record: KeyError: 'run'

    Args:
        path: of the file.
        kind: of the error.
        what: the file should be, with its article.
        cure: what the user can do, the end of the sentence.

    Raises:
        GsltError: of this kind; the sentence names the file.
    """
    try:
        yield
    except (GsltError, Warning):
        raise
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise kind(f"{str(path)!r} cannot be read: {reason}{_end(cure)}") from error
    except Exception as error:
        # A damaged file may break any rule that a sound one keeps.
        says = " ".join(str(error).split())[:300]
        clear = says and isinstance(error, ValueError | RuntimeError | yaml.YAMLError)
        reason = says if clear else f"{type(error).__name__}{says and ': '}{says}"
        wrong = f"is damaged or no {what.partition(' ')[2]}" if what else "is damaged"
        raise kind(f"{str(path)!r} {wrong}: {reason}{_end(cure)}") from error


def _end(cure: str) -> str:
    return f"; {cure}" if cure else ""


def read_bytes(path: str | Path, *, limit: str = "file_bytes") -> bytes:
    """The whole content of a regular file of no more than the limit.

    Args:
        path: of the file.
        limit: field of :class:`gslt.environment.Limits`.

    Raises:
        OSError: as opening it does.
        ValueError: if it is no regular file.
        ConfigError: if it is larger than the limit.
    """
    with open_regular(path, limit=limit) as (file, size):
        return file.read(size + 1)


@contextmanager
def open_regular(path: str | Path, *, limit: str = "file_bytes") -> Iterator[tuple[BinaryIO, int]]:
    """A regular file of no more than the limit, open at its beginning, and its size in bytes.

    Args:
        path: of the file.
        limit: field of :class:`gslt.environment.Limits`.

    Raises:
        OSError: as opening it does.
        ValueError: if it is no regular file.
        ConfigError: if it is larger than the limit.
    """
    path = Path(path)
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        # Opening a pipe would wait for a writer, and a device may never end.
        raise ValueError("it is no regular file")
    check_limit(limit, about.st_size, f"{str(path)!r} has")
    with path.open("rb") as file:
        yield file, about.st_size


def read_text(path: str | Path, *, limit: str = "file_bytes") -> str:
    """The text of a UTF-8 file; see :func:`read_bytes`.

    Args:
        path: of the file.
        limit: field of :class:`gslt.environment.Limits`.
    """
    return read_bytes(path, limit=limit).decode("utf-8")


def json_values(text: str | bytes) -> Any:
    """The value of a JSON text, as the standard has it: finite numbers, every key once.

    >>> json_values('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ValueError: the key 'a' is there twice

    Raises:
        ValueError: if it is none.
    """
    return json.loads(
        text, object_pairs_hook=_once, parse_constant=_finite_number, parse_float=_finite_number
    )


def read_json(path: str | Path) -> Any:
    """The value of a JSON file, see :func:`json_values` and :func:`read_bytes`."""
    return json_values(read_bytes(path))


def _finite_number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no finite number")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} is there twice")
    return values


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """PyYAML's safe loader with plain types alone, and numbers such as 1e-3."""


_TAG = "tag:yaml.org,2002:"
#: What JSON has too; ``<<`` merges mappings.
_PLAIN = {f"{_TAG}{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map")}
_PLAIN |= {f"{_TAG}merge"}
# A day is text here, as it is in JSON.
_Loader.yaml_implicit_resolvers = {
    first: [each for each in resolvers if each[0] != f"{_TAG}timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
# PyYAML reads 1e-3 as text; YAML 1.2, and everybody, reads a number.
_Loader.add_implicit_resolver(
    f"{_TAG}float",
    re.compile(
        r"^[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?$"
        r"|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$"
    ),
    list("-+0123456789."),
)


def yaml_values(text: str) -> Any:
    """The value of a YAML text of plain types: every key once, nothing blown up by aliases.

    >>> yaml_values("{lr: 1e-3, seeds: [1, 2]}")
    {'lr': 0.001, 'seeds': [1, 2]}
    >>> yaml_values("{lr: 1, lr: 2}")
    Traceback (most recent call last):
    ValueError: line 1: the key 'lr' is there twice

    Raises:
        ValueError: if it is none, a key is there twice, or something holds itself.
        ConfigError: if it stands for more values than the limit.
    """
    check_limit("yaml_bytes", len(text.encode(errors="replace")), "a YAML text has")
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        check_limit("yaml_values", _weigh(node, {}), "a YAML text stands for")
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(f"{place}{error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        raise ValueError(f"character {error.position + 1}: {error.reason}") from error
    finally:
        if loader is not None:
            loader.dispose()


def read_yaml(path: str | Path) -> Any:
    """The value of a YAML file, see :func:`yaml_values` and :func:`read_bytes`."""
    return yaml_values(read_text(path, limit="yaml_bytes"))


def _weigh(node: Any, known: dict[int, int]) -> int:
    """How many values a node stands for, where each alias counts as what it points to."""
    if id(node) in known:
        if known[id(node)] == 0:
            raise ValueError(f"line {node.start_mark.line + 1}: a value holds itself")
        return known[id(node)]
    known[id(node)] = 0
    if node.tag not in _PLAIN:
        raise ValueError(f"line {node.start_mark.line + 1}: {node.tag!r} is no plain type")
    if isinstance(node, yaml.MappingNode):
        _check_keys(node)
        parts = [part for pair in node.value for part in pair]
    else:
        parts = node.value if isinstance(node, yaml.SequenceNode) else []
    known[id(node)] = 1 + sum(_weigh(part, known) for part in parts)
    return known[id(node)]


def _check_keys(node: yaml.MappingNode) -> None:
    seen = set()
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise ValueError(f"line {line}: a key is no text")
        if (key.tag, key.value) in seen:
            raise ValueError(f"line {line}: the key {key.value!r} is there twice")
        seen.add((key.tag, key.value))


def parse(kind: type[T], values: Any) -> T:
    """Stored values as an instance of an annotated class, every type and range checked.

    A whole number is a number, and nothing else is taken for what it is not: no text for a number,
    no number for a truth value.

    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Point:
    ...     x: float
    >>> parse(Point, {"x": 1})
    Point(x=1.0)
    >>> parse(Point, {"x": "1"})
    Traceback (most recent call last):
    ValueError: Expected `float`, got `str` - at `$.x`

    Args:
        kind: a dataclass, a typed dict, or any type that :mod:`msgspec` knows.
        values: plain values, as JSON and YAML give them.

    Raises:
        ValueError: naming the field.
    """
    try:
        return msgspec.convert(values, kind, strict=True)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
