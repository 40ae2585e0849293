"""Over-smoothing measured at OGBN-Arxiv's size: seconds and memory over nodes, width and type.

    python benchmarks/diagnostics.py [--quick] [--json FILE] [--device cuda]

A synthetic graph with OGBN-Arxiv's counts, and smaller ones; representations of plain noise, 386
wide and narrower. Each row runs in a process of its own: `gslt.diagnostics.measure` of everything
but MADGap, which is timed apart, as are some measures alone. Given are medians over the repetitions
after a first one. Extra memory is the peak while measuring, above what graph and representations
take; that and the time should grow in proportion to nodes, and no faster than width squared.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import common
import torch
from common import RowError, Values

from gslt import diagnostics
from gslt.diagnostics import Topology, as_topology

#: Measures that are timed alone, for the share of each kind of work.
ALONE = ("dirichlet_energy", "collapse", "mad", "effective_rank")
TYPES = ("float32", "bfloat16", "float64")


def seconds(call: Callable[[], object], repeats: int) -> list[float]:
    """Wall time of every call after the first."""
    found = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        call()
        found.append(time.perf_counter() - started)
    return found[1:]


def measure(values: Values) -> Values:
    """One row, in its own process."""
    device, laplacian, repeats = values["device"], values["laplacian"], values["repeats"]
    loaded: Topology = torch.load(values["graph_file"], weights_only=False)
    topology = loaded.to(device)
    dtype = getattr(torch, values["dtype"])
    noise = torch.Generator(device).manual_seed(0)
    x = torch.empty(topology.num_nodes, values["width"], dtype=dtype, device=device)
    x.normal_(generator=noise)
    # Libraries that load on first use are no memory of the measures.
    diagnostics.measure(x[:64].double(), torch.zeros(2, 1, dtype=torch.int64), laplacian)
    gpu = device.startswith("cuda")
    before = torch.cuda.memory_allocated() if gpu else common.resident_bytes()
    whole = seconds(lambda: diagnostics.measure(x, topology, laplacian), repeats)
    peak = common.peak_bytes(device)
    alone = {
        name: statistics.median(
            seconds(lambda n=name: diagnostics.measure(x, topology, laplacian, only={n}), repeats)
        )
        for name in ALONE
    }
    gap = seconds(lambda: diagnostics.mad_gap(x, topology), repeats)
    return {
        "nodes": topology.num_nodes,
        "undirected_edges": topology.num_edges,
        "components": topology.num_components,
        "seconds": statistics.median(whole),
        "min_seconds": min(whole),
        "max_seconds": max(whole),
        "alone_seconds": alone,
        "mad_gap_seconds": statistics.median(gap),
        "representation_bytes": x.numel() * x.itemsize,
        "extra_bytes": peak - before,
    }


def rows(scale: float, width: int) -> list[Values]:
    """What is measured: nodes, widths and types, each varied alone."""
    base: Values = {"scale": scale, "width": width, "dtype": "float32"}
    found = [{**base, "scale": scale * share} for share in (1, 1 / 2, 1 / 4, 1 / 8)]
    found += [{**base, "width": round(width * share)} for share in (1 / 8, 1 / 4, 1 / 2)]
    return found + [{**base, "dtype": name} for name in TYPES[1:]]


def show(row: Values) -> str:
    """A row of the printed table."""
    alone = "  ".join(f"{row['alone_seconds'][name]:>8.3f}" for name in ALONE)
    return (
        f"{row['nodes']:>8} {row['undirected_edges']:>9} {row['width']:>5} {row['dtype']:<9}"
        f"{row['seconds']:>8.3f}  {alone}  {row['mad_gap_seconds']:>8.3f} "
        f"{row['representation_bytes'] / 1e6:>8.1f} {row['extra_bytes'] / 1e6:>8.1f}"
    )


def main() -> None:
    """Measure the rows one after another, print, save."""
    parser = common.options(__doc__, plot=False)
    parser.add_argument("--scale", type=float, help="of the largest graph [1; quick: 1/32]")
    parser.add_argument("--hidden_channels", type=int, help="largest width [386; quick: 64]")
    parser.add_argument("--repeats", type=int, help="timed calls a row [5; quick: 2]")
    parser.add_argument("--laplacian", choices=diagnostics.LAPLACIANS, default="augmented")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    args = parser.parse_args()
    if args.child:
        common.answer(args.child, measure)
        return
    for name, quick, full in (("scale", 1 / 32, 1.0), ("hidden_channels", 64, 386)):
        if getattr(args, name) is None:
            setattr(args, name, quick if args.quick else full)
    shared = {name: getattr(args, name) for name in ("laplacian", "device")}
    shared["repeats"] = args.repeats or (2 if args.quick else 5)
    found: list[Values] = []
    failed: Values = {}
    prepared: list[Values] = []
    print(" " * 35 + "all s    energy  collapse       mad      rank   mad_gap     X MB extra MB")
    with TemporaryDirectory() as folder:
        for row in rows(args.scale, args.hidden_channels)[:: 2 if args.quick else 1]:
            file = Path(folder) / f"{row['scale']}.pt"
            if not file.exists():
                dataset = common.arxiv_shape(row["scale"])
                started = time.perf_counter()
                topology = as_topology(dataset)
                taken = time.perf_counter() - started
                torch.save(topology, file)
                prepared.append({**common.describe(dataset), "preparation_seconds": taken})
            try:
                result = common.in_child(__file__, {**shared, **row, "graph_file": str(file)})
            except RowError as error:
                failed[str(row)] = str(error)
                print(f"{row}: not measured: {error}")
                continue
            found.append({**row, **result})
            print(show(found[-1]), flush=True)
    figures = {**shared, "graphs": prepared, "quick": args.quick}
    common.save(args.json, rows=found, **figures, not_measured=failed)
    common.check(failed)


if __name__ == "__main__":
    main()
