"""The measures one by one. Several at once cost little more: see :func:`measure`."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

from torch import Tensor

from gslt.config import check_choice
from gslt.diagnostics.cosine import Average
from gslt.diagnostics.laplacians import Components, Laplacian
from gslt.diagnostics.ranks import NAN
from gslt.diagnostics.smoothness import measure

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
    """
    check_choice("normalisation", normalisation, get_args(Normalisation))
    energy = _one("dirichlet_energy", x, graph, laplacian)
    if normalisation == "none":
        return energy
    mean = 2 * energy / x.size(0) if x.size(0) else NAN
    return mean if normalisation == "survey" else math.sqrt(mean)


def rayleigh_quotient(x: Tensor, graph: Any, laplacian: Laplacian = "combinatorial") -> float:
    r"""Rayleigh quotient: the energy per unit of X, whatever its scale.

    .. math:: R(X) = E(X) \Big/ Σ_i ω_i ‖x_i‖^2

    with E of :func:`dirichlet_energy` and ω_i = d_i for the random walk, 1 otherwise. It is the
    mean eigenvalue of the Laplacian in the spectrum of X.

    Axioms (see :func:`dirichlet_energy`): the combinatorial and random-walk quotients meet the
    first, on X ≠ 0; none meets the triangle inequality.

    Returns:
        A number in [0, 2] for the symmetric and the random-walk Laplacian, [0, 2) for the
        augmented, [0, n] for the combinatorial; 0 where E is. NaN if X is 0 (for the random walk:
        on all nodes with neighbours) or not finite.

    Raises:
        GraphError: if the graph cannot be read or does not fit x.
        ConfigError: for another Laplacian.
    """
    return _one("rayleigh_quotient", x, graph, laplacian)


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

    Returns:
        A number between the smallest non-zero eigenvalue of the Laplacian
        (:func:`spectral_gap`) and the largest. NaN if X is not finite, or lies in the kernel up to
        the rounding of its type: ‖X − PX‖ ≤ ε ‖X‖ with ε = 2⁻⁵² for float64, 2⁻²³ for float32,
        2⁻¹⁰ for float16 and 2⁻⁷ for bfloat16, since the quotient of rounding errors says nothing.
        With ``components="whole"`` the lower bound holds on connected graphs only.

    Raises:
        GraphError: if the graph cannot be read or does not fit x.
        ConfigError: for another Laplacian.
    """
    return _one("centred_rayleigh_quotient", x, graph, laplacian, components)


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

    Returns:
        A number in [0, 1]; NaN if X is 0 or not finite. Of X in the kernel it is 0 up to the
        square of rounding errors.

    Raises:
        GraphError: if the graph cannot be read or does not fit x.
        ConfigError: for another Laplacian.
    """
    return _one("collapse", x, graph, laplacian, components)


def mad(x: Tensor, graph: Any, average: Average = "nodes") -> float:
    r"""Mean average distance: the mean cosine distance between neighbours.

    .. math:: \frac{1}{|V_+|} Σ_{i ∈ V_+} \frac{1}{d_i} Σ_{j ∈ N(i)}
        \Bigl(1 − \frac{x_i · x_j}{‖x_i‖ ‖x_j‖}\Bigr)

    This is ``average="nodes"``, V₊ the nodes with neighbours: Chen et al. 2020 (arXiv 1909.03211),
    Eq. 1 – 4, over pairs of neighbours; but where they leave out distances of exactly 0, these
    count here, so that it ends at 0 and not at 0/0. ``"edges"`` is the plain mean over edges.
    ``"survey"`` is (1/n) Σ_i Σ_{j ∈ N(i)} as in Rusch et al. 2023 (arXiv 2303.10993): without 1/d_i
    it can exceed 2. A zero row, such as ReLU makes, is at distance 1 from any other and 0 from
    another zero row.

    Axioms (see :func:`dirichlet_energy`): neither. It is 0 on rows that are parallel and differ,
    and always 0 for h = 1 and x > 0; and it breaks the triangle inequality.

    Returns:
        A number in [0, 2], at most 1 for x ≥ 0; NaN without edges, or if x is not finite.

    Raises:
        GraphError: if the graph cannot be read or does not fit x.
        ConfigError: for another average.
    """
    found = measure(x, graph, only={"mad"}, mad=average).mad
    assert found is not None
    return found


def _one(
    name: str, x: Tensor, graph: Any, laplacian: Laplacian, components: Components = "each"
) -> float:
    found = measure(x, graph, laplacian, only={name}, components=components)
    value: float = getattr(found, name)
    return value
