"""Accuracy of every shipped config, beside the figures that papers published.

    python benchmarks/accuracy.py --json FILE [CONFIG ...]

Each config is one row: its seeds are run, and mean and unbiased standard deviation of the test
accuracy at the best validation epoch are printed beside the published figure (UGT: Huang et al.
2022, arXiv 2211.15335, read off its figures, ± 0.3). Data sets are looked for as `gslt` does.
"""

import argparse
import dataclasses
import json
import time
from pathlib import Path

import yaml
from common import commit

import gslt
from gslt.config import SearchConfig, TrainConfig
from gslt.environment import environment
from gslt.files import write_json
from gslt.training.results import format_accuracy
from gslt.training.run_folder import summary

# Percent: dataset, architecture -> trained, ticket at sparsity 0.5, ticket at sparsity 0.9.
PUBLISHED = {
    ("cora", "gcn"): {"trained": 82.0, 0.5: 80.4, 0.9: 79.9},
    ("cora", "gin"): {"trained": 79.8, 0.5: 76.4, 0.9: 75.6},
    ("citeseer", "gcn"): {"trained": 70.3, 0.5: 67.7, 0.9: 67.3},
    ("citeseer", "gin"): {"trained": 69.9, 0.5: 67.6, 0.9: 68.1},
}
OPTIONS = ("dataset", "split")


def run_config(path: Path, dataset_dir: Path | None, quick: bool) -> dict[str, object]:
    """One row: run a config file and put the published figure beside it."""
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    kind = TrainConfig if path.stem.endswith("trained") else SearchConfig
    options = {k: v for k, v in values.items() if k not in OPTIONS}
    if quick:
        options |= {"epochs": 5, "runs": 2}
    config = kind(**options)
    dataset = gslt.load_dataset(values["dataset"], dataset_dir, split=values.get("split", 0))
    started = time.perf_counter()
    action = gslt.search if isinstance(config, SearchConfig) else gslt.train
    result = action(dataset, config)
    figures = PUBLISHED.get((values["dataset"], config.architecture), {})
    published = figures.get(getattr(config, "sparsity", "trained"))
    return {
        "config": path.name,
        "commit": commit(),
        "environment": environment(),
        "quick": quick,
        **summary(result),
        "published_percent": published,
        "dataset_name": values["dataset"],
        "options": dataclasses.asdict(config),
        "seconds": time.perf_counter() - started,
    }


def update(path: Path, row: dict[str, object]) -> None:
    """Put a row into the file, in the place of an older one of the same config."""
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    rows = [old for old in rows if old["config"] != row["config"]] + [row]
    write_json(path, {"rows": sorted(rows, key=lambda old: old["config"])})


def show(row: dict) -> str:
    """A row of the printed table."""
    std = row["test_std"]
    found = format_accuracy(row["test_accuracy"], float("nan") if std is None else std)
    published = row["published_percent"]
    beside = "–" if published is None else f"{published:.1f}"
    gap = "" if published is None else f"{100 * row['test_accuracy'] - published:+.1f}"
    return (
        f"{row['config']:<28} test {found:>14}  published {beside:>5}  {gap:>5}  "
        f"{len(row['runs'])} seeds, {row['seconds']:.0f} s"
    )


def main() -> None:
    """Run the configs named on the command line, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("configs", nargs="*", type=Path, help="YAML files [all shipped ones]")
    parser.add_argument("--dataset_dir", type=Path, help="folder of the data sets")
    parser.add_argument("--json", type=Path, help="put every figure into this file")
    parser.add_argument("--quick", action="store_true", help="5 epochs, 2 seeds: a smoke test")
    args = parser.parse_args()
    folder = Path(__file__).parents[1] / "examples" / "configs"
    done = 0
    for path in args.configs or sorted(folder.glob("*.yaml")):
        try:
            row = run_config(path, args.dataset_dir, args.quick)
        except gslt.DataError as error:
            print(f"{path.name:<28} skipped: {error}", flush=True)
            continue
        done += 1
        print(show(row), flush=True)
        if args.json:
            # After every row, so that an interrupted benchmark keeps what it has.
            update(args.json, row)
    if not done:
        raise SystemExit("no config ran: no data set of theirs is there")


if __name__ == "__main__":
    main()
