"""The main job in one command: weight training and three tickets on one real graph."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gslt.config import DemoConfig, SearchConfig, TrainConfig
from gslt.data import NodeDataset, as_dataset, load_dataset
from gslt.data.metrics import reworded
from gslt.errors import ConfigError, RunError, listed
from gslt.files import OutputFolder
from gslt.files.folder import ROOM, check_folder, kind_of
from gslt.report.colours import darker, looks
from gslt.report.escaping import drawn
from gslt.report.figures import canvas, number_axis, save_figure
from gslt.report.lines import Line, draw_lines, label_lines
from gslt.report.study import summary_columns
from gslt.report.tables import Column, Table, accuracy, text
from gslt.studies.columns import measured
from gslt.training.places import in_use, read_config
from gslt.training.results import Result, Run
from gslt.training.run_folder import RunFolder
from gslt.training.search import search, train

#: The arm that the tickets are compared with.
TRAINED = "weight training"
#: What a demo's folder is called, and its files: for programs, the table, the pictures.
KIND = "demo"
FILES = ("summary.json", "table.md", "accuracy_vs_size.png", "learning_curves.png")


@dataclass(frozen=True)
class Arm:
    """One row of the table: how its model came to be, and what it reached."""

    name: str
    result: Result

    @property
    def row(self) -> dict[str, object]:
        """Plain values of the row; accuracies and ratios are fractions, sizes bytes."""
        about = {"dataset": self.result.dataset, "metric": self.result.metric}
        rates = {f"{name}_majority_rate": rate for name, rate in self.result.majority_rate.items()}
        return {"method": self.name, **about, **rates, **measured(self.result)}


def arms(config: DemoConfig) -> dict[str, SearchConfig | TrainConfig]:
    """Config of each arm: the Frozen paper's GIN, one sparsity, three sources.

    The sparse source is pruned by as much as the frozen source is frozen, so that the search spaces
    of the two are equal.
    """
    same = {name: getattr(config, name) for name in ("epochs", "hidden_channels", "lr", "seed")}
    ticket = SearchConfig(**same, sparsity=config.sparsity)
    return {
        TRAINED: TrainConfig(**same),
        "ticket, dense source": ticket,
        "ticket, sparse source": replace(ticket, prune_ratio=config.freezing_ratio, lock_ratio=0.0),
        "ticket, frozen source": replace(ticket, freezing_ratio=config.freezing_ratio),
    }


def run_demo(
    out: Path,
    config: DemoConfig | None = None,
    *,
    dataset: Any = None,
    progress: bool = True,
    say: Callable[[str], None] = print,
) -> list[dict[str, object]]:
    """Run the four arms, write their folders, the table and the pictures into ``out``.

    Args:
        out: the folder: empty, not there yet, or of an earlier demo. The same demo that was not
            finished goes on; another one is set aside, by renaming it.
        config: settings of the arms.
        dataset: the graph, or whatever :func:`gslt.as_dataset` takes; default: the embedded one.
        progress: show a bar over the epochs on a terminal.
        say: told what is done.

    Returns:
        The rows of the table, as in ``summary.json``.

    Raises:
        ConfigError: for a config that no ticket satisfies.
        RunError: if the folder is no demo's, or one with files that gslt did not write.
    """
    configs = arms(config or DemoConfig())
    check_folder(out, KIND)
    dataset = load_dataset("debian") if dataset is None else as_dataset(dataset)
    if _unfinished(out, configs, dataset):
        say(f"going on with the demo in {out}, which was not finished")
    elif moved := set_aside(out):
        say(f"an earlier demo was moved to {moved}")
    folder = OutputFolder(out, KIND)
    for name in FILES:
        folder.check(name)
    say(repr(dataset))
    done = []
    for name, arm in configs.items():
        say(f"{name} …")
        result = _run_arm(_arm_folder(out, name), dataset, arm, progress)
        say(f"{name}: {result} in {result.best.seconds:.0f} s")
        done.append(Arm(name, result))
    rows = [arm.row for arm in done]
    values, text, sizes, curves = FILES
    folder.write_json(values, rows)
    folder.write_text(text, table(rows))
    save_figure(accuracy_against_size(rows), sizes, folder)
    runs = {arm.name: arm.result.best for arm in done}
    save_figure(learning_curves(runs, dataset.name), curves, folder)
    return rows


def _arm_folder(out: Path, name: str) -> Path:
    return out / name.replace(", ", "-").replace(" ", "-")


def _run_arm(
    folder: Path, dataset: NodeDataset, config: SearchConfig | TrainConfig, progress: bool
) -> Result:
    with RunFolder(folder, config, {"dataset": dataset.name}) as run:
        if isinstance(config, SearchConfig):
            return search(dataset, config, progress=progress, folder=run)
        return train(dataset, config, progress=progress, folder=run)


def _unfinished(
    out: Path, configs: Mapping[str, SearchConfig | TrainConfig], dataset: NodeDataset
) -> bool:
    """Whether the folder holds the beginning of this very demo, and nothing else."""
    folders = {_arm_folder(out, name): config for name, config in configs.items()}
    present = _contents(out)
    if not present or present - set(folders):
        return False
    try:
        return all(
            read_config(path)[1] == {"dataset": dataset.name, **asdict(folders[path])}
            for path in present
        )
    except RunError:
        return False


def _contents(out: Path) -> set[Path]:
    """Everything in the folder but the room of gslt's own."""
    return {path for path in out.iterdir() if path.name != ROOM} if out.is_dir() else set()


def set_aside(folder: Path) -> Path | None:
    """Rename an earlier demo by its age, so that nothing in it is overwritten.

    Args:
        folder: of a demo, empty, or not there.

    Returns:
        Where it is now; None where there was nothing.

    Raises:
        RunError: if it holds anything that gslt did not write, or a run that goes on.
        ConfigError: if it cannot be renamed.
    """
    if not _contents(folder):
        return None
    if strangers := _strangers(folder):
        raise RunError(
            f"{str(folder)!r} is an earlier demo with files that gslt did not write "
            f"({listed(strangers, most=5)}), and is not set aside; move them away, or choose "
            "another --out"
        )
    if running := [path for path in sorted(_contents(folder)) if path.is_dir() and in_use(path)]:
        raise RunError(f"another process is using {str(running[0])!r}; choose another --out")
    place = Path(os.path.abspath(folder))
    if Path.cwd().is_relative_to(place):
        raise ConfigError(
            f"{str(folder)!r} is where this process is, and cannot be set aside; choose another "
            "--out"
        )
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(folder.stat().st_mtime))
    target = place.with_name(f"{place.name}-{stamp}")
    if target.exists():
        raise ConfigError(f"both {str(folder)!r} and {str(target)!r} exist; remove one of them")
    place.rename(target)
    return folder.with_name(target.name)


def _strangers(folder: Path) -> list[str]:
    """What is in a demo's folder, or in those of its runs, and not gslt's."""
    own = {_arm_folder(folder, name) for name in arms(DemoConfig())}
    found = set(OutputFolder(folder, KIND).strangers())
    found |= {path.name for path in _contents(folder) - own if path.name not in FILES}
    for path in own:
        if (kind := kind_of(path)) is not None:
            found |= {f"{path.name}/{name}" for name in OutputFolder(path, kind).strangers()}
    return sorted(found)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as the Markdown table of the Frozen paper."""
    columns = [(reworded(head, rows[0]["metric"]), cell) for head, cell in TABLE]
    return Table.of("", [SimpleNamespace(**row) for row in rows], columns).body() + "\n"


#: Columns that the demo's table has in common with that of a study.
_COMMON = ("sparsity (density)", "pruned / locked", "search space", "model size", "× smaller")
TABLE: list[Column] = [
    ("method", lambda row: text(row.method)),
    ("test accuracy (%)", lambda row: accuracy(row.test_accuracy)),
    ("validation (%)", lambda row: accuracy(row.val_accuracy)),
    ("training (%)", lambda row: accuracy(row.train_accuracy)),
    *((name, dict(summary_columns("best"))[name]) for name in _COMMON),
]


# Pictures


def accuracy_against_size(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Test accuracy of each row against its model size in bytes, each point labelled."""
    metric = rows[0]["metric"]
    title = f"{rows[0]['dataset']}: {reworded('accuracy against model size', metric)}"
    caption = "Model size: mask bits of tickets, float32 weights of the trained network. One seed."
    picture = canvas([[""]], title, caption, width=7.5)
    axes = picture.panels[""]
    look = looks([row["method"] for row in rows], {TRAINED})
    sizes = [row["model_bytes"] / 1000 for row in rows]
    middle = math.sqrt(min(sizes) * max(sizes))
    for size, row in zip(sizes, rows, strict=True):
        percent, mine = 100 * row["test_accuracy"], look[row["method"]]
        left = size > middle
        axes.plot(size, percent, mine.marker, color=mine.colour, markersize=9)
        axes.annotate(
            drawn(f"{row['method']}\n{percent:.2f} %{_times(row)}"),
            (size, percent),
            textcoords="offset points",
            xytext=(-10 if left else 10, 0),
            ha="right" if left else "left",
            va="center",
            color=darker(mine.colour),
        )
    number_axis(axes, sizes, "model size in kB", log=True)
    axes.set_xlim(min(sizes) / 1.6, max(sizes) * 1.6)
    axes.margins(y=0.15)
    axes.set_ylabel(reworded("test accuracy (%)", metric))
    return picture.figure


def learning_curves(runs: Mapping[str, Run], dataset: str) -> Any:
    """Validation accuracy (lines) and test accuracy at the best epoch (marks) over the epochs.

    Args:
        runs: by the name of the arm.
        dataset: name of the graph.
    """
    metric = next(iter(runs.values())).metric
    title = "validation accuracy during search and training"
    caption = "Lines: validation accuracy. Marks: test accuracy at the best epoch. One seed."
    title, caption = (reworded(words, metric) for words in (f"{dataset}: {title}", caption))
    picture = canvas([[""]], title, caption, width=7.5)
    axes = picture.panels[""]
    lines = []
    for (name, run), look in zip(runs.items(), looks(list(runs), {TRAINED}).values(), strict=True):
        x, y = [each.epoch for each in run.history], [100 * each.val for each in run.history]
        lines.append(Line(label=name, colour=look.colour, marker="", x=x, y=y))
        axes.plot(run.best_epoch, 100 * run.test_accuracy, look.marker, color=look.colour)
    draw_lines(axes, lines)
    number_axis(axes, [x for line in lines for x in line.x], "epoch", log=False)
    axes.set_ylabel(reworded("validation accuracy (%)", metric))
    label_lines(picture.figure, [(axes, lines)])
    return picture.figure


def _times(row: Mapping[str, Any]) -> str:
    return f", × {row['times_smaller']:.0f} smaller" if row["times_smaller"] > 1 else ""
