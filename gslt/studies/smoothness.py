"""How smooth the representations of a finished run are: layer by layer, and as endpoints."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np
import torch

from gslt.data import Dataset, NodeDataset, as_dataset
from gslt.diagnostics import (
    MEASURES,
    Labels,
    Topology,
    Trace,
    as_topology,
    default_measures,
    probe,
)
from gslt.files import plain
from gslt.nn.networks import Network
from gslt.studies.columns import LOG_QUOTIENT, LOG_UNCENTRED_QUOTIENT
from gslt.training.inputs import network_inputs

#: Measures by name, a number for every layer; None where a measure has none.
Profile = dict[str, list[float | None]]
#: What the logarithm of the centred quotient is computed from.
OF_LOG_QUOTIENT = ("dirichlet_energy", "centred_rayleigh_quotient")
#: What the logarithm of the uncentred one is computed from.
OF_LOG_UNCENTRED_QUOTIENT = ("dirichlet_energy", "rayleigh_quotient")


def profile(model: Network, dataset: Dataset) -> Profile:
    """Measures of every layer's result, in evaluation mode, with the propagation's own Laplacian.

    Args:
        model: the network, which is left in the mode that it is in.
        dataset: the graph that it is evaluated on.

    Raises:
        DataError: for a set of images, which have no graph.

    Returns:
        Every measure that does not sample. The last entry of each list is of the layer that gives
        the logits; the others are hidden ones.
    """
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    graph = as_dataset(dataset).to(device)
    inputs = network_inputs(getattr(model, "backend", None), graph).of("float32")
    was_training = model.training
    model.eval()
    topology, labels = topology_of(graph), Labels.of(graph)
    with torch.no_grad(), probe(model, topology, steps=["layer"], labels=labels) as trace:
        model(*inputs)
    model.train(was_training)
    return profile_of(trace, default_measures())


def profile_of(trace: Trace, measures: Iterable[str]) -> Profile:
    """What a probe saw of every layer's result.

    Args:
        trace: of one forward pass.
        measures: names, in the order of the profile.
    """
    readings = [plain(reading.smoothness.as_dict()) for reading in trace.layers()]
    return {name: [reading[name] for reading in readings] for name in measures}


@lru_cache(maxsize=2)
def topology_of(dataset: NodeDataset) -> Topology:
    """The graph of a data set as measures take it, kept for the next run on it."""
    return as_topology(dataset)


def log_quotients(
    found: Mapping[str, Sequence[float | None]], of: tuple[str, str] = OF_LOG_QUOTIENT
) -> list[float | None]:
    """Log of the centred Rayleigh quotient of every layer, or of the uncentred one.

    −∞ where a representation is finite and nothing of it is left outside the dominant eigenvector:
    a total collapse, of which the uncentred quotient has rounding errors alone. None where a
    representation is not finite, and where it is zero at every node: a dead network is not a smooth
    one (told where the uncentred quotient, which zero has not, was measured).

    Args:
        found: numbers by measure, one for every layer.
        of: names of the energy and the quotient.

    >>> log_quotients({"dirichlet_energy": [2.0, 0.0, None, 0.0],
    ...                "centred_rayleigh_quotient": [1.0, None, None, None],
    ...                "rayleigh_quotient": [0.5, 1e-15, None, None]})
    [0.0, -inf, None, None]
    """
    energies, quotients = (found[name] for name in of)
    size = found.get(OF_LOG_UNCENTRED_QUOTIENT[1], [0.0] * len(energies))
    rest = found.get(OF_LOG_QUOTIENT[1], quotients)
    logs: list[float | None] = []
    for energy, value, whole, left in zip(energies, quotients, size, rest, strict=True):
        if energy is None or whole is None:
            logs.append(None)
        else:
            logs.append(math.log(value) if value and left is not None else -math.inf)
    return logs


def layer_rows(found: Profile) -> list[dict[str, float | int | bool | None]]:
    """A row for every layer: its number from 1, whether it is hidden, measures, log quotient.

    >>> layer_rows({"mad": [0.5, 0.25]})
    [{'layer': 1, 'hidden': True, 'mad': 0.5}, {'layer': 2, 'hidden': False, 'mad': 0.25}]
    """
    columns = dict(found)
    if all(name in found for name in OF_LOG_QUOTIENT):
        columns[LOG_QUOTIENT] = log_quotients(found)
    depth = len(next(iter(columns.values())))
    return [
        {
            "layer": layer,
            "hidden": layer < depth,
            **{name: values[layer - 1] for name, values in columns.items()},
        }
        for layer in range(1, depth + 1)
    ]


def last_names() -> list[str]:
    """Endpoints at the last hidden layer: all measures but those whose scale is the network's."""
    logs = (LOG_QUOTIENT, LOG_UNCENTRED_QUOTIENT)
    return [*logs, *(name for name, measure in MEASURES.items() if measure.endpoint)]


def slope_names() -> list[str]:
    """Endpoints that are slopes over the hidden layers."""
    slopes = (name for name, measure in MEASURES.items() if measure.slope)
    return [f"{name}_slope" for name in (LOG_QUOTIENT, *slopes)]


def drop_names() -> list[str]:
    """Endpoints that are differences between the best hidden layer and the last one."""
    return [f"{name}_drop" for name, measure in MEASURES.items() if measure.drop]


def endpoints(found: Profile) -> dict[str, float | None]:
    """Numbers of the last hidden layer, slopes per layer over all hidden ones, and drops.

    A slope is that of the least-squares line through layers 1 … L − 1; None for fewer than two, or
    where a layer has no finite number. A drop is the number of the best hidden layer minus that of
    the last one, the best by another measure (:attr:`gslt.diagnostics.Measure.drop`), such as test
    accuracy of a linear probe by its validation accuracy: so it may be negative, and is no maximum
    of noise. Of measures that the profile lacks there is no endpoint.

    Args:
        found: a profile of L layers; the last one gives the logits and is left out.

    Returns:
        Numbers by :func:`last_names`, slopes by :func:`slope_names`, drops by :func:`drop_names`.
    """
    hidden = {name: values[:-1] for name, values in found.items()}
    if all(name in hidden for name in OF_LOG_QUOTIENT):
        hidden[LOG_QUOTIENT] = log_quotients(hidden)
    if all(name in hidden for name in OF_LOG_UNCENTRED_QUOTIENT):
        hidden[LOG_UNCENTRED_QUOTIENT] = log_quotients(hidden, OF_LOG_UNCENTRED_QUOTIENT)
    last = {name: hidden[name][-1] for name in last_names() if name in hidden}
    slopes = {name: name.removesuffix("_slope") for name in slope_names()}
    return {
        **last,
        **{name: _slope(hidden[of]) for name, of in slopes.items() if of in hidden},
        **dict(_drops(hidden)),
    }


def _drops(hidden: Profile) -> Iterator[tuple[str, float | None]]:
    for name, measure in MEASURES.items():
        if measure.drop is not None and name in hidden and measure.drop in hidden:
            yield f"{name}_drop", _drop(hidden[name], hidden[measure.drop])


def _drop(values: Sequence[float | None], by: Sequence[float | None]) -> float | None:
    """Value at the layer where ``by`` is highest, of equals the last, minus the last one.

    >>> _drop([0.5, 0.75, 0.25], [0.6, 0.6, 0.1])
    0.5
    """
    if any(value is None for value in (*values, *by)) or not values:
        return None
    best = max(range(len(values)), key=lambda layer: (by[layer], layer))
    return values[best] - values[-1]  # type: ignore[operator]


def _slope(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None and math.isfinite(value)]
    if len(known) < max(2, len(values)):
        return None
    return float(np.polyfit(np.arange(1, len(known) + 1), known, 1)[0])
