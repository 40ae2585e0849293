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

Sources: Pensia et al. 2020 (arXiv 2006.07990); Ferbach et al. 2023 (arXiv 2210.04270), equivariant
networks; Burkholz 2022 (arXiv 2205.02343), L + 1; Otsuka et al. 2024 (arXiv 2402.14029), frozen
sources. Nothing is locked in the first matrix of a pair: a locked entry lets a second channel into
a middle channel, and then no coefficient is a subset sum of its own any more.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from gslt.config import FreezeConfig, check_choice, check_values
from gslt.errors import ConfigError, ConstructionError
from gslt.freezing.pattern import LOCKED, PRUNED, SEARCHED
from gslt.masking.freeze import freeze, frozen_places
from gslt.masking.parametrization import FrozenWeight
from gslt.nn.budget import check_room
from gslt.nn.equivariant import EquivariantLinear, EquivariantNetwork
from gslt.nn.graph import Graph
from gslt.nn.source import CONSTRUCTIONS, SourceBlock, SourceConfig, SourceNetwork
from gslt.random import Stream
from gslt.theory.laws import Draws, log2_density, predicted_failure
from gslt.theory.subset_sum import Bool, Float64, check_epsilon, subset_sums

#: Memory of a weight of a searched matrix while a ticket is constructed.
BYTES_PER_WEIGHT = 64
#: Free values that are searched exactly, first for all coefficients, then for those still missed.
_EXACT = (20, 28, 34, 38)
#: Values of subset sums at a time.
_VALUES = 1 << 23
#: Draws from which the share of failures is predicted, and the shares between which it is
#: continued: an exponential law, as the lemmas have it.
_DRAWS, _FIRST_SHARE, _LAST_SHARE = 4_000, 0.2, 5e-3
#: Products that are made to compute a network as it stands.
_LITERAL = 10**11
#: Most random channels for one.
MAX_COPIES = 1 << 13


@dataclass(frozen=True)
class BlockFacts:
    """What was found for one layer of the target."""

    layer: str
    """Basis and widths, in words."""
    coefficients: int
    """Of the target's layer, biases among them; copies of a unit counted once each."""
    copies: int
    """Random channels in the place of each input channel."""
    scale: float
    """Largest coefficient of the target's layer, by which all were divided."""
    epsilon: float
    """Largest error of a coefficient that was allowed."""
    error: float
    """Largest error of a coefficient that was found."""
    gain: float
    """G, by how much the source's layer can enlarge a difference."""
    both_signs: bool
    """Whether its inputs can be negative, so that every coefficient is two subset sums."""


@dataclass(frozen=True)
class Construction:
    """A ticket that was constructed, and how."""

    network: SourceNetwork
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
    as takes about a minute; None where a graph is too large for that."""
    target_weights: int
    """Coefficients and biases of the target."""
    searched: int
    """Coefficients of the source's searched matrices, frozen ones among them."""
    first: int
    """Coefficients of first matrices, of which the ticket keeps one for each middle channel."""
    kept: int
    locked: int
    pruned: int
    seconds: float
    seed: int
    """Of the source."""
    ratios: tuple[float, float]
    """Pruning ratio p and locking ratio l."""

    def as_dict(self) -> dict[str, Any]:
        """Every figure by name, the network's own aside."""
        values = {
            f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "network"
        }
        return {
            **values,
            "blocks": [dataclasses.asdict(block) for block in self.blocks],
            "searched_per_target_weight": self.searched / self.target_weights,
            "random_per_target_weight": (self.searched + self.first) / self.target_weights,
        }


@dataclass(frozen=True, kw_only=True)
class ConstructConfig:
    """How a ticket is constructed."""

    epsilon: float = 0.01
    """Largest output error on the data."""
    construction: str = "2L"
    """2L: a pair of random layers for each layer of the target. L+1: one pair, then copies."""
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
        check_choice("construction", self.construction, CONSTRUCTIONS)
        p, locked = self.ratios
        for name, value in (("prune_ratio", p), ("lock_ratio", locked)):
            if not 0 <= value < 1:
                raise ConfigError(f"{name} must lie in [0, 1), got {value}")
        if p + locked > 0.95:
            raise ConfigError(
                f"prune_ratio {p:g} and lock_ratio {locked:g} leave {1 - p - locked:.3g} of the "
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


def construct(
    target: EquivariantNetwork,
    x: Tensor,
    graph: Graph | None = None,
    config: ConstructConfig | None = None,
    *,
    progress: bool = False,
) -> Construction:
    """A random network's ticket whose outputs are those of a target, to ε, on the data.

    Args:
        target: trained, or not.
        x: data, field ``(batch, p, …)``. Where none of it is negative, the ticket serves inputs
            that are never negative, with half the work.
        graph: of message passing.
        config: ε, source, seed.
        progress: show a progress bar on a terminal.

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
        lambda _: "take a larger epsilon, freeze less, or choose a smaller target",
    )
    p, locked = config.ratios
    frozen = FreezeConfig(
        sparsity=round(p + (1.0 - p - locked) / 2, 12),
        prune_ratio=p,
        lock_ratio=locked,
        allocation="uniform",
        scale="none",
        weight_init="ku",
        seed=config.seed,
    )
    network = SourceNetwork(source)
    freeze(network, frozen)
    masks, facts, bound = {}, [], 0.0
    share, behind = config.epsilon / len(target.layers), 1.0
    order = list(enumerate(zip(target.layers, inputs, strict=True)))[::-1]
    for number, (layer, field_in) in tqdm(
        order, desc="layers", unit="layer", disable=None if progress else True
    ):
        size = _size_of_inputs(layer, field_in, graph)
        problem = _Problem(network, number, layer, bool((field_in < 0).any()))
        with torch.no_grad():
            mask, fact = problem.solve(share / (size * behind), config, graph, field_in)
        masks[f"blocks.{number}.weight"] = mask
        facts.append(fact)
        bound += fact.error * size * behind
        behind *= fact.gain
    total = source.searched_size
    searched_kept = sum(int(mask.sum()) for mask in masks.values())
    counts = [w.counts for *_, w in frozen_places(network)]
    locked_count = sum(c.locked for c in counts)
    kept = searched_kept + locked_count
    factors = {name: value for name, value in network.named_buffers() if name.endswith("factor")}
    _keep(network, dataclasses.replace(frozen, sparsity=1.0 - kept / total), masks, factors)
    with torch.no_grad():
        found = network(x, graph)
    return Construction(
        network=network,
        blocks=tuple(facts[::-1]),
        epsilon=config.epsilon,
        bound=bound,
        output_error=float((found - y).abs().max()),
        agreement=float((found.argmax(1) == y.argmax(1)).double().mean()),
        literal_error=_literal_error(network, x, graph, y),
        target_weights=sum(parameter.numel() for parameter in target.parameters()),
        searched=total,
        first=source.first_size,
        kept=kept,
        locked=locked_count,
        pruned=sum(c.pruned for c in counts),
        seconds=time.perf_counter() - started,
        seed=config.seed,
        ratios=config.ratios,
    )


def plan(
    target: EquivariantNetwork,
    inputs: list[Tensor],
    config: ConstructConfig,
    graph: Graph | None = None,
) -> SourceConfig:
    """The source network that is wide enough, by the law of :func:`copies_needed`.

    Args:
        target: the network to be equalled.
        inputs: of each of its layers, fields ``(batch, p, …)``.
        config: ε, ratios, construction, seed.
        graph: of message passing.
    """
    channels, depth = target.channels, len(target.layers)
    p, locked = config.ratios
    share, behind, copies = config.epsilon / depth, 1.0, [1] * depth
    rows_behind = 1
    for number in reversed(range(depth)):
        layer, x = target.layers[number], inputs[number]
        pair = config.construction == "2L" or number == 0
        alpha, beta, scale = _wanted(layer, rows_behind > 1)
        signs = 2 if pair and bool((x < 0).any()) else 1
        sums = rows_behind * (alpha[0].numel() * signs + beta.size(1)) * len(alpha)
        epsilon = share / (_size_of_inputs(layer, x, graph) * behind * scale)
        copies[number] = config.copies or copies_needed(
            epsilon, config.failure / depth / sums, pair=pair, prune_ratio=p, lock_ratio=locked
        )
        norms = _norms(layer, x, graph)
        width = 1.0 if pair else copies[number] / 2
        behind *= float((alpha.abs() * norms).sum((1, 2)).max()) * width + (0.0 if pair else scale)
        rows_behind = 1 if config.construction == "2L" else copies[number]
    return SourceConfig(
        kind=target.kind,
        channels=channels,
        construction=config.construction,
        copies=tuple(copies),
        seed=config.seed,
        first_prune_ratio=p,
    )


def copies_needed(
    epsilon: float,
    failure: float,
    *,
    pair: bool = True,
    prune_ratio: float = 0.0,
    lock_ratio: float = 0.0,
) -> int:
    """How many random channels serve one coefficient, so that it is missed with this probability.

    Of the channels of a pair half have the right sign, and some entries of the first matrix are
    missing; the products λ μ of the others, and in copies the weights μ themselves, are locked,
    pruned or free by chance. The share of targets on [−1, 1] that is missed is predicted by
    :func:`gslt.theory.laws.log2_density` over 4,000 draws as far as it is above a half per cent,
    and continued as the exponential in the number of channels that the lemmas say it is: once with
    ε, once for what lies out of reach whatever ε is. The larger of the two numbers, and a tenth
    more.

    Args:
        epsilon: largest error of a coefficient, for coefficients in [−1, 1].
        failure: probability to miss one.
        pair: whether the channels are those of a pair, or copies of a unit.
        prune_ratio: p.
        lock_ratio: l, in the second matrix of a pair alone.

    Raises:
        ConfigError: if more than :data:`MAX_COPIES` would be needed.
    """
    numbers, shares = [], []
    step = 8
    while True:
        density = _densities(step, pair, prune_ratio, lock_ratio)
        beyond = float(np.isneginf(density).mean())
        shares.append((predicted_failure(density, epsilon), beyond))
        numbers.append(step)
        if max(shares[-1]) < _LAST_SHARE:
            break
        step = math.ceil(step * 1.2)
        if step > MAX_COPIES:
            raise ConfigError(
                f"more than {MAX_COPIES} random channels for one would be needed to come within "
                f"{epsilon:.2g} of a coefficient at prune_ratio {prune_ratio:g} and lock_ratio "
                f"{lock_ratio:g}; lock less"
            )
    needed = max(_continued(numbers, list(each), failure) for each in zip(*shares, strict=True))
    return math.ceil(1.1 * needed) + 2


def _continued(numbers: list[int], shares: list[float], failure: float) -> float:
    """Where the line through the logarithms of the last shares is at that of a failure."""
    if shares[-1] <= failure:
        return float(next(n for n, share in zip(numbers, shares, strict=True) if share <= failure))
    last = [
        (n, math.log(s))
        for n, s in zip(numbers, shares, strict=True)
        if _LAST_SHARE <= s <= _FIRST_SHARE
    ]
    if len(last) < 2:
        positive = [(n, math.log(s)) for n, s in zip(numbers, shares, strict=True) if s > 0]
        last = positive[-2:]
    if len(last) < 2 or last[-1][1] >= last[0][1]:
        return float(numbers[-1])
    slope = (last[-1][1] - last[0][1]) / (last[-1][0] - last[0][0])
    return last[-1][0] + (math.log(failure) - last[-1][1]) / slope


@lru_cache(maxsize=512)
def _densities(n: int, pair: bool, prune_ratio: float, lock_ratio: float) -> Float64:
    """Density of the subset sums of n random channels as a coefficient sees them, ``(draws,)``."""
    return log2_density(drawn(n, pair, prune_ratio, lock_ratio, _DRAWS))


def drawn(n: int, pair: bool, prune_ratio: float, lock_ratio: float, number: int) -> Draws:
    """Rows of n random channels as a coefficient sees them, with targets uniform on [−1, 1].

    Args:
        n: channels.
        pair: whether they are those of a pair, of which half have the right sign.
        prune_ratio: p.
        lock_ratio: l.
        number: of rows.
    """

    def uniform(role: str, size: int = n) -> Float64:
        return Stream(0, f"channels {n}", role).uniform(number * size).reshape(number, size)

    state = uniform("pattern")
    values = 2.0 * uniform("weight") - 1.0
    locked, pruned = state < lock_ratio, (state >= lock_ratio) & (state < lock_ratio + prune_ratio)
    if pair:
        first = 2.0 * uniform("first") - 1.0
        absent = (first <= 0) | (uniform("first pattern") < prune_ratio)
        values = values * np.abs(first)
        locked, pruned = locked & ~absent, pruned | absent
    return Draws(values, 2.0 * uniform("target", 1).ravel() - 1.0, locked, pruned)


def unit_coefficients(target: EquivariantNetwork, number: int) -> Tensor:
    """Coefficients of a layer without its biases, divided by the layer's largest, ``(q, p, K)``.

    Args:
        target: the network.
        number: of the layer.
    """
    alpha, _, scale = _wanted(target.layers[number], False)
    return (alpha / scale).double()


class _Problem:
    """The subset sums of one block."""

    def __init__(
        self, network: SourceNetwork, number: int, layer: EquivariantLinear, both_signs: bool
    ) -> None:
        block = network.blocks[number]
        assert isinstance(block, SourceBlock)
        self.block, self.number, self.layer = block, number, layer
        self.both_signs = both_signs and block.first is not None
        weight = block.parametrizations.weight[0]  # type: ignore[index, union-attr]
        assert isinstance(weight, FrozenWeight)
        values, pattern = weight.regenerated()
        shape = (block.out_features, block.in_features)
        # Kaiming uniform weights, as numbers on [−1, 1].
        unit = math.sqrt(block.in_features / 6.0)
        self.weights = _split(block, values.double().view(shape) * unit)
        self.pattern = _split(block, pattern.view(shape))
        self.unit, self.searched_index = unit, weight.searched_index
        self.copied = 1
        self.has_one = block.out_features > layer.weight.size(0)

    def solve(
        self, epsilon: float, config: ConstructConfig, graph: Graph | None, x: Tensor
    ) -> tuple[Tensor, BlockFacts]:
        """The mask of the block's searched weights, and what was found; sets the block's factor."""
        block, layer = self.block, self.layer
        alpha, beta, scale = _wanted(layer, self.has_one)
        self.copied = block.out_features // len(alpha)
        keep = [torch.zeros(w.shape, dtype=torch.bool) for w in self.weights]
        errors, realised = 0.0, []
        for sign in (1, -1) if self.both_signs else (1,):
            first = None if block.first is None else (sign * block.first).clamp(min=0)
            found, error = self._sums(0, sign * alpha / scale, first, epsilon / scale, keep[0])
            realised.append(found.abs())
            errors = max(errors, error)
        first = None if block.first is None else block.first[-1:].clamp(min=0)
        _, error = self._sums(1, beta.unsqueeze(1) / scale, first, epsilon / scale, keep[1])
        errors = max(errors, error)
        block.factor.fill_(scale * self.unit)
        norms = _norms(layer, x, graph)
        if block.first is not None:
            row = (torch.stack(realised).amax(0) * norms).sum((1, 2))
        else:
            row = self._row_sums(keep, norms)
        flat = torch.cat([k.flatten(1) for k in keep], 1).flatten()
        mask = flat if self.searched_index is None else flat[self.searched_index]
        name = f"{layer.basis} {layer.weight.size(1)} → {layer.weight.size(0)}"
        return mask, BlockFacts(
            layer=name,
            coefficients=layer.weight.numel() + layer.bias.numel(),
            copies=block.copies,
            scale=scale,
            epsilon=epsilon,
            error=errors * scale,
            gain=scale * float(row.max()),
            both_signs=self.both_signs,
        )

    def _row_sums(self, keep: list[Tensor], norms: Tensor) -> Tensor:
        """Σ |μ| ‖B‖ over what a row of copies keeps, the constant unit's among them."""
        sums = []
        for weight, pattern, kept, norm in zip(
            self.weights, self.pattern, keep, (norms, torch.ones(1)), strict=True
        ):
            inside = kept | (pattern == LOCKED)
            sums.append((weight.abs() * inside * norm).flatten(1).sum(1))
        return sums[0] + sums[1]

    def _sums(
        self, part: int, wanted: Tensor, first: Tensor | None, epsilon: float, keep: Tensor
    ) -> tuple[Tensor, float]:
        """Choose for coefficients ``(q, p, K)`` into ``keep``; their sums and largest error."""
        rows, copies = self.block.out_features, self.block.copies
        shape = (rows, wanted.size(1), copies, wanted.size(2))
        # (rows, p, K, copies): a subset sum in each last row.
        weight, pattern, kept = (
            each.view(shape).transpose(2, 3)
            for each in (self.weights[part], self.pattern[part], keep)
        )
        if first is None:
            there = torch.arange(copies).expand(wanted.size(1), copies)
            size = torch.ones(wanted.size(1), copies, dtype=torch.float64)
        else:
            first = first[: wanted.size(1)]
            # Those of the right sign come first; others only as far as rows differ.
            there = (first <= 0).to(torch.int8).argsort(dim=1, stable=True)
            there = there[:, : int((first > 0).sum(1).max())]
            size = first.gather(1, there)
        repeated = wanted.repeat_interleave(self.copied, 0)
        found = torch.zeros(repeated.shape, dtype=torch.float64)
        step = max(1, _VALUES // (wanted[0].numel() * max(1, there.size(1))))
        worst = 0.0
        for start in range(0, rows, step):
            stop = min(rows, start + step)
            index = there[None, :, None, :].expand(stop - start, -1, wanted.size(2), -1)
            values = weight[start:stop].gather(3, index) * size[None, :, None, :]
            states = pattern[start:stop].gather(3, index)
            absent = (size == 0)[None, :, None, :].expand_as(states)
            chosen, sums, errors = _solved(
                values,
                repeated[start:stop],
                (states == LOCKED) & ~absent,
                (states == PRUNED) | absent,
                epsilon,
            )
            if (missed := errors > epsilon).any():
                self._refuse(missed, errors, repeated[start:stop], start, part, epsilon)
            worst = max(worst, float(errors.max(initial=0.0)))
            # Padding repeats channels of the other sign, whose choice stays.
            before = kept[start:stop].gather(3, index)
            free = (states == SEARCHED) & ~absent
            kept[start:stop].scatter_(3, index, before | (chosen & free))
            found[start:stop] = sums
        return found, worst

    def _refuse(
        self, missed: Bool, errors: Float64, wanted: Tensor, start: int, part: int, epsilon: float
    ) -> None:
        """Say which coefficient is missed, and what width would do."""
        worst = np.unravel_index(int(np.argmax(errors)), errors.shape)
        q, p, k = (int(i) for i in worst)
        where = (
            f"the coefficient of output channel {(start + q) // self.copied}, input channel {p}, "
            f"element {k}"
            if part == 0
            else f"the bias of output channel {(start + q) // self.copied}"
        )
        copies = self.block.copies
        raise ConstructionError(
            f"{int(missed.sum())} coefficients of layer {self.number} are missed with {copies} "
            f"random channels for each input channel; the worst, {where}, is "
            f"{float(wanted[q, p, k]):.4f} of the layer's largest and its nearest sum is "
            f"{errors[worst]:.2g} away, where {epsilon:.2g} is allowed: leave copies out, so that "
            f"the law sets them, or set copies to {math.ceil(1.5 * copies)}; freezing less does "
            "too, or another seed"
        )


def _solved(
    values: Tensor, wanted: Tensor, locked: Tensor, pruned: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Float64]:
    """Subset sums in the last rows ``(…, n)``: what is chosen, the sums, and their errors."""
    n = values.size(-1)
    rows = [each.reshape(-1, n).numpy() for each in (values, locked, pruned)]
    targets = wanted.reshape(-1).numpy()
    left = np.arange(len(targets))
    chosen = np.zeros(rows[0].shape, dtype=np.bool_)
    sums, errors = np.zeros(len(targets)), np.full(len(targets), np.inf)
    for exact in _EXACT:
        x, lock, prune = (each[left] for each in rows)
        result = subset_sums(x, targets[left], locked=lock, pruned=prune, exact=exact)
        chosen[left], sums[left], errors[left] = result.chosen, result.sums, result.errors
        # Those out of reach by more than ε stay so.
        short = np.maximum(result.low - targets[left], targets[left] - result.high)
        hopeful = (result.errors > epsilon) & (short <= epsilon) & ~result.optimal
        left = left[hopeful]
        if not len(left):
            break
    shape = wanted.shape
    return (
        torch.from_numpy(chosen).view(*shape, n),
        torch.from_numpy(sums).view(shape),
        errors.reshape(shape),
    )


def _wanted(layer: nn.Module, with_one: bool) -> tuple[Tensor, Tensor, float]:
    """Coefficients ``(q, p, K)``, those of the constant ``(q, constants)``, and the largest.

    With the unit that is constant at 1 behind the others.
    """
    assert isinstance(layer, EquivariantLinear)
    alpha, beta = layer.weight.detach(), layer.bias.detach()
    if with_one:
        alpha = torch.cat([alpha, torch.zeros_like(alpha[:1])])
        one = torch.zeros_like(beta[:1])
        one[0, 0] = 1.0
        beta = torch.cat([beta, one])
    scale = max(float(alpha.abs().max()), float(beta.abs().max()))
    return alpha, beta, scale or 1.0


def _split(block: SourceBlock, matrix: Tensor) -> list[Tensor]:
    return list(block.split(matrix))


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


def _size_of_inputs(layer: nn.Module, x: Tensor, graph: Graph | None) -> float:
    """S: how much a change of all coefficients by 1 can change an output on the data."""
    assert isinstance(layer, EquivariantLinear)
    ones = torch.ones(1, x.size(1), layer.weight.size(2), dtype=x.dtype)
    return float(layer.elements.apply(x.abs(), ones, graph).max()) + layer.bias.size(1)


def _norms(layer: nn.Module, x: Tensor, graph: Graph | None) -> Tensor:
    """‖B_k‖ of each element, ``(K,)``: its largest value on ones, as nothing is negative."""
    assert isinstance(layer, EquivariantLinear)
    each = torch.eye(layer.weight.size(2), dtype=x.dtype).unsqueeze(1)
    one = torch.ones_like(x[:1, :1] if graph is None else x[:, :1])
    return layer.elements.apply(one, each, graph).transpose(0, 1).flatten(1).amax(1)


def _literal_error(
    network: SourceNetwork, x: Tensor, graph: Graph | None, y: Tensor
) -> float | None:
    """The error of the network as it stands, on as many examples as the work allows."""
    places = x[0, 0].numel()
    most = _LITERAL // (network.config.searched_size * places)
    if graph is not None and most < len(x):
        return None
    some = slice(0, max(1, most)) if graph is None else slice(None)
    with torch.no_grad():
        return float((network.literal(x[some], graph) - y[some]).abs().max())


def _keep(
    network: SourceNetwork,
    config: FreezeConfig,
    masks: Mapping[str, Tensor],
    factors: Mapping[str, Tensor],
) -> None:
    """Freeze the source at the sparsity that the masks have, and put them into it."""
    kept = {name: value.clone() for name, value in factors.items()}
    with torch.no_grad():
        for value in factors.values():
            value.fill_(1.0)  # As it is built: what differs from that is in the ticket.
        freeze(network, config)
        for name, _, _, weight in frozen_places(network):
            weight.score().copy_(masks[name])
        for name, value in network.named_buffers():
            if name in kept:
                value.copy_(kept[name])
    for name, _, _, weight in frozen_places(network):
        assert torch.equal(weight.mask(), masks[name])
