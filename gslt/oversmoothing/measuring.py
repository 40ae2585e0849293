"""The measures of networks, of every layer and, where asked for, every step, as frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gslt.backends import get_backend
from gslt.data import NodeDataset, as_dataset
from gslt.data.content import data_differ, hold_to_data, refuse_other_data
from gslt.data.metrics import ACCURACY
from gslt.diagnostics import MEASURES, PROBE, Labels, Step, laplacian_of, probe
from gslt.errors import ConfigError, GsltError, RunError
from gslt.files import json_values, parse, plain, read_bytes, reading
from gslt.oversmoothing.networks import Network, Say, distinct_arms, distinct_graphs
from gslt.progress import progress_bar
from gslt.report.statistics import difference
from gslt.studies.columns import LOG_QUOTIENT, shown_name
from gslt.studies.execute import dataset_of
from gslt.studies.smoothness import (
    OF_LOG_QUOTIENT,
    OF_LOG_UNCENTRED_QUOTIENT,
    Profile,
    endpoints,
    layer_rows,
    log_quotients,
    profile_of,
    topology_of,
)
from gslt.training.inputs import inputs_of
from gslt.training.memory_budget import check_forward

if TYPE_CHECKING:
    from pandas import DataFrame

#: Columns of every frame that the CSV has no use for: they follow from the others.
NOT_IN_CSV = ("run", "label")


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one network gave."""

    network: Network
    dataset: str
    """Name of the graph, with the word synthetic where it is."""
    graph: dict[str, Any]
    """Facts about the graph: :meth:`gslt.NodeDataset.info`."""
    profile: Profile
    """Measures by name, a number for every layer, the last being that of the logits."""
    test_accuracy: float
    """A fraction."""
    steps: Sequence[dict[str, Any]] = ()
    """A row for every step of every layer, where they were asked for."""
    search: Sequence[dict[str, Any]] = ()
    """The layers' rows of the run's probe file, of this seed."""
    environment: dict[str, Any] | None = None
    """Versions and hardware of the record that it is taken from; None where it was measured now."""

    @property
    def facts(self) -> dict[str, Any]:
        """What every row of it begins with."""
        network = self.network
        return {
            "dataset": self.dataset,
            "synthetic": bool(self.graph.get("synthetic")),
            "split": network.dataset.split,
            "arm": network.arm,
            "untrained": network.untrained,
            "num_layers": network.depth,
            "seed": network.seed,
            "test_accuracy": self.test_accuracy,
            "laplacian": laplacian_of(network.model.architecture),
            # Where no metric stands, the accuracy is one.
            **({} if self.metric == ACCURACY else {"metric": self.metric}),
        }

    @property
    def metric(self) -> str:
        """What ``test_accuracy`` holds, by the facts of the graph."""
        return str(self.graph.get("metric", ACCURACY))

    @property
    def endpoints(self) -> dict[str, float | None]:
        """See :func:`gslt.studies.smoothness.endpoints`; of the measures that were taken."""
        return endpoints(self.profile)


@dataclass(frozen=True)
class Measurements:
    """What all networks gave, one by one and as frames.

    Every frame begins with ``run`` (the number of the network), ``label`` (the arm, and whether it
    is untrained) and the facts of a network: ``dataset``, ``synthetic``, ``split``, ``arm``,
    ``untrained``, ``num_layers``, ``seed``, ``test_accuracy``, ``laplacian``. Measures have the
    names of :data:`gslt.diagnostics.MEASURES`; ``log_quotient`` is −∞ for a total collapse. A frame
    without rows has no columns.
    """

    networks: Sequence[Measurement]
    """What each gave, in the order in which they were asked for."""

    @cached_property
    def runs(self) -> DataFrame:
        """A row for every network: its endpoints, ``path``, and facts of its model.

        ``trains_all`` says whether all its weights are trained.
        """
        return self._frame(
            lambda each: [
                {
                    **each.endpoints,
                    "path": each.network.path,
                    "architecture": each.network.model.architecture,
                    "hidden_channels": each.network.model.hidden_channels,
                    "trains_all": each.network.settings.get("mask_sparsity") == 0,
                }
            ]
        )

    @cached_property
    def layers(self) -> DataFrame:
        """A row for every layer of every network: ``layer``, ``hidden`` and the measures."""
        return self._frame(lambda each: layer_rows(each.profile))

    @cached_property
    def search(self) -> DataFrame:
        """A row for every layer and every ``epoch`` of a run's probe file."""
        return self._frame(lambda each: map(_with_log_quotient, each.search))

    @cached_property
    def steps(self) -> DataFrame:
        """A row for every step of every layer, in the order of the computation.

        A linear map beside the others, that of a GraphSAGE node itself or of the head, is left out,
        as is a layer's result where it is that of its last step. ``place`` is where a step stands
        on an axis of layers, the last one of layer l at l. ``change`` is what it adds to the log
        quotient, −∞ where all that was left collapses; NaN outside of the layers 2 … L − 1. What is
        no step of its own counts with the step that follows, as does the sum with the node's own
        projection in GraphSAGE.
        """
        steps = self._frame(_steps)
        if not len(steps):
            return steps
        steps = steps.drop_duplicates(["run", "layer", "step"], ignore_index=True)
        layers = steps.groupby(["run", "layer"])["step"]
        place = steps["layer"] - 1 + (layers.cumcount() + 1) / layers.transform("size")
        if LOG_QUOTIENT not in steps:
            return steps.assign(place=place)
        now = steps[LOG_QUOTIENT].astype(float)
        before = now.groupby(steps["run"]).shift()
        change = difference(now.to_numpy(), before.to_numpy())
        inner = (steps["layer"] > 1) & (steps["layer"] < steps["num_layers"])
        return steps.assign(place=place, change=np.where(inner, change, np.nan))

    @property
    def metric(self) -> str:
        """What ``test_accuracy`` holds; of the first network, where they differ."""
        return self.networks[0].metric

    def by_metric(self) -> list[Measurements]:
        """Those of each metric, in the order in which they come: no table holds two."""
        metrics = dict.fromkeys(each.metric for each in self.networks)
        return [
            Measurements([each for each in self.networks if each.metric == metric])
            for metric in metrics
        ]

    def on(self, dataset: str, depth: int | None = None) -> Measurements:
        """Those on one graph, and of so many layers.

        Args:
            dataset: name of the graph.
            depth: number of layers; default: any.
        """
        return Measurements(
            [
                each
                for each in self.networks
                if each.dataset == dataset and depth in (None, each.network.depth)
            ]
        )

    def _frame(self, rows: Callable[[Measurement], Any]) -> DataFrame:
        import pandas as pd

        return pd.DataFrame(
            [
                {"run": number, "label": each.network.label, **each.facts, **row}
                for number, each in enumerate(self.networks)
                for row in rows(each)
            ]
        )


def _steps(each: Measurement) -> Iterator[dict[str, Any]]:
    residual = each.network.model.residual
    for row in each.steps:
        if row["layer"] > 0 and (row["step"] != "layer" or residual):
            yield _with_log_quotient(row)


def _with_log_quotient(row: dict[str, Any]) -> dict[str, Any]:
    if any(name not in row for name in OF_LOG_QUOTIENT):
        return row
    names = {*OF_LOG_QUOTIENT, *OF_LOG_UNCENTRED_QUOTIENT} & row.keys()
    return {**row, LOG_QUOTIENT: log_quotients({name: [row[name]] for name in names})[0]}


def measure_all(
    networks: Sequence[Network],
    measures: Collection[str],
    *,
    dataset: str | NodeDataset | None = None,
    steps: bool = False,
    say: Say,
    progress: bool = True,
    allow_other_data: bool = False,
) -> Measurements:
    """The measures of every network; one that cannot be measured is said and left out.

    Arms and graphs are called so that whatever differs in more than depth, seed and split has
    names of its own.

    Args:
        networks: what to measure; a profile in a record is taken from there where that serves.
        measures: names of measures; what the log of the centred quotient needs is added.
        dataset: what the caller asked for in the place of their own, see :func:`load`.
        steps: measure after every step too.
        say: told what is left out or not in a record, and why.
        progress: show a bar over the networks on a terminal.
        allow_other_data: measure, with a warning, on data that a network was not found on.

    Raises:
        RunError: if nothing is left, with the reason of the first.
    """
    wanted = set(measures)
    if "centred_rayleigh_quotient" in wanted:
        wanted |= set(OF_LOG_QUOTIENT)
    found: dict[Any, Measurement] = {}
    lost: Counter[str] = Counter()
    unknown: list[str] = []

    def held(network: Network, data: NodeDataset) -> NodeDataset:
        if network.found_on is not None:
            what, allowed = repr(network.path), allow_other_data
            said = hold_to_data(network.found_on, what, data, allowed=allowed)
            unknown.extend([said] if said else [])
        return data

    with progress_bar(total=len(networks), desc="measured", unit="network", show=progress) as bar:
        # The networks of one graph together, so that it is made ready once.
        for network in sorted(networks, key=_graph_order):
            bar.set_postfix_str(f"{network.label}, {network.depth} layers, seed {network.seed}")
            try:
                if network.key in found:  # Two arms share it.
                    one = replace(found[network.key], network=network)
                else:
                    one = _recorded(network, wanted, steps) or _measured(
                        network, held(network, load(network, dataset)), wanted, steps
                    )
                    one = replace(one, search=_search(network, say))
                found[network.key, network.arm] = found[network.key] = one
            except GsltError as error:
                lost[str(error)] += 1
            bar.update()
    # The first reason is in the error where there is one.
    for reason, count in list(lost.items())[0 if found else 1 :]:
        say(f"{reason}; {f'{count} networks are' if count > 1 else 'it is'} left out")
    if not found:
        raise RunError(": ".join(["there is nothing to measure", *list(lost)[:1]]))
    measurements = [found[n.key, n.arm] for n in networks if (n.key, n.arm) in found]
    for line in _not_recorded(measurements, wanted, steps):
        say(line)
    if unknown:
        say(unknown[0] + (f"; nor could {len(unknown) - 1} more" if len(unknown) > 1 else ""))
    compare_data(measurements, allow_other_data)
    return Measurements(rename_distinctly(measurements))


def _graph_order(network: Network) -> tuple[str, str, str, int]:
    choice = network.dataset
    return choice.address, choice.name, choice.root or "", choice.split


def load(network: Network, dataset: str | NodeDataset | None) -> NodeDataset:
    """The data set that a network is measured on.

    Args:
        network: on the graph that was asked for, see :meth:`Network.on`.
        dataset: what was asked for; None: that of the network.

    Raises:
        RunError: if there is only a record, which is of the network's own data set.
        ConfigError: for a ticket of a data set that has no known name.
        DataError: if it cannot be loaded.
    """
    if network.build is None:
        raise RunError(
            f"there is no run folder for {network.path!r}, and its record is of its own data set"
        )
    if isinstance(dataset, NodeDataset):
        return dataset
    choice = network.dataset
    if dataset is None and network.run is None and not choice.exists:
        raise ConfigError(
            f"{network.path!r} was found on {choice.name!r}, no known name; give --dataset"
        )
    return as_dataset(dataset_of(choice.name, choice.root, choice.split))


def compare_data(found: Sequence[Measurement], allowed: bool) -> None:
    """Refuse measures of different data of one place and split, such as those of two records.

    Args:
        found: what was measured.
        allowed: whether the user has allowed it, which is a warning then.

    Raises:
        RunError: says how the data differs.
    """
    first: dict[tuple[str, int], dict[str, Any]] = {}
    for each in found:
        choice = each.network.dataset
        known = first.setdefault((choice.address, choice.split), each.graph)
        if how := data_differ(known, each.graph):
            refuse_other_data(
                f"{each.network.path!r} and others before it are of different data named "
                f"{choice.name!r}: {how}",
                "measure them apart",
                allowed=allowed,
            )
            return


def _recorded(network: Network, wanted: set[str], steps: bool) -> Measurement | None:
    """What a record has, where that is all there is or all that is wanted."""
    record = network.record
    if record is None or record.profile is None:
        return None
    if network.build is not None and (steps or not wanted <= set(record.profile)):
        return None
    with reading(f"{record.spec.identity}.json", what="a record"):
        profile = parse(Profile, {n: v for n, v in record.profile.items() if n in wanted})
        accuracy = parse(float, record.measured["test_accuracy"])
        if any(len(values) != network.depth for values in profile.values()):
            raise ValueError(f"its profile is not of {network.depth} layers")
    if not profile:
        names = ", ".join(name for name in MEASURES if name in wanted)
        raise RunError(f"a record has no {names}, and there is no run folder to measure it in")
    return Measurement(
        network=network,
        dataset=record.graph_name,
        graph=record.graph,
        profile=profile,
        test_accuracy=accuracy,
        environment=record.environment,
    )


def _not_recorded(
    measurements: Sequence[Measurement], wanted: set[str], steps: bool
) -> Iterator[str]:
    """What was asked for and is not in records whose run folders are not there."""
    alone = [each for each in measurements if each.network.build is None]
    missing = [n for n in MEASURES if n in wanted and any(n not in each.profile for each in alone)]
    missing += ["steps"] if steps and alone else []
    if missing:
        count = f"{len(alone)} networks have" if len(alone) > 1 else "one network has"
        yield f"{count} a record but no run folder, and records have no {', '.join(missing)}"


def _measured(network: Network, dataset: NodeDataset, wanted: set[str], steps: bool) -> Measurement:
    """What one forward pass of a network gives."""
    assert network.build is not None
    # Measures make two matrices beside those of the model.
    check_forward(dataset, network.model, torch.device("cpu"), matrices=2)
    model = network.build(dataset)
    model.eval()
    inputs = inputs_of(get_backend("pyg"), dataset).of("float32")
    taken: list[Step] | None = None if steps else ["layer"]
    with (
        torch.no_grad(),
        probe(
            model, topology_of(dataset), only=wanted, steps=taken, labels=Labels.of(dataset)
        ) as trace,
    ):
        logits = model(*inputs)
    facts: dict[str, Any] = dict(dataset.info())
    rows = [plain(row) for row in trace.rows()] if steps else []
    return Measurement(
        network=network,
        dataset=shown_name(dataset.name, facts),
        graph=facts,
        profile=profile_of(trace, [name for name in MEASURES if name in wanted]),
        test_accuracy=dataset.evaluate(logits)["test"],
        steps=[{name: row[name] for name in row if name != "call"} for row in rows],
    )


@dataclass(frozen=True)
class _ProbeRow:
    """Where and when a row of a probe file was measured."""

    seed: int
    epoch: int
    layer: int
    module: str
    step: str
    width: int
    laplacian: str = ""


def _search(network: Network, say: Say) -> list[dict[str, Any]]:
    """The layers' rows of the network's seed in the probe file of its run, where there is one.

    Args:
        network: that was searched or trained.
        say: told how many rows cannot be read.
    """
    if network.run is None or network.untrained or not (network.run / PROBE).exists():
        return []
    path, found, wrong = network.run / PROBE, [], 0
    try:
        with reading(path, what="a file of a probe"):
            lines = read_bytes(path).splitlines()
    except GsltError as error:
        say(f"{error}; it is left out")
        return []
    for line in lines:
        try:
            row = _probe_row(line)
        except (ValueError, RecursionError):
            wrong += 1
            continue
        if (row["seed"], row["step"]) == (network.seed, "layer"):
            found.append(row)
    if wrong:
        say(f"{path}: {wrong} of {len(lines)} rows are no measurements, and left out")
    return found


def _probe_row(line: bytes) -> dict[str, Any]:
    """A row of a probe file: where and when, and measures.

    Raises:
        ValueError: if it is none.
    """
    values = json_values(line)
    place = asdict(parse(_ProbeRow, values))
    measures = {name: values[name] for name in MEASURES if name in values}
    return {**place, **parse(dict[str, float | None], measures)}


def rename_distinctly(found: Sequence[Measurement]) -> list[Measurement]:
    """The same with arms and graphs that have names of their own.

    See :func:`gslt.oversmoothing.networks.distinct_graphs` and ``distinct_arms``.
    """
    networks = [each.network for each in found]
    datasets = distinct_graphs(networks, [each.graph for each in found])
    arms = distinct_arms(networks, datasets)
    return [
        replace(each, dataset=dataset, network=replace(each.network, arm=arm))
        for each, dataset, arm in zip(found, datasets, arms, strict=True)
    ]
