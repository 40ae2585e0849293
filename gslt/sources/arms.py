"""The four arms as a study, each ticket at the same place in the search window of its source."""

from __future__ import annotations

import dataclasses
from typing import Any

from gslt.config import RunConfig, SourcesConfig, default_of
from gslt.studies.presets import sources
from gslt.studies.study import Study, checksum, name_of_dataset

#: The arm that the tickets are compared with.
TRAINED = "weight training"
DENSE, SPARSE, FROZEN = sources(0.5)
TITLE = "Weight training and tickets of a dense, a sparse and a frozen source"
#: What is no setting of a study: where a run is computed, and how many there are.
_NO_SETTING = ("device", "runs")


def study_of(config: SourcesConfig, dataset: str, split: int = 0) -> Study:
    """The study of a comparison; its name tells it from those of other settings in one folder.

    >>> study = study_of(SourcesConfig(sparsity=0.5, freezing_ratio=0.4, seeds=2), "cora")
    >>> {cell.arm: cell.spec.config.sparsity for cell in study.cells[1:4]}
    {'dense source': 0.5, 'sparse source': 0.7, 'frozen source': 0.5}

    Args:
        config: settings of the arms.
        dataset: name or path.
        split: its number, where there are several.

    Raises:
        ConfigError: for settings that no run can have.
    """
    settings = {"dataset": dataset, "split": split, **_changed(config)}
    ticket = {
        "weight_init": config.weight_init,
        "scale": config.scale,
        "allocation": config.allocation,
    }
    found = sources(config.freezing_ratio, config.sparsity, config.prune_share)
    arms: dict[str, dict[str, Any]] = {
        TRAINED: {"method": "train", **({"lr": config.train_lr} if config.train_lr else {})},
        **{name: {**source, **ticket} for name, source in found.items()},
    }
    seeds = list(range(config.seed, config.seed + config.seeds))
    which = checksum({"settings": settings, "arms": arms, "seeds": seeds})[:8]
    name = f"compare-{name_of_dataset(dataset)}-{which}"
    return Study(name=name, title=TITLE, settings=settings, arms=arms, seeds=seeds)


def _changed(config: SourcesConfig) -> dict[str, Any]:
    """Settings of the model and its optimiser that are not their defaults.

    What is a default is left out, so that weights of images are trained at the rate that is usual
    for them, which is not that of a search.
    """
    values = {
        item.name: (getattr(config, item.name), default_of(item, config.architecture))
        for item in dataclasses.fields(RunConfig)
        if item.name not in _NO_SETTING
    }
    return {name: value for name, (value, usual) in values.items() if value != usual}
