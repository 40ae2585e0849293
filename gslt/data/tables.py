"""A graph as two tables, one of nodes and one of edges: CSV, TSV or Parquet.

A folder holds ``nodes.csv`` and ``edges.csv`` (or ``.tsv``, ``.parquet``), each with a header line.
Of the table of nodes, ``id`` names the nodes, ``label`` their classes, ``split`` their part
(``train``, ``val``, ``test``), and every other column is a feature. Of the table of edges,
``source`` and ``target`` name nodes. :data:`COLUMNS` knows other usual words. Each column is used,
or a warning says that it is not, or the table is refused.
"""

from __future__ import annotations

import csv
import importlib
import importlib.util
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gslt.data import roles
from gslt.data.dataset import SPLITS
from gslt.data.options import names_nothing
from gslt.data.parts import Parts, reading_parts
from gslt.environment import check_limit
from gslt.errors import DataError, DataWarning, MissingPackageError, listed, warn
from gslt.files import read_bytes

#: What columns are called, in lower case, by what they hold.
COLUMNS = {
    "id": ("id", "node", "node_id", "nodeid", "name", ""),
    "label": ("label", "labels", "class", "target", "y"),
    "split": ("split", "set", "subset"),
    "source": ("source", "src", "from", "u", "node1", "source_id", "start"),
    "target": ("target", "dst", "to", "v", "node2", "target_id", "end"),
}
_CURE = "see the tables in docs/data.md"
#: Texts that may be a class or no label at all.
_UNCLEAR = ("na", "n/a", "nan", "none", "null")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_INTEGER, _PADDED = re.compile(r"[+-]?[0-9]+", re.ASCII), re.compile(r"[+-]?0[0-9]")
_TRUTH = {"true": True, "false": False}
_NUMBERED_SPLIT = re.compile(r"split[ _-]?([0-9]{1,3})")

#: A table: its columns by name, each a list or an array of one entry a row.
Table = dict[str, Any]


def tables_of(path: Path) -> tuple[Path, Path] | None:
    """The tables of nodes and of edges in a folder, or beside one of both; None without any.

    Args:
        path: a folder, or the path of one of the tables.

    Raises:
        DataError: if one is missing, or is there in several formats.
    """
    folder = path if path.is_dir() else path.parent
    if path != folder and (path.stem.lower() not in _TABLES or path.suffix.lower() not in READERS):
        return None
    found = {
        kind: sorted(
            each
            for each in folder.iterdir()
            if each.stem.lower() == kind and each.suffix.lower() in READERS
        )
        for kind in _TABLES
    }
    if not any(found.values()):
        return None
    for kind, there in found.items():
        if len(there) != 1:
            says = f"is there as {' and '.join(p.name for p in there)}" if there else "is missing"
            raise DataError(
                f"{str(folder)!r}: the table of {kind} {says}; keep one {kind}.csv, {kind}.tsv or "
                f"{kind}.parquet"
            )
    return found["nodes"][0], found["edges"][0]


_TABLES = ("nodes", "edges")


def read_tables(path: Path, x: str | None, y: str | None) -> Parts:
    """The graph of a folder with one table of nodes and one of edges; see the module.

    Without ``id``, edges name the rows of the table of nodes, from 0. Labels are numbers, or texts,
    an empty one being none. The split is a column of words, several of them ``split_0``,
    ``split_1`` …, or the truth values ``train_mask``, ``val_mask`` and ``test_mask`` (``train``,
    ``val`` and ``test``). In a table of edges of two columns, these may have any names.

    Args:
        path: the folder, or one of its tables.
        x: names of the features, with commas between them; None takes every column that is left and
            is not called as an id, a label or a split is.
        y: name of the labels.

    Raises:
        DataError: if a table is damaged, lacks a column, or has one that is not understood; names
            the first wrong row.
        ConfigError: if a table is larger than the limit.
        MissingPackageError: if a table is Parquet, and pyarrow is not installed.
    """
    found = tables_of(path)
    if found is None:
        raise DataError(f"{str(path)!r} holds no nodes.csv and edges.csv; {_CURE}")
    nodes, edges = found
    with reading_parts(nodes, "a table of nodes", _CURE):
        parts, ids = _nodes(_read(nodes), x, y)
    with reading_parts(edges, "a table of edges", _CURE):
        _add_edges(parts, _read(edges), ids, len(parts.node_names))
    return parts


def _read(path: Path) -> Table:
    table = READERS[path.suffix.lower()](path)
    lengths = {len(column) for column in table.values()}
    if not table or lengths == {0}:
        raise DataError("it has no rows")
    return table


# Nodes


def _nodes(table: Table, x: str | None, y: str | None) -> tuple[Parts, dict[str, int] | None]:
    """The graph without its edges, and the row of each node by its id, where there are ids."""
    left = dict(table)
    count = len(next(iter(table.values())))
    id_column = _one_of(table, "id")
    ids = None if id_column is None else _ids(left.pop(id_column), id_column)
    label = _label_column(left, y)
    labels = left.pop(label)
    masks = _split_columns(left)
    told = _no_features(left)
    if x is None:
        names = [name for name in left if name not in told]
    else:
        names = [name.strip() for name in x.split(",")]
    for name in names:
        if name not in left:
            kind = "column that is left for features" if name in table else "column"
            raise names_nothing("x", name, kind, left)
    unused = [name for name in left if name not in names]
    if unused:
        names_of_unused = listed([repr(name) for name in unused])
        warn(
            f"{len(unused)} columns of nodes are not used ({names_of_unused}); remove them, or "
            "name them among the features by x='NAME,NAME'",
            DataWarning,
        )
    parts = Parts(
        x=_features(left, names) if names else None,
        y=_labels(labels, label),
        edge_index=None,
        **masks,
        split_like=[name for name in unused if roles.tells_split(name)],
        node_names=list(range(count)) if ids is None else list(ids),
    )
    if x is None and parts.x is not None and parts.x.shape[1] == len(names):
        _tell_labels(parts.x, names, labels)
    return parts, ids


def _no_features(table: Table) -> list[str]:
    """Columns that are called as ids, labels or splits are, and are none of these here.

    One without a name is the number that pandas gives a row.
    """
    known = {name for kind in ("id", "label", "split") for name in COLUMNS[kind]}
    if _is_drawn(table):
        known -= {"y"}
    return [name for name in table if _lower(name) in known or roles.tells_split(name)]


def _is_drawn(table: Table) -> bool:
    """Whether there are x and y, which say where a node is drawn."""
    return {"x", "y"} <= {_lower(name) for name in table}


def _ids(column: Sequence[Any], name: str) -> dict[str, int]:
    rows: dict[str, int] = {}
    for row, value in enumerate(map(_text, column)):
        if value == "":
            raise DataError(f"row {row + 1} has no {name or 'id'}; name every node")
        if value.lower() in _UNCLEAR:
            warn(
                f"row {row + 1}: the {name or 'id'} {value!r} may be a missing one, and is taken "
                "as a name; rename the node",
                DataWarning,
            )
        if value in rows:
            raise DataError(
                f"the {name or 'id'} {value!r} is in rows {rows[value] + 1} and {row + 1}; name "
                "every node once"
            )
        rows[value] = row
    return rows


def _label_column(table: Table, y: str | None) -> str:
    if y is not None:
        if y not in table:
            raise names_nothing("y", y, "column", table)
        return y
    found = [name for name in table if _lower(name) in COLUMNS["label"]]
    if _is_drawn(table):
        found = [name for name in found if _lower(name) != "y"]
    if len(found) != 1:
        says = f"{' and '.join(found)} may be the labels" if found else "no column is named label"
        raise DataError(f"{says}; say which by y='NAME' ({_have(table)})")
    return found[0]


def _labels(column: Any, name: str) -> Any:
    """Numbers where each entry is one, else texts."""
    if not _holds_texts(column):
        return column
    texts = [_text(value) for value in column]
    numbers = [text for text in texts if _NUMBER.fullmatch(text)]
    words = [text for text in texts if text and not _NUMBER.fullmatch(text)]
    if numbers and words:
        raise DataError(
            f"{name} holds numbers, such as {numbers[0]!r}, and texts, such as {words[0]!r}; give "
            "one of both"
        )
    written: dict[float, str] = {}
    for row, text in enumerate(texts):
        if numbers and text and written.setdefault(float(text), text) != text:
            _check_padding(row, name, text, written[float(text)])
        if text.lower() in _UNCLEAR:
            raise DataError(
                f"row {row + 1}: {name} is {text!r}, a class or none; leave it empty, or rename it"
            )
    return texts if words else _numbers(texts, name, empty=np.nan)


def _check_padding(row: int, name: str, text: str, other: str) -> None:
    """Refuse two classes, such as 01 and 1, that would be one as numbers."""
    if _PADDED.match(text) or _PADDED.match(other):
        raise DataError(
            f"row {row + 1}: {name} is {text!r}, the same number as {other!r}; write a class in "
            "one way, or name classes by words"
        )


def _split_columns(table: Table) -> dict[str, Any]:
    """The masks, whose columns are taken out of the table."""
    column = _one_of(table, "split")
    numbered = {
        int(found[1]): name for name in table if (found := _NUMBERED_SPLIT.fullmatch(_lower(name)))
    }
    lower = {_lower(name): name for name in table}
    direct = roles.pick_masks({name: name for name in lower})
    ways = [bool(column), bool(numbered), bool(direct)]
    if sum(ways) > 1:
        raise DataError("the split is told in several ways; keep one of them")
    if column:
        return _of_words(table.pop(column), column)
    if numbered:
        if sorted(numbered) != list(range(len(numbered))):
            raise DataError(f"the splits are numbered {sorted(numbered)}; number them from 0")
        each = [_of_words(table.pop(numbered[i]), numbered[i]) for i in range(len(numbered))]
        return {key: torch.stack([masks[key] for masks in each], dim=1) for key in each[0]}
    if direct and len(direct) < len(SPLITS):
        raise DataError(f"of the three masks there is only {listed(list(direct))}; give all three")
    return {key: _mask(table.pop(lower[name]), lower[name]) for key, name in direct.items()}


def _mask(column: Any, name: str) -> torch.Tensor:
    values = _numbers(column, name) if _holds_texts(column) else column
    return roles.mask(values, len(column), name)


def _of_words(column: Any, name: str) -> dict[str, torch.Tensor]:
    if not _holds_texts(column):
        raise DataError(f"{name} holds numbers; it must hold 'train', 'val' or 'test', or nothing")
    return roles.masks_of([_text(value) for value in column], len(column), name)


def _features(table: Table, names: Sequence[str]) -> torch.Tensor:
    columns = []
    for name in names:
        column = table[name]
        if _holds_texts(column):
            column = _numbers(column, name, cure="; name the features by x='NAME,NAME'")
        columns.append(roles.features(column, f"column {name!r}"))
        _check_whole(table[name], columns[-1], name)
    return torch.cat(columns, dim=1)


def _check_whole(column: Any, x: torch.Tensor, name: str) -> None:
    """Refuse a whole number that was rounded, because it stands among others or is very long."""
    if not _holds_texts(column) or float(x.abs().max()) < 1 << 24:
        return
    for row, text in enumerate(map(_text, column)):
        if _INTEGER.fullmatch(text) and int(text) != int(x[row, 0]):
            raise DataError(
                f"row {row + 1} of column {name!r}: float32 cannot hold {text[:100]} exactly; "
                "rescale the features"
            )


def _tell_labels(x: torch.Tensor, names: Sequence[str], labels: Any) -> None:
    """Warn of features that name the class by another number, five nodes a class and more."""
    texts = np.array([_text(label) for label in labels])
    labelled = ~np.isin(texts, ("", "-1", "-1.0", "nan"))
    classes, first, number = np.unique(texts[labelled], return_index=True, return_inverse=True)
    if len(classes) < 2 or len(number) < 5 * len(classes):
        return
    values = x.numpy()[labelled]
    constant = (values == values[first][number]).all(axis=0)
    telling = [
        repr(name)
        for name, of_class, is_constant in zip(names, values[first].T, constant, strict=True)
        if is_constant and len(np.unique(of_class)) == len(classes)
    ]
    if telling:
        warn(
            f"{len(telling)} features have a number of their own for each class "
            f"({listed(telling)}), so they are the labels once more, it seems; remove them, or say "
            "by x='NAME,NAME' that they are meant",
            DataWarning,
        )


# Edges


def _add_edges(parts: Parts, table: Table, ids: dict[str, int] | None, count: int) -> None:
    ends = [_one_of(table, "source"), _one_of(table, "target")]
    if None in ends:
        if len(table) != 2:
            raise DataError(f"it needs the columns source and target; {_have(table)}")
        ends = list(table)
        if ids is not None and set(table) <= set(ids):
            raise DataError(
                f"its first line, {listed([repr(end) for end in table])}, names two nodes; begin "
                "with the names of the columns"
            )
    parts.edge_index = np.stack([_rows_of(table[str(end)], str(end), ids, count) for end in ends])
    data = {name: _plain(table[name], name) for name in table if name not in ends}
    for name in [name for name in data if _lower(name) == "type"]:
        directions = np.array([_text(value).lower() for value in data[name]])
        if set(directions) <= {"directed", "undirected"}:
            # Gephi writes so.
            del data[name]
            _add_reverses(parts, directions == "undirected")
    parts.edge_data = data


def _add_reverses(parts: Parts, both_ways: npt.NDArray[np.bool_]) -> None:
    """The reverses of some edges, where not all or none of them have a direction."""
    parts.undirected = bool(both_ways.all())
    if not parts.undirected:
        edges = parts.edge_index
        more = edges[::-1, both_ways & (edges[0] != edges[1])]
        parts.edge_index = np.concatenate([edges, more], axis=1)


def _rows_of(column: Any, name: str, ids: dict[str, int] | None, count: int) -> Any:
    if ids is None:
        numbers = _numbers(column, name) if _holds_texts(column) else column
        return roles.node_numbers(numbers, count, name, distinct=False).numpy()
    rows = np.empty(len(column), dtype=np.int64)
    for row, value in enumerate(map(_text, column)):
        number = ids.get(value)
        if number is None:
            says = f"is {value!r}, which names no node" if value else "is empty"
            raise DataError(f"row {row + 1}: {name} {says}; name nodes as the table of nodes does")
        rows[row] = number
    return rows


# Columns


def _lower(name: str) -> str:
    return name.strip().lower()


def _have(table: Table) -> str:
    return f"there are {listed([repr(name) for name in table]) or 'no others'}"


def _one_of(table: Table, kind: str) -> str | None:
    """The column of this kind, None without any; the first word that is known goes before others.

    Raises:
        DataError: if two columns have the same name but for capital letters.
    """
    lower = [_lower(name) for name in table]
    for known in COLUMNS[kind]:
        if lower.count(known) > 1:
            raise DataError(f"the column {known!r} is there twice; rename one")
        if known in lower:
            return list(table)[lower.index(known)]
    return None


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _holds_texts(column: Any) -> bool:
    return isinstance(column, list) and any(isinstance(value, str) for value in column)


def _numbers(
    column: Sequence[Any], name: str, *, empty: float | None = None, cure: str = ""
) -> Any:
    """The numbers or truth values that texts stand for, whole numbers as int64.

    Args:
        column: texts.
        name: of the column.
        empty: what an empty text is; None refuses it.
        cure: the end of the sentence that refuses a text.

    Raises:
        DataError: names the first text that is none.
    """
    texts = [_text(value) for value in column]
    values: dict[str, Any] = {text: _number(text) for text in set(texts)}
    values[""] = empty
    for row, text in enumerate(texts):
        if values[text] is None:
            says = f"{text[:100]!r} is no number" if text else "there is no number"
            raise DataError(f"row {row + 1} of column {name!r}: {says}{cure}")
    numbers = [values[text] for text in texts]
    kinds = {type(number) for number in numbers}
    if bool in kinds and len(kinds) > 1:
        raise DataError(f"column {name!r} holds truth values and numbers; give one of both")
    return np.array(numbers)


def _number(text: str) -> int | float | bool | None:
    """What a text stands for; None if that is neither a number nor a truth value.

    >>> [_number(text) for text in ("-3", "1e3", "True", "0x10", "1_000")]
    [-3, 1000.0, True, None, None]
    """
    if _WHOLE.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text):
        return float(text)
    return _TRUTH.get(text.lower())


def _plain(column: Any, name: str) -> Any:
    """Numbers where every text is one or says that there is none, else the texts."""
    if not _holds_texts(column):
        return column
    texts = [_text(value) for value in column]
    clear = ["" if text.lower() in _UNCLEAR else text for text in texts]
    try:
        return _numbers(clear, name, empty=np.nan) if any(clear) else column
    except DataError:
        return column


# Files


def _delimited(delimiter: str) -> Callable[[Path], Table]:
    return lambda path: _texts(read_bytes(path), delimiter)


def _texts(data: bytes, delimiter: str) -> Table:
    """The columns of a table of texts (RFC 4180), each line of which has as many as the first."""
    text = data.decode("utf-8-sig").rstrip("\r\n")
    # Every cell is an object, however short.
    cells = text.count(delimiter) + text.count("\n") + 1
    check_limit("inflated_bytes", 64 * cells, "its cells need")
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header = [name.strip() for name in next(lines, [])]
    _check_header(header, delimiter)
    rows = []
    for row in lines:
        if len(row) != len(header):
            raise DataError(
                f"line {lines.line_num} has {len(row)} entries, and the first line names "
                f"{len(header)} columns"
            )
        rows.append(row)
    columns = zip(*rows, strict=True) if rows else ([] for _ in header)
    return {name: list(column) for name, column in zip(header, columns, strict=True)}


def _check_header(header: Sequence[str], delimiter: str) -> None:
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise DataError(f"the column {twice!r} is there twice; rename one")
    if len(header) == 1 and any(mark in header[0] for mark in ",;\t "):
        raise DataError(
            f"its only column is {header[0][:100]!r}; separate columns by "
            f"{'tabs' if delimiter == chr(9) else 'commas'}"
        )
    if any(_NUMBER.fullmatch(name) for name in header):
        raise DataError(
            f"its first line, {listed(header)}, holds numbers; begin with the names of the columns"
        )


def _parquet(path: Path) -> Table:
    if importlib.util.find_spec("pyarrow") is None:
        raise MissingPackageError("pyarrow", "Reading Parquet", "")
    # Checksums are compared where there are some; pyarrow writes none unless it is told to.
    file = importlib.import_module("pyarrow.parquet").ParquetFile(
        io.BytesIO(read_bytes(path)), page_checksum_verification=True
    )
    about = file.metadata
    packed = sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups))
    needed = max(packed, 8 * about.num_rows * about.num_columns)
    check_limit("inflated_bytes", needed, f"{str(path)!r} unpacks to")
    table = file.read()
    if len(set(table.column_names)) < len(table.column_names):
        raise DataError("a column is there twice; rename one")
    return {name: _entries(name, table.column(name)) for name in table.column_names}


def _entries(name: str, column: Any) -> Any:
    if column.null_count == 0 and str(column.type).startswith(("int", "uint", "float", "double")):
        return column.to_numpy()
    if str(column.type).startswith(("struct", "map", "union", "binary")):
        raise DataError(f"the column {name!r} is of type {column.type}; give numbers or texts")
    return column.to_pylist()


#: How a table is read, by the ending of its file's name.
READERS: dict[str, Callable[[Path], Table]] = {
    ".csv": _delimited(","),
    ".tsv": _delimited("\t"),
    ".parquet": _parquet,
}
