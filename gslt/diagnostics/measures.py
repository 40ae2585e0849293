"""Energies, quotients, collapse and ranks one by one.

Several at once cost little more: see :func:`gslt.diagnostics.measure`.
"""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from gslt.diagnostics.laplacians import Components, Laplacian, edge_factor
from gslt.diagnostics.representation import Form, Representation, singular_values
from gslt.settings import check_choice

Normalisation = Literal["none", "survey", "survey_root"]


def dirichlet_energy(
    x: Tensor,
    graph: Any,
    laplacian: Laplacian = "combinatorial",
    normalisation: Normalisation = "none",
) -> float:
    r"""Dirichlet energy: how much representations differ along the edges.

    .. math:: E(X) = \mathrm{tr}(X^⊤ L X) = Σ_{\{i, j\}} ‖s_i x_i − s_j x_j‖^2

    The sum takes every undirected edge once; d_i is the degree.

    ==================  ==================  ====================================================
    ``laplacian``       s_i                 zero if and only if, on every component,
    ==================  ==================  ====================================================
    ``combinatorial``   1                   X is constant
    ``symmetric``       1/√d_i              X = √d_i times a constant
    ``augmented``       1/√(d_i + 1)        X = √(d_i + 1) times a constant
    ``random_walk``     1                   X is constant: the form of I − D⁻¹A in the inner
                                            product weighted by D is that of D − A
    ==================  ==================  ====================================================

    ``normalisation="none"`` is E; ``"survey"`` is 2 E/n, for the combinatorial Laplacian the
    energy of Rusch et al. 2023 (arXiv 2303.10993), (1/n) Σ_i Σ_{j ∈ N(i)} ‖x_i − x_j‖²;
    ``"survey_root"`` is √(2 E/n), their node-similarity measure. The augmented energy is the one of
    Cai & Wang 2020 (arXiv 2006.13318), whose ½ stands before a sum over ordered pairs.

    Axioms of a node-similarity measure (Definition 1 of the survey, for connected graphs: zero
    exactly on constant X; the triangle inequality): both hold for √E and ``"survey_root"`` of
    the combinatorial and random-walk Laplacian; E and 2 E/n of these meet the first alone; the
    symmetric and augmented forms break the first unless all degrees are equal (arXiv 2512.09890).
    It scales with ‖X‖²: compare networks by :func:`rayleigh_quotient`.

    Args:
        x: representations ``(n, h)``, any floating-point type.
        graph: whatever :func:`as_topology` reads.
        laplacian: as above.
        normalisation: as above.

    Returns:
        A number ≥ 0 in squared units of x (their root for ``"survey_root"``); NaN if x is not
        finite, and for the survey's on a graph without nodes.

    Raises:
        GraphError: if the graph cannot be read or does not fit x.
        ConfigError: for another Laplacian or normalisation.

    >>> x, path = torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[0, 1], [1, 2]])
    >>> dirichlet_energy(x, path), dirichlet_energy(x, path, normalisation="survey")
    (2.0, 1.3333333333333333)
    """
    check_choice("normalisation", normalisation, get_args(Normalisation))
    energy = Representation.of(x, graph, laplacian).value(dirichlet_energy_of)
    if normalisation == "none":
        return energy
    mean = 2 * energy / x.size(0) if x.size(0) else math.nan
    return mean if normalisation == "survey" else math.sqrt(mean)


def rayleigh_quotient(x: Tensor, graph: Any, laplacian: Laplacian = "combinatorial") -> float:
    r"""Rayleigh quotient: the energy per unit of X, whatever its scale.

    .. math:: R(X) = E(X) \Big/ Σ_i ω_i ‖x_i‖^2

    with E of :func:`dirichlet_energy` and ω_i = d_i for the random walk, 1 otherwise. It is the
    mean eigenvalue of the Laplacian in the spectrum of X.

    Axioms (see :func:`dirichlet_energy`): the combinatorial and random-walk quotients meet the
    first, on X ≠ 0; none meets the triangle inequality.

    Args:
        x: representations ``(n, h)``, any floating-point type.
        graph: whatever :func:`as_topology` reads.
        laplacian: one of :data:`LAPLACIANS`, see :func:`dirichlet_energy`.

    Returns:
        A number in [0, 2] for the symmetric and the random-walk Laplacian, [0, 2) for the
        augmented, [0, n] for the combinatorial; 0 where E is. NaN if X is 0 (for the random walk:
        on all nodes with neighbours) or not finite.

    Raises:
        GraphError: if the graph cannot be read or does not fit x.
        ConfigError: for another Laplacian.

    >>> x, path = torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[0, 1], [1, 2]])
    >>> rayleigh_quotient(x, path)
    0.4
    """
    return Representation.of(x, graph, laplacian).value(rayleigh_quotient_of)


def centred_rayleigh_quotient(
    x: Tensor,
    graph: Any,
    laplacian: Laplacian = "combinatorial",
    components: Components = "each",
) -> float:
    r"""Rayleigh quotient of what is left of X without its part in the Laplacian's kernel.

    .. math:: R(X − PX) = E(X) \Big/ Σ_i ω_i ‖x_i − (PX)_i‖^2

    with P of :func:`collapse` and ω of :func:`rayleigh_quotient`. It tells smooth variation over
    the graph from collapse onto a constant: a network whose representations approach a constant
    keeps this quotient as long as what remains varies as before.

    Axioms (see :func:`dirichlet_energy`): neither; it is never 0, and undefined on constant X.

    Args:
        x: representations ``(n, h)``, any floating-point type.
        graph: whatever :func:`as_topology` reads.
        laplacian: one of :data:`LAPLACIANS`, see :func:`dirichlet_energy`.
        components: ``"each"`` or ``"whole"``, see :func:`collapse`.

    Returns:
        A number between the smallest non-zero eigenvalue of the Laplacian
        (:func:`spectral_gap`) and the largest. NaN if X is not finite, or lies in the kernel up to
        the rounding of its type: ‖X − PX‖ ≤ ε ‖X‖ with ε = 2⁻⁵² for float64, 2⁻²³ for float32,
        2⁻¹⁰ for float16 and 2⁻⁷ for bfloat16, since the quotient of rounding errors says nothing.
        With ``components="whole"`` the lower bound holds on connected graphs only.

    Raises:
        GraphError: if the graph cannot be read or does not fit x.
        ConfigError: for another Laplacian or choice of components.

    >>> x, path = torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[0, 1], [1, 2]])
    >>> centred_rayleigh_quotient(x, path)
    1.0
    """
    representation = Representation.of(x, graph, laplacian, components=components)
    return representation.value(centred_rayleigh_quotient_of)


def collapse(
    x: Tensor,
    graph: Any,
    laplacian: Laplacian = "combinatorial",
    components: Components = "each",
) -> float:
    r"""The share of X outside of the Laplacian's kernel: 0 is total over-smoothing.

    .. math:: Σ_i ω_i ‖x_i − (PX)_i‖^2 \Big/ Σ_i ω_i ‖x_i‖^2

    with ω of :func:`rayleigh_quotient`. P projects, orthogonally under ω, on the kernel of the
    Laplacian: on each connected component the multiples of v = 1 (combinatorial, random walk),
    D^½ 1 (symmetric) or (D + I)^½ 1 (augmented), so that (PX)_i = v_i Σ_j ω_j v_j x_j / Σ_j ω_j
    v_j² over the component of i. A node without neighbours is all kernel (for the random walk it
    has weight 0). This is the squared distance of Oono & Suzuki 2020 (arXiv 1905.10947) to the
    space that graph propagation cannot leave, as a fraction.

    ``components="whole"`` takes one v for all nodes instead, a single constant. On a graph of
    several components, as Cora with its 78, X can then have energy 0 and collapse above 0.

    Axioms (see :func:`dirichlet_energy`): as :func:`rayleigh_quotient`.

    Args:
        x: representations ``(n, h)``, any floating-point type.
        graph: whatever :func:`as_topology` reads.
        laplacian: one of :data:`LAPLACIANS`, see :func:`dirichlet_energy`.
        components: as above.

    Returns:
        A number in [0, 1]; NaN if X is 0 or not finite. Of X in the kernel it is 0 up to the
        square of rounding errors.

    Raises:
        GraphError: if the graph cannot be read or does not fit x.
        ConfigError: for another Laplacian or choice of components.

    >>> x, path = torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[0, 1], [1, 2]])
    >>> collapse(x, path), collapse(torch.ones(3, 1), path)
    (0.4, 0.0)
    """
    representation = Representation.of(x, graph, laplacian, components=components)
    return representation.value(collapse_of)


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

    >>> numerical_rank(torch.eye(3)), numerical_rank(torch.ones(4, 3))
    (3.0, 1.0)
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

    >>> round(effective_rank(torch.eye(3)), 12), effective_rank(torch.ones(4, 3))
    (3.0, 1.0)
    """
    return effective_rank_of(singular_values(x))


# Each as a function of a representation


def energy_form(representation: Representation) -> Form:
    """The form that sums up to the Dirichlet energy."""
    return Form(edge_factor(representation.topology, representation.laplacian))


def dirichlet_energy_of(representation: Representation) -> float:
    """The energy, not normalised; see :func:`dirichlet_energy`."""
    return representation.edge_sum(energy_form)


def rayleigh_quotient_of(representation: Representation) -> float:
    """See :func:`rayleigh_quotient`."""
    return _ratio(representation.edge_sum(energy_form), representation.size)


def centred_rayleigh_quotient_of(representation: Representation) -> float:
    """See :func:`centred_rayleigh_quotient`."""
    rounding = torch.finfo(representation.x.dtype).eps ** 2 * representation.size
    if representation.rest <= rounding:
        return math.nan
    # X − PX has the energy of X, since the Laplacian maps PX to zero.
    return _ratio(representation.edge_sum(energy_form), representation.rest)


def collapse_of(representation: Representation) -> float:
    """See :func:`collapse`."""
    return _ratio(representation.rest, representation.size)


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 0 else math.nan


def numerical_rank_of(sigma: Tensor) -> float:
    """The numerical rank from singular values ``(k,)`` in ascending order; NaN if all are 0."""
    if sigma.numel() == 0 or sigma[-1] == 0:
        return math.nan
    return float((sigma / sigma[-1]).square().sum())


def effective_rank_of(sigma: Tensor) -> float:
    """The effective rank from singular values ``(k,)`` in ascending order; NaN if all are 0."""
    if sigma.numel() == 0 or sigma[-1] == 0:
        return math.nan
    p = sigma / sigma.sum()
    return float(torch.special.entr(p).sum().exp())
