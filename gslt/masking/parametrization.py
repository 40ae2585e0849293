"""A frozen weight: regenerated random weights ⊙ mask · scale, from the scores of the searched ones.

It is a parametrization of ``torch.nn.utils.parametrize``: what was the weight parameter of a layer
is the flat tensor of its scores, and ``layer.weight`` is the effective weight.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.profiler import record_function

from gslt.config import FreezeConfig
from gslt.errors import ConfigError
from gslt.freezing import FrozenCounts, freezing_pattern
from gslt.freezing.pattern import LOCKED, PRUNED, SEARCHED
from gslt.masking.supermask import Supermask, masked_weight, real_dtype
from gslt.random import Float64, Stream

#: Unit-fan-in draws; every one has variance 2 / fan_in after division by √fan_in.
INITS: dict[str, Callable[[Stream, int], Float64]] = {
    "ku": lambda stream, n: math.sqrt(6.0) * (2.0 * stream.uniform(n) - 1.0),
    "kn": lambda stream, n: math.sqrt(2.0) * stream.normal(n),
    "skc": lambda stream, n: math.sqrt(2.0) * stream.signs(n).astype(np.float64),
}


def random_weight(
    shape: torch.Size, fan_in: int, init: str, seed: int, name: str, role: str = "weight"
) -> Tensor:
    """Random weights of the stream ``(seed, name, role)``, float32, flat, in row-major order.

    KU: U(−b, b), b = √(6 / fan_in). KN: N(0, 2 / fan_in). SKC: ± √(2 / fan_in), each sign with
    probability ½ (He et al. 2015, arXiv 1502.01852; Ramanujan et al. 2020, arXiv 1911.13299).
    """
    values = INITS[init](Stream(seed, name, role), math.prod(shape)) / math.sqrt(fan_in)
    return torch.from_numpy(values.astype("float32"))


class FrozenWeight(nn.Module):
    """Parametrization: scores of the searched weights ``(m,)`` → effective weight of the layer.

    Args:
        name: qualified parameter name, which names the random streams.
        shape: shape of the weight.
        fan_in: inputs of one output unit.
        counts: how many weights are frozen.
        config: the frozen source network.
    """

    free: Tensor
    base: Tensor | None
    places: Tensor | None

    def __init__(
        self,
        name: str,
        shape: torch.Size,
        fan_in: int,
        counts: FrozenCounts,
        config: FreezeConfig,
    ) -> None:
        super().__init__()
        self.name, self.shape, self.fan_in = name, shape, fan_in
        self.counts, self.config = counts, config
        self.supermask: Supermask | None = None
        self.index = -1
        weight = random_weight(shape, fan_in, config.weight_init, config.seed, name)
        pattern = torch.from_numpy(freezing_pattern(counts, config.seed, name))
        dense = counts.searched == counts.total
        places = None if dense else (pattern == SEARCHED).nonzero().flatten()
        # Not persistent: what the seed regenerates is never stored.
        self.register_buffer("places", places, persistent=False)
        self.register_buffer("free", weight if places is None else weight[places], persistent=False)
        base = None if dense else torch.where(pattern == LOCKED, weight, 0.0)
        self.register_buffer("base", base, persistent=False)

    def mask(self) -> Tensor:
        """Which searched weights are kept now, boolean ``(m,)``."""
        assert self.supermask is not None
        return self.supermask.mask(self.index)

    def score(self) -> Tensor:
        """The layer's score parameter, ``(m,)``."""
        assert self.supermask is not None
        return self.supermask.holders[self.index].original

    def regenerated(self) -> tuple[Tensor, Tensor]:
        """Random weights ``(n,)``, pruned ones set to zero, and the int8 freezing pattern."""
        if self.base is None or self.places is None:
            return self.free, torch.zeros_like(self.free, dtype=torch.int8)
        pattern = torch.where(self.base != 0, LOCKED, PRUNED).to(torch.int8)
        pattern[self.places] = SEARCHED
        return self.base.index_put((self.places,), self.free), pattern

    def initial_score(self) -> Tensor:
        """Scores before the search, ``(m,)``: the full layer's draw at the searched places."""
        config = self.config
        score = random_weight(
            self.shape, self.fan_in, config.score_init, config.seed, self.name, "score"
        )
        return score if self.places is None else score[self.places.cpu()]

    def forward(self, score: Tensor) -> Tensor:
        """Effective weight for the given scores."""
        with record_function("gslt::mask"):
            weight = masked_weight(
                score,
                self.free,
                self.mask(),
                self.scale(),
                self.base,
                self.places,
                self.config.ranking,
            )
            return weight.view(self.shape)

    def scale(self) -> Tensor:
        """Present factor on the layer's weights, a scalar tensor."""
        assert self.supermask is not None
        if self.config.scale == "dynamic":
            density = self.supermask.density(self.index)
        else:
            target = 1.0 - self.config.sparsity if self.config.scale == "static" else 1.0
            # Filled, not copied, so that a GPU need not wait.
            density = torch.full((), target, device=self.free.device, dtype=real_dtype(self.free))
        # A layer without any kept weight is zero whatever its factor: keep the factor finite.
        return density.clamp(min=1.0 / max(self.counts.total, 1)).rsqrt().to(self.free.dtype)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Initial scores at registration; afterwards ``layer.weight = …`` is refused."""
        if self.supermask is not None:
            raise ConfigError(
                f"{self.name} is frozen: its value follows from the seed and the scores, so it "
                "cannot be assigned; change the scores, or build the layer without freezing"
            )
        return self.initial_score().to(weight)

    def extra_repr(self) -> str:
        """Counts, as in ``print(model)``."""
        c = self.counts
        return f"{c.total} weights: {c.pruned} pruned, {c.locked} locked, {c.searched} searched"


def frozen_weights(module: nn.Module) -> list[FrozenWeight]:
    """The frozen weights of a module, in the order of its parameters."""
    return [m for m in module.modules() if isinstance(m, FrozenWeight)]
