"""Where weight training begins: random weights, and the random mask of a weak ticket."""

from __future__ import annotations

import math

import torch
from torch import nn

from gslt.config import Allocation, Draw, FreezeConfig, TrainConfig, WeightInit
from gslt.errors import ConfigError
from gslt.masking.fan_in import fan_in_of, padding_row
from gslt.masking.parametrization import frozen_weights, random_weight
from gslt.masking.report import emptied_layers
from gslt.masking.trained import put_mask, random_masks, source_report
from gslt.masking.weights import unwrapped, weights_of


def initialise(
    module: nn.Module,
    weight_init: WeightInit,
    seed: int,
    sparsity: float = 0.0,
    allocation: Allocation = "uniform",
    *,
    draw: Draw = "exact",
    connected: bool = False,
    rewired: bool = False,
) -> list[str]:
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
        draw: how the mask is drawn, as in :class:`gslt.FreezeConfig`.
        connected: whether every unit keeps a weight, likewise.
        rewired: whether the mask will be rewired while the weights are trained.

    Returns:
        What there is to say of the mask: layers that it leaves no weight, an allocation that falls
        short of what the sparsity leaves.

    Raises:
        ConfigError: if the module is frozen, or the mask keeps no weight.
    """
    module = unwrapped(module)
    if frozen_weights(module):
        raise ConfigError("the module is frozen: its weights follow from its seed")
    source = FreezeConfig(
        sparsity=sparsity,
        prune_ratio=sparsity,
        allocation=allocation,
        seed=seed,
        draw=draw,
        connected=connected,
    )
    masks, kept = random_masks(module, source) if sparsity else {}, {}
    for name, owner, attribute, weight in list(weights_of(module)):
        fan_in = fan_in_of(module, name, weight.shape)
        value = random_weight(weight.shape, fan_in, weight_init, seed, name).view(weight.shape)
        if masks:
            kept[name] = (int(torch.count_nonzero(masks[name])), weight.numel())
            value = value / math.sqrt(max(kept[name][0], 1) / max(weight.numel(), 1))
        with torch.no_grad():
            weight.copy_(value)
            if (row := padding_row(owner)) is not None:
                weight[row] = 0.0
        if masks:
            put_mask(owner, attribute, masks[name], rewired=rewired)
    if not masks:
        return []
    shortfall = source_report(module, source).shortfall
    return [sentence for sentence in (shortfall, emptied_layers(kept)) if sentence]


def initialise_training(module: nn.Module, config: TrainConfig, seed: int) -> list[str]:
    """:func:`initialise` as a training begins.

    Args:
        module: any module.
        config: of the training; its own seed is that of the first run.
        seed: of the run.
    """
    return initialise(
        module,
        config.weight_init,
        seed,
        config.mask_sparsity,
        config.allocation,
        draw=config.draw,
        connected=config.connected,
        rewired=bool(config.rewire_every),
    )
