"""What a study costs beside its runs: here, on worker processes, on Ray.

    python benchmarks/study_throughput.py [--json FILE]

The same runs, each in the same number of epochs on the Debian graph, by every executor, each in a
fresh folder and process. Overhead per run is the time between the end of the epochs of one run and
the beginning of those of the next on the same worker: evaluation, ticket, record, folder, building
the network. Start is the time until the first epoch ended; runs per hour hold everything, also
workers that have nothing left to do while the last run ends.
"""

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import common
from common import AbsentError, RowError, Values

from gslt.studies.execute import Executor, Here, run_study
from gslt.studies.records import StudyFolder
from gslt.studies.study import Study
from gslt.studies.workers import Workers

ROWS = ("here", "1 worker", "2 workers", "ray")


def study(values: Values) -> Study:
    """Searches that differ in sparsity alone."""
    count = values["runs"]
    settings = {name: values[name] for name in ("epochs", "hidden_channels")}
    sparsities = [round(0.1 + 0.8 * i / max(1, count - 1), 4) for i in range(count)]
    return Study(
        name="throughput", seeds=1, settings=settings, arms={"ticket": {"sparsity": sparsities}}
    )


def executor(row: str, folder: StudyFolder) -> Executor:
    """The executor of a row."""
    if row == "here":
        return Here(folder)
    if row == "ray":
        from gslt.studies.ray_cluster import OnRay

        return OnRay(folder, None, "cpu", None, 1.0, 0.0)
    return Workers(folder, int(row.split()[0]))


def measure(values: Values) -> Values:
    """One row, in its own process."""
    row, grid = values["row"], study(values)
    with TemporaryDirectory() as place:
        folder = StudyFolder(Path(place) / "out")
        first: list[float] = []
        started = time.perf_counter()
        runner = executor(row, folder)
        usual = runner.execute

        class Timed:
            """The executor, and when its first epoch ended."""

            def execute(self, specs, on_epochs):
                def count(number: int) -> None:
                    first.append(time.perf_counter())
                    on_epochs(number)

                return usual(specs, count)

        summary = run_study(grid, folder, Timed(), progress=False)
        wall = time.perf_counter() - started
        if summary.failures or summary.computed != len(grid.runs):
            raise RowError(f"{summary}: {sorted(set(summary.failures.values()))}")
        ends = [
            (folder.record_path(identity).stat().st_mtime, seconds)
            for identity, seconds in (
                (record.spec.identity, record.measured["seconds"])
                for record in folder.records(grid)
            )
        ]
    inside = sum(seconds for _, seconds in ends)
    workers = {"here": 1, "1 worker": 1, "2 workers": 2}.get(row, os.cpu_count() or 1)
    return {
        "name": row,
        "runs": summary.computed,
        "workers": workers,
        "wall_seconds": wall,
        "run_seconds": inside / summary.computed,
        "until_first_epoch_seconds": first[0] - started,
        "runs_per_hour": 3600 * summary.computed / wall,
        "overhead_seconds_per_run": between_runs(ends, workers),
        "idle_and_overhead_seconds": wall * workers - inside,
    }


def between_runs(runs: list[tuple[float, float]], workers: int) -> float:
    """Mean seconds between runs on one worker, from the time of each end and its duration.

    The first starts and the last ends have no partner; which worker did what does not matter to
    the sum of the rest.
    """
    starts = sorted(end - seconds for end, seconds in runs)[workers:]
    ends = sorted(end for end, _ in runs)[: len(starts)]
    return (sum(starts) - sum(ends)) / len(starts) if starts else 0.0


def main() -> None:
    """Measure the rows one after another, print, save."""
    parser = common.options(__doc__, plot=False)
    parser.add_argument("--runs", type=int, help="runs of the study [16; quick: 4]")
    parser.add_argument("--epochs", type=int, help="epochs of a run [20; quick: 5]")
    parser.add_argument("--hidden_channels", type=int, help="width [192; quick: 16]")
    args = parser.parse_args()
    if args.child:
        common.answer(args.child, measure)
        return
    for name, quick, full in (("runs", 4, 16), ("epochs", 5, 20), ("hidden_channels", 16, 192)):
        if getattr(args, name) is None:
            setattr(args, name, quick if args.quick else full)
    values = {name: getattr(args, name) for name in ("runs", "epochs", "hidden_channels")}
    rows: list[Values] = []
    failed: Values = {}
    absent: Values = {}
    print("executor       runs/h  s per run  overhead s  first epoch s")
    for name in ROWS:
        try:
            row = common.in_child(__file__, {**values, "row": name})
        except RowError as error:
            (absent if isinstance(error, AbsentError) else failed)[name] = str(error)
            print(f"{name:<12} not measured: {error}")
            continue
        rows.append(row)
        print(
            f"{name:<12} {row['runs_per_hour']:>8.0f} {row['run_seconds']:>10.2f} "
            f"{row['overhead_seconds_per_run']:>11.2f} {row['until_first_epoch_seconds']:>14.1f}",
            flush=True,
        )
    common.save(args.json, rows=rows, study=values, not_measured={**absent, **failed})
    common.check(failed)


if __name__ == "__main__":
    main()
