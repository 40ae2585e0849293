r"""Tickets by construction: a random network's subnetwork that equals a given network to ε.

Nothing is trained in the source. Every coefficient α of the target is the sum of some of a few
random numbers, so which of them the ticket keeps is a subset sum for each coefficient
(:mod:`gslt.theory.subset_sum`); locked values are in the sum, pruned ones are not.

**Pairs.** Middle channels of an input channel x are ReLU(λ x) = |λ| x⁺ where λ > 0 and |λ| x⁻ where
λ < 0. With Σ |λ| μ = α over the kept μ of the first kind and Σ |λ| μ = −α over those of the second,
what arrives is α x⁺ − α x⁻ = α x. An input that is never negative needs the first kind only.

**Copies.** Behind the pair of an L + 1 construction the channels are copies of the target's hidden
units, and Σ μ = α over the copies of a unit.

**Error.** With the target's own activations before a layer and the source behind it, the
difference of the two outputs is a telescoping sum:

.. math:: |\hat y - y| \le \sum_l \epsilon_l S_l \prod_{m > l} G_m ,

where ε_l is the largest error of a coefficient of layer l, S_l the largest
:math:`\sum_{p,k} B_k |x_p| + 1` of its inputs over the data, and G_m the largest row sum of the
source's layer m. So the layers are built from the last to the first, each with
:math:`\epsilon_l = \epsilon / (L S_l \prod_{m > l} G_m)`, and the bound holds on the data as it is.

Sources: Pensia et al. 2020 (arXiv 2006.07990); Ferbach et al. 2023 (arXiv 2206.04270), equivariant
networks; Burkholz 2022 (arXiv 2205.02343), L + 1; Otsuka et al. 2024 (arXiv 2402.14029), frozen
sources. Nothing is locked in the first matrix of a pair: a locked entry lets a second channel into
a middle channel, and then no coefficient is a subset sum of its own any more.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gslt.config import FreezeConfig
from gslt.errors import ConfigError
from gslt.freezing import FrozenCounts
from gslt.masking.freeze import make_source
from gslt.masking.weights import frozen_places
from gslt.nn.budget import check_room
from gslt.nn.equivariant import EquivariantNetwork
from gslt.nn.graph import Graph
from gslt.nn.source import ConstructedNetwork, SourcePlan
from gslt.progress import progress_bar
from gslt.theory.coefficients import (
    MOST_EXACT,
    BlockFacts,
    BlockSums,
    norms_of,
    size_of_inputs,
    wanted_of,
)
from gslt.theory.config import ConstructConfig
from gslt.theory.width import copies_needed, finest_error

#: Memory of a weight of a searched matrix while a ticket is constructed.
BYTES_PER_WEIGHT = 64
#: Products that are made to compute a network as it stands: of some examples, or a whole graph.
_LITERAL, _LITERAL_GRAPH = 2 * 10**10, 10**11
#: Numbers of a middle at a time.
_MIDDLE = 1 << 24


@dataclass(frozen=True)
class Construction:
    """A ticket that was constructed, and how."""

    network: ConstructedNetwork
    """Frozen; its mask is the ticket."""
    blocks: tuple[BlockFacts, ...]
    epsilon: float
    """Largest output error that was asked for."""
    bound: float
    """Largest output error on the data that the errors of the coefficients allow."""
    output_error: float
    """Largest output error on the data that was seen."""
    agreement: float
    """Share of the data that is given the same class."""
    literal_error: float | None
    """Largest output error with every middle channel computed as it stands, on as much of the data
    as takes some seconds; None where a graph is too large for that."""
    target_weights: int
    """Coefficients and biases of the target."""
    kept: int
    locked: int
    pruned: int
    seconds: float
    ratios: tuple[float, float]
    """Pruning ratio p and locking ratio l."""

    @property
    def seed(self) -> int:
        """Of the source."""
        return self.network.config.seed

    @property
    def searched(self) -> int:
        """Coefficients of the source's searched matrices, frozen ones among them."""
        return self.network.config.searched_size

    @property
    def first(self) -> int:
        """Coefficients of first matrices, of which the ticket keeps one a middle channel."""
        return self.network.config.first_size

    @property
    def searched_per_target_weight(self) -> float:
        """Random weights to choose from for each of the target."""
        return self.searched / self.target_weights

    @property
    def random_per_target_weight(self) -> float:
        """The same with the first matrices, which are never made."""
        return (self.searched + self.first) / self.target_weights

    def as_dict(self) -> dict[str, Any]:
        """Every figure by name, the network's own aside."""
        fields = [field.name for field in dataclasses.fields(self) if field.name != "network"]
        counts = ("searched", "first", "seed")
        shares = ("searched_per_target_weight", "random_per_target_weight")
        return {
            **{name: getattr(self, name) for name in (*fields, *counts, *shares)},
            "blocks": [dataclasses.asdict(block) for block in self.blocks],
        }


def construct(
    target: EquivariantNetwork,
    x: Tensor,
    graph: Graph | None = None,
    config: ConstructConfig | None = None,
    *,
    progress: bool = False,
    on_layer: Callable[[], None] | None = None,
    literal_products: int | None = None,
) -> Construction:
    """A random network's ticket whose outputs are those of a target, to ε, on the data.

    Args:
        target: trained, or not.
        x: data, field ``(batch, p, …)``. Where none of it is negative, the ticket serves inputs
            that are never negative, with half the work.
        graph: of message passing.
        config: ε, source, seed.
        progress: show a progress bar on a terminal.
        on_layer: called before every layer; what it raises ends the construction.
        literal_products: how many are made to compute the network as it stands [some seconds].

    Returns:
        The frozen source with the ticket's mask, and what was measured.

    Raises:
        ConstructionError: if a coefficient is missed, naming it and the width that would do.
        ConfigError: if memory cannot hold the source.
    """
    config = config or ConstructConfig()
    started = time.perf_counter()
    target = _double(target)
    with torch.no_grad():
        inputs, y = _activations(target, x.double(), graph)
    source = plan(target, inputs, config, graph)
    check_room(
        BYTES_PER_WEIGHT * source.searched_size,
        f"a source of {source.searched_size:,} searched weights",
        torch.device("cpu"),
        lambda _: _smaller(config),
    )
    network, frozen = ConstructedNetwork(source), _frozen_source(config)
    make_source(network, frozen)
    masks: dict[str, Tensor] = {}
    facts: list[BlockFacts] = []
    share, behind, bound = config.epsilon / len(inputs), 1.0, 0.0
    order = list(enumerate(zip(target.layers, inputs, strict=True)))[::-1]
    for number, (layer, field_in) in progress_bar(
        order, desc="layers", unit="layer", show=progress
    ):
        if on_layer is not None:
            on_layer()
        size = size_of_inputs(layer, field_in, graph)
        both_signs = bool((field_in < 0).any())
        sums = BlockSums(network, number, layer, both_signs, by_law=config.copies is None)
        with torch.no_grad():
            mask, fact = sums.solve(share / (size * behind), field_in, graph)
        masks[f"blocks.{number}.weight"] = mask
        facts.insert(0, fact)
        bound += fact.error * size * behind
        behind *= fact.gain
    counts = FrozenCounts.sum(weight.counts for *_, weight in frozen_places(network))
    kept = counts.locked + sum(int(mask.sum()) for mask in masks.values())
    _keep(network, dataclasses.replace(frozen, sparsity=1.0 - kept / counts.total), masks)
    with torch.no_grad():
        found = network(x, graph)
    return Construction(
        network=network,
        blocks=tuple(facts),
        epsilon=config.epsilon,
        bound=bound,
        output_error=float((found - y).abs().max()),
        agreement=float((found.argmax(1) == y.argmax(1)).double().mean()),
        literal_error=_literal_error(network, x, graph, y, literal_products),
        target_weights=sum(parameter.numel() for parameter in target.parameters()),
        kept=kept,
        locked=counts.locked,
        pruned=counts.pruned,
        seconds=time.perf_counter() - started,
        ratios=config.ratios,
    )


def _smaller(config: ConstructConfig) -> str:
    """What to do where memory cannot hold the source."""
    cure = "take a larger epsilon, freeze less, or choose a smaller target"
    if config.construction == "2L":
        return cure
    return f"L+1 has copies² of them for a weight where 2L has copies: take 2L; or {cure}"


def _frozen_source(config: ConstructConfig) -> FreezeConfig:
    """How the searched matrices are frozen, at a sparsity that is none yet."""
    p, locked = config.ratios
    return FreezeConfig(
        sparsity=round(p + (1.0 - p - locked) / 2, 12),
        prune_ratio=p,
        lock_ratio=locked,
        allocation="uniform",
        scale="none",
        weight_init="ku",
        seed=config.seed,
    )


def plan(
    target: EquivariantNetwork,
    inputs: list[Tensor],
    config: ConstructConfig,
    graph: Graph | None = None,
) -> SourcePlan:
    """The source that is wide enough, by the law of :func:`gslt.theory.width.copies_needed`.

    Args:
        target: the network to be equalled.
        inputs: of each of its layers, fields ``(batch, p, …)``.
        config: ε, ratios, construction, seed.
        graph: of message passing.

    Raises:
        ConfigError: for an ε finer than sums can be searched for, or more channels than there may
            be.
    """
    copies, floor = _widths(target, inputs, config, graph)
    if config.copies is None and floor > config.epsilon:
        asked, least = config.epsilon, floor
        # A larger ε has fewer channels, of which the smallest are larger.
        while floor >= least:
            least = 1.1 * floor
            floor = _widths(target, inputs, dataclasses.replace(config, epsilon=least), graph)[1]
        step = 10.0 ** (math.floor(math.log10(least)) - 1)
        raise ConfigError(
            f"epsilon {asked:g} is finer than sums of random values can be searched for: "
            f"{MOST_EXACT} values at most are searched exactly, and some coefficient would be "
            f"missed more often than failure {config.failure:g} allows; take an epsilon of at "
            f"least {math.ceil(least / step) * step:.1e}, or a larger failure"
        )
    return SourcePlan(
        kind=target.kind,
        channels=target.channels,
        construction=config.construction,
        copies=tuple(copies),
        seed=config.seed,
        first_prune_ratio=config.ratios[0],
    )


def _widths(
    target: EquivariantNetwork, inputs: list[Tensor], config: ConstructConfig, graph: Graph | None
) -> tuple[list[int], float]:
    """Random channels for one in each layer, and the smallest ε that can be searched for there.

    The latter is 0 where the number of channels is given.
    """
    depth, floor = len(target.layers), 0.0
    p, locked = config.ratios
    share, behind, copies = config.epsilon / depth, 1.0, [1] * depth
    rows_behind = 1
    for number in reversed(range(depth)):
        layer, x = target.layers[number], inputs[number]
        pair = config.construction == "2L" or number == 0
        alpha, beta, scale = wanted_of(layer, rows_behind > 1)
        signs = 2 if pair and bool((x < 0).any()) else 1
        sums = rows_behind * (alpha[0].numel() * signs + beta.size(1)) * len(alpha)
        epsilon = share / (size_of_inputs(layer, x, graph) * behind * scale)
        copies[number] = config.copies or 0
        if config.copies is None:
            failure = config.failure / depth / sums
            frozen: dict[str, Any] = {"pair": pair, "prune_ratio": p, "lock_ratio": locked}
            copies[number] = copies_needed(epsilon, failure, **frozen)
            finest = finest_error(copies[number], MOST_EXACT, failure, **frozen)
            floor = max(floor, config.epsilon * finest / epsilon)
        norms = norms_of(layer, x, graph)
        width = 1.0 if pair else copies[number] / 2
        behind *= float((alpha.abs() * norms).sum((1, 2)).max()) * width + (0.0 if pair else scale)
        rows_behind = 1 if config.construction == "2L" else copies[number]
    return copies, floor


def _double(target: EquivariantNetwork) -> EquivariantNetwork:
    """A copy in double precision."""
    copy = EquivariantNetwork(target.kind, target.channels).double()
    copy.load_state_dict(target.state_dict())
    values = [parameter for parameter in copy.parameters() if not bool(parameter.isfinite().all())]
    if values:
        raise ConfigError("the target has weights that are not finite: train it anew")
    return copy


def _activations(
    target: EquivariantNetwork, x: Tensor, graph: Graph | None
) -> tuple[list[Tensor], Tensor]:
    """Inputs of each layer, and the output."""
    inputs = [x]
    for layer in target.layers[:-1]:
        inputs.append(layer(inputs[-1], graph).relu())
    return inputs, target.layers[-1](inputs[-1], graph)


def _literal_error(
    network: ConstructedNetwork, x: Tensor, graph: Graph | None, y: Tensor, products: int | None
) -> float | None:
    """The error of the network as it stands, on as many examples as the work allows."""
    places = x[0, 0].numel()
    budget = products or (_LITERAL if graph is None else _LITERAL_GRAPH)
    most = max(1, budget // (network.config.searched_size * places))
    if graph is not None and most < len(x):
        return None
    step = len(x) if graph is not None else max(1, _MIDDLE // (max(network.config.copies) * places))
    worst = 0.0
    with torch.no_grad():
        for part, wanted in zip(
            torch.split(x[:most], step), torch.split(y[:most], step), strict=True
        ):
            worst = max(worst, float((network.literal(part, graph) - wanted).abs().max()))
    return worst


def _keep(network: ConstructedNetwork, config: FreezeConfig, masks: Mapping[str, Tensor]) -> None:
    """Freeze the source at the sparsity that the masks have, and put them into it."""
    make_source(network, config)
    with torch.no_grad():
        for name, _, _, weight in frozen_places(network):
            weight.score().copy_(masks[name])
    for name, _, _, weight in frozen_places(network):
        assert torch.equal(weight.mask(), masks[name])
