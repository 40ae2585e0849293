"""How much memory a full-batch run or one forward pass will take, known before it starts."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from gslt.config import ModelConfig, RunConfig, TrainConfig
from gslt.data import NodeDataset
from gslt.nn.budget import check_room
from gslt.nn.gnn import weight_shapes
from gslt.nn.memory import LINE

#: Gradients and intermediate results of the hidden width that live at the same time.
_TEMPORARY = 4
#: The same of the width of the classes: logits, their softmax, gradients.
_LOGITS = 8
#: Libraries that load when they are first used. Bytes.
_BASE = 64_000_000
#: Bytes of an edge in both directions of a sparse matrix, and while it is built.
_EDGE = 56
#: Bytes of a weight while its gradient is masked, and while its places are sorted to be rewired.
_MASKED, _REWIRED = 4, 24


def estimated_bytes(dataset: NodeDataset, config: RunConfig) -> int:
    """Memory of a run beside the data set: activations kept for the gradient, and the graph.

    With N nodes, hidden width h and L layers, N h numbers are kept 2 (L − 1) times (input of a
    product, input of a norm), in GraphSAGE 3 (L − 1) times, with dropout twice more per layer.

    Args:
        dataset: numbers of nodes, edges, features and classes count.
        config: architecture, depth, width, dropout, precision and the mask of a training count.

    Returns:
        Bytes; the test holds it within a quarter of what is measured.
    """
    n, hidden = dataset.num_nodes, config.hidden_channels
    kept = (3 if config.architecture == "sage" else 2) * (config.num_layers - 1)
    if config.dropout:
        kept += 2 * (config.num_layers - 1)
    narrow = 2 if config.precision == "bfloat16" else 4
    activations = _row_bytes(hidden, narrow) * (kept + _TEMPORARY)
    if narrow < 4:
        # The result is evaluated in single precision, while the memory of the search is kept.
        activations += _row_bytes(hidden, 4) * _TEMPORARY
    features = _row_bytes(dataset.num_features, 4)
    logits = _row_bytes(dataset.num_classes, 4) * _LOGITS
    graph = n * (activations + features + logits) + _EDGE * dataset.num_edges
    return _BASE + graph + _mask_bytes(dataset, config)


def _mask_bytes(dataset: NodeDataset, config: RunConfig) -> int:
    """Masks of a weak ticket, a byte a weight, and what one layer at a time needs to apply them."""
    if not isinstance(config, TrainConfig) or not config.mask_sparsity:
        return 0
    shapes = weight_shapes(dataset.num_features, dataset.num_classes, config)
    sizes = [math.prod(shape) for shape in shapes.values()]
    return sum(sizes) + (_REWIRED if config.rewire_every else _MASKED) * max(sizes)


def _row_bytes(width: int, size: int) -> int:
    return -(-width * size // LINE) * LINE


def forward_bytes(dataset: NodeDataset, config: ModelConfig, matrices: int = 0) -> int:
    """Memory of one forward pass in single precision beside the data set, without gradients.

    Args:
        dataset: numbers of nodes, edges, features and classes count.
        config: architecture and width count.
        matrices: of the hidden width that live beside those of the model, as measures make them.

    Returns:
        Bytes; the test holds it near what is measured.
    """
    alive = (4 if config.architecture == "sage" else 3) + matrices
    wide = _row_bytes(config.hidden_channels, 4) * alive
    features = _row_bytes(dataset.num_features, 4)
    logits = _row_bytes(dataset.num_classes, 4) * (_LOGITS // 2)
    return _BASE + dataset.num_nodes * (wide + features + logits) + _EDGE * dataset.num_edges


def check_memory(dataset: NodeDataset, config: RunConfig, device: torch.device) -> None:
    """Refuse a run that cannot fit, before anything is computed.

    An estimate slightly above what is there is a :class:`GsltWarning`.

    Args:
        dataset: the graph.
        config: the run.
        device: where it would run.

    Raises:
        ConfigError: with the estimate, what is there, and what to reduce to what.
    """
    needed = estimated_bytes(dataset, config)
    check_room(needed, "this run", device, lambda there: _remedy(dataset, config, there))


def check_forward(
    dataset: NodeDataset, config: ModelConfig, device: torch.device, matrices: int = 0
) -> None:
    """Refuse a forward pass that cannot fit, as :func:`check_memory` refuses a run.

    Args:
        dataset: the graph.
        config: the model.
        device: where it would be computed.
        matrices: see :func:`forward_bytes`.

    Raises:
        ConfigError: with the estimate and what is there.
    """
    what = f"a model of width {config.hidden_channels:,} on {dataset.num_nodes:,} nodes"
    needed = forward_bytes(dataset, config, matrices)
    check_room(needed, what, device, lambda there: "use a smaller graph or model")


def _remedy(dataset: NodeDataset, config: RunConfig, there: int) -> str:
    ways = []
    if config.precision == "float32":
        halved = estimated_bytes(dataset, replace(config, precision="bfloat16"))
        if halved <= there:
            ways.append(f"--precision bfloat16 ({halved / 1e9:.1f} GB)")
    for name, least in (("hidden_channels", 1), ("num_layers", 2)):
        if value := _largest(dataset, config, there, name, least):
            ways.append(f"--{name} of at most {value} ({getattr(config, name)} now)")
    return "use " + " or ".join(ways) if ways else "use a smaller graph"


def _largest(dataset: NodeDataset, config: RunConfig, there: int, name: str, least: int) -> int:
    """The largest value of a setting that fits, by bisection; 0 where none does."""
    low, high = least - 1, getattr(config, name)
    while high - low > 1:
        middle = (low + high) // 2
        fits = estimated_bytes(dataset, replace(config, **{name: middle})) <= there
        low, high = (middle, high) if fits else (low, middle)
    return low if low >= least else 0
