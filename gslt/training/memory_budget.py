"""How much memory a full-batch run will take, known before it starts."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import psutil
import torch

from gslt.config import RunConfig
from gslt.data import NodeDataset
from gslt.errors import ConfigError, GsltWarning
from gslt.nn.memory import LINE

#: Gradients and intermediate results of the hidden width that live at the same time.
_TEMPORARY = 4
#: The same of the width of the classes: logits, their softmax, gradients.
_LOGITS = 8
#: Libraries that load when they are first used. Bytes.
_BASE = 64_000_000
#: Bytes of an edge in both directions of a sparse matrix, and while it is built.
_EDGE = 56
#: An estimate above this many times what is there is refused; one between is a warning.
_TOLERANCE = 1.25
_CGROUP = Path("/sys/fs/cgroup")


def estimated_bytes(dataset: NodeDataset, config: RunConfig) -> int:
    """Memory of a run beside the data set: activations kept for the gradient, and the graph.

    With N nodes, hidden width h and L layers, N h numbers are kept 2 (L − 1) times (input of a
    product, input of a norm), in GraphSAGE 3 (L − 1) times, with dropout twice more per layer.

    Args:
        dataset: numbers of nodes, edges, features and classes count.
        config: architecture, depth, width, dropout and precision count.

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
    return _BASE + n * (activations + features + logits) + _EDGE * dataset.num_edges


def _row_bytes(width: int, size: int) -> int:
    return -(-width * size // LINE) * LINE


def available_bytes(device: torch.device) -> int:
    """Bytes that a new run can have on a device, with what may be swapped out."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    free: int = psutil.virtual_memory().available + psutil.swap_memory().free
    return min(free, _container_bytes())


def _container_bytes() -> int:
    """What the control group of this process leaves; unlimited where there is none."""
    try:
        limit = (_CGROUP / "memory.max").read_text(encoding="ascii").strip()
        used = (_CGROUP / "memory.current").read_text(encoding="ascii")
        return 1 << 62 if limit == "max" else max(0, int(limit) - int(used))
    except (OSError, ValueError):
        return 1 << 62


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
    needed, there = estimated_bytes(dataset, config), available_bytes(device)
    if needed <= there:
        return
    sentence = (
        f"this run needs about {needed / 1e9:.1f} GB of memory on {device}, and "
        f"{there / 1e9:.1f} GB are available; {_remedy(dataset, config, there)}"
    )
    if needed > _TOLERANCE * there:
        raise ConfigError(sentence)
    warnings.warn(sentence, GsltWarning, stacklevel=2)


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
