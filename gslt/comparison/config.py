"""What is compared: the settings.

The annotations stay evaluated (no postponed evaluation in this file): the command line reads them.
"""

from dataclasses import dataclass
from typing import Any, get_args

from gslt.config import GraphArchitecture, SearchConfig
from gslt.errors import ConfigError
from gslt.settings import check_choice, check_values

ARCHITECTURES: tuple[GraphArchitecture, ...] = get_args(GraphArchitecture)
#: Ten nodes for each of the 40 classes of :func:`gslt.comparison.graphs.block_model`.
LEAST_NODES = 400


@dataclass(frozen=True, kw_only=True)
class CompareConfig:
    """What is compared. The defaults take eight minutes on two cores."""

    architectures: tuple[GraphArchitecture, ...] = ARCHITECTURES[:3]
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
        if self.heads != 1 and "gat" not in self.architectures:
            raise ConfigError(
                "heads are those of gat, which is not among architectures; leave it out"
            )
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
