"""Random sources in modules: true counts, exact tickets, connected units, and what is refused."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from layer_zoo import ZOO, build_without_kernels
from small_modules import effective, mlp
from torch import nn

from gslt.config import FreezeConfig
from gslt.environment import import_quietly
from gslt.errors import ConfigError
from gslt.freezing import PRUNED, FrozenCounts, Units
from gslt.masking.fan_in import fan_in_of, units_of
from gslt.masking.freeze import freeze
from gslt.masking.parametrization import frozen_weights
from gslt.masking.report import FreezeReport
from gslt.masking.supermask import check_window
from gslt.masking.weights import weights_of

pyg = import_quietly("torch_geometric.nn")

ER = FreezeConfig(sparsity=0.9, prune_ratio=0.5, draw="bernoulli")


def wide() -> nn.Module:
    return nn.Sequential(
        nn.Linear(30, 40), nn.ReLU(), nn.Linear(40, 20), nn.ReLU(), nn.Linear(20, 9)
    )


def kept(module: nn.Module) -> int:
    return sum(int((w != 0).sum()) for w in effective(module).values())


@given(
    st.integers(0, 2**32),
    st.floats(0, 0.6),
    st.floats(0, 0.3),
    st.sampled_from(["epl", "erk", "uniform", "igq", "pyramidal"]),
    st.booleans(),
)
def test_a_ticket_keeps_its_share_whatever_was_drawn(
    seed: int, prune: float, lock: float, allocation: Any, connected: bool
) -> None:
    config = FreezeConfig(
        sparsity=0.65,
        prune_ratio=prune,
        lock_ratio=lock,
        allocation=allocation,
        draw="bernoulli",
        connected=connected,
        seed=seed,
    )
    module = wide()
    counts = freeze(module, config).counts
    assert kept(module) == round(0.35 * counts.total) == round(0.35 * 2180)
    assert counts.searched == sum(p.numel() for p in module.parameters())
    # Pruned weights stay zero and locked ones stay, whatever is selected.
    for weight in frozen_weights(module):
        _, pattern = weight.regenerated()
        found = effective(module)[weight.name].flatten()
        assert not found[pattern == PRUNED].any()
        assert (found[pattern == 1] != 0).all()
        assert weight.counts == FrozenCounts(
            pattern.numel(), int((pattern == -1).sum()), int((pattern == 1).sum())
        )


def test_the_seed_decides_the_counts() -> None:
    pruned = set()
    for seed in range(20):
        module, again = wide(), wide()
        counts = freeze(module, replace(ER, seed=seed)).counts
        assert freeze(again, replace(ER, seed=seed)).counts == counts
        assert freeze(module, replace(ER, seed=seed)).counts == counts
        pruned.add(counts.pruned)
    assert len(pruned) > 10
    assert all(abs(n - 1090) < 5 * math.sqrt(2180 / 4) for n in pruned)


def test_the_report_has_true_and_expected_counts() -> None:
    config = FreezeConfig(sparsity=0.97, prune_ratio=0.95, draw="bernoulli", connected=True)
    module = wide()
    report = freeze(module, config)
    lines = str(report).splitlines()
    assert lines[0].split()[-8:] == [
        *("density", "expected", "density", "expected", "pruned", "expected", "locked", "added"),
    ]
    # By EPL 109 of 2,180 are left, 36 1/3 in each layer.
    n, expected = 1200, 1200 - 109 / 3
    layer = report.layers[0]
    assert layer.expected == pytest.approx((expected, 0.0))
    assert layer.counts.pruned != round(expected)
    figures = lines[1].split()
    assert figures[2:6] == ["1200", f"{layer.counts.pruned}", "0", f"{layer.counts.searched}"]
    density = f"{1 - layer.counts.pruned / n:.4f}"
    assert figures[6:] == [density, "0.0303", f"{expected:.1f}", "0.0", f"{layer.added}"]
    assert lines[4].split()[-1] == f"{sum(x.added for x in report.layers)}"
    assert sum(x.added for x in report.layers) > 10
    # Without a module the same is known.
    shapes = {name: tuple(w.shape) for name, _, _, w in weights_of(wide())}
    assert FreezeReport.of(shapes, config).layers == report.layers
    # Exact counts are those of the allocation, rounded: nothing stands beside them.
    assert "expected" not in str(freeze(wide(), FreezeConfig(freezing_ratio=0.4)))


def test_what_falls_short_is_said() -> None:
    module = wide()  # 1,200, 800 and 180 weights
    config = FreezeConfig(sparsity=0.8, prune_ratio=0.5, lock_ratio=0.1, allocation="balanced")
    report = freeze(module, config)
    # 1,090 are to be left, 363 1/3 each, 180 of them in the last: 2 · 363 1/3 + 180 = 906 2/3.
    assert report.counts.total - report.counts.pruned == 907
    # 872 to be searched, 290 2/3 each: 2 · 290 2/3 + 180 = 761 1/3.
    assert report.counts.searched in (761, 762)
    assert kept(module) == 436
    assert report.shortfall.startswith("allocation balanced does not divide what a full layer")
    assert "907 are unpruned (density 0.4161; 1,090 by the ratios)" in report.shortfall
    assert f"warning: {report.shortfall}" in str(report).splitlines()
    assert freeze(wide(), replace(config, allocation="epl")).shortfall == ""
    assert freeze(wide(), replace(config, prune_ratio=0.8, lock_ratio=0.0)).shortfall == ""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"allocation": "balanced", "sparsity": 0.5, "prune_ratio": 0.5},
            r"prunes 1,273 of 2,180 weights, so that 907 are left, but a ticket of sparsity 0\.5 "
            r"keeps 1,090; its tickets have sparsities from 0\.583945 to 1:",
        ),
        (
            {"allocation": "balanced", "sparsity": 0.5, "prune_ratio": 0.0, "lock_ratio": 0.5},
            r"locks 1,273 of 2,180 weights, but .* from 0 to 0\.416055:",
        ),
        ({"draw": "bernoulli", "sparsity": 0.5, "prune_ratio": 0.5, "seed": 3}, "prunes 1,114 of"),
        ({"threshold": "layer", "draw": "bernoulli", "prune_ratio": 0.5, "seed": 1}, "layer 0 has"),
    ],
)
def test_a_sparsity_that_the_source_has_not_is_refused(options: dict[str, Any], said: str) -> None:
    module = wide()
    before = copy.deepcopy(module.state_dict())
    with pytest.raises(ConfigError, match=said):
        freeze(module, FreezeConfig(**options))
    assert all(torch.equal(v, before[name]) for name, v in module.state_dict().items())
    shapes = {name: tuple(w.shape) for name, _, _, w in weights_of(wide())}
    with pytest.raises(ConfigError, match=said):
        FreezeReport.of(shapes, FreezeConfig(**options))


def test_the_sparsity_that_the_refusal_names_is_possible() -> None:
    config = {"allocation": "balanced", "prune_ratio": 0.5}
    module = wide()
    freeze(module, FreezeConfig(**config, sparsity=0.583945))
    assert kept(module) == 907
    check_window([FrozenCounts(2180, 1273, 0)], 0.583945)
    with pytest.raises(ConfigError, match="to 0:"):
        check_window([FrozenCounts(10, 0, 10)], 0.3)


def test_a_state_of_another_draw_is_refused() -> None:
    module, same, other, exact = wide(), wide(), wide(), wide()
    freeze(module, ER)
    freeze(same, ER)
    same.load_state_dict(module.state_dict())
    counts = freeze(other, replace(ER, connected=True)).counts
    # Half of the weights: every unit has one, and the correction adds none.
    assert counts == freeze(wide(), ER).counts
    other.load_state_dict(module.state_dict())
    freeze(exact, replace(ER, draw="exact"))
    with pytest.raises((ConfigError, RuntimeError), match=r"another source|size mismatch"):
        exact.load_state_dict(module.state_dict())
    # Equal counts at other places: what is drawn is another pattern.
    config = FreezeConfig(sparsity=0.9, prune_ratio=0.5, allocation="uniform", connected=True)
    one, two = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    pairs = [(s, t) for s in range(12) for t in range(12)]
    for seed, draw in pairs:
        freeze(one, replace(config, seed=seed, connected=False))
        try:
            freeze(two, replace(config, seed=seed, draw="bernoulli", connected=bool(draw % 2)))
        except ConfigError:
            continue
        first, second = frozen_weights(one)[0], frozen_weights(two)[0]
        if first.counts == second.counts and not torch.equal(
            first.regenerated()[1], second.regenerated()[1]
        ):
            with pytest.raises(ConfigError, match="pattern"):
                two.load_state_dict(one.state_dict())
            with pytest.raises(ConfigError, match="pattern"):
                one.load_state_dict(two.state_dict())
            return
    pytest.fail("no two sources of equal counts")


# Connected units


def unconnected(module: nn.Module) -> int:
    """Units without an unpruned weight, in every weight, by :func:`units_of`."""
    count = 0
    for weight in frozen_weights(module):
        name, shape = weight.name, torch.Size(weight.shape)
        pattern = weight.regenerated()[1].cpu().numpy()
        view = units_of(module, name, shape, weight.fan_in).view(pattern)
        count += int((view == PRUNED).all(axis=(2, 3)).sum())
        count += int((view == PRUNED).all(axis=(1, 3)).sum())
    return count


SPARSE = FreezeConfig(sparsity=0.98, prune_ratio=0.97, allocation="uniform", connected=True)
MODULES: dict[str, Any] = {
    "mlp": lambda: nn.Sequential(nn.Linear(40, 60), nn.Linear(60, 30)),
    "gcn": lambda: pyg.GCN(40, 50, 2, 20),
    "gin": lambda: pyg.GIN(40, 50, 2, 20),
    "sage": lambda: pyg.GraphSAGE(40, 50, 2, 20),
    "gat": lambda: pyg.GATConv(40, 20, heads=2),
    "conv": lambda: nn.Sequential(nn.Conv2d(6, 32, 3), nn.Conv2d(32, 16, 3)),
    "groups": lambda: nn.Sequential(
        nn.Conv2d(12, 32, 3, groups=4), nn.Conv2d(32, 32, 3, groups=32)
    ),
    "transposed": lambda: nn.Sequential(nn.ConvTranspose2d(12, 32, 3), nn.Conv1d(8, 8, 5)),
    "relations": lambda: pyg.RGCNConv(30, 20, num_relations=5),
    "lstm": lambda: nn.LSTM(30, 20),
}


@pytest.mark.parametrize("draw", ["exact", "bernoulli"])
@pytest.mark.parametrize("kind", MODULES)
def test_every_unit_of_a_module_is_connected(kind: str, draw: Any) -> None:
    loose, module = MODULES[kind](), MODULES[kind]()
    config = replace(SPARSE, draw=draw, scale="none", sparsity=0.97 if draw == "exact" else 0.98)
    before = freeze(loose, replace(config, connected=False))
    assert unconnected(loose) > 0
    report = freeze(module, config)
    assert unconnected(module) == 0
    for one, two in zip(before.layers, report.layers, strict=True):
        assert two.counts.pruned == one.counts.pruned - two.added
        assert two.counts.locked == one.counts.locked
    assert kept(module) == round((1 - config.sparsity) * report.counts.total)


def test_a_filter_has_an_entry_in_every_direction() -> None:
    """By the shape of a convolution's weight alone: the effect, not what says so."""
    module = nn.Sequential(nn.Conv2d(6, 32, 3), nn.Conv2d(8, 64, 3, groups=4))
    freeze(module, replace(SPARSE, sparsity=0.97))
    for weight in frozen_weights(module):
        there = (weight.regenerated()[1] != PRUNED).view(weight.shape)
        assert there.flatten(1).any(dim=1).all()
        groups = 4 if weight.name.startswith("1") else 1
        # Input channels of each group have an entry in some filter of the group.
        channels = there.view(groups, -1, *there.shape[1:]).any(dim=1).flatten(2).any(dim=2)
        assert channels.all()


def test_units_by_hand() -> None:
    def of(module: nn.Module, name: str = "weight") -> Units:
        shape = module.get_parameter(name).shape
        return units_of(module, name, shape, fan_in_of(module, name, shape))

    assert of(nn.Linear(5, 7)) == Units(1, 7, 5)
    assert of(nn.Conv2d(4, 6, 3)) == Units(1, 6, 4, 9)
    assert of(nn.Conv1d(4, 6, 3, groups=2)) == Units(2, 3, 2, 3)
    assert of(nn.Conv2d(6, 6, 3, groups=6)) == Units(6, 1, 1, 9)
    assert of(nn.ConvTranspose2d(4, 6, 3)) == Units(1, 6, 4, 9, True)
    assert of(nn.ConvTranspose2d(4, 6, 3, groups=2)) == Units(2, 3, 2, 9, True)
    assert of(pyg.RGCNConv(5, 7, num_relations=3)) == Units(3, 7, 5, 1, True)
    assert of(pyg.RGCNConv(5, 7, num_relations=3), "root") == Units(1, 5, 7)
    assert of(nn.Bilinear(3, 4, 5)) == Units(1, 5, 3, 4)


@pytest.mark.parametrize("layer", sorted(ZOO))
def test_units_of_every_layer_of_the_hosts(layer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    build_without_kernels(monkeypatch)
    module = ZOO[layer]()
    total = sum(weight.numel() for _, _, _, weight in weights_of(module))
    freeze(module, FreezeConfig(sparsity=1 - 1 / total, prune_ratio=1 - 1 / total, connected=True))
    assert unconnected(module) == 0


def test_a_frozen_layer_by_itself_takes_its_prefix() -> None:
    one, two, whole = nn.Linear(30, 20), nn.Linear(30, 20), nn.Sequential(nn.Linear(30, 20))
    freeze(one, ER, prefix="0")
    freeze(two, ER, prefix="1")
    freeze(whole, ER)
    patterns = [frozen_weights(m)[0].regenerated()[1] for m in (one, two, whole)]
    assert not torch.equal(patterns[0], patterns[1])
    assert torch.equal(patterns[0], patterns[2])


def test_copies_keep_what_was_drawn() -> None:
    module = mlp()
    freeze(module, replace(ER, sparsity=0.7, connected=True))
    twin = copy.deepcopy(module)
    for one, two in zip(frozen_weights(module), frozen_weights(twin), strict=True):
        assert torch.equal(one.regenerated()[1], two.regenerated()[1])
    twin.load_state_dict(module.state_dict())
