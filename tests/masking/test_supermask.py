"""The masked weight and its gradient, and the threshold that the layers of a network share."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from unittest import mock

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from gslt.config import Ranking
from gslt.errors import ConfigError
from gslt.freezing import FrozenCounts
from gslt.masking import selection
from gslt.masking.freeze import FreezeConfig, bake, freeze
from gslt.masking.parametrization import frozen_weights
from gslt.masking.selection import keep_largest
from gslt.masking.supermask import Supermask, masked_weight
from gslt.ticket import Ticket

INF, NAN = math.inf, math.nan


@dataclass
class Holder:
    original: Tensor


def make(scores: list[Tensor], counts: list[FrozenCounts], **options: object) -> Supermask:
    supermask = Supermask(counts, **options)  # type: ignore[arg-type]
    supermask.holders.extend(Holder(score) for score in scores)
    return supermask


# masked_weight


def test_forward_by_hand() -> None:
    score = torch.tensor([0.5, -2.0, 1.0])
    searched = torch.tensor([1.0, -3.0, 5.0])
    mask = torch.tensor([False, True, True])
    assert masked_weight(score, searched, mask, torch.tensor(2.0)).tolist() == [0.0, -6.0, 10.0]
    locked = torch.tensor([0.0, 7.0, 0.0, 0.0, 0.0])  # 1 locked, 4 pruned
    index = torch.tensor([0, 2, 3])
    weight = masked_weight(score, searched, mask, torch.tensor(0.5), locked, index)
    assert weight.tolist() == [0.0, 3.5, -1.5, 2.5, 0.0]


@pytest.mark.parametrize(
    ("ranking", "expected"),
    [("magnitude", [2.0, 12.0, 30.0, 56.0]), ("raw", [2.0, -12.0, 30.0, 56.0])],
)
def test_gradient_by_hand(ranking: str, expected: list[float]) -> None:
    # dL/dw_eff · w · scale · sign(z), whether kept or not; at z = 0 the sign counts as +1.
    score = torch.tensor([1.0, -1.0, 0.0, 2.0], requires_grad=True)
    searched = torch.tensor([1.0, -3.0, 5.0, 7.0])
    mask = torch.tensor([True, False, True, False])
    weight = masked_weight(score, searched, mask, torch.tensor(2.0), ranking=ranking)  # type: ignore[arg-type]
    weight.backward(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert score.grad is not None
    assert score.grad.tolist() == expected


@given(st.integers(0, 2**31), st.booleans(), st.sampled_from(["magnitude", "raw"]))
def test_gradient_is_that_of_the_surrogate(seed: int, frozen: bool, ranking: str) -> None:
    rng = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng, dtype=torch.float64)

    m, n = 6, 10 if frozen else 6
    score, searched, scale, upstream = draw(m), draw(m), draw(1).squeeze(), draw(n)
    mask = torch.rand(m, generator=rng) < 0.5
    index = torch.randperm(n, generator=rng)[:m] if frozen else None
    locked = None if index is None else draw(n).index_fill(0, index, 0.0)
    score.requires_grad_(True)
    out = masked_weight(score, searched, mask, scale, locked, index, ranking)  # type: ignore[arg-type]
    (actual,) = torch.autograd.grad(out, score, upstream)
    indicator = score.abs() if ranking == "magnitude" else score
    surrogate = searched * indicator
    if index is not None and locked is not None:
        surrogate = locked.index_put((index,), surrogate)
    (expected,) = torch.autograd.grad(surrogate * scale, score, upstream)
    assert torch.allclose(actual, expected, rtol=1e-14, atol=0)


def test_gradient_of_the_gradient_exists() -> None:
    # d²/dz du of u · w · sign(z) in u: the backward is made of differentiable operations.
    score = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)
    upstream = torch.tensor([3.0, 4.0], dtype=torch.float64, requires_grad=True)
    out = masked_weight(score, torch.tensor([5.0, 6.0]), torch.tensor([True, True]), torch.ones(()))
    (grad,) = torch.autograd.grad(out, score, upstream, create_graph=True)
    (again,) = torch.autograd.grad(grad.sum(), upstream)
    assert again.tolist() == [5.0, -6.0]


def test_frozen_places_get_no_gradient_and_no_parameter() -> None:
    layer = nn.Linear(10, 10, bias=False)
    freeze(layer, FreezeConfig(sparsity=0.5, freezing_ratio=0.6))
    (score,) = layer.parameters()
    assert score.shape == (40,)
    layer(torch.eye(10)).square().sum().backward()
    assert score.grad is not None
    assert int((score.grad != 0).sum()) == frozen_weights(layer)[0].mask().sum()


def test_removed_weights_can_come_back() -> None:
    score = torch.tensor([1.0, 0.5], requires_grad=True)
    supermask = make([score], [FrozenCounts(2, 0, 0)], sparsity=0.5)
    out = masked_weight(score, torch.ones(2), supermask.mask(0), torch.ones(()))
    assert out.tolist() == [1.0, 0.0]
    (out * torch.tensor([1.0, -1.0])).sum().backward()
    torch.optim.SGD([score], lr=1.0).step()
    assert supermask.mask(0).tolist() == [False, True]


# Supermask


def test_global_and_layer_threshold_by_hand() -> None:
    scores = [torch.tensor([5.0, -4.0, 3.0, 0.1]), torch.tensor([0.2, -0.3, 2.0, -1.0])]
    counts = [FrozenCounts(4, 0, 0)] * 2
    together = make(scores, counts, sparsity=0.5)
    assert together.budgets() == [4]
    assert together.mask(0).tolist() == [True, True, True, False]
    assert together.mask(1).tolist() == [False, False, True, False]
    assert [together.density(i).item() for i in (0, 1)] == [0.75, 0.25]
    alone = make(scores, counts, sparsity=0.5, threshold="layer")
    assert alone.budgets() == [2, 2]
    assert alone.mask(0).tolist() == [True, True, False, False]
    assert alone.mask(1).tolist() == [False, False, True, True]
    raw = make(scores, counts, sparsity=0.5, ranking="raw")
    assert raw.mask(0).tolist() == [True, False, True, False]
    assert raw.mask(1).tolist() == [True, False, True, False]


def test_locked_weights_count_as_kept() -> None:
    # 10 weights, 3 pruned, 2 locked; sparsity 0.5 keeps 5, so 3 of the 5 searched ones.
    score = torch.tensor([0.1, 0.5, 0.4, 0.3, 0.2])
    supermask = make([score], [FrozenCounts(10, 3, 2)], sparsity=0.5)
    assert supermask.mask(0).tolist() == [False, True, True, True, False]
    assert supermask.density(0).item() == 0.5


@pytest.mark.parametrize("threshold", ["global", "layer"])
@given(sparsity=st.floats(0, 1), sizes=st.lists(st.integers(1, 30), min_size=1, max_size=5))
def test_exact_sparsity(threshold: str, sparsity: float, sizes: list[int]) -> None:
    rng = torch.Generator().manual_seed(0)
    scores = [torch.randn(n, generator=rng).round(decimals=1) for n in sizes]
    counts = [FrozenCounts(n, 0, 0) for n in sizes]
    supermask = make(scores, counts, sparsity=sparsity, threshold=threshold)
    kept = [int(supermask.mask(i).sum()) for i in range(len(sizes))]
    if threshold == "global":
        assert sum(kept) == round((1 - sparsity) * sum(sizes))
    else:
        assert kept == [round((1 - sparsity) * n) for n in sizes]


@pytest.mark.parametrize(("sparsity", "kept"), [(0.0, 7), (1.0, 0)])
@pytest.mark.parametrize("threshold", ["global", "layer"])
def test_everything_and_nothing(sparsity: float, kept: int, threshold: str) -> None:
    score = torch.tensor([NAN, INF, -INF, 0.0, -0.0, 1.0, 1.0])
    supermask = make([score], [FrozenCounts(7, 0, 0)], sparsity=sparsity, threshold=threshold)
    assert int(supermask.mask(0).sum()) == kept


def test_a_target_outside_the_window_gives_its_edge() -> None:
    supermask = make([torch.arange(4.0)], [FrozenCounts(10, 3, 3)], sparsity=0.5)
    supermask.sparsity = 0.0
    assert int(supermask.mask(0).sum()) == 4
    supermask.sparsity = 1.0
    assert int(supermask.mask(0).sum()) == 0
    for wrong in (-0.1, 1.5, NAN):
        with pytest.raises(ConfigError, match="sparsity must lie in"):
            supermask.sparsity = wrong


def test_impossible_layer_sparsity_is_refused() -> None:
    counts = [FrozenCounts(10, 0, 0), FrozenCounts(10, 8, 0)]
    with pytest.raises(ConfigError, match="layer 1 has 8 weights pruned"):
        Supermask(counts, sparsity=0.5, threshold="layer")
    Supermask(counts, sparsity=0.5)


def test_a_layer_that_is_fully_frozen() -> None:
    counts = [FrozenCounts(4, 2, 2), FrozenCounts(4, 0, 0)]
    supermask = make([torch.empty(0), torch.arange(4.0)], counts, sparsity=0.5)
    assert supermask.mask(0).shape == (0,)
    assert supermask.mask(1).tolist() == [False, False, True, True]
    assert supermask.density(0).item() == 0.5


@pytest.mark.parametrize("threshold", ["global", "layer"])
@pytest.mark.parametrize("ranking", ["magnitude", "raw"])
def test_masks_do_not_depend_on_the_steps_before(threshold: str, ranking: str) -> None:
    rng = torch.Generator().manual_seed(0)
    scores = [torch.randn(n, generator=rng).requires_grad_() for n in (700, 1, 900)]
    counts = [FrozenCounts(score.numel(), 0, 0) for score in scores]
    options = {"threshold": threshold, "ranking": ranking}
    supermask = make(scores, counts, sparsity=0.3, **options)
    optimizer = torch.optim.AdamW(scores, lr=0.01)
    with mock.patch.multiple(selection, SMALL=0, BLOCK=100):
        for step in range(30):
            supermask.sparsity = 0.3 + 0.02 * max(step - 15, 0)
            fresh = make(scores, counts, sparsity=supermask.sparsity, **options)
            for i in range(3):
                assert torch.equal(supermask.mask(i), fresh.mask(i))
                assert torch.equal(supermask.density(i), fresh.density(i))
            for score in scores:
                score.grad = torch.randn(score.shape, generator=rng)
            optimizer.step()
            if step == 10:
                with torch.no_grad():
                    scores[2].mul_(-100.0)[::3] = NAN


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_copies_carry_no_hints(duplicate: Callable[[Supermask], Supermask]) -> None:
    scores = [torch.randn(900, generator=torch.Generator().manual_seed(i)) for i in (0, 1)]
    supermask = make(scores, [FrozenCounts(900, 0, 0)] * 2, sparsity=0.5, threshold="layer")
    with mock.patch.multiple(selection, SMALL=0):
        expected = supermask.mask(1)
        assert all(math.isfinite(hint.centre) for hint in supermask._hints)
        other = duplicate(supermask)
        for number, holder in enumerate(supermask.holders):
            other.join(number, Holder(holder.original.clone()))
        assert all(math.isnan(hint.centre) for hint in other._hints)
        assert torch.equal(other.mask(1), expected)
        assert not {id(hint) for hint in other._hints} & {id(hint) for hint in supermask._hints}


# The selection follows the scores, however they are written.


def toy() -> tuple[nn.Module, nn.Parameter]:
    module = nn.Sequential(nn.Linear(4, 3, bias=False), nn.ReLU(), nn.Linear(3, 2, bias=False))
    freeze(module, FreezeConfig(sparsity=0.5))
    return module, next(module.parameters())


def assert_fresh(module: nn.Module) -> None:
    scores = torch.cat([p.detach() for p in module.parameters()]).abs()
    expected = keep_largest(scores, round(0.5 * scores.numel()))
    assert torch.equal(torch.cat([w.mask() for w in frozen_weights(module)]), expected)


OPTIMISERS: dict[str, Callable[[list[nn.Parameter]], torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=1.0, momentum=0.9, foreach=False),
    "sgd foreach": lambda p: torch.optim.SGD(p, lr=1.0, foreach=True),
    "sgd fused": lambda p: torch.optim.SGD(p, lr=1.0, fused=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.5, foreach=False),
    "adam fused": lambda p: torch.optim.Adam(p, lr=0.5, fused=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.5, foreach=False),
    "adamw foreach": lambda p: torch.optim.AdamW(p, lr=0.5, foreach=True),
    "adamw fused": lambda p: torch.optim.AdamW(p, lr=0.5, fused=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.5),
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_optimiser_step_is_seen(name: str) -> None:
    module, _ = toy()
    optimiser = OPTIMISERS[name](list(module.parameters()))
    before = torch.cat([w.mask() for w in frozen_weights(module)])
    changed = False
    for step in range(4):
        optimiser.zero_grad()
        x = torch.randn(5, 4, generator=torch.Generator().manual_seed(step))
        module(x).square().sum().backward()
        optimiser.step()
        assert_fresh(module)
        changed |= not torch.equal(torch.cat([w.mask() for w in frozen_weights(module)]), before)
    assert changed


def flipped(score: Tensor) -> Tensor:
    return (10.0 - score.detach().abs()).clone()


def write_copy(module: nn.Module, score: nn.Parameter) -> None:
    with torch.no_grad():
        score.copy_(flipped(score))


def write_data(module: nn.Module, score: nn.Parameter) -> None:
    score.data = flipped(score)


def write_state(module: nn.Module, score: nn.Parameter) -> None:
    state = module.state_dict()
    name = next(iter(state))
    state[name] = flipped(score)
    module.load_state_dict(state)


def write_assigned_state(module: nn.Module, score: nn.Parameter) -> None:
    state = module.state_dict()
    name = next(iter(state))
    state[name] = flipped(score)
    module.load_state_dict(state, assign=True)


def write_in_inference_mode(module: nn.Module, score: nn.Parameter) -> None:
    with torch.inference_mode():
        score.copy_(flipped(score))


def write_through_a_view(module: nn.Module, score: nn.Parameter) -> None:
    view = score.detach()[:3]
    view.add_(100.0)


def write_dtype(module: nn.Module, score: nn.Parameter) -> None:
    module.to(torch.bfloat16)


WRITERS = [
    write_copy,
    write_data,
    write_state,
    write_assigned_state,
    write_in_inference_mode,
    write_through_a_view,
    write_dtype,
]


@pytest.mark.parametrize("write", WRITERS)
def test_every_write_is_seen(write: Callable[[nn.Module, nn.Parameter], None]) -> None:
    module, score = toy()
    x = torch.ones(2, 4)
    module(x)
    write(module, score)
    assert_fresh(module)


def test_assigned_storage_is_never_mistaken_for_the_last_one() -> None:
    module, score = toy()
    x = torch.ones(2, 4)
    for value in range(50):
        module(x)
        # Two assignments without a forward between: the allocator may hand out the first address.
        score.data = torch.zeros(12)
        score.data = torch.arange(12.0).roll(value)
        assert_fresh(module)


def test_scores_made_in_inference_mode_are_never_cached() -> None:
    with torch.inference_mode():
        module, score = toy()
        module(torch.ones(1, 4))
        score.copy_(flipped(score))
        assert_fresh(module)


def test_a_selection_made_in_inference_mode_serves_a_later_backward() -> None:
    module, score = toy()
    x = torch.ones(2, 4)
    with torch.inference_mode():
        expected = module(x).clone()
    out = module(x)
    assert torch.equal(out, expected)
    out.sum().backward()
    assert score.grad is not None


def test_forward_changes_nothing_and_selects_once() -> None:
    module, _ = toy()
    x = torch.ones(2, 4)
    state = {k: v.clone() for k, v in module.state_dict().items()}
    first = module(x)
    supermask = frozen_weights(module)[0].supermask
    assert supermask is not None
    mask = supermask.mask(0)
    assert torch.equal(module(x), first)
    assert supermask.mask(0).data_ptr() == mask.data_ptr()
    module.eval()
    assert torch.equal(module(x), first)
    assert all(torch.equal(v, state[k]) for k, v in module.state_dict().items())


def test_ramped_sparsity_is_part_of_the_state() -> None:
    module, _ = toy()
    supermask = frozen_weights(module)[0].supermask
    assert supermask is not None
    for sparsity, kept in ((0.0, 18), (0.25, 14), (0.5, 9), (1.0, 0)):
        supermask.sparsity = sparsity
        assert sum(int(w.mask().sum()) for w in frozen_weights(module)) == kept


def test_a_write_through_data_is_seen() -> None:
    module, _ = toy()
    x = torch.ones(2, 4)
    first = module(x)
    scores = list(module.parameters())
    for score in scores:
        score.data.copy_(torch.arange(len(score), 0, -1) % 5)
    expected, _ = toy()
    with torch.no_grad():
        for score, written in zip(expected.parameters(), scores, strict=True):
            score.copy_(written)
    assert torch.equal(module(x), expected(x))
    assert not torch.equal(module(x), first)


@pytest.mark.parametrize("look", ["bake", "eval", "ticket"])
def test_no_write_through_data_escapes_where_it_counts(look: str) -> None:
    """Not even one that leaves what the probe looks at as it was."""
    module = nn.Linear(40, 10)
    freeze(module, FreezeConfig(sparsity=0.5))
    before = module.weight.detach()
    (score,) = module.parameters()
    kept = score.data[::50].clone()
    score.data.copy_(torch.arange(len(score)) % 7)
    score.data[::50] = kept
    expected = score.detach().abs().topk(200).values.min()
    if look == "eval":
        after = module.eval().weight
    else:
        after = bake(module).weight if look == "bake" else restored(Ticket.of(module))
    assert not torch.equal(after != 0, before != 0)
    removed = score.detach().abs()[(after == 0).flatten()]
    assert float(removed.max()) <= float(expected)


def restored(ticket: Ticket) -> torch.Tensor:
    module = nn.Linear(40, 10)
    ticket.restore(module)
    return module.weight.detach()


@pytest.mark.parametrize("ranking", ["magnitude", "raw"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_under_a_transform_weight_and_gradient_are_the_same(
    ranking: Ranking, dtype: torch.dtype
) -> None:
    score = torch.tensor([0.5, -2.0, 0.0, 1.0], dtype=dtype)
    weight = torch.tensor([1.0, 2.0, -3.0, 4.0], dtype=dtype)
    mask, scale = torch.tensor([True, False, True, False]), torch.tensor(1.5, dtype=dtype)
    locked, index = torch.tensor([0, 7.0, 0, 0, 0], dtype=dtype), torch.tensor([0, 2, 3, 4])
    up = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0], dtype=dtype)

    def effective(given: Tensor) -> Tensor:
        return masked_weight(given, weight, mask, scale, locked, index, ranking)

    def loss(given: Tensor) -> tuple[Tensor, Tensor]:
        out = effective(given)
        return (out * up).sum(), out

    gradient, out = torch.func.grad(loss, has_aux=True)(score)
    plain = score.clone().requires_grad_()
    assert torch.equal(out, effective(plain))
    assert out.tolist() == [1.5, 10.5, 0.0, -4.5, 0.0]
    (effective(plain) * up).sum().backward()
    assert gradient.dtype == dtype
    assert torch.equal(gradient, plain.grad)
    # w · scale · upstream, with the sign of the score where |z| is ranked, + at 0.
    signed = [1.5, -9.0 if ranking == "magnitude" else 9.0, -18.0, 30.0]
    assert gradient.tolist() == signed
