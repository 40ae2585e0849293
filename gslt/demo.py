"""The main job in one command: weight training and three tickets on one real graph."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from gslt.config import DemoConfig, SearchConfig, TrainConfig
from gslt.data import NodeDataset, load_dataset
from gslt.errors import ConfigError, RunError
from gslt.files import write_json, write_text
from gslt.studies.records import measured
from gslt.studies.report.figures import plot_accuracy_against_size, plot_learning_curves
from gslt.training.results import Result
from gslt.training.run_folder import RunFolder, read_config
from gslt.training.search import search, train


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
        "weight training": TrainConfig(**same),
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


def table(rows: list[dict[str, object]]) -> str:
    """The rows as the Markdown table of the Frozen paper."""
    head = [
        "method",
        "test accuracy (%)",
        "validation (%)",
        "sparsity (density)",
        "pruned / locked",
        "search space",
        "model size",
        "× smaller",
    ]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + [_line(row) for row in rows]) + "\n"


def _line(row: dict[str, object]) -> str:
    def number(name: str) -> float:
        value = row[name]
        assert isinstance(value, int | float)
        return float(value)

    frozen = "–"
    if row["prune_ratio"] is not None:
        frozen = f"{number('prune_ratio'):.2f} / {number('lock_ratio'):.2f}"
    cells = [
        str(row["method"]),
        f"{100 * number('test_accuracy'):.2f}",
        f"{100 * number('val_accuracy'):.2f}",
        f"{number('sparsity'):.2f} ({number('density'):.2f})",
        frozen,
        f"{number('searched'):,.0f} ({100 * number('search_space'):.0f} %)",
        f"{number('model_bytes') / 1000:,.1f} kB",
        f"{number('times_smaller'):.1f}",
    ]
    return "| " + " | ".join(cells) + " |"
