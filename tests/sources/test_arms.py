"""gslt.sources.arms: each ticket at the same place of the search window of its source."""

from __future__ import annotations

from typing import Any

import pytest

from gslt.config import DemoConfig, SearchConfig, SourcesConfig, TrainConfig
from gslt.errors import ConfigError
from gslt.sources import study_of
from gslt.sources.arms import DENSE, FROZEN, SPARSE, TRAINED
from gslt.studies.presets import preset
from gslt.studies.study import Study


def configs(study: Study) -> dict[str, SearchConfig | TrainConfig]:
    """Config of each arm, of the first seed."""
    first = study.seed_list[0]
    return {cell.arm: cell.spec.config for cell in study.cells if cell.spec.config.seed == first}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        # Pruning ratio, locking ratio, sparsity. Windows [0, 1], [0.4, 1], [0.2, 0.8].
        ({}, {DENSE: (0, 0, 0.5), SPARSE: (0.4, 0, 0.7), FROZEN: (0.2, 0.2, 0.5)}),
        # A quarter into each window.
        (
            {"sparsity": 0.25},
            {DENSE: (0, 0, 0.25), SPARSE: (0.4, 0, 0.55), FROZEN: (0.2, 0.2, 0.35)},
        ),
        # Windows [0, 1], [0.8, 1], [0, 0.2] with everything locked.
        (
            {"freezing_ratio": 0.8, "prune_share": 0.0},
            {DENSE: (0, 0, 0.5), SPARSE: (0.8, 0, 0.9), FROZEN: (0, 0.8, 0.1)},
        ),
    ],
)
def test_every_ticket_has_the_same_place_in_its_window(
    settings: dict[str, Any], expected: dict[str, tuple[float, float, float]]
) -> None:
    config = SourcesConfig(**settings)
    found = configs(study_of(config, "cora"))
    assert list(found) == [TRAINED, DENSE, SPARSE, FROZEN]
    for arm, numbers in expected.items():
        ticket = found[arm]
        assert isinstance(ticket, SearchConfig)
        assert (*ticket.ratios, ticket.sparsity) == pytest.approx(numbers)
        low, high = ticket.ratios[0], 1 - ticket.ratios[1]
        assert (ticket.sparsity - low) / (high - low) == pytest.approx(config.sparsity)
    sparse, frozen = (found[arm] for arm in (SPARSE, FROZEN))
    assert isinstance(sparse, SearchConfig)
    assert isinstance(frozen, SearchConfig)
    assert sum(sparse.ratios) == pytest.approx(sum(frozen.ratios))


def test_the_arms_are_those_of_the_papers_table() -> None:
    """A comparison with the settings of a preset computes none of its runs again."""
    table = preset("table", "standard")
    config = SourcesConfig(epochs=60, hidden_channels=128, lr=0.05, seeds=6)
    mine = study_of(config, "debian")
    names = {TRAINED: TRAINED, **{arm: f"{arm}, SKC" for arm in (DENSE, SPARSE, FROZEN)}}
    theirs = {(cell.arm, cell.spec.config.seed): cell.spec.identity for cell in table.cells}
    for cell in mine.cells:
        assert cell.spec.identity == theirs[names[cell.arm], cell.spec.config.seed]


def test_the_demo_is_a_preset() -> None:
    demo, same = DemoConfig(), SourcesConfig(epochs=32, hidden_channels=128, lr=0.05)
    assert study_of(demo, "debian").values == study_of(same, "debian").values
    assert len(study_of(demo, "debian").runs) == 12


def test_seeds_and_names() -> None:
    one, more = (study_of(SourcesConfig(seed=4, seeds=n), "data/my graph.npz") for n in (2, 3))
    assert (one.seed_list, more.seed_list) == ([4, 5], [4, 5, 6])
    assert set(one.runs) < set(more.runs)
    assert one.name != more.name
    assert one.name.startswith("compare-my-graph-")
    assert one.name == study_of(SourcesConfig(seed=4, seeds=2), "data/my graph.npz").name


def test_rates_of_weight_training() -> None:
    assert configs(study_of(SourcesConfig(train_lr=0.3), "cora"))[TRAINED].lr == 0.3
    images = configs(study_of(SourcesConfig(architecture="conv6", width=0.1), "cifar10"))
    assert (images[TRAINED].lr, images[DENSE].lr) == (0.01, 0.1)
    assert images[DENSE].optimizer == "sgd"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"sparsity": 0.0}, r"sparsity must lie in \(0, 1\), got 0.0: at the ends of its window"),
        ({"sparsity": 1.2}, "sparsity must lie in"),
        ({"freezing_ratio": 0.0}, "at 0 all sources are dense"),
        ({"freezing_ratio": 1.0}, "at 1 nothing is searched"),
        ({"prune_share": 1.0}, "would be the sparse one"),
        ({"seeds": 0}, "seeds must be at least 1"),
        ({"runs": 2}, "seeds says how many"),
        ({"train_lr": 0.0}, "train_lr must be positive"),
        ({"seed": -1}, "seed"),
        ({"sparsity": "half"}, "sparsity must be of type float"),
    ],
)
def test_what_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        SourcesConfig(**settings)
