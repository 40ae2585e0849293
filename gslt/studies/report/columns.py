"""What the columns of a study mean, and in which unit people read them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Quantity:
    """How a column is written on an axis."""

    label: str
    factor: float = 1.0
    """What its values are multiplied by."""
    log: bool = False
    """Whether its axis is logarithmic: sizes, counts and times."""


QUANTITIES: dict[str, Quantity] = {
    "arm": Quantity("arm"),
    "test_accuracy": Quantity("test accuracy (%)", 100),
    "val_accuracy": Quantity("validation accuracy (%)", 100),
    "train_accuracy": Quantity("training accuracy (%)", 100),
    "sparsity": Quantity("sparsity (fraction of weights removed)"),
    "density": Quantity("density (fraction of weights kept)"),
    "prune_ratio": Quantity("pruning ratio"),
    "lock_ratio": Quantity("locking ratio"),
    "freezing_ratio": Quantity("freezing ratio (pruned + locked)"),
    "prune_share": Quantity("share of the frozen weights that is pruned"),
    "window_position": Quantity("position of the sparsity in the search window"),
    "search_space": Quantity("search space (fraction of weights)"),
    "searched": Quantity("search space (number of weights)", log=True),
    "num_weights": Quantity("parameters of the network", log=True),
    "model_bytes": Quantity("model size in kB: mask bits, or float32 weights", 1e-3, log=True),
    "file_bytes": Quantity("ticket file in kB", 1e-3, log=True),
    "times_smaller": Quantity("times smaller than float32 weights", log=True),
    "hidden_channels": Quantity("width (hidden channels)", log=True),
    "num_layers": Quantity("layers"),
    "lr": Quantity("learning rate", log=True),
    "weight_decay": Quantity("weight decay"),
    "epochs": Quantity("epochs", log=True),
    "best_epoch": Quantity("epoch of the best validation accuracy"),
    "seconds": Quantity("time of a run in seconds", log=True),
    "weight_init": Quantity("initialisation"),
    "dataset": Quantity("data set"),
    "log_quotient": Quantity("log of the centred Rayleigh quotient, last hidden layer"),
    "log_quotient_slope": Quantity("log of the centred Rayleigh quotient, slope per layer"),
    "rayleigh_quotient": Quantity("Rayleigh quotient, last hidden layer"),
    "collapse": Quantity("collapse (0: total), last hidden layer"),
    "collapse_slope": Quantity("collapse, slope per layer"),
    "effective_rank": Quantity("effective rank, last hidden layer"),
    "effective_rank_slope": Quantity("effective rank, slope per layer"),
    "numerical_rank": Quantity("numerical rank, last hidden layer"),
    "mad": Quantity("mean cosine distance of neighbours, last hidden layer"),
}


def quantity(column: str) -> Quantity:
    """How a column is written; one that has no entry keeps its name."""
    return QUANTITIES.get(column, Quantity(column.replace("_", " ")))
