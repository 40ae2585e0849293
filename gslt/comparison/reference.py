"""What a ticket computes, by matrix algebra in double precision.

It is written here once more, from the equations alone: it knows no layer, no backend and no
gradient of gslt's. It takes the effective weights of the ticket as they are, so that what is
measured is how the routes compute, not how a weight is rounded.

A number that is zero up to rounding may stand on either side of a ReLU, and a gradient jumps there:
one such number of a million changes a gradient a thousand times more than rounding does. So the
reference is told on which side each number stood in the route it is compared with, and what it says
itself is counted: how many stood on the other side, and how far from zero they were.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gslt.comparison.routes import Candidate
from gslt.data import NodeDataset
from gslt.masking.parametrization import FrozenWeight

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
    sides: Sequence[Tensor] = ()
    """Which numbers each ReLU let pass, boolean ``(N, width)``."""
    flips: int = 0
    """Of the reference: numbers on the other side than it was told."""
    flip_size: float = 0.0
    """Of the reference: the largest of them, over the largest number before that ReLU."""


def reference(
    candidate: Candidate, dataset: NodeDataset, sides: Sequence[Tensor] | None = None
) -> Outputs:
    """The same by matrix algebra, from the effective weights of a candidate.

    With M the operator of the architecture (:func:`operator`) and norm(Z) = (Z − μ) / √(σ² + ε):
    H ← ReLU(norm(M H Wᵀ)), in GraphSAGE ReLU(norm(M H W_lᵀ + H W_rᵀ)); logits = ½ (H_{L−1} Vᵀ +
    H_L). The gradient of a score z is dL/dw · w · scale · sign(z), as Edge-Popup has it (Ramanujan
    et al. 2020, arXiv 1911.13299).

    Args:
        candidate: whose weights.
        dataset: the graph.
        sides: which numbers each ReLU lets pass; default: those above zero.
    """
    config = candidate.model.config
    effective = candidate.effective()
    leaves = {name: double(w).requires_grad_() for name, w in effective.items()}
    matrix = operator(config.architecture, dataset.edge_index.cpu(), dataset.num_nodes)
    below = hidden = dataset.x.double().cpu()
    flips = [(0, 0.0)]
    for number in range(config.num_layers):
        mine = [w for name, w in leaves.items() if name.startswith(f"layers.{number}.")]
        z = _norm(_LAYERS[config.architecture](matrix, hidden, mine))
        side = z > 0 if sides is None else sides[number]
        flips.append(_flips(z.detach(), side))
        below, hidden = hidden, z * side
    logits = (below @ leaves["head.weight"].T + hidden) / 2
    train = dataset.train_mask.cpu()
    loss = F.cross_entropy(logits[train], dataset.y.cpu()[train])
    gradients = torch.autograd.grad(loss, list(leaves.values()))
    scores = [
        _score_gradient(gradient.flatten(), weight)
        for gradient, weight in zip(gradients, candidate.weights, strict=True)
    ]
    counts, sizes = zip(*flips, strict=True)
    return Outputs(logits.detach(), torch.cat(scores), (), sum(counts), max(sizes))


def _flips(z: Tensor, side: Tensor) -> tuple[int, float]:
    """How many numbers stand on the other side, and the largest of them over the largest of all."""
    flipped = z[(z > 0) != side].abs()
    if not flipped.numel():
        return 0, 0.0
    return flipped.numel(), float(flipped.max() / z.abs().max())


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


def _score_gradient(gradient: Tensor, weight: FrozenWeight) -> Tensor:
    """dL/dz of the searched weights of a layer from dL/dw of all."""
    if weight.searched_index is not None:
        gradient = gradient[weight.searched_index.cpu()]
    sign = torch.where(weight.score().detach().cpu() < 0, -1.0, 1.0).double()
    return gradient * double(weight.searched_weight) * double(weight.scale()) * sign


def double(tensor: Tensor) -> Tensor:
    """A copy in double precision on the CPU, without a gradient."""
    return tensor.detach().cpu().double()
