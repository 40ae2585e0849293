"""``gslt smooth``: networks in, tables, JSON and pictures out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from gslt.config import check_choice
from gslt.data import NodeDataset
from gslt.data.catalogue import known_entry
from gslt.diagnostics import DEFAULT_MEASURES, MEASURES
from gslt.errors import ConfigError
from gslt.oversmoothing.arms import with_distinct_arms, with_distinct_graphs
from gslt.oversmoothing.inputs import Say, read_networks
from gslt.oversmoothing.measurement import Measurement
from gslt.oversmoothing.measuring import measure_all
from gslt.oversmoothing.networks import Network, of_source
from gslt.oversmoothing.place import Place
from gslt.oversmoothing.source import SourceConfig
from gslt.oversmoothing.write import write
from gslt.studies.execute import dataset_of


def smooth(
    paths: Sequence[str | Path],
    out: str | Path,
    *,
    untrained: bool = False,
    source: SourceConfig | None = None,
    depths: Sequence[int] = (),
    runs: int = 1,
    dataset: str | NodeDataset | None = None,
    dataset_dir: str | None = None,
    split: int | None = None,
    measures: Collection[str] | None = None,
    steps: bool = False,
    progress: bool = True,
    say: Say | None = None,
) -> list[Measurement]:
    """Measure over-smoothing in networks and write what was found into a folder.

    Nothing but the folder is written to, no run folder is opened for writing.

    Args:
        paths: ticket files, run folders, folders of studies.
        out: folder of ``smooth.md``, ``smooth.csv``, ``smooth.json`` and the pictures.
        untrained: measure every network as it was before its first epoch too.
        source: measured in the place of paths: an untrained source alone.
        depths: numbers of layers of the source; default: its own.
        runs: number of seeds of the source, from its own on.
        dataset: measure on this graph, a name or a path; default: that of each run, and for a
            source ``debian``.
        dataset_dir: where the data sets lie; default: that of each run.
        split: number of the split, which test accuracies depend on; default: that of each run, and
            0 on another graph than its own.
        measures: names out of :data:`gslt.diagnostics.MEASURES`; default: all but ``mad_gap``.
        steps: measure after every step of every layer too.
        progress: show a bar on a terminal.
        say: told the tables, what is left out, and what is written.

    Returns:
        What each network gave.

    Raises:
        RunError: if a path holds nothing of gslt's, or nothing is left to measure: no network is
            whole, on a data set that is there, and fits it.
        TicketError: for a file that is no ticket, or one of a module of the user's own.
        ConfigError: for a measure that does not exist.
    """
    wanted = _checked(measures)
    tell = say or (lambda line: None)
    if source is None:
        networks = read_networks(map(Path, paths), tell)
        networks += [each.before() for each in networks if untrained]
    else:
        networks = list(_sources(source, depths, runs))
    # Each once, however often it is named.
    once = {(each.arm, *each.key): each for each in networks}.values()
    found = measure_all(
        [_placed(each, dataset, dataset_dir, split) for each in once],
        wanted,
        steps=steps,
        load=_loader(dataset),
        say=tell,
        progress=progress,
    )
    found = with_distinct_arms(with_distinct_graphs(found))
    for line in write(found, Path(out), steps=steps):
        tell(line)
    return found


def _checked(measures: Collection[str] | None) -> Collection[str]:
    """The names that were given, or all but the last."""
    if measures is None:
        return DEFAULT_MEASURES
    if not measures:
        raise ConfigError(f"name at least one of the measures {', '.join(MEASURES)}")
    for name in measures:
        check_choice("measures", name, MEASURES)
    return measures


def _sources(config: SourceConfig, depths: Sequence[int], runs: int) -> Iterator[Network]:
    for depth in depths or [config.num_layers]:
        for seed in range(config.seed, config.seed + runs):
            one = replace(config, num_layers=depth, seed=seed)
            yield of_source(one, Place(name="debian"))


def _placed(
    network: Network, dataset: str | NodeDataset | None, root: str | None, split: int | None
) -> Network:
    """The network on the graph that was asked for."""
    own = network.place
    if isinstance(dataset, NodeDataset):
        return network.on(Place(name=dataset.name, split=dataset.split))
    place = replace(own, name=dataset or own.name, root=own.root if root is None else root)
    if split is None:
        # The splits of another graph are others.
        split = own.split if place.graph == own.graph else 0
    return network.on(replace(place, split=split))


def _loader(dataset: str | NodeDataset | None) -> Callable[[Network], NodeDataset]:
    def load(network: Network) -> NodeDataset:
        if isinstance(dataset, NodeDataset):
            return dataset
        place = network.place
        known = known_entry(place.name) is not None or place.is_path
        if dataset is None and network.run is None and not known:
            raise ConfigError(
                f"{network.path!r} was found on {place.name!r}, no known name; give --dataset"
            )
        return dataset_of(place.name, place.root, place.split)

    return load
