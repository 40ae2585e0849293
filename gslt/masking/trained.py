"""Masks on weights that are trained: what is not kept is zero, and stays zero.

A masked weight has its mask beside it, a buffer of its layer. A mask that a seed regenerates is no
part of the module's state; one that is rewired on the way is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gslt.config import FreezeConfig
from gslt.errors import ConfigError
from gslt.freezing import SEARCHED, FrozenCounts, Units, freezing_pattern, frozen_parts
from gslt.masking.fan_in import fan_in_of, units_of
from gslt.masking.report import FreezeReport
from gslt.masking.weights import MASK_SUFFIX, weights_of


@dataclass(frozen=True, eq=False)
class MaskedWeight:
    """A weight that is trained under a mask."""

    name: str
    """Qualified, in its module."""
    owner: nn.Module
    """The layer."""
    attribute: str
    """Of the weight in the layer."""

    @property
    def weight(self) -> nn.Parameter:
        """The weight, zero where it is not kept."""
        return getattr(self.owner, self.attribute)  # type: ignore[no-any-return]

    @property
    def kept(self) -> Tensor:
        """Which of its entries are kept, boolean, of the weight's shape."""
        return getattr(self.owner, f"{self.attribute}{MASK_SUFFIX}")  # type: ignore[no-any-return]


def masked_weights(module: nn.Module) -> Iterator[MaskedWeight]:
    """Every weight of a module that has a mask, in the order of its parameters.

    Args:
        module: any.
    """
    for name, owner, attribute, _ in weights_of(module):
        if f"{attribute}{MASK_SUFFIX}" in owner._buffers:
            yield MaskedWeight(name, owner, attribute)


def put_mask(owner: nn.Module, attribute: str, kept: Tensor, *, rewired: bool = False) -> None:
    """Put a mask on a weight: what it does not keep becomes zero.

    Of a mask that stays, no gradient reaches what is not kept, so that no optimizer moves it,
    whatever its momentum and weight decay. Whoever rewires a mask keeps the gradients himself, as
    :class:`gslt.training.rewire.Rewiring` does.

    Args:
        owner: the layer.
        attribute: of the weight in the layer.
        kept: boolean, of the weight's shape.
        rewired: whether the mask will change, and so is a part of the module's state.
    """
    weight = getattr(owner, attribute)
    name = f"{attribute}{MASK_SUFFIX}"
    owner.register_buffer(name, kept.to(weight.device, copy=True), persistent=rewired)
    with torch.no_grad():
        weight.masked_fill_(~getattr(owner, name), 0.0)
    if not rewired:
        if guard_masks not in owner._forward_pre_hooks.values():
            owner.register_forward_pre_hook(guard_masks)
        guard_masks(owner)


def guard_masks(owner: nn.Module, _inputs: object = None) -> None:
    """See to it that no gradient reaches what the masks of a layer do not keep.

    Before every call of the layer: a copy of it, and one that was saved and loaded, have its masks
    and weights, and torch leaves the hooks of a weight behind. So does ``load_state_dict(…,
    assign=True)``, whose weights are 0 from then on where they are not kept.

    Args:
        owner: the layer.
    """
    if torch.compiler.is_compiling():
        return
    for attribute, weight in owner._parameters.items():
        kept = owner._buffers.get(f"{attribute}{MASK_SUFFIX}")
        if kept is None or weight is None or not (weight.requires_grad and weight.is_leaf):
            continue
        hooks = weight._backward_hooks or {}
        mine = {key: hook for key, hook in hooks.items() if isinstance(hook, _Keep)}
        if any(hook.kept is kept for hook in mine.values()):
            continue
        for key in mine:  # Of another mask, or of this one on another device.
            del hooks[key]
        with torch.no_grad():
            weight.masked_fill_(~kept, 0.0)
        weight.register_hook(_Keep(kept))  # type: ignore[no-untyped-call]


class _Keep:
    """A hook of a weight: its gradient, 0 where the mask does not keep it."""

    def __init__(self, kept: Tensor) -> None:
        self.kept = kept

    def __call__(self, grad: Tensor) -> Tensor:
        return grad * self.kept.to(grad.device)


def unmask(module: nn.Module) -> None:
    """Take away the masks of a module, and what keeps gradients from what they removed.

    Args:
        module: any.
    """
    for each in list(masked_weights(module)):
        each.weight._backward_hooks = None
        delattr(each.owner, f"{each.attribute}{MASK_SUFFIX}")
        for key, hook in list(each.owner._forward_pre_hooks.items()):
            if hook is guard_masks:
                del each.owner._forward_pre_hooks[key]


def random_masks(module: nn.Module, source: FreezeConfig) -> dict[str, Tensor]:
    """Which weights a random mask keeps: all that the source neither prunes nor locks.

    Args:
        module: not frozen; names and shapes of its weights count.
        source: the frozen source network, with nothing locked: pruning ratio, allocation, draw,
            correction and seed count.

    Returns:
        Boolean masks of the weights' shapes, by name.

    Raises:
        ConfigError: if no weight at all is kept.
    """
    shapes = {name: tuple(weight.shape) for name, _, _, weight in weights_of(module)}
    parts = frozen_parts(
        shapes,
        *source.ratios,
        source.allocation,
        seed=source.seed,
        draw=source.draw,
        connected=source.connected,
        units=units_in(module),
    )
    whole = FrozenCounts.sum(part.counts for part in parts)
    if not whole.searched:
        raise ConfigError(
            f"a mask of sparsity {source.ratios[0]:g} has no room: it keeps none of the "
            f"{whole.total:,} weights; a sparsity of at most {1 - 1 / max(whole.total, 1):.6g} "
            "keeps one"
        )
    masks = {}
    for (name, shape), part in zip(shapes.items(), parts, strict=True):
        pattern = part.pattern
        if pattern is None:
            pattern = freezing_pattern(part.counts, source.seed, name)
        masks[name] = torch.from_numpy(pattern == SEARCHED).view(shape)
    return masks


def units_in(module: nn.Module) -> dict[str, Units]:
    """What the weights of a module that is not frozen connect, by name."""
    shapes = {name: weight.shape for name, _, _, weight in weights_of(module)}
    fan_in = {name: fan_in_of(module, name, shape) for name, shape in shapes.items()}
    return {name: units_of(module, name, shape, fan_in[name]) for name, shape in shapes.items()}


def source_report(module: nn.Module, source: FreezeConfig) -> FreezeReport:
    """What the source of a random mask prunes of a module that is not frozen, layer by layer.

    Args:
        module: whose names and shapes of weights count.
        source: see :func:`random_masks`.
    """
    shapes = {name: weight.shape for name, _, _, weight in weights_of(module)}
    return FreezeReport.of(shapes, source, units=units_in(module), whole=True)
