"""Networks to measure: what describes them, and how each is built when its turn comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch

from gslt.backends import get_backend
from gslt.config import FreezeConfig, ModelConfig, SearchConfig, TrainConfig
from gslt.data import NodeDataset
from gslt.errors import ConfigError, RunError, TicketError
from gslt.masking.freeze import freeze
from gslt.masking.initialise import initialise
from gslt.masking.parametrization import frozen_weights
from gslt.nn.gnn import GNN
from gslt.oversmoothing.place import Place
from gslt.oversmoothing.source import SourceConfig
from gslt.studies.records import Record
from gslt.ticket.ticket import Ticket, load_ticket

#: Makes the network, for the data set that it is measured on.
Build = Callable[[NodeDataset], GNN]
#: Settings that tell no arms apart: depth and seed are told of every network, and the others say
#: how a run is carried out. The ratios stand for the freezing ratio.
_NO_SETTING = ("num_layers", "seed", "runs", "device", "backend", "freezing_ratio")


@dataclass(frozen=True, kw_only=True)
class Network:
    """One network to measure, or one whose measures a record has."""

    arm: str
    model: ModelConfig
    seed: int
    settings: Mapping[str, Any]
    """Everything that is known of how it came about, but depth and seed."""
    place: Place
    path: str
    """Where it lies; empty for one that is made here."""
    start: Build
    """Makes it as it was before the first epoch."""
    build: Build | None = None
    """None where there is only a record."""
    record: Record | None = None
    """Holds its profile, and then need not be built."""
    run: Path | None = None
    """Its run folder."""
    untrained: bool = False

    @property
    def depth(self) -> int:
        """Number of layers."""
        return self.model.num_layers

    @property
    def label(self) -> str:
        """The arm, and whether the network is the arm's untrained one."""
        return f"{self.arm}, untrained" if self.untrained else self.arm

    @property
    def key(self) -> tuple[str, int, int, bool]:
        """What no other network has, however often it is named."""
        return self.path, self.depth, self.seed, self.untrained

    def before(self) -> Network:
        """The same network before the first epoch."""
        return replace(self, build=self.start, untrained=True, record=None)

    def on(self, place: Place) -> Network:
        """The same network on another graph, of which its record and run folder know nothing."""
        own = self.place
        if (place.where, place.split) == (own.where, own.split):
            return replace(self, place=place)
        return replace(self, place=place, record=None, run=None)


def of_ticket(path: Path) -> Network:
    """The network of a ticket file, on the data set that it was found on.

    Raises:
        TicketError: if it is no ticket, or one of a module of the user's own.
    """
    ticket = load_ticket(path)
    if ticket.architecture is None:
        raise TicketError(
            f"the ticket {str(path)!r} is of a module of your own, which gslt cannot build; "
            "restore it and measure it with gslt.diagnostics.probe"
        )
    model, source = ticket.architecture.model, ticket.config
    return Network(
        arm=arm_name(source),
        model=model,
        seed=source.seed,
        settings=settings_of(model, source),
        place=Place(name=ticket.dataset, split=ticket.split),
        path=str(path),
        start=start_of(model, source),
        build=_of_file(path),
    )


def of_seed(path: Path, config: SearchConfig | TrainConfig, seed: int, place: Place) -> Network:
    """The network that one seed of a run folder found."""
    one = replace(config, seed=seed, runs=1)
    return Network(
        arm=arm_name(one),
        model=one,
        seed=seed,
        settings=settings_of(one),
        place=place,
        path=str(path),
        start=start_of(one, one),
        build=_of_file(path) if isinstance(one, SearchConfig) else _of_weights(path, one),
    )


def of_source(config: SourceConfig, place: Place) -> Network:
    """An untrained source alone."""
    name = arm_name(config).removeprefix("ticket, ") if config.sparsity else "random weights"
    start = start_of(config, config)
    return Network(
        arm=name,
        model=config,
        seed=config.seed,
        settings=settings_of(config),
        place=place,
        path="",
        start=start,
        build=start,
        untrained=True,
    )


def _of_file(path: Path) -> Build:
    def build(dataset: NodeDataset) -> GNN:
        ticket: Ticket = load_ticket(path)
        a = ticket.architecture
        wanted = (dataset.num_features, dataset.num_classes)
        if a is not None and (a.in_channels, a.out_channels) != wanted:
            raise ConfigError(
                f"{str(path)!r} takes {a.in_channels} features and gives {a.out_channels} classes, "
                f"but {dataset.name} has {wanted[0]} and {wanted[1]}"
            )
        return ticket.model()

    return build


def _of_weights(path: Path, config: ModelConfig) -> Build:
    def build(dataset: NodeDataset) -> GNN:
        model = GNN(dataset.num_features, dataset.num_classes, config, get_backend("pyg"))
        try:
            model.load_state_dict(safetensors.torch.load(path.read_bytes()))
        except OSError as error:
            raise RunError(f"{str(path)!r} cannot be read: {error.strerror}") from error
        except safetensors.SafetensorError as error:
            raise RunError(f"{str(path)!r} is damaged: {error}") from error
        except RuntimeError as error:
            raise ConfigError(
                f"the weights of {str(path)!r} do not fit {dataset.name}; give the data set that "
                "they were trained on"
            ) from error
        return model

    return build


def start_of(model: ModelConfig, source: FreezeConfig | TrainConfig) -> Build:
    """Makes the network before the first epoch: under its initial scores, or not trained yet.

    A search's sparsity is that of its schedule before the first epoch.
    """

    def build(dataset: NodeDataset) -> GNN:
        made = GNN(dataset.num_features, dataset.num_classes, model, get_backend("pyg"))
        if isinstance(source, TrainConfig):
            initialise(made, source.weight_init, source.seed, source.mask_sparsity)
        else:
            freeze(made, source)
            if isinstance(source, SearchConfig):
                supermask = frozen_weights(made)[0].supermask
                assert supermask is not None
                supermask.sparsity = source.sparsity_at(0)
        return made

    return build


def settings_of(*configs: Any) -> dict[str, Any]:
    """What is known of a network, but its depth and seed."""
    values = {name: value for config in configs for name, value in asdict(config).items()}
    for config in configs:
        if isinstance(config, FreezeConfig):
            values["prune_ratio"], values["lock_ratio"] = config.ratios
    return {name: value for name, value in values.items() if name not in _NO_SETTING}


def arm_name(config: FreezeConfig | TrainConfig) -> str:
    """What a run is among the arms of the conjecture."""
    if isinstance(config, TrainConfig):
        removed = config.mask_sparsity
        return f"weak ticket, sparsity {removed:g}" if removed else "weight training"
    prune, lock = config.ratios
    if not prune + lock:
        source = "dense source"
    elif not lock:
        source = f"sparse source, pruned {prune:g}"
    else:
        source = f"frozen source, F = {prune + lock:g}"
    return f"ticket, {source}"
