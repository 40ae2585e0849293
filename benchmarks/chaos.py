"""Searches killed at random moments, and files damaged at random: what survives.

    python benchmarks/chaos.py [--kills 50] [--mutants 10000] [--records 2000] [--json FILE]

Kills: a search runs in a process of its own, is killed (SIGKILL) at a random moment, again and
again with probability one half, and goes on from its folder; in the end the folder is compared,
byte for byte, with that of an undisturbed search. Mutants: see mutants.py. Records: one file of an
unfinished run folder (config, environment, metrics, checkpoints, finished seeds) is damaged, then
the run goes on; it must either be refused in a sentence or end as undisturbed. Every fourth record
is a settings file of a user's instead, which must be refused or be a valid config. Overhead: time
in checkpoints over time of the search, with the default interval. All on small synthetic graphs.
"""

import contextlib
import dataclasses
import io
import multiprocessing
import os
import random
import resource
import shutil
import signal
import statistics
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import common
import torch
from common import Values
from mutants import mutants, verdict
from tqdm import tqdm

import gslt
from gslt.cli import parse
from gslt.config import SearchConfig
from gslt.errors import GsltError
from gslt.training.checkpoint import Checkpoints
from gslt.training.run_folder import RunFolder

#: Files of a folder that tell of time or place.
OWN = ("timing.jsonl", "environment.json", ".lock", "finished")
#: Seconds after which reading a file counts as hung, and memory that it may ask for.
PATIENCE = 10
MEMORY = 8 << 30
SEARCH = SearchConfig(hidden_channels=48, epochs=60, lr=0.05, freezing_ratio=0.3)
TINY = SearchConfig(hidden_channels=8, num_layers=2, epochs=4, runs=2)


def search(folder: Path, config: SearchConfig, scale: float, ready: Path) -> None:
    """One search in a folder, with a checkpoint after every epoch."""
    torch.set_num_threads(1)
    dataset = common.arxiv_shape(scale)
    ready.touch()
    with RunFolder(folder, config, checkpoint_seconds=0.0) as run:
        gslt.search(dataset, config, progress=False, folder=run)


def contents(folder: Path) -> dict[str, bytes]:
    """What has to be the same however often the run was killed."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if not p.name.startswith(OWN)}


# Kills


def kills(count: int, scale: float, folder: Path, rng: random.Random) -> Values:
    """``count`` searches that are killed and go on."""
    # A fork has everything imported; nothing that starts threads has run in this process yet.
    methods = multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("fork" if "fork" in methods else "spawn")
    # tqdm's usual lock is shared among processes, and a killed one would keep it.
    tqdm.set_lock(threading.RLock())

    def begin(path: Path) -> Any:
        ready = path.with_suffix(".ready")
        ready.unlink(missing_ok=True)
        process = context.Process(target=search, args=(path, SEARCH, scale, ready))
        process.start()
        while process.is_alive() and not ready.exists():
            time.sleep(0.01)
        return process

    whole = begin(folder / "whole")
    started = time.perf_counter()
    whole.join()
    lasts = time.perf_counter() - started
    expected = contents(folder / "whole")
    found = {"killed": 0, "identical": 0, "kills": 0, "kills_before_a_checkpoint": 0}
    for number in tqdm(range(count), desc="searches killed", disable=None):
        path = folder / f"run{number}"
        killed = False
        while True:
            process = begin(path)
            # Once at least; a search that was too fast begins again.
            wanted = not killed or rng.random() < 0.5
            process.join(rng.uniform(0, lasts) if wanted else None)
            if process.is_alive():
                process.kill()
                process.join()
                killed = True
                found["kills"] += 1
                found["kills_before_a_checkpoint"] += not list(path.glob("checkpoint-*"))
            elif killed:
                break
            else:
                shutil.rmtree(path)
        found["killed"] += 1
        found["identical"] += process.exitcode == 0 and contents(path) == expected
    return {**found, "search_seconds": lasts}


# Damaged files


class Hung(BaseException):
    """Reading took longer than anybody waits."""


@contextlib.contextmanager
def patience() -> Iterator[None]:
    """Within, more than so many seconds are a hang."""

    def late(number: int, frame: FrameType | None) -> None:
        raise Hung

    signal.signal(signal.SIGALRM, late)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)


def damaged_tickets(count: int, seed: int) -> Values:
    """Verdicts on damaged and forged tickets of several kinds."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    tickets = [_ticket(0.5, None), _ticket(0.9, None), _ticket(0.3, 0.4)]
    tally: Counter[str] = Counter()
    failures: list[str] = []
    slowest = 0.0
    bar = tqdm(total=count, desc="tickets damaged", disable=None)
    for number, data in enumerate(tickets):
        share = count // len(tickets) + (number < count % len(tickets))
        for mutant in mutants(data, share, seed + number):
            started = time.perf_counter()
            try:
                with patience():
                    tally[verdict(mutant, data)] += 1
            except Hung:
                tally["hung"] += 1
            except Exception as error:
                tally["crashed"] += 1
                failures.append(repr(error)[:200])
            slowest = max(slowest, time.perf_counter() - started)
            bar.update()
    bar.close()
    # Sound tickets that are another one (their checksums hold) are no failure: see mutants.py.
    names = ("refused", "identical", "other", "accepted", "crashed", "hung")
    figures = {name: tally[name] for name in names}
    figures["failures"] = failures
    return {"mutants": count, **figures, "slowest_seconds": slowest}


def _ticket(sparsity: float, freezing_ratio: float | None) -> bytes:
    config = SearchConfig(
        hidden_channels=12, epochs=2, sparsity=sparsity, freezing_ratio=freezing_ratio
    )
    ticket = gslt.search(common.arxiv_shape(1 / 256), config, progress=False).ticket
    assert ticket is not None
    return ticket.to_bytes()


class Crash(BaseException):
    """The end of a process, as far as one process can play it."""


def damaged_records(count: int, folder: Path, rng: random.Random) -> Values:
    """What comes of going on with an unfinished run one of whose files is damaged."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    dataset = common.arxiv_shape(1 / 256)
    with RunFolder(folder / "whole", TINY, checkpoint_seconds=0.0) as run:
        gslt.search(dataset, TINY, progress=False, folder=run)
    expected = contents(folder / "whole")

    def stop(epoch: gslt.training.results.Epoch) -> None:
        if (epoch.seed, epoch.epoch) == (1, 3):
            raise Crash

    with (
        contextlib.suppress(Crash),
        RunFolder(folder / "begun", TINY, checkpoint_seconds=0.0) as run,
    ):
        gslt.search(dataset, TINY, progress=False, on_epoch=stop, folder=run)
    files = [p.name for p in (folder / "begun").iterdir() if p.name != ".lock"]
    tally: Counter[str] = Counter()
    failures: list[str] = []
    for number in tqdm(range(count), desc="records damaged", disable=None):
        if number % 4 == 0:
            outcome, why = _damaged_config(folder / "config.yaml", rng)
            tally[outcome] += 1
            failures += why
            continue
        path = folder / "damaged"
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(folder / "begun", path)
        victim = path / rng.choice(files)
        victim.write_bytes(_damage(victim.read_bytes(), rng))
        try:
            with patience(), warnings.catch_warnings():
                warnings.simplefilter("ignore", gslt.errors.GsltWarning)
                with RunFolder(path, TINY, checkpoint_seconds=0.0) as run:
                    gslt.search(dataset, TINY, progress=False, folder=run)
            tally["recovered" if contents(path) == expected else "accepted"] += 1
            if contents(path) != expected:
                failures.append(f"{victim.name}: another result")
        except GsltError:
            tally["refused"] += 1
        except Hung:
            tally["hung"] += 1
        except Exception as error:
            tally["crashed"] += 1
            failures.append(f"{victim.name}: {error!r}"[:200])
    names = ("recovered", "valid", "refused", "accepted", "crashed", "hung")
    return {"records": count, **{name: tally[name] for name in names}, "failures": failures}


def _damaged_config(path: Path, rng: random.Random) -> tuple[str, list[str]]:
    """What the command line makes of a damaged settings file of a user's."""
    example = rng.choice(sorted((Path(__file__).parents[1] / "examples/configs").glob("*.yaml")))
    path.write_bytes(_damage(example.read_bytes(), rng))
    try:
        with patience(), contextlib.redirect_stderr(io.StringIO()):
            options = parse(["search", "--config", str(path)])["search"]
            fields = [field.name for field in dataclasses.fields(SearchConfig)]
            SearchConfig(**{name: options[name] for name in fields})
        return "valid", []
    except (GsltError, SystemExit):
        return "refused", []
    except Hung:
        return "hung", [f"{path.read_bytes()!r}"]
    except Exception as error:
        return "crashed", [f"a settings file: {error!r}"[:300]]


def _damage(data: bytes, rng: random.Random) -> bytes:
    """Bytes flipped, cut, doubled, or replaced by numbers and words that mean something."""
    place = rng.randrange(len(data) + 1)
    end = min(len(data), place + rng.randrange(1, 40))
    word = rng.choice([b"-1", b"1e999", b"null", b"[", b"{}", b"\0\0\0\0", b"\xff\xfe", b"\n"])
    flipped = bytearray(data or b"\0")
    flipped[min(place, len(flipped) - 1)] ^= 1 << rng.randrange(8)
    return rng.choice(
        [
            bytes(flipped),
            data[:place],
            data[:place] + data[end:],
            data[:end] + data[place:],
            data[:place] + word + data[end:],
            rng.randbytes(len(data)),
        ]
    )


# Overhead


def overhead(scale: float, seconds: float) -> Values:
    """Share of a search's time that checkpoints take, with the default interval."""
    spent: list[float] = []
    usual = Checkpoints.save

    def save(self: Checkpoints, checkpoint: object) -> None:
        started = time.perf_counter()
        usual(self, checkpoint)  # type: ignore[arg-type]
        spent.append(time.perf_counter() - started)

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
    """One part, in a process of its own."""
    rng = random.Random(values["seed"])
    if values["part"] == "overhead":
        return overhead(values["scale"], values["seconds"])
    if values["part"] == "tickets":
        return damaged_tickets(values["count"], values["seed"])
    with tempfile.TemporaryDirectory() as folder:
        return damaged_records(values["count"], Path(folder), rng)


def main() -> None:
    """Kill, damage, measure; print, save."""
    parser = common.options(__doc__, plot=False)
    parser.add_argument("--kills", type=int, help="searches killed [50; quick: 5]")
    parser.add_argument("--mutants", type=int, help="damaged tickets [10,000; quick: 500]")
    parser.add_argument("--records", type=int, help="damaged run records [2,000; quick: 30]")
    parser.add_argument("--seed", type=int, default=0, help="of every random choice")
    args = parser.parse_args()
    if args.child:
        common.answer(args.child, measure)
        return
    quick, full = (5, 500, 30), (50, 10_000, 2_000)
    given = (args.kills, args.mutants, args.records)
    chosen = [
        g if g is not None else (q if args.quick else f)
        for g, q, f in zip(given, quick, full, strict=True)
    ]
    # Small graphs: threads would only wait for one another, and the children inherit this.
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        found = kills(chosen[0], 1 / 128, Path(folder), random.Random(args.seed))
    base = {"seed": args.seed}
    tickets = common.in_child(__file__, {**base, "part": "tickets", "count": chosen[1]})
    records = common.in_child(__file__, {**base, "part": "records", "count": chosen[2]})
    scale, seconds = (1 / 32, 4) if args.quick else (1 / 4, 60)
    cost = common.in_child(
        __file__, {**base, "part": "overhead", "scale": scale, "seconds": seconds}
    )
    figures = {
        **{name: found[name] for name in ("killed", "identical")},
        **{name: tickets[name] for name in ("mutants", "accepted", "crashed", "hung")},
        "checkpoint_overhead": cost["checkpoint_overhead"],
        "kills": found,
        "tickets": tickets,
        "records": records,
        "overhead": cost,
    }
    show(figures)
    common.save(args.json, **figures, quick=args.quick)
    bad = {part: sum(figures[part][n] for n in ("accepted", "crashed", "hung"))
           for part in ("tickets", "records")}  # fmt: skip
    bad["kills"] = found["killed"] - found["identical"]
    common.check({part: f"{number} wrong" for part, number in bad.items() if number})


def show(figures: Values) -> None:
    """Print the table."""
    found, tickets, records = figures["kills"], figures["tickets"], figures["records"]
    print(
        f"\nsearches   {found['killed']} killed {found['kills']} times "
        f"({found['kills_before_a_checkpoint']} before their first checkpoint): "
        f"{found['identical']} identical to the undisturbed one"
    )
    for name, row, kinds in (
        ("tickets", tickets, ("refused", "identical", "other")),
        ("records", records, ("recovered", "valid", "refused")),
    ):
        total = row["mutants" if name == "tickets" else "records"]
        counts = [f"{row[kind]:,} {kind}" for kind in (*kinds, "accepted", "crashed", "hung")]
        print(f"{name}    {total:,} damaged: " + ", ".join(counts))
    cost = figures["overhead"]
    print(
        f"checkpoints  {cost['checkpoints']} in {cost['seconds']:.0f} s of "
        f"{cost['epochs']} epochs: {100 * cost['checkpoint_overhead']:.2f} % of the time"
    )
    for why in [*tickets["failures"], *records["failures"]][:20]:
        print(why)


if __name__ == "__main__":
    main()
