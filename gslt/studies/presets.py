"""Studies that reproduce every figure and table of the Frozen paper (arXiv 2402.14029)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from gslt.config import Architecture, check_choice
from gslt.studies.study import Study

Preset = Literal["table", "sparsity", "window", "freezing", "width", "size"]
Size = Literal["quick", "standard", "paper"]

#: Settings of the dense source with each initialisation; the paper leaves Kaiming uniform unscaled.
INITS: dict[str, dict[str, Any]] = {
    "SKC": {"weight_init": "skc"},
    "KU": {"weight_init": "ku", "scale": "none"},
}
TRAINED = {"method": "train"}
#: Freezing ratio of the frozen and the sparse sources that are compared with the dense one.
FROZEN = 0.4
#: Settings of the sources that are compared, each with its ticket.
SOURCES: dict[str, dict[str, Any]] = {
    "dense source": {"sparsity": 0.5},
    # All frozen weights pruned, and the sparsity in the middle of what is left.
    "sparse source": {"freezing_ratio": FROZEN, "prune_share": 1.0, "window_position": 0.5},
    "frozen source": {"freezing_ratio": FROZEN, "sparsity": 0.5},
}


@dataclass(frozen=True)
class Scale:
    """How large a preset is: what it costs, and how finely its axes are sampled."""

    dataset: str
    """Name of the data set."""
    epochs: int
    hidden_channels: int
    lr: float
    seeds: int
    """Number of seeds, from 0."""
    steps: int
    """Largest number of values on an axis."""
    widths: tuple[int, ...]
    """Values of ``hidden_channels`` where that is an axis."""


SCALES: dict[str, Scale] = {
    # A few epochs at a fast rate: enough to see the shape of a figure.
    "quick": Scale("debian", 16, 64, 0.05, 2, 3, (32, 64)),
    "standard": Scale("debian", 100, 386, 0.02, 3, 7, (97, 193, 386)),
    "paper": Scale("ogbn-arxiv", 400, 386, 0.01, 3, 9, (193, 386, 772)),
}


def preset(
    name: Preset,
    size: Size = "standard",
    *,
    architecture: Architecture = "gin",
    dataset: str | None = None,
) -> Study:
    """A study of the paper.

    Args:
        name: which figure or table, see :data:`PRESETS`.
        size: ``quick`` takes minutes on a CPU, ``standard`` an evening on two cores, ``paper`` has
            the paper's epochs, width and seeds, on OGBN-Arxiv.
        architecture: message passing.
        dataset: name or path; default: of the size.

    Returns:
        A study named ``<name>-<architecture>-<size>``, and the data set where it is not the size's.

    Raises:
        ConfigError: for a name or size that does not exist.

    >>> study = preset("table", "quick")
    >>> study.name, len(study.arms), len(study.runs)
    ('table-gin-quick', 9, 18)
    """
    check_choice("preset", name, get_args(Preset))
    check_choice("size", size, get_args(Size))
    scale = SCALES[size]
    title, x, panel, arms = PRESETS[name](scale)
    settings = {
        "dataset": dataset or scale.dataset,
        "architecture": architecture,
        "epochs": scale.epochs,
        "hidden_channels": scale.hidden_channels,
        "lr": scale.lr,
    }
    place = "" if dataset in (None, scale.dataset) else f"-{Path(str(dataset)).stem}"
    return Study(
        name=f"{name}-{architecture}-{size}{place}",
        title=title,
        x=x,
        panel=panel,
        seeds=scale.seeds,
        settings=settings,
        arms=arms,
    )


Parts = tuple[str, str, str, dict[str, dict[str, Any]]]


def _table(scale: Scale) -> Parts:
    arms: dict[str, dict[str, Any]] = {"weight training": TRAINED}
    sources = {
        **SOURCES,
        # The paper's GIN is best in the dense range, where locking matters.
        "frozen source, dense range": {"freezing_ratio": 0.2, "sparsity": 0.2},
    }
    for source, settings in sources.items():
        for init, more in INITS.items():
            arms[f"{source}, {init}"] = {**settings, **more}
    return "Weight training and tickets of dense, sparse and frozen sources", "", "", arms


def _sparsity(scale: Scale) -> Parts:
    values = _between(0.1, 0.9, scale.steps)
    arms = {f"dense source, {init}": {**more, "sparsity": values} for init, more in INITS.items()}
    return (
        "Accuracy against sparsity, dense source",
        "sparsity",
        "",
        {"weight training": TRAINED, **arms},
    )


def _window(scale: Scale) -> Parts:
    shares = {3: (0.0, 0.5, 1.0)}.get(scale.steps, (0.0, 0.25, 0.5, 0.75, 1.0))
    positions = _between(0.1, 0.9, min(scale.steps, 5))
    arms = {
        f"{100 * share:.0f} : {100 * (1 - share):.0f}": {
            "freezing_ratio": FROZEN,
            "prune_share": share,
            "window_position": positions,
            "allocation": ["epl", "erk"],
        }
        for share in shares
    }
    title = f"Position of the search window: pruned : locked, freezing ratio {FROZEN:g}"
    return title, "sparsity", "allocation", arms


def _freezing(scale: Scale) -> Parts:
    ratios = _freezing_ratios(scale)
    scenarios = {"all locked": 0.0, "half and half": 0.5, "all pruned": 1.0}
    arms = {
        name: {"freezing_ratio": ratios, "prune_share": share, "window_position": 0.5}
        for name, share in scenarios.items()
    }
    return (
        "Accuracy against freezing ratio, sparsity in the middle of the window",
        "freezing_ratio",
        "",
        {"weight training": TRAINED, **arms},
    )


def _width(scale: Scale) -> Parts:
    widths = {"hidden_channels": list(scale.widths)}
    arms = {name: {**settings, **widths} for name, settings in SOURCES.items()}
    return "Accuracy against search space, over widths", "searched", "", arms


def _size(scale: Scale) -> Parts:
    ratios = _freezing_ratios(scale)
    arms: dict[str, dict[str, Any]] = {
        "weight training": {**TRAINED, "hidden_channels": list(scale.widths)}
    }
    for init, more in INITS.items():
        arms[f"frozen source, {init}"] = {**more, "sparsity": 0.5, "freezing_ratio": ratios}
    return "Accuracy against model size", "model_bytes", "", arms


PRESETS: dict[str, Callable[[Scale], Parts]] = {
    "table": _table,
    "sparsity": _sparsity,
    "window": _window,
    "freezing": _freezing,
    "width": _width,
    "size": _size,
}


def _freezing_ratios(scale: Scale) -> list[float]:
    return _between(0.0, 0.8 if scale.steps > 3 else 0.6, min(scale.steps, 5))


def _between(low: float, high: float, steps: int) -> list[float]:
    """Evenly spaced values, both ends included, of two decimals."""
    return [round(low + (high - low) * i / (steps - 1), 2) for i in range(steps)]
