r"""Networks of equivariant linear maps, written in bases, with ReLU between them.

A linear map between fields of p and q channels that commutes with a group is a sum of the elements
of a basis, with one coefficient for each element and pair of channels (the equivariant paper's
:math:`W = \sum_{q,p,k} \alpha_{qpk}\, e_q e_p^\top \otimes B_k`). The coefficients are the weights:
freezing prunes and locks coefficients, never single entries of the map, so every subnetwork is
equivariant exactly. ReLU acts on every number of a field by itself and commutes with all of these
groups, which only move numbers about.

Fields have the shape ``(batch, channels, …)``. Elements have no negative entry, so that the largest
row sum of :math:`B_k`, its norm, is its largest value on ones.

============ ========================= === ===========================================================
basis        field → field             K   elements
============ ========================= === ===========================================================
linear       (B, p) → (B, q)           1   identity
gin          (N, p) → (N, q)           1   (1 + ε) I + mean over neighbours, ε = 0
gcn          (N, p) → (N, q)           1   D̂^(−½) Â D̂^(−½)
sage         (N, p) → (N, q)           2   mean over neighbours; I
============ ========================= === ===========================================================
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from gslt.errors import ConfigError
from gslt.nn.graph import Graph


class Basis(ABC):
    """Elements B_1 … B_K of the equivariant linear maps of one channel, and those of constants."""

    size = 1
    """K, number of elements."""
    constants = 1
    """Number of equivariant maps that make a bias out of a constant field."""
    identity = 0
    """Which element of the maps from the input's field to itself is the identity; the first matrix
    of a pair keeps it alone."""
    own_size = 1
    """Number of elements of the maps from the input's field to itself."""

    @abstractmethod
    def apply(self, x: Tensor, weight: Tensor, graph: Graph | None) -> Tensor:
        """Σ_{p,k} w_{qpk} B_k x_p.

        Args:
            x: field ``(batch, p, …)``.
            weight: coefficients ``(q, p, K)``.
            graph: of message passing; None for other bases.

        Returns:
            Field ``(batch, q, …)``.
        """

    def constant(self, x: Tensor, weight: Tensor) -> Tensor:
        """Σ_{p,k} w_{qpk} E_k x_p, of fields that are constant: E_1 is the identity.

        Args:
            x: field ``(batch, p, …)``.
            weight: coefficients ``(q, p, constants)``.

        Returns:
            Field ``(batch, q, …)`` of the output.
        """
        return mixed(x, weight[:, :, 0])


def mixed(x: Tensor, weight: Tensor) -> Tensor:
    """Σ_p w_{qp} x_p at every place of a field ``(batch, p, …)``; w ``(q, p)``."""
    return torch.einsum("bp...,qp->bq...", x, weight)


class Linear(Basis):
    """Every map is equivariant."""

    def apply(self, x: Tensor, weight: Tensor, graph: Graph | None) -> Tensor:
        """W x of x ``(B, p)`` and w ``(q, p, 1)``."""
        return mixed(x, weight[:, :, 0])


class Messages(Basis):
    """Message passing: fixed operators on the nodes, among them maybe the identity.

    Args:
        operators: x ``(N, q)`` and the graph → one representation ``(N, q)``, for every element.
    """

    def __init__(self, *operators: Callable[[Tensor, Graph], Tensor]) -> None:
        self.operators, self.size = operators, len(operators)

    def apply(self, x: Tensor, weight: Tensor, graph: Graph | None) -> Tensor:
        """Σ_k P_k X W_kᵀ, projected first: operators act on ``(N, q)``."""
        if graph is None:
            raise ConfigError("message passing needs a graph beside the features")
        projected = [mixed(x, weight[:, :, k]) for k in range(self.size)]
        terms = [operator(h, graph) for operator, h in zip(self.operators, projected, strict=True)]
        return torch.stack(terms).sum(0) if len(terms) > 1 else terms[0]


BASES: dict[str, Basis] = {
    "linear": Linear(),
    "gin": Messages(lambda x, graph: graph.mean(x, root=1.0)),
    "gcn": Messages(lambda x, graph: graph.symmetric(x)),
    "sage": Messages(lambda x, graph: graph.mean(x), lambda x, graph: x),
}

#: Bases of the layers of each kind of network, given how many there are.
KINDS: dict[str, Callable[[int], list[str]]] = {
    "mlp": lambda layers: ["linear"] * layers,
    "gin": lambda layers: ["gin"] * layers,
    "gcn": lambda layers: ["gcn"] * layers,
    "sage": lambda layers: ["sage"] * layers,
}


class EquivariantLinear(nn.Module):
    """Σ_k B_k x α_kᵀ + Σ_k β_k E_k 1: a map in a basis, with a bias.

    Args:
        basis: a key of :data:`BASES`.
        in_channels: p.
        out_channels: q.
    """

    def __init__(self, basis: str, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.basis = basis
        elements = BASES[basis]
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, elements.size))
        self.bias = nn.Parameter(torch.zeros(out_channels, elements.constants))
        nn.init.normal_(self.weight, std=(2.0 / (in_channels * elements.size)) ** 0.5)

    @property
    def elements(self) -> Basis:
        """The basis."""
        return BASES[self.basis]

    def forward(self, x: Tensor, graph: Graph | None = None) -> Tensor:
        """Field ``(batch, q, …)`` of a field ``(batch, p, …)``.

        Args:
            x: the field.
            graph: of message passing.
        """
        one = torch.ones_like(x[:, :1])
        constant = self.elements.constant(one, self.bias.unsqueeze(1))
        return self.elements.apply(x, self.weight, graph) + constant

    def extra_repr(self) -> str:
        """Basis and widths, as in ``print(model)``."""
        return f"{self.basis}, {self.weight.size(1)}, {self.weight.size(0)}"


class EquivariantNetwork(nn.Module):
    """Layers of one kind of network, with ReLU between them.

    Args:
        kind: a key of :data:`KINDS`.
        channels: widths, the input's first and the output's last.

    Raises:
        ConfigError: for a kind that does not exist, or fewer than two layers.
    """

    def __init__(self, kind: str, channels: Sequence[int]) -> None:
        super().__init__()
        self.kind, self.channels = kind, tuple(channels)
        pairs = pairwise(self.channels)
        self.layers = nn.ModuleList(
            EquivariantLinear(basis, *pair)
            for basis, pair in zip(bases_of(kind, self.channels), pairs, strict=True)
        )

    def forward(self, x: Tensor, graph: Graph | None = None) -> Tensor:
        """Output ``(batch, classes)``, or a field, of a field ``(batch, p, …)``.

        Args:
            x: the field.
            graph: of message passing.
        """
        for layer in self.layers[:-1]:
            x = layer(x, graph).relu()
        result: Tensor = self.layers[-1](x, graph)
        return result


def bases_of(kind: str, channels: Sequence[int]) -> list[str]:
    """Names of the bases of every layer.

    >>> bases_of("sage", (8, 4, 2))
    ['sage', 'sage']

    Args:
        kind: a key of :data:`KINDS`.
        channels: widths, the input's first and the output's last.

    Raises:
        ConfigError: for a kind that does not exist, a width below 1, or fewer than two layers.
    """
    if kind not in KINDS:
        raise ConfigError(f"the kind of network must be one of {', '.join(KINDS)}, got {kind!r}")
    if len(channels) < 3 or min(channels) < 1:
        raise ConfigError(
            f"a network has at least two layers, so three widths of at least 1, got {channels}"
        )
    return KINDS[kind](len(channels) - 1)
