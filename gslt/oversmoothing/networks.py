"""Networks to measure: what lies at a path, how each network is built, what each is called."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import safetensors.torch

from gslt.backends import get_backend
from gslt.config import (
    METHODS,
    VISION,
    FreezeConfig,
    ModelConfig,
    SearchConfig,
    TrainConfig,
)
from gslt.data import NodeDataset
from gslt.data.catalogue import address, known_name, place_and_options
from gslt.data.formats import ENDINGS
from gslt.errors import ConfigError, GsltError, RunError, TicketError
from gslt.files import read_bytes, reading
from gslt.files.folder import TICKET
from gslt.masking.freeze import make_searched, make_source, reset_scores
from gslt.masking.initialise import initialise_training
from gslt.masking.parametrization import frozen_weights
from gslt.nn.gnn import GNN
from gslt.oversmoothing.source import SourceConfig
from gslt.settings import build, part
from gslt.studies.columns import named, shown_name
from gslt.studies.records import StudyFolder
from gslt.studies.runs import Record
from gslt.studies.study import GridCell, Study
from gslt.theory.config import ConstructionConfig
from gslt.ticket.ticket import Ticket, load_ticket
from gslt.training.places import (
    CONFIG,
    SUMMARY,
    WEIGHTS,
    how_to_go_on,
    read_about,
    read_run,
    state_file,
)

Say = Callable[[str], None]
#: Makes the network, for the data set that it is measured on.
Build = Callable[[NodeDataset], GNN]
#: Settings that tell no arms apart: depth and seed are told of every network, and the others say
#: how a run is carried out, or are of images. The ratios stand for the freezing ratio.
_NO_SETTING = (
    *("num_layers", "seed", "runs", "device", "backend", "freezing_ratio"),
    *("width", "batch_size", "augment"),
)
#: Axes of a study that are told apart by more than the name of the arm, or not at all.
_NOT_IN_ARM = ("num_layers", "dataset", "split")
#: Facts about a graph that no split changes.
_SIZES = ("nodes", "edges", "features", "classes")


@dataclass(frozen=True, kw_only=True)
class DatasetChoice:
    """Which graph: arguments of :func:`gslt.load_dataset`."""

    name: str
    root: str | None = None
    split: int = 0

    @property
    def exists(self) -> bool:
        """Whether it is a known data set, or there is a file or a folder of this name."""
        known = known_name(self.name) is not None
        return known or (bool(self.name.strip()) and os.path.exists(self._path))

    @property
    def address(self) -> str:
        """The one spelling of a known name, the whole path of a file; else the name itself."""
        return address(self.name)

    @property
    def graph_name(self) -> str:
        """What the graph calls itself: its known name, or the last part of its path."""
        path = self._path
        last = path.stem if path.suffix.lower() in ENDINGS else path.name
        return known_name(self.name) or known_name(last) or last or self.name

    @property
    def _path(self) -> Path:
        return Path(os.path.expanduser(place_and_options(self.name)[0]))


@dataclass(frozen=True, kw_only=True)
class Network:
    """One network to measure, or one whose measures a record has."""

    arm: str
    model: ModelConfig
    seed: int
    settings: Mapping[str, Any]
    """Everything that is known of how it came about, but depth and seed."""
    dataset: DatasetChoice
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
    identity: str = ""
    """Of the run in a study."""
    found_on: Mapping[str, Any] | None = None
    """What is known of the data that it was found on, see
    :func:`gslt.data.content.content_facts`; None on another graph, and before the first epoch."""
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

    @property
    def marks(self) -> set[str]:
        """What its copies have too: the content of its file, and its identity in a study."""
        found = {f"{self.identity} on {self.dataset.address}"} if self.identity else set()
        if self.build is not None and self.path:
            # One that cannot be read is told of where it is measured.
            with suppress(OSError, ValueError, GsltError):
                found.add(hashlib.sha256(read_bytes(self.path)).hexdigest())
        return found

    def before(self) -> Network:
        """The same network before the first epoch."""
        return replace(self, build=self.start, untrained=True, record=None, found_on=None)

    def on(self, dataset: str | NodeDataset | None, root: str | None, split: int | None) -> Network:
        """The same network on the graph that was asked for.

        On another graph or split than its own, its record and run folder know nothing of it.

        Args:
            dataset: a graph, or its name or path; None: its own.
            root: where data sets lie; None: where its own does.
            split: number of the split; None: its own, and 0 on another graph, whose splits are
                others.
        """
        own = self.dataset
        if isinstance(dataset, NodeDataset):
            choice = DatasetChoice(name=dataset.name, split=dataset.split)
        else:
            choice = replace(own, name=dataset or own.name, root=own.root if root is None else root)
            if split is None:
                split = own.split if choice.graph_name == own.graph_name else 0
            choice = replace(choice, split=split)
        if (choice.address, choice.split) == (own.address, own.split):
            return replace(self, dataset=choice)
        same = (choice.graph_name, choice.split) == (own.graph_name, own.split)
        found_on = self.found_on if same else None
        return replace(self, dataset=choice, record=None, run=None, found_on=found_on)


# What lies at a path


def read_networks(paths: Iterable[Path], say: Say) -> list[Network]:
    """The networks of all paths, every run once; what is not finished is said and left out.

    A run that an earlier path has, under whatever name or as a copy, is said and left out. Nothing
    at a path is changed or locked.

    Args:
        paths: ticket files, run folders, folders of studies.
        say: told what is left out, and why.

    Raises:
        RunError: for a path where there is nothing of gslt's.
        TicketError: for a file that is no ticket, or one of a module of the user's own.
    """
    found: list[Network] = []
    places: dict[str, Path] = {}
    for path in paths:
        mine = [(network, network.marks) for network in _at(path, say)]
        copies = [places[mark] for _, marks in mine for mark in marks & set(places)][:1]
        new = [(network, marks) for network, marks in mine if not marks & set(places)]
        if copies:
            count = f"{len(mine) - len(new)} of {len(mine)} networks"
            say(f"{path}: {count} left out, being runs of {copies[0]} too; a run counts once")
        # Two arms of a study may share a run.
        found += {(each.arm, each.key): each for each, _ in new}.values()
        places |= {mark: path for _, marks in new for mark in marks}
    return found


def _at(path: Path, say: Say) -> list[Network]:
    """The networks of one path."""
    if path.is_file():
        return [of_ticket(path)]
    if (path / CONFIG).is_file():
        return list(_of_run(path, say))
    if (path / "studies").is_dir():
        return list(_of_studies(StudyFolder(path), say))
    what = "a folder with neither a run nor a study" if path.is_dir() else "not there"
    raise RunError(
        f"{str(path)!r} is {what}; give a ticket file, a run folder of gslt search or gslt train, "
        "or the folder of a study"
    )


def of_ticket(path: Path) -> Network:
    """The network of a ticket file, on the data set that it was found on.

    Raises:
        TicketError: if it is no ticket, or one of a module of the user's own.
    """
    ticket = load_ticket(path)
    if ticket.architecture is None:
        whose = "of a module of your own, which gslt cannot build"
        if ticket.construction is not None:
            whose = "constructed, and what it passes from layer to layer is that of its target"
        raise TicketError(
            f"the ticket {str(path)!r} is {whose}; call restore and measure it with "
            "gslt.diagnostics.probe"
        )
    dataset = DatasetChoice(name=ticket.dataset, split=ticket.split)
    found_on = {"content_hash": ticket.content_hash}
    model, source = ticket.architecture.model, ticket.config
    if not ticket.is_weak:
        network = _network(model, source, dataset, path, _from_ticket(path))
        start = _with_scores(network.start, int(ticket.results.get("score_draw", 0)))
        return replace(network, found_on=found_on, start=start)
    trained = TrainConfig(
        **asdict(model),
        mask_sparsity=source.sparsity,
        allocation=source.allocation,
        weight_init=source.weight_init,
        seed=source.seed,
        draw=source.draw,
        connected=source.connected,
    )
    network = _network(trained, trained, dataset, path, _from_ticket(path))
    return replace(network, found_on=found_on)


def of_source(config: SourceConfig) -> Network:
    """An untrained source alone."""
    name = arm_of(config).removeprefix("ticket, ") if config.sparsity else "random weights"
    found = _network(config, config, DatasetChoice(name="debian"))
    return replace(found.before(), arm=name)


def of_seed(
    path: Path, config: SearchConfig | TrainConfig, seed: int, dataset: DatasetChoice
) -> Network:
    """The network that one seed of a run folder found.

    Args:
        path: the run folder.
        config: of the run.
        seed: one of its seeds.
        dataset: what it was found on.
    """
    ticket, weights = path / TICKET, path / WEIGHTS
    if config.runs > 1:
        ticket, weights = (f.with_stem(f"{f.stem}-seed{seed}") for f in (ticket, weights))
    one = replace(config, seed=seed, runs=1)
    # An older gslt wrote the weights of a weak ticket.
    older = not isinstance(config, SearchConfig) and weights.exists()
    has_ticket = state_file(config) == TICKET and not older
    file = ticket if has_ticket else weights
    found = _from_ticket(file, one) if has_ticket else _from_weights(file, one)
    return replace(_network(one, one, dataset, file, found), run=path)


def _network(
    model: ModelConfig,
    source: FreezeConfig | TrainConfig,
    dataset: DatasetChoice,
    path: Path | None = None,
    found: Build | None = None,
) -> Network:
    """A network of this model, which came about as ``source`` says and is built by ``found``.

    Raises:
        ConfigError: for a network of images, which has no graph to smooth over.
    """
    if model.architecture in VISION:
        raise ConfigError(
            f"over-smoothing is measured on a graph, and {model.architecture} is a network of "
            "images; leave it out"
        )
    return Network(
        arm=arm_of(source),
        model=model,
        seed=source.seed,
        settings=_settings(model, source),
        dataset=dataset,
        path=str(path) if path else "",
        start=_start(model, source),
        build=found,
    )


def _of_run(path: Path, say: Say) -> Iterator[Network]:
    """Every seed of a run folder."""
    about, values = read_run(path)
    command, begun = about.command, dict(values)
    options: dict[str, Any] = {"dataset": "debian", "dataset_dir": None, "split": 0}
    name, root, split = (values.pop(option, default) for option, default in options.items())
    try:
        config = build(METHODS[command], values)
    except (LookupError, ConfigError, TypeError) as error:
        raise RunError(f"{str(path / CONFIG)!r} is damaged: {error}") from error
    if not (path / SUMMARY).exists():
        way = how_to_go_on(command, path, begun)
        say(f"{path} is not finished and left out; {way} goes on with it")
        return
    for seed in range(config.seed, config.seed + config.runs):
        network = of_seed(path, config, seed, DatasetChoice(name=name, root=root, split=split))
        yield replace(network, found_on=about.data)


def _of_studies(folder: StudyFolder, say: Say) -> Iterator[Network]:
    for study in folder.studies():
        missing = 0
        for cell in study.cells:
            network = _of_cell(folder, study, cell, say)
            missing += network is None
            if network is not None:
                yield network
        if missing:
            say(
                f"{study.name}: {missing} of {len(study.cells)} runs are left out: they are "
                "constructions, or have neither a finished run folder nor a record with a profile "
                "(smoothness: true)"
            )


def _of_cell(folder: StudyFolder, study: Study, cell: GridCell, say: Say) -> Network | None:
    """One run of a study; None where there is nothing to measure."""
    spec = cell.spec
    if isinstance(spec.config, ConstructionConfig):
        return None
    record: Record | None = None
    try:
        with reading(folder.record_path(spec.identity), what="a record"):
            record = folder.read(spec.identity)
    except GsltError as error:
        say(str(error))
    run = folder.run_path(spec.identity)
    finished = (run / SUMMARY).exists()
    profiled = record is not None and record.profile is not None
    if not finished and not profiled:
        return None
    axes = {name: value for name, value in cell.axes.items() if name not in _NOT_IN_ARM}
    dataset = DatasetChoice(name=spec.dataset, split=spec.split)
    network = of_seed(run, spec.config, spec.config.seed, dataset)
    return replace(
        network,
        arm=named(cell.arm, axes),
        build=network.build if finished else None,
        record=record if profiled else None,
        found_on=read_about(run).data if finished else None,
        run=run if finished else None,
        identity=spec.identity,
    )


# How a network is built


def _from_ticket(path: Path, config: SearchConfig | TrainConfig | None = None) -> Build:
    """Builds the network of a ticket file, which is of a run with this config, where there is one.

    Args:
        path: of the file.
        config: of one seed.
    """

    def make(dataset: NodeDataset) -> GNN:
        ticket: Ticket = load_ticket(path)
        a = ticket.architecture
        if config is not None and not (
            ticket.began_with(_source_of(config)) and a and a.model == part(ModelConfig, config)
        ):
            raise RunError(f"{str(path)!r} is the ticket of a run with other settings")
        wanted = (dataset.num_features, dataset.num_classes)
        if a is not None and (a.in_channels, a.out_channels) != wanted:
            raise ConfigError(
                f"{str(path)!r} takes {a.in_channels} features and gives {a.out_channels} classes, "
                f"but {dataset.name} has {wanted[0]} and {wanted[1]}"
            )
        model = ticket.model()
        assert isinstance(model, GNN)  # Others were refused with their config.
        return model

    return make


def _source_of(config: SearchConfig | TrainConfig) -> FreezeConfig:
    return config.masked_source if isinstance(config, TrainConfig) else part(FreezeConfig, config)


def _from_weights(path: Path, config: ModelConfig) -> Build:
    def make(dataset: NodeDataset) -> GNN:
        model = GNN(dataset.num_features, dataset.num_classes, config, get_backend("pyg"))
        with reading(path, what="a file of weights"):
            weights = safetensors.torch.load(read_bytes(path))
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            raise ConfigError(
                f"the weights of {str(path)!r} do not fit {dataset.name}; give the data set that "
                "they were trained on"
            ) from error
        return model

    return make


def _start(model: ModelConfig, source: FreezeConfig | TrainConfig) -> Build:
    """Makes the network before the first epoch: under its initial scores, or not trained yet.

    A search's sparsity is that of its schedule before the first epoch.
    """

    def make(dataset: NodeDataset) -> GNN:
        made = GNN(dataset.num_features, dataset.num_classes, model, get_backend("pyg"))
        if isinstance(source, TrainConfig):
            initialise_training(made, source, source.seed)
            return made
        if not isinstance(source, SearchConfig):
            make_source(made, source)
        else:
            make_searched(made, source)
            supermask = frozen_weights(made)[0].supermask
            assert supermask is not None
            supermask.sparsity = source.sparsity_at(0, supermask.source_sparsity)
        return made

    return make


def _with_scores(start: Build, draw: int) -> Build:
    """Makes the network before the first epoch of a search that began with another draw."""

    def make(dataset: NodeDataset) -> GNN:
        made = start(dataset)
        reset_scores(made, draw)
        return made

    return make if draw else start


# What a network is called


def _settings(*configs: Any) -> dict[str, Any]:
    """What is known of a network, but its depth and seed."""
    values = {name: value for config in configs for name, value in asdict(config).items()}
    for config in configs:
        if isinstance(config, FreezeConfig):
            values["prune_ratio"], values["lock_ratio"] = config.ratios
        if isinstance(config, TrainConfig):
            values = {name: v for name, v in values.items() if name not in config.idle}
    return {name: value for name, value in values.items() if name not in _NO_SETTING}


def arm_of(config: FreezeConfig | TrainConfig) -> str:
    """What a run is among the arms of the conjecture.

    >>> arm_of(FreezeConfig(freezing_ratio=0.4)), arm_of(TrainConfig(mask_sparsity=0.5))
    ('ticket, frozen source, F = 0.4', 'weak ticket, sparsity 0.5')
    """
    if isinstance(config, TrainConfig):
        if not config.mask_sparsity:
            return "weight training"
        kind = "dynamic sparse training" if config.rewire_every else "weak ticket"
        scheme = "" if config.allocation == "uniform" else f", {config.allocation}"
        return f"{kind}{scheme}, sparsity {config.mask_sparsity:g}"
    prune, lock = config.ratios
    if not prune + lock:
        source = "dense source"
    elif not lock:
        source = f"sparse source, pruned {prune:g}"
    else:
        source = f"frozen source, F = {prune + lock:g}"
    return f"ticket, {source}"


def distinct_graphs(networks: Sequence[Network], graphs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of graphs, so that no two graphs have the same.

    Where graphs of one name lie at several places, they are called by these; where one such name
    still stands for several sizes, the sizes become a part of it.

    Args:
        networks: what is measured.
        graphs: facts about the graph of each, see :meth:`gslt.NodeDataset.info`.
    """
    names = [str(graph["name"]) for graph in graphs]
    addresses: dict[str, dict[str, str]] = defaultdict(dict)
    for network, shown in zip(networks, _shown(names, graphs), strict=True):
        addresses[shown].setdefault(network.dataset.address, network.dataset.name)
    for number, shown in enumerate(_shown(names, graphs)):
        if len(addresses[shown]) > 1:
            names[number] = addresses[shown][networks[number].dataset.address]
    sizes: dict[str, set[tuple[object, ...]]] = defaultdict(set)
    for graph, shown in zip(graphs, _shown(names, graphs), strict=True):
        sizes[shown].add(tuple(graph.get(fact) for fact in (*_SIZES, "synthetic")))
    for number, shown in enumerate(_shown(names, graphs)):
        if len(sizes[shown]) > 1:
            known = (f"{graphs[number][f]:,} {f}" for f in _SIZES if f in graphs[number])
            names[number] += f" [{', '.join(known)}]"
    return _shown(names, graphs)


def _shown(names: Sequence[str], graphs: Sequence[Mapping[str, Any]]) -> list[str]:
    return [shown_name(name, graph) for name, graph in zip(names, graphs, strict=True)]


def distinct_arms(networks: Sequence[Network], graphs: Sequence[str]) -> list[str]:
    """Names of arms, so that networks of one arm differ in depth, seed and split alone.

    Where networks of one name on one graph differ in a setting, its value becomes a part of the
    names of those that know it; where that does not tell two of one depth and seed apart, their
    paths do.

    Args:
        networks: what is measured.
        graphs: names of their graphs.
    """
    arms = [network.arm for network in networks]
    for rename in (_by_settings, _by_paths):
        groups: dict[tuple[str, str], list[int]] = defaultdict(list)
        for number, key in enumerate(zip(arms, graphs, strict=True)):
            groups[key].append(number)
        for (arm, _), numbers in groups.items():
            found = rename(arm, [networks[number] for number in numbers])
            for number, name in zip(numbers, found, strict=True):
                arms[number] = name
    return arms


def _by_settings(arm: str, group: Sequence[Network]) -> list[str]:
    values: dict[str, set[object]] = defaultdict(set)
    for network in group:
        for name, value in network.settings.items():
            values[name].add(value)
    varied = [name for name, several in values.items() if len(several) > 1]
    own = ({n: each.settings[n] for n in varied if n in each.settings} for each in group)
    return [named(arm, settings) for settings in own]


def _by_paths(arm: str, group: Sequence[Network]) -> list[str]:
    folders = [str(network.run or Path(network.path).parent) for network in group]
    for places in ([""] * len(group), folders, [network.path for network in group]):
        runs = {
            (place, network.depth, network.seed, network.dataset.split, network.untrained)
            for network, place in zip(group, places, strict=True)
        }
        if len(runs) == len(group):
            break
    return [f"{arm} [{place}]" if place else arm for place in places]
