"""Whether the routes compute the same: logits, gradients and classes beside matrix algebra."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gslt.comparison.reference import Outputs, double, reference
from gslt.comparison.routes import Candidate
from gslt.data import NodeDataset

#: Largest difference, relative to the largest entry of the reference, that counts as agreement.
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}


def outputs(candidate: Candidate, dataset: NodeDataset) -> Outputs:
    """Logits and gradients of a route."""
    sides: list[Tensor] = []

    def record(activation: object, given: object, out: Tensor) -> None:
        sides.append((out > 0).cpu())

    hooks = [module.register_forward_hook(record) for module in candidate.model.activations]
    logits: Tensor = candidate.model(*candidate.inputs)
    for hook in hooks:
        hook.remove()
    train = dataset.train_mask
    loss = F.cross_entropy(logits[train], dataset.y[train])
    scores = [weight.score() for weight in candidate.weights]
    gradients = torch.autograd.grad(loss, scores)
    return Outputs(double(logits), torch.cat([double(g) for g in gradients]), sides)


def difference(found: Outputs, expected: Outputs, tolerance: float) -> dict[str, Any]:
    """How far two results are apart.

    ``…_abs`` is the largest absolute difference, ``…_rel`` the same over the largest absolute entry
    of what is expected, ``same_classes`` the fraction of nodes of the same predicted class,
    ``flips`` and ``flip_size`` as in :class:`Outputs`, and ``agrees`` whether both relative
    differences and the size of the flips are within the tolerance.
    """
    figures: dict[str, Any] = {}
    for name in ("logits", "gradient"):
        one, other = getattr(found, name), getattr(expected, name)
        apart, largest = float((one - other).abs().max()), float(other.abs().max())
        figures[f"{name}_abs"] = apart
        figures[f"{name}_rel"] = apart / max(largest, torch.finfo(torch.double).tiny)
    same = found.logits.argmax(1) == expected.logits.argmax(1)
    figures["same_classes"] = float(same.double().mean())
    figures["flips"], figures["flip_size"] = expected.flips, expected.flip_size
    limited = ("logits_rel", "gradient_rel", "flip_size")
    figures["agrees"] = all(figures[name] <= tolerance for name in limited)
    return figures


def parity(
    build: Callable[[str, torch.dtype], Candidate], names: Sequence[str], dataset: NodeDataset
) -> dict[str, dict[str, Any]]:
    """Differences of every route from the reference of the first one, by route and precision."""
    found: dict[str, dict[str, Any]] = {name: {} for name in names}
    for precision, tolerance in TOLERANCE.items():
        dtype = getattr(torch, precision)
        first = build(names[0], dtype)
        for name in names:
            result = outputs(first if name == names[0] else build(name, dtype), dataset)
            expected = reference(first, dataset, result.sides)
            found[name][precision] = difference(result, expected, tolerance)
    return found
