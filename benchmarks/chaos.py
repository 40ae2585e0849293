"""Commands that are killed, stopped, crowded and starved at random moments: what survives.

    python benchmarks/chaos.py [--kills 120] [--disks 12] [--seed 0] [--json FILE]

Kills: searches, trainings, studies (in one process and with workers) and a test of the conjecture,
with every option on that writes while they run (probe, TensorBoard, MLflow, several seeds), each a
process of its own, get a signal at a random moment (SIGKILL, SIGTERM, SIGHUP, SIGINT, SIGINT and
then SIGTERM, SIGSTOP for a while and then SIGKILL), again and again with probability one half, and
go on by the same command. In the end everything in the folder that does not tell of time or place
is compared with what an undisturbed command left; the exit status must be 0 only where all is done.
Crowds: ten processes compute one study, twice. Disks: a command on a disk that is too small, which
is then enlarged. Overhead: time in checkpoints over time of the search, with the default interval.
All on small synthetic graphs. Damaged files are in damage.py and mutants.py, command lines in
commands.py.
"""

from __future__ import annotations

import contextlib
import json
import logging
import multiprocessing
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import common
import torch
from commands import furnish
from common import Values
from tqdm import tqdm

import gslt
from gslt.cli import main
from gslt.config import SearchConfig
from gslt.studies.records import StudyFolder
from gslt.training.checkpoint import Checkpoints
from gslt.training.run_folder import RunFolder

#: Files that tell of time or place.
OWN = re.compile(r"timing\.jsonl|environment\.json|finished.*|events\.out.*|.*\.(html|png|svg)")
#: Values that do, in records and tables.
_TIMES = ("seconds", "environment", "sha256", "hardware", "peak_bytes")
#: Seconds after which a command counts as hung.
PATIENCE = 300
TINY = ["--dataset", "tiny.npz", "--num_layers", "2"]
EVERYTHING = ["--checkpoint_seconds", "0", "--probe_every", "3", "--runs", "3", "--epochs", "40"]
STUDY = """name: grid
seeds: 4
settings: {{dataset: tiny.npz, epochs: {epochs}, hidden_channels: 12, num_layers: 2,
  smoothness: true}}
arms: {{dense: {{}}, frozen: {{freezing_ratio: [0.2, 0.4]}}, trained: {{method: train}}}}
"""


@dataclass(frozen=True)
class Job:
    """A command that is killed, and how it is told to go on."""

    begin: list[str]
    share: int
    """Of the kills, in twentieths."""
    resume: bool = True
    """Whether --resume makes it go on; else the same command does."""


#: By name; every one writes to ``--out``.
JOBS = {
    "search, TensorBoard": Job(["search", *TINY, *EVERYTHING, "--log", "tensorboard"], 5),
    "search, MLflow": Job(["search", *TINY, *EVERYTHING, "--log", "mlflow"], 3),
    "train": Job(["train", *TINY, *EVERYTHING], 3),
    "search, ramp": Job(["search", *TINY, *EVERYTHING, "--sparsity_schedule", "linear"], 3),
    "study": Job(["study", "run", "--study", "grid.yaml"], 3, resume=False),
    "study, 2 workers": Job(["study", "run", "--study", "grid.yaml", "--workers", "2"], 2, False),
    "conjecture": Job(
        ["conjecture", "--preset", "quick", "--dataset", "tiny.npz"], 1, resume=False
    ),
}
KILLS: dict[str, Callable[[int], None]] = {
    "SIGKILL": lambda pid: os.kill(pid, signal.SIGKILL),
    "SIGTERM": lambda pid: os.kill(pid, signal.SIGTERM),
    "SIGHUP": lambda pid: os.kill(pid, signal.SIGHUP),
    "SIGINT": lambda pid: os.kill(pid, signal.SIGINT),
    "SIGINT, SIGTERM": lambda pid: _several(pid, signal.SIGINT, signal.SIGTERM),
    "SIGSTOP, SIGKILL": lambda pid: _several(pid, signal.SIGSTOP, signal.SIGCONT, signal.SIGKILL),
}


def _several(pid: int, *numbers: int) -> None:
    for number in numbers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        time.sleep(0.05)


# Commands in processes of their own


def command(words: list[str], folder: Path, said: Path) -> None:
    """In a fork: one command, its output in a file; the exit status is the process's."""
    os.setsid()
    os.chdir(folder)
    os.environ["MLFLOW_TRACKING_URI"] = (folder / "mlflow").as_uri()
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, usual)
    handle = os.open(said, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    # tqdm's usual lock is shared among processes, and a killed one would keep it.
    tqdm.set_lock(threading.RLock())
    torch.set_num_threads(1)
    status = 99
    try:
        status = main(words)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 2
    except BaseException:
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def begin(words: list[str], folder: Path, said: Path) -> Any:
    """Start a command. A fork has everything imported: only the work is killed, not the start."""
    context: Any = multiprocessing.get_context("fork")
    process = context.Process(target=command, args=(words, folder, said))
    process.start()
    return process


def end(process: Any) -> int:
    """Wait for a command; its exit status, −9 for one that hung."""
    process.join(PATIENCE)
    if process.is_alive():
        os.killpg(process.pid, signal.SIGKILL)
        process.join()
    return int(process.exitcode)


def whole(out: Path) -> bool:
    """Whether everything that the command promises is in its folder."""
    if (out / "studies").is_dir():
        folder = StudyFolder(out)
        return all(folder.record_path(i).exists() for s in folder.studies() for i in s.runs)
    return (out / "summary.json").exists()


# What has to be the same


def contents(out: Path) -> dict[str, Any]:
    """Everything in a folder that does not tell of time or place."""
    found: dict[str, Any] = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if not path.is_file() or OWN.fullmatch(path.name) or ".gslt" in name:
            continue
        found[name] = path.read_bytes()
        if path.suffix == ".json":
            found[name] = _timeless(json.loads(path.read_text("utf-8")))
        elif name.startswith("tables/"):
            del found[name]  # They have columns of seconds; they follow from the records.
    for board in sorted(out.rglob("events.out*")):
        found[f"tensorboard of {board.parent.name}"] = sorted(_events(board.parent))
    return found


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _timeless(v) for k, v in value.items() if not k.startswith(_TIMES)}
    return [_timeless(each) for each in value] if isinstance(value, list) else value


def _events(folder: Path) -> Iterator[tuple[str, int, float]]:
    """Every scalar that TensorBoard shows, as often as it shows it."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    # It tells of every step that a later event file makes void.
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    board = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    board.Reload()
    for tag in board.Tags()["scalars"]:
        if not tag.endswith("seconds"):
            yield from ((tag, event.step, event.value) for event in board.Scalars(tag))


def mlflow_steps(folder: Path) -> list[tuple[str, str, str]]:
    """Every value that MLflow's files hold: name, step, value."""
    rows = []
    for path in (folder / "mlflow").rglob("metrics/**/*"):
        if path.is_file() and "seconds" not in path.name:
            lines = (line.split() for line in path.read_text("utf-8").splitlines())
            rows += [(path.name, step, value) for _, value, step in lines]
    return sorted(rows)


# Kills


def kills(count: int, names: list[str], folder: Path, rng: random.Random) -> Values:
    """``count`` commands, of these jobs, that are killed and go on."""
    found: dict[str, Counter[str]] = {}
    failures: list[str] = []
    signals: Counter[str] = Counter()
    jobs = {name: JOBS[name] for name in names}
    twentieths = [name for name, job in jobs.items() for _ in range(job.share)]
    rng.shuffle(twentieths)
    undisturbed = {name: _undisturbed(job, folder / f"whole-{n}")
                   for n, (name, job) in enumerate(jobs.items())}  # fmt: skip
    for number in tqdm(range(count), desc="commands killed", disable=None):
        name = twentieths[number % len(twentieths)]
        tally = found.setdefault(name, Counter())
        expected, lasts = undisturbed[name]
        place = _place(folder / f"killed{number}")
        wrong = _killed(JOBS[name], place, lasts, rng, tally, signals)
        same = contents(place / "out") == expected[0] and mlflow_steps(place) == expected[1]
        if not same:
            wrong.append(_difference(place, expected))
        tally["commands"] += 1
        tally["identical"] += not wrong
        failures += [f"{name}, number {number}: {why}" for why in wrong]
        shutil.rmtree(place)
    total = {key: sum(row[key] for row in found.values()) for key in
             ("commands", "identical", "kills", "before_a_checkpoint")}  # fmt: skip
    rows = {name: dict(row) for name, row in found.items()}
    return {**total, "signals": dict(signals), "jobs": rows, "failures": failures}


def _place(folder: Path) -> Path:
    """A folder with the graph and the study that the commands take."""
    folder.mkdir()
    shutil.copy(folder.parent / "tiny.npz", folder)
    (folder / "grid.yaml").write_text(STUDY.format(epochs=30))
    return folder


def _undisturbed(job: Job, folder: Path) -> tuple[tuple[dict[str, Any], Any], float]:
    place = _place(folder)
    started = time.perf_counter()
    status = end(begin([*job.begin, "--out", "out"], place, place / "said"))
    lasts = time.perf_counter() - started
    if status != 0 or not whole(place / "out"):
        raise SystemExit(f"{job.begin}: status {status}\n{(place / 'said').read_text()}")
    return (contents(place / "out"), mlflow_steps(place)), lasts


def _killed(
    job: Job,
    place: Path,
    lasts: float,
    rng: random.Random,
    tally: Counter[str],
    signals: Counter[str],
) -> list[str]:
    """Kill a command until it may end; what was wrong on the way."""
    out, said, wrong, hit = place / "out", place / "said", [], False
    while True:
        words = [*job.begin, "--out", "out"]
        if job.resume and (out / "config.yaml").exists() and rng.random() < 0.5:
            log = job.begin[-2:] if "--log" in job.begin else []
            words = [job.begin[0], "--resume", "out", *EVERYTHING[:4], *log]
        process = begin(words, place, said)
        wanted = not hit or rng.random() < 0.5
        process.join(rng.uniform(0.0, lasts) if wanted else 0.0)
        if wanted and process.is_alive():
            how_killed = rng.choice(list(KILLS))
            with contextlib.suppress(ProcessLookupError):
                KILLS[how_killed](process.pid)
            hit = True
            tally["kills"] += 1
            signals[how_killed] += 1
            status = end(process)
            stopped = list(out.rglob("checkpoint-*")) + list(out.rglob("finished-*"))
            tally["before_a_checkpoint"] += not stopped
            if status == 0 and not whole(out):
                wrong.append(f"status 0 after {how_killed}, and not done")
            if status not in (0, 129, 130, 143, -1, -2, -9, -15):
                wrong.append(f"status {status} after {how_killed}: {said.read_text()[-500:]}")
            continue
        status = end(process)
        if hit:
            break
        shutil.rmtree(out)  # Too fast for the first kill.
        shutil.rmtree(place / "mlflow", ignore_errors=True)
    if status != 0:
        wrong.append(f"status {status} in the end: {said.read_text()[-500:]}")
    if "Traceback" in said.read_text():
        wrong.append("a traceback: " + said.read_text()[-1500:])
    return wrong


def _difference(place: Path, expected: tuple[dict[str, Any], Any]) -> str:
    found = _difference_of(contents(place / "out"), expected[0])
    return found + ("" if mlflow_steps(place) == expected[1] else " and MLflow")


# Crowds


def crowds(folder: Path, size: int = 10) -> Values:
    """So many processes on one study at once, and again: every run once, an honest status."""
    place = _place(folder / "crowd")
    runs = 16
    rounds, failures = [], []
    for attempt in range(2):
        said = [place / f"said{attempt}-{number}" for number in range(size)]
        words = ["study", "run", "--study", "grid.yaml", "--out", "out"]
        processes = [begin(words, place, path) for path in said]
        statuses = [end(process) for process in processes]
        texts = [path.read_text() for path in said]
        computed = sum(int(n) for text in texts for n in re.findall(r"(\d+) runs computed", text))
        records = len(list((place / "out" / "records").glob("*.json")))
        rounds.append({"statuses": Counter(map(str, statuses)), "computed": computed})
        if any("Traceback" in text for text in texts):
            failures.append("a traceback")
        if records != runs or computed != (0 if attempt else runs):
            failures.append(f"{computed} of {runs} runs computed, {records} records")
        if set(statuses) - {0, 2} or (attempt and set(statuses) != {0}):
            failures.append(f"statuses {statuses}")
    return {"processes": size, "rounds": rounds, "failures": failures}


# Small disks


def disks(count: int, folder: Path, rng: random.Random) -> Values:
    """Commands on a disk that is too small, enlarged, and gone on with."""
    jobs = [JOBS["search, TensorBoard"], JOBS["study"]]
    expected = [_undisturbed(job, folder / f"roomy{n}")[0][0] for n, job in enumerate(jobs)]
    tally: Counter[str] = Counter()
    failures: list[str] = []
    for number in tqdm(range(count), desc="small disks", disable=None):
        job, wanted = jobs[number % 2], expected[number % 2]
        place = _place(folder / f"small{number}")
        disk, size = place / "disk", rng.randrange(8, 260)
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(disk)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            return {"skipped": "small disks can only be made by root", "failures": []}
        try:
            words = [*job.begin, "--out", "disk/out"]
            status = end(begin(words, place, place / "said"))
            tally["full" if status else "fitted"] += 1
            if status == 0 and not whole(disk / "out"):
                failures.append(f"{size} kB: status 0, and not done")
            subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
            last = end(begin(words, place, place / "said"))
            said = (place / "said").read_text()
            if status not in (0, 2) or last != 0 or "Traceback" in said:
                failures.append(f"{size} kB: statuses {status}, {last}: {said[-800:]}")
            elif contents(disk / "out") != wanted:
                failures.append(f"{size} kB: {_difference_of(contents(disk / 'out'), wanted)}")
            else:
                tally["identical"] += 1
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=True)
    return {"disks": count, **tally, "failures": failures}


def _difference_of(now: dict[str, Any], then: dict[str, Any]) -> str:
    return f"differs in {[n for n in {**then, **now} if then.get(n) != now.get(n)][:5]}"


# Overhead


class Crash(BaseException):
    """The end of a process, as far as one process can play it."""


def overhead(scale: float, seconds: float) -> Values:
    """Share of a search's time that checkpoints take, with the default interval."""
    spent: list[float] = []
    usual = Checkpoints.save

    def save(self: Checkpoints, *given: Any, **named: Any) -> Any:
        started = time.perf_counter()
        done = usual(self, *given, **named)
        spent.append(time.perf_counter() - started)
        return done

    dataset = common.arxiv_shape(scale)
    epochs: list[float] = []
    config = SearchConfig(epochs=100_000)

    def stop(epoch: gslt.training.results.Epoch) -> None:
        epochs.append(epoch.seconds)
        if epoch.seconds > seconds:
            raise Crash

    Checkpoints.save = save  # type: ignore[method-assign]
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            contextlib.suppress(Crash),
            RunFolder(Path(folder) / "run", config) as run,
        ):
            gslt.search(dataset, config, progress=False, on_epoch=stop, folder=run)
    finally:
        Checkpoints.save = usual  # type: ignore[method-assign]
    return {
        "checkpoint_overhead": sum(spent) / epochs[-1],
        "checkpoints": len(spent),
        "checkpoint_seconds": statistics.median(spent) if spent else None,
        "epochs": len(epochs),
        "seconds": epochs[-1],
    }


def measure(values: Values) -> Values:
    """The overhead, in a process of its own."""
    return overhead(values["scale"], values["seconds"])


def run() -> None:
    """Kill, crowd, starve, measure; print, save."""
    parser = common.options(__doc__ or "", plot=False)
    parser.add_argument("--kills", type=int, help="commands killed [120; quick: 4]")
    parser.add_argument("--disks", type=int, help="small disks [12; quick: 2]")
    text = "what is killed [everything]"
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS), help=text)
    parser.add_argument("--seed", type=int, default=0, help="of every random choice")
    args = parser.parse_args()
    if args.child:
        common.answer(args.child, measure)
        return
    number = args.kills if args.kills is not None else (4 if args.quick else 120)
    small = args.disks if args.disks is not None else (2 if args.quick else 12)
    rng = random.Random(args.seed)
    # Small graphs: threads would only wait for one another, and the children inherit this.
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _furnished(folder)
        found = kills(number, args.jobs, folder, rng)
        crowd = crowds(folder)
        starved = disks(small, folder, rng)
    scale, seconds = (1 / 32, 4) if args.quick else (1 / 4, 60)
    cost = common.in_child(__file__, {"scale": scale, "seconds": seconds})
    figures = {"kills": found, "crowds": crowd, "disks": starved, "overhead": cost}
    show(figures)
    common.save(args.json, **figures, quick=args.quick)
    parts = {"kills": found, "crowds": crowd, "disks": starved}
    common.check({n: "; ".join(p["failures"])[:2000] for n, p in parts.items() if p["failures"]})


def _furnished(folder: Path) -> None:
    """The synthetic graph of the commands; made in a fork: threads here could hang later forks."""
    context: Any = multiprocessing.get_context("fork")
    (folder / "furnished").mkdir()
    process = context.Process(target=furnish, args=(folder / "furnished",))
    process.start()
    process.join()
    shutil.copy(folder / "furnished" / "tiny.npz", folder)


def show(figures: Values) -> None:
    """Print the tables."""
    found, crowd, cost = figures["kills"], figures["crowds"], figures["overhead"]
    print(f"\n{'killed':<22} commands  kills  before a checkpoint  identical")
    for name, row in {**found["jobs"], "all": found}.items():
        counts = [
            row.get(key, 0) for key in ("commands", "kills", "before_a_checkpoint", "identical")
        ]
        print("{:<22} {:>8} {:>6} {:>20} {:>10}".format(name, *counts))
    print("signals: " + ", ".join(f"{name} {n}" for name, n in found["signals"].items()))
    print(f"crowds: {crowd['processes']} processes on one study, twice: {crowd['rounds']}")
    print(f"disks: { {k: v for k, v in figures['disks'].items() if k != 'failures'} }")
    print(
        f"checkpoints: {cost['checkpoints']} in {cost['seconds']:.0f} s of {cost['epochs']} "
        f"epochs: {100 * cost['checkpoint_overhead']:.2f} % of the time"
    )


if __name__ == "__main__":
    run()
