"""Accuracy of tickets searched in bfloat16 beside float32, seed by seed.

    python benchmarks/precision.py [--dataset debian cora] [--runs 5] [--json FILE]

Both searches start from the same weights and scores; both tickets are evaluated in float32. Printed
are mean and unbiased standard deviation of the test accuracy at the best validation epoch, and the
mean difference of the pairs with its 95 % interval by Student's t.
"""

import statistics
from dataclasses import replace
from pathlib import Path

import common
from common import Values
from scipy import stats

import gslt
from gslt.config import SearchConfig
from gslt.training.results import format_accuracy

#: A narrow GIN on the Debian graph; the GIN of examples/configs/cora-gin-0.5.yaml.
CONFIGS: dict[str, Values] = {
    "debian": {"hidden_channels": 128, "lr": 0.05, "epochs": 30},
    "cora": {
        "num_layers": 2,
        "hidden_channels": 512,
        "batch_norm": False,
        "head": False,
        "dropout": 0.5,
        "epochs": 100,
        "lr": 0.003,
    },
}


def compare(name: str, runs: int, quick: bool, folder: Path | None) -> Values:
    """Test accuracies of every seed in both precisions."""
    dataset = gslt.load_dataset(name, folder)
    config = SearchConfig(**CONFIGS[name], runs=runs)
    if quick:
        config = replace(config, hidden_channels=32, epochs=5)
    found: Values = {}
    for precision in ("float32", "bfloat16"):
        result = gslt.search(dataset, replace(config, precision=precision))
        found[precision] = [run.test_accuracy for run in result.runs]
    differences = [b - a for a, b in zip(found["float32"], found["bfloat16"], strict=True)]
    mean = statistics.fmean(differences)
    error = stats.sem(differences)
    half = float(stats.t.ppf(0.975, runs - 1) * error)
    return {"dataset": name, **found, "difference": mean, "interval": [mean - half, mean + half]}


def show(row: Values) -> str:
    """A row of the printed table, in percent."""
    each = ", ".join(
        f"{precision} {format_accuracy(statistics.fmean(v), statistics.stdev(v))}"
        for precision, v in row.items()
        if precision in ("float32", "bfloat16")
    )
    low, high = (100 * bound for bound in row["interval"])
    difference = f"{100 * row['difference']:+.2f} [{low:+.2f}, {high:+.2f}]"
    return f"{row['dataset']}: {each}; difference {difference}"


def main() -> None:
    """Compare on every data set that is there."""
    parser = common.options(__doc__, plot=False)
    parser.add_argument("--dataset", nargs="+", choices=list(CONFIGS), default=list(CONFIGS))
    parser.add_argument("--dataset_dir", type=Path, help="folder of the data sets")
    parser.add_argument("--runs", type=int, default=5, help="seeds, at least 2 [5]")
    args = parser.parse_args()
    if args.runs < 2:
        parser.error(f"an interval needs at least 2 runs, got {args.runs}")
    rows = []
    for name in args.dataset:
        try:
            row = compare(name, args.runs, args.quick, args.dataset_dir)
        except gslt.DataError as error:
            print(f"{name}: skipped: {error}", flush=True)
            continue
        rows.append(row)
        print(show(row), flush=True)
        common.save(args.json, rows=rows, configs=CONFIGS, quick=args.quick)
    if not rows:
        raise SystemExit("no data set of these is there")


if __name__ == "__main__":
    main()
