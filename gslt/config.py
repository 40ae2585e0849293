"""Every setting of gslt, as small dataclasses.

The Python API, the commands, the YAML files, the tickets and the run folders share them. The
annotations stay evaluated (no postponed evaluation in this file): the command line reads them.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

from typing_extensions import Self

from gslt.errors import ConfigError, listed
from gslt.freezing import canonical_place, resolve_ratios
from gslt.freezing.allocation import FALLING_SHORT
from gslt.random import Stream
from gslt.settings import Settings, check_values

Allocation = Literal["epl", "erk", "uniform", "igq", "balanced", "pyramidal"]
GraphArchitecture = Literal["gin", "gcn", "sage", "gat"]
Architecture = Literal[GraphArchitecture, "conv2", "conv4", "conv6", "resnet18", "resnet20"]
BackendName = Literal["pyg", "dgl"]
Draw = Literal["exact", "bernoulli"]
Edges = Literal["all", "none"]
Optimizer = Literal["adamw", "adam", "sgd"]
Precision = Literal["float32", "bfloat16"]
Preset = Literal[
    "table", "sparsity", "window", "locking", "freezing", "width", "size", "er", "construction"
]
Ranking = Literal["magnitude", "raw"]
Scale = Literal["none", "static", "dynamic"]
Size = Literal["quick", "standard", "paper"]
Threshold = Literal["global", "layer"]
WeightInit = Literal["ku", "kn", "skc"]

#: Names of :data:`gslt.diagnostics.MEASURES`: the help of a command does not wait for torch.
MEASURE_NAMES: tuple[str, ...] = (
    "dirichlet_energy",
    "rayleigh_quotient",
    "centred_rayleigh_quotient",
    "collapse",
    "numerical_rank",
    "effective_rank",
    "mad",
    "mad_gap",
    "nc1",
    "linear_probe",
    "linear_probe_val",
)
#: Those of them that sample, and are measured only where they are named.
SAMPLING_MEASURES: tuple[str, ...] = ("mad_gap",)
#: Networks of images, see :mod:`gslt.nn.vision`; all others are of graphs.
VISION: tuple[Architecture, ...] = ("conv2", "conv4", "conv6", "resnet18", "resnet20")
#: What they take where nobody says otherwise: the optimiser of the four CIFAR configs of the Frozen
#: paper's authors, and epochs as in Ramanujan et al. 2020 (arXiv 1911.13299).
VISION_DEFAULTS: dict[str, Any] = {
    "epochs": 100,
    "lr": 0.1,
    "optimizer": "sgd",
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "batch_size": 128,
    "augment": True,
}
#: Those of them that have no norm; at a rate of 0.1 their weights stay at chance.
_WITHOUT_NORM = ("conv2", "conv4", "conv6")
#: What only a network of a graph can have.
_OF_GRAPHS = (
    "num_layers",
    "hidden_channels",
    "batch_norm",
    "head",
    "dropout",
    "residual",
    "unit_gain",
    "pair_norm",
    "edges",
    "heads",
    "backend",
)


#: Settings of weight training that are of its mask alone, and of the rewiring of the mask.
_OF_MASK = ("mask", "allocation", "draw", "connected")
_OF_REWIRING = ("rewire_fraction", "rewire_until", "regrow")
#: Settings of a search that say how frozen weights are divided and drawn.
OF_FROZEN = ("allocation", "place", "draw", "connected")


@dataclass(frozen=True, kw_only=True)
class FreezeConfig(Settings):
    """A frozen source network and the sparsity of the ticket searched in it.

    Raises:
        ConfigError: for a value out of range, or a combination that no ticket can satisfy.
    """

    sparsity: float = 0.5
    """Fraction of all weights that the ticket removes (its density is 1 - sparsity)."""
    freezing_ratio: float | None = None
    """Fraction of the weights decided before the search, of all of them or of those in the place,
    split so that the search window is centred on the sparsity. Default: nothing is frozen (a dense
    source)."""
    prune_ratio: float | None = None
    """Fraction of the weights pruned before the search; sets the window by hand."""
    lock_ratio: float | None = None
    """Fraction of the weights locked (always kept) before the search; sets the window by hand."""
    allocation: Allocation = "epl"
    """How frozen weights are divided among layers: equal kept number per layer, Erdos-Renyi-kernel,
    the same ratio everywhere, ideal gas quotas n / (1 + F n) of a layer of n weights, balanced
    (equal number per layer, what a full one cannot hold is left out, so that more is pruned than
    asked for) or pyramidal (density q, q^2, q^3 and so on from layer to layer)."""
    place: str = "all"
    """Layers that take part in freezing: all; hidden, those between the first and the last; input,
    the first; or names with commas between them, such as layers.1,layers.2 or head. The freezing,
    pruning and locking ratios are fractions of their weights."""
    weight_init: WeightInit = "skc"
    """Random weights: Kaiming uniform, Kaiming normal or signed Kaiming constant."""
    scale: Scale = "dynamic"
    """Factor on each layer's weights: none, static 1/sqrt(density of the ticket), or dynamic
    1/sqrt(present density of the layer). The Frozen paper leaves Kaiming uniform unscaled."""
    threshold: Threshold = "global"
    """Rank the scores of the whole network together, or each layer alone."""
    ranking: Ranking = "magnitude"
    """Keep the weights with the largest |score|, or the largest raw score."""
    score_init: Literal["kn", "ku"] = "kn"
    """Initial scores: Kaiming normal or Kaiming uniform."""
    seed: int = 0
    """Seed of every random stream (weights, freezing pattern, scores); of the first run."""
    draw: Draw = "exact"
    """How the frozen weights of a layer are drawn: exact counts at random places, or bernoulli,
    every weight by itself (an Erdos-Renyi source), so that the counts are random; the seed decides
    them, and the ticket still keeps exactly its share of all weights."""
    connected: bool = False
    """Give every output and input unit whose weights are all pruned one searched weight at a random
    place, so that fewer are pruned than the ratios say; the report counts them."""

    def __post_init__(self) -> None:
        check_values(self)
        # One place has many spellings and one name, in tickets and identities of runs.
        object.__setattr__(self, "place", canonical_place(self.place))
        Stream(self.seed, "", "check")
        _ = self.ratios

    @property
    def ratios(self) -> tuple[float, float]:
        """Pruning ratio p and locking ratio l, fractions of the weights in the place.

        >>> FreezeConfig(sparsity=0.5, freezing_ratio=0.4).ratios
        (0.2, 0.2)
        """
        return resolve_ratios(self.sparsity, self.freezing_ratio, self.prune_ratio, self.lock_ratio)

    @property
    def idle(self) -> tuple[str, ...]:
        """Settings that nothing follows from: of what is frozen, where nothing is.

        >>> FreezeConfig().idle, FreezeConfig(prune_ratio=0.1).idle
        (('allocation', 'place', 'draw', 'connected'), ())
        """
        return () if any(self.ratios) else OF_FROZEN

    @property
    def ignored(self) -> str:
        """A sentence where such settings are given all the same; empty where none is."""
        given = [f"{n}={v}" for n in self.idle if (v := getattr(self, n)) != getattr(type(self), n)]
        if not given:
            return ""
        return (
            f"nothing is frozen, so that setting {listed(given)} changes nothing; give a "
            "freezing_ratio, or a prune_ratio and a lock_ratio"
        )

    @property
    def has_exact_counts(self) -> bool:
        """Whether the ratios alone say how many weights of the network are pruned and locked."""
        exact = self.draw == "exact" and not self.connected
        return exact and self.allocation not in FALLING_SHORT


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Settings):
    """A classifier of nodes or images; defaults: the Frozen paper's GIN (arXiv 2402.14029)."""

    architecture: Architecture = "gin"
    """Message passing: mean-GIN (epsilon 0), GCN (symmetric, self-loops), mean-GraphSAGE, or GAT
    (attention over the node and its neighbours); or a network of images: Conv2, Conv4, Conv6,
    ResNet-18 or ResNet-20, whose layers are their own."""
    num_layers: int = 4
    """Number of message passing layers, at least 2."""
    hidden_channels: int = 386
    """Width of every layer but the last."""
    batch_norm: bool = True
    """Batch normalisation without affine part after every layer, over the whole graph."""
    head: bool = True
    """Logits = mean of the last layer's activation and a linear head on the last hidden layer.
    Without it the logits are the last layer's output, without norm or activation."""
    dropout: float = 0.0
    """Dropout on the input of every layer while searching or training."""
    residual: bool = False
    """Add its input to the output of every hidden layer between equal widths."""
    unit_gain: bool = False
    """Without a norm, divide every hidden layer's output by the factor by which its sums can
    enlarge it. Logits change by a constant factor only, but 64 layers stay within float32."""
    pair_norm: bool = False
    """PairNorm in the place of batch normalisation, which must be off: centred over the nodes, then
    scaled so that the mean squared norm of a node is the width."""
    edges: Edges = "all"
    """Sum over the edges of the graph, or over none: the control in which the network is a
    multi-layer perceptron of the same weights on the same nodes and split."""
    heads: int = 1
    """Attention heads of every layer of a GAT. Hidden layers concatenate them, so that
    hidden_channels is the width of all heads together; the last layer averages them."""
    width: float = 1.0
    """Factor on every width of a network of images, in (0, 16]; widths are rounded."""

    def __post_init__(self) -> None:
        check_values(self)
        _check_kind(self)
        _at_least(self, "num_layers", 2)
        _at_least(self, "hidden_channels", 1)
        _at_least(self, "heads", 1)
        self._check_heads()
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"dropout must lie in [0, 1), got {self.dropout}")
        if self.unit_gain and self.batch_norm:
            raise ConfigError("unit_gain is for networks without batch norm; set batch_norm false")
        if self.residual and self.num_layers < 3:
            raise ConfigError(
                "residual adds the input of a layer between two hidden ones, and a network of 2 "
                "layers has none; give num_layers of 3 or more, or leave residual out"
            )
        if self.pair_norm and (self.batch_norm or self.unit_gain):
            other = "batch_norm" if self.batch_norm else "unit_gain"
            raise ConfigError(f"pair_norm stands in the place of batch norm; set {other} false")

    def _check_heads(self) -> None:
        heads, width = self.heads, self.hidden_channels
        if heads > 1 and self.architecture != "gat":
            raise ConfigError(
                f"heads are for architecture gat; {self.architecture} has none, leave heads out"
            )
        if width % heads:
            below, above = width - width % heads, width - width % heads + heads
            widths = f"{below} or {above}" if below else f"{above}"
            raise ConfigError(
                f"hidden_channels {width} cannot be divided among {heads} heads; "
                f"use hidden_channels {widths}, or heads {math.gcd(heads, width)}"
            )


@dataclass(frozen=True, kw_only=True)
class RunConfig(ModelConfig):
    """A model and how it is optimised: in full batches on a graph, in mini-batches on images.

    Where the architecture is one of images, settings that are not given are those of
    :data:`VISION_DEFAULTS`. ``dataclasses.replace`` gives every setting.
    """

    epochs: int = 320
    """Number of epochs, at most that where patience is set; on a graph each is one full-batch
    update. Images: 100 unless given."""
    patience: int = 0
    """End a run once its validation accuracy has not improved for so many epochs; 0: never. In a
    search only epochs at the target sparsity count. Learning rate and sparsity follow epochs all
    the same, so that a run that ends early is the beginning of the whole one."""
    lr: float = 0.01
    """Learning rate of the first epoch. Images: 0.1 unless given, and 0.01 where weights of a
    network without norms are trained."""
    lr_schedule: Literal["cosine", "constant", "multistep"] = "cosine"
    """How it goes on: down to 0 as a half cosine; not at all; or in steps, to a tenth
    after half of the epochs and to a hundredth after three quarters."""
    optimizer: Optimizer = "adamw"
    """AdamW, Adam, or stochastic gradient descent, as torch defines them. Images: sgd unless
    given."""
    momentum: float = 0.0
    """Momentum m of sgd, in [0, 1): v = m v + gradient, and the update is -lr v. Images: 0.9 unless
    given, or another optimizer is."""
    weight_decay: float = 0.0
    """Weight decay d: decoupled in adamw, which subtracts lr d of a weight or score from itself; in
    adam and sgd d times it is added to its gradient (L2). Images: 1e-4 unless given."""
    runs: int = 1
    """Number of runs, with the seeds seed, seed + 1, and so on."""
    backend: BackendName = "pyg"
    """Engine of the message passing."""
    device: str = "cpu"
    """Torch device, such as cpu or cuda."""
    precision: Precision = "float32"
    """Type of activations and products. Scores, weights, statistics of batch normalisation and the
    loss are float32 always, and the result is evaluated in float32."""
    batch_size: int = 0
    """Images of one update, the last of an epoch being of those that are left; 0: all of them.
    Images: 128 unless given; a graph is one batch."""
    augment: bool = False
    """Shift every image of a training batch by up to 4 pixels, what is beyond its border being
    zero, and mirror every second one. Images: true unless given."""

    def __new__(cls, *unnamed: Any, **given: Any) -> Self:
        """Keeps which settings were given, for those whose default the architecture decides."""
        self = super().__new__(cls, *unnamed, **given)
        object.__setattr__(self, "_given", frozenset(given))
        return self

    def __post_init__(self) -> None:
        if self.architecture in VISION:
            given = self.__dict__["_given"]
            defaults = image_defaults(
                self.architecture,
                training=isinstance(self, TrainConfig),
                optimizer=self.optimizer if "optimizer" in given else None,
            )
            for name in defaults.keys() - given:
                object.__setattr__(self, name, defaults[name])
        super().__post_init__()
        _at_least(self, "batch_size", 0)
        _at_least(self, "epochs", 1)
        _at_least(self, "patience", 0)
        _at_least(self, "runs", 1)
        if self.lr <= 0:
            raise ConfigError(f"lr must be positive, got {self.lr}")
        if not 0.0 <= self.momentum < 1.0:
            raise ConfigError(f"momentum must lie in [0, 1), got {self.momentum}")
        if self.momentum and self.optimizer != "sgd":
            raise ConfigError(
                f"momentum is for optimizer sgd; {self.optimizer} has moments of its own, leave "
                "momentum out, or set it to 0"
            )
        if self.weight_decay < 0:
            raise ConfigError(f"weight_decay must not be negative, got {self.weight_decay}")

    def is_last(self, epoch: int, best_epoch: int) -> bool:
        """Whether a run ends with an epoch: the last of all, or ``patience`` after the best one.

        >>> [RunConfig(epochs=9, patience=2).is_last(epoch, best_epoch=3) for epoch in (4, 5, 9)]
        [False, True, True]

        Args:
            epoch: its number, from 1 to ``epochs``.
            best_epoch: of best validation accuracy so far; 0 for none yet.
        """
        waited = epoch - best_epoch if best_epoch else 0
        return epoch == self.epochs or 0 < self.patience <= waited

    def lr_at(self, epoch: int) -> float:
        """Learning rate of the update of an epoch.

        With ``multistep`` the steps are those of He et al. 2015 (arXiv 1512.03385, section 4.2),
        after 32,000 and 48,000 of 64,000 updates.

        >>> RunConfig(lr=1.0, lr_schedule="multistep", epochs=4).lr_at(3)
        0.1

        Args:
            epoch: number of the update; 1 is the first.
        """
        done = (epoch - 1) / self.epochs
        if self.lr_schedule == "constant":
            return self.lr
        if self.lr_schedule == "multistep":
            return float(self.lr / 10 ** ((done >= 0.5) + (done >= 0.75)))
        return self.lr * (1 + math.cos(math.pi * (epoch - 1) / self.epochs)) / 2


@dataclass(frozen=True, kw_only=True)
class TrainConfig(RunConfig):
    """Weight training of the same classifier, the baseline of a ticket."""

    weight_init: WeightInit = "ku"
    """Initial weights: Kaiming uniform, Kaiming normal or signed Kaiming constant."""
    mask_sparsity: float = 0.0
    """Fraction of all weights that a random mask removes before training (a weak ticket); those
    that are left of a layer are scaled by 1/sqrt(density of the layer)."""
    seed: int = 0
    """Seed of the initial weights, and of the mask, of the first run."""
    mask: Literal["er"] = "er"
    """Where the mask comes from: er, an Erdos-Renyi graph, uniformly random within each layer."""
    allocation: Allocation = "uniform"
    """How the removed weights are divided among layers, as in a search: the same fraction of each,
    equal kept number per layer, Erdos-Renyi-kernel, ideal gas quotas, balanced or pyramidal."""
    rewire_every: int = 0
    """Rewire the mask every so many epochs (dynamic sparse training): in each layer a fraction
    of the kept weights, those of smallest magnitude, is dropped and as many are regrown from 0,
    in the place of that epoch's first update of the weights. 0: the mask stays; at least 2 where
    an epoch is one update, as on a graph."""
    rewire_fraction: float = 0.3
    """Fraction of a layer's kept weights to be rewired at first; it falls as a half cosine to
    0.005."""
    rewire_until: float = 0.75
    """Share of the epochs after which the mask stays, where the cosine ends."""
    regrow: Literal["gradient", "random"] = "gradient"
    """Where weights are regrown: at the largest gradients of the loss, as if all weights were there
    (RigL, arXiv 1911.11134), or at random (SET, arXiv 1707.04780)."""
    draw: Draw = "exact"
    """How the mask is drawn: exact counts of each layer at random places, or bernoulli, every
    weight by itself, so that the counts are random; the seed decides them."""
    connected: bool = False
    """Let the mask keep one weight, at a random place, of every output and input unit that would
    have none, so that it removes fewer."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.mask_sparsity < 1.0:
            raise ConfigError(f"mask_sparsity must lie in [0, 1), got {self.mask_sparsity}")
        _check_seeds(self.seed, self.runs)
        self._check_rewiring()
        self._check_idle()

    def _check_idle(self) -> None:
        """Refuse settings of a mask, or of its rewiring, where there is none."""
        for name in self.idle:
            if (value := getattr(self, name)) != getattr(TrainConfig, name):
                of_rewiring = name in _OF_REWIRING
                what = "a mask that is rewired" if of_rewiring else "weights under a mask"
                needed = [] if self.mask_sparsity else ["mask_sparsity"]
                needed += ["rewire_every"] if of_rewiring else []
                raise ConfigError(
                    f"{name} {value} is for {what}; set {' and '.join(needed)} above 0, or leave "
                    f"{name} out"
                )

    def _check_rewiring(self) -> None:
        _at_least(self, "rewire_every", 0)
        if not 0.0 < self.rewire_fraction < 1.0:
            raise ConfigError(f"rewire_fraction must lie in (0, 1), got {self.rewire_fraction}")
        if not 0.0 < self.rewire_until <= 1.0:
            raise ConfigError(f"rewire_until must lie in (0, 1], got {self.rewire_until}")
        if not self.rewire_every:
            return
        if self.rewire_every == 1 and not self.batch_size:
            raise ConfigError(
                "rewire_every must be at least 2, got 1: an update that rewires trains no weight"
            )
        if not self.mask_sparsity:
            raise ConfigError(
                f"rewire_every {self.rewire_every} has no mask to rewire; set mask_sparsity above 0"
            )
        if not self.rewirings:
            raise ConfigError(
                f"rewire_every {self.rewire_every} rewires nothing before epoch "
                f"{self.rewire_until * self.epochs:g}, where rewire_until {self.rewire_until:g} of "
                f"{self.epochs} epochs ends it; rewire more often, or longer"
            )

    @property
    def rewirings(self) -> range:
        """The epochs whose first update rewires the mask.

        >>> list(TrainConfig(epochs=40, mask_sparsity=0.5, rewire_every=10).rewirings)
        [10, 20]
        """
        if not self.rewire_every:
            return range(0)
        end = math.ceil(self.rewire_until * self.epochs)
        return range(self.rewire_every, end, self.rewire_every)

    @property
    def idle(self) -> tuple[str, ...]:
        """Settings that nothing follows from: of the mask or of its rewiring, where there is none.

        >>> TrainConfig(mask_sparsity=0.5).idle
        ('rewire_fraction', 'rewire_until', 'regrow')
        """
        return idle_in_training(self.mask_sparsity, self.rewire_every)

    @property
    def masked_source(self) -> FreezeConfig:
        """The source of a weak ticket: the mask removes what is pruned there, and no more.

        >>> TrainConfig(mask_sparsity=0.9, allocation="erk").masked_source.ratios
        (0.9, 0.0)
        """
        return FreezeConfig(
            sparsity=self.mask_sparsity,
            prune_ratio=self.mask_sparsity,
            allocation=self.allocation,
            weight_init=self.weight_init,
            scale="none",
            seed=self.seed,
            draw=self.draw,
            connected=self.connected,
        )


@dataclass(frozen=True, kw_only=True)
class SearchConfig(RunConfig, FreezeConfig):
    """The search for a ticket in a frozen source network. It is a ``FreezeConfig`` too."""

    sparsity_schedule: Literal["constant", "linear", "linear_levels", "geometric_levels"] = (
        "constant"
    )
    """Search at the target sparsity, ramp it linearly from 0 over the first half of the epochs
    (UGT), or raise it there in levels from the source's sparsity, by equal differences of the
    sparsity (linear) or equal factors of the kept share (geometric). Only epochs at the target
    sparsity can become the ticket."""
    l1: float = 0.0
    """Coefficient c of a penalty c * sum |z| over the scores z of all searched weights: beside the
    cross entropy its subgradient c sign(z), 0 at z = 0, is minimised. The losses that are recorded
    are without it."""
    sparsity_levels: int = 5
    """Number of steps k of a sparsity_schedule in levels. Level 0 is the source, level k the target
    sparsity."""
    score_draw: int = 0
    """Scores that the search begins with: 0 for the seed's own, every other number for others over
    the same source network, to see whether it has one ticket or many. The results of a
    ticket say which, where it is not the seed's own."""

    def __post_init__(self) -> None:
        RunConfig.__post_init__(self)
        if self.l1 < 0:
            raise ConfigError(f"l1 must not be negative, got {self.l1}")
        _at_least(self, "score_draw", 0)
        self._check_levels()
        FreezeConfig.__post_init__(self)
        _check_seeds(self.seed, self.runs)

    def _check_levels(self) -> None:
        _at_least(self, "sparsity_levels", 1)
        levels = self.sparsity_levels
        if not self.sparsity_schedule.endswith("levels"):
            if levels != type(self).sparsity_levels:
                raise ConfigError(
                    f"sparsity_levels {levels} is for sparsity_schedule linear_levels or "
                    f"geometric_levels; with {self.sparsity_schedule} leave it out"
                )
        elif levels > self.epochs // 2:
            raise ConfigError(
                f"{levels} levels of sparsity do not fit into the first half of {self.epochs} "
                f"epochs; use at least {2 * levels} epochs, or fewer sparsity_levels"
            )

    def sparsity_at(self, epoch: int, source: float | None = None) -> float:
        """Sparsity of the mask after ``epoch`` of ``epochs`` epochs, a fraction of all weights.

        What is pruned is missing from the first mask on: with s₀ the sparsity of the source, s the
        target, k levels and H half of the epochs, in whole ones,

        ================ ==========================================================================
        linear           max(s₀, s t), t = min(1, epoch / H)
        linear_levels    s₀ + (s − s₀) i / k, level i = ⌊k t⌋
        geometric_levels 1 − (1 − s₀) ((1 − s) / (1 − s₀))^(i / k): the kept share falls by an equal
                         factor at each level
        ================ ==========================================================================

        >>> ramp = SearchConfig(sparsity=0.8, sparsity_schedule="linear", epochs=10)
        >>> [ramp.sparsity_at(epoch) for epoch in (0, 1, 4, 5, 10)]
        [0.0, 0.16000000000000003, 0.6400000000000001, 0.8, 0.8]

        From a kept share of ½ by the factor ½ to an eighth:

        >>> levels = SearchConfig(sparsity=0.875, prune_ratio=0.5, epochs=8, sparsity_levels=2,
        ...     sparsity_schedule="geometric_levels")
        >>> [levels.sparsity_at(epoch) for epoch in (0, 1, 2, 3, 4, 8)]
        [0.5, 0.5, 0.75, 0.75, 0.875, 0.875]

        Args:
            epoch: number of epochs so far; 0 is before the first.
            source: s₀, the share of all weights that the source really prunes, where the pruning
                ratio does not tell it; default: that.
        """
        start = min(self.ratios[0] if source is None else source, self.sparsity)
        done = min(1.0, epoch / max(1, self.epochs // 2))
        if self.sparsity_schedule == "constant" or done == 1.0:
            return self.sparsity
        if self.sparsity_schedule == "linear":
            return max(start, self.sparsity * done)
        # In whole numbers, so that no level begins an epoch late.
        level = self.sparsity_levels * epoch // (self.epochs // 2) / self.sparsity_levels
        if self.sparsity_schedule == "linear_levels":
            return start + (self.sparsity - start) * level
        if start == 1.0:
            return start
        factor = (1.0 - self.sparsity) / (1.0 - start)
        return 1.0 - (1.0 - start) * math.pow(factor, level)


#: How a run finds its result, as commands and studies call it, and its settings.
METHODS: dict[str, type[SearchConfig] | type[TrainConfig]] = {
    "search": SearchConfig,
    "train": TrainConfig,
}


@dataclass(frozen=True, kw_only=True)
class SourcesConfig(RunConfig):
    """Weight training, and the search for tickets in a dense, a sparse and a frozen source.

    All four arms have the same model, epochs, optimiser and seeds; the sparse and the frozen source
    have search spaces of one size. Each ticket stands at the same place in the search window of its
    own source, p ≤ s ≤ 1 − l: a dense source has the window [0, 1], the sparse one [F, 1], and the
    frozen one, of which the share α is pruned, [α F, 1 − (1 − α) F].

    Raises:
        ConfigError: for a value out of range, or with which arms would be the same.
    """

    seeds: int = 3
    """Number of seeds of every arm: seed, seed + 1, and so on."""
    seed: int = 0
    """First seed."""
    sparsity: float = 0.5
    """Sparsity of the dense source's ticket, in (0, 1), and the place that the other tickets have
    in the search windows of their sources: 0.5 is the middle of each, where a source has most
    tickets. What sparsity that is there follows from the freezing ratio."""
    freezing_ratio: float = 0.4
    """Fraction of the weights that the sparse source prunes, and that the frozen one prunes or
    locks, in (0, 1)."""
    prune_share: float = 0.5
    """Share of the frozen source's frozen weights that is pruned, in [0, 1); the rest is locked."""
    allocation: Literal["epl", "erk", "uniform"] = "epl"
    """How frozen weights are divided among layers: equal kept number per layer, Erdos-Renyi-kernel,
    or the same ratio everywhere."""
    weight_init: WeightInit = "skc"
    """Random weights of the sources: Kaiming uniform, Kaiming normal or signed Kaiming constant.
    Weights that are trained begin Kaiming uniform."""
    scale: Scale = "dynamic"
    """Factor on each layer's random weights: none, static 1/sqrt(density of the ticket), or dynamic
    1/sqrt(present density of the layer)."""
    train_lr: float | None = None
    """Learning rate of weight training. Default: lr; of networks of images without norms 0.01."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least(self, "seeds", 1)
        if self.runs != 1:
            raise ConfigError(f"runs is {self.runs}, and seeds says how many there are; set seeds")
        _check_seeds(self.seed, self.seeds)
        for name, why in (
            ("sparsity", "at the ends of its window a source has one ticket, and no search"),
            ("freezing_ratio", "at 0 all sources are dense, and at 1 nothing is searched"),
        ):
            if not 0.0 < (value := getattr(self, name)) < 1.0:
                raise ConfigError(f"{name} must lie in (0, 1), got {value}: {why}")
        if not 0.0 <= self.prune_share < 1.0:
            raise ConfigError(
                f"prune_share must lie in [0, 1), got {self.prune_share}: with 1 the frozen source "
                "would be the sparse one"
            )
        if self.train_lr is not None and self.train_lr <= 0:
            raise ConfigError(f"train_lr must be positive, got {self.train_lr}")


@dataclass(frozen=True, kw_only=True)
class DemoConfig(SourcesConfig):
    """The demo: a third of the paper's width, a twelfth of its epochs, a faster rate, 3 seeds."""

    epochs: int = 32
    """Number of full-batch updates of each run."""
    hidden_channels: int = 128
    """Width of the GIN (the paper: 386)."""
    lr: float = 0.05
    """Learning rate of the first epoch (the paper: 0.01)."""


def idle_in_training(mask_sparsity: Any, rewire_every: Any) -> tuple[str, ...]:
    """Settings of weight training that nothing follows from: of a mask, or of its rewiring.

    Args:
        mask_sparsity: 0 or None where there is no mask.
        rewire_every: likewise where it is not rewired.
    """
    rewiring = () if rewire_every else _OF_REWIRING
    return rewiring if mask_sparsity else (*_OF_MASK, *rewiring)


def image_defaults(
    architecture: object, *, training: bool, optimizer: Optimizer | None = None
) -> dict[str, Any]:
    """Settings of a network of images where nobody says otherwise.

    >>> "momentum" in image_defaults("conv6", training=False, optimizer="adamw")
    False

    Args:
        architecture: one of :data:`VISION`.
        training: whether weights are trained, and not a ticket searched.
        optimizer: that was chosen: momentum is for sgd alone. Default: nobody chose one.
    """
    slow = training and architecture in _WITHOUT_NORM
    found = {**VISION_DEFAULTS, "lr": 0.01} if slow else dict(VISION_DEFAULTS)
    if optimizer not in (None, VISION_DEFAULTS["optimizer"]):
        del found["momentum"]
    return found


def default_of(
    item: dataclasses.Field[Any], architecture: object, *, training: bool = False
) -> Any:
    """What a setting is where nobody says otherwise.

    >>> lr = next(each for each in dataclasses.fields(RunConfig) if each.name == "lr")
    >>> default_of(lr, "gin"), default_of(lr, "conv6"), default_of(lr, "conv6", training=True)
    (0.01, 0.1, 0.01)

    Args:
        item: field of a config.
        architecture: of its model.
        training: whether the config is of weight training.
    """
    if architecture not in VISION:
        return item.default
    return image_defaults(architecture, training=training).get(item.name, item.default)


def _check_kind(config: ModelConfig) -> None:
    """Refuse what a network of images does not have, and of graphs what only that has."""
    name = config.architecture
    if not 0.0 < config.width <= 16.0:
        raise ConfigError(f"width must lie in (0, 16], got {config.width}")
    fields = dataclasses.fields(config)
    kept = _OF_GRAPHS if name in VISION else ("width", "batch_size", "augment")
    changed = [f.name for f in fields if f.name in kept and getattr(config, f.name) != f.default]
    if changed and name in VISION:
        raise ConfigError(
            f"{changed[0]} is a setting of networks of graphs, and {name} is of images; leave it "
            "out (width makes the network wider)"
        )
    if changed:
        raise ConfigError(
            f"{changed[0]} is a setting of networks of images ({', '.join(VISION)}), and {name} is "
            "of graphs; leave it out"
        )


def _check_seeds(first: int, runs: int) -> None:
    Stream(first, "", "check")
    Stream(first + runs - 1, "", "check")


def _at_least(config: object, name: str, least: int) -> None:
    if getattr(config, name) < least:
        raise ConfigError(f"{name} must be at least {least}, got {getattr(config, name)}")
