"""Where weight training begins: random weights, and the random mask of a weak ticket."""

from __future__ import annotations

import math

import torch
from torch import nn

from gslt.config import WeightInit
from gslt.errors import ConfigError
from gslt.freezing import frozen_counts
from gslt.masking.fan_in import fan_in_of, padding_row
from gslt.masking.freeze import weights_of
from gslt.masking.parametrization import frozen_weights, random_weight
from gslt.masking.trained import emptied_layers, put_mask, random_masks


def initialise(
    module: nn.Module,
    weight_init: WeightInit,
    seed: int,
    sparsity: float = 0.0,
    allocation: str = "uniform",
    *,
    rewired: bool = False,
) -> str:
    """Give an unfrozen module the random weights that its frozen twin of this seed would have.

    With a sparsity, a random mask removes that share of all weights, divided over the layers as a
    scheme says, and what is left of a layer is multiplied by 1/√density, as in a ticket. The mask
    is the pruned part of the pattern of a source of this seed and allocation with this pruning
    ratio. Removed weights are zero and stay so, see :func:`gslt.masking.trained.put_mask`.

    Args:
        module: any module; its parameters of two or more dimensions are weights.
        weight_init: distribution of the weights.
        seed: seed of weights and mask.
        sparsity: fraction of the weights that the mask removes.
        allocation: a key of :data:`gslt.freezing.ALLOCATIONS`.
        rewired: whether the mask will be rewired while the weights are trained.

    Returns:
        A sentence on layers that the mask leaves no weight; empty without one.

    Raises:
        ConfigError: if the module is frozen, or the mask keeps no weight.
    """
    if frozen_weights(module):
        raise ConfigError("the module is frozen: its weights follow from its seed")
    targets = list(weights_of(module))
    shapes = {name: tuple(weight.shape) for name, _, _, weight in targets}
    counts = frozen_counts(list(shapes.values()), sparsity, 0.0, allocation)
    masks = random_masks(shapes, counts, seed) if sparsity else {}
    for (name, owner, attribute, weight), c in zip(targets, counts, strict=True):
        fan_in = fan_in_of(module, name, weight.shape)
        value = random_weight(weight.shape, fan_in, weight_init, seed, name).view(weight.shape)
        if c.pruned:
            value = value / math.sqrt(max(c.searched, 1) / c.total)
        with torch.no_grad():
            weight.copy_(value)
            if (row := padding_row(owner)) is not None:
                weight[row] = 0.0
        if masks:
            put_mask(owner, attribute, masks[name], rewired=rewired)
    kept = {name: (c.searched, c.total) for name, c in zip(shapes, counts, strict=True)}
    return emptied_layers(kept) if masks else ""
