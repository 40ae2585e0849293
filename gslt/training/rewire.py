"""Dynamic sparse training: the mask of every layer is rewired while its weights are trained."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gslt.config import RunConfig, TrainConfig
from gslt.masking.trained import MaskedWeight, masked_weights
from gslt.random import Stream

#: Where the cosine of the rewired fraction ends.
LEAST_FRACTION = 0.005


def rewired_fraction(epoch: int, first: float, last_epoch: float) -> float:
    """Fraction ρ of the kept weights that an epoch drops and regrows.

    ρ(t) = e + (ρ₀ − e) (1 + cos(π t / T)) / 2, from ρ₀ at t = 0 to e = 0.005 at t = T; Evci et al.
    2020 (arXiv 1911.11134, section 3) have e = 0.

    >>> [round(rewired_fraction(t, 0.305, 8), 6) for t in (0, 4, 8)]
    [0.305, 0.155, 0.005]

    Args:
        epoch: t, its number.
        first: ρ₀.
        last_epoch: T, the number at which the cosine ends.
    """
    least = min(first, LEAST_FRACTION)
    return least + (first - least) * (1 + math.cos(math.pi * epoch / last_epoch)) / 2


def drop_and_regrow(weight: Tensor, kept: Tensor, growth: Tensor, count: int) -> Tensor:
    """The mask that follows on another one, with as many weights.

    The ``count`` kept weights of smallest magnitude are dropped; then, of all that are not kept,
    the ``count`` of largest growth are regrown (Evci et al. 2020, arXiv 1911.11134, Algorithm 1:
    what was dropped a moment ago may be among them, as in its authors' code, so that a layer that
    keeps all its weights stays as it is). Among equals the one that comes first is dropped, and
    regrown.

    >>> weight, growth = torch.tensor([0.1, -3.0, 2.0, 0, 0]), torch.tensor([0.0, 9, 9, 1, 2])
    >>> kept = torch.tensor([True, True, True, False, False])
    >>> drop_and_regrow(weight, kept, growth, 1).tolist()
    [False, True, True, False, True]

    Args:
        weight: of any shape.
        kept: boolean, of the same shape.
        growth: of the same shape, such as the magnitude of the gradient of the whole weight.
        count: how many are dropped and regrown, at most as many as are kept.

    Returns:
        Boolean, of the same shape.
    """
    size = weight.abs().masked_fill(~kept, math.inf).flatten()
    new = kept.flatten().clone()
    new[size.argsort(stable=True)[:count]] = False
    wanted = growth.flatten().masked_fill(new, -math.inf)
    new[wanted.argsort(stable=True, descending=True)[:count]] = True
    return new.view(kept.shape)


class Rewiring:
    """The masks of one run that are rewired every so many of its epochs.

    Args:
        model: with masks, see :func:`gslt.masking.initialise`; without rewiring any.
        optimizer: of its weights; its moments of what is dropped or regrown are set to 0. The
            number of its updates, by which Adam corrects them, is one for the whole weight and
            goes on.
        config: of the run; a search and a training whose mask stays have nothing rewired.
        seed: of the run, for random regrowth.
    """

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, config: RunConfig, seed: int
    ) -> None:
        self.optimizer, self.seed = optimizer, seed
        self.config = config if isinstance(config, TrainConfig) and config.rewire_every else None
        self.weights = list(masked_weights(model)) if self.config else []

    def rewire(self, epoch: int, *, first: bool = True) -> bool:
        """Rewire the masks where it is time for it; else keep gradients from what is not kept.

        An update that rewires takes no step of the optimizer (Evci et al. 2020, Algorithm 1):
        regrown weights are 0 until the next one. In an epoch of mini-batches it is the first, by
        the gradient of its batch, so that the epoch's others train what was regrown before it is
        validated.

        Args:
            epoch: number of the epoch, 1 for the first, after the backward pass of an update.
            first: whether that is the first update of the epoch.

        Returns:
            Whether the masks were rewired.
        """
        if self.config is None:
            return False
        now = first and epoch in self.config.rewirings
        for each in self.weights:
            if now:
                self._rewire(each, epoch, self.config)
            elif each.weight.grad is not None:
                each.weight.grad.mul_(each.kept)
        return now

    def _rewire(self, each: MaskedWeight, epoch: int, config: TrainConfig) -> None:
        weight, kept = each.weight, each.kept
        end = config.rewire_until * config.epochs
        share = rewired_fraction(epoch, config.rewire_fraction, end)
        count = int(share * int(torch.count_nonzero(kept)))
        growth = self._growth(each, epoch, config)
        new = drop_and_regrow(weight.detach(), kept, growth, count)
        changed = new != kept
        with torch.no_grad():
            weight.masked_fill_(changed, 0.0)
            kept.copy_(new)
        for moment in self.optimizer.state[weight].values():
            if isinstance(moment, Tensor) and moment.shape == weight.shape:
                moment.masked_fill_(changed, 0.0)

    def _growth(self, each: MaskedWeight, epoch: int, config: TrainConfig) -> Tensor:
        """What the places of a weight are worth: of gradients the magnitude, or a random number."""
        weight = each.weight
        if config.regrow == "gradient":
            assert weight.grad is not None
            return weight.grad.abs()
        numbers = Stream(self.seed, each.name, f"regrow {epoch}").uniform(weight.numel())
        return torch.from_numpy(numbers).to(weight.device).view(weight.shape)
