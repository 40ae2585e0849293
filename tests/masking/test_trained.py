"""Masks on trained weights: which weights they keep, and that the others stay exactly zero."""

from __future__ import annotations

import copy
import io
import pickle
from dataclasses import replace

import pytest
import torch
from small_modules import mlp

from gslt.config import FreezeConfig
from gslt.errors import ConfigError
from gslt.freezing import ALLOCATIONS, frozen_counts
from gslt.masking.freeze import freeze
from gslt.masking.initialise import initialise
from gslt.masking.report import FreezeReport, emptied_layers
from gslt.masking.trained import masked_weights, put_mask, random_masks, unmask


@pytest.mark.parametrize("allocation", ALLOCATIONS)
def test_every_scheme_makes_a_mask_with_its_counts(allocation: str) -> None:
    model = mlp()
    initialise(model, "ku", 1, 0.6, allocation)
    weights = list(masked_weights(model))
    shapes = [tuple(each.weight.shape) for each in weights]
    counts = frozen_counts(shapes, 0.6, 0.0, allocation)
    assert [int(each.kept.sum()) for each in weights] == [c.searched for c in counts]
    total = sum(c.total for c in counts)
    left = sum(c.searched for c in counts)
    assert left <= round(0.4 * total) if allocation == "balanced" else left == round(0.4 * total)
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
    model = torch.nn.Sequential(torch.nn.Linear(20, 20), torch.nn.Linear(2, 1))
    (sentence,) = initialise(model, "ku", 0, 0.99)
    assert sentence.startswith(
        "1 of 2 layers have lost every weight (1.weight, 2 weights), so that"
    )
    assert sentence.endswith("a lower mask_sparsity or another allocation keeps some")
    assert [int(each.kept.sum()) for each in masked_weights(model)] == [4, 0]
    assert emptied_layers({"wide": (1, 2)}) == ""


def test_an_allocation_that_falls_short_is_said() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(20, 20), torch.nn.Linear(2, 1))
    (sentence,) = initialise(model, "ku", 0, 0.9, "balanced")
    assert sentence.startswith("allocation balanced does not divide what a full layer cannot hold")
    assert initialise(mlp(), "ku", 0, 0.5, "erk") == []


def test_masks_of_every_draw_are_what_the_source_leaves() -> None:
    model = mlp()
    shapes = {name: w.shape for name, w in model.named_parameters() if w.dim() > 1}
    drawn = FreezeConfig(sparsity=0.8, prune_ratio=0.8, seed=5, draw="bernoulli", connected=True)
    exact = replace(drawn, draw="exact", connected=False)
    for source in (drawn, exact):
        masks = random_masks(model, source)
        report = FreezeReport.of(shapes, source, whole=True)
        kept = {layer.name: layer.counts.searched for layer in report.layers}
        assert {name: int(mask.sum()) for name, mask in masks.items()} == kept
    for mask in random_masks(model, drawn).values():
        assert bool(mask.any(dim=0).all() and mask.any(dim=1).all())
    assert not all(
        torch.equal(random_masks(model, drawn)[name], random_masks(model, exact)[name])
        for name in shapes
    )


@pytest.mark.parametrize("rewired", [False, True])
def test_only_a_mask_that_changes_is_part_of_the_state(rewired: bool) -> None:
    layer = torch.nn.Linear(2, 2, bias=False)
    kept = torch.tensor([[True, False], [False, True]])
    put_mask(layer, "weight", kept, rewired=rewired)
    assert ("weight_gslt_mask" in layer.state_dict()) == rewired
    assert torch.equal(layer.weight != 0, kept)
    layer(torch.ones(1, 2)).sum().backward()
    assert layer.weight.grad is not None
    # Whoever rewires wants the gradient of the whole weight.
    assert torch.equal(layer.weight.grad, torch.ones(2, 2) if rewired else kept.float())


@pytest.mark.parametrize("rewired", [False, True])
def test_freezing_takes_the_mask_away(rewired: bool) -> None:
    model, fresh = mlp(), mlp()
    initialise(model, "ku", 0, 0.5, rewired=rewired)
    config = FreezeConfig(prune_ratio=0.2, seed=3)
    freeze(model, config)
    freeze(fresh, config)
    assert not any("mask" in name for name, _ in model.named_buffers())
    x = torch.ones(2, model[0].in_features)
    for each in (model, fresh):
        each(x).sum().backward()
    for one, other in zip(model.parameters(), fresh.parameters(), strict=True):
        assert one.grad is not None
        assert torch.equal(one.grad, other.grad)


def trained_on(model: torch.nn.Module, steps: int = 3) -> torch.nn.Module:
    x = torch.linspace(-1.0, 1.0, 4 * model[0].in_features).view(4, -1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()
    return model


def loaded_by_assignment(model: torch.nn.Module) -> torch.nn.Module:
    """With the weights of a model without a mask."""
    whole = mlp()
    initialise(whole, "ku", 2)
    model.load_state_dict(whole.state_dict(), assign=True)
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    return model


def saved_and_loaded(model: torch.nn.Module) -> torch.nn.Module:
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    found: torch.nn.Module = torch.load(file, weights_only=False)
    return found


WAYS = {
    "itself": lambda model: model,
    "a copy": copy.deepcopy,
    "a copy of a copy": lambda model: copy.deepcopy(copy.deepcopy(model)),
    "pickled": lambda model: pickle.loads(pickle.dumps(model)),
    "saved": saved_and_loaded,
    "assigned": loaded_by_assignment,
    "masked again": lambda model: [initialise(model, "ku", 1, 0.8), model][1],
}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_masked_stays_zero_wherever_the_module_goes(way: str) -> None:
    model = mlp()
    initialise(model, "ku", 0, 0.5)
    before = {each.name: each.kept.clone() for each in masked_weights(model)}
    found = trained_on(WAYS[way](model))
    for each in masked_weights(found):
        assert (way == "masked again") == (not torch.equal(each.kept, before[each.name]))
        assert each.kept.any()
        assert torch.equal(each.weight != 0, each.kept)
        assert len(each.weight._backward_hooks or {}) == 1
    if way in ("a copy", "pickled", "saved"):
        for one, other in zip(trained_on(model).parameters(), found.parameters(), strict=True):
            assert torch.equal(one, other)


def test_nothing_is_left_of_a_mask_that_was_taken_away() -> None:
    model = mlp()
    initialise(model, "ku", 0, 0.5)
    kept = {each.name: each.kept for each in masked_weights(model)}
    unmask(model)
    assert not list(masked_weights(model))
    assert not any(each._forward_pre_hooks for each in model.modules())
    trained_on(model)
    for name, mask in kept.items():
        assert model.get_parameter(name)[~mask].any()
