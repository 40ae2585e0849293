"""Whether the routes compute the same: logits and gradients beside matrix algebra.

What a ticket computes is written here once more, from the equations alone and in double precision:
it knows no layer, no backend and no gradient of gslt's. It takes the effective weights of the
ticket as they are, so that what is measured is how the routes compute, not how a weight is rounded.

A number that is zero up to rounding may stand on either side of a ReLU, and a gradient jumps there:
one such number of a million changes a gradient a thousand times more than rounding does. So the
reference is told which activations are on in the route it is compared with, and what it says itself
is counted: how many it would have put on the other side, and how far from zero they were.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gslt.comparison.routes import SourceNetwork
from gslt.config import ModelConfig
from gslt.data import NodeDataset
from gslt.data.metrics import loss as mean_loss
from gslt.masking import FrozenWeight

#: Largest difference, relative to the largest entry of the reference, that counts as agreement.
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
#: The differences that it limits, see :func:`deviation`.
LIMITED = ("logits_rel", "gradient_rel", "flip_size")
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
    active: Sequence[Tensor] = ()
    """Which numbers each ReLU let pass, boolean ``(N, width)``."""
    flips: int = 0
    """Of the reference: numbers that it had put on the other side of a ReLU."""
    flip_size: float = 0.0
    """Of the reference: the largest of them, over the largest number before that ReLU."""


def outputs(network: SourceNetwork, dataset: NodeDataset) -> Outputs:
    """Logits and gradients as a route computes them.

    Args:
        network: in any precision.
        dataset: the graph.
    """
    active: list[Tensor] = []

    def record(activation: object, given: object, out: Tensor) -> None:
        active.append((out > 0).cpu())

    hooks = [module.register_forward_hook(record) for module in network.model.activations]
    logits: Tensor = network.model(*network.inputs)
    for hook in hooks:
        hook.remove()
    train = dataset.train_mask
    loss = mean_loss(logits[train], dataset.y[train])
    gradients = torch.autograd.grad(loss, [weight.score() for weight in network.weights])
    return Outputs(_double(logits), torch.cat([_double(each) for each in gradients]), active)


def reference(
    network: SourceNetwork, dataset: NodeDataset, active: Sequence[Tensor] | None = None
) -> Outputs:
    """The same by matrix algebra, from the effective weights of a network.

    With M the operator of the architecture (:func:`operator`) and norm(Z) = (Z − μ) / √(σ² + ε):
    H ← ReLU(norm(M H Wᵀ)), in GraphSAGE ReLU(norm(M H W_lᵀ + H W_rᵀ)), in a GAT the norm of
    :func:`attention`; logits = ½ (H_{L−1} Vᵀ + H_L). The gradient of a score z is dL/dw · w · scale
    · sign(z), as Edge-Popup has it (Ramanujan et al. 2020, arXiv 1911.13299).

    Args:
        network: whose weights.
        dataset: the graph.
        active: which numbers each ReLU lets pass, boolean ``(N, width)``; default: those above 0.
    """
    config = network.model.config
    weights = {name: _double(w).requires_grad_() for name, w in network.effective().items()}
    layer = _layers(config, dataset.edge_index.cpu(), dataset.num_nodes)
    below = hidden = dataset.x.double().cpu()
    flips = []
    for number in range(config.num_layers):
        mine = [w for name, w in weights.items() if name.startswith(f"layers.{number}.")]
        z = _norm(layer(hidden, mine, number == config.num_layers - 1))
        on = z > 0 if active is None else active[number]
        flips.append(_flips(z.detach(), on))
        below, hidden = hidden, z * on
    logits = (below @ weights["head.weight"].T + hidden) / 2
    train = dataset.train_mask.cpu()
    loss = mean_loss(logits[train], dataset.y.cpu()[train])
    gradients = torch.autograd.grad(loss, list(weights.values()))
    scores = [
        _score_gradient(gradient.flatten(), weight)
        for gradient, weight in zip(gradients, network.weights, strict=True)
    ]
    counts, sizes = zip(*flips, strict=True)
    return Outputs(logits.detach(), torch.cat(scores), (), sum(counts), max(sizes))


def operator(architecture: str, edge_index: Tensor, num_nodes: int) -> Tensor:
    """M of an architecture: what a layer multiplies its input by from the left.

    Mean over the neighbours; in the GIN with the node itself added; in the GCN the symmetric
    normalisation with exactly one self-loop per node.

    Args:
        architecture: ``gin``, ``gcn`` or ``sage``.
        edge_index: sources and targets ``(2, E)``, on the CPU.
        num_nodes: N.

    Returns:
        ``(N, N)`` in double precision: dense up to 2,000 nodes, else sparse.
    """
    source, target = edge_index
    node = torch.arange(num_nodes)
    if architecture == "gcn":
        source, target = _with_loops(edge_index, num_nodes)
    degree = torch.bincount(target, minlength=num_nodes).double().clamp(min=1)
    value = 1 / degree[target]
    if architecture == "gcn":
        value = (degree[source] * degree[target]).rsqrt()
    elif architecture == "gin":
        source, target = torch.cat([source, node]), torch.cat([target, node])
        value = torch.cat([value, torch.ones(num_nodes, dtype=torch.float64)])
    matrix = torch.sparse_coo_tensor(
        torch.stack([target, source]), value, (num_nodes, num_nodes), check_invariants=True
    )
    return matrix.to_dense() if num_nodes <= DENSE_NODES else matrix.coalesce()


def attention(
    h: Tensor, weight: Tensor, source_vectors: Tensor, target_vectors: Tensor, edges: Tensor
) -> Tensor:
    """Σ_j α_ij W x_j of every head, α_ij being the softmax of LeakyReLU(a_s · W x_j + a_t · W x_i).

    Args:
        h: x ``(N, in)``.
        weight: W ``(heads · width, in)``.
        source_vectors: a_s ``(heads, width)``.
        target_vectors: a_t ``(heads, width)``.
        edges: sources j and targets i ``(2, E)``, a loop at every node among them.

    Returns:
        ``(N, heads, width)``.
    """
    y = (h @ weight.T).reshape(len(h), *source_vectors.shape)
    (source, target), said, asked = edges, (y * source_vectors).sum(2), (y * target_vectors).sum(2)
    score = torch.nn.functional.leaky_relu(said[source] + asked[target], 0.2)
    share = (score - score.detach().max()).exp()
    share = share / torch.zeros_like(said).index_add(0, target, share)[target]
    return torch.zeros_like(y).index_add(0, target, share.unsqueeze(2) * y[source])


def _with_loops(edge_index: Tensor, num_nodes: int) -> Tensor:
    """The edges ``(2, E)`` with exactly one loop per node."""
    others = edge_index[:, edge_index[0] != edge_index[1]]
    return torch.cat([others, torch.arange(num_nodes).expand(2, -1)], dim=1)


def _layers(
    config: ModelConfig, edge_index: Tensor, num_nodes: int
) -> Callable[[Tensor, Sequence[Tensor], bool], Tensor]:
    """What a layer computes from its input, its weights in their order, and whether it is last."""
    if config.architecture == "gat":
        edges = _with_loops(edge_index, num_nodes)

        def attend(h: Tensor, weights: Sequence[Tensor], last: bool) -> Tensor:
            weight, source, target = weights
            out = attention(h, weight, source, target, edges)
            return out.mean(1) if last else out.flatten(1)

        return attend
    matrix = operator(config.architecture, edge_index, num_nodes)

    def layer(h: Tensor, weights: Sequence[Tensor], last: bool) -> Tensor:
        """M H Wᵀ, and in GraphSAGE, which has a second weight, H W_rᵀ with it."""
        neighbours, *root = weights
        z = matrix @ h @ neighbours.T
        return z + h @ root[0].T if root else z

    return layer


def _norm(z: Tensor) -> Tensor:
    return (z - z.mean(0)) / (z.var(0, unbiased=False) + _EPSILON).sqrt()


def _flips(z: Tensor, on: Tensor) -> tuple[int, float]:
    """How many numbers stand on the other side, and the largest of them over the largest of all."""
    flipped = z[(z > 0) != on].abs()
    if not flipped.numel():
        return 0, 0.0
    return flipped.numel(), float(flipped.max() / z.abs().max())


def _score_gradient(gradient: Tensor, weight: FrozenWeight) -> Tensor:
    """dL/dz of the searched weights of a layer from dL/dw of all."""
    if weight.searched_index is not None:
        gradient = gradient[weight.searched_index.cpu()]
    sign = torch.where(weight.score().detach().cpu() < 0, -1.0, 1.0).double()
    return gradient * _double(weight.searched_weight) * _double(weight.scale()) * sign


def _double(tensor: Tensor) -> Tensor:
    """A copy in double precision on the CPU, without a gradient."""
    return tensor.detach().cpu().double()


# Parity


def deviation(found: Outputs, expected: Outputs, tolerance: float) -> dict[str, Any]:
    """How far two results are apart.

    Args:
        found: of a route.
        expected: of the reference.
        tolerance: largest relative difference that counts as agreement.

    Returns:
        ``logits_abs`` and ``gradient_abs``, the largest absolute differences, ``logits_rel`` and
        ``gradient_rel``, the same over the largest absolute entry of what is expected,
        ``same_classes``, the fraction of nodes of the same predicted class, ``flips`` and
        ``flip_size`` as in :class:`Outputs`, and ``agrees``: whether both relative differences and
        the size of the flips are within the tolerance.
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
    figures["agrees"] = all(figures[name] <= tolerance for name in LIMITED)
    return figures


def parity(
    build: Callable[[str, torch.dtype], SourceNetwork], names: Sequence[str], dataset: NodeDataset
) -> dict[str, dict[str, Any]]:
    """Differences of every route from the reference with the weights of the first one.

    Args:
        build: makes the source network of a route, by its name, in a precision.
        names: of the routes.
        dataset: the graph.

    Returns:
        :func:`deviation` by route and precision.
    """
    found: dict[str, dict[str, Any]] = {name: {} for name in names}
    for precision, tolerance in TOLERANCE.items():
        dtype = getattr(torch, precision)
        first = build(names[0], dtype)
        for name in names:
            result = outputs(first if name == names[0] else build(name, dtype), dataset)
            expected = reference(first, dataset, result.active)
            found[name][precision] = deviation(result, expected, tolerance)
    return found
