"""The first protocol's runs once more, measured at both epochs and compared at equal fit.

    gslt study run --study benchmarks/results/conjecture-standard/planetoid.yaml --out FOLDER
    python benchmarks/first_protocol.py FOLDER [--out benchmarks/results/conjecture-standard]

``runs.csv`` has those runs at the best validation epoch alone, and no loss. This says how many of
them come out the same again, and writes what they are at the last epoch (``last.csv``), the claims
of the second protocol at both epochs (``claims.csv``), and frozen minus dense along the
trajectories, at equal fit too (``contrasts.csv``). A data set that lacks a run is left out.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from gslt import studies
from gslt.conjecture.first_protocol import DEPTHS, judge_first
from gslt.conjecture.protocol import DENSE, FROZEN
from gslt.conjecture.trajectories import contrasts
from gslt.report.statistics import Estimate
from gslt.studies.columns import LOG_UNCENTRED_QUOTIENT

RESULTS = Path(__file__).parent / "results" / "conjecture-standard"
RUN = ["dataset", "depth", "arm", "freezing_ratio", "seed"]
ENDPOINTS = ["log_quotient", "rayleigh_quotient", "effective_rank", "test_accuracy"]
ARMS = (DENSE, FROZEN, "weak ticket")


def of_epoch(trajectories: pd.DataFrame, which: str) -> pd.DataFrame:
    """The runs at their ``best`` or ``last`` epoch, in the columns of ``runs.csv``."""
    rows = trajectories[trajectories[which]]
    own = {"depth": rows["num_layers"], "freezing_ratio": rows["ratio"], "batch_norm": True}
    return rows.assign(**own)[[*RUN, "batch_norm", *ENDPOINTS]].sort_values(RUN)


def both_times(found: pd.DataFrame, first: pd.DataFrame) -> pd.DataFrame:
    """The runs of today beside those of the first time; what is missing today is NaN."""
    here = first["batch_norm"] & first["depth"].isin(DEPTHS) & first["arm"].isin(ARMS)
    tables = [
        rows.assign(freezing_ratio=rows["freezing_ratio"].fillna(0.0).round(6))
        for rows in (first[here], found)
    ]
    return tables[0].merge(tables[1], on=RUN, how="left", suffixes=("_first", ""))


def along(trajectories: pd.DataFrame) -> pd.DataFrame:
    """Frozen minus dense of means over depths and ratios: 95 % intervals over seeds."""
    found = contrasts(trajectories, [LOG_UNCENTRED_QUOTIENT, "test_accuracy"])
    found = found[found["arm"] == FROZEN]
    rows = []
    for (dataset, endpoint, at), runs in found.groupby(["dataset", "endpoint", "at"], sort=False):
        by_seed = runs.groupby("seed")["difference"].mean()
        each = Estimate.of(by_seed.to_numpy())
        matched = int(runs["difference"].notna().sum())
        rows.append((dataset, endpoint, at, each.mean, each.low, each.high, matched, len(runs)))
    names = ["dataset", "endpoint", "at", "difference", "low", "high", "matched", "pairs"]
    return pd.DataFrame(rows, columns=names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of gslt study run")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the tables go")
    options = parser.parse_args()
    first = pd.read_csv(RESULTS / "runs.csv")
    found = studies.trajectories(options.folder)
    both = both_times(of_epoch(found, "best"), first)
    whole = both.groupby("dataset")["test_accuracy"].agg(lambda scores: scores.notna().all())
    kept = list(whole.index[whole])
    both = both[both["dataset"].isin(kept)]
    off = (both["test_accuracy"] - both["test_accuracy_first"]).abs()
    again = both.assign(same=off < 1e-9, off=off).groupby(["dataset", "depth"])
    print("again at the best epoch, beside the first time (test accuracy):")
    print(again.agg(runs=("same", "size"), same=("same", "sum"), largest=("off", "max")), "\n")
    found = found[found["dataset"].isin(kept)]
    last = of_epoch(found, "last")
    tables = {
        "last": last.round(6),
        "claims": judge_first(first[first["dataset"].isin(kept)], last),
        "contrasts": along(found).round(6),
    }
    for name, table in tables.items():
        table.to_csv(options.out / f"{name}.csv", index=False)
    print(tables["claims"].drop(columns="why_not").to_string(index=False), "\n")
    factors = tables["contrasts"].copy()
    logs = factors["endpoint"] == LOG_UNCENTRED_QUOTIENT
    columns = ["difference", "low", "high"]
    factors.loc[logs, columns] = np.exp(factors.loc[logs, columns])
    print(factors.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
