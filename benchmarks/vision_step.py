"""One update of a network of images: search, weight training, and the published way to search.

    python benchmarks/vision_step.py [--architecture resnet18] [--batch_size 128] [--json FILE]

Each row runs in a process of its own, on the same random batch, with SGD and momentum:

weights             weight training of the same network
search              a search in a dense source
search_f0.4, …      searches in sources of which so much is frozen, pruned and locked in equal parts
search_contiguous   the search with images in memory as torch makes them, not channels last
search_bf16         the search with activations in bfloat16
published           a dense score for every weight and a full sort of all scores at every update

Printed is the median over the timed updates, of the time on the clock and of the time on the
processor, all threads together. On a machine that is shared the former depends on who else is
there: the load before and after each row is kept with it, ratios are of the latter, and the first
row is measured once more at the end.
"""

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import common
import torch
import torch.nn.functional as F
from common import AbsentError, RowError, Values
from torch import Tensor, nn
from torch.nn.utils import parametrize

import gslt
from gslt.config import FreezeConfig, ModelConfig
from gslt.masking.initialise import initialise
from gslt.masking.parametrization import frozen_weights
from gslt.nn.vision import SIDE, vision_net

SPARSITY = 0.5
FROZEN = {"search": None, "search_f0.4": 0.4, "search_f0.8": 0.8}
ROWS = ("weights", *FROZEN, "search_contiguous", "search_bf16", "published", "weights_again")


class Kept(torch.autograd.Function):
    """w · 1[|z| ≥ threshold] · scale; the gradient passes as if the indicator were |z|."""

    @staticmethod
    def forward(ctx: Any, score: Tensor, weight: Tensor, threshold: Tensor, scale: float) -> Tensor:
        """Effective weight in the weight's shape."""
        ctx.save_for_backward(score, weight)
        ctx.scale = scale
        return weight * (score.abs() >= threshold) * scale

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Gradient of every score, kept or not."""
        score, weight = ctx.saved_tensors
        return grads[0] * weight * ctx.scale * score.sign(), None, None, None


class DenseScores(nn.Module):
    """Parametrization of one layer: a score as large as the weight, which stays in memory.

    Args:
        weight: random weights.
        network: has the present threshold of all layers.
    """

    def __init__(self, weight: Tensor, network: "Published") -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.network = [network]

    def forward(self, score: Tensor) -> Tensor:
        """Effective weight for the scores."""
        network = self.network[0]
        return Kept.apply(score, self.weight, network.threshold, network.scale)


class Published:
    """The search as published: one threshold for all layers, by sorting every score.

    Args:
        config: architecture and width.
        frozen: of a dense source, whose weights and scores are taken over.
    """

    def __init__(self, config: ModelConfig, frozen: nn.Module) -> None:
        self.model = vision_net(3, 10, config)
        self.scale = (1.0 - SPARSITY) ** -0.5
        self.threshold = torch.zeros(())
        self.scores: list[Tensor] = []
        for weight in frozen_weights(frozen):
            path, _, attribute = weight.name.rpartition(".")
            layer, shape = self.model.get_submodule(path), weight.shape
            score = weight.score().detach().view(shape).clone()
            setattr(layer, attribute, nn.Parameter(score))
            random = weight.searched_weight.view(shape).clone()
            parametrize.register_parametrization(layer, attribute, DenseScores(random, self))
            self.scores.append(layer.parametrizations[attribute].original)

    def __call__(self, x: Tensor) -> Tensor:
        """Logits, after the threshold was found anew."""
        with torch.no_grad():
            ranked = torch.cat([score.flatten() for score in self.scores]).abs().sort().values
            self.threshold = ranked[round(SPARSITY * ranked.numel())]
        return self.model(x)


def network(row: str, config: ModelConfig) -> tuple[Callable[[Tensor], Tensor], list[Tensor]]:
    """What a row calls, and the parameters that it learns."""
    model = vision_net(3, 10, config)
    if row.startswith("weights"):
        initialise(model, "kn", seed=0)
        return model, list(model.parameters())
    ratio = FROZEN.get(row)
    scale = "static" if row == "published" else "dynamic"
    gslt.freeze(model, FreezeConfig(sparsity=SPARSITY, freezing_ratio=ratio, scale=scale))
    if row == "published":
        published = Published(config, model)
        return published, published.scores
    return model, list(model.parameters())


def measure(values: Values) -> Values:
    """One row, in its own process."""
    row, config = values["row"], ModelConfig(**values["model"])
    call, parameters = network(row, config)
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(values["batch_size"], 3, SIDE, SIDE, generator=draw)
    y = torch.randint(10, (len(x),), generator=draw)
    if row != "search_contiguous":
        x = x.contiguous(memory_format=torch.channels_last)
    x = x.bfloat16() if row == "search_bf16" else x
    optimizer = torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=1e-4)
    before, seconds, busy = os.getloadavg()[0], [], []
    for _ in range(values["warmup"] + values["steps"]):
        started, used = time.perf_counter(), time.process_time()
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(call(x), y).backward()
        optimizer.step()
        seconds.append(time.perf_counter() - started)
        busy.append(time.process_time() - used)
    timed, busy = seconds[values["warmup"] :], busy[values["warmup"] :]
    return {
        "name": row,
        "seconds": statistics.median(timed),
        "min_seconds": min(timed),
        "max_seconds": max(timed),
        "cpu_seconds": statistics.median(busy),
        "min_cpu_seconds": min(busy),
        "max_cpu_seconds": max(busy),
        "steps": len(timed),
        "learnt": sum(p.numel() for p in parameters),
        "load": [before, os.getloadavg()[0]],
        "threads": torch.get_num_threads(),
    }


def show(rows: list[Values]) -> None:
    """Print the table."""
    known = {row["name"]: row["cpu_seconds"] for row in rows}
    print(
        f"\n{'row':<18} {'seconds':>8} {'on CPU':>8} {'min - max':>15} {'/ weights':>9} {'GB':>6} "
        f"{'load':>11}"
    )
    for row in rows:
        ratio = f"{row['cpu_seconds'] / known['weights']:.2f}" if "weights" in known else "-"
        spread = f"{row['min_cpu_seconds']:.2f} - {row['max_cpu_seconds']:.2f}"
        load = " - ".join(f"{each:.1f}" for each in row["load"])
        print(
            f"{row['name']:<18} {row['seconds']:>8.3f} {row['cpu_seconds']:>8.3f} {spread:>15} "
            f"{ratio:>9} "
            f"{row['peak_bytes'] / 1e9:>6.2f} {load:>11}"
        )


def parse() -> Any:
    """Options; --quick makes the network narrow and the batch small unless they are given."""
    parser = common.options(__doc__, plot=False)
    parser.add_argument("--architecture", choices=["conv6", "resnet18"], default="resnet18")
    parser.add_argument("--width", type=float, help="width factor [1; quick: 0.125]")
    parser.add_argument("--batch_size", type=int, help="images [128; quick: 16]")
    parser.add_argument("--steps", type=int, help="timed updates [5; quick: 2]")
    parser.add_argument("--warmup", type=int, default=2, help="updates before them")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    args = parser.parse_args()
    for name, quick, full in (("width", 0.125, 1.0), ("batch_size", 16, 128), ("steps", 2, 5)):
        if getattr(args, name) is None:
            setattr(args, name, quick if args.quick else full)
    return args


def main() -> None:
    """Measure the rows one after another, print, save."""
    args = parse()
    if args.child:
        common.answer(args.child, measure)
        return
    model = {"architecture": args.architecture, "width": args.width}
    values = {"model": model, **{n: getattr(args, n) for n in ("batch_size", "steps", "warmup")}}
    rows: list[Values] = []
    failed: Values = {}
    for name in args.rows:
        try:
            rows.append(common.in_child(__file__, {**values, "row": name}))
            print(f"{name}: {rows[-1]['seconds']:.3f} s", flush=True)
        except (RowError, AbsentError) as error:
            failed[name] = str(error)
            print(f"{name}: not measured: {error}", flush=True)
    show(rows)
    common.save(args.json, rows=rows, **values, sparsity=SPARSITY, not_measured=failed)
    common.check(failed)


if __name__ == "__main__":
    main()
