"""A target and the ticket that equals it: what ``gslt construct`` computes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from gslt.config import TrainConfig
from gslt.data import NodeDataset, load_dataset
from gslt.errors import ConfigError
from gslt.files import reading
from gslt.nn.equivariant import EquivariantNetwork
from gslt.random import Stream
from gslt.theory.coefficients import unit_coefficients
from gslt.theory.config import TargetConfig
from gslt.theory.construct import Construction
from gslt.theory.laws import Draws, log2_density, predicted_log2_error
from gslt.theory.node_targets import node_field, train_node_target
from gslt.theory.targets import RECIPES, Task, train_target
from gslt.theory.width import channel_draws
from gslt.ticket.ticket import Ticket

#: Kinds whose data is a graph of nodes.
NODES = ("gin", "gcn", "sage")
#: Shares of coefficients whose errors are shown against the width.
SHARES = (0.5, 0.99)
#: Coefficients that are tried at every width.
_TRIED = 2000


def make_target(
    config: TargetConfig,
    dataset: str | None = None,
    *,
    dataset_dir: str | None = None,
    split: int = 0,
    path: str | Path | None = None,
    progress: bool = False,
) -> tuple[EquivariantNetwork, Task]:
    """A network, trained or from a file, and the data of its kind.

    Args:
        config: kind and training.
        dataset: of nodes, name or path; default Cora. Other kinds have data of their own.
        dataset_dir: folder of the data sets.
        split: number of the split.
        path: a file that :func:`save_target` wrote, in the place of training.
        progress: show a progress bar on a terminal.

    Raises:
        ConfigError: for a data set beside a kind that has its own, or a file of another network.
    """
    task = load_task(
        config.target, dataset, dataset_dir=dataset_dir, split=split, seed=config.target_seed
    )
    if path is not None:
        return _loaded(path, config.target, task), task
    if task.dataset is not None:
        training = TrainConfig(
            architecture=config.target,  # type: ignore[arg-type]
            num_layers=config.num_layers,
            hidden_channels=config.hidden_channels,
            dropout=config.dropout,
            head=False,
            epochs=config.epochs or 200,
            lr=config.lr,
            seed=config.target_seed,
        )
        return train_node_target(task.dataset, training, progress=progress), task
    recipe = RECIPES[config.target]
    network = EquivariantNetwork(config.target, recipe.channels(task))
    train_target(
        network,
        task,
        epochs=config.epochs or recipe.epochs,
        lr=config.lr,
        seed=config.target_seed,
        progress=progress,
    )
    return network.double(), task


def load_task(
    kind: str,
    dataset: str | None = None,
    *,
    dataset_dir: str | None = None,
    split: int = 0,
    seed: int = 0,
) -> Task:
    """The data of a kind of network.

    Args:
        kind: of the network.
        dataset: of nodes, name or path; default Cora. Other kinds have data of their own.
        dataset_dir: folder of the data sets.
        split: number of the split.
        seed: of data that is made.

    Raises:
        ConfigError: for a data set beside a kind that has its own.
    """
    if kind in NODES:
        data = load_dataset(dataset or "cora", dataset_dir, split=split)
        if not isinstance(data, NodeDataset):
            raise ConfigError(f"{kind} passes messages on a graph, and {data.name} has images")
        x, graph = node_field(data)
        return Task(data.name, x, data.y, data.train_mask, data.test_mask, graph, dataset=data)
    task = RECIPES[kind].task(seed)
    if dataset not in (None, task.name, task.name.split()[0]):
        raise ConfigError(f"{kind} is trained on {task.name}, not on {dataset!r}; leave it out")
    return task


def save_target(network: EquivariantNetwork) -> bytes:
    """A target's weights as a safetensors file, its kind and widths in the metadata.

    Args:
        network: of any kind.
    """
    said = {"kind": network.kind, "channels": " ".join(map(str, network.channels))}
    return safetensors.torch.save(network.state_dict(), said)


def _loaded(path: str | Path, kind: str, task: Task) -> EquivariantNetwork:
    with reading(path, ConfigError, "a target"):
        with safetensors.safe_open(str(path), "pt") as file:
            said = file.metadata() or {}
            if not {"channels", "kind"} <= said.keys():
                raise ConfigError(
                    f"{str(path)!r} is no target; give the target.safetensors of gslt construct"
                )
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        channels = [int(width) for width in said["channels"].split()]
        network = EquivariantNetwork(said["kind"], channels).double()
        network.load_state_dict(weights)
    wanted = (kind, task.x.size(1), task.classes)
    if (network.kind, channels[0], channels[-1]) != wanted:
        raise ConfigError(
            f"{str(path)!r} is a {network.kind} from {channels[0]} channels to {channels[-1]} "
            f"classes, where a {kind} from {wanted[1]} to {wanted[2]} is asked for"
        )
    return network


def constructed_ticket(found: Construction, task: Task, scores: dict[str, float]) -> Ticket:
    """The ticket of a construction, with the data that it was verified on.

    Args:
        found: the construction.
        task: its data.
        scores: of the ticket on the data.
    """
    data = task.dataset
    return Ticket.of(
        found.network,
        dataset=task.name,
        split=data.split if data else 0,
        results={**scores, "output_error": found.output_error},
        content_hash=data.content_hash if data else "",
    )


def construction_facts(
    found: Construction, target: EquivariantNetwork, task: Task
) -> dict[str, Any]:
    """Every figure of a construction, the scores of target and ticket among them.

    Args:
        found: the construction.
        target: what it equals.
        task: its data.
    """
    return {
        "kind": target.kind,
        "channels": list(target.channels),
        "dataset": task.name,
        "synthetic": task.synthetic,
        "target_scores": task.scores(target),
        "ticket_scores": task.scores(found.network),
        **found.as_dict(),
    }


def errors_against_width(found: Construction, target: EquivariantNetwork) -> list[dict[str, Any]]:
    """Errors of up to 2,000 coefficients of each layer at widths up to the source's, and the law.

    Each coefficient has fresh random channels of the same distribution as the source's. Errors are
    those of the whole layer's scale, in units of its largest coefficient.

    Args:
        found: the construction.
        target: what it equals.

    Returns:
        For each layer: its name, the width that was taken, the error that was allowed, and for
        every width tried the simulated and the predicted errors that the :data:`SHARES` keep.
    """
    p, locked = found.ratios
    layers = []
    for number, block in enumerate(found.blocks):
        wanted = _sample(unit_coefficients(target, number), found.seed)
        pair = found.network.config.is_pair(number)
        rows = []
        for width in _widths(block.copies):
            made = channel_draws(width, pair, p, locked, len(wanted))
            made = Draws(made.values, wanted.numpy(), made.locked, made.pruned)
            errors = made.solve(exact=24).errors
            density = log2_density(made)
            rows.append(
                {
                    "copies": width,
                    "simulated": [float(np.quantile(errors, share)) for share in SHARES],
                    "predicted": [
                        min(1.0, 2.0 ** predicted_log2_error(density, share)) for share in SHARES
                    ],
                }
            )
        layers.append(
            {
                "layer": block.layer,
                "copies": block.copies,
                "epsilon": block.epsilon / block.scale,
                "errors": rows,
            }
        )
    return layers


def _widths(most: int) -> list[int]:
    """Widths to try, in equal factors."""
    steps = np.geomspace(8, max(most, 9), 9)
    return sorted({math.ceil(step) for step in steps})


def _sample(coefficients: Tensor, seed: int) -> Tensor:
    order = Stream(seed, "coefficients", "sample").permutation(coefficients.numel())
    return coefficients.flatten()[torch.from_numpy(order[:_TRIED])]
