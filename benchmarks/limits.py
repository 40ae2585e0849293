"""The least time that an epoch of a search can take on this machine, from what it was seen to do.

limit = FLOP of the dense products / fastest sustained rate of a dense product
      + sparse products, each at the time of the fastest kernel at its width on this very graph

Dense products of one epoch, for every weight matrix (o, i) on N nodes: 2 N i o forward, as much for
the gradient of the weight, and as much for the gradient of the input, which the first layer's needs
not. Sparse products: forward and backward in every layer but the first, whose aggregation never
changes; each at the narrower of input and output width.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import torch
from recipes import weight_shapes
from torch import Tensor

import gslt
from gslt.backends.csr import CSRGraph
from gslt.config import ModelConfig
from gslt.data import NodeDataset
from gslt.nn import memory
from gslt.nn.graph import Propagation
from gslt.nn.ops import NATIVE_BFLOAT16


def dense_flop(config: ModelConfig, nodes: int, in_channels: int, out_channels: int) -> int:
    """Floating point operations of the dense products of one epoch."""
    total = 0
    for name, (o, i) in weight_shapes(config, in_channels, out_channels).items():
        products = 2 if name.startswith("layers.0.") else 3
        total += products * 2 * nodes * i * o
    return total


def sparse_widths(config: ModelConfig, in_channels: int, out_channels: int) -> list[int]:
    """Width of every sparse product of one epoch."""
    hidden = config.hidden_channels
    widths = [in_channels, *[hidden] * (config.num_layers - 1), out_channels]
    return [min(i, o) for i, o in list(pairwise(widths))[1:] for _ in ("forward", "backward")]


def limit(dataset: NodeDataset, config: ModelConfig, least: float) -> dict[str, Any]:
    """Seconds of the limit in each precision, and what it is made of."""
    sizes = dataset.num_features, dataset.num_classes
    flop = dense_flop(config, dataset.num_nodes, *sizes)
    widths = sparse_widths(config, *sizes)
    found: dict[str, Any] = {"dense_flop": flop, "sparse_widths": widths}
    for precision in ("float32", "bfloat16"):
        dtype = getattr(torch, precision)
        peak, shape = max(_dense_peaks(dataset, config, dtype, least))
        kernels = {w: _sparse_kernels(dataset, w, dtype, least) for w in sorted(set(widths))}
        found[precision] = {
            "dense_flop_per_second": peak,
            "dense_peak_at": shape,
            "dense_seconds": flop / peak,
            "sparse_kernels": {str(w): times for w, times in kernels.items()},
            "sparse_seconds": sum(min(kernels[w].values()) for w in widths),
        }
    for precision, best in ((p, found[p]) for p in ("float32", "bfloat16")):
        # Where narrow numbers are slower, wide ones are the limit of a narrow search, too.
        wide = found["float32"]
        dense = min(best["dense_seconds"], wide["dense_seconds"])
        sparse = min(best["sparse_seconds"], wide["sparse_seconds"])
        found[precision] |= {"dense_seconds": dense, "sparse_seconds": sparse}
        found[precision]["seconds"] = dense + sparse
    return found


def sustained(action: Callable[[], Any], least: float, device: torch.device) -> float:
    """Median seconds of a call, over calls that go on for ``least`` seconds after the first.

    The rows are medians over seconds of work; a burst of milliseconds would be no limit of theirs.
    """
    action()
    times: list[float] = []
    while sum(times) < least or len(times) < 3:
        _wait(device)
        started = time.perf_counter()
        action()
        _wait(device)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _dense_peaks(
    dataset: NodeDataset, config: ModelConfig, dtype: torch.dtype, least: float
) -> Iterator[tuple[float, str]]:
    """Operations per second of square products and of the model's own, into warm memory."""
    device, n, hidden = dataset.x.device, dataset.num_nodes, config.hidden_channels
    aligned = -(-hidden // 16) * 16
    shapes = [(s, s, s) for s in (1024, 2048, 4096) if s <= max(1024, n)]
    shapes += [(n, hidden, hidden), (n, aligned, aligned)]
    if dtype == torch.bfloat16 and device.type == "cpu" and not NATIVE_BFLOAT16:
        # Without instructions for it a large product would take minutes, and is no candidate.
        shapes = [(256, 256, 256)]
    for rows, inner, columns in shapes:
        a = torch.randn(rows, inner, device=device).to(dtype)
        b = torch.randn(inner, columns, device=device).to(dtype)
        out = torch.empty(rows, columns, device=device, dtype=dtype)
        seconds = sustained(lambda a=a, b=b, out=out: torch.mm(a, b, out=out), least, device)
        yield 2 * rows * inner * columns / seconds, f"{rows} x {inner} x {columns}"


def _sparse_kernels(
    dataset: NodeDataset, width: int, dtype: torch.dtype, least: float
) -> dict[str, float]:
    """Seconds of Σ_{j → i} x_j by every kernel at hand, by name."""
    device, n = dataset.x.device, dataset.num_nodes
    found: dict[str, float] = {}
    for aligned in (False, True):
        wide = -(-width // 16) * 16 if aligned else width
        x = torch.randn(n, wide, device=device).to(dtype)[:, :width]
        for name, action in _kernels(dataset, x, torch.empty_like(x), n):
            name = f"{name}, padded rows" if aligned else name
            try:
                with memory.reused():
                    found[name] = sustained(action, least, device)
            except (RuntimeError, NotImplementedError):
                continue  # A kernel that this type or device does not have is no candidate.
    return found


def _kernels(
    dataset: NodeDataset, x: Tensor, out: Tensor, n: int
) -> Iterator[tuple[str, Callable[[], Tensor]]]:
    plain = Propagation(("sum",))
    graph = CSRGraph(dataset.edge_index, n, n)
    csr = graph.matrix(plain, x.dtype)
    yield "torch CSR, into warm memory", lambda: torch.addmm(out, csr, x, beta=0, out=out)
    yield "torch CSR reduce", lambda: torch.sparse.mm(csr, x, "sum")
    yield "gslt on PyG", lambda: graph.multiply(plain, x, transposed=False)
    if x.device.type != "cpu":
        return  # DGL's wheel knows no GPU.
    try:
        from gslt.backends.dgl import BACKEND
    except gslt.MissingPackageError:
        return
    copies = BACKEND.graph(dataset.edge_index, n)
    yield "gslt on DGL", lambda: copies.multiply(plain, x, transposed=False)
