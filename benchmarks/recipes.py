"""A search epoch as it is written without gslt: on DGL as published, and on PyG.

Both are the model of `gslt.nn.GNN` with its random weights, dense scores and dense masks: at every
forward all scores of the network are sorted for the global threshold, and every weight has a score,
two AdamW moments and a mask. What differs is how the host aggregates and how an epoch evaluates.

published   DGL, messages multiplied by an all-ones edge weight (`u_mul_e`), then their mean; after
            each update one forward for the validation accuracy and one for the test accuracy.
            GIN and GraphSAGE aggregate before the projection, GCN as DGL's GraphConv orders it.
pyg         PyG's layers on a plain `edge_index`; one evaluation forward after each update.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from gslt.config import ModelConfig
from gslt.data import NodeDataset
from gslt.masking.parametrization import random_weight

Layer = Callable[[Tensor, Sequence[Tensor]], Tensor]


class _Kept(torch.autograd.Function):
    """Scores → mask of those at or above a threshold, with a straight-through gradient."""

    @staticmethod
    def forward(ctx: Any, score: Tensor, threshold: Tensor) -> Tensor:
        ctx.save_for_backward(score)
        return (score.abs() >= threshold).to(score.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (score,) = ctx.saved_tensors
        return torch.where(score < 0, -grads[0], grads[0]), None


class DenseMasks(nn.Module):
    """The searched model: dense scores and masks over all weights, full sort at every forward.

    Args:
        config: architecture, depth, width.
        in_channels: number of features.
        out_channels: number of classes.
        layers: what the host does in each layer, from its input and effective weights.
        sparsity: fraction of the weights that the masks remove.
    """

    def __init__(
        self,
        config: ModelConfig,
        in_channels: int,
        out_channels: int,
        layers: Sequence[Layer],
        sparsity: float = 0.5,
    ) -> None:
        super().__init__()
        self.layers, self.sparsity = layers, sparsity
        shapes = weight_shapes(config, in_channels, out_channels)
        self.names = list(shapes)
        draw = [(torch.Size(shape), shape[1], "skc", 0, name) for name, shape in shapes.items()]
        self.weights = nn.ParameterList(
            nn.Parameter(random_weight(*one).view(one[0]), requires_grad=False) for one in draw
        )
        self.scores = nn.ParameterList(
            nn.Parameter(random_weight(s, i, "kn", 0, name, "score").view(s))
            for s, i, _, _, name in draw
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(N, classes)``."""
        weights = self.effective_weights()
        *hidden_layers, last = self.layers
        for layer in hidden_layers:
            x = F.relu(_norm(layer(x, weights)))
        out = F.relu(_norm(last(x, weights)))
        return (F.linear(x, weights[-1]) + out) / 2

    def effective_weights(self) -> list[Tensor]:
        """Weight times mask over the root of its density."""
        ranked = torch.sort(torch.cat([s.detach().abs().flatten() for s in self.scores])).values
        threshold = ranked[len(ranked) - round((1 - self.sparsity) * len(ranked))]
        effective = []
        for weight, score in zip(self.weights, self.scores, strict=True):
            mask = _Kept.apply(score, threshold)
            effective.append(weight * mask / mask.detach().mean().sqrt())
        return effective


def weight_shapes(
    config: ModelConfig, in_channels: int, out_channels: int
) -> dict[str, tuple[int, int]]:
    """Shape ``(out, in)`` of every weight of `gslt.nn.GNN`, in its order, the head last."""
    hidden = config.hidden_channels
    widths = [in_channels, *[hidden] * (config.num_layers - 1), out_channels]
    parts = {"gin": ["nn"], "gcn": ["lin"], "sage": ["lin_l", "lin_r"]}[config.architecture]
    shapes = {
        f"layers.{number}.{part}.weight": (o, i)
        for number, (i, o) in enumerate(pairwise(widths))
        for part in parts
    }
    return {**shapes, "head.weight": (out_channels, hidden)}


def _norm(x: Tensor) -> Tensor:
    return F.batch_norm(x, None, None, training=True)


def published(dataset: NodeDataset, config: ModelConfig) -> DenseMasks:
    """The recipe on DGL with edge-weighted messages."""
    import dgl
    from dgl import function as fn

    edges, n = dataset.edge_index, dataset.num_nodes
    if config.architecture == "gcn":
        loops = torch.arange(n, device=edges.device).expand(2, n)
        edges = torch.cat([edges, loops], 1)
    graph = dgl.graph((edges[0], edges[1]), num_nodes=n)
    degree = graph.in_degrees().float().clamp(min=1)
    weight = torch.ones(graph.num_edges(), 1, device=edges.device)
    if config.architecture == "gcn":
        weight = (degree[edges[0]] * degree[edges[1]]).rsqrt().unsqueeze(1)
    reduce = fn.sum if config.architecture == "gcn" else fn.mean

    def aggregate(h: Tensor) -> Tensor:
        with graph.local_scope():
            graph.ndata["h"], graph.edata["w"] = h, weight
            graph.update_all(fn.u_mul_e("h", "w", "m"), reduce("m", "h"))
            return graph.ndata["h"]

    def layer(number: int) -> Layer:
        def gin(h: Tensor, weights: Sequence[Tensor]) -> Tensor:
            return F.linear(h + aggregate(h), weights[number])

        def gcn(h: Tensor, weights: Sequence[Tensor]) -> Tensor:
            w = weights[number]
            if w.size(1) > w.size(0):
                return aggregate(F.linear(h, w))
            return F.linear(aggregate(h), w)

        def sage(h: Tensor, weights: Sequence[Tensor]) -> Tensor:
            neighbours, root = weights[2 * number], weights[2 * number + 1]
            return F.linear(aggregate(h), neighbours) + F.linear(h, root)

        return {"gin": gin, "gcn": gcn, "sage": sage}[config.architecture]

    return _model(dataset, config, [layer(number) for number in range(config.num_layers)])


def pyg_edge_index(dataset: NodeDataset, config: ModelConfig) -> DenseMasks:
    """The recipe on PyG's own layers and a plain ``edge_index``."""
    from torch_geometric.nn import GCNConv, GINConv, SAGEConv

    make = {
        "gin": lambda i, o: GINConv(nn.Linear(i, o, bias=False), eps=0.0, aggr="mean"),
        "gcn": lambda i, o: GCNConv(i, o, bias=False, cached=True),
        "sage": lambda i, o: SAGEConv(i, o, aggr="mean", bias=False),
    }[config.architecture]
    shapes = weight_shapes(config, dataset.num_features, dataset.num_classes)

    def layer(number: int) -> Layer:
        places = [k for k, name in enumerate(shapes) if name.startswith(f"layers.{number}.")]
        names = [list(shapes)[k].removeprefix(f"layers.{number}.") for k in places]
        o, i = list(shapes.values())[places[0]]
        conv = make(i, o)

        def run(h: Tensor, weights: Sequence[Tensor]) -> Tensor:
            mine = {name: weights[k] for name, k in zip(names, places, strict=True)}
            return functional_call(conv, mine, (h, dataset.edge_index))

        return run

    return _model(dataset, config, [layer(number) for number in range(config.num_layers)])


def _model(dataset: NodeDataset, config: ModelConfig, layers: Sequence[Layer]) -> DenseMasks:
    model = DenseMasks(config, dataset.num_features, dataset.num_classes, layers)
    return model.to(dataset.x.device)


RECIPES = {"published": (published, 2), "pyg_edge_index": (pyg_edge_index, 1)}


def search_epochs(
    dataset: NodeDataset, config: ModelConfig, recipe: str, epochs: int, on_epoch: Callable
) -> None:
    """Run the recipe; ``on_epoch`` is called after each epoch."""
    make, evaluations = RECIPES[recipe]
    model = make(dataset, config)
    optimizer = torch.optim.AdamW(model.scores, lr=0.01, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda epoch: (1 + math.cos(math.pi * epoch / epochs)) / 2
    )
    for _ in range(epochs):
        optimizer.zero_grad()
        logits = model(dataset.x)
        train = dataset.train_mask
        F.cross_entropy(logits[train], dataset.y[train]).backward()
        optimizer.step()
        schedule.step()
        for mask in (dataset.val_mask, dataset.test_mask)[:evaluations]:
            with torch.no_grad():
                predicted = model(dataset.x).argmax(dim=1)
            (predicted[mask] == dataset.y[mask]).float().mean().item()
        on_epoch()
