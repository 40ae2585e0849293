"""Studies that reproduce every figure and table of the Frozen paper (arXiv 2402.14029).

And the comparison of random sources of the ER paper (arXiv 2210.02412), and the table of the
equivariant paper (arXiv 2206.04270), target against constructed ticket.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from gslt.config import VISION, Architecture, Preset, Size
from gslt.errors import ConfigError
from gslt.freezing import ALLOCATIONS
from gslt.freezing.allocation import FALLING_SHORT
from gslt.settings import check_choice
from gslt.studies.study import Study, name_of_dataset
from gslt.theory.config import NODES
from gslt.theory.existence import own_dataset

#: Settings of the dense source with each initialisation; the paper leaves Kaiming uniform unscaled.
_INITS: dict[str, dict[str, Any]] = {
    "SKC": {"weight_init": "skc"},
    "KU": {"weight_init": "ku", "scale": "none"},
}
_TRAINED = {"method": "train"}
#: Share of the frozen weights that is pruned; the rest is locked.
SHARES = {"all locked": 0.0, "half and half": 0.5, "all pruned": 1.0}
_QUARTERS = {"a quarter pruned": 0.25, "three quarters pruned": 0.75}
#: Freezing ratio of the frozen and the sparse sources that are compared with the dense one.
_FROZEN = 0.4


def sources(
    freezing_ratio: float, position: float = 0.5, prune_share: float = 0.5
) -> dict[str, dict[str, Any]]:
    """Settings of the sources that are compared, each with its ticket, by name.

    Every ticket is at the same place in the search window of its own source, and the sparse and the
    frozen source have search spaces of one size. At one common sparsity they would stand at
    different places of their windows, and the place decides (docs/studies.md).

    >>> sources(0.4)["sparse source"]
    {'freezing_ratio': 0.4, 'prune_share': 1.0, 'window_position': 0.5}

    Args:
        freezing_ratio: of the frozen source, and pruning ratio of the sparse one.
        position: of the sparsity in each window, 0.5 is its middle; of the dense source it is the
            sparsity.
        prune_share: share of the frozen source's frozen weights that is pruned.
    """
    shares = {"sparse source": 1.0, "frozen source": prune_share}
    frozen = {
        name: {"freezing_ratio": freezing_ratio, "prune_share": share, "window_position": position}
        for name, share in shares.items()
    }
    return {"dense source": {"sparsity": position}, **frozen}


#: The same run as with half of it pruned in the middle, written as studies that exist have it.
_CENTRED = {"frozen source": {"freezing_ratio": _FROZEN, "sparsity": 0.5}}
_SOURCES: dict[str, dict[str, Any]] = {**sources(_FROZEN), **_CENTRED}


#: The paper's GIN is best in the dense range, where locking matters.
_OF_GIN = {"frozen source, dense range": {"freezing_ratio": 0.2, "sparsity": 0.2}}
#: Its Conv6 is best at middle sparsity, and tells how much freezing costs; its ResNet-18 is best in
#: the sparse range, where pruning matters.
_BY_FREEZING = {
    f"frozen source, F = {ratio:g}": {"freezing_ratio": ratio, "sparsity": 0.5}
    for ratio in (0.2, 0.6, 0.8)
}
_OF_RESNET = {
    **_BY_FREEZING,
    "frozen source, sparse range": {"freezing_ratio": 0.2, "sparsity": 0.8},
}


@dataclass(frozen=True)
class SizeSettings:
    """How large a preset is: what it costs, and how finely its axes are sampled."""

    dataset: str
    """Name of the data set."""
    epochs: int
    width: float
    """Value of ``axis``."""
    lr: float
    seeds: int
    """Number of seeds, from 0."""
    steps: int
    """Largest number of values on an axis."""
    widths: tuple[float, ...]
    """Values of ``axis`` where that varies."""
    shares: Mapping[str, float] = field(default_factory=lambda: SHARES)
    """Shares of the frozen weights that are pruned, by name, in the figures of the window."""
    axis: str = "hidden_channels"
    """Setting that says how wide a network is."""
    sources: Mapping[str, Mapping[str, float]] = field(default_factory=lambda: _OF_GIN)
    """Sources of the table beside those that every table has, by name."""
    trained: Mapping[str, Any] = field(default_factory=lambda: _TRAINED)
    """Settings of weight training."""
    schemes: tuple[str, ...] = tuple(ALLOCATIONS)
    """Allocations in the figure of random sources."""
    sparsities: tuple[float, ...] = (0.5, 0.75, 0.9, 0.95, 0.98, 0.99)
    """Values on its axis."""


_SIZES: dict[str, SizeSettings] = {
    # A few epochs at a fast rate: enough to see the shape of a figure.
    "quick": SizeSettings(
        *("debian", 16, 64, 0.05, 2, 3, (32, 64)),
        schemes=("uniform", "erk", "epl"),
        sparsities=(0.5, 0.9, 0.99),
    ),
    # With six seeds a paired test can fall below p = 0.05; with five it cannot.
    "standard": SizeSettings("debian", 60, 128, 0.05, 6, 9, (64, 128, 256)),
    "paper": SizeSettings(
        "ogbn-arxiv", 400, 386, 0.01, 3, 9, (193, 386, 772), {**SHARES, **_QUARTERS}
    ),
}


#: The same of networks of images. Quick and standard ones are a part as wide as the paper's, on a
#: part of CIFAR-10: of the training files' images those to train and to validate on, and of the
#: test files'. A search keeps its rate of 0.1 throughout.
_IMAGE_SIZES: dict[str, SizeSettings] = {
    "quick": SizeSettings(
        *("cifar10?fractions=0.04,0.02,0.1", 8, 0.125, 0.1, 2, 3, (0.125, 0.25)),
        axis="width",
        schemes=("uniform", "erk", "epl"),
        sparsities=(0.5, 0.9, 0.99),
    ),
    "standard": SizeSettings(
        "cifar10?fractions=0.1,0.05,0.2", 30, 0.25, 0.1, 6, 5, (0.125, 0.25, 0.5), axis="width"
    ),
    "paper": SizeSettings(
        "cifar10", 100, 1.0, 0.1, 3, 9, (0.5, 1.0, 2.0), {**SHARES, **_QUARTERS}, axis="width"
    ),
}


#: Data set of a preset of graphs that has another one than its size, where that is not the paper's.
_DATASETS: dict[str, str] = {"er": "cora"}


def sizes_of(size: Size, architecture: Architecture) -> SizeSettings:
    """How large a preset of an architecture is.

    Weights of plain convolutions, which have no norm, are trained at a tenth of the rate of a
    search: at 0.1 Conv6 stays at chance.

    Args:
        size: a key of the table of its kind.
        architecture: of a graph, or of images.
    """
    if architecture not in VISION:
        return _SIZES[size]
    if architecture.startswith("resnet"):
        return replace(_IMAGE_SIZES[size], sources=_OF_RESNET)
    trained = {**_TRAINED, "lr": 0.01}
    return replace(_IMAGE_SIZES[size], sources=_BY_FREEZING, trained=trained)


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
        size: ``quick`` takes minutes on a CPU; ``standard`` half an hour to two hours on two cores,
            with seeds enough for an ordering, a third as wide as the paper's networks; ``paper``
            has the paper's epochs, width and seeds, on OGBN-Arxiv.
        architecture: of a graph, or of images: then ``quick`` and ``standard`` are on a part of
            CIFAR-10, an eighth and a quarter as wide as the paper's networks.
        dataset: name or path; default: of the size.

    Returns:
        A study named ``<name>-<architecture>-<size>``, and the data set where it is not the size's.
        Of ``construction`` architecture and data set are those of its message passing.

    Raises:
        ConfigError: for a name or size that does not exist, or an architecture that the preset
            does not have.

    >>> study = preset("table", "quick")
    >>> study.name, len(study.arms), len(study.runs)
    ('table-gin-quick', 9, 18)
    """
    check_choice("preset", name, get_args(Preset))
    check_choice("size", size, get_args(Size))
    if name == "construction":
        return _construction(size, architecture, dataset)
    sizes = sizes_of(size, architecture)
    title, x, panel, arms = PRESETS[name](sizes)
    own = {} if size == "paper" or architecture in VISION else _DATASETS
    usual = own.get(name, sizes.dataset)
    settings = {
        "dataset": dataset or usual,
        "architecture": architecture,
        "epochs": sizes.epochs,
        sizes.axis: sizes.width,
        "lr": sizes.lr,
    }
    place = "" if dataset is None or dataset == usual else f"-{name_of_dataset(dataset)}"
    return Study(
        name=f"{name}-{architecture}-{size}{place}",
        title=title,
        x=x,
        panel=panel,
        seeds=sizes.seeds,
        settings=settings,
        arms=arms,
    )


_Parts = tuple[str, str, str, dict[str, Any]]


def _table(sizes: SizeSettings) -> _Parts:
    arms: dict[str, dict[str, Any]] = {"weight training": dict(sizes.trained)}
    for source, settings in {**_SOURCES, **sizes.sources}.items():
        for init, more in _INITS.items():
            arms[f"{source}, {init}"] = {**settings, **more}
    return "Weight training and tickets of dense, sparse and frozen sources", "", "", arms


def _sparsity(sizes: SizeSettings) -> _Parts:
    values = _between(0.1, 0.9, sizes.steps)
    arms = {f"dense source, {init}": {**more, "sparsity": values} for init, more in _INITS.items()}
    return (
        "Accuracy against sparsity, dense source",
        "sparsity",
        "",
        {"weight training": dict(sizes.trained), **arms},
    )


def _window(sizes: SizeSettings) -> _Parts:
    # By position and not by sparsity: what is compared is at one place of each window. At one
    # sparsity the sparse end of one window would meet the dense end of another.
    arms = {
        name: {
            "freezing_ratio": _FROZEN,
            "prune_share": share,
            "window_position": _positions(sizes),
            "allocation": ["epl", "erk"],
        }
        for name, share in sizes.shares.items()
    }
    title = f"Position in the search window, by what is frozen, freezing ratio {_FROZEN:g}"
    return title, "sparsity", "allocation", arms


def _locking(sizes: SizeSettings) -> _Parts:
    ratio = _FROZEN / 2
    # The windows of all shares overlap from sparsity F to 1 − F.
    sparsities = _inside(ratio, 1 - 2 * ratio, sizes)
    arms: dict[str, dict[str, Any]] = {"dense source": {"sparsity": sparsities}}
    for name, share in sizes.shares.items():
        settings = {"freezing_ratio": ratio, "prune_share": share}
        arms[name] = {**settings, "sparsity": sparsities}
    title = f"Pruned or locked at equal sparsity, freezing ratio {ratio:g}"
    return title, "sparsity", "", arms


def _freezing(sizes: SizeSettings) -> _Parts:
    ratios = _freezing_ratios(sizes)
    arms = {
        name: {"freezing_ratio": ratios, "prune_share": share, "window_position": 0.5}
        for name, share in SHARES.items()
    }
    return (
        "Accuracy against freezing ratio, sparsity in the middle of the window",
        "freezing_ratio",
        "",
        {"weight training": dict(sizes.trained), **arms},
    )


def _width(sizes: SizeSettings) -> _Parts:
    widths = {sizes.axis: list(sizes.widths)}
    arms = {name: {**settings, **widths} for name, settings in _SOURCES.items()}
    return "Accuracy against search space, over widths", "searched", "", arms


def _size(sizes: SizeSettings) -> _Parts:
    ratios = _freezing_ratios(sizes)
    arms: dict[str, dict[str, Any]] = {
        "weight training": {**sizes.trained, sizes.axis: list(sizes.widths)}
    }
    for init, more in _INITS.items():
        arms[f"frozen source, {init}"] = {**more, "sparsity": 0.5, "freezing_ratio": ratios}
    return "Accuracy against model size", "model_bytes", "", arms


def _er(sizes: SizeSettings) -> _Parts:
    removed, schemes = list(sizes.sparsities), {"allocation": list(sizes.schemes)}
    whole = [scheme for scheme in sizes.schemes if scheme not in FALLING_SHORT]
    weak: dict[str, Any] = {**sizes.trained, "mask_sparsity": removed, **schemes}
    arms: dict[str, Any] = {
        "weight training": dict(sizes.trained),
        "weak ticket": weak,
        "dynamic sparse training": {**weak, "rewire_every": max(2, sizes.epochs // 20)},
        # A dense source has no allocation. One threshold for all of its layers may leave one of
        # them without a weight; one for each layer cannot.
        "strong ticket, dense source": {"sparsity": removed},
        "strong ticket, dense by layer": {"sparsity": removed, "threshold": "layer"},
        # The search removes half of what the source has left; in a source of a scheme that falls
        # short that is nothing or too much.
        "strong ticket, sparse source": {
            "freezing_ratio": [round(2 * s - 1, 4) for s in removed if s > 0.5],
            "prune_share": 1.0,
            "window_position": 0.5,
            "allocation": whole,
        },
        # Half as many weights to search, and of the rest as many locked as are kept of them.
        "strong ticket, frozen source": [
            {"sparsity": s, "freezing_ratio": s, "allocation": whole} for s in removed if s > 0.5
        ],
    }
    title = "Random sources: weak, rewired and strong tickets by allocation"
    # Logarithmic: what is left at sparsity 0.99 is half of what is left at 0.98.
    return title, "density", "allocation", arms


#: Targets of constructions in words.
_TARGETS = {
    "gin": "GIN",
    "gcn": "GCN",
    "sage": "GraphSAGE",
    "ign2": "2-order graph network",
    "c4cnn": "C4-steerable CNN",
    "d4cnn": "D4-steerable CNN",
    "cnn": "CNN",
    "mlp": "MLP",
}
#: Sources that the tickets are in.
_CONSTRUCTED: dict[str, dict[str, Any]] = {
    "dense source": {},
    "sparse source": {"freezing_ratio": 0.5, "prune_share": 1.0},
    "frozen source": {"freezing_ratio": [0.25, 0.5, 0.75], "prune_share": 0.5},
}


@dataclass(frozen=True)
class _Constructions:
    """How large the preset of constructions is."""

    passing: int | None
    """Width of message passing."""
    widths: Mapping[str, int | None]
    """Width of the other targets; None: their own."""
    seeds: int


_CONSTRUCTIONS: dict[str, _Constructions] = {
    "quick": _Constructions(6, {"ign2": 3, "c4cnn": 3}, 1),
    "standard": _Constructions(8, {"ign2": None, "c4cnn": 6, "d4cnn": 4}, 3),
    "paper": _Constructions(None, dict.fromkeys(("ign2", "c4cnn", "d4cnn", "cnn", "mlp")), 3),
}


def _construction(size: Size, architecture: Architecture, dataset: str | None) -> Study:
    """Target against constructed ticket, in sources that are more and more frozen."""
    if architecture not in NODES:
        raise ConfigError(
            f"message passing of the preset construction is {', '.join(NODES)}, got "
            f"{architecture!r}; its other targets are there whatever it is"
        )
    sizes = _CONSTRUCTIONS[size]
    arms: dict[str, dict[str, Any]] = {}
    for target, width in {architecture: sizes.passing, **sizes.widths}.items():
        own: dict[str, Any] = {"target": target}
        own |= {} if width is None else {"hidden_channels": width}
        own |= {} if dataset is None or target not in NODES else {"dataset": dataset}
        for source, settings in _CONSTRUCTED.items():
            arms[f"{_TARGETS[target]}, {source}"] = copy.deepcopy({**own, **settings})
    usual = dataset in (None, own_dataset(architecture))
    place = "" if dataset is None or usual else f"-{name_of_dataset(dataset)}"
    return Study(
        name=f"construction-{architecture}-{size}{place}",
        title="Constructed tickets against their targets, and what freezing costs",
        x="freezing_ratio",
        panel="target",
        seeds=sizes.seeds,
        settings={"method": "construct", "epsilon": [0.1, 0.01, 0.001]},
        arms=arms,
    )


PRESETS: dict[str, Callable[[SizeSettings], _Parts]] = {
    "table": _table,
    "sparsity": _sparsity,
    "window": _window,
    "locking": _locking,
    "freezing": _freezing,
    "width": _width,
    "size": _size,
    "er": _er,
}


def _freezing_ratios(sizes: SizeSettings) -> list[float]:
    return _between(0.0, 0.8 if sizes.steps > 3 else 0.6, min(sizes.steps, 5))


def _positions(sizes: SizeSettings) -> list[float]:
    """Places in a search window, its middle among them, without the ends: nothing to search."""
    steps = 5 if sizes.steps > 5 else 3
    return [(1 + 4 * i / (steps - 1)) / 6 for i in range(steps)]


def _inside(low: float, width: float, sizes: SizeSettings) -> list[float]:
    """Sparsities of a search window, its middle among them, without the ends: nothing to search."""
    return _between(low + width / 6, low + 5 * width / 6, min(sizes.steps, 5))


def _between(low: float, high: float, steps: int) -> list[float]:
    """Evenly spaced values, both ends included, of two decimals."""
    return [round(low + (high - low) * i / (steps - 1), 2) for i in range(steps)]
