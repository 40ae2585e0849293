"""Masks on trained weights: which weights they keep, and that the others stay exactly zero."""

from __future__ import annotations

import pytest
import torch
from small_modules import mlp

from gslt.errors import ConfigError
from gslt.freezing import ALLOCATIONS, frozen_counts
from gslt.masking.initialise import initialise
from gslt.masking.trained import emptied_layers, masked_weights, put_mask, random_masks


@pytest.mark.parametrize("allocation", ALLOCATIONS)
def test_every_scheme_makes_a_mask_with_its_counts(allocation: str) -> None:
    model = mlp()
    initialise(model, "ku", 1, 0.6, allocation)
    weights = list(masked_weights(model))
    shapes = [tuple(each.weight.shape) for each in weights]
    counts = frozen_counts(shapes, 0.6, 0.0, allocation)
    assert [int(each.kept.sum()) for each in weights] == [c.searched for c in counts]
    total = sum(c.total for c in counts)
    assert sum(c.searched for c in counts) == round(0.4 * total)
    for each in weights:
        assert torch.equal(each.weight != 0, each.kept)


def test_weights_of_a_layer_are_divided_by_the_root_of_its_own_density() -> None:
    whole, masked = mlp(), mlp()
    initialise(whole, "skc", 1)
    initialise(masked, "skc", 1, 0.6, "epl")
    for each in masked_weights(masked):
        density = float(each.kept.double().mean())
        plain = whole.get_parameter(each.name)
        expected = torch.where(each.kept, plain / density**0.5, 0.0)
        torch.testing.assert_close(each.weight, expected)


def test_a_sparsity_without_room_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no room: it keeps none of the \d+ weights"):
        initialise(mlp(), "ku", 0, 0.9999)


def test_layers_without_any_weight_are_named() -> None:
    shapes = {"wide": (20, 20), "narrow": (1, 2)}
    counts = frozen_counts(list(shapes.values()), 0.99, 0.0, "uniform")
    assert [c.searched for c in counts] == [4, 0]
    kept = {name: (c.searched, c.total) for name, c in zip(shapes, counts, strict=True)}
    assert emptied_layers(kept).startswith("1 of 2 layers have lost every weight (narrow, 2 weig")
    assert not random_masks(shapes, counts, 0)["narrow"].any()
    assert emptied_layers({"wide": (1, 2)}) == ""


@pytest.mark.parametrize("rewired", [False, True])
def test_only_a_mask_that_changes_is_part_of_the_state(rewired: bool) -> None:
    layer = torch.nn.Linear(2, 2, bias=False)
    kept = torch.tensor([[True, False], [False, True]])
    put_mask(layer, "weight", kept, rewired=rewired)
    assert ("weight_mask" in layer.state_dict()) == rewired
    assert torch.equal(layer.weight != 0, kept)
    layer(torch.ones(1, 2)).sum().backward()
    assert layer.weight.grad is not None
    # Whoever rewires wants the gradient of the whole weight.
    assert torch.equal(layer.weight.grad, torch.ones(2, 2) if rewired else kept.float())
