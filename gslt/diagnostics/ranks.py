"""How many directions the representations take, whatever the graph."""

from __future__ import annotations

import torch
from torch import Tensor

from gslt.diagnostics.sums import check_representations, gram

NAN = float("nan")


def numerical_rank(x: Tensor) -> float:
    r"""Numerical rank: how much of X there is, in units of its strongest direction.

    .. math:: ‖X‖_F^2 / ‖X‖_2^2 = Σ_k σ_k^2 / \max_k σ_k^2

    Rudelson & Vershynin 2007 (arXiv math/0503442), as a measure of over-smoothing Zhang et al. 2025
    (arXiv 2502.04591). Scale-free. Axioms of a node-similarity measure (Rusch et al. 2023, arXiv
    2303.10993, Definition 1): neither; it is 1 for every X of rank one, constant or not.

    Args:
        x: representations ``(n, h)``, any floating-point type.

    Returns:
        A number in [1, min(n, h)]; NaN if X is zero, empty or not finite.

    Raises:
        GraphError: unless ``x`` is a dense floating-point matrix.
    """
    return numerical_rank_of(singular_values(x))


def effective_rank(x: Tensor) -> float:
    r"""Effective rank: the number of equally strong directions that have X's entropy.

    .. math:: \exp\Bigl(−Σ_k p_k \ln p_k\Bigr), \qquad p_k = σ_k \Big/ Σ_l σ_l

    Roy & Vetterli 2007, Definition 1. Scale-free. Singular values below √(h · 2.2e-16) of the
    largest (3e-7 for h = 386) cannot be told from rounding in the Gram matrix and count as zero.
    Axioms of a node-similarity measure (Rusch et al. 2023, arXiv 2303.10993, Definition 1):
    neither, see :func:`numerical_rank`.

    Args:
        x: representations ``(n, h)``, any floating-point type.

    Returns:
        A number in [1, min(n, h)]; NaN if X is zero, empty or not finite.

    Raises:
        GraphError: unless ``x`` is a dense floating-point matrix.
    """
    return effective_rank_of(singular_values(x))


def singular_values(x: Tensor) -> Tensor:
    """σ, float64 ``(min(n, h),)`` in ascending order, by one Gram matrix; empty if not finite.

    Those that rounding may have made are zero, see :func:`effective_rank`.
    """
    check_representations(x)
    matrix = gram(x.detach())
    if not bool(torch.isfinite(matrix).all()):
        return matrix.new_empty(0)
    squares: Tensor = torch.linalg.eigvalsh(matrix)
    if squares.numel() == 0:
        return squares
    floor = squares[-1] * len(squares) * torch.finfo(torch.float64).eps
    return torch.where(squares > floor, squares, 0.0).sqrt()


def numerical_rank_of(sigma: Tensor) -> float:
    """The numerical rank from singular values in ascending order."""
    if sigma.numel() == 0 or sigma[-1] == 0:
        return NAN
    return float((sigma / sigma[-1]).square().sum())


def effective_rank_of(sigma: Tensor) -> float:
    """The effective rank from singular values in ascending order."""
    if sigma.numel() == 0 or sigma[-1] == 0:
        return NAN
    p = sigma / sigma.sum()
    return float(torch.special.entr(p).sum().exp())
