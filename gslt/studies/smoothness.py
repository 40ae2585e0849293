"""How smooth the representations of a finished run are: layer by layer, and as endpoints."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import torch

from gslt.data import NodeDataset
from gslt.diagnostics.graphs import as_topology
from gslt.diagnostics.probe import probe
from gslt.diagnostics.smoothness import MEASURES
from gslt.diagnostics.topology import Topology
from gslt.files import plain
from gslt.nn.gnn import GNN
from gslt.training.loop import inputs_of

#: Measures by name, a number for every layer; None where a measure has none.
Profile = dict[str, list[float | None]]
#: Endpoints that a profile has at its last hidden layer and as a slope over the hidden layers.
SLOPES = ("log_quotient", "effective_rank", "collapse")
#: Measures that are endpoints, all but the energy, whose scale is the network's.
LAST = ("effective_rank", "numerical_rank", "collapse", "rayleigh_quotient", "mad")


def profile(model: GNN, dataset: NodeDataset) -> Profile:
    """Measures of every layer's result, in evaluation mode, with the propagation's own Laplacian.

    The last entry of each list is of the layer that gives the logits; the others are hidden ones.
    """
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    dataset = dataset.to(device)
    inputs = inputs_of(model.backend, dataset).of("float32")
    was_training = model.training
    model.eval()
    with torch.no_grad(), probe(model, _topology(dataset), steps=["layer"]) as trace:
        model(*inputs)
    model.train(was_training)
    readings = [plain(reading.smoothness.as_dict()) for reading in trace.layers()]
    return {name: [reading[name] for reading in readings] for name in MEASURES[:-1]}


@lru_cache(maxsize=2)
def _topology(dataset: NodeDataset) -> Topology:
    return as_topology(dataset)


def log_quotients(found: Mapping[str, Sequence[float | None]]) -> list[float | None]:
    """Log of the centred Rayleigh quotient of every layer.

    −∞ where a representation is finite and nothing of it is left outside the dominant eigenvector:
    a total collapse. None where a representation is not finite.
    """
    pairs = zip(found["centred_rayleigh_quotient"], found["dirichlet_energy"], strict=True)
    return [
        None if energy is None else math.log(value) if value else -math.inf
        for value, energy in pairs
    ]


def endpoints(found: Profile) -> dict[str, float | None]:
    """Numbers of the last hidden layer, and slopes per layer over all hidden ones.

    A slope is that of the least-squares line through layers 1 … L − 1; None for fewer than two, or
    where a layer has no finite number.
    """
    hidden = {name: values[:-1] for name, values in found.items()}
    values: dict[str, list[float | None]] = {**hidden, "log_quotient": log_quotients(hidden)}
    last = {name: values[name][-1] for name in ("log_quotient", *LAST)}
    return {**last, **{f"{name}_slope": _slope(values[name]) for name in SLOPES}}


def _slope(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None and math.isfinite(value)]
    if len(known) < max(2, len(values)):
        return None
    return float(np.polyfit(np.arange(1, len(known) + 1), known, 1)[0])
