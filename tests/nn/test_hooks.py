"""What an observer sees, and that it is nobody else's business."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gslt.nn.hooks import is_observed, observed, observing


def test_every_observer_sees_the_value_itself() -> None:
    x, seen = torch.ones(2, 3), []
    with (
        observing(lambda step, value: seen.append((step, value))),
        observing(lambda step, value: seen.append((step.upper(), value))),
    ):
        assert observed("layer", x) is x
    assert [step for step, _ in seen] == ["layer", "LAYER"]
    assert all(value is x for _, value in seen)


def test_nobody_looks_outside_the_block() -> None:
    def refuse(step: str, value: Tensor) -> None:
        raise ValueError(step)

    assert not is_observed()
    with observing(refuse):
        assert is_observed()
        with pytest.raises(ValueError, match="layer"):
            observed("layer", torch.ones(1))
    assert not is_observed()
    observed("layer", torch.ones(1))


def test_an_error_in_the_block_ends_the_observation() -> None:
    with pytest.raises(ValueError, match="inside"), observing(lambda step, value: None):
        raise ValueError("inside")
    assert not is_observed()
