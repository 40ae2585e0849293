"""Mean and spread over runs, and how they are printed."""

from __future__ import annotations

import math

import pytest

from gslt.config import RunConfig
from gslt.errors import ConfigError
from gslt.training.results import AT_LAST, Result, Run, format_accuracy, leaderboard_line


def test_mean_and_unbiased_standard_deviation_by_hand():
    def run(accuracy: float) -> Run:
        return Run(0, 1, 1.0, accuracy, accuracy, 0.0, [], model=None, ticket=None)

    result = Result(RunConfig(), "toy", (run(0.7), run(0.8), run(0.9)))
    assert result.test_accuracy == pytest.approx(0.8)
    assert result.test_std == pytest.approx(0.1)
    assert "80.00 ± 10.00" in str(result)
    assert math.isnan(Result(RunConfig(), "toy", (run(0.7),)).test_std)


def test_means_at_the_best_and_at_the_last_epoch_by_hand() -> None:
    def run(number: float, **more: float) -> Run:
        kept = {"last_test_accuracy": number, "test_loss": 2 * number, **more}
        return Run(0, 1, 0.9, 0.8, 0.7, 0.0, [], model=None, ticket=None, **kept)  # type: ignore[arg-type]

    result = Result(RunConfig(), "toy", (run(0.2), run(0.4)))
    assert result.mean("last_test_accuracy") == pytest.approx(0.3)
    assert result.mean("test_loss") == pytest.approx(0.6)
    assert str(result) == (
        "toy: test accuracy 70.00 ± 0.00, validation 80.00 ± 0.00, training 90.00, test at the "
        "last epoch 30.00 (2 run(s))"
    )


def test_runs_of_an_older_gslt_have_nothing_of_the_last_epoch() -> None:
    run = Run(0, 1, 0.9, 0.8, 0.7, 0.0, [], model=None, ticket=None)  # type: ignore[arg-type]
    result = Result(RunConfig(), "toy", (run,))
    assert all(math.isnan(result.mean(name)) for name in AT_LAST)
    assert str(result) == "toy: test accuracy 70.00, validation 80.00, training 90.00 (1 run(s))"


def test_the_best_run_has_the_best_validation() -> None:
    runs = tuple(
        Run(seed, 1, 1.0, val, test, 0.0, [], model=None, ticket=None)  # type: ignore[arg-type]
        for seed, (val, test) in enumerate([(0.5, 0.9), (0.7, 0.6), (0.7, 0.8)])
    )
    result = Result(RunConfig(), "toy", runs)
    assert result.best.seed == 1
    assert result.val_accuracy == pytest.approx(1.9 / 3)
    assert result.history == []
    assert result.ticket is None


def test_percent_as_papers_print_it() -> None:
    assert format_accuracy(0.78754) == "78.75"
    assert format_accuracy(0.78754, 0.00123) == "78.75 ± 0.12"
    assert format_accuracy(1.0, 0.0) == "100.00 ± 0.00"


def test_ogbs_leaderboard_wants_ten_runs() -> None:
    scores = (0.71236, 0.00124), (0.7, 0.1)
    with pytest.raises(ConfigError, match="10 runs of different seeds, and there are 9; run with"):
        leaderboard_line("GIN", *scores, runs=9, params=1, hardware="CPU")
    found = leaderboard_line("GIN", *scores, runs=10, params=218_664, hardware="CPU")
    assert found == "GIN | No | 0.7124 ± 0.0012 | 0.7000 ± 0.1000 | 218,664 | CPU"
