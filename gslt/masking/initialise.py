"""Where weight training begins: random weights, and the random mask of a weak ticket."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gslt.config import WeightInit
from gslt.errors import ConfigError
from gslt.freezing import freezing_pattern, frozen_counts
from gslt.freezing.pattern import PRUNED
from gslt.masking.fan_in import fan_in_of, padding_row
from gslt.masking.freeze import weights_of
from gslt.masking.parametrization import frozen_weights, random_weight


def initialise(
    module: nn.Module, weight_init: WeightInit, seed: int, sparsity: float = 0.0
) -> None:
    """Give an unfrozen module the random weights that its frozen twin of this seed would have.

    With a sparsity, a random mask removes that share of every weight matrix for good, and what is
    left is multiplied by 1/√density, as in a ticket. The mask is the pruned part of the pattern of
    a source of this seed that is frozen altogether with ``allocation="uniform"``. Removed weights
    are zero and get no gradient, so that no optimizer moves them.

    Args:
        module: any module; its parameters of two or more dimensions are weights.
        weight_init: distribution of the weights.
        seed: seed of weights and mask.
        sparsity: fraction of the weights that the mask removes.

    Raises:
        ConfigError: if the module is frozen.
    """
    if frozen_weights(module):
        raise ConfigError("the module is frozen: its weights follow from its seed")
    targets = list(weights_of(module))
    shapes = [weight.shape for *_, weight in targets]
    counts = frozen_counts(shapes, sparsity, 1.0 - sparsity, "uniform")
    for (name, owner, _, weight), c in zip(targets, counts, strict=True):
        fan_in = fan_in_of(module, name, weight.shape)
        value = random_weight(weight.shape, fan_in, weight_init, seed, name)
        if c.pruned:
            kept = torch.from_numpy(freezing_pattern(c, seed, name) != PRUNED)
            value = value * kept / math.sqrt(max(c.total - c.pruned, 1) / c.total)
            _keep_zero(weight, kept.view(weight.shape))
        with torch.no_grad():
            weight.copy_(value.view(weight.shape))
            if (row := padding_row(owner)) is not None:
                weight[row] = 0.0


def _keep_zero(weight: nn.Parameter, kept: Tensor) -> None:
    """Let no gradient reach the weights that are not kept; ``kept`` has the weight's shape."""
    masks = {kept.device: kept}

    def mask(grad: Tensor) -> Tensor:
        if grad.device not in masks:
            masks[grad.device] = kept.to(grad.device)
        return grad * masks[grad.device]

    weight.register_hook(mask)  # type: ignore[no-untyped-call]
