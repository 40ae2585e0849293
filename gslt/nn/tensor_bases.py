r"""Bases of the maps of 2-order tensors over nodes that commute with permutations of the nodes.

A tensor has one number for every ordered pair of nodes: of a graph, the adjacency matrix, with
features of nodes on the diagonal. The equivariant maps are sums of 15 elements, the invariant ones
of 2, the biases of 2, for every number of nodes from 4 on (Maron et al. 2019, "Invariant and
equivariant graph networks", arXiv 1812.09902); with fewer nodes the same elements span all maps
too, but depend on each other. Sums are divided by how many numbers they add, so that no element
grows with the graph. All graphs of a batch have the same number of nodes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gslt.nn.bases import Basis, expect, mix_channels
from gslt.nn.graph import Graph


class Order2(Basis):
    r"""Maps of 2-order tensors to 2-order tensors: K = 15.

    Of a tensor A of n nodes take five vectors: :math:`v^1_i = A_{ii}`,
    :math:`v^2_i = \frac1n \sum_j A_{ij}`, :math:`v^3_i = \frac1n \sum_j A_{ji}`,
    :math:`v^4_i = \frac1n \sum_j A_{jj}`, :math:`v^5_i = \frac{1}{n^2} \sum_{jk} A_{jk}`. The
    elements are, in this order: :math:`A_{ij}`; :math:`A_{ji}`; the five with :math:`v_i` at
    i = j and 0 elsewhere; the five with :math:`v_i` at every j; the three with
    :math:`v^1_j, v^2_j, v^3_j` at every i.

    Biases: 1 everywhere; 1 on the diagonal.
    """

    size = own_size = 15
    constants = 2

    def apply(self, x: Tensor, weight: Tensor, graph: Graph | None) -> Tensor:
        """Tensors ``(B, q, n, n)`` of tensors x ``(B, p, n, n)`` and w ``(q, p, 15)``."""
        _expect_square(x)
        n, diagonal = x.size(2), x.diagonal(dim1=2, dim2=3)
        everywhere = [diagonal.mean(2, keepdim=True), x.mean((2, 3)).unsqueeze(2)]
        vectors = [diagonal, x.mean(3), x.mean(2), *(each.expand(-1, -1, n) for each in everywhere)]
        stacked = torch.stack(vectors, 3)
        on_diagonal, over_rows, over_columns = (
            torch.einsum("bpnk,qpk->bqn", stacked[..., : part.size(2)], part)
            for part in torch.split(weight[:, :, 2:], [5, 5, 3], 2)
        )
        out = mix_channels(x, weight[:, :, 0]) + mix_channels(x.transpose(2, 3), weight[:, :, 1])
        return out + on_diagonal.diag_embed() + over_rows[..., None] + over_columns[..., None, :]

    def constant(self, x: Tensor, weight: Tensor) -> Tensor:
        """The numbers everywhere, and on the diagonal alone, ``(B, q, n, n)``."""
        _expect_square(x)
        diagonal = mix_channels(x.diagonal(dim1=2, dim2=3), weight[:, :, 1])
        return super().constant(x, weight) + diagonal.diag_embed()


class Order2Invariants(Basis):
    """Invariants of 2-order tensors: the mean of the diagonal, and that of all other entries.

    A single node has no other entries: their mean is 0.
    """

    size, own_size = 2, 15

    def apply(self, x: Tensor, weight: Tensor, graph: Graph | None) -> Tensor:
        """Numbers ``(B, q)`` of tensors x ``(B, p, n, n)`` and w ``(q, p, 2)``."""
        _expect_square(x)
        n, eye = x.size(2), torch.eye(x.size(2), dtype=torch.bool, device=x.device)
        others = x.masked_fill(eye, 0.0).sum((2, 3)) / max(n * (n - 1), 1)
        means = torch.stack([x.diagonal(dim1=2, dim2=3).mean(2), others], 2)
        return torch.einsum("bpk,qpk->bq", means, weight)

    def constant(self, x: Tensor, weight: Tensor) -> Tensor:
        """The mean of the tensor, ``(B, q)``."""
        _expect_square(x)
        return mix_channels(x.mean((2, 3)), weight[:, :, 0])


def permuted(x: Tensor, order: Tensor) -> Tensor:
    """Tensors whose nodes stand in another order: :math:`A_{order_i, order_j}`.

    Args:
        x: tensors ``(B, p, n, n)``.
        order: the nodes, ``(n,)``.
    """
    return x[:, :, order][:, :, :, order]


def _expect_square(x: Tensor) -> None:
    expect(x.dim() == 4 and x.size(2) == x.size(3), "(batch, channels, nodes, nodes)", x)
