"""One epoch of a search: as published, on plain PyG, by gslt, and the limit of the machine.

    python benchmarks/epoch.py [--graph arxiv] [--architecture gin] [--json FILE] [--plot FILE]

Each row runs in a process of its own, on the same graph and model, with the environment as it is:

published              DGL with edge-weighted messages, dense masks, full sort, two evaluations
pyg_edge_index         PyG's layers on `edge_index`, dense masks, full sort, one evaluation
gslt_pyg, gslt_dgl     `gslt.search` on each backend
gslt_bf16              `gslt.search` on PyG with `precision="bfloat16"`
gslt_train             `gslt.train` on PyG: weights instead of scores
published_kept_memory  row one with glibc told to keep freed memory, to tell its share from ours

Printed is the median over the epochs after the first, of which the rows of gslt have three times as
many; see limits.py for the limit. A machine that is shared has faster and slower minutes: the limit
is measured before, between and after the rows of gslt, and the median counts. The parts of an epoch
of gslt are shares of two more epochs, by the profiler, times the median. With `--epochs 17`, which
are 51 of gslt, the growth of the resident set tells whether memory is flat.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import common
import torch
from common import AbsentError, RowError, Values
from limits import limit
from pictures import plot_epochs
from recipes import RECIPES, search_epochs

import gslt
from gslt.config import ModelConfig, SearchConfig, TrainConfig
from gslt.data import NodeDataset

#: What glibc is told in the last row: map no large memory, return none to the system.
KEPT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "MALLOC_TOP_PAD_": "1"}
GSLT: dict[str, Values] = {
    "gslt_pyg": {"backend": "pyg"},
    "gslt_dgl": {"backend": "dgl"},
    "gslt_bf16": {"backend": "pyg", "precision": "bfloat16"},
    "gslt_train": {"backend": "pyg"},
}
ROWS = ("published", "pyg_edge_index", *GSLT, "published_kept_memory")
PARTS = ("dense product", "sparse product", "norm", "mask")
PROFILED = 2
#: Epochs of a quick row for one of a slow row.
MORE = 3
#: Rows before which the limit is measured; once more at the end.
LIMIT_BEFORE = ("gslt_pyg", "gslt_train")


def load(values: Values) -> NodeDataset:
    """The graph that the parent wrote, on the device of the row."""
    dataset = torch.load(values["graph_file"], weights_only=False)
    return dataset.to(torch.device(values["device"]))


def measure(values: Values) -> Values:
    """One row, in its own process."""
    name, dataset = values["row"], load(values)
    model = ModelConfig(**values["model"])
    if name == "limit":
        return limit(dataset, model, least=0.02 if values["quick"] else 1.0)
    marks: list[float] = []
    resident: list[int] = []

    def on_epoch(*_: object) -> None:
        marks.append(time.perf_counter())
        resident.append(common.resident_bytes())

    if name in GSLT:
        values["epochs"] *= MORE
        shares = run_gslt(name, dataset, values, on_epoch)
    else:
        recipe = "published" if name not in RECIPES else name
        search_epochs(dataset, model, recipe, values["epochs"] + 1, on_epoch)
        shares = {}
    seconds = [b - a for a, b in pairwise(marks)][: values["epochs"]]
    median = statistics.median(seconds)
    return {
        "name": name,
        "seconds": median,
        "epochs": len(seconds),
        "min_seconds": min(seconds),
        "max_seconds": max(seconds),
        "breakdown": {part: share * median for part, share in shares.items()},
        "resident_bytes": resident,
        "rss_growth_bytes": resident[-1] - resident[min(4, len(resident) - 1)],
    }


def run_gslt(name: str, dataset: NodeDataset, values: Values, on_epoch: Callable) -> Values:
    """A search or training; returns the share of each part of an epoch, on a CPU.

    On a GPU the ranges would tell when work was handed over, not how long it took.
    """
    timed = values["epochs"] + 1
    profile = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU])
    ends: list[float] = []

    def observe(epoch: gslt.training.results.Epoch) -> None:
        if epoch.epoch <= timed:
            on_epoch()
        if values["device"] != "cpu":
            return
        if epoch.epoch == timed:
            profile.start()
            ends.append(time.perf_counter())
        elif epoch.epoch == timed + PROFILED:
            ends.append(time.perf_counter())
            profile.stop()

    kind = TrainConfig if name == "gslt_train" else SearchConfig
    # One more, because the last epoch has no gradient to compute.
    epochs = timed + PROFILED + 1
    config = kind(**values["model"], **GSLT[name], device=values["device"], epochs=epochs)
    run = gslt.train if kind is TrainConfig else gslt.search
    run(dataset, config, progress=False, on_epoch=observe)
    if values["device"] != "cpu":
        return {}
    found = {event.key: event.cpu_time_total for event in profile.key_averages()}
    whole = ends[1] - ends[0]
    shares = {part: found.get(f"gslt::{part}", 0.0) / 1e6 / whole for part in PARTS}
    return {**shares, "rest": 1 - sum(shares.values())}


def order(rows: list[str], with_limit: bool) -> list[str]:
    """The rows with the measurements of the limit among them."""
    if not with_limit:
        return rows
    found = [name for row in rows for name in ["limit"] * (row in LIMIT_BEFORE) + [row]]
    return [*found, "limit"]


def model_of(args: object) -> Values:
    """Fields of the model's config from the command line."""
    names = [field.name for field in dataclasses.fields(ModelConfig)]
    return {name: value for name, value in vars(args).items() if name in names}


def show(rows: list[Values], bounds: Values) -> None:
    """Print the table."""
    base = next((row["seconds"] for row in rows if row["name"] == "published"), None)
    print(
        f"\n{'row':<22} {'seconds':>8} {'min - max':>15} {'x faster':>9} {'/ limit':>8} {'GB':>6} "
        f"{'growth MB':>10}"
    )
    for row in rows:
        ratio = f"{base / row['seconds']:.2f}" if base else "-"
        precision = "bfloat16" if row["name"] == "gslt_bf16" else "float32"
        to_limit = f"{row['seconds'] / bounds[precision]['seconds']:.2f}" if bounds else "-"
        spread = f"{row['min_seconds']:.3f} - {row['max_seconds']:.3f}"
        print(
            f"{row['name']:<22} {row['seconds']:>8.3f} {spread:>15} {ratio:>9} {to_limit:>8} "
            f"{row['peak_bytes'] / 1e9:>6.2f} {row['rss_growth_bytes'] / 1e6:>10.1f}"
        )
    for precision in ("float32", "bfloat16") if bounds else ():
        found = bounds[precision]
        print(
            f"limit in {precision}: {found['seconds']:.3f} s = dense {found['dense_seconds']:.3f} "
            f"({found['dense_flop_per_second'] / 1e9:.0f} GFLOP/s) + sparse "
            f"{found['sparse_seconds']:.3f}"
        )


def parse() -> object:
    """Options; --quick makes graph and model small unless they are given."""
    parser = common.options(__doc__)
    parser.add_argument("--graph", choices=["arxiv", "debian"], default="arxiv")
    parser.add_argument("--scale", type=float, help="of the synthetic graph of OGBN-Arxiv's shape")
    parser.add_argument("--architecture", choices=["gin", "gcn", "sage"], default="gin")
    parser.add_argument("--hidden_channels", type=int, help="width [386; quick: 64]")
    parser.add_argument("--num_layers", type=int, default=4)
    parser.add_argument(
        "--epochs",
        type=int,
        help="timed epochs of a slow row, of ours thrice as many [5; quick: 3]",
    )
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--no_limit", action="store_true", help="do not measure the limit")
    args = parser.parse_args()
    for name, quick, full in (
        ("scale", 1 / 32, 1.0),
        ("hidden_channels", 64, 386),
        ("epochs", 3, 5),
    ):
        if getattr(args, name) is None:
            setattr(args, name, quick if args.quick else full)
    return args


def main() -> None:
    """Measure the rows one after another, print, save, draw."""
    args = parse()
    if args.child:
        common.answer(args.child, measure)
        return
    dataset = (
        gslt.load_dataset("debian") if args.graph == "debian" else common.arxiv_shape(args.scale)
    )
    print(f"{dataset.name}: {dataset.num_nodes:,} nodes, {dataset.num_edges:,} directed edges")
    rows: list[Values] = []
    failed: Values = {}
    absent: Values = {}
    limits: list[Values] = []
    with TemporaryDirectory() as folder:
        file = Path(folder) / "graph.pt"
        torch.save(dataset, file)
        values = {"graph_file": str(file), "model": model_of(args)}
        values |= {name: getattr(args, name) for name in ("epochs", "device", "quick")}
        for name in order(args.rows, not args.no_limit):
            kept = KEPT if name == "published_kept_memory" else {}
            try:
                found = common.in_child(__file__, {**values, "row": name}, kept)
            except RowError as error:
                (absent if isinstance(error, AbsentError) else failed)[name] = str(error)
                print(f"{name}: not measured: {error}", flush=True)
                continue
            if name == "limit":
                limits.append(found)
            else:
                rows.append(found)
                print(f"{name}: {found['seconds']:.3f} s", flush=True)
    limits.sort(key=lambda found: found["float32"]["seconds"])
    bounds = limits[len(limits) // 2] if limits else {}
    show(rows, bounds)
    figures = {
        "rows": rows,
        "limit_seconds": bounds["float32"]["seconds"] if bounds else None,
        "limit_bf16_seconds": bounds["bfloat16"]["seconds"] if bounds else None,
        "limit": bounds,
        "limit_seconds_each": [found["float32"]["seconds"] for found in limits],
        "not_measured": {**absent, **failed},
        "graph": common.describe(dataset),
        "model": model_of(args),
    }
    common.save(args.json, **figures)
    if args.plot:
        plot_epochs(figures, args.plot)
    common.check(failed)


if __name__ == "__main__":
    main()
