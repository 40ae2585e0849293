"""What is compared: the settings, and synthetic graphs of any size for them.

The annotations stay evaluated (no postponed evaluation in this file): the command line reads them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gslt.config import Architecture, SearchConfig, check_choice, check_values
from gslt.data import NodeDataset, to_undirected
from gslt.data.synthetic import CLASSES, Counts, feature_blocks, node_classes, random_edges
from gslt.errors import ConfigError
from gslt.random import Stream

ARCHITECTURES: tuple[Architecture, ...] = ("gin", "gcn", "sage", "gat")
#: Nodes of OGBN-Arxiv.
_ARXIV = 169_343
#: Ten nodes a class.
LEAST_NODES = 10 * CLASSES
#: Rows of features that are drawn at once.
_ROWS = 4096


@dataclass(frozen=True, kw_only=True)
class CompareConfig:
    """What is compared. The defaults take eight minutes on two cores."""

    architectures: tuple[Architecture, ...] = ARCHITECTURES[:3]
    """Message passing: mean-GIN, GCN, mean-GraphSAGE, and GAT where it is asked for."""
    nodes: tuple[int, ...] = (1_000, 4_000, 16_000)
    """Sizes of the synthetic graphs (40 classes, 128 features, 13.7 directed edges a node); a data
    set of your own takes their place."""
    hidden_channels: tuple[int, ...] = (64, 256)
    """Widths of every layer but the last."""
    num_layers: int = 3
    """Number of message passing layers, at least 2."""
    heads: int = 1
    """Attention heads of a GAT's layers, which share their width; the others have none."""
    sparsity: float = 0.5
    """Sparsity of the ticket."""
    freezing_ratio: float = 0.4
    """Fraction of all weights decided before the search."""
    epochs: int = 12
    """Epochs of each search. All but the first are timed; at least 2."""
    lr: float = 0.01
    """Learning rate of the first epoch."""
    repeats: int = 7
    """Timed calls of each layer."""
    memory: bool = True
    """Measure memory too, each route in a process of its own."""
    seed: int = 0
    """Seed of the ticket and of the synthetic graphs."""
    device: str = "cpu"
    """Torch device, such as cpu or cuda."""

    def __post_init__(self) -> None:
        check_values(self)
        for name in ("architectures", "nodes", "hidden_channels"):
            if not getattr(self, name):
                raise ConfigError(f"{name} is empty; name at least one")
        for architecture in self.architectures:
            check_choice("architectures", architecture, ARCHITECTURES)
        for nodes in self.nodes:
            if not isinstance(nodes, int) or nodes < LEAST_NODES:
                raise ConfigError(f"nodes must be integers of at least {LEAST_NODES}, got {nodes}")
        for name, least in (("epochs", 2), ("repeats", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}")
        _ = self.searches

    @property
    def searches(self) -> list[SearchConfig]:
        """The model and search of every setting on one graph."""
        names = ("num_layers", "sparsity", "freezing_ratio", "epochs", "lr", "seed", "device")
        same: dict[str, Any] = {name: getattr(self, name) for name in names}
        # Signed constants give scores of 0 up to rounding, where the slope of LeakyReLU is decided
        # by the last bit.
        attention: dict[str, Any] = {"heads": self.heads, "weight_init": "ku"}
        return [
            SearchConfig(
                **same,
                architecture=architecture,
                hidden_channels=width,
                **(attention if architecture == "gat" else {}),
            )
            for architecture in self.architectures
            for width in self.hidden_channels
        ]


def block_model(nodes: int, seed: int = 0) -> NodeDataset:
    """A synthetic graph: the degree-corrected block model of ``gslt data synthesize``.

    40 classes, 128 features around one mean per class, about 13.7 directed edges a node (every edge
    in both directions), splits of OGBN-Arxiv's proportions at random.

    Args:
        nodes: number of nodes, at least 400.
        seed: of every random stream.

    Raises:
        ConfigError: for fewer nodes.
    """
    counts = Counts.at(nodes / _ARXIV)
    label = node_classes(counts.nodes, seed)
    edges = torch.from_numpy(random_edges(label, counts.edges, seed)).t().contiguous()
    order = Stream(seed, "block model", "split").permutation(counts.nodes)
    rank, end = torch.from_numpy(np.argsort(order)), counts.train + counts.valid
    x = np.concatenate(list(feature_blocks(label, seed, _ROWS)))
    return NodeDataset(
        name=f"block model of {counts.nodes:,} nodes (synthetic)",
        x=torch.from_numpy(x).float(),
        edge_index=to_undirected(edges, counts.nodes),
        y=torch.from_numpy(label),
        train_mask=rank < counts.train,
        val_mask=(rank >= counts.train) & (rank < end),
        test_mask=rank >= end,
        num_classes=CLASSES,
        synthetic=True,
        source="generated by gslt: degree-corrected block model in OGBN-Arxiv's proportions",
    )
