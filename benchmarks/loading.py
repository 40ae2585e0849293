"""CPU seconds to load a graph, and to load it and know its content, beside another checkout.

    python benchmarks/loading.py [--against FOLDER] [--rounds 8] [--json FILE]

The embedded Debian graph, and the OGBN-Arxiv stand-in of full size from gslt's cache of it, each
``rounds`` times in processes of their own, this checkout and the other in turn, after a first load
that is not counted. CPU time of one thread: it does not wait for others on the machine.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import common
from common import Values

from gslt.data import write_standin

#: What a process does: load, and hash where there is a hash.
CODE = """
import json, sys, time, warnings
import torch, gslt
torch.set_num_threads(1)
warnings.simplefilter("ignore")
name, loads = sys.argv[1], int(sys.argv[2])
found = {"load": [], "load and hash": []}
for number in range(loads + 1):
    for what, times in found.items():
        before = time.process_time()
        data = gslt.load_dataset(name)
        if what != "load":
            getattr(data, "content_hash", None)
        if number:
            times.append(time.process_time() - before)
print(json.dumps({**found, "package": gslt.__file__}))
"""


def measure(checkout: Path, name: str, root: Path, loads: int) -> Values:
    """Seconds of every load in a process that imports gslt from a checkout."""
    variables = {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1", "GSLT_DATA": str(root)}
    command = [sys.executable, "-c", CODE, name, str(loads)]
    done = subprocess.run(
        command,
        # The working folder goes before PYTHONPATH, and may be a checkout itself.
        cwd=root,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    times: Values = json.loads(done.stdout.splitlines()[-1])
    if Path(times.pop("package")).parents[1] != checkout:
        raise SystemExit(f"{checkout} holds no gslt")
    return times


def run(checkouts: dict[str, Path], scale: float, rounds: int, loads: int) -> Values:
    """Median and least seconds by graph, checkout and what is done."""
    found: Values = {}
    with tempfile.TemporaryDirectory() as folder:
        write_standin(folder, scale)
        for name in ("debian", "ogbn-arxiv-synthetic"):
            times: dict[str, dict[str, list[float]]] = {each: {} for each in checkouts}
            for _ in range(rounds):
                for each, checkout in checkouts.items():
                    for what, more in measure(checkout, name, Path(folder), loads).items():
                        times[each].setdefault(what, []).extend(more)
            found[name] = {
                each: {
                    what: {
                        "n": len(seconds),
                        "median_seconds": statistics.median(seconds),
                        "least_seconds": min(seconds),
                        "most_seconds": max(seconds),
                    }
                    for what, seconds in by_action.items()
                }
                for each, by_action in times.items()
            }
    return found


def main() -> None:
    """Measure, print, save."""
    parser: argparse.ArgumentParser = common.options(__doc__ or "", plot=False)
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="another checkout of gslt")
    parser.add_argument("--rounds", type=int, default=8, help="processes of each [8]")
    args = parser.parse_args()
    checkouts = {"this": Path(__file__).parents[1]}
    if args.against is not None:
        checkouts["other"] = args.against.resolve()
    size = {"scale": 0.01, "rounds": 1, "loads": 2} if args.quick else {"scale": 1.0, "loads": 5}
    found = run(checkouts, **{"rounds": args.rounds, **size})  # type: ignore[arg-type]
    for name, by_checkout in found.items():
        for each, actions in by_checkout.items():
            for what, times in actions.items():
                print(f"{name}, {each}, {what}: {times['median_seconds']:.3f} s")
    other = (
        args.against
        and subprocess.run(
            ["git", "-C", str(args.against), "rev-parse", "--short", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout.strip()
    )
    common.save(args.json, graphs=found, other_commit=other, quick=args.quick, **size)


if __name__ == "__main__":
    main()
