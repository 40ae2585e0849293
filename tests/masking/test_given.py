"""Patterns that are given: what is frozen by them, and what is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_modules import effective
from torch import Tensor, nn

import gslt
from gslt.config import FreezeConfig
from gslt.errors import ConfigError
from gslt.freezing import FrozenCounts
from gslt.masking.freeze import freeze
from gslt.masking.given import found_pattern
from gslt.masking.parametrization import frozen_weights
from gslt.masking.report import FreezeReport


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))


PATTERN = {
    "0.weight": torch.tensor([[-1, 0, 0, 1], [0, 0, -1, 0], [1, 0, 0, 0]]),
    "2.weight": torch.tensor([0, 0, 0, -1, -1, 1]),
}


def test_a_pattern_by_hand() -> None:
    module, dense = network(), network()
    report = freeze(module, FreezeConfig(sparsity=0.5, scale="none"), pattern=PATTERN)
    freeze(dense, FreezeConfig(sparsity=0.0, scale="none"))
    assert [x.counts for x in report.layers] == [FrozenCounts(12, 2, 2), FrozenCounts(6, 2, 1)]
    for weight in frozen_weights(module):
        flat = PATTERN[weight.name].flatten().to(torch.int8)
        assert torch.equal(weight.regenerated()[1], flat)
        found, whole = (effective(m)[weight.name].flatten() for m in (module, dense))
        assert torch.equal(found[flat == 1], whole[flat == 1])
        assert not found[flat == -1].any()
    assert sum(int((w != 0).sum()) for w in effective(module).values()) == 9
    assert sum(p.numel() for p in module.parameters()) == 11
    shapes = {"0.weight": (3, 4), "2.weight": (2, 3)}
    assert FreezeReport.of(shapes, FreezeConfig(), PATTERN).layers == report.layers


def test_a_layer_without_a_pattern_is_searched() -> None:
    module = network()
    report = freeze(module, FreezeConfig(), pattern={"2.weight": PATTERN["2.weight"].view(2, 3)})
    assert [x.counts for x in report.layers] == [FrozenCounts(12, 0, 0), FrozenCounts(6, 2, 1)]
    assert report.concentration == (
        "2.weight (2×3) takes 3 of the 3 frozen weights (100.0 %), the other 1 that take part 0: "
        "with this pattern what is measured is freezing of this one layer; freeze more of the "
        "others"
    )


@pytest.mark.parametrize(
    ("pattern", "options", "said"),
    [
        ({"1.weight": torch.zeros(12, dtype=torch.int8)}, {}, r"has 1\.weight, which no weight is"),
        ({"0.weight": torch.zeros(4, 3, dtype=torch.int8)}, {}, r"shape \(4, 3\), the weight \(3,"),
        ({"0.weight": torch.full((3, 4), 2)}, {}, "has the value 2; -1 is pruned, 1 locked"),
        ({"0.weight": torch.full((3, 4), 255, dtype=torch.uint8)}, {}, "has the value 255"),
        ({"0.weight": torch.zeros(3, 4)}, {}, r"is of torch\.float32, not whole numbers"),
        ({"0.weight": torch.zeros(3, 4, dtype=torch.bool)}, {}, "not whole numbers"),
        (PATTERN, {"freezing_ratio": 0.2}, "and so does freezing_ratio; leave it out"),
        (PATTERN, {"prune_ratio": 0.2, "draw": "bernoulli"}, "so does prune_ratio, draw;"),
        (PATTERN, {"place": "hidden", "connected": True}, "so does place, connected;"),
        (PATTERN, {"allocation": "erk"}, "so does allocation;"),
        (PATTERN, {"sparsity": 0.1}, "prunes 4 of 18 weights, so that 14 are left, but a ticket"),
        (PATTERN, {"sparsity": 0.9}, "locks 3 of 18 weights, but a ticket of sparsity 0.9 keeps 2"),
        (PATTERN, {"sparsity": 0.5, "threshold": "layer"}, None),
        (PATTERN, {"sparsity": 0.1, "threshold": "layer"}, "prunes 4|layer 1 has"),
    ],
)
def test_what_does_not_fit_is_refused(
    pattern: dict[str, Tensor], options: dict[str, Any], said: str | None
) -> None:
    module = network()
    before = copy.deepcopy(module.state_dict())
    if said is None:
        freeze(module, FreezeConfig(**options), pattern=pattern)
        return
    with pytest.raises(ConfigError, match=said):
        freeze(module, FreezeConfig(**options), pattern=pattern)
    assert all(torch.equal(v, before[name]) for name, v in module.state_dict().items())


def test_a_change_of_the_given_tensor_changes_nothing() -> None:
    pattern = {name: value.to(torch.int8).flatten() for name, value in PATTERN.items()}
    module, other = network(), network()
    freeze(module, FreezeConfig(), pattern=pattern)
    freeze(other, FreezeConfig(), pattern=pattern)
    other.load_state_dict(module.state_dict())
    pattern["0.weight"].fill_(0)
    assert gslt.Ticket.of(module).source == FrozenCounts(18, 4, 3)
    third = network()
    freeze(third, FreezeConfig(), pattern={**PATTERN, "2.weight": PATTERN["2.weight"].flip(0)})
    with pytest.raises(ConfigError, match="pattern"):
        third.load_state_dict(module.state_dict())


# What a ticket keeps


def found() -> nn.Module:
    """A ticket of a frozen source: 5 of 18 weights pruned, 3 locked, 9 kept."""
    module = network()
    freeze(module, FreezeConfig(sparsity=0.5, prune_ratio=0.25, lock_ratio=0.15, seed=2))
    return module


def kept_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: w.detach() != 0 for name, w in effective(module).items()}


def test_all_that_a_ticket_keeps_and_removes() -> None:
    module = found()
    for name, pattern in found_pattern(module).items():
        assert torch.equal(pattern == 1, kept_of(module)[name])
        assert torch.equal(pattern == -1, ~kept_of(module)[name])
    # Frozen by it there is nothing left to search, and the ticket is the same network.
    again = network()
    config = FreezeConfig(sparsity=0.5, seed=2)
    freeze(again, config, pattern=found_pattern(module))
    assert sum(p.numel() for p in again.parameters()) == 0
    x = torch.linspace(-1, 1, 8).view(2, 4)
    assert torch.equal(again(x), module(x))


def test_locked_places_of_padding_stay_locked() -> None:
    def embedded() -> nn.Module:
        return nn.Sequential(nn.Embedding(6, 4, padding_idx=0), nn.Linear(4, 3))

    module, again = embedded(), embedded()
    report = freeze(module, FreezeConfig(sparsity=0.5, freezing_ratio=0.8))
    pattern = found_pattern(module)
    assert report.kept is not None
    assert sum(int((each == 1).sum()) for each in pattern.values()) == sum(report.kept) == 18
    freeze(again, FreezeConfig(sparsity=0.5), pattern=pattern)
    index = torch.arange(6)
    assert torch.equal(again(index), module(index))


def test_a_source_of_one_sparsity_names_it() -> None:
    patterns = {"weight": torch.tensor([[1, 1, -1]], dtype=torch.int8)}
    config = FreezeConfig(sparsity=0.9)
    with pytest.raises(ConfigError, match=r"have the one sparsity 0\.333333333.*: take that"):
        freeze(nn.Linear(3, 1), config, pattern=patterns)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 2**32))
def test_shares_of_what_a_ticket_keeps(locked: float, pruned: float, seed: int) -> None:
    module = found()
    patterns = found_pattern(module, locked=locked, pruned=pruned, seed=seed)
    for name, kept in kept_of(module).items():
        pattern = patterns[name]
        assert pattern.dtype == torch.int8
        assert pattern.shape == kept.shape
        assert not (pattern[kept] == -1).any()
        assert not (pattern[~kept] == 1).any()
        assert int((pattern == 1).sum()) == round(locked * int(kept.sum()))
        assert int((pattern == -1).sum()) == round(pruned * int((~kept).sum()))
    again = found_pattern(module, locked=locked, pruned=pruned, seed=seed)
    assert all(torch.equal(again[name], value) for name, value in patterns.items())


def test_shares_that_are_none_and_modules_without_a_ticket() -> None:
    for name in ("locked", "pruned"):
        with pytest.raises(ConfigError, match=rf"{name} must lie in \[0, 1\], got 1\.5"):
            found_pattern(found(), **{name: 1.5})
    with pytest.raises(ConfigError, match="Linear is not frozen: it has no ticket"):
        found_pattern(nn.Linear(2, 2))


def test_a_search_in_what_a_ticket_left(blocks: gslt.NodeDataset) -> None:
    config = gslt.SearchConfig(
        num_layers=2, hidden_channels=16, epochs=12, sparsity=0.5, sparsity_schedule="linear_levels"
    )
    first = gslt.search(blocks, config, progress=False)
    assert first.ticket is not None
    pattern = gslt.found_pattern(first.ticket.model(), locked=0.5, pruned=0.5)
    second = gslt.search(blocks, config, progress=False, pattern=pattern)
    assert second.ticket is not None
    kept = {name: value.to(torch.int8) for name, value in second.ticket.pattern.items()}
    assert all(torch.equal(kept[name].view(v.shape), v) for name, v in pattern.items())
    for name, weight in effective(second.ticket.model()).items():
        assert (weight[pattern[name] == 1] != 0).all()
        assert not weight[pattern[name] == -1].any()
    # The schedule begins at what the pattern prunes.
    size = second.ticket.size()
    assert second.history[0].sparsity == pytest.approx(size.pruned / size.total)
    assert size.pruned > 0
    with pytest.raises(ConfigError, match="a run folder knows a search by its config"):
        gslt.search(blocks, config, pattern=pattern, folder=object())  # type: ignore[arg-type]
