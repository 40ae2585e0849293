"""Names of arms that tell apart whatever differs in more than depth, seed and split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gslt.studies.report.series import named
from gslt.studies.smooth.networks import Network


def with_distinct_arms(networks: Iterable[Network]) -> list[Network]:
    """The networks, each once, in arms of one kind.

    Where networks of one name differ in a setting, its value becomes a part of their names; where
    that does not tell two of one depth and seed apart, their paths do.
    """
    once = {(network.arm, *network.key): network for network in networks}
    found = []
    for network, arm in _by(once.values(), _distinct_settings):
        found.append(replace(network, arm=arm))
    return [replace(network, arm=arm) for network, arm in _by(found, _distinct_paths)]


def _by(networks: Iterable[Network], name: Any) -> list[tuple[Network, str]]:
    """Networks with the arm that ``name`` gives each among those of its arm and data set."""
    groups: dict[tuple[str, str], list[Network]] = defaultdict(list)
    for network in networks:
        groups[network.arm, network.place.name].append(network)
    return [pair for group in groups.values() for pair in zip(group, name(group), strict=True)]


def _distinct_settings(group: Sequence[Network]) -> list[str]:
    shared = set.intersection(*(set(network.settings) for network in group))
    varied = [
        name
        for name in group[0].settings
        if name in shared and len({network.settings[name] for network in group}) > 1
    ]
    return [
        named(network.arm, {name: network.settings[name] for name in varied}) for network in group
    ]


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
