"""Settings of a target and of the ticket that is constructed of it.

The annotations stay evaluated (no postponed evaluation in this file): the command line reads them.
"""

from dataclasses import dataclass
from typing import Literal

from gslt.errors import ConfigError
from gslt.random import Stream
from gslt.settings import check_values
from gslt.theory.subset_sum import check_epsilon
from gslt.theory.width import MAX_COPIES

TargetKind = Literal["gin", "gcn", "sage", "mlp", "ign2", "cnn", "c4cnn", "d4cnn"]
#: Kinds whose data is a graph of nodes.
NODES = ("gin", "gcn", "sage")
#: The file of a target in the folder of a construction.
TARGET = "target.safetensors"


@dataclass(frozen=True, kw_only=True)
class TargetConfig:
    """The network that the ticket is to equal, and its training."""

    target: TargetKind = "gin"
    """Message passing (gin, gcn, sage), or the small networks mlp, ign2 (2-order graph network),
    cnn, c4cnn and d4cnn (steerable)."""
    hidden_channels: int | None = None
    """Width of every hidden layer [16 for message passing, else that of the small network]."""
    num_layers: int = 2
    """Number of layers, of message passing."""
    dropout: float = 0.5
    """Dropout while it is trained, of message passing."""
    epochs: int | None = None
    """Epochs of its training [200 for message passing, else what the small network needs]."""
    lr: float = 0.01
    """Learning rate of its training."""
    target_seed: int = 0
    """Of its weights, and of data that is made."""

    def __post_init__(self) -> None:
        check_values(self)
        Stream(self.target_seed, "", "check")
        if self.target_seed >= 1 << 63:
            raise ConfigError(f"target_seed must lie below 2**63, got {self.target_seed}")
        for name in ("epochs", "hidden_channels"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, got {value}")
        for name in () if self.is_of_nodes else ("num_layers", "dropout"):
            if getattr(self, name) != getattr(TargetConfig, name):
                raise ConfigError(
                    f"{name} is a setting of message passing ({', '.join(NODES)}), and "
                    f"{self.target} has layers of its own; leave it out"
                )

    @property
    def is_of_nodes(self) -> bool:
        """Whether it passes messages on a graph, and its data is a data set of nodes."""
        return self.target in NODES


@dataclass(frozen=True, kw_only=True)
class ConstructConfig:
    """How a ticket is constructed."""

    epsilon: float = 0.01
    """Largest output error on the data."""
    construction: Literal["2L", "L+1"] = "2L"
    """2L: a pair of random layers for each layer of the target. L+1: one pair, then copies, with
    copies² weights to choose from where a pair has copies, which is dear in frozen sources."""
    freezing_ratio: float | None = None
    """F, half of it pruned and half of it locked, in the searched matrices [0]."""
    prune_ratio: float = 0.0
    """p: fraction of the searched matrices that is pruned, and probability that an entry of a first
    matrix is missing."""
    lock_ratio: float = 0.0
    """l: fraction of the searched matrices that is locked; nothing is in the first ones."""
    copies: int | None = None
    """Random channels in the place of each input channel [as many as the law says]."""
    failure: float = 1e-4
    """Probability that some coefficient is missed, for which the law is asked."""
    seed: int = 0
    """Of the source network."""

    def __post_init__(self) -> None:
        check_values(self)
        check_epsilon(self.epsilon)
        p, locked = self.ratios
        if (ratio := self.freezing_ratio) is not None and not 0 <= ratio <= 1:
            raise ConfigError(f"freezing_ratio must lie in [0, 1], got {ratio}")
        for name, value in (("prune_ratio", p), ("lock_ratio", locked)):
            if not 0 <= value < 1:
                raise ConfigError(f"{name} must lie in [0, 1), got {value}")
        if p + locked > 0.95:
            said = f"prune_ratio {p:g} and lock_ratio {locked:g} leave"
            if self.freezing_ratio is not None:
                said = f"freezing_ratio {self.freezing_ratio:g} leaves"
            raise ConfigError(
                f"{said} {1 - p - locked:.3g} of the "
                "weights to choose from, where a sum needs many; freeze at most 0.95 together"
            )
        if not 0 < self.failure < 1:
            raise ConfigError(f"failure must lie between 0 and 1, got {self.failure}")
        if self.copies is not None and not 1 <= self.copies <= MAX_COPIES:
            raise ConfigError(f"copies must lie in 1 … {MAX_COPIES}, got {self.copies}")

    @property
    def ratios(self) -> tuple[float, float]:
        """Pruning ratio p and locking ratio l."""
        if self.freezing_ratio is None:
            return self.prune_ratio, self.lock_ratio
        if self.prune_ratio or self.lock_ratio:
            raise ConfigError("give freezing_ratio, or prune_ratio and lock_ratio, not both")
        return self.freezing_ratio / 2, self.freezing_ratio / 2


@dataclass(frozen=True, kw_only=True)
class ConstructionConfig(TargetConfig, ConstructConfig):
    """A target, and how its ticket is constructed: the settings of a run of a study."""

    def __post_init__(self) -> None:
        TargetConfig.__post_init__(self)
        ConstructConfig.__post_init__(self)

    @property
    def idle(self) -> tuple[str, ...]:
        """Settings that nothing follows from."""
        return () if self.is_of_nodes else ("num_layers", "dropout")
