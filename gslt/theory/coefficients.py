"""The coefficients of a layer as subset sums over the random channels of a block."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from gslt.errors import ConstructionError
from gslt.freezing.pattern import LOCKED, PRUNED, SEARCHED
from gslt.masking.parametrization import FrozenWeight
from gslt.nn.equivariant import EquivariantLinear, EquivariantNetwork
from gslt.nn.graph import Graph
from gslt.nn.source import ConstructedNetwork, SourceBlock
from gslt.theory.subset_sum import Bool, Float64, subset_sums

#: Free values that are searched exactly, first for all coefficients, then for those still missed.
_EXACT = (20, 28, 34, 38)
MOST_EXACT = _EXACT[-1]
#: Values of subset sums at a time.
_VALUES = 1 << 23


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


class BlockSums:
    """The subset sums of one block.

    Args:
        network: the frozen source.
        number: of the block.
        layer: of the target.
        both_signs: whether the layer's inputs can be negative.
        by_law: whether the law has set the number of channels, and nobody by hand.
    """

    def __init__(
        self,
        network: ConstructedNetwork,
        number: int,
        layer: EquivariantLinear,
        both_signs: bool,
        *,
        by_law: bool = False,
    ) -> None:
        block = network.blocks[number]
        assert isinstance(block, SourceBlock)
        self.block, self.number, self.layer = block, number, layer
        self.by_law = by_law
        self.both_signs = both_signs and block.first is not None
        weight = block.parametrizations.weight[0]  # type: ignore[index, union-attr]
        assert isinstance(weight, FrozenWeight)
        values, pattern = weight.regenerated()
        shape = (block.out_features, block.in_features)
        # Kaiming uniform weights, as numbers on [−1, 1].
        unit = math.sqrt(block.in_features / 6.0)
        self.weights = list(block.split(values.double().view(shape) * unit))
        self.pattern = list(block.split(pattern.view(shape)))
        self.unit, self.searched_index = unit, weight.searched_index
        has_one = block.out_features > layer.weight.size(0)
        self.alpha, self.beta, self.scale = wanted_of(layer, has_one)
        self.copied = block.out_features // len(self.alpha)

    def solve(self, epsilon: float, x: Tensor, graph: Graph | None) -> tuple[Tensor, BlockFacts]:
        """The mask of the block's searched weights, and what was found; sets the block's factor.

        Args:
            epsilon: largest error of a coefficient.
            x: inputs of the target's layer, field ``(batch, p, …)``.
            graph: of message passing.

        Raises:
            ConstructionError: if a coefficient is missed.
        """
        block, layer, scale = self.block, self.layer, self.scale
        keep = [torch.zeros(w.shape, dtype=torch.bool) for w in self.weights]
        errors, realised = 0.0, []
        for sign in (1, -1) if self.both_signs else (1,):
            first = None if block.first is None else (sign * block.first).clamp(min=0)
            found, error = self._sums(0, sign * self.alpha / scale, first, epsilon / scale, keep[0])
            realised.append(found.abs())
            errors = max(errors, error)
        first = None if block.first is None else block.first[-1:].clamp(min=0)
        _, error = self._sums(1, self.beta.unsqueeze(1) / scale, first, epsilon / scale, keep[1])
        errors = max(errors, error)
        block.factor.fill_(scale * self.unit)
        norms = norms_of(layer, x, graph)
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
        cure = "" if self.by_law else "leave copies out, so that the law sets them, or "
        raise ConstructionError(
            f"{int(missed.sum())} coefficients of layer {self.number} are missed with {copies} "
            f"random channels for each input channel; the worst, {where}, is "
            f"{float(wanted[q, p, k]):.4f} of the layer's largest and its nearest sum is "
            f"{errors[worst]:.2g} away, where {epsilon:.2g} is allowed: {cure}set copies to "
            f"{math.ceil(1.5 * copies)}; freezing less does too, or another seed"
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


def wanted_of(layer: nn.Module, with_one: bool) -> tuple[Tensor, Tensor, float]:
    """Coefficients ``(q, p, K)``, those of the constant ``(q, constants)``, and the largest.

    Args:
        layer: of the target.
        with_one: put the unit that is constant at 1 behind the others.
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


def unit_coefficients(target: EquivariantNetwork, number: int) -> Tensor:
    """Coefficients of a layer without its biases, divided by the layer's largest, ``(q, p, K)``.

    Args:
        target: the network.
        number: of the layer.
    """
    alpha, _, scale = wanted_of(target.layers[number], False)
    return (alpha / scale).double()


def norms_of(layer: nn.Module, x: Tensor, graph: Graph | None) -> Tensor:
    """‖B_k‖ of each element, ``(K,)``: its largest value on ones, as nothing is negative.

    Args:
        layer: of the target.
        x: its inputs, field ``(batch, p, …)``.
        graph: of message passing.
    """
    assert isinstance(layer, EquivariantLinear)
    each = torch.eye(layer.weight.size(2), dtype=x.dtype).unsqueeze(1)
    one = torch.ones_like(x[:1, :1] if graph is None else x[:, :1])
    return layer.elements.apply(one, each, graph).transpose(0, 1).flatten(1).amax(1)


def size_of_inputs(layer: nn.Module, x: Tensor, graph: Graph | None) -> float:
    """S: how much a change of all coefficients by 1 can change an output on the data.

    Args:
        layer: of the target.
        x: its inputs, field ``(batch, p, …)``.
        graph: of message passing.
    """
    assert isinstance(layer, EquivariantLinear)
    ones = torch.ones(1, x.size(1), layer.weight.size(2), dtype=x.dtype)
    return float(layer.elements.apply(x.abs(), ones, graph).max()) + layer.bias.size(1)
