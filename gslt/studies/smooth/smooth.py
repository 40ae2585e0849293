"""``gslt smooth``: networks in, tables, JSON and pictures out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gslt.config import check_choice
from gslt.data import NodeDataset
from gslt.data.catalogue import known_entry
from gslt.diagnostics.smoothness import MEASURES
from gslt.errors import ConfigError, RunError
from gslt.files import write_json, write_text
from gslt.studies.execute import dataset_of
from gslt.studies.smooth.arms import with_distinct_arms
from gslt.studies.smooth.canvas import save, slug, styles
from gslt.studies.smooth.export import as_json, layers_csv
from gslt.studies.smooth.inputs import Say, read_networks
from gslt.studies.smooth.measurement import Measurement
from gslt.studies.smooth.measuring import measure_all
from gslt.studies.smooth.networks import Network, Place, of_source
from gslt.studies.smooth.pictures import depth_figure, layers_figure, search_figure
from gslt.studies.smooth.source import SourceConfig
from gslt.studies.smooth.steps_picture import steps_figure
from gslt.studies.smooth.tables import markdown, plain, tables_of

#: What is missing for a picture, and where to get it.
_LACKS = {
    "search": "there is no probe.jsonl: gslt search --probe_every N writes it into the run folder",
    "depth": "there is one depth: give runs of several depths, or --depths",
    "steps": "the steps were not measured: --steps does",
}


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
        split: number of the split, which test accuracies depend on; default: that of each run.
        measures: names out of :data:`gslt.diagnostics.MEASURES`; default: all but ``mad_gap``.
        steps: measure after every step of every layer too.
        progress: show a bar on a terminal.
        say: told the tables, what is left out, and what is written.

    Returns:
        What each network gave.

    Raises:
        RunError: if a path holds nothing of gslt's, or nothing is left to measure.
        TicketError: for a file that is no ticket, or one of a module of the user's own.
        ConfigError: for a measure that does not exist, or a data set that does not fit.
        DataError: for a data set that is not there.
    """
    wanted = list(MEASURES[:-1] if measures is None else measures)
    for name in wanted:
        check_choice("measures", name, MEASURES)
    tell = say or (lambda line: None)
    if source is None:
        networks = read_networks(map(Path, paths), tell)
        networks += [each.before() for each in networks if untrained]
    else:
        networks = list(_sources(source, depths, runs))
    networks = [_placed(each, dataset, dataset_dir, split) for each in with_distinct_arms(networks)]
    found = measure_all(
        networks, wanted, steps=steps, load=_loader(dataset), say=tell, progress=progress
    )
    if not found:
        raise RunError("there is nothing to measure: no network was left")
    for line in _write(found, Path(out)):
        tell(line)
    return found


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
    default = own.split if dataset is None else 0
    return network.on(
        Place(
            name=dataset or own.name,
            root=own.root if root is None else root,
            split=default if split is None else split,
        )
    )


def _loader(dataset: str | NodeDataset | None) -> Callable[[Network], NodeDataset]:
    def load(network: Network) -> NodeDataset:
        if isinstance(dataset, NodeDataset):
            return dataset
        place = network.place
        if dataset is None and network.run is None and known_entry(place.name) is None:
            raise ConfigError(
                f"{network.path!r} was found on {place.name!r}, no known name; give --dataset"
            )
        return dataset_of(place.name, place.root, place.split)

    return load


def _write(found: Sequence[Measurement], out: Path) -> Iterator[str]:
    """Write tables, data and pictures; what is shown on the terminal, as it is there."""
    tables = tables_of(found)
    for table in tables:
        yield f"{plain(table)}\n"
    write_text(out / "smooth.md", markdown(tables, _laplacians(found)))
    write_text(out / "smooth.csv", layers_csv(found))
    write_json(out / "smooth.json", as_json(found))
    files = ["smooth.md", "smooth.csv", "smooth.json"]
    drawn: set[str] = set()
    for kind, name, figure in _figures(found):
        drawn.add(kind)
        files += [path.name for path in save(figure, out, name)]
    for kind, reason in _LACKS.items():
        if kind not in drawn:
            yield f"no picture of the {kind}: {reason}"
    yield f"written to {out}: {', '.join(files)}"


def _laplacians(found: Sequence[Measurement]) -> str:
    pairs = {each.network.model.architecture: each.laplacian for each in found}
    parts = ", ".join(f"{name.upper()}: {kind.replace('_', '-')}" for name, kind in pairs.items())
    return f"Laplacian of the propagation: {parts}."


def _figures(found: Sequence[Measurement]) -> Iterator[tuple[str, str, Any]]:
    """Kind, file name and figure of every picture that there is data for."""
    look = styles(found)
    datasets = list(dict.fromkeys(each.dataset for each in found))
    for dataset in datasets:
        mine = [each for each in found if each.dataset == dataset]
        part = f"-{slug(dataset)}" if len(datasets) > 1 else ""
        depths = sorted({each.network.depth for each in mine})
        for depth in depths:
            same = [each for each in mine if each.network.depth == depth]
            end = f"{part}-depth{depth}" if len(depths) > 1 else part
            title = f"{dataset}, {depth} layers"
            yield "layers", f"layers{end}", layers_figure(same, look, title)
            if (figure := search_figure(same, look, title)) is not None:
                yield "search", f"search{end}", figure
            if (figure := steps_figure(same, title)) is not None:
                yield "steps", f"steps{end}", figure
        if (figure := depth_figure(mine, look, dataset)) is not None:
            yield "depth", f"depth{part}", figure
