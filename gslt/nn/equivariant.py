r"""Networks of equivariant linear maps, written in bases, with ReLU between them.

A linear map between fields of p and q channels that commutes with a group is a sum of the elements
of a basis, with one coefficient for each element and pair of channels (the equivariant paper's
:math:`W = \sum_{q,p,k} \alpha_{qpk}\, e_q e_p^\top \otimes B_k`). The coefficients are the weights:
freezing prunes and locks coefficients, never single entries of the map, so every subnetwork is
equivariant exactly. ReLU acts on every number of a field by itself and commutes with all of these
groups, which only move numbers about.

Fields have the shape ``(batch, channels, …)``. Elements have no negative entry, so that the largest
row sum of :math:`B_k`, its norm, is its largest value on ones.

================= ========================= ==== ==================================================
basis             field → field             K    elements
================= ========================= ==== ==================================================
linear            (B, p) → (B, q)           1    identity
gin               (N, p) → (N, q)           1    (1 + ε) I + mean over neighbours, ε = 0
gcn               (N, p) → (N, q)           1    D̂^(−½) Â D̂^(−½)
sage              (N, p) → (N, q)           2    mean over neighbours; I
shifts            (B, p, H, W) → same       9    taps of a 3 × 3 kernel, zeros beyond the border
mean              (B, p, H, W) → (B, q)     1    mean over places
c4, d4 lifting    (B, p, H, W) → regular    9    taps, turned with the group's element
c4, d4            regular → regular         9|G| taps and relative elements of the group: 36, 72
c4, d4 mean       regular → (B, q)          1    mean over places and group
order2            (B, p, n, n) → same       15   permutations of nodes, see :class:`Order2`
order2 invariants (B, p, n, n) → (B, q)     2    mean of the diagonal, mean of all other entries
================= ========================= ==== ==================================================

Regular fields are ``(B, p, |G|, H, W)``. Message passing and the first are in
:mod:`gslt.nn.bases`, those of grids in :mod:`gslt.nn.grid_bases`, those of 2-order tensors in
:mod:`gslt.nn.tensor_bases`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from gslt.errors import ConfigError
from gslt.nn.bases import Basis, Linear, Messages
from gslt.nn.graph import Graph
from gslt.nn.grid_bases import C4, D4, Lifting, Mean, Regular, Shifts
from gslt.nn.tensor_bases import Order2, Order2Invariants

__all__ = ["BASES", "KINDS", "Basis", "EquivariantLinear", "EquivariantNetwork", "bases_of"]


BASES: dict[str, Basis] = {
    "linear": Linear(),
    "gin": Messages(lambda x, graph: graph.mean(x, root=1.0)),
    "gcn": Messages(lambda x, graph: graph.symmetric(x)),
    "sage": Messages(lambda x, graph: graph.mean(x), lambda x, graph: x),
    "shifts": Shifts(),
    "mean": Mean(),
    "c4 lifting": Lifting(C4),
    "c4": Regular(C4),
    "c4 mean": Mean(C4),
    "d4 lifting": Lifting(D4),
    "d4": Regular(D4),
    "d4 mean": Mean(D4),
    "order2": Order2(),
    "order2 invariants": Order2Invariants(),
}


def _steerable(group: str, layers: int) -> list[str]:
    """A lifting layer, regular ones, and a mean."""
    return [f"{group} lifting"] + [group] * (layers - 2) + [f"{group} mean"]


#: Bases of the layers of each kind of network, given how many there are.
KINDS: dict[str, Callable[[int], list[str]]] = {
    "mlp": lambda layers: ["linear"] * layers,
    "gin": lambda layers: ["gin"] * layers,
    "gcn": lambda layers: ["gcn"] * layers,
    "sage": lambda layers: ["sage"] * layers,
    "cnn": lambda layers: ["shifts"] * (layers - 1) + ["mean"],
    "c4cnn": lambda layers: _steerable("c4", layers),
    "d4cnn": lambda layers: _steerable("d4", layers),
    "ign2": lambda layers: ["order2"] * (layers - 1) + ["order2 invariants"],
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
