"""The arms, depths and seeds of the test, as studies; and their records as the verdict's table."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from gslt.config import Architecture, check_choice
from gslt.conjecture.statistics.endpoints import ACCURACY, DENSE, FROZEN, Run
from gslt.studies.records import Record
from gslt.studies.smoothness import endpoints
from gslt.studies.study import Cell, Study

Size = Literal["quick", "standard", "ogbn-arxiv"]

#: Sparsity of every ticket, and of every random mask.
SPARSITY = 0.5
RATIOS = (0.2, 0.4, 0.6, 0.8)

#: Settings of each arm by its name in the verdict; the frozen ones have a ratio.
ARMS: dict[str, dict[str, Any]] = {
    # Scores are searched at a faster rate than weights are trained.
    "trained": {"method": "train", "lr": 0.01},
    "weak ticket": {"method": "train", "lr": 0.01, "mask_sparsity": SPARSITY},
    # Everything is frozen: one update of nothing.
    "random mask": {
        "sparsity": SPARSITY,
        "freezing_ratio": 1.0,
        "allocation": "uniform",
        "epochs": 1,
    },
    DENSE: {"sparsity": SPARSITY},
    # All frozen weights are pruned, which the sparsity leaves room for.
    "sparse": {"sparsity": SPARSITY, "freezing_ratio": 0.4, "prune_share": 1.0},
    FROZEN: {"sparsity": SPARSITY, "freezing_ratio": list(RATIOS)},
}
#: Arms without which there is no verdict.
_NEEDED = (DENSE, FROZEN)


@dataclass(frozen=True)
class Part:
    """Runs of one grid: every arm at every depth on every data set with every seed."""

    name: str
    datasets: tuple[str, ...]
    depths: tuple[int, ...]
    seeds: int
    epochs: int
    hidden_channels: int
    lr: float
    arms: tuple[str, ...] = tuple(ARMS)
    batch_norm: bool = True


DEPTHS = (2, 4, 8, 16, 32, 64)
PARTS: dict[str, tuple[Part, ...]] = {
    # Eight seeds: with three depths the smallest p after Holm's correction is 3 · 2/2⁸ = 0.02.
    "quick": (Part("cora", ("cora",), (2, 4, 8), 8, 30, 32, 0.02),),
    "standard": (
        Part("planetoid", ("cora", "citeseer"), DEPTHS, 10, 60, 64, 0.02),
        # Without norm deep networks learn little with any weights: the arms of the verdict, and
        # training, which shows it.
        Part(
            "planetoid-no-norm",
            ("cora", "citeseer"),
            DEPTHS,
            10,
            60,
            64,
            0.02,
            ("trained", *_NEEDED),
            batch_norm=False,
        ),
        Part("debian", ("debian",), (4,), 10, 40, 64, 0.02),
    ),
    "ogbn-arxiv": (Part("ogbn-arxiv", ("ogbn-arxiv",), (2, 4, 8, 16), 10, 400, 386, 0.01),),
}


def studies(
    size: Size = "standard", *, architecture: Architecture = "gin", dataset: str | None = None
) -> list[Study]:
    """The studies of a preset, one for each part.

    Args:
        size: ``quick`` (Cora, minutes), ``standard`` (hours on 2 cores) or ``ogbn-arxiv``.
        architecture: message passing; the conjecture is about GIN.
        dataset: one data set in the place of the preset's.

    Raises:
        ConfigError: for a size that does not exist.
    """
    check_choice("preset", size, get_args(Size))
    parts = PARTS[size]
    if dataset is not None:
        # One part with batch norm and one without, the first of each.
        kept: dict[bool, Part] = {}
        for part in parts:
            kept.setdefault(part.batch_norm, part)
        parts = tuple(kept.values())
    return [_study(part, size, architecture, dataset) for part in parts]


def _study(part: Part, size: str, architecture: Architecture, dataset: str | None) -> Study:
    settings: dict[str, Any] = {
        "smoothness": True,
        "dataset": [dataset] if dataset is not None else list(part.datasets),
        "architecture": architecture,
        "num_layers": list(part.depths),
        "hidden_channels": part.hidden_channels,
        "epochs": part.epochs,
        "lr": part.lr,
        "batch_norm": part.batch_norm,
        "unit_gain": not part.batch_norm,
        # One distribution for all arms: scale alone changes smoothing (arXiv 2406.02269).
        "weight_init": "skc",
    }
    place = "" if dataset is None else "-" + re.sub(r"[^\w.-]+", "-", Path(dataset).stem)
    return Study(
        name=f"conjecture-{architecture}-{size}-{part.name}{place}",
        title=f"Does freezing counter over-smoothing? {part.name}",
        x="num_layers",
        panel="dataset",
        seeds=part.seeds,
        settings=settings,
        arms={name: ARMS[name] for name in part.arms},
    )


def run_of(cell: Cell, record: Record) -> Run:
    """A record as a line of the verdict's table."""
    assert record.profile is not None
    config = record.spec.config
    found = {**endpoints(record.profile), ACCURACY: record.measured[ACCURACY]}
    return Run(
        dataset=record.spec.dataset,
        depth=config.num_layers,
        batch_norm=config.batch_norm,
        arm=cell.arm,
        freezing_ratio=cell.axes.get("freezing_ratio") if cell.arm == FROZEN else None,
        seed=config.seed,
        endpoints={name: math.nan if value is None else value for name, value in found.items()},
    )
