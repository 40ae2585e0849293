"""Names of arms and graphs that tell apart whatever differs in more than depth, seed and split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from gslt.oversmoothing.measurement import Measurement
from gslt.oversmoothing.networks import Network
from gslt.studies.report.series import named

#: Facts about a graph that no split changes.
_FACTS = ("nodes", "edges", "features", "classes", "synthetic")


def with_distinct_graphs(measurements: Iterable[Measurement]) -> list[Measurement]:
    """The measurements, with graphs of one name told apart.

    Where graphs of one name lie at several places, they are called by these; where one such name
    still stands for several sizes, the sizes become a part of it.
    """
    found = list(measurements)
    names: dict[str, dict[str, str]] = defaultdict(dict)
    for each in found:
        names[each.dataset].setdefault(each.network.place.where, each.network.place.name)
    found = [
        replace(each, called=own[each.network.place.where]) if len(own) > 1 else each
        for each in found
        for own in [names[each.dataset]]
    ]
    sizes: dict[str, set[tuple[object, ...]]] = defaultdict(set)
    for each in found:
        sizes[each.dataset].add(_facts(each))
    return [
        replace(each, called=_with_size(each)) if len(sizes[each.dataset]) > 1 else each
        for each in found
    ]


def _facts(each: Measurement) -> tuple[object, ...]:
    return tuple(each.graph.get(name) for name in _FACTS)


def _with_size(each: Measurement) -> str:
    known = (f"{each.graph[name]:,} {name}" for name in _FACTS[:-1] if name in each.graph)
    return f"{each.called or each.graph['name']} [{', '.join(known)}]"


def with_distinct_arms(measurements: Iterable[Measurement]) -> list[Measurement]:
    """The measurements, in arms of one kind.

    Where networks of one name on one graph differ in a setting, its value becomes a part of the
    names of those that know it; where that does not tell two of one depth and seed apart, their
    paths do.
    """
    found = list(measurements)
    for name in (_distinct_settings, _distinct_paths):
        found = _renamed(found, name)
    return found


def _renamed(
    measurements: Sequence[Measurement], name: Callable[[Sequence[Network]], list[str]]
) -> list[Measurement]:
    """Measurements with the arm that ``name`` gives each network among those it is pooled with."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, each in enumerate(measurements):
        groups[each.network.arm, each.dataset].append(number)
    found = list(measurements)
    for numbers in groups.values():
        networks = [measurements[number].network for number in numbers]
        for number, network, arm in zip(numbers, networks, name(networks), strict=True):
            found[number] = replace(found[number], network=replace(network, arm=arm))
    return found


def _distinct_settings(group: Sequence[Network]) -> list[str]:
    values: dict[str, set[object]] = defaultdict(set)
    for network in group:
        for name, value in network.settings.items():
            values[name].add(value)
    varied = [name for name, several in values.items() if len(several) > 1]
    own = [{n: each.settings[n] for n in varied if n in each.settings} for each in group]
    return [named(network.arm, settings) for network, settings in zip(group, own, strict=True)]


def _distinct_paths(group: Sequence[Network]) -> list[str]:
    folders = [str(network.run or Path(network.path).parent) for network in group]
    for places in ([""] * len(group), folders, [network.path for network in group]):
        runs = {
            (place, network.depth, network.seed, network.place.split, network.untrained)
            for network, place in zip(group, places, strict=True)
        }
        if len(runs) == len(group):
            break
    both = zip(group, places, strict=True)
    return [f"{network.arm} [{place}]" if place else network.arm for network, place in both]
