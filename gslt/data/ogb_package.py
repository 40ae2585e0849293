"""The package ``ogb``, without its prints, questions and network access.

``ogb`` 1.3.6 looks for a newer version of itself on the network, in a thread, when it is imported;
its readers print and draw; its data set classes call ``input()`` and cannot read back their own
cache under torch ≥ 2.6. Only its metadata, raw reader and ``Evaluator`` are used here.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from gslt.environment import quiet
from gslt.errors import MissingPackageError


@contextlib.contextmanager
def _without_update_check() -> Iterator[None]:
    """Let ``import ogb`` find no package ``outdated``, which would ask the network."""
    known = "outdated" in sys.modules
    module = sys.modules.get("outdated")
    variable = os.environ.get("OUTDATED_IGNORE")
    sys.modules["outdated"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["outdated"]
        if known:
            sys.modules["outdated"] = module  # type: ignore[assignment]
        if variable is None:
            os.environ.pop("OUTDATED_IGNORE", None)


def import_ogb() -> Any:
    """The package ``ogb`` with its node classification part loaded.

    Raises:
        MissingPackageError: if ogb is not installed.
    """
    if importlib.util.find_spec("ogb") is None:
        raise MissingPackageError("ogb", "Reading data in OGB's layout", "ogb")
    # ogb imports dgl where it is there; unless told its backend, dgl prints and writes a file.
    os.environ.setdefault("DGLBACKEND", "pytorch")
    with _without_update_check(), quiet():
        import ogb.io.read_graph_raw
        import ogb.nodeproppred

    return ogb


def metadata(name: str) -> dict[str, str]:
    """What ogb's own table says of a data set: url, version, split, number of classes."""
    package = import_ogb()
    import pandas as pd

    table = Path(package.nodeproppred.__file__).with_name("master.csv")
    column = pd.read_csv(table, index_col=0, keep_default_na=False)[name]
    return {str(key): str(value) for key, value in column.items()}


def read_raw_graph(raw: Path) -> dict[str, Any]:
    """The first graph of a raw folder: ``edge_index (2, E)``, ``node_feat``, ``num_nodes``."""
    package = import_ogb()
    with quiet():
        graph: dict[str, Any] = package.io.read_graph_raw.read_csv_graph_raw(str(raw))[0]
    return graph


@dataclass(frozen=True)
class BenchmarkEvaluator:
    """OGB's own measure of a data set, as a function of two int64 tensors ``(n,)``.

    It holds nothing but the name, so that it can be sent to another process.
    """

    name: str

    def __call__(self, y_true: Tensor, y_pred: Tensor) -> float:
        """The measure, in [0, 1]."""
        judge = _judge(self.name)
        columns = {"y_true": y_true.reshape(-1, 1), "y_pred": y_pred.reshape(-1, 1)}
        return float(judge.eval(columns)[judge.eval_metric])


@functools.cache
def _judge(name: str) -> Any:
    return import_ogb().nodeproppred.Evaluator(name)
