"""How time and memory of a search epoch grow with nodes, width and depth.

    python benchmarks/scaling.py [--json FILE] [--plot FILE]

Synthetic graphs of OGBN-Arxiv's shape, gslt on PyG, every point in a process of its own. Nodes: 1/8
to 4 times OGBN-Arxiv with the paper's GIN (4 layers, 386 units). Width (1, 2, 4 times 386) and
depth (4 to 32 layers) on an eighth of the nodes, so that 32 layers fit into a common machine. The
exponent is the slope of the logarithms by least squares; memory is the peak above what the process
held when the graph was loaded.
"""

import math
import statistics
import time
from itertools import pairwise

import common
from common import RowError, Values
from pictures import plot_scaling
from scipy.stats import linregress

import gslt
from gslt.config import SearchConfig

SERIES = {
    "nodes": [(n, 386, 4) for n in (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0)],
    "width": [(1 / 8, w, 4) for w in (386, 772, 1544)],
    "depth": [(1 / 8, 386, d) for d in (4, 8, 16, 32)],
}
QUICK = {
    "nodes": [(n, 64, 4) for n in (1 / 64, 1 / 32)],
    "width": [(1 / 64, w, 4) for w in (64, 128)],
    "depth": [(1 / 64, 64, d) for d in (4, 8)],
}


def measure(values: Values) -> Values:
    """Median seconds of an epoch and the memory of the search, in a process of its own."""
    dataset = common.arxiv_shape(values["scale"])
    before = common.resident_bytes()
    marks: list[float] = []
    config = SearchConfig(
        hidden_channels=values["hidden_channels"],
        num_layers=values["num_layers"],
        epochs=values["epochs"] + 2,
        device=values["device"],
    )
    gslt.search(
        dataset,
        config,
        progress=False,
        on_epoch=lambda _: marks.append(time.perf_counter()),
    )
    seconds = [b - a for a, b in pairwise(marks)][: values["epochs"]]
    peak = common.peak_bytes(values["device"])
    return {
        "nodes": dataset.num_nodes,
        "edges": dataset.num_edges,
        "width": values["hidden_channels"],
        "depth": values["num_layers"],
        "seconds": statistics.median(seconds),
        "min_seconds": min(seconds),
        "max_seconds": max(seconds),
        "epochs": len(seconds),
        "peak_bytes": peak,
        "search_bytes": peak if values["device"] != "cpu" else peak - before,
    }


def exponent(x: list[float], y: list[float]) -> Values:
    """Slope of log y against log x, with its standard error where more than two points give one."""
    fit = linregress([math.log(v) for v in x], [math.log(v) for v in y])
    error = float(fit.stderr) if len(x) > 2 else None
    return {"exponent": float(fit.slope), "standard_error": error}


def main() -> None:
    """Measure every series, print, save, draw."""
    parser = common.options(__doc__)
    parser.add_argument("--series", nargs="+", choices=list(SERIES), default=list(SERIES))
    parser.add_argument("--epochs", type=int, default=3, help="timed epochs of each point")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    args = parser.parse_args()
    if args.child:
        common.answer(args.child, measure)
        return
    found: Values = {}
    failed: dict[str, str] = {}
    for axis in args.series:
        rows = []
        for scale, width, depth in (QUICK if args.quick else SERIES)[axis]:
            values = {"scale": scale, "hidden_channels": width, "num_layers": depth}
            values |= {"epochs": args.epochs, "device": args.device}
            try:
                row = common.in_child(__file__, values)
            except RowError as error:
                point = f"{scale:g} x nodes, {width} wide, {depth} deep"
                failed[point] = str(error)
                print(f"{axis}: {point}: {error}", flush=True)
                continue
            rows.append(row)
            print(
                f"{axis}: {row['nodes']:,} nodes, {row['width']} wide, {row['depth']} deep: "
                f"{row['seconds']:.3f} s, {row['search_bytes'] / 1e9:.2f} GB",
                flush=True,
            )
        fits = {}
        if len(rows) > 1:
            x = [row[axis] for row in rows]
            for kind in ("seconds", "search_bytes"):
                fits[kind] = exponent(x, [row[kind] for row in rows])
                print(f"{kind} ~ {axis}^{fits[kind]['exponent']:.2f}")
        found[axis] = {"rows": rows, "fits": fits}
        # After every series, so that an interrupted benchmark keeps what it has.
        common.save(args.json, series=found)
    if args.plot:
        plot_scaling(found, args.plot)
    common.check(failed)


if __name__ == "__main__":
    main()
