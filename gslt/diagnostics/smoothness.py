"""The measures of over-smoothing in one registry, and all of them at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from gslt.diagnostics.cosines import cosine_form, mad_gap_of, mad_of
from gslt.diagnostics.labels import Labels
from gslt.diagnostics.laplacians import Components, Laplacian
from gslt.diagnostics.measures import (
    centred_rayleigh_quotient_of,
    collapse_of,
    dirichlet_energy_of,
    effective_rank_of,
    energy_form,
    numerical_rank_of,
    rayleigh_quotient_of,
)
from gslt.diagnostics.representation import Average, EdgeForm, Representation
from gslt.diagnostics.separation import linear_probe_of, linear_probe_val_of, nc1_of
from gslt.settings import check_choices


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One measure: how it is computed, and what tables and pictures say of it."""

    function: Callable[[Representation], float]
    """Pure function of one representation on its graph; NaN where the measure is not defined. It is
    not called where the representation holds NaN or infinity."""
    label: str
    """What the field calls it."""
    unit: str = ""
    """What a value is; empty where there is nothing to say."""
    smoother: Literal["lower", "higher"]
    """Which values are those of smoother representations."""
    source: str
    """Paper, equation or section, arXiv number."""
    log: bool = False
    """Whether pictures draw it on a logarithmic axis."""
    sampled: bool = False
    """Whether it samples pairs of nodes; such a measure is taken only where it is named."""
    endpoint: bool = True
    """Whether its value at the last hidden layer is an endpoint of a run."""
    slope: bool = False
    """Whether its slope over the hidden layers is an endpoint of a run."""
    drop: str | None = None
    """Name of the measure whose highest value tells the best hidden layer (of equals the last), if
    its value there minus that at the last hidden layer is an endpoint of a run."""
    labelled: bool = False
    """Whether it reads ``representation.labels``; it is NaN, and not called, where these are
    None."""
    form: EdgeForm | None = None
    """What ``function`` sums over the edges by :meth:`Representation.edge_sum`, if anything:
    :func:`measure` takes the sums of all its measures in one pass."""

    @property
    def title(self) -> str:
        """Label and unit, and whether its axis is logarithmic: what stands over a panel.

        >>> MEASURES["mad"].title, MEASURES["dirichlet_energy"].title
        ('MAD (cosine distance of neighbours)', 'Dirichlet energy (log)')
        """
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.label}{unit}{' (log)' if self.log else ''}"


#: Every measure by name. A new one is one entry here; all else reads this registry.
MEASURES: dict[str, Measure] = {
    "dirichlet_energy": Measure(
        function=dirichlet_energy_of,
        form=energy_form,
        label="Dirichlet energy",
        smoother="lower",
        source="Cai & Wang 2020, arXiv 2006.13318; Rusch et al. 2023, arXiv 2303.10993",
        log=True,
        endpoint=False,
    ),
    "rayleigh_quotient": Measure(
        function=rayleigh_quotient_of,
        form=energy_form,
        label="Rayleigh quotient",
        smoother="lower",
        source="the energy of Cai & Wang 2020, arXiv 2006.13318, over the squared norm of X",
    ),
    "centred_rayleigh_quotient": Measure(
        function=centred_rayleigh_quotient_of,
        form=energy_form,
        label="centred Rayleigh quotient",
        smoother="lower",
        source="Rayleigh quotient outside of the invariant space of Oono & Suzuki 2020, arXiv "
        "1905.10947",
        log=True,
        endpoint=False,
    ),
    "collapse": Measure(
        function=collapse_of,
        label="collapse",
        unit="0: total",
        smoother="lower",
        source="squared distance to the invariant space of Oono & Suzuki 2020, arXiv 1905.10947, "
        "as a fraction",
        slope=True,
    ),
    "numerical_rank": Measure(
        function=lambda representation: numerical_rank_of(representation.singular_values),
        label="numerical rank",
        smoother="lower",
        source="Rudelson & Vershynin 2007, arXiv math/0503442; Zhang et al. 2025, arXiv 2502.04591",
    ),
    "effective_rank": Measure(
        function=lambda representation: effective_rank_of(representation.singular_values),
        label="effective rank",
        smoother="lower",
        source="Roy & Vetterli 2007, Definition 1",
        slope=True,
    ),
    "mad": Measure(
        function=mad_of,
        form=cosine_form,
        label="MAD",
        unit="cosine distance of neighbours",
        smoother="lower",
        source="Chen et al. 2020, arXiv 1909.03211, Eq. 1 – 4",
    ),
    "mad_gap": Measure(
        function=mad_gap_of,
        label="MADGap",
        unit="remote minus near",
        smoother="lower",
        source="Chen et al. 2020, arXiv 1909.03211, Eq. 5",
        sampled=True,
        endpoint=False,
    ),
    "nc1": Measure(
        function=nc1_of,
        label="NC1",
        unit="within ÷ between classes",
        # It falls where neighbours of one class are mixed, and rises where classes blur.
        smoother="higher",
        source="Kothapalli et al. 2023, arXiv 2307.01951, the ratio of traces; after Papyan et al. "
        "2020, arXiv 2008.08186",
        log=True,
        labelled=True,
    ),
    "linear_probe": Measure(
        function=linear_probe_of,
        label="linear probe",
        unit="test accuracy",
        smoother="lower",
        source="Alain & Bengio 2016, arXiv 1610.01644; ridge regression, Hoerl & Kennard 1970",
        labelled=True,
        drop="linear_probe_val",
    ),
    "linear_probe_val": Measure(
        function=linear_probe_val_of,
        label="linear probe, validation",
        unit="accuracy",
        smoother="lower",
        source="as the linear probe",
        labelled=True,
    ),
}


def default_measures() -> tuple[str, ...]:
    """Names of the measures that are taken unless others are named: those that do not sample."""
    return tuple(name for name, measure in MEASURES.items() if not measure.sampled)


#: What :func:`default_measures` gives of gslt's own measures.
DEFAULT_MEASURES: tuple[str, ...] = default_measures()


@dataclass(frozen=True, repr=False)
class Smoothness:
    """What :func:`measure` found.

    Every measure is an attribute, as ``found.effective_rank``; one that was not asked for is None.
    """

    laplacian: Laplacian
    """Laplacian of the energy, the two quotients and the collapse."""
    values: Mapping[str, float]
    """Value of each measure that was asked for, by name, in the order of ``MEASURES``."""

    def __getattr__(self, name: str) -> float | None:
        # Not self.values: while a copy is made, it is not there yet.
        values: Mapping[str, float] = self.__dict__.get("values", {})
        if name in values:
            return values[name]
        if name in MEASURES:
            return None
        raise AttributeError(f"no measure is called {name!r}; known are {', '.join(MEASURES)}")

    def as_dict(self) -> dict[str, str | float]:
        """Name and value of the Laplacian and of every measure that was asked for."""
        return {"laplacian": self.laplacian, **self.values}

    def __repr__(self) -> str:
        return f"Smoothness({', '.join(f'{k}={v!r}' for k, v in self.as_dict().items())})"


def measure(
    x: Tensor,
    graph: Any,
    laplacian: Laplacian = "combinatorial",
    *,
    only: Collection[str] | None = None,
    mad: Average = "nodes",
    components: Components = "each",
    labels: Labels | None = None,
) -> Smoothness:
    """Measure how smooth representations are on a graph.

    Time is linear in edges × width plus nodes × width², extra memory in nodes + edges + components
    × width + width²; sums are in float64. Of an x that holds NaN or infinity every measure is NaN,
    and without labels every measure that is of classes.

    Args:
        x: representations ``(n, h)``: float64, float32, bfloat16 or float16, on any device.
        graph: whatever :func:`as_topology` reads; give a ``Topology`` to measure more than once.
        laplacian: ``"combinatorial"``, ``"symmetric"``, ``"augmented"`` or ``"random_walk"``; see
            :func:`laplacian_of` for an architecture's own.
        only: names out of ``MEASURES``; default: all but those that sample (``"mad_gap"``).
        mad: how distances are averaged, see :func:`mad`.
        components: what is taken off X, see :func:`collapse`.
        labels: of the nodes, and the split; default: those of the graph, where it is a
            :class:`gslt.NodeDataset`.

    Raises:
        GraphError: if the graph cannot be read or does not fit x, or x is no dense matrix of
            floating-point numbers.
        DataError: if the labels are none, or not one for every row of x.
        ConfigError: for a name that does not exist.

    >>> import torch
    >>> x, path = torch.tensor([[1.0], [1.0], [3.0]]), torch.tensor([[0, 1], [1, 2]])
    >>> measure(x, path, only=["dirichlet_energy", "collapse", "numerical_rank"]).as_dict()
    ... # doctest: +NORMALIZE_WHITESPACE
    {'laplacian': 'combinatorial', 'dirichlet_energy': 4.0, 'collapse': 0.2424242424242424,
     'numerical_rank': 1.0}
    """
    check_choices("only", only or (), tuple(MEASURES))
    asked = default_measures() if only is None else tuple(only)
    wanted = {name: entry for name, entry in MEASURES.items() if name in asked}
    representation = Representation.of(
        x, graph, laplacian, average=mad, components=components, labels=labels
    )
    if representation.finite:
        representation.sum_edges(*{e.form: None for e in wanted.values() if e.form is not None})
    return Smoothness(laplacian, {name: _value(e, representation) for name, e in wanted.items()})


def _value(entry: Measure, representation: Representation) -> float:
    if entry.labelled and representation.labels is None:
        return math.nan
    return representation.value(entry.function)
