r"""Random networks that are wide enough to hold a given network as a ticket.

**2L** (diamond; Pensia et al. 2020, arXiv 2006.07990, and its equivariant form): every layer of the
target becomes a pair of random ones with a ReLU between. Of the first the ticket keeps the identity
element alone, and lets each middle channel see one input channel: middle channel (p, j) is
:math:`\mathrm{ReLU}(\lambda_{pj} x_p)`. The second, :math:`\mu_{q,(p,j),k}`, is the frozen matrix
that is searched.

**L + 1** (Burkholz 2022; Theorem 3.3 of arXiv 2402.14029): only the first layer is such a pair.
Every hidden unit has copies, and the layers behind it take subset sums over the copies of a unit.
One more unit, constant at 1, carries the biases.

The first matrix of a pair is never made: of its entries only those at the diamond's places are
drawn, from the same stream that the whole matrix would have.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gslt.errors import ConfigError
from gslt.nn.equivariant import BASES, Basis, bases_of
from gslt.nn.graph import Graph
from gslt.random import Stream

CONSTRUCTIONS = ("2L", "L+1")
#: Numbers of the middle of a pair that are made at a time.
_CHUNK = 1 << 24


@dataclass(frozen=True, kw_only=True)
class SourcePlan:
    """A random network around a target's architecture."""

    kind: str
    """A key of :data:`gslt.nn.equivariant.KINDS`."""
    channels: tuple[int, ...]
    """Widths of the target, the input's first and the output's last."""
    construction: str
    """``"2L"`` or ``"L+1"``."""
    copies: tuple[int, ...]
    """Random channels in the place of each input channel, for every block."""
    seed: int
    """Of the first matrices; that of the second ones is the same."""
    first_prune_ratio: float = 0.0
    """Probability that an entry of a first matrix is missing (an ER source)."""

    def __post_init__(self) -> None:
        for name in ("channels", "copies"):
            values = getattr(self, name)
            if not isinstance(values, list | tuple) or any(
                isinstance(value, bool) or not isinstance(value, int) or value < 1
                for value in values
            ):
                raise ConfigError(f"{name} must be integers of at least 1, got {values!r}")
            object.__setattr__(self, name, tuple(values))
        bases_of(self.kind, self.channels)
        if self.construction not in CONSTRUCTIONS:
            raise ConfigError(
                f"construction must be one of {', '.join(CONSTRUCTIONS)}, got {self.construction!r}"
            )
        if len(self.copies) != len(self.channels) - 1:
            raise ConfigError(
                f"copies must be {len(self.channels) - 1} numbers, one for each layer of the "
                f"target, got {len(self.copies)}"
            )
        ratio = self.first_prune_ratio
        if isinstance(ratio, bool) or not isinstance(ratio, float | int) or not 0 <= ratio < 1:
            raise ConfigError(f"first_prune_ratio must lie in [0, 1), got {ratio!r}")
        Stream(self.seed, "", "check")

    def is_pair(self, block: int) -> bool:
        """Whether a block is a pair of random layers.

        Args:
            block: its number, from 0.
        """
        return self.construction == "2L" or block == 0

    def rows(self, block: int) -> int:
        """Output channels of a block: those of the target's layer, or copies of them.

        Args:
            block: its number, from 0.
        """
        width, last = self.channels[block + 1], block == len(self.copies) - 1
        if self.construction == "2L" or last:
            return width
        return (width + 1) * self.copies[block + 1]

    def columns(self, block: int) -> int:
        """Coefficients of each output channel of a block's searched matrix.

        Args:
            block: its number, from 0.
        """
        basis = self.basis(block)
        return self.copies[block] * (self.channels[block] * basis.size + basis.constants)

    def basis(self, block: int) -> Basis:
        """Basis of a block's searched matrix.

        Args:
            block: its number, from 0.
        """
        return BASES[bases_of(self.kind, self.channels)[block]]

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """Names and shapes of the searched matrices, in their order.

        >>> SourcePlan(
        ...     kind="mlp", channels=(2, 3, 1), construction="2L", copies=(10, 8), seed=0
        ... ).shapes
        {'blocks.0.weight': (3, 30), 'blocks.1.weight': (1, 32)}
        """
        return {
            f"blocks.{i}.weight": (self.rows(i), self.columns(i)) for i in range(len(self.copies))
        }

    @property
    def factors(self) -> list[str]:
        """Names of the factors of the blocks, which a ticket stores."""
        return [f"blocks.{i}.factor" for i in range(len(self.copies))]

    @property
    def searched_size(self) -> int:
        """Number of weights of the searched matrices."""
        return sum(map(math.prod, self.shapes.values()))

    @property
    def first_size(self) -> int:
        """Number of weights of the first matrices of pairs, all but the diamond's pruned."""
        return sum(
            self.copies[i] * (self.channels[i] + 1) ** 2 * self.basis(i).own_size
            for i in range(len(self.copies))
            if self.is_pair(i)
        )


class SourceBlock(nn.Module):
    """What stands in the place of one layer of the target.

    y = factor · Σ_{p,j,k} w_{q,(p,j),k} B_k h_{pj} + constants, where h is ReLU(λ x) in a pair, and
    the block's input as it is otherwise; see :class:`ConstructedNetwork`.

    Args:
        config: of the network.
        number: of the block, from 0.
    """

    first: Tensor | None
    """λ ``(p + 1, copies)``, the constant channel last; zero where the entry is missing."""
    factor: Tensor
    """Scalar ``()`` on the block's output."""
    literal: bool = False
    """Whether every middle channel of a pair is computed. Σ_j w_j ReLU(λ_j x) is the same as
    (Σ_{λ > 0} w |λ|) x⁺ + (Σ_{λ < 0} w |λ|) x⁻, which costs as little as the target."""

    def __init__(self, config: SourcePlan, number: int) -> None:
        super().__init__()
        self.basis = config.basis(number)
        self.in_channels, self.copies = config.channels[number], config.copies[number]
        self.out_features, self.in_features = config.rows(number), config.columns(number)
        self.weight = nn.Parameter(
            torch.zeros(self.out_features, self.in_features, dtype=torch.float64)
        )
        self.register_buffer("factor", torch.ones((), dtype=torch.float64))
        first = _diamond(config, number) if config.is_pair(number) else None
        self.register_buffer("first", first, persistent=False)

    def forward(self, x: Tensor, graph: Graph | None = None) -> Tensor:
        """Field ``(batch, q, …)``.

        Args:
            x: field ``(batch, p, …)`` of a pair, or ``(batch, (p + 1) copies, …)``.
            graph: of message passing.
        """
        main, constant = self.split(self.weight)
        if self.first is None:
            middle = self.in_channels * self.copies
            out = self.basis.apply(x[:, :middle], main, graph)
            return self.factor * (out + self.basis.constant(x[:, middle:], constant))
        one, lit = torch.ones_like(x[:, :1]), self.first[-1].clamp(min=0)
        if self.literal:
            each = lit.view(1, -1, *[1] * (x.dim() - 2)) * one
            out = self.basis.constant(each, constant)
            return self.factor * (out + self._through_middle(x, main, graph))
        # All channels of the constant one at once, as of the others.
        out = self.basis.constant(one, torch.einsum("qrk,r->qk", constant, lit).unsqueeze(1))
        for sign in (1, -1) if bool((x < 0).any()) else (1,):
            size = (sign * self.first[:-1]).clamp(min=0)
            by_input = main.reshape(len(main), *size.shape, self.basis.size)
            sums = torch.einsum("qprk,pr->qpk", by_input, size)
            out = out + self.basis.apply((sign * x).clamp(min=0), sums, graph)
        return self.factor * out

    def _through_middle(self, x: Tensor, main: Tensor, graph: Graph | None) -> Tensor:
        """Σ w B_k h of every middle channel h, some at a time."""
        assert self.first is not None
        total: Tensor | None = None
        step = max(1, _CHUNK // max(1, self.copies * x[:, 0].numel()))
        for start in range(0, self.in_channels, step):
            part = x[:, start : start + step]
            scale = self.first[start : start + part.size(1)]
            h = (part.unsqueeze(2) * scale.view(1, *scale.shape, *[1] * (x.dim() - 2))).relu()
            columns = main[:, start * self.copies : (start + part.size(1)) * self.copies]
            out = self.basis.apply(h.flatten(1, 2), columns, graph)
            total = out if total is None else total + out
        assert total is not None
        return total

    def split(self, matrix: Tensor) -> tuple[Tensor, Tensor]:
        """A matrix like the weight, by what its columns multiply.

        Args:
            matrix: ``(rows, columns)``.

        Returns:
            ``(rows, p copies, K)`` and, of the constant channel, ``(rows, copies, constants)``.
        """
        middle = self.in_channels * self.copies
        rows, end = matrix.size(0), middle * self.basis.size
        return (
            matrix[:, :end].reshape(rows, middle, self.basis.size),
            matrix[:, end:].reshape(rows, self.copies, self.basis.constants),
        )

    def extra_repr(self) -> str:
        """Sizes, as in ``print(model)``."""
        return f"{self.in_channels} × {self.copies} → {self.out_features}"


class ConstructedNetwork(nn.Module):
    """The random network of a construction: blocks with ReLU between them.

    ``blocks.i.weight`` are frozen by :func:`gslt.freeze`; the first matrices follow from the seed.
    All in double precision, as coefficients are exact to many digits.

    Args:
        config: the target's architecture and how wide the source is.
    """

    def __init__(self, config: SourcePlan) -> None:
        super().__init__()
        self.config = config
        self.blocks = nn.ModuleList(SourceBlock(config, i) for i in range(len(config.copies)))

    def forward(self, x: Tensor, graph: Graph | None = None) -> Tensor:
        """Output ``(batch, classes)``, or a field.

        Args:
            x: field ``(batch, p, …)``, computed on in double precision.
            graph: of message passing.
        """
        x = x.double()
        for block in self.blocks[:-1]:
            x = block(x, graph).relu()
        result: Tensor = self.blocks[-1](x, graph)
        return result

    def literal(self, x: Tensor, graph: Graph | None = None) -> Tensor:
        """The same with every channel of every middle computed as it stands.

        Args:
            x: field ``(batch, p, …)``.
            graph: of message passing.
        """
        try:
            for block in self.blocks:
                block.literal = True  # type: ignore[assignment]
            result: Tensor = self(x, graph)
            return result
        finally:
            for block in self.blocks:
                block.literal = False  # type: ignore[assignment]


def _diamond(config: SourcePlan, number: int) -> Tensor:
    """The entries of a first matrix at the diamond's places, float64 of float32 values.

    The matrix has a row for each middle channel (p, j), and a column for each pair of an input
    channel and an element of its own maps. Its entries are uniform on [−1, 1]; one is missing where
    its number of the stream ``"pattern"`` is below the ratio.
    """
    inputs, copies = config.channels[number] + 1, config.copies[number]
    basis = config.basis(number)
    row = np.arange(inputs * copies, dtype=np.int64).reshape(inputs, copies)
    column = np.arange(inputs, dtype=np.int64)[:, None] * basis.own_size + basis.identity
    places = row * (inputs * basis.own_size) + column
    name = f"blocks.{number}.first"
    drawn = 2.0 * Stream(config.seed, name, "weight").uniform_at(places) - 1.0
    values: Any = drawn.astype(np.float32).astype(np.float64)
    if config.first_prune_ratio:
        missing = Stream(config.seed, name, "pattern").uniform_at(places)
        values[missing < config.first_prune_ratio] = 0.0
    return torch.from_numpy(values)
