"""Sums of messages on DGL graphs, seen as they are made."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def dgl_aggregations(seen: Callable[[Any], None]) -> Iterator[None]:
    """Call ``seen`` with what every ``update_all`` of a DGL graph in this block gave.

    DGL has no hook for it, so the method of the class is wrapped as long as the block lasts. Where
    DGL was not imported there is no such graph.
    """
    dgl = sys.modules.get("dgl")
    if dgl is None:
        yield
        return
    update_all = dgl.DGLGraph.update_all

    @functools.wraps(update_all)
    def watched(graph: Any, message_func: Any, reduce_func: Any, *args: Any, **kwargs: Any) -> None:
        update_all(graph, message_func, reduce_func, *args, **kwargs)
        field = getattr(reduce_func, "out_field", None)
        if field is not None and field in graph.dstdata:
            seen(graph.dstdata[field])

    dgl.DGLGraph.update_all = watched
    try:
        yield
    finally:
        dgl.DGLGraph.update_all = update_all
