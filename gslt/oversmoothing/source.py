"""A network that was never searched or trained.

The annotations stay evaluated (no postponed evaluation in this file): the command line reads them.
"""

from dataclasses import dataclass

from gslt.config import FreezeConfig, GraphArchitecture, ModelConfig


@dataclass(frozen=True, kw_only=True)
class SourceConfig(ModelConfig, FreezeConfig):
    """An untrained source network under the mask of its initial scores.

    With sparsity 0 and ``weight_init="ku"`` it is what :func:`gslt.train` begins with.
    """

    architecture: GraphArchitecture = "gin"
    """Message passing: mean-GIN (epsilon 0), GCN (symmetric, self-loops), mean-GraphSAGE, or GAT
    (attention over the node and its neighbours)."""

    def __post_init__(self) -> None:
        ModelConfig.__post_init__(self)
        FreezeConfig.__post_init__(self)
