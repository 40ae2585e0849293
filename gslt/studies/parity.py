"""Whether two routes compute the same: logits, gradients and classes beside matrix algebra.

The reference is written here once more, in double precision, from the equations alone: it knows no
layer, no backend and no gradient of gslt's. It takes the effective weights of the ticket as they
are, so that what is measured is how the routes compute, not how a weight is rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gslt.data import NodeDataset
from gslt.studies.backend_routes import Candidate

#: Largest difference, relative to the largest entry of the reference, that counts as agreement.
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
#: Up to here the reference multiplies dense matrices; above, the same entries in a sparse one.
DENSE_NODES = 2_000
_EPSILON = 1e-5


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a route computes from a ticket: double precision copies on the CPU."""

    logits: Tensor
    """``(N, classes)``."""
    gradient: Tensor
    """Of the mean cross entropy of the training nodes, by every score ``(m,)``."""


def outputs(candidate: Candidate, dataset: NodeDataset) -> Outputs:
    """Logits and gradients of a route."""
    logits: Tensor = candidate.model(*candidate.inputs)
    train = dataset.train_mask
    loss = F.cross_entropy(logits[train], dataset.y[train])
    scores = [weight.score() for weight in candidate.weights]
    gradients = torch.autograd.grad(loss, scores)
    return Outputs(_double(logits), torch.cat([_double(g) for g in gradients]))


def reference(candidate: Candidate, dataset: NodeDataset) -> Outputs:
    """The same by matrix algebra, from the effective weights of a candidate.

    With M the operator of the architecture (:func:`operator`) and norm(Z) = (Z − μ) / √(σ² + ε):
    H ← ReLU(norm(M H Wᵀ)), in GraphSAGE ReLU(norm(M H W_lᵀ + H W_rᵀ)); logits = ½ (H_{L−1} Vᵀ +
    H_L). The gradient of a score z is dL/dw · w · scale · sign(z), as Edge-Popup has it (Ramanujan
    et al. 2020, arXiv 1911.13299).
    """
    config = candidate.model.config
    effective = candidate.effective()
    leaves = {name: _double(w).requires_grad_() for name, w in effective.items()}
    matrix = operator(config.architecture, dataset.edge_index.cpu(), dataset.num_nodes)
    below = hidden = dataset.x.double().cpu()
    for number in range(config.num_layers):
        mine = [w for name, w in leaves.items() if name.startswith(f"layers.{number}.")]
        below, hidden = hidden, _norm(_LAYERS[config.architecture](matrix, hidden, mine)).relu()
    logits = (below @ leaves["head.weight"].T + hidden) / 2
    train = dataset.train_mask.cpu()
    loss = F.cross_entropy(logits[train], dataset.y.cpu()[train])
    gradients = torch.autograd.grad(loss, list(leaves.values()))
    scores = [
        _score_gradient(gradient.flatten(), weight)
        for gradient, weight in zip(gradients, candidate.weights, strict=True)
    ]
    return Outputs(logits.detach(), torch.cat(scores))


def operator(architecture: str, edge_index: Tensor, num_nodes: int) -> Tensor:
    """M of an architecture ``(N, N)``, double precision: dense up to 2,000 nodes, else sparse.

    Mean over the neighbours; in the GIN with the node itself added; in the GCN the symmetric
    normalisation with exactly one self-loop per node.
    """
    source, target = edge_index
    node = torch.arange(num_nodes)
    if architecture == "gcn":
        others = source != target
        source, target = torch.cat([source[others], node]), torch.cat([target[others], node])
    degree = torch.bincount(target, minlength=num_nodes).double().clamp(min=1)
    value = 1 / degree[target]
    if architecture == "gcn":
        value = (degree[source] * degree[target]).rsqrt()
    elif architecture == "gin":
        source, target = torch.cat([source, node]), torch.cat([target, node])
        value = torch.cat([value, torch.ones(num_nodes, dtype=torch.float64)])
    size = (num_nodes, num_nodes)
    matrix = torch.sparse_coo_tensor(
        torch.stack([target, source]), value, size, check_invariants=True
    )
    return matrix.to_dense() if num_nodes <= DENSE_NODES else matrix.coalesce()


def _sage(matrix: Tensor, h: Tensor, weights: list[Tensor]) -> Tensor:
    neighbours, root = weights
    return matrix @ h @ neighbours.T + h @ root.T


def _plain(matrix: Tensor, h: Tensor, weights: list[Tensor]) -> Tensor:
    (weight,) = weights
    return matrix @ h @ weight.T


_LAYERS: dict[str, Callable[[Tensor, Tensor, list[Tensor]], Tensor]] = {
    "gin": _plain,
    "gcn": _plain,
    "sage": _sage,
}


def _norm(z: Tensor) -> Tensor:
    return (z - z.mean(0)) / (z.var(0, unbiased=False) + _EPSILON).sqrt()


def _score_gradient(gradient: Tensor, weight: Any) -> Tensor:
    """dL/dz of the searched weights of a layer from dL/dw of all."""
    if weight.places is not None:
        gradient = gradient[weight.places.cpu()]
    sign = torch.where(weight.score().detach().cpu() < 0, -1.0, 1.0).double()
    return gradient * _double(weight.free) * _double(weight.scale()) * sign


def _double(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().double()


def difference(found: Outputs, expected: Outputs, tolerance: float) -> dict[str, Any]:
    """How far two results are apart.

    ``…_abs`` is the largest absolute difference, ``…_rel`` the same over the largest absolute entry
    of what is expected, ``same_classes`` the fraction of nodes of the same predicted class, and
    ``agrees`` whether both relative differences are within the tolerance.
    """
    figures: dict[str, Any] = {}
    for name in ("logits", "gradient"):
        one, other = getattr(found, name), getattr(expected, name)
        apart = float((one - other).abs().max())
        figures[f"{name}_abs"] = apart
        figures[f"{name}_rel"] = apart / max(
            float(other.abs().max()), torch.finfo(torch.double).tiny
        )
    same = found.logits.argmax(1) == expected.logits.argmax(1)
    figures["same_classes"] = float(same.double().mean())
    figures["agrees"] = all(figures[f"{name}_rel"] <= tolerance for name in ("logits", "gradient"))
    return figures


def parity(
    build: Callable[[str, torch.dtype], Candidate], names: list[str], dataset: NodeDataset
) -> Mapping[str, dict[str, Any]]:
    """Differences of every route from the reference, by route and precision."""
    found: dict[str, dict[str, Any]] = {name: {} for name in names}
    for precision, tolerance in TOLERANCE.items():
        expected = None
        for name in names:
            candidate = build(name, getattr(torch, precision))
            expected = expected or reference(candidate, dataset)
            figures = difference(outputs(candidate, dataset), expected, tolerance)
            found[name][precision] = figures
    return found
