"""Initial weights of a training, and the random mask of a weak ticket."""

from __future__ import annotations

import pytest
import torch
from small_modules import effective, mlp

from gslt.config import FreezeConfig
from gslt.masking.freeze import freeze
from gslt.masking.initialise import initialise


def test_an_unfrozen_twin_gets_the_same_weights() -> None:
    trained, frozen = mlp(), mlp()
    initialise(trained, "kn", 3)
    freeze(frozen, FreezeConfig(sparsity=0.0, weight_init="kn", scale="none", seed=3))
    for name, weight in effective(frozen).items():
        assert torch.equal(trained.get_parameter(name), weight)


def test_a_weak_ticket_has_the_mask_and_the_scale_of_a_source_that_is_frozen_altogether() -> None:
    trained, frozen = mlp(), mlp()
    initialise(trained, "kn", 3, sparsity=0.5)
    config = FreezeConfig(
        sparsity=0.5, freezing_ratio=1.0, allocation="uniform", weight_init="kn", seed=3
    )
    freeze(frozen, config)
    assert sum(p.numel() for p in frozen.parameters()) == 0
    for name, weight in effective(frozen).items():
        assert 0 < int((weight == 0).sum()) < weight.numel()
        torch.testing.assert_close(trained.get_parameter(name).detach(), weight.detach())


def test_no_optimizer_moves_what_a_weak_ticket_has_not() -> None:
    model = mlp()
    initialise(model, "ku", 0, sparsity=0.75)
    matrices = [p for p in model.parameters() if p.dim() > 1]
    before = [p.detach().clone() for p in matrices]
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    x = torch.randn(9, matrices[0].size(1), generator=torch.Generator().manual_seed(0))
    for _ in range(3):
        optimizer.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()
    for old, new in zip(before, matrices, strict=True):
        assert float((old == 0).float().mean()) == pytest.approx(0.75, abs=0.5 / old.numel())
        assert torch.equal(old == 0, new == 0)
        assert not torch.equal(old, new)
