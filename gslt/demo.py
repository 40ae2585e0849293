"""The main job in one command: weight training and three tickets on one real graph."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gslt.config import DemoConfig, SearchConfig, TrainConfig
from gslt.data import NodeDataset, load_dataset
from gslt.errors import ConfigError, RunError
from gslt.files import write_json, write_text
from gslt.report.figures import canvas, looks, number_axis, save_figure
from gslt.report.lines import Line, darker, draw_lines, label_lines
from gslt.report.study import SUMMARY
from gslt.report.tables import Column, Table, accuracy, text
from gslt.studies.columns import measured
from gslt.training.results import Result, Run
from gslt.training.run_folder import RunFolder, read_config
from gslt.training.search import search, train

#: The arm that the tickets are compared with.
TRAINED = "weight training"


@dataclass(frozen=True)
class Arm:
    """One row of the table: how its model came to be, and what it reached."""

    name: str
    result: Result

    @property
    def row(self) -> dict[str, object]:
        """Plain values of the row; accuracies and ratios are fractions, sizes bytes."""
        return {"method": self.name, "dataset": self.result.dataset, **measured(self.result)}


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
    dataset: NodeDataset | None = None,
    progress: bool = True,
    say: Callable[[str], None] = print,
) -> list[dict[str, object]]:
    """Run the four arms, write their folders, the table and the pictures into ``out``.

    Args:
        out: the folder. The same demo that was not finished goes on; anything else in it is set
            aside.
        config: settings of the arms.
        dataset: the graph; default: the embedded one.
        progress: show a bar over the epochs on a terminal.
        say: told what is done.

    Returns:
        The rows of the table, as in ``summary.json``.

    Raises:
        ConfigError: for a config that no ticket satisfies.
    """
    configs = arms(config or DemoConfig())
    dataset = dataset or load_dataset("debian")
    if _unfinished(out, configs, dataset):
        say(f"going on with the demo in {out}, which was not finished")
    elif moved := set_aside(out):
        say(f"an earlier demo was moved to {moved}")
    say(repr(dataset))
    done = []
    for name, arm in configs.items():
        say(f"{name} …")
        result = _run_arm(_arm_folder(out, name), dataset, arm, progress)
        say(f"{name}: {result} in {result.best.seconds:.0f} s")
        done.append(Arm(name, result))
    rows = [arm.row for arm in done]
    write_json(out / "summary.json", rows)
    write_text(out / "table.md", table(rows))
    runs = {arm.name: arm.result.best for arm in done}
    plot_accuracy_against_size(rows, out / "accuracy_vs_size.png")
    plot_learning_curves(runs, dataset.name, out / "learning_curves.png")
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
    present = set(out.iterdir()) if out.is_dir() else set()
    if not present or present - set(folders):
        return False
    try:
        return all(
            read_config(path)[1] == {"dataset": dataset.name, **asdict(folders[path])}
            for path in present
        )
    except RunError:
        return False


def set_aside(folder: Path) -> Path | None:
    """Rename a folder that holds anything by its age, so that nothing in it is overwritten."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return None
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(folder.stat().st_mtime))
    target = folder.with_name(f"{folder.name}-{stamp}")
    if target.exists():
        raise ConfigError(f"both {str(folder)!r} and {str(target)!r} exist; remove one of them")
    return folder.rename(target)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as the Markdown table of the Frozen paper."""
    return Table.of("", [SimpleNamespace(**row) for row in rows], TABLE).body() + "\n"


#: Columns that the demo's table has in common with that of a study.
_COMMON = ("sparsity (density)", "pruned / locked", "search space", "model size", "× smaller")
TABLE: list[Column] = [
    ("method", lambda row: text(row.method)),
    ("test accuracy (%)", lambda row: accuracy(row.test_accuracy)),
    ("validation (%)", lambda row: accuracy(row.val_accuracy)),
    *((name, dict(SUMMARY)[name]) for name in _COMMON),
]


# Pictures


def plot_accuracy_against_size(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Test accuracy of each row against its model size in bytes, each point labelled."""
    title = f"{rows[0]['dataset']}: accuracy against model size"
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
            f"{row['method']}\n{percent:.2f} %{_times(row)}",
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
    axes.set_ylabel("test accuracy (%)")
    save_figure(picture.figure, path)


def plot_learning_curves(runs: Mapping[str, Run], dataset: str, path: Path) -> None:
    """Validation accuracy (lines) and test accuracy at the best epoch (marks) over the epochs.

    Args:
        runs: by the name of the arm.
        dataset: name of the graph.
        path: of the picture.
    """
    title = f"{dataset}: validation accuracy during search and training"
    caption = "Lines: validation accuracy. Marks: test accuracy at the best epoch. One seed."
    picture = canvas([[""]], title, caption, width=7.5)
    axes = picture.panels[""]
    lines = []
    for (name, run), look in zip(runs.items(), looks(list(runs), {TRAINED}).values(), strict=True):
        x, y = [each.epoch for each in run.history], [100 * each.val for each in run.history]
        lines.append(Line(label=name, colour=look.colour, marker="", x=x, y=y))
        axes.plot(run.best_epoch, 100 * run.test_accuracy, look.marker, color=look.colour)
    draw_lines(axes, lines)
    number_axis(axes, [x for line in lines for x in line.x], "epoch", log=False)
    axes.set_ylabel("validation accuracy (%)")
    label_lines(picture.figure, [(axes, lines)])
    save_figure(picture.figure, path)


def _times(row: Mapping[str, Any]) -> str:
    return f", × {row['times_smaller']:.0f} smaller" if row["times_smaller"] > 1 else ""
