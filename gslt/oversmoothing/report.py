"""``gslt smooth``: networks in, tables, files for programs and pictures out."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gslt.data import as_dataset
from gslt.data.convert import dataset_at_hand
from gslt.data.metrics import ACCURACY
from gslt.diagnostics import MEASURES, default_measures
from gslt.environment import environment
from gslt.errors import ConfigError, RunError, listed
from gslt.files import OutputFolder, plain
from gslt.files.folder import check_folder
from gslt.oversmoothing.figures import (
    depth_figure,
    layers_figure,
    looks_of,
    measures_of_steps,
    search_figure,
    steps_figure,
)
from gslt.oversmoothing.measuring import NOT_IN_CSV, Measurement, Measurements, measure_all
from gslt.oversmoothing.networks import Say, of_source, read_networks
from gslt.oversmoothing.source import SourceConfig
from gslt.report.escaping import file_parts, markdown
from gslt.report.figures import both_names, save_both
from gslt.report.statistics import averages
from gslt.report.tables import NONE, Cell, Table, accuracy, csv_text, text
from gslt.settings import check_choices
from gslt.studies.columns import LOG_QUOTIENT, heading
from gslt.studies.smoothness import OF_LOG_QUOTIENT, last_names, slope_names

if TYPE_CHECKING:
    from pandas import DataFrame

#: What runs of one mean share.
_GROUP = ["dataset", "label", "num_layers"]
#: The columns that stand first; the others follow in the order of the registry.
_LAST_FIRST = (LOG_QUOTIENT, "collapse", "effective_rank", "numerical_rank")
_SLOPES_FIRST = (f"{LOG_QUOTIENT}_slope", "effective_rank_slope")
_NOTES = [
    "Mean ± unbiased standard deviation over n seeds (and splits, where several).",
    "ln: the natural logarithm, as everywhere. ln centred quotient: of the centred Rayleigh "
    "quotient, of what is left of a representation without its constant part; smaller is smoother. "
    "Collapse: the share of what is left; 0 is total over-smoothing. MAD: mean cosine distance of "
    "neighbours.",
    "collapsed: so many runs have nothing left, ln −∞, which the mean leaves out.",
]
_ATTENTION = (
    "A GAT weighs neighbours anew at every layer, so that no Laplacian is that of its propagation: "
    "measured is how far it is from what every attention leaves alone, the constants on each "
    "component, as the random walk's Laplacian has them."
)
#: What the command's folder is called, and its files but for the pictures.
KIND = "smooth"
FILES = ("smooth.md", "smooth.csv", "smooth.json")
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
    dataset: Any = None,
    dataset_dir: str | None = None,
    split: int | None = None,
    measures: Collection[str] | None = None,
    steps: bool = False,
    progress: bool = True,
    say: Say | None = None,
    allow_other_data: bool = False,
) -> Measurements:
    """Measure over-smoothing in networks and write what was found into a folder.

    Nothing but the folder is written to, no run folder is opened for writing.

    Args:
        paths: ticket files, run folders, folders of studies.
        out: folder of ``smooth.md``, ``smooth.csv``, ``smooth.json`` and the pictures: empty, not
            there yet, or of an earlier call.
        untrained: measure every network as it was before its first epoch too.
        source: measured in the place of paths: an untrained source alone.
        depths: numbers of layers of the source; default: its own.
        runs: number of seeds of the source, from its own on.
        dataset: measure on this graph: a name, a path, or whatever :func:`gslt.as_dataset` takes;
            default: that of each run, and for a source ``debian``.
        dataset_dir: where the data sets lie; default: that of each run.
        split: number of the split, which test accuracies depend on; default: that of each run, and
            0 on another graph than its own.
        measures: names out of :data:`gslt.diagnostics.MEASURES`; default: all but those that
            sample, such as ``mad_gap``.
        steps: measure after every step of every layer too.
        progress: show a bar on a terminal.
        say: told the tables, what is left out, and what is written.
        allow_other_data: measure, with a warning, where the data of a network's name is no longer
            what it was found on; such a network is left out otherwise.

    Returns:
        What each network gave, as frames too.

    Raises:
        RunError: if a path holds nothing of gslt's, the folder is of somebody else or holds a file
            that is to be written and not gslt's, or nothing is left to measure: no network is
            whole, on a data set that is there, and fits it.
        TicketError: for a file that is no ticket, or one of a module of the user's own.
        ConfigError: for a measure that does not exist, a ``dataset_dir`` or another split of a data
            set that is at hand, depths or runs without a source, or paths beside one.
    """
    wanted = _checked(measures)
    if not (dataset is None or isinstance(dataset, str)):
        dataset = as_dataset(dataset_at_hand(dataset, dataset_dir, split or 0))
        dataset_dir = split = None
    if source is None and (depths or runs != 1):
        raise ConfigError("depths and runs are of a source; the networks of paths have their own")
    if source is not None and paths:
        raise ConfigError("a source is measured in the place of paths; give one of them")
    tell = say or (lambda line: None)
    check_folder(Path(out), KIND)
    if source is None:
        networks = read_networks(map(Path, paths), tell)
        networks += [each.before() for each in networks if untrained]
    else:
        networks = [
            of_source(replace(source, num_layers=depth, seed=seed))
            for depth in depths or [source.num_layers]
            for seed in range(source.seed, source.seed + runs)
        ]
    # Each once, however often it is named.
    once = {(each.arm, *each.key): each for each in networks}.values()
    if not once:
        raise RunError("there is nothing to measure")
    folder = OutputFolder(out, KIND)
    for name in FILES:
        folder.check(name)
    found = measure_all(
        [each.on(dataset, dataset_dir, split) for each in once],
        wanted,
        dataset=dataset,
        steps=steps,
        say=tell,
        progress=progress,
        allow_other_data=allow_other_data,
    )
    for line in write(found, folder, steps=steps, named=measures or ()):
        tell(line)
    return found


def _checked(measures: Collection[str] | None) -> Collection[str]:
    """The names that were given, or those that are taken without a word."""
    if measures is None:
        return default_measures()
    if not measures:
        raise ConfigError(f"name at least one of the measures {', '.join(MEASURES)}")
    check_choices("measures", measures, tuple(MEASURES))
    return measures


# Files


def write(
    found: Measurements, out: OutputFolder, *, steps: bool, named: Collection[str] = ()
) -> Iterator[str]:
    """Write tables, data and pictures; gives what is shown on the terminal, as it is there.

    Pictures of an earlier call that this one did not draw are removed, as they would stand beside
    tables of other numbers.

    Args:
        found: what was measured.
        out: the folder.
        steps: whether steps were asked for.
        named: measures that were asked for by name.
    """
    tables = tables_of(found)
    for table in tables:
        yield f"{table.plain()}\n"
    figures = list(_figures(found))
    files = [*FILES, *(file for _, name, _ in figures for file in both_names(name))]
    for file in files:
        out.check(file)
    page, lines, values = FILES
    out.write_text(page, _markdown(found, tables))
    out.write_text(lines, layers_csv(found))
    out.write_json(values, plain(as_json(found)))
    for _, name, figure in figures:
        save_both(figure, out, name)
    drawn = {kind for kind, _, _ in figures}
    stale = [name for name in _pictures_in(out) if name not in files and out.remove(name)]
    for kind, reason in (_LACKS | _lacks_of_steps(found, steps)).items():
        if kind not in drawn:
            yield f"no picture of the {kind}: {reason}"
    if steps and len(found.steps) and "change" not in found.steps:
        yield "no table of what each step adds: it takes the measure centred_rayleigh_quotient"
    if nowhere := _in_no_table(found, named):
        yield (
            f"no table has {listed(nowhere)}: the values at every layer are in {lines} and in the "
            "picture of the layers"
        )
    if stale:
        yield f"removed, being of an earlier call: {', '.join(stale)}"
    yield f"written to {out.path}: {', '.join(files)}"


def _in_no_table(found: Measurements, named: Collection[str]) -> list[str]:
    """The measures among these that the tables have neither by themselves nor as a logarithm."""
    shown = {*found.runs, *(OF_LOG_QUOTIENT[1:] if LOG_QUOTIENT in found.runs else ())}
    return [name for name in named if name not in shown]


def _lacks_of_steps(found: Measurements, asked: bool) -> dict[str, str]:
    """Why there is no picture of steps that were asked for."""
    if len(found.steps):
        return {"steps": f"it takes one of the measures {', '.join(measures_of_steps())}"}
    records = "records hold none, and there is no run folder to measure them in"
    return {"steps": records} if asked else {}


def _pictures_in(out: OutputFolder) -> list[str]:
    """Names of the pictures that calls have written into a folder."""
    return [name for name in out.names() if name.endswith((".png", ".svg"))]


def _figures(found: Measurements) -> Iterator[tuple[str, str, Any]]:
    """Kind, file name and figure of every picture that there is data for."""
    look = looks_of(found)
    datasets = list(dict.fromkeys(found.runs["dataset"]))
    parts = file_parts(datasets)
    for dataset in datasets:
        mine = found.on(dataset)
        # No name of a graph has this sign, so that no two pictures have one name.
        part = f"@{parts[dataset]}" if len(datasets) > 1 else ""
        depths = sorted(mine.runs["num_layers"].unique())
        for depth in depths:
            same = found.on(dataset, depth)
            end = f"-depth{depth}{part}" if len(depths) > 1 else part
            title = f"{dataset}, {depth} layers"
            yield "layers", f"layers{end}", layers_figure(same, look, title)
            if (figure := search_figure(same, look, title)) is not None:
                yield "search", f"search{end}", figure
            if (figure := steps_figure(same, title)) is not None:
                yield "steps", f"steps{end}", figure
        if (figure := depth_figure(mine, look, dataset)) is not None:
            yield "depth", f"depth{part}", figure


# For programs: full precision, accuracies as fractions


def layers_csv(found: Measurements) -> str:
    """A line for every layer of every network."""
    return csv_text(found.layers.drop(columns=list(NOT_IN_CSV)))


def as_json(found: Measurements) -> dict[str, Any]:
    """Everything that was measured; what is not finite is null, as JSON has no word for it."""
    graphs = {each.dataset: each.graph for each in found.networks}
    return {
        "format": 1,
        "environment": environment(),
        "datasets": [{"dataset": dataset, **graph} for dataset, graph in graphs.items()],
        "synthetic": any(graph.get("synthetic") for graph in graphs.values()),
        "networks": [_network(each) for each in found.networks],
        "groups": _json_groups(found),
    }


def _network(each: Measurement) -> dict[str, Any]:
    return {
        **each.facts,
        "path": each.network.path,
        "settings": dict(each.network.settings),
        "endpoints": plain(each.endpoints),
        "collapsed": each.endpoints.get(LOG_QUOTIENT) == -math.inf,
        "profile": each.profile,
        "steps": list(each.steps),
        "search": list(each.search),
        # A record was computed on a machine of its own.
        **({} if each.environment is None else {"environment": each.environment}),
    }


def _json_groups(found: Measurements) -> list[dict[str, Any]]:
    names = [name for name in [*last_names(), *slope_names()] if name in found.runs]
    seeds = found.runs.groupby(_GROUP)["seed"].agg(list)
    fields = ("mean", "std", "n", "collapsed")
    return [
        {
            "dataset": group.dataset,
            "arm": group.label,
            "num_layers": group.num_layers,
            "seeds": seeds[group.dataset, group.label, group.num_layers],
            **{
                name: plain({field: getattr(mean, field) for field in fields})
                for name, mean in group.means.items()
            },
        }
        for group in _groups(found.runs, ["test_accuracy", *names])
    ]


# Tables


def tables_of(found: Measurements) -> list[Table]:
    """The last hidden layer, slopes over layers and changes by step, where there are any.

    Graphs of different metrics have tables of their own.
    """
    return [table for each in found.by_metric() for table in _tables_of(each)]


def _tables_of(found: Measurements) -> list[Table]:
    runs, metric = found.runs, found.metric
    deep = runs[runs["num_layers"] > 2]
    datasets = sorted(runs["dataset"].unique())
    several, where = len(datasets) > 1, ", ".join(datasets)
    last = ["test_accuracy", *_taken(runs, last_names(), _LAST_FIRST)]
    slopes = _taken(runs, slope_names(), _SLOPES_FIRST)
    tables = [_table(f"Last hidden layer: {where}", runs, last, several, metric)]
    if slopes and len(deep):
        title = f"Slope per layer over the hidden layers: {where}"
        tables.append(_table(title, deep, slopes, several))
    if "change" in found.steps and len(deep):
        what = "What each step adds to ln of the centred quotient"
        title = f"{what}, mean over layers 2 … L − 1: {where}"
        steps = found.steps[found.steps["num_layers"] > 2]
        changes = steps.groupby(["run", "step"])["change"].mean().unstack("step")
        names = list(steps["step"].unique())
        tables.append(_table(title, deep[[*_GROUP, "run"]].join(changes, on="run"), names, several))
    return tables


def _taken(runs: DataFrame, names: Sequence[str], first: Sequence[str]) -> list[str]:
    """The columns in which some run has an entry."""
    return [name for name in dict.fromkeys([*first, *names]) if name in names and name in runs]


def _markdown(found: Measurements, tables: Sequence[Table]) -> str:
    """All tables, and what their columns mean."""
    pairs = zip(found.runs["architecture"], found.runs["laplacian"], strict=True)
    parts = (f"{name.upper()}: {kind.replace('_', '-')}" for name, kind in dict(pairs).items())
    notes = [*_NOTES, f"Laplacian of the propagation: {', '.join(parts)}."]
    if "gat" in set(found.runs["architecture"]):
        notes.append(_ATTENTION)
    lines = "\n".join(f"- {markdown(note)}" for note in notes)
    return "\n".join(table.markdown() for table in tables) + f"\n{lines}\n"


@dataclass(frozen=True)
class _Group:
    """The runs of an arm of one depth on one graph."""

    dataset: str
    label: str
    num_layers: int
    n: int
    """Number of runs, with and without a number."""
    means: dict[str, Any]
    """Rows of :func:`gslt.report.statistics.averages` by column."""


def _groups(runs: DataFrame, columns: Sequence[str]) -> list[_Group]:
    """By graph, by arm in the order in which they come, and by depth."""
    found = []
    for _, rows in averages(runs, _GROUP, columns).groupby(_GROUP):
        means = {row.column: row for row in rows.itertuples()}
        one: Any = next(iter(means.values()))
        n = one.n + one.collapsed + one.missing
        found.append(_Group(one.dataset, one.label, one.num_layers, n, means))
    labels = list(dict.fromkeys(runs["label"]))
    return sorted(found, key=lambda each: (each.dataset, labels.index(each.label), each.num_layers))


def _table(
    title: str, runs: DataFrame, columns: Sequence[str], several: bool, metric: str = ACCURACY
) -> Table:
    """A line per group of runs: its name, how many they are, and means of columns."""
    headings = {"dataset": "data set", "label": "arm", "num_layers": "layers", "n": "n"}
    if not several:
        del headings["dataset"]
    named = [(headings[name], lambda row, name=name: text(getattr(row, name))) for name in headings]
    numbers = [
        (heading(name.removesuffix("_slope"), metric), lambda row, name=name: cell(row.means[name]))
        for name in columns
    ]
    return Table.of(title, _groups(runs, columns), [*named, *numbers], names=len(headings) - 2)


def cell(mean: Any) -> Cell:
    """Such as ``-1.270 ± 0.031``, with what the mean leaves out.

    Args:
        mean: a row of :func:`gslt.report.statistics.averages`.
    """
    if mean.column == "test_accuracy":
        return accuracy(mean.mean, mean.std)
    parts = [NONE if math.isnan(mean.mean) else f"{mean.mean:.3g}"]
    if mean.std > 0:
        # As many decimals as show two digits of the deviation.
        decimals = min(max(1 - math.floor(math.log10(mean.std)), 0), 6)
        parts = [f"{mean.mean:.{decimals}f} ± {mean.std:.{decimals}f}"]
    elif mean.std == 0:
        parts.append("± 0")
    out = [f"{mean.collapsed} collapsed"] if mean.collapsed else []
    out += [f"{mean.missing} missing"] if mean.missing and mean.n + mean.collapsed else []
    return Cell(" ".join(parts) + (f" ({', '.join(out)})" if out else ""), mean.mean)
