"""A target and the ticket that equals it: what ``gslt construct`` computes."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from gslt.config import TrainConfig
from gslt.data import Dataset, NodeDataset, load_dataset
from gslt.errors import ConfigError, GsltWarning, warn
from gslt.files import OutputFolder, plain, reading
from gslt.files.folder import TICKET
from gslt.nn.equivariant import EquivariantNetwork
from gslt.random import Stream
from gslt.theory.coefficients import unit_coefficients
from gslt.theory.config import NODES, TARGET, TargetConfig
from gslt.theory.construct import Construction
from gslt.theory.laws import Draws, log2_density, predicted_log2_error
from gslt.theory.node_targets import node_field, train_node_target
from gslt.theory.targets import RECIPES, Task, train_target
from gslt.theory.width import channel_draws
from gslt.ticket.ticket import Ticket
from gslt.training.places import SUMMARY

#: Shares of coefficients whose errors are shown against the width.
SHARES = (0.5, 0.99)
#: Coefficients that are tried at every width: for the curves, and for their shares' width.
_TRIED, _FEW = 2000, 400


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
        ConfigError: for a data set beside a kind that has its own, a file of another network, or
            one of other data than ``target_seed`` says.
    """
    if path is not None:
        config = with_seed_of(path, config)
    task = load_task(
        config.target, dataset, dataset_dir=dataset_dir, split=split, seed=config.target_seed
    )
    if path is not None:
        return load_target(path, config.target, task), task
    return trained_target(config, task, progress=progress), task


def trained_target(
    config: TargetConfig, task: Task, *, progress: bool = False
) -> EquivariantNetwork:
    """A network of the kind, trained on its data, in double precision.

    Args:
        config: kind and training.
        task: the data of its kind.
        progress: show a progress bar on a terminal.
    """
    if task.dataset is not None:
        training = TrainConfig(
            architecture=config.target,  # type: ignore[arg-type]
            num_layers=config.num_layers,
            hidden_channels=config.hidden_channels or 16,
            dropout=config.dropout,
            head=False,
            epochs=config.epochs or 200,
            lr=config.lr,
            seed=config.target_seed,
        )
        return train_node_target(task.dataset, training, progress=progress)
    recipe = RECIPES[config.target]
    network = EquivariantNetwork(config.target, recipe.channels(task, config.hidden_channels))
    train_target(
        network,
        task,
        epochs=config.epochs or recipe.epochs,
        lr=config.lr,
        seed=config.target_seed,
        progress=progress,
    )
    return network.double()


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
        data = load_dataset(dataset or own_dataset(kind), dataset_dir, split=split)
        return _node_task(kind, data)
    if dataset not in (None, own_dataset(kind)):
        raise ConfigError(
            f"{kind} is trained on {own_dataset(kind)}, not on {dataset!r}; leave it out"
        )
    if split:
        raise ConfigError(f"{own_dataset(kind)} has one split, and split is {split}; leave it out")
    return RECIPES[kind].task(seed)


def own_dataset(kind: str) -> str:
    """The data of a kind of network by name, where nothing else is said.

    >>> own_dataset("gin"), own_dataset("c4cnn"), own_dataset("ign2")
    ('cora', 'digits', 'hubs')

    Args:
        kind: of the network.
    """
    return "cora" if kind in NODES else RECIPES[kind].data


def task_of(config: TargetConfig, data: Dataset | None) -> Task:
    """What a target learns.

    Args:
        config: kind and seed of the target.
        data: of nodes, for message passing; None for kinds that have data of their own.

    Raises:
        ConfigError: if message passing is to learn images.
        MissingPackageError: if data that gslt makes needs a package.
    """
    if data is None:
        return load_task(config.target, seed=config.target_seed)
    return _node_task(config.target, data)


def _node_task(kind: str, data: Dataset) -> Task:
    if not isinstance(data, NodeDataset):
        raise ConfigError(f"{kind} passes messages on a graph, and {data.name} has images")
    x, graph = node_field(data)
    found = Task(data.name, x, data.y, data.train_mask, data.test_mask, graph, dataset=data)
    return replace(found, synthetic=data.synthetic)


def save_target(network: EquivariantNetwork, task: Task) -> bytes:
    """A target's weights as a safetensors file; its kind, widths and data in the metadata.

    Args:
        network: of any kind.
        task: the data that it was trained on.
    """
    said = {"kind": network.kind, "channels": " ".join(map(str, network.channels))}
    if task.dataset is None:
        said["data_seed"] = str(task.seed)
    return safetensors.torch.save(network.state_dict(), said)


def with_seed_of(path: str | Path, config: TargetConfig) -> TargetConfig:
    """The settings with the seed of the data that a target in a file was trained on.

    Nodes have a data set, which no seed makes: their settings stay as they are.

    Args:
        path: of a file that :func:`save_target` wrote.
        config: kind, and the seed; the usual one is taken for none.

    Raises:
        ConfigError: if the file cannot be read, or has another seed.
    """
    if config.is_of_nodes:
        return config
    if (seed := data_seed(path)) is None:
        warn(
            f"the target in {str(path)!r} does not say on what data it was trained, as an older "
            f"gslt wrote it: target_seed {config.target_seed} is taken, and with another one "
            "training and test examples are mixed",
            GsltWarning,
        )
        return config
    if config.target_seed not in (TargetConfig.target_seed, seed):
        check_seed(path, config.target_seed)
    return replace(config, target_seed=seed)


def check_seed(path: str | Path, seed: int) -> None:
    """Refuse a seed other than that of the data of a target in a file, where that is known.

    Args:
        path: of a file that :func:`save_target` wrote.
        seed: that is asked for.

    Raises:
        ConfigError: if the file cannot be read, or has another seed.
    """
    if (there := data_seed(path)) not in (None, seed):
        raise ConfigError(
            f"the target in {str(path)!r} was trained on data of target_seed {there}, and "
            f"target_seed is {seed}; leave it out"
        )


def data_seed(path: str | Path) -> int | None:
    """Seed of the data of a target in a file; None where the file has none.

    Args:
        path: of a file that :func:`save_target` wrote.

    Raises:
        ConfigError: if it cannot be read.
    """
    with reading(path, ConfigError, "a target"), safetensors.safe_open(str(path), "pt") as file:
        said = (file.metadata() or {}).get("data_seed")
        return None if said is None else int(said)


def load_target(path: str | Path, kind: str, task: Task) -> EquivariantNetwork:
    """A target that :func:`save_target` wrote, in double precision.

    Args:
        path: of the file.
        kind: that the network has to be of.
        task: data that it has to fit.

    Raises:
        ConfigError: if it cannot be read, or is another network.
    """
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
    return Ticket.of(
        found.network,
        dataset=task.name,
        split=task.split_number,
        results={**scores, "output_error": found.output_error},
        content_hash=task.content_hash,
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


def keep_construction(
    folder: OutputFolder, found: Construction, target: EquivariantNetwork, task: Task, **more: Any
) -> tuple[dict[str, Any], Ticket]:
    """Write a construction's target, ticket and summary, which is the last.

    Args:
        folder: where they go.
        found: the construction.
        target: what it equals.
        task: its data.
        **more: what else the summary says.

    Returns:
        Its figures, see :func:`construction_facts`, and the ticket.
    """
    facts = construction_facts(found, target, task)
    ticket = constructed_ticket(found, task, facts["ticket_scores"])
    folder.write_bytes(TARGET, save_target(target, task))
    folder.write_bytes(TICKET, ticket.to_bytes())
    folder.write_json(SUMMARY, plain({**facts, **more}))
    return facts, ticket


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
    layers = []
    for number, block in enumerate(found.blocks):
        wanted = _sample(unit_coefficients(target, number), found.seed)
        rows = []
        for width in _widths(block.copies):
            errors = _like_source(found, number, width, wanted).solve(exact=24).errors
            density = log2_density(_of_law(found, number, width, wanted))
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


def channels_for_most(found: Construction, target: EquivariantNetwork) -> tuple[int, int]:
    """Random channels for one with which 99 % of a layer's coefficients are within its ε.

    Of up to 400 coefficients of the layer that has most of them, each with fresh random channels of
    the same distribution as the source's. To within a tenth.

    Args:
        found: the construction.
        target: what it equals.

    Returns:
        By simulation, and by the law of :func:`gslt.theory.laws.predicted_log2_error`; the width
        that the source has where no smaller one will do.
    """
    number = max(range(len(found.blocks)), key=lambda i: found.blocks[i].coefficients)
    block = found.blocks[number]
    wanted = _sample(unit_coefficients(target, number), found.seed)[:_FEW]
    epsilon, share = block.epsilon / block.scale, SHARES[-1]
    widths = [*sorted({math.ceil(w) for w in np.geomspace(4, max(block.copies, 5), 80)})]

    def simulated(width: int) -> bool:
        errors = _like_source(found, number, width, wanted).solve(exact=28).errors
        return bool(np.quantile(errors, share) <= epsilon)

    def predicted(width: int) -> bool:
        density = log2_density(_of_law(found, number, width, wanted))
        return predicted_log2_error(density, share) <= math.log2(epsilon)

    first, law = (bisect_left(widths[:-1], True, key=will_do) for will_do in (simulated, predicted))
    return widths[first], widths[law]


def _like_source(found: Construction, number: int, width: int, wanted: Tensor) -> Draws:
    """Fresh random channels for some coefficients of a layer, of the source's distribution.

    They follow from the source's seed, and are none of those that the law is computed from.
    """
    return _channels(found, number, width, wanted, seed=found.seed, stream="simulated channels")


def _of_law(found: Construction, number: int, width: int, wanted: Tensor) -> Draws:
    """The channels that the law of a layer is computed from, the same for every seed."""
    return _channels(found, number, width, wanted)


def _channels(
    found: Construction, number: int, width: int, wanted: Tensor, **streams: Any
) -> Draws:
    pair = found.network.config.is_pair(number)
    made = channel_draws(width, pair, *found.ratios, len(wanted), **streams)
    return Draws(made.values, wanted.numpy(), made.locked, made.pruned)


def _widths(most: int) -> list[int]:
    """Widths to try, in equal factors."""
    steps = np.geomspace(8, max(most, 9), 9)
    return sorted({math.ceil(step) for step in steps})


def _sample(coefficients: Tensor, seed: int) -> Tensor:
    order = Stream(seed, "coefficients", "sample").permutation(coefficients.numel())
    return coefficients.flatten()[torch.from_numpy(order[:_TRIED])]
