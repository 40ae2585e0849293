"""The rule: what it refuses, and the number of each seed by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from gslt.conjecture.rule import ACCURACY, Key, Rule, scores_of
from gslt.errors import ConfigError

RULE = Rule()


def test_rules_that_are_none() -> None:
    with pytest.raises(ConfigError, match="alpha must lie in"):
        Rule(alpha=1.0)
    with pytest.raises(ConfigError, match="mad needs a margin above 0, got None: state"):
        Rule(endpoint="mad")
    with pytest.raises(ConfigError, match="weights of depths"):
        Rule(depth_weights={4: -1.0})


def contrasts_of(rows: list[tuple[str, int, float, int, float]]) -> pd.DataFrame:
    columns = ["intervention", "num_layers", "ratio", "seed", "difference"]
    return pd.DataFrame(rows, columns=columns).assign(
        dataset="toy", arm="frozen", endpoint=ACCURACY, at="last epoch", why=""
    )


def test_a_score_is_the_mean_over_ratios_then_over_depths_by_hand() -> None:
    rows = [("none", 4, 0.2, 0, 0.1), ("none", 4, 0.4, 0, 0.3), ("none", 8, 0.4, 0, 0.6)]
    rows += [("none", 4, 0.2, 1, 0.1), ("none", 4, 0.4, 1, math.nan), ("none", 8, 0.4, 1, 0.6)]
    rows += [("residual", 4, 0.4, 0, 0.1)]
    table = contrasts_of(rows)
    key = Key(ACCURACY, "last epoch")
    found = scores_of(table, key, RULE)
    assert found.values == pytest.approx([(0.2 + 0.6) / 2])
    assert (found.seeds, found.left_out, found.cells) == ((0,), (1,), 3)
    assert found.why == "a run is missing"
    weighed = scores_of(table, key, Rule(depth_weights={4: 3.0, 8: 1.0}))
    assert weighed.values == pytest.approx([(3 * 0.2 + 0.6) / 4])
    only = scores_of(table, key, Rule(depth_weights={8: 1.0}))
    assert (only.values.tolist(), only.seeds) == ([0.6, 0.6], (0, 1))
    # The cell that both have: 0.3 without, 0.1 with the intervention.
    did = scores_of(table, Key(ACCURACY, "last epoch", "residual"), RULE)
    assert did.values == pytest.approx([0.2])
    assert (did.cells, did.left_out) == (1, (1,))
    none = scores_of(table, Key(ACCURACY, "last epoch", "pairnorm"), RULE)
    assert none.why == "no pairs of the arms frozen and dense with and without pairnorm"


def test_an_infinite_difference_counts_as_the_largest() -> None:
    table = contrasts_of([("none", 4, 0.2, 0, -math.inf), ("none", 4, 0.2, 1, 0.5)])
    found = scores_of(table, Key(ACCURACY, "last epoch"), RULE)
    assert (found.values.tolist(), found.one_collapsed) == ([-0.5, 0.5], 1)
