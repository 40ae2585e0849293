"""The registry, all measures at once, and what holds for every graph and every representation."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
from typing import Any

import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gslt import diagnostics
from gslt.diagnostics import (
    LAPLACIANS,
    MEASURES,
    Labels,
    as_topology,
    measure,
    representation,
    spectral_gap,
)
from gslt.diagnostics.representation import Form, Representation
from gslt.diagnostics.smoothness import DEFAULT_MEASURES, Measure, default_measures
from gslt.errors import ConfigError

#: A triangle 0, 1, 2 and a fourth node that hangs on 0: degrees 3, 2, 2, 1.
PAW = torch.tensor([[0, 0, 1, 0], [1, 2, 2, 3]])
#: ‖X‖² = 1 + 1 + 8 + 0 = 10; the last row is zero.
X = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0], [0.0, 0.0]])
#: Two classes; every node is in every split.
LABELS = Labels(
    y=torch.tensor([0, 0, 1, 1]),
    num_classes=2,
    **{name: torch.ones(4, dtype=torch.bool) for name in ("train", "val", "test")},
)


def close(value: float, relative: float = 1e-12) -> object:
    return pytest.approx(value, rel=relative, abs=1e-15)


SCALE_FREE = [name for name in MEASURES if name != "dirichlet_energy"]


@st.composite
def cases(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Representations and an edge_index with loops, parallel edges and isolated nodes."""
    nodes, width = draw(st.integers(1, 9)), draw(st.integers(1, 4))
    node = st.integers(0, nodes - 1)
    edges = draw(st.lists(st.tuples(node, node), max_size=16))
    numbers = st.integers(-8, 8).map(lambda k: k / 4)
    values = draw(st.lists(numbers, min_size=nodes * width, max_size=nodes * width))
    x = torch.tensor(values, dtype=torch.float64).view(nodes, width)
    return x, torch.tensor(edges, dtype=torch.int64).reshape(-1, 2).T


def test_the_registry() -> None:
    assert list(MEASURES) == [
        "dirichlet_energy",
        "rayleigh_quotient",
        "centred_rayleigh_quotient",
        "collapse",
        "numerical_rank",
        "effective_rank",
        "mad",
        "mad_gap",
        "nc1",
        "linear_probe",
        "linear_probe_val",
    ]
    assert set(MEASURES) - set(DEFAULT_MEASURES) == {"mad_gap"}
    assert len({entry.label for entry in MEASURES.values()}) == len(MEASURES)
    assert all(entry.source for entry in MEASURES.values())
    assert all(getattr(diagnostics, name).__doc__ for name in MEASURES)

    def having(flag: str) -> set[str]:
        return {name for name, entry in MEASURES.items() if getattr(entry, flag)}

    assert having("sampled") == {"mad_gap"}
    assert having("slope") == {"collapse", "effective_rank"}
    assert having("log") == {"dirichlet_energy", "centred_rayleigh_quotient", "nc1"}
    assert having("labelled") == {"nc1", "linear_probe", "linear_probe_val"}
    assert having("drop") == {"linear_probe"}
    others = {"dirichlet_energy", "centred_rayleigh_quotient", "mad_gap"}
    assert set(MEASURES) - having("endpoint") == others


def spread_form(representation: Representation) -> Form:
    return Form(weight=torch.ones(representation.topology.num_nodes, dtype=torch.float64))


#: Of a user's own: twice the energy, over the edges, by a sum of its own.
SPREAD = Measure(
    function=lambda representation: representation.edge_sum(spread_form),
    label="spread",
    unit="squared",
    smoother="lower",
    source="this test",
    form=spread_form,
)


def test_a_new_measure_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AttributeError, match="no measure is called 'spread'; known are dirichlet"):
        _ = measure(X, PAW).spread
    monkeypatch.setitem(MEASURES, "spread", SPREAD)
    assert default_measures() == (*DEFAULT_MEASURES, "spread")
    found = measure(X, PAW)
    assert (found.spread, found.dirichlet_energy) == (26.0, 13.0)
    assert list(found.as_dict()) == ["laplacian", *DEFAULT_MEASURES, "spread"]
    assert measure(X, PAW, only=["spread"]).as_dict() == {
        "laplacian": "combinatorial",
        "spread": 26.0,
    }
    assert measure(X, PAW, only=["mad"]).spread is None
    assert math.isnan(measure(X * math.inf, PAW).spread)
    monkeypatch.setitem(MEASURES, "spread", dataclasses.replace(SPREAD, sampled=True))
    assert measure(X, PAW).spread is None


def test_all_measures_take_one_pass_over_the_edges(monkeypatch: pytest.MonkeyPatch) -> None:
    passes, sums = [], representation.edge_sums

    def counted(x: Tensor, topology: Any, forms: list[Form]) -> list[float]:
        passes.append(len(forms))
        return sums(x, topology, forms)

    monkeypatch.setattr(representation, "edge_sums", counted)
    monkeypatch.setitem(MEASURES, "spread", SPREAD)
    measure(X, PAW)
    assert [number for number in passes if number] == [3]
    # One that does not say what it sums takes a pass of its own, and the same value.
    monkeypatch.setitem(MEASURES, "spread", dataclasses.replace(SPREAD, form=None))
    passes.clear()
    assert measure(X, PAW).spread == 26.0
    assert [number for number in passes if number] == [2, 1]


def test_what_was_found_is_copied_compared_and_shown() -> None:
    found = measure(X, PAW, only=["collapse", "dirichlet_energy"])
    for other in (copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert other == found
        assert other.dirichlet_energy == 13.0
    assert (
        repr(found) == "Smoothness(laplacian='combinatorial', dirichlet_energy=13.0, collapse=0.55)"
    )


def test_measure_gives_what_the_functions_give() -> None:
    found = measure(X, PAW, "augmented", only=MEASURES, mad="survey", labels=LABELS)
    for name, entry in MEASURES.items():
        function = getattr(diagnostics, name)
        options: dict[str, tuple[Any, ...]] = {
            "mad": (PAW, "survey"),
            "numerical_rank": (),
            "effective_rank": (),
            **({name: (LABELS,)} if entry.labelled else {}),
        }
        expected = function(X, *options.get(name, (PAW, "augmented")[: 1 if "gap" in name else 2]))
        assert getattr(found, name) == pytest.approx(expected, nan_ok=True, rel=0, abs=0)


def test_only_and_as_dict() -> None:
    found = measure(X, PAW, only=["mad", "collapse"])
    assert set(found.as_dict()) == {"laplacian", "mad", "collapse"}
    assert found.dirichlet_energy is None
    assert set(measure(X, PAW).as_dict()) == {"laplacian", *MEASURES} - {"mad_gap"}
    assert dataclasses.is_dataclass(found)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.mad = 0.0


def test_nothing_to_measure() -> None:
    none = torch.empty(2, 0, dtype=torch.int64)
    lonely = measure(X, none, "symmetric", only=MEASURES)
    assert (lonely.dirichlet_energy, lonely.rayleigh_quotient, lonely.collapse) == (0, 0, 0)
    assert math.isnan(lonely.mad)
    assert lonely.numerical_rank == close(10 / 9)
    zero = measure(torch.zeros(4, 2), PAW, "augmented", only=MEASURES)
    assert zero.dirichlet_energy == 0
    for name in ("mad", "rayleigh_quotient", "collapse", "numerical_rank", "effective_rank"):
        assert math.isnan(getattr(zero, name))
    for shape in ((0, 3), (4, 0)):
        empty = measure(torch.zeros(shape), none, only=MEASURES)
        assert empty.dirichlet_energy == 0
        assert math.isnan(empty.numerical_rank)
    assert math.isnan(diagnostics.dirichlet_energy(X[:0], none, normalisation="survey"))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 3])
def test_not_finite_is_nan(bad: float, place: int) -> None:
    x = X.clone()
    x[place, 1] = bad
    # The third node is isolated here: its row is in no difference.
    found = measure(x, torch.tensor([[0], [1]]), "augmented", only=MEASURES)
    assert all(math.isnan(getattr(found, name)) for name in MEASURES)
    assert math.isnan(diagnostics.effective_rank(x))
    assert math.isnan(diagnostics.mad_gap(x, PAW, 1, 2))


def test_input_stays_as_it_is_and_needs_no_graph_of_its_own() -> None:
    x = X.double().requires_grad_()
    before = x.detach().clone()
    for laplacian in LAPLACIANS:
        measure(x, PAW, laplacian, only=MEASURES)
    assert torch.equal(x, before)
    assert x.grad is None
    wide = torch.randn(4, 20)
    narrow = wide[:, 3:9]
    assert measure(narrow, PAW) == measure(narrow.contiguous(), PAW)


def test_names_that_do_not_exist() -> None:
    for call in (
        lambda: measure(X, PAW, "normalised"),
        lambda: measure(X, PAW, only=["energy"]),
        lambda: measure(X, PAW, mad="mean"),
        lambda: measure(X, PAW, components="all"),
        lambda: diagnostics.dirichlet_energy(X, PAW, normalisation="half"),
        lambda: diagnostics.laplacian_of("mlp"),
    ):
        with pytest.raises(ConfigError, match="must be one of"):
            call()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_gpu() -> None:
    x = torch.randn(300, 20)
    topology = as_topology(nx.gnm_random_graph(300, 900, seed=0))
    for laplacian in LAPLACIANS:
        here = measure(x, topology, laplacian, only=MEASURES).as_dict()
        there = measure(x.cuda(), topology, laplacian, only=MEASURES).as_dict()
        assert here.pop("laplacian") == there.pop("laplacian")
        assert there == pytest.approx(here, rel=1e-10, nan_ok=True)


@settings(max_examples=50)
@given(cases(), st.sampled_from(LAPLACIANS), st.sampled_from(["each", "whole"]))
def test_ranges(case: tuple[Tensor, Tensor], laplacian: Any, components: Any) -> None:
    x, edges = case
    found = measure(x, edges, laplacian, only=MEASURES, components=components)
    slack = 1e-12
    assert found.dirichlet_energy >= 0
    limit = len(x) if laplacian == "combinatorial" else 2
    for name, low, high in (
        ("rayleigh_quotient", 0, limit),
        ("collapse", 0, 1),
        ("numerical_rank", 1, min(x.shape)),
        ("effective_rank", 1, min(x.shape)),
        ("mad", 0, 2),
        ("mad_gap", -2, 2),
    ):
        value = getattr(found, name)
        assert math.isnan(value) or low - slack <= value <= high + slack
    centred = found.centred_rayleigh_quotient
    gap = spectral_gap(as_topology(edges, len(x)), laplacian)
    if components == "each" and not math.isnan(centred):
        assert gap - 1e-9 <= centred <= limit + slack
    # Total over-smoothing is one thing: no energy, nothing outside of the kernel.
    if components == "each" and found.rayleigh_quotient >= 0:
        assert (found.dirichlet_energy <= 1e-20) == (found.collapse <= 1e-20) == math.isnan(centred)


@settings(max_examples=50)
@given(cases(), st.sampled_from(LAPLACIANS), st.sampled_from([1e-30, -3.0, 1e20]))
def test_quotients_know_no_scale(case: tuple[Tensor, Tensor], laplacian: Any, scale: float) -> None:
    x, edges = case
    before = measure(x, edges, laplacian, only=MEASURES)
    after = measure(scale * x, edges, laplacian, only=MEASURES)
    expected = before.dirichlet_energy * scale**2
    assert after.dirichlet_energy == pytest.approx(expected, rel=1e-9, abs=1e-25 * scale**2)
    for name in SCALE_FREE:
        value = getattr(before, name)
        assert getattr(after, name) == pytest.approx(value, rel=1e-6, abs=1e-9, nan_ok=True)


@settings(max_examples=50)
@given(cases(), st.sampled_from(LAPLACIANS), st.randoms(use_true_random=False))
def test_names_of_nodes_and_channels_do_not_matter(
    case: tuple[Tensor, Tensor], laplacian: Any, random: Any
) -> None:
    x, edges = case
    place = torch.tensor(random.sample(range(len(x)), len(x)))
    channel = torch.tensor(random.sample(range(x.size(1)), x.size(1)))
    moved = torch.empty_like(x)
    moved[place] = x[:, channel]
    before = measure(x, edges, laplacian, only=MEASURES)
    after = measure(moved, place[edges], laplacian, only=MEASURES)
    for name in MEASURES:
        value = getattr(before, name)
        assert getattr(after, name) == pytest.approx(value, rel=1e-6, abs=1e-9, nan_ok=True)


@settings(max_examples=50)
@given(cases(), st.sampled_from([torch.float32, torch.bfloat16, torch.float16]))
def test_sums_are_double_whatever_the_input(case: tuple[Tensor, Tensor], dtype: Any) -> None:
    x = (case[0] / 3).to(dtype)
    low = measure(x, case[1], "augmented", only=MEASURES)
    high = measure(x.double(), case[1], "augmented", only=MEASURES)
    for name in MEASURES:
        # Where X − PX is no more than rounding of the lower type, its quotient is given up.
        rounding = torch.finfo(dtype).eps ** 2
        if name == "centred_rayleigh_quotient" and not low.collapse > rounding:
            continue
        assert str(getattr(low, name)) == str(getattr(high, name))
