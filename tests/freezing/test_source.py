"""Random sources: independent draws, their counts, and the connectivity correction."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from layer_shapes import PAPER_GIN, N, fraction, schemes, shapes_strategy

from gslt.errors import ConfigError
from gslt.freezing.allocation import ALLOCATIONS, allocate
from gslt.freezing.pattern import FrozenCounts, divided, freezing_pattern, frozen_counts
from gslt.freezing.source import Units, connect, counts_of, frozen_parts
from gslt.random import Stream
from gslt.studies import Study

seeds = st.integers(0, 2**64 - 1)


def named(shapes: list[tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    return {f"{number}.weight": shape for number, shape in enumerate(shapes)}


def test_draws_by_hand() -> None:
    """Half of 8 weights pruned and a quarter locked: u below ½, from ½ to ¾, above."""
    (part,) = frozen_parts({"a": (2, 4)}, 0.5, 0.25, "uniform", seed=3, draw="bernoulli")
    u = Stream(3, "a", "bernoulli").uniform(8)
    assert part.pattern is not None
    assert part.pattern.tolist() == [-1 if v < 0.5 else 1 if v < 0.75 else 0 for v in u]
    assert part.counts == counts_of(part.pattern)
    assert (part.pruned, part.locked, part.added) == (4.0, 2.0, 0)


@given(shapes_strategy, schemes, fraction, fraction)
def test_exact_counts_need_no_pattern(
    shapes: list[tuple[int, ...]], scheme: str, prune: float, portion: float
) -> None:
    lock = (1 - prune) * portion
    found = frozen_parts(named(shapes), prune, lock, scheme, seed=5)
    assert [part.counts for part in found] == frozen_counts(shapes, prune, lock, scheme)
    assert all(part.pattern is None and part.added == 0 for part in found)
    for part in found:
        assert abs(part.counts.pruned - part.pruned) <= 1 + 1e-6
        assert abs(part.counts.locked - part.locked) <= 2 + 1e-6


@given(shapes_strategy, schemes, fraction, fraction, seeds, st.booleans())
def test_counts_are_those_of_the_pattern(
    shapes: list[tuple[int, ...]],
    scheme: str,
    prune: float,
    portion: float,
    seed: int,
    connected: bool,
) -> None:
    lock = (1 - prune) * portion
    options: dict[str, Any] = {"seed": seed, "draw": "bernoulli", "connected": connected}
    found = frozen_parts(named(shapes), prune, lock, scheme, **options)
    again = frozen_parts(named(shapes), prune, lock, scheme, **options)
    for one, two, shape in zip(found, again, shapes, strict=True):
        assert one.pattern is not None
        assert np.array_equal(one.pattern, two.pattern)
        assert one.counts == two.counts == counts_of(one.pattern)
        assert one.counts.total == math.prod(shape)
        assert one.pruned >= -1e-9
        assert one.locked >= -1e-9


def test_counts_scatter_as_binomials_do() -> None:
    """Mean n d and variance n d (1 − d) over 400 seeds, within five standard errors."""
    shapes = {"a": (40, 25), "b": (50, 60)}
    counts = np.array(
        [
            [(c.counts.pruned, c.counts.locked) for c in parts]
            for parts in (
                frozen_parts(shapes, 0.5, 0.2, "epl", seed=seed, draw="bernoulli")
                for seed in range(400)
            )
        ]
    )
    # 2,000 unpruned: 1,000 in each; 1,200 searched: 600 in each.
    for layer, (n, prune, lock) in enumerate([(1000, 0.0, 0.4), (3000, 2 / 3, 4 / 30)]):
        for which, share in enumerate((prune, lock)):
            drawn = counts[:, layer, which]
            variance = n * share * (1 - share)
            assert abs(drawn.mean() - n * share) <= 5 * math.sqrt(variance / 400)
            assert abs(drawn.var() - variance) <= 5 * variance * math.sqrt(2 / 399)
    # Layers are independent of one another.
    assert abs(np.corrcoef(counts[:, 0, 1], counts[:, 1, 0])[0, 1]) < 5 / math.sqrt(400)


def test_streams_have_names_of_their_own() -> None:
    def drawn(seed: int, name: str) -> list[int]:
        (part,) = frozen_parts({name: (10, 10)}, 0.5, 0.1, "epl", seed=seed, draw="bernoulli")
        assert part.pattern is not None
        return part.pattern.tolist()

    assert drawn(0, "a") != drawn(1, "a")
    assert drawn(0, "a") != drawn(0, "b")
    # Nested: what is pruned at a smaller ratio is pruned at a larger one.
    (few,) = frozen_parts({"a": (10, 10)}, 0.3, 0.0, "epl", draw="bernoulli")
    (many,) = frozen_parts({"a": (10, 10)}, 0.6, 0.0, "epl", draw="bernoulli")
    assert few.pattern is not None
    assert many.pattern is not None
    assert bool((many.pattern[few.pattern == -1] == -1).all())


@pytest.mark.parametrize("scheme", ["epl", "erk", "uniform", "igq", "balanced", "pyramidal"])
def test_densities_of_the_paper_gin(scheme: str) -> None:
    found = frozen_parts(named(PAPER_GIN), 0.8, 0.0, scheme, seed=1, draw="bernoulli")
    shares = divided(PAPER_GIN, 0.8, 0.0, scheme)
    for part, (unpruned, _) in zip(found, shares, strict=True):
        n, d = part.counts.total, unpruned / part.counts.total
        assert abs(n - part.counts.pruned - unpruned) <= 5 * math.sqrt(n * d * (1 - d)) + 1e-6
    kept = sum(part.counts.searched for part in found)
    assert abs(kept - 0.2 * N) < 5 * math.sqrt(0.16 * N)


def test_layers_that_do_not_take_part_are_not_drawn() -> None:
    found = frozen_parts(
        named(PAPER_GIN[:3]), 0.5, 0.0, "epl", [False, True, True], draw="bernoulli", connected=True
    )
    assert found[0].counts == FrozenCounts(49_408, 0, 0)
    assert found[0].pattern is None
    with pytest.raises(ConfigError, match="no layer takes part"):
        frozen_parts(named(PAPER_GIN), 0.5, 0.0, "epl", [False] * 5, draw="bernoulli")


# Connectivity


def empty(pattern: np.ndarray, units: Units) -> int:
    """Units without an unpruned entry, counted one by one."""
    view = units.view(pattern)
    rows = sum((view[b, o] == -1).all() for b in range(units.blocks) for o in range(units.outputs))
    columns = sum(
        (view[b, :, i] == -1).all() for b in range(units.blocks) for i in range(units.inputs)
    )
    return int(rows + columns)


layouts = st.builds(
    Units,
    st.integers(1, 3),
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, 4),
    st.booleans(),
)


@given(layouts, st.floats(0, 1), st.floats(0, 1), seeds)
def test_every_unit_is_connected(units: Units, prune: float, portion: float, seed: int) -> None:
    n = units.blocks * units.outputs * units.inputs * units.taps
    pruned = round(prune * n)
    counts = FrozenCounts(n, pruned, round(portion * (n - pruned)))
    before = freezing_pattern(counts, seed, "layer")
    after = before.copy()
    added = connect(after, units, seed, "layer")
    assert empty(after, units) == 0
    changed = before != after
    # Only pruned entries of units that had none change, and become searched ones.
    assert int(changed.sum()) == added <= empty(before, units)
    assert (before[changed] == -1).all()
    assert (after[changed] == 0).all()
    # No more than needed: a layer whose units all have one stays as it is.
    again = after.copy()
    assert connect(again, units, seed, "layer") == 0
    assert np.array_equal(again, after)


def test_connections_by_hand() -> None:
    # Output 0 has no entry; input 2 has none either, before and after (the draw puts it elsewhere).
    pattern = np.array([-1, -1, -1, 1, 0, -1], dtype=np.int8)
    u = Stream(0, "w", "connect output").uniform(2)[0]
    v = Stream(0, "w", "connect input").uniform(3)[2]
    place = int(u * 3)
    expected = pattern.copy()
    expected[place] = 0
    if place != 2:
        expected[3 * int(v * 2) + 2] = 0
    added = connect(pattern, Units.of((2, 3)), 0, "w")
    assert pattern.tolist() == expected.tolist()
    assert added == (1 if place == 2 else 2)


def test_a_convolution_needs_one_tap_for_each_unit() -> None:
    units = Units.of((3, 2, 3, 3))
    assert units == Units(1, 3, 2, 9)
    pattern = np.full(54, -1, dtype=np.int8)
    pattern.reshape(3, 2, 3, 3)[1, 0, 2, 2] = 1
    added = connect(pattern, units, 7, "conv")
    whole = pattern.reshape(3, 2, 3, 3)
    assert (whole != -1).any(axis=(1, 2, 3)).all()
    assert (whole != -1).any(axis=(0, 2, 3)).all()
    # Filters 0 and 2 get one each, and input 1 where neither is in it.
    assert added in (2, 3)
    assert whole[1, 0, 2, 2] == 1


def test_places_are_uniform() -> None:
    """The one entry of a filter of 8 is anywhere in it: 2,000 filters, expected 250 a place."""
    pattern = np.full(16_000, -1, dtype=np.int8)
    connect(pattern, Units.of((2000, 2, 2, 2)), 1, "conv")
    places = pattern.reshape(2000, 8).argmax(axis=1)
    assert np.bincount(places, minlength=8) == pytest.approx([250] * 8, abs=75)


@given(shapes_strategy, schemes, fraction, seeds, st.sampled_from(["exact", "bernoulli"]))
def test_sources_are_connected(
    shapes: list[tuple[int, ...]], scheme: str, prune: float, seed: int, draw: str
) -> None:
    options: dict[str, Any] = {"seed": seed, "draw": draw}
    loose = frozen_parts(named(shapes), prune, 0.0, scheme, **options)
    found = frozen_parts(named(shapes), prune, 0.0, scheme, **options, connected=True)
    for one, two, shape in zip(loose, found, shapes, strict=True):
        assert two.counts.pruned == one.counts.pruned - two.added
        assert two.counts.locked == one.counts.locked
        if two.pattern is not None:
            assert empty(two.pattern, Units.of(shape)) == 0


def test_figures_of_the_page_about_random_sources() -> None:
    text = (Path(__file__).parents[2] / "docs" / "random-sources.md").read_text("utf-8")
    names = [*(f"layers.{i}.nn.weight" for i in range(4)), "head.weight"]
    shapes = dict(zip(names, PAPER_GIN, strict=True))
    added = [p.added for p in frozen_parts(shapes, 0.95, 0.0, "pyramidal", connected=True)]
    assert f"adds {added[3]} and {added[4]}" in text
    for ratio in (0.5, 0.2, 0.05):
        kept = allocate("pyramidal", round(ratio * N), PAPER_GIN)
        assert ", ".join(f"{k:,.0f}" for k in kept) + f" | {kept[0] / 49_408:.4f} |" in text
    study = Study(name="er", **yaml.safe_load(text.split("```yaml")[1].split("```")[0]))
    assert len(study.cells) == 6 * (1 + 3 * 3)
    assert all(f"`{name}`" in text for name in ALLOCATIONS)
