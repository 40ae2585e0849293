"""Measurements of networks that were never built, with numbers known by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gslt
from gslt.config import ModelConfig
from gslt.oversmoothing import smooth
from gslt.oversmoothing.measuring import Measurement, Measurements
from gslt.oversmoothing.networks import DatasetChoice, Network

SMALL: dict[str, Any] = {"hidden_channels": 6, "epochs": 2, "lr": 0.05}
NAME = "blocks (synthetic)"


def made_up(arm: str = "a", seed: int = 0, depth: int = 4, **more: Any) -> Measurement:
    """Three hidden layers with log quotients 0, −1 and −5, or 0, −1 and −3 with the second seed."""
    last = -5 if seed == 0 else -3
    quotients = [1.0, math.exp(-1), math.exp(last), 7.0]
    halves = [0.5] * 4
    names = ("rayleigh_quotient", "collapse", "numerical_rank", "mad")
    found: dict[str, list[float | None]] = {
        "dirichlet_energy": [8.0, 4.0, 2.0, 1.0],
        "centred_rayleigh_quotient": list(quotients),
        "effective_rank": [4.0, 3.0, 2.0, 9.0],
        **{name: list(halves) for name in names},
    }
    values = {name: each[4 - depth :] for name, each in found.items()}

    def build(dataset: gslt.NodeDataset) -> gslt.GNN:
        raise AssertionError("nothing is to be built")

    network = Network(
        arm=arm,
        model=ModelConfig(num_layers=depth),
        seed=seed,
        settings=more.pop("settings", {}),
        dataset=DatasetChoice(name="toy"),
        path=f"{arm}{seed}",
        start=build,
        untrained=more.pop("untrained", False),
    )
    return Measurement(
        **{
            "network": network,
            "dataset": "toy (synthetic)",
            "graph": {"name": "toy", "synthetic": True},
            "profile": values,
            "test_accuracy": 0.5 + 0.2 * seed,
            **more,
        }
    )


def on(dataset: DatasetChoice, each: Measurement) -> Measurement:
    """The same, measured on another graph."""
    return replace(each, network=replace(each.network, dataset=dataset))


def measured(*paths: Path, out: Path, data: Any, **options: Any) -> Sequence[Measurement]:
    """What ``gslt smooth`` finds at paths, on these data."""
    found: Measurements = smooth(paths, out, dataset=data, progress=False, **options)
    return found.networks
