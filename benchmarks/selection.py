"""Selecting a ticket's weights at every step: full sort, kthvalue, a band without and with hint.

    python benchmarks/selection.py [--quick] [--json FILE]

AdamW moves the scores of a network by random gradients. After every step each method selects half
of them by magnitude, all layers together, from the scores to the masks; the methods take turns in
being the first, and their masks must be equal. Large masks take reused memory, as in a search.
Printed are milliseconds per selection, and how many times as fast as the full sort the median is.

A torch that is built with GNU's OpenMP lets its threads wait busily for some milliseconds after
every parallel operation; where two of them share a core, OMP_WAIT_POLICY=passive is worth a try.
"""

import math
import os
import statistics
import time
from collections.abc import Callable

import common
import torch
from torch import Tensor

from gslt.masking.selection import Hint, keep_largest, select_largest
from gslt.nn import memory

Select = Callable[[list[Tensor], int], list[Tensor]]

#: Inputs of a unit and number of units, layer by layer.
LAYERS = {
    # 4 layers of 386 units and the head, on OGBN-Arxiv.
    "gin": [(128, 386), (386, 386), (386, 386), (386, 40), (386, 40)],
    # 3 x 3 convolutions, three 1 x 1 shortcuts and the classifier, on CIFAR-10.
    "resnet-18": [(27, 64)]
    + [(576, 64)] * 4
    + [(576, 128)]
    + [(1152, 128)] * 3
    + [(64, 128), (1152, 256)]
    + [(2304, 256)] * 3
    + [(128, 256), (2304, 512)]
    + [(4608, 512)] * 3
    + [(256, 512), (512, 10)],
}


def by_sort(scores: list[Tensor], keep: int) -> list[Tensor]:
    """The plainest way: order everything."""
    order = torch.cat([score.abs() for score in scores]).argsort(descending=True, stable=True)
    mask = torch.zeros(len(order), dtype=torch.bool)
    mask[order[:keep]] = True
    return list(mask.split([len(score) for score in scores]))


def by_kthvalue(scores: list[Tensor], keep: int) -> list[Tensor]:
    """Only the threshold, from all scores at once."""
    mask = keep_largest(torch.cat([score.abs() for score in scores]), keep)
    return list(mask.split([len(score) for score in scores]))


def methods() -> dict[str, Select]:
    """The methods side by side; the last one remembers its last thresholds."""
    hint = Hint()
    return {
        "full sort": by_sort,
        "kthvalue": by_kthvalue,
        "band": select_largest,
        "band with hint": lambda scores, keep: select_largest(scores, keep, hint=hint),
    }


def initial_scores(layers: list[tuple[int, int]], rng: torch.Generator) -> list[Tensor]:
    """Kaiming normal scores, flat."""
    return [
        torch.randn(inputs * units, generator=rng) * math.sqrt(2.0 / inputs)
        for inputs, units in layers
    ]


def measure(layers: list[tuple[int, int]], steps: int, lr: float) -> dict[str, list[float]]:
    """Milliseconds of every selection, for each method. The first two steps are not counted."""
    rng = torch.Generator().manual_seed(0)
    scores = initial_scores(layers, rng)
    for score in scores:
        score.grad = torch.empty_like(score)
    optimizer = torch.optim.AdamW(scores, lr=lr)
    keep = sum(map(len, scores)) // 2
    turns = list(methods().items())
    times: dict[str, list[float]] = {name: [] for name, _ in turns}
    for step in range(steps + 2):
        found = []
        for name, select in turns:
            started = time.perf_counter()
            masks = select(scores, keep)
            seconds = time.perf_counter() - started
            found.append(torch.cat(masks))
            if step >= 2:
                times[name].append(1e3 * seconds)
        if not all(torch.equal(found[0], mask) for mask in found):
            raise SystemExit(f"step {step}: the methods do not agree")
        turns = turns[1:] + turns[:1]
        for score in scores:
            score.grad.normal_(generator=rng)
        optimizer.step()
    return times


def rows_of(network: str, layers: list[tuple[int, int]], steps: int, lr: float) -> list[dict]:
    """One row per method."""
    times = measure(layers, steps, lr)
    baseline = statistics.median(times["full sort"])
    return [
        {
            "network": network,
            "method": method,
            "scores": sum(inputs * units for inputs, units in layers),
            "layers": len(layers),
            "selections": len(found),
            "median_ms": statistics.median(found),
            "min_ms": min(found),
            "max_ms": max(found),
            "full_sort_ratio": baseline / statistics.median(found),
        }
        for method, found in times.items()
    ]


def show(row: dict) -> str:
    """A row of the printed table."""
    return (
        f"{row['network']:<10} {row['scores']:>10} scores  {row['method']:<15} "
        f"median {row['median_ms']:>8.2f}  min {row['min_ms']:>8.2f}  max {row['max_ms']:>8.2f} ms"
        f"  {row['full_sort_ratio']:>6.1f} x"
    )


def main() -> None:
    """Measure the networks and print a table."""
    parser = common.options(__doc__, plot=False)
    parser.add_argument("--steps", type=int, default=40, help="selections per method [40]")
    parser.add_argument("--lr", type=float, default=0.01, help="learning rate of AdamW [0.01]")
    args = parser.parse_args()
    rows: list[dict] = []
    load = os.getloadavg()[0]
    for network, layers in LAYERS.items():
        if args.quick:
            layers = [(inputs, -(-units // 10)) for inputs, units in layers]
        with memory.reused():
            found = rows_of(network, layers, 5 if args.quick else args.steps, args.lr)
        rows += found
        for row in found:
            print(show(row), flush=True)
    common.save(
        args.json,
        rows=rows,
        load_average=load,
        wait_policy=os.environ.get("OMP_WAIT_POLICY"),
        quick=args.quick,
        learning_rate=args.lr,
    )


if __name__ == "__main__":
    main()
