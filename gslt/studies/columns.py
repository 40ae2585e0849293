"""The columns of runs: what each holds, and how it is written on an axis and over a table."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any

import numpy as np
from msgspec import Meta

from gslt.config import RunConfig, SearchConfig, TrainConfig, WeightInit
from gslt.data.metrics import ACCURACY, reworded
from gslt.diagnostics import MEASURES
from gslt.errors import ConfigError, nearest
from gslt.freezing import FrozenCounts
from gslt.theory.config import ConstructionConfig
from gslt.ticket import Ticket
from gslt.ticket.ticket import TicketSize
from gslt.training.results import AT_BEST, AT_LAST, Result


@dataclass(frozen=True)
class Column:
    """How a column is written."""

    label: str
    """On an axis, with the unit."""
    factor: float = 1.0
    """What its values are multiplied by for people: accuracies are fractions and shown in %."""
    log: bool = False
    """Whether its axis is logarithmic: sizes, counts and times."""
    heading: str = ""
    """Over a table; empty: its name with blanks."""


#: The primary endpoint: the logarithm of the centred Rayleigh quotient, last hidden layer.
LOG_QUOTIENT = "log_quotient"
#: Logarithm of the uncentred one, an endpoint beside it.
LOG_UNCENTRED_QUOTIENT = "log_uncentred_quotient"

COLUMNS: dict[str, Column] = {
    "test_accuracy": Column("test accuracy (%)", 100, heading="test accuracy (%)"),
    "val_accuracy": Column("validation accuracy (%)", 100, heading="validation (%)"),
    "train_accuracy": Column("training accuracy (%)", 100, heading="training (%)"),
    "test_loss": Column("test loss (nats)"),
    "val_loss": Column("validation loss (nats)"),
    "train_loss": Column("training loss (nats)"),
    "last_test_accuracy": Column("test accuracy at the last epoch (%)", 100),
    "last_val_accuracy": Column("validation accuracy at the last epoch (%)", 100),
    "last_train_accuracy": Column("training accuracy at the last epoch (%)", 100),
    "last_test_loss": Column("test loss at the last epoch (nats)"),
    "last_val_loss": Column("validation loss at the last epoch (nats)"),
    "last_train_loss": Column("training loss at the last epoch (nats)"),
    "sparsity": Column("sparsity (fraction of weights removed)"),
    "density": Column("density (fraction of weights kept)", log=True),
    "least_layer_density": Column("density of the sparsest layer", heading="sparsest layer"),
    "emptied_layers": Column("layers that have lost every weight", heading="lost layers"),
    "prune_ratio": Column("pruning ratio"),
    "lock_ratio": Column("locking ratio"),
    "freezing_ratio": Column("freezing ratio (pruned + locked)"),
    "prune_share": Column("share of the frozen weights that is pruned"),
    "window_position": Column("position of the sparsity in the search window"),
    "search_space": Column("search space (fraction of weights)"),
    "searched": Column("search space (number of weights)", log=True),
    "num_weights": Column("parameters of the network", log=True),
    "model_bytes": Column("model size in kB: mask bits, or float32 weights", 1e-3, log=True),
    "file_bytes": Column("ticket file in kB", 1e-3, log=True),
    "times_smaller": Column("times smaller than float32 weights", log=True),
    "hidden_channels": Column("width (hidden channels)", log=True),
    "num_layers": Column("layers", heading="layers"),
    "lr": Column("learning rate", log=True),
    "epochs": Column("epochs", log=True),
    "best_epoch": Column("epoch of the best validation accuracy"),
    "last_epoch": Column("last epoch"),
    "seconds": Column("time of a run in seconds", log=True),
    "weight_init": Column("initialisation"),
    "target_test_accuracy": Column("test accuracy of the target (%)", 100),
    "same_class": Column("examples that target and ticket class alike (%)", 100),
    "output_error": Column("largest output error", log=True),
    "error_bound": Column("largest output error that the coefficients allow", log=True),
    "equivariance_defect": Column("equivariance defect", log=True),
    "target_weights": Column("weights of the target", log=True),
    "searched_per_target_weight": Column(
        "random weights to choose from for each of the target", log=True
    ),
    "random_per_target_weight": Column(
        "random weights for each of the target, first matrices among them", log=True
    ),
    "random_channels": Column("random channels in the place of one", log=True),
    "channels_for_99": Column("random channels for 99 % of the coefficients, simulated", log=True),
    "law_for_99": Column("random channels for 99 % of the coefficients, predicted", log=True),
    "epsilon": Column("ε, the output error asked for", log=True),
    "dataset": Column("data set", heading="data set"),
    LOG_QUOTIENT: Column(
        "ln of the centred Rayleigh quotient, last hidden layer", heading="ln centred quotient"
    ),
    f"{LOG_QUOTIENT}_slope": Column(
        "ln of the centred Rayleigh quotient, slope per layer", heading="ln centred quotient slope"
    ),
    LOG_UNCENTRED_QUOTIENT: Column(
        "ln of the uncentred Rayleigh quotient, last hidden layer", heading="ln uncentred quotient"
    ),
}


def column(name: str, metric: str = ACCURACY) -> Column:
    """How a column is written; one without an entry of its own keeps its name.

    Endpoints are written as the registry of measures says, :data:`gslt.diagnostics.MEASURES`.

    Args:
        name: of the column, such as ``test_accuracy``, a setting, a measure or
            ``<measure>_slope``.
        metric: what ``…_accuracy`` holds in these runs.

    >>> column("test_accuracy", "roc_auc").label
    'test ROC AUC (%)'
    >>> column("effective_rank").label
    'effective rank, last hidden layer'
    >>> column("batch_norm").label
    'batch norm'
    """
    if name in COLUMNS:
        found = COLUMNS[name]
        label, over = (reworded(words, metric) for words in (found.label, found.heading))
        return found if metric == ACCURACY else replace(found, label=label, heading=over)
    measure = MEASURES.get(name.removesuffix("_slope"))
    if measure is None:
        return Column(name.replace("_", " "))
    if name.endswith("_slope"):
        return Column(f"{measure.label}, slope per layer", heading=f"{measure.label} slope")
    unit = f" ({measure.unit})" if measure.unit else ""
    return Column(f"{measure.label}{unit}, last hidden layer", heading=measure.label)


def heading(name: str, metric: str = ACCURACY) -> str:
    """What stands over a column of a table, see :func:`column`.

    Args:
        name: of the column.
        metric: what accuracies are: a key of :data:`gslt.data.metrics.METRICS`.

    >>> heading("log_quotient")
    'ln centred quotient'
    >>> heading("mad")
    'MAD'
    """
    return column(name, metric).heading or name.replace("_", " ")


#: Columns of runs that are no settings and not measured, and can stand on an axis.
_FACTS = (
    "method",
    "dataset",
    "split",
    "graph",
    "metric",
    "synthetic",
    "hardware",
    "smoothness",
    "trajectory",
)
_DERIVED = ("prune_share", "window_position")
_NO_AXIS = ("seed", "runs", "device")


def check_column(name: str, what: str, *, smoothness: bool) -> None:
    """Refuse a column of a figure that no run will have, before the first run.

    >>> check_column("sparcity", "x", smoothness=False)
    Traceback (most recent call last):
    gslt.errors.ConfigError: x must be a column of runs, got 'sparcity' (did you mean sparsity?)

    Args:
        name: of the column, see :func:`gslt.studies.frame`.
        what: it is for: ``x`` or ``panel``.
        smoothness: whether some run measures over-smoothing.

    Raises:
        ConfigError: if there is none of this name, or only where over-smoothing is measured.
    """
    kinds = (SearchConfig, TrainConfig, ConstructionConfig)
    settings = {field.name for kind in kinds for field in fields(kind)}
    logs = (LOG_QUOTIENT, LOG_UNCENTRED_QUOTIENT)
    ends = {*logs, *(name for name, measure in MEASURES.items() if measure.endpoint)}
    drops = {f"{name}_drop" for name, measure in MEASURES.items() if measure.drop}
    slopes = {LOG_QUOTIENT, *(name for name, measure in MEASURES.items() if measure.slope)}
    endpoints = ends | drops | {f"{name}_slope" for name in slopes}
    known = settings.union(COLUMNS, endpoints, _FACTS, _DERIVED).difference(_NO_AXIS)
    if name not in known:
        hint = nearest(name, sorted(known))
        raise ConfigError(f"{what} must be a column of runs, got {name!r}{hint}")
    if name in endpoints and not smoothness:
        raise ConfigError(f"{what} is {name!r}, which only runs with smoothness: true have")


def named(arm: str, axes: Mapping[str, Any]) -> str:
    """An arm and where on its axes.

    Args:
        arm: its name.
        axes: values by the name of what is varied, a missing one where nothing is set; empty for an
            arm that varies nothing.

    >>> named("dense source", {"sparsity": 0.5})
    'dense source, sparsity 0.5'
    """
    places = (
        f"{name.replace('_', ' ')} {shown(value)}"
        for name, value in axes.items()
        if not is_missing(value)
    )
    return ", ".join([arm, *places])


def shown_name(name: str, graph: Mapping[str, Any]) -> str:
    """Name of a graph, with the word synthetic where its facts say so.

    Args:
        name: of the graph.
        graph: facts about it, :meth:`gslt.NodeDataset.info`.

    >>> shown_name("blocks", {"synthetic": True})
    'blocks (synthetic)'
    """
    unsaid = graph.get("synthetic") and "synthetic" not in name.lower()
    return f"{name} (synthetic)" if unsaid else name


def shown(value: Any) -> str:
    """A value of an axis in a label or a table.

    >>> shown(0.5), shown(4), shown("erk")
    ('0.5', '4', 'erk')
    """
    return f"{value:g}" if is_number(value) else str(value)


def span(numbers: Collection[int]) -> str:
    """The number that all are, or the smallest and the largest.

    >>> span([3, 3]), span([5, 2, 3])
    ('3', '2 to 5')
    """
    return " to ".join(str(number) for number in dict.fromkeys((min(numbers), max(numbers))))


def is_number(value: object) -> bool:
    """Whether a value is a finite number, and not a truth value.

    >>> is_number(1), is_number(True), is_number(float("nan"))
    (True, False, False)
    """
    number = isinstance(value, int | float | np.integer | np.floating)
    return number and not isinstance(value, bool) and math.isfinite(value)  # type: ignore[arg-type]


def is_missing(value: object) -> bool:
    """Whether a value of a frame is missing: None, NaN or NA.

    >>> is_missing(None), is_missing(float("nan")), is_missing(0)
    (True, True, False)
    """
    import pandas as pd

    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


#: Rounding to whole weights and back may go beyond 1 by as much.
_Ratio = Annotated[float, Meta(ge=0, le=1 + 1e-9)]
_Accuracy = Annotated[float, Meta(ge=0, le=1)]
#: Whole numbers that a column of numbers holds exactly.
Count = Annotated[int, Meta(ge=0, le=2**53)]
_Size = Annotated[float, Meta(ge=0, le=2**53)]
_Loss = Annotated[float, Meta(ge=0)]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What :func:`measured` gives, as a record has to hold it."""

    test_accuracy: _Accuracy
    # None of a construction whose data has no such items, and which has no epochs.
    val_accuracy: _Accuracy | None
    train_accuracy: _Accuracy
    best_epoch: Annotated[int, Meta(ge=1, le=2**53)] | None
    weight_init: WeightInit
    sparsity: _Ratio
    density: _Ratio
    prune_ratio: _Ratio | None
    lock_ratio: _Ratio | None
    freezing_ratio: _Ratio | None
    searched: Count
    search_space: _Ratio
    num_weights: Count
    model_bytes: _Size
    times_smaller: _Size | None
    file_bytes: Count | None
    seconds: _Size
    # None in records of an older gslt, and where a loss is no finite number.
    train_loss: _Loss | None = None
    val_loss: _Loss | None = None
    test_loss: _Loss | None = None
    last_epoch: Annotated[int, Meta(ge=1, le=2**53)] | None = None
    last_train_accuracy: _Accuracy | None = None
    last_val_accuracy: _Accuracy | None = None
    last_test_accuracy: _Accuracy | None = None
    last_train_loss: _Loss | None = None
    last_val_loss: _Loss | None = None
    last_test_loss: _Loss | None = None
    # None in records of an older gslt.
    least_layer_density: _Ratio | None = None
    emptied_layers: Count | None = None


#: Means that a result has by these names.
_OWN_MEANS = ("test_accuracy", "val_accuracy")


def _ratios(config: RunConfig, ticket: Ticket | None) -> tuple[float, float] | tuple[None, None]:
    """Pruning and locking ratio; by the true counts where the config alone does not tell them."""
    if not isinstance(config, SearchConfig):
        return None, None
    told = ticket is None or (config.has_exact_counts and not ticket.pattern)
    report = None if ticket is None or told else ticket.report
    if report is None:
        return config.ratios
    part = FrozenCounts.sum(layer.counts for layer in report.layers if layer.takes_part)
    return part.pruned / max(part.total, 1), part.locked / max(part.total, 1)


def measured(result: Result) -> dict[str, Any]:
    """What a search or training found and what it costs: columns of every table.

    Accuracies and ratios are fractions, losses nats, sizes bytes, times seconds; the best run's
    ticket is measured. What does not begin with ``last_`` is of the epoch of the best validation
    accuracy.
    """
    ticket, config, best = result.ticket, result.config, result.best
    total = sum(p.numel() for p in result.model.parameters())
    prune, lock = _ratios(config, ticket)
    size = ticket.size() if ticket else None
    # Also before its first rewiring a mask that is rewired could keep any weight.
    everywhere = getattr(config, "rewire_every", 0) > 0
    return {
        "test_accuracy": result.test_accuracy,
        "val_accuracy": result.val_accuracy,
        **{name: result.mean(name) for name in (*AT_BEST, *AT_LAST) if name not in _OWN_MEANS},
        "best_epoch": best.best_epoch,
        "last_epoch": best.last_epoch,
        "weight_init": config.weight_init,  # type: ignore[attr-defined]
        **(size_columns(size) if size else _whole(total)),
        **({"searched": total, "search_space": 1.0} if everywhere else {}),
        "prune_ratio": prune,
        "lock_ratio": lock,
        "freezing_ratio": None if prune is None or lock is None else prune + lock,
        "seconds": best.seconds,
        **by_layer(ticket.kept_by_layer if ticket else {}),
    }


def size_columns(size: TicketSize) -> dict[str, Any]:
    """The columns that are the size of a ticket.

    Args:
        size: of the ticket.
    """
    return {
        "sparsity": size.sparsity,
        "density": size.density,
        "searched": size.searched,
        "search_space": size.search_space,
        "num_weights": size.total,
        "model_bytes": size.content_bytes,
        "times_smaller": size.ratio,
        "file_bytes": size.bytes,
    }


def _whole(total: int) -> dict[str, Any]:
    """The same of so many trained weights."""
    return {
        "sparsity": 0.0,
        "density": 1.0,
        "searched": total,
        "search_space": 1.0,
        "num_weights": total,
        "model_bytes": 4 * total,
        "times_smaller": 1.0,
        "file_bytes": None,
    }


def by_layer(kept: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    """Density of the sparsest layer, and how many layers have lost every weight.

    >>> by_layer({"wide": (30, 400), "narrow": (0, 20)})
    {'least_layer_density': 0.0, 'emptied_layers': 1}

    Args:
        kept: numbers of weights that are kept and that there are, of every layer that has lost
            some; empty where all weights are there.
    """
    densities = [left / total for left, total in kept.values() if total]
    emptied = sum(not density for density in densities)
    return {"least_layer_density": min(densities, default=1.0), "emptied_layers": emptied}
