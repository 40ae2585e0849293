"""gslt: strong lottery tickets in graph neural networks, on PyTorch Geometric and DGL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gslt.faces import lazy
from gslt.version import __version__

if TYPE_CHECKING:
    from gslt.config import FreezeConfig, ModelConfig, SearchConfig, SourcesConfig, TrainConfig
    from gslt.data import (
        ImageDataset,
        NodeDataset,
        as_dataset,
        list_datasets,
        load_dataset,
        random_split,
    )
    from gslt.errors import (
        ConfigError,
        DataError,
        GraphError,
        GsltError,
        GsltWarning,
        Interrupted,
        MissingPackageError,
        RunError,
        TicketError,
    )
    from gslt.masking.freeze import FrozenConv2d, FrozenLinear, bake, freeze, reset_scores
    from gslt.masking.given import found_pattern
    from gslt.masking.report import FreezeReport
    from gslt.nn.gnn import GNN
    from gslt.sources.comparison import Comparison, compare
    from gslt.ticket.overlaps import TicketOverlap, overlap
    from gslt.ticket.ticket import Ticket, TicketSize, load_ticket
    from gslt.training.results import Result
    from gslt.training.run_folder import RunFolder
    from gslt.training.search import evaluate, search, train

__all__ = [
    "GNN",
    "Comparison",
    "ConfigError",
    "DataError",
    "FreezeConfig",
    "FreezeReport",
    "FrozenConv2d",
    "FrozenLinear",
    "GraphError",
    "GsltError",
    "GsltWarning",
    "ImageDataset",
    "Interrupted",
    "MissingPackageError",
    "ModelConfig",
    "NodeDataset",
    "Result",
    "RunError",
    "RunFolder",
    "SearchConfig",
    "SourcesConfig",
    "Ticket",
    "TicketError",
    "TicketOverlap",
    "TicketSize",
    "TrainConfig",
    "__version__",
    "as_dataset",
    "bake",
    "compare",
    "evaluate",
    "found_pattern",
    "freeze",
    "list_datasets",
    "load_dataset",
    "load_ticket",
    "overlap",
    "random_split",
    "reset_scores",
    "search",
    "train",
]

#: Where each name is. Loaded when it is asked for: torch alone takes seconds.
_HOMES = {
    "config": ["FreezeConfig", "ModelConfig", "SearchConfig", "SourcesConfig", "TrainConfig"],
    "data": [
        "ImageDataset",
        "NodeDataset",
        "as_dataset",
        "list_datasets",
        "load_dataset",
        "random_split",
    ],
    "errors": [name for name in __all__ if name.endswith(("Error", "Warning", "Interrupted"))],
    "masking.freeze": ["FrozenConv2d", "FrozenLinear", "bake", "freeze", "reset_scores"],
    "masking.given": ["found_pattern"],
    "masking.report": ["FreezeReport"],
    "nn.gnn": ["GNN"],
    "sources.comparison": ["Comparison", "compare"],
    "ticket.overlaps": ["TicketOverlap", "overlap"],
    "ticket.ticket": ["Ticket", "TicketSize", "load_ticket"],
    "training.results": ["Result"],
    "training.run_folder": ["RunFolder"],
    "training.search": ["evaluate", "search", "train"],
}
__getattr__, __dir__ = lazy(__name__, _HOMES)
