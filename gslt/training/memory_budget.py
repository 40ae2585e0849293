"""How much memory a run or one forward pass will take, known before it starts."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from gslt.config import ModelConfig, RunConfig, SearchConfig, TrainConfig
from gslt.data import Dataset, ImageDataset, NodeDataset
from gslt.nn.budget import check_room
from gslt.nn.gnn import weight_shapes
from gslt.nn.memory import LINE
from gslt.nn.vision import SIDE, vision_net
from gslt.training.inputs import CHUNK

#: Gradients and intermediate results of the hidden width that live at the same time.
_TEMPORARY = 4
#: The same of the width of the classes: logits, their softmax, gradients.
_LOGITS = 8
#: Libraries that load when they are first used. Bytes.
_BASE = 64_000_000
#: Bytes of an edge in both directions of a sparse matrix, and while it is built.
_EDGE = 56
#: Tensors as long as the weights of a network of images: scores, weights, places and effective
#: weights, gradients, moments, the best state.
_PER_WEIGHT = 12
#: Tensors of 4 bytes as long as the weights of a network of graphs, fitted to measurements: as long
#: as those of a source (random and effective weights, places, masks), as the searched ones (scores,
#: gradients, the best state, what selects), and as trained ones (these, gradients, the best state).
#: A moment of the optimizer counts twice, since an update makes another tensor of it.
_SOURCE, _SEARCHED, _TRAINED, _MOMENT = 5, 6, 6, 2
#: Bytes of a weight while one layer is evaluated: effective weight, mask, what selects it.
_EVALUATED = 20
#: Bytes of a weight while its gradient is masked, and while its places are sorted to be rewired.
_MASKED, _REWIRED = 4, 24
#: Beside that, in attention: intermediate results of the hidden width, bytes of a head on an edge
#: that a layer keeps for the gradient, and of those that live at the same time.
_ATTENTION_TEMPORARY, _SHARE, _SHARES = 2, 5, 24


def estimated_bytes(dataset: Dataset, config: RunConfig) -> int:
    """Memory of a run beside the data set: activations kept for the gradient, graph and weights.

    Of images: what is as long as the weights; what the layers keep of a batch, and as much again
    for what passes between them (see :func:`kept_bytes`), or what a chunk takes that is evaluated,
    whichever is more; and half of the other, since not all of it is given back in between.

    With N nodes, hidden width h and L layers, N h numbers are kept 2 (L − 1) times (input of a
    product, input of a norm), in GraphSAGE and GAT 3 (L − 1) times, with dropout twice more per
    layer; a GAT keeps a number and a bit for each head on each edge of L layers beside. Weights,
    of the order of L h² numbers, are what is most on a small graph: a frozen one counts less than a
    searched one, which has a score, a gradient and the moments of the optimizer.

    Args:
        dataset: numbers of nodes, edges, features and classes count.
        config: architecture, depth, width, dropout, precision, optimizer, what is frozen and the
            mask of a training count.

    Returns:
        Bytes; the test holds it within a quarter of what is measured.
    """
    if isinstance(dataset, ImageDataset):
        batch = config.batch_size or int(dataset.train_mask.sum())
        step, chunk = 2 * kept_bytes(dataset, config, batch), _chunk_bytes(dataset, config)
        both = max(step, chunk) + min(step, chunk) // 2
        return forward_bytes(dataset, config) - chunk + both + _mask_bytes(dataset, config)
    n, hidden = dataset.num_nodes, config.hidden_channels
    kept = (3 if config.architecture in ("sage", "gat") else 2) * (config.num_layers - 1)
    if config.dropout:
        kept += 2 * (config.num_layers - 1)
    narrow = 2 if config.precision == "bfloat16" else 4
    activations = _row_bytes(hidden, narrow) * (kept + _TEMPORARY)
    if narrow < 4:
        # The result is evaluated in single precision, while the memory of the search is kept.
        activations += _row_bytes(hidden, 4) * _TEMPORARY
    features = _row_bytes(dataset.num_features, 4)
    logits = _row_bytes(dataset.num_classes, 4) * _LOGITS
    if config.architecture == "gat":
        # And the last layer has the classes once for each head.
        activations += _row_bytes(hidden, narrow) * _ATTENTION_TEMPORARY
        activations += _row_bytes(config.heads * dataset.num_classes, narrow)
    attention = _attention_bytes(dataset, config, _SHARES + _SHARE * config.num_layers)
    graph = n * (activations + features + logits) + _EDGE * dataset.num_edges + attention
    return _BASE + graph + _weight_bytes(dataset, config) + _mask_bytes(dataset, config)


def _sizes(dataset: Dataset, config: ModelConfig) -> list[int]:
    """Numbers of weights of the layers."""
    shapes = weight_shapes(dataset.num_features, dataset.num_classes, config)
    return [math.prod(shape) for shape in shapes.values()]


def _weight_bytes(dataset: NodeDataset, config: RunConfig) -> int:
    """What is as long as the weights of a network of graphs, or as the searched ones."""
    moments = (1 if config.momentum else 0) if config.optimizer == "sgd" else 2
    total = sum(_sizes(dataset, config))
    if not isinstance(config, SearchConfig):
        return 4 * (_TRAINED + _MOMENT * moments) * total
    # Of a place alone it is not known here how many are frozen: none is on the safe side.
    searched = round((1 - sum(config.ratios)) * total) if config.place == "all" else total
    return 4 * (_SOURCE * total + (_SEARCHED + _MOMENT * moments) * searched)


def _mask_bytes(dataset: Dataset, config: RunConfig) -> int:
    """Masks of a weak ticket, a byte a weight, and what one layer at a time needs to apply them."""
    if not isinstance(config, TrainConfig) or not config.mask_sparsity:
        return 0
    sizes = _sizes(dataset, config)
    return sum(sizes) + (_REWIRED if config.rewire_every else _MASKED) * max(sizes)


def _attention_bytes(dataset: NodeDataset, config: ModelConfig, share: int) -> int:
    """What attention takes for its edges beside sums over neighbours.

    Args:
        dataset: numbers of nodes and edges count; every node has a loop.
        config: architecture and heads count.
        share: bytes of a head on an edge.
    """
    if config.architecture != "gat":
        return 0
    return (dataset.num_edges + dataset.num_nodes) * (_EDGE + config.heads * share)


def _row_bytes(width: int, size: int) -> int:
    return -(-width * size // LINE) * LINE


def kept_bytes(dataset: ImageDataset, config: RunConfig, batch: int) -> int:
    """What a training step on images keeps until the gradient has passed, but for weights.

    It is counted, on tensors that have no memory: all that torch's layers save.

    Args:
        dataset: numbers of channels and classes count.
        config: architecture, width and precision.
        batch: number of images.
    """
    with torch.device("meta"):
        model = vision_net(dataset.num_features, dataset.num_classes, config)
        x = torch.empty(2, dataset.num_features, SIDE, SIDE)
    kept: dict[int, Tensor] = {}

    def pack(saved: Tensor) -> Tensor:
        # Everything that has a row for each of the two images; a storage counts once.
        if saved.dim() and saved.size(0) == 2:
            kept[saved.untyped_storage()._cdata] = saved
        return saved

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved):
        model(x.to(getattr(torch, config.precision)))
    return batch * sum(saved.nbytes for saved in kept.values()) // 2


def forward_bytes(dataset: Dataset, config: ModelConfig, matrices: int = 0) -> int:
    """Memory of one forward pass in single precision beside the data set, without gradients.

    Args:
        dataset: numbers of nodes, edges, features and classes count.
        config: architecture and width count.
        matrices: of the hidden width that live beside those of the model, as measures make them.

    Returns:
        Bytes; the test holds it near what is measured.
    """
    if isinstance(dataset, ImageDataset):
        weights = 4 * _PER_WEIGHT * sum(_sizes(dataset, config))
        return _BASE + weights + _chunk_bytes(dataset, config)
    alive = (4 if config.architecture == "sage" else 3) + matrices
    wide = _row_bytes(config.hidden_channels, 4) * alive
    features = _row_bytes(dataset.num_features, 4)
    logits = _row_bytes(dataset.num_classes, 4) * (_LOGITS // 2)
    attention = _attention_bytes(dataset, config, _SHARES // 2)
    rows = dataset.num_nodes * (wide + features + logits)
    # Of weights one layer counts at a time. It is near what is measured where the more of both is
    # taken: a model that was built has loaded most libraries.
    fixed = max(_BASE, _EVALUATED * max(_sizes(dataset, config)))
    return fixed + rows + _EDGE * dataset.num_edges + attention


def _chunk_bytes(dataset: ImageDataset, config: ModelConfig) -> int:
    """Of a chunk of images that is evaluated: a few outputs of the first layers, the widest."""
    shapes = weight_shapes(dataset.num_features, dataset.num_classes, config)
    wide = 4 * SIDE * SIDE * next(iter(shapes.values()))[0]
    return _TEMPORARY * min(CHUNK, dataset.num_items) * wide


def check_memory(dataset: Dataset, config: RunConfig, device: torch.device) -> None:
    """Refuse a run that cannot fit, before anything is computed.

    An estimate slightly above what is there is a :class:`GsltWarning`.

    Args:
        dataset: the graph or the images.
        config: the run.
        device: where it would run.

    Raises:
        ConfigError: with the estimate, what is there, and what to reduce to what.
    """
    needed = estimated_bytes(dataset, config)
    check_room(needed, "this run", device, lambda there: _remedy(dataset, config, there))


def check_forward(
    dataset: Dataset, config: ModelConfig, device: torch.device, matrices: int = 0
) -> None:
    """Refuse a forward pass that cannot fit, as :func:`check_memory` refuses a run.

    Args:
        dataset: the graph or the images.
        config: the model.
        device: where it would be computed.
        matrices: see :func:`forward_bytes`.

    Raises:
        ConfigError: with the estimate and what is there.
    """
    what = f"a model of width {config.hidden_channels:,} on {dataset.num_items:,} nodes"
    if isinstance(dataset, ImageDataset):
        what = f"{config.architecture} of width factor {config.width:g} on {CHUNK} images"
    needed = forward_bytes(dataset, config, matrices)
    check_room(needed, what, device, lambda there: "use a smaller graph or model")


def _remedy(dataset: Dataset, config: RunConfig, there: int) -> str:
    ways = []
    if config.precision == "float32":
        halved = estimated_bytes(dataset, replace(config, precision="bfloat16"))
        if halved <= there:
            ways.append(f"--precision bfloat16 ({halved / 1e9:.1f} GB)")
    graph = isinstance(dataset, NodeDataset)
    if not graph and config.batch_size != 1:
        config = replace(config, batch_size=config.batch_size or int(dataset.train_mask.sum()))
    settings = (("hidden_channels", 1), ("num_layers", 2)) if graph else (("batch_size", 1),)
    for name, least in settings:
        if value := _largest(dataset, config, there, name, least):
            ways.append(f"--{name} of at most {value} ({getattr(config, name)} now)")
    return "use " + " or ".join(ways) if ways else f"use a smaller {'graph' if graph else 'width'}"


def _largest(dataset: Dataset, config: RunConfig, there: int, name: str, least: int) -> int:
    """The largest value of a setting that fits, by bisection; 0 where none does.

    A width is a multiple of the heads that share it.
    """
    step = config.heads if name == "hidden_channels" else 1
    low, high = (least - 1) // step, getattr(config, name) // step
    while high - low > 1:
        middle = (low + high) // 2
        fits = estimated_bytes(dataset, replace(config, **{name: middle * step})) <= there
        low, high = (middle, high) if fits else (low, middle)
    return low * step if low * step >= least else 0
