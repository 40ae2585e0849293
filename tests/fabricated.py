"""Records with known numbers, made without running anything."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gslt.config import SearchConfig
from gslt.studies.records import StudyFolder
from gslt.studies.runs import Record
from gslt.studies.smoothness import Profile
from gslt.studies.study import GridCell, RunSpec, Study
from gslt.theory.config import ConstructionConfig

MACHINE = {
    "versions": {"gslt": "0.0.0", "torch": "9.9", "DGL": "not installed"},
    "python": "3.11.0",
    "system": "Made-up OS",
    "cores": 2,
    "threads": 1,
    "gpu": None,
}


def fabricated(spec: RunSpec, test: float, val: float | None = None, **more: Any) -> Record:
    """A record of a network of ``10 · width²`` weights; ``more`` replaces what was measured."""
    config = spec.config
    if isinstance(config, ConstructionConfig):
        return constructed(spec, config, test, **more)
    total = 10 * config.hidden_channels**2
    measured: dict[str, Any] = {
        "test_accuracy": test,
        "val_accuracy": test + 0.01 if val is None else val,
        "train_accuracy": test + 0.02,
        "best_epoch": config.epochs,
        **{f"{split}_loss": 1 - test for split in ("train", "val", "test")},
        "last_train_accuracy": min(1.0, test + 0.03),
        "last_val_accuracy": max(0.0, test - 0.01),
        "last_test_accuracy": max(0.0, test - 0.02),
        **{f"last_{split}_loss": 1.1 - test for split in ("train", "val", "test")},
        "weight_init": config.weight_init,
        "seconds": 1.5,
        "num_weights": total,
    }
    if isinstance(config, SearchConfig):
        prune, lock = config.ratios
        searched = round(total * (1 - prune - lock))
        measured |= {
            "sparsity": config.sparsity,
            "density": 1 - config.sparsity,
            "prune_ratio": prune,
            "lock_ratio": lock,
            "freezing_ratio": prune + lock,
            "searched": searched,
            "search_space": searched / total,
            "model_bytes": searched / 8,
            "times_smaller": 32 * total / max(1, searched),
            "file_bytes": searched // 8 + 1000,
        }
    else:
        kept = total - round(config.mask_sparsity * total)
        measured |= {
            "sparsity": 1 - kept / total,
            "density": kept / total,
            "prune_ratio": None,
            "lock_ratio": None,
            "freezing_ratio": None,
            "searched": kept,
            "search_space": kept / total,
            "model_bytes": 4 * kept,
            "times_smaller": total / kept,
            "file_bytes": 4 * kept + 1000 if config.mask_sparsity else None,
        }
    graph = {"name": "toy", "synthetic": True, "nodes": 10, "edges": 20}
    return Record(spec=spec, measured={**measured, **more}, graph=graph, environment=MACHINE)


def constructed(spec: RunSpec, config: ConstructionConfig, test: float, **more: Any) -> Record:
    """A record of a construction of 100 weights; ``more`` replaces what was measured."""
    prune, lock = config.ratios
    channels = 100 / (1 - prune - lock) ** 2
    total = round(100 * channels)
    searched = round(total * (1 - prune - lock))
    measured: dict[str, Any] = {
        **dict.fromkeys(("test_accuracy", "train_accuracy", "target_test_accuracy"), test),
        **dict.fromkeys(("val_accuracy", "best_epoch", "times_smaller", "literal_error")),
        "weight_init": "ku",
        "sparsity": 0.5,
        "density": 0.5,
        "prune_ratio": prune,
        "lock_ratio": lock,
        "freezing_ratio": prune + lock,
        "searched": searched,
        "search_space": searched / total,
        "num_weights": total,
        "model_bytes": searched / 8,
        "file_bytes": searched // 8 + 1000,
        "seconds": 1.5,
        "target_weights": 100,
        "output_error": config.epsilon / 10,
        "error_bound": config.epsilon / 5,
        "same_class": 1.0,
        "equivariance_defect": None if config.target == "mlp" else 1e-15,
        "searched_per_target_weight": channels,
        "random_per_target_weight": 3 * channels,
        "random_channels": round(channels),
        "channels_for_99": channels / 3 - math.log10(config.epsilon),
        "law_for_99": channels / 3,
        "kept": total // 2,
        "locked": round(lock * total),
        "pruned": round(prune * total),
    }
    graph = {"name": "toy", "synthetic": True, "examples": 10}
    return Record(spec=spec, measured={**measured, **more}, graph=graph, environment=MACHINE)


def fill(path: Path, study: Study, accuracy: Callable[[GridCell], float | None]) -> StudyFolder:
    """A folder with the study and a record of every cell that has an accuracy."""
    folder = StudyFolder(path)
    folder.add(study)
    for cell in study.cells:
        if (test := accuracy(cell)) is not None:
            folder.write(fabricated(cell.spec, test))
    return folder


def hand_made(quotients: list[float | None], energies: list[float | None]) -> Profile:
    """A profile of these quotients and energies, layer by layer; every other measure is 1."""
    ones: list[float | None] = [1.0] * len(quotients)
    names = ("rayleigh_quotient", "collapse", "numerical_rank", "effective_rank", "mad")
    return {
        "dirichlet_energy": energies,
        "centred_rayleigh_quotient": quotients,
        **dict.fromkeys(names, ones),
    }
