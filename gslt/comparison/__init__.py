"""What ``gslt compare-backends`` does: one ticket on PyG's own layers and on gslt's backends.

Every setting (architecture, width, graph) makes one frozen source network on every route
(``routes``): the same random weights, freezing pattern and scores, so the same masks and effective
weights, bit for bit. Then it is measured what they compute, beside matrix algebra (``reference``),
how long a search and each layer take (``speed``), and how much memory, in a process of its own
(``memory``). ``compare`` goes through the settings of a :class:`CompareConfig`, ``report`` makes
tables and a picture of the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gslt.faces import lazy

if TYPE_CHECKING:
    from gslt.comparison.compare import compare_backends
    from gslt.comparison.config import CompareConfig

__all__ = ["CompareConfig", "compare_backends"]

# The process that measures memory imports this package too, and is to hold no more than a search.
__getattr__, __dir__ = lazy(
    __name__, {"compare": ["compare_backends"], "config": ["CompareConfig"]}
)
