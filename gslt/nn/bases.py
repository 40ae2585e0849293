"""Bases of equivariant linear maps: what one is, maps of vectors, and message passing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

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
        return mix_channels(x, weight[:, :, 0])


def mix_channels(x: Tensor, weight: Tensor) -> Tensor:
    """Σ_p w_{qp} x_p at every place of a field, ``(batch, q, …)``.

    Args:
        x: the field ``(batch, p, …)``.
        weight: w ``(q, p)``.
    """
    return torch.einsum("bp...,qp->bq...", x, weight)


class Linear(Basis):
    """Every map is equivariant."""

    def apply(self, x: Tensor, weight: Tensor, graph: Graph | None) -> Tensor:
        """W x of x ``(B, p)`` and w ``(q, p, 1)``."""
        return mix_channels(x, weight[:, :, 0])


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
        projected = [mix_channels(x, weight[:, :, k]) for k in range(self.size)]
        terms = [operator(h, graph) for operator, h in zip(self.operators, projected, strict=True)]
        return torch.stack(terms).sum(0) if len(terms) > 1 else terms[0]


def expect(good: bool, shape: str, x: Tensor) -> None:
    """Refuses a field of another shape than a basis is of.

    Args:
        good: whether it has that shape.
        shape: in words.
        x: the field.

    Raises:
        ConfigError: if it does not.
    """
    if not good:
        raise ConfigError(f"this basis maps fields {shape}, got one of {tuple(x.shape)}")
