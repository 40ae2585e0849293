"""Whether a constructed ticket is equivariant: its outputs under random elements of its group."""

from __future__ import annotations

import torch
from torch import Tensor

from gslt.backends import get_backend
from gslt.nn.grid_bases import C4, D4
from gslt.nn.source import ConstructedNetwork
from gslt.nn.tensor_bases import permuted
from gslt.theory.targets import Task

#: Examples, and random elements of the group, that are tried.
_EXAMPLES, _ELEMENTS = 100, 5


def equivariance_defect(network: ConstructedNetwork, task: Task) -> float | None:
    """Largest change of an output under five random elements of the group; of nodes, of the order.

    Of the first 100 examples, or all nodes. Images that are translated have zeros around them, so
    far that no layer sees more than zeros at the border.

    Args:
        network: a ticket.
        task: its data.

    Returns:
        A difference of outputs, 0 but for rounding; None where there is no group (an MLP).
    """
    kind = network.config.kind
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        if task.dataset is not None:
            return _of_nodes(network, task, generator)
        x = task.x[:_EXAMPLES]
        if kind == "cnn":
            x = torch.nn.functional.pad(x, [2 * len(network.blocks)] * 4)
        before, worst = network(x), 0.0
        for _ in range(_ELEMENTS):
            if (other := moved(kind, x, generator)) is None:
                return None
            worst = max(worst, float((network(other) - before).abs().max()))
    return worst


def moved(kind: str, x: Tensor, generator: torch.Generator) -> Tensor | None:
    """Data after a random element of the group that the outputs must not change under.

    Args:
        kind: of the network.
        x: fields ``(batch, channels, …)``.
        generator: of the element.

    Returns:
        Fields of the same shape; None where there is no group.
    """
    if kind == "cnn":
        return x.roll(torch.randint(-1, 2, (2,), generator=generator).tolist(), (-2, -1))
    if kind == "ign2":
        return permuted(x, torch.randperm(x.size(-1), generator=generator))
    if (group := {"c4cnn": C4, "d4cnn": D4}.get(kind)) is None:
        return None
    return group.turned(x, int(torch.randint(group.size, (1,), generator=generator)))


def _of_nodes(network: ConstructedNetwork, task: Task, generator: torch.Generator) -> float:
    """The same graph with its nodes in another order."""
    data = task.dataset
    assert data is not None
    order = torch.randperm(data.num_nodes, generator=generator)
    graph = get_backend("pyg").graph(order.argsort()[data.edge_index], data.num_nodes)
    before = network(task.x, task.graph)[order]
    return float((network(task.x[order], graph) - before).abs().max())
