"""The table that the verdict is computed from: one line per run, one number per endpoint."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gslt.errors import ConfigError

#: The arm that nothing was frozen in, with which all others are compared, and the frozen ones.
DENSE, FROZEN = "dense", "frozen"

PRIMARY = "log_quotient"
ACCURACY = "test_accuracy"
#: Every endpoint and what it is. Those of a layer are taken at the last hidden one.
ENDPOINTS = {
    PRIMARY: "log of the centred Rayleigh quotient",
    "effective_rank": "effective rank",
    "collapse": "share of the representation outside the kernel of the Laplacian",
    "log_quotient_slope": "slope over layers of the log quotient",
    "effective_rank_slope": "slope over layers of the effective rank",
    "collapse_slope": "slope over layers of the collapse",
    ACCURACY: "test accuracy",
}

#: An arm and its freezing ratio.
Arm = tuple[str, float | None]
#: Numbers by seed.
Column = dict[int, float]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run and what it measured.

    Raises:
        ConfigError: for a frozen run without a ratio in (0, 1), or a dense one with a ratio.
    """

    dataset: str
    depth: int
    batch_norm: bool
    arm: str
    freezing_ratio: float | None = None
    """Ratio of a frozen arm; None or 0 elsewhere."""
    seed: int
    endpoints: Mapping[str, float]
    """Numbers by endpoint; NaN, or no entry, where there is none. A log quotient of −∞ is a run
    that collapsed totally: its representation has no part left outside the Laplacian's kernel,
    so that its quotient is 0/0, or only a part that does not vary along edges. Nothing is smoother,
    so it ranks below every number and ties with its like."""

    def __post_init__(self) -> None:
        ratio = self.freezing_ratio or 0.0
        if self.arm == FROZEN and not 0.0 < ratio < 1.0:
            raise ConfigError(f"a frozen run needs a ratio in (0, 1), got {self.freezing_ratio}")
        if self.arm == DENSE and ratio != 0.0:
            raise ConfigError(f"a dense run has no freezing ratio, got {self.freezing_ratio}")

    @property
    def place(self) -> Place:
        """Where it is compared with other runs."""
        return Place(self.dataset, self.batch_norm, self.depth)

    @property
    def key(self) -> Arm:
        """Its arm, with the ratio where there is one."""
        return self.arm, self.freezing_ratio or None

    def value(self, endpoint: str) -> float:
        """The number of an endpoint: NaN for none, −∞ for a total collapse."""
        value = float(self.endpoints.get(endpoint, math.nan))
        if math.isfinite(value) or (endpoint == PRIMARY and value == -math.inf):
            return value
        return math.nan


@dataclass(frozen=True, order=True)
class Place:
    """One data set, with or without batch norm, at one depth."""

    dataset: str
    batch_norm: bool
    depth: int

    @property
    def family(self) -> Family:
        """The data set and batch norm, whose depths are judged together."""
        return self.dataset, self.batch_norm


Family = tuple[str, bool]
Table = dict[Place, dict[Arm, dict[int, Run]]]


def by_place(runs: Iterable[Run]) -> Table:
    """Runs by place, arm and seed, each in order, whatever the order of the runs.

    Raises:
        ConfigError: if a run is there twice.
    """
    table: Table = {}
    ordered = sorted(runs, key=lambda run: (run.place, run.arm, run.freezing_ratio or 0, run.seed))
    for run in ordered:
        seeds = table.setdefault(run.place, {}).setdefault(run.key, {})
        if run.seed in seeds:
            raise ConfigError(
                f"arm {run.arm!r} has seed {run.seed} twice on {run.dataset} at depth {run.depth}; "
                "give each run once"
            )
        seeds[run.seed] = run
    return table


def column(runs: Mapping[int, Run], endpoint: str) -> Column:
    """The numbers of an endpoint by seed; runs without one are left out."""
    values = {seed: run.value(endpoint) for seed, run in runs.items()}
    return {seed: value for seed, value in values.items() if not math.isnan(value)}
