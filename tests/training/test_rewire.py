"""Dynamic sparse training: one step by hand, what every step keeps, whole runs, kill and resume."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from run_folders import SMALL, Crash, contents, run

import gslt
from gslt.config import TrainConfig
from gslt.masking.trained import masked_weights, put_mask
from gslt.training.results import Epoch
from gslt.training.rewire import Rewiring, drop_and_regrow, rewired_fraction

OPTIMIZERS: list[dict[str, Any]] = [
    {"optimizer": "adamw", "weight_decay": 0.1},
    {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.1},
    {"optimizer": "adam"},
]
MOVING: dict[str, Any] = {"rewire_every": 2, "rewire_fraction": 0.9, "rewire_until": 1.0}
REWIRED: dict[str, Any] = {**SMALL, "mask_sparsity": 0.7, "rewire_every": 2}


def test_one_step_by_hand() -> None:
    """Six of twelve weights, of which ρ = 0.305 at t = 4 of T = 8 rewires ⌊0.155 · 6⌋ = 0, at
    ρ₀ = 0.7 ⌊0.3525 · 6⌋ = 2."""
    weight = torch.tensor([[4.0, -1, 0, 0], [0.5, 0, -3, 0], [2, 0, 0, -0.25]])
    gradient = torch.tensor([[9.0, 9, 1, -7], [5, 2, 9, 3], [9, 6, -1, 8]])
    # Dropped are 0.5 and −0.25; of what is left −0.25 has the largest gradient, 8, then −7.
    kept = weight != 0
    new = drop_and_regrow(weight, kept, gradient.abs(), 2)
    expected = kept.clone()
    expected[1, 0] = False
    expected[0, 3] = True
    assert torch.equal(new, expected)

    layer = torch.nn.Linear(4, 3, bias=False)
    with torch.no_grad():
        layer.weight.copy_(weight)
    put_mask(layer, "weight", kept, rewired=True)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.5)
    momentum = torch.full((3, 4), 7.0)
    optimizer.state[layer.weight]["momentum_buffer"] = momentum
    config = TrainConfig(
        epochs=10, mask_sparsity=0.5, rewire_every=4, rewire_fraction=0.7, rewire_until=0.8
    )
    rewiring = Rewiring(layer, optimizer, config, 0)
    layer.weight.grad = gradient.clone()
    assert not rewiring.rewire(3)
    assert torch.equal(layer.weight.grad, gradient * kept)
    layer.weight.grad = gradient.clone()
    assert rewiring.rewire(4)
    assert torch.equal(next(masked_weights(layer)).kept, expected)
    # What left and what came is 0; what was dropped and regrown at once, −0.25, never left.
    after = weight.clone()
    after[1, 0] = 0
    assert torch.equal(layer.weight, after)
    assert torch.equal(momentum == 0, kept != expected)
    assert not rewiring.rewire(8)


def test_the_fraction_falls_as_a_cosine() -> None:
    assert rewired_fraction(0, 0.3, 100) == pytest.approx(0.3)
    assert rewired_fraction(25, 0.3, 100) == pytest.approx(0.005 + 0.295 * (1 + 0.5**0.5) / 2)
    assert rewired_fraction(100, 0.3, 100) == pytest.approx(0.005)
    assert rewired_fraction(100, 0.001, 100) == 0.001


def test_a_layer_that_keeps_all_stays_as_it_is() -> None:
    kept = torch.ones(3, 3, dtype=torch.bool)
    assert drop_and_regrow(torch.randn(3, 3), kept, torch.rand(3, 3), 4).all()


def test_among_equals_the_first_go_and_come() -> None:
    kept = torch.tensor([True, True, True, False, False])
    new = drop_and_regrow(
        torch.tensor([1.0, -1, 1, 0, 0]), kept, torch.tensor([0.0, 0, 0, 2, 2]), 1
    )
    assert new.tolist() == [False, True, True, True, False]


few = st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0])


@given(
    arrays.arrays(np.float32, st.integers(1, 40), elements=few),
    st.data(),
)
def test_every_step_keeps_the_count_and_moves_the_right_ones(
    weight: np.ndarray[Any, Any], data: st.DataObject
) -> None:
    n = len(weight)
    kept = data.draw(arrays.arrays(np.bool_, n))
    growth = np.abs(data.draw(arrays.arrays(np.float32, n, elements=few)))
    count = data.draw(st.integers(0, int(kept.sum())))
    new = drop_and_regrow(*map(torch.from_numpy, (weight, kept, growth)), count).numpy()
    assert new.sum() == kept.sum()
    # By hand: the smallest leave, by value and then by place; the largest come.
    order = sorted(np.flatnonzero(kept), key=lambda i: (abs(weight[i]), i))
    staying = set(order[count:])
    others = sorted(set(range(n)) - staying, key=lambda i: (-growth[i], i))
    assert set(np.flatnonzero(new)) == staying | set(others[:count])


@pytest.mark.parametrize("options", OPTIMIZERS, ids=lambda each: each["optimizer"])
@pytest.mark.parametrize("more", [{}, MOVING, {**MOVING, "regrow": "random"}], ids=str)
def test_what_is_not_kept_is_zero_after_every_update(
    blocks: gslt.NodeDataset, options: dict[str, Any], more: dict[str, Any]
) -> None:
    masks: list[list[torch.Tensor]] = []

    class Look:
        def begin(self, *_: Any) -> None: ...

        def end(self, *_: Any) -> None: ...

        def __call__(self, seed: int, epoch: int, epochs: int, model: Any, *_: Any) -> None:
            for each in masked_weights(model):
                assert not each.weight[~each.kept].any()
                assert each.weight[each.kept].any()
            masks.append([each.kept.clone() for each in masked_weights(model)])

    config = TrainConfig(**SMALL, **options, **more, mask_sparsity=0.7, allocation="erk")
    result = gslt.train(blocks, config, progress=False, probe=Look())
    counts = [[int(kept.sum()) for kept in each] for each in masks]
    assert counts == [counts[0]] * 7
    moved = [
        any(not torch.equal(a, b) for a, b in zip(one, other, strict=True))
        for one, other in pairwise(masks)
    ]
    # Updates 2 and 4 of 6: the end itself rewires nothing.
    assert moved == [epoch in (2, 4) and bool(more) for epoch in range(1, 7)]
    assert math.isfinite(result.history[-1].loss)


def test_regrowth_at_random_differs_by_seed_and_epoch(blocks: gslt.NodeDataset) -> None:
    def final(seed: int, **more: Any) -> list[torch.Tensor]:
        config = TrainConfig(**REWIRED, seed=seed, **more)
        model = gslt.train(blocks, config, progress=False).model
        return [each.kept for each in masked_weights(model)]

    first, again = final(0, regrow="random"), final(0, regrow="random")
    assert all(map(torch.equal, first, again))
    assert not all(map(torch.equal, first, final(0)))
    assert not all(map(torch.equal, first, final(1, regrow="random")))


@pytest.mark.parametrize(
    "options", [{}, {"rewire_every": 2}, {"rewire_every": 3, "regrow": "random"}], ids=str
)
def test_a_killed_run_ends_as_an_undisturbed_one(
    blocks: gslt.NodeDataset, tmp_path: Path, options: dict[str, Any]
) -> None:
    config = TrainConfig(**SMALL, **options, mask_sparsity=0.6, allocation="epl", runs=2)
    run(tmp_path / "whole", blocks, config)
    for crash in (1, 3, 5, 8):
        folder = tmp_path / f"killed {crash}"
        with pytest.raises(Crash):
            run(folder, blocks, config, crash=crash)
        run(folder, blocks, config)
        assert contents(folder) == contents(tmp_path / "whole")


def test_an_update_that_rewires_is_no_step_of_the_optimizer(blocks: gslt.NodeDataset) -> None:
    losses: list[Epoch] = []
    config = TrainConfig(**REWIRED, rewire_fraction=1e-9)
    gslt.train(blocks, config, progress=False, on_epoch=losses.append)
    # Nothing is moved at so small a fraction, so that epochs 2 and 4 leave all as it was.
    assert losses[1].loss == losses[0].loss
    assert losses[3].loss == losses[2].loss
    assert losses[2].loss != losses[1].loss
