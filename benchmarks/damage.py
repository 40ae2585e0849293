"""Run folders, checkpoints, records and study files damaged at random: what comes of them.

    python benchmarks/damage.py [--folders 600] [--checkpoints 1000] [--records 1200]
                                [--studies 400] [--seed 0] [--json FILE]

Run folders and checkpoints: one file of an unfinished run (any, the manifest too) is damaged, or a
folder, a pipe, a loop of links or nothing stands in its place; then the run goes on. It must be
refused in a sentence or end as undisturbed. Records: damaged bytes, or values exchanged under a
checksum made anew; the study's state and table are read. The record must be left out and named, or
be one whose every value is of its type and range. Studies and settings files: refused in a
sentence, or valid. Accepted wrongly, tracebacks and hangs are failures. On small synthetic graphs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import random
import resource
import shutil
import signal
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import common
from common import Values
from tqdm import tqdm

import gslt
from gslt.cli import parse
from gslt.config import SearchConfig
from gslt.errors import GsltError, GsltWarning
from gslt.studies.execute import run_study, status_lines
from gslt.studies.records import StudyFolder, frame
from gslt.studies.study import Study, checksum, load_study
from gslt.training.run_folder import RunFolder

#: Seconds after which reading counts as hung, and memory that it may ask for.
PATIENCE, MEMORY = 20, 8 << 30
TINY = SearchConfig(hidden_channels=8, num_layers=2, epochs=4, runs=2)
#: Files of a run folder that tell of time or place.
OWN = ("timing.jsonl", "environment.json", "finished", ".gslt")
STUDY = """name: grid
title: A grid
x: freezing_ratio
seeds: [0, 1]
settings: {dataset: tiny.npz, epochs: 2, hidden_channels: 4, num_layers: 2, smoothness: true}
arms:
  dense: {}
  frozen: {freezing_ratio: [0.2, 0.4]}
  trained: {method: train, lr: 1e-2}
"""
ODD = [None, True, -1, 0, 2**70, 0.5, -0.0, 1e308, "", "x", "\x1b[2J", "‮", [], {}, [[]], [None]]
ODD += [{"": None}, "1", "=1+1", "a" * 10_000]


class Hung(BaseException):
    """Reading took longer than anybody waits."""


class Crash(BaseException):
    """The end of a process, as far as one process can play it."""


@contextlib.contextmanager
def patience() -> Iterator[None]:
    """Within, more than so many seconds are a hang."""

    def late(number: int, handler: FrameType | None) -> None:
        raise Hung

    signal.signal(signal.SIGALRM, late)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)


# Damage


def damage(data: bytes, rng: random.Random) -> bytes:
    """Bytes flipped, cut, doubled, or replaced by numbers and words that mean something."""
    place = rng.randrange(len(data) + 1)
    end = min(len(data), place + rng.randrange(1, 40))
    word = rng.choice(
        [b"-1", b"1e999", b"null", b"[", b"{}", b"\0\0\0\0", b"\xff\xfe", b"\n", b"NaN"]
    )
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
            b"",
        ]
    )


def put(path: Path, rng: random.Random) -> None:
    """Damage a file, or put something else in its place."""
    if rng.random() < 0.8:
        path.write_bytes(damage(path.read_bytes(), rng))
        return
    path.unlink()
    kinds: list[Callable[[], Any]] = [
        path.mkdir,
        lambda: os.mkfifo(path),
        lambda: path.symlink_to(path.name),
        lambda: path.symlink_to("/dev/zero"),
        lambda: None,
    ]
    rng.choice(kinds)()


def exchange(value: Any, rng: random.Random) -> Any:
    """Values with one of them exchanged, taken out, or put in."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        name = rng.choice(list(value))
        if (kind := rng.random()) < 0.1:
            return {key: each for key, each in value.items() if key != name}
        if kind < 0.15:
            return {**value, rng.choice(["x", "", "seed"]): rng.choice(ODD)}
        return {**value, name: exchange(value[name], rng)}
    if isinstance(value, list) and value and rng.random() < 0.7:
        place = rng.randrange(len(value))
        return [*value[:place], exchange(value[place], rng), *value[place + 1 :]]
    return rng.choice(ODD)


class Tally:
    """What came of each, and why where it is wrong."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []

    def attempt(self, name: str, action: Callable[[], str]) -> None:
        """Count what an action says; a sentence of gslt's is a refusal."""
        try:
            with patience(), warnings.catch_warnings():
                warnings.simplefilter("ignore", GsltWarning)
                outcome = action()
        except (GsltError, SystemExit):
            outcome = "refused"
        except Hung:
            outcome = "hung"
        except Exception as error:
            outcome = "traceback"
            name = f"{name}: {error!r}"
        self.counts[outcome.partition(":")[0]] += 1
        if outcome.startswith(("accepted", "hung", "traceback")):
            self.failures.append(f"{name}: {outcome}"[:300])

    def values(self, number: int) -> Values:
        """The counts, for a record."""
        names = ("recovered", "valid", "left out", "refused", "accepted", "traceback", "hung")
        return {"number": number, **{n: self.counts[n] for n in names}, "failures": self.failures}


# Run folders


def contents(folder: Path) -> dict[str, bytes]:
    """What has to be the same however the run came to its end."""
    files = (p for p in folder.iterdir() if not p.name.startswith(OWN) and p.is_file())
    return {p.name: p.read_bytes() for p in files}


def run_folders(count: int, only: str, folder: Path, rng: random.Random) -> Values:
    """Going on with an unfinished run one of whose files (of this kind) is damaged."""
    dataset = common.arxiv_shape(1 / 256)

    def go(path: Path, stop: Callable[[Any], None] | None = None) -> None:
        with RunFolder(path, TINY, checkpoint_seconds=0.0) as run:
            gslt.search(dataset, TINY, progress=False, on_epoch=stop, folder=run)

    def stop(epoch: gslt.training.results.Epoch) -> None:
        if (epoch.seed, epoch.epoch) == (1, 3):
            raise Crash

    go(folder / "whole")
    expected = contents(folder / "whole")
    with contextlib.suppress(Crash):
        go(folder / "begun", stop)
    begun = folder / "begun"
    files = [str(p.relative_to(begun)) for p in begun.rglob("*") if p.is_file()]
    files = sorted(name for name in files if only in name)
    tally, path = Tally(), folder / "damaged"

    def outcome() -> str:
        go(path)
        return "recovered" if contents(path) == expected else "accepted: another result"

    for _ in tqdm(range(count), desc=f"{only or 'run folders'} damaged", disable=None):
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(begun, path)
        victim = rng.choice(files)
        put(path / victim, rng)
        tally.attempt(victim, outcome)
    return tally.values(count)


# Records and studies


def records(count: int, folder: Path, rng: random.Random) -> Values:
    """The state and the table of a study one of whose records is damaged."""
    common_graph(folder)
    study = load_study(folder / "grid.yaml")
    place = StudyFolder(folder / "study")
    run_study(study, place, progress=False)
    (folder / "study" / "runs").rename(folder / "runs")
    victims = sorted((folder / "study" / "records").glob("*.json"))
    sound = frame(place.path).set_index(["arm", "identity"])
    tally = Tally()

    def outcome(path: Path, sealed: bool) -> str:
        found = place.results(study)
        lines = list(status_lines(place))
        table = found.frame
        if path.stem not in found.records:
            named = any(path.stem in line or "cannot be used" in line for line in lines)
            missing = not path.exists() and not path.is_symlink()
            return "left out" if named or missing else f"accepted: left out in silence {lines}"
        for name in ("test_accuracy", "val_accuracy", "train_accuracy"):
            if not table[name].between(0, 1).all():
                return f"accepted: {name} {table[name].tolist()}"
        if not sealed and not table.set_index(["arm", "identity"]).equals(sound):
            return "accepted: another table"
        if dict(table.dtypes) != {n: sound.reset_index()[n].dtype for n in table.columns}:
            changed = [n for n in table if table[n].dtype != sound.reset_index().dtypes.get(n)]
            return "valid" if sealed else f"accepted: types of {changed}"
        return "valid"

    for number in tqdm(range(count), desc="records damaged", disable=None):
        path = rng.choice(victims)
        before, sealed = path.read_bytes(), number % 2 == 0
        if sealed:
            values = json.loads(before)
            del values["sha256"]
            values = exchange(values, rng)
            if isinstance(values, dict):
                values = {**values, "sha256": checksum(values)}
            path.write_text(json.dumps(values))
        else:
            put(path, rng)
        tally.attempt(f"{path.name} {'sealed' if sealed else ''}", lambda: outcome(path, sealed))  # noqa: B023
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        path.unlink(missing_ok=True)
        path.write_bytes(before)
    return tally.values(count)


def common_graph(folder: Path) -> None:
    """The small synthetic graph and the study of it; the process works in the folder from now."""
    from commands import write_graph

    os.chdir(folder)
    write_graph(folder / "tiny.npz")
    (folder / "grid.yaml").write_text(STUDY)


def studies(count: int, folder: Path, rng: random.Random) -> Values:
    """Damaged study files, and settings files of the commands."""
    import yaml

    tally, path = Tally(), folder / "damaged.yaml"
    settings = sorted((Path(__file__).parents[1] / "examples/configs").glob("*.yaml"))
    fields = [field.name for field in dataclasses.fields(SearchConfig)]

    def of_study() -> str:
        study = load_study(path)
        typed = isinstance(study.title, str) and all(isinstance(arm, str) for arm in study.arms)
        again = Study(**{**study.values, "seeds": study.seed_list})
        same = list(again.runs) == list(study.runs) and len(study.runs) > 0
        return "valid" if typed and same else "accepted: not the study that it says"

    def of_settings() -> str:
        with contextlib.redirect_stderr(io.StringIO()):
            options = parse(["search", "--config", str(path)])["search"]
        SearchConfig(**{name: options[name] for name in fields})
        return "valid"

    for number in tqdm(range(count), desc="studies damaged", disable=None):
        if number % 3 == 0:
            path.write_bytes(damage(rng.choice(settings).read_bytes(), rng))
            tally.attempt(f"settings {path.read_bytes()!r}", of_settings)
            continue
        if number % 3 == 1:
            path.write_bytes(damage(STUDY.encode(), rng))
        else:
            path.write_text(yaml.safe_dump(exchange(yaml.safe_load(STUDY), rng)), "utf-8")
        tally.attempt(f"study {path.read_bytes()[:250]!r}", of_study)
    return tally.values(count)


def measure(values: Values) -> Values:
    """One part, in a process of its own."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    rng, count, part = random.Random(values["seed"]), values["count"], values["part"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if part == "records":
            return records(count, folder, rng)
        if part == "studies":
            return studies(count, folder, rng)
        return run_folders(count, "checkpoint-" if part == "checkpoints" else "", folder, rng)


def main() -> None:
    """Damage, read, print, save."""
    parser = common.options(__doc__ or "", plot=False)
    full = {"folders": 600, "checkpoints": 1000, "records": 1200, "studies": 400}
    for name, number in full.items():
        parser.add_argument(f"--{name}", type=int, help=f"how many [{number:,}; quick: 20]")
    parser.add_argument("--seed", type=int, default=0, help="of every random choice")
    args = parser.parse_args()
    if args.child:
        common.answer(args.child, measure)
        return
    os.environ["OMP_NUM_THREADS"] = "1"
    found = {}
    for part, usual in full.items():
        count = getattr(args, part)
        count = count if count is not None else (20 if args.quick else usual)
        found[part] = common.in_child(__file__, {"seed": args.seed, "part": part, "count": count})
        print(part, {key: value for key, value in found[part].items() if key != "failures"})
        print("\n".join(found[part]["failures"][:15]))
    common.save(args.json, **found, quick=args.quick)
    common.check(
        {part: f"{len(f['failures'])} wrong" for part, f in found.items() if f["failures"]}
    )


if __name__ == "__main__":
    main()
