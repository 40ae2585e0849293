"""gslt: strong lottery tickets in graph neural networks, on PyTorch Geometric and DGL."""

from gslt.config import FreezeConfig, ModelConfig, SearchConfig, TrainConfig
from gslt.data import NodeDataset, as_dataset, list_datasets, load_dataset, random_split
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
from gslt.masking.freeze import FreezeReport, FrozenConv2d, FrozenLinear, freeze
from gslt.nn.gnn import GNN
from gslt.ticket.ticket import Ticket, TicketSize, load_ticket
from gslt.training.results import Result
from gslt.training.run_folder import RunFolder
from gslt.training.search import evaluate, search, train
from gslt.version import __version__

__all__ = [
    "GNN",
    "ConfigError",
    "DataError",
    "FreezeConfig",
    "FreezeReport",
    "FrozenConv2d",
    "FrozenLinear",
    "GraphError",
    "GsltError",
    "GsltWarning",
    "Interrupted",
    "MissingPackageError",
    "ModelConfig",
    "NodeDataset",
    "Result",
    "RunError",
    "RunFolder",
    "SearchConfig",
    "Ticket",
    "TicketError",
    "TicketSize",
    "TrainConfig",
    "__version__",
    "as_dataset",
    "evaluate",
    "freeze",
    "list_datasets",
    "load_dataset",
    "load_ticket",
    "random_split",
    "search",
    "train",
]
